/* ==========================================================================
 * tenant: implementation
 * ======================================================================= */
#include "wire/tenant.h"
#include "base/thread_impl.h"
#include "wire/wire_impl.h"

#ifndef VYRE_NO_TENANT

VYI_STATIC_ASSERT(tenant_opcodes_are_users,
                  VYRE_TENANT_OPCODES + VYRE_MAX_TENANTS * VYRE_TENANT_OPCODE_COUNT < 0x80000000u);

struct vyre_tenants {
    vyre_allocator   allocator;
    vyi_mutex        lock; /* guards all that follows */
    void            *control;
    vyre_tenant_info entries[VYRE_MAX_TENANTS];
};

/* --- helpers; the lock is held ------------------------------------------- */

/* Release: what the host did before, a device that sees the mask sees too. */
static void vyi_tenant_write_mask(const vyre_tenants *tenants, uint32_t id)
{
    VYRE_ASSERT(id < VYRE_MAX_TENANTS);
    if (tenants->control)
        vyi_wire_store(tenants->control, VYRE_CONTROL_TENANT_MASKS + id,
                       tenants->entries[id].state == VYRE_TENANT_ACTIVE ? 0xffffffffu : 0);
}

static bool vyi_tenant_live(const vyre_tenant_info *entry)
{
    return entry->state == VYRE_TENANT_ACTIVE || entry->state == VYRE_TENANT_DISABLED;
}

static void vyi_tenant_settle(vyre_tenant_info *entry)
{
    VYRE_ASSERT(entry->drained <= entry->published);
    if (entry->state == VYRE_TENANT_REVOKED && entry->published == entry->drained &&
        entry->staging_bytes == 0 && entry->handles == 0)
        entry->state = VYRE_TENANT_FREE;
}

static vyre_status vyi_tenant_is_revoked(uint32_t id, vyre_error *err)
{
    return vyi_fail(err, VYRE_E_TENANT_REVOKED, id, "Register the tenant again.",
                    "tenant %u has been revoked", (unsigned)id);
}

static vyre_status vyi_tenant_find(vyre_tenants *tenants, vyre_tenant tenant,
                                   vyre_tenant_info **out, vyre_error *err)
{
    if (tenant.id >= VYRE_MAX_TENANTS || tenant.generation == 0 ||
        tenant.generation > tenants->entries[tenant.id].tenant.generation)
        return vyi_fail(err, VYRE_E_TENANT_UNKNOWN, tenant.id,
                        "Pass a handle that vyre_tenants_register() gave.",
                        "no tenant has id %u and generation %u", (unsigned)tenant.id,
                        (unsigned)tenant.generation);
    if (tenant.generation != tenants->entries[tenant.id].tenant.generation)
        return vyi_tenant_is_revoked(tenant.id, err);
    *out = &tenants->entries[tenant.id];
    return VYRE_OK;
}

static vyre_status vyi_tenant_find_live(vyre_tenants *tenants, vyre_tenant tenant,
                                        vyre_tenant_info **out, vyre_error *err)
{
    vyre_tenant_info *entry = NULL;
    vyre_status status = vyi_tenant_find(tenants, tenant, &entry, err);
    if (status < 0)
        return status;
    if (!vyi_tenant_live(entry))
        return vyi_tenant_is_revoked(tenant.id, err);
    *out = entry;
    return VYRE_OK;
}

/* --- the registry -------------------------------------------------------- */

static vyre_status vyi_tenant_null(const char *what, vyre_error *err)
{
    return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass its address.", "%s is NULL", what);
}

static vyre_status vyi_tenants_control(const void *control, size_t size, vyre_error *err)
{
    return control || size ? vyre_control_check(control, size, err) : VYRE_OK;
}

VYI_COLD
VYRE_API vyre_tenants *vyre_tenants_create(const vyre_tenants_desc *desc, vyre_error *err)
{
    vyre_tenants_desc none;
    memset(&none, 0, sizeof none);
    if (!desc)
        desc = &none;
    if (vyi_tenants_control(desc->control, desc->control_size, err) < 0)
        return NULL;

    vyre_tenants *tenants = (vyre_tenants *)vyi_alloc(&desc->allocator, sizeof *tenants);
    if (!tenants || !vyi_mutex_init(&tenants->lock)) {
        vyi_free(&desc->allocator, tenants, sizeof *tenants);
        (void)vyi_fail_nomem(err, sizeof *tenants);
        return NULL;
    }
    tenants->allocator = desc->allocator;
    tenants->control = desc->control;
    memset(tenants->entries, 0, sizeof tenants->entries);
    for (uint32_t id = 0; id < VYRE_MAX_TENANTS; id++) {
        tenants->entries[id].tenant.id = id;
        vyi_tenant_write_mask(tenants, id);
    }
    return tenants;
}

VYI_COLD
VYRE_API void vyre_tenants_destroy(vyre_tenants *tenants)
{
    if (!tenants)
        return;
    vyre_allocator allocator = tenants->allocator;
    vyi_mutex_free(&tenants->lock);
    vyi_free(&allocator, tenants, sizeof *tenants);
}

VYI_COLD
VYRE_API vyre_status vyre_tenants_attach(vyre_tenants *tenants, void *control,
                                         size_t control_size, vyre_error *err)
{
    if (!tenants)
        return vyi_tenant_null("the registry", err);
    vyre_status status = vyi_tenants_control(control, control_size, err);
    if (status < 0)
        return status;

    vyi_mutex_lock(&tenants->lock);
    tenants->control = control;
    for (uint32_t id = 0; id < VYRE_MAX_TENANTS; id++)
        vyi_tenant_write_mask(tenants, id);
    vyi_mutex_unlock(&tenants->lock);
    return VYRE_OK;
}

VYI_COLD
VYRE_API vyre_status vyre_tenants_list(vyre_tenants *tenants, uint32_t ids[VYRE_MAX_TENANTS],
                                       uint32_t *count, vyre_error *err)
{
    if (!tenants || !ids || !count)
        return vyi_tenant_null("the registry, the ids or the count", err);
    vyi_mutex_lock(&tenants->lock);
    *count = 0;
    for (uint32_t id = 0; id < VYRE_MAX_TENANTS; id++) {
        if (vyi_tenant_live(&tenants->entries[id]))
            ids[(*count)++] = id;
    }
    vyi_mutex_unlock(&tenants->lock);
    return VYRE_OK;
}

static uint32_t vyi_tenants_take(vyre_tenants *tenants, const vyre_tenant_limits *limits)
{
    uint32_t id = 0;
    while (id < VYRE_MAX_TENANTS && tenants->entries[id].state != VYRE_TENANT_FREE)
        id++;
    if (id == VYRE_MAX_TENANTS)
        return id;

    vyre_tenant_info *entry = &tenants->entries[id];
    uint32_t generation = entry->tenant.generation + 1;
    VYRE_ASSERT(entry->published == entry->drained && entry->handles == 0);
    memset(entry, 0, sizeof *entry);
    entry->tenant.id = id;
    entry->tenant.generation = generation ? generation : 1;
    entry->state = VYRE_TENANT_ACTIVE;
    entry->limits.slots = limits ? limits->slots : UINT64_MAX;
    entry->limits.staging_bytes = limits ? limits->staging_bytes : UINT64_MAX;
    entry->limits.handles = limits ? limits->handles : UINT64_MAX;
    vyi_tenant_write_mask(tenants, id);
    return id;
}

VYI_COLD
VYRE_API vyre_status vyre_tenants_register(vyre_tenants *tenants, const vyre_tenant_limits *limits,
                                           vyre_tenant *out, vyre_error *err)
{
    if (!tenants || !out)
        return vyi_tenant_null(tenants ? "the tenant" : "the registry", err);
    vyi_mutex_lock(&tenants->lock);
    uint32_t id = vyi_tenants_take(tenants, limits);
    if (id < VYRE_MAX_TENANTS)
        *out = tenants->entries[id].tenant;
    vyi_mutex_unlock(&tenants->lock);
    if (id < VYRE_MAX_TENANTS)
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_TENANT_FULL, VYRE_MAX_TENANTS,
                    "Revoke a tenant, and drain what it has outstanding.",
                    "all %u tenant ids are in use", VYRE_MAX_TENANTS);
}

/* --- one tenant ---------------------------------------------------------- */

static vyre_status vyi_tenant_switch(vyre_tenants *tenants, vyre_tenant tenant,
                                     vyre_tenant_state state, vyre_error *err)
{
    if (!tenants)
        return vyi_tenant_null("the registry", err);
    vyre_tenant_info *entry = NULL;
    vyi_mutex_lock(&tenants->lock);
    vyre_status status = vyi_tenant_find_live(tenants, tenant, &entry, err);
    if (status >= 0) {
        entry->state = state;
        vyi_tenant_write_mask(tenants, tenant.id);
        vyi_tenant_settle(entry);
        if (state == VYRE_TENANT_REVOKED && entry->state != VYRE_TENANT_FREE)
            status = VYRE_PENDING;
    }
    vyi_mutex_unlock(&tenants->lock);
    return status;
}

VYRE_API vyre_status vyre_tenants_enable(vyre_tenants *tenants, vyre_tenant tenant,
                                         vyre_error *err)
{
    return vyi_tenant_switch(tenants, tenant, VYRE_TENANT_ACTIVE, err);
}

VYRE_API vyre_status vyre_tenants_disable(vyre_tenants *tenants, vyre_tenant tenant,
                                          vyre_error *err)
{
    return vyi_tenant_switch(tenants, tenant, VYRE_TENANT_DISABLED, err);
}

VYRE_API vyre_status vyre_tenants_revoke(vyre_tenants *tenants, vyre_tenant tenant,
                                         vyre_error *err)
{
    return vyi_tenant_switch(tenants, tenant, VYRE_TENANT_REVOKED, err);
}

VYI_COLD
VYRE_API vyre_status vyre_tenants_query(vyre_tenants *tenants, vyre_tenant tenant,
                                        vyre_tenant_info *out, vyre_error *err)
{
    if (!tenants || !out)
        return vyi_tenant_null(tenants ? "the information" : "the registry", err);
    vyre_tenant_info *entry = NULL;
    vyi_mutex_lock(&tenants->lock);
    vyre_status status = vyi_tenant_find(tenants, tenant, &entry, err);
    if (status >= 0)
        *out = *entry;
    vyi_mutex_unlock(&tenants->lock);
    return status;
}

/* --- slots --------------------------------------------------------------- */

static vyre_status vyi_tenant_map_opcode(uint32_t id, uint32_t local, uint32_t *out,
                                         vyre_error *err)
{
    if (local >= VYRE_TENANT_OPCODE_COUNT)
        return vyi_fail(err, VYRE_E_TENANT_OPCODE, local, "Use opcodes below 2^20.",
                        "tenant %u has %u opcodes; %u is none of them", (unsigned)id,
                        VYRE_TENANT_OPCODE_COUNT, (unsigned)local);
    *out = VYRE_TENANT_OPCODES + id * VYRE_TENANT_OPCODE_COUNT + local;
    return VYRE_OK;
}

VYI_COLD
VYRE_API vyre_status vyre_tenants_opcode(vyre_tenants *tenants, vyre_tenant tenant, uint32_t local,
                                         uint32_t *out, vyre_error *err)
{
    if (!tenants || !out)
        return vyi_tenant_null(tenants ? "the opcode" : "the registry", err);
    vyre_tenant_info *entry = NULL;
    vyi_mutex_lock(&tenants->lock);
    vyre_status status = vyi_tenant_find_live(tenants, tenant, &entry, err);
    vyi_mutex_unlock(&tenants->lock);
    return status < 0 ? status : vyi_tenant_map_opcode(tenant.id, local, out, err);
}

static vyre_status vyi_tenant_count_slot(vyre_tenant_info *entry, vyre_error *err)
{
    VYRE_ASSERT(entry->drained <= entry->published);
    uint64_t outstanding = entry->published - entry->drained;
    if (outstanding >= entry->limits.slots)
        return vyi_fail(err, VYRE_E_TENANT_BACKPRESSURE, outstanding,
                        "Wait until some of its slots are done, or raise its limit.",
                        "tenant %u has %llu slots outstanding of %llu",
                        (unsigned)entry->tenant.id, (unsigned long long)outstanding,
                        (unsigned long long)entry->limits.slots);
    entry->published++;
    return VYRE_OK;
}

VYRE_API vyre_status vyre_tenants_work(vyre_tenants *tenants, vyre_tenant tenant,
                                       const vyre_work *local, vyre_work *out, vyre_error *err)
{
    if (!tenants || !local || !out)
        return vyi_tenant_null("the registry or a work", err);
    uint32_t opcode = 0;
    vyre_tenant_info *entry = NULL;
    vyi_mutex_lock(&tenants->lock);
    vyre_status status = vyi_tenant_find_live(tenants, tenant, &entry, err);
    if (status >= 0)
        status = vyi_tenant_map_opcode(tenant.id, local->opcode, &opcode, err);
    if (status >= 0)
        status = vyi_tenant_count_slot(entry, err);
    vyi_mutex_unlock(&tenants->lock);
    if (status < 0)
        return status;
    *out = *local;
    out->opcode = opcode;
    out->tenant = tenant.id;
    return VYRE_OK;
}

/* Takes `slots` out of what is outstanding, on the one side or the other. */
static vyre_status vyi_tenant_end_slots(vyre_tenants *tenants, vyre_tenant tenant, uint64_t slots,
                                        bool withdraw, vyre_error *err)
{
    if (!tenants)
        return vyi_tenant_null("the registry", err);
    vyre_tenant_info *entry = NULL;
    vyi_mutex_lock(&tenants->lock);
    vyre_status status = vyi_tenant_find(tenants, tenant, &entry, err);
    if (status >= 0) {
        uint64_t outstanding = entry->published - entry->drained;
        if (slots > outstanding) {
            status = vyi_fail(err, VYRE_E_TENANT_ACCOUNTING, outstanding,
                              "Report each slot once, and only of this tenant.",
                              "tenant %u has %llu slots outstanding, and %llu are reported",
                              (unsigned)tenant.id, (unsigned long long)outstanding,
                              (unsigned long long)slots);
        } else {
            entry->published -= withdraw ? slots : 0;
            entry->drained += withdraw ? 0 : slots;
            vyi_tenant_settle(entry);
        }
    }
    vyi_mutex_unlock(&tenants->lock);
    return status;
}

VYRE_API vyre_status vyre_tenants_withdraw(vyre_tenants *tenants, vyre_tenant tenant,
                                           uint64_t slots, vyre_error *err)
{
    return vyi_tenant_end_slots(tenants, tenant, slots, true, err);
}

VYRE_API vyre_status vyre_tenants_drained(vyre_tenants *tenants, vyre_tenant tenant,
                                          uint64_t slots, vyre_error *err)
{
    return vyi_tenant_end_slots(tenants, tenant, slots, false, err);
}

/* --- quiesce ------------------------------------------------------------- */

#define VYI_QUIESCE_YIELDS    64u
#define VYI_QUIESCE_SLEEP_NS  2000u
#define VYI_QUIESCE_SLEEP_MAX 50000u

/* After some turns of the processor: 2, 4, 8, 16, 32, 50, 50, ... us. */
static void vyi_quiesce_pause(uint64_t round)
{
    if (round < VYI_QUIESCE_YIELDS) {
        vyi_yield();
        return;
    }
    uint64_t doublings = round - VYI_QUIESCE_YIELDS;
    uint64_t ns = (uint64_t)VYI_QUIESCE_SLEEP_NS << (doublings < 5 ? doublings : 5);
    vyi_sleep(ns < VYI_QUIESCE_SLEEP_MAX ? ns : VYI_QUIESCE_SLEEP_MAX);
}

/* One look.  `final` closes the call's account. */
static vyre_status vyi_quiesce_look(vyre_tenants *tenants, vyre_tenant tenant, uint64_t waited_ns,
                                    bool final, vyre_error *err)
{
    vyre_tenant_info *entry = NULL;
    vyi_mutex_lock(&tenants->lock);
    vyre_status status = vyi_tenant_find(tenants, tenant, &entry, err);
    if (status >= 0) {
        bool done = entry->published == entry->drained;
        status = done ? VYRE_OK : final ? VYRE_TIMEOUT : VYRE_PENDING;
        if (done || final) {
            entry->quiesce_calls++;
            entry->quiesce_timeouts += !done;
            entry->quiesce_wait_ns += waited_ns;
        }
    }
    vyi_mutex_unlock(&tenants->lock);
    return status;
}

VYRE_API vyre_status vyre_tenants_quiesce(vyre_tenants *tenants, vyre_tenant tenant,
                                          uint64_t timeout_ns, vyre_error *err)
{
    if (!tenants)
        return vyi_tenant_null("the registry", err);
    const uint64_t begin = vyi_now(), deadline = vyi_deadline(timeout_ns);
    for (uint64_t round = 0;; round++) {
        const uint64_t now = round == 0 && timeout_ns == 0 ? begin : vyi_now();
        const bool final = timeout_ns == 0 || now >= deadline;
        vyre_status status = vyi_quiesce_look(tenants, tenant, now - begin, final, err);
        if (status != VYRE_PENDING)
            return status;
        vyi_quiesce_pause(round);
    }
}

/* --- resources ----------------------------------------------------------- */

typedef struct vyi_tenant_account {
    uint64_t   *used;
    uint64_t    limit;
    vyre_status refusal;
    const char *name;
} vyi_tenant_account;

static vyi_tenant_account vyi_tenant_account_of(vyre_tenant_info *entry,
                                                vyre_tenant_resource resource)
{
    VYRE_ASSERT(resource == VYRE_TENANT_HANDLES || resource == VYRE_TENANT_STAGING_BYTES);
    vyi_tenant_account staging = { &entry->staging_bytes, entry->limits.staging_bytes,
                                   VYRE_E_TENANT_STAGING, "staging bytes" };
    vyi_tenant_account handles = { &entry->handles, entry->limits.handles,
                                   VYRE_E_TENANT_HANDLES, "handles" };
    return resource == VYRE_TENANT_HANDLES ? handles : staging;
}

static vyre_status vyi_tenant_take(vyre_tenant_info *entry, vyre_tenant_resource resource,
                                   uint64_t amount, vyre_error *err)
{
    vyi_tenant_account account = vyi_tenant_account_of(entry, resource);
    if (amount > UINT64_MAX - *account.used)
        return vyi_fail(err, VYRE_E_COUNTER_OVF, *account.used, "Reserve less.",
                        "%llu %s more than %llu exceed 64 bits", (unsigned long long)amount,
                        account.name, (unsigned long long)*account.used);
    if (*account.used + amount > account.limit)
        return vyi_fail(err, account.refusal, *account.used,
                        "Release some first, or raise the tenant's limit.",
                        "tenant %u has %llu of %llu %s, and wants %llu more",
                        (unsigned)entry->tenant.id, (unsigned long long)*account.used,
                        (unsigned long long)account.limit, account.name,
                        (unsigned long long)amount);
    *account.used += amount;
    return VYRE_OK;
}

static vyre_status vyi_tenant_give(vyre_tenant_info *entry, vyre_tenant_resource resource,
                                   uint64_t amount, vyre_error *err)
{
    vyi_tenant_account account = vyi_tenant_account_of(entry, resource);
    if (amount > *account.used)
        return vyi_fail(err, VYRE_E_TENANT_UNDERFLOW, *account.used,
                        "Release what was reserved, once.",
                        "tenant %u has %llu %s, and releases %llu", (unsigned)entry->tenant.id,
                        (unsigned long long)*account.used, account.name,
                        (unsigned long long)amount);
    *account.used -= amount;
    vyi_tenant_settle(entry);
    return VYRE_OK;
}

static vyre_status vyi_tenant_resource(vyre_tenant_resource resource, vyre_tenants *tenants,
                                       vyre_error *err)
{
    if (!tenants)
        return vyi_tenant_null("the registry", err);
    if ((uint32_t)resource > VYRE_TENANT_HANDLES)
        return vyi_fail(err, VYRE_E_ARGUMENT, (uint32_t)resource,
                        "Pass one of vyre_tenant_resource.", "%u is no resource",
                        (unsigned)resource);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_tenants_reserve(vyre_tenants *tenants, vyre_tenant tenant,
                                          vyre_tenant_resource resource, uint64_t amount,
                                          vyre_error *err)
{
    vyre_status status = vyi_tenant_resource(resource, tenants, err);
    if (status < 0)
        return status;
    vyre_tenant_info *entry = NULL;
    vyi_mutex_lock(&tenants->lock);
    status = vyi_tenant_find_live(tenants, tenant, &entry, err);
    if (status >= 0)
        status = vyi_tenant_take(entry, resource, amount, err);
    vyi_mutex_unlock(&tenants->lock);
    return status;
}

VYRE_API vyre_status vyre_tenants_release(vyre_tenants *tenants, vyre_tenant tenant,
                                          vyre_tenant_resource resource, uint64_t amount,
                                          vyre_error *err)
{
    vyre_status status = vyi_tenant_resource(resource, tenants, err);
    if (status < 0)
        return status;
    vyre_tenant_info *entry = NULL;
    vyi_mutex_lock(&tenants->lock);
    status = vyi_tenant_find(tenants, tenant, &entry, err);
    if (status >= 0)
        status = vyi_tenant_give(entry, resource, amount, err);
    vyi_mutex_unlock(&tenants->lock);
    return status;
}

/* --- who may run together ------------------------------------------------ */

static bool vyi_tenants_conflict(const vyre_tenant_conflicts *c, uint32_t a, uint32_t b)
{
    VYRE_ASSERT(a < c->count && b < c->count);
    return c->matrix[(size_t)a * c->count + b] || c->matrix[(size_t)b * c->count + a];
}

/* Whether row `row` conflicts with one of the rows taken so far. */
static bool vyi_tenants_excluded(const vyre_tenant_conflicts *c, uint32_t row,
                                 const uint32_t *taken, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (vyi_tenants_conflict(c, row, taken[i]))
            return true;
    }
    return false;
}

static vyre_status vyi_tenants_check_conflicts(const vyre_tenant_conflicts *c,
                                               const uint32_t *out, vyre_error *err)
{
    if (c->matrix_count != (uint64_t)c->count * c->count)
        return vyi_fail(err, VYRE_E_ARGUMENT, c->matrix_count,
                        "Pass count * count bytes, made for these ids.",
                        "a conflict matrix of %u tenants has %llu entries, not %llu",
                        (unsigned)c->count, (unsigned long long)c->count * c->count,
                        (unsigned long long)c->matrix_count);
    if (c->count && (!c->ids || !c->matrix || !out))
        return vyi_tenant_null("the ids, the matrix or the result", err);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_tenants_select(const vyre_tenant_conflicts *conflicts, uint32_t *out,
                                         uint32_t *out_count, vyre_error *err)
{
    if (!conflicts || !out_count)
        return vyi_tenant_null(conflicts ? "the count" : "the description", err);
    vyre_status status = vyi_tenants_check_conflicts(conflicts, out, err);
    if (status < 0)
        return status;

    uint32_t taken = 0;
    for (uint32_t i = 0; i < conflicts->count; i++) {
        uint32_t row = (uint32_t)(((uint64_t)conflicts->start + i) % conflicts->count);
        if (!vyi_tenants_excluded(conflicts, row, out, taken))
            out[taken++] = row;
    }
    for (uint32_t i = 0; i < taken; i++)
        out[i] = conflicts->ids[out[i]];
    *out_count = taken;
    return VYRE_OK;
}

#endif /* VYRE_NO_TENANT */

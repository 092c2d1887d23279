/* tenant: the registry, its accounts, and that they are exact from several
 * threads. */
#include "oom.h"
#include "test.h"
#include "vyre.h"

#include <pthread.h>

static vyre_error err;

#define CHECK_FAILS(call, expected)                                                                \
    do {                                                                                           \
        memset(&err, 0xa5, sizeof err);                                                            \
        CHECK_EQ(call, expected);                                                                  \
        CHECK_EQ(err.status, expected);                                                            \
        CHECK(err.text[0] && strlen(err.text) < sizeof err.text - 1);                              \
        CHECK(err.fix[0] && strlen(err.fix) < sizeof err.fix - 1);                                 \
    } while (0)

static uint32_t control[160]; /* the masks are all ones or zero, so any byte order will do */

static uint32_t mask(uint32_t id)
{
    return control[VYRE_CONTROL_TENANT_MASKS + id];
}

static vyre_tenants *registry(void)
{
    vyre_control_desc all = { false, VYRE_MAX_TENANTS, 0 };
    vyre_tenants_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.control = control;
    desc.control_size = sizeof control;
    CHECK_EQ(vyre_control_encode(control, sizeof control, &all, &err), VYRE_OK);
    vyre_tenants *t = vyre_tenants_create(&desc, &err);
    CHECK(t != NULL);
    return t;
}

static vyre_tenant enrol(vyre_tenants *t, uint64_t slots, uint64_t staging, uint64_t handles)
{
    vyre_tenant_limits limits = { slots, staging, handles };
    vyre_tenant tenant;
    CHECK_EQ(vyre_tenants_register(t, &limits, &tenant, &err), VYRE_OK);
    return tenant;
}

static vyre_tenant_info info_of(vyre_tenants *t, vyre_tenant tenant)
{
    vyre_tenant_info info;
    CHECK_EQ(vyre_tenants_query(t, tenant, &info, &err), VYRE_OK);
    return info;
}

static vyre_status admit(vyre_tenants *t, vyre_tenant tenant)
{
    vyre_work local, work;
    memset(&local, 0, sizeof local);
    local.opcode = 7;
    return vyre_tenants_work(t, tenant, &local, &work, &err);
}

/* --- ids and masks ------------------------------------------------------- */

static void ids_are_mask_indices(void)
{
    vyre_tenants *t = registry();
    for (uint32_t id = 0; id < VYRE_MAX_TENANTS; id++)
        CHECK_EQ(mask(id), 0);
    for (uint32_t id = 0; id < VYRE_MAX_TENANTS; id++) {
        vyre_tenant tenant = enrol(t, 1, 1, 1);
        CHECK_EQ(tenant.id, id);
        CHECK_EQ(mask(id), 0xffffffffu);
    }
    vyre_tenant none = { 99, 99 };
    CHECK_FAILS(vyre_tenants_register(t, NULL, &none, &err), VYRE_E_TENANT_FULL);
    CHECK(none.id == 99 && none.generation == 99);
    CHECK_EQ(control[VYRE_CONTROL_TENANT_QUOTAS] != 0, true);
    vyre_tenants_destroy(t);
}

static void ids_are_recycled_and_handles_are_not(void)
{
    vyre_tenants *t = registry();
    vyre_tenant a = enrol(t, 1, 1, 1), b = enrol(t, 1, 1, 1);
    CHECK_EQ(vyre_tenants_revoke(t, a, &err), VYRE_OK);
    CHECK_EQ(mask(a.id), 0);
    CHECK_EQ(info_of(t, a).state, VYRE_TENANT_FREE);
    vyre_tenant c = enrol(t, 5, 1, 1);
    CHECK(c.id == a.id && c.generation != a.generation);
    CHECK_EQ(mask(a.id), 0xffffffffu);
    CHECK_FAILS(admit(t, a), VYRE_E_TENANT_REVOKED);
    CHECK_FAILS(vyre_tenants_disable(t, a, &err), VYRE_E_TENANT_REVOKED);
    CHECK_FAILS(vyre_tenants_drained(t, a, 0, &err), VYRE_E_TENANT_REVOKED);
    CHECK_EQ(mask(c.id), 0xffffffffu);
    CHECK_EQ(admit(t, c), VYRE_OK);
    CHECK_EQ(info_of(t, b).published, 0);
    vyre_tenants_destroy(t);
}

static void a_mask_follows_its_tenant(void)
{
    vyre_tenants *t = registry();
    vyre_tenant a = enrol(t, 9, 9, 9);
    uint32_t ids[VYRE_MAX_TENANTS], count = 99;
    CHECK_EQ(vyre_tenants_disable(t, a, &err), VYRE_OK);
    CHECK_EQ(mask(0), 0);
    CHECK_EQ(info_of(t, a).state, VYRE_TENANT_DISABLED);
    CHECK_EQ(admit(t, a), VYRE_OK); /* it may queue; the device leaves it alone */
    CHECK_EQ(vyre_tenants_enable(t, a, &err), VYRE_OK);
    CHECK_EQ(mask(0), 0xffffffffu);
    CHECK_EQ(vyre_tenants_list(t, ids, &count, &err), VYRE_OK);
    CHECK(count == 1 && ids[0] == 0);
    CHECK_EQ(vyre_tenants_revoke(t, a, &err), VYRE_PENDING);
    CHECK_EQ(mask(0), 0);
    CHECK_FAILS(vyre_tenants_enable(t, a, &err), VYRE_E_TENANT_REVOKED);
    CHECK_EQ(vyre_tenants_list(t, ids, &count, &err), VYRE_OK);
    CHECK_EQ(count, 0);
    vyre_tenants_destroy(t);
}

static void another_control_buffer_gets_the_masks(void)
{
    static uint32_t other[160];
    vyre_tenants *t = registry();
    enrol(t, 1, 1, 1);
    vyre_tenant b = enrol(t, 1, 1, 1);
    CHECK_EQ(vyre_tenants_disable(t, b, &err), VYRE_OK);
    memset(other, 0x55, sizeof other);
    CHECK_EQ(vyre_tenants_attach(t, other, sizeof other, &err), VYRE_OK);
    CHECK(other[3] == 0xffffffffu && other[4] == 0 && other[31] == 0);
    CHECK(other[2] == 0x55555555u && other[32] == 0x55555555u);
    CHECK_FAILS(vyre_tenants_attach(t, other, 636, &err), VYRE_E_CONTROL_SHAPE);
    CHECK_FAILS(vyre_tenants_attach(t, NULL, 640, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_tenants_attach(t, NULL, 0, &err), VYRE_OK);
    CHECK_EQ(vyre_tenants_enable(t, b, &err), VYRE_OK);
    CHECK_EQ(other[4], 0);
    vyre_tenants_destroy(t);
}

/* --- works --------------------------------------------------------------- */

static void works_are_the_tenant_s_own(void)
{
    vyre_tenants *t = registry();
    enrol(t, 1, 1, 1);
    vyre_tenant b = enrol(t, 2, 1, 1);
    vyre_work local, work, untouched;
    uint32_t opcode = 5;
    memset(&local, 0, sizeof local);
    local.opcode = 0x2a;
    local.tenant = 17; /* whatever it says */
    local.arg_count = 2;
    local.args[1] = 9;
    CHECK_EQ(vyre_tenants_work(t, b, &local, &work, &err), VYRE_OK);
    CHECK(work.opcode == 0x4010002au && work.tenant == 1 && work.args[1] == 9);
    CHECK_EQ(vyre_tenants_opcode(t, b, 0xfffff, &opcode, &err), VYRE_OK);
    CHECK_EQ(opcode, 0x401fffffu);
    CHECK_FAILS(vyre_tenants_opcode(t, b, 0x100000, &opcode, &err), VYRE_E_TENANT_OPCODE);
    CHECK_EQ(opcode, 0x401fffffu);
    memset(&work, 0xa5, sizeof work);
    untouched = work;
    local.opcode = 0x100000;
    CHECK_FAILS(vyre_tenants_work(t, b, &local, &work, &err), VYRE_E_TENANT_OPCODE);
    local.opcode = 1;
    CHECK_EQ(vyre_tenants_work(t, b, &local, &local, &err), VYRE_OK);
    CHECK_FAILS(vyre_tenants_work(t, b, &local, &work, &err), VYRE_E_TENANT_OPCODE);
    local.opcode = 1;
    CHECK_FAILS(vyre_tenants_work(t, b, &local, &work, &err), VYRE_E_TENANT_BACKPRESSURE);
    CHECK(memcmp(&work, &untouched, sizeof work) == 0);
    CHECK_EQ(info_of(t, b).published, 2);
    vyre_tenants_destroy(t);
}

/* 19.P6, P11: what is outstanding is what was published and not drained. */
static void slots_are_accounted_for(void)
{
    vyre_tenants *t = registry();
    vyre_tenant a = enrol(t, 2, 0, 0);
    CHECK_EQ(admit(t, a), VYRE_OK);
    CHECK_EQ(admit(t, a), VYRE_OK);
    CHECK_FAILS(admit(t, a), VYRE_E_TENANT_BACKPRESSURE);
    CHECK_FAILS(vyre_tenants_drained(t, a, 3, &err), VYRE_E_TENANT_ACCOUNTING);
    CHECK_EQ(err.at, 2);
    CHECK_EQ(info_of(t, a).drained, 0);
    CHECK_EQ(vyre_tenants_drained(t, a, 1, &err), VYRE_OK);
    CHECK_EQ(admit(t, a), VYRE_OK);
    CHECK_EQ(vyre_tenants_withdraw(t, a, 1, &err), VYRE_OK);
    CHECK_FAILS(vyre_tenants_withdraw(t, a, 2, &err), VYRE_E_TENANT_ACCOUNTING);
    vyre_tenant_info info = info_of(t, a);
    CHECK(info.published == 2 && info.drained == 1);
    vyre_tenant b = enrol(t, 0, 0, 0);
    CHECK_FAILS(admit(t, b), VYRE_E_TENANT_BACKPRESSURE);
    vyre_tenants_destroy(t);
}

static void no_limits_are_no_limits(void)
{
    vyre_tenants *t = registry();
    vyre_tenant a;
    CHECK_EQ(vyre_tenants_register(t, NULL, &a, &err), VYRE_OK);
    CHECK_EQ(vyre_tenants_reserve(t, a, VYRE_TENANT_STAGING_BYTES, UINT64_MAX, &err), VYRE_OK);
    CHECK_FAILS(vyre_tenants_reserve(t, a, VYRE_TENANT_STAGING_BYTES, 1, &err),
                VYRE_E_COUNTER_OVF);
    CHECK_EQ(admit(t, a), VYRE_OK);
    vyre_tenants_destroy(t);
}

/* --- resources (19.P8) --------------------------------------------------- */

static void resources_are_accounted_for(void)
{
    vyre_tenants *t = registry();
    vyre_tenant a = enrol(t, 1, 16, 2);
    CHECK_EQ(vyre_tenants_reserve(t, a, VYRE_TENANT_STAGING_BYTES, 8, &err), VYRE_OK);
    CHECK_FAILS(vyre_tenants_reserve(t, a, VYRE_TENANT_STAGING_BYTES, 9, &err),
                VYRE_E_TENANT_STAGING);
    CHECK_EQ(vyre_tenants_release(t, a, VYRE_TENANT_STAGING_BYTES, 4, &err), VYRE_OK);
    CHECK_EQ(vyre_tenants_reserve(t, a, VYRE_TENANT_STAGING_BYTES, 12, &err), VYRE_OK);
    CHECK_FAILS(vyre_tenants_release(t, a, VYRE_TENANT_STAGING_BYTES, 17, &err),
                VYRE_E_TENANT_UNDERFLOW);
    CHECK_EQ(info_of(t, a).staging_bytes, 16);
    CHECK_EQ(vyre_tenants_reserve(t, a, VYRE_TENANT_HANDLES, 2, &err), VYRE_OK);
    CHECK_FAILS(vyre_tenants_reserve(t, a, VYRE_TENANT_HANDLES, 1, &err), VYRE_E_TENANT_HANDLES);
    CHECK_FAILS(vyre_tenants_reserve(t, a, (vyre_tenant_resource)2, 1, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_tenants_release(t, a, (vyre_tenant_resource)2, 1, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(info_of(t, a).handles, 2);
    vyre_tenants_destroy(t);
}

/* An id is free when the last slot, byte and handle is back, not before. */
static void a_revoked_tenant_keeps_its_id_while_it_holds_something(void)
{
    vyre_tenants *t = registry();
    vyre_tenant a = enrol(t, 4, 16, 2);
    CHECK_EQ(admit(t, a), VYRE_OK);
    CHECK_EQ(admit(t, a), VYRE_OK);
    CHECK_EQ(vyre_tenants_reserve(t, a, VYRE_TENANT_STAGING_BYTES, 8, &err), VYRE_OK);
    CHECK_EQ(vyre_tenants_reserve(t, a, VYRE_TENANT_HANDLES, 1, &err), VYRE_OK);
    CHECK_EQ(vyre_tenants_revoke(t, a, &err), VYRE_PENDING);
    CHECK_FAILS(vyre_tenants_revoke(t, a, &err), VYRE_E_TENANT_REVOKED);
    CHECK_FAILS(vyre_tenants_reserve(t, a, VYRE_TENANT_HANDLES, 1, &err), VYRE_E_TENANT_REVOKED);
    CHECK_FAILS(admit(t, a), VYRE_E_TENANT_REVOKED);
    CHECK_EQ(enrol(t, 1, 1, 1).id, 1);
    CHECK_EQ(vyre_tenants_drained(t, a, 1, &err), VYRE_OK);
    CHECK_EQ(vyre_tenants_withdraw(t, a, 1, &err), VYRE_OK);
    CHECK_EQ(info_of(t, a).state, VYRE_TENANT_REVOKED);
    CHECK_EQ(vyre_tenants_release(t, a, VYRE_TENANT_STAGING_BYTES, 8, &err), VYRE_OK);
    CHECK_EQ(enrol(t, 1, 1, 1).id, 2);
    CHECK_EQ(vyre_tenants_release(t, a, VYRE_TENANT_HANDLES, 1, &err), VYRE_OK);
    CHECK_EQ(info_of(t, a).state, VYRE_TENANT_FREE);
    CHECK_EQ(enrol(t, 1, 1, 1).id, 0);
    vyre_tenants_destroy(t);
}

/* --- quiesce (19.P10) ---------------------------------------------------- */

static void quiesce_waits_until_the_deadline(void)
{
    vyre_tenants *t = registry();
    vyre_tenant a = enrol(t, 4, 0, 0);
    CHECK_EQ(vyre_tenants_quiesce(t, a, 0, &err), VYRE_OK);
    CHECK_EQ(admit(t, a), VYRE_OK);
    CHECK_EQ(vyre_tenants_quiesce(t, a, 0, &err), VYRE_TIMEOUT);
    CHECK_EQ(vyre_tenants_quiesce(t, a, 3000000, &err), VYRE_TIMEOUT);
    vyre_tenant_info info = info_of(t, a);
    CHECK(info.quiesce_calls == 3 && info.quiesce_timeouts == 2);
    CHECK(info.quiesce_wait_ns >= 3000000 && info.quiesce_wait_ns < 10000000000ull);
    CHECK_EQ(vyre_tenants_drained(t, a, 1, &err), VYRE_OK);
    CHECK_EQ(vyre_tenants_quiesce(t, a, UINT64_MAX, &err), VYRE_OK);
    vyre_tenants_destroy(t);
}

typedef struct drainer {
    vyre_tenants *t;
    vyre_tenant   a;
    uint32_t      count;
} drainer;

static void *drain(void *user)
{
    drainer *d = (drainer *)user;
    for (uint32_t i = 0; i < d->count; i++)
        (void)vyre_tenants_drained(d->t, d->a, 1, NULL);
    return NULL;
}

static void quiesce_sees_another_thread_drain(void)
{
    drainer d = { registry(), { 0, 0 }, 1000 };
    pthread_t thread;
    d.a = enrol(d.t, UINT64_MAX, 0, 0);
    for (uint32_t i = 0; i < d.count; i++)
        CHECK_EQ(admit(d.t, d.a), VYRE_OK);
    CHECK_EQ(pthread_create(&thread, NULL, drain, &d), 0);
    CHECK_EQ(vyre_tenants_quiesce(d.t, d.a, 20000000000ull, &err), VYRE_OK);
    pthread_join(thread, NULL);
    CHECK_EQ(info_of(d.t, d.a).drained, 1000);
    vyre_tenants_destroy(d.t);
}

/* --- threads ------------------------------------------------------------- */

#define THREADS 4u
#define ROUNDS  20000u
#define LIMIT   8u

typedef struct user {
    vyre_tenants *t;
    vyre_tenant   a;
    uint64_t      seed, admitted, withdrawn, drained;
    uint32_t      broken;
} user;

/* Each thread gives back what it took; the limit holds for all together. */
static void *use(void *argument)
{
    user *u = (user *)argument;
    vyre_work local, work;
    memset(&local, 0, sizeof local);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint64_t pick = test_random(&u->seed), bytes = pick % 5;
        if (vyre_tenants_reserve(u->t, u->a, VYRE_TENANT_STAGING_BYTES, bytes, NULL) == VYRE_OK)
            u->broken += vyre_tenants_release(u->t, u->a, VYRE_TENANT_STAGING_BYTES, bytes,
                                              NULL) < 0;
        if (vyre_tenants_work(u->t, u->a, &local, &work, NULL) < 0)
            continue;
        u->admitted++;
        vyre_tenant_info info;
        u->broken += vyre_tenants_query(u->t, u->a, &info, NULL) < 0;
        u->broken += info.published - info.drained > LIMIT;
        if (pick >> 32 & 1) {
            u->withdrawn++;
            u->broken += vyre_tenants_withdraw(u->t, u->a, 1, NULL) < 0;
        } else {
            u->drained++;
            u->broken += vyre_tenants_drained(u->t, u->a, 1, NULL) < 0;
        }
    }
    return NULL;
}

static void accounts_are_exact_from_several_threads(void)
{
    vyre_tenants *t = registry();
    vyre_tenant a = enrol(t, LIMIT, 8, 0);
    user users[THREADS];
    pthread_t threads[THREADS];
    uint64_t admitted = 0, withdrawn = 0, drained = 0;
    memset(users, 0, sizeof users);
    for (uint32_t i = 0; i < THREADS; i++) {
        users[i].t = t;
        users[i].a = a;
        users[i].seed = test_seed(0x7e4a) + i;
        CHECK_EQ(pthread_create(&threads[i], NULL, use, &users[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK_EQ(users[i].broken, 0);
        admitted += users[i].admitted;
        withdrawn += users[i].withdrawn;
        drained += users[i].drained;
    }
    vyre_tenant_info info = info_of(t, a);
    CHECK_EQ(info.published, admitted - withdrawn);
    CHECK_EQ(info.drained, drained);
    CHECK_EQ(info.published, info.drained);
    CHECK_EQ(info.staging_bytes, 0);
    CHECK(admitted > ROUNDS);
    CHECK_EQ(vyre_tenants_revoke(t, a, &err), VYRE_OK);
    vyre_tenants_destroy(t);
}

/* --- misuse -------------------------------------------------------------- */

static void unknown_handles_are_refused(void)
{
    vyre_tenants *t = registry();
    vyre_tenant good = enrol(t, 1, 1, 1), far = { 29, 1 }, never = { 5, 1 }, zero = { 0, 0 },
                later = { 0, 2 };
    vyre_tenant_info info;
    uint32_t opcode;
    CHECK_EQ(good.generation, 1);
    CHECK_FAILS(admit(t, far), VYRE_E_TENANT_UNKNOWN);
    CHECK_FAILS(vyre_tenants_query(t, never, &info, &err), VYRE_E_TENANT_UNKNOWN);
    CHECK_FAILS(vyre_tenants_opcode(t, zero, 1, &opcode, &err), VYRE_E_TENANT_UNKNOWN);
    CHECK_FAILS(vyre_tenants_revoke(t, later, &err), VYRE_E_TENANT_UNKNOWN);
    CHECK_FAILS(vyre_tenants_quiesce(t, never, 0, &err), VYRE_E_TENANT_UNKNOWN);
    CHECK_FAILS(vyre_tenants_reserve(t, far, VYRE_TENANT_HANDLES, 0, &err),
                VYRE_E_TENANT_UNKNOWN);
    vyre_tenants_destroy(t);
}

static void null_is_refused(void)
{
    vyre_tenants *t = registry();
    vyre_tenant a = enrol(t, 1, 1, 1);
    vyre_work work;
    uint32_t count = 0;
    memset(&work, 0, sizeof work);
    CHECK_FAILS(vyre_tenants_register(NULL, NULL, &a, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_tenants_register(t, NULL, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_tenants_enable(NULL, a, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_tenants_query(t, a, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_tenants_opcode(t, a, 0, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_tenants_work(t, a, NULL, &work, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_tenants_drained(NULL, a, 0, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_tenants_quiesce(NULL, a, 0, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_tenants_reserve(NULL, a, VYRE_TENANT_HANDLES, 0, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_tenants_list(t, NULL, &count, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_tenants_attach(NULL, NULL, 0, &err), VYRE_E_ARGUMENT);
    vyre_tenants_destroy(NULL);
    vyre_tenants_destroy(t);
}

static void creation_may_fail(void)
{
    oom_state oom;
    vyre_tenants_desc desc;
    memset(&desc, 0, sizeof desc);
    oom_begin(&oom);
    desc.allocator = oom_allocator(&oom);
    oom.fail_at = 1;
    CHECK(vyre_tenants_create(&desc, &err) == NULL);
    CHECK_EQ(err.status, VYRE_E_NOMEM);
    oom_begin(&oom);
    desc.allocator = oom_allocator(&oom);
    vyre_tenants *t = vyre_tenants_create(&desc, &err);
    CHECK(t != NULL);
    CHECK_EQ(oom.calls, 1);
    for (uint32_t i = 0; i < VYRE_MAX_TENANTS; i++)
        CHECK_EQ(admit(t, enrol(t, 1, 1, 1)), VYRE_OK);
    CHECK_EQ(oom.calls, 1);
    vyre_tenants_destroy(t);
    CHECK(oom_is_clean(&oom));
    desc.control = control;
    desc.control_size = 3;
    CHECK(vyre_tenants_create(&desc, &err) == NULL);
    CHECK_EQ(err.status, VYRE_E_CONTROL_SHAPE);
}

/* --- who may run together (19.P12, P13) ---------------------------------- */

static uint32_t select_mask(const vyre_tenant_conflicts *c)
{
    uint32_t chosen[32], count = 0, bits = 0;
    CHECK_EQ(vyre_tenants_select(c, chosen, &count, &err), VYRE_OK);
    for (uint32_t i = 0; i < count; i++)
        bits |= 1u << chosen[i];
    return bits;
}

static void selection_avoids_conflicts(void)
{
    static const uint32_t ids[] = { 1, 2, 3 };
    uint8_t m[9] = { 0, 1, 0, 1, 0, 0, 0, 0, 0 };
    uint32_t chosen[3], count = 9;
    vyre_tenant_conflicts c = { ids, 3, m, 9, 0 };
    CHECK_EQ(select_mask(&c), 1u << 1 | 1u << 3);
    c.start = 1;
    CHECK_EQ(select_mask(&c), 1u << 2 | 1u << 3);
    c.start = 0;
    memset(m, 0, 9);
    m[1 * 3 + 2] = 1;
    CHECK_EQ(select_mask(&c), 1u << 1 | 1u << 2);
    memset(m, 0, 9);
    m[0] = m[4] = m[8] = 1;
    CHECK_EQ(select_mask(&c), 1u << 1 | 1u << 2 | 1u << 3);
    memset(m, 1, 9);
    CHECK_EQ(select_mask(&c), 1u << 1);
    c.matrix_count = 8;
    CHECK_FAILS(vyre_tenants_select(&c, chosen, &count, &err), VYRE_E_ARGUMENT);
    c.matrix_count = 9;
    c.matrix = NULL;
    CHECK_FAILS(vyre_tenants_select(&c, chosen, &count, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_tenants_select(NULL, chosen, &count, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(count, 9);
}

static void selection_matches_upstream_s_matrix(void)
{
    uint32_t ids[8], sum = 0;
    uint64_t hash = 0xcbf29ce484222325ull;
    for (uint32_t i = 0; i < 8; i++)
        ids[i] = i;
    for (uint32_t seed = 0; seed < 512; seed++) {
        uint8_t  m[64] = { 0 };
        uint32_t state = seed ^ 0xc0ffee00u;
        vyre_tenant_conflicts c = { ids, 8, m, 64, 0 };
        for (uint32_t i = 0; i < 8; i++) {
            for (uint32_t j = i + 1; j < 8; j++) {
                state = state * 1103515245u + (i ^ j);
                m[i * 8 + j] = m[j * 8 + i] = (state & 3) == 0;
            }
        }
        uint32_t bits = select_mask(&c);
        sum += bits;
        hash = (hash ^ bits) * 0x100000001b3ull;
    }
    CHECK_EQ(sum, 45824);
    CHECK(hash == 0x699049dcd4fcc925ull);
}

int main(void)
{
    RUN(ids_are_mask_indices);
    RUN(ids_are_recycled_and_handles_are_not);
    RUN(a_mask_follows_its_tenant);
    RUN(another_control_buffer_gets_the_masks);
    RUN(works_are_the_tenant_s_own);
    RUN(slots_are_accounted_for);
    RUN(no_limits_are_no_limits);
    RUN(resources_are_accounted_for);
    RUN(a_revoked_tenant_keeps_its_id_while_it_holds_something);
    RUN(quiesce_waits_until_the_deadline);
    RUN(quiesce_sees_another_thread_drain);
    RUN(accounts_are_exact_from_several_threads);
    RUN(unknown_handles_are_refused);
    RUN(null_is_refused);
    RUN(creation_may_fail);
    RUN(selection_avoids_conflicts);
    RUN(selection_matches_upstream_s_matrix);
    return test_end();
}

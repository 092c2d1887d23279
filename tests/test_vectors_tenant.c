/* The golden vectors of the tenant registry.  Upstream's ids count from 1 and
 * are never used again; here they are the indices of the mask words.  So every
 * line goes to a model of the rules as well, the library must do as the model
 * does, and where the model does not do as the file says, a rule has to be
 * named: the one that first led this tenant or this slot away from upstream. */
#include "vec.h"

#define MAX_FILE_IDS 1024
#define RING_SLOTS   12
#define NO_RULE      VEC_RULE_COUNT

typedef struct model_tenant {
    vyre_tenant handle;
    bool        registered; /* here: the registry was not full */
    bool        live, upstream_live;
    vyre_tenant_limits limits;
    uint64_t    published, drained, staging, handles, calls, timeouts;
    vec_rule    led_by;
} model_tenant;

static struct {
    vyre_tenants *tenants;
    vec_buffer    ring, control;
    model_tenant  of[MAX_FILE_IDS]; /* by the file's id */
    uint32_t      count;
    vec_rule      slot_led_by[RING_SLOTS];
} world;

static void world_end(void)
{
    vyre_tenants_destroy(world.tenants);
    vec_free(&world.ring);
    vec_free(&world.control);
    memset(&world, 0, sizeof world);
}

static void row_registry_new(const vec_row *row)
{
    vyre_tenants_desc desc;
    vyre_control_desc all = { false, VYRE_MAX_TENANTS, 0 };
    memset(&desc, 0, sizeof desc);
    world_end();
    world.ring = vec_alloc(RING_SLOTS * VYRE_SLOT_BYTES, 0);
    world.control = vec_alloc(vyre_control_size(0), 0);
    vec_expect_row(row, vyre_control_encode(world.control.bytes, world.control.size, &all, NULL));
    desc.control = world.control.bytes;
    desc.control_size = world.control.size;
    world.tenants = vyre_tenants_create(&desc, NULL);
    ROW_CHECK(row, world.tenants != NULL);
    for (uint32_t i = 0; i < VYRE_MAX_TENANTS; i++)
        ROW_EQ(row, vec_get(world.control.bytes, VYRE_CONTROL_TENANT_MASKS + i), 0);
    for (unsigned i = 0; i < RING_SLOTS; i++)
        world.slot_led_by[i] = NO_RULE;
}

/* --- the model ----------------------------------------------------------- */

/* Whether the model's tenant still has its id. */
static bool has_id(const model_tenant *m)
{
    return m->registered && (m->live || m->published != m->drained || m->staging || m->handles);
}

/* Whether another tenant has the id by now. */
static bool is_recycled(const model_tenant *m)
{
    for (uint32_t i = 1; i <= world.count; i++) {
        const model_tenant *other = &world.of[i];
        if (other->registered && other->handle.id == m->handle.id &&
            other->handle.generation > m->handle.generation)
            return true;
    }
    return false;
}

static model_tenant *find(const vec_row *row, const char *text)
{
    uint32_t id = vec_u32(row, text);
    ROW_CHECK(row, id >= 1 && id <= world.count);
    return &world.of[id];
}

static uint32_t file_id(const model_tenant *m)
{
    return (uint32_t)(m - world.of);
}

/* A handle that reaches no accounts. */
static vyre_status unreachable(const model_tenant *m)
{
    if (!m->registered)
        return VYRE_E_TENANT_UNKNOWN;
    return is_recycled(m) ? VYRE_E_TENANT_REVOKED : VYRE_OK;
}

static void led_by(const vec_row *row, const model_tenant *m, vec_rule slot_rule)
{
    vec_rule rule = !m->registered || is_recycled(m) ? RULE_IDS
                    : m->led_by != NO_RULE           ? m->led_by
                                                     : slot_rule;
    if (rule == NO_RULE)
        ROW_FAIL(row, "the outcome differs from the file's, and no rule says why");
    vec_ruled(rule);
}

/* The library against the model, and the model against the file. */
static bool check_status(const vec_row *row, model_tenant *m, vyre_status got, vyre_status model,
                         const vyre_error *err)
{
    vec_error(row, got, err);
    vec_expect(row, got, model);
    if (vec_is(row, model))
        return true;
    led_by(row, m, NO_RULE);
    return false;
}

static void check_number(const vec_row *row, model_tenant *m, uint64_t model, const char *text)
{
    if (model != vec_u64(row, text))
        led_by(row, m, NO_RULE);
}

static void check_accounts(const vec_row *row, const model_tenant *m)
{
    vyre_tenant_info info;
    if (unreachable(m) < 0)
        return;
    vec_expect(row, vyre_tenants_query(world.tenants, m->handle, &info, NULL), VYRE_OK);
    ROW_EQ(row, info.published, m->published);
    ROW_EQ(row, info.drained, m->drained);
    ROW_EQ(row, info.staging_bytes, m->staging);
    ROW_EQ(row, info.handles, m->handles);
    ROW_EQ(row, info.quiesce_calls, m->calls);
    ROW_EQ(row, info.quiesce_timeouts, m->timeouts);
    ROW_EQ(row, info.state != VYRE_TENANT_FREE, has_id(m));
    ROW_EQ(row, vec_get(world.control.bytes, VYRE_CONTROL_TENANT_MASKS + m->handle.id),
           m->live ? 0xffffffffu : 0);
}

/* --- registration -------------------------------------------------------- */

static uint32_t lowest_free_id(void)
{
    for (uint32_t id = 0; id < VYRE_MAX_TENANTS; id++) {
        bool taken = false;
        for (uint32_t i = 1; i <= world.count; i++)
            taken = taken || (has_id(&world.of[i]) && world.of[i].handle.id == id);
        if (!taken)
            return id;
    }
    return VYRE_MAX_TENANTS;
}

static void check_limits(const vec_row *row, model_tenant *m)
{
    const uint64_t limits[3] = { m->limits.slots, m->limits.staging_bytes, m->limits.handles };
    for (unsigned i = 0; i < 3; i++) {
        uint64_t effective = vec_u64(row, row->out[2 + i]);
        if (limits[i] == effective)
            continue;
        ROW_CHECK(row, limits[i] == 0 && effective == 1);
        m->led_by = RULE_NO_CAPACITY;
    }
}

static void row_register(const vec_row *row)
{
    vyre_error err;
    uint32_t expected = lowest_free_id();
    ROW_CHECK(row, world.count + 1 < MAX_FILE_IDS && vec_ok(row));
    model_tenant *m = &world.of[++world.count];
    memset(m, 0, sizeof *m);
    m->led_by = NO_RULE;
    m->upstream_live = true;
    m->limits.slots = vec_u64(row, row->in[0]);
    m->limits.staging_bytes = vec_u64(row, row->in[1]);
    m->limits.handles = vec_u64(row, row->in[2]);
    ROW_EQ(row, file_id(m), vec_u32(row, row->out[0]));

    vyre_status status = vyre_tenants_register(world.tenants, &m->limits, &m->handle, &err);
    vec_error(row, status, &err);
    vec_ruled(RULE_IDS);
    if (expected == VYRE_MAX_TENANTS) {
        vec_expect(row, status, VYRE_E_TENANT_FULL);
        return;
    }
    vec_expect(row, status, VYRE_OK);
    m->registered = m->live = true;
    ROW_EQ(row, m->handle.id, expected);
    check_limits(row, m);
    check_accounts(row, m);
}

static void row_unregister(const vec_row *row)
{
    vyre_error err;
    model_tenant *m = find(row, row->in[0]);
    bool was_live = m->live;
    vyre_status status = vyre_tenants_revoke(world.tenants, m->handle, &err);
    m->live = m->upstream_live = false;
    if (m->staging || m->handles)
        m->led_by = RULE_REVOKED_USE;
    vec_error(row, status, &err);
    vec_expect(row, status,
               !m->registered ? VYRE_E_TENANT_UNKNOWN
               : !was_live    ? VYRE_E_TENANT_REVOKED
               : has_id(m)    ? VYRE_PENDING
                              : VYRE_OK);
    ROW_CHECK(row, was_live ? vec_ok(row) : vec_none(row) || !m->registered);

    uint32_t ids[VYRE_MAX_TENANTS], count = 0, listed[MAX_FILE_IDS], found = 0;
    const char *text = row->out[0];
    uint32_t expected = vec_list(row, &text, ',', listed, MAX_FILE_IDS);
    vec_expect(row, vyre_tenants_list(world.tenants, ids, &count, NULL), VYRE_OK);
    for (uint32_t i = 0; i < expected; i++) {
        const model_tenant *other = &world.of[listed[i]];
        ROW_CHECK(row, listed[i] <= world.count && other->upstream_live);
        for (uint32_t j = 0; j < count; j++)
            found += other->registered && ids[j] == other->handle.id;
    }
    ROW_CHECK(row, found == count);
    ROW_EQ(row, vec_u32(row, row->out[1]), 0);
    check_accounts(row, m);
}

static void row_register_nth(const vec_row *row)
{
    vyre_error err;
    vyre_tenant handle = { 0, 0 };
    uint32_t nth = vec_u32(row, row->in[0]), opcode = 0;
    vyre_tenants *tenants = vyre_tenants_create(NULL, NULL);
    vyre_status status = VYRE_OK;
    for (uint32_t i = 0; i < nth && status >= 0; i++)
        status = vyre_tenants_register(tenants, NULL, &handle, &err);
    vec_error(row, status, &err);
    vec_expect(row, status, nth <= VYRE_MAX_TENANTS ? VYRE_OK : VYRE_E_TENANT_FULL);
    ROW_CHECK(row, handle.id < VYRE_MAX_TENANTS);
    if (status >= 0) {
        ROW_EQ(row, handle.id, nth - 1);
        ROW_CHECK(row, strcmp(row->out[1], "OK") == 0);
        vec_expect(row, vyre_tenants_opcode(tenants, handle, 0, &opcode, NULL), VYRE_OK);
        ROW_EQ(row, opcode, 0x40000000u + handle.id * 0x100000u);
    }
    vec_ruled(RULE_IDS);
    vyre_tenants_destroy(tenants);
}

/* --- opcodes and slots --------------------------------------------------- */

static uint32_t own_opcode(const model_tenant *m, uint32_t local)
{
    return 0x40000000u + m->handle.id * 0x100000u + local;
}

static void row_global_opcode(const vec_row *row)
{
    vyre_error err;
    model_tenant *m = find(row, row->in[0]);
    uint32_t local = vec_u32(row, row->in[1]), opcode = 0xa5a5a5a5u;
    vyre_status status = vyre_tenants_opcode(world.tenants, m->handle, local, &opcode, &err);
    vyre_status model = unreachable(m) < 0 ? unreachable(m)
                        : !m->live         ? VYRE_E_TENANT_REVOKED
                        : local >= 0x100000u ? VYRE_E_TENANT_OPCODE
                                             : VYRE_OK;
    check_status(row, m, status, model, &err);
    ROW_EQ(row, opcode, status < 0 ? 0xa5a5a5a5u : own_opcode(m, local));
    if (vec_ok(row) && status >= 0) {
        ROW_EQ(row, vec_u32(row, row->out[0]), 0x40000000u + file_id(m) * 0x100000u + local);
        vec_ruled(RULE_IDS);
    }
}

static vyre_status model_publish(const model_tenant *m, uint32_t slot, const vyre_work *work)
{
    if (unreachable(m) < 0)
        return unreachable(m);
    if (!m->live)
        return VYRE_E_TENANT_REVOKED;
    if (work->opcode >= 0x100000u)
        return VYRE_E_TENANT_OPCODE;
    if (m->published - m->drained >= m->limits.slots)
        return VYRE_E_TENANT_BACKPRESSURE;
    if (slot >= RING_SLOTS)
        return VYRE_E_SLOT_RANGE;
    if (work->arg_count > VYRE_MAX_ARGS)
        return VYRE_E_TOO_MANY_ARGS;
    uint32_t state = vec_get(world.ring.bytes, slot * VYRE_SLOT_WORDS);
    return state == VYRE_SLOT_EMPTY || state == VYRE_SLOT_DONE ? VYRE_OK : VYRE_E_NOT_PUBLISHABLE;
}

static vyre_status do_publish(const model_tenant *m, uint32_t slot, const vyre_work *local,
                              vyre_error *err)
{
    vyre_work work;
    vyre_status status = vyre_tenants_work(world.tenants, m->handle, local, &work, err);
    if (status < 0)
        return status;
    status = vyre_ring_publish(world.ring.bytes, world.ring.size, slot, &work, err);
    if (status < 0)
        (void)vyre_tenants_withdraw(world.tenants, m->handle, 1, NULL);
    return status;
}

static void expect_slot(vec_buffer *ring, uint32_t slot, const model_tenant *m,
                        const vyre_work *work)
{
    uint8_t *at = ring->bytes + (size_t)slot * VYRE_SLOT_BYTES;
    memset(at, 0, VYRE_SLOT_BYTES);
    vec_put(at, 0, VYRE_SLOT_PUBLISHED);
    vec_put(at, 1, own_opcode(m, work->opcode));
    vec_put(at, 2, m->handle.id);
    vec_put(at, 3, 2);
    for (uint32_t i = 0; i < work->arg_count; i++)
        vec_put(at, 4 + i, work->args[i]);
}

/* Apart from the tenant's id and its opcodes the file's slot is ours. */
static void check_file_slot(const vec_row *row, const model_tenant *m, uint32_t slot,
                            const vec_buffer *before, uint32_t local)
{
    vec_buffer file = vec_result(row, row->out[0], before);
    uint8_t *at = file.bytes + (size_t)slot * VYRE_SLOT_BYTES;
    ROW_EQ(row, vec_get(at, 2), file_id(m));
    ROW_EQ(row, vec_get(at, 1), 0x40000000u + file_id(m) * 0x100000u + local);
    vec_put(at, 1, own_opcode(m, local));
    vec_put(at, 2, m->handle.id);
    vec_same(row, &world.ring, &file);
    vec_ruled(RULE_IDS);
    vec_free(&file);
}

static void row_publish(const vec_row *row)
{
    vyre_error err;
    model_tenant *m = find(row, row->in[0]);
    uint32_t slot = vec_u32(row, row->in[1]);
    vyre_work local;
    memset(&local, 0, sizeof local);
    local.opcode = vec_u32(row, row->in[2]);
    const char *text = row->in[3];
    local.arg_count = vec_list(row, &text, ',', local.args, VYRE_MAX_ARGS);

    vec_buffer before = vec_copy(&world.ring), expected = vec_copy(&world.ring);
    vyre_status model = model_publish(m, slot, &local);
    vyre_status status = do_publish(m, slot, &local, &err);
    vec_error(row, status, &err);
    vec_expect(row, status, model);
    if (model >= 0) {
        m->published++;
        expect_slot(&expected, slot, m, &local);
    }
    vec_same(row, &world.ring, &expected);
    if (!vec_is(row, model)) {
        led_by(row, m, slot < RING_SLOTS ? world.slot_led_by[slot] : NO_RULE);
        if (slot < RING_SLOTS && (model >= 0 || vec_ok(row)))
            world.slot_led_by[slot] = m->led_by != NO_RULE ? m->led_by : RULE_IDS;
    } else if (model >= 0) {
        check_file_slot(row, m, slot, &before, local.opcode);
    }
    check_accounts(row, m);
    check_number(row, m, m->published, row->out[1]);
    check_number(row, m, m->drained, row->out[2]);
    vec_free(&before);
    vec_free(&expected);
}

static void row_note_drained(const vec_row *row)
{
    vyre_error err;
    model_tenant *m = find(row, row->in[0]);
    uint64_t slots = vec_u64(row, row->in[1]);
    vyre_status status = vyre_tenants_drained(world.tenants, m->handle, slots, &err);
    vyre_status model = unreachable(m);
    if (model >= 0 && slots > m->published - m->drained) {
        model = VYRE_E_TENANT_ACCOUNTING;
        if (m->led_by == NO_RULE)
            m->led_by = RULE_DRAINED;
    } else if (model >= 0) {
        m->drained += slots;
    }
    check_status(row, m, status, model, &err);
    check_accounts(row, m);
    if (unreachable(m) < 0)
        return;
    check_number(row, m, m->published, row->out[0]);
    check_number(row, m, m->drained, row->out[1]);
}

static void row_quiesce(const vec_row *row)
{
    vyre_error err;
    model_tenant *m = find(row, row->in[0]);
    uint64_t looks = vec_u64(row, row->in[1]);
    vyre_status status = vyre_tenants_quiesce(world.tenants, m->handle, looks * 1000, &err);
    vyre_status model = unreachable(m);
    if (model >= 0) {
        model = m->published == m->drained ? VYRE_OK : VYRE_TIMEOUT;
        m->calls++;
        m->timeouts += model == VYRE_TIMEOUT;
        if (looks == 0 && model == VYRE_OK && m->led_by == NO_RULE)
            m->led_by = RULE_LOOK_ONCE;
    }
    check_status(row, m, status, model, &err);
    check_accounts(row, m);
    if (unreachable(m) < 0)
        return;
    check_number(row, m, m->calls, row->out[0]);
    check_number(row, m, m->timeouts, row->out[1]);
    check_number(row, m, m->published - m->drained, row->out[2]);
}

/* --- resources ----------------------------------------------------------- */

static bool is_staging(const vec_row *row)
{
    return strstr(row->op, "_staging") != NULL;
}

static void row_reserve(const vec_row *row)
{
    vyre_error err;
    model_tenant *m = find(row, row->in[0]);
    uint64_t amount = vec_u64(row, row->in[1]);
    uint64_t *used = is_staging(row) ? &m->staging : &m->handles;
    uint64_t limit = is_staging(row) ? m->limits.staging_bytes : m->limits.handles;
    vyre_status status = vyre_tenants_reserve(
        world.tenants, m->handle, is_staging(row) ? VYRE_TENANT_STAGING_BYTES : VYRE_TENANT_HANDLES,
        amount, &err);
    vyre_status model = unreachable(m) < 0             ? unreachable(m)
                        : !m->live                     ? VYRE_E_TENANT_REVOKED
                        : amount > UINT64_MAX - *used  ? VYRE_E_COUNTER_OVF
                        : *used + amount <= limit      ? VYRE_OK
                        : is_staging(row)              ? VYRE_E_TENANT_STAGING
                                                       : VYRE_E_TENANT_HANDLES;
    *used += model >= 0 ? amount : 0;
    check_status(row, m, status, model, &err);
    check_accounts(row, m);
    check_number(row, m, *used, row->out[0]);
}

static void row_release(const vec_row *row)
{
    vyre_error err;
    model_tenant *m = find(row, row->in[0]);
    uint64_t amount = vec_u64(row, row->in[1]);
    uint64_t *used = is_staging(row) ? &m->staging : &m->handles;
    vyre_status status = vyre_tenants_release(
        world.tenants, m->handle, is_staging(row) ? VYRE_TENANT_STAGING_BYTES : VYRE_TENANT_HANDLES,
        amount, &err);
    vyre_status model = unreachable(m) < 0 ? unreachable(m)
                        : amount > *used   ? VYRE_E_TENANT_UNDERFLOW
                                           : VYRE_OK;
    *used -= model >= 0 ? amount : 0;
    check_status(row, m, status, model, &err);
    check_accounts(row, m);
    check_number(row, m, *used, row->out[0]);
}

/* --- selection ----------------------------------------------------------- */

static void row_select(const vec_row *row)
{
    vyre_error err;
    uint32_t ids[MAX_FILE_IDS], chosen[MAX_FILE_IDS], expected[MAX_FILE_IDS], got = 0xa5a5a5a5u;
    vyre_tenant_conflicts c;
    memset(&c, 0, sizeof c);
    c.ids = ids;
    for (uint32_t i = 1; i <= world.count; i++) {
        if (world.of[i].upstream_live)
            ids[c.count++] = i;
    }
    uint64_t entries = vec_u64(row, row->in[0]);
    ROW_CHECK(row, entries <= 1 << 20);
    vec_buffer matrix = vec_alloc((size_t)entries, 0);
    const char *text = row->in[1];
    while (*text && !vec_skip(&text, '-')) {
        uint64_t at = vec_number(row, &text);
        ROW_CHECK(row, at < entries && vec_skip(&text, '='));
        matrix.bytes[at] = vec_number(row, &text) != 0;
        vec_skip(&text, ',');
    }
    c.matrix = matrix.bytes;
    c.matrix_count = matrix.size;
    vyre_status status = vyre_tenants_select(&c, chosen, &got, &err);
    vec_error(row, status, &err);
    if (entries != (uint64_t)c.count * c.count) {
        vec_expect(row, status, VYRE_E_ARGUMENT);
        ROW_EQ(row, got, 0xa5a5a5a5u);
        vec_ruled(RULE_CONFLICT_SHAPE);
    } else {
        text = row->out[0];
        uint32_t count = vec_list(row, &text, ',', expected, MAX_FILE_IDS);
        vec_expect_row(row, status);
        ROW_EQ(row, got, count);
        for (uint32_t i = 0; i < count; i++)
            ROW_EQ(row, chosen[i], expected[i]);
    }
    vec_free(&matrix);
}

static void vectors_tenant(void)
{
    static const vec_op ops[] = {
        { "registry_new", 1, row_registry_new },   { "register", 3, row_register },
        { "unregister", 1, row_unregister },       { "register_nth", 1, row_register_nth },
        { "global_opcode", 2, row_global_opcode }, { "publish", 4, row_publish },
        { "note_drained", 2, row_note_drained },   { "quiesce", 2, row_quiesce },
        { "reserve_staging", 2, row_reserve },     { "reserve_handles", 2, row_reserve },
        { "release_staging", 2, row_release },     { "release_handles", 2, row_release },
        { "select", 2, row_select }
    };
    vec_run("tenant", ops, sizeof ops / sizeof ops[0]);
    world_end();
}

int main(void)
{
    RUN(vectors_tenant);
    return test_end();
}

/* task: the golden vectors, and what the host's tasks promise beyond them. */
#include "test.h"
#include "vec.h"
#include "vyre.h"

static vyre_error err;

#define CHECK_FAILS(call, expected)                                                                \
    do {                                                                                           \
        memset(&err, 0xa5, sizeof err);                                                            \
        CHECK_EQ(call, expected);                                                                  \
        CHECK_EQ(err.status, expected);                                                            \
        CHECK(err.text[0] && strlen(err.text) < sizeof err.text - 1);                              \
        CHECK(err.fix[0] && strlen(err.fix) < sizeof err.fix - 1);                                 \
    } while (0)

/* By the wire's number. */
static const vyre_priority by_wire[5] = { VYRE_PRIORITY_CRITICAL, VYRE_PRIORITY_HIGH,
                                          VYRE_PRIORITY_NORMAL, VYRE_PRIORITY_LOW,
                                          VYRE_PRIORITY_IDLE };

/* --- vectors ------------------------------------------------------------- */

static vyre_task parse_task(const vec_row *row, const char *text)
{
    uint32_t words[16];
    vyre_task t;
    ROW_EQ(row, vec_list(row, &text, ',', words, 16), 16);
    memcpy(&t, words, sizeof t);
    return t;
}

static void same_task(const vec_row *row, const vyre_task *got, const vyre_task *expected)
{
    uint32_t a[16], b[16];
    memcpy(a, got, sizeof a);
    memcpy(b, expected, sizeof b);
    for (unsigned i = 0; i < 16; i++) {
        if (a[i] != b[i])
            ROW_FAIL(row, "word %u is 0x%x, not 0x%x", i, a[i], b[i]);
    }
}

static void row_from_item(const vec_row *row)
{
    const char *text = row->in[3];
    uint32_t item[4], priority = vec_u32(row, row->in[2]);
    ROW_EQ(row, vec_list(row, &text, ',', item, 4), 4);
    vyre_work work = { item[0], vec_u32(row, row->in[1]), by_wire[priority], 3,
                       { item[1], item[2], item[3] } };
    vyre_task t, expected = parse_task(row, row->out[0]);
    vec_expect_row(row, vyre_task_make(&t, vec_u32(row, row->in[0]), &work, &err));
    same_task(row, &t, &expected);
}

static vyre_status run_step(const vec_row *row, vyre_task *t, const uint32_t *n)
{
    if (strcmp(row->op, "pause") == 0)
        return vyre_task_pause(t, n[0], n[1], n[2], &err);
    if (strcmp(row->op, "resume") == 0)
        return vyre_task_resume(t, t->epoch, &err);
    if (strcmp(row->op, "yield") == 0)
        return vyre_task_yield(t, n[0], n[1], &err);
    if (strcmp(row->op, "requeue") == 0)
        return vyre_task_requeue(t, n[0], n[1], by_wire[n[2]], &err);
    if (strcmp(row->op, "complete") == 0)
        return vyre_task_complete(t, &err);
    return vyre_task_fault(t, n[0], &err);
}

/* What the state implies (DEF-43), and a fault's word. */
static void apply_rules(const vec_row *row, vyre_task *expected, const vyre_task *before,
                        uint32_t code)
{
    static const struct {
        const char *op;
        uint32_t    flags;
    } implied[] = { { "pause", 1 }, { "resume", 8 }, { "yield", 2 }, { "requeue", 4 },
                    { "complete", 0 } };
    uint32_t flags = code;
    for (unsigned i = 0; i < sizeof implied / sizeof implied[0]; i++) {
        if (strcmp(implied[i].op, row->op) == 0)
            flags = implied[i].flags;
    }
    if (strcmp(row->op, "fault") == 0) {
        ROW_EQ(row, expected->data, code);
        expected->data = before->data;
        expected->flags = code;
        vec_ruled(RULE_TASK_FAULT);
    } else if (expected->flags != flags) {
        expected->flags = flags;
        vec_ruled(RULE_TASK_FLAGS);
    }
}

static void row_step(const vec_row *row)
{
    uint32_t n[3] = { 0 };
    const char *text = row->in[1];
    vec_list(row, &text, ',', n, 3);
    vyre_task t = parse_task(row, row->in[0]), before = t, expected = t;
    vyre_status status = run_step(row, &t, n);
    vec_expect_row(row, status);
    vec_error(row, status, &err);
    if (vec_ok(row)) {
        expected = parse_task(row, row->out[0]);
        apply_rules(row, &expected, &before, n[0]);
    } else {
        ROW_CHECK(row, strcmp(row->out[0], "=") == 0);
    }
    same_task(row, &t, &expected);
}

enum { SNAPSHOT_TASKS = 64 };

/* state.requeues.age of each */
static unsigned parse_tasks(const vec_row *row, vyre_task *tasks)
{
    const char *text = row->in[0];
    unsigned count = 0;
    if (vec_skip(&text, '-'))
        return 0;
    do {
        uint32_t n[3];
        ROW_CHECK(row, count < SNAPSHOT_TASKS);
        ROW_EQ(row, vec_list(row, &text, '.', n, 3), 3);
        memset(&tasks[count], 0, sizeof tasks[count]);
        tasks[count].state = n[0];
        tasks[count].requeues = n[1];
        tasks[count].age = n[2];
        count++;
    } while (vec_skip(&text, ','));
    return count;
}

/* The columns are numbers with commas between them. */
static void column(const vec_row *row, const char *text, uint64_t *out, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        out[i] = vec_number(row, &text);
        ROW_CHECK(row, vec_skip(&text, ',') == (i + 1 < count));
    }
}

static void row_snapshot(const vec_row *row)
{
    vyre_task tasks[SNAPSHOT_TASKS];
    vyre_task_counts c;
    memset(&c, 0xa5, sizeof c);
    unsigned count = parse_tasks(row, tasks);
    vyre_status status = vyre_task_count(tasks, count, &c, &err);
    vec_expect_row(row, status);
    vec_error(row, status, &err);
    if (status < 0) {
        ROW_CHECK(row, err.at < count && tasks[err.at].state > 7 && c.ready == 0xa5a5a5a5u);
        return;
    }
    uint64_t n[8], merged[3], requeues = 0, age = 0;
    column(row, row->out[0], n, 8);
    const uint32_t states[6] = { c.ready, c.paused, c.yielded, c.requeued, c.running, c.faulted };
    for (unsigned i = 0; i < 6; i++)
        ROW_EQ(row, states[i], n[i]);
    ROW_EQ(row, c.schedulable, vec_u64(row, row->out[1]));
    for (unsigned i = 0; i < count; i++) {
        if (tasks[i].state == 0 || tasks[i].state == 3)
            continue;
        requeues += tasks[i].requeues;
        age = tasks[i].age > age ? tasks[i].age : age;
    }
    ROW_EQ(row, c.total_requeues, requeues);
    ROW_EQ(row, c.max_age, age);
    ROW_EQ(row, c.pressure, c.yielded + c.requeued);
    column(row, row->out[3], merged, 3);
    ROW_EQ(row, merged[0], c.schedulable);
    ROW_EQ(row, merged[1], 3 + vec_u64(row, row->out[2]));
    ROW_EQ(row, merged[2], n[7] > 0x32 ? n[7] : 0x32);
    if (n[6] != requeues || n[7] != age)
        vec_ruled(RULE_TASK_ENDED);
    else if (vec_u64(row, row->out[2]) != c.pressure)
        vec_ruled(RULE_TASK_PRESSURE);
}

static void vectors_task(void)
{
    static const vec_op ops[] = {
        { "from_item", 4, row_from_item }, { "pause", 2, row_step },    { "resume", 2, row_step },
        { "yield", 2, row_step },          { "requeue", 2, row_step },  { "complete", 2, row_step },
        { "fault", 2, row_step },          { "snapshot", 1, row_snapshot }
    };
    vec_run("task", ops, sizeof ops / sizeof ops[0]);
}

/* --- what no vector says ------------------------------------------------- */

static vyre_task fresh(void)
{
    const vyre_work work = { 0x1000, 3, VYRE_PRIORITY_HIGH, 2, { 7, 8 } };
    vyre_task t;
    CHECK_EQ(vyre_task_make(&t, 42, &work, &err), VYRE_OK);
    return t;
}

/* Epochs wrap; a task that is early stays as it is. */
static void resuming(void)
{
    static const struct {
        uint32_t    epoch, now;
        vyre_status status;
    } cases[] = { { 5, 5, VYRE_OK },           { 5, 6, VYRE_OK },
                  { 5, 4, VYRE_PENDING },      { 0xffffffffu, 0, VYRE_OK },
                  { 0, 0xffffffffu, VYRE_PENDING }, { 0, 0x7fffffffu, VYRE_OK },
                  { 0, 0x80000000u, VYRE_PENDING } };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vyre_task t = fresh(), before;
        CHECK_EQ(vyre_task_pause(&t, 1, 2, cases[i].epoch, &err), VYRE_OK);
        before = t;
        CHECK_EQ(vyre_task_resume(&t, cases[i].now, &err), cases[i].status);
        if (cases[i].status == VYRE_PENDING) {
            CHECK(memcmp(&t, &before, sizeof t) == 0);
        } else {
            CHECK_EQ(t.state, VYRE_SLOT_PUBLISHED);
            CHECK_EQ(t.flags, VYRE_TASK_RESUMED);
        }
        CHECK_EQ(t.pc, 1);
        CHECK_EQ(t.data, 2);
    }
}

/* A paused task of a slot goes on in another ring with all it had. */
static void through_rings(void)
{
    uint32_t ring[32], other[16];
    vyre_task t = fresh(), loaded;
    vyre_work work;
    vyre_slot slot;
    CHECK_EQ(vyre_task_pause(&t, 11, 12, 13, &err), VYRE_OK);
    CHECK_EQ(vyre_ring_encode(ring, sizeof ring, 2, &err), VYRE_OK);
    CHECK_EQ(vyre_ring_encode(other, sizeof other, 1, &err), VYRE_OK);
    CHECK_EQ(vyre_task_work(&t, &work, &err), VYRE_OK);
    CHECK_EQ(vyre_ring_publish(ring, sizeof ring, 1, &work, &err), VYRE_OK);
    CHECK_EQ(vyre_task_load(ring, sizeof ring, 1, &loaded, &err), VYRE_OK);
    CHECK_EQ(loaded.state, VYRE_SLOT_PUBLISHED);
    loaded.state = t.state;
    CHECK(memcmp(&loaded, &t, sizeof t) == 0);
    CHECK_EQ(vyre_task_work(&loaded, &work, &err), VYRE_OK);
    CHECK_EQ(work.arg_count, 12);
    CHECK_EQ(work.priority, VYRE_PRIORITY_HIGH);
    CHECK_EQ(vyre_ring_publish(other, sizeof other, 0, &work, &err), VYRE_OK);
    CHECK_EQ(vyre_ring_read(other, sizeof other, 0, &slot, &err), VYRE_OK);
    CHECK_EQ(slot.opcode, 0x1000);
    CHECK_EQ(slot.tenant, 3);
    const uint32_t args[12] = { 7, 8, 0, 11, 12, 13, 42, 0, 0, 0, 0, VYRE_TASK_PAUSED };
    CHECK(memcmp(slot.args, args, sizeof args) == 0);
    CHECK_FAILS(vyre_task_load(ring, sizeof ring, 2, &loaded, &err), VYRE_E_SLOT_RANGE);
    CHECK_FAILS(vyre_task_load(ring, 63, 0, &loaded, &err), VYRE_E_RING_LEN);
}

static void arguments_are_checked(void)
{
    vyre_task t = fresh(), before = t;
    vyre_task_counts counts;
    vyre_work work = { 1, 0, VYRE_PRIORITY_NORMAL, 4, { 0 } };
    CHECK_FAILS(vyre_task_make(&t, 1, &work, &err), VYRE_E_TOO_MANY_ARGS);
    work.arg_count = 0;
    work.priority = VYRE_PRIORITY_UNKNOWN;
    CHECK_FAILS(vyre_task_make(&t, 1, &work, &err), VYRE_E_PRIORITY);
    CHECK_FAILS(vyre_task_make(&t, 1, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_task_make(NULL, 1, &work, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_task_requeue(&t, 1, 2, VYRE_PRIORITY_UNKNOWN, &err), VYRE_E_PRIORITY);
    CHECK_FAILS(vyre_task_pause(NULL, 1, 2, 3, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_task_resume(NULL, 1, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_task_count(NULL, 1, &counts, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_task_count(&t, 1, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_task_work(&t, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_task_load(NULL, 64, 0, &t, &err), VYRE_E_ARGUMENT);
    t.yields = UINT32_MAX;
    before = t;
    CHECK_FAILS(vyre_task_yield(&t, 1, 2, &err), VYRE_E_COUNTER_OVF);
    CHECK(memcmp(&t, &before, sizeof t) == 0);
    t.priority = 5;
    CHECK_FAILS(vyre_task_work(&t, &work, &err), VYRE_E_PRIORITY);
    CHECK_EQ(vyre_task_complete(&t, &err), VYRE_OK);
    CHECK_FAILS(vyre_task_complete(&t, &err), VYRE_E_TASK_STATE);
    CHECK_FAILS(vyre_task_work(&t, &work, &err), VYRE_E_TASK_STATE);
    t.state = 99;
    CHECK_FAILS(vyre_task_yield(&t, 1, 2, &err), VYRE_E_TASK_STATE);
    CHECK_FAILS(vyre_task_count(&t, 1, &counts, &err), VYRE_E_TASK_STATE);
}

int main(void)
{
    RUN(vectors_task);
    RUN(resuming);
    RUN(through_rings);
    RUN(arguments_are_checked);
    return test_end();
}

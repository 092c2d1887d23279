/* Jobs that spawn jobs: trees through a queue that is full most of the time, running and
 * in passes, over stops, short leases, faults and losses.
 *
 * TEST_COUNT: leaves of the large tree. */
#define VYRE_IMPLEMENTATION
#include "engine.h"

#define OP_TREE   0x2000u /* every leaf a0 <= i < a1 is marked once */
#define OP_ROOT   0x2001u /* the same, and then: word 0 = leaves so far, word 1 = wrong marks */
#define OP_SUM    0x2002u
#define OP_BAD    0x2003u /* a binary tree of depth a0; leaf 5 has a fault */
#define OP_AFTER  0x2004u
#define OP_WHO    0x2005u /* mark[a0] = 1 + the tenant, by a child */
#define OP_I_AM   0x2006u
#define OP_HANG   0x2007u /* spawns a job that does not end, and one that marks */
#define OP_LOOPS  0x2008u /* counts to a0 by thens alone: word 0 */
#define OP_STOPS  0x2009u /* spawns SHUTDOWN */
#define OP_DEEP   0x200au /* a chain, and mark[a1] at its end */
#define LEAVES    1000000u
#define MARKS     0u
#define COUNTS    1u

/* What is full it does in part itself, and goes on with the rest. */
static const vyre_handler handlers[] = {
    { OP_TREE, NULL, NULL, "tree", VYRE_WIDTH_LANE, 0,
      "uint lo = arg[0], hi = arg[1], mid = lo + max((hi - lo) / 4u, 1u);\n"
      "if (hi - lo <= 1u) { mark[lo] += 1u; atomicAdd(count[0], 1u); return; }\n"
      "if (spawn(0x2000, lo, mid)) {\n"
      "    if (!spawn(0x2000, mid, hi)) { atomicAdd(count[1], 1u); then(0x2000, mid, hi); }\n"
      "    return;\n"
      "}\n"
      "atomicAdd(count[1], 1u);\n"
      "mark[lo] += 1u; atomicAdd(count[0], 1u);\n"
      "then(0x2000, lo + 1u, hi);\n", 0 },
    { OP_ROOT, NULL, NULL, "root", VYRE_WIDTH_LANE, 0,
      "if (spawn(0x2000, arg[0], arg[1])) then(0x2002, arg[0], arg[1]);\n"
      "else then(0x2001, arg[0], arg[1]);\n", 0 },
    { OP_SUM, NULL, NULL, "sum", VYRE_WIDTH_LANE, 0,
      "uint bad = 0, part = (arg[1] - arg[0]) / 32u;\n"
      "for (uint i = 0; i < 32u; i++) bad += uint(mark[arg[0] + i * part] != 1u);\n"
      "result(0, count[0]); result(1, bad);\n", 0 },
    { OP_BAD, NULL, NULL, "bad", VYRE_WIDTH_LANE, 0,
      "if (arg[0] == 0u) {\n"
      "    atomicAdd(count[2], 1u);\n"
      "    if (arg[1] == 5u) fault(0x105);\n"
      "    return;\n"
      "}\n"
      "for (uint i = 0; i < 2u; i++) {\n"
      "    bool done = false;\n" /* lanes that share a word may get into each other's way */
      "    for (uint j = 0; j < 64u && !done; j++)\n"
      "        done = spawn(0x2003, arg[0] - 1u, arg[1] * 2u + i);\n"
      "    if (!done) fault(0x1ff);\n"
      "}\n"
      "then(0x2004);\n", 0 },
    { OP_AFTER, NULL, NULL, "after", VYRE_WIDTH_LANE, 0, "atomicAdd(count[3], 1u);", 0 },
    { OP_WHO, NULL, NULL, "who", VYRE_WIDTH_LANE, 0, "if (!spawn(0x2006, arg[0])) fault(0x1ff);", 0 },
    { OP_I_AM, NULL, NULL, "i_am", VYRE_WIDTH_LANE, 0, "mark[arg[0]] = 1u + tenant;", 0 },
    { OP_HANG, NULL, NULL, "hang", VYRE_WIDTH_LANE, 0,
      "if (!spawn(0x1002) || !spawn(0x2006, arg[0])) fault(0x1ff);", 0 },
    { OP_LOOPS, NULL, NULL, "loops", VYRE_WIDTH_LANE, 0,
      "if (arg[1] < arg[0]) then(0x2008, arg[0], arg[1] + 1u); else result(0, arg[1]);", 0 },
    { OP_STOPS, NULL, NULL, "stops", VYRE_WIDTH_LANE, 0,
      "if (!spawn(0xffffffffu)) fault(0x1ff); then(0x2006, 7u);", 0 },
    { OP_DEEP, NULL, NULL, "deep", VYRE_WIDTH_LANE, 0,
      "if (arg[0] == 40u) mark[arg[1]] += 1u;\n"
      "else if (!spawn(0x200a, arg[0] + 1u, arg[1])) then(0x200a, arg[0] + 1u, arg[1]);", 0 },
    { OP_ENDLESS, emit_endless, NULL, "endless", VYRE_WIDTH_LANE, 0, NULL, 0 },
};

static const vyre_buffer_desc buffers[] = {
    { "mark", 4, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, LEAVES, false, 0, 0 },
    { "count", 5, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, 16, false, 0, 0 },
};

static vyre_desc children_desc(vyre_kernel_kind kind, uint32_t children)
{
    vyre_desc d;
    memset(&d, 0, sizeof d);
    d.backend = backend_under_test;
    d.kernel.kind = kind;
    d.kernel.slot_count = 20;
    d.kernel.handlers = handlers;
    d.kernel.handler_count = (uint32_t)(sizeof handlers / sizeof handlers[0]);
    d.kernel.buffers = buffers;
    d.kernel.buffer_count = 2;
    d.kernel.children = children;
    d.lease.timeout_ns = 600 * SECOND; /* the machine may be slow */
    d.tenants = 3;
    d.cpu_threads = 2;
    d.events = 1;
    return d;
}

static vyre *children_open(const vyre_desc *d)
{
    vyre *v = engine_open(d);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    return v;
}

static uint32_t *words(vyre *v, uint32_t buffer)
{
    return (uint32_t *)vyre_map(v, buffer, NULL);
}

static void end_as(vyre *v, vyre_ticket t, vyre_status wanted, uint32_t code)
{
    vyre_error err;
    memset(&err, 0, sizeof err);
    const vyre_status status = vyre_wait(v, t, 60 * SECOND, &err);
    if (status != wanted || (status == VYRE_E_FAULT && (uint32_t)err.native != code))
        test_fail(__FILE__, __LINE__, "%d, not %d: %s", (int)status, (int)wanted, err.text);
}

static void marks_are(vyre *v, uint32_t first, uint32_t count, uint32_t wanted)
{
    const uint32_t *mark = words(v, MARKS);
    for (uint32_t i = first; i < first + count; i++)
        if (mark[i] != wanted) {
            test_fail(__FILE__, __LINE__, "leaf %u has the mark %u, not %u", i, mark[i], wanted);
            return;
        }
}

/* --- trees ------------------------------------------------------------------ */

/* Published before `count` leaves are there; its end must not come before they are. */
static void tree_ends(vyre *v, vyre_ticket t, uint32_t first, uint32_t count)
{
    uint32_t args[12];
    vyre_error err;
    memset(&err, 0, sizeof err);
    const vyre_status status = vyre_wait_result(v, t, 120 * SECOND, args, &err);
    if (status != VYRE_OK)
        test_fail(__FILE__, __LINE__, "a tree of %u leaves: %d %s", count, (int)status, err.text);
    CHECK_EQ(args[1], 0);
    marks_are(v, first, count, 1);
}

static void forget(vyre *v)
{
    memset(words(v, MARKS), 0, LEAVES * 4);
    memset(words(v, COUNTS), 0, 16 * 4);
}

/* Its depth is about 40, and the queue has 64 entries. */
static void a_tree_has_all_its_leaves(vyre *v, uint32_t leaves)
{
    forget(v);
    tree_ends(v, engine_publish(v, engine_work(OP_ROOT, 2, 0, leaves)), 0, leaves);
    CHECK_EQ(words(v, COUNTS)[0], leaves);
}

/* More than the ring has slots, side by side; entries of one are another's next. */
static void many_trees_share_a_queue(vyre *v)
{
    static vyre_work works[200];
    static const uint32_t each = 50;
    vyre_error err;
    forget(v);
    for (uint32_t i = 0; i < 200; i++)
        works[i] = engine_work(i % 3 ? OP_TREE : OP_ROOT, 2, i * each, i * each + each);
    memset(&err, 0, sizeof err);
    if (vyre_run(v, works, 200, NULL, &err) != VYRE_OK)
        test_fail(__FILE__, __LINE__, "run: %s", err.text);
    marks_are(v, 0, 200 * each, 1);
}

static void a_then_may_have_a_then(vyre *v)
{
    uint32_t args[12];
    const vyre_ticket t = engine_publish(v, engine_work(OP_LOOPS, 2, 100, 0));
    CHECK_EQ(vyre_wait_result(v, t, 60 * SECOND, args, NULL), VYRE_OK);
    CHECK_EQ(args[0], 100);
}

static void a_fault_is_the_tickets(vyre *v)
{
    forget(v);
    const vyre_ticket t = engine_publish(v, engine_work(OP_BAD, 2, 4, 0));
    end_as(v, t, VYRE_E_FAULT, 0x105);
    CHECK_EQ(words(v, COUNTS)[2], 16); /* all leaves have run, */
    CHECK_EQ(words(v, COUNTS)[3], 11); /* and what has no fault below it went on */
    CHECK_EQ(vyre_drain(v, SECOND, NULL), VYRE_OK);
}

static void children_have_their_parents_tenant(vyre *v)
{
    forget(v);
    for (uint32_t i = 0; i < 3; i++) {
        vyre_work w = engine_work(OP_WHO, 1, i, 0);
        w.tenant = i;
        end_as(v, engine_publish(v, w), VYRE_OK, 0);
        marks_are(v, i, 1, i + 1);
    }
}

static void a_successor_sees_all_of_a_tree(vyre *v)
{
    const vyre_work root = engine_work(OP_TREE, 2, 0, 500), sum = engine_work(OP_SUM, 2, 0, 500);
    vyre_ticket t = { 0, 0 };
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t args[12];
        forget(v);
        CHECK_EQ(vyre_publish_after(v, &root, &t, 0, &t, NULL), VYRE_OK);
        CHECK_EQ(vyre_publish_after(v, &sum, &t, 1, &t, NULL), VYRE_OK);
        CHECK_EQ(vyre_wait_result(v, t, 60 * SECOND, args, NULL), VYRE_OK);
        CHECK_EQ(args[0], 500);
        CHECK_EQ(args[1], 0);
    }
}

/* Each of four chains would hold forty entries of a queue that has 64. */
static void chains_are_forty_deep(vyre *v)
{
    vyre_ticket t[4];
    forget(v);
    for (uint32_t i = 0; i < 4; i++)
        t[i] = engine_publish(v, engine_work(OP_DEEP, 2, 0, i));
    for (uint32_t i = 0; i < 4; i++) {
        end_as(v, t[i], VYRE_OK, 0);
        marks_are(v, i, 1, 1);
    }
}

static void trees_of_all_kinds(vyre *v, uint32_t leaves)
{
    chains_are_forty_deep(v);
    a_tree_has_all_its_leaves(v, leaves);
    many_trees_share_a_queue(v);
    a_then_may_have_a_then(v);
    a_fault_is_the_tickets(v);
    children_have_their_parents_tenant(v);
    a_successor_sees_all_of_a_tree(v);
}

/* --- stops, cancels, losses --------------------------------------------------- */

static void a_tree_outlasts_stops(vyre *v, uint32_t leaves)
{
    forget(v);
    const vyre_ticket t = engine_publish(v, engine_work(OP_ROOT, 2, 0, leaves));
    for (uint32_t i = 0; i < 5; i++) {
        CHECK_EQ(vyre_stop(v, 60 * SECOND, NULL), VYRE_OK);
        const uint32_t marked = words(v, COUNTS)[0];
        if (vyre_poll(v, t) == VYRE_OK && marked != leaves)
            test_fail(__FILE__, __LINE__, "the ticket has ended with %u leaves", marked);
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    }
    CHECK_EQ(vyre_stop(v, 60 * SECOND, NULL), VYRE_OK);
    tree_ends(v, t, 0, leaves); /* the rest in passes */
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
}

static void a_child_may_stop_the_kernel(vyre *v)
{
    forget(v);
    const vyre_ticket t = engine_publish(v, engine_work(OP_STOPS, 0, 0, 0));
    const uint64_t begin = engine_now();
    while (engine_now() - begin < SECOND / 50)
        (void)vyre_poll(v, t);
    CHECK_EQ(vyre_stop(v, 60 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    end_as(v, t, VYRE_OK, 0);
    marks_are(v, 7, 1, 1);
}

static void a_cancel_is_of_what_has_not_begun(vyre *v)
{
    forget(v);
    CHECK_EQ(vyre_stop(v, 60 * SECOND, NULL), VYRE_OK);
    const vyre_ticket t = engine_publish(v, engine_work(OP_ROOT, 2, 0, 100));
    CHECK_EQ(vyre_cancel(v, t, NULL), VYRE_PENDING);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    end_as(v, t, VYRE_E_CANCELLED, 0);
    marks_are(v, 0, 100, 0);
    const vyre_ticket other = engine_publish(v, engine_work(OP_ROOT, 2, 0, 5000));
    while (vyre_poll(v, other) == VYRE_PENDING &&
           __atomic_load_n(words(v, COUNTS), __ATOMIC_RELAXED) == 0)
        continue;
    (void)vyre_cancel(v, other, NULL); /* too late */
    end_as(v, other, VYRE_OK, 0);
    marks_are(v, 0, 5000, 1);
}

static void trees_end_right(void)
{
    const char *text = getenv("TEST_COUNT");
    const uint32_t wanted = text ? (uint32_t)strtoul(text, NULL, 0) : 100000;
    const vyre_desc d = children_desc(VYRE_KERNEL_DIRECT, 64);
    vyre *v = children_open(&d);
    trees_of_all_kinds(v, wanted < LEAVES ? wanted : LEAVES);
    a_tree_outlasts_stops(v, 5000);
    a_child_may_stop_the_kernel(v);
    a_cancel_is_of_what_has_not_begun(v);
    CHECK_EQ(vyre_stop(v, 60 * SECOND, NULL), VYRE_OK);
    trees_of_all_kinds(v, 5000);
    vyre_close(v);
}

/* Leases of a few rounds. */
static void urgent_kernels_have_trees(void)
{
    vyre_desc d = children_desc(VYRE_KERNEL_PRIORITY, 64);
    d.lease.rounds = 30;
    vyre *v = children_open(&d);
    trees_of_all_kinds(v, 500);
    CHECK_EQ(vyre_stop(v, 60 * SECOND, NULL), VYRE_OK);
    trees_of_all_kinds(v, 500);
    vyre_close(v);
}

static void a_lost_device_runs_trees_again(void)
{
    vyre_desc d = children_desc(VYRE_KERNEL_DIRECT, 64);
    d.lost_work = VYRE_LOST_RERUN;
    vyre *v = children_open(&d);
    const vyre_ticket t = engine_publish(v, engine_work(OP_ROOT, 2, 0, 3000));
    engine_sleep_ms(2);
    engine_lose(v);
    CHECK_EQ(vyre_recover(v, NULL), VYRE_OK);
    if (vyre_poll(v, t) != VYRE_OK) /* else it had ended before */
        tree_ends(v, t, 0, 3000);
    vyre_close(v);
}

/* What has to be ended by force takes the trees with it, and leaves an empty queue. */
static void a_tree_that_does_not_end_is_ended(void)
{
    const vyre_desc d = children_desc(VYRE_KERNEL_DIRECT, 32);
    vyre *v = children_open(&d);
    const vyre_ticket t = engine_publish(v, engine_work(OP_HANG, 1, 3, 0));
    while (__atomic_load_n(&words(v, MARKS)[3], __ATOMIC_RELAXED) == 0)
        (void)vyre_poll(v, t);
    CHECK_EQ(vyre_poll(v, t), VYRE_PENDING);
    CHECK_EQ(vyre_stop(v, SECOND / 5, NULL), VYRE_OK);
    end_as(v, t, VYRE_E_FAULT, VYRE_FAULT_LOOP_LIMIT);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    tree_ends(v, engine_publish(v, engine_work(OP_ROOT, 2, 100, 900)), 100, 800);
    vyre_close(v);
}

/* --- what is refused ---------------------------------------------------------- */

static void refused(vyre_desc d, vyre_status wanted, const char *part)
{
    vyre_error err;
    memset(&err, 0, sizeof err);
    vyre *v = vyre_open(&d, &err);
    if (v || err.status != wanted || !strstr(err.text, part))
        test_fail(__FILE__, __LINE__, "%d \"%s\", not %d \"%s\"", (int)err.status, err.text,
                  (int)wanted, part);
    vyre_close(v);
}

static void emit_wrong(vyre_program *p, const vyre_slot_values *s, void *user)
{
    const uint32_t *what = (const uint32_t *)user;
    vyre_value args[13];
    for (uint32_t i = 0; i < 13; i++)
        args[i] = vyre_ir_u32(p, i);
    (void)vyre_emit_spawn(p, s, what[0], what[2] ? NULL : args, what[1]);
}

static void what_cannot_be_spawned_is_refused(void)
{
    static const struct { uint32_t what[3]; uint32_t children; vyre_width width; const char *why; }
        rows[] = {
            { { OP_NOBODYS, 1, 0 }, 32, VYRE_WIDTH_LANE, "no lane of the kernel runs that", 0 },
            { { 0x2000, 13, 0 }, 32, VYRE_WIDTH_LANE, "at most 12", 0 },
            { { 0x2000, 1, 1 }, 32, VYRE_WIDTH_LANE, "NULL", 0 },
            { { 0x2000, 1, 0 }, 0, VYRE_WIDTH_LANE, "has no queue", 0 },
            { { 0x2000, 1, 0 }, 48, VYRE_WIDTH_LANE, "power of two", 0 },
            { { 0x2000, 1, 0 }, 16, VYRE_WIDTH_LANE, "power of two", 0 },
            { { 0x2000, 1, 0 }, 1u << 21, VYRE_WIDTH_LANE, "2097152", 0 },
            { { 0x2000, 1, 0 }, 32, VYRE_WIDTH_RANGE, "many lanes", 0 },
        };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t what[3];
        memcpy(what, rows[i].what, sizeof what);
        const vyre_handler h = { 0x2000, emit_wrong, what, "wrong", rows[i].width, 0, NULL };
        vyre_desc d = children_desc(VYRE_KERNEL_DIRECT, rows[i].children);
        d.kernel.handlers = &h;
        d.kernel.handler_count = 1;
        refused(d, VYRE_E_KERNEL_SPAWN, rows[i].why);
    }
}

static void texts_that_spawn_wrongly(void)
{
    static const struct { const char *source; uint32_t children; const char *why; } rows[] = {
        { "spawn(0x2fff);", 32, "spawn(0x2FFF, ..): no lane of the kernel runs that opcode", 0 },
        { "spawn(arg[0]);", 32, "the first argument of spawn() is a constant opcode", 0 },
        { "then();", 32, "the first argument of then() is a constant opcode", 0 },
        { "then(0x2000);", 0, "then(0x2000, ..): the kernel has no queue", 0 },
        { "then(0x2000, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13);", 32, "at most 13", 0 },
        { "uint x = then(0x2000);", 32, "", 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const vyre_handler h = { 0x2000, NULL, NULL, "text", VYRE_WIDTH_LANE, 0, rows[i].source };
        vyre_desc d = children_desc(VYRE_KERNEL_DIRECT, rows[i].children);
        d.kernel.handlers = &h;
        d.kernel.handler_count = 1;
        refused(d, VYRE_E_SOURCE, rows[i].why);
    }
}

static void other_engines_have_no_queue(void)
{
    vyre_desc d = children_desc(VYRE_KERNEL_DIRECT, 32);
    vyre_io_buffers io;
    vyre_error err;
    memset(&err, 0, sizeof err);
    memset(&io, 0, sizeof io);
    d.kernel.slot_count = 0;
    CHECK(vyre_kernel_build(&d.kernel, &err) == NULL);
    CHECK_EQ(err.status, VYRE_E_KERNEL_SPAWN);
    vyre *v = engine_open(&d);
    CHECK_EQ(vyre_dispatch(v, &io, NULL, &err), VYRE_E_KERNEL_SPAWN);
    vyre_close(v);
}

static void a_checked_child_has_its_arguments(void)
{
    static const vyre_handler own[] = {
        { 0x2000, NULL, NULL, "parent", VYRE_WIDTH_LANE, 0,
          "if (!spawn(0x2001, 5u)) fault(0x1ff); then(0x2002, 1u, 2u, 3u);", 0 },
        { 0x2001, NULL, NULL, "child", VYRE_WIDTH_LANE, 0, "mark[arg[0]] = 9u;", 0 },
        { 0x2002, NULL, NULL, "next", VYRE_WIDTH_LANE, 0, "mark[6] = arg[2]; mark[7] = arg[3];", 0 },
    };
    vyre_desc d = children_desc(VYRE_KERNEL_DIRECT, 32);
    d.kernel.handlers = own;
    d.kernel.handler_count = 3;
    d.kernel.checked = true;
    vyre *v = children_open(&d);
    end_as(v, engine_publish(v, engine_work(0x2000, 0, 0, 0)), VYRE_E_FAULT, VYRE_FAULT_BOUNDS);
    marks_are(v, 5, 1, 9);
    marks_are(v, 6, 1, 3);
    vyre_close(v);
}

/* A payload tells its jobs apart by an argument. */
static void payloads_spawn(void)
{
    vyre_desc d = children_desc(VYRE_KERNEL_DIRECT, 32);
    d.kernel.kind = VYRE_KERNEL_JIT;
    d.kernel.handler_count = 0;
    d.kernel.payload_source =
        "if (arg[0] == 1u) { mark[arg[1]] = 3u; return; }\n"
        "if (arg[0] == 2u) { result(0, mark[11] + mark[12]); return; }\n"
        "if (!spawn(0, 1u, 11u) || !spawn(0, 1u, 12u)) fault(0x1ff);\n"
        "then(0, 2u);\n";
    vyre *v = children_open(&d);
    uint32_t args[12];
    const vyre_ticket t = engine_publish(v, engine_work(0, 0, 0, 0));
    CHECK_EQ(vyre_wait_result(v, t, 60 * SECOND, args, NULL), VYRE_OK);
    CHECK_EQ(args[0], 6);
    vyre_close(v);
}

/* What is the same wherever lanes run, or can be done on this backend only. */
static void on_the_cpu(void)
{
    backend_under_test = VYRE_BACKEND_CPU;
    RUN(a_lost_device_runs_trees_again);
    RUN(a_tree_that_does_not_end_is_ended);
    RUN(what_cannot_be_spawned_is_refused);
    RUN(texts_that_spawn_wrongly);
    RUN(other_engines_have_no_queue);
    RUN(a_checked_child_has_its_arguments);
    RUN(payloads_spawn);
}

int main(void)
{
    static const engine_case cases[] = {
        ENGINE_CASE(trees_end_right),
        ENGINE_CASE(urgent_kernels_have_trees),
    };
    on_the_cpu();
    engine_run_cases(cases, sizeof cases / sizeof cases[0]);
    return test_end();
}

/* Works that stop in the middle and go on: on every backend, running and in passes, in
 * every kind of kernel; with a text as the handler; paused, let go on with other words,
 * taken back, moved to another handle, stopped, lost.  At last two threads that let
 * works go on which pause again and again.  TEST_COUNT: how often. */
#include "inside.h"
#include "engine.h"

#include <pthread.h>
#include <sched.h>

#define OP_STEPS  0x2001u /* adds a0 + 1 numbers, a1 at a time; word 0: their sum */
#define OP_PAUSES 0x2002u /* pauses a0 times, each time with its count as pc; word 1: a1, and all data */
#define OP_AGAIN  0x2003u /* requeues itself a0 times */
#define OP_BOTH   0x2004u /* yields and faults */
#define OP_LAST   0x2005u /* yields, then pauses: the last call counts */

static const char steps_text[] =
    "uint i = arg[3], sum = arg[4], most = min(arg[0], i + arg[1]);\n"
    "for (; i < most; i++) sum += i;\n"
    "if (i < arg[0]) yield(i, sum);\n"
    "else result(0, sum + i);\n";

static const char pauses_text[] =
    "result(1, arg[1] + arg[4]);\n"
    "if (arg[3] < arg[0]) pause(arg[3] + 1u, 1000);\n";

static const char again_text[] = "if (arg[3] < arg[0]) requeue(arg[3] + 1u, 7);";
static const char last_text[] = "if (arg[3] == 0u) { yield(1, 1); pause(5, asuint(1.0)); }";

static void emit_both(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_emit_yield(p, s, s->arg[3], s->arg[4]);
    vyre_emit_fault(p, s, vyre_ir_u32(p, VYRE_FAULT_USER + 5));
}

static const vyre_handler task_handlers[] = {
    { OP_STEPS, NULL, NULL, "steps", VYRE_WIDTH_LANE, 0, steps_text },
    { OP_PAUSES, NULL, NULL, "pauses", VYRE_WIDTH_LANE, 0, pauses_text },
    { OP_AGAIN, NULL, NULL, "again", VYRE_WIDTH_LANE, 0, again_text },
    { OP_BOTH, emit_both, NULL, "both", VYRE_WIDTH_LANE, 0, NULL, 0 },
    { OP_LAST, NULL, NULL, "last", VYRE_WIDTH_LANE, 0, last_text },
};

static vyre_desc task_desc(uint32_t slots)
{
    vyre_desc d;
    memset(&d, 0, sizeof d);
    d.backend = backend_under_test;
    d.kernel.slot_count = slots;
    d.kernel.handlers = task_handlers;
    d.kernel.handler_count = 5;
    d.kernel.tasks = true;
    d.lease.timeout_ns = 60 * SECOND; /* the machine may be slow */
    return d;
}

static vyre *task_open(uint32_t slots)
{
    const vyre_desc d = task_desc(slots);
    vyre *v = engine_open(&d);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    return v;
}

static vyre_task task_of(vyre *v, vyre_ticket t)
{
    vyre_io_buffers io;
    vyre_task task;
    CHECK_EQ(vyre_buffers(v, &io, NULL), VYRE_OK);
    CHECK_EQ(vyre_task_load(io.ring, io.ring_size, vyre_ticket_slot(t), &task, NULL), VYRE_OK);
    return task;
}

static void wait_for(vyre *v, vyre_ticket t, vyre_status wanted)
{
    vyre_error err;
    memset(&err, 0, sizeof err);
    const vyre_status status = vyre_wait(v, t, 60 * SECOND, &err);
    if (status != wanted)
        test_fail(__FILE__, __LINE__, "%d, not %d: %s", (int)status, (int)wanted, err.text);
}

/* --- yields ------------------------------------------------------------------ */

static uint32_t sum_to(uint32_t n)
{
    return (uint32_t)((uint64_t)n * (n + 1) / 2);
}

/* As many iterations as a driver may not allow a loop, in pieces that it does. */
static void a_long_job_comes_to_its_end(void)
{
    static const struct { vyre_mode mode; bool starts, checked, events; vyre_kernel_kind kind; }
    ways[] = {
        { VYRE_MODE_AUTO, true, false, false, VYRE_KERNEL_DIRECT },
        { VYRE_MODE_PASSES, true, false, false, VYRE_KERNEL_DIRECT },
        { VYRE_MODE_AUTO, false, true, false, VYRE_KERNEL_DIRECT },
        { VYRE_MODE_AUTO, true, false, true, VYRE_KERNEL_DIRECT },
        { VYRE_MODE_AUTO, true, false, false, VYRE_KERNEL_PRIORITY },
        { VYRE_MODE_PASSES, false, false, false, VYRE_KERNEL_PRIORITY },
        { VYRE_MODE_AUTO, true, false, false, VYRE_KERNEL_JIT },
        { VYRE_MODE_PASSES, true, false, false, VYRE_KERNEL_JIT },
    };
    for (uint32_t way = 0; way < sizeof ways / sizeof ways[0]; way++) {
        const uint32_t count = way ? 20000 : 1000000, step = way ? 500 : 1000;
        vyre_desc d = task_desc(16);
        uint32_t words[12];
        d.mode = ways[way].mode;
        d.kernel.kind = ways[way].kind;
        d.kernel.checked = ways[way].checked;
        d.events = ways[way].events;
        if (d.kernel.kind == VYRE_KERNEL_JIT) {
            d.kernel.handler_count = 0;
            d.kernel.payload_source = steps_text;
        }
        vyre *v = engine_open(&d);
        if (ways[way].starts)
            CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        vyre_work w = engine_work(OP_STEPS, 2, count, step);
        w.args[3] = 77; /* arguments that are not given are 0 */
        const vyre_ticket t = engine_publish(v, w);
        wait_for(v, t, VYRE_OK);
        CHECK_EQ(vyre_result(v, t, words, NULL), VYRE_OK);
        CHECK_EQ(words[0], sum_to(count));
        const vyre_task task = task_of(v, t);
        CHECK_EQ(task.yields, count / step - 1);
        CHECK_EQ(task.requeues, 0);
        CHECK_EQ(task.pc, count - step);
        CHECK_EQ(task.flags, VYRE_TASK_YIELDED);
        vyre_close(v);
    }
}

/* Others are served in between, and the counters of the protocol count ends. */
static void yields_leave_room_for_others(void)
{
    vyre_desc d = task_desc(4);
    d.keep_results = true;
    vyre *v = engine_open(&d);
    vyre_ticket t[3];
    vyre_io_buffers io;
    uint32_t done = 0, words[12];
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    t[0] = engine_publish(v, engine_work(OP_STEPS, 2, 3000, 10));
    t[1] = engine_publish(v, engine_work(OP_AGAIN, 1, 9, 0));
    for (uint32_t i = 0; i < 20; i++) {
        t[2] = engine_publish(v, engine_add(1));
        wait_for(v, t[2], VYRE_OK);
        CHECK_EQ(vyre_release(v, t[2], NULL), VYRE_OK);
    }
    wait_for(v, t[0], VYRE_OK);
    wait_for(v, t[1], VYRE_OK);
    CHECK_EQ(vyre_result(v, t[0], words, NULL), VYRE_OK);
    CHECK_EQ(words[0], sum_to(3000));
    const vyre_task task = task_of(v, t[1]);
    CHECK_EQ(task.requeues, 9);
    CHECK_EQ(task.age, 9);
    CHECK_EQ(task.yields, 0);
    CHECK_EQ(task.flags, VYRE_TASK_REQUEUED);
    CHECK_EQ(vyre_stop(v, 60 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(vyre_buffers(v, &io, NULL), VYRE_OK);
    CHECK_EQ(vyre_control_done_count(io.control, io.control_size, &done, NULL), VYRE_OK);
    CHECK_EQ(done, 22);
    CHECK_EQ(((uint32_t *)io.control)[VYRE_CONTROL_REQUEUES], 299 + 9);
    vyre_close(v);
}

static void stops_come_in_between(void)
{
    vyre *v = task_open(8);
    const vyre_ticket t = engine_publish(v, engine_work(OP_STEPS, 2, 600, 10));
    uint32_t words[12], stops = 0;
    while (vyre_poll(v, t) == VYRE_PENDING) {
        CHECK_EQ(vyre_stop(v, 60 * SECOND, NULL), VYRE_OK);
        if (stops++ % 3)
            CHECK_EQ(vyre_dispatch_resident(v, 1, NULL, NULL), VYRE_OK);
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    }
    CHECK_EQ(vyre_result(v, t, words, NULL), VYRE_OK);
    CHECK_EQ(words[0], sum_to(600));
    CHECK_EQ(task_of(v, t).yields, 59);
    vyre_close(v);
}

static void a_fault_stands_and_packed_slots_have_no_words(void)
{
    vyre *v = task_open(8);
    vyre_error err;
    memset(&err, 0, sizeof err);
    vyre_ticket t = engine_publish(v, engine_work(OP_BOTH, 0, 0, 0));
    CHECK_EQ(vyre_wait(v, t, 60 * SECOND, &err), VYRE_E_FAULT);
    CHECK_EQ(err.native, VYRE_FAULT_USER + 5);
    CHECK_EQ(task_of(v, t).yields, 0);
    vyre_close(v);

    vyre_desc d = task_desc(8);
    vyre_handler small = task_handlers[2];
    const vyre_op ops[2] = { { 9, 1, { 1 } }, { VYRE_OP_ATOMIC_ADD, 2, { 1, 160 } } };
    vyre_work packed;
    small.opcode = 9;
    d.kernel.handlers = &small;
    d.kernel.handler_count = 1;
    v = engine_open(&d);
    CHECK_EQ(vyre_work_pack(&packed, ops, 2, NULL), VYRE_OK);
    t = engine_publish(v, packed);
    CHECK_EQ(vyre_wait(v, t, 60 * SECOND, &err), VYRE_E_FAULT);
    CHECK_EQ(err.native, VYRE_FAULT_PACKED);
    CHECK_EQ(engine_observable(v, 0), 0);
    vyre_close(v);
}

/* --- pauses ------------------------------------------------------------------ */

static uint32_t ends;

static void count_end(void *user, vyre_ticket t, vyre_status status)
{
    (void)user, (void)t;
    CHECK_EQ(status, VYRE_OK);
    ends++;
}

static void a_paused_work_waits_to_be_told(void)
{
    for (uint32_t way = 0; way < 3; way++) {
        vyre_desc d = task_desc(4);
        vyre_error err;
        uint32_t words[12] = { 0 }, data = 5;
        d.keep_results = way == 1;
        d.mode = way == 2 ? VYRE_MODE_PASSES : VYRE_MODE_AUTO;
        vyre *v = engine_open(&d);
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        ends = 0;
        vyre_ticket t = engine_publish(v, engine_work(OP_PAUSES, 2, 2, 100));
        CHECK_EQ(vyre_on_end(v, t, count_end, NULL, NULL), VYRE_OK);
        CHECK_EQ(vyre_wait(v, t, 60 * SECOND, &err), VYRE_PAUSED);
        CHECK_TEXT(err.text, "the work has paused");
        CHECK_EQ(vyre_poll(v, t), VYRE_PAUSED);
        CHECK_EQ(vyre_result(v, t, words, &err), VYRE_PAUSED);
        CHECK_EQ(vyre_wait_any(v, &t, 1, SECOND, NULL, &err), VYRE_PAUSED);
        CHECK_EQ(vyre_drain(v, 60 * SECOND, &err), VYRE_PAUSED);
        CHECK_EQ(err.at, 1);
        CHECK_EQ(task_of(v, t).pc, 1);
        CHECK_EQ(task_of(v, t).data, 1000);
        CHECK_EQ(task_of(v, t).flags, VYRE_TASK_PAUSED);
        CHECK_EQ(ends, 0);
        /* Its slot is nobody else's, however many come by. */
        for (uint32_t i = 0; i < 12; i++) {
            const vyre_ticket other = engine_publish(v, engine_add(1));
            wait_for(v, other, VYRE_OK);
            CHECK_EQ(vyre_release(v, other, NULL), VYRE_OK);
        }
        CHECK_EQ(vyre_poll(v, t), VYRE_PAUSED);
        CHECK_EQ(vyre_stop(v, 60 * SECOND, NULL), VYRE_OK);
        CHECK_EQ(vyre_resume(v, t, &data, &err), VYRE_OK);
        CHECK_EQ(task_of(v, t).flags, VYRE_TASK_RESUMED);
        CHECK_EQ(vyre_resume(v, t, &data, &err), VYRE_E_TASK_STATE);
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        wait_for(v, t, VYRE_PAUSED);
        CHECK_EQ(task_of(v, t).pc, 2);
        CHECK_EQ(vyre_resume(v, t, NULL, &err), VYRE_OK);
        CHECK_EQ(vyre_wait_result(v, t, 60 * SECOND, words, &err), VYRE_OK);
        CHECK_EQ(words[1], 100 + 5 + 1000);
        CHECK_EQ(ends, 1);
        CHECK_EQ(vyre_resume(v, t, NULL, &err), VYRE_E_TASK_STATE);
        CHECK_EQ(vyre_drain(v, 60 * SECOND, &err), VYRE_OK);
        const vyre_ticket none = { 0, 0 };
        CHECK_EQ(vyre_resume(v, none, NULL, &err), VYRE_E_TICKET);
        CHECK_EQ(vyre_resume(NULL, t, NULL, &err), VYRE_E_ARGUMENT);
        t = engine_publish(v, engine_work(OP_LAST, 0, 0, 0));
        wait_for(v, t, VYRE_PAUSED);
        CHECK_EQ(task_of(v, t).pc, 5);
        CHECK_EQ(task_of(v, t).data, 0x3f800000u);
        vyre_close(v); /* with a work that has paused */
    }
}

/* Also where nobody else could: in a run, or in a graph. */
static void a_paused_work_is_taken_back(void)
{
    vyre_desc d = task_desc(8);
    vyre_error err;
    vyre_stats stats;
    d.events = 1;
    vyre *v = engine_open(&d);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    vyre_ticket t[2];
    t[0] = engine_publish(v, engine_work(OP_PAUSES, 2, 1, 1));
    wait_for(v, t[0], VYRE_PAUSED);
    const vyre_work add = engine_add(1);
    CHECK_EQ(vyre_publish_after(v, &add, t, 1, &t[1], &err), VYRE_OK);
    CHECK_EQ(vyre_wait(v, t[1], 20000000, NULL), VYRE_TIMEOUT);
    CHECK(vyre_cancel(v, t[0], &err) >= 0);
    wait_for(v, t[0], VYRE_E_CANCELLED);
    wait_for(v, t[1], VYRE_E_FAULT);
    CHECK_EQ(engine_observable(v, 0), 0);
    /* One that yields on and on. */
    t[0] = engine_publish(v, engine_work(OP_STEPS, 2, 0xffffffffu, 1));
    CHECK_EQ(vyre_wait(v, t[0], 20000000, NULL), VYRE_TIMEOUT);
    CHECK(vyre_cancel(v, t[0], &err) >= 0);
    wait_for(v, t[0], VYRE_E_CANCELLED);

    vyre_work works[3];
    for (uint32_t i = 0; i < 3; i++)
        works[i] = i == 1 ? engine_work(OP_PAUSES, 2, 1, 1) : engine_add(1);
    CHECK_EQ(vyre_run(v, works, 3, &stats, &err), VYRE_E_CANCELLED);
    CHECK_EQ(err.at, 1);
    CHECK_EQ(engine_observable(v, 0), 2);
    const uint32_t after = 0;
    vyre_node nodes[2];
    memset(nodes, 0, sizeof nodes);
    nodes[0].work = works[1];
    nodes[1].work = add;
    nodes[1].after = &after;
    nodes[1].after_count = 1;
    vyre_graph *g = vyre_graph_make(v, nodes, 2, &err);
    CHECK(g != NULL);
    CHECK_EQ(vyre_graph_publish(g, NULL, &err), VYRE_OK);
    CHECK(vyre_graph_wait(g, 60 * SECOND, &stats, &err) < 0);
    CHECK_EQ(engine_observable(v, 0), 2);
    vyre_graph_free(g);
    vyre_close(v);
}

static void a_paused_task_moves_to_another_handle(void)
{
    vyre *a = task_open(8), *b = task_open(4);
    vyre_error err;
    vyre_work rest;
    uint32_t words[12];
    vyre_ticket t = engine_publish(a, engine_work(OP_PAUSES, 2, 1, 30));
    wait_for(a, t, VYRE_PAUSED);
    vyre_task task = task_of(a, t);
    CHECK_EQ(vyre_task_resume(&task, 0, &err), VYRE_OK);
    task.data = 12;
    CHECK_EQ(vyre_task_work(&task, &rest, &err), VYRE_OK);
    vyre_close(a);
    t = engine_publish(b, rest);
    CHECK_EQ(vyre_wait_result(b, t, 60 * SECOND, words, &err), VYRE_OK);
    CHECK_EQ(words[1], 42);
    vyre_close(b);
}

/* From the first publish, or not at all. */
static void a_lost_device_takes_what_they_had_done(void)
{
    for (uint32_t rerun = 0; rerun < 2; rerun++) {
        vyre_desc d = task_desc(8);
        vyre_error err;
        const uint32_t data = 9;
        uint32_t words[12];
        d.lost_work = rerun ? VYRE_LOST_RERUN : VYRE_LOST_REPORT;
        vyre *v = engine_open(&d);
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        const vyre_ticket t = engine_publish(v, engine_work(OP_PAUSES, 2, 2, 1));
        wait_for(v, t, VYRE_PAUSED);
        CHECK_EQ(vyre_resume(v, t, &data, &err), VYRE_OK);
        wait_for(v, t, VYRE_PAUSED);
        CHECK_EQ(task_of(v, t).pc, 2);
        engine_lose(v);
        CHECK_EQ(vyre_resume(v, t, &data, &err), VYRE_E_DEVICE_LOST);
        CHECK_EQ(vyre_recover(v, &err), VYRE_OK);
        if (rerun) {
            wait_for(v, t, VYRE_PAUSED);
            CHECK_EQ(task_of(v, t).pc, 1);
            CHECK_EQ(vyre_resume(v, t, NULL, &err), VYRE_OK);
            wait_for(v, t, VYRE_PAUSED);
            CHECK_EQ(vyre_resume(v, t, &data, &err), VYRE_OK);
            CHECK_EQ(vyre_wait_result(v, t, 60 * SECOND, words, &err), VYRE_OK);
            CHECK_EQ(words[1], 1 + 1000 + 9);
        } else {
            wait_for(v, t, VYRE_E_LOST);
        }
        vyre_close(v);
    }
}

/* --- what is refused --------------------------------------------------------- */

static void emit_yield(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_value zero = vyre_ir_u32(p, 0);
    vyre_emit_yield(p, s, zero, zero);
}

static void who_may_not_stop_is_told(void)
{
    static const struct { vyre_handler handler; bool tasks; vyre_status status; const char *text,
                          *fix; } rows[] = {
        { { 9, emit_yield, NULL, "a", VYRE_WIDTH_LANE, 0, NULL, 0 }, false, VYRE_E_ARGUMENT,
          "a yield in a kernel without tasks", "Set vyre_kernel_desc.tasks." },
        { { 9, emit_yield, NULL, "a", VYRE_WIDTH_RANGE, 0, NULL, 0 }, true, VYRE_E_KERNEL_WIDTH,
          "a yield in a handler that more than one lane runs", "Leave the handler's width LANE." },
        { { 9, NULL, NULL, "a", VYRE_WIDTH_LANE, 0, "pause(0, 1);", 0 }, false, VYRE_E_SOURCE,
          "pause() in a kernel without tasks", "Set vyre_kernel_desc.tasks." },
        { { 9, NULL, NULL, "a", VYRE_WIDTH_GROUP, 0, "requeue(0, 1);", 0 }, true, VYRE_E_SOURCE,
          "requeue() in a handler that more than one lane runs",
          "Leave the handler's width LANE." },
        { { 9, NULL, NULL, "a", VYRE_WIDTH_LANE, 0, "yield(1);", 0 }, true, VYRE_E_SOURCE,
          "yield() takes 2 arguments, not 1", "Give it 2." },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        vyre_kernel_desc d;
        vyre_error err;
        memset(&d, 0, sizeof d);
        memset(&err, 0, sizeof err);
        d.handlers = &rows[i].handler;
        d.handler_count = 1;
        d.tasks = rows[i].tasks;
        vyre_desc o;
        memset(&o, 0, sizeof o);
        o.backend = VYRE_BACKEND_CPU;
        o.kernel = d;
        CHECK(vyre_open(&o, &err) == NULL);
        CHECK_EQ(err.status, rows[i].status);
        if (!strstr(err.text, rows[i].text) || !strstr(err.fix, rows[i].fix))
            test_fail(__FILE__, __LINE__, "row %u: %s / %s", (unsigned)i, err.text, err.fix);
    }
}

static void jobs_either_stop_or_spawn(void)
{
    vyre_desc d = task_desc(8);
    vyre_error err;
    d.backend = VYRE_BACKEND_CPU;
    d.kernel.children = 64;
    CHECK(vyre_open(&d, &err) == NULL);
    CHECK_EQ(err.status, VYRE_E_KERNEL_SPAWN);
    CHECK_TEXT(err.text, "a kernel with children and with tasks");
}

/* --- two threads ------------------------------------------------------------- */

enum { THREADS = 2 };

typedef struct resumer {
    vyre      *v;
    vyre_ticket t;
    uint32_t   pauses, told; /* of the work; told: its own calls that were taken */
    uint64_t   sum;
    vyre_status status;
} resumer;

/* Both let the same work go on: each pause is one caller's. */
static void *resume_all(void *user)
{
    resumer *r = (resumer *)user;
    uint32_t turn = 1;
    for (;;) {
        const vyre_status status = vyre_poll(r->v, r->t);
        if (status != VYRE_PAUSED && status != VYRE_PENDING) {
            r->status = status;
            return NULL;
        }
        const uint32_t data = turn++ * 7;
        const vyre_status taken = status == VYRE_PAUSED ? vyre_resume(r->v, r->t, &data, NULL)
                                                        : VYRE_PENDING;
        if (taken == VYRE_OK) {
            r->told++;
            r->sum += data;
        } else if (taken != VYRE_PENDING && taken != VYRE_E_TASK_STATE) {
            r->status = taken;
            return NULL;
        }
        sched_yield();
    }
}

#define OP_SUMS 0x2006u /* pauses a0 times; word 1: the sum of all that it was given */
static const char sums_text[] = "uint sum = arg[1] + arg[4]; result(1, sum);\n"
                                "if (arg[3] < arg[0]) pause(arg[3] + 1u, 0);\n";

static void two_threads_let_works_go_on(void)
{
    const char *text = getenv("TEST_COUNT");
    const uint32_t count = text ? (uint32_t)strtoul(text, NULL, 0) : 300;
    const vyre_handler sums = { OP_SUMS, NULL, NULL, "sums", VYRE_WIDTH_LANE, 0, sums_text };
    vyre_desc d = task_desc(4);
    d.kernel.handlers = &sums;
    d.kernel.handler_count = 1;
    vyre *v = engine_open(&d);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    resumer r[THREADS];
    pthread_t threads[THREADS];
    memset(r, 0, sizeof r);
    const vyre_ticket t = engine_publish(v, engine_work(OP_SUMS, 2, count, 0));
    for (uint32_t i = 0; i < THREADS; i++) {
        r[i].v = v;
        r[i].t = t;
        CHECK_EQ(pthread_create(&threads[i], NULL, resume_all, &r[i]), 0);
    }
    uint32_t told = 0, sum = 0, words[12];
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK_EQ(r[i].status, VYRE_OK);
        told += r[i].told;
        sum += (uint32_t)r[i].sum;
    }
    CHECK_EQ(told, count);
    CHECK_EQ(vyre_result(v, t, words, NULL), VYRE_OK);
    CHECK_EQ(words[1], sum);
    vyre_close(v);
}

static const engine_case cases[] = {
    ENGINE_CASE(a_long_job_comes_to_its_end),
    ENGINE_CASE(yields_leave_room_for_others),
    ENGINE_CASE(stops_come_in_between),
    ENGINE_CASE(a_fault_stands_and_packed_slots_have_no_words),
    ENGINE_CASE(a_paused_work_waits_to_be_told),
    ENGINE_CASE(a_paused_work_is_taken_back),
    ENGINE_CASE(a_paused_task_moves_to_another_handle),
    ENGINE_CASE(a_lost_device_takes_what_they_had_done),
    ENGINE_CASE(two_threads_let_works_go_on),
};

int main(void)
{
    RUN(who_may_not_stop_is_told);
    RUN(jobs_either_stop_or_spawn);
    engine_run_cases(cases, sizeof cases / sizeof cases[0]);
    return test_end();
}

/* Works that wait for a request without a lane: kernels with tasks, on each backend, running
 * and in passes.  Lanes serve others meanwhile, more works wait than there are IO slots, and
 * each gets its own answer; nobody pumps, the pump is closed, the work taken back, the
 * kernel stopped, the device lost.  TEST_COUNT: how many works the last case has. */
#include "inside.h"
#include "engine.h"

#include <pthread.h>
#include <stdlib.h>

#define OP_GET  0x3001u /* reads word a0 of the source; word 0: it and a1; 3: the code */
#define OP_ADD  0x3002u /* of words a0 .. a1 - 1 the sum, read one by one; word 0 */
#define OP_GIVE 0x3003u /* asks, and if it runs for the second time, gives the answer up */
#define OP_BOTH 0x3004u /* a fault, and a request */

enum { WORDS = 4096, SLOTS = 256, LANES = 64, IO_SLOTS = 64 };

static uint32_t source, target;

static uint32_t word_at(uint32_t i)
{
    return i * 0x9e3779b1u ^ i >> 5;
}

static int64_t read_words(void *user, void *bytes, uint64_t offset, uint32_t size, bool write)
{
    uint32_t *words = (uint32_t *)bytes;
    (void)user, (void)write;
    for (uint32_t i = 0; i < size / 4; i++)
        words[i] = word_at((uint32_t)offset / 4 + i);
    return size;
}

/* --- handlers --------------------------------------------------------------- */

/* Word `at` of the source into word a2 of the buffer, and what is there then. */
static vyre_value emit_word(vyre_program *p, const vyre_slot_values *s, vyre_value at,
                            vyre_value *ok, vyre_value *code)
{
    vyre_io_values io;
    memset(&io, 0, sizeof io);
    io.op = vyre_ir_u32(p, VYRE_IO_READ);
    io.src = vyre_ir_u32(p, source);
    io.dst = vyre_ir_u32(p, target);
    io.offset_lo = vyre_ir_mul(p, at, vyre_ir_u32(p, 4));
    io.bytes = vyre_ir_u32(p, 4);
    io.tag = s->arg[2];
    *ok = vyre_emit_io(p, s, &io, code);
    return vyre_ir_atomic_load(p, s->buffers[0], s->arg[2], VYRE_ORDER_RELAXED);
}

/* As most would write it: what is not OK is a fault. */
static void emit_get(vyre_program *p, const vyre_slot_values *s, void *user)
{
    vyre_value ok, code;
    if (user)
        vyre_emit_fault(p, s, vyre_ir_u32(p, VYRE_FAULT_USER + 1));
    vyre_value word = emit_word(p, s, s->arg[0], &ok, &code);
    vyre_ir_if(p, ok);
    vyre_emit_result(p, s, 0, vyre_ir_add(p, word, s->arg[1]));
    vyre_ir_else(p);
    vyre_emit_fault(p, s, vyre_ir_add(p, code, vyre_ir_u32(p, VYRE_FAULT_USER + 100)));
    vyre_ir_end(p);
}

/* Says how far it has come; a request without an answer is one that it stops at. */
static void emit_add(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_value ok, code, one = vyre_ir_u32(p, 1);
    vyre_value begin = vyre_ir_max(p, s->arg[0], s->arg[3]);
    vyre_local at = vyre_ir_local(p, VYRE_TYPE_U32, begin, "at");
    vyre_local sum = vyre_ir_local(p, VYRE_TYPE_U32, s->arg[4], "sum");
    vyre_ir_loop(p, vyre_ir_u32(p, 0), vyre_ir_u32(p, 3));
    vyre_value i = vyre_ir_get(p, at);
    vyre_ir_if(p, vyre_ir_ge(p, i, s->arg[1]));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_value word = emit_word(p, s, i, &ok, &code);
    vyre_ir_if(p, vyre_ir_not(p, ok));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_value before = vyre_ir_get(p, sum);
    vyre_ir_set(p, sum, vyre_ir_add(p, before, word));
    vyre_ir_set(p, at, vyre_ir_add(p, i, one));
    vyre_ir_end(p);
    vyre_value end = vyre_ir_get(p, at), so_far = vyre_ir_get(p, sum);
    vyre_ir_if(p, vyre_ir_lt(p, end, s->arg[1]));
    vyre_emit_yield(p, s, end, so_far);
    vyre_ir_else(p);
    vyre_emit_result(p, s, 0, so_far);
    vyre_ir_end(p);
}

/* Observable 1 counts the runs: the second one goes another way. */
static void emit_give(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_value ok, code, one = vyre_ir_u32(p, 1);
    vyre_value at = vyre_ir_u32(p, VYRE_CONTROL_OBSERVABLES + 1);
    vyre_value runs = vyre_ir_atomic(p, VYRE_ATOMIC_ADD, s->control, at, one,
                                     VYRE_ORDER_RELAXED);
    vyre_ir_if(p, vyre_ir_eq(p, vyre_ir_and(p, runs, one), vyre_ir_u32(p, 0)));
    (void)emit_word(p, s, s->arg[0], &ok, &code);
    vyre_ir_end(p);
}

static int faults;

static const vyre_handler park_handlers[] = {
    { OP_GET, emit_get, NULL, "get", VYRE_WIDTH_LANE, 0, NULL, 0 },
    { OP_ADD, emit_add, NULL, "add", VYRE_WIDTH_LANE, 0, NULL, 0 },
    { OP_GIVE, emit_give, NULL, "give", VYRE_WIDTH_LANE, 0, NULL, 0 },
    { OP_BOTH, emit_get, &faults, "both", VYRE_WIDTH_LANE, 0, NULL, 0 },
    { 9, emit_get, NULL, "small", VYRE_WIDTH_LANE, 0, NULL, 0 },
};

static const vyre_buffer_desc park_buffers[] = {
    { "to", 4, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, SLOTS, false, 0, 0 },
};

/* --- a handle and its pump ---------------------------------------------------- */

typedef struct machine {
    vyre    *v;
    vyre_io *io;
} machine;

static vyre_io *pump_open(vyre *v, bool helper)
{
    vyre_io_desc d;
    vyre_error err;
    uint32_t from, to;
    memset(&d, 0, sizeof d);
    memset(&err, 0, sizeof err);
    d.handle = v;
    d.helper = helper;
    vyre_io *io = vyre_io_open(&d, &err);
    if (!io)
        test_fail(__FILE__, __LINE__, "io: %s", err.text);
    CHECK_EQ(vyre_io_add_source(io, read_words, NULL, WORDS * 4, VYRE_IO_CAN_READ, &from, NULL),
             VYRE_OK);
    CHECK_EQ(vyre_io_add_target(io, 0, 0, 0, 4, &to, NULL), VYRE_OK);
    CHECK_EQ(from, source);
    CHECK_EQ(to, target);
    return io;
}

static machine machine_open(vyre_kernel_kind kind, bool started, bool helper)
{
    machine m;
    vyre_desc d = engine_desc(SLOTS);
    source = 1 | 1u << 12; /* what the first two handles of a pump are */
    target = 2 | 1u << 12;
    d.kernel.kind = kind;
    d.kernel.lane_count = LANES;
    d.kernel.workgroup_size = LANES;
    d.kernel.handlers = park_handlers;
    d.kernel.handler_count = 5;
    d.kernel.buffers = park_buffers;
    d.kernel.tasks = true;
    d.kernel.load_miss = true;
    d.kernel.io_polling = kind == VYRE_KERNEL_DIRECT;
    d.kernel.io_spins = 4;
    d.keep_results = true;
    d.lease.timeout_ns = 100 * SECOND;
    m.v = engine_open(&d);
    m.io = pump_open(m.v, helper);
    if (started)
        CHECK_EQ(vyre_start(m.v, NULL), VYRE_OK);
    return m;
}

static void machine_close(machine *m)
{
    vyre_io_close(m->io);
    vyre_close(m->v);
}

/* Waits, and pumps. */
static vyre_status ended(machine *m, vyre_ticket t)
{
    const uint64_t end = engine_now() + 120 * SECOND;
    vyre_status status;
    while ((status = vyre_wait(m->v, t, 200000, NULL)) == VYRE_TIMEOUT) {
        vyre_io_pump(m->io, 0, NULL, NULL);
        if (engine_now() > end)
            test_fail(__FILE__, __LINE__, "a job does not end");
    }
    return status;
}

/* Its word of the buffer is `place`. */
static vyre_work job(uint32_t op, uint32_t a0, uint32_t a1, uint32_t place)
{
    vyre_work w = engine_work(op, 3, a0, a1);
    w.args[2] = place % SLOTS;
    return w;
}

static void ends_with(machine *m, vyre_ticket t, uint32_t wanted)
{
    uint32_t words[12];
    CHECK_EQ(ended(m, t), VYRE_OK);
    CHECK_EQ(vyre_result(m->v, t, words, NULL), VYRE_OK);
    CHECK_EQ(words[0], wanted);
}

static uint32_t status_of(vyre *v, vyre_ticket t)
{
    vyre_io_buffers b;
    CHECK_EQ(vyre_buffers(v, &b, NULL), VYRE_OK);
    return __atomic_load_n((uint32_t *)b.ring + vyre_ticket_slot(t) * 16, __ATOMIC_ACQUIRE);
}

/* Until so many of them wait without a lane; others are served, or the caller waits in
 * vain. */
static void until_parked(vyre *v, const vyre_ticket *t, uint32_t count, uint32_t wanted)
{
    for (uint32_t parked = 0; parked < wanted;) {
        const vyre_ticket other = engine_publish(v, engine_add(1));
        CHECK_EQ(vyre_wait(v, other, 120 * SECOND, NULL), VYRE_OK);
        CHECK_EQ(vyre_release(v, other, NULL), VYRE_OK);
        parked = 0;
        for (uint32_t i = 0; i < count; i++)
            parked += status_of(v, t[i]) == VYRE_SLOT_WAIT_IO;
    }
}

static const struct { vyre_kernel_kind kind; bool started; } ways[] = {
    { VYRE_KERNEL_DIRECT, true }, { VYRE_KERNEL_DIRECT, false }, { VYRE_KERNEL_PRIORITY, true },
    { VYRE_KERNEL_PRIORITY, false },
};

#define WAYS (sizeof ways / sizeof ways[0])

/* --- cases ------------------------------------------------------------------- */

/* While nobody pumps, all 64 requests are out and the lanes go on with other works. */
static void lanes_serve_others(void)
{
    for (uint32_t way = 0; way < WAYS; way++) {
        machine m = machine_open(ways[way].kind, ways[way].started, false);
        enum { JOBS = 40 };
        vyre_ticket t[JOBS];
        for (uint32_t i = 0; i < JOBS; i++)
            t[i] = engine_publish(m.v, job(OP_GET, i * 3, i, i));
        until_parked(m.v, t, JOBS, JOBS);
        for (uint32_t i = 0; i < JOBS; i++) {
            uint32_t words[12];
            CHECK_EQ(vyre_poll(m.v, t[i]), VYRE_PENDING);
            CHECK_EQ(vyre_result(m.v, t[i], words, NULL), VYRE_PENDING);
            CHECK_EQ(vyre_resume(m.v, t[i], NULL, NULL), VYRE_E_TASK_STATE);
        }
        for (uint32_t i = 0; i < JOBS; i++)
            ends_with(&m, t[i], word_at(i * 3) + i);
        machine_close(&m);
    }
}

/* 200 works on 64 lanes and 64 IO slots, each with one read; a helper answers. */
static void more_works_than_io_slots(void)
{
    for (uint32_t way = 0; way < WAYS; way++) {
        machine m = machine_open(ways[way].kind, ways[way].started, true);
        enum { JOBS = 200 };
        vyre_ticket t[JOBS];
        const uint32_t jobs = ways[way].kind == VYRE_KERNEL_DIRECT ? JOBS : 40; /* NORMAL slots */
        for (uint32_t i = 0; i < jobs; i++)
            t[i] = engine_publish(m.v, job(OP_GET, i, 5, i));
        for (uint32_t i = 0; i < jobs; i++)
            ends_with(&m, t[i], word_at(i) + 5);
        vyre_io_info info;
        vyre_io_query(m.io, &info);
        CHECK_EQ(info.completed.reads, jobs);
        machine_close(&m);
    }
}

/* What a handler had come to, it says by yield; several requests in one run, or none. */
static void a_job_goes_on_where_it_was(void)
{
    for (uint32_t way = 0; way < WAYS; way++) {
        machine m = machine_open(ways[way].kind, ways[way].started, way & 1);
        uint32_t sum = 0;
        for (uint32_t i = 10; i < 40; i++)
            sum += word_at(i);
        const vyre_ticket t = engine_publish(m.v, job(OP_ADD, 10, 40, 9));
        ends_with(&m, t, sum);
        machine_close(&m);
    }
}

static void misses_wait_too(void)
{
    machine m = machine_open(VYRE_KERNEL_DIRECT, true, false);
    vyre_ticket t[IO_SLOTS];
    vyre_error err;
    for (uint32_t i = 0; i < IO_SLOTS - 1; i++)
        CHECK_EQ(vyre_io_bind(m.io, i, source, i * 8, 4, target, NULL), VYRE_OK);
    for (uint32_t i = 0; i < IO_SLOTS; i++)
        t[i] = engine_publish(m.v, engine_work(VYRE_OP_LOAD_MISS, 1, i, 0));
    until_parked(m.v, t, IO_SLOTS, IO_SLOTS);
    for (uint32_t i = 0; i < IO_SLOTS - 1; i++)
        CHECK_EQ(ended(&m, t[i]), VYRE_OK);
    CHECK_EQ(ended(&m, t[IO_SLOTS - 1]), VYRE_E_FAULT); /* nothing is bound */
    CHECK_EQ(vyre_wait(m.v, t[IO_SLOTS - 1], 0, &err), VYRE_E_FAULT);
    CHECK_EQ(err.native, VYRE_FAULT_IO);
    const uint32_t *to = (const uint32_t *)vyre_map(m.v, 0, NULL);
    for (uint32_t i = 0; i < IO_SLOTS - 1; i++)
        CHECK_EQ(to[i], word_at(i * 2));
    machine_close(&m);
}

/* Where it cannot go on later it ends; what ends has no use for an answer. */
static void faults_stand(void)
{
    machine m = machine_open(VYRE_KERNEL_DIRECT, true, false);
    vyre_error err;
    const vyre_op op = { 9, 3, { 1, 2, 0 } };
    vyre_work packed;
    uint32_t code = 0;
    CHECK_EQ(vyre_work_pack(&packed, &op, 1, NULL), VYRE_OK);
    vyre_ticket t = engine_publish(m.v, packed);
    CHECK_EQ(vyre_wait(m.v, t, 120 * SECOND, &err), VYRE_E_FAULT);
    CHECK_EQ(err.native, VYRE_FAULT_IO_TIMEOUT);
    t = engine_publish(m.v, job(OP_BOTH, 1, 2, 0));
    CHECK_EQ(vyre_wait(m.v, t, 120 * SECOND, &err), VYRE_E_FAULT);
    CHECK_EQ(err.native, VYRE_FAULT_USER + 1);
    t = engine_publish(m.v, job(OP_GET, WORDS, 2, 0)); /* beyond the source */
    CHECK_EQ(ended(&m, t), VYRE_E_FAULT);
    CHECK_EQ(vyre_fault_of(m.v, t, &code), VYRE_OK);
    CHECK_EQ(code, VYRE_FAULT_USER + 100 + VYRE_IO_CODE_RANGE);
    machine_close(&m);
}

/* No IO slot is lost by works that do not take their answers: those taken back while
 * nobody pumps, and those that go another way when they run again. */
static void what_is_given_up_is_free_again(void)
{
    machine m = machine_open(VYRE_KERNEL_DIRECT, true, false);
    vyre_ticket t[IO_SLOTS];
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < IO_SLOTS; i++)
            t[i] = engine_publish(m.v, job(OP_GET, i, 1, i));
        until_parked(m.v, t, IO_SLOTS, IO_SLOTS);
        for (uint32_t i = 0; i < IO_SLOTS; i += 2)
            CHECK(vyre_cancel(m.v, t[i], NULL) >= 0);
        for (uint32_t i = 0; i < IO_SLOTS; i += 2)
            CHECK_EQ(vyre_wait(m.v, t[i], 120 * SECOND, NULL), VYRE_E_CANCELLED);
        for (uint32_t i = 1; i < IO_SLOTS; i += 2)
            ends_with(&m, t[i], word_at(i) + 1);
        for (uint32_t i = 0; i < IO_SLOTS; i++)
            t[i] = engine_publish(m.v, job(OP_GIVE, i, 0, i));
        for (uint32_t i = 0; i < IO_SLOTS; i++)
            ends_with(&m, t[i], i);
    }
    machine_close(&m);
}

static void stops_come_in_between(void)
{
    machine m = machine_open(VYRE_KERNEL_DIRECT, true, false);
    vyre_ticket t[IO_SLOTS];
    for (uint32_t i = 0; i < IO_SLOTS; i++)
        t[i] = engine_publish(m.v, job(OP_GET, i, 1, i));
    until_parked(m.v, t, IO_SLOTS, 1);
    CHECK_EQ(vyre_stop(m.v, 60 * SECOND, NULL), VYRE_OK);
    for (uint32_t n = 0; n < 20; n++)
        vyre_io_pump(m.io, 0, NULL, NULL);
    CHECK_EQ(vyre_start(m.v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < IO_SLOTS; i++)
        ends_with(&m, t[i], word_at(i) + 1);
    CHECK_EQ(vyre_drain(m.v, 60 * SECOND, NULL), VYRE_OK);
    machine_close(&m);
}

/* What it has claimed is answered CANCELLED; the rest waits for the next one. */
static void a_pump_is_closed_and_another_opened(void)
{
    machine m = machine_open(VYRE_KERNEL_DIRECT, true, false);
    vyre_ticket t[IO_SLOTS];
    for (uint32_t i = 0; i < IO_SLOTS; i++)
        t[i] = engine_publish(m.v, job(OP_GET, i, 1, i));
    until_parked(m.v, t, IO_SLOTS, IO_SLOTS);
    vyre_io_close(m.io);
    m.io = pump_open(m.v, true);
    for (uint32_t i = 0; i < IO_SLOTS; i++)
        ends_with(&m, t[i], word_at(i) + 1);
    machine_close(&m);
}

static void a_lost_device_runs_them_again(void)
{
    machine m = machine_open(VYRE_KERNEL_DIRECT, true, false);
    vyre_ticket t[20];
    for (uint32_t i = 0; i < 20; i++)
        t[i] = engine_publish(m.v, job(OP_GET, i, 1, i));
    until_parked(m.v, t, 20, 20);
    engine_lose(m.v);
    CHECK_EQ(vyre_recover(m.v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < 20; i++) {
        const vyre_status status = ended(&m, t[i]);
        CHECK(status == VYRE_E_LOST);
    }
    t[0] = engine_publish(m.v, job(OP_GET, 3, 1, 3));
    ends_with(&m, t[0], word_at(3) + 1);
    machine_close(&m);
}

/* Two threads publish and wait, one takes back, a helper answers. */
static machine shared;
static uint32_t shared_count;

static void *gets(void *user)
{
    const uint32_t first = *(const uint32_t *)user;
    vyre_ticket t[24];
    for (uint32_t done = 0; done < shared_count; done += 24) {
        for (uint32_t i = 0; i < 24; i++)
            t[i] = engine_publish(shared.v, job(OP_GET, first + i, done, first / 10 + i));
        for (uint32_t i = 0; i < 24; i++) {
            uint32_t words[12];
            if (i % 8 == 7)
                (void)vyre_cancel(shared.v, t[i], NULL);
            const vyre_status status = vyre_wait_result(shared.v, t[i], 120 * SECOND, words, NULL);
            CHECK(status == VYRE_OK || (i % 8 == 7 && status == VYRE_E_CANCELLED));
            CHECK(status != VYRE_OK || words[0] == word_at(first + i) + done);
        }
    }
    return NULL;
}

static void threads_and_a_helper(void)
{
    static const uint32_t firsts[2] = { 0, 1000 };
    const char *count = getenv("TEST_COUNT");
    pthread_t threads[2];
    shared_count = count ? (uint32_t)strtoul(count, NULL, 0) : 480;
    shared = machine_open(VYRE_KERNEL_DIRECT, true, true);
    for (uint32_t i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, gets, (void *)(uintptr_t)&firsts[i]), 0);
    for (uint32_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    machine_close(&shared);
}

int main(void)
{
    static const engine_case cases[] = {
        ENGINE_CASE(lanes_serve_others),
        ENGINE_CASE(more_works_than_io_slots),
        ENGINE_CASE(a_job_goes_on_where_it_was),
        ENGINE_CASE(misses_wait_too),
        ENGINE_CASE(faults_stand),
        ENGINE_CASE(what_is_given_up_is_free_again),
        ENGINE_CASE(stops_come_in_between),
        ENGINE_CASE(a_pump_is_closed_and_another_opened),
        ENGINE_CASE(a_lost_device_runs_them_again),
        ENGINE_CASE(threads_and_a_helper),
    };
    engine_run_cases(cases, sizeof cases / sizeof cases[0]);
    return test_end();
}

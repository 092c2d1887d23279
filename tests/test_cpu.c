/* The backend that is the interpreter: what runs on its threads, what it costs
 * while nothing does, and what memory it touches. */
#include "engine.h"

#include "oom.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#define OP_LOOP 0x1100u /* a0 iterations; result word 1 = a0 */

static void emit_loop(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_local n = vyre_ir_local(p, VYRE_TYPE_U32, vyre_ir_u32(p, 0), "n");
    vyre_ir_loop(p, vyre_ir_u32(p, 0), s->arg[0]);
    vyre_ir_set(p, n, vyre_ir_add(p, vyre_ir_get(p, n), vyre_ir_u32(p, 1)));
    vyre_ir_end(p);
    vyre_emit_result(p, s, 1, vyre_ir_get(p, n));
}

static const vyre_handler cpu_handlers[] = {
    VYRE_HANDLER(OP_LOOP, emit_loop, NULL, "loop"),
    VYRE_HANDLER(OP_ENDLESS, emit_endless, NULL, "endless"),
};

static vyre_desc cpu_desc(vyre_mode mode)
{
    vyre_desc d = engine_desc(64);
    d.mode = mode;
    d.kernel.handlers = cpu_handlers;
    d.kernel.handler_count = 2;
    return d;
}

static void cpu_needs_threads(void)
{
#ifdef VYRE_NO_THREADS
    test_skip("built without threads");
#endif
}

/* In front of the system's: the call from which on it gives no thread; 0: it does. */
static uint32_t thread_calls, thread_fails;

int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*body)(void *), void *user)
{
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    const uint32_t call = __atomic_add_fetch(&thread_calls, 1, __ATOMIC_RELAXED);
    if (thread_fails && call >= thread_fails)
        return EAGAIN;
    *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    return real(thread, how, body, user);
}

/* --- passes and leases --------------------------------------------------- */

/* Waits until the work runs: a stop leaves in the ring what nobody has claimed. */
static void cpu_until_claimed(vyre *v, vyre_ticket t)
{
    vyre_io_buffers io;
    vyre_slot slot;
    CHECK_EQ(vyre_buffers(v, &io, NULL), VYRE_OK);
    do {
        CHECK_EQ(vyre_wait(v, t, SECOND / 1000, NULL), VYRE_TIMEOUT);
        CHECK_EQ(vyre_ring_read(io.ring, io.ring_size, vyre_ticket_slot(t), &slot, NULL), VYRE_OK);
    } while (slot.state != VYRE_SLOT_CLAIMED);
}

/* A pass takes as long as its works do; the calls that begin it do not. */
static void no_call_lasts_as_long_as_a_handler(void)
{
    for (int started = 0; started < 2; started++) {
        const vyre_desc d = cpu_desc(VYRE_MODE_PASSES);
        vyre *v = engine_open(&d);
        vyre_error err;
        if (started)
            CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        const vyre_ticket t = engine_publish(v, engine_work(OP_ENDLESS, 0, 0, 0));
        CHECK_EQ(vyre_poll(v, t), VYRE_PENDING);
        CHECK_EQ(vyre_wait(v, t, 0, NULL), VYRE_TIMEOUT);
        CHECK_EQ(vyre_wait(v, t, SECOND / 1000, NULL), VYRE_TIMEOUT);
        CHECK_EQ(vyre_drain(v, SECOND / 1000, NULL), VYRE_TIMEOUT);
        cpu_until_claimed(v, t);
        CHECK_EQ(vyre_stop(v, 2 * SECOND, NULL), VYRE_OK);
        CHECK_EQ(vyre_wait(v, t, SECOND, &err), VYRE_E_FAULT);
        CHECK_EQ(err.native, VYRE_FAULT_LOOP_LIMIT);
        CHECK_EQ(vyre_wait(v, engine_publish(v, engine_add(1)), 20 * SECOND, NULL), VYRE_OK);
        vyre_close(v);
    }
}

static void results_are_the_same_before_and_after_start(void)
{
    vyre_desc d = cpu_desc(VYRE_MODE_AUTO);
    d.kernel.loop_allowance = 1000; /* of drivers that cut loops: there is none here */
    vyre *v = engine_open(&d);
    for (int started = 0; started < 2; started++) {
        uint32_t args[12];
        if (started)
            CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        const vyre_ticket t = engine_publish(v, engine_work(OP_LOOP, 1, 600000, 0));
        CHECK_EQ(vyre_wait(v, t, 60 * SECOND, NULL), VYRE_OK);
        CHECK_EQ(vyre_result(v, t, args, NULL), VYRE_OK);
        CHECK_EQ(args[1], 600000);
    }
    vyre_close(v);
}

/* Idle rounds are naps, and a launch of so many of them takes for ever. */
static void an_idle_lease_is_not_lost(void)
{
    cpu_needs_threads();
    vyre_desc d = cpu_desc(VYRE_MODE_AUTO);
    d.lease.rounds = 1u << 20;
    d.lease.timeout_ns = SECOND / 2;
    vyre *v = engine_open(&d);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < 4; i++) {
        engine_sleep_ms(200);
        CHECK_EQ(vyre_wait(v, engine_publish(v, engine_add(1)), 20 * SECOND, NULL), VYRE_OK);
    }
    vyre_info info;
    vyre_query(v, &info);
    CHECK(!info.device_lost);
    CHECK(info.leases > 1);
    vyre_close(v);
}

/* Each stop ends the pass that it meets, and no later launch undoes that. */
static void *cpu_run_endless(void *user)
{
    vyre_work works[200];
    for (uint32_t i = 0; i < 200; i++)
        works[i] = engine_work(OP_ENDLESS, 0, 0, 0);
    return vyre_run((vyre *)user, works, 200, NULL, NULL) == VYRE_E_FAULT ? user : NULL;
}

static void stops_end_a_run_pass_by_pass(void)
{
    cpu_needs_threads();
    const vyre_desc d = cpu_desc(VYRE_MODE_PASSES);
    vyre *v = engine_open(&d);
    pthread_t thread;
    void *result = NULL;
    vyre_info info = { 0 };
    CHECK_EQ(pthread_create(&thread, NULL, cpu_run_endless, v), 0);
    for (uint32_t i = 0; i < 1000 && info.passes < 4; i++) {
        engine_sleep_ms(20);
        (void)vyre_stop(v, SECOND / 10, NULL);
        vyre_query(v, &info);
    }
    for (uint32_t i = 0; i < 20; i++) { /* what may have been launched since */
        engine_sleep_ms(20);
        (void)vyre_stop(v, SECOND / 10, NULL);
    }
    pthread_join(thread, &result);
    CHECK(result == v);
    vyre_close(v);
}

/* --- several threads ------------------------------------------------------- */

#define OP_WAIT 0x1101u /* spins until user buffer 0 [a0] is not 0 */
#define OP_SET  0x1102u /* user buffer 0 [a0] = 1 */

static void emit_await(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_ir_forever(p);
    const vyre_value seen = vyre_ir_atomic_load(p, s->buffers[0], s->arg[0], VYRE_ORDER_ACQUIRE);
    vyre_ir_if(p, vyre_ir_ne(p, seen, vyre_ir_u32(p, 0)));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_emit_result(p, s, 1, vyre_ir_u32(p, 77));
}

static void emit_set(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_ir_atomic_store(p, s->buffers[0], s->arg[0], vyre_ir_u32(p, 1), VYRE_ORDER_RELEASE);
}

static const vyre_handler thread_handlers[] = {
    VYRE_HANDLER(OP_WAIT, emit_await, NULL, "await"),
    VYRE_HANDLER(OP_SET, emit_set, NULL, "set"),
    VYRE_HANDLER(OP_SQUARE, emit_square, NULL, "square"),
    VYRE_HANDLER(OP_LOOP, emit_loop, NULL, "loop"),
};

static vyre_desc thread_desc(uint32_t threads)
{
    vyre_desc d = engine_desc(64);
    d.kernel.handlers = thread_handlers;
    d.kernel.handler_count = 4;
    d.cpu_threads = threads;
    return d;
}

static void cpu_check_square(vyre *v, vyre_ticket t, uint32_t a0)
{
    uint32_t args[12];
    CHECK_EQ(vyre_wait(v, t, 30 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(vyre_result(v, t, args, NULL), VYRE_OK);
    CHECK_EQ(args[0], a0 * a0);
    CHECK_EQ(args[1], a0 + 5);
}

/* Works that wait for others, which were claimed beside them and after them.  A
 * kernel whose lanes wait for each other would wait for ever. */
static void a_work_delays_no_other(void)
{
    cpu_needs_threads();
    enum { WAITS = 3 };
    const vyre_desc d = thread_desc(WAITS + 1);
    vyre *v = engine_open(&d);
    for (uint32_t turn = 0; turn < 10; turn++) {
        vyre_ticket waits[WAITS], squares[40];
        const bool early = turn % 2 != 0; /* all of it lies in the ring when the kernel starts */
        if (!early)
            CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        for (uint32_t i = 0; i < 40; i++) {
            if (i % 10 == 3 && i / 10 < WAITS)
                waits[i / 10] = engine_publish(v, engine_work(OP_WAIT, 1, i / 10, 0));
            squares[i] = engine_publish(v, engine_work(OP_SQUARE, 2, i, 5));
        }
        if (early)
            CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        for (uint32_t i = 0; i < 40; i++)
            cpu_check_square(v, squares[i], i);
        for (uint32_t i = 0; i < WAITS; i++)
            CHECK_EQ(vyre_poll(v, waits[i]), VYRE_PENDING);
        for (uint32_t i = 0; i < WAITS; i++) {
            uint32_t args[12];
            const vyre_ticket t = engine_publish(v, engine_work(OP_SET, 1, i, 0));
            CHECK_EQ(vyre_wait(v, t, 30 * SECOND, NULL), VYRE_OK);
            CHECK_EQ(vyre_wait(v, waits[i], 30 * SECOND, NULL), VYRE_OK);
            CHECK_EQ(vyre_result(v, waits[i], args, NULL), VYRE_OK);
            CHECK_EQ(args[1], 77);
        }
        CHECK_EQ(vyre_stop(v, 10 * SECOND, NULL), VYRE_OK);
        memset(vyre_map(v, 0, NULL), 0, WAITS * 4);
    }
    vyre_close(v);
}

/* Each work runs once and ends once, whoever runs it: long and short ones, on any
 * number of threads, with leases and stops in between. */
static void every_work_runs_once(void)
{
    cpu_needs_threads();
    const uint32_t threads[] = { 1, 2, 5 };
    const char *count = getenv("TEST_COUNT");
    const uint32_t works = count ? (uint32_t)atol(count) : 1500;
    uint64_t random = test_seed(0x637075);
    for (uint32_t i = 0; i < 6; i++) {
        vyre_desc d = thread_desc(threads[i % 3]);
        d.kernel.workgroup_size = i & 1 ? 0 : 32;
        d.lease.rounds = i < 3 ? 0 : 50;
        vyre *v = engine_open(&d);
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        for (uint32_t n = 0; n < works; n++) {
            const uint64_t r = test_random(&random);
            vyre_work w = r % 8 ? engine_add(1) : engine_work(OP_LOOP, 1, r >> 8 & 16383, 0);
            while (vyre_publish(v, &w, NULL, NULL) == VYRE_FULL)
                engine_sleep_ms(1);
            if (r % 8 == 0)
                while (w = engine_add(1), vyre_publish(v, &w, NULL, NULL) == VYRE_FULL)
                    engine_sleep_ms(1);
            if (r % 512 == 1) {
                CHECK_EQ(vyre_stop(v, 30 * SECOND, NULL), VYRE_OK);
                CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
            }
        }
        CHECK_EQ(vyre_drain(v, 60 * SECOND, NULL), VYRE_OK);
        CHECK_EQ(engine_observable(v, 0), works);
        vyre_close(v);
    }
}

/* An endless work beside works that somebody waits for. */
static void an_endless_work_holds_one_thread(void)
{
    cpu_needs_threads();
    vyre_desc d = thread_desc(2);
    vyre *v = engine_open(&d);
    uint64_t times[500], sum = 0;
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    const vyre_ticket endless = engine_publish(v, engine_work(OP_WAIT, 1, 0, 0));
    for (uint32_t i = 0; i < 500; i++) {
        const uint64_t begin = engine_now();
        cpu_check_square(v, engine_publish(v, engine_work(OP_SQUARE, 2, i, 5)), i);
        times[i] = engine_now() - begin;
        sum += times[i];
    }
    cpu_until_claimed(v, endless);
    printf("NOTE beside an endless work one takes %.1f us in the mean\n", (double)sum / 500e3);
    CHECK_EQ(vyre_stop(v, 2 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(vyre_wait(v, endless, 0, NULL), VYRE_E_FAULT);
    vyre_close(v);
}

/* --- works that many lanes run --------------------------------------------- */

#define OP_LONG  0x1103u /* range: user buffer 0 [3] += 1; of 2^32 - 1 indexes: longer than any test */
#define OP_SHORT 0x1104u /* range: user buffer 0 [a2] += 1; sum of the indexes in word 3 */

static void emit_long(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD, s->buffers[0], vyre_ir_u32(p, 3), vyre_ir_u32(p, 1),
                   VYRE_ORDER_RELAXED);
}

static void emit_short(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD, s->buffers[0], s->arg[2], vyre_ir_u32(p, 1),
                   VYRE_ORDER_RELAXED);
    vyre_emit_reduce(p, s, 3, VYRE_ATOMIC_ADD, s->index);
}

/* What lanes have of a workgroup's arrays would keep them together; here it is a GROUP
 * handler's. */
static void emit_shared(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_ir_store(p, s->buffers[1], s->lane, s->lane);
    vyre_ir_barrier(p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
    vyre_emit_reduce(p, s, 3, VYRE_ATOMIC_ADD, vyre_ir_load(p, s->buffers[1], s->lane));
}

#define OP_SHARED 0x1105u

static const vyre_handler wide_handlers[] = {
    VYRE_HANDLER(OP_WAIT, emit_await, NULL, "await"),
    VYRE_HANDLER(OP_SQUARE, emit_square, NULL, "square"),
    { OP_LONG, emit_long, NULL, "long", VYRE_WIDTH_RANGE, 0, NULL, 0 },
    { OP_SHORT, emit_short, NULL, "short", VYRE_WIDTH_RANGE, 64, NULL, 0 },
    { OP_SHARED, emit_shared, NULL, "shared", VYRE_WIDTH_GROUP, 0, NULL, 0 },
};

static const vyre_buffer_desc wide_buffers[] = {
    { "user", 4, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, USER_WORDS, false, 0, 0 },
    { "shared", 0, VYRE_TYPE_U32, VYRE_ACCESS_WORKGROUP, 256, false, 0, 0 },
};

static vyre *wide_open(uint32_t threads, uint32_t groups)
{
    vyre_desc d = engine_desc(64);
    d.kernel.handlers = wide_handlers;
    d.kernel.handler_count = 5;
    d.kernel.buffers = wide_buffers;
    d.kernel.buffer_count = 2;
    d.cpu_threads = threads;
    d.wide_groups = groups;
    return engine_open(&d);
}

static vyre_ticket wide_publish(vyre *v, uint32_t opcode, uint32_t end, vyre_priority priority)
{
    vyre_work w = engine_work(opcode, 4, 0, end);
    w.args[2] = 4;
    w.priority = priority;
    if (opcode == OP_SHARED)
        w.args[0] = end;
    return engine_publish(v, w);
}

static void wide_check(vyre *v, vyre_ticket t, uint32_t sum)
{
    uint32_t args[12];
    CHECK_EQ(vyre_wait(v, t, 60 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(vyre_result(v, t, args, NULL), VYRE_OK);
    CHECK_EQ(args[3], sum);
}

/* A lane's work and ranges that do not end in this test keep every thread at work; urgent
 * works of each width end beside them. */
static void urgent_works_wait_for_a_chunk(void)
{
    cpu_needs_threads();
    enum { ROUNDS = 40 };
    const uint32_t *words;
    for (uint32_t threads = 2; threads <= 3; threads++) {
        vyre *v = wide_open(threads, 0);
        vyre_info info;
        vyre_query(v, &info);
        CHECK_EQ(info.mode, VYRE_MODE_PERSISTENT);
        CHECK_EQ(info.wide_groups, threads);
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        words = (const uint32_t *)vyre_map(v, 0, NULL);
        const vyre_ticket endless = engine_publish(v, engine_work(OP_WAIT, 1, 0, 0));
        vyre_ticket ranges[3];
        cpu_until_claimed(v, endless);
        for (uint32_t i = 0; i < 3; i++)
            ranges[i] = wide_publish(v, OP_LONG, UINT32_MAX, VYRE_PRIORITY_NORMAL);
        while (!__atomic_load_n(&words[3], __ATOMIC_RELAXED))
            engine_sleep_ms(1);
        uint64_t sum = 0, most = 0;
        for (uint32_t i = 0; i < ROUNDS; i++) {
            const uint64_t begin = engine_now();
            const vyre_ticket lane = engine_publish(v, engine_work(OP_SQUARE, 2, i, 5));
            const vyre_ticket wide = wide_publish(v, OP_SHORT, 1000, VYRE_PRIORITY_CRITICAL);
            const vyre_ticket tile = wide_publish(v, OP_SHARED, 2, VYRE_PRIORITY_HIGH);
            wide_check(v, wide, 999 * 500);
            const uint64_t took = engine_now() - begin;
            wide_check(v, tile, 2 * 255 * 128);
            cpu_check_square(v, lane, i);
            sum += took;
            most = took > most ? took : most;
        }
        printf("NOTE %u threads: beside works without end an urgent range takes %.0f us in the "
               "mean, %.0f at most\n", threads, (double)sum / ROUNDS / 1e3, (double)most / 1e3);
        CHECK_EQ(words[4], 1000 * ROUNDS);
        CHECK_EQ(vyre_poll(v, endless), VYRE_PENDING);
        for (uint32_t i = 0; i < 3; i++)
            CHECK_EQ(vyre_poll(v, ranges[i]), VYRE_PENDING);
        CHECK_EQ(vyre_stop(v, 2 * SECOND, NULL), VYRE_OK);
        CHECK_EQ(vyre_poll(v, endless), VYRE_E_FAULT);
        vyre_close(v);
    }
}

/* A stop waits for a chunk, and the range goes on where it was. */
static void a_range_without_end_is_stopped(void)
{
    cpu_needs_threads();
    vyre *v = wide_open(2, 1);
    const uint32_t *words = (const uint32_t *)vyre_map(v, 0, NULL);
    const vyre_ticket t = wide_publish(v, OP_LONG, UINT32_MAX, VYRE_PRIORITY_NORMAL);
    for (uint32_t round = 0; round < 3; round++) {
        const uint32_t before = words[3];
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        while (__atomic_load_n(&words[3], __ATOMIC_RELAXED) == before)
            engine_sleep_ms(1);
        wide_check(v, wide_publish(v, OP_SHORT, 1000, VYRE_PRIORITY_HIGH), 999 * 500);
        CHECK_EQ(vyre_stop(v, 20 * SECOND, NULL), VYRE_OK);
        CHECK_EQ(vyre_poll(v, t), VYRE_PENDING);
    }
    vyre_close(v);
}

/* A handle's life with works of each width; what it ends with. */
static vyre_status wide_life(const vyre_allocator *allocator)
{
    vyre_desc d = engine_desc(64);
    d.kernel.handlers = wide_handlers;
    d.kernel.handler_count = 5;
    d.kernel.buffers = wide_buffers;
    d.kernel.buffer_count = 2;
    d.cpu_threads = 3;
    if (allocator)
        d.allocator = *allocator;
    vyre_error err;
    memset(&err, 0, sizeof err);
    vyre *v = vyre_open(&d, &err);
    if (!v)
        return err.status;
    vyre_status status = vyre_start(v, NULL);
    for (uint32_t i = 0; i < 8 && status == VYRE_OK; i++) {
        const vyre_ticket wide = wide_publish(v, OP_SHORT, 1000, VYRE_PRIORITY_NORMAL);
        const vyre_ticket lane = engine_publish(v, engine_work(OP_SQUARE, 2, i, 5));
        wide_check(v, wide, 999 * 500);
        cpu_check_square(v, lane, i);
    }
    if (status == VYRE_OK)
        status = vyre_stop(v, 20 * SECOND, NULL);
    vyre_close(v);
    return status;
}

/* Two threads are enough, one for lanes and one for wide works; what starts needs them. */
static void threads_that_cannot_be_had(void)
{
    cpu_needs_threads();
    for (uint32_t call = 1; call <= 6; call++) {
        thread_calls = 0;
        thread_fails = call;
        const vyre_status status = wide_life(NULL);
        thread_fails = 0;
        CHECK_EQ(status, call <= 2 ? VYRE_E_THREAD : VYRE_OK);
    }
}

static vyre_status wide_life_of(const vyre_allocator *allocator, void *user)
{
    (void)user;
    return wide_life(allocator);
}

static void every_allocation_for_wide_works_may_fail(void)
{
    oom_each(wide_life_of, NULL);
}

/* One thread serves wide works in passes, in the order of urgency and publishing. */
static void one_thread_has_no_groups(void)
{
    vyre *v = wide_open(1, 4);
    vyre_info info;
    vyre_query(v, &info);
    CHECK_EQ(info.mode, VYRE_MODE_PASSES);
    CHECK_EQ(info.wide_groups, 0);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    wide_check(v, wide_publish(v, OP_SHORT, 1000, VYRE_PRIORITY_NORMAL), 999 * 500);
    vyre_close(v);
}

/* --- what idleness costs --------------------------------------------------- */

static double cpu_ms(int who)
{
    struct rusage use;
    getrusage(who, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e3 +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e3;
}

/* Processor time, which a loaded machine hardly changes; a sanitizer does. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    #define IDLE_MS 60
#else
    #define IDLE_MS 10
#endif

static void idle(const char *what, bool helper, uint32_t rounds)
{
    vyre_desc d = cpu_desc(VYRE_MODE_AUTO);
    d.helper_thread = helper;
    d.lease.rounds = rounds;
    vyre *v = engine_open(&d);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    CHECK_EQ(vyre_wait(v, engine_publish(v, engine_add(1)), 20 * SECOND, NULL), VYRE_OK);
    engine_sleep_ms(100);
    const double before = cpu_ms(RUSAGE_SELF);
    engine_sleep_ms(1000);
    const double used = cpu_ms(RUSAGE_SELF) - before;
    printf("NOTE %s: %.1f ms of processor time in an idle second\n", what, used);
    CHECK(used <= IDLE_MS);
    /* And it is there at once. */
    CHECK_EQ(vyre_wait(v, engine_publish(v, engine_add(1)), 20 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(engine_observable(v, 0), 2);
    vyre_close(v);
}

static void an_idle_kernel_costs_nothing(void)
{
    cpu_needs_threads();
    idle("with the helper and bounded leases", true, 1u << 20);
}

/* Rounds are of the lanes.  Naps, behind each of which there are some, last 10 ms at least. */
static uint32_t cpu_rounds(vyre *v)
{
    vyre_watch w;
    CHECK_EQ(vyre_watch_live(v, VYRE_WATCH_DEVICE, &w, NULL), VYRE_OK);
    return w.heartbeat;
}

static void wide_works_take_no_rounds(void)
{
    cpu_needs_threads();
    enum { WORKS = 200 };
    vyre *v = wide_open(2, 0);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    wide_check(v, wide_publish(v, OP_SHORT, 100, VYRE_PRIORITY_NORMAL), 99 * 50);
    const uint64_t begin = engine_now();
    const uint32_t before = cpu_rounds(v);
    for (uint32_t i = 0; i < WORKS; i++)
        wide_check(v, wide_publish(v, OP_SHORT, 100, VYRE_PRIORITY_NORMAL), 99 * 50);
    const uint32_t rounds = cpu_rounds(v) - before;
    CHECK(rounds <= WORKS / 10 + 3 * ((engine_now() - begin) / (SECOND / 100)));
    vyre_close(v);
}

static void waiting_costs_nothing(void)
{
    cpu_needs_threads();
    for (int passes = 0; passes < 2; passes++) {
        const vyre_desc d = cpu_desc(passes ? VYRE_MODE_PASSES : VYRE_MODE_AUTO);
        vyre *v = engine_open(&d);
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        const vyre_ticket t = engine_publish(v, engine_work(OP_ENDLESS, 0, 0, 0));
        const double before = cpu_ms(RUSAGE_THREAD);
        CHECK_EQ(vyre_wait(v, t, SECOND / 2, NULL), VYRE_TIMEOUT);
        const double used = cpu_ms(RUSAGE_THREAD) - before;
        printf("NOTE %.1f ms of processor time in half a second of waiting\n", used);
        CHECK(used <= 200);
        CHECK_EQ(vyre_stop(v, 2 * SECOND, NULL), VYRE_OK);
        vyre_close(v);
    }
}

/* --- memory ---------------------------------------------------------------- */

static size_t cpu_resident(void)
{
    long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%ld %ld", &pages, &resident) != 2)
        resident = 0;
    if (f)
        fclose(f);
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}

#define BIG ((size_t)1 << 30)

static void open_touches_no_memory(void)
{
    vyre_desc d = cpu_desc(VYRE_MODE_AUTO);
    const size_t bytes = BIG;
    d.buffer_sizes = &bytes;
    const vyre_buffer_desc big = { "user", 4, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, 0, false, 0,
                                   0 };
    d.kernel.buffers = &big;
#ifdef __SANITIZE_THREAD__
    test_skip("ThreadSanitizer writes what calloc gives");
#endif
    if (!cpu_resident())
        test_skip("no /proc/self/statm");
    vyre_close(engine_open(&d)); /* what an allocator keeps for itself it has now */
    const size_t before = cpu_resident();
    vyre *v = engine_open(&d);
    const size_t after = cpu_resident();
    size_t size = 0;
    const uint32_t *words = (const uint32_t *)vyre_map(v, 0, &size);
    CHECK_EQ(size, BIG);
    CHECK(words && words[0] == 0 && words[BIG / 8] == 0 && words[BIG / 4 - 1] == 0);
    printf("NOTE a buffer of 1 GiB: %.1f MiB more are resident\n",
           ((double)after - (double)before) / 1048576.0);
    CHECK(after < before + BIG / 4);
    vyre_close(v);
}

/* A caller's allocator gives all of it, and its memory is zeroed. */
static void a_callers_allocator_is_used(void)
{
    oom_state oom;
    oom_begin(&oom);
    vyre_desc d = cpu_desc(VYRE_MODE_AUTO);
    d.allocator = oom_allocator(&oom);
    vyre *v = engine_open(&d);
    size_t size = 0;
    const uint32_t *words = (const uint32_t *)vyre_map(v, 0, &size);
    CHECK(oom.live_bytes > size);
    for (size_t i = 0; i < size / 4; i++)
        CHECK_EQ(words[i], 0);
    vyre_close(v);
    CHECK_EQ(oom.live_blocks, 0);
    CHECK(oom_is_clean(&oom));
}

static void *cpu_small_only(void *user, void *ptr, size_t old_size, size_t new_size)
{
    (void)user, (void)old_size;
    if (new_size == 0) {
        free(ptr);
        return NULL;
    }
    return new_size > BIG ? NULL : realloc(ptr, new_size);
}

/* The size that was refused is the one that is named. */
static void a_refusal_names_its_size(void)
{
    vyre_desc d = cpu_desc(VYRE_MODE_AUTO);
    const size_t huge = 2 * BIG;
    d.buffer_sizes = &huge;
    d.allocator.resize = cpu_small_only;
    vyre_error err;
    memset(&err, 0, sizeof err);
    CHECK(vyre_open(&d, &err) == NULL);
    CHECK_EQ(err.status, VYRE_E_NOMEM);
    CHECK(err.at >= huge);
}

int main(void)
{
    RUN(no_call_lasts_as_long_as_a_handler);
    RUN(results_are_the_same_before_and_after_start);
    RUN(an_idle_lease_is_not_lost);
    RUN(stops_end_a_run_pass_by_pass);
    RUN(a_work_delays_no_other);
    RUN(every_work_runs_once);
    RUN(an_endless_work_holds_one_thread);
    RUN(urgent_works_wait_for_a_chunk);
    RUN(a_range_without_end_is_stopped);
    RUN(one_thread_has_no_groups);
    RUN(threads_that_cannot_be_had);
    RUN(every_allocation_for_wide_works_may_fail);
    RUN(wide_works_take_no_rounds);
    RUN(an_idle_kernel_costs_nothing);
    RUN(waiting_costs_nothing);
    RUN(open_touches_no_memory);
    RUN(a_callers_allocator_is_used);
    RUN(a_refusal_names_its_size);
    return test_end();
}

/* Runs in waves: what is folded, what waits for what, what stands beside what. */
#include "engine.h"
#include "oom.h"

#define OP_STEP  0x1010u /* y[a1] = y[a0] + 1 */
#define OP_MIX   0x1011u /* y[a2] = (y[a0] * 3) ^ (y[a1] + a3) */
#define OP_STEP2 0x1012u /* as OP_STEP */

static void emit_step(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    const vyre_value before = vyre_ir_load(p, s->buffers[0], s->arg[0]);
    const vyre_value one = vyre_ir_u32(p, 1);
    vyre_ir_store(p, s->buffers[0], s->arg[1], vyre_ir_add(p, before, one));
}

static void emit_mix(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    const vyre_value a = vyre_ir_load(p, s->buffers[0], s->arg[0]);
    const vyre_value b = vyre_ir_load(p, s->buffers[0], s->arg[1]);
    const vyre_value three = vyre_ir_u32(p, 3);
    const vyre_value left = vyre_ir_mul(p, a, three);
    const vyre_value right = vyre_ir_add(p, b, s->arg[3]);
    vyre_ir_store(p, s->buffers[0], s->arg[2], vyre_ir_xor(p, left, right));
}

static const vyre_handler fuse_handlers[] = {
    VYRE_HANDLER(OP_SQUARE, emit_square, NULL, "square"), VYRE_HANDLER(OP_STORE, emit_store, NULL, "store"),
    VYRE_HANDLER(OP_FAULT, emit_fault, NULL, "fault"),    VYRE_HANDLER(OP_COUNT, emit_count, NULL, "count"),
    VYRE_HANDLER(OP_STEP, emit_step, NULL, "step"),       VYRE_HANDLER(OP_MIX, emit_mix, NULL, "mix"),
    VYRE_HANDLER(OP_STEP2, emit_step, NULL, "step2")
};

static bool with_events; /* then the device waits between waves */

static vyre_desc fuse_desc(uint32_t slots)
{
    vyre_desc d = engine_desc(slots);
    d.events = with_events;
    d.kernel.handlers = fuse_handlers;
    d.kernel.handler_count = sizeof fuse_handlers / sizeof fuse_handlers[0];
    return d;
}

static vyre *fuse_open(uint32_t slots)
{
    const vyre_desc d = fuse_desc(slots);
    return engine_open(&d);
}

static void run_ok(vyre *v, const vyre_run_desc *run, vyre_stats *stats)
{
    vyre_error err;
    memset(&err, 0, sizeof err);
    const vyre_status status = vyre_run_with(v, run, stats, &err);
    if (status != VYRE_OK)
        test_fail(__FILE__, __LINE__, "run: %s %s", vyre_status_name(status), err.text);
}

/* --- fold ----------------------------------------------------------------- */

static void equal_works_run_once(void)
{
    enum { N = 1000 };
    static vyre_work works[N];
    static uint32_t rows[N][12];
    const vyre_op_traits traits = { OP_COUNT, true, 0, 0 };
    vyre_run_desc run;
    vyre_stats stats;
    vyre *v = fuse_open(64);
    uint32_t *y = (uint32_t *)vyre_map(v, 0, NULL);
    for (unsigned i = 0; i < N; i++)
        works[i] = engine_work(OP_COUNT, 2, 7, 5);
    memset(&run, 0, sizeof run);
    run.works = works;
    run.count = N;
    run.results = rows;
    run_ok(v, &run, &stats); /* nothing is said of the opcode */
    CHECK_EQ(y[7], N);
    CHECK(stats.done == N && stats.folded == 0 && stats.waves == 1);
    run.traits = &traits;
    run.trait_count = 1;
    memset(rows, 0xa5, sizeof rows);
    run_ok(v, &run, &stats);
    CHECK_EQ(y[7], N + 1);
    CHECK(stats.done == 1 && stats.folded == N - 1 && stats.waves == 1);
    for (unsigned i = 0; i < N; i++)
        CHECK(rows[i][0] == 7 && rows[i][1] == 5 && memcmp(rows[i], rows[0], sizeof rows[0]) == 0);
    run.results = NULL;
    run_ok(v, &run, &stats);
    CHECK_EQ(y[7], N + 2);
    CHECK_EQ(stats.folded, N - 1);
    vyre_close(v);
}

/* --- order ---------------------------------------------------------------- */

enum { CHAIN = 64 };

static void chain_of(vyre_work *works, vyre_work_access *accesses, uint32_t (*ids)[2])
{
    for (uint32_t i = 0; i < CHAIN; i++) {
        works[i] = engine_work(i % 2 ? OP_STEP2 : OP_STEP, 2, i, i + 1);
        ids[i][0] = i;
        ids[i][1] = i + 1;
        accesses[i].reads = &ids[i][0];
        accesses[i].writes = &ids[i][1];
        accesses[i].read_count = accesses[i].write_count = 1;
    }
}

static void run_chain(vyre *v, const vyre_run_desc *run, bool *right)
{
    uint32_t *y = (uint32_t *)vyre_map(v, 0, NULL);
    memset(y, 0, (CHAIN + 1) * sizeof *y);
    run_ok(v, run, NULL);
    *right = true;
    for (uint32_t i = 0; i <= CHAIN; i++)
        *right = *right && y[i] == i;
}

/* Each adds to what the one before has written. */
static void a_chain_is_in_order(void)
{
    static vyre_work works[CHAIN];
    static vyre_work_access accesses[CHAIN];
    static uint32_t ids[CHAIN][2], rows[CHAIN][12];
    vyre_run_desc run;
    vyre_stats stats;
    bool right;
    vyre *v = fuse_open(64);
    chain_of(works, accesses, ids);
    memset(&run, 0, sizeof run);
    run.works = works;
    run.count = CHAIN;
    run.group = true;
    run_chain(v, &run, &right);
    CHECK(!right); /* all of one opcode come before the other's: the test can fail */
    run.accesses = accesses;
    for (unsigned round = 0; round < 100; round++) {
        if (round == 50)
            CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        run.results = round % 2 ? rows : NULL;
        run.group = round % 3 == 0;
        run_chain(v, &run, &right);
        CHECK(right);
    }
    run_ok(v, &run, &stats);
    CHECK(stats.waves == CHAIN && stats.done == CHAIN);
    vyre_close(v);
}

/* Random works on eight words: as if one ran after the other. */
static void random_orders_equal_a_sequence(void)
{
    enum { N = 40, WORDS = 8 };
    uint64_t seed = test_seed(0x0deed);
    vyre *v = fuse_open(64);
    uint32_t *y = (uint32_t *)vyre_map(v, 0, NULL);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (unsigned round = 0; round < 60; round++) {
        vyre_work works[N];
        vyre_work_access accesses[N];
        uint32_t model[WORDS], seen[WORDS], rows[N][12];
        const vyre_op_traits traits = { OP_MIX, true, 3, 4 };
        vyre_run_desc run;
        for (uint32_t i = 0; i < WORDS; i++)
            y[i] = model[i] = (uint32_t)test_random(&seed);
        for (uint32_t i = 0; i < N; i++) {
            works[i] = engine_work(OP_MIX, 4, (uint32_t)(test_random(&seed) % WORDS),
                                   (uint32_t)(test_random(&seed) % WORDS));
            works[i].args[2] = (uint32_t)(test_random(&seed) % WORDS);
            works[i].args[3] = (uint32_t)(test_random(&seed) % 2);
            if (i && test_random(&seed) % 4 == 0)
                works[i] = works[i - 1];
            const uint32_t *a = works[i].args;
            model[a[2]] = (model[a[0]] * 3) ^ (model[a[1]] + a[3]);
            accesses[i].reads = works[i].args;
            accesses[i].read_count = 2;
            accesses[i].writes = works[i].args + 2;
            accesses[i].write_count = 1;
        }
        memset(&run, 0, sizeof run);
        run.works = works;
        run.count = N;
        run.accesses = accesses;
        run.group = round % 2 == 0;
        run.traits = round % 3 ? &traits : NULL;
        run.trait_count = round % 3 ? 1 : 0;
        run.results = round % 5 ? NULL : rows;
        run_ok(v, &run, NULL);
        memcpy(seen, y, sizeof seen);
        CHECK(memcmp(seen, model, sizeof model) == 0);
    }
    vyre_close(v);
}

/* --- group ---------------------------------------------------------------- */

/* Six opcodes shuffled leave the same control words, grouped or not. */
static void grouped_is_the_same(void)
{
    enum { N = 3000 };
    static vyre_work works[N];
    static uint32_t words[2][VYRE_CONTROL_OBSERVABLES + 64];
    uint64_t seed = test_seed(0x6709);
    for (unsigned i = 0; i < N; i++) {
        const uint32_t r = (uint32_t)test_random(&seed);
        switch (r % 6) {
        case 0: works[i] = engine_add(r >> 8); break;
        case 1: works[i] = engine_work(VYRE_OP_NOP, 0, 0, 0); break;
        case 2: works[i] = engine_work(OP_COUNT, 2, r >> 8 & 15, 3); break;
        case 3: works[i] = engine_work(OP_SQUARE, 2, r >> 8, 1); break;
        case 4: works[i] = engine_work(OP_STORE, 2, 64 + i, r); break;
        default: works[i] = engine_work(VYRE_OP_STORE_U32, 2, 9, VYRE_CONTROL_OBSERVABLES + 1);
        }
    }
    for (unsigned group = 0; group < 2; group++) {
        vyre_run_desc run;
        vyre_io_buffers buffers;
        vyre *v = fuse_open(128);
        memset(&run, 0, sizeof run);
        run.works = works;
        run.count = N;
        run.group = group != 0;
        run_ok(v, &run, NULL);
        CHECK_EQ(vyre_buffers(v, &buffers, NULL), VYRE_OK);
        memcpy(words[group], buffers.control, sizeof words[group]);
        vyre_close(v);
    }
    for (unsigned i = 0; i < sizeof words[0] / sizeof words[0][0]; i++)
        CHECK_EQ(words[0][i], words[1][i]);
}

/* --- results -------------------------------------------------------------- */

static void results_are_in_their_rows(void)
{
    enum { N = 1500 };
    static vyre_work works[N];
    static uint32_t rows[N][12];
    vyre_stats stats;
    for (unsigned kind = 0; kind < 2; kind++) {
        vyre_desc d = fuse_desc(kind ? 40 : 64);
        d.kernel.kind = kind ? VYRE_KERNEL_PRIORITY : VYRE_KERNEL_DIRECT;
        vyre *v = engine_open(&d);
        for (unsigned i = 0; i < N; i++) {
            works[i] = engine_work(OP_SQUARE, 2, i, 1000);
            works[i].priority = kind ? (vyre_priority)(i % 5) : VYRE_PRIORITY_NORMAL;
            if (i % 3 == 0)
                works[i].opcode = VYRE_OP_NOP;
        }
        vyre_run_desc run;
        memset(&run, 0, sizeof run);
        run.works = works;
        run.count = N;
        run.results = rows;
        run.group = true;
        for (unsigned live = 0; live < 2; live++) {
            memset(rows, 0xa5, sizeof rows);
            run_ok(v, &run, &stats);
            CHECK(stats.done == N && stats.waves == 1 && (live || stats.kernel_launches > 0));
            CHECK(stats.publish_ns + stats.wait_ns == stats.latency_ns);
            for (uint32_t i = 0; i < N; i++) {
                CHECK_EQ(rows[i][0], i % 3 ? i * i : i);
                CHECK_EQ(rows[i][1], i % 3 ? i + 1000 : 1000);
            }
            CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        }
        vyre_close(v);
    }
}

/* --- what goes wrong ------------------------------------------------------ */

/* A fault ends the run behind its wave; the index is the caller's. */
static void a_fault_stops_later_waves(void)
{
    enum { N = 12 };
    static const uint32_t id = 1;
    static uint32_t rows[N][12];
    vyre_work works[N];
    vyre_work_access accesses[N];
    const vyre_op_traits traits[] = { { OP_STORE, true, 0, 0 }, { OP_FAULT, false, 0, 0 } };
    vyre_run_desc run;
    vyre_stats stats;
    vyre_error err;
    vyre *v = fuse_open(64);
    uint32_t *y = (uint32_t *)vyre_map(v, 0, NULL);
    memset(accesses, 0, sizeof accesses);
    for (uint32_t i = 0; i < N; i++)
        works[i] = engine_work(OP_STORE, 2, i, 77);
    works[3] = works[0];                       /* folded */
    works[5] = engine_work(OP_FAULT, 1, 4, 0); /* in the first wave, too */
    for (uint32_t i = 4; i < N; i += 4) {      /* 4, 8: the second and third */
        accesses[i].writes = &id;
        accesses[i].write_count = 1;
    }
    accesses[0] = accesses[4];
    memset(&run, 0, sizeof run);
    run.works = works;
    run.count = N;
    run.accesses = accesses;
    run.traits = traits;
    run.trait_count = 2;
    run.group = true;
    for (unsigned way = 0; way < 2; way++) {
        memset(y, 0, 64);
        memset(&stats, 0, sizeof stats);
        memset(rows, 0xa5, sizeof rows);
        run.results = way ? rows : NULL;
        CHECK_EQ(vyre_run_with(v, &run, &stats, &err), VYRE_E_FAULT);
        CHECK_EQ(err.at, 5);
        CHECK_EQ(err.native, VYRE_FAULT_USER + 4);
        CHECK(strstr(err.text, "work 5, in wave 1 of 3"));
        CHECK_EQ(stats.faults, 1);
        CHECK_EQ(stats.done, N - 4); /* not the fault, the folded one, the later two */
        CHECK_EQ(stats.waves, 1);
        for (uint32_t i = 0; i < N; i++)
            CHECK_EQ(y[i], i == 3 || i == 4 || i == 5 || i == 8 ? 0 : 77);
        if (!way)
            continue;
        CHECK_EQ(stats.folded, 1);
        CHECK(rows[3][1] == 77 && rows[3][0] == 0); /* as the one that stands for it */
        CHECK(rows[4][0] == 0xa5a5a5a5u && rows[5][0] == 0xa5a5a5a5u);
    }
    vyre_close(v);
}

/* Works of a tenant without rights stay in the ring; the deadline passes, and
 * when they may run they do. */
static void a_deadline_passes(void)
{
    static const uint32_t id = 1;
    vyre_work works[4];
    vyre_work_access accesses[4];
    vyre_run_desc run;
    vyre_stats stats;
    vyre_error err;
    vyre *v = fuse_open(64);
    memset(accesses, 0, sizeof accesses);
    for (unsigned i = 0; i < 4; i++)
        works[i] = engine_add(1);
    accesses[0].writes = accesses[3].writes = &id;
    accesses[0].write_count = accesses[3].write_count = 1;
    memset(&run, 0, sizeof run);
    run.works = works;
    run.count = 4;
    run.accesses = accesses;
    run.deadline_ns = 20000000;
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    CHECK_EQ(vyre_tenant_enable(v, 0, false, NULL), VYRE_OK);
    memset(&stats, 0xff, sizeof stats);
    CHECK_EQ(vyre_run_with(v, &run, &stats, &err), VYRE_TIMEOUT);
    CHECK_EQ(stats.done, 0);
    CHECK(err.text[0] && err.fix[0]);
    CHECK_EQ(vyre_tenant_enable(v, 0, true, NULL), VYRE_OK);
    CHECK_EQ(vyre_drain(v, 10 * SECOND, NULL), VYRE_OK);
    const uint32_t ran = engine_observable(v, 0);
    CHECK_EQ(ran, with_events ? 4 : 3); /* what was published: all, or the first wave */
    run.deadline_ns = 60 * SECOND;
    run_ok(v, &run, &stats);
    CHECK(stats.done == 4 && stats.waves == 2);
    CHECK_EQ(engine_observable(v, 0), ran + 4);
    vyre_close(v);
}

/* A wave of more works than the ring has slots, before one and after one; runs of any
 * number leave no event behind. */
static void waves_are_larger_than_the_ring(void)
{
    enum { N = 200 };
    static const uint32_t id = 1;
    static vyre_work works[N + 2];
    static vyre_work_access accesses[N + 2];
    vyre_run_desc run;
    vyre_stats stats;
    vyre *v = fuse_open(64);
    uint32_t *y = (uint32_t *)vyre_map(v, 0, NULL);
    memset(accesses, 0, sizeof accesses);
    works[0] = engine_work(OP_STEP, 2, 0, 1);
    works[N + 1] = engine_work(OP_STEP2, 2, 1, 2);
    for (uint32_t i = 1; i <= N; i++) {
        works[i] = engine_work(OP_STEP, 2, 1, 10 + i);
        accesses[i].reads = &id;
        accesses[i].read_count = 1;
    }
    accesses[0].writes = accesses[N + 1].writes = &id;
    accesses[0].write_count = accesses[N + 1].write_count = 1;
    memset(&run, 0, sizeof run);
    run.works = works;
    run.count = N + 2;
    run.accesses = accesses;
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t round = 1; round <= 6; round++) {
        y[0] = round;
        run_ok(v, &run, &stats);
        CHECK(stats.waves == 3 && stats.done == N + 2);
        for (uint32_t i = 1; i <= N; i++)
            CHECK_EQ(y[10 + i], round + 2);
        CHECK_EQ(y[2], round + 2);
    }
    vyre_close(v);
}

static void run_refuses(void)
{
    vyre_work works[2] = { engine_add(1), engine_add(1) };
    vyre_run_desc run;
    vyre_stats stats;
    vyre_error err;
    vyre *v = fuse_open(64);
    memset(&run, 0, sizeof run);
    CHECK_EQ(vyre_run_with(NULL, &run, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_run_with(v, NULL, NULL, &err), VYRE_E_ARGUMENT);
    run_ok(v, &run, &stats);
    CHECK(stats.done == 0 && stats.waves == 0);
    run.count = 2;
    CHECK_EQ(vyre_run_with(v, &run, NULL, &err), VYRE_E_ARGUMENT);
    run.works = works;
    run.trait_count = 1;
    CHECK_EQ(vyre_run_with(v, &run, NULL, &err), VYRE_E_ARGUMENT);
    run.trait_count = 0;
    works[1].arg_count = 13; /* refused before anything has run */
    CHECK_EQ(vyre_run_with(v, &run, NULL, &err), VYRE_E_TOO_MANY_ARGS);
    CHECK_EQ(engine_observable(v, 0), 0);
    vyre_close(v);
}

/* Each allocation of the plan fails in turn: nothing has run, nothing leaks. */
static void no_memory_for_the_plan(void)
{
    static const uint32_t id = 1;
    const vyre_op_traits traits = { VYRE_OP_NOP, true, 0, 0 };
    vyre_work works[20];
    vyre_work_access accesses[20];
    uint32_t rows[20][12];
    vyre_run_desc run;
    vyre_error err;
    oom_state oom;
    oom_begin(&oom);
    vyre_desc d = fuse_desc(64);
    d.allocator = oom_allocator(&oom);
    vyre *v = engine_open(&d);
    const uint64_t live = oom.live_blocks;
    memset(accesses, 0, sizeof accesses);
    for (unsigned i = 0; i < 20; i++) {
        works[i] = engine_add(1);
        accesses[i].reads = &id;
        accesses[i].read_count = 1;
    }
    accesses[9].writes = &id;
    accesses[9].write_count = 1;
    memset(&run, 0, sizeof run);
    run.works = works;
    run.count = 20;
    run.accesses = accesses;
    run.traits = &traits;
    run.trait_count = 1;
    run.group = true;
    run.results = rows;
    for (oom.fail_at = 0;;) {
        oom_rearm(&oom);
        const vyre_status status = vyre_run_with(v, &run, NULL, &err);
        CHECK_EQ(oom.live_blocks, live);
        if (!oom.failed) {
            CHECK_EQ(status, VYRE_OK);
            break;
        }
        CHECK_EQ(status, VYRE_E_NOMEM);
        CHECK_EQ(engine_observable(v, 0), 0);
    }
    CHECK(oom.fail_at > 4);
    CHECK_EQ(engine_observable(v, 0), 20);
    oom.fail_at = 0;
    vyre_close(v);
    CHECK(oom_is_clean(&oom));
}

#define WITH_EVENTS(name)                                                                          \
    static void events_##name(void)                                                                \
    {                                                                                              \
        with_events = true;                                                                        \
        name();                                                                                    \
        with_events = false;                                                                       \
    }

WITH_EVENTS(a_chain_is_in_order)
WITH_EVENTS(random_orders_equal_a_sequence)
WITH_EVENTS(results_are_in_their_rows)
WITH_EVENTS(a_fault_stops_later_waves)
WITH_EVENTS(a_deadline_passes)
WITH_EVENTS(waves_are_larger_than_the_ring)
WITH_EVENTS(no_memory_for_the_plan)

int main(void)
{
    static const engine_case cases[] = {
        ENGINE_CASE(equal_works_run_once),        ENGINE_CASE(a_chain_is_in_order),
        ENGINE_CASE(random_orders_equal_a_sequence), ENGINE_CASE(grouped_is_the_same),
        ENGINE_CASE(results_are_in_their_rows),   ENGINE_CASE(a_fault_stops_later_waves),
        ENGINE_CASE(a_deadline_passes),           ENGINE_CASE(waves_are_larger_than_the_ring),
        ENGINE_CASE(run_refuses),                 ENGINE_CASE(no_memory_for_the_plan),
        ENGINE_CASE(events_a_chain_is_in_order),
        ENGINE_CASE(events_random_orders_equal_a_sequence),
        ENGINE_CASE(events_results_are_in_their_rows),
        ENGINE_CASE(events_a_fault_stops_later_waves),
        ENGINE_CASE(events_a_deadline_passes),
        ENGINE_CASE(events_waves_are_larger_than_the_ring),
        ENGINE_CASE(events_no_memory_for_the_plan)
    };
    engine_run_cases(cases, sizeof cases / sizeof cases[0]);
    return test_end();
}

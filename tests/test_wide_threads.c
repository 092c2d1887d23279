/* Ranges at random from four threads, 32 works at a time, while the handle is stopped
 * and started: each index of each range runs once.  TEST_COUNT ranges a thread.
 * TEST_RANGE indexes of one range, up to 2^32 - 1.
 * test_wide_live has the same beside groups, in leases of a few rounds. */
#include "engine.h"

#include <pthread.h>

#define OP_SPREAD 0x1200u /* range: user[index % WORDS] += a2; sum of index + a2; fault at a4 */
#define OP_PIECES 0x1201u /* the same in chunks of 100 */
#define OP_TELL   0x1202u /* range: how many indexes, their sum, xor, least and greatest */
enum { THREADS = 4, FLIGHT = 8, WORDS = 4096, PIECE = 100, MILLION = (1 << 20) + 3 };

static void emit_spread(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_value at = vyre_ir_rem(p, s->index, vyre_ir_u32(p, WORDS));
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD, s->buffers[0], at, s->arg[2], VYRE_ORDER_RELAXED);
    vyre_emit_reduce(p, s, 3, VYRE_ATOMIC_ADD, vyre_ir_add(p, s->index, s->arg[2]));
    vyre_value next = vyre_ir_add(p, s->index, vyre_ir_u32(p, 1)); /* a4 of 0: none */
    vyre_ir_if(p, vyre_ir_eq(p, next, s->arg[4]));
    vyre_emit_fault(p, s, vyre_ir_u32(p, VYRE_FAULT_USER + 77));
    vyre_ir_end(p);
}

static void emit_tell(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_emit_reduce(p, s, 0, VYRE_ATOMIC_ADD, vyre_ir_u32(p, 1));
    vyre_emit_reduce(p, s, 1, VYRE_ATOMIC_ADD, s->index);
    vyre_emit_reduce(p, s, 2, VYRE_ATOMIC_XOR, s->index);
    vyre_emit_reduce(p, s, 3, VYRE_ATOMIC_MIN, s->index);
    vyre_emit_reduce(p, s, 4, VYRE_ATOMIC_MAX, s->index);
}

typedef struct toucher {
    vyre     *v;
    uint64_t  state;
    uint32_t  count, wrong;
    uint32_t  expected[WORDS + 1]; /* differences */
    pthread_t thread;
} toucher;

static uint32_t toucher_pick(toucher *t, uint32_t n)
{
    t->state = t->state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(t->state >> 33) % n;
}

static vyre_work toucher_work(toucher *t)
{
    static const uint32_t lengths[] = { 0, 1, 2, PIECE - 1, PIECE, PIECE + 1, 255, 256, 257,
                                        1000 };
    const uint32_t from = toucher_pick(t, WORDS - 1000);
    const uint32_t length = toucher_pick(t, 2) ? lengths[toucher_pick(t, 10)]
                                               : toucher_pick(t, 1000);
    vyre_work w = engine_work(toucher_pick(t, 2) ? OP_SPREAD : OP_PIECES, 3, from, from + length);
    w.priority = (vyre_priority)toucher_pick(t, VYRE_PRIORITY_LEVELS);
    w.args[2] = 1 + toucher_pick(t, 9);
    t->expected[from] += w.args[2];
    t->expected[from + length] -= w.args[2];
    return w;
}

/* The sum of all indexes, each with the weight. */
static uint32_t toucher_sum(const vyre_work *w)
{
    const uint64_t n = w->args[1] - w->args[0];
    return n ? (uint32_t)(n * w->args[0] + n * (n - 1) / 2 + n * w->args[2]) : 0;
}

static void *toucher_main(void *user)
{
    toucher *t = (toucher *)user;
    for (uint32_t i = 0; i < t->count; i += FLIGHT) {
        vyre_work works[FLIGHT];
        vyre_ticket tickets[FLIGHT];
        for (uint32_t n = 0; n < FLIGHT; n++) {
            works[n] = toucher_work(t);
            while (vyre_publish(t->v, &works[n], &tickets[n], NULL) == VYRE_FULL)
                engine_sleep_ms(1);
        }
        for (uint32_t n = 0; n < FLIGHT; n++) {
            uint32_t args[12] = { 0 };
            t->wrong += vyre_wait(t->v, tickets[n], 60 * SECOND, NULL) != VYRE_OK;
            /* Stale: another thread has the slot by now. */
            const vyre_status status = vyre_result(t->v, tickets[n], args, NULL);
            t->wrong += status != VYRE_E_STALE &&
                        (status != VYRE_OK || args[3] != toucher_sum(&works[n]));
        }
    }
    return NULL;
}

static vyre *threads_open(void)
{
    static const vyre_handler spreads[] = {
        { OP_SPREAD, emit_spread, NULL, "spread", VYRE_WIDTH_RANGE, 0, NULL, 0 },
        { OP_PIECES, emit_spread, NULL, "pieces", VYRE_WIDTH_RANGE, PIECE, NULL, 0 },
        { OP_TELL, emit_tell, NULL, "tell", VYRE_WIDTH_RANGE, 0, NULL, 0 }
    };
    vyre_desc d = engine_desc(64);
    d.kernel.handlers = spreads;
    d.kernel.handler_count = 3;
#ifdef WIDE_LIVE
    wide_live(&d);
#endif
    return engine_open(&d);
}

static void ranges_from_four_threads(void)
{
    static toucher t[THREADS];
    const char *wanted = getenv("TEST_COUNT");
    vyre *v = threads_open();
    memset(t, 0, sizeof t);
    for (uint32_t i = 0; i < THREADS; i++) {
        t[i].v = v;
        t[i].state = i + 1;
        t[i].count = wanted ? (uint32_t)strtoul(wanted, NULL, 0) : 96;
        pthread_create(&t[i].thread, NULL, toucher_main, &t[i]);
    }
    for (uint32_t i = 0; i < 10; i++) {
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        engine_sleep_ms(5);
        const vyre_status status = vyre_stop(v, 20 * SECOND, NULL);
        CHECK(status == VYRE_OK || status == VYRE_TIMEOUT);
    }
    uint32_t wrong = 0, sum = 0;
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(t[i].thread, NULL);
        wrong += t[i].wrong;
    }
    CHECK_EQ(wrong, 0);
    const uint32_t *words = (const uint32_t *)vyre_map(v, 0, NULL);
    for (uint32_t i = 0; i < WORDS; i++) {
        for (uint32_t n = 0; n < THREADS; n++)
            sum += t[n].expected[i];
        wrong += words[i] != sum;
    }
    CHECK_EQ(wrong, 0);
    vyre_close(v);
}

/* Ended with that code, and every index has run. */
static void one_index_of_a_million_faults(void)
{
    static const uint32_t at[] = { 0, MILLION, 700001 }; /* the index before it */
    vyre *v = threads_open();
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t round = 0; round < 3; round++) {
        vyre_error err;
        memset(&err, 0, sizeof err);
        vyre_work w = engine_work(OP_SPREAD, 5, 0, MILLION);
        w.args[2] = 1;
        w.args[4] = at[round];
        const vyre_status status = vyre_wait(v, engine_publish(v, w), 60 * SECOND, &err);
        CHECK_EQ(status, at[round] ? VYRE_E_FAULT : VYRE_OK);
        CHECK_EQ(err.native, at[round] ? VYRE_FAULT_USER + 77 : 0);
        uint32_t *words = (uint32_t *)vyre_map(v, 0, NULL), wrong = 0;
        for (uint32_t i = 0; i < WORDS; i++) {
            wrong += words[i] != (i < MILLION % WORDS ? MILLION / WORDS + 1u : MILLION / WORDS);
            words[i] = 0;
        }
        CHECK_EQ(wrong, 0);
    }
    vyre_close(v);
}

/* Of all numbers below n. */
static uint32_t xor_below(uint32_t n)
{
    const uint32_t last = n - 1;
    const uint32_t of_four[4] = { last, 1, n, 0 };
    return n ? of_four[last & 3] : 0;
}

/* The last indexes that there are, up to all of them: as many, and these, have run. */
static void the_last_index_of_all(void)
{
    const char *wanted = getenv("TEST_RANGE");
    const uint32_t n = wanted ? (uint32_t)strtoul(wanted, NULL, 0) : MILLION;
    const uint32_t from = UINT32_MAX - n;
    uint32_t args[12] = { 0 };
    vyre *v = threads_open();
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    const uint64_t begin = engine_now();
    const vyre_ticket t = engine_publish(v, engine_work(OP_TELL, 2, from, UINT32_MAX));
    CHECK_EQ(vyre_wait(v, t, 600 * SECOND, NULL), VYRE_OK);
    printf("NOTE %u indexes in %.3f ms\n", n, (double)(engine_now() - begin) / 1e6);
    CHECK_EQ(vyre_result(v, t, args, NULL), VYRE_OK);
    CHECK_EQ(args[0], n);
    CHECK_EQ(args[1], (uint32_t)((uint64_t)n * from + (uint64_t)n * (n - 1u) / 2));
    CHECK_EQ(args[2], xor_below(UINT32_MAX) ^ xor_below(from));
    CHECK_EQ(args[3], from);
    CHECK_EQ(args[4], UINT32_MAX - 1);
    vyre_close(v);
}

static const engine_case threads_cases[] = {
    ENGINE_CASE(ranges_from_four_threads),
    ENGINE_CASE(one_index_of_a_million_faults),
    ENGINE_CASE(the_last_index_of_all)
};

#ifndef WIDE_LIVE
int main(void)
{
    engine_run_cases(threads_cases, 3);
    return test_end();
}
#endif

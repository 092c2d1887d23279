/* Works that many lanes run, on every backend: each index exactly once, sums,
 * faults, tiles, and all of it beside works of lanes. */
#include "engine.h"

#define OP_TOUCH  0x40u   /* range: user[index - a2] += 1 */
#define OP_SUMS   0x1100u /* range: every reduction of index * a2 + a3 */
#define OP_TRIP   0x1101u /* range: user[index] += 1; fault 0x100 + a3 where index % a2 == 0 */
#define OP_FLIP   0x1102u /* group: a tile of user backwards, through an array of the group */
#define OP_FIRST  0x1103u /* group: word 1 = lanes, word 2 = 7 if a1, sum of lanes */
#define OP_CHUNKS 0x1104u /* range in chunks of 100: as OP_TOUCH */
#define OP_LOOPS  0x1105u /* range: a loop of a2 turns, user[index] = turns */
#define OP_TRIPS  0x7eu   /* lane, allowed 100: a loop of a0 turns, result 0 = turns */
#define OP_FREE   0x7du   /* lane, the same, as many as the kernel allows */
#define OP_UNDER  0x7cu   /* the same, allowed 999 */
#define OP_EXACT  0x7bu   /* the same, allowed 1000 */
#define OP_SPIN   0x1108u /* range in chunks of 64, a lane and chunk allowed 20: as OP_LOOPS */
#define OP_MEET   0x1109u /* group, allowed 20: the same, with a barrier in the loop or behind it */
#define OP_MIX    0x1106u /* range: user[index] += a2 * user[index + a3]; their sum */

enum { TILE = 64 };

static void emit_touch(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_value at = vyre_ir_sub(p, s->index, s->arg[2]);
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD, s->buffers[0], at, vyre_ir_u32(p, 1), VYRE_ORDER_RELAXED);
}

static void emit_sums(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_value product = vyre_ir_mul(p, s->index, s->arg[2]);
    vyre_value x = vyre_ir_add(p, product, s->arg[3]);
    vyre_value i = vyre_ir_bitcast(p, VYRE_TYPE_I32, x);
    vyre_emit_reduce(p, s, 0, VYRE_ATOMIC_ADD, x);
    vyre_emit_reduce(p, s, 1, VYRE_ATOMIC_MIN, x);
    vyre_emit_reduce(p, s, 2, VYRE_ATOMIC_MAX, x);
    vyre_emit_reduce(p, s, 3, VYRE_ATOMIC_AND, x);
    vyre_emit_reduce(p, s, 4, VYRE_ATOMIC_OR, x);
    vyre_emit_reduce(p, s, 5, VYRE_ATOMIC_XOR, x);
    vyre_emit_reduce(p, s, 6, VYRE_ATOMIC_ADD, i);
    vyre_emit_reduce(p, s, 7, VYRE_ATOMIC_MIN, i);
    vyre_emit_reduce(p, s, 8, VYRE_ATOMIC_MAX, i);
    vyre_value bit = vyre_ir_and(p, x, vyre_ir_u32(p, 1));
    vyre_ir_if(p, vyre_ir_eq(p, bit, vyre_ir_u32(p, 1)));
    vyre_emit_reduce(p, s, 9, VYRE_ATOMIC_ADD, bit); /* of some lanes only */
    vyre_ir_end(p);
}

static void emit_trip(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD, s->buffers[0], s->index, vyre_ir_u32(p, 1),
                   VYRE_ORDER_RELAXED);
    vyre_value rest = vyre_ir_rem(p, s->index, s->arg[2]);
    vyre_ir_if(p, vyre_ir_eq(p, rest, vyre_ir_u32(p, 0)));
    vyre_emit_fault(p, s, vyre_ir_add(p, s->arg[3], vyre_ir_u32(p, VYRE_FAULT_USER)));
    vyre_ir_end(p);
}

static void emit_flip(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_value size = vyre_ir_u32(p, TILE);
    vyre_value base = vyre_ir_mul(p, s->index, size);
    vyre_value all = vyre_ir_add(p, size, s->lanes);
    vyre_value more = vyre_ir_sub(p, all, vyre_ir_u32(p, 1));
    vyre_value turns = vyre_ir_div(p, more, s->lanes);
    vyre_value turn = vyre_ir_loop(p, vyre_ir_u32(p, 0), turns);
    vyre_value i = vyre_ir_add(p, vyre_ir_mul(p, turn, s->lanes), s->lane);
    vyre_ir_store(p, s->buffers[1], i,
                  vyre_ir_load(p, s->buffers[0], vyre_ir_add(p, base, i)));
    vyre_ir_end(p);
    vyre_ir_barrier(p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
    vyre_value again = vyre_ir_loop(p, vyre_ir_u32(p, 0), turns);
    vyre_value j = vyre_ir_add(p, vyre_ir_mul(p, again, s->lanes), s->lane);
    vyre_ir_if(p, vyre_ir_lt(p, j, size));
    vyre_value last = vyre_ir_u32(p, TILE - 1);
    vyre_value back = vyre_ir_sub(p, last, j);
    vyre_value word = vyre_ir_load(p, s->buffers[1], back);
    vyre_ir_store(p, s->buffers[0], vyre_ir_add(p, base, j), word);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

static void emit_first(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_emit_result(p, s, 1, s->lanes);
    vyre_ir_if(p, vyre_ir_ne(p, s->arg[1], vyre_ir_u32(p, 0)));
    vyre_emit_result(p, s, 2, vyre_ir_u32(p, 7));
    vyre_ir_end(p);
    vyre_emit_reduce(p, s, 3, VYRE_ATOMIC_ADD, s->lane);
    vyre_emit_reduce(p, s, 4, VYRE_ATOMIC_MAX, s->index);
}

static void emit_loops(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_local n = vyre_ir_local(p, VYRE_TYPE_U32, vyre_ir_u32(p, 0), "n");
    vyre_ir_loop(p, vyre_ir_u32(p, 0), s->arg[2]);
    vyre_value before = vyre_ir_get(p, n);
    vyre_ir_set(p, n, vyre_ir_add(p, before, vyre_ir_u32(p, 1)));
    vyre_ir_end(p);
    vyre_ir_store(p, s->buffers[0], s->index, vyre_ir_get(p, n));
}

/* No branch and some loads: several indexes of it run at once. */
static void emit_mix(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_value from = vyre_ir_add(p, s->index, s->arg[3]);
    vyre_value x = vyre_ir_load(p, s->buffers[0], from);
    vyre_value y = vyre_ir_load(p, s->buffers[0], s->index);
    vyre_value sum = vyre_ir_add(p, y, vyre_ir_mul(p, x, s->arg[2]));
    vyre_ir_store(p, s->buffers[0], s->index, sum);
    vyre_emit_reduce(p, s, 0, VYRE_ATOMIC_ADD, sum);
}

/* Not by their opcodes: the engine sorts them. */
static const vyre_handler wide_handlers[] = {
    { OP_SUMS, emit_sums, NULL, "sums", VYRE_WIDTH_RANGE, 0, NULL, 0 },
    { OP_TOUCH, emit_touch, NULL, "touch", VYRE_WIDTH_RANGE, 0, NULL, 0 },
    { OP_TRIP, emit_trip, NULL, "trip", VYRE_WIDTH_RANGE, 0, NULL, 0 },
    { OP_CHUNKS, emit_touch, NULL, "chunks", VYRE_WIDTH_RANGE, 100, NULL, 0 },
    { OP_FIRST, emit_first, NULL, "first", VYRE_WIDTH_GROUP, 0, NULL, 0 },
    { OP_FLIP, emit_flip, NULL, "flip", VYRE_WIDTH_GROUP, 0, NULL, 0 },
    { OP_LOOPS, emit_loops, NULL, "loops", VYRE_WIDTH_RANGE, 0, NULL, 0 },
    { OP_MIX, emit_mix, NULL, "mix", VYRE_WIDTH_RANGE, 0, NULL, 0 },
    { OP_COUNT, emit_count, NULL, "count", VYRE_WIDTH_LANE, 0, NULL, 0 },
    { OP_SQUARE, emit_square, NULL, "square", VYRE_WIDTH_LANE, 0, NULL, 0 }
};

static const vyre_buffer_desc wide_buffers[] = {
    { "user", 4, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, USER_WORDS, false, 0, 0 },
    { "tile", 0, VYRE_TYPE_U32, VYRE_ACCESS_WORKGROUP, TILE, false, 0, 0 }
};

static vyre_desc wide_desc(void)
{
    vyre_desc d = engine_desc(64);
#ifdef WIDE_LIVE
    wide_live(&d);
#endif
    d.tenants = 2;
    d.kernel.handlers = wide_handlers;
    d.kernel.handler_count = sizeof wide_handlers / sizeof wide_handlers[0];
    d.kernel.buffers = wide_buffers;
    d.kernel.buffer_count = 2;
    return d;
}

static vyre *wide_open(void)
{
    const vyre_desc d = wide_desc();
    return engine_open(&d);
}

static vyre_work wide_work(uint32_t opcode, uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3)
{
    vyre_work w = engine_work(opcode, 4, a0, a1);
    w.args[2] = a2;
    w.args[3] = a3;
    return w;
}

static void wide_wait(vyre *v, vyre_work w, uint32_t args[12])
{
    uint32_t unasked[12];
    vyre_error err;
    memset(&err, 0, sizeof err);
    const vyre_ticket t = engine_publish(v, w);
    if (vyre_wait(v, t, 90 * SECOND, &err) != VYRE_OK)
        test_fail(__FILE__, __LINE__, "wait: %s", err.text);
    CHECK_EQ(vyre_result(v, t, args ? args : unasked, NULL), VYRE_OK);
}

static uint32_t *wide_words(vyre *v)
{
    return (uint32_t *)vyre_map(v, 0, NULL);
}

/* words[0 .. n - 1] are `value`, and what follows is 0; all are 0 again. */
static void wide_check(vyre *v, uint32_t n, uint32_t value)
{
    uint32_t *words = wide_words(v), wrong = 0;
    for (uint32_t i = 0; i < USER_WORDS; i++) {
        wrong += words[i] != (i < n ? value : 0);
        words[i] = 0;
    }
    CHECK_EQ(wrong, 0);
}

static const uint32_t sizes[] = { 0, 1, 2, 7, 8, 9, 99, 100, 101, 255, 256, 257,
                                  4095, 4096, 4097, 65535, 65536 };
enum { SIZES = sizeof sizes / sizeof sizes[0] };

static void every_index_runs_once(void)
{
    vyre *v = wide_open();
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < SIZES; i++) {
            wide_wait(v, wide_work(i % 2 ? OP_TOUCH : OP_CHUNKS, 0, sizes[i], 0, 0), NULL);
            wide_check(v, sizes[i], 1);
        }
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    }
    vyre_close(v);
}

static void ranges_begin_and_end_anywhere(void)
{
    vyre *v = wide_open();
    wide_wait(v, wide_work(OP_TOUCH, 1000, 1777, 1000, 0), NULL);
    wide_check(v, 777, 1);
    wide_wait(v, wide_work(OP_TOUCH, UINT32_MAX - 5000, UINT32_MAX, UINT32_MAX - 5000, 0), NULL);
    wide_check(v, 5000, 1);
    wide_wait(v, wide_work(OP_TOUCH, 9, 8, 0, 0), NULL);
    wide_wait(v, wide_work(OP_TOUCH, UINT32_MAX, 0, 0, 0), NULL);
    wide_wait(v, wide_work(OP_TOUCH, UINT32_MAX, UINT32_MAX, 0, 0), NULL);
    wide_check(v, 0, 0);
    vyre_close(v);
}

/* The first half of the words from the second; what is outside the range stays. */
static void several_indexes_run_at_once(void)
{
    enum { HALF = USER_WORDS / 2 };
    static const uint32_t counts[] = { 0, 1, 2, 255, 256, 257, 1023, 1024, 1025, 2047, 2048, 2049,
                                       4100, 9000, HALF - 3 };
    vyre *v = wide_open();
    uint32_t *words = wide_words(v), wrong = 0;
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t n = 0; n < sizeof counts / sizeof counts[0]; n++) {
            uint32_t args[12], sum = 0;
            for (uint32_t i = 0; i < USER_WORDS; i++)
                words[i] = i * 0x9e3779b1u;
            wide_wait(v, wide_work(OP_MIX, 3, 3 + counts[n], 5 + n, HALF), args);
            for (uint32_t i = 0; i < USER_WORDS; i++) {
                uint32_t expected = i * 0x9e3779b1u;
                if (i >= 3 && i < 3 + counts[n]) {
                    expected += (5 + n) * ((i + HALF) * 0x9e3779b1u);
                    sum += expected;
                }
                wrong += words[i] != expected;
            }
            CHECK_EQ(args[0], counts[n] ? sum : 0);
        }
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    }
    CHECK_EQ(wrong, 0);
    vyre_close(v);
}

typedef struct sums {
    uint32_t word[10];
} sums;

static sums sums_of(uint32_t from, uint32_t to, uint32_t a, uint32_t b)
{
    sums s = { { 0, UINT32_MAX, 0, UINT32_MAX, 0, 0, 0, INT32_MAX, 0x80000000u, 0 } };
    for (uint32_t i = from; i < to; i++) {
        const uint32_t x = i * a + b;
        s.word[0] += x;
        s.word[1] = x < s.word[1] ? x : s.word[1];
        s.word[2] = x > s.word[2] ? x : s.word[2];
        s.word[3] &= x;
        s.word[4] |= x;
        s.word[5] ^= x;
        s.word[6] += x;
        s.word[7] = (int32_t)x < (int32_t)s.word[7] ? x : s.word[7];
        s.word[8] = (int32_t)x > (int32_t)s.word[8] ? x : s.word[8];
        s.word[9] += x & 1;
    }
    return s;
}

static void reductions_combine_all_indexes(void)
{
    vyre *v = wide_open();
    for (uint32_t i = 0; i < SIZES * 2; i++) {
        const uint32_t from = i * 31, to = from + sizes[i % SIZES];
        const uint32_t a = i % 3 ? 0x9e3779b1u : 1, b = i % 4 ? 0x80000001u * i : 0;
        uint32_t args[12];
        wide_wait(v, wide_work(OP_SUMS, from, to, a, b), args);
        const sums expected = sums_of(from, to, a, b);
        CHECK(memcmp(args, expected.word, sizeof expected.word) == 0);
        CHECK_EQ(args[10], 0);
    }
    vyre_close(v);
}

static void a_fault_ends_the_work_when_all_indexes_have_run(void)
{
    vyre *v = wide_open();
    for (uint32_t round = 0; round < 2; round++) {
        vyre_error err;
        const vyre_ticket t = engine_publish(v, wide_work(OP_TRIP, 1, 60001, 60000, 5));
        memset(&err, 0, sizeof err);
        CHECK_EQ(vyre_wait(v, t, 20 * SECOND, &err), VYRE_E_FAULT);
        CHECK_EQ(err.native, VYRE_FAULT_USER + 5);
        uint32_t *words = wide_words(v);
        CHECK_EQ(words[0], 0);
        words[0] = 1;
        wide_check(v, 60001, 1);
        /* The next work in whatever slot knows nothing of it. */
        for (uint32_t i = 0; i < 40; i++)
            wide_wait(v, wide_work(OP_TOUCH, 0, 300, 0, 0), NULL);
        wide_check(v, 300, 40);
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    }
    vyre_close(v);
}

static void groups_run_tiles(void)
{
    static const uint32_t groups[] = { 0, 32, 64, 256 };
    for (uint32_t g = 0; g < 4; g++) {
        vyre_desc d = wide_desc();
        d.kernel.group_size = groups[g];
        vyre *v = engine_open(&d);
        uint32_t *words = wide_words(v), wrong = 0;
        for (uint32_t tiles = 0; tiles <= 1024; tiles = tiles * 2 + 1) {
            for (uint32_t i = 0; i < USER_WORDS; i++)
                words[i] = i;
            wide_wait(v, engine_work(OP_FLIP, 1, tiles, 0), NULL);
            for (uint32_t i = 0; i < USER_WORDS; i++)
                wrong += words[i] != (i / TILE < tiles ? i / TILE * TILE + TILE - 1 - i % TILE : i);
        }
        CHECK_EQ(wrong, 0);
        vyre_close(v);
    }
}

static void a_group_gives_results(void)
{
    vyre_desc d = wide_desc();
    d.kernel.group_size = 64;
    vyre *v = engine_open(&d);
    for (uint32_t i = 0; i < 40; i++) {
        uint32_t args[12];
        wide_wait(v, wide_work(OP_FIRST, i, i % 2, 3, 9), args);
        CHECK_EQ(args[0], i);
        CHECK_EQ(args[1], i ? 64 : i % 2); /* without tiles nobody says it */
        CHECK_EQ(args[2], i && i % 2 ? 7 : 3);
        CHECK_EQ(args[3], i * 63 * 32);
        CHECK_EQ(args[4], i ? i - 1 : 0);
    }
    vyre_close(v);
}

static void many_works_at_a_time(void)
{
    vyre *v = wide_open();
    for (uint32_t round = 0; round < 3; round++) {
        vyre_ticket tickets[64];
        uint32_t count = 0;
        for (vyre_status status = VYRE_OK; count < 64; count += status == VYRE_OK) {
            const vyre_work w = wide_work(OP_TOUCH, 0, 1000, 0, 0);
            status = vyre_publish(v, &w, &tickets[count], NULL);
            if (status == VYRE_FULL)
                break;
            CHECK_EQ(status, VYRE_OK);
        }
        CHECK(count >= 32);
        for (uint32_t i = 0; i < count; i++)
            CHECK_EQ(vyre_wait(v, tickets[i], 20 * SECOND, NULL), VYRE_OK);
        wide_check(v, 1000, count);
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    }
    CHECK_EQ(vyre_stop(v, 5 * SECOND, NULL), VYRE_OK);
    vyre_close(v);
}

static void wide_works_beside_works_of_lanes(void)
{
    enum { COUNT = 200 };
    static vyre_work works[COUNT];
    vyre *v = wide_open();
    for (uint32_t round = 0; round < 3; round++) {
        vyre_stats stats;
        for (uint32_t i = 0; i < COUNT; i++)
            works[i] = i % 3 == 0   ? wide_work(OP_TOUCH, 0, 100, 0, 0)
                       : i % 3 == 1 ? engine_work(OP_COUNT, 2, 200, 1)
                                    : engine_add(1);
        if (round < 2) {
            CHECK_EQ(vyre_run(v, works, COUNT, &stats, NULL), VYRE_OK);
            CHECK_EQ(stats.done, COUNT);
        } else {
            for (uint32_t done = 0, n = 0; done < COUNT; done += n) {
                const vyre_status status =
                    vyre_publish_many(v, works + done, COUNT - done, &n, NULL, NULL);
                CHECK(status == VYRE_OK || status == VYRE_FULL);
                CHECK_EQ(vyre_drain(v, 20 * SECOND, NULL), VYRE_OK);
            }
        }
        uint32_t *words = wide_words(v);
        CHECK_EQ(words[200], 67);
        words[200] = 0;
        wide_check(v, 100, 67);
        CHECK_EQ(engine_observable(v, 0), (round + 1) * 133);
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    }
    vyre_close(v);
}

static void bytes_with_wide_works(void)
{
    enum { SLOTS = 64 };
    static uint8_t control[4096], ring[SLOTS * 64], log[4096];
    vyre *v = wide_open();
    vyre_control_desc c;
    memset(&c, 0, sizeof c);
    c.tenants = 1;
    c.observables = 64;
    const size_t control_size = vyre_control_size(64);
    CHECK_EQ(vyre_control_encode(control, control_size, &c, NULL), VYRE_OK);
    CHECK_EQ(vyre_ring_encode(ring, sizeof ring, SLOTS, NULL), VYRE_OK);
    CHECK_EQ(vyre_log_encode(log, vyre_log_size(8), 8, NULL), VYRE_OK);
    vyre_work works[4] = { wide_work(OP_TOUCH, 0, 5000, 0, 0), engine_work(OP_COUNT, 2, 6000, 1),
                           wide_work(OP_SUMS, 0, 100, 1, 0), wide_work(OP_TOUCH, 0, 10, 0, 0) };
    works[3].tenant = 1; /* without rights */
    for (uint32_t i = 0; i < 4; i++)
        CHECK_EQ(vyre_ring_publish(ring, sizeof ring, i * 17, &works[i], NULL), VYRE_OK);
    vyre_io_buffers io = { control, control_size, ring, sizeof ring, log, vyre_log_size(8),
                           NULL, 0 };
    vyre_stats stats;
    CHECK_EQ(vyre_dispatch(v, &io, &stats, NULL), VYRE_OK);
    CHECK_EQ(stats.done, 3);
    vyre_slot slot;
    CHECK_EQ(vyre_ring_read(ring, sizeof ring, 34, &slot, NULL), VYRE_OK);
    CHECK_EQ(slot.state, VYRE_SLOT_DONE);
    CHECK_EQ(slot.args[0], 4950);
    CHECK_EQ(vyre_ring_read(ring, sizeof ring, 51, &slot, NULL), VYRE_OK);
    CHECK_EQ(slot.state, VYRE_SLOT_PUBLISHED);
    uint32_t *words = wide_words(v);
    CHECK_EQ(words[6000], 1);
    words[6000] = 0;
    wide_check(v, 5000, 1);
    /* The handle's own slots are as before. */
    wide_wait(v, wide_work(OP_TOUCH, 0, 77, 0, 0), NULL);
    wide_check(v, 77, 1);
    vyre_close(v);
}

#define OP_STUCK 0x1107u /* range in chunks of 32: index a2 does not end; the count of all */

static void emit_stuck(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_ir_if(p, vyre_ir_eq(p, s->index, s->arg[2]));
    vyre_ir_forever(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_emit_reduce(p, s, 0, VYRE_ATOMIC_ADD, vyre_ir_u32(p, 1));
}

static vyre_status stuck_dispatch(vyre *v, uint32_t stuck_at, vyre_slot *slot)
{
    static uint8_t control[4096], ring[8 * 64], log[4096];
    const size_t control_size = vyre_control_size(64), log_size = vyre_log_size(8);
    vyre_control_desc c;
    memset(&c, 0, sizeof c);
    c.tenants = 1;
    c.observables = 64;
    CHECK_EQ(vyre_control_encode(control, control_size, &c, NULL), VYRE_OK);
    CHECK_EQ(vyre_ring_encode(ring, sizeof ring, 8, NULL), VYRE_OK);
    CHECK_EQ(vyre_log_encode(log, log_size, 8, NULL), VYRE_OK);
    const vyre_work w = wide_work(OP_STUCK, 0, 320, stuck_at, 0);
    CHECK_EQ(vyre_ring_publish(ring, sizeof ring, 0, &w, NULL), VYRE_OK);
    vyre_io_buffers io = { control, control_size, ring, sizeof ring, log, log_size, NULL, 0 };
    const vyre_status status = vyre_dispatch(v, &io, NULL, NULL);
    CHECK_EQ(vyre_ring_read(ring, sizeof ring, 0, slot, NULL), VYRE_OK);
    return status;
}

/* What a stop has ended in the middle leaves nothing to the next one. */
static void bytes_after_a_dispatch_that_was_cut(void)
{
    static const vyre_handler stuck = { OP_STUCK, emit_stuck, NULL, "stuck", VYRE_WIDTH_RANGE,
                                        32, NULL, 0 };
    if (backend_under_test != VYRE_BACKEND_CPU) {
        test_skip("a driver may not survive a work without an end");
        return;
    }
    vyre_desc d = engine_desc(8);
    vyre_slot slot;
    d.kernel.handlers = &stuck;
    d.kernel.handler_count = 1;
    d.kernel.group_size = 32;
    d.run_timeout_ns = SECOND / 5;
    vyre *v = engine_open(&d);
    CHECK_EQ(stuck_dispatch(v, 300, &slot), VYRE_TIMEOUT);
    CHECK_EQ(vyre_stop(v, 20 * SECOND, NULL), VYRE_OK);
    for (uint32_t i = 0; i < 3; i++) { /* short, but the machine may be slow */
        vyre_status status = VYRE_TIMEOUT;
        for (uint32_t tried = 0; tried < 50 && status == VYRE_TIMEOUT; tried++)
            status = stuck_dispatch(v, UINT32_MAX, &slot);
        CHECK_EQ(status, VYRE_OK);
        CHECK_EQ(slot.state, VYRE_SLOT_DONE);
        CHECK_EQ(slot.args[0], 320);
    }
    vyre_close(v);
}

static void a_tenant_without_rights_waits(void)
{
    vyre *v = wide_open();
    CHECK_EQ(vyre_tenant_enable(v, 1, false, NULL), VYRE_OK);
    vyre_work w = wide_work(OP_TOUCH, 0, 500, 0, 0);
    w.tenant = 1;
    const vyre_ticket t = engine_publish(v, w);
    wide_wait(v, wide_work(OP_TOUCH, 0, 500, 0, 0), NULL);
    CHECK_EQ(vyre_wait(v, t, SECOND / 50, NULL), VYRE_TIMEOUT);
    wide_check(v, 500, 1);
    CHECK_EQ(vyre_tenant_enable(v, 1, true, NULL), VYRE_OK);
    CHECK_EQ(vyre_wait(v, t, 20 * SECOND, NULL), VYRE_OK);
    wide_check(v, 500, 1);
    vyre_close(v);
}

static void a_packed_wide_work_is_a_fault(void)
{
    vyre *v = wide_open();
    vyre_op op;
    vyre_work w;
    vyre_error err;
    memset(&op, 0, sizeof op);
    memset(&err, 0, sizeof err);
    op.opcode = OP_TOUCH;
    op.arg_count = 2;
    op.args[1] = 10;
    CHECK_EQ(vyre_work_pack(&w, &op, 1, NULL), VYRE_OK);
    const vyre_ticket t = engine_publish(v, w);
    CHECK_EQ(vyre_wait(v, t, 20 * SECOND, &err), VYRE_E_FAULT);
    CHECK_EQ(err.native, VYRE_FAULT_PACKED);
    wide_check(v, 0, 0);
    vyre_close(v);
}

static void loops_in_a_range(void)
{
    vyre *v = wide_open();
    wide_wait(v, wide_work(OP_LOOPS, 0, 3000, 50, 0), NULL);
    wide_check(v, 3000, 50);
    vyre_close(v);
}

static void emit_trips(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_local n = vyre_ir_local(p, VYRE_TYPE_U32, vyre_ir_u32(p, 0), "n");
    vyre_ir_loop(p, vyre_ir_u32(p, 0), s->arg[0]);
    vyre_value before = vyre_ir_get(p, n);
    vyre_ir_set(p, n, vyre_ir_add(p, before, vyre_ir_u32(p, 1)));
    vyre_ir_end(p);
    vyre_emit_result(p, s, 0, vyre_ir_get(p, n));
}

/* With `user` the barrier is in the loop. */
static void emit_meet(vyre_program *p, const vyre_slot_values *s, void *user)
{
    vyre_local n = vyre_ir_local(p, VYRE_TYPE_U32, vyre_ir_u32(p, 0), "n");
    vyre_ir_loop(p, vyre_ir_u32(p, 0), s->arg[2]);
    if (user)
        vyre_ir_barrier(p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
    vyre_value before = vyre_ir_get(p, n);
    vyre_ir_set(p, n, vyre_ir_add(p, before, vyre_ir_u32(p, 1)));
    vyre_ir_end(p);
    vyre_ir_barrier(p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
    vyre_value at = vyre_ir_add(p, vyre_ir_mul(p, s->index, s->lanes), s->lane);
    vyre_ir_store(p, s->buffers[0], at, vyre_ir_get(p, n));
}

static vyre_handler allowed[] = {
    { OP_TRIPS, emit_trips, NULL, "trips", VYRE_WIDTH_LANE, 0, NULL, 100 },
    { OP_FREE, emit_trips, NULL, "free", VYRE_WIDTH_LANE, 0, NULL, 0 },
    { OP_SPIN, emit_loops, NULL, "spin", VYRE_WIDTH_RANGE, 64, NULL, 20 },
    { OP_MEET, emit_meet, NULL, "meet", VYRE_WIDTH_GROUP, 0, NULL, 20 },
    { OP_UNDER, emit_trips, NULL, "under", VYRE_WIDTH_LANE, 0, NULL, 999 },
    { OP_EXACT, emit_trips, NULL, "exact", VYRE_WIDTH_LANE, 0, NULL, 1000 }
};

static vyre_desc allowed_desc(void)
{
    vyre_desc d = wide_desc();
    d.kernel.handlers = allowed;
    d.kernel.handler_count = sizeof allowed / sizeof allowed[0];
    d.kernel.group_size = 32;
    return d;
}

/* The fault that the work ends with, 0 if it ends well. */
static uint32_t fault_of(vyre *v, vyre_work w)
{
    vyre_error err;
    memset(&err, 0, sizeof err);
    const vyre_status status = vyre_wait(v, engine_publish(v, w), 20 * SECOND, &err);
    CHECK(status == VYRE_OK || status == VYRE_E_FAULT);
    return status == VYRE_OK ? 0 : (uint32_t)err.native;
}

static vyre_work two_ops(uint32_t first, uint32_t turns, uint32_t second, uint32_t more)
{
    vyre_op ops[2];
    vyre_work w;
    memset(ops, 0, sizeof ops);
    ops[0].opcode = first;
    ops[1].opcode = second;
    ops[0].arg_count = ops[1].arg_count = 1;
    ops[0].args[0] = turns;
    ops[1].args[0] = more;
    CHECK_EQ(vyre_work_pack(&w, ops, 2, NULL), VYRE_OK);
    return w;
}

static void handlers_have_allowances_of_their_own(void)
{
    enum { CUT = VYRE_FAULT_LOOP_LIMIT };
    vyre_desc d = allowed_desc();
    vyre *v = engine_open(&d);
    for (uint32_t round = 0; round < 2; round++) {
        CHECK_EQ(fault_of(v, engine_work(OP_TRIPS, 1, 100, 0)), 0);
        CHECK_EQ(fault_of(v, engine_work(OP_TRIPS, 1, 101, 0)), CUT);
        CHECK_EQ(fault_of(v, engine_work(OP_FREE, 1, 5000, 0)), 0);
        CHECK_EQ(fault_of(v, engine_work(OP_UNDER, 1, 999, 0)), 0);
        CHECK_EQ(fault_of(v, engine_work(OP_UNDER, 1, 1000, 0)), CUT);
        CHECK_EQ(fault_of(v, engine_work(OP_EXACT, 1, 1000, 0)), 0);
        CHECK_EQ(fault_of(v, two_ops(OP_TRIPS, 90, OP_TRIPS, 100)), 0);
        CHECK_EQ(fault_of(v, two_ops(OP_TRIPS, 90, OP_TRIPS, 101)), CUT);
        CHECK_EQ(fault_of(v, two_ops(OP_TRIPS, 90, OP_FREE, 5000)), 0);
        CHECK_EQ(fault_of(v, two_ops(OP_TRIPS, 101, OP_FREE, 5)), CUT);
        /* Two indexes of a lane in each chunk, one in the last. */
        CHECK_EQ(fault_of(v, wide_work(OP_SPIN, 0, 64 * 40 + 32, 10, 0)), 0);
        wide_check(v, 64 * 40 + 32, 10);
        CHECK_EQ(fault_of(v, wide_work(OP_SPIN, 0, 32, 20, 0)), 0);
        wide_check(v, 32, 20);
        CHECK_EQ(fault_of(v, wide_work(OP_SPIN, 0, 64 * 40, 11, 0)), CUT);
        uint32_t *words = wide_words(v), wrong = 0;
        for (uint32_t i = 0; i < 64 * 40; i++) {
            wrong += words[i] != (i % 64 < 32 ? 11u : 9u);
            words[i] = 0;
        }
        CHECK_EQ(wrong, 0); /* and each index has run */
        CHECK_EQ(fault_of(v, wide_work(OP_MEET, 7, 0, 20, 0)), 0);
        wide_check(v, 7 * 32, 20);
        CHECK_EQ(fault_of(v, wide_work(OP_MEET, 7, 0, 21, 0)), CUT);
        wide_check(v, 7 * 32, 20);
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    }
    vyre_close(v);
}

static void a_barrier_in_a_loop_that_may_be_cut_is_refused(void)
{
    vyre_desc d = allowed_desc();
    vyre_error err;
    allowed[3].user = allowed;
    CHECK(vyre_open(&d, &err) == NULL);
    CHECK_EQ(err.status, VYRE_E_IR_BARRIER);
    CHECK(strstr(err.text, "handler \"meet\"") && strstr(err.text, "loop_allowance"));
    allowed[3].loop_allowance = 0;
    vyre *v = engine_open(&d);
    wide_wait(v, wide_work(OP_MEET, 3, 0, 50, 0), NULL);
    wide_check(v, 3 * 32, 50);
    vyre_close(v);
    allowed[3].user = NULL;
    allowed[3].loop_allowance = 20;
}

/* A pass over the handle's own ring is one over its wide works, too. */
static void resident_passes_run_wide_works(void)
{
    vyre *v = wide_open();
    for (uint32_t passes = 1; passes <= 3; passes++) {
        vyre_stats stats;
        vyre_ticket tickets[5];
        for (uint32_t i = 0; i < 5; i++)
            tickets[i] = engine_publish(v, i % 2 ? engine_work(OP_COUNT, 2, 6000, 1)
                                                 : wide_work(OP_TOUCH, 0, 5000, 0, 0));
        CHECK_EQ(vyre_dispatch_resident(v, passes, &stats, NULL), VYRE_OK);
        CHECK_EQ(stats.done, 5);
        CHECK_EQ(stats.kernel_launches, 3 + passes);
        for (uint32_t i = 0; i < 5; i++)
            CHECK_EQ(vyre_poll(v, tickets[i]), VYRE_OK);
        uint32_t *words = wide_words(v);
        CHECK_EQ(words[6000], 2);
        words[6000] = 0;
        wide_check(v, 5000, 3);
    }
    vyre_close(v);
}

/* Slots whose results nobody has taken are not used again. */
static void results_of_wide_works_are_kept(void)
{
    enum { SLOTS = 32 };
    vyre_desc d = wide_desc();
    vyre_ticket tickets[SLOTS + 2];
    d.keep_results = true;
    vyre *v = engine_open(&d);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t round = 0; round < 2; round++) {
        uint32_t args[12];
        for (uint32_t i = 0; i < SLOTS; i++)
            tickets[i] = engine_publish(v, wide_work(OP_SUMS, 0, 10 + i, 1, 0));
        CHECK_EQ(vyre_drain(v, 20 * SECOND, NULL), VYRE_OK);
        const vyre_work more = wide_work(OP_SUMS, 0, 7, 1, 0);
        CHECK_EQ(vyre_publish(v, &more, &tickets[SLOTS], NULL), VYRE_FULL);
        CHECK_EQ(vyre_wait_result(v, tickets[9], 20 * SECOND, args, NULL), VYRE_OK);
        CHECK_EQ(args[0], 19 * 18 / 2);
        tickets[9] = engine_publish(v, wide_work(OP_SUMS, 0, 19, 1, 0));
        CHECK_EQ(vyre_publish(v, &more, &tickets[SLOTS], NULL), VYRE_FULL);
        CHECK_EQ(vyre_wait(v, tickets[9], 20 * SECOND, NULL), VYRE_OK);
        CHECK_EQ(vyre_release(v, tickets[3], NULL), VYRE_OK);
        tickets[3] = engine_publish(v, wide_work(OP_SUMS, 0, 13, 1, 0));
        for (uint32_t i = 0; i < SLOTS; i++) {
            CHECK_EQ(vyre_wait_result(v, tickets[i], 20 * SECOND, args, NULL), VYRE_OK);
            CHECK_EQ(args[0], (10 + i) * (9 + i) / 2);
        }
        for (uint32_t i = 0; i < 3 * SLOTS; i++) /* nothing is held any more */
            wide_wait(v, wide_work(OP_TOUCH, 0, 3, 0, 0), NULL);
        wide_check(v, 3, 3 * SLOTS);
    }
    vyre_close(v);
}

static void a_payload_may_be_wide(void)
{
    vyre_desc d = engine_desc(64);
    d.kernel.handlers = NULL;
    d.kernel.handler_count = 0;
    d.kernel.kind = VYRE_KERNEL_JIT;
    d.kernel.payload = emit_touch;
    d.kernel.payload_width = VYRE_WIDTH_RANGE;
    vyre *v = engine_open(&d);
    wide_wait(v, wide_work(0, 0, 4000, 0, 0), NULL);
    wide_check(v, 4000, 1);
    vyre_close(v);
}

static void a_handle_says_how_wide_works_run(void)
{
    vyre_info info;
    vyre_desc d = wide_desc();
    d.kernel.group_size = 96;
    vyre *v = engine_open(&d);
    vyre_query(v, &info);
    CHECK_EQ(info.wide_group, 96);
    if (!info.wide_groups) {
        vyre_error err;
        CHECK_EQ(info.mode, VYRE_MODE_PASSES);
        d.mode = VYRE_MODE_PERSISTENT;
        CHECK(vyre_open(&d, &err) == NULL);
        CHECK_EQ(err.status, VYRE_E_MODE);
    }
    vyre_close(v);
    d = engine_desc(64);
    v = engine_open(&d);
    vyre_query(v, &info);
    CHECK_EQ(info.wide_group, 0);
    vyre_close(v);
}

static const engine_case cases[] = {
    ENGINE_CASE(a_handle_says_how_wide_works_run),
    ENGINE_CASE(every_index_runs_once),
    ENGINE_CASE(several_indexes_run_at_once),
    ENGINE_CASE(ranges_begin_and_end_anywhere),
    ENGINE_CASE(reductions_combine_all_indexes),
    ENGINE_CASE(a_fault_ends_the_work_when_all_indexes_have_run),
    ENGINE_CASE(groups_run_tiles),
    ENGINE_CASE(a_group_gives_results),
    ENGINE_CASE(many_works_at_a_time),
    ENGINE_CASE(wide_works_beside_works_of_lanes),
    ENGINE_CASE(bytes_with_wide_works),
    ENGINE_CASE(bytes_after_a_dispatch_that_was_cut),
    ENGINE_CASE(a_tenant_without_rights_waits),
    ENGINE_CASE(a_packed_wide_work_is_a_fault),
    ENGINE_CASE(loops_in_a_range),
    ENGINE_CASE(resident_passes_run_wide_works),
    ENGINE_CASE(results_of_wide_works_are_kept),
    ENGINE_CASE(handlers_have_allowances_of_their_own),
    ENGINE_CASE(a_barrier_in_a_loop_that_may_be_cut_is_refused),
    ENGINE_CASE(a_payload_may_be_wide)
};

#ifndef WIDE_LIVE
int main(void)
{
    engine_run_cases(cases, sizeof cases / sizeof cases[0]);
    return test_end();
}
#endif

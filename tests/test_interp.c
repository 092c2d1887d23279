/* The interpreter: masks, blocks, loops and their limits, memory and its
 * bounds, subgroups, workgroups, and a host thread that publishes meanwhile. */
#include "oom.h"

#include <pthread.h>
#include <stddef.h>

#define GUARD 0xdeadbeefu

/* A program with one buffer to write, `out`, and one to read, `in`. */
typedef struct fixture {
    vyre_program    *p;
    vyre_buffer      out, in;
    uint32_t        *memory[2]; /* guard, words, guard */
    uint32_t         words[2];
    vyre_interp_desc desc;
    void            *buffers[2];
    size_t           sizes[2];
} fixture;

static vyre_buffer add_buffer(vyre_program *p, uint32_t binding, vyre_type type,
                              vyre_access access, uint32_t count)
{
    vyre_buffer_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.binding = binding;
    desc.type = type;
    desc.access = access;
    desc.count = count;
    return vyre_ir_buffer(p, &desc);
}

static fixture begin_sized(uint32_t x, uint32_t y, uint32_t z)
{
    fixture f;
    vyre_program_desc desc;
    vyre_error err;
    memset(&f, 0, sizeof f);
    memset(&desc, 0, sizeof desc);
    desc.workgroup_size[0] = x;
    desc.workgroup_size[1] = y;
    desc.workgroup_size[2] = z;
    f.p = vyre_program_create(&desc, &err);
    CHECK(f.p);
    f.out = add_buffer(f.p, 0, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, 0);
    f.in = add_buffer(f.p, 1, VYRE_TYPE_U32, VYRE_ACCESS_READ, 0);
    return f;
}

static fixture begin(uint32_t lanes)
{
    return begin_sized(lanes, 1, 1);
}

static vyre_value U(const fixture *f, uint32_t x)
{
    return vyre_ir_u32(f->p, x);
}

static vyre_value lane_of(const fixture *f)
{
    return vyre_ir_builtin(f->p, VYRE_BUILTIN_LOCAL_INDEX);
}

static void give(fixture *f, int which, uint32_t words, const uint32_t *content)
{
    f->memory[which] = (uint32_t *)malloc((words + 2) * 4);
    f->words[which] = words;
    memset(f->memory[which], 0, (words + 2) * 4);
    if (content)
        memcpy(f->memory[which] + 1, content, words * 4);
    f->memory[which][0] = f->memory[which][words + 1] = GUARD;
    f->buffers[which] = f->memory[which] + 1;
    f->sizes[which] = words * 4;
}

static void finish(fixture *f)
{
    vyre_error err;
    vyre_status status = vyre_program_finish(f->p, &err);
    if (status != VYRE_OK)
        test_fail(__FILE__, __LINE__, "finish: %s (%s)", err.text, err.fix);
}

static vyre_status run(fixture *f)
{
    vyre_error err;
    f->desc.buffers = f->buffers;
    f->desc.sizes = f->sizes;
    f->desc.buffer_count = 2;
    vyre_status status = vyre_interpret(f->p, &f->desc, &err);
    if (status < 0)
        test_fail(__FILE__, __LINE__, "interpret: %s (%s)", err.text, err.fix);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(f->memory[i][0], GUARD);
        CHECK_EQ(f->memory[i][f->words[i] + 1], GUARD);
    }
    return status;
}

static uint32_t *out(const fixture *f)
{
    return f->memory[0] + 1;
}

static void end(fixture *f)
{
    vyre_program_destroy(f->p);
    free(f->memory[0]);
    free(f->memory[1]);
}

/* Finishes and runs with `lanes` words of output. */
static vyre_status go(fixture *f, uint32_t words)
{
    finish(f);
    give(f, 0, words, NULL);
    if (!f->memory[1])
        give(f, 1, 1, NULL);
    return run(f);
}

static void add_out(fixture *f, uint32_t x)
{
    vyre_value i = lane_of(f);
    vyre_ir_store(f->p, f->out, i, vyre_ir_add(f->p, vyre_ir_load(f->p, f->out, i), U(f, x)));
}

/* --- masks and blocks ---------------------------------------------------- */

static void arms_of_an_if(void)
{
    fixture f = begin(37);
    vyre_value i = lane_of(&f);
    vyre_ir_if(f.p, vyre_ir_lt(f.p, i, U(&f, 5)));
    add_out(&f, 1);
    vyre_ir_else(f.p);
    vyre_ir_if(f.p, vyre_ir_eq(f.p, vyre_ir_and(f.p, i, U(&f, 1)), U(&f, 0)));
    add_out(&f, 10);
    vyre_ir_end(f.p);
    add_out(&f, 100);
    vyre_ir_end(f.p);
    add_out(&f, 1000);
    CHECK_EQ(go(&f, 37), VYRE_OK);
    for (uint32_t k = 0; k < 37; k++)
        CHECK_EQ(out(&f)[k], k < 5 ? 1001u : k % 2 ? 1100u : 1110u);
    end(&f);
}

static void nobody_enters(void)
{
    fixture f = begin(8);
    vyre_value never = vyre_ir_gt(f.p, lane_of(&f), U(&f, 100));
    vyre_ir_if(f.p, never);
    add_out(&f, 1);
    vyre_ir_loop(f.p, U(&f, 0), U(&f, 3));
    add_out(&f, 1);
    vyre_ir_end(f.p);
    vyre_ir_end(f.p);
    vyre_ir_if(f.p, vyre_ir_not(f.p, never));
    vyre_ir_else(f.p);
    add_out(&f, 1);
    vyre_ir_end(f.p);
    vyre_ir_loop(f.p, U(&f, 5), U(&f, 5));
    add_out(&f, 1);
    vyre_ir_end(f.p);
    add_out(&f, 7);
    CHECK_EQ(go(&f, 8), VYRE_OK);
    for (uint32_t k = 0; k < 8; k++)
        CHECK_EQ(out(&f)[k], 7);
    end(&f);
}

static void arms_of_a_switch(void)
{
    fixture f = begin(64);
    vyre_value kind = vyre_ir_rem(f.p, lane_of(&f), U(&f, 7));
    vyre_ir_switch(f.p, kind);
    vyre_ir_case(f.p, 5);
    add_out(&f, 50);
    vyre_ir_case(f.p, 0);
    vyre_ir_case(f.p, 3);
    vyre_ir_switch(f.p, lane_of(&f));
    vyre_ir_case(f.p, 3);
    add_out(&f, 3);
    vyre_ir_case(f.p, 10);
    add_out(&f, 10);
    vyre_ir_end(f.p);
    vyre_ir_default(f.p);
    add_out(&f, 9);
    vyre_ir_case(f.p, 0xffffffffu);
    add_out(&f, 77);
    vyre_ir_end(f.p);
    vyre_ir_switch(f.p, kind);
    vyre_ir_case(f.p, 1);
    add_out(&f, 1000);
    vyre_ir_end(f.p);
    CHECK_EQ(go(&f, 64), VYRE_OK);
    for (uint32_t k = 0; k < 64; k++) {
        const uint32_t r = k % 7;
        uint32_t want = r == 5 ? 50u : r == 0 ? 0u : 9u;
        if (r == 3)
            want = k == 3 || k == 10 ? k : 0u;
        CHECK_EQ(out(&f)[k], want + (r == 1 ? 1000u : 0u));
    }
    end(&f);
}

/* Each lane leaves at another place; what follows counts who is still there. */
static void leaving_loops(void)
{
    fixture f = begin(20);
    vyre_value i = lane_of(&f);
    vyre_value n = vyre_ir_loop(f.p, U(&f, 0), U(&f, 10));
    vyre_ir_if(f.p, vyre_ir_eq(f.p, n, i)); /* lane n breaks in iteration n */
    vyre_ir_if(f.p, vyre_ir_eq(f.p, i, U(&f, 4)));
    vyre_ir_return(f.p);
    vyre_ir_end(f.p);
    vyre_ir_break(f.p);
    vyre_ir_else(f.p);
    vyre_ir_if(f.p, vyre_ir_eq(f.p, vyre_ir_and(f.p, n, U(&f, 1)), U(&f, 1)));
    vyre_ir_continue(f.p);
    vyre_ir_end(f.p);
    add_out(&f, 1); /* in even iterations before its own */
    vyre_ir_end(f.p);
    vyre_ir_loop(f.p, U(&f, 0), U(&f, 3));
    vyre_ir_if(f.p, vyre_ir_eq(f.p, i, U(&f, 19)));
    vyre_ir_break(f.p);
    vyre_ir_end(f.p);
    add_out(&f, 100);
    vyre_ir_end(f.p);
    vyre_ir_end(f.p);
    add_out(&f, 10000);
    CHECK_EQ(go(&f, 20), VYRE_OK);
    for (uint32_t k = 0; k < 20; k++) {
        const uint32_t rounds = k < 10 ? k : 10u, even = (rounds + 1) / 2;
        CHECK_EQ(out(&f)[k], even + (k == 19 ? 0u : 300u * even) + (k == 4 ? 0u : 10000u));
    }
    end(&f);
}

/* A lane's own bounds; the counter is unsigned and does not wrap. */
static void counted_loops(void)
{
    static const uint32_t bounds[][3] = {
        { 5, 5, 0 }, { 7, 3, 0 }, { 0xfffffffeu, 0xffffffffu, 1 }, { 0, 4, 4 }, { 2, 3, 1 },
        { 0x7fffffffu, 0x80000002u, 3 }
    };
    fixture f = begin(6);
    vyre_value two_i = vyre_ir_mul(f.p, lane_of(&f), U(&f, 2));
    vyre_value from = vyre_ir_load(f.p, f.in, two_i);
    vyre_value to = vyre_ir_load(f.p, f.in, vyre_ir_add(f.p, two_i, U(&f, 1)));
    vyre_ir_loop(f.p, from, to);
    add_out(&f, 1);
    vyre_ir_end(f.p);
    finish(&f);
    give(&f, 0, 6, NULL);
    give(&f, 1, 12, NULL);
    for (int k = 0; k < 6; k++)
        memcpy(f.memory[1] + 1 + 2 * k, bounds[k], 8);
    CHECK_EQ(run(&f), VYRE_OK);
    for (int k = 0; k < 6; k++)
        CHECK_EQ(out(&f)[k], bounds[k][2]);
    end(&f);
}

/* A value made outside of a loop keeps its register through the loop, however
 * much is computed inside; a GET is not disturbed by a later SET. */
static void values_live_long_enough(void)
{
    fixture f = begin(16);
    vyre_value i = lane_of(&f);
    vyre_value early = vyre_ir_mul(f.p, i, U(&f, 1000));
    vyre_local sum = vyre_ir_local(f.p, VYRE_TYPE_U32, U(&f, 0), "sum");
    vyre_value n = vyre_ir_loop(f.p, U(&f, 0), U(&f, 4));
    vyre_value before = vyre_ir_get(f.p, sum);
    vyre_value x = vyre_ir_add(f.p, early, n);
    for (int k = 0; k < 20; k++)
        x = vyre_ir_add(f.p, vyre_ir_xor(f.p, x, i), vyre_ir_xor(f.p, i, U(&f, 0)));
    vyre_ir_set(f.p, sum, vyre_ir_add(f.p, before, U(&f, 1)));
    vyre_ir_set(f.p, sum, vyre_ir_add(f.p, vyre_ir_get(f.p, sum), before));
    vyre_ir_store(f.p, f.out, i, vyre_ir_add(f.p, early, vyre_ir_get(f.p, sum)));
    vyre_ir_end(f.p);
    CHECK_EQ(go(&f, 16), VYRE_OK);
    for (uint32_t k = 0; k < 16; k++)
        CHECK_EQ(out(&f)[k], 1000 * k + 15); /* 0, 1, 3, 7, 15 */
    end(&f);
}

/* --- loops and their limits ---------------------------------------------- */

static fixture endless(uint32_t lanes)
{
    fixture f = begin(lanes);
    vyre_ir_forever(f.p);
    vyre_ir_if(f.p, vyre_ir_eq(f.p, vyre_ir_load(f.p, f.out, lane_of(&f)),
                               vyre_ir_load(f.p, f.in, lane_of(&f))));
    vyre_ir_break(f.p);
    vyre_ir_end(f.p);
    add_out(&f, 1);
    vyre_ir_end(f.p);
    add_out(&f, 1000);
    return f;
}

/* Lane k breaks after k rounds: 50 rounds are enough for 40 lanes, not for 60,
 * and the round in which the last one breaks is begun, too. */
static void max_rounds_bound_a_round_loop(void)
{
    static const struct { uint32_t lanes, rounds; vyre_status status; } rows[] = {
        { 40, 50, VYRE_OK }, { 60, 50, VYRE_TIMEOUT }, { 51, 51, VYRE_OK },
        { 52, 51, VYRE_TIMEOUT }, { 3, 0, VYRE_OK }, { 5, 1, VYRE_TIMEOUT }
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        fixture f = endless(rows[r].lanes);
        finish(&f);
        give(&f, 0, rows[r].lanes, NULL);
        give(&f, 1, rows[r].lanes, NULL);
        for (uint32_t k = 0; k < rows[r].lanes; k++)
            f.memory[1][1 + k] = k;
        f.desc.max_rounds = rows[r].rounds;
        CHECK_EQ(run(&f), rows[r].status);
        for (uint32_t k = 0; k < rows[r].lanes; k++) {
            const bool cut = rows[r].status == VYRE_TIMEOUT && k > rows[r].rounds;
            CHECK_EQ(out(&f)[k], 1000 + (cut ? rows[r].rounds : k));
        }
        end(&f);
    }
}

/* Each workgroup, each round loop, and each time that one is reached. */
static void rounds_are_counted_for_each_workgroup_and_loop(void)
{
    fixture f = begin(4);
    for (int k = 0; k < 2; k++) {
        vyre_ir_forever(f.p);
        (void)vyre_ir_atomic(f.p, VYRE_ATOMIC_ADD, f.out, U(&f, 0), U(&f, 1), VYRE_ORDER_RELAXED);
        vyre_ir_end(f.p);
    }
    f.desc.groups[0] = 3;
    f.desc.groups[2] = 2;
    f.desc.max_rounds = 5;
    CHECK_EQ(go(&f, 1), VYRE_TIMEOUT);
    CHECK_EQ(out(&f)[0], 6 * 2 * 5 * 4);
    end(&f);
}

/* An endless loop inside another one is not a round loop. */
static void inner_loops_are_not_round_loops(void)
{
    fixture f = begin(1);
    vyre_ir_loop(f.p, U(&f, 0), U(&f, 2));
    vyre_ir_forever(f.p);
    add_out(&f, 1);
    vyre_value n = vyre_ir_load(f.p, f.out, U(&f, 0));
    vyre_ir_if(f.p, vyre_ir_eq(f.p, vyre_ir_rem(f.p, n, U(&f, 100)), U(&f, 0)));
    vyre_ir_break(f.p);
    vyre_ir_end(f.p);
    vyre_ir_end(f.p);
    vyre_ir_end(f.p);
    f.desc.max_rounds = 1;
    CHECK_EQ(go(&f, 1), VYRE_OK);
    CHECK_EQ(out(&f)[0], 200);
    end(&f);
}

static vyre_value builtin(const fixture *f, vyre_builtin what)
{
    return vyre_ir_builtin(f->p, what);
}

/* Stores LOOP_LEFT and LOOP_CUT of each lane at word 8 * lane + at. */
static void store_limits(const fixture *f, uint32_t at)
{
    const vyre_value base = vyre_ir_add(f->p, vyre_ir_mul(f->p, lane_of(f), U(f, 8)), U(f, at));
    vyre_ir_store(f->p, f->out, base, builtin(f, VYRE_BUILTIN_LOOP_LEFT));
    vyre_ir_store(f->p, f->out, vyre_ir_add(f->p, base, U(f, 1)),
                  vyre_ir_cast(f->p, VYRE_TYPE_U32, builtin(f, VYRE_BUILTIN_LOOP_CUT)));
}

/* A loop that wants n iterations; counts those that it gets at 8 * lane + at. */
static void counting_loop(const fixture *f, uint32_t n, uint32_t at)
{
    const vyre_value i = vyre_ir_add(f->p, vyre_ir_mul(f->p, lane_of(f), U(f, 8)), U(f, at));
    vyre_ir_loop(f->p, U(f, 0), vyre_ir_add(f->p, U(f, n), lane_of(f)));
    vyre_ir_store(f->p, f->out, i, vyre_ir_add(f->p, vyre_ir_load(f->p, f->out, i), U(f, 1)));
    vyre_ir_end(f->p);
}

/* Lane k wants 5 + k iterations, is allowed 7, then 100, then what is left. */
static fixture limited_loops(void)
{
    fixture f = begin(4);
    vyre_ir_loop_allow(f.p, U(&f, 7));
    counting_loop(&f, 5, 0);
    store_limits(&f, 1);
    vyre_ir_loop_allow(f.p, U(&f, 100));
    counting_loop(&f, 2, 3);
    counting_loop(&f, 200, 4);
    store_limits(&f, 5);
    vyre_ir_loop_allow(f.p, U(&f, 0xffffffffu));
    counting_loop(&f, 1, 7);
    return f;
}

static void loop_limit_cuts(void)
{
    fixture f = limited_loops();
    f.desc.loop_limit = 20;
    CHECK_EQ(go(&f, 32), VYRE_OK);
    for (uint32_t k = 0; k < 4; k++) {
        const uint32_t *o = out(&f) + 8 * k;
        const uint32_t first = k < 2 ? 5 + k : 7, second = 2 + k;
        CHECK_EQ(o[0], first);
        CHECK_EQ(o[1], 20 - first);
        CHECK_EQ(o[2], k == 3); /* lane 2 wanted just 7 */
        CHECK_EQ(o[3], second);
        CHECK_EQ(o[4], 20 - first - second);
        CHECK_EQ(o[5], 0);
        CHECK_EQ(o[6], 1);
        CHECK_EQ(o[7], 0); /* nothing is left, whatever is allowed */
    }
    end(&f);
}

static void without_limit_nothing_is_cut(void)
{
    fixture f = limited_loops();
    CHECK_EQ(go(&f, 32), VYRE_OK);
    for (uint32_t k = 0; k < 4; k++) {
        const uint32_t want[8] = { 5 + k, 0xffffffffu, 0, 2 + k, 200 + k, 0xffffffffu, 0, 1 + k };
        for (int i = 0; i < 8; i++)
            CHECK_EQ(out(&f)[8 * k + i], want[i]);
    }
    end(&f);
}

/* Round loops spend, too, and are cut, which is no timeout; lanes that are
 * cut run on behind their loop. */
static void loop_limit_cuts_round_loops(void)
{
    fixture f = begin(3);
    vyre_ir_loop_allow(f.p, vyre_ir_mul(f.p, lane_of(&f), U(&f, 10)));
    vyre_ir_forever(f.p);
    add_out(&f, 1);
    vyre_ir_end(f.p);
    vyre_ir_if(f.p, builtin(&f, VYRE_BUILTIN_LOOP_CUT));
    add_out(&f, 1000);
    vyre_ir_end(f.p);
    finish(&f);
    give(&f, 0, 3, NULL);
    give(&f, 1, 1, NULL);
    f.desc.loop_limit = 15;
    f.desc.max_rounds = 1000;
    CHECK_EQ(run(&f), VYRE_OK);
    CHECK_EQ(out(&f)[0], 1000);
    CHECK_EQ(out(&f)[1], 1010);
    CHECK_EQ(out(&f)[2], 1015);
    memset(out(&f), 0, 12);
    f.desc.max_rounds = 12; /* now rounds end it for lane 2, without a cut */
    CHECK_EQ(run(&f), VYRE_TIMEOUT);
    CHECK_EQ(out(&f)[1], 1010);
    CHECK_EQ(out(&f)[2], 12);
    end(&f);
}

/* The limit counts anew in each workgroup. */
static void loop_limit_is_of_one_invocation(void)
{
    fixture f = begin(1);
    vyre_value g = builtin(&f, VYRE_BUILTIN_GROUP_ID_X);
    vyre_ir_loop(f.p, U(&f, 0), U(&f, 100));
    (void)vyre_ir_atomic(f.p, VYRE_ATOMIC_ADD, f.out, g, U(&f, 1), VYRE_ORDER_RELAXED);
    vyre_ir_end(f.p);
    f.desc.loop_limit = 60;
    f.desc.groups[0] = 3;
    CHECK_EQ(go(&f, 3), VYRE_OK);
    for (int k = 0; k < 3; k++)
        CHECK_EQ(out(&f)[k], 60);
    end(&f);
}

/* --- memory -------------------------------------------------------------- */

/* Indices around the end and far away; guards stand on both sides. */
static void indices_beyond_a_buffer(void)
{
    static const uint32_t indices[] = { 0, 4, 5, 6, 7, 1000, 0x40000000u, 0x40000001u, 0x7fffffffu,
                                        0x80000000u, 0xc0000000u, 0xffffffffu, 0xfffffffeu };
    const uint32_t count = sizeof indices / sizeof indices[0];
    fixture f = begin(count);
    vyre_value at = vyre_ir_load(f.p, f.in, lane_of(&f));
    vyre_value seen = vyre_ir_load(f.p, f.out, at);
    vyre_value before = vyre_ir_atomic(f.p, VYRE_ATOMIC_ADD, f.out, at, U(&f, 1),
                                       VYRE_ORDER_RELAXED);
    vyre_value old = vyre_ir_atomic_cas(f.p, f.out, at, U(&f, 11), U(&f, 77), VYRE_ORDER_ACQ_REL);
    vyre_value held = vyre_ir_atomic_load(f.p, f.out, at, VYRE_ORDER_ACQUIRE);
    vyre_value ok = vyre_ir_eq(f.p, vyre_ir_add(f.p, seen, U(&f, 1)), U(&f, 11));
    ok = vyre_ir_and(f.p, ok, vyre_ir_eq(f.p, before, U(&f, 10)));
    ok = vyre_ir_and(f.p, ok, vyre_ir_eq(f.p, old, U(&f, 11)));
    ok = vyre_ir_and(f.p, ok, vyre_ir_eq(f.p, held, U(&f, 77)));
    vyre_value none = vyre_ir_or(f.p, vyre_ir_or(f.p, seen, before), vyre_ir_or(f.p, old, held));
    vyre_ir_atomic_store(f.p, f.out, at, U(&f, 78), VYRE_ORDER_RELEASE);
    vyre_ir_store(f.p, f.out, at, vyre_ir_select(f.p, ok, U(&f, 79), U(&f, 80)));
    vyre_ir_if(f.p, vyre_ir_ne(f.p, none, U(&f, 0))); /* beyond, all of them were 0 */
    (void)vyre_ir_atomic(f.p, VYRE_ATOMIC_OR, f.out, U(&f, 2),
                         vyre_ir_shl(f.p, U(&f, 1), lane_of(&f)), VYRE_ORDER_RELAXED);
    vyre_ir_end(f.p);
    finish(&f);
    give(&f, 0, 6, NULL);
    give(&f, 1, count, indices);
    for (int k = 0; k < 6; k++)
        out(&f)[k] = k == 2 ? 0u : 10u;
    f.sizes[0] += 3; /* of a word that does not count */
    CHECK_EQ(run(&f), VYRE_OK);
    const uint32_t want[6] = { 79, 10, 7, 10, 79, 79 };
    for (int k = 0; k < 6; k++)
        CHECK_EQ(out(&f)[k], want[k]);
    end(&f);
}

/* What can be reached is the smaller one of what is declared and bound. */
static void declared_and_bound_lengths(void)
{
    static const struct { uint32_t declared, bytes, length; } rows[] = {
        { 0, 16, 4 }, { 0, 15, 3 }, { 2, 16, 2 }, { 9, 16, 4 }, { 0, 0, 0 }, { 4, 16, 4 }
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        fixture f = begin(8);
        vyre_buffer b = add_buffer(f.p, 7, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, rows[r].declared);
        vyre_ir_store(f.p, b, lane_of(&f), U(&f, 5));
        vyre_ir_store(f.p, f.out, U(&f, 0), vyre_ir_length(f.p, b));
        finish(&f);
        uint32_t result = 0, words[4] = { 0, 0, 0, 0 };
        vyre_error err;
        void *buffers[3] = { &result, NULL, rows[r].bytes ? words : NULL };
        size_t sizes[3] = { 4, 0, rows[r].bytes };
        f.desc.buffers = buffers;
        f.desc.sizes = sizes;
        f.desc.buffer_count = 3;
        CHECK_EQ(vyre_interpret(f.p, &f.desc, &err), VYRE_OK);
        CHECK_EQ(result, rows[r].length);
        for (uint32_t k = 0; k < 4; k++)
            CHECK_EQ(words[k], k < rows[r].length ? 5 : 0);
        end(&f);
    }
}

/* Words are little-endian; any bit of a bool reads as true and is written as 1. */
static void words_and_bools_in_memory(void)
{
    fixture f = begin(4);
    vyre_buffer bools = add_buffer(f.p, 2, VYRE_TYPE_BOOL, VYRE_ACCESS_READ_WRITE, 0);
    vyre_value b = vyre_ir_load(f.p, bools, lane_of(&f));
    vyre_ir_store(f.p, f.out, lane_of(&f), vyre_ir_cast(f.p, VYRE_TYPE_U32, b));
    vyre_ir_store(f.p, bools, lane_of(&f), b);
    vyre_ir_if(f.p, vyre_ir_eq(f.p, lane_of(&f), U(&f, 3)));
    vyre_ir_store(f.p, f.out, U(&f, 3), U(&f, 0x04030201u));
    vyre_ir_end(f.p);
    finish(&f);
    uint8_t result[16], words[16] = { 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0x80 };
    void *buffers[3] = { result, NULL, words };
    size_t sizes[3] = { 16, 0, 16 };
    f.desc.buffers = buffers;
    f.desc.sizes = sizes;
    f.desc.buffer_count = 3;
    CHECK_EQ(vyre_interpret(f.p, &f.desc, NULL), VYRE_OK);
    static const uint8_t want[16] = { 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4 };
    static const uint8_t bits[16] = { 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0 };
    CHECK_EQ(memcmp(result, want, 16), 0);
    CHECK_EQ(memcmp(words, bits, 16), 0);
    end(&f);
}

/* Lanes run in ascending order, so old values are a prefix. */
static void atomics_return_the_value_before(void)
{
    static const struct { vyre_atomic_op op; uint32_t start, operand, after; bool ints; } rows[] = {
        { VYRE_ATOMIC_ADD, 0xffffffffu, 2, 1, false },
        { VYRE_ATOMIC_SUB, 1, 2, 0xffffffffu, false },
        { VYRE_ATOMIC_AND, 0xf0f0u, 0xff00u, 0xf000u, false },
        { VYRE_ATOMIC_OR, 0xf0f0u, 0xff00u, 0xfff0u, false },
        { VYRE_ATOMIC_XOR, 0xf0f0u, 0xff00u, 0x0ff0u, false },
        { VYRE_ATOMIC_MIN, 5, 0xffffffffu, 5, false },
        { VYRE_ATOMIC_MAX, 5, 0xffffffffu, 0xffffffffu, false },
        { VYRE_ATOMIC_MIN, 5, 0xffffffffu, 0xffffffffu, true },
        { VYRE_ATOMIC_MAX, 0xfffffffbu, 0x80000000u, 0xfffffffbu, true },
        { VYRE_ATOMIC_EXCHANGE, 7, 9, 9, false },
        { VYRE_ATOMIC_ADD, 0x7fffffffu, 1, 0x80000000u, true }
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        fixture f = begin(1);
        const vyre_type type = rows[r].ints ? VYRE_TYPE_I32 : VYRE_TYPE_U32;
        vyre_buffer b = add_buffer(f.p, 2, type, VYRE_ACCESS_READ_WRITE, 0);
        vyre_value x = rows[r].ints ? vyre_ir_i32(f.p, (int32_t)rows[r].operand)
                                    : U(&f, rows[r].operand);
        vyre_value old = vyre_ir_atomic(f.p, rows[r].op, b, U(&f, 0), x, VYRE_ORDER_ACQ_REL);
        vyre_ir_store(f.p, f.out, U(&f, 0), vyre_ir_cast(f.p, VYRE_TYPE_U32, old));
        finish(&f);
        uint32_t result = 0, word = rows[r].start;
        void *buffers[3] = { &result, NULL, &word };
        size_t sizes[3] = { 4, 0, 4 };
        f.desc.buffers = buffers;
        f.desc.sizes = sizes;
        f.desc.buffer_count = 3;
        CHECK_EQ(vyre_interpret(f.p, &f.desc, NULL), VYRE_OK);
        CHECK_EQ(result, rows[r].start);
        CHECK_EQ(word, rows[r].after);
        end(&f);
    }
}

/* A ticket for each lane, in order. */
static void lanes_go_in_order(void)
{
    fixture f = begin(100);
    vyre_value ticket = vyre_ir_atomic(f.p, VYRE_ATOMIC_ADD, f.out, U(&f, 0), U(&f, 1),
                                       VYRE_ORDER_RELAXED);
    vyre_value i = vyre_ir_add(f.p, builtin(&f, VYRE_BUILTIN_GLOBAL_ID_X), U(&f, 1));
    vyre_ir_store(f.p, f.out, i, ticket);
    f.desc.groups[0] = 2;
    CHECK_EQ(go(&f, 201), VYRE_OK);
    for (uint32_t k = 0; k < 200; k++)
        CHECK_EQ(out(&f)[1 + k], k);
    end(&f);
}

/* --- workgroups ---------------------------------------------------------- */

static void ids_in_three_dimensions(void)
{
    enum { SX = 3, SY = 5, SZ = 2, GX = 2, GY = 3, GZ = 4, LANES = SX * SY * SZ, IDS = 20 };
    static const vyre_builtin ids[] = {
        VYRE_BUILTIN_LOCAL_ID_X, VYRE_BUILTIN_LOCAL_ID_Y, VYRE_BUILTIN_LOCAL_ID_Z,
        VYRE_BUILTIN_GROUP_ID_X, VYRE_BUILTIN_GROUP_ID_Y, VYRE_BUILTIN_GROUP_ID_Z,
        VYRE_BUILTIN_GLOBAL_ID_X, VYRE_BUILTIN_GLOBAL_ID_Y, VYRE_BUILTIN_GLOBAL_ID_Z,
        VYRE_BUILTIN_GROUP_SIZE_X, VYRE_BUILTIN_GROUP_SIZE_Y, VYRE_BUILTIN_GROUP_SIZE_Z,
        VYRE_BUILTIN_GROUP_COUNT_X, VYRE_BUILTIN_GROUP_COUNT_Y, VYRE_BUILTIN_GROUP_COUNT_Z,
        VYRE_BUILTIN_LOCAL_INDEX, VYRE_BUILTIN_SUBGROUP_LANE, VYRE_BUILTIN_SUBGROUP_SIZE
    };
    fixture f = begin_sized(SX, SY, SZ);
    /* The order of workgroups and lanes is part of the promise: count them. */
    vyre_value n = vyre_ir_atomic(f.p, VYRE_ATOMIC_ADD, f.out, U(&f, 0), U(&f, 1),
                                  VYRE_ORDER_RELAXED);
    vyre_value base = vyre_ir_add(f.p, vyre_ir_mul(f.p, n, U(&f, IDS)), U(&f, 1));
    for (uint32_t k = 0; k < sizeof ids / sizeof ids[0]; k++)
        vyre_ir_store(f.p, f.out, vyre_ir_add(f.p, base, U(&f, k)), builtin(&f, ids[k]));
    f.desc.groups[0] = GX;
    f.desc.groups[1] = GY;
    f.desc.groups[2] = GZ;
    f.desc.subgroup_size = 8;
    CHECK_EQ(go(&f, 1 + IDS * LANES * GX * GY * GZ), VYRE_OK);
    CHECK_EQ(out(&f)[0], LANES * GX * GY * GZ);
    for (uint32_t k = 0; k < LANES * GX * GY * GZ; k++) {
        const uint32_t lane = k % LANES, g = k / LANES;
        const uint32_t l[3] = { lane % SX, lane / SX % SY, lane / SX / SY };
        const uint32_t w[3] = { g % GX, g / GX % GY, g / GX / GY };
        const uint32_t want[18] = { l[0], l[1], l[2], w[0], w[1], w[2], w[0] * SX + l[0],
                                    w[1] * SY + l[1], w[2] * SZ + l[2], SX, SY, SZ, GX, GY, GZ,
                                    lane, lane % 8, 8 };
        for (int i = 0; i < 18; i++)
            CHECK_EQ(out(&f)[1 + k * IDS + i], want[i]);
    }
    end(&f);
}

/* Zero in each workgroup anew, shared by its lanes, exact at its end. */
static void workgroup_arrays(void)
{
    fixture f = begin(70);
    vyre_buffer a = add_buffer(f.p, 0, VYRE_TYPE_U32, VYRE_ACCESS_WORKGROUP, 70);
    vyre_buffer sum = add_buffer(f.p, 0, VYRE_TYPE_U32, VYRE_ACCESS_WORKGROUP, 1);
    vyre_value i = lane_of(&f);
    vyre_ir_store(f.p, a, i, vyre_ir_mul(f.p, i, i));
    (void)vyre_ir_atomic(f.p, VYRE_ATOMIC_ADD, sum, U(&f, 0), i, VYRE_ORDER_RELAXED);
    vyre_ir_barrier(f.p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
    vyre_value other = vyre_ir_load(f.p, a, vyre_ir_sub(f.p, U(&f, 70), i)); /* lane 0: beyond */
    vyre_value all = vyre_ir_load(f.p, sum, U(&f, 0));
    vyre_ir_store(f.p, f.out, builtin(&f, VYRE_BUILTIN_GLOBAL_ID_X), vyre_ir_add(f.p, other, all));
    f.desc.groups[0] = 2;
    CHECK_EQ(go(&f, 140), VYRE_OK);
    for (uint32_t k = 0; k < 140; k++) {
        const uint32_t from = 70 - k % 70;
        CHECK_EQ(out(&f)[k], (from < 70 ? from * from : 0) + 69 * 70 / 2);
    }
    end(&f);
}

/* Lane 3 + 32 of the second chunk alone: neither its neighbours nor lanes
 * that returned are touched. */
static void single_lanes(void)
{
    fixture f = begin(300);
    vyre_value i = lane_of(&f);
    vyre_ir_if(f.p, vyre_ir_lt(f.p, i, U(&f, 17)));
    vyre_ir_return(f.p);
    vyre_ir_end(f.p);
    vyre_local x = vyre_ir_local(f.p, VYRE_TYPE_U32, i, "x");
    vyre_ir_if(f.p, vyre_ir_eq(f.p, vyre_ir_rem(f.p, i, U(&f, 35)), U(&f, 0)));
    vyre_ir_set(f.p, x, vyre_ir_mul(f.p, vyre_ir_get(f.p, x), U(&f, 1000)));
    vyre_ir_end(f.p);
    vyre_ir_store(f.p, f.out, i, vyre_ir_get(f.p, x));
    CHECK_EQ(go(&f, 300), VYRE_OK);
    for (uint32_t k = 0; k < 300; k++)
        CHECK_EQ(out(&f)[k], k < 17 ? 0 : k % 35 ? k : 1000 * k);
    end(&f);
}

/* --- subgroups ----------------------------------------------------------- */

/* Of a workgroup of 40 lanes, the odd ones are active. */
static void subgroup_operations(void)
{
    enum { LANES = 40, OPS = 10 };
    for (uint32_t size = 1; size <= 128; size *= 2) {
        fixture f = begin(LANES);
        vyre_value i = lane_of(&f), one = U(&f, 1), results[OPS];
        vyre_ir_if(f.p, vyre_ir_eq(f.p, vyre_ir_and(f.p, i, one), one));
        vyre_value big = vyre_ir_gt(f.p, i, U(&f, 20));
        vyre_value lane = builtin(&f, VYRE_BUILTIN_SUBGROUP_LANE);
        results[0] = vyre_ir_ballot(f.p, big);
        results[1] = vyre_ir_cast(f.p, VYRE_TYPE_U32, vyre_ir_elect(f.p));
        results[2] = vyre_ir_cast(f.p, VYRE_TYPE_U32, vyre_ir_any(f.p, big));
        results[3] = vyre_ir_cast(f.p, VYRE_TYPE_U32, vyre_ir_all(f.p, big));
        results[4] = vyre_ir_broadcast_first(f.p, i);
        results[5] = vyre_ir_shuffle(f.p, i, vyre_ir_xor(f.p, lane, U(&f, 2)));
        results[6] = vyre_ir_reduce(f.p, VYRE_REDUCE_ADD, i);
        vyre_value less = vyre_ir_cast(f.p, VYRE_TYPE_I32, vyre_ir_sub(f.p, i, U(&f, 25)));
        results[7] = vyre_ir_cast(f.p, VYRE_TYPE_U32, vyre_ir_reduce(f.p, VYRE_REDUCE_MIN, less));
        results[8] = vyre_ir_reduce(f.p, VYRE_REDUCE_XOR, i);
        results[9] = vyre_ir_cast(f.p, VYRE_TYPE_U32, vyre_ir_reduce(
            f.p, VYRE_REDUCE_ADD, vyre_ir_cast(f.p, VYRE_TYPE_F32, i)));
        for (uint32_t k = 0; k < OPS; k++)
            vyre_ir_store(f.p, f.out, vyre_ir_add(f.p, vyre_ir_mul(f.p, i, U(&f, OPS)), U(&f, k)),
                          results[k]);
        vyre_ir_end(f.p);
        f.desc.subgroup_size = size;
        CHECK_EQ(go(&f, OPS * LANES), VYRE_OK);
        for (uint32_t k = 0; k < LANES; k++) {
            uint32_t want[OPS] = { 0, 0, 0, 1, 0, 0, 0, 0x7fffffffu, 0, 0 };
            const uint32_t start = k / size * size;
            uint32_t first = LANES;
            for (uint32_t j = start; j < start + size && j < LANES; j++) {
                if (j % 2 == 0)
                    continue;
                first = first == LANES ? j : first;
                if (j > 20 && j - start < 32)
                    want[0] |= 1u << (j - start);
                want[2] |= j > 20;
                want[3] &= j > 20;
                want[6] += j;
                if ((int32_t)j - 25 < (int32_t)want[7])
                    want[7] = j - 25;
                want[8] ^= j;
            }
            want[1] = k == first;
            want[4] = first;
            const uint32_t partner = start + ((k - start) ^ 2u);
            want[5] = ((k - start) ^ 2u) < size && partner < LANES ? partner : 0u;
            want[9] = want[6];
            for (uint32_t op = 0; op < OPS; op++)
                CHECK_EQ(out(&f)[k * OPS + op], k % 2 ? want[op] : 0u);
        }
        end(&f);
    }
}

/* --- a host that publishes meanwhile ------------------------------------- */

/* The ring of a small queue: word 0 says stop, 1 counts, then (state, value)
 * of eight slots.  Lanes take published slots, add up values, mark them done. */
enum { LIVE_SLOTS = 8, LIVE_JOBS = 4000, LIVE_FREE = 0, LIVE_FULL = 1, LIVE_TAKEN = 2 };

typedef struct live {
    vyre_program    *p;
    vyre_interp_desc desc;
    vyre_status      status;
} live;

static void *live_kernel(void *user)
{
    live *l = (live *)user;
    l->status = vyre_interpret(l->p, &l->desc, NULL);
    return NULL;
}

static fixture live_program(void)
{
    fixture f = begin(LIVE_SLOTS);
    vyre_value slot = vyre_ir_add(f.p, vyre_ir_mul(f.p, lane_of(&f), U(&f, 2)), U(&f, 2));
    vyre_value payload = vyre_ir_add(f.p, slot, U(&f, 1));
    vyre_ir_forever(f.p);
    vyre_value stop = vyre_ir_atomic_load(f.p, f.out, U(&f, 0), VYRE_ORDER_ACQUIRE);
    vyre_ir_if(f.p, vyre_ir_ne(f.p, stop, U(&f, 0)));
    vyre_ir_break(f.p);
    vyre_ir_end(f.p);
    vyre_value seen = vyre_ir_atomic_cas(f.p, f.out, slot, U(&f, LIVE_FULL), U(&f, LIVE_TAKEN),
                                         VYRE_ORDER_ACQUIRE);
    vyre_ir_if(f.p, vyre_ir_eq(f.p, seen, U(&f, LIVE_FULL)));
    vyre_value v = vyre_ir_load(f.p, f.out, payload);
    vyre_ir_store(f.p, f.out, payload, vyre_ir_add(f.p, v, U(&f, 1000000)));
    vyre_ir_atomic_store(f.p, f.out, slot, U(&f, LIVE_FREE), VYRE_ORDER_RELEASE);
    (void)vyre_ir_atomic(f.p, VYRE_ATOMIC_ADD, f.out, U(&f, 1), v, VYRE_ORDER_RELEASE);
    vyre_ir_end(f.p);
    vyre_ir_end(f.p);
    finish(&f);
    return f;
}

static void a_host_publishes_while_it_runs(void)
{
    fixture f = live_program();
    give(&f, 0, 2 + 2 * LIVE_SLOTS, NULL);
    give(&f, 1, 1, NULL);
    f.desc.buffers = f.buffers;
    f.desc.sizes = f.sizes;
    f.desc.buffer_count = 2;
    live l = { f.p, f.desc, VYRE_PENDING };
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, live_kernel, &l), 0);

    uint32_t *words = out(&f), sum = 0, mistakes = 0;
    for (uint32_t job = 0; job < LIVE_JOBS; job++) {
        uint32_t *slot = words + 2 + 2 * (job % LIVE_SLOTS);
        while (__atomic_load_n(slot, __ATOMIC_ACQUIRE) != LIVE_FREE)
            continue;
        if (job >= LIVE_SLOTS && slot[1] != job - LIVE_SLOTS + 1000000u)
            mistakes++;
        slot[1] = job;
        sum += job;
        __atomic_store_n(slot, (uint32_t)LIVE_FULL, __ATOMIC_RELEASE);
    }
    while (__atomic_load_n(words + 1, __ATOMIC_ACQUIRE) != sum)
        continue;
    __atomic_store_n(words, 1u, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    CHECK_EQ(l.status, VYRE_OK);
    CHECK_EQ(mistakes, 0);
    end(&f);
}

/* --- descriptions that are refused --------------------------------------- */

static vyre_status refused(const fixture *f, const vyre_interp_desc *desc, uint64_t at)
{
    vyre_error err;
    memset(&err, 0, sizeof err);
    const vyre_status status = vyre_interpret(f->p, desc, &err);
    CHECK_EQ(err.status, status);
    CHECK_EQ(err.at, at);
    CHECK(err.text[0] && err.fix[0]);
    CHECK_EQ(vyre_interpret(f->p, desc, NULL), status);
    return status;
}

static void descriptions_are_checked(void)
{
    fixture f = begin(4);
    add_out(&f, 1);
    give(&f, 0, 4, NULL);
    give(&f, 1, 4, NULL);
    vyre_interp_desc good, bad;
    memset(&good, 0, sizeof good);
    good.buffers = f.buffers;
    good.sizes = f.sizes;
    good.buffer_count = 2;
    CHECK_EQ(vyre_interpret(f.p, &good, NULL), VYRE_E_IR_UNFINISHED);
    finish(&f);
    CHECK_EQ(vyre_interpret(NULL, &good, NULL), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_interpret(f.p, NULL, NULL), VYRE_E_ARGUMENT);

    bad = good;
    bad.buffer_count = 1;
    CHECK_EQ(refused(&f, &bad, 1), VYRE_E_INTERP_BUFFERS);
    bad.buffer_count = 3;
    CHECK_EQ(refused(&f, &bad, 3), VYRE_E_INTERP_BUFFERS);
    bad = good;
    bad.buffers = NULL;
    CHECK_EQ(refused(&f, &bad, 2), VYRE_E_INTERP_BUFFERS);
    bad = good;
    bad.sizes = NULL;
    CHECK_EQ(refused(&f, &bad, 2), VYRE_E_INTERP_BUFFERS);

    void *buffers[2] = { f.buffers[0], NULL };
    bad = good;
    bad.buffers = buffers;
    CHECK_EQ(refused(&f, &bad, 1), VYRE_E_INTERP_BUFFERS);
    buffers[1] = (uint8_t *)f.buffers[1] + 2;
    CHECK_EQ(refused(&f, &bad, 1), VYRE_E_INTERP_ALIGN);

    bad = good;
    bad.groups[1] = 0xffffffffu;
    CHECK_EQ(out(&f)[0], 0);
    bad.groups[0] = 0x40000001u; /* of 4 lanes */
    CHECK_EQ(refused(&f, &bad, 0), VYRE_E_INTERP_GROUPS);
    bad = good;
    for (uint32_t size = 3; size < 600; size = size * 2 + 6) {
        bad.subgroup_size = size;
        CHECK_EQ(refused(&f, &bad, size), VYRE_E_INTERP_SUBGROUP);
    }
    bad.subgroup_size = 256;
    CHECK_EQ(refused(&f, &bad, 256), VYRE_E_INTERP_SUBGROUP);
    CHECK_EQ(out(&f)[0], 0);
    CHECK_EQ(vyre_interpret(f.p, &good, NULL), VYRE_OK);
    CHECK_EQ(out(&f)[0], 1);
    end(&f);
}

static vyre_status interpret_with(const vyre_allocator *allocator, void *user)
{
    fixture *f = (fixture *)user;
    vyre_error err;
    f->desc.allocator = *allocator;
    memset(f->buffers[0], 0, f->sizes[0]);
    const vyre_status status = vyre_interpret(f->p, &f->desc, &err);
    CHECK_EQ(out(f)[0], status == VYRE_OK ? 5 : 0);
    return status;
}

static void out_of_memory(void)
{
    fixture f = limited_loops();
    finish(&f);
    give(&f, 0, 32, NULL);
    give(&f, 1, 1, NULL);
    f.desc.buffers = f.buffers;
    f.desc.sizes = f.sizes;
    f.desc.buffer_count = 2;
    CHECK_EQ(oom_each(interpret_with, &f), 2);
    end(&f);
}

/* As many blocks and cases, as deep, as a program may have. */
static void large_programs(void)
{
    enum { CASES = 3000, DEPTH = 60 };
    fixture f = begin(64);
    vyre_value i = lane_of(&f);
    vyre_value big = vyre_ir_mul(f.p, vyre_ir_mul(f.p, i, i), U(&f, 7));
    vyre_ir_switch(f.p, big);
    for (uint32_t k = 0; k < CASES; k++) {
        vyre_ir_case(f.p, (CASES - 1 - k) * 7);
        vyre_ir_store(f.p, f.out, i, U(&f, k));
    }
    vyre_ir_end(f.p);
    for (uint32_t k = 0; k < DEPTH; k++)
        vyre_ir_if(f.p, vyre_ir_ge(f.p, i, U(&f, k)));
    add_out(&f, 10000);
    for (uint32_t k = 0; k < DEPTH; k++) {
        vyre_ir_end(f.p);
        add_out(&f, 100000);
    }
    CHECK_EQ(go(&f, 64), VYRE_OK);
    for (uint32_t k = 0; k < 64; k++) {
        const uint32_t square = k * k, shells = k + 2 < DEPTH ? k + 2 : DEPTH;
        CHECK_EQ(out(&f)[k], (square < CASES ? CASES - 1 - square : 0) + (k >= DEPTH - 1) * 10000 +
                                 shells * 100000);
    }
    end(&f);
}

int main(void)
{
    RUN(arms_of_an_if);
    RUN(nobody_enters);
    RUN(arms_of_a_switch);
    RUN(leaving_loops);
    RUN(counted_loops);
    RUN(values_live_long_enough);
    RUN(max_rounds_bound_a_round_loop);
    RUN(rounds_are_counted_for_each_workgroup_and_loop);
    RUN(inner_loops_are_not_round_loops);
    RUN(loop_limit_cuts);
    RUN(without_limit_nothing_is_cut);
    RUN(loop_limit_cuts_round_loops);
    RUN(loop_limit_is_of_one_invocation);
    RUN(indices_beyond_a_buffer);
    RUN(declared_and_bound_lengths);
    RUN(words_and_bools_in_memory);
    RUN(atomics_return_the_value_before);
    RUN(lanes_go_in_order);
    RUN(ids_in_three_dimensions);
    RUN(workgroup_arrays);
    RUN(single_lanes);
    RUN(subgroup_operations);
    RUN(a_host_publishes_while_it_runs);
    RUN(descriptions_are_checked);
    RUN(out_of_memory);
    RUN(large_programs);
    return test_end();
}

/* Random programs, the same for the same seed and flags.
 *
 *     gen_shape shape;
 *     vyre_program *p = gen_program(seed, GEN_ALL, NULL, &shape);
 *     gen_memory m = gen_memory_make(&shape);        // buffers, filled from the seed
 *     ... run p with m.buffers, m.sizes, shape.buffer_count, shape.groups ...
 *     CHECK(gen_memory_guarded(&m));                 // nothing was written around them
 *     gen_memory_free(&m);
 *     vyre_program_destroy(p);
 *
 * Every program is well-formed and ends, and its result does not depend on
 * the order of lanes, nor on the device:
 *   - a lane writes words that belong to it alone, or changes shared ones by
 *     atomics that commute, whose results it does not use;
 *   - it reads its own words, buffers that nobody writes, and workgroup arrays
 *     across a barrier;
 *   - indices miss their buffer now and then, which is defined, too;
 *   - no lane of a subgroup is asked that is not active;
 *   - loops run a few times; in total a lane runs at most GEN_MAX_WORK blocks.
 * With GEN_F32 the f32 results agree as far as Vulkan promises, no further:
 * only operators that round correctly are used.
 */
#ifndef GEN_H
#define GEN_H

#include "test.h"
#include "vyre.h"

#define GEN_LOOPS     1u   /* counted and endless loops, break, continue, return */
#define GEN_ATOMICS   2u
#define GEN_WORKGROUP 4u   /* workgroup arrays and barriers */
#define GEN_SUBGROUPS 8u   /* subgroup operations where all lanes are active */
#define GEN_DIVERGENT 16u  /* and also those that work anywhere; needs exact reconvergence */
#define GEN_F32       32u
#define GEN_LARGE     64u  /* several times as many instructions */
#define GEN_3D        128u /* workgroups and dispatches of up to three dimensions */
#define GEN_LIMITS    256u /* LOOP_LEFT, LOOP_CUT, loop_allow; no barrier in a loop, so that lanes
                              whose loops are cut still meet.  Only such programs can be run with
                              a loop limit, the same one everywhere */
#define GEN_SAID      512u /* only what the original's format has words for: atomics on u32, no
                              break or continue, no fence, no number of workgroups */
#define GEN_HANDLER   1024u /* a handler of many lanes: answers, reductions, faults (gen_handler) */
#define GEN_STRAIGHT  2048u /* no block and no local */
#define GEN_INTEGERS  (GEN_LOOPS | GEN_ATOMICS | GEN_WORKGROUP | GEN_3D)
#define GEN_ALL       (GEN_INTEGERS | GEN_SUBGROUPS | GEN_DIVERGENT | GEN_F32)

#define GEN_MAX_WORK 200u
#define GEN_OWN      8u /* words of each buffer that belong to one lane */

/* Bindings. */
enum {
    GEN_RESULT,  /* u32, write only: one word a lane */
    GEN_WORDS,   /* u32: GEN_OWN words a lane */
    GEN_INTS,    /* i32: the same */
    GEN_BOOLS,   /* bool: the same */
    GEN_IN,      /* u32, read only */
    GEN_IN_INTS, /* i32, read only */
    GEN_IN_BOOLS, /* bool, read only */
    GEN_SUMS,    /* u32: atomics that commute, 8 words for each operator */
    GEN_SUMS_I,  /* i32: the same */
    GEN_FLOATS,  /* f32: GEN_OWN words a lane; only with GEN_F32 */
    GEN_IN_FLOATS, /* f32, read only; likewise */
    GEN_BUFFERS
};

typedef struct gen_shape {
    uint64_t seed;
    uint32_t groups[3], group_size[3];
    uint32_t lanes;        /* of the whole dispatch */
    uint32_t buffer_count; /* bindings 0 .. buffer_count - 1 */
    size_t   sizes[GEN_BUFFERS]; /* bytes; some too short for all lanes, some with a rest of 1..3 */
} gen_shape;

typedef struct gen_memory {
    void  *buffers[GEN_BUFFERS];
    size_t sizes[GEN_BUFFERS];
    uint32_t count;
} gen_memory;

/* --- memory -------------------------------------------------------------- */

#define GEN_GUARD_BYTES 16u
#define GEN_GUARD_BYTE  0xa5

#if defined(__GNUC__)
    #define GEN_UNUSED __attribute__((unused))
#else
    #define GEN_UNUSED
#endif

/* Numbers near the edges of every operator, as often as any other. */
static uint32_t gen_number(uint64_t *random)
{
    static const uint32_t edges[] = { 0, 1, 2, 3, 7, 8, 31, 32, 33, 63, 64, 255, 0x7ffffffeu,
                                      0x7fffffffu, 0x80000000u, 0x80000001u, 0xfffffffeu,
                                      0xffffffffu, 0xfffffff0u, 0x55555555u };
    const uint64_t r = test_random(random);
    switch (r & 3) {
    case 0: return edges[(r >> 8) % (sizeof edges / sizeof edges[0])];
    case 1: return (uint32_t)(r >> 8) & 63u;
    case 2: return (uint32_t)(r >> 32) >> (r >> 8 & 31);
    default: return (uint32_t)(r >> 32);
    }
}

/* Small multiples of a quarter: sums and products of a few are exact. */
static float gen_float(uint64_t *random)
{
    static const float edges[] = { 0.0f, 1.0f, -1.0f, 0.5f, 2.5f, -2.5f, 1e10f, -3e9f,
                                   4294967296.0f };
    const uint64_t r = test_random(random);
    if ((r & 3) == 0)
        return edges[(r >> 8) % (sizeof edges / sizeof edges[0])];
    return (float)((int32_t)(r >> 32 & 0xfff) - 2048) * 0.25f;
}

GEN_UNUSED static gen_memory gen_memory_make(const gen_shape *shape)
{
    gen_memory m;
    uint64_t random = shape->seed ^ 0x6d656d6f7279ull;
    memset(&m, 0, sizeof m);
    m.count = shape->buffer_count;
    for (uint32_t i = 0; i < m.count; i++) {
        const size_t size = m.sizes[i] = shape->sizes[i];
        uint8_t *block = (uint8_t *)malloc(size + 2 * GEN_GUARD_BYTES);
        if (!block)
            abort();
        memset(block, GEN_GUARD_BYTE, size + 2 * GEN_GUARD_BYTES);
        m.buffers[i] = block + GEN_GUARD_BYTES;
        for (size_t at = 0; at + 4 <= size; at += 4) {
            uint32_t word = gen_number(&random);
            const float x = gen_float(&random);
            if (i == GEN_BOOLS || i == GEN_IN_BOOLS)
                word &= word >> 7;
            if (i == GEN_FLOATS || i == GEN_IN_FLOATS)
                memcpy(&word, &x, 4);
            const uint8_t bytes[4] = { (uint8_t)word, (uint8_t)(word >> 8), (uint8_t)(word >> 16),
                                       (uint8_t)(word >> 24) };
            memcpy(block + GEN_GUARD_BYTES + at, bytes, 4);
        }
    }
    return m;
}

GEN_UNUSED static bool gen_memory_guarded(const gen_memory *m)
{
    for (uint32_t i = 0; i < m->count; i++) {
        const uint8_t *bytes = (const uint8_t *)m->buffers[i];
        for (size_t k = 0; k < GEN_GUARD_BYTES; k++) {
            if (bytes[m->sizes[i] + k] != GEN_GUARD_BYTE || bytes[-1 - (int)k] != GEN_GUARD_BYTE)
                return false;
        }
        for (size_t k = m->sizes[i] & ~(size_t)3; k < m->sizes[i]; k++) {
            if (bytes[k] != GEN_GUARD_BYTE)
                return false;
        }
    }
    return true;
}

/* The first binding and byte where two runs of a shape differ; false if none. */
GEN_UNUSED static bool gen_memory_differs(const gen_memory *a, const gen_memory *b,
                                          uint32_t *binding, size_t *at)
{
    for (*binding = 0; *binding < a->count; ++*binding) {
        const uint8_t *x = (const uint8_t *)a->buffers[*binding];
        const uint8_t *y = (const uint8_t *)b->buffers[*binding];
        for (*at = 0; *at < a->sizes[*binding]; ++*at) {
            if (x[*at] != y[*at])
                return true;
        }
    }
    return false;
}

GEN_UNUSED static void gen_memory_free(gen_memory *m)
{
    for (uint32_t i = 0; i < m->count; i++)
        free((uint8_t *)m->buffers[i] - GEN_GUARD_BYTES);
    memset(m, 0, sizeof *m);
}

/* --- the state of the generator ------------------------------------------ */

#define GEN_POOL      64u
#define GEN_MAX_DEPTH 5u

typedef struct gen_pool {
    vyre_value values[GEN_POOL];
    uint32_t   count;
} gen_pool;

typedef struct gen_variable {
    vyre_local local;
    vyre_type  type;
} gen_variable;

typedef struct gen_state {
    vyre_program *p;
    uint64_t      random;
    unsigned      flags;
    vyre_buffer   buffers[GEN_BUFFERS];
    vyre_buffer   shared, shared_sums; /* workgroup arrays */
    uint32_t      groups[3];
    uint32_t      group_lanes, given;  /* given: u32 values that are there from the start */
    gen_pool      pools[5];            /* by vyre_type */
    gen_variable  locals[GEN_POOL];
    uint32_t      local_count;
    vyre_value    own;                 /* first of the lane's own words */
    vyre_value    lane, local_lane;
    uint32_t      depth, work;         /* work: how often this place runs, at most */
    int           budget;              /* statements still to be written */
    bool          in_loop;
    bool          uniform;             /* all lanes of the workgroup are active here */
    bool          may_return;          /* no barrier follows */
    bool          must_stay;           /* code here may not leave the loop: a barrier follows */
    const vyre_slot_values *slot;      /* of a handler */
    bool          tiles;               /* it is one of workgroups */
} gen_state;

/* What is open to see: to be put back at the end of a block. */
typedef struct gen_scope {
    uint32_t pools[5], locals, work, depth;
    bool     in_loop, uniform, must_stay;
} gen_scope;

static uint32_t gen_below(gen_state *g, uint32_t n)
{
    return (uint32_t)((test_random(&g->random) >> 16) % n);
}

static bool gen_chance(gen_state *g, uint32_t one_in)
{
    return gen_below(g, one_in) == 0;
}

static gen_scope gen_open(gen_state *g)
{
    gen_scope s;
    for (int i = 0; i < 5; i++)
        s.pools[i] = g->pools[i].count;
    s.locals = g->local_count;
    s.work = g->work;
    s.depth = g->depth++;
    s.in_loop = g->in_loop;
    s.uniform = g->uniform;
    s.must_stay = g->must_stay;
    return s;
}

/* Back to the beginning of the block: for its end, and between arms. */
static void gen_close(gen_state *g, const gen_scope *s)
{
    for (int i = 0; i < 5; i++)
        g->pools[i].count = s->pools[i];
    g->local_count = s->locals;
    g->work = s->work;
    g->depth = s->depth;
    g->in_loop = s->in_loop;
    g->uniform = s->uniform;
    g->must_stay = s->must_stay;
}

/* --- values -------------------------------------------------------------- */

static vyre_value gen_u(gen_state *g, uint32_t x)
{
    return vyre_ir_u32(g->p, x);
}

/* Arguments of a C function are evaluated in any order, so the same seed gives
 * the same program everywhere only if one of them at most writes something. */
static vyre_value gen_rem(gen_state *g, vyre_value v, uint32_t n)
{
    return vyre_ir_rem(g->p, v, gen_u(g, n));
}

static vyre_value gen_keep(gen_state *g, vyre_type type, vyre_value v)
{
    gen_pool *pool = &g->pools[type];
    if (pool->count < GEN_POOL)
        pool->values[pool->count++] = v;
    return v;
}

static vyre_value gen_constant(gen_state *g, vyre_type type)
{
    switch (type) {
    case VYRE_TYPE_I32: return vyre_ir_i32(g->p, (int32_t)gen_number(&g->random));
    case VYRE_TYPE_F32: return vyre_ir_f32(g->p, gen_float(&g->random));
    case VYRE_TYPE_BOOL: return vyre_ir_bool(g->p, gen_chance(g, 2));
    default: return gen_u(g, gen_number(&g->random));
    }
}

/* Any value of the type: mostly a recent one. */
static vyre_value gen_any(gen_state *g, vyre_type type)
{
    const gen_pool *pool = &g->pools[type];
    if (pool->count == 0 || gen_chance(g, 6))
        return gen_constant(g, type);
    if (pool->count > 4 && gen_chance(g, 2))
        return pool->values[pool->count - 1 - gen_below(g, 4)];
    return pool->values[gen_below(g, pool->count)];
}

static vyre_type gen_type(gen_state *g)
{
    static const vyre_type types[] = { VYRE_TYPE_U32, VYRE_TYPE_U32, VYRE_TYPE_I32,
                                       VYRE_TYPE_I32, VYRE_TYPE_BOOL, VYRE_TYPE_F32 };
    return types[gen_below(g, g->flags & GEN_F32 ? 6 : 5)];
}

typedef vyre_value (*gen_binary_fn)(vyre_program *p, vyre_value a, vyre_value b);
typedef vyre_value (*gen_unary_fn)(vyre_program *p, vyre_value a);
typedef struct gen_operator {
    gen_binary_fn binary;
    gen_unary_fn  unary;
    vyre_type     a, b, result;
} gen_operator;

#define GEN_U VYRE_TYPE_U32
#define GEN_I VYRE_TYPE_I32
#define GEN_F VYRE_TYPE_F32
#define GEN_B VYRE_TYPE_BOOL
#define GEN_INT2(name) { name, NULL, GEN_U, GEN_U, GEN_U }, { name, NULL, GEN_I, GEN_I, GEN_I }
#define GEN_TEST(name) { name, NULL, GEN_U, GEN_U, GEN_B }, { name, NULL, GEN_I, GEN_I, GEN_B }
#define GEN_INT1(name) { NULL, name, GEN_U, GEN_U, GEN_U }, { NULL, name, GEN_I, GEN_I, GEN_I }

/* Integers and bools. */
static const gen_operator gen_integer_operators[] = {
    GEN_INT2(vyre_ir_add), GEN_INT2(vyre_ir_sub), GEN_INT2(vyre_ir_mul), GEN_INT2(vyre_ir_div),
    GEN_INT2(vyre_ir_rem), GEN_INT2(vyre_ir_and), GEN_INT2(vyre_ir_or), GEN_INT2(vyre_ir_xor),
    GEN_INT2(vyre_ir_min), GEN_INT2(vyre_ir_max),
    { vyre_ir_mul_high, NULL, GEN_U, GEN_U, GEN_U },
    { vyre_ir_shl, NULL, GEN_U, GEN_U, GEN_U }, { vyre_ir_shl, NULL, GEN_I, GEN_U, GEN_I },
    { vyre_ir_shr, NULL, GEN_U, GEN_U, GEN_U }, { vyre_ir_shr, NULL, GEN_I, GEN_U, GEN_I },
    { vyre_ir_rotl, NULL, GEN_U, GEN_U, GEN_U }, { vyre_ir_rotr, NULL, GEN_U, GEN_U, GEN_U },
    GEN_TEST(vyre_ir_eq), GEN_TEST(vyre_ir_ne), GEN_TEST(vyre_ir_lt), GEN_TEST(vyre_ir_le),
    GEN_TEST(vyre_ir_gt), GEN_TEST(vyre_ir_ge),
    { vyre_ir_and, NULL, GEN_B, GEN_B, GEN_B }, { vyre_ir_or, NULL, GEN_B, GEN_B, GEN_B },
    { vyre_ir_xor, NULL, GEN_B, GEN_B, GEN_B }, { vyre_ir_eq, NULL, GEN_B, GEN_B, GEN_B },
    { vyre_ir_ne, NULL, GEN_B, GEN_B, GEN_B },
    GEN_INT1(vyre_ir_neg), GEN_INT1(vyre_ir_not), GEN_INT1(vyre_ir_abs), GEN_INT1(vyre_ir_sign),
    GEN_INT1(vyre_ir_popcount), GEN_INT1(vyre_ir_clz), GEN_INT1(vyre_ir_ctz),
    GEN_INT1(vyre_ir_reverse), GEN_INT1(vyre_ir_uniform),
    { NULL, vyre_ir_not, GEN_B, GEN_B, GEN_B }, { NULL, vyre_ir_uniform, GEN_B, GEN_B, GEN_B }
};

static const gen_operator gen_float_operators[] = {
    { vyre_ir_add, NULL, GEN_F, GEN_F, GEN_F }, { vyre_ir_sub, NULL, GEN_F, GEN_F, GEN_F },
    { vyre_ir_mul, NULL, GEN_F, GEN_F, GEN_F }, { vyre_ir_min, NULL, GEN_F, GEN_F, GEN_F },
    { vyre_ir_max, NULL, GEN_F, GEN_F, GEN_F }, { vyre_ir_eq, NULL, GEN_F, GEN_F, GEN_B },
    { vyre_ir_ne, NULL, GEN_F, GEN_F, GEN_B }, { vyre_ir_lt, NULL, GEN_F, GEN_F, GEN_B },
    { vyre_ir_le, NULL, GEN_F, GEN_F, GEN_B }, { vyre_ir_gt, NULL, GEN_F, GEN_F, GEN_B },
    { vyre_ir_ge, NULL, GEN_F, GEN_F, GEN_B }, { NULL, vyre_ir_neg, GEN_F, GEN_F, GEN_F },
    { NULL, vyre_ir_abs, GEN_F, GEN_F, GEN_F }, { NULL, vyre_ir_sign, GEN_F, GEN_F, GEN_F },
    { NULL, vyre_ir_floor, GEN_F, GEN_F, GEN_F }, { NULL, vyre_ir_ceil, GEN_F, GEN_F, GEN_F },
    { NULL, vyre_ir_round, GEN_F, GEN_F, GEN_F }, { NULL, vyre_ir_trunc, GEN_F, GEN_F, GEN_F },
    { NULL, vyre_ir_is_nan, GEN_F, GEN_F, GEN_B }, { NULL, vyre_ir_is_inf, GEN_F, GEN_F, GEN_B }
};

static void gen_operate(gen_state *g)
{
    const bool f32 = (g->flags & GEN_F32) && gen_chance(g, 4);
    const gen_operator *o =
        f32 ? &gen_float_operators[gen_below(g, sizeof gen_float_operators / sizeof *o)]
            : &gen_integer_operators[gen_below(g, sizeof gen_integer_operators / sizeof *o)];
    const vyre_value a = gen_any(g, o->a);
    if (o->unary)
        gen_keep(g, o->result, o->unary(g->p, a));
    else
        gen_keep(g, o->result, o->binary(g->p, a, gen_any(g, o->b)));
}

static void gen_convert(gen_state *g)
{
    const vyre_type from = gen_type(g), to = gen_type(g);
    const vyre_value a = gen_any(g, from);
    /* The bits of an f32 may differ where its value may not: keep them out of integers. */
    const bool bits = from != GEN_B && to != GEN_B && from != GEN_F && to != GEN_F;
    if (from == to || !bits || gen_chance(g, 2))
        gen_keep(g, to, vyre_ir_cast(g->p, to, a));
    else
        gen_keep(g, to, vyre_ir_bitcast(g->p, to, a));
}

static void gen_choose(gen_state *g)
{
    const vyre_type type = gen_type(g);
    const vyre_value c = gen_any(g, GEN_B);
    const vyre_value a = gen_any(g, type), b = gen_any(g, type);
    gen_keep(g, type, vyre_ir_select(g->p, c, a, b));
}

static void gen_variable_use(gen_state *g)
{
    if (g->local_count == 0 || (g->local_count < GEN_POOL && gen_chance(g, 6))) {
        gen_variable *v = &g->locals[g->local_count];
        v->type = gen_type(g);
        v->local = vyre_ir_local(g->p, v->type, gen_any(g, v->type), NULL);
        g->local_count++;
        return;
    }
    const gen_variable *v = &g->locals[gen_below(g, g->local_count)];
    if (gen_chance(g, 2))
        vyre_ir_set(g->p, v->local, gen_any(g, v->type));
    else
        gen_keep(g, v->type, vyre_ir_get(g->p, v->local));
}

/* --- memory -------------------------------------------------------------- */

/* One of the lane's own words; near the end of the dispatch the buffers may be
 * too short for it. */
static vyre_value gen_own_index(gen_state *g)
{
    const vyre_value word = gen_chance(g, 2) ? gen_u(g, gen_below(g, GEN_OWN))
                                             : gen_rem(g, gen_any(g, GEN_U), GEN_OWN);
    return vyre_ir_add(g->p, g->own, word);
}

/* An index into something of about `near` words: mostly inside.  Never a
 * literal, for one that misses a declared count is refused. */
static vyre_value gen_index(gen_state *g, uint32_t near)
{
    const vyre_value i = gen_any(g, GEN_U);
    return gen_chance(g, 5) ? vyre_ir_add(g->p, i, g->lane) : gen_rem(g, i, near);
}

static void gen_load(gen_state *g)
{
    static const struct { uint32_t buffer; vyre_type type; bool own; } rows[] = {
        { GEN_WORDS, GEN_U, true }, { GEN_INTS, GEN_I, true }, { GEN_BOOLS, GEN_B, true },
        { GEN_IN, GEN_U, false }, { GEN_IN_INTS, GEN_I, false }, { GEN_IN_BOOLS, GEN_B, false },
        { GEN_FLOATS, GEN_F, true }, { GEN_IN_FLOATS, GEN_F, false }
    };
    const uint32_t row = gen_below(g, g->flags & GEN_F32 ? 8 : 6);
    const vyre_value i = rows[row].own ? gen_own_index(g) : gen_index(g, 40);
    gen_keep(g, rows[row].type, vyre_ir_load(g->p, g->buffers[rows[row].buffer], i));
}

static void gen_store(gen_state *g)
{
    static const struct { uint32_t buffer; vyre_type type; } rows[] = {
        { GEN_WORDS, GEN_U }, { GEN_INTS, GEN_I }, { GEN_BOOLS, GEN_B }, { GEN_FLOATS, GEN_F }
    };
    const uint32_t row = gen_below(g, g->flags & GEN_F32 ? 4 : 3);
    const vyre_value i = gen_own_index(g);
    vyre_ir_store(g->p, g->buffers[rows[row].buffer], i, gen_any(g, rows[row].type));
}

/* Calls that are made of several instructions. */
static void gen_bytes(gen_state *g)
{
    typedef vyre_value (*load_fn)(vyre_program *p, vyre_buffer buffer, vyre_value byte);
    static const load_fn loads[] = { vyre_ir_load_u8, vyre_ir_load_u16, vyre_ir_load_i8,
                                     vyre_ir_load_i16 };
    const uint32_t how = gen_below(g, 4);
    const bool ints = gen_chance(g, 3), own = gen_chance(g, 2);
    const vyre_value word = own ? gen_own_index(g) : gen_index(g, 40);
    const vyre_value first = vyre_ir_mul(g->p, word, gen_u(g, 4));
    const vyre_value byte = vyre_ir_add(g->p, first, gen_rem(g, gen_any(g, GEN_U), 4));
    if (own && (g->flags & GEN_ATOMICS) && gen_chance(g, 2)) {
        const vyre_buffer b = g->buffers[ints && !(g->flags & GEN_SAID) ? GEN_INTS : GEN_WORDS];
        const vyre_value data = gen_any(g, ints ? GEN_I : GEN_U);
        if (how & 1)
            vyre_ir_store_u16(g->p, b, byte, data);
        else
            vyre_ir_store_u8(g->p, b, byte, data);
        return;
    }
    const uint32_t from = own ? ints ? GEN_INTS : GEN_WORDS : ints ? GEN_IN_INTS : GEN_IN;
    gen_keep(g, how & 2 ? GEN_I : GEN_U, loads[how](g->p, g->buffers[from], byte));
}

/* An f16 is between 2 and 4, or its negative: sums stay exact. */
static void gen_half(gen_state *g)
{
    const vyre_value some = vyre_ir_and(g->p, gen_any(g, GEN_U), gen_u(g, 0x83c0));
    const vyre_value half = vyre_ir_or(g->p, some, gen_u(g, 0x4000));
    gen_keep(g, GEN_F, vyre_ir_unpack_half(g->p, half));
    const vyre_value low = vyre_ir_abs(g->p, gen_any(g, GEN_F)); /* a zero's sign may differ */
    const vyre_value high = vyre_ir_abs(g->p, gen_any(g, GEN_F));
    gen_keep(g, GEN_U, vyre_ir_pack_half(g->p, low, high));
}

static void gen_made(gen_state *g)
{
    const bool f32 = (g->flags & GEN_F32) && gen_chance(g, 3);
    const vyre_type type = f32 ? GEN_F : gen_chance(g, 2) ? GEN_U : GEN_I;
    if (f32 && !(g->flags & GEN_SAID) && gen_chance(g, 2)) {
        gen_half(g);
        return;
    }
    const vyre_value a = gen_any(g, type), b = gen_any(g, type);
    if (f32 && gen_chance(g, 2))
        gen_keep(g, GEN_F, vyre_ir_round_away(g->p, a));
    else if (f32 || gen_chance(g, 4))
        gen_keep(g, type, vyre_ir_clamp(g->p, a, b, gen_any(g, type)));
    else if (gen_chance(g, 3))
        gen_keep(g, GEN_U, vyre_ir_udot4(g->p, a, b));
    else if (gen_chance(g, 2))
        gen_keep(g, GEN_I, vyre_ir_sdot4(g->p, a, b));
    else
        gen_bytes(g);
}

/* 64 bits: two pairs of words, an operator, and the words of what it gives. */
static void gen_pair(gen_state *g)
{
    static const gen_binary_fn binaries[] = {
        vyre_ir_add, vyre_ir_sub, vyre_ir_mul, vyre_ir_div, vyre_ir_rem, vyre_ir_min, vyre_ir_max,
        vyre_ir_xor
    };
    static const gen_unary_fn unaries[] = { vyre_ir_neg, vyre_ir_abs, vyre_ir_sign, vyre_ir_clz,
                                            vyre_ir_ctz, vyre_ir_popcount };
    const vyre_type type = gen_chance(g, 2) ? VYRE_TYPE_U64 : VYRE_TYPE_I64;
    const vyre_value low = gen_any(g, GEN_U), high = gen_any(g, GEN_U), other = gen_any(g, GEN_U);
    vyre_value a = vyre_ir_pair(g->p, type, low, high);
    const vyre_value b = vyre_ir_cast(g->p, type, gen_any(g, gen_chance(g, 2) ? GEN_U : GEN_I));
    switch (gen_below(g, 6)) {
    case 0: gen_keep(g, GEN_B, vyre_ir_lt(g->p, a, b)); return;
    case 1: gen_keep(g, GEN_B, vyre_ir_eq(g->p, a, b)); return;
    case 2: a = vyre_ir_shl(g->p, a, other); break;
    case 3: a = vyre_ir_shr(g->p, a, other); break;
    case 4: a = unaries[gen_below(g, 6)](g->p, a); break;
    default: a = binaries[gen_below(g, 8)](g->p, a, b); break;
    }
    if ((g->flags & GEN_F32) && !(g->flags & GEN_SAID) && gen_chance(g, 4))
        gen_keep(g, GEN_F, vyre_ir_cast(g->p, GEN_F, a));
    gen_keep(g, GEN_U, vyre_ir_low(g->p, a));
    gen_keep(g, GEN_U, vyre_ir_high(g->p, a));
}

static vyre_order gen_order(gen_state *g)
{
    return (vyre_order)gen_below(g, 4);
}

/* On a word of the lane's own: any operator, and the result counts. */
static void gen_atomic_own(gen_state *g)
{
    const bool ints = gen_chance(g, 2) && !(g->flags & GEN_SAID);
    const vyre_buffer b = g->buffers[ints ? GEN_INTS : GEN_WORDS];
    const vyre_type type = ints ? GEN_I : GEN_U;
    const vyre_value i = gen_own_index(g);
    const vyre_value x = gen_any(g, type), y = gen_any(g, type);
    switch (gen_below(g, 6)) {
    case 0:
        gen_keep(g, type, vyre_ir_atomic_cas(g->p, b, i, x, y, gen_order(g)));
        return;
    case 1:
        gen_keep(g, type, vyre_ir_atomic_load(g->p, b, i, (vyre_order)gen_below(g, 2)));
        return;
    case 2:
        vyre_ir_atomic_store(g->p, b, i, x,
                             gen_chance(g, 2) ? VYRE_ORDER_RELAXED : VYRE_ORDER_RELEASE);
        return;
    default: {
        const vyre_atomic_op op = (vyre_atomic_op)gen_below(g, VYRE_ATOMIC_OP_COUNT);
        gen_keep(g, type, vyre_ir_atomic(g->p, op, b, i, x, gen_order(g)));
        return;
    }
    }
}

/* Operators that commute with themselves; each has 8 words. */
static const vyre_atomic_op gen_commuting[] = {
    VYRE_ATOMIC_ADD, VYRE_ATOMIC_AND, VYRE_ATOMIC_OR, VYRE_ATOMIC_XOR, VYRE_ATOMIC_MIN,
    VYRE_ATOMIC_MAX
};
#define GEN_COMMUTING 6u

static void gen_atomic_into(gen_state *g, vyre_buffer b, vyre_type type)
{
    const uint32_t op = gen_below(g, GEN_COMMUTING);
    const vyre_value word = gen_rem(g, gen_any(g, GEN_U), 8);
    const vyre_value i = vyre_ir_add(g->p, word, gen_u(g, op * 8));
    const vyre_atomic_op what = op == 0 && gen_chance(g, 2) ? VYRE_ATOMIC_SUB : gen_commuting[op];
    const vyre_value x = gen_any(g, type);
    (void)vyre_ir_atomic(g->p, what, b, i, x, gen_order(g));
}

static void gen_atomic(gen_state *g)
{
    if (gen_chance(g, 2))
        gen_atomic_own(g);
    else if (gen_chance(g, 2) || (g->flags & GEN_SAID))
        gen_atomic_into(g, g->buffers[GEN_SUMS], GEN_U);
    else
        gen_atomic_into(g, g->buffers[GEN_SUMS_I], GEN_I);
}

/* --- subgroups ----------------------------------------------------------- */

static void gen_subgroup(gen_state *g)
{
    static const vyre_reduce_op ops[] = { VYRE_REDUCE_ADD, VYRE_REDUCE_MIN, VYRE_REDUCE_MAX,
                                          VYRE_REDUCE_AND, VYRE_REDUCE_OR, VYRE_REDUCE_XOR };
    const vyre_type type = gen_chance(g, 2) ? GEN_U : GEN_I;
    const vyre_reduce_op op = ops[gen_below(g, 6)];
    uint32_t which = gen_below(g, g->uniform ? 7 : 6);
    if ((g->flags & GEN_SAID) && which >= 1 && which <= 4)
        which = 5;
    switch (which) {
    case 0: gen_keep(g, GEN_U, vyre_ir_ballot(g->p, gen_any(g, GEN_B))); break;
    case 1: gen_keep(g, GEN_B, vyre_ir_elect(g->p)); break;
    case 2: gen_keep(g, GEN_B, vyre_ir_any(g->p, gen_any(g, GEN_B))); break;
    case 3: gen_keep(g, GEN_B, vyre_ir_all(g->p, gen_any(g, GEN_B))); break;
    case 4: gen_keep(g, type, vyre_ir_broadcast_first(g->p, gen_any(g, type))); break;
    case 5: gen_keep(g, type, vyre_ir_reduce(g->p, op, gen_any(g, type))); break;
    default: {
        const vyre_value size = vyre_ir_builtin(g->p, VYRE_BUILTIN_SUBGROUP_SIZE);
        const vyre_value from = vyre_ir_rem(g->p, gen_any(g, GEN_U), size);
        gen_keep(g, type, vyre_ir_shuffle(g->p, gen_any(g, type), from));
        break;
    }
    }
}

/* --- answers of handlers ------------------------------------------------- */

/* Each word has one reduction, the last of a GROUP what lane 0 of tile 0 says.  A
 * handler has one fault, for it is open which of several comes first. */
static void gen_answer(gen_state *g)
{
    static const struct { vyre_atomic_op op; vyre_type type; } words[] = {
        { VYRE_ATOMIC_ADD, GEN_U }, { VYRE_ATOMIC_MIN, GEN_U }, { VYRE_ATOMIC_MAX, GEN_U },
        { VYRE_ATOMIC_AND, GEN_U }, { VYRE_ATOMIC_OR, GEN_U }, { VYRE_ATOMIC_XOR, GEN_U },
        { VYRE_ATOMIC_ADD, GEN_I }, { VYRE_ATOMIC_MIN, GEN_I }, { VYRE_ATOMIC_MAX, GEN_I }
    };
    const uint32_t word = gen_below(g, 12);
    if (word < 9) {
        vyre_emit_reduce(g->p, g->slot, word, words[word].op, gen_any(g, words[word].type));
    } else if (word == 9 && g->tiles) {
        vyre_emit_result(g->p, g->slot, word, gen_any(g, GEN_U));
    } else if (word == 10 && gen_chance(g, 2) && !(g->flags & GEN_STRAIGHT)) {
        vyre_ir_if(g->p, gen_any(g, GEN_B));
        vyre_emit_fault(g->p, g->slot, gen_u(g, VYRE_FAULT_USER + 7));
        vyre_ir_end(g->p);
    }
}

/* --- limits of loops ----------------------------------------------------- */

static void gen_limit(gen_state *g)
{
    const uint32_t most = 1 + gen_below(g, 12);
    switch (gen_below(g, 3)) {
    case 0: gen_keep(g, GEN_U, vyre_ir_builtin(g->p, VYRE_BUILTIN_LOOP_LEFT)); break;
    case 1: gen_keep(g, GEN_B, vyre_ir_builtin(g->p, VYRE_BUILTIN_LOOP_CUT)); break;
    default: vyre_ir_loop_allow(g->p, gen_rem(g, gen_any(g, GEN_U), most)); break;
    }
}

/* --- blocks -------------------------------------------------------------- */

static void gen_statements(gen_state *g, uint32_t count);

/* Ends the current arm by leaving; only inside an if or a switch. */
static void gen_leave(gen_state *g)
{
    const bool may_leave_loop = g->in_loop && !g->must_stay && !(g->flags & GEN_SAID);
    if (may_leave_loop && gen_chance(g, 2))
        vyre_ir_break(g->p);
    else if (may_leave_loop && gen_chance(g, 2))
        vyre_ir_continue(g->p);
    else if (g->may_return && (g->flags & GEN_LOOPS) && gen_chance(g, 3))
        vyre_ir_return(g->p);
}

static void gen_if(gen_state *g)
{
    vyre_ir_if(g->p, gen_any(g, GEN_B));
    const gen_scope s = gen_open(g);
    const uint32_t leaves = gen_below(g, 6); /* 0: the first arm, 1: the second */
    g->uniform = false;
    gen_statements(g, gen_below(g, 6));
    if (leaves == 0)
        gen_leave(g);
    gen_close(g, &s);
    if (gen_chance(g, 2)) {
        vyre_ir_else(g->p);
        (void)gen_open(g);
        g->uniform = false;
        gen_statements(g, gen_below(g, 6));
        if (leaves == 1)
            gen_leave(g);
        gen_close(g, &s);
    }
    vyre_ir_end(g->p);
}

static void gen_switch(gen_state *g)
{
    const uint32_t arms = gen_below(g, 5), keep = gen_below(g, arms + 1);
    const uint32_t by_default = gen_below(g, 8); /* its place, if below `arms` */
    const uint32_t spread = 2 + gen_below(g, 5);
    const vyre_value v = gen_any(g, GEN_U);
    vyre_ir_switch(g->p, gen_chance(g, 4) ? v : gen_rem(g, v, spread));
    const gen_scope s = gen_open(g);
    for (uint32_t i = 0; i <= arms; i++) {
        if (i == by_default)
            vyre_ir_default(g->p);
        else if (i == 4)
            vyre_ir_case(g->p, 0xffffffffu);
        else
            vyre_ir_case(g->p, i);
        (void)gen_open(g);
        g->uniform = false;
        gen_statements(g, gen_below(g, 4));
        if (i != keep && gen_chance(g, 6))
            gen_leave(g);
        gen_close(g, &s);
        g->depth = s.depth + 1;
    }
    gen_close(g, &s);
    vyre_ir_end(g->p);
}

static void gen_counted(gen_state *g)
{
    const uint32_t most = 1 + gen_below(g, 5);
    vyre_value from = gen_chance(g, 3) ? gen_any(g, GEN_U) : gen_u(g, gen_below(g, 4));
    if (gen_chance(g, 8))
        from = gen_u(g, 0xfffffff8u + gen_below(g, 8));
    const vyre_value n = gen_rem(g, gen_any(g, GEN_U), most + 1);
    const vyre_value to = vyre_ir_add(g->p, from, n);
    const gen_scope s = gen_open(g);
    gen_keep(g, GEN_U, vyre_ir_loop(g->p, from, to));
    g->work *= most + 1;
    g->in_loop = true;
    g->uniform = g->must_stay = false;
    gen_statements(g, 1 + gen_below(g, 6));
    gen_close(g, &s);
    vyre_ir_end(g->p);
}

/* Leaves by itself after a few iterations, counted first thing in each. */
static void gen_endless(gen_state *g)
{
    const uint32_t most = 1 + gen_below(g, 5);
    const vyre_local n = vyre_ir_local(g->p, GEN_U, gen_u(g, 0), "n");
    const gen_scope s = gen_open(g);
    vyre_ir_forever(g->p);
    const vyre_value now = gen_keep(g, GEN_U, vyre_ir_get(g->p, n));
    vyre_ir_if(g->p, vyre_ir_ge(g->p, now, gen_u(g, most)));
    vyre_ir_break(g->p);
    vyre_ir_end(g->p);
    vyre_ir_set(g->p, n, vyre_ir_add(g->p, now, gen_u(g, 1)));
    g->work *= most + 1;
    g->in_loop = true;
    g->uniform = g->must_stay = false;
    gen_statements(g, 1 + gen_below(g, 6));
    gen_close(g, &s);
    vyre_ir_end(g->p);
}

/* All lanes write into the workgroup arrays, meet, read, and meet again. */
static void gen_exchange(gen_state *g)
{
    const uint32_t lanes = g->group_lanes;
    const vyre_value second = vyre_ir_add(g->p, g->local_lane, gen_u(g, lanes));
    vyre_ir_store(g->p, g->shared, g->local_lane, gen_any(g, GEN_U));
    vyre_ir_store(g->p, g->shared, second, gen_any(g, GEN_U));
    if ((g->flags & GEN_ATOMICS) && !(g->flags & GEN_SAID))
        gen_atomic_into(g, g->shared_sums, GEN_I);
    vyre_ir_barrier(g->p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
    for (uint32_t i = gen_below(g, 3) + 1; i > 0; i--)
        gen_keep(g, GEN_U, vyre_ir_load(g->p, g->shared, gen_index(g, 2 * lanes)));
    gen_keep(g, GEN_I, vyre_ir_load(g->p, g->shared_sums, gen_index(g, 8 * GEN_COMMUTING)));
    vyre_ir_barrier(g->p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
}

/* At the outermost level, or in a loop that all lanes run equally often. */
static void gen_meeting(gen_state *g)
{
    if ((g->flags & GEN_LIMITS) || !gen_chance(g, 3)) {
        gen_exchange(g);
        return;
    }
    const gen_scope s = gen_open(g);
    const uint32_t rounds = 1 + gen_below(g, 3);
    const vyre_value from = gen_u(g, 2), to = gen_u(g, 2 + rounds);
    gen_keep(g, GEN_U, vyre_ir_loop(g->p, from, to));
    g->work *= rounds;
    g->in_loop = g->must_stay = true;
    gen_statements(g, gen_below(g, 3));
    gen_exchange(g);
    gen_statements(g, gen_below(g, 3));
    gen_close(g, &s);
    vyre_ir_end(g->p);
}

static void gen_block(gen_state *g)
{
    const bool deep = g->depth >= GEN_MAX_DEPTH;
    const bool loops = (g->flags & GEN_LOOPS) && g->work * 6 <= GEN_MAX_WORK;
    if (deep)
        gen_choose(g);
    else if (loops && gen_chance(g, 3))
        gen_counted(g);
    else if (loops && !(g->flags & GEN_SAID) && gen_chance(g, 4))
        gen_endless(g);
    else if (gen_chance(g, 4))
        gen_switch(g);
    else
        gen_if(g);
}

static void gen_statement(gen_state *g)
{
    const bool subgroups = (g->flags & GEN_SUBGROUPS) && (g->uniform || (g->flags & GEN_DIVERGENT));
    switch (gen_below(g, 16)) {
    case 0: case 1: gen_load(g); break;
    case 2: gen_store(g); break;
    case 3: gen_convert(g); break;
    case 4: gen_choose(g); break;
    case 5: case 6:
        if (!(g->flags & GEN_STRAIGHT))
            gen_variable_use(g);
        break;
    case 7: case 8:
        if (!(g->flags & GEN_STRAIGHT))
            gen_block(g);
        break;
    case 9:
        if (g->flags & GEN_ATOMICS)
            gen_atomic(g);
        break;
    case 10:
        if (subgroups)
            gen_subgroup(g);
        else if (g->flags & GEN_HANDLER)
            gen_answer(g);
        break;
    case 11:
        if (g->flags & GEN_LIMITS)
            gen_limit(g);
        else if (gen_chance(g, 8) && !(g->flags & GEN_SAID))
            vyre_ir_barrier(g->p, VYRE_SCOPE_DEVICE, VYRE_ORDER_ACQ_REL);
        break;
    case 12:
        if (gen_chance(g, 2))
            gen_operate(g);
        else if (gen_chance(g, 4))
            gen_pair(g);
        else
            gen_made(g);
        break;
    default: gen_operate(g); break;
    }
}

static void gen_statements(gen_state *g, uint32_t count)
{
    for (; count > 0 && g->budget > 0; count--) {
        g->budget--;
        gen_statement(g);
    }
}

/* --- the program --------------------------------------------------------- */

static uint32_t gen_power(gen_state *g, uint32_t most)
{
    return 1u << gen_below(g, most + 1);
}

/* With subgroups a workgroup is a whole number of them, along x. */
static void gen_geometry(gen_state *g, gen_shape *shape)
{
    const bool flat = !(g->flags & GEN_3D) || (g->flags & GEN_SUBGROUPS) || gen_chance(g, 2);
    uint32_t *size = shape->group_size, *groups = shape->groups;
    size[0] = g->flags & GEN_SUBGROUPS ? 32u * gen_power(g, 1)
              : gen_chance(g, 2)       ? gen_power(g, 6)
                                       : 1 + gen_below(g, 40);
    size[1] = flat ? 1u : 1 + gen_below(g, 3);
    size[2] = flat ? 1u : 1 + gen_below(g, 2);
    groups[0] = 1 + gen_below(g, 3);
    groups[1] = flat ? 1u : 1 + gen_below(g, 2);
    groups[2] = flat ? 1u : 1 + gen_below(g, 2);
    g->group_lanes = size[0] * size[1] * size[2];
    shape->lanes = g->group_lanes * groups[0] * groups[1] * groups[2];
}

/* A buffer whose bound size, or declared count, or both, may be too small. */
static vyre_buffer_desc gen_buffer(gen_state *g, gen_shape *shape, uint32_t which,
                                   uint32_t words)
{
    static const struct { vyre_type type; vyre_access access; const char *name; } rows[] = {
        { GEN_U, VYRE_ACCESS_WRITE, "result" },    { GEN_U, VYRE_ACCESS_READ_WRITE, "words" },
        { GEN_I, VYRE_ACCESS_READ_WRITE, "ints" }, { GEN_B, VYRE_ACCESS_READ_WRITE, "bools" },
        { GEN_U, VYRE_ACCESS_READ, "in" },         { GEN_I, VYRE_ACCESS_READ, "in_ints" },
        { GEN_B, VYRE_ACCESS_READ, "in_bools" },   { GEN_U, VYRE_ACCESS_READ_WRITE, "sums" },
        { GEN_I, VYRE_ACCESS_READ_WRITE, "sums_i" }, { GEN_F, VYRE_ACCESS_READ_WRITE, "floats" },
        { GEN_F, VYRE_ACCESS_READ, "in_floats" }
    };
    vyre_buffer_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.name = rows[which].name;
    desc.binding = which;
    desc.type = rows[which].type;
    desc.access = rows[which].access;
    if (gen_chance(g, 4))
        desc.count = 1 + gen_below(g, 2 * words);
    const uint32_t bound = gen_chance(g, 4) ? 1 + gen_below(g, words) : words;
    shape->sizes[which] = (size_t)bound * 4 + (gen_chance(g, 8) ? gen_below(g, 4) : 0);
    return desc;
}

static uint32_t gen_words_of(const gen_shape *shape, uint32_t which)
{
    switch (which) {
    case GEN_RESULT: return shape->lanes;
    case GEN_SUMS:
    case GEN_SUMS_I: return 8u * GEN_COMMUTING;
    case GEN_IN:
    case GEN_IN_INTS:
    case GEN_IN_BOOLS:
    case GEN_IN_FLOATS: return 40;
    default: return GEN_OWN * shape->lanes;
    }
}

static void gen_arrays(gen_state *g, vyre_buffer_desc desc[2])
{
    memset(desc, 0, 2 * sizeof *desc);
    desc[0].name = "shared";
    desc[0].type = GEN_U;
    desc[0].count = 2 * g->group_lanes - (gen_chance(g, 4) ? g->group_lanes / 2 : 0);
    desc[1].name = "shared_sums";
    desc[1].type = GEN_I;
    desc[1].count = 8 * GEN_COMMUTING;
    desc[0].access = desc[1].access = VYRE_ACCESS_WORKGROUP;
}

static void gen_declare(gen_state *g, gen_shape *shape)
{
    shape->buffer_count = g->flags & GEN_F32 ? (uint32_t)GEN_BUFFERS : (uint32_t)GEN_FLOATS;
    for (uint32_t i = 0; i < shape->buffer_count; i++) {
        const vyre_buffer_desc desc = gen_buffer(g, shape, i, gen_words_of(shape, i));
        g->buffers[i] = vyre_ir_buffer(g->p, &desc);
    }
    if (g->flags & GEN_WORKGROUP) {
        vyre_buffer_desc arrays[2];
        gen_arrays(g, arrays);
        g->shared = vyre_ir_buffer(g->p, &arrays[0]);
        g->shared_sums = vyre_ir_buffer(g->p, &arrays[1]);
    }
}

static vyre_value gen_group_count(gen_state *g, uint32_t axis)
{
    if (g->flags & GEN_SAID)
        return gen_u(g, g->groups[axis]);
    return vyre_ir_builtin(g->p, (vyre_builtin)(VYRE_BUILTIN_GROUP_COUNT_X + axis));
}

static void gen_seed_values(gen_state *g)
{
    vyre_program *p = g->p;
    const vyre_value groups_x = gen_group_count(g, 0);
    const vyre_value groups_y = gen_group_count(g, 1);
    const vyre_value z = vyre_ir_mul(p, vyre_ir_builtin(p, VYRE_BUILTIN_GROUP_ID_Z), groups_y);
    const vyre_value y = vyre_ir_add(p, z, vyre_ir_builtin(p, VYRE_BUILTIN_GROUP_ID_Y));
    const vyre_value row = vyre_ir_mul(p, y, groups_x);
    const vyre_value x = vyre_ir_add(p, row, vyre_ir_builtin(p, VYRE_BUILTIN_GROUP_ID_X));
    g->local_lane = vyre_ir_builtin(p, VYRE_BUILTIN_LOCAL_INDEX);
    const vyre_value first = vyre_ir_mul(p, x, gen_u(g, g->group_lanes));
    g->lane = vyre_ir_add(p, first, g->local_lane);
    g->own = vyre_ir_mul(p, g->lane, gen_u(g, GEN_OWN));
    gen_keep(g, GEN_U, g->lane);
    for (int what = VYRE_BUILTIN_LOCAL_ID_X; what < VYRE_BUILTIN_GROUP_COUNT_X; what++)
        gen_keep(g, GEN_U, vyre_ir_builtin(p, (vyre_builtin)what));
    for (uint32_t axis = 0; axis < 3; axis++)
        gen_keep(g, GEN_U, gen_group_count(g, axis));
    if (g->flags & GEN_SUBGROUPS)
        gen_keep(g, GEN_U, vyre_ir_builtin(p, VYRE_BUILTIN_SUBGROUP_LANE));
    for (uint32_t i = 1; i < GEN_FLOATS; i++) {
        if (gen_chance(g, 3))
            gen_keep(g, GEN_U, vyre_ir_length(p, g->buffers[i]));
    }
    g->given = g->pools[GEN_U].count;
}

/* Stores a sum of most of what can be seen, so that it counts. */
static void gen_result(gen_state *g)
{
    const vyre_value factor = gen_u(g, 31);
    vyre_value sum = gen_any(g, GEN_U);
    for (uint32_t i = 0; i < g->local_count; i++)
        gen_keep(g, g->locals[i].type, vyre_ir_get(g->p, g->locals[i].local));
    for (int type = VYRE_TYPE_U32; type <= VYRE_TYPE_BOOL; type++) {
        const gen_pool *pool = &g->pools[type];
        for (uint32_t i = type == VYRE_TYPE_U32 ? g->given : 0u; i < pool->count; i++) {
            vyre_value v = pool->values[i];
            if (gen_chance(g, 3)) /* some live shorter */
                continue;
            if (type == VYRE_TYPE_F32)
                v = vyre_ir_cast(g->p, VYRE_TYPE_I32, v);
            if (type != VYRE_TYPE_U32)
                v = vyre_ir_cast(g->p, VYRE_TYPE_U32, v);
            sum = vyre_ir_add(g->p, vyre_ir_mul(g->p, sum, factor), v);
        }
    }
    vyre_ir_store(g->p, g->buffers[GEN_RESULT], g->lane, sum);
}

/* NULL on failure, with the reason in *err.  `allocator` may be NULL. */
GEN_UNUSED static vyre_program *gen_program_quiet(uint64_t seed, unsigned flags,
                                                  const vyre_allocator *allocator,
                                                  gen_shape *shape, vyre_error *err)
{
    gen_state g;
    vyre_program_desc desc;
    memset(&g, 0, sizeof g);
    memset(shape, 0, sizeof *shape);
    memset(&desc, 0, sizeof desc);
    shape->seed = seed;
    g.random = seed;
    g.flags = flags;
    gen_geometry(&g, shape);
    memcpy(g.groups, shape->groups, sizeof g.groups);
    memcpy(desc.workgroup_size, shape->group_size, sizeof desc.workgroup_size);
    desc.name = "random";
    if (allocator)
        desc.allocator = *allocator;
    g.p = vyre_program_create(&desc, err);
    if (!g.p)
        return NULL;

    gen_declare(&g, shape);
    gen_seed_values(&g);
    g.work = 1;
    g.uniform = true;
    g.budget = (flags & GEN_LARGE ? 160 : 40) + (int)gen_below(&g, 40);
    for (uint32_t phases = flags & GEN_WORKGROUP ? gen_below(&g, 3) : 0; phases > 0; phases--) {
        gen_statements(&g, 1 + gen_below(&g, 12));
        gen_meeting(&g);
    }
    g.may_return = true;
    g.uniform = !(flags & GEN_LOOPS);
    gen_statements(&g, 200);
    gen_result(&g);
    if (vyre_program_finish(g.p, err) == VYRE_OK)
        return g.p;
    vyre_program_destroy(g.p);
    return NULL;
}

/* A finished program; NULL and a message on stdout if it is refused, which is
 * a mistake of the generator or of the library. */
GEN_UNUSED static vyre_program *gen_program(uint64_t seed, unsigned flags,
                                            const vyre_allocator *allocator, gen_shape *shape)
{
    vyre_error err;
    vyre_program *p = gen_program_quiet(seed, flags, allocator, shape, &err);
    if (!p)
        printf("NOTE gen_program(0x%llx, %u): %s; %s\n", (unsigned long long)seed, flags, err.text,
               err.fix);
    return p;
}

/* --- handlers of many lanes ----------------------------------------------- */

/* What is given to gen_handler_emit as `user`.  The kernel's buffers are those of
 * gen_handler_buffers: bindings GEN_FIRST_BINDING and up, and two arrays of the
 * workgroup, of `lanes` lanes. */
typedef struct gen_handler {
    uint64_t seed;
    unsigned flags; /* GEN_HANDLER is added */
    bool     tiles;
    uint32_t lanes;
} gen_handler;

#define GEN_FIRST_BINDING 4u

/* `desc` has room for GEN_BUFFERS + 2; how many there are.  The shape's memory is for
 * `most` indexes of a range, or lanes of all tiles, of these. */
GEN_UNUSED static uint32_t gen_handler_buffers(uint64_t seed, uint32_t group_lanes,
                                               uint32_t most, vyre_buffer_desc *desc,
                                               gen_shape *shape)
{
    gen_state g;
    memset(&g, 0, sizeof g);
    memset(shape, 0, sizeof *shape);
    g.random = shape->seed = seed;
    g.group_lanes = group_lanes;
    shape->lanes = most;
    shape->buffer_count = GEN_FLOATS;
    for (uint32_t i = 0; i < GEN_FLOATS; i++) {
        desc[i] = gen_buffer(&g, shape, i, gen_words_of(shape, i));
        desc[i].binding = GEN_FIRST_BINDING + i;
    }
    gen_arrays(&g, desc + GEN_FLOATS);
    return GEN_FLOATS + 2;
}

static void gen_handler_values(gen_state *g)
{
    const vyre_slot_values *s = g->slot;
    vyre_program *p = g->p;
    g->local_lane = s->lane;
    g->lane = g->tiles ? vyre_ir_add(p, vyre_ir_mul(p, s->index, s->lanes), s->lane) : s->index;
    g->own = vyre_ir_mul(p, g->lane, gen_u(g, GEN_OWN));
    gen_keep(g, GEN_U, g->lane);
    gen_keep(g, GEN_U, s->index);
    gen_keep(g, GEN_U, s->opcode);
    gen_keep(g, GEN_U, s->tenant);
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++) {
        if (gen_chance(g, 2))
            gen_keep(g, GEN_U, s->arg[i]);
    }
    g->given = g->pools[GEN_U].count;
}

/* A meeting that all lanes come to or none: the slot, the tile and constants decide. */
static void gen_meeting_of_tile(gen_state *g)
{
    const vyre_value word = g->slot->arg[gen_below(g, VYRE_MAX_ARGS)];
    const vyre_value both = vyre_ir_add(g->p, word, g->slot->index);
    const vyre_value some = gen_rem(g, both, 3);
    const vyre_value none = gen_u(g, 0);
    const gen_scope s = gen_open(g);
    if (gen_chance(g, 2)) {
        vyre_ir_if(g->p, vyre_ir_ne(g->p, some, none));
    } else {
        (void)vyre_ir_loop(g->p, none, some);
        g->work *= 3;
        g->in_loop = true;
    }
    g->must_stay = true;
    gen_statements(g, gen_below(g, 3));
    gen_exchange(g);
    gen_close(g, &s);
    vyre_ir_end(g->p);
}

GEN_UNUSED static void gen_handler_emit(vyre_program *p, const vyre_slot_values *slot,
                                        void *user)
{
    const gen_handler *h = (const gen_handler *)user;
    gen_state g;
    memset(&g, 0, sizeof g);
    g.p = p;
    g.slot = slot;
    g.random = h->seed;
    g.flags = h->flags | GEN_HANDLER;
    g.tiles = h->tiles;
    g.group_lanes = h->lanes;
    memcpy(g.buffers, slot->buffers, GEN_FLOATS * sizeof g.buffers[0]);
    g.shared = slot->buffers[GEN_FLOATS];
    g.shared_sums = slot->buffers[GEN_FLOATS + 1];
    gen_handler_values(&g);
    g.work = 1;
    g.budget = g.flags & GEN_STRAIGHT ? 12 : 30 + (int)gen_below(&g, 30);
    for (uint32_t phases = h->tiles ? gen_below(&g, 3) : 0; phases > 0; phases--) {
        gen_statements(&g, 1 + gen_below(&g, 8));
        if (gen_chance(&g, 2))
            gen_meeting(&g);
        else
            gen_meeting_of_tile(&g);
    }
    gen_statements(&g, 100);
    gen_answer(&g);
    gen_result(&g);
}

#endif

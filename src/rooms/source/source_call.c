/* ==========================================================================
 * source: calls, and the functions that are built in
 * ======================================================================= */
#include "rooms/source/source_impl.h"

#ifndef VYRE_NO_SOURCE

typedef struct vyi_call_row vyi_call_row;
typedef vyi_operand (*vyi_call_fn)(vyi_source *s, const vyi_call_row *row, vyi_operand *a);

/* What happens to the arguments before `make` sees them. */
typedef enum vyi_call_takes {
    VYI_TAKES_ANY = 0,  /* loaded */
    VYI_TAKES_FLOAT,    /* all become float */
    VYI_TAKES_NUMBER,   /* one type: int, uint or float */
    VYI_TAKES_SIGNED,   /* one type: int or float */
    VYI_TAKES_INTEGER,  /* the first is int or uint; the others are too */
    VYI_TAKES_PLACE     /* the first is an element of a buffer */
} vyi_call_takes;

struct vyi_call_row {
    const char  *name;
    uint8_t      count; /* of arguments */
    uint8_t      takes;
    uint8_t      sub;   /* vyi_unary, vyi_binary, vyre_atomic_op .. */
    uint8_t      needs; /* VYI_SOURCE_* */
    vyi_call_fn  make;
    vyi_source_unary_fn  one;
    vyi_source_binary_fn two;
};

/* --- arithmetic ---------------------------------------------------------- */

#define VYI_ADD(a, b) VYI_SOURCE_OP2(s, ADD, add, a, b)
#define VYI_SUB(a, b) VYI_SOURCE_OP2(s, SUB, sub, a, b)
#define VYI_MUL(a, b) VYI_SOURCE_OP2(s, MUL, mul, a, b)
#define VYI_DIV(a, b) VYI_SOURCE_OP2(s, DIV, div, a, b)

static vyi_operand vyi_call_f32(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return vyi_source_constant(VYRE_TYPE_F32, bits, 0);
}

static vyi_operand vyi_call_one(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    return vyi_source_op1(s, (vyi_unary)row->sub, row->one, a[0]);
}

static vyi_operand vyi_call_two(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    return vyi_source_op2(s, (vyi_binary)row->sub, row->two, a[0], a[1]);
}

static vyi_operand vyi_call_clamp(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    (void)row;
    const vyi_operand low = VYI_SOURCE_OP2(s, MAX, max, a[0], a[1]);
    return VYI_SOURCE_OP2(s, MIN, min, low, a[2]);
}

static vyi_operand vyi_call_fma(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    (void)row;
    const vyre_value x = vyi_source_id(s, &a[0]), y = vyi_source_id(s, &a[1]);
    vyre_value value = vyi_source_id(s, &a[2]);
    if (!s->mute)
        value = vyre_ir_fma(s->p, x, y, value);
    return vyi_source_made(VYRE_TYPE_F32, value, a[0].at);
}

/* One of two numbers, or between them. */
static vyi_operand vyi_call_mix(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    (void)row;
    if (a[2].type == VYRE_TYPE_BOOL)
        return vyi_source_common(s, &a[0], &a[1], "mix") ? vyi_source_select(s, a[2], a[1], a[0])
                                                         : vyi_source_wrong(a[0].at);
    for (unsigned i = 0; i < 3; i++)
        a[i] = vyi_source_convert(s, VYRE_TYPE_F32, a[i], "what mix() takes");
    const vyi_operand rest = VYI_SUB(vyi_call_f32(1), a[2]);
    const vyi_operand x = VYI_MUL(a[0], rest);
    const vyi_operand y = VYI_MUL(a[1], a[2]);
    return VYI_ADD(x, y);
}

static vyi_operand vyi_call_step(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    (void)row;
    const vyi_operand below = VYI_SOURCE_OP2(s, LT, lt, a[1], a[0]);
    return vyi_source_select(s, below, vyi_call_f32(0), vyi_call_f32(1));
}

static vyi_operand vyi_call_smoothstep(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    const vyi_operand over = VYI_SUB(a[2], a[0]);
    const vyi_operand width = VYI_SUB(a[1], a[0]);
    vyi_operand part[3];
    part[0] = VYI_DIV(over, width);
    part[1] = vyi_call_f32(0);
    part[2] = vyi_call_f32(1);
    const vyi_operand t = vyi_call_clamp(s, row, part);
    const vyi_operand twice = VYI_MUL(vyi_call_f32(2), t);
    const vyi_operand rest = VYI_SUB(vyi_call_f32(3), twice);
    const vyi_operand square = VYI_MUL(t, t);
    return VYI_MUL(square, rest);
}

static vyi_operand vyi_call_fract(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    (void)row;
    const vyi_operand whole = VYI_SOURCE_OP1(s, FLOOR, floor, a[0]);
    return VYI_SUB(a[0], whole);
}

static vyi_operand vyi_call_mod(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    (void)row;
    const vyi_operand ratio = VYI_DIV(a[0], a[1]);
    const vyi_operand whole = VYI_SOURCE_OP1(s, FLOOR, floor, ratio);
    const vyi_operand back = VYI_MUL(a[1], whole);
    return VYI_SUB(a[0], back);
}

static vyi_operand vyi_call_pow(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    (void)row;
    const vyi_operand log = VYI_SOURCE_OP1(s, LOG2, log2, a[0]);
    const vyi_operand power = VYI_MUL(a[1], log);
    return VYI_SOURCE_OP1(s, EXP2, exp2, power);
}

/* radians() and degrees() */
static vyi_operand vyi_call_scale(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    return VYI_MUL(a[0], vyi_call_f32(row->sub ? 57.295779513f : 0.0174532925199f));
}

/* sinh and cosh: (e^x -+ e^-x) / 2; tanh is one by the other. */
static vyi_operand vyi_call_hyperbolic(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    const vyi_operand opposite = VYI_SOURCE_OP1(s, NEG, neg, a[0]);
    const vyi_operand grows = VYI_SOURCE_OP1(s, EXP, exp, a[0]);
    const vyi_operand falls = VYI_SOURCE_OP1(s, EXP, exp, opposite);
    const vyi_operand both = row->sub == 0 ? VYI_SUB(grows, falls) : VYI_ADD(grows, falls);
    return VYI_MUL(both, vyi_call_f32(0.5f));
}

/* 1 - 2 / (e^2x + 1), which stays within -1 and 1 */
static vyi_operand vyi_call_tanh(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    (void)row;
    const vyi_operand twice = VYI_ADD(a[0], a[0]);
    const vyi_operand power = VYI_SOURCE_OP1(s, EXP, exp, twice);
    const vyi_operand more = VYI_ADD(power, vyi_call_f32(1));
    const vyi_operand part = VYI_DIV(vyi_call_f32(2), more);
    return VYI_SUB(vyi_call_f32(1), part);
}

/* --- angles: Cephes' atanf, two ULP ------------------------------------- */

#define VYI_PI 3.14159265358979f

/* For x from 0 on. */
static vyi_operand vyi_call_atan_positive(vyi_source *s, vyi_operand x)
{
    static const float terms[] = { -1.38776856032e-1f, 1.99777106478e-1f, -3.33329491539e-1f };
    const vyi_operand one = vyi_call_f32(1);
    const vyi_operand steep = VYI_SOURCE_OP2(s, GT, gt, x, vyi_call_f32(2.414213562f));
    const vyi_operand middle = VYI_SOURCE_OP2(s, GT, gt, x, vyi_call_f32(0.4142135624f));
    const vyi_operand less = VYI_SUB(x, one);
    const vyi_operand more = VYI_ADD(x, one);
    const vyi_operand turned = VYI_DIV(less, more);
    const vyi_operand inverse = VYI_DIV(vyi_call_f32(-1), x);
    const vyi_operand flat = vyi_source_select(s, middle, turned, x);
    const vyi_operand t = vyi_source_select(s, steep, inverse, flat);
    const vyi_operand low = vyi_source_select(s, middle, vyi_call_f32(VYI_PI / 4),
                                              vyi_call_f32(0));
    const vyi_operand base = vyi_source_select(s, steep, vyi_call_f32(VYI_PI / 2), low);
    const vyi_operand z = VYI_MUL(t, t);
    vyi_operand sum = VYI_MUL(z, vyi_call_f32(8.05374449538e-2f));
    for (unsigned i = 0; i < 3; i++) {
        sum = VYI_ADD(sum, vyi_call_f32(terms[i]));
        sum = VYI_MUL(sum, z);
    }
    const vyi_operand bent = VYI_MUL(sum, t);
    const vyi_operand curve = VYI_ADD(bent, t);
    return VYI_ADD(base, curve);
}

static vyi_operand vyi_call_mirror(vyi_source *s, vyi_operand like, vyi_operand value)
{
    const vyi_operand below = VYI_SOURCE_OP2(s, LT, lt, like, vyi_call_f32(0));
    const vyi_operand opposite = VYI_SOURCE_OP1(s, NEG, neg, value);
    return vyi_source_select(s, below, opposite, value);
}

/* The angle of (x, y); of (0, 0) it is 0. */
static vyi_operand vyi_call_angle(vyi_source *s, vyi_operand y, vyi_operand x)
{
    const vyi_operand height = VYI_SOURCE_OP1(s, ABS, abs, y);
    const vyi_operand width = VYI_SOURCE_OP1(s, ABS, abs, x);
    const vyi_operand ratio = VYI_DIV(height, width);
    const vyi_operand nothing = VYI_SOURCE_OP2(s, EQ, eq, height, vyi_call_f32(0));
    const vyi_operand slope = vyi_source_select(s, nothing, vyi_call_f32(0), ratio);
    const vyi_operand angle = vyi_call_atan_positive(s, slope);
    const vyi_operand left = VYI_SOURCE_OP2(s, LT, lt, x, vyi_call_f32(0));
    const vyi_operand beyond = VYI_SUB(vyi_call_f32(VYI_PI), angle);
    const vyi_operand upper = vyi_source_select(s, left, beyond, angle);
    return vyi_call_mirror(s, y, upper);
}

static vyi_operand vyi_call_atan(vyi_source *s, vyi_operand x)
{
    const vyi_operand size = VYI_SOURCE_OP1(s, ABS, abs, x);
    const vyi_operand angle = vyi_call_atan_positive(s, size);
    return vyi_call_mirror(s, x, angle);
}

/* asin and acos: the angle of the point on the circle. */
static vyi_operand vyi_call_arc(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    const vyi_operand square = VYI_MUL(a[0], a[0]);
    const vyi_operand rest = VYI_SUB(vyi_call_f32(1), square);
    const vyi_operand other = VYI_SOURCE_OP1(s, SQRT, sqrt, rest);
    return row->sub ? vyi_call_angle(s, other, a[0]) : vyi_call_angle(s, a[0], other);
}

/* --- bits ---------------------------------------------------------------- */

static vyi_operand vyi_call_as(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    vyi_operand x = a[0];
    if (!(VYI_CLASS_N >> x.type & 1)) {
        vyi_source_fail(s, x.at, "Convert it first.", "%s() does not take %s", row->name,
                        vyi_source_type_text(x.type));
        return vyi_source_wrong(x.at);
    }
    if (x.constant || x.type == row->sub) {
        x.type = row->sub;
        return x;
    }
    if (!s->mute)
        x.value = vyre_ir_bitcast(s->p, (vyre_type)row->sub, x.value);
    x.type = row->sub;
    return x;
}

/* floatBitsToUint and its kin: the argument has one type. */
static vyi_operand vyi_call_bits(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    const uint32_t from = row->name[0] == 'f' ? VYRE_TYPE_F32
                          : row->name[0] == 'u' ? VYRE_TYPE_U32 : VYRE_TYPE_I32;
    a[0] = vyi_source_convert(s, from, a[0], "what it takes");
    return a[0].wrong ? a[0] : vyi_call_as(s, row, a);
}

static vyi_operand vyi_call_count(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    const vyi_operand n = vyi_call_one(s, row, a);
    return vyi_source_cast(s, VYRE_TYPE_I32, n);
}

/* The lowest bit that is 1, -1 without one. */
static vyi_operand vyi_call_find_low(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    const vyi_operand low = vyi_call_count(s, row, a);
    const vyi_operand none = VYI_SOURCE_OP2(s, EQ, eq, a[0], vyi_source_constant(a[0].type, 0, 0));
    return vyi_source_select(s, none, vyi_source_constant(VYRE_TYPE_I32, UINT32_MAX, 0), low);
}

/* The highest bit that differs from the sign, -1 without one. */
static vyi_operand vyi_call_find_high(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    if (a[0].type == VYRE_TYPE_I32) {
        const vyi_operand signs = VYI_SOURCE_OP2(s, SHR, shr, a[0],
                                                 vyi_source_constant(VYRE_TYPE_U32, 31, 0));
        a[0] = VYI_SOURCE_OP2(s, XOR, xor, a[0], signs);
    }
    const vyi_operand zeros = vyi_call_count(s, row, a);
    return VYI_SUB(vyi_source_constant(VYRE_TYPE_I32, 31, 0), zeros);
}

/* `count` ones at the bottom; all for 32 and more. */
static vyi_operand vyi_call_ones(vyi_source *s, vyi_operand count)
{
    const vyi_operand whole = vyi_source_constant(VYRE_TYPE_U32, 32, 0);
    const vyi_operand one = vyi_source_constant(VYRE_TYPE_U32, 1, 0);
    const vyi_operand all = VYI_SOURCE_OP2(s, GE, ge, count, whole);
    const vyi_operand bit = VYI_SOURCE_OP2(s, SHL, shl, one, count);
    const vyi_operand below = VYI_SUB(bit, one);
    return vyi_source_select(s, all, vyi_source_constant(VYRE_TYPE_U32, UINT32_MAX, 0), below);
}

static vyi_operand vyi_call_extract(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    (void)row;
    const vyi_operand zero = vyi_source_constant(VYRE_TYPE_U32, 0, 0);
    const vyi_operand size = vyi_source_constant(VYRE_TYPE_U32, 32, 0);
    const vyi_operand offset = vyi_source_cast(s, VYRE_TYPE_U32, a[1]);
    const vyi_operand count = vyi_source_cast(s, VYRE_TYPE_U32, a[2]);
    const vyi_operand low = VYI_SOURCE_OP2(s, SHR, shr, a[0], offset);
    const vyi_operand word = vyi_source_cast(s, VYRE_TYPE_U32, low);
    const vyi_operand ones = vyi_call_ones(s, count);
    const vyi_operand field = VYI_SOURCE_OP2(s, AND, and, word, ones);
    if (a[0].type == VYRE_TYPE_U32)
        return field;
    const vyi_operand rest = VYI_SUB(size, count);
    const vyi_operand up = VYI_SOURCE_OP2(s, SHL, shl, field, rest);
    const vyi_operand top = vyi_source_cast(s, VYRE_TYPE_I32, up);
    const vyi_operand down = VYI_SOURCE_OP2(s, SHR, shr, top, rest);
    const vyi_operand none = VYI_SOURCE_OP2(s, EQ, eq, count, zero);
    return vyi_source_select(s, none, vyi_source_constant(VYRE_TYPE_I32, 0, 0), down);
}

static vyi_operand vyi_call_insert(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    (void)row;
    const vyi_operand offset = vyi_source_cast(s, VYRE_TYPE_U32, a[2]);
    const vyi_operand count = vyi_source_cast(s, VYRE_TYPE_U32, a[3]);
    const vyi_operand ones = vyi_call_ones(s, count);
    vyi_operand mask = VYI_SOURCE_OP2(s, SHL, shl, ones, offset);
    mask = vyi_source_cast(s, a[0].type, mask);
    const vyi_operand moved = VYI_SOURCE_OP2(s, SHL, shl, a[1], offset);
    const vyi_operand in = VYI_SOURCE_OP2(s, AND, and, moved, mask);
    const vyi_operand outside = VYI_SOURCE_OP1(s, NOT, not, mask);
    const vyi_operand kept = VYI_SOURCE_OP2(s, AND, and, a[0], outside);
    return VYI_SOURCE_OP2(s, OR, or, kept, in);
}

static vyi_operand vyi_call_atan_any(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    return row->count == 1 ? vyi_call_atan(s, a[0]) : vyi_call_angle(s, a[0], a[1]);
}

/* --- memory -------------------------------------------------------------- */

static vyi_operand vyi_call_atomic(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    vyre_value value = { 0 };
    s->heavy++;
    for (uint32_t i = 1; i < row->count; i++)
        a[i] = vyi_source_convert(s, a[0].type, a[i], "the data of this atomic");
    if (s->mute)
        return vyi_source_made(a[0].type, value, a[0].at);
    const vyre_buffer buffer = { a[0].target };
    const vyre_value first = vyi_source_id(s, &a[1]);
    if (row->count == 3) {
        const vyre_value desired = vyi_source_id(s, &a[2]);
        value = vyre_ir_atomic_cas(s->p, buffer, a[0].index, first, desired, VYRE_ORDER_RELAXED);
    } else {
        value = vyre_ir_atomic(s->p, (vyre_atomic_op)row->sub, buffer, a[0].index, first,
                               VYRE_ORDER_RELAXED);
    }
    return vyi_source_made(a[0].type, value, a[0].at);
}

/* Words that others change meanwhile are read and written so. */
static vyi_operand vyi_call_atomic_load(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    vyre_value value = { 0 };
    const vyre_buffer buffer = { a[0].target };
    (void)row;
    s->heavy++;
    if (!s->mute)
        value = vyre_ir_atomic_load(s->p, buffer, a[0].index, VYRE_ORDER_RELAXED);
    return vyi_source_made(a[0].type, value, a[0].at);
}

static vyi_operand vyi_call_atomic_store(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    const vyre_value none = { 0 };
    const vyre_buffer buffer = { a[0].target };
    (void)row;
    s->heavy++;
    const vyi_operand data = vyi_source_convert(s, a[0].type, a[1], "the data of this atomic");
    const vyre_value value = vyi_source_id(s, &data);
    if (!s->mute)
        vyre_ir_atomic_store(s->p, buffer, a[0].index, value, VYRE_ORDER_RELAXED);
    return vyi_source_made(VYRE_TYPE_NONE, none, a[0].at);
}

static vyi_operand vyi_call_fence(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    const vyre_value none = { 0 };
    (void)a;
    s->heavy++;
    if (!s->mute)
        vyre_ir_barrier(s->p, (vyre_scope)row->sub, VYRE_ORDER_ACQ_REL);
    return vyi_source_made(VYRE_TYPE_NONE, none, 0);
}

/* --- subgroups ----------------------------------------------------------- */

static vyi_operand vyi_call_elect(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    vyre_value value = { 0 };
    (void)row, (void)a;
    s->heavy++;
    if (!s->mute)
        value = vyre_ir_elect(s->p);
    return vyi_source_made(VYRE_TYPE_BOOL, value, 0);
}

/* subgroupAny, subgroupAll */
static vyi_operand vyi_call_vote(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    s->heavy++;
    const vyi_operand vote = vyi_source_convert(s, VYRE_TYPE_BOOL, a[0], "a vote");
    vyre_value value = vyi_source_id(s, &vote);
    if (!s->mute)
        value = row->one(s->p, value);
    return vyi_source_made(VYRE_TYPE_BOOL, value, 0);
}

static vyi_operand vyi_call_shuffle(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    s->heavy++;
    const vyre_value own = vyi_source_id(s, &a[0]);
    const vyi_operand lane = row->count == 2
                                 ? vyi_source_convert(s, VYRE_TYPE_U32, a[1], "a lane's number")
                                 : a[0];
    vyre_value value = row->count == 2 ? vyi_source_id(s, &lane) : own;
    if (!s->mute)
        value = row->count == 2 ? vyre_ir_shuffle(s->p, own, value)
                                : vyre_ir_broadcast_first(s->p, own);
    return vyi_source_made(a[0].type, value, 0);
}

/* subgroupAdd and its kin: add, min and max of numbers, and, or, xor of the others. */
static vyi_operand vyi_call_combine(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    const uint32_t takes = row->sub < VYRE_REDUCE_AND ? VYI_CLASS_N : VYI_CLASS_IB;
    s->heavy++;
    if (!(takes >> a[0].type & 1)) {
        vyi_source_fail(s, a[0].at, "Convert it first.", "%s() does not take %s", row->name,
                        vyi_source_type_text(a[0].type));
        return vyi_source_wrong(a[0].at);
    }
    vyre_value value = vyi_source_id(s, &a[0]);
    if (!s->mute)
        value = vyre_ir_reduce(s->p, (vyre_reduce_op)row->sub, value);
    return vyi_source_made(a[0].type, value, 0);
}

/* --- the job ------------------------------------------------------------- */

/* Any type as the 32 bits of a word. */
static vyi_operand vyi_call_word(vyi_source *s, vyi_operand a)
{
    static const vyi_call_row as = { "result", 1, VYI_TAKES_ANY, VYRE_TYPE_U32, 0, NULL, NULL,
                                     NULL };
    if (a.wrong || a.type == VYRE_TYPE_BOOL)
        return vyi_source_cast(s, VYRE_TYPE_U32, a);
    return vyi_call_as(s, &as, &a);
}

static bool vyi_call_is_word(vyi_source *s, const vyi_call_row *row, const vyi_operand *n)
{
    if (n->constant && (VYI_CLASS_I >> n->type & 1) && n->bits < VYRE_MAX_ARGS)
        return true;
    vyi_source_fail(s, n->at, "Write a number from 0 to 11.",
                    "the first argument of %s() is a constant word number, 0 to 11", row->name);
    return false;
}

static vyi_operand vyi_call_result(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    const vyre_value none = { 0 };
    s->heavy++;
    if (!vyi_call_is_word(s, row, &a[0]))
        return vyi_source_wrong(a[0].at);
    const vyi_operand word = vyi_call_word(s, a[1]);
    const vyre_value value = vyi_source_id(s, &word);
    if (!s->mute)
        vyre_emit_result(s->p, s->slot, a[0].bits, value);
    return vyi_source_made(VYRE_TYPE_NONE, none, a[0].at);
}

/* reduce_add(n, v) and its kin. */
static vyi_operand vyi_call_reduce(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    const vyre_value none = { 0 };
    const bool bits = row->sub == VYRE_ATOMIC_AND || row->sub == VYRE_ATOMIC_OR ||
                      row->sub == VYRE_ATOMIC_XOR;
    s->heavy++;
    if (!vyi_call_is_word(s, row, &a[0]))
        return vyi_source_wrong(a[0].at);
    if (bits || a[1].type != VYRE_TYPE_I32)
        a[1] = vyi_source_convert(s, VYRE_TYPE_U32, a[1], "what is combined");
    const vyre_value value = vyi_source_id(s, &a[1]);
    if (!s->mute)
        vyre_emit_reduce(s->p, s->slot, a[0].bits, (vyre_atomic_op)row->sub, value);
    return vyi_source_made(VYRE_TYPE_NONE, none, a[0].at);
}

static vyi_operand vyi_call_fault(vyi_source *s, const vyi_call_row *row, vyi_operand *a)
{
    const vyre_value none = { 0 };
    (void)row;
    s->heavy++;
    const vyi_operand code = vyi_source_convert(s, VYRE_TYPE_U32, a[0], "the code of fault()");
    const vyre_value value = vyi_source_id(s, &code);
    if (!s->mute)
        vyre_emit_fault(s->p, s->slot, value);
    return vyi_source_made(VYRE_TYPE_NONE, none, a[0].at);
}

/* --- the table ----------------------------------------------------------- */

#define VYI_ROW(name, count, takes, make) { name, count, VYI_TAKES_##takes, 0, 0, make, NULL, NULL }
#define VYI_ROW_SUB(name, count, takes, sub, make)                                                 \
    { name, count, VYI_TAKES_##takes, sub, 0, make, NULL, NULL }
#define VYI_ROW_ONE(name, takes, NAME, fn, make)                                                   \
    { name, 1, VYI_TAKES_##takes, VYI_UNARY_##NAME, 0, make, vyre_ir_##fn, NULL }
#define VYI_ROW_TWO(name, takes, NAME, fn)                                                         \
    { name, 2, VYI_TAKES_##takes, VYI_BINARY_##NAME, 0, vyi_call_two, NULL, vyre_ir_##fn }
#define VYI_ROW_NEED(name, count, sub, needs, make)                                                \
    { name, count, VYI_TAKES_ANY, sub, VYI_SOURCE_##needs, make, NULL, NULL }
#define VYI_ROW_VOTE(name, fn)                                                                     \
    { name, 1, VYI_TAKES_ANY, 0, VYI_SOURCE_GROUP, vyi_call_vote, vyre_ir_##fn, NULL }

static const vyi_call_row *vyi_call_rows(uint32_t i)
{
    static const vyi_call_row rows[] = {
        VYI_ROW_ONE("abs", SIGNED, ABS, abs, vyi_call_one),
        VYI_ROW_ONE("sign", SIGNED, SIGN, sign, vyi_call_one),
        VYI_ROW_ONE("sqrt", FLOAT, SQRT, sqrt, vyi_call_one),
        VYI_ROW_ONE("inversesqrt", FLOAT, RSQRT, rsqrt, vyi_call_one),
        VYI_ROW_ONE("floor", FLOAT, FLOOR, floor, vyi_call_one),
        VYI_ROW_ONE("ceil", FLOAT, CEIL, ceil, vyi_call_one),
        VYI_ROW_ONE("round", FLOAT, ROUND, round, vyi_call_one),
        VYI_ROW_ONE("roundEven", FLOAT, ROUND, round, vyi_call_one),
        VYI_ROW_ONE("trunc", FLOAT, TRUNC, trunc, vyi_call_one),
        VYI_ROW_ONE("sin", FLOAT, SIN, sin, vyi_call_one),
        VYI_ROW_ONE("cos", FLOAT, COS, cos, vyi_call_one),
        VYI_ROW_ONE("tan", FLOAT, TAN, tan, vyi_call_one),
        VYI_ROW_ONE("exp", FLOAT, EXP, exp, vyi_call_one),
        VYI_ROW_ONE("exp2", FLOAT, EXP2, exp2, vyi_call_one),
        VYI_ROW_ONE("log", FLOAT, LOG, log, vyi_call_one),
        VYI_ROW_ONE("log2", FLOAT, LOG2, log2, vyi_call_one),
        VYI_ROW_ONE("isnan", FLOAT, IS_NAN, is_nan, vyi_call_one),
        VYI_ROW_ONE("isinf", FLOAT, IS_INF, is_inf, vyi_call_one),
        VYI_ROW_TWO("min", NUMBER, MIN, min),
        VYI_ROW_TWO("max", NUMBER, MAX, max),
        VYI_ROW("clamp", 3, NUMBER, vyi_call_clamp),
        VYI_ROW("fma", 3, FLOAT, vyi_call_fma),
        VYI_ROW("mix", 3, ANY, vyi_call_mix),
        VYI_ROW("step", 2, FLOAT, vyi_call_step),
        VYI_ROW("smoothstep", 3, FLOAT, vyi_call_smoothstep),
        VYI_ROW("fract", 1, FLOAT, vyi_call_fract),
        VYI_ROW("mod", 2, FLOAT, vyi_call_mod),
        VYI_ROW("pow", 2, FLOAT, vyi_call_pow),
        VYI_ROW_SUB("radians", 1, FLOAT, 0, vyi_call_scale),
        VYI_ROW_SUB("degrees", 1, FLOAT, 1, vyi_call_scale),
        VYI_ROW_SUB("sinh", 1, FLOAT, 0, vyi_call_hyperbolic),
        VYI_ROW_SUB("cosh", 1, FLOAT, 1, vyi_call_hyperbolic),
        VYI_ROW("tanh", 1, FLOAT, vyi_call_tanh),
        VYI_ROW_SUB("asin", 1, FLOAT, 0, vyi_call_arc),
        VYI_ROW_SUB("acos", 1, FLOAT, 1, vyi_call_arc),
        VYI_ROW("atan", 1, FLOAT, vyi_call_atan_any),
        VYI_ROW("atan", 2, FLOAT, vyi_call_atan_any),
        VYI_ROW_ONE("bitCount", INTEGER, POPCOUNT, popcount, vyi_call_count),
        VYI_ROW_ONE("bitfieldReverse", INTEGER, REVERSE, reverse, vyi_call_one),
        VYI_ROW_ONE("findLSB", INTEGER, CTZ, ctz, vyi_call_find_low),
        VYI_ROW_ONE("findMSB", INTEGER, CLZ, clz, vyi_call_find_high),
        VYI_ROW("bitfieldExtract", 3, INTEGER, vyi_call_extract),
        VYI_ROW("bitfieldInsert", 4, INTEGER, vyi_call_insert),
        VYI_ROW_SUB("floatBitsToUint", 1, ANY, VYRE_TYPE_U32, vyi_call_bits),
        VYI_ROW_SUB("floatBitsToInt", 1, ANY, VYRE_TYPE_I32, vyi_call_bits),
        VYI_ROW_SUB("uintBitsToFloat", 1, ANY, VYRE_TYPE_F32, vyi_call_bits),
        VYI_ROW_SUB("intBitsToFloat", 1, ANY, VYRE_TYPE_F32, vyi_call_bits),
        VYI_ROW_SUB("asuint", 1, ANY, VYRE_TYPE_U32, vyi_call_as),
        VYI_ROW_SUB("asint", 1, ANY, VYRE_TYPE_I32, vyi_call_as),
        VYI_ROW_SUB("asfloat", 1, ANY, VYRE_TYPE_F32, vyi_call_as),
        VYI_ROW_SUB("atomicAdd", 2, PLACE, VYRE_ATOMIC_ADD, vyi_call_atomic),
        VYI_ROW_SUB("atomicAnd", 2, PLACE, VYRE_ATOMIC_AND, vyi_call_atomic),
        VYI_ROW_SUB("atomicOr", 2, PLACE, VYRE_ATOMIC_OR, vyi_call_atomic),
        VYI_ROW_SUB("atomicXor", 2, PLACE, VYRE_ATOMIC_XOR, vyi_call_atomic),
        VYI_ROW_SUB("atomicMin", 2, PLACE, VYRE_ATOMIC_MIN, vyi_call_atomic),
        VYI_ROW_SUB("atomicMax", 2, PLACE, VYRE_ATOMIC_MAX, vyi_call_atomic),
        VYI_ROW_SUB("atomicExchange", 2, PLACE, VYRE_ATOMIC_EXCHANGE, vyi_call_atomic),
        VYI_ROW("atomicCompSwap", 3, PLACE, vyi_call_atomic),
        VYI_ROW("atomicLoad", 1, PLACE, vyi_call_atomic_load),
        VYI_ROW("atomicStore", 2, PLACE, vyi_call_atomic_store),
        VYI_ROW_SUB("memoryBarrier", 0, ANY, VYRE_SCOPE_DEVICE, vyi_call_fence),
        VYI_ROW_SUB("memoryBarrierBuffer", 0, ANY, VYRE_SCOPE_DEVICE, vyi_call_fence),
        VYI_ROW_NEED("memoryBarrierShared", 0, VYRE_SCOPE_DEVICE, GROUP, vyi_call_fence),
        VYI_ROW_NEED("groupMemoryBarrier", 0, VYRE_SCOPE_DEVICE, GROUP, vyi_call_fence),
        VYI_ROW_NEED("barrier", 0, VYRE_SCOPE_WORKGROUP, GROUP, vyi_call_fence),
        VYI_ROW_NEED("subgroupBarrier", 0, VYRE_SCOPE_SUBGROUP, GROUP, vyi_call_fence),
        VYI_ROW_NEED("subgroupElect", 0, 0, GROUP, vyi_call_elect),
        VYI_ROW_VOTE("subgroupAny", any),
        VYI_ROW_VOTE("subgroupAll", all),
        VYI_ROW_NEED("subgroupBroadcastFirst", 1, 0, GROUP, vyi_call_shuffle),
        VYI_ROW_NEED("subgroupShuffle", 2, 0, GROUP, vyi_call_shuffle),
        VYI_ROW_NEED("subgroupAdd", 1, VYRE_REDUCE_ADD, GROUP, vyi_call_combine),
        VYI_ROW_NEED("subgroupMin", 1, VYRE_REDUCE_MIN, GROUP, vyi_call_combine),
        VYI_ROW_NEED("subgroupMax", 1, VYRE_REDUCE_MAX, GROUP, vyi_call_combine),
        VYI_ROW_NEED("subgroupAnd", 1, VYRE_REDUCE_AND, GROUP, vyi_call_combine),
        VYI_ROW_NEED("subgroupOr", 1, VYRE_REDUCE_OR, GROUP, vyi_call_combine),
        VYI_ROW_NEED("subgroupXor", 1, VYRE_REDUCE_XOR, GROUP, vyi_call_combine),
        VYI_ROW_NEED("result", 2, 0, JOB, vyi_call_result),
        VYI_ROW_NEED("fault", 1, 0, JOB, vyi_call_fault),
        VYI_ROW_NEED("reduce_add", 2, VYRE_ATOMIC_ADD, WIDE, vyi_call_reduce),
        VYI_ROW_NEED("reduce_min", 2, VYRE_ATOMIC_MIN, WIDE, vyi_call_reduce),
        VYI_ROW_NEED("reduce_max", 2, VYRE_ATOMIC_MAX, WIDE, vyi_call_reduce),
        VYI_ROW_NEED("reduce_and", 2, VYRE_ATOMIC_AND, WIDE, vyi_call_reduce),
        VYI_ROW_NEED("reduce_or", 2, VYRE_ATOMIC_OR, WIDE, vyi_call_reduce),
        VYI_ROW_NEED("reduce_xor", 2, VYRE_ATOMIC_XOR, WIDE, vyi_call_reduce)
    };
    return i < sizeof rows / sizeof rows[0] ? &rows[i] : NULL;
}

VYI_API const char *vyi_source_function_at(uint32_t i)
{
    const vyi_call_row *row = vyi_call_rows(i);
    return row ? row->name : NULL;
}

/* The row of this name, and of this count of arguments if there are several. */
static const vyi_call_row *vyi_call_find(const vyi_source *s, const vyi_token *name,
                                         uint32_t count)
{
    const vyi_call_row *row, *found = NULL;
    for (uint32_t i = 0; (row = vyi_call_rows(i)) != NULL; i++)
        if (row->name[0] == s->text[name->at] && vyi_source_is(s, name, row->name)) {
            found = row;
            if (row->count == count)
                break;
        }
    return found;
}

/* --- arguments ----------------------------------------------------------- */

/* Up to the closing parenthesis; bit i of `places`: argument i is not loaded. */
static bool vyi_call_arguments(vyi_source *s, vyi_operand *args, uint32_t *count, uint32_t places)
{
    *count = 0;
    if (vyi_source_accept(s, ')'))
        return true;
    bool good = true;
    do {
        const uint32_t at = s->r.token.at;
        vyi_operand a = vyi_source_assignment(s);
        if (!(places >> *count & 1))
            a = vyi_source_load(s, a);
        good = good && !a.wrong;
        if (*count == VYI_SOURCE_ARGS) {
            vyi_source_fail(s, at, "Pass fewer.", "a call has at most %u arguments",
                            (unsigned)VYI_SOURCE_ARGS);
            return false;
        }
        args[(*count)++] = a;
    } while (vyi_source_accept(s, ','));
    return vyi_source_expect(s, ')', "after the arguments of a call") && good;
}

static bool vyi_call_refuse(vyi_source *s, const vyi_call_row *row, const vyi_operand *a,
                            const char *what)
{
    vyi_source_fail(s, a->at, "Convert it first.", "%s() takes %s, not %s", row->name, what,
                    vyi_source_type_text(a->type));
    return false;
}

/* abs(int) and abs(float) are there: a uint becomes float, as in GLSL. */
static bool vyi_call_numbers(vyi_source *s, const vyi_call_row *row, vyi_operand *args)
{
    uint32_t type = row->takes == VYI_TAKES_FLOAT ? (uint32_t)VYRE_TYPE_F32 : args[0].type;
    for (uint32_t i = 0; i < row->count; i++) {
        if (!(VYI_CLASS_N >> args[i].type & 1))
            return vyi_call_refuse(s, row, &args[i], "numbers");
        type = vyi_source_converts(type, args[i].type) ? args[i].type : type;
    }
    if (row->takes == VYI_TAKES_SIGNED && type == VYRE_TYPE_U32)
        type = VYRE_TYPE_F32;
    for (uint32_t i = 0; i < row->count; i++)
        args[i] = vyi_source_cast(s, type, args[i]);
    return true;
}

/* The first two of an insertion have one type; offsets and counts are ints. */
static bool vyi_call_integers(vyi_source *s, const vyi_call_row *row, vyi_operand *args)
{
    for (uint32_t i = 0; i < row->count; i++)
        if (!(VYI_CLASS_I >> args[i].type & 1))
            return vyi_call_refuse(s, row, &args[i], "uint or int");
    return row->count < 4 || vyi_source_common(s, &args[0], &args[1], row->name);
}

static bool vyi_call_place(vyi_source *s, const vyi_call_row *row, vyi_operand *args)
{
    if (args[0].place != VYI_PLACE_ELEMENT || !(VYI_CLASS_I >> args[0].type & 1)) {
        vyi_source_fail(s, args[0].at, "Write buffer[index].",
                        "%s() works on an element of a buffer of uint or int", row->name);
        return false;
    }
    if (vyi_buffer_of(s->p, args[0].target)->access == VYRE_ACCESS_WRITE) {
        vyi_source_fail(s, args[0].at, "Change its vyre_buffer_desc.access.",
                        "%s() reads, and \"%.40s\" is for writing only", row->name,
                        vyi_buffer_of(s->p, args[0].target)->name);
        return false;
    }
    return vyi_source_assignable(s, &args[0]);
}

static bool vyi_call_prepare(vyi_source *s, const vyi_call_row *row, vyi_operand *args)
{
    switch (row->takes) {
    case VYI_TAKES_FLOAT: case VYI_TAKES_NUMBER: case VYI_TAKES_SIGNED:
        return vyi_call_numbers(s, row, args);
    case VYI_TAKES_INTEGER: return vyi_call_integers(s, row, args);
    case VYI_TAKES_PLACE: return vyi_call_place(s, row, args);
    default: return true;
    }
}

/* --- calls --------------------------------------------------------------- */

static bool vyi_call_counts(vyi_source *s, const vyi_token *name, uint32_t wanted, uint32_t count)
{
    char fix[48];
    if (wanted == count)
        return true;
    snprintf(fix, sizeof fix, "Give it %u.", (unsigned)wanted);
    vyi_source_fail(s, name->at, fix, "%s() takes %u argument%s, not %u",
                    vyi_source_quote(s, name).text, (unsigned)wanted, wanted == 1 ? "" : "s",
                    (unsigned)count);
    return false;
}

static vyi_operand vyi_call_own(vyi_source *s, const vyi_token *name, uint32_t index)
{
    vyi_operand args[VYI_SOURCE_ARGS];
    uint32_t count = 0, places = 0;
    const vyi_source_routine *f = &s->functions[index];
    for (uint32_t i = 0; i < f->param_count; i++)
        places |= s->params[f->first_param + i].out ? 1u << i : 0;
    if (!vyi_call_arguments(s, args, &count, places) ||
        !vyi_call_counts(s, name, f->param_count, count))
        return vyi_source_wrong(name->at);
    if (f->open) {
        vyi_source_fail(s, name->at, "Write a loop.", "%s() calls itself, and there is no stack",
                        vyi_source_quote(s, name).text);
        return vyi_source_wrong(name->at);
    }
    return vyi_source_inline(s, index, args, name->at);
}

static vyi_operand vyi_call_unknown(vyi_source *s, const vyi_token *name)
{
    char fix[96];
    const char *refused = vyi_source_refused(s, name);
    if (refused)
        snprintf(fix, sizeof fix, "Write it with what there is.");
    else
        vyi_source_suggest(s, name, true, "Define it before the first statement.", fix,
                           sizeof fix);
    vyi_source_fail(s, name->at, fix, refused ? "\"%s\": %s" : "no function is called \"%s\"%s",
                    vyi_source_quote(s, name).text, refused ? refused : "");
    return vyi_source_wrong(name->at);
}

static vyi_operand vyi_call_built_in(vyi_source *s, const vyi_token *name,
                                     const vyi_call_row *row)
{
    vyi_operand args[VYI_SOURCE_ARGS];
    uint32_t count = 0;
    if (!vyi_call_arguments(s, args, &count, row->takes == VYI_TAKES_PLACE ? 1u : 0u))
        return vyi_source_wrong(name->at);
    row = vyi_call_find(s, name, count);
    if (!vyi_call_counts(s, name, row->count, count))
        return vyi_source_wrong(name->at);
    if (!vyi_source_allowed(s, row->needs, row->name, name->at) ||
        !vyi_call_prepare(s, row, args))
        return vyi_source_wrong(name->at);
    vyi_operand made = row->make(s, row, args);
    made.at = name->at;
    return made;
}

VYI_API vyi_operand vyi_source_call(vyi_source *s, const vyi_token *name)
{
    vyi_operand args[VYI_SOURCE_ARGS];
    uint32_t count;
    const vyi_source_symbol *symbol = vyi_source_find(s, s->text + name->at, name->length);
    if (symbol && symbol->kind == VYI_SYMBOL_FUNCTION)
        return vyi_call_own(s, name, symbol->target);
    const vyi_call_row *row = symbol ? NULL : vyi_call_find(s, name, UINT32_MAX);
    if (row)
        return vyi_call_built_in(s, name, row);
    if (!symbol)
        vyi_call_unknown(s, name);
    else if (symbol->kind != VYI_SYMBOL_WRONG)
        vyi_source_fail(s, name->at, "Write an operator between them.",
                        "\"%s\" is a variable and cannot be called",
                        vyi_source_quote(s, name).text);
    vyi_call_arguments(s, args, &count, 0);
    return vyi_source_wrong(name->at);
}

#endif /* VYRE_NO_SOURCE */

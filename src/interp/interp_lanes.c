/* ==========================================================================
 * interp: pure instructions, over many lanes
 *
 * Private.  One function for each operator and kind of operand.  They compute
 * inactive lanes, too, so each is defined for every 32-bit pattern.
 * ======================================================================= */
#include "interp/interp_impl.h"

#include <math.h>

/* --- one lane ------------------------------------------------------------ */

static inline float vyi_lane_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint32_t vyi_lane_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline uint32_t vyi_lane_div_i32(uint32_t x, uint32_t y)
{
    if (y == 0)
        return 0xffffffffu;
    if (y == 0xffffffffu)
        return 0u - x;
    return (uint32_t)((int32_t)x / (int32_t)y);
}

static inline uint32_t vyi_lane_rem_i32(uint32_t x, uint32_t y)
{
    if (y == 0 || y == 0xffffffffu)
        return 0;
    return (uint32_t)((int32_t)x % (int32_t)y);
}

static inline uint32_t vyi_lane_rotl(uint32_t x, uint32_t y)
{
    return (x << (y & 31u)) | (x >> ((0u - y) & 31u));
}

static inline uint32_t vyi_lane_popcount(uint32_t x)
{
    x -= (x >> 1) & 0x55555555u;
    x = (x & 0x33333333u) + ((x >> 2) & 0x33333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0fu;
    return (x * 0x01010101u) >> 24;
}

static inline uint32_t vyi_lane_clz(uint32_t x)
{
    x |= x >> 1;
    x |= x >> 2;
    x |= x >> 4;
    x |= x >> 8;
    x |= x >> 16;
    return vyi_lane_popcount(~x);
}

static inline uint32_t vyi_lane_reverse(uint32_t x)
{
    x = ((x >> 1) & 0x55555555u) | ((x & 0x55555555u) << 1);
    x = ((x >> 2) & 0x33333333u) | ((x & 0x33333333u) << 2);
    x = ((x >> 4) & 0x0f0f0f0fu) | ((x & 0x0f0f0f0fu) << 4);
    x = ((x >> 8) & 0x00ff00ffu) | ((x & 0x00ff00ffu) << 8);
    return (x >> 16) | (x << 16);
}

static inline float vyi_lane_sign_f32(float x)
{
    if (x > 0.0f)
        return 1.0f;
    return x < 0.0f ? -1.0f : 0.0f;
}

static inline uint32_t vyi_lane_sign_i32(uint32_t x)
{
    return x >> 31 ? 0xffffffffu : (uint32_t)(x != 0);
}

/* C's has numbers for negative bases, and for NaN, which devices have not. */
static inline float vyi_lane_pow(float x, float y)
{
    return x >= 0.0f && y == y ? powf(x, y) : vyi_lane_float(0x7fc00000u);
}

static inline uint32_t vyi_lane_f32_to_u32(float x)
{
    if (!(x > 0.0f))
        return 0;
    return x < 4294967296.0f ? (uint32_t)x : 0xffffffffu;
}

static inline uint32_t vyi_lane_f32_to_i32(float x)
{
    if (x >= 2147483648.0f)
        return 0x7fffffffu;
    if (x > -2147483648.0f)
        return (uint32_t)(int32_t)x;
    return x <= -2147483648.0f ? 0x80000000u : 0u;
}

/* --- many lanes ---------------------------------------------------------- */

/* Inside an expression x, y, z are the operands' bits; of functions of f32
 * (VYI_LANES_F) f, g, h are the same as numbers.  What a function does not use
 * costs nothing. */
#define VYI_LANES_LOOP(name, operands, expression)                                                 \
    static void vyi_lanes_##name(uint32_t *VYI_RESTRICT d, const uint32_t *VYI_RESTRICT a,         \
                                 const uint32_t *VYI_RESTRICT b, const uint32_t *VYI_RESTRICT c,   \
                                 uint32_t count)                                                   \
    {                                                                                              \
        for (; count; count -= VYI_CHUNK) {                                                        \
            for (unsigned j = 0; j < VYI_CHUNK; j++) {                                             \
                const uint32_t x = a[j], y = b[j], z = c[j];                                       \
                (void)x, (void)y, (void)z;                                                         \
                operands                                                                           \
                d[j] = (expression);                                                               \
            }                                                                                      \
            d += VYI_CHUNK, a += VYI_CHUNK, b += VYI_CHUNK, c += VYI_CHUNK;                        \
        }                                                                                          \
    }
#define VYI_LANES_NUMBERS                                                                          \
    const float f = vyi_lane_float(x), g = vyi_lane_float(y), h = vyi_lane_float(z);               \
    (void)f, (void)g, (void)h;
#define VYI_LANES(name, expression) VYI_LANES_LOOP(name, , expression)
#define VYI_LANES_B(name, expression) VYI_LANES_LOOP(name, , (uint32_t)(expression))
#define VYI_LANES_F(name, expression) VYI_LANES_LOOP(name, VYI_LANES_NUMBERS, expression)
#define VYI_LANES_FF(name, expression) VYI_LANES_F(name, vyi_lane_bits(expression))
#define VYI_LANES_FB(name, expression) VYI_LANES_F(name, (uint32_t)(expression))
/* Their time is that of the C library's function: as small loops they lose nothing. */
#define VYI_LANES_CALL(name, function)                                                             \
    VYI_COLD                                                                                       \
    VYI_LANES_FF(name, function(f))

VYI_LANES(copy, x)
VYI_LANES(add, x + y)
VYI_LANES(sub, x - y)
VYI_LANES(mul, x * y)
VYI_LANES(div_u32, y ? x / y : 0xffffffffu)
VYI_LANES(div_i32, vyi_lane_div_i32(x, y))
VYI_LANES(rem_u32, y ? x % y : 0u)
VYI_LANES(rem_i32, vyi_lane_rem_i32(x, y))
VYI_LANES(mul_high, (uint32_t)(((uint64_t)x * y) >> 32))
VYI_LANES(and, x & y)
VYI_LANES(or, x | y)
VYI_LANES(xor, x ^ y)
VYI_LANES(shl, x << (y & 31u))
VYI_LANES(shr_u32, x >> (y & 31u))
VYI_LANES(shr_i32, (uint32_t)((int32_t)x >> (y & 31u)))
VYI_LANES(rotl, vyi_lane_rotl(x, y))
VYI_LANES(rotr, vyi_lane_rotl(x, 0u - y))
VYI_LANES(min_u32, x < y ? x : y)
VYI_LANES(max_u32, x > y ? x : y)
VYI_LANES(min_i32, (int32_t)x < (int32_t)y ? x : y)
VYI_LANES(max_i32, (int32_t)x > (int32_t)y ? x : y)
VYI_LANES_B(eq, x == y)
VYI_LANES_B(ne, x != y)
VYI_LANES_B(lt_u32, x < y)
VYI_LANES_B(le_u32, x <= y)
VYI_LANES_B(gt_u32, x > y)
VYI_LANES_B(ge_u32, x >= y)
VYI_LANES_B(lt_i32, (int32_t)x < (int32_t)y)
VYI_LANES_B(le_i32, (int32_t)x <= (int32_t)y)
VYI_LANES_B(gt_i32, (int32_t)x > (int32_t)y)
VYI_LANES_B(ge_i32, (int32_t)x >= (int32_t)y)

VYI_LANES_FF(add_f32, f + g)
VYI_LANES_FF(sub_f32, f - g)
VYI_LANES_FF(mul_f32, f * g)
VYI_LANES_FF(div_f32, f / g)
VYI_LANES_F(min_f32, f < g || g != g ? x : y)
VYI_LANES_F(max_f32, f > g || g != g ? x : y)
VYI_LANES_FB(eq_f32, f == g)
VYI_LANES_FB(ne_f32, f != g)
VYI_LANES_FB(lt_f32, f < g)
VYI_LANES_FB(le_f32, f <= g)
VYI_LANES_FB(gt_f32, f > g)
VYI_LANES_FB(ge_f32, f >= g)

VYI_LANES(neg, 0u - x)
VYI_LANES(neg_f32, x ^ 0x80000000u)
VYI_LANES(not, ~x)
VYI_LANES_B(not_bool, x == 0)
VYI_LANES(abs_i32, x >> 31 ? 0u - x : x)
VYI_LANES(abs_f32, x & 0x7fffffffu)
VYI_LANES_B(sign_u32, x != 0)
VYI_LANES(sign_i32, vyi_lane_sign_i32(x))
VYI_LANES_FF(sign_f32, vyi_lane_sign_f32(f))
VYI_LANES(popcount, vyi_lane_popcount(x))
VYI_LANES(clz, vyi_lane_clz(x))
VYI_LANES(ctz, vyi_lane_popcount((x & (0u - x)) - 1u))
VYI_LANES(reverse, vyi_lane_reverse(x))
VYI_LANES_FF(sqrt, sqrtf(f))
VYI_LANES_FF(rsqrt, 1.0f / sqrtf(f))
VYI_LANES_CALL(floor, floorf)
VYI_LANES_CALL(ceil, ceilf)
VYI_LANES_CALL(round, rintf)
VYI_LANES_CALL(trunc, truncf)
VYI_LANES_CALL(sin, sinf)
VYI_LANES_CALL(cos, cosf)
VYI_LANES_CALL(tan, tanf)
VYI_LANES_CALL(exp, expf)
VYI_LANES_CALL(exp2, exp2f)
VYI_LANES_CALL(log, logf)
VYI_LANES_CALL(log2, log2f)
VYI_LANES_CALL(asin, asinf)
VYI_LANES_CALL(acos, acosf)
VYI_LANES_CALL(atan, atanf)
VYI_LANES_CALL(sinh, sinhf)
VYI_LANES_CALL(cosh, coshf)
VYI_LANES_CALL(tanh, tanhf)
VYI_COLD
VYI_LANES_FF(pow, vyi_lane_pow(f, g))
VYI_COLD
VYI_LANES_FF(atan2, atan2f(f, g))
VYI_LANES(unpack_half, vyi_eval_half(x))
VYI_LANES_B(is_nan, (x & 0x7fffffffu) > 0x7f800000u)
VYI_LANES_B(is_inf, (x & 0x7fffffffu) == 0x7f800000u)

VYI_LANES_FF(fma, f * g + h)
VYI_LANES(select, x ? y : z)
VYI_LANES(u32_to_f32, vyi_lane_bits((float)x))
VYI_LANES(i32_to_f32, vyi_lane_bits((float)(int32_t)x))
VYI_LANES_F(f32_to_u32, vyi_lane_f32_to_u32(f))
VYI_LANES_F(f32_to_i32, vyi_lane_f32_to_i32(f))
VYI_LANES_B(to_bool, x != 0)
VYI_LANES_B(f32_to_bool, (x & 0x7fffffffu) != 0)
#undef VYI_LANES
#undef VYI_LANES_B
#undef VYI_LANES_F
#undef VYI_LANES_FF
#undef VYI_LANES_FB
#undef VYI_LANES_CALL
#undef VYI_LANES_NUMBERS
#undef VYI_LANES_LOOP

/* --- which one ----------------------------------------------------------- */

/* X(OPERATOR, function for u32, i32, f32, bool); `none` where the checker lets
 * no such program pass. */
#define VYI_LANES_BINARY(X)                                                                        \
    X(ADD, add, add, add_f32, none) X(SUB, sub, sub, sub_f32, none)                                \
    X(MUL, mul, mul, mul_f32, none) X(DIV, div_u32, div_i32, div_f32, none)                        \
    X(REM, rem_u32, rem_i32, none, none) X(MUL_HIGH, mul_high, none, none, none)                   \
    X(AND, and, and, none, and) X(OR, or, or, none, or) X(XOR, xor, xor, none, xor)                \
    X(SHL, shl, shl, none, none) X(SHR, shr_u32, shr_i32, none, none)                              \
    X(ROTL, rotl, none, none, none) X(ROTR, rotr, none, none, none)                                \
    X(MIN, min_u32, min_i32, min_f32, none) X(MAX, max_u32, max_i32, max_f32, none)                \
    X(EQ, eq, eq, eq_f32, eq) X(NE, ne, ne, ne_f32, ne)                                            \
    X(LT, lt_u32, lt_i32, lt_f32, none) X(LE, le_u32, le_i32, le_f32, none)                        \
    X(GT, gt_u32, gt_i32, gt_f32, none) X(GE, ge_u32, ge_i32, ge_f32, none)                        \
    X(POW, none, none, pow, none) X(ATAN2, none, none, atan2, none)

#define VYI_LANES_UNARY(X)                                                                         \
    X(NEG, neg, neg, neg_f32, none) X(NOT, not, not, none, not_bool)                               \
    X(ABS, copy, abs_i32, abs_f32, none) X(SIGN, sign_u32, sign_i32, sign_f32, none)               \
    X(POPCOUNT, popcount, popcount, none, none) X(CLZ, clz, clz, none, none)                       \
    X(CTZ, ctz, ctz, none, none) X(REVERSE, reverse, reverse, none, none)                          \
    X(SQRT, none, none, sqrt, none) X(RSQRT, none, none, rsqrt, none)                              \
    X(FLOOR, none, none, floor, none) X(CEIL, none, none, ceil, none)                              \
    X(ROUND, none, none, round, none) X(TRUNC, none, none, trunc, none)                            \
    X(SIN, none, none, sin, none) X(COS, none, none, cos, none) X(TAN, none, none, tan, none)      \
    X(EXP, none, none, exp, none) X(EXP2, none, none, exp2, none)                                  \
    X(LOG, none, none, log, none) X(LOG2, none, none, log2, none)                                  \
    X(IS_NAN, none, none, is_nan, none) X(IS_INF, none, none, is_inf, none)                        \
    X(UNIFORM, copy, copy, copy, copy)                                                             \
    X(ASIN, none, none, asin, none) X(ACOS, none, none, acos, none)                                \
    X(ATAN, none, none, atan, none) X(SINH, none, none, sinh, none)                                \
    X(COSH, none, none, cosh, none) X(TANH, none, none, tanh, none)                                \
    X(UNPACK_HALF, unpack_half, none, none, none)

#define VYI_LANES_CAST_TO(X)                                                                       \
    X(NONE, none, none, none, none) X(U32, copy, copy, f32_to_u32, copy)                           \
    X(I32, copy, copy, f32_to_i32, copy) X(F32, u32_to_f32, i32_to_f32, copy, u32_to_f32)          \
    X(BOOL, to_bool, to_bool, f32_to_bool, copy)

#define vyi_lanes_none NULL
#define VYI_LANES_ROW(name, u, i, f, b)                                                            \
    { vyi_lanes_##u, vyi_lanes_##i, vyi_lanes_##f, vyi_lanes_##b },
/* Rows stand in the order of the lists in ir.h. */
static const vyi_lanes_fn vyi_lanes_binary[][4] = { VYI_LANES_BINARY(VYI_LANES_ROW) };
static const vyi_lanes_fn vyi_lanes_unary[][4] = { VYI_LANES_UNARY(VYI_LANES_ROW) };
static const vyi_lanes_fn vyi_lanes_cast[][4] = { VYI_LANES_CAST_TO(VYI_LANES_ROW) };
#undef VYI_LANES_ROW
#undef vyi_lanes_none

#define VYI_LANES_ORDER(name, u, i, f, b) VYI_LANES_AT_##name,
enum { VYI_LANES_BINARY(VYI_LANES_ORDER) VYI_LANES_BINARY_COUNT };
enum { VYI_LANES_UNARY(VYI_LANES_ORDER) VYI_LANES_UNARY_COUNT };
#undef VYI_LANES_ORDER
#define VYI_LANES_SAME(name, function, operands, result)                                           \
    VYI_STATIC_ASSERT(lanes_##name, (int)VYI_LANES_AT_##name == (int)VYI_LANES_SAME_KIND(name));
#define VYI_LANES_SAME_KIND(name) VYI_BINARY_##name
VYRE_BINARY_LIST(VYI_LANES_SAME)
#undef VYI_LANES_SAME_KIND
#define VYI_LANES_SAME_KIND(name) VYI_UNARY_##name
VYRE_UNARY_LIST(VYI_LANES_SAME)
#undef VYI_LANES_SAME_KIND
#undef VYI_LANES_SAME

VYI_API vyi_lanes_fn vyi_lanes_find(const vyi_inst *inst, uint32_t operand)
{
    VYRE_ASSERT(operand >= VYRE_TYPE_U32 && operand <= VYRE_TYPE_BOOL);
    const uint32_t column = operand - VYRE_TYPE_U32;
    switch (inst->op) {
    case VYI_OP_BINARY: return vyi_lanes_binary[inst->sub][column];
    case VYI_OP_UNARY: return vyi_lanes_unary[inst->sub][column];
    case VYI_OP_CAST: return vyi_lanes_cast[inst->type][column];
    case VYI_OP_FMA: return vyi_lanes_fma;
    case VYI_OP_SELECT: return vyi_lanes_select;
    default: return NULL;
    }
}

VYI_API vyi_lanes_fn vyi_lanes_copy_fn(void)
{
    return vyi_lanes_copy;
}

VYI_API vyi_lanes_fn vyi_lanes_sub_fn(void)
{
    return vyi_lanes_sub;
}

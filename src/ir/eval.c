/* ==========================================================================
 * eval: what a pure operator gives
 *
 * Private.  The language's meaning of operators, once and plainly: the
 * optimizer folds by it, and the interpreter's fast lanes are compared with it.
 * ======================================================================= */
#include "ir/ir_impl.h"

static uint32_t vyi_eval_shift(uint32_t sub, bool is_signed, uint32_t a, uint32_t amount)
{
    VYRE_ASSERT(sub >= VYI_BINARY_SHL && sub <= VYI_BINARY_ROTR);
    const uint32_t n = amount & 31u;
    switch (sub) {
    case VYI_BINARY_SHL:  return a << n;
    case VYI_BINARY_SHR:  return is_signed && a >> 31 ? ~(~a >> n) : a >> n;
    case VYI_BINARY_ROTL: return n ? a << n | a >> (32 - n) : a;
    default:              return n ? a >> n | a << (32 - n) : a;
    }
}

static uint32_t vyi_eval_div_u32(bool rem, uint32_t a, uint32_t b)
{
    if (rem)
        return b ? a % b : 0;
    return b ? a / b : UINT32_MAX;
}

static uint32_t vyi_eval_div_i32(bool rem, uint32_t a, uint32_t b)
{
    if (b == 0 || b == UINT32_MAX) /* x/0 = -1, x/-1 = -x, which of MIN is MIN */
        return rem ? 0 : b ? 0u - a : UINT32_MAX;
    const int32_t x = (int32_t)a, y = (int32_t)b;
    return (uint32_t)(rem ? x % y : x / y);
}

/* Operators that order: `a` and `b` are such that unsigned comparison is right. */
static bool vyi_eval_compare(uint32_t sub, uint32_t a, uint32_t b)
{
    switch (sub) {
    case VYI_BINARY_EQ: return a == b;
    case VYI_BINARY_NE: return a != b;
    case VYI_BINARY_LT: return a < b;
    case VYI_BINARY_LE: return a <= b;
    case VYI_BINARY_GT: return a > b;
    default:            return a >= b;
    }
}

static uint32_t vyi_eval_integer(uint32_t sub, bool is_signed, uint32_t a, uint32_t b)
{
    /* Flipping the sign bit puts signed numbers into unsigned order. */
    const uint32_t flip = is_signed ? 0x80000000u : 0;
    switch (sub) {
    case VYI_BINARY_ADD:      return a + b;
    case VYI_BINARY_SUB:      return a - b;
    case VYI_BINARY_MUL:      return a * b;
    case VYI_BINARY_DIV:
    case VYI_BINARY_REM:
        return is_signed ? vyi_eval_div_i32(sub == VYI_BINARY_REM, a, b)
                         : vyi_eval_div_u32(sub == VYI_BINARY_REM, a, b);
    case VYI_BINARY_MUL_HIGH: return (uint32_t)((uint64_t)a * b >> 32);
    case VYI_BINARY_AND:      return a & b;
    case VYI_BINARY_OR:       return a | b;
    case VYI_BINARY_XOR:      return a ^ b;
    case VYI_BINARY_SHL:
    case VYI_BINARY_SHR:
    case VYI_BINARY_ROTL:
    case VYI_BINARY_ROTR:     return vyi_eval_shift(sub, is_signed, a, b);
    case VYI_BINARY_MIN:      return (a ^ flip) < (b ^ flip) ? a : b;
    case VYI_BINARY_MAX:      return (a ^ flip) > (b ^ flip) ? a : b;
    default:                  return vyi_eval_compare(sub, a ^ flip, b ^ flip);
    }
}

static bool vyi_is_plain_f32(uint32_t bits)
{
    const uint32_t exponent = bits >> 23 & 255u;
    return (bits << 1) == 0 || (exponent != 0 && exponent != 255);
}

/* Puts plain f32 numbers into unsigned order; both zeros are the same. */
static uint32_t vyi_f32_order(uint32_t bits)
{
    if ((bits << 1) == 0)
        return 0x80000000u;
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

VYI_COLD
VYI_API bool vyi_eval_binary(uint32_t sub, uint32_t type, uint32_t a, uint32_t b, uint32_t *out)
{
    if (type == VYRE_TYPE_F32) {
        if (vyi_binary_describe(sub)->result != VYRE_TYPE_BOOL || !vyi_is_plain_f32(a) ||
            !vyi_is_plain_f32(b))
            return false;
        *out = vyi_eval_compare(sub, vyi_f32_order(a), vyi_f32_order(b));
        return true;
    }
    *out = vyi_eval_integer(sub, type == VYRE_TYPE_I32, a, b);
    return true;
}

static uint32_t vyi_eval_popcount(uint32_t a)
{
    uint32_t n = 0;
    for (; a; a &= a - 1)
        n++;
    return n;
}

static uint32_t vyi_eval_reverse(uint32_t a)
{
    uint32_t r = 0;
    for (unsigned i = 0; i < 32; i++)
        r |= (a >> i & 1u) << (31 - i);
    return r;
}

VYI_API uint32_t vyi_eval_clz(uint32_t a)
{
    uint32_t n = 0;
    while (n < 32 && !(a >> (31 - n) & 1u))
        n++;
    return n;
}

/* An f16 as f32: exact. */
VYI_API uint32_t vyi_eval_half(uint32_t a)
{
    const uint32_t sign = (a & 0x8000u) << 16, size = (a & 0x7fffu) << 13;
    const float small = (float)(a & 0x3ffu) * 5.9604644775390625e-8f; /* in units of 2^-24 */
    uint32_t bits;
    if (size >= 0x0f800000u)
        return sign | size | 0x7f800000u;
    if (size >= 0x00800000u)
        return sign | (size + 0x38000000u);
    memcpy(&bits, &small, sizeof bits);
    return sign | bits;
}

VYI_COLD
VYI_API bool vyi_eval_unary(uint32_t sub, uint32_t type, uint32_t a, uint32_t *out)
{
    if (sub == VYI_UNARY_UNIFORM) {
        *out = a;
        return true;
    }
    if (type == VYRE_TYPE_F32) {
        if ((sub != VYI_UNARY_NEG && sub != VYI_UNARY_ABS) || !vyi_is_plain_f32(a))
            return false;
        *out = sub == VYI_UNARY_NEG ? a ^ 0x80000000u : a & 0x7fffffffu;
        return true;
    }
    const bool negative = type == VYRE_TYPE_I32 && a >> 31;
    switch (sub) {
    case VYI_UNARY_NEG:      *out = 0u - a; break;
    case VYI_UNARY_NOT:      *out = type == VYRE_TYPE_BOOL ? !a : ~a; break;
    case VYI_UNARY_ABS:      *out = negative ? 0u - a : a; break;
    case VYI_UNARY_SIGN:     *out = negative ? UINT32_MAX : a != 0; break;
    case VYI_UNARY_POPCOUNT: *out = vyi_eval_popcount(a); break;
    case VYI_UNARY_CLZ:      *out = vyi_eval_clz(a); break;
    case VYI_UNARY_CTZ:      *out = vyi_eval_clz(vyi_eval_reverse(a)); break;
    case VYI_UNARY_REVERSE:  *out = vyi_eval_reverse(a); break;
    case VYI_UNARY_UNPACK_HALF:
        *out = vyi_eval_half(a);
        return (a & 0x7fffu) == 0 || ((a & 0x7c00u) && (a & 0x7c00u) != 0x7c00u);
    default:                 return false;
    }
    return true;
}

static bool vyi_eval_from_f32(uint32_t to, uint32_t bits, uint32_t *out)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    if (!vyi_is_plain_f32(bits))
        return false;
    if (to == VYRE_TYPE_BOOL)
        *out = (bits << 1) != 0;
    else if (to == VYRE_TYPE_U32)
        *out = x < 1.0f ? 0 : x >= 4294967296.0f ? UINT32_MAX : (uint32_t)x;
    else if (x >= 2147483648.0f)
        *out = 0x7fffffffu;
    else
        *out = x < -2147483648.0f ? 0x80000000u : (uint32_t)(int32_t)x;
    return true;
}

/* Integers of at most 24 bits are f32 numbers; others would be rounded. */
static bool vyi_eval_to_f32(uint32_t from, uint32_t a, uint32_t *out)
{
    const bool negative = from == VYRE_TYPE_I32 && a >> 31;
    const uint32_t magnitude = negative ? 0u - a : a;
    if (magnitude > 1u << 24)
        return false;
    const float x = (float)magnitude;
    memcpy(out, &x, sizeof *out);
    *out |= negative ? 0x80000000u : 0;
    return true;
}

VYI_COLD
VYI_API bool vyi_eval_cast(uint32_t to, uint32_t from, uint32_t a, uint32_t *out)
{
    VYRE_ASSERT(to >= VYRE_TYPE_U32 && to <= VYRE_TYPE_BOOL && from >= VYRE_TYPE_U32);
    if (to == from) {
        *out = a;
        return true;
    }
    if (from == VYRE_TYPE_F32)
        return vyi_eval_from_f32(to, a, out);
    if (to == VYRE_TYPE_F32)
        return vyi_eval_to_f32(from, a, out);
    *out = to == VYRE_TYPE_BOOL ? a != 0 : a;
    return true;
}

VYI_API uint32_t vyi_opposite(uint32_t sub)
{
    switch (sub) {
    case VYI_BINARY_EQ: return VYI_BINARY_NE;
    case VYI_BINARY_NE: return VYI_BINARY_EQ;
    case VYI_BINARY_LT: return VYI_BINARY_GE;
    case VYI_BINARY_LE: return VYI_BINARY_GT;
    case VYI_BINARY_GT: return VYI_BINARY_LE;
    case VYI_BINARY_GE: return VYI_BINARY_LT;
    default:            return VYI_BINARY_COUNT;
    }
}

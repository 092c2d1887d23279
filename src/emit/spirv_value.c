/* ==========================================================================
 * spirv: arithmetic and subgroup operations
 *
 * Private.  Tables where one instruction does it; functions where the meaning
 * that ir.h gives is more total than that of SPIR-V.
 * ======================================================================= */
#include "emit/spirv_impl.h"

/* --- arithmetic ---------------------------------------------------------- */

#define VYI_SPV_EXT 0x8000u /* the number is one of GLSL.std.450 */

/* Opcodes by vyi_binary, for u32, i32, f32, bool; 0: none, or not one. */
static const uint16_t vyi_spv_binaries[VYI_BINARY_COUNT][4] = {
    { VYI_SPV_OpIAdd, VYI_SPV_OpIAdd, VYI_SPV_OpFAdd, 0 },
    { VYI_SPV_OpISub, VYI_SPV_OpISub, VYI_SPV_OpFSub, 0 },
    { VYI_SPV_OpIMul, VYI_SPV_OpIMul, VYI_SPV_OpFMul, 0 },
    { 0, 0, VYI_SPV_OpFDiv, 0 },
    { 0, 0, 0, 0 },
    { 0, 0, 0, 0 },
    { VYI_SPV_OpBitwiseAnd, VYI_SPV_OpBitwiseAnd, 0, VYI_SPV_OpLogicalAnd },
    { VYI_SPV_OpBitwiseOr, VYI_SPV_OpBitwiseOr, 0, VYI_SPV_OpLogicalOr },
    { VYI_SPV_OpBitwiseXor, VYI_SPV_OpBitwiseXor, 0, VYI_SPV_OpLogicalNotEqual },
    { 0, 0, 0, 0 },
    { 0, 0, 0, 0 },
    { 0, 0, 0, 0 },
    { 0, 0, 0, 0 },
    { VYI_SPV_EXT | VYI_SPV_GlslUMin, VYI_SPV_EXT | VYI_SPV_GlslSMin,
      VYI_SPV_EXT | VYI_SPV_GlslNMin, 0 },
    { VYI_SPV_EXT | VYI_SPV_GlslUMax, VYI_SPV_EXT | VYI_SPV_GlslSMax,
      VYI_SPV_EXT | VYI_SPV_GlslNMax, 0 },
    { VYI_SPV_OpIEqual, VYI_SPV_OpIEqual, VYI_SPV_OpFOrdEqual, VYI_SPV_OpLogicalEqual },
    { VYI_SPV_OpINotEqual, VYI_SPV_OpINotEqual, VYI_SPV_OpFUnordNotEqual,
      VYI_SPV_OpLogicalNotEqual },
    { VYI_SPV_OpULessThan, VYI_SPV_OpSLessThan, VYI_SPV_OpFOrdLessThan, 0 },
    { VYI_SPV_OpULessThanEqual, VYI_SPV_OpSLessThanEqual, VYI_SPV_OpFOrdLessThanEqual, 0 },
    { VYI_SPV_OpUGreaterThan, VYI_SPV_OpSGreaterThan, VYI_SPV_OpFOrdGreaterThan, 0 },
    { VYI_SPV_OpUGreaterThanEqual, VYI_SPV_OpSGreaterThanEqual, VYI_SPV_OpFOrdGreaterThanEqual, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslPow, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslAtan2, 0 }
};
VYI_STATIC_ASSERT(spv_binaries, VYI_BINARY_COUNT == 23 && VYI_BINARY_GE == 20 &&
                                    VYI_BINARY_MIN == 13 && VYI_BINARY_AND == 6);

VYI_API uint32_t vyi_spv_is_zero(vyi_spv *e, uint32_t type, uint32_t a)
{
    return vyi_spv_test(e, VYI_SPV_OpIEqual, a, vyi_spv_const(e, type, 0));
}

/* The divisor, but 1 where dividing would be undefined: by zero, and MIN / -1.
 * Both leave the dividend, whose remainder is 0. */
static uint32_t vyi_spv_divisor(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t type = inst->type;
    const uint32_t a = vyi_spv_value(e, inst->arg[0]), b = vyi_spv_value(e, inst->arg[1]);
    uint32_t bits;
    if (vyi_literal(e->p, inst->arg[1], &bits) && bits &&
        (type == VYRE_TYPE_U32 || bits != 0xffffffffu))
        return b;
    uint32_t bad = vyi_spv_is_zero(e, type, b);
    if (type == VYRE_TYPE_I32) {
        const uint32_t least = vyi_spv_test(e, VYI_SPV_OpIEqual, a,
                                            vyi_spv_const(e, type, 0x80000000u));
        const uint32_t minus = vyi_spv_test(e, VYI_SPV_OpIEqual, b,
                                            vyi_spv_const(e, type, 0xffffffffu));
        bad = vyi_spv_test(e, VYI_SPV_OpLogicalOr, bad,
                           vyi_spv_test(e, VYI_SPV_OpLogicalAnd, least, minus));
    }
    return vyi_spv_select(e, type, bad, vyi_spv_const(e, type, 1), b);
}

static uint32_t vyi_spv_div(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t type = inst->type;
    const uint32_t a = vyi_spv_value(e, inst->arg[0]), b = vyi_spv_value(e, inst->arg[1]);
    const uint32_t divisor = vyi_spv_divisor(e, inst);
    const uint32_t quotient = vyi_spv_binary(
        e, type == VYRE_TYPE_I32 ? VYI_SPV_OpSDiv : VYI_SPV_OpUDiv, type, a, divisor);
    uint32_t bits;
    if (vyi_literal(e->p, inst->arg[1], &bits) && bits)
        return quotient;
    const uint32_t ones = vyi_spv_const(e, type, 0xffffffffu);
    return vyi_spv_select(e, type, vyi_spv_is_zero(e, type, b), ones, quotient);
}

/* Signed: a - a / b * b, as Vulkan leaves OpSRem undefined for negative operands. */
static uint32_t vyi_spv_rem(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t type = inst->type, a = vyi_spv_value(e, inst->arg[0]);
    const uint32_t divisor = vyi_spv_divisor(e, inst);
    if (type == VYRE_TYPE_U32)
        return vyi_spv_binary(e, VYI_SPV_OpUMod, type, a, divisor);
    const uint32_t quotient = vyi_spv_binary(e, VYI_SPV_OpSDiv, type, a, divisor);
    return vyi_spv_binary(e, VYI_SPV_OpISub, type, a,
                          vyi_spv_binary(e, VYI_SPV_OpIMul, type, quotient, divisor));
}

static uint32_t vyi_spv_mul_high(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32);
    const uint32_t pair = vyi_spv_type_of(e, VYI_SPV_OpTypeStruct, 2, u32, u32);
    const uint32_t b = vyi_spv_value(e, inst->arg[1]), a = vyi_spv_value(e, inst->arg[0]);
    const uint32_t product = vyi_spv_pure(e, VYI_SPV_OpUMulExtended, pair, 2, a, b);
    return vyi_spv_pure(e, VYI_SPV_OpCompositeExtract, u32, 2, product, 1u);
}

static uint32_t vyi_spv_low_bits(vyi_spv *e, uint32_t a)
{
    return vyi_spv_word(e, VYI_SPV_OpBitwiseAnd, a, vyi_spv_u32(e, 31));
}

/* A shift amount's low five bits. */
static uint32_t vyi_spv_amount(vyi_spv *e, uint32_t value)
{
    uint32_t bits;
    if (vyi_literal(e->p, value, &bits))
        return vyi_spv_u32(e, bits & 31u);
    if (vyi_range_limit(&e->range, value, VYI_RANGE_DEPTH) < 32)
        return vyi_spv_value(e, value);
    return vyi_spv_low_bits(e, vyi_spv_value(e, value));
}

static uint32_t vyi_spv_shift(vyi_spv *e, const vyi_inst *inst)
{
    uint32_t op = VYI_SPV_OpShiftLeftLogical;
    if (inst->sub == VYI_BINARY_SHR)
        op = inst->type == VYRE_TYPE_I32 ? VYI_SPV_OpShiftRightArithmetic
                                         : VYI_SPV_OpShiftRightLogical;
    const uint32_t amount = vyi_spv_amount(e, inst->arg[1]);
    return vyi_spv_binary(e, op, inst->type, vyi_spv_value(e, inst->arg[0]), amount);
}

/* Two shifts: by n, and by 32 - n the other way, modulo 32. */
static uint32_t vyi_spv_rotate(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t a = vyi_spv_value(e, inst->arg[0]);
    const bool left = inst->sub == VYI_BINARY_ROTL;
    uint32_t back, bits, amount = vyi_spv_amount(e, inst->arg[1]);
    if (vyi_literal(e->p, inst->arg[1], &bits))
        back = vyi_spv_u32(e, (0u - bits) & 31u);
    else
        back = vyi_spv_low_bits(e, vyi_spv_unary(e, VYI_SPV_OpSNegate, VYRE_TYPE_U32, amount));
    const uint32_t up = vyi_spv_word(e, VYI_SPV_OpShiftLeftLogical, a, left ? amount : back);
    const uint32_t down = vyi_spv_word(e, VYI_SPV_OpShiftRightLogical, a, left ? back : amount);
    return vyi_spv_word(e, VYI_SPV_OpBitwiseOr, up, down);
}

VYI_API uint32_t vyi_spv_binary_inst(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t type = vyi_definition(e->p, inst->arg[0])->type;
    const uint32_t op = vyi_spv_binaries[inst->sub][type - VYRE_TYPE_U32];
    if (!op) {
        switch (inst->sub) {
        case VYI_BINARY_DIV: return vyi_spv_div(e, inst);
        case VYI_BINARY_REM: return vyi_spv_rem(e, inst);
        case VYI_BINARY_MUL_HIGH: return vyi_spv_mul_high(e, inst);
        case VYI_BINARY_SHL: case VYI_BINARY_SHR: return vyi_spv_shift(e, inst);
        default: return vyi_spv_rotate(e, inst);
        }
    }
    const uint32_t a = vyi_spv_value(e, inst->arg[0]), b = vyi_spv_value(e, inst->arg[1]);
    if (op & VYI_SPV_EXT)
        return vyi_spv_ext2(e, inst->type, op & ~VYI_SPV_EXT, a, b);
    return vyi_spv_binary(e, op, inst->type, a, b);
}

/* Opcodes by vyi_unary, for u32, i32, f32, bool. */
static const uint16_t vyi_spv_unaries[VYI_UNARY_COUNT][4] = {
    { VYI_SPV_OpSNegate, VYI_SPV_OpSNegate, VYI_SPV_OpFNegate, 0 },
    { VYI_SPV_OpNot, VYI_SPV_OpNot, 0, VYI_SPV_OpLogicalNot },
    { 0, VYI_SPV_EXT | VYI_SPV_GlslSAbs, VYI_SPV_EXT | VYI_SPV_GlslFAbs, 0 },
    { 0, VYI_SPV_EXT | VYI_SPV_GlslSSign, VYI_SPV_EXT | VYI_SPV_GlslFSign, 0 },
    { VYI_SPV_OpBitCount, VYI_SPV_OpBitCount, 0, 0 },
    { 0, 0, 0, 0 },
    { 0, 0, 0, 0 },
    { VYI_SPV_OpBitReverse, VYI_SPV_OpBitReverse, 0, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslSqrt, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslInverseSqrt, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslFloor, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslCeil, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslRoundEven, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslTrunc, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslSin, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslCos, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslTan, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslExp, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslExp2, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslLog, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslLog2, 0 },
    { 0, 0, VYI_SPV_OpIsNan, 0 },
    { 0, 0, VYI_SPV_OpIsInf, 0 },
    { 0, 0, 0, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslAsin, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslAcos, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslAtan, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslSinh, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslCosh, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslTanh, 0 },
    { 0, 0, 0, 0 }
};
VYI_STATIC_ASSERT(spv_unaries, VYI_UNARY_COUNT == 31 && VYI_UNARY_IS_INF == 22 &&
                                   VYI_UNARY_SQRT == 8 && VYI_UNARY_EXP2 == 18);

/* 31 minus the highest set bit, which is -1 for 0. */
static uint32_t vyi_spv_clz(vyi_spv *e, uint32_t type, uint32_t a)
{
    const uint32_t highest = vyi_spv_ext1(e, type, VYI_SPV_GlslFindUMsb, a);
    return vyi_spv_binary(e, VYI_SPV_OpISub, type, vyi_spv_const(e, type, 31), highest);
}

/* The lowest set bit, which is -1 for 0: as u32 more than 32. */
static uint32_t vyi_spv_ctz(vyi_spv *e, uint32_t type, uint32_t a)
{
    const uint32_t bits = vyi_spv_const(e, type, 32);
    return vyi_spv_ext2(e, type, VYI_SPV_GlslUMin, vyi_spv_ext1(e, type, VYI_SPV_GlslFindILsb, a),
                        bits);
}

static uint32_t vyi_spv_unpack_half(vyi_spv *e, uint32_t a)
{
    const uint32_t f32 = vyi_spv_type(e, VYRE_TYPE_F32);
    const uint32_t pair = vyi_spv_type_of(e, VYI_SPV_OpTypeVector, 2, f32, 2u);
    const uint32_t halves = vyi_spv_ext_of(e, pair, VYI_SPV_GlslUnpackHalf2x16, 1, &a);
    return vyi_spv_pure(e, VYI_SPV_OpCompositeExtract, f32, 2, halves, 0u);
}

VYI_COLD
VYI_API uint32_t vyi_spv_unary_inst(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t type = vyi_definition(e->p, inst->arg[0])->type;
    const uint32_t op = vyi_spv_unaries[inst->sub][type - VYRE_TYPE_U32];
    const uint32_t a = vyi_spv_value(e, inst->arg[0]);
    if (op & VYI_SPV_EXT)
        return vyi_spv_ext1(e, inst->type, op & ~VYI_SPV_EXT, a);
    if (op)
        return vyi_spv_unary(e, op, inst->type, a);
    switch (inst->sub) {
    case VYI_UNARY_CLZ: return vyi_spv_clz(e, type, a);
    case VYI_UNARY_CTZ: return vyi_spv_ctz(e, type, a);
    case VYI_UNARY_UNPACK_HALF: return vyi_spv_unpack_half(e, a);
    case VYI_UNARY_SIGN:
        return vyi_spv_ext2(e, type, VYI_SPV_GlslUMin, a, vyi_spv_u32(e, 1));
    default: return a; /* ABS of u32, UNIFORM */
    }
}

VYI_API uint32_t vyi_spv_select_inst(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t b = vyi_spv_value(e, inst->arg[2]), a = vyi_spv_value(e, inst->arg[1]);
    return vyi_spv_select(e, inst->type, vyi_spv_value(e, inst->arg[0]), a, b);
}

VYI_COLD
VYI_API uint32_t vyi_spv_fma(vyi_spv *e, const vyi_inst *inst)
{
    uint32_t operands[3];
    for (uint32_t i = 0; i < 3; i++)
        operands[i] = vyi_spv_value(e, inst->arg[i]);
    return vyi_spv_ext(e, VYRE_TYPE_F32, VYI_SPV_GlslFma, 3, operands);
}

#define VYI_SPV_F32_2_31     0x4f000000u /* 2147483648.0 */
#define VYI_SPV_F32_2_32     0x4f800000u /* 4294967296.0 */
#define VYI_SPV_F32_MIN_I32  0xcf000000u /* -2147483648.0 */
#define VYI_SPV_F32_MAX_I32  0x4effffffu /* the f32 below 2^31 */
#define VYI_SPV_F32_MAX_U32  0x4f7fffffu /* the f32 below 2^32 */

/* The conversion itself is undefined out of range, so it sees clamped numbers. */
static uint32_t vyi_spv_float_to_int(vyi_spv *e, uint32_t type, uint32_t a)
{
    const bool is_signed = type == VYRE_TYPE_I32;
    uint32_t operands[3];
    operands[0] = a;
    operands[1] = vyi_spv_const(e, VYRE_TYPE_F32, is_signed ? VYI_SPV_F32_MIN_I32 : 0u);
    operands[2] = vyi_spv_const(e, VYRE_TYPE_F32,
                                is_signed ? VYI_SPV_F32_MAX_I32 : VYI_SPV_F32_MAX_U32);
    const uint32_t clamped = vyi_spv_ext(e, VYRE_TYPE_F32, VYI_SPV_GlslNClamp, 3, operands);
    const uint32_t converted = vyi_spv_unary(
        e, is_signed ? VYI_SPV_OpConvertFToS : VYI_SPV_OpConvertFToU, type, clamped);
    const uint32_t bound = vyi_spv_const(e, VYRE_TYPE_F32,
                                         is_signed ? VYI_SPV_F32_2_31 : VYI_SPV_F32_2_32);
    const uint32_t over = vyi_spv_test(e, VYI_SPV_OpFOrdGreaterThanEqual, a, bound);
    const uint32_t most = vyi_spv_const(e, type, is_signed ? 0x7fffffffu : 0xffffffffu);
    const uint32_t nan = vyi_spv_unary(e, VYI_SPV_OpIsNan, VYRE_TYPE_BOOL, a);
    const uint32_t number = vyi_spv_select(e, type, over, most, converted);
    return vyi_spv_select(e, type, nan, vyi_spv_const(e, type, 0), number);
}

static uint32_t vyi_spv_from_bool(vyi_spv *e, uint32_t type, uint32_t a)
{
    const uint32_t zero = vyi_spv_const(e, type, 0);
    const uint32_t one = vyi_spv_const(e, type, type == VYRE_TYPE_F32 ? 0x3f800000u : 1u);
    return vyi_spv_select(e, type, a, one, zero);
}

VYI_COLD
VYI_API uint32_t vyi_spv_cast(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t from = vyi_definition(e->p, inst->arg[0])->type, to = inst->type;
    const uint32_t a = vyi_spv_value(e, inst->arg[0]);
    if (from == to)
        return a;
    if (from == VYRE_TYPE_BOOL)
        return vyi_spv_from_bool(e, to, a);
    if (to == VYRE_TYPE_BOOL)
        return vyi_spv_binary(e, from == VYRE_TYPE_F32 ? VYI_SPV_OpFUnordNotEqual
                                                       : VYI_SPV_OpINotEqual,
                              to, a, vyi_spv_const(e, from, 0));
    if (from == VYRE_TYPE_F32)
        return vyi_spv_float_to_int(e, to, a);
    if (to == VYRE_TYPE_F32)
        return vyi_spv_unary(e, from == VYRE_TYPE_I32 ? VYI_SPV_OpConvertSToF
                                                      : VYI_SPV_OpConvertUToF, to, a);
    return vyi_spv_unary(e, VYI_SPV_OpBitcast, to, a);
}

VYI_COLD
VYI_API uint32_t vyi_spv_bitcast(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t a = vyi_spv_value(e, inst->arg[0]);
    if (vyi_definition(e->p, inst->arg[0])->type == inst->type)
        return a;
    return vyi_spv_unary(e, VYI_SPV_OpBitcast, inst->type, a);
}

/* --- subgroups ----------------------------------------------------------- */

/* A value that depends on which lanes are here: never shared. */
static uint32_t vyi_spv_group(vyi_spv *e, uint32_t op, uint32_t type, uint32_t a, uint32_t b)
{
    const uint32_t id = vyi_spv_id(e);
    const uint32_t count = 3u + (a ? 1u : 0u) + (b ? 1u : 0u);
    vyi_spv_put(e, VYI_SPV_BODY, op, count, type, id, vyi_spv_u32(e, VYI_SPV_ScopeSubgroup), a, b);
    return id;
}

static uint32_t vyi_spv_ballot(vyi_spv *e, uint32_t cond)
{
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32);
    const uint32_t mask = vyi_spv_group(e, VYI_SPV_OpGroupNonUniformBallot,
                                        vyi_spv_type_of(e, VYI_SPV_OpTypeVector, 2, u32, 4u),
                                        cond, 0);
    return vyi_spv_pure(e, VYI_SPV_OpCompositeExtract, u32, 2, mask, 0u);
}

/* By vyre_reduce_op, for u32, i32, f32, bool. */
static const uint16_t vyi_spv_reductions[VYRE_REDUCE_OP_COUNT][4] = {
    { VYI_SPV_OpGroupNonUniformIAdd, VYI_SPV_OpGroupNonUniformIAdd,
      VYI_SPV_OpGroupNonUniformFAdd, 0 },
    { VYI_SPV_OpGroupNonUniformUMin, VYI_SPV_OpGroupNonUniformSMin,
      VYI_SPV_OpGroupNonUniformFMin, 0 },
    { VYI_SPV_OpGroupNonUniformUMax, VYI_SPV_OpGroupNonUniformSMax,
      VYI_SPV_OpGroupNonUniformFMax, 0 },
    { VYI_SPV_OpGroupNonUniformBitwiseAnd, VYI_SPV_OpGroupNonUniformBitwiseAnd, 0,
      VYI_SPV_OpGroupNonUniformLogicalAnd },
    { VYI_SPV_OpGroupNonUniformBitwiseOr, VYI_SPV_OpGroupNonUniformBitwiseOr, 0,
      VYI_SPV_OpGroupNonUniformLogicalOr },
    { VYI_SPV_OpGroupNonUniformBitwiseXor, VYI_SPV_OpGroupNonUniformBitwiseXor, 0,
      VYI_SPV_OpGroupNonUniformLogicalXor }
};

static uint32_t vyi_spv_reduce(vyi_spv *e, const vyi_inst *inst, uint32_t a)
{
    const uint32_t id = vyi_spv_id(e);
    const uint32_t scope = vyi_spv_u32(e, VYI_SPV_ScopeSubgroup);
    vyi_spv_put(e, VYI_SPV_BODY, vyi_spv_reductions[inst->sub][inst->type - VYRE_TYPE_U32], 5,
                vyi_spv_type(e, inst->type), id, scope, VYI_SPV_GroupOperationReduce, a);
    return id;
}

/* By vyi_op from BALLOT to SHUFFLE: the instruction, and the feature it needs. */
static const uint16_t vyi_spv_group_ops[][2] = {
    { VYI_SPV_OpGroupNonUniformBallot, VYI_SUBGROUP_BALLOT },
    { VYI_SPV_OpGroupNonUniformElect, VYI_SUBGROUP_BASIC },
    { VYI_SPV_OpGroupNonUniformAny, VYI_SUBGROUP_VOTE },
    { VYI_SPV_OpGroupNonUniformAll, VYI_SUBGROUP_VOTE },
    { VYI_SPV_OpGroupNonUniformBroadcastFirst, VYI_SUBGROUP_BALLOT },
    { VYI_SPV_OpGroupNonUniformShuffle, VYI_SUBGROUP_SHUFFLE }
};
VYI_STATIC_ASSERT(spv_group_ops, VYI_OP_ELECT == VYI_OP_BALLOT + 1 &&
                                     VYI_OP_ANY == VYI_OP_BALLOT + 2 &&
                                     VYI_OP_ALL == VYI_OP_BALLOT + 3 &&
                                     VYI_OP_BROADCAST_FIRST == VYI_OP_BALLOT + 4 &&
                                     VYI_OP_SHUFFLE == VYI_OP_BALLOT + 5);

/* BALLOT .. REDUCE */
VYI_COLD
VYI_API uint32_t vyi_spv_subgroup(vyi_spv *e, const vyi_inst *inst)
{
    VYRE_ASSERT(inst->op >= VYI_OP_BALLOT && inst->op <= VYI_OP_REDUCE);
    const uint32_t a = inst->op == VYI_OP_ELECT ? 0 : vyi_spv_value(e, inst->arg[0]);
    const uint32_t b = inst->op == VYI_OP_SHUFFLE ? vyi_spv_value(e, inst->arg[1]) : 0;
    if (inst->op == VYI_OP_REDUCE) {
        vyi_spv_need_subgroup(e, VYI_SUBGROUP_ARITHMETIC);
        return vyi_spv_reduce(e, inst, a);
    }
    const uint16_t *row = vyi_spv_group_ops[inst->op - VYI_OP_BALLOT];
    vyi_spv_need_subgroup(e, row[1]);
    if (inst->op == VYI_OP_BALLOT)
        return vyi_spv_ballot(e, a);
    return vyi_spv_group(e, row[0], vyi_spv_type(e, inst->type), a, b);
}

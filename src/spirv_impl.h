/* ==========================================================================
 * spirv: the numbers of the standard
 *
 * Private.  From the unified SPIR-V specification and from GLSL.std.450; the
 * names are those of the standard, so that a test can compare each number
 * with the official header.
 * ======================================================================= */
#ifndef VYI_SPIRV_IMPL_H
#define VYI_SPIRV_IMPL_H

#include "base_impl.h"
#include "ir_impl.h"
#include "spirv.h"

VYI_EXTERN_C_BEGIN

#define VYI_SPV_MAGIC 0x07230203u

/* X(name, number) */
#define VYI_SPV_OP_LIST(X)                                                                         \
    X(Name, 5) X(Extension, 10) X(ExtInstImport, 11) X(ExtInst, 12) X(MemoryModel, 14)             \
    X(EntryPoint, 15) X(ExecutionMode, 16) X(Capability, 17)                                       \
    X(TypeVoid, 19) X(TypeBool, 20) X(TypeInt, 21) X(TypeFloat, 22) X(TypeVector, 23)              \
    X(TypeArray, 28) X(TypeRuntimeArray, 29) X(TypeStruct, 30) X(TypePointer, 32)                  \
    X(TypeFunction, 33)                                                                            \
    X(ConstantTrue, 41) X(ConstantFalse, 42) X(Constant, 43)                                       \
    X(SpecConstant, 50) X(SpecConstantComposite, 51)                                               \
    X(Function, 54) X(FunctionEnd, 56) X(Variable, 59) X(Load, 61) X(Store, 62)                    \
    X(AccessChain, 65) X(ArrayLength, 68) X(Decorate, 71) X(MemberDecorate, 72)                    \
    X(CompositeExtract, 81)                                                                        \
    X(ConvertFToU, 109) X(ConvertFToS, 110) X(ConvertSToF, 111) X(ConvertUToF, 112)                \
    X(Bitcast, 124) X(SNegate, 126) X(FNegate, 127)                                                \
    X(IAdd, 128) X(FAdd, 129) X(ISub, 130) X(FSub, 131) X(IMul, 132) X(FMul, 133)                  \
    X(UDiv, 134) X(SDiv, 135) X(FDiv, 136) X(UMod, 137) X(UMulExtended, 151)                       \
    X(IsNan, 156) X(IsInf, 157)                                                                    \
    X(LogicalEqual, 164) X(LogicalNotEqual, 165) X(LogicalOr, 166) X(LogicalAnd, 167)              \
    X(LogicalNot, 168) X(Select, 169) X(IEqual, 170) X(INotEqual, 171)                             \
    X(UGreaterThan, 172) X(SGreaterThan, 173) X(UGreaterThanEqual, 174)                            \
    X(SGreaterThanEqual, 175) X(ULessThan, 176) X(SLessThan, 177) X(ULessThanEqual, 178)           \
    X(SLessThanEqual, 179) X(FOrdEqual, 180) X(FUnordNotEqual, 183) X(FOrdLessThan, 184)           \
    X(FOrdGreaterThan, 186) X(FOrdLessThanEqual, 188) X(FOrdGreaterThanEqual, 190)                 \
    X(ShiftRightLogical, 194) X(ShiftRightArithmetic, 195) X(ShiftLeftLogical, 196)                \
    X(BitwiseOr, 197) X(BitwiseXor, 198) X(BitwiseAnd, 199) X(Not, 200)                            \
    X(BitReverse, 204) X(BitCount, 205)                                                            \
    X(ControlBarrier, 224) X(MemoryBarrier, 225)                                                   \
    X(AtomicLoad, 227) X(AtomicStore, 228) X(AtomicExchange, 229)                                  \
    X(AtomicCompareExchange, 230) X(AtomicIAdd, 234) X(AtomicISub, 235) X(AtomicSMin, 236)         \
    X(AtomicUMin, 237) X(AtomicSMax, 238) X(AtomicUMax, 239) X(AtomicAnd, 240)                     \
    X(AtomicOr, 241) X(AtomicXor, 242)                                                             \
    X(Phi, 245) X(LoopMerge, 246) X(SelectionMerge, 247) X(Label, 248) X(Branch, 249)              \
    X(BranchConditional, 250) X(Switch, 251) X(Return, 253) X(Unreachable, 255)                    \
    X(GroupNonUniformElect, 333) X(GroupNonUniformAll, 334) X(GroupNonUniformAny, 335)             \
    X(GroupNonUniformBroadcastFirst, 338) X(GroupNonUniformBallot, 339)                            \
    X(GroupNonUniformShuffle, 345)                                                                 \
    X(GroupNonUniformIAdd, 349) X(GroupNonUniformFAdd, 350) X(GroupNonUniformSMin, 353)            \
    X(GroupNonUniformUMin, 354) X(GroupNonUniformFMin, 355) X(GroupNonUniformSMax, 356)            \
    X(GroupNonUniformUMax, 357) X(GroupNonUniformFMax, 358)                                        \
    X(GroupNonUniformBitwiseAnd, 359) X(GroupNonUniformBitwiseOr, 360)                             \
    X(GroupNonUniformBitwiseXor, 361) X(GroupNonUniformLogicalAnd, 362)                            \
    X(GroupNonUniformLogicalOr, 363) X(GroupNonUniformLogicalXor, 364)

/* X(kind, name, number): everything that is not an instruction. */
#define VYI_SPV_ENUM_LIST(X)                                                                       \
    X(Capability, Shader, 1) X(Capability, GroupNonUniform, 61)                                    \
    X(Capability, GroupNonUniformVote, 62) X(Capability, GroupNonUniformArithmetic, 63)            \
    X(Capability, GroupNonUniformBallot, 64) X(Capability, GroupNonUniformShuffle, 65)             \
    X(Capability, VulkanMemoryModel, 5345)                                                         \
    X(Capability, VulkanMemoryModelDeviceScope, 5346)                                              \
    X(AddressingModel, Logical, 0) X(MemoryModel, GLSL450, 1) X(MemoryModel, Vulkan, 3)            \
    X(ExecutionModel, GLCompute, 5) X(ExecutionMode, LocalSize, 17)                                \
    X(StorageClass, Input, 1) X(StorageClass, Workgroup, 4) X(StorageClass, PushConstant, 9)       \
    X(StorageClass, StorageBuffer, 12)                                                             \
    X(Decoration, SpecId, 1) X(Decoration, Block, 2) X(Decoration, ArrayStride, 6)                 \
    X(Decoration, BuiltIn, 11) X(Decoration, Coherent, 23) X(Decoration, NonWritable, 24)          \
    X(Decoration, Binding, 33) X(Decoration, DescriptorSet, 34) X(Decoration, Offset, 35)          \
    X(BuiltIn, NumWorkgroups, 24) X(BuiltIn, WorkgroupSize, 25) X(BuiltIn, WorkgroupId, 26)        \
    X(BuiltIn, LocalInvocationId, 27) X(BuiltIn, GlobalInvocationId, 28)                           \
    X(BuiltIn, LocalInvocationIndex, 29) X(BuiltIn, SubgroupSize, 36)                              \
    X(BuiltIn, SubgroupLocalInvocationId, 41)                                                      \
    X(Scope, Device, 1) X(Scope, Workgroup, 2) X(Scope, Subgroup, 3)                               \
    X(GroupOperation, Reduce, 0)

/* X(name, bits): masks; the official names end in Mask. */
#define VYI_SPV_MASK_LIST(X)                                                                       \
    X(MemoryAccessNonPrivatePointer, 0x20)                                                         \
    X(MemorySemanticsAcquire, 0x2) X(MemorySemanticsRelease, 0x4)                                  \
    X(MemorySemanticsAcquireRelease, 0x8) X(MemorySemanticsUniformMemory, 0x40)                    \
    X(MemorySemanticsWorkgroupMemory, 0x100) X(MemorySemanticsMakeAvailable, 0x2000)               \
    X(MemorySemanticsMakeVisible, 0x4000)

/* X(name, number): GLSL.std.450 */
#define VYI_SPV_GLSL_LIST(X)                                                                       \
    X(RoundEven, 2) X(Trunc, 3) X(FAbs, 4) X(SAbs, 5) X(FSign, 6) X(SSign, 7) X(Floor, 8)          \
    X(Ceil, 9) X(Sin, 13) X(Cos, 14) X(Tan, 15) X(Exp, 27) X(Log, 28) X(Exp2, 29) X(Log2, 30)      \
    X(Sqrt, 31) X(InverseSqrt, 32) X(UMin, 38) X(SMin, 39) X(UMax, 41) X(SMax, 42) X(Fma, 50)      \
    X(FindILsb, 73) X(FindUMsb, 75) X(NMin, 79) X(NMax, 80) X(NClamp, 81)

enum {
#define VYI_SPV_ENUM_OP(name, number) VYI_SPV_Op##name = (number),
    VYI_SPV_OP_LIST(VYI_SPV_ENUM_OP)
#undef VYI_SPV_ENUM_OP
#define VYI_SPV_ENUM_ANY(kind, name, number) VYI_SPV_##kind##name = (number),
    VYI_SPV_ENUM_LIST(VYI_SPV_ENUM_ANY)
#undef VYI_SPV_ENUM_ANY
#define VYI_SPV_ENUM_MASK(name, bits) VYI_SPV_##name = (bits),
    VYI_SPV_MASK_LIST(VYI_SPV_ENUM_MASK)
#undef VYI_SPV_ENUM_MASK
#define VYI_SPV_ENUM_GLSL(name, number) VYI_SPV_Glsl##name = (number),
    VYI_SPV_GLSL_LIST(VYI_SPV_ENUM_GLSL)
#undef VYI_SPV_ENUM_GLSL
    VYI_SPV_ENUM_END
};

/* VkSubgroupFeatureFlagBits */
enum {
    VYI_SUBGROUP_BASIC = 1,
    VYI_SUBGROUP_VOTE = 2,
    VYI_SUBGROUP_ARITHMETIC = 4,
    VYI_SUBGROUP_BALLOT = 8,
    VYI_SUBGROUP_SHUFFLE = 16
};

VYI_EXTERN_C_END

#endif

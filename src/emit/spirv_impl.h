/* ==========================================================================
 * spirv: the numbers of the standard, and the emitter's state
 *
 * Private.  The numbers are from the unified SPIR-V specification and from
 * GLSL.std.450; the names are those of the standard, so that a test can
 * compare each number with the official header.
 * ======================================================================= */
#ifndef VYI_SPIRV_IMPL_H
#define VYI_SPIRV_IMPL_H

#include "base/base_impl.h"
#include "ir/ir_impl.h"
#include "ir/range_impl.h"
#include "emit/spirv.h"

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
    X(GroupNonUniformLogicalOr, 363) X(GroupNonUniformLogicalXor, 364) X(ReadClockKHR, 5056)

/* X(kind, name, number): everything that is not an instruction. */
#define VYI_SPV_ENUM_LIST(X)                                                                       \
    X(Capability, Shader, 1) X(Capability, GroupNonUniform, 61)                                    \
    X(Capability, GroupNonUniformVote, 62) X(Capability, GroupNonUniformArithmetic, 63)            \
    X(Capability, GroupNonUniformBallot, 64) X(Capability, GroupNonUniformShuffle, 65)             \
    X(Capability, VulkanMemoryModel, 5345)                                                         \
    X(Capability, VulkanMemoryModelDeviceScope, 5346) X(Capability, ShaderClockKHR, 5055)          \
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
    X(MemoryAccessMakePointerAvailable, 0x8) X(MemoryAccessMakePointerVisible, 0x10)               \
    X(MemoryAccessNonPrivatePointer, 0x20)                                                         \
    X(MemorySemanticsAcquire, 0x2) X(MemorySemanticsRelease, 0x4)                                  \
    X(MemorySemanticsAcquireRelease, 0x8) X(MemorySemanticsUniformMemory, 0x40)                    \
    X(MemorySemanticsWorkgroupMemory, 0x100) X(MemorySemanticsMakeAvailable, 0x2000)               \
    X(MemorySemanticsMakeVisible, 0x4000)

/* X(name, number): GLSL.std.450 */
#define VYI_SPV_GLSL_LIST(X)                                                                       \
    X(RoundEven, 2) X(Trunc, 3) X(FAbs, 4) X(SAbs, 5) X(FSign, 6) X(SSign, 7) X(Floor, 8)          \
    X(Ceil, 9) X(Sin, 13) X(Cos, 14) X(Tan, 15) X(Asin, 16) X(Acos, 17) X(Atan, 18) X(Sinh, 19)    \
    X(Cosh, 20) X(Tanh, 21) X(Atan2, 25) X(Pow, 26) X(Exp, 27) X(Log, 28) X(Exp2, 29) X(Log2, 30)  \
    X(Sqrt, 31) X(InverseSqrt, 32) X(UMin, 38) X(SMin, 39) X(UMax, 41) X(SMax, 42) X(Fma, 50)      \
    X(UnpackHalf2x16, 62) X(FindILsb, 73) X(FindUMsb, 75) X(NMin, 79) X(NMax, 80) X(NClamp, 81)

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

/* --- the emitter --------------------------------------------------------- */

/* Sections, in the order of the finished module; INTERFACE is a list for the
 * entry point, and no section of its own. */
enum {
    VYI_SPV_CAPABILITIES,
    VYI_SPV_IMPORT,
    VYI_SPV_ENTRY, /* memory model and entry point */
    VYI_SPV_MODES,
    VYI_SPV_NAMES,
    VYI_SPV_DECORATIONS,
    VYI_SPV_GLOBALS,
    VYI_SPV_START, /* the function's first block: loads of builtins and lengths */
    VYI_SPV_BODY,
    VYI_SPV_INTERFACE,
    VYI_SPV_SECTIONS
};

#define VYI_SPV_MAIN     1u  /* id of the function */

#define VYI_SPV_MAX_WORDS 0xffffu /* of one instruction: its count has 16 bits */
#define VYI_SPV_MAX_CASES 16383u  /* of a switch, that every consumer takes: Universal Limits */
#define VYI_SPV_MAX_EDGES ((VYI_SPV_MAX_WORDS - 3) / 2) /* of a phi */

#define VYI_SPV_NEEDED   1u /* it has an effect, or a value that is used */
#define VYI_SPV_USED     2u /* its value is an operand of something needed */
#define VYI_SPV_KEPT     4u /* of something that is not an if */
#define VYI_SPV_BUCKETS  512u
#define VYI_SPV_OPERANDS 5u /* of an instruction that goes through a set */

typedef struct vyi_spv_words {
    uint32_t *at;
    uint32_t  count, capacity;
} vyi_spv_words;

typedef struct vyi_spv_entry {
    uint32_t hash;
    uint32_t offset; /* of the instruction in its section */
    uint32_t next;   /* entry of the same bucket, plus one */
} vyi_spv_entry;

typedef struct vyi_spv_set {
    uint32_t       section;
    uint32_t       buckets[VYI_SPV_BUCKETS];
    vyi_spv_entry *entries;
    uint32_t       count, capacity;
} vyi_spv_set;

/* An open block. */
typedef struct vyi_spv_frame {
    uint32_t opener, end;         /* indices of its instructions */
    uint32_t header, next, merge; /* labels; next: a loop's continue target */
    uint32_t arm;                 /* label of a switch's next arm */
    uint32_t touched, touched_count; /* locals it may set: a run of e->stack */
    uint32_t merge_edges, next_edges;
    uint32_t phis;                /* offset of the header's first phi */
    uint32_t counter, count;      /* a counted loop's phi, and how far it counts */
    uint32_t rounds_left, trips;
    uint32_t values, facts;       /* sizes of e->values and e->range outside */
    bool     then_left, has_else;
} vyi_spv_frame;

typedef struct vyi_spv {
    const vyre_program *p;
    vyre_spirv_desc desc;
    bool          vulkan_model;
    bool          failed;  /* out of memory or beyond a limit: nothing is written any more */
    uint32_t      excess, most; /* how many there are of `excess_of`, and may be */
    const char   *excess_of;    /* NULL: no limit was exceeded */
    bool          left;    /* the current block has ended */
    bool          fed;     /* a round loop: the host may write while it runs */
    vyi_arena     arena;
    vyi_spv_words section[VYI_SPV_SECTIONS];
    vyi_spv_set   globals, values;
    vyi_spv_words stack, edges;
    vyi_range     range;
    uint32_t      next_id, block;
    uint32_t      capabilities; /* bit i: vyi_spv_optional_capabilities[i] */
    uint32_t      clock;        /* the last CLOCK's two words, an id; 0 where there is no clock */
    uint32_t      subgroup;
    uint32_t      memory_bits; /* storage classes that orders cover */
    bool          written[VYRE_MAX_BUFFERS]; /* by id - 1: see vyi_spv_find_written */
    uint32_t      glsl;        /* the imported instruction set */
    uint32_t      shared_bytes; /* of all variables of the workgroup */
    uint32_t      fence_word;
    uint32_t      trips;       /* pointer to the subgroup's count of iterations, or 0 */
    uint32_t      types[VYRE_TYPE_BOOL + 1];
    uint32_t      bools[2]; /* the constants, once they are there */
    uint32_t      blocks[VYRE_TYPE_BOOL + 1]; /* struct types of buffers */
    uint32_t      builtins[VYRE_BUILTIN_COUNT];
    uint32_t      inputs[VYRE_BUILTIN_COUNT]; /* loaded vectors, by their first component */
    uint32_t      group_size[3];
    uint32_t      rounds_start, rounds_step;
    uint32_t     *ids;     /* of values */
    uint8_t      *needed;  /* of instructions: VYI_SPV_NEEDED, VYI_SPV_USED */
    uint32_t     *buffers, *lengths;
    uint32_t     *current; /* values of locals; after the program's own: spent, allowed, cut */
    uint32_t     *last_get, *marks;
    /* Ids of the locals of the loop limit: iterations of this lane, those that
     * it may make, whether a loop was cut, and what the driver has counted. */
    uint32_t      spent, allowed, cut, cost;
    uint32_t      mark;
    vyi_spv_frame frames[VYRE_MAX_NESTING];
    uint32_t      depth;
} vyi_spv;

/* Room for `count` more words, or NULL: for none, and after a failure. */
VYI_API uint32_t *vyi_spv_room(vyi_spv *e, vyi_spv_words *w, uint32_t count);
/* The program has more of `what` than a module can. */
VYI_API void vyi_spv_exceed(vyi_spv *e, uint32_t count, uint32_t most, const char *what);
VYI_API uint32_t vyi_spv_id(vyi_spv *e);
/* One instruction; returns its offset.  The operands are uint32_t. */
VYI_API uint32_t vyi_spv_put(vyi_spv *e, uint32_t section, uint32_t op, uint32_t count, ...);
/* More operands for the section's last instruction, which is at `offset`. */
VYI_API void vyi_spv_extend(vyi_spv *e, uint32_t section, uint32_t offset, uint32_t count, ...);
/* The same for a string's words: little-endian, terminated, padded with zeros. */
VYI_API void vyi_spv_extend_text(vyi_spv *e, uint32_t section, uint32_t offset, const char *text);
VYI_API void vyi_spv_name(vyi_spv *e, uint32_t id, const char *name);
/* Forgets what was added after the set had `count` entries. */
VYI_API void vyi_spv_forget(vyi_spv_set *set, uint32_t count);

/* A type of the module, one for equal operands. */
VYI_API uint32_t vyi_spv_type_of(vyi_spv *e, uint32_t op, uint32_t count, ...);
VYI_API uint32_t vyi_spv_type(vyi_spv *e, uint32_t type); /* of a vyre_type */
VYI_API uint32_t vyi_spv_pointer_type(vyi_spv *e, uint32_t storage, uint32_t type);
VYI_API uint32_t vyi_spv_memory_type(uint32_t type); /* the vyre_type that an element has */
VYI_API uint32_t vyi_spv_block_type(vyi_spv *e, uint32_t member);
VYI_API uint32_t vyi_spv_const(vyi_spv *e, uint32_t type, uint32_t bits);
VYI_API uint32_t vyi_spv_u32(vyi_spv *e, uint32_t x);
VYI_API uint32_t vyi_spv_variable(vyi_spv *e, uint32_t storage, uint32_t type);
/* A variable of the workgroup, of this many bytes. */
VYI_API uint32_t vyi_spv_shared(vyi_spv *e, uint32_t type, uint32_t bytes);
VYI_API void vyi_spv_decorate(vyi_spv *e, uint32_t id, uint32_t decoration);
VYI_API void vyi_spv_decorate_with(vyi_spv *e, uint32_t id, uint32_t decoration, uint32_t value);
VYI_API void vyi_spv_need_subgroup(vyi_spv *e, uint32_t feature);

/* Values that depend on their operands only; `type` is an id in the first, a
 * vyre_type in the others. */
VYI_API uint32_t vyi_spv_pure(vyi_spv *e, uint32_t op, uint32_t type, uint32_t count, ...);
/* Up to three operands. */
VYI_API uint32_t vyi_spv_ext_of(vyi_spv *e, uint32_t type_id, uint32_t inst, uint32_t count,
                                const uint32_t *operands);
VYI_API uint32_t vyi_spv_ext(vyi_spv *e, uint32_t type, uint32_t inst, uint32_t count,
                             const uint32_t *operands);
VYI_API uint32_t vyi_spv_ext1(vyi_spv *e, uint32_t type, uint32_t inst, uint32_t a);
VYI_API uint32_t vyi_spv_ext2(vyi_spv *e, uint32_t type, uint32_t inst, uint32_t a, uint32_t b);
VYI_API uint32_t vyi_spv_unary(vyi_spv *e, uint32_t op, uint32_t type, uint32_t a);
VYI_API uint32_t vyi_spv_binary(vyi_spv *e, uint32_t op, uint32_t type, uint32_t a, uint32_t b);
/* A binary that gives a bool, and one that gives a u32. */
VYI_API uint32_t vyi_spv_test(vyi_spv *e, uint32_t op, uint32_t a, uint32_t b);
VYI_API uint32_t vyi_spv_word(vyi_spv *e, uint32_t op, uint32_t a, uint32_t b);
VYI_API uint32_t vyi_spv_select(vyi_spv *e, uint32_t type, uint32_t cond, uint32_t a, uint32_t b);

/* The SPIR-V id of a value of the program. */
VYI_API uint32_t vyi_spv_value(vyi_spv *e, uint32_t value);

VYI_API void vyi_spv_label(vyi_spv *e, uint32_t id);
VYI_API void vyi_spv_branch(vyi_spv *e, uint32_t label);
VYI_API void vyi_spv_branch_if(vyi_spv *e, uint32_t cond, uint32_t yes, uint32_t no);

/* spirv_memory.c */
VYI_API bool vyi_spv_is_shared(const vyi_spv *e, uint32_t buffer);
VYI_API uint32_t vyi_spv_length(vyi_spv *e, uint32_t buffer);
VYI_API void vyi_spv_clear_arrays(vyi_spv *e);
VYI_API void vyi_spv_barrier(vyi_spv *e, const vyi_inst *inst);
/* A word of memory as a value, and back: a bool is whether any bit is set. */
VYI_API uint32_t vyi_spv_from_memory(vyi_spv *e, uint32_t type, uint32_t word);
VYI_API uint32_t vyi_spv_to_memory(vyi_spv *e, uint32_t type, uint32_t value);
VYI_API uint32_t vyi_spv_load(vyi_spv *e, const vyi_inst *inst);
VYI_API void vyi_spv_store(vyi_spv *e, const vyi_inst *inst);
VYI_API uint32_t vyi_spv_atomic_load(vyi_spv *e, const vyi_inst *inst);
/* ATOMIC, ATOMIC_CAS, ATOMIC_STORE */
VYI_API uint32_t vyi_spv_atomic(vyi_spv *e, const vyi_inst *inst);

/* spirv_value.c: BINARY, UNARY, SELECT, FMA, CAST, BITCAST, and the subgroup operations */
VYI_API uint32_t vyi_spv_binary_inst(vyi_spv *e, const vyi_inst *inst);
VYI_API uint32_t vyi_spv_is_zero(vyi_spv *e, uint32_t type, uint32_t a); /* of integers */
VYI_API uint32_t vyi_spv_unary_inst(vyi_spv *e, const vyi_inst *inst);
VYI_API uint32_t vyi_spv_select_inst(vyi_spv *e, const vyi_inst *inst);
VYI_API uint32_t vyi_spv_fma(vyi_spv *e, const vyi_inst *inst);
VYI_API uint32_t vyi_spv_cast(vyi_spv *e, const vyi_inst *inst);
VYI_API uint32_t vyi_spv_bitcast(vyi_spv *e, const vyi_inst *inst);
VYI_API uint32_t vyi_spv_subgroup(vyi_spv *e, const vyi_inst *inst);

/* spirv_builtin.c */
VYI_API uint32_t vyi_spv_builtin(vyi_spv *e, uint32_t builtin);
VYI_API void vyi_spv_declare_group_size(vyi_spv *e);
/* A load in the function's first block; `type` is an id. */
VYI_API uint32_t vyi_spv_start_load(vyi_spv *e, uint32_t type, uint32_t pointer);
/* Iterations so far: this lane's, or its subgroup's where the limit counts those. */
VYI_API uint32_t vyi_spv_trips(vyi_spv *e);
VYI_API void vyi_spv_count_trips(vyi_spv *e);

/* spirv_flow.c */
VYI_API void vyi_spv_flow(vyi_spv *e, uint32_t index);
VYI_API void vyi_spv_loop_allow(vyi_spv *e, const vyi_inst *inst);

VYI_EXTERN_C_END

#endif

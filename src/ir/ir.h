/* ==========================================================================
 * ir: programs for a compute device, and the builder that writes them
 *
 * Public.  A program is a flat list of instructions.  Each builder call
 * appends one, at the current place, and returns a value that is computed
 * exactly once, there: a load happens where it was written, and nothing is
 * evaluated twice.  Control flow is structured, with begin and end calls.
 *
 *     vyre_buffer out = vyre_ir_buffer(p, &desc);
 *     vyre_value  i   = vyre_ir_builtin(p, VYRE_BUILTIN_GLOBAL_ID_X);
 *     vyre_ir_store(p, out, i, vyre_ir_mul(p, i, i));
 *     status = vyre_program_finish(p, &err);
 *
 * The builder is sticky: the first mistake is kept, every later call does
 * nothing, and vyre_program_finish reports it with the number of the call.
 *
 * A value can be used where its instruction dominates: later in the same
 * block, or in a block nested in it.  What must outlive a block is a local.
 *
 * Meaning is total, and the same on every backend:
 *   u32 x/0 = 0xFFFFFFFF, x%0 = 0; i32 x/0 = -1, x%0 = 0, MIN/-1 = MIN,
 *   MIN%-1 = 0; shifts use the low five bits of their amount; a load beyond
 *   the length gives 0, a store there does nothing, an atomic there does
 *   nothing and gives 0; f32 to integer saturates and NaN gives 0.
 * Integers agree bit for bit; f32 agrees to what Vulkan promises.
 * ======================================================================= */
#ifndef VYI_IR_H
#define VYI_IR_H

#include "base/base.h"

VYI_EXTERN_C_BEGIN

typedef struct vyre_program vyre_program;

/* Handles of the builder; id 0 is none.  Distinct types, so that one cannot
 * be passed for another. */
typedef struct vyre_value { uint32_t id; } vyre_value;
typedef struct vyre_local { uint32_t id; } vyre_local;
typedef struct vyre_buffer { uint32_t id; } vyre_buffer;

typedef enum vyre_type {
    VYRE_TYPE_NONE = 0, /* of an instruction without a value; in a desc: u32 */
    VYRE_TYPE_U32 = 1,
    VYRE_TYPE_I32 = 2,
    VYRE_TYPE_F32 = 3,
    VYRE_TYPE_BOOL = 4, /* in memory a whole word; any bit set reads as true */
    VYRE_TYPE_U64 = 5,  /* of values and locals, not of buffers: two u32, see vyre_ir_u64 */
    VYRE_TYPE_I64 = 6
} vyre_type;

typedef enum vyre_access {
    VYRE_ACCESS_READ_WRITE = 0,
    VYRE_ACCESS_READ = 1,
    VYRE_ACCESS_WRITE = 2,
    VYRE_ACCESS_WORKGROUP = 3 /* an array shared by one workgroup, zero at its start; no binding */
} vyre_access;

typedef struct vyre_buffer_desc {
    const char *name;        /* NULL = "bufferN" */
    uint32_t    binding;     /* unique in the program, below VYRE_MAX_BINDINGS */
    vyre_type   type;        /* of one element; 0 = u32 */
    vyre_access access;      /* 0 = read and write */
    uint32_t    count;       /* elements; 0 = as many as are bound (not for workgroup arrays) */
    bool        no_readback; /* a host that copies results back may skip this buffer */
    uint32_t    readback_offset, readback_size; /* bytes to copy back; both 0 = all */
} vyre_buffer_desc;

#define VYRE_MAX_BINDINGS       32u
#define VYRE_MAX_BUFFERS        128u    /* workgroup arrays included */
#define VYRE_MAX_WORKGROUP      1024u   /* lanes in one workgroup, all dimensions together */
#define VYRE_MAX_NESTING        64u     /* open blocks */
#define VYRE_MAX_INSTRUCTIONS   100000u
#define VYRE_MAX_WORKGROUP_SIZE 32768u  /* bytes of workgroup arrays in one program */
#define VYRE_MAX_NAME           63u     /* characters of a name; the rest is cut */

/* X(NAME, text): what a program can ask about where it runs; all u32 but
 * LOOP_CUT. */
#define VYRE_BUILTIN_LIST(X)                                                                       \
    X(LOCAL_ID_X, "local_id.x") X(LOCAL_ID_Y, "local_id.y") X(LOCAL_ID_Z, "local_id.z")            \
    X(GROUP_ID_X, "group_id.x") X(GROUP_ID_Y, "group_id.y") X(GROUP_ID_Z, "group_id.z")            \
    X(GLOBAL_ID_X, "global_id.x") X(GLOBAL_ID_Y, "global_id.y") X(GLOBAL_ID_Z, "global_id.z")      \
    X(GROUP_SIZE_X, "group_size.x") X(GROUP_SIZE_Y, "group_size.y")                                \
    X(GROUP_SIZE_Z, "group_size.z")                                                                \
    X(GROUP_COUNT_X, "group_count.x") X(GROUP_COUNT_Y, "group_count.y")                            \
    X(GROUP_COUNT_Z, "group_count.z")                                                              \
    X(LOCAL_INDEX, "local_index")           /* of the lane in its workgroup, x fastest */          \
    X(SUBGROUP_LANE, "subgroup_lane")       /* of the lane in its subgroup */                      \
    X(SUBGROUP_SIZE, "subgroup_size")                                                              \
    X(LOOP_LEFT, "loop_left")               /* iterations left before the driver would cut this    \
                                               invocation's loops; 0xFFFFFFFF = no such limit */   \
    X(LOOP_CUT, "loop_cut")                 /* bool: a loop was cut since the last loop_allow */

typedef enum vyre_builtin {
#define VYI_BUILTIN_ENUM(name, text) VYRE_BUILTIN_##name,
    VYRE_BUILTIN_LIST(VYI_BUILTIN_ENUM)
#undef VYI_BUILTIN_ENUM
    VYRE_BUILTIN_COUNT
} vyre_builtin;

/* X(NAME, function, operand class, result class).  Classes: I integer, N number
 * (integer or f32), F f32, B bool, IB integer or bool, A any, U u32; in the
 * result S = the operand's type, B = bool, F = f32.  Both operands have the same
 * type, except that a shift or rotate amount is always u32. */
#define VYRE_BINARY_LIST(X)                                                                        \
    X(ADD, vyre_ir_add, N, S) X(SUB, vyre_ir_sub, N, S) X(MUL, vyre_ir_mul, N, S)                  \
    X(DIV, vyre_ir_div, N, S) X(REM, vyre_ir_rem, I, S)                                            \
    X(MUL_HIGH, vyre_ir_mul_high, U, S) /* upper half of the 64-bit product */                     \
    X(AND, vyre_ir_and, IB, S) X(OR, vyre_ir_or, IB, S) X(XOR, vyre_ir_xor, IB, S)                 \
    X(SHL, vyre_ir_shl, I, S) X(SHR, vyre_ir_shr, I, S) /* shr of i32 copies the sign */           \
    X(ROTL, vyre_ir_rotl, U, S) X(ROTR, vyre_ir_rotr, U, S)                                        \
    X(MIN, vyre_ir_min, N, S) X(MAX, vyre_ir_max, N, S) /* f32: the operand that is not NaN */     \
    X(EQ, vyre_ir_eq, A, B) X(NE, vyre_ir_ne, A, B)     /* f32: NaN is unequal to everything */    \
    X(LT, vyre_ir_lt, N, B) X(LE, vyre_ir_le, N, B)                                                \
    X(GT, vyre_ir_gt, N, B) X(GE, vyre_ir_ge, N, B)                                                \
    X(POW, vyre_ir_pow, F, S)     /* a to the power of b; for a > 0, or a = 0 < b */               \
    X(ATAN2, vyre_ir_atan2, F, S) /* the angle of the point (b, a) */

#define VYRE_UNARY_LIST(X)                                                                         \
    X(NEG, vyre_ir_neg, N, S)                                                                      \
    X(NOT, vyre_ir_not, IB, S)   /* bits of integers, truth of bools */                            \
    X(ABS, vyre_ir_abs, N, S)    /* abs of u32 is itself; abs(MIN) = MIN */                        \
    X(SIGN, vyre_ir_sign, N, S)                                                                    \
    X(POPCOUNT, vyre_ir_popcount, I, S)                                                            \
    X(CLZ, vyre_ir_clz, I, S) X(CTZ, vyre_ir_ctz, I, S) /* clz(0) = ctz(0) = 32 */                 \
    X(REVERSE, vyre_ir_reverse, I, S)                                                              \
    X(SQRT, vyre_ir_sqrt, F, S) X(RSQRT, vyre_ir_rsqrt, F, S)                                      \
    X(FLOOR, vyre_ir_floor, F, S) X(CEIL, vyre_ir_ceil, F, S)                                      \
    X(ROUND, vyre_ir_round, F, S) X(TRUNC, vyre_ir_trunc, F, S) /* round: half to even */          \
    X(SIN, vyre_ir_sin, F, S) X(COS, vyre_ir_cos, F, S) X(TAN, vyre_ir_tan, F, S)                  \
    X(EXP, vyre_ir_exp, F, S) X(EXP2, vyre_ir_exp2, F, S)                                          \
    X(LOG, vyre_ir_log, F, S) X(LOG2, vyre_ir_log2, F, S)                                          \
    X(IS_NAN, vyre_ir_is_nan, F, B) X(IS_INF, vyre_ir_is_inf, F, B)                                \
    X(UNIFORM, vyre_ir_uniform, A, S) /* itself, and the caller's word that it is the same in all  \
                                         lanes of the workgroup that come here: barriers may       \
                                         stand where such values decide */                         \
    X(ASIN, vyre_ir_asin, F, S) X(ACOS, vyre_ir_acos, F, S) X(ATAN, vyre_ir_atan, F, S)            \
    X(SINH, vyre_ir_sinh, F, S) X(COSH, vyre_ir_cosh, F, S) X(TANH, vyre_ir_tanh, F, S)            \
    X(UNPACK_HALF, vyre_ir_unpack_half, U, F) /* the f16 in the low 16 bits */

typedef enum vyre_atomic_op {
    VYRE_ATOMIC_ADD = 0,
    VYRE_ATOMIC_SUB,
    VYRE_ATOMIC_AND,
    VYRE_ATOMIC_OR,
    VYRE_ATOMIC_XOR,
    VYRE_ATOMIC_MIN, /* signed when the buffer's elements are i32 */
    VYRE_ATOMIC_MAX,
    VYRE_ATOMIC_EXCHANGE,
    VYRE_ATOMIC_OP_COUNT
} vyre_atomic_op;

/* What an atomic or a barrier orders, beyond itself. */
typedef enum vyre_order {
    VYRE_ORDER_RELAXED = 0,
    VYRE_ORDER_ACQUIRE = 1,
    VYRE_ORDER_RELEASE = 2,
    VYRE_ORDER_ACQ_REL = 3
} vyre_order;

typedef enum vyre_scope {
    VYRE_SCOPE_WORKGROUP = 0, /* all lanes of the workgroup wait for each other */
    VYRE_SCOPE_SUBGROUP = 1,  /* all lanes of the subgroup wait for each other */
    VYRE_SCOPE_DEVICE = 2     /* a fence: nobody waits; orders this lane's memory accesses */
} vyre_scope;

typedef enum vyre_reduce_op {
    VYRE_REDUCE_ADD = 0,
    VYRE_REDUCE_MIN,
    VYRE_REDUCE_MAX,
    VYRE_REDUCE_AND,
    VYRE_REDUCE_OR,
    VYRE_REDUCE_XOR,
    VYRE_REDUCE_OP_COUNT
} vyre_reduce_op;

/* --- programs ------------------------------------------------------------ */

typedef struct vyre_program_desc {
    uint32_t       workgroup_size[3]; /* 0 in x = 64, in y and z = 1 */
    const char    *name;              /* NULL = "program" */
    vyre_allocator allocator;         /* all zero = malloc and free */
} vyre_program_desc;

/* An empty program to build into; NULL desc is all defaults. NULL on failure. */
VYRE_API vyre_program *vyre_program_create(const vyre_program_desc *desc, vyre_error *err);
/* NULL is allowed. */
VYRE_API void vyre_program_destroy(vyre_program *p);
/* Ends building: reports the first mistake of any call, or checks the whole
 * program.  A finished program is immutable but for vyre_program_optimize. */
VYRE_API vyre_status vyre_program_finish(vyre_program *p, vyre_error *err);
/* Makes a finished program shorter without changing what it does: no load,
 * store or atomic is moved, merged or dropped.  On failure it is as before. */
VYRE_API vyre_status vyre_program_optimize(vyre_program *p, vyre_error *err);
/* Writes a readable listing, of a program in any state; the rules of snprintf:
 * returns the length without the terminator, writes at most `size` bytes. */
VYRE_API size_t vyre_program_text(const vyre_program *p, char *dst, size_t size);
/* The mistake that the builder has kept so far, or VYRE_OK. */
VYRE_API vyre_status vyre_program_status(const vyre_program *p);
VYRE_API uint32_t vyre_program_instruction_count(const vyre_program *p);
/* Equal for equal programs: buffers, workgroup size and instructions, not names. */
VYRE_API uint64_t vyre_program_hash(const vyre_program *p);

/* --- buffers, constants, ids --------------------------------------------- */

VYRE_API vyre_buffer vyre_ir_buffer(vyre_program *p, const vyre_buffer_desc *desc);
VYRE_API vyre_value vyre_ir_u32(vyre_program *p, uint32_t x);
VYRE_API vyre_value vyre_ir_i32(vyre_program *p, int32_t x);
VYRE_API vyre_value vyre_ir_f32(vyre_program *p, float x);
VYRE_API vyre_value vyre_ir_bool(vyre_program *p, bool x);
VYRE_API vyre_value vyre_ir_builtin(vyre_program *p, vyre_builtin what);

/* --- memory -------------------------------------------------------------- */

/* Elements that can be reached: the bound size, or the declared count if that
 * is smaller and not 0. */
VYRE_API vyre_value vyre_ir_length(vyre_program *p, vyre_buffer buffer);
VYRE_API vyre_value vyre_ir_load(vyre_program *p, vyre_buffer buffer, vyre_value index);
VYRE_API void vyre_ir_store(vyre_program *p, vyre_buffer buffer, vyre_value index,
                            vyre_value value);
/* Atomics work on u32 and i32 elements, in buffers and workgroup arrays, at
 * device or workgroup scope.  All but the store return the value before. */
VYRE_API vyre_value vyre_ir_atomic(vyre_program *p, vyre_atomic_op op, vyre_buffer buffer,
                                   vyre_value index, vyre_value value, vyre_order order);
VYRE_API vyre_value vyre_ir_atomic_cas(vyre_program *p, vyre_buffer buffer, vyre_value index,
                                       vyre_value expected, vyre_value desired, vyre_order order);
/* Order: relaxed or acquire. */
VYRE_API vyre_value vyre_ir_atomic_load(vyre_program *p, vyre_buffer buffer, vyre_value index,
                                        vyre_order order);
/* Order: relaxed or release. */
VYRE_API void vyre_ir_atomic_store(vyre_program *p, vyre_buffer buffer, vyre_value index,
                                   vyre_value value, vyre_order order);

/* --- arithmetic ---------------------------------------------------------- */

#define VYI_BINARY_PROTOTYPE(name, function, operands, result)                                     \
    VYRE_API vyre_value function(vyre_program *p, vyre_value a, vyre_value b);
VYRE_BINARY_LIST(VYI_BINARY_PROTOTYPE)
#undef VYI_BINARY_PROTOTYPE

#define VYI_UNARY_PROTOTYPE(name, function, operands, result)                                      \
    VYRE_API vyre_value function(vyre_program *p, vyre_value a);
VYRE_UNARY_LIST(VYI_UNARY_PROTOTYPE)
#undef VYI_UNARY_PROTOTYPE

/* a * b + c in f32; whether it rounds once or twice is the device's choice. */
VYRE_API vyre_value vyre_ir_fma(vyre_program *p, vyre_value a, vyre_value b, vyre_value c);
/* a if the bool `cond` is true, else b; both have been computed already. */
VYRE_API vyre_value vyre_ir_select(vyre_program *p, vyre_value cond, vyre_value a, vyre_value b);
/* The same number in another type; to bool: any bit set (f32: not zero);
 * from bool: 0 or 1; f32 to integer truncates and saturates, NaN gives 0. */
VYRE_API vyre_value vyre_ir_cast(vyre_program *p, vyre_type type, vyre_value a);
/* The same 32 bits; not from or to bool. */
VYRE_API vyre_value vyre_ir_bitcast(vyre_program *p, vyre_type type, vyre_value a);

/* --- made of other instructions ------------------------------------------- */

/* One call, several instructions: there is nothing else that knows of these. */

/* Of numbers: min(max(x, low), high). */
VYRE_API vyre_value vyre_ir_clamp(vyre_program *p, vyre_value x, vyre_value low, vyre_value high);
/* Of f32: a * (1 - t) + b * t. */
VYRE_API vyre_value vyre_ir_mix(vyre_program *p, vyre_value a, vyre_value b, vyre_value t);
/* Of f32: the nearest whole number, a half away from zero. */
VYRE_API vyre_value vyre_ir_round_away(vyre_program *p, vyre_value x);
/* Two f32 as f16 in one u32, the first in the low half: the nearest, a half to even; what
 * is too large is infinite, and NaN is 0x7e00.  The same bits on every device. */
VYRE_API vyre_value vyre_ir_pack_half(vyre_program *p, vyre_value low, vyre_value high);
/* The sum of the products of the four bytes of two words, modulo 2^32: of unsigned bytes as
 * u32, of signed ones as i32.  Operands are u32 or i32. */
VYRE_API vyre_value vyre_ir_udot4(vyre_program *p, vyre_value a, vyre_value b);
VYRE_API vyre_value vyre_ir_sdot4(vyre_program *p, vyre_value a, vyre_value b);

/* Byte `byte` of a buffer, the lowest of a word first, or the two bytes from there on: bit 0
 * of `byte` does not count for them.  u8 and u16 give a u32, i8 and i16 an i32. */
VYRE_API vyre_value vyre_ir_load_u8(vyre_program *p, vyre_buffer buffer, vyre_value byte);
VYRE_API vyre_value vyre_ir_load_i8(vyre_program *p, vyre_buffer buffer, vyre_value byte);
VYRE_API vyre_value vyre_ir_load_u16(vyre_program *p, vyre_buffer buffer, vyre_value byte);
VYRE_API vyre_value vyre_ir_load_i16(vyre_program *p, vyre_buffer buffer, vyre_value byte);
/* Stores the low 8 or 16 bits of a u32 or i32.  The other bytes of the word stay as they are,
 * also when other lanes store into them meanwhile: two relaxed atomics, so the elements are
 * u32 or i32, and can be read.  Between the two the bytes are 0. */
VYRE_API void vyre_ir_store_u8(vyre_program *p, vyre_buffer buffer, vyre_value byte,
                               vyre_value value);
VYRE_API void vyre_ir_store_u16(vyre_program *p, vyre_buffer buffer, vyre_value byte,
                                vyre_value value);

/* --- 64 bits --------------------------------------------------------------- */

/* A u64 or i64 is a pair of u32 values.  What works on integers works on them, but for
 * memory, atomics, subgroups, switches and mul_high; each call builds u32 instructions, so
 * every device has them.  x/0, x%0, MIN/-1 are as for u32 and i32; shifts take their amount
 * as u32, of which the low six bits count; rotates are for u64. */
VYRE_API vyre_value vyre_ir_u64(vyre_program *p, uint64_t x);
VYRE_API vyre_value vyre_ir_i64(vyre_program *p, int64_t x);
/* Of type U64 or I64, from two u32; and its words. */
VYRE_API vyre_value vyre_ir_pair(vyre_program *p, vyre_type type, vyre_value low,
                                 vyre_value high);
VYRE_API vyre_value vyre_ir_low(vyre_program *p, vyre_value a);
VYRE_API vyre_value vyre_ir_high(vyre_program *p, vyre_value a);
/* Elements `word` and `word` + 1 of a buffer, the low word first; bit 0 of `word` does not
 * count.  Not at once: who stores meanwhile may be seen half. */
VYRE_API vyre_value vyre_ir_load_u64(vyre_program *p, vyre_buffer buffer, vyre_value word);
VYRE_API vyre_value vyre_ir_load_i64(vyre_program *p, vyre_buffer buffer, vyre_value word);
/* A u64 or i64, into elements of u32 or i32. */
VYRE_API void vyre_ir_store_u64(vyre_program *p, vyre_buffer buffer, vyre_value word,
                                vyre_value value);

/* --- locals -------------------------------------------------------------- */

/* A variable of this lane, set to `initial` each time the place is reached. */
VYRE_API vyre_local vyre_ir_local(vyre_program *p, vyre_type type, vyre_value initial,
                                  const char *name);
VYRE_API vyre_value vyre_ir_get(vyre_program *p, vyre_local local);
VYRE_API void vyre_ir_set(vyre_program *p, vyre_local local, vyre_value value);

/* --- control flow -------------------------------------------------------- */

VYRE_API void vyre_ir_if(vyre_program *p, vyre_value cond);
VYRE_API void vyre_ir_else(vyre_program *p);
/* Cases do not fall through; a value without a case goes to the default, or
 * past the end.  Nothing may stand between the switch and its first case. */
VYRE_API void vyre_ir_switch(vyre_program *p, vyre_value value);
VYRE_API void vyre_ir_case(vyre_program *p, uint32_t literal);
VYRE_API void vyre_ir_default(vyre_program *p);
/* Runs for from, from + 1, ... while below `to`, unsigned; returns the counter. */
VYRE_API vyre_value vyre_ir_loop(vyre_program *p, vyre_value from, vyre_value to);
/* An endless loop, left by break or return.  One that stands outside every
 * other loop is a round loop: the host may bound its rounds. */
VYRE_API void vyre_ir_forever(vyre_program *p);
VYRE_API void vyre_ir_end(vyre_program *p);
/* Leaves the innermost loop, also from inside an if or a switch. */
VYRE_API void vyre_ir_break(vyre_program *p);
VYRE_API void vyre_ir_continue(vyre_program *p);
/* Ends this lane. */
VYRE_API void vyre_ir_return(vyre_program *p);
VYRE_API void vyre_ir_barrier(vyre_program *p, vyre_scope scope, vyre_order order);
/* From here on this lane's loops may run `n` more iterations, all together,
 * but never more than LOOP_LEFT; the next one ends its loop like a break and
 * sets LOOP_CUT.  Clears LOOP_CUT.  Does nothing where loops are unlimited. */
VYRE_API void vyre_ir_loop_allow(vyre_program *p, vyre_value n);
/* Appears in listings and nowhere else. */
VYRE_API void vyre_ir_comment(vyre_program *p, const char *text);
/* A name for a value, for listings and debuggers. */
VYRE_API vyre_value vyre_ir_name(vyre_program *p, vyre_value value, const char *name);

/* --- subgroups ----------------------------------------------------------- */

/* Over the lanes that are active at this place.  A ballot has one bit a lane
 * for the first 32 lanes. */
VYRE_API vyre_value vyre_ir_ballot(vyre_program *p, vyre_value cond);
VYRE_API vyre_value vyre_ir_elect(vyre_program *p);           /* true in the first active lane */
VYRE_API vyre_value vyre_ir_any(vyre_program *p, vyre_value cond);
VYRE_API vyre_value vyre_ir_all(vyre_program *p, vyre_value cond);
VYRE_API vyre_value vyre_ir_broadcast_first(vyre_program *p, vyre_value value);
/* Another lane's value; that lane must be active. */
VYRE_API vyre_value vyre_ir_shuffle(vyre_program *p, vyre_value value, vyre_value lane);
VYRE_API vyre_value vyre_ir_reduce(vyre_program *p, vyre_reduce_op op, vyre_value value);

VYI_EXTERN_C_END

#endif

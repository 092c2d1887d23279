/* ==========================================================================
 * ir: how a program is stored
 *
 * Private.  A program is one array of equal instructions.  The id of a value
 * is the index of its instruction plus one, so a value leads to its
 * definition without a table, and 0 is no value.  Blocks are instructions,
 * too: an opener (IF, SWITCH, LOOP, FOREVER), arms (ELSE, CASE, DEFAULT) and
 * one END.  The builder links them as they are closed:
 *
 *     IF     .link = its ELSE, or its END       ELSE   .link = END
 *     SWITCH .link = first CASE or DEFAULT      CASE   .link = next arm, or END
 *     LOOP, FOREVER .link = END                 END    .link = its opener
 *     BREAK, CONTINUE .link = the loop they belong to
 *
 * One table says of each opcode which operands are values and what it may do;
 * checker, optimizer, listing, interpreter and emitter all read that table.
 * ======================================================================= */
#ifndef VYI_IR_IMPL_H
#define VYI_IR_IMPL_H

#include "base/base_impl.h"
#include "ir/ir.h"

VYI_EXTERN_C_BEGIN

/* Flags of an opcode. */
#define VYI_OP_VALUE  1u   /* gives a value */
#define VYI_OP_PURE   2u   /* depends on its operands only: may be merged or dropped */
#define VYI_OP_MEMORY 4u   /* touches a buffer; operand a is the buffer's id */
#define VYI_OP_WRITES 8u   /* may write that buffer */
#define VYI_OP_OPENS  16u  /* opens a block */
#define VYI_OP_ARM    32u  /* closes one arm of a block and opens the next */
#define VYI_OP_LEAVES 64u  /* nothing after it in its block is reached */
#define VYI_OP_GROUP  128u /* works on several lanes together */

/* X(NAME, "text", operands that are values (bit 0 = a .. bit 3 = d), flags).
 * Operands, where they are not values:
 *   CONST a bits | LENGTH, LOAD, STORE, ATOMIC* a buffer id | LOCAL, GET, SET a local id |
 *   CASE a literal | COMMENT a index into texts. */
#define VYI_OP_LIST(X)                                                                             \
    X(CONST,           "const",           0x0, VYI_OP_VALUE | VYI_OP_PURE)                         \
    X(BUILTIN,         "builtin",         0x0, VYI_OP_VALUE) /* sub: vyre_builtin */               \
    X(LENGTH,          "length",          0x0, VYI_OP_VALUE | VYI_OP_PURE)                         \
    X(LOAD,            "load",            0x2, VYI_OP_VALUE | VYI_OP_MEMORY)                       \
    X(STORE,           "store",           0x6, VYI_OP_MEMORY | VYI_OP_WRITES)                      \
    X(ATOMIC,          "atomic",          0x6, VYI_OP_VALUE | VYI_OP_MEMORY | VYI_OP_WRITES)       \
    X(ATOMIC_CAS,      "atomic_cas",      0xe, VYI_OP_VALUE | VYI_OP_MEMORY | VYI_OP_WRITES)       \
    X(ATOMIC_LOAD,     "atomic_load",     0x2, VYI_OP_VALUE | VYI_OP_MEMORY)                       \
    X(ATOMIC_STORE,    "atomic_store",    0x6, VYI_OP_MEMORY | VYI_OP_WRITES)                      \
    X(BINARY,          "binary",          0x3, VYI_OP_VALUE | VYI_OP_PURE) /* sub: vyi_binary */   \
    X(UNARY,           "unary",           0x1, VYI_OP_VALUE | VYI_OP_PURE) /* sub: vyi_unary */    \
    X(FMA,             "fma",             0x7, VYI_OP_VALUE | VYI_OP_PURE)                         \
    X(SELECT,          "select",          0x7, VYI_OP_VALUE | VYI_OP_PURE)                         \
    X(CAST,            "cast",            0x1, VYI_OP_VALUE | VYI_OP_PURE)                         \
    X(BITCAST,         "bitcast",         0x1, VYI_OP_VALUE | VYI_OP_PURE)                         \
    X(LOCAL,           "local",           0x2, 0)                                                  \
    X(GET,             "get",             0x0, VYI_OP_VALUE)                                       \
    X(SET,             "set",             0x2, 0)                                                  \
    X(IF,              "if",              0x1, VYI_OP_OPENS)                                       \
    X(ELSE,            "else",            0x0, VYI_OP_ARM)                                         \
    X(SWITCH,          "switch",          0x1, VYI_OP_OPENS)                                       \
    X(CASE,            "case",            0x0, VYI_OP_ARM)                                         \
    X(DEFAULT,         "default",         0x0, VYI_OP_ARM)                                         \
    X(LOOP,            "loop",            0x3, VYI_OP_OPENS | VYI_OP_VALUE) /* value: counter */   \
    X(FOREVER,         "forever",         0x0, VYI_OP_OPENS) /* sub: 1 = round loop */             \
    X(END,             "end",             0x0, 0)                                                  \
    X(BREAK,           "break",           0x0, VYI_OP_LEAVES)                                      \
    X(CONTINUE,        "continue",        0x0, VYI_OP_LEAVES)                                      \
    X(RETURN,          "return",          0x0, VYI_OP_LEAVES)                                      \
    X(BARRIER,         "barrier",         0x0, VYI_OP_GROUP) /* sub: vyre_scope */                 \
    X(LOOP_ALLOW,      "loop_allow",      0x1, 0)                                                  \
    X(COMMENT,         "comment",         0x0, 0)                                                  \
    X(BALLOT,          "ballot",          0x1, VYI_OP_VALUE | VYI_OP_GROUP)                        \
    X(ELECT,           "elect",           0x0, VYI_OP_VALUE | VYI_OP_GROUP)                        \
    X(ANY,             "any",             0x1, VYI_OP_VALUE | VYI_OP_GROUP)                        \
    X(ALL,             "all",             0x1, VYI_OP_VALUE | VYI_OP_GROUP)                        \
    X(BROADCAST_FIRST, "broadcast_first", 0x1, VYI_OP_VALUE | VYI_OP_GROUP)                        \
    X(SHUFFLE,         "shuffle",         0x3, VYI_OP_VALUE | VYI_OP_GROUP)                        \
    X(REDUCE,          "reduce",          0x1, VYI_OP_VALUE | VYI_OP_GROUP) /* sub: reduce op */  \
    X(CLOCK,           "clock",           0x0, VYI_OP_VALUE) /* low word; see vyi_ir_clock */      \
    X(CLOCK_HIGH,      "clock_high",      0x1, VYI_OP_VALUE)

typedef enum vyi_op {
#define VYI_OP_ENUM(name, text, values, flags) VYI_OP_##name,
    VYI_OP_LIST(VYI_OP_ENUM)
#undef VYI_OP_ENUM
    VYI_OP_COUNT
} vyi_op;

typedef enum vyi_binary {
#define VYI_BINARY_ENUM(name, function, operands, result) VYI_BINARY_##name,
    VYRE_BINARY_LIST(VYI_BINARY_ENUM)
#undef VYI_BINARY_ENUM
    VYI_BINARY_COUNT
} vyi_binary;

typedef enum vyi_unary {
#define VYI_UNARY_ENUM(name, function, operands, result) VYI_UNARY_##name,
    VYRE_UNARY_LIST(VYI_UNARY_ENUM)
#undef VYI_UNARY_ENUM
    VYI_UNARY_COUNT
} vyi_unary;

/* Sets of types, for the classes of the operator lists. */
#define VYI_CLASS_U  (1u << VYRE_TYPE_U32)
#define VYI_CLASS_F  (1u << VYRE_TYPE_F32)
#define VYI_CLASS_B  (1u << VYRE_TYPE_BOOL)
#define VYI_CLASS_I  ((1u << VYRE_TYPE_U32) | (1u << VYRE_TYPE_I32))
#define VYI_CLASS_N  (VYI_CLASS_I | VYI_CLASS_F)
#define VYI_CLASS_IB (VYI_CLASS_I | VYI_CLASS_B)
#define VYI_CLASS_A  (VYI_CLASS_N | VYI_CLASS_B)

typedef struct vyi_inst {
    uint8_t  op;      /* vyi_op */
    uint8_t  type;    /* vyre_type of the value, VYRE_TYPE_NONE without one */
    uint8_t  sub;     /* which operator, builtin, atomic, scope, reduction */
    uint8_t  order;   /* vyre_order of atomics and barriers */
    uint32_t arg[4];  /* a, b, c, d; see VYI_OP_LIST */
    uint32_t link;    /* index of another instruction of the same block */
} vyi_inst;

typedef struct vyi_op_info {
    const char *text;
    uint8_t     values; /* bit i: arg[i] is a value */
    uint8_t     flags;
} vyi_op_info;

/* Of an operation, operator, atomic and so on; the number must be in range. */
VYI_API const vyi_op_info *vyi_op_describe(uint32_t op);

typedef struct vyi_operator {
    const char *text;
    uint8_t     operands; /* VYI_CLASS_*: the types that it takes */
    uint8_t     result;   /* vyre_type; NONE: that of its first operand */
} vyi_operator;

static inline uint32_t vyi_operator_gives(const vyi_operator *o, uint32_t operand)
{
    return o->result ? o->result : operand;
}

VYI_API const vyi_operator *vyi_binary_describe(uint32_t sub);
VYI_API const vyi_operator *vyi_unary_describe(uint32_t sub);
VYI_API const char *vyi_builtin_text(uint32_t sub);

typedef struct vyi_buffer {
    const char *name;
    uint32_t    binding; /* of a workgroup array: 0xFFFFFFFF */
    uint8_t     type;    /* vyre_type, never NONE */
    uint8_t     access;  /* vyre_access */
    bool        no_readback;
    uint32_t    count;
    uint32_t    readback_offset, readback_size;
} vyi_buffer;

typedef struct vyi_local {
    const char *name;
    uint8_t     type;
    uint8_t     pair;     /* U64 or I64: the low word of one; the next local is the high one */
    uint32_t    declared; /* index of its LOCAL instruction */
} vyi_local;

/* A 64-bit value; its id is the row's number and this bit. */
#define VYI_PAIR_ID 0x80000000u

typedef struct vyi_pair {
    uint32_t low, high; /* ids */
    uint8_t  type;      /* U64, I64 */
} vyi_pair;

typedef struct vyi_value_name {
    uint32_t    value; /* id */
    const char *text;
} vyi_value_name;

/* An open block. */
typedef struct vyi_open {
    uint32_t opener; /* index of IF, SWITCH, LOOP, FOREVER */
    uint32_t arm;    /* index of the latest arm, or of the opener */
    bool     left;   /* the current arm has ended in BREAK, CONTINUE or RETURN */
} vyi_open;

#define VYI_NO_LINK UINT32_MAX

/* What vyi_nest_advance says about links. */
typedef struct vyi_links {
    uint32_t own; /* the link of this instruction, or VYI_NO_LINK when it is not known yet */
    uint32_t arm; /* the instruction that links to this one, or VYI_NO_LINK */
} vyi_links;

/* Code of a caller's, such as a handler, inside a program of the library's. */
typedef struct vyi_guest {
    const char *name;       /* as messages begin */
    uint32_t    first, end; /* its instructions */
    bool        apart;      /* each lane runs it for a job of its own: no barriers */
} vyi_guest;

/* Sees each instruction of a guest before it is appended, with correct operands, and may
 * append others in front of it. */
typedef void (*vyi_watch_fn)(void *user, const vyi_inst *inst);

/* The guest whose code is being built, and what the caller had counted before. */
typedef struct vyi_guest_open {
    bool              open;
    uint32_t          depth, calls, inner;
    const vyre_value *args; /* what listings and messages call arg[0], arg[1], ... */
    uint32_t          arg_count;
    vyi_watch_fn      watch;    /* NULL: nobody watches */
    void             *watch_user;
    bool              watching; /* what is appended is the watcher's */
} vyi_guest_open;

struct vyre_program {
    vyre_allocator  allocator;
    vyi_arena       arena; /* names and texts */
    const char     *name;
    uint32_t        group_size[3];
    vyi_inst       *insts;
    uint32_t        count, capacity;
    vyi_buffer     *buffers; /* id = index + 1 */
    uint32_t        buffer_count, buffer_capacity;
    vyi_local      *locals;  /* id = index + 1 */
    uint32_t        local_count, local_capacity;
    vyi_pair       *pairs;
    uint32_t        pair_count, pair_capacity;
    vyi_value_name *names;   /* ascending by value */
    uint32_t        name_count, name_capacity;
    const char    **texts;   /* of comments */
    uint32_t        text_count, text_capacity;
    vyi_open        open[VYRE_MAX_NESTING];
    uint32_t        depth;
    bool            left; /* the outermost list has ended in RETURN */
    uint32_t        calls; /* the caller's so far; vyre_error.at of a mistake */
    uint32_t        inner; /* not 0: calls are the library's own, and not counted */
    uint32_t        made;  /* not 0: what one call of the caller's is made of */
    vyi_guest      *guests; /* in the order of their instructions */
    uint32_t        guest_count, guest_capacity;
    vyi_guest_open  guest;
    bool            finished;
    bool            guest_loops; /* a handler, payload or hook in it has a loop */
    vyre_error      error; /* the first mistake; status VYRE_OK = none */
};

/* The definition of value `id`, which is not 0. */
static inline const vyi_inst *vyi_definition(const vyre_program *p, uint32_t id)
{
    VYRE_ASSERT(id - 1 < p->capacity);
    return &p->insts[id - 1];
}

/* Whether value `id` is a constant, and which. */
static inline bool vyi_literal(const vyre_program *p, uint32_t id, uint32_t *bits)
{
    const vyi_inst *inst = vyi_definition(p, id);
    if (inst->op != VYI_OP_CONST)
        return false;
    *bits = inst->arg[0];
    return true;
}

static inline const vyi_buffer *vyi_buffer_of(const vyre_program *p, uint32_t id)
{
    VYRE_ASSERT(id - 1 < p->buffer_count);
    return &p->buffers[id - 1];
}

/* The END of the block that `opener`, or one of its arms, belongs to. */
static inline uint32_t vyi_block_end(const vyre_program *p, uint32_t opener)
{
    uint32_t i = opener;
    while (p->insts[i].op != VYI_OP_END) {
        VYRE_ASSERT(p->insts[i].link > i && p->insts[i].link < p->count);
        i = p->insts[i].link;
    }
    return i;
}

/* Keeps the first mistake of a builder; later ones are dropped. */
VYI_API void vyi_program_fail(vyre_program *p, vyre_status status, const char *fix,
                              const char *format, ...) VYI_PRINTF(4, 5);

/* What the caller does by one call of the library's counts as one call. */
static inline void vyi_ir_inner_begin(vyre_program *p)
{
    p->calls += p->inner++ == 0 && p->made == 0;
}

static inline void vyi_ir_inner_end(vyre_program *p)
{
    VYRE_ASSERT(p->inner > 0);
    p->inner--;
}

/* Every builder call that makes an instruction ends here: its id, or 0. */
VYI_API uint32_t vyi_ir_append(vyre_program *p, vyi_inst inst);
/* The builder's calls for constants and operators, by number. */
VYI_API vyre_value vyi_ir_const(vyre_program *p, uint32_t type, uint32_t bits);
/* The clock of the device, as two words of one reading: what stands between the two
 * instructions, which is nothing, cannot read it.  In ticks of its own; 0 where an
 * emitter was not told of a clock. */
VYI_API vyre_value vyi_ir_clock(vyre_program *p, vyre_value *high);
VYI_API vyre_value vyi_ir_binary(vyre_program *p, uint32_t sub, vyre_value a, vyre_value b);
VYI_API vyre_value vyi_ir_unary(vyre_program *p, uint32_t sub, vyre_value a);

/* --- one call, several instructions (made.c) -------------------------------- */

/* From here to the end it is one call of the caller's, and all that it may not do he may
 * not; the library's own calls are `inner`.  False: the program takes no more. */
VYI_API bool vyi_made_begin(vyre_program *p);
VYI_API void vyi_made_end(vyre_program *p);

/* --- 64 bits (pair.c) ------------------------------------------------------- */

static inline bool vyi_is_pair(vyre_value a)
{
    return (a.id & VYI_PAIR_ID) != 0;
}

static inline bool vyi_type_is_pair(uint32_t type)
{
    return type == VYRE_TYPE_U64 || type == VYRE_TYPE_I64;
}

/* What stands of a pair in the table, or NULL; its type, or NONE. */
static inline const vyi_pair *vyi_pair_row(const vyre_program *p, vyre_value a)
{
    const uint32_t row = a.id & ~VYI_PAIR_ID;
    return p && vyi_is_pair(a) && row < p->pair_count ? &p->pairs[row] : NULL;
}

static inline uint32_t vyi_pair_type(const vyre_program *p, uint32_t id)
{
    const vyre_value value = { id };
    const vyi_pair *row = vyi_pair_row(p, value);
    return row ? row->type : (uint32_t)VYRE_TYPE_NONE;
}

/* The builder's calls, where an operand, a type or a local is one of a pair. */
VYI_API vyre_value vyi_pair_binary(vyre_program *p, uint32_t sub, vyre_value a, vyre_value b);
VYI_API vyre_value vyi_pair_unary(vyre_program *p, uint32_t sub, vyre_value a);
VYI_API vyre_value vyi_pair_select(vyre_program *p, vyre_value cond, vyre_value a, vyre_value b);
VYI_API vyre_value vyi_pair_cast(vyre_program *p, uint32_t type, vyre_value a, bool bits);
VYI_API vyre_local vyi_pair_local(vyre_program *p, uint32_t type, vyre_value initial,
                                  const char *name);
VYI_API vyre_value vyi_pair_get(vyre_program *p, vyre_local local);
VYI_API void vyi_pair_set(vyre_program *p, vyre_local local, vyre_value value);
VYI_API vyre_value vyi_pair_name(vyre_program *p, vyre_value a, const char *name);
VYI_API vyre_value vyi_ir_get_word(vyre_program *p, vyre_local local);
VYI_API void vyi_ir_set_word(vyre_program *p, vyre_local local, vyre_value value);
VYI_API void vyi_program_nomem(vyre_program *p, size_t size);

/* --- several indexes at once (interleave.c) -------------------------------- */

/* Where a program has come to; what was built since can be taken back while nothing
 * outside refers to it and its blocks are closed. */
typedef struct vyi_ir_place {
    uint32_t count, depth, guests;
} vyi_ir_place;

VYI_API vyi_ir_place vyi_ir_here(const vyre_program *p);
VYI_API void vyi_ir_take_back(vyre_program *p, vyi_ir_place place);

#define VYI_STRAIGHT_COPIES 4u
#define VYI_STRAIGHT_MOST   64u /* instructions */

typedef struct vyi_straight {
    vyi_inst   insts[VYI_STRAIGHT_MOST];
    uint32_t   first, count; /* where they stood */
    uint32_t   lead;         /* so many of them are interleaved */
    uint32_t   index;        /* id of the value that is another one in each copy */
    vyre_value indexes[VYI_STRAIGHT_COPIES];
    uint32_t   ids[VYI_STRAIGHT_COPIES][VYI_STRAIGHT_MOST];
} vyi_straight;

/* Whether the last guest's code can stand several times in a row, with loads that are
 * worth it; *out is a copy of it. */
VYI_API bool vyi_guest_straight(const vyre_program *p, vyre_value index, vyi_straight *out);
/* The lead of all copies, then the rest of each. */
VYI_API void vyi_straight_lead(vyre_program *p, vyi_straight *s, const vyre_value *indexes);
VYI_API void vyi_straight_rest(vyre_program *p, vyi_straight *s, uint32_t copy);

/* --- guests (guest.c) ----------------------------------------------------- */

/* What is built up to vyi_guest_end is a caller's code.  `args` must stay
 * until then. */
VYI_API void vyi_guest_begin(vyre_program *p, const char *name, bool apart,
                             const vyre_value *args, uint32_t arg_count);
VYI_API void vyi_guest_end(vyre_program *p);
/* Whether a barrier of the group stands in a loop of the code that is open. */
VYI_API bool vyi_guest_meets_in_loop(const vyre_program *p);
/* Has the open guest watched to its end; and lets the watcher see an instruction. */
VYI_API void vyi_guest_watch(vyre_program *p, vyi_watch_fn watch, void *user);
VYI_API void vyi_guest_show(vyre_program *p, const vyi_inst *inst);
/* May a guest have instruction `index`?  Yes where none is open. */
VYI_API vyre_status vyi_guest_check(const vyre_program *p, uint32_t index, vyre_error *err);
/* Completes the mistake that p->error holds by the call, and the guest's name. */
VYI_API void vyi_guest_blame(vyre_program *p);
/* Names the guest of the instruction that *err is about, if there is one. */
VYI_API void vyi_guest_blame_at(const vyre_program *p, vyre_error *err);

/* All rules of a well-formed program (check.c). */
VYI_API vyre_status vyi_program_check(const vyre_program *p, vyre_error *err);

/* The rules of one instruction by itself: operands exist and have the right
 * types, buffer and local ids, operators and orders are in range.  The builder
 * applies it to each new instruction, the check to all. */
VYI_API vyre_status vyi_check_operands(const vyre_program *p, uint32_t index, vyre_error *err);
/* The rules of one buffer, against those declared before it. */
VYI_API vyre_status vyi_check_buffer(const vyre_program *p, uint32_t index, vyre_error *err);
VYI_API vyre_status vyi_check_group_size(const uint32_t size[3], vyre_error *err);

/* May instruction `index` stand inside the blocks that p->open lists? */
VYI_API vyre_status vyi_nest_check(const vyre_program *p, uint32_t index, vyre_error *err);
/* Goes past instruction `index`, which may stand here: opens and closes blocks. */
VYI_API vyi_links vyi_nest_advance(vyre_program *p, uint32_t index);
/* Is there an open loop? */
VYI_API bool vyi_nest_has_loop(const vyre_program *p);

/* The type that an instruction with correct operands gives; those of CONST,
 * CAST and BITCAST are given by their own field. */
VYI_API vyre_type vyi_result_type(const vyre_program *p, const vyi_inst *inst);

/* What a pure operator gives for these operands, as the language defines it.
 * False for what backends may compute differently: nearly all of f32, where
 * only comparing, negating and converting numbers that are neither NaN,
 * infinite nor subnormal is the same everywhere. */
VYI_API bool vyi_eval_binary(uint32_t sub, uint32_t type, uint32_t a, uint32_t b, uint32_t *out);
VYI_API bool vyi_eval_unary(uint32_t sub, uint32_t type, uint32_t a, uint32_t *out);
VYI_API uint32_t vyi_eval_clz(uint32_t a);
VYI_API uint32_t vyi_eval_half(uint32_t a);
VYI_API bool vyi_eval_cast(uint32_t to, uint32_t from, uint32_t a, uint32_t *out);

/* The comparison that is true when `sub` is false, for integers and bools; of
 * f32 only EQ and NE are opposites, as NaN is neither less nor greater.
 * VYI_BINARY_COUNT: `sub` does not compare. */
VYI_API uint32_t vyi_opposite(uint32_t sub);

/* Types as they are written in listings: "u32" .. "bool". */
VYI_API const char *vyi_type_text(uint32_t type);

/* Where the name of value `id` is in p->names, or would be inserted. */
VYI_API uint32_t vyi_name_place(const vyre_program *p, uint32_t id);
/* The name that vyre_ir_name gave to value `id`, or NULL. */
VYI_API const char *vyi_value_text(const vyre_program *p, uint32_t id);

/* Writes value `id` as listings and messages show it: "%7 base", "arg[2]" of
 * a guest's arguments, "1.5" for a constant without a name.  Returns `text`. */
#define VYI_OPERAND_TEXT 32u
VYI_API const char *vyi_operand_text(const vyre_program *p, uint32_t id,
                                     char text[VYI_OPERAND_TEXT]);

VYI_EXTERN_C_END

#endif

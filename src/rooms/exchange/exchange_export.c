/* ==========================================================================
 * exchange: a program as a blob
 *
 * Each value becomes a variable of its own, "v0", "v1" and so on in the order
 * of the statements; constants stand where they are used.  Locals that are
 * assigned are "l0", "l1"; the others are the value that they have.
 * ======================================================================= */
#include "rooms/exchange/exchange_impl.h"
#include "ir/ir_impl.h"

#ifndef VYRE_NO_EXCHANGE

#define VYI_EXPORT_DEPTH (VYI_EXCHANGE_DEPTH - 6u) /* open blocks; an expression needs the rest */

/* A list of statements whose count is not known yet. */
typedef struct vyi_export_list {
    size_t   at; /* of the count */
    uint32_t count;
    uint32_t opener; /* instruction whose block it is */
} vyi_export_list;

typedef struct vyi_export {
    const vyre_program *p;
    vyre_error         *err;
    vyre_status         status;
    uint8_t            *dst; /* NULL: sizes only */
    size_t              length;
    uint32_t           *names;  /* of each instruction: the number of its variable */
    uint32_t           *locals; /* of each local: its number plus 1, 0 when it is never assigned */
    uint32_t            name_count, local_count;
    vyi_export_list     lists[VYI_EXCHANGE_DEPTH];
    uint32_t            depth;
    uint32_t            at; /* the instruction that is being written */
    uint32_t            forevers;
} vyi_export;

static void vyi_export_fail(vyi_export *e, vyre_status status, const char *what)
{
    if (e->status < 0)
        return;
    const char *fix = "Write it with what the format has: variables, ifs, counted loops, returns.";
    e->status = e->at < e->p->count
                    ? vyi_fail(e->err, status, e->at + 1, fix, "%%%u %s: %s", (unsigned)e->at + 1,
                               vyi_op_describe(e->p->insts[e->at].op)->text, what)
                    : vyi_fail(e->err, status, 0, fix, "%s", what);
}

/* --- bytes ------------------------------------------------------------------- */

static void vyi_export_u8(vyi_export *e, uint32_t value)
{
    if (e->dst)
        e->dst[e->length] = (uint8_t)value;
    e->length++;
}

static void vyi_export_u32(vyi_export *e, uint32_t value)
{
    for (uint32_t i = 0; i < 4; i++)
        vyi_export_u8(e, value >> (8 * i) & 0xffu);
}

static void vyi_export_leb(vyi_export *e, uint64_t value)
{
    for (; value > 0x7f; value >>= 7)
        vyi_export_u8(e, (uint32_t)(value & 0x7f) | 0x80u);
    vyi_export_u8(e, (uint32_t)value);
}

static void vyi_export_bytes(vyi_export *e, const void *bytes, size_t size)
{
    if (e->dst)
        memcpy(e->dst + e->length, bytes, size);
    e->length += size;
}

static void vyi_export_string(vyi_export *e, const char *text)
{
    const size_t size = strlen(text);
    if (!vyi_exchange_is_utf8(text, size))
        vyi_export_fail(e, VYRE_E_EXCHANGE_UTF8, "a name that is not UTF-8");
    vyi_export_u32(e, (uint32_t)size);
    vyi_export_bytes(e, text, size);
}

static void vyi_export_numbered(vyi_export *e, char letter, uint32_t number)
{
    char text[16];
    snprintf(text, sizeof text, "%c%u", letter, (unsigned)number);
    vyi_export_string(e, text);
}

/* --- lists ---------------------------------------------------------------------- */

/* A statement begins in the innermost list. */
static void vyi_export_statement(vyi_export *e, uint32_t tag)
{
    e->lists[e->depth - 1].count++;
    vyi_export_u8(e, tag);
}

static void vyi_export_open(vyi_export *e, uint32_t opener)
{
    if (e->depth >= VYI_EXPORT_DEPTH) {
        vyi_export_fail(e, VYRE_E_EXCHANGE_FLOW, "more blocks inside each other than there may be");
        return;
    }
    vyi_export_list *list = &e->lists[e->depth++];
    list->at = e->length;
    list->count = 0;
    list->opener = opener;
    vyi_export_u32(e, 0);
}

static void vyi_export_close(vyi_export *e)
{
    VYRE_ASSERT(e->depth > 0);
    const vyi_export_list *list = &e->lists[--e->depth];
    if (e->dst)
        vyi_put32(e->dst + list->at, list->count);
}

/* --- operands -------------------------------------------------------------------- */

/* A Let begins, with a new variable, whose number this gives; its value comes next. */
static uint32_t vyi_export_let(vyi_export *e)
{
    vyi_export_statement(e, VYI_NODE_LET);
    vyi_export_numbered(e, 'v', e->name_count);
    return e->name_count++;
}

static void vyi_export_var(vyi_export *e, uint32_t number)
{
    vyi_export_u8(e, VYI_EXPR_VAR);
    vyi_export_numbered(e, 'v', number);
}

static void vyi_export_literal(vyi_export *e, uint32_t type, uint32_t bits)
{
    vyi_export_u8(e, type == VYRE_TYPE_I32   ? VYI_EXPR_I32
                     : type == VYRE_TYPE_F32 ? VYI_EXPR_F32
                     : type == VYRE_TYPE_U32 ? VYI_EXPR_U32 : VYI_EXPR_BOOL);
    if (type == VYRE_TYPE_BOOL)
        vyi_export_u8(e, bits);
    else
        vyi_export_u32(e, bits);
}

/* What value `id` is another name of. */
static uint32_t vyi_export_same(const vyi_export *e, uint32_t id)
{
    for (;;) {
        const vyi_inst *inst = vyi_definition(e->p, id);
        if (inst->op == VYI_OP_GET && !e->locals[inst->arg[0] - 1])
            id = e->p->insts[e->p->locals[inst->arg[0] - 1].declared].arg[1];
        else if (inst->op == VYI_OP_UNARY && (inst->sub == VYI_UNARY_UNIFORM ||
                 (inst->sub == VYI_UNARY_ABS && inst->type == VYRE_TYPE_U32)))
            id = inst->arg[0];
        else
            return id;
    }
}

/* Whether an instruction gives a number that is known, and which: constants but -0,
 * and what a program asks about how it is run. */
static bool vyi_export_known(const vyi_export *e, const vyi_inst *inst, uint32_t *bits)
{
    *bits = inst->arg[0];
    if (inst->op == VYI_OP_CONST)
        return inst->type != VYRE_TYPE_F32 || *bits != 0x80000000u;
    if (inst->op != VYI_OP_BUILTIN)
        return false;
    *bits = inst->sub == VYRE_BUILTIN_LOOP_LEFT ? UINT32_MAX : 0;
    if (inst->sub >= VYRE_BUILTIN_GROUP_SIZE_X && inst->sub <= VYRE_BUILTIN_GROUP_SIZE_Z)
        *bits = e->p->group_size[inst->sub - VYRE_BUILTIN_GROUP_SIZE_X];
    else if (inst->sub != VYRE_BUILTIN_LOOP_LEFT && inst->sub != VYRE_BUILTIN_LOOP_CUT)
        return false;
    return true;
}

static void vyi_export_operand(vyi_export *e, uint32_t id)
{
    id = vyi_export_same(e, id);
    const vyi_inst *inst = vyi_definition(e->p, id);
    uint32_t bits;
    if (!vyi_export_known(e, inst, &bits)) {
        vyi_export_var(e, e->names[id - 1]);
        return;
    }
    const uint32_t rest = bits & 0x7fffffffu;
    if (inst->type == VYRE_TYPE_F32 && rest > 0x7f800000u)
        bits = 0x7fc00000u;
    else if (inst->type == VYRE_TYPE_F32 && rest && rest < 0x00800000u)
        vyi_export_fail(e, VYRE_E_EXCHANGE_UNSUPPORTED, "a subnormal constant");
    vyi_export_literal(e, inst->type, bits);
}

static void vyi_export_binary_of(vyi_export *e, uint32_t number)
{
    vyi_export_u8(e, VYI_EXPR_BINARY);
    vyi_export_u8(e, number);
}

static void vyi_export_unary_of(vyi_export *e, uint32_t number)
{
    vyi_export_u8(e, VYI_EXPR_UNARY);
    vyi_export_u8(e, number);
}

/* Numbers of operators, as in the blob. */
enum {
    VYI_WIRE_ADD = 0x01, VYI_WIRE_SUB, VYI_WIRE_MUL, VYI_WIRE_EQ = 0x0b, VYI_WIRE_NE, VYI_WIRE_LT,
    VYI_WIRE_GT, VYI_WIRE_AND = 0x11, VYI_WIRE_OR,
    VYI_WIRE_NEG = 0x01, VYI_WIRE_NOT = 0x03, VYI_WIRE_ABS = 0x0a, VYI_WIRE_TRUNC = 0x0f
};

static const uint8_t vyi_export_binaries[VYI_BINARY_COUNT] = {
    0x01, 0x02, 0x03, 0x04, 0x05, 0x21,       /* add sub mul div rem mul_high */
    0x06, 0x07, 0x08, 0x09, 0x0a, 0x1d, 0x1e, /* and or xor shl shr rotl rotr */
    0x14, 0x15,                               /* min max */
    0x0b, 0x0c, 0x0d, 0x0f, 0x0e, 0x10,       /* eq ne lt le gt ge */
    0, 0                                      /* pow atan2: it has none */
};

/* 0: by more than one, or not at all. */
static const uint8_t vyi_export_unaries[VYI_UNARY_COUNT] = {
    0x01, 0x02, 0x0a, 0x10, 0x04, 0x05, 0x06, 0x07, /* neg not abs sign popcount clz ctz reverse */
    0x0b, 0x1f, 0x0c, 0x0d, 0,    0x0f,             /* sqrt rsqrt floor ceil round trunc */
    0x09, 0x08, 0x18, 0x14, 0x17, 0x15, 0x16,       /* sin cos tan exp exp2 log log2 */
    0x11, 0x12, 0,                                  /* is_nan is_inf uniform */
    0x1a, 0x19, 0x1b, 0x1d, 0x1e, 0x1c, 0           /* asin acos atan sinh cosh tanh unpack_half */
};

/* Numbers of types, by vyre_type. */
static const uint8_t vyi_export_types[] = { 0, 0x01, 0x02, 0x0b, 0x06 };

/* --- operators -------------------------------------------------------------------- */

static uint32_t vyi_export_binary(vyi_export *e, const vyi_inst *inst)
{
    const bool bools = vyi_definition(e->p, inst->arg[0])->type == VYRE_TYPE_BOOL;
    uint32_t number = vyi_export_binaries[inst->sub];
    if (bools && inst->sub == VYI_BINARY_AND)
        number = VYI_WIRE_AND;
    else if (bools && inst->sub == VYI_BINARY_OR)
        number = VYI_WIRE_OR;
    else if (bools && inst->sub == VYI_BINARY_XOR)
        number = VYI_WIRE_NE;
    if (!number)
        vyi_export_fail(e, VYRE_E_EXCHANGE_UNSUPPORTED, vyi_binary_describe(inst->sub)->text);
    const uint32_t name = vyi_export_let(e);
    vyi_export_binary_of(e, number);
    vyi_export_operand(e, inst->arg[0]);
    vyi_export_operand(e, inst->arg[1]);
    return name;
}

/* `number` of a variable, or of an operand when `id` is not 0, and a literal. */
static uint32_t vyi_export_against(vyi_export *e, uint32_t number, uint32_t name, uint32_t id,
                                   uint32_t type, uint32_t bits)
{
    const uint32_t made = vyi_export_let(e);
    vyi_export_binary_of(e, number);
    if (id)
        vyi_export_operand(e, id);
    else
        vyi_export_var(e, name);
    vyi_export_literal(e, type, bits);
    return made;
}

static uint32_t vyi_export_both(vyi_export *e, uint32_t number, uint32_t a, uint32_t b)
{
    const uint32_t made = vyi_export_let(e);
    vyi_export_binary_of(e, number);
    vyi_export_var(e, a);
    vyi_export_var(e, b);
    return made;
}

static uint32_t vyi_export_one(vyi_export *e, uint32_t number, uint32_t a)
{
    const uint32_t made = vyi_export_let(e);
    vyi_export_unary_of(e, number);
    vyi_export_var(e, a);
    return made;
}

/* 0 - x, of u32 or i32. */
static uint32_t vyi_export_negated(vyi_export *e, uint32_t id)
{
    const uint32_t made = vyi_export_let(e);
    vyi_export_binary_of(e, VYI_WIRE_SUB);
    vyi_export_literal(e, vyi_definition(e->p, id)->type, 0);
    vyi_export_operand(e, id);
    return made;
}

/* x < 0 ? 0 - x : x */
static uint32_t vyi_export_abs(vyi_export *e, uint32_t id)
{
    const uint32_t below = vyi_export_against(e, VYI_WIRE_LT, 0, id, VYRE_TYPE_I32, 0);
    const uint32_t negated = vyi_export_negated(e, id);
    const uint32_t made = vyi_export_let(e);
    vyi_export_u8(e, VYI_EXPR_SELECT);
    vyi_export_var(e, below);
    vyi_export_var(e, negated);
    vyi_export_operand(e, id);
    return made;
}

/* (x > 0) - (x < 0); of u32 the second part is always 0. */
static uint32_t vyi_export_sign(vyi_export *e, uint32_t id)
{
    const uint32_t type = vyi_definition(e->p, id)->type;
    uint32_t part[2];
    for (uint32_t i = 0; i < 2; i++) {
        const uint32_t test = vyi_export_against(e, i ? VYI_WIRE_LT : VYI_WIRE_GT, 0, id, type, 0);
        part[i] = vyi_export_let(e);
        vyi_export_u8(e, VYI_EXPR_CAST);
        vyi_export_u8(e, vyi_export_types[type]);
        vyi_export_var(e, test);
    }
    return vyi_export_both(e, VYI_WIRE_SUB, part[0], part[1]);
}

/* Half to even, where the format's own rounding goes away from zero: the whole part of
 * |x|, and 1 when the rest is more than a half, or a half and the whole part is odd. */
static uint32_t vyi_export_round(vyi_export *e, uint32_t id)
{
    const uint32_t half_bits = 0x3f000000u, f32 = VYRE_TYPE_F32;
    const uint32_t size = vyi_export_let(e);
    vyi_export_unary_of(e, VYI_WIRE_ABS);
    vyi_export_operand(e, id);
    const uint32_t whole = vyi_export_one(e, VYI_WIRE_TRUNC, size);
    const uint32_t rest = vyi_export_both(e, VYI_WIRE_SUB, size, whole);
    const uint32_t more = vyi_export_against(e, VYI_WIRE_GT, rest, 0, f32, half_bits);
    const uint32_t tie = vyi_export_against(e, VYI_WIRE_EQ, rest, 0, f32, half_bits);
    const uint32_t pairs = vyi_export_against(e, VYI_WIRE_MUL, whole, 0, f32, half_bits);
    const uint32_t even = vyi_export_one(e, VYI_WIRE_TRUNC, pairs);
    const uint32_t odd = vyi_export_both(e, VYI_WIRE_NE, pairs, even);
    const uint32_t both = vyi_export_both(e, VYI_WIRE_AND, tie, odd);
    const uint32_t up = vyi_export_both(e, VYI_WIRE_OR, more, both);
    const uint32_t step = vyi_export_let(e);
    vyi_export_u8(e, VYI_EXPR_CAST);
    vyi_export_u8(e, vyi_export_types[f32]);
    vyi_export_var(e, up);
    const uint32_t rounded = vyi_export_both(e, VYI_WIRE_ADD, whole, step);
    const uint32_t negated = vyi_export_one(e, VYI_WIRE_NEG, rounded);
    const uint32_t below = vyi_export_against(e, VYI_WIRE_LT, 0, id, f32, 0);
    const uint32_t made = vyi_export_let(e);
    vyi_export_u8(e, VYI_EXPR_SELECT);
    vyi_export_var(e, below);
    vyi_export_var(e, negated);
    vyi_export_var(e, rounded);
    return made;
}

static uint32_t vyi_export_unary(vyi_export *e, const vyi_inst *inst)
{
    const uint32_t type = vyi_definition(e->p, inst->arg[0])->type;
    if (inst->sub == VYI_UNARY_ROUND)
        return vyi_export_round(e, inst->arg[0]);
    if (inst->sub == VYI_UNARY_ABS && type == VYRE_TYPE_I32)
        return vyi_export_abs(e, inst->arg[0]);
    if (inst->sub == VYI_UNARY_SIGN && type != VYRE_TYPE_F32)
        return vyi_export_sign(e, inst->arg[0]);
    if (!vyi_export_unaries[inst->sub])
        vyi_export_fail(e, VYRE_E_EXCHANGE_UNSUPPORTED, vyi_unary_describe(inst->sub)->text);
    const bool truth = inst->sub == VYI_UNARY_NOT && type == VYRE_TYPE_BOOL;
    const uint32_t name = vyi_export_let(e);
    vyi_export_unary_of(e, truth ? (uint32_t)VYI_WIRE_NOT : vyi_export_unaries[inst->sub]);
    vyi_export_operand(e, inst->arg[0]);
    return name;
}

/* A bitcast between u32 and i32 is a cast. */
static uint32_t vyi_export_cast(vyi_export *e, const vyi_inst *inst)
{
    const uint32_t from = vyi_definition(e->p, inst->arg[0])->type;
    if (inst->op == VYI_OP_BITCAST && from != inst->type &&
        (from == VYRE_TYPE_F32 || inst->type == VYRE_TYPE_F32))
        vyi_export_fail(e, VYRE_E_EXCHANGE_UNSUPPORTED, "the bits of an f32");
    const uint32_t name = vyi_export_let(e);
    vyi_export_u8(e, VYI_EXPR_CAST);
    vyi_export_u8(e, vyi_export_types[inst->type]);
    vyi_export_operand(e, inst->arg[0]);
    return name;
}

/* --- what a program asks --------------------------------------------------------- */

static void vyi_export_axis(vyi_export *e, uint32_t tag, uint32_t axis)
{
    vyi_export_u8(e, tag);
    vyi_export_u8(e, axis);
}

/* x + size.x * (y + size.y * z), as far as the workgroup has these axes. */
static uint32_t vyi_export_local_index(vyi_export *e)
{
    const uint32_t *size = e->p->group_size;
    uint32_t name = vyi_export_let(e);
    vyi_export_axis(e, VYI_EXPR_LOCAL, 0);
    for (uint32_t axis = 1, step = size[0]; axis < 3; step *= size[axis++]) {
        if (size[axis] == 1)
            continue;
        const uint32_t id = vyi_export_let(e);
        vyi_export_axis(e, VYI_EXPR_LOCAL, axis);
        const uint32_t part = vyi_export_against(e, VYI_WIRE_MUL, id, 0, VYRE_TYPE_U32, step);
        name = vyi_export_both(e, VYI_WIRE_ADD, name, part);
    }
    return name;
}

static uint32_t vyi_export_builtin(vyi_export *e, const vyi_inst *inst)
{
    static const uint8_t tags[] = { VYI_EXPR_LOCAL, VYI_EXPR_WORKGROUP, VYI_EXPR_INVOCATION };
    if (inst->sub == VYRE_BUILTIN_LOCAL_INDEX)
        return vyi_export_local_index(e);
    const uint32_t name = vyi_export_let(e);
    if (inst->sub <= VYRE_BUILTIN_GLOBAL_ID_Z)
        vyi_export_axis(e, tags[inst->sub / 3], inst->sub % 3u);
    else if (inst->sub == VYRE_BUILTIN_SUBGROUP_LANE || inst->sub == VYRE_BUILTIN_SUBGROUP_SIZE)
        vyi_export_u8(e, inst->sub == VYRE_BUILTIN_SUBGROUP_LANE ? VYI_EXPR_LANE : VYI_EXPR_WIDTH);
    else
        vyi_export_fail(e, VYRE_E_EXCHANGE_UNSUPPORTED, "how many workgroups there are");
    return name;
}

/* --- memory ----------------------------------------------------------------------- */

static void vyi_export_buffer_name(vyi_export *e, const vyi_inst *inst)
{
    vyi_export_string(e, vyi_buffer_of(e->p, inst->arg[0])->name);
}

/* The front of an atomic, up to its index; a value follows. */
static uint32_t vyi_export_atomic_of(vyi_export *e, const vyi_inst *inst, uint32_t number)
{
    if (vyi_buffer_of(e->p, inst->arg[0])->type != VYRE_TYPE_U32)
        vyi_export_fail(e, VYRE_E_EXCHANGE_UNSUPPORTED, "elements that are not u32");
    const uint32_t name = vyi_export_let(e);
    vyi_export_u8(e, VYI_EXPR_ATOMIC);
    vyi_export_u8(e, number);
    vyi_export_u8(e, inst->order);
    vyi_export_buffer_name(e, inst);
    vyi_export_operand(e, inst->arg[1]);
    vyi_export_u8(e, inst->op == VYI_OP_ATOMIC_CAS);
    return name;
}

static uint32_t vyi_export_atomic(vyi_export *e, const vyi_inst *inst)
{
    static const uint8_t numbers[VYRE_ATOMIC_OP_COUNT] = { 1, 1, 3, 2, 4, 5, 6, 7 };
    uint32_t negated = 0, name;
    const bool subtracts = inst->op == VYI_OP_ATOMIC && inst->sub == VYRE_ATOMIC_SUB;
    if (subtracts)
        negated = vyi_export_negated(e, inst->arg[2]);
    switch (inst->op) {
    case VYI_OP_ATOMIC_LOAD:
        name = vyi_export_atomic_of(e, inst, 1);
        vyi_export_literal(e, VYRE_TYPE_U32, 0);
        return name;
    case VYI_OP_ATOMIC_CAS:
        name = vyi_export_atomic_of(e, inst, 8);
        vyi_export_operand(e, inst->arg[2]);
        vyi_export_operand(e, inst->arg[3]);
        return name;
    default:
        name = vyi_export_atomic_of(e, inst, inst->op == VYI_OP_ATOMIC_STORE ? 7
                                                                             : numbers[inst->sub]);
    }
    if (subtracts)
        vyi_export_var(e, negated);
    else
        vyi_export_operand(e, inst->arg[2]);
    return name;
}

/* --- values ------------------------------------------------------------------------ */

/* A tag, and all operands. */
static uint32_t vyi_export_plain(vyi_export *e, const vyi_inst *inst, uint32_t tag)
{
    const uint32_t values = vyi_op_describe(inst->op)->values;
    const uint32_t name = vyi_export_let(e);
    vyi_export_u8(e, tag);
    for (uint32_t i = 0; i < 4; i++) {
        if (values >> i & 1u)
            vyi_export_operand(e, inst->arg[i]);
    }
    return name;
}

static uint32_t vyi_export_reduce(vyi_export *e, const vyi_inst *inst)
{
    static const uint8_t numbers[VYRE_REDUCE_OP_COUNT] = { 1, 3, 4, 5, 6, 7 };
    const uint32_t name = vyi_export_let(e);
    vyi_export_u8(e, VYI_EXPR_REDUCE);
    vyi_export_u8(e, numbers[inst->sub]);
    vyi_export_operand(e, inst->arg[0]);
    return name;
}

static uint32_t vyi_export_memory(vyi_export *e, const vyi_inst *inst)
{
    const uint32_t name = vyi_export_let(e);
    vyi_export_u8(e, inst->op == VYI_OP_LOAD ? VYI_EXPR_LOAD : VYI_EXPR_LENGTH);
    vyi_export_buffer_name(e, inst);
    if (inst->op == VYI_OP_LOAD)
        vyi_export_operand(e, inst->arg[1]);
    return name;
}

static uint32_t vyi_export_get(vyi_export *e, const vyi_inst *inst)
{
    const uint32_t name = vyi_export_let(e);
    vyi_export_u8(e, VYI_EXPR_VAR);
    vyi_export_numbered(e, 'l', e->locals[inst->arg[0] - 1] - 1);
    return name;
}

/* -0, which the format's literals do not have. */
static uint32_t vyi_export_minus_zero(vyi_export *e)
{
    const uint32_t name = vyi_export_let(e);
    vyi_export_unary_of(e, VYI_WIRE_NEG);
    vyi_export_literal(e, VYRE_TYPE_F32, 0);
    return name;
}

static uint32_t vyi_export_value(vyi_export *e, const vyi_inst *inst)
{
    switch (inst->op) {
    case VYI_OP_CONST:        return vyi_export_minus_zero(e);
    case VYI_OP_BUILTIN:      return vyi_export_builtin(e, inst);
    case VYI_OP_LENGTH:
    case VYI_OP_LOAD:         return vyi_export_memory(e, inst);
    case VYI_OP_ATOMIC:
    case VYI_OP_ATOMIC_CAS:
    case VYI_OP_ATOMIC_LOAD:
    case VYI_OP_ATOMIC_STORE: return vyi_export_atomic(e, inst);
    case VYI_OP_BINARY:       return vyi_export_binary(e, inst);
    case VYI_OP_UNARY:        return vyi_export_unary(e, inst);
    case VYI_OP_FMA:          return vyi_export_plain(e, inst, VYI_EXPR_FMA);
    case VYI_OP_SELECT:       return vyi_export_plain(e, inst, VYI_EXPR_SELECT);
    case VYI_OP_CAST:
    case VYI_OP_BITCAST:      return vyi_export_cast(e, inst);
    case VYI_OP_GET:          return vyi_export_get(e, inst);
    case VYI_OP_BALLOT:       return vyi_export_plain(e, inst, VYI_EXPR_BALLOT);
    case VYI_OP_SHUFFLE:      return vyi_export_plain(e, inst, VYI_EXPR_SHUFFLE);
    case VYI_OP_REDUCE:       return vyi_export_reduce(e, inst);
    default:                  break;
    }
    vyi_export_fail(e, VYRE_E_EXCHANGE_UNSUPPORTED, "the format has nothing like it");
    return 0;
}

/* --- blocks ------------------------------------------------------------------------- */

/* Whether this lane ends when it comes to instruction `i`. */
static bool vyi_export_ends(const vyre_program *p, uint32_t i)
{
    while (i < p->count) {
        const vyi_inst *inst = &p->insts[i];
        if (vyi_op_describe(inst->op)->flags & VYI_OP_ARM)
            i = vyi_block_end(p, i) + 1; /* out of an arm that has ended */
        else if (inst->op == VYI_OP_END || inst->op == VYI_OP_COMMENT || inst->op == VYI_OP_CONST)
            i++;
        else
            return false;
    }
    return true;
}

/* Out of the outermost endless loop with nothing behind it, a break is a return. */
static void vyi_export_break(vyi_export *e, const vyi_inst *inst)
{
    const uint32_t opener = inst->link;
    const vyi_inst *loop = &e->p->insts[opener];
    if (loop->op != VYI_OP_FOREVER || loop->sub != 1 ||
        !vyi_export_ends(e->p, vyi_block_end(e->p, opener) + 1))
        vyi_export_fail(e, VYRE_E_EXCHANGE_FLOW,
                        "it leaves a loop that is counted, or has something behind it");
    vyi_export_statement(e, VYI_NODE_RETURN);
}

static void vyi_export_loop(vyi_export *e, const vyi_inst *inst)
{
    vyi_export_statement(e, VYI_NODE_LOOP);
    if (inst->op == VYI_OP_LOOP) {
        e->names[e->at] = e->name_count;
        vyi_export_numbered(e, 'v', e->name_count++);
        vyi_export_operand(e, inst->arg[0]);
        vyi_export_operand(e, inst->arg[1]);
    } else {
        if (e->forevers++)
            vyi_export_fail(e, VYRE_E_EXCHANGE_FLOW, "an endless loop inside another one");
        vyi_export_string(e, "__forever__");
        vyi_export_literal(e, VYRE_TYPE_U32, 0);
        vyi_export_literal(e, VYRE_TYPE_U32, UINT32_MAX);
    }
    vyi_export_open(e, e->at);
}

/* The arm of a switch that is open, if one is. */
static void vyi_export_end_arm(vyi_export *e, uint32_t opener)
{
    if (e->lists[e->depth - 1].opener != opener)
        return;
    vyi_export_close(e);
    vyi_export_u32(e, 0); /* no other statements */
}

/* The switch that an arm belongs to: that of the list that is open, or, before the first
 * arm, the instruction before it. */
static uint32_t vyi_export_switch(const vyi_export *e)
{
    const uint32_t open = e->lists[e->depth - 1].opener;
    if (e->p->insts[e->at - 1].op == VYI_OP_SWITCH)
        return e->at - 1;
    VYRE_ASSERT(open < e->p->count && e->p->insts[open].op == VYI_OP_SWITCH);
    return open;
}

static void vyi_export_case(vyi_export *e, const vyi_inst *inst)
{
    const uint32_t opener = vyi_export_switch(e), value = e->p->insts[opener].arg[0];
    vyi_export_end_arm(e, opener);
    const uint32_t test = vyi_export_against(e, VYI_WIRE_EQ, 0, value,
                                             vyi_definition(e->p, value)->type, inst->arg[0]);
    vyi_export_statement(e, VYI_NODE_IF);
    vyi_export_var(e, test);
    vyi_export_open(e, opener);
}

/* The value is none of the cases', of all arms. */
static void vyi_export_default(vyi_export *e)
{
    const uint32_t opener = vyi_export_switch(e), value = e->p->insts[opener].arg[0];
    const uint32_t type = vyi_definition(e->p, value)->type;
    uint32_t other = 0;
    bool any = false;
    vyi_export_end_arm(e, opener);
    for (uint32_t i = e->p->insts[opener].link; e->p->insts[i].op != VYI_OP_END;
         i = e->p->insts[i].link) {
        const vyi_inst *arm = &e->p->insts[i];
        if (arm->op != VYI_OP_CASE)
            continue;
        const uint32_t test = vyi_export_against(e, VYI_WIRE_NE, 0, value, type, arm->arg[0]);
        other = any ? vyi_export_both(e, VYI_WIRE_AND, other, test) : test;
        any = true;
    }
    vyi_export_statement(e, VYI_NODE_IF);
    if (any)
        vyi_export_var(e, other);
    else
        vyi_export_literal(e, VYRE_TYPE_BOOL, 1);
    vyi_export_open(e, opener);
}

static void vyi_export_if(vyi_export *e, const vyi_inst *inst)
{
    vyi_export_statement(e, VYI_NODE_IF);
    vyi_export_operand(e, inst->arg[0]);
    vyi_export_open(e, e->at);
}

static void vyi_export_else(vyi_export *e)
{
    const uint32_t opener = e->lists[e->depth - 1].opener;
    vyi_export_close(e);
    vyi_export_open(e, opener);
}

static void vyi_export_end(vyi_export *e)
{
    const uint32_t opener = e->lists[e->depth - 1].opener;
    const uint32_t op = e->p->insts[opener].op;
    const uint32_t first = e->p->insts[opener].link;
    vyi_export_close(e);
    if (op == VYI_OP_SWITCH || (op == VYI_OP_IF && e->p->insts[first].op == VYI_OP_END))
        vyi_export_u32(e, 0);
    e->forevers -= op == VYI_OP_FOREVER;
}

/* --- instructions --------------------------------------------------------------------- */

static void vyi_export_barrier(vyi_export *e, const vyi_inst *inst)
{
    if (inst->sub != VYRE_SCOPE_WORKGROUP)
        vyi_export_fail(e, VYRE_E_EXCHANGE_UNSUPPORTED, "only workgroups have barriers");
    vyi_export_statement(e, VYI_NODE_BARRIER);
    vyi_export_u8(e, inst->order ? inst->order : (uint32_t)VYRE_ORDER_ACQ_REL);
}

static void vyi_export_local(vyi_export *e, const vyi_inst *inst)
{
    uint32_t *number = &e->locals[inst->arg[0] - 1];
    if (inst->op == VYI_OP_LOCAL && !*number)
        return;
    if (inst->op == VYI_OP_LOCAL)
        *number = ++e->local_count;
    vyi_export_statement(e, inst->op == VYI_OP_LOCAL ? VYI_NODE_LET : VYI_NODE_ASSIGN);
    vyi_export_numbered(e, 'l', *number - 1);
    vyi_export_operand(e, inst->arg[1]);
}

static void vyi_export_store(vyi_export *e, const vyi_inst *inst)
{
    vyi_export_statement(e, VYI_NODE_STORE);
    vyi_export_buffer_name(e, inst);
    vyi_export_operand(e, inst->arg[1]);
    vyi_export_operand(e, inst->arg[2]);
}

/* Instructions that give nothing; false when this is another one. */
static bool vyi_export_effect(vyi_export *e, const vyi_inst *inst)
{
    switch (inst->op) {
    case VYI_OP_STORE:    vyi_export_store(e, inst); return true;
    case VYI_OP_LOCAL:
    case VYI_OP_SET:      vyi_export_local(e, inst); return true;
    case VYI_OP_IF:       vyi_export_if(e, inst); return true;
    case VYI_OP_ELSE:     vyi_export_else(e); return true;
    case VYI_OP_CASE:     vyi_export_case(e, inst); return true;
    case VYI_OP_DEFAULT:  vyi_export_default(e); return true;
    case VYI_OP_LOOP:
    case VYI_OP_FOREVER:  vyi_export_loop(e, inst); return true;
    case VYI_OP_END:      vyi_export_end(e); return true;
    case VYI_OP_BREAK:    vyi_export_break(e, inst); return true;
    case VYI_OP_CONTINUE:
        vyi_export_fail(e, VYRE_E_EXCHANGE_FLOW, "no loop goes on early");
        return true;
    case VYI_OP_RETURN:   vyi_export_statement(e, VYI_NODE_RETURN); return true;
    case VYI_OP_BARRIER:  vyi_export_barrier(e, inst); return true;
    case VYI_OP_SWITCH:
    case VYI_OP_LOOP_ALLOW: /* loops are unlimited */
    case VYI_OP_COMMENT:  return true;
    default:              return false;
    }
}

static void vyi_export_instructions(vyi_export *e)
{
    const vyre_program *p = e->p;
    e->name_count = e->local_count = e->forevers = e->depth = 0;
    vyi_export_u8(e, VYI_NODE_REGION);
    vyi_export_string(e, "vyre.program.root");
    vyi_export_u8(e, 0);
    vyi_export_open(e, p->count);
    for (e->at = 0; e->at < p->count && e->status >= 0; e->at++) {
        const vyi_inst *inst = &p->insts[e->at];
        uint32_t bits;
        if (vyi_export_effect(e, inst))
            continue;
        if (vyi_export_same(e, e->at + 1) == e->at + 1 && !vyi_export_known(e, inst, &bits))
            e->names[e->at] = vyi_export_value(e, inst);
    }
    if (e->status >= 0)
        vyi_export_close(e);
}

/* --- buffers ---------------------------------------------------------------------------- */

static void vyi_export_hints(vyi_export *e)
{
    vyi_export_u8(e, 0);
    vyi_export_u32(e, 0);
    vyi_export_u8(e, 1);
}

static void vyi_export_metadata(vyi_export *e)
{
    const vyre_program *p = e->p;
    const bool named = strcmp(p->name, "program") != 0;
    vyi_export_bytes(e, "VYRE-META", 9);
    vyi_export_u8(e, named);
    if (named)
        vyi_export_string(e, p->name);
    for (uint32_t axis = 0; axis < 3; axis++)
        vyi_export_u32(e, p->group_size[axis]);
    vyi_export_u8(e, 0);
    vyi_export_leb(e, p->buffer_count);
    for (uint32_t i = 0; i < p->buffer_count; i++) {
        const vyi_buffer *b = &p->buffers[i];
        const bool part = b->count && b->readback_size;
        vyi_export_string(e, b->name);
        vyi_export_u32(e, b->access == VYRE_ACCESS_WORKGROUP ? 0 : b->binding);
        vyi_export_u32(e, b->count);
        vyi_export_u8(e, 0);
        vyi_export_u8(e, 0);
        vyi_export_u8(e, b->no_readback || part);
        if (b->no_readback || part) {
            vyi_export_leb(e, b->no_readback ? 0 : b->readback_offset);
            vyi_export_leb(e, b->no_readback ? 0 : (uint64_t)b->readback_offset + b->readback_size);
        }
        vyi_export_hints(e);
    }
}

static bool vyi_export_is_written(const vyi_buffer *b)
{
    return b->access == VYRE_ACCESS_READ_WRITE || b->access == VYRE_ACCESS_WRITE;
}

static void vyi_export_regions(vyi_export *e)
{
    static const uint8_t kinds[] = { 0, 4, 0, 1 }; /* global, read-only, global, shared */
    static const uint8_t accesses[] = { VYI_REGION_READ_WRITE, VYI_REGION_READ, VYI_REGION_WRITE,
                                        VYI_REGION_WORKGROUP };
    uint32_t written = 0;
    vyi_export_leb(e, e->p->buffer_count);
    for (uint32_t i = 0; i < e->p->buffer_count; i++) {
        const vyi_buffer *b = &e->p->buffers[i];
        vyi_export_leb(e, i);
        vyi_export_u8(e, kinds[b->access]);
        vyi_export_u8(e, accesses[b->access]);
        vyi_export_u8(e, vyi_export_types[b->type]);
        vyi_export_u8(e, 0);
        vyi_export_u8(e, 1u + (b->count > 0x7fu) + (b->count > 0x3fffu) + (b->count > 0x1fffffu) +
                             (b->count > 0xfffffffu));
        vyi_export_leb(e, b->count);
        vyi_export_u8(e, 6);
        vyi_export_hints(e);
        written += vyi_export_is_written(b);
    }
    vyi_export_leb(e, written);
    for (uint32_t i = 0; i < e->p->buffer_count; i++) {
        if (vyi_export_is_written(&e->p->buffers[i]))
            vyi_export_leb(e, i);
    }
}

/* --- the whole ----------------------------------------------------------------------------- */

/* How long what `write` writes is. */
static size_t vyi_export_size(vyi_export *e, void (*write)(vyi_export *e))
{
    uint8_t *const dst = e->dst;
    const size_t length = e->length;
    e->dst = NULL;
    e->length = 0;
    write(e);
    const size_t size = e->length;
    e->dst = dst;
    e->length = length;
    if (size > VYI_EXCHANGE_PAYLOAD)
        vyi_export_fail(e, VYRE_E_EXCHANGE_LIMIT, "a record of more than 4 MiB");
    return size;
}

static void vyi_export_record(vyi_export *e, const char *name, void (*write)(vyi_export *e))
{
    const size_t size = vyi_export_size(e, write);
    vyi_export_leb(e, strlen(name));
    vyi_export_bytes(e, name, strlen(name));
    vyi_export_leb(e, size);
    write(e);
    vyi_export_leb(e, 0);
}

/* Writes all of it, or counts its bytes. */
static void vyi_export_blob(vyi_export *e)
{
    static const uint8_t head[VYI_EXCHANGE_HEADER] = { 'V', 'Y', 'R', 'E', 4, 0, 4, 0 };
    e->length = 0;
    e->at = e->p->count;
    vyi_export_bytes(e, head, sizeof head);
    vyi_export_leb(e, 2);
    vyi_export_record(e, "vyre.program.metadata", vyi_export_metadata);
    vyi_export_record(e, "vyre.node.region", vyi_export_instructions);
    vyi_export_regions(e);
    if (e->dst)
        vyi_blake3(e->dst + sizeof head, e->length - sizeof head, e->dst + 8);
}

/* Locals that are assigned anywhere. */
static void vyi_export_find_locals(vyi_export *e)
{
    for (uint32_t i = 0; i < e->p->count; i++) {
        if (e->p->insts[i].op == VYI_OP_SET)
            e->locals[e->p->insts[i].arg[0] - 1] = 1;
    }
}

static size_t vyi_export_text(vyi_export *e, size_t size, char *dst, size_t space)
{
    e->dst = (uint8_t *)vyi_alloc(&e->p->allocator, size);
    if (!e->dst) {
        e->status = vyi_fail_nomem(e->err, size);
        return 0;
    }
    vyi_export_blob(e);
    const size_t length = vyi_exchange_text_write(e->dst, size, dst, space);
    vyi_free(&e->p->allocator, e->dst, size);
    return length;
}

VYRE_API size_t vyre_program_export(const vyre_program *p, bool text, void *dst, size_t size,
                                    vyre_error *err)
{
    if (!p || !p->finished) {
        vyi_fail(err, p ? VYRE_E_IR_UNFINISHED : VYRE_E_ARGUMENT, 0,
                 "Call vyre_program_finish first, and look at what it returns.",
                 p ? "the program is not finished" : "the program is NULL");
        return 0;
    }
    vyi_export e;
    memset(&e, 0, sizeof e);
    e.p = p;
    e.err = err;
    const size_t words = (size_t)p->count + p->local_count + 1;
    e.names = (uint32_t *)vyi_alloc_zeroed(&p->allocator, words * sizeof *e.names);
    if (!e.names) {
        vyi_fail_nomem(err, words * sizeof *e.names);
        return 0;
    }
    e.locals = e.names + p->count;
    vyi_export_find_locals(&e);
    vyi_export_blob(&e);
    size_t length = e.length;
    if (e.status >= 0 && text) {
        length = vyi_export_text(&e, length, (char *)dst, size);
    } else if (e.status >= 0 && dst && size >= length) {
        e.dst = (uint8_t *)dst;
        vyi_export_blob(&e);
        VYRE_ASSERT(e.length == length);
    }
    vyi_free(&p->allocator, e.names, words * sizeof *e.names);
    return e.status < 0 ? 0 : length;
}

#endif /* VYRE_NO_EXCHANGE */

/* ==========================================================================
 * exchange: expressions of a blob as values of a program
 * ======================================================================= */
#include "rooms/exchange/exchange_import.h"

#ifndef VYRE_NO_EXCHANGE

static vyre_value vyi_import_none(void)
{
    const vyre_value none = { 0 };
    return none;
}

static vyre_value vyi_import_refuse(vyi_import *m, const vyi_import_frame *frame, const char *what,
                                    uint32_t number)
{
    vyi_exchange_fail(&m->x, VYRE_E_EXCHANGE_UNSUPPORTED, frame->start, what, number);
    return vyi_import_none();
}

VYI_API vyre_value vyi_import_bool(vyi_import *m, vyre_value value)
{
    return vyi_import_type(m, value) == VYRE_TYPE_BOOL ? value
                                                       : vyre_ir_cast(m->p, VYRE_TYPE_BOOL, value);
}

VYI_API vyre_value vyi_import_u32(vyi_import *m, vyre_value value)
{
    const uint32_t type = vyi_import_type(m, value);
    return type == VYRE_TYPE_I32 || type == VYRE_TYPE_BOOL
               ? vyre_ir_cast(m->p, VYRE_TYPE_U32, value) : value;
}

VYI_API bool vyi_import_beyond(const vyi_import *m, vyre_buffer buffer, vyre_value index)
{
    uint32_t bits = 0;
    const uint32_t count = vyi_buffer_of(m->p, buffer.id)->count;
    return count && index.id && vyi_literal(m->p, index.id, &bits) && bits >= count;
}

/* --- constants -------------------------------------------------------------- */

static vyre_value vyi_import_f32_bits(vyre_program *p, uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return vyre_ir_f32(p, x);
}

/* As the original reads it: one NaN, no subnormals. */
static vyre_value vyi_import_f32(vyre_program *p, uint32_t bits)
{
    const uint32_t rest = bits & 0x7fffffffu;
    if (rest > 0x7f800000u)
        bits = 0x7fc00000u;
    else if (rest < 0x00800000u)
        bits &= 0x80000000u;
    return vyi_import_f32_bits(p, bits);
}

static vyre_value vyi_import_zero(vyre_program *p, uint32_t type)
{
    switch (type) {
    case VYRE_TYPE_I32:  return vyre_ir_i32(p, 0);
    case VYRE_TYPE_F32:  return vyre_ir_f32(p, 0.0f);
    case VYRE_TYPE_BOOL: return vyre_ir_bool(p, false);
    default:             return vyre_ir_u32(p, 0);
    }
}

/* --- operators -------------------------------------------------------------- */

/* How an operator is built. */
typedef enum vyi_import_how {
    VYI_HOW_NONE, VYI_HOW_PLAIN, VYI_HOW_SHIFT, VYI_HOW_LOGIC, VYI_HOW_ABS_DIFF, VYI_HOW_SAT_ADD,
    VYI_HOW_SAT_SUB, VYI_HOW_SAT_MUL, VYI_HOW_LOGICAL_NOT, VYI_HOW_ROUND, VYI_HOW_FINITE,
    VYI_HOW_UNPACK, VYI_HOW_RECIPROCAL
} vyi_import_how;

typedef struct vyi_import_operator {
    uint8_t how, sub; /* of UNPACK: the bits' place and width, as place * 16 + width */
} vyi_import_operator;

#define VYI_PLAIN(name) { VYI_HOW_PLAIN, name }

/* From 1. */
static const vyi_import_operator vyi_import_binaries[] = {
    VYI_PLAIN(VYI_BINARY_ADD),            VYI_PLAIN(VYI_BINARY_SUB),
    VYI_PLAIN(VYI_BINARY_MUL),            VYI_PLAIN(VYI_BINARY_DIV),
    VYI_PLAIN(VYI_BINARY_REM),            VYI_PLAIN(VYI_BINARY_AND),
    VYI_PLAIN(VYI_BINARY_OR),             VYI_PLAIN(VYI_BINARY_XOR),
    { VYI_HOW_SHIFT, VYI_BINARY_SHL },    { VYI_HOW_SHIFT, VYI_BINARY_SHR },
    VYI_PLAIN(VYI_BINARY_EQ),             VYI_PLAIN(VYI_BINARY_NE),
    VYI_PLAIN(VYI_BINARY_LT),             VYI_PLAIN(VYI_BINARY_GT),
    VYI_PLAIN(VYI_BINARY_LE),             VYI_PLAIN(VYI_BINARY_GE),
    { VYI_HOW_LOGIC, VYI_BINARY_AND },    { VYI_HOW_LOGIC, VYI_BINARY_OR },
    { VYI_HOW_ABS_DIFF, 0 },              VYI_PLAIN(VYI_BINARY_MIN),
    VYI_PLAIN(VYI_BINARY_MAX),            { VYI_HOW_SAT_ADD, 0 },
    { VYI_HOW_SAT_SUB, 0 },               { VYI_HOW_SAT_MUL, 0 },
    { VYI_HOW_NONE, 0 }, /* shuffle, ballot, reduce, broadcast: older forms of expressions */
    { VYI_HOW_NONE, 0 },                  { VYI_HOW_NONE, 0 },
    { VYI_HOW_NONE, 0 },                  { VYI_HOW_SHIFT, VYI_BINARY_ROTL },
    { VYI_HOW_SHIFT, VYI_BINARY_ROTR },   VYI_PLAIN(VYI_BINARY_ADD),
    VYI_PLAIN(VYI_BINARY_SUB),            VYI_PLAIN(VYI_BINARY_MUL_HIGH)
};

static const vyi_import_operator vyi_import_unaries[] = {
    VYI_PLAIN(VYI_UNARY_NEG),      VYI_PLAIN(VYI_UNARY_NOT),      { VYI_HOW_LOGICAL_NOT, 0 },
    VYI_PLAIN(VYI_UNARY_POPCOUNT), VYI_PLAIN(VYI_UNARY_CLZ),      VYI_PLAIN(VYI_UNARY_CTZ),
    VYI_PLAIN(VYI_UNARY_REVERSE),  VYI_PLAIN(VYI_UNARY_COS),      VYI_PLAIN(VYI_UNARY_SIN),
    VYI_PLAIN(VYI_UNARY_ABS),      VYI_PLAIN(VYI_UNARY_SQRT),     VYI_PLAIN(VYI_UNARY_FLOOR),
    VYI_PLAIN(VYI_UNARY_CEIL),     { VYI_HOW_ROUND, 0 },          VYI_PLAIN(VYI_UNARY_TRUNC),
    VYI_PLAIN(VYI_UNARY_SIGN),     VYI_PLAIN(VYI_UNARY_IS_NAN),   VYI_PLAIN(VYI_UNARY_IS_INF),
    { VYI_HOW_FINITE, 0 },         VYI_PLAIN(VYI_UNARY_EXP),      VYI_PLAIN(VYI_UNARY_LOG),
    VYI_PLAIN(VYI_UNARY_LOG2),     VYI_PLAIN(VYI_UNARY_EXP2),     VYI_PLAIN(VYI_UNARY_TAN),
    VYI_PLAIN(VYI_UNARY_ACOS),     VYI_PLAIN(VYI_UNARY_ASIN),     VYI_PLAIN(VYI_UNARY_ATAN),
    VYI_PLAIN(VYI_UNARY_TANH),     VYI_PLAIN(VYI_UNARY_SINH),     VYI_PLAIN(VYI_UNARY_COSH),
    VYI_PLAIN(VYI_UNARY_RSQRT),
    { VYI_HOW_UNPACK, 0 * 16 + 4 }, { VYI_HOW_UNPACK, 2 * 16 + 4 }, /* places in steps of two */
    { VYI_HOW_UNPACK, 0 * 16 + 8 }, { VYI_HOW_UNPACK, 12 * 16 + 8 },
    { VYI_HOW_RECIPROCAL, 0 }
};

static vyre_value vyi_import_plain(vyre_program *p, uint32_t sub, vyre_value a, vyre_value b)
{
    vyi_inst inst;
    memset(&inst, 0, sizeof inst);
    inst.op = VYI_OP_BINARY;
    inst.sub = (uint8_t)sub;
    inst.arg[0] = a.id;
    inst.arg[1] = b.id;
    const vyre_value value = { vyi_ir_append(p, inst) };
    return value;
}

/* The greater less the smaller one; of i32, whose difference needs 32 bits, as u32. */
static vyre_value vyi_import_abs_diff(vyi_import *m, vyre_value a, vyre_value b)
{
    vyre_program *p = m->p;
    const vyre_value less = vyre_ir_lt(p, a, b);
    const vyre_value up = vyre_ir_sub(p, b, a);
    const vyre_value down = vyre_ir_sub(p, a, b);
    return vyi_import_u32(m, vyre_ir_select(p, less, up, down));
}

/* `result`, or `limit` where `over`. */
static vyre_value vyi_import_clamp(vyre_program *p, vyre_value over, uint32_t limit,
                                   vyre_value result)
{
    const vyre_value most = vyre_ir_u32(p, limit);
    return vyre_ir_select(p, over, most, result);
}

static vyre_value vyi_import_saturate(vyre_program *p, uint32_t how, vyre_value a, vyre_value b)
{
    vyre_value result, over;
    if (how == VYI_HOW_SAT_ADD) {
        result = vyre_ir_add(p, a, b);
        over = vyre_ir_lt(p, result, a);
        return vyi_import_clamp(p, over, UINT32_MAX, result);
    }
    if (how == VYI_HOW_SAT_SUB) {
        result = vyre_ir_sub(p, a, b);
        over = vyre_ir_lt(p, a, b);
        return vyi_import_clamp(p, over, 0, result);
    }
    result = vyre_ir_mul(p, a, b);
    over = vyre_ir_cast(p, VYRE_TYPE_BOOL, vyre_ir_mul_high(p, a, b));
    return vyi_import_clamp(p, over, UINT32_MAX, result);
}

static vyre_value vyi_import_logic(vyi_import *m, uint32_t sub, vyre_value a, vyre_value b)
{
    const vyre_value left = vyi_import_bool(m, a);
    const vyre_value right = vyi_import_bool(m, b);
    return vyi_import_plain(m->p, sub, left, right);
}

static vyre_value vyi_import_binary(vyi_import *m, const vyi_import_frame *frame)
{
    const uint32_t number = vyi_import_byte(m, frame->at[0]);
    const vyre_value a = m->values[frame->values], b = m->values[frame->values + 1];
    if (number == 0x80)
        return vyi_import_refuse(m, frame, "an extension's operator", number);
    const vyi_import_operator *o = &vyi_import_binaries[number - 1];
    switch (o->how) {
    case VYI_HOW_PLAIN:    return vyi_import_plain(m->p, o->sub, a, b);
    case VYI_HOW_SHIFT:    return vyi_import_plain(m->p, o->sub, a, vyi_import_u32(m, b));
    case VYI_HOW_LOGIC:    return vyi_import_logic(m, o->sub, a, b);
    case VYI_HOW_ABS_DIFF: return vyi_import_abs_diff(m, a, b);
    case VYI_HOW_NONE:     return vyi_import_refuse(m, frame, "binary operator", number);
    default:               break;
    }
    if (vyi_import_type(m, a) != VYRE_TYPE_U32)
        vyi_exchange_fail(&m->x, VYRE_E_EXCHANGE_TYPE, frame->start,
                          "only u32 saturates, in operator", number);
    return vyi_import_saturate(m->p, o->how, a, b);
}

static vyre_value vyi_import_finite(vyre_program *p, vyre_value x)
{
    const vyre_value nan = vyre_ir_is_nan(p, x);
    const vyre_value inf = vyre_ir_is_inf(p, x);
    return vyre_ir_not(p, vyre_ir_or(p, nan, inf));
}

static vyre_value vyi_import_unpack(vyi_import *m, uint32_t place, uint32_t width, vyre_value x)
{
    vyre_value word = vyi_import_u32(m, x);
    if (place) {
        const vyre_value amount = vyre_ir_u32(m->p, place);
        word = vyre_ir_shr(m->p, word, amount);
    }
    const vyre_value mask = vyre_ir_u32(m->p, (1u << width) - 1);
    return vyre_ir_and(m->p, word, mask);
}

static vyre_value vyi_import_unary_plain(vyre_program *p, uint32_t sub, vyre_value a)
{
    vyi_inst inst;
    memset(&inst, 0, sizeof inst);
    inst.op = VYI_OP_UNARY;
    inst.sub = (uint8_t)sub;
    inst.arg[0] = a.id;
    const vyre_value value = { vyi_ir_append(p, inst) };
    return value;
}

static vyre_value vyi_import_unary(vyi_import *m, const vyi_import_frame *frame)
{
    const uint32_t number = vyi_import_byte(m, frame->at[0]);
    const vyre_value a = m->values[frame->values];
    if (number == 0x80)
        return vyi_import_refuse(m, frame, "an extension's operator", number);
    const vyi_import_operator *o = &vyi_import_unaries[number - 1];
    switch (o->how) {
    case VYI_HOW_PLAIN:       return vyi_import_unary_plain(m->p, o->sub, a);
    case VYI_HOW_LOGICAL_NOT: return vyre_ir_not(m->p, vyi_import_bool(m, a));
    case VYI_HOW_ROUND:       return vyre_ir_round_away(m->p, a);
    case VYI_HOW_FINITE:      return vyi_import_finite(m->p, a);
    case VYI_HOW_UNPACK:      return vyi_import_unpack(m, o->sub / 16 * 2u, o->sub % 16u, a);
    case VYI_HOW_RECIPROCAL:  break;
    default:                  return vyi_import_refuse(m, frame, "unary operator", number);
    }
    const vyre_value one = vyre_ir_f32(m->p, 1.0f);
    return vyre_ir_div(m->p, one, a);
}

static vyre_value vyi_import_cast(vyi_import *m, const vyi_import_frame *frame)
{
    const vyre_value a = m->values[frame->values];
    switch (vyi_import_byte(m, frame->at[0])) {
    case 0x01: return vyre_ir_cast(m->p, VYRE_TYPE_U32, a);
    case 0x02: return vyre_ir_cast(m->p, VYRE_TYPE_I32, a);
    case 0x06: return vyre_ir_cast(m->p, VYRE_TYPE_BOOL, a);
    case 0x0b: return vyre_ir_cast(m->p, VYRE_TYPE_F32, a);
    default:
        return vyi_import_refuse(m, frame, "a cast to type", vyi_import_byte(m, frame->at[0]));
    }
}

/* --- memory ------------------------------------------------------------------ */

static vyre_value vyi_import_load(vyi_import *m, const vyi_import_frame *frame)
{
    const vyre_buffer buffer = vyi_import_buffer(m, frame->at[0]);
    if (!buffer.id)
        return vyi_import_none();
    const vyre_value index = vyi_import_u32(m, m->values[frame->values]);
    if (vyi_import_beyond(m, buffer, index))
        return vyi_import_zero(m->p, vyi_buffer_of(m->p, buffer.id)->type);
    return vyre_ir_load(m->p, buffer, index);
}

/* A not-and has no instruction: compare and exchange until nobody came between.
 * Not a loop without end, which a host could cut. */
static vyre_value vyi_import_nand(vyre_program *p, vyre_buffer buffer, vyre_value index,
                                  vyre_value value, vyre_order order)
{
    const vyre_value first = vyre_ir_atomic_load(p, buffer, index, VYRE_ORDER_RELAXED);
    const vyre_local old = vyre_ir_local(p, VYRE_TYPE_U32, first, "old");
    const vyre_value from = vyre_ir_u32(p, 0);
    const vyre_value to = vyre_ir_u32(p, UINT32_MAX);
    (void)vyre_ir_loop(p, from, to);
    const vyre_value expected = vyre_ir_get(p, old);
    const vyre_value both = vyre_ir_and(p, expected, value);
    const vyre_value desired = vyre_ir_not(p, both);
    const vyre_value found = vyre_ir_atomic_cas(p, buffer, index, expected, desired, order);
    vyre_ir_set(p, old, found);
    vyre_ir_if(p, vyre_ir_eq(p, found, expected));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
    return vyre_ir_get(p, old);
}

/* Whether this is all that a Let holds whose name nobody reads. */
static bool vyi_import_is_unread(const vyi_import *m)
{
    VYRE_ASSERT(m->walk.depth > 0);
    const vyi_import_frame *parent = &m->frames[m->walk.depth - 1];
    return parent->item == 'l' && parent->tag == VYI_NODE_LET && m->marks[m->ordinals] == 0;
}

/* A poll must not write, and a store need not read.  The original says both with sequential
 * consistency; an order that has a half which a load or a store lacks stays what it is. */
static vyre_value vyi_import_modify(vyi_import *m, uint32_t number, vyre_buffer buffer,
                                    vyre_value index, vyre_value value, uint32_t wire_order)
{
    static const uint8_t subs[] = { VYRE_ATOMIC_ADD, VYRE_ATOMIC_OR, VYRE_ATOMIC_AND,
                                    VYRE_ATOMIC_XOR, VYRE_ATOMIC_MIN, VYRE_ATOMIC_MAX,
                                    VYRE_ATOMIC_EXCHANGE };
    const bool consistent = wire_order == VYI_IMPORT_CONSISTENT;
    const uint32_t order = (uint32_t)vyi_import_order(wire_order);
    const uint32_t acquires = order & VYRE_ORDER_ACQUIRE, releases = order & VYRE_ORDER_RELEASE;
    uint32_t bits;
    if (number == 1 && (consistent || !releases) && value.id &&
        vyi_literal(m->p, value.id, &bits) && bits == 0)
        return vyre_ir_atomic_load(m->p, buffer, index, (vyre_order)acquires);
    if (number == 7 && (consistent || !acquires) && vyi_import_is_unread(m)) {
        vyre_ir_atomic_store(m->p, buffer, index, value, (vyre_order)releases);
        return vyi_import_none();
    }
    if (number == 10)
        return vyi_import_nand(m->p, buffer, index, value, (vyre_order)order);
    const vyre_atomic_op op = number == 11 ? VYRE_ATOMIC_MAX : (vyre_atomic_op)subs[number - 1];
    return vyre_ir_atomic(m->p, op, buffer, index, value, (vyre_order)order);
}

/* Operands are index, what is expected if anything, and value, in this order. */
static vyre_value vyi_import_atomic(vyi_import *m, const vyi_import_frame *frame)
{
    const uint32_t number = vyi_import_byte(m, frame->at[0]);
    const uint32_t order = vyi_import_byte(m, frame->at[1]);
    const bool expects = vyi_import_byte(m, frame->at[4]) != 0;
    const bool compares = number == 8 || number == 9;
    const vyre_value *operands = m->values + frame->values;
    if (number == 0x80 || order > VYI_IMPORT_CONSISTENT)
        return vyi_import_refuse(m, frame, number == 0x80 ? "an extension's atomic"
                                                          : "an atomic of order", order);
    const vyre_buffer buffer = vyi_import_buffer(m, frame->at[2]);
    if (!buffer.id)
        return vyi_import_none();
    if (vyi_buffer_of(m->p, buffer.id)->type != VYRE_TYPE_U32 || expects != compares) {
        vyi_exchange_fail(&m->x, VYRE_E_EXCHANGE_TYPE, frame->start,
                          expects != compares ? "something expected, or not, by atomic"
                                              : "elements that are not u32, for atomic", number);
        return vyi_import_none();
    }
    const vyre_value index = vyi_import_u32(m, operands[0]);
    if (vyi_import_beyond(m, buffer, index))
        return vyre_ir_u32(m->p, 0);
    if (compares)
        return vyre_ir_atomic_cas(m->p, buffer, index, operands[1], operands[2],
                                  vyi_import_order(order));
    return vyi_import_modify(m, number, buffer, index, operands[1], order);
}

/* --- the rest ----------------------------------------------------------------- */

static vyre_value vyi_import_axis(vyi_import *m, const vyi_import_frame *frame, vyre_builtin x)
{
    const uint32_t axis = vyi_import_byte(m, frame->at[0]);
    if (axis > 2) {
        vyi_exchange_fail(&m->x, VYRE_E_EXCHANGE_TYPE, frame->at[0], "there is no axis", axis);
        return vyi_import_none();
    }
    return vyre_ir_builtin(m->p, (vyre_builtin)((uint32_t)x + axis));
}

static vyre_value vyi_import_reduce(vyi_import *m, const vyi_import_frame *frame)
{
    static const uint8_t subs[] = { VYRE_REDUCE_ADD, 255, VYRE_REDUCE_MIN, VYRE_REDUCE_MAX,
                                    VYRE_REDUCE_AND, VYRE_REDUCE_OR, VYRE_REDUCE_XOR };
    const uint32_t number = vyi_import_byte(m, frame->at[0]);
    if (subs[number - 1] == 255)
        return vyi_import_refuse(m, frame, "a subgroup's product, reduction", number);
    return vyre_ir_reduce(m->p, (vyre_reduce_op)subs[number - 1], m->values[frame->values]);
}

/* A local's value is the one that it has here. */
static vyre_value vyi_import_variable(vyi_import *m, const vyi_import_frame *frame)
{
    const vyi_import_binding *binding = vyi_import_find(m, frame->at[0]);
    if (!binding)
        return vyi_import_none();
    if (binding->kind == VYI_IMPORT_LOCAL) {
        const vyre_local local = { binding->id };
        return vyre_ir_get(m->p, local);
    }
    const vyre_value value = { binding->id };
    return value;
}

static vyre_value vyi_import_call(vyi_import *m, const vyi_import_frame *frame)
{
    char op[256];
    const vyi_exchange_text name = vyi_exchange_text_at(&m->x, frame->at[0]);
    vyre_value value = { 0 };
    if (!m->desc->call || name.size >= sizeof op) {
        vyi_exchange_fail_name(&m->x, VYRE_E_EXCHANGE_UNSUPPORTED, frame->start, "a call of", name);
        return value;
    }
    memcpy(op, name.bytes, name.size);
    op[name.size] = '\0';
    const uint32_t depth = m->p->depth;
    const vyre_status status = m->desc->call(m->desc->user, m->p, op, m->values + frame->values,
                                             m->value_count - frame->values, &value);
    if (status < 0)
        vyi_exchange_fail_name(&m->x, status, frame->start, "the caller refuses a call of", name);
    else if (m->p->depth != depth)
        vyi_exchange_fail_name(&m->x, VYRE_E_EXCHANGE_FLOW, frame->start,
                               "blocks are open behind a call of", name);
    else if (value.id - 1 >= m->p->count || !vyi_definition(m->p, value.id)->type)
        vyi_exchange_fail_name(&m->x, VYRE_E_EXCHANGE_TYPE, frame->start, "no value from a call of",
                               name);
    return value;
}

VYI_API vyre_value vyi_import_value(vyi_import *m, const vyi_import_frame *frame)
{
    vyre_program *p = m->p;
    const vyre_value *v = m->values + frame->values;
    const uint8_t *field = m->x.bytes + frame->at[0]; /* of those that have one */
    switch (frame->tag) {
    case VYI_EXPR_U32:        return vyre_ir_u32(p, vyi_get32(field));
    case VYI_EXPR_I32:        return vyre_ir_i32(p, (int32_t)vyi_get32(field));
    case VYI_EXPR_BOOL:       return vyre_ir_bool(p, *field != 0);
    case VYI_EXPR_F32:        return vyi_import_f32(p, vyi_get32(field));
    case VYI_EXPR_VAR:        return vyi_import_variable(m, frame);
    case VYI_EXPR_LOAD:       return vyi_import_load(m, frame);
    case VYI_EXPR_LENGTH:     return vyre_ir_length(p, vyi_import_buffer(m, frame->at[0]));
    case VYI_EXPR_INVOCATION: return vyi_import_axis(m, frame, VYRE_BUILTIN_GLOBAL_ID_X);
    case VYI_EXPR_WORKGROUP:  return vyi_import_axis(m, frame, VYRE_BUILTIN_GROUP_ID_X);
    case VYI_EXPR_LOCAL:      return vyi_import_axis(m, frame, VYRE_BUILTIN_LOCAL_ID_X);
    case VYI_EXPR_BINARY:     return vyi_import_binary(m, frame);
    case VYI_EXPR_UNARY:      return vyi_import_unary(m, frame);
    case VYI_EXPR_CALL:       return vyi_import_call(m, frame);
    case VYI_EXPR_SELECT:     return vyre_ir_select(p, vyi_import_bool(m, v[0]), v[1], v[2]);
    case VYI_EXPR_CAST:       return vyi_import_cast(m, frame);
    case VYI_EXPR_ATOMIC:     return vyi_import_atomic(m, frame);
    case VYI_EXPR_FMA:        return vyre_ir_fma(p, v[0], v[1], v[2]);
    case VYI_EXPR_REDUCE:     return vyi_import_reduce(m, frame);
    case VYI_EXPR_SHUFFLE:    return vyre_ir_shuffle(p, v[0], vyi_import_u32(m, v[1]));
    case VYI_EXPR_BALLOT:     return vyre_ir_ballot(p, vyi_import_bool(m, v[0]));
    case VYI_EXPR_LANE:       return vyre_ir_builtin(p, VYRE_BUILTIN_SUBGROUP_LANE);
    case VYI_EXPR_WIDTH:      return vyre_ir_builtin(p, VYRE_BUILTIN_SUBGROUP_SIZE);
    default:                  return vyi_import_refuse(m, frame, "an expression with tag",
                                                       frame->tag);
    }
}

#endif /* VYRE_NO_EXCHANGE */

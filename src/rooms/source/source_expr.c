/* ==========================================================================
 * source: expressions
 *
 * Operands are evaluated from left to right, each before what is to its right is
 * read.  Of an assignment the place comes first, then the right side, then, with
 * += and its kin, the old value.
 * ======================================================================= */
#include "rooms/source/source_impl.h"

#ifndef VYRE_NO_SOURCE

/* --- two operands -------------------------------------------------------- */

typedef struct vyi_operator_row {
    uint8_t  kind;    /* token */
    uint8_t  set;     /* the token of op=, 0 without one */
    uint8_t  level;   /* how tight it binds, from 1 */
    uint8_t  classes; /* VYI_CLASS_* of its operands; 0: && and || and ^^ */
    uint8_t  sub;     /* vyi_binary */
} vyi_operator_row;

static const vyi_operator_row *vyi_expr_row(uint32_t kind, bool set)
{
    static const vyi_operator_row rows[] = {
        { VYI_TOKEN_OR_OR, 0, 1, 0, VYI_BINARY_OR },
        { VYI_TOKEN_XOR_XOR, 0, 2, 0, VYI_BINARY_XOR },
        { VYI_TOKEN_AND_AND, 0, 3, 0, VYI_BINARY_AND },
        { '|', VYI_TOKEN_OR_SET, 4, VYI_CLASS_I, VYI_BINARY_OR },
        { '^', VYI_TOKEN_XOR_SET, 5, VYI_CLASS_I, VYI_BINARY_XOR },
        { '&', VYI_TOKEN_AND_SET, 6, VYI_CLASS_I, VYI_BINARY_AND },
        { VYI_TOKEN_EQ, 0, 7, VYI_CLASS_A, VYI_BINARY_EQ },
        { VYI_TOKEN_NE, 0, 7, VYI_CLASS_A, VYI_BINARY_NE },
        { '<', 0, 8, VYI_CLASS_N, VYI_BINARY_LT },
        { '>', 0, 8, VYI_CLASS_N, VYI_BINARY_GT },
        { VYI_TOKEN_LE, 0, 8, VYI_CLASS_N, VYI_BINARY_LE },
        { VYI_TOKEN_GE, 0, 8, VYI_CLASS_N, VYI_BINARY_GE },
        { VYI_TOKEN_SHL, VYI_TOKEN_SHL_SET, 9, VYI_CLASS_I, VYI_BINARY_SHL },
        { VYI_TOKEN_SHR, VYI_TOKEN_SHR_SET, 9, VYI_CLASS_I, VYI_BINARY_SHR },
        { '+', VYI_TOKEN_ADD_SET, 10, VYI_CLASS_N, VYI_BINARY_ADD },
        { '-', VYI_TOKEN_SUB_SET, 10, VYI_CLASS_N, VYI_BINARY_SUB },
        { '*', VYI_TOKEN_MUL_SET, 11, VYI_CLASS_N, VYI_BINARY_MUL },
        { '/', VYI_TOKEN_DIV_SET, 11, VYI_CLASS_N, VYI_BINARY_DIV },
        { '%', VYI_TOKEN_REM_SET, 11, VYI_CLASS_I, VYI_BINARY_REM }
    };
    /* Most of what follows a value is none of them. */
    if (kind >= VYI_TOKEN_IF || (kind < VYI_TOKEN_NAME && !strchr("|^&<>+-*/%", (int)kind)))
        return NULL;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (kind && kind == (set ? rows[i].set : rows[i].kind))
            return &rows[i];
    return NULL;
}

static bool vyi_expr_takes(vyi_source *s, const vyi_operator_row *row, const vyi_operand *a)
{
    if ((row->classes | VYI_CLASS_PAIR) >> a->type & 1)
        return true;
    vyi_source_fail(s, a->at, row->classes == VYI_CLASS_I ? "It works on uint and int."
                                                          : "It works on uint, int and float.",
                    "\"%s\" does not take %s", vyi_source_kind_text(row->kind),
                    vyi_source_type_text(a->type));
    return false;
}

/* Both have been loaded. */
static vyi_operand vyi_expr_apply(vyi_source *s, const vyi_operator_row *row, vyi_operand a,
                                  vyi_operand b)
{
    const uint32_t at = a.at;
    if (a.wrong || b.wrong)
        return vyi_source_wrong(at);
    const bool shifts = row->sub == VYI_BINARY_SHL || row->sub == VYI_BINARY_SHR;
    if (!shifts && !vyi_source_common(s, &a, &b, vyi_source_kind_text(row->kind)))
        return vyi_source_wrong(at);
    if (!vyi_expr_takes(s, row, &a) || !vyi_expr_takes(s, row, &b))
        return vyi_source_wrong(at);
    if (shifts)
        b = vyi_source_cast(s, VYRE_TYPE_U32, b);
    return vyi_source_op2(s, row->sub, a, b);
}

/* --- && and || ----------------------------------------------------------- */

static vyi_operand vyi_expr_binary(vyi_source *s, uint32_t level);

static vyi_operand vyi_expr_truth(vyi_source *s, vyi_operand a, uint32_t kind)
{
    a = vyi_source_load(s, a);
    if (a.wrong || a.type == VYRE_TYPE_BOOL)
        return a;
    vyi_source_fail(s, a.at, "Compare it with something, as in x != 0.",
                    "\"%s\" takes bool, not %s", vyi_source_kind_text(kind),
                    vyi_source_type_text(a.type));
    return vyi_source_wrong(a.at);
}

/* The right side, which has something in it that must not run in vain. */
static vyi_operand vyi_expr_guarded(vyi_source *s, const vyi_operator_row *row, vyi_operand a)
{
    const char *name = row->kind == VYI_TOKEN_AND_AND ? "and" : "or";
    const vyre_local both = vyi_source_local(s, VYRE_TYPE_BOOL, &a, name,
                                             (uint32_t)strlen(name));
    if (row->kind == VYI_TOKEN_AND_AND)
        vyi_source_if(s, &a);
    else
        vyi_source_if_not(s, a);
    vyi_operand b = vyi_expr_binary(s, row->level + 1u);
    b = vyi_expr_truth(s, b, row->kind);
    if (!s->mute) {
        vyre_ir_set(s->p, both, vyi_source_id(s, &b));
        vyre_ir_end(s->p);
        return vyi_source_made(VYRE_TYPE_BOOL, vyre_ir_get(s->p, both), a.at);
    }
    return b.wrong ? b : vyi_source_unknown(VYRE_TYPE_BOOL, a.at);
}

static vyi_operand vyi_expr_logic(vyi_source *s, const vyi_operator_row *row, vyi_operand a)
{
    vyi_source_reader from;
    a = vyi_expr_truth(s, a, row->kind);
    const bool rehearsing = row->kind != VYI_TOKEN_XOR_XOR && vyi_source_rehearse(s, &from);
    const uint32_t heavy = s->heavy;
    vyi_operand b = vyi_expr_binary(s, row->level + 1u);
    b = vyi_expr_truth(s, b, row->kind);
    if (rehearsing && vyi_source_heard(s, true, &from)) {
        if (s->heavy != heavy)
            return vyi_expr_guarded(s, row, a);
        b = vyi_expr_binary(s, row->level + 1u);
        b = vyi_expr_truth(s, b, row->kind);
    }
    return vyi_source_op2(s, row->sub, a, b);
}

static vyi_operand vyi_expr_unary(vyi_source *s);

/* What binds at `level` or tighter. */
static vyi_operand vyi_expr_binary(vyi_source *s, uint32_t level)
{
    vyi_operand a = vyi_expr_unary(s);
    for (;;) {
        const vyi_operator_row *row = vyi_expr_row(s->r.token.kind, false);
        if (!row || row->level < level)
            return a;
        vyi_source_next(s);
        if (row->classes == 0) {
            a = vyi_expr_logic(s, row, a);
            continue;
        }
        a = vyi_source_load(s, a);
        vyi_operand b = vyi_expr_binary(s, row->level + 1u);
        b = vyi_source_load(s, b);
        a = vyi_expr_apply(s, row, a, b);
    }
}

/* --- one operand --------------------------------------------------------- */

/* ++ and --, before or after: what it was, or what it is now. */
static vyi_operand vyi_expr_step(vyi_source *s, vyi_operand place, uint32_t kind, bool before)
{
    const vyi_operator_row *row = vyi_expr_row(kind == VYI_TOKEN_INC ? '+' : '-', false);
    if (!vyi_source_assignable(s, &place))
        return vyi_source_wrong(place.at);
    const vyi_operand old = vyi_source_load(s, place);
    const vyi_operand one = vyi_source_constant(VYRE_TYPE_I32, 1, place.at);
    if (old.wrong || !vyi_expr_takes(s, row, &old))
        return vyi_source_wrong(place.at);
    const vyi_operand now = vyi_expr_apply(s, row, old, vyi_source_cast(s, old.type, one));
    vyi_source_store(s, &place, now);
    return before ? now : old;
}

static vyi_operand vyi_expr_sign(vyi_source *s, uint32_t kind, uint32_t at)
{
    vyi_operand a = vyi_expr_unary(s);
    a = vyi_source_load(s, a);
    const uint32_t classes = kind == '!'   ? VYI_CLASS_B
                             : kind == '~' ? VYI_CLASS_I | VYI_CLASS_PAIR
                                           : VYI_CLASS_N | VYI_CLASS_PAIR;
    if (a.wrong)
        return a;
    if (!(classes >> a.type & 1)) {
        vyi_source_fail(s, at, kind == '!' ? "Compare it with something, as in x == 0."
                                           : "Convert it first.",
                        "\"%s\" does not take %s", vyi_source_kind_text(kind),
                        vyi_source_type_text(a.type));
        return vyi_source_wrong(at);
    }
    a.at = at;
    if (kind == '+')
        return a;
    return vyi_source_op1(s, kind == '-' ? VYI_UNARY_NEG : VYI_UNARY_NOT, a);
}

static vyi_operand vyi_expr_index(vyi_source *s, vyi_operand a)
{
    vyi_operand index = vyi_source_expression(s);
    index = vyi_source_load(s, index);
    if (!vyi_source_expect(s, ']', "after an index") || index.wrong || a.wrong)
        return vyi_source_wrong(a.at);
    if (a.place != VYI_PLACE_BUFFER) {
        vyi_source_fail(s, a.at, "Index a buffer.", "this is no buffer and has no elements");
        return vyi_source_wrong(a.at);
    }
    const vyi_buffer *b = vyi_buffer_of(s->p, a.target);
    if (!(VYI_CLASS_I >> index.type & 1)) {
        vyi_source_fail(s, index.at, "Write uint(..) around it.", "an index is uint or int, not %s",
                        vyi_source_type_text(index.type));
        return vyi_source_wrong(a.at);
    }
    if (index.constant && b->count && index.word >= b->count) {
        vyi_source_fail(s, index.at, "Count from 0.", "\"%.40s\" has %u elements, and no [%d]",
                        b->name, (unsigned)b->count, (int)index.word);
        return vyi_source_wrong(a.at);
    }
    index = vyi_source_cast(s, VYRE_TYPE_U32, index);
    a.place = VYI_PLACE_ELEMENT;
    a.word = vyi_source_id(s, &index).id;
    return a;
}

/* .length() */
static vyi_operand vyi_expr_length(vyi_source *s, vyi_operand a)
{
    vyre_value value = { 0 };
    const vyi_token name = s->r.token;
    if (a.wrong && vyi_source_accept(s, VYI_TOKEN_NAME) && s->r.token.kind != '(')
        return a;
    if (!a.wrong && (name.kind != VYI_TOKEN_NAME || !vyi_source_is(s, &name, "length"))) {
        vyi_source_fail(s, name.at, "Write length().", "after the point length() is expected");
        return vyi_source_wrong(a.at);
    }
    if (!a.wrong)
        vyi_source_next(s);
    if (!vyi_source_expect(s, '(', "after length") || !vyi_source_expect(s, ')', "after length("))
        return vyi_source_wrong(a.at);
    if (a.wrong)
        return a;
    if (a.place != VYI_PLACE_BUFFER) {
        vyi_source_fail(s, a.at, "Ask a buffer.", "this is no buffer and has no length");
        return vyi_source_wrong(a.at);
    }
    const vyre_buffer buffer = { a.target };
    if (!s->mute)
        value = vyre_ir_length(s->p, buffer);
    return vyi_source_cast(s, VYRE_TYPE_I32, vyi_source_made(VYRE_TYPE_U32, value, a.at));
}

static vyi_operand vyi_expr_unexpected(vyi_source *s, const vyi_token *token)
{
    if (token->kind != VYI_TOKEN_BAD)
        vyi_source_fail(s, token->at, "Write a name, a number or a call.",
                        token->kind == VYI_TOKEN_END ? "the text ends where a value is expected"
                                                     : "\"%s\" is no value",
                        vyi_source_quote(s, token).text);
    return vyi_source_wrong(token->at);
}

/* uint(x) and its kin; the type has been taken. */
static vyi_operand vyi_expr_construct(vyi_source *s, const vyi_token *type)
{
    const uint32_t to = vyi_source_type_of(type->kind);
    if (!vyi_source_expect(s, '(', "after a type in an expression"))
        return vyi_source_wrong(type->at);
    vyi_operand a = vyi_source_assignment(s);
    a = vyi_source_load(s, a);
    if (!vyi_source_expect(s, ')', "after the value to convert") || a.wrong)
        return vyi_source_wrong(type->at);
    if (!a.type) {
        vyi_source_fail(s, a.at, "Convert a value.", "void cannot be converted");
        return vyi_source_wrong(type->at);
    }
    a = vyi_source_cast(s, to, a);
    a.at = type->at;
    return a;
}

static vyi_operand vyi_expr_parentheses(vyi_source *s)
{
    vyi_operand a = vyi_source_expression(s);
    a = vyi_source_load(s, a);
    return vyi_source_expect(s, ')', "after an expression") ? a : vyi_source_wrong(a.at);
}

static vyi_operand vyi_expr_number(vyi_source *s, const vyi_token *token)
{
    vyre_value value = { 0 };
    const uint64_t bits = (uint64_t)token->high << 32 | token->bits;
    if (!vyi_type_is_pair(token->type))
        return vyi_source_constant(token->type, token->bits, token->at);
    if (!s->mute)
        value = token->type == VYRE_TYPE_I64 ? vyre_ir_i64(s->p, (int64_t)bits)
                                             : vyre_ir_u64(s->p, bits);
    return vyi_source_made(token->type, value, token->at);
}

static vyi_operand vyi_expr_primary(vyi_source *s)
{
    const vyi_token token = s->r.token;
    switch (token.kind) {
    case VYI_TOKEN_NUMBER:
        vyi_source_next(s);
        return vyi_expr_number(s, &token);
    case VYI_TOKEN_TRUE: case VYI_TOKEN_FALSE:
        vyi_source_next(s);
        return vyi_source_constant(VYRE_TYPE_BOOL, token.kind == VYI_TOKEN_TRUE, token.at);
    case '(':
        vyi_source_next(s);
        return vyi_expr_parentheses(s);
    case VYI_TOKEN_UINT: case VYI_TOKEN_INT: case VYI_TOKEN_FLOAT: case VYI_TOKEN_BOOL:
    case VYI_TOKEN_UINT64: case VYI_TOKEN_INT64:
        vyi_source_next(s);
        return vyi_expr_construct(s, &token);
    case VYI_TOKEN_NAME:
        vyi_source_next(s);
        return vyi_source_accept(s, '(') ? vyi_source_call(s, &token)
                                         : vyi_source_named(s, &token);
    default: return vyi_expr_unexpected(s, &token);
    }
}

static vyi_operand vyi_expr_postfix(vyi_source *s)
{
    vyi_operand a = vyi_expr_primary(s);
    for (;;) {
        const uint32_t kind = s->r.token.kind;
        if (kind != '[' && kind != '.' && kind != VYI_TOKEN_INC && kind != VYI_TOKEN_DEC)
            return a;
        vyi_source_next(s);
        if (kind == '[')
            a = vyi_expr_index(s, a);
        else if (kind == '.')
            a = vyi_expr_length(s, a);
        else
            a = vyi_expr_step(s, a, kind, false);
    }
}

static vyi_operand vyi_expr_prefix(vyi_source *s)
{
    const vyi_token token = s->r.token;
    const uint32_t kind = token.kind;
    if (kind == VYI_TOKEN_INC || kind == VYI_TOKEN_DEC) {
        vyi_source_next(s);
        const vyi_operand a = vyi_expr_unary(s);
        return vyi_expr_step(s, a, kind, true);
    }
    if (kind == '+' || kind == '-' || kind == '!' || kind == '~') {
        vyi_source_next(s);
        return vyi_expr_sign(s, kind, token.at);
    }
    return vyi_expr_postfix(s);
}

static vyi_operand vyi_expr_unary(vyi_source *s)
{
    vyi_operand a = vyi_source_wrong(s->r.token.at);
    if (vyi_source_enter(s))
        a = vyi_expr_prefix(s);
    s->depth--;
    return a;
}

/* --- ?: and = ------------------------------------------------------------ */

/* The arms of ?:, from behind the question mark, as values of one type. */
static bool vyi_expr_arms(vyi_source *s, vyi_operand *a, vyi_operand *b)
{
    *a = vyi_source_expression(s);
    *a = vyi_source_load(s, *a);
    if (!vyi_source_expect(s, ':', "between the values of ?:"))
        return false;
    *b = vyi_source_assignment(s);
    *b = vyi_source_load(s, *b);
    return vyi_source_common(s, a, b, "?:");
}

/* Only one arm may run. */
static vyi_operand vyi_expr_choose(vyi_source *s, const vyi_operand *cond, uint32_t type)
{
    const vyre_local chosen = vyi_source_local(s, type, NULL, "chosen", 6);
    vyi_source_if(s, cond);
    for (unsigned arm = 0; arm < 2; arm++) {
        vyi_operand a = arm ? vyi_source_assignment(s) : vyi_source_expression(s);
        a = vyi_source_load(s, a);
        a = vyi_source_cast(s, type, a);
        if (!s->mute)
            vyre_ir_set(s->p, chosen, vyi_source_id(s, &a));
        if (arm == 0) {
            vyi_source_accept(s, ':');
            vyi_source_else(s);
        }
    }
    vyi_source_end(s);
    vyre_value value = { 0 };
    if (!s->mute)
        value = vyre_ir_get(s->p, chosen);
    return vyi_source_made(type, value, cond->at);
}

static vyi_operand vyi_expr_ternary(vyi_source *s, vyi_operand cond)
{
    vyi_source_reader from;
    vyi_operand a, b;
    cond = vyi_source_load(s, cond);
    if (!cond.wrong && cond.type != VYRE_TYPE_BOOL) {
        vyi_source_fail(s, cond.at, "Compare it with something, as in x != 0.",
                        "\"?:\" decides by bool, not %s", vyi_source_type_text(cond.type));
        cond = vyi_source_wrong(cond.at);
    }
    const bool rehearsing = vyi_source_rehearse(s, &from);
    const uint32_t heavy = s->heavy;
    bool good = vyi_expr_arms(s, &a, &b);
    if (vyi_source_heard(s, rehearsing, &from)) {
        if (s->heavy != heavy)
            return vyi_expr_choose(s, &cond, a.type);
        good = vyi_expr_arms(s, &a, &b);
    }
    return good ? vyi_source_select(s, cond, a, b) : vyi_source_wrong(cond.at);
}

static vyi_operand vyi_expr_assign(vyi_source *s, vyi_operand place)
{
    const uint32_t kind = s->r.token.kind, at = s->r.token.at;
    const vyi_operator_row *row = vyi_expr_row(kind, true);
    vyi_source_next(s);
    const bool may = vyi_source_assignable(s, &place);
    vyi_operand value = vyi_source_assignment(s);
    value = vyi_source_load(s, value);
    if (!may || value.wrong)
        return vyi_source_wrong(place.at);
    if (row) {
        vyi_operand old = vyi_source_load(s, place);
        old.at = at;
        value = vyi_expr_apply(s, row, old, value);
    }
    value = vyi_source_convert(s, place.type, value, "what is assigned to");
    if (value.wrong)
        return value;
    vyi_source_store(s, &place, value);
    value.place = VYI_PLACE_VALUE;
    return value;
}

static vyi_operand vyi_expr_assignment(vyi_source *s)
{
    vyi_operand a = vyi_expr_binary(s, 1);
    if (vyi_source_accept(s, '?'))
        a = vyi_expr_ternary(s, a);
    if (s->r.token.kind == '=' || vyi_expr_row(s->r.token.kind, true))
        a = vyi_expr_assign(s, a);
    return a;
}

VYI_API vyi_operand vyi_source_assignment(vyi_source *s)
{
    vyi_operand a = vyi_source_wrong(s->r.token.at);
    if (vyi_source_enter(s))
        a = vyi_expr_assignment(s);
    s->depth--;
    return a;
}

VYI_API vyi_operand vyi_source_expression(vyi_source *s)
{
    vyi_operand a = vyi_source_assignment(s);
    while (s->r.token.kind == ',') {
        vyi_source_load(s, a);
        vyi_source_next(s);
        a = vyi_source_assignment(s);
    }
    return a;
}

VYI_API vyi_operand vyi_source_condition(vyi_source *s, const char *what)
{
    vyi_operand a = vyi_source_expression(s);
    a = vyi_source_load(s, a);
    if (a.wrong || a.type == VYRE_TYPE_BOOL)
        return a;
    vyi_source_fail(s, a.at, "Compare it with something, as in x != 0.",
                    "\"%s\" decides by bool, not %s", what, vyi_source_type_text(a.type));
    return vyi_source_wrong(a.at);
}

VYI_API bool vyi_source_constant_int(vyi_source *s, const char *what, vyi_operand *out)
{
    const uint32_t at = s->r.token.at;
    *out = vyi_expr_binary(s, 1);
    *out = vyi_source_load(s, *out);
    if (out->wrong)
        return false;
    if (out->constant && (VYI_CLASS_I >> out->type & 1))
        return true;
    vyi_source_fail(s, at, "Use a number, or a const uint made of numbers.",
                    "%s is a constant of type uint or int", what);
    return false;
}

#endif /* VYRE_NO_SOURCE */

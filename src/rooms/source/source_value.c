/* ==========================================================================
 * source: types and values
 *
 * Constants are folded while they are read, and become instructions where one
 * is needed.  `heavy` counts what must not be done in vain: accesses to memory,
 * changes of variables, branches.
 * ======================================================================= */
#include "rooms/source/source_impl.h"

#ifndef VYRE_NO_SOURCE

VYI_API const char *vyi_source_type_text(uint32_t type)
{
    static const char *const texts[] = { "void", "uint", "int", "float", "bool", "uint64_t",
                                         "int64_t" };
    VYRE_ASSERT(type <= VYRE_TYPE_I64);
    return texts[type];
}

VYI_API vyi_operand vyi_source_made(uint32_t type, vyre_value value, uint32_t at)
{
    const vyi_operand a = { (uint8_t)type, VYI_PLACE_VALUE, false, false, at, 0, value.id };
    return a;
}

VYI_API vyi_operand vyi_source_unknown(uint32_t type, uint32_t at)
{
    const vyre_value none = { 0 };
    return vyi_source_made(type, none, at);
}

VYI_API vyi_operand vyi_source_wrong(uint32_t at)
{
    vyi_operand a = vyi_source_unknown(VYRE_TYPE_NONE, at);
    a.wrong = true;
    return a;
}

VYI_API vyi_operand vyi_source_constant(uint32_t type, uint32_t bits, uint32_t at)
{
    vyi_operand a = vyi_source_unknown(type, at);
    a.constant = true;
    a.word = bits;
    return a;
}

/* --- loads and stores ---------------------------------------------------- */

static bool vyi_source_may_access(vyi_source *s, const vyi_operand *a, vyre_access barred,
                                  const char *what)
{
    const vyi_buffer *b = vyi_buffer_of(s->p, a->target);
    if (b->access != (uint32_t)barred)
        return true;
    vyi_source_fail(s, a->at, "Change its vyre_buffer_desc.access.", "\"%.40s\" is %s", b->name,
                    what);
    return false;
}

static vyi_operand vyi_source_load_element(vyi_source *s, const vyi_operand *a)
{
    vyre_value value = { 0 };
    s->heavy++;
    if (!vyi_source_may_access(s, a, VYRE_ACCESS_WRITE, "for writing only"))
        return vyi_source_wrong(a->at);
    if (!s->mute) {
        const vyre_buffer buffer = { a->target };
        const vyre_value index = { a->word };
        value = vyre_ir_load(s->p, buffer, index);
    }
    return vyi_source_made(a->type, value, a->at);
}

VYI_API vyi_operand vyi_source_load(vyi_source *s, vyi_operand a)
{
    if (a.wrong || a.place == VYI_PLACE_VALUE)
        return a;
    if (a.place == VYI_PLACE_ELEMENT)
        return vyi_source_load_element(s, &a);
    if (a.place == VYI_PLACE_BUFFER) {
        vyi_source_fail(s, a.at, "Write [index] or .length() behind it.",
                        "the buffer \"%.40s\" as a whole is no value",
                        vyi_buffer_of(s->p, a.target)->name);
        return vyi_source_wrong(a.at);
    }
    vyre_value value = { 0 };
    if (!s->mute)
        value = vyre_ir_get(s->p, s->symbols[a.target].local);
    return vyi_source_made(a.type, value, a.at);
}

VYI_API vyre_value vyi_source_id(vyi_source *s, const vyi_operand *a)
{
    vyre_value value = { 0 };
    if (s->mute)
        return value;
    if (a->constant && vyi_type_is_pair(a->type)) /* the 0 that a variable begins with */
        return vyre_ir_cast(s->p, (vyre_type)a->type, vyre_ir_u32(s->p, a->word));
    if (a->constant)
        return vyi_ir_const(s->p, a->type, a->word);
    value.id = a->word;
    return value;
}

VYI_API bool vyi_source_assignable(vyi_source *s, const vyi_operand *to)
{
    if (to->wrong)
        return false;
    if (to->place == VYI_PLACE_ELEMENT)
        return vyi_source_may_access(s, to, VYRE_ACCESS_READ, "read only");
    if (to->place == VYI_PLACE_LOCAL)
        return true;
    if (to->place == VYI_PLACE_BUFFER)
        vyi_source_fail(s, to->at, "Write [index] behind it.", "a whole buffer cannot be assigned");
    else if (to->target)
        vyi_source_fail(s, to->at, "Declare it without const.", "\"%.*s\" is a constant",
                        (int)(s->symbols[to->target - 1].length & 31),
                        s->symbols[to->target - 1].name);
    else
        vyi_source_fail(s, to->at, "Assign to a variable or to an element of a buffer.",
                        "this cannot be assigned: it is a value");
    return false;
}

VYI_API void vyi_source_store(vyi_source *s, const vyi_operand *to, vyi_operand value)
{
    VYRE_ASSERT(to->place == VYI_PLACE_LOCAL || to->place == VYI_PLACE_ELEMENT);
    s->heavy++;
    if (s->mute)
        return;
    const vyre_value id = vyi_source_id(s, &value), index = { to->word };
    const vyre_buffer buffer = { to->target };
    if (to->place == VYI_PLACE_LOCAL)
        vyre_ir_set(s->p, s->symbols[to->target].local, id);
    else
        vyre_ir_store(s->p, buffer, index, id);
}

/* --- conversions --------------------------------------------------------- */

VYI_API bool vyi_source_converts(uint32_t from, uint32_t to)
{
    static const uint8_t sets[] = { /* of types that a type becomes */
        0, 1u << VYRE_TYPE_F32 | 1u << VYRE_TYPE_U64,
        1u << VYRE_TYPE_U32 | 1u << VYRE_TYPE_F32 | VYI_CLASS_PAIR, 0, 0, 0, 1u << VYRE_TYPE_U64
    };
    return from == to || (sets[from] >> to & 1);
}

VYI_API vyi_operand vyi_source_cast(vyi_source *s, uint32_t type, vyi_operand a)
{
    uint32_t bits;
    if (a.wrong || a.type == type)
        return a;
    if (a.constant && !vyi_type_is_pair(type) && vyi_eval_cast(type, a.type, a.word, &bits))
        return vyi_source_constant(type, bits, a.at);
    vyre_value value = vyi_source_id(s, &a);
    if (!s->mute)
        value = vyre_ir_cast(s->p, (vyre_type)type, value);
    return vyi_source_made(type, value, a.at);
}

VYI_API vyi_operand vyi_source_convert(vyi_source *s, uint32_t type, vyi_operand a,
                                       const char *what)
{
    char fix[64];
    if (a.wrong)
        return a;
    if (a.type != VYRE_TYPE_NONE && vyi_source_converts(a.type, type))
        return vyi_source_cast(s, type, a);
    snprintf(fix, sizeof fix, "Write %s(..) around it.", vyi_source_type_text(type));
    vyi_source_fail(s, a.at, a.type ? fix : "Use a function that returns something.",
                    "%s is %s, and %s does not become %s by itself", what,
                    vyi_source_type_text(type), vyi_source_type_text(a.type),
                    vyi_source_type_text(type));
    return vyi_source_wrong(a.at);
}

/* Of int, uint, float the later one. */
static uint32_t vyi_source_higher(uint32_t a, uint32_t b)
{
    return vyi_source_converts(a, b) ? b : a;
}

VYI_API bool vyi_source_common(vyi_source *s, vyi_operand *a, vyi_operand *b, const char *op)
{
    if (a->wrong || b->wrong)
        return false;
    const uint32_t type = vyi_source_higher(a->type, b->type);
    if (!a->type || !b->type || !vyi_source_converts(a->type, type) ||
        !vyi_source_converts(b->type, type)) {
        vyi_source_fail(s, b->at, "Convert one of them: uint(..), int(..), float(..), bool(..).",
                        "\"%s\" does not take %s and %s", op, vyi_source_type_text(a->type),
                        vyi_source_type_text(b->type));
        return false;
    }
    *a = vyi_source_cast(s, type, *a);
    *b = vyi_source_cast(s, type, *b);
    return true;
}

/* --- operators ----------------------------------------------------------- */

VYI_API vyi_operand vyi_source_op2(vyi_source *s, uint32_t sub, vyi_operand a, vyi_operand b)
{
    const uint32_t type = vyi_operator_gives(vyi_binary_describe(sub), a.type);
    uint32_t bits;
    if (a.wrong || b.wrong)
        return vyi_source_wrong(a.at);
    if (a.constant && b.constant && vyi_eval_binary(sub, a.type, a.word, b.word, &bits))
        return vyi_source_constant(type, bits, a.at);
    const vyre_value left = vyi_source_id(s, &a);
    vyre_value value = vyi_source_id(s, &b);
    if (!s->mute)
        value = vyi_ir_binary(s->p, sub, left, value);
    return vyi_source_made(type, value, a.at);
}

VYI_API vyi_operand vyi_source_op1(vyi_source *s, uint32_t sub, vyi_operand a)
{
    const uint32_t type = vyi_operator_gives(vyi_unary_describe(sub), a.type);
    uint32_t bits;
    if (a.wrong)
        return a;
    if (a.constant && vyi_eval_unary(sub, a.type, a.word, &bits))
        return vyi_source_constant(type, bits, a.at);
    vyre_value value = vyi_source_id(s, &a);
    if (!s->mute)
        value = vyi_ir_unary(s->p, sub, value);
    return vyi_source_made(type, value, a.at);
}

VYI_API vyi_operand vyi_source_select(vyi_source *s, vyi_operand cond, vyi_operand a,
                                      vyi_operand b)
{
    if (cond.wrong || a.wrong || b.wrong)
        return vyi_source_wrong(a.at);
    if (cond.constant)
        return cond.word ? a : b;
    const vyre_value decides = { cond.word }, yes = vyi_source_id(s, &a);
    vyre_value value = vyi_source_id(s, &b);
    if (!s->mute)
        value = vyre_ir_select(s->p, decides, yes, value);
    return vyi_source_made(a.type, value, a.at);
}

/* --- variables and branches ---------------------------------------------- */

VYI_API vyre_local vyi_source_local(vyi_source *s, uint32_t type, const vyi_operand *first,
                                    const char *name, uint32_t length)
{
    char copy[VYRE_MAX_NAME + 1];
    vyre_local local = { 0 };
    if (s->mute)
        return local;
    if (length > VYRE_MAX_NAME)
        length = VYRE_MAX_NAME;
    memcpy(copy, name, length);
    copy[length] = '\0';
    const vyi_operand zero = vyi_source_constant(type, 0, 0);
    const vyre_value value = vyi_source_id(s, first ? first : &zero);
    return vyre_ir_local(s->p, (vyre_type)type, value, copy);
}

VYI_API vyre_local vyi_source_flag(vyi_source *s, bool first, const char *name)
{
    const vyi_operand value = vyi_source_constant(VYRE_TYPE_BOOL, first ? 1 : 0, 0);
    return vyi_source_local(s, VYRE_TYPE_BOOL, &value, name, (uint32_t)strlen(name));
}

VYI_API void vyi_source_set_flag(vyi_source *s, vyre_local flag)
{
    if (!s->mute)
        vyre_ir_set(s->p, flag, vyre_ir_bool(s->p, true));
}

VYI_API void vyi_source_if(vyi_source *s, const vyi_operand *cond)
{
    s->heavy++;
    if (s->mute)
        return;
    vyre_ir_if(s->p, vyi_source_id(s, cond));
}

VYI_API void vyi_source_if_not(vyi_source *s, vyi_operand cond)
{
    const vyi_operand opposite = vyi_source_op1(s, VYI_UNARY_NOT, cond);
    vyi_source_if(s, &opposite);
}

VYI_API void vyi_source_else(vyi_source *s)
{
    if (!s->mute)
        vyre_ir_else(s->p);
}

VYI_API void vyi_source_end(vyi_source *s)
{
    if (!s->mute)
        vyre_ir_end(s->p);
}

#endif /* VYRE_NO_SOURCE */

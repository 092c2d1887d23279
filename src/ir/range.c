/* ==========================================================================
 * range: what the conditions around a place say about values
 *
 * Private.  Whoever walks a program tells what holds as it goes, and puts the
 * count of facts back where that ends; in between it may ask what numbers a
 * value can be, and whether an index certainly lies inside its buffer.
 * ======================================================================= */
#include "ir/range_impl.h"

VYI_API void vyi_range_add(vyi_range *r, uint32_t low, uint32_t high, bool strict)
{
    void *facts = r->facts;
    if (!vyi_grow(&r->p->allocator, &facts, &r->capacity, r->count + 1, sizeof *r->facts)) {
        r->failed = true;
        return;
    }
    r->facts = (vyi_fact *)facts;
    r->facts[r->count].low = low;
    r->facts[r->count].high = high;
    r->facts[r->count++].strict = strict;
}

/* The four comparisons as "low < high" or "low <= high". */
static void vyi_range_compare_fact(vyi_range *r, const vyi_inst *inst, bool truth)
{
    const bool less = inst->sub == VYI_BINARY_LT || inst->sub == VYI_BINARY_LE;
    const bool strict = inst->sub == VYI_BINARY_LT || inst->sub == VYI_BINARY_GT;
    const uint32_t low = less ? inst->arg[0] : inst->arg[1];
    const uint32_t high = less ? inst->arg[1] : inst->arg[0];
    if (inst->sub < VYI_BINARY_LT || inst->sub > VYI_BINARY_GE ||
        vyi_definition(r->p, low)->type != VYRE_TYPE_U32)
        return;
    if (truth)
        vyi_range_add(r, low, high, strict);
    else
        vyi_range_add(r, high, low, !strict);
}

/* A condition that is known, still to be looked into. */
typedef struct vyi_range_known {
    uint32_t cond;
    bool     truth;
} vyi_range_known;

/* `select(c, x, y) == literal` tells c when one of x and y is another literal. */
static bool vyi_range_select_tells(const vyi_range *r, const vyi_inst *inst, vyi_range_known *out)
{
    const vyi_inst *select = vyi_definition(r->p, inst->arg[0]);
    uint32_t wanted = 0, bits = 0;
    if (inst->sub != VYI_BINARY_EQ || select->op != VYI_OP_SELECT ||
        select->type == VYRE_TYPE_F32 || !vyi_literal(r->p, inst->arg[1], &wanted))
        return false;
    out->cond = select->arg[0];
    out->truth = vyi_literal(r->p, select->arg[2], &bits) && bits != wanted;
    return out->truth || (vyi_literal(r->p, select->arg[1], &bits) && bits != wanted);
}

/* Adds what `known` says directly to `out`, and returns how many of its parts
 * remain to be looked into: both sides of a conjunction, or of a disjunction
 * that is false. */
static uint32_t vyi_range_parts(vyi_range *r, vyi_range_known known, vyi_range_known out[2])
{
    const vyi_inst *inst = vyi_definition(r->p, known.cond);
    if (inst->op == VYI_OP_UNARY && inst->sub == VYI_UNARY_NOT) {
        out[0].cond = inst->arg[0];
        out[0].truth = !known.truth;
        return 1;
    }
    if (inst->op != VYI_OP_BINARY)
        return 0;
    if (inst->type == VYRE_TYPE_BOOL &&
        inst->sub == (known.truth ? VYI_BINARY_AND : VYI_BINARY_OR)) {
        for (uint32_t i = 0; i < 2; i++) {
            out[i].cond = inst->arg[i];
            out[i].truth = known.truth;
        }
        return 2;
    }
    vyi_range_compare_fact(r, inst, known.truth);
    return known.truth && vyi_range_select_tells(r, inst, &out[0]) ? 1 : 0;
}

VYI_API void vyi_range_learn(vyi_range *r, uint32_t cond, bool truth)
{
    vyi_range_known pending[VYI_RANGE_DEPTH * 2];
    uint32_t count = 1;
    pending[0].cond = cond;
    pending[0].truth = truth;
    while (count && count < VYI_RANGE_DEPTH * 2) {
        const vyi_range_known known = pending[--count];
        count += vyi_range_parts(r, known, pending + count);
    }
}

static uint32_t vyi_range_oldest(const vyi_range *r)
{
    return r->count > VYI_RANGE_FACTS ? r->count - VYI_RANGE_FACTS : 0;
}

static bool vyi_range_is_length(const vyi_range *r, uint32_t value, uint32_t buffer)
{
    const vyi_inst *inst = vyi_definition(r->p, value);
    return inst->op == VYI_OP_LENGTH && inst->arg[0] == buffer;
}

/* Elements that the buffer has for certain. */
static uint32_t vyi_range_known_length(const vyi_range *r, uint32_t buffer)
{
    const vyi_buffer *b = vyi_buffer_of(r->p, buffer);
    uint32_t known = b->access == VYRE_ACCESS_WORKGROUP ? b->count : 0;
    for (uint32_t i = vyi_range_oldest(r); i < r->count; i++) {
        const vyi_fact *fact = &r->facts[i];
        uint32_t bits;
        if (!vyi_range_is_length(r, fact->high, buffer) || !vyi_literal(r->p, fact->low, &bits))
            continue;
        if (fact->strict && bits < 0xffffffffu)
            bits++;
        known = bits > known ? bits : known;
    }
    return known;
}

static uint32_t vyi_range_min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* The largest result that an operator can have, from those of its operands. */
static uint32_t vyi_range_binary_limit(const vyi_range *r, const vyi_inst *inst, uint32_t depth)
{
    const uint64_t a = vyi_range_limit(r, inst->arg[0], depth);
    const uint64_t b = vyi_range_limit(r, inst->arg[1], depth);
    uint32_t literal = 0;
    const bool fixed = vyi_literal(r->p, inst->arg[1], &literal);
    uint64_t most = 0xffffffffu;
    switch (inst->sub) {
    case VYI_BINARY_AND: case VYI_BINARY_MIN: most = a < b ? a : b; break;
    case VYI_BINARY_MAX: most = a > b ? a : b; break;
    case VYI_BINARY_ADD: most = a + b; break;
    case VYI_BINARY_MUL: most = a * b; break;
    case VYI_BINARY_SHL: most = fixed ? a << (literal & 31u) : most; break;
    case VYI_BINARY_SHR: most = fixed ? a >> (literal & 31u) : a; break;
    case VYI_BINARY_DIV: most = fixed && literal ? a / literal : most; break;
    case VYI_BINARY_REM: most = fixed && literal && literal - 1 < a ? literal - 1 : a; break;
    default: break;
    }
    return most > 0xffffffffu ? 0xffffffffu : (uint32_t)most;
}

VYI_API uint32_t vyi_range_limit(const vyi_range *r, uint32_t value, uint32_t depth)
{
    const vyi_inst *inst = vyi_definition(r->p, value);
    uint32_t most = 0xffffffffu, bits;
    if (inst->type != VYRE_TYPE_U32)
        return most;
    if (inst->op == VYI_OP_CONST)
        return inst->arg[0];
    if (depth && inst->op == VYI_OP_BINARY)
        most = vyi_range_binary_limit(r, inst, depth - 1);
    else if (depth && inst->op == VYI_OP_CAST &&
             vyi_definition(r->p, inst->arg[0])->type == VYRE_TYPE_BOOL)
        most = 1;
    else if (depth && inst->op == VYI_OP_UNARY && inst->sub == VYI_UNARY_UNIFORM)
        most = vyi_range_limit(r, inst->arg[0], depth - 1);
    for (uint32_t i = vyi_range_oldest(r); i < r->count; i++)
        if (r->facts[i].low == value && vyi_literal(r->p, r->facts[i].high, &bits))
            most = vyi_range_min_u32(most, bits - (r->facts[i].strict && bits ? 1u : 0u));
    return most;
}

/* Whether `value` is *unit moved by a literal *shift: by operator `move`, or by
 * `scale` and a power of two. */
static bool vyi_range_moved(const vyi_range *r, uint32_t value, uint32_t move, uint32_t scale,
                          uint32_t *unit, uint32_t *shift)
{
    const vyi_inst *inst = vyi_definition(r->p, value);
    uint32_t bits;
    *unit = value;
    *shift = 0;
    if (inst->op != VYI_OP_BINARY || inst->type != VYRE_TYPE_U32 ||
        !vyi_literal(r->p, inst->arg[1], &bits) ||
        (inst->sub != move && (inst->sub != scale || !bits || (bits & (bits - 1)))))
        return false;
    *unit = inst->arg[0];
    *shift = bits & 31u;
    if (inst->sub == scale)
        for (*shift = 0; (bits >>= 1) != 0; ++*shift) {}
    return true;
}

/* How often `value` fits into the buffer, as a shift: the buffer's length is
 * at least value << *shift.  That is so for the length, for length >> n and
 * for length / 2^n. */
static bool vyi_range_length_part(const vyi_range *r, uint32_t value, uint32_t buffer,
                                  uint32_t *shift)
{
    uint32_t unit;
    vyi_range_moved(r, value, VYI_BINARY_SHR, VYI_BINARY_DIV, &unit, shift);
    return vyi_range_is_length(r, unit, buffer);
}

/* Whether `unit` << shift, plus anything below 1 << shift, lies inside: it
 * does when unit < length >> shift. */
static bool vyi_range_unit_inside(const vyi_range *r, uint32_t buffer, uint32_t unit,
                                  uint32_t shift)
{
    uint32_t part;
    for (uint32_t i = vyi_range_oldest(r); i < r->count; i++)
        if (r->facts[i].strict && r->facts[i].low == unit &&
            vyi_range_length_part(r, r->facts[i].high, buffer, &part) && part >= shift)
            return true;
    return false;
}

/* Whether value is max(length, base) - base: what lies behind a header. */
static bool vyi_range_length_behind(const vyi_range *r, uint32_t value, uint32_t buffer,
                                    uint32_t base)
{
    const vyi_inst *sub = vyi_definition(r->p, value);
    uint32_t bits;
    if (sub->op != VYI_OP_BINARY || sub->sub != VYI_BINARY_SUB ||
        !vyi_literal(r->p, sub->arg[1], &bits) || bits != base)
        return false;
    const vyi_inst *max = vyi_definition(r->p, sub->arg[0]);
    return max->op == VYI_OP_BINARY && max->sub == VYI_BINARY_MAX &&
           vyi_range_is_length(r, max->arg[0], buffer) && max->type == VYRE_TYPE_U32 &&
           vyi_literal(r->p, max->arg[1], &bits) && bits == base;
}

/* Whether `index` is x + base with x < max(length, base) - base. */
static bool vyi_range_behind_header(const vyi_range *r, uint32_t buffer, uint32_t index)
{
    const vyi_inst *inst = vyi_definition(r->p, index);
    uint32_t base;
    if (inst->op != VYI_OP_BINARY || inst->sub != VYI_BINARY_ADD ||
        !vyi_literal(r->p, inst->arg[1], &base))
        return false;
    for (uint32_t i = vyi_range_oldest(r); i < r->count; i++)
        if (r->facts[i].strict && r->facts[i].low == inst->arg[0] &&
            vyi_range_length_behind(r, r->facts[i].high, buffer, base))
            return true;
    return false;
}

/* Whether `index` is certainly below the buffer's length.  It is when its
 * largest value is below the length that is known, or when it is a sum of one
 * scaled term, unit << shift with unit < length >> shift, and small ones. */
VYI_API bool vyi_range_inside(const vyi_range *r, uint32_t buffer, uint32_t index)
{
    uint64_t rest = 0;
    uint32_t unit, shift, value = index;
    if (vyi_range_limit(r, index, VYI_RANGE_DEPTH) < vyi_range_known_length(r, buffer) ||
        vyi_range_behind_header(r, buffer, index))
        return true;
    for (uint32_t depth = 0; depth < VYI_RANGE_DEPTH; depth++) {
        const vyi_inst *inst = vyi_definition(r->p, value);
        vyi_range_moved(r, value, VYI_BINARY_SHL, VYI_BINARY_MUL, &unit, &shift);
        if (rest < (1ull << shift) && vyi_range_unit_inside(r, buffer, unit, shift))
            return true;
        if (inst->op != VYI_OP_BINARY || inst->type != VYRE_TYPE_U32 ||
            inst->sub != VYI_BINARY_ADD)
            return false;
        const uint32_t left = vyi_range_limit(r, inst->arg[0], 2);
        const uint32_t right = vyi_range_limit(r, inst->arg[1], 2);
        rest += left < right ? left : right;
        value = left < right ? inst->arg[1] : inst->arg[0];
    }
    return false;
}

VYI_API void vyi_range_free(vyi_range *r)
{
    vyi_free(&r->p->allocator, r->facts, r->capacity * sizeof *r->facts);
}

/* ==========================================================================
 * interleave: a guest's code for several indexes at once
 *
 * Private.  A lane that loads, computes and stores for one index, then for the next,
 * waits for the memory once for each.  The indexes of a range have no order, so their
 * loads may come first, all together, and memory is waited for once for all.
 *
 *     one by one        for four indexes at once
 *     load x[i]         load x[i0]  load x[i1]  load x[i2]  load x[i3]
 *     store y[i]        store y[i0]  store y[i1]  store y[i2]  store y[i3]
 *
 * This is for code without branches and locals of its own.  Its lead is what comes
 * before the first instruction that somebody else could see, or that depends on the
 * order; only the lead is interleaved.
 * ======================================================================= */
#include "ir/ir_impl.h"

VYI_API vyi_ir_place vyi_ir_here(const vyre_program *p)
{
    vyi_ir_place place;
    place.count = p->count;
    place.depth = p->depth;
    place.guests = p->guest_count;
    return place;
}

VYI_API void vyi_ir_take_back(vyre_program *p, vyi_ir_place place)
{
    VYRE_ASSERT(p->count >= place.count && p->depth == place.depth && !p->guest.open);
    p->count = place.count;
    p->guest_count = place.guests;
    while (p->name_count > 0 && p->names[p->name_count - 1].value > p->count)
        p->name_count--;
}

static bool vyi_straight_leads(const vyi_inst *inst)
{
    const vyi_op_info *info = vyi_op_describe(inst->op);
    return (info->flags & VYI_OP_PURE) || inst->op == VYI_OP_BUILTIN || inst->op == VYI_OP_LOAD;
}

static bool vyi_straight_allows(const vyi_inst *inst)
{
    const vyi_op_info *info = vyi_op_describe(inst->op);
    return vyi_straight_leads(inst) || (info->flags & VYI_OP_MEMORY) || inst->op == VYI_OP_GET ||
           inst->op == VYI_OP_SET;
}

VYI_API bool vyi_guest_straight(const vyre_program *p, vyre_value index, vyi_straight *out)
{
    if (p->error.status != VYRE_OK)
        return false;
    const vyi_guest *g = &p->guests[p->guest_count - 1];
    const uint32_t count = g->end - g->first;
    if (count > VYI_STRAIGHT_MOST)
        return false;
    bool loads = false, leads = true;
    out->first = g->first;
    out->count = count;
    out->lead = 0;
    out->index = index.id;
    for (uint32_t i = 0; i < count; i++) {
        const vyi_inst *inst = &p->insts[g->first + i];
        if (!vyi_straight_allows(inst))
            return false;
        out->insts[i] = *inst;
        leads = leads && vyi_straight_leads(inst);
        out->lead += leads;
        loads = loads || (leads && inst->op == VYI_OP_LOAD);
    }
    return loads;
}

/* The value that takes the place of `id` in this copy. */
static uint32_t vyi_straight_value(const vyi_straight *s, uint32_t copy, uint32_t id)
{
    if (id == s->index)
        return s->indexes[copy].id;
    return id > s->first && id <= s->first + s->count ? s->ids[copy][id - 1 - s->first] : id;
}

static void vyi_straight_copy(vyre_program *p, vyi_straight *s, uint32_t copy, uint32_t i)
{
    vyi_inst inst = s->insts[i];
    const uint8_t values = vyi_op_describe(inst.op)->values;
    for (unsigned a = 0; a < 4; a++) {
        if (values >> a & 1)
            inst.arg[a] = vyi_straight_value(s, copy, inst.arg[a]);
    }
    s->ids[copy][i] = vyi_ir_append(p, inst);
}

VYI_API void vyi_straight_lead(vyre_program *p, vyi_straight *s, const vyre_value *indexes)
{
    memcpy(s->indexes, indexes, sizeof s->indexes);
    for (uint32_t i = 0; i < s->lead; i++) {
        for (uint32_t copy = 0; copy < VYI_STRAIGHT_COPIES; copy++)
            vyi_straight_copy(p, s, copy, i);
    }
}

VYI_API void vyi_straight_rest(vyre_program *p, vyi_straight *s, uint32_t copy)
{
    VYRE_ASSERT(copy < VYI_STRAIGHT_COPIES);
    for (uint32_t i = s->lead; i < s->count; i++)
        vyi_straight_copy(p, s, copy, i);
}

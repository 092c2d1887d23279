/* ==========================================================================
 * spirv: blocks, locals and loops
 *
 * Private.  Structured control flow, and the phis that carry locals across it.
 * ======================================================================= */
#include "emit/spirv_impl.h"

/* --- locals -------------------------------------------------------------- */

static uint32_t vyi_spv_local_type(const vyi_spv *e, uint32_t local)
{
    VYRE_ASSERT(local && local <= e->cost);
    if (local == e->cut)
        return VYRE_TYPE_BOOL;
    return local > e->p->local_count ? (uint32_t)VYRE_TYPE_U32 : e->p->locals[local - 1].type;
}

static void vyi_spv_name_local(vyi_spv *e, uint32_t id, uint32_t local)
{
    if (local <= e->p->local_count)
        vyi_spv_name(e, id, e->p->locals[local - 1].name);
}

/* Local i of those that the block may set. */
static uint32_t vyi_spv_touched(const vyi_spv *e, const vyi_spv_frame *f, uint32_t i)
{
    VYRE_ASSERT(i < f->touched_count && f->touched + i < e->stack.count);
    return e->stack.at[f->touched + i];
}

/* Whether anything reads the local after instruction `at`, or in the next
 * iteration of one of the `depth` outermost open blocks, if that is a loop in
 * which the local lives on. */
static bool vyi_spv_live(const vyi_spv *e, uint32_t local, uint32_t at, uint32_t depth)
{
    const uint32_t last = e->last_get[local];
    const bool own = local <= e->p->local_count;
    if (last > at)
        return true;
    for (uint32_t i = 0; i < depth; i++) {
        const uint32_t opener = e->frames[i].opener;
        if (e->frames[i].next && last >= opener &&
            (!own || e->p->locals[local - 1].declared < opener))
            return true;
    }
    return false;
}

static void vyi_spv_touch(vyi_spv *e, vyi_spv_frame *f, uint32_t local)
{
    if (e->marks[local] == e->mark)
        return;
    e->marks[local] = e->mark;
    if (local <= e->p->local_count && e->p->locals[local - 1].declared > f->opener)
        return;
    if (!vyi_spv_live(e, local, f->opener, e->depth - 1))
        return;
    uint32_t *word = vyi_spv_room(e, &e->stack, 1);
    if (word) {
        *word = local;
        f->touched_count++;
    }
}

/* Lists the locals that the block may set and that matter in it or after it. */
static void vyi_spv_touch_all(vyi_spv *e, vyi_spv_frame *f)
{
    f->touched = e->stack.count;
    e->mark++;
    for (uint32_t i = f->opener; i < f->end; i++) {
        const vyi_inst *inst = &e->p->insts[i];
        if (inst->op == VYI_OP_SET)
            vyi_spv_touch(e, f, inst->arg[0]);
        if (!e->desc.loop_limit)
            continue;
        if (inst->op == VYI_OP_LOOP || inst->op == VYI_OP_FOREVER) {
            vyi_spv_touch(e, f, e->spent);
            vyi_spv_touch(e, f, e->cut);
            if (e->desc.unfenced && !e->trips)
                vyi_spv_touch(e, f, e->cost);
        } else if (inst->op == VYI_OP_LOOP_ALLOW) {
            vyi_spv_touch(e, f, e->allowed);
            vyi_spv_touch(e, f, e->cut);
        }
    }
}

/* Records a branch from the current block: its label and the locals' values.
 * Edges form a list: link, label, values. */
static void vyi_spv_edge(vyi_spv *e, const vyi_spv_frame *f, uint32_t *list)
{
    VYRE_ASSERT(e->block && !e->left);
    const uint32_t at = e->edges.count;
    uint32_t *words = vyi_spv_room(e, &e->edges, 2 + f->touched_count);
    if (!words)
        return;
    words[0] = *list;
    words[1] = e->block;
    for (uint32_t i = 0; i < f->touched_count; i++)
        words[2 + i] = e->current[vyi_spv_touched(e, f, i)];
    *list = at + 1;
}

/* Value i of the edges: the one that they all carry, or a phi. */
static uint32_t vyi_spv_join_one(vyi_spv *e, uint32_t list, uint32_t i, uint32_t type)
{
    const uint32_t first = e->edges.at[list - 1 + 2 + i];
    uint32_t edges = 0;
    bool same = true;
    for (uint32_t at = list; at; at = e->edges.at[at - 1], edges++)
        same = same && e->edges.at[at - 1 + 2 + i] == first;
    if (same)
        return first;
    if (edges > VYI_SPV_MAX_EDGES) {
        vyi_spv_exceed(e, edges, VYI_SPV_MAX_EDGES, "ways to the end of a block that sets a local");
        return first;
    }
    const uint32_t id = vyi_spv_id(e);
    const uint32_t phi = vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpPhi, 2, vyi_spv_type(e, type), id);
    for (uint32_t at = list; at; at = e->edges.at[at - 1])
        vyi_spv_extend(e, VYI_SPV_BODY, phi, 2, e->edges.at[at - 1 + 2 + i],
                       e->edges.at[at - 1 + 1]);
    return id;
}

/* The locals' values where the edges meet, in the block that has just begun:
 * of those that matter after the block, or in the next iteration of one of the
 * `depth` outermost ones. */
static void vyi_spv_join(vyi_spv *e, const vyi_spv_frame *f, uint32_t list, uint32_t depth)
{
    for (uint32_t i = 0; i < f->touched_count && !e->failed; i++) {
        const uint32_t local = vyi_spv_touched(e, f, i);
        const uint32_t before = e->next_id;
        if (!vyi_spv_live(e, local, f->end, depth))
            continue;
        e->current[local] = vyi_spv_join_one(e, list, i, vyi_spv_local_type(e, local));
        if (e->current[local] >= before)
            vyi_spv_name_local(e, e->current[local], local);
    }
}

/* --- blocks -------------------------------------------------------------- */

static vyi_spv_frame *vyi_spv_push(vyi_spv *e, uint32_t opener, bool loop)
{
    vyi_spv_frame *f = &e->frames[e->depth];
    VYRE_ASSERT(e->depth < VYRE_MAX_NESTING);
    memset(f, 0, sizeof *f);
    f->opener = opener;
    f->merge = vyi_spv_id(e);
    f->next = loop ? vyi_spv_id(e) : 0;
    f->values = e->values.count;
    f->facts = e->range.count;
    e->depth++;
    f->end = vyi_block_end(e->p, opener);
    vyi_spv_touch_all(e, f);
    return f;
}

/* Back to what was known when the block opened. */
static void vyi_spv_unlearn(vyi_spv *e, const vyi_spv_frame *f)
{
    VYRE_ASSERT(f->facts <= e->range.count || e->range.failed);
    vyi_spv_forget(&e->values, f->values);
    e->range.count = f->facts;
}

/* Ends the current arm, if it has not ended itself. */
static void vyi_spv_leave_arm(vyi_spv *e, vyi_spv_frame *f)
{
    if (!e->left) {
        vyi_spv_edge(e, f, &f->merge_edges);
        vyi_spv_branch(e, f->merge);
    }
    vyi_spv_unlearn(e, f);
}

/* The block's end: what comes next is reached by its edges, or not at all. */
static void vyi_spv_close(vyi_spv *e, vyi_spv_frame *f)
{
    VYRE_ASSERT(e->depth > 0 && f == &e->frames[e->depth - 1]);
    vyi_spv_label(e, f->merge);
    if (f->merge_edges) {
        vyi_spv_join(e, f, f->merge_edges, e->depth - 1);
    } else {
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpUnreachable, 0);
        e->left = true;
    }
    e->stack.count = f->touched;
    e->depth--;
}

/* The locals' values at the opener, kept behind the list of them, for the
 * arms to start from. */
static void vyi_spv_save(vyi_spv *e, const vyi_spv_frame *f)
{
    uint32_t *words = vyi_spv_room(e, &e->stack, f->touched_count);
    for (uint32_t i = 0; words && i < f->touched_count; i++)
        words[i] = e->current[vyi_spv_touched(e, f, i)];
}

static void vyi_spv_restore(vyi_spv *e, const vyi_spv_frame *f)
{
    const uint32_t saved = f->touched + f->touched_count;
    for (uint32_t i = 0; i < f->touched_count && !e->failed; i++)
        e->current[vyi_spv_touched(e, f, i)] = e->stack.at[saved + i];
}

/* The opposite of a comparison that is also used as a value, for an if to
 * branch by; else 0.  NVIDIA's compiler (seen in driver 580) can store a wrong
 * ~x where x is 0, when one x != 0 decides the branch and is selected by. */
static uint32_t vyi_spv_opposite(vyi_spv *e, uint32_t cond)
{
    vyi_inst inst = *vyi_definition(e->p, cond);
    const bool compares = inst.op == VYI_OP_BINARY && vyi_opposite(inst.sub) != VYI_BINARY_COUNT;
    if (!(e->needed[cond - 1] & VYI_SPV_KEPT) || !(compares || inst.op == VYI_OP_CAST))
        return 0;
    const uint32_t type = vyi_definition(e->p, inst.arg[0])->type;
    if (type == VYRE_TYPE_F32 || (type == VYRE_TYPE_BOOL && !compares))
        return 0;
    if (!compares)
        return vyi_spv_is_zero(e, type, vyi_spv_value(e, inst.arg[0]));
    inst.sub = (uint8_t)vyi_opposite(inst.sub);
    return vyi_spv_binary_inst(e, &inst);
}

VYI_OUTLINE
static void vyi_spv_if(vyi_spv *e, uint32_t index)
{
    const vyi_inst *inst = &e->p->insts[index];
    const uint32_t cond = vyi_spv_value(e, inst->arg[0]);
    const uint32_t opposite = vyi_spv_opposite(e, inst->arg[0]);
    vyi_spv_frame *f = vyi_spv_push(e, index, false);
    const uint32_t then_label = vyi_spv_id(e);
    f->has_else = e->p->insts[inst->link].op == VYI_OP_ELSE;
    f->arm = f->has_else ? vyi_spv_id(e) : f->merge;
    vyi_spv_save(e, f);
    if (!f->has_else)
        vyi_spv_edge(e, f, &f->merge_edges);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpSelectionMerge, 2, f->merge, 0u);
    if (opposite)
        vyi_spv_branch_if(e, opposite, f->arm, then_label);
    else
        vyi_spv_branch_if(e, cond, then_label, f->arm);
    vyi_spv_label(e, then_label);
    vyi_range_learn(&e->range, inst->arg[0], true);
}

static void vyi_spv_else(vyi_spv *e, vyi_spv_frame *f)
{
    f->then_left = e->left;
    vyi_spv_leave_arm(e, f);
    vyi_spv_restore(e, f);
    vyi_spv_label(e, f->arm);
    vyi_range_learn(&e->range, e->p->insts[f->opener].arg[0], false);
}

/* After an if of which one arm never arrives here, the other one's condition
 * holds. */
VYI_OUTLINE
static void vyi_spv_end_if(vyi_spv *e, vyi_spv_frame *f)
{
    const uint32_t cond = e->p->insts[f->opener].arg[0];
    const bool else_left = f->has_else && e->left;
    const bool then_left = f->has_else ? f->then_left : e->left;
    vyi_spv_leave_arm(e, f);
    vyi_spv_close(e, f);
    if (then_left != else_left)
        vyi_range_learn(&e->range, cond, else_left);
}

static uint32_t vyi_spv_case_count(const vyre_program *p, uint32_t index)
{
    uint32_t count = 0;
    for (uint32_t i = p->insts[index].link; p->insts[i].op != VYI_OP_END; i = p->insts[i].link)
        count += p->insts[i].op == VYI_OP_CASE;
    return count;
}

VYI_OUTLINE
static void vyi_spv_switch(vyi_spv *e, uint32_t index)
{
    const vyre_program *p = e->p;
    const uint32_t cases = vyi_spv_case_count(p, index);
    if (cases > VYI_SPV_MAX_CASES) {
        vyi_spv_exceed(e, cases, VYI_SPV_MAX_CASES, "cases of a switch");
        return;
    }
    const uint32_t selector = vyi_spv_value(e, p->insts[index].arg[0]);
    vyi_spv_frame *f = vyi_spv_push(e, index, false);
    bool has_default = false;
    vyi_spv_save(e, f);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpSelectionMerge, 2, f->merge, 0u);
    const uint32_t at = vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpSwitch, 2, selector, f->merge);
    f->arm = e->next_id;
    for (uint32_t i = p->insts[index].link; p->insts[i].op != VYI_OP_END; i = p->insts[i].link) {
        const uint32_t arm = vyi_spv_id(e);
        if (p->insts[i].op == VYI_OP_CASE) {
            vyi_spv_extend(e, VYI_SPV_BODY, at, 2, p->insts[i].arg[0], arm);
        } else if (!e->failed) {
            e->section[VYI_SPV_BODY].at[at + 2] = arm;
            has_default = true;
        }
    }
    if (!has_default)
        vyi_spv_edge(e, f, &f->merge_edges);
    e->left = true;
}

static void vyi_spv_case(vyi_spv *e, vyi_spv_frame *f)
{
    vyi_spv_leave_arm(e, f);
    vyi_spv_restore(e, f);
    vyi_spv_label(e, f->arm++);
}

/* --- loops --------------------------------------------------------------- */

/* A local's value as the phi of a loop header carries it: bools as words.  The
 * SPIR-V front end of NVIDIA's driver 580 reads through a null pointer at many
 * a bool phi there, most when the next iteration's value comes from outside. */
static uint32_t vyi_spv_carried(vyi_spv *e, uint32_t local)
{
    return vyi_spv_to_memory(e, vyi_spv_local_type(e, local), e->current[local]);
}

/* A phi of a loop header; its third value is filled in when the loop ends. */
static uint32_t vyi_spv_header_phi(vyi_spv *e, const vyi_spv_frame *f, uint32_t before,
                                   uint32_t type, uint32_t initial)
{
    const uint32_t id = vyi_spv_id(e);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpPhi, 6, vyi_spv_type(e, vyi_spv_memory_type(type)), id,
                initial, before, 0u, f->next);
    return id;
}

/* How often a counted loop runs.  Its phi counts up to that from 0, whatever
 * the loop counts from: NVIDIA's compiler (seen in driver 580) leaves out the
 * last iteration of some loops from ~n to ~n + 3. */
static uint32_t vyi_spv_times(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t from = vyi_spv_value(e, inst->arg[0]), to = vyi_spv_value(e, inst->arg[1]);
    const uint32_t zero = vyi_spv_u32(e, 0);
    uint32_t first, end;
    if (from == zero)
        return to;
    if (vyi_literal(e->p, inst->arg[0], &first) && vyi_literal(e->p, inst->arg[1], &end))
        return vyi_spv_u32(e, end > first ? end - first : 0);
    const uint32_t any = vyi_spv_test(e, VYI_SPV_OpULessThan, from, to);
    const uint32_t distance = vyi_spv_word(e, VYI_SPV_OpISub, to, from);
    return vyi_spv_select(e, VYRE_TYPE_U32, any, distance, zero);
}

/* Enters the header: its phis, and the locals as they give them. */
VYI_OUTLINE
static void vyi_spv_header_phis(vyi_spv *e, vyi_spv_frame *f, uint32_t before)
{
    const vyi_inst *inst = &e->p->insts[f->opener];
    if (inst->op == VYI_OP_LOOP)
        f->count = vyi_spv_times(e, inst);
    for (uint32_t i = 0; i < f->touched_count && !e->failed; i++) {
        const uint32_t local = vyi_spv_touched(e, f, i);
        e->current[local] = vyi_spv_carried(e, local);
    }
    vyi_spv_branch(e, f->header);
    vyi_spv_label(e, f->header);
    f->phis = e->section[VYI_SPV_BODY].count;
    for (uint32_t i = 0; i < f->touched_count && !e->failed; i++) {
        const uint32_t local = vyi_spv_touched(e, f, i);
        e->current[local] = vyi_spv_header_phi(e, f, before, vyi_spv_local_type(e, local),
                                               e->current[local]);
        vyi_spv_name_local(e, e->current[local], local);
    }
    if (inst->op == VYI_OP_LOOP)
        f->counter = vyi_spv_header_phi(e, f, before, VYRE_TYPE_U32, vyi_spv_u32(e, 0));
    if (inst->op == VYI_OP_FOREVER && inst->sub && e->desc.rounds)
        f->rounds_left = vyi_spv_header_phi(e, f, before, VYRE_TYPE_U32, e->rounds_start);
    for (uint32_t i = 0; i < f->touched_count && !e->failed; i++) {
        const uint32_t local = vyi_spv_touched(e, f, i);
        e->current[local] = vyi_spv_from_memory(e, vyi_spv_local_type(e, local),
                                                e->current[local]);
    }
}

/* Loops inside the loop.  Where a vector's iterations count, each of them
 * counts one in every iteration of this one, even if no lane gets there: the
 * driver runs what is behind a condition under an empty mask. */
static uint32_t vyi_spv_loops_inside(const vyi_spv *e, uint32_t opener)
{
    uint32_t count = 0;
    for (uint32_t i = opener + 1; i < e->p->insts[opener].link; i++)
        count += e->p->insts[i].op == VYI_OP_LOOP || e->p->insts[i].op == VYI_OP_FOREVER;
    return count;
}

/* Whether the limit lets the next iteration begin.  Where vectors are counted,
 * the driver's count goes up faster than the lane's own, so both are looked at. */
static uint32_t vyi_spv_loop_allowed(vyi_spv *e, vyi_spv_frame *f)
{
    const uint32_t mine = vyi_spv_test(e, VYI_SPV_OpULessThan, e->current[e->spent],
                                       e->current[e->allowed]);
    if (!e->desc.unfenced)
        return mine;
    const uint32_t inside = vyi_spv_loops_inside(e, f->opener);
    const uint32_t limit = e->desc.loop_limit > inside ? e->desc.loop_limit - inside : 0;
    f->trips = vyi_spv_trips(e);
    return vyi_spv_test(e, VYI_SPV_OpLogicalAnd, mine,
                        vyi_spv_test(e, VYI_SPV_OpULessThan, f->trips, vyi_spv_u32(e, limit)));
}

/* Whether the next iteration begins; 0: always.  An iteration that only the
 * limit forbids sets the cut. */
static uint32_t vyi_spv_loop_condition(vyi_spv *e, vyi_spv_frame *f)
{
    const vyi_inst *inst = &e->p->insts[f->opener];
    uint32_t cond = 0;
    if (inst->op == VYI_OP_LOOP)
        cond = vyi_spv_test(e, VYI_SPV_OpULessThan, f->counter, f->count);
    const uint32_t cut = e->current[e->cut];
    if (e->desc.loop_limit) {
        const uint32_t wanted = cond ? cond : vyi_spv_const(e, VYRE_TYPE_BOOL, 1);
        const uint32_t allowed = vyi_spv_loop_allowed(e, f);
        cond = cond ? vyi_spv_test(e, VYI_SPV_OpLogicalAnd, cond, allowed)
                    : allowed;
        if (vyi_spv_live(e, e->cut, f->opener, e->depth - 1))
            e->current[e->cut] = vyi_spv_test(e, VYI_SPV_OpLogicalOr, cut, wanted);
    }
    if (cond)
        vyi_spv_edge(e, f, &f->merge_edges);
    e->current[e->cut] = cut;
    return cond;
}

/* An iteration has begun.  The driver counts its own end, and one for each loop
 * inside it. */
static void vyi_spv_loop_count(vyi_spv *e, const vyi_spv_frame *f)
{
    e->current[e->spent] = vyi_spv_word(e, VYI_SPV_OpIAdd, e->current[e->spent], vyi_spv_u32(e, 1));
    if (!e->desc.unfenced)
        return;
    const uint32_t cost = vyi_spv_u32(e, 1 + vyi_spv_loops_inside(e, f->opener));
    const uint32_t trips = vyi_spv_word(e, VYI_SPV_OpIAdd, f->trips, cost);
    if (e->trips)
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpStore, 2, e->trips, trips);
    else
        e->current[e->cost] = trips;
}

VYI_OUTLINE
static void vyi_spv_loop(vyi_spv *e, uint32_t index)
{
    const vyi_inst *inst = &e->p->insts[index];
    const uint32_t before = e->block, body = vyi_spv_id(e);
    vyi_spv_frame *f = vyi_spv_push(e, index, true);
    f->header = vyi_spv_id(e);
    vyi_spv_header_phis(e, f, before);
    const uint32_t cond = vyi_spv_loop_condition(e, f);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpLoopMerge, 3, f->merge, f->next, 0u);
    if (cond)
        vyi_spv_branch_if(e, cond, body, f->merge);
    else
        vyi_spv_branch(e, body);
    vyi_spv_label(e, body);
    if (e->desc.loop_limit)
        vyi_spv_loop_count(e, f);
    if (inst->op == VYI_OP_LOOP) {
        const uint32_t from = vyi_spv_value(e, inst->arg[0]);
        e->ids[index + 1] = f->counter;
        if ((e->needed[index] & VYI_SPV_USED) && from != vyi_spv_u32(e, 0))
            e->ids[index + 1] = vyi_spv_word(e, VYI_SPV_OpIAdd, from, f->counter);
        vyi_range_add(&e->range, index + 1, inst->arg[1], true);
    }
}

/* Gives one of the header's phis its value of the next iteration. */
static void vyi_spv_patch_phi(vyi_spv *e, uint32_t phi, uint32_t value)
{
    if (e->failed)
        return;
    VYRE_ASSERT((e->section[VYI_SPV_BODY].at[phi] & 0xffffu) == VYI_SPV_OpPhi);
    e->section[VYI_SPV_BODY].at[phi + 5] = value;
}

/* All of them.  Where nothing continues they keep their own values. */
static void vyi_spv_patch_phis(vyi_spv *e, const vyi_spv_frame *f, uint32_t counter,
                               uint32_t rounds_left)
{
    uint32_t phi = f->phis;
    for (uint32_t i = 0; i < f->touched_count && !e->failed; i++, phi += 7)
        vyi_spv_patch_phi(e, phi, f->next_edges
                                      ? vyi_spv_carried(e, vyi_spv_touched(e, f, i))
                                      : e->section[VYI_SPV_BODY].at[phi + 2]);
    if (counter) {
        vyi_spv_patch_phi(e, phi, counter);
        phi += 7;
    }
    if (rounds_left)
        vyi_spv_patch_phi(e, phi, rounds_left);
}

/* The continue block, which is unreachable when nothing continues. */
static void vyi_spv_next(vyi_spv *e, vyi_spv_frame *f)
{
    if (!e->left) {
        vyi_spv_edge(e, f, &f->next_edges);
        vyi_spv_branch(e, f->next);
    }
    vyi_spv_unlearn(e, f);
    vyi_spv_label(e, f->next);
    if (f->next_edges)
        vyi_spv_join(e, f, f->next_edges, e->depth);
}

VYI_OUTLINE
static void vyi_spv_end_loop(vyi_spv *e, vyi_spv_frame *f)
{
    uint32_t counter = 0, rounds_left = 0;
    vyi_spv_next(e, f);
    if (f->counter)
        counter = vyi_spv_word(e, VYI_SPV_OpIAdd, f->counter, vyi_spv_u32(e, 1));
    if (f->rounds_left)
        rounds_left = vyi_spv_word(e, VYI_SPV_OpISub, f->rounds_left, e->rounds_step);
    vyi_spv_patch_phis(e, f, counter, rounds_left);
    if (rounds_left && f->next_edges) {
        const uint32_t more = vyi_spv_test(e, VYI_SPV_OpINotEqual, rounds_left, vyi_spv_u32(e, 0));
        vyi_spv_edge(e, f, &f->merge_edges);
        vyi_spv_branch_if(e, more, f->header, f->merge);
    } else {
        vyi_spv_branch(e, f->header);
    }
    vyi_spv_unlearn(e, f);
    vyi_spv_close(e, f);
}

/* BREAK and CONTINUE. */
static void vyi_spv_jump(vyi_spv *e, const vyi_inst *inst)
{
    uint32_t depth = e->depth - 1;
    while (e->frames[depth].opener != inst->link) {
        VYRE_ASSERT(depth > 0);
        depth--;
    }
    vyi_spv_frame *f = &e->frames[depth];
    const bool leave = inst->op == VYI_OP_BREAK;
    vyi_spv_edge(e, f, leave ? &f->merge_edges : &f->next_edges);
    vyi_spv_branch(e, leave ? f->merge : f->next);
}

/* allowed = spent + min(n, what is left of the limit), which cannot wrap. */
VYI_API void vyi_spv_loop_allow(vyi_spv *e, const vyi_inst *inst)
{
    if (!e->desc.loop_limit)
        return;
    const uint32_t left = vyi_spv_builtin(e, VYRE_BUILTIN_LOOP_LEFT);
    const uint32_t more = vyi_spv_ext2(e, VYRE_TYPE_U32, VYI_SPV_GlslUMin,
                                       vyi_spv_value(e, inst->arg[0]), left);
    e->current[e->allowed] = vyi_spv_word(e, VYI_SPV_OpIAdd, e->current[e->spent], more);
    e->current[e->cut] = vyi_spv_const(e, VYRE_TYPE_BOOL, 0);
}

/* --- all of them --------------------------------------------------------- */

static void vyi_spv_end(vyi_spv *e)
{
    VYRE_ASSERT(e->depth > 0);
    vyi_spv_frame *f = &e->frames[e->depth - 1];
    switch (e->p->insts[f->opener].op) {
    case VYI_OP_IF: vyi_spv_end_if(e, f); break;
    case VYI_OP_SWITCH:
        vyi_spv_leave_arm(e, f);
        vyi_spv_close(e, f);
        break;
    default: vyi_spv_end_loop(e, f); break;
    }
}

/* Openers, arms, ends and jumps. */
VYI_OUTLINE
VYI_API void vyi_spv_flow(vyi_spv *e, uint32_t index)
{
    const vyi_inst *inst = &e->p->insts[index];
    switch (inst->op) {
    case VYI_OP_IF: vyi_spv_if(e, index); break;
    case VYI_OP_SWITCH: vyi_spv_switch(e, index); break;
    case VYI_OP_LOOP: case VYI_OP_FOREVER: vyi_spv_loop(e, index); break;
    case VYI_OP_ELSE: vyi_spv_else(e, &e->frames[e->depth - 1]); break;
    case VYI_OP_CASE: case VYI_OP_DEFAULT: vyi_spv_case(e, &e->frames[e->depth - 1]); break;
    case VYI_OP_END: vyi_spv_end(e); break;
    case VYI_OP_BREAK: case VYI_OP_CONTINUE: vyi_spv_jump(e, inst); break;
    default: /* RETURN */
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpReturn, 0);
        e->left = true;
        break;
    }
}

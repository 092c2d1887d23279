/* ==========================================================================
 * interp: from a program to the steps of a machine
 *
 * Private.  Three passes over the instructions:
 *
 *   uses      When is each value and local used last?  Control flow is laid out
 *             in order and values cannot be used before they are made, so a
 *             life is one interval, with one exception: what is made outside
 *             of a loop and used inside lives to the loop's end.
 *   registers Lives that do not overlap share a register, so that a workgroup's
 *             registers stay in the nearest cache.
 *   steps     Operands become addresses, blocks become jumps.
 *
 * Three kinds of values have no step.  CONST, LENGTH and most BUILTINs keep
 * one content for a whole workgroup: they get registers that are filled
 * before it starts, one for each distinct content.  A bitcast is its operand.
 * A GET is its local itself when no SET follows before the value's last use.
 * ======================================================================= */
#include "interp/interp_impl.h"

#define VYI_NO_INDEX 0xffffffffu

/* A thing is what can own a register: values by the index of their
 * instruction, then the locals. */
typedef struct vyi_code_decoder {
    const vyre_program     *p;
    const vyre_interp_desc *desc;
    uint32_t  things;
    uint32_t *alias;      /* of a thing: the thing that it is the same as, or itself */
    uint32_t *last;       /* of a thing: where it is used last */
    uint32_t *reg;        /* of a thing: its register */
    uint32_t *expiring;   /* of an instruction: first thing that ends there */
    uint32_t *next;       /* of a thing: the next one that ends at the same place */
    uint32_t *free_regs;
    uint32_t  free_count;
    uint32_t  reg_count;
    uint32_t *fixed_at;   /* hash table of instructions with fixed content */
    uint32_t *fixed_list; /* the first instruction of each distinct content */
    uint32_t  fixed_mask, fixed_count;
    uint32_t *step_of;    /* of an instruction: the first step at or behind it */
    uint32_t  step_count; /* the last one ends the run */
    uint32_t  loops[VYRE_MAX_NESTING];
    uint32_t  loop_depth;
    uint32_t  block_count, case_count, start_count, depth;
    size_t    shared_count;
    uint32_t  spent, allowed, cut, limit; /* registers, where loops are limited */
} vyi_code_decoder;

/* --- memory in one piece ------------------------------------------------- */

/* Hands out parts of a block of memory; without one it only adds up. */
typedef struct vyi_code_layout {
    uint8_t *base;
    size_t   size;
    bool     overflow;
} vyi_code_layout;

#define VYI_LAYOUT_ALIGN ((size_t)64)

VYI_OUTLINE
static void *vyi_layout_take(vyi_code_layout *l, size_t count, size_t element)
{
    size_t bytes, end;
    if (!vyi_size_mul(count, element, &bytes) || !vyi_size_add(bytes, VYI_LAYOUT_ALIGN, &bytes) ||
        !vyi_size_add(l->size, bytes & ~(VYI_LAYOUT_ALIGN - 1), &end)) {
        l->overflow = true;
        return NULL;
    }
    void *at = l->base ? l->base + l->size : NULL;
    l->size = end;
    return at;
}

/* --- what has a fixed content -------------------------------------------- */

static bool vyi_is_fixed(const vyi_code_decoder *d, const vyi_inst *inst)
{
    if (inst->op == VYI_OP_CONST || inst->op == VYI_OP_LENGTH)
        return true;
    if (inst->op != VYI_OP_BUILTIN)
        return false;
    return d->desc->loop_limit == 0 ||
           (inst->sub != VYRE_BUILTIN_LOOP_LEFT && inst->sub != VYRE_BUILTIN_LOOP_CUT);
}

static uint32_t vyi_fixed_what(const vyi_inst *inst)
{
    return inst->op == VYI_OP_BUILTIN ? inst->sub : inst->arg[0];
}

/* The instruction that stands for all of the same content. */
static uint32_t vyi_fixed_find(vyi_code_decoder *d, uint32_t index)
{
    const vyi_inst *inst = &d->p->insts[index];
    uint32_t at = (vyi_fixed_what(inst) * 0x9e3779b1u + inst->op) & d->fixed_mask;
    for (; d->fixed_at[at] != VYI_NO_INDEX; at = (at + 1) & d->fixed_mask) {
        const vyi_inst *other = &d->p->insts[d->fixed_at[at]];
        if (other->op == inst->op && vyi_fixed_what(other) == vyi_fixed_what(inst))
            return d->fixed_at[at];
    }
    d->fixed_at[at] = index;
    d->fixed_list[d->fixed_count++] = index;
    return index;
}

/* --- uses ---------------------------------------------------------------- */

static uint32_t vyi_thing_of(const vyi_code_decoder *d, uint32_t thing)
{
    while (d->alias[thing] != thing)
        thing = d->alias[thing];
    return thing;
}

static uint32_t vyi_local_thing(const vyi_code_decoder *d, uint32_t local)
{
    return d->p->count + local - 1;
}

static uint32_t vyi_born(const vyi_code_decoder *d, uint32_t thing)
{
    return thing < d->p->count ? thing : d->p->locals[thing - d->p->count].declared;
}

static void vyi_use(vyi_code_decoder *d, uint32_t thing, uint32_t at)
{
    thing = vyi_thing_of(d, thing);
    for (uint32_t i = 0; i < d->loop_depth; i++) {
        if (d->loops[i] > vyi_born(d, thing)) {
            at = d->p->insts[d->loops[i]].link;
            break;
        }
    }
    if (d->last[thing] == VYI_NO_INDEX || d->last[thing] < at)
        d->last[thing] = at;
}

static bool vyi_code_is_loop(const vyi_inst *inst)
{
    return inst->op == VYI_OP_LOOP || inst->op == VYI_OP_FOREVER;
}

static void vyi_use_operands(vyi_code_decoder *d, uint32_t index)
{
    const vyi_inst *inst = &d->p->insts[index];
    const uint32_t values = vyi_op_describe(inst->op)->values;
    for (uint32_t i = 0; i < 4; i++) {
        if (values >> i & 1u)
            vyi_use(d, inst->arg[i] - 1, index);
    }
    if (inst->op == VYI_OP_GET || inst->op == VYI_OP_SET)
        vyi_use(d, vyi_local_thing(d, inst->arg[0]), index);
    if (inst->op == VYI_OP_LOOP) { /* its end compares once more */
        vyi_use(d, index, inst->link);
        vyi_use(d, inst->arg[1] - 1, inst->link);
    }
}

/* Gives its operand's bits. */
static bool vyi_code_is_alias(const vyi_inst *inst)
{
    return inst->op == VYI_OP_BITCAST ||
           (inst->op == VYI_OP_UNARY && inst->sub == VYI_UNARY_UNIFORM);
}

VYI_OUTLINE
static void vyi_find_uses(vyi_code_decoder *d)
{
    for (uint32_t i = 0; i < d->p->count; i++) {
        const vyi_inst *inst = &d->p->insts[i];
        if (inst->op == VYI_OP_END && vyi_code_is_loop(&d->p->insts[inst->link]))
            d->loop_depth--;
        if (vyi_is_fixed(d, inst))
            d->alias[i] = vyi_fixed_find(d, i);
        else if (vyi_code_is_alias(inst))
            d->alias[i] = vyi_thing_of(d, inst->arg[0] - 1);
        vyi_use_operands(d, i);
        if (vyi_code_is_loop(inst))
            d->loops[d->loop_depth++] = i;
    }
}

/* Lets each GET be its local where that cannot be told apart.  `next` serves
 * as the next SET of each local. */
VYI_OUTLINE
static void vyi_merge_gets(vyi_code_decoder *d)
{
    for (uint32_t i = d->p->count; i-- > 0;) {
        const vyi_inst *inst = &d->p->insts[i];
        if (inst->op != VYI_OP_GET && inst->op != VYI_OP_SET)
            continue;
        const uint32_t local = vyi_local_thing(d, inst->arg[0]);
        if (inst->op == VYI_OP_SET) {
            d->next[local] = i;
            continue;
        }
        const uint32_t last = d->last[i] == VYI_NO_INDEX ? i : d->last[i];
        if (d->next[local] != VYI_NO_INDEX && d->next[local] <= last)
            continue;
        d->alias[i] = local;
        if (d->last[local] < last)
            d->last[local] = last;
    }
}

/* --- registers ----------------------------------------------------------- */

static void vyi_register_take(vyi_code_decoder *d, uint32_t thing, uint32_t now)
{
    const uint32_t last = d->last[thing] == VYI_NO_INDEX ? now : d->last[thing];
    d->reg[thing] = d->free_count ? d->free_regs[--d->free_count] : d->reg_count++;
    d->next[thing] = d->expiring[last];
    d->expiring[last] = thing;
}

static bool vyi_code_gives_value(const vyi_inst *inst)
{
    return (vyi_op_describe(inst->op)->flags & VYI_OP_VALUE) != 0;
}

/* A result never shares with an operand of the same instruction: registers
 * are given back only behind it. */
VYI_OUTLINE
static void vyi_assign_registers(vyi_code_decoder *d)
{
    for (uint32_t i = 0; i < d->p->count; i++) {
        const vyi_inst *inst = &d->p->insts[i];
        if (vyi_code_gives_value(inst) && !vyi_is_fixed(d, inst) && d->alias[i] == i)
            vyi_register_take(d, i, i);
        if (inst->op == VYI_OP_LOCAL)
            vyi_register_take(d, vyi_local_thing(d, inst->arg[0]), i);
        for (uint32_t t = d->expiring[i]; t != VYI_NO_INDEX; t = d->next[t])
            d->free_regs[d->free_count++] = d->reg[t];
    }
    for (uint32_t i = 0; i < d->fixed_count; i++)
        d->reg[d->fixed_list[i]] = d->reg_count++;
    if (d->desc->loop_limit) {
        d->spent = d->reg_count++;
        d->allowed = d->reg_count++;
        d->cut = d->reg_count++;
        d->limit = d->reg_count++;
    }
}

/* --- sizes --------------------------------------------------------------- */

static void vyi_count_blocks(vyi_code_decoder *d)
{
    uint32_t depth = 0;
    for (uint32_t i = 0; i < d->p->count; i++) {
        const vyi_inst *inst = &d->p->insts[i];
        const uint32_t flags = vyi_op_describe(inst->op)->flags;
        if (flags & VYI_OP_OPENS) {
            d->block_count++;
            if (++depth > d->depth)
                d->depth = depth;
        }
        if (inst->op == VYI_OP_END)
            depth--;
        if (inst->op == VYI_OP_CASE)
            d->case_count++;
        if (inst->op == VYI_OP_CASE || inst->op == VYI_OP_DEFAULT)
            d->start_count++;
        if (inst->op == VYI_OP_SWITCH)
            d->start_count += 2;
    }
}

static bool vyi_needs_step(const vyi_code_decoder *d, uint32_t index)
{
    const vyi_inst *inst = &d->p->insts[index];
    switch (inst->op) {
    case VYI_OP_BARRIER: /* the lanes go in step anyway */
    case VYI_OP_COMMENT: return false;
    case VYI_OP_LOOP_ALLOW: return d->desc->loop_limit != 0;
    default: return !vyi_code_gives_value(inst) || d->alias[index] == index;
    }
}

VYI_OUTLINE
static void vyi_count_steps(vyi_code_decoder *d)
{
    for (uint32_t i = 0; i < d->p->count; i++) {
        d->step_of[i] = d->step_count;
        d->step_count += !vyi_is_fixed(d, &d->p->insts[i]) && vyi_needs_step(d, i);
    }
    d->step_of[d->p->count] = d->step_count++;
    for (uint32_t i = 0; i < d->p->buffer_count; i++) {
        if (d->p->buffers[i].access == VYRE_ACCESS_WORKGROUP)
            d->shared_count += d->p->buffers[i].count;
    }
}

VYI_OUTLINE
static void vyi_layout_machine(vyi_code_layout *l, const vyi_code_decoder *d, vyi_machine *m)
{
    const size_t lanes = m->lanes_padded, buffers = d->p->buffer_count;
    (void)vyi_layout_take(l, 1, sizeof *m);
    m->steps = (vyi_step *)vyi_layout_take(l, d->step_count, sizeof *m->steps);
    m->blocks = (vyi_step_block *)vyi_layout_take(l, d->block_count, sizeof *m->blocks);
    m->cases = (vyi_step_case *)vyi_layout_take(l, d->case_count, sizeof *m->cases);
    m->starts = (uint32_t *)vyi_layout_take(l, d->start_count, sizeof *m->starts);
    m->fixed = (vyi_fixed *)vyi_layout_take(l, d->fixed_count, sizeof *m->fixed);
    m->memories = (vyi_step_memory *)vyi_layout_take(l, buffers, sizeof *m->memories);
    m->bound = (uint32_t *)vyi_layout_take(l, buffers, sizeof *m->bound);
    m->declared = (uint32_t *)vyi_layout_take(l, buffers, sizeof *m->declared);
    m->shared = (uint32_t *)vyi_layout_take(l, d->shared_count, sizeof *m->shared);
    m->all = (uint16_t *)vyi_layout_take(l, lanes, sizeof *m->all);
    m->state = (uint8_t *)vyi_layout_take(l, lanes, sizeof *m->state);
    m->arm_of = (uint32_t *)vyi_layout_take(l, lanes, sizeof *m->arm_of);
    m->lists = (uint16_t *)vyi_layout_take(l, ((size_t)d->depth + 1) * 3,
                                           lanes * sizeof *m->lists);
    m->registers = (uint32_t *)vyi_layout_take(l, d->reg_count, lanes * sizeof *m->registers);
}

/* --- steps --------------------------------------------------------------- */

/* The block that is open at some depth, while steps are written. */
typedef struct vyi_step_open {
    vyi_step_block *block;
    uint32_t   arm;  /* instruction: the latest arm, or the opener */
    uint32_t   arms; /* of a switch, so far */
} vyi_step_open;

typedef struct vyi_step_writer {
    const vyi_code_decoder *d;
    vyi_machine       *m;
    uint32_t           blocks, cases, starts;
    vyi_step_open     open[VYRE_MAX_NESTING];
    uint32_t           depth;
} vyi_step_writer;

static uint32_t *vyi_register(const vyi_step_writer *w, uint32_t reg)
{
    return w->m->registers + (size_t)reg * w->m->lanes_padded;
}

static uint32_t *vyi_thing_register(const vyi_step_writer *w, uint32_t thing)
{
    return vyi_register(w, w->d->reg[vyi_thing_of(w->d, thing)]);
}

static const vyi_step *vyi_step_at(const vyi_step_writer *w, uint32_t index)
{
    return w->m->steps + w->d->step_of[index];
}

/* Where to go on when no lane is left in the innermost list of instructions:
 * to the arm or END that closes it. */
static const vyi_step *vyi_way_out(const vyi_step_writer *w)
{
    const uint32_t end = w->d->p->count;
    return vyi_step_at(w, w->depth ? w->d->p->insts[w->open[w->depth - 1].arm].link : end);
}

VYI_OUTLINE
static void vyi_write_operands(vyi_step_writer *w, vyi_step *s, uint32_t index)
{
    const vyi_inst *inst = &w->d->p->insts[index];
    const vyi_op_info *info = vyi_op_describe(inst->op);
    const uint32_t *operands[4] = { NULL, NULL, NULL, NULL };
    uint32_t count = 0;
    for (uint32_t i = 0; i < 4; i++) {
        if (info->values >> i & 1u)
            operands[count++] = vyi_thing_register(w, inst->arg[i] - 1);
    }
    if (inst->op == VYI_OP_GET)
        operands[0] = vyi_thing_register(w, vyi_local_thing(w->d, inst->arg[0]));
    s->a = operands[0];
    s->b = operands[1] ? operands[1] : s->a;
    s->c = operands[2] ? operands[2] : s->a;

    if (info->flags & VYI_OP_VALUE)
        s->d = vyi_thing_register(w, index);
    if (inst->op == VYI_OP_LOCAL || inst->op == VYI_OP_SET)
        s->d = vyi_thing_register(w, vyi_local_thing(w->d, inst->arg[0]));
    if (info->flags & VYI_OP_MEMORY)
        s->memory = &w->m->memories[inst->arg[0] - 1];

    const uint32_t opener = inst->link;
    if (inst->op == VYI_OP_END && w->d->p->insts[opener].op == VYI_OP_LOOP) {
        s->d = vyi_thing_register(w, opener);
        s->b = vyi_thing_register(w, w->d->p->insts[opener].arg[1] - 1);
    }
}

/* Shell's sort: in place, and quick enough for any number of cases. */
static void vyi_sort_cases(vyi_step_case *cases, uint32_t count)
{
    for (uint32_t gap = count / 2; gap > 0; gap /= 2) {
        for (uint32_t i = gap; i < count; i++) {
            const vyi_step_case moved = cases[i];
            uint32_t at = i;
            for (; at >= gap && cases[at - gap].literal > moved.literal; at -= gap)
                cases[at] = cases[at - gap];
            cases[at] = moved;
        }
    }
}

static void vyi_write_cases(vyi_step_writer *w, vyi_step_block *b, uint32_t index)
{
    const vyi_inst *insts = w->d->p->insts;
    uint32_t default_arm = VYI_NO_INDEX;
    b->cases = w->m->cases + w->cases;
    b->starts = w->m->starts + w->starts;
    for (uint32_t i = insts[index].link; insts[i].op != VYI_OP_END; i = insts[i].link) {
        const uint32_t arm = b->arm_count++;
        if (insts[i].op == VYI_OP_DEFAULT) {
            default_arm = arm;
            continue;
        }
        b->cases[b->case_count].literal = insts[i].arg[0];
        b->cases[b->case_count++].arm = arm;
    }
    b->default_arm = default_arm == VYI_NO_INDEX ? b->arm_count : default_arm;
    vyi_sort_cases(b->cases, b->case_count);
    w->cases += b->case_count;
    w->starts += b->arm_count + 2;
}

static void vyi_write_opener(vyi_step_writer *w, uint32_t index)
{
    const vyi_inst *inst = &w->d->p->insts[index];
    const size_t lanes = w->m->lanes_padded;
    vyi_step_block *b = &w->m->blocks[w->blocks++];
    b->kept = w->m->lists + (size_t)w->depth * 3 * lanes;
    b->first = b->kept + lanes;
    b->second = b->first + lanes;
    b->is_round_loop = inst->op == VYI_OP_FOREVER && inst->sub == 1;
    b->body = vyi_step_at(w, index + 1);
    if (inst->op == VYI_OP_SWITCH)
        vyi_write_cases(w, b, index);
    w->open[w->depth].block = b;
    w->open[w->depth].arm = index;
    w->open[w->depth].arms = 0;
    w->depth++;
}

/* Opens, switches arms, or closes; sets what of a step depends on that. */
VYI_OUTLINE
static void vyi_write_structure(vyi_step_writer *w, vyi_step *s, uint32_t index)
{
    const vyi_inst *inst = &w->d->p->insts[index];
    const uint32_t flags = vyi_op_describe(inst->op)->flags;
    if (flags & VYI_OP_OPENS)
        vyi_write_opener(w, index);
    vyi_step_open *open = w->depth ? &w->open[w->depth - 1] : NULL;
    if (flags & VYI_OP_ARM) {
        open->arm = index;
        s->arm = open->arms++;
    }
    s->block = open ? open->block : NULL;
    if (inst->op == VYI_OP_END) {
        w->depth--;
        s->block->after = vyi_step_at(w, index + 1);
        s->block->skip = vyi_way_out(w);
    }
    s->skip = vyi_way_out(w);
}

static vyi_lanes_fn vyi_lanes_of(const vyi_step_writer *w, vyi_step *s, const vyi_inst *inst)
{
    switch (inst->op) {
    case VYI_OP_GET:
    case VYI_OP_LOCAL: return vyi_lanes_copy_fn();
    case VYI_OP_BUILTIN:
        if (inst->sub == VYRE_BUILTIN_LOOP_CUT) {
            s->a = s->b = s->c = w->m->cut;
            return vyi_lanes_copy_fn();
        }
        s->a = s->c = vyi_register(w, w->d->limit);
        s->b = w->m->spent;
        return vyi_lanes_sub_fn();
    case VYI_OP_BINARY:
    case VYI_OP_UNARY:
    case VYI_OP_FMA:
    case VYI_OP_SELECT:
    case VYI_OP_CAST: return vyi_lanes_find(inst, vyi_definition(w->d->p, inst->arg[0])->type);
    default: return NULL;
    }
}

static uint8_t vyi_leave_state(const vyi_inst *inst)
{
    if (inst->op == VYI_OP_BREAK)
        return VYI_LANE_BROKE;
    return inst->op == VYI_OP_CONTINUE ? VYI_LANE_CONTINUED : VYI_LANE_RETURNED;
}

static void vyi_write_step(vyi_step_writer *w, uint32_t index)
{
    const vyi_inst *inst = &w->d->p->insts[index];
    vyi_step *s = &w->m->steps[w->d->step_of[index]];
    s->type = inst->type;
    s->sub = inst->sub;
    if (vyi_op_describe(inst->op)->flags & VYI_OP_LEAVES)
        s->sub = vyi_leave_state(inst);
    vyi_write_operands(w, s, index);
    vyi_write_structure(w, s, index);
    s->lanes = vyi_lanes_of(w, s, inst);
    if (!s->lanes)
        s->run = vyi_step_find(inst, &w->d->p->insts[inst->link]);
    VYRE_ASSERT(s->lanes || s->run);
}

static void vyi_write_fixed(const vyi_step_writer *w)
{
    for (uint32_t i = 0; i < w->d->fixed_count; i++) {
        const vyi_inst *inst = &w->d->p->insts[w->d->fixed_list[i]];
        vyi_fixed *f = &w->m->fixed[i];
        f->d = vyi_register(w, w->d->reg[w->d->fixed_list[i]]);
        f->op = inst->op;
        f->what = vyi_fixed_what(inst);
    }
    w->m->fixed_count = w->d->fixed_count;
}

/* Buffers in order of binding; workgroup arrays one behind the other. */
VYI_OUTLINE
static void vyi_write_buffers(const vyi_code_decoder *d, vyi_machine *m)
{
    uint32_t *shared = m->shared;
    m->block_count = d->block_count;
    m->step_count = d->step_count;
    m->memory_count = d->p->buffer_count;
    m->shared_count = d->shared_count;
    for (uint32_t i = 0; i < d->p->buffer_count; i++) {
        const vyi_buffer *buffer = &d->p->buffers[i];
        m->declared[i] = buffer->count;
        if (buffer->access == VYRE_ACCESS_WORKGROUP) {
            m->memories[i].words = shared;
            m->memories[i].length = buffer->count;
            shared += buffer->count;
            continue;
        }
        uint32_t at = m->bound_count++;
        for (; at > 0 && d->p->buffers[m->bound[at - 1]].binding > buffer->binding; at--)
            m->bound[at] = m->bound[at - 1];
        m->bound[at] = i;
    }
}

static void vyi_write_machine(const vyi_code_decoder *d, vyi_machine *m)
{
    vyi_step_writer w;
    memset(&w, 0, sizeof w);
    w.d = d;
    w.m = m;
    if (d->desc->loop_limit) {
        m->spent = vyi_register(&w, d->spent);
        m->allowed = vyi_register(&w, d->allowed);
        m->cut = vyi_register(&w, d->cut);
        for (uint32_t i = 0; i < m->lanes_padded; i++)
            vyi_register(&w, d->limit)[i] = d->desc->loop_limit;
    }
    for (uint32_t i = 0; i < m->lanes_padded; i++)
        m->all[i] = (uint16_t)i;
    vyi_write_fixed(&w);
    vyi_write_buffers(d, m);
    for (uint32_t i = 0; i < d->p->count; i++) {
        if (d->step_of[i] != d->step_of[i + 1])
            vyi_write_step(&w, i);
    }
    m->steps[d->step_count - 1].run = vyi_step_halt;
}

/* --- all together -------------------------------------------------------- */

static void vyi_describe_machine(const vyi_code_decoder *d, vyi_machine *m)
{
    memset(m, 0, sizeof *m);
    m->allocator = d->desc->allocator;
    m->max_rounds = d->desc->max_rounds;
    m->loop_limit = d->desc->loop_limit;
    m->subgroup_size = d->desc->subgroup_size ? d->desc->subgroup_size : 32u;
    while (1u << m->subgroup_shift < m->subgroup_size)
        m->subgroup_shift++;
    m->lanes = 1;
    for (uint32_t i = 0; i < 3; i++) {
        m->group_size[i] = d->p->group_size[i];
        m->lanes *= m->group_size[i];
    }
    m->lanes_padded = (m->lanes + VYI_CHUNK - 1) & ~(VYI_CHUNK - 1);
}

VYI_OUTLINE
static vyre_status vyi_decode_into(vyi_code_decoder *d, vyi_machine **out, vyre_error *err)
{
    vyi_machine shape, *m;
    vyi_code_layout layout;
    vyi_find_uses(d);
    vyi_merge_gets(d);
    vyi_assign_registers(d);
    vyi_count_blocks(d);
    vyi_count_steps(d);
    vyi_describe_machine(d, &shape);

    memset(&layout, 0, sizeof layout);
    vyi_layout_machine(&layout, d, &shape);
    shape.size = layout.size;
    if (layout.overflow)
        return vyi_fail_nomem(err, SIZE_MAX);
    m = (vyi_machine *)vyi_alloc(&d->desc->allocator, layout.size);
    if (!m)
        return vyi_fail_nomem(err, layout.size);

    memset((void *)m, 0, layout.size);
    layout.base = (uint8_t *)m;
    layout.size = 0;
    vyi_layout_machine(&layout, d, &shape);
    *m = shape;
    vyi_write_machine(d, m);
    *out = m;
    return VYRE_OK;
}

VYI_OUTLINE
static void vyi_layout_decoder(vyi_code_layout *l, vyi_code_decoder *d)
{
    const size_t count = (size_t)d->p->count + 1;
    d->alias = (uint32_t *)vyi_layout_take(l, d->things, sizeof *d->alias);
    d->last = (uint32_t *)vyi_layout_take(l, d->things, sizeof *d->last);
    d->next = (uint32_t *)vyi_layout_take(l, d->things, sizeof *d->next);
    d->reg = (uint32_t *)vyi_layout_take(l, d->things, sizeof *d->reg);
    d->free_regs = (uint32_t *)vyi_layout_take(l, d->things, sizeof *d->free_regs);
    d->expiring = (uint32_t *)vyi_layout_take(l, count, sizeof *d->expiring);
    d->step_of = (uint32_t *)vyi_layout_take(l, count, sizeof *d->step_of);
    d->fixed_list = (uint32_t *)vyi_layout_take(l, count, sizeof *d->fixed_list);
    d->fixed_at = (uint32_t *)vyi_layout_take(l, (size_t)d->fixed_mask + 1, sizeof *d->fixed_at);
}

VYI_API vyre_status vyi_machine_decode(const vyre_program *p, const vyre_interp_desc *desc,
                                       vyi_machine **out, vyre_error *err)
{
    vyi_code_decoder d;
    vyi_code_layout layout;
    memset(&d, 0, sizeof d);
    d.p = p;
    d.desc = desc;
    d.things = p->count + p->local_count;
    for (d.fixed_mask = 15; d.fixed_mask < 2 * p->count; d.fixed_mask = d.fixed_mask * 2 + 1)
        continue;

    memset(&layout, 0, sizeof layout);
    vyi_layout_decoder(&layout, &d);
    const size_t size = layout.size;
    layout.base = (uint8_t *)vyi_alloc(&desc->allocator, size);
    if (!layout.base)
        return vyi_fail_nomem(err, size);
    memset(layout.base, 0xff, size);
    uint8_t *const scratch = layout.base;
    layout.size = 0;
    vyi_layout_decoder(&layout, &d);
    for (uint32_t i = 0; i < d.things; i++)
        d.alias[i] = i;

    const vyre_status status = vyi_decode_into(&d, out, err);
    vyi_free(&desc->allocator, scratch, size);
    return status;
}

/* --- copies -------------------------------------------------------------- */

/* What lies in the one machine's block lies as far into the other's; anything else
 * stays where it is. */
typedef struct vyi_code_move {
    const vyi_machine *from;
    vyi_machine       *to;
} vyi_code_move;

VYI_OUTLINE
static void *vyi_moved(const vyi_code_move *move, const void *p)
{
    const uintptr_t at = (uintptr_t)p, begin = (uintptr_t)move->from;
    if (at < begin || at - begin >= move->from->size)
        return (void *)at;
    return (uint8_t *)move->to + (at - begin);
}

#define VYI_MOVE(type, p) ((p) = (type)vyi_moved(move, (const void *)(p)))

static void vyi_move_step(const vyi_code_move *move, vyi_step *s)
{
    VYI_MOVE(uint32_t *, s->d);
    VYI_MOVE(const uint32_t *, s->a);
    VYI_MOVE(const uint32_t *, s->b);
    VYI_MOVE(const uint32_t *, s->c);
    VYI_MOVE(const vyi_step_memory *, s->memory);
    VYI_MOVE(vyi_step_block *, s->block);
    VYI_MOVE(const vyi_step *, s->skip);
}

static void vyi_move_block(const vyi_code_move *move, vyi_step_block *b)
{
    VYI_MOVE(uint16_t *, b->kept);
    VYI_MOVE(uint16_t *, b->first);
    VYI_MOVE(uint16_t *, b->second);
    VYI_MOVE(vyi_step_case *, b->cases);
    VYI_MOVE(uint32_t *, b->starts);
    VYI_MOVE(const vyi_step *, b->body);
    VYI_MOVE(const vyi_step *, b->after);
    VYI_MOVE(const vyi_step *, b->skip);
}

static void vyi_move_tables(const vyi_code_move *move, vyi_machine *m)
{
    VYI_MOVE(vyi_step *, m->steps);
    VYI_MOVE(vyi_step_block *, m->blocks);
    VYI_MOVE(vyi_step_case *, m->cases);
    VYI_MOVE(uint32_t *, m->starts);
    VYI_MOVE(vyi_fixed *, m->fixed);
    VYI_MOVE(vyi_step_memory *, m->memories);
    VYI_MOVE(uint32_t *, m->bound);
    VYI_MOVE(uint32_t *, m->declared);
    VYI_MOVE(uint32_t *, m->shared);
    VYI_MOVE(uint32_t *, m->registers);
    VYI_MOVE(uint16_t *, m->lists);
    VYI_MOVE(uint16_t *, m->all);
    VYI_MOVE(uint8_t *, m->state);
    VYI_MOVE(uint32_t *, m->arm_of);
    VYI_MOVE(uint32_t *, m->spent);
    VYI_MOVE(uint32_t *, m->allowed);
    VYI_MOVE(uint32_t *, m->cut);
}

VYI_API vyi_machine *vyi_machine_copy(const vyi_machine *m)
{
    VYRE_ASSERT(!m->paused);
    vyi_machine *copy = (vyi_machine *)vyi_alloc(&m->allocator, m->size);
    if (!copy)
        return NULL;
    const vyi_code_move from = { m, copy }, *const move = &from;
    memcpy((void *)copy, m, m->size);
    vyi_move_tables(move, copy);
    for (uint32_t i = 0; i < copy->step_count; i++)
        vyi_move_step(move, &copy->steps[i]);
    for (uint32_t i = 0; i < copy->block_count; i++)
        vyi_move_block(move, &copy->blocks[i]);
    for (uint32_t i = 0; i < copy->fixed_count; i++)
        VYI_MOVE(uint32_t *, copy->fixed[i].d);
    for (uint32_t i = 0; i < copy->memory_count; i++)
        VYI_MOVE(vyi_memory_word *, copy->memories[i].words);
    copy->ask = NULL;
    copy->pause = NULL;
    copy->stop_flag = NULL;
    copy->next_group = NULL;
    return copy;
}
#undef VYI_MOVE

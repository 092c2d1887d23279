/* ==========================================================================
 * fuse: barriers that nothing needs
 *
 * A workgroup barrier parts what may run before it from what may run after it,
 * as far as the barriers around it on every path.  If nothing on one side writes
 * what the other touches, it orders nothing.  The paths are those of the whole
 * program: over the ends of blocks, into arms, and from a loop's end to its
 * begin.  One barrier is looked at after the other, and one that goes joins the
 * two sides for the next.
 * ======================================================================= */
#include "rooms/fuse/fuse_impl.h"

#include "ir/ir_impl.h"

#ifndef VYRE_NO_FUSE

enum { VYI_TOUCH_READ = 1, VYI_TOUCH_WRITE = 2 };

/* One side of a barrier. */
typedef struct vyi_side {
    uint8_t *touched; /* of each buffer: VYI_TOUCH_* */
    bool     any;     /* it touches memory */
    bool     open;    /* it reaches the program's begin or end */
    bool     pinned;  /* something in it keeps the barrier */
} vyi_side;

typedef struct vyi_elide {
    vyre_program *p;
    vyi_arena     arena;
    uint32_t     *first[2]; /* of each instruction, its first edge; [0] backward, [1] forward */
    uint32_t     *edges[2];
    uint32_t     *stack;
    uint8_t      *seen, *gone; /* of each instruction */
    vyi_side      side[2];     /* before, after */
    uint32_t      removed;
} vyi_elide;

/* --- where control goes --------------------------------------------------- */

typedef void vyi_edge_fn(vyi_elide *e, uint32_t from, uint32_t to);

/* One more than the END of the loop that a BREAK leaves. */
static uint32_t vyi_elide_behind(const vyre_program *p, uint32_t opener)
{
    return vyi_block_end(p, opener) + 1;
}

static void vyi_elide_arms(vyi_elide *e, uint32_t index, vyi_edge_fn *edge)
{
    const vyre_program *p = e->p;
    uint32_t arm = p->insts[index].link;
    for (; p->insts[arm].op != VYI_OP_END; arm = p->insts[arm].link)
        edge(e, index, arm + 1);
    edge(e, index, arm); /* where no arm is taken */
}

/* All instructions that may run right after this one; its count is the end. */
static void vyi_elide_follow(vyi_elide *e, uint32_t index, vyi_edge_fn *edge)
{
    const vyre_program *p = e->p;
    const vyi_inst *inst = &p->insts[index];
    switch (inst->op) {
    case VYI_OP_RETURN: return;
    case VYI_OP_BREAK: edge(e, index, vyi_elide_behind(p, inst->link)); return;
    case VYI_OP_CONTINUE: edge(e, index, vyi_block_end(p, inst->link)); return;
    case VYI_OP_ELSE:
    case VYI_OP_CASE:
    case VYI_OP_DEFAULT: edge(e, index, vyi_block_end(p, index)); return; /* from the arm before */
    case VYI_OP_SWITCH: vyi_elide_arms(e, index, edge); return;
    case VYI_OP_IF:
        edge(e, index, index + 1);
        vyi_elide_arms(e, index, edge);
        return;
    case VYI_OP_LOOP:
    case VYI_OP_FOREVER: edge(e, index, vyi_elide_behind(p, index)); break;
    case VYI_OP_END:
        if (p->insts[inst->link].op == VYI_OP_LOOP || p->insts[inst->link].op == VYI_OP_FOREVER)
            edge(e, index, inst->link + 1);
        break;
    default: break;
    }
    edge(e, index, index + 1);
}

static void vyi_elide_count(vyi_elide *e, uint32_t from, uint32_t to)
{
    e->first[0][to + 1]++;
    e->first[1][from + 1]++;
}

/* `first` then moves to the end of its edges, and back when all are there. */
static void vyi_elide_store(vyi_elide *e, uint32_t from, uint32_t to)
{
    e->edges[0][e->first[0][to]++] = from;
    e->edges[1][e->first[1][from]++] = to;
}

static vyre_status vyi_elide_edges(vyi_elide *e, vyre_error *err)
{
    const uint32_t count = e->p->count;
    for (uint32_t i = 0; i < count; i++)
        vyi_elide_follow(e, i, vyi_elide_count);
    for (uint32_t way = 0; way < 2; way++) {
        void *memory = NULL;
        for (uint32_t i = 0; i <= count; i++)
            e->first[way][i + 1] += e->first[way][i];
        const vyre_status status = vyi_fuse_alloc(&e->arena, e->first[way][count + 1],
                                                  sizeof(uint32_t), &memory, err);
        if (status < 0)
            return status;
        e->edges[way] = (uint32_t *)memory;
    }
    for (uint32_t i = 0; i < count; i++)
        vyi_elide_follow(e, i, vyi_elide_store);
    for (uint32_t way = 0; way < 2; way++) {
        for (uint32_t i = count + 1; i > 0; i--)
            e->first[way][i] = e->first[way][i - 1];
        e->first[way][0] = 0;
    }
    return VYRE_OK;
}

/* --- the two sides -------------------------------------------------------- */

/* Such barriers are looked at, and end a side; all others pin those that see them. */
static bool vyi_elide_plain(const vyi_inst *inst)
{
    return inst->op == VYI_OP_BARRIER && inst->sub == VYRE_SCOPE_WORKGROUP &&
           inst->order == VYRE_ORDER_ACQ_REL;
}

static void vyi_elide_touch(const vyi_elide *e, const vyi_inst *inst, vyi_side *side)
{
    const uint32_t flags = vyi_op_describe(inst->op)->flags;
    if (inst->op == VYI_OP_RETURN || flags & VYI_OP_GROUP)
        side->pinned = true;
    if (!(flags & VYI_OP_MEMORY))
        return;
    side->any = true;
    if ((inst->op != VYI_OP_LOAD && inst->op != VYI_OP_STORE) ||
        vyi_buffer_of(e->p, inst->arg[0])->access == VYRE_ACCESS_WORKGROUP)
        side->pinned = true;
    side->touched[inst->arg[0] - 1] |=
        (uint8_t)(flags & VYI_OP_WRITES ? VYI_TOUCH_WRITE : VYI_TOUCH_READ);
}

/* Puts the neighbours of `index` that were not seen on the stack. */
static uint32_t vyi_elide_spread(vyi_elide *e, uint32_t way, uint32_t index, uint32_t depth)
{
    for (uint32_t i = e->first[way][index]; i < e->first[way][index + 1]; i++) {
        const uint32_t to = e->edges[way][i];
        if (e->seen[to])
            continue;
        e->seen[to] = 1;
        e->stack[depth++] = to;
    }
    return depth;
}

/* What can be reached from the barrier without another one in between. */
static void vyi_elide_reach(vyi_elide *e, uint32_t way, uint32_t barrier)
{
    const vyre_program *p = e->p;
    vyi_side *side = &e->side[way];
    memset(side->touched, 0, p->buffer_count);
    memset(e->seen, 0, (size_t)p->count + 1);
    side->any = side->pinned = false;
    side->open = way == 0 && barrier == 0;
    uint32_t depth = vyi_elide_spread(e, way, barrier, 0);
    while (depth > 0) {
        const uint32_t at = e->stack[--depth];
        side->open |= way ? at == p->count : at == 0;
        if (at == p->count || (vyi_elide_plain(&p->insts[at]) && !e->gone[at]))
            continue;
        if (!e->gone[at])
            vyi_elide_touch(e, &p->insts[at], side);
        depth = vyi_elide_spread(e, way, at, depth);
    }
}

/* Whether it stands beside another barrier with nothing in between. */
static bool vyi_elide_doubled(const vyi_side *side)
{
    return !side->any && !side->open && !side->pinned;
}

static bool vyi_elide_needless(const vyi_elide *e)
{
    const vyi_side *a = &e->side[0], *b = &e->side[1];
    if (vyi_elide_doubled(a) || vyi_elide_doubled(b))
        return true;
    if (a->pinned || b->pinned)
        return false;
    for (uint32_t i = 0; i < e->p->buffer_count; i++) {
        if (a->touched[i] && b->touched[i] && (a->touched[i] | b->touched[i]) & VYI_TOUCH_WRITE)
            return false;
    }
    return true;
}

/* --- the pass ------------------------------------------------------------- */

static vyre_status vyi_elide_make(vyi_elide *e, vyre_error *err)
{
    const uint64_t count = (uint64_t)e->p->count + 1;
    void *words[3], *bytes[4];
    vyre_status status = VYRE_OK;
    for (uint32_t i = 0; i < 3 && status == VYRE_OK; i++)
        status = vyi_fuse_alloc(&e->arena, count + 1, sizeof(uint32_t), &words[i], err);
    for (uint32_t i = 0; i < 4 && status == VYRE_OK; i++)
        status = vyi_fuse_alloc(&e->arena, i < 2 ? count : e->p->buffer_count, 1, &bytes[i], err);
    if (status < 0)
        return status;
    e->first[0] = (uint32_t *)words[0];
    e->first[1] = (uint32_t *)words[1];
    e->stack = (uint32_t *)words[2];
    e->seen = (uint8_t *)bytes[0];
    e->gone = (uint8_t *)bytes[1];
    e->side[0].touched = (uint8_t *)bytes[2];
    e->side[1].touched = (uint8_t *)bytes[3];
    return vyi_elide_edges(e, err);
}

/* A barrier that goes becomes a comment: no value changes its number. */
static vyre_status vyi_elide_commit(vyi_elide *e, vyre_error *err)
{
    vyre_program *p = e->p;
    if (e->removed == 0)
        return VYRE_OK;
    void *texts = (void *)p->texts;
    if (!vyi_grow(&p->allocator, &texts, &p->text_capacity, p->text_count + 1, sizeof *p->texts))
        return vyi_fail_nomem(err, (p->text_count + 1) * sizeof *p->texts);
    p->texts = (const char **)texts;
    p->texts[p->text_count] = "a barrier that ordered nothing";
    for (uint32_t i = 0; i < p->count; i++) {
        if (!e->gone[i])
            continue;
        memset(&p->insts[i], 0, sizeof p->insts[i]);
        p->insts[i].op = VYI_OP_COMMENT;
        p->insts[i].arg[0] = p->text_count;
    }
    p->text_count++;
    return VYRE_OK;
}

VYRE_API vyre_status vyre_program_elide_barriers(vyre_program *p, uint32_t *removed,
                                                 vyre_error *err)
{
    vyi_elide e;
    if (!p)
        return vyi_fuse_null("the program", err);
    if (!p->finished)
        return vyi_fail(err, VYRE_E_IR_UNFINISHED, 0, "Call vyre_program_finish() first.",
                        "the program is not finished");
    memset(&e, 0, sizeof e);
    e.p = p;
    e.arena = vyi_fuse_arena(&p->allocator);
    vyre_status status = vyi_elide_make(&e, err);
    for (uint32_t i = 0; status == VYRE_OK && i < p->count; i++) {
        if (!vyi_elide_plain(&p->insts[i]))
            continue;
        vyi_elide_reach(&e, 0, i);
        vyi_elide_reach(&e, 1, i);
        e.gone[i] = vyi_elide_needless(&e);
        e.removed += e.gone[i];
    }
    if (status == VYRE_OK)
        status = vyi_elide_commit(&e, err);
    if (status == VYRE_OK && removed)
        *removed = e.removed;
    vyi_arena_free(&e.arena);
    return status;
}

#endif /* VYRE_NO_FUSE */

/* ==========================================================================
 * runner: programs whose loops may be cut
 *
 * Private.  Where iterations are limited the device runs a copy of the program, which
 * says in a word of the runner's own that a loop ended early, behind each loop:
 *
 *     if (LOOP_CUT) cut[0] = 1;
 *
 * A round loop that is cut has had fewer rounds, which is no mistake.  A program that
 * reads LOOP_CUT knows what it does.
 * ======================================================================= */
#include "rooms/runner/runner_impl.h"

#ifndef VYRE_NO_RUNNER

#define VYI_GUARD_CONSTS 2u /* 0 and 1, the copy's first values */
#define VYI_GUARD_EACH   4u /* instructions behind a loop */

typedef struct vyi_guard {
    const vyre_program *from;
    vyre_program       *to;
    uint32_t           *at; /* where each instruction of `from` stands in `to` */
} vyi_guard;

static bool vyi_guard_is_loop(const vyi_inst *inst)
{
    return inst->op == VYI_OP_LOOP || (inst->op == VYI_OP_FOREVER && !inst->sub);
}

/* Loops to look behind. */
static uint32_t vyi_guard_loops(const vyre_program *p)
{
    uint32_t loops = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        if (p->insts[i].op == VYI_OP_BUILTIN && p->insts[i].sub == VYRE_BUILTIN_LOOP_CUT)
            return 0;
        loops += vyi_guard_is_loop(&p->insts[i]);
    }
    return loops;
}

/* --- the copy ------------------------------------------------------------- */

static vyi_inst *vyi_guard_put(vyi_guard *g, vyi_op op, vyre_type type)
{
    VYRE_ASSERT(g->to->count < g->to->capacity);
    vyi_inst *inst = &g->to->insts[g->to->count++];
    memset(inst, 0, sizeof *inst);
    inst->op = (uint8_t)op;
    inst->type = (uint8_t)type;
    return inst;
}

static void vyi_guard_look(vyi_guard *g)
{
    vyre_program *p = g->to;
    vyi_guard_put(g, VYI_OP_BUILTIN, VYRE_TYPE_BOOL)->sub = VYRE_BUILTIN_LOOP_CUT;
    const uint32_t cut = p->count, opener = p->count; /* an id is an index plus 1 */
    vyi_inst *inst = vyi_guard_put(g, VYI_OP_IF, VYRE_TYPE_NONE);
    inst->arg[0] = cut;
    inst->link = opener + 2;
    inst = vyi_guard_put(g, VYI_OP_ATOMIC_STORE, VYRE_TYPE_NONE);
    inst->order = VYRE_ORDER_RELAXED;
    inst->arg[0] = p->buffer_count;
    inst->arg[1] = 1; /* the values 0 and 1 */
    inst->arg[2] = 2;
    vyi_guard_put(g, VYI_OP_END, VYRE_TYPE_NONE)->link = opener;
}

static void vyi_guard_copy(vyi_guard *g, uint32_t index)
{
    const vyi_inst *from = &g->from->insts[index];
    const uint32_t values = vyi_op_describe(from->op)->values;
    g->at[index] = g->to->count;
    if (from->op == VYI_OP_COMMENT)
        return;
    vyi_inst *to = vyi_guard_put(g, (vyi_op)from->op, (vyre_type)from->type);
    *to = *from;
    for (uint32_t i = 0; i < 4; i++)
        if ((values >> i & 1u) && from->arg[i])
            to->arg[i] = g->at[from->arg[i] - 1] + 1;
    if (from->op == VYI_OP_LOCAL)
        g->to->locals[from->arg[0] - 1].declared = g->at[index];
    if (from->op == VYI_OP_END && vyi_guard_is_loop(&g->from->insts[from->link]))
        vyi_guard_look(g);
}

/* Those of blocks lead forward, too. */
static void vyi_guard_link(vyi_guard *g)
{
    for (uint32_t i = 0; i < g->from->count; i++) {
        const vyi_inst *from = &g->from->insts[i];
        const uint32_t flags = vyi_op_describe(from->op)->flags;
        if ((flags & (VYI_OP_OPENS | VYI_OP_ARM)) || from->op == VYI_OP_END ||
            from->op == VYI_OP_BREAK || from->op == VYI_OP_CONTINUE)
            g->to->insts[g->at[i]].link = g->at[from->link];
    }
}

/* --- its memory ----------------------------------------------------------- */

static bool vyi_guard_room(vyre_program *p, const vyre_program *from, uint32_t loops)
{
    void *insts = NULL, *buffers = NULL, *locals = NULL;
    const uint32_t count = from->count + VYI_GUARD_CONSTS + VYI_GUARD_EACH * loops;
    const bool good =
        vyi_grow(&p->allocator, &insts, &p->capacity, count, sizeof *p->insts) &&
        vyi_grow(&p->allocator, &buffers, &p->buffer_capacity, from->buffer_count + 1,
                 sizeof *p->buffers) &&
        vyi_grow(&p->allocator, &locals, &p->local_capacity, from->local_count,
                 sizeof *p->locals);
    p->insts = (vyi_inst *)insts;
    p->buffers = (vyi_buffer *)buffers;
    p->locals = (vyi_local *)locals;
    return good;
}

/* An empty program with the buffers and locals of `from`, and texts that are its. */
static vyre_program *vyi_guard_begin(const vyre_runner *r, uint32_t loops)
{
    const vyre_program *from = r->desc.program;
    vyre_program *p = (vyre_program *)vyi_alloc_zeroed(&r->desc.allocator, sizeof *p);
    if (!p)
        return NULL;
    p->allocator = p->arena.allocator = r->desc.allocator;
    if (!vyi_guard_room(p, from, loops)) {
        vyre_program_destroy(p);
        return NULL;
    }
    p->name = from->name;
    memcpy(p->group_size, from->group_size, sizeof p->group_size);
    memcpy(p->buffers, from->buffers, from->buffer_count * sizeof *p->buffers);
    p->buffer_count = from->buffer_count;
    if (from->local_count)
        memcpy(p->locals, from->locals, from->local_count * sizeof *p->locals);
    p->local_count = from->local_count;
    return p;
}

/* Bindings become 0, 1, 2 .., and the last one is the copy's own. */
static void vyi_guard_bind(vyre_runner *r, vyre_program *p)
{
    for (uint32_t i = 0; i < r->buffer_count; i++) {
        vyi_buffer *b = &p->buffers[r->buffers[i].declared - r->desc.program->buffers];
        b->binding = i;
        r->buffers[i].declared = b;
    }
    vyi_buffer *own = &p->buffers[p->buffer_count++];
    memset(own, 0, sizeof *own);
    own->name = "cut";
    own->binding = r->buffer_count;
    own->type = VYRE_TYPE_U32;
    own->access = VYRE_ACCESS_READ_WRITE;
    own->count = 1;
    r->buffers[r->buffer_count].declared = own;
    r->buffers[r->buffer_count].size = 4;
    r->bound_count = r->buffer_count + 1;
}

static void vyi_guard_fill(vyi_guard *g)
{
    for (uint32_t i = 0; i < VYI_GUARD_CONSTS; i++)
        vyi_guard_put(g, VYI_OP_CONST, VYRE_TYPE_U32)->arg[0] = i;
    for (uint32_t i = 0; i < g->from->count; i++)
        vyi_guard_copy(g, i);
    vyi_guard_link(g);
    g->to->finished = true;
}

VYI_API vyre_status vyi_runner_guard(vyre_runner *r, uint32_t limit, vyre_error *err)
{
    const vyre_program *from = r->desc.program;
    const uint32_t loops = limit ? vyi_guard_loops(from) : 0;
    const size_t size = (size_t)from->count * sizeof(uint32_t);
    vyi_guard g;
    VYRE_ASSERT(r->program == from);
    if (loops == 0)
        return VYRE_OK;
    if (r->buffer_count == VYRE_MAX_BINDINGS)
        return vyi_fail(err, VYRE_E_VK_LIMIT, r->buffer_count, "Use one buffer less.",
                        "a program with loops has %u bindings, and one more is needed to say "
                        "that a loop was cut", (unsigned)r->buffer_count);
    g.from = from;
    g.to = vyi_guard_begin(r, loops);
    g.at = g.to ? (uint32_t *)vyi_alloc(&r->desc.allocator, size) : NULL;
    if (!g.at) {
        vyre_program_destroy(g.to);
        return vyi_fail_nomem(err, size);
    }
    vyi_guard_bind(r, g.to);
    vyi_guard_fill(&g);
    vyi_free(&r->desc.allocator, g.at, size);
    r->program = r->guarded = g.to;
    r->limit = limit;
    return VYRE_OK;
}

VYI_API void vyi_runner_unguard(vyre_runner *r)
{
    const vyre_program *to = r->guarded;
    for (uint32_t i = 0; to && i < r->buffer_count; i++)
        r->buffers[i].declared = &r->desc.program->buffers[r->buffers[i].declared - to->buffers];
    vyre_program_destroy(r->guarded);
    r->guarded = NULL;
    r->program = r->desc.program;
    r->bound_count = r->buffer_count;
}

VYI_API bool vyi_runner_was_cut(vyre_runner *r)
{
    uint32_t *word = r->guarded ? (uint32_t *)r->buffers[r->buffer_count].map : NULL;
    if (!word || *word == 0)
        return false;
    *word = 0;
    return true;
}

#endif /* VYRE_NO_RUNNER */

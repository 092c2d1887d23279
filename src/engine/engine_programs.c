/* ==========================================================================
 * engine: what a handle is built of
 *
 * Private.  Its programs, the memory for all that is kept of each slot, the shares of
 * the ring, the table of its opcodes.
 * ======================================================================= */
#include "engine/engine_slots_impl.h"
#include "kernel/kernel_impl.h"

/* --- open: programs, memory ---------------------------------------------- */

/* What one program after another is built from; `built` until one fails. */
typedef struct vyi_builder {
    vyre_kernel_desc kernel;
    vyre_kernel_host host;
    vyi_wide_host    wide;
    bool             built;
    vyre_error       how;
} vyi_builder;

static void vyi_program_build(vyi_builder *b, vyre_program **out)
{
    if (b->built)
        *out = vyi_kernel_build(&b->kernel, &b->host, &b->wide, &b->how);
    b->built = *out != NULL;
}

/* bench/cancel has a handle whose kernel does not read them. */
#ifndef VYI_CANCEL_WORDS
    #define VYI_CANCEL_WORDS true
#endif

static vyi_builder vyi_builder_begin(const vyre *v)
{
    vyi_builder b;
    memset(&b, 0, sizeof b);
    b.kernel = v->desc.kernel;
    if (!b.kernel.messages.message)
        b.kernel.messages = v->desc.messages;
    b.host.mirror_binding = v->buffers.list[v->queue.slots.mirror].binding;
    b.host.cancel_binding =
        VYI_CANCEL_WORDS ? v->buffers.list[v->queue.slots.cancel].binding : 0;
    b.host.count_each = v->backend->abort != NULL; /* its passes may be ended in the middle */
    if (v->queue.wides.count)
        b.wide.binding = v->buffers.list[v->queue.wides.buffer].binding;
    if (v->queue.order.count)
        b.wide.events = v->buffers.list[v->queue.order.buffer].binding;
    if (v->desc.kernel.children)
        b.wide.children = v->buffers.list[v->queue.children.buffer].binding;
    b.wide.apart = v->backend->era != NULL;
    if (v->desc.trace_events)
        b.wide.times = v->buffers.list[v->trace.times].binding;
    b.built = true;
    return b;
}

VYI_COLD
VYI_API vyre_status vyi_programs_build(vyre *v, vyre_error *err)
{
    vyi_builder b = vyi_builder_begin(v);
    const bool wide = v->queue.wides.count != 0, order = v->queue.order.count != 0;
    b.wide.groups = wide;
    vyi_program_build(&b, &v->programs.loop);
    b.wide.groups = false;
    b.kernel.once = true;
    vyi_program_build(&b, &v->programs.once);
    if (wide) {
        b.wide.pass = true;
        vyi_program_build(&b, &v->programs.tiles);
        b.wide.pass = false;
    }
    b.kernel.once = false;
    b.wide.groups = wide;
    b.host.whole_slots = true;
    if (v->backend->shapes && vyi_shape_of(&b.kernel, &b.host).whole)
        vyi_program_build(&b, &v->programs.whole);
    b.host.one_lane = true;
    b.kernel.workgroup_size = b.kernel.lane_count = 1;
    if (v->backend->shapes && !wide && !order &&
        vyi_shape_of(&b.kernel, &b.host).frame == VYI_FRAME_ONE_LANE)
        vyi_program_build(&b, &v->programs.narrow);
    if (!b.built && err)
        *err = b.how;
    return b.built ? VYRE_OK : b.how.status;
}

static size_t vyi_slots_memory(const vyre *v)
{
    const size_t each = sizeof(void *) + 5 * sizeof(uint32_t) + sizeof(vyi_trouble);
    const size_t slots = v->queue.slots.count;
    const size_t records = v->desc.lost_work == VYRE_LOST_RERUN ? slots : 0;
    const size_t ages = v->desc.ages ? slots * sizeof(uint32_t) : 0;
    return VYI_CACHE_LINE - 1 + slots * each + records * sizeof(vyre_work) + ages +
           v->desc.kernel.log_records * sizeof(vyre_log_record);
}

/* One block for all that is kept of each slot. */
VYI_COLD
VYI_API vyre_status vyi_slots_allocate(vyre *v, vyre_error *err)
{
    vyi_slots *s = &v->queue.slots;
    const uint32_t slots = s->count;
    const size_t size = vyi_slots_memory(v);
    uint8_t *block = (uint8_t *)vyi_arena_alloc(&v->arena, size);
    if (!block)
        return vyi_fail_nomem(err, size);
    block += (VYI_CACHE_LINE - (uintptr_t)block % VYI_CACHE_LINE) % VYI_CACHE_LINE;
    s->owners = (void **)(void *)block;
    s->marks = (uint32_t *)(void *)(s->owners + slots); /* of 16 slots: a cache line */
    s->kept = s->marks + slots;
    s->wishes = s->kept + slots;
    v->run.marks = s->wishes + slots;
    v->run.works = v->run.marks + slots;
    s->trouble = (vyi_trouble *)(void *)(v->run.works + slots);
    v->log = (vyre_log_record *)(void *)(s->trouble + slots);
    if (v->desc.lost_work == VYRE_LOST_RERUN)
        s->record = (vyre_work *)(void *)(v->log + v->desc.kernel.log_records);
    if (v->desc.ages) /* the block's last words */
        s->ages = (uint32_t *)(void *)(v->log + v->desc.kernel.log_records) +
                  (s->record ? slots * (sizeof(vyre_work) / sizeof(uint32_t)) : 0);
    for (uint32_t slot = 0; slot < slots; slot++)
        s->owners[slot] = slot < s->lanes ? &s->pool : &v->queue.wides.owner;
    return VYRE_OK;
}

/* A share for each of the kernel's partitions, or one. */
VYI_COLD
VYI_API void vyi_shares_plan(vyi_queue *q)
{
    const bool priority = q->v->desc.kernel.kind == VYRE_KERNEL_PRIORITY;
    uint32_t offsets[VYRE_PRIORITY_LEVELS + 1] = { 0, q->slots.lanes };
    q->slots.levels = priority ? VYRE_PRIORITY_LEVELS : 1;
    if (priority)
        vyi_priority_fill(q->slots.lanes, offsets);
    for (uint32_t i = 0; i < q->slots.levels; i++) {
        vyi_share *share = &q->slots.pool.shares[i];
        share->first = offsets[i];
        share->count = offsets[i + 1] - offsets[i];
        share->look_mask = vyi_look_mask(share->count);
    }
}

/* --- open: opcodes ------------------------------------------------------- */

static void vyi_opcode_add(vyi_opcodes *o, uint32_t opcode)
{
    vyi_opcode *place = &o->list[vyi_opcode_place(o, opcode)];
    place->opcode = opcode;
    place->known = 1;
}

VYI_COLD
VYI_API vyre_status vyi_opcodes_plan(vyre *v, vyre_error *err)
{
    static const uint32_t builtin[] = {
#define VYI_OPCODE_NUMBER(name, number, text) number,
        VYRE_OPCODE_LIST(VYI_OPCODE_NUMBER)
#undef VYI_OPCODE_NUMBER
    };
    const uint32_t builtins = (uint32_t)(sizeof builtin / sizeof builtin[0]);
    const vyre_kernel_desc *k = &v->desc.kernel;
    vyi_opcodes *o = &v->opcodes;
    uint32_t bits = 6;
    while (bits < 31 && (1u << bits) / 2 < (uint64_t)builtins + k->handler_count)
        bits++;
    o->any = k->kind == VYRE_KERNEL_JIT || v->desc.unknown_opcodes;
    o->shift = 32 - bits;
    o->mask = (1u << bits) - 1;
    o->list = (vyi_opcode *)vyi_arena_alloc(&v->arena, sizeof *o->list << bits);
    if (!o->list)
        return vyi_fail_nomem(err, sizeof *o->list << bits);
    for (uint32_t i = 0; i < builtins; i++) {
        if (builtin[i] != VYRE_OP_LOAD_MISS || k->load_miss)
            vyi_opcode_add(o, builtin[i]);
    }
    for (uint32_t i = 0; i < k->handler_count; i++)
        vyi_opcode_add(o, k->handlers[i].opcode);
    return VYRE_OK;
}

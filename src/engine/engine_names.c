/* ==========================================================================
 * engine: words for slots
 *
 * What a slot holds, in a line of text, for errors that tell of a work which
 * does not end.  The handlers' names are the caller's no longer once the handle
 * is open, so they are kept.
 * ======================================================================= */
#include "engine/engine_slots_impl.h"
#include "wire/wire_impl.h"

VYI_COLD
VYI_API vyre_status vyi_names_keep(vyre *v, vyre_error *err)
{
    const vyre_kernel_desc *k = &v->desc.kernel;
    const size_t size = k->handler_count * sizeof(vyi_handler_name_of);
    if (k->handler_count == 0)
        return VYRE_OK;
    v->names.list = (vyi_handler_name_of *)vyi_arena_alloc(&v->arena, size);
    if (!v->names.list)
        return vyi_fail_nomem(err, size);
    for (uint32_t i = 0; i < k->handler_count; i++) {
        v->names.list[i].opcode = k->handlers[i].opcode;
        v->names.list[i].name = vyi_arena_text(&v->arena, k->handlers[i].name, VYRE_MAX_NAME);
        if (!v->names.list[i].name)
            return vyi_fail_nomem(err, VYRE_MAX_NAME);
    }
    v->names.count = k->handler_count;
    return VYRE_OK;
}

VYI_COLD
VYI_API const char *vyi_handler_name(const vyre *v, uint32_t opcode)
{
    for (uint32_t i = 0; i < v->names.count; i++) {
        if (v->names.list[i].opcode == opcode && v->names.list[i].name[0])
            return v->names.list[i].name;
    }
    return vyre_opcode_name(opcode);
}

/* --- where a work is -------------------------------------------------------- */

static const uint32_t *vyi_slot_words(const vyi_queue *q, uint32_t slot)
{
    VYRE_ASSERT(slot < q->slots.count);
    return vyi_device_words(vyi_queue_device(q), VYI_ROLE_RING) + (size_t)slot * VYRE_SLOT_WORDS;
}

/* The IO request whose answer the slot's lane waits for, or VYRE_IO_SLOTS. */
static uint32_t vyi_slot_io(const vyi_queue *q, uint32_t slot)
{
    const vyi_device *d = vyi_queue_device(q);
    const uint32_t *io = vyi_device_words(d, VYI_ROLE_IO);
    const uint32_t *names = vyi_device_words(d, q->slots.mirror) + q->slots.count +
                            VYI_WIDE_SLOTS + VYRE_IO_SLOTS * (q->v->desc.kernel.tasks ? 2u : 1u);
    uint32_t i = 0;
    while (i < VYRE_IO_SLOTS && (vyi_le32(vyi_load_relaxed(names + i)) != slot + 1 ||
                                 vyi_load_relaxed(io + 8 * i + VYRE_IO_STATUS) == 0))
        i++;
    return i;
}

/* How far the groups are that have chunks of the slot's work, or had: in a pass all of
 * them, of a running kernel those that were claimed. */
static bool vyi_where_groups(const vyi_queue *q, uint32_t slot, vyi_where *out)
{
    const uint32_t at = slot - q->slots.lanes;
    const uint32_t *words = vyi_device_words(vyi_queue_device(q), q->wides.buffer);
    const uint32_t *state = words + VYI_WIDE_STATES + at * VYI_WIDE_STATE_WORDS;
    const uint32_t next = vyi_le32(vyi_load_acquire(state + VYI_WIDE_NEXT));
    const uint32_t pass = vyi_le32(vyi_load_relaxed(words + VYI_WIDE_HEAD + VYI_WIDE_PASS_SLOT));
    const bool claimed = (next & VYI_GATE_COUNT) != 0 &&
                         next >> VYI_GATE_GENERATION ==
                             vyi_load_relaxed(&q->wides.generations[at]);
    if (vyi_load_relaxed(&q->wides.gated) ? !claimed : pass != slot)
        return false;
    out->kind = VYI_WHERE_GROUPS;
    out->which = vyi_le32(vyi_load_acquire(state + VYI_WIDE_FINISHED)) & ~VYI_WIDE_FAULTED;
    out->of = vyi_le32(vyi_load_relaxed(words + VYI_WIDE_CHUNKS + at)) & VYI_GATE_COUNT;
    return true;
}

/* Of a work that nobody has claimed. */
static void vyi_where_queued(const vyi_queue *q, uint32_t slot, vyi_where *out)
{
    const uint32_t tenant = vyi_slot_tenant(q->v, vyi_slot_words(q, slot));
    out->kind = VYI_WHERE_QUEUED;
    if (vyi_order_missing(q, slot, out) ||
        (slot >= q->slots.lanes && vyi_where_groups(q, slot, out)))
        return;
    if (tenant >= VYRE_MAX_TENANTS ||
        vyi_control_load(vyi_queue_device(q), VYRE_CONTROL_TENANT_MASKS + tenant) == 0)
        out->kind = VYI_WHERE_TENANT;
}

VYI_COLD
VYI_API vyi_where vyi_slot_where(const vyi_queue *q, uint32_t slot)
{
    vyi_where w;
    memset(&w, 0, sizeof w);
    w.by = VYI_WHERE_NOBODY;
    w.kind = VYI_WHERE_NOWHERE;
    if (!vyi_mark_is_out(vyi_load_acquire(&q->slots.marks[slot])) ||
        vyi_slot_outcome(q, slot) != 0)
        return w;
    switch (vyi_le32(vyi_load_acquire(vyi_slot_words(q, slot) + VYRE_SLOT_STATUS))) {
    case VYRE_SLOT_PUBLISHED:
    case VYRE_SLOT_YIELD:
    case VYRE_SLOT_REQUEUE: vyi_where_queued(q, slot, &w); break;
    case VYRE_SLOT_WAIT_IO: w.kind = VYI_WHERE_PAUSED; break;
    case VYRE_SLOT_CLAIMED:
        w.kind = VYI_WHERE_RUNS;
        if (slot >= q->slots.lanes && vyi_where_groups(q, slot, &w)) /* of a pass */
            break;
        w.which = vyi_slot_io(q, slot);
        w.kind = w.which < VYRE_IO_SLOTS ? VYI_WHERE_IO : VYI_WHERE_RUNS;
        break;
    default: break;
    }
    return w;
}

static void vyi_where_text(const vyi_where *w, char *text, size_t size)
{
    text[0] = '\0';
    switch (w->kind) {
    case VYI_WHERE_IO: snprintf(text, size, ", at IO request %u", w->which); break;
    case VYI_WHERE_GROUPS: snprintf(text, size, ", %u of %u chunks ended", w->which, w->of); break;
    case VYI_WHERE_EVENT:
        if (w->by != VYI_WHERE_NOBODY)
            snprintf(text, size, ", after slot %u", w->by);
        else
            snprintf(text, size, ", after event %u, which no work signals", w->which);
        break;
    case VYI_WHERE_TENANT: snprintf(text, size, ", which has no rights"); break;
    default: break;
    }
}

VYI_COLD
VYI_API const char *vyi_slot_text(const vyi_queue *q, uint32_t slot, char *text, size_t size)
{
    const uint32_t *at = vyi_slot_words(q, slot);
    const uint32_t status = vyi_le32(vyi_load_acquire(at + VYRE_SLOT_STATUS));
    const uint32_t opcode = vyi_le32(vyi_load_relaxed(at + VYRE_SLOT_OPCODE));
    const vyi_where w = vyi_slot_where(q, slot);
    char where[48];
    vyi_where_text(&w, where, sizeof where);
    snprintf(text, size, "slot %u is %s, opcode 0x%x (%.24s), tenant %u%s", slot,
             vyre_slot_state_name(vyi_slot_state_of(status)), opcode,
             vyi_handler_name(q->v, opcode), vyi_slot_tenant(q->v, at), where);
    return text;
}

/* What `what` did, in the slot's own words; the name of the buffer, if it has one. */
static void vyi_bounds_text(const vyi_queue *q, uint32_t opcode, const uint32_t found[3],
                            vyre_error *err)
{
    static const char *const kinds[] = { "a load", "a store", "an atomic operation" };
    const vyre *v = q->v;
    const char *handler = vyi_handler_name(v, opcode);
    const uint32_t kind = found[0], slot = (uint32_t)err->at;
    const uint32_t index = found[1] < v->buffers.user_count ? v->buffers.user_index[found[1]]
                                                            : VYI_MAX_BUFFERS;
    if (kind == VYRE_BOUNDS_ARGUMENT)
        vyi_fail(err, VYRE_E_FAULT, slot, "Give the work more arguments, or ask for fewer.",
                 "slot %u ended FAULT: %.40s uses arg[%u], which the work did not give", slot,
                 handler, found[2]);
    else if (kind == VYRE_BOUNDS_HEADER)
        vyi_fail(err, VYRE_E_FAULT, slot, "Leave words 0..159 alone; observables come after them.",
                 "slot %u ended FAULT: %.40s stores into control[%u]", slot, handler, found[2]);
    else if (kind >= VYRE_BOUNDS_LOAD && kind <= VYRE_BOUNDS_ATOMIC && index < v->buffers.count)
        vyi_fail(err, VYRE_E_FAULT, slot, "Correct the index, or give the buffer more words.",
                 "slot %u ended FAULT: %.24s: %s at %.24s[%u], buffer %u, of %lu words", slot,
                 handler, kinds[kind - 1], v->buffers.list[index].name, found[2], found[1],
                 (unsigned long)(v->buffers.list[index].size / 4));
    else if (kind >= VYRE_BOUNDS_LOAD && kind <= VYRE_BOUNDS_ATOMIC)
        vyi_fail(err, VYRE_E_FAULT, slot, "Correct the index, or give the array more words.",
                 "slot %u ended FAULT: %.24s: %s at word %u of the array %u", slot, handler,
                 kinds[kind - 1], found[2], found[1]);
}

/* The slot's words are read before it is asked whether they still are this work's. */
VYI_COLD
VYI_API void vyi_bounds_tell(const vyi_queue *q, vyre_ticket t, uint32_t code, vyre_error *err)
{
    const uint32_t slot = VYI_TICKET_SLOT(t);
    if (code != VYRE_FAULT_BOUNDS || !err || err->status != VYRE_E_FAULT ||
        vyi_load_acquire(&q->state) == VYI_STATE_LOST)
        return;
    const uint32_t *at = vyi_device_words(vyi_queue_device(q), VYI_ROLE_RING) +
                         (size_t)slot * VYRE_SLOT_WORDS;
    const uint32_t opcode = vyi_le32(vyi_load_relaxed(at + VYRE_SLOT_OPCODE));
    uint32_t found[3];
    for (uint32_t i = 0; i < 3; i++)
        found[i] = vyi_le32(vyi_load_acquire(at + VYRE_SLOT_ARGS + VYRE_BOUNDS_ARG + i));
    if (vyi_mark_generation(vyi_load_acquire(&q->slots.marks[slot])) == t.generation)
        vyi_bounds_text(q, opcode, found, err);
    err->native = (int32_t)code;
}

VYI_COLD
VYI_API const char *vyi_claimed_text(const vyi_queue *q, char *text, size_t size)
{
    for (uint32_t slot = 0; slot < q->slots.count; slot++) {
        const vyi_where w = vyi_slot_where(q, slot);
        if (w.kind <= VYI_WHERE_GROUPS)
            return vyi_slot_text(q, slot, text, size);
    }
    snprintf(text, size, "no slot is CLAIMED");
    return text;
}

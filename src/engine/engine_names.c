/* ==========================================================================
 * engine: words for slots, and events
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

VYI_COLD
VYI_API const char *vyi_slot_text(const vyi_queue *q, uint32_t slot, char *text, size_t size)
{
    const uint32_t *at = vyi_device_words(vyi_queue_device(q), VYI_ROLE_RING) +
                         (size_t)slot * VYRE_SLOT_WORDS;
    const uint32_t status = vyi_le32(vyi_load_acquire(at + VYRE_SLOT_STATUS));
    const uint32_t opcode = vyi_le32(vyi_load_relaxed(at + VYRE_SLOT_OPCODE));
    const uint32_t tenant = vyi_le32(vyi_load_relaxed(at + VYRE_SLOT_TENANT));
    snprintf(text, size, "slot %u is %s, opcode 0x%x (%.32s), tenant %u", slot,
             vyre_slot_state_name(vyi_slot_state_of(status)), opcode,
             vyi_handler_name(q->v, opcode), tenant);
    return text;
}

VYI_COLD
VYI_API const char *vyi_claimed_text(const vyi_queue *q, char *text, size_t size)
{
    const uint32_t *ring = vyi_device_words(vyi_queue_device(q), VYI_ROLE_RING);
    for (uint32_t slot = 0; slot < q->slots.count; slot++) {
        const uint32_t *at = ring + (size_t)slot * VYRE_SLOT_WORDS;
        if (vyi_le32(vyi_load_acquire(at + VYRE_SLOT_STATUS)) == VYRE_SLOT_CLAIMED)
            return vyi_slot_text(q, slot, text, size);
    }
    snprintf(text, size, "no slot is CLAIMED");
    return text;
}

/* --- events --------------------------------------------------------------- */

VYI_COLD
VYI_API vyre_status vyi_trace_begin(vyre *v, vyre_error *err)
{
    uint32_t count = 16;
    if (v->desc.trace_events == 0)
        return VYRE_OK;
    if (v->desc.trace_events > VYI_TRACE_MOST)
        return vyi_fail(err, VYRE_E_OVF, v->desc.trace_events, "Keep 65536 events, or so.",
                        "%u events to be kept exceed %u", v->desc.trace_events, VYI_TRACE_MOST);
    while (count < v->desc.trace_events)
        count *= 2;
    v->trace.events = (uint32_t *)vyi_arena_alloc(&v->arena, (size_t)count * 16);
    if (!v->trace.events)
        return vyi_fail_nomem(err, (size_t)count * 16);
    v->trace.mask = count - 1;
    return VYRE_OK;
}

/* The time goes last: who reads an event looks afterwards whether it can have been
 * overwritten (vyi_trace_read). */
VYI_API void vyi_trace_note(vyre *v, vyi_trace_kind kind, uint32_t slot, uint32_t value)
{
    vyi_trace *t = &v->trace;
    const uint64_t time = vyi_now();
    uint32_t *at = t->events + 4 * (size_t)(vyi_fetch_add(&t->head, 1) & t->mask);
    vyi_store_relaxed(at + 2, (uint32_t)kind << VYI_TRACE_KIND_BIT | slot);
    vyi_store_relaxed(at + 3, value);
    vyi_store_relaxed(at + 1, (uint32_t)(time >> 32));
    vyi_store_release(at, (uint32_t)time);
}

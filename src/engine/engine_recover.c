/* ==========================================================================
 * engine: another device for a lost one
 *
 * Private.  What was in flight is reported, or runs again, by the host's own record of
 * it: what the lost device has left in mapped memory means nothing.
 * ======================================================================= */
#include "engine/engine_slots_impl.h"

/* What becomes of a held slot's mark, decided by what had been seen of its work. */
static uint32_t vyi_slot_recover(vyi_queue *q, vyi_device *d, uint32_t slot)
{
    const uint32_t mark = q->slots.kept[slot];
    const uint32_t generation = mark >> VYI_GENERATION_BIT;
    const uint32_t next = (generation + 1u) & VYI_GENERATION_MASK;
    const uint32_t epoch = ~mark & VYI_MARK_EPOCH;

    const uint32_t phase = mark & VYI_PHASE_MASK;
    if (phase == VYI_PHASE_FLIGHT || phase == VYI_PHASE_KEPT) {
        const bool kept = phase == VYI_PHASE_KEPT;
        const bool whole = q->order.count && q->order.runs[slot]; /* its graph runs again, or is
                                                                     reported, as one */
        if (q->slots.record && !whole) {
            vyi_wish_renew(q, d, slot, generation);
            vyi_slots_write(q, d, slot, &q->slots.record[slot], 1);
            if (slot >= q->slots.lanes)
                vyi_wide_raise(q, d, slot, &q->slots.record[slot]);
            return generation << VYI_GENERATION_BIT | epoch | phase;
        }
        vyi_slot_trouble(q, slot, generation, VYI_TROUBLE_LOST, whole && q->slots.record);
        return generation << VYI_GENERATION_BIT | epoch |
               (kept ? VYI_PHASE_ENDED : VYI_PHASE_FREE);
    }
    if (phase == VYI_PHASE_ENDED && q->slots.trouble[slot].generation == generation)
        return mark ^ VYI_MARK_EPOCH; /* there is no result, and its outcome is still to be told */
    /* Results are gone with the device, so the generation is over. */
    return (generation ? (next ? next : 1) : 0) << VYI_GENERATION_BIT | epoch | VYI_PHASE_FREE;
}

/* A device that does what the program wants. */
static vyre_status vyi_recover_open(vyi_queue *q, vyi_device **d, vyre_mode *mode,
                                    vyre_error *err)
{
    vyre_status status = vyi_device_open(q, d, err);
    if (status != VYRE_OK)
        return status;
    status = vyi_mode_choose(q, *d, mode, err);
    if (status != VYRE_OK)
        (void)q->v->backend->close(*d);
    return status;
}

/* All slots are held.  What of their works is not lost lies in the new device's ring
 * afterwards. */
static void vyi_recover_slots(vyi_queue *q, vyi_device *d)
{
    vyi_wide_number(&q->wides);
    for (uint32_t slot = 0; slot < q->slots.count; slot++)
        vyi_store_release(&q->slots.kept[slot], vyi_slot_recover(q, d, slot));
    if (q->order.count)
        vyi_order_recover(q);
}

/* The program's callback comes when no slot is held any more, or threads that wait
 * for one would wait for the program; and before anything is launched. */
VYI_COLD
VYI_API vyre_status vyi_queue_replace(vyi_queue *q, vyre_error *err)
{
    vyi_device *d = NULL;
    vyre_mode mode;
    if (!vyi_grow(&q->v->desc.allocator, &q->loss.retired, &q->loss.retired_capacity,
                  q->loss.count + 1, sizeof(void *)))
        return vyi_fail_nomem(err, (q->loss.count + 1) * sizeof(void *));
    const vyre_status status = vyi_recover_open(q, &d, &mode, err);
    if (status != VYRE_OK)
        return status;

    (void)vyi_queue_hold(q, true);
    ((void **)q->loss.retired)[q->loss.count] = vyi_queue_device(q);
    vyi_store_release(&q->loss.count, q->loss.count + 1);
    vyi_store_pointer(&q->device, d);
    vyi_mode_set(q, d, mode);
    vyi_mutex_lock(&q->v->brief); /* a tenant may have been disabled since it was opened */
    vyi_tenants_write(q->v, d, 0, q->v->desc.tenants);
    vyi_mutex_unlock(&q->v->brief);
    vyi_chain_begin(q);
    if (q->tuned.tuner)
        q->tuned.tuner->renew(q);
    vyi_queue_look_anew(q);
    vyi_store_release(&q->aborted, 0);
    vyi_store_relaxed(&q->log_tail, 0); /* the device's is 0, too */
    vyi_recover_slots(q, d);
    vyi_queue_unhold(q);
    vyi_store_release(&q->loss.replaced, 1);
    if (q->v->desc.recovered)
        q->v->desc.recovered(q->v->desc.recovered_user, q->v);
    vyi_store_release(&q->loss.replaced, 0);
    vyi_queue_to(q, q->loss.was_running ? VYI_STATE_RUNNING : VYI_STATE_IDLE);
    vyi_message(&q->v->desc.messages, VYRE_SEVERITY_INFO, "the device was replaced (%u)",
                q->loss.count);
    return VYRE_OK;
}

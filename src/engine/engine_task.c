/* ==========================================================================
 * engine: works that have paused
 *
 * A slot whose mirror word says WAIT_IO is nobody's on the device: the status there was
 * stored before, and no lane claims it.  So the host may write it without a locked
 * instruction, one thread at a time, who has the slot's mark ENDING.  To everybody else
 * the work is under way all the while: its slot is not used again, its callback waits.
 *
 *     mark ENDING      others keep off
 *     data, flag       relaxed
 *     mirror = 0       release: who sees the work go on does not see it paused
 *     PUBLISHED        release: pairs with the claim's acquire
 *     mark as it was
 * ======================================================================= */
#include "engine/engine_slots_impl.h"
#include "kernel/kernel_impl.h"

/* Of a paused work whose mark is the caller's. */
static void vyi_task_publish(vyi_queue *q, uint32_t slot, const uint32_t *data)
{
    vyi_device *d = vyi_queue_device(q);
    uint32_t *at = vyi_device_words(d, VYI_ROLE_RING) + (size_t)slot * VYRE_SLOT_WORDS;
    VYRE_ASSERT(slot < q->slots.lanes && vyi_slot_is_paused(q, slot));
    if (data)
        vyi_store_relaxed(at + VYI_TASK_DATA, vyi_le32(*data));
    vyi_store_relaxed(at + VYI_TASK_FLAGS, vyi_le32(VYRE_TASK_RESUMED));
    vyi_store_release(vyi_device_words(d, q->slots.mirror) + slot, 0);
    if (d->write_combined)
        vyi_fence_stores();
    vyi_store_release(at + VYRE_SLOT_STATUS, vyi_le32(VYRE_SLOT_PUBLISHED));
    if (d->write_combined)
        vyi_fence_stores();
}

VYI_API bool vyi_task_go_on(vyi_queue *q, vyre_ticket t, const uint32_t *data)
{
    const uint32_t slot = VYI_TICKET_SLOT(t);
    const uint32_t mark = vyi_load_acquire(&q->slots.marks[slot]);
    if (vyi_mark_generation(mark) != t.generation || !vyi_mark_is_out(mark) ||
        !vyi_slot_is_paused(q, slot) ||
        !vyi_mark_move(q, slot, mark, vyi_mark_with(mark, VYI_PHASE_ENDING)))
        return false;
    const bool paused = vyi_slot_is_paused(q, slot); /* nobody has let it go on meanwhile */
    if (paused)
        vyi_task_publish(q, slot, data);
    vyi_store_release(&q->slots.marks[slot], mark);
    if (paused)
        vyi_queue_wake(q);
    return paused;
}

VYRE_API vyre_status vyre_resume(vyre *v, vyre_ticket t, const uint32_t *data, vyre_error *err)
{
    if (!v)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle.", "the handle is NULL");
    vyi_queue *q = &v->queue;
    vyre_status status = vyi_queue_takes_work(q, err);
    if (status != VYRE_OK)
        return status;
    uint32_t code = 0;
    while ((status = vyi_ticket_look(q, t, &code)) == VYRE_PAUSED) {
        if (vyi_task_go_on(q, t, data)) {
            (void)vyi_queue_nudge(q, VYI_EFFORT_LOOK, NULL);
            return VYRE_OK;
        }
        vyi_yield(); /* somebody else has the slot in hand */
    }
    vyi_tell_end(v, t, status, code);
    if (status == VYRE_OK || status == VYRE_PENDING)
        return vyi_fail(err, VYRE_E_TASK_STATE, VYI_TICKET_SLOT(t),
                        "Wait until the ticket says VYRE_PAUSED; one call lets it go on.",
                        "the work in slot %u has not paused: it %s", VYI_TICKET_SLOT(t),
                        status == VYRE_OK ? "has ended" : "is under way");
    return vyi_ticket_explain(err, status, t, code);
}

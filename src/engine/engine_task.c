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
 *
 * A work that waits for an IO request (kernel_io.c) is the same to the device, with another
 * word in the mirror and another status to go on from.  To the host it is under way: the
 * pump lets it go on, or a cancel.
 * ======================================================================= */
#include "engine/engine_slots_impl.h"
#include "kernel/kernel_impl.h"

/* The word that says who waits for the IO slot. */
static uint32_t *vyi_task_waits_word(const vyi_queue *q, uint32_t io_slot)
{
    VYRE_ASSERT(io_slot < VYRE_IO_SLOTS && q->v->desc.kernel.tasks);
    return vyi_device_words(vyi_queue_device(q), q->slots.mirror) + q->slots.count +
           VYI_WIDE_SLOTS + VYRE_IO_SLOTS + io_slot;
}

/* Of a work that is at rest, and whose mark is the caller's.  Who waited for an IO slot has
 * it until its lane finds the slot ANSWERED: before that nobody else says to wait for it. */
static void vyi_task_publish(vyi_queue *q, uint32_t slot, const uint32_t *data)
{
    vyi_device *d = vyi_queue_device(q);
    uint32_t *at = vyi_device_words(d, VYI_ROLE_RING) + (size_t)slot * VYRE_SLOT_WORDS;
    const uint32_t parked = vyi_mirror_parked(vyi_slot_mirror_word(q, slot));
    VYRE_ASSERT(slot < q->slots.lanes && parked <= VYRE_IO_SLOTS);
    if (parked)
        vyi_store_relaxed(vyi_task_waits_word(q, parked - 1), 0);
    else if (data)
        vyi_store_relaxed(at + VYI_TASK_DATA, vyi_le32(*data));
    if (!parked)
        vyi_store_relaxed(at + VYI_TASK_FLAGS, vyi_le32(VYRE_TASK_RESUMED));
    vyi_store_release(vyi_device_words(d, q->slots.mirror) + slot, 0);
    if (d->write_combined)
        vyi_fence_stores();
    vyi_store_release(at + VYRE_SLOT_STATUS,
                      vyi_le32(parked ? VYI_SLOT_ANSWERED | parked << VYI_PARKED_SHIFT
                                      : (uint32_t)VYRE_SLOT_PUBLISHED));
    if (d->write_combined)
        vyi_fence_stores();
}

/* A work that is at rest as `mirror` says, and whose mark was `mark`. */
static bool vyi_task_let_go(vyi_queue *q, uint32_t slot, uint32_t mark, uint32_t mirror,
                            const uint32_t *data)
{
    if (VYI_MIRROR_STATUS(mirror) != VYRE_SLOT_WAIT_IO || !vyi_mark_is_out(mark) ||
        vyi_slot_mirror_word(q, slot) != mirror ||
        !vyi_mark_move(q, slot, mark, vyi_mark_with(mark, VYI_PHASE_ENDING)))
        return false;
    /* Nobody has let it go on meanwhile. */
    const bool rests = vyi_slot_mirror_word(q, slot) == mirror;
    if (rests)
        vyi_task_publish(q, slot, data);
    vyi_store_release(&q->slots.marks[slot], mark);
    if (rests)
        vyi_queue_wake(q);
    return rests;
}

VYI_API bool vyi_task_go_on(vyi_queue *q, vyre_ticket t, uint32_t mirror, const uint32_t *data)
{
    const uint32_t slot = VYI_TICKET_SLOT(t);
    const uint32_t mark = vyi_load_acquire(&q->slots.marks[slot]);
    return vyi_mark_generation(mark) == t.generation &&
           vyi_task_let_go(q, slot, mark, mirror, data);
}

/* The device says so, and the slot's own word is looked at before anything is believed. */
VYI_API uint32_t vyi_task_waits(const vyi_queue *q, uint32_t io_slot)
{
    const uint32_t who = vyi_le32(vyi_load_acquire(vyi_task_waits_word(q, io_slot)));
    if (who == 0 || who > q->slots.lanes ||
        vyi_mirror_parked(vyi_slot_mirror_word(q, who - 1)) != io_slot + 1)
        return VYI_NO_SLOT;
    return who - 1;
}

VYI_API bool vyi_task_answered(vyi_queue *q, uint32_t slot, uint32_t io_slot)
{
    const uint32_t mark = vyi_load_acquire(&q->slots.marks[slot]);
    const uint32_t mirror = VYRE_SLOT_WAIT_IO | (io_slot + 1) << VYI_PARKED_SHIFT;
    return vyi_task_let_go(q, slot, mark, mirror, NULL);
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
        if (vyi_task_go_on(q, t, VYRE_SLOT_WAIT_IO, data)) {
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

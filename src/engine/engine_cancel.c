/* ==========================================================================
 * engine: taking works back
 *
 * A slot that is PUBLISHED is the device's to change, and the host has no locked
 * instruction that a lane's atomic could not fall into.  So what the host wishes
 * stands in a word of its own, one for each slot, which whoever claims the slot
 * looks at once: not 0, and the work ends FAULT(CANCELLED) without having run.
 *
 * The word names no work, so it may be set only while the slot cannot be given to
 * the next one.  Who sets it has the mark ENDING: publishers pass the slot by.  Its
 * owner may have decided just before that the slot is free, and then says so by a
 * plain store: it is waited for, and if the mark is not ENDING any more, the work
 * has ended.  The slot's next publisher clears the word before it publishes
 * (docs/memory-model.md).
 * ======================================================================= */
#include "engine/engine_slots_impl.h"

/* True: the mark, which was *mark, is the caller's to move on, and nobody makes the
 * slot ready for another work before. */
static bool vyi_wish_begin(vyi_queue *q, vyre_ticket t, uint32_t *mark)
{
    const uint32_t slot = VYI_TICKET_SLOT(t);
    *mark = vyi_load_acquire(&q->slots.marks[slot]);
    const uint32_t mine = vyi_mark_with(*mark, VYI_PHASE_ENDING);
    if (vyi_mark_generation(*mark) != t.generation || !vyi_mark_is_out(*mark) ||
        !vyi_mark_move(q, slot, *mark, mine))
        return false;
    vyi_owner_pass(q, vyi_load_owner(q, slot));
    return vyi_load_acquire(&q->slots.marks[slot]) == mine;
}

/* Of a work that has not ended; the caller has its mark. */
static void vyi_wish_set(vyi_queue *q, uint32_t slot, uint32_t generation)
{
    const vyi_device *d = vyi_queue_device(q);
    VYRE_ASSERT(vyi_load_relaxed(&q->slots.wishes[slot]) == 0);
    vyi_store_relaxed(&q->slots.wishes[slot], generation);
    vyi_store_relaxed(&q->slots.wished, 1);
    vyi_wish_store(q, d, slot, 1);
    if (d->write_combined)
        vyi_fence_stores();
}

/* VYRE_PENDING: the wish stands; otherwise the work has ended, and how.  A work that has
 * paused, or waits for an IO request, goes on, so that somebody sees it. */
static vyre_status vyi_wish(vyi_queue *q, vyre_ticket t, uint32_t *code)
{
    const uint32_t slot = VYI_TICKET_SLOT(t);
    uint32_t mark = 0;
    for (;; vyi_yield()) {
        const vyre_status status = vyi_ticket_look(q, t, code);
        const bool wished = vyi_load_relaxed(&q->slots.wishes[slot]) == t.generation;
        if (!vyi_status_is_open(status))
            return status;
        if (wished) {
            const uint32_t mirror = vyi_slot_mirror_word(q, slot);
            if (status == VYRE_PENDING && !vyi_mirror_parked(mirror))
                return status;
            (void)vyi_task_go_on(q, t, mirror, NULL);
            continue;
        }
        if (!vyi_wish_begin(q, t, &mark))
            continue; /* it has ended, or somebody holds all slots */
        if (vyi_slot_outcome(q, slot) == 0)
            vyi_wish_set(q, slot, t.generation);
        vyi_store_release(&q->slots.marks[slot], mark);
    }
}

VYI_API void vyi_task_take_back(vyi_queue *q, vyre_ticket t)
{
    uint32_t code = 0;
    (void)vyi_wish(q, t, &code);
}

VYRE_API vyre_status vyre_cancel(vyre *v, vyre_ticket t, vyre_error *err)
{
    if (!v)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle.", "the handle is NULL");
    vyi_queue *q = &v->queue;
    uint32_t code = 0;
    vyre_status status = vyi_wish(q, t, &code);
    if (status == VYRE_PENDING) {
        vyi_queue_wake(q);
        (void)vyi_queue_nudge(q, VYI_EFFORT_LOOK, NULL);
        status = vyi_ticket_look(q, t, &code);
    }
    vyi_tell_end(v, t, status, code);
    if (status == VYRE_E_CANCELLED)
        return VYRE_OK;
    if (status == VYRE_PENDING)
        return vyi_news(err, status, VYI_TICKET_SLOT(t), "Its ticket tells.",
                        "the work is not to run; whether it does is not known yet");
    if (status == VYRE_OK || status == VYRE_E_STALE)
        return vyi_news(err, VYRE_EMPTY, VYI_TICKET_SLOT(t), "Take its result.",
                        "the work has ended already");
    return vyi_ticket_explain(err, status, t, code);
}

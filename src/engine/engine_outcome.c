/* ==========================================================================
 * engine: how works have ended, and who is told
 *
 * Private.  A slot's end is seen by whoever looks first, who writes it down and calls
 * back whoever wants to know.
 * ======================================================================= */
#include "engine/engine_slots_impl.h"

/* --- outcomes ------------------------------------------------------------ */

/* How the work of this generation ended, of a slot that is `used` generations on. */
static vyre_status vyi_slot_history(vyi_queue *q, uint32_t slot, uint32_t generation,
                                    uint32_t used, uint32_t *code)
{
    vyi_trouble *trouble = &q->slots.trouble[slot];
    const uint32_t last = vyi_load_acquire(&trouble->generation);
    const uint32_t found = vyi_load_acquire(&trouble->code);
    const bool stable = vyi_load_acquire(&trouble->generation) == last;
    const uint32_t behind = (last - generation) & VYI_GENERATION_MASK;

    if (last == VYI_TROUBLE_CHANGING || !stable || used >= VYI_GENERATION_KNOWN)
        return VYRE_E_STALE;
    if (last == generation) {
        (void)vyi_compare_exchange(&trouble->untold, generation, 0);
        if (found == VYI_TROUBLE_LOST)
            return VYRE_E_LOST;
        *code = found;
        return vyi_fault_status(found);
    }
    /* Of a later work, which there has been; or older than is remembered. */
    return last && behind <= used ? VYRE_E_STALE : VYRE_OK;
}

VYI_API bool vyi_slot_seen(vyi_queue *q, bool mine, uint32_t slot, uint32_t mark,
                           uint32_t outcome, bool told)
{
    const uint32_t rest = vyi_mark_ended(mark);
    if (VYI_MIRROR_STATUS(outcome) == VYRE_SLOT_DONE) {
        if (!mine || vyi_mark_phase(mark) == VYI_PHASE_KEPT)
            return vyi_mark_move(q, slot, mark, rest);
        if (vyi_load_acquire(&q->slots.marks[slot]) != mark)
            return false;
        vyi_store_release(&q->slots.marks[slot], rest);
        return true;
    }
    if (!vyi_mark_move(q, slot, mark, vyi_mark_with(mark, VYI_PHASE_ENDING)))
        return false;
    vyi_slot_trouble(q, slot, vyi_mark_generation(mark), VYI_MIRROR_FAULT(outcome), told);
    vyi_store_release(&q->slots.marks[slot], rest);
    return true;
}

/* The slot's mark; while all are held, what it was before if its end had been
 * seen by then.  A recovery may have counted its generation on. */
static uint32_t vyi_mark_unheld(const vyi_queue *q, uint32_t slot)
{
    const uint32_t mark = vyi_load_acquire(&q->slots.marks[slot]);
    if (vyi_mark_phase(mark) != VYI_PHASE_BUSY || !(vyi_load_acquire(&q->slots.held) & 1u))
        return mark;
    const uint32_t kept = vyi_load_acquire(&q->slots.kept[slot]);
    const uint32_t age =
        (vyi_mark_generation(kept) - vyi_mark_generation(mark)) & VYI_GENERATION_MASK;
    const bool ended = vyi_mark_phase(kept) == VYI_PHASE_FREE ||
                       vyi_mark_phase(kept) == VYI_PHASE_ENDED;
    return ended && age <= 1 ? kept : mark;
}

static vyre_status vyi_slot_look(vyi_queue *q, bool mine, uint32_t slot, uint32_t generation,
                                 uint32_t *code)
{
    for (;;) {
        const uint32_t mark = vyi_mark_unheld(q, slot);
        const uint32_t age = (vyi_mark_generation(mark) - generation) & VYI_GENERATION_MASK;
        const uint32_t phase = vyi_mark_phase(mark);
        if (age >= VYI_GENERATION_HALF)
            return VYRE_E_TICKET;
        if (age != 0 || phase == VYI_PHASE_FREE || phase == VYI_PHASE_ENDED)
            return vyi_slot_history(q, slot, generation, age, code);
        if (!vyi_mark_is_out(mark))
            return VYRE_PENDING; /* nobody has been told of an end; a recovery may run it again */

        const uint32_t outcome = vyi_slot_news(q, slot);
        const bool paused = vyi_news_is_pause(outcome), open = outcome == 0 || paused;
        if (open && vyi_load_acquire(&q->slots.marks[slot]) == mark)
            return paused ? VYRE_PAUSED : VYRE_PENDING;
        if (open || !vyi_slot_seen(q, mine, slot, mark, outcome, true))
            continue; /* the outcome may be another generation's, or another device's */
        if (VYI_MIRROR_STATUS(outcome) == VYRE_SLOT_DONE)
            return VYRE_OK;
        *code = VYI_MIRROR_FAULT(outcome);
        return vyi_fault_status(*code);
    }
}

static bool vyi_ticket_is_ours(const vyi_queue *q, vyre_ticket t)
{
    return (t.slot ^ q->slots.tag) < q->slots.count && t.generation != 0 &&
           t.generation <= VYI_GENERATION_MASK;
}

VYI_API vyre_status vyi_ticket_peek(vyi_queue *q, vyre_ticket t, uint32_t *code)
{
    const uint32_t slot = VYI_TICKET_SLOT(t);
    if (!vyi_ticket_is_ours(q, t))
        return VYRE_E_TICKET;
    vyi_owner *o = vyi_load_owner(q, slot);
    const bool entered = vyi_owner_enter(q, o); /* it may have lost the slot before */
    const bool mine = entered && vyi_load_owner(q, slot) == o;
    const vyre_status status = vyi_slot_look(q, mine, slot, t.generation, code);
    vyi_owner_leave(o, entered);
    if (!vyi_status_is_open(status))
        vyi_end_tell(q, t, status);
    return status;
}

/* Who is told that a work has not ended well has nothing to fetch. */
VYI_API vyre_status vyi_ticket_look(vyi_queue *q, vyre_ticket t, uint32_t *code)
{
    const vyre_status status = vyi_ticket_peek(q, t, code);
    if (vyi_status_is_trouble(status))
        vyi_ticket_drop(q, t);
    return status;
}

VYI_API void vyi_ticket_drop(vyi_queue *q, vyre_ticket t)
{
    const uint32_t slot = VYI_TICKET_SLOT(t);
    VYRE_ASSERT(vyi_ticket_is_ours(q, t));
    for (;; vyi_yield()) {
        const uint32_t mark = vyi_mark_unheld(q, slot);
        const uint32_t phase = vyi_mark_phase(mark);
        if (vyi_mark_generation(mark) != t.generation ||
            phase == VYI_PHASE_FREE || phase == VYI_PHASE_FLIGHT)
            return;
        if (phase == VYI_PHASE_KEPT &&
            vyi_mark_move(q, slot, mark, vyi_mark_with(mark, VYI_PHASE_FLIGHT)))
            return;
        if (phase == VYI_PHASE_ENDED &&
            vyi_mark_move(q, slot, mark, vyi_mark_with(mark, VYI_PHASE_FREE)))
            return;
    }
}

VYI_API const char *vyi_fault_fix(uint32_t code)
{
    return code == VYRE_FAULT_LOOP_LIMIT
               ? "Split it into smaller jobs, or raise kernel.loop_allowance (loop_limit)."
               : "Correct the work's opcode or arguments: see vyre_fault.";
}

VYI_API vyre_status vyi_ticket_explain(vyre_error *err, vyre_status status, vyre_ticket t,
                                       uint32_t code)
{
    const uint32_t slot = VYI_TICKET_SLOT(t);
    switch (status) {
    case VYRE_E_FAULT:
        vyi_fail(err, status, slot, vyi_fault_fix(code),
                 "slot %u ended FAULT %u: %s", slot, code, vyre_fault_text(code));
        if (err)
            err->native = (int32_t)code;
        return status;
    case VYRE_E_CANCELLED:
        return vyi_fail(err, status, slot, "Publish it again, if it is wanted after all.",
                        "the work in slot %u was taken back", slot);
    case VYRE_E_LOST:
        return vyi_fail(err, status, slot, "Publish it again, or set lost_work to RERUN.",
                        "the work in slot %u was in flight when the device was lost", slot);
    case VYRE_E_STALE:
        return vyi_fail(err, status, slot, "Ask sooner after the work has ended.",
                        "slot %u has been used again after generation %u", slot, t.generation);
    case VYRE_PENDING:
        return vyi_news(err, status, slot, "Call vyre_wait() first.",
                        "the work has not ended");
    case VYRE_PAUSED:
        return vyi_news(err, status, slot, "vyre_resume() lets it go on, vyre_cancel() ends it.",
                        "the work has paused");
    case VYRE_TIMEOUT:
        return vyi_news(err, status, slot, "Wait again, or longer; vyre_query tells what runs.",
                        "the work has not ended in time");
    case VYRE_E_TICKET:
        return vyi_fail(err, status, slot, "Pass a ticket that this handle's publish gave.",
                        "no work has ticket %u.%u", slot, t.generation);
    default:
        return status;
    }
}

/* --- callbacks ------------------------------------------------------------ */

/* Who takes the turn from the ticket has the right to call; the entry is free again
 * before the call, so that the function may set another. */
VYI_API void vyi_end_tell(vyi_queue *q, vyre_ticket t, vyre_status status)
{
    vyi_end *end = vyi_end_of(q, VYI_TICKET_SLOT(t));
    if (!end)
        return;
    vyi_fence_full(); /* the end was written down; now for who waits: see vyi_end_set */
    uint32_t turn = vyi_load_acquire(&end->turn), seen;
    while ((turn & ~VYI_END_DROPS) == t.generation) {
        seen = vyi_compare_exchange(&end->turn, turn, VYI_END_CHANGING);
        if (seen == turn)
            break;
        turn = seen; /* it was released meanwhile, or another thread tells */
    }
    if ((turn & ~VYI_END_DROPS) != t.generation)
        return;
    const vyre_end_fn fn = end->fn;
    void *const user = end->user;
    vyi_store_release(&end->turn, 0);
    (void)vyi_fetch_add(&q->ends.pending, (uint32_t)-1);
    if (turn & VYI_END_DROPS)
        vyi_ticket_drop(q, t);
    fn(user, t, status);
}

/* One thread at a time looks at all that wait. */
VYI_API void vyi_ends_deliver(vyi_queue *q)
{
    if (vyi_compare_exchange(&q->ends.busy, 0, 1) != 0)
        return;
    uint32_t left = vyi_load_acquire(&q->ends.pending);
    for (uint32_t slot = 0; slot < q->slots.count && left; slot++) {
        uint32_t code = 0;
        vyre_ticket t;
        t.slot = q->slots.tag | slot;
        const uint32_t turn = vyi_load_acquire(&vyi_end_of(q, slot)->turn);
        t.generation = turn & ~VYI_END_DROPS;
        left -= turn != 0;
        if (turn != 0 && turn != VYI_END_CHANGING)
            (void)vyi_ticket_peek(q, t, &code);
    }
    vyi_store_release(&q->ends.busy, 0);
}

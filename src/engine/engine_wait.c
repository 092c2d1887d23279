/* ==========================================================================
 * engine: waiting for what was published
 *
 * The kernel ends a slot by writing its mirror word; that word, in cached memory
 * of the host, is all that is polled here.
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

/* Records an end that was seen, so that a recovery knows of it. `told`: so does
 * the program.  False when the mark has changed meanwhile: then what was seen may
 * be the end of something else. */
static bool vyi_slot_seen(vyi_queue *q, bool mine, uint32_t slot, uint32_t mark, uint32_t outcome,
                          bool told)
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

VYRE_API vyre_status vyre_poll(vyre *v, vyre_ticket t)
{
    uint32_t code = 0;
    if (!v)
        return VYRE_E_ARGUMENT;
    vyi_queue *q = &v->queue;
    vyre_status status = vyi_ticket_look(q, t, &code);
    if (status == VYRE_PENDING) {
        vyi_queue_nudge(q, VYI_EFFORT_LOOK, NULL);
        status = vyi_ticket_look(q, t, &code);
    }
    vyi_log_hear(q);
    vyi_tell_end(v, t, status, code);
    return status;
}

/* --- waiting ------------------------------------------------------------- */

#define VYI_PACE_YIELD_NS 20000u
#define VYI_PACE_SLEEP_NS 2000000u
#define VYI_PACE_SHARED_NS 200000u  /* the same where the device needs this processor */
#define VYI_PACE_NAP_NS   50000u
#define VYI_PACE_NAP_MOST_NS 1000000u

VYI_API vyi_pace vyi_pace_begin(uint64_t timeout_ns)
{
    vyi_pace pace;
    pace.begin = vyi_now();
    pace.deadline = timeout_ns > UINT64_MAX - pace.begin ? UINT64_MAX : pace.begin + timeout_ns;
    pace.turn = 0;
    return pace;
}

/* On a device that shares the host's processors a long wait naps for an eighth of
 * what it has waited already. */
VYI_API void vyi_pace_rest(vyi_device *d, const vyi_pace *pace, uint64_t now)
{
    const uint64_t waited = now - pace->begin, left = pace->deadline - now;
    uint64_t nap = d->shared ? waited / 8 : VYI_PACE_NAP_NS;
    if (waited <= (d->shared ? VYI_PACE_SHARED_NS : VYI_PACE_SLEEP_NS) || d->pumped) {
        if (waited > VYI_PACE_YIELD_NS)
            vyi_yield();
        return;
    }
    nap = nap < VYI_PACE_NAP_NS ? VYI_PACE_NAP_NS : nap;
    nap = nap < VYI_PACE_NAP_MOST_NS ? nap : VYI_PACE_NAP_MOST_NS;
    nap = nap < left ? nap : left;
    if (d->backend->doze)
        d->backend->doze(d, nap);
    else
        vyi_sleep(nap);
}

VYI_API vyre_status vyi_pace_look(vyi_queue *q, vyre_error *err)
{
    const vyre_status status = vyi_queue_nudge(q, VYI_EFFORT_WORK, err);
    return status == VYRE_OK ? vyi_queue_takes_work(q, err) : status;
}

VYI_API vyre_status vyi_pace_turn(vyi_queue *q, vyi_pace *pace, vyre_error *err)
{
    if (pace->turn++ % VYI_PACE_SPINS != 0) {
        vyi_pause();
        return VYRE_OK;
    }
    const vyre_status status = vyi_pace_look(q, err);
    if (status < 0)
        return status;
    const uint64_t now = vyi_now();
    if (now >= pace->deadline)
        return VYRE_TIMEOUT;
    vyi_pace_rest(vyi_queue_device(q), pace, now);
    return VYRE_OK;
}

VYI_API vyre_status vyi_ticket_wait(vyi_queue *q, vyre_ticket t, vyi_pace *pace, uint32_t *code,
                                   vyre_error *err)
{
    vyre_status status;
    while ((status = vyi_ticket_look(q, t, code)) == VYRE_PENDING) {
        const vyre_status turn = vyi_pace_turn(q, pace, err);
        if (turn == VYRE_OK)
            continue;
        status = vyi_ticket_look(q, t, code);
        return status == VYRE_PENDING ? turn : status;
    }
    return status;
}

/* Who waits in vain wants to know for what; who only looks does not pay for it. */
VYI_COLD
static vyre_status vyi_ticket_late(const vyi_queue *q, vyre_ticket t, uint64_t timeout_ns,
                                   vyre_error *err)
{
    char what[112];
    return vyi_fail(err, VYRE_TIMEOUT, VYI_TICKET_SLOT(t),
                    "Wait again, or longer; vyre_query tells what runs.",
                    "not ended within %llu us: %s", (unsigned long long)(timeout_ns / 1000u),
                    vyi_slot_text(q, VYI_TICKET_SLOT(t), what, sizeof what));
}

VYRE_API vyre_status vyre_wait(vyre *v, vyre_ticket t, uint64_t timeout_ns, vyre_error *err)
{
    if (!v)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle.", "the handle is NULL");
    uint32_t code = 0;
    vyre_status status = vyi_ticket_look(&v->queue, t, &code);
    if (status == VYRE_PENDING) {
        vyi_pace pace = vyi_pace_begin(timeout_ns);
        status = vyi_ticket_wait(&v->queue, t, &pace, &code, err);
    }
    vyi_log_hear(&v->queue);
    vyi_tell_end(v, t, status, code);
    if (status == VYRE_TIMEOUT && timeout_ns && err)
        return vyi_ticket_late(&v->queue, t, timeout_ns, err);
    vyi_ticket_explain(err, status, t, code);
    vyi_bounds_tell(&v->queue, t, code, err);
    return status;
}

#define VYI_HOLD_TURNS 256u

/* The slot's mark, once no recovery holds it: its work may go on afterwards.
 * Marks are put back before `held` is cleared, and are looked at again after it
 * was seen clear: what still is BUSY then is a publisher's.  False: it was held until
 * the deadline, and not for a moment only. */
static bool vyi_slot_mark(const vyi_queue *q, uint32_t slot, uint64_t deadline, uint32_t *out)
{
    for (uint32_t turn = 0;; turn++) {
        const uint32_t mark = *out = vyi_load_acquire(&q->slots.marks[slot]);
        if (vyi_mark_phase(mark) != VYI_PHASE_BUSY)
            return true;
        if (!(vyi_load_acquire(&q->slots.held) & 1u) &&
            vyi_load_acquire(&q->slots.marks[slot]) == mark)
            return true;
        if (turn >= VYI_HOLD_TURNS && vyi_now() >= deadline)
            return false;
        vyi_yield();
    }
}

/* Waits until the slot's work of this generation has ended or paused, and tells nobody
 * how. */
static vyre_status vyi_slot_drain(vyi_queue *q, uint32_t slot, uint32_t generation, vyi_pace *pace,
                                  vyre_error *err)
{
    for (;;) {
        const uint32_t mark = vyi_load_acquire(&q->slots.marks[slot]);
        const uint32_t phase = vyi_mark_phase(mark);
        if (vyi_mark_generation(mark) != generation || phase == VYI_PHASE_FREE ||
            phase == VYI_PHASE_ENDED)
            return VYRE_OK;
        const uint32_t outcome = vyi_slot_news(q, slot);
        if (vyi_news_is_pause(outcome) && vyi_mark_is_out(mark))
            return VYRE_PAUSED;
        if (outcome && vyi_mark_is_out(mark)) {
            (void)vyi_slot_seen(q, false, slot, mark, outcome, false);
            continue;
        }
        const vyre_status status = vyi_pace_turn(q, pace, err);
        if (status != VYRE_OK && !vyi_slot_news(q, slot))
            return status;
    }
}

/* What the program has not been told yet of works that did not end well. */
static vyre_status vyi_drain_explain(vyi_queue *q, vyre_error *err)
{
    uint32_t faults = 0, lost = 0, first = 0, first_code = 0;
    for (uint32_t slot = 0; slot < q->slots.count; slot++) {
        vyi_trouble *trouble = &q->slots.trouble[slot];
        const uint32_t untold = vyi_load_acquire(&trouble->untold);
        const uint32_t code = vyi_load_acquire(&trouble->code);
        if (!untold || vyi_compare_exchange(&trouble->untold, untold, 0) != untold)
            continue;
        if (faults + lost == 0) {
            first = slot;
            first_code = code;
        }
        faults += code != VYI_TROUBLE_LOST;
        lost += code == VYI_TROUBLE_LOST;
    }
    uint32_t more = vyi_load_acquire(&q->slots.untold);
    if (vyi_compare_exchange(&q->slots.untold, more, 0) != more)
        more = 0; /* of another drain; or one more by now, for the next drain */
    if (faults + lost == 0 && more == 0)
        return VYRE_OK;
    const bool known = first_code != VYI_TROUBLE_LOST;
    vyi_fail(err, lost && !faults && !more ? VYRE_E_LOST : VYRE_E_FAULT, first,
             known && first_code == VYRE_FAULT_LOOP_LIMIT
                 ? vyi_fault_fix(first_code)
                 : "Ask for the tickets: vyre_poll() tells how each work ended.",
             "%u works ended FAULT and %u were lost that nobody had asked for; one in slot %u "
             "(%s)", faults + more, lost, first,
             known ? vyre_fault_text(first_code) : "lost with its device");
    if (err)
        err->native = known ? (int32_t)first_code : 0;
    return lost && !faults && !more ? VYRE_E_LOST : VYRE_E_FAULT;
}

/* All slots; *paused: so many works have. */
static vyre_status vyi_drain_slots(vyi_queue *q, vyi_pace *pace, uint32_t *paused,
                                   vyre_error *err)
{
    for (uint32_t slot = 0; slot < q->slots.count; slot++) {
        uint32_t mark;
        if (!vyi_slot_mark(q, slot, pace->deadline, &mark))
            return vyi_fail(err, VYRE_TIMEOUT, slot, "Drain again, or longer.",
                            "another call held the slots all the time");
        if (!vyi_mark_is_under_way(mark))
            continue;
        const vyre_status status = vyi_slot_drain(q, slot, vyi_mark_generation(mark), pace, err);
        *paused += status == VYRE_PAUSED;
        if (status == VYRE_TIMEOUT)
            return vyi_fail(err, status, vyi_queue_pending(q),
                            "Drain again, or longer; vyre_query tells what runs.",
                            "%u works have not ended in time", vyi_queue_pending(q));
        if (status != VYRE_OK && status != VYRE_PAUSED)
            return status;
    }
    return VYRE_OK;
}

VYRE_API vyre_status vyre_drain(vyre *v, uint64_t timeout_ns, vyre_error *err)
{
    if (!v)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle.", "the handle is NULL");
    vyi_queue *q = &v->queue;
    vyi_pace pace = vyi_pace_begin(timeout_ns);
    uint32_t paused = 0;
    vyre_status status = vyi_drain_slots(q, &pace, &paused, err);
    if (status != VYRE_OK)
        return status;
    if (v->desc.log) {
        if (!vyi_lock_until(v, pace.deadline))
            return vyi_fail(err, VYRE_TIMEOUT, 0, "Drain again, or longer.",
                            "all works have ended, and another call holds the handle: what "
                            "they printed is still in the log");
        vyi_queue_deliver_log(q);
        vyi_mutex_unlock(&v->lock);
    }
    if (vyi_load_relaxed(&q->ends.pending))
        vyi_ends_deliver(q);
    status = vyi_drain_explain(q, err);
    vyi_tell_rested(v);
    if (status == VYRE_OK && paused)
        return vyi_news(err, VYRE_PAUSED, paused, "vyre_resume() lets a work go on.",
                        "works that have paused are all that is left");
    return status;
}

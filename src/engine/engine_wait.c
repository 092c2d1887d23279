/* ==========================================================================
 * engine: waiting for what was published
 *
 * The kernel ends a slot by writing its mirror word; that word, in cached memory
 * of the host, is all that is polled here.
 * ======================================================================= */
#include "engine/engine_slots_impl.h"

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

VYI_API bool vyi_queue_is_mended(vyi_queue *q)
{
    const vyi_pace pace = vyi_pace_begin(q->v->desc.run_timeout_ns);
    uint64_t now = pace.begin;
    vyre_status status = VYRE_OK;
    do {
        vyi_pace_rest(vyi_queue_device(q), &pace, now);
        status = vyi_queue_nudge(q, VYI_EFFORT_WORK, NULL);
        now = vyi_now();
    } while (status == VYRE_OK && q->v->desc.auto_recover && now < pace.deadline &&
             vyi_load_acquire(&q->state) == VYI_STATE_LOST);
    return vyi_queue_takes_work(q, NULL) == VYRE_OK;
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
    char what[VYI_SLOT_TEXT];
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
        VYI_ZONE(zone, "vyre_wait");
        status = vyi_ticket_wait(&v->queue, t, &pace, &code, err);
        VYI_ZONE_END(zone);
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
    VYI_ZONE(zone, "vyre_drain");
    vyre_status status = vyi_drain_slots(q, &pace, &paused, err);
    VYI_ZONE_END(zone);
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

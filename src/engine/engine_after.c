/* ==========================================================================
 * engine: publishing a work after others
 * ======================================================================= */
#include "engine/engine_slots_impl.h"

/* The event that ends with the ticket's work, in use once more; NONE or BAD when it has
 * ended already. */
static vyre_status vyi_after_find(vyi_queue *q, vyre_ticket t, uint32_t *event, vyre_error *err)
{
    for (;; vyi_yield()) {
        uint32_t code = 0;
        const vyre_status status = vyi_ticket_peek(q, t, &code);
        if (status == VYRE_E_TICKET || status == VYRE_E_STALE)
            return vyi_ticket_explain(err, status, t, code);
        *event = status == VYRE_OK ? VYI_EVENT_NONE : VYI_EVENT_BAD;
        if (!vyi_status_is_open(status))
            return VYRE_OK;
        if (vyi_event_find(q, t, event))
            break; /* else it has ended meanwhile */
    }
    if (*event)
        return VYRE_OK;
    return vyi_news(err, VYRE_FULL, VYI_TICKET_SLOT(t), "Wait for it, or use fewer slots.",
                    "a work to wait for has none of the events");
}

/* What a call of vyre_publish_after waits for. */
typedef struct vyi_after {
    const vyre_ticket *tickets;
    uint32_t count;
    uint32_t pending; /* of them that have not ended */
    uint32_t event;   /* in use for the call: of the only one that is pending, or of all */
    bool     gathered; /* it is the call's own */
    bool     bad;     /* one has ended, and not well */
} vyi_after;

static vyre_status vyi_after_count(vyi_queue *q, vyi_after *a, vyre_error *err)
{
    for (uint32_t i = 0; i < a->count; i++) {
        uint32_t event = 0;
        const vyre_status status = vyi_after_find(q, a->tickets[i], &event, err);
        if (status != VYRE_OK)
            return status;
        a->bad = a->bad || event == VYI_EVENT_BAD;
        if (event < VYI_EVENT_FIRST)
            continue;
        if (a->pending++)
            vyi_event_forget(q, event);
        else
            a->event = event;
    }
    return VYRE_OK;
}

/* A work that only hands an end on: from `wait`, which was in use for it. */
static vyre_status vyi_relay_publish(vyi_queue *q, const vyre_work *of, uint32_t wait,
                                     uint32_t signal, vyre_error *err)
{
    vyre_work nothing;
    vyi_receipt r;
    memset(&nothing, 0, sizeof nothing);
    memset(&r, 0, sizeof r);
    nothing.tenant = of->tenant;
    nothing.priority = of->priority;
    r.relay = true;
    r.wait = wait;
    r.signal = signal;
    const vyre_status status = vyi_publish_one(q, &q->slots.pool, &nothing, &r, err);
    vyi_event_forget(q, wait);
    return status;
}

/* One relay for each that was pending when they were counted; of those that have
 * ended since, how does not matter but for whether it was well. */
static vyre_status vyi_after_relay(vyi_queue *q, const vyre_work *work, const vyi_after *a,
                                   vyre_error *err)
{
    uint32_t relays = 0, ended = VYI_EVENT_NONE, wait = VYI_EVENT_NONE;
    vyre_status status = VYRE_OK;
    for (uint32_t i = 0; i < a->count && status == VYRE_OK; i++) {
        status = vyi_after_find(q, a->tickets[i], &wait, err);
        if (status == VYRE_OK && wait == VYI_EVENT_BAD)
            ended = VYI_EVENT_BAD;
        if (status != VYRE_OK || wait < VYI_EVENT_FIRST)
            continue;
        VYRE_ASSERT(relays < a->pending);
        status = vyi_relay_publish(q, work, wait, a->event, err);
        relays++;
    }
    for (; relays < a->pending && status == VYRE_OK; relays++)
        status = vyi_relay_publish(q, work, ended, a->event, err);
    return status;
}

/* Several become one event.  What fails in the middle leaves relays that end by
 * themselves, and an event that is theirs until then. */
static vyre_status vyi_after_gather(vyi_queue *q, const vyre_work *work, vyi_after *a,
                                    vyre_error *err)
{
    vyi_event_forget(q, a->event);
    a->event = vyi_event_gather(q, a->pending);
    a->gathered = a->event != 0;
    if (!a->event)
        return vyi_news(err, VYRE_FULL, q->order.count, "Wait, or set vyre_desc.events higher.",
                        "all events are in use");
    return vyi_after_relay(q, work, a, err);
}

static vyre_status vyi_after_prepare(vyi_queue *q, const vyre_work *work, vyi_after *a,
                                     vyre_error *err)
{
    vyre_status status = vyi_queue_takes_work(q, err);
    if (status == VYRE_OK)
        status = vyi_works_fit(q->v, work, 1, err);
    if (status == VYRE_OK)
        status = vyi_after_count(q, a, err);
    if (status == VYRE_OK && a->pending > 1 && !a->bad)
        status = vyi_after_gather(q, work, a, err);
    return status;
}

static vyre_status vyi_after_check(const vyre *v, const vyre_work *work, const vyre_ticket *after,
                                   uint32_t count, vyre_error *err)
{
    if (!v || !work || (!after && count))
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle, a work and its tickets.",
                        "%s is NULL", !v ? "the handle" : !work ? "work" : "after");
    if (count && !v->queue.order.count)
        return vyi_fail(err, VYRE_E_ARGUMENT, count, "Set vyre_desc.events, to 1 or more.",
                        "the handle was opened without events, and the work waits for %u others",
                        count);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_publish_after(vyre *v, const vyre_work *work, const vyre_ticket *after,
                                        uint32_t count, vyre_ticket *ticket, vyre_error *err)
{
    vyre_status status = vyi_after_check(v, work, after, count, err);
    if (status != VYRE_OK)
        return status;
    vyi_queue *q = &v->queue;
    vyi_after a;
    memset(&a, 0, sizeof a);
    a.tickets = after;
    a.count = count;
    status = vyi_after_prepare(q, work, &a, err);
    vyi_receipt r = vyi_receipt_for(q, ticket);
    r.wait = a.bad ? VYI_EVENT_BAD : a.event;
    if (status == VYRE_OK)
        status = vyi_publish_one(q, &q->slots.pool, work, &r, err);
    if (a.gathered)
        vyi_event_release(q, a.event);
    else
        vyi_event_forget(q, a.event);
    if (ticket && status == VYRE_OK)
        *ticket = r.ticket;
    return status;
}

VYI_API vyre_status vyi_publish_waiting(vyre *v, const vyre_work *work, uint32_t event,
                                        vyre_ticket *ticket, vyre_error *err)
{
    vyi_queue *q = &v->queue;
    vyi_receipt r = vyi_receipt_for(q, ticket);
    vyre_status status = vyi_queue_takes_work(q, err);
    if (status == VYRE_OK)
        status = vyi_works_fit(v, work, 1, err);
    r.wait = event;
    if (status == VYRE_OK)
        status = vyi_publish_one(q, &q->slots.pool, work, &r, err);
    if (ticket && status == VYRE_OK)
        *ticket = r.ticket;
    return status;
}

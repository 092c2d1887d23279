/* ==========================================================================
 * engine: publishing
 *
 * The hot path takes no lock and never reads device memory.  A publisher comes by
 * slots that follow each other (engine_slots.c), stores works into them, and then
 * says so in their marks.
 * ======================================================================= */
#include "engine/publish_impl.h"

/* --- what may be published ------------------------------------------------ */

VYI_API vyre_status vyi_engine_check(const vyre *v, const vyre_work *work, vyre_error *err)
{
    if (work->arg_count > VYRE_MAX_ARGS)
        return vyi_fail(err, VYRE_E_TOO_MANY_ARGS, work->arg_count,
                        "Pass at most 12 arguments; put more into a user buffer.",
                        "the work has %u arguments", work->arg_count);
    if (!vyre_opcode_publishable(work->opcode) &&
        !(v->desc.kernel.load_miss && work->opcode == VYRE_OP_LOAD_MISS))
        return vyi_fail(err, VYRE_E_OPCODE, work->opcode,
                        "Use a built-in opcode, or one for which vyre_opcode_is_user() is true.",
                        "opcode 0x%08x is reserved", work->opcode);
    if (!vyi_opcode_is_known(&v->opcodes, work->opcode))
        return vyi_fail(err, VYRE_E_OPCODE, work->opcode,
                        "Add its handler to kernel.handlers, or correct the work.",
                        "no handler of this handle has opcode 0x%08x", work->opcode);
    if (work->tenant >= v->desc.tenants)
        return vyi_fail(err, VYRE_E_TENANT_RANGE, work->tenant,
                        "Set vyre_desc.tenants to one more than the largest tenant id.",
                        "tenant %u is not one of the handle's %u", work->tenant, v->desc.tenants);
    if ((uint32_t)work->priority >= VYRE_PRIORITY_LEVELS)
        return vyi_fail(err, VYRE_E_PRIORITY, (uint64_t)work->priority,
                        "Use one of the VYRE_PRIORITY_ levels.", "priority %d does not exist",
                        (int)work->priority);
    return VYRE_OK;
}

/* What vyi_engine_check finds nothing to say about, in two branches.  Works that
 * follow each other mostly have one opcode: `before` is known, or NULL. */
static inline bool vyi_work_is_plain(const vyi_queue *q, const vyre_work *work,
                                     const vyre_work *before)
{
    const uint32_t priority = (uint32_t)work->priority;
    return ((work->arg_count <= VYRE_MAX_ARGS) & (work->opcode < VYRE_OP_LOAD_MISS - 0x100u) &
            (work->tenant < q->v->desc.tenants) & (priority < VYRE_PRIORITY_LEVELS)) &&
           ((before && before->opcode == work->opcode) ||
            vyi_opcode_is_known(&q->v->opcodes, work->opcode));
}

static inline vyre_status vyi_publish_check(const vyi_queue *q, const vyre_work *works,
                                            uint32_t count, vyre_error *err)
{
    vyre_status status = vyi_queue_takes_work(q, err);
    for (uint32_t i = 0; i < count && status == VYRE_OK; i++) {
        if (!vyi_work_is_plain(q, &works[i], i ? &works[i - 1] : NULL))
            status = vyi_engine_check(q->v, &works[i], err);
    }
    return status;
}

/* --- works into slots ------------------------------------------------------ */

/* The works into slots that are the caller's, and that are FLIGHT then, the last one or
 * each KEPT if asked for; the last one's ticket.  Slots of the caller's own are FREE, others BUSY
 * already: who reads a result that a work is about to replace finds afterwards that
 * its generation is over. */
VYI_INLINE
static inline vyre_ticket vyi_slots_fly(vyi_queue *q, uint32_t slot, const vyre_work *works,
                                        uint32_t count, bool mine, const vyi_receipt *r)
{
    uint32_t *marks = q->slots.marks + slot, mark = 0;
    if (q->slots.record)
        memcpy(q->slots.record + slot, works, count * sizeof *works);
    for (uint32_t i = 0; i < count && mine; i++) {
        VYRE_ASSERT(vyi_mark_phase(marks[i]) == VYI_PHASE_FREE);
        vyi_store_release(&marks[i], vyi_mark_next(vyi_load_relaxed(&marks[i])));
    }
    for (uint32_t i = 0; i < count && q->slots.ages; i++)
        vyi_store_relaxed(&q->slots.ages[slot + i], vyi_load_relaxed(&q->looks));
    if (q->order.count)
        vyi_order_bind(q, slot, count, r);
    vyi_slots_store(q, vyi_queue_device(q), slot, works, count);
    for (uint32_t i = 0; i < count; i++) {
        mark = vyi_load_relaxed(&marks[i]);
        VYRE_ASSERT(vyi_mark_phase(mark) == VYI_PHASE_BUSY);
        const bool keep = r->keep && (r->each || i + 1 == count);
        mark = vyi_mark_with(mark, keep ? VYI_PHASE_KEPT : VYI_PHASE_FLIGHT);
        vyi_store_release(&marks[i], mark);
    }
    return vyi_ticket_of(q, slot + count - 1, mark);
}

/* --- publishing ----------------------------------------------------------- */

/* Whether the work in the place before is under way. */
static inline bool vyi_place_before_is_busy(const vyi_queue *q, const vyi_share *share,
                                            uint32_t place)
{
    const uint32_t slot = share->first + (place ? place : share->count) - 1;
    return vyi_mark_is_out(vyi_load_relaxed(&q->slots.marks[slot])) &&
           vyi_slot_outcome(q, slot) == 0;
}

/* A nudge asks for the time, which costs more than a publish.  So two make one: who
 * passes one place in many; and, where a kernel lives, whoever comes behind a work
 * that has ended, for the leases may have run out since.  After a look they last
 * for longer than works stay close behind each other (vyi_chain_cadence). */
static inline bool vyi_publish_is_due(const vyi_queue *q, const vyi_share *share, uint32_t slot,
                                      uint32_t count)
{
    const uint32_t place = slot - share->first, last = place + count - 1;
    return (last & share->look_mask) < count ||
           (!vyi_place_before_is_busy(q, share, place) && vyi_load_relaxed(&q->lives));
}

/* How many of the works go into the share that the first one goes into. */
static inline uint32_t vyi_works_alike(const vyi_queue *q, vyi_owner *o, const vyre_work *works,
                                       uint32_t count)
{
    uint32_t n = 1;
    if (q->slots.levels == 1)
        return count;
    while (n < count && vyi_share_of(q, o, works[n].priority) ==
                            vyi_share_of(q, o, works[0].priority))
        n++;
    return n;
}

/* Publishes the first works of `count`, at most VYI_RUN, into slots that follow each
 * other; how many. */
#define VYI_RUN 64u

VYI_INLINE
static inline uint32_t vyi_publish_run(vyi_queue *q, vyi_owner *o, bool mine,
                                       const vyre_work *works, uint32_t count,
                                       vyi_receipt *last)
{
    vyi_share *share = vyi_share_of(q, o, works[0].priority);
    uint32_t slot, n = count < VYI_RUN ? count : VYI_RUN;
    n = vyi_works_alike(q, o, works, n);
    if (!mine) {
        n = vyi_share_claim(q, o, share, n, &slot);
    } else if (share->ready || vyi_share_refill(q, o, share)) {
        const uint32_t next = share->next;
        n = n < share->ready ? n : share->ready;
        slot = share->first + next;
        share->ready -= n;
        vyi_store_relaxed(&share->next, next + n < share->count ? next + n : 0);
    } else {
        return 0;
    }
    if (n)
        last->ticket = vyi_slots_fly(q, slot, works, n, mine, last);
    return n;
}

/* How many of the works come before one that is wide. */
static inline uint32_t vyi_works_of_lanes(const vyi_queue *q, const vyre_work *works,
                                          uint32_t count)
{
    uint32_t n = q->wides.count ? 0 : count;
    while (n < count && !vyi_wide_find(q, works[n].opcode))
        n++;
    return n;
}

/* The same, unless somebody holds all slots, which is waited for. */
VYI_INLINE
static inline uint32_t vyi_publish_some(vyi_queue *q, vyi_owner *o, const vyre_work *works,
                                        uint32_t count, vyi_receipt *last)
{
    for (;;) {
        const uint32_t held = vyi_load_acquire(&q->slots.held);
        const bool mine = vyi_owner_enter(q, o) || vyi_owner_come(q, o);
        const uint32_t n = vyi_publish_run(q, o, mine, works, count, last);
        vyi_owner_leave(o, mine);
        if (n || mine || !vyi_held_meanwhile(q, held))
            return n;
        vyi_yield();
    }
}

/* Whatever is published next, at least one work: how many, VYRE_FULL, or an error. */
VYI_INLINE
static inline vyre_status vyi_publish_next(vyi_queue *q, vyi_owner *o, const vyre_work *works,
                                           uint32_t *count, vyi_receipt *last, vyre_error *err)
{
    const uint32_t n = last->relay ? *count : vyi_works_of_lanes(q, works, *count);
    if (n == 0) {
        *count = 1;
        const vyre_status status = vyi_wide_publish(q, works, last, err);
        (void)vyi_queue_nudge(q, VYI_EFFORT_LOOK, NULL);
        return status;
    }
    *count = vyi_publish_some(q, o, works, n, last);
    if (*count == 0)
        return vyi_news(err, VYRE_FULL, q->slots.lanes,
                        "Poll or wait for a ticket and publish again, or use more slots.",
                        "no slot is free");
    vyi_queue_wake(q);
    return VYRE_OK;
}

/* What the program wrote into its buffers comes before the works. */
static inline void vyi_publish_after_buffers(const vyi_queue *q)
{
    if (q->v->buffers.user_count && vyi_queue_device(q)->whole_lines)
        vyi_fence_stores();
}

/* Of several works the last one's slot is kept. */
VYI_INLINE
static inline vyre_status vyi_publish_all(vyi_queue *q, vyi_owner *o, const vyre_work *works,
                                          uint32_t count, uint32_t *published,
                                          vyi_receipt *last, vyre_error *err)
{
    vyre_status status = VYRE_OK;
    uint32_t done = 0;
    bool due = false;
    vyi_publish_after_buffers(q);
    while (done < count && status == VYRE_OK) {
        const vyre_ticket before = last->ticket;
        uint32_t n = count - done;
        status = vyi_publish_next(q, o, works + done, &n, last, err);
        if (status != VYRE_OK)
            break;
        if (last->keep && done)
            vyi_ticket_drop(q, before);
        due = due || vyi_publish_is_due(q, vyi_share_of(q, o, works[done].priority),
                                        VYI_TICKET_SLOT(last->ticket) + 1 - n, n);
        done += n;
    }
    /* A batch is worth a pass of a kernel that does not stay. */
    if (due || done < count || (count > 1 && !vyi_load_relaxed(&q->lives)))
        vyi_queue_nudge(q, VYI_EFFORT_LOOK, NULL);
    if (published)
        *published = done;
    return status;
}

VYI_API vyre_status vyi_publish_one(vyi_queue *q, vyi_owner *o, const vyre_work *work,
                                    vyi_receipt *ticket, vyre_error *err)
{
    const uint64_t since = q->v->trace.events ? vyi_now() : 0;
    vyre_status status = vyi_publish_check(q, work, 1, err);
    if (status == VYRE_OK)
        status = vyi_publish_all(q, o, work, 1, NULL, ticket, err);
    if (status == VYRE_OK && !ticket->relay)
        vyi_tell_published(q->v, since, work, ticket->ticket);
    return status;
}

VYI_API vyre_status vyi_publish_row(vyi_queue *q, const vyre_work *works, uint32_t *count,
                                    vyi_receipt *last, vyre_error *err)
{
    vyi_owner *o = &q->slots.pool;
    uint32_t n = *count < VYI_RUN ? *count : VYI_RUN;
    VYRE_ASSERT(last->keep && last->each && !last->relay);
    const uint64_t since = q->v->trace.events ? vyi_now() : 0;
    n = vyi_tells(q->v) ? 1 : n;
    vyre_status status = vyi_publish_check(q, works, n, err);
    if (status != VYRE_OK)
        return status;
    vyi_publish_after_buffers(q);
    status = vyi_publish_next(q, o, works, &n, last, err);
    if (status == VYRE_OK && vyi_tells(q->v))
        vyi_tell_published(q->v, since, works, last->ticket);
    if (status != VYRE_OK ||
        vyi_publish_is_due(q, vyi_share_of(q, o, works->priority),
                           VYI_TICKET_SLOT(last->ticket) + 1 - n, n))
        vyi_queue_nudge(q, VYI_EFFORT_LOOK, NULL);
    *count = status == VYRE_OK ? n : 0;
    return status;
}

/* One by one, where somebody is told of each. */
static vyre_status vyi_publish_told(vyi_queue *q, vyi_owner *o, const vyre_work *works,
                                    uint32_t count, uint32_t *published, vyi_receipt *last,
                                    vyre_error *err)
{
    vyre_status status = VYRE_OK;
    uint32_t done = 0;
    while (done < count && status == VYRE_OK) {
        const vyre_ticket before = last->ticket;
        status = vyi_publish_one(q, o, &works[done], last, err);
        if (status == VYRE_OK && last->keep && done)
            vyi_ticket_drop(q, before);
        done += status == VYRE_OK;
    }
    *published = done;
    return status;
}

VYI_API vyre_status vyi_publish(vyi_queue *q, vyi_owner *o, const vyre_work *works,
                                uint32_t count, uint32_t *published, vyre_ticket *last,
                                vyre_error *err)
{
    vyi_receipt r = vyi_receipt_for(q, last);
    uint32_t done = 0;
    vyre_status status = vyi_publish_check(q, works, count, err);
    if (status != VYRE_OK)
        return status;
    status = vyi_tells(q->v) ? vyi_publish_told(q, o, works, count, &done, &r, err)
                             : vyi_publish_all(q, o, works, count, &done, &r, err);
    if (published)
        *published = done;
    if (last && done)
        *last = r.ticket;
    return status;
}

/* --- public ---------------------------------------------------------------- */

VYRE_API vyre_status vyre_publish(vyre *v, const vyre_work *work, vyre_ticket *ticket,
                                  vyre_error *err)
{
    if (!v || !work)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle and a work.",
                        "%s is NULL", v ? "work" : "the handle");
    vyi_receipt r = vyi_receipt_for(&v->queue, ticket);
    VYI_ZONE(zone, "vyre_publish");
    const vyre_status status = vyi_publish_one(&v->queue, &v->queue.slots.pool, work, &r, err);
    VYI_ZONE_END(zone);
    if (ticket && status == VYRE_OK)
        *ticket = r.ticket;
    return status;
}

VYRE_API vyre_status vyre_publish_many(vyre *v, const vyre_work *works, uint32_t count,
                                       uint32_t *published, vyre_ticket *last, vyre_error *err)
{
    if (!v || (!works && count))
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle and an array of works.",
                        "%s is NULL", v ? "works" : "the handle");
    VYI_ZONE(zone, "vyre_publish_many");
    const vyre_status status = vyi_publish(&v->queue, &v->queue.slots.pool, works, count,
                                           published, last, err);
    VYI_ZONE_END(zone);
    return status;
}

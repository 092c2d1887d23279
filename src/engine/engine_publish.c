/* ==========================================================================
 * engine: publishing
 *
 * The hot path takes no lock and never reads device memory.  A publisher comes by
 * slots that follow each other (engine_slots.c), stores works into them, and then
 * says so in their marks.
 * ======================================================================= */
#include "engine/publish_impl.h"

/* --- what may be published ------------------------------------------------ */

typedef enum vyi_wrong {
    VYI_WRONG_NOT = 0,
    VYI_WRONG_COUNT = 1,
    VYI_WRONG_OPCODE = 2,
    VYI_WRONG_TENANT = 3,
    VYI_WRONG_PRIORITY = 4
} vyi_wrong;

/* Handlers have no opcode that is reserved, so that what is known may be published. */
static inline bool vyi_opcode_is_taken(const vyre *v, uint32_t opcode)
{
    return v->opcodes.any ? vyre_opcode_publishable(opcode) ||
                                (opcode == VYRE_OP_LOAD_MISS && v->desc.kernel.load_miss)
                          : vyi_opcode_is_known(&v->opcodes, opcode);
}

/* What is wrong with a work, first of all; `taken`: its opcode is not. */
static inline vyi_wrong vyi_work_wrong(const vyre *v, const vyre_work *work, bool taken)
{
    if (work->arg_count > VYRE_MAX_ARGS)
        return VYI_WRONG_COUNT;
    if (!taken && !vyi_opcode_is_taken(v, work->opcode))
        return VYI_WRONG_OPCODE;
    if (work->tenant >= v->desc.tenants)
        return VYI_WRONG_TENANT;
    return (uint32_t)work->priority < VYRE_PRIORITY_LEVELS ? VYI_WRONG_NOT : VYI_WRONG_PRIORITY;
}

/* The first that is wrong, or `count`.  Works that follow each other mostly have one opcode. */
static inline uint32_t vyi_works_wrong(const vyre *v, const vyre_work *works, uint32_t count)
{
    uint32_t i = 0;
    while (i < count &&
           !vyi_work_wrong(v, &works[i], i && works[i].opcode == works[i - 1].opcode))
        i++;
    return i;
}

VYI_COLD
static vyre_status vyi_opcode_refuse(uint32_t opcode, vyre_error *err)
{
    if (vyre_opcode_publishable(opcode))
        return vyi_fail(err, VYRE_E_OPCODE, opcode,
                        "Add its handler to kernel.handlers, or correct the work.",
                        "no handler of this handle has opcode 0x%08x", opcode);
    return vyi_fail(err, VYRE_E_OPCODE, opcode,
                    "Use a built-in opcode, or one for which vyre_opcode_is_user() is true.",
                    "opcode 0x%08x is reserved", opcode);
}

VYI_COLD
static vyre_status vyi_work_refuse(const vyre *v, const vyre_work *work, vyre_error *err)
{
    switch (vyi_work_wrong(v, work, false)) {
    case VYI_WRONG_COUNT:
        return vyi_fail(err, VYRE_E_TOO_MANY_ARGS, work->arg_count,
                        "Pass at most 12 arguments; put more into a user buffer.",
                        "the work has %u arguments", work->arg_count);
    case VYI_WRONG_OPCODE:
        return vyi_opcode_refuse(work->opcode, err);
    case VYI_WRONG_TENANT:
        return vyi_fail(err, VYRE_E_TENANT_RANGE, work->tenant,
                        "Set vyre_desc.tenants to one more than the largest tenant id.",
                        "tenant %u is not one of the handle's %u", work->tenant, v->desc.tenants);
    default:
        return vyi_fail(err, VYRE_E_PRIORITY, (uint64_t)work->priority,
                        "Use one of the VYRE_PRIORITY_ levels.", "priority %d does not exist",
                        (int)work->priority);
    }
}

/* Of several works, which. */
VYI_COLD
static vyre_status vyi_works_refuse(const vyre *v, const vyre_work *works, uint32_t which,
                                    uint32_t count, vyre_error *err)
{
    vyre_error why;
    if (count == 1)
        return vyi_work_refuse(v, works, err);
    const vyre_status status = vyi_work_refuse(v, &works[which], &why);
    return vyi_fail(err, status, why.at, why.fix, "work %u of %u: %.120s", which, count, why.text);
}

static inline vyre_status vyi_works_look(const vyre *v, const vyre_work *works, uint32_t count,
                                         vyre_error *err)
{
    const uint32_t wrong = vyi_works_wrong(v, works, count);
    return wrong == count ? VYRE_OK : vyi_works_refuse(v, works, wrong, count, err);
}

VYI_API vyre_status vyi_works_fit(const vyre *v, const vyre_work *works, uint32_t count,
                                    vyre_error *err)
{
    return vyi_works_look(v, works, count, err);
}

/* --- works into slots ------------------------------------------------------ */

/* Slots of the caller's, BUSY: what the host keeps of their works. */
VYI_OUTLINE
static void vyi_slots_note(vyi_queue *q, uint32_t slot, const vyre_work *works, uint32_t count,
                           const vyi_receipt *r)
{
    if (q->slots.record)
        memcpy(q->slots.record + slot, works, count * sizeof *works);
    for (uint32_t i = 0; i < count && q->slots.ages; i++)
        vyi_store_relaxed(&q->slots.ages[slot + i], vyi_load_relaxed(&q->looks));
    if (q->order.count)
        vyi_order_bind(q, slot, count, r);
    if ((q->slots.extras & VYI_EXTRA_TRACED) && !r->relay)
        vyi_trace_published(q->v, slot, works, count);
}

/* BUSY to a phase that is out; the mark. */
static inline uint32_t vyi_mark_fly(uint32_t *at, uint32_t phase)
{
    const uint32_t busy = vyi_load_relaxed(at), mark = vyi_mark_with(busy, phase);
    VYRE_ASSERT(vyi_mark_phase(busy) == VYI_PHASE_BUSY);
    vyi_store_release(at, mark);
    return mark;
}

/* The works into slots that are the caller's, and that are FLIGHT then, the last one or
 * each KEPT if asked for; the last one's ticket.  Slots of the caller's own are FREE, others BUSY
 * already: who reads a result that a work is about to replace finds afterwards that
 * its generation is over. */
VYI_INLINE
static inline vyre_ticket vyi_slots_fly(vyi_queue *q, uint32_t slot, const vyre_work *works,
                                        uint32_t count, bool mine, const vyi_receipt *r)
{
    uint32_t *marks = q->slots.marks + slot;
    const uint32_t last = r->keep ? VYI_PHASE_KEPT : VYI_PHASE_FLIGHT;
    const uint32_t others = r->each ? last : VYI_PHASE_FLIGHT;
    for (uint32_t i = 0; i < count && mine; i++) {
        const uint32_t mark = vyi_load_relaxed(&marks[i]);
        VYRE_ASSERT(vyi_mark_phase(mark) == VYI_PHASE_FREE);
        vyi_store_release(&marks[i], vyi_mark_next(mark));
    }
    if (q->slots.extras & VYI_EXTRAS_NOTED)
        vyi_slots_note(q, slot, works, count, r);
    vyi_fence_release(); /* BUSY before the words */
    vyi_slots_store(q, vyi_queue_device(q), slot, works, count);
    for (uint32_t i = 0; i + 1 < count; i++)
        (void)vyi_mark_fly(&marks[i], others);
    return vyi_ticket_of(q, slot + count - 1, vyi_mark_fly(&marks[count - 1], last));
}

/* --- publishing ----------------------------------------------------------- */

/* Whether the work in the place before is under way, as far as one word says: of one that
 * has paused, or waits for IO, it says no, which costs a look.  Of one that outlasts all
 * leases in flight it says yes: then who passes the next of the places looks. */
static inline bool vyi_place_before_is_busy(const vyi_queue *q, const vyi_share *share,
                                            uint32_t place)
{
    const uint32_t slot = share->first + (place ? place : share->count) - 1;
    const uint32_t *mirror = vyi_device_words(vyi_queue_device(q), q->slots.mirror);
    return vyi_mark_is_out(vyi_load_relaxed(&q->slots.marks[slot])) &&
           vyi_load_relaxed(&mirror[slot]) == 0;
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
    if (!(q->slots.extras & VYI_EXTRA_LEVELS))
        return count;
    while (n < count && vyi_share_of(q, o, works[n].priority) ==
                            vyi_share_of(q, o, works[0].priority))
        n++;
    return n;
}

/* An owner's next slots that are ready, at most `count`: how many, and the first. */
static inline uint32_t vyi_share_take(vyi_queue *q, vyi_owner *o, vyi_share *share,
                                      uint32_t count, uint32_t *first)
{
    if (!share->ready && !vyi_share_refill(q, o, share))
        return 0;
    const uint32_t next = share->next, n = count < share->ready ? count : share->ready;
    *first = share->first + next;
    share->ready -= n;
    vyi_store_relaxed(&share->next, next + n < share->count ? next + n : 0);
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
    const uint32_t most = vyi_works_alike(q, o, works, count < VYI_RUN ? count : VYI_RUN);
    uint32_t slot, n = mine ? vyi_share_take(q, o, share, most, &slot)
                            : vyi_share_claim(q, o, share, most, &slot);
    if (n == 0)
        return 0;
    if (count == 1)
        n = 1; /* no more were asked for, which the compiler does not see */
    last->ticket = vyi_slots_fly(q, slot, works, n, mine, last);
    last->due = last->due || vyi_publish_is_due(q, share, slot, n);
    return n;
}

/* How many of the works come before one that is wide. */
static inline uint32_t vyi_works_of_lanes(const vyi_queue *q, const vyre_work *works,
                                          uint32_t count)
{
    uint32_t n = q->slots.extras & VYI_EXTRA_WIDE ? 0 : count;
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
        last->due = true;
        return vyi_wide_publish(q, works, last, err);
    }
    *count = vyi_publish_some(q, o, works, n, last);
    if (*count == 0) {
        last->due = true;
        return vyi_news(err, VYRE_FULL, q->slots.lanes,
                        "Poll or wait for a ticket and publish again, or use more slots.",
                        "no slot is free");
    }
    vyi_queue_wake(q);
    return VYRE_OK;
}

/* One, where somebody is told of each. */
VYI_OUTLINE
static vyre_status vyi_publish_told(vyi_queue *q, vyi_owner *o, const vyre_work *work,
                                    vyi_receipt *last, vyre_error *err)
{
    uint32_t one = 1;
    const vyre_status status = vyi_publish_next(q, o, work, &one, last, err);
    if (status == VYRE_OK && !last->relay)
        vyi_tell_published(q->v, work, last->ticket);
    return status;
}

VYI_API vyre_status vyi_publish_row(vyi_queue *q, vyi_owner *o, const vyre_work *works,
                                    uint32_t *count, vyi_receipt *last, vyre_error *err)
{
    if (!(q->slots.extras & VYI_EXTRA_TOLD))
        return vyi_publish_next(q, o, works, count, last, err);
    *count = 1;
    return vyi_publish_told(q, o, works, last, err);
}

VYI_OUTLINE
VYI_API vyre_status vyi_publish_one(vyi_queue *q, vyi_owner *o, const vyre_work *work,
                                    vyi_receipt *ticket, vyre_error *err)
{
    uint32_t one = 1;
    vyre_status status = vyi_publish_begin(q, err);
    if (status == VYRE_OK)
        status = vyi_works_look(q->v, work, 1, err);
    if (status != VYRE_OK)
        return status;
    status = q->slots.extras & VYI_EXTRA_TOLD ? vyi_publish_told(q, o, work, ticket, err)
                                              : vyi_publish_next(q, o, work, &one, ticket, err);
    vyi_publish_end(q, ticket);
    return status;
}

/* Of several works the last one's slot is kept. */
VYI_API vyre_status vyi_publish(vyi_queue *q, vyi_owner *o, const vyre_work *works,
                                uint32_t count, uint32_t *published, vyre_ticket *last,
                                vyre_error *err)
{
    vyi_receipt r = vyi_receipt_for(q, last);
    uint32_t done = 0;
    vyre_status status = vyi_publish_begin(q, err);
    if (status == VYRE_OK)
        status = vyi_works_look(q->v, works, count, err);
    if (status != VYRE_OK)
        return status;
    while (done < count && status == VYRE_OK) {
        const vyre_ticket before = r.ticket;
        uint32_t n = count - done;
        status = vyi_publish_row(q, o, works + done, &n, &r, err);
        if (status == VYRE_OK && r.keep && done)
            vyi_ticket_drop(q, before);
        done += status == VYRE_OK ? n : 0;
    }
    /* A batch is worth a pass of a kernel that does not stay. */
    if (count > 1 && done && !vyi_load_relaxed(&q->lives))
        (void)vyi_queue_nudge(q, VYI_EFFORT_NEWS, NULL);
    else
        vyi_publish_end(q, &r);
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

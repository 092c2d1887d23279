/* ==========================================================================
 * pool: implementation of runs over several handles
 *
 * One cursor over the works.  In turn, from the caller's thread, each handle is given a
 * unit when it has published what it had, publishes until its ring is full, and is
 * asked what has ended.  Behind the cursor's end a handle whose ring has room takes half
 * of what another one still has to publish.  What was published stays where it is:
 * unless its handle is lost or shut down, no work is anywhere but once.
 *
 * A handle that goes is asked for its works under its lock, in the state in which it
 * went, so that a recovery or a start by another thread comes before or after:
 *
 *     shut   nothing runs, so what is PUBLISHED has not run: it ends CANCELLED there,
 *            and goes to another handle.  A wide work may have run in part.
 *     lost   what is published may have run.  With lost_work REPORT it is lost; with
 *            RERUN it goes to another handle.  Its slots are free, so that a recovery
 *            neither runs nor reports it.
 * ======================================================================= */
#include "rooms/pool/pool.h"

#include "engine/run_impl.h"

#ifndef VYRE_NO_POOL

#define VYI_POOL_ORPHAN 0xffffffffu /* a mark of a run that no generation is */

typedef struct vyi_pool_handle {
    vyi_run  run;
    uint32_t still;   /* turns since there was news */
    uint32_t orphans; /* gone: works of its slots that another handle is to run */
    bool     gone, locked;
} vyi_pool_handle;

typedef struct vyi_pool {
    vyi_pool_handle *list;
    const vyre_work *works;
    uint32_t handles, left; /* those that are not gone */
    uint32_t count, next, unit;
    uint64_t timeout_ns;    /* the longest of the handles' */
    vyi_pace pace;
    uint32_t bad;           /* the handle of the first work that was seen to fail, or `handles` */
} vyi_pool;

/* --- who gets what ---------------------------------------------------------- */

/* A work of a handle that is gone. */
static bool vyi_pool_adopt(vyi_pool *p, vyi_run *r)
{
    for (uint32_t i = 0; i < p->handles; i++) {
        vyi_pool_handle *h = &p->list[i];
        const vyi_run_slots *slots = &h->run.v->run;
        for (uint32_t slot = 0; slot < h->run.v->queue.slots.count && h->orphans; slot++) {
            if (slots->marks[slot] != VYI_POOL_ORPHAN)
                continue;
            slots->marks[slot] = 0;
            h->orphans--;
            r->next = slots->works[slot];
            r->end = r->next + 1;
            return true;
        }
    }
    return false;
}

/* Half of what the handle with the most still has to publish; all of it from one that
 * is gone. */
static bool vyi_pool_steal(vyi_pool *p, vyi_run *r)
{
    uint32_t most = 0, from = 0;
    for (uint32_t i = 0; i < p->handles; i++) {
        const vyi_run *o = &p->list[i].run;
        if (o->end - o->next > most) {
            most = o->end - o->next;
            from = i;
        }
    }
    if (most == 0)
        return false;
    vyi_run *o = &p->list[from].run;
    r->end = o->end;
    o->end -= p->list[from].gone ? most : most - most / 2;
    r->next = o->end;
    return true;
}

/* Something for a handle that has published all it had. */
static bool vyi_pool_give(vyi_pool *p, vyi_run *r)
{
    VYRE_ASSERT(r->next == r->end);
    const uint32_t rest = p->count - p->next;
    if (rest == 0)
        return vyi_pool_steal(p, r) || vyi_pool_adopt(p, r);
    r->next = p->next;
    p->next += rest < p->unit ? rest : p->unit;
    r->end = p->next;
    return true;
}

/* --- handles that go -------------------------------------------------------- */

static void vyi_pool_orphan(vyi_pool_handle *h, uint32_t slot)
{
    h->run.v->run.marks[slot] = VYI_POOL_ORPHAN;
    h->run.open--;
    h->orphans++;
}

/* What may have run already, by the handle's rule. */
static void vyi_pool_leave(vyi_pool_handle *h, uint32_t slot)
{
    vyi_run *r = &h->run;
    if (r->v->desc.lost_work == VYRE_LOST_RERUN) {
        vyi_pool_orphan(h, slot);
        return;
    }
    vyi_run_note(r, slot, VYRE_E_LOST, 0);
    r->v->run.marks[slot] = 0;
    r->open--;
}

/* The handle is lost; under its lock. */
static void vyi_pool_leave_lost(vyi_pool_handle *h)
{
    vyi_queue *q = &h->run.v->queue;
    for (uint32_t slot = 0; slot < q->slots.count && h->run.open; slot++) {
        if (!h->run.v->run.marks[slot])
            continue;
        uint32_t mark = vyi_load_acquire(&q->slots.marks[slot]);
        VYRE_ASSERT(vyi_mark_generation(mark) == h->run.v->run.marks[slot]);
        while (!vyi_mark_move(q, slot, mark, vyi_mark_with(mark, VYI_PHASE_FREE)))
            mark = vyi_load_acquire(&q->slots.marks[slot]);
        vyi_pool_leave(h, slot);
    }
}

/* The handle is shut, nothing runs on it; under its lock. */
static void vyi_pool_bury(vyi_pool_handle *h)
{
    vyi_queue *q = &h->run.v->queue;
    VYRE_ASSERT(vyi_queue_in_flight(q) == 0);
    for (uint32_t slot = 0; slot < q->slots.lanes; slot++) {
        if (h->run.v->run.marks[slot] && vyi_slot_outcome(q, slot) == 0)
            vyi_slot_bury(q, slot, VYRE_FAULT_CANCELLED);
    }
}

/* After that, and without the lock: what was buried is told as CANCELLED, and what is
 * left is wide. */
static void vyi_pool_leave_shut(vyi_pool_handle *h)
{
    vyre *v = h->run.v;
    for (uint32_t slot = 0; slot < v->queue.slots.count && h->run.open; slot++) {
        uint32_t code = 0;
        if (!v->run.marks[slot])
            continue;
        const vyre_ticket t = vyi_run_ticket(&h->run, slot);
        const bool wide = slot >= v->queue.slots.lanes;
        if (wide ? vyre_cancel(v, t, NULL) == VYRE_PENDING
                 : vyi_ticket_look(&v->queue, t, &code) == VYRE_E_CANCELLED) {
            vyi_ticket_drop(&v->queue, t);
            if (wide)
                vyi_pool_leave(h, slot);
            else
                vyi_pool_orphan(h, slot);
        }
    }
    (void)vyi_run_sweep(&h->run);
}

static vyre_status vyi_pool_none_left(const vyi_pool *p, const vyi_pool_handle *h,
                                      vyre_error *err)
{
    uint32_t open = p->count - p->next;
    for (uint32_t i = 0; i < p->handles; i++)
        open += p->list[i].run.end - p->list[i].run.next + p->list[i].orphans;
    const vyre_error how = *err;
    return vyi_fail(err, how.status, open, how.fix,
                    "handle %u, the last of %u, is gone with %u works to run: %.80s",
                    (uint32_t)(h - p->list), p->handles, open, how.text);
}

/* A call has failed.  VYRE_OK: the handle is gone and others are left, or somebody has
 * mended it. */
static vyre_status vyi_pool_failed(vyi_pool *p, vyi_pool_handle *h, vyre_status status)
{
    vyi_queue *q = &h->run.v->queue;
    (void)vyi_run_sweep(&h->run);
    vyi_mutex_lock(&q->v->lock);
    const uint32_t state = q->state;
    if (state == VYI_STATE_LOST)
        vyi_pool_leave_lost(h);
    else if (state == VYI_STATE_SHUT)
        vyi_pool_bury(h);
    vyi_mutex_unlock(&q->v->lock);
    if (state == VYI_STATE_SHUT)
        vyi_pool_leave_shut(h);
    else if (state != VYI_STATE_LOST)
        return status == VYRE_E_DEVICE_LOST || status == VYRE_E_LEASE || status == VYRE_E_STOPPED
                   ? VYRE_OK
                   : status;
    h->gone = true;
    return --p->left ? VYRE_OK : status;
}

/* --- turns ------------------------------------------------------------------ */

/* VYRE_OK: there was news; VYRE_EMPTY: there was none; or the handle's error. */
static vyre_status vyi_pool_visit(vyi_pool *p, vyi_pool_handle *h, vyre_error *err)
{
    vyi_run *r = &h->run;
    vyre_status status = VYRE_OK;
    bool news = false;
    const uint64_t begin = vyi_now();
    do {
        if (r->next == r->end && !vyi_pool_give(p, r))
            break;
        const uint32_t before = r->next;
        status = vyi_run_publish(r, err);
        news = news || r->next != before;
    } while (status == VYRE_OK && p->left == 1);
    r->publish_ns += vyi_now() - begin;
    if (status < 0)
        return status;
    if (vyi_run_sweep(r) || news) {
        h->still = 0;
        return VYRE_OK;
    }
    status = h->still++ % VYI_PACE_SPINS == 0 ? vyi_pace_look(&r->v->queue, err) : VYRE_OK;
    return status < 0 ? status : VYRE_EMPTY;
}

static vyre_status vyi_pool_rest(vyi_pool *p, vyre_error *err)
{
    vyi_device *d = NULL;
    uint32_t open = 0;
    if (p->pace.turn++ % VYI_PACE_SPINS != 0) {
        vyi_pause();
        return VYRE_OK;
    }
    for (uint32_t i = 0; i < p->handles; i++) {
        vyi_device *one = vyi_queue_device(&p->list[i].run.v->queue);
        if (!p->list[i].gone && (!d || one->shared))
            d = one;
        open += p->list[i].run.open;
    }
    const uint64_t now = vyi_now();
    if (now >= p->pace.deadline)
        return vyi_fail(err, VYRE_TIMEOUT, open,
                        "Raise run_timeout_ns, or see what blocks the work.",
                        "none of the %u works in the rings of %u handles has ended within %llu ms",
                        open, p->left, (unsigned long long)(p->timeout_ns / 1000000u));
    vyi_pace_rest(d, &p->pace, now);
    return VYRE_OK;
}

static bool vyi_pool_is_over(const vyi_pool *p)
{
    uint64_t ended = 0;
    for (uint32_t i = 0; i < p->handles; i++)
        ended += p->list[i].run.done + p->list[i].run.faults + p->list[i].run.lost;
    return ended == p->count;
}

/* All handles, once. */
static vyre_status vyi_pool_turn(vyi_pool *p, vyre_error *err)
{
    bool news = false;
    for (uint32_t i = 0; i < p->handles; i++) {
        vyi_pool_handle *h = &p->list[i];
        if (h->gone)
            continue;
        vyre_status status = vyi_pool_visit(p, h, err);
        news = news || status != VYRE_EMPTY;
        if (status < 0)
            status = vyi_pool_failed(p, h, status);
        if (h->run.bad_status != VYRE_OK && p->bad == p->handles)
            p->bad = i;
        if (status < 0)
            return p->left || vyi_pool_is_over(p) ? status : vyi_pool_none_left(p, h, err);
    }
    if (!news)
        return vyi_pool_rest(p, err);
    p->pace = vyi_pace_begin(p->timeout_ns);
    return VYRE_OK;
}

/* --- a run ------------------------------------------------------------------ */

static vyre_status vyi_pool_explain(const vyi_pool *p, vyre_error *err)
{
    uint64_t faults = 0, lost = 0;
    if (p->bad == p->handles)
        return VYRE_OK;
    const vyi_run *r = &p->list[p->bad].run;
    for (uint32_t i = 0; i < p->handles; i++) {
        faults += p->list[i].run.faults;
        lost += p->list[i].run.lost;
    }
    vyi_fail(err, r->bad_status, r->bad_work, vyi_fault_fix(r->bad_code),
             "%llu of %u works ended FAULT and %llu were lost; the first seen is work %u, on "
             "handle %u (fault %u: %s)", (unsigned long long)faults, p->count,
             (unsigned long long)lost, r->bad_work, p->bad, r->bad_code,
             vyre_fault_text(r->bad_code));
    if (err)
        err->native = (int32_t)r->bad_code;
    return r->bad_status;
}

/* Nothing of the run stays in the handles. */
static void vyi_pool_abandon(vyi_pool *p)
{
    for (uint32_t i = 0; i < p->handles; i++) {
        vyi_run *r = &p->list[i].run;
        for (uint32_t slot = 0; slot < r->v->queue.slots.count && p->list[i].orphans; slot++) {
            if (r->v->run.marks[slot] != VYI_POOL_ORPHAN)
                continue;
            r->v->run.marks[slot] = 0;
            p->list[i].orphans--;
        }
        vyi_run_abandon(r);
    }
}

static vyre_status vyi_pool_locked(vyi_pool *p, vyre_stats *each, vyre_error *err)
{
    vyre_error how;
    vyre_status status = VYRE_OK;
    const uint64_t begin = vyi_now();
    memset(&how, 0, sizeof how);
    p->pace = vyi_pace_begin(p->timeout_ns);
    while (!vyi_pool_is_over(p) && status == VYRE_OK)
        status = vyi_pool_turn(p, &how);
    vyi_pool_abandon(p);
    if (!vyi_pool_is_over(p)) {
        if (err)
            *err = how;
        return how.status;
    }
    for (uint32_t i = 0; i < p->handles && each; i++) {
        each[i] = vyi_run_stats(&p->list[i].run);
        each[i].latency_ns = vyi_now() - begin;
        each[i].wait_ns = each[i].latency_ns - each[i].publish_ns;
    }
    return vyi_pool_explain(p, err);
}

/* By their addresses, so that two pools with the same handles do not wait for each
 * other. */
static void vyi_pool_lock(vyi_pool *p, const vyre_pool_desc *desc)
{
    for (uint32_t n = 0; n < p->handles; n++) {
        uint32_t next = p->handles;
        for (uint32_t i = 0; i < p->handles; i++) {
            const uintptr_t at = (uintptr_t)desc->handles[i];
            if (!p->list[i].locked &&
                (next == p->handles || at < (uintptr_t)desc->handles[next]))
                next = i;
        }
        vyi_mutex_lock(&desc->handles[next]->run.lock);
        p->list[next].locked = true;
        p->list[next].run = vyi_run_begin(desc->handles[next], p->works);
    }
}

static vyre_status vyi_pool_check(const vyre_pool_desc *desc, const vyre_work *works,
                                  uint32_t count, vyre_error *err)
{
    if (!desc || !desc->handles || desc->count == 0 || (!works && count))
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass open handles and an array of works.",
                        "%s", desc && desc->handles && desc->count ? "works is NULL"
                                                                   : "there are no handles");
    for (uint32_t i = 0; i < desc->count; i++) {
        if (!desc->handles[i])
            return vyi_fail(err, VYRE_E_ARGUMENT, i, "Pass open handles.", "handle %u is NULL", i);
        for (uint32_t j = 0; j < i; j++) {
            if (desc->handles[j] == desc->handles[i])
                return vyi_fail(err, VYRE_E_ARGUMENT, i, "Pass each handle once.",
                                "handles %u and %u are the same", j, i);
        }
    }
    vyre_status status = VYRE_OK;
    for (uint32_t i = 0; i < desc->count && status == VYRE_OK; i++)
        status = vyi_works_fit(desc->handles[i], works, count, err);
    return status;
}

/* Equal handlers are the caller's word. */
static void vyi_pool_compare(const vyre_pool_desc *desc)
{
    const vyre *first = desc->handles[0];
    for (uint32_t i = 1; i < desc->count; i++) {
        const vyre *v = desc->handles[i];
        if (vyre_program_hash(v->programs.loop) != vyre_program_hash(first->programs.loop))
            vyi_message(&v->desc.messages, VYRE_SEVERITY_INFO,
                        "handle %u of the pool has another kernel than handle 0", i);
    }
}

static uint32_t vyi_pool_unit(const vyre_pool_desc *desc, uint32_t count)
{
    uint64_t unit = 0;
    (void)vyre_split_count(count, desc->count, &unit);
    unit = desc->unit ? desc->unit : unit;
    for (uint32_t i = 0; i < desc->count; i++) {
        const uint32_t most = desc->handles[i]->queue.slots.lanes / 4;
        unit = unit < most ? unit : most ? most : 1;
    }
    return (uint32_t)unit;
}

VYRE_API vyre_status vyre_pool_run(const vyre_pool_desc *desc, const vyre_work *works,
                                   uint32_t count, vyre_stats *each, vyre_error *err)
{
    vyi_pool p;
    vyre_status status = vyi_pool_check(desc, works, count, err);
    if (status != VYRE_OK)
        return status;
    const vyre_allocator *allocator = &desc->handles[0]->desc.allocator;
    size_t size = SIZE_MAX;
    memset(&p, 0, sizeof p);
    if (vyi_size_mul(desc->count, sizeof *p.list, &size))
        p.list = (vyi_pool_handle *)vyi_alloc_zeroed(allocator, size);
    if (!p.list)
        return vyi_fail_nomem(err, size);
    p.works = works;
    p.handles = p.left = p.bad = desc->count;
    p.count = count;
    p.unit = vyi_pool_unit(desc, count);
    for (uint32_t i = 0; i < desc->count; i++) {
        const uint64_t timeout_ns = desc->handles[i]->desc.run_timeout_ns;
        p.timeout_ns = p.timeout_ns > timeout_ns ? p.timeout_ns : timeout_ns;
    }
    vyi_pool_compare(desc);
    vyi_pool_lock(&p, desc);
    status = vyi_pool_locked(&p, each, err);
    for (uint32_t i = 0; i < desc->count; i++)
        vyi_mutex_unlock(&desc->handles[i]->run.lock);
    vyi_free(allocator, p.list, size);
    return status;
}

#endif /* VYRE_NO_POOL */

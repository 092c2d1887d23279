/* ==========================================================================
 * engine: keeping a kernel running
 *
 * A started kernel is a chain of leases: dispatches that return after a budget
 * of rounds, with the next one queued already.  Whoever polls, waits or
 * publishes looks after the chain now and then; all state lives in the
 * buffers, so any lease may be the last.  Where live visibility is not proved,
 * and before vyre_start, work is served by passes: one-pass launches, made
 * while there is work that has not ended.
 * ======================================================================= */
#include "engine/queue_impl.h"
#include "kernel/children_impl.h"

#include "wire/ring.h"

#define VYI_CADENCE_MAX      1000u /* microseconds */
#define VYI_CADENCE_MIN      20u   /* with leases shorter than four of these every look is due */
#define VYI_NUDGE_TRIES      64u   /* for the lock: a few microseconds */
#define VYI_PASS_WAIT_NS     200000u
#define VYI_PASS_RETRY_NS    1000000u

/* --- after an abort ------------------------------------------------------- */

VYI_COLD
VYI_API void vyi_queue_bury(vyi_queue *q)
{
    const uint32_t *ring = vyi_device_words(vyi_queue_device(q), VYI_ROLE_RING);

    if (!vyi_load_acquire(&q->aborted))
        return;
    vyi_store_release(&q->aborted, 0);
    vyi_wide_bury(q);
    for (uint32_t slot = 0; slot < q->slots.count; slot++) {
        const uint32_t *at = ring + (size_t)slot * VYRE_SLOT_WORDS;
        const uint32_t status = vyi_le32(vyi_load_acquire(at));
        if (status == VYRE_SLOT_CLAIMED || status == VYI_SLOT_JOINED)
            vyi_slot_bury(q, slot, VYRE_FAULT_LOOP_LIMIT);
    }
    if (q->v->desc.kernel.children) /* theirs: nobody knows who was in the middle of what */
        memset(vyi_queue_device(q)->map[q->children.buffer], 0,
               q->v->buffers.list[q->children.buffer].size);
}

/* --- the chain ----------------------------------------------------------- */

/* Leases that should be queued. */
static uint32_t vyi_chain_target(const vyi_queue *q)
{
    const vyi_device *d = vyi_queue_device(q);
    const uint32_t wanted = q->chain.rounds == 0 ? 1 : q->v->desc.lease.in_flight;
    return wanted < d->in_flight ? wanted : d->in_flight;
}

/* Opcode SHUTDOWN has been executed, not the host's own stop. */
static bool vyi_chain_shut(vyi_queue *q)
{
    return vyi_control_load(vyi_queue_device(q), VYRE_CONTROL_SHUTDOWN) != 0;
}

/* REST: the leases may run out while no work waits.  Then the next publish, for which
 * every look is due, queues one. */
static vyre_status vyi_chain_extend(vyi_queue *q, vyi_effort effort, vyre_error *err)
{
    const uint32_t target = vyi_chain_target(q);
    const vyre_status reaped = vyi_queue_in_flight(q) ? vyi_queue_reap(q, 0, err) : VYRE_OK;
    if (reaped != VYRE_OK || vyi_queue_in_flight(q) >= target)
        return reaped;
    if (vyi_chain_shut(q)) {
        if (vyi_queue_in_flight(q) == 0)
            vyi_queue_to(q, VYI_STATE_SHUT);
        return VYRE_OK;
    }
    if (effort == VYI_EFFORT_REST && !vyi_queue_waiting(q))
        return VYRE_OK;
    if (vyi_queue_in_flight(q) == 0)
        vyi_queue_bury(q); /* a stop has ended the lease, and could not go on */
    if (q->tuned.tuner)
        q->tuned.tuner->lease(q);
    while (vyi_queue_in_flight(q) < target) {
        const vyre_status status = vyi_queue_launch(q, VYI_LAUNCH_LOOP, q->chain.rounds, err);
        if (status != VYRE_OK)
            return status;
    }
    return VYRE_OK;
}

/* Works of lanes and wide ones take turns. */
static vyre_status vyi_chain_launch_pass(vyi_queue *q, vyre_error *err)
{
    const uint32_t wide = q->wides.count ? vyi_wide_next(q) : UINT32_MAX;
    q->wides.turn = wide != UINT32_MAX && !(q->wides.turn && vyi_wide_has_company(q));
    return q->wides.turn ? vyi_wide_launch(q, wide, err)
                         : vyi_queue_launch(q, VYI_LAUNCH_ONCE, 0, err);
}

/* The pass that has ended has left jobs in the device's queue. */
static bool vyi_children_wait(vyi_queue *q)
{
    const uint32_t seen = q->children.seen;
    q->children.seen = vyi_control_load(vyi_queue_device(q), VYRE_CONTROL_CHILDREN);
    return q->children.seen != seen;
}

/* A pass has ended.  One that changed nothing, neither which works wait nor how far
 * they are, is not soon followed by another. */
static void vyi_chain_look_back(vyi_queue *q)
{
    vyi_chain *c = &q->chain;
    const uint32_t requeues = q->v->desc.kernel.tasks
                                  ? vyi_control_load(vyi_queue_device(q), VYRE_CONTROL_REQUEUES)
                                  : c->requeues;
    c->after = vyi_queue_waiting(q);
    const bool moved = c->after != c->before || requeues != c->requeues || vyi_children_wait(q);
    c->retry_at = moved ? 0 : vyi_now() + VYI_PASS_RETRY_NS;
    c->requeues = requeues;
    c->before = 0;
}

/* While a pass is under way a batch was published.  It may have been at these slots
 * before, and nobody may ask again, so another one follows it.  Wide works have the
 * device to themselves. */
static vyre_status vyi_chain_pass_behind(vyi_queue *q, vyre_error *err)
{
    const uint32_t waiting = vyi_queue_waiting(q), before = q->chain.before;
    if (waiting == 0 || waiting == before || q->wides.count ||
        vyi_queue_in_flight(q) >= vyi_queue_device(q)->in_flight)
        return VYRE_OK;
    q->chain.before = waiting;
    const vyre_status status = vyi_queue_launch(q, VYI_LAUNCH_ONCE, 0, err);
    if (status != VYRE_OK)
        q->chain.before = before;
    return status;
}

/* A pass for work that is pending, unless the last one has changed nothing and
 * nothing is new. */
static vyre_status vyi_chain_pass(vyi_queue *q, vyi_effort effort, vyre_error *err)
{
    vyi_chain *c = &q->chain;
    if (vyi_queue_in_flight(q)) {
        const vyre_status status =
            vyi_queue_reap(q, effort == VYI_EFFORT_WORK ? VYI_PASS_WAIT_NS : 0, err);
        if (status == VYRE_OK && vyi_queue_in_flight(q) && effort == VYI_EFFORT_NEWS)
            return vyi_chain_pass_behind(q, err);
        if (status != VYRE_OK || vyi_queue_in_flight(q))
            return status;
    }
    if (c->before) { /* a pass has ended */
        vyi_queue_bury(q);
        vyi_queue_deliver_log(q); /* of a ring that never rests it is the time */
        vyi_chain_look_back(q);
    }
    if (q->state == VYI_STATE_RUNNING && vyi_chain_shut(q)) {
        vyi_queue_to(q, VYI_STATE_SHUT);
        return VYRE_OK;
    }
    const uint32_t waiting = vyi_queue_waiting(q);
    if (waiting == 0 || (waiting == c->after && vyi_now() < c->retry_at))
        return VYRE_OK;
    if (q->state == VYI_STATE_IDLE)
        vyi_queue_set_shutdown(q, 0);
    c->before = waiting;
    const vyre_status status = vyi_chain_launch_pass(q, err);
    if (status != VYRE_OK)
        c->before = 0;
    return status;
}

/* Microseconds until the next look, in which the leases cannot run out: behind the
 * one that runs there is another, and this is a quarter of it.  0: every look is
 * due, for that is not so or not known. */
static uint32_t vyi_chain_cadence(const vyi_queue *q)
{
    if (!vyi_load_relaxed(&q->lives) || q->state != VYI_STATE_RUNNING ||
        vyi_queue_in_flight(q) < vyi_chain_target(q))
        return 0;
    if (q->chain.rounds == 0)
        return VYI_CADENCE_MAX;
    const uint64_t us = q->chain.least_ns / 4000u;
    if (us < VYI_CADENCE_MIN || vyi_chain_target(q) < 2)
        return 0;
    return us < VYI_CADENCE_MAX ? (uint32_t)us : VYI_CADENCE_MAX;
}

VYI_COLD
VYI_API vyre_status vyi_queue_recover(vyi_queue *q, vyre_error *err)
{
    const vyre_status status = vyi_queue_replace(q, err);
    return status == VYRE_OK && q->loss.was_running ? vyi_queue_drive(q, VYI_EFFORT_LOOK, err)
                                                    : status;
}

static vyre_status vyi_queue_mend(vyi_queue *q, vyre_error *err)
{
    if (q->v->desc.auto_recover && !q->loss.mended) {
        q->loss.mended = true;
        return vyi_queue_recover(q, err);
    }
    return vyi_queue_lost(q, &q->loss.how, err);
}

VYI_API vyre_status vyi_queue_drive(vyi_queue *q, vyi_effort effort, vyre_error *err)
{
    vyre_status status = VYRE_OK;
    const bool persistent = q->state == VYI_STATE_RUNNING && q->mode == VYRE_MODE_PERSISTENT;

    if (q->state == VYI_STATE_LOST)
        return vyi_queue_mend(q, err);
    vyi_queue_look(q);
    const bool renews = vyi_wide_renew(q);
    if (persistent)
        status = vyi_chain_extend(q, effort, err);
    else if (q->state == VYI_STATE_RUNNING ||
             (q->state == VYI_STATE_IDLE && (effort == VYI_EFFORT_WORK || q->chain.before)))
        status = vyi_chain_pass(q, effort, err);
    if (vyi_status_is_loss(status))
        return vyi_queue_mend(q, err);
    vyi_queue_deliver_log(q);
    vyi_troubles_forget(q);
    const uint32_t cadence = renews ? 0 : vyi_chain_cadence(q);
    vyi_store_relaxed(&q->drive_at, (uint32_t)(vyi_now() / 1000u) + cadence);
    return status;
}

VYI_API vyre_status vyi_queue_nudge(vyi_queue *q, vyi_effort effort, vyre_error *err)
{
    if (vyi_load_relaxed(&q->ends.pending))
        vyi_ends_deliver(q);
    const uint32_t now = (uint32_t)(vyi_now() / 1000u);
    const uint32_t ahead = vyi_load_relaxed(&q->drive_at) - now; /* or long past, wrapped */
    const uint32_t state = vyi_load_acquire(&q->state);

    const bool due = ahead - 1 >= VYI_CADENCE_MAX &&
                     (state != VYI_STATE_IDLE || effort == VYI_EFFORT_WORK);

    if (!due && !vyi_log_waits(q))
        return VYRE_OK;
    if (vyi_load_acquire(&q->stops))
        return VYRE_OK;
    /* Who has it drives, or mostly is gone in a moment. */
    for (uint32_t tried = 0; !vyi_mutex_try(&q->v->lock); tried++) {
        if (tried == VYI_NUDGE_TRIES)
            return VYRE_OK;
        vyi_pause();
    }
    vyre_status status = VYRE_OK;
    if (due)
        status = vyi_queue_drive(q, effort, err);
    else
        vyi_queue_deliver_log(q);
    vyi_mutex_unlock(&q->v->lock);
    return status;
}

VYI_API void vyi_log_hear(vyi_queue *q)
{
    if (vyi_log_waits(q))
        (void)vyi_queue_nudge(q, VYI_EFFORT_LOOK, NULL);
}

/* --- the helper ---------------------------------------------------------- */

#if VYI_THREADS

#define VYI_HELPER_NAP_NS      500000u
#define VYI_HELPER_NAP_MOST_NS 20000000u

/* How long the helper sleeps after a nap.  Leases of a GPU run out meanwhile; a
 * device that shares the processors is looked at less and less while none of
 * its works ends, and then its leases may run out. */
static uint64_t vyi_helper_nap(const vyre *v, uint64_t nap, uint32_t *ended)
{
    const vyi_device *d = vyi_queue_device(&v->queue);
    if (!d->shared || vyi_load_acquire(&v->queue.state) == VYI_STATE_LOST)
        return VYI_HELPER_NAP_NS;
    const uint32_t now = vyi_control_load(d, VYRE_CONTROL_DONE_COUNT) +
                         vyi_control_load(d, VYRE_CONTROL_FAULT_COUNT);
    const bool moved = now != *ended;
    *ended = now;
    if (moved)
        return VYI_HELPER_NAP_NS;
    return nap < VYI_HELPER_NAP_MOST_NS / 2 ? nap * 2 : VYI_HELPER_NAP_MOST_NS;
}

static void vyi_helper_main(void *user)
{
    vyre *v = (vyre *)user;
    uint64_t nap = VYI_HELPER_NAP_NS;
    uint32_t ended = 0;
    vyi_mutex_lock(&v->helper.lock);
    while (!v->helper.quits) {
        vyi_cond_wait(&v->helper.wake, &v->helper.lock, nap);
        vyi_mutex_unlock(&v->helper.lock);
        (void)vyi_queue_nudge(&v->queue, nap < VYI_HELPER_NAP_MOST_NS ? VYI_EFFORT_LOOK
                                                                     : VYI_EFFORT_REST, NULL);
        nap = vyi_helper_nap(v, nap, &ended);
        vyi_mutex_lock(&v->helper.lock);
    }
    vyi_mutex_unlock(&v->helper.lock);
}

VYI_COLD
VYI_API bool vyi_helper_start(vyre *v)
{
    v->helper.quits = false;
    v->helper.runs = vyi_thread_start(&v->helper.thread, vyi_helper_main, v);
    return v->helper.runs;
}

VYI_COLD
VYI_API void vyi_helper_stop(vyre *v)
{
    if (!v->helper.runs)
        return;
    vyi_mutex_lock(&v->helper.lock);
    v->helper.quits = true;
    vyi_cond_signal(&v->helper.wake);
    vyi_mutex_unlock(&v->helper.lock);
    vyi_thread_join(&v->helper.thread);
    v->helper.runs = false;
}

#else

VYI_API bool vyi_helper_start(vyre *v)
{
    (void)v;
    return false;
}

VYI_API void vyi_helper_stop(vyre *v)
{
    (void)v;
}

#endif

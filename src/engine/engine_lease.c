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

#define VYI_LEASE_ROUNDS_MAX (1u << 30)
#define VYI_CADENCE_MAX      1000u /* microseconds */
#define VYI_CADENCE_MIN      20u   /* with leases shorter than four of these every look is due */
#define VYI_NUDGE_TRIES      64u   /* for the lock: a few microseconds */
#define VYI_PASS_WAIT_NS     200000u
#define VYI_PASS_RETRY_NS    1000000u

/* --- the state ----------------------------------------------------------- */

/* From each state, the states that may follow. */
static const uint8_t vyi_state_follows[] = {
    /* IDLE     */ 1u << VYI_STATE_IDLE | 1u << VYI_STATE_RUNNING | 1u << VYI_STATE_STOPPING |
                   1u << VYI_STATE_LOST,
    /* RUNNING  */ 1u << VYI_STATE_IDLE | 1u << VYI_STATE_STOPPING | 1u << VYI_STATE_SHUT |
                   1u << VYI_STATE_LOST,
    /* STOPPING */ 1u << VYI_STATE_IDLE | 1u << VYI_STATE_RUNNING | 1u << VYI_STATE_STOPPING |
                   1u << VYI_STATE_LOST,
    /* SHUT     */ 1u << VYI_STATE_IDLE | 1u << VYI_STATE_RUNNING | 1u << VYI_STATE_STOPPING |
                   1u << VYI_STATE_LOST,
    /* LOST     */ 1u << VYI_STATE_IDLE | 1u << VYI_STATE_RUNNING,
};

VYI_API void vyi_queue_to(vyi_queue *q, vyi_run_state state)
{
    VYRE_ASSERT(q->state <= VYI_STATE_LOST && vyi_state_follows[q->state] >> state & 1u);
    vyi_store_release(&q->state, (uint32_t)state);
}

/* --- figures ------------------------------------------------------------- */

VYI_API void vyi_figures_note(vyi_queue *q)
{
    vyi_figures *f = &q->figures;
    vyi_mutex_lock(&q->v->brief);
    f->device = q->device;
    f->bytes = vyi_queue_device(q)->bytes;
    f->leases = q->chain.leases;
    f->passes = q->chain.passes;
    f->lease_ns = q->chain.lease_ns;
    f->lease_rounds = q->chain.rounds;
    f->recoveries = q->loss.count;
    f->requeue = q->requeue;
    vyi_mutex_unlock(&q->v->brief);
}

VYI_API vyi_figures vyi_figures_read(const vyi_queue *q)
{
    vyi_mutex_lock(&q->v->brief);
    const vyi_figures figures = q->figures;
    vyi_mutex_unlock(&q->v->brief);
    return figures;
}

/* --- looks ---------------------------------------------------------------- */

/* Looks since the oldest work in flight was published. */
static uint32_t vyi_oldest_looks(const vyi_queue *q)
{
    uint32_t oldest = 0;
    for (uint32_t slot = 0; slot < q->slots.count && q->slots.ages; slot++) {
        const uint32_t age = q->looks - vyi_load_relaxed(&q->slots.ages[slot]);
        if (age > oldest && age <= INT32_MAX && vyi_slot_waits(q, slot))
            oldest = age;
    }
    return oldest;
}

/* The counters hold 64 bits, the device's words 32. */
static void vyi_requeue_note(vyi_queue *q, uint32_t word, vyre_requeue_event event,
                             uint32_t *seen)
{
    const uint32_t now = vyi_control_load(vyi_queue_device(q), word);
    uint64_t *count = event == VYRE_REQUEUE_REQUEUED ? &q->requeue.requeues
                                                     : &q->requeue.promotions;
    if (now == *seen)
        return;
    *count += now - *seen - 1u;
    (void)vyre_requeue_record(&q->requeue, event, q->requeue.max_age, NULL); /* and the last */
    *seen = now;
}

VYI_API void vyi_queue_look(vyi_queue *q)
{
    const vyre_kernel_desc *k = &q->v->desc.kernel;
    const vyre_requeue before = q->requeue;
    vyi_store_relaxed(&q->looks, q->looks + 1);
    q->requeue.max_age = vyi_oldest_looks(q);
    if (k->tasks || k->load_miss)
        vyi_requeue_note(q, VYRE_CONTROL_REQUEUES, VYRE_REQUEUE_REQUEUED, &q->requeued);
    if (q->slots.levels > 1)
        vyi_requeue_note(q, VYRE_CONTROL_PROMOTED, VYRE_REQUEUE_PROMOTED, &q->promoted);
    if (before.requeues != q->requeue.requeues || before.max_age != q->requeue.max_age ||
        before.promotions != q->requeue.promotions)
        vyi_figures_note(q);
}

VYI_API void vyi_queue_look_anew(vyi_queue *q)
{
    q->requeued = q->promoted = 0;
}

/* --- launches ------------------------------------------------------------ */

/* Nothing more can be done with the device. */
VYI_COLD
VYI_API vyre_status vyi_queue_lost(vyi_queue *q, const vyre_error *how, vyre_error *err)
{
    if (q->state != VYI_STATE_LOST) {
        q->loss.was_running = q->state == VYI_STATE_RUNNING;
        q->loss.how = *how;
        vyi_queue_to(q, VYI_STATE_LOST);
        vyi_message(&q->v->desc.messages, VYRE_SEVERITY_ERROR, "%s", how->text);
    }
    if (err)
        *err = q->loss.how;
    return q->loss.how.status;
}

static bool vyi_status_is_loss(vyre_status status)
{
    return status == VYRE_E_DEVICE_LOST || status == VYRE_E_LEASE;
}

VYI_COLD
VYI_API vyre_status vyi_queue_failed(vyi_queue *q, vyre_status status, vyre_error *how,
                                      vyre_error *err)
{
    how->status = status; /* a backend may leave the text to us */
    if (vyi_status_is_loss(how->status))
        return vyi_queue_lost(q, how, err);
    if (err)
        *err = *how;
    return how->status;
}

VYI_API vyre_status vyi_queue_launch(vyi_queue *q, vyi_launch what, uint32_t rounds,
                                     vyre_error *err)
{
    vyi_device *d = vyi_queue_device(q);
    vyre_error how;
    memset(&how, 0, sizeof how);

    vyi_store_release(&q->passing, what != VYI_LAUNCH_LOOP);
    const vyre_status status = d->backend->launch(d, what, rounds, &how);
    vyi_store_release(&q->passing, 0);
    if (status < 0)
        return vyi_queue_failed(q, status, &how, err);
    if (vyi_queue_in_flight(q) == 0)
        q->chain.since = vyi_now();
    q->chain.launched++;
    if (q->v->trace.events)
        vyi_trace_note(q->v, what == VYI_LAUNCH_LOOP ? VYI_TRACE_LEASE : VYI_TRACE_PASS, 0,
                       (uint32_t)q->chain.launched);
    if (what == VYI_LAUNCH_LOOP)
        q->chain.leases++;
    else
        q->chain.passes++;
    vyi_figures_note(q);
    return VYRE_OK;
}

/* Learns from `ended` leases that took until now. */
static void vyi_chain_measure(vyi_queue *q, uint64_t ended)
{
    vyi_chain *c = &q->chain;
    const uint64_t now = vyi_now();
    const uint64_t each = (now - c->since) / ended;
    const bool dry = vyi_queue_in_flight(q) == 0; /* then `each` is only a bound */
    const uint64_t aim = q->v->desc.lease.time_ns;
    const vyi_device *d = vyi_queue_device(q);
    const uint32_t most = d->max_rounds ? d->max_rounds : VYI_LEASE_ROUNDS_MAX;

    c->since = now;
    if (q->state != VYI_STATE_RUNNING || q->mode != VYRE_MODE_PERSISTENT)
        return;
    c->lease_ns = each;
    if (!dry || each < c->least_ns)
        c->least_ns = each;
    if (c->rounds == 0 || q->v->desc.lease.rounds)
        return;
    if (each < aim / 2)
        c->rounds = c->rounds < most / 2 ? c->rounds * 2 : most;
    else if (!dry && each > aim * 2 && c->rounds > 1) {
        c->rounds /= 2;
        c->least_ns /= 2;
    }
}

VYI_API vyre_status vyi_queue_reap(vyi_queue *q, uint64_t timeout_ns, vyre_error *err)
{
    vyi_chain *c = &q->chain;
    vyi_device *d = vyi_queue_device(q);
    uint64_t completed = c->completed;
    vyre_error how;
    memset(&how, 0, sizeof how);

    const vyre_status status = d->backend->reap(d, c->completed, timeout_ns, &completed, &how);
    if (status < 0)
        return vyi_queue_failed(q, status, &how, err);
    if (completed > c->completed) {
        const uint64_t ended = completed - c->completed;
        for (uint64_t i = c->completed + 1; i <= completed && q->v->trace.events; i++)
            vyi_trace_note(q->v, VYI_TRACE_LAUNCH_END, 0, (uint32_t)i);
        c->completed = completed;
        vyi_chain_measure(q, ended);
        vyi_figures_note(q);
        return VYRE_OK;
    }
    /* A pass that can be aborted may take as long as its works do. */
    const bool loops = q->mode == VYRE_MODE_PERSISTENT && q->state != VYI_STATE_IDLE;
    const bool bounded = loops ? c->rounds != 0 : !d->backend->abort;
    if (bounded && vyi_queue_in_flight(q) && vyi_now() - c->since > q->v->desc.lease.timeout_ns) {
        char who[112];
        vyi_fail(&how, VYRE_E_LEASE, vyi_queue_in_flight(q),
                 "Bound the handlers' loops, or raise lease.timeout_ns; then vyre_recover().",
                 "a launch has not ended for %llu ms; %s",
                 (unsigned long long)(q->v->desc.lease.timeout_ns / 1000000u),
                 vyi_claimed_text(q, who, sizeof who));
        return vyi_queue_lost(q, &how, err);
    }
    return VYRE_OK;
}

VYI_API vyre_status vyi_queue_settle(vyi_queue *q, uint64_t deadline, vyre_error *err)
{
    while (vyi_queue_in_flight(q)) {
        const uint64_t now = vyi_now();
        const uint64_t rest = now < deadline ? deadline - now : 0;
        const vyre_status status = vyi_queue_reap(q, rest < 10000000u ? rest : 10000000u, err);
        if (status != VYRE_OK)
            return status;
        if (rest == 0 && vyi_queue_in_flight(q))
            return VYRE_TIMEOUT;
    }
    return VYRE_OK;
}

VYI_API void vyi_queue_set_shutdown(vyi_queue *q, uint32_t value)
{
    vyi_device *d = vyi_queue_device(q);
    vyi_store_release(vyi_device_words(d, VYI_ROLE_CONTROL) + VYRE_CONTROL_SHUTDOWN,
                      vyi_le32(value));
    if (d->write_combined)
        vyi_fence_stores();
    if (value && d->backend->wake)
        d->backend->wake(d);
}

VYI_COLD
VYI_API void vyi_slot_bury(vyi_queue *q, uint32_t slot, uint32_t code)
{
    vyi_device *d = vyi_queue_device(q);
    uint32_t *at = vyi_device_words(d, VYI_ROLE_RING) + (size_t)slot * VYRE_SLOT_WORDS;
    uint32_t *control = vyi_device_words(d, VYI_ROLE_CONTROL);
    VYRE_ASSERT(slot < q->slots.count && vyi_queue_in_flight(q) == 0);
    vyi_order_bury(q, slot);
    vyi_store_relaxed(at + VYRE_SLOT_FAULT, vyi_le32(code));
    vyi_store_release(at, vyi_le32(VYRE_SLOT_FAULTED));
    vyi_store_release(vyi_device_words(d, q->slots.mirror) + slot,
                      vyi_le32(VYRE_SLOT_FAULTED | code << 8));
    vyi_store_release(control + VYRE_CONTROL_FAULT_COUNT,
                      vyi_le32(vyi_control_load(d, VYRE_CONTROL_FAULT_COUNT) + 1));
}

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

/* A pass for work that is pending, unless the last one has changed nothing and
 * nothing is new. */
static vyre_status vyi_chain_pass(vyi_queue *q, vyi_effort effort, vyre_error *err)
{
    vyi_chain *c = &q->chain;
    if (vyi_queue_in_flight(q)) {
        const vyre_status status =
            vyi_queue_reap(q, effort == VYI_EFFORT_WORK ? VYI_PASS_WAIT_NS : 0, err);
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
    vyi_wide_renew(q);
    if (persistent)
        status = vyi_chain_extend(q, effort, err);
    else if (q->state == VYI_STATE_RUNNING ||
             (q->state == VYI_STATE_IDLE && (effort == VYI_EFFORT_WORK || q->chain.before)))
        status = vyi_chain_pass(q, effort, err);
    if (vyi_status_is_loss(status))
        return vyi_queue_mend(q, err);
    vyi_queue_deliver_log(q);
    vyi_troubles_forget(q);
    vyi_store_relaxed(&q->drive_at, (uint32_t)(vyi_now() / 1000u) + vyi_chain_cadence(q));
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

/* ==========================================================================
 * engine: launches of a queue
 *
 * Private.  What the chain of leases (engine_lease.c) is made of: a launch, its end, a
 * wait for that, what was learnt from it; the queue's state, and what it says when its
 * device is lost.
 * ======================================================================= */
#include "engine/engine_slots_impl.h"

#define VYI_LEASE_ROUNDS_MAX (1u << 30)

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

VYI_API bool vyi_lock_until(vyre *v, uint64_t deadline)
{
    while (!vyi_mutex_try(&v->lock)) {
        if (vyi_now() >= deadline)
            return false;
        vyi_sleep(50000);
    }
    return true;
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
    if (q->v->trace.events)
        vyi_trace_rows(q->v);
    vyi_store_relaxed(&q->looks, q->looks + 1);
    q->requeue.max_age = vyi_oldest_looks(q);
    if (k->tasks || k->load_miss)
        vyi_requeue_note(q, VYRE_CONTROL_REQUEUES, VYRE_REQUEUE_REQUEUED, &q->requeued);
    if (q->slots.levels > 1)
        vyi_requeue_note(q, VYRE_CONTROL_PROMOTED, VYRE_REQUEUE_PROMOTED, &q->promoted);
    if (q->tuned.tuner)
        q->tuned.tuner->look(q);
    if (before.requeues != q->requeue.requeues || before.max_age != q->requeue.max_age ||
        before.promotions != q->requeue.promotions)
        vyi_figures_note(q);
}

VYI_API void vyi_queue_look_anew(vyi_queue *q)
{
    q->requeued = q->promoted = 0;
    memset(q->v->trace.rows, 0, sizeof q->v->trace.rows);
}

/* --- losses --------------------------------------------------------------- */

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

VYI_API vyre_status vyi_queue_gone(const vyi_queue *q, const char *what, vyre_error *err)
{
    vyi_mutex *lock = &q->v->lock;
    vyi_fail(err, VYRE_E_DEVICE_LOST, 0, "Call vyre_recover().", "the device was lost; %s", what);
    if (!err || !vyi_mutex_try(lock))
        return VYRE_E_DEVICE_LOST;
    if (q->state == VYI_STATE_LOST) {
        err->native = q->loss.how.native;
        snprintf(err->text, sizeof err->text, "%s: %.120s", what, q->loss.how.text);
    }
    vyi_mutex_unlock(lock);
    return VYRE_E_DEVICE_LOST;
}

VYI_COLD
VYI_API vyre_status vyi_queue_refuses(const vyi_queue *q, uint32_t state, vyre_error *err)
{
    if (state == VYI_STATE_LOST)
        return vyi_queue_gone(q, "nothing can be published", err);
    return vyi_fail(err, VYRE_E_STOPPED, 0, "Call vyre_start() to go on.",
                    "opcode SHUTDOWN has stopped the kernel");
}

/* --- launches ------------------------------------------------------------ */

VYI_API vyre_status vyi_queue_launch(vyi_queue *q, vyi_launch what, uint32_t rounds,
                                     vyre_error *err)
{
    vyi_device *d = vyi_queue_device(q);
    vyre_error how;
    memset(&how, 0, sizeof how);

    vyi_store_release(&q->passing, what != VYI_LAUNCH_LOOP);
    VYI_ZONE(zone, "a launch");
    const vyre_status status = d->backend->launch(d, what, rounds, &how);
    VYI_ZONE_END(zone);
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

/* Lanes that have used up their rounds go on beside one that does not end its job
 * (kernel_lease.c), or have done so since the last look. */
static bool vyi_chain_lives(vyi_queue *q)
{
    if (!vyi_load_relaxed(&q->wides.gated))
        return false;
    const uint32_t *words = vyi_device_words(vyi_queue_device(q), q->wides.buffer);
    const uint32_t lives = vyi_le32(vyi_load_acquire(words + VYI_WIDE_HEAD + VYI_WIDE_LIVES));
    const bool moved = lives != q->chain.lives;
    q->chain.lives = lives;
    return moved;
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
    if (vyi_chain_lives(q)) /* the time is a job's, not the rounds' */
        return;
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

/* Longer than a launch may take.  A process that is stopped, or a computer that sleeps, may
 * have stopped its device as well: of the time without a look only an eighth of that counts. */
static bool vyi_chain_is_late(vyi_chain *c, uint64_t timeout_ns)
{
    const uint64_t now = vyi_now(), last = c->looked > c->since ? c->looked : c->since;
    const uint64_t gap = now - last, most = timeout_ns / 8;
    c->looked = now;
    c->since += gap > most ? gap - most : 0;
    return now - c->since > timeout_ns;
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
    const bool late = bounded && vyi_queue_in_flight(q) &&
                      vyi_chain_is_late(c, q->v->desc.lease.timeout_ns);
    if (late && vyi_chain_lives(q)) {
        c->since = vyi_now(); /* as much time again */
    } else if (late) {
        char who[VYI_SLOT_TEXT];
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

/* ==========================================================================
 * engine: start, stop, recovery
 *
 * The states of a handle are moved here, at the wish of its user; the chain of leases
 * (engine_lease.c) moves them when the device says so.
 * ======================================================================= */
#include "engine/engine_slots_impl.h"

/* --- start, stop --------------------------------------------------------- */

/* Nothing is said of the fault of whoever holds it. */
static vyre_status vyi_handle_is_busy(uint64_t timeout_ns, const char *fix, vyre_error *err)
{
    return vyi_fail(err, VYRE_TIMEOUT, 0, fix,
                    "another call held the handle for all of the %llu ms",
                    (unsigned long long)(timeout_ns / 1000000u));
}

static vyre_status vyi_queue_start(vyi_queue *q, uint64_t deadline, vyre_error *err)
{
    if (q->state == VYI_STATE_RUNNING)
        return VYRE_OK;
    if (q->state == VYI_STATE_LOST)
        return vyi_queue_lost(q, &q->loss.how, err);
    vyre_status status = vyi_queue_settle(q, deadline, err);
    if (status == VYRE_TIMEOUT)
        status = vyi_fail(err, VYRE_E_RUNNING, vyi_queue_in_flight(q),
                          "Call vyre_stop() with a longer timeout first.",
                          "%u launches of before have not ended", vyi_queue_in_flight(q));
    if (status != VYRE_OK)
        return status;
    vyi_queue_bury(q);
    vyi_queue_set_shutdown(q, 0);
    q->chain.before = q->chain.after = 0;
    vyi_queue_to(q, VYI_STATE_RUNNING);
    status = vyi_queue_drive(q, VYI_EFFORT_LOOK, err);
    if (status < 0 && q->state == VYI_STATE_RUNNING && vyi_queue_in_flight(q) == 0)
        vyi_queue_to(q, VYI_STATE_IDLE);
    return status;
}

VYI_COLD
VYRE_API vyre_status vyre_start(vyre *v, vyre_error *err)
{
    if (!v)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle.", "the handle is NULL");
    const uint64_t patience = v->desc.lease.timeout_ns, deadline = vyi_deadline(patience);
    if (!vyi_lock_until(v, deadline))
        return vyi_handle_is_busy(patience, "Start again, or raise lease.timeout_ns.", err);
    VYI_ZONE(zone, "vyre_start");
    const vyre_status status = vyi_queue_start(&v->queue, deadline, err);
    VYI_ZONE_END(zone);
    vyi_mutex_unlock(&v->lock);
    vyi_tell_event(v, status, VYRE_REPLAY_STARTED);
    return status;
}

/* What has ended without doing so itself. */
static void vyi_queue_abort(vyi_queue *q)
{
    vyi_device *d = vyi_queue_device(q);
    if (!d->backend->abort)
        return;
    vyi_store_release(&q->aborted, 1);
    d->backend->abort(d);
}

/* The lock, before all who look after the device.  Where its holder runs a pass
 * in it, the holder is waited for as long as there is patience, and the pass
 * ended then; again and again, for the next launch may begin in between. */
static bool vyi_stop_lock(vyi_queue *q, uint64_t patience, uint64_t deadline)
{
    (void)vyi_fetch_add(&q->stops, 1);
    bool locked = vyi_lock_until(q->v, patience);
    while (!locked && vyi_now() < deadline) {
        const uint64_t turn = vyi_deadline(1000000u);
        if (vyi_load_acquire(&q->passing))
            vyi_queue_abort(q);
        locked = vyi_lock_until(q->v, turn < deadline ? turn : deadline);
    }
    (void)vyi_fetch_add(&q->stops, (uint32_t)-1);
    return locked;
}

/* Waits for what is in flight, at first for its own end, later by force. */
static vyre_status vyi_queue_halt(vyi_queue *q, uint64_t patience, uint64_t deadline,
                                   vyre_error *err)
{
    vyi_queue_set_shutdown(q, 1);
    vyre_status status = vyi_queue_settle(q, patience, err);
    if (status == VYRE_TIMEOUT) {
        vyi_queue_abort(q);
        status = vyi_queue_settle(q, deadline, err);
    }
    if (status == VYRE_TIMEOUT)
        vyi_queue_to(q, VYI_STATE_STOPPING);
    if (status != VYRE_OK)
        return status;
    vyi_queue_bury(q);
    vyi_queue_look(q);
    vyi_queue_set_shutdown(q, 0);
    q->chain.before = q->chain.after = 0;
    vyi_queue_to(q, VYI_STATE_IDLE);
    vyi_queue_deliver_log(q);
    return VYRE_OK;
}

VYI_COLD
VYI_API vyre_status vyi_queue_stop(vyi_queue *q, uint64_t timeout_ns, vyre_error *err)
{
    const uint64_t deadline = vyi_deadline(timeout_ns);
    const uint64_t patience =
        deadline == UINT64_MAX ? deadline : deadline - timeout_ns / 2;

    static const char fix[] = "Stop again with a longer timeout, or close the handle.";
    const unsigned long long ms = timeout_ns / 1000000u;
    if (!vyi_stop_lock(q, patience, deadline))
        return vyi_handle_is_busy(timeout_ns, fix, err);
    const vyre_status status = q->state == VYI_STATE_LOST
                                   ? vyi_queue_lost(q, &q->loss.how, err)
                                   : vyi_queue_halt(q, patience, deadline, err);
    const uint32_t left = vyi_queue_in_flight(q);
    vyi_mutex_unlock(&q->v->lock);
    if (status == VYRE_TIMEOUT)
        vyi_fail(err, status, left, fix, "%u launches have not ended within %llu ms", left, ms);
    return status;
}

VYI_COLD
VYRE_API vyre_status vyre_stop(vyre *v, uint64_t timeout_ns, vyre_error *err)
{
    if (!v)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle.", "the handle is NULL");
    VYI_ZONE(zone, "vyre_stop");
    const vyre_status status = vyi_queue_stop(&v->queue, timeout_ns, err);
    VYI_ZONE_END(zone);
    vyi_tell_event(v, status, VYRE_REPLAY_STOPPED);
    return status;
}

/* --- recovery ------------------------------------------------------------ */

VYI_COLD
VYRE_API vyre_status vyre_recover(vyre *v, vyre_error *err)
{
    if (!v)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle.", "the handle is NULL");
    vyi_mutex_lock(&v->lock);
    const vyre_status status =
        v->queue.state == VYI_STATE_LOST ? vyi_queue_recover(&v->queue, err) : VYRE_OK;
    vyi_mutex_unlock(&v->lock);
    vyi_tell_event(v, status, VYRE_REPLAY_RECOVERED);
    return status;
}

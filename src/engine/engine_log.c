/* ==========================================================================
 * engine: what the device prints
 *
 * A running kernel's log is a queue (kernel_log.c), which is emptied at each look at
 * the device, and by whoever waits as soon as there is something.  What a pass has
 * printed lies in the original's layout, and is taken at the pass's end.
 * ======================================================================= */
#include "engine/queue_impl.h"

#include "kernel/kernel_impl.h"

/* --- while a kernel runs --------------------------------------------------- */

/* The record that is next, if it is whole; or NULL.  Acquire: pairs with the lane's
 * release of its fourth word. */
static const uint32_t *vyi_log_next(const vyi_queue *q, uint32_t tail)
{
    const uint32_t *log = vyi_device_words(vyi_queue_device(q), VYI_ROLE_LOG);
    const uint32_t records = q->v->desc.kernel.log_records, turn = tail / VYRE_LOG_RECORD_WORDS;
    const uint32_t *at = log + VYRE_LOG_RECORDS + turn % records * VYRE_LOG_RECORD_WORDS;
    const uint32_t lap = vyi_le32(vyi_load_acquire(at + 3)) & VYI_LOG_LAP_MASK;
    return lap == 1 + turn / records % VYI_LOG_LAPS ? at : NULL;
}

VYI_API bool vyi_log_waits(const vyi_queue *q)
{
    return q->v->desc.kernel.live_log && vyi_load_acquire(&q->state) != VYI_STATE_LOST &&
           vyi_log_next(q, vyi_load_relaxed(&q->log_tail)) != NULL;
}

/* Release: lanes write there again once they have seen the tail. */
static uint32_t vyi_log_take_live(vyi_queue *q)
{
    const vyi_device *d = vyi_queue_device(q);
    const uint32_t records = q->v->desc.kernel.log_records;
    const uint32_t *at = vyi_log_next(q, q->log_tail);
    uint32_t n = 0;
    for (; at && n < records; at = vyi_log_next(q, q->log_tail)) {
        vyre_log_record *record = &q->v->log[n++];
        record->format = vyi_le32(vyi_load_relaxed(at));
        record->args[0] = vyi_le32(vyi_load_relaxed(at + 1));
        record->args[1] = vyi_le32(vyi_load_relaxed(at + 2));
        record->args[2] = vyi_le32(vyi_load_relaxed(at + 3)) & ~VYI_LOG_LAP_MASK;
        vyi_store_relaxed(&q->log_tail, q->log_tail + VYRE_LOG_RECORD_WORDS);
    }
    if (n == 0)
        return 0;
    vyi_store_release(vyi_device_words(d, VYI_ROLE_CONTROL) + VYRE_CONTROL_LOG_TAIL,
                      vyi_le32(q->log_tail));
    if (d->write_combined)
        vyi_fence_stores();
    return n;
}

/* --- at the end of a pass -------------------------------------------------- */

/* Copies the records and empties the log.  The caller has seen to it that no lane is
 * writing one. */
static uint32_t vyi_log_take(vyi_queue *q)
{
    vyre *v = q->v;
    const uint32_t records = v->desc.kernel.log_records;
    const vyi_device *d = vyi_queue_device(q);
    uint32_t *log = vyi_device_words(d, VYI_ROLE_LOG);
    vyre_log_summary sum;
    memset(&sum, 0, sizeof sum);
    if (vyre_log_decode(log, v->buffers.list[VYI_ROLE_LOG].size, v->log, records, &sum,
                        NULL) < 0)
        sum.records = 0;
    vyi_store_release(log + VYRE_LOG_CURSOR, 0);
    if (d->write_combined)
        vyi_fence_stores();
    return sum.records < records ? sum.records : records;
}

static void vyi_log_tell(const vyi_queue *q, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        q->v->desc.log(q->v->desc.log_user, &q->v->log[i]);
}

/* A record is whole once its slot has ended.  So what a pass that is in flight has
 * printed is taken while every slot is at rest and none can be published. */
static uint32_t vyi_log_take_rested(vyi_queue *q)
{
    const bool running = vyi_queue_in_flight(q) != 0;
    const uint32_t *log = vyi_device_words(vyi_queue_device(q), VYI_ROLE_LOG);
    if (vyi_load_acquire(log + VYRE_LOG_CURSOR) == 0 || (running && !vyi_queue_hold(q, false)))
        return 0;
    const uint32_t count = vyi_log_take(q);
    if (running)
        vyi_queue_unhold(q);
    return count;
}

VYI_API void vyi_queue_deliver_log(vyi_queue *q)
{
    if (!q->v->desc.log || q->state == VYI_STATE_LOST)
        return;
    vyi_log_tell(q, vyi_log_take_live(q));
    vyi_log_tell(q, vyi_log_take_rested(q));
}

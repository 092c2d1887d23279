/* ==========================================================================
 * io: a read, and a work that waits for it
 *
 * The work is published at once, and waits for an event of the handle's that the
 * read's end signals: so its ticket is as good as any, a ring that is full says so
 * before anything is read, and a lost device or pump leaves no work behind.
 * ======================================================================= */
#include "rooms/io/io_impl.h"

#ifndef VYRE_NO_IO

static vyre_status vyi_then_check(const vyre_io *io, const vyre_io_read *read,
                                  const vyre_work *work, vyre_error *err)
{
    if (!io || !read || !work)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open pump, a read and a work.",
                        "%s is NULL", !io ? "the pump" : !read ? "the read" : "the work");
    if (!io->desc.handle)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Open it with vyre_io_desc.handle.",
                        "the pump serves a queue, and has no handle to publish to");
    if (!io->desc.handle->queue.order.count)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Set vyre_desc.events, to 1 or more.",
                        "the handle was opened without events, and the work waits for a read");
    return VYRE_OK;
}

/* The read's job, not started. */
static vyre_status vyi_then_reserve(vyre_io *io, const vyre_io_read *read, uint32_t event,
                                    uint32_t *job, vyre_error *err)
{
    uint32_t code = 0;
    if (!event)
        return vyi_news(err, VYRE_FULL, 0, "Wait, or set vyre_desc.events higher.",
                        "all events are in use");
    vyi_mutex_lock(&io->lock);
    *job = vyi_job_reserve(io, read, event, &code);
    vyi_mutex_unlock(&io->lock);
    if (*job != VYI_JOBS)
        return VYRE_OK;
    if (!code)
        return vyi_news(err, VYRE_FULL, VYI_OWN_JOBS, "Pump, and wait for the works of some.",
                        "as many reads as a pump can have are under way");
    vyi_fail(err, VYRE_E_IO_REQUEST, read->source,
             "Look at the source and the target; vyre_io_code says what the code means.",
             "the read of %u bytes is refused: code %u", (unsigned)read->bytes, (unsigned)code);
    if (err)
        err->native = (int32_t)code;
    return VYRE_E_IO_REQUEST;
}

VYRE_API vyre_status vyre_io_read_then(vyre_io *io, const vyre_io_read *read,
                                       const vyre_work *work, vyre_ticket *ticket,
                                       vyre_error *err)
{
    uint32_t job = VYI_JOBS;
    vyre_status status = vyi_then_check(io, read, work, err);
    if (status != VYRE_OK)
        return status;
    vyi_queue *q = &io->desc.handle->queue;
    const uint32_t event = vyi_event_gather(q, 1);
    status = vyi_then_reserve(io, read, event, &job, err);
    if (status == VYRE_OK)
        status = vyi_publish_waiting(io->desc.handle, work, event, ticket, err);
    vyi_mutex_lock(&io->lock);
    if (status == VYRE_OK)
        vyi_job_start(io, job);
    else if (job != VYI_JOBS)
        vyi_job_drop(io, job);
    vyi_mutex_unlock(&io->lock);
    if (status != VYRE_OK && event)
        vyi_event_release(q, event);
    return status;
}

#endif /* VYRE_NO_IO */

/* ==========================================================================
 * replay: running a log again
 *
 * Public.  The works of a log are published in their order.  What depended on an
 * answer still does: before a work is published, each end that the log has before
 * it has been seen again.  What comes out is compared with what the log says.
 *
 *     vyre_replay_report report;
 *     if (vyre_replay_run(v, log, &report, &err) == VYRE_OK && report.differences)
 *         printf("record %llu came out otherwise\n", report.first_difference);
 *
 * User buffers are the caller's to fill as they were.
 * ======================================================================= */
#ifndef VYI_REPLAY_RUN_H
#define VYI_REPLAY_RUN_H

#include "engine/engine.h"
#include "rooms/replay/replay.h"

#ifndef VYRE_NO_REPLAY

VYI_EXTERN_C_BEGIN

typedef struct vyre_replay_report {
    uint64_t works;            /* published */
    uint64_t ends;             /* seen again and compared */
    uint64_t differences;      /* of state, code or result */
    uint64_t first_difference; /* sequence of that end; in version 1 the record's number, from 1 */
    uint64_t lost;             /* damaged records, ends without their work, and results that
                                  were overwritten before they were compared */
} vyre_replay_report;

/* Runs the log from its oldest record on.  Each wait lasts vyre_desc.run_timeout_ns
 * at most: then VYRE_TIMEOUT.  *out says how far it went, also on failure. */
VYRE_API vyre_status vyre_replay_run(vyre *v, vyre_replay *r, vyre_replay_report *out,
                                     vyre_error *err);

/* Publishes, and appends the work to the log. */
VYRE_API vyre_status vyre_replay_publish(vyre_replay *r, vyre *v, const vyre_work *work,
                                         vyre_ticket *ticket, vyre_error *err);
/* Waits, and when the work has ended appends its end, with a digest of the result. */
VYRE_API vyre_status vyre_replay_wait(vyre_replay *r, vyre *v, vyre_ticket ticket,
                                      uint64_t timeout_ns, vyre_error *err);

VYI_EXTERN_C_END

#endif /* VYRE_NO_REPLAY */
#endif

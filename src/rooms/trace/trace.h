/* ==========================================================================
 * trace: what happened on a handle, as a picture
 *
 * Public.  With vyre_desc.trace_events a handle keeps its last events in memory: works
 * that were published, ends that were seen, launches, and when the device ran each work.
 * Here they become a text in Chrome's trace format, which Perfetto (ui.perfetto.dev) and
 * chrome://tracing show.
 *
 * A job lasts from its publish until its end was seen; who looks late sees long jobs.
 * Inside of it stands what the device tells by its own clock, if it has one
 * (docs/watch.md).
 * ======================================================================= */
#ifndef VYI_TRACE_H
#define VYI_TRACE_H

#include "engine/engine.h"

#ifndef VYRE_NO_TRACE

VYI_EXTERN_C_BEGIN

typedef void (*vyre_trace_write)(void *user, const char *bytes, size_t count);

/* Writes the events so far, in pieces; the handle may go on meanwhile, and nothing is
 * taken away.  VYRE_E_ARGUMENT: vyre_desc.trace_events is 0. */
VYRE_API vyre_status vyre_trace_json(vyre *v, vyre_trace_write write, void *user,
                                     vyre_error *err);

VYI_EXTERN_C_END

#endif /* VYRE_NO_TRACE */
#endif

/* ==========================================================================
 * engine, private: works that are run to their end
 *
 * A run keeps, in arrays of the handle's that its lock guards, which of its works each
 * slot has.  vyre_run() has one run, a pool one for each of its handles.
 * ======================================================================= */
#ifndef VYI_RUN_IMPL_H
#define VYI_RUN_IMPL_H

#include "engine/engine_slots_impl.h"

VYI_EXTERN_C_BEGIN

typedef struct vyi_run {
    vyre            *v;
    const vyre_work *works;
    uint32_t         next, end;   /* of the works, by index: those to publish */
    uint32_t         open;        /* published, end not seen */
    uint64_t         done, faults, lost;
    uint64_t         publish_ns;
    vyre_status      bad_status;  /* of the first that was seen to fail */
    uint32_t         bad_work, bad_code;
    uint64_t         launches;    /* of the handle, and its recoveries, before the run */
    uint32_t         recoveries;
} vyi_run;

/* Under the handle's run.lock, all of them.  A run that has nothing to publish yet. */
VYI_API vyi_run vyi_run_begin(vyre *v, const vyre_work *works);
/* Publishes until the ring is full: VYRE_OK, VYRE_FULL, or an error.  Slots are kept
 * until their end was seen by the run: other threads' works do not replace an outcome. */
VYI_API vyre_status vyi_run_publish(vyi_run *r, vyre_error *err);
/* Takes note of the ends that can be seen; how many. */
VYI_API uint32_t vyi_run_sweep(vyi_run *r);
/* The ticket of the run's work in this slot; its generation is 0 where there is none. */
VYI_API vyre_ticket vyi_run_ticket(const vyi_run *r, uint32_t slot);
/* Takes note of an end that is not well, of the work that the run has in this slot. */
VYI_API void vyi_run_note(vyi_run *r, uint32_t slot, vyre_status status, uint32_t code);
/* What is left in the ring goes on, and is nobody's. */
VYI_API void vyi_run_abandon(vyi_run *r);
/* Counts and launches of a run whose works have all ended; the times are the caller's. */
VYI_API vyre_stats vyi_run_stats(vyi_run *r);

VYI_EXTERN_C_END

#endif

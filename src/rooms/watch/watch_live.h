/* ==========================================================================
 * watch, live: what a handle is doing
 *
 * Public.  A look at a handle from any thread at any time: it takes no lock and
 * stops nothing.  Counts are of a moment; each slot's state may be older than the
 * next one's.
 *
 *     vyre_watch w;
 *     char text[4096];
 *     if (vyre_watch_live(v, VYRE_WATCH_DEVICE, &w, &err) == VYRE_OK)
 *         vyre_watch_text(&w, "render", text, sizeof text);   // for Prometheus
 * ======================================================================= */
#ifndef VYI_WATCH_LIVE_H
#define VYI_WATCH_LIVE_H

#include "engine/engine.h"
#include "rooms/watch/watch.h"

#ifndef VYRE_NO_WATCH

VYI_EXTERN_C_BEGIN

typedef enum vyre_watch_depth {
    /* Nothing crosses the bus.  EMPTY: free.  PUBLISHED: not ended, claimed or not.
     * DONE, FAULTED, WAIT_IO: ended so, or paused, and nobody has looked yet.  `done`
     * counts what has ended in any way, since the handle was opened, modulo 2^32.
     * All else of the control buffer is 0. */
    VYRE_WATCH_HOST = 0,
    /* Reads the device's memory: the control words and each slot's status. */
    VYRE_WATCH_DEVICE = 1
} vyre_watch_depth;

VYRE_API vyre_status vyre_watch_live(vyre *v, vyre_watch_depth depth, vyre_watch *out,
                                     vyre_error *err);

/* The look as text for Prometheus, each line with the label queue="name" (NULL: no
 * label).  As snprintf: returns the length, without the zero, that it has or would
 * have, and always ends what it writes with a zero. */
VYRE_API size_t vyre_watch_text(const vyre_watch *w, const char *name, char *dst, size_t size);

/* Waits until the observable is something else than `seen`; *now is what.
 * VYRE_TIMEOUT: it is not.  `now` may be NULL. */
VYRE_API vyre_status vyre_wait_observable(vyre *v, uint32_t index, uint32_t seen,
                                          uint64_t timeout_ns, uint32_t *now, vyre_error *err);

/* What a work is at that does not end. */
typedef enum vyre_stuck_at {
    VYRE_STUCK_RUNNING = 0, /* its handler, in a lane */
    VYRE_STUCK_IO = 1,      /* the answer to IO request `which` */
    VYRE_STUCK_GROUPS = 2,  /* groups: `which` of `of` chunks have ended, and no more of late */
    VYRE_STUCK_EVENT = 3,   /* event `which` still misses `of` ends; the next is that of the work
                               `after`, or, if its generation is 0, of no work that was published */
    VYRE_STUCK_TENANT = 4,  /* its tenant has no rights */
    VYRE_STUCK_PAUSED = 5   /* vyre_resume() */
} vyre_stuck_at;

/* A slot whose work has not got any further for a while. */
typedef struct vyre_stuck_slot {
    vyre_ticket     ticket;
    vyre_slot_state state;
    uint32_t        opcode, tenant;
    const char     *handler; /* its name, as long as the handle lives */
    uint64_t        held_ns; /* at least */
    vyre_stuck_at   at;
    uint32_t        which, of;
    vyre_ticket     after;
} vyre_stuck_slot;

/* Which works have been at the same for `longer_ns` or more: looks at the slots, waits
 * that long, and looks again.  Works that only wait for a lane are not among them: name
 * those that have the lanes, which are.  Finds `capacity` at most, those first that lanes
 * or groups have; *count says how many.  As many as there are slots are sure to do. */
VYRE_API vyre_status vyre_stuck(vyre *v, uint64_t longer_ns, vyre_stuck_slot *out,
                                uint32_t capacity, uint32_t *count, vyre_error *err);

VYI_EXTERN_C_END

#endif /* VYRE_NO_WATCH */
#endif

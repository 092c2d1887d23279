/* ==========================================================================
 * watch: what a ring is doing
 *
 * Public.  The words of a control buffer and a ring, read as counts: how many
 * slots are in which state, which windows are open, whether anything moves, and
 * which opcodes and tenants are frequent.  The bytes may be a copy, or the live
 * mapping of a kernel that runs: nothing is written to them, and a state may be
 * a moment old.  Nothing is allocated.
 *
 *     vyre_watch before, now;
 *     vyre_health health;
 *     vyre_watch_decode(control, control_size, ring, ring_size, &before, &err);
 *     ...                                                  // a second later
 *     vyre_watch_decode(control, control_size, ring, ring_size, &now, &err);
 *     vyre_watch_health(&before, &now, &health, &err);
 *     if (health.stalled)
 *         printf("%u slots wait and none has ended\n", now.runnable);
 * ======================================================================= */
#ifndef VYI_WATCH_H
#define VYI_WATCH_H

#include "wire/ring.h"

#ifndef VYRE_NO_WATCH

VYI_EXTERN_C_BEGIN

/* --- a look -------------------------------------------------------------- */

#define VYRE_WATCH_STATES 9u /* by vyre_slot_state; the last is VYRE_SLOT_UNKNOWN */

typedef struct vyre_watch {
    bool     shutdown;
    uint32_t done, faults, epoch, log_dropped, heartbeat; /* the control buffer's words */
    uint32_t requeues, promoted;                          /* wrapping, as all of them */
    uint32_t metrics[VYRE_METRICS];
    uint32_t tenant_claims[32];
    uint32_t priority_claims[VYRE_PRIORITY_LEVELS]; /* by the wire's level: 0 is CRITICAL */
    uint32_t states[VYRE_WATCH_STATES];             /* slots in each state */
    uint32_t slots;
    uint32_t depth;         /* all but EMPTY and DONE */
    uint32_t runnable;      /* PUBLISHED, CLAIMED, WAIT_IO, YIELD, REQUEUE */
    uint32_t idle_ppm;      /* EMPTY slots in a million */
    uint16_t density_bps;   /* `depth` in ten thousand */
    uint16_t occupancy_bps; /* slots that are not EMPTY in ten thousand */
    uint64_t tenant_total, priority_total; /* sums of the claims */
    uint32_t tenant_skew;   /* between the most and the least served tenant that was served */
    uint64_t at_ns;         /* of a live look: when; otherwise 0 */
} vyre_watch;

VYRE_API vyre_status vyre_watch_decode(const void *control, size_t control_size, const void *ring,
                                       size_t ring_size, vyre_watch *out, vyre_error *err);

/* What changed between two looks at the same ring. */
typedef struct vyre_health {
    uint32_t done_delta; /* right also where the count has wrapped */
    uint32_t depth;      /* of the later look, as all that follow */
    uint32_t faults;     /* slots that are FAULT */
    uint32_t requeues;   /* slots that are REQUEUE */
    uint32_t idle_ppm;
    bool     stalled;    /* something is runnable, and nothing has ended */
} vyre_health;

VYRE_API vyre_status vyre_watch_health(const vyre_watch *before, const vyre_watch *now,
                                       vyre_health *out, vyre_error *err);

/* How much of both `part` is, in ten thousand, rounded down and exact; 0 of nothing. */
VYRE_API uint32_t vyre_ratio_bps(uint64_t part, uint64_t rest);

/* --- windows ------------------------------------------------------------- */

/* The slots of one window (vyre_ring_publish_window): one opcode, ticket and tenant. */
typedef struct vyre_watch_window {
    uint32_t ticket, tenant, opcode;
    uint32_t required, lookahead; /* slots of each class */
    uint32_t other;               /* slots whose class is neither */
    uint32_t states[8];           /* by vyre_slot_state; EMPTY slots belong to no window */
    bool     active;              /* one of them is runnable */
} vyre_watch_window;

/* The windows of these opcodes, by ticket, opcode, tenant.  VYRE_E_SPACE when
 * `capacity` is too small: *count then says how many there are, and nothing else
 * is written. */
VYRE_API vyre_status vyre_watch_windows(const void *ring, size_t size, const uint32_t *opcodes,
                                        uint32_t opcode_count, vyre_watch_window *out,
                                        uint32_t capacity, uint32_t *count, vyre_error *err);

/* The runnable slots with this opcode, ascending; VYRE_E_SPACE as above. */
VYRE_API vyre_status vyre_watch_active(const void *ring, size_t size, uint32_t opcode,
                                       uint32_t *slots, uint32_t capacity, uint32_t *count,
                                       vyre_error *err);

/* --- sketches ------------------------------------------------------------ */

/* A Count-Min sketch: how often each key was seen, in depth * width counters
 * however many keys there are.  An estimate is never too low; it is too high
 * where a key shares all of its counters with others. */
typedef struct vyre_sketch vyre_sketch;

/* Bytes for one; 0: without counters, or not representable. */
VYRE_API size_t vyre_sketch_size(uint32_t depth, uint32_t width);
/* An empty sketch in the caller's memory, at any alignment; it goes with the memory. */
VYRE_API vyre_status vyre_sketch_make(void *memory, size_t size, uint32_t depth, uint32_t width,
                                      vyre_sketch **out, vyre_error *err);
/* Counters that are full stay so. */
VYRE_API void vyre_sketch_add(vyre_sketch *s, uint32_t key, uint64_t amount);
/* VYRE_E_COUNTER_OVF: a counter would exceed 64 bits; nothing is counted. */
VYRE_API vyre_status vyre_sketch_try_add(vyre_sketch *s, uint32_t key, uint64_t amount,
                                         vyre_error *err);
VYRE_API uint64_t vyre_sketch_estimate(const vyre_sketch *s, uint32_t key);
/* Adds another sketch of the same depth and width, or changes nothing. */
VYRE_API vyre_status vyre_sketch_merge(vyre_sketch *s, const vyre_sketch *other, vyre_error *err);
/* The depth * width counters, row by row. */
VYRE_API const uint64_t *vyre_sketch_counters(const vyre_sketch *s);
VYRE_API void vyre_sketch_clear(vyre_sketch *s);

/* Any may be NULL. */
typedef struct vyre_watch_sketches {
    vyre_sketch *opcodes;        /* of slots that are not EMPTY */
    vyre_sketch *active_opcodes; /* of runnable slots */
    vyre_sketch *tenants;        /* of slots that are not EMPTY */
    vyre_sketch *states;         /* status words of all slots */
    vyre_sketch *metrics;        /* how often each opcode below 32 ran */
} vyre_watch_sketches;

/* Adds a look to the sketches: clear them before it for this look alone. */
VYRE_API vyre_status vyre_watch_sketch(const void *control, size_t control_size, const void *ring,
                                       size_t ring_size, const vyre_watch_sketches *s,
                                       vyre_error *err);

VYI_EXTERN_C_END

#endif /* VYRE_NO_WATCH */
#endif

/* ==========================================================================
 * plan: priority partitions, requeue accounting
 *
 * Public.  Pure arithmetic; nothing is allocated.
 *
 * The device does not read a slot's priority word: the priority of a work is
 * the partition of slots that it lies in.  Five partitions share the ring in
 * the order CRITICAL, HIGH, NORMAL, LOW, IDLE; what does not divide by five is
 * NORMAL's.
 *
 *     uint32_t first, count;
 *     vyre_priority_slots(256, VYRE_PRIORITY_HIGH, &first, &count, &err); // 51, 51
 * ======================================================================= */
#ifndef VYI_PLAN_H
#define VYI_PLAN_H

#include "wire/wire.h"

VYI_EXTERN_C_BEGIN

/* --- priority partitions ------------------------------------------------- */

/* The five first slots, in wire order, and behind them the total. */
VYRE_API vyre_status vyre_priority_offsets(uint32_t slots,
                                           uint32_t out[VYRE_PRIORITY_LEVELS + 1],
                                           vyre_error *err);

/* Writes them into a control buffer, where a kernel of kind PRIORITY finds them. */
VYRE_API vyre_status vyre_priority_write(void *control, size_t size, uint32_t slots,
                                         vyre_error *err);

/* The slots of one priority; `count` may be 0 in a ring of less than five. */
VYRE_API vyre_status vyre_priority_slots(uint32_t slots, vyre_priority priority, uint32_t *first,
                                         uint32_t *count, vyre_error *err);

/* The priority of one slot. */
VYRE_API vyre_status vyre_priority_of_slot(uint32_t slots, uint32_t slot, vyre_priority *out,
                                           vyre_error *err);

/* How often a lane looks into a partition of `slots` when `lanes` share it, how
 * many lanes find a slot there, and how often all of them look.  0 lanes read
 * as 1; the budget stops at UINT32_MAX. */
VYRE_API uint32_t vyre_partition_probes(uint32_t slots, uint32_t lanes);
VYRE_API uint32_t vyre_partition_lanes(uint32_t slots, uint32_t lanes);
VYRE_API uint32_t vyre_partition_budget(uint32_t slots, uint32_t lanes);

/* --- requeue accounting -------------------------------------------------- */

/* A host's counters of works that went back into the queue. */
typedef struct vyre_requeue {
    uint64_t requeues;
    uint64_t promotions; /* of works that had waited long */
    uint32_t max_age;
} vyre_requeue;

typedef enum vyre_requeue_event {
    VYRE_REQUEUE_REQUEUED = 0,
    VYRE_REQUEUE_PROMOTED = 1
} vyre_requeue_event;

typedef enum vyre_requeue_reason {
    VYRE_REQUEUE_NONE = 0,
    VYRE_REQUEUE_COUNTER_EXHAUSTED = 1,
    VYRE_REQUEUE_PROMOTION_EXHAUSTED = 2,
    VYRE_REQUEUE_COUNTER_NEAR_LIMIT = 3, /* 1024 or less to go */
    VYRE_REQUEUE_PROMOTION_NEAR_LIMIT = 4,
    VYRE_REQUEUE_PENDING = 5 /* something was counted */
} vyre_requeue_reason;

typedef struct vyre_requeue_advice {
    bool                drain; /* read the counters and zero them; `reason` says why */
    vyre_requeue_reason reason;
    uint64_t            requeue_headroom, promotion_headroom;
} vyre_requeue_advice;

/* Counts one event.  VYRE_E_COUNTER_OVF changes nothing. */
VYRE_API vyre_status vyre_requeue_record(vyre_requeue *counters, vyre_requeue_event event,
                                         uint32_t age, vyre_error *err);
VYRE_API vyre_status vyre_requeue_advise(const vyre_requeue *counters, vyre_requeue_advice *out,
                                         vyre_error *err);

VYI_EXTERN_C_END

#endif

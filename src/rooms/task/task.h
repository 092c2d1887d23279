/* ==========================================================================
 * task: work that stops in the middle and goes on later, on the host
 *
 * Public.  A task has the layout of a slot: its first three arguments are the
 * work's, the others say where it goes on.  So a task is a work with twelve
 * arguments, goes on in any ring, and a slot can be taken as a task.
 *
 *     make --> READY --------------------> complete: DONE, fault: FAULT
 *               |  ^                            ^
 *         pause |  | resume                     | from every state but
 *               v  |                            | EMPTY, DONE and FAULT
 *             PAUSED     yield: YIELDED    requeue: REQUEUED
 *
 * A state has one flag, so flags say how a task came to its state.  A step that
 * is refused changes nothing.
 * ======================================================================= */
#ifndef VYI_TASK_H
#define VYI_TASK_H

#include "wire/wire.h"

#ifndef VYRE_NO_TASK

VYI_EXTERN_C_BEGIN

/* The words of a slot, in order. */
typedef struct vyre_task {
    uint32_t state;    /* a vyre_slot_state: WAIT_IO is paused, PUBLISHED ready, CLAIMED running */
    uint32_t opcode, tenant;
    uint32_t priority; /* the wire's number: 0 is CRITICAL */
    uint32_t input, output, param;
    uint32_t pc, data; /* where it goes on, and with what */
    uint32_t epoch;    /* of a paused task: not before this one */
    uint32_t id, parent;
    uint32_t age;      /* requeues since it was made, as upstream counts them */
    uint32_t requeues, yields;
    uint32_t flags;    /* VYRE_TASK_ values; of a faulted task its code */
} vyre_task;

/* A ready task of the work, which has three arguments at most. */
VYRE_API vyre_status vyre_task_make(vyre_task *out, uint32_t id, const vyre_work *work,
                                    vyre_error *err);
VYRE_API vyre_status vyre_task_pause(vyre_task *t, uint32_t pc, uint32_t data, uint32_t epoch,
                                     vyre_error *err);
/* VYRE_PENDING: the task's epoch is still to come.  Epochs wrap: what is less than
 * 2^31 ahead is to come. */
VYRE_API vyre_status vyre_task_resume(vyre_task *t, uint32_t epoch_now, vyre_error *err);
/* VYRE_E_COUNTER_OVF: it has yielded 2^32 - 1 times. */
VYRE_API vyre_status vyre_task_yield(vyre_task *t, uint32_t pc, uint32_t data, vyre_error *err);
VYRE_API vyre_status vyre_task_requeue(vyre_task *t, uint32_t pc, uint32_t data,
                                       vyre_priority priority, vyre_error *err);
VYRE_API vyre_status vyre_task_complete(vyre_task *t, vyre_error *err);
/* pc and data stay: they say where it was. */
VYRE_API vyre_status vyre_task_fault(vyre_task *t, uint32_t code, vyre_error *err);

typedef struct vyre_task_counts {
    uint32_t ready, paused, yielded, requeued, running, faulted;
    uint32_t schedulable;    /* ready, yielded or requeued */
    uint32_t max_age;        /* of tasks that are neither EMPTY nor DONE, as the next */
    uint64_t total_requeues;
    uint64_t pressure;       /* tasks that were put off: yielded or requeued */
} vyre_task_counts;

/* VYRE_E_TASK_STATE: the task err->at has no state. */
VYRE_API vyre_status vyre_task_count(const vyre_task *tasks, size_t count, vyre_task_counts *out,
                                     vyre_error *err);

/* The work that the task is, with 12 arguments.  Not of one that has ended. */
VYRE_API vyre_status vyre_task_work(const vyre_task *t, vyre_work *out, vyre_error *err);
/* The slot as a task. */
VYRE_API vyre_status vyre_task_load(const void *ring, size_t size, uint32_t slot, vyre_task *out,
                                    vyre_error *err);

VYI_EXTERN_C_END

#endif /* VYRE_NO_TASK */
#endif

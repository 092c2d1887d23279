/* ==========================================================================
 * task: implementation
 * ======================================================================= */
#include "rooms/task/task.h"
#include "wire/wire_impl.h"

#ifndef VYRE_NO_TASK

VYI_STATIC_ASSERT(task_is_a_slot, sizeof(vyre_task) == VYRE_SLOT_BYTES);

#define VYI_TASK_INPUTS 3u /* arguments that are the work's */

static vyre_status vyi_task_null(const void *at, const char *what, vyre_error *err)
{
    if (at)
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass the address of one of yours.", "%s is NULL",
                    what);
}

/* --- steps --------------------------------------------------------------- */

static bool vyi_task_is_open(const vyre_task *t)
{
    const uint32_t open = 1u << VYRE_SLOT_PUBLISHED | 1u << VYRE_SLOT_CLAIMED |
                          1u << VYRE_SLOT_WAIT_IO | 1u << VYRE_SLOT_YIELD | 1u << VYRE_SLOT_REQUEUE;
    return t->state < VYRE_SLOT_UNKNOWN && (open >> t->state & 1u) != 0;
}

static vyre_status vyi_task_refuse(const vyre_task *t, const char *step, vyre_error *err)
{
    return vyi_fail(err, VYRE_E_TASK_STATE, t->state, "Look at the task's state first.",
                    "task %u is in state %u (%s), and cannot %s", (unsigned)t->id,
                    (unsigned)t->state, vyre_slot_state_name((vyre_slot_state)t->state), step);
}

static vyre_status vyi_task_open(const vyre_task *t, const char *step, vyre_error *err)
{
    const vyre_status status = vyi_task_null(t, "the task", err);
    if (status < 0 || vyi_task_is_open(t))
        return status;
    return vyi_task_refuse(t, step, err);
}

static vyre_status vyi_task_room(const vyre_task *t, uint32_t counter, const char *what,
                                 vyre_error *err)
{
    if (counter < UINT32_MAX)
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_COUNTER_OVF, counter, "Complete the task, and make another.",
                    "the count of %s of task %u would exceed 32 bits", what, (unsigned)t->id);
}

static void vyi_task_enter(vyre_task *t, vyre_slot_state state, uint32_t flags)
{
    t->state = (uint32_t)state;
    t->flags = flags;
}

static void vyi_task_goes_on(vyre_task *t, uint32_t pc, uint32_t data)
{
    t->pc = pc;
    t->data = data;
}

VYRE_API vyre_status vyre_task_make(vyre_task *out, uint32_t id, const vyre_work *work,
                                    vyre_error *err)
{
    vyre_status status = vyi_task_null(out, "the task", err);
    if (status >= 0)
        status = vyi_task_null(work, "the work", err);
    if (status < 0)
        return status;
    if (work->arg_count > VYI_TASK_INPUTS)
        return vyi_fail(err, VYRE_E_TOO_MANY_ARGS, work->arg_count,
                        "Put what is more into a buffer.",
                        "a task has %u arguments of its work, not %u", VYI_TASK_INPUTS,
                        (unsigned)work->arg_count);
    const uint32_t priority = vyi_priority_wire(work->priority);
    if (priority == VYI_PRIORITY_NO_WIRE)
        return vyi_fail(err, VYRE_E_PRIORITY, (uint32_t)work->priority,
                        "Pass one of vyre_priority.", "priority %u is not one of the five levels",
                        (unsigned)work->priority);
    memset(out, 0, sizeof *out);
    out->state = VYRE_SLOT_PUBLISHED;
    out->opcode = work->opcode;
    out->tenant = work->tenant;
    out->priority = priority;
    out->input = work->arg_count > 0 ? work->args[0] : 0;
    out->output = work->arg_count > 1 ? work->args[1] : 0;
    out->param = work->arg_count > 2 ? work->args[2] : 0;
    out->id = id;
    return VYRE_OK;
}

VYRE_API vyre_status vyre_task_pause(vyre_task *t, uint32_t pc, uint32_t data, uint32_t epoch,
                                     vyre_error *err)
{
    const vyre_status status = vyi_task_open(t, "pause", err);
    if (status < 0)
        return status;
    vyi_task_goes_on(t, pc, data);
    t->epoch = epoch;
    vyi_task_enter(t, VYRE_SLOT_WAIT_IO, VYRE_TASK_PAUSED);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_task_resume(vyre_task *t, uint32_t epoch_now, vyre_error *err)
{
    const vyre_status status = vyi_task_null(t, "the task", err);
    if (status < 0)
        return status;
    if (t->state != VYRE_SLOT_WAIT_IO)
        return vyi_task_refuse(t, "go on: it is not paused", err);
    if (epoch_now - t->epoch > INT32_MAX)
        return VYRE_PENDING;
    vyi_task_enter(t, VYRE_SLOT_PUBLISHED, VYRE_TASK_RESUMED);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_task_yield(vyre_task *t, uint32_t pc, uint32_t data, vyre_error *err)
{
    vyre_status status = vyi_task_open(t, "yield", err);
    if (status >= 0)
        status = vyi_task_room(t, t->yields, "yields", err);
    if (status < 0)
        return status;
    vyi_task_goes_on(t, pc, data);
    t->yields++;
    vyi_task_enter(t, VYRE_SLOT_YIELD, VYRE_TASK_YIELDED);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_task_requeue(vyre_task *t, uint32_t pc, uint32_t data,
                                       vyre_priority priority, vyre_error *err)
{
    const uint32_t wire = vyi_priority_wire(priority);
    vyre_status status = vyi_task_open(t, "be queued again", err);
    if (status >= 0 && wire == VYI_PRIORITY_NO_WIRE)
        return vyi_fail(err, VYRE_E_PRIORITY, (uint32_t)priority, "Pass one of vyre_priority.",
                        "priority %u is not one of the five levels", (unsigned)priority);
    if (status >= 0)
        status = vyi_task_room(t, t->requeues, "requeues", err);
    if (status >= 0)
        status = vyi_task_room(t, t->age, "ages", err);
    if (status < 0)
        return status;
    vyi_task_goes_on(t, pc, data);
    t->priority = wire;
    t->requeues++;
    t->age++;
    vyi_task_enter(t, VYRE_SLOT_REQUEUE, VYRE_TASK_REQUEUED);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_task_complete(vyre_task *t, vyre_error *err)
{
    const vyre_status status = vyi_task_open(t, "complete", err);
    if (status >= 0)
        vyi_task_enter(t, VYRE_SLOT_DONE, 0);
    return status;
}

VYRE_API vyre_status vyre_task_fault(vyre_task *t, uint32_t code, vyre_error *err)
{
    const vyre_status status = vyi_task_open(t, "fault", err);
    if (status >= 0)
        vyi_task_enter(t, VYRE_SLOT_FAULTED, code);
    return status;
}

/* --- counts -------------------------------------------------------------- */

static void vyi_task_tally(const vyre_task *t, uint32_t states[8], vyre_task_counts *out)
{
    states[t->state]++;
    if (t->state == VYRE_SLOT_EMPTY || t->state == VYRE_SLOT_DONE)
        return;
    out->total_requeues += t->requeues;
    out->max_age = t->age > out->max_age ? t->age : out->max_age;
}

VYRE_API vyre_status vyre_task_count(const vyre_task *tasks, size_t count, vyre_task_counts *out,
                                     vyre_error *err)
{
    vyre_status status = vyi_task_null(out, "the result", err);
    if (status >= 0)
        status = vyi_wire_pointer(tasks, count, "the array of tasks", err);
    if (status < 0)
        return status;
    if (count > UINT32_MAX)
        return vyi_fail(err, VYRE_E_OVF, count, "Count them in parts.",
                        "%llu tasks are more than 32 bits can count", (unsigned long long)count);
    uint32_t states[8] = { 0 };
    vyre_task_counts sum;
    memset(&sum, 0, sizeof sum);
    for (size_t i = 0; i < count; i++) {
        if (tasks[i].state >= VYRE_SLOT_UNKNOWN)
            return vyi_fail(err, VYRE_E_TASK_STATE, i, "Pass tasks that were made as such.",
                            "task %llu of the array has the state word %u", (unsigned long long)i,
                            (unsigned)tasks[i].state);
        vyi_task_tally(&tasks[i], states, &sum);
    }
    sum.ready = states[VYRE_SLOT_PUBLISHED];
    sum.paused = states[VYRE_SLOT_WAIT_IO];
    sum.yielded = states[VYRE_SLOT_YIELD];
    sum.requeued = states[VYRE_SLOT_REQUEUE];
    sum.running = states[VYRE_SLOT_CLAIMED];
    sum.faulted = states[VYRE_SLOT_FAULTED];
    sum.schedulable = sum.ready + sum.yielded + sum.requeued;
    sum.pressure = (uint64_t)sum.yielded + sum.requeued;
    *out = sum;
    return VYRE_OK;
}

/* --- slots --------------------------------------------------------------- */

VYRE_API vyre_status vyre_task_work(const vyre_task *t, vyre_work *out, vyre_error *err)
{
    vyre_status status = vyi_task_null(out, "the work", err);
    if (status >= 0)
        status = vyi_task_open(t, "go on anywhere", err);
    if (status < 0)
        return status;
    if (t->priority >= VYRE_PRIORITY_LEVELS)
        return vyi_fail(err, VYRE_E_PRIORITY, t->priority, "Give the task a level from 0 to 4.",
                        "the priority %u of task %u is not one of the five levels",
                        (unsigned)t->priority, (unsigned)t->id);
    const uint32_t args[VYRE_MAX_ARGS] = { t->input, t->output, t->param, t->pc,
                                           t->data,  t->epoch,  t->id,    t->parent,
                                           t->age,   t->requeues, t->yields, t->flags };
    out->opcode = t->opcode;
    out->tenant = t->tenant;
    out->priority = vyi_priority_of(t->priority);
    out->arg_count = VYRE_MAX_ARGS;
    memcpy(out->args, args, sizeof args);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_task_load(const void *ring, size_t size, uint32_t slot, vyre_task *out,
                                    vyre_error *err)
{
    vyre_status status = vyi_task_null(out, "the task", err);
    if (status >= 0)
        status = vyi_ring_slot(ring, size, slot, err);
    if (status < 0)
        return status;
    uint32_t words[VYRE_SLOT_WORDS];
    const size_t at = (size_t)slot * VYRE_SLOT_WORDS;
    words[0] = vyi_wire_load(ring, at); /* pairs with the release of whoever set the state */
    for (uint32_t i = 1; i < VYRE_SLOT_WORDS; i++)
        words[i] = vyi_wire_get(ring, at + i);
    memcpy(out, words, sizeof words);
    return VYRE_OK;
}

#endif /* VYRE_NO_TASK */

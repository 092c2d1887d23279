/* ==========================================================================
 * kernel: works that stop in the middle
 *
 * Private, of kernels with `tasks`.  A handler says that its job goes on later by
 * setting locals; code after that still runs.  At the slot's end they decide: words
 * that say where it goes on, its counters and its flag, then a status that is neither
 * DONE nor FAULT.
 *
 *     YIELD, REQUEUE   the device's: the lane that serves the slot claims it again
 *     WAIT_IO          the host's: nobody claims it until vyre_resume has made it
 *                      PUBLISHED; only this one is told in the mirror
 *
 * A job that waits for an IO request (kernel_io.c) is left as WAIT_IO, too.  The mirror then
 * says for which, and whoever answers it makes the slot ANSWERED.
 *
 * Until the status is stored the slot is CLAIMED, and all of its words are the lane's.
 * Release in the status, and in the mirror: they pair with the next claim's acquire, and
 * with the host's, who may change the slot as soon as it has seen WAIT_IO there.  So
 * here the mirror always comes after the status.
 * ======================================================================= */
#include "kernel/kernel_impl.h"

VYI_COLD
VYI_API void vyi_task_locals(vyi_kernel *k)
{
    vyre_program *p = k->p;
    if (!k->shape.tasks)
        return;
    k->leave = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, VYRE_SLOT_EMPTY), "leave");
    k->pc = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, 0), "pc");
    k->data = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, 0), "data");
    if (!k->shape.parks)
        return;
    vyre_value zero = vyi_kernel_u32(k, 0), came = vyre_ir_get(p, k->came);
    vyre_value waited = vyi_kernel_op(k, vyre_ir_shr, came, VYI_PARKED_SHIFT);
    vyre_value answered = vyi_kernel_is_answered(k, came);
    k->pending = vyre_ir_local(p, VYRE_TYPE_U32, vyre_ir_select(p, answered, waited, zero),
                               "pending");
    k->parked = vyre_ir_local(p, VYRE_TYPE_U32, zero, "parked");
}

/* --- what a handler says --------------------------------------------------- */

VYI_COLD
VYI_API const char *vyi_task_barred(const vyre_slot_values *slot, const char **fix)
{
    const vyi_kernel *k = (const vyi_kernel *)slot->internal;
    *fix = k->self ? "Leave the handler's width LANE." : "Set vyre_kernel_desc.tasks.";
    return k->self          ? "in a handler that more than one lane runs"
           : k->desc.tasks ? NULL : "in a kernel without tasks";
}

/* A packed slot has no words of its own to go on from. */
static void vyi_task_refuse_packed(vyi_kernel *k)
{
    vyre_program *p = k->p;
    if (k->shape.payload)
        return;
    vyre_value fault = vyre_ir_get(p, k->fault);
    vyre_value packed = vyi_kernel_is(k, k->opcode, VYRE_OP_PACKED_SLOT);
    vyre_value none = vyi_kernel_is(k, fault, VYRE_FAULT_NONE);
    vyre_ir_if(p, vyre_ir_and(p, packed, none));
    vyi_kernel_raise(k, VYRE_FAULT_PACKED);
    vyre_ir_end(p);
}

static void vyi_task_leaves(vyre_program *p, const vyre_slot_values *slot, const char *what,
                            uint32_t status, const vyre_value *to)
{
    if (!p || !slot)
        return;
    vyi_kernel k = *(const vyi_kernel *)slot->internal;
    const char *fix, *barred = vyi_task_barred(slot, &fix);
    vyi_ir_inner_begin(p);
    if (barred) {
        vyi_program_fail(p, k.self ? VYRE_E_KERNEL_WIDTH : VYRE_E_ARGUMENT, fix, "%s %s", what,
                         barred);
    } else {
        vyre_ir_set(p, k.leave, vyi_kernel_u32(&k, status));
        vyre_ir_set(p, k.pc, to[0]);
        vyre_ir_set(p, k.data, to[1]);
        vyi_task_refuse_packed(&k);
    }
    vyi_ir_inner_end(p);
}

VYI_COLD
VYRE_API void vyre_emit_yield(vyre_program *p, const vyre_slot_values *slot, vyre_value pc,
                              vyre_value data)
{
    const vyre_value to[2] = { pc, data };
    vyi_task_leaves(p, slot, "a yield", VYRE_SLOT_YIELD, to);
}

VYI_COLD
VYRE_API void vyre_emit_requeue(vyre_program *p, const vyre_slot_values *slot, vyre_value pc,
                                vyre_value data)
{
    const vyre_value to[2] = { pc, data };
    vyi_task_leaves(p, slot, "a requeue", VYRE_SLOT_REQUEUE, to);
}

VYI_COLD
VYRE_API void vyre_emit_pause(vyre_program *p, const vyre_slot_values *slot, vyre_value pc,
                              vyre_value data)
{
    const vyre_value to[2] = { pc, data };
    vyi_task_leaves(p, slot, "a pause", VYRE_SLOT_WAIT_IO, to);
}

/* --- the slot -------------------------------------------------------------- */

static void vyi_task_store(vyi_kernel *k, uint32_t word, vyre_value value)
{
    vyre_ir_store(k->p, k->ring, vyi_kernel_plus(k, k->base, word), value);
}

/* Counts in the slot, as long as there is room. */
static void vyi_task_count(vyi_kernel *k, uint32_t word, vyre_value one)
{
    vyre_program *p = k->p;
    vyre_value at = vyi_kernel_plus(k, k->base, word);
    vyre_value count = vyre_ir_load(p, k->ring, at);
    vyre_value next = vyre_ir_add(p, count, one);
    vyre_ir_store(p, k->ring, at, vyre_ir_max(p, count, next));
}

static void vyi_task_counters(vyi_kernel *k, vyre_value status)
{
    vyre_program *p = k->p;
    vyre_value yields = vyi_kernel_is(k, status, VYRE_SLOT_YIELD);
    vyre_value again = vyi_kernel_is(k, status, VYRE_SLOT_REQUEUE);
    vyi_task_count(k, VYI_TASK_YIELDS, vyi_kernel_pick(k, yields, 1, 0));
    vyre_value one = vyi_kernel_pick(k, again, 1, 0);
    vyi_task_count(k, VYI_TASK_REQUEUES, one);
    vyi_task_count(k, VYI_TASK_AGE, one);
    vyre_value flag = vyi_kernel_pick(k, again, VYRE_TASK_REQUEUED, VYRE_TASK_PAUSED);
    vyre_value yielded = vyi_kernel_u32(k, VYRE_TASK_YIELDED);
    vyi_task_store(k, VYI_TASK_FLAGS, vyre_ir_select(p, yields, yielded, flag));
}

/* A job that waits for a request keeps its words as they were, but for where the handler
 * has said that it goes on. */
static void vyi_task_words(vyi_kernel *k, vyre_value status)
{
    vyre_program *p = k->p;
    if (k->shape.parks)
        vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, vyre_ir_get(p, k->leave), VYRE_SLOT_EMPTY));
    vyi_task_store(k, VYI_TASK_PC, vyre_ir_get(p, k->pc));
    vyi_task_store(k, VYI_TASK_DATA, vyre_ir_get(p, k->data));
    if (k->shape.parks) {
        vyre_ir_end(p);
        vyre_ir_if(p, vyi_kernel_is(k, vyre_ir_get(p, k->parked), 0));
    }
    vyi_task_counters(k, status);
    if (k->shape.parks)
        vyre_ir_end(p);
}

/* What the host is told of a slot that waits: also for which request. */
static vyre_value vyi_task_news(vyi_kernel *k, vyre_value status)
{
    vyre_program *p = k->p;
    if (!k->shape.parks)
        return status;
    vyre_value parked = vyre_ir_get(p, k->parked);
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, parked, 0));
    vyi_io_tell_waits(k, parked);
    vyre_ir_end(p);
    return vyre_ir_or(p, status, vyi_kernel_op(k, vyre_ir_shl, parked, VYI_PARKED_SHIFT));
}

/* The mirror is told of a pause only: whoever waits, waits on. */
static void vyi_task_put(vyi_kernel *k, vyre_value status)
{
    vyre_program *p = k->p;
    vyi_task_words(k, status);
    vyre_ir_atomic_store(p, k->ring, k->base, status, VYRE_ORDER_RELEASE);
    vyre_ir_if(p, vyi_kernel_is(k, status, VYRE_SLOT_WAIT_IO));
    if (k->mirror.id) {
        vyre_value news = vyi_task_news(k, status);
        vyre_ir_atomic_store(p, k->mirror, vyi_kernel_op(k, vyre_ir_shr, k->base, 4), news,
                             VYRE_ORDER_RELEASE);
    }
    vyre_ir_else(p);
    vyi_kernel_count_at(k, VYRE_CONTROL_REQUEUES, VYRE_ORDER_RELAXED);
    vyre_ir_end(p);
}

/* How the slot is left, where a job may wait for a request.  It was parked without a fault:
 * one that the handler has raised since is about an answer that it did not get, and it will
 * have the answer when it runs again.  But a loop that was cut tells of the way to there. */
static vyre_value vyi_task_parked_status(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value zero = vyi_kernel_u32(k, 0);
    vyre_value fault = vyre_ir_get(p, k->fault), parked = vyre_ir_get(p, k->parked);
    vyre_value pending = vyre_ir_get(p, k->pending), leave = vyre_ir_get(p, k->leave);
    vyre_value waits = vyi_kernel_op(k, vyre_ir_ne, parked, 0);
    vyre_value cut = vyi_kernel_is(k, fault, VYRE_FAULT_LOOP_LIMIT);
    vyre_value again = vyi_kernel_is(k, parked, VYI_PARKED_AGAIN);
    vyre_value asked = vyre_ir_and(p, waits, vyre_ir_not(p, again));
    vyi_io_give_up(k, vyre_ir_select(p, vyre_ir_and(p, asked, cut), parked, pending));
    vyre_value stays = vyre_ir_and(p, waits, vyre_ir_not(p, cut));
    vyre_ir_set(p, k->fault, vyre_ir_select(p, stays, zero, fault));
    vyre_value status = vyi_kernel_pick(k, again, VYRE_SLOT_YIELD, VYRE_SLOT_WAIT_IO);
    return vyre_ir_select(p, stays, status, leave);
}

/* A fault stands against it: such a slot ends. */
VYI_COLD
VYI_API void vyi_task_end_begin(vyi_kernel *k)
{
    vyre_program *p = k->p;
    if (!k->shape.tasks)
        return;
    vyre_value status = k->shape.parks ? vyi_task_parked_status(k) : vyre_ir_get(p, k->leave);
    vyre_value fault = vyre_ir_get(p, k->fault);
    vyre_value wanted = vyi_kernel_op(k, vyre_ir_ne, status, VYRE_SLOT_EMPTY);
    vyre_ir_if(p, vyre_ir_and(p, wanted, vyi_kernel_is(k, fault, VYRE_FAULT_NONE)));
    vyi_task_put(k, status);
    vyre_ir_else(p);
}

VYI_COLD
VYI_API void vyi_task_end_end(vyi_kernel *k)
{
    if (k->shape.tasks)
        vyre_ir_end(k->p);
}

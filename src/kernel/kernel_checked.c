/* ==========================================================================
 * kernel: callers' code that is looked at while it runs
 *
 * Private.  In a checked kernel each access of a handler, a payload or a text to one of
 * the caller's buffers, each of its stores into control, and each use of an argument
 * has a condition in front of it.  Where that fails the job ends FAULT(BOUNDS), and what
 * was wrong goes into three of the slot's argument words; the code after it still runs,
 * as after every fault, and finds what it would have found unchecked.
 *
 * Those words belong to the slot.  The one lane of a job writes them at once; groups may
 * still read the arguments of a wide work, so there they wait in the work's state, and
 * whoever ends it moves them.
 *
 * Of kernels that are not checked nothing here emits anything.
 * ======================================================================= */
#include "kernel/kernel_impl.h"

/* --- the slot ------------------------------------------------------------ */

VYI_API vyre_value vyi_checked_tenant(vyi_kernel *k, vyre_value word)
{
    if (!k->desc.checked)
        return word;
    k->told = vyi_kernel_op(k, vyre_ir_shr, word, VYI_CHECKED_COUNT);
    return vyi_kernel_op(k, vyre_ir_and, word, VYI_CHECKED_TENANT);
}

VYI_COLD
VYI_API void vyi_checked_locals(vyi_kernel *k)
{
    static const char *const names[VYI_KERNEL_BOUNDS] = { "wrong", "wrong_buffer", "wrong_index" };
    vyre_program *p = k->p;
    if (!k->desc.checked)
        return;
    vyre_value nobody = vyi_kernel_is(k, k->told, 0);
    vyre_value count = vyi_kernel_op(k, vyre_ir_sub, k->told, 1);
    vyre_value all = vyi_kernel_u32(k, VYRE_MAX_ARGS);
    count = vyre_ir_select(p, nobody, all, count);
    if (k->shape.tasks)
        count = vyi_kernel_op(k, vyre_ir_max, count, VYI_TASK_ARGS);
    k->given = vyre_ir_local(p, VYRE_TYPE_U32, count, "given");
    for (uint32_t i = 0; i < VYI_KERNEL_BOUNDS && k->self; i++)
        k->bounds[i] = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, 0), names[i]);
}

/* --- what is wrong ------------------------------------------------------- */

static void vyi_checked_note(vyi_kernel *k, uint32_t i, vyre_value value)
{
    if (k->self) {
        vyre_ir_set(k->p, k->bounds[i], value);
        return;
    }
    vyre_value at = vyi_kernel_plus(k, k->base, VYRE_SLOT_ARGS + VYRE_BOUNDS_ARG + i);
    vyre_ir_store(k->p, k->ring, at, value);
}

/* Unless `good`, or the job has a fault already. */
static void vyi_checked_unless(vyi_kernel *k, vyre_value good, vyre_bounds what, uint32_t buffer,
                               vyre_value index)
{
    vyre_program *p = k->p;
    vyre_ir_if(p, vyre_ir_not(p, good));
    vyre_value fault = vyre_ir_get(p, k->fault);
    vyre_ir_if(p, vyi_kernel_is(k, fault, VYRE_FAULT_NONE));
    vyi_kernel_raise(k, VYRE_FAULT_BOUNDS);
    vyi_checked_note(k, 0, vyi_kernel_u32(k, (uint32_t)what));
    vyi_checked_note(k, 1, vyi_kernel_u32(k, buffer));
    vyi_checked_note(k, 2, index);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

/* --- what is looked at --------------------------------------------------- */

static vyre_bounds vyi_checked_kind(const vyi_inst *inst)
{
    switch (inst->op) {
    case VYI_OP_LOAD:
    case VYI_OP_ATOMIC_LOAD:  return VYRE_BOUNDS_LOAD;
    case VYI_OP_STORE:
    case VYI_OP_ATOMIC_STORE: return VYRE_BOUNDS_STORE;
    default:                  return VYRE_BOUNDS_ATOMIC;
    }
}

static void vyi_checked_access(vyi_kernel *k, const vyi_inst *inst)
{
    vyre_program *p = k->p;
    const vyre_buffer buffer = { inst->arg[0] };
    const vyre_value index = { inst->arg[1] };
    for (uint32_t i = 0; i < k->desc.buffer_count; i++) {
        if (k->user[i].id != buffer.id)
            continue;
        vyre_value inside = vyre_ir_lt(p, index, vyre_ir_length(p, buffer));
        vyi_checked_unless(k, inside, vyi_checked_kind(inst), i, index);
    }
}

/* The library's own code in a guest counts and logs there, and may; 1 is the watcher. */
static void vyi_checked_control(vyi_kernel *k, const vyi_inst *inst)
{
    vyre_program *p = k->p;
    const vyre_value index = { inst->arg[1] };
    if (inst->arg[0] != k->control.id || p->inner > 1)
        return;
    vyre_value good = vyre_ir_lt(p, index, vyre_ir_length(p, k->control));
    if (!k->desc.open_header)
        good = vyre_ir_and(p, good, vyi_kernel_op(k, vyre_ir_ge, index, VYRE_CONTROL_OBSERVABLES));
    vyi_checked_unless(k, good, VYRE_BOUNDS_HEADER, 0, index);
}

static void vyi_checked_argument(vyi_kernel *k, uint32_t value)
{
    vyre_program *p = k->p;
    for (uint32_t i = 0; i < p->guest.arg_count; i++) {
        if (p->guest.args[i].id != value)
            continue;
        vyre_value given = vyi_kernel_op(k, vyre_ir_gt, vyre_ir_get(p, k->given), i);
        vyi_checked_unless(k, given, VYRE_BOUNDS_ARGUMENT, 0, vyi_kernel_u32(k, i));
    }
}

static void vyi_checked_see(void *user, const vyi_inst *inst)
{
    vyi_kernel *k = (vyi_kernel *)user;
    const vyi_op_info *info = vyi_op_describe(inst->op);
    for (uint32_t i = 0; i < 4; i++)
        if (info->values >> i & 1u)
            vyi_checked_argument(k, inst->arg[i]);
    if (info->flags & VYI_OP_MEMORY)
        vyi_checked_access(k, inst);
    if (info->flags & VYI_OP_WRITES)
        vyi_checked_control(k, inst);
}

VYI_API void vyi_checked_watch(vyi_kernel *k)
{
    if (k->desc.checked)
        vyi_guest_watch(k->p, vyi_checked_see, k);
}

/* --- wide works ---------------------------------------------------------- */

VYI_COLD
VYI_API void vyi_checked_leave(vyi_kernel *k, vyre_value fault, vyre_value before)
{
    vyre_program *p = k->p;
    if (!k->desc.checked)
        return;
    vyre_value first = vyi_kernel_is(k, before, VYRE_FAULT_NONE);
    vyre_ir_if(p, vyre_ir_and(p, first, vyi_kernel_is(k, fault, VYRE_FAULT_BOUNDS)));
    for (uint32_t i = 0; i < VYI_KERNEL_BOUNDS; i++) {
        vyre_value at = vyi_wide_at(k, VYI_WIDE_BOUNDS + i);
        vyre_ir_atomic_store(p, k->wide.buffer, at, vyre_ir_get(p, k->bounds[i]),
                             VYRE_ORDER_RELAXED);
    }
    vyre_ir_end(p);
}

VYI_COLD
VYI_API void vyi_checked_take(vyi_kernel *k, vyre_value fault)
{
    vyre_program *p = k->p;
    if (!k->desc.checked)
        return;
    vyre_ir_if(p, vyi_kernel_is(k, fault, VYRE_FAULT_BOUNDS));
    for (uint32_t i = 0; i < VYI_KERNEL_BOUNDS; i++) {
        vyre_value at = vyi_wide_at(k, VYI_WIDE_BOUNDS + i);
        vyre_value word = vyre_ir_atomic_load(p, k->wide.buffer, at, VYRE_ORDER_RELAXED);
        at = vyi_kernel_plus(k, k->base, VYRE_SLOT_ARGS + VYRE_BOUNDS_ARG + i);
        vyre_ir_store(p, k->ring, at, word);
    }
    vyre_ir_end(p);
}

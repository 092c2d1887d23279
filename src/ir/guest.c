/* ==========================================================================
 * guest: a caller's code inside a program of the library's
 *
 * Private.  A kernel hands its program to handlers, payloads and hooks.  What
 * such a guest may not do is refused at the call that does it, and every
 * mistake in it is reported by its name and the number of the call in it; the
 * library's own calls are not counted.
 * ======================================================================= */
#include "ir/ir_impl.h"

/* --- mistakes ------------------------------------------------------------- */

VYI_COLD
VYI_API void vyi_guest_blame(vyre_program *p)
{
    VYRE_ASSERT(p->error.status != VYRE_OK);
    const vyre_error found = p->error;
    p->error.at = p->calls;
    if (p->guest.open)
        vyi_fail(&p->error, found.status, p->calls, found.fix, "%s, call %u: %s",
                 p->guests[p->guest_count - 1].name, (unsigned)p->calls, found.text);
}

VYI_COLD
VYI_API void vyi_program_fail(vyre_program *p, vyre_status status, const char *fix,
                              const char *format, ...)
{
    if (p->error.status != VYRE_OK)
        return;

    char text[sizeof p->error.text];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    vyi_fail(&p->error, status, p->calls, fix, "%s", text);
    vyi_guest_blame(p);
}

/* --- guests --------------------------------------------------------------- */

#define VYI_GUEST_NAME 80u /* characters */

VYI_COLD
VYI_API void vyi_guest_begin(vyre_program *p, const char *name, bool apart,
                             const vyre_value *args, uint32_t arg_count)
{
    VYRE_ASSERT(!p->guest.open);
    if (p->error.status != VYRE_OK)
        return;
    void *guests = p->guests;
    const char *copy = vyi_arena_text(&p->arena, name, VYI_GUEST_NAME);
    if (!copy || !vyi_grow(&p->allocator, &guests, &p->guest_capacity, p->guest_count + 1,
                           sizeof *p->guests)) {
        vyi_fail_nomem(&p->error, (p->guest_count + 1) * sizeof *p->guests);
        return;
    }
    p->guests = (vyi_guest *)guests;
    vyi_guest *g = &p->guests[p->guest_count++];
    g->name = copy;
    g->first = g->end = p->count;
    g->apart = apart;
    p->guest.open = true;
    p->guest.depth = p->depth;
    p->guest.calls = p->calls;
    p->guest.inner = p->inner;
    p->guest.args = args;
    p->guest.arg_count = arg_count;
    p->calls = p->inner = 0;
}

VYI_COLD
VYI_API void vyi_guest_watch(vyre_program *p, vyi_watch_fn watch, void *user)
{
    if (!p->guest.open)
        return;
    p->guest.watch = watch;
    p->guest.watch_user = user;
}

/* Only the caller's own calls are counted. */
VYI_COLD
VYI_API void vyi_guest_show(vyre_program *p, const vyi_inst *inst)
{
    if (p->guest.watching)
        return;
    p->guest.watching = true;
    p->inner++;
    p->guest.watch(p->guest.watch_user, inst);
    p->inner--;
    p->guest.watching = false;
}

VYI_COLD
VYI_API void vyi_guest_end(vyre_program *p)
{
    if (!p->guest.open)
        return;
    vyi_guest *g = &p->guests[p->guest_count - 1];
    g->end = p->count;
    VYRE_ASSERT(p->depth >= p->guest.depth && p->inner == 0);
    if (p->depth != p->guest.depth)
        vyi_program_fail(p, VYRE_E_KERNEL_BLOCK, "Call vyre_ir_end once for each block.",
                         "%u of its blocks have no end", (unsigned)(p->depth - p->guest.depth));
    for (uint32_t i = g->first; i < p->count; i++)
        p->guest_loops = p->guest_loops || p->insts[i].op == VYI_OP_LOOP ||
                         p->insts[i].op == VYI_OP_FOREVER;
    p->calls = p->guest.calls;
    p->inner = p->guest.inner;
    p->guest.open = false;
    p->guest.watch = NULL;
}

VYI_API bool vyi_guest_meets_in_loop(const vyre_program *p)
{
    if (p->error.status != VYRE_OK || !p->guest.open)
        return false;
    const vyi_guest *g = &p->guests[p->guest_count - 1];
    uint32_t loop_end = g->first; /* of the outermost loop that has begun */
    for (uint32_t i = g->first; i < p->count; i++) {
        const vyi_inst *inst = &p->insts[i];
        if ((inst->op == VYI_OP_LOOP || inst->op == VYI_OP_FOREVER) && inst->link > loop_end)
            loop_end = inst->link;
        if (inst->op == VYI_OP_BARRIER && inst->sub != VYRE_SCOPE_DEVICE && i < loop_end)
            return true;
    }
    return false;
}

/* The innermost open loop is one of the guest's. */
static bool vyi_guest_has_loop(const vyre_program *p)
{
    for (uint32_t i = p->guest.depth; i < p->depth; i++) {
        const uint32_t op = p->insts[p->open[i].opener].op;
        if (op == VYI_OP_LOOP || op == VYI_OP_FOREVER)
            return true;
    }
    return false;
}

VYI_API vyre_status vyi_guest_check(const vyre_program *p, uint32_t index, vyre_error *err)
{
    if (!p->guest.open)
        return VYRE_OK;
    const vyi_inst *inst = &p->insts[index];
    const vyi_op_info *info = vyi_op_describe(inst->op);
    const bool closes = (info->flags & VYI_OP_ARM) || inst->op == VYI_OP_END;
    const bool jumps = inst->op == VYI_OP_BREAK || inst->op == VYI_OP_CONTINUE;
    if (inst->op == VYI_OP_RETURN)
        return vyi_fail(err, VYRE_E_KERNEL_RETURN, index + 1,
                        "Put the rest of the code into an if.",
                        "a return would end the lane, and leave its slot CLAIMED for ever");
    if ((closes && p->depth == p->guest.depth) || (jumps && !vyi_guest_has_loop(p)))
        return vyi_fail(err, VYRE_E_KERNEL_BLOCK, index + 1,
                        "End each block that it opens, and break its own loops only.",
                        "the %s belongs to a block around it, which is the kernel's", info->text);
    if (inst->op == VYI_OP_BARRIER && inst->sub != VYRE_SCOPE_DEVICE &&
        p->guests[p->guest_count - 1].apart)
        return vyi_fail(err, VYRE_E_IR_BARRIER, index + 1,
                        "Use VYRE_WIDTH_GROUP, where a workgroup runs one job together, or a "
                        "fence of device scope.",
                        "a barrier, but each lane runs this for a job of its own, and the others "
                        "may never come");
    return VYRE_OK;
}

VYI_COLD
VYI_API void vyi_guest_blame_at(const vyre_program *p, vyre_error *err)
{
    if (!err)
        return;
    const vyre_error found = *err;
    for (uint32_t i = 0; i < p->guest_count; i++) {
        if (found.at > p->guests[i].first && found.at <= p->guests[i].end)
            vyi_fail(err, found.status, found.at, found.fix, "%s: %s", p->guests[i].name,
                     found.text);
    }
}

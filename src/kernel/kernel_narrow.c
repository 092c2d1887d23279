/* ==========================================================================
 * kernel: one lane alone
 *
 * Private.  Some devices have no branches: a CPU that runs a vector of lanes
 * under a mask (llvmpipe) walks through every opcode's code for each poll,
 * masked off.  Its loops are real, though: what stands behind a loop costs
 * nothing until the loop is left.  So here the code stands in three rings:
 *
 *     forever {                        a round: one slot that needs more
 *         forever {                    one common operation
 *             forever { poll }         left when a slot is found
 *             claim; if it is common: run it, else leave
 *         }
 *         run it, or put it back
 *     }
 *
 * One lane serves the ring, so that no lane waits for another to leave a loop.
 * A poll looks at two slots: the one behind the slot that was claimed last,
 * where hosts publish next, and one of a sweep over the ring, which finds the
 * others.  Both leave behind what they found, so no slot keeps others waiting.
 * ======================================================================= */
#include "kernel/kernel_impl.h"

/* Polls of one launch where the device sets no limit to loops. */
#define VYI_SOLO_POLLS 65536u

typedef struct vyi_solo {
    vyre_local slot;    /* that was found */
    vyre_local hit;     /* bool: one was found */
    vyre_local more;    /* bool: it needs more than the inner rings do */
    vyre_local claimed; /* bool: it is this lane's */
    vyre_local next;    /* where it is looked first */
    vyre_local cursor;  /* the sweep's next slot */
    vyre_local polls;   /* that are left */
} vyi_solo;

static void vyi_solo_locals(vyi_kernel *k, vyi_solo *n)
{
    vyre_program *p = k->p;
    vyre_value zero = vyi_kernel_u32(k, 0);
    n->slot = vyre_ir_local(p, VYRE_TYPE_U32, zero, "found");
    n->hit = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "hit");
    n->more = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "more");
    n->claimed = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "claimed");
    n->next = vyre_ir_local(p, VYRE_TYPE_U32, zero, "next");
    n->cursor = vyre_ir_local(p, VYRE_TYPE_U32, zero, "cursor");
    n->polls = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, VYI_SOLO_POLLS), "polls");
}

/* --- polling ------------------------------------------------------------- */

/* The slot behind this one, in a circle. */
static vyre_value vyi_solo_behind(vyi_kernel *k, vyre_value slot)
{
    vyre_value behind = vyi_kernel_plus(k, slot, 1);
    vyre_value exists = vyre_ir_lt(k->p, behind, k->slots);
    return vyre_ir_select(k->p, exists, behind, vyi_kernel_u32(k, 0));
}

/* Leaves the poll when the slot that `at` names can be claimed. */
static void vyi_solo_look(vyi_kernel *k, const vyi_solo *n, vyre_local at)
{
    vyre_program *p = k->p;
    vyre_value slot = vyre_ir_get(p, at);
    vyre_value base = vyi_kernel_op(k, vyre_ir_shl, slot, 4);
    vyre_value status = vyre_ir_atomic_load(p, k->ring, base, VYRE_ORDER_RELAXED);
    vyre_ir_if(p, vyi_kernel_is(k, status, VYRE_SLOT_PUBLISHED));
    vyre_ir_set(p, n->slot, slot);
    vyre_ir_set(p, at, vyi_solo_behind(k, slot));
    vyre_ir_set(p, n->hit, vyre_ir_bool(p, true));
    vyre_ir_break(p);
    vyre_ir_end(p);
}

/* Polls until a slot is found or the launch ends. */
static void vyi_solo_watch(vyi_kernel *k, const vyi_solo *n)
{
    vyre_program *p = k->p;
    vyre_ir_set(p, n->hit, vyre_ir_bool(p, false));
    vyre_ir_forever(p);
    vyre_value left = vyre_ir_get(p, n->polls);
    vyre_value none = vyi_kernel_is(k, left, 0);
    vyre_value spent = vyre_ir_or(p, none, vyi_kernel_loops_end(k));
    vyre_value stop = vyi_kernel_control(k, VYRE_CONTROL_SHUTDOWN);
    vyi_kernel_break_if(k, vyre_ir_or(p, spent, vyi_kernel_op(k, vyre_ir_ne, stop, 0)));
    vyre_ir_set(p, n->polls, vyi_kernel_plus(k, left, UINT32_MAX));
    vyi_solo_look(k, n, n->next);
    vyi_solo_look(k, n, n->cursor);
    vyre_ir_set(p, n->cursor, vyi_solo_behind(k, vyre_ir_get(p, n->cursor)));
    vyre_ir_end(p);
}

/* --- serving ------------------------------------------------------------- */

/* Opens a block for what happens when the slot is this lane's. */
static void vyi_solo_claim(vyi_kernel *k, const vyi_solo *n)
{
    vyre_program *p = k->p;
    vyre_value published = vyi_kernel_u32(k, VYRE_SLOT_PUBLISHED);
    vyre_value before = vyre_ir_atomic_cas(p, k->ring, k->base, published,
                                           vyi_kernel_u32(k, VYRE_SLOT_CLAIMED),
                                           VYRE_ORDER_ACQUIRE);
    vyre_ir_if(p, vyre_ir_eq(p, before, published));
    vyi_times_claimed(k);
    vyre_ir_set(p, n->claimed, vyre_ir_bool(p, true));
}

static vyre_value vyi_solo_may_run(vyi_kernel *k)
{
    return vyi_kernel_or_cancelled(k, k->tenant, vyi_kernel_has_rights(k, k->tenant));
}

static void vyi_solo_follow(vyi_kernel *k, const vyi_solo *n)
{
    vyre_ir_set(k->p, n->next, vyi_solo_behind(k, vyre_ir_get(k->p, n->slot)));
}

/* A lane that has met refused work looks before it claims: that is more than
 * is done here. */
static void vyi_solo_common(vyi_kernel *k, const vyi_solo *n)
{
    vyre_program *p = k->p;
    vyre_value careful = vyre_ir_get(p, k->careful);
    vyre_ir_set(p, n->more, careful);
    vyre_ir_set(p, n->claimed, vyre_ir_bool(p, false));
    vyre_ir_if(p, vyre_ir_not(p, careful));
    vyi_solo_claim(k, n);
    vyre_ir_set(p, n->more, vyre_ir_bool(p, true));
    vyi_kernel_load_slot(k, VYI_KERNEL_COMMON_ARGS);
    vyre_ir_if(p, vyi_solo_may_run(k));
    vyi_solo_follow(k, n);
    vyi_kernel_serve_common(k, n->more);
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

/* A payload is not split: its slots never need more. */
static void vyi_solo_payload(vyi_kernel *k, const vyi_solo *n)
{
    vyi_kernel_claim_begin(k, k->base);
    vyi_solo_follow(k, n);
    vyi_kernel_serve(k);
    vyi_kernel_claim_end(k);
}

/* The two inner rings. */
static void vyi_solo_serve(vyi_kernel *k, const vyi_solo *n)
{
    vyre_program *p = k->p;
    vyre_ir_forever(p);
    vyi_solo_watch(k, n);
    vyi_kernel_break_if(k, vyre_ir_not(p, vyre_ir_get(p, n->hit)));
    vyi_kernel_slot_begin(k, vyre_ir_get(p, n->slot));
    if (k->shape.payload)
        vyi_solo_payload(k, n);
    else
        vyi_solo_common(k, n);
    vyre_ir_end(p);
    vyi_kernel_break_if(k, vyre_ir_get(p, n->more));
    vyre_ir_end(p);
}

/* The slot that needs more: it is claimed already, or the lane is careful. */
static void vyi_solo_finish(vyi_kernel *k, const vyi_solo *n)
{
    vyre_program *p = k->p;
    vyi_kernel_slot_begin(k, vyre_ir_get(p, n->slot));
    vyre_ir_if(p, vyre_ir_not(p, vyre_ir_get(p, n->claimed)));
    vyre_local worth = vyi_kernel_look(k);
    vyre_ir_if(p, vyre_ir_get(p, worth));
    vyi_solo_claim(k, n);
    for (unsigned i = 0; i < 3; i++)
        vyre_ir_end(p);
    vyre_ir_if(p, vyre_ir_get(p, n->claimed));
    vyi_kernel_load_slot(k, VYI_KERNEL_EARLY_ARGS);
    vyre_ir_if(p, vyi_solo_may_run(k));
    vyi_solo_follow(k, n);
    vyi_kernel_serve(k);
    vyre_ir_else(p);
    vyi_kernel_put(k, k->ring, k->base, VYRE_SLOT_PUBLISHED, VYRE_ORDER_RELEASE);
    vyre_ir_set(p, k->careful, vyre_ir_bool(p, true));
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

VYI_COLD
VYI_API void vyi_kernel_narrow(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyi_solo n;
    vyi_solo_locals(k, &n);

    /* A group of one lane still is a vector of eight to llvmpipe, and the other
     * seven, whose ids are folded to the first one's, would go on polling until
     * the driver cuts the loops of all. */
    vyre_value first = vyi_kernel_is(k, vyre_ir_builtin(p, VYRE_BUILTIN_SUBGROUP_LANE), 0);
    vyre_ir_if(p, vyre_ir_and(p, first, vyi_kernel_is(k, k->lane, 0)));
    vyre_ir_forever(p);
    vyi_kernel_count_at(k, VYRE_CONTROL_HEARTBEAT, VYRE_ORDER_RELAXED);
    vyi_solo_serve(k, &n);
    vyi_kernel_break_if(k, vyre_ir_not(p, vyre_ir_get(p, n.more)));
    vyre_ir_set(p, n.more, vyre_ir_bool(p, false));
    if (!k->shape.payload)
        vyi_solo_finish(k, &n);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

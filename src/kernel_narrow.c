/* ==========================================================================
 * kernel: one lane alone
 *
 * Private.  Some devices have no branches: a CPU that runs a vector of lanes
 * under a mask (llvmpipe) walks through every opcode's code for each poll,
 * masked off.  Its loops are real, though: what stands behind a loop costs
 * nothing until the loop is left.  So here the code stands in three rings:
 *
 *     forever {                        a round: one uncommon operation
 *         forever {                    one common operation
 *             forever { poll }         left when a slot is found
 *             claim; if it is common: run it, else leave
 *         }
 *         run the uncommon one
 *     }
 *
 * One lane serves the ring, so that no lane waits for another to leave a loop.
 * It looks where the doorbell points, and sweeps over the ring besides: the
 * doorbell is a hint, and nothing is lost without it.  Neither keeps the other
 * waiting: between two looks at the doorbell the sweep goes on.
 * ======================================================================= */
#include "kernel_impl.h"

/* Slots of the sweep that one poll looks at. */
#define VYI_SOLO_SWEEP 4u

/* Polls of one launch where the device sets no limit to loops. */
#define VYI_SOLO_POLLS 65536u

typedef struct vyi_solo {
    vyre_local base;   /* of the slot that was found */
    vyre_local hit;    /* bool: one was found */
    vyre_local rare;   /* bool: its operation is an uncommon one */
    vyre_local cursor; /* the sweep's next slot */
    vyre_local tried;  /* the doorbell's value that was followed last */
    vyre_local swept;  /* bool: the sweep went on since then */
    vyre_local polls;  /* that are left */
} vyi_solo;

VYI_API bool vyi_kernel_is_narrow(const vyre_kernel_desc *d)
{
    return d->narrow && !d->once && d->kind != VYRE_KERNEL_PRIORITY && !d->workspace &&
           !d->io_polling && !d->load_miss;
}

static void vyi_solo_locals(vyi_kernel *k, vyi_solo *n)
{
    vyre_program *p = k->p;
    vyre_value zero = vyi_kernel_u32(k, 0);
    n->base = vyre_ir_local(p, VYRE_TYPE_U32, zero, "found");
    n->hit = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "hit");
    n->rare = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "rare");
    n->cursor = vyre_ir_local(p, VYRE_TYPE_U32, zero, "cursor");
    n->tried = vyre_ir_local(p, VYRE_TYPE_U32, zero, "tried");
    n->swept = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, true), "swept");
    n->polls = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, VYI_SOLO_POLLS), "polls");
}

/* Leaves the poll when the slot can be claimed. */
static void vyi_solo_look(vyi_kernel *k, const vyi_solo *n, vyre_value slot)
{
    vyre_program *p = k->p;
    vyre_value base = vyi_kernel_op(k, vyre_ir_shl, slot, 4);
    vyre_value status = vyre_ir_atomic_load(p, k->ring, base, VYRE_ORDER_RELAXED);
    vyre_ir_if(p, vyi_kernel_is(k, status, VYRE_SLOT_PUBLISHED));
    vyre_ir_set(p, n->base, base);
    vyre_ir_set(p, n->hit, vyre_ir_bool(p, true));
    vyre_ir_break(p);
    vyre_ir_end(p);
}

/* Each value of the doorbell is followed once: its slot had been published
 * before it was rung, and a slot that is refused must not hold up the sweep.
 * Nor may hosts that ring faster than work is done, and so each time anew. */
static void vyi_solo_follow(vyi_kernel *k, const vyi_solo *n)
{
    vyre_program *p = k->p;
    vyre_value bell = vyi_kernel_control(k, VYRE_CONTROL_DOORBELL);
    vyre_value slot = vyi_kernel_plus(k, bell, UINT32_MAX);
    vyre_value exists = vyre_ir_lt(p, slot, k->slots);
    vyre_value fresh = vyre_ir_ne(p, bell, vyre_ir_get(p, n->tried));
    vyre_value rung = vyre_ir_and(p, exists, fresh);
    vyre_ir_if(p, vyre_ir_and(p, rung, vyre_ir_get(p, n->swept)));
    vyre_ir_set(p, n->tried, bell);
    vyre_ir_set(p, n->swept, vyre_ir_bool(p, false));
    vyi_solo_look(k, n, slot);
    vyre_ir_end(p);
}

/* The cursor moves first, so that a slot that is refused is left behind. */
static void vyi_solo_sweep(vyi_kernel *k, const vyi_solo *n)
{
    vyre_program *p = k->p;
    vyre_ir_set(p, n->swept, vyre_ir_bool(p, true));
    for (uint32_t i = 0; i < VYI_SOLO_SWEEP; i++) {
        vyre_value slot = vyre_ir_get(p, n->cursor);
        vyre_value next = vyi_kernel_plus(k, slot, 1);
        vyre_value wraps = vyre_ir_ge(p, next, k->slots);
        vyre_ir_set(p, n->cursor, vyre_ir_select(p, wraps, vyi_kernel_u32(k, 0), next));
        vyi_solo_look(k, n, slot);
    }
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
    vyre_value ends = vyre_ir_or(p, spent, vyi_kernel_op(k, vyre_ir_ne, stop, 0));
    vyre_ir_if(p, ends);
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_set(p, n->polls, vyi_kernel_plus(k, left, UINT32_MAX));
    vyi_solo_follow(k, n);
    vyi_solo_sweep(k, n);
    vyre_ir_end(p);
}

/* Common operations, until there is an uncommon one or the launch ends. */
static void vyi_solo_serve(vyi_kernel *k, const vyi_solo *n)
{
    vyre_program *p = k->p;
    vyre_ir_forever(p);
    vyi_solo_watch(k, n);
    vyre_ir_if(p, vyre_ir_not(p, vyre_ir_get(p, n->hit)));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyi_kernel_claim_begin(k, vyre_ir_get(p, n->base));
    if (k->desc.kind == VYRE_KERNEL_JIT)
        vyi_kernel_serve(k);
    else
        vyi_kernel_serve_common(k, n->rare);
    vyi_kernel_claim_end(k);
    vyre_ir_if(p, vyre_ir_get(p, n->rare));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

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
    vyre_ir_if(p, vyre_ir_not(p, vyre_ir_get(p, n.rare)));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_set(p, n.rare, vyre_ir_bool(p, false));
    k->base = vyre_ir_get(p, n.base);
    vyi_kernel_load_slot(k);
    vyi_kernel_serve(k);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

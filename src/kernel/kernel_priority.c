/* ==========================================================================
 * kernel: urgent partitions first
 *
 * Private.  Five partitions of the ring, from CRITICAL to IDLE, begin and end
 * at control words 129..134; a slot's urgency is where it lies.  Lane l serves
 * the slots l, l + lanes, l + 2 * lanes, ... of each partition.  One scan
 * claims at most one slot, the most urgent that this lane finds.
 *
 * Against starvation a counter goes up with each claim of CRITICAL or HIGH
 * work, and any other claim sets it back.  When it has reached the limit, the
 * scan goes the other three levels first and these two last: work that waits
 * below gets its turn, and where none waits, nothing hangs.
 * ======================================================================= */
#include "kernel/kernel_impl.h"

#define VYI_PRIORITY_URGENT 2u /* levels that count as such */

typedef struct vyi_priority {
    vyre_value forced;
    vyre_local claimed; /* bool */
    vyre_local base, level, tenant;
} vyi_priority;

/* Bounds come from the host and are not trusted: a partition lies in the ring,
 * and one that ends before it begins is empty. */
static vyre_value vyi_priority_bound(vyi_kernel *k, vyre_value level, uint32_t word)
{
    vyre_value at = vyi_kernel_plus(k, level, VYRE_CONTROL_PRIORITY_OFFSETS + word);
    vyre_value bound = vyre_ir_atomic_load(k->p, k->control, at, VYRE_ORDER_RELAXED);
    return vyre_ir_min(k->p, bound, k->slots);
}

static void vyi_priority_found(vyi_kernel *k, const vyi_priority *scan, vyre_value level)
{
    vyre_program *p = k->p;
    vyre_ir_set(p, scan->claimed, vyre_ir_bool(p, true));
    vyre_ir_set(p, scan->base, k->base);
    vyre_ir_set(p, scan->level, level);
    vyre_ir_set(p, scan->tenant, k->tenant);
    if (k->children)
        vyi_children_found(k);
}

/* This lane's slots of one partition, up to the first claim. */
static void vyi_priority_probe(vyi_kernel *k, const vyi_priority *scan, vyre_value level)
{
    vyre_program *p = k->p;
    vyre_value start = vyi_priority_bound(k, level, 0), end = vyi_priority_bound(k, level, 1);
    vyre_local at = vyre_ir_local(p, VYRE_TYPE_U32, vyre_ir_add(p, start, k->lane), "probe");
    vyre_ir_forever(p);
    vyre_value slot = vyre_ir_get(p, at);
    vyre_value past = vyre_ir_ge(p, slot, end);
    vyre_ir_if(p, vyre_ir_or(p, past, vyi_kernel_loops_end(k)));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyi_kernel_claim_begin(k, vyi_kernel_op(k, vyre_ir_shl, slot, 4));
    vyi_priority_found(k, scan, level);
    vyre_ir_break(p);
    vyi_kernel_claim_end(k);
    vyre_ir_set(p, at, vyre_ir_add(p, slot, k->lanes));
    vyre_ir_end(p);
}

static void vyi_priority_levels(vyi_kernel *k, const vyi_priority *scan)
{
    vyre_program *p = k->p;
    vyre_value levels = vyi_kernel_u32(k, VYRE_PRIORITY_LEVELS);
    vyre_value first = vyi_kernel_pick(k, scan->forced, VYI_PRIORITY_URGENT, 0);
    vyre_value step = vyre_ir_loop(p, vyi_kernel_u32(k, 0), levels);
    vyre_value sum = vyre_ir_add(p, first, step);
    vyre_value rest = vyre_ir_sub(p, sum, levels);
    vyre_value level = vyre_ir_select(p, vyre_ir_lt(p, sum, levels), sum, rest);
    vyre_ir_name(p, level, "level");
    vyi_priority_probe(k, scan, level);
    vyre_ir_if(p, vyre_ir_get(p, scan->claimed));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

/* An urgent claim in a forced scan says that nothing waited below: the count
 * begins again. */
static void vyi_priority_count(vyi_kernel *k, const vyi_priority *scan)
{
    vyre_program *p = k->p;
    vyre_value level = vyre_ir_get(p, scan->level);
    vyre_value urgent = vyi_kernel_op(k, vyre_ir_lt, level, VYI_PRIORITY_URGENT);
    vyre_ir_if(p, vyre_ir_or(p, scan->forced, vyre_ir_not(p, urgent)));
    vyi_kernel_put(k, k->control, vyi_kernel_u32(k, VYRE_CONTROL_STARVATION), 0,
                   VYRE_ORDER_RELAXED);
    vyre_ir_end(p);
    vyre_ir_if(p, urgent);
    vyi_kernel_count_at(k, VYRE_CONTROL_STARVATION, VYRE_ORDER_RELAXED);
    vyre_ir_end(p);

    vyre_value tenant = vyre_ir_get(p, scan->tenant);
    vyi_kernel_count(k, vyi_kernel_plus(k, tenant, VYRE_CONTROL_TENANT_FAIRNESS),
                     VYRE_ORDER_RELAXED);
    vyi_kernel_count(k, vyi_kernel_plus(k, level, VYRE_CONTROL_PRIORITY_FAIRNESS),
                     VYRE_ORDER_RELAXED);
}

static vyi_priority vyi_priority_begin(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value zero = vyi_kernel_u32(k, 0);
    vyre_value count = vyi_kernel_control(k, VYRE_CONTROL_STARVATION);
    vyi_priority scan;
    scan.forced = vyi_kernel_op(k, vyre_ir_ge, count, VYRE_STARVATION_LIMIT);
    vyre_ir_name(p, scan.forced, "forced");
    scan.claimed = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "claimed");
    scan.base = vyre_ir_local(p, VYRE_TYPE_U32, zero, "claimed_base");
    scan.level = vyre_ir_local(p, VYRE_TYPE_U32, zero, "claimed_level");
    scan.tenant = vyre_ir_local(p, VYRE_TYPE_U32, zero, "claimed_tenant");
    return scan;
}

static void vyi_priority_serve(vyi_kernel *k, const vyi_priority *scan)
{
    vyi_priority_count(k, scan);
    k->base = vyre_ir_name(k->p, vyre_ir_get(k->p, scan->base), "slot_base");
    vyi_kernel_load_slot(k, VYI_KERNEL_EARLY_ARGS);
    vyi_kernel_serve(k);
}

VYI_COLD
VYI_API void vyi_kernel_priority_pick(vyi_kernel *k)
{
    vyi_priority scan = vyi_priority_begin(k);
    vyi_priority_levels(k, &scan);
    vyre_ir_if(k->p, vyre_ir_get(k->p, scan.claimed));
    vyi_priority_count(k, &scan);
    vyre_ir_end(k->p);
}

/* Looping: one claim a round, so that the next look is at what is urgent then.
 * Once: claims until nothing is left, at most one for each slot of the ring. */
VYI_COLD
VYI_API void vyi_kernel_priority_pass(vyi_kernel *k)
{
    vyre_program *p = k->p;
    if (k->shape.once)
        vyre_ir_loop(p, vyi_kernel_u32(k, 0), k->slots);
    vyi_priority scan = vyi_priority_begin(k);
    vyi_priority_levels(k, &scan);
    vyre_ir_if(p, vyre_ir_get(p, scan.claimed));
    vyi_priority_serve(k, &scan);
    if (k->shape.once) {
        vyre_ir_else(p);
        vyre_ir_break(p);
    }
    vyre_ir_end(p);
    if (k->shape.once)
        vyre_ir_end(p);
}

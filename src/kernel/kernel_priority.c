/* ==========================================================================
 * kernel: urgent partitions first
 *
 * Private.  Five partitions of the ring, from CRITICAL to IDLE, begin and end
 * at control words 129..134; a slot's urgency is where it lies.  Lane l serves
 * the slots l, l + lanes, l + 2 * lanes, ... of each partition.  One scan
 * claims at most one slot, the most urgent that this lane finds.
 *
 * A scan asks for the first slots of all five at once, for on a GPU they are all that a
 * lane has, and one answer takes as long as five.  What it has seen there is not looked
 * at again before the claim, whose compare-exchange says whether it still is so.
 *
 * Against starvation a counter goes up with each claim of CRITICAL or HIGH
 * work, and any other claim sets it back.  When it has reached the limit, the
 * scan goes the other three levels first and these two last: work that waits
 * below gets its turn, and where none waits, nothing hangs.
 *
 * That begins at NORMAL each time, so NORMAL work that never ends would keep what is
 * below from its turn.  A slot is one lane's, so fairness among those levels is the
 * lane's own affair: after 16 claims above IDLE a scan of a looping kernel begins lower,
 * at NORMAL, LOW and IDLE by turns.  A lane that keeps claiming looks at each of them
 * first within 51 claims, without an atomic.  A claim of IDLE in its own turn, when all
 * else has been looked at, says that nobody waits, and the count begins again; one of LOW
 * does not, or LOW work that never ends would keep IDLE.  Leases may be short: a lane's count
 * begins somewhere else in each.  A pass claims until nothing is left, and needs that
 * only where works yield, which there always is one of.
 * ======================================================================= */
#include "kernel/kernel_impl.h"

#define VYI_PRIORITY_URGENT 2u /* levels that count as such */
#define VYI_PRIORITY_LOWER  3u /* the others */
#define VYI_PRIORITY_LOW    3u /* from here on a claim in a scan that began lower is a promotion */
#define VYI_PRIORITY_WORDS  (VYI_KERNEL_EARLY_ARGS + 5u)
#define VYI_PRIORITY_LAST   4u /* a claim of it says that nothing waits above */

typedef struct vyi_priority {
    vyre_value forced;
    vyre_value fair, lower, turn; /* where lanes are fair: it is this one's turn; the scan begins
                                     lower; at which level of them */
    /* Of each level: this lane's first slot, where its partition ends, and the status. */
    vyre_value first[VYRE_PRIORITY_LEVELS], end[VYRE_PRIORITY_LEVELS];
    vyre_value status[VYRE_PRIORITY_LEVELS];
    vyre_value some;    /* bool: one of them can be claimed, or there are slots behind it */
    vyre_local claimed; /* bool */
    vyre_local base, level;
    vyre_local word[VYI_PRIORITY_WORDS]; /* of the claimed slot, as they were read behind its
                                            claim: vyi_priority_words */
} vyi_priority;

/* What is known of a claimed slot, where its service begins.  Kernels with children read it
 * once more, apart from the tenant.  How many. */
static uint32_t vyi_priority_words(vyi_kernel *k, vyre_value *words[VYI_PRIORITY_WORDS])
{
    uint32_t count = 0;
    words[count++] = &k->tenant;
    if (k->children)
        return count;
    words[count++] = &k->opcode;
    for (uint32_t i = 0; i < VYI_KERNEL_EARLY_ARGS; i++)
        words[count++] = &k->early[i];
    if (k->events.id)
        words[count++] = &k->order;
    if (k->cancel.id)
        words[count++] = &k->wish;
    if (k->desc.checked)
        words[count++] = &k->told;
    return count;
}

/* --- the partitions ---------------------------------------------------------- */

/* Bounds come from the host and are not trusted: a partition lies in the ring,
 * and one that ends before it begins is empty. */
static void vyi_priority_bounds(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value bound[VYRE_PRIORITY_LEVELS + 1];
    for (uint32_t i = 0; i <= VYRE_PRIORITY_LEVELS; i++)
        bound[i] = vyi_kernel_control(k, VYRE_CONTROL_PRIORITY_OFFSETS + i);
    for (uint32_t i = 0; i <= VYRE_PRIORITY_LEVELS; i++)
        vyre_ir_set(p, k->parts[i], vyre_ir_min(p, bound[i], k->slots));
}

/* Who loops looks at them now and then, unless jobs may write them; at the launch's start
 * only, where a slot is to be one lane's for the whole of it. */
static void vyi_priority_look_at_bounds(vyi_kernel *k)
{
    vyre_program *p = k->p;
    if (k->shape.whole)
        return;
    const bool seldom = !k->shape.once && !k->desc.open_header;
    if (seldom) {
        vyre_value rounds = vyre_ir_get(p, k->rounds);
        vyre_value phase = vyi_kernel_op(k, vyre_ir_and, rounds, VYI_KERNEL_STOP_ROUNDS - 1);
        vyre_ir_if(p, vyi_kernel_is(k, phase, 1));
    }
    vyi_priority_bounds(k);
    if (seldom)
        vyre_ir_end(p);
}

/* The five statuses are asked for together; that of no slot is anything. */
static void vyi_priority_peek(vyi_kernel *k, vyi_priority *scan)
{
    vyre_program *p = k->p;
    vyre_value zero = vyi_kernel_u32(k, 0), inside[VYRE_PRIORITY_LEVELS];
    for (uint32_t i = 0; i < VYRE_PRIORITY_LEVELS; i++) {
        scan->first[i] = vyre_ir_add(p, vyre_ir_get(p, k->parts[i]), k->lane);
        scan->end[i] = vyre_ir_get(p, k->parts[i + 1]);
        inside[i] = vyre_ir_lt(p, scan->first[i], scan->end[i]);
        vyre_value base = vyi_kernel_op(k, vyre_ir_shl, scan->first[i], 4);
        base = vyre_ir_select(p, inside[i], base, zero);
        scan->status[i] = vyre_ir_atomic_load(p, k->ring, base, VYRE_ORDER_RELAXED);
    }
    scan->some = vyre_ir_bool(p, false);
    for (uint32_t i = 0; i < VYRE_PRIORITY_LEVELS; i++) {
        vyre_value may = vyre_ir_and(p, inside[i], vyi_kernel_may_claim(k, scan->status[i]));
        vyre_value next = vyre_ir_add(p, scan->first[i], k->lanes);
        may = vyre_ir_or(p, may, vyre_ir_lt(p, next, scan->end[i]));
        scan->some = vyre_ir_or(p, scan->some, may);
    }
    vyre_ir_name(p, scan->some, "some");
}

static vyre_value vyi_priority_pick(vyi_kernel *k, const vyre_value *each, vyre_value level)
{
    vyre_value value = each[0];
    for (uint32_t i = 1; i < VYRE_PRIORITY_LEVELS; i++) {
        vyre_value here = vyi_kernel_is(k, level, i);
        value = vyre_ir_select(k->p, here, each[i], value);
    }
    return value;
}

/* --- the scan ---------------------------------------------------------------- */

static void vyi_priority_found(vyi_kernel *k, const vyi_priority *scan, vyre_value level)
{
    vyre_program *p = k->p;
    vyre_ir_set(p, scan->claimed, vyre_ir_bool(p, true));
    vyre_ir_set(p, scan->base, k->base);
    vyre_ir_set(p, scan->level, level);
    vyre_value *words[VYI_PRIORITY_WORDS];
    const uint32_t count = vyi_priority_words(k, words);
    for (uint32_t i = 0; i < count; i++)
        vyre_ir_set(p, scan->word[i], *words[i]);
    if (k->children)
        vyi_children_found(k);
}

/* This lane's slots of one partition, up to the first claim. */
static void vyi_priority_probe(vyi_kernel *k, const vyi_priority *scan, vyre_value level)
{
    vyre_program *p = k->p;
    vyre_value end = vyi_priority_pick(k, scan->end, level);
    vyre_local at = vyre_ir_local(p, VYRE_TYPE_U32, vyi_priority_pick(k, scan->first, level),
                                  "probe");
    vyre_local status = vyre_ir_local(p, VYRE_TYPE_U32, vyi_priority_pick(k, scan->status, level),
                                      "probed");
    vyre_ir_forever(p);
    vyre_value slot = vyre_ir_get(p, at);
    vyre_value past = vyre_ir_ge(p, slot, end);
    vyi_kernel_break_if(k, vyre_ir_or(p, past, vyi_kernel_loops_end(k)));
    vyre_value seen = vyre_ir_get(p, status);
    vyi_kernel_claim_seen(k, vyi_kernel_op(k, vyre_ir_shl, slot, 4), seen);
    vyi_priority_found(k, scan, level);
    vyre_ir_break(p);
    vyi_kernel_claim_end(k);
    vyre_value next = vyre_ir_add(p, slot, k->lanes);
    vyre_ir_set(p, at, next);
    vyre_ir_if(p, vyre_ir_lt(p, next, end));
    vyre_value base = vyi_kernel_op(k, vyre_ir_shl, next, 4);
    vyre_ir_set(p, status, vyre_ir_atomic_load(p, k->ring, base, VYRE_ORDER_RELAXED));
    vyre_ir_end(p);
    vyre_ir_end(p);
}

/* What holds for the launch.  A lane's own count does not begin anew with each lease. */
VYI_COLD
VYI_API void vyi_priority_launch(vyi_kernel *k)
{
    vyre_program *p = k->p;
    for (uint32_t i = 0; i <= VYRE_PRIORITY_LEVELS; i++)
        k->parts[i] = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, 0), "bound");
    if (k->shape.whole)
        vyi_priority_bounds(k);
    if (!k->shape.fair)
        return;
    vyre_value beats = vyi_kernel_control(k, k->shape.once ? VYRE_CONTROL_REQUEUES
                                                           : VYRE_CONTROL_HEARTBEAT);
    vyre_value sum = vyre_ir_add(p, k->lane, beats);
    vyre_value streak = vyi_kernel_op(k, vyre_ir_rem, sum, VYRE_STARVATION_LIMIT + 1);
    k->streak = vyre_ir_local(p, VYRE_TYPE_U32, streak, "streak");
    vyre_value turn = vyi_kernel_op(k, vyre_ir_rem, beats, VYI_PRIORITY_LOWER);
    k->turn = vyre_ir_local(p, VYRE_TYPE_U32, turn, "turn");
}

/* Whether it is the lane's turn to look lower first, and where. */
static void vyi_priority_turn(vyi_kernel *k, vyi_priority *scan)
{
    vyre_program *p = k->p;
    vyre_value streak = vyre_ir_get(p, k->streak), turn = vyre_ir_get(p, k->turn);
    scan->fair = vyi_kernel_op(k, vyre_ir_ge, streak, VYRE_STARVATION_LIMIT);
    vyre_ir_name(p, scan->fair, "fair");
    scan->lower = vyre_ir_or(p, scan->fair, scan->forced);
    scan->turn = vyre_ir_select(p, scan->fair, turn, vyi_kernel_u32(k, 0));
}

/* After the scan: the turn was taken, or the claim counts. */
static void vyi_priority_settle(vyi_kernel *k, const vyi_priority *scan)
{
    vyre_program *p = k->p;
    vyre_ir_if(p, scan->fair);
    vyre_value next = vyi_kernel_plus(k, vyre_ir_get(p, k->turn), 1);
    vyre_value more = vyi_kernel_op(k, vyre_ir_lt, next, VYI_PRIORITY_LOWER);
    vyre_ir_set(p, k->streak, vyi_kernel_u32(k, 0));
    vyre_ir_set(p, k->turn, vyre_ir_select(p, more, next, vyi_kernel_u32(k, 0)));
    vyre_ir_else(p);
    vyre_ir_if(p, vyre_ir_get(p, scan->claimed));
    vyre_value above = vyi_kernel_op(k, vyre_ir_lt, vyre_ir_get(p, scan->level),
                                     VYI_PRIORITY_LAST);
    vyre_value longer = vyi_kernel_plus(k, vyre_ir_get(p, k->streak), 1);
    vyre_ir_set(p, k->streak, vyre_ir_select(p, above, longer, vyi_kernel_u32(k, 0)));
    vyre_ir_end(p);
    vyre_ir_end(p);
}

/* Of a claim: what waited below has been looked at before its time. */
static void vyi_priority_promote(vyi_kernel *k, const vyi_priority *scan)
{
    vyre_program *p = k->p;
    vyre_value low = vyi_kernel_op(k, vyre_ir_ge, vyre_ir_get(p, scan->level), VYI_PRIORITY_LOW);
    vyre_ir_if(p, vyre_ir_and(p, scan->lower, low));
    vyi_kernel_count_at(k, VYRE_CONTROL_PROMOTED, VYRE_ORDER_RELAXED);
    vyre_ir_end(p);
}

/* The level that the scan looks at in this step, with three below the urgent ones that
 * may begin with any. */
static vyre_value vyi_priority_fair_level(vyi_kernel *k, const vyi_priority *scan,
                                          vyre_value step)
{
    vyre_program *p = k->p;
    vyre_value sum = vyre_ir_add(p, step, scan->turn);
    vyre_value rest = vyi_kernel_op(k, vyre_ir_sub, sum, VYI_PRIORITY_LOWER);
    vyre_value within = vyi_kernel_op(k, vyre_ir_lt, sum, VYI_PRIORITY_LOWER);
    vyre_value turned = vyre_ir_select(p, within, sum, rest);
    vyre_value low = vyi_kernel_plus(k, turned, VYI_PRIORITY_URGENT);
    vyre_value urgent = vyi_kernel_op(k, vyre_ir_sub, step, VYI_PRIORITY_LOWER);
    vyre_value first = vyi_kernel_op(k, vyre_ir_lt, step, VYI_PRIORITY_LOWER);
    return vyre_ir_select(p, scan->lower, vyre_ir_select(p, first, low, urgent), step);
}

static void vyi_priority_levels(vyi_kernel *k, const vyi_priority *scan)
{
    vyre_program *p = k->p;
    vyre_value levels = vyi_kernel_u32(k, VYRE_PRIORITY_LEVELS), first = levels, level;
    vyre_ir_if(p, scan->some);
    if (!k->shape.fair)
        first = vyi_kernel_pick(k, scan->forced, VYI_PRIORITY_URGENT, 0);
    vyre_value step = vyre_ir_loop(p, vyi_kernel_u32(k, 0), levels);
    if (!k->shape.fair) {
        vyre_value sum = vyre_ir_add(p, first, step);
        vyre_value rest = vyre_ir_sub(p, sum, levels);
        level = vyre_ir_select(p, vyre_ir_lt(p, sum, levels), sum, rest);
    } else {
        level = vyi_priority_fair_level(k, scan, step);
    }
    vyre_ir_name(p, level, "level");
    vyi_priority_probe(k, scan, level);
    vyre_ir_if(p, vyre_ir_get(p, scan->claimed));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
    if (k->shape.fair)
        vyi_priority_settle(k, scan);
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

    vyi_kernel_count(k, vyi_kernel_plus(k, k->tenant, VYRE_CONTROL_TENANT_FAIRNESS),
                     VYRE_ORDER_RELAXED);
    vyi_kernel_count(k, vyi_kernel_plus(k, level, VYRE_CONTROL_PRIORITY_FAIRNESS),
                     VYRE_ORDER_RELAXED);
    if (k->shape.fair)
        vyi_priority_promote(k, scan);
}

static void vyi_priority_locals(vyi_kernel *k, vyi_priority *scan)
{
    vyre_program *p = k->p;
    vyre_value zero = vyi_kernel_u32(k, 0);
    scan->claimed = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "claimed");
    scan->base = vyre_ir_local(p, VYRE_TYPE_U32, zero, "claimed_base");
    scan->level = vyre_ir_local(p, VYRE_TYPE_U32, zero, "claimed_level");
    vyre_value *words[VYI_PRIORITY_WORDS];
    const uint32_t count = vyi_priority_words(k, words);
    for (uint32_t i = 0; i < count; i++)
        scan->word[i] = vyre_ir_local(p, VYRE_TYPE_U32, zero, "claimed_word");
}

static vyi_priority vyi_priority_begin(vyi_kernel *k)
{
    vyi_priority scan;
    memset(&scan, 0, sizeof scan);
    vyi_priority_look_at_bounds(k);
    vyre_value count = vyi_kernel_control(k, VYRE_CONTROL_STARVATION);
    vyi_priority_peek(k, &scan);
    scan.forced = vyi_kernel_op(k, vyre_ir_ge, count, VYRE_STARVATION_LIMIT);
    vyre_ir_name(k->p, scan.forced, "forced");
    if (k->shape.fair)
        vyi_priority_turn(k, &scan);
    vyi_priority_locals(k, &scan);
    return scan;
}

/* The claimed slot is the kernel's from here on. */
static void vyi_priority_take(vyi_kernel *k, const vyi_priority *scan)
{
    vyre_value *words[VYI_PRIORITY_WORDS];
    const uint32_t count = vyi_priority_words(k, words);
    for (uint32_t i = 0; i < count; i++)
        *words[i] = vyre_ir_get(k->p, scan->word[i]);
    k->base = vyre_ir_name(k->p, vyre_ir_get(k->p, scan->base), "slot_base");
    vyi_priority_count(k, scan);
}

VYI_COLD
VYI_API void vyi_kernel_priority_pick(vyi_kernel *k)
{
    vyi_priority scan = vyi_priority_begin(k);
    vyi_priority_levels(k, &scan);
    vyre_ir_if(k->p, vyre_ir_get(k->p, scan.claimed));
    vyi_priority_take(k, &scan);
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
    vyi_priority_take(k, &scan);
    if (k->shape.whole)
        vyi_kernel_serve_either(k);
    else
        vyi_kernel_serve(k);
    if (k->shape.once) {
        vyre_ir_else(p);
        vyre_ir_break(p);
    }
    vyre_ir_end(p);
    if (k->shape.once)
        vyre_ir_end(p);
}

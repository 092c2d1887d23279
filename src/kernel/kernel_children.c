/* ==========================================================================
 * kernel: rounds that claim jobs of the device's own queue
 *
 * Private, of kernels with `children` (kernel_spawn.c).  Each lane has a part of the
 * queue, a few words of USED and WAITING that it shares with few others, or with none.
 * A round of a lane is one job, of three places:
 *
 *     its own part       the youngest, whose parent's words are near; so the queue stays
 *                        short, as a stack does
 *     its slots          what the host publishes, and what is JOINED
 *     anybody's part     the oldest, which mostly has the most below it
 * ======================================================================= */
#include "kernel/kernel_impl.h"

#define VYI_CHILDREN_LOOKS  2u    /* of a round, of four words each, for others' work */
#define VYI_CHILDREN_SLOTS  8u    /* of a round, that a lane looks at */
#define VYI_CHILDREN_TURNS  256u  /* jobs of a lane in one pass */
#define VYI_CHILDREN_SPREAD 11u   /* between the first bits of lanes that share a word */

/* --- claiming --------------------------------------------------------------- */

/* A job of `mask`, which stands in that word of WAITING, if somebody else is not
 * faster. */
static void vyi_children_claim(vyi_kernel *k, vyre_value word, vyre_value mask, bool last)
{
    vyre_program *p = k->p;
    const vyi_children *c = k->children;
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, mask, 0));
    vyre_value n = vyi_children_pick(k, mask, last);
    vyre_value bit = vyi_children_bit(k, n), others = vyre_ir_not(p, bit);
    vyre_value before = vyre_ir_atomic(p, VYRE_ATOMIC_AND, c->buffer,
                                       vyi_children_waiting(k, word), others,
                                       VYRE_ORDER_ACQUIRE);
    vyre_value held = vyre_ir_and(p, before, bit);
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, held, 0));
    vyre_ir_set(p, c->claimed, vyi_children_slot(k, word, n));
    vyre_ir_end(p);
    vyre_ir_end(p);
}

static vyre_value vyi_children_mask(vyi_kernel *k, vyre_value word)
{
    return vyre_ir_atomic_load(k->p, k->children->buffer, vyi_children_waiting(k, word),
                               VYRE_ORDER_RELAXED);
}

static vyre_value vyi_children_none(vyi_kernel *k)
{
    return vyi_kernel_is(k, vyre_ir_get(k->p, k->children->claimed), VYI_CHILDREN_NONE);
}

/* The lane's own part: the youngest, whose parent's words are near. */
static void vyi_children_own(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value word = vyre_ir_add(p, k->children->home, vyre_ir_get(p, k->children->at));
    vyi_children_claim(k, word, vyi_children_mask(k, word), true);
}

/* Everybody's part, four words at a time: of the first that has some, the oldest. */
static void vyi_children_others(vyi_kernel *k)
{
    vyre_program *p = k->p;
    const vyi_children *c = k->children;
    const uint32_t masks = vyi_children_masks(k), all = (masks + 3) / 4;
    const bool few = k->shape.once || k->host.count_each || all < VYI_CHILDREN_LOOKS;
    vyre_value zero = vyi_kernel_u32(k, 0);
    vyre_ir_loop(p, zero, vyi_kernel_u32(k, few ? all : VYI_CHILDREN_LOOKS));
    vyre_value at = vyre_ir_get(p, c->cursor), word[4], mask[4];
    for (uint32_t i = 0; i < 4; i++) {
        word[i] = vyi_kernel_op(k, vyre_ir_and, vyi_kernel_plus(k, at, i), masks - 1);
        mask[i] = vyi_children_mask(k, word[i]);
    }
    for (uint32_t i = 3; i-- > 0;) {
        vyre_value some = vyi_kernel_op(k, vyre_ir_ne, mask[i], 0);
        word[3] = vyre_ir_select(p, some, word[i], word[3]);
        mask[3] = vyre_ir_select(p, some, mask[i], mask[3]);
    }
    vyi_children_claim(k, word[3], mask[3], false);
    vyi_kernel_break_if(k, vyre_ir_not(p, vyi_children_none(k)));
    vyre_ir_set(p, c->cursor, vyi_kernel_op(k, vyre_ir_and, vyi_kernel_plus(k, at, 4),
                                            masks - 1));
    vyre_ir_end(p);
}

/* One of the lane's slots, from where it looked last: of a few, as new works are not to
 * keep the children back; of all, before a lane leaves a pass. */
static void vyi_children_ring(vyi_kernel *k, vyre_value turns)
{
    vyre_program *p = k->p;
    const vyi_children *c = k->children;
    vyre_value zero = vyi_kernel_u32(k, 0), few = turns;
    if (!k->shape.once)
        few = vyi_kernel_op(k, vyre_ir_min, turns, VYI_CHILDREN_SLOTS);
    vyre_ir_loop(p, zero, few);
    vyi_kernel_break_if(k, vyi_kernel_loops_end(k));
    vyre_value at = vyre_ir_get(p, c->ring);
    vyre_value next = vyi_kernel_plus(k, at, 1);
    vyre_ir_set(p, c->ring, vyre_ir_select(p, vyre_ir_lt(p, next, turns), next, zero));
    vyi_kernel_slot_begin(k, vyre_ir_add(p, k->lane, vyre_ir_mul(p, at, k->lanes)));
    vyi_kernel_claim_begin(k, k->base);
    vyi_children_found(k);
    vyre_ir_break(p);
    vyi_kernel_claim_end(k);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

static void vyi_children_slots(vyi_kernel *k, vyre_value turns)
{
    vyre_program *p = k->p;
    vyre_ir_if(p, vyi_children_none(k));
    if (k->shape.urgent)
        vyi_kernel_priority_pick(k);
    else
        vyi_children_ring(k, turns);
    vyre_ir_end(p);
}

static void vyi_children_begin(vyi_kernel *k)
{
    vyre_ir_set(k->p, k->children->claimed, vyi_kernel_u32(k, VYI_CHILDREN_NONE));
    vyre_ir_set(k->p, k->children->fresh, vyre_ir_bool(k->p, false));
}

/* New works wait while there are children, but for every eighth round. */
static void vyi_children_choose(vyi_kernel *k, vyre_value turns)
{
    vyre_program *p = k->p;
    vyi_children *c = k->children;
    vyi_children_begin(k);
    vyre_value round = vyre_ir_get(p, c->round);
    vyre_ir_set(p, c->round, vyi_kernel_plus(k, round, 1));
    vyre_value phase = vyi_kernel_op(k, vyre_ir_and, round, VYI_KERNEL_STOP_ROUNDS - 1);
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, phase, 0));
    vyi_children_own(k);
    vyre_ir_end(p);
    vyi_children_slots(k, turns);
    vyre_ir_if(p, vyi_children_none(k));
    vyi_children_own(k);
    vyre_ir_end(p);
    vyre_ir_if(p, vyi_children_none(k));
    vyi_children_others(k);
    vyre_ir_end(p);
}

/* In a pass new works wait until there are no children. */
static void vyi_children_choose_once(vyi_kernel *k, vyre_value turns)
{
    vyre_program *p = k->p;
    vyi_children_begin(k);
    vyi_children_own(k);
    vyre_ir_if(p, vyi_children_none(k));
    vyi_children_others(k);
    vyre_ir_end(p);
    vyi_children_slots(k, turns);
}

/* --- rounds ----------------------------------------------------------------- */

/* The claimed job, if there is one. */
static void vyi_children_serve(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyi_children *c = k->children;
    c->job = vyre_ir_name(p, vyre_ir_get(p, c->claimed), "job");
    c->is_fresh = vyre_ir_get(p, c->fresh);
    vyre_ir_if(p, vyre_ir_lt(p, c->job, c->all));
    k->base = vyre_ir_name(p, vyi_kernel_op(k, vyre_ir_shl, c->job, 4), "slot_base");
    if (k->host.count_each)
        vyi_children_tell(k);
    vyi_kernel_load_slot(k, VYI_KERNEL_EARLY_ARGS);
    if (k->cancel.id) /* what has begun goes on */
        k->wish = vyre_ir_select(p, c->is_fresh, k->wish, vyi_kernel_u32(k, 0));
    vyi_kernel_serve(k);
    vyre_ir_end(p);
}

VYI_COLD
VYI_API void vyi_children_round(vyi_kernel *k, vyre_value turns)
{
    vyi_children_choose(k, turns);
    vyi_children_serve(k);
}

/* A lane goes on until there is nothing left that it could find.  Whoever makes a job
 * claimable looks everywhere before it leaves, so a pass leaves none behind, unless a
 * lane has done enough, or its loops come to their end; then the host hears of it. */
VYI_COLD
VYI_API void vyi_children_pass(vyi_kernel *k, vyre_value turns)
{
    vyre_program *p = k->p;
    vyre_local left = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, VYI_CHILDREN_TURNS),
                                    "left");
    vyre_ir_forever(p);
    vyre_value now = vyre_ir_get(p, left);
    vyre_ir_set(p, left, vyi_kernel_plus(k, now, UINT32_MAX));
    vyre_value enough = vyi_kernel_is(k, now, 0);
    vyre_ir_if(p, vyre_ir_or(p, enough, vyi_kernel_loops_end(k)));
    vyi_children_tell(k);
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyi_children_choose_once(k, turns);
    vyi_kernel_break_if(k, vyi_children_none(k));
    vyi_children_serve(k);
    vyre_ir_end(p);
}

/* What holds for the launch. */
VYI_COLD
VYI_API void vyi_children_values(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyi_children *c = k->children;
    vyre_value masks = vyi_kernel_u32(k, vyi_children_masks(k));
    vyre_value zero = vyi_kernel_u32(k, 0), one = vyi_kernel_u32(k, 1);
    c->all = vyi_kernel_op(k, vyre_ir_shr, vyre_ir_length(p, k->ring), 4);
    c->first = vyre_ir_name(p, vyi_kernel_op(k, vyre_ir_sub, c->all, k->desc.children),
                            "first_child");
    c->size = vyre_ir_max(p, vyre_ir_div(p, masks, k->lanes), one);
    vyre_value homes = vyre_ir_div(p, masks, c->size);
    vyre_value which = vyre_ir_rem(p, k->lane, homes);
    c->home = vyre_ir_name(p, vyre_ir_mul(p, which, c->size), "home");
    vyre_value share = vyre_ir_div(p, k->lane, homes);
    vyre_value spread = vyi_kernel_op(k, vyre_ir_mul, share, VYI_CHILDREN_SPREAD);
    c->turn = vyi_kernel_op(k, vyre_ir_and, spread, 31);
    c->at = vyre_ir_local(p, VYRE_TYPE_U32, zero, "home_at");
    c->cursor = vyre_ir_local(p, VYRE_TYPE_U32, c->home, "looks_at");
    c->ring = vyre_ir_local(p, VYRE_TYPE_U32, zero, "ring_at");
    c->round = vyre_ir_local(p, VYRE_TYPE_U32, zero, "job_round");
    c->claimed = vyre_ir_local(p, VYRE_TYPE_U32, zero, "claimed_job");
    c->fresh = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "fresh");
}

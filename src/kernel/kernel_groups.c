/* ==========================================================================
 * kernel: groups that wait for wide works
 *
 * Private.  A looping kernel with wide handlers is launched with some groups that
 * serve the lanes' slots, by their first lanes, and others that run here:
 *
 *     forever                                 a round, all lanes together
 *         lane w < 32 looks at gate w         one line, by atomic loads
 *         the best of what is open            the most urgent, then the oldest
 *         meet
 *         none: go round
 *         lane w claims a chunk; sixteen lanes load the slot
 *         meet
 *         run the chunk, or remember that there is none left
 *
 * The claim is a number of its own, NEXT = generation << 17 | chunks taken, and two
 * operations on it: max with the generation that the gate showed, so that who comes
 * first after a work's end opens the next; and + 1.  The answer says whose chunk it
 * is.  A group that was late, and saw an older gate, has taken a chunk of the work
 * that is open now, and runs that one: nothing is lost or run twice, however long a
 * lane sleeps between a look and its claim (docs/memory-model.md).
 *
 * The slot's words may be loaded beside the claim.  Who has a chunk keeps its work
 * from ending, and so the words as they are since the gate was opened.  Who was too
 * late for a chunk may see those of the next work: therefore CHUNKS says which
 * generation it is of, and a chunk is ours only if that is the claim's.
 *
 * A chunk that was claimed is run to its end before the next look, and a group ends
 * only there.  A launch ends as one: the lanes agree that it does (kernel_lease.c) and say
 * so (OVER), and the groups leave then, for the next launch waits for the last of them,
 * and every work for that; and a round has several looks, so that groups do not leave
 * before the lanes.
 * ======================================================================= */
#include "kernel/kernel_impl.h"

#define VYI_GATE_LOOKS       8u          /* of a round */
#define VYI_GATE_STOP_LOOKS  16u         /* SHUTDOWN is looked at once in so many */
#define VYI_GATE_NOTHING     0xffffffffu /* as best; 0: the group is to leave */
#define VYI_GATE_LATE_LOOKS  1024u       /* for a gate that another group has seen */

/* Words of the group's array, behind the slot's sixteen. */
#define VYI_GROUP_PER    16u
#define VYI_GROUP_CHUNKS 17u
#define VYI_GROUP_WISH   18u /* the host's: not 0: the chunk is not to run */
#define VYI_GROUP_CLAIM  19u
#define VYI_GROUP_SEEN   20u /* the generation that the claim was made for */
#define VYI_GROUP_BEST   21u /* three, used in turn */
#define VYI_GROUP_WORDS  24u

typedef struct vyi_groups {
    vyre_local exhausted; /* of lane w: the last generation of gate w without a chunk for us */
    vyre_local looks;
    vyre_local turn;      /* 0..2: which best */
    vyre_local leaves;    /* bool */
    vyre_value over;      /* as it was when the group began */
    vyre_value gate;      /* that lane w saw in this round */
} vyi_groups;

static vyre_value vyi_group_load(vyi_kernel *k, uint32_t word)
{
    vyre_value at = vyi_kernel_u32(k, word);
    return vyre_ir_uniform(k->p, vyre_ir_load(k->p, k->wide.words, at));
}

static vyre_value vyi_group_state(vyi_kernel *k, vyre_value which, uint32_t word)
{
    vyre_value first = vyi_kernel_op(k, vyre_ir_mul, which, VYI_WIDE_STATE_WORDS);
    return vyi_kernel_plus(k, first, VYI_WIDE_STATES + word);
}

static vyre_value vyi_gate_generation(vyi_kernel *k, vyre_value gate)
{
    return vyi_kernel_op(k, vyre_ir_shr, gate, VYI_GATE_GENERATION);
}

/* The next of the three. */
static vyre_value vyi_group_after(vyi_kernel *k, vyre_value turn)
{
    vyre_value next = vyi_kernel_plus(k, turn, 1), zero = vyi_kernel_u32(k, 0);
    vyre_value over = vyi_kernel_is(k, turn, 2);
    return vyre_ir_select(k->p, over, zero, next);
}

/* --- looking -------------------------------------------------------------- */

/* A work that was taken back ends, whether its tenant has rights or not. */
static void vyi_gate_cancelled(vyi_kernel *k, vyre_local rights)
{
    vyre_program *p = k->p;
    if (!k->cancel.id)
        return;
    vyre_ir_if(p, vyre_ir_not(p, vyre_ir_get(p, rights)));
    vyre_value at = vyi_kernel_plus(k, k->wide.lane, VYI_WIDE_WISHES);
    vyre_value wish = vyre_ir_atomic_load(p, k->wide.buffer, at, VYRE_ORDER_RELAXED);
    vyre_ir_set(p, rights, vyi_kernel_op(k, vyre_ir_ne, wish, 0));
    vyre_ir_end(p);
}

/* A tenant other than the first costs a load more. */
static vyre_value vyi_gate_has_rights(vyi_kernel *k, vyre_value gate, vyre_value first_mask)
{
    vyre_program *p = k->p;
    vyre_value shifted = vyi_kernel_op(k, vyre_ir_shr, gate, VYI_GATE_TENANT);
    vyre_value tenant = vyi_kernel_op(k, vyre_ir_and, shifted, 31);
    vyre_value enabled = vyi_kernel_op(k, vyre_ir_ne, first_mask, 0);
    vyre_local rights = vyre_ir_local(p, VYRE_TYPE_BOOL, enabled, "rights");
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, tenant, 0));
    vyre_ir_set(p, rights, vyi_kernel_has_rights(k, tenant));
    vyre_ir_end(p);
    vyi_gate_cancelled(k, rights);
    return vyre_ir_get(p, rights);
}

/* Urgent first, then old, then which; never 0. */
static vyre_value vyi_gate_key(vyi_kernel *k, vyre_value gate)
{
    vyre_program *p = k->p;
    vyre_value shifted = vyi_kernel_op(k, vyre_ir_shr, gate, VYI_GATE_LEVEL);
    vyre_value level = vyi_kernel_op(k, vyre_ir_and, shifted, 7);
    vyre_value age = vyi_kernel_op(k, vyre_ir_and, gate, VYI_GATE_AGES - 1);
    vyre_value high = vyi_kernel_op(k, vyre_ir_mul, level, VYI_GATE_AGES * 32);
    vyre_value low = vyi_kernel_op(k, vyre_ir_mul, age, 32);
    vyre_value both = vyre_ir_add(p, high, low);
    return vyi_kernel_plus(k, vyre_ir_add(p, both, k->wide.lane), 1);
}

static void vyi_group_propose(vyi_kernel *k, vyre_value best, vyre_value key)
{
    vyre_ir_atomic(k->p, VYRE_ATOMIC_MIN, k->wide.words, best, key, VYRE_ORDER_RELAXED);
}

static void vyi_group_look(vyi_kernel *k, vyi_groups *g, vyre_value best)
{
    vyre_program *p = k->p;
    vyre_local seen = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, 0), "gate");
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_lt, k->wide.lane, VYI_WIDE_SLOTS));
    vyre_value gate = vyre_ir_atomic_load(p, k->wide.buffer, k->wide.lane, VYRE_ORDER_RELAXED);
    vyre_value first_mask = vyi_kernel_control(k, VYRE_CONTROL_TENANT_MASKS);
    vyre_ir_set(p, seen, gate);
    vyre_value generation = vyi_gate_generation(k, gate);
    vyre_value fresh = vyre_ir_ne(p, generation, vyre_ir_get(p, g->exhausted));
    vyre_value some = vyi_kernel_op(k, vyre_ir_ne, gate, 0);
    vyre_ir_if(p, vyre_ir_and(p, fresh, some));
    vyre_ir_if(p, vyi_gate_has_rights(k, gate, first_mask));
    if (k->events.id)
        vyre_ir_if(p, vyi_order_gate_is_ready(k, k->wide.lane, gate));
    vyi_group_propose(k, best, vyi_gate_key(k, gate));
    for (unsigned i = 0; i < (k->events.id ? 4u : 3u); i++)
        vyre_ir_end(p);
    g->gate = vyre_ir_get(p, seen);
}

/* A word that changes when the launch is over. */
static vyre_value vyi_groups_over(vyi_kernel *k)
{
    vyre_value at = vyi_kernel_u32(k, VYI_WIDE_HEAD + VYI_WIDE_OVER);
    return vyre_ir_atomic_load(k->p, k->wide.buffer, at, VYRE_ORDER_RELAXED);
}

/* The first lane looks whether the lease is over, and at SHUTDOWN; any lane may be near
 * the end of its loops. */
static void vyi_group_look_up(vyi_kernel *k, const vyi_groups *g, vyre_value best)
{
    vyre_program *p = k->p;
    vyre_value zero = vyi_kernel_u32(k, 0), looks = vyre_ir_get(p, g->looks);
    vyre_local leaves = vyre_ir_local(p, VYRE_TYPE_BOOL, vyi_kernel_loops_end(k), "leaves");
    vyre_ir_set(p, g->looks, vyi_kernel_plus(k, looks, 1));
    vyre_ir_if(p, vyi_kernel_is(k, k->wide.lane, 0));
    if (!k->wide_host.apart) {
        vyre_value over = vyre_ir_ne(p, vyi_groups_over(k), g->over);
        vyre_ir_set(p, leaves, vyre_ir_or(p, over, vyre_ir_get(p, leaves)));
    }
    vyre_value phase = vyi_kernel_op(k, vyre_ir_and, looks, VYI_GATE_STOP_LOOKS - 1);
    vyre_ir_if(p, vyi_kernel_is(k, phase, 0));
    vyre_value stop = vyi_kernel_control(k, VYRE_CONTROL_SHUTDOWN);
    vyre_value stops = vyi_kernel_op(k, vyre_ir_ne, stop, 0);
    vyre_ir_set(p, leaves, vyre_ir_or(p, stops, vyre_ir_get(p, leaves)));
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_ir_if(p, vyre_ir_get(p, leaves));
    vyi_group_propose(k, best, zero);
    vyre_ir_end(p);
}

/* --- claiming ------------------------------------------------------------- */

/* The slot's words and descriptor into the group's array, a lane each. */
static void vyi_group_describe(vyi_kernel *k, vyre_value which)
{
    vyre_program *p = k->p;
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_lt, k->wide.lane, VYRE_SLOT_WORDS));
    vyre_value at = vyre_ir_add(p, k->base, k->wide.lane);
    vyre_value word = vyre_ir_atomic_load(p, k->ring, at, VYRE_ORDER_RELAXED);
    vyre_ir_store(p, k->wide.words, k->wide.lane, word);
    vyre_ir_else(p);
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_lt, k->wide.lane, VYRE_SLOT_WORDS + 3));
    const uint32_t apart = VYI_WIDE_CHUNKS - VYI_WIDE_PER;
    vyre_value row = vyi_kernel_op(k, vyre_ir_mul, k->wide.lane, apart);
    vyre_value from = vyi_kernel_plus(k, row, VYI_WIDE_PER - VYI_GROUP_PER * apart);
    vyre_value told = vyre_ir_atomic_load(p, k->wide.buffer, vyre_ir_add(p, from, which),
                                          VYRE_ORDER_RELAXED);
    vyre_ir_store(p, k->wide.words, k->wide.lane, told);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

/* By lane w, which has the gate in hand. */
static void vyi_group_claim(vyi_kernel *k, const vyi_groups *g, vyre_value which)
{
    vyre_program *p = k->p;
    vyre_ir_if(p, vyre_ir_eq(p, k->wide.lane, which));
    vyre_value generation = vyi_gate_generation(k, g->gate), one = vyi_kernel_u32(k, 1);
    vyre_value opened = vyi_kernel_op(k, vyre_ir_shl, generation, VYI_GATE_GENERATION);
    vyre_value next = vyi_group_state(k, which, VYI_WIDE_NEXT);
    vyre_ir_atomic(p, VYRE_ATOMIC_MAX, k->wide.buffer, next, opened, VYRE_ORDER_RELAXED);
    vyre_value claim = vyre_ir_atomic(p, VYRE_ATOMIC_ADD, k->wide.buffer, next, one,
                                      VYRE_ORDER_RELAXED);
    vyre_ir_store(p, k->wide.words, vyi_kernel_u32(k, VYI_GROUP_CLAIM), claim);
    vyre_ir_store(p, k->wide.words, vyi_kernel_u32(k, VYI_GROUP_SEEN), generation);
    vyre_ir_end(p);
}

/* Bool: the gate is of that generation, and its event there, or of a later one. */
static vyre_value vyi_group_caught_up(vyi_kernel *k, vyre_value which, vyre_value generation)
{
    vyre_program *p = k->p;
    vyre_value gate = vyre_ir_atomic_load(p, k->wide.buffer, which, VYRE_ORDER_ACQUIRE);
    vyre_value seen = vyi_gate_generation(k, gate);
    if (!k->events.id)
        return vyre_ir_ge(p, seen, generation);
    vyre_value ready = vyi_order_gate_is_ready(k, which, gate);
    vyre_value later = vyre_ir_gt(p, seen, generation);
    ready = vyre_ir_and(p, ready, vyre_ir_eq(p, seen, generation));
    return vyre_ir_or(p, later, ready);
}

/* The claim is of a later work than the gate showed: another group has seen that
 * gate, and its event, and so will we.  It may be far ahead by now if there was no
 * chunk left, or closed. */
static void vyi_group_catch_up(vyi_kernel *k, vyre_value which, vyre_value generation)
{
    vyre_program *p = k->p;
    vyre_value looks = vyi_kernel_u32(k, VYI_GATE_LATE_LOOKS);
    vyre_ir_loop(p, vyi_kernel_u32(k, 0), looks);
    vyi_kernel_break_if(k, vyi_group_caught_up(k, which, generation));
    vyre_ir_end(p);
    if (k->events.id)
        vyre_ir_barrier(p, VYRE_SCOPE_DEVICE, VYRE_ORDER_ACQUIRE);
    vyre_ir_barrier(p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
    vyi_group_describe(k, which);
    vyre_ir_barrier(p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
}

/* --- a look -------------------------------------------------------------- */

/* The lanes that look at gates acquire what was written before the one that was found was
 * opened, and the meeting behind the description hands it on to the others. */
static void vyi_group_serve(vyi_kernel *k, vyi_groups *g, vyre_value found)
{
    vyre_program *p = k->p;
    vyre_value key = vyi_kernel_plus(k, found, UINT32_MAX);
    vyre_value which = vyre_ir_name(p, vyi_kernel_op(k, vyre_ir_and, key, 31), "which");
    vyre_value slot = vyre_ir_add(p, k->slots, which);
    k->base = vyre_ir_name(p, vyi_kernel_op(k, vyre_ir_shl, slot, 4), "slot_base");
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_lt, k->wide.lane, VYI_WIDE_SLOTS));
    vyre_ir_barrier(p, VYRE_SCOPE_DEVICE, VYRE_ORDER_ACQUIRE);
    vyre_ir_end(p);
    vyi_group_claim(k, g, which);
    vyi_group_describe(k, which);
    vyre_ir_barrier(p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);

    vyre_value claim = vyi_group_load(k, VYI_GROUP_CLAIM);
    vyre_value generation = vyre_ir_name(p, vyi_gate_generation(k, claim), "generation");
    vyre_ir_if(p, vyre_ir_ne(p, generation, vyi_group_load(k, VYI_GROUP_SEEN)));
    vyi_group_catch_up(k, which, generation);
    vyre_ir_end(p);

    k->wide.state = vyi_group_state(k, which, 0);
    k->wide.generation = generation;
    k->wide.per = vyi_group_load(k, VYI_GROUP_PER);
    vyre_value described = vyi_group_load(k, VYI_GROUP_CHUNKS);
    k->wide.chunks = vyi_kernel_op(k, vyre_ir_and, described, VYI_GATE_COUNT);
    k->wide.chunk = vyi_kernel_op(k, vyre_ir_and, claim, VYI_GATE_COUNT);
    if (k->cancel.id)
        k->wish = vyi_group_load(k, VYI_GROUP_WISH);
    vyre_value left = vyre_ir_lt(p, k->wide.chunk, k->wide.chunks);
    vyre_value same = vyre_ir_eq(p, generation, vyi_gate_generation(k, described));
    vyre_ir_if(p, vyre_ir_and(p, left, same));
    vyi_wide_chunk(k);
    vyre_ir_else(p);
    vyre_ir_if(p, vyre_ir_eq(p, k->wide.lane, which));
    vyre_ir_set(p, g->exhausted, generation);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

/* The first lane makes the next round's best ready: nobody uses it before the
 * meeting, and whoever still reads the last round's reads another one. */
static void vyi_group_turn(vyi_kernel *k, vyi_groups *g)
{
    vyre_program *p = k->p;
    vyre_value turn = vyre_ir_get(p, g->turn);
    vyre_value next = vyi_group_after(k, turn);
    vyre_value best = vyi_kernel_plus(k, turn, VYI_GROUP_BEST);
    vyre_ir_set(p, g->turn, next);
    vyi_group_look(k, g, best);
    vyi_group_look_up(k, g, best);
    vyre_ir_if(p, vyi_kernel_is(k, k->wide.lane, 0));
    vyi_kernel_put(k, k->wide.words, vyi_kernel_plus(k, next, VYI_GROUP_BEST), VYI_GATE_NOTHING,
                   VYRE_ORDER_RELAXED);
    vyre_ir_end(p);
    vyre_ir_barrier(p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
    vyre_value found = vyre_ir_uniform(p, vyre_ir_load(p, k->wide.words, best));
    vyre_ir_if(p, vyi_kernel_is(k, found, 0));
    vyre_ir_set(p, g->leaves, vyre_ir_bool(p, true));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, found, VYI_GATE_NOTHING));
    vyi_group_serve(k, g, found);
    vyre_ir_end(p);
}

/* Works that ended before this launch are as good as exhausted. */
static void vyi_kernel_groups(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value zero = vyi_kernel_u32(k, 0), looks = vyi_kernel_u32(k, VYI_GATE_LOOKS);
    vyi_groups g;
    memset(&g, 0, sizeof g);
    g.exhausted = vyre_ir_local(p, VYRE_TYPE_U32, zero, "exhausted");
    g.looks = vyre_ir_local(p, VYRE_TYPE_U32, zero, "looks");
    g.leaves = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "leave");
    if (!k->wide_host.apart)
        g.over = vyi_groups_over(k);
    g.turn = vyre_ir_local(p, VYRE_TYPE_U32, zero, "turn");
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_lt, k->wide.lane, VYI_WIDE_SLOTS));
    vyre_value done = vyi_group_state(k, k->wide.lane, VYI_WIDE_DONE);
    vyre_ir_set(p, g.exhausted, vyre_ir_atomic_load(p, k->wide.buffer, done,
                                                    VYRE_ORDER_RELAXED));
    vyre_ir_end(p);
    vyre_ir_if(p, vyi_kernel_is(k, k->wide.lane, 0));
    vyi_kernel_put(k, k->wide.words, vyi_kernel_u32(k, VYI_GROUP_BEST), VYI_GATE_NOTHING,
                   VYRE_ORDER_RELAXED);
    vyre_ir_end(p);
    vyre_ir_barrier(p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
    vyre_ir_forever(p);
    vyre_ir_loop(p, zero, looks);
    vyi_group_turn(k, &g);
    vyre_ir_end(p);
    vyi_kernel_break_if(k, vyre_ir_get(p, g.leaves));
    vyre_ir_end(p);
}

/* --- where the kernel parts ------------------------------------------------ */

/* How many groups run at the same time?  Each that arrives counts itself and stays
 * until all are there, or long enough for those that can be; who leaves first says
 * how many it saw. */
static void vyi_group_probe(vyi_kernel *k, vyre_value spins)
{
    vyre_program *p = k->p;
    vyre_value one = vyi_kernel_u32(k, 1), none = vyi_kernel_u32(k, 0);
    vyre_value arrived = vyi_kernel_u32(k, VYI_WIDE_HEAD + VYI_WIDE_ARRIVED);
    vyre_value resident = vyi_kernel_u32(k, VYI_WIDE_HEAD + VYI_WIDE_RESIDENT);
    vyre_value groups = vyre_ir_builtin(p, VYRE_BUILTIN_GROUP_COUNT_X);
    vyre_ir_if(p, vyi_kernel_is(k, k->wide.lane, 0));
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD, k->wide.buffer, arrived, one, VYRE_ORDER_RELAXED);
    vyre_ir_loop(p, none, spins);
    vyre_value now = vyre_ir_atomic_load(p, k->wide.buffer, arrived, VYRE_ORDER_RELAXED);
    vyre_value told = vyre_ir_atomic_load(p, k->wide.buffer, resident, VYRE_ORDER_RELAXED);
    vyre_value all = vyre_ir_ge(p, now, groups);
    vyi_kernel_break_if(k, vyre_ir_or(p, all, vyi_kernel_op(k, vyre_ir_ne, told, 0)));
    vyre_ir_end(p);
    vyre_value seen = vyre_ir_atomic_load(p, k->wide.buffer, arrived, VYRE_ORDER_RELAXED);
    vyre_ir_atomic_cas(p, k->wide.buffer, resident, none, seen, VYRE_ORDER_RELAXED);
    vyre_ir_end(p);
}

/* Opens the part of the lanes that serve slots one by one: some of the first groups,
 * as far apart in theirs as there is room, for a lane in a long job may keep the others of
 * its subgroup (docs/memory-model.md).  From here on `lane` and `lanes` are theirs. */
VYI_COLD
VYI_API void vyi_groups_begin(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyi_wide_values(k);
    vyre_buffer_desc words;
    memset(&words, 0, sizeof words);
    words.name = "claimed";
    words.access = VYRE_ACCESS_WORKGROUP;
    words.count = VYI_GROUP_WORDS;
    k->wide.words = vyi_kernel_own_buffer(k, &words);
    vyre_value group = vyre_ir_builtin(p, VYRE_BUILTIN_GROUP_ID_X);
    vyre_value pollers = vyi_wide_head(k, VYI_WIDE_POLLERS);
    vyre_value each = vyi_wide_head(k, VYI_WIDE_LANES);
    vyre_value spins = vyi_wide_head(k, VYI_WIDE_PROBE);
    vyre_value before = vyre_ir_mul(p, group, each);
    vyre_value apart = vyre_ir_div(p, k->wide.lanes, each);
    vyre_value nth = vyre_ir_div(p, k->wide.lane, apart);
    vyre_value beside = vyre_ir_rem(p, k->wide.lane, apart);
    k->lane = vyre_ir_name(p, vyre_ir_add(p, before, nth), "lane");
    k->lanes = vyre_ir_name(p, vyre_ir_mul(p, pollers, each), "lanes");
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, spins, 0));
    vyi_group_probe(k, spins);
    vyre_ir_else(p);
    vyre_ir_if(p, vyre_ir_lt(p, group, pollers));
    vyre_value first = vyi_kernel_is(k, beside, 0), inside = vyre_ir_lt(p, nth, each);
    vyre_ir_if(p, vyre_ir_and(p, first, inside));
}

VYI_COLD
VYI_API void vyi_groups_end(vyi_kernel *k)
{
    vyre_ir_end(k->p);
    vyre_ir_else(k->p);
    vyi_kernel_groups(k);
    vyre_ir_end(k->p);
    vyre_ir_end(k->p);
}

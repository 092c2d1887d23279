/* ==========================================================================
 * kernel: how a launch with groups for wide works ends
 *
 * Private.  The next launch waits for the last lane of this one, and every work for
 * that.  So a launch must not end by halves: if the lanes that have used up their
 * rounds left while one is in a job that never ends, nobody would be served any more.
 * They leave together, or not at all:
 *
 *     OPEN      a lane has used up its rounds                          -> ASKED
 *     ASKED     each lane comes, between two rounds, and serves on;
 *               the last of all                                        -> RESTING
 *     RESTING   each lane rests: it claims nothing; the last of all    -> CLOSED
 *               one has rested for so many looks in vain               -> OPEN, anew
 *     CLOSED    all leave, and OVER tells the groups for wide works
 *
 * While a lane is in a job that never ends it does not come, and the others lose
 * nothing.  Resting is for a lane that came, and is in a long job by now: so much time
 * it is given, and twice as much after each attempt in vain, so that jobs of any length
 * that do end let a launch end.
 *
 * ASK holds the attempt's number above the state, so that no lane comes twice to one.
 * CAME goes up by one for each lane and attempt, and is a multiple of all when all have
 * come.  RESTS goes down again where the rest was in vain, and before its lane comes
 * to the next attempt.  Who leaves at SHUTDOWN closes as well; where a driver limits
 * loops nobody is asked, and each lane ends by itself.  The last of all to leave makes
 * the words ready for the next launch.
 *
 * A lane looks for that in the rounds that look for SHUTDOWN.
 * ======================================================================= */
#include "kernel/kernel_impl.h"

#define VYI_LEASE_LOOKS     256u /* of the first rest */
#define VYI_LEASE_DOUBLINGS 12u

/* The two low bits of ASK; each follows the one before by adding 1, and OPEN of the next
 * attempt follows RESTING by adding 2. */
enum { VYI_LEASE_OPEN, VYI_LEASE_ASKED, VYI_LEASE_RESTING, VYI_LEASE_CLOSED };
#define VYI_LEASE_STATE   3u
#define VYI_LEASE_ATTEMPT 2u /* bits before it */
#define VYI_LEASE_ODD     (1u << VYI_LEASE_ATTEMPT)

static vyre_value vyi_lease_load(vyi_kernel *k, uint32_t word)
{
    vyre_value at = vyi_kernel_u32(k, VYI_WIDE_HEAD + word);
    return vyre_ir_atomic_load(k->p, k->wide.buffer, at, VYRE_ORDER_RELAXED);
}

/* What the word held before.  Not relaxed: one lane's steps are seen in their order. */
static vyre_value vyi_lease_do(vyi_kernel *k, vyre_atomic_op op, uint32_t word, uint32_t n)
{
    vyre_value at = vyi_kernel_u32(k, VYI_WIDE_HEAD + word), operand = vyi_kernel_u32(k, n);
    return vyre_ir_atomic(k->p, op, k->wide.buffer, at, operand, VYRE_ORDER_ACQ_REL);
}

/* ASK goes from `ask` to `ask` + n, unless another lane was first. */
static vyre_value vyi_lease_step(vyi_kernel *k, vyre_value ask, uint32_t n)
{
    vyre_value at = vyi_kernel_u32(k, VYI_WIDE_HEAD + VYI_WIDE_ASK);
    return vyre_ir_atomic_cas(k->p, k->wide.buffer, at, ask, vyi_kernel_plus(k, ask, n),
                              VYRE_ORDER_ACQ_REL);
}

static vyre_value vyi_lease_state(vyi_kernel *k, vyre_value ask)
{
    return vyi_kernel_op(k, vyre_ir_and, ask, VYI_LEASE_STATE);
}

/* Lanes that serve slots. */
static vyre_value vyi_lease_all(vyi_kernel *k)
{
    return vyi_kernel_has_idle_lanes(k) ? vyre_ir_min(k->p, k->lanes, k->slots) : k->lanes;
}

/* Of the attempt that `ask` is of: its number's lowest bit.  That is enough: no attempt
 * rests before each lane has come to it, so none is two behind. */
static vyre_value vyi_lease_is_odd(vyi_kernel *k, vyre_value ask)
{
    return vyi_kernel_op(k, vyre_ir_ne, vyi_kernel_op(k, vyre_ir_and, ask, VYI_LEASE_ODD), 0);
}

/* A portion of rounds is used up; 0: it has no end. */
static vyre_value vyi_lease_spent(vyi_kernel *k)
{
    vyre_value told = vyi_lease_load(k, VYI_WIDE_ROUNDS), rounds = vyre_ir_get(k->p, k->rounds);
    return vyre_ir_gt(k->p, rounds, vyi_kernel_plus(k, told, UINT32_MAX));
}

static void vyi_lease_anew(vyi_kernel *k)
{
    vyre_ir_set(k->p, k->rounds, vyi_kernel_u32(k, 0));
}

VYI_API vyre_local vyi_lease_begin(vyi_kernel *k)
{
    return vyre_ir_local(k->p, VYRE_TYPE_BOOL, vyre_ir_bool(k->p, true), "came_to_odd");
}

/* By LIVES the host sees that lanes go on which have come, and wait for one that has not. */
static void vyi_lease_spend(vyi_kernel *k, vyre_local came, vyre_value ask)
{
    vyre_program *p = k->p;
    vyi_lease_anew(k);
    vyre_value state = vyi_lease_state(k, ask);
    vyre_ir_if(p, vyi_kernel_is(k, state, VYI_LEASE_OPEN));
    (void)vyi_lease_step(k, ask, 1);
    vyre_ir_end(p);
    vyre_value waits = vyre_ir_eq(p, vyi_lease_is_odd(k, ask), vyre_ir_get(p, came));
    vyre_ir_if(p, vyre_ir_and(p, vyi_kernel_is(k, state, VYI_LEASE_ASKED), waits));
    (void)vyi_lease_do(k, VYRE_ATOMIC_ADD, VYI_WIDE_LIVES, 1);
    vyre_ir_end(p);
}

static void vyi_lease_come(vyi_kernel *k, vyre_local came, vyre_value ask)
{
    vyre_program *p = k->p;
    vyre_value odd = vyi_lease_is_odd(k, ask);
    vyre_ir_if(p, vyre_ir_ne(p, odd, vyre_ir_get(p, came)));
    vyre_ir_set(p, came, odd);
    vyre_value before = vyi_lease_do(k, VYRE_ATOMIC_ADD, VYI_WIDE_CAME, 1);
    vyre_value of = vyre_ir_rem(p, vyi_kernel_plus(k, before, 1), vyi_lease_all(k));
    vyre_ir_if(p, vyi_kernel_is(k, of, 0));
    (void)vyi_lease_step(k, ask, 1);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

/* Sets `closed`, or gives the attempt up, whoever was first in it. */
static void vyi_lease_rest(vyi_kernel *k, vyre_value ask, vyre_local closed)
{
    vyre_program *p = k->p;
    vyre_value before = vyi_lease_do(k, VYRE_ATOMIC_ADD, VYI_WIDE_RESTS, 1);
    vyre_ir_if(p, vyre_ir_eq(p, vyi_kernel_plus(k, before, 1), vyi_lease_all(k)));
    (void)vyi_lease_step(k, ask, 1);
    vyre_ir_end(p);
    vyre_value attempt = vyi_kernel_op(k, vyre_ir_shr, ask, VYI_LEASE_ATTEMPT);
    vyre_value doublings = vyi_kernel_op(k, vyre_ir_min, attempt, VYI_LEASE_DOUBLINGS);
    vyre_value first = vyi_kernel_u32(k, VYI_LEASE_LOOKS);
    vyre_value looks = vyre_ir_shl(p, first, doublings);
    vyre_ir_loop(p, vyi_kernel_u32(k, 0), looks);
    vyi_kernel_break_if(k, vyre_ir_ne(p, vyi_lease_load(k, VYI_WIDE_ASK), ask));
    vyre_ir_end(p);
    vyre_value found = vyi_lease_step(k, ask, 2);
    vyre_value all = vyre_ir_eq(p, found, vyi_kernel_plus(k, ask, 1));
    vyre_ir_set(p, closed, all);
    vyre_ir_if(p, vyre_ir_not(p, all));
    (void)vyi_lease_do(k, VYRE_ATOMIC_SUB, VYI_WIDE_RESTS, 1);
    vyi_lease_anew(k);
    vyre_ir_end(p);
}

VYI_API vyre_value vyi_lease_calls(vyi_kernel *k)
{
    vyre_value asked = vyi_kernel_op(k, vyre_ir_ne, vyi_lease_load(k, VYI_WIDE_ASK), 0);
    return vyre_ir_or(k->p, asked, vyi_lease_spent(k));
}

VYI_API void vyi_lease_attend(vyi_kernel *k, vyre_local came)
{
    vyre_program *p = k->p;
    vyre_value ask = vyi_lease_load(k, VYI_WIDE_ASK);
    vyre_ir_if(p, vyi_lease_spent(k));
    vyi_lease_spend(k, came, ask);
    vyre_ir_end(p);
    vyre_value state = vyi_lease_state(k, ask), over = vyi_kernel_is(k, state, VYI_LEASE_CLOSED);
    vyre_local closed = vyre_ir_local(p, VYRE_TYPE_BOOL, over, "closed");
    vyre_ir_if(p, vyi_kernel_is(k, state, VYI_LEASE_ASKED));
    vyi_lease_come(k, came, ask);
    vyre_ir_end(p);
    vyre_ir_if(p, vyi_kernel_is(k, state, VYI_LEASE_RESTING));
    vyi_lease_rest(k, ask, closed);
    vyre_ir_end(p);
    vyi_kernel_break_if(k, vyre_ir_get(p, closed));
}

/* By who leaves at SHUTDOWN: nobody is to rest for it. */
VYI_API void vyi_lease_close(vyi_kernel *k)
{
    (void)vyi_lease_do(k, VYRE_ATOMIC_OR, VYI_WIDE_ASK, VYI_LEASE_CLOSED);
}

/* By each lane. */
VYI_API void vyi_lease_leave(vyi_kernel *k)
{
    static const uint8_t own[] = { VYI_WIDE_ASK, VYI_WIDE_CAME, VYI_WIDE_RESTS, VYI_WIDE_LEFT };
    vyre_program *p = k->p;
    vyre_ir_if(p, vyi_kernel_is(k, k->wide.lane, 0));
    (void)vyi_lease_do(k, VYRE_ATOMIC_ADD, VYI_WIDE_OVER, 1);
    vyre_ir_end(p);
    vyre_value before = vyi_lease_do(k, VYRE_ATOMIC_ADD, VYI_WIDE_LEFT, 1);
    vyre_ir_if(p, vyre_ir_eq(p, vyi_kernel_plus(k, before, 1), vyi_lease_all(k)));
    for (uint32_t i = 0; i < sizeof own; i++)
        vyi_kernel_put(k, k->wide.buffer, vyi_kernel_u32(k, VYI_WIDE_HEAD + own[i]), 0,
                       VYRE_ORDER_RELAXED);
    vyre_ir_end(p);
}

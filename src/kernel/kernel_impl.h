/* ==========================================================================
 * kernel: what its fragments share
 *
 * Private.  One context per kernel under construction.  Its values are
 * computed once, before every loop; its locals live as long as the slot or
 * the launch that they belong to.
 * ======================================================================= */
#ifndef VYI_KERNEL_IMPL_H
#define VYI_KERNEL_IMPL_H

#include "ir/ir_impl.h"
#include "kernel/children_impl.h"
#include "kernel/kernel.h"
#include "kernel/order_impl.h"
#include "kernel/times_impl.h"
#include "kernel/wide_impl.h"

VYI_EXTERN_C_BEGIN

/* Where a description says 0. */
#define VYI_DEFAULT_GROUP       256u /* lanes, of any group; and slots of a ring */
#define VYI_DEFAULT_OBSERVABLES 64u

/* What a launch needs at most before and after the loops of one slot, where
 * loops are limited: the slot's own, a packed payload's, the IO queue's. */
#define VYI_KERNEL_LOOP_MARGIN 128u

/* A looping kernel looks at SHUTDOWN in every eighth round: in the others a
 * poll is one memory operation.  A power of two. */
#define VYI_KERNEL_STOP_ROUNDS 8u

/* Laps of a live log that its fourth words tell apart, in the low bits of those. */
#define VYI_LOG_LAPS    8u
#define VYI_LOG_LAP_MASK 15u

/* A handler is emitted with all twelve arguments in reach; the loads that it
 * does not use are taken back. */
#define VYI_KERNEL_EARLY_ARGS  3u /* share a 32-byte sector with the header */
#define VYI_KERNEL_COMMON_ARGS 2u /* of common operations */

/* Words that say what FAULT(BOUNDS) was about. */
#define VYI_KERNEL_BOUNDS 3u

/* Hosts tell a checked kernel how many arguments a work gives, in the upper bytes of its
 * TENANT word: their count, and one; 0: nobody says. */
#define VYI_CHECKED_COUNT  8u /* bits before it */
#define VYI_CHECKED_TENANT 0xffu

/* Words of a slot whose work can stop in the middle: vyre_task, word by word. */
#define VYI_TASK_PC       7u
#define VYI_TASK_DATA     8u
#define VYI_TASK_AGE      12u
#define VYI_TASK_REQUEUES 13u
#define VYI_TASK_YIELDS   14u
#define VYI_TASK_FLAGS    15u
#define VYI_TASK_ARGS     5u /* arguments that it always has: its own three, pc and data */

/* STATUS of a slot whose work waited for an IO request, once the host has answered, for its
 * lane; to the host it is no status that it knows.  Above it the IO slot, and one. */
#define VYI_SLOT_ANSWERED  0x14u
#define VYI_PARKED_SHIFT   8u

/* How the slots of a launch are gone through. */
typedef enum vyi_frame {
    VYI_FRAME_LOOP,      /* rounds, each lane its slots (kernel.c) */
    VYI_FRAME_ONE_LANE,  /* polls of one lane (kernel_narrow.c) */
    VYI_FRAME_PASS,      /* one round, of a payload */
    VYI_FRAME_COMMON,    /* one pass, common operations in a loop of their own */
    VYI_FRAME_WIDE_PASS, /* one wide work (kernel_wide.c) */
    VYI_FRAME_PRIORITY,  /* rounds of one claim, the most urgent (kernel_priority.c) */
    VYI_FRAME_PRIORITY_PASS
} vyi_frame;

/* Which program a kernel is: computed once, from its description and its host. */
typedef struct vyi_shape {
    vyi_frame frame;
    bool once;          /* returns after one pass */
    bool payload;       /* no opcodes */
    bool urgent;        /* one of the PRIORITY frames */
    bool fair;          /* and its lanes look lower first by turns */
    bool hurries;       /* somebody waits for each work: rather an operation too many than one after
                           another */
    bool whole;         /* the slot is read beside its claim */
    bool resumes;       /* work may come back as REQUEUE, or be a task that yielded */
    bool requeues;      /* LOAD_MISS puts work back where no IO slot is free */
    bool tallies;       /* counts common operations together */
    bool tasks;         /* a work may end in another state than DONE or FAULT */
    bool marks_io;      /* some lanes wait for IO requests, and one recycles them */
    bool parks;         /* a work that waits for one leaves its lane */
} vyi_shape;

VYI_API vyi_shape vyi_shape_of(const vyre_kernel_desc *desc, const vyre_kernel_host *host);

/* What an engine that serves wide works adds to vyre_kernel_host. */
typedef struct vyi_wide_host {
    uint32_t binding; /* of a buffer of VYI_WIDE_WORDS words; 0 = the engine serves none */
    bool     pass;    /* the program is a tile pass: it runs the wide work that HEAD names */
    bool     groups;  /* the looping program has groups that wait for wide works */
    uint32_t events;  /* binding of the events that works wait for (order_impl.h); 0 = works have
                         no order */
    uint32_t children; /* of the device's own queue (children_impl.h); 0 = nothing is spawned */
    uint32_t times;  /* of when works were claimed and ended (times_impl.h); 0 = nobody asks */
    bool     apart;   /* each group is run by itself, and nobody waits for all of them: none looks
                         whether another one's rounds are used up */
} vyi_wide_host;

/* As vyre_kernel_build_for. */
VYI_API vyre_program *vyi_kernel_build(const vyre_kernel_desc *desc, const vyre_kernel_host *host,
                                       const vyi_wide_host *wide, vyre_error *err);
/* Whether one of the kernel's works is wide. */
VYI_API bool vyi_kernel_is_wide(const vyre_kernel_desc *desc);
/* The most that a handler asks for in loop_allowance; 0: none does, and loops are
 * counted only where they are limited. */
VYI_API uint32_t vyi_kernel_own_allowance(const vyre_kernel_desc *desc);

/* What becomes of a result word. */
typedef enum vyi_wide_kind {
    VYI_WIDE_UNUSED,
    VYI_WIDE_SUMMED,      /* vyre_emit_reduce */
    VYI_WIDE_WRITTEN_ONCE /* vyre_emit_result */
} vyi_wide_kind;

typedef struct vyi_wide_use {
    vyi_wide_kind kind;
    uint8_t       op, type; /* vyre_atomic_op, vyre_type */
} vyi_wide_use;

/* The chunk under construction (kernel_wide.c). */
typedef struct vyi_chunk {
    vyre_buffer buffer;  /* wide_impl.h */
    vyre_buffer sums;    /* of a workgroup: a word for each result; 0 between two chunks */
    vyre_buffer words;   /* of a workgroup: the slot's; id 0: they are read where they are */
    vyre_value  state;   /* its first word in `buffer` */
    vyre_value  chunk, chunks, per; /* which, of how many, indexes in each */
    vyre_value  generation;         /* that is over when the work has ended */
    vyre_value  lane, lanes;        /* of the group */
    vyre_value  index;   /* that the handler runs for */
    vyre_local  entry;   /* of kernels with times: the chunk's number in its group's row */
    const vyre_handler *running;
    vyre_local  sum[VYRE_MAX_ARGS]; /* of this lane */
    vyi_wide_use use[VYRE_MAX_ARGS];
} vyi_chunk;

/* Of kernels with `children` (kernel_spawn.c, kernel_children.c). */
typedef struct vyi_children {
    vyre_buffer buffer;  /* children_impl.h */
    vyre_value  all, first;       /* slots of the ring; of them the first entry of the queue */
    vyre_value  home, size, turn; /* the lane's part, in words of 32 entries; its first bit there */
    vyre_local  at;      /* the word of it where it spawned last */
    vyre_local  cursor;  /* where it looks for others' jobs, */
    vyre_local  ring;    /* and which of its slots it looks at next */
    vyre_local  round;
    vyre_local  claimed; /* a slot of the ring, or NONE */
    vyre_local  fresh;   /* bool: it is one that the host has published */
    /* The job that runs. */
    vyre_value  job, is_fresh;
    vyre_local  runs;    /* bool: else it only ends */
    vyre_local  spawned; /* so many */
    vyre_local  then;    /* bool; and which */
    vyre_local  then_opcode, then_tenant, then_args[VYRE_MAX_ARGS];
} vyi_children;

typedef struct vyi_kernel {
    vyre_program    *p;
    vyre_kernel_desc desc; /* with the defaults filled in */
    vyre_kernel_host host;
    vyi_wide_host    wide_host;
    vyi_shape        shape;
    vyi_chunk         wide;
    vyi_chunk        *self; /* `wide`, while a handler of a wide work is emitted; else NULL */
    vyi_children     *children; /* NULL: nothing is spawned */
    vyre_buffer control, ring, log, io, table, mirror, cancel, events, times, workspace;
    vyre_buffer user[VYRE_MAX_BUFFERS];

    /* Values that hold for the launch. */
    vyre_value lane, lanes, slots;
    vyre_value control_words; /* length of control */
    vyre_value observables;   /* words of it from 160 on */
    vyre_value allowance;     /* loop iterations of one slot */
    vyre_value loops;         /* that one may have at most, whatever its allowance is */
    vyre_value loop_need;     /* without so many left, no slot is begun */

    /* Locals of the launch. */
    vyre_local careful; /* bool: look at the tenant before a claim, too */
    vyre_local refused; /* bool: this round met a slot of a tenant without rights */
    vyre_local rounds;  /* of a looping kernel */
    vyre_local streak, turn; /* of one with urgent partitions (kernel_priority.c), */
    /* Where one lane serves a slot: the one that it has put back last for its event, that
     * event, and the event's word, asked for beside the slot's status (kernel_order.c). */
    vyre_local waits, waits_for;
    vyre_value ahead;
    vyre_local parts[VYRE_PRIORITY_LEVELS + 1]; /* and where those begin and end */
    vyre_local io_next; /* the IO slot that the next round looks at */
    /* Common operations that have ended and are not counted yet; of them, so many
     * were STORE_U32, and so many ATOMIC_ADD. */
    vyre_local served, stored, added;

    /* The claimed slot. */
    vyre_value base;    /* its first word in the ring */
    vyre_value seen;    /* the status that it was claimed from */
    vyre_value joined;  /* bool: that was JOINED; of kernels with children */
    vyre_value opcode, tenant;
    vyre_value order;   /* its PRIORITY, in kernels with events; */
    vyre_local event;   /* and the event that it waits for, as it was when it was looked at */
    vyre_value told;    /* of a checked kernel: what the TENANT word says beside the tenant */
    vyre_value early[VYI_KERNEL_EARLY_ARGS];
    vyre_value wish;    /* not 0: it is not to run; of kernels with `cancel` */
    vyre_value first_mask; /* of tenant 0, loaded beside them by a kernel that hurries */
    vyre_local fault;   /* 0: none so far */
    vyre_local requeue; /* bool; of kernels that can put work back */
    vyre_local leave;   /* of kernels with tasks: the state that the slot is left in; EMPTY: it
                           ends */
    vyre_local pc, data; /* with which it goes on */
    /* Of kernels that park works: the status that the slot was claimed from; the IO slot,
     * and one, whose request the work has made before and not taken the answer of; and the one
     * that it is to wait for from now on, or VYI_PARKED_AGAIN. */
    vyre_local came, pending, parked;

    /* The operation that runs: the slot itself, or one of a packed slot. */
    vyre_local op;
    vyre_local arg[VYI_KERNEL_EARLY_ARGS];
    vyre_local arg_base, arg_count; /* its own words in the ring */
    /* Of a checked kernel: how many arguments the operation was given; of a wide work,
     * what is wrong, for its state. */
    vyre_local given, bounds[VYI_KERNEL_BOUNDS];
} vyi_kernel;

/* --- shorthand -----------------------------------------------------------
 *
 * C does not say in which order arguments are evaluated, and here evaluation
 * appends instructions.  So that a kernel is the same program from every
 * compiler, at most one argument of a call appends anything. */

VYI_MAYBE_UNUSED VYI_OUTLINE
static vyre_value vyi_kernel_u32(vyi_kernel *k, uint32_t x)
{
    return vyre_ir_u32(k->p, x);
}

VYI_MAYBE_UNUSED VYI_OUTLINE
static vyre_value vyi_kernel_plus(vyi_kernel *k, vyre_value a, uint32_t n)
{
    return n ? vyre_ir_add(k->p, a, vyre_ir_u32(k->p, n)) : a;
}

VYI_MAYBE_UNUSED VYI_OUTLINE
static vyre_value vyi_kernel_is(vyi_kernel *k, vyre_value a, uint32_t n)
{
    return vyre_ir_eq(k->p, a, vyre_ir_u32(k->p, n));
}

/* control[index], in no order with anything else. */
static inline vyre_value vyi_kernel_control(vyi_kernel *k, uint32_t index)
{
    return vyre_ir_atomic_load(k->p, k->control, vyre_ir_u32(k->p, index), VYRE_ORDER_RELAXED);
}

/* A binary operator whose second operand is the constant n. */
typedef vyre_value (*vyi_binary_fn)(vyre_program *p, vyre_value a, vyre_value b);

VYI_MAYBE_UNUSED VYI_OUTLINE
static vyre_value vyi_kernel_op(vyi_kernel *k, vyi_binary_fn op, vyre_value a, uint32_t n)
{
    return op(k->p, a, vyre_ir_u32(k->p, n));
}

static inline vyre_value vyi_kernel_pick(vyi_kernel *k, vyre_value cond, uint32_t yes, uint32_t no)
{
    vyre_value a = vyre_ir_u32(k->p, yes);
    return vyre_ir_select(k->p, cond, a, vyre_ir_u32(k->p, no));
}

/* buffer[index] = n, atomically. */
static inline void vyi_kernel_put(vyi_kernel *k, vyre_buffer buffer, vyre_value index, uint32_t n,
                                  vyre_order order)
{
    vyre_ir_atomic_store(k->p, buffer, index, vyre_ir_u32(k->p, n), order);
}

/* control[index] += 1 */
static inline void vyi_kernel_count(vyi_kernel *k, vyre_value index, vyre_order order)
{
    vyre_ir_atomic(k->p, VYRE_ATOMIC_ADD, k->control, index, vyre_ir_u32(k->p, 1), order);
}

/* local += 1 */
static inline void vyi_kernel_step(vyi_kernel *k, vyre_local local)
{
    vyre_value before = vyre_ir_get(k->p, local);
    vyre_ir_set(k->p, local, vyre_ir_add(k->p, before, vyre_ir_u32(k->p, 1)));
}

static inline void vyi_kernel_count_at(vyi_kernel *k, uint32_t index, vyre_order order)
{
    vyi_kernel_count(k, vyre_ir_u32(k->p, index), order);
}

static inline void vyi_kernel_raise(vyi_kernel *k, uint32_t fault)
{
    vyre_ir_set(k->p, k->fault, vyre_ir_u32(k->p, fault));
}

/* Leaves the innermost loop. */
static inline void vyi_kernel_break_if(vyi_kernel *k, vyre_value cond)
{
    vyre_ir_if(k->p, cond);
    vyre_ir_break(k->p);
    vyre_ir_end(k->p);
}

/* --- between the fragments ----------------------------------------------- */

/* Runs the work of the claimed slot and ends it; header and early arguments
 * have been loaded (kernel_ops.c). */
VYI_API void vyi_kernel_serve(vyi_kernel *k);

/* The same, with common operations outside of the frame of the others: packed slots, faults
 * of loops, and code that lies far apart (kernel_ops.c). */
VYI_API void vyi_kernel_serve_either(vyi_kernel *k);

/* PRINTF of a record; NULL: of the operation's arguments, and the slot (kernel_log.c). */
VYI_API void vyi_kernel_log(vyi_kernel *k, const vyre_value *record);

/* The handler for LOAD_MISS, and the first lane's care for the IO queue
 * (kernel_io.c). */
VYI_API void vyi_kernel_load_miss(vyi_kernel *k);
VYI_API void vyi_io_launch(vyi_kernel *k);
VYI_API void vyi_kernel_poll_io(vyi_kernel *k);

/* Works that wait for a request without a lane (kernel_io.c), of kernels that park: at the
 * slot's end, a request that the work has given up, or 0; and the word of the mirror that
 * says who waits for this one. */
VYI_API vyre_value vyi_kernel_is_answered(vyi_kernel *k, vyre_value status);
#define VYI_PARKED_AGAIN UINT32_MAX /* for an IO slot */
VYI_API void vyi_io_give_up(vyi_kernel *k, vyre_value pending);
VYI_API void vyi_io_tell_waits(vyi_kernel *k, vyre_value parked);

/* Of kernels with `times` (kernel_times.c), of others nothing: the slot at k->base is
 * claimed now, or ends; around a chunk that this group runs. */
VYI_API void vyi_times_claimed(vyi_kernel *k);
VYI_API void vyi_times_ended(vyi_kernel *k);
VYI_API void vyi_times_chunk_begin(vyi_kernel *k);
VYI_API void vyi_times_chunk_end(vyi_kernel *k);

/* Looks at the slot at `base` and claims it if it may run.  What is emitted
 * between the two calls runs when the slot is this lane's, its tenant has
 * rights and its header is loaded (kernel_slot.c). */
VYI_API void vyi_kernel_claim_begin(vyi_kernel *k, vyre_value base);
/* The same of a slot that was seen with that status. */
VYI_API void vyi_kernel_claim_seen(vyi_kernel *k, vyre_value base, vyre_value status);
/* Bool: a slot with this status can be claimed. */
VYI_API vyre_value vyi_kernel_may_claim(vyi_kernel *k, vyre_value status);
VYI_API void vyi_kernel_claim_end(vyi_kernel *k);
/* Bool: the slot at k->base may be claimed, as far as a careful lane can see. */
VYI_API vyre_local vyi_kernel_look(vyi_kernel *k);
VYI_API vyre_value vyi_kernel_has_rights(vyi_kernel *k, vyre_value tenant);
/* The host's wish for the slot at k->base, as it is now. */
VYI_API vyre_value vyi_kernel_wish(vyi_kernel *k);
/* Bool: `rights`, or the slot's work was taken back, of whatever tenant there is; and:
 * `yes`, and it was not. */
VYI_API vyre_value vyi_kernel_or_cancelled(vyi_kernel *k, vyre_value tenant, vyre_value rights);
VYI_API vyre_value vyi_kernel_and_wanted(vyi_kernel *k, vyre_value yes);
/* Opens a block for `slot`, and makes k->base its first word. */
VYI_API void vyi_kernel_slot_begin(vyi_kernel *k, vyre_value slot);
/* Header and the first arguments of the slot at k->base. */
VYI_API void vyi_kernel_load_slot(vyi_kernel *k, uint32_t args);

/* After the work of a slot: a loop that was cut is a fault; then the status, the
 * mirror and the counter (kernel_slot.c). */
VYI_API void vyi_kernel_settle_loops(vyi_kernel *k);
VYI_API void vyi_kernel_slot_end(vyi_kernel *k);

/* Serves the operations that are common enough to stand in the inner loop; of
 * another one, or one that would end FAULT, it does nothing.  `rare` says which
 * it was (kernel_slot.c). */
VYI_API void vyi_kernel_serve_common(vyi_kernel *k, vyre_local rare);
/* Where the counters of common operations wait in the lane: begins with none,
 * and counts those that wait (kernel_slot.c). */
VYI_API void vyi_kernel_tally_begin(vyi_kernel *k);
VYI_API void vyi_kernel_tally_end(vyi_kernel *k);

/* What a handler sees of the slot at k->base, but for opcode and arguments; takes
 * back loads that the kernel emitted for it and it does not use; counts an opcode
 * that has a metric (kernel_ops.c). */
VYI_API vyre_slot_values vyi_kernel_slot_values(vyi_kernel *k);
VYI_API void vyi_kernel_prune(vyi_kernel *k, const vyre_value *loads, uint32_t count);
VYI_API void vyi_kernel_metric(vyi_kernel *k, vyre_value opcode);
/* The code of a handler, which is its function or its text; the payload as one. */
VYI_API void vyi_kernel_guest_run(vyi_kernel *k, const vyre_slot_values *slot,
                                  const vyre_handler *h);
VYI_API vyre_handler vyi_kernel_payload(const vyi_kernel *k);
/* vyi_guest_begin for a handler. */
VYI_API void vyi_kernel_guest_begin(vyre_program *p, const vyre_handler *h, bool apart,
                                    const vyre_value *args);

/* Works that stop in the middle (kernel_task.c): their locals; around the end of a slot,
 * which has no end then.  Of kernels without tasks nothing. */
VYI_API void vyi_task_locals(vyi_kernel *k);
VYI_API void vyi_task_end_begin(vyi_kernel *k);
VYI_API void vyi_task_end_end(vyi_kernel *k);
/* Why a handler of this slot cannot leave its work, or NULL. */
VYI_API const char *vyi_task_barred(const vyre_slot_values *slot, const char **fix);

/* Declares a buffer of the kernel's own. */
VYI_API vyre_buffer vyi_kernel_own_buffer(vyi_kernel *k, const vyre_buffer_desc *own);

/* What runs the job whose handler is being emitted, and how many arguments it has; where
 * in the ring argument `i` of the operation stands (kernel_emit.c). */
VYI_API vyre_width vyi_kernel_width(const vyre_slot_values *slot);
VYI_API vyre_value vyi_kernel_arg_count(vyre_program *p, const vyre_slot_values *slot);
VYI_API vyre_value vyi_kernel_word(vyi_kernel *k, uint32_t i);

/* Every reduction is one of four whose neutral element is 0, of words that are
 * turned around before and after: so a state of zeros is ready for any. */
typedef struct vyi_wide_sum {
    uint8_t signed_words; /* of i32: the sign bit is flipped */
    uint8_t turned;       /* all bits are */
    uint8_t atomic;       /* vyre_atomic_op */
    uint8_t reduce;       /* vyre_reduce_op */
} vyi_wide_sum;
/* How word `word` of the running work is summed up; a word to what is summed up, and
 * back: the same flips. */
VYI_API vyi_wide_sum vyi_wide_sum_of(const vyi_kernel *k, uint32_t word);
VYI_API vyre_value vyi_wide_turn(vyi_kernel *k, vyi_wide_sum sum, vyre_value word);

#ifndef VYRE_NO_SOURCE
/* Emits a handler's text: the one thing that a kernel asks of that room
 * (rooms/source/source.c). */
VYI_API void vyi_source_handler(const vyi_kernel *k, const vyre_slot_values *slot,
                                const vyre_handler *h);
#endif

/* Checked kernels (kernel_checked.c): what a TENANT word holds, the tenant alone, which
 * also other kernels ask for; the locals of an operation, or of a wide work; what watches
 * the guest that has just begun. */
VYI_API vyre_value vyi_checked_tenant(vyi_kernel *k, vyre_value word);
VYI_API void vyi_checked_locals(vyi_kernel *k);
VYI_API void vyi_checked_watch(vyi_kernel *k);
/* Of a wide work: what its first fault was about, into its state; then into the slot. */
VYI_API void vyi_checked_leave(vyi_kernel *k, vyre_value fault, vyre_value before);
VYI_API void vyi_checked_take(vyi_kernel *k, vyre_value fault);

/* The program that runs one wide work (kernel_wide.c). */
VYI_API void vyi_wide_pass(vyi_kernel *k);
/* A word of the running work's state, in k->wide.buffer. */
static inline vyre_value vyi_wide_at(vyi_kernel *k, uint32_t word)
{
    return vyi_kernel_plus(k, k->wide.state, word);
}
/* What both kinds of groups use: names of the lanes, the group's sums; a word of
 * HEAD; the chunk that k->wide describes, to which all lanes come (kernel_wide.c). */
VYI_API void vyi_wide_values(vyi_kernel *k);
VYI_API vyre_value vyi_wide_head(vyi_kernel *k, uint32_t word);
VYI_API void vyi_wide_chunk(vyi_kernel *k);
/* Around the serving of lane slots, in a looping kernel whose other groups wait for
 * wide works (kernel_groups.c). */
VYI_API void vyi_groups_begin(vyi_kernel *k);
VYI_API void vyi_groups_end(vyi_kernel *k);
/* How a launch of such a kernel ends (kernel_lease.c): before the loops, what a lane knows of
 * that: whether the last attempt that it has come to was an odd one; is there anything to
 * attend to?  doing so, which may leave the loop; before who has seen SHUTDOWN leaves it;
 * behind it. */
VYI_API vyre_local vyi_lease_begin(vyi_kernel *k);
VYI_API vyre_value vyi_lease_calls(vyi_kernel *k);
VYI_API void vyi_lease_attend(vyi_kernel *k, vyre_local came);
VYI_API void vyi_lease_close(vyi_kernel *k);
VYI_API void vyi_lease_leave(vyi_kernel *k);

/* A lane beyond the ring has nothing to do, apart from the workspace and children. */
static inline bool vyi_kernel_has_idle_lanes(const vyi_kernel *k)
{
    return !k->desc.workspace && !k->children;
}

/* Of kernels with events (kernel_order.c); the others get `yes` back, and nothing.
 * `yes`, and the event of the claimed slot, or of the one that a careful lane looks
 * at, is there; and nothing keeps its work from being run. */
VYI_API vyre_value vyi_order_and_ready(vyi_kernel *k, vyre_value yes);
/* A careful lane's look: asks for the work's order, and then for its event. */
VYI_API void vyi_order_look_begin(vyi_kernel *k);
/* Around it: nothing of it is needed for the slot whose event is known; `worth` says what
 * became of that one, and `yes` of others.  Their locals; what is asked for beside a status. */
VYI_API void vyi_order_known_begin(vyi_kernel *k, vyre_local worth);
VYI_API vyre_value vyi_order_known_end(vyi_kernel *k, vyre_local worth, vyre_value yes);
VYI_API void vyi_order_locals(vyi_kernel *k);
VYI_API void vyi_order_ahead(vyi_kernel *k);
VYI_API vyre_value vyi_order_look(vyi_kernel *k, vyre_value yes);
VYI_API vyre_value vyi_order_and_runs(vyi_kernel *k, vyre_value yes);
/* Around what a slot runs: nothing, where it may not. */
VYI_API void vyi_order_serve_begin(vyi_kernel *k);
VYI_API void vyi_order_serve_end(vyi_kernel *k);
/* Only in kernels with events: takes 1 from the event that the work signals; which
 * one.  The others are of wide works: a gate, a chunk, and the work's end. */
VYI_API vyre_value vyi_order_end(vyi_kernel *k, vyre_value status, vyre_order order);
VYI_API vyre_value vyi_order_gate_is_ready(vyi_kernel *k, vyre_value which, vyre_value gate);
VYI_API vyre_value vyi_order_chunk_runs(vyi_kernel *k, vyre_value order);
VYI_API void vyi_order_wide_end(vyi_kernel *k, vyre_value order, vyre_value status);

/* The whole loop of a kernel of one lane (kernel_narrow.c). */
VYI_API void vyi_kernel_narrow(vyi_kernel *k);

/* bool: so few loop iterations are left that a slot that is begun now might
 * not end before the driver cuts (kernel_slot.c). */
VYI_API vyre_value vyi_kernel_loops_end(vyi_kernel *k);

/* The scan of the five partitions; a claim of one slot, for vyi_children_found
 * (kernel_priority.c). */
VYI_API void vyi_kernel_priority_pass(vyi_kernel *k);
VYI_API void vyi_kernel_priority_pick(vyi_kernel *k);
/* Before the loop of both. */
VYI_API void vyi_priority_launch(vyi_kernel *k);

/* Why a handler may not spawn such a job, and what to do; NULL: it may. */
VYI_API const char *vyi_children_refuse(const vyre_slot_values *slot, uint32_t opcode,
                                        uint32_t count, vyre_status *status, const char **fix);
/* Of kernels with children, apart from the first three, which do nothing in others:
 * around what a claimed job runs; its run is over (kernel_spawn.c). */
VYI_API void vyi_children_locals(vyi_kernel *k);
VYI_API void vyi_children_run_begin(vyi_kernel *k);
VYI_API void vyi_children_run_end(vyi_kernel *k);
VYI_API void vyi_children_leave(vyi_kernel *k);
/* Words of USED and WAITING: how many of either; one of WAITING; a bit; which of those
 * that are set a lane takes; the slot that it stands for.  And: something can be claimed. */
VYI_API uint32_t vyi_children_masks(const vyi_kernel *k);
VYI_API vyre_value vyi_children_waiting(vyi_kernel *k, vyre_value word);
VYI_API vyre_value vyi_children_bit(vyi_kernel *k, vyre_value n);
VYI_API vyre_value vyi_children_pick(vyi_kernel *k, vyre_value mask, bool last);
VYI_API vyre_value vyi_children_slot(vyi_kernel *k, vyre_value word, vyre_value n);
VYI_API void vyi_children_tell(vyi_kernel *k);
/* In a claim's block: that slot is the round's job. */
VYI_API void vyi_children_found(vyi_kernel *k);
/* What holds for the launch; a round, and a pass (kernel_children.c). */
VYI_API void vyi_children_values(vyi_kernel *k);
VYI_API void vyi_children_round(vyi_kernel *k, vyre_value turns);
VYI_API void vyi_children_pass(vyi_kernel *k, vyre_value turns);

VYI_EXTERN_C_END

#endif

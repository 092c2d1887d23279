/* ==========================================================================
 * kernel: jobs that spawn jobs
 *
 * Private, of kernels with `children`, whose rounds kernel_children.c has.  A round of a
 * lane is one job:
 *
 *     claim      of its own part of the queue, the youngest; a slot of its ring;
 *                of anybody's part, the oldest
 *     run        spawn: an entry of its own part, USED |= bit; words; WAITING |= bit
 *     leave      pending -= MANY - spawned
 *                0: nothing of it is left; the lane goes on with what that means:
 *                   a then       the job waits again, with other words
 *                   a root       its slot ends
 *                   a child      the entry is free, and its parent's pending -= 1: if
 *                                that is 0, the same for the parent
 *
 * There is no common counter: a claim and a spawn are a bit of a word that belongs to
 * the lane, or to a few, until somebody without work looks there.  Whoever takes the
 * last 1 from `pending` is the only one, and nobody waits for anybody.
 *
 * A slot of the ring is ended by its own lane, as in every kernel: for that, or for its
 * `then`, it is JOINED, which the lane finds as it finds what is PUBLISHED.
 *
 * What is seen: USED and WAITING are set with acquire and release, so words are those
 * of the last owner.  `pending` is taken from with both, so whoever finds 0 sees all
 * that the job and its descendants wrote, and hands it on (docs/memory-model.md).
 * ======================================================================= */
#include "kernel/kernel_impl.h"

#define VYI_CHILDREN_PROBES 4u    /* words that a spawn tries */
#define VYI_CHILDREN_LEVELS 16u   /* that one lane ends in a row */

VYI_API uint32_t vyi_children_masks(const vyi_kernel *k)
{
    return VYI_CHILDREN_MASKS(k->desc.children);
}

/* --- one word -------------------------------------------------------------- */

VYI_API vyre_value vyi_children_bit(vyi_kernel *k, vyre_value n)
{
    return vyre_ir_shl(k->p, vyi_kernel_u32(k, 1), n);
}

/* One bit of `mask`, which has some: the first from the lane's own on, or the last. */
VYI_API vyre_value vyi_children_pick(vyi_kernel *k, vyre_value mask, bool last)
{
    vyre_program *p = k->p;
    vyre_value turned = vyre_ir_rotr(p, mask, k->children->turn);
    vyre_value n = last ? vyre_ir_clz(p, turned) : vyre_ir_ctz(p, turned);
    if (last) /* 31 - n */
        n = vyi_kernel_op(k, vyre_ir_xor, n, 31);
    return vyi_kernel_op(k, vyre_ir_and, vyre_ir_add(p, n, k->children->turn), 31);
}

VYI_API vyre_value vyi_children_waiting(vyi_kernel *k, vyre_value word)
{
    return vyi_kernel_plus(k, word, vyi_children_masks(k));
}

/* The entry that is bit `n` of `word`, as a slot of the ring. */
VYI_API vyre_value vyi_children_slot(vyi_kernel *k, vyre_value word, vyre_value n)
{
    vyre_value before = vyi_kernel_op(k, vyre_ir_mul, word, VYI_CHILDREN_BITS);
    return vyre_ir_add(k->p, k->children->first, vyre_ir_add(k->p, before, n));
}

/* --- records --------------------------------------------------------------- */

static vyre_value vyi_record_at(vyi_kernel *k, vyre_value slot, uint32_t word)
{
    vyre_value at = vyi_kernel_op(k, vyre_ir_mul, slot, VYI_RECORD_WORDS);
    return vyi_kernel_plus(k, at, VYI_CHILDREN_RECORDS(k->desc.children) + word);
}

static vyre_value vyi_record_load(vyi_kernel *k, vyre_value slot, uint32_t word)
{
    return vyre_ir_atomic_load(k->p, k->children->buffer, vyi_record_at(k, slot, word),
                               VYRE_ORDER_RELAXED);
}

static void vyi_record_store(vyi_kernel *k, vyre_value slot, uint32_t word, vyre_value value)
{
    vyre_ir_atomic_store(k->p, k->children->buffer, vyi_record_at(k, slot, word), value,
                         VYRE_ORDER_RELAXED);
}

/* The first code stays. */
static void vyi_record_fault(vyi_kernel *k, vyre_value slot, vyre_value code)
{
    vyre_program *p = k->p;
    vyre_value none = vyi_kernel_u32(k, VYRE_FAULT_NONE);
    vyre_ir_if(p, vyre_ir_ne(p, code, none));
    vyre_ir_atomic_cas(p, k->children->buffer, vyi_record_at(k, slot, VYI_RECORD_FAULT), none,
                       code, VYRE_ORDER_RELAXED);
    vyre_ir_end(p);
}

/* Takes from `pending`; true: nothing is left. */
static vyre_value vyi_record_take(vyi_kernel *k, vyre_value slot, vyre_value count)
{
    vyre_value before = vyre_ir_atomic(k->p, VYRE_ATOMIC_SUB, k->children->buffer,
                                       vyi_record_at(k, slot, VYI_RECORD_PENDING), count,
                                       VYRE_ORDER_ACQ_REL);
    return vyre_ir_eq(k->p, before, count);
}

/* Somebody looks whether there is work in the queue. */
VYI_API void vyi_children_tell(vyi_kernel *k)
{
    vyi_kernel_count_at(k, VYRE_CONTROL_CHILDREN, VYRE_ORDER_RELAXED);
}

/* The job can be claimed, for what its STATE says. */
static void vyi_children_publish(vyi_kernel *k, vyre_value slot)
{
    vyre_program *p = k->p;
    vyi_children *c = k->children;
    vyre_ir_if(p, vyre_ir_lt(p, slot, c->first));
    vyre_value base = vyi_kernel_op(k, vyre_ir_shl, slot, 4);
    vyi_kernel_put(k, k->ring, base, VYI_SLOT_JOINED, VYRE_ORDER_RELEASE);
    if (k->shape.once) /* its lane may have left */
        vyi_children_tell(k);
    vyre_ir_else(p);
    vyre_value entry = vyre_ir_sub(p, slot, c->first);
    vyre_value word = vyi_kernel_op(k, vyre_ir_shr, entry, 5);
    vyre_value bit = vyi_children_bit(k, entry);
    vyre_ir_atomic(p, VYRE_ATOMIC_OR, c->buffer, vyi_children_waiting(k, word), bit,
                   VYRE_ORDER_RELEASE);
    vyre_ir_end(p);
}

/* --- spawning -------------------------------------------------------------- */

/* An entry that is this lane's from now on, or NONE: of a few words of its part that
 * were looked at, all are in use. */
static vyre_local vyi_spawn_reserve(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyi_children *c = k->children;
    vyre_local found = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, VYI_CHILDREN_NONE),
                                     "entry");
    vyre_value zero = vyi_kernel_u32(k, 0), probes = vyi_kernel_u32(k, VYI_CHILDREN_PROBES);
    vyre_ir_loop(p, zero, probes);
    vyre_value at = vyre_ir_get(p, c->at);
    vyre_value word = vyre_ir_add(p, c->home, at);
    vyre_value used = vyre_ir_atomic_load(p, c->buffer, word, VYRE_ORDER_RELAXED);
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, used, UINT32_MAX));
    vyre_value n = vyi_children_pick(k, vyre_ir_not(p, used), false);
    vyre_value bit = vyi_children_bit(k, n);
    vyre_value before = vyre_ir_atomic(p, VYRE_ATOMIC_OR, c->buffer, word, bit,
                                       VYRE_ORDER_ACQUIRE);
    vyre_value held = vyre_ir_and(p, before, bit);
    vyre_ir_if(p, vyi_kernel_is(k, held, 0));
    vyre_ir_set(p, found, vyi_children_slot(k, word, n));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_value next = vyi_kernel_plus(k, at, 1);
    vyre_value inside = vyre_ir_lt(p, next, c->size);
    vyre_ir_set(p, c->at, vyre_ir_select(p, inside, next, zero));
    vyre_ir_end(p);
    return found;
}

/* A checked kernel is told how many arguments there are. */
static vyre_value vyi_spawn_tenant(vyi_kernel *k, uint32_t count)
{
    if (!k->desc.checked)
        return k->tenant;
    return vyi_kernel_op(k, vyre_ir_or, k->tenant, (count + 1) << VYI_CHECKED_COUNT);
}

/* Words of the ring's slot `slot`; arguments that are not given are 0. */
static void vyi_spawn_words(vyi_kernel *k, vyre_value slot, vyre_value opcode, vyre_value tenant,
                            const vyre_value *args)
{
    vyre_program *p = k->p;
    vyre_value base = vyi_kernel_op(k, vyre_ir_shl, slot, 4);
    vyre_ir_store(p, k->ring, vyi_kernel_plus(k, base, VYRE_SLOT_OPCODE), opcode);
    vyre_ir_store(p, k->ring, vyi_kernel_plus(k, base, VYRE_SLOT_TENANT), tenant);
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
        vyre_ir_store(p, k->ring, vyi_kernel_plus(k, base, VYRE_SLOT_ARGS + i), args[i]);
}

/* The level goes on; what a slot waits for and signals does not. */
static void vyi_spawn_level(vyi_kernel *k, vyre_value slot)
{
    vyre_program *p = k->p;
    vyre_value own = vyi_kernel_plus(k, k->base, VYRE_SLOT_PRIORITY);
    vyre_value word = vyre_ir_load(p, k->ring, own);
    vyre_value level = vyi_kernel_op(k, vyre_ir_and, word, VYI_ORDER_LEVEL);
    vyre_value base = vyi_kernel_op(k, vyre_ir_shl, slot, 4);
    vyre_ir_store(p, k->ring, vyi_kernel_plus(k, base, VYRE_SLOT_PRIORITY), level);
}

/* Before the first child can end: there is no pending yet. */
static void vyi_spawn_first(vyi_kernel *k)
{
    vyre_program *p = k->p;
    const vyi_children *c = k->children;
    vyre_ir_if(p, vyi_kernel_is(k, vyre_ir_get(p, c->spawned), 0));
    vyi_record_store(k, c->job, VYI_RECORD_PENDING, vyi_kernel_u32(k, VYI_CHILDREN_MANY));
    vyi_record_store(k, c->job, VYI_RECORD_FAULT, vyi_kernel_u32(k, VYRE_FAULT_NONE));
    vyre_ir_end(p);
}

static void vyi_spawn(vyi_kernel *k, uint32_t opcode, const vyre_value *args, uint32_t count,
                      vyre_local done)
{
    vyre_program *p = k->p;
    vyi_children *c = k->children;
    vyre_value slot = vyre_ir_get(p, vyi_spawn_reserve(k));
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, slot, VYI_CHILDREN_NONE));
    vyi_spawn_first(k);
    vyre_value tenant = vyi_spawn_tenant(k, count);
    vyi_spawn_words(k, slot, vyi_kernel_u32(k, opcode), tenant, args);
    vyi_spawn_level(k, slot);
    vyi_record_store(k, slot, VYI_RECORD_STATE, vyi_kernel_u32(k, VYI_STATE_RUNS));
    vyi_record_store(k, slot, VYI_RECORD_PARENT, c->job);
    vyi_children_publish(k, slot);
    vyi_kernel_step(k, c->spawned);
    vyre_ir_set(p, done, vyre_ir_bool(p, true));
    vyre_ir_end(p);
}

/* --- what handlers say ------------------------------------------------------ */

static bool vyi_children_knows(const vyi_kernel *k, uint32_t opcode)
{
    static const uint32_t builtin[] = {
#define VYI_CHILDREN_OPCODE(name, number, text) number,
        VYRE_OPCODE_LIST(VYI_CHILDREN_OPCODE)
#undef VYI_CHILDREN_OPCODE
    };
    for (uint32_t i = 0; i < sizeof builtin / sizeof builtin[0]; i++)
        if (builtin[i] == opcode)
            return opcode != VYRE_OP_LOAD_MISS || k->desc.load_miss;
    for (uint32_t i = 0; i < k->desc.handler_count; i++)
        if (k->desc.handlers[i].opcode == opcode)
            return k->desc.handlers[i].width == VYRE_WIDTH_LANE;
    return k->shape.payload;
}

/* What is wrong with it, whoever asks; NULL: nothing. */
VYI_COLD
VYI_API const char *vyi_children_refuse(const vyre_slot_values *slot, uint32_t opcode,
                                        uint32_t count, vyre_status *status, const char **fix)
{
    const vyi_kernel *k = (const vyi_kernel *)slot->internal;
    *status = VYRE_E_KERNEL_SPAWN;
    *fix = "Set vyre_kernel_desc.children: 1024 suits most.";
    if (!k->children)
        return "the kernel has no queue of its own";
    *fix = "Let a job of one lane do it.";
    if (k->self)
        return "a job that many lanes run cannot spawn";
    *fix = "Use a handler's opcode, of a handler for one lane, or a built-in one.";
    if (!vyi_children_knows(k, opcode))
        return "no lane of the kernel runs that opcode";
    *fix = "Pass what does not fit in a buffer of yours.";
    return count > VYRE_MAX_ARGS ? "a job has at most 12 arguments" : NULL;
}

static bool vyi_children_allowed(vyre_program *p, const vyre_slot_values *slot, uint32_t opcode,
                                 const vyre_value *args, uint32_t count, const char *what)
{
    vyre_status status;
    const char *fix;
    const char *why = vyi_children_refuse(slot, opcode, count, &status, &fix);
    if (!why && count && !args) {
        fix = "Pass the arguments, or a count of 0.";
        why = "the list of arguments is NULL";
    }
    if (why)
        vyi_program_fail(p, status, fix, "%s of opcode 0x%X with %u arguments: %s", what,
                         (unsigned)opcode, (unsigned)count, why);
    return !why;
}

static void vyi_children_fill(vyi_kernel *k, vyre_value all[VYRE_MAX_ARGS],
                              const vyre_value *args, uint32_t count)
{
    vyre_value zero = vyi_kernel_u32(k, 0);
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
        all[i] = i < count ? args[i] : zero;
}

VYI_COLD
VYRE_API vyre_value vyre_emit_spawn(vyre_program *p, const vyre_slot_values *slot,
                                    uint32_t opcode, const vyre_value *args, uint32_t count)
{
    vyre_value result = { 0 };
    if (!p || !slot)
        return result;
    vyi_kernel k = *(const vyi_kernel *)slot->internal;
    vyi_ir_inner_begin(p);
    if (vyi_children_allowed(p, slot, opcode, args, count, "a spawn")) {
        vyre_value all[VYRE_MAX_ARGS];
        vyre_local done = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "spawned");
        vyi_children_fill(&k, all, args, count);
        vyi_spawn(&k, opcode, all, count, done);
        result = vyre_ir_get(p, done);
    }
    vyi_ir_inner_end(p);
    return result;
}

VYI_COLD
VYRE_API void vyre_emit_then(vyre_program *p, const vyre_slot_values *slot, uint32_t opcode,
                             const vyre_value *args, uint32_t count)
{
    if (!p || !slot)
        return;
    vyi_kernel k = *(const vyi_kernel *)slot->internal;
    vyi_ir_inner_begin(p);
    if (vyi_children_allowed(p, slot, opcode, args, count, "a then")) {
        vyi_children *c = k.children;
        vyre_value all[VYRE_MAX_ARGS];
        vyi_children_fill(&k, all, args, count);
        vyre_ir_set(p, c->then, vyre_ir_bool(p, true));
        vyre_ir_set(p, c->then_opcode, vyi_kernel_u32(&k, opcode));
        vyre_ir_set(p, c->then_tenant, vyi_spawn_tenant(&k, count));
        for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
            vyre_ir_set(p, c->then_args[i], all[i]);
    }
    vyi_ir_inner_end(p);
}

/* --- a job's run ------------------------------------------------------------ */

/* Of a claimed job, and whether it is to run or only to end. */
VYI_COLD
VYI_API void vyi_children_locals(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyi_children *c = k->children;
    if (!c)
        return;
    vyre_value zero = vyi_kernel_u32(k, 0);
    c->spawned = vyre_ir_local(p, VYRE_TYPE_U32, zero, "children");
    c->then = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "then");
    c->then_opcode = vyre_ir_local(p, VYRE_TYPE_U32, zero, "then_opcode");
    c->then_tenant = vyre_ir_local(p, VYRE_TYPE_U32, zero, "then_tenant");
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
        c->then_args[i] = vyre_ir_local(p, VYRE_TYPE_U32, zero, "then_arg");
    c->runs = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, true), "runs");
    vyre_ir_if(p, vyre_ir_not(p, c->is_fresh));
    vyre_value state = vyi_record_load(k, c->job, VYI_RECORD_STATE);
    vyre_ir_if(p, vyi_kernel_is(k, state, VYI_STATE_ENDS));
    vyre_ir_set(p, c->runs, vyre_ir_bool(p, false));
    vyre_ir_set(p, k->fault, vyi_record_load(k, c->job, VYI_RECORD_FAULT));
    vyre_ir_end(p);
    vyre_ir_end(p);
}

/* Around what a claimed job runs. */
VYI_COLD
VYI_API void vyi_children_run_begin(vyi_kernel *k)
{
    if (k->children)
        vyre_ir_if(k->p, vyre_ir_get(k->p, k->children->runs));
}

VYI_COLD
VYI_API void vyi_children_run_end(vyi_kernel *k)
{
    if (k->children)
        vyre_ir_end(k->p);
}

/* --- its end ---------------------------------------------------------------- */

/* The job's next words, and what its next claim is for. */
static void vyi_leave_words(vyi_kernel *k, vyre_value goes_on)
{
    vyre_program *p = k->p;
    const vyi_children *c = k->children;
    vyre_ir_if(p, goes_on);
    vyre_value args[VYRE_MAX_ARGS];
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
        args[i] = vyre_ir_get(p, c->then_args[i]);
    vyre_value opcode = vyre_ir_get(p, c->then_opcode);
    vyi_spawn_words(k, c->job, opcode, vyre_ir_get(p, c->then_tenant), args);
    vyre_ir_end(p);
    vyre_value state = vyi_kernel_pick(k, goes_on, VYI_STATE_RUNS, VYI_STATE_ENDS);
    vyi_record_store(k, c->job, VYI_RECORD_STATE, state);
}

/* Of a run that has spawned: true if all of that has ended; *code is its first fault. */
static void vyi_leave_pending(vyi_kernel *k, vyre_local over, vyre_local code)
{
    vyre_program *p = k->p;
    const vyi_children *c = k->children;
    vyre_value spawned = vyre_ir_get(p, c->spawned);
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, spawned, 0));
    vyi_record_fault(k, c->job, vyre_ir_get(p, code));
    vyre_value rest = vyre_ir_sub(p, vyi_kernel_u32(k, VYI_CHILDREN_MANY), spawned);
    vyre_value last = vyi_record_take(k, c->job, rest);
    vyre_ir_set(p, over, last);
    vyre_ir_if(p, last);
    vyre_ir_set(p, code, vyi_record_load(k, c->job, VYI_RECORD_FAULT));
    vyre_ir_end(p);
    vyre_ir_end(p);
}

static void vyi_children_free(vyi_kernel *k, vyre_value slot)
{
    vyre_program *p = k->p;
    const vyi_children *c = k->children;
    vyre_value entry = vyre_ir_sub(p, slot, c->first);
    vyre_value word = vyi_kernel_op(k, vyre_ir_shr, entry, 5);
    vyre_value others = vyre_ir_not(p, vyi_children_bit(k, entry));
    vyre_ir_atomic(p, VYRE_ATOMIC_AND, c->buffer, word, others, VYRE_ORDER_RELEASE);
}

/* The parent has lost its last child.  A root, and a job that goes on, is for whoever
 * claims it next; true: the parent has ended as well. */
static vyre_value vyi_children_climb(vyi_kernel *k, vyre_value parent, vyre_value fault)
{
    vyre_program *p = k->p;
    const vyi_children *c = k->children;
    vyre_local ends = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "ends");
    vyre_value good = vyi_kernel_is(k, fault, VYRE_FAULT_NONE);
    vyre_value state = vyi_record_load(k, parent, VYI_RECORD_STATE);
    vyre_value would = vyi_kernel_is(k, state, VYI_STATE_RUNS);
    vyre_value runs = vyre_ir_and(p, would, good);
    vyre_value root = vyre_ir_lt(p, parent, c->first);
    vyre_ir_if(p, vyre_ir_or(p, runs, root));
    vyre_value next = vyi_kernel_pick(k, runs, VYI_STATE_RUNS, VYI_STATE_ENDS);
    vyi_record_store(k, parent, VYI_RECORD_STATE, next);
    vyi_children_publish(k, parent);
    vyre_ir_else(p);
    vyre_ir_set(p, ends, vyre_ir_bool(p, true));
    vyre_ir_end(p);
    return vyre_ir_get(p, ends);
}

/* A child has ended, and perhaps its parent with it, and so on.  After some levels the
 * rest is left for another claim, so that no lane takes long for it. */
static void vyi_children_end_child(vyi_kernel *k, vyre_value code)
{
    vyre_program *p = k->p;
    const vyi_children *c = k->children;
    vyre_local at = vyre_ir_local(p, VYRE_TYPE_U32, c->job, "ended");
    vyre_local fault = vyre_ir_local(p, VYRE_TYPE_U32, code, "ended_fault");
    vyre_local more = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, true), "climbs");
    vyre_value zero = vyi_kernel_u32(k, 0), levels = vyi_kernel_u32(k, VYI_CHILDREN_LEVELS);
    vyre_ir_loop(p, zero, levels);
    vyre_value slot = vyre_ir_get(p, at);
    vyre_value parent = vyi_record_load(k, slot, VYI_RECORD_PARENT);
    vyi_record_fault(k, parent, vyre_ir_get(p, fault));
    vyi_children_free(k, slot);
    vyre_ir_set(p, more, vyi_record_take(k, parent, vyi_kernel_u32(k, 1)));
    vyi_kernel_break_if(k, vyre_ir_not(p, vyre_ir_get(p, more)));
    vyre_value first = vyi_record_load(k, parent, VYI_RECORD_FAULT);
    vyre_ir_set(p, at, parent);
    vyre_ir_set(p, fault, first);
    vyre_ir_set(p, more, vyi_children_climb(k, parent, first));
    vyi_kernel_break_if(k, vyre_ir_not(p, vyre_ir_get(p, more)));
    vyre_ir_end(p);
    vyre_ir_if(p, vyre_ir_get(p, more));
    vyre_value rest = vyre_ir_get(p, at);
    vyi_record_store(k, rest, VYI_RECORD_STATE, vyi_kernel_u32(k, VYI_STATE_ENDS));
    vyi_children_publish(k, rest);
    vyre_ir_end(p);
}

/* The run of the claimed job is over. */
VYI_COLD
VYI_API void vyi_children_leave(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyi_children *c = k->children;
    vyre_value own = vyre_ir_get(p, k->fault), then = vyre_ir_get(p, c->then);
    vyre_value goes_on = vyre_ir_and(p, then, vyi_kernel_is(k, own, VYRE_FAULT_NONE));
    vyre_local over = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, true), "over");
    vyre_local ends = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "slot_ends");
    vyre_value some = vyi_kernel_op(k, vyre_ir_ne, vyre_ir_get(p, c->spawned), 0);
    vyre_ir_if(p, vyre_ir_or(p, then, some));
    vyi_leave_words(k, goes_on);
    vyre_ir_end(p);
    vyi_leave_pending(k, over, k->fault);
    vyre_ir_if(p, vyre_ir_get(p, over));
    vyre_value code = vyre_ir_get(p, k->fault);
    vyre_ir_if(p, vyre_ir_and(p, goes_on, vyi_kernel_is(k, code, VYRE_FAULT_NONE)));
    vyi_children_publish(k, c->job);
    vyre_ir_else(p);
    vyre_ir_if(p, vyre_ir_lt(p, c->job, c->first));
    vyre_ir_set(p, ends, vyre_ir_bool(p, true));
    vyre_ir_else(p);
    vyi_children_end_child(k, code);
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_ir_if(p, vyre_ir_get(p, ends));
    vyi_kernel_slot_end(k);
    vyre_ir_end(p);
}

VYI_COLD
VYI_API void vyi_children_found(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value slot = vyi_kernel_op(k, vyre_ir_shr, k->base, 4);
    vyre_ir_set(p, k->children->claimed, slot);
    vyre_ir_set(p, k->children->fresh, vyre_ir_not(p, k->joined));
}

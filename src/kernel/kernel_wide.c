/* ==========================================================================
 * kernel: works that many lanes run
 *
 * Private.  A wide work is cut into chunks, and a workgroup runs a chunk:
 *
 *     switch opcode
 *         RANGE   for i = lane; i < count; i += lanes: the handler
 *         GROUP   for each tile of the chunk: barrier; the handler, by all lanes
 *         sums of the lanes, of the subgroup, of the group, of the work
 *         finished += 1; who finishes the last chunk takes the results
 *     who finished the last chunk ends the slot
 *
 * The loops have the same number of turns in every lane, and the handler of a
 * RANGE stands in an `if`: so the lanes stay together, and the flow of control
 * around a GROUP handler depends on nothing but the slot's words and the chunk.
 *
 * Everything that a chunk did is released by each lane, then the group meets, then
 * one lane adds to FINISHED with acquire and release: who sees the last addition
 * sees all chunks.  It stores results and status, and then the mirror, as for
 * any slot.
 * ======================================================================= */
#include "kernel/kernel_impl.h"

/* --- the work's words ----------------------------------------------------- */

/* Word `word` of the slot, the same in all lanes. */
static vyre_value vyi_wide_word(vyi_kernel *k, uint32_t word)
{
    const vyi_chunk *w = &k->wide;
    vyre_program *p = k->p;
    vyre_value at = w->words.id ? vyi_kernel_u32(k, word) : vyi_kernel_plus(k, k->base, word);
    return vyre_ir_uniform(p, vyre_ir_load(p, w->words.id ? w->words : k->ring, at));
}

/* --- sums ----------------------------------------------------------------- */

static void vyi_wide_sums_begin(vyi_kernel *k)
{
    memset(k->wide.use, 0, sizeof k->wide.use);
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
        k->wide.sum[i] = vyre_ir_local(k->p, VYRE_TYPE_U32, vyi_kernel_u32(k, 0), "sum");
}

/* The lanes' sums into the group's; each subgroup by one atomic. */
static void vyi_wide_sums_meet(vyi_kernel *k)
{
    vyre_program *p = k->p;
    bool any = false;
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++) {
        if (k->wide.use[i].kind != VYI_WIDE_SUMMED)
            continue;
        const vyi_wide_sum sum = vyi_wide_sum_of(k, i);
        vyre_value all = vyre_ir_reduce(p, (vyre_reduce_op)sum.reduce,
                                        vyre_ir_get(p, k->wide.sum[i]));
        vyre_ir_if(p, vyre_ir_elect(p));
        vyre_ir_atomic(p, (vyre_atomic_op)sum.atomic, k->wide.sums, vyi_kernel_u32(k, i), all,
                       VYRE_ORDER_RELAXED);
        vyre_ir_end(p);
        any = true;
    }
    if (any)
        vyre_ir_barrier(p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
}

/* The group's sums into the work's, by one lane; the group's are 0 again. */
static void vyi_wide_sums_leave(vyi_kernel *k)
{
    vyre_program *p = k->p;
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++) {
        if (k->wide.use[i].kind != VYI_WIDE_SUMMED)
            continue;
        vyre_value zero = vyi_kernel_u32(k, 0);
        vyre_value all = vyre_ir_atomic(p, VYRE_ATOMIC_EXCHANGE, k->wide.sums,
                                        vyi_kernel_u32(k, i), zero, VYRE_ORDER_RELAXED);
        vyre_ir_atomic(p, (vyre_atomic_op)vyi_wide_sum_of(k, i).atomic, k->wide.buffer,
                       vyi_wide_at(k, VYI_WIDE_SUMS + i), all, VYRE_ORDER_RELAXED);
    }
}

/* The work's results into the slot, by the lane that finished the last chunk. */
static void vyi_wide_results(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value written = { 0 };
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++) {
        const vyi_wide_kind kind = k->wide.use[i].kind;
        if (kind == VYI_WIDE_UNUSED)
            continue;
        vyre_value at = vyi_wide_at(k, VYI_WIDE_SUMS + i), zero = vyi_kernel_u32(k, 0);
        vyre_value word = vyre_ir_atomic(p, VYRE_ATOMIC_EXCHANGE, k->wide.buffer, at, zero,
                                         VYRE_ORDER_RELAXED);
        if (kind == VYI_WIDE_WRITTEN_ONCE && !written.id)
            written = vyre_ir_atomic(p, VYRE_ATOMIC_EXCHANGE, k->wide.buffer,
                                     vyi_wide_at(k, VYI_WIDE_WRITTEN), zero, VYRE_ORDER_RELAXED);
        if (kind == VYI_WIDE_WRITTEN_ONCE)
            vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne,
                                        vyi_kernel_op(k, vyre_ir_and, written, 1u << i), 0));
        else
            word = vyi_wide_turn(k, vyi_wide_sum_of(k, i), word);
        vyre_ir_store(p, k->ring, vyi_kernel_plus(k, k->base, VYRE_SLOT_ARGS + i), word);
        if (kind == VYI_WIDE_WRITTEN_ONCE)
            vyre_ir_end(p);
    }
}

/* --- a chunk -------------------------------------------------------------- */

static void vyi_wide_guest(vyi_kernel *k, vyre_slot_values *slot, const vyre_handler *h)
{
    slot->index = k->wide.index;
    if (k->shape.payload)
        vyi_guest_begin(k->p, "the payload", h->width == VYRE_WIDTH_RANGE, slot->arg,
                        VYRE_MAX_ARGS);
    else
        vyi_kernel_guest_begin(k->p, h, h->width == VYRE_WIDTH_RANGE, slot->arg);
    vyi_checked_watch(k);
    vyi_kernel_guest_run(k, slot, h);
    if (h->loop_allowance && vyi_guest_meets_in_loop(k->p))
        vyi_program_fail(k->p, VYRE_E_IR_BARRIER,
                         "Leave loop_allowance 0, or take the barrier out of the loop.",
                         "a barrier in a loop, which loop_allowance may end in some lanes only");
    vyi_guest_end(k->p);
}

/* How many of `range` are in this chunk.  A chunk that exists begins inside, or it is
 * the only one of nothing. */
static vyre_value vyi_wide_count(vyi_kernel *k, vyre_value range, vyre_value *begin)
{
    vyre_program *p = k->p;
    *begin = vyre_ir_mul(p, k->wide.chunk, k->wide.per);
    vyre_value before = vyre_ir_min(p, *begin, range);
    vyre_value left = vyre_ir_sub(p, range, before);
    return vyre_ir_min(p, left, k->wide.per);
}

/* The handler's own allowance, for all that the lane runs of the chunk, beside the
 * chunk's loop of `turns`. */
static void vyi_wide_allow(vyi_kernel *k, vyre_value turns)
{
    vyre_program *p = k->p;
    const uint32_t allowance = k->wide.running->loop_allowance;
    if (!allowance)
        return;
    vyre_value own = vyre_ir_min(p, turns, k->loops);
    vyre_value rest = vyre_ir_sub(p, k->loops, own);
    vyre_value most = vyi_kernel_op(k, vyre_ir_min, rest, allowance);
    vyre_ir_loop_allow(p, vyre_ir_add(p, own, most));
}

/* Opens the loop over what the chunk has, `step` indexes a turn; the lane's first of
 * the turn. */
static vyre_value vyi_wide_turns(vyi_kernel *k, vyre_value count, vyre_value step)
{
    vyre_program *p = k->p;
    vyre_value whole = vyre_ir_div(p, count, step);
    vyre_value rest = vyre_ir_rem(p, count, step);
    vyre_value more = vyi_kernel_pick(k, vyi_kernel_is(k, rest, 0), 0, 1);
    vyre_value turns = vyre_ir_add(p, whole, more);
    vyi_wide_allow(k, turns);
    vyre_value turn = vyre_ir_loop(p, vyi_kernel_u32(k, 0), turns);
    return vyre_ir_add(p, vyre_ir_mul(p, turn, step), k->wide.lane);
}

static void vyi_wide_one_by_one(vyi_kernel *k, vyre_slot_values *slot, const vyre_handler *h,
                                vyre_value first, vyre_value count)
{
    vyre_program *p = k->p;
    vyre_value offset = vyi_wide_turns(k, count, k->wide.lanes);
    vyre_ir_if(p, vyre_ir_lt(p, offset, count));
    k->wide.index = vyre_ir_name(p, vyre_ir_add(p, first, offset), "index");
    vyi_wide_guest(k, slot, h);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

/* Several indexes a turn.  A lane that has none left loads what the last index loads,
 * and does nothing with it. */
static void vyi_wide_at_once(vyi_kernel *k, vyi_straight *s, vyre_value first, vyre_value count)
{
    vyre_program *p = k->p;
    vyre_value last = vyi_kernel_plus(k, count, UINT32_MAX);
    vyre_value step = vyi_kernel_op(k, vyre_ir_mul, k->wide.lanes, VYI_STRAIGHT_COPIES);
    vyre_value offset = vyi_wide_turns(k, count, step);
    vyre_value inside[VYI_STRAIGHT_COPIES], indexes[VYI_STRAIGHT_COPIES];
    for (uint32_t i = 0; i < VYI_STRAIGHT_COPIES; i++) {
        inside[i] = vyre_ir_lt(p, offset, count);
        indexes[i] = vyre_ir_add(p, first, vyre_ir_min(p, offset, last));
        offset = vyre_ir_add(p, offset, k->wide.lanes);
    }
    vyi_straight_lead(p, s, indexes);
    for (uint32_t i = 0; i < VYI_STRAIGHT_COPIES; i++) {
        vyre_ir_if(p, inside[i]);
        vyi_straight_rest(p, s, i);
        vyre_ir_end(p);
    }
    vyre_ir_end(p);
}

static void vyi_wide_range(vyi_kernel *k, vyre_slot_values *slot, const vyre_handler *h)
{
    vyre_program *p = k->p;
    vyre_value from = slot->arg[0], to = slot->arg[1], begin;
    vyre_value range = vyre_ir_sub(p, vyre_ir_max(p, from, to), from);
    vyre_value count = vyi_wide_count(k, range, &begin);
    vyre_value first = vyre_ir_add(p, from, begin);
    const vyi_ir_place place = vyi_ir_here(p);
    vyi_straight straight;
    vyi_wide_one_by_one(k, slot, h, first, count);
    if (vyi_guest_straight(p, k->wide.index, &straight)) {
        vyi_ir_take_back(p, place);
        vyi_wide_at_once(k, &straight, first, count);
    }
}

/* The barrier lets each tile begin with what workgroup arrays hold from no other
 * lane's tile before. */
static void vyi_wide_tiles(vyi_kernel *k, vyre_slot_values *slot, const vyre_handler *h)
{
    vyre_program *p = k->p;
    vyre_value begin, count = vyi_wide_count(k, slot->arg[0], &begin);
    vyi_wide_allow(k, count);
    vyre_value turn = vyre_ir_loop(p, vyi_kernel_u32(k, 0), count);
    vyre_ir_barrier(p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
    k->wide.index = vyre_ir_name(p, vyre_ir_uniform(p, vyre_ir_add(p, begin, turn)), "tile");
    vyi_wide_guest(k, slot, h);
    vyre_ir_end(p);
}

/* After the handler: this lane's fault, and the chunk is finished.  The group meets, and the
 * first lane's release is one for all that the others wrote before. */
static void vyi_wide_finish(vyi_kernel *k, vyre_local last)
{
    vyre_program *p = k->p;
    vyi_kernel_settle_loops(k);
    vyre_value fault = vyre_ir_get(p, k->fault), none = vyi_kernel_u32(k, VYRE_FAULT_NONE);
    vyre_value one = vyi_kernel_u32(k, 1);
    vyre_ir_if(p, vyre_ir_ne(p, fault, none));
    vyre_value stood = vyre_ir_atomic_cas(p, k->wide.buffer, vyi_wide_at(k, VYI_WIDE_FAULT), none,
                                          fault, VYRE_ORDER_RELAXED);
    vyi_checked_leave(k, fault, stood);
    vyre_ir_atomic(p, VYRE_ATOMIC_OR, k->wide.buffer, vyi_wide_at(k, VYI_WIDE_FINISHED),
                   vyi_kernel_u32(k, VYI_WIDE_FAULTED), VYRE_ORDER_RELAXED);
    vyre_ir_end(p);
    vyi_wide_sums_meet(k);
    vyre_ir_barrier(p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
    vyre_ir_if(p, vyi_kernel_is(k, k->wide.lane, 0));
    vyi_wide_sums_leave(k);
    vyi_times_chunk_end(k);
    vyre_value before = vyre_ir_atomic(p, VYRE_ATOMIC_ADD, k->wide.buffer,
                                       vyi_wide_at(k, VYI_WIDE_FINISHED), one,
                                       VYRE_ORDER_ACQ_REL);
    vyre_value finished = vyi_kernel_op(k, vyre_ir_and, before, VYI_WIDE_FAULTED - 1);
    vyre_ir_if(p, vyre_ir_eq(p, vyi_kernel_plus(k, finished, 1), k->wide.chunks));
    vyi_wide_results(k);
    vyre_ir_set(p, last, before);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

/* Takes back the loads of arguments that the handler does not use. */
static void vyi_wide_prune(vyi_kernel *k, const vyre_value *args)
{
    const vyre_program *p = k->p;
    vyre_value loads[VYRE_MAX_ARGS];
    for (uint32_t i = 0; i < VYRE_MAX_ARGS && p->error.status == VYRE_OK; i++)
        loads[i].id = vyi_definition(p, args[i].id)->arg[0];
    vyi_kernel_prune(k, args, VYRE_MAX_ARGS);
    vyi_kernel_prune(k, loads, VYRE_MAX_ARGS);
}

/* Of a chunk that was claimed when its work had been taken back, by one lane.  In a
 * tile pass the host has looked before. */
static vyre_value vyi_wide_verdict(vyi_kernel *k)
{
    vyre_program *p = k->p;
    if (!k->wish.id)
        return vyi_kernel_u32(k, VYRE_FAULT_NONE);
    vyre_value wanted = vyi_kernel_is(k, k->wish, 0);
    vyre_value other = vyi_kernel_op(k, vyre_ir_ne, k->wide.lane, 0);
    return vyi_kernel_pick(k, vyre_ir_or(p, wanted, other), VYRE_FAULT_NONE,
                           VYRE_FAULT_CANCELLED);
}

static void vyi_wide_run(vyi_kernel *k, const vyre_handler *h, vyre_local last)
{
    vyre_program *p = k->p;
    vyre_slot_values slot = vyi_kernel_slot_values(k);
    slot.opcode = k->shape.payload ? vyi_wide_word(k, VYRE_SLOT_OPCODE)
                                   : vyi_kernel_u32(k, h->opcode);
    slot.tenant = vyi_checked_tenant(k, vyi_wide_word(k, VYRE_SLOT_TENANT));
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
        slot.arg[i] = vyi_wide_word(k, VYRE_SLOT_ARGS + i);
    slot.lane = k->wide.lane;
    slot.lanes = k->wide.lanes;
    k->wide.running = h;
    k->self = &k->wide;
    k->fault = vyre_ir_local(p, VYRE_TYPE_U32, vyi_wide_verdict(k), "fault");
    vyi_checked_locals(k);
    vyi_wide_sums_begin(k);
    vyre_ir_loop_allow(p, k->allowance);
    if (k->events.id) {
        vyre_value runs = vyi_order_chunk_runs(k, vyi_wide_word(k, VYRE_SLOT_PRIORITY));
        vyre_ir_if(p, vyre_ir_not(p, runs));
        vyi_kernel_raise(k, VYRE_FAULT_AFTER);
        vyre_ir_else(p);
    }
    if (k->wish.id)
        vyre_ir_if(p, vyi_kernel_is(k, k->wish, 0));
    if (h->width == VYRE_WIDTH_RANGE)
        vyi_wide_range(k, &slot, h);
    else
        vyi_wide_tiles(k, &slot, h);
    if (k->wish.id)
        vyre_ir_end(p);
    if (k->events.id)
        vyre_ir_end(p);
    k->self = NULL;
    vyi_wide_prune(k, slot.arg);
    vyi_wide_finish(k, last);
}

/* The code of the first fault, into the slot; asked for only where there was one. */
static vyre_local vyi_wide_fault(vyi_kernel *k, vyre_value finished)
{
    vyre_program *p = k->p;
    vyre_value zero = vyi_kernel_u32(k, 0);
    vyre_local code = vyre_ir_local(p, VYRE_TYPE_U32, zero, "code");
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ge, finished, VYI_WIDE_FAULTED));
    vyre_value fault = vyre_ir_atomic(p, VYRE_ATOMIC_EXCHANGE, k->wide.buffer,
                                      vyi_wide_at(k, VYI_WIDE_FAULT), zero, VYRE_ORDER_RELAXED);
    vyre_ir_store(p, k->ring, vyi_kernel_plus(k, k->base, VYRE_SLOT_FAULT), fault);
    vyi_checked_take(k, fault);
    vyre_ir_set(p, code, fault);
    vyre_ir_end(p);
    return code;
}

/* By one lane, after the last chunk; `finished` is what its count found.  Whoever sees
 * the mirror may publish the slot again: one release there stands before it for all
 * that the end stores.  Without a mirror the status is what is seen, and has it. */
static void vyi_wide_end_work(vyi_kernel *k, vyre_value finished)
{
    vyre_program *p = k->p;
    vyi_times_ended(k);
    vyre_value fault = vyre_ir_get(p, vyi_wide_fault(k, finished));
    vyre_value done = vyi_kernel_is(k, fault, VYRE_FAULT_NONE);
    if (!k->shape.payload)
        vyi_kernel_metric(k, vyi_wide_word(k, VYRE_SLOT_OPCODE));
    vyi_kernel_put(k, k->wide.buffer, vyi_wide_at(k, VYI_WIDE_FINISHED), 0, VYRE_ORDER_RELAXED);
    vyre_ir_atomic_store(p, k->wide.buffer, vyi_wide_at(k, VYI_WIDE_DONE), k->wide.generation,
                         VYRE_ORDER_RELAXED);
    vyre_value status = vyi_kernel_pick(k, done, VYRE_SLOT_DONE, VYRE_SLOT_FAULTED);
    vyre_value mirror = vyre_ir_or(p, vyi_kernel_op(k, vyre_ir_shl, fault, 8), status);
    vyre_ir_atomic_store(p, k->ring, k->base, status,
                         k->mirror.id ? VYRE_ORDER_RELAXED : VYRE_ORDER_RELEASE);
    if (k->mirror.id)
        vyre_ir_atomic_store(p, k->mirror, vyi_kernel_op(k, vyre_ir_shr, k->base, 4), mirror,
                             VYRE_ORDER_RELEASE);
    if (k->events.id)
        vyi_order_wide_end(k, vyi_wide_word(k, VYRE_SLOT_PRIORITY), status);
    vyre_value counter = vyi_kernel_pick(k, done, VYRE_CONTROL_DONE_COUNT,
                                         VYRE_CONTROL_FAULT_COUNT);
    vyi_kernel_count(k, counter, VYRE_ORDER_RELEASE);
}

VYI_API void vyi_wide_chunk(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value none = vyi_kernel_u32(k, VYI_WIDE_NOT_LAST);
    vyre_local last = vyre_ir_local(p, VYRE_TYPE_U32, none, "last");
    vyi_times_chunk_begin(k);
    if (k->shape.payload) {
        const vyre_handler payload = vyi_kernel_payload(k);
        vyi_wide_run(k, &payload, last);
    } else {
        vyre_ir_switch(p, vyi_wide_word(k, VYRE_SLOT_OPCODE));
        for (uint32_t i = 0; i < k->desc.handler_count; i++) {
            if (k->desc.handlers[i].width == VYRE_WIDTH_LANE)
                continue;
            vyre_ir_case(p, k->desc.handlers[i].opcode);
            vyi_wide_run(k, &k->desc.handlers[i], last);
        }
        vyre_ir_end(p);
    }
    vyre_value finished = vyre_ir_get(p, last);
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, finished, VYI_WIDE_NOT_LAST));
    vyi_wide_end_work(k, finished);
    vyre_ir_end(p);
}

/* --- the tile pass -------------------------------------------------------- */

/* What HEAD says; the host writes it while nothing is in flight. */
VYI_API vyre_value vyi_wide_head(vyi_kernel *k, uint32_t word)
{
    vyre_value at = vyi_kernel_u32(k, VYI_WIDE_HEAD + word);
    return vyre_ir_uniform(k->p, vyre_ir_load(k->p, k->wide.buffer, at));
}

static vyre_value vyi_wide_described(vyi_kernel *k, vyre_value which, uint32_t word)
{
    vyre_value at = vyi_kernel_plus(k, which, word);
    return vyre_ir_uniform(k->p, vyre_ir_load(k->p, k->wide.buffer, at));
}

VYI_API void vyi_wide_values(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_buffer_desc sums;
    memset(&sums, 0, sizeof sums);
    sums.name = "sums";
    sums.access = VYRE_ACCESS_WORKGROUP;
    sums.count = VYRE_MAX_ARGS;
    k->wide.sums = vyi_kernel_own_buffer(k, &sums);
    k->wide.lane = vyre_ir_name(p, vyre_ir_builtin(p, VYRE_BUILTIN_LOCAL_INDEX), "lane");
    k->wide.lanes = vyre_ir_name(p, vyre_ir_builtin(p, VYRE_BUILTIN_GROUP_SIZE_X), "lanes");
}

/* One work, a group for each chunk.  It has the launch to itself, and all loop
 * iterations that the driver leaves it. */
VYI_COLD
VYI_API void vyi_wide_pass(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyi_wide_values(k);
    vyre_value left = vyre_ir_builtin(p, VYRE_BUILTIN_LOOP_LEFT);
    vyre_value most = vyi_kernel_op(k, vyre_ir_max, left, VYI_KERNEL_LOOP_MARGIN);
    vyre_value rest = vyi_kernel_op(k, vyre_ir_sub, most, VYI_KERNEL_LOOP_MARGIN);
    k->loops = rest;
    k->allowance = vyi_kernel_op(k, vyre_ir_min, rest, k->desc.loop_allowance);
    vyre_value slot = vyi_wide_head(k, VYI_WIDE_PASS_SLOT);
    vyre_value which = vyi_wide_head(k, VYI_WIDE_PASS_STATE);
    k->base = vyre_ir_name(p, vyi_kernel_op(k, vyre_ir_shl, slot, 4), "slot_base");
    vyre_value state = vyi_kernel_op(k, vyre_ir_mul, which, VYI_WIDE_STATE_WORDS);
    k->wide.state = vyi_kernel_plus(k, state, VYI_WIDE_STATES);
    k->wide.per = vyi_wide_described(k, which, VYI_WIDE_PER);
    vyre_value described = vyi_wide_described(k, which, VYI_WIDE_CHUNKS);
    k->wide.chunks = vyi_kernel_op(k, vyre_ir_and, described, VYI_GATE_COUNT);
    k->wide.generation = vyi_wide_head(k, VYI_WIDE_PASS_GENERATION);
    vyre_value group = vyre_ir_builtin(p, VYRE_BUILTIN_GROUP_ID_X);
    k->wide.chunk = vyre_ir_add(p, group, vyi_wide_head(k, VYI_WIDE_PASS_FIRST));
    vyi_wide_chunk(k);
}

/* ==========================================================================
 * kernel: what a claimed slot does
 *
 * Private.  A slot is a list of operations: one, whose arguments are the
 * slot's, or those of its packed payload.  Each opcode's code stands in the
 * program once, as a case of one switch inside the loop over operations.
 *
 * Operations reach control through atomics, in no order with each other: the
 * release of the slot's status, which comes last, orders all of them.
 * ======================================================================= */
#include "kernel/kernel_impl.h"

/* --- built-in opcodes ---------------------------------------------------- */

static vyre_value vyi_opcode_arg(vyi_kernel *k, uint32_t i)
{
    return vyre_ir_get(k->p, k->arg[i]);
}

/* The fault of writing control[index], or 0. */
static vyre_value vyi_opcode_write_fault(vyi_kernel *k, vyre_value index)
{
    vyre_program *p = k->p;
    vyre_value fault = vyi_kernel_u32(k, VYRE_FAULT_NONE);
    if (!k->desc.open_header) {
        vyre_value header = vyi_kernel_op(k, vyre_ir_lt, index, VYRE_CONTROL_OBSERVABLES);
        fault = vyi_kernel_pick(k, header, VYRE_FAULT_HEADER, VYRE_FAULT_NONE);
    }
    vyre_value exists = vyre_ir_lt(p, index, k->control_words);
    return vyre_ir_select(p, exists, fault, vyi_kernel_u32(k, VYRE_FAULT_INDEX));
}

/* Records `fault` and opens a block for what happens without one. */
static void vyi_opcode_unless(vyi_kernel *k, vyre_value fault)
{
    vyre_ir_set(k->p, k->fault, fault);
    vyre_ir_if(k->p, vyi_kernel_is(k, fault, VYRE_FAULT_NONE));
}

/* For an operation that one condition allows. */
static void vyi_opcode_if(vyi_kernel *k, vyre_value allowed, uint32_t fault)
{
    vyi_opcode_unless(k, vyi_kernel_pick(k, allowed, VYRE_FAULT_NONE, fault));
}

static void vyi_opcode_nop(vyi_kernel *k)
{
    (void)k;
}

static void vyi_opcode_store_u32(vyi_kernel *k)
{
    vyre_value index = vyi_opcode_arg(k, 1);
    vyi_opcode_unless(k, vyi_opcode_write_fault(k, index));
    vyre_ir_atomic_store(k->p, k->control, index, vyi_opcode_arg(k, 0), VYRE_ORDER_RELAXED);
    vyre_ir_end(k->p);
}

static void vyi_opcode_atomic_add(vyi_kernel *k)
{
    vyre_value index = vyi_opcode_arg(k, 1);
    vyi_opcode_unless(k, vyi_opcode_write_fault(k, index));
    vyre_ir_atomic(k->p, VYRE_ATOMIC_ADD, k->control, index, vyi_opcode_arg(k, 0),
                   VYRE_ORDER_RELAXED);
    vyre_ir_end(k->p);
}

/* observable[index] = value; a word that does not exist takes nothing. */
static void vyi_opcode_observe(vyi_kernel *k, vyre_value index, vyre_value value)
{
    vyre_ir_atomic_store(k->p, k->control, vyi_kernel_plus(k, index, VYRE_CONTROL_OBSERVABLES),
                         value, VYRE_ORDER_RELAXED);
}

static void vyi_opcode_load_u32(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value from = vyi_opcode_arg(k, 0), to = vyi_opcode_arg(k, 1);
    vyre_value readable = vyre_ir_lt(p, from, k->control_words);
    vyre_value both = vyre_ir_and(p, readable, vyre_ir_lt(p, to, k->observables));
    vyi_opcode_if(k, both, VYRE_FAULT_INDEX);
    vyi_opcode_observe(k, to, vyre_ir_atomic_load(p, k->control, from, VYRE_ORDER_RELAXED));
    vyre_ir_end(p);
}

/* The index of the word before is below the length, so adding the base of the
 * observables to it does not wrap. */
static void vyi_opcode_compare_swap(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value index = vyi_opcode_arg(k, 0), from = vyi_opcode_arg(k, 1), to = vyi_opcode_arg(k, 2);
    vyi_opcode_unless(k, vyi_opcode_write_fault(k, index));
    vyre_value before = vyre_ir_atomic_cas(p, k->control, index, from, to, VYRE_ORDER_RELAXED);
    vyi_opcode_observe(k, index, before);
    vyre_ir_end(p);
}

/* True when `count` words from `first` on exist; nothing wraps. */
static vyre_value vyi_opcode_range(vyi_kernel *k, vyre_value first, vyre_value count)
{
    vyre_program *p = k->p;
    vyre_value fits = vyre_ir_le(p, count, k->control_words);
    vyre_value last = vyre_ir_sub(p, k->control_words, count);
    return vyre_ir_and(p, fits, vyre_ir_le(p, first, last));
}

static vyre_value vyi_opcode_memcpy_fault(vyi_kernel *k, vyre_value from, vyre_value to,
                                          vyre_value count)
{
    vyre_program *p = k->p;
    vyre_value fault = vyi_kernel_u32(k, VYRE_FAULT_NONE);
    if (!k->desc.open_header) {
        vyre_value header = vyi_kernel_op(k, vyre_ir_lt, to, VYRE_CONTROL_OBSERVABLES);
        vyre_value writes = vyi_kernel_op(k, vyre_ir_ne, count, 0);
        vyre_value barred = vyre_ir_and(p, header, writes);
        fault = vyi_kernel_pick(k, barred, VYRE_FAULT_HEADER, VYRE_FAULT_NONE);
    }
    vyre_value source = vyi_opcode_range(k, from, count);
    vyre_value exist = vyre_ir_and(p, source, vyi_opcode_range(k, to, count));
    return vyre_ir_select(p, exist, fault, vyi_kernel_u32(k, VYRE_FAULT_INDEX));
}

/* Upwards from the last word, downwards from the first: right for ranges that
 * overlap and for those that do not. */
static void vyi_opcode_memcpy(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value from = vyi_opcode_arg(k, 0), to = vyi_opcode_arg(k, 1), count = vyi_opcode_arg(k, 2);
    vyi_opcode_unless(k, vyi_opcode_memcpy_fault(k, from, to, count));
    vyre_value up = vyre_ir_gt(p, to, from);
    vyre_value last = vyi_kernel_plus(k, count, UINT32_MAX);
    vyre_value i = vyre_ir_loop(p, vyi_kernel_u32(k, 0), count);
    vyre_value at = vyre_ir_select(p, up, vyre_ir_sub(p, last, i), i);
    vyre_value word = vyre_ir_atomic_load(p, k->control, vyre_ir_add(p, from, at),
                                          VYRE_ORDER_RELAXED);
    vyre_ir_atomic_store(p, k->control, vyre_ir_add(p, to, at), word, VYRE_ORDER_RELAXED);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

/* True when table[row + symbol] exists, row being 256 * state; nothing wraps. */
static vyre_value vyi_opcode_in_table(vyi_kernel *k, vyre_value state, vyre_value row,
                                      vyre_value symbol)
{
    vyre_program *p = k->p;
    vyre_value length = vyre_ir_length(p, k->table);
    vyre_value whole = vyi_kernel_op(k, vyre_ir_lt, state, 1u << 24);
    vyre_value in_table = vyre_ir_and(p, whole, vyre_ir_lt(p, row, length));
    vyre_value left = vyre_ir_sub(p, length, row);
    return vyre_ir_and(p, in_table, vyre_ir_lt(p, symbol, left));
}

static void vyi_opcode_dfa_step(vyi_kernel *k)
{
    vyre_program *p = k->p;
    if (!k->table.id) {
        vyi_kernel_raise(k, VYRE_FAULT_TABLE);
        return;
    }
    vyre_value state = vyi_opcode_arg(k, 0), symbol = vyi_opcode_arg(k, 1);
    vyre_value to = vyi_opcode_arg(k, 2);
    vyre_value row = vyi_kernel_op(k, vyre_ir_shl, state, 8);
    vyre_value observable = vyre_ir_lt(p, to, k->observables);
    vyre_value fault = vyi_kernel_pick(k, observable, VYRE_FAULT_NONE, VYRE_FAULT_INDEX);
    vyre_value found = vyi_opcode_in_table(k, state, row, symbol);
    vyi_opcode_unless(k, vyre_ir_select(p, found, fault, vyi_kernel_u32(k, VYRE_FAULT_TABLE)));
    vyi_opcode_observe(k, to, vyre_ir_load(p, k->table, vyre_ir_add(p, row, symbol)));
    vyre_ir_end(p);
}

static void vyi_opcode_batch_fence(vyi_kernel *k)
{
    vyre_value tag = vyi_opcode_arg(k, 1);
    vyi_kernel_count_at(k, VYRE_CONTROL_EPOCH, VYRE_ORDER_RELAXED);
    vyi_opcode_observe(k, vyi_kernel_u32(k, 0), tag);
}

static void vyi_opcode_shutdown(vyi_kernel *k)
{
    vyi_kernel_put(k, k->control, vyi_kernel_u32(k, VYRE_CONTROL_SHUTDOWN), 1,
                   VYRE_ORDER_RELAXED);
}

static void vyi_opcode_printf(vyi_kernel *k)
{
    vyi_kernel_log(k, NULL);
}

static void vyi_opcode_unknown(vyi_kernel *k)
{
    vyi_kernel_raise(k, VYRE_FAULT_OPCODE);
}

/* A wide work in a slot that one lane serves. */
static void vyi_opcode_too_wide(vyi_kernel *k)
{
    vyre_value packed = vyi_kernel_is(k, k->opcode, VYRE_OP_PACKED_SLOT);
    vyre_ir_set(k->p, k->fault, vyi_kernel_pick(k, packed, VYRE_FAULT_PACKED, VYRE_FAULT_OPCODE));
}

/* --- callers' opcodes ---------------------------------------------------- */

/* Takes back the loads that the kernel itself emitted for a guest and that the
 * guest does not use; a constant without a reader is dropped later. */
VYI_API void vyi_kernel_prune(vyi_kernel *k, const vyre_value *loads, uint32_t count)
{
    vyre_program *p = k->p;
    for (uint32_t n = 0; n < count && p->error.status == VYRE_OK; n++) {
        bool used = false;
        for (uint32_t i = loads[n].id; i < p->count && !used; i++)
            for (uint32_t a = 0; a < 4; a++)
                used = used || ((vyi_op_describe(p->insts[i].op)->values >> a & 1) &&
                                p->insts[i].arg[a] == loads[n].id);
        if (!used) {
            vyi_inst *inst = &p->insts[loads[n].id - 1];
            memset(inst, 0, sizeof *inst);
            inst->op = VYI_OP_CONST;
            inst->type = VYRE_TYPE_U32;
        }
    }
}

VYI_API vyre_slot_values vyi_kernel_slot_values(vyi_kernel *k)
{
    vyre_slot_values slot;
    memset(&slot, 0, sizeof slot);
    slot.slot_base = k->base;
    slot.tenant = k->tenant;
    slot.control = k->control;
    slot.ring = k->ring;
    slot.log = k->log;
    slot.io = k->io;
    slot.buffers = k->user;
    slot.buffer_count = k->desc.buffer_count;
    slot.workspace = k->workspace;
    slot.internal = k;
    return slot;
}

VYI_API void vyi_kernel_guest_begin(vyre_program *p, const vyre_handler *h, bool apart,
                                    const vyre_value *args)
{
    char name[96];
    if (h->name)
        snprintf(name, sizeof name, "handler \"%s\"", h->name);
    else
        snprintf(name, sizeof name, "handler 0x%X", (unsigned)h->opcode);
    vyi_guest_begin(p, name, apart, args, VYRE_MAX_ARGS);
}

VYI_API void vyi_kernel_guest_run(vyi_kernel *k, const vyre_slot_values *slot,
                                  const vyre_handler *h)
{
#ifndef VYRE_NO_SOURCE
    if (h->source) {
        vyi_source_handler(k, slot, h);
        return;
    }
#endif
    h->emit(k->p, slot, h->user);
}

VYI_API vyre_handler vyi_kernel_payload(const vyi_kernel *k)
{
    const vyre_handler payload = { 0, k->desc.payload, k->desc.payload_user, "payload",
                                   k->desc.payload_width, 0, k->desc.payload_source, 0 };
    return payload;
}

static void vyi_opcode_handler(vyi_kernel *k, const vyre_handler *h)
{
    vyre_program *p = k->p;
    vyre_slot_values slot = vyi_kernel_slot_values(k);
    slot.opcode = vyi_kernel_u32(k, h->opcode);
    vyre_value word[VYRE_MAX_ARGS];
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
        if (i >= VYI_KERNEL_EARLY_ARGS)
            word[i] = vyi_kernel_word(k, i);
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
        slot.arg[i] = i < VYI_KERNEL_EARLY_ARGS ? vyi_opcode_arg(k, i)
                                                : vyre_ir_load(p, k->ring, word[i]);

    if (h->loop_allowance)
        vyre_ir_loop_allow(p, vyi_kernel_op(k, vyre_ir_min, k->loops, h->loop_allowance));
    vyi_kernel_guest_begin(p, h, true, slot.arg);
    vyi_checked_watch(k);
    vyi_kernel_guest_run(k, &slot, h);
    vyi_guest_end(p);
    vyi_kernel_prune(k, slot.arg, VYRE_MAX_ARGS);
    if (h->loop_allowance) {
        vyi_kernel_settle_loops(k);
        vyre_ir_loop_allow(p, k->allowance); /* of what follows in a packed slot */
    }
}

/* --- dispatch ------------------------------------------------------------ */

typedef struct vyi_opcode_builtin {
    uint32_t opcode;
    void (*emit)(vyi_kernel *k);
} vyi_opcode_builtin;

/* Once for all opcodes: a device without branches walks through every counter. */
VYI_API void vyi_kernel_metric(vyi_kernel *k, vyre_value opcode)
{
    vyre_ir_if(k->p, vyi_kernel_op(k, vyre_ir_lt, opcode, VYRE_METRICS));
    vyi_kernel_count(k, vyi_kernel_plus(k, opcode, VYRE_CONTROL_METRICS), VYRE_ORDER_RELAXED);
    vyre_ir_end(k->p);
}

static void vyi_opcode_dispatch(vyi_kernel *k, vyre_value opcode)
{
    static const vyi_opcode_builtin builtins[] = {
        { VYRE_OP_NOP, vyi_opcode_nop },
        { VYRE_OP_STORE_U32, vyi_opcode_store_u32 },
        { VYRE_OP_ATOMIC_ADD, vyi_opcode_atomic_add },
        { VYRE_OP_LOAD_U32, vyi_opcode_load_u32 },
        { VYRE_OP_COMPARE_SWAP, vyi_opcode_compare_swap },
        { VYRE_OP_MEMCPY, vyi_opcode_memcpy },
        { VYRE_OP_DFA_STEP, vyi_opcode_dfa_step },
        { VYRE_OP_BATCH_FENCE, vyi_opcode_batch_fence },
        { VYRE_OP_LOAD_MISS, vyi_kernel_load_miss },
        { VYRE_OP_PRINTF, vyi_opcode_printf },
        { VYRE_OP_SHUTDOWN, vyi_opcode_shutdown }
    };
    vyi_kernel_metric(k, opcode);
    vyre_ir_switch(k->p, opcode);
    for (size_t i = 0; i < sizeof builtins / sizeof builtins[0]; i++) {
        if (builtins[i].opcode == VYRE_OP_LOAD_MISS && !k->desc.load_miss)
            continue;
        vyre_ir_case(k->p, builtins[i].opcode);
        builtins[i].emit(k);
    }
    for (uint32_t i = 0; i < k->desc.handler_count; i++) {
        const vyre_handler *h = &k->desc.handlers[i];
        vyre_ir_case(k->p, h->opcode);
        if (h->width == VYRE_WIDTH_LANE)
            vyi_opcode_handler(k, h);
        else
            vyi_opcode_too_wide(k);
    }
    vyre_ir_default(k->p);
    vyi_opcode_unknown(k);
    vyre_ir_end(k->p);
}

/* --- packed slots -------------------------------------------------------- */

/* Half-word `index` of the payload: { count, argument words } at 0, then an
 * { opcode, offset of its first argument } for each operation. */
static vyre_value vyi_packed_pair(vyi_kernel *k, vyre_value index)
{
    vyre_program *p = k->p;
    vyre_value at = vyre_ir_add(p, k->base, vyi_kernel_op(k, vyre_ir_shr, index, 1));
    vyre_value word = vyre_ir_load(p, k->ring, vyi_kernel_plus(k, at, VYRE_SLOT_ARGS));
    vyre_value odd = vyi_kernel_op(k, vyre_ir_and, index, 1);
    vyre_value shift = vyi_kernel_op(k, vyre_ir_shl, odd, 4);
    return vyi_kernel_op(k, vyre_ir_and, vyre_ir_shr(p, word, shift), 0xffff);
}

static vyre_value vyi_packed_offset(vyi_kernel *k, vyre_value pair)
{
    return vyi_kernel_op(k, vyre_ir_shr, pair, 8);
}

typedef struct vyi_packed {
    vyre_value is_packed;
    vyre_value count; /* operations */
    vyre_value args;  /* argument words, all operations together */
    vyre_value area;  /* word index in the ring of the first */
} vyi_packed;

/* From the payload's first word; means nothing unless the slot is packed.  A
 * count of 0 argument words, as payloads written by hand have it, gives the
 * last operation all that is left. */
static vyi_packed vyi_packed_head(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value head = k->early[0], byte = vyi_kernel_u32(k, 0xff);
    vyi_packed packed;
    packed.is_packed = vyi_kernel_is(k, k->opcode, VYRE_OP_PACKED_SLOT);
    packed.count = vyre_ir_and(p, head, byte);
    vyre_value bytes = vyi_kernel_plus(k, packed.count, 2);
    vyre_value meta = vyi_kernel_op(k, vyre_ir_shr, bytes, 1);
    vyre_value room = vyre_ir_sub(p, vyi_kernel_u32(k, VYRE_MAX_ARGS), meta);
    vyre_value args = vyre_ir_and(p, vyi_kernel_op(k, vyre_ir_shr, head, 8), byte);
    packed.args = vyre_ir_select(p, vyi_kernel_is(k, args, 0), room, args);
    packed.area = vyre_ir_add(p, vyi_kernel_plus(k, k->base, VYRE_SLOT_ARGS), meta);
    return packed;
}

/* Metadata and arguments fit the slot, and the offsets do not decrease. */
static void vyi_packed_check(vyi_kernel *k, const vyi_packed *packed)
{
    vyre_program *p = k->p;
    const uint32_t limit = VYRE_SLOT_ARGS + VYRE_MAX_ARGS;
    vyre_value end = vyre_ir_sub(p, vyre_ir_add(p, packed->area, packed->args), k->base);
    vyre_value few = vyi_kernel_op(k, vyre_ir_lt, packed->count, 2 * VYRE_MAX_ARGS);
    vyre_value fits = vyre_ir_and(p, few, vyi_kernel_op(k, vyre_ir_le, end, limit));
    vyi_opcode_if(k, fits, VYRE_FAULT_PACKED);
    vyre_local least = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, 0), "least_offset");
    vyre_value i = vyre_ir_loop(p, vyi_kernel_u32(k, 0), packed->count);
    vyre_value pair = vyi_packed_pair(k, vyi_kernel_plus(k, i, 1));
    vyre_value offset = vyi_packed_offset(k, pair);
    vyre_value back = vyre_ir_lt(p, offset, vyre_ir_get(p, least));
    vyre_ir_if(p, vyre_ir_or(p, back, vyre_ir_gt(p, offset, packed->args)));
    vyi_kernel_raise(k, VYRE_FAULT_PACKED);
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_set(p, least, offset);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

/* Makes operation `i` of the payload the one that runs.  Its arguments end
 * where the next one's begin. */
static void vyi_packed_decode(vyi_kernel *k, const vyi_packed *packed, vyre_value i)
{
    vyre_program *p = k->p;
    vyre_value next = vyi_kernel_plus(k, i, 1);
    vyre_value more = vyre_ir_lt(p, next, packed->count);
    vyre_value pair = vyi_packed_pair(k, next);
    vyre_value after = vyre_ir_select(p, more, vyi_kernel_plus(k, next, 1), next);
    vyre_value offset = vyi_packed_offset(k, pair);
    vyre_value end = vyre_ir_select(p, more, vyi_packed_offset(k, vyi_packed_pair(k, after)),
                                    packed->args);
    vyre_ir_set(p, k->op, vyi_kernel_op(k, vyre_ir_and, pair, 0xff));
    vyre_ir_set(p, k->arg_base, vyre_ir_add(p, packed->area, offset));
    vyre_ir_set(p, k->arg_count, vyre_ir_sub(p, end, offset));
    if (k->given.id)
        vyre_ir_set(p, k->given, vyre_ir_get(p, k->arg_count));
    for (uint32_t a = 0; a < VYI_KERNEL_EARLY_ARGS; a++)
        vyre_ir_set(p, k->arg[a], vyre_ir_load(p, k->ring, vyi_kernel_word(k, a)));
}

/* --- a slot from its claim to its end ------------------------------------ */

/* The fault of a work that was taken back, or none. */
static vyre_value vyi_kernel_verdict(vyi_kernel *k)
{
    if (!k->cancel.id)
        return vyi_kernel_u32(k, VYRE_FAULT_NONE);
    vyre_value wanted = vyi_kernel_is(k, k->wish, 0);
    return vyi_kernel_pick(k, wanted, VYRE_FAULT_NONE, VYRE_FAULT_CANCELLED);
}

static void vyi_slot_locals(vyi_kernel *k)
{
    static const char *const names[VYI_KERNEL_EARLY_ARGS] = { "arg0", "arg1", "arg2" };
    vyre_program *p = k->p;
    k->fault = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_verdict(k), "fault");
    if (k->shape.requeues)
        k->requeue = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "requeue");
    k->arg_base = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_plus(k, k->base, VYRE_SLOT_ARGS),
                                "arg_base");
    k->arg_count = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, VYRE_MAX_ARGS),
                                 "arg_count");
    vyi_checked_locals(k);
    vyi_children_locals(k);
    vyi_task_locals(k);
    if (k->shape.payload)
        return;
    k->op = vyre_ir_local(p, VYRE_TYPE_U32, k->opcode, "op");
    for (uint32_t i = 0; i < VYI_KERNEL_EARLY_ARGS; i++)
        k->arg[i] = vyre_ir_local(p, VYRE_TYPE_U32, k->early[i], names[i]);
}

/* The first fault ends the slot; operations after it do not run. */
static void vyi_slot_operations(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyi_packed packed = vyi_packed_head(k);
    vyre_local count = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, 1), "operations");
    vyre_ir_if(p, packed.is_packed);
    vyi_packed_check(k, &packed);
    vyre_value good = vyi_kernel_is(k, vyre_ir_get(p, k->fault), VYRE_FAULT_NONE);
    vyre_ir_set(p, count, vyre_ir_select(p, good, packed.count, vyi_kernel_u32(k, 0)));
    vyre_ir_end(p);

    vyre_value operations = vyre_ir_get(p, count);
    vyre_value i = vyre_ir_loop(p, vyi_kernel_u32(k, 0), operations);
    vyre_ir_if(p, packed.is_packed);
    vyi_packed_decode(k, &packed, i);
    vyre_ir_end(p);
    vyi_opcode_dispatch(k, vyre_ir_get(p, k->op));
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, vyre_ir_get(p, k->fault), VYRE_FAULT_NONE));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

static void vyi_slot_payload(vyi_kernel *k)
{
    vyre_program *p = k->p;
    if (k->desc.payload_width != VYRE_WIDTH_LANE) {
        vyi_kernel_raise(k, VYRE_FAULT_OPCODE);
        return;
    }
    vyre_slot_values slot = vyi_kernel_slot_values(k);
    slot.opcode = k->opcode;
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
        slot.arg[i] = i < VYI_KERNEL_EARLY_ARGS
                          ? k->early[i]
                          : vyre_ir_load(p, k->ring,
                                         vyi_kernel_plus(k, k->base, VYRE_SLOT_ARGS + i));
    const vyre_handler payload = vyi_kernel_payload(k);
    vyi_guest_begin(p, "the payload", true, slot.arg, VYRE_MAX_ARGS);
    vyi_checked_watch(k);
    vyi_kernel_guest_run(k, &slot, &payload);
    vyi_guest_end(p);
    vyi_kernel_prune(k, slot.arg, VYRE_MAX_ARGS);
    vyi_kernel_prune(k, &slot.opcode, 1);
}

VYI_COLD
VYI_API void vyi_kernel_serve(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyi_slot_locals(k);
    vyre_ir_loop_allow(p, k->allowance);
    vyi_order_serve_begin(k);
    if (k->cancel.id)
        vyre_ir_if(p, vyi_kernel_is(k, k->wish, 0));
    vyi_children_run_begin(k);
    if (k->shape.payload)
        vyi_slot_payload(k);
    else
        vyi_slot_operations(k);
    vyi_children_run_end(k);
    if (k->cancel.id)
        vyre_ir_end(p);
    vyi_order_serve_end(k);
    vyi_kernel_settle_loops(k);
    if (k->children) {
        vyi_children_leave(k);
        return;
    }

    /* Work that is put back has not ended: no counter, no mirror. */
    vyi_task_end_begin(k);
    if (k->requeue.id) {
        vyre_ir_if(p, vyre_ir_get(p, k->requeue));
        vyi_kernel_put(k, k->ring, k->base, VYRE_SLOT_REQUEUE, VYRE_ORDER_RELEASE);
        vyi_kernel_count_at(k, VYRE_CONTROL_REQUEUES, VYRE_ORDER_RELAXED);
        vyre_ir_else(p);
    }
    vyi_kernel_slot_end(k);
    if (k->requeue.id)
        vyre_ir_end(p);
    vyi_task_end_end(k);
}

VYI_COLD
VYI_API void vyi_kernel_serve_either(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_local rare = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "rare");
    vyi_kernel_serve_common(k, rare);
    vyre_ir_if(p, vyre_ir_get(p, rare));
    if (k->shape.whole)
        vyre_ir_barrier(p, VYRE_SCOPE_DEVICE, VYRE_ORDER_ACQUIRE);
    vyi_kernel_serve(k);
    vyre_ir_end(p);
}

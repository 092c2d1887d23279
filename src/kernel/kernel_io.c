/* ==========================================================================
 * kernel: LOAD_MISS, vyre_emit_io, and the IO queue
 *
 * An IO slot goes round through its status, and each step has one owner:
 *
 *     EMPTY -> RESERVED    a lane that asks, by CAS; it fills the request
 *     RESERVED -> PUBLISHED  the same lane, release
 *     PUBLISHED -> CLAIMED -> OK or ERROR   the host
 *     OK, ERROR -> EMPTY   the waiting lane, or io_polling's first lane
 *
 * A lane that has waited long enough gives its request up, but the slot stays
 * the host's until it is answered; then io_polling recycles it.
 *
 * In a kernel with tasks the job leaves the lane instead: its slot becomes WAIT_IO, which the
 * host ends once it has answered, and the handler runs again, up to the request, whose
 * answer it finds.  The mark of the IO slot stays meanwhile.  Whoever does not come to the
 * request again gives it up at the slot's end.
 *
 * A kernel that does both must not take an answer from a lane that waits for
 * it.  Such a lane marks its slot in VYRE_CONTROL_IO_WAITED before it publishes.
 * Whoever recycles first moves the answer to RESERVED, by CAS, so that nothing
 * about the slot can change, and then looks at the mark (again): a poller that
 * finds it set puts the answer back.  A lane that takes its own answer clears
 * the mark before the slot becomes EMPTY, since the next owner sets it again.
 * ======================================================================= */
#include "kernel/kernel_impl.h"

/* Taken by a lane of the device; to the host it is no status that it knows. */
#define VYI_IO_RESERVED 0x12u

static vyre_value vyi_io_slots(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value slots = vyi_kernel_op(k, vyre_ir_shr, vyre_ir_length(p, k->io), 3);
    return vyi_kernel_op(k, vyre_ir_min, slots, VYRE_IO_SLOTS);
}

static vyre_value vyi_io_status_index(vyi_kernel *k, vyre_value slot)
{
    return vyi_kernel_plus(k, vyi_kernel_op(k, vyre_ir_shl, slot, 3), VYRE_IO_STATUS);
}

static vyre_value vyi_io_is_answer(vyi_kernel *k, vyre_value status)
{
    vyre_value ok = vyi_kernel_is(k, status, VYRE_IO_OK);
    return vyre_ir_or(k->p, ok, vyi_kernel_is(k, status, VYRE_IO_ERROR));
}

/* From one that stands in a status, which a host has written. */
static vyre_value vyi_io_pending_slot(vyi_kernel *k, vyre_value pending)
{
    vyre_value slot = vyi_kernel_plus(k, pending, UINT32_MAX);
    return vyi_kernel_op(k, vyre_ir_and, slot, VYRE_IO_SLOTS - 1);
}

/* --- the marks of waiting lanes ------------------------------------------ */

static vyre_value vyi_io_mark_word(vyi_kernel *k, vyre_value slot)
{
    return vyi_kernel_plus(k, vyi_kernel_op(k, vyre_ir_shr, slot, 5), VYRE_CONTROL_IO_WAITED);
}

static void vyi_io_set_mark(vyi_kernel *k, vyre_value slot, bool waits)
{
    vyre_program *p = k->p;
    if (!k->shape.marks_io)
        return;
    vyre_value bit = vyre_ir_shl(p, vyi_kernel_u32(k, 1), slot);
    vyre_value word = vyi_io_mark_word(k, slot);
    if (waits)
        vyre_ir_atomic(p, VYRE_ATOMIC_OR, k->control, word, bit, VYRE_ORDER_RELAXED);
    else
        vyre_ir_atomic(p, VYRE_ATOMIC_AND, k->control, word, vyre_ir_not(p, bit),
                       VYRE_ORDER_RELEASE);
}

static vyre_value vyi_io_is_waited_for(vyi_kernel *k, vyre_value slot)
{
    vyre_program *p = k->p;
    if (!k->shape.marks_io)
        return vyre_ir_bool(p, false);
    vyre_value marks = vyre_ir_atomic_load(p, k->control, vyi_io_mark_word(k, slot),
                                           VYRE_ORDER_ACQUIRE);
    vyre_value mark = vyi_kernel_op(k, vyre_ir_and, vyre_ir_shr(p, marks, slot), 1);
    return vyi_kernel_is(k, mark, 1);
}

/* --- asking -------------------------------------------------------------- */

/* The IO slot that is now this lane's, or VYRE_IO_SLOTS. */
static vyre_value vyi_io_reserve(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_local found = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, VYRE_IO_SLOTS),
                                     "io_slot");
    vyre_value slots = vyi_io_slots(k);
    vyre_value slot = vyre_ir_loop(p, vyi_kernel_u32(k, 0), slots);
    vyre_value at = vyi_io_status_index(k, slot);
    vyre_value empty = vyi_kernel_u32(k, VYRE_IO_EMPTY);
    vyre_value status = vyre_ir_atomic_load(p, k->io, at, VYRE_ORDER_RELAXED);
    vyre_ir_if(p, vyre_ir_eq(p, status, empty));
    vyre_value before = vyre_ir_atomic_cas(p, k->io, at, empty,
                                           vyi_kernel_u32(k, VYI_IO_RESERVED),
                                           VYRE_ORDER_ACQUIRE);
    vyre_ir_if(p, vyre_ir_eq(p, before, empty));
    vyre_ir_set(p, found, slot);
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
    return vyre_ir_get(p, found);
}

/* The IO slot's word, behind those of the ring's. */
static vyre_value vyi_io_mirror_index(vyi_kernel *k, vyre_value slot)
{
    vyre_value slots = vyi_kernel_op(k, vyre_ir_shr, vyre_ir_length(k->p, k->ring), 4);
    return vyi_kernel_plus(k, vyre_ir_add(k->p, slots, slot), VYI_WIDE_SLOTS - k->desc.children);
}

/* A host that polls the mirror finds another number there for each request. */
static void vyi_io_tell(vyi_kernel *k, vyre_value slot)
{
    vyre_program *p = k->p;
    if (!k->mirror.id)
        return;
    vyre_value before = vyre_ir_atomic(p, VYRE_ATOMIC_ADD, k->control,
                                       vyi_kernel_u32(k, VYRE_CONTROL_IO_REQUESTS),
                                       vyi_kernel_u32(k, 2), VYRE_ORDER_RELAXED);
    vyre_value number = vyi_kernel_op(k, vyre_ir_or, before, 1);
    vyre_ir_atomic_store(p, k->mirror, vyi_io_mirror_index(k, slot), number,
                         VYRE_ORDER_RELEASE);
}

/* For a host that wants to know who waits for an answer: 1 and the slot whose work
 * does, behind the words of vyi_io_tell and vyi_io_tell_waits; 0: nobody. */
static void vyi_io_name(vyi_kernel *k, vyre_value slot, bool waits)
{
    vyre_program *p = k->p;
    if (!k->mirror.id)
        return;
    vyre_value slots = vyi_kernel_op(k, vyre_ir_shr, vyre_ir_length(p, k->ring), 4);
    vyre_value at = vyi_kernel_plus(k, vyre_ir_add(p, slots, slot),
                                    VYI_WIDE_SLOTS + VYRE_IO_SLOTS * (k->desc.tasks ? 2u : 1u) -
                                        k->desc.children);
    vyre_value who = vyi_kernel_u32(k, 0);
    if (waits)
        who = vyi_kernel_plus(k, vyi_kernel_op(k, vyre_ir_shr, k->base, 4), 1);
    vyre_ir_atomic_store(p, k->mirror, at, who, VYRE_ORDER_RELAXED);
}

static void vyi_io_publish(vyi_kernel *k, vyre_value slot, vyre_value status_at,
                           const vyre_value words[VYRE_IO_SLOT_WORDS])
{
    vyre_program *p = k->p;
    vyre_value base = vyi_kernel_op(k, vyre_ir_shl, slot, 3);
    vyi_io_set_mark(k, slot, true);
    vyi_io_name(k, slot, true);
    for (uint32_t i = 0; i < VYRE_IO_SLOT_WORDS; i++)
        if (i != VYRE_IO_STATUS)
            vyre_ir_store(p, k->io, vyi_kernel_plus(k, base, i), words[i]);
    vyi_kernel_put(k, k->io, status_at, VYRE_IO_PUBLISHED, VYRE_ORDER_RELEASE);
    vyi_io_tell(k, slot);
}

/* Polls for the answer; EMPTY when there was none in time, or the kernel is to
 * stop.  The answer that is returned has been taken: the slot is RESERVED. */
static vyre_value vyi_io_wait(vyi_kernel *k, vyre_value status_at)
{
    vyre_program *p = k->p;
    vyre_value none = vyi_kernel_u32(k, VYRE_IO_EMPTY);
    vyre_local answer = vyre_ir_local(p, VYRE_TYPE_U32, none, "answer");
    vyre_value spins = vyi_kernel_u32(k, k->desc.io_spins);
    vyre_ir_loop(p, vyi_kernel_u32(k, 0), spins);
    vyre_value status = vyre_ir_atomic_load(p, k->io, status_at, VYRE_ORDER_ACQUIRE);
    vyre_ir_if(p, vyi_io_is_answer(k, status));
    vyre_value before = vyre_ir_atomic_cas(p, k->io, status_at, status,
                                           vyi_kernel_u32(k, VYI_IO_RESERVED),
                                           VYRE_ORDER_ACQUIRE);
    vyre_ir_if(p, vyre_ir_eq(p, before, status));
    vyre_ir_set(p, answer, status);
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_value stop = vyi_kernel_control(k, VYRE_CONTROL_SHUTDOWN);
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, stop, 0));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
    return vyre_ir_get(p, answer);
}

/* Publishes and waits; the answer's status, EMPTY without one.  With an answer the
 * slot still is this lane's. */
static vyre_value vyi_io_ask(vyi_kernel *k, vyre_value slot, vyre_value status_at,
                             const vyre_value words[VYRE_IO_SLOT_WORDS])
{
    vyi_io_publish(k, slot, status_at, words);
    vyre_value answer = vyi_io_wait(k, status_at);
    vyi_io_name(k, slot, false);
    vyi_io_set_mark(k, slot, false);
    return answer;
}

static void vyi_io_free(vyi_kernel *k, vyre_value status_at)
{
    vyi_kernel_put(k, k->io, status_at, VYRE_IO_EMPTY, VYRE_ORDER_RELEASE);
}

/* --- works that wait without a lane ---------------------------------------- */

/* What the handler gets to see, and why it gets nothing. */
typedef struct vyi_io_outcome {
    vyre_local ok, bytes, fault;
} vyi_io_outcome;

static void vyi_io_outcome_locals(vyi_kernel *k, uint32_t fault, vyi_io_outcome *out)
{
    vyre_program *p = k->p;
    out->ok = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "io_ok");
    out->bytes = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, 0), "io_bytes");
    out->fault = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, fault), "io_fault");
}

static void vyi_io_take(vyi_kernel *k, vyre_value status_at, vyre_value answer,
                        const vyi_io_outcome *out)
{
    vyre_program *p = k->p;
    vyre_value bytes_at = vyi_kernel_op(k, vyre_ir_sub, status_at,
                                        VYRE_IO_STATUS - VYRE_IO_BYTES);
    vyre_ir_set(p, out->bytes, vyre_ir_load(p, k->io, bytes_at));
    vyre_ir_set(p, out->ok, vyi_kernel_is(k, answer, VYRE_IO_OK));
    vyre_ir_set(p, out->fault, vyi_kernel_u32(k, VYRE_FAULT_NONE));
    vyi_io_free(k, status_at);
}

/* A packed slot is not run twice, and a job that has a fault ends. */
static void vyi_io_park(vyi_kernel *k, vyre_value parked, uint32_t fault,
                        const vyi_io_outcome *out)
{
    vyre_program *p = k->p;
    vyre_value may = vyi_kernel_is(k, vyre_ir_get(p, k->fault), VYRE_FAULT_NONE);
    if (!k->shape.payload)
        may = vyre_ir_and(p, may, vyi_kernel_op(k, vyre_ir_ne, k->opcode, VYRE_OP_PACKED_SLOT));
    vyre_ir_if(p, may);
    vyre_ir_set(p, k->parked, parked);
    vyre_ir_else(p);
    vyre_ir_set(p, out->fault, vyi_kernel_u32(k, fault));
    vyre_ir_end(p);
}

/* The mark stays while nobody has taken the answer that is to come. */
static void vyi_io_wait_or_park(vyi_kernel *k, vyre_value slot, const vyi_io_outcome *out)
{
    vyre_program *p = k->p;
    vyre_value status_at = vyi_io_status_index(k, slot);
    vyre_value answer = vyi_io_wait(k, status_at);
    vyre_ir_if(p, vyi_kernel_is(k, answer, VYRE_IO_EMPTY));
    vyi_io_park(k, vyi_kernel_plus(k, slot, 1), VYRE_FAULT_IO_TIMEOUT, out);
    vyre_ir_end(p);
    vyre_ir_if(p, vyi_kernel_is(k, vyre_ir_get(p, k->parked), 0));
    vyi_io_set_mark(k, slot, false);
    vyre_ir_end(p);
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, answer, VYRE_IO_EMPTY));
    vyi_io_take(k, status_at, answer, out);
    vyre_ir_end(p);
}

/* The IO slot of the request that the job has made before, or else of this one; VYRE_IO_SLOTS:
 * none is free. */
static vyre_value vyi_io_request_slot(vyi_kernel *k, const vyre_value words[VYRE_IO_SLOT_WORDS])
{
    vyre_program *p = k->p;
    vyre_local slot = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, 0), "asked_slot");
    vyre_value pending = vyre_ir_get(p, k->pending);
    vyre_ir_if(p, vyi_kernel_is(k, pending, 0));
    vyre_value found = vyi_io_reserve(k);
    vyre_ir_set(p, slot, found);
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, found, VYRE_IO_SLOTS));
    vyi_io_publish(k, found, vyi_io_status_index(k, found), words);
    vyre_ir_end(p);
    vyre_ir_else(p);
    vyre_ir_set(p, slot, vyi_io_pending_slot(k, pending));
    vyre_ir_set(p, k->pending, vyi_kernel_u32(k, 0));
    vyre_ir_end(p);
    return vyre_ir_get(p, slot);
}

/* Of a run that has been parked already, nothing. */
static void vyi_io_ask_or_park(vyi_kernel *k, const vyre_value words[VYRE_IO_SLOT_WORDS],
                               const vyi_io_outcome *out)
{
    vyre_program *p = k->p;
    vyre_ir_if(p, vyi_kernel_is(k, vyre_ir_get(p, k->parked), 0));
    vyre_value slot = vyi_io_request_slot(k, words);
    vyre_ir_if(p, vyi_kernel_is(k, slot, VYRE_IO_SLOTS));
    vyi_io_park(k, vyi_kernel_u32(k, VYI_PARKED_AGAIN), VYRE_FAULT_IO_FULL, out);
    vyre_ir_else(p);
    vyi_io_wait_or_park(k, slot, out);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

/* Before the slot's own word of the mirror, which lets the host believe this one. */
VYI_COLD
VYI_API void vyi_io_tell_waits(vyi_kernel *k, vyre_value parked)
{
    vyre_program *p = k->p;
    vyre_value at = vyi_kernel_plus(k, vyi_io_mirror_index(k, parked), VYRE_IO_SLOTS - 1);
    vyre_value who = vyi_kernel_op(k, vyre_ir_shr, k->base, 4);
    vyre_ir_atomic_store(p, k->mirror, at, vyi_kernel_plus(k, who, 1), VYRE_ORDER_RELAXED);
}

/* --- LOAD_MISS ----------------------------------------------------------- */

static void vyi_io_miss_words(vyi_kernel *k, vyre_value words[VYRE_IO_SLOT_WORDS])
{
    vyre_value resource = vyre_ir_get(k->p, k->arg[0]), zero = vyi_kernel_u32(k, 0);
    for (uint32_t i = 0; i < VYRE_IO_SLOT_WORDS; i++)
        words[i] = zero;
    words[VYRE_IO_OP] = vyi_kernel_u32(k, VYRE_IO_READ);
    words[VYRE_IO_SRC] = words[VYRE_IO_DST] = words[VYRE_IO_TAG] = resource;
}

static void vyi_io_miss(vyi_kernel *k, vyre_value slot)
{
    vyre_program *p = k->p;
    vyre_value status_at = vyi_io_status_index(k, slot), words[VYRE_IO_SLOT_WORDS];
    vyi_io_miss_words(k, words);
    vyre_value answer = vyi_io_ask(k, slot, status_at, words);
    vyre_ir_if(p, vyi_kernel_is(k, answer, VYRE_IO_EMPTY));
    vyi_kernel_raise(k, VYRE_FAULT_IO_TIMEOUT);
    vyre_ir_else(p);
    vyi_io_free(k, status_at);
    vyre_ir_if(p, vyi_kernel_is(k, answer, VYRE_IO_ERROR));
    vyi_kernel_raise(k, VYRE_FAULT_IO);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

/* An answer that is not OK is a fault; without one the work waits. */
static void vyi_io_parking_miss(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value words[VYRE_IO_SLOT_WORDS];
    vyi_io_outcome out;
    vyi_io_outcome_locals(k, VYRE_FAULT_IO, &out);
    vyi_io_miss_words(k, words);
    vyi_io_ask_or_park(k, words, &out);
    vyre_value fault = vyre_ir_get(p, out.fault), ok = vyre_ir_get(p, out.ok);
    vyre_value failed = vyi_kernel_op(k, vyre_ir_ne, fault, VYRE_FAULT_NONE);
    vyre_value why = vyre_ir_select(p, failed, fault, vyi_kernel_u32(k, VYRE_FAULT_IO));
    vyre_value waits = vyi_kernel_op(k, vyre_ir_ne, vyre_ir_get(p, k->parked), 0);
    vyre_ir_if(p, vyre_ir_not(p, vyre_ir_or(p, ok, waits)));
    vyre_ir_set(p, k->fault, why);
    vyre_ir_end(p);
}

VYI_COLD
VYI_API void vyi_kernel_load_miss(vyi_kernel *k)
{
    vyre_program *p = k->p;
    if (k->shape.parks) {
        vyi_io_parking_miss(k);
        return;
    }
    vyre_value slot = vyi_io_reserve(k);
    vyre_ir_if(p, vyi_kernel_is(k, slot, VYRE_IO_SLOTS));
    if (k->requeue.id)
        vyre_ir_set(p, k->requeue, vyre_ir_bool(p, true));
    else
        vyi_kernel_raise(k, VYRE_FAULT_IO_FULL);
    vyre_ir_else(p);
    vyi_io_miss(k, slot);
    vyre_ir_end(p);
}

/* --- vyre_emit_io --------------------------------------------------------- */

static void vyi_io_words(vyi_kernel *k, const vyre_io_values *io,
                         vyre_value words[VYRE_IO_SLOT_WORDS])
{
    vyre_value zero = vyi_kernel_u32(k, 0);
    words[VYRE_IO_OP] = io->op;
    words[VYRE_IO_SRC] = io->src;
    words[VYRE_IO_DST] = io->dst;
    words[VYRE_IO_OFFSET_LO] = io->offset_lo;
    words[VYRE_IO_OFFSET_HI] = io->offset_hi;
    words[VYRE_IO_BYTES] = io->bytes;
    words[VYRE_IO_STATUS] = zero;
    words[VYRE_IO_TAG] = io->tag;
    for (uint32_t i = 0; i < VYRE_IO_SLOT_WORDS; i++)
        if (!words[i].id)
            words[i] = zero;
}

static void vyi_io_emit(vyi_kernel *k, const vyre_io_values *io, const vyi_io_outcome *out)
{
    vyre_program *p = k->p;
    vyre_value words[VYRE_IO_SLOT_WORDS];
    vyi_io_words(k, io, words);
    if (k->shape.parks && !k->self) {
        vyi_io_ask_or_park(k, words, out);
        return;
    }
    vyre_value slot = vyi_io_reserve(k);
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, slot, VYRE_IO_SLOTS));
    vyre_value status_at = vyi_io_status_index(k, slot);
    vyre_ir_set(p, out->fault, vyi_kernel_u32(k, VYRE_FAULT_IO_TIMEOUT));
    vyre_value answer = vyi_io_ask(k, slot, status_at, words);
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, answer, VYRE_IO_EMPTY));
    vyi_io_take(k, status_at, answer, out);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

VYI_COLD
VYRE_API vyre_value vyre_emit_io(vyre_program *p, const vyre_slot_values *slot,
                                 const vyre_io_values *io, vyre_value *bytes_done)
{
    vyre_value done = { 0 };
    if (!p || !slot || !io)
        return done;
    vyi_kernel k = *(const vyi_kernel *)slot->internal;
    vyi_ir_inner_begin(p);
    vyi_io_outcome out;
    const bool parks = k.shape.parks && !k.self;
    vyi_io_outcome_locals(&k, parks ? VYRE_FAULT_NONE : VYRE_FAULT_IO_FULL, &out);
    vyi_io_emit(&k, io, &out);
    vyre_value fault = vyre_ir_get(p, out.fault), standing = vyre_ir_get(p, k.fault);
    vyre_value first = vyi_kernel_is(&k, standing, VYRE_FAULT_NONE);
    vyre_ir_set(p, k.fault, vyre_ir_select(p, first, fault, standing));
    done = vyre_ir_get(p, out.bytes);
    if (bytes_done)
        *bytes_done = done;
    done = vyre_ir_get(p, out.ok);
    vyi_ir_inner_end(p);
    return done;
}

/* --- io_polling ---------------------------------------------------------- */

static void vyi_io_recycle(vyi_kernel *k, vyre_value slot)
{
    vyre_program *p = k->p;
    vyre_value at = vyi_io_status_index(k, slot);
    vyre_value status = vyre_ir_atomic_load(p, k->io, at, VYRE_ORDER_ACQUIRE);
    vyre_value answer = vyi_io_is_answer(k, status);
    vyre_value waited = vyi_io_is_waited_for(k, slot);
    vyre_ir_if(p, vyre_ir_and(p, answer, vyre_ir_not(p, waited)));
    vyre_value before = vyre_ir_atomic_cas(p, k->io, at, status,
                                           vyi_kernel_u32(k, VYI_IO_RESERVED),
                                           VYRE_ORDER_ACQUIRE);
    vyre_ir_if(p, vyre_ir_eq(p, before, status));
    vyre_value empty = vyi_kernel_u32(k, VYRE_IO_EMPTY);
    vyre_value after = vyre_ir_select(p, vyi_io_is_waited_for(k, slot), status, empty);
    vyre_ir_atomic_store(p, k->io, at, after, VYRE_ORDER_RELEASE);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

VYI_COLD
VYI_API void vyi_io_give_up(vyi_kernel *k, vyre_value pending)
{
    vyre_program *p = k->p;
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, pending, 0));
    vyre_value slot = vyi_io_pending_slot(k, pending);
    vyi_io_set_mark(k, slot, false);
    vyi_io_recycle(k, slot);
    vyre_ir_end(p);
}

/* The rounds of all launches are counted, so each slot has its turn however short they are. */
VYI_COLD
VYI_API void vyi_io_launch(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value beats = vyi_kernel_control(k, VYRE_CONTROL_HEARTBEAT);
    vyre_value slots = vyi_kernel_op(k, vyre_ir_max, vyi_io_slots(k), 1);
    vyre_value first = vyre_ir_rem(p, beats, slots);
    k->io_next = vyre_ir_local(p, VYRE_TYPE_U32, first, "io_next");
}

/* A looping kernel looks at one IO slot in each round, so that the first
 * lane's own slots do not wait for 64 polls. */
VYI_COLD
VYI_API void vyi_kernel_poll_io(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_ir_if(p, vyi_kernel_is(k, k->lane, 0));
    vyre_value slots = vyi_io_slots(k);
    if (k->shape.once) {
        vyi_io_recycle(k, vyre_ir_loop(p, vyi_kernel_u32(k, 0), slots));
        vyre_ir_end(p);
    } else {
        vyre_value slot = vyre_ir_get(p, k->io_next);
        vyre_value next = vyi_kernel_plus(k, slot, 1);
        vyi_io_recycle(k, slot);
        vyre_value more = vyre_ir_lt(p, next, slots);
        vyre_ir_set(p, k->io_next, vyre_ir_select(p, more, next, vyi_kernel_u32(k, 0)));
    }
    vyre_ir_end(p);
}

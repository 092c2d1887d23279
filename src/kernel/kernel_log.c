/* ==========================================================================
 * kernel: PRINTF
 *
 * A log that is read when nothing runs is a cursor and records behind it.
 *
 * With `live_log` the log of a looping kernel is a queue.  LOG_HEAD counts
 * words that lanes have taken, LOG_TAIL those that the host has read, and both run
 * freely; record r of R (a power of two, so that nothing happens where they wrap) is at
 * words 1 + 4 r.  A lane takes a record by a CAS on LOG_HEAD, writes three words, and
 * then, with release, the fourth:
 *
 *     slot_base | 1 + lap % 8        lap = how often the log has been gone through
 *
 * A slot's base is a multiple of 16, so the low bits are free.  The host reads a record
 * once its fourth word has the lap that it waits for: never what is half written, nor
 * what was there a lap ago.  Its release of LOG_TAIL pairs with the acquire of the
 * lane that writes there next.
 * ======================================================================= */
#include "kernel/kernel_impl.h"

/* --- while somebody reads -------------------------------------------------- */

/* Tries of a lane beside those that other lanes' records cost it. */
#define VYI_LOG_PATIENCE 16u

static vyre_value vyi_log_control(vyi_kernel *k, uint32_t word, vyre_order order)
{
    return vyre_ir_atomic_load(k->p, k->control, vyi_kernel_u32(k, word), order);
}

/* The record that begins where the head was `at`. */
static void vyi_log_write(vyi_kernel *k, const vyre_value *args, vyre_value at,
                          vyre_value records)
{
    vyre_program *p = k->p;
    vyre_value turn = vyi_kernel_op(k, vyre_ir_shr, at, 2);
    vyre_value place = vyi_kernel_op(k, vyre_ir_shl, vyre_ir_rem(p, turn, records), 2);
    vyre_value first = vyi_kernel_plus(k, place, VYRE_LOG_RECORDS);
    vyre_value lap = vyi_kernel_op(k, vyre_ir_and, vyre_ir_div(p, turn, records),
                                   VYI_LOG_LAPS - 1);
    vyre_value tag = vyre_ir_or(p, k->base, vyi_kernel_plus(k, lap, 1));
    for (uint32_t i = 0; i < 3; i++)
        vyre_ir_atomic_store(p, k->log, vyi_kernel_plus(k, first, i), args[i],
                             VYRE_ORDER_RELAXED);
    vyre_ir_atomic_store(p, k->log, vyi_kernel_plus(k, first, 3), tag, VYRE_ORDER_RELEASE);
}

/* What is beyond the tail's lap is full, unless the head has moved on since: then it
 * was the head that is old. */
static void vyi_log_is_full(vyi_kernel *k, vyre_local head, vyre_value at)
{
    vyre_program *p = k->p;
    vyre_value now = vyi_log_control(k, VYRE_CONTROL_LOG_HEAD, VYRE_ORDER_RELAXED);
    vyi_kernel_break_if(k, vyre_ir_eq(p, now, at));
    vyre_ir_set(p, head, now);
}

static void vyi_log_live(vyi_kernel *k, const vyre_value *args)
{
    vyre_program *p = k->p;
    vyre_value words = vyi_kernel_op(k, vyre_ir_max, vyre_ir_length(p, k->log), 1);
    vyre_value room = vyi_kernel_op(k, vyre_ir_sub, words, VYRE_LOG_RECORDS);
    vyre_value records = vyi_kernel_op(k, vyre_ir_shr, room, 2);
    vyre_value end = vyi_kernel_op(k, vyre_ir_shl, records, 2);
    vyre_value last = vyi_kernel_op(k, vyre_ir_sub, end, VYRE_LOG_RECORD_WORDS);
    vyre_value start = vyi_log_control(k, VYRE_CONTROL_LOG_HEAD, VYRE_ORDER_RELAXED);
    vyre_local head = vyre_ir_local(p, VYRE_TYPE_U32, start, "head");
    vyre_local dropped = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, true), "dropped");

    vyre_value zero = vyi_kernel_u32(k, 0);
    vyre_ir_loop(p, zero, vyi_kernel_plus(k, records, VYI_LOG_PATIENCE));
    vyre_value at = vyre_ir_get(p, head);
    vyre_value tail = vyi_log_control(k, VYRE_CONTROL_LOG_TAIL, VYRE_ORDER_ACQUIRE);
    vyre_ir_if(p, vyre_ir_gt(p, vyre_ir_sub(p, at, tail), last));
    vyi_log_is_full(k, head, at);
    vyre_ir_else(p);
    vyre_value next = vyi_kernel_plus(k, at, VYRE_LOG_RECORD_WORDS);
    vyre_value before = vyre_ir_atomic_cas(p, k->control, vyi_kernel_u32(k, VYRE_CONTROL_LOG_HEAD),
                                           at, next, VYRE_ORDER_RELAXED);
    vyre_ir_set(p, head, before);
    vyre_ir_if(p, vyre_ir_eq(p, before, at));
    vyi_log_write(k, args, at, records);
    vyre_ir_set(p, dropped, vyre_ir_bool(p, false));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_ir_end(p);

    vyre_ir_if(p, vyre_ir_get(p, dropped));
    vyi_kernel_count_at(k, VYRE_CONTROL_LOG_DROPPED, VYRE_ORDER_RELAXED);
    vyre_ir_end(p);
}

/* --- a record --------------------------------------------------------------- */

/* `record` NULL: the operation's arguments, and the slot. */
static void vyi_log_record(vyi_kernel *k, vyre_value cursor, const vyre_value *record)
{
    for (uint32_t i = 0; i < VYRE_LOG_RECORD_WORDS; i++) {
        vyre_value word = record ? record[i] : i < 3 ? vyre_ir_get(k->p, k->arg[i]) : k->base;
        vyre_ir_store(k->p, k->log, vyi_kernel_plus(k, cursor, VYRE_LOG_RECORDS + i), word);
    }
}

/* Takes the next record with a CAS, so the cursor never passes the end.  A CAS
 * that fails means that another lane took a record: after as many tries as
 * there are records the log is full. */
VYI_API void vyi_kernel_log(vyi_kernel *k, const vyre_value *record)
{
    vyre_program *p = k->p;
    if (k->desc.live_log && !k->shape.once) {
        vyre_value words[3];
        for (uint32_t i = 0; i < 3; i++)
            words[i] = record ? record[i] : vyre_ir_get(k->p, k->arg[i]);
        vyi_log_live(k, words);
        return;
    }
    vyre_value zero = vyi_kernel_u32(k, VYRE_LOG_CURSOR);
    vyre_value words = vyi_kernel_op(k, vyre_ir_max, vyre_ir_length(p, k->log), 1);
    vyre_value room = vyi_kernel_op(k, vyre_ir_sub, words, VYRE_LOG_RECORDS);
    vyre_value records = vyi_kernel_op(k, vyre_ir_shr, room, 2);
    vyre_value end = vyi_kernel_op(k, vyre_ir_shl, records, 2);
    vyre_value last = vyi_kernel_op(k, vyre_ir_sub, end, VYRE_LOG_RECORD_WORDS);
    vyre_value start = vyre_ir_atomic_load(p, k->log, zero, VYRE_ORDER_RELAXED);
    vyre_local cursor = vyre_ir_local(p, VYRE_TYPE_U32, start, "cursor");
    vyre_local dropped = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, true), "dropped");

    vyre_ir_loop(p, vyi_kernel_u32(k, 0), records);
    vyre_value at = vyre_ir_get(p, cursor);
    vyre_ir_if(p, vyre_ir_gt(p, at, last));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_value next = vyi_kernel_plus(k, at, VYRE_LOG_RECORD_WORDS);
    vyre_value before = vyre_ir_atomic_cas(p, k->log, zero, at, next, VYRE_ORDER_RELAXED);
    vyre_ir_set(p, cursor, before);
    vyre_ir_if(p, vyre_ir_eq(p, before, at));
    vyi_log_record(k, at, record);
    vyre_ir_set(p, dropped, vyre_ir_bool(p, false));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);

    vyre_ir_if(p, vyre_ir_get(p, dropped));
    vyi_kernel_count_at(k, VYRE_CONTROL_LOG_DROPPED, VYRE_ORDER_RELAXED);
    vyre_ir_end(p);
}

VYI_COLD
VYRE_API void vyre_emit_log(vyre_program *p, const vyre_slot_values *slot, vyre_value format,
                            vyre_value a, vyre_value b)
{
    if (!p || !slot)
        return;
    const vyre_value words[VYRE_LOG_RECORD_WORDS] = { format, a, b, slot->slot_base };
    vyi_kernel k = *(const vyi_kernel *)slot->internal;
    vyi_ir_inner_begin(p);
    vyi_kernel_log(&k, words);
    vyi_ir_inner_end(p);
}

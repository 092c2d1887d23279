/* Works whose order can be seen, for test_order and test_graph.
 *
 * Each reads the stamps of its predecessors with plain loads and stores one that is
 * greater by 1, so that a work which ran too early, or did not see what they wrote, leaves
 * a wrong one. */
#ifndef ORDER_H
#define ORDER_H

#include "engine.h"

#define OP_STAMP 0x2000u /* stamp[a0] = 1 + the greatest stamp of a2, a3, a4; FAULT if one is 0 */
#define OP_WIDE  0x2001u /* the same, by 8 lanes, each its own copy of a stamp */
#define OP_BAD   0x2003u /* FAULT */
#define ORDER_NODES 100032u
#define ORDER_AFTER_MOST 40u
#define COPIES   8u
#define NOBODY   0u      /* as a predecessor; its stamp always is 1 */

static void emit_stamp(vyre_program *p, const vyre_slot_values *s, vyre_value copy)
{
    vyre_value one = vyre_ir_u32(p, 1), zero = vyre_ir_u32(p, 0);
    vyre_value copies = vyre_ir_u32(p, COPIES);
    vyre_local most = vyre_ir_local(p, VYRE_TYPE_U32, zero, "most");
    for (uint32_t i = 2; i < 5; i++) {
        vyre_value at = vyre_ir_add(p, vyre_ir_mul(p, s->arg[i], copies), copy);
        vyre_value stamp = vyre_ir_load(p, s->buffers[0], at);
        vyre_ir_if(p, vyre_ir_eq(p, stamp, zero));
        vyre_emit_fault(p, s, vyre_ir_u32(p, VYRE_FAULT_USER + 1));
        vyre_ir_end(p);
        vyre_ir_set(p, most, vyre_ir_max(p, vyre_ir_get(p, most), stamp));
    }
    vyre_value to = vyre_ir_add(p, vyre_ir_mul(p, s->arg[0], copies), copy);
    vyre_ir_store(p, s->buffers[0], to, vyre_ir_add(p, vyre_ir_get(p, most), one));
}

/* All copies, so that a wide successor finds each. */
static void emit_lane(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    for (uint32_t i = 0; i < COPIES; i++)
        emit_stamp(p, s, vyre_ir_u32(p, i));
}

static void emit_range(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    emit_stamp(p, s, vyre_ir_and(p, s->index, vyre_ir_u32(p, COPIES - 1)));
}

static void emit_bad(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_emit_fault(p, s, vyre_ir_u32(p, VYRE_FAULT_USER + 7));
}

static const vyre_handler order_handlers[] = {
    { OP_STAMP, emit_lane, NULL, "stamp", VYRE_WIDTH_LANE, 0, NULL, 0 },
    { OP_BAD, emit_bad, NULL, "bad", VYRE_WIDTH_LANE, 0, NULL, 0 },
    { OP_WIDE, emit_range, NULL, "wide", VYRE_WIDTH_RANGE, 32, NULL, 0 },
};

static const vyre_buffer_desc order_buffers[] = {
    { "stamps", 4, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, ORDER_NODES * COPIES, false, 0, 0 },
};

typedef struct order_kind {
    vyre_kernel_kind kind;
    vyre_mode mode;
    bool wide, starts;
} order_kind;

static const order_kind order_plain_kind = { VYRE_KERNEL_DIRECT, VYRE_MODE_AUTO, false, true };
static const order_kind order_wide_kind = { VYRE_KERNEL_DIRECT, VYRE_MODE_AUTO, true, true };

static vyre_desc order_desc(const order_kind *kind, uint32_t slots)
{
    vyre_desc d;
    memset(&d, 0, sizeof d);
    d.backend = backend_under_test;
    d.mode = kind->mode;
    d.kernel.kind = kind->kind;
    d.kernel.slot_count = slots;
    d.kernel.handlers = order_handlers;
    d.kernel.handler_count = kind->wide ? 3 : 2;
    d.kernel.buffers = order_buffers;
    d.kernel.buffer_count = 1;
    d.kernel.group_size = 32;
    d.wide_groups = kind->wide ? 2 : 0;
    d.lease.rounds = 200;
    d.lease.timeout_ns = 60 * SECOND; /* the machine may be slow */
    d.cpu_threads = 2;
    d.events = 1;
    return d;
}

static void order_forget(vyre *v)
{
    uint32_t *stamps = (uint32_t *)vyre_map(v, 0, NULL);
    memset(stamps, 0, ORDER_NODES * COPIES * 4);
    for (uint32_t i = 0; i < COPIES; i++)
        stamps[NOBODY * COPIES + i] = 1;
}

static vyre *order_open(const order_kind *kind, uint32_t slots)
{
    const vyre_desc d = order_desc(kind, slots);
    vyre *v = engine_open(&d);
    order_forget(v);
    if (kind->starts)
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    return v;
}

static vyre_work order_work(uint32_t opcode, uint32_t node, const uint32_t *after, uint32_t count)
{
    vyre_work w = engine_work(opcode, 5, node, opcode == OP_WIDE ? node + 100 : 0);
    if (opcode == OP_WIDE)
        w.args[0] = node; /* a range from here on */
    for (uint32_t i = 0; i < count && i < 3; i++)
        w.args[2 + i] = after[i];
    return w;
}

/* Tries again where the ring is full. */
UNUSED_OK static vyre_ticket order_publish(vyre *v, vyre_work w, const vyre_ticket *after, uint32_t count)
{
    vyre_ticket t = { 0, 0 };
    vyre_error err;
    vyre_status status;
    memset(&err, 0, sizeof err);
    const uint64_t begin = engine_now();
    while ((status = vyre_publish_after(v, &w, after, count, &t, &err)) == VYRE_FULL) {
        (void)vyre_drain(v, 1000000, NULL);
        if (engine_now() - begin > 60 * SECOND)
            break;
    }
    if (status != VYRE_OK)
        test_fail(__FILE__, __LINE__, "publish_after: %d %s", (int)status, err.text);
    return t;
}

UNUSED_OK static void order_wait(vyre *v, vyre_ticket t, vyre_status wanted, uint32_t code)
{
    vyre_error err;
    memset(&err, 0, sizeof err);
    const vyre_status status = vyre_wait(v, t, 60 * SECOND, &err);
    if (status != wanted || (uint32_t)err.native != code)
        test_fail(__FILE__, __LINE__, "slot %u: %d, not %d: %s", vyre_ticket_slot(t), (int)status,
                  (int)wanted, err.text);
}

static void order_check(vyre *v, uint32_t node, uint32_t stamp)
{
    const uint32_t *stamps = (const uint32_t *)vyre_map(v, 0, NULL);
    for (uint32_t i = 0; i < COPIES; i++)
        if (stamps[node * COPIES + i] != stamp) {
            test_fail(__FILE__, __LINE__, "node %u has stamp %u, not %u", node,
                      stamps[node * COPIES + i], stamp);
            return;
        }
}

#endif

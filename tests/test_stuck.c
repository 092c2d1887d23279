/* stuck: what a work is at that does not end: a tenant without rights, works behind it,
 * a read that nobody pumps, an IO request that nobody answers, groups.  Lanes that loop
 * for ever are in test_watch_live. */
#include "inside.h"

#include "engine.h"

#define OP_ASK  0x1100u /* an IO request, answered or not */
#define OP_HOLD 0x1101u /* a range; index 0 waits until user buffer 0 [0] is not 0 */

static vyre_error err;

static void emit_ask(vyre_program *p, const vyre_slot_values *s, void *user)
{
    vyre_io_values io;
    (void)user;
    memset(&io, 0, sizeof io);
    io.op = vyre_ir_u32(p, VYRE_IO_READ);
    io.src = io.dst = s->arg[0];
    (void)vyre_emit_io(p, s, &io, NULL);
}

static void emit_hold(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_value zero = vyre_ir_u32(p, 0);
    vyre_ir_if(p, vyre_ir_eq(p, s->index, zero));
    vyre_ir_forever(p);
    vyre_value word = vyre_ir_atomic_load(p, s->buffers[0], zero, VYRE_ORDER_RELAXED);
    vyre_ir_if(p, vyre_ir_ne(p, word, zero));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

/* The one with this ticket. */
static const vyre_stuck_slot *stuck_of(const vyre_stuck_slot *all, uint32_t count, vyre_ticket t)
{
    for (uint32_t i = 0; i < count; i++) {
        if (all[i].ticket.slot == t.slot && all[i].ticket.generation == t.generation)
            return &all[i];
    }
    test_fail(__FILE__, __LINE__, "slot %u is not among the %u", vyre_ticket_slot(t), count);
    return NULL;
}

static void check_after(const vyre_stuck_slot *s, uint32_t ends, vyre_ticket after)
{
    CHECK_EQ(s->at, VYRE_STUCK_EVENT);
    CHECK_EQ(s->of, ends);
    CHECK_EQ(s->after.generation, after.generation);
    if (after.generation)
        CHECK_EQ(s->after.slot, after.slot);
    CHECK_EQ(s->state, VYRE_SLOT_PUBLISHED);
    CHECK(s->held_ns >= SECOND / 100);
}

/* --- works that wait for others --------------------------------------------- */

static vyre_ticket publish_after(vyre *v, vyre_work w, const vyre_ticket *after, uint32_t count)
{
    vyre_ticket t = { 0, 0 };
    CHECK_EQ(vyre_publish_after(v, &w, after, count, &t, &err), VYRE_OK);
    return t;
}

static void who_waits_for_whom(void)
{
    vyre_desc d = engine_desc(64);
    vyre_stuck_slot s[64];
    vyre_work first = engine_work(OP_SQUARE, 2, 1, 2);
    vyre_ticket a, b, both[2], c, last;
    d.events = 64;
    d.tenants = 2;
    vyre *v = engine_open(&d);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    CHECK_EQ(vyre_tenant_enable(v, 1, false, NULL), VYRE_OK);
    CHECK_EQ(engine_stuck(v, SECOND / 100, 0, s, 64), 0);
    first.tenant = 1;
    a = engine_publish(v, first);
    b = publish_after(v, engine_work(OP_SQUARE, 2, 1, 2), &a, 1);
    both[0] = a;
    both[1] = b;
    c = publish_after(v, engine_work(OP_STORE, 2, 1, 2), both, 2);
    last = publish_after(v, engine_work(OP_SQUARE, 2, 1, 2), &b, 1);
    CHECK_EQ(engine_stuck(v, SECOND / 100, 4, s, 64), 4);
    CHECK_EQ(stuck_of(s, 4, a)->at, VYRE_STUCK_TENANT);
    CHECK_EQ(stuck_of(s, 4, a)->tenant, 1);
    check_after(stuck_of(s, 4, b), 1, a);
    check_after(stuck_of(s, 4, c), 2, a); /* behind relays; the first of two */
    check_after(stuck_of(s, 4, last), 1, b); /* itself, not whom it waits for */
    CHECK_TEXT(stuck_of(s, 4, c)->handler, "store");
    CHECK_EQ(engine_stuck(v, SECOND / 100, 1, s, 1), 1);
    CHECK_EQ(vyre_wait(v, a, SECOND / 100, &err), VYRE_TIMEOUT);
    CHECK(strstr(err.text, "tenant 1, which has no rights"));
    CHECK_EQ(vyre_wait(v, b, SECOND / 100, &err), VYRE_TIMEOUT);
    CHECK(strstr(err.text, "after slot"));
    CHECK_EQ(vyre_tenant_enable(v, 1, true, NULL), VYRE_OK);
    CHECK_EQ(vyre_wait(v, c, 20 * SECOND, &err), VYRE_OK);
    CHECK_EQ(vyre_wait(v, last, 20 * SECOND, &err), VYRE_OK);
    CHECK_EQ(engine_stuck(v, SECOND / 100, 0, s, 64), 0);
    vyre_close(v);
}

/* --- IO ----------------------------------------------------------------------- */

static vyre_io *pump_of(vyre *v)
{
    vyre_io_desc i;
    memset(&i, 0, sizeof i);
    i.handle = v;
    i.engine = VYRE_IO_ENGINE_PREAD;
    vyre_io *io = vyre_io_open(&i, &err);
    CHECK(io != NULL);
    return io;
}

static uint32_t may_read;

static int64_t read_late(void *user, void *bytes, uint64_t offset, uint32_t size, bool write)
{
    (void)user, (void)offset, (void)write;
    while (!__atomic_load_n(&may_read, __ATOMIC_ACQUIRE))
        engine_sleep_ms(1);
    memset(bytes, 0, size);
    return size;
}

/* No work will signal the event of a read. */
static void a_read_that_does_not_end(void)
{
    vyre_desc d = engine_desc(64);
    vyre_stuck_slot s[64];
    vyre_io_read read;
    vyre_ticket t;
    const vyre_ticket nobody = { 0, 0 };
    const vyre_work w = engine_work(OP_SQUARE, 2, 3, 4);
    may_read = 0;
    d.events = 8;
    vyre *v = engine_open(&d);
    vyre_io *io = pump_of(v);
    memset(&read, 0, sizeof read);
    read.bytes = 16;
    CHECK_EQ(vyre_io_add_source(io, read_late, NULL, 16, VYRE_IO_CAN_READ, &read.source, &err),
             VYRE_OK);
    CHECK_EQ(vyre_io_add_target(io, 0, 0, 64, 0, &read.target, &err), VYRE_OK);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    CHECK_EQ(vyre_io_read_then(io, &read, &w, &t, &err), VYRE_OK);
    CHECK_EQ(engine_stuck(v, SECOND / 100, 1, s, 64), 1);
    check_after(stuck_of(s, 1, t), 1, nobody);
    CHECK_EQ(vyre_wait(v, t, SECOND / 100, &err), VYRE_TIMEOUT);
    CHECK(strstr(err.text, "which no work signals"));
    __atomic_store_n(&may_read, 1, __ATOMIC_RELEASE);
    while (vyre_poll(v, t) == VYRE_PENDING)
        CHECK(vyre_io_pump(io, SECOND / 100, NULL, &err) >= 0);
    vyre_io_close(io);
    vyre_close(v);
}

/* Where loops are limited, or a pass is all that there is, the wait in the lane ends by
 * itself, with a fault that says so. */
static void a_request_that_is_not_answered(void)
{
    const vyre_handler handler = VYRE_HANDLER(OP_ASK, emit_ask, NULL, "ask");
    vyre_desc d = engine_desc(64);
    vyre_stuck_slot s[64];
    vyre_info info;
    d.kernel.handlers = &handler;
    d.kernel.handler_count = 1;
    d.kernel.io_spins = 1u << 30;
    d.kernel.loop_allowance = 1u << 30;
    vyre *v = engine_open(&d);
    vyre_query(v, &info);
    if (info.mode != VYRE_MODE_PERSISTENT || info.probe.loop_limited) {
        vyre_close(v);
        test_skip("the device cuts the loop that waits");
    }
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    vyre_ticket t = engine_publish(v, engine_work(OP_ASK, 1, 7, 0));
    CHECK_EQ(engine_stuck(v, SECOND / 100, 1, s, 64), 1);
    CHECK_EQ(stuck_of(s, 1, t)->at, VYRE_STUCK_IO);
    CHECK_EQ(stuck_of(s, 1, t)->which, 0);
    CHECK_EQ(stuck_of(s, 1, t)->state, VYRE_SLOT_CLAIMED);
    CHECK_EQ(vyre_wait(v, t, SECOND / 100, &err), VYRE_TIMEOUT);
    CHECK(strstr(err.text, "(ask), tenant 0, at IO request 0"));
    vyre_io *io = pump_of(v); /* knows no resource, and says so */
    while (vyre_poll(v, t) == VYRE_PENDING)
        CHECK(vyre_io_pump(io, SECOND / 100, NULL, &err) >= 0);
    CHECK_EQ(engine_stuck(v, SECOND / 100, 0, s, 64), 0);
    vyre_io_close(io);
    vyre_close(v);
}

/* --- groups --------------------------------------------------------------------- */

static void groups_that_hold_a_chunk(void)
{
    vyre_desc d = engine_desc(64);
    vyre_handler handlers[2] = { VYRE_HANDLER(OP_SQUARE, emit_square, NULL, "square"),
                                 VYRE_HANDLER(OP_HOLD, emit_hold, NULL, "hold") };
    vyre_stuck_slot s[64];
    vyre_info info;
    size_t size;
    handlers[1].width = VYRE_WIDTH_RANGE;
    handlers[1].chunk = 32;
    d.kernel.handlers = handlers;
    d.kernel.handler_count = 2;
    vyre *v = engine_open(&d);
    vyre_query(v, &info);
    if (info.probe.loop_limited) {
        vyre_close(v);
        test_skip("the device cuts the loop that would hang");
    }
    uint32_t *user = (uint32_t *)vyre_map(v, 0, &size);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    vyre_ticket t = engine_publish(v, engine_work(OP_HOLD, 2, 0, 320));
    CHECK_EQ(vyre_wait(v, t, SECOND / 50, &err), VYRE_TIMEOUT);
    CHECK(strstr(err.text, "chunks ended"));
    CHECK_EQ(engine_stuck(v, SECOND / 100, 1, s, 64), 1);
    CHECK_EQ(stuck_of(s, 1, t)->at, VYRE_STUCK_GROUPS);
    CHECK(stuck_of(s, 1, t)->which < stuck_of(s, 1, t)->of);
    CHECK_TEXT(stuck_of(s, 1, t)->handler, "hold");
    CHECK(strstr(vyi_claimed_text(&v->queue, err.text, sizeof err.text), "(hold)"));
    __atomic_store_n(user, 1, __ATOMIC_RELEASE);
    CHECK_EQ(vyre_wait(v, t, 20 * SECOND, &err), VYRE_OK);
    CHECK_EQ(engine_stuck(v, SECOND / 100, 0, s, 64), 0);
    vyre_close(v);
}

static const engine_case cases[] = {
    ENGINE_CASE(who_waits_for_whom),
    ENGINE_CASE(a_read_that_does_not_end),
    ENGINE_CASE(a_request_that_is_not_answered),
    ENGINE_CASE(groups_that_hold_a_chunk),
};

int main(void)
{
    engine_run_cases(cases, sizeof cases / sizeof cases[0]);
    return test_end();
}

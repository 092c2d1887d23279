/* Works that are taken back: before and while a kernel runs, in passes, of many lanes;
 * with results that are kept, callbacks, tenants without rights, recoveries.  At last
 * eight threads with 64 works in flight each, some of which fault or are taken back at
 * random: each ends exactly once.  TEST_COUNT: works of that server. */
#include "inside.h"
#include "engine.h"

#include <pthread.h>

#define OP_SPREAD 0x1008u /* RANGE: user buffer 0 [index] += 1; word 0: how many */

static void emit_spread(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD, s->buffers[0], s->index, vyre_ir_u32(p, 1),
                   VYRE_ORDER_RELAXED);
    vyre_emit_reduce(p, s, 0, VYRE_ATOMIC_ADD, vyre_ir_u32(p, 1));
}

static const vyre_handler cancel_handlers[] = {
    { OP_SQUARE, emit_square, NULL, "square", VYRE_WIDTH_LANE, 0, NULL, 0 },
    { OP_FAULT, emit_fault, NULL, "fault", VYRE_WIDTH_LANE, 0, NULL, 0 },
    { OP_COUNT, emit_count, NULL, "count", VYRE_WIDTH_LANE, 0, NULL, 0 },
    { OP_SPREAD, emit_spread, NULL, "spread", VYRE_WIDTH_RANGE, 64, NULL, 0 },
};

/* Of lanes' works only, unless `wide`. */
static vyre_desc cancel_desc(uint32_t slots, bool keep, bool wide)
{
    vyre_desc d = engine_desc(slots);
    d.keep_results = keep;
    d.tenants = 2;
    d.kernel.handlers = cancel_handlers;
    d.kernel.handler_count = wide ? 4 : 3;
    return d;
}

static uint32_t counted(vyre *v, uint32_t word)
{
    uint32_t value = 0;
    CHECK_EQ(vyre_read(v, 0, 4u * word, &value, 4, NULL), VYRE_OK);
    return value;
}

/* --- one by one -------------------------------------------------------------- */

/* Nothing runs yet, so every work is taken back, of every opcode and in any shape. */
static void what_has_not_begun_does_not_run(void)
{
    for (uint32_t kind = 0; kind < 3; kind++) {
        vyre_desc d = cancel_desc(64, kind == 1, false);
        d.kernel.kind = kind == 2 ? VYRE_KERNEL_PRIORITY : VYRE_KERNEL_DIRECT;
        vyre *v = engine_open(&d);
        vyre_ticket t[8];
        vyre_error err;
        vyre_work packed;
        const vyre_op ops[2] = { { VYRE_OP_ATOMIC_ADD, 2, { 1, 160 } },
                                 { VYRE_OP_NOP, 0, { 0 } } };
        uint32_t code = 0;
        CHECK_EQ(vyre_work_pack(&packed, ops, 2, NULL), VYRE_OK);
        for (uint32_t i = 0; i < 8; i++)
            t[i] = engine_publish(v, i < 2   ? engine_add(1)
                                     : i < 4 ? engine_work(OP_COUNT, 2, 7, 1)
                                     : i < 6 ? packed
                                             : engine_work(VYRE_OP_NOP, 0, 0, 0));
        for (uint32_t i = 0; i < 8; i += 2) {
            CHECK_EQ(vyre_cancel(v, t[i], &err), VYRE_PENDING);
            CHECK_EQ(vyre_cancel(v, t[i], &err), VYRE_PENDING); /* once is enough */
        }
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        for (uint32_t i = 0; i < 8; i++)
            CHECK_EQ(vyre_wait(v, t[i], 10 * SECOND, &err), i % 2 ? VYRE_OK : VYRE_E_CANCELLED);
        CHECK_EQ(engine_observable(v, 0), 3);
        CHECK_EQ(counted(v, 7), 1);
        CHECK_EQ(vyre_fault_of(v, t[0], &code), VYRE_OK);
        CHECK_EQ(code, VYRE_FAULT_CANCELLED);
        CHECK_EQ(vyre_poll(v, t[2]), VYRE_E_CANCELLED);
        CHECK_EQ(vyre_cancel(v, t[2], &err), VYRE_OK);
        CHECK_EQ(vyre_cancel(v, t[1], &err), VYRE_EMPTY);
        const vyre_ticket bad = engine_publish(v, engine_work(OP_FAULT, 1, 3, 0));
        CHECK_EQ(vyre_wait(v, bad, 10 * SECOND, NULL), VYRE_E_FAULT);
        CHECK_EQ(vyre_cancel(v, bad, &err), VYRE_E_FAULT);
        CHECK_EQ(err.native, VYRE_FAULT_USER + 3);
        const vyre_ticket none = { 0, 0 };
        CHECK_EQ(vyre_cancel(v, none, &err), VYRE_E_TICKET);
        CHECK_EQ(vyre_cancel(NULL, t[0], &err), VYRE_E_ARGUMENT);
        /* Nobody need be told of what he has asked for. */
        CHECK_EQ(vyre_drain(v, 10 * SECOND, NULL), VYRE_OK);
        vyre_close(v);
    }
}

/* A slot's next works are not those that were taken back, whoever publishes. */
static void a_wish_ends_with_its_work(void)
{
    for (uint32_t way = 0; way < 3; way++) {
        vyre_desc d = cancel_desc(way == 2 ? 64 : 4, false, false);
        vyre *v = engine_open(&d);
        vyre_producer *p = way == 2 ? vyre_producer_open(v, 4, NULL) : NULL;
        const vyre_work add = engine_add(1);
        vyre_ticket t;
        uint32_t done = 0;
        if (way == 1) /* the pool is many's */
            vyi_store_pointer(&v->queue.slots.pool.thread, (void *)(uintptr_t)VYI_OWNER_MANY);
        for (uint32_t i = 0; i < 60; i++) {
            const vyre_status status = p ? vyre_producer_publish(p, &add, &t, NULL)
                                         : vyre_publish(v, &add, &t, NULL);
            CHECK_EQ(status, VYRE_OK);
            if (i % 3 == 0)
                CHECK_EQ(vyre_cancel(v, t, NULL), VYRE_PENDING);
            if (i % 2) /* or the next publisher finds its end */
                CHECK_EQ(vyre_wait(v, t, 10 * SECOND, NULL), i % 3 ? VYRE_OK : VYRE_E_CANCELLED);
            else
                CHECK_EQ(vyre_dispatch_resident(v, 1, NULL, NULL), VYRE_OK);
            done += i % 3 != 0;
        }
        CHECK_EQ(vyre_drain(v, 10 * SECOND, NULL), VYRE_OK);
        CHECK_EQ(engine_observable(v, 0), done);
        vyre_producer_close(p);
        vyre_close(v);
    }
}

/* What cannot run, for its tenant has no rights, can be taken back; its slot is free
 * then, and a callback is called. */
static void on_end(void *user, vyre_ticket t, vyre_status status)
{
    (void)t;
    vyi_fetch_add(&((uint32_t *)user)[status == VYRE_E_CANCELLED], 1);
}

static void what_may_not_run_can_be_taken_back(void)
{
    for (uint32_t wide = 0; wide < 2; wide++)
        for (uint32_t keep = 0; keep < 2; keep++) {
            vyre_desc d = cancel_desc(4, keep, wide);
            vyre *v = engine_open(&d);
            vyre_ticket t[4];
            uint32_t calls[2] = { 0, 0 };
            vyre_work held = wide ? engine_work(OP_SPREAD, 2, 0, 100) : engine_add(1);
            held.tenant = 1;
            CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
            CHECK_EQ(vyre_tenant_enable(v, 1, false, NULL), VYRE_OK);
            for (uint32_t round = 0; round < 3; round++) {
                for (uint32_t i = 0; i < 4; i++) {
                    t[i] = engine_publish(v, held);
                    CHECK_EQ(vyre_on_end(v, t[i], on_end, calls, NULL), VYRE_OK);
                }
                CHECK_EQ(vyre_wait(v, t[0], 1000000, NULL), VYRE_TIMEOUT);
                for (uint32_t i = 0; i < 4; i++)
                    CHECK(vyre_cancel(v, t[i], NULL) >= 0);
                for (uint32_t i = 0; i < 4; i++)
                    CHECK_EQ(vyre_wait(v, t[i], 10 * SECOND, NULL), VYRE_E_CANCELLED);
            }
            CHECK_EQ(calls[0], 0);
            CHECK_EQ(calls[1], 12);
            CHECK_EQ(vyre_tenant_enable(v, 1, true, NULL), VYRE_OK);
            t[0] = engine_publish(v, held);
            CHECK_EQ(vyre_wait(v, t[0], 10 * SECOND, NULL), VYRE_OK);
            CHECK_EQ(wide ? counted(v, 99) : engine_observable(v, 0), 1);
            vyre_close(v);
        }
}

/* Works of many lanes, on a stopped handle and while a kernel runs. */
static void wide_works_are_taken_back(void)
{
    enum { WORKS = 12, RANGE = 4096 };
    vyre_desc d = cancel_desc(16, true, true);
    vyre *v = engine_open(&d);
    vyre_ticket t[WORKS];
    uint32_t args[12], code = 0;
    for (uint32_t live = 0; live < 2; live++) {
        uint32_t done = 0, gone = 0;
        const uint32_t before = counted(v, 5);
        if (live)
            CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        for (uint32_t i = 0; i < WORKS; i++)
            t[i] = engine_publish(v, engine_work(OP_SPREAD, 2, 0, RANGE));
        for (uint32_t i = 0; i < WORKS; i += 2)
            CHECK(vyre_cancel(v, t[i], NULL) >= 0);
        for (uint32_t i = 0; i < WORKS; i++) {
            const vyre_status status = vyre_wait_result(v, t[i], 20 * SECOND, args, NULL);
            if (status == VYRE_OK) {
                CHECK_EQ(args[0], RANGE);
                done++;
            } else {
                CHECK_EQ(status, VYRE_E_CANCELLED);
                CHECK_EQ(i % 2, 0);
                CHECK_EQ(vyre_fault_of(v, t[i], &code), VYRE_OK);
                CHECK_EQ(code, VYRE_FAULT_CANCELLED);
                gone++;
            }
        }
        CHECK_EQ(done + gone, WORKS);
        CHECK(live || gone == WORKS / 2);
        CHECK(counted(v, 5) - before >= done);
        CHECK(live || counted(v, 5) - before == done);
    }
    vyre_close(v);
}

/* Bytes of the caller's have nothing to do with what the handle's ring is asked. */
static void a_dispatch_of_bytes_knows_no_wish(void)
{
    vyre_desc d = cancel_desc(4, false, false);
    vyre *v = engine_open(&d);
    const uint32_t control_size = (uint32_t)vyre_control_size(64);
    uint32_t control[256], ring[4 * VYRE_SLOT_WORDS], log[300], io[512];
    const vyre_control_desc rights = { false, 2, 64 };
    const vyre_work add = engine_add(1);
    vyre_io_buffers b;
    vyre_ticket t[4];
    memset(&b, 0, sizeof b);
    for (uint32_t i = 0; i < 4; i++) {
        t[i] = engine_publish(v, add);
        CHECK_EQ(vyre_cancel(v, t[i], NULL), VYRE_PENDING);
    }
    CHECK_EQ(vyre_control_encode(control, control_size, &rights, NULL), VYRE_OK);
    CHECK_EQ(vyre_ring_encode(ring, sizeof ring, 4, NULL), VYRE_OK);
    CHECK_EQ(vyre_log_encode(log, vyre_log_size(64), 64, NULL), VYRE_OK);
    CHECK_EQ(vyre_io_encode(io, vyre_io_size(64), 64, NULL), VYRE_OK);
    io[1] = io[2] = io[3] = 1; /* of a request that is not PUBLISHED, and no wishes */
    for (uint32_t i = 0; i < 4; i++)
        CHECK_EQ(vyre_ring_publish(ring, sizeof ring, i, &add, NULL), VYRE_OK);
    b.control = control, b.control_size = control_size;
    b.ring = ring, b.ring_size = sizeof ring;
    b.log = log, b.log_size = vyre_log_size(64);
    b.io = io, b.io_size = vyre_io_size(64);
    CHECK_EQ(vyre_dispatch(v, &b, NULL, NULL), VYRE_OK);
    CHECK_EQ(control[VYRE_CONTROL_OBSERVABLES], 4);
    CHECK_EQ(control[VYRE_CONTROL_DONE_COUNT], 4);
    for (uint32_t i = 0; i < 4; i++)
        CHECK_EQ(vyre_wait(v, t[i], 10 * SECOND, NULL), VYRE_E_CANCELLED);
    CHECK_EQ(engine_observable(v, 0), 0);
    vyre_close(v);
}

/* The next device is asked, too; what was lost is lost. */
static void a_recovery_keeps_wishes(void)
{
    for (uint32_t rerun = 0; rerun < 2; rerun++) {
        vyre_desc d = cancel_desc(8, false, true);
        d.lost_work = rerun ? VYRE_LOST_RERUN : VYRE_LOST_REPORT;
        vyre *v = engine_open(&d);
        vyre_ticket t[4];
        for (uint32_t i = 0; i < 4; i++)
            t[i] = engine_publish(v, i < 2 ? engine_add(1) : engine_work(OP_SPREAD, 2, 0, 10));
        CHECK_EQ(vyre_cancel(v, t[0], NULL), VYRE_PENDING);
        CHECK_EQ(vyre_cancel(v, t[2], NULL), VYRE_PENDING);
        engine_lose(v);
        CHECK_EQ(vyre_cancel(v, t[0], NULL), VYRE_PENDING); /* who knows what was lost */
        CHECK_EQ(vyre_recover(v, NULL), VYRE_OK);
        for (uint32_t i = 0; i < 4; i++)
            CHECK_EQ(vyre_wait(v, t[i], 10 * SECOND, NULL),
                     !rerun ? VYRE_E_LOST : i % 2 ? VYRE_OK : VYRE_E_CANCELLED);
        CHECK_EQ(engine_observable(v, 0), rerun);
        for (uint32_t i = 0; i < 40; i++)
            t[0] = engine_publish(v, engine_add(1)), (void)vyre_drain(v, 10 * SECOND, NULL);
        CHECK_EQ(engine_observable(v, 0), rerun + 40);
        vyre_close(v);
    }
}

/* Who waits for others ends when those have; who waits for him does not run. */
static void works_in_order_are_taken_back(void)
{
    for (uint32_t wide = 0; wide < 2; wide++) {
        vyre_desc d = cancel_desc(16, false, wide);
        d.events = 64;
        vyre *v = engine_open(&d);
        vyre_work first = engine_add(1);
        const vyre_work then = wide ? engine_work(OP_SPREAD, 2, 0, 100) : engine_add(1);
        const vyre_work last = engine_add(1);
        vyre_ticket t[3];
        uint32_t code = 0;
        first.tenant = 1;
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        for (uint32_t round = 0; round < 3; round++) {
            CHECK_EQ(vyre_tenant_enable(v, 1, false, NULL), VYRE_OK);
            t[0] = engine_publish(v, first);
            CHECK_EQ(vyre_publish_after(v, &then, &t[0], 1, &t[1], NULL), VYRE_OK);
            CHECK_EQ(vyre_publish_after(v, &last, &t[1], 1, &t[2], NULL), VYRE_OK);
            CHECK_EQ(vyre_cancel(v, t[1], NULL), VYRE_PENDING);
            CHECK_EQ(vyre_poll(v, t[1]), VYRE_PENDING);
            CHECK_EQ(vyre_tenant_enable(v, 1, true, NULL), VYRE_OK);
            CHECK_EQ(vyre_wait(v, t[0], 20 * SECOND, NULL), VYRE_OK);
            CHECK_EQ(vyre_wait(v, t[1], 20 * SECOND, NULL), VYRE_E_CANCELLED);
            CHECK_EQ(vyre_wait(v, t[2], 20 * SECOND, NULL), VYRE_E_FAULT);
            CHECK_EQ(vyre_fault_of(v, t[2], &code), VYRE_OK);
            CHECK_EQ(code, VYRE_FAULT_AFTER);
            CHECK_EQ(engine_observable(v, 0), round + 1);
        }
        CHECK_EQ(counted(v, 50), 0);
        vyre_close(v);
    }
}

/* The slot's owner has seen an end and is about to say so by a plain store: who cancels
 * waits for it, and finds that there is nothing to take back. */
typedef struct late {
    vyre       *v;
    vyre_ticket t;
    vyre_status status;
    uint32_t    over;
} late;

static void *late_main(void *user)
{
    late *l = (late *)user;
    l->status = vyre_cancel(l->v, l->t, NULL);
    vyi_store_release(&l->over, 1);
    return NULL;
}

static void an_owner_is_waited_for(void)
{
    vyre_desc d = cancel_desc(4, false, false);
    vyre *v = engine_open(&d);
    late l = { v, engine_publish(v, engine_add(1)), VYRE_OK, 0 };
    vyi_slots *s = &v->queue.slots;
    const uint32_t slot = vyre_ticket_slot(l.t), mark = s->marks[slot];
    void *const me = s->pool.thread;
    pthread_t thread;
    vyi_store_pointer(&s->pool.thread, (void *)(uintptr_t)16); /* another thread's */
    vyi_store_release(&s->pool.inside, 1);
    pthread_create(&thread, NULL, late_main, &l);
    while (vyi_mark_phase(vyi_load_acquire(&s->marks[slot])) != VYI_PHASE_ENDING &&
           !vyi_load_acquire(&l.over))
        engine_sleep_ms(1);
    engine_sleep_ms(2);
    /* Its work has ended, and the next one is there. */
    vyi_store_release(&s->marks[slot], vyi_mark_with(mark, VYI_PHASE_FREE));
    vyi_store_release(&s->marks[slot], vyi_mark_with(vyi_mark_next(mark), VYI_PHASE_FLIGHT));
    CHECK_EQ(vyi_load_acquire(&l.over), 0);
    vyi_store_release(&s->pool.inside, 0);
    pthread_join(thread, NULL);
    CHECK_EQ(l.status, VYRE_EMPTY);
    CHECK_EQ(vyi_device_words(vyi_queue_device(&v->queue), s->cancel)[slot], 0);
    CHECK_EQ(s->wishes[slot], 0);
    vyi_store_release(&s->marks[slot], vyi_mark_with(vyi_mark_next(mark), VYI_PHASE_FREE));
    vyi_store_pointer(&s->pool.thread, me);
    vyre_close(v);
}

/* --- a server ------------------------------------------------------------------- */

/* Twice as many works in flight as there are slots.  A work counts itself, so what ran
 * is known; a third are taken back, at once or later, some twice; some fault. */
#define CLIENTS 8
#define FLIGHT  64

typedef struct client {
    vyre    *v;
    uint32_t count, seed, number;
    uint32_t done, gone, faults, wrong, wanted, calls, told_gone, cancels;
    bool     producer;
} client;

typedef struct job {
    vyre_ticket t;
    uint32_t    x;
    bool        asked;
    bool        told; /* how it ended */
} job;

/* Once its owner was told that it has not ended well, the slot is free. */
static void client_told(client *c, job *j, vyre_status status)
{
    c->done += status == VYRE_OK;
    c->gone += status == VYRE_E_CANCELLED;
    c->faults += status == VYRE_E_FAULT;
    c->wrong += status == VYRE_E_CANCELLED && !j->asked;
    c->wrong += (status == VYRE_E_FAULT && j->x % 17 != 0) || (status == VYRE_OK && j->x % 17 == 0);
    c->wrong += status != VYRE_OK && status != VYRE_E_CANCELLED && status != VYRE_E_FAULT;
    j->told = true;
}

static void client_cancel(client *c, job *j)
{
    const vyre_status status = j->told ? VYRE_EMPTY : vyre_cancel(c->v, j->t, NULL);
    c->cancels += !j->asked;
    j->asked = true;
    if (status == VYRE_OK)
        client_told(c, j, VYRE_E_CANCELLED);
    else if (status < 0)
        client_told(c, j, status);
}

static void client_end(client *c, job *j)
{
    uint32_t args[12] = { 0 };
    vyre_status status = VYRE_TIMEOUT;
    while (!j->told && status == VYRE_TIMEOUT)
        status = vyre_wait_result(c->v, j->t, SECOND, args, NULL);
    if (j->told)
        return;
    client_told(c, j, status);
    c->wrong += status == VYRE_OK && args[0] != j->x * j->x;
}

static void on_client_end(void *user, vyre_ticket t, vyre_status status)
{
    client *c = (client *)user;
    (void)t;
    vyi_fetch_add(&c->told_gone, status == VYRE_E_CANCELLED);
    vyi_fetch_add(&c->calls, 1);
}

/* The helper may still be in one of the calls when a drain has seen the last end. */
static uint32_t calls_of(client *c)
{
    const uint64_t end = engine_now() + 10 * SECOND;
    while (vyi_load_acquire(&c->calls) < c->wanted && engine_now() < end)
        engine_sleep_ms(1);
    return vyi_load_acquire(&c->calls);
}

static void *client_main(void *user)
{
    client *c = (client *)user;
    uint64_t seed = c->seed;
    job jobs[FLIGHT];
    uint32_t sent = 0, ended = 0;
    vyre_producer *p = c->producer ? vyre_producer_open(c->v, 16, NULL) : NULL;
    while (ended < c->count) {
        while (sent < c->count && sent - ended < FLIGHT) {
            job *j = &jobs[sent % FLIGHT];
            const uint32_t x = (uint32_t)test_random(&seed) % 1000;
            const vyre_work w = engine_work(x % 17 == 0 ? OP_FAULT : OP_SQUARE, 1, x, 0);
            const vyre_status status = p ? vyre_producer_publish(p, &w, &j->t, NULL)
                                         : vyre_publish(c->v, &w, &j->t, NULL);
            if (status == VYRE_FULL)
                break;
            c->wrong += status != VYRE_OK;
            j->x = x;
            j->asked = j->told = false;
            if (x % 11 == 0) {
                c->wanted++;
                c->wrong += vyre_on_end(c->v, j->t, on_client_end, c, NULL) != VYRE_OK;
            }
            if (x % 3 == 0)
                client_cancel(c, j);
            sent++;
        }
        if (ended < sent) {
            const uint32_t r = (uint32_t)test_random(&seed);
            if (r % 4 == 0)
                client_cancel(c, &jobs[(ended + r / 4 % (sent - ended)) % FLIGHT]);
            client_end(c, &jobs[ended % FLIGHT]);
            ended++;
        }
    }
    vyre_producer_close(p);
    return NULL;
}

static void serve(bool helper, bool producers)
{
    const char *text = getenv("TEST_COUNT");
    const uint32_t count = text ? (uint32_t)strtoul(text, NULL, 0) : 2000;
    vyre_desc d = cancel_desc(256, true, false);
    d.helper_thread = helper;
    vyre *v = engine_open(&d);
    client c[CLIENTS];
    pthread_t threads[CLIENTS];
    uint32_t gone = 0, done = 0, cancels = 0, control[2];
    uint64_t seed = test_seed(0x63616e63);
    memset(c, 0, sizeof c);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        c[i].v = v;
        c[i].count = count / CLIENTS;
        c[i].seed = (uint32_t)test_random(&seed);
        c[i].producer = producers && i % 2;
        pthread_create(&threads[i], NULL, client_main, &c[i]);
    }
    for (uint32_t i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(vyre_drain(v, 10 * SECOND, NULL), VYRE_OK); /* every fault was told */
    for (uint32_t i = 0; i < CLIENTS; i++) {
        CHECK_EQ(c[i].wrong, 0);
        CHECK_EQ(c[i].done + c[i].gone + c[i].faults, c[i].count);
        CHECK_EQ(calls_of(&c[i]), c[i].wanted);
        CHECK(c[i].told_gone <= c[i].gone);
        gone += c[i].gone;
        done += c[i].done;
        cancels += c[i].cancels;
    }
    printf("NOTE %u of %u works were to be taken back: %u were\n", cancels,
           count / CLIENTS * CLIENTS, gone);
    control[0] = vyi_control_load(vyi_queue_device(&v->queue), VYRE_CONTROL_DONE_COUNT);
    control[1] = vyi_control_load(vyi_queue_device(&v->queue), VYRE_CONTROL_FAULT_COUNT);
    CHECK_EQ(control[0], done);
    CHECK_EQ(control[0] + control[1], count / CLIENTS * CLIENTS);
    CHECK(gone > 0 && done > 0);
    const vyre_work nop = engine_work(VYRE_OP_NOP, 0, 0, 0);
    for (uint32_t slot = 0; slot < 256; slot++) /* none is lost */
        CHECK_EQ(vyre_publish(v, &nop, NULL, NULL), VYRE_OK);
    CHECK_EQ(vyre_drain(v, 10 * SECOND, NULL), VYRE_OK);
    vyre_close(v);
}

static void each_work_of_a_server_ends_once(void)
{
    serve(false, false);
}

static void each_work_of_producers_ends_once(void)
{
    serve(true, true);
}

int main(void)
{
    static const engine_case cases[] = {
        ENGINE_CASE(what_has_not_begun_does_not_run),
        ENGINE_CASE(a_wish_ends_with_its_work),
        ENGINE_CASE(what_may_not_run_can_be_taken_back),
        ENGINE_CASE(wide_works_are_taken_back),
        ENGINE_CASE(a_dispatch_of_bytes_knows_no_wish),
        ENGINE_CASE(a_recovery_keeps_wishes),
        ENGINE_CASE(works_in_order_are_taken_back),
        ENGINE_CASE(an_owner_is_waited_for),
        ENGINE_CASE(each_work_of_a_server_ends_once),
        ENGINE_CASE(each_work_of_producers_ends_once),
    };
    engine_run_cases(cases, sizeof cases / sizeof cases[0]);
    return test_end();
}

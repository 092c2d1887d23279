/* What a program does when its works end: results that are kept, callbacks, one of
 * several, tickets of other handles; and a server whose threads have more works in
 * flight than there are slots.  TEST_COUNT: works of that server. */
#include "inside.h"
#include "engine.h"

#include <pthread.h>
#include <sys/resource.h>

static vyre_desc ends_desc(uint32_t slots, bool keep)
{
    vyre_desc d = engine_desc(slots);
    d.keep_results = keep;
    return d;
}

/* --- tickets ---------------------------------------------------------------- */

static void a_ticket_knows_its_handle(void)
{
    vyre_desc d = ends_desc(16, false);
    vyre *a = engine_open(&d), *b = engine_open(&d);
    uint32_t args[12] = { 0 }, code = 7;
    /* Two handles in 4,095 have the same tag. */
    b->queue.slots.tag = a->queue.slots.tag == 1u << 20 ? 2u << 20 : 1u << 20;
    const vyre_ticket t = engine_publish(a, engine_work(OP_SQUARE, 1, 3, 0));
    const vyre_ticket u = engine_publish(b, engine_work(OP_SQUARE, 1, 4, 0));
    CHECK_EQ(t.generation, u.generation);
    CHECK_EQ(vyre_ticket_slot(t), vyre_ticket_slot(u));
    CHECK(vyre_ticket_slot(t) < 16);
    CHECK_EQ(vyre_wait(b, t, SECOND, NULL), VYRE_E_TICKET);
    CHECK_EQ(vyre_poll(a, u), VYRE_E_TICKET);
    CHECK_EQ(vyre_wait_result(b, t, SECOND, args, NULL), VYRE_E_TICKET);
    CHECK_EQ(vyre_release(b, t, NULL), VYRE_E_TICKET);
    CHECK_EQ(vyre_fault_of(b, t, &code), VYRE_E_TICKET);
    CHECK_EQ(code, 7);
    CHECK_EQ(vyre_wait_result(a, t, 10 * SECOND, args, NULL), VYRE_OK);
    CHECK_EQ(args[0], 9);
    CHECK_EQ(vyre_wait_result(b, u, 10 * SECOND, args, NULL), VYRE_OK);
    CHECK_EQ(args[0], 16);
    vyre_close(a);
    vyre_close(b);
}

/* --- results ---------------------------------------------------------------- */

static void kept_results_wait_for_their_owner(void)
{
    enum { SLOTS = 16 };
    vyre_desc d = ends_desc(SLOTS, true);
    vyre *v = engine_open(&d);
    vyre_ticket t[SLOTS];
    uint32_t args[12];
    const vyre_work square = engine_work(OP_SQUARE, 1, 5, 0);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < SLOTS; i++)
            t[i] = engine_publish(v, engine_work(OP_SQUARE, 1, i + round, 0));
        CHECK_EQ(vyre_drain(v, 10 * SECOND, NULL), VYRE_OK);
        for (uint32_t i = 0; i < 100; i++)
            CHECK_EQ(vyre_publish(v, &square, NULL, NULL), VYRE_FULL);
        CHECK_EQ(vyre_wait(v, t[3], SECOND, NULL), VYRE_OK); /* not taken by that */
        CHECK_EQ(vyre_publish(v, &square, NULL, NULL), VYRE_FULL);
        CHECK_EQ(vyre_release(v, t[3], NULL), VYRE_OK);
        CHECK_EQ(vyre_publish(v, &square, NULL, NULL), VYRE_OK); /* and not kept */
        CHECK_EQ(vyre_drain(v, 10 * SECOND, NULL), VYRE_OK);
        for (uint32_t i = 0; i < SLOTS; i++) {
            if (i == 3)
                continue;
            CHECK_EQ(vyre_result(v, t[i], args, NULL), VYRE_OK);
            CHECK_EQ(args[0], (i + round) * (i + round));
        }
    }
    for (uint32_t i = 0; i < 10 * SLOTS; i++) { /* released before its end */
        t[0] = engine_publish(v, square);
        CHECK_EQ(vyre_release(v, t[0], NULL), VYRE_OK);
        CHECK_EQ(vyre_wait(v, t[0], 10 * SECOND, NULL), VYRE_OK);
    }
    vyre_close(v);
}

/* A fault that somebody was told of has no result to fetch. */
static void a_fault_that_was_told_keeps_nothing(void)
{
    vyre_desc d = ends_desc(4, true);
    vyre *v = engine_open(&d);
    uint32_t args[12] = { 77 }, code = 0;
    vyre_error err;
    for (uint32_t i = 0; i < 40; i++) {
        const vyre_ticket t = engine_publish(v, engine_work(OP_FAULT, 1, i, 0));
        if (i % 4 == 0) {
            CHECK_EQ(vyre_wait(v, t, 10 * SECOND, &err), VYRE_E_FAULT);
        } else if (i % 4 == 1) {
            CHECK_EQ(vyre_wait_result(v, t, 10 * SECOND, args, &err), VYRE_E_FAULT);
        } else {
            CHECK_EQ(vyre_drain(v, 10 * SECOND, &err), VYRE_E_FAULT);
            CHECK_EQ(vyre_poll(v, t), VYRE_E_FAULT);
        }
        CHECK_EQ(vyre_fault_of(v, t, &code), VYRE_OK);
        CHECK_EQ(code, VYRE_FAULT_USER + i);
    }
    CHECK_EQ(args[0], 77);
    const vyre_ticket good = engine_publish(v, engine_add(1));
    CHECK_EQ(vyre_fault_of(v, good, &code), VYRE_PENDING);
    CHECK_EQ(vyre_wait(v, good, 10 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(vyre_fault_of(v, good, &code), VYRE_OK);
    CHECK_EQ(code, 0);
    vyre_close(v);
}

static void many_works_keep_the_last_one(void)
{
    vyre_desc d = ends_desc(64, true);
    vyre *v = engine_open(&d);
    vyre_work works[200];
    vyre_ticket last = { 0, 0 };
    uint32_t published = 0, args[12];
    for (uint32_t i = 0; i < 200; i++)
        works[i] = engine_work(OP_SQUARE, 1, i, 0);
    CHECK_EQ(vyre_publish_many(v, works, 200, &published, &last, NULL), VYRE_FULL);
    CHECK_EQ(published, 64);
    CHECK_EQ(vyre_drain(v, 10 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(vyre_publish_many(v, works, 200, &published, NULL, NULL), VYRE_FULL);
    CHECK_EQ(published, 63);
    CHECK_EQ(vyre_wait_result(v, last, 10 * SECOND, args, NULL), VYRE_OK);
    CHECK_EQ(args[0], 63 * 63);
    CHECK_EQ(vyre_drain(v, 10 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(vyre_run(v, works, 200, NULL, NULL), VYRE_OK);
    CHECK_EQ(vyre_publish_many(v, works, 200, &published, NULL, NULL), VYRE_FULL);
    CHECK_EQ(published, 64);
    vyre_close(v);
}

/* Of works that nobody asked for, some lost and some not well, a drain says FAULT: the
 * slot of the first one has been used again by then. */
static void a_drain_says_lost_only_where_no_work_failed(void)
{
    for (uint32_t fault = 0; fault < 2; fault++) {
        vyre_desc d = ends_desc(8, false);
        d.lost_work = VYRE_LOST_REPORT;
        vyre *v = engine_open(&d);
        vyre_error err;
        (void)engine_publish(v, fault ? engine_work(OP_FAULT, 1, 3, 0) : engine_add(1));
        CHECK_EQ(vyre_dispatch_resident(v, 1, NULL, NULL), VYRE_OK);
        for (uint32_t i = 0; i < 8; i++)
            (void)engine_publish(v, engine_add(1));
        engine_lose(v);
        CHECK_EQ(vyre_recover(v, NULL), VYRE_OK);
        CHECK_EQ(vyre_drain(v, 10 * SECOND, &err), fault ? VYRE_E_FAULT : VYRE_E_LOST);
        CHECK_EQ(err.status, fault ? VYRE_E_FAULT : VYRE_E_LOST);
        CHECK(strstr(err.text, fault ? "1 works ended FAULT and 8" : "0 works ended FAULT and 8"));
        CHECK_EQ(vyre_drain(v, 10 * SECOND, NULL), VYRE_OK);
        vyre_close(v);
    }
}

/* What was told stays so on the next device; what was not is lost, or runs again. */
static void a_recovery_respects_what_is_kept(void)
{
    for (uint32_t rerun = 0; rerun < 2; rerun++) {
        vyre_desc d = ends_desc(8, true);
        d.lost_work = rerun ? VYRE_LOST_RERUN : VYRE_LOST_REPORT;
        vyre *v = engine_open(&d);
        uint32_t args[12], published = 0;
        const vyre_work square = engine_work(OP_SQUARE, 1, 6, 0);
        const vyre_ticket told = engine_publish(v, square);
        CHECK_EQ(vyre_wait(v, told, 10 * SECOND, NULL), VYRE_OK);
        const vyre_ticket open = engine_publish(v, square);
        engine_lose(v);
        CHECK_EQ(vyre_recover(v, NULL), VYRE_OK);
        CHECK_EQ(vyre_poll(v, told), VYRE_OK);
        CHECK_EQ(vyre_result(v, told, args, NULL), VYRE_E_STALE);
        const vyre_status status = vyre_wait_result(v, open, 10 * SECOND, args, NULL);
        CHECK_EQ(status, rerun ? VYRE_OK : VYRE_E_LOST);
        CHECK(!rerun || args[0] == 36);
        CHECK_EQ(vyre_release(v, told, NULL), VYRE_OK);
        for (uint32_t i = 0; i < 8; i++)
            published += vyre_publish(v, &square, NULL, NULL) == VYRE_OK;
        CHECK_EQ(published, 8);
        CHECK_EQ(vyre_drain(v, 10 * SECOND, NULL), VYRE_OK);
        vyre_close(v);
    }
}

/* --- one of several ----------------------------------------------------------- */

static void the_one_that_ends_is_named(void)
{
    vyre_desc d = ends_desc(16, false);
    d.tenants = 2;
    vyre *v = engine_open(&d);
    vyre_ticket t[3];
    vyre_error err;
    uint32_t which = 9;
    vyre_work held = engine_add(1);
    held.tenant = 1;
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    CHECK_EQ(vyre_tenant_enable(v, 1, false, NULL), VYRE_OK);
    t[0] = engine_publish(v, held);
    t[1] = engine_publish(v, held);
    CHECK_EQ(vyre_wait_any(v, t, 2, 1000000, &which, &err), VYRE_TIMEOUT);
    CHECK_EQ(which, 9);
    t[2] = engine_publish(v, engine_work(OP_FAULT, 1, 4, 0));
    CHECK_EQ(vyre_wait_any(v, t, 3, 10 * SECOND, &which, &err), VYRE_E_FAULT);
    CHECK_EQ(which, 2);
    CHECK_EQ(err.native, VYRE_FAULT_USER + 4);
    CHECK_EQ(vyre_tenant_enable(v, 1, true, NULL), VYRE_OK);
    CHECK_EQ(vyre_wait_any(v, t, 2, 10 * SECOND, &which, NULL), VYRE_OK);
    CHECK(which < 2);
    CHECK_EQ(vyre_wait_any(v, t, 0, 0, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_wait_any(NULL, t, 1, 0, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_wait_any(v, NULL, 1, 0, NULL, &err), VYRE_E_ARGUMENT);
    vyre_close(v);
}

/* --- callbacks ---------------------------------------------------------------- */

typedef struct seen {
    vyre    *v;
    uint32_t calls, ok, again;
    vyre_status last;
} seen;

static void on_end(void *user, vyre_ticket t, vyre_status status)
{
    seen *s = (seen *)user;
    (void)t;
    s->last = status;
    vyi_fetch_add(&s->ok, status == VYRE_OK);
    vyi_fetch_add(&s->calls, 1);
}

/* The next work from within the end of the one before. */
static void on_end_again(void *user, vyre_ticket t, vyre_status status)
{
    seen *s = (seen *)user;
    const vyre_work work = engine_add(1);
    on_end(user, t, status);
    if (s->again == 0)
        return;
    s->again--;
    CHECK_EQ(vyre_publish(s->v, &work, &t, NULL), VYRE_OK);
    CHECK_EQ(vyre_on_end(s->v, t, on_end_again, s, NULL), VYRE_OK);
}

static void callbacks_come_once(void)
{
    for (uint32_t keep = 0; keep < 2; keep++) {
        vyre_desc d = ends_desc(4, keep);
        vyre *v = engine_open(&d);
        seen s = { v, 0, 0, 20, VYRE_PENDING };
        vyre_error err;
        uint32_t args[12];
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        for (uint32_t i = 0; i < 40; i++) {
            const vyre_ticket t = engine_publish(v, engine_work(i % 4 ? OP_SQUARE : OP_FAULT, 1, 3, 0));
            if (i % 3 == 0)
                (void)vyre_wait(v, t, 10 * SECOND, NULL);
            CHECK_EQ(vyre_on_end(v, t, on_end, &s, &err), VYRE_OK);
            if (i % 2)
                CHECK_EQ(vyre_drain(v, 10 * SECOND, NULL), VYRE_OK);
            while (s.calls == i)
                (void)(i % 5 ? vyre_poll(v, t) : vyre_drain(v, 0, NULL));
            CHECK_EQ(s.calls, i + 1);
            CHECK_EQ(s.last, i % 4 ? VYRE_OK : VYRE_E_FAULT);
            if (keep)
                CHECK_EQ(i % 4 ? vyre_result(v, t, args, NULL) : vyre_release(v, t, NULL),
                         VYRE_OK);
        }
        CHECK_EQ(vyre_drain(v, 10 * SECOND, NULL) < 0, false);
        if (!keep) {
            s.calls = 0;
            on_end_again(&s, (vyre_ticket){ 0, 0 }, VYRE_OK);
            while (s.calls < 21)
                (void)vyre_drain(v, 10 * SECOND, NULL);
            CHECK_EQ(s.calls, 21);
        }
        CHECK_EQ(v->queue.ends.pending, 0);
        vyre_close(v);
    }
}

static void a_callback_is_refused_where_it_cannot_be(void)
{
    vyre_desc d = ends_desc(4, false);
    d.tenants = 2;
    vyre *v = engine_open(&d);
    seen s = { v, 0, 0, 0, VYRE_PENDING };
    vyre_error err;
    vyre_work held = engine_add(1);
    held.tenant = 1;
    const vyre_ticket none = { 0, 0 };
    CHECK_EQ(vyre_tenant_enable(v, 1, false, NULL), VYRE_OK);
    const vyre_ticket t = engine_publish(v, held);
    CHECK_EQ(vyre_on_end(v, t, on_end, &s, &err), VYRE_OK);
    CHECK_EQ(vyre_on_end(v, t, on_end, &s, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_on_end(v, t, NULL, &s, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_on_end(v, none, on_end, &s, &err), VYRE_E_TICKET);
    CHECK_EQ(s.calls, 0);
    engine_lose(v); /* its work was lost: that is an end, too */
    CHECK_EQ(vyre_recover(v, NULL), VYRE_OK);
    CHECK_EQ(vyre_drain(v, SECOND, NULL), VYRE_OK); /* the callback was told */
    CHECK_EQ(s.calls, 1);
    CHECK_EQ(vyre_poll(v, t), VYRE_E_LOST);
    CHECK_EQ(s.calls, 1);
    CHECK_EQ(s.last, VYRE_E_LOST);
    vyre_close(v);
}

static void the_helper_calls_too(void)
{
    vyre_desc d = ends_desc(8, false);
    d.helper_thread = true;
    vyre *v = engine_open(&d);
    seen s = { v, 0, 0, 0, VYRE_PENDING };
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    const vyre_ticket t = engine_publish(v, engine_add(1));
    CHECK_EQ(vyre_on_end(v, t, on_end, &s, NULL), VYRE_OK);
    for (uint32_t i = 0; i < 20000 && !vyi_load_acquire(&s.calls); i++)
        engine_sleep_ms(1);
    CHECK_EQ(vyi_load_acquire(&s.calls), 1);
    vyre_close(v);
}

/* --- memory ------------------------------------------------------------------- */

static void bytes_go_in_and_out(void)
{
    enum { SIZE = 4 * USER_WORDS };
    static uint8_t model[SIZE], bytes[SIZE];
    uint64_t seed = test_seed(0x656e6473);
    vyre_desc d = ends_desc(16, false);
    vyre *v = engine_open(&d);
    vyre_error err;
    memset(model, 0, sizeof model);
    for (uint32_t started = 0; started < 2; started++) {
        if (started)
            CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        for (uint32_t i = 0; i < 200; i++) {
            const uint64_t r = test_random(&seed);
            const size_t size = r % 16 == 0 ? (r >> 8) % SIZE : (r >> 8) % 300;
            const size_t offset = (size_t)(r >> 32) % (SIZE - size + 1);
            for (size_t k = 0; k < size; k++)
                bytes[k] = (uint8_t)(r >> k % 57);
            if (i % 2) {
                CHECK_EQ(vyre_write(v, 0, offset, bytes, size, &err), VYRE_OK);
                memcpy(model + offset, bytes, size);
            }
            CHECK_EQ(vyre_read(v, 0, offset, bytes, size, &err), VYRE_OK);
            CHECK(memcmp(model + offset, bytes, size) == 0);
        }
        const vyre_ticket t = engine_publish(v, engine_work(OP_STORE, 2, 100, 0x11223344));
        CHECK_EQ(vyre_wait(v, t, 10 * SECOND, NULL), VYRE_OK);
        CHECK_EQ(vyre_read(v, 0, 400, model + 400, 4, &err), VYRE_OK);
        CHECK_EQ(vyi_get32(model + 400), 0x11223344);
    }
    CHECK_EQ(vyre_read(v, 0, SIZE, bytes, 0, &err), VYRE_OK);
    CHECK_EQ(vyre_read(v, 0, SIZE, bytes, 1, &err), VYRE_E_OVF);
    CHECK_EQ(vyre_write(v, 0, SIZE_MAX, bytes, SIZE_MAX, &err), VYRE_E_OVF);
    CHECK_EQ(vyre_write(v, 1, 0, bytes, 1, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_read(v, 0, 0, NULL, 1, &err), VYRE_E_ARGUMENT);
    engine_lose(v);
    CHECK_EQ(vyre_read(v, 0, 0, bytes, 1, &err), VYRE_E_DEVICE_LOST);
    vyre_close(v);
}

/* --- a server ------------------------------------------------------------------- */

/* Eight threads, each with 64 works in flight: twice as many as there are slots.
 * Results are asked for late, and some not at all; callbacks and faults in between. */
#define CLIENTS 8
#define FLIGHT  64

typedef struct client {
    vyre    *v;
    uint32_t count, seed;
    uint32_t right, wrong, stale, full, callbacks, wanted;
} client;

static void on_client_end(void *user, vyre_ticket t, vyre_status status)
{
    (void)t, (void)status;
    vyi_fetch_add(&((client *)user)->callbacks, 1);
}

static void client_take(client *c, vyre_ticket t, uint32_t x)
{
    uint32_t args[12], code = 0;
    const bool bad = x % 17 == 0;
    vyre_status status;
    if (x % 13 == 1) { /* never mind */
        if (vyre_release(c->v, t, NULL) != VYRE_OK)
            c->wrong++;
        return;
    }
    do
        status = vyre_wait_result(c->v, t, SECOND, args, NULL);
    while (status == VYRE_TIMEOUT);
    c->stale += status == VYRE_E_STALE;
    if (bad) {
        const bool known = status == VYRE_E_FAULT &&
                           (vyre_fault_of(c->v, t, &code) != VYRE_OK ||
                            code == VYRE_FAULT_USER + x);
        c->right += known;
        c->wrong += !known;
    } else {
        c->right += status == VYRE_OK && args[0] == x * x;
        c->wrong += status != VYRE_OK || args[0] != x * x;
    }
}

static void *client_main(void *user)
{
    client *c = (client *)user;
    vyre_ticket tickets[FLIGHT];
    uint32_t x[FLIGHT], sent = 0, taken = 0;
    while (taken < c->count) {
        while (sent < c->count && sent - taken < FLIGHT) {
            const uint32_t at = sent % FLIGHT;
            x[at] = c->seed + sent;
            const vyre_work w = engine_work(x[at] % 17 == 0 ? OP_FAULT : OP_SQUARE, 1, x[at], 0);
            const vyre_status status = vyre_publish(c->v, &w, &tickets[at], NULL);
            if (status == VYRE_FULL) {
                c->full++;
                break;
            }
            c->wrong += status != VYRE_OK;
            if (x[at] % 11 == 0) {
                c->wanted++;
                c->wrong += vyre_on_end(c->v, tickets[at], on_client_end, c, NULL) != VYRE_OK;
            }
            sent++;
        }
        if (taken < sent) {
            client_take(c, tickets[taken % FLIGHT], x[taken % FLIGHT]);
            taken++;
        }
    }
    return NULL;
}

static void a_server_loses_no_result(void)
{
    const char *text = getenv("TEST_COUNT");
    const uint32_t count = text ? (uint32_t)strtoul(text, NULL, 0) : 40000;
    vyre_desc d = ends_desc(256, true);
    vyre *v = engine_open(&d);
    client c[CLIENTS];
    pthread_t threads[CLIENTS];
    uint32_t full = 0;
    memset(c, 0, sizeof c);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        c[i].v = v;
        c[i].count = count / CLIENTS;
        c[i].seed = i * 1000;
        pthread_create(&threads[i], NULL, client_main, &c[i]);
    }
    for (uint32_t i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    (void)vyre_drain(v, 10 * SECOND, NULL);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        CHECK_EQ(c[i].wrong, 0);
        CHECK_EQ(c[i].stale, 0);
        CHECK_EQ(c[i].callbacks, c[i].wanted);
        full += c[i].full;
    }
    CHECK(full > 0);
    const vyre_work nop = engine_work(VYRE_OP_NOP, 0, 0, 0);
    for (uint32_t slot = 0; slot < 256; slot++) /* none is lost */
        CHECK_EQ(vyre_publish(v, &nop, NULL, NULL), VYRE_OK);
    CHECK_EQ(vyre_drain(v, 10 * SECOND, NULL), VYRE_OK);
    vyre_close(v);
}

/* --- idleness ------------------------------------------------------------------ */

static double processor_ms(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e3 +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e3;
}

/* 10 ms are aimed at.  Processor time, which a loaded machine changes by less than
 * this; a sanitizer by more. */
#if defined(__SANITIZE_THREAD__)
    #define IDLE_MS 250
#elif defined(__SANITIZE_ADDRESS__)
    #define IDLE_MS 60
#else
    #define IDLE_MS 40
#endif

/* In the first tenths of a second the device is still looked at often. */
static void an_idle_handle_costs_nothing(void)
{
    for (uint32_t helper = 0; helper < 2; helper++) {
        vyre_desc d = ends_desc(256, false);
        d.helper_thread = helper;
        vyre *v = engine_open(&d);
        vyre_info info;
        vyre_query(v, &info);
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        CHECK_EQ(vyre_wait(v, engine_publish(v, engine_add(1)), 20 * SECOND, NULL), VYRE_OK);
        engine_sleep_ms(200);
        const double before = processor_ms();
        engine_sleep_ms(1000);
        const double used = processor_ms() - before;
        printf("NOTE %.40s%s: %.1f ms of processor time in an idle second\n", info.device,
               helper ? ", with the helper" : "", used);
        const vyi_device *device = vyi_queue_device(&v->queue);
        CHECK(!device->shared || used <= IDLE_MS);
        /* Nobody waits for it, and it runs all the same. */
        engine_publish(v, engine_add(1));
        const uint64_t end = engine_now() + 20 * SECOND;
        while (engine_observable(v, 0) != 2 && engine_now() < end)
            engine_sleep_ms(1);
        CHECK_EQ(engine_observable(v, 0), 2);
        vyre_close(v);
    }
}

int main(void)
{
    static const engine_case cases[] = {
        ENGINE_CASE(a_ticket_knows_its_handle),
        ENGINE_CASE(kept_results_wait_for_their_owner),
        ENGINE_CASE(a_fault_that_was_told_keeps_nothing),
        ENGINE_CASE(many_works_keep_the_last_one),
        ENGINE_CASE(a_drain_says_lost_only_where_no_work_failed),
        ENGINE_CASE(a_recovery_respects_what_is_kept),
        ENGINE_CASE(the_one_that_ends_is_named),
        ENGINE_CASE(callbacks_come_once),
        ENGINE_CASE(a_callback_is_refused_where_it_cannot_be),
        ENGINE_CASE(the_helper_calls_too),
        ENGINE_CASE(bytes_go_in_and_out),
        ENGINE_CASE(a_server_loses_no_result),
        ENGINE_CASE(an_idle_handle_costs_nothing),
    };
    engine_run_cases(cases, sizeof cases / sizeof cases[0]);
    return test_end();
}

/* The engine, case by case, on every backend: opening, publishing, tickets,
 * faults, results, runs, tenants, log, stop. */
#include "engine.h"
#include "oom.h"

/* --- opening ------------------------------------------------------------- */

static void open_gives_the_defaults(void)
{
    vyre_desc d;
    vyre_info info;
    memset(&d, 0, sizeof d);
    d.backend = backend_under_test;
    vyre *v = engine_open(&d);
    vyre_query(v, &info);
    CHECK_EQ(info.backend, backend_under_test);
    CHECK_EQ(info.slot_count, 256);
    CHECK_EQ(info.tenants, 1);
    CHECK_EQ(info.observables, 64);
    CHECK_EQ(info.log_records, 64);
    CHECK_EQ(info.buffer_count, 0);
    CHECK_EQ(info.lane_count, info.workgroup_size * info.worker_groups);
    CHECK(info.lane_count > 0 && info.lane_count <= 256);
    CHECK(info.device[0] && info.driver[0] && info.probe.text[0]);
    CHECK(info.mode == VYRE_MODE_PERSISTENT || info.mode == VYRE_MODE_PASSES);
    CHECK(!info.running && !info.device_lost && !info.shut_down);
    CHECK(info.device_bytes >= 256 * 64 + 256 * 4);
    vyre_close(v);
}

static void expect_open_fails(const vyre_desc *d, vyre_status status)
{
    vyre_error err;
    memset(&err, 0, sizeof err);
    CHECK(!vyre_open(d, &err));
    CHECK_EQ(err.status, status);
    CHECK(err.text[0] && err.fix[0]);
}

static void open_refuses_what_cannot_be(void)
{
    vyre_desc d = engine_desc(100);
    d.kernel.workgroup_size = 64;
    expect_open_fails(&d, VYRE_E_KERNEL_SLOT_MULTIPLE);
    d = engine_desc(64);
    d.tenants = VYRE_MAX_TENANTS + 1;
    expect_open_fails(&d, VYRE_E_TENANT_RANGE);
    d = engine_desc(VYRE_MAX_SLOTS * 2);
    expect_open_fails(&d, VYRE_E_OVF);
    d = engine_desc(64);
    d.mode = (vyre_mode)7;
    expect_open_fails(&d, VYRE_E_ARGUMENT);
    d = engine_desc(64);
    const size_t odd = 6;
    d.buffer_sizes = &odd;
    expect_open_fails(&d, VYRE_E_ARGUMENT);
    vyre_buffer_desc buffers[VYRE_MAX_BINDINGS];
    vyre_error err;
    for (uint32_t i = 0; i < VYRE_MAX_BINDINGS; i++)
        buffers[i] = engine_buffers[0];
    d = engine_desc(64);
    d.kernel.buffers = buffers;
    d.kernel.buffer_count = VYRE_MAX_BINDINGS - VYRE_BINDING_USER - 1;
    expect_open_fails(&d, VYRE_E_ARGUMENT);
    CHECK(!vyre_open(&d, &err) && strstr(err.text, "27 user buffers; there may be 26"));
    d = engine_desc(64);
    d.backend = (vyre_backend)77;
    expect_open_fails(&d, VYRE_E_BACKEND);
    d = engine_desc(0); /* as many slots as the workgroup has lanes */
    d.kernel.workgroup_size = 32;
    vyre *v = engine_open(&d);
    vyre_info info;
    vyre_query(v, &info);
    CHECK_EQ(info.slot_count, 32);
    const vyre_ticket none = { 0, 0 };
    CHECK_EQ(vyre_wait_any(v, &none, 0, 0, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_TEXT(err.text, "there is no ticket to wait for");
    vyre_close(v);
    CHECK(!vyre_backend_available((vyre_backend)77));
    CHECK(vyre_backend_available(VYRE_BACKEND_CPU));
    CHECK(vyre_backend_available(VYRE_BACKEND_AUTO));
}

static void null_handles_are_refused(void)
{
    vyre_work w = engine_add(1);
    vyre_ticket t = { 0, 1 };
    vyre_info info;
    uint32_t args[12], x;
    vyre_io_buffers io;
    memset(&io, 0, sizeof io);
    CHECK_EQ(vyre_start(NULL, NULL), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_stop(NULL, 0, NULL), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_publish(NULL, &w, NULL, NULL), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_publish_many(NULL, &w, 1, NULL, NULL, NULL), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_poll(NULL, t), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_wait(NULL, t, 0, NULL), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_drain(NULL, 0, NULL), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_result(NULL, t, args, NULL), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_run(NULL, &w, 1, NULL, NULL), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_dispatch(NULL, &io, NULL, NULL), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_dispatch_resident(NULL, 1, NULL, NULL), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_observable(NULL, 0, &x, NULL), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_buffers(NULL, &io, NULL), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_tenant_enable(NULL, 0, true, NULL), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_recover(NULL, NULL), VYRE_E_ARGUMENT);
    CHECK(!vyre_map(NULL, 0, NULL));
    vyre_error err;
    CHECK_EQ(vyre_publish(NULL, NULL, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_TEXT(err.text, "the handle is NULL");
    const vyre_desc d = engine_desc(16);
    vyre *v = engine_open(&d);
    CHECK_EQ(vyre_publish(v, NULL, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_TEXT(err.text, "work is NULL");
    vyre_close(v);
    vyre_close(NULL);
    vyre_query(NULL, &info);
    CHECK_EQ(info.slot_count, 0);
}

/* --- one work ------------------------------------------------------------ */

static void work_waits_in_the_ring_until_it_is_waited_for(void)
{
    vyre_desc d = engine_desc(64);
    vyre *v = engine_open(&d);
    vyre_ticket t = engine_publish(v, engine_add(5));
    CHECK_EQ(vyre_poll(v, t), VYRE_PENDING);
    engine_sleep_ms(5);
    CHECK_EQ(vyre_poll(v, t), VYRE_PENDING);
    CHECK_EQ(engine_observable(v, 0), 0);
    CHECK_EQ(vyre_wait(v, t, 5 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(vyre_poll(v, t), VYRE_OK);
    CHECK_EQ(engine_observable(v, 0), 5);
    vyre_close(v);
}

static void work_is_taken_while_the_kernel_runs(void)
{
    vyre_desc d = engine_desc(64);
    vyre *v = engine_open(&d);
    vyre_info info;
    vyre_ticket early = engine_publish(v, engine_add(1));
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK); /* it already does */
    CHECK_EQ(vyre_wait(v, early, 5 * SECOND, NULL), VYRE_OK);
    for (uint32_t i = 0; i < 500; i++) {
        vyre_ticket t = engine_publish(v, engine_add(1));
        CHECK_EQ(vyre_wait(v, t, 5 * SECOND, NULL), VYRE_OK);
    }
    CHECK_EQ(engine_observable(v, 0), 501);
    vyre_query(v, &info);
    CHECK(info.running);
    CHECK(info.mode == VYRE_MODE_PERSISTENT ? info.leases > 0 : info.passes > 0);
    CHECK_EQ(vyre_stop(v, 5 * SECOND, NULL), VYRE_OK);
    vyre_query(v, &info);
    CHECK(!info.running);
    vyre_close(v);
}

static void handlers_reach_user_buffers(void)
{
    vyre_desc d = engine_desc(64);
    vyre *v = engine_open(&d);
    size_t size = 0;
    uint32_t *user = (uint32_t *)vyre_map(v, 0, &size);
    CHECK(user != NULL);
    CHECK_EQ(size, USER_WORDS * 4);
    CHECK(!vyre_map(v, 1, &size));
    CHECK_EQ(user[17], 0);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    vyre_ticket t = engine_publish(v, engine_work(OP_STORE, 2, 17, 4711));
    CHECK_EQ(vyre_wait(v, t, 5 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(user[17], 4711);
    vyre_close(v);
}

static void publish_refuses_bad_work(void)
{
    vyre_desc d = engine_desc(64);
    vyre *v = engine_open(&d);
    vyre_error err;
    vyre_ticket t = { 7, 7 };
    vyre_work w = engine_add(1);
    w.arg_count = 13;
    CHECK_EQ(vyre_publish(v, &w, &t, &err), VYRE_E_TOO_MANY_ARGS);
    w = engine_add(1);
    w.opcode = 0xfff5u;
    CHECK_EQ(vyre_publish(v, &w, &t, &err), VYRE_E_OPCODE);
    w.opcode = VYRE_OP_LOAD_MISS; /* not without a kernel that knows it */
    CHECK_EQ(vyre_publish(v, &w, &t, &err), VYRE_E_OPCODE);
    w = engine_add(1);
    w.tenant = 1;
    CHECK_EQ(vyre_publish(v, &w, &t, &err), VYRE_E_TENANT_RANGE);
    w = engine_add(1);
    w.priority = (vyre_priority)5;
    CHECK_EQ(vyre_publish(v, &w, &t, &err), VYRE_E_PRIORITY);
    CHECK_EQ(vyre_publish(v, NULL, &t, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_ticket_slot(t), 7);
    CHECK_EQ(t.generation, 7);

    /* In a batch the first bad one stops all of it. */
    vyre_work works[3] = { engine_add(1), engine_add(1), engine_add(1) };
    uint32_t published = 99;
    works[2].tenant = 9;
    CHECK_EQ(vyre_publish_many(v, works, 3, &published, &t, &err), VYRE_E_TENANT_RANGE);
    CHECK_EQ(published, 99);
    CHECK_EQ(vyre_drain(v, SECOND, NULL), VYRE_OK);
    CHECK_EQ(engine_observable(v, 0), 0);
    vyre_close(v);
}

static void arguments_that_are_not_given_are_zero(void)
{
    vyre_desc d = engine_desc(64);
    vyre *v = engine_open(&d);
    uint32_t args[12];
    for (uint32_t count = 0; count <= 12; count++) {
        vyre_work w = engine_work(VYRE_OP_NOP, count, 0, 0);
        for (uint32_t i = 0; i < 12; i++)
            w.args[i] = 100 + i;
        vyre_ticket t = engine_publish(v, w);
        CHECK_EQ(vyre_wait(v, t, 5 * SECOND, NULL), VYRE_OK);
        CHECK_EQ(vyre_result(v, t, args, NULL), VYRE_OK);
        for (uint32_t i = 0; i < 12; i++)
            CHECK_EQ(args[i], i < count ? 100 + i : 0);
    }
    vyre_close(v);
}

/* --- tickets ------------------------------------------------------------- */

static void tickets_survive_the_reuse_of_their_slots(void)
{
    vyre_desc d = engine_desc(64);
    vyre *v = engine_open(&d);
    static vyre_ticket tickets[1000];
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < 1000; i++) {
        tickets[i] = engine_publish(v, engine_add(1));
        CHECK_EQ(vyre_wait(v, tickets[i], 5 * SECOND, NULL), VYRE_OK);
        CHECK(vyre_ticket_slot(tickets[i]) < 64);
    }
    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t args[12];
        CHECK_EQ(vyre_poll(v, tickets[i]), VYRE_OK);
        CHECK_EQ(vyre_wait(v, tickets[i], 0, NULL), VYRE_OK);
        CHECK_EQ(vyre_result(v, tickets[i], args, NULL), i < 936 ? VYRE_E_STALE : VYRE_OK);
    }
    vyre_close(v);
}

static void foreign_tickets_are_refused(void)
{
    vyre_desc d = engine_desc(64);
    vyre *v = engine_open(&d);
    vyre_error err;
    const vyre_ticket none = { 0, 0 }, beyond = { 64, 1 }, early = { 3, 1 };
    vyre_ticket t = engine_publish(v, engine_add(1)), future = t;
    future.generation++;
    CHECK_EQ(vyre_poll(v, none), VYRE_E_TICKET);
    CHECK_EQ(vyre_poll(v, beyond), VYRE_E_TICKET);
    CHECK_EQ(vyre_poll(v, early), VYRE_E_TICKET);
    CHECK_EQ(vyre_wait(v, future, SECOND, &err), VYRE_E_TICKET);
    CHECK(err.text[0]);
    vyre_close(v);
}

static void a_full_ring_is_a_status(void)
{
    vyre_desc d = engine_desc(64);
    vyre *v = engine_open(&d);
    const vyre_work w = engine_add(1);
    vyre_ticket t;
    for (uint32_t i = 0; i < 64; i++)
        t = engine_publish(v, w);
    const vyre_ticket last = t;
    CHECK_EQ(vyre_publish(v, &w, &t, NULL), VYRE_FULL);
    CHECK_EQ(t.slot, last.slot);
    CHECK_EQ(vyre_wait(v, last, 5 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(vyre_publish(v, &w, &t, NULL), VYRE_OK);
    CHECK_EQ(vyre_drain(v, 5 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(engine_observable(v, 0), 65);
    vyre_close(v);
}

static void batches_are_published_in_order_until_the_ring_is_full(void)
{
    vyre_desc d = engine_desc(128);
    vyre *v = engine_open(&d);
    static vyre_work works[300];
    uint32_t published = 0;
    vyre_ticket last = { 0, 0 };
    for (uint32_t i = 0; i < 300; i++)
        works[i] = engine_work(OP_COUNT, 2, i, 1);
    vyre_ticket single = engine_publish(v, works[0]); /* pairs of slots get out of step */
    CHECK_EQ(vyre_publish_many(v, works + 1, 299, &published, &last, NULL), VYRE_FULL);
    CHECK_EQ(published, 127);
    CHECK_EQ(vyre_wait(v, last, 5 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(vyre_poll(v, single), VYRE_OK);
    CHECK_EQ(vyre_publish_many(v, works + 128, 100, &published, &last, NULL), VYRE_OK);
    CHECK_EQ(published, 100);
    CHECK_EQ(vyre_publish_many(v, works, 0, &published, &last, NULL), VYRE_OK);
    CHECK_EQ(published, 0);
    CHECK_EQ(vyre_drain(v, 5 * SECOND, NULL), VYRE_OK);
    const uint32_t *user = (const uint32_t *)vyre_map(v, 0, NULL);
    for (uint32_t i = 0; i < 300; i++)
        CHECK_EQ(user[i], i < 228);
    CHECK_EQ(engine_observable(v, 0), 228);
    vyre_close(v);
}

/* --- faults and results -------------------------------------------------- */

static void a_fault_reaches_the_waiter(void)
{
    vyre_desc d = engine_desc(64);
    d.unknown_opcodes = true;
    vyre *v = engine_open(&d);
    for (int started = 0; started < 2; started++) {
        vyre_error err;
        memset(&err, 0, sizeof err);
        if (started)
            CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        vyre_ticket t = engine_publish(v, engine_work(OP_NOBODYS, 0, 0, 0));
        vyre_ticket u = engine_publish(v, engine_work(OP_FAULT, 1, 7, 0));
        CHECK_EQ(vyre_wait(v, t, 5 * SECOND, &err), VYRE_E_FAULT);
        CHECK_EQ(err.native, VYRE_FAULT_OPCODE);
        CHECK_EQ(err.at, vyre_ticket_slot(t));
        CHECK_EQ(vyre_wait(v, u, 5 * SECOND, &err), VYRE_E_FAULT);
        CHECK_EQ(err.native, VYRE_FAULT_USER + 7);
        CHECK_EQ(vyre_poll(v, t), VYRE_E_FAULT);
        CHECK_EQ(vyre_poll(v, u), VYRE_E_FAULT);
        uint32_t args[12];
        CHECK_EQ(vyre_result(v, u, args, &err), VYRE_E_FAULT);
    }
    vyre_close(v);
}

static void a_fault_is_remembered_when_its_slot_is_used_again(void)
{
    vyre_desc d = engine_desc(64);
    vyre *v = engine_open(&d);
    vyre_error err;
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    const vyre_ticket first = engine_publish(v, engine_work(OP_FAULT, 1, 1, 0));
    CHECK_EQ(vyre_drain(v, 5 * SECOND, NULL), VYRE_E_FAULT); /* nobody has asked for it */
    for (uint32_t i = 0; i < 200; i++) {
        vyre_ticket t = engine_publish(v, engine_add(1));
        CHECK_EQ(vyre_wait(v, t, 5 * SECOND, NULL), VYRE_OK);
    }
    CHECK_EQ(vyre_poll(v, first), VYRE_E_FAULT);
    CHECK_EQ(vyre_wait(v, first, 0, &err), VYRE_E_FAULT);
    CHECK_EQ(err.native, VYRE_FAULT_USER + 1);

    /* One fault is kept for each slot: a second one there replaces it. */
    vyre_ticket t;
    do {
        t = engine_publish(v, engine_work(OP_FAULT, 1, 2, 0));
        CHECK_EQ(vyre_wait(v, t, 5 * SECOND, &err), VYRE_E_FAULT);
    } while (t.slot != first.slot);
    CHECK_EQ(vyre_poll(v, first), VYRE_E_STALE);
    CHECK_EQ(vyre_poll(v, t), VYRE_E_FAULT);
    vyre_close(v);
}

static void expect_drain(vyre *v, uint32_t faults)
{
    vyre_error err;
    char text[32];
    memset(&err, 0, sizeof err);
    CHECK_EQ(vyre_drain(v, 5 * SECOND, &err), faults ? VYRE_E_FAULT : VYRE_OK);
    if (!faults)
        return;
    snprintf(text, sizeof text, "%u works ended FAULT", faults);
    if (strncmp(err.text, text, strlen(text)) != 0)
        test_fail(__FILE__, __LINE__, "not %u: %s", faults, err.text);
    CHECK_EQ(err.native, VYRE_FAULT_USER + 5);
    CHECK(err.fix[0]);
}

/* Each fault is told once: by whoever is asked for its ticket, or by a drain. */
static void a_drain_tells_of_faults_that_nobody_asked_for(void)
{
    vyre_desc d = engine_desc(64);
    vyre *v = engine_open(&d);
    const vyre_work bad = engine_work(OP_FAULT, 1, 5, 0);
    for (int started = 0; started < 2; started++) {
        if (started)
            CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        (void)engine_publish(v, bad);
        (void)engine_publish(v, engine_add(1));
        const vyre_ticket t = engine_publish(v, bad);
        expect_drain(v, 2);
        expect_drain(v, 0);
        CHECK_EQ(vyre_poll(v, t), VYRE_E_FAULT); /* it still may be asked */
        expect_drain(v, 0);

        const vyre_ticket u = engine_publish(v, bad);
        CHECK_EQ(vyre_wait(v, u, 5 * SECOND, NULL), VYRE_E_FAULT);
        vyre_work works[3] = { bad, engine_add(1), bad };
        CHECK_EQ(vyre_run(v, works, 3, NULL, NULL), VYRE_E_FAULT);
        expect_drain(v, 0);

        /* Three times round the ring, whose slots the next works take over. */
        for (uint32_t i = 0; i < 200; i++) {
            const vyre_ticket w = engine_publish(v, i % 2 ? bad : engine_add(1));
            while (i % 2 == 0 && vyre_wait(v, w, 5 * SECOND, NULL) != VYRE_OK)
                continue;
        }
        expect_drain(v, 100);
        expect_drain(v, 0);
    }
    vyre_close(v);
}

/* News are explained in the error, too. */
static void expect_news(const vyre_error *err, vyre_status status)
{
    CHECK_EQ(err->status, status);
    CHECK(err->text[0] && err->fix[0]);
}

static void news_are_explained(void)
{
    vyre_desc d = engine_desc(64);
    d.tenants = 2;
    d.run_timeout_ns = SECOND / 50;
    vyre *v = engine_open(&d);
    vyre_error err;
    uint32_t args[12];
    memset(&err, 0, sizeof err);
    CHECK_EQ(vyre_tenant_enable(v, 1, false, NULL), VYRE_OK);
    vyre_work w = engine_add(1);
    w.tenant = 1;
    const vyre_ticket t = engine_publish(v, w); /* it stays in the ring */
    CHECK_EQ(vyre_result(v, t, args, &err), VYRE_PENDING);
    expect_news(&err, VYRE_PENDING);
    CHECK_EQ(vyre_wait(v, t, SECOND / 100, &err), VYRE_TIMEOUT);
    expect_news(&err, VYRE_TIMEOUT);
    CHECK_EQ(vyre_drain(v, SECOND / 100, &err), VYRE_TIMEOUT);
    expect_news(&err, VYRE_TIMEOUT);
    CHECK_EQ(err.at, 1);
    CHECK_EQ(vyre_run(v, &w, 1, NULL, &err), VYRE_TIMEOUT);
    expect_news(&err, VYRE_TIMEOUT);
    vyre_close(v);
}

static void results_are_the_arguments_after_the_run(void)
{
    vyre_desc d = engine_desc(64);
    vyre *v = engine_open(&d);
    uint32_t args[12];
    vyre_ticket t = engine_publish(v, engine_work(OP_SQUARE, 3, 12, 30));
    memset(args, 0x55, sizeof args);
    CHECK_EQ(vyre_result(v, t, args, NULL), VYRE_PENDING);
    CHECK_EQ(args[0], 0x55555555u);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    CHECK_EQ(vyre_wait(v, t, 5 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(vyre_result(v, t, args, NULL), VYRE_OK);
    CHECK_EQ(args[0], 144);
    CHECK_EQ(args[1], 42);
    CHECK_EQ(args[2], 0);
    vyre_close(v);
}

/* --- runs ---------------------------------------------------------------- */

#define RUN_WORKS 2560u

static void runs_are_longer_than_the_ring(void)
{
    vyre_desc d = engine_desc(256);
    vyre *v = engine_open(&d);
    static vyre_work works[RUN_WORKS];
    vyre_stats stats;
    for (uint32_t i = 0; i < RUN_WORKS; i++)
        works[i] = engine_work(OP_COUNT, 2, i, i);
    for (int started = 0; started < 2; started++) {
        if (started)
            CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        memset(&stats, 0x77, sizeof stats);
        CHECK_EQ(vyre_run(v, works, RUN_WORKS, &stats, NULL), VYRE_OK);
        CHECK_EQ(stats.done, RUN_WORKS);
        CHECK_EQ(stats.faults, 0);
        CHECK_EQ(stats.input_bytes, RUN_WORKS * 64);
        CHECK(stats.latency_ns > 0 && stats.latency_ns < 3600 * SECOND);
        CHECK(started || stats.kernel_launches >= 10);
    }
    const uint32_t *user = (const uint32_t *)vyre_map(v, 0, NULL);
    for (uint32_t i = 0; i < RUN_WORKS; i++)
        CHECK_EQ(user[i], 2);
    CHECK_EQ(engine_observable(v, 0), RUN_WORKS * (RUN_WORKS - 1));
    CHECK_EQ(vyre_run(v, works, 0, &stats, NULL), VYRE_OK);
    CHECK_EQ(stats.done, 0);
    vyre_close(v);
}

static void a_run_reports_faults(void)
{
    vyre_desc d = engine_desc(64);
    vyre *v = engine_open(&d);
    static vyre_work works[200];
    vyre_stats stats;
    vyre_error err;
    for (uint32_t i = 0; i < 200; i++)
        works[i] = engine_add(1);
    works[150] = engine_work(OP_FAULT, 1, 3, 0);
    CHECK_EQ(vyre_run(v, works, 200, &stats, &err), VYRE_E_FAULT);
    CHECK_EQ(stats.done, 199);
    CHECK_EQ(stats.faults, 1);
    CHECK_EQ(err.at, 150);
    CHECK_EQ(err.native, VYRE_FAULT_USER + 3);
    for (uint32_t i = 0; i < 200; i++)
        works[i] = engine_work(OP_FAULT, 1, i, 0);
    CHECK_EQ(vyre_run(v, works, 200, &stats, &err), VYRE_E_FAULT);
    CHECK_EQ(stats.faults, 200);
    works[3].tenant = 5; /* nothing runs then */
    CHECK_EQ(vyre_run(v, works, 200, &stats, &err), VYRE_E_TENANT_RANGE);
    CHECK_EQ(engine_observable(v, 0), 199);
    vyre_close(v);
}

static void a_jit_kernel_has_one_payload(void)
{
    vyre_desc d = engine_desc(64);
    d.kernel.kind = VYRE_KERNEL_JIT;
    d.kernel.payload = emit_square;
    d.kernel.handler_count = 0;
    vyre *v = engine_open(&d);
    uint32_t args[12];
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    vyre_ticket t = engine_publish(v, engine_work(0x2345, 2, 9, 1));
    CHECK_EQ(vyre_wait(v, t, 5 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(vyre_result(v, t, args, NULL), VYRE_OK);
    CHECK_EQ(args[0], 81);
    vyre_close(v);
}

static void priorities_have_partitions(void)
{
    vyre_desc d = engine_desc(64); /* 12 slots each, NORMAL has 16 */
    d.kernel.kind = VYRE_KERNEL_PRIORITY;
    vyre *v = engine_open(&d);
    static const uint32_t first[] = { 24, 0, 12, 40, 52 }, count[] = { 16, 12, 12, 12, 12 };
    for (uint32_t p = 0; p < 5; p++) {
        vyre_work w = engine_add(1);
        w.priority = (vyre_priority)p;
        for (uint32_t i = 0; i < count[p]; i++) {
            vyre_ticket t = engine_publish(v, w);
            CHECK(vyre_ticket_slot(t) >= first[p] && vyre_ticket_slot(t) < first[p] + count[p]);
        }
        CHECK_EQ(vyre_publish(v, &w, NULL, NULL), VYRE_FULL);
    }
    CHECK_EQ(vyre_drain(v, 10 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(engine_observable(v, 0), 64);
    for (uint32_t i = 0; i < 25; i++) { /* works of two levels, published together */
        vyre_work pair[2] = { engine_add(1), engine_add(1) };
        const uint32_t p = i % 5;
        vyre_ticket t;
        pair[0].priority = (vyre_priority)(i / 5);
        pair[1].priority = (vyre_priority)p;
        CHECK_EQ(vyre_publish_many(v, pair, 2, NULL, &t, NULL), VYRE_OK);
        CHECK(vyre_ticket_slot(t) >= first[p] && vyre_ticket_slot(t) < first[p] + count[p]);
    }
    CHECK_EQ(vyre_drain(v, 10 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(engine_observable(v, 0), 114);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    vyre_work works[50];
    for (uint32_t i = 0; i < 50; i++) {
        works[i] = engine_add(1);
        works[i].priority = (vyre_priority)(i % 5);
    }
    CHECK_EQ(vyre_run(v, works, 50, NULL, NULL), VYRE_OK);
    CHECK_EQ(engine_observable(v, 0), 164);
    vyre_close(v);
}

/* --- tenants ------------------------------------------------------------- */

static void a_tenant_without_authorisation_waits(void)
{
    vyre_desc d = engine_desc(64);
    d.tenants = 2;
    vyre *v = engine_open(&d);
    for (int started = 0; started < 2; started++) {
        vyre_work w = engine_add(100), other = engine_add(1);
        w.tenant = 1;
        if (started)
            CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        CHECK_EQ(vyre_tenant_enable(v, 1, false, NULL), VYRE_OK);
        vyre_ticket t = engine_publish(v, w);
        for (uint32_t i = 0; i < 100; i++) {
            vyre_ticket u = engine_publish(v, other);
            CHECK_EQ(vyre_wait(v, u, 5 * SECOND, NULL), VYRE_OK);
        }
        CHECK_EQ(vyre_wait(v, t, SECOND / 50, NULL), VYRE_TIMEOUT);
        CHECK_EQ(vyre_poll(v, t), VYRE_PENDING);
        CHECK_EQ(vyre_tenant_enable(v, 1, true, NULL), VYRE_OK);
        CHECK_EQ(vyre_wait(v, t, 5 * SECOND, NULL), VYRE_OK);
    }
    CHECK_EQ(engine_observable(v, 0), 400);
    CHECK_EQ(vyre_tenant_enable(v, 2, true, NULL), VYRE_E_TENANT_RANGE);
    vyre_close(v);
}

/* --- log ----------------------------------------------------------------- */

static struct {
    uint32_t count;
    uint32_t format[512];
} records;

static void take_record(void *user, const vyre_log_record *record)
{
    CHECK(user == (void *)&records);
    if (records.count < 512)
        records.format[records.count] = record->format;
    records.count++;
}

static void log_records_reach_the_callback_once(void)
{
    vyre_desc d = engine_desc(64);
    d.log = take_record;
    d.log_user = &records;
    vyre *v = engine_open(&d);
    memset(&records, 0, sizeof records);
    for (uint32_t i = 0; i < 10; i++) {
        vyre_ticket t = engine_publish(v, engine_work(VYRE_OP_PRINTF, 3, 1000 + i, i));
        CHECK_EQ(vyre_wait(v, t, 5 * SECOND, NULL), VYRE_OK);
    }
    CHECK_EQ(vyre_drain(v, SECOND, NULL), VYRE_OK);
    CHECK_EQ(records.count, 10);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t i = 10; i < 200; i++) { /* more than the log holds */
        vyre_ticket t = engine_publish(v, engine_work(VYRE_OP_PRINTF, 3, 1000 + i, i));
        CHECK_EQ(vyre_wait(v, t, 5 * SECOND, NULL), VYRE_OK);
        if (i % 50 == 0)
            CHECK_EQ(vyre_drain(v, SECOND, NULL), VYRE_OK);
    }
    CHECK_EQ(vyre_stop(v, 5 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(records.count, 200);
    for (uint32_t i = 0; i < 200; i++)
        CHECK_EQ(records.format[i], 1000 + i);
    vyre_close(v);
}

static void a_full_log_counts_what_it_drops(void)
{
    vyre_desc d = engine_desc(64);
    d.kernel.log_records = 4;
    vyre *v = engine_open(&d);
    vyre_info info;
    vyre_work works[9];
    for (uint32_t i = 0; i < 9; i++)
        works[i] = engine_work(VYRE_OP_PRINTF, 1, i, 0);
    CHECK_EQ(vyre_run(v, works, 9, NULL, NULL), VYRE_OK);
    vyre_query(v, &info);
    CHECK_EQ(info.log_dropped, 5);
    vyre_close(v);
}

/* --- stopping ------------------------------------------------------------ */

static void opcode_shutdown_stops_the_kernel(void)
{
    vyre_desc d = engine_desc(64);
    vyre *v = engine_open(&d);
    const vyre_work w = engine_add(1);
    vyre_error err;
    vyre_info info;
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    vyre_ticket t = engine_publish(v, engine_work(VYRE_OP_SHUTDOWN, 0, 0, 0));
    CHECK_EQ(vyre_wait(v, t, 5 * SECOND, NULL), VYRE_OK);

    /* What is published in the meantime may find no kernel. */
    vyre_status status;
    vyre_ticket late = { 0, 0 };
    const uint64_t begin = engine_now();
    do {
        status = vyre_publish(v, &w, &late, &err);
        if (status == VYRE_OK)
            status = vyre_wait(v, late, SECOND, &err);
        CHECK(engine_now() - begin < 10 * SECOND);
    } while (status != VYRE_E_STOPPED);
    vyre_query(v, &info);
    CHECK(info.shut_down && !info.running);
    const uint32_t before = engine_observable(v, 0);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    CHECK_EQ(vyre_drain(v, 5 * SECOND, NULL), VYRE_OK);
    t = engine_publish(v, w);
    CHECK_EQ(vyre_wait(v, t, 5 * SECOND, NULL), VYRE_OK);
    CHECK(engine_observable(v, 0) > before);
    CHECK_EQ(vyre_stop(v, 5 * SECOND, NULL), VYRE_OK);
    vyre_close(v);
}

static void a_run_goes_on_behind_a_shutdown(void)
{
    vyre_desc d = engine_desc(64);
    vyre *v = engine_open(&d);
    static vyre_work works[130];
    vyre_stats stats;
    for (uint32_t i = 0; i < 130; i++)
        works[i] = engine_add(1);
    works[0] = works[70] = engine_work(VYRE_OP_SHUTDOWN, 0, 0, 0);
    CHECK_EQ(vyre_run(v, works, 130, &stats, NULL), VYRE_OK);
    CHECK_EQ(stats.done, 130);
    CHECK_EQ(engine_observable(v, 0), 128);
    vyre_close(v);
}

static void a_stopped_kernel_leaves_work_in_the_ring(void)
{
    vyre_desc d = engine_desc(64);
    vyre *v = engine_open(&d);
    CHECK_EQ(vyre_stop(v, SECOND, NULL), VYRE_OK); /* nothing runs: fine */
    for (uint32_t round = 0; round < 5; round++) {
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        CHECK_EQ(vyre_stop(v, 5 * SECOND, NULL), VYRE_OK);
        vyre_ticket t = engine_publish(v, engine_add(1));
        engine_sleep_ms(2);
        CHECK_EQ(vyre_poll(v, t), VYRE_PENDING);
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        CHECK_EQ(vyre_wait(v, t, 5 * SECOND, NULL), VYRE_OK);
        CHECK_EQ(vyre_stop(v, 5 * SECOND, NULL), VYRE_OK);
    }
    CHECK_EQ(engine_observable(v, 0), 5);
    vyre_close(v);
}

static void stop_and_close_keep_their_deadlines(void)
{
    for (uint32_t state = 0; state < 4; state++) {
        vyre_desc d = engine_desc(64);
        vyre *v = engine_open(&d);
        const vyre_work w = engine_add(1);
        if (state != 0)
            CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        for (uint32_t i = 0; i < 200 && state >= 2; i++) /* busy; or full, from a stopped one */
            (void)vyre_publish(v, &w, NULL, NULL);
        uint64_t begin = engine_now();
        if (state != 3)
            CHECK_EQ(vyre_stop(v, 2 * SECOND, NULL), VYRE_OK);
        CHECK(engine_now() - begin < 2 * SECOND + SECOND / 2);
        begin = engine_now();
        vyre_close(v);
        CHECK(engine_now() - begin < 3 * SECOND);
    }
}

/* Only the interpreter can be told to leave a handler. */
static void an_endless_handler_ends_in_a_fault(void)
{
    if (backend_under_test != VYRE_BACKEND_CPU)
        test_skip("a driver may reset the device");
#ifdef VYRE_NO_THREADS
    test_skip("nothing can interrupt the only thread; there is a loop limit");
#endif
    vyre_desc d = engine_desc(64);
    d.kernel.handler_count = 5;
    vyre *v = engine_open(&d);
    vyre_error err;
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    vyre_ticket t = engine_publish(v, engine_work(OP_ENDLESS, 0, 0, 0));
    CHECK_EQ(vyre_wait(v, t, SECOND / 20, NULL), VYRE_TIMEOUT);
    const uint64_t begin = engine_now();
    CHECK_EQ(vyre_stop(v, SECOND / 2, NULL), VYRE_OK);
    CHECK(engine_now() - begin < SECOND);
    CHECK_EQ(vyre_wait(v, t, 0, &err), VYRE_E_FAULT);
    CHECK_EQ(err.native, VYRE_FAULT_LOOP_LIMIT);
    vyre_io_buffers core;
    CHECK_EQ(vyre_buffers(v, &core, NULL), VYRE_OK);
    CHECK_EQ(((const uint32_t *)core.control)[VYRE_CONTROL_FAULT_COUNT], 1);

    CHECK_EQ(vyre_start(v, NULL), VYRE_OK); /* and it can go on */
    t = engine_publish(v, engine_add(3));
    CHECK_EQ(vyre_wait(v, t, 5 * SECOND, NULL), VYRE_OK);
    (void)engine_publish(v, engine_work(OP_ENDLESS, 0, 0, 0));
    engine_sleep_ms(5);
    vyre_close(v); /* within two seconds, nothing leaks */
}

static void endless_run(const vyre_desc *d)
{
    vyre *v = engine_open(d);
    vyre_error err;
    vyre_work works[2] = { engine_work(OP_ENDLESS, 0, 0, 0), engine_add(1) };
    CHECK_EQ(vyre_run(v, works, 2, NULL, &err), VYRE_E_FAULT);
    CHECK_EQ(err.native, VYRE_FAULT_LOOP_LIMIT);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    CHECK_EQ(vyre_run(v, works, 2, NULL, &err), VYRE_E_FAULT);
    CHECK_EQ(err.native, VYRE_FAULT_LOOP_LIMIT);
    CHECK_EQ(engine_observable(v, 0), 2);
    vyre_close(v);
}

static void a_loop_limit_ends_a_handler(void)
{
    if (backend_under_test != VYRE_BACKEND_CPU)
        test_skip("a desc sets the limit for the interpreter only");
    vyre_desc d = engine_desc(64);
    d.kernel.handler_count = 5;
    d.loop_limit = 1000;
    endless_run(&d);
}

/* Counts to a0, and then to a1 around three loops that are not entered: the
 * driver's count of those goes up four times as fast as the slot's own. */
static void emit_turns(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    const vyre_value zero = vyre_ir_u32(p, 0), one = vyre_ir_u32(p, 1);
    const vyre_local n = vyre_ir_local(p, VYRE_TYPE_U32, zero, "n");
    vyre_ir_loop(p, zero, s->arg[0]);
    vyre_ir_set(p, n, vyre_ir_add(p, vyre_ir_get(p, n), one));
    vyre_ir_end(p);
    vyre_ir_loop(p, zero, s->arg[1]);
    for (uint32_t inner = 0; inner < 3; inner++) {
        vyre_ir_loop(p, zero, s->arg[3]);
        vyre_ir_end(p);
    }
    vyre_ir_set(p, n, vyre_ir_add(p, vyre_ir_get(p, n), one));
    vyre_ir_end(p);
    vyre_emit_result(p, s, 2, vyre_ir_get(p, n));
}

#define OP_TURNS 0x2000u /* and the next one does the same */

static vyre_work turns_work(uint64_t *seed, uint32_t allowance, bool more)
{
    const bool nested = test_random(seed) % 2 != 0;
    const uint32_t most = nested && allowance > 8000 ? 8000 : allowance;
    const uint32_t n = more ? allowance + 200 : (uint32_t)(test_random(seed) % (most - 40));
    return engine_work(OP_TURNS + (uint32_t)(test_random(seed) % 2), 2, nested ? 0 : n,
                       nested ? n : 0);
}

/* Every result is right; only work that asks for more may end FAULT. */
static void turns_check(vyre *v, const vyre_work *w, vyre_ticket t, bool more)
{
    vyre_error err;
    uint32_t args[12];
    const vyre_status status = vyre_wait(v, t, 20 * SECOND, &err);
    if (more && status == VYRE_E_FAULT) {
        CHECK_EQ(err.native, VYRE_FAULT_LOOP_LIMIT);
        return;
    }
    if (status != VYRE_OK)
        test_fail(__FILE__, __LINE__, "%u + %u iterations: %s", w->args[0], w->args[1], err.text);
    CHECK_EQ(vyre_result(v, t, args, NULL), VYRE_OK);
    CHECK_EQ(args[2], w->args[0] + w->args[1]);
}

static void turns_round(vyre *v, uint32_t allowance, uint64_t *seed)
{
    enum { COUNT = 48 };
    vyre_work works[COUNT];
    vyre_ticket tickets[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        works[i] = turns_work(seed, allowance, i % 16 == 15);
        tickets[i] = engine_publish(v, works[i]);
    }
    for (uint32_t i = 0; i < COUNT; i++)
        turns_check(v, &works[i], tickets[i], i % 16 == 15);
}

/* Where a driver limits loops: with any allowance, in passes and in a kernel
 * that runs, beside other slots with loops of their own. */
static void no_slot_is_cut_within_its_allowance(void)
{
    static const vyre_handler handlers[2] = { VYRE_HANDLER(OP_TURNS, emit_turns, NULL, "turns"),
                                              VYRE_HANDLER(OP_TURNS + 1, emit_turns, NULL, "others") };
    static const uint32_t allowances[] = { 60, 300, 1000, 10000, 0 };
    uint64_t seed = test_seed(6);
    for (uint32_t i = 0; i < 15; i++) {
        vyre_desc d = engine_desc(256);
        d.kernel.kind = (vyre_kernel_kind)(i % 3);
        d.kernel.handlers = handlers;
        d.kernel.handler_count = i % 3 == VYRE_KERNEL_JIT ? 0 : 2;
        d.kernel.payload = i % 3 == VYRE_KERNEL_JIT ? emit_turns : NULL;
        d.kernel.loop_allowance = allowances[i / 3];
        const uint32_t allowance = d.kernel.loop_allowance ? d.kernel.loop_allowance : 32700;
        vyre *v = engine_open(&d);
        for (uint32_t round = 0; round < 2; round++)
            turns_round(v, allowance, &seed);
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        for (uint32_t round = 0; round < 3; round++)
            turns_round(v, allowance, &seed);
        CHECK_EQ(vyre_stop(v, 5 * SECOND, NULL), VYRE_OK);
        vyre_close(v);
    }
}

/* --- modes --------------------------------------------------------------- */

static void passes_serve_where_persistent_mode_is_not_wanted(void)
{
    vyre_desc d = engine_desc(64);
    d.mode = VYRE_MODE_PASSES;
    vyre *v = engine_open(&d);
    vyre_info info;
    vyre_query(v, &info);
    CHECK_EQ(info.mode, VYRE_MODE_PASSES);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    const uint64_t before = info.passes;
    for (uint32_t i = 0; i < 100; i++) {
        vyre_ticket t = engine_publish(v, engine_add(1));
        if (i % 2)
            CHECK_EQ(vyre_wait(v, t, 5 * SECOND, NULL), VYRE_OK);
        else
            while (vyre_poll(v, t) == VYRE_PENDING)
                continue;
    }
    CHECK_EQ(engine_observable(v, 0), 100);
    vyre_query(v, &info);
    CHECK_EQ(info.leases, 0);
    CHECK(info.passes > before); /* one may serve several, on a slow machine */
    CHECK_EQ(vyre_stop(v, SECOND, NULL), VYRE_OK);
    vyre_close(v);
}

static void a_helper_serves_a_quiet_program(void)
{
    vyre_desc d = engine_desc(64);
    d.helper_thread = true;
#ifdef VYRE_NO_THREADS
    expect_open_fails(&d, VYRE_E_THREAD);
    return;
#endif
    vyre *v = engine_open(&d);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    engine_sleep_ms(60); /* many leases */
    vyre_ticket t = engine_publish(v, engine_add(1));
    const uint64_t begin = engine_now();
    while (engine_observable(v, 0) == 0 && engine_now() - begin < 5 * SECOND)
        engine_sleep_ms(1); /* looks at memory, and calls nothing that would help */
    CHECK_EQ(engine_observable(v, 0), 1);
    CHECK_EQ(vyre_wait(v, t, SECOND, NULL), VYRE_OK);
    vyre_close(v);
}

static void leases_of_few_rounds_follow_each_other(void)
{
    vyre_desc d = engine_desc(64);
    d.lease.rounds = 16;
    vyre *v = engine_open(&d);
    vyre_info info;
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    vyre_query(v, &info);
    if (info.mode != VYRE_MODE_PERSISTENT)
        test_skip("no leases on this device");
    for (uint32_t i = 0; i < 300; i++) {
        vyre_ticket t = engine_publish(v, engine_work(OP_COUNT, 2, 0, 1));
        CHECK_EQ(vyre_wait(v, t, 5 * SECOND, NULL), VYRE_OK);
    }
    CHECK_EQ(engine_observable(v, 0), 300);
    vyre_query(v, &info);
    CHECK(info.leases >= 3);
    CHECK_EQ(info.lease_rounds, 16);
    vyre_close(v);
}

/* The last launch of a CPU's handle in passes is over, and the next can begin: it queues none
 * behind another. */
static void frames_rest(vyre *v, const vyre_desc *d)
{
    if (d->mode != VYRE_MODE_PASSES || backend_under_test != VYRE_BACKEND_CPU)
        return;
    CHECK_EQ(vyre_stop(v, 10 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
}

static void frames_are_served(const vyre_desc *d, uint32_t batch)
{
    vyre_work works[8];
    for (uint32_t i = 0; i < 8; i++)
        works[i] = engine_add(1);
    vyre *v = engine_open(d);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t sum = batch; sum <= 20 * batch; sum += batch) {
        engine_sleep_ms(5);
        frames_rest(v, d);
        if (batch == 1)
            (void)engine_publish(v, works[0]);
        else
            CHECK_EQ(vyre_publish_many(v, works, batch, NULL, NULL, NULL), VYRE_OK);
        const uint64_t begin = engine_now();
        while (engine_observable(v, 0) != sum && engine_now() - begin < 2 * SECOND)
            engine_sleep_ms(1); /* looks at memory, and calls nothing that would help */
        CHECK_EQ(engine_observable(v, 0), sum);
    }
    vyre_close(v);
}

/* One by one and in batches, with all leases at their end in between; in passes in
 * batches only. */
static void what_is_published_is_served_though_nobody_asks(void)
{
    vyre_desc d = engine_desc(128);
    d.mode = VYRE_MODE_PASSES;
    frames_are_served(&d, 8);
    d.mode = VYRE_MODE_AUTO;
    if (backend_under_test != VYRE_BACKEND_CPU) /* there one lease is queued at a time */
        d.lease.rounds = 16;
    frames_are_served(&d, 8);
#ifdef VYRE_NO_THREADS
    vyre *v = engine_open(&d);
    CHECK(!v->queue.lives); /* its kernel runs inside of calls */
    vyre_close(v);
#else
    frames_are_served(&d, 1);
#endif
}

/* --- memory -------------------------------------------------------------- */

static void observables_have_a_range(void)
{
    vyre_desc d = engine_desc(64);
    d.observables = 3;
    vyre *v = engine_open(&d);
    vyre_io_buffers io;
    uint32_t x = 77;
    CHECK_EQ(vyre_observable(v, 3, &x, NULL), VYRE_E_MISSING);
    CHECK_EQ(x, 77);
    vyre_ticket t = engine_publish(v, engine_work(VYRE_OP_STORE_U32, 2, 9, 162));
    CHECK_EQ(vyre_wait(v, t, 5 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(engine_observable(v, 2), 9);
    t = engine_publish(v, engine_work(VYRE_OP_STORE_U32, 2, 9, 163));
    CHECK_EQ(vyre_wait(v, t, 5 * SECOND, NULL), VYRE_E_FAULT);
    CHECK_EQ(vyre_buffers(v, &io, NULL), VYRE_OK);
    CHECK_EQ(io.control_size, 163 * 4);
    CHECK_EQ(io.ring_size, 64 * 64);
    CHECK_EQ(io.log_size, 1028);
    CHECK_EQ(io.io_size, 2048);
    CHECK_EQ(((const uint32_t *)io.control)[162], 9);
    vyre_close(v);
}

static vyre_status everything(const vyre_allocator *allocator, void *user)
{
    vyre_desc d = engine_desc(64);
    vyre_error err;
    (void)user;
    memset(&err, 0, sizeof err);
    d.allocator = *allocator;
    d.device = backend_under_test == VYRE_BACKEND_CPU ? "0" : NULL;
    d.lost_work = VYRE_LOST_RERUN;
    vyre *v = vyre_open(&d, &err);
    if (!v)
        return err.status;
    vyre_ticket t = engine_publish(v, engine_add(1));
    vyre_status status = vyre_start(v, &err);
    if (status == VYRE_OK)
        status = vyre_wait(v, t, 5 * SECOND, &err);
    if (status == VYRE_OK)
        status = vyre_stop(v, 5 * SECOND, &err);
    static uint32_t control[224], ring[64 * 16], log[257];
    vyre_control_desc control_desc = { false, 1, 64 };
    vyre_io_buffers io = { control, sizeof control, ring, sizeof ring, log, sizeof log, NULL, 0 };
    CHECK_EQ(vyre_control_encode(control, sizeof control, &control_desc, NULL), VYRE_OK);
    if (status == VYRE_OK)
        status = vyre_dispatch(v, &io, NULL, &err);
    vyre_close(v);
    return status;
}

static void every_allocation_may_fail(void)
{
    const uint64_t failed = oom_each(everything, NULL);
    printf("NOTE %s: each of %llu allocations failed in turn\n",
           vyre_backend_name(backend_under_test), (unsigned long long)failed);
    CHECK(failed > 10);
}

static void log_nowhere(void *user, const vyre_log_record *record)
{
    (void)user, (void)record;
}

/* Buffers in any order keep their sizes, the log has the records that were asked for, and
 * a cache for a device does no harm without one. */
static void what_was_asked_for_is_there(void)
{
    static const vyre_buffer_desc buffers[2] = {
        { "b", 5, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, 300, false, 0, 0 },
        { "a", 4, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, USER_WORDS, false, 0, 0 },
    };
    vyre_desc d = engine_desc(64);
    vyre_io_buffers core;
    size_t size = 0;
    d.backend = VYRE_BACKEND_CPU;
    d.kernel.handler_count = 0;
    d.kernel.buffers = buffers;
    d.kernel.buffer_count = 2;
    d.kernel.log_records = 16;
    d.log = log_nowhere;
    d.vulkan.cache = buffers;
    d.vulkan.cache_size = sizeof buffers;
    vyre *v = engine_open(&d);
    CHECK(vyre_map(v, 0, &size) && size == 1200);
    CHECK(vyre_map(v, 1, &size) && size == USER_WORDS * 4);
    CHECK_EQ(vyre_buffers(v, &core, NULL), VYRE_OK);
    CHECK_EQ(core.log_size, vyre_log_size(16));
    vyre_close(v);
}

/* AUTO takes the CPU where there is no device, not where there is no memory for one. */
static void no_memory_is_no_reason_for_the_cpu(void)
{
    for (uint64_t at = 1; at <= 3; at++) {
        oom_state s;
        vyre_error err;
        vyre_desc d = engine_desc(64);
        oom_begin(&s);
        s.fail_at = at;
        d.backend = VYRE_BACKEND_AUTO;
        d.allocator = oom_allocator(&s);
        CHECK(!vyre_open(&d, &err));
        CHECK_EQ(err.status, VYRE_E_NOMEM);
        CHECK(oom_is_clean(&s));
    }
}

static void steady_state_allocates_nothing(void)
{
    oom_state s;
    vyre_desc d = engine_desc(64);
    oom_begin(&s);
    d.allocator = oom_allocator(&s);
    vyre *v = engine_open(&d);
    static vyre_work works[500];
    for (uint32_t i = 0; i < 500; i++)
        works[i] = engine_add(1);
    CHECK_EQ(vyre_run(v, works, 500, NULL, NULL), VYRE_OK);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    const uint64_t calls = s.calls;
    for (uint32_t i = 0; i < 200; i++) {
        uint32_t args[12];
        vyre_ticket t = engine_publish(v, works[i]);
        CHECK_EQ(vyre_wait(v, t, 5 * SECOND, NULL), VYRE_OK);
        CHECK_EQ(vyre_result(v, t, args, NULL), VYRE_OK);
    }
    CHECK_EQ(vyre_run(v, works, 500, NULL, NULL), VYRE_OK);
    CHECK_EQ(vyre_stop(v, 5 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(vyre_run(v, works, 500, NULL, NULL), VYRE_OK);
    CHECK_EQ(s.calls, calls);
    vyre_close(v);
    CHECK(oom_is_clean(&s));
}

/* --- bytes --------------------------------------------------------------- */

/* A ring whose works do not depend on their order, so that any number of lanes
 * gives the same bytes; the log is left alone for that reason. */
static void random_ring(uint8_t *ring, uint64_t *seed)
{
    CHECK_EQ(vyre_ring_encode(ring, 64 * 64, 64, NULL), VYRE_OK);
    for (uint32_t slot = 0; slot < 64; slot++) {
        const uint64_t r = test_random(seed);
        vyre_work w = engine_work(VYRE_OP_NOP, 3, (uint32_t)(r >> 32), 0);
        switch (r % 8) {
        case 0: continue;
        case 1:
            if (slot == 0)
                continue; /* what case 2 adds to */
            w = engine_work(VYRE_OP_STORE_U32, 2, (uint32_t)(r >> 32), 160 + slot);
            break;
        case 2: w = engine_add((uint32_t)(r >> 32)); break;
        case 3: w = engine_work(OP_SQUARE, 2, (uint32_t)(r >> 32), slot); break;
        case 4: w = engine_work(OP_STORE, 2, slot, (uint32_t)(r >> 32)); break;
        case 5: w = engine_work(OP_COUNT, 2, 100 + (uint32_t)(r >> 40) % 4, slot); break;
        case 6: w.opcode = OP_NOBODYS; break;
        default: break;
        }
        w.tenant = r >> 20 & 1; /* tenant 1 is not authorised */
        CHECK_EQ(vyre_ring_publish(ring, 64 * 64, slot, &w, NULL), VYRE_OK);
    }
}

/* The kernel of the handle, without its mirror, on the interpreter. */
static void interpret(uint8_t *control, uint8_t *ring, uint8_t *log, uint8_t *queue, uint32_t *user)
{
    vyre_desc d = engine_desc(64);
    d.kernel.once = true;
    d.kernel.workgroup_size = 64;
    vyre_program *p = vyre_kernel_build(&d.kernel, NULL);
    CHECK(p != NULL);
    void *buffers[5] = { control, ring, log, queue, user };
    const size_t sizes[5] = { 4 * 224, 64 * 64, 1028, 2048, 4 * USER_WORDS };
    vyre_interp_desc how;
    memset(&how, 0, sizeof how);
    how.buffers = buffers;
    how.sizes = sizes;
    how.buffer_count = 5;
    CHECK_EQ(vyre_interpret(p, &how, NULL), VYRE_OK);
    vyre_program_destroy(p);
}

static void dispatched_bytes_are_the_interpreters(void)
{
    static uint32_t control[2][224], ring[2][64 * 16], log[2][257], queue[2][512];
    static uint32_t user[USER_WORDS];
    static const vyre_control_desc desc = { false, 1, 64 };
    vyre_desc d = engine_desc(64);
    vyre *v = engine_open(&d);
    uint64_t seed = test_seed(0x5eed);
    memset(user, 0, sizeof user);
    const vyre_ticket t = engine_publish(v, engine_add(77)); /* must not be disturbed */
    for (uint32_t round = 0; round < 20; round++) {
        vyre_stats stats;
        CHECK_EQ(vyre_control_encode(control[0], sizeof control[0], &desc, NULL), VYRE_OK);
        random_ring((uint8_t *)ring[0], &seed);
        memset(log[0], 0, sizeof log[0]);
        memset(queue[0], 0, sizeof queue[0]);
        memcpy(control[1], control[0], sizeof control[0]);
        memcpy(ring[1], ring[0], sizeof ring[0]);
        memcpy(log[1], log[0], sizeof log[0]);
        memcpy(queue[1], queue[0], sizeof queue[0]);
        vyre_io_buffers io = { control[0], sizeof control[0], ring[0], sizeof ring[0],
                               log[0],     sizeof log[0],     queue[0], sizeof queue[0] };
        CHECK_EQ(vyre_dispatch(v, &io, &stats, NULL), VYRE_OK);
        interpret((uint8_t *)control[1], (uint8_t *)ring[1], (uint8_t *)log[1],
                  (uint8_t *)queue[1], user);
        CHECK_EQ(memcmp(control[0], control[1], sizeof control[0]), 0);
        CHECK_EQ(memcmp(ring[0], ring[1], sizeof ring[0]), 0);
        CHECK_EQ(memcmp(log[0], log[1], sizeof log[0]), 0);
        CHECK_EQ(memcmp(queue[0], queue[1], sizeof queue[0]), 0);
        CHECK_EQ(memcmp(vyre_map(v, 0, NULL), user, sizeof user), 0);
        CHECK_EQ(stats.done, control[0][VYRE_CONTROL_DONE_COUNT]);
        CHECK_EQ(stats.faults, control[0][VYRE_CONTROL_FAULT_COUNT]);
        CHECK(stats.done > 0);
        CHECK_EQ(vyre_dispatch(v, &io, &stats, NULL), VYRE_OK); /* its own, not the control's */
        CHECK_EQ(stats.done, 0);
        CHECK_EQ(stats.faults, 0);
    }
    CHECK_EQ(vyre_poll(v, t), VYRE_PENDING);
    CHECK_EQ(vyre_wait(v, t, 5 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(engine_observable(v, 0), 77);
    vyre_close(v);
}

static void a_ring_that_was_shut_down_is_left_alone(void)
{
    static uint32_t control[168], ring[64 * 16], log[257], before[64 * 16];
    static const vyre_control_desc desc = { true, 1, 8 };
    vyre_desc d = engine_desc(64);
    vyre *v = engine_open(&d);
    const vyre_work w = engine_add(1);
    CHECK_EQ(vyre_control_encode(control, sizeof control, &desc, NULL), VYRE_OK);
    CHECK_EQ(vyre_ring_encode(ring, sizeof ring, 64, NULL), VYRE_OK);
    CHECK_EQ(vyre_ring_publish(ring, sizeof ring, 5, &w, NULL), VYRE_OK);
    memcpy(before, ring, sizeof ring);
    vyre_io_buffers io = { control, sizeof control, ring, sizeof ring, log, sizeof log, NULL, 0 };
    CHECK_EQ(vyre_dispatch(v, &io, NULL, NULL), VYRE_OK);
    CHECK_EQ(memcmp(ring, before, sizeof ring), 0);
    CHECK_EQ(control[VYRE_CONTROL_DONE_COUNT], 0);
    vyre_close(v);
}

/* Observables as many as the bytes have, not as the handle has. */
static void dispatch_sees_the_length_of_the_bytes(void)
{
    static uint32_t control[300], ring[64 * 16], log[257];
    vyre_desc d = engine_desc(64);
    d.observables = 8;
    vyre *v = engine_open(&d);
    for (uint32_t observables = 4; observables <= 140; observables += 68) {
        const vyre_control_desc desc = { false, 1, observables };
        const size_t size = vyre_control_size(observables);
        const vyre_work last = engine_work(VYRE_OP_STORE_U32, 2, 5, 160 + observables - 1);
        const vyre_work beyond = engine_work(VYRE_OP_STORE_U32, 2, 5, 160 + observables);
        CHECK_EQ(vyre_control_encode(control, size, &desc, NULL), VYRE_OK);
        CHECK_EQ(vyre_ring_encode(ring, sizeof ring, 64, NULL), VYRE_OK);
        CHECK_EQ(vyre_ring_publish(ring, sizeof ring, 0, &last, NULL), VYRE_OK);
        CHECK_EQ(vyre_ring_publish(ring, sizeof ring, 1, &beyond, NULL), VYRE_OK);
        vyre_io_buffers io = { control, size, ring, sizeof ring, log, sizeof log, NULL, 0 };
        CHECK_EQ(vyre_dispatch(v, &io, NULL, NULL), VYRE_OK);
        CHECK_EQ(ring[0], VYRE_SLOT_DONE);
        CHECK_EQ(control[160 + observables - 1], 5);
        CHECK_EQ(ring[16], VYRE_SLOT_FAULTED);
        CHECK_EQ(ring[16 + VYRE_SLOT_FAULT], VYRE_FAULT_INDEX);
    }
    vyre_close(v);
}

static const engine_case cases[] = {
    ENGINE_CASE(dispatched_bytes_are_the_interpreters),
    ENGINE_CASE(a_ring_that_was_shut_down_is_left_alone),
    ENGINE_CASE(dispatch_sees_the_length_of_the_bytes),
    ENGINE_CASE(open_gives_the_defaults),
    ENGINE_CASE(open_refuses_what_cannot_be),
    ENGINE_CASE(null_handles_are_refused),
    ENGINE_CASE(work_waits_in_the_ring_until_it_is_waited_for),
    ENGINE_CASE(work_is_taken_while_the_kernel_runs),
    ENGINE_CASE(handlers_reach_user_buffers),
    ENGINE_CASE(publish_refuses_bad_work),
    ENGINE_CASE(arguments_that_are_not_given_are_zero),
    ENGINE_CASE(tickets_survive_the_reuse_of_their_slots),
    ENGINE_CASE(foreign_tickets_are_refused),
    ENGINE_CASE(a_full_ring_is_a_status),
    ENGINE_CASE(batches_are_published_in_order_until_the_ring_is_full),
    ENGINE_CASE(a_fault_reaches_the_waiter),
    ENGINE_CASE(a_fault_is_remembered_when_its_slot_is_used_again),
    ENGINE_CASE(a_drain_tells_of_faults_that_nobody_asked_for),
    ENGINE_CASE(news_are_explained),
    ENGINE_CASE(results_are_the_arguments_after_the_run),
    ENGINE_CASE(runs_are_longer_than_the_ring),
    ENGINE_CASE(a_run_reports_faults),
    ENGINE_CASE(a_jit_kernel_has_one_payload),
    ENGINE_CASE(priorities_have_partitions),
    ENGINE_CASE(a_tenant_without_authorisation_waits),
    ENGINE_CASE(log_records_reach_the_callback_once),
    ENGINE_CASE(a_full_log_counts_what_it_drops),
    ENGINE_CASE(opcode_shutdown_stops_the_kernel),
    ENGINE_CASE(a_run_goes_on_behind_a_shutdown),
    ENGINE_CASE(a_stopped_kernel_leaves_work_in_the_ring),
    ENGINE_CASE(stop_and_close_keep_their_deadlines),
    ENGINE_CASE(an_endless_handler_ends_in_a_fault),
    ENGINE_CASE(a_loop_limit_ends_a_handler),
    ENGINE_CASE(no_slot_is_cut_within_its_allowance),
    ENGINE_CASE(passes_serve_where_persistent_mode_is_not_wanted),
    ENGINE_CASE(a_helper_serves_a_quiet_program),
    ENGINE_CASE(leases_of_few_rounds_follow_each_other),
    ENGINE_CASE(what_is_published_is_served_though_nobody_asks),
    ENGINE_CASE(observables_have_a_range),
    ENGINE_CASE(every_allocation_may_fail),
    ENGINE_CASE(what_was_asked_for_is_there),
    ENGINE_CASE(no_memory_is_no_reason_for_the_cpu),
    ENGINE_CASE(steady_state_allocates_nothing),
};

int main(void)
{
    engine_run_cases(cases, sizeof cases / sizeof cases[0]);
    return test_end();
}

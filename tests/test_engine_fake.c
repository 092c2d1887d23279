/* The engine on a backend that fails when it is told to (fake.h): every call of the
 * contract in turn, devices that get lost, launches that never end.  White box, for
 * the contract is private. */
#include "inside.h"

#include "fake.h"
#include "knobs.h"
#include "oom.h"

/* --- failing calls ------------------------------------------------------- */

static uint32_t story_control[168], story_ring[64 * 16], story_log[257];

static vyre_status story_copy(vyre *v, vyre_error *err)
{
    const uint8_t in[3] = { 1, 2, 3 };
    uint8_t out[3] = { 9, 9, 9 };
    vyre_status status = vyre_write(v, 0, 5, in, 3, err);
    if (status != VYRE_OK)
        return status;
    status = vyre_read(v, 0, 5, out, 3, err);
    CHECK_EQ(memcmp(in, out, 3) == 0, status == VYRE_OK);
    return status;
}

static vyre_status story_dispatch(vyre *v, vyre_error *err)
{
    static const vyre_control_desc desc = { false, 1, 8 };
    vyre_io_buffers io = { story_control, sizeof story_control, story_ring, sizeof story_ring,
                           story_log, sizeof story_log, NULL, 0 };
    CHECK_EQ(vyre_control_encode(story_control, sizeof story_control, &desc, NULL), VYRE_OK);
    CHECK_EQ(vyre_ring_encode(story_ring, sizeof story_ring, 64, NULL), VYRE_OK);
    return vyre_dispatch(v, &io, NULL, err);
}

/* Everything that calls the backend, until something fails. */
static vyre_status story(vyre *v, vyre_error *err)
{
    vyre_work works[100];
    for (uint32_t i = 0; i < 100; i++)
        works[i] = engine_add(1);
    vyre_status status = vyre_run(v, works, 100, NULL, err);
    if (status == VYRE_OK)
        status = story_dispatch(v, err);
    if (status == VYRE_OK)
        status = vyre_dispatch_resident(v, 3, NULL, err);
    if (status == VYRE_OK)
        status = vyre_start(v, err);
    vyre_ticket t = { 0, 0 };
    if (status == VYRE_OK)
        status = vyre_publish(v, &works[0], &t, err);
    if (status == VYRE_OK)
        status = vyre_wait(v, t, SECOND, err);
    if (status == VYRE_OK)
        status = vyre_run(v, works, 100, NULL, err);
    if (status == VYRE_OK)
        status = vyre_drain(v, SECOND, err);
    if (status == VYRE_OK)
        status = story_copy(v, err);
    if (status == VYRE_OK)
        status = vyre_stop(v, SECOND, err);
    if (status == VYRE_OK)
        status = vyre_buffer_set(v, 0, 4 * USER_WORDS - 4, err);
    return status;
}

/* Fails each call of the story in turn; the handle must say so, and close. */
static void fail_in_turn(vyre_status with, bool not_live)
{
    uint32_t n;
    for (n = 1; n < 10000; n++) {
        oom_state s;
        vyre_error err;
        oom_begin(&s);
        memset(&err, 0, sizeof err);
        fake_reset();
        fake.fail_at = n;
        fake.fail_with = with;
        fake.not_live = not_live;
        vyre_desc d = engine_desc(64);
        d.allocator = oom_allocator(&s);
        vyre *v = vyi_open_with(fake_backend(), &d, &err);
        vyre_status status = err.status;
        if (v)
            status = story(v, &err);
        const bool failed = fake.failed;
        if (failed && fake.total == n) {
            /* Some calls are made where a failure can wait: the next one tells. */
            CHECK(status == with || status == VYRE_OK);
        }
        if (v && failed && with == VYRE_E_DEVICE_LOST) {
            vyre_info info;
            vyre_query(v, &info);
            CHECK(info.device_lost);
            const vyre_work w = engine_add(1);
            CHECK_EQ(vyre_publish(v, &w, NULL, &err), VYRE_E_DEVICE_LOST);
            CHECK_EQ(vyre_start(v, &err), VYRE_E_DEVICE_LOST);
            CHECK_EQ(vyre_stop(v, SECOND, &err), VYRE_E_DEVICE_LOST);
            CHECK_EQ(vyre_run(v, &w, 1, NULL, &err), VYRE_E_DEVICE_LOST);
            CHECK_EQ(story_dispatch(v, &err), VYRE_E_DEVICE_LOST);
            CHECK_EQ(vyre_dispatch_resident(v, 1, NULL, &err), VYRE_E_DEVICE_LOST);
            uint32_t x;
            CHECK_EQ(story_copy(v, &err), VYRE_E_DEVICE_LOST);
            CHECK_EQ(vyre_buffer_set(v, 0, 4, &err), VYRE_E_DEVICE_LOST);
            CHECK_EQ(vyre_observable(v, 0, &x, &err), VYRE_E_DEVICE_LOST);
            CHECK(strstr(err.text, "lost"));
            CHECK_EQ(vyre_recover(v, &err), VYRE_OK);
            status = vyre_drain(v, SECOND, &err); /* what was in flight is told here */
            CHECK(status == VYRE_OK || status == VYRE_E_LOST);
            if (vyre_stop(v, SECOND, &err) != VYRE_OK || story(v, &err) != VYRE_OK)
                test_fail(__FILE__, __LINE__, "call %u: after recovery: %s", n, err.text);
        }
        vyre_close(v);
        CHECK(oom_is_clean(&s));
        CHECK_EQ(fake.open_devices, 0);
        if (!failed) {
            CHECK_EQ(status, VYRE_OK);
            break;
        }
        CHECK(status != VYRE_OK || fake.total > n);
    }
    CHECK(n > 10 && n < 10000);
}

static void every_call_may_lose_the_device(void)
{
    fail_in_turn(VYRE_E_DEVICE_LOST, false);
    fail_in_turn(VYRE_E_DEVICE_LOST, true);
}

static void every_call_may_be_refused(void)
{
    fail_in_turn(VYRE_E_LAUNCH, false);
    fail_in_turn(VYRE_E_LAUNCH, true);
}

static vyre_status lose_and_recover(const vyre_allocator *allocator, void *user)
{
    vyre_desc d = engine_desc(64);
    vyre_error err;
    (void)user;
    memset(&err, 0, sizeof err);
    fake_reset();
    d.allocator = *allocator;
    d.lost_work = VYRE_LOST_RERUN;
    vyre *v = vyi_open_with(fake_backend(), &d, &err);
    if (!v)
        return err.status;
    vyre_status status = VYRE_OK;
    for (uint32_t i = 0; i < 3 && status == VYRE_OK; i++) {
        const vyre_ticket t = engine_publish(v, engine_add(1));
        fake.fail_at = fake.total + 1;
        fake.fail_with = VYRE_E_DEVICE_LOST;
        CHECK_EQ(vyre_wait(v, t, SECOND, NULL), VYRE_E_DEVICE_LOST);
        status = vyre_recover(v, &err);
        if (status == VYRE_OK)
            CHECK_EQ(vyre_wait(v, t, SECOND, NULL), VYRE_OK);
    }
    if (status == VYRE_OK)
        status = story_dispatch(v, &err);
    vyre_close(v);
    return status;
}

static void every_allocation_of_a_recovery_may_fail(void)
{
    CHECK(oom_each(lose_and_recover, NULL) > 10);
}

/* --- recovery ------------------------------------------------------------ */

static uint32_t recoveries_seen;

static void on_recovered(void *user, vyre *v)
{
    size_t size;
    uint32_t *words = (uint32_t *)vyre_map(v, 0, &size);
    CHECK(user == &recoveries_seen && words && words[0] == 0);
    words[0] = 4711;
    recoveries_seen++;
}

/* Ten works: the first five are seen done, the others are in flight when the
 * device is lost; one of those had ended, but nobody had looked. */
static void recovery_accounts_for_every_work(void)
{
    for (int how = 0; how < 4; how++) {
        const bool rerun = how & 1, lines = how & 2;
        vyre_desc d = engine_desc(64);
        vyre_ticket t[10];
        vyre_info info;
        uint32_t args[12];
        fake_reset();
        fake.write_combined = fake.whole_lines = lines;
        recoveries_seen = 0;
        d.lost_work = rerun ? VYRE_LOST_RERUN : VYRE_LOST_REPORT;
        d.recovered = on_recovered;
        d.recovered_user = &recoveries_seen;
        vyre *v = fake_handle(&d);
        vyre_query(v, &info);
        const uint64_t pipeline = info.pipeline_id;
        for (uint32_t i = 0; i < 5; i++)
            t[i] = engine_publish(v, engine_work(i == 3 ? OP_NOBODYS : 8, 1, 1, 0));
        for (uint32_t i = 0; i < 5; i++)
            CHECK_EQ(vyre_wait(v, t[i], SECOND, NULL), i == 3 ? VYRE_E_FAULT : VYRE_OK);
        for (uint32_t i = 5; i < 10; i++)
            t[i] = engine_publish(v, engine_work(8, 2, 10, i));
        vyi_device_words(vyi_queue_device(&v->queue), v->queue.slots.mirror)[vyre_ticket_slot(t[5])] =
            VYRE_SLOT_DONE;
        fake.fail_at = fake.total + 1;
        fake.fail_with = VYRE_E_DEVICE_LOST;
        CHECK_EQ(vyre_wait(v, t[9], SECOND, NULL), VYRE_E_DEVICE_LOST);
        const uint32_t served = fake.served;
        CHECK_EQ(vyre_recover(v, NULL), VYRE_OK);
        CHECK_EQ(recoveries_seen, 1);
        vyre_query(v, &info);
        CHECK_EQ(info.recoveries, 1);
        CHECK(!info.device_lost && info.pipeline_id != pipeline);
        CHECK_EQ(*(uint32_t *)vyre_map(v, 0, NULL), 4711);
        for (uint32_t i = 0; i < 10; i++) {
            if (i == 6) /* one of the lost has been asked for */
                CHECK_EQ(vyre_drain(v, SECOND, NULL), rerun ? VYRE_OK : VYRE_E_LOST);
            const vyre_status status = vyre_wait(v, t[i], SECOND, NULL);
            CHECK_EQ(status, i == 3 ? VYRE_E_FAULT : i < 5 || rerun ? VYRE_OK : VYRE_E_LOST);
        }
        CHECK_EQ(fake.served - served, rerun ? 5 : 0);
        CHECK_EQ(vyre_result(v, t[0], args, NULL), VYRE_E_STALE);
        if (rerun) {
            CHECK_EQ(vyre_result(v, t[7], args, NULL), VYRE_OK);
            CHECK_EQ(args[1], 7);
        } else {
            CHECK_EQ(vyre_result(v, t[7], args, NULL), VYRE_E_LOST);
        }
        for (uint32_t i = 0; i < 200; i++) { /* reports outlive the slots */
            vyre_ticket u = engine_publish(v, engine_add(1));
            CHECK_EQ(vyre_wait(v, u, SECOND, NULL), VYRE_OK);
        }
        CHECK_EQ(vyre_poll(v, t[7]), rerun ? VYRE_OK : VYRE_E_LOST);
        CHECK_EQ(vyre_recover(v, NULL), VYRE_OK); /* not lost: nothing to do */
        CHECK_EQ(recoveries_seen, 1);
        vyre_close(v);
        CHECK_EQ(fake.open_devices, 0);
    }
}

static void recovery_starts_the_kernel_again(void)
{
    vyre_desc d = engine_desc(64);
    vyre_info info;
    fake_reset();
    vyre *v = fake_handle(&d);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    fake.fail_at = fake.total + 2;
    fake.fail_with = VYRE_E_DEVICE_LOST;
    fake.hold = true;
    vyre_ticket t = engine_publish(v, engine_add(1));
    CHECK_EQ(vyre_wait(v, t, SECOND, NULL), VYRE_E_DEVICE_LOST);
    fake.hold = false;

    /* A recovery that fails changes nothing, and can be tried again. */
    fake.fail_at = fake.total + 1;
    fake.fail_with = VYRE_E_BACKEND;
    CHECK_EQ(vyre_recover(v, NULL), VYRE_E_BACKEND);
    vyre_query(v, &info);
    CHECK(info.device_lost);
    CHECK_EQ(vyre_recover(v, NULL), VYRE_OK);
    vyre_query(v, &info);
    CHECK(info.running);
    CHECK_EQ(vyre_poll(v, t), VYRE_E_LOST);
    t = engine_publish(v, engine_add(1));
    CHECK_EQ(vyre_wait(v, t, SECOND, NULL), VYRE_OK);
    vyre_close(v);
    CHECK_EQ(fake.open_devices, 0);
}

static void a_desc_recovers_once(void)
{
    vyre_desc d = engine_desc(64);
    vyre_info info;
    fake_reset();
    d.auto_recover = true;
    d.lost_work = VYRE_LOST_RERUN;
    vyre *v = fake_handle(&d);
    fake.fail_at = fake.total + 1;
    fake.fail_with = VYRE_E_DEVICE_LOST;
    vyre_ticket t = engine_publish(v, engine_add(5));
    CHECK_EQ(vyre_wait(v, t, SECOND, NULL), VYRE_OK);
    vyre_query(v, &info);
    CHECK_EQ(info.recoveries, 1);
    fake.fail_at = fake.total + 1;
    t = engine_publish(v, engine_add(5));
    CHECK_EQ(vyre_wait(v, t, SECOND, NULL), VYRE_E_DEVICE_LOST);
    CHECK_EQ(vyre_recover(v, NULL), VYRE_OK);
    CHECK_EQ(vyre_wait(v, t, SECOND, NULL), VYRE_OK);
    vyre_close(v);

    /* A dispatch: two launches, and the second one's bytes. */
    vyre_stats stats;
    static const vyre_control_desc desc = { false, 1, 8 };
    vyre_io_buffers io = { story_control, sizeof story_control, story_ring, sizeof story_ring,
                           story_log, sizeof story_log, NULL, 0 };
    fake_reset();
    v = fake_handle(&d);
    const vyre_work w = engine_add(9);
    CHECK_EQ(vyre_control_encode(story_control, sizeof story_control, &desc, NULL), VYRE_OK);
    CHECK_EQ(vyre_ring_encode(story_ring, sizeof story_ring, 64, NULL), VYRE_OK);
    CHECK_EQ(vyre_ring_publish(story_ring, sizeof story_ring, 3, &w, NULL), VYRE_OK);
    fake.fail_at = fake.total + 3; /* attach, launch, reap */
    fake.fail_with = VYRE_E_DEVICE_LOST;
    CHECK_EQ(vyre_dispatch(v, &io, &stats, NULL), VYRE_OK);
    CHECK(stats.recovered);
    CHECK_EQ(stats.kernel_launches, 2);
    CHECK_EQ(fake.calls[FAKE_LAUNCH], 2);
    CHECK_EQ(fake.calls[FAKE_OPEN], 2);
    CHECK_EQ(stats.done, 1);
    CHECK_EQ(story_control[160], 9);
    fake.fail_at = fake.total + 3; /* the second loss is the caller's */
    static uint32_t before[168];
    memcpy(before, story_control, sizeof before);
    CHECK_EQ(vyre_dispatch(v, &io, &stats, NULL), VYRE_E_DEVICE_LOST);
    CHECK_EQ(fake.calls[FAKE_LAUNCH], 3);
    CHECK_EQ(memcmp(before, story_control, sizeof before), 0);
    vyre_close(v);
    CHECK_EQ(fake.open_devices, 0);
}

/* --- launches that do not end -------------------------------------------- */

vyre *keep_alive[2]; /* handles that were leaked on purpose */

static void a_lease_that_never_ends_is_reported(void)
{
    vyre_desc d = engine_desc(64);
    vyre_error err;
    fake_reset();
    d.lease.timeout_ns = SECOND / 20;
    vyre *v = keep_alive[0] = fake_handle(&d);
    fake.hang = true;
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    vyre_ticket t = engine_publish(v, engine_add(1));
    CHECK_EQ(vyre_wait(v, t, SECOND / 100, NULL), VYRE_TIMEOUT);
    uint64_t begin = engine_now();
    CHECK_EQ(vyre_wait(v, t, 5 * SECOND, &err), VYRE_E_LEASE);
    CHECK(strstr(err.text, "CLAIMED") != NULL);
    CHECK(engine_now() - begin < SECOND);
    CHECK(err.text[0] && err.fix[0]);
    CHECK_EQ(vyre_recover(v, NULL), VYRE_OK); /* on a second device */
    fake.hang = false;
    CHECK_EQ(vyre_poll(v, t), VYRE_E_LOST);
    t = engine_publish(v, engine_add(1));
    CHECK_EQ(vyre_wait(v, t, SECOND, NULL), VYRE_OK);
    CHECK_EQ(vyre_stop(v, SECOND, NULL), VYRE_OK);
    fake.hang = true; /* the first device's launch still hangs */
    vyre_close(v);
    CHECK_EQ(fake.leaked, 1);
}

static void stop_and_close_do_not_wait_for_ever(void)
{
    vyre_desc d = engine_desc(64);
    fake_reset();
    d.lease.timeout_ns = 60 * SECOND;
    vyre *v = keep_alive[1] = fake_handle(&d);
    fake.hang = true;
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    uint64_t begin = engine_now();
    CHECK_EQ(vyre_stop(v, SECOND / 10, NULL), VYRE_TIMEOUT);
    CHECK(engine_now() - begin < SECOND / 2);
    CHECK_EQ(story_dispatch(v, NULL), VYRE_E_RUNNING);
    begin = engine_now();
    vyre_close(v);
    CHECK(engine_now() - begin < 3 * SECOND);
    CHECK_EQ(fake.leaked, 1);

    /* A stop that timed out can be made good. */
    fake_reset();
    v = fake_handle(&d);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    fake.hold = true;
    CHECK_EQ(vyre_stop(v, SECOND / 50, NULL), VYRE_TIMEOUT);
    fake.hold = false;
    CHECK_EQ(vyre_stop(v, SECOND, NULL), VYRE_OK);
    CHECK_EQ(story(v, NULL), VYRE_OK);
    vyre_close(v);
}

static void a_run_without_progress_gives_up(void)
{
    vyre_desc d = engine_desc(64);
    const vyre_work w = engine_add(1);
    fake_reset();
    d.run_timeout_ns = SECOND / 20;
    vyre *v = fake_handle(&d);
    fake.hold = true;
    CHECK_EQ(vyre_run(v, &w, 1, NULL, NULL), VYRE_TIMEOUT);
    fake.hold = false;
    CHECK_EQ(vyre_drain(v, SECOND, NULL), VYRE_OK);
    fake.hold = true;
    CHECK_EQ(story_dispatch(v, NULL), VYRE_TIMEOUT);
    fake.hold = false;
    CHECK_EQ(story_dispatch(v, NULL), VYRE_OK);
    vyre_close(v);
}

/* --- the chain ----------------------------------------------------------- */

static void persistent_mode_must_be_proved(void)
{
    vyre_desc d = engine_desc(64);
    vyre_error err;
    vyre_info info;
    fake_reset();
    fake.not_live = true;
    d.mode = VYRE_MODE_PERSISTENT;
    CHECK(!vyi_open_with(fake_backend(), &d, &err));
    CHECK_EQ(err.status, VYRE_E_MODE);
    CHECK(strstr(err.text, "as told"));
    d.mode = VYRE_MODE_AUTO;
    vyre *v = fake_handle(&d);
    vyre_query(v, &info);
    CHECK_EQ(info.mode, VYRE_MODE_PASSES);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    vyre_ticket t = engine_publish(v, engine_add(1));
    CHECK_EQ(vyre_wait(v, t, SECOND, NULL), VYRE_OK);
    CHECK_EQ(fake.last, VYI_LAUNCH_ONCE);
    vyre_close(v);
    CHECK_EQ(fake.open_devices, 0);
}

static uint32_t lease_rounds(vyre *v)
{
    vyre_info info;
    vyre_query(v, &info);
    return info.lease_rounds;
}

static void count_errors(void *user, vyre_severity severity, const char *text)
{
    *(uint32_t *)user += severity == VYRE_SEVERITY_ERROR && strstr(text, " fails");
}

/* Rounds that a device cannot have are cut to what it can, and a loss is told once. */
static void a_lease_has_the_rounds_that_there_may_be(void)
{
    vyre_desc d = engine_desc(64);
    uint32_t told = 0;
    fake_reset();
    fake.max_rounds = 5;
    d.lease.rounds = 100;
    d.messages.message = count_errors;
    d.messages.user = &told;
    vyre *v = fake_handle(&d);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    CHECK_EQ(fake.rounds[0], 5);
    CHECK_EQ(lease_rounds(v), 5);
    fake.fail_at = fake.total + 1;
    fake.fail_with = VYRE_E_DEVICE_LOST;
    CHECK_EQ(vyre_wait(v, engine_publish(v, engine_add(1)), SECOND, NULL), VYRE_E_DEVICE_LOST);
    CHECK_EQ(told, 1);
    vyre_close(v);
}

/* How many leases that takes is the machine's business; that it comes to it, ours. */
static void leases_adapt_to_the_time(void)
{
    vyre_desc d = engine_desc(64);
    vyre_info info;
    fake_reset();
    fake.max_rounds = 50000;
    vyre *v = fake_handle(&d);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    CHECK_EQ(fake.calls[FAKE_LAUNCH], 2); /* one runs, one is queued */
    CHECK_EQ(fake.rounds[0], VYI_LEASE_ROUNDS);
    vyre_ticket t = { 0, 0 };
    for (uint32_t i = 0; i < 5000 && lease_rounds(v) != 50000; i++) { /* they take no time */
        t = engine_publish(v, engine_add(1));
        CHECK_EQ(vyre_wait(v, t, SECOND, NULL), VYRE_OK);
        engine_sleep_ms(fake.launches_seen < 30 || i > 300 ? 1 : 0);
    }
    vyre_query(v, &info);
    CHECK_EQ(info.lease_rounds, 50000);
    CHECK(info.leases == fake.launches_seen);
    d.lease.time_ns = 1000; /* now they take too long */
    vyre_close(v);
    fake_reset();
    v = fake_handle(&d);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < 5000 && lease_rounds(v) != 1; i++) {
        engine_sleep_ms(1);
        (void)vyre_poll(v, engine_publish(v, engine_add(1)));
    }
    vyre_query(v, &info);
    CHECK_EQ(info.lease_rounds, 1);
    vyre_close(v);

    fake_reset();
    d.lease.rounds = 77;
    d.lease.in_flight = 5;
    fake.in_flight = 3; /* the device's limit wins */
    v = fake_handle(&d);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    CHECK_EQ(fake.calls[FAKE_LAUNCH], 3);
    CHECK_EQ(fake.rounds[2], 77);
    vyre_close(v);
    CHECK_EQ(fake.open_devices, 0);
}

/* The device answers at once, so every call of the backend is the engine's. */
static void jobs_need_no_calls_of_the_driver(void)
{
    vyre_desc d = engine_desc(64);
    fake_reset();
    vyre *v = fake_handle(&d);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    fake.hold = true; /* one long lease, of which the ones before are known */
    v->queue.chain.least_ns = 5000000;
    uint32_t *mirror = vyi_device_words(vyi_queue_device(&v->queue), v->queue.slots.mirror);
    const uint32_t before = fake.total;
    const uint64_t begin = engine_now();
    for (uint32_t i = 0; i < 100000; i++) {
        const vyre_ticket t = engine_publish(v, engine_add(1));
        CHECK_EQ(vyre_poll(v, t), VYRE_PENDING);
        vyi_store_release(&mirror[vyre_ticket_slot(t)], VYRE_SLOT_DONE);
        CHECK_EQ(vyre_wait(v, t, SECOND, NULL), VYRE_OK);
    }
    const uint64_t looks = (engine_now() - begin) / 20000 + 2; /* at most one in 20 us */
    CHECK(fake.total - before <= looks);
    CHECK(fake.total - before < 50000);
    fake.hold = false;
    vyre_close(v);
}

static void write_combined_memory_is_fenced(void)
{
    vyre_desc d = engine_desc(64);
    fake_reset();
    fake.write_combined = true;
    vyre *v = fake_handle(&d);
    CHECK_EQ(story(v, NULL), VYRE_OK);
    vyre_work works[64];
    uint32_t published = 0;
    for (uint32_t i = 0; i < 64; i++)
        works[i] = engine_add(1);
    CHECK_EQ(vyre_publish_many(v, works, 64, &published, NULL, NULL), VYRE_OK);
    CHECK_EQ(vyre_drain(v, SECOND, NULL), VYRE_OK);
    vyre_close(v);
}

/* Whether a publish of so many works, into the next slots, looks at the device;
 * `full`: not all of them find a slot. */
static bool publish_looks(vyre *v, uint32_t count, bool full)
{
    vyre_work works[64];
    const vyre_status told = full ? VYRE_FULL : VYRE_OK;
    for (uint32_t i = 0; i < count; i++)
        works[i] = engine_add(1);
    const uint32_t overdue = (uint32_t)(vyi_now() / 1000u) - 5;
    vyi_store_relaxed(&v->queue.drive_at, overdue);
    if (count == 1)
        CHECK_EQ(vyre_publish(v, works, NULL, NULL), told);
    else
        CHECK_EQ(vyre_publish_many(v, works, count, NULL, NULL, NULL), told);
    return vyi_load_relaxed(&v->queue.drive_at) != overdue;
}

static vyre *looks_handle(const vyre_desc *d, bool lines)
{
    fake_reset();
    fake.write_combined = fake.whole_lines = lines;
    vyre *v = fake_handle(d);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    CHECK_EQ(v->queue.slots.pool.shares[0].look_mask, 63);
    return v;
}

/* While works are under way: slots 0 and 64 of 128, and whatever run of slots has
 * one of them; and who finds the ring full. */
static void publishes_look_at_the_device_now_and_then(void)
{
    static const uint32_t counts[] = { 1, 2, 8, 21, 64 };
    for (uint32_t lines = 0; lines < 2; lines++)
        for (uint32_t c = 0; c < 5; c++) {
            const vyre_desc d = engine_desc(128);
            vyre *v = looks_handle(&d, lines);
            fake.hold = true;
            uint32_t at = 0; /* the next slot */
            for (; at + counts[c] <= 128; at += counts[c]) {
                const bool due = at % 64 == 0 || at % 64 + counts[c] > 64;
                CHECK_EQ(publish_looks(v, counts[c], false), due);
            }
            CHECK(publish_looks(v, counts[c], true));
            fake.hold = false;
            CHECK_EQ(vyre_drain(v, SECOND, NULL), VYRE_OK);
            vyre_close(v);
        }
}

/* Behind works that have ended, whether somebody has asked for them or not: so
 * each is served without a question. */
static void publishes_into_a_ring_at_rest_look(void)
{
    for (uint32_t lines = 0; lines < 2; lines++)
        for (uint32_t asked = 0; asked < 2; asked++) {
            const vyre_desc d = engine_desc(128);
            vyre *v = looks_handle(&d, lines);
            for (uint32_t i = 0; i < 100; i++) {
                const uint32_t count = 1 + i % 9, served = fake.served;
                CHECK(publish_looks(v, count, false));
                CHECK_EQ(fake.served - served, count);
                if (asked)
                    CHECK_EQ(vyre_drain(v, SECOND, NULL), VYRE_OK);
            }
            vyre_close(v);
        }
}

/* A kernel that does not stay runs for a batch, and for one slot in 64. */
static void in_passes_each_batch_looks(void)
{
    const vyre_desc d = engine_desc(128);
    fake_reset();
    fake.not_live = true;
    vyre *v = fake_handle(&d);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    fake.hold = true;
    for (uint32_t slot = 0; slot < 70; slot++)
        CHECK_EQ(publish_looks(v, 1, false), slot % 64 == 0);
    for (uint32_t i = 0; i < 10; i++)
        CHECK(publish_looks(v, 2, false));
    fake.hold = false;
    CHECK_EQ(vyre_drain(v, SECOND, NULL), VYRE_OK);
    CHECK(!publish_looks(v, 1, false)); /* behind a work that has ended, too */
    vyre_close(v);
}

/* The pass under way has been at the slots of the second batch before that came, so another
 * follows it; a third batch that comes while both are queued is left to the next call. */
static void a_batch_beside_a_pass_is_served_though_nobody_asks(void)
{
    for (uint32_t queued = 1; queued <= 2; queued++) {
        const vyre_desc d = engine_desc(128);
        fake_reset();
        fake.not_live = true;
        fake.in_flight = queued;
        vyre *v = fake_handle(&d);
        fake_device *device = (fake_device *)vyi_queue_device(&v->queue);
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        fake.hold = true; /* a launch ends when somebody says so, not when somebody asks */
        CHECK(publish_looks(v, 8, false));
        fake_finish(device);
        device->completed = 0; /* its works have ended, and the launch has not */
        CHECK_EQ(fake.served, 8);
        for (uint32_t i = 0; i < 3; i++)
            CHECK_EQ(vyre_poll(v, engine_publish(v, engine_add(1))), VYRE_PENDING);
        CHECK_EQ(fake.calls[FAKE_LAUNCH], 1);
        for (uint32_t i = 0; i < 2; i++) {
            CHECK(publish_looks(v, 8, false));
            CHECK_EQ(fake.calls[FAKE_LAUNCH], queued);
        }
        device->completed = 1;
        while (device->completed < device->launched)
            fake_finish(device);
        CHECK_EQ(fake.served, queued == 1 ? 8 : 8 + 3 + 16);
        fake.hold = false;
        CHECK(publish_looks(v, 8, false)); /* the chain goes on as it was */
        CHECK_EQ(vyre_drain(v, SECOND, NULL), VYRE_OK);
        CHECK_EQ(fake.served, 8 + 3 + 16 + 8);
        CHECK_EQ(v->queue.chain.launched, v->queue.chain.completed);
        vyre_close(v);
    }
}

/* Nothing is launched behind a pass that has served all, or for works that it was made for. */
static void a_pass_is_followed_only_for_news(void)
{
    const vyre_desc d = engine_desc(128);
    fake_reset();
    fake.not_live = true;
    vyre *v = fake_handle(&d);
    vyi_queue *q = &v->queue;
    fake_device *device = (fake_device *)vyi_queue_device(q);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    fake.hold = true;
    CHECK(publish_looks(v, 8, false));
    CHECK_EQ(vyi_queue_nudge(q, VYI_EFFORT_NEWS, NULL), VYRE_OK); /* these works are the pass's */
    CHECK_EQ(fake.calls[FAKE_LAUNCH], 1);
    fake_finish(device);
    device->completed = 0;
    CHECK_EQ(vyi_queue_nudge(q, VYI_EFFORT_NEWS, NULL), VYRE_OK);
    CHECK_EQ(fake.calls[FAKE_LAUNCH], 1);
    fake.fail_at = fake.total + 2; /* a reap, and the launch */
    fake.fail_with = VYRE_E_LAUNCH;
    CHECK(publish_looks(v, 8, false));
    CHECK(fake.failed && fake.calls[FAKE_LAUNCH] == 2);
    CHECK(publish_looks(v, 8, false)); /* which is made good */
    CHECK_EQ(v->queue.chain.launched, 2);
    device->completed = 1;
    fake.hold = false;
    CHECK_EQ(vyre_drain(v, SECOND, NULL), VYRE_OK);
    CHECK_EQ(fake.served, 24);
    vyre_close(v);
}

/* --- slots as lines, and a thread alone ---------------------------------- */

static vyre_work varied_work(uint32_t i)
{
    vyre_work work;
    memset(&work, 0, sizeof work);
    work.opcode = i % 3;
    work.tenant = i % 2;
    work.priority = (vyre_priority)(i % VYRE_PRIORITY_LEVELS);
    work.arg_count = i % (VYRE_MAX_ARGS + 1);
    for (uint32_t a = 0; a < VYRE_MAX_ARGS; a++)
        work.args[a] = a == 1 ? 160 : 0x01010101u * (i + a + 1);
    return work;
}

static const void *ring_of(const vyre *v)
{
    return vyi_device_words(vyi_queue_device(&v->queue), VYI_ROLE_RING);
}

/* Ends what is published, and says whether the mirror words were clear. */
static bool mirror_was_clear(vyre *v)
{
    const uint32_t *mirror = vyi_device_words(vyi_queue_device(&v->queue), v->queue.slots.mirror);
    bool clear = true;
    for (uint32_t s = 0; s < v->queue.slots.count; s++)
        if (vyi_mark_phase(v->queue.slots.marks[s]) == VYI_PHASE_FLIGHT)
            clear = clear && mirror[s] == 0;
    CHECK_EQ(vyre_drain(v, SECOND, NULL), VYRE_OK);
    return clear;
}

static void *publish_once(void *user)
{
    const vyre_work work = engine_add(1);
    CHECK_EQ(vyre_publish((vyre *)user, &work, NULL, NULL), VYRE_OK);
    return NULL;
}

static uintptr_t pool_thread(const vyre *v)
{
    return (uintptr_t)vyi_load_pointer(&v->queue.slots.pool.thread);
}

/* The caller has published, and another thread does, so the pool is nobody's. */
static void share(vyre *v)
{
    pthread_t other;
    CHECK(pthread_create(&other, NULL, publish_once, v) == 0);
    pthread_join(other, NULL);
    CHECK_EQ(pool_thread(v), VYI_OWNER_MANY);
}

/* By one thread, one slot at a time and in batches; then by one of two; without
 * priorities and with. */
static void check_lines(bool priority)
{
    enum { SLOTS = 130, BATCH = 21 };
    vyre_desc d = engine_desc(SLOTS);
    d.tenants = 2;
    if (priority)
        d.kernel.kind = VYRE_KERNEL_PRIORITY;
    fake_reset();
    vyre *words = fake_handle(&d);
    fake.write_combined = fake.whole_lines = true;
    vyre *lines = fake_handle(&d);
    if (!vyi_queue_device(&lines->queue)->whole_lines)
        printf("NOTE this CPU has no store of a line\n");
    for (uint32_t round = 0; round < 40; round++) {
        vyre_work works[BATCH];
        for (uint32_t i = 0; i < BATCH; i++) {
            works[i] = varied_work(round * BATCH + i);
            if (round % 2 == 0) {
                CHECK_EQ(vyre_publish(words, &works[i], NULL, NULL), VYRE_OK);
                CHECK_EQ(vyre_publish(lines, &works[i], NULL, NULL), VYRE_OK);
            }
        }
        if (round % 2 != 0) {
            CHECK_EQ(vyre_publish_many(words, works, BATCH, NULL, NULL, NULL), VYRE_OK);
            CHECK_EQ(vyre_publish_many(lines, works, BATCH, NULL, NULL, NULL), VYRE_OK);
        }
        CHECK(memcmp(ring_of(words), ring_of(lines), SLOTS * 64) == 0);
        CHECK(mirror_was_clear(words));
        CHECK(mirror_was_clear(lines));
        if (round == 20) {
            share(words);
            share(lines);
            CHECK_EQ(vyre_drain(words, SECOND, NULL), VYRE_OK);
            CHECK_EQ(vyre_drain(lines, SECOND, NULL), VYRE_OK);
        }
    }
    vyre_close(words);
    vyre_close(lines);
}

static void a_line_is_the_same_slot(void)
{
    check_lines(false);
    check_lines(true);
}

/* An owner makes a fence for 64 slots, so that the mirror's words are clear before;
 * with a buffer of the program's, one before each line as well. */
static void lines_are_fenced_when_they_must_be(void)
{
    enum { SLOTS = 64, ROUNDS = 30 };
    for (uint32_t buffers = 0; buffers < 2; buffers++) {
        vyre_buffer_desc buffer;
        size_t size = 64;
        uint32_t by_publishes = 0;
        memset(&buffer, 0, sizeof buffer);
        buffer.binding = 4;
        vyre_desc d = engine_desc(SLOTS);
        d.kernel.handler_count = 0; /* they would need the buffer */
        d.kernel.buffers = &buffer;
        d.kernel.buffer_count = buffers;
        d.buffer_sizes = &size;
        fake_reset();
        fake.write_combined = fake.whole_lines = true;
        vyre *v = fake_handle(&d);
        const vyre_work work = engine_add(1);
        knob_fences = 0;
        for (uint32_t i = 0; i < SLOTS * ROUNDS; i++) {
            vyre_ticket ticket;
            const uint32_t before = knob_fences;
            CHECK_EQ(vyre_publish(v, &work, &ticket, NULL), VYRE_OK);
            by_publishes += knob_fences - before;
            CHECK_EQ(vyre_wait(v, ticket, SECOND, NULL), VYRE_OK);
        }
        if (vyi_queue_device(&v->queue)->whole_lines)
            CHECK_EQ(by_publishes, ROUNDS + (buffers ? SLOTS * ROUNDS : 0));
        vyre_close(v);
    }
}

/* A lane reads rights and levels from memory that the host's stores reach late. */
static void rights_are_fenced(void)
{
    vyre_desc d = engine_desc(64);
    fake_reset();
    fake.write_combined = true;
    d.tenants = 2;
    knob_fences = 0;
    vyre *v = fake_handle(&d);
    CHECK_EQ(knob_fences, 2);
    knob_fences = 0;
    CHECK_EQ(vyre_tenant_enable(v, 1, false, NULL), VYRE_OK);
    CHECK_EQ(knob_fences, 1);
    vyre_close(v);
}

static uint32_t has_published;

static void *publish_and_tell(void *user)
{
    publish_once(user);
    vyi_store_release(&has_published, 1);
    return NULL;
}

/* A second thread waits until the first is outside.  One that only asks does not
 * have to. */
static void a_second_thread_waits_its_turn(void)
{
    vyre_desc d = engine_desc(64);
    pthread_t other;
    fake_reset();
    vyre *v = fake_handle(&d);
    vyi_owner *pool = &v->queue.slots.pool;
    const vyre_work work = engine_add(1);
    CHECK_EQ(vyre_publish(v, &work, NULL, NULL), VYRE_OK);
    CHECK_EQ(pool_thread(v), vyi_thread_id());
    CHECK_EQ(pool->inside, 0);
    has_published = 0;
    vyi_store_release(&pool->inside, 1); /* as in the midst of a publish */
    CHECK(pthread_create(&other, NULL, publish_and_tell, v) == 0);
    while (pool_thread(v) != VYI_OWNER_ENDING)
        vyi_yield();
    vyi_sleep(20000000);
    CHECK_EQ(vyi_load_acquire(&has_published), 0);
    CHECK_EQ(pool_thread(v), VYI_OWNER_ENDING);
    vyi_store_release(&pool->inside, 0);
    pthread_join(other, NULL);
    CHECK_EQ(pool_thread(v), VYI_OWNER_MANY);
    CHECK_EQ(vyre_publish(v, &work, NULL, NULL), VYRE_OK);
    CHECK_EQ(vyre_drain(v, SECOND, NULL), VYRE_OK);
    vyre_close(v);
}

/* --- dispatch ------------------------------------------------------------ */

static void bytes_are_checked_in_order_before_any_call(void)
{
    static uint32_t control[400], ring[2 * 64 * 16], log[400], queue[65 * 8];
    static const struct {
        size_t      control, log, io, ring; /* bytes too many; SIZE_MAX: keep */
        vyre_status status;
    } bad[] = {
        { 636, 1024, 33, 0, VYRE_E_CONTROL_SHAPE },  { 642, 1024, 33, 0, VYRE_E_CONTROL_SHAPE },
        { 640, 1024, 33, 0, VYRE_E_LOG_SHAPE },      { 640, 1032, 33, 0, VYRE_E_LOG_SHAPE },
        { 640, 1028, 33, 0, VYRE_E_IO_ALIGN4 },      { 640, 1028, 36, 0, VYRE_E_IO_SLOT_MULT },
        { 640, 1028, 2080, 0, VYRE_E_IO_WINDOW },    { 640, 1028, 2048, 0, VYRE_E_RING_SHAPE },
        { 640, 1028, 2048, 4032, VYRE_E_RING_SHAPE }, { 640, 1028, 2048, 4160, VYRE_E_RING_SHAPE },
        { 640, 1028, 2048, 4096, VYRE_OK },          { 1600, 1028, 32, 4096, VYRE_OK },
        { 672, 1600 - 4 - 8, 0, 4096, VYRE_OK },
    };
    vyre_desc d = engine_desc(64);
    fake_reset();
    vyre *v = fake_handle(&d);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        vyre_error err;
        vyre_stats stats;
        memset(control, 0, sizeof control);
        vyre_io_buffers io = { control, bad[i].control, ring, bad[i].ring,
                               log,     bad[i].log,     queue, bad[i].io };
        const uint32_t before = fake.total;
        memset(&err, 0, sizeof err);
        const vyre_status status = vyre_dispatch(v, &io, &stats, &err);
        if (status != bad[i].status)
            test_fail(__FILE__, __LINE__, "row %u: %d %s", (unsigned)i, (int)status, err.text);
        if (status != VYRE_OK) {
            CHECK_EQ(fake.total, before);
            continue;
        }
        CHECK_EQ(fake.attached[0], bad[i].control);
        CHECK_EQ(fake.attached[1], bad[i].ring);
        CHECK_EQ(fake.attached[2], bad[i].log);
        CHECK_EQ(fake.attached[3], bad[i].io ? bad[i].io : 2048);
        const uint64_t sum = bad[i].control + bad[i].ring + bad[i].log +
                             (bad[i].io ? bad[i].io : 2048);
        CHECK_EQ(stats.input_bytes, sum);
        CHECK_EQ(stats.output_bytes, sum);
        CHECK_EQ(stats.readback_bytes, sum);
        CHECK_EQ(stats.bytes_moved, 2 * sum);
        CHECK_EQ(stats.original.device_allocation_bytes, 2 * sum);
        CHECK_EQ(stats.original.device_allocation_events, 8);
        CHECK_EQ(stats.original.output_buffers, 4);
        CHECK_EQ(stats.original.resident_rows, 0);
        CHECK_EQ(stats.original.resident_handles, 0);
        CHECK_EQ(stats.kernel_launches, 1);
        CHECK_EQ(stats.original.sync_points, 1);
        CHECK(!stats.recovered);
    }
    vyre_close(v);
}

static void resident_passes_copy_nothing(void)
{
    vyre_desc d = engine_desc(64);
    vyre_stats stats;
    fake_reset();
    vyre *v = fake_handle(&d);
    for (uint32_t i = 0; i < 10; i++)
        (void)engine_publish(v, engine_add(1));
    memset(&stats, 0x55, sizeof stats);
    CHECK_EQ(vyre_dispatch_resident(v, 3, &stats, NULL), VYRE_OK);
    CHECK_EQ(stats.original.resident_rows, 3);
    CHECK_EQ(stats.original.resident_handles, 12);
    CHECK_EQ(stats.input_bytes, 0);
    CHECK_EQ(stats.original.device_allocation_bytes, 0);
    CHECK_EQ(stats.original.device_allocation_events, 0);
    CHECK_EQ(stats.kernel_launches, 3);
    CHECK_EQ(stats.original.kernel_launches, 1);
    CHECK_EQ(stats.done, 10);
    CHECK_EQ(fake.calls[FAKE_LAUNCH], 3);
    CHECK_EQ(fake.calls[FAKE_ATTACH], 0);
    CHECK_EQ(vyre_dispatch_resident(v, 0, &stats, NULL), VYRE_OK);
    CHECK_EQ(stats.original.resident_rows + stats.kernel_launches + stats.latency_ns, 0);
    CHECK_EQ(fake.calls[FAKE_LAUNCH], 3);
    CHECK_EQ(vyre_dispatch_resident(v, UINT32_MAX, &stats, NULL), VYRE_E_OVF);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    CHECK_EQ(vyre_dispatch_resident(v, 1, &stats, NULL), VYRE_E_RUNNING);
    CHECK_EQ(story_dispatch(v, NULL), VYRE_E_RUNNING);
    vyre_close(v);
}

static void control_reports_return_one_buffer(void)
{
    vyre_desc d = engine_desc(64);
    vyre_stats stats;
    static const vyre_control_desc desc = { false, 1, 8 };
    vyre_io_buffers io = { story_control, sizeof story_control, story_ring, sizeof story_ring,
                           story_log, sizeof story_log, NULL, 0 };
    const vyre_work w = engine_add(9);
    fake_reset();
    d.kernel.control_report = true;
    vyre *v = fake_handle(&d);
    CHECK_EQ(vyre_control_encode(story_control, sizeof story_control, &desc, NULL), VYRE_OK);
    CHECK_EQ(vyre_ring_encode(story_ring, sizeof story_ring, 64, NULL), VYRE_OK);
    CHECK_EQ(vyre_ring_publish(story_ring, sizeof story_ring, 3, &w, NULL), VYRE_OK);
    CHECK_EQ(vyre_dispatch(v, &io, &stats, NULL), VYRE_OK);
    CHECK_EQ(stats.original.output_buffers, 1);
    CHECK_EQ(stats.output_bytes, sizeof story_control);
    CHECK_EQ(stats.original.device_allocation_events, 5);
    CHECK_EQ(story_control[VYRE_CONTROL_DONE_COUNT], 1);
    CHECK_EQ(story_ring[3 * 16], VYRE_SLOT_PUBLISHED);
    vyre_close(v);
}

/* --- pools ---------------------------------------------------------------- */

#define POOL_WORKS 100000u

static vyre_work pool_works[POOL_WORKS];
static uint8_t   pool_ran[POOL_WORKS];

/* Two fake devices, one of which is lost at the call `at` of the run.  True: it was. */
static bool pool_lose_one(uint32_t count, uint32_t at, bool rerun, bool secretly)
{
    vyre *v[2];
    vyre_stats each[2];
    vyre_error err;
    vyre_desc d = engine_desc(64);
    memset(&err, 0, sizeof err);
    memset(each, 0, sizeof each);
    memset(pool_ran, 0, sizeof pool_ran);
    fake_reset();
    fake.ran = pool_ran;
    fake.secretly = secretly;
    fake.fail_with = VYRE_E_DEVICE_LOST;
    d.lost_work = rerun ? VYRE_LOST_RERUN : VYRE_LOST_REPORT;
    for (uint32_t i = 0; i < 2; i++) {
        v[i] = fake_handle(&d);
        CHECK_EQ(vyre_start(v[i], NULL), VYRE_OK);
    }
    const vyre_pool_desc pool = { v, 2, 0 };
    fake.fail_at = fake.total + at;
    const vyre_status status = vyre_pool_run(&pool, pool_works, count, each, &err);
    const bool lost = fake.failed;
    fake.fail_at = 0;

    uint32_t ran = 0, twice = 0;
    for (uint32_t i = 0; i < count; i++) {
        ran += pool_ran[i] > 0;
        twice += pool_ran[i] > 1;
        CHECK(pool_ran[i] <= (rerun && secretly ? 2 : 1));
    }
    const uint64_t done = each[0].done + each[1].done;
    if (rerun || done == count) { /* it may have had nothing when it was lost */
        CHECK_EQ(status, VYRE_OK);
        CHECK(done == count && ran == count);
    } else {
        CHECK_EQ(status, VYRE_E_LOST);
        CHECK(done < count && ran >= done && (secretly || ran == done));
        CHECK(err.at < count && pool_ran[err.at] == secretly && strstr(err.text, "on handle "));
    }
    for (uint32_t i = 0; i < 2; i++) { /* nothing is left of it, and nothing to tell */
        CHECK_EQ(vyre_recover(v[i], NULL), VYRE_OK);
        CHECK_EQ(vyre_drain(v[i], SECOND, NULL), VYRE_OK);
    }
    uint32_t again = 0;
    for (uint32_t i = 0; i < count; i++)
        again += pool_ran[i] > 1;
    CHECK_EQ(again, twice);
    CHECK_EQ(vyre_pool_run(&pool, pool_works, 100, NULL, NULL), VYRE_OK);
    vyre_close(v[0]);
    vyre_close(v[1]);
    return lost;
}

static void pool_begin(void)
{
    for (uint32_t i = 0; i < POOL_WORKS; i++)
        pool_works[i] = engine_work(8, 3, 1, 0);
    for (uint32_t i = 0; i < POOL_WORKS; i++)
        pool_works[i].args[2] = i;
}

static void a_pool_goes_on_without_a_lost_device(void)
{
    pool_begin();
    for (int how = 0; how < 4; how++) {
        uint32_t at = 1;
        while (pool_lose_one(500, at, how & 1, how & 2))
            at += 1 + at / 4;
        CHECK(at > 10);
    }
}

static void a_pool_of_many_works_goes_on(void)
{
    const char *count = getenv("TEST_COUNT");
    const uint32_t works = count ? POOL_WORKS : 5000;
    pool_begin();
    for (int how = 0; how < 4; how++)
        CHECK(pool_lose_one(works, works / 128, how & 1, how & 2));
}

/* Both are lost, one after the other; or one is, before, and the other refuses a call,
 * which ends the run. */
static vyre_status pool_lose_both(uint32_t at, vyre_status with)
{
    vyre *v[2];
    vyre_error err;
    vyre_desc d = engine_desc(64);
    fake_reset();
    d.lost_work = VYRE_LOST_RERUN;
    for (uint32_t i = 0; i < 2; i++) {
        v[i] = fake_handle(&d);
        if (with == VYRE_E_DEVICE_LOST)
            CHECK_EQ(vyre_start(v[i], NULL), VYRE_OK);
    }
    const vyre_pool_desc pool = { v, 2, 0 };
    engine_lose(v[1]);
    fake.fail_at = fake.total + at;
    fake.fail_with = with;
    const vyre_status status = vyre_pool_run(&pool, pool_works, 500, NULL, &err);
    if (status == VYRE_E_DEVICE_LOST)
        CHECK(strstr(err.text, ", the last of 2,") && err.at > 0 && err.at <= 500);
    fake.fail_at = 0;
    CHECK_EQ(vyre_recover(v[0], NULL), VYRE_OK);
    CHECK_EQ(vyre_recover(v[1], NULL), VYRE_OK);
    CHECK_EQ(vyre_pool_run(&pool, pool_works, 500, NULL, &err), VYRE_OK);
    vyre_close(v[0]);
    vyre_close(v[1]);
    return status;
}

static void a_pool_may_have_nobody_left(void)
{
    pool_begin();
    for (uint32_t at = 1; at <= 8; at *= 2) {
        CHECK_EQ(pool_lose_both(at, VYRE_E_DEVICE_LOST), VYRE_E_DEVICE_LOST);
        CHECK_EQ(pool_lose_both(at, VYRE_E_LAUNCH), VYRE_E_LAUNCH);
    }
}

/* A device that shuts down leaves what lies behind that work in its ring; it runs elsewhere,
 * and only there. */
static void a_pool_goes_on_without_a_shut_handle(void)
{
    pool_begin();
    for (int how = 0; how < 2; how++) {
        vyre *v[2];
        vyre_stats each[2];
        vyre_error err;
        vyre_desc d = engine_desc(64);
        fake_reset();
        fake.ran = pool_ran;
        fake.not_live = how;
        memset(pool_ran, 0, sizeof pool_ran);
        for (uint32_t i = 0; i < 2; i++) {
            v[i] = fake_handle(&d);
            CHECK_EQ(vyre_start(v[i], NULL), VYRE_OK);
        }
        const vyre_pool_desc pool = { v, 2, 0 };
        pool_works[7].opcode = VYRE_OP_SHUTDOWN;
        CHECK_EQ(vyre_pool_run(&pool, pool_works, 500, each, &err), VYRE_OK);
        pool_works[7].opcode = 8;
        CHECK_EQ(each[0].done + each[1].done, 500);
        CHECK(each[0].done < 64); /* the rest of its ring was taken back */
        CHECK_EQ(vyre_publish(v[0], &pool_works[0], NULL, NULL), VYRE_E_STOPPED);
        CHECK_EQ(vyre_start(v[0], NULL), VYRE_OK);
        CHECK_EQ(vyre_drain(v[0], SECOND, NULL), VYRE_OK);
        for (uint32_t i = 0; i < 500; i++)
            CHECK_EQ(pool_ran[i], 1);
        CHECK_EQ(vyre_pool_run(&pool, pool_works, 500, NULL, NULL), VYRE_OK);
        vyre_close(v[0]);
        vyre_close(v[1]);
    }
}

static void a_pool_without_progress_gives_up(void)
{
    vyre *v[2];
    vyre_error err;
    vyre_desc d = engine_desc(64);
    pool_begin();
    fake_reset();
    d.run_timeout_ns = 20000000;
    v[0] = fake_handle(&d);
    v[1] = fake_handle(&d);
    const vyre_pool_desc pool = { v, 2, 0 };
    fake.hold = true;
    CHECK_EQ(vyre_pool_run(&pool, pool_works, 1000, NULL, &err), VYRE_TIMEOUT);
    CHECK(strstr(err.text, "of 2 handles") && err.at > 0 && err.at <= 128);
    fake.hold = false;
    vyre_status status;
    while ((status = vyre_pool_run(&pool, pool_works, 1000, NULL, &err)) == VYRE_TIMEOUT)
        ; /* the machine is slow */
    CHECK_EQ(status, VYRE_OK);
    vyre_close(v[0]);
    vyre_close(v[1]);
}

static vyre_status pool_with_allocator(const vyre_allocator *allocator, void *user)
{
    vyre_desc d = engine_desc(64);
    vyre_error err;
    (void)user;
    memset(&err, 0, sizeof err);
    fake_reset();
    d.allocator = *allocator;
    d.unknown_opcodes = true;
    vyre *v = vyi_open_with(fake_backend(), &d, &err);
    if (!v)
        return err.status;
    const vyre_pool_desc pool = { &v, 1, 0 };
    const vyre_span from = { v, 0, 1 }, to = { v, 0, 100 };
    vyre_status status = vyre_pool_run(&pool, pool_works, 10, NULL, &err);
    if (status == VYRE_OK)
        status = vyre_copy(&from, &to, 99, &err);
    vyre_close(v);
    return status;
}

static void a_pool_may_find_no_memory(void)
{
    pool_begin();
    CHECK(oom_each(pool_with_allocator, NULL) > 3);
}

static void rates_are_exact_and_saturate(void)
{
    CHECK_EQ(vyre_stats_rate(1, 0), 0);
    CHECK_EQ(vyre_stats_rate(1, 1000000000), 1);
    CHECK_EQ(vyre_stats_rate(1000, 1), 1000000000000);
    CHECK_EQ(vyre_stats_rate(UINT64_MAX, 1000000000), UINT64_MAX);
    CHECK_EQ(vyre_stats_rate(UINT64_MAX, 999999999), UINT64_MAX);
    CHECK_EQ(vyre_stats_rate(UINT64_MAX, 2000000000), UINT64_MAX / 2);
    CHECK_EQ(vyre_stats_rate(UINT64_MAX, UINT64_MAX), 1000000000);
    CHECK_EQ(vyre_stats_rate(7, 3), 2333333333);
    CHECK_EQ(vyre_stats_rate(0, 5), 0);
}

int main(void)
{
    RUN(every_call_may_lose_the_device);
    RUN(every_call_may_be_refused);
    RUN(every_allocation_of_a_recovery_may_fail);
    RUN(recovery_accounts_for_every_work);
    RUN(recovery_starts_the_kernel_again);
    RUN(a_desc_recovers_once);
    RUN(a_lease_that_never_ends_is_reported);
    RUN(stop_and_close_do_not_wait_for_ever);
    RUN(a_run_without_progress_gives_up);
    RUN(persistent_mode_must_be_proved);
    RUN(leases_adapt_to_the_time);
    RUN(jobs_need_no_calls_of_the_driver);
    RUN(write_combined_memory_is_fenced);
    RUN(publishes_look_at_the_device_now_and_then);
    RUN(publishes_into_a_ring_at_rest_look);
    RUN(in_passes_each_batch_looks);
    RUN(a_batch_beside_a_pass_is_served_though_nobody_asks);
    RUN(a_pass_is_followed_only_for_news);
    RUN(a_line_is_the_same_slot);
    RUN(lines_are_fenced_when_they_must_be);
    RUN(rights_are_fenced);
    RUN(a_lease_has_the_rounds_that_there_may_be);
    RUN(a_second_thread_waits_its_turn);
    RUN(bytes_are_checked_in_order_before_any_call);
    RUN(resident_passes_copy_nothing);
    RUN(control_reports_return_one_buffer);
    RUN(a_pool_goes_on_without_a_lost_device);
    RUN(a_pool_of_many_works_goes_on);
    RUN(a_pool_may_have_nobody_left);
    RUN(a_pool_goes_on_without_a_shut_handle);
    RUN(a_pool_without_progress_gives_up);
    RUN(a_pool_may_find_no_memory);
    RUN(rates_are_exact_and_saturate);
    return test_end();
}

/* How many groups serve slots: measured at open, followed while works run, on the fake
 * device; then on those that are there.  TEST_COUNT: works in bursts. */
#include "inside.h"

#include "fake.h"
#include "oom.h"

enum { TUNE_SLOTS = 256, TUNE_GROUPS = 64, SLOW = 3000000 /* ns, of a launch */ };

static vyre_desc tune_desc(vyre_tune tune)
{
    vyre_desc d = engine_desc(TUNE_SLOTS);
    d.tune = tune;
    d.tune_ns = 60 * SECOND; /* however slow the machine is */
    return d;
}

static vyre *tuned_handle(const vyre_desc *d, vyre_info *info)
{
    vyre *v = fake_handle(d);
    vyre_query(v, info);
    return v;
}

/* --- open ------------------------------------------------------------------- */

static void off_measures_nothing(void)
{
    vyre_info info;
    fake_reset();
    fake.groups = TUNE_GROUPS;
    const vyre_desc d = tune_desc(VYRE_TUNE_OFF);
    vyre *v = tuned_handle(&d, &info);
    CHECK_EQ(fake.launches_seen, 0);
    CHECK(info.tuning.levels == 0 && info.tuning.text[0] == 0);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    CHECK(fake.level_launches[0] == fake.launches_seen && fake.launches_seen > 0);
    vyre_close(v);
}

/* The race's verdict is what the engine runs. */
static void the_fastest_level_is_run(void)
{
    vyre_info info;
    vyre_io_buffers buffers;
    fake_reset();
    fake.groups = 5;
    fake.level_ns[0] = fake.level_ns[2] = SLOW;
    const vyre_desc d = tune_desc(VYRE_TUNE_OPEN);
    vyre *v = tuned_handle(&d, &info);
    CHECK(info.tuning.levels == 3 && info.tuning.level == 1 && info.tuning.changes == 0);
    CHECK_EQ(info.tuning.lanes, info.workgroup_size * 2);
    for (unsigned i = 0; i < 3; i++)
        CHECK(info.tuning.round_trip_ns[i] > 0 && info.tuning.drain_ns[i] > 0);
    CHECK(strstr(info.tuning.text, "level 1 of 3") != NULL);

    /* Nothing of it is left. */
    CHECK(info.leases == 0 && info.passes == 0 && !info.running);
    CHECK_EQ(vyre_buffers(v, &buffers, NULL), VYRE_OK);
    uint32_t count = 1;
    CHECK_EQ(vyre_control_done_count(buffers.control, buffers.control_size, &count, NULL),
             VYRE_OK);
    CHECK_EQ(count, 0);
    CHECK_EQ(vyre_ring_count(buffers.ring, buffers.ring_size, VYRE_SLOT_EMPTY, &count, NULL),
             VYRE_OK);
    CHECK_EQ(count, TUNE_SLOTS);

    memset(fake.level_launches, 0, sizeof fake.level_launches);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    const vyre_ticket t = engine_publish(v, engine_add(7));
    CHECK_EQ(vyre_wait(v, t, SECOND, NULL), VYRE_OK);
    CHECK_EQ(engine_observable(v, 0), 7);
    CHECK(fake.level_launches[1] > 0);
    CHECK(fake.level_launches[0] + fake.level_launches[2] + fake.level_launches[3] == 0);
    vyre_close(v);
}

static void without_a_gain_all_groups_stay(void)
{
    vyre_info info;
    fake_reset();
    fake.groups = 2;
    fake.level_ns[1] = SLOW;
    const vyre_desc d = tune_desc(VYRE_TUNE_OPEN);
    vyre *v = tuned_handle(&d, &info);
    CHECK(info.tuning.levels == 2 && info.tuning.level == 0);
    CHECK_EQ(info.tuning.lanes, info.lane_count);
    vyre_close(v);
}

/* A level that is better for many works, and no worse for one. */
static void throughput_keeps_the_round_trip(void)
{
    vyre_info info;
    fake_reset();
    fake.groups = TUNE_GROUPS;
    fake.level_ns[0] = SLOW;
    vyre_desc d = tune_desc(VYRE_TUNE_OPEN);
    d.tune_goal = VYRE_PLAN_THROUGHPUT;
    vyre *v = tuned_handle(&d, &info);
    const uint32_t level = info.tuning.level;
    CHECK(level > 0);
    CHECK(info.tuning.drain_ns[level] < info.tuning.drain_ns[0]);
    CHECK(info.tuning.round_trip_ns[level] <= info.tuning.round_trip_ns[0]);
    vyre_close(v);
}

static void too_little_time_is_the_static_choice(void)
{
    vyre_info info;
    fake_reset();
    fake.groups = TUNE_GROUPS;
    fake.level_ns[0] = 1000000;
    vyre_desc d = tune_desc(VYRE_TUNE_OPEN);
    d.tune_ns = 1;
    vyre *v = tuned_handle(&d, &info);
    CHECK(info.tuning.levels == 4 && info.tuning.level == 0);
    CHECK(strstr(info.tuning.text, "not enough") != NULL);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    CHECK_EQ(vyre_wait(v, engine_publish(v, engine_add(1)), SECOND, NULL), VYRE_OK);
    vyre_close(v);
}

/* An earlier open's verdict is not measured again, but for another goal. */
static void a_verdict_is_kept(void)
{
    vyre_info info;
    fake_reset();
    fake.groups = TUNE_GROUPS;
    fake.level_ns[0] = SLOW;
    vyre_desc d = tune_desc(VYRE_TUNE_OPEN);
    vyre_close(tuned_handle(&d, &info));
    const uint32_t level = info.tuning.level;
    CHECK(level > 0);
    fake.launches_seen = 0;
    vyre_close(tuned_handle(&d, &info));
    CHECK(info.tuning.level == level && fake.launches_seen == 0);
    CHECK(strstr(info.tuning.text, "earlier") != NULL && info.tuning.round_trip_ns[0] == 0);
    fake.level_ns[0] = 0;
    d.tune_goal = VYRE_PLAN_THROUGHPUT;
    vyre_close(tuned_handle(&d, &info));
    CHECK(fake.launches_seen > 0);
    fake.groups = 2; /* and on a device with fewer levels */
    fake.launches_seen = 0;
    vyre_close(tuned_handle(&d, &info));
    CHECK(info.tuning.levels == 2 && fake.launches_seen > 0);
}

static void emit_nothing(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)p, (void)s, (void)user;
}

/* One level, and why. */
static void some_handles_have_one_level(void)
{
    static const struct {
        const char *why;
        uint32_t    groups, workgroup, children;
        bool        not_live, jit;
    } cases[] = { { "passes", TUNE_GROUPS, 0, 0, true, false },
                  { "workgroup_size", TUNE_GROUPS, 64, 0, false, false },
                  { "more to do", TUNE_GROUPS, 0, 32, false, false },
                  { "own code", TUNE_GROUPS, 0, 0, false, true },
                  { "one group", 0, 0, 0, false, false },
                  { "one group", 1, 0, 0, false, false } };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vyre_info info;
        vyre_desc d = tune_desc(VYRE_TUNE_LIVE);
        fake_reset();
        fake.groups = cases[i].groups;
        fake.not_live = cases[i].not_live;
        d.kernel.workgroup_size = cases[i].workgroup;
        d.kernel.children = cases[i].children;
        if (cases[i].jit) {
            d.kernel.kind = VYRE_KERNEL_JIT;
            d.kernel.handler_count = 0;
            d.kernel.payload = emit_nothing;
        }
        vyre *v = tuned_handle(&d, &info);
        CHECK(info.tuning.levels == 1 && info.tuning.level == 0 && fake.launches_seen == 0);
        if (!strstr(info.tuning.text, cases[i].why))
            test_fail(__FILE__, __LINE__, "case %u: %s", i, info.tuning.text);
        vyre_close(v);
    }
}

static void tune_refuses(void)
{
    vyre_error err;
    vyre_desc d = tune_desc((vyre_tune)3);
    CHECK(!vyi_open_with(fake_backend(), &d, &err) && err.status == VYRE_E_ARGUMENT);
    d = tune_desc(VYRE_TUNE_OPEN);
    d.tune_goal = (vyre_plan_goal)2;
    CHECK(!vyi_open_with(fake_backend(), &d, &err) && err.status == VYRE_E_ARGUMENT);
}

/* Every call of the backend fails in turn while levels are measured. */
static void a_device_may_be_lost_meanwhile(void)
{
    vyre_error err;
    vyre_desc d = tune_desc(VYRE_TUNE_OPEN);
    d.unknown_opcodes = true;
    uint32_t failed = 0;
    for (uint32_t at = 1; at < 60; at += at < 12 ? 1 : 7) {
        fake_reset();
        fake.groups = 2;
        fake.fail_at = at;
        fake.fail_with = VYRE_E_DEVICE_LOST;
        memset(&err, 0, sizeof err);
        vyre *v = vyi_open_with(fake_backend(), &d, &err);
        failed += !v && err.status == VYRE_E_DEVICE_LOST;
        vyre_close(v);
        CHECK_EQ(fake.open_devices, 0);
    }
    CHECK(failed > 12);
}

/* --- live ------------------------------------------------------------------- */

static vyre *live_handle(uint32_t slots, uint32_t groups, vyre_info *info)
{
    vyre_desc d = tune_desc(VYRE_TUNE_LIVE);
    d.kernel.slot_count = slots;
    d.tune_ns = 1; /* all groups */
    fake_reset();
    fake.groups = groups;
    return tuned_handle(&d, info);
}

/* A lease is about to be queued, and so many of 10000 slots were full. */
static vyre_info after_lease(vyre *v, uint32_t density)
{
    vyre_info info;
    vyi_mutex_lock(&v->lock);
    v->queue.tuned.most = density;
    v->queue.tuned.tuner->lease(&v->queue);
    vyi_mutex_unlock(&v->lock);
    vyre_query(v, &info);
    CHECK_EQ(info.tuning.density_bps, density);
    return info;
}

/* Around the thresholds of the original's hysteresis, 500 and 4000, 250 to each side. */
static void topologies_follow_the_trace(void)
{
    static const struct { uint32_t density; vyre_topology topology; } trace[] = {
        { 0, VYRE_TOPOLOGY_EMPTY },     { 250, VYRE_TOPOLOGY_SPARSE },
        { 500, VYRE_TOPOLOGY_SPARSE },  { 750, VYRE_TOPOLOGY_SPARSE },
        { 751, VYRE_TOPOLOGY_HYBRID },  { 500, VYRE_TOPOLOGY_HYBRID },
        { 250, VYRE_TOPOLOGY_HYBRID },  { 249, VYRE_TOPOLOGY_SPARSE },
        { 3999, VYRE_TOPOLOGY_HYBRID }, { 4000, VYRE_TOPOLOGY_HYBRID },
        { 4250, VYRE_TOPOLOGY_HYBRID }, { 4251, VYRE_TOPOLOGY_DENSE },
        { 4000, VYRE_TOPOLOGY_DENSE },  { 3750, VYRE_TOPOLOGY_DENSE },
        { 3749, VYRE_TOPOLOGY_HYBRID }, { 10000, VYRE_TOPOLOGY_DENSE },
        { 0, VYRE_TOPOLOGY_EMPTY },     { 4000, VYRE_TOPOLOGY_DENSE } };
    vyre_info info;
    vyre *v = live_handle(TUNE_SLOTS, TUNE_GROUPS, &info);
    for (unsigned i = 0; i < sizeof trace / sizeof trace[0]; i++) {
        info = after_lease(v, trace[i].density);
        CHECK_EQ(info.tuning.topology, trace[i].topology);
    }
    vyre_close(v);
}

/* 512 groups: a share of 100 of 500 wants a fifth of them, so a quarter. */
static void fewer_groups_come_when_decisions_agree(void)
{
    vyre_info info;
    vyre *v = live_handle(TUNE_SLOTS, 512, &info);
    for (unsigned i = 0; i < 15; i++)
        CHECK_EQ(after_lease(v, 100).tuning.level, 0);
    CHECK_EQ(after_lease(v, 100).tuning.level, 2);
    CHECK_EQ(after_lease(v, 200).tuning.level, 1); /* two fifths: a half, at once */
    CHECK_EQ(after_lease(v, 3000).tuning.level, 0);
    for (unsigned i = 0; i < 40; i++) /* one that disagrees begins anew */
        CHECK_EQ(after_lease(v, i % 15 == 14 ? 3000 : 10).tuning.level, 0);
    CHECK_EQ(after_lease(v, 3000).tuning.level, 0);
    for (unsigned i = 0; i < 16; i++) /* the most that one of them wants */
        info = after_lease(v, i == 7 ? 200 : 10);
    CHECK_EQ(info.tuning.level, 1);
    CHECK_EQ(info.tuning.changes, 4);
    vyre_close(v);
}

/* The fewest after a while without works, all with the first. */
static void an_idle_kernel_has_the_fewest(void)
{
    vyre_info info;
    vyre *v = live_handle(TUNE_SLOTS, 4, &info);
    CHECK_EQ(info.tuning.levels, 3);
    for (unsigned i = 0; i < 63; i++)
        CHECK_EQ(after_lease(v, 0).tuning.level, 0);
    for (unsigned i = 0; i < 5; i++)
        CHECK_EQ(after_lease(v, 0).tuning.level, 2);
    CHECK_EQ(after_lease(v, 1).tuning.level, 0);
    CHECK_EQ(after_lease(v, 0).tuning.level, 0);
    vyre_close(v);
}

/* What a look finds is what waits; a large ring is looked at in parts. */
static void looks_count_what_waits(void)
{
    for (uint32_t slots = 256; slots <= 16384; slots *= 64) {
        vyre_info info;
        vyre *v = live_handle(slots, TUNE_GROUPS, &info);
        fake.hold = true;
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        for (uint32_t i = 0; i < slots / 2; i++)
            (void)engine_publish(v, engine_add(1));
        vyi_mutex_lock(&v->lock);
        v->queue.tuned.most = 0;
        v->queue.tuned.look_at = 0;
        v->queue.tuned.tuner->look(&v->queue);
        CHECK_EQ(v->queue.tuned.most, 5000);
        v->queue.tuned.most = 0;
        v->queue.tuned.look_at = UINT64_MAX; /* not again so soon */
        v->queue.tuned.tuner->look(&v->queue);
        CHECK_EQ(v->queue.tuned.most, 0);
        v->queue.tuned.look_at = 0;
        vyi_mutex_unlock(&v->lock);
        fake.hold = false;
        CHECK_EQ(vyre_drain(v, 60 * SECOND, NULL), VYRE_OK);
        vyre_close(v);
    }
}

static void burst_publish(vyre *v)
{
    const vyre_work work = engine_add(1);
    vyre_status status;
    while ((status = vyre_publish(v, &work, NULL, NULL)) == VYRE_FULL)
        CHECK_EQ(vyre_drain(v, 60 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(status, VYRE_OK);
}

/* Bursts and pauses: every work is done, and the level seldom changes. */
static void bursts_do_not_flap(void)
{
    const char *text = getenv("TEST_COUNT");
    const uint32_t works = text ? (uint32_t)strtoul(text, NULL, 0) : 20000;
    vyre_info info;
    uint64_t seed = test_seed(0x7e1e);
    vyre *v = live_handle(TUNE_SLOTS, 512, &info);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < works;) {
        const uint64_t random = test_random(&seed);
        for (uint32_t n = random % 200; n > 0 && i < works; n--, i++)
            burst_publish(v);
        if (random % 3 == 0)
            CHECK_EQ(vyre_drain(v, 60 * SECOND, NULL), VYRE_OK);
        for (uint32_t n = random >> 32 & 31; n > 0; n--) {
            vyi_mutex_lock(&v->lock);
            (void)vyi_queue_drive(&v->queue, VYI_EFFORT_LOOK, NULL);
            vyi_mutex_unlock(&v->lock);
        }
    }
    CHECK_EQ(vyre_drain(v, 60 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(engine_observable(v, 0), works);
    vyre_query(v, &info);
    CHECK(info.leases > 100 && info.tuning.changes > 0);
    CHECK(info.tuning.changes < info.leases / 8);
    vyre_close(v);
}

/* A new device begins with what open has chosen. */
static void a_recovery_keeps_the_level(void)
{
    vyre_info info;
    vyre *v = live_handle(TUNE_SLOTS, TUNE_GROUPS, &info);
    v->queue.tuned.chosen = 2;
    CHECK_EQ(after_lease(v, 10000).tuning.level, 0);
    for (unsigned i = 0; i < 16; i++)
        info = after_lease(v, 10000);
    CHECK_EQ(info.tuning.level, 2); /* no more than open has chosen */
    for (unsigned i = 0; i < 64; i++)
        info = after_lease(v, 0);
    CHECK_EQ(info.tuning.level, 3);
    engine_lose(v);
    CHECK_EQ(vyre_recover(v, NULL), VYRE_OK);
    vyre_query(v, &info);
    CHECK_EQ(info.tuning.level, 2);
    fake.groups = 2; /* the next one has two levels */
    engine_lose(v);
    CHECK_EQ(vyre_recover(v, NULL), VYRE_OK);
    vyre_query(v, &info);
    CHECK(info.tuning.levels == 2 && info.tuning.level == 1);
    vyre_close(v);
}

/* --- devices that are there ---------------------------------------------------- */

/* Leases of this level serve what comes one by one, and full rings. */
static void run_level(vyre *v, uint32_t slots, uint32_t level)
{
    vyre_work works[1024];
    const uint32_t before = engine_observable(v, 0);
    for (uint32_t i = 0; i < slots; i++)
        works[i] = engine_add(1);
    vyi_mutex_lock(&v->lock);
    vyi_queue_device(&v->queue)->level = level;
    vyi_mutex_unlock(&v->lock);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < 50; i++)
        CHECK_EQ(vyre_wait(v, engine_publish(v, engine_add(1)), 60 * SECOND, NULL), VYRE_OK);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_EQ(vyre_run(v, works, slots, NULL, NULL), VYRE_OK);
    CHECK_EQ(engine_observable(v, 0), before + 50 + 3 * slots);
    CHECK_EQ(vyre_stop(v, 10 * SECOND, NULL), VYRE_OK);
}

static void run_tuned(vyre_backend backend, uint32_t slots, vyre_tune tune)
{
    vyre_info info;
    vyre_error err;
    vyre_desc d = engine_desc(slots);
    d.backend = backend;
    d.tune = tune;
    memset(&err, 0, sizeof err);
    vyre *v = vyre_open(&d, &err);
    if (!v) {
        test_skip(err.text);
        return;
    }
    vyre_query(v, &info);
    CHECK(info.tuning.levels >= 1 && info.tuning.text[0]);
    printf("NOTE %s, %u slots: %s\n", info.device, slots, info.tuning.text);
    for (uint32_t level = 0; level < info.tuning.levels; level++)
        run_level(v, slots, level);
    vyre_close(v);
}

static void tuned_on_the_cpu(void)
{
    run_tuned(VYRE_BACKEND_CPU, 256, VYRE_TUNE_LIVE);
}

static void tuned_on_vulkan(void)
{
    run_tuned(VYRE_BACKEND_VULKAN, 256, VYRE_TUNE_OPEN);
    run_tuned(VYRE_BACKEND_VULKAN, 5, VYRE_TUNE_OPEN);
    run_tuned(VYRE_BACKEND_VULKAN, 1024, VYRE_TUNE_LIVE);
}

int main(void)
{
    RUN(off_measures_nothing);
    RUN(the_fastest_level_is_run);
    RUN(without_a_gain_all_groups_stay);
    RUN(throughput_keeps_the_round_trip);
    RUN(too_little_time_is_the_static_choice);
    RUN(a_verdict_is_kept);
    RUN(some_handles_have_one_level);
    RUN(tune_refuses);
    RUN(a_device_may_be_lost_meanwhile);
    RUN(topologies_follow_the_trace);
    RUN(fewer_groups_come_when_decisions_agree);
    RUN(an_idle_kernel_has_the_fewest);
    RUN(looks_count_what_waits);
    RUN(bursts_do_not_flap);
    RUN(a_recovery_keeps_the_level);
    RUN(tuned_on_the_cpu);
    RUN(tuned_on_vulkan);
    return test_end();
}

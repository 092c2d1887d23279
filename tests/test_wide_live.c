/* The cases of test_wide with a running kernel that has groups for wide works: the CPU
 * backend's threads, and a device that would not get any: lavapipe shows what a GPU
 * does, in leases of a few hundred rounds. */
#include "inside.h"

#include "knobs.h"
#include "test.h"

#define WIDE_LIVE 1

static void wide_live(vyre_desc *d)
{
    d->wide_groups = d->cpu_threads = 3;
    d->kernel.group_size = 32;
    d->lease.rounds = d->backend == VYRE_BACKEND_CPU ? 0 : 100;
    d->lease.timeout_ns = 60000000000u; /* a machine may stand still for longer than 10 */
}

#include "test_wide.c"

static vyre *live_open(void)
{
    vyre *v = wide_open();
    vyre_info info;
    vyre_query(v, &info);
    if (info.mode != VYRE_MODE_PERSISTENT) {
        vyre_close(v);
        test_skip("wide works are passes here");
        return NULL;
    }
    CHECK(info.wide_groups > 0);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    return v;
}

/* A lease ends, the kernel stops, and starts again, in the middle of works. */
static void works_outlast_stops(void)
{
    vyre *v = live_open();
    for (uint32_t round = 0; v && round < 6; round++) {
        vyre_ticket tickets[8];
        for (uint32_t i = 0; i < 8; i++)
            tickets[i] = engine_publish(v, wide_work(OP_CHUNKS, 0, 20000, 0, 0));
        CHECK_EQ(vyre_stop(v, 10 * SECOND, NULL), VYRE_OK);
        if (round % 2) /* else passes do the rest */
            CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        for (uint32_t i = 0; i < 8; i++)
            CHECK_EQ(vyre_wait(v, tickets[i], 20 * SECOND, NULL), VYRE_OK);
        wide_check(v, 20000, 8);
        if (round % 2 == 0)
            CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    }
    vyre_close(v);
}

/* Gates count to 32,767; then a slot rests until nobody can be late. */
static void generations_begin_anew(void)
{
    vyre *v = live_open();
    if (!v)
        return;
    for (uint32_t i = 0; i < VYI_WIDE_SLOTS; i++)
        vyi_store_release(&v->queue.wides.generations[i], VYI_GATE_LAST - 1 - i % 4);
    uint32_t published = 0;
    while (published < 200) {
        const vyre_work w = wide_work(OP_TOUCH, 0, 500, 0, 0);
        vyre_ticket t;
        const vyre_status status = vyre_publish(v, &w, &t, NULL);
        CHECK(status == VYRE_OK || status == VYRE_FULL);
        published += status == VYRE_OK;
        if (status == VYRE_FULL)
            engine_sleep_ms(1);
        else if (published % 3)
            CHECK_EQ(vyre_wait(v, t, 20 * SECOND, NULL), VYRE_OK);
    }
    CHECK_EQ(vyre_drain(v, 20 * SECOND, NULL), VYRE_OK);
    wide_check(v, 500, 200);
    uint32_t renewed = 0;
    for (uint32_t i = 0; i < VYI_WIDE_SLOTS; i++)
        renewed += v->queue.wides.generations[i] < VYI_GATE_LAST - 4;
    CHECK(renewed > 0);
    vyre_close(v);
}

static uint32_t used_up(const vyre *v, uint32_t last)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < VYI_WIDE_SLOTS; i++)
        count += vyi_load_acquire(&v->queue.wides.generations[i]) == last;
    return count;
}

/* One work after another in a lease that does not end: with 33 generations 64 works until
 * the first slot is used up, and 496 more until the last one is; then each begins anew. */
static void generations_are_used_up_one_by_one(void)
{
    enum { LAST = 33, ALL = LAST * 32 - 31 * 32 / 2 };
    const vyre_work w = wide_work(OP_TOUCH, 0, 1, 0, 0);
    knob_gate_last = LAST;
    vyre *v = live_open();
    vyre_ticket t;
    uint32_t published = 0, first = 0;
    for (uint32_t i = 0; v && i < VYI_WIDE_SLOTS; i++)
        v->queue.wides.retired[i] = UINT64_MAX; /* launches that have not ended */
    while (v && published <= ALL && vyre_publish(v, &w, &t, NULL) == VYRE_OK) {
        CHECK_EQ(vyre_wait(v, t, 20 * SECOND, NULL), VYRE_OK);
        published++;
        first = first || !used_up(v, LAST) ? first : published;
    }
    if (v) {
        CHECK_EQ(published, ALL);
        CHECK_EQ(used_up(v, LAST), VYI_WIDE_SLOTS);
        CHECK_EQ(first, 64);
        CHECK_EQ(vyre_stop(v, 10 * SECOND, NULL), VYRE_OK);
        memset(v->queue.wides.retired, 0, sizeof v->queue.wides.retired);
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    }
    for (uint32_t more = 0; v && more < 64;) {
        const vyre_status status = vyre_publish(v, &w, &t, NULL);
        CHECK(status == VYRE_OK || status == VYRE_FULL);
        if (status == VYRE_FULL)
            engine_sleep_ms(1);
        else
            CHECK_EQ(vyre_wait(v, t, 20 * SECOND, NULL), VYRE_OK);
        more += status == VYRE_OK;
    }
    if (v) {
        CHECK(used_up(v, LAST) < VYI_WIDE_SLOTS);
        CHECK_EQ(wide_words(v)[0], ALL + 64);
    }
    vyre_close(v);
    knob_gate_last = 32767u;
}

/* The last generation's work is being written: its gate is not opened yet, and nothing
 * of the slot may begin anew under the publisher's hands. */
static void a_slot_that_is_written_stays_as_it_is(void)
{
    vyre *v = live_open();
    if (!v)
        return;
    CHECK_EQ(vyre_stop(v, 10 * SECOND, NULL), VYRE_OK); /* no launch is in flight */
    vyi_queue *q = &v->queue;
    const uint32_t slot = q->slots.lanes;
    CHECK(vyi_slot_claim(q, &q->wides.owner, slot));
    vyi_store_release(&q->wides.generations[0], VYI_GATE_LAST);
    vyi_mutex_lock(&v->lock);
    (void)vyi_wide_renew(q);
    vyi_mutex_unlock(&v->lock);
    CHECK_EQ(q->wides.generations[0], VYI_GATE_LAST);
    const uint32_t mark = vyi_load_acquire(&q->slots.marks[slot]);
    vyi_store_release(&q->slots.marks[slot], vyi_mark_with(mark, VYI_PHASE_FREE));
    vyi_mutex_lock(&v->lock);
    for (uint32_t i = 0; i < 3; i++) /* where groups are in eras, it takes some looks */
        (void)vyi_wide_renew(q);
    vyi_mutex_unlock(&v->lock);
    CHECK_EQ(q->wides.generations[0], 0);
    vyre_close(v);
}

/* A lane's place in the last turn of a chunk stays below 2^32. */
static void a_chunk_is_half_of_what_words_count(void)
{
    static const vyre_handler huge = { OP_TOUCH, emit_touch, NULL, "huge", VYRE_WIDTH_RANGE,
                                       UINT32_MAX, NULL, 0 };
    vyre_desc d = wide_desc();
    d.kernel.handlers = &huge;
    d.kernel.handler_count = 1;
    d.kernel.group_size = 96;
    vyre *v = engine_open(&d);
    if (!v->queue.wides.gated) {
        vyre_close(v);
        test_skip("wide works are passes here");
        return;
    }
    vyi_queue_device(&v->queue)->wide_turns = UINT32_MAX; /* as where no loop is cut */
    vyre_work w = wide_work(OP_TOUCH, 0, UINT32_MAX, 0, 0);
    w.tenant = 1; /* it is not to run here */
    CHECK_EQ(vyre_tenant_enable(v, 1, false, NULL), VYRE_OK);
    const vyre_ticket t = engine_publish(v, w);
    const vyi_queue *q = &v->queue;
    const uint32_t at = vyre_ticket_slot(t) - q->slots.lanes;
    const uint32_t *words = vyi_device_words(vyi_queue_device(q), q->wides.buffer);
    const uint32_t per = words[VYI_WIDE_PER + at];
    const uint32_t chunks = words[VYI_WIDE_CHUNKS + at] & VYI_GATE_COUNT;
    CHECK((uint64_t)per * chunks >= UINT32_MAX);
    CHECK((uint64_t)(chunks - 1) * per < UINT32_MAX);
    CHECK((uint64_t)per + d.kernel.group_size <= UINT32_MAX);
    vyre_close(v);
}

/* The next device has no groups for wide works: they, and all others, become passes. */
static void a_device_without_groups_takes_over(void)
{
    vyre_desc d = wide_desc();
    d.lost_work = VYRE_LOST_RERUN;
    vyre *v = engine_open(&d);
    if (!v->queue.wides.gated) {
        vyre_close(v);
        test_skip("wide works are passes here");
        return;
    }
    vyre_info info;
    const vyre_ticket wide = engine_publish(v, wide_work(OP_TOUCH, 0, 5000, 0, 0));
    const vyre_ticket lane = engine_publish(v, engine_work(OP_COUNT, 2, 6000, 1));
    v->desc.wide_groups = 0;
    engine_lose(v);
    CHECK_EQ(vyre_recover(v, NULL), VYRE_OK);
    vyre_query(v, &info);
    if (info.wide_groups) {
        vyre_close(v);
        test_skip("a device like this one has groups whether a handle asks for them or not");
        return;
    }
    CHECK_EQ(info.mode, VYRE_MODE_PASSES);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    CHECK_EQ(vyre_wait(v, wide, 20 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(vyre_wait(v, lane, 20 * SECOND, NULL), VYRE_OK);
    uint32_t *user = wide_words(v);
    CHECK_EQ(user[6000], 1);
    user[6000] = 0;
    wide_check(v, 5000, 1);
    wide_wait(v, wide_work(OP_TOUCH, 0, 700, 0, 0), NULL);
    wide_check(v, 700, 1);
    vyre_close(v);
}

/* Works in flight run again, all of them from their first index, or are reported. */
static void a_device_lost_in_the_middle_of_works(void)
{
    for (uint32_t rerun = 0; rerun < 2; rerun++) {
        vyre_ticket tickets[4];
        vyre_desc d = wide_desc();
        d.lost_work = rerun ? VYRE_LOST_RERUN : VYRE_LOST_REPORT;
        vyre *v = engine_open(&d);
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        for (uint32_t round = 0; round < 3; round++) {
            uint32_t ended = 0;
            for (uint32_t i = 0; i < 4; i++)
                tickets[i] = engine_publish(v, wide_work(OP_CHUNKS, 0, 60000, 0, 0));
            for (uint32_t i = 0; i < round; i++)
                CHECK_EQ(vyre_wait(v, tickets[i], 20 * SECOND, NULL), VYRE_OK);
            engine_lose(v);
            CHECK_EQ(vyre_recover(v, NULL), VYRE_OK);
            for (uint32_t i = 0; i < 4; i++) {
                const vyre_status status = vyre_wait(v, tickets[i], 20 * SECOND, NULL);
                CHECK_EQ(status, i < round || rerun ? VYRE_OK : VYRE_E_LOST);
                ended += i >= round && status == VYRE_OK;
            }
            wide_check(v, 60000, ended);
            wide_wait(v, wide_work(OP_TOUCH, 0, 300, 0, 0), NULL);
            wide_check(v, 300, 1);
        }
        vyre_close(v);
    }
}

#include "test_wide_threads.c"

/* Random rings with works of lanes and of many, against the model. */
#define INSIDE_H /* this program is the library, too */
#include "test_engine_rings.c"

static void rings_beside_groups(void)
{
    vyre *v = live_open();
    vyre_close(v);
    handles = true;
    if (v)
        rings_as_works(publish_works, "published beside groups", rings_of(10));
}

/* Of test_wide, what differs where a kernel runs. */
static const engine_case live_cases[] = {
    ENGINE_CASE(every_index_runs_once),
    ENGINE_CASE(several_indexes_run_at_once),
    ENGINE_CASE(a_fault_ends_the_work_when_all_indexes_have_run),
    ENGINE_CASE(many_works_at_a_time),
    ENGINE_CASE(wide_works_beside_works_of_lanes),
    ENGINE_CASE(a_tenant_without_rights_waits),
    ENGINE_CASE(handlers_have_allowances_of_their_own),
    ENGINE_CASE(a_chunk_is_half_of_what_words_count),
    ENGINE_CASE(results_of_wide_works_are_kept),
    ENGINE_CASE(ranges_from_four_threads),
    ENGINE_CASE(one_index_of_a_million_faults),
    ENGINE_CASE(rings_beside_groups),
    ENGINE_CASE(works_outlast_stops),
    ENGINE_CASE(generations_begin_anew),
    ENGINE_CASE(generations_are_used_up_one_by_one),
    ENGINE_CASE(a_slot_that_is_written_stays_as_it_is),
    ENGINE_CASE(a_device_without_groups_takes_over),
    ENGINE_CASE(a_device_lost_in_the_middle_of_works)
};

/* The first of them on the CPU as well, in leases that do not end. */
static void run_live(vyre_backend backend, size_t count)
{
    static char name[128];
    backend_under_test = backend;
    vyre_desc d = wide_desc();
    vyre *v = vyre_open(&d, NULL);
    vyre_close(v);
    engine_why = "no such device";
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s/%s", vyre_backend_name(backend), live_cases[i].name);
        test_run(name, v ? live_cases[i].body : engine_not_there);
    }
}

int main(void)
{
    const size_t count = sizeof live_cases / sizeof live_cases[0];
    knob_wide_anywhere = 1;
    (void)cases; /* test_wide runs them, */
    (void)threads_cases; /* test_wide_threads these, */
    (void)engine_cases; /* and these test_engine_rings */
    run_live(VYRE_BACKEND_CPU, count - 2);
    test_run("cpu/the_last_index_of_all", the_last_index_of_all);
    run_live(VYRE_BACKEND_VULKAN, count);
    return test_end();
}

/* What waits below is claimed though there is always something above: works of each
 * level that yield on and on, and others that note how many claims their lane had made
 * by then.  The counters that tell of it, over a recovery; the age of the oldest work. */
#include "inside.h"
#include "engine.h"

enum { LANES = 4, YIELDS = 400, WITHIN = 51 };
#define OP_BUSY 0x2001u /* claims[lane] += 1; yields a0 times */
#define OP_NOTE 0x2002u /* the same, once; word 0: what it found */

static const char busy_text[] = "atomicAdd(claims[slot % 4u], 1u);\n"
                                "if (arg[3] < arg[0]) yield(arg[3] + 1u, 0);";
static const char note_text[] = "result(0, atomicAdd(claims[slot % 4u], 1u));";

static const vyre_handler fair_handlers[] = {
    { OP_BUSY, NULL, NULL, "busy", VYRE_WIDTH_LANE, 0, busy_text, 0 },
    { OP_NOTE, NULL, NULL, "note", VYRE_WIDTH_LANE, 0, note_text, 0 },
};

/* Of a kernel without tasks. */
static const vyre_handler flood_handlers[] = {
    { OP_BUSY, NULL, NULL, "busy", VYRE_WIDTH_LANE, 0, "atomicAdd(claims[slot % 4u], 1u);", 0 },
    { OP_NOTE, NULL, NULL, "note", VYRE_WIDTH_LANE, 0, note_text, 0 },
};

static const vyre_buffer_desc fair_buffers[] = {
    { "claims", 4, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, LANES, false, 0, 0 },
};

/* Five partitions of a slot for each lane. */
static vyre_desc fair_desc(vyre_mode mode)
{
    vyre_desc d;
    memset(&d, 0, sizeof d);
    d.backend = backend_under_test;
    d.mode = mode;
    d.kernel.kind = VYRE_KERNEL_PRIORITY;
    d.kernel.workgroup_size = d.kernel.lane_count = LANES;
    d.kernel.slot_count = 5 * LANES;
    d.kernel.handlers = fair_handlers;
    d.kernel.handler_count = 2;
    d.kernel.buffers = fair_buffers;
    d.kernel.buffer_count = 1;
    d.kernel.tasks = true;
    d.lease.timeout_ns = 60 * SECOND;
    d.cpu_threads = 1; /* so that a lane is one all the time */
    return d;
}

static vyre_ticket publish_at(vyre *v, uint32_t opcode, vyre_priority priority)
{
    vyre_work w = engine_work(opcode, 1, YIELDS, 0);
    w.priority = priority;
    return engine_publish(v, w);
}

/* What yields on and on, in which mode, and so many of the levels that wait below. */
typedef struct fair_way {
    vyre_priority busy;
    vyre_mode     mode;
    uint32_t      below;
} fair_way;

static const vyre_priority fair_below[2] = { VYRE_PRIORITY_IDLE, VYRE_PRIORITY_LOW };

static void fair_check(vyre *v, const fair_way *way, const vyre_ticket *note, uint32_t notes)
{
    const bool passes = way->mode == VYRE_MODE_PASSES;
    uint32_t words[12];
    for (uint32_t i = 0; i < notes; i++) {
        CHECK_EQ(vyre_result(v, note[i], words, NULL), VYRE_OK);
        /* A pass may end in between, and its lanes begin anew. */
        if (words[0] >= (passes ? YIELDS / 2 : WITHIN + notes / LANES))
            test_fail(__FILE__, __LINE__, "level %d above: note %u after %u claims of its lane",
                      (int)way->busy, i, words[0]);
    }
}

static void each_level_has_its_turn(void)
{
    static const fair_way ways[] = {
        { VYRE_PRIORITY_NORMAL, VYRE_MODE_AUTO, 2 },   { VYRE_PRIORITY_HIGH, VYRE_MODE_AUTO, 2 },
        { VYRE_PRIORITY_CRITICAL, VYRE_MODE_AUTO, 2 }, { VYRE_PRIORITY_NORMAL, VYRE_MODE_PASSES, 2 },
        { VYRE_PRIORITY_LOW, VYRE_MODE_AUTO, 1 },      { VYRE_PRIORITY_LOW, VYRE_MODE_PASSES, 1 },
    };
    for (uint32_t w = 0; w < sizeof ways / sizeof ways[0]; w++) {
        const vyre_desc d = fair_desc(ways[w].mode);
        vyre *v = engine_open(&d);
        vyre_ticket busy[LANES], note[2 * LANES];
        vyre_requeue counts;
        vyre_info info;
        uint32_t notes = 0;
        for (uint32_t i = 0; i < LANES; i++)
            busy[i] = publish_at(v, OP_BUSY, ways[w].busy);
        for (uint32_t b = 0; b < ways[w].below; b++)
            for (uint32_t i = 0; i < LANES; i++)
                note[notes++] = publish_at(v, OP_NOTE, fair_below[b]);
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        CHECK_EQ(vyre_drain(v, 60 * SECOND, NULL), VYRE_OK);
        CHECK_EQ(vyre_stop(v, 60 * SECOND, NULL), VYRE_OK);
        fair_check(v, &ways[w], note, notes);
        for (uint32_t i = 0; i < LANES; i++)
            CHECK_EQ(vyre_poll(v, busy[i]), VYRE_OK);
        vyre_query(v, &info);
        counts = vyre_requeue_of(v);
        CHECK_EQ(info.requeues, LANES * YIELDS);
        CHECK_EQ(counts.requeues, info.requeues);
        CHECK_EQ(counts.promotions, info.promotions);
        CHECK(info.promotions >= notes);
        CHECK(info.promotions < LANES * YIELDS / 4);
        vyre_close(v);
    }
}

/* --- volume ---------------------------------------------------------------------- */

enum { QUIET = 100 }; /* works of IDLE, beside all the others */

/* One thread publishes works of NORMAL without an end, and one of IDLE now and then. Such a
 * one's lane has made so many claims since by the time of its own: where a lease ends in
 * between the lane begins anew, and twice as many. */
static void what_is_idle_is_served_beside_a_flood(void)
{
    const char *text = getenv("TEST_COUNT");
    const uint32_t count = text ? (uint32_t)strtoul(text, NULL, 0) : 10000;
    vyre_desc d = fair_desc(VYRE_MODE_AUTO);
    d.kernel.tasks = false;
    d.kernel.handlers = flood_handlers;
    vyre *v = engine_open(&d);
    uint32_t *claims = (uint32_t *)vyre_map(v, 0, NULL);
    uint32_t worst = 0, served = 0, before = 0, words[12];
    vyre_ticket idle = { 0, 0 };
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < count; i++) {
        vyre_work w = engine_work(OP_BUSY, 0, 0, 0);
        while (vyre_publish(v, &w, NULL, NULL) == VYRE_FULL)
            continue;
        if (i % (count / QUIET) == 0 && !idle.generation) {
            idle = publish_at(v, OP_NOTE, VYRE_PRIORITY_IDLE);
            before = claims[vyre_ticket_slot(idle) % LANES]; /* of its lane, at most */
        }
        if (!idle.generation || vyre_result(v, idle, words, NULL) == VYRE_PENDING)
            continue;
        const uint32_t after = words[0] > before ? words[0] - before : 0;
        worst = after > worst ? after : worst;
        idle.generation = 0;
        served++;
    }
    CHECK_EQ(vyre_drain(v, 60 * SECOND, NULL), VYRE_OK);
    if (idle.generation)
        CHECK_EQ(vyre_result(v, idle, words, NULL), VYRE_OK);
    printf("NOTE %u works, %u idle ones within %u claims of their lanes\n", count, served, worst);
    CHECK(worst <= 2 * WITHIN + 2);
    vyre_close(v);
}

/* The device's words have 32 bits and begin again; the host's sums go on. */
static void counters_go_on(void)
{
    const vyre_desc d = fair_desc(VYRE_MODE_AUTO);
    vyre *v = engine_open(&d);
    vyre_info info;
    vyre_requeue_advice advice;
    uint32_t *control = vyi_device_words(vyi_queue_device(&v->queue), VYI_ROLE_CONTROL);
    control[VYRE_CONTROL_REQUEUES] = v->queue.requeued = vyi_le32(0xffffffff - 10);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    CHECK_EQ(vyre_wait(v, publish_at(v, OP_BUSY, VYRE_PRIORITY_NORMAL), 60 * SECOND, NULL),
             VYRE_OK);
    CHECK_EQ(vyre_stop(v, 60 * SECOND, NULL), VYRE_OK);
    vyre_query(v, &info);
    CHECK_EQ(info.requeues, YIELDS);
    engine_lose(v);
    CHECK_EQ(vyre_recover(v, NULL), VYRE_OK);
    CHECK_EQ(vyre_wait(v, publish_at(v, OP_BUSY, VYRE_PRIORITY_NORMAL), 60 * SECOND, NULL),
             VYRE_OK);
    CHECK_EQ(vyre_stop(v, 60 * SECOND, NULL), VYRE_OK);
    vyre_query(v, &info);
    CHECK_EQ(info.requeues, 2 * YIELDS);
    CHECK_EQ(info.oldest_looks, 0); /* nobody has asked for ages */
    const vyre_requeue counts = vyre_requeue_of(v);
    CHECK_EQ(vyre_requeue_advise(&counts, &advice, NULL), VYRE_OK);
    CHECK_EQ(advice.reason, VYRE_REQUEUE_PENDING);
    CHECK_EQ(vyre_requeue_of(NULL).requeues, 0);
    vyre_close(v);
}

/* A tenant without rights: its work stays in the ring, and ages. */
static void the_oldest_work_is_known(void)
{
    vyre_desc d = engine_desc(8);
    vyre_info info;
    d.ages = true;
    d.tenants = 2;
    d.lost_work = VYRE_LOST_RERUN; /* and the records of works lie beside */
    vyre *v = engine_open(&d);
    vyre_work held = engine_add(1);
    held.tenant = 1;
    CHECK_EQ(vyre_tenant_enable(v, 1, false, NULL), VYRE_OK);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    const vyre_ticket t = engine_publish(v, held);
    uint32_t oldest = 0;
    for (uint32_t i = 0; i < 1000 && oldest < 5; i++) {
        CHECK_EQ(vyre_wait(v, engine_publish(v, engine_add(1)), 60 * SECOND, NULL), VYRE_OK);
        CHECK_EQ(vyre_wait(v, t, 1000000, NULL), VYRE_TIMEOUT);
        vyre_query(v, &info);
        CHECK(info.oldest_looks >= oldest);
        oldest = info.oldest_looks;
    }
    CHECK(oldest >= 5);
    CHECK_EQ(vyre_requeue_of(v).max_age, oldest);
    CHECK_EQ(vyre_tenant_enable(v, 1, true, NULL), VYRE_OK);
    CHECK_EQ(vyre_wait(v, t, 60 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(vyre_stop(v, 60 * SECOND, NULL), VYRE_OK);
    vyre_query(v, &info);
    CHECK_EQ(info.oldest_looks, 0);
    CHECK_EQ(info.promotions, 0);
    vyre_close(v);
}

int main(void)
{
    static const engine_case cases[] = {
        ENGINE_CASE(each_level_has_its_turn),
        ENGINE_CASE(what_is_idle_is_served_beside_a_flood),
        ENGINE_CASE(counters_go_on),
        ENGINE_CASE(the_oldest_work_is_known),
    };
    engine_run_cases(cases, sizeof cases / sizeof cases[0]);
    return test_end();
}

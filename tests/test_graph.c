/* Graphs: layers, random ones, faults, runs after runs, on rings that are smaller than
 * they are, over stops and lost devices.  TEST_COUNT: random graphs of each kind; TEST_NODES:
 * of each; TEST_RUNS: of each graph. */
#include "inside.h"
#include "oom.h"
#include "order.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct plan {
    uint32_t  base; /* node i is base + i + 1 in the buffer */
    uint32_t  count;
    vyre_node nodes[ORDER_NODES];
    uint32_t  after[ORDER_NODES][ORDER_AFTER_MOST];
    uint32_t  stamp[ORDER_NODES]; /* 0: it does not run */
} plan;

static uint32_t env(const char *name, uint32_t otherwise)
{
    const char *text = getenv(name);
    return text ? (uint32_t)strtoul(text, NULL, 0) : otherwise;
}

static uint32_t below(uint64_t *random, uint32_t of)
{
    return (uint32_t)(test_random(random) >> 33) % of;
}

/* Its handler looks at three of those that the node waits for. */
static void plan_add(plan *p, uint32_t opcode, uint32_t count)
{
    const uint32_t i = p->count++;
    uint32_t seen[3] = { 0, 0, 0 }, most = 1;
    bool bad = opcode == OP_BAD;
    for (uint32_t e = 0; e < count; e++) {
        const uint32_t of = p->after[i][e];
        seen[e % 3] = p->base + of + 1;
        bad = bad || p->stamp[of] == 0;
        most = p->stamp[of] > most ? p->stamp[of] : most;
    }
    if (count > 3) /* all of one layer, else the greatest stamp could be another one's */
        most = p->stamp[p->after[i][count - 1]];
    p->nodes[i].work = order_work(opcode, p->base + i + 1, seen, 3);
    p->nodes[i].after = p->after[i];
    p->nodes[i].after_count = count;
    p->stamp[i] = bad ? 0 : most + 1;
}

static void plan_random(plan *p, bool wide, uint32_t count, uint32_t faults, uint64_t *random)
{
    const uint32_t reach = 1 + below(random, 60);
    p->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t n = below(random, 4);
        n = n < i ? n : i;
        for (uint32_t e = 0; e < n; e++) {
            const uint32_t back = 1 + below(random, reach < i ? reach : i);
            p->after[i][e] = below(random, 20) ? i - back : below(random, i);
        }
        plan_add(p, faults && below(random, faults) == 0 ? OP_BAD
                    : wide && below(random, 3) == 0      ? OP_WIDE
                                                         : OP_STAMP, n);
    }
}

static vyre_graph *plan_make(vyre *v, const plan *p)
{
    vyre_error err;
    memset(&err, 0, sizeof err);
    vyre_graph *g = vyre_graph_make(v, p->nodes, p->count, &err);
    if (!g)
        test_fail(__FILE__, __LINE__, "make: %s", err.text);
    return g;
}

static void plan_run(vyre *v, vyre_graph *g, const plan *p)
{
    vyre_error err;
    vyre_stats stats;
    vyre_ticket end = { 0, 0 };
    uint32_t bad = 0;
    memset(&err, 0, sizeof err);
    memset(&stats, 0, sizeof stats);
    for (uint32_t i = 0; i < p->count; i++)
        bad += p->stamp[i] == 0;
    if (vyre_graph_publish(g, &end, &err) != VYRE_OK) {
        test_fail(__FILE__, __LINE__, "publish: %s", err.text);
        return;
    }
    const vyre_status status = vyre_graph_wait(g, 60 * SECOND, &stats, &err);
    if (status != (bad ? VYRE_E_FAULT : VYRE_OK))
        test_fail(__FILE__, __LINE__, "wait: %d %s", (int)status, err.text);
    const vyre_status polled = vyre_poll(v, end);
    if (polled != VYRE_E_STALE) /* other threads may have used its slot since */
        CHECK_EQ(polled, bad ? VYRE_E_FAULT : VYRE_OK);
    CHECK_EQ(stats.done, p->count - bad);
    CHECK_EQ(stats.faults, bad);
    if (bad) {
        CHECK_EQ(err.native, VYRE_FAULT_USER + 7);
        CHECK_EQ(p->nodes[err.at].work.opcode, OP_BAD);
    }
    for (uint32_t i = 0; i < p->count; i++)
        order_check(v, p->base + i + 1, p->stamp[i]);
}

/* --- cases ------------------------------------------------------------------- */

/* Each of a layer waits for all of the one before: no relays, whatever their number. */
static void layers_meet(void)
{
    enum { LAYERS = 4, EACH = 40 };
    static plan p;
    memset(&p, 0, sizeof p);
    for (uint32_t i = 0; i < LAYERS * EACH; i++) {
        const uint32_t before = i / EACH ? EACH : 0;
        for (uint32_t e = 0; e < before; e++)
            p.after[i][e] = (i / EACH - 1) * EACH + e;
        plan_add(&p, i % 5 == 0 ? OP_WIDE : OP_STAMP, before);
    }
    vyre *v = order_open(&order_wide_kind, 64);
    vyre_graph *g = plan_make(v, &p);
    for (uint32_t run = 0; run < 3; run++) {
        order_forget(v);
        plan_run(v, g, &p);
    }
    uint32_t nothings = 0, metrics[VYRE_METRICS];
    vyre_io_buffers b;
    CHECK_EQ(vyre_buffers(v, &b, NULL), VYRE_OK);
    CHECK_EQ(vyre_control_metrics(b.control, b.control_size, metrics, NULL), VYRE_OK);
    nothings = metrics[VYRE_OP_NOP];
    CHECK_EQ(nothings, 0);
    vyre_graph_free(g);
    vyre_close(v);
}

static void random_graphs(const order_kind *kind, uint32_t slots, uint32_t faults, uint64_t seed)
{
    static plan p;
    const uint32_t rounds = env("TEST_COUNT", 2);
    const unsigned failed = (unsigned)test_state.failed;
    uint64_t random = test_seed(seed);
    vyre *v = order_open(kind, slots);
    for (uint32_t round = 0; round < rounds && test_state.failed == failed; round++) {
        seed = random;
        plan_random(&p, kind->wide, env("TEST_NODES", 150), round % 2 ? faults : 0, &random);
        vyre_graph *g = plan_make(v, &p);
        for (uint32_t run = 0; run < env("TEST_RUNS", 2); run++) {
            order_forget(v);
            plan_run(v, g, &p);
        }
        vyre_graph_free(g);
    }
    CHECK_EQ(vyre_drain(v, 10 * SECOND, NULL), VYRE_OK);
    vyre_close(v);
    if (test_state.failed != failed)
        printf("TEST_SEED=0x%llx TEST_COUNT=1\n", (unsigned long long)seed);
}

static void live(void)
{
    random_graphs(&order_plain_kind, 8, 100, 0x0bde0011);
}

static void wide_works_too(void)
{
    random_graphs(&order_wide_kind, 16, 100, 0x0bde0012);
}

static void passes(void)
{
    static const order_kind kind = { VYRE_KERNEL_DIRECT, VYRE_MODE_PASSES, true, false };
    random_graphs(&kind, 64, 100, 0x0bde0013);
}

/* One slot is enough. */
static void the_smallest_ring(void)
{
    random_graphs(&order_plain_kind, 1, 0, 0x0bde0014);
}

static void a_hundred_runs(void)
{
    static plan p;
    memset(&p, 0, sizeof p);
    for (uint32_t i = 0; i < 6; i++) {
        p.nodes[i].work = engine_add(1);
        p.after[i][0] = i - 1;
        p.nodes[i].after = p.after[i];
        p.nodes[i].after_count = i > 0;
    }
    p.count = 6;
    vyre *v = order_open(&order_plain_kind, 16);
    vyre_graph *g = plan_make(v, &p);
    vyre_ticket end = { 0, 0 };
    for (uint32_t run = 0; run < 100; run++)
        CHECK_EQ(vyre_graph_publish(g, &end, NULL), VYRE_OK);
    CHECK_EQ(vyre_stop(v, 20 * SECOND, NULL), VYRE_OK); /* in the middle of the last one */
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    CHECK_EQ(vyre_wait(v, end, 60 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(vyre_graph_wait(g, 60 * SECOND, NULL, NULL), VYRE_OK);
    CHECK_EQ(engine_observable(v, 0), 600);
    vyre_graph_free(g);
    vyre_close(v);
}

/* One node, 1,000 after it, and one after all of these, on a small ring. */
static void a_fan_opens_and_closes(void)
{
    enum { FAN = 1000, LAST = FAN + 1 };
    static uint32_t all[FAN];
    static vyre_node nodes[FAN + 2];
    const uint32_t first = 0, seen[3] = { 2, FAN / 2, FAN + 1 };
    memset(nodes, 0, sizeof nodes);
    for (uint32_t i = 0; i < FAN; i++) {
        const uint32_t of = 1;
        all[i] = i + 1;
        nodes[i + 1].work = order_work(i % 7 ? OP_STAMP : OP_WIDE, i + 2, &of, 1);
        nodes[i + 1].after = &first;
        nodes[i + 1].after_count = 1;
    }
    nodes[0].work = order_work(OP_STAMP, 1, NULL, 0);
    nodes[LAST].work = order_work(OP_STAMP, LAST + 1, seen, 3);
    nodes[LAST].after = all;
    nodes[LAST].after_count = FAN;
    vyre *v = order_open(&order_wide_kind, 8);
    vyre_graph *g = vyre_graph_make(v, nodes, FAN + 2, NULL);
    CHECK(g != NULL);
    for (uint32_t run = 0; run < 2; run++) {
        order_forget(v);
        CHECK_EQ(vyre_graph_publish(g, NULL, NULL), VYRE_OK);
        CHECK_EQ(vyre_graph_wait(g, 60 * SECOND, NULL, NULL), VYRE_OK);
        for (uint32_t i = 0; i <= FAN; i++)
            order_check(v, i + 1, i ? 3 : 2);
        order_check(v, LAST + 1, 4);
    }
    vyre_graph_free(g);
    vyre_close(v);
}

static vyre *shared;

/* --- rings of any size, from several threads, over stops --------------------------- */

enum { MEMBERS = 4 };

typedef struct crew {
    plan       *plans;
    uint32_t    count, runs;
    atomic_uint next, left;
} crew;

static void plan_forget(vyre *v, const plan *p)
{
    uint32_t *stamps = (uint32_t *)vyre_map(v, 0, NULL);
    memset(stamps + (p->base + 1) * COPIES, 0, p->count * COPIES * sizeof *stamps);
}

static void *member_main(void *user)
{
    crew *c = (crew *)user;
    const plan *p = &c->plans[atomic_fetch_add(&c->next, 1)];
    vyre_graph *g = plan_make(shared, p);
    for (uint32_t run = 0; g && run < c->runs; run++) {
        plan_forget(shared, p);
        plan_run(shared, g, p);
    }
    vyre_graph_free(g);
    atomic_fetch_sub(&c->left, 1);
    return NULL;
}

static void crew_run(crew *c, bool stops)
{
    pthread_t threads[MEMBERS];
    atomic_store(&c->next, 0);
    atomic_store(&c->left, c->count);
    for (uint32_t i = 0; i < c->count; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, member_main, c), 0);
    for (uint32_t i = 0; stops && atomic_load(&c->left); i++) {
        engine_sleep_ms(1 + i % 4);
        CHECK_EQ(vyre_stop(shared, 60 * SECOND, NULL), VYRE_OK);
        CHECK_EQ(vyre_start(shared, NULL), VYRE_OK);
    }
    for (uint32_t i = 0; i < c->count; i++)
        pthread_join(threads[i], NULL);
}

/* The nodes of all plans are TEST_NODES. */
static void crew_plan(crew *c, bool wide, uint64_t *random)
{
    const uint32_t nodes = env("TEST_NODES", 300) / c->count;
    for (uint32_t i = 0; i < c->count; i++) {
        c->plans[i].base = i * nodes;
        plan_random(&c->plans[i], wide, nodes, below(random, 3) ? 0 : nodes / 2, random);
    }
}

static void rings_of_any_size(void)
{
    static const uint32_t sizes[] = { 1, 4096, 2, 256, 7, 64, 1024, 3, 16 };
    static plan plans[MEMBERS];
    const uint32_t rounds = env("TEST_COUNT", 2);
    const unsigned failed = (unsigned)test_state.failed;
    uint64_t random = test_seed(0x0bde0016), seed = random;
    for (uint32_t round = 0; round < rounds && test_state.failed == failed; round++) {
        order_kind kind = { VYRE_KERNEL_DIRECT, VYRE_MODE_AUTO, false, true };
        crew c = { plans, 1, env("TEST_RUNS", 2), 0, 0 };
        seed = random;
        const uint32_t slots = sizes[rounds > 2 ? below(&random, 9) : round % 2];
        kind.wide = below(&random, 3) == 0;
        kind.mode = below(&random, 4) ? VYRE_MODE_AUTO : VYRE_MODE_PASSES;
        c.count = below(&random, 2) ? MEMBERS : 1;
        vyre_desc d = order_desc(&kind, slots);
        d.lease.rounds = below(&random, 3) ? 200 : 6; /* some leases have a few rounds only */
        shared = engine_open(&d);
        order_forget(shared);
        CHECK_EQ(vyre_start(shared, NULL), VYRE_OK);
        crew_plan(&c, kind.wide, &random);
        crew_run(&c, round % 2 == 0);
        CHECK_EQ(vyre_drain(shared, 60 * SECOND, NULL), VYRE_OK);
        vyre_close(shared);
    }
    if (test_state.failed != failed)
        printf("TEST_SEED=0x%llx TEST_COUNT=3\n", (unsigned long long)seed);
}

/* --- memory -------------------------------------------------------------------------- */

static void a_graph_without_memory_is_none(void)
{
    static const uint32_t before[] = { 0, 0, 1, 2 };
    static const uint32_t first[] = { 0, 0, 1, 2 }, count[] = { 0, 1, 1, 2 };
    oom_state oom;
    vyre_node nodes[4];
    vyre_error err;
    vyre_desc d = order_desc(&order_plain_kind, 32);
    memset(nodes, 0, sizeof nodes);
    for (uint32_t i = 0; i < 4; i++) {
        nodes[i].work = engine_add(1);
        nodes[i].after = before + first[i];
        nodes[i].after_count = count[i];
    }
    oom_begin(&oom);
    d.allocator = oom_allocator(&oom);
    vyre *v = engine_open(&d);
    const uint64_t blocks = oom.live_blocks;
    vyre_graph *g = NULL;
    for (oom_rearm(&oom); !g && oom.fail_at < 20; oom_rearm(&oom)) {
        memset(&err, 0, sizeof err);
        g = vyre_graph_make(v, nodes, 4, &err);
        CHECK_EQ(g ? VYRE_OK : VYRE_E_NOMEM, err.status);
        CHECK_EQ(oom.failed, !g);
        CHECK(g || oom.live_blocks == blocks);
    }
    oom.fail_at = 0;
    CHECK(g != NULL);
    CHECK_EQ(vyre_graph_publish(g, NULL, NULL), VYRE_OK);
    CHECK_EQ(vyre_graph_wait(g, 60 * SECOND, NULL, NULL), VYRE_OK);
    CHECK_EQ(engine_observable(v, 0), 4);
    vyre_graph_free(g);
    CHECK_EQ(oom.live_blocks, blocks);
    vyre_close(v);
    CHECK(oom_is_clean(&oom));
}

/* --- tenants ------------------------------------------------------------------------- */

/* The end of a graph, which counts nothing, runs by the rights of its last node. */
static void the_end_has_its_last_nodes_tenant(void)
{
    static const uint32_t before = 0;
    vyre_node nodes[2];
    vyre_desc d = order_desc(&order_plain_kind, 32);
    memset(nodes, 0, sizeof nodes);
    d.tenants = 3;
    for (uint32_t i = 0; i < 2; i++) {
        nodes[i].work = engine_add(1);
        nodes[i].work.tenant = 1 + i;
    }
    nodes[1].after = &before;
    nodes[1].after_count = 1;
    vyre *v = engine_open(&d);
    CHECK_EQ(vyre_tenant_enable(v, 0, false, NULL), VYRE_OK);
    vyre_graph *g = vyre_graph_make(v, nodes, 2, NULL);
    CHECK(g != NULL);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    CHECK_EQ(vyre_graph_publish(g, NULL, NULL), VYRE_OK);
    CHECK_EQ(vyre_graph_wait(g, 60 * SECOND, NULL, NULL), VYRE_OK);
    CHECK_EQ(engine_observable(v, 0), 2);
    vyre_graph_free(g);
    vyre_close(v);
}

/* --- lost devices -------------------------------------------------------------------- */

/* A chain of works that count; one of them is a tenant's without rights, so that the
 * chain stops before it. */
enum { CHAIN = 10, HELD = 5 };

typedef struct loss {
    vyre        *v;
    vyre_graph  *g;
    vyre_ticket  end;
    vyre_status  status; /* of the publish */
    atomic_uint  ended;
} loss;

static void loss_open(loss *l, bool rerun, uint32_t slots)
{
    static const uint32_t before[CHAIN] = { 0, 0, 1, 2, 3, 4, 5, 6, 7, 8 };
    vyre_node nodes[CHAIN];
    order_kind kind = order_plain_kind;
    vyre_desc d = order_desc(&kind, slots);
    memset(nodes, 0, sizeof nodes);
    memset(l, 0, sizeof *l);
    d.lost_work = rerun ? VYRE_LOST_RERUN : VYRE_LOST_REPORT;
    d.auto_recover = true;
    d.tenants = 2;
    for (uint32_t i = 0; i < CHAIN; i++) {
        nodes[i].work = engine_add(1);
        nodes[i].work.tenant = i == HELD;
        nodes[i].after = &before[i];
        nodes[i].after_count = i > 0;
    }
    l->v = engine_open(&d);
    l->g = vyre_graph_make(l->v, nodes, CHAIN, NULL);
    CHECK(l->g != NULL);
    CHECK_EQ(vyre_start(l->v, NULL), VYRE_OK);
}

static void loss_close(loss *l)
{
    vyre_graph_free(l->g);
    vyre_close(l->v);
}

static void hold(loss *l, bool held)
{
    CHECK_EQ(vyre_tenant_enable(l->v, 1, !held, NULL), VYRE_OK);
}

static void lose_and_recover(loss *l)
{
    engine_lose(l->v);
    CHECK_EQ(vyre_recover(l->v, NULL), VYRE_OK);
}

/* Of a device that may be lost for a moment yet. */
static void await_sum(loss *l, uint32_t sum)
{
    const uint64_t begin = engine_now();
    uint32_t now = 0;
    while ((vyre_observable(l->v, 0, &now, NULL) != VYRE_OK || now < sum) &&
           engine_now() - begin < 60 * SECOND)
        (void)vyre_poll(l->v, l->end);
    CHECK_EQ(now, sum);
}

static void await_recovery(loss *l)
{
    const uint64_t begin = engine_now();
    vyre_info info;
    do
        vyre_query(l->v, &info);
    while (info.recoveries == 0 && engine_now() - begin < 60 * SECOND);
    CHECK_EQ(info.recoveries, 1);
}

/* Half of it has run: then all of it does so again, or none of the rest. */
static void a_lost_graph_is_no_half(void)
{
    for (uint32_t rerun = 0; rerun < 2; rerun++) {
        loss l;
        loss_open(&l, rerun, 32);
        hold(&l, true);
        CHECK_EQ(vyre_graph_publish(l.g, &l.end, NULL), VYRE_OK);
        await_sum(&l, HELD);
        lose_and_recover(&l);
        hold(&l, false);
        CHECK_EQ(vyre_poll(l.v, l.end), VYRE_E_LOST);
        CHECK_EQ(vyre_drain(l.v, 60 * SECOND, NULL), rerun ? VYRE_OK : VYRE_E_LOST);
        CHECK_EQ(engine_observable(l.v, 0), 0);
        CHECK_EQ(vyre_graph_wait(l.g, 60 * SECOND, NULL, NULL), rerun ? VYRE_OK : VYRE_E_LOST);
        CHECK_EQ(engine_observable(l.v, 0), rerun ? CHAIN : 0);
        CHECK_EQ(vyre_graph_publish(l.g, NULL, NULL), VYRE_OK);
        CHECK_EQ(vyre_graph_wait(l.g, 60 * SECOND, NULL, NULL), VYRE_OK);
        CHECK_EQ(engine_observable(l.v, 0), rerun ? 2 * CHAIN : CHAIN);
        loss_close(&l);
    }
}

static void *publish_main(void *user)
{
    loss *l = (loss *)user;
    l->status = vyre_graph_publish(l->g, NULL, NULL);
    atomic_store(&l->ended, 1);
    return NULL;
}

/* The host is in the middle of the nodes, which are more than the ring has slots. */
static void a_graph_is_lost_while_it_is_published(void)
{
    for (uint32_t rerun = 0; rerun < 2; rerun++) {
        loss l;
        pthread_t thread;
        loss_open(&l, rerun, 2);
        hold(&l, true);
        CHECK_EQ(pthread_create(&thread, NULL, publish_main, &l), 0);
        await_sum(&l, HELD);
        engine_lose(l.v); /* the publish has it replaced */
        await_recovery(&l);
        if (rerun)
            await_sum(&l, HELD);
        hold(&l, false);
        pthread_join(thread, NULL);
        CHECK_EQ(l.status, rerun ? VYRE_OK : VYRE_E_LOST);
        (void)vyre_drain(l.v, 60 * SECOND, NULL);
        CHECK_EQ(engine_observable(l.v, 0), rerun ? CHAIN : 0);
        if (rerun)
            CHECK_EQ(vyre_graph_wait(l.g, 60 * SECOND, NULL, NULL), VYRE_OK);
        loss_close(&l);
    }
}

/* An end that was seen stands; one that nobody has waited for is owed by the next
 * publish, which runs the graph again, or reports it. */
static void what_is_owed_after_a_loss(void)
{
    for (uint32_t rerun = 0; rerun < 2; rerun++) {
        loss l;
        vyre_stats stats;
        loss_open(&l, rerun, 32);
        CHECK_EQ(vyre_graph_publish(l.g, &l.end, NULL), VYRE_OK);
        CHECK_EQ(vyre_wait(l.v, l.end, 60 * SECOND, NULL), VYRE_OK);
        lose_and_recover(&l);
        CHECK_EQ(vyre_graph_wait(l.g, 60 * SECOND, &stats, NULL), VYRE_OK);
        CHECK_EQ(stats.done, CHAIN);
        CHECK_EQ(engine_observable(l.v, 0), 0);
        hold(&l, true);
        CHECK_EQ(vyre_graph_publish(l.g, NULL, NULL), VYRE_OK);
        lose_and_recover(&l);
        hold(&l, false);
        CHECK_EQ(vyre_graph_publish(l.g, NULL, NULL), rerun ? VYRE_OK : VYRE_E_LOST);
        if (!rerun)
            CHECK_EQ(vyre_graph_publish(l.g, NULL, NULL), VYRE_OK);
        CHECK_EQ(vyre_graph_wait(l.g, 60 * SECOND, NULL, NULL), VYRE_OK);
        CHECK_EQ(engine_observable(l.v, 0), rerun ? 2 * CHAIN : CHAIN);
        loss_close(&l);
    }
}

/* A work between the loss and the moment when the graph's call sees it does not run. */
static void nothing_of_a_lost_run_runs_later(void)
{
    loss l;
    vyi_receipt r;
    uint32_t code = 0;
    loss_open(&l, true, 8);
    const vyre_work w = engine_add(1);
    memset(&r, 0, sizeof r);
    r.run = 1;
    CHECK_EQ(vyi_publish_one(&l.v->queue, &l.v->queue.slots.pool, &w, &r, NULL), VYRE_OK);
    CHECK_EQ(vyre_wait(l.v, r.ticket, 60 * SECOND, NULL), VYRE_OK);
    lose_and_recover(&l);
    CHECK_EQ(vyi_publish_one(&l.v->queue, &l.v->queue.slots.pool, &w, &r, NULL), VYRE_OK);
    CHECK_EQ(vyre_wait(l.v, r.ticket, 60 * SECOND, NULL), VYRE_E_FAULT);
    CHECK_EQ(vyre_fault_of(l.v, r.ticket, &code), VYRE_OK);
    CHECK_EQ(code, VYRE_FAULT_AFTER);
    CHECK_EQ(engine_observable(l.v, 0), 0);
    loss_close(&l);
}

/* --- relays, and patience ---------------------------------------------------------- */

/* Nodes 0 and 1 meet twice, so that relays hand their ends on: in their level's part. */
static void relays_have_their_node_s_level(void)
{
    order_kind kind = order_plain_kind;
    kind.kind = VYRE_KERNEL_PRIORITY;
    vyre_desc d = order_desc(&kind, 64);
    static const uint32_t both[2] = { 0, 1 }, three[3] = { 0, 1, 2 };
    vyre_node nodes[4];
    vyre_work w = engine_work(VYRE_OP_NOP, 0, 0, 0);
    vyre_error err;
    memset(nodes, 0, sizeof nodes);
    d.tenants = 2;
    d.run_timeout_ns = 5 * SECOND;
    vyre *v = engine_open(&d);
    CHECK_EQ(vyre_tenant_enable(v, 1, false, NULL), VYRE_OK);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    w.tenant = 1;
    w.priority = (vyre_priority)0;
    for (uint32_t i = 1; i < 16; i++) /* there is room for the end, which is of this level */
        CHECK_EQ(vyre_publish(v, &w, NULL, NULL), VYRE_OK);
    for (uint32_t i = 0; i < 4; i++) {
        nodes[i].work = engine_work(VYRE_OP_NOP, 0, 0, 0);
        nodes[i].work.priority = VYRE_PRIORITY_LOW;
        nodes[i].after = i == 2 ? both : three;
        nodes[i].after_count = i < 2 ? 0 : i;
    }
    nodes[0].work.tenant = nodes[1].work.tenant = 1;
    vyre_graph *g = vyre_graph_make(v, nodes, 4, NULL);
    CHECK(g != NULL);
    CHECK_EQ(vyre_graph_publish(g, NULL, &err), VYRE_OK);
    CHECK_EQ(vyre_graph_wait(g, SECOND / 50, NULL, &err), VYRE_TIMEOUT);
    CHECK_EQ(vyre_tenant_enable(v, 1, true, NULL), VYRE_OK);
    CHECK_EQ(vyre_graph_wait(g, 60 * SECOND, NULL, &err), VYRE_OK);
    vyre_graph_free(g);
    vyre_close(v);
}

/* --- threads, and what is refused ------------------------------------------------------ */

static void *graph_main(void *user)
{
    const plan *p = (const plan *)user;
    vyre_graph *g = plan_make(shared, p);
    for (uint32_t run = 0; run < 20; run++) {
        vyre_ticket end;
        CHECK_EQ(vyre_graph_publish(g, &end, NULL), VYRE_OK);
        CHECK_EQ(vyre_graph_wait(g, 60 * SECOND, NULL, NULL), VYRE_OK);
    }
    vyre_graph_free(g);
    return NULL;
}

static void threads_have_graphs_of_their_own(void)
{
    static plan p;
    pthread_t threads[3];
    memset(&p, 0, sizeof p);
    for (uint32_t i = 0; i < 9; i++) {
        p.nodes[i].work = engine_add(1);
        p.after[i][0] = i >= 3 ? i - 3 : 0;
        p.after[i][1] = i >= 3 ? i - 2 : 0;
        p.nodes[i].after = p.after[i];
        p.nodes[i].after_count = i >= 3 ? 2 : 0;
    }
    p.count = 9;
    shared = order_open(&order_plain_kind, 16);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, graph_main, &p), 0);
    for (uint32_t i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(engine_observable(shared, 0), 3 * 20 * 9);
    vyre_close(shared);
}

static void refused(vyre *v, const vyre_node *nodes, uint32_t count, vyre_status wanted,
                    uint64_t at, const char *text)
{
    vyre_error err;
    memset(&err, 0, sizeof err);
    CHECK(vyre_graph_make(v, nodes, count, &err) == NULL);
    CHECK_EQ(err.status, wanted);
    CHECK_EQ(err.at, at);
    CHECK_TEXT(err.text, text);
}

static void what_is_no_graph_is_refused(void)
{
    vyre_node nodes[3];
    uint32_t after[3][2] = { { 0, 0 }, { 0, 0 }, { 0, 0 } };
    memset(nodes, 0, sizeof nodes);
    for (uint32_t i = 0; i < 3; i++)
        nodes[i].after = after[i];
    vyre_desc d = order_desc(&order_plain_kind, 8);
    vyre *v = engine_open(&d);
    d.events = 0;
    vyre *plain = engine_open(&d);
    refused(NULL, nodes, 3, VYRE_E_ARGUMENT, 3, "the handle is NULL");
    refused(v, NULL, 3, VYRE_E_ARGUMENT, 3, "there are no nodes");
    refused(v, nodes, 0, VYRE_E_ARGUMENT, 0, "there are no nodes");
    refused(plain, nodes, 3, VYRE_E_ARGUMENT, 3,
            "the handle was opened without events, for a graph of 3 nodes");
    refused(v, nodes, VYRE_MAX_NODES + 1, VYRE_E_OVF, VYRE_MAX_NODES + 1,
            "16777217 nodes; there may be 16777216");
    nodes[1].after_count = 1;
    after[1][0] = 1;
    refused(v, nodes, 3, VYRE_E_ARGUMENT, 1, "node 1 waits for itself, node 1");
    after[1][0] = 2;
    nodes[2].after_count = 1;
    after[2][0] = 1;
    refused(v, nodes, 3, VYRE_E_ARGUMENT, 1, "node 1 waits for node 2, which is no earlier one");
    after[1][0] = 0;
    nodes[2].after = NULL;
    refused(v, nodes, 3, VYRE_E_ARGUMENT, 2, "node 2 waits for 1 others, but the list is NULL");
    nodes[2].after = after[2];
    nodes[2].work.opcode = 0x7777;
    refused(v, nodes, 3, VYRE_E_OPCODE, 0x7777, "no handler of this handle has opcode 0x00007777");
    nodes[2].work.opcode = VYRE_OP_NOP;
    nodes[2].after_count = 2; /* the same twice */
    after[2][1] = 1;
    vyre_graph *g = vyre_graph_make(v, nodes, 3, NULL);
    CHECK(g != NULL);
    vyre_error err;
    memset(&err, 0, sizeof err);
    CHECK_EQ(vyre_graph_wait(g, SECOND, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_graph_publish(NULL, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_graph_wait(NULL, 0, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_graph_publish(g, NULL, &err), VYRE_OK);
    CHECK_EQ(vyre_graph_wait(g, 10 * SECOND, NULL, &err), VYRE_OK);
    vyre_graph_free(g);
    vyre_graph_free(NULL);
    vyre_close(plain);
    vyre_close(v);
}

int main(void)
{
    static const engine_case cases[] = {
        ENGINE_CASE(layers_meet),
        ENGINE_CASE(live),
        ENGINE_CASE(wide_works_too),
        ENGINE_CASE(passes),
        ENGINE_CASE(the_smallest_ring),
        ENGINE_CASE(a_hundred_runs),
        ENGINE_CASE(a_fan_opens_and_closes),
        ENGINE_CASE(threads_have_graphs_of_their_own),
        ENGINE_CASE(rings_of_any_size),
        ENGINE_CASE(a_graph_without_memory_is_none),
        ENGINE_CASE(the_end_has_its_last_nodes_tenant),
        ENGINE_CASE(a_lost_graph_is_no_half),
        ENGINE_CASE(a_graph_is_lost_while_it_is_published),
        ENGINE_CASE(what_is_owed_after_a_loss),
        ENGINE_CASE(nothing_of_a_lost_run_runs_later),
        ENGINE_CASE(relays_have_their_node_s_level),
    };
    RUN(what_is_no_graph_is_refused);
    engine_run_cases(cases, sizeof cases / sizeof cases[0]);
    return test_end();
}

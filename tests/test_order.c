/* Works that wait for others: chains, diamonds, random graphs of lanes' and wide works,
 * on small rings, running and in passes, over stops and faults.
 *
 * TEST_COUNT: random graphs of each kind. */
#include "inside.h"

#include "knobs.h"
#include "order.h"

#include <pthread.h>

/* --- shapes ------------------------------------------------------------------ */

static uint32_t order_opcode(const order_kind *kind, uint32_t node)
{
    return kind->wide && node % 3 == 1 ? OP_WIDE : OP_STAMP;
}

static void a_chain_runs_in_order(vyre *v, const order_kind *kind)
{
    vyre_ticket last = { 0, 0 };
    for (uint32_t node = 1; node < 100; node++) {
        const uint32_t before = node - 1;
        last = order_publish(v, order_work(order_opcode(kind, node), node, &before, 1),
                             &last, node > 1);
    }
    order_wait(v, last, VYRE_OK, 0);
    for (uint32_t node = 1; node < 100; node++)
        order_check(v, node, node + 1);
}

/* Three in the middle, over and over; the ring has room for hardly more. */
static void diamonds_meet(vyre *v, const order_kind *kind)
{
    vyre_ticket top = { 0, 0 }, middle[3];
    uint32_t at = NOBODY, node = 1;
    for (uint32_t i = 0; i < 12; i++) {
        uint32_t nodes[3];
        for (uint32_t m = 0; m < 3; m++) {
            nodes[m] = node++;
            middle[m] = order_publish(v, order_work(order_opcode(kind, nodes[m]),
                                                    nodes[m], &at, 1), &top, i > 0);
        }
        at = node++;
        top = order_publish(v, order_work(order_opcode(kind, at), at, nodes, 3), middle,
                            3);
    }
    order_wait(v, top, VYRE_OK, 0);
    order_check(v, at, 1 + 2 * 12);
    CHECK_EQ(vyre_drain(v, 10 * SECOND, NULL), VYRE_OK);
}

/* --- faults ------------------------------------------------------------------ */

static void descendants_of_a_fault_do_not_run(vyre *v, const order_kind *kind)
{
    const uint32_t one = 1, three = 3, both[2] = { 3, 2 };
    vyre_ticket t[8];
    memset(t, 0, sizeof t);
    t[1] = order_publish(v, order_work(OP_STAMP, 1, NULL, 0), NULL, 0);
    t[2] = order_publish(v, order_work(OP_BAD, 2, &one, 1), &t[1], 1);
    t[3] = order_publish(v, order_work(order_opcode(kind, 1), 3, &one, 1), &t[1], 1);
    t[4] = order_publish(v, order_work(order_opcode(kind, 1), 4, &three, 1), &t[2], 1);
    const vyre_ticket pair[2] = { t[3], t[2] };
    t[5] = order_publish(v, order_work(OP_STAMP, 5, both, 2), pair, 2);
    t[6] = order_publish(v, order_work(OP_STAMP, 6, &three, 1), &t[3], 1);
    t[7] = order_publish(v, order_work(OP_STAMP, 7, NULL, 0), &t[5], 1);
    order_wait(v, t[7], VYRE_E_FAULT, VYRE_FAULT_AFTER);
    order_wait(v, t[6], VYRE_OK, 0);
    order_wait(v, t[5], VYRE_E_FAULT, VYRE_FAULT_AFTER);
    order_wait(v, t[4], VYRE_E_FAULT, VYRE_FAULT_AFTER);
    order_wait(v, t[3], VYRE_OK, 0);
    order_wait(v, t[2], VYRE_E_FAULT, VYRE_FAULT_USER + 7);
    order_check(v, 4, 0);
    order_check(v, 5, 0);
    order_check(v, 6, 4);
    order_check(v, 7, 0);
    /* After the end as before it; and of relays nobody is told. */
    t[4] = order_publish(v, order_work(OP_STAMP, 8, NULL, 0), &t[2], 1);
    order_wait(v, t[4], VYRE_E_FAULT, VYRE_FAULT_AFTER);
    t[4] = order_publish(v, order_work(OP_STAMP, 8, NULL, 0), &t[3], 1);
    order_wait(v, t[4], VYRE_OK, 0);
    CHECK_EQ(vyre_drain(v, 10 * SECOND, NULL), VYRE_OK);
    CHECK_TEXT(vyre_fault_text(VYRE_FAULT_AFTER), "a work that it waits for has not ended well");
}

/* --- stops ------------------------------------------------------------------- */

static void order_outlasts_stops(vyre *v, const order_kind *kind)
{
    vyre_ticket last = { 0, 0 };
    uint32_t node = 1;
    for (uint32_t round = 0; round < 6; round++) {
        for (uint32_t i = 0; i < 10; i++, node++) {
            const uint32_t before = node - 1;
            last = order_publish(v, order_work(order_opcode(kind, node), node, &before,
                                               1), &last, node > 1);
        }
        CHECK_EQ(vyre_stop(v, 20 * SECOND, NULL), VYRE_OK);
        if (round % 2 == 0)
            CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    }
    order_wait(v, last, VYRE_OK, 0);
    for (uint32_t i = 1; i < node; i++)
        order_check(v, i, i + 1);
}

/* --- random graphs ------------------------------------------------------------ */

#define NODES 256u

typedef struct order_graph {
    uint32_t nodes;
    uint32_t opcode[NODES], count[NODES], after[NODES][3], stamp[NODES];
    bool     fails[NODES], bad[NODES];
    vyre_ticket tickets[NODES];
} order_graph;

static uint32_t below(uint64_t *random, uint32_t of)
{
    return (uint32_t)(test_random(random) >> 33) % of;
}

/* Those with faults are small, so that no slot is used again before it was asked for. */
static void graph_make(order_graph *g, const order_kind *kind, bool faults, uint64_t *random)
{
    memset(g, 0, sizeof *g);
    g->nodes = faults ? 40 : 20 + below(random, 200);
    const uint32_t reach = 1 + below(random, 30);
    for (uint32_t n = 1; n < g->nodes; n++) {
        g->count[n] = below(random, 4);
        uint32_t most = 1;
        for (uint32_t i = 0; i < g->count[n]; i++) {
            const uint32_t back = 1 + below(random, reach);
            g->after[n][i] = back < n ? n - back : NOBODY;
            const uint32_t of = g->after[n][i];
            most = of && g->stamp[of] > most ? g->stamp[of] : most;
            g->bad[n] = g->bad[n] || (of && (g->bad[of] || g->fails[of]));
        }
        g->fails[n] = !g->bad[n] && faults && below(random, 12) == 0;
        g->opcode[n] = g->fails[n] ? OP_BAD : order_opcode(kind, below(random, 3));
        g->stamp[n] = g->bad[n] || g->fails[n] ? 0 : most + 1;
    }
}

static void graph_publish(vyre *v, order_graph *g)
{
    for (uint32_t n = 1; n < g->nodes; n++) {
        vyre_ticket after[3];
        uint32_t count = 0;
        for (uint32_t i = 0; i < g->count[n]; i++)
            if (g->after[n][i])
                after[count++] = g->tickets[g->after[n][i]];
        g->tickets[n] = order_publish(v, order_work(g->opcode[n], n, g->after[n], g->count[n]),
                                      after, count);
    }
}

static void graph_check(vyre *v, const order_graph *g)
{
    for (uint32_t n = 1; n < g->nodes; n++) {
        uint32_t code = 0;
        const vyre_status status = vyre_fault_of(v, g->tickets[n], &code);
        if (status == VYRE_E_STALE)
            continue;
        CHECK_EQ(status, VYRE_OK);
        CHECK_EQ(code, g->bad[n] ? VYRE_FAULT_AFTER : g->fails[n] ? VYRE_FAULT_USER + 7 : 0);
        order_check(v, n, g->stamp[n]);
    }
}

static void random_graphs_keep_their_order(vyre *v, const order_kind *kind, bool faults,
                                           uint64_t seed)
{
    static order_graph g;
    const char *text = getenv("TEST_COUNT");
    const uint32_t rounds = text ? (uint32_t)strtoul(text, NULL, 0) : 2;
    const unsigned failed = (unsigned)test_state.failed;
    uint64_t random = test_seed(seed);
    for (uint32_t round = 0; round < rounds && test_state.failed == failed; round++) {
        seed = random;
        order_forget(v);
        graph_make(&g, kind, faults, &random);
        graph_publish(v, &g);
        for (uint32_t n = 1; n < g.nodes; n++)
            (void)vyre_wait(v, g.tickets[n], 60 * SECOND, NULL);
        graph_check(v, &g);
    }
    if (test_state.failed != failed)
        printf("TEST_SEED=0x%llx TEST_COUNT=1\n", (unsigned long long)seed);
}

/* --- kinds -------------------------------------------------------------------- */

static void order_of_a_kind(const order_kind *kind)
{
    static void (*const shapes[])(vyre *v, const order_kind *kind) = {
        a_chain_runs_in_order, diamonds_meet, descendants_of_a_fault_do_not_run,
        order_outlasts_stops
    };
    vyre *v = order_open(kind, kind->kind == VYRE_KERNEL_PRIORITY ? 64 : 16);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        order_forget(v);
        shapes[i](v, kind);
    }
    if (kind->starts)
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    random_graphs_keep_their_order(v, kind, false, 0x0bde0001);
    vyre_close(v);
}

static void live(void)
{
    static const order_kind kind = { VYRE_KERNEL_DIRECT, VYRE_MODE_AUTO, false, true };
    order_of_a_kind(&kind);
}

static void passes(void)
{
    static const order_kind kind = { VYRE_KERNEL_DIRECT, VYRE_MODE_PASSES, false, false };
    order_of_a_kind(&kind);
}

static void priority(void)
{
    static const order_kind kind = { VYRE_KERNEL_PRIORITY, VYRE_MODE_AUTO, false, true };
    order_of_a_kind(&kind);
}

static void wide_live(void)
{
    static const order_kind kind = { VYRE_KERNEL_DIRECT, VYRE_MODE_AUTO, true, true };
    order_of_a_kind(&kind);
}

static void wide_passes(void)
{
    static const order_kind kind = { VYRE_KERNEL_DIRECT, VYRE_MODE_PASSES, true, true };
    order_of_a_kind(&kind);
}

static void faults_in_random_graphs(void)
{
    static const order_kind kind = { VYRE_KERNEL_DIRECT, VYRE_MODE_AUTO, true, true };
    vyre *v = order_open(&kind, 256);
    random_graphs_keep_their_order(v, &kind, true, 0x0bde0002);
    vyre_close(v);
}

/* --- threads ------------------------------------------------------------------ */

typedef struct chain_of {
    vyre *v;
    uint32_t first, count;
    pthread_t thread;
} chain_of;

static void *chain_main(void *user)
{
    const chain_of *c = (const chain_of *)user;
    vyre_ticket last = { 0, 0 };
    for (uint32_t i = 0; i < c->count; i++) {
        const uint32_t node = c->first + i, before = i ? node - 1 : NOBODY;
        last = order_publish(c->v, order_work(OP_STAMP, node, &before, 1), &last, i > 0);
    }
    order_wait(c->v, last, VYRE_OK, 0);
    return NULL;
}

static void threads_have_chains_of_their_own(void)
{
    chain_of c[4];
    vyre *v = order_open(&order_plain_kind, 16);
    for (uint32_t i = 0; i < 4; i++) {
        c[i].v = v;
        c[i].count = 60;
        c[i].first = 1 + i * c[i].count;
        CHECK_EQ(pthread_create(&c[i].thread, NULL, chain_main, &c[i]), 0);
    }
    for (uint32_t i = 0; i < 4; i++)
        pthread_join(c[i].thread, NULL);
    for (uint32_t i = 0; i < 4; i++)
        for (uint32_t j = 0; j < c[i].count; j++)
            order_check(v, c[i].first + j, j + 2);
    vyre_close(v);
}

/* --- losses -------------------------------------------------------------------- */

/* What ended before is not waited for again, and what had failed still has. */
static void order_outlasts_a_lost_device(void)
{
    for (uint32_t rerun = 0; rerun < 2; rerun++) {
        order_kind kind = order_plain_kind;
        kind.mode = VYRE_MODE_PASSES;
        vyre_desc d = order_desc(&kind, 32);
        d.lost_work = rerun ? VYRE_LOST_RERUN : VYRE_LOST_REPORT;
        vyre *v = engine_open(&d);
        vyre_ticket t[6];
        const uint32_t none = NOBODY;
        t[0] = order_publish(v, order_work(OP_BAD, 1, &none, 1), NULL, 0);
        t[1] = order_publish(v, order_work(VYRE_OP_NOP, 1, &none, 1), NULL, 0);
        t[2] = order_publish(v, order_work(VYRE_OP_NOP, 1, &none, 1), &t[0], 1);
        t[3] = order_publish(v, order_work(VYRE_OP_NOP, 1, &none, 1), t, 2);
        t[4] = order_publish(v, order_work(VYRE_OP_NOP, 1, &none, 1), &t[1], 1);
        engine_lose(v);
        CHECK_EQ(vyre_recover(v, NULL), VYRE_OK);
        t[5] = order_publish(v, order_work(VYRE_OP_NOP, 1, &none, 1), &t[4], 1);
        const vyre_status well = rerun ? VYRE_OK : VYRE_E_LOST;
        const vyre_status ill = rerun ? VYRE_E_FAULT : VYRE_E_LOST;
        order_wait(v, t[1], well, 0);
        order_wait(v, t[4], well, 0);
        order_wait(v, t[5], rerun ? VYRE_OK : VYRE_E_FAULT, rerun ? 0 : VYRE_FAULT_AFTER);
        order_wait(v, t[2], ill, rerun ? VYRE_FAULT_AFTER : 0);
        order_wait(v, t[3], ill, rerun ? VYRE_FAULT_AFTER : 0);
        order_wait(v, t[0], ill, rerun ? VYRE_FAULT_USER + 7 : 0);
        vyre_close(v);
    }
}

/* Whoever waits for a work that was cut is told so. */
static void what_waits_for_a_cut_work_ends(void)
{
    if (backend_under_test != VYRE_BACKEND_CPU)
        test_skip("a driver may reset the device");
    vyre_desc d = engine_desc(16);
    vyre_ticket t[2];
    const vyre_work w = engine_add(1);
    d.kernel.handler_count = 5;
    d.events = 1;
    vyre *v = engine_open(&d);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    t[0] = engine_publish(v, engine_work(OP_ENDLESS, 0, 0, 0));
    CHECK_EQ(vyre_publish_after(v, &w, t, 1, &t[1], NULL), VYRE_OK);
    CHECK_EQ(vyre_wait(v, t[0], SECOND / 20, NULL), VYRE_TIMEOUT);
    CHECK_EQ(vyre_stop(v, SECOND / 2, NULL), VYRE_OK);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    order_wait(v, t[1], VYRE_E_FAULT, VYRE_FAULT_AFTER);
    order_wait(v, t[0], VYRE_E_FAULT, VYRE_FAULT_LOOP_LIMIT);
    vyre_close(v);
}

/* A relay lies in the part of the ring that its work's level has. */
static void a_relay_has_its_work_s_level(void)
{
    const order_kind kind = { VYRE_KERNEL_PRIORITY, VYRE_MODE_AUTO, false, false };
    vyre_desc d = order_desc(&kind, 64);
    vyre_work w = engine_work(VYRE_OP_NOP, 0, 0, 0);
    vyre_ticket before[2], t;
    vyre *v = engine_open(&d);
    w.priority = VYRE_PRIORITY_LOW;
    before[0] = engine_publish(v, w);
    before[1] = engine_publish(v, w);
    w.priority = (vyre_priority)0;
    while (vyre_publish(v, &w, NULL, NULL) == VYRE_OK)
        ;
    w.priority = VYRE_PRIORITY_LOW;
    CHECK_EQ(vyre_publish_after(v, &w, before, 2, &t, NULL), VYRE_OK);
    CHECK_EQ(v->queue.order.gathered, 0); /* the call's own is let go */
    CHECK_EQ(vyre_wait(v, t, UINT64_MAX, NULL), VYRE_OK); /* without a limit */
    vyre_close(v);
}

/* It ended when somebody was about to wait for it, and its slot is another work's. */
static void an_event_of_another_work_is_not_used(void)
{
    vyre_desc d = order_desc(&order_plain_kind, 4);
    vyre *v = engine_open(&d);
    const vyre_work w = engine_work(VYRE_OP_NOP, 0, 0, 0);
    const vyre_ticket old = engine_publish(v, w);
    vyre_ticket t;
    uint32_t event = 0;
    do {
        t = engine_publish(v, w);
        CHECK_EQ(vyre_wait(v, t, 60 * SECOND, NULL), VYRE_OK);
    } while (t.slot != old.slot);
    CHECK(vyi_event_find(&v->queue, t, &event) && event >= VYI_EVENT_FIRST);
    const uint32_t uses = v->queue.order.uses[event];
    CHECK(!vyi_event_find(&v->queue, old, &event));
    CHECK_EQ(v->queue.order.uses[event], uses);
    vyi_event_forget(&v->queue, event);
    vyre_close(v);
}

/* --- until nothing changes ------------------------------------------------------- */

/* Two lanes count word 1 down to 0, and set observable 3 while it was not: b0 of lane a0. */
static void emit_down(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_value flag = vyre_ir_u32(p, VYRE_CONTROL_OBSERVABLES + 3);
    vyre_value left = vyre_ir_load(p, s->buffers[0], s->arg[0]);
    vyre_ir_if(p, vyre_ir_ne(p, left, vyre_ir_u32(p, 0)));
    vyre_ir_store(p, s->buffers[0], s->arg[0], vyre_ir_sub(p, left, vyre_ir_u32(p, 1)));
    vyre_ir_atomic_store(p, s->control, flag, left, VYRE_ORDER_RELAXED);
    vyre_ir_end(p);
}

static void works_run_until_nothing_changes(void)
{
    static const vyre_handler down = { OP_STAMP, emit_down, NULL, "down", VYRE_WIDTH_LANE, 0,
                                       NULL, 0 };
    vyre_desc d = order_desc(&order_plain_kind, 16);
    vyre_error err;
    vyre_stats stats;
    uint32_t rounds = 77;
    memset(&err, 0, sizeof err);
    d.kernel.handlers = &down;
    d.kernel.handler_count = 1;
    vyre *v = engine_open(&d);
    uint32_t *words = (uint32_t *)vyre_map(v, 0, NULL);
    const vyre_work works[2] = { engine_work(OP_STAMP, 1, 0, 0), engine_work(OP_STAMP, 1, 1, 0) };
    const vyre_work bad[1] = { engine_work(VYRE_OP_STORE_U32, 2, 1, 0) };
    vyre_until_desc u;
    memset(&u, 0, sizeof u);
    u.flag = 3;
    CHECK_EQ(vyre_run_until(NULL, &u, &rounds, &stats, &err), VYRE_E_ARGUMENT);
    CHECK_TEXT(err.text, "the handle is NULL");
    CHECK_EQ(vyre_run_until(v, NULL, &rounds, &stats, &err), VYRE_E_ARGUMENT);
    CHECK_TEXT(err.text, "desc is NULL");
    u.count = 1;
    CHECK_EQ(vyre_run_until(v, &u, &rounds, &stats, &err), VYRE_E_ARGUMENT);
    CHECK_TEXT(err.text, "works is NULL");
    u.count = 0;
    CHECK_EQ(rounds, 77);
    CHECK_EQ(vyre_run_until(v, &u, &rounds, &stats, &err), VYRE_OK); /* no works */
    CHECK_EQ(rounds, 1);
    u.works = works;
    u.count = 2;
    for (uint32_t start = 0; start < 2; start++) {
        words[0] = 5;
        words[1] = 3;
        CHECK_EQ(vyre_run_until(v, &u, &rounds, &stats, &err), VYRE_OK);
        CHECK_EQ(rounds, 6);
        CHECK_EQ(stats.done, 12);
        CHECK(stats.bytes_moved == stats.input_bytes && stats.input_bytes > 0);
        CHECK(stats.latency_ns > 0 && stats.latency_ns < 300 * SECOND && !stats.recovered);
        CHECK_EQ(words[0] + words[1], 0);
        words[0] = 5;
        u.rounds = 5;
        CHECK_EQ(vyre_run_until(v, &u, &rounds, NULL, &err), VYRE_PENDING);
        CHECK_TEXT(err.text, "5 rounds, and the last one changed something");
        CHECK_EQ(words[0], 0);
        u.deadline_ns = 60 * SECOND;
        CHECK_EQ(vyre_run_until(v, &u, &rounds, NULL, &err), VYRE_OK);
        CHECK_EQ(rounds, 1);
        u.rounds = 0;
        words[0] = UINT32_MAX; /* as good as never stable */
        u.deadline_ns = 20000000;
        CHECK_EQ(vyre_run_until(v, &u, NULL, &stats, &err), VYRE_TIMEOUT);
        u.deadline_ns = 0;
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    }
    u.works = bad;
    u.count = 1;
    CHECK_EQ(vyre_run_until(v, &u, &rounds, &stats, &err), VYRE_E_FAULT);
    CHECK_EQ(rounds, 1);
    CHECK_EQ(stats.faults, 1);
    CHECK(!strstr(err.text, "changed something"));
    u.flag = 64;
    CHECK_EQ(vyre_run_until(v, &u, &rounds, &stats, &err), VYRE_E_ARGUMENT);
    CHECK_TEXT(err.text, "the flag is observable 64, and the handle has 64");
    CHECK_EQ(vyre_run_until(NULL, &u, &rounds, &stats, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_run_until(v, NULL, &rounds, &stats, &err), VYRE_E_ARGUMENT);
    u.works = NULL;
    CHECK_EQ(vyre_run_until(v, &u, &rounds, &stats, &err), VYRE_E_ARGUMENT);
    vyre_close(v);
}

/* Their works wait for nobody, whatever their words say. */
static void rings_of_others_have_no_order(void)
{
    static uint32_t control[224], ring[16 * 16], log[257];
    vyre_desc d = order_desc(&order_plain_kind, 16);
    const vyre_control_desc control_desc = { false, 1, 64 };
    const vyre_io_buffers io = { control, sizeof control, ring, sizeof ring, log, sizeof log,
                                 NULL, 0 };
    vyre_stats stats;
    CHECK_EQ(vyre_control_encode(control, sizeof control, &control_desc, NULL), VYRE_OK);
    CHECK_EQ(vyre_ring_encode(ring, sizeof ring, 16, NULL), VYRE_OK);
    for (uint32_t i = 0; i < 16; i++) {
        ring[16 * i + VYRE_SLOT_PRIORITY] = 3u << VYI_ORDER_WAIT | 5u << VYI_ORDER_SIGNAL;
        ring[16 * i + VYRE_SLOT_STATUS] = VYRE_SLOT_PUBLISHED;
    }
    vyre *v = engine_open(&d);
    CHECK_EQ(vyre_dispatch(v, &io, &stats, NULL), VYRE_OK);
    CHECK_EQ(stats.done, 16);
    vyre_close(v);
}

/* --- contracts ------------------------------------------------------------------ */

static void what_cannot_wait_is_refused(void)
{
    vyre_error err;
    vyre_desc d = order_desc(&order_plain_kind, 16);
    vyre_ticket t = { 0, 0 }, kept;
    vyre_work w = engine_work(VYRE_OP_NOP, 0, 0, 0);
    memset(&err, 0, sizeof err);
    vyre *v = engine_open(&d);
    CHECK_EQ(vyre_publish_after(NULL, &w, NULL, 0, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_publish_after(v, NULL, NULL, 0, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_TEXT(err.text, "work is NULL");
    CHECK_EQ(vyre_publish_after(v, &w, NULL, 1, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_TEXT(err.text, "after is NULL");
    CHECK_EQ(vyre_publish_after(v, &w, &t, 1, &t, &err), VYRE_E_TICKET);
    CHECK_EQ(t.generation, 0);
    w.opcode = 0x7777;
    CHECK_EQ(vyre_publish_after(v, &w, NULL, 0, &t, &err), VYRE_E_OPCODE);
    w.opcode = VYRE_OP_NOP;
    CHECK_EQ(vyre_publish_after(v, &w, NULL, 0, &t, &err), VYRE_OK);
    /* Two that are pending take two slots, and a third. */
    kept = t;
    vyre_ticket many[16];
    uint32_t n = 0;
    for (; n < 14; n++)
        many[n] = engine_publish(v, w);
    const vyre_status status = vyre_publish_after(v, &w, many, 14, &t, &err);
    CHECK_EQ(status, VYRE_FULL);
    CHECK_EQ(t.generation, kept.generation);
    CHECK_EQ(vyre_drain(v, 10 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(vyre_publish_after(v, &w, many, 14, &t, &err), VYRE_OK);
    CHECK_EQ(vyre_wait(v, t, 10 * SECOND, NULL), VYRE_OK);
    vyre_close(v);
}

/* No word of a kernel is different where no work waits; and a handle says so. */
static void a_handle_without_events_pays_nothing(void)
{
    vyre_error err;
    vyre_info info;
    vyre_desc d = order_desc(&order_plain_kind, 16);
    d.kernel.workgroup_size = 16;
    vyre_kernel_desc kernel = d.kernel;
    vyre_kernel_host host;
    memset(&host, 0, sizeof host);
    memset(&err, 0, sizeof err);
    vyre *ordered = engine_open(&d);
    d.events = 0;
    vyre *v = engine_open(&d);
    host.mirror_binding = v->buffers.list[v->queue.slots.mirror].binding;
    host.cancel_binding = v->buffers.list[v->queue.slots.cancel].binding;
    host.count_each = v->backend->abort != NULL;
    kernel.log_records = v->desc.kernel.log_records;
    kernel.loop_allowance = v->desc.kernel.loop_allowance;
    vyre_program *plain = vyre_kernel_build_for(&kernel, &host, &err);
    CHECK(plain != NULL);
    vyre_query(v, &info);
    CHECK_EQ(info.program_hash, vyre_program_hash(plain));
    vyre_query(ordered, &info);
    CHECK(info.program_hash != vyre_program_hash(plain));
    vyre_program_destroy(plain);

    const vyre_work w = engine_work(VYRE_OP_NOP, 0, 0, 0);
    const vyre_ticket t = engine_publish(v, w);
    CHECK_EQ(vyre_publish_after(v, &w, &t, 1, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_TEXT(err.text, "the handle was opened without events, and the work waits for 1 others");
    CHECK_EQ(vyre_publish_after(v, &w, NULL, 0, NULL, &err), VYRE_OK);
    vyre_close(v);
    vyre_close(ordered);
}

int main(void)
{
    static const engine_case cases[] = {
        ENGINE_CASE(live),
        ENGINE_CASE(passes),
        ENGINE_CASE(priority),
        ENGINE_CASE(wide_live),
        ENGINE_CASE(wide_passes),
        ENGINE_CASE(faults_in_random_graphs),
        ENGINE_CASE(threads_have_chains_of_their_own),
        ENGINE_CASE(what_waits_for_a_cut_work_ends),
        ENGINE_CASE(a_relay_has_its_work_s_level),
        ENGINE_CASE(an_event_of_another_work_is_not_used),
        ENGINE_CASE(rings_of_others_have_no_order),
        ENGINE_CASE(works_run_until_nothing_changes),
    };
    knob_wide_anywhere = 1;
    RUN(order_outlasts_a_lost_device);
    RUN(what_cannot_wait_is_refused);
    RUN(a_handle_without_events_pays_nothing);
    engine_run_cases(cases, sizeof cases / sizeof cases[0]);
    return test_end();
}

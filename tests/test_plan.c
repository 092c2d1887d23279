/* The planner's room: worked cases of geometry and policy, races against
 * numbers of 128 bits, regions in a program. */
#include "driver.h"
#include "test.h"
#include "vyre.h"

/* --- geometry ------------------------------------------------------------- */

static void geometry_refuses(void)
{
    static const struct {
        vyre_limits limits;
        vyre_status status;
    } rows[] = {
        { { 0, 0, 0 }, VYRE_E_LIMIT_X },
        { { 1, 0, 0 }, VYRE_E_LIMIT_GROUPS },
        { { 1, 1, 0 }, VYRE_E_LIMIT_INVOCATIONS },
        { { 1, 1, 1 }, VYRE_OK }
    };
    vyre_error err;
    vyre_geometry g = { 7, 7, 7 };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK_EQ(vyre_geometry_plan(1, 0, &rows[i].limits, NULL, &g, &err), rows[i].status);
        if (rows[i].status == VYRE_OK)
            continue;
        CHECK_EQ(err.status, rows[i].status);
        CHECK(err.text[0] && err.fix[0] && g.slots == 7);
    }
    CHECK_EQ(vyre_geometry_plan(1, 0, NULL, NULL, &g, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_geometry_plan(1, 0, &rows[3].limits, NULL, NULL, NULL), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_geometry_items(1, 1, 1, NULL, &err), VYRE_E_ARGUMENT);
    vyre_geometry_make(1, 1, 1, NULL);
}

/* --- policy: the original's worked cases ----------------------------------- */

typedef struct advice_case {
    uint32_t queue, groups, max_width, hits, hot_opcodes, hot_windows, nodes, edges;
    uint32_t density, memory, requeues, age, hit_capacity;
    uint64_t resident, budget;
    int      previous; /* -1: none */
    vyre_status status;
    uint32_t width, slots, grid, worker_groups, hit; /* 0: not looked at */
    vyre_pressure pressure;
    int      jit;
    vyre_topology topology;
    uint64_t at; /* peak */
} advice_case;

static void check_advice(const advice_case *c, unsigned line)
{
    vyre_policy_request r;
    vyre_policy_advice a;
    vyre_error err;
    memset(&r, 0, sizeof r);
    memset(&a, 0, sizeof a);
    memset(&err, 0, sizeof err);
    r.queue = c->queue;
    r.worker_groups = r.max_groups = c->groups;
    r.max_workgroup_size = r.max_invocations = c->max_width;
    r.hits_per_item = c->hits;
    r.hot_opcodes = c->hot_opcodes;
    r.hot_windows = c->hot_windows;
    r.nodes = c->nodes;
    r.edges = c->edges;
    r.density_bps = (uint16_t)c->density;
    r.memory_bps = (uint16_t)c->memory;
    r.requeues = c->requeues;
    r.max_age = c->age;
    r.hit_capacity = c->hit_capacity;
    r.resident_bytes = c->resident;
    r.budget_bytes = c->budget;
    const vyre_topology previous = (vyre_topology)(c->previous < 0 ? 0 : c->previous);
    const vyre_status status = vyre_policy_advise(NULL, &r, c->previous < 0 ? NULL : &previous, &a,
                                                  &err);
    if (status != c->status)
        test_fail(__FILE__, __LINE__, "case %u: %s, not %s", line, vyre_status_name(status),
                  vyre_status_name(c->status));
    if (status < 0) {
        CHECK_EQ(err.at, c->at);
        return;
    }
    if ((c->width && a.geometry.workgroup_size != c->width) ||
        (c->slots && a.geometry.slots != c->slots) || (c->grid && a.geometry.groups != c->grid) ||
        (c->worker_groups && a.worker_groups != c->worker_groups) ||
        (c->hit && a.hit_capacity != c->hit) || a.pressure != c->pressure ||
        a.jit != (c->jit != 0) || a.topology != c->topology || (c->at && a.peak_bytes != c->at))
        test_fail(__FILE__, __LINE__, "case %u: %u/%u/%u groups %u hit %u %s %d %s peak %llu", line,
                  a.geometry.workgroup_size, a.geometry.slots, a.geometry.groups, a.worker_groups,
                  a.hit_capacity, vyre_pressure_name(a.pressure), a.jit,
                  vyre_topology_name(a.topology), (unsigned long long)a.peak_bytes);
}

#define SPARSE VYRE_TOPOLOGY_SPARSE
#define HYBRID VYRE_TOPOLOGY_HYBRID
#define DENSE  VYRE_TOPOLOGY_DENSE
#define FUSED  VYRE_TOPOLOGY_FUSED
#define MEMORY VYRE_TOPOLOGY_MEMORY

static void policy_worked_cases(void)
{
    static const advice_case cases[] = {
        /* queue groups width hits hot  win  nodes   edges   dens  mem  rq age cap resident budget prev */
        { 300, 64, 256, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1,
          VYRE_OK, 64, 320, 5, 64, 1800, VYRE_PRESSURE_LIGHT, 0, SPARSE, 28800 },
        { 8192, 64, 256, 1, 8, 0, 0, 0, 0, 0, 1, 64, 0, 0, 0, -1,
          VYRE_OK, 0, 0, 0, 0, 16384, VYRE_PRESSURE_SATURATED, 1, SPARSE, 262144 },
        { 131072, 256, 256, 1, 0, 4, 32768, 500000, 7500, 0, 0, 0, 0, 0, 0, -1,
          VYRE_OK, 256, 131072, 256, 256, 262144, VYRE_PRESSURE_BALANCED, 1, FUSED, 0 },
        { 16384, 128, 256, 1, 0, 0, 16384, 250000, 9000, 8500, 0, 0, 0, 0, 0, -1,
          VYRE_OK, 96, 16416, 96, 96, 16384, VYRE_PRESSURE_BALANCED, 1, MEMORY, 0 },
        { 16384, 128, 256, 1, 0, 0, 0, 0, 0, 10000, 0, 0, 65536, 0, 0, -1,
          VYRE_OK, 64, 0, 0, 64, 65536, VYRE_PRESSURE_SATURATED, 1, MEMORY, 0 },
        { 1024, 64, 256, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1024, 65536, -1,
          VYRE_E_BUDGET, 0, 0, 0, 0, 0, VYRE_PRESSURE_EMPTY, 0, SPARSE, 132096 },
        { 1024, 128, 256, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 900000, 1000000, -1,
          VYRE_OK, 85, 1105, 13, 85, 1024, VYRE_PRESSURE_LIGHT, 0, MEMORY, 916384 },
        { 16384, 128, 256, 1, 0, 0, 16384, 250000, 4000, 0, 0, 0, 0, 0, 0, -1,
          VYRE_OK, 0, 0, 0, 0, 0, VYRE_PRESSURE_BALANCED, 1, DENSE, 0 },
        { 8192, 128, 256, 1, 0, 0, 8192, 32768, 501, 0, 0, 0, 0, 0, 0, -1,
          VYRE_OK, 0, 0, 0, 0, 0, VYRE_PRESSURE_BALANCED, 1, HYBRID, 0 },
        { 90000, 256, 256, 1, 8, 0, 100000, 750000, 0, 0, 0, 0, 0, 0, 0, -1,
          VYRE_OK, 0, 0, 0, 0, 0, VYRE_PRESSURE_BALANCED, 1, FUSED, 0 },
        { 100000, 256, 256, 1, 0, 0, 1000000, 4000000, 100, 0, 0, 0, 0, 0, 0, -1,
          VYRE_OK, 51, 100011, 51, 51, 0, VYRE_PRESSURE_SATURATED, 1, SPARSE, 0 },
        { 1000, 256, 256, 1, 0, 0, 1000000, 4000000, 1, 0, 0, 0, 0, 0, 0, -1,
          VYRE_OK, 32, 0, 0, 32, 0, VYRE_PRESSURE_LIGHT, 0, SPARSE, 0 },
        { 0, 64, 256, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1,
          VYRE_OK, 64, 64, 1, 64, 1024, VYRE_PRESSURE_EMPTY, 0, VYRE_TOPOLOGY_EMPTY, 0 },
        { 10, 0, 256, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1,
          VYRE_E_LIMIT_GROUPS, 0, 0, 0, 0, 0, VYRE_PRESSURE_EMPTY, 0, SPARSE, 0 },
        { 320, 64, 256, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1,
          VYRE_OK, 0, 0, 0, 0, 0, VYRE_PRESSURE_BALANCED, 0, SPARSE, 0 },
        { 2147483647, 64, 256, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1,
          VYRE_OK, 0, 0, 0, 0, 4294967294u, VYRE_PRESSURE_SATURATED, 1, SPARSE, 0 },
        { 2147483648u, 64, 256, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1,
          VYRE_E_COUNTER_OVF, 0, 0, 0, 0, 0, VYRE_PRESSURE_EMPTY, 0, SPARSE, 0 },
        /* hysteresis */
        { 8192, 128, 256, 1, 0, 0, 100000, 250000, 625, 0, 0, 0, 0, 0, 0, SPARSE,
          VYRE_OK, 0, 0, 0, 0, 0, VYRE_PRESSURE_BALANCED, 1, SPARSE, 0 },
        { 8192, 128, 256, 1, 0, 0, 100000, 250000, 750, 0, 0, 0, 0, 0, 0, SPARSE,
          VYRE_OK, 0, 0, 0, 0, 0, VYRE_PRESSURE_BALANCED, 1, SPARSE, 0 },
        { 8192, 128, 256, 1, 0, 0, 100000, 250000, 751, 0, 0, 0, 0, 0, 0, SPARSE,
          VYRE_OK, 0, 0, 0, 0, 0, VYRE_PRESSURE_BALANCED, 1, HYBRID, 0 },
        { 8192, 128, 256, 1, 0, 0, 100000, 250000, 250, 0, 0, 0, 0, 0, 0, HYBRID,
          VYRE_OK, 0, 0, 0, 0, 0, VYRE_PRESSURE_BALANCED, 1, HYBRID, 0 },
        { 8192, 128, 256, 1, 0, 0, 100000, 250000, 249, 0, 0, 0, 0, 0, 0, HYBRID,
          VYRE_OK, 0, 0, 0, 63, 0, VYRE_PRESSURE_BALANCED, 1, SPARSE, 0 },
        { 8192, 128, 256, 1, 0, 0, 100000, 250000, 4125, 0, 0, 0, 0, 0, 0, HYBRID,
          VYRE_OK, 0, 0, 0, 0, 0, VYRE_PRESSURE_BALANCED, 1, HYBRID, 0 },
        { 8192, 128, 256, 1, 0, 0, 100000, 250000, 3875, 0, 0, 0, 0, 0, 0, DENSE,
          VYRE_OK, 0, 0, 0, 0, 0, VYRE_PRESSURE_BALANCED, 1, DENSE, 0 },
        { 131072, 256, 256, 1, 0, 4, 32768, 500000, 3875, 0, 0, 0, 0, 0, 0, FUSED,
          VYRE_OK, 0, 0, 0, 0, 0, VYRE_PRESSURE_BALANCED, 1, FUSED, 0 },
        { 131072, 256, 256, 1, 0, 0, 32768, 500000, 3875, 0, 0, 0, 0, 0, 0, FUSED,
          VYRE_OK, 0, 0, 0, 0, 0, VYRE_PRESSURE_BALANCED, 1, HYBRID, 0 },
        { 16384, 128, 256, 1, 0, 0, 16384, 250000, 9000, 8375, 0, 0, 0, 0, 0, MEMORY,
          VYRE_OK, 0, 0, 0, 96, 32768, VYRE_PRESSURE_BALANCED, 1, MEMORY, 0 }
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_advice(&cases[i], i);
}

static uint32_t groups_at(uint32_t groups, uint32_t density, uint32_t memory)
{
    vyre_policy_request r;
    vyre_policy_advice a;
    memset(&r, 0, sizeof r);
    r.queue = 16384;
    r.worker_groups = groups;
    r.max_workgroup_size = r.max_invocations = 256;
    r.max_groups = 65535;
    r.nodes = density ? 16384 : 0;
    r.density_bps = (uint16_t)density;
    r.memory_bps = (uint16_t)memory;
    CHECK_EQ(vyre_policy_advise(NULL, &r, NULL, &a, NULL), VYRE_OK);
    return a.worker_groups;
}

static void policy_sheds_workers(void)
{
    static const uint32_t memory[][2] = { { 8500, 96 }, { 8750, 90 }, { 9000, 85 }, { 9250, 80 },
                                          { 9500, 74 }, { 9750, 69 }, { 10000, 64 },
                                          { 20000, 64 } };
    static const uint32_t density[][2] = { { 1, 32 }, { 63, 32 }, { 64, 32 }, { 100, 51 },
                                           { 250, 128 }, { 499, 255 }, { 500, 256 } };
    for (unsigned i = 0; i < sizeof memory / sizeof memory[0]; i++)
        CHECK_EQ(groups_at(128, 0, memory[i][0]), memory[i][1]);
    for (unsigned i = 0; i < sizeof density / sizeof density[0]; i++) {
        CHECK_EQ(groups_at(256, density[i][0], 0), density[i][1]);
        CHECK_EQ(groups_at(16, density[i][0], 0), 16);
    }
    CHECK_EQ(groups_at(0, 0, 10000), 255); /* D9: none are shed where none were asked for */
}

/* A trace of densities up and down, and the label after each. */
static void policy_follows_a_trace(void)
{
    static const struct {
        uint16_t      density;
        vyre_topology topology;
    } trace[] = {
        { 400, SPARSE }, { 600, SPARSE },  { 750, SPARSE },  { 751, HYBRID }, { 500, HYBRID },
        { 250, HYBRID }, { 249, SPARSE },  { 4000, DENSE },  { 3999, DENSE }, { 3750, DENSE },
        { 3749, HYBRID }, { 4000, HYBRID }, { 4250, HYBRID }, { 4251, DENSE }, { 100, SPARSE }
    };
    vyre_topology now = VYRE_TOPOLOGY_EMPTY;
    vyre_policy_request r;
    vyre_policy_advice a;
    memset(&r, 0, sizeof r);
    r.queue = 100;
    r.nodes = 100000;
    r.max_workgroup_size = r.max_groups = r.max_invocations = 256;
    for (unsigned i = 0; i < sizeof trace / sizeof trace[0]; i++) {
        r.density_bps = trace[i].density;
        CHECK_EQ(vyre_policy_advise(NULL, &r, &now, &a, NULL), VYRE_OK);
        if (a.topology != trace[i].topology)
            test_fail(__FILE__, __LINE__, "step %u: %s", i, vyre_topology_name(a.topology));
        now = a.topology;
    }
}

/* What a look knows goes into the request; hot is what has an eighth of an interval. */
static void requests_from_looks(void)
{
    vyre_watch before, now, between;
    vyre_policy_request r;
    memset(&before, 0, sizeof before);
    memset(&now, 0, sizeof now);
    memset(&r, 0, sizeof r);
    for (uint32_t i = 0; i < 8; i++)
        before.metrics[i] = 1; /* eight opcodes, once each: the original's are hot for ever */
    now = before;
    now.metrics[3] += 700;
    now.metrics[5] += 100;
    now.metrics[6] += 99; /* less than an eighth of 899 */
    before.metrics[7] = 0xfffffff8u;
    now.metrics[7] = 6; /* 14 more */
    now.slots = 256;
    now.depth = 64;
    now.density_bps = 2500;
    now.states[VYRE_SLOT_REQUEUE] = 5;
    CHECK_EQ(vyre_watch_since(&before, &now, &between), VYRE_OK);
    CHECK(between.metrics[3] == 700 && between.metrics[0] == 0 && between.slots == 256);
    CHECK_EQ(between.metrics[7], 14);
    r.requeues = 3;
    CHECK_EQ(vyre_watch_request(&between, &r), VYRE_OK);
    CHECK(r.nodes == 256 && r.edges == 64 && r.density_bps == 2500 && r.requeues == 8);
    CHECK_EQ(r.hot_opcodes, 1); /* 700 of 913; 100 is no eighth */
    between.metrics[5] = 115; /* of 928: an eighth is 116 */
    CHECK_EQ(vyre_watch_request(&between, &r), VYRE_OK);
    CHECK_EQ(r.hot_opcodes, 1);
    between.metrics[5] = 117; /* of 930 */
    CHECK_EQ(vyre_watch_request(&between, &r), VYRE_OK);
    CHECK_EQ(r.hot_opcodes, 2);
    between.slots = 1; /* what is there already stays */
    between.density_bps = 1;
    CHECK_EQ(vyre_watch_request(&between, &r), VYRE_OK);
    CHECK(r.nodes == 256 && r.edges == 64 && r.density_bps == 2500);
    memset(&between, 0, sizeof between); /* nothing ran */
    CHECK_EQ(vyre_watch_request(&between, &r), VYRE_OK);
    CHECK_EQ(r.hot_opcodes, 0);
    between.states[VYRE_SLOT_REQUEUE] = 2;
    r.requeues = UINT64_MAX - 1;
    r.hot_opcodes = 77;
    CHECK_EQ(vyre_watch_request(&between, &r), VYRE_E_COUNTER_OVF);
    CHECK(r.requeues == UINT64_MAX - 1 && r.hot_opcodes == 77);
    CHECK_EQ(vyre_watch_request(NULL, &r), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_watch_request(&between, NULL), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_watch_since(&before, NULL, &between), VYRE_E_ARGUMENT);
}

static void policy_refuses(void)
{
    vyre_policy p;
    vyre_policy_request r;
    vyre_policy_advice a;
    vyre_error err;
    memset(&p, 0, sizeof p);
    memset(&r, 0, sizeof r);
    CHECK_EQ(vyre_policy_advise(NULL, NULL, NULL, &a, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_policy_advise(NULL, &r, NULL, NULL, &err), VYRE_E_ARGUMENT);
    p.memory_bps = 10001;
    CHECK_EQ(vyre_policy_advise(&p, &r, NULL, &a, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(err.at, 10001);
    p.memory_bps = 0;
    p.waves = UINT32_MAX; /* lanes of so many waves do not fit */
    r.queue = r.max_workgroup_size = r.max_groups = r.max_invocations = UINT32_MAX;
    r.worker_groups = UINT32_MAX;
    r.hit_capacity = 1;
    CHECK_EQ(vyre_policy_advise(&p, &r, NULL, &a, &err), VYRE_OK);
    r.resident_bytes = UINT64_MAX;
    CHECK_EQ(vyre_policy_advise(&p, &r, NULL, &a, &err), VYRE_E_COUNTER_OVF);
    CHECK_TEXT(vyre_topology_name(VYRE_TOPOLOGY_FUSED), "FUSED");
    CHECK_TEXT(vyre_topology_name((vyre_topology)6), "UNKNOWN");
    CHECK_TEXT(vyre_pressure_name(VYRE_PRESSURE_SATURATED), "SATURATED");
    CHECK_TEXT(vyre_pressure_name((vyre_pressure)4), "UNKNOWN");
}

/* --- race ----------------------------------------------------------------- */

__extension__ typedef unsigned __int128 wide;

/* The rule in numbers that do not overflow. */
static vyre_verdict race_model(wide base_total, uint32_t base_count, wide trial_total,
                               uint32_t trial_count, wide cost, uint32_t least, uint32_t gain)
{
    if (base_count < least || trial_count < least || base_count == 0 || trial_count == 0)
        return VYRE_RACE_GO_ON;
    const wide base = base_total / base_count;
    const wide effective = trial_total / trial_count + cost / trial_count;
    if (base == 0)
        return VYRE_RACE_GO_ON;
    if (effective >= base)
        return VYRE_RACE_REJECT;
    return (base - effective) * 10000 / base >= gain ? VYRE_RACE_ADOPT : VYRE_RACE_GO_ON;
}

static void race_equals_big_numbers(void)
{
    uint64_t seed = test_seed(0x7ace), counts[3] = { 0, 0, 0 };
    for (unsigned round = 0; round < 100000; round++) {
        vyre_race race;
        wide base = 0, trial = 0, cost = 0;
        uint64_t base_mean, trial_mean;
        memset(&race, 0, sizeof race);
        race.least = (uint32_t)(test_random(&seed) % 4);
        race.gain_bps = (uint32_t)(test_random(&seed) % 3000);
        const uint32_t bases = (uint32_t)(test_random(&seed) % 14);
        const uint32_t trials = (uint32_t)(test_random(&seed) % 14);
        const unsigned shift = (unsigned)(test_random(&seed) % 64);
        for (uint32_t i = 0; i < bases || i < trials; i++) {
            const uint64_t ns = test_random(&seed) >> shift;
            const uint64_t other = test_random(&seed) % 4 ? ns - ns / 5 : ns / 2 + ns / 2;
            if (i < bases) {
                base += ns;
                vyre_race_base(&race, ns);
            }
            if (i < trials) {
                trial += other;
                vyre_race_trial(&race, other);
            }
        }
        if (test_random(&seed) % 2) {
            const uint64_t ns = test_random(&seed) >> shift;
            cost = ns;
            vyre_race_cost(&race, ns);
        }
        const vyre_verdict got = vyre_race_verdict(&race, &base_mean, &trial_mean);
        CHECK_EQ(got, race_model(base, bases, trial, trials, cost, race.least ? race.least : 8,
                                 race.gain_bps ? race.gain_bps : 1500));
        CHECK(base_mean == (bases ? (uint64_t)(base / bases) : 0));
        CHECK(trial_mean == (trials ? (uint64_t)(trial / trials) : 0));
        counts[got]++;
    }
    for (unsigned i = 0; i < 3; i++)
        CHECK(counts[i] > 1000);
}

static void race_sides_are_not_paired(void)
{
    vyre_race race;
    memset(&race, 0, sizeof race);
    for (unsigned i = 0; i < 100; i++)
        vyre_race_base(&race, 1000);
    CHECK_EQ(vyre_race_verdict(&race, NULL, NULL), VYRE_RACE_GO_ON);
    for (unsigned i = 0; i < 8; i++) {
        CHECK_EQ(vyre_race_verdict(&race, NULL, NULL), VYRE_RACE_GO_ON);
        vyre_race_trial(&race, 500);
    }
    CHECK_EQ(vyre_race_verdict(&race, NULL, NULL), VYRE_RACE_ADOPT);
    vyre_race_cost(&race, 8 * 499);
    CHECK_EQ(vyre_race_verdict(&race, NULL, NULL), VYRE_RACE_GO_ON);
    vyre_race_cost(&race, 8);
    CHECK_EQ(vyre_race_verdict(&race, NULL, NULL), VYRE_RACE_REJECT);
    vyre_race_cost(&race, UINT64_MAX);
    CHECK(race.cost_ns == UINT64_MAX);
    vyre_race_base(NULL, 1), vyre_race_trial(NULL, 1), vyre_race_cost(NULL, 1);
    CHECK_EQ(vyre_race_verdict(NULL, NULL, NULL), VYRE_RACE_GO_ON);
}

/* At the counter's end both are halved: the mean stays, and goes on moving. */
static void race_halves_at_the_end(void)
{
    vyre_race race;
    uint64_t mean;
    memset(&race, 0, sizeof race);
    race.base_count = UINT32_MAX;
    race.base_total[0] = 0x8000000000000000ull; /* * 2^64, odd: a bit crosses the words */
    race.base_total[1] = 3;
    (void)vyre_race_verdict(&race, &mean, NULL);
    vyre_race_base(&race, mean);
    CHECK_EQ(race.base_count, 0x80000000u);
    CHECK_EQ(race.base_total[1], 1);
    CHECK(race.base_total[0] == 0xc000000000000000ull + mean);
    uint64_t after;
    (void)vyre_race_verdict(&race, &after, NULL);
    CHECK(after >= mean && after - mean <= 1 + mean / 0x7fffffff);
}

/* --- regions -------------------------------------------------------------- */

static void regions_are_placed(void)
{
    static const vyre_region_spec specs[] = {
        { 1, 16, 0, 0, 0 }, { 2, 0, 5, 7, 0 }, { 3, 0, 2, 3, 0 }, { 4, 0, 0, 9, 64 },
        { 5, 100, 8, 12, 32 }
    };
    static const uint32_t offsets[] = { 0, 16, 51, 64, 64 }, words[] = { 16, 35, 6, 0, 100 };
    vyre_region out[5], found;
    vyre_error err;
    uint32_t total = 0;
    CHECK_EQ(vyre_regions_make(specs, 3, out, &total, &err), VYRE_OK);
    CHECK_EQ(total, 57);
    CHECK_EQ(vyre_regions_make(specs, 5, out, &total, &err), VYRE_OK);
    for (unsigned i = 0; i < 5; i++) {
        CHECK_EQ(out[i].offset, offsets[i]);
        CHECK_EQ(out[i].words, words[i]);
        CHECK_EQ(vyre_region_find(out, 5, specs[i].id, &found, &err), VYRE_OK);
        CHECK(memcmp(&found, &out[i], sizeof found) == 0);
    }
    CHECK_EQ(total, 164);
    CHECK_EQ(vyre_region_find(out, 5, 6, &found, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_region_find(NULL, 1, 6, &found, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_region_find(out, 5, 1, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_regions_make(NULL, 0, NULL, &total, &err), VYRE_OK);
    CHECK_EQ(total, 0);
}

static void regions_refuse(void)
{
    static const struct {
        vyre_region_spec specs[2];
        vyre_status      status;
        uint32_t         at;
    } rows[] = {
        { { { 1, 0, UINT32_MAX, 2, 0 }, { 2, 1, 0, 0, 0 } }, VYRE_E_REGION_RECORD, 0 },
        { { { 1, UINT32_MAX, 0, 0, 0 }, { 2, 1, 0, 0, 0 } }, VYRE_E_REGION_OFFSET, 1 },
        { { { 1, 10, 0, 0, 0 }, { 2, UINT32_MAX, 0, 0, 0 } }, VYRE_E_REGION_OFFSET, 1 },
        { { { 1, UINT32_MAX, 0, 0, 0 }, { 2, 0, 0, 0, 2 } }, VYRE_E_REGION_OFFSET, 1 },
        { { { 1, 10, 0, 0, 0 }, { 2, 34, 5, 7, 0 } }, VYRE_E_REGION_RECORD, 1 },
        { { { 1, 10, 0, 0, 0 }, { 1, 10, 0, 0, 0 } }, VYRE_E_ARGUMENT, 1 },
        { { { 1, 10, 0, 0, 0 }, { 2, 10, 0, 0, 3 } }, VYRE_E_ARGUMENT, 1 }
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        vyre_region out[2], before[2];
        vyre_error err;
        uint32_t total = 77;
        memset(out, 0xa5, sizeof out);
        memcpy(before, out, sizeof out);
        CHECK_EQ(vyre_regions_make(rows[i].specs, 2, out, &total, &err), rows[i].status);
        CHECK_EQ(err.at, rows[i].at);
        CHECK(total == 77 && memcmp(out, before, sizeof out) == 0 && err.fix[0]);
        CHECK_EQ(vyre_regions_make(rows[i].specs, 2, NULL, &total, &err), VYRE_E_ARGUMENT);
        CHECK_EQ(vyre_regions_make(NULL, 2, out, &total, &err), VYRE_E_ARGUMENT);
    }
}

/* Random stores through the emitted index, in and out of range: what the kernel
 * does is what a model does, and the guards between the regions stay. */
static const vyre_region_spec workspace_specs[] = {
    { 10, 4, 1, 4, 0 }, { 90, 3, 0, 0, 0 }, { 11, 0, 3, 5, 0 }, { 91, 3, 0, 0, 0 },
    { 12, 12, 2, 5, 8 }, { 92, 3, 0, 0, 0 }
};
#define WORKSPACE_REGIONS 6

/* a0: region of 3, a1: record, a2: what is added; word a3 of the record. */
static void emit_region_add(vyre_program *p, const vyre_slot_values *slot, void *user)
{
    const vyre_region *regions = (const vyre_region *)user;
    for (uint32_t r = 0; r < 3; r++) {
        const vyre_value wanted_region = vyre_ir_u32(p, r);
        vyre_ir_if(p, vyre_ir_eq(p, slot->arg[0], wanted_region));
        for (uint32_t word = 0; word < 4; word++) {
            const vyre_value wanted_word = vyre_ir_u32(p, word);
            vyre_ir_if(p, vyre_ir_eq(p, slot->arg[3], wanted_word));
            const vyre_value at = vyre_emit_region_word(p, &regions[2 * r], slot->arg[1], word);
            (void)vyre_ir_atomic(p, VYRE_ATOMIC_ADD, slot->buffers[0], at, slot->arg[2],
                                 VYRE_ORDER_RELAXED);
            vyre_ir_end(p);
        }
        vyre_ir_end(p);
    }
}

static void run_region_adds(vyre_backend backend)
{
    vyre_region regions[WORKSPACE_REGIONS];
    uint32_t total = 0, model[64], hits = 0;
    vyre_error err;
    CHECK_EQ(vyre_regions_make(workspace_specs, WORKSPACE_REGIONS, regions, &total, &err), VYRE_OK);
    CHECK(total <= 64);
    const vyre_handler handler = VYRE_HANDLER(0x1000, emit_region_add, regions, "region_add");
    vyre_buffer_desc buffer;
    memset(&buffer, 0, sizeof buffer);
    buffer.binding = VYRE_BINDING_USER;
    buffer.count = total;
    vyre_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.backend = backend;
    desc.no_probe = true;
    desc.mode = VYRE_MODE_PASSES;
    desc.kernel.handlers = &handler;
    desc.kernel.handler_count = 1;
    desc.kernel.buffers = &buffer;
    desc.kernel.buffer_count = 1;
    vyre *v = vyre_open(&desc, &err);
    if (!v && backend == VYRE_BACKEND_VULKAN)
        test_skip(err.text);
    CHECK(v != NULL);
    memset(model, 0, sizeof model);
    memset(vyre_map(v, 0, NULL), 0, total * sizeof *model);

    static vyre_work works[512];
    uint64_t seed = test_seed(0x4e61);
    memset(works, 0, sizeof works);
    for (unsigned i = 0; i < 512; i++) {
        works[i].opcode = 0x1000;
        works[i].arg_count = 4;
        works[i].args[0] = (uint32_t)(test_random(&seed) % 3);
        works[i].args[1] = (uint32_t)(test_random(&seed) % 8);
        if (test_random(&seed) % 8 == 0)
            works[i].args[1] = (uint32_t)test_random(&seed) | 0x80000000u;
        works[i].args[2] = (uint32_t)(test_random(&seed) % 1000) + 1;
        works[i].args[3] = (uint32_t)(test_random(&seed) % 4);
        const vyre_region *r = &regions[2 * works[i].args[0]];
        if (works[i].args[1] < r->capacity && works[i].args[3] < r->record_words) {
            model[r->offset + works[i].args[1] * r->record_words + works[i].args[3]] +=
                works[i].args[2];
            hits++;
        }
    }
    CHECK(hits > 100 && hits < 400);
    CHECK_EQ(vyre_run(v, works, 512, NULL, &err), VYRE_OK);
    CHECK(memcmp(vyre_map(v, 0, NULL), model, total * sizeof *model) == 0);
    for (unsigned i = 1; i < WORKSPACE_REGIONS; i += 2) {
        for (uint32_t word = 0; word < regions[i].words; word++)
            CHECK_EQ(model[regions[i].offset + word], 0);
    }
    vyre_close(v);
}

static void regions_in_a_kernel_on_the_cpu(void)
{
    run_region_adds(VYRE_BACKEND_CPU);
}

static void regions_in_a_kernel_on_vulkan(void)
{
    run_region_adds(VYRE_BACKEND_VULKAN);
}

/* A workspace of these regions, in which hooks and handlers write, at places that are
 * there and at others.  The hooks' words are the last one of the first region, and the
 * second region's last record; handlers never have these. */
static void hook_add(vyre_program *p, vyre_buffer workspace, const vyre_region *r,
                     uint32_t record, uint32_t word)
{
    const vyre_value at = vyre_emit_region_word(p, r, vyre_ir_u32(p, record), word);
    const vyre_value one = vyre_ir_u32(p, 1);
    (void)vyre_ir_atomic(p, VYRE_ATOMIC_ADD, workspace, at, one, VYRE_ORDER_RELAXED);
}

static void hook_guard(vyre_program *p, vyre_buffer workspace, void *user)
{
    const vyre_region *regions = (const vyre_region *)user;
    hook_add(p, workspace, &regions[0], 3, 0);
    hook_add(p, workspace, &regions[0], 4, 0); /* there is none */
    hook_add(p, workspace, &regions[2], 0xfffffff0u, 1);
}

static void hook_dispatch(vyre_program *p, vyre_buffer workspace, void *user)
{
    const vyre_region *regions = (const vyre_region *)user;
    hook_add(p, workspace, &regions[2], 4, 2);
    hook_add(p, workspace, &regions[2], 4, 3); /* records have three words */
    hook_add(p, workspace, &regions[4], 5, 0);
}

/* a0: region of 3, a1: record, a2: what is added, a3: the word of the record. */
static void emit_workspace_add(vyre_program *p, const vyre_slot_values *slot, void *user)
{
    vyre_slot_values moved = *slot;
    moved.buffers = &slot->workspace;
    emit_region_add(p, &moved, user);
}

static void emit_workspace_read(vyre_program *p, const vyre_slot_values *slot, void *user)
{
    (void)user;
    vyre_emit_result(p, slot, 0, vyre_ir_load(p, slot->workspace, slot->arg[0]));
}

static void check_workspace(vyre *v, const vyre_region *regions, const uint32_t *model,
                            uint32_t total)
{
    const uint32_t hooks[2] = { regions[0].offset + 3, regions[2].offset + 4 * 3 + 2 };
    for (uint32_t i = 0; i < total; i++) {
        vyre_work read = { 0x1001, 0, VYRE_PRIORITY_NORMAL, 1, { 0 } };
        vyre_ticket t;
        uint32_t words[12];
        vyre_error err;
        read.args[0] = i;
        CHECK_EQ(vyre_publish(v, &read, &t, &err), VYRE_OK);
        CHECK_EQ(vyre_wait_result(v, t, 60000000000u, words, &err), VYRE_OK);
        if (i == hooks[0] || i == hooks[1])
            CHECK(words[0] > 0);
        else
            CHECK_EQ(words[0], model[i]);
    }
}

static void run_workspace(vyre_backend backend)
{
    vyre_region regions[WORKSPACE_REGIONS];
    uint32_t total = 0, model[64];
    vyre_error err;
    CHECK_EQ(vyre_regions_make(workspace_specs, WORKSPACE_REGIONS, regions, &total, &err), VYRE_OK);
    const vyre_handler handlers[2] = {
        VYRE_HANDLER(0x1000, emit_workspace_add, regions, "workspace_add"),
        VYRE_HANDLER(0x1001, emit_workspace_read, NULL, "workspace_read")
    };
    vyre_workspace workspace;
    vyre_desc desc;
    memset(&workspace, 0, sizeof workspace);
    memset(&desc, 0, sizeof desc);
    workspace.buffer.name = "regions";
    workspace.buffer.binding = VYRE_BINDING_USER;
    workspace.guard = hook_guard;
    workspace.dispatch = hook_dispatch;
    workspace.user = regions;
    desc.backend = backend;
    desc.mode = VYRE_MODE_PASSES;
    desc.kernel.handlers = handlers;
    desc.kernel.handler_count = 2;
    desc.kernel.workspace = &workspace;
    desc.workspace_size = 4 * (size_t)total;
    vyre *v = vyre_open(&desc, &err);
    if (!v && backend == VYRE_BACKEND_VULKAN)
        test_skip(err.text);
    CHECK(v != NULL);
    memset(model, 0, sizeof model);
    static vyre_work works[256];
    uint64_t seed = test_seed(0x3089);
    memset(works, 0, sizeof works);
    for (unsigned i = 0; i < 256; i++) {
        uint32_t *args = works[i].args;
        works[i].opcode = 0x1000;
        works[i].arg_count = 4;
        args[0] = (uint32_t)(test_random(&seed) % 3);
        args[1] = (uint32_t)(test_random(&seed) % 8);
        args[2] = (uint32_t)(test_random(&seed) % 1000) + 1;
        args[3] = (uint32_t)(test_random(&seed) % 4);
        args[1] += (args[0] == 0 && args[1] == 3) || (args[0] == 1 && args[1] == 4);
        const vyre_region *r = &regions[2 * args[0]];
        if (args[1] < r->capacity && args[3] < r->record_words)
            model[r->offset + args[1] * r->record_words + args[3]] += args[2];
    }
    CHECK_EQ(vyre_run(v, works, 256, NULL, &err), VYRE_OK);
    check_workspace(v, regions, model, total);
    vyre_close(v);
}

static void regions_in_a_workspace_on_the_cpu(void)
{
    run_workspace(VYRE_BACKEND_CPU);
}

static void regions_in_a_workspace_on_vulkan(void)
{
    run_workspace(VYRE_BACKEND_VULKAN);
}

/* --- the size of a handle -------------------------------------------------- */

static vyre_plan plan_of(const vyre_plan_desc *desc)
{
    vyre_plan plan;
    vyre_error err;
    memset(&plan, 0xa5, sizeof plan);
    if (vyre_plan_make(desc, &plan, &err) != VYRE_OK)
        test_fail(__FILE__, __LINE__, "%s", err.text);
    CHECK(plan.text[0] && strlen(plan.text) < sizeof plan.text - 1);
    return plan;
}

static void plan_worked_cases(void)
{
    static const struct {
        uint64_t items, in_flight;
        vyre_plan_goal goal;
        bool     priorities;
        uint32_t max_width, max_groups; /* 0: no info */
        uint32_t width, slots, lanes, batches;
    } rows[] = {
        { 0, 0, VYRE_PLAN_LATENCY, false, 0, 0, 64, 256, 256, 1 },
        { 0, 0, VYRE_PLAN_THROUGHPUT, false, 0, 0, 128, 256, 256, 1 },
        { 0, 0, VYRE_PLAN_THROUGHPUT, false, 1024, 65535, 256, 256, 256, 1 },
        { 1, 0, VYRE_PLAN_LATENCY, false, 0, 0, 64, 64, 64, 1 },
        { 65, 0, VYRE_PLAN_LATENCY, false, 0, 0, 64, 128, 128, 1 },
        { 300, 64, VYRE_PLAN_LATENCY, false, 0, 0, 64, 64, 64, 5 },
        { 5000, 0, VYRE_PLAN_LATENCY, false, 1000, 65535, 64, 5056, 5056, 1 },
        { 1000000, 0, VYRE_PLAN_THROUGHPUT, false, 255, 65535, 128, 1000064, 125056, 1 },
        { 65536, 0, VYRE_PLAN_THROUGHPUT, false, 1024, 65535, 256, 65536, 65536, 1 },
        { 65537, 0, VYRE_PLAN_THROUGHPUT, false, 1024, 65535, 256, 65792, 8448, 1 },
        { 1048577, 0, VYRE_PLAN_LATENCY, false, 0, 0, 64, 1048576, 1048576, 2 },
        { 4294967297ull, 0, VYRE_PLAN_LATENCY, false, 0, 0, 64, 1048576, 1048576, 4097 },
        { 1, 0, VYRE_PLAN_LATENCY, true, 1, 65535, 1, 5, 5, 1 },
        { 100000, 0, VYRE_PLAN_LATENCY, false, 1, 1000, 1, 100000, 1000, 1 },
        { 3, UINT64_MAX, VYRE_PLAN_LATENCY, false, 3, 65535, 2, 1048576, 131070, 1 }
    };
    static vyre_info info;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        vyre_plan_desc desc;
        memset(&desc, 0, sizeof desc);
        desc.items = rows[i].items;
        desc.in_flight = rows[i].in_flight;
        desc.goal = rows[i].goal;
        desc.priorities = rows[i].priorities;
        info.limits.max_workgroup_size = rows[i].max_width;
        info.limits.max_groups = rows[i].max_groups;
        info.limits.max_invocations = 1024;
        desc.info = rows[i].max_width ? &info : NULL;
        const vyre_plan plan = plan_of(&desc);
        if (plan.workgroup_size != rows[i].width || plan.slot_count != rows[i].slots ||
            plan.lane_count != rows[i].lanes || plan.batches != rows[i].batches)
            test_fail(__FILE__, __LINE__, "row %u: %s", i, plan.text);
        CHECK_EQ(plan.result_records, 0);
        CHECK_EQ(plan.peak_bytes, vyre_ring_size(plan.slot_count) + 8 * plan.slot_count +
                                  4 * (32 + 2 * VYRE_IO_SLOTS) +
                                  vyre_control_size(64) + vyre_io_size(VYRE_IO_SLOTS) +
                                  vyre_log_size(VYRE_LOG_RECORDS_DEFAULT));
    }
}

/* Wide works: groups and chunks; the ring is one workgroup. */
static void plan_knows_widths(void)
{
    static const struct {
        vyre_width width;
        uint64_t   items, range;
        uint32_t   known, max_width; /* groups that run at a time; 0: no info */
        uint32_t   group, groups, chunk, batches;
    } rows[] = {
        { VYRE_WIDTH_RANGE, 1, 0, 0, 0, 128, 0, 128, 1 },
        { VYRE_WIDTH_RANGE, 1, 100, 0, 0, 128, 1, 128, 1 },
        { VYRE_WIDTH_RANGE, 1, 1000, 0, 0, 128, 8, 128, 1 },
        { VYRE_WIDTH_RANGE, 40, 1000, 0, 0, 128, 256, 128, 2 },
        { VYRE_WIDTH_RANGE, 1, 1u << 20, 524, 1024, 512, 512, 2048, 1 },
        { VYRE_WIDTH_RANGE, 1, 1u << 28, 524, 1024, 512, 524, 16384, 1 },
        { VYRE_WIDTH_RANGE, 1, UINT32_MAX, 524, 1024, 512, 524, 65537, 1 },
        { VYRE_WIDTH_GROUP, 1, 7, 524, 1024, 512, 7, 1, 1 },
        { VYRE_WIDTH_GROUP, 100, 7, 524, 100, 96, 224, 1, 4 },
        { VYRE_WIDTH_GROUP, 100, 1000, 524, 16, 16, 524, 1, 4 },
    };
    static vyre_info info;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        vyre_plan_desc desc;
        vyre_desc handle;
        memset(&desc, 0, sizeof desc);
        memset(&handle, 0, sizeof handle);
        desc.items = rows[i].items;
        desc.width = rows[i].width;
        desc.range = rows[i].range;
        info.limits.max_workgroup_size = info.limits.max_invocations = rows[i].max_width;
        info.limits.max_groups = 65535;
        info.wide_groups = rows[i].known;
        desc.info = rows[i].max_width ? &info : NULL;
        const vyre_plan plan = plan_of(&desc);
        vyre_plan_apply(&plan, &handle);
        if (plan.group_size != rows[i].group || plan.wide_groups != rows[i].groups ||
            plan.chunk != rows[i].chunk || plan.batches != rows[i].batches)
            test_fail(__FILE__, __LINE__, "row %u: %s", i, plan.text);
        CHECK(plan.slot_count == plan.workgroup_size && plan.lane_count == plan.slot_count);
        CHECK(handle.kernel.group_size == plan.group_size &&
              handle.wide_groups == plan.wide_groups);
    }
}

static void emit_each(vyre_program *p, const vyre_slot_values *slot, void *user)
{
    (void)user;
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD, slot->buffers[0], slot->index, vyre_ir_u32(p, 1),
                   VYRE_ORDER_RELAXED);
}

/* Such a plan runs, and knows the bytes. */
static void run_wide_plan(vyre_backend backend)
{
    static const vyre_buffer_desc buffer = { "seen", VYRE_BINDING_USER, VYRE_TYPE_U32,
                                             VYRE_ACCESS_READ_WRITE, 5000, false, 0, 0 };
    vyre_handler each = { 0x1000, emit_each, NULL, "each", VYRE_WIDTH_RANGE, 0, NULL, 0 };
    const vyre_work work = { 0x1000, 0, VYRE_PRIORITY_NORMAL, 2, { 0, 5000 } };
    vyre_plan_desc desc;
    vyre_desc handle;
    vyre_info info;
    vyre_stats stats;
    vyre_error err;
    memset(&desc, 0, sizeof desc);
    memset(&handle, 0, sizeof handle);
    desc.items = 3;
    desc.width = VYRE_WIDTH_RANGE;
    desc.range = 5000;
    desc.resident_bytes = 4 * 5000;
    const vyre_plan plan = plan_of(&desc);
    vyre_plan_apply(&plan, &handle);
    each.chunk = plan.chunk;
    handle.backend = backend;
    handle.kernel.handlers = &each;
    handle.kernel.handler_count = 1;
    handle.kernel.buffers = &buffer;
    handle.kernel.buffer_count = 1;
    vyre *v = vyre_open(&handle, &err);
    if (!v && backend == VYRE_BACKEND_VULKAN)
        test_skip(err.text);
    CHECK(v != NULL);
    vyre_query(v, &info);
    CHECK_EQ(info.wide_group, plan.group_size);
    CHECK(info.device_bytes >= plan.peak_bytes && info.device_bytes - plan.peak_bytes <= 1024);
    for (unsigned i = 0; i < desc.items; i++)
        CHECK_EQ(vyre_run(v, &work, 1, &stats, &err), VYRE_OK);
    const uint32_t *seen = (const uint32_t *)vyre_map(v, 0, NULL);
    for (unsigned i = 0; i < 5000; i++)
        CHECK_EQ(seen[i], desc.items);
    vyre_close(v);
}

static void wide_plans_run_on_the_cpu(void)
{
    run_wide_plan(VYRE_BACKEND_CPU);
}

static void wide_plans_run_on_vulkan(void)
{
    run_wide_plan(VYRE_BACKEND_VULKAN);
}

/* The peak is what an open handle says of itself. */
static void plan_knows_the_bytes(uint32_t children)
{
    vyre_plan_desc desc;
    vyre_desc handle;
    vyre_info info;
    vyre_error err;
    memset(&desc, 0, sizeof desc);
    memset(&handle, 0, sizeof handle);
    desc.items = 1000;
    desc.observables = handle.observables = 99;
    desc.log_records = handle.kernel.log_records = 77;
    desc.children = children;
    const vyre_plan plan = plan_of(&desc);
    vyre_plan_apply(&plan, &handle);
    vyre_plan_apply(NULL, &handle);
    vyre_plan_apply(&plan, NULL);
    handle.backend = VYRE_BACKEND_CPU;
    vyre *v = vyre_open(&handle, &err);
    CHECK(v != NULL);
    vyre_query(v, &info);
    CHECK_EQ(info.slot_count, plan.slot_count);
    CHECK_EQ(handle.kernel.children, children);
    CHECK(info.device_bytes >= plan.peak_bytes); /* buffers begin on boundaries */
    CHECK(info.device_bytes - plan.peak_bytes <= 1024);
    CHECK(info.limits.max_workgroup_size && info.limits.max_groups && info.limits.max_invocations);
    vyre_close(v);
}

static void plan_knows_the_bytes_of_rings(void) { plan_knows_the_bytes(0); }
static void plan_knows_the_bytes_of_children(void)
{
    vyre_plan_desc desc;
    vyre_plan plan;
    vyre_error err;
    plan_knows_the_bytes(32);
    plan_knows_the_bytes(65536);
    memset(&desc, 0, sizeof desc);
    for (desc.children = 1; desc.children < 100; desc.children++)
        CHECK_EQ(vyre_plan_make(&desc, &plan, &err), desc.children == 32 || desc.children == 64
                                                         ? VYRE_OK : VYRE_E_KERNEL_SPAWN);
    desc.children = VYRE_MAX_SLOTS;
    desc.budget_bytes = plan_of(&desc).peak_bytes - 1;
    CHECK_EQ(vyre_plan_make(&desc, &plan, &err), VYRE_E_BUDGET);
    CHECK(strstr(err.fix, "children: lower it to 524288"));
    desc.children /= 2;
    CHECK_EQ(vyre_plan_make(&desc, &plan, &err), VYRE_OK);
    desc.children = UINT32_MAX;
    CHECK_EQ(vyre_plan_make(&desc, &plan, &err), VYRE_E_KERNEL_SPAWN);
}

static void plan_holds_a_budget(void)
{
    vyre_plan_desc desc, smaller;
    vyre_plan plan, untouched;
    vyre_error err;
    memset(&desc, 0, sizeof desc);
    desc.items = 1000;
    desc.results_per_item = 3;
    desc.result_size = 32;
    desc.resident_bytes = 1000;
    plan = plan_of(&desc);
    CHECK_EQ(plan.result_records, 6000);
    desc.budget_bytes = plan.peak_bytes; /* equality passes */
    CHECK(plan_of(&desc).peak_bytes == desc.budget_bytes);

    for (unsigned part = 0; part < 3; part++) { /* which part is the largest */
        smaller = desc;
        smaller.results_per_item = part == 1 ? 3 : 0;
        smaller.items = part == 1 ? 1000 : 1;
        smaller.in_flight = part == 2 ? 100000 : 64;
        smaller.resident_bytes = part == 0 ? 1000000 : 0;
        smaller.budget_bytes = 0;
        smaller.budget_bytes = plan_of(&smaller).peak_bytes - 1;
        memset(&untouched, 0xa5, sizeof untouched);
        plan = untouched;
        CHECK_EQ(vyre_plan_make(&smaller, &plan, &err), VYRE_E_BUDGET);
        CHECK(memcmp(&plan, &untouched, sizeof plan) == 0);
        CHECK_EQ(err.at, smaller.budget_bytes + 1);
        static const char *const names[] = { "resident_bytes", "items", "in_flight" };
        char *value = strstr(err.fix, "lower it to ");
        if (!value || !strstr(err.fix, names[part]))
            test_fail(__FILE__, __LINE__, "part %u: %s", part, err.fix);
        const uint64_t fits = strtoull(value + strlen("lower it to "), NULL, 10);
        if (part == 0)
            smaller.resident_bytes = fits;
        else if (part == 1)
            smaller.items = fits;
        else
            smaller.in_flight = fits;
        CHECK_EQ(vyre_plan_make(&smaller, &plan, &err), VYRE_OK); /* the advice is right */
    }
    smaller.budget_bytes = 1; /* and where there is none it says so */
    CHECK_EQ(vyre_plan_make(&smaller, &plan, &err), VYRE_E_BUDGET);
    CHECK(strstr(err.fix, "raise budget_bytes"));
}

static void plan_refuses(void)
{
    static vyre_info info;
    vyre_plan_desc desc;
    vyre_plan plan;
    vyre_error err;
    memset(&desc, 0, sizeof desc);
    CHECK_EQ(vyre_plan_make(NULL, &plan, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_plan_make(&desc, NULL, &err), VYRE_E_ARGUMENT);
    desc.goal = (vyre_plan_goal)2;
    CHECK_EQ(vyre_plan_make(&desc, &plan, &err), VYRE_E_ARGUMENT);
    desc.goal = VYRE_PLAN_LATENCY;
    desc.width = (vyre_width)3;
    CHECK_EQ(vyre_plan_make(&desc, &plan, &err), VYRE_E_ARGUMENT);
    desc.width = VYRE_WIDTH_RANGE;
    desc.range = 1ull << 32;
    CHECK_EQ(vyre_plan_make(&desc, &plan, &err), VYRE_E_OVF);
    desc.width = VYRE_WIDTH_LANE;
    desc.info = &info;
    CHECK_EQ(vyre_plan_make(&desc, &plan, &err), VYRE_E_LIMIT_X);
    info.limits.max_workgroup_size = 1;
    CHECK_EQ(vyre_plan_make(&desc, &plan, &err), VYRE_E_LIMIT_GROUPS);
    info.limits.max_groups = 1;
    CHECK_EQ(vyre_plan_make(&desc, &plan, &err), VYRE_E_LIMIT_INVOCATIONS);
    desc.info = NULL;
    desc.items = UINT64_MAX;
    CHECK_EQ(vyre_plan_make(&desc, &plan, &err), VYRE_E_OVF); /* batches */
    desc.items = 1000000000;
    desc.results_per_item = UINT32_MAX;
    desc.result_size = UINT32_MAX;
    CHECK_EQ(vyre_plan_make(&desc, &plan, &err), VYRE_E_OVF); /* bytes of the results */
    desc.result_size = 1;
    desc.resident_bytes = UINT64_MAX;
    CHECK_EQ(vyre_plan_make(&desc, &plan, &err), VYRE_E_OVF); /* the sum */
    desc.resident_bytes = 0;
    desc.items = 1;
    desc.observables = UINT32_MAX;
    CHECK_EQ(vyre_plan_make(&desc, &plan, &err), VYRE_E_OVF);
}

/* As many works as are planned for, through a handle of that size: all are done,
 * and a handle that was not started makes one pass for each batch. */
static void run_planned(vyre_backend backend, uint32_t items, vyre_plan_goal goal)
{
    vyre_plan_desc desc;
    vyre_desc handle;
    vyre_stats stats;
    vyre_io_buffers buffers;
    vyre_error err;
    uint32_t published = 99;
    memset(&desc, 0, sizeof desc);
    memset(&handle, 0, sizeof handle);
    desc.items = items;
    desc.goal = goal;
    const vyre_plan plan = plan_of(&desc);
    vyre_plan_apply(&plan, &handle);
    handle.backend = backend;
    handle.no_probe = true;
    vyre *v = vyre_open(&handle, &err);
    if (!v && backend == VYRE_BACKEND_VULKAN)
        test_skip(err.text);
    CHECK(v != NULL);
    vyre_work *works = (vyre_work *)calloc(items, sizeof *works);
    CHECK(works != NULL);
    CHECK_EQ(vyre_run(v, works, items, &stats, &err), VYRE_OK);
    CHECK_EQ(stats.done, items);
    CHECK_EQ(stats.kernel_launches, plan.batches);
    CHECK_EQ(vyre_buffers(v, &buffers, &err), VYRE_OK);
    CHECK_EQ(vyre_ring_count(buffers.ring, buffers.ring_size, VYRE_SLOT_PUBLISHED, &published,
                             &err), VYRE_OK);
    CHECK_EQ(published, 0);
    free(works);
    vyre_close(v);
}

static void run_all_planned(vyre_backend backend)
{
    static const uint32_t items[] = { 1, 63, 64, 65, 300, 4097, 5000, 1000000, 1048577 };
    const unsigned count = getenv("TEST_COUNT") ? 9 : 7; /* the large ones in the long runs */
    for (unsigned i = 0; i < count; i++) {
        run_planned(backend, items[i], VYRE_PLAN_LATENCY);
        run_planned(backend, items[i], VYRE_PLAN_THROUGHPUT);
    }
}

static void plans_run_on_the_cpu(void)
{
    run_all_planned(VYRE_BACKEND_CPU);
}

static void plans_run_on_vulkan(void)
{
    run_all_planned(VYRE_BACKEND_VULKAN);
}

int main(void)
{
    RUN(regions_in_a_workspace_on_the_cpu);
    RUN(regions_in_a_workspace_on_vulkan);
    RUN(plan_worked_cases);
    RUN(plan_knows_the_bytes_of_rings);
    RUN(plan_knows_the_bytes_of_children);
    RUN(plan_knows_widths);
    RUN(wide_plans_run_on_the_cpu);
    RUN(wide_plans_run_on_vulkan);
    RUN(plan_holds_a_budget);
    RUN(plan_refuses);
    RUN(plans_run_on_the_cpu);
    RUN(plans_run_on_vulkan);
    RUN(geometry_refuses);
    RUN(policy_worked_cases);
    RUN(policy_sheds_workers);
    RUN(policy_follows_a_trace);
    RUN(requests_from_looks);
    RUN(policy_refuses);
    RUN(race_equals_big_numbers);
    RUN(race_sides_are_not_paired);
    RUN(race_halves_at_the_end);
    RUN(regions_are_placed);
    RUN(regions_refuse);
    RUN(regions_in_a_kernel_on_the_cpu);
    RUN(regions_in_a_kernel_on_vulkan);
    return test_end();
}

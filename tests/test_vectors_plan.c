/* The golden vectors of the planner: geometry, launch policy, races, regions. */
#include "vec.h"

/* --- geometry ------------------------------------------------------------- */

static void row_workers(const vec_row *row)
{
    ROW_EQ(row, VYRE_WORKERS, vec_u32(row, row->out[0]));
}

static void row_width(const vec_row *row)
{
    ROW_EQ(row, vyre_geometry_width(vec_u32(row, row->in[0]), vec_u32(row, row->in[1])),
           vec_u32(row, row->out[0]));
}

static void row_slots(const vec_row *row)
{
    ROW_EQ(row, vyre_geometry_slots(vec_u32(row, row->in[0]), vec_u32(row, row->in[1])),
           vec_u32(row, row->out[0]));
}

static void row_groups(const vec_row *row)
{
    ROW_EQ(row, vyre_geometry_groups(vec_u32(row, row->in[0]), vec_u32(row, row->in[1]),
                                     vec_u32(row, row->in[2])),
           vec_u32(row, row->out[0]));
}

static void row_default_groups(const vec_row *row)
{
    ROW_EQ(row, vyre_geometry_workers(vec_u32(row, row->in[0]), vec_u32(row, row->in[1])),
           vec_u32(row, row->out[0]));
}

/* Columns width, slots, grid, from `first`. */
static void check_geometry(const vec_row *row, const vyre_geometry *g, unsigned first)
{
    ROW_EQ(row, g->workgroup_size, vec_u32(row, row->out[first]));
    ROW_EQ(row, g->slots, vec_u32(row, row->out[first + 1]));
    ROW_EQ(row, g->groups, vec_u32(row, row->out[first + 2]));
}

/* Whatever the device allows, a planned ring holds what was asked for. */
static void check_plan(const vec_row *row, uint32_t slots, uint32_t max_width)
{
    static vyre_info info;
    vyre_plan_desc desc;
    vyre_plan plan;
    memset(&desc, 0, sizeof desc);
    desc.in_flight = slots;
    desc.goal = slots % 2 ? VYRE_PLAN_LATENCY : VYRE_PLAN_THROUGHPUT;
    info.limits.max_workgroup_size = info.limits.max_invocations = max_width ? max_width : 1;
    info.limits.max_groups = 65535;
    desc.info = &info;
    vec_expect(row, vyre_plan_make(&desc, &plan, NULL), VYRE_OK);
    ROW_CHECK(row, plan.slot_count >= (slots < VYRE_MAX_SLOTS ? slots : VYRE_MAX_SLOTS));
    ROW_CHECK(row, plan.workgroup_size <= info.limits.max_workgroup_size);
    ROW_EQ(row, plan.slot_count % plan.workgroup_size, 0);
    ROW_EQ(row, plan.lane_count % plan.workgroup_size, 0);
}

static void row_geometry(const vec_row *row)
{
    vyre_geometry g;
    check_plan(row, vec_u32(row, row->in[0]), vec_u32(row, row->in[2]));
    vyre_geometry_make(vec_u32(row, row->in[0]), vec_u32(row, row->in[1]),
                       vec_u32(row, row->in[2]), &g);
    check_geometry(row, &g, 0);
    ROW_EQ(row, g.slots / g.workgroup_size, vec_u32(row, row->out[3]));
}

static const vyre_geometry untouched = { 0xa5a5a5a5u, 0xa5a5a5a5u, 0xa5a5a5a5u };

static void row_items(const vec_row *row)
{
    vyre_error err;
    vyre_geometry g = untouched;
    const uint64_t items = vec_u64(row, row->in[0]);
    const vyre_status status = vyre_geometry_items(items, vec_u32(row, row->in[1]),
                                                   vec_u32(row, row->in[2]), &g, &err);
    vec_error(row, status, &err);
    if (vec_ok(row)) {
        vec_expect(row, status, VYRE_OK);
        check_geometry(row, &g, 0);
        return;
    }
    ROW_CHECK(row, strcmp(row->status, "E_CAPACITY") == 0);
    vec_expect(row, status, VYRE_E_OVF);
    ROW_EQ(row, err.at, items);
    ROW_CHECK(row, memcmp(&g, &untouched, sizeof g) == 0);
    vec_ruled(RULE_ITEMS);
}

static void row_grid_plan(const vec_row *row)
{
    vyre_error err;
    vyre_geometry g = untouched;
    uint32_t groups = 0xa5a5a5a5u;
    const vyre_limits limits = { vec_u32(row, row->in[2]), vec_u32(row, row->in[3]),
                                 vec_u32(row, row->in[4]) };
    const vyre_status status = vyre_geometry_plan(vec_u32(row, row->in[0]),
                                                  vec_u32(row, row->in[1]), &limits, &groups, &g,
                                                  &err);
    vec_expect_row(row, status);
    vec_error(row, status, &err);
    if (status < 0) {
        ROW_CHECK(row, memcmp(&g, &untouched, sizeof g) == 0 && groups == 0xa5a5a5a5u);
        return;
    }
    ROW_EQ(row, groups, vec_u32(row, row->out[0]));
    check_geometry(row, &g, 1);
}

static void row_config_grid(const vec_row *row)
{
    ROW_EQ(row, vyre_geometry_groups(vec_u32(row, row->in[0]), vec_u32(row, row->in[1]),
                                     vec_u32(row, row->in[2])),
           vec_u32(row, row->out[0]));
}

/* There is no config object; this is its rule. */
static void row_config_validate(const vec_row *row)
{
    const char *status = "OK";
    if (vec_u32(row, row->in[0]) == 0)
        status = "E_WORKERS";
    else if (vec_u64(row, row->in[1]) == 0)
        status = "E_WALL_TIME";
    ROW_CHECK(row, strcmp(row->status, status) == 0);
}

static void vectors_geometry(void)
{
    static const vec_op ops[] = {
        { "default_worker_count", 1, row_workers }, { "workgroup_size", 2, row_width },
        { "padded_slots", 2, row_slots },           { "dispatch_grid", 3, row_groups },
        { "default_groups", 2, row_default_groups }, { "geometry", 3, row_geometry },
        { "from_item_count", 3, row_items },        { "grid_plan", 5, row_grid_plan },
        { "config_grid", 3, row_config_grid },      { "config_validate", 2, row_config_validate }
    };
    vec_run("geometry", ops, sizeof ops / sizeof ops[0]);
}

/* --- policy --------------------------------------------------------------- */

static vyre_policy_request request_of(const vec_row *row)
{
    vyre_policy_request r;
    memset(&r, 0, sizeof r);
    uint32_t *const words[9] = { &r.queue, &r.worker_groups, &r.max_workgroup_size, &r.max_groups,
                                 &r.max_invocations, &r.hit_capacity, &r.hits_per_item,
                                 &r.hot_opcodes, &r.hot_windows };
    for (unsigned i = 0; i < 9; i++)
        *words[i] = vec_u32(row, row->in[i]);
    r.requeues = vec_u64(row, row->in[9]);
    r.max_age = vec_u32(row, row->in[10]);
    r.nodes = vec_u32(row, row->in[11]);
    r.edges = vec_u32(row, row->in[12]);
    r.density_bps = (uint16_t)vec_u32(row, row->in[13]);
    r.memory_bps = (uint16_t)vec_u32(row, row->in[14]);
    r.resident_bytes = vec_u64(row, row->in[15]);
    r.budget_bytes = vec_u64(row, row->in[16]);
    return r;
}

static void check_advice(const vec_row *row, const vyre_policy_advice *a)
{
    check_geometry(row, &a->geometry, 0);
    ROW_EQ(row, a->worker_groups, vec_u32(row, row->out[3]));
    ROW_EQ(row, a->hit_capacity, vec_u32(row, row->out[4]));
    ROW_EQ(row, a->pressure, vec_u32(row, row->out[5]));
    ROW_EQ(row, a->jit, vec_u32(row, row->out[6]));
    ROW_EQ(row, a->topology, vec_u32(row, row->out[7]));
    ROW_EQ(row, a->hot_opcodes, vec_u32(row, row->out[8]));
    ROW_EQ(row, a->hot_windows, vec_u32(row, row->out[9]));
    ROW_EQ(row, a->aging, vec_u32(row, row->out[10]));
    ROW_EQ(row, a->peak_bytes, vec_u64(row, row->out[11]));
    ROW_EQ(row, a->budget_bytes, vec_u64(row, row->out[12]));
}

static void row_recommend(const vec_row *row)
{
    vyre_error err;
    vyre_policy_advice advice, before;
    memset(&advice, 0xa5, sizeof advice);
    before = advice;
    const vyre_policy_request request = request_of(row);
    const bool stateless = strcmp(row->in[17], "-") == 0;
    const vyre_topology previous = stateless ? VYRE_TOPOLOGY_EMPTY
                                             : (vyre_topology)vec_u32(row, row->in[17]);
    const vyre_status status = vyre_policy_advise(NULL, &request, stateless ? NULL : &previous,
                                                  &advice, &err);
    vec_expect_row(row, status);
    vec_error(row, status, &err);
    if (status == VYRE_OK) {
        check_advice(row, &advice);
        return;
    }
    ROW_CHECK(row, memcmp(&advice, &before, sizeof advice) == 0);
    if (status == VYRE_E_BUDGET) {
        const char *text = row->kind; /* OOM:peak:budget */
        ROW_CHECK(row, strncmp(text, "OOM:", 4) == 0);
        text += 4;
        ROW_EQ(row, err.at, vec_number(row, &text));
    }
}

static void vectors_policy(void)
{
    static const vec_op ops[] = { { "recommend", 18, row_recommend } };
    vec_run("policy", ops, 1);
}

/* --- race ----------------------------------------------------------------- */

/* total = count * mean, in 128 bits. */
static void total_of(uint64_t total[2], uint32_t count, uint64_t mean)
{
    const uint64_t low = (mean & UINT32_MAX) * count;
    const uint64_t high = (mean >> 32) * count + (low >> 32);
    total[0] = high << 32 | (low & UINT32_MAX);
    total[1] = high >> 32;
}

static void row_decide(const vec_row *row)
{
    vyre_race race;
    uint64_t base = 0, trial = 0;
    memset(&race, 0, sizeof race);
    race.base_count = vec_u32(row, row->in[0]);
    total_of(race.base_total, race.base_count, vec_u64(row, row->in[1]));
    race.trial_count = vec_u32(row, row->in[2]);
    total_of(race.trial_total, race.trial_count, vec_u64(row, row->in[3]));
    race.cost_ns = vec_u64(row, row->in[4]);
    ROW_EQ(row, vyre_race_verdict(&race, &base, &trial), vec_u32(row, row->out[0]));
    ROW_EQ(row, base, race.base_count ? vec_u64(row, row->in[1]) : 0);
    ROW_EQ(row, trial, race.trial_count ? vec_u64(row, row->in[3]) : 0);
}

/* A run `n*value` of a list; n is 1 where it is not there.  Moves behind it. */
static uint64_t run_length(const vec_row *row, const char **text)
{
    const char *at = *text;
    const uint64_t n = vec_number(row, &at);
    if (*at != '*')
        return 1;
    *text = at + 1;
    return n;
}

/* The verdicts are runs as well: checks one. */
static void check_verdict(const vec_row *row, const char **text, uint64_t *left, uint32_t *last,
                          vyre_verdict got)
{
    if (*left == 0) {
        (void)vec_skip(text, ',');
        *left = run_length(row, text);
        *last = (uint32_t)vec_number(row, text);
    }
    --*left;
    ROW_EQ(row, got, *last);
}

static void row_window(const vec_row *row)
{
    vyre_race race;
    const char *samples = row->in[0], *verdicts = row->out[0], *end = row->out[1];
    uint64_t left = 0, base = 0, trial = 0;
    uint32_t last = 0;
    memset(&race, 0, sizeof race);
    while (*samples && *samples != '-') {
        const uint64_t n = run_length(row, &samples);
        uint64_t part[4]; /* base, trial, what each cost to make */
        for (unsigned i = 0; i < 4; i++) {
            part[i] = vec_number(row, &samples);
            (void)vec_skip(&samples, '.');
        }
        (void)vec_skip(&samples, ',');
        for (uint64_t i = 0; i < n; i++) {
            vyre_race_base(&race, part[0]);
            vyre_race_trial(&race, part[1]);
            vyre_race_cost(&race, part[3]);
            check_verdict(row, &verdicts, &left, &last, vyre_race_verdict(&race, NULL, NULL));
        }
    }
    ROW_EQ(row, left, 0);
    (void)vyre_race_verdict(&race, &base, &trial);
    const uint64_t got[5] = { race.base_count, base, race.trial_count, trial, race.cost_ns };
    for (unsigned i = 0; i < 5; i++) {
        ROW_EQ(row, got[i], vec_number(row, &end));
        (void)vec_skip(&end, ',');
    }
}

static void vectors_race(void)
{
    static const vec_op ops[] = { { "decide", 5, row_decide }, { "window", 1, row_window } };
    vec_run("race", ops, 2);
}

/* --- regions -------------------------------------------------------------- */

#define MAX_REGIONS 64

static uint32_t part_of(const vec_row *row, const char **text)
{
    const uint64_t value = vec_number(row, text);
    ROW_CHECK(row, value <= UINT32_MAX);
    (void)vec_skip(text, '.');
    return (uint32_t)value;
}

/* F.id.words.record_words.capacity or R.id.record_words.capacity */
static uint32_t specs_of(const vec_row *row, const char *text, vyre_region_spec *specs)
{
    uint32_t count = 0;
    memset(specs, 0, MAX_REGIONS * sizeof *specs);
    while (*text && *text != '-') {
        ROW_CHECK(row, count < MAX_REGIONS && (*text == 'F' || *text == 'R'));
        const bool fixed = *text++ == 'F';
        (void)vec_skip(&text, '.');
        specs[count].id = part_of(row, &text);
        if (fixed)
            specs[count].words = part_of(row, &text);
        specs[count].record_words = part_of(row, &text);
        specs[count].capacity = part_of(row, &text);
        specs[count].align = fixed; /* 1 for a fixed one, which 0 is, too */
        count++;
        (void)vec_skip(&text, ',');
    }
    return count;
}

/* What the rules make of the specs: the first that decides otherwise than the
 * original does, or VEC_RULE_COUNT; *at is where. */
static vec_rule region_rule(const vyre_region_spec *specs, uint32_t count, uint32_t *at)
{
    uint64_t end = 0;
    vec_rule empty = VEC_RULE_COUNT;
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t records = (uint64_t)specs[i].record_words * specs[i].capacity;
        const bool fixed = specs[i].align != 0;
        *at = i;
        for (uint32_t j = 0; j < i; j++) {
            if (specs[j].id == specs[i].id)
                return RULE_REGION_ID;
        }
        if (fixed && specs[i].words && records > specs[i].words)
            return RULE_REGION_WORDS;
        if (fixed && !specs[i].words && records)
            empty = RULE_REGION_EMPTY;
        if (records > UINT32_MAX)
            return empty;
        end += specs[i].words ? specs[i].words : records;
        if (end > UINT32_MAX)
            return empty;
    }
    return empty;
}

static void check_regions(const vec_row *row, const vyre_region *got, uint32_t count,
                          const char *text)
{
    for (uint32_t i = 0; i < count; i++) {
        ROW_EQ(row, got[i].id, part_of(row, &text));
        ROW_EQ(row, got[i].offset, part_of(row, &text));
        ROW_EQ(row, got[i].words, part_of(row, &text));
        ROW_EQ(row, got[i].record_words, part_of(row, &text));
        ROW_EQ(row, got[i].capacity, part_of(row, &text));
        (void)vec_skip(&text, ',');
    }
    ROW_CHECK(row, *text == '\0' || count == 0);
}

/* Where a rule lets words be others than the original's, each region begins
 * where the one before it ends. */
static void check_chain(const vec_row *row, const vyre_region_spec *specs, const vyre_region *got,
                        uint32_t count, uint32_t total)
{
    uint32_t end = 0;
    for (uint32_t i = 0; i < count; i++) {
        ROW_EQ(row, got[i].offset, end);
        ROW_EQ(row, got[i].words, specs[i].words ? specs[i].words
                                                 : specs[i].record_words * specs[i].capacity);
        end += got[i].words;
    }
    ROW_EQ(row, total, end);
}

static void row_build(const vec_row *row)
{
    vyre_region_spec specs[MAX_REGIONS];
    vyre_region out[MAX_REGIONS], before[MAX_REGIONS];
    vyre_error err;
    uint32_t total = 0xa5a5a5a5u, at = 0;
    const uint32_t count = specs_of(row, row->in[0], specs);
    const vec_rule rule = region_rule(specs, count, &at);
    memset(out, 0xa5, sizeof out);
    memcpy(before, out, sizeof out);
    const vyre_status status = vyre_regions_make(specs, count, out, &total, &err);
    vec_error(row, status, &err);
    if (status < 0)
        ROW_CHECK(row, memcmp(before, out, sizeof out) == 0 && total == 0xa5a5a5a5u);
    if (rule == VEC_RULE_COUNT) {
        vec_expect_row(row, status);
        if (vec_ok(row)) {
            check_regions(row, out, count, row->out[0]);
            return;
        }
        const char *id = strchr(row->kind, ':') + 1;
        ROW_EQ(row, specs[err.at].id, vec_number(row, &id));
        return;
    }
    vec_ruled(rule);
    if (rule == RULE_REGION_EMPTY) {
        if (status == VYRE_OK)
            check_chain(row, specs, out, count, total);
        else
            ROW_CHECK(row, status == VYRE_E_REGION_OFFSET || status == VYRE_E_REGION_RECORD);
        return;
    }
    vec_expect(row, status, rule == RULE_REGION_ID ? VYRE_E_ARGUMENT : VYRE_E_REGION_RECORD);
    ROW_EQ(row, err.at, at);
}

/* A region of so many words before the one that is looked at, and that one. */
static uint32_t chain_of(const vec_row *row, const char *text, vyre_region_spec *specs)
{
    uint32_t count = 0;
    memset(specs, 0, 3 * sizeof *specs);
    const uint32_t id = part_of(row, &text), offset = part_of(row, &text);
    specs[count].id = ~id;
    specs[count++].words = offset;
    specs[count].id = id;
    specs[count++].words = part_of(row, &text);
    return count;
}

/* The region with index `last` of the chain, or the end of all of them. */
static void check_next(const vec_row *row, vyre_region_spec *specs, uint32_t last)
{
    vyre_region out[3];
    vyre_error err;
    uint32_t total = 0;
    for (uint32_t i = 0; i < last; i++) { /* ids of their own */
        if (specs[i].id == specs[last].id)
            specs[i].id = specs[i].id ^ 0x55555555u;
    }
    const vyre_status status = vyre_regions_make(specs, last + 1, out, &total, &err);
    const uint64_t records = (uint64_t)specs[last].record_words * specs[last].capacity;
    vec_error(row, status, &err);
    if (vec_none(row)) {
        ROW_CHECK(row, status == VYRE_E_REGION_RECORD || status == VYRE_E_REGION_OFFSET);
        return;
    }
    if (specs[last].words && records > specs[last].words) {
        vec_expect(row, status, VYRE_E_REGION_RECORD);
        vec_ruled(RULE_REGION_WORDS);
        return;
    }
    if (specs[last].align && !specs[last].words && records) {
        ROW_CHECK(row, status == VYRE_E_REGION_RECORD || status == VYRE_E_REGION_OFFSET ||
                       out[last].words == records);
        vec_ruled(RULE_REGION_EMPTY);
        return;
    }
    if (status == VYRE_E_REGION_OFFSET && err.at == last) {
        const char *text = row->out[0];
        (void)part_of(row, &text);
        const uint64_t offset = part_of(row, &text), words = part_of(row, &text);
        ROW_CHECK(row, offset + words > UINT32_MAX);
        vec_ruled(RULE_REGION_END);
        return;
    }
    vec_expect(row, status, VYRE_OK);
    check_regions(row, &out[last], 1, row->out[0]);
}

static void row_first(const vec_row *row)
{
    vyre_region_spec spec = { vec_u32(row, row->in[0]), vec_u32(row, row->in[1]),
                              vec_u32(row, row->in[2]), vec_u32(row, row->in[3]), 1 };
    check_next(row, &spec, 0);
}

static void row_next(const vec_row *row)
{
    vyre_region_spec specs[3];
    const uint32_t last = chain_of(row, row->in[0], specs);
    specs[last].id = vec_u32(row, row->in[1]);
    specs[last].words = vec_u32(row, row->in[2]);
    specs[last].record_words = vec_u32(row, row->in[3]);
    specs[last].capacity = vec_u32(row, row->in[4]);
    specs[last].align = 1;
    check_next(row, specs, last);
}

static void row_next_record(const vec_row *row)
{
    vyre_region_spec specs[3];
    const uint32_t last = chain_of(row, row->in[0], specs);
    specs[last].id = vec_u32(row, row->in[1]);
    specs[last].record_words = vec_u32(row, row->in[2]);
    specs[last].capacity = vec_u32(row, row->in[3]);
    check_next(row, specs, last);
}

static void check_total(const vec_row *row, const vyre_region_spec *specs, uint32_t count,
                        vyre_status otherwise)
{
    vyre_region out[3];
    vyre_error err;
    uint32_t total = 0;
    const vyre_status status = vyre_regions_make(specs, count, out, &total, &err);
    vec_expect(row, status, vec_none(row) ? otherwise : VYRE_OK);
    if (vec_ok(row))
        ROW_EQ(row, total, vec_u32(row, row->out[0]));
}

static void row_record_words(const vec_row *row)
{
    const vyre_region_spec spec = { 0, 0, vec_u32(row, row->in[0]), vec_u32(row, row->in[1]), 0 };
    check_total(row, &spec, 1, VYRE_E_REGION_RECORD);
}

static void row_end(const vec_row *row)
{
    vyre_region_spec specs[3];
    check_total(row, specs, chain_of(row, row->in[0], specs), VYRE_E_REGION_OFFSET);
}

static void vectors_regions(void)
{
    static const vec_op ops[] = {
        { "build", 1, row_build },             { "first", 4, row_first },
        { "next", 5, row_next },               { "next_record", 4, row_next_record },
        { "record_words", 2, row_record_words }, { "end", 1, row_end }
    };
    vec_run("regions", ops, sizeof ops / sizeof ops[0]);
}

int main(void)
{
    RUN(vectors_geometry);
    RUN(vectors_policy);
    RUN(vectors_race);
    RUN(vectors_regions);
    return test_end();
}

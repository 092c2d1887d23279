/* plan: whether a planned handle, a measured one, and works in order are worth it
 *
 *     bench/plan [--csv] [--quick] [--seconds N] [--sweep] [--tune] [--group]
 *
 * --sweep   vyre_plan_make itself; then, for rings of 256 to 65,536 slots, the round trip
 *           and the drain of the handle that it plans, beside handles with groups of 64,
 *           128, 256 and 512 lanes
 * --tune    handles with vyre_desc.tune OFF, OPEN and LIVE, by turns: a work there and
 *           back, full rings, and the watts of a started handle without works, where
 *           nvidia-smi is
 * --group   2^20 works of six opcodes, shuffled, as they are and grouped; 64 works each of
 *           which needs the one before, in waves
 *
 * Without any of the three, all.  Each row checks what its works leave behind.  --quick
 * is on the CPU.
 */
#define _GNU_SOURCE
#define VYRE_IMPLEMENTATION
#include "../vyre.h"

#include "bench.h"

#include <unistd.h>

#define FOREVER  60000000000ull
#define MOST     2000000u
#define TURNS    5u
#define OBSERVED (VYRE_CONTROL_OBSERVABLES + 64)

static double     seconds = 0.5;
static bool       quick;
static bench_output out;
static vyre_error err;

static void check(vyre_status status)
{
    if (status == VYRE_OK)
        return;
    fprintf(stderr, "plan: %s\n", status < 0 ? err.text : vyre_status_text(status));
    exit(1);
}

static vyre *open_handle(const vyre_desc *desc)
{
    vyre *v = vyre_open(desc, &err);
    if (!v)
        check(err.status);
    return v;
}

static const vyre_work add_one = { VYRE_OP_ATOMIC_ADD, 0, VYRE_PRIORITY_NORMAL, 2,
                                   { 1, VYRE_CONTROL_OBSERVABLES } };

static uint32_t sum_of(vyre *v)
{
    uint32_t sum = 0;
    check(vyre_observable(v, 0, &sum, &err));
    return sum;
}

static void check_sum(vyre *v, uint32_t before, uint64_t works, const char *what)
{
    if (sum_of(v) - before == (uint32_t)works)
        return;
    fprintf(stderr, "plan: %s: wrong sum\n", what);
    exit(1);
}

/* One work at a time, of a started handle. */
static void round_trips(vyre *v, bench_row *row, double time, size_t most)
{
    const uint32_t before = sum_of(v);
    const uint64_t end = bench_now() + (uint64_t)(time * 1e9);
    size_t works = 0;
    for (uint64_t last = bench_now(), now = last; (now < end && works < most) || works < 12;
         last = now) {
        vyre_ticket t;
        check(vyre_publish(v, &add_one, &t, &err));
        check(vyre_wait(v, t, FOREVER, &err));
        now = bench_now();
        if (works++ >= 4)
            bench_add(row, (double)(now - last));
    }
    check_sum(v, before, works, row->path);
}

/* Full rings, of a started handle; a sample is the time for each work. */
static void full_rings(vyre *v, bench_row *row, const vyre_work *works, uint32_t count,
                       double time, size_t most)
{
    const uint32_t before = sum_of(v);
    const uint64_t end = bench_now() + (uint64_t)(time * 1e9);
    uint64_t rings = 0;
    for (uint64_t last = bench_now(), now = last; (now < end && rings < most) || rings < 5;
         last = now) {
        check(vyre_run(v, works, count, NULL, &err));
        now = bench_now();
        if (rings++ >= 2)
            bench_add(row, (double)(now - last) / count);
    }
    check_sum(v, before, rings * count, row->path);
}

static vyre_work *adds_new(uint32_t count)
{
    vyre_work *works = (vyre_work *)malloc(count * sizeof *works);
    for (uint32_t i = 0; works && i < count; i++)
        works[i] = add_one;
    if (!works)
        exit(1);
    return works;
}

/* --- the sweep -------------------------------------------------------------- */

static void time_plans(void)
{
    bench_row row = bench_row_new("vyre_plan_make", 1000);
    for (uint32_t i = 0; i < 1000; i++) {
        vyre_plan plan;
        vyre_plan_desc d;
        memset(&d, 0, sizeof d);
        d.items = 1000 + i;
        d.results_per_item = 2;
        const uint64_t begin = bench_now();
        check(vyre_plan_make(&d, &plan, &err));
        bench_add(&row, (double)(bench_now() - begin));
    }
    bench_finish(&out, &row);
}

/* Medians of one handle: there and back, and of a full ring for each work. */
static void measure_once(const vyre_desc *desc, bench_row rows[2])
{
    const uint32_t slots = desc->kernel.slot_count;
    vyre *v = open_handle(desc);
    vyre_work *works = adds_new(slots);
    check(vyre_start(v, &err));
    round_trips(v, &rows[0], seconds / 6, MOST);
    full_rings(v, &rows[1], works, slots, seconds / 6, MOST);
    vyre_close(v);
    free(works);
}

/* Of several opens, whose memory lies more or less well, the best. */
static void measure_geometry(const vyre_desc *desc, const char *name, double medians[2])
{
    static const char *const kinds[2] = { "there and back", "full rings, a work" };
    bench_row best[2];
    for (int open = 0; open < (quick ? 1 : 3); open++) {
        bench_row rows[2];
        for (int i = 0; i < 2; i++) {
            char path[112];
            snprintf(path, sizeof path, "%u slots, %s, %s", desc->kernel.slot_count, name,
                     kinds[i]);
            rows[i] = bench_row_new(path, MOST);
        }
        measure_once(desc, rows);
        for (int i = 0; i < 2; i++) {
            qsort(rows[i].samples, rows[i].count, sizeof(double), bench_order);
            const double median = bench_quantile(&rows[i], 0.5);
            const bool better = open == 0 || median < medians[i];
            if (open)
                bench_row_free(better ? &best[i] : &rows[i]);
            if (better)
                best[i] = rows[i], medians[i] = median;
        }
    }
    for (int i = 0; i < 2; i++)
        bench_finish(&out, &best[i]);
}

static vyre_desc plan_for(vyre_desc desc, const vyre_info *info, uint32_t slots,
                          vyre_plan_goal goal)
{
    vyre_plan plan;
    vyre_plan_desc d;
    memset(&d, 0, sizeof d);
    d.items = slots;
    d.goal = goal;
    d.info = info;
    check(vyre_plan_make(&d, &plan, &err));
    vyre_plan_apply(&plan, &desc);
    return desc;
}

static void sweep_ring(const vyre_desc *base, const vyre_info *info, uint32_t slots,
                       double worst[2])
{
    double best[2] = { 1e30, 1e30 }, planned[2][2];
    char name[64];
    for (uint32_t width = 64; width <= 512; width *= 2) {
        vyre_desc d = *base;
        double medians[2];
        if (width > slots || width > info->limits.max_workgroup_size || (quick && width != 64))
            continue;
        d.kernel.workgroup_size = width;
        d.kernel.slot_count = slots;
        snprintf(name, sizeof name, "groups of %u", width);
        measure_geometry(&d, name, medians);
        for (int i = 0; i < 2; i++)
            best[i] = medians[i] < best[i] ? medians[i] : best[i];
    }
    for (int goal = 0; goal < 2; goal++) {
        const vyre_desc d = plan_for(*base, info, slots, (vyre_plan_goal)goal);
        snprintf(name, sizeof name, "planned for %s", goal ? "many" : "one");
        measure_geometry(&d, name, planned[goal]);
    }
    for (int i = 0; i < 2; i++)
        worst[i] = planned[i][i] / best[i] > worst[i] ? planned[i][i] / best[i] : worst[i];
}

static void run_sweep(const vyre_desc *base, const vyre_info *info)
{
    double worst[2] = { 0, 0 };
    time_plans();
    for (uint32_t slots = 256; slots <= (quick ? 256u : 65536u); slots *= 4)
        sweep_ring(base, info, slots, worst);
    bench_value(&out, "planned / best of the sweep, there and back, worst ring", "times", worst[0]);
    bench_value(&out, "planned / best of the sweep, full rings, worst ring", "times", worst[1]);
}

/* --- tune --------------------------------------------------------------------- */

/* Watts of the device, or 0. */
static double watts_now(void)
{
    char line[64] = "";
    FILE *pipe = popen("nvidia-smi --query-gpu=power.draw --format=csv,noheader,nounits 2> "
                       "/dev/null", "r");
    if (pipe && !fgets(line, sizeof line, pipe))
        line[0] = 0;
    if (pipe)
        pclose(pipe);
    return atof(line);
}

static double idle_watts(vyre *v)
{
    double sum = 0;
    check(vyre_start(v, &err));
    usleep(1500000);
    for (int i = 0; i < 5; i++) {
        sum += watts_now();
        usleep(200000);
    }
    check(vyre_stop(v, FOREVER, &err));
    return sum / 5;
}

typedef struct tuned {
    vyre     *v;
    bench_row trips, rings;
} tuned;

static const char *const tune_names[] = { "OFF", "OPEN", "LIVE" };

static void tuned_open(tuned *t, const vyre_desc *base, uint32_t slots, int mode, int goal)
{
    char path[112];
    vyre_desc d = *base;
    d.kernel.slot_count = slots;
    d.tune = (vyre_tune)mode;
    d.tune_goal = (vyre_plan_goal)goal;
    d.helper_thread = true;
    t->v = open_handle(&d);
    snprintf(path, sizeof path, "%u slots, %s for %s, there and back", slots, tune_names[mode],
             goal ? "many" : "one");
    t->trips = bench_row_new(path, MOST);
    snprintf(path, sizeof path, "%u slots, %s for %s, full rings, a work", slots, tune_names[mode],
             goal ? "many" : "one");
    t->rings = bench_row_new(path, MOST);
}

static void tuned_turn(tuned *t, const vyre_work *works, uint32_t slots)
{
    check(vyre_start(t->v, &err));
    round_trips(t->v, &t->trips, seconds / 5, MOST / TURNS);
    full_rings(t->v, &t->rings, works, slots, seconds / 10, MOST / TURNS);
    check(vyre_stop(t->v, FOREVER, &err));
}

static void tuned_tell(tuned *t, const vyre_tuning *s, uint32_t groups)
{
    bench_note(&out, "%s (%u changes)", s->text[0] ? s->text : "OFF", s->changes);
    for (uint32_t i = 0; i < s->levels && s->round_trip_ns[i]; i++)
        bench_note(&out, "    %u groups: %llu ns there and back, %llu ns a full ring", groups >> i,
                   (unsigned long long)s->round_trip_ns[i], (unsigned long long)s->drain_ns[i]);
    (void)t;
}

static void run_tune(const vyre_desc *base, uint32_t slots, int goal)
{
    tuned t[3];
    double medians[3][2], watts[3];
    vyre_work *works = adds_new(slots);
    for (int mode = 0; mode < 3; mode++)
        tuned_open(&t[mode], base, slots, mode, goal);
    for (uint32_t turn = 0; turn < (quick ? 1 : TURNS); turn++)
        for (int mode = 0; mode < 3; mode++)
            tuned_turn(&t[mode], works, slots);
    for (int mode = 0; mode < 3; mode++) {
        vyre_info info;
        medians[mode][0] = bench_finish(&out, &t[mode].trips);
        medians[mode][1] = bench_finish(&out, &t[mode].rings);
        watts[mode] = !quick && goal == 0 && watts_now() > 0 ? idle_watts(t[mode].v) : 0;
        vyre_query(t[mode].v, &info);
        tuned_tell(&t[mode], &info.tuning, info.worker_groups);
    }
    for (int mode = 0; mode < 3; mode++) {
        char path[112];
        vyre_close(t[mode].v);
        for (int i = 0; i < 2 && mode; i++) {
            snprintf(path, sizeof path, "%u slots, %s for %s / OFF, %s", slots, tune_names[mode],
                     goal ? "many" : "one", i ? "full rings" : "there and back");
            bench_value(&out, path, "times", medians[mode][i] / medians[0][i]);
        }
        snprintf(path, sizeof path, "%u slots, %s, watts without works", slots, tune_names[mode]);
        if (watts[mode] > 0)
            bench_value(&out, path, "watts", watts[mode]);
    }
    free(works);
}

/* --- group --------------------------------------------------------------------- */

/* Six opcodes, whose effects on words that hold 7 already do not depend on the order. */
static vyre_work six_of(uint32_t i, uint32_t which)
{
    const uint32_t word = VYRE_CONTROL_OBSERVABLES + 1 + i % 8;
    const uint32_t from = VYRE_CONTROL_OBSERVABLES + 1 + i % 4;
    const uint32_t to = VYRE_CONTROL_OBSERVABLES + 5 + i % 3;
    const vyre_work six[6] = {
        { VYRE_OP_NOP, 0, VYRE_PRIORITY_NORMAL, 0, { 0 } },
        add_one,
        { VYRE_OP_STORE_U32, 0, VYRE_PRIORITY_NORMAL, 2, { 7, word } },
        { VYRE_OP_LOAD_U32, 0, VYRE_PRIORITY_NORMAL, 2, { word, 1 + i % 8 } },
        { VYRE_OP_COMPARE_SWAP, 0, VYRE_PRIORITY_NORMAL, 3, { word, 8, 9 } },
        { VYRE_OP_MEMCPY, 0, VYRE_PRIORITY_NORMAL, 3, { from, to, 2 } },
    };
    return six[which];
}

static void words_of(vyre *v, uint32_t words[OBSERVED])
{
    vyre_io_buffers b;
    check(vyre_buffers(v, &b, &err));
    memcpy(words, b.control, OBSERVED * sizeof *words);
}

/* What a run of the works adds to each control word. */
static void changes_of(vyre *v, const vyre_run_desc *run, uint32_t changes[OBSERVED])
{
    uint32_t before[OBSERVED];
    words_of(v, before);
    check(vyre_run_with(v, run, NULL, &err));
    words_of(v, changes);
    for (uint32_t i = 0; i < OBSERVED; i++)
        changes[i] -= before[i];
}

/* A ring that is full, by one pass of the device. */
static double pass_over(vyre *v, const vyre_work *works, uint32_t count)
{
    uint32_t published = 0;
    check(vyre_publish_many(v, works, count, &published, NULL, &err));
    const uint64_t begin = bench_now();
    check(vyre_dispatch_resident(v, 1, NULL, &err));
    const double ns = (double)(bench_now() - begin);
    check(vyre_drain(v, FOREVER, &err));
    return ns;
}

static void measure_group(vyre *v, const vyre_work *works, uint32_t count)
{
    static const char *const names[2] = { "shuffled", "grouped" };
    uint32_t *order = (uint32_t *)malloc(count * sizeof *order), changes[2][OBSERVED];
    vyre_work *grouped = (vyre_work *)malloc(count * sizeof *grouped);
    bench_row rows[4];
    if (!order || !grouped)
        exit(1);
    check(vyre_works_group(works, count, order, NULL, &err));
    for (uint32_t i = 0; i < count; i++)
        grouped[i] = works[order[i]];
    for (int i = 0; i < 4; i++) {
        char path[112];
        snprintf(path, sizeof path, "%u works of six opcodes, %s, %s", count, names[i % 2],
                 i < 2 ? "a pass" : "vyre_run_with");
        rows[i] = bench_row_new(path, 64);
    }
    for (uint32_t turn = 0; turn < (quick ? 3 : 15); turn++)
        for (int g = 0; g < 2; g++) {
            vyre_run_desc run;
            memset(&run, 0, sizeof run);
            run.works = works;
            run.count = count;
            run.group = g == 1;
            bench_add(&rows[g], pass_over(v, g ? grouped : works, count));
            const uint64_t begin = bench_now();
            changes_of(v, &run, changes[g]);
            bench_add(&rows[2 + g], (double)(bench_now() - begin));
        }
    if (memcmp(changes[0], changes[1], sizeof changes[0]) != 0) {
        fprintf(stderr, "plan: grouped works leave other control words\n");
        exit(1);
    }
    double medians[4];
    for (int i = 0; i < 4; i++) {
        qsort(rows[i].samples, rows[i].count, sizeof(double), bench_order);
        medians[i] = bench_quantile(&rows[i], 0.5);
        rows[i].rate = (double)count * 1e9 / medians[i];
        bench_finish(&out, &rows[i]);
    }
    bench_value(&out, "grouped / shuffled, rate of a pass", "times", medians[0] / medians[1]);
    bench_value(&out, "grouped / shuffled, rate of vyre_run_with", "times",
                medians[2] / medians[3]);
    free(order);
    free(grouped);
}

static void run_group(const vyre_desc *base, const vyre_info *info)
{
    const uint32_t count = quick ? 1u << 12 : 1u << 20;
    vyre_work *works = adds_new(count);
    vyre_desc d = plan_for(*base, info, count, VYRE_PLAN_THROUGHPUT);
    vyre *v = open_handle(&d);
    for (uint32_t i = 0; i < count; i++)
        works[i] = six_of(i, i % 6 == 1 ? 2 : i % 6);
    check(vyre_run(v, works, 48, NULL, &err)); /* every word holds 7 */
    uint64_t random = 0x9e3779b97f4a7c15u;
    for (uint32_t i = 0; i < count; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        works[i] = six_of(i, (uint32_t)(random >> 33) % 6);
    }
    measure_group(v, works, count);
    vyre_close(v);
    free(works);
}

/* --- waves ------------------------------------------------------------------------ */

enum { CHAIN = 64 };

static void run_chain(const vyre_desc *base, bool events)
{
    vyre_work works[CHAIN];
    vyre_work_access accesses[CHAIN];
    uint32_t ids[CHAIN + 1];
    vyre_run_desc run;
    char path[112];
    vyre_desc d = *base;
    d.events = events;
    vyre *v = open_handle(&d);
    memset(&run, 0, sizeof run);
    for (uint32_t i = 0; i <= CHAIN; i++)
        ids[i] = i;
    for (uint32_t i = 0; i < CHAIN; i++) {
        works[i] = add_one;
        accesses[i].reads = &ids[i];
        accesses[i].writes = &ids[i + 1];
        accesses[i].read_count = accesses[i].write_count = 1;
    }
    run.works = works;
    run.count = CHAIN;
    run.accesses = accesses;
    check(vyre_start(v, &err));
    snprintf(path, sizeof path, "there and back%s", events ? ", events" : "");
    bench_row trips = bench_row_new(path, MOST);
    snprintf(path, sizeof path, "a wave of one of %u%s", (unsigned)CHAIN, events ? ", events" : "");
    bench_row chains = bench_row_new(path, MOST);
    round_trips(v, &trips, seconds / 4, MOST);
    const uint32_t before = sum_of(v);
    const uint64_t end = bench_now() + (uint64_t)(seconds / 2 * 1e9);
    uint32_t runs = 0;
    for (uint64_t last = bench_now(), now = last; now < end || runs < 5; last = now, runs++) {
        check(vyre_run_with(v, &run, NULL, &err));
        now = bench_now();
        bench_add(&chains, (double)(now - last) / CHAIN);
    }
    check_sum(v, before, (uint64_t)runs * CHAIN, path);
    vyre_close(v);
    const double trip = bench_finish(&out, &trips), wave = bench_finish(&out, &chains);
    snprintf(path, sizeof path, "a wave / there and back%s", events ? ", events" : "");
    bench_value(&out, path, "times", wave / trip);
}

int main(int argc, char **argv)
{
    bench_usage(argc, argv, "[--csv] [--quick] [--seconds N] [--sweep] [--tune] [--group]");
    const bool sweep = bench_flag(argc, argv, "--sweep"), tune = bench_flag(argc, argv, "--tune");
    const bool group = bench_flag(argc, argv, "--group"), all = !sweep && !tune && !group;
    seconds = bench_number(argc, argv, "--seconds", 0.5);
    quick = bench_flag(argc, argv, "--quick");
    if (quick)
        seconds = 0.02;
    vyre_desc base;
    vyre_info info;
    memset(&base, 0, sizeof base);
    base.backend = quick ? VYRE_BACKEND_CPU : VYRE_BACKEND_AUTO; /* which opens at once */
    vyre *v = open_handle(&base);
    vyre_query(v, &info);
    vyre_close(v);
    out.bench = "plan";
    out.unit = "ns";
    out.csv = bench_flag(argc, argv, "--csv");
    snprintf(out.device, sizeof out.device, "%s", info.device);
    snprintf(out.driver, sizeof out.driver, "%s", info.driver);
    snprintf(out.settings, sizeof out.settings, "%g s a row at most", seconds);
    bench_heading(&out);
    if (all || sweep)
        run_sweep(&base, &info);
    for (int goal = 0; goal < (quick ? 1 : 2) && (all || tune); goal++)
        for (uint32_t slots = 256; slots <= (quick ? 256u : 16384u); slots *= 64)
            run_tune(&base, slots, goal);
    if (all || group) {
        run_group(&base, &info);
        run_chain(&base, false);
        if (!quick)
            run_chain(&base, true);
    }
    return 0;
}

/* devices: the same work on one device, and on each of several at the same time
 *
 *     bench/devices [--csv] [--quick] [--seconds N]
 *
 * A thread and handles for each device that DEVICES names ("0,1"; by default the first
 * one twice, which shares it).  A full ring is drained by one pass; works are published
 * while a kernel runs, and drained; saxpy runs over what the device holds already, a wide
 * work after the other; resident text is scanned for 32 patterns.  By turns the first device
 * alone, and all of them, each with as much to do: a sample is the time from the first one's
 * begin to the last one's end.  "Times" is how much more all of them do than the one, in the
 * same time; the rate is in slots, works, bytes.  --seconds is for each row.
 */
#define _GNU_SOURCE
#define VYRE_IMPLEMENTATION
#include "../vyre.h"

#include "bench.h"

#include <pthread.h>

#define MOST      8u
#define OP_SAXPY  0x1000u
#define PATTERNS  32u
#define LETTERS   8u
#define PLANTED   4096u
#define IN_FLIGHT 8u

static double   seconds_each = 0.5;
static uint32_t slot_count = 1u << 18, work_count = 1u << 18;
static uint32_t floats = 1u << 26, text_bytes = 1u << 30;

/* One device with its thread, and what the workload at hand has opened there. */
typedef struct station {
    struct plant *of;
    const char   *device; /* NULL: the default one */
    pthread_t     thread;
    vyre         *v;
    vyre_scan    *scan;
    vyre_automaton automaton; /* the scan's */
    vyre_hit     *hits;
    uint64_t      begin, end;
} station;

typedef struct workload {
    const char *name;
    double (*amount)(void); /* of slots, works, bytes, in one run */
    void (*open)(station *s);
    void (*prepare)(station *s);
    void (*run)(station *s);
} workload;

typedef struct plant {
    station           all[MOST];
    uint32_t          count, active; /* those below `active` run */
    const workload   *load;          /* NULL: the threads go home */
    pthread_barrier_t gate;
} plant;

static void check(vyre_status status, const vyre_error *err)
{
    if (status == VYRE_OK)
        return;
    fprintf(stderr, "devices: %s\n%s\n", err->text, err->fix);
    exit(1);
}

static vyre_desc desc_of(const station *s)
{
    vyre_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.device = s->device;
    return desc;
}

static void open_handle(station *s, const vyre_desc *desc)
{
    vyre_error err;
    s->v = vyre_open(desc, &err);
    check(s->v ? VYRE_OK : err.status, &err);
}

static void nothing_to_prepare(station *s) { (void)s; }

/* --- a full ring --------------------------------------------------------------------- */

static double slots_drained(void) { return slot_count; }

static void open_ring(station *s)
{
    vyre_desc desc = desc_of(s);
    desc.kernel.slot_count = slot_count;
    open_handle(s, &desc);
}

static void fill_ring(station *s)
{
    static const vyre_work nothing[256];
    vyre_error err;
    uint32_t published;
    vyre_ticket last;
    for (uint32_t i = 0; i < slot_count; i += 256)
        check(vyre_publish_many(s->v, nothing, 256, &published, &last, &err), &err);
}

static void drain_ring(station *s)
{
    vyre_error err;
    vyre_stats stats;
    check(vyre_dispatch_resident(s->v, 1, &stats, &err), &err);
    if (stats.done != slot_count) {
        fprintf(stderr, "devices: %llu slots of %u were drained\n",
                (unsigned long long)stats.done, slot_count);
        exit(1);
    }
}

/* --- works that a running kernel serves ------------------------------------------------ */

static double works_served(void) { return work_count; }

static void open_live(station *s)
{
    vyre_desc desc = desc_of(s);
    vyre_error err;
    desc.kernel.slot_count = 4096;
    open_handle(s, &desc);
    check(vyre_start(s->v, &err), &err);
}

static void publish_and_drain(station *s)
{
    static const vyre_work nothing[256];
    vyre_error err;
    vyre_ticket last;
    uint32_t published;
    for (uint32_t done = 0; done < work_count; done += published) {
        const uint32_t left = work_count - done;
        const vyre_status status = vyre_publish_many(s->v, nothing, left < 256 ? left : 256,
                                                     &published, &last, &err);
        if (status != VYRE_FULL)
            check(status, &err);
    }
    check(vyre_drain(s->v, VYRE_FOREVER, &err), &err);
}

/* --- saxpy on resident data ---------------------------------------------------------- */

static double bytes_of_saxpy(void) { return floats * 12.0 * IN_FLIGHT; }

static void open_saxpy(station *s)
{
    static const vyre_handler saxpy = {
        OP_SAXPY, NULL, NULL, "saxpy", VYRE_WIDTH_RANGE, 0,
        "y[index] = y[index] + x[index] * asfloat(arg[2]);", 0
    };
    static const vyre_place places[2] = { VYRE_PLACE_DEVICE, VYRE_PLACE_DEVICE };
    static vyre_buffer_desc buffers[2] = {
        { "x", VYRE_BINDING_USER, VYRE_TYPE_F32, VYRE_ACCESS_READ, 0, false, 0, 0 },
        { "y", VYRE_BINDING_USER + 1, VYRE_TYPE_F32, VYRE_ACCESS_READ_WRITE, 0, false, 0, 0 },
    };
    vyre_desc desc = desc_of(s);
    vyre_error err;
    buffers[0].count = buffers[1].count = floats;
    desc.kernel.handlers = &saxpy;
    desc.kernel.handler_count = 1;
    desc.kernel.buffers = buffers;
    desc.kernel.buffer_count = 2;
    desc.buffer_places = places;
    open_handle(s, &desc);
    check(vyre_start(s->v, &err), &err);
}

static void run_saxpy(station *s)
{
    static const vyre_work work = { OP_SAXPY, 0, VYRE_PRIORITY_NORMAL, 3, { 0, 0, 0x40000000 } };
    vyre_work works[IN_FLIGHT];
    vyre_error err;
    uint32_t published;
    vyre_ticket last;
    for (uint32_t i = 0; i < IN_FLIGHT; i++) {
        works[i] = work;
        works[i].args[1] = floats;
    }
    check(vyre_publish_many(s->v, works, IN_FLIGHT, &published, &last, &err), &err);
    check(vyre_drain(s->v, VYRE_FOREVER, &err), &err);
}

/* --- a scan --------------------------------------------------------------------------- */

static uint32_t planted(void) { return text_bytes / PLANTED; }

static double bytes_of_text(void) { return text_bytes; }

/* A block of lower-case letters over and over, with a pattern in each PLANTED bytes, in
 * upper case. */
static void fill_text(uint8_t *text, const char (*words)[LETTERS])
{
    static uint8_t block[PATTERNS * PLANTED];
    uint32_t seed = 1;
    for (uint32_t i = 0; i < sizeof block; i++) {
        seed = seed * 1664525u + 1013904223u;
        block[i] = (uint8_t)('a' + (seed >> 16) % 26u);
    }
    for (uint32_t i = 0; i < PATTERNS; i++)
        memcpy(block + i * PLANTED + PLANTED / 2, words[i], LETTERS);
    for (uint32_t at = 0; at < text_bytes; at += sizeof block)
        memcpy(text + at, block, text_bytes - at < sizeof block ? text_bytes - at : sizeof block);
}

static void open_scan(station *s)
{
    char words[PATTERNS][LETTERS];
    vyre_pattern patterns[PATTERNS];
    vyre_scan_desc desc;
    vyre_error err;
    memset(&desc, 0, sizeof desc);
    memset(patterns, 0, sizeof patterns);
    for (uint32_t i = 0; i < PATTERNS; i++) {
        for (uint32_t k = 0; k < LETTERS; k++)
            words[i][k] = (char)('A' + (i * 7 + k * k + i * k) % 26);
        words[i][0] = (char)('A' + i % 26);
        words[i][1] = (char)('A' + i / 26);
        patterns[i].bytes = words[i];
        patterns[i].size = LETTERS;
        patterns[i].id = i;
    }
    check(vyre_automaton_make(patterns, PATTERNS, NULL, &s->automaton, &err), &err);
    desc.engine = desc_of(s);
    desc.automaton = &s->automaton;
    desc.text_bytes = text_bytes + 64u;
    desc.hits = planted();
    s->scan = vyre_scan_open(&desc, &err);
    check(s->scan ? VYRE_OK : err.status, &err);
    fill_text((uint8_t *)vyre_scan_map(s->scan, NULL), (const char (*)[LETTERS])words);
    s->hits = (vyre_hit *)malloc(planted() * sizeof *s->hits);
    if (!s->hits)
        exit(1);
}

static void run_scan(station *s)
{
    const vyre_scan_text text = { vyre_scan_map(s->scan, NULL), text_bytes, 0, 0, 0, false };
    vyre_scan_report report;
    vyre_error err;
    check(vyre_scan_run(s->scan, &text, 1, s->hits, planted(), &report, &err), &err);
    if (report.found != planted()) {
        fprintf(stderr, "devices: %llu hits, not %u\n", (unsigned long long)report.found,
                planted());
        exit(1);
    }
}

/* --- all of them ---------------------------------------------------------------------- */

static const workload workloads[] = {
    { "a full ring of NOP, one pass", slots_drained, open_ring, fill_ring,
      drain_ring },
    { "works published by 256 and drained", works_served, open_live,
      nothing_to_prepare, publish_and_drain },
    { "saxpy on resident data, eight works", bytes_of_saxpy, open_saxpy,
      nothing_to_prepare, run_saxpy },
    { "resident text, 32 patterns", bytes_of_text, open_scan, nothing_to_prepare,
      run_scan },
};

static void *work_at(void *user)
{
    station *s = (station *)user;
    plant *p = s->of;
    for (;;) {
        pthread_barrier_wait(&p->gate); /* `load` and `active` are set */
        if (!p->load)
            return NULL;
        const bool runs = s < p->all + p->active;
        if (runs)
            p->load->prepare(s);
        pthread_barrier_wait(&p->gate);
        s->begin = bench_now();
        if (runs)
            p->load->run(s);
        s->end = bench_now();
        pthread_barrier_wait(&p->gate); /* times are there */
    }
}

static void close_station(station *s)
{
    vyre_close(s->v);
    vyre_scan_close(s->scan);
    vyre_automaton_free(&s->automaton);
    free(s->hits);
    s->v = NULL;
    s->scan = NULL;
    s->hits = NULL;
}

/* From the first begin to the last end, in ns. */
static double round_of(plant *p, const workload *load, uint32_t active)
{
    uint64_t begin = UINT64_MAX, end = 0;
    p->load = load;
    p->active = active;
    for (int gates = 0; gates < 3; gates++)
        pthread_barrier_wait(&p->gate);
    for (uint32_t i = 0; i < active; i++) {
        begin = p->all[i].begin < begin ? p->all[i].begin : begin;
        end = p->all[i].end > end ? p->all[i].end : end;
    }
    return (double)(end - begin);
}

static void measure(const bench_output *out, plant *p, const workload *load)
{
    const char *const who[2] = { "one device", "all devices" };
    bench_row rows[2];
    char path[112];
    double median[2];
    for (uint32_t i = 0; i < p->count; i++)
        load->open(&p->all[i]);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s: %s", load->name, who[i]);
        rows[i] = bench_row_new(path, 100000);
        round_of(p, load, p->count); /* all are awake */
    }
    const uint64_t end = bench_now() + (uint64_t)(seconds_each * 2e9);
    do {
        bench_add(&rows[0], round_of(p, load, 1));
        bench_add(&rows[1], round_of(p, load, p->count));
    } while (bench_now() < end);
    for (int i = 0; i < 2; i++) {
        qsort(rows[i].samples, rows[i].count, sizeof(double), bench_order);
        rows[i].rate = load->amount() * (i ? p->count : 1) * 1e9 / bench_quantile(&rows[i], 0.5);
        median[i] = bench_finish(out, &rows[i]);
    }
    snprintf(path, sizeof path, "%s: all against one", load->name);
    bench_value(out, path, "times", p->count * median[0] / median[1]);
    for (uint32_t i = 0; i < p->count; i++)
        close_station(&p->all[i]);
}

/* "0,1" in pieces; two stations on one device where nothing is named. */
static void name_devices(plant *p, char *names)
{
    for (char *name = strtok(names, ","); name && p->count < MOST; name = strtok(NULL, ","))
        p->all[p->count++].device = name;
    if (p->count == 0)
        p->count = 2;
}

static void describe(const plant *p, bench_output *out, const char *given)
{
    vyre_info info;
    vyre_error err;
    const vyre_desc desc = desc_of(&p->all[0]);
    vyre *v = vyre_open(&desc, &err);
    check(v ? VYRE_OK : err.status, &err);
    vyre_query(v, &info);
    snprintf(out->device, sizeof out->device, "%.127s", info.device);
    snprintf(out->driver, sizeof out->driver, "%.127s", info.driver);
    snprintf(out->settings, sizeof out->settings, "%u slots, %u floats, %u bytes of text, %s",
             slot_count, floats, text_bytes, given ? given : "one device twice");
    if (info.backend == VYRE_BACKEND_CPU || info.probe.loop_limited) { /* a processor */
        floats = floats < 1u << 20 ? floats : 1u << 20;
        text_bytes = text_bytes < 1u << 22 ? text_bytes : 1u << 22;
    }
    vyre_close(v);
}

int main(int argc, char **argv)
{
    static plant p;
    static char names[64];
    bench_usage(argc, argv, "[--csv] [--quick] [--seconds N]");
    seconds_each = bench_number(argc, argv, "--seconds", 0.5);
    if (bench_flag(argc, argv, "--quick")) {
        seconds_each = 0.01;
        slot_count = work_count = 1u << 10;
        floats = 1u << 12;
        text_bytes = 1u << 16;
    }
    bench_output out = bench_cpu("devices", "us", "", bench_flag(argc, argv, "--csv"));
    const char *given = getenv("DEVICES");
    snprintf(names, sizeof names, "%s", given ? given : "");
    name_devices(&p, names);
    describe(&p, &out, given);
    bench_heading(&out);
    pthread_barrier_init(&p.gate, NULL, p.count + 1);
    for (uint32_t i = 0; i < p.count; i++) {
        p.all[i].of = &p;
        if (pthread_create(&p.all[i].thread, NULL, work_at, &p.all[i]) != 0)
            return 1;
    }
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++)
        measure(&out, &p, &workloads[i]);
    p.load = NULL;
    pthread_barrier_wait(&p.gate);
    for (uint32_t i = 0; i < p.count; i++)
        pthread_join(p.all[i].thread, NULL);
    pthread_barrier_destroy(&p.gate);
    return 0;
}

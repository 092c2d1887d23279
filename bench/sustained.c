/* sustained: persistent work for a minute
 *
 *     bench/sustained [--csv] [--quick] [--host] [--seconds N] [--slots N]
 *
 * One producer keeps 1, 8 or 64 jobs in flight, publishing one at a time; then
 * 64 again, published in batches of 32.  --seconds is shared by the four.  Two
 * rows for each: the latency of a job, with the rate over the whole time; and
 * the time for each job by windows of 100 ms, whose maximum, and whose rate, is
 * that of the worst window.  The first window, which starts the kernel, is left
 * out.  To ask for the time takes as long as to publish: with 64 in flight,
 * published one at a time, every eighth job is timed.
 * With --host a thread beside each load reads the clock and does nothing else: a
 * row of the gaps of 2 us and more that it found, whose rate is that of its
 * readings; and a line with what else tells the machine from the library: how often
 * the producer lost its processor, where it was, and how many leases there were.
 */
#define _GNU_SOURCE
#define VYRE_IMPLEMENTATION
#include "../vyre.h"

#include "bench.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#define MAX_FLIGHT   64u
#define MAX_SAMPLES  4000000u
#define MAX_WINDOWS  100000u
#define WINDOW_NS    100000000u
#define BATCH        32u
#define TIMED        8u /* one of so many; divides MAX_FLIGHT */
#define GAP_NS       2000u

static double   seconds_all = 60;
static uint32_t ring_slots = 256;
static bool     host_too;

static const vyre_work add_one = { VYRE_OP_ATOMIC_ADD, 0, VYRE_PRIORITY_NORMAL, 2,
                                   { 1, VYRE_CONTROL_OBSERVABLES } };

static void check(vyre_status status, const vyre_error *err)
{
    if (status == VYRE_OK)
        return;
    fprintf(stderr, "sustained: %s\n", status < 0 ? err->text : vyre_status_text(status));
    exit(1);
}

/* --- windows ---------------------------------------------------------------- */

/* Jobs that ended since the window began. */
typedef struct windows {
    bench_row row; /* ns for each job */
    uint64_t  begin;
    uint32_t  jobs, seen;
} windows;

static windows windows_new(const char *path)
{
    windows w;
    memset(&w, 0, sizeof w);
    w.row = bench_row_new(path, MAX_WINDOWS);
    w.begin = bench_now();
    return w;
}

static void windows_add(windows *w, uint64_t now, uint32_t jobs)
{
    w->jobs += jobs;
    if (now - w->begin < WINDOW_NS)
        return;
    const double each = (double)(now - w->begin) / w->jobs;
    if (w->seen++ > 0) {
        bench_add(&w->row, each);
        if (w->row.rate == 0 || 1e9 / each < w->row.rate)
            w->row.rate = 1e9 / each;
    }
    w->begin = now;
    w->jobs = 0;
}

/* --- the host beside it ------------------------------------------------------ */

typedef struct host {
    pthread_t     thread;
    uint32_t      over;
    bench_row     gaps;
    struct rusage before;
    vyre_info     info;
    int           processor;
} host;

static void *host_main(void *user)
{
    host *h = (host *)user;
    const uint64_t begin = bench_now();
    uint64_t last = begin, readings = 0;
    while (!__atomic_load_n(&h->over, __ATOMIC_ACQUIRE)) {
        const uint64_t now = bench_now();
        if (now - last >= GAP_NS)
            bench_add(&h->gaps, (double)(now - last));
        last = now;
        readings++;
    }
    h->gaps.rate = (double)readings * 1e9 / (double)(last - begin);
    return NULL;
}

static void host_begin(host *h, vyre *v, const char *load)
{
    char path[112];
    memset(h, 0, sizeof *h);
    if (!host_too)
        return;
    snprintf(path, sizeof path, "%.60s, gaps of a thread beside it", load);
    h->gaps = bench_row_new(path, MAX_SAMPLES);
    vyre_query(v, &h->info);
    getrusage(RUSAGE_THREAD, &h->before);
    h->processor = sched_getcpu();
    if (pthread_create(&h->thread, NULL, host_main, h) != 0)
        exit(1);
}

static void host_end(host *h, vyre *v, const bench_output *out)
{
    struct rusage now;
    vyre_info info;
    double gone = 0;
    if (!host_too)
        return;
    getrusage(RUSAGE_THREAD, &now);
    vyre_query(v, &info);
    __atomic_store_n(&h->over, 1, __ATOMIC_RELEASE);
    pthread_join(h->thread, NULL);
    for (size_t i = 0; i < h->gaps.count; i++)
        gone += h->gaps.samples[i];
    bench_finish(out, &h->gaps);
    if (!out->csv)
        printf("| (%.2f ms of gaps; the producer lost its processor %ld times, %d to %d; %llu "
               "leases of %llu us) |\n", gone / 1e6,
               now.ru_nivcsw - h->before.ru_nivcsw, h->processor, sched_getcpu(),
               (unsigned long long)(info.leases - h->info.leases),
               (unsigned long long)(info.lease_ns / 1000));
}

/* --- the load --------------------------------------------------------------- */

typedef struct load {
    vyre       *v;
    uint32_t    flight, batch;
    uint32_t    timed; /* one job of so many, or batch; divides `flight` */
    vyre_work   works[BATCH];
    vyre_ticket tickets[MAX_FLIGHT]; /* of job i: i % flight; of a batch: its last job's */
    uint64_t    begun[MAX_FLIGHT];
    uint64_t    published, waited;
} load;

/* `now` is when the last timed job was seen to end.  A timed job takes its place:
 * whatever the host does between the two counts as the job's. */
static void load_publish(load *l, uint64_t now)
{
    vyre_error err;
    uint32_t count = 0;
    const uint64_t at = l->published / l->batch % MAX_FLIGHT;
    l->begun[at] = now;
    if (l->batch == 1)
        check(vyre_publish(l->v, &add_one, &l->tickets[at], &err), &err);
    else
        check(vyre_publish_many(l->v, l->works, l->batch, &count, &l->tickets[at], &err), &err);
    l->published += l->batch;
}

/* Waits for the oldest job, or for the last one of the oldest batch.  When that was
 * if it is timed; `now` if not. */
static uint64_t load_wait(load *l, bench_row *latency, uint64_t now)
{
    vyre_error err;
    const uint64_t number = l->waited / l->batch, at = number % MAX_FLIGHT;
    check(vyre_wait(l->v, l->tickets[at], 5000000000ull, &err), &err);
    l->waited += l->batch;
    if (number % l->timed != 0)
        return now;
    now = bench_now();
    bench_add(latency, (double)(now - l->begun[at]));
    return now;
}

static void load_run(load *l, double seconds, bench_row *latency, windows *w)
{
    const uint64_t begin = bench_now(), end = begin + (uint64_t)(seconds * 1e9);
    uint64_t now = begin;
    while (now < end) {
        while (l->published - l->waited < l->flight)
            load_publish(l, now);
        now = load_wait(l, latency, now);
        windows_add(w, now, l->batch);
    }
    latency->rate = (double)l->waited * 1e9 / (double)(now - begin);
    while (l->waited < l->published)
        now = load_wait(l, latency, now);
}

static void measure(const bench_output *out, vyre *v, uint32_t flight, uint32_t batch,
                    uint64_t *jobs)
{
    static load l;
    host h;
    char path[100];
    memset(&l, 0, sizeof l);
    l.v = v;
    l.flight = flight;
    l.batch = batch;
    l.timed = flight == MAX_FLIGHT && batch == 1 ? TIMED : 1;
    for (uint32_t i = 0; i < BATCH; i++)
        l.works[i] = add_one;
    snprintf(path, sizeof path, "%u in flight%s", flight, batch > 1 ? ", batches of 32" : "");
    bench_row latency = bench_row_new(path, MAX_SAMPLES);
    snprintf(path, sizeof path, "%u in flight%s, time a job in windows of 100 ms", flight,
             batch > 1 ? ", batches of 32" : "");
    windows w = windows_new(path);
    host_begin(&h, v, latency.path);
    load_run(&l, seconds_all / 4, &latency, &w);
    *jobs += l.published;
    bench_finish(out, &latency);
    bench_finish(out, &w.row);
    host_end(&h, v, out);
}

static void on_backend(vyre_backend backend, bool csv)
{
    vyre_error err;
    vyre_desc desc;
    vyre_info info;
    memset(&desc, 0, sizeof desc);
    desc.backend = backend;
    desc.kernel.slot_count = ring_slots;
    vyre *v = vyre_open(&desc, &err);
    if (!v) {
        fprintf(stderr, "sustained: %s\n", err.text);
        exit(1);
    }
    vyre_query(v, &info);
    check(vyre_start(v, &err), &err);
    bench_output out = bench_cpu("sustained", "us", "", csv);
    snprintf(out.device, sizeof out.device, "%s", info.device);
    snprintf(out.driver, sizeof out.driver, "%s", info.driver);
    snprintf(out.settings, sizeof out.settings, "%g s a load, %u slots, one producer",
             seconds_all / 4, ring_slots);
    bench_heading(&out);
    uint64_t jobs = 0;
    uint32_t sum = 0;
    measure(&out, v, 1, 1, &jobs);
    measure(&out, v, 8, 1, &jobs);
    measure(&out, v, 64, 1, &jobs);
    measure(&out, v, 64, BATCH, &jobs);
    check(vyre_stop(v, 5000000000ull, &err), &err);
    check(vyre_observable(v, 0, &sum, &err), &err);
    if (sum != (uint32_t)jobs) {
        fprintf(stderr, "sustained: the sum is %u after %u jobs\n", sum, (uint32_t)jobs);
        exit(1);
    }
    vyre_close(v);
}

int main(int argc, char **argv)
{
    bench_usage(argc, argv, "[--csv] [--quick] [--host] [--seconds N] [--slots N]");
    seconds_all = bench_number(argc, argv, "--seconds", 60);
    if (bench_flag(argc, argv, "--quick"))
        seconds_all = 1.2; /* two windows for each */
    host_too = bench_flag(argc, argv, "--host");
    ring_slots = (uint32_t)bench_number(argc, argv, "--slots", 256);
    if (ring_slots < MAX_FLIGHT || ring_slots > VYRE_MAX_SLOTS) {
        fprintf(stderr, "sustained: --slots takes 64 to %u\n", VYRE_MAX_SLOTS);
        return 1;
    }
    on_backend(VYRE_BACKEND_AUTO, bench_flag(argc, argv, "--csv"));
    return 0;
}

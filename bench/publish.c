/* publish: what it costs the host to publish a slot
 *
 *     bench/publish [--csv] [--quick] [--seconds N] [--slots N]
 *
 * One to four threads publish a burst each, all at the same time, into a ring
 * that is empty and served by a running kernel: one slot at a time or in batches.
 * "producers" have a share of the ring each (vyre_producer_publish); "threads"
 * have none (vyre_publish).  Then the ring is drained, untimed, and the next burst
 * follows.  A sample is a thread's time for its burst, divided by the slots in it;
 * the rate is of all together.
 * The first rows are the wire's own functions on plain memory, without an
 * engine: what the bytes cost.  Before the rows of a device stand the floors of
 * its memory: bare lines of 64 bytes, with as many store fences as named.  A lone
 * producer's bursts go by turns with bursts of its works as bare lines, stored
 * directly: a host that slows down slows down both.
 * --seconds is for each row.
 */
#define _GNU_SOURCE
#define VYRE_IMPLEMENTATION
#include "../vyre.h"

#include "bench.h"

#include <pthread.h>
#include <sched.h>

#define MAX_PRODUCERS 4u
#define MAX_BURST     1024u
#define MAX_SAMPLES   1000000u

static double   seconds_each = 0.5;
static uint32_t ring_slots = 4096;

static const vyre_work add_one = { VYRE_OP_ATOMIC_ADD, 0, VYRE_PRIORITY_NORMAL, 2,
                                   { 1, VYRE_CONTROL_OBSERVABLES } };

static void check(vyre_status status, const vyre_error *err)
{
    if (status == VYRE_OK)
        return;
    fprintf(stderr, "publish: %s\n%s\n", err->text, err->fix);
    exit(1);
}

/* --- producers -------------------------------------------------------------- */

typedef struct race race;

typedef struct producer {
    race    *of;
    vyre_producer *share; /* or NULL */
    pthread_t thread;
    uint64_t begin, end; /* of the last burst */
} producer;

struct race {
    vyre     *v;
    uint64_t *bare;     /* where bursts of bare lines go, or NULL */
    vyre_work works[MAX_BURST];
    uint32_t  producers, burst, batch;
    uint32_t  turn;    /* odd: the burst is on; UINT32_MAX: go home */
    uint32_t  arrived; /* producers that have ended their burst */
    producer  all[MAX_PRODUCERS];
};

static void publish_one_by_one(const race *r, vyre_producer *share)
{
    vyre_error err;
    vyre_ticket ticket;
    for (uint32_t i = 0; i < r->burst && share; i++)
        check(vyre_producer_publish(share, &r->works[i], &ticket, &err), &err);
    for (uint32_t i = 0; i < r->burst && !share; i++)
        check(vyre_publish(r->v, &r->works[i], &ticket, &err), &err);
}

static void publish_burst(const race *r, vyre_producer *share)
{
    vyre_error err;
    vyre_ticket ticket;
    uint32_t published;
    if (r->batch == 1) {
        publish_one_by_one(r, share);
        return;
    }
    for (uint32_t i = 0; i < r->burst; i += r->batch)
        check(share ? vyre_producer_publish_many(share, r->works + i, r->batch, &published,
                                                 &ticket, &err)
                    : vyre_publish_many(r->v, r->works + i, r->batch, &published, &ticket, &err),
              &err);
}

static void timed_burst(producer *p)
{
    p->begin = bench_now();
    publish_burst(p->of, p->share);
    p->end = bench_now();
    __atomic_fetch_add(&p->of->arrived, 1, __ATOMIC_ACQ_REL);
}

/* Producers spin for their turn; yielding lets more of them than processors
 * get there. */
static void *producer_main(void *user)
{
    producer *p = (producer *)user;
    for (uint32_t turn = 1;; turn++) {
        uint32_t now;
        while ((now = __atomic_load_n(&p->of->turn, __ATOMIC_ACQUIRE)) < turn)
            sched_yield();
        if (now == UINT32_MAX)
            return NULL;
        timed_burst(p);
    }
}

/* The works alone, without an engine. */
static void bare_burst(const race *r, bench_row *row)
{
    const uint64_t begin = bench_now();
    for (uint32_t i = 0; i < r->burst; i++)
        vyi_store_line(r->bare + 8 * i, (const vyi_line *)&r->works[i]);
    bench_add(row, (double)(bench_now() - begin) / r->burst);
    bench_fence_stores();
}

/* One burst of every thread, and the drain; the caller is the first. */
static void race_run(race *r, bench_row *row, double *wall, uint32_t turn)
{
    vyre_error err;
    __atomic_store_n(&r->arrived, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&r->turn, turn, __ATOMIC_RELEASE);
    timed_burst(&r->all[0]);
    while (__atomic_load_n(&r->arrived, __ATOMIC_ACQUIRE) < r->producers)
        sched_yield();
    check(vyre_drain(r->v, 10000000000ull, &err), &err);
    uint64_t first = UINT64_MAX, last = 0;
    for (uint32_t i = 0; i < r->producers; i++) {
        const producer *p = &r->all[i];
        first = p->begin < first ? p->begin : first;
        last = p->end > last ? p->end : last;
        if (turn > 10)
            bench_add(row, (double)(p->end - p->begin) / r->burst);
    }
    *wall += turn > 10 ? (double)(last - first) : 0;
}

static uint64_t race_loop(race *r, bench_row *row, bench_row *bare)
{
    const uint64_t end = bench_now() + (uint64_t)(seconds_each * 1e9);
    uint32_t turn = 0;
    double wall = 0;
    for (uint32_t i = 1; i < r->producers; i++)
        pthread_create(&r->all[i].thread, NULL, producer_main, &r->all[i]);
    while (turn < 20 || bench_now() < end) {
        race_run(r, row, &wall, ++turn);
        if (r->bare)
            bare_burst(r, bare);
    }
    __atomic_store_n(&r->turn, UINT32_MAX, __ATOMIC_RELEASE);
    for (uint32_t i = 1; i < r->producers; i++)
        pthread_join(r->all[i].thread, NULL);
    row->rate = (double)(turn - 10) * r->producers * r->burst * 1e9 / wall;
    return (uint64_t)turn * r->producers * r->burst;
}

static void open_shares(race *r)
{
    vyre_error err;
    for (uint32_t i = 0; i < r->producers; i++) {
        r->all[i].share = vyre_producer_open(r->v, ring_slots / (2 * MAX_PRODUCERS), &err);
        if (!r->all[i].share)
            check(err.status, &err);
    }
}

static void measure(const bench_output *out, vyre *v, const char *where, uint64_t *bare,
                    bool shares, uint32_t producers, uint32_t batch, uint64_t *jobs)
{
    static race r;
    char how[32], path[112], bare_path[112];
    memset(&r, 0, sizeof r);
    r.v = v;
    r.bare = bare;
    r.producers = producers;
    r.batch = batch;
    r.burst = ring_slots / (4 * MAX_PRODUCERS);
    r.burst = r.burst < MAX_BURST ? r.burst : MAX_BURST;
    for (uint32_t i = 0; i < MAX_BURST; i++)
        r.works[i] = add_one;
    for (uint32_t i = 0; i < MAX_PRODUCERS; i++)
        r.all[i].of = &r;
    if (batch == 1)
        snprintf(how, sizeof how, "one at a time");
    else
        snprintf(how, sizeof how, "batches of %u", batch);
    snprintf(path, sizeof path, "%s, %s, %s: %u", where, how, shares ? "producers" : "threads",
             producers);
    if (shares)
        open_shares(&r);
    snprintf(bare_path, sizeof bare_path, "%s, bare lines by turns with %s", where, how);
    bench_row row = bench_row_new(path, MAX_SAMPLES);
    bench_row lines = bench_row_new(bare_path, MAX_SAMPLES);
    *jobs += race_loop(&r, &row, &lines);
    for (uint32_t i = 0; i < producers; i++)
        vyre_producer_close(r.all[i].share);
    bench_finish(out, &row);
    if (bare)
        bench_finish(out, &lines);
    else
        bench_row_free(&lines);
}

/* --- floors ------------------------------------------------------------------ */

#define DIRECT (-1)

/* A line whose first word comes last, as a slot's status does. */
static void write_line(volatile uint64_t *line, int fences)
{
    static const uint64_t words[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    if (fences == DIRECT) {
        vyi_store_line((void *)(uintptr_t)line, (const vyi_line *)words);
        return;
    }
    for (int i = 1; i < 8; i++)
        line[i] = (uint64_t)i;
    if (fences > 1)
        bench_fence_stores();
    line[0] = 1;
    if (fences > 0)
        bench_fence_stores();
}

static void floor_of(const bench_output *out, const char *where, int fences, void *memory)
{
    char path[112];
    const uint32_t lines = ring_slots / (4 * MAX_PRODUCERS);
    if (fences == DIRECT)
        snprintf(path, sizeof path, "%s, a bare line, one direct store", where);
    else
        snprintf(path, sizeof path, "%s, a bare line, store fences: %d", where, fences);
    bench_row row = bench_row_new(path, MAX_SAMPLES);
    const uint64_t end = bench_now() + (uint64_t)(seconds_each * 1e9 / 4);
    while (row.count < 20 || bench_now() < end) {
        const uint64_t begin = bench_now();
        for (uint32_t i = 0; i < lines; i++)
            write_line((volatile uint64_t *)memory + 8 * i, fences);
        bench_add(&row, (double)(bench_now() - begin) / lines);
        bench_fence_stores();
    }
    bench_finish(out, &row);
}

/* --- a backend --------------------------------------------------------------- */

/* `room`: with a buffer of the program's own, as large as the ring. */
static vyre *open_on(vyre_backend backend, bool room)
{
    vyre_error err;
    vyre_desc desc;
    vyre_buffer_desc lines;
    memset(&desc, 0, sizeof desc);
    memset(&lines, 0, sizeof lines);
    lines.binding = VYRE_BINDING_USER;
    lines.count = ring_slots * VYRE_SLOT_WORDS;
    desc.backend = backend;
    desc.kernel.slot_count = ring_slots;
    desc.kernel.buffers = &lines;
    desc.kernel.buffer_count = room;
    vyre *v = vyre_open(&desc, &err);
    if (!v)
        fprintf(stderr, "publish: %s\n", err.text);
    return v;
}

static void floors(const bench_output *out, const char *where, void *memory)
{
    for (int fences = vyi_has_store_line() ? DIRECT : 0; fences <= 2; fences++)
        floor_of(out, where, fences, memory);
}

/* By producers, then by threads, first by one: what is no producer's is one thread's
 * until a second one publishes there. */
static void rows(const bench_output *out, const char *where, vyre *v, uint64_t *bare)
{
    static const uint32_t batches[3] = { 1, 8, 64 };
    vyre_error err;
    uint64_t jobs = 0;
    uint32_t sum = 0;
    check(vyre_start(v, &err), &err);
    for (uint32_t shares = 2; shares-- > 0;)
        for (uint32_t threads = 1; threads <= MAX_PRODUCERS; threads++)
            for (uint32_t b = 0; b < 3; b++)
                if (threads == 1 || batches[b] != 8)
                    measure(out, v, where, threads == 1 && shares ? bare : NULL, shares != 0,
                            threads, batches[b], &jobs);
    check(vyre_stop(v, 5000000000ull, &err), &err);
    check(vyre_observable(v, 0, &sum, &err), &err);
    if (sum != (uint32_t)jobs) {
        fprintf(stderr, "publish: the sum is %u after %u jobs\n", sum, (uint32_t)jobs);
        exit(1);
    }
    vyre_close(v);
}

static void on_backend(vyre_backend backend, bool csv)
{
    vyre_info info;
    vyre *v = open_on(backend, false);
    if (!v)
        return;
    vyre_query(v, &info);
    bench_output out = bench_cpu("publish", "ns", "", csv);
    snprintf(out.device, sizeof out.device, "%s", info.device);
    snprintf(out.driver, sizeof out.driver, "%s", info.driver);
    snprintf(out.settings, sizeof out.settings, "%g s a row, %u slots, %u in a burst",
             seconds_each, ring_slots, ring_slots / (4 * MAX_PRODUCERS));
    bench_heading(&out);
    const char *where = backend == VYRE_BACKEND_CPU ? "CPU backend" : "Vulkan, device memory";
    vyre *room = backend == VYRE_BACKEND_VULKAN ? open_on(backend, true) : NULL;
    uint64_t *memory = room ? (uint64_t *)vyre_map(room, 0, NULL) : NULL;
    if (memory)
        floors(&out, where, memory);
    rows(&out, where, v, vyi_has_store_line() ? memory : NULL);
    if (room)
        vyre_close(room);
    bench_note(&out, " ");
}

/* --- the wire alone --------------------------------------------------------- */

static void wire(const bench_output *out, void *ring, size_t size, bool batch)
{
    static vyre_work works[MAX_BURST];
    vyre_error err;
    const uint32_t burst = MAX_BURST - 1; /* and the batch's fence */
    for (uint32_t i = 0; i < MAX_BURST; i++)
        works[i] = add_one;
    bench_row row = bench_row_new(batch ? "vyre_ring_publish_batch, plain memory, batches of 1023"
                                        : "vyre_ring_publish, plain memory, one at a time",
                                  MAX_SAMPLES);
    const uint64_t end = bench_now() + (uint64_t)(seconds_each * 1e9);
    double total = 0;
    while (row.count < 20 || bench_now() < end) {
        check(vyre_ring_encode(ring, size, MAX_BURST, &err), &err);
        const uint64_t begin = bench_now();
        if (batch)
            check(vyre_ring_publish_batch(ring, size, 0, works, burst, 1, &err), &err);
        else
            for (uint32_t i = 0; i < burst; i++)
                check(vyre_ring_publish(ring, size, i, &works[i], &err), &err);
        const double ns = (double)(bench_now() - begin);
        total += ns;
        bench_add(&row, ns / burst);
    }
    row.rate = (double)row.count * burst * 1e9 / total;
    bench_finish(out, &row);
}

static void on_memory(bool csv)
{
    char settings[128];
    snprintf(settings, sizeof settings, "%g s a row", seconds_each);
    const bench_output out = bench_cpu("publish", "ns", settings, csv);
    const size_t size = vyre_ring_size(MAX_BURST);
    void *ring = malloc(size);
    if (!ring)
        exit(1);
    bench_heading(&out);
    wire(&out, ring, size, false);
    wire(&out, ring, size, true);
    bench_note(&out, " ");
    free(ring);
}

int main(int argc, char **argv)
{
    bench_usage(argc, argv, "[--csv] [--quick] [--seconds N] [--slots N]");
    const bool csv = bench_flag(argc, argv, "--csv");
    seconds_each = bench_number(argc, argv, "--seconds", 0.5);
    if (bench_flag(argc, argv, "--quick"))
        seconds_each = 0.001;
    ring_slots = (uint32_t)bench_number(argc, argv, "--slots", 4096);
    if (ring_slots < 512 || ring_slots % 512 || ring_slots > VYRE_MAX_SLOTS) {
        fprintf(stderr, "publish: --slots takes multiples of 512\n");
        return 1;
    }
    on_memory(csv);
    on_backend(VYRE_BACKEND_CPU, csv);
    if (vyre_backend_available(VYRE_BACKEND_VULKAN))
        on_backend(VYRE_BACKEND_VULKAN, csv);
    return 0;
}

/* Publishing while the kernel runs: many slots from one, two and four
 * threads through a ring of 256, on every backend.  Every ticket ends once,
 * and the sums are exact.  ENGINE_LIVE_SLOTS in the environment sets the
 * number, 50000 unless it is there, up to 2^32 - 1.  Some works are waited for at once: their round trips,
 * among all the others in flight, are printed with their tails.  Not under AddressSanitizer, which makes it five times slower. */
#include "engine.h"

#include <pthread.h>

#define PRODUCERS 4u
#define WINDOW    64u /* tickets that a producer has open */

static uint32_t live_slots(void)
{
    const char *text = getenv("ENGINE_LIVE_SLOTS");
    return text ? (uint32_t)strtoul(text, NULL, 0) : 50000u;
}

/* --- round trips --------------------------------------------------------- */

#define TRIP_EVERY 61u /* works to one that is timed */

/* Nanoseconds in buckets, 32 to each doubling: 3 % apart. */
typedef struct trips {
    uint64_t count, most;
    uint32_t buckets[64 * 32];
} trips;

static uint32_t trip_bucket(uint64_t ns)
{
    const uint32_t high = 63u - (uint32_t)__builtin_clzll(ns | 32);
    return (high - 5) * 32 + (uint32_t)(ns >> (high - 5)) % 32 + (ns < 32 ? 0 : 32);
}

static uint64_t trip_value(uint32_t bucket)
{
    return bucket < 32 ? bucket : (uint64_t)(32 + bucket % 32) << (bucket / 32 - 1);
}

static void trip_add(trips *t, uint64_t ns)
{
    t->buckets[trip_bucket(ns)]++;
    t->most = ns > t->most ? ns : t->most;
    t->count++;
}

/* The time that `part` of the trips have not exceeded, in microseconds. */
static double trip_at(const trips *t, double part)
{
    uint64_t seen = 0;
    const uint64_t wanted = (uint64_t)((double)t->count * part);
    for (uint32_t i = 0; i < 64 * 32; i++) {
        seen += t->buckets[i];
        if (seen > wanted)
            return (double)trip_value(i) * 1e-3;
    }
    return (double)t->most * 1e-3;
}

static void trips_sum(trips *all, const trips *some)
{
    all->count += some->count;
    all->most = some->most > all->most ? some->most : all->most;
    for (uint32_t i = 0; i < 64 * 32; i++)
        all->buckets[i] += some->buckets[i];
}

/* --- producers ----------------------------------------------------------- */

typedef struct producer {
    vyre      *v;
    trips      trips;
    uint32_t   id, first, count;
    bool       batches;
    uint64_t   full;
    const char *failed;
} producer;

/* The slot's work adds 1 to its own cell of the user buffer (many works share
 * a cell), and its index to observable 0. */
static vyre_work live_work(const producer *p, uint32_t i)
{
    const uint32_t index = p->first + i;
    vyre_work w = engine_work(OP_COUNT, 2, index % USER_WORDS, index);
    return w;
}

static void produce_singles(producer *p)
{
    vyre_ticket open[WINDOW];
    for (uint32_t i = 0; i < p->count && !p->failed; i++) {
        const vyre_work w = live_work(p, i);
        if (i >= WINDOW && vyre_wait(p->v, open[i % WINDOW], 60 * SECOND, NULL) != VYRE_OK)
            p->failed = "a ticket did not end well";
        const uint64_t begin = i % TRIP_EVERY ? 0 : engine_now();
        vyre_status status;
        while ((status = vyre_publish(p->v, &w, &open[i % WINDOW], NULL)) == VYRE_FULL)
            p->full++;
        if (status != VYRE_OK)
            p->failed = "publish";
        if (!begin || status != VYRE_OK)
            continue;
        if (vyre_wait(p->v, open[i % WINDOW], 60 * SECOND, NULL) != VYRE_OK)
            p->failed = "a work that is timed did not end well";
        trip_add(&p->trips, engine_now() - begin);
    }
    for (uint32_t i = 0; i < WINDOW && i < p->count && !p->failed; i++) {
        if (vyre_wait(p->v, open[i], 60 * SECOND, NULL) != VYRE_OK)
            p->failed = "a last ticket did not end well";
    }
}

static void produce_batches(producer *p)
{
    vyre_work works[100];
    for (uint32_t i = 0; i < p->count && !p->failed;) {
        uint32_t n = p->count - i < 100 ? p->count - i : 100, published = 0;
        vyre_ticket last = { 0, 0 };
        for (uint32_t k = 0; k < n; k++)
            works[k] = live_work(p, i + k);
        const vyre_status status = vyre_publish_many(p->v, works, n, &published, &last, NULL);
        p->full += status == VYRE_FULL;
        if (status < 0)
            p->failed = "publish_many";
        if (published && vyre_wait(p->v, last, 60 * SECOND, NULL) != VYRE_OK)
            p->failed = "the last ticket of a batch did not end well";
        i += published;
    }
}

static void *produce(void *user)
{
    producer *p = (producer *)user;
    if (p->batches)
        produce_batches(p);
    else
        produce_singles(p);
    return NULL;
}

static void live(uint32_t producers, bool batches)
{
    static producer p[PRODUCERS];
    static trips all;
    vyre_desc d = engine_desc(256);
    vyre *v = engine_open(&d);
    pthread_t threads[PRODUCERS];
    const uint32_t slots = live_slots(), each = slots / producers;
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    const uint64_t begin = engine_now();
    for (uint32_t i = 0; i < producers; i++) {
        memset(&p[i], 0, sizeof p[i]);
        p[i].v = v;
        p[i].id = i;
        p[i].first = i * each;
        p[i].count = each;
        p[i].batches = batches;
        CHECK_EQ(pthread_create(&threads[i], NULL, produce, &p[i]), 0);
    }
    for (uint32_t i = 0; i < producers; i++)
        pthread_join(threads[i], NULL);
    const double seconds = (double)(engine_now() - begin) * 1e-9;
    for (uint32_t i = 0; i < producers; i++) {
        if (p[i].failed)
            test_fail(__FILE__, __LINE__, "producer %u: %s", i, p[i].failed);
    }
    CHECK_EQ(vyre_drain(v, 10 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(vyre_stop(v, 5 * SECOND, NULL), VYRE_OK);

    const uint32_t total = each * producers;
    const uint32_t *user = (const uint32_t *)vyre_map(v, 0, NULL);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < total; i++)
        sum += i;
    for (uint32_t i = 0; i < USER_WORDS; i++)
        CHECK_EQ(user[i], total / USER_WORDS + (i < total % USER_WORDS));
    CHECK_EQ(engine_observable(v, 0), (uint32_t)sum);
    vyre_io_buffers io;
    uint32_t done = 0;
    CHECK_EQ(vyre_buffers(v, &io, NULL), VYRE_OK);
    CHECK_EQ(vyre_control_done_count(io.control, io.control_size, &done, NULL), VYRE_OK);
    CHECK_EQ(done, total);
    printf("NOTE %s: %u slots, %u producers%s: %.0f a second\n",
           vyre_backend_name(backend_under_test), total, producers, batches ? ", batches" : "",
           total / seconds);
    memset(&all, 0, sizeof all);
    for (uint32_t i = 0; i < producers; i++)
        trips_sum(&all, &p[i].trips);
    if (all.count)
        printf("NOTE %s: %llu round trips among them: p50 %.2f us, p99 %.2f, p99.9 %.2f, "
               "max %.1f\n", vyre_backend_name(backend_under_test),
               (unsigned long long)all.count, trip_at(&all, 0.5), trip_at(&all, 0.99),
               trip_at(&all, 0.999), (double)all.most * 1e-3);
    vyre_close(v);
}

static void one_producer(void) { live(1, false); }
static void two_producers(void) { live(2, false); }
static void four_producers(void) { live(4, false); }
static void one_producer_of_batches(void) { live(1, true); }
static void four_producers_of_batches(void) { live(4, true); }

/* Each effect is looked for as soon as its end is known, by the host and by the
 * next work, which another lane serves. */
static void an_effect_is_there_with_its_end(void)
{
    vyre_desc d = engine_desc(64);
    vyre *v = engine_open(&d);
    vyre_info info;
    vyre_query(v, &info);
    const uint32_t base = VYRE_CONTROL_OBSERVABLES;
    const uint64_t end = engine_now() + SECOND;
    uint32_t sum = 0, n = 1;
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (; n <= 100000 && engine_now() < end; n++) {
        const vyre_work works[3] = { engine_add(n), engine_work(VYRE_OP_STORE_U32, 2, n, base + 1),
                                     engine_work(VYRE_OP_LOAD_U32, 2, base + 1, 2) };
        sum += n;
        for (uint32_t i = 0; i < 3; i++) {
            CHECK_EQ(vyre_wait(v, engine_publish(v, works[i]), 10 * SECOND, NULL), VYRE_OK);
            CHECK_EQ(engine_observable(v, i), i == 0 ? sum : n);
        }
    }
    CHECK_EQ(vyre_stop(v, 5 * SECOND, NULL), VYRE_OK);
    printf("NOTE %s: %u times three effects, each behind its end%s\n",
           vyre_backend_name(backend_under_test), n - 1,
           info.probe.whole_lines && info.probe.effects_first ? ", without releases" : "");
    vyre_close(v);
}

/* Two threads dispatch bytes on one handle, a third publishes nothing but asks. */
typedef struct dispatcher {
    vyre       *v;
    uint32_t    id;
    const char *failed;
} dispatcher;

static void *dispatch(void *user)
{
    dispatcher *p = (dispatcher *)user;
    static const vyre_control_desc desc = { false, 1, 8 };
    uint32_t control[168], ring[64 * 16], log[257];
    vyre_io_buffers io = { control, sizeof control, ring, sizeof ring, log, sizeof log, NULL, 0 };
    for (uint32_t round = 0; round < 50 && !p->failed; round++) {
        memset(log, 0, sizeof log);
        if (vyre_control_encode(control, sizeof control, &desc, NULL) != VYRE_OK ||
            vyre_ring_encode(ring, sizeof ring, 64, NULL) != VYRE_OK)
            p->failed = "encode";
        const vyre_work w = engine_add(p->id * 1000 + round);
        if (vyre_ring_publish(ring, sizeof ring, round % 64, &w, NULL) != VYRE_OK ||
            vyre_dispatch(p->v, &io, NULL, NULL) != VYRE_OK)
            p->failed = "dispatch";
        if (control[160] != p->id * 1000 + round || control[VYRE_CONTROL_DONE_COUNT] != 1)
            p->failed = "another thread's bytes";
    }
    return NULL;
}

static void threads_dispatch_their_own_bytes(void)
{
    vyre_desc d = engine_desc(64);
    vyre *v = engine_open(&d);
    dispatcher p[2];
    pthread_t threads[2];
    for (uint32_t i = 0; i < 2; i++) {
        p[i].v = v;
        p[i].id = i + 1;
        p[i].failed = NULL;
        CHECK_EQ(pthread_create(&threads[i], NULL, dispatch, &p[i]), 0);
    }
    for (uint32_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (uint32_t i = 0; i < 2; i++) {
        if (p[i].failed)
            test_fail(__FILE__, __LINE__, "thread %u: %s", i, p[i].failed);
    }
    vyre_close(v);
}

/* The ring is full most of the time, and log records are taken meanwhile. */
static uint32_t noted;

static void note(void *user, const vyre_log_record *record)
{
    (void)user, (void)record;
    noted++;
}

static void *publish_prints(void *user)
{
    producer *p = (producer *)user;
    for (uint32_t i = 0; i < 2000 && !p->failed; i++) {
        const vyre_work w = engine_work(i % 8 ? OP_COUNT : VYRE_OP_PRINTF, 3, i % 64, 1);
        vyre_ticket t;
        vyre_status status;
        while ((status = vyre_publish(p->v, &w, &t, NULL)) == VYRE_FULL)
            continue;
        if (status != VYRE_OK || vyre_wait(p->v, t, 60 * SECOND, NULL) != VYRE_OK)
            p->failed = "a print";
    }
    return NULL;
}

static void log_records_are_taken_between_works(void)
{
    vyre_desc d = engine_desc(64);
    d.log = note;
    vyre *v = engine_open(&d);
    producer p[2];
    pthread_t threads[2];
    vyre_info info;
    noted = 0;
    memset(p, 0, sizeof p);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < 2; i++) {
        p[i].v = v;
        CHECK_EQ(pthread_create(&threads[i], NULL, publish_prints, &p[i]), 0);
    }
    for (uint32_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CHECK(!p[0].failed && !p[1].failed);
    CHECK_EQ(vyre_stop(v, 5 * SECOND, NULL), VYRE_OK);
    vyre_query(v, &info);
    CHECK_EQ(noted + info.log_dropped, 500);
    vyre_close(v);
}

/* Two threads share four slots; one's works all fault, the other's never do. */
typedef struct rival {
    vyre    *v;
    bool     faults;
    uint32_t wrong;
} rival;

static void *contend(void *user)
{
    rival *r = (rival *)user;
    const vyre_status expected = r->faults ? VYRE_E_FAULT : VYRE_OK;
    const vyre_work w = engine_work(r->faults ? OP_FAULT : VYRE_OP_NOP, 1, 1, 0);
    for (uint32_t i = 0; i < live_slots() / 20; i++) {
        vyre_ticket t[3];
        for (uint32_t k = 0; k < 3; k++)
            while (vyre_publish(r->v, &w, &t[k], NULL) == VYRE_FULL)
                continue;
        for (uint32_t k = 0; k < 3; k++) {
            vyre_status status;
            while ((status = vyre_poll(r->v, t[k])) == VYRE_PENDING)
                continue;
            /* Two faults later in its slot the outcome is forgotten. */
            r->wrong += status != expected && status != VYRE_E_STALE;
        }
    }
    return NULL;
}

static void outcomes_are_not_mixed_up(void)
{
    vyre_desc d = engine_desc(4);
    vyre *v = engine_open(&d);
    rival r[2] = { { v, false, 0 }, { v, true, 0 } };
    pthread_t threads[2];
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, contend, &r[i]), 0);
    for (uint32_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(r[0].wrong, 0);
    CHECK_EQ(r[1].wrong, 0);
    vyre_close(v);
}

/* --- everybody at once --------------------------------------------------- */

/* Publishers hand tickets to waiters, while the handle's own helper keeps the
 * leases going, somebody asks, somebody runs, and somebody stops and starts. */
typedef struct crowd {
    vyre    *v;
    uint64_t tickets[64]; /* slot << 32 | generation; 0: none */
    uint32_t next, published, ended, over;
    uint32_t wrong;
} crowd;

static void *crowd_publish(void *user)
{
    crowd *c = (crowd *)user;
    const vyre_work w = engine_add(1);
    while (!__atomic_load_n(&c->over, __ATOMIC_ACQUIRE)) {
        vyre_ticket t;
        if (vyre_publish(c->v, &w, &t, NULL) != VYRE_OK)
            continue;
        __atomic_fetch_add(&c->published, 1, __ATOMIC_RELAXED);
        const uint32_t place = __atomic_fetch_add(&c->next, 1, __ATOMIC_RELAXED) % 64;
        __atomic_store_n(&c->tickets[place], (uint64_t)t.slot << 32 | t.generation,
                         __ATOMIC_RELEASE);
    }
    return NULL;
}

static void *crowd_wait(void *user)
{
    crowd *c = (crowd *)user;
    for (uint32_t i = 0; !__atomic_load_n(&c->over, __ATOMIC_ACQUIRE); i++) {
        const uint64_t id = __atomic_exchange_n(&c->tickets[i % 64], 0, __ATOMIC_ACQUIRE);
        const vyre_ticket t = { (uint32_t)(id >> 32), (uint32_t)id };
        uint32_t args[12];
        if (!id)
            continue;
        const vyre_status status = vyre_wait(c->v, t, 20 * SECOND, NULL);
        const vyre_status result = vyre_result(c->v, t, args, NULL);
        if (status != VYRE_OK || (result != VYRE_OK && result != VYRE_E_STALE))
            __atomic_fetch_add(&c->wrong, 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(&c->ended, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void *crowd_ask(void *user)
{
    crowd *c = (crowd *)user;
    while (!__atomic_load_n(&c->over, __ATOMIC_ACQUIRE)) {
        vyre_info info;
        vyre_io_buffers io;
        uint32_t value;
        vyre_query(c->v, &info);
        if (vyre_observable(c->v, 0, &value, NULL) != VYRE_OK ||
            vyre_buffers(c->v, &io, NULL) != VYRE_OK || !vyre_map(c->v, 0, NULL))
            __atomic_fetch_add(&c->wrong, 1, __ATOMIC_RELAXED);
        (void)vyre_drain(c->v, SECOND / 1000, NULL);
        engine_sleep_ms(1);
    }
    return NULL;
}

static void *crowd_run(void *user)
{
    crowd *c = (crowd *)user;
    vyre_work works[100];
    for (uint32_t i = 0; i < 100; i++)
        works[i] = engine_add(1);
    while (!__atomic_load_n(&c->over, __ATOMIC_ACQUIRE)) {
        if (vyre_run(c->v, works, 100, NULL, NULL) != VYRE_OK)
            __atomic_fetch_add(&c->wrong, 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(&c->published, 100, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void *crowd_stop(void *user)
{
    crowd *c = (crowd *)user;
    while (!__atomic_load_n(&c->over, __ATOMIC_ACQUIRE)) {
        if (vyre_stop(c->v, 10 * SECOND, NULL) != VYRE_OK ||
            vyre_start(c->v, NULL) != VYRE_OK)
            __atomic_fetch_add(&c->wrong, 1, __ATOMIC_RELAXED);
        engine_sleep_ms(3);
    }
    return NULL;
}

static void everybody_at_once(void)
{
    static void *(*const parts[])(void *) = { crowd_publish, crowd_publish, crowd_wait,
                                              crowd_wait,    crowd_ask,     crowd_run, crowd_stop };
    enum { PARTS = sizeof parts / sizeof parts[0] };
    crowd c;
    pthread_t threads[PARTS];
    vyre_desc d = engine_desc(64);
    d.helper_thread = true;
    d.log = note;
    memset(&c, 0, sizeof c);
    c.v = engine_open(&d);
    CHECK_EQ(vyre_start(c.v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < PARTS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, parts[i], &c), 0);
    engine_sleep_ms(500);
    __atomic_store_n(&c.over, 1, __ATOMIC_RELEASE);
    for (uint32_t i = 0; i < PARTS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(c.wrong, 0);
    CHECK(c.ended > 0 && c.published > 0);
    CHECK_EQ(vyre_drain(c.v, 20 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(engine_observable(c.v, 0), c.published);
    printf("NOTE %s: %u works from everybody at once\n", vyre_backend_name(backend_under_test),
           c.published);
    vyre_close(c.v); /* while the kernel and the helper run */
}

/* A run whose handler never ends is ended by another thread's stop. */
static void *run_endless(void *user)
{
    const vyre_work w = engine_work(OP_ENDLESS, 0, 0, 0);
    vyre_error err;
    memset(&err, 0, sizeof err);
    const vyre_status status = vyre_run((vyre *)user, &w, 1, NULL, &err);
    return status == VYRE_E_FAULT && err.native == VYRE_FAULT_LOOP_LIMIT ? user : NULL;
}

static void a_stop_ends_another_threads_run(void)
{
    if (backend_under_test != VYRE_BACKEND_CPU)
        test_skip("a driver may reset the device");
    vyre_desc d = engine_desc(64);
    d.kernel.handler_count = 5;
    d.kernel.loop_allowance = UINT32_MAX; /* for minutes */
    vyre *v = engine_open(&d);
    pthread_t thread;
    void *result = NULL;
    CHECK_EQ(pthread_create(&thread, NULL, run_endless, v), 0);
    engine_sleep_ms(50);
    const uint64_t begin = engine_now();
    CHECK_EQ(vyre_stop(v, SECOND / 2, NULL), VYRE_OK);
    CHECK(engine_now() - begin < SECOND);
    pthread_join(thread, &result);
    CHECK(result == v);
    const vyre_ticket t = engine_publish(v, engine_add(1));
    CHECK_EQ(vyre_wait(v, t, SECOND, NULL), VYRE_OK);
    vyre_close(v);
}

/* A pass that is ended in the middle has counted every slot that it served. */
typedef struct long_pass {
    vyre      *v;
    vyre_work *works;
    uint32_t   count;
} long_pass;

static void *run_long_pass(void *user)
{
    long_pass *pass = (long_pass *)user;
    (void)vyre_run(pass->v, pass->works, pass->count, NULL, NULL); /* may be stopped */
    return NULL;
}

static uint32_t long_pass_slots(void)
{
    uint32_t slots = 1u << 18;
    while (slots > 256 && slots > live_slots() / 3)
        slots /= 2;
    return slots;
}

static void an_ended_pass_has_counted_its_slots(void)
{
    vyre_desc d = engine_desc(long_pass_slots());
    d.mode = VYRE_MODE_PASSES;
    d.kernel.workgroup_size = 256;
    long_pass pass = { engine_open(&d), NULL, long_pass_slots() };
    pass.works = (vyre_work *)calloc(pass.count, sizeof *pass.works); /* NOPs */
    CHECK(pass.works != NULL);
    vyre_io_buffers io;
    CHECK_EQ(vyre_buffers(pass.v, &io, NULL), VYRE_OK);
    const uint32_t *ring = (const uint32_t *)io.ring;
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, run_long_pass, &pass), 0);
    const uint64_t end = engine_now() + 10 * SECOND;
    while (__atomic_load_n(ring, __ATOMIC_ACQUIRE) != VYRE_SLOT_DONE && engine_now() < end) {}
    /* The CPU's pass is ended; a driver's goes on.  A stop that is not called again would leave
     * the run waiting. */
    while (vyre_stop(pass.v, 300000, NULL) == VYRE_TIMEOUT && engine_now() < end) {}
    pthread_join(thread, NULL);
    uint32_t served = 0, counted = 0;
    for (uint32_t i = 0; i < pass.count; i++)
        served += ring[16 * i] == VYRE_SLOT_DONE;
    CHECK(served > 0);
    CHECK_EQ(vyre_control_done_count(io.control, io.control_size, &counted, NULL), VYRE_OK);
    CHECK_EQ(counted, served);
    printf("NOTE %s: %u of %u served when the pass ended\n",
           vyre_backend_name(backend_under_test), served, pass.count);
    free(pass.works);
    vyre_close(pass.v);
}

static const engine_case cases[] = {
    ENGINE_CASE(a_stop_ends_another_threads_run),
    ENGINE_CASE(an_ended_pass_has_counted_its_slots),
    ENGINE_CASE(outcomes_are_not_mixed_up),
    ENGINE_CASE(an_effect_is_there_with_its_end),
    ENGINE_CASE(one_producer),
    ENGINE_CASE(two_producers),
    ENGINE_CASE(four_producers),
    ENGINE_CASE(one_producer_of_batches),
    ENGINE_CASE(four_producers_of_batches),
    ENGINE_CASE(threads_dispatch_their_own_bytes),
    ENGINE_CASE(log_records_are_taken_between_works),
    ENGINE_CASE(everybody_at_once),
};

int main(void)
{
    engine_run_cases(cases, sizeof cases / sizeof cases[0]);
    return test_end();
}

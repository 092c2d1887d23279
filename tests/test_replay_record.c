/* replay: what a handle tells its log, from one thread and from several. */
#include "engine.h"
#include "replay_file.h"

#include <pthread.h>

static vyre_error err;

enum { SLOTS = 64 };

static vyre_replay *memory_replay(memory_file *f, uint32_t version, uint64_t capacity)
{
    vyre_replay_desc desc = memory_log(f, version, capacity);
    vyre_replay *log = vyre_replay_open(&desc, &err);
    CHECK(log != NULL);
    return log;
}

static vyre *recording(vyre_replay *log, bool results)
{
    vyre_desc d = engine_desc(SLOTS);
    d.record = log;
    d.record_results = results;
    return engine_open(&d);
}

typedef struct counts {
    uint64_t works, ends, events, faults, digests, early;
} counts;

/* What the log has; `early` are ends before their works. */
static counts count_records(vyre_replay *log)
{
    static uint32_t open[SLOTS];
    counts c;
    vyre_replay_record r;
    memset(&c, 0, sizeof c);
    memset(open, 0, sizeof open);
    vyre_replay_rewind(log);
    while (vyre_replay_next(log, &r, &err) == VYRE_OK) {
        if (r.kind == VYRE_REPLAY_EVENT) {
            c.events++;
            continue;
        }
        CHECK(r.slot < SLOTS && r.generation != 0 && r.time_ns != 0);
        if (r.kind == VYRE_REPLAY_WORK) {
            c.works++;
            open[r.slot] = r.generation;
            continue;
        }
        c.early += open[r.slot] != r.generation;
        c.ends++;
        c.faults += r.state == VYRE_SLOT_FAULTED;
        c.digests += r.digest != 0;
        CHECK(r.state == VYRE_SLOT_DONE || r.code == VYRE_FAULT_USER + 5);
    }
    return c;
}

/* Each way to publish, and each way to see an end. */
static void every_way(void)
{
    memory_file f = memory_begin();
    vyre_replay *log = memory_replay(&f, 0, 4096);
    vyre *v = recording(log, true);
    vyre_work many[20];
    vyre_ticket t[10], last;
    uint32_t published = 0;
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < 10; i++)
        t[i] = engine_publish(v, i == 5 ? engine_work(OP_FAULT, 1, 5, 0)
                                        : engine_work(OP_SQUARE, 2, i, 1));
    for (uint32_t i = 0; i < 5; i++)
        CHECK_EQ(vyre_wait(v, t[i], 10 * SECOND, &err), VYRE_OK);
    CHECK_EQ(vyre_wait(v, t[5], 10 * SECOND, &err), VYRE_E_FAULT);
    CHECK_EQ(vyre_wait(v, t[0], 10 * SECOND, &err), VYRE_OK); /* told once more */
    for (uint32_t i = 6; i < 9; i++) {
        while (vyre_poll(v, t[i]) == VYRE_PENDING)
            continue;
    }
    for (uint32_t i = 0; i < 20; i++)
        many[i] = engine_work(OP_SQUARE, 2, i, 2);
    CHECK_EQ(vyre_publish_many(v, many, 20, &published, &last, &err), VYRE_OK);
    CHECK_EQ(published, 20);
    CHECK_EQ(vyre_wait(v, last, 10 * SECOND, &err), VYRE_OK);
    CHECK_EQ(vyre_publish_many(v, many, 0, &published, NULL, &err), VYRE_OK);
    CHECK_EQ(vyre_drain(v, 10 * SECOND, &err), VYRE_OK); /* sees t[9] and 19 of the many */
    (void)engine_publish(v, engine_work(OP_FAULT, 1, 5, 0));
    CHECK_EQ(vyre_drain(v, 10 * SECOND, &err), VYRE_E_FAULT); /* the log tells nobody before it */
    CHECK_EQ(vyre_stop(v, 10 * SECOND, &err), VYRE_OK);
    vyre_close(v);
    counts c = count_records(log);
    CHECK_EQ(c.works, 31);
    CHECK_EQ(c.ends, 31);
    CHECK_EQ(c.faults, 2);
    CHECK_EQ(c.digests, 29);
    CHECK_EQ(c.events, 2);
    CHECK_EQ(c.early, 0);
    vyre_desc d = engine_desc(SLOTS);
    vyre_replay_report report;
    v = engine_open(&d);
    CHECK_EQ(vyre_replay_run(v, log, &report, &err), VYRE_OK);
    CHECK_EQ(report.works, 31);
    CHECK_EQ(report.ends, 31);
    CHECK_EQ(report.differences, 0);
    CHECK_EQ(report.lost, 0);
    vyre_close(v);
    vyre_replay_close(log);
    memory_end(&f);
}

/* Works that nobody asks for: their slots are used again, and the log has their ends. */
static void nobody_asks(void)
{
    memory_file f = memory_begin();
    vyre_replay *log = memory_replay(&f, 2, 4096);
    vyre *v = recording(log, false);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < 1000; i++) {
        vyre_work w = i % 100 == 7 ? engine_work(OP_FAULT, 1, 5, 0) : engine_add(1);
        vyre_status status;
        while ((status = vyre_publish(v, &w, NULL, &err)) == VYRE_FULL)
            (void)vyre_wait_observable(v, 63, 0, SECOND / 1000, NULL, NULL);
        CHECK_EQ(status, VYRE_OK);
    }
    CHECK_EQ(vyre_drain(v, 10 * SECOND, &err), VYRE_E_FAULT);
    vyre_close(v);
    counts c = count_records(log);
    CHECK_EQ(c.works, 1000);
    CHECK_EQ(c.ends, 1000);
    CHECK_EQ(c.faults, 10);
    CHECK_EQ(c.digests, 0);
    CHECK_EQ(c.early, 0);
    vyre_replay_close(log);
    memory_end(&f);
}

static void *publish_and_wait(void *user)
{
    vyre *v = (vyre *)user;
    for (uint32_t i = 0; i < 400; i++) {
        vyre_work w = engine_work(OP_SQUARE, 2, i, i);
        vyre_ticket t;
        while (vyre_publish(v, &w, &t, NULL) == VYRE_FULL)
            continue;
        if (vyre_wait(v, t, 20 * SECOND, NULL) != VYRE_OK)
            return user;
    }
    return NULL;
}

static void several_threads(void)
{
    memory_file f = memory_begin();
    vyre_replay *log = memory_replay(&f, 2, 8192);
    vyre *v = recording(log, false);
    pthread_t threads[3];
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, publish_and_wait, v), 0);
    for (unsigned i = 0; i < 3; i++) {
        void *bad = v;
        pthread_join(threads[i], &bad);
        CHECK(bad == NULL);
    }
    vyre_close(v);
    counts c = count_records(log);
    CHECK_EQ(c.works, 1200);
    CHECK_EQ(c.ends, 1200);
    CHECK_EQ(c.early, 0);
    vyre_replay_close(log);
    memory_end(&f);
}

static void what_cannot_be_recorded(void)
{
    memory_file f = memory_begin(), g = memory_begin();
    vyre_replay *log = memory_replay(&f, 2, 64), *old = memory_replay(&g, 1, 64);
    vyre_desc d = engine_desc(SLOTS);
    vyre *v = recording(log, false);
    d.record = log;
    CHECK(vyre_open(&d, &err) == NULL);
    CHECK_EQ(err.status, VYRE_E_REPLAY_BUSY);
    d.record = old;
    CHECK(vyre_open(&d, &err) == NULL);
    CHECK_EQ(err.status, VYRE_E_ARGUMENT);
    vyre_replay_info info;
    f.budget = 0;
    (void)engine_publish(v, engine_add(1));
    CHECK_EQ(vyre_drain(v, 10 * SECOND, &err), VYRE_OK);
    CHECK_EQ(vyre_replay_sync(log, &err), VYRE_E_REPLAY_IO);
    vyre_replay_query(log, &info);
    CHECK_EQ(info.dropped, 2);
    vyre_close(v);
    v = recording(log, false); /* it is free again */
    vyre_close(v);
    vyre_replay_close(log);
    vyre_replay_close(old);
    memory_end(&f);
    memory_end(&g);
}

static const engine_case cases[] = {
    ENGINE_CASE(every_way),
    ENGINE_CASE(nobody_asks),
    ENGINE_CASE(several_threads),
    ENGINE_CASE(what_cannot_be_recorded),
};

int main(void)
{
    engine_run_cases(cases, sizeof cases / sizeof cases[0]);
    return test_end();
}

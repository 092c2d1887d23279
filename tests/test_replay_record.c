/* replay: what a handle tells its log, from one thread and from several; and what a
 * process that is killed has told it. */
#include "inside.h"

#include "engine.h"
#include "replay_file.h"
#include "rooms/replay/replay_impl.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* --- notes --------------------------------------------------------------- */

/* Works a0 = 0, 1, ... in their order, each end after its work, no record missing: how
 * many works. */
static uint64_t check_prefix(vyre_replay *log)
{
    static uint32_t open[SLOTS];
    vyre_replay_record r;
    uint64_t works = 0, next = 0, before = 0;
    vyre_status status;
    memset(open, 0, sizeof open);
    vyre_replay_rewind(log);
    while ((status = vyre_replay_next(log, &r, &err)) == VYRE_OK) {
        CHECK_EQ(r.sequence, next++);
        CHECK(r.time_ns >= before);
        before = r.time_ns;
        if (r.kind == VYRE_REPLAY_EVENT)
            continue;
        CHECK(r.slot < SLOTS);
        if (r.kind == VYRE_REPLAY_WORK) {
            CHECK_EQ(r.opcode, OP_SQUARE);
            CHECK_EQ(r.arg_count, 2);
            CHECK_EQ(r.args[0], works);
            CHECK_EQ(r.args[1], 7);
            works++;
            open[r.slot] = r.generation;
            continue;
        }
        CHECK_EQ(r.kind, VYRE_REPLAY_END);
        CHECK_EQ(r.generation, open[r.slot]);
        CHECK_EQ(r.state, VYRE_SLOT_DONE);
    }
    CHECK_EQ(status, VYRE_EMPTY);
    return works;
}

static void publish_some(vyre *v, uint32_t from, uint32_t count)
{
    for (uint32_t i = from; i < from + count; i++) {
        vyre_ticket t = engine_publish(v, engine_work(OP_SQUARE, 2, i, 7));
        CHECK_EQ(vyre_wait(v, t, 20 * SECOND, &err), VYRE_OK);
    }
}

/* Notes come to the end of their ring, which is full most of the time: nothing is lost,
 * with a thread that writes and without. */
static void a_small_ring(void)
{
    for (int alone = 0; alone < 2; alone++) {
        memory_file f = memory_begin();
        vyre_replay *log = memory_replay(&f, 2, 4096);
        vyre *v = recording(log, true);
        if (alone)
            vyi_notes_stop(log);
        log->notes.mask = 63;
        log->notes.limit = 64;
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        publish_some(v, 0, 300);
        vyre_close(v);
        CHECK_EQ(check_prefix(log), 300);
        CHECK_EQ(count_records(log).ends, 300);
        CHECK_EQ(count_records(log).digests, 300);
        vyre_replay_close(log);
        memory_end(&f);
    }
}

typedef struct visitor {
    vyre       *v;
    vyre_ticket t;
} visitor;

static void *wait_for_it(void *user)
{
    visitor *w = (visitor *)user;
    return vyre_wait(w->v, w->t, 20 * SECOND, NULL) == VYRE_OK ? NULL : user;
}

/* A thread publishes, and others wait for its works now and then: it keeps its turn, until
 * they come often. */
static void a_noter_and_visitors(void)
{
    memory_file f = memory_begin();
    vyre_replay *log = memory_replay(&f, 2, 4096);
    vyre *v = recording(log, false);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < 100; i++) {
        visitor w = { v, { 0, 0 } };
        pthread_t thread;
        void *bad = v;
        publish_some(v, 2 * i, 1);
        w.t = engine_publish(v, engine_work(OP_SQUARE, 2, 2 * i + 1, 7));
        CHECK_EQ(pthread_create(&thread, NULL, wait_for_it, &w), 0);
        pthread_join(thread, &bad);
        CHECK(bad == NULL);
        CHECK_EQ(log->notes.visits, i + 1 < 64 ? i + 1 : 64);
        if (i + 1 < 64)
            CHECK(log->notes.first == (void *)vyi_thread_id());
    }
    CHECK(log->notes.first != (void *)vyi_thread_id());
    vyre_close(v);
    CHECK_EQ(check_prefix(log), 200);
    CHECK_EQ(count_records(log).ends, 200);
    vyre_replay_close(log);
    memory_end(&f);
}

/* A file that takes so many bytes and no more, as one whose writer is killed then. */
static void every_end_of_a_file(void)
{
    uint64_t most = 0;
    if (backend_under_test != VYRE_BACKEND_CPU)
        return; /* the log is the same, and fifty devices take long */
    for (uint64_t budget = 64; budget <= 64 + 24 * 128; budget += 61) {
        memory_file f = memory_begin();
        vyre_replay *log = memory_replay(&f, 2, 64);
        vyre *v = recording(log, false);
        f.budget = budget - 64;
        publish_some(v, 0, 10);
        vyre_close(v);
        vyre_replay_close(log);
        f.budget = UINT64_MAX;
        log = memory_replay(&f, 2, 64);
        const uint64_t works = check_prefix(log);
        CHECK(works >= most);
        most = works;
        vyre_replay_close(log);
        memory_end(&f);
    }
    CHECK_EQ(most, 10);
}

#define KILLED_LOG "replay_killed.tmp"
enum { KILLED_SYNCED = 300 };

static void be_killed(int told)
{
    vyre_replay_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.path = KILLED_LOG;
    desc.capacity = 1000000;
    vyre_replay *log = vyre_replay_open(&desc, NULL);
    vyre *v = log ? recording(log, false) : NULL;
    if (!v || vyre_start(v, NULL) != VYRE_OK)
        _exit(1);
    for (uint32_t i = 0;; i++) {
        vyre_work w = engine_work(OP_SQUARE, 2, i, 7);
        vyre_ticket t;
        if (i == KILLED_SYNCED && (vyre_replay_sync(log, NULL) != VYRE_OK || write(told, "", 1) != 1))
            _exit(1);
        if (vyre_publish(v, &w, &t, NULL) != VYRE_OK || vyre_wait(v, t, 20 * SECOND, NULL) != VYRE_OK)
            _exit(1);
    }
}

/* What was synchronised is there, and of the rest a prefix. */
static void a_process_that_is_killed(void)
{
    int told[2];
    char byte;
    vyre_replay_desc desc;
    if (backend_under_test != VYRE_BACKEND_CPU)
        return; /* a driver's threads do not outlast a fork */
    remove(KILLED_LOG);
    CHECK_EQ(pipe(told), 0);
    const pid_t child = fork();
    if (child == 0)
        be_killed(told[1]);
    CHECK(child > 0);
    close(told[1]);
    CHECK_EQ(read(told[0], &byte, 1), 1);
    usleep(150000);
    kill(child, SIGKILL);
    CHECK_EQ(waitpid(child, NULL, 0), child);
    close(told[0]);
    memset(&desc, 0, sizeof desc);
    desc.path = KILLED_LOG;
    desc.read_only = true;
    vyre_replay *log = vyre_replay_open(&desc, &err);
    CHECK(log != NULL);
    const uint64_t works = check_prefix(log);
    CHECK(works >= KILLED_SYNCED);
    printf("a process that was killed left %llu works\n", (unsigned long long)works);
    vyre_replay_close(log);
    remove(KILLED_LOG);
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
    ENGINE_CASE(a_small_ring),
    ENGINE_CASE(a_noter_and_visitors),
    ENGINE_CASE(every_end_of_a_file),
    ENGINE_CASE(a_process_that_is_killed),
    ENGINE_CASE(what_cannot_be_recorded),
};

int main(void)
{
    engine_run_cases(cases, sizeof cases / sizeof cases[0]);
    return test_end();
}

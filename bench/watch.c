/* watch: what it costs to look at a running kernel
 *
 *     bench/watch [--csv] [--quick] [--seconds N] [--trace]
 *
 * One producer keeps 64 jobs in flight, publishing one at a time, on a handle that
 * nobody watches, on two at which a thread looks a hundred times a second, on one that
 * is traced, with times of the device, and on one that is recorded.  They take turns, so
 * that a machine which changes its speed changes it for all; --seconds is shared.  A row
 * is the time of a job by windows of 50 ms.  Then how long a look takes, how far the
 * device's clock may be off by the trace's own account, and how many jobs have no times
 * of it.  --trace prints nothing but the trace of a small scene, for bench/plot --trace:
 * jobs of a lane that count, two wide works between them.
 */
#define _GNU_SOURCE
#define VYRE_IMPLEMENTATION
#include "../vyre.h"

#include "bench.h"

#include <pthread.h>
#include <unistd.h>

#define FLIGHT  64u
#define WINDOW  50000000u
#define ROUNDS  4
#define SAMPLES 100000u

typedef enum path { PLAIN, HOST, DEVICE, TRACED, RECORDED, PATHS } path;

static const char *const names[PATHS] = {
    "a job", "a job, looked at on the host 100 times a second",
    "a job, looked at on the device 100 times a second", "a job, traced", "a job, recorded"
};

typedef struct watched {
    vyre        *v;
    vyre_replay *log;
    bench_row    jobs, looks; /* ns */
    uint32_t     quit;
    path         which;
} watched;

static const char *const log_path = "watch_log.tmp";

static void check(vyre_status status, const vyre_error *err)
{
    if (status == VYRE_OK)
        return;
    fprintf(stderr, "watch: %s\n", status < 0 ? err->text : vyre_status_text(status));
    exit(1);
}

static watched watched_open(path which)
{
    watched w;
    vyre_desc desc;
    vyre_error err;
    memset(&w, 0, sizeof w);
    memset(&desc, 0, sizeof desc);
    w.which = which;
    w.jobs = bench_row_new(names[which], SAMPLES);
    w.looks = bench_row_new(which == HOST ? "a look on the host" : "a look on the device", SAMPLES);
    if (which == TRACED)
        desc.trace_events = 65536;
    if (which == RECORDED) {
        vyre_replay_desc log;
        memset(&log, 0, sizeof log);
        log.path = log_path;
        log.capacity = 65536;
        remove(log_path);
        w.log = desc.record = vyre_replay_open(&log, &err);
        if (!w.log)
            check(VYRE_E_ARGUMENT, &err);
    }
    w.v = vyre_open(&desc, &err);
    if (!w.v)
        check(VYRE_E_ARGUMENT, &err);
    return w;
}

static void watched_close(watched *w)
{
    vyre_close(w->v);
    vyre_replay_close(w->log);
    if (w->log)
        remove(log_path);
}

static void *look(void *user)
{
    watched *w = (watched *)user;
    while (!__atomic_load_n(&w->quit, __ATOMIC_ACQUIRE)) {
        vyre_watch now;
        vyre_error err;
        const uint64_t begin = bench_now();
        check(vyre_watch_live(w->v, w->which == HOST ? VYRE_WATCH_HOST : VYRE_WATCH_DEVICE, &now,
                              &err), &err);
        bench_add(&w->looks, (double)(bench_now() - begin));
        usleep(10000);
    }
    return NULL;
}

/* --- the load --------------------------------------------------------------- */

static void load(watched *w, double seconds)
{
    static const vyre_work add_one = { VYRE_OP_ATOMIC_ADD, 0, VYRE_PRIORITY_NORMAL, 2,
                                       { 1, VYRE_CONTROL_OBSERVABLES } };
    vyre_ticket tickets[FLIGHT];
    vyre_error err;
    uint64_t begin = bench_now(), published = 0, waited = 0, before = 0;
    const uint64_t end = begin + (uint64_t)(seconds * 1e9);
    for (uint64_t now = begin; now < end;) {
        for (; published - waited < FLIGHT; published++)
            check(vyre_publish(w->v, &add_one, &tickets[published % FLIGHT], &err), &err);
        check(vyre_wait(w->v, tickets[waited++ % FLIGHT], 5000000000ull, &err), &err);
        if (waited % 256 != 0)
            continue;
        now = bench_now();
        if (now - begin < WINDOW)
            continue;
        if (before) /* the first window starts the kernel */
            bench_add(&w->jobs, (double)(now - begin) / (double)(waited - before));
        before = waited;
        begin = now;
    }
    for (; waited < published; waited++)
        check(vyre_wait(w->v, tickets[waited % FLIGHT], 5000000000ull, &err), &err);
}

static void turn(watched *w, double seconds)
{
    vyre_error err;
    pthread_t thread;
    const bool looks = w->which == HOST || w->which == DEVICE;
    check(vyre_start(w->v, &err), &err);
    __atomic_store_n(&w->quit, 0, __ATOMIC_RELEASE);
    if (looks && pthread_create(&thread, NULL, look, w) != 0)
        exit(1);
    load(w, seconds);
    __atomic_store_n(&w->quit, 1, __ATOMIC_RELEASE);
    if (looks)
        pthread_join(thread, NULL);
    check(vyre_stop(w->v, 5000000000ull, &err), &err);
}

/* --- the trace --------------------------------------------------------------- */

typedef struct text {
    char  *bytes;
    size_t size, room;
} text;

static void collect(void *user, const char *bytes, size_t count)
{
    text *t = (text *)user;
    while (t->size + count + 1 > t->room) {
        t->room = 2 * t->room + 65536;
        t->bytes = (char *)realloc(t->bytes, t->room);
        if (!t->bytes)
            exit(1);
    }
    memcpy(t->bytes + t->size, bytes, count);
    t->size += count;
    t->bytes[t->size] = '\0';
}

static double told(const text *t, const char *key)
{
    const char *at = strstr(t->bytes, key);
    return at ? atof(at + strlen(key)) : -1;
}

/* Held against the driver's own account of both clocks, where it gives one. */
static void tell_moments(const bench_output *out, const text *t)
{
    static const char *const why[2] = { "The driver does not say how the clocks stand",
                                        "What the driver compares is another clock" };
    const int moments = (int)told(t, "\"moments\":");
    if (moments == 2)
        bench_note(out, "Jobs and the driver's timestamps (VK_EXT_calibrated_timestamps) bring the "
                   "device's clock to the host's %.0f ns apart at most.", told(t, "\"apart_ns\":"));
    else
        bench_note(out, "%s: the jobs alone bring the device's clock to the host's.",
                   why[moments == 1]);
}

static void tell_trace(const bench_output *out, watched *w)
{
    text t = { NULL, 0, 0 };
    vyre_error err;
    check(vyre_trace_json(w->v, collect, &t, &err), &err);
    bench_note(out, "The trace of the last jobs: the device's clock may be off by %.0f ns, a tick is "
               "%.3f ns; %.0f of %.0f jobs have no times of the device.", told(&t, "\"error_ns\":"),
               told(&t, "\"tick_ps\":") / 1000, told(&t, "\"untimed\":"),
               told(&t, "\"untimed\":") + told(&t, "\"echoes\":"));
    tell_moments(out, &t);
    free(t.bytes);
}

/* --- a scene to look at -------------------------------------------------------- */

#define OP_COUNT 0x1000u
#define OP_FILL  0x1001u

static const char *const count_text = "uint n = 0u; for (uint i = 0u; i < arg[0]; i++) n = n * 5u + i; "
                                      "result(0, n);";

static void print_trace(void *user, const char *bytes, size_t count)
{
    (void)user;
    if (fwrite(bytes, 1, count, stdout) != count)
        exit(1);
}

static vyre_ticket scene_publish(vyre *v, uint32_t opcode, uint32_t from, uint32_t to)
{
    vyre_work w = { 0, 0, VYRE_PRIORITY_NORMAL, 2, { 0 } };
    vyre_error err;
    vyre_ticket t;
    w.opcode = opcode;
    w.args[0] = from;
    w.args[1] = to;
    check(vyre_publish(v, &w, &t, &err), &err);
    return t;
}

static void scene_play(vyre *v)
{
    vyre_ticket tickets[26];
    vyre_error err;
    for (uint32_t i = 0; i < 26; i++)
        tickets[i] = i % 13 == 6 ? scene_publish(v, OP_FILL, 0, 1u << 22)
                                 : scene_publish(v, OP_COUNT, 100 + i * 7919 % 1500, 0);
    for (uint32_t i = 0; i < 26; i++)
        check(vyre_wait(v, tickets[i], 5000000000ull, &err), &err);
}

static void scene(void)
{
    static const vyre_buffer_desc buffer = { "x", 4, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, 1u << 22,
                                             false, 0, 0 };
    vyre_handler handlers[2];
    vyre_desc desc;
    vyre_error err;
    memset(handlers, 0, sizeof handlers);
    memset(&desc, 0, sizeof desc);
    handlers[0].opcode = OP_COUNT;
    handlers[0].name = "count";
    handlers[0].source = count_text;
    handlers[1].opcode = OP_FILL;
    handlers[1].name = "fill";
    handlers[1].width = VYRE_WIDTH_RANGE;
    handlers[1].source = "x[index] = index;";
    desc.kernel.handlers = handlers;
    desc.kernel.handler_count = 2;
    desc.kernel.buffers = &buffer;
    desc.kernel.buffer_count = 1;
    desc.trace_events = 1024;
    vyre *v = vyre_open(&desc, &err);
    if (!v)
        check(VYRE_E_ARGUMENT, &err);
    check(vyre_start(v, &err), &err);
    scene_play(v); /* starts what a driver starts late */
    for (int i = 0; i < 100; i++) /* there and back, which is what shows how the clocks differ */
        check(vyre_wait(v, scene_publish(v, OP_COUNT, 1, 0), 5000000000ull, &err), &err);
    scene_play(v);
    check(vyre_stop(v, 5000000000ull, &err), &err);
    check(vyre_trace_json(v, print_trace, NULL, &err), &err);
    vyre_close(v);
}

int main(int argc, char **argv)
{
    static watched all[PATHS];
    vyre_info info;
    bench_usage(argc, argv, "[--csv] [--quick] [--seconds N] [--trace]");
    double seconds = bench_number(argc, argv, "--seconds", 20);
    if (bench_flag(argc, argv, "--trace")) {
        scene();
        return 0;
    }
    if (bench_flag(argc, argv, "--quick"))
        seconds = 4;
    for (int i = 0; i < PATHS; i++)
        all[i] = watched_open((path)i);
    vyre_query(all[0].v, &info);
    bench_output out = bench_cpu("watch", "ns", "", bench_flag(argc, argv, "--csv"));
    snprintf(out.device, sizeof out.device, "%s", info.device);
    snprintf(out.driver, sizeof out.driver, "%s", info.driver);
    snprintf(out.settings, sizeof out.settings, "%g s, 64 in flight, one producer", seconds);
    bench_heading(&out);
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < PATHS; i++)
            turn(&all[i], seconds / (ROUNDS * PATHS));
    for (int i = 0; i < PATHS; i++)
        bench_finish(&out, &all[i].jobs);
    bench_finish(&out, &all[HOST].looks);
    bench_finish(&out, &all[DEVICE].looks);
    tell_trace(&out, &all[TRACED]);
    for (int i = 0; i < PATHS; i++)
        watched_close(&all[i]);
    return 0;
}

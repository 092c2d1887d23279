/* replay: works are recorded on every backend and run again on every backend. */
#include "engine.h"
#include "replay_file.h"

static vyre_error err;

#define CHECK_FAILS(call, expected)                                                                \
    do {                                                                                           \
        memset(&err, 0xa5, sizeof err);                                                            \
        CHECK_EQ(call, expected);                                                                  \
        CHECK_EQ(err.status, expected);                                                            \
        CHECK(err.text[0] && strlen(err.text) < sizeof err.text - 1);                              \
        CHECK(err.fix[0] && strlen(err.fix) < sizeof err.fix - 1);                                 \
    } while (0)

enum { SLOTS = 64, IN_FLIGHT = 12 };

static uint32_t works_wanted(void)
{
    const char *text = getenv("TEST_COUNT");
    return text ? (uint32_t)strtoul(text, NULL, 0) : 1500;
}

static vyre_work random_work(uint64_t *seed)
{
    static const uint32_t opcodes[5] = { OP_SQUARE, OP_STORE, OP_FAULT, OP_COUNT,
                                         VYRE_OP_ATOMIC_ADD };
    vyre_work w = engine_work(opcodes[test_random(seed) % 5], 2 + test_random(seed) % 11,
                              (uint32_t)test_random(seed), (uint32_t)test_random(seed));
    if (w.opcode == VYRE_OP_ATOMIC_ADD)
        w.args[1] = VYRE_CONTROL_OBSERVABLES;
    for (uint32_t i = 2; i < w.arg_count; i++)
        w.args[i] = (uint32_t)test_random(seed);
    return w;
}

/* Up to IN_FLIGHT works at a time, whose ends are waited for in any order. */
static void record_works(vyre *v, vyre_replay *log, uint64_t seed, uint32_t count)
{
    vyre_ticket open[IN_FLIGHT];
    uint32_t in_flight = 0;
    for (uint32_t i = 0; i < count || in_flight;) {
        if (i < count && in_flight < IN_FLIGHT && test_random(&seed) % 3) {
            const vyre_work w = random_work(&seed);
            CHECK_EQ(vyre_replay_publish(log, v, &w, &open[in_flight++], &err), VYRE_OK);
            i++;
        } else if (in_flight) {
            const uint32_t which = (uint32_t)(test_random(&seed) % in_flight);
            const vyre_status status = vyre_replay_wait(log, v, open[which], 20 * SECOND, &err);
            CHECK(status == VYRE_OK || status == VYRE_E_FAULT || status == VYRE_E_STALE);
            open[which] = open[--in_flight];
        }
    }
}

static vyre *open_on(vyre_backend backend, uint32_t slots)
{
    vyre_desc d = engine_desc(slots);
    d.backend = backend;
    return vyre_open(&d, NULL);
}

static vyre_replay *recorded(memory_file *f, uint32_t count)
{
    *f = memory_begin();
    vyre_replay_desc desc = memory_log(f, 2, 2 * count + 4);
    vyre_replay *log = vyre_replay_open(&desc, &err);
    vyre *v = open_on(backend_under_test, SLOTS);
    CHECK(log && v);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    record_works(v, log, test_seed(0x5eed), count);
    vyre_close(v);
    return log;
}

static uint64_t count_ends(vyre_replay *log)
{
    vyre_replay_record r;
    uint64_t ends = 0;
    vyre_replay_rewind(log);
    while (vyre_replay_next(log, &r, &err) == VYRE_OK)
        ends += r.kind == VYRE_REPLAY_END;
    return ends;
}

/* Here, on the other backend where there is one, started or not, in a ring of any size. */
static void works_come_out_again(void)
{
    static const vyre_backend backends[2] = { VYRE_BACKEND_CPU, VYRE_BACKEND_VULKAN };
    static const uint32_t rings[3] = { SLOTS, 4 * SLOTS, 2 };
    const uint32_t count = works_wanted();
    memory_file f;
    vyre_replay *log = recorded(&f, count);
    const uint64_t ends = count_ends(log);
    CHECK(ends > count / 2 && ends <= count);
    for (unsigned i = 0; i < 6; i++) {
        vyre *v = open_on(backends[i % 2], rings[i / 2]);
        vyre_replay_report report;
        if (!v)
            continue;
        if (i != 5) /* passes */
            CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        CHECK_EQ(vyre_replay_run(v, log, &report, &err), VYRE_OK);
        CHECK_EQ(report.works, count);
        if (rings[i / 2] >= SLOTS) /* else some are overwritten before they can be asked */
            CHECK_EQ(report.ends, ends);
        CHECK_EQ(report.differences, 0);
        if (rings[i / 2] >= SLOTS)
            CHECK_EQ(report.lost, 0);
        vyre_close(v);
    }
    vyre_replay_close(log);
    memory_end(&f);
}

/* Copies the log; record `at` is changed by `change`. */
static vyre_replay *changed(vyre_replay *log, memory_file *f, uint64_t at,
                            void (*change)(vyre_replay_record *r))
{
    *f = memory_begin();
    vyre_replay_desc desc = memory_log(f, 2, 4096);
    vyre_replay *copy = vyre_replay_open(&desc, &err);
    vyre_replay_record r;
    CHECK(copy != NULL);
    vyre_replay_rewind(log);
    while (vyre_replay_next(log, &r, &err) == VYRE_OK) {
        if (r.sequence == at)
            change(&r);
        CHECK_EQ(vyre_replay_append(copy, &r, &err), VYRE_OK);
    }
    return copy;
}

static void another_state(vyre_replay_record *r)
{
    r->state = r->state == VYRE_SLOT_DONE ? VYRE_SLOT_FAULTED : VYRE_SLOT_DONE;
}

static void another_digest(vyre_replay_record *r)
{
    r->digest ^= 1;
}

static void another_slot(vyre_replay_record *r)
{
    r->slot += 1000;
}

/* The first end with this state: its sequence. */
static uint64_t find_end(vyre_replay *log, uint32_t state)
{
    vyre_replay_record r;
    vyre_replay_rewind(log);
    do {
        CHECK_EQ(vyre_replay_next(log, &r, &err), VYRE_OK);
    } while (r.kind != VYRE_REPLAY_END || r.state != state);
    return r.sequence;
}

static void differences_are_named(void)
{
    static const struct {
        uint32_t state;
        void   (*change)(vyre_replay_record *r);
        uint64_t differences, lost;
    } changes[] = { { VYRE_SLOT_DONE, another_state, 1, 0 },
                    { VYRE_SLOT_FAULTED, another_state, 1, 0 },
                    { VYRE_SLOT_DONE, another_digest, 1, 0 },
                    { VYRE_SLOT_DONE, another_slot, 0, 1 } };
    memory_file f, g;
    vyre_replay *log = recorded(&f, 100);
    vyre *v = open_on(backend_under_test, SLOTS);
    CHECK(v != NULL);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (unsigned i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        const uint64_t at = find_end(log, changes[i].state);
        vyre_replay_report report;
        vyre_replay *copy = changed(log, &g, at, changes[i].change);
        CHECK_EQ(vyre_replay_run(v, copy, &report, &err), VYRE_OK);
        CHECK_EQ(report.works, 100);
        CHECK_EQ(report.differences, changes[i].differences);
        CHECK_EQ(report.lost, changes[i].lost);
        CHECK_EQ(report.first_difference, changes[i].differences ? at : 0);
        vyre_replay_close(copy);
        memory_end(&g);
    }
    f.bytes[64 + 128 * 3] ^= 1; /* a damaged record */
    vyre_replay_report report;
    CHECK_EQ(vyre_replay_run(v, log, &report, &err), VYRE_OK);
    CHECK(report.lost >= 1 && report.works + report.ends < 200);
    vyre_close(v);
    vyre_replay_close(log);
    memory_end(&f);
}

/* In version 1 a record is a work and its end; four arguments will do for these. */
static void version_1(void)
{
    memory_file f = memory_begin();
    vyre_replay_desc desc = memory_log(&f, 1, 50);
    vyre_replay *log = vyre_replay_open(&desc, &err);
    vyre *v = open_on(backend_under_test, SLOTS);
    vyre_replay_record r;
    vyre_replay_report report;
    CHECK(log && v);
    memset(&r, 0, sizeof r);
    for (uint32_t i = 0; i < 40; i++) {
        r.opcode = i % 4 ? OP_SQUARE : OP_FAULT;
        r.args[0] = i;
        r.slot = i % 7;
        r.ended = i % 3 == 0;
        r.state = i % 4 ? VYRE_SLOT_DONE : VYRE_SLOT_FAULTED;
        r.code = i % 4 ? 0 : (uint32_t)VYRE_FAULT_USER + i + (i == 36);
        CHECK_EQ(vyre_replay_append(log, &r, &err), VYRE_OK);
    }
    CHECK_EQ(vyre_replay_run(v, log, &report, &err), VYRE_OK);
    CHECK_EQ(report.works, 40);
    CHECK_EQ(report.ends, 14);
    CHECK_EQ(report.differences, 1);
    CHECK_EQ(report.first_difference, 37); /* counted from 1 */
    vyre_close(v);
    vyre_replay_close(log);
    memory_end(&f);
}

static void what_cannot_be_run(void)
{
    memory_file f;
    vyre_replay *log = recorded(&f, 10);
    vyre_replay_record r;
    vyre_replay_report report;
    vyre *v = open_on(backend_under_test, SLOTS);
    vyre_work w = engine_work(OP_SQUARE, 1, 0, 0);
    CHECK(v != NULL);
    CHECK_FAILS(vyre_replay_run(NULL, log, &report, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_replay_run(v, NULL, &report, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_replay_publish(NULL, v, &w, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_replay_wait(NULL, v, (vyre_ticket){ 0, 1 }, 0, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_replay_run(v, log, NULL, &err), VYRE_OK);
    memset(&r, 0, sizeof r);
    r.tenant = 7;
    CHECK_EQ(vyre_replay_append(log, &r, &err), VYRE_OK);
    CHECK_FAILS(vyre_replay_run(v, log, &report, &err), VYRE_E_TENANT_RANGE);
    CHECK_EQ(report.works, 10);
    memory_file g;
    vyre_replay *far = changed(log, &g, 0, another_slot);
    r.tenant = 0;
    r.slot = VYRE_MAX_SLOTS;
    vyre_replay_close(far);
    memory_end(&g);
    g = memory_begin();
    vyre_replay_desc desc = memory_log(&g, 2, 4);
    CHECK((far = vyre_replay_open(&desc, &err)) != NULL);
    CHECK_EQ(vyre_replay_append(far, &r, &err), VYRE_OK);
    CHECK_FAILS(vyre_replay_run(v, far, &report, &err), VYRE_E_REPLAY_HEADER);
    vyre_replay_close(far);
    memory_end(&g);
    vyre_close(v);
    vyre_replay_close(log);
    memory_end(&f);
}

static const engine_case cases[] = {
    ENGINE_CASE(works_come_out_again),
    ENGINE_CASE(differences_are_named),
    ENGINE_CASE(version_1),
    ENGINE_CASE(what_cannot_be_run),
};

int main(void)
{
    engine_run_cases(cases, sizeof cases / sizeof cases[0]);
    return test_end();
}

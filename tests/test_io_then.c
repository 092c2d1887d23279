/* Works that wait for a read of the pump's, on each backend, while the kernel runs and in
 * passes: bytes are there before a work looks at them, and a read that fails lets
 * none run. */
#include "inside.h"
#include "driver.h"
#include "engine.h"

#include <errno.h>

#define OP_SUM 0x1000u /* of the words of indexes a0 .. a1 - 1, into word 4 */

enum { STRIDE = 1024, PLACES = 16, READS = 200 };

static const vyre_buffer_desc buffers[] = {
    { "to", 4, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, STRIDE / 4 * PLACES, false, 0, 0 },
};
static const vyre_handler handlers[] = {
    { OP_SUM, NULL, NULL, "sum", VYRE_WIDTH_RANGE, 0, "reduce_add(4, to[index]);", 0 },
};

/* What the source's function does. */
typedef struct origin {
    uint32_t gate;  /* reads wait until it is not 0 */
    uint32_t fails; /* reads of offsets from here on fail */
} origin;

static uint32_t word_at(uint64_t i)
{
    return (uint32_t)i * 0x9e3779b1u ^ (uint32_t)i >> 7;
}

static int64_t origin_read(void *user, void *bytes, uint64_t offset, uint32_t size, bool write)
{
    origin *o = (origin *)user;
    const uint64_t end = engine_now() + 60 * SECOND;
    CHECK(!write && offset % 4 == 0);
    while (!__atomic_load_n(&o->gate, __ATOMIC_ACQUIRE) && engine_now() < end)
        engine_sleep_ms(1);
    if (offset >= o->fails)
        return -EIO;
    for (uint32_t i = 0; i < size / 4; i++)
        ((uint32_t *)bytes)[i] = word_at(offset / 4 + i);
    return size;
}

typedef struct machine {
    vyre    *v;
    vyre_io *io;
    origin   from;
    uint32_t source, target;
} machine;

static void machine_open(machine *m, uint32_t events, bool started)
{
    vyre_desc d = engine_desc(64);
    vyre_io_desc i;
    vyre_error err;
    memset(m, 0, sizeof *m);
    memset(&i, 0, sizeof i);
    memset(&err, 0, sizeof err);
    d.kernel.handlers = handlers;
    d.kernel.handler_count = 1;
    d.kernel.buffers = buffers;
    d.kernel.buffer_count = 1;
    d.keep_results = true;
    d.events = events;
    d.lost_work = VYRE_LOST_RERUN;
    m->v = engine_open(&d);
    if (started)
        CHECK_EQ(vyre_start(m->v, NULL), VYRE_OK);
    i.handle = m->v;
    i.engine = VYRE_IO_ENGINE_PREAD;
    i.helper = true;
    m->io = vyre_io_open(&i, &err);
    if (!m->io)
        test_fail(__FILE__, __LINE__, "io: %s", err.text);
    m->from.gate = 1;
    m->from.fails = UINT32_MAX;
    CHECK_EQ(vyre_io_add_source(m->io, origin_read, &m->from, 1u << 30, VYRE_IO_CAN_READ,
                                &m->source, NULL), VYRE_OK);
    CHECK_EQ(vyre_io_add_target(m->io, 0, 0, 0, STRIDE, &m->target, NULL), VYRE_OK);
}

static void machine_close(machine *m)
{
    vyre_io_close(m->io);
    vyre_close(m->v);
}

/* The read `n`, of `bytes`, and the sum of its words. */
static vyre_status begin(machine *m, uint32_t n, uint32_t bytes, vyre_ticket *t, vyre_error *err)
{
    const uint32_t place = n % PLACES, first = place * STRIDE / 4;
    const vyre_io_read read = { m->source, m->target, place, (uint64_t)n * STRIDE, bytes };
    const vyre_work work = { OP_SUM, 0, VYRE_PRIORITY_NORMAL, 5,
                             { first, first + (bytes + 3) / 4 } };
    return vyre_io_read_then(m->io, &read, &work, t, err);
}

static uint32_t sum_of(uint32_t n, uint32_t bytes)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < bytes / 4; i++)
        sum += word_at((uint64_t)n * STRIDE / 4 + i);
    return sum;
}

static void expect_sum(machine *m, uint32_t n, uint32_t bytes, vyre_ticket t)
{
    uint32_t r[12];
    CHECK_EQ(vyre_wait_result(m->v, t, 300 * SECOND, r, NULL), VYRE_OK);
    CHECK_EQ(r[4], sum_of(n, bytes));
}

/* --- cases ------------------------------------------------------------------ */

/* Each place is read into again when its work has ended. */
static void reads_and_works(bool started)
{
    machine m;
    vyre_ticket t[PLACES];
    machine_open(&m, 1, started);
    for (uint32_t n = 0; n < READS; n++) {
        if (n >= PLACES)
            expect_sum(&m, n - PLACES, STRIDE - n % PLACES / 4 * 4, t[n % PLACES]);
        CHECK_EQ(begin(&m, n, STRIDE - n % PLACES / 4 * 4, &t[n % PLACES], NULL), VYRE_OK);
    }
    for (uint32_t n = READS - PLACES; n < READS; n++)
        expect_sum(&m, n, STRIDE - n % PLACES / 4 * 4, t[n % PLACES]);
    machine_close(&m);
}

static void while_it_runs(void) { reads_and_works(true); }
static void in_passes(void) { reads_and_works(false); }

/* The ticket is good, and pending, before a byte has been read. */
static void a_work_waits_for_its_bytes(void)
{
    machine m;
    vyre_ticket t, other;
    uint32_t r[12];
    machine_open(&m, 1, true);
    m.from.gate = 0;
    CHECK_EQ(begin(&m, 3, STRIDE, &t, NULL), VYRE_OK);
    const vyre_work nothing = { VYRE_OP_NOP, 0, VYRE_PRIORITY_NORMAL, 0, { 0 } };
    for (uint32_t i = 0; i < 10; i++) {
        other = engine_publish(m.v, nothing); /* others are served meanwhile */
        CHECK_EQ(vyre_wait_result(m.v, other, 300 * SECOND, r, NULL), VYRE_OK);
        CHECK_EQ(vyre_poll(m.v, t), VYRE_PENDING);
    }
    __atomic_store_n(&m.from.gate, 1, __ATOMIC_RELEASE);
    expect_sum(&m, 3, STRIDE, t);
    machine_close(&m);
}

static void expect_after(machine *m, vyre_ticket t)
{
    uint32_t r[12], code = 0;
    CHECK_EQ(vyre_wait_result(m->v, t, 300 * SECOND, r, NULL), VYRE_E_FAULT);
    CHECK_EQ(vyre_fault_of(m->v, t, &code), VYRE_OK);
    CHECK_EQ(code, VYRE_FAULT_AFTER);
}

static void a_read_that_fails_runs_nothing(void)
{
    machine m;
    vyre_ticket t[4];
    machine_open(&m, 1, true);
    m.from.fails = 2 * STRIDE;
    for (uint32_t n = 0; n < 4; n++)
        CHECK_EQ(begin(&m, n, STRIDE, &t[n], NULL), VYRE_OK);
    expect_sum(&m, 0, STRIDE, t[0]);
    expect_sum(&m, 1, STRIDE, t[1]);
    expect_after(&m, t[2]);
    expect_after(&m, t[3]);
    machine_close(&m);
}

/* Close gives up what has not been read.  The pump's memory stays its threads' (io.h), and is no
 * leak while somebody knows it. */
static void a_pump_that_is_closed_leaves_no_work(void)
{
    static vyre_io *volatile left_alone[2];
    machine m;
    vyre_ticket t[8];
    machine_open(&m, 1, true);
    m.from.gate = 0;
    for (uint32_t n = 0; n < 8; n++)
        CHECK_EQ(begin(&m, n, STRIDE, &t[n], NULL), VYRE_OK);
    vyre_io_close(left_alone[backend_under_test == VYRE_BACKEND_VULKAN] = m.io);
    for (uint32_t n = 0; n < 8; n++)
        expect_after(&m, t[n]);
    __atomic_store_n(&m.from.gate, 1, __ATOMIC_RELEASE);
    engine_sleep_ms(20); /* the threads that were left alone come back */
    vyre_close(m.v);
}

/* The next device's works wait, too; of a read that has failed it is told. */
static void a_lost_device_changes_nothing(void)
{
    static uint32_t memory[STRIDE / 4 * 2];
    for (uint32_t failed = 0; failed < 2; failed++) {
        machine m;
        vyre_ticket t;
        machine_open(&m, 1, false);
        m.from.gate = failed;
        m.from.fails = failed ? 0 : UINT32_MAX;
        CHECK_EQ(vyre_io_add_memory(m.io, memory, sizeof memory, 0, &m.target, NULL), VYRE_OK);
        const vyre_io_read read = { m.source, m.target, 0, 0, STRIDE };
        const vyre_work work = { OP_SUM, 0, VYRE_PRIORITY_NORMAL, 5, { 0, 1 } };
        CHECK_EQ(vyre_io_read_then(m.io, &read, &work, &t, NULL), VYRE_OK);
        vyre_io_info info;
        do
            vyre_io_query(m.io, &info);
        while (failed && info.in_flight);
        engine_lose(m.v);
        CHECK_EQ(vyre_recover(m.v, NULL), VYRE_OK);
        if (failed) {
            expect_after(&m, t);
        } else {
            CHECK_EQ(vyre_wait(m.v, t, 10000000, NULL), VYRE_TIMEOUT);
            __atomic_store_n(&m.from.gate, 1, __ATOMIC_RELEASE);
            CHECK_EQ(vyre_wait(m.v, t, 300 * SECOND, NULL), VYRE_OK);
        }
        machine_close(&m);
    }
}

static void what_is_refused(void)
{
    machine m;
    vyre_ticket t[65], untold = { 77, 78 };
    vyre_error err;
    memset(&err, 0, sizeof err);
    machine_open(&m, 0, true);
    CHECK_EQ(begin(&m, 0, STRIDE, &t[0], &err), VYRE_E_ARGUMENT);
    CHECK(strstr(err.fix, "events"));
    machine_close(&m);
    machine_open(&m, 1, true);
    CHECK_EQ(begin(&m, 0, STRIDE + 4, &t[0], &err), VYRE_E_IO_REQUEST);
    CHECK_EQ(err.native, VYRE_IO_CODE_RANGE);
    CHECK_EQ(vyre_io_read_then(NULL, NULL, NULL, NULL, &err), VYRE_E_ARGUMENT);
    const vyre_io_read read = { m.source + 1, m.target, 0, 0, 4 };
    const vyre_work odd = { OP_SUM + 1, 0, VYRE_PRIORITY_NORMAL, 0, { 0 } };
    const vyre_work even = { OP_SUM, 0, VYRE_PRIORITY_NORMAL, 2, { 0, 1 } };
    CHECK_EQ(vyre_io_read_then(m.io, &read, &even, NULL, &err), VYRE_E_IO_REQUEST);
    const vyre_io_read good = { m.source, m.target, 0, 0, 4 };
    CHECK_EQ(vyre_io_read_then(m.io, &good, &odd, &untold, &err), VYRE_E_OPCODE);
    CHECK(untold.slot == 77 && untold.generation == 78);
    CHECK_EQ(vyre_io_read_then(m.io, &good, &even, NULL, &err), VYRE_OK); /* nobody asks for it */
    CHECK_EQ(vyre_drain(m.v, 300 * SECOND, NULL), VYRE_OK);
    /* 32 wide slots are fewer than reads, and than events. */
    m.from.gate = 0;
    vyre_status status = VYRE_OK;
    uint32_t count = 0;
    while (count < 65 && (status = begin(&m, count, 4, &t[count], &err)) == VYRE_OK)
        count++;
    CHECK_EQ(status, VYRE_FULL);
    CHECK_EQ(count, 32);
    __atomic_store_n(&m.from.gate, 1, __ATOMIC_RELEASE);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t r[12];
        CHECK_EQ(vyre_wait_result(m.v, t[i], 300 * SECOND, r, NULL), VYRE_OK);
    }
    vyre_io_info info;
    vyre_io_query(m.io, &info);
    CHECK_EQ(info.in_flight, 0);
    CHECK_EQ(info.submitted.reads, count + 1);
    machine_close(&m);
}

int main(void)
{
    static const engine_case cases[] = {
        ENGINE_CASE(while_it_runs), ENGINE_CASE(in_passes),
        ENGINE_CASE(a_work_waits_for_its_bytes), ENGINE_CASE(a_read_that_fails_runs_nothing),
        ENGINE_CASE(a_pump_that_is_closed_leaves_no_work), ENGINE_CASE(a_lost_device_changes_nothing),
        ENGINE_CASE(what_is_refused),
    };
    engine_run_cases(cases, sizeof cases / sizeof cases[0]);
    return test_end();
}

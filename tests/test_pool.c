/* Splits: the original's cases, and what must hold for every total.  Pools on two CPU
 * handles, and on a CPU and a Vulkan one together; what becomes of works whose device is
 * lost is in test_engine_fake.c. */
#include "engine.h"
#include "driver.h"

static void split_worked_cases(void)
{
    static const struct {
        uint64_t total;
        uint32_t owners;
        uint64_t count, unit, last; /* `last`: the size of the last share */
    } rows[] = {
        { 10, 3, 10, 1, 1 },  { 2, 8, 2, 1, 1 },    { 100, 3, 13, 8, 4 }, { 1000, 2, 8, 125, 125 },
        { 7, 1, 7, 1, 1 },    { 0, 3, 0, 1, 0 },    { 5, 0, 0, 1, 0 },    { 1, 1, 1, 1, 1 },
        { UINT64_MAX, 1, 5, UINT64_MAX / 4, 3 },
        { UINT64_MAX, UINT32_MAX, 17179869184ull, 1073741824, 1073741823 }
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t unit = 0;
        const uint64_t count = vyre_split_count(rows[i].total, rows[i].owners, &unit);
        if (count != rows[i].count || unit != rows[i].unit)
            test_fail(__FILE__, __LINE__, "row %u: %llu units of %llu", i,
                      (unsigned long long)count, (unsigned long long)unit);
        CHECK(vyre_split_count(rows[i].total, rows[i].owners, NULL) == count);
        const vyre_share none = vyre_split_at(rows[i].total, rows[i].owners, count);
        CHECK(none.first == 0 && none.count == 0 && none.owner == 0);
        if (count == 0)
            continue;
        const vyre_share last = vyre_split_at(rows[i].total, rows[i].owners, count - 1);
        CHECK(last.count == rows[i].last);
        CHECK_EQ(last.owner, (count - 1) % rows[i].owners);
    }
}

/* Shares follow one another, cover the total, and are owned in turn. */
static void splits_cover_the_total(void)
{
    uint64_t seed = test_seed(0x5911);
    for (unsigned round = 0; round < 100000; round++) {
        const uint64_t total = test_random(&seed) >> test_random(&seed) % 64;
        const uint32_t owners = (uint32_t)test_random(&seed) >> test_random(&seed) % 32;
        uint64_t unit = 0;
        const uint64_t count = vyre_split_count(total, owners, &unit);
        CHECK((count == 0) == (total == 0 || owners == 0));
        if (count == 0)
            continue;
        CHECK(count <= 8 * (uint64_t)owners); /* a unit is never half of what it could be */
        const uint64_t picks[4] = { 0, count - 1, test_random(&seed) % count, count / 2 };
        for (unsigned i = 0; i < 4; i++) {
            const vyre_share share = vyre_split_at(total, owners, picks[i]);
            CHECK(share.count > 0 && share.count <= unit);
            CHECK(share.first == picks[i] * unit && share.owner == picks[i] % owners);
            if (picks[i] + 1 < count)
                CHECK(share.count == unit &&
                      vyre_split_at(total, owners, picks[i] + 1).first == share.first + unit);
            else
                CHECK(total - share.first == share.count);
        }
    }
}

/* --- pools ------------------------------------------------------------------ */

static uint32_t pool_works = 5000;

#define POOL_MOST 4u

typedef struct pool {
    vyre          *handles[POOL_MOST];
    vyre_pool_desc desc;
    char           message[160];
} pool;

static void pool_hear(void *user, vyre_severity severity, const char *text)
{
    (void)severity;
    snprintf(((pool *)user)->message, sizeof ((pool *)user)->message, "%s", text);
}

/* The first one on the CPU, all others on the backend under test; started. */
static void pool_open(pool *p, uint32_t count, uint32_t slots)
{
    memset(p, 0, sizeof *p);
    p->desc.handles = p->handles;
    p->desc.count = count;
    for (uint32_t i = 0; i < count; i++) {
        vyre_desc d = engine_desc(slots);
        d.backend = i ? backend_under_test : VYRE_BACKEND_CPU;
        d.messages.message = pool_hear;
        d.messages.user = p;
        d.cpu_threads = 1;
        p->handles[i] = engine_open(&d);
        CHECK_EQ(vyre_start(p->handles[i], NULL), VYRE_OK);
    }
}

static void pool_close(pool *p)
{
    for (uint32_t i = 0; i < p->desc.count; i++)
        vyre_close(p->handles[i]);
}

/* Work i counts in word i of the buffer of the handle that runs it. */
static vyre_work *pool_count_works(uint32_t count)
{
    vyre_work *works = (vyre_work *)calloc(count, sizeof *works);
    CHECK(works != NULL);
    for (uint32_t i = 0; i < count; i++)
        works[i] = engine_work(OP_COUNT, 2, i % USER_WORDS, 1);
    return works;
}

/* Each word of `count` works was counted once for each work that has it. */
static void pool_check_counts(const pool *p, uint32_t count)
{
    for (uint32_t word = 0; word < USER_WORDS; word++) {
        uint32_t sum = 0;
        for (uint32_t i = 0; i < p->desc.count; i++)
            sum += ((const uint32_t *)vyre_map(p->handles[i], 0, NULL))[word];
        CHECK_EQ(sum, count / USER_WORDS + (word < count % USER_WORDS));
    }
}

static void pool_each_work_once(void)
{
    for (uint32_t handles = 1; handles <= 2; handles++) {
        pool p;
        vyre_stats each[POOL_MOST];
        vyre_error err;
        pool_open(&p, handles, 256);
        vyre_work *works = pool_count_works(pool_works);
        const vyre_status status = vyre_pool_run(&p.desc, works, pool_works, each, &err);
        if (status != VYRE_OK)
            test_fail(__FILE__, __LINE__, "%d: %s", (int)status, err.text);
        uint64_t done = 0;
        for (uint32_t i = 0; i < handles; i++) {
            CHECK(each[i].done > 0 && each[i].faults == 0);
            CHECK_EQ(each[i].done, engine_observable(p.handles[i], 0));
            CHECK_EQ(each[i].input_bytes, 64 * each[i].done);
            CHECK(each[i].latency_ns >= each[i].publish_ns + each[i].wait_ns);
            done += each[i].done;
        }
        CHECK_EQ(done, pool_works);
        pool_check_counts(&p, pool_works);
        pool_close(&p);
        free(works);
    }
}

/* Units and rings of every size, more handles than works, a handle that was not started. */
static void pool_sizes(void)
{
    static const struct { uint32_t slots, count, unit; } rows[] = {
        { 64, 0, 0 }, { 64, 1, 0 }, { 64, 65, 0 }, { 64, 500, 1 }, { 64, 500, 1000000 },
        { 1, 100, 0 }, { 1, 100, 7 }
    };
    pool p;
    vyre_work *works = pool_count_works(500);
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const uint32_t count = rows[i].count;
        if (i == 0 || rows[i].slots != rows[i - 1].slots) {
            pool_open(&p, 3, rows[i].slots);
            CHECK_EQ(vyre_stop(p.handles[i % 3], SECOND, NULL), VYRE_OK);
        }
        p.desc.unit = rows[i].unit;
        for (uint32_t h = 0; h < 3; h++)
            memset(vyre_map(p.handles[h], 0, NULL), 0, 4 * USER_WORDS);
        CHECK_EQ(vyre_pool_run(&p.desc, count ? works : NULL, count, NULL, NULL), VYRE_OK);
        pool_check_counts(&p, count);
        if (i + 1 == sizeof rows / sizeof rows[0] || rows[i].slots != rows[i + 1].slots)
            pool_close(&p);
    }
    free(works);
}

static void pool_tells_of_faults(void)
{
    pool p;
    vyre_error err;
    vyre_stats each[2];
    pool_open(&p, 2, 64);
    vyre_work *works = pool_count_works(1000);
    works[777] = engine_work(OP_FAULT, 1, 5, 0);
    CHECK_EQ(vyre_pool_run(&p.desc, works, 1000, each, &err), VYRE_E_FAULT);
    CHECK_EQ(err.at, 777);
    CHECK_EQ(err.native, VYRE_FAULT_USER + 5);
    CHECK_EQ(each[0].done + each[1].done, 999);
    CHECK_EQ(each[0].faults + each[1].faults, 1);
    CHECK(strstr(err.text, each[0].faults ? "work 777, on handle 0" : "work 777, on handle 1"));
    pool_close(&p);
    free(works);
}

/* The handle that shut down.  A run may come back before the end of that launch is seen, which
 * a work more looks for; it counts nothing. */
static uint32_t pool_shut(const pool *p)
{
    const vyre_work nothing = engine_work(VYRE_OP_NOP, 0, 0, 0);
    const uint64_t begin = engine_now();
    vyre_ticket tickets[2];
    vyre_info info;
    for (uint32_t i = 0; i < 2; i++)
        if (vyre_publish(p->handles[i], &nothing, &tickets[i], NULL) == VYRE_E_STOPPED)
            return i;
    for (uint32_t i = 0; engine_now() - begin < SECOND; i = !i) {
        vyre_poll(p->handles[i], tickets[i]);
        vyre_query(p->handles[i], &info);
        if (info.shut_down)
            return i;
    }
    test_fail(__FILE__, __LINE__, "no handle shut down");
}

/* Opcode SHUTDOWN ends one handle in the middle; what it had not begun runs on others. */
static void pool_shut_down(void)
{
    pool p;
    vyre_error err;
    vyre_stats each[2];
    pool_open(&p, 2, 64);
    vyre_work *works = pool_count_works(3000);
    works[1000] = engine_work(VYRE_OP_SHUTDOWN, 0, 0, 0);
    vyre_status status = vyre_pool_run(&p.desc, works, 3000, each, &err);
    if (status != VYRE_OK)
        test_fail(__FILE__, __LINE__, "%d: %s", (int)status, err.text);
    CHECK_EQ(each[0].done + each[1].done, 3000);
    const uint32_t shut = pool_shut(&p);
    const uint32_t ran = engine_observable(p.handles[0], 0) + engine_observable(p.handles[1], 0);
    CHECK_EQ(ran, 2999);

    /* What was taken back does not run later, and nobody is told of it. */
    CHECK_EQ(vyre_start(p.handles[shut], &err), VYRE_OK);
    status = vyre_drain(p.handles[shut], SECOND, &err);
    if (status != VYRE_OK)
        test_fail(__FILE__, __LINE__, "%d: %s", (int)status, err.text);
    CHECK_EQ(engine_observable(p.handles[0], 0) + engine_observable(p.handles[1], 0), ran);

    works[0] = works[1] = engine_work(VYRE_OP_SHUTDOWN, 0, 0, 0); /* nobody is left */
    p.desc.unit = 1;
    CHECK_EQ(vyre_pool_run(&p.desc, works, 3000, each, &err), VYRE_E_STOPPED);
    CHECK(err.at > 0 && err.at < 3000 && strstr(err.text, "the last of 2"));
    pool_close(&p);
    free(works);
}

static void pool_refuses(void)
{
    pool p;
    vyre_error err;
    pool_open(&p, 2, 64);
    vyre_work *works = pool_count_works(3);
    CHECK_EQ(vyre_pool_run(NULL, works, 3, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_pool_run(&p.desc, NULL, 3, NULL, &err), VYRE_E_ARGUMENT);
    vyre *const twice[3] = { p.handles[0], p.handles[1], p.handles[0] };
    vyre *const none[2] = { p.handles[0], NULL };
    const vyre_pool_desc wrong[3] = { { twice, 3, 0 }, { none, 2, 0 }, { twice, 0, 0 } };
    CHECK_EQ(vyre_pool_run(&wrong[0], works, 3, NULL, &err), VYRE_E_ARGUMENT);
    CHECK(strstr(err.text, "handles 0 and 2"));
    CHECK_EQ(vyre_pool_run(&wrong[1], works, 3, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(err.at, 1);
    CHECK_EQ(vyre_pool_run(&wrong[2], works, 3, NULL, &err), VYRE_E_ARGUMENT);
    works[2].opcode = OP_NOBODYS;
    CHECK_EQ(vyre_pool_run(&p.desc, works, 3, NULL, &err), VYRE_E_OPCODE);
    CHECK_EQ(engine_observable(p.handles[0], 0) + engine_observable(p.handles[1], 0), 0);
    pool_close(&p);
    free(works);
}

static void pool_compares_kernels(void)
{
    pool p;
    pool_open(&p, 2, 64);
    vyre_work work = engine_work(OP_COUNT, 2, 0, 1);
    CHECK_EQ(vyre_pool_run(&p.desc, &work, 1, NULL, NULL), VYRE_OK);
    CHECK(!strstr(p.message, "another kernel"));
    vyre_close(p.handles[1]);
    vyre_desc d = engine_desc(64);
    d.kernel.handler_count = 5;
    d.messages.message = pool_hear;
    d.messages.user = &p;
    p.handles[1] = engine_open(&d);
    CHECK_EQ(vyre_pool_run(&p.desc, &work, 1, NULL, NULL), VYRE_OK);
    CHECK(strstr(p.message, "handle 1 of the pool has another kernel"));
    pool_close(&p);
}

/* --- copies ----------------------------------------------------------------- */

#define COPY_WORDS 4400000u /* more than a piece */

/* A buffer of each place, and a small one. */
static vyre *copy_open(vyre_backend backend, const vyre_allocator *allocator)
{
    static const vyre_place places[4] = { VYRE_PLACE_SHARED, VYRE_PLACE_DEVICE, VYRE_PLACE_HOST };
    vyre_buffer_desc buffers[4];
    vyre_desc d = engine_desc(64);
    memset(buffers, 0, sizeof buffers);
    for (uint32_t i = 0; i < 4; i++) {
        buffers[i].binding = VYRE_BINDING_USER + i;
        buffers[i].count = i < 3 ? COPY_WORDS : 16;
    }
    d.backend = backend;
    d.kernel.buffers = buffers;
    d.kernel.buffer_count = 4;
    d.buffer_places = places;
    if (allocator)
        d.allocator = *allocator;
    return engine_open(&d);
}

static void copies_between_handles(void)
{
    static uint8_t sent[4 * COPY_WORDS], got[4 * COPY_WORDS];
    vyre *v[2] = { copy_open(VYRE_BACKEND_CPU, NULL), copy_open(backend_under_test, NULL) };
    uint64_t seed = test_seed(0xc0b1);
    CHECK_EQ(vyre_start(v[0], NULL), VYRE_OK);
    CHECK_EQ(vyre_start(v[1], NULL), VYRE_OK);
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (uint8_t)test_random(&seed);
    for (uint32_t way = 0; way < 36; way++) { /* each place to each, of each handle to each */
        const vyre_span from = { v[way / 18], way / 3 % 3, test_random(&seed) % 5000 };
        const vyre_span to = { v[way / 9 % 2], way % 3, sizeof sent / 2 + test_random(&seed) % 5000 };
        const bool same = from.v == to.v && from.buffer == to.buffer;
        const size_t size = same || way % 2 ? 100000 + way : sizeof sent - to.offset;
        CHECK_EQ(vyre_write(from.v, from.buffer, from.offset, sent, size, NULL), VYRE_OK);
        CHECK_EQ(vyre_write(to.v, to.buffer, to.offset - 1, "<", 1, NULL), VYRE_OK);
        CHECK_EQ(vyre_copy(&from, &to, size, NULL), VYRE_OK);
        CHECK_EQ(vyre_read(to.v, to.buffer, to.offset - 1, got, size + 1, NULL), VYRE_OK);
        CHECK(got[0] == '<' && memcmp(got + 1, sent, size) == 0);
    }
    vyre_close(v[0]);
    vyre_close(v[1]);
}

static void copies_that_are_refused(void)
{
    vyre_error err;
    vyre *v = copy_open(VYRE_BACKEND_CPU, NULL);
    vyre_span from = { v, 3, 0 }, to = { v, 0, 0 };
    CHECK_EQ(vyre_copy(&from, &to, 64, &err), VYRE_OK);
    CHECK_EQ(vyre_copy(&from, &to, 0, &err), VYRE_OK);
    CHECK_EQ(vyre_copy(&from, &to, 65, &err), VYRE_E_OVF);
    CHECK_EQ(vyre_copy(&to, &from, SIZE_MAX, &err), VYRE_E_OVF);
    to.offset = SIZE_MAX;
    CHECK_EQ(vyre_copy(&from, &to, 4, &err), VYRE_E_OVF);
    to.buffer = 4;
    CHECK_EQ(vyre_copy(&from, &to, 4, &err), VYRE_E_ARGUMENT);
    to.buffer = 3;
    to.offset = 31;
    CHECK_EQ(vyre_copy(&from, &to, 32, &err), VYRE_E_ARGUMENT);
    CHECK(strstr(err.text, "32 bytes that are 31 apart in buffer 3"));
    CHECK_EQ(vyre_copy(&to, &from, 32, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_copy(&from, &to, 31, &err), VYRE_OK);
    CHECK_EQ(vyre_copy(NULL, &to, 1, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_copy(&from, NULL, 1, &err), VYRE_E_ARGUMENT);
    to.v = NULL;
    CHECK_EQ(vyre_copy(&from, &to, 1, &err), VYRE_E_ARGUMENT);
    vyre_close(v);
}

int main(void)
{
    static const engine_case cases[] = {
        ENGINE_CASE(pool_each_work_once), ENGINE_CASE(pool_sizes),
        ENGINE_CASE(pool_tells_of_faults), ENGINE_CASE(pool_shut_down),
        ENGINE_CASE(copies_between_handles),
    };
    const char *count = getenv("TEST_COUNT");
    pool_works = count ? (uint32_t)strtoul(count, NULL, 0) : pool_works;
    RUN(split_worked_cases);
    RUN(splits_cover_the_total);
    RUN(pool_refuses);
    RUN(pool_compares_kernels);
    RUN(copies_that_are_refused);
    engine_run_cases(cases, sizeof cases / sizeof cases[0]);
    return test_end();
}

/* The user's buffers: where they lie, copies into them and out of them against memcpy,
 * other sizes.  TEST_COUNT: copies of each case; from 1000 on 64 MiB, too. */
#include "inside.h"
#include "engine.h"
#include "knobs.h"
#include "oom.h"

#include <pthread.h>

#define STAGE_SIZE 2048u /* so that small copies have several parts */
#define SHARE_SIZE 5000u /* and several threads */

#define OP_PUT    0x1100u /* buffer [a0] = a1 */
#define OP_GET    0x1200u /* result word 0 = buffer [a0] */
#define OP_LENGTH 0x1300u /* result word 0 = the buffer's length */
#define BUFFERS   3u      /* one in each place; an opcode more for each */
#define SIZE      20000u

static const vyre_place all_places[BUFFERS] = { VYRE_PLACE_SHARED, VYRE_PLACE_DEVICE,
                                                VYRE_PLACE_HOST };

static vyre_error err;

static uint32_t index_of(const void *user)
{
    return *(const uint32_t *)user;
}

static void emit_put(vyre_program *p, const vyre_slot_values *s, void *user)
{
    vyre_ir_store(p, s->buffers[index_of(user)], s->arg[0], s->arg[1]);
}

static void emit_get(vyre_program *p, const vyre_slot_values *s, void *user)
{
    vyre_emit_result(p, s, 0, vyre_ir_load(p, s->buffers[index_of(user)], s->arg[0]));
}

static void emit_length(vyre_program *p, const vyre_slot_values *s, void *user)
{
    vyre_emit_result(p, s, 0, vyre_ir_length(p, s->buffers[index_of(user)]));
}

typedef struct memory_desc {
    vyre_handler     handlers[3 * BUFFERS];
    vyre_buffer_desc buffers[BUFFERS];
    size_t           sizes[BUFFERS];
    vyre_desc        d;
} memory_desc;

static vyre_desc *describe(memory_desc *m, const vyre_place *places, size_t size)
{
    static uint32_t numbers[BUFFERS] = { 0, 1, 2 };
    static const char *const names[BUFFERS] = { "first", "second", "third" };
    memset(m, 0, sizeof *m);
    m->d = engine_desc(16);
    for (uint32_t i = 0; i < BUFFERS; i++) {
        const vyre_emit_fn emit[3] = { emit_put, emit_get, emit_length };
        const uint32_t opcodes[3] = { OP_PUT, OP_GET, OP_LENGTH };
        for (uint32_t k = 0; k < 3; k++) {
            vyre_handler *h = &m->handlers[3 * i + k];
            h->opcode = opcodes[k] + i;
            h->emit = emit[k];
            h->user = &numbers[i];
        }
        m->buffers[i].name = names[i];
        m->buffers[i].binding = 4 + i;
        m->buffers[i].type = VYRE_TYPE_U32;
        m->buffers[i].access = VYRE_ACCESS_READ_WRITE;
        m->sizes[i] = size;
    }
    m->d.kernel.handlers = m->handlers;
    m->d.kernel.handler_count = 3 * BUFFERS;
    m->d.kernel.buffers = m->buffers;
    m->d.kernel.buffer_count = BUFFERS;
    m->d.buffer_sizes = m->sizes;
    m->d.buffer_places = places;
    return &m->d;
}

static vyre *memory_open(const vyre_place *places, size_t size)
{
    memory_desc m;
    return engine_open(describe(&m, places, size));
}

/* The work's result word 0. */
static uint32_t run(vyre *v, uint32_t opcode, uint32_t a0, uint32_t a1)
{
    uint32_t args[12] = { 0 };
    const vyre_ticket t = engine_publish(v, engine_work(opcode, 2, a0, a1));
    CHECK_EQ(vyre_wait_result(v, t, 60 * SECOND, args, &err), VYRE_OK);
    return args[0];
}

static uint32_t copies(uint32_t in_ci)
{
    const char *text = getenv("TEST_COUNT");
    return text ? (uint32_t)strtoul(text, NULL, 0) : in_ci;
}

static void fill(uint8_t *bytes, size_t size, uint64_t *seed)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(test_random(seed) >> 32);
}

/* --- places ------------------------------------------------------------------ */

static void the_host_maps_what_it_may(void)
{
    vyre *v = memory_open(all_places, SIZE), *w = memory_open(NULL, SIZE);
    for (uint32_t i = 0; i < BUFFERS; i++) {
        size_t size = 0;
        CHECK_EQ(vyre_map(v, i, &size) != NULL, all_places[i] != VYRE_PLACE_DEVICE);
        CHECK_EQ(size, SIZE);
        CHECK(vyre_map(w, i, NULL));
    }
    vyre_close(v);
    vyre_close(w);
}

static void every_buffer_begins_with_zeros(void)
{
    static const uint8_t zeros[SIZE];
    static uint8_t bytes[SIZE];
    vyre *v = memory_open(all_places, SIZE);
    for (uint32_t i = 0; i < BUFFERS; i++) {
        memset(bytes, 0xa5, SIZE);
        CHECK_EQ(vyre_read(v, i, 0, bytes, SIZE, &err), VYRE_OK);
        CHECK(memcmp(bytes, zeros, SIZE) == 0);
        CHECK_EQ(run(v, OP_LENGTH + i, 0, 0), SIZE / 4);
        CHECK_EQ(run(v, OP_GET + i, SIZE / 4 - 1, 0), 0);
    }
    vyre_close(v);
}

/* What was written is there for works, what they wrote for the host. */
static void works_and_host_see_each_others_words(void)
{
    vyre *v = memory_open(all_places, SIZE);
    for (uint32_t started = 0; started < 2; started++) {
        if (started)
            CHECK_EQ(vyre_start(v, &err), VYRE_OK);
        for (uint32_t k = 0; k < 20; k++) {
            const uint32_t i = k % BUFFERS, at = k * 37;
            const uint32_t in = 0x10203040u + k + 1000 * started;
            uint32_t out = 0;
            uint8_t bytes[4];
            vyi_put32(bytes, in);
            CHECK_EQ(vyre_write(v, i, 4 * at, bytes, 4, &err), VYRE_OK);
            CHECK_EQ(run(v, OP_GET + i, at, 0), in);
            (void)run(v, OP_PUT + i, at, ~in);
            CHECK_EQ(vyre_read(v, i, 4 * at, bytes, 4, &err), VYRE_OK);
            out = vyi_get32(bytes);
            CHECK_EQ(out, ~in);
        }
    }
    vyre_close(v);
}

static void what_is_wrong_is_refused(void)
{
    static const vyre_place wrong[BUFFERS] = { VYRE_PLACE_SHARED, (vyre_place)3,
                                               VYRE_PLACE_SHARED };
    void *lent[BUFFERS] = { NULL, NULL, &err };
    memory_desc m;
    uint8_t byte = 7;
    CHECK(!vyre_open(describe(&m, wrong, SIZE), &err));
    CHECK_EQ(err.status, VYRE_E_ARGUMENT);
    CHECK_EQ(err.at, 5);
    describe(&m, NULL, SIZE)->vulkan_buffers = lent; /* without a device */
    CHECK(!vyre_open(&m.d, &err));
    CHECK_EQ(err.status, VYRE_E_ARGUMENT);
    CHECK_EQ(err.at, 6);
    m.d.backend = VYRE_BACKEND_AUTO; /* must not go to the CPU with it */
    CHECK(!vyre_open(&m.d, &err));
    CHECK_EQ(err.status, VYRE_E_ARGUMENT);

    vyre *v = memory_open(all_places, SIZE);
    for (uint32_t i = 0; i < BUFFERS; i++) {
        CHECK_EQ(vyre_read(v, i, SIZE, &byte, 0, &err), VYRE_OK);
        CHECK_EQ(vyre_read(v, i, SIZE, NULL, 0, &err), VYRE_OK);
        CHECK_EQ(vyre_read(v, i, SIZE, &byte, 1, &err), VYRE_E_OVF);
        CHECK_EQ(vyre_read(v, i, SIZE_MAX, &byte, SIZE_MAX, &err), VYRE_E_OVF);
        CHECK_EQ(vyre_write(v, i, 1, &byte, SIZE, &err), VYRE_E_OVF);
        CHECK_EQ(vyre_write(v, i, 0, NULL, 1, &err), VYRE_E_ARGUMENT);
        CHECK_EQ(vyre_read(v, i, 0, NULL, 1, &err), VYRE_E_ARGUMENT);
        CHECK_TEXT(err.text, "the bytes are NULL");
    }
    CHECK_EQ(vyre_read(v, BUFFERS, 0, &byte, 1, &err), VYRE_E_ARGUMENT);
    CHECK(strstr(err.text, "there is no user buffer"));
    CHECK_EQ(vyre_read(NULL, 0, 0, &byte, 1, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(byte, 7);
    engine_lose(v);
    for (uint32_t i = 0; i < BUFFERS; i++) {
        CHECK_EQ(vyre_read(v, i, 0, &byte, 1, &err), VYRE_E_DEVICE_LOST);
        CHECK_EQ(vyre_write(v, i, 0, &byte, 1, &err), VYRE_E_DEVICE_LOST);
        CHECK_EQ(vyre_buffer_set(v, i, 8, &err), VYRE_E_DEVICE_LOST);
    }
    CHECK_EQ(byte, 7);
    vyre_close(v);
}

/* --- copies against memcpy --------------------------------------------------- */

static uint8_t model[SIZE], bytes_in[SIZE], bytes_out[SIZE];

/* One write and one read of `size` bytes, at `offset`, from memory that is `shift`
 * bytes off; what lies around stays. */
static void copy_both_ways(vyre *v, uint32_t buffer, size_t offset, size_t size, size_t shift)
{
    uint8_t *out = bytes_out + shift;
    memset(bytes_out, 0xee, size + 16);
    CHECK_EQ(vyre_write(v, buffer, offset, bytes_in + shift, size, &err), VYRE_OK);
    memcpy(model + offset, bytes_in + shift, size);
    CHECK_EQ(vyre_read(v, buffer, offset, out, size, &err), VYRE_OK);
    CHECK(memcmp(out, model + offset, size) == 0);
    CHECK_EQ(out[size], 0xee);
    CHECK(shift == 0 || bytes_out[shift - 1] == 0xee);
}

/* A few of all alignments and sizes up to 4 KB, at the edges most; then all bytes. */
static void copy_about(vyre *v, uint32_t buffer, uint32_t count, uint64_t *seed)
{
    memset(model, 0, SIZE);
    CHECK_EQ(vyre_write(v, buffer, 0, model, SIZE, &err), VYRE_OK);
    for (uint32_t k = 0; k < count; k++) {
        const uint64_t r = test_random(seed);
        const size_t edges[4] = { k % 70, 2046 + k % 5, 4094 + k % 3, (size_t)(r >> 8) % 4097 };
        const size_t size = edges[r % 4], shift = (size_t)(r >> 40) % 8;
        fill(bytes_in + shift, size, seed);
        copy_both_ways(v, buffer, (size_t)(r >> 44) % (SIZE - size + 1), size, shift);
    }
    CHECK_EQ(vyre_read(v, buffer, 0, bytes_out, SIZE, &err), VYRE_OK);
    CHECK(memcmp(bytes_out, model, SIZE) == 0);
}

static void copies_are_memcpy(void)
{
    uint64_t seed = test_seed(0x6d656d6f);
    vyre *v = memory_open(all_places, SIZE);
    for (uint32_t started = 0; started < 2; started++) {
        if (started)
            CHECK_EQ(vyre_start(v, &err), VYRE_OK);
        for (uint32_t i = 0; i < BUFFERS; i++) {
            /* In a queue that has no company, each waits for a lease. */
            const bool waits = started && all_places[i] == VYRE_PLACE_DEVICE;
            copy_about(v, i, copies(waits ? 8 : 150), &seed);
        }
    }
    vyre_close(v);
}

/* Every size and alignment, one after the other, where nothing waits. */
static void small_copies_are_memcpy(void)
{
    uint64_t seed = test_seed(0x736d616c);
    vyre *v = memory_open(all_places, SIZE);
    fill(bytes_in, 200, &seed);
    for (uint32_t i = 0; i < BUFFERS; i++) {
        memset(model, 0, SIZE);
        for (size_t size = 0; size <= 40; size++)
            for (size_t offset = 0; offset < 4; offset++)
                copy_both_ways(v, i, 100 + offset, size, (size + offset) % 4);
        CHECK_EQ(vyre_read(v, i, 0, bytes_out, SIZE, &err), VYRE_OK);
        CHECK(memcmp(bytes_out, model, SIZE) == 0);
    }
    vyre_close(v);
}

static void large_copies_are_memcpy(void)
{
    const bool soaks = copies(0) >= 1000;
    const size_t size = soaks ? 64u << 20 : 100000, whole = size + 64;
    uint64_t seed = test_seed(0x6c617267);
    knob_stage_size = soaks ? 1u << 20 : 20000;
    knob_share_size = soaks ? 8u << 20 : 30000;
    vyre *v = memory_open(all_places, whole);
    uint8_t *in = (uint8_t *)malloc(whole), *out = (uint8_t *)malloc(whole);
    CHECK(in && out);
    fill(in, whole, &seed);
    CHECK_EQ(vyre_start(v, &err), VYRE_OK);
    for (uint32_t i = 0; i < BUFFERS; i++) {
        memset(out, 0, whole);
        CHECK_EQ(vyre_write(v, i, 3, in + 1, size, &err), VYRE_OK);
        CHECK_EQ(vyre_read(v, i, 3, out + 1, size, &err), VYRE_OK);
        CHECK(memcmp(in + 1, out + 1, size) == 0);
        CHECK_EQ(run(v, OP_GET + i, 1, 0), vyi_get32(in + 2));
    }
    CHECK_EQ(vyre_stop(v, 10 * SECOND, &err), VYRE_OK);
    free(in);
    free(out);
    vyre_close(v);
    knob_share_size = SHARE_SIZE;
    knob_stage_size = STAGE_SIZE;
}

/* A large copy's threads, if the system gives so many; else the caller does all. */
static void copies_need_no_threads(void)
{
    uint64_t seed = test_seed(0x74687264);
    vyre *v = memory_open(all_places, SIZE);
    for (uint32_t left = 0; left < 3; left++)
        for (uint32_t i = 0; i < BUFFERS; i++) {
            fill(bytes_in, SIZE, &seed);
            memset(bytes_out, 0, SIZE);
            knob_threads = left;
            CHECK_EQ(vyre_write(v, i, 0, bytes_in, SIZE, &err), VYRE_OK);
            const uint32_t unused = knob_threads;
            CHECK_EQ(vyre_read(v, i, 0, bytes_out, SIZE, &err), VYRE_OK);
            knob_threads = ~0u;
            CHECK(memcmp(bytes_in, bytes_out, SIZE) == 0);
            /* Where it is the device that copies, it was to be by several. */
            if (backend_under_test == VYRE_BACKEND_VULKAN && all_places[i] == VYRE_PLACE_DEVICE)
                CHECK_EQ(unused, 0);
        }
    vyre_close(v);
}

/* A part that takes too long is told, whichever it is; the next copy waits for it. */
static void a_copy_may_take_too_long(void)
{
    uint64_t seed = test_seed(0x6c6f6e67);
    vyre *v = memory_open(all_places, SIZE);
    const uint64_t timeout = v->desc.run_timeout_ns;
    vyre_status status = VYRE_TIMEOUT;
    fill(bytes_in, SIZE, &seed);
    v->desc.run_timeout_ns = 1;
    CHECK_EQ(vyre_start(v, &err), VYRE_OK);
    for (uint32_t i = 0; i < 4; i++) {
        memset(&err, 0, sizeof err);
        status = vyre_write(v, 1, 0, bytes_in, SIZE, &err);
        CHECK(status == VYRE_OK || status == VYRE_TIMEOUT);
        CHECK(status == VYRE_OK || (err.status == status && err.fix[0]));
    }
    v->desc.run_timeout_ns = timeout;
    CHECK_EQ(vyre_stop(v, 10 * SECOND, &err), VYRE_OK);
    CHECK_EQ(vyre_write(v, 1, 0, bytes_in, SIZE, &err), VYRE_OK);
    CHECK_EQ(vyre_read(v, 1, 0, bytes_out, SIZE, &err), VYRE_OK);
    CHECK(memcmp(bytes_in, bytes_out, SIZE) == 0);
    vyre_close(v);
}

/* --- threads ----------------------------------------------------------------- */

typedef struct copier {
    vyre    *v;
    uint32_t number, rounds;
    uint32_t wrong;
} copier;

/* A part of each buffer is this thread's. */
static void *copy_beside_others(void *user)
{
    copier *c = (copier *)user;
    uint8_t in[700], out[700];
    for (uint32_t k = 0; k < c->rounds; k++) {
        const uint32_t i = k % BUFFERS;
        memset(in, (int)(k + 50 * c->number), sizeof in);
        if (vyre_write(c->v, i, 1000 * c->number + 1, in, sizeof in, NULL) != VYRE_OK ||
            vyre_read(c->v, i, 1000 * c->number + 1, out, sizeof out, NULL) != VYRE_OK ||
            memcmp(in, out, sizeof in) != 0)
            c->wrong++;
    }
    return NULL;
}

static void threads_copy_beside_works(void)
{
    vyre *v = memory_open(all_places, SIZE);
    copier copiers[4];
    pthread_t threads[4];
    CHECK_EQ(vyre_start(v, &err), VYRE_OK);
    for (uint32_t i = 0; i < 4; i++) {
        copiers[i].v = v;
        copiers[i].number = i;
        copiers[i].rounds = copies(9);
        copiers[i].wrong = 0;
        CHECK_EQ(pthread_create(&threads[i], NULL, copy_beside_others, &copiers[i]), 0);
    }
    for (uint32_t k = 0; k < 200; k++) {
        (void)run(v, OP_PUT + k % BUFFERS, 4500 + k, k);
        CHECK_EQ(run(v, OP_GET + k % BUFFERS, 4500 + k, 0), k);
    }
    for (uint32_t i = 0; i < 4; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
        CHECK_EQ(copiers[i].wrong, 0);
    }
    vyre_close(v);
}

/* --- other sizes --------------------------------------------------------------- */

static void a_buffer_gets_another_size(void)
{
    static const size_t sizes[] = { SIZE / 2, SIZE, 4, SIZE - 4, 8000 };
    uint64_t seed = test_seed(0x73697a65);
    vyre *v = memory_open(all_places, 8000);
    size_t now = 8000, told;
    fill(bytes_in, SIZE, &seed);
    for (uint32_t i = 0; i < BUFFERS; i++)
        CHECK_EQ(vyre_write(v, i, 0, bytes_in, now, &err), VYRE_OK);
    memset(model, 0, SIZE);
    memcpy(model, bytes_in, now);
    for (uint32_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        const uint32_t last = (uint32_t)(sizes[k] / 4 - 1);
        vyre_info before, one, after;
        vyre_query(v, &before);
        memset(model + (sizes[k] < now ? sizes[k] : now), 0,
               SIZE - (sizes[k] < now ? sizes[k] : now));
        for (uint32_t i = 0; i < BUFFERS; i++) {
            vyre_query(v, &one);
            CHECK_EQ(vyre_buffer_set(v, i, sizes[k], &err), VYRE_OK);
            vyre_query(v, &after);
            CHECK_EQ(after.device_bytes + now, one.device_bytes + sizes[k]);
            CHECK_EQ(vyre_map(v, i, &told) != NULL, all_places[i] != VYRE_PLACE_DEVICE);
            CHECK_EQ(told, sizes[k]);
            CHECK_EQ(vyre_read(v, i, 0, bytes_out, sizes[k], &err), VYRE_OK);
            CHECK(memcmp(bytes_out, model, sizes[k]) == 0);
            CHECK_EQ(vyre_read(v, i, sizes[k], bytes_out, 1, &err), VYRE_E_OVF);
            CHECK_EQ(run(v, OP_LENGTH + i, 0, 0), last + 1);
            CHECK_EQ(run(v, OP_GET + i, last, 0), vyi_get32(model + 4 * last));
            (void)run(v, OP_PUT + i, last, 0x01020304);
            CHECK_EQ(run(v, OP_GET + i, last, 0), 0x01020304);
        }
        vyi_put32(model + 4 * last, 0x01020304);
        vyre_query(v, &after);
        CHECK_EQ(after.device_bytes + BUFFERS * now, before.device_bytes + BUFFERS * sizes[k]);
        now = sizes[k];
        CHECK_EQ(vyre_start(v, &err), VYRE_OK);
        CHECK_EQ(vyre_buffer_set(v, 0, SIZE, &err), VYRE_E_RUNNING);
        CHECK_EQ(run(v, OP_LENGTH + k % BUFFERS, 0, 0), last + 1);
        CHECK_EQ(vyre_stop(v, 10 * SECOND, &err), VYRE_OK);
    }
    vyre_close(v);
}

/* Also for byte-level dispatch, whose set shares the user's buffers. */
static void both_sets_see_the_new_buffer(void)
{
    static uint8_t control[512 * 4], ring[16 * 64], log[513 * 4];
    vyre *v = memory_open(all_places, 400);
    vyre_control_desc cd;
    vyre_io_buffers io;
    memset(&cd, 0, sizeof cd);
    memset(&io, 0, sizeof io);
    cd.tenants = 1;
    cd.observables = 64;
    io.control = control;
    io.control_size = vyre_control_size(64);
    io.ring = ring;
    io.ring_size = sizeof ring;
    io.log = log;
    io.log_size = vyre_log_size(64);
    CHECK_EQ(vyre_log_encode(log, io.log_size, 64, &err), VYRE_OK);
    for (uint32_t turn = 0; turn < 3; turn++) {
        const uint32_t last = 99 + 100 * turn;
        uint8_t word[4];
        CHECK_EQ(vyre_control_encode(control, io.control_size, &cd, &err), VYRE_OK);
        CHECK_EQ(vyre_ring_encode(ring, sizeof ring, 16, &err), VYRE_OK);
        for (uint32_t i = 0; i < BUFFERS; i++) {
            const vyre_work w = engine_work(OP_PUT + i, 2, last, 70 + i + turn);
            CHECK_EQ(vyre_ring_publish(ring, sizeof ring, i, &w, &err), VYRE_OK);
        }
        CHECK_EQ(vyre_dispatch(v, &io, NULL, &err), VYRE_OK);
        for (uint32_t i = 0; i < BUFFERS; i++) {
            CHECK_EQ(vyre_read(v, i, 4 * last, word, 4, &err), VYRE_OK);
            CHECK_EQ(vyi_get32(word), 70 + i + turn);
            CHECK_EQ(vyre_buffer_set(v, i, 4 * (last + 101), &err), VYRE_OK);
        }
    }
    vyre_close(v);
}

static void sizes_that_cannot_be_are_refused(void)
{
    memory_desc m;
    describe(&m, all_places, SIZE);
    m.buffers[2].count = SIZE / 4;
    vyre *v = engine_open(&m.d);
    CHECK_EQ(vyre_buffer_set(NULL, 0, 4, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_buffer_set(v, BUFFERS, 4, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_buffer_set(v, 0, 0, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_buffer_set(v, 0, 6, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_buffer_set(v, 2, SIZE + 4, &err), VYRE_E_OVF);
    CHECK_EQ(vyre_buffer_set(v, 2, SIZE, &err), VYRE_OK);
    CHECK_EQ(vyre_buffer_set(v, 2, 40, &err), VYRE_OK);
    CHECK_EQ(run(v, OP_LENGTH + 2, 0, 0), 10);
    vyre_close(v);
}

static vyre_status set_sizes(const vyre_allocator *allocator, void *user)
{
    memory_desc m;
    (void)user;
    describe(&m, all_places, 400)->allocator = *allocator;
    memset(&err, 0, sizeof err);
    vyre *v = vyre_open(&m.d, &err);
    vyre_status status = v ? VYRE_OK : err.status;
    for (uint32_t i = 0; i < BUFFERS && status == VYRE_OK; i++) {
        static const uint8_t bytes[4] = { 1, 2, 3, 4 };
        uint8_t back[4] = { 0 };
        CHECK_EQ(vyre_write(v, i, 96, bytes, 4, &err), VYRE_OK);
        status = vyre_buffer_set(v, i, 4000, &err);
        CHECK_EQ(vyre_read(v, i, 96, back, 4, &err), VYRE_OK); /* failed or not */
        CHECK(memcmp(back, bytes, 4) == 0);
        if (status == VYRE_OK)
            status = vyre_buffer_set(v, i, 100, &err);
    }
    vyre_close(v);
    return status;
}

static void no_memory_is_told(void)
{
    if (backend_under_test == VYRE_BACKEND_VULKAN)
        test_skip("its buffers come from the driver: test_vulkan_faults");
    CHECK(oom_each(set_sizes, NULL) > 6);
}

/* --- a lost device ------------------------------------------------------------- */

static void fill_again(void *user, vyre *v)
{
    for (uint32_t i = 0; i < BUFFERS; i++) {
        uint8_t word[4];
        vyi_put32(word, 0x77 + i);
        *(uint32_t *)user += vyre_write(v, i, 8, word, 4, NULL) == VYRE_OK;
    }
}

static void a_new_device_is_filled_again(void)
{
    memory_desc m;
    uint32_t filled = 0;
    describe(&m, all_places, SIZE);
    m.d.recovered = fill_again;
    m.d.recovered_user = &filled;
    vyre *v = engine_open(&m.d);
    CHECK_EQ(vyre_buffer_set(v, 1, 4000, &err), VYRE_OK);
    engine_lose(v);
    CHECK_EQ(vyre_recover(v, &err), VYRE_OK);
    CHECK_EQ(filled, BUFFERS);
    for (uint32_t i = 0; i < BUFFERS; i++)
        CHECK_EQ(run(v, OP_GET + i, 2, 0), 0x77 + i);
    CHECK_EQ(run(v, OP_LENGTH + 1, 0, 0), 1000);
    vyre_close(v);
}

int main(void)
{
    static const engine_case cases[] = {
        ENGINE_CASE(the_host_maps_what_it_may),
        ENGINE_CASE(every_buffer_begins_with_zeros),
        ENGINE_CASE(works_and_host_see_each_others_words),
        ENGINE_CASE(what_is_wrong_is_refused),
        ENGINE_CASE(copies_are_memcpy),
        ENGINE_CASE(small_copies_are_memcpy),
        ENGINE_CASE(large_copies_are_memcpy),
        ENGINE_CASE(copies_need_no_threads),
        ENGINE_CASE(a_copy_may_take_too_long),
        ENGINE_CASE(threads_copy_beside_works),
        ENGINE_CASE(a_buffer_gets_another_size),
        ENGINE_CASE(both_sets_see_the_new_buffer),
        ENGINE_CASE(sizes_that_cannot_be_are_refused),
        ENGINE_CASE(no_memory_is_told),
        ENGINE_CASE(a_new_device_is_filled_again),
    };
    knob_stage_size = STAGE_SIZE;
    knob_share_size = SHARE_SIZE;
    engine_run_cases(cases, sizeof cases / sizeof cases[0]);
    return test_end();
}

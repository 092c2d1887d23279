/* Kernels that ask a pump for files, on each backend: LOAD_MISS, vyre_emit_io, with a
 * helper thread and without, while the kernel runs and in passes. */
#include "driver.h"
#include "engine.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define OP_SUM   0x1000u /* of the words of chunks a0 .. a1 - 1, asked for one by one */
#define OP_ASK   0x1001u /* the request a0..a6; result 7 the bytes, 8 OK */
#define OP_WORDS 0x1003u /* of all indexes, the sum of the words of buffer 0 */
#define OP_LATER 0x1002u /* as OP_ASK, and then FAULT(VYRE_FAULT_USER) */
#define OP_TEXT  0x1004u /* as OP_ASK, by a text */

enum { CHUNK = 4096, CHUNKS = 256, SLOTS = 64, ROOM = 64 * CHUNK };

static int      file;
static uint32_t source, target;
static uint32_t asks = OP_ASK;

static uint32_t word_at(uint32_t i)
{
    return i * 0x9e3779b1u ^ i >> 7;
}

static void file_begin(void)
{
    static uint32_t words[CHUNKS * CHUNK / 4];
    char path[] = "/tmp/test_io_kernels.XXXXXX";
    file = mkstemp(path);
    CHECK(file >= 0);
    unlink(path);
    for (uint32_t i = 0; i < CHUNKS * CHUNK / 4; i++)
        words[i] = word_at(i);
    CHECK_EQ(pwrite(file, words, sizeof words, 0), (long)sizeof words);
}

/* --- handlers --------------------------------------------------------------- */

static void emit_sum(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_value zero = vyre_ir_u32(p, 0), step = vyre_ir_u32(p, 16);
    vyre_value words = vyre_ir_u32(p, CHUNK / 4), size = vyre_ir_u32(p, CHUNK);
    vyre_local sum = vyre_ir_local(p, VYRE_TYPE_U32, zero, "sum");
    vyre_local bad = vyre_ir_local(p, VYRE_TYPE_U32, zero, "bad");
    vyre_value chunk = vyre_ir_loop(p, s->arg[0], s->arg[1]);
    vyre_io_values io;
    vyre_value bytes;
    memset(&io, 0, sizeof io);
    io.op = vyre_ir_u32(p, VYRE_IO_READ);
    io.src = s->arg[2];
    io.dst = s->arg[3];
    io.offset_lo = vyre_ir_mul(p, chunk, size);
    io.bytes = size;
    io.tag = s->arg[4];
    vyre_value ok = vyre_emit_io(p, s, &io, &bytes);
    vyre_ir_if(p, vyre_ir_not(p, ok));
    vyre_ir_set(p, bad, bytes);
    vyre_ir_end(p);
    /* What the host wrote is seen past the answer. */
    vyre_value first = vyre_ir_mul(p, s->arg[4], words);
    vyre_value i = vyre_ir_loop(p, zero, vyre_ir_div(p, words, step));
    vyre_value at = vyre_ir_add(p, first, vyre_ir_mul(p, i, step));
    vyre_value word = vyre_ir_atomic_load(p, s->buffers[0], at, VYRE_ORDER_RELAXED);
    vyre_value before = vyre_ir_get(p, sum);
    vyre_ir_set(p, sum, vyre_ir_add(p, before, word));
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_emit_result(p, s, 7, vyre_ir_get(p, sum));
    vyre_emit_result(p, s, 8, vyre_ir_get(p, bad));
}

static void emit_ask(vyre_program *p, const vyre_slot_values *s, void *user)
{
    const vyre_io_values io = { s->arg[0], s->arg[1], s->arg[2], s->arg[3], s->arg[4], s->arg[5],
                                s->arg[6] };
    vyre_value bytes;
    if (user)
        vyre_emit_fault(p, s, vyre_ir_u32(p, VYRE_FAULT_USER));
    vyre_value ok = vyre_emit_io(p, s, &io, &bytes);
    vyre_emit_result(p, s, 7, bytes);
    vyre_value one = vyre_ir_u32(p, 1), zero = vyre_ir_u32(p, 0);
    vyre_emit_result(p, s, 8, vyre_ir_select(p, ok, one, zero));
}

static void emit_words(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_value word = vyre_ir_load(p, s->buffers[0], s->index);
    vyre_emit_reduce(p, s, 4, VYRE_ATOMIC_ADD, word);
    vyre_ir_if(p, vyre_ir_eq(p, word, s->arg[5]));
    vyre_emit_fault(p, s, vyre_ir_u32(p, VYRE_FAULT_USER + 3));
    vyre_ir_end(p);
}

/* The same as emit_ask. */
static const char text[] =
    "int64_t at = int64_t(arg[3]) | int64_t(arg[4]) << 32;\n"
    "int64_t n = arg[0] == 1 ? io_read(arg[1], arg[2], uint64_t(at), arg[5], arg[6])\n"
    "          : arg[0] == 2 ? io_write(arg[1], arg[2], at, arg[5], arg[6]) : io_fence();\n"
    "result(7, n < 0 ? uint(-1 - n) : uint(n));\n"
    "result(8, n >= 0);\n";

static const vyre_handler handlers[] = {
    { OP_SUM, emit_sum, NULL, "sum" },
    { OP_ASK, emit_ask, NULL, "ask" },
    { OP_LATER, emit_ask, &file, "later" },
    { OP_WORDS, emit_words, NULL, "words", VYRE_WIDTH_RANGE },
    { OP_TEXT, NULL, NULL, "text", VYRE_WIDTH_LANE, 0, text },
};

typedef struct machine {
    vyre    *v;
    vyre_io *io;
    uint32_t *memory;
} machine;

static const vyre_buffer_desc buffers[] = {
    { "to", 4, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, ROOM / 4, false, 0, 0 },
};

static machine machine_open(bool helper, uint32_t spins)
{
    machine m;
    vyre_desc d = engine_desc(64);
    vyre_io_desc i;
    vyre_error err;
    memset(&i, 0, sizeof i);
    memset(&err, 0, sizeof err);
    d.kernel.handlers = handlers;
    d.kernel.handler_count = sizeof handlers / sizeof *handlers;
    d.kernel.buffers = buffers;
    d.kernel.load_miss = true;
    d.kernel.io_polling = true;
    d.kernel.io_spins = spins;
    d.kernel.loop_allowance = 1u << 30;
    d.keep_results = true;
    d.tenants = 2;
    d.lease.timeout_ns = 100 * SECOND; /* a launch takes long where nobody answers */
    m.v = engine_open(&d);
    m.memory = (uint32_t *)vyre_map(m.v, 0, NULL);
    file_begin();
    i.handle = m.v;
    i.helper = helper;
    i.entries = CHUNKS;
    m.io = vyre_io_open(&i, &err);
    if (!m.io)
        test_fail(__FILE__, __LINE__, "io: %s", err.text);
    CHECK_EQ(vyre_io_add_fd(m.io, file, 0, 0, VYRE_IO_CAN_READ | VYRE_IO_CAN_WRITE, &source,
                            NULL), VYRE_OK);
    CHECK_EQ(vyre_io_add_target(m.io, 0, 0, 0, CHUNK, &target, NULL), VYRE_OK);
    return m;
}

static void machine_close(machine *m)
{
    vyre_io_close(m->io);
    vyre_close(m->v);
    close(file);
}

/* Where loops are cut an answer may come too late: such a job ends FAULT, and is asked
 * again for so long. */
#define PATIENCE (8 * SECOND)

static bool may_be_late(vyre_status status, uint64_t since)
{
    return status == VYRE_E_FAULT && backend_under_test != VYRE_BACKEND_CPU &&
           engine_now() - since < PATIENCE;
}

/* Waits, and pumps where nobody else does. */
static vyre_status ended(machine *m, vyre_ticket t)
{
    const uint64_t end = engine_now() + 300 * SECOND;
    vyre_status status;
    while ((status = vyre_wait(m->v, t, 100000, NULL)) == VYRE_TIMEOUT) {
        vyre_io_pump(m->io, 0, NULL, NULL);
        if (engine_now() > end)
            test_fail(__FILE__, __LINE__, "a job does not end");
    }
    return status;
}

static vyre_work ask_work(uint32_t op, uint32_t src, uint32_t dst, uint64_t offset, uint32_t bytes,
                          uint32_t tag)
{
    const vyre_work w = { asks, 0, VYRE_PRIORITY_NORMAL, 9,
                          { op, src, dst, (uint32_t)offset, (uint32_t)(offset >> 32), bytes, tag } };
    return w;
}

/* Bytes and whether it was OK. */
static uint32_t ask(machine *m, vyre_work w, bool *ok)
{
    uint32_t r[12];
    const uint64_t since = engine_now();
    vyre_status status;
    vyre_ticket t;
    do {
        t = engine_publish(m->v, w);
        status = ended(m, t);
    } while (may_be_late(status, since));
    if (status == VYRE_E_FAULT && engine_now() - since >= PATIENCE)
        test_skip("answers come too late for this machine");
    CHECK_EQ(status, VYRE_OK);
    CHECK_EQ(vyre_result(m->v, t, r, NULL), VYRE_OK);
    *ok = r[8] != 0;
    return r[7];
}

/* --- cases ------------------------------------------------------------------ */

/* Long enough for an answer on a loaded machine; where loops are cut, as long as it goes. */
static uint32_t long_spins(void)
{
    return backend_under_test == VYRE_BACKEND_CPU ? 1u << 30 : 8000;
}

/* All jobs are there from the beginning: the kernel fetches what it needs. */
static void sums(bool helper, bool started)
{
    enum { JOBS = 16 };
    const uint32_t each = backend_under_test == VYRE_BACKEND_CPU ? CHUNKS / JOBS : 1;
    machine m = machine_open(helper, long_spins());
    vyre_ticket t[JOBS];
    vyre_work works[JOBS];
    uint32_t late = 0;
    if (started)
        CHECK_EQ(vyre_start(m.v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < JOBS; i++) {
        const vyre_work w = { OP_SUM, 0, VYRE_PRIORITY_NORMAL, 9,
                              { i * each, (i + 1) * each, source, target, i } };
        works[i] = w;
        t[i] = engine_publish(m.v, w);
    }
    const uint64_t since = engine_now();
    for (uint32_t i = 0; i < JOBS; i++) {
        uint32_t r[12], sum = 0;
        vyre_status status = ended(&m, t[i]);
        for (; may_be_late(status, since); late++) {
            t[i] = engine_publish(m.v, works[i]);
            status = ended(&m, t[i]);
        }
        if (status == VYRE_E_FAULT && engine_now() - since >= PATIENCE) {
            printf("NOTE answers come too late for %s\n", vyre_backend_name(backend_under_test));
            late++;
            break;
        }
        CHECK_EQ(status, VYRE_OK);
        CHECK_EQ(vyre_result(m.v, t[i], r, NULL), VYRE_OK);
        for (uint32_t w = works[i].args[0] * CHUNK / 4; w < works[i].args[1] * CHUNK / 4; w += 16)
            sum += word_at(w);
        CHECK_EQ(r[8], 0);
        CHECK_EQ(r[7], sum);
    }
    vyre_io_info info;
    vyre_io_query(m.io, &info);
    CHECK(late || info.completed.reads == JOBS * each);
    machine_close(&m);
}

static void a_running_kernel_adds_up_a_file(void) { sums(true, true); }
static void passes_add_up_a_file(void) { sums(true, false); }
static void without_a_helper(void) { sums(false, true); }

static void misses_are_loaded(void)
{
    machine m = machine_open(true, long_spins());
    vyre_error err;
    CHECK_EQ(vyre_start(m.v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < SLOTS; i++)
        CHECK_EQ(vyre_io_bind(m.io, i, source, i * 3 * CHUNK + 8, CHUNK - 16, target, NULL),
                 VYRE_OK);
    vyre_ticket t[SLOTS];
    for (uint32_t i = 0; i < SLOTS; i++)
        t[i] = engine_publish(m.v, engine_work(VYRE_OP_LOAD_MISS, 1, i, 0));
    const uint64_t since = engine_now();
    for (uint32_t i = 0; i < SLOTS; i++) {
        vyre_status status = ended(&m, t[i]);
        while (may_be_late(status, since)) {
            t[i] = engine_publish(m.v, engine_work(VYRE_OP_LOAD_MISS, 1, i, 0));
            status = ended(&m, t[i]);
        }
        CHECK(status == VYRE_OK || engine_now() - since >= PATIENCE);
        vyre_release(m.v, t[i], NULL);
    }
    for (uint32_t i = 0; i < SLOTS && engine_now() - since < PATIENCE; i++)
        for (uint32_t w = 0; w < (CHUNK - 16) / 4; w++)
            CHECK_EQ(m.memory[i * CHUNK / 4 + w], word_at((i * 3 * CHUNK + 8) / 4 + w));
    const vyre_ticket none = engine_publish(m.v, engine_work(VYRE_OP_LOAD_MISS, 1, 1000, 0));
    CHECK_EQ(vyre_wait(m.v, none, 300 * SECOND, &err), VYRE_E_FAULT);
    CHECK(err.native == VYRE_FAULT_IO || backend_under_test != VYRE_BACKEND_CPU);
    machine_close(&m);
}

static void is_told(uint32_t opcode)
{
    asks = opcode;
    machine m = machine_open(true, long_spins());
    bool ok;
    uint32_t back[16];
    CHECK_EQ(vyre_start(m.v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < 16; i++)
        m.memory[2 * CHUNK / 4 + i] = 0x1000 + i;
    const uint64_t far = 5ull << 30;
    CHECK_EQ(ask(&m, ask_work(VYRE_IO_WRITE, target, source, far, 64, 2), &ok), 64);
    CHECK(ok);
    CHECK_EQ(pread(file, back, 64, (off_t)far), 64);
    for (uint32_t i = 0; i < 16; i++)
        CHECK_EQ(back[i], 0x1000 + i);
    CHECK_EQ(ask(&m, ask_work(VYRE_IO_READ, source, target, far, 64, 3), &ok), 64);
    CHECK(ok && m.memory[3 * CHUNK / 4 + 15] == 0x100f);
    CHECK_EQ(ask(&m, ask_work(VYRE_IO_FENCE, 0, 0, 0, 0, 0), &ok), 0);
    CHECK(ok);
    CHECK_EQ(ask(&m, ask_work(VYRE_IO_READ, source, target, far, 128, 3), &ok),
             VYRE_IO_CODE_SHORT);
    CHECK(!ok);
    CHECK_EQ(ask(&m, ask_work(VYRE_IO_READ, source + 1, target, 0, 4, 0), &ok),
             VYRE_IO_CODE_SOURCE);
    CHECK_EQ(ask(&m, ask_work(VYRE_IO_READ, source, 0, 0, 4, 0), &ok), VYRE_IO_CODE_TARGET);
    CHECK_EQ(ask(&m, ask_work(VYRE_IO_READ, source, target, 0, 4, SLOTS), &ok),
             VYRE_IO_CODE_RANGE);
    if (opcode == OP_ASK) { /* a text has no word for this one */
        CHECK_EQ(ask(&m, ask_work(9, source, target, 0, 4, 0), &ok), VYRE_IO_CODE_OP);
        CHECK(!ok);
    }
    machine_close(&m);
    asks = OP_ASK;
}

static void what_a_handler_is_told(void) { is_told(OP_ASK); }
static void what_a_text_is_told(void) { is_told(OP_TEXT); }

/* Nobody serves: a handler's own fault stands, and else it says why. */
static void nobody_answers(void)
{
    machine m = machine_open(false, 100);
    vyre_error err;
    vyre_work w = ask_work(VYRE_IO_READ, source, target, 0, 4, 0);
    vyre_ticket t;
    for (uint32_t i = 0; i <= SLOTS; i++) {
        w.opcode = i == 1 ? OP_LATER : OP_ASK;
        t = engine_publish(m.v, w);
        CHECK_EQ(vyre_wait(m.v, t, 300 * SECOND, &err), VYRE_E_FAULT);
        CHECK_EQ(err.native, i == 1 ? VYRE_FAULT_USER
                             : i < SLOTS ? VYRE_FAULT_IO_TIMEOUT : VYRE_FAULT_IO_FULL);
    }
    /* A pump that comes late answers, and io_polling recycles. */
    for (uint32_t served = 0, some; served < SLOTS; served += some)
        CHECK_EQ(vyre_io_pump(m.io, SECOND * 300, &some, NULL), VYRE_OK);
    w.opcode = OP_ASK;
    t = engine_publish(m.v, engine_add(0));
    CHECK_EQ(vyre_wait(m.v, t, 300 * SECOND, NULL), VYRE_OK);
    t = engine_publish(m.v, w);
    CHECK_EQ(vyre_wait(m.v, t, 300 * SECOND, &err), VYRE_E_FAULT);
    CHECK_EQ(err.native, VYRE_FAULT_IO_TIMEOUT);
    machine_close(&m);
}

/* --- streams ------------------------------------------------------------------ */

#define NO_WORD 0x80000001u /* none of the file's */

typedef struct heard {
    uint64_t chunks, stop_at, bytes;
    uint32_t sum;
} heard;

static bool chunk_ended(void *user, const vyre_stream_chunk *chunk, const uint32_t result[12])
{
    heard *h = (heard *)user;
    CHECK_EQ(chunk->index, h->chunks);
    CHECK_EQ(chunk->offset % 4, 0);
    h->chunks++;
    h->bytes += chunk->bytes;
    h->sum += result[4];
    return h->chunks != h->stop_at;
}

static vyre_stream_desc stream_of(heard *h)
{
    vyre_stream_desc d;
    memset(&d, 0, sizeof d);
    memset(h, 0, sizeof *h);
    d.source = source;
    d.target = target;
    d.work.opcode = OP_WORDS;
    d.work.arg_count = 6;
    d.work.args[5] = NO_WORD;
    d.end = chunk_ended;
    d.timeout_ns = 300 * SECOND;
    d.user = h;
    return d;
}

static uint32_t sum_of(uint64_t offset, uint64_t bytes)
{
    uint32_t sum = 0;
    for (uint64_t at = offset; at < offset + bytes; at += 4) {
        const uint64_t left = offset + bytes - at;
        const uint32_t word = word_at((uint32_t)(at / 4));
        sum += left < 4 ? word & ((1u << 8 * left) - 1) : word;
    }
    return sum;
}

static void files_in_chunks(bool started)
{
    static const uint64_t sizes[] = { 1, 3, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK + 6, 20 * CHUNK };
    machine m = machine_open(false, 0);
    heard h;
    uint64_t bytes = 0;
    if (started)
        CHECK_EQ(vyre_start(m.v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < 7; i++) {
        vyre_stream_desc d = stream_of(&h);
        d.size = sizes[i];
        d.offset = 8 * i;
        CHECK_EQ(vyre_stream(m.io, &d, &bytes, NULL), VYRE_OK);
        CHECK_EQ(bytes, sizes[i]);
        CHECK_EQ(h.bytes, sizes[i]);
        CHECK_EQ(h.chunks, (sizes[i] + CHUNK - 1) / CHUNK);
        CHECK_EQ(h.sum, sum_of(d.offset, sizes[i]));
    }
    vyre_stream_desc d = stream_of(&h); /* to its end, which nobody has said */
    CHECK_EQ(ftruncate(file, 9 * CHUNK + 2), 0);
    CHECK_EQ(vyre_stream(m.io, &d, &bytes, NULL), VYRE_OK);
    CHECK_EQ(bytes, 9 * CHUNK + 2);
    CHECK_EQ(h.sum, sum_of(0, 9 * CHUNK + 2));
    d = stream_of(&h);
    CHECK_EQ(ftruncate(file, 2 * CHUNK), 0);
    CHECK_EQ(vyre_stream(m.io, &d, &bytes, NULL), VYRE_OK);
    CHECK_EQ(h.chunks, 2);
    d = stream_of(&h);
    CHECK_EQ(ftruncate(file, 0), 0);
    CHECK_EQ(vyre_stream(m.io, &d, &bytes, NULL), VYRE_OK);
    CHECK_EQ(bytes, 0);
    machine_close(&m);
}

static uint32_t may_go_on;

/* The first chunk is there at once. */
static int64_t read_late(void *user, void *bytes, uint64_t offset, uint32_t size, bool write)
{
    (void)user, (void)write;
    while (offset && !__atomic_load_n(&may_go_on, __ATOMIC_ACQUIRE))
        engine_sleep_ms(1);
    memset(bytes, 0, size);
    return size;
}

static void store_into_the_header(void *user, const vyre_stream_chunk *chunk, vyre_work *work)
{
    (void)user, (void)chunk;
    work->opcode = VYRE_OP_STORE_U32;
    work->arg_count = 2;
    work->args[0] = 1;
    work->args[1] = 0;
}

/* Works that do not end, reads that do not, and what had failed before. */
static void streams_have_patience(void)
{
    machine m = machine_open(true, 0);
    vyre_error err;
    heard h;
    vyre_stream_desc d = stream_of(&h);
    vyre_io_desc i;
    memset(&i, 0, sizeof i);
    d.size = 3 * CHUNK;
    CHECK_EQ(vyre_io_add_target(m.io, 0, CHUNK, 0, CHUNK, &d.target, NULL), VYRE_OK);
    CHECK_EQ(vyre_stream(m.io, &d, NULL, &err), VYRE_OK); /* not from the buffer's begin on */
    CHECK_EQ(h.sum, sum_of(0, d.size));
    d.work.tenant = 1;
    d.timeout_ns = SECOND / 20;
    CHECK_EQ(vyre_tenant_enable(m.v, 1, false, NULL), VYRE_OK);
    CHECK_EQ(vyre_stream(m.io, &d, NULL, &err), VYRE_TIMEOUT);
    CHECK_EQ(vyre_tenant_enable(m.v, 1, true, NULL), VYRE_OK);
    CHECK_EQ(vyre_drain(m.v, 60 * SECOND, NULL), VYRE_OK);

    i.handle = m.v;
    i.engine = VYRE_IO_ENGINE_PREAD;
    vyre_io *late = vyre_io_open(&i, &err);
    may_go_on = 0;
    d.timeout_ns = SECOND;
    d.begin = store_into_the_header;
    CHECK_EQ(vyre_io_add_source(late, read_late, NULL, d.size, VYRE_IO_CAN_READ, &d.source, NULL),
             VYRE_OK);
    CHECK_EQ(vyre_io_add_target(late, 0, 0, 0, CHUNK, &d.target, NULL), VYRE_OK);
    CHECK_EQ(vyre_stream(late, &d, NULL, &err), VYRE_E_FAULT);
    __atomic_store_n(&may_go_on, 1, __ATOMIC_RELEASE);
    vyre_io_close(late);
    machine_close(&m);
}

static void streams_while_it_runs(void) { files_in_chunks(true); }
static void streams_in_passes(void) { files_in_chunks(false); }

static int64_t breaks_off(void *user, void *bytes, uint64_t offset, uint32_t size, bool write)
{
    (void)user, (void)write;
    if (offset >= 2 * CHUNK)
        return -EIO;
    memset(bytes, 1, size);
    return size;
}

static void streams_that_stop(void)
{
    machine m = machine_open(false, 0);
    heard h;
    vyre_error err;
    uint64_t bytes = 77;
    uint32_t broken = 0, flat = 0;
    vyre_stream_desc d = stream_of(&h);
    CHECK_EQ(vyre_start(m.v, NULL), VYRE_OK);
    h.stop_at = 3;
    CHECK_EQ(vyre_stream(m.io, &d, &bytes, NULL), VYRE_OK);
    CHECK_EQ(h.chunks, 3);
    CHECK_EQ(bytes, 3 * CHUNK);

    d = stream_of(&h);
    d.work.args[5] = word_at(4 * CHUNK / 4 + 7); /* the fifth chunk's work ends FAULT */
    CHECK_EQ(vyre_stream(m.io, &d, &bytes, &err), VYRE_E_FAULT);
    CHECK_EQ(err.native, VYRE_FAULT_USER + 3);
    CHECK_EQ(err.at, 4);
    CHECK_EQ(h.chunks, 4);
    CHECK_EQ(bytes, 4 * CHUNK);

    CHECK_EQ(vyre_io_add_source(m.io, breaks_off, NULL, 0, VYRE_IO_CAN_READ, &broken, NULL),
             VYRE_OK);
    d = stream_of(&h);
    d.source = broken;
    CHECK_EQ(vyre_stream(m.io, &d, &bytes, &err), VYRE_E_IO_REQUEST);
    CHECK_EQ(err.native, VYRE_IO_CODE_SYSTEM | EIO << 8);
    CHECK_EQ(err.at, 2);
    CHECK_EQ(h.chunks, 2);
    d.source = target;
    CHECK_EQ(vyre_stream(m.io, &d, &bytes, &err), VYRE_E_IO_REQUEST);
    CHECK_EQ(err.native, VYRE_IO_CODE_SOURCE);
    d = stream_of(&h);
    d.target = source;
    CHECK_EQ(vyre_stream(m.io, &d, &bytes, &err), VYRE_E_IO_HANDLE);
    CHECK_EQ(vyre_io_add_target(m.io, 0, 0, 0, 0, &flat, NULL), VYRE_OK);
    d.target = flat;
    CHECK_EQ(vyre_stream(m.io, &d, &bytes, &err), VYRE_E_ARGUMENT);
    d = stream_of(&h);
    d.work.opcode = 0x1777;
    CHECK_EQ(vyre_stream(m.io, &d, &bytes, &err), VYRE_E_OPCODE);
    CHECK_EQ(vyre_stream(NULL, &d, &bytes, &err), VYRE_E_ARGUMENT);
    vyre_io_info info;
    vyre_io_query(m.io, &info);
    CHECK_EQ(info.in_flight, 0);
    machine_close(&m);
}

static void targets_stay_inside(void)
{
    machine m = machine_open(false, 0);
    uint32_t h = 0;
    vyre_error err;
    memset(&err, 0, sizeof err);
    CHECK_EQ(vyre_io_add_target(m.io, 1, 0, 0, 0, &h, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_io_add_target(m.io, 0, 4, ROOM, 0, &h, &err), VYRE_E_OVF);
    CHECK_EQ(vyre_io_add_target(m.io, 0, ROOM, 0, 0, &h, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(h, 0);
    vyre_io_desc d;
    memset(&d, 0, sizeof d);
    d.handle = m.v;
    d.engine = VYRE_IO_ENGINE_URING; /* not built into this library */
    CHECK(!vyre_io_open(&d, &err));
    CHECK_EQ(err.status, VYRE_E_IO_ENGINE);
    machine_close(&m);
}

int main(void)
{
    static const engine_case cases[] = {
        ENGINE_CASE(a_running_kernel_adds_up_a_file), ENGINE_CASE(passes_add_up_a_file),
        ENGINE_CASE(without_a_helper),                ENGINE_CASE(misses_are_loaded),
        ENGINE_CASE(what_a_handler_is_told),          ENGINE_CASE(what_a_text_is_told),
        ENGINE_CASE(nobody_answers),                  ENGINE_CASE(targets_stay_inside),
        ENGINE_CASE(streams_while_it_runs),           ENGINE_CASE(streams_in_passes),
        ENGINE_CASE(streams_have_patience),
        ENGINE_CASE(streams_that_stop),
    };
    engine_run_cases(cases, sizeof cases / sizeof cases[0]);
    return test_end();
}

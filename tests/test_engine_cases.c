/* The worked cases of test_kernel_cases.c through a handle, on every backend:
 * as bytes through vyre_dispatch, as works through vyre_run, and published to a
 * kernel that runs.  The words that are expected are those of the table.
 *
 * What a way cannot do is left out and counted: bytes hold any status and any
 * tenant, while only publishable work can be published; and looping rows are
 * about rounds, which a handle counts by itself. */
#define main kernel_cases_main
#include "test_kernel_cases.c"
#undef main

#include "engine.h"

static vyre *handle;
static setting opened; /* what `handle` was opened for */
static vyre_info info;

static void close_handle(void)
{
    vyre_close(handle);
    handle = NULL;
}

static void open_handle(const setting *g)
{
    static const vyre_handler handler = VYRE_HANDLER(0x40, emit_sum, NULL, "sum");
    static int twice;
    setting wanted = *g;
    wanted.group = wanted.groups = 0; /* the engine's own choice */
    if (handle && memcmp(&wanted, &opened, sizeof wanted) == 0)
        return;
    close_handle();
    vyre_desc d;
    memset(&d, 0, sizeof d);
    d.backend = backend_under_test;
    d.kernel.kind = g->jit ? VYRE_KERNEL_JIT
                           : g->priority ? VYRE_KERNEL_PRIORITY : VYRE_KERNEL_DIRECT;
    d.kernel.slot_count = g->slots;
    d.kernel.open_header = g->open;
    d.kernel.load_miss = g->miss;
    d.kernel.io_polling = g->poll;
    d.kernel.io_spins = 8;
    d.kernel.handlers = g->handler ? &handler : NULL;
    d.kernel.handler_count = g->handler;
    d.kernel.payload = g->jit ? emit_sum : NULL;
    d.kernel.payload_user = &twice;
    d.observables = g->observables;
    d.tenants = g->tenants ? g->tenants : 1;
    d.unknown_opcodes = true;
    handle = engine_open(&d);
    opened = wanted;
    vyre_query(handle, &info);
}

/* Several lanes of a GPU change the same words in an order of their own. */
static bool is_ordered(const row *r)
{
    static const char *const names[] = { "9", "25", "30" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(r->name, names[i]) == 0)
            return true;
    return false;
}

static bool is_gpu(void)
{
    return backend_under_test == VYRE_BACKEND_VULKAN && !strstr(info.device, "llvmpipe");
}

/* The boards of one row: as it begins, as it should end, as it is. */
typedef struct trial {
    const row *r;
    setting    g;
    board      before, expected, got;
} trial;

static void trial_begin(trial *t, const row *r)
{
    t->r = r;
    t->g = parse_settings(r->setup);
    t->before = board_create(&t->g);
    t->expected = board_create(&t->g);
    t->got = board_create(&t->g);
    board_encode(&t->before, &t->g);
    parse_words(r->setup, &t->before, &t->g);
    board_copy(&t->expected, &t->before);
    board_copy(&t->got, &t->before);
    parse_words(r->expected, &t->expected, &t->g);
}

static void trial_end(trial *t)
{
    board_destroy(&t->before);
    board_destroy(&t->expected);
    board_destroy(&t->got);
}

/* A handle's kernel counts IO requests for whoever answers them; the rows' does not. */
static void compare_but_requests(trial *t)
{
    t->got.words[CONTROL][VYRE_CONTROL_IO_REQUESTS] =
        t->expected.words[CONTROL][VYRE_CONTROL_IO_REQUESTS];
    compare(t->r, &t->before, &t->expected, &t->got);
}

/* --- as bytes ------------------------------------------------------------ */

static void dispatch_row(trial *t)
{
    vyre_error err;
    vyre_io_buffers io;
    memset(&err, 0, sizeof err);
    open_handle(&t->g);
    io.control = t->got.words[CONTROL];
    io.control_size = 4 * (size_t)t->got.count[CONTROL];
    io.ring = t->got.words[RING];
    io.ring_size = 4 * (size_t)t->got.count[RING];
    io.log = t->got.words[LOG];
    io.log_size = 4 * (size_t)t->got.count[LOG];
    io.io = t->got.words[IO];
    io.io_size = 4 * (size_t)t->got.count[IO];
    if (vyre_dispatch(handle, &io, NULL, &err) != VYRE_OK)
        test_fail(__FILE__, __LINE__, "case %s: %s", t->r->name, err.text);
    compare_but_requests(t);
}

static void rows_as_bytes(void)
{
    uint32_t done = 0, left = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        trial t;
        trial_begin(&t, &rows[i]);
        const bool fits = t.g.rounds == 0 && !t.g.workspace;
        if (fits)
            open_handle(&t.g);
        if (fits && !(is_gpu() && is_ordered(t.r))) {
            dispatch_row(&t);
            done++;
        } else {
            left++;
        }
        trial_end(&t);
    }
    close_handle();
    printf("NOTE %s: %u rows as bytes, %u left out\n", vyre_backend_name(backend_under_test), done,
           left);
    CHECK(done > 80);
}

/* --- as works ------------------------------------------------------------ */

/* The row's works, which lie in slots that follow each other; their number, or 0
 * when they cannot be published or would never end. */
static uint32_t row_works(const trial *t, vyre_work *works, uint32_t *first)
{
    const uint32_t *ring = t->before.words[RING], *end = t->expected.words[RING];
    uint32_t count = 0;
    for (uint32_t s = 0; s < t->g.slots; s++) {
        const uint32_t *w = ring + 16 * s;
        vyre_work *work = &works[count];
        if (w[0] == VYRE_SLOT_EMPTY)
            continue;
        if (w[0] != VYRE_SLOT_PUBLISHED || end[16 * s] == w[0] || w[2] >= t->g.tenants ||
            !vyre_opcode_publishable(w[1]) || w[1] == VYRE_OP_SHUTDOWN)
            return 0;
        if (count++ == 0)
            *first = s;
        else if (s != *first + count - 1)
            return 0;
        memset(work, 0, sizeof *work);
        work->opcode = w[1];
        work->tenant = w[2];
        work->arg_count = 12;
        memcpy(work->args, w + 4, sizeof work->args);
    }
    return count;
}

/* Copies the board into the handle's buffers, or out of them. */
static void exchange(board *b, bool in)
{
    vyre_io_buffers io;
    CHECK_EQ(vyre_buffers(handle, &io, NULL), VYRE_OK);
    void *const at[4] = { io.control, io.ring, io.log, io.io };
    const size_t sizes[4] = { io.control_size, io.ring_size, io.log_size, io.io_size };
    for (unsigned i = 0; i < 4; i++) {
        CHECK_EQ(sizes[i], 4 * (size_t)b->count[i]);
        if (in)
            memcpy(at[i], b->words[i], sizes[i]);
        else
            memcpy(b->words[i], at[i], sizes[i]);
    }
}

static void settle(trial *t)
{
    uint32_t *got = t->got.words[CONTROL], *expected = t->expected.words[CONTROL];
    exchange(&t->got, false);
    got[VYRE_CONTROL_HEARTBEAT] = expected[VYRE_CONTROL_HEARTBEAT];
    compare_but_requests(t);
}

static void run_works(const vyre_work *works, uint32_t count)
{
    const vyre_status status = vyre_run(handle, works, count, NULL, NULL);
    CHECK(status == VYRE_OK || status == VYRE_E_FAULT);
}

static void publish_works(const vyre_work *works, uint32_t count)
{
    CHECK_EQ(vyre_start(handle, NULL), VYRE_OK);
    for (uint32_t i = 0; i < count; i++)
        (void)engine_publish(handle, works[i]);
    const vyre_status status = vyre_drain(handle, 20 * SECOND, NULL);
    CHECK(status == VYRE_OK || status == VYRE_E_FAULT);
    CHECK_EQ(vyre_stop(handle, 10 * SECOND, NULL), VYRE_OK);
}

static void rows_as_works(void (*serve)(const vyre_work *works, uint32_t count), const char *how)
{
    uint32_t done = 0, left = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        vyre_work works[32];
        trial t;
        uint32_t first = 0, count = 0;
        trial_begin(&t, &rows[i]);
        if (t.g.rounds == 0 && !t.g.workspace && !t.g.priority && t.g.observables > 0 &&
            t.before.words[CONTROL][0] == 0 && t.expected.words[CONTROL][0] == 0)
            count = row_works(&t, works, &first);
        if (count)
            open_handle(&t.g);
        if (count && !(is_ordered(t.r) && (is_gpu() || serve == publish_works))) {
            exchange(&t.before, true);
            memset(vyi_device_words(vyi_queue_device(&handle->queue), VYI_ROLE_RING), 0,
                   64 * (size_t)t.g.slots);
            handle->queue.slots.pool.shares[0].next = first;
            handle->queue.slots.pool.shares[0].ready = 0;
            serve(works, count);
            settle(&t);
            done++;
        } else {
            left++;
        }
        trial_end(&t);
    }
    close_handle();
    printf("NOTE %s: %u rows %s, %u left out\n", vyre_backend_name(backend_under_test), done, how,
           left);
    CHECK(done > 50);
}

static void rows_through_run(void) { rows_as_works(run_works, "through vyre_run"); }
static void rows_through_a_running_kernel(void)
{
    rows_as_works(publish_works, "published to a running kernel");
}

static const engine_case engine_cases[] = {
    ENGINE_CASE(rows_as_bytes),
    ENGINE_CASE(rows_through_run),
    ENGINE_CASE(rows_through_a_running_kernel),
};

int main(void)
{
    engine_run_cases(engine_cases, sizeof engine_cases / sizeof engine_cases[0]);
    return test_end();
}

/* The random rings of test_kernel_random.c through a handle, on every backend,
 * against the model: as bytes through vyre_dispatch, as works through vyre_run,
 * and published to a kernel that runs.  All words are equal, but for those that
 * tell how long a kernel ran, or in which order its lanes came.
 *
 * TEST_COUNT in the environment sets how many rings go each way. */
#define main kernel_random_main
#include "test_kernel_random.c"
#undef main

#include "engine.h"

enum {
    CONTROL_WORDS = 700,
    LOG_RECORDS = 16,
    LOG_WORDS = 1 + 4 * LOG_RECORDS,
    IO_WORDS = 512,
    TABLE_WORDS = 700
};

/* A handle, and the kernel that its rings are made for. */
typedef struct place {
    kernel   k;
    uint32_t slots;
    vyre    *v;
    vyre_info info;
} place;

static void open_place(place *p, vyre_kernel_kind kind, uint32_t what, uint32_t slots)
{
    static const vyre_buffer_desc buffers[] = {
        { "table", 4, VYRE_TYPE_U32, VYRE_ACCESS_READ, TABLE_WORDS, false, 0, 0 },
        { "tile", 0, VYRE_TYPE_U32, VYRE_ACCESS_WORKGROUP, 1, false, 0, 0 }
    };
    const bool widths = (what & WIDTHS) != 0;
    vyre_desc d;
    memset(p, 0, sizeof *p);
    memset(&d, 0, sizeof d);
    p->k.kind = kind;
    p->k.once = true;
    p->k.what = what;
    p->k.group = slots; /* the model's lanes are those of the CPU's one workgroup */
    p->slots = slots;
    d.backend = backend_under_test;
    d.tenants = 29;
    d.observables = CONTROL_WORDS - 160;
    d.kernel.kind = kind;
    d.kernel.slot_count = slots;
    d.kernel.log_records = LOG_RECORDS;
    d.kernel.open_header = (what & OPEN_HEADER) != 0;
    d.kernel.load_miss = (what & LOAD_MISS) != 0;
    d.kernel.io_polling = (what & IO_POLLING) != 0;
    d.kernel.io_spins = 3;
    d.kernel.buffers = buffers;
    d.kernel.buffer_count = widths ? 2 : 1;
    d.kernel.group_size = widths ? 32 : 0;
#ifdef WIDE_LIVE
    if (widths)
        wide_live(&d);
#endif
    d.kernel.table_binding = what & TABLE ? 4 : 0;
    if (kind == VYRE_KERNEL_JIT) {
        d.kernel.payload = widths ? emit_range : emit_payload;
        d.kernel.payload_width = widths ? VYRE_WIDTH_RANGE : VYRE_WIDTH_LANE;
    } else {
        d.kernel.handlers = handlers;
        d.kernel.handler_count = widths ? ALL_HANDLERS : LANE_HANDLERS;
    }
    d.unknown_opcodes = true;
    p->v = engine_open(&d);
    vyre_query(p->v, &p->info);
}

/* Every word of the board that begins is one that a handle can have. */
static void fit_board(const place *p)
{
    before.count[0] = CONTROL_WORDS;
    before.count[1] = 16 * p->slots;
    before.count[2] = LOG_WORDS;
    before.count[3] = IO_WORDS;
    before.count[4] = TABLE_WORDS;
    before.count[5] = 0;
}

static setting make_fitting_ring(const place *p)
{
    setting g;
    g.k = &p->k;
    g.slots = p->slots;
    g.lane_groups = 1;
    g.tag = any();
    fit_board(p);
    fill(&before);
    fill_control(words_of(&before, 0), before.count[0], p->slots);
    fill_log(words_of(&before, 2), before.count[2]);
    fill_io(words_of(&before, 3), before.count[3]);
    for (uint32_t s = 0; s < p->slots; s++)
        make_slot(&g, s);
    memcpy(vyre_map(p->v, 0, NULL), words_of(&before, 4), 4 * TABLE_WORDS);
    return g;
}

static uint32_t rings_of(uint32_t fallback)
{
    const char *text = getenv("TEST_COUNT");
    return text ? (uint32_t)strtoul(text, NULL, 0) : fallback;
}

/* What the places are: each kind, with what matters most to it. */
static const struct { vyre_kernel_kind kind; uint32_t what, slots; } places[] = {
    { VYRE_KERNEL_DIRECT, TABLE, 16 },    { VYRE_KERNEL_DIRECT, TABLE | OPEN_HEADER, 13 },
    { VYRE_KERNEL_DIRECT, 0, 1 },         { VYRE_KERNEL_JIT, 0, 16 },
    { VYRE_KERNEL_PRIORITY, TABLE, 16 },  { VYRE_KERNEL_DIRECT, TABLE | LOAD_MISS | IO_POLLING, 7 },
    { VYRE_KERNEL_DIRECT, TABLE | WIDTHS, 16 }, { VYRE_KERNEL_PRIORITY, WIDTHS, 16 },
    { VYRE_KERNEL_JIT, WIDTHS, 12 }
};
enum { PLACES = sizeof places / sizeof places[0] };

/* --- as bytes ------------------------------------------------------------ */

static void dispatch_ring(const place *p)
{
    vyre_error err;
    vyre_io_buffers io;
    io.control = words_of(&actual, 0);
    io.control_size = 4 * CONTROL_WORDS;
    io.ring = words_of(&actual, 1);
    io.ring_size = 64 * (size_t)p->slots;
    io.log = words_of(&actual, 2);
    io.log_size = 4 * LOG_WORDS;
    io.io = words_of(&actual, 3);
    io.io_size = 4 * IO_WORDS;
    if (vyre_dispatch(p->v, &io, NULL, &err) != VYRE_OK)
        test_fail(__FILE__, __LINE__, "dispatch: %s", err.text);
}

static void rings_as_bytes(void)
{
    const bool ordered = backend_under_test == VYRE_BACKEND_CPU;
    const uint32_t each = rings_of(400);
    const uint64_t first = test_seed(0x62797465);
    uint32_t done = 0;
    for (uint32_t i = 0; i < PLACES; i++) {
        place p;
        open_place(&p, places[i].kind, places[i].what, places[i].slots);
        for (uint64_t n = 0; n < each; n++) {
            random_state = (first + n) * 0x9e3779b97f4a7c15ull + i;
            const setting g = make_fitting_ring(&p);
            if (!ordered && shows_order(&g))
                continue;
            expected = actual = before;
            run_model(&g, &expected);
            dispatch_ring(&p);
            compare(&g, first + n);
            done++;
        }
        vyre_close(p.v);
    }
    printf("NOTE %s: %u rings as bytes\n", vyre_backend_name(backend_under_test), done);
    CHECK(done >= each);
}

/* --- as works ------------------------------------------------------------ */

/* The level that the handle serves this slot at; one without priorities has
 * NORMAL ones only. */
static vyre_priority priority_of(const place *p, uint32_t slot)
{
    static const vyre_priority levels[VYRE_PRIORITY_LEVELS] = {
        VYRE_PRIORITY_CRITICAL, VYRE_PRIORITY_HIGH, VYRE_PRIORITY_NORMAL, VYRE_PRIORITY_LOW,
        VYRE_PRIORITY_IDLE
    };
    if (p->v->queue.slots.levels == 1)
        return VYRE_PRIORITY_NORMAL;
    for (uint32_t i = 0; i < p->v->queue.slots.levels; i++) {
        const vyi_share *part = &p->v->queue.slots.pool.shares[i];
        if (slot >= part->first && slot < part->first + part->count)
            return levels[i];
    }
    return VYRE_PRIORITY_NORMAL;
}

typedef struct batch {
    vyre_work works[2 * MAX_SLOTS];
    uint32_t  count;
} batch;

static void batch_add(batch *b, const uint32_t *w, vyre_priority priority)
{
    vyre_work *work = &b->works[b->count++];
    memset(work, 0, sizeof *work);
    work->opcode = w[1];
    work->tenant = w[2];
    work->priority = priority;
    work->arg_count = 12;
    memcpy(work->args, w + 4, sizeof work->args);
}

/* A work of many lanes goes into the next of the slots behind those of the lanes, and
 * leaves this one to a NOP; where no opcode is a lane's, to nobody. */
static void move_wide(const place *p, batch *b, uint32_t *w, uint32_t *wides)
{
    uint32_t *to = words_of(&before, 1) + 16 * (p->slots + (*wides)++);
    memcpy(to, w, 16 * sizeof *w);
    to[0] = VYRE_SLOT_PUBLISHED;
    to[3] = vyi_priority_level(VYRE_PRIORITY_NORMAL);
    batch_add(b, to, VYRE_PRIORITY_NORMAL);
    memset(w, 0, 16 * sizeof *w);
}

static bool is_wide(const place *p, uint32_t opcode)
{
    return (p->k.what & WIDTHS) && (p->k.kind == VYRE_KERNEL_JIT || opcode == MODEL_OP_RANGE ||
                                    opcode == MODEL_OP_TILES);
}

/* Makes each slot one that publish can have made and that ends: the handle
 * serves all of them, whatever came before. */
static void make_publishable(const place *p, batch *b)
{
    uint32_t *control = words_of(&before, 0), *ring = words_of(&before, 1);
    const uint32_t *own = vyi_device_words(vyi_queue_device(&p->v->queue), VYI_ROLE_CONTROL);
    uint32_t wides = 0;
    bool prints = false;
    b->count = 0;
    before.count[1] = 16 * p->v->queue.slots.count;
    memset(ring + 16 * p->slots, 0, 4 * (before.count[1] - 16 * p->slots));
    control[0] = 0;
    control[3] = 1;
    for (uint32_t i = 129; i < 135; i++)
        control[i] = own[i];
    for (uint32_t s = 0; s < p->slots; s++) {
        uint32_t *w = ring + 16 * s;
        const bool print = w[1] == VYRE_OP_PRINTF;
        /* Two records would come in some order; the doorbell is the handle's. */
        if (!vyre_opcode_publishable(w[1]) || w[1] == VYRE_OP_SHUTDOWN || (print && prints) ||
            ((p->k.what & OPEN_HEADER) && s % 13 == 0))
            w[1] = VYRE_OP_NOP;
        prints = prints || print;
        if (w[2] >= 29 || control[3 + w[2]] == 0)
            w[2] = 0;
        if (is_wide(p, w[1]))
            move_wide(p, b, w, &wides);
        if (is_wide(p, VYRE_OP_NOP))
            continue;
        batch_add(b, w, priority_of(p, s));
        w[0] = VYRE_SLOT_PUBLISHED;
        w[3] = vyi_priority_level(priority_of(p, s));
    }
}

/* Between the board and the handle's own buffers. */
static void exchange(const place *p, board *b, bool in)
{
    vyre_io_buffers io;
    CHECK_EQ(vyre_buffers(p->v, &io, NULL), VYRE_OK);
    void *const at[4] = { io.control, io.ring, io.log, io.io };
    for (unsigned i = 0; i < 4; i++) {
        if (!in)
            memcpy(words_of(b, i), at[i], 4 * (size_t)b->count[i]);
        else if (i == 1)
            memset(at[i], 0, 4 * (size_t)b->count[i]);
        else
            memcpy(at[i], words_of(b, i), 4 * (size_t)b->count[i]);
    }
    if (in && vyi_queue_device(&p->v->queue)->write_combined)
        vyi_fence_stores();
}

static void run_works(const place *p, const batch *b)
{
    const vyre_status status = vyre_run(p->v, b->works, b->count, NULL, NULL);
    CHECK(status == VYRE_OK || status == VYRE_E_FAULT);
}

static void publish_works(const place *p, const batch *b)
{
    CHECK_EQ(vyre_start(p->v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < b->count; i++)
        (void)engine_publish(p->v, b->works[i]);
    const vyre_status status = vyre_drain(p->v, 20 * SECOND, NULL);
    CHECK(status == VYRE_OK || status == VYRE_E_FAULT);
    CHECK_EQ(vyre_stop(p->v, 10 * SECOND, NULL), VYRE_OK);
}

/* How long the kernel ran, and how its lanes went over the partitions. */
static void forget_rounds(const setting *g)
{
    uint32_t *got = words_of(&actual, 0);
    const uint32_t *wanted = words_of(&expected, 0);
    got[VYRE_CONTROL_HEARTBEAT] = wanted[VYRE_CONTROL_HEARTBEAT];
    for (uint32_t i = 135; i < 141 && g->k->kind == VYRE_KERNEL_PRIORITY; i++)
        got[i] = wanted[i];
    got[VYRE_CONTROL_REQUEUES] = wanted[VYRE_CONTROL_REQUEUES];
    if (g->k->kind == VYRE_KERNEL_PRIORITY)
        got[VYRE_CONTROL_PROMOTED] = wanted[VYRE_CONTROL_PROMOTED];
}

static void serve_ring(place *p, uint64_t seed,
                       void (*serve)(const place *p, const batch *b))
{
    batch works;
    const setting g = make_fitting_ring(p);
    make_publishable(p, &works);
    expected = actual = before;
    run_model(&g, &expected);
    exchange(p, &before, true);
    for (uint32_t i = 0; i < p->v->queue.slots.levels; i++)
        p->v->queue.slots.pool.shares[i].next = p->v->queue.slots.pool.shares[i].ready = 0;
    p->v->queue.wides.owner.shares[0].next = 0;
    serve(p, &works);
    exchange(p, &actual, false);
    forget_rounds(&g);
    compare(&g, seed);
    for (uint32_t s = 0; s < p->v->queue.slots.count; s++) {
        const uint32_t *w = words_of(&actual, 1) + 16 * s;
        if (words_of(&before, 1)[16 * s] != VYRE_SLOT_PUBLISHED)
            continue; /* of nobody's */
        const uint32_t mirror =
            vyi_le32(vyi_device_words(vyi_queue_device(&p->v->queue), p->v->queue.slots.mirror)[s]);
        const bool tells = w[0] == VYRE_SLOT_DONE && p->info.probe.effects_first;
        if (mirror == 0 && p->info.probe.whole_lines)
            continue; /* a lone thread clears the words of works whose end it has seen */
        CHECK_EQ(mirror & 0xff, w[0]); /* the whole kernel tells what an atomic found, too */
        if (!tells)
            CHECK_EQ(mirror, w[0] == VYRE_SLOT_FAULTED ? w[0] | w[15] << 8 : w[0]);
    }
}

static void rings_as_works(void (*serve)(const place *p, const batch *b), const char *how,
                           uint32_t each)
{
    const uint64_t first = test_seed(0x776f726b);
    uint32_t done = 0;
    for (uint32_t i = 0; i < PLACES; i++) {
        place p;
        if (places[i].what & (LOAD_MISS | IO_POLLING))
            continue; /* a host has to answer */
#ifdef WIDE_LIVE
        if (!(places[i].what & WIDTHS))
            continue; /* test_engine_rings has them */
#endif
        open_place(&p, places[i].kind, places[i].what, places[i].slots);
        for (uint64_t n = 0; n < each; n++, done++) {
            random_state = (first + n) * 0x9e3779b97f4a7c15ull + i;
            serve_ring(&p, first + n, serve);
        }
        vyre_close(p.v);
    }
    printf("NOTE %s: %u rings %s\n", vyre_backend_name(backend_under_test), done, how);
}

static void rings_through_run(void)
{
    rings_as_works(run_works, "through vyre_run", rings_of(190));
}

static void rings_through_a_running_kernel(void)
{
    rings_as_works(publish_works, "published to a running kernel", rings_of(95));
}

static const engine_case engine_cases[] = {
    ENGINE_CASE(rings_as_bytes),
    ENGINE_CASE(rings_through_run),
    ENGINE_CASE(rings_through_a_running_kernel),
};

#ifndef WIDE_LIVE
int main(void)
{
    handles = true;
    engine_run_cases(engine_cases, sizeof engine_cases / sizeof engine_cases[0]);
    return test_end();
}
#endif

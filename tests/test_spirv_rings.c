/* Random rings through the kernels on a Vulkan device, against the model: the
 * rings, kernels and handlers of test_kernel_random.c, all words equal.
 *
 * Unsanitized: the driver under test is code of others; and this program is
 * made to be carried to machines that have a GPU (TEST_COUNT rings, TEST_KERNELS
 * of the kernels, VYRE_DEVICE, TEST_SEED).
 *
 * The model serves one slot after the other.  Where that can be seen (records
 * of a log, IO slots, SHUTDOWN, the counters of the priority scan), one
 * workgroup serves the ring; on llvmpipe it is at most one vector wide, which
 * takes its lanes in order, elsewhere one lane.
 */
#define VYRE_NO_VULKAN /* vk_run.h calls the loader directly */
#define main kernel_random_main
#include "test_kernel_random.c"
#undef main

#include "vk_run.h"
#include "vyre_spirv.h"

typedef struct device_kernel {
    const kernel *k;
    vk_kernel     pipelines[2]; /* GLSL450, Vulkan */
} device_kernel;

enum { DEVICE_KERNELS = 400 };
static device_kernel device_kernels[DEVICE_KERNELS];
static vk_run vk;

static uint32_t ring_number(const char *name, uint32_t fallback)
{
    const char *text = getenv(name);
    return text ? (uint32_t)strtoul(text, NULL, 0) : fallback;
}

static void make_pipeline(const kernel *k, uint32_t number, vyre_memory_model model,
                          vk_kernel *out)
{
    static const uint32_t bindings[BUFFERS] = { 0, 1, 2, 3, 4, 5, 6 };
    vyre_spirv_desc how;
    vyre_spirv module;
    memset(&how, 0, sizeof how);
    how.version = vk.api_version >= VK_API_VERSION_1_2 && number % 2 ? VYRE_SPIRV_1_5 : 0;
    how.memory_model = model;
    how.rounds = true;
    how.unfenced = vk.is_lavapipe;
    how.loop_limit = k->narrow ? NARROW_LOOPS : vk.is_lavapipe ? 60000 : 0;
    if (number % 3 == 0)
        CHECK_EQ(vyre_program_optimize(k->program, NULL), VYRE_OK);
    CHECK_EQ(vyre_spirv_emit(k->program, &how, &module, NULL), VYRE_OK);
    const vk_kernel_desc desc = { module.words, module.word_count, bindings, buffers_of(k),
                                  module.push_constant_size, NULL };
    if (!vk_kernel_create(&vk, out, &desc))
        test_fail(__FILE__, __LINE__, "%s", vk.why);
    vyre_spirv_free(&module);
}

/* Pipelines for `count` of the kernels, the same ones for the same seed. */
static uint32_t make_pipelines(uint32_t count)
{
    uint32_t made = 0;
    for (uint32_t i = 0; i < kernel_count && made < count; i++) {
        const kernel *k = &kernels[i];
        if (k->group > (vk.is_lavapipe ? vk.subgroup_size : 32u) ||
            below(kernel_count - i) >= 2 * (count - made))
            continue;
        device_kernel *d = &device_kernels[made];
        d->k = k;
        make_pipeline(k, made, VYRE_MEMORY_MODEL_GLSL450, &d->pipelines[0]);
        if (vk.vulkan_memory_model)
            make_pipeline(k, made, VYRE_MEMORY_MODEL_VULKAN, &d->pipelines[1]);
        made++;
    }
    return made;
}

static void run_on_device(const setting *g, const vk_kernel *pipeline, board *b)
{
    void *buffers[BUFFERS];
    size_t sizes[BUFFERS];
    for (unsigned i = 0; i < BUFFERS; i++) {
        buffers[i] = words_of(b, i);
        sizes[i] = b->count[i] ? 4 * (size_t)b->count[i] : 1;
    }
    const vk_call call = { { g->lane_groups, 1, 1 }, buffers, sizes, ROUNDS };
    if (!vk_dispatch(&vk, pipeline, &call))
        test_fail(__FILE__, __LINE__, "%s", vk.why);
}

/* A narrow kernel polls until its loops are used up; how often is its affair. */
static void forget_heartbeat(const setting *g)
{
    if (g->k->narrow && expected.count[0] > VYRE_CONTROL_HEARTBEAT)
        words_of(&actual, 0)[VYRE_CONTROL_HEARTBEAT] =
            words_of(&expected, 0)[VYRE_CONTROL_HEARTBEAT];
}

static void run_rings(uint32_t rings, uint32_t made, uint64_t first)
{
    uint32_t done = 0;
    for (uint64_t n = 0; done < rings; n++) {
        random_state = (first + n) * 0x9e3779b97f4a7c15ull;
        device_kernel *d = &device_kernels[below(made)];
        kernel_count = 1;
        kernels[0] = *d->k; /* make_ring picks from these */
        setting g = make_ring();
        g.k = &kernels[0];
        if (shows_order(&g)) {
            if (!vk.is_lavapipe && g.k->group > 1)
                continue;
            g.lane_groups = 1;
        }
        expected = actual = before;
        run_model(&g, &expected);
        run_on_device(&g, &d->pipelines[vk.vulkan_memory_model && done % 2], &actual);
        forget_heartbeat(&g);
        compare(&g, first + n);
        done++;
    }
}

static void random_rings_on_a_device_equal_the_model(void)
{
    static kernel all[KERNELS];
    const uint64_t first = test_seed(0x72696e67);
    const uint32_t rings = ring_number("TEST_COUNT", 1500);
    if (!vk.device && !vk_open(&vk))
        test_skip(vk.why);
    build_kernels();
    memcpy(all, kernels, sizeof all);
    const uint32_t count = kernel_count;
    random_state = first;
    const uint32_t wanted = ring_number("TEST_KERNELS", 24);
    const uint32_t made = make_pipelines(wanted < DEVICE_KERNELS ? wanted : DEVICE_KERNELS);
    for (uint32_t i = 0; i < made; i++)
        device_kernels[i].k = &all[device_kernels[i].k - kernels];
    run_rings(rings, made, first);
    printf("NOTE %s: %u rings through %u kernels\n", vk.name, (unsigned)rings, (unsigned)made);
    for (uint32_t i = 0; i < made; i++) {
        vk_kernel_destroy(&vk, &device_kernels[i].pipelines[0]);
        if (vk.vulkan_memory_model)
            vk_kernel_destroy(&vk, &device_kernels[i].pipelines[1]);
    }
    memcpy(kernels, all, sizeof all);
    kernel_count = count;
    destroy_kernels();
}

/* --- loops that a driver would cut --------------------------------------- */

enum { LONG_SLOTS = 8, LONG_HANDLERS = 4, LONG_WORDS = 160 + 16 };

/* observable[a1] = sum of 0 .. a0 - 1; four opcodes, so that lanes diverge. */
static void emit_sum(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    const vyre_local sum = vyre_ir_local(p, VYRE_TYPE_U32, vyre_ir_u32(p, 0), "sum");
    const vyre_value zero = vyre_ir_u32(p, 0);
    const vyre_value i = vyre_ir_loop(p, zero, s->arg[0]);
    vyre_ir_set(p, sum, vyre_ir_add(p, vyre_ir_get(p, sum), i));
    vyre_ir_end(p);
    const vyre_value at = vyre_ir_add(p, s->arg[1], vyre_ir_u32(p, VYRE_CONTROL_OBSERVABLES));
    vyre_ir_store(p, s->control, at, vyre_ir_get(p, sum));
}

typedef struct long_run {
    uint32_t control[LONG_WORDS], ring[16 * LONG_SLOTS], log[5], io[8];
    void    *buffers[4];
    size_t   sizes[4];
} long_run;

/* Slot s sums `counts[s]` numbers, neighbours by different handlers. */
static void long_begin(long_run *r, const uint32_t counts[LONG_SLOTS])
{
    const vyre_control_desc control = { false, 1, LONG_WORDS - 160 };
    memset(r, 0, sizeof *r);
    CHECK_EQ(vyre_control_encode(r->control, sizeof r->control, &control, NULL), VYRE_OK);
    for (uint32_t s = 0; s < LONG_SLOTS; s++) {
        const vyre_work work = { 0x1000 + s % LONG_HANDLERS, 0, VYRE_PRIORITY_NORMAL, 2, { counts[s], s } };
        CHECK_EQ(vyre_ring_publish(r->ring, sizeof r->ring, s, &work, NULL), VYRE_OK);
    }
    r->buffers[0] = r->control;
    r->buffers[1] = r->ring;
    r->buffers[2] = r->log;
    r->buffers[3] = r->io;
    r->sizes[0] = sizeof r->control;
    r->sizes[1] = sizeof r->ring;
    r->sizes[2] = sizeof r->log;
    r->sizes[3] = sizeof r->io;
}

static vyre_program *long_kernel(void)
{
    vyre_handler sums[LONG_HANDLERS];
    vyre_kernel_desc desc;
    vyre_error err;
    memset(&desc, 0, sizeof desc);
    desc.once = true;
    desc.workgroup_size = LONG_SLOTS;
    memset(sums, 0, sizeof sums);
    for (uint32_t i = 0; i < LONG_HANDLERS; i++) {
        sums[i].opcode = 0x1000 + i;
        sums[i].emit = emit_sum;
    }
    desc.handlers = sums;
    desc.handler_count = LONG_HANDLERS;
    vyre_program *p = vyre_kernel_build(&desc, &err);
    if (!p)
        test_fail(__FILE__, __LINE__, "%s", err.text);
    return p;
}

static void long_on_device(const vyre_program *p, uint32_t limit, long_run *r)
{
    static const uint32_t bindings[4] = { 0, 1, 2, 3 };
    vyre_spirv_desc how;
    vyre_spirv module;
    vk_kernel pipeline;
    memset(&how, 0, sizeof how);
    how.unfenced = vk.is_lavapipe;
    how.loop_limit = limit;
    CHECK_EQ(vyre_spirv_emit(p, &how, &module, NULL), VYRE_OK);
    const vk_kernel_desc desc = { module.words, module.word_count, bindings, 4, 0, NULL };
    const vk_call call = { { 1, 1, 1 }, r->buffers, r->sizes, 0 };
    if (!vk_kernel_create(&vk, &pipeline, &desc) || !vk_dispatch(&vk, &pipeline, &call))
        test_fail(__FILE__, __LINE__, "%s", vk.why);
    vk_kernel_destroy(&vk, &pipeline);
    vyre_spirv_free(&module);
}

static void long_interpreted(const vyre_program *p, uint32_t limit, long_run *r)
{
    vyre_interp_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.buffers = r->buffers;
    desc.sizes = r->sizes;
    desc.buffer_count = 4;
    desc.loop_limit = limit;
    CHECK_EQ(vyre_interpret(p, &desc, NULL), VYRE_OK);
}

/* The slot is DONE with the right sum, or FAULT for its loop. */
static bool long_is_done(const long_run *r, const uint32_t counts[LONG_SLOTS], uint32_t s)
{
    const uint32_t status = r->ring[16 * s], n = counts[s];
    const uint32_t sum = (uint32_t)((uint64_t)n * (n - 1) / 2);
    if (status == VYRE_SLOT_FAULTED) {
        CHECK_EQ(r->ring[16 * s + VYRE_SLOT_FAULT], VYRE_FAULT_LOOP_LIMIT);
        return false;
    }
    CHECK_EQ(status, VYRE_SLOT_DONE);
    CHECK_EQ(r->control[160 + s], sum);
    return true;
}

static void long_loops_end_as_faults_or_right(void)
{
    static const uint32_t one_long[LONG_SLOTS] = { 10, 20, 200000, 40, 50, 60, 70, 80 };
    static const uint32_t apart[LONG_SLOTS] = { 29000, 29000, 29000, 29000, 5, 5, 5, 5 };
    long_run r;
    if (!vk.device && !vk_open(&vk))
        test_skip(vk.why);
    vyre_program *p = long_kernel();
    const uint32_t limit = vk.is_lavapipe ? 60000 : 0;
    long_begin(&r, one_long);
    long_on_device(p, limit, &r);
    for (uint32_t s = 0; s < LONG_SLOTS; s++)
        CHECK_EQ(long_is_done(&r, one_long, s), s != 2 || !limit);

    long_begin(&r, one_long);
    long_interpreted(p, 0, &r);
    for (uint32_t s = 0; s < LONG_SLOTS; s++)
        CHECK(long_is_done(&r, one_long, s));
    long_begin(&r, one_long);
    long_interpreted(p, 60000, &r);
    for (uint32_t s = 0; s < LONG_SLOTS; s++)
        CHECK_EQ(long_is_done(&r, one_long, s), s != 2);

    /* Loops that are short enough each, in lanes of one subgroup: llvmpipe runs
     * all of them for all its lanes.  Right or FAULT, never wrong. */
    uint32_t done = 0;
    long_begin(&r, apart);
    long_on_device(p, limit, &r);
    for (uint32_t s = 0; s < LONG_SLOTS; s++)
        done += long_is_done(&r, apart, s);
    if (vk.is_lavapipe)
        CHECK(done > 0 && done < LONG_SLOTS);
    else
        CHECK_EQ(done, LONG_SLOTS);
    vyre_program_destroy(p);
}

/* --- the words of vyre_spirv.h ------------------------------------------- */

typedef struct stock {
    const uint32_t  *words;
    size_t           count;
    vyre_kernel_kind kind;
    bool             once;
} stock;

/* As their comment says to launch them, in a workgroup of eight lanes: on
 * llvmpipe one vector, which meets no barrier that others miss. */
static void one_stock_kernel(const stock *k)
{
    static const uint32_t bindings[4] = { 0, 1, 2, 3 }, group[3] = { 8, 1, 1 };
    const vk_kernel_desc desc = { k->words, k->count, bindings, 4, k->once ? 0u : 4u, group };
    long_run r;
    vk_kernel pipeline;
    const uint32_t counts[LONG_SLOTS] = { 0, 0, 0, 0, 0, 0, 0, 0 };
    long_begin(&r, counts);
    for (uint32_t i = 0; i < 6; i++)
        r.control[VYRE_CONTROL_PRIORITY_OFFSETS + i] = i < 5 ? i : LONG_SLOTS;
    for (uint32_t s = 0; s < LONG_SLOTS; s++) {
        const vyre_work work = { VYRE_OP_STORE_U32, 0, VYRE_PRIORITY_NORMAL, 2,
                                 { 1000 + s, 160 + s } };
        memset(r.ring + 16 * s, 0, 64);
        CHECK_EQ(vyre_ring_publish(r.ring, sizeof r.ring, s, &work, NULL), VYRE_OK);
    }
    const vk_call call = { { 1, 1, 1 }, r.buffers, r.sizes, 40 };
    if (!vk_kernel_create(&vk, &pipeline, &desc) || !vk_dispatch(&vk, &pipeline, &call))
        test_fail(__FILE__, __LINE__, "%s", vk.why);
    vk_kernel_destroy(&vk, &pipeline);
    CHECK_EQ(r.control[VYRE_CONTROL_DONE_COUNT], LONG_SLOTS);
    for (uint32_t s = 0; s < LONG_SLOTS; s++) {
        CHECK_EQ(r.ring[16 * s], VYRE_SLOT_DONE);
        CHECK_EQ(r.control[160 + s], 1000 + s);
    }
}

static void generated_words_serve_a_ring(void)
{
    const stock stocks[] = {
        { vyre_spirv_direct, sizeof vyre_spirv_direct / 4, VYRE_KERNEL_DIRECT, false },
        { vyre_spirv_direct_once, sizeof vyre_spirv_direct_once / 4, VYRE_KERNEL_DIRECT, true },
        { vyre_spirv_priority, sizeof vyre_spirv_priority / 4, VYRE_KERNEL_PRIORITY, false }
    };
    if (!vk.device && !vk_open(&vk))
        test_skip(vk.why);
    for (size_t i = 0; i < 3; i++)
        one_stock_kernel(&stocks[i]);
}

int main(void)
{
    setenv("MESA_SHADER_CACHE_DISABLE", "true", 0);
    RUN(generated_words_serve_a_ring);
    RUN(random_rings_on_a_device_equal_the_model);
    RUN(long_loops_end_as_faults_or_right);
    if (vk.device)
        vk_close(&vk);
    return test_end();
}

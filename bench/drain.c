/* drain: how fast a full ring is served
 *
 *     bench/drain [--csv] [--quick] [--seconds N]
 *
 * Rings of 2^10 to 2^20 published slots, one launch each, timed by the
 * device's own clock: our one-pass kernel as the engine emits it, against a
 * claim kernel with the same protocol written by hand in GLSL
 * (twins/drain.comp).  Every opcode, two mixes, several numbers of lanes and
 * sizes of workgroups.  Then the interpreter, on the processor.  A row is
 * measured for at most --seconds.
 */
#define _GNU_SOURCE
#define VK_NO_PROTOTYPES
#define VOLK_IMPLEMENTATION
#include "raw_vulkan.h"

#define VYRE_EXTERNAL_VOLK
#define VYRE_IMPLEMENTATION
#include "../vyre.h"

#include "bench.h"
#include "twins/drain.spv.h"

#define MAX_RUNS    100u
#define OBSERVABLES 64u
#define STATES      4u /* of the DFA */
#define BUFFERS     5u
#define LOG         64u /* records: most PRINTFs find the log full */

static double   seconds_each = 0.1;
static uint32_t largest = 20; /* 2^largest slots */

static void check_ok(vyre_status status, const vyre_error *err)
{
    if (status >= 0)
        return;
    fprintf(stderr, "drain: %s\n%s\n", err->text, err->fix);
    exit(1);
}

/* --- what the slots hold ---------------------------------------------------- */

typedef enum workload {
    NOP, STORE, ADD, LOAD, SWAP, COPY, STEP, FENCE, PRINT, PACKED, MIXED, RUNS, WORKLOADS
} workload;

static const char *const workload_names[WORKLOADS] = {
    "NOP", "STORE_U32", "ATOMIC_ADD", "LOAD_U32", "COMPARE_SWAP", "MEMCPY of 8", "DFA_STEP",
    "BATCH_FENCE", "PRINTF", "PACKED_SLOT of 3", "six opcodes, shuffled", "six opcodes, in runs"
};

static vyre_work work_new(uint32_t opcode, uint32_t a, uint32_t b, uint32_t c)
{
    vyre_work work = { opcode, 0, VYRE_PRIORITY_NORMAL, 3, { a, b, c } };
    return work;
}

static vyre_work work_packed(void)
{
    const vyre_op add = { VYRE_OP_ATOMIC_ADD, 2, { 1, VYRE_CONTROL_OBSERVABLES } };
    const vyre_op ops[3] = { add, add, add };
    vyre_work work;
    vyre_error err;
    check_ok(vyre_work_pack(&work, ops, 3, &err), &err);
    return work;
}

/* The work in `slot`; the mixes hold the first six. */
static vyre_work work_of(workload load, uint32_t slot)
{
    const uint32_t word = slot % OBSERVABLES, at = VYRE_CONTROL_OBSERVABLES + word;
    if (load == MIXED)
        load = (workload)((slot * 2654435761u >> 16) % 6);
    else if (load == RUNS)
        load = (workload)(slot / 64 % 6);
    switch (load) {
    case STORE:  return work_new(VYRE_OP_STORE_U32, slot, at, 0);
    case ADD:    return work_new(VYRE_OP_ATOMIC_ADD, 1, VYRE_CONTROL_OBSERVABLES, 0);
    case LOAD:   return work_new(VYRE_OP_LOAD_U32, at, (word + 7) % OBSERVABLES, 0);
    case SWAP:   return work_new(VYRE_OP_COMPARE_SWAP, at, 0, slot);
    case COPY:   return work_new(VYRE_OP_MEMCPY, VYRE_CONTROL_OBSERVABLES + word % 8,
                                 VYRE_CONTROL_OBSERVABLES + 32 + word % 8, 8);
    case STEP:   return work_new(VYRE_OP_DFA_STEP, slot % STATES, slot % 256, word);
    case FENCE:  return work_new(VYRE_OP_BATCH_FENCE, 0, slot, 0);
    case PRINT:  return work_new(VYRE_OP_PRINTF, 1, slot, 0);
    case PACKED: return work_packed();
    default:     return work_new(VYRE_OP_NOP, 0, 0, 0);
    }
}

/* A published ring, in the host's memory. */
static void *ring_new(workload load, uint32_t slots)
{
    vyre_error err;
    const size_t size = vyre_ring_size(slots);
    void *ring = malloc(size);
    if (!ring)
        exit(1);
    check_ok(vyre_ring_encode(ring, size, slots, &err), &err);
    for (uint32_t s = 0; s < slots; s++) {
        const vyre_work work = work_of(load, s);
        check_ok(vyre_ring_publish(ring, size, s, &work, &err), &err);
    }
    return ring;
}

static vyre_program *kernel_new(void)
{
    vyre_error err;
    vyre_buffer_desc table;
    vyre_kernel_desc desc;
    memset(&table, 0, sizeof table);
    memset(&desc, 0, sizeof desc);
    table.name = "table";
    table.binding = VYRE_BINDING_USER;
    table.access = VYRE_ACCESS_READ;
    desc.once = true;
    desc.buffers = &table;
    desc.buffer_count = 1;
    desc.table_binding = table.binding;
    vyre_program *p = vyre_kernel_build(&desc, &err);
    check_ok(p ? VYRE_OK : err.status, &err);
    return p;
}

/* Sizes of the five buffers, and what the first, third and fourth begin as. */
static void sizes_of(uint32_t slots, size_t sizes[BUFFERS])
{
    sizes[0] = vyre_control_size(OBSERVABLES);
    sizes[1] = vyre_ring_size(slots);
    sizes[2] = vyre_log_size(LOG);
    sizes[3] = vyre_io_size(VYRE_IO_SLOTS);
    sizes[4] = STATES * 256 * 4;
}

static void encode(void *const buffers[BUFFERS], const size_t sizes[BUFFERS])
{
    vyre_error err;
    const vyre_control_desc control = { false, 1, OBSERVABLES };
    check_ok(vyre_control_encode(buffers[0], sizes[0], &control, &err), &err);
    check_ok(vyre_log_encode(buffers[2], sizes[2], LOG, &err), &err);
    check_ok(vyre_io_encode(buffers[3], sizes[3], VYRE_IO_SLOTS, &err), &err);
}

/* --- the device ------------------------------------------------------------- */

typedef struct arena {
    uint32_t   slots;
    raw_buffer image; /* what every run starts from */
    raw_buffer core[BUFFERS];
} arena;

static arena arena_new(const raw_device *d, uint32_t slots)
{
    arena a;
    size_t sizes[BUFFERS];
    void *maps[BUFFERS];
    memset(&a, 0, sizeof a);
    a.slots = slots;
    sizes_of(slots, sizes);
    for (uint32_t i = 0; i < BUFFERS; i++) {
        a.core[i] = raw_buffer_new(d, sizes[i], false);
        maps[i] = a.core[i].map;
    }
    encode(maps, sizes);
    a.image = raw_buffer_new(d, sizes[1], false);
    return a;
}

static void arena_fill(arena *a, workload load)
{
    void *ring = ring_new(load, a->slots);
    memcpy(a->image.map, ring, vyre_ring_size(a->slots));
    free(ring);
}

static void arena_free(const raw_device *d, arena *a)
{
    raw_buffer_free(d, &a->image);
    for (uint32_t i = 0; i < BUFFERS; i++)
        raw_buffer_free(d, &a->core[i]);
}

/* Copies the image, then times the kernel alone. */
static VkCommandBuffer record(const raw_device *d, const raw_kernel *k, const arena *a,
                              uint32_t groups, VkQueryPool times)
{
    VkCommandBuffer cmd = raw_begin(d);
    const VkBufferCopy all = { 0, 0, a->image.size };
    vkCmdResetQueryPool(cmd, times, 0, 2);
    vkCmdCopyBuffer(cmd, a->image.buffer, a->core[1].buffer, 1, &all);
    const VkMemoryBarrier ready = { VK_STRUCTURE_TYPE_MEMORY_BARRIER, 0,
                                    VK_ACCESS_TRANSFER_WRITE_BIT,
                                    VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT };
    vkCmdPipelineBarrier(cmd, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                         0, 1, &ready, 0, NULL, 0, NULL);
    vkCmdWriteTimestamp(cmd, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, times, 0);
    raw_dispatch(cmd, k, groups, 1);
    vkCmdWriteTimestamp(cmd, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, times, 1);
    RAW_CHECK(vkEndCommandBuffer(cmd));
    return cmd;
}

static uint32_t done_count(const arena *a)
{
    return ((const volatile uint32_t *)a->core[0].map)[VYRE_CONTROL_DONE_COUNT];
}

static double run_once(const raw_device *d, VkCommandBuffer cmd, VkFence fence, VkQueryPool times)
{
    uint64_t stamp[2];
    raw_submit(d, cmd, fence);
    RAW_CHECK(vkWaitForFences(d->device, 1, &fence, VK_TRUE, UINT64_MAX));
    vkResetFences(d->device, 1, &fence);
    RAW_CHECK(vkGetQueryPoolResults(d->device, times, 0, 2, sizeof stamp, stamp, 8,
                                    VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT));
    return (double)(stamp[1] - stamp[0]) * (double)d->properties.limits.timestampPeriod;
}

/* Slots a second by the median; every run must have served every slot. */
static bench_row measure(const raw_device *d, const raw_kernel *k, const arena *a,
                         uint32_t groups, const char *path)
{
    VkQueryPool times;
    const VkQueryPoolCreateInfo info = { VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO, 0, 0,
                                         VK_QUERY_TYPE_TIMESTAMP, 2, 0 };
    RAW_CHECK(vkCreateQueryPool(d->device, &info, NULL, &times));
    VkCommandBuffer cmd = record(d, k, a, groups, times);
    VkFence fence = raw_fence(d);
    const uint32_t before = done_count(a);

    bench_row row = bench_row_new(path, MAX_RUNS);
    uint32_t runs = 2; /* the first ones compile and warm up */
    for (uint32_t i = 0; i < runs; i++)
        (void)run_once(d, cmd, fence, times);
    const uint64_t end = bench_now() + (uint64_t)(seconds_each * 1e9);
    for (; row.count < MAX_RUNS && (row.count < 3 || bench_now() < end); runs++)
        bench_add(&row, run_once(d, cmd, fence, times));
    const uint32_t served = done_count(a) - before;
    if (served != a->slots * runs) {
        fprintf(stderr, "drain: %s served %u of %u slots\n", path, served, a->slots * runs);
        exit(1);
    }
    vkFreeCommandBuffers(d->device, d->pool, 1, &cmd);
    vkDestroyQueryPool(d->device, times, NULL);
    vkDestroyFence(d->device, fence, NULL);
    return row;
}

typedef struct contest {
    const raw_device   *device;
    const bench_output *out;
    vyre_spirv          ours;
    arena               arena;
} contest;

static double contend(contest *c, const uint32_t *words, size_t size, uint32_t lanes,
                      uint32_t group, const char *path)
{
    raw_kernel k = raw_kernel_new(c->device, words, size, group, c->arena.core, BUFFERS);
    bench_row row = measure(c->device, &k, &c->arena, lanes / group, path);
    raw_kernel_free(c->device, &k);
    qsort(row.samples, row.count, sizeof(double), bench_order);
    row.rate = c->arena.slots * 1e9 / bench_quantile(&row, 0.5);
    return bench_finish(c->out, &row);
}

/* Both kernels over what is in the ring. */
static void compare(contest *c, const char *what, uint32_t lanes, uint32_t group)
{
    char by_hand[112], ours[112];
    group = lanes < group ? lanes : group;
    snprintf(by_hand, sizeof by_hand, "GLSL by hand, %s, %u slots, %u lanes in %u", what,
             c->arena.slots, lanes, group);
    snprintf(ours, sizeof ours, "vyre.h, %s, %u slots, %u lanes in %u", what, c->arena.slots,
             lanes, group);
    const double a = contend(c, drain_spv, sizeof drain_spv, lanes, group, by_hand);
    const double b = contend(c, c->ours.words, c->ours.word_count * 4, lanes, group, ours);
    if (!c->out->csv)
        printf("| ratio %.2f |\n", a / b);
}

static vyre_spirv emit_kernel(const raw_device *d)
{
    vyre_error err;
    vyre_program *p = kernel_new();
    vyre_spirv_desc spirv;
    vyre_spirv out;
    memset(&spirv, 0, sizeof spirv);
    spirv.spec_group_size = true;
    spirv.unfenced = d->llvmpipe;
    if (d->vulkan_memory_model) {
        spirv.version = VYRE_SPIRV_1_5;
        spirv.memory_model = VYRE_MEMORY_MODEL_VULKAN;
    }
    check_ok(vyre_spirv_emit(p, &spirv, &out, &err), &err);
    vyre_program_destroy(p);
    return out;
}

/* The workgroup that the engine would take. */
static uint32_t usual_group(const raw_device *d)
{
    return d->llvmpipe ? d->subgroup_size : 256;
}

/* Three workloads at every second power of two, all at every fifth. */
static void on_sizes(contest *c)
{
    for (uint32_t bits = 10; bits <= largest; bits++) {
        const bool all = bits % 5 == 0;
        if (bits % 2 && !all)
            continue;
        c->arena = arena_new(c->device, 1u << bits);
        for (int load = 0; load < WORKLOADS; load++) {
            const bool main_row = load == NOP || load == ADD || load == MIXED;
            if (!main_row && !all)
                continue;
            arena_fill(&c->arena, (workload)load);
            if (main_row)
                compare(c, workload_names[load], 1u << bits, usual_group(c->device));
            compare(c, workload_names[load], 1u << (bits - 3), usual_group(c->device));
        }
        arena_free(c->device, &c->arena);
    }
}

static void on_geometries(contest *c)
{
    static const uint32_t groups[] = { 32, 64, 128, 512, 1024 };
    const uint32_t usual = usual_group(c->device);
    c->arena = arena_new(c->device, 1u << largest);
    arena_fill(&c->arena, ADD);
    for (uint32_t shift = 1; shift <= 8; shift++)
        if (shift != 3)
            compare(c, "ATOMIC_ADD", c->arena.slots >> shift, usual);
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        if (groups[i] <= c->device->properties.limits.maxComputeWorkGroupInvocations &&
            groups[i] <= c->arena.slots >> 3)
            compare(c, "ATOMIC_ADD", c->arena.slots >> 3, groups[i]);
    arena_free(c->device, &c->arena);
}

static void on_device(const raw_device *d, bool csv)
{
    bench_output out;
    memset(&out, 0, sizeof out);
    out.bench = "drain";
    out.unit = "us";
    out.csv = csv;
    snprintf(out.device, sizeof out.device, "%.127s", d->properties.deviceName);
    snprintf(out.driver, sizeof out.driver, "%s", d->driver);
    snprintf(out.settings, sizeof out.settings, "%u runs or %g s a row", MAX_RUNS, seconds_each);
    bench_heading(&out);
    contest c;
    memset(&c, 0, sizeof c);
    c.device = d;
    c.out = &out;
    c.ours = emit_kernel(d);
    on_sizes(&c);
    on_geometries(&c);
    vyre_spirv_free(&c.ours);
}

/* --- the interpreter -------------------------------------------------------- */

static void interpret(const bench_output *out, workload load, uint32_t slots)
{
    size_t sizes[BUFFERS];
    void *buffers[BUFFERS];
    char path[112];
    vyre_error err;
    sizes_of(slots, sizes);
    for (uint32_t i = 0; i < BUFFERS; i++)
        if (!(buffers[i] = calloc(1, sizes[i])))
            exit(1);
    encode(buffers, sizes);
    void *published = ring_new(load, slots);
    vyre_program *p = kernel_new();
    vyre_interp_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.groups[0] = slots / 256;
    desc.groups[1] = desc.groups[2] = 1;
    desc.buffers = buffers;
    desc.sizes = sizes;
    desc.buffer_count = BUFFERS;
    snprintf(path, sizeof path, "vyre.h interpreter, %s, %u slots", workload_names[load], slots);
    bench_row row = bench_row_new(path, MAX_RUNS);
    uint32_t runs = 0, done = 0;
    const uint64_t end = bench_now() + (uint64_t)(seconds_each * 1e9);
    for (; row.count < MAX_RUNS && (row.count < 3 || bench_now() < end); runs++) {
        memcpy(buffers[1], published, sizes[1]);
        const uint64_t begin = bench_now();
        check_ok(vyre_interpret(p, &desc, &err), &err);
        bench_add(&row, (double)(bench_now() - begin));
    }
    check_ok(vyre_control_done_count(buffers[0], sizes[0], &done, &err), &err);
    if (done != slots * runs) {
        fprintf(stderr, "drain: %s served %u of %u slots\n", path, done, slots * runs);
        exit(1);
    }
    qsort(row.samples, row.count, sizeof(double), bench_order);
    row.rate = slots * 1e9 / bench_quantile(&row, 0.5);
    bench_finish(out, &row);
    vyre_program_destroy(p);
    free(published);
    for (uint32_t i = 0; i < BUFFERS; i++)
        free(buffers[i]);
}

static void on_cpu(bool csv)
{
    char settings[128];
    snprintf(settings, sizeof settings, "one thread, %u runs or %g s a row", MAX_RUNS,
             seconds_each);
    const bench_output out = bench_cpu("drain", "us", settings, csv);
    bench_note(&out, " ");
    bench_heading(&out);
    for (uint32_t bits = 10; bits <= largest; bits += 5)
        for (int load = 0; load < WORKLOADS; load++)
            if (bits == largest || load == NOP || load == ADD || load == MIXED)
                interpret(&out, (workload)load, 1u << bits);
}

int main(int argc, char **argv)
{
    bench_usage(argc, argv, "[--csv] [--quick] [--seconds N]");
    const bool csv = bench_flag(argc, argv, "--csv");
    seconds_each = bench_number(argc, argv, "--seconds", 0.1);
    if (bench_flag(argc, argv, "--quick")) {
        seconds_each = 0.001;
        largest = 10;
    }
    raw_device d;
    if (raw_open(&d))
        on_device(&d, csv);
    else
        fprintf(stderr, "drain: no Vulkan device; the interpreter only\n");
    on_cpu(csv);
    return 0;
}

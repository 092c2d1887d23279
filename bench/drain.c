/* drain: how fast a full ring is served
 *
 *     bench/drain [--csv] [--seconds N]
 *
 * Rings of 2^10 to 2^20 published slots, one launch each, timed by the
 * device's own clock: our one-pass kernel as the emitter writes it, against a
 * claim kernel written by hand in GLSL (twins/drain.comp).  One lane per slot,
 * and an eighth of the lanes striding.
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

#define MAX_RUNS 200u
#define OBSERVABLES 64u

static double seconds_each = 1.0;

typedef struct ring_image {
    uint32_t   slots, opcode;
    raw_buffer image; /* what every run starts from */
    raw_buffer core[4];
} ring_image;

static void check_ok(vyre_status status, const vyre_error *err)
{
    if (status >= 0)
        return;
    fprintf(stderr, "drain: %s\n%s\n", err->text, err->fix);
    exit(1);
}

/* The device's own memory is faster to drain than what the host can map. */
static ring_image ring_image_new(const raw_device *d, uint32_t slots, uint32_t opcode)
{
    ring_image r;
    vyre_error err;
    memset(&r, 0, sizeof r);
    r.slots = slots;
    r.opcode = opcode;
    r.core[0] = raw_buffer_new(d, vyre_control_size(OBSERVABLES), false);
    r.core[1] = raw_buffer_new(d, vyre_ring_size(slots), false);
    r.core[2] = raw_buffer_new(d, vyre_log_size(64), false);
    r.core[3] = raw_buffer_new(d, vyre_io_size(VYRE_IO_SLOTS), false);
    r.image = raw_buffer_new(d, vyre_ring_size(slots), false);

    vyre_control_desc control = { false, 1, OBSERVABLES };
    check_ok(vyre_control_encode(r.core[0].map, (size_t)r.core[0].size, &control, &err), &err);
    check_ok(vyre_ring_encode(r.image.map, (size_t)r.image.size, slots, &err), &err);
    vyre_work work = { opcode, 0, VYRE_PRIORITY_NORMAL, 2, { 1, VYRE_CONTROL_OBSERVABLES } };
    for (uint32_t s = 0; s < slots; s++)
        check_ok(vyre_ring_publish(r.image.map, (size_t)r.image.size, s, &work, &err), &err);
    return r;
}

static void ring_image_free(const raw_device *d, ring_image *r)
{
    raw_buffer_free(d, &r->image);
    for (int i = 0; i < 4; i++)
        raw_buffer_free(d, &r->core[i]);
}

/* Copy the image, then time the kernel alone. */
static VkCommandBuffer record(const raw_device *d, const raw_kernel *k, const ring_image *r,
                              uint32_t groups, VkQueryPool times)
{
    VkCommandBuffer cmd = raw_begin(d);
    VkBufferCopy all = { 0, 0, r->image.size };
    vkCmdResetQueryPool(cmd, times, 0, 2);
    vkCmdCopyBuffer(cmd, r->image.buffer, r->core[1].buffer, 1, &all);
    VkMemoryBarrier ready = { VK_STRUCTURE_TYPE_MEMORY_BARRIER, 0, VK_ACCESS_TRANSFER_WRITE_BIT,
                              VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT };
    vkCmdPipelineBarrier(cmd, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                         0, 1, &ready, 0, NULL, 0, NULL);
    vkCmdWriteTimestamp(cmd, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, times, 0);
    raw_dispatch(cmd, k, groups, 1);
    vkCmdWriteTimestamp(cmd, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, times, 1);
    RAW_CHECK(vkEndCommandBuffer(cmd));
    return cmd;
}

static uint32_t control_word(const ring_image *r, uint32_t word)
{
    return ((const volatile uint32_t *)r->core[0].map)[word];
}

static bench_row measure(const raw_device *d, const raw_kernel *k, const ring_image *r,
                         uint32_t groups, const char *path)
{
    VkQueryPool times;
    VkQueryPoolCreateInfo info = { VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO, 0, 0,
                                   VK_QUERY_TYPE_TIMESTAMP, 2, 0 };
    RAW_CHECK(vkCreateQueryPool(d->device, &info, NULL, &times));
    VkCommandBuffer cmd = record(d, k, r, groups, times);
    VkFence fence = raw_fence(d);
    uint32_t before = control_word(r, VYRE_CONTROL_DONE_COUNT), runs = 0;

    bench_row row = bench_row_new(path, MAX_RUNS);
    uint64_t end = bench_now() + (uint64_t)(seconds_each * 1e9);
    while (row.count < MAX_RUNS && (row.count < 5 || bench_now() < end)) {
        raw_submit(d, cmd, fence);
        RAW_CHECK(vkWaitForFences(d->device, 1, &fence, VK_TRUE, UINT64_MAX));
        vkResetFences(d->device, 1, &fence);
        uint64_t stamp[2];
        RAW_CHECK(vkGetQueryPoolResults(d->device, times, 0, 2, sizeof stamp, stamp, 8,
                                        VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT));
        if (runs++ >= 3) /* the first ones compile and warm up */
            bench_add(&row, (uint64_t)((double)(stamp[1] - stamp[0]) *
                                       (double)d->properties.limits.timestampPeriod));
    }
    uint32_t served = control_word(r, VYRE_CONTROL_DONE_COUNT) - before;
    if (served != r->slots * runs) {
        fprintf(stderr, "drain: %s served %u of %u slots\n", path, served, r->slots * runs);
        exit(1);
    }
    vkDestroyQueryPool(d->device, times, NULL);
    vkDestroyFence(d->device, fence, NULL);
    return row;
}

static vyre_spirv emit_kernel(const raw_device *d)
{
    vyre_error err;
    vyre_kernel_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.once = true;
    vyre_program *p = vyre_kernel_build(&desc, &err);
    check_ok(p ? VYRE_OK : err.status, &err);
    vyre_spirv_desc spirv;
    memset(&spirv, 0, sizeof spirv);
    spirv.spec_group_size = true;
    if (d->vulkan_memory_model) {
        spirv.version = VYRE_SPIRV_1_5;
        spirv.memory_model = VYRE_MEMORY_MODEL_VULKAN;
    }
    vyre_spirv out;
    check_ok(vyre_spirv_emit(p, &spirv, &out, &err), &err);
    vyre_program_destroy(p);
    return out;
}

static void compare(const raw_device *d, const bench_output *out, const vyre_spirv *ours,
                    uint32_t slots, uint32_t opcode)
{
    ring_image r = ring_image_new(d, slots, opcode);
    for (uint32_t shift = 0; shift <= 3; shift += 3) {
        uint32_t lanes = slots >> shift, group = lanes < 256 ? lanes : 256;
        char path[2][96];
        snprintf(path[0], sizeof path[0], "GLSL by hand, opcode %u, %u slots, %u lanes", opcode,
                 slots, lanes);
        snprintf(path[1], sizeof path[1], "vyre.h, opcode %u, %u slots, %u lanes", opcode, slots,
                 lanes);
        raw_kernel hand = raw_kernel_new(d, drain_spv, sizeof drain_spv, group, r.core, 4);
        raw_kernel kernel = raw_kernel_new(d, ours->words, ours->word_count * 4, group, r.core, 4);
        bench_row a = measure(d, &hand, &r, lanes / group, path[0]);
        bench_row b = measure(d, &kernel, &r, lanes / group, path[1]);
        double hand_ns = bench_print(out, &a), ours_ns = bench_print(out, &b);
        printf("# %u slots, %u lanes: by hand %.1f M/s, vyre.h %.1f M/s, ratio %.2f\n", slots,
               lanes, slots * 1e3 / hand_ns, slots * 1e3 / ours_ns, hand_ns / ours_ns);
        raw_kernel_free(d, &hand);
        raw_kernel_free(d, &kernel);
    }
    ring_image_free(d, &r);
}

int main(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--seconds") == 0)
            seconds_each = atof(argv[i + 1]);
    }
    raw_device d;
    if (!raw_open(&d)) {
        fprintf(stderr, "drain: no Vulkan device\n");
        return 1;
    }
    bench_output out = bench_begin("drain", d.properties.deviceName, argc, argv);
    vyre_spirv ours = emit_kernel(&d);
    for (uint32_t bits = 10; bits <= 20; bits += 5) {
        compare(&d, &out, &ours, 1u << bits, VYRE_OP_NOP);
        compare(&d, &out, &ours, 1u << bits, VYRE_OP_ATOMIC_ADD);
    }
    vyre_spirv_free(&ours);
    return 0;
}

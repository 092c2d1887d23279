/* runner: what a dispatch by the runner costs
 *
 *     bench/runner [--csv] [--quick] [--samples N]
 *
 * A program that adds 1 to each word of a buffer, over 64 and over 4,096 words: by
 * vyre_runner_dispatch, and by a command buffer that was recorded once, vkQueueSubmit and
 * vkWaitForFences, with the same SPIR-V, by turns.  The last rows are the ratios of the medians.
 */
#define _GNU_SOURCE
#define VK_NO_PROTOTYPES
#define VOLK_IMPLEMENTATION
#include "raw_vulkan.h"

#define VYRE_EXTERNAL_VOLK
#define VYRE_IMPLEMENTATION
#include "../vyre.h"

#include "bench.h"

#define GROUP 64u

static void check(bool good, const vyre_error *err)
{
    if (good)
        return;
    fprintf(stderr, "runner: %s\n", err->text);
    exit(1);
}

static vyre_program *program_of(uint32_t words)
{
    vyre_error err;
    vyre_program_desc desc;
    vyre_buffer_desc buffer;
    memset(&desc, 0, sizeof desc);
    memset(&buffer, 0, sizeof buffer);
    desc.workgroup_size[0] = GROUP;
    buffer.count = words;
    vyre_program *p = vyre_program_create(&desc, &err);
    check(p != NULL, &err);
    const vyre_buffer b = vyre_ir_buffer(p, &buffer);
    const vyre_value i = vyre_ir_builtin(p, VYRE_BUILTIN_GLOBAL_ID_X);
    const vyre_value one = vyre_ir_u32(p, 1);
    vyre_ir_store(p, b, i, vyre_ir_add(p, vyre_ir_load(p, b, i), one));
    check(vyre_program_finish(p, &err) == VYRE_OK, &err);
    return p;
}

/* The same words, in a kernel made by hand. */
typedef struct bare {
    raw_device      device;
    raw_buffer      buffer;
    raw_kernel      kernel;
    VkCommandBuffer commands;
    VkFence         fence;
} bare;

static void bare_make(bare *b, const vyre_program *p, uint32_t words)
{
    vyre_error err;
    vyre_spirv module;
    check(vyre_spirv_emit(p, NULL, &module, &err) == VYRE_OK, &err);
    b->buffer = raw_buffer_new(&b->device, words * 4, false);
    b->kernel = raw_kernel_new(&b->device, module.words, module.word_count * 4, GROUP, &b->buffer,
                               1);
    b->commands = raw_record(&b->device, &b->kernel, words / GROUP, 0);
    b->fence = raw_fence(&b->device);
    vyre_spirv_free(&module);
}

static void bare_free(bare *b)
{
    vkDestroyFence(b->device.device, b->fence, NULL);
    raw_kernel_free(&b->device, &b->kernel);
    raw_buffer_free(&b->device, &b->buffer);
}

static void bare_run(bare *b)
{
    raw_submit(&b->device, b->commands, b->fence);
    RAW_CHECK(vkWaitForFences(b->device.device, 1, &b->fence, VK_TRUE, UINT64_MAX));
    RAW_CHECK(vkResetFences(b->device.device, 1, &b->fence));
}

/* Ends the program when a dispatch was lost. */
static void count(const uint32_t *words, uint32_t wanted, const char *whose)
{
    if (words[0] == wanted)
        return;
    fprintf(stderr, "runner: %s counted %u of %u dispatches\n", whose, words[0], wanted);
    exit(1);
}

static double measure(bench_output *out, bare *b, uint32_t words, uint32_t samples)
{
    char path[80];
    vyre_error err;
    vyre_runner_desc desc;
    const uint32_t groups[3] = { words / GROUP, 1, 1 };
    vyre_program *p = program_of(words);
    memset(&desc, 0, sizeof desc);
    desc.backend = VYRE_BACKEND_VULKAN;
    desc.program = p;
    vyre_runner *r = vyre_runner_open(&desc, &err);
    check(r != NULL, &err);
    bare_make(b, p, words);

    snprintf(path, sizeof path, "submit + wait for fence, %u words", words);
    bench_row bare_row = bench_row_new(path, samples);
    snprintf(path, sizeof path, "runner, %u words", words);
    bench_row row = bench_row_new(path, samples);
    for (uint32_t i = 0; i < samples; i++) {
        const uint64_t start = bench_now();
        bare_run(b);
        const uint64_t middle = bench_now();
        check(vyre_runner_dispatch(r, groups, NULL, &err) == VYRE_OK, &err);
        bench_add(&row, (double)(bench_now() - middle));
        bench_add(&bare_row, (double)(middle - start));
    }
    count((const uint32_t *)b->buffer.map, samples, "the bare dispatch");
    count((const uint32_t *)vyre_runner_map(r, 0, NULL), samples, "the runner");
    const double base = bench_finish(out, &bare_row), own = bench_finish(out, &row);
    bare_free(b);
    vyre_runner_close(r);
    vyre_program_destroy(p);
    return own / base;
}

int main(int argc, char **argv)
{
    bench_usage(argc, argv, "[--csv] [--quick] [--samples N]");
    const bool quick = bench_flag(argc, argv, "--quick");
    const uint32_t samples = (uint32_t)bench_number(argc, argv, "--samples", quick ? 50 : 4000);
    bare b;
    bench_output out;
    memset(&b, 0, sizeof b);
    if (!raw_open(&b.device)) {
        fprintf(stderr, "runner: no Vulkan device\n");
        return 1;
    }
    memset(&out, 0, sizeof out);
    out.bench = "runner";
    out.unit = "us";
    out.csv = bench_flag(argc, argv, "--csv");
    snprintf(out.device, sizeof out.device, "%.127s", b.device.properties.deviceName);
    snprintf(out.driver, sizeof out.driver, "%.127s", b.device.driver);
    snprintf(out.settings, sizeof out.settings, "workgroups of %u, by turns", GROUP);
    bench_heading(&out);
    const double small = measure(&out, &b, 64, samples);
    const double large = measure(&out, &b, 4096, samples);
    bench_value(&out, "runner against submit + fence, 64 words", "times", small);
    bench_value(&out, "runner against submit + fence, 4096 words", "times", large);
    return 0;
}

/* kernel_build: from a description to a checked, optimized program
 *
 *     bench/kernel_build [--csv] [--seconds N]
 */
#define _GNU_SOURCE
#define VYRE_NO_VULKAN
#define VYRE_IMPLEMENTATION
#include "../vyre.h"

#include "bench.h"

static double seconds_each = 1.0;

static void measure(const bench_output *out, const char *path, const vyre_kernel_desc *desc)
{
    vyre_error err;
    bench_row row = bench_row_new(path, 1000000);
    const uint64_t end = bench_now() + (uint64_t)(seconds_each * 1e9);
    do {
        const uint64_t start = bench_now();
        vyre_program *p = vyre_kernel_build(desc, &err);
        bench_add(&row, bench_now() - start);
        if (!p) {
            fprintf(stderr, "%s\n%s\n", err.text, err.fix);
            exit(1);
        }
        vyre_program_destroy(p);
    } while (bench_now() < end);
    bench_print(out, &row);
    free(row.samples);
}

int main(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], "--seconds") == 0)
            seconds_each = atof(argv[i + 1]);

    const bench_output out = bench_begin("kernel_build", "cpu", argc, argv);
    vyre_kernel_desc desc;
    memset(&desc, 0, sizeof desc);
    measure(&out, "default kernel", &desc);
    desc.once = true;
    measure(&out, "one pass", &desc);
    desc.once = false;
    desc.kind = VYRE_KERNEL_PRIORITY;
    desc.io_polling = desc.load_miss = true;
    measure(&out, "priority, IO polling, load-miss", &desc);
    return 0;
}

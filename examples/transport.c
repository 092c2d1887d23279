/* Sinkhorn's transport from 260 suppliers to 300 customers: exp(-distance / eps) is scaled
 * by rows and by columns in turn until no scale changes by more than 1e-6 of it.
 *
 *     transport [cpu | vulkan [ITERATIONS]] */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROWS = 260, COLUMNS = 300 };

/* A row or column by a workgroup.  arg[1] to arg[3]: its length, stride, and way to the next. */
#define SCALE(mine, other)                                                                        \
    "shared float part[64];\n"                                                                    \
    "float sum = 0;\n"                                                                            \
    "for (uint i = lane; i < arg[1]; i += 64u)\n"                                                 \
    "    sum += kernel[index * arg[3] + i * arg[2]] * " other "[i];\n"                            \
    "part[lane] = sum;\n"                                                                         \
    "for (uint n = 32; n > 0; n >>= 1) {\n"                                                       \
    "    barrier();\n"                                                                            \
    "    if (lane < n) part[lane] += part[lane + n];\n"                                           \
    "}\n"                                                                                         \
    "if (lane == 0) {\n"                                                                          \
    "    float next = 1.0 / float(arg[0]) / max(part[0], 1e-10);\n"                               \
    "    if (abs(next - " mine "[index]) > 1e-6 * next) atomicStore(changed[0], 1);\n"            \
    "    " mine "[index] = next;\n"                                                               \
    "}\n"

static const vyre_handler handlers[3] = {
    { 0x1000, NULL, NULL, "rows", VYRE_WIDTH_GROUP, 0, SCALE("row", "column"), 0 },
    { 0x1001, NULL, NULL, "columns", VYRE_WIDTH_GROUP, 0, SCALE("column", "row"), 0 },
    { 0x1002, NULL, NULL, "choose", VYRE_WIDTH_RANGE, 0,
      "uint at = 0, from = index * 300u;\n"
      "for (uint j = 1; j < 300; j++)\n"
      "    if (kernel[from + j] * column[j] > kernel[from + at] * column[at]) at = j;\n"
      "best[index] = at;\n", 0 },
};
static const vyre_work works[3] = {
    { 0x1000, 0, VYRE_PRIORITY_NORMAL, 4, { ROWS, COLUMNS, 1, COLUMNS } },
    { 0x1001, 0, VYRE_PRIORITY_NORMAL, 4, { COLUMNS, ROWS, COLUMNS, 1 } },
    { 0x1002, 0, VYRE_PRIORITY_NORMAL, 2, { 0, ROWS } },
};
static double row[ROWS], column[COLUMNS];
static float kernel[ROWS * COLUMNS];

static vyre *open_handle(const char *backend)
{
    static const char *const names[5] = { "kernel", "row", "column", "best", "changed" };
    static const uint32_t counts[5] = { ROWS * COLUMNS, ROWS, COLUMNS, ROWS, 1 };
    vyre_buffer_desc buffers[5];
    vyre_desc desc;
    vyre_error err;
    memset(buffers, 0, sizeof buffers);
    memset(&desc, 0, sizeof desc);
    for (uint32_t i = 0; i < 5; i++) {
        buffers[i].name = names[i];
        buffers[i].binding = VYRE_BINDING_USER + i;
        buffers[i].count = counts[i];
        buffers[i].type = i < 3 ? VYRE_TYPE_F32 : VYRE_TYPE_U32;
    }
    if (backend)
        desc.backend = strcmp(backend, "cpu") ? VYRE_BACKEND_VULKAN : VYRE_BACKEND_CPU;
    desc.kernel.handlers = handlers;
    desc.kernel.handler_count = 3;
    desc.kernel.group_size = 64;
    desc.kernel.buffers = buffers;
    desc.kernel.buffer_count = 5;
    vyre *v = vyre_open(&desc, &err);
    if (v && vyre_start(v, &err) == VYRE_OK)
        return v;
    fprintf(stderr, "transport: %s\n%s\n", err.text, err.fix);
    exit(1);
}

/* Both in turn, `most` times or until nothing changes; how often, and the ns. */
static uint32_t iterate(vyre *v, uint32_t most, double *ns)
{
    volatile uint32_t *changed = (volatile uint32_t *)vyre_map(v, 4, NULL);
    vyre_stats stats[2];
    uint32_t n = 0;
    do {
        *changed = 0;
        if (vyre_run(v, &works[0], 1, &stats[0], NULL) != VYRE_OK ||
            vyre_run(v, &works[1], 1, &stats[1], NULL) != VYRE_OK)
            return 0;
        *ns += (double)stats[0].latency_ns + (double)stats[1].latency_ns;
    } while (++n < most && *changed);
    return n;
}

/* One of the two on one core of the host, in double. */
static void scale(double *mine, const double *other, const uint32_t *arg)
{
    for (uint32_t at = 0; at < arg[0]; at++) {
        double sum = 0;
        for (uint32_t i = 0; i < arg[1]; i++)
            sum += (double)kernel[at * arg[3] + i * arg[2]] * other[i];
        mine[at] = 1.0 / arg[0] / fmax(sum, 1e-10);
    }
}

int main(int argc, char **argv)
{
    vyre_info info;
    double most = 0, far = 0, ns = 0;
    uint32_t wrong = 0, iterations = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 0) : 1000;
    if (iterations == 0)
        return fprintf(stderr, "transport: no iterations\nGive at least one.\n"), 1;
    vyre *v = open_handle(argc > 1 ? argv[1] : NULL);
    float *const scales[2] = { (float *)vyre_map(v, 1, NULL), (float *)vyre_map(v, 2, NULL) };
    for (uint32_t i = 0; i < ROWS * COLUMNS; i++)
        kernel[i] = expf(-(float)(i / COLUMNS * 7919 % 1009 * (i % COLUMNS) % 1000) / 50.0f);
    memcpy(vyre_map(v, 0, NULL), kernel, sizeof kernel);
    for (uint32_t j = 0; j < COLUMNS; j++)
        column[j] = scales[1][j] = 1;
    iterations = iterate(v, iterations, &ns);
    if (iterations == 0 || vyre_run(v, &works[2], 1, NULL, NULL) != VYRE_OK)
        return fprintf(stderr, "transport: the device has failed\n"), 1;

    const clock_t begin = clock();
    for (uint32_t n = 0; n < iterations; n++) {
        scale(row, column, works[0].args);
        scale(column, row, works[1].args);
    }
    const double host = (double)(clock() - begin) * 1e3 / CLOCKS_PER_SEC;
    for (uint32_t i = 0; i < ROWS; i++) {
        const uint32_t at = ((const uint32_t *)vyre_map(v, 3, NULL))[i];
        const float *k = kernel + i * COLUMNS;
        double top = 0;
        for (uint32_t j = 0; j < COLUMNS; j++) {
            const double sent = row[i] * k[j] * column[j];
            far = fmax(far, fabs(sent - (double)scales[0][i] * k[j] * scales[1][j]));
            top = fmax(top, sent), most = fmax(most, sent);
        }
        wrong += at >= COLUMNS || row[i] * k[at] * column[at] < top * (1 - 1e-4);
    }
    wrong += far > 1e-4 * most; /* by the largest element */
    printf("transport: %u x %u scaled, %u wrong\n", ROWS, COLUMNS, wrong);
    vyre_query(v, &info);
    printf("transport: %.3f ms by %s, %.3f ms by one core of the host; %u iterations\n", ns / 1e6,
           info.device, host, iterations);
    vyre_close(v);
    return wrong != 0;
}

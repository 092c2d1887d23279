/* The inverses of 1,000 matrices of up to 32 x 32, by Gauss and Jordan with pivots: a job
 * each, which a workgroup runs.  A singular one ends FAULT(USER + the column).
 *
 *     inverse [cpu | vulkan [BLOCKS]] */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BLOCKS = 1000, MOST = 32, SINGULAR = 100 /* one of so many */ };

/* arg[1] to arg[3]: the block, its side, VYRE_FAULT_USER.  A lane has a column, then a row. */
static const char source[] =
    "shared float a[1024];\n"
    "shared float b[1024];\n"
    "uint n = arg[2], at = arg[1] * 1024u;\n"
    "for (uint r = 0; r < n; r++) {\n"
    "    a[r * 32 + lane] = lane < n ? matrix[at + r * n + lane] : 0.0;\n"
    "    b[r * 32 + lane] = r == lane ? 1.0 : 0.0;\n"
    "}\n"
    "barrier();\n"
    "for (uint c = 0; c < n; c++) {\n"
    "    uint pivot = c;\n"
    "    for (uint r = c; r < n; r++)\n"
    "        if (abs(a[r * 32 + c]) > abs(a[pivot * 32 + c])) pivot = r;\n"
    "    float top = a[pivot * 32 + c], x = a[pivot * 32 + lane], y = b[pivot * 32 + lane];\n"
    "    if (top == 0.0) fault(arg[3] + c);\n"
    "    barrier();\n"
    "    a[pivot * 32 + lane] = a[c * 32 + lane], a[c * 32 + lane] = x / top;\n"
    "    b[pivot * 32 + lane] = b[c * 32 + lane], b[c * 32 + lane] = y / top;\n"
    "    barrier();\n"
    "    float t = lane != c && lane < n ? a[lane * 32 + c] : 0.0;\n"
    "    for (uint k = 0; k < n; k++)\n"
    "        a[lane * 32 + k] -= t * a[c * 32 + k], b[lane * 32 + k] -= t * b[c * 32 + k];\n"
    "    barrier();\n"
    "}\n"
    "for (uint r = 0; r < n; r++)\n"
    "    if (lane < n) inverse[at + r * n + lane] = b[r * 32 + lane];\n";

static vyre *open_handle(const char *backend)
{
    const vyre_handler invert = { 0x1000, NULL, NULL, "invert", VYRE_WIDTH_GROUP, 0, source, 0 };
    vyre_buffer_desc buffers[2];
    vyre_desc desc;
    vyre_error err;
    memset(buffers, 0, sizeof buffers);
    memset(&desc, 0, sizeof desc);
    for (uint32_t i = 0; i < 2; i++) {
        buffers[i].name = i ? "inverse" : "matrix";
        buffers[i].binding = VYRE_BINDING_USER + i;
        buffers[i].type = VYRE_TYPE_F32;
        buffers[i].count = BLOCKS * MOST * MOST;
    }
    if (backend)
        desc.backend = strcmp(backend, "cpu") ? VYRE_BACKEND_VULKAN : VYRE_BACKEND_CPU;
    desc.kernel.handlers = &invert;
    desc.kernel.handler_count = 1;
    desc.kernel.group_size = 32;
    desc.kernel.buffers = buffers;
    desc.kernel.buffer_count = 2;
    vyre *v = vyre_open(&desc, &err);
    if (v && vyre_start(v, &err) == VYRE_OK)
        return v;
    fprintf(stderr, "inverse: %s\n%s\n", err.text, err.fix);
    exit(1);
}

/* The same on one core of the host, in double; the column without a pivot, or -1. */
static int invert_block(const float *matrix, uint32_t n, double a[MOST][2 * MOST])
{
    for (uint32_t i = 0; i < n * n; i++)
        a[i / n][i % n] = matrix[i], a[i / n][n + i % n] = i / n == i % n;
    for (uint32_t c = 0; c < n; c++) {
        uint32_t pivot = c;
        for (uint32_t r = c + 1; r < n; r++)
            pivot = fabs(a[r][c]) > fabs(a[pivot][c]) ? r : pivot;
        const double top = a[pivot][c];
        if (top == 0)
            return (int)c;
        for (uint32_t k = 0; k < 2 * n; k++) {
            const double x = a[pivot][k] / top;
            a[pivot][k] = a[c][k], a[c][k] = x;
        }
        for (uint32_t r = 0; r < n; r++)
            for (uint32_t k = 2 * n; k-- > c && r != c;)
                a[r][k] -= a[r][c] * a[c][k];
    }
    return -1;
}

/* The large elements are not on the diagonal; of a singular block a column is 0. */
static void fill(float *matrix, uint32_t n, bool singular)
{
    uint32_t seed = n;
    for (uint32_t i = 0; i < n * n; i++) {
        seed = seed * 1664525 + 1013904223;
        matrix[i] = (float)(seed >> 8) / (1 << 24) - 0.5f + (i / n + i % n == n - 1 ? 4.0f : 0.0f);
        matrix[i] *= singular && i % n == n / 2 ? 0.0f : 1.0f;
    }
}

int main(int argc, char **argv)
{
    static vyre_work works[BLOCKS];
    static float matrix[BLOCKS * MOST * MOST];
    vyre_info info;
    vyre_stats stats;
    vyre_error err;
    clock_t host = 0;
    uint32_t singular = 0, wrong = 0;
    const uint32_t blocks = argc > 2 ? (uint32_t)atoi(argv[2]) % (BLOCKS + 1) : BLOCKS;
    vyre *v = open_handle(argc > 1 ? argv[1] : NULL);
    const float *inverse = (const float *)vyre_map(v, 1, NULL);
    for (uint32_t i = 0; i < blocks; i++) {
        const vyre_work w = { 0x1000, 0, 0, 4, { 1, i, 4 + i % 29, VYRE_FAULT_USER } };
        works[i] = w;
        fill(matrix + i * MOST * MOST, 4 + i % 29, i % SINGULAR == SINGULAR - 1);
    }
    memcpy(vyre_map(v, 0, NULL), matrix, sizeof matrix);
    wrong += vyre_run(v, works, blocks, &stats, &err) != VYRE_E_FAULT;
    for (uint32_t i = 0; i < blocks; i++) {
        double a[MOST][2 * MOST], far = 0, most = 0;
        const uint32_t n = works[i].args[2];
        const clock_t begin = clock();
        const int column = invert_block(matrix + i * MOST * MOST, n, a);
        host += clock() - begin;
        if (column >= 0) /* a run tells of its first fault, so this one runs once more */
            wrong += vyre_run(v, &works[i], 1, NULL, &err) != VYRE_E_FAULT ||
                     err.native != VYRE_FAULT_USER + column;
        singular += column >= 0;
        for (uint32_t k = 0; k < n * n && column < 0; k++) {
            const double x = a[k / n][n + k % n], y = inverse[i * MOST * MOST + k];
            far = fmax(far, fabs(x - y));
            most = fmax(most, fabs(x));
        }
        wrong += !(far <= 1e-4 * most); /* by the largest element */
    }
    wrong += stats.faults != singular;
    vyre_query(v, &info);
    printf("inverse: %u blocks, %u singular, %u wrong\n", blocks, singular, wrong);
    printf("inverse: %.3f ms by %s, %.3f ms by one core of the host\n",
           (double)stats.latency_ns / 1e6, info.device, (double)host * 1e3 / CLOCKS_PER_SEC);
    vyre_close(v);
    return wrong != 0;
}

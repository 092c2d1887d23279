/* wide: works that many lanes run, through a kernel that is running
 *
 *     bench/wide [--csv] [--quick] [--seconds N] [--largest N]
 *
 * Nothing at all (a chunk for each group), y = a x + y over 2^10 to 2^28 floats, the sum
 * of 2^26 u32, the histogram of 2^26 bytes, products of matrices; each beside the same
 * code in a plain dispatch, submitted and waited for by spinning on its fence, and the
 * longest vectors beside plain C on one core and on all.  Then a lane's job there and
 * back: in a kernel without wide works, beside groups that wait, beside groups at
 * work, beside a lane's job that does not end.  --seconds is for each path, --largest the logarithm of the longest vectors.
 */
#define _GNU_SOURCE
#define VK_NO_PROTOTYPES
#define VOLK_IMPLEMENTATION
#include "raw_vulkan.h"

#define VYRE_EXTERNAL_VOLK
#define VYRE_IMPLEMENTATION
#include "../vyre.h"

#include "bench.h"

#include <pthread.h>
#include <unistd.h>

#define OP_EMPTY  0x1000u
#define OP_SAXPY  0x1001u
#define OP_SUM    0x1002u
#define OP_MATMUL 0x1003u
#define OP_BYTES  0x1004u
#define OP_HOLD   0x1005u

enum { TILE = 32, BYTES_TILE = 4096 /* words */, BINS = 256, MAX_SAMPLES = 200000 };

static double     seconds_each = 0.25;
static uint32_t   lanes = 512; /* of a group */
static uint32_t   most_groups;   /* for wide works; 0: as many as are resident */
static vyre_error err;

static void must(bool good)
{
    if (good)
        return;
    fprintf(stderr, "wide: %s\n%s\n", err.text, err.fix);
    exit(1);
}

/* --- what is run ---------------------------------------------------------- */

static vyre_value as_float(vyre_program *p, vyre_value word)
{
    return vyre_ir_bitcast(p, VYRE_TYPE_F32, word);
}

static void saxpy_at(vyre_program *p, vyre_buffer x, vyre_buffer y, vyre_value i, vyre_value a)
{
    vyre_value xi = vyre_ir_load(p, x, i), yi = vyre_ir_load(p, y, i);
    vyre_ir_store(p, y, i, vyre_ir_fma(p, a, xi, yi));
}

/* One tile of z = x y, all n by n; each lane has every `lanes`-th element. */
static void matmul_tile(vyre_program *p, const vyre_buffer *b, vyre_value lane, vyre_value tile,
                        vyre_value n)
{
    const uint32_t each = TILE * TILE / lanes;
    vyre_value side = vyre_ir_u32(p, TILE), row[32], at[32];
    vyre_local sum[32];
    vyre_value across = vyre_ir_div(p, n, side);
    vyre_value top = vyre_ir_mul(p, vyre_ir_div(p, tile, across), side);
    vyre_value left = vyre_ir_mul(p, vyre_ir_rem(p, tile, across), side);
    vyre_value column = vyre_ir_rem(p, lane, side), first_row = vyre_ir_div(p, lane, side);
    for (uint32_t e = 0; e < each; e++) {
        row[e] = vyre_ir_add(p, first_row, vyre_ir_u32(p, e * lanes / TILE));
        at[e] = vyre_ir_add(p, lane, vyre_ir_u32(p, e * lanes));
        sum[e] = vyre_ir_local(p, VYRE_TYPE_F32, vyre_ir_f32(p, 0.0f), "sum");
    }
    vyre_value step = vyre_ir_loop(p, vyre_ir_u32(p, 0), across);
    vyre_value from = vyre_ir_mul(p, step, side);
    for (uint32_t e = 0; e < each; e++) {
        vyre_value xr = vyre_ir_mul(p, vyre_ir_add(p, top, row[e]), n);
        vyre_value xc = vyre_ir_add(p, from, column);
        vyre_ir_store(p, b[3], at[e], vyre_ir_load(p, b[0], vyre_ir_add(p, xr, xc)));
        vyre_value yr = vyre_ir_mul(p, vyre_ir_add(p, from, row[e]), n);
        vyre_value yc = vyre_ir_add(p, left, column);
        vyre_ir_store(p, b[4], at[e], vyre_ir_load(p, b[1], vyre_ir_add(p, yr, yc)));
    }
    vyre_ir_barrier(p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
    vyre_value k = vyre_ir_loop(p, vyre_ir_u32(p, 0), side);
    vyre_value down = vyre_ir_add(p, vyre_ir_mul(p, k, side), column);
    vyre_value yk = vyre_ir_load(p, b[4], down);
    for (uint32_t e = 0; e < each; e++) {
        vyre_value beside = vyre_ir_add(p, vyre_ir_mul(p, row[e], side), k);
        vyre_value xk = vyre_ir_load(p, b[3], beside);
        vyre_ir_set(p, sum[e], vyre_ir_fma(p, xk, yk, vyre_ir_get(p, sum[e])));
    }
    vyre_ir_end(p);
    vyre_ir_barrier(p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
    vyre_ir_end(p);
    for (uint32_t e = 0; e < each; e++) {
        vyre_value zr = vyre_ir_mul(p, vyre_ir_add(p, top, row[e]), n);
        vyre_value zc = vyre_ir_add(p, left, column);
        vyre_value total = vyre_ir_get(p, sum[e]);
        vyre_ir_store(p, b[2], vyre_ir_add(p, zr, zc), total);
    }
}

static void emit_empty(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)p, (void)s, (void)user;
}

static void emit_saxpy(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    saxpy_at(p, s->buffers[0], s->buffers[1], s->index, as_float(p, s->arg[2]));
}

static void emit_sum(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_value x = vyre_ir_load(p, s->buffers[0], s->index);
    vyre_emit_reduce(p, s, 3, VYRE_ATOMIC_ADD, vyre_ir_bitcast(p, VYRE_TYPE_U32, x));
}

static void emit_matmul(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    matmul_tile(p, s->buffers, s->lane, s->index, s->arg[1]);
}

/* The bytes of one tile, counted in an array of the group and then added up. */
static void bytes_tile(vyre_program *p, const vyre_buffer *b, vyre_value lane, vyre_value tile)
{
    const uint32_t turns = (BINS + lanes - 1) / lanes;
    const vyre_value zero = vyre_ir_u32(p, 0), one = vyre_ir_u32(p, 1);
    const vyre_value bins = vyre_ir_u32(p, BINS), step = vyre_ir_u32(p, lanes);
    const vyre_value low = vyre_ir_u32(p, 255), before = vyre_ir_u32(p, BYTES_TILE);
    const vyre_value each = vyre_ir_u32(p, BYTES_TILE / lanes), few = vyre_ir_u32(p, turns);
    const vyre_value base = vyre_ir_mul(p, tile, before);
    vyre_value turn = vyre_ir_loop(p, zero, few);
    vyre_ir_store(p, b[5], vyre_ir_add(p, vyre_ir_mul(p, turn, step), lane), zero);
    vyre_ir_end(p);
    vyre_ir_barrier(p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
    turn = vyre_ir_loop(p, zero, each);
    const vyre_value own = vyre_ir_add(p, vyre_ir_mul(p, turn, step), lane);
    const vyre_value x = vyre_ir_load(p, b[0], vyre_ir_add(p, base, own));
    const vyre_value word = vyre_ir_bitcast(p, VYRE_TYPE_U32, x);
    for (uint32_t i = 0; i < 4; i++) {
        const vyre_value shifted = vyre_ir_shr(p, word, vyre_ir_u32(p, 8 * i));
        vyre_ir_atomic(p, VYRE_ATOMIC_ADD, b[5], vyre_ir_and(p, shifted, low), one,
                       VYRE_ORDER_RELAXED);
    }
    vyre_ir_end(p);
    vyre_ir_barrier(p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
    turn = vyre_ir_loop(p, zero, few);
    const vyre_value bin = vyre_ir_add(p, vyre_ir_mul(p, turn, step), lane);
    vyre_ir_if(p, vyre_ir_lt(p, bin, bins));
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD, b[6], bin, vyre_ir_load(p, b[5], bin), VYRE_ORDER_RELAXED);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

static void emit_bytes(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    bytes_tile(p, s->buffers, s->lane, s->index);
}

/* By one lane, until somebody says so. */
static void emit_hold(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_ir_forever(p);
    vyre_value word = vyre_ir_atomic_load(p, s->buffers[6], vyre_ir_u32(p, 0), VYRE_ORDER_RELAXED);
    vyre_ir_if(p, vyre_ir_ne(p, word, vyre_ir_u32(p, 0)));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

static const vyre_handler handlers[] = {
    { .opcode = OP_HOLD, .emit = emit_hold, .name = "hold" },
    { .opcode = OP_EMPTY, .emit = emit_empty, .name = "empty", .width = VYRE_WIDTH_RANGE,
      .chunk = 1 },
    { .opcode = OP_SAXPY, .emit = emit_saxpy, .name = "saxpy", .width = VYRE_WIDTH_RANGE },
    { .opcode = OP_SUM, .emit = emit_sum, .name = "sum", .width = VYRE_WIDTH_RANGE },
    { .opcode = OP_MATMUL, .emit = emit_matmul, .name = "matmul", .width = VYRE_WIDTH_GROUP },
    { .opcode = OP_BYTES, .emit = emit_bytes, .name = "bytes", .width = VYRE_WIDTH_GROUP }
};

enum { BUFFERS = 7 };
static const vyre_buffer_desc buffers[BUFFERS] = {
    { .name = "x", .binding = 4, .type = VYRE_TYPE_F32, .access = VYRE_ACCESS_READ },
    { .name = "y", .binding = 5, .type = VYRE_TYPE_F32 },
    { .name = "z", .binding = 6, .type = VYRE_TYPE_F32 },
    { .name = "tile_x", .type = VYRE_TYPE_F32, .access = VYRE_ACCESS_WORKGROUP,
      .count = TILE * TILE },
    { .name = "tile_y", .type = VYRE_TYPE_F32, .access = VYRE_ACCESS_WORKGROUP,
      .count = TILE * TILE },
    { .name = "bins", .access = VYRE_ACCESS_WORKGROUP, .count = BINS },
    { .name = "counts", .binding = 7, .count = BINS }
};

/* --- through a handle ----------------------------------------------------- */

/* A handler costs the others registers, and so groups: the histogram, which needs many,
 * has a handle of its own. */
#define HOLD   handlers, 3
#define MOST   handlers + 1, 4
#define BYTES  handlers + 5, 1
#define NONE   NULL, 0

static vyre *open_wide(const vyre_handler *list, uint32_t count, uint32_t words)
{
    const size_t sizes[BUFFERS] = { (size_t)words * 4, (size_t)words * 4, 4096u * 4096u * 4u,
                                    0, 0, 0, BINS * 4 };
    const size_t small[BUFFERS] = { 64, 64, 64, 0, 0, 0, BINS * 4 };
    vyre_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.backend = VYRE_BACKEND_VULKAN;
    desc.kernel.handlers = list;
    desc.kernel.handler_count = count;
    desc.kernel.buffers = buffers;
    desc.kernel.buffer_count = BUFFERS;
    desc.kernel.group_size = lanes;
    desc.wide_groups = most_groups;
    desc.buffer_sizes = count ? sizes : small;
    vyre *v = vyre_open(&desc, &err);
    must(v && vyre_start(v, &err) == VYRE_OK);
    return v;
}

/* Floats of 2^-31 to 2^32, whose bytes are many different ones. */
static void fill(void *at, uint32_t words)
{
    uint32_t *x = (uint32_t *)at;
    for (uint32_t i = 0; i < words; i++) {
        const uint32_t r = (i + 1) * 0x9e3779b1u, mixed = r ^ r >> 15;
        x[i] = (mixed & 0x807fffffu) | (96 + (mixed >> 24 & 63)) << 23;
    }
}

static void run(vyre *v, const vyre_work *work)
{
    vyre_ticket ticket;
    must(vyre_publish(v, work, &ticket, &err) == VYRE_OK);
    must(vyre_wait(v, ticket, 20000000000ull, &err) == VYRE_OK);
}

static vyre_work work_of(uint32_t opcode, uint32_t a0, uint32_t a1)
{
    const float two = 2.0f;
    vyre_work w;
    memset(&w, 0, sizeof w);
    w.opcode = opcode;
    w.arg_count = 4;
    w.args[0] = a0;
    w.args[1] = a1;
    memcpy(&w.args[2], &two, 4);
    return w;
}

static bench_row measure(vyre *v, const char *path, const vyre_work *work)
{
    bench_row row = bench_row_new(path, MAX_SAMPLES);
    const uint64_t end = bench_now() + (uint64_t)(seconds_each * 1e9);
    for (uint32_t i = 0; i < 20 || (bench_now() < end && row.count < row.capacity); i++) {
        const uint64_t begin = bench_now();
        run(v, work);
        if (i >= 5)
            bench_add(&row, (double)(bench_now() - begin));
    }
    return row;
}

/* --- the same code in a plain dispatch ------------------------------------- */

typedef struct plain {
    raw_device device;
    raw_buffer b[4]; /* x, y, z, counts */
} plain;

static void plain_body(vyre_program *p, const vyre_buffer *b, uint32_t opcode, uint32_t n)
{
    vyre_value count = vyre_ir_u32(p, n);
    vyre_value i = vyre_ir_builtin(p, VYRE_BUILTIN_GLOBAL_ID_X);
    if (opcode == OP_MATMUL) {
        vyre_value lane = vyre_ir_builtin(p, VYRE_BUILTIN_LOCAL_INDEX);
        matmul_tile(p, b, lane, vyre_ir_builtin(p, VYRE_BUILTIN_GROUP_ID_X), count);
    }
    if (opcode == OP_BYTES) {
        vyre_value lane = vyre_ir_builtin(p, VYRE_BUILTIN_LOCAL_INDEX);
        bytes_tile(p, b, lane, vyre_ir_builtin(p, VYRE_BUILTIN_GROUP_ID_X));
    }
    if (opcode != OP_SAXPY)
        return;
    vyre_ir_if(p, vyre_ir_lt(p, i, count));
    saxpy_at(p, b[0], b[1], i, vyre_ir_f32(p, 2.0f));
    vyre_ir_end(p);
}

static raw_kernel plain_kernel(plain *r, uint32_t opcode, uint32_t n)
{
    vyre_program_desc desc;
    vyre_spirv_desc how;
    vyre_spirv module;
    vyre_buffer b[BUFFERS];
    memset(&desc, 0, sizeof desc);
    memset(&how, 0, sizeof how);
    desc.workgroup_size[0] = lanes;
    how.spec_group_size = true;
    vyre_program *p = vyre_program_create(&desc, &err);
    must(p != NULL);
    for (uint32_t i = 0; i < BUFFERS; i++) {
        vyre_buffer_desc own = buffers[i];
        own.binding = i < 3 ? i : i == 6 ? 3 : 0;
        b[i] = vyre_ir_buffer(p, &own);
    }
    plain_body(p, b, opcode, n);
    must(vyre_program_finish(p, &err) == VYRE_OK && vyre_program_optimize(p, &err) == VYRE_OK);
    must(vyre_spirv_emit(p, &how, &module, &err) == VYRE_OK);
    const raw_kernel k = raw_kernel_new(&r->device, module.words, module.word_count * 4, lanes,
                                        r->b, 4);
    vyre_spirv_free(&module);
    vyre_program_destroy(p);
    return k;
}

static bench_row measure_plain(plain *r, const char *path, uint32_t opcode, uint32_t n,
                               uint32_t groups)
{
    raw_device *d = &r->device;
    raw_kernel k = plain_kernel(r, opcode, n);
    VkCommandBuffer cmd = raw_record(d, &k, groups, 0);
    VkFence fence = raw_fence(d);
    bench_row row = bench_row_new(path, MAX_SAMPLES);
    const uint64_t end = bench_now() + (uint64_t)(seconds_each * 1e9);
    for (uint32_t i = 0; i < 20 || (bench_now() < end && row.count < row.capacity); i++) {
        const uint64_t begin = bench_now();
        raw_submit(d, cmd, fence);
        while (vkGetFenceStatus(d->device, fence) == VK_NOT_READY) {}
        if (i >= 5)
            bench_add(&row, (double)(bench_now() - begin));
        vkResetFences(d->device, 1, &fence);
    }
    vkDestroyFence(d->device, fence, NULL);
    raw_kernel_free(d, &k);
    return row;
}

/* --- plain C --------------------------------------------------------------- */

typedef struct c_part {
    uint32_t  opcode;
    uint32_t *x;
    float    *y;
    size_t    words;
    uint32_t  counts[BINS], sum;
    pthread_t thread;
} c_part;

static void *c_main(void *user)
{
    c_part *c = (c_part *)user;
    const uint8_t *bytes = (const uint8_t *)c->x;
    const float *x = (const float *)(const void *)c->x;
    if (c->opcode == OP_SAXPY)
        for (size_t i = 0; i < c->words; i++)
            c->y[i] += 2.0f * x[i];
    else if (c->opcode == OP_SUM)
        for (size_t i = 0; i < c->words; i++)
            c->sum += c->x[i];
    else
        for (size_t i = 0; i < 4 * c->words; i++)
            c->counts[bytes[i]]++;
    return NULL;
}

/* The threads begin and end with each run: what a program does that has none waiting. */
static void c_run(c_part *parts, uint32_t threads)
{
    for (uint32_t i = 1; i < threads; i++)
        pthread_create(&parts[i].thread, NULL, c_main, &parts[i]);
    c_main(&parts[0]);
    for (uint32_t i = 1; i < threads; i++)
        pthread_join(parts[i].thread, NULL);
}

static void measure_c(const bench_output *out, uint32_t opcode, uint32_t words, uint32_t threads,
                      const char *what)
{
    c_part *parts = (c_part *)calloc(threads, sizeof *parts);
    uint32_t *x = (uint32_t *)malloc((size_t)words * 4);
    float *y = (float *)malloc((size_t)words * 4);
    if (!parts || !x || !y)
        abort();
    fill(x, words);
    fill(y, words);
    for (uint32_t i = 0; i < threads; i++) {
        const size_t from = (size_t)words * i / threads, to = (size_t)words * (i + 1) / threads;
        parts[i].opcode = opcode;
        parts[i].x = x + from;
        parts[i].y = y + from;
        parts[i].words = to - from;
    }
    char path[112];
    snprintf(path, sizeof path, "%s, plain C, %u thread%s", what, threads, threads > 1 ? "s" : "");
    bench_row row = bench_row_new(path, MAX_SAMPLES);
    const uint64_t end = bench_now() + (uint64_t)(seconds_each * 1e9);
    for (uint32_t i = 0; i < 4 || (bench_now() < end && row.count < row.capacity); i++) {
        const uint64_t begin = bench_now();
        c_run(parts, threads);
        if (i >= 1)
            bench_add(&row, (double)(bench_now() - begin));
    }
    bench_finish(out, &row);
    volatile uint32_t used = parts[0].sum + parts[0].counts[1]; /* and so it is computed */
    (void)used;
    free(y);
    free(x);
    free(parts);
}

static void table_of_c(const bench_output *out, uint32_t log)
{
    static const struct { uint32_t opcode; const char *what; uint32_t shift; } rows[] = {
        { OP_SAXPY, "saxpy of 2^%u floats", 0 }, { OP_SUM, "sum of 2^%u u32", 0 },
        { OP_BYTES, "histogram of 2^%u bytes", 2 }
    };
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char what[64];
        snprintf(what, sizeof what, rows[i].what, log);
        measure_c(out, rows[i].opcode, 1u << (log - rows[i].shift), 1, what);
        if (cores > 1)
            measure_c(out, rows[i].opcode, 1u << (log - rows[i].shift), (uint32_t)cores, what);
    }
}

/* --- the table ------------------------------------------------------------ */

/* Both paths of one size, and what they move or compute in a second. */
static void compare(const bench_output *out, plain *r, vyre *v, const vyre_work *work,
                    uint32_t n, uint32_t groups, double units, const char *what)
{
    char path[112];
    snprintf(path, sizeof path, "%s, vyre.h", what);
    bench_row row = measure(v, path, work);
    row.rate = units;
    const double ours = bench_finish(out, &row);
    snprintf(path, sizeof path, "%s, submit and spin on the fence", what);
    row = measure_plain(r, path, work->opcode, n, groups);
    row.rate = units;
    const double theirs = bench_finish(out, &row);
    snprintf(path, sizeof path, "%s: times faster than the dispatch", what);
    bench_value(out, path, "times", ours > 0 ? theirs / ours : 0);
}

/* Once, against plain C. */
static void check_histogram(vyre *v, const vyre_work *w)
{
    const size_t words = (size_t)w->args[0] * BYTES_TILE;
    c_part part;
    memset(&part, 0, sizeof part);
    part.opcode = OP_BYTES;
    part.words = words;
    part.x = (uint32_t *)malloc(words * 4);
    if (!part.x)
        abort();
    fill(part.x, (uint32_t)words);
    c_main(&part);
    uint32_t *counts = (uint32_t *)vyre_map(v, 6, NULL);
    memset(counts, 0, BINS * 4);
    run(v, w);
    if (memcmp(counts, part.counts, sizeof part.counts) != 0) {
        fprintf(stderr, "wide: the histogram is not that of plain C\n");
        exit(1);
    }
    free(part.x);
}

static void table_of_works(const bench_output *out, plain *r, vyre *v, uint32_t largest,
                           bool quick)
{
    vyre_info info;
    char what[64];
    vyre_query(v, &info);
    vyre_work w = work_of(OP_EMPTY, 0, 0);
    bench_row nothing = measure(v, "nothing, no index, vyre.h", &w);
    bench_finish(out, &nothing);
    w = work_of(OP_EMPTY, 0, info.wide_groups ? info.wide_groups : 64);
    compare(out, r, v, &w, 0, w.args[1], 0, "nothing, a chunk a group");
    for (uint32_t log = 10; log <= largest; log += quick ? 5 : 2) {
        const uint32_t n = 1u << log;
        snprintf(what, sizeof what, "saxpy of 2^%u floats", log);
        w = work_of(OP_SAXPY, 0, n);
        compare(out, r, v, &w, n, (n + lanes - 1) / lanes, 0, what);
    }
    const uint32_t log = largest < 26 ? largest : 26;
    snprintf(what, sizeof what, "sum of 2^%u u32, vyre.h", log);
    w = work_of(OP_SUM, 0, 1u << log);
    bench_row row = measure(v, what, &w);
    const double ns = bench_finish(out, &row);
    snprintf(what, sizeof what, "sum of 2^%u u32: MB/s", log);
    bench_value(out, what, "MB/s", 4e3 * (double)(1u << log) / (ns > 0 ? ns : 1));
    for (uint32_t n = quick ? 64 : 512; n <= (quick ? 64u : 4096u) && 2 * n * n <= 1u << largest;
         n *= 2) {
        snprintf(what, sizeof what, "matmul of %u", n);
        w = work_of(OP_MATMUL, n / TILE * (n / TILE), n);
        compare(out, r, v, &w, n, n / TILE * (n / TILE), 0, what);
    }
}

/* --- a lane's job beside --------------------------------------------------- */

typedef struct company {
    vyre      *v;
    uint32_t   n;
    uint32_t   stop;
    pthread_t  thread;
} company;

static void *company_main(void *user)
{
    company *c = (company *)user;
    const vyre_work w = work_of(OP_SAXPY, 0, c->n);
    while (!__atomic_load_n(&c->stop, __ATOMIC_ACQUIRE))
        run(c->v, &w);
    return NULL;
}

static void measure_lane(const bench_output *out, vyre *v, const char *path)
{
    vyre_work w = work_of(VYRE_OP_ATOMIC_ADD, 1, VYRE_CONTROL_OBSERVABLES);
    bench_row row = measure(v, path, &w);
    bench_finish(out, &row);
}

static void table_of_bytes(const bench_output *out, plain *r, uint32_t largest, uint32_t words)
{
    char what[64];
    const uint32_t log = largest < 26 ? largest : 26;
    vyre *v = open_wide(BYTES, words);
    fill(vyre_map(v, 0, NULL), words);
    snprintf(what, sizeof what, "histogram of 2^%u bytes", log);
    const vyre_work w = work_of(OP_BYTES, (1u << log) / 4 / BYTES_TILE, 0);
    check_histogram(v, &w);
    compare(out, r, v, &w, 0, w.args[0], 0, what);
    vyre_close(v);
}

static void table_of_lanes(const bench_output *out, vyre *v, uint32_t largest)
{
    company c = { v, 1u << (largest < 24 ? largest : 24), 0, 0 };
    vyre *alone = open_wide(NONE, 0);
    measure_lane(out, alone, "a lane's job, no wide handlers");
    vyre_close(alone);
    measure_lane(out, v, "a lane's job beside groups that wait");
    pthread_create(&c.thread, NULL, company_main, &c);
    measure_lane(out, v, "a lane's job beside groups at work");
    vyre_work urgent = work_of(OP_SAXPY, 0, 1u << 12);
    urgent.priority = VYRE_PRIORITY_CRITICAL;
    bench_row row = measure(v, "urgent saxpy of 2^12 floats beside groups at work", &urgent);
    bench_finish(out, &row);
    __atomic_store_n(&c.stop, 1, __ATOMIC_RELEASE);
    pthread_join(c.thread, NULL);
}

/* Works of the lanes that share a subgroup with the one that does not end wait for it: each
 * slot gets a work, and those keep theirs. */
static void fill_what_waits(vyre *v)
{
    const vyre_work nop = work_of(VYRE_OP_NOP, 0, 0);
    uint32_t waiting = 0;
    vyre_info info;
    vyre_query(v, &info);
    for (uint32_t i = 0; i < 2 * info.slot_count; i++) {
        vyre_ticket ticket;
        must(vyre_publish(v, &nop, &ticket, &err) == VYRE_OK);
        waiting += vyre_wait(v, ticket, 20000000u, &err) == VYRE_TIMEOUT;
    }
    fprintf(stderr, "wide: %u of %u works wait for the lane that does not end\n",
            (unsigned)waiting, (unsigned)info.slot_count);
}

/* Where loops are not cut, and lanes and groups share one running kernel. */
static void table_of_holds(const bench_output *out)
{
    vyre *v = open_wide(HOLD, 1u << 12);
    uint32_t *word = (uint32_t *)vyre_map(v, 6, NULL);
    const vyre_work hold = work_of(OP_HOLD, 0, 0);
    vyre_work urgent = work_of(OP_SAXPY, 0, 1u << 12);
    urgent.priority = VYRE_PRIORITY_CRITICAL;
    vyre_ticket ticket;
    *word = 0;
    bench_row before = measure(v, "urgent saxpy of 2^12 floats, such a kernel alone", &urgent);
    bench_finish(out, &before);
    must(vyre_publish(v, &hold, &ticket, &err) == VYRE_OK);
    fill_what_waits(v);
    measure_lane(out, v, "a lane's job beside one that does not end");
    bench_row row = measure(v, "urgent saxpy of 2^12 floats beside a lane's job that does not end",
                            &urgent);
    bench_finish(out, &row);
    *word = 1;
    must(vyre_wait(v, ticket, 10000000000u, &err) == VYRE_OK);
    vyre_close(v);
}

int main(int argc, char **argv)
{
    bench_usage(argc, argv, "[--csv] [--quick] [--seconds N] [--largest N] [--groups N]");
    const bool quick = bench_flag(argc, argv, "--quick");
    plain r;
    bench_output out;
    vyre_info info;
    if (!raw_open(&r.device)) {
        fprintf(stderr, "wide: no Vulkan device\n");
        return 1;
    }
    const bool cpu = r.device.properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
    const uint32_t largest = (uint32_t)bench_number(argc, argv, "--largest",
                                                    quick ? 14 : cpu ? 22 : 28);
    seconds_each = bench_number(argc, argv, "--seconds", quick ? 0.01 : 0.25);
    lanes = cpu ? 32 : 512;
    most_groups = (uint32_t)bench_number(argc, argv, "--groups", 0);
    const uint32_t words = 1u << (largest < 14 ? 14 : largest);
    for (uint32_t i = 0; i < 4; i++)
        r.b[i] = raw_buffer_new(&r.device, i < 2   ? (VkDeviceSize)words * 4
                                           : i < 3 ? 4096u * 4096u * 4u
                                                   : BINS * 4u, false);
    vyre *v = open_wide(MOST, words);
    fill(vyre_map(v, 0, NULL), words);
    fill(r.b[0].map, words);
    vyre_query(v, &info);
    memset(&out, 0, sizeof out);
    out.bench = "wide";
    out.unit = "us";
    out.csv = bench_flag(argc, argv, "--csv");
    snprintf(out.device, sizeof out.device, "%.127s", info.device);
    snprintf(out.driver, sizeof out.driver, "%.127s", info.driver);
    snprintf(out.settings, sizeof out.settings, "%s, %u groups of %u for wide works, %u of %u",
             info.mode == VYRE_MODE_PERSISTENT ? "persistent" : "passes", info.wide_groups,
             info.wide_group, info.worker_groups, info.workgroup_size);
    bench_heading(&out);
    table_of_works(&out, &r, v, largest, quick);
    table_of_c(&out, largest < 26 ? largest : 26);
    table_of_lanes(&out, v, largest);
    vyre_close(v);
    if (!cpu && info.mode == VYRE_MODE_PERSISTENT)
        table_of_holds(&out);
    table_of_bytes(&out, &r, largest, words);
    return 0;
}

/* Draining 2^20 published slots by CUDA: one atomic per slot on the shared
 * counters, and counters aggregated per warp.  It knows NOP and ATOMIC_ADD.
 *
 *     drain_cuda [--csv] [--quick]
 */
#include "cuda.h"

#include <cooperative_groups.h>

namespace cg = cooperative_groups;

#define SLOTS    (1u << 20)
#define MAX_RUNS 100

static int runs = MAX_RUNS;

/* Adds 1 for every active lane; `aggregated`: once per warp.  asm volatile
 * keeps the compiler from doing so itself in the plain form. */
template <bool aggregated> __device__ void count(unsigned *word)
{
    if (aggregated) {
        cg::coalesced_group group = cg::coalesced_threads();
        if (group.thread_rank() == 0)
            atomicAdd(word, group.size());
    } else {
        asm volatile("red.global.add.u32 [%0], 1;" ::"l"(word) : "memory");
    }
}

template <bool aggregated> __device__ void add(unsigned *word, unsigned amount)
{
    if (aggregated) {
        cg::coalesced_group group = cg::coalesced_threads();
        unsigned sum = __reduce_add_sync(__activemask(), amount);
        if (group.thread_rank() == 0)
            atomicAdd(word, sum);
    } else {
        asm volatile("red.global.add.u32 [%0], %1;" ::"l"(word), "r"(amount) : "memory");
    }
}

/* Aggregation takes all lanes of a warp to add to one word, which they do here. */
template <bool aggregated> __global__ void drain(unsigned *ring, unsigned *control)
{
    unsigned lanes = gridDim.x * blockDim.x;
    for (unsigned s = blockIdx.x * blockDim.x + threadIdx.x; s < SLOTS; s += lanes) {
        unsigned *slot = ring + 16 * (size_t)s;
        if (*(volatile unsigned *)slot != 1u)
            continue;
        unsigned tenant = slot[2];
        if (tenant >= 29u || ((volatile unsigned *)control)[3 + tenant] == 0u)
            continue;
        if (atomicCAS(slot, 1u, 2u) != 1u)
            continue;
        __threadfence();
        unsigned opcode = slot[1];
        if (opcode < 32u)
            count<aggregated>(&control[96 + opcode]);
        if (opcode == 2u)
            add<aggregated>(&control[slot[5]], slot[4]);
        __threadfence();
        *(volatile unsigned *)slot = 3u;
        count<aggregated>(&control[1]);
    }
}

typedef struct arena {
    unsigned *ring, *image, *control;
    unsigned  served; /* so far */
} arena;

static arena arena_new()
{
    arena a;
    a.served = 0;
    CUDA_CHECK(cudaMalloc(&a.ring, 64ull * SLOTS));
    CUDA_CHECK(cudaMalloc(&a.image, 64ull * SLOTS));
    CUDA_CHECK(cudaMalloc(&a.control, 4096));
    CUDA_CHECK(cudaMemset(a.control, 0, 4096));
    CUDA_CHECK(cudaMemset(a.control + 3, 0xff, 4));
    return a;
}

static void arena_fill(arena *a, unsigned opcode)
{
    unsigned *slots = (unsigned *)calloc(SLOTS, 64);
    const unsigned slot[16] = { 1, opcode, 0, 2, 1, 160 };
    for (unsigned s = 0; s < SLOTS; s++)
        memcpy(slots + 16ull * s, slot, sizeof slot);
    CUDA_CHECK(cudaMemcpy(a->image, slots, 64ull * SLOTS, cudaMemcpyHostToDevice));
    free(slots);
}

template <bool aggregated> static double run_once(arena *a, unsigned lanes, cudaEvent_t times[2])
{
    float ms;
    CUDA_CHECK(cudaMemcpy(a->ring, a->image, 64ull * SLOTS, cudaMemcpyDeviceToDevice));
    CUDA_CHECK(cudaDeviceSynchronize());
    CUDA_CHECK(cudaEventRecord(times[0]));
    drain<aggregated><<<lanes / 256, 256>>>(a->ring, a->control);
    CUDA_CHECK(cudaEventRecord(times[1]));
    CUDA_CHECK(cudaEventSynchronize(times[1]));
    CUDA_CHECK(cudaEventElapsedTime(&ms, times[0], times[1]));
    a->served += SLOTS;
    return ms * 1e6;
}

template <bool aggregated>
static void measure(const bench_output *out, const char *what, unsigned lanes, arena *a)
{
    char path[112];
    snprintf(path, sizeof path, "CUDA %s, %s, %u slots, %u lanes in 256",
             aggregated ? "aggregated" : "plain", what, SLOTS, lanes);
    bench_row row = bench_row_new(path, MAX_RUNS);
    cudaEvent_t times[2];
    CUDA_CHECK(cudaEventCreate(&times[0]));
    CUDA_CHECK(cudaEventCreate(&times[1]));
    for (int run = -2; run < runs; run++) {
        const double ns = run_once<aggregated>(a, lanes, times);
        if (run >= 0)
            bench_add(&row, ns);
    }
    qsort(row.samples, row.count, sizeof(double), bench_order);
    row.rate = SLOTS * 1e9 / bench_quantile(&row, 0.5);
    bench_finish(out, &row);
}

int main(int argc, char **argv)
{
    bench_usage(argc, argv, "[--csv] [--quick]");
    runs = bench_flag(argc, argv, "--quick") ? 3 : MAX_RUNS;
    char settings[64];
    snprintf(settings, sizeof settings, "%d runs a row", runs);
    const bench_output out = cuda_output("drain", settings, bench_flag(argc, argv, "--csv"));
    bench_heading(&out);
    arena a = arena_new();
    for (unsigned opcode = 0; opcode <= 2; opcode += 2) {
        const char *what = opcode ? "ATOMIC_ADD" : "NOP";
        arena_fill(&a, opcode);
        for (unsigned shift = 0; shift <= 3; shift += 3) {
            measure<false>(&out, what, SLOTS >> shift, &a);
            measure<true>(&out, what, SLOTS >> shift, &a);
        }
    }
    unsigned total[2];
    CUDA_CHECK(cudaMemcpy(total, a.control, sizeof total, cudaMemcpyDeviceToHost));
    if (total[1] != a.served) {
        fprintf(stderr, "wrong sum: done %u of %u\n", total[1], a.served);
        return 1;
    }
    return 0;
}

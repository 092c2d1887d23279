/* Draining 2^20 published slots by CUDA: one atomic per slot on the shared
 * counters, and counters aggregated per warp.
 *
 *     nvcc -O3 -I bench bench/twins/drain.cu -o drain_cuda
 */
#include "../bench.h"

#include <cooperative_groups.h>
#include <cuda_runtime.h>

namespace cg = cooperative_groups;

#define CUDA_CHECK(call)                                                                           \
    do {                                                                                           \
        cudaError_t cuda_result = (call);                                                          \
        if (cuda_result != cudaSuccess) {                                                          \
            fprintf(stderr, "%s: %s\n", #call, cudaGetErrorString(cuda_result));                   \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

enum { SLOTS = 1 << 20, RUNS = 50 };

/* Adds 1 for every active lane; `aggregated`: once per warp.  volatile keeps
 * the compiler from doing so itself in the plain form. */
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
        if (opcode == 2u) {
            if (aggregated) {
                unsigned amount = slot[4];
                cg::coalesced_group group = cg::coalesced_threads();
                unsigned sum = __reduce_add_sync(__activemask(), amount);
                if (group.thread_rank() == 0)
                    atomicAdd(&control[slot[5]], sum);
            } else {
                asm volatile("red.global.add.u32 [%0], %1;" ::"l"(&control[slot[5]]), "r"(slot[4])
                             : "memory");
            }
        }
        __threadfence();
        *(volatile unsigned *)slot = 3u;
        count<aggregated>(&control[1]);
    }
}

template <bool aggregated>
static bench_row measure(const char *path, unsigned opcode, unsigned lanes, unsigned *ring,
                         const unsigned *image, unsigned *control)
{
    bench_row row = bench_row_new(path, RUNS);
    cudaEvent_t begin, end;
    CUDA_CHECK(cudaEventCreate(&begin));
    CUDA_CHECK(cudaEventCreate(&end));
    (void)opcode;
    for (int run = 0; run < RUNS + 5; run++) {
        CUDA_CHECK(cudaMemcpy(ring, image, 64ull * SLOTS, cudaMemcpyDeviceToDevice));
        CUDA_CHECK(cudaDeviceSynchronize());
        CUDA_CHECK(cudaEventRecord(begin));
        drain<aggregated><<<lanes / 256, 256>>>(ring, control);
        CUDA_CHECK(cudaEventRecord(end));
        CUDA_CHECK(cudaEventSynchronize(end));
        float ms;
        CUDA_CHECK(cudaEventElapsedTime(&ms, begin, end));
        if (run >= 5)
            bench_add(&row, (uint64_t)(ms * 1e6f));
    }
    return row;
}

int main(int argc, char **argv)
{
    cudaDeviceProp properties;
    CUDA_CHECK(cudaGetDeviceProperties(&properties, 0));
    bench_output out = bench_begin("drain", properties.name, argc, argv);
    unsigned *ring, *image, *control;
    CUDA_CHECK(cudaMalloc(&ring, 64ull * SLOTS));
    CUDA_CHECK(cudaMalloc(&image, 64ull * SLOTS));
    CUDA_CHECK(cudaMalloc(&control, 4096));
    CUDA_CHECK(cudaMemset(control, 0, 4096));
    CUDA_CHECK(cudaMemset(control + 3, 0xff, 4));

    unsigned *slots = (unsigned *)calloc(SLOTS, 64);
    for (unsigned opcode = 0; opcode <= 2; opcode += 2) {
        for (unsigned s = 0; s < SLOTS; s++) {
            unsigned slot[16] = { 1, opcode, 0, 2, 1, 160 };
            memcpy(slots + 16ull * s, slot, sizeof slot);
        }
        CUDA_CHECK(cudaMemcpy(image, slots, 64ull * SLOTS, cudaMemcpyHostToDevice));
        for (unsigned shift = 0; shift <= 3; shift += 3) {
            char path[4][96];
            unsigned lanes = SLOTS >> shift;
            snprintf(path[0], sizeof path[0], "CUDA plain, opcode %u, %u lanes", opcode, lanes);
            snprintf(path[1], sizeof path[1], "CUDA aggregated, opcode %u, %u lanes", opcode, lanes);
            bench_row plain = measure<false>(path[0], opcode, lanes, ring, image, control);
            double a = bench_print(&out, &plain);
            bench_row warp = measure<true>(path[1], opcode, lanes, ring, image, control);
            double b = bench_print(&out, &warp);
            printf("# %s: %.2f G slots/s; %s: %.2f G slots/s\n", path[0], SLOTS / a, path[1],
                   SLOTS / b);
        }
    }
    return 0;
}

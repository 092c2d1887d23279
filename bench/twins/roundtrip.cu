/* The round trip by CUDA: launch and synchronize, graph launch, and a
 * persistent kernel that polls pinned host memory.
 *
 *     nvcc -O3 -I bench bench/twins/roundtrip.cu -o roundtrip_cuda
 */
#include "../bench.h"

#include <cuda_runtime.h>

#define CUDA_CHECK(call)                                                                           \
    do {                                                                                           \
        cudaError_t cuda_result = (call);                                                          \
        if (cuda_result != cudaSuccess) {                                                          \
            fprintf(stderr, "%s: %s\n", #call, cudaGetErrorString(cuda_result));                   \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

enum { SAMPLES = 200000, WARM_UP = 1000 };

__global__ void job(unsigned *sum, unsigned amount)
{
    atomicAdd(sum, amount);
}

/* Each lane polls its slot's status, as the megakernel does: claim, effect,
 * done.  Slot s: status, opcode, tenant, priority, then arguments. */
__global__ void persistent(volatile unsigned *ring, unsigned *control, volatile unsigned *shutdown)
{
    volatile unsigned *slot = ring + 16 * (blockIdx.x * blockDim.x + threadIdx.x);
    while (!*shutdown) {
        if (slot[0] != 1)
            continue;
        __threadfence_system();
        if (atomicCAS_system((unsigned *)slot, 1u, 2u) != 1u)
            continue;
        if (slot[1] == 2)
            atomicAdd(&control[160 + slot[5]], slot[4]);
        __threadfence_system();
        slot[0] = 3;
        atomicAdd(&control[1], 1u);
    }
}

static bench_row measure_launch(unsigned *sum)
{
    bench_row row = bench_row_new("CUDA launch + synchronize", SAMPLES);
    cudaStream_t stream;
    CUDA_CHECK(cudaStreamCreate(&stream));
    for (int i = 0; i < SAMPLES / 4; i++) {
        uint64_t begin = bench_now();
        job<<<1, 1, 0, stream>>>(sum, 1);
        CUDA_CHECK(cudaStreamSynchronize(stream));
        if (i >= WARM_UP)
            bench_add(&row, bench_now() - begin);
    }
    return row;
}

static bench_row measure_graph(unsigned *sum)
{
    bench_row row = bench_row_new("CUDA graph launch + synchronize", SAMPLES);
    cudaStream_t stream;
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    CUDA_CHECK(cudaStreamCreate(&stream));
    CUDA_CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    job<<<1, 1, 0, stream>>>(sum, 1);
    CUDA_CHECK(cudaStreamEndCapture(stream, &graph));
    CUDA_CHECK(cudaGraphInstantiate(&exec, graph, 0));
    for (int i = 0; i < SAMPLES / 4; i++) {
        uint64_t begin = bench_now();
        CUDA_CHECK(cudaGraphLaunch(exec, stream));
        CUDA_CHECK(cudaStreamSynchronize(stream));
        if (i >= WARM_UP)
            bench_add(&row, bench_now() - begin);
    }
    return row;
}

static bench_row measure_persistent(unsigned lanes, const char *path, unsigned *control)
{
    bench_row row = bench_row_new(path, SAMPLES);
    unsigned *ring, *shutdown;
    CUDA_CHECK(cudaHostAlloc(&ring, 64 * lanes, cudaHostAllocMapped));
    CUDA_CHECK(cudaHostAlloc(&shutdown, 64, cudaHostAllocMapped));
    memset(ring, 0, 64 * lanes);
    *shutdown = 0;
    cudaStream_t stream;
    CUDA_CHECK(cudaStreamCreate(&stream));
    persistent<<<(lanes + 255) / 256, lanes < 256 ? lanes : 256, 0, stream>>>(ring, control, shutdown);
    CUDA_CHECK(cudaGetLastError());
    for (int i = 0; i < SAMPLES; i++) {
        unsigned *slot = ring + 16 * ((unsigned)i % lanes);
        uint64_t begin = bench_now();
        slot[1] = 2;
        slot[2] = 0;
        slot[3] = 2;
        slot[4] = 1;
        slot[5] = 0;
        __atomic_store_n(&slot[0], 1u, __ATOMIC_RELEASE);
        while (__atomic_load_n(&slot[0], __ATOMIC_ACQUIRE) != 3u) {}
        if (i >= WARM_UP)
            bench_add(&row, bench_now() - begin);
    }
    __atomic_store_n(shutdown, 1u, __ATOMIC_RELEASE);
    CUDA_CHECK(cudaStreamSynchronize(stream));
    CUDA_CHECK(cudaFreeHost(ring));
    CUDA_CHECK(cudaFreeHost(shutdown));
    return row;
}

int main(int argc, char **argv)
{
    cudaDeviceProp properties;
    CUDA_CHECK(cudaGetDeviceProperties(&properties, 0));
    bench_output out = bench_begin("roundtrip", properties.name, argc, argv);
    unsigned *control;
    CUDA_CHECK(cudaMalloc(&control, 4096));
    CUDA_CHECK(cudaMemset(control, 0, 4096));

    bench_row launch = measure_launch(control + 200);
    bench_print(&out, &launch);
    bench_row graph = measure_graph(control + 200);
    bench_print(&out, &graph);
    bench_row small = measure_persistent(32, "CUDA persistent, pinned memory, 32 lanes", control);
    bench_print(&out, &small);
    bench_row wide = measure_persistent(256, "CUDA persistent, pinned memory, 256 lanes", control);
    bench_print(&out, &wide);

    unsigned total[161];
    CUDA_CHECK(cudaMemcpy(total, control, sizeof total, cudaMemcpyDeviceToHost));
    if (total[1] != 2 * SAMPLES || total[160] != 2 * SAMPLES) {
        fprintf(stderr, "wrong sums: done %u, observable %u\n", total[1], total[160]);
        return 1;
    }
    return 0;
}

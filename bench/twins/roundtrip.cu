/* The round trip by CUDA: launch and synchronize, graph launch, and a
 * persistent kernel that polls pinned host memory.
 *
 *     roundtrip_cuda [--csv] [--quick] [--seconds N]
 *
 * --seconds is for each path.
 */
#include "cuda.h"

#define MAX_SAMPLES 2000000u
#define WARM_UP     1000u

static double seconds_each = 1.0;

static uint64_t time_is_up()
{
    return bench_now() + (uint64_t)(seconds_each * 1e9);
}

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
    bench_row row = bench_row_new("CUDA launch + synchronize", MAX_SAMPLES);
    cudaStream_t stream;
    CUDA_CHECK(cudaStreamCreate(&stream));
    const uint64_t end = time_is_up();
    for (unsigned i = 0; i < 2 * WARM_UP || bench_now() < end; i++) {
        const uint64_t begin = bench_now();
        job<<<1, 1, 0, stream>>>(sum, 1);
        CUDA_CHECK(cudaStreamSynchronize(stream));
        if (i >= WARM_UP)
            bench_add(&row, (double)(bench_now() - begin));
    }
    CUDA_CHECK(cudaStreamDestroy(stream));
    return row;
}

static bench_row measure_graph(unsigned *sum)
{
    bench_row row = bench_row_new("CUDA graph launch + synchronize", MAX_SAMPLES);
    cudaStream_t stream;
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    CUDA_CHECK(cudaStreamCreate(&stream));
    CUDA_CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    job<<<1, 1, 0, stream>>>(sum, 1);
    CUDA_CHECK(cudaStreamEndCapture(stream, &graph));
    CUDA_CHECK(cudaGraphInstantiate(&exec, graph, 0));
    const uint64_t end = time_is_up();
    for (unsigned i = 0; i < 2 * WARM_UP || bench_now() < end; i++) {
        const uint64_t begin = bench_now();
        CUDA_CHECK(cudaGraphLaunch(exec, stream));
        CUDA_CHECK(cudaStreamSynchronize(stream));
        if (i >= WARM_UP)
            bench_add(&row, (double)(bench_now() - begin));
    }
    CUDA_CHECK(cudaGraphExecDestroy(exec));
    CUDA_CHECK(cudaGraphDestroy(graph));
    CUDA_CHECK(cudaStreamDestroy(stream));
    return row;
}

/* Returns how many jobs it was; each adds 1 to control[160]. */
static unsigned measure_persistent(unsigned lanes, bench_row *row, unsigned *control)
{
    unsigned *ring, *shutdown;
    CUDA_CHECK(cudaHostAlloc(&ring, 64 * lanes, cudaHostAllocMapped));
    CUDA_CHECK(cudaHostAlloc(&shutdown, 64, cudaHostAllocMapped));
    memset(ring, 0, 64 * lanes);
    *shutdown = 0;
    cudaStream_t stream;
    CUDA_CHECK(cudaStreamCreate(&stream));
    persistent<<<(lanes + 255) / 256, lanes < 256 ? lanes : 256, 0, stream>>>(ring, control,
                                                                              shutdown);
    CUDA_CHECK(cudaGetLastError());
    const uint64_t end = time_is_up();
    unsigned jobs = 0;
    for (; jobs < 2 * WARM_UP || bench_now() < end; jobs++) {
        unsigned *slot = ring + 16 * (jobs % lanes);
        const uint64_t begin = bench_now();
        slot[1] = 2;
        slot[2] = 0;
        slot[3] = 2;
        slot[4] = 1;
        slot[5] = 0;
        __atomic_store_n(&slot[0], 1u, __ATOMIC_RELEASE);
        while (__atomic_load_n(&slot[0], __ATOMIC_ACQUIRE) != 3u) {}
        if (jobs >= WARM_UP)
            bench_add(row, (double)(bench_now() - begin));
    }
    __atomic_store_n(shutdown, 1u, __ATOMIC_RELEASE);
    CUDA_CHECK(cudaStreamSynchronize(stream));
    CUDA_CHECK(cudaStreamDestroy(stream));
    CUDA_CHECK(cudaFreeHost(ring));
    CUDA_CHECK(cudaFreeHost(shutdown));
    return jobs;
}

int main(int argc, char **argv)
{
    bench_usage(argc, argv, "[--csv] [--quick] [--seconds N]");
    seconds_each = bench_flag(argc, argv, "--quick") ? 0.01
                                                     : bench_number(argc, argv, "--seconds", 1.0);
    char settings[64];
    snprintf(settings, sizeof settings, "%g s a path", seconds_each);
    const bench_output out = cuda_output("roundtrip", settings, bench_flag(argc, argv, "--csv"));
    bench_heading(&out);
    unsigned *control;
    CUDA_CHECK(cudaMalloc(&control, 4096));
    CUDA_CHECK(cudaMemset(control, 0, 4096));

    bench_row launch = measure_launch(control + 200);
    bench_finish(&out, &launch);
    bench_row graph = measure_graph(control + 200);
    bench_finish(&out, &graph);
    bench_row small = bench_row_new("CUDA persistent, pinned memory, 32 lanes", MAX_SAMPLES);
    unsigned jobs = measure_persistent(32, &small, control);
    bench_finish(&out, &small);
    bench_row wide = bench_row_new("CUDA persistent, pinned memory, 256 lanes", MAX_SAMPLES);
    jobs += measure_persistent(256, &wide, control);
    bench_finish(&out, &wide);

    unsigned total[161];
    CUDA_CHECK(cudaMemcpy(total, control, sizeof total, cudaMemcpyDeviceToHost));
    if (total[1] != jobs || total[160] != jobs) {
        fprintf(stderr, "wrong sums: done %u, observable %u, jobs %u\n", total[1], total[160], jobs);
        return 1;
    }
    return 0;
}

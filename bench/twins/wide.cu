/* The CUDA twin of bench/wide: nothing, and y = a x + y, by launch and synchronize and by
 * a graph, each waited for by spinning.
 *
 *     wide_cuda [--csv] [--quick] [--seconds N] [--largest N] */
#include "cuda.h"

static double seconds_each = 0.25;
enum { LANES = 512, MAX_SAMPLES = 200000 };

__global__ void nothing() {}

__global__ void saxpy(const float *x, float *y, float a, unsigned n)
{
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        y[i] = a * x[i] + y[i];
}

struct job {
    const float *x;
    float       *y;
    unsigned     n; /* 0: nothing */
};

static void launch(const job &j, cudaStream_t stream)
{
    if (j.n)
        saxpy<<<(j.n + LANES - 1) / LANES, LANES, 0, stream>>>(j.x, j.y, 2.0f, j.n);
    else
        nothing<<<132, LANES, 0, stream>>>();
}

static void measure(const bench_output *out, const char *what, const job &j, bool graph)
{
    char path[112];
    cudaStream_t stream;
    cudaGraph_t captured;
    cudaGraphExec_t exec;
    CUDA_CHECK(cudaStreamCreate(&stream));
    CUDA_CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    launch(j, stream);
    CUDA_CHECK(cudaStreamEndCapture(stream, &captured));
    CUDA_CHECK(cudaGraphInstantiate(&exec, captured, 0));
    snprintf(path, sizeof path, "%s, CUDA %s", what, graph ? "graph" : "launch");
    bench_row row = bench_row_new(path, MAX_SAMPLES);
    const uint64_t end = bench_now() + (uint64_t)(seconds_each * 1e9);
    for (unsigned i = 0; i < 20 || (bench_now() < end && row.count < row.capacity); i++) {
        const uint64_t begin = bench_now();
        if (graph)
            CUDA_CHECK(cudaGraphLaunch(exec, stream));
        else
            launch(j, stream);
        CUDA_CHECK(cudaStreamSynchronize(stream));
        if (i >= 5)
            bench_add(&row, (double)(bench_now() - begin));
    }
    bench_finish(out, &row);
    CUDA_CHECK(cudaGraphExecDestroy(exec));
    CUDA_CHECK(cudaGraphDestroy(captured));
    CUDA_CHECK(cudaStreamDestroy(stream));
}

int main(int argc, char **argv)
{
    bench_usage(argc, argv, "[--csv] [--quick] [--seconds N] [--largest N]");
    const bool quick = bench_flag(argc, argv, "--quick");
    const unsigned largest = (unsigned)bench_number(argc, argv, "--largest", quick ? 14 : 28);
    seconds_each = bench_number(argc, argv, "--seconds", quick ? 0.01 : 0.25);
    CUDA_CHECK(cudaSetDeviceFlags(cudaDeviceScheduleSpin));
    bench_output out = cuda_output("wide", "spinning", bench_flag(argc, argv, "--csv"));
    bench_heading(&out);
    job j = { NULL, NULL, 0 };
    float *x;
    CUDA_CHECK(cudaMalloc(&x, (size_t)4 << largest));
    CUDA_CHECK(cudaMalloc(&j.y, (size_t)4 << largest));
    CUDA_CHECK(cudaMemset(x, 0x3f, (size_t)4 << largest));
    CUDA_CHECK(cudaMemset(j.y, 0, (size_t)4 << largest));
    j.x = x;
    for (int graph = 0; graph < 2; graph++) {
        j.n = 0;
        measure(&out, "nothing", j, graph != 0);
        for (unsigned log = 10; log <= largest; log += 2) {
            char what[64];
            snprintf(what, sizeof what, "saxpy of 2^%u floats", log);
            j.n = 1u << log;
            measure(&out, what, j, graph != 0);
        }
    }
    return 0;
}

/* Chains of jobs by CUDA: a graph of kernel nodes, each after the one before, and as many
 * launches into one stream.
 *
 *     order_cuda [--csv] [--quick] [--seconds N] [--hops N]
 *
 * A sample is the time of a chain for each of its jobs.
 */
#include "cuda.h"

static double seconds_each = 1.0;
static unsigned hops = 1000;

__global__ void job(unsigned *sum)
{
    atomicAdd(sum, 1u);
}

/* Launches into a stream that is being captured are the nodes of a chain. */
static void launch(cudaStream_t stream, unsigned lanes, unsigned *sum)
{
    for (unsigned i = 0; i < hops; i++)
        job<<<1, lanes, 0, stream>>>(sum);
    CUDA_CHECK(cudaGetLastError());
}

static cudaGraphExec_t make_graph(cudaStream_t stream, unsigned lanes, unsigned *sum)
{
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    CUDA_CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    launch(stream, lanes, sum);
    CUDA_CHECK(cudaStreamEndCapture(stream, &graph));
    CUDA_CHECK(cudaGraphInstantiate(&exec, graph, 0));
    CUDA_CHECK(cudaGraphDestroy(graph));
    return exec;
}

/* How many chains it was. */
static unsigned measure(const bench_output *out, const char *path, cudaStream_t stream,
                        cudaGraphExec_t exec, unsigned lanes, unsigned *sum)
{
    bench_row row = bench_row_new(path, 100000);
    unsigned chains = 0;
    const uint64_t end = bench_now() + (uint64_t)(seconds_each * 1e9);
    do {
        const uint64_t begin = bench_now();
        if (exec)
            CUDA_CHECK(cudaGraphLaunch(exec, stream));
        else
            launch(stream, lanes, sum);
        CUDA_CHECK(cudaStreamSynchronize(stream));
        if (chains++)
            bench_add(&row, (double)(bench_now() - begin) / hops);
    } while (chains < 3 || bench_now() < end);
    bench_finish(out, &row);
    return chains;
}

int main(int argc, char **argv)
{
    bench_usage(argc, argv, "[--csv] [--quick] [--seconds N] [--hops N]");
    const bool quick = bench_flag(argc, argv, "--quick");
    seconds_each = quick ? 0.01 : bench_number(argc, argv, "--seconds", 1.0);
    hops = (unsigned)bench_number(argc, argv, "--hops", quick ? 100 : 1000);
    char settings[64], path[96];
    snprintf(settings, sizeof settings, "chains of %u, %g s a row", hops, seconds_each);
    const bench_output out = cuda_output("order", settings, bench_flag(argc, argv, "--csv"));
    bench_heading(&out);
    unsigned *sum, total = 0, wanted = 0;
    cudaStream_t stream;
    CUDA_CHECK(cudaStreamCreate(&stream));
    CUDA_CHECK(cudaMalloc(&sum, 4));
    CUDA_CHECK(cudaMemset(sum, 0, 4));
    for (unsigned lanes = 1; lanes <= 256; lanes *= 256) {
        cudaGraphExec_t exec = make_graph(stream, lanes, sum);
        snprintf(path, sizeof path, "CUDA graph of kernels of %u lanes: a hop", lanes);
        wanted += lanes * hops * measure(&out, path, stream, exec, lanes, sum);
        snprintf(path, sizeof path, "CUDA launches of %u lanes into a stream: a hop", lanes);
        wanted += lanes * hops * measure(&out, path, stream, NULL, lanes, sum);
        CUDA_CHECK(cudaGraphExecDestroy(exec));
    }
    CUDA_CHECK(cudaMemcpy(&total, sum, sizeof total, cudaMemcpyDeviceToHost));
    CUDA_CHECK(cudaStreamDestroy(stream));
    if (total != wanted) {
        fprintf(stderr, "order: %u lanes have run, not %u\n", total, wanted);
        return 1;
    }
    return 0;
}

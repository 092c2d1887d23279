/* What the CUDA twins share. */
#ifndef TWINS_CUDA_H
#define TWINS_CUDA_H

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

static bench_output cuda_output(const char *bench, const char *settings, bool csv)
{
    bench_output out = bench_cpu(bench, "us", settings, csv);
    cudaDeviceProp properties;
    int driver = 0, runtime = 0;
    CUDA_CHECK(cudaGetDeviceProperties(&properties, 0));
    CUDA_CHECK(cudaDriverGetVersion(&driver));
    CUDA_CHECK(cudaRuntimeGetVersion(&runtime));
    snprintf(out.device, sizeof out.device, "%.127s", properties.name);
    snprintf(out.driver, sizeof out.driver, "CUDA %d.%d, runtime %d.%d", driver / 1000,
             driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
    return out;
}

#endif

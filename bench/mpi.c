/* mpi: what it costs to reach another rank
 *
 *     mpirun -n 2 bench/mpi [--csv] [--quick] [--seconds N]
 *
 * Rank 0 sends, rank 1 answers; a sample is the time there and back.  Bytes alone, from the
 * size of a work up; a split's total to all ranks and their sums back; and a work that rank
 * 1 publishes on its own handle, whose end comes back, beside the same work at rank 0.
 */
#define _GNU_SOURCE
#define VYRE_IMPLEMENTATION
#include "../vyre.h"

#include "bench.h"

#include <mpi.h>

#define MOST (1u << 20)

static int         rank, ranks;
static double      seconds = 1;
static char        bytes[MOST];
static vyre       *v;
static const char *ways[] = { "64 bytes", "4 KB", "64 KB", "1 MB" };
static const int   sizes[] = { 64, 4096, 65536, MOST };

static const vyre_work nothing = { VYRE_OP_NOP, 0, VYRE_PRIORITY_NORMAL, 0, { 0 } };

static void run_here(const vyre_work *work)
{
    vyre_error err;
    vyre_ticket t;
    if (vyre_publish(v, work, &t, &err) != VYRE_OK ||
        vyre_wait(v, t, VYRE_FOREVER, &err) != VYRE_OK) {
        fprintf(stderr, "mpi: %s\n", err.text);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
}

static void echo(int size)
{
    MPI_Send(bytes, size, MPI_BYTE, 1 - rank, 1, MPI_COMM_WORLD);
    MPI_Recv(bytes, size, MPI_BYTE, 1 - rank, MPI_ANY_TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

static void there_and_back(int way)
{
    vyre_work work = nothing;
    uint32_t sum = 0;
    if (way < 4) {
        echo(sizes[way]);
    } else if (way == 4) {
        MPI_Allreduce(&rank, &sum, 1, MPI_UINT32_T, MPI_SUM, MPI_COMM_WORLD);
    } else if (way == 5) {
        MPI_Send(&work, (int)sizeof work, MPI_BYTE, 1, 2, MPI_COMM_WORLD);
        MPI_Recv(&sum, 1, MPI_UINT32_T, 1, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    } else {
        run_here(&work);
    }
}

/* Rank 1 answers until the tag is 0. */
static void answer(int way)
{
    MPI_Status status;
    vyre_work work;
    uint32_t sum = 0;
    for (;;) {
        MPI_Probe(0, MPI_ANY_TAG, MPI_COMM_WORLD, &status);
        if (status.MPI_TAG == 0)
            break;
        if (way == 4) {
            MPI_Recv(bytes, 0, MPI_BYTE, 0, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            MPI_Allreduce(&rank, &sum, 1, MPI_UINT32_T, MPI_SUM, MPI_COMM_WORLD);
        } else if (way == 5) {
            MPI_Recv(&work, (int)sizeof work, MPI_BYTE, 0, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            run_here(&work);
            MPI_Send(&sum, 1, MPI_UINT32_T, 0, 2, MPI_COMM_WORLD);
        } else {
            MPI_Recv(bytes, (int)MOST, MPI_BYTE, 0, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            MPI_Send(bytes, sizes[way], MPI_BYTE, 0, 1, MPI_COMM_WORLD);
        }
    }
    MPI_Recv(bytes, 0, MPI_BYTE, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

static void measure(const bench_output *out, int way, const char *name)
{
    if (rank == 1) {
        answer(way);
        return;
    }
    bench_row row = bench_row_new(name, 1000000);
    const uint64_t end = bench_now() + (uint64_t)(seconds * 1e9);
    do {
        const uint64_t begin = bench_now();
        if (way == 4) /* rank 1 asks what comes */
            MPI_Send(bytes, 0, MPI_BYTE, 1, 3, MPI_COMM_WORLD);
        there_and_back(way);
        bench_add(&row, (double)(bench_now() - begin));
    } while (bench_now() < end);
    MPI_Send(bytes, 0, MPI_BYTE, 1, 0, MPI_COMM_WORLD);
    bench_finish(out, &row);
}

int main(int argc, char **argv)
{
    char library[MPI_MAX_LIBRARY_VERSION_STRING], name[112];
    vyre_error err;
    vyre_info info;
    int length;
    bench_usage(argc, argv, "[--csv] [--quick] [--seconds N]");
    seconds = bench_flag(argc, argv, "--quick") ? 0.01
                                                : bench_number(argc, argv, "--seconds", seconds);
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    v = vyre_open(NULL, &err);
    if (ranks != 2 || !v || vyre_start(v, &err) < 0) {
        fprintf(stderr, "mpi: %s\n", ranks != 2 ? "run it with 2 ranks" : err.text);
        MPI_Abort(MPI_COMM_WORLD, 1);
        return 1;
    }
    vyre_query(v, &info);
    MPI_Get_library_version(library, &length);
    bench_output out = bench_cpu("mpi", "us", "", bench_flag(argc, argv, "--csv"));
    snprintf(out.settings, sizeof out.settings, "2 ranks of one machine, works on %.90s",
             info.device);
    snprintf(out.driver, sizeof out.driver, "%.*s", (int)strcspn(library, ",\n"), library);
    if (rank == 0)
        bench_heading(&out);
    for (int way = 0; way < 4; way++) {
        snprintf(name, sizeof name, "%s there and back", ways[way]);
        measure(&out, way, name);
    }
    measure(&out, 4, "a word from all ranks to all");
    measure(&out, 5, "a work that the other rank runs");
    if (rank == 0) {
        bench_row row = bench_row_new("the same work at this rank", 1000000);
        const uint64_t end = bench_now() + (uint64_t)(seconds * 1e9);
        do {
            const uint64_t begin = bench_now();
            there_and_back(6);
            bench_add(&row, (double)(bench_now() - begin));
        } while (bench_now() < end);
        bench_finish(&out, &row);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    vyre_close(v);
    MPI_Finalize();
    return 0;
}

/* Several machines, or several processes of one: each rank of an MPI program has a handle.
 *
 * First the numbers below 100,000 are split by vyre_split_at: each rank counts the primes in
 * its shares, and rank 0 adds up.  Then rank 0 publishes works that other ranks run: a
 * bridge carries each there and its end back.  Who hears nothing for SECONDS (10)
 * gives up, and takes all ranks along: MPI_Abort.
 *
 *     mpirun -n 4 mpi [cpu | vulkan [WORKS [SECONDS]]] */
#define _POSIX_C_SOURCE 200809L
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TOTAL = 100000, PRIMES = 0x1000, SQUARE, TAG_WORK = 1, TAG_END, TAG_STOP, AT_ONCE = 32 };

static const vyre_handler handlers[2] = {
    { PRIMES, NULL, NULL, "primes", VYRE_WIDTH_RANGE, 0,
      "uint prime = index > 1u ? 1u : 0u;\n"
      "for (uint d = 2; d * d <= index && prime == 1u; d++) if (index % d == 0u) prime = 0u;\n"
      "reduce_add(2, prime);\n" },
    { SQUARE, NULL, NULL, "square", VYRE_WIDTH_LANE, 0,
      "if (arg[0] % 100 == 99) fault(0x100u); else result(0, arg[0] * arg[0]);\n" },
};

/* A work on its way, or its end on the way back. */
typedef struct letter {
    uint32_t  id;
    int32_t   status;
    vyre_work work; /* an end has its results in args */
} letter;

static int    rank, ranks;
static double heard, patience = 10;
static vyre  *v;

static void give_up(const char *why, const char *what)
{
    fprintf(stderr, "mpi: rank %d: %s%s\n", rank, why, what);
    MPI_Abort(MPI_COMM_WORLD, 1);
    exit(1);
}

/* Called by whoever has nothing to do but to wait. */
static void idle(bool news)
{
    const struct timespec nap = { 0, 20000 };
    if (news)
        heard = MPI_Wtime();
    else if (MPI_Wtime() - heard > patience)
        give_up("no answer in time", "");
    else
        nanosleep(&nap, NULL);
}

static void finish(MPI_Request *request)
{
    for (int done = 0; !done; idle(done))
        MPI_Test(request, &done, MPI_STATUS_IGNORE);
}

/* The letter goes out without being waited for: MPI keeps small ones. */
static void post(const letter *l, int to, int tag)
{
    MPI_Send(l, (int)sizeof *l, MPI_BYTE, to, tag, MPI_COMM_WORLD);
}

/* The tag of the letter that has come; 0: none has. */
static int receive(letter *l)
{
    MPI_Status status;
    int there = 0;
    MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &there, &status);
    if (there)
        MPI_Recv(l, (int)sizeof *l, MPI_BYTE, status.MPI_SOURCE, status.MPI_TAG, MPI_COMM_WORLD,
                 MPI_STATUS_IGNORE);
    return there ? status.MPI_TAG : 0;
}

/* --- shares ------------------------------------------------------------------ */

/* Every rank computes the same shares: nobody tells anybody. */
static uint32_t count_primes(void)
{
    vyre_error err;
    uint32_t sum = 0, all = 0, args[12];
    for (uint64_t i = (uint64_t)rank; i < vyre_split_count(TOTAL, (uint32_t)ranks, NULL);
         i += (uint64_t)ranks) {
        const vyre_share share = vyre_split_at(TOTAL, (uint32_t)ranks, i);
        const vyre_work work = { PRIMES, 0, VYRE_PRIORITY_NORMAL, 2,
                                 { (uint32_t)share.first, (uint32_t)(share.first + share.count) } };
        vyre_ticket t;
        if (vyre_publish(v, &work, &t, &err) != VYRE_OK ||
            vyre_wait_result(v, t, VYRE_FOREVER, args, &err) != VYRE_OK)
            give_up("", err.text);
        sum += args[2];
    }
    MPI_Request request;
    MPI_Ireduce(&sum, &all, 1, MPI_UINT32_T, MPI_SUM, 0, MPI_COMM_WORLD, &request);
    finish(&request);
    return all;
}

/* --- the bridge -------------------------------------------------------------- */

/* Publishes what comes, and sends ends back, until it is told to stop. */
static void serve(void)
{
    letter open[AT_ONCE], l;
    vyre_ticket tickets[AT_ONCE];
    uint32_t count = 0;
    vyre_error err;
    for (int tag = 0; tag != TAG_STOP || count; idle(tag == TAG_WORK || count)) {
        tag = tag == TAG_STOP ? tag : receive(&l);
        if (tag == TAG_WORK) {
            if (vyre_publish(v, &l.work, &tickets[count], &err) != VYRE_OK)
                give_up("", err.text);
            open[count++] = l;
        }
        for (uint32_t i = count; i-- > 0;) {
            open[i].status = vyre_poll(v, tickets[i]);
            if (open[i].status == VYRE_PENDING)
                continue;
            if (open[i].status == VYRE_OK)
                open[i].status = vyre_result(v, tickets[i], open[i].work.args, NULL);
            post(&open[i], 0, TAG_END);
            open[i] = open[--count];
            tickets[i] = tickets[count];
        }
    }
}

/* At rank 0: every other one has so many works at a time as it can hold.  How many ended
 * wrong. */
static uint32_t forward(uint32_t works)
{
    uint32_t next = 0, ended = 0, wrong = 0;
    letter l;
    memset(&l, 0, sizeof l);
    while (ended < works) {
        const int tag = next < works && next - ended < AT_ONCE ? TAG_WORK : receive(&l);
        if (tag == TAG_WORK) {
            l.id = next;
            l.work.opcode = SQUARE;
            l.work.arg_count = 1;
            l.work.args[0] = next;
            post(&l, 1 + (int)(next++ % (uint32_t)(ranks - 1)), TAG_WORK);
        } else if (tag == TAG_END) {
            wrong += l.id % 100 == 99 ? l.status != VYRE_E_FAULT
                                      : l.status != VYRE_OK || l.work.args[0] != l.id * l.id;
            ended++;
        }
        idle(tag != 0);
    }
    for (int to = 1; to < ranks; to++)
        post(&l, to, TAG_STOP);
    return wrong;
}

int main(int argc, char **argv)
{
    vyre_desc desc;
    vyre_error err;
    uint32_t wrong = 0;
    const uint32_t works = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 0) : 1000;
    patience = argc > 3 ? atof(argv[3]) : patience;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    memset(&desc, 0, sizeof desc);
    if (argc > 1)
        desc.backend = strcmp(argv[1], "cpu") ? VYRE_BACKEND_VULKAN : VYRE_BACKEND_CPU;
    desc.kernel.handlers = handlers;
    desc.kernel.handler_count = 2;
    desc.cpu_threads = 1;
    v = vyre_open(&desc, &err);
    if (!v || vyre_start(v, &err) < 0)
        give_up("", err.text);
    heard = MPI_Wtime() + 60; /* the others open their devices, and compute */
    const uint32_t primes = count_primes();
    heard = MPI_Wtime();
    if (rank == 0)
        printf("mpi: %d ranks, %u primes\n", ranks, primes);
    fflush(stdout);
    if (rank > 0)
        serve();
    else if (ranks > 1)
        wrong = forward(works);
    if (rank == 0 && ranks > 1)
        printf("mpi: %u works forwarded, %u wrong\n", works, wrong);
    vyre_close(v);
    MPI_Finalize();
    return wrong != 0;
}

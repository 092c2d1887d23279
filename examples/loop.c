/* Jobs in event loops: eight threads, each with an epoll of its own, and 64 jobs in
 * flight.  A job's end is an event like any other: vyre_on_end writes to an eventfd, and
 * no thread blocks anywhere but in its epoll_wait.
 *
 *     loop [cpu | vulkan [jobs of each thread]] */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define THREADS   8
#define FLIGHT    64
#define OP_SQUARE 0x1000u

typedef struct loop loop;

typedef struct job {
    loop       *of;
    vyre_ticket ticket;
    uint32_t    x;
    bool        busy;  /* the loop's own */
    bool        ended; /* set by whoever sees the end, atomically */
} job;

struct loop {
    vyre    *v;
    int      events, epoll;
    uint32_t wanted, sent, done, wrong;
    job      jobs[FLIGHT];
};

/* On any thread, this one as well: only says that there is something to do. */
static void on_end(void *user, vyre_ticket t, vyre_status status)
{
    job *j = (job *)user;
    const uint64_t one = 1;
    (void)t, (void)status;
    const int events = j->of->events;
    __atomic_store_n(&j->ended, true, __ATOMIC_RELEASE);
    if (write(events, &one, sizeof one) != sizeof one)
        abort();
}

static void finish(loop *l, job *j)
{
    uint32_t args[12] = { 0 };
    const vyre_status status = vyre_result(l->v, j->ticket, args, NULL);
    l->wrong += status != VYRE_OK || args[0] != j->x * j->x;
    l->done++;
    j->busy = false;
}

/* False: the ring is full, and the next end is an occasion to try again. */
static bool begin(loop *l, job *j)
{
    const vyre_work work = { OP_SQUARE, 0, VYRE_PRIORITY_NORMAL, 1, { l->sent } };
    if (vyre_publish(l->v, &work, &j->ticket, NULL) != VYRE_OK)
        return false;
    j->of = l;
    j->x = l->sent++;
    j->busy = true;
    __atomic_store_n(&j->ended, false, __ATOMIC_RELAXED);
    l->wrong += vyre_on_end(l->v, j->ticket, on_end, j, NULL) != VYRE_OK;
    return true;
}

static void serve(loop *l)
{
    bool room = true;
    for (uint32_t i = 0; i < FLIGHT; i++) {
        job *j = &l->jobs[i];
        if (j->busy && __atomic_load_n(&j->ended, __ATOMIC_ACQUIRE))
            finish(l, j);
        if (!j->busy && room && l->sent < l->wanted)
            room = begin(l, j);
    }
}

static void *run(void *user)
{
    loop *l = (loop *)user;
    struct epoll_event event = { .events = EPOLLIN, .data = { .fd = l->events } };
    uint64_t ends;
    epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->events, &event);
    while (l->done < l->wanted) {
        serve(l);
        /* The timeout is for a thread that the ring had no slot for. */
        if (l->done < l->wanted && epoll_wait(l->epoll, &event, 1, 10) == 1 &&
            read(l->events, &ends, sizeof ends) != sizeof ends)
            abort();
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static loop loops[THREADS];
    const vyre_handler square = { .opcode = OP_SQUARE, .name = "square",
                                  .source = "result(0, arg[0] * arg[0]);" };
    pthread_t threads[THREADS];
    uint32_t done = 0, wrong = 0;
    vyre_desc desc;
    vyre_error err;
    memset(&desc, 0, sizeof desc);
    if (argc > 1)
        desc.backend = strcmp(argv[1], "cpu") ? VYRE_BACKEND_VULKAN : VYRE_BACKEND_CPU;
    desc.kernel.handlers = &square;
    desc.kernel.handler_count = 1;
    desc.keep_results = true;  /* until the loop comes by */
    desc.helper_thread = true; /* ends are seen while all loops sleep */

    vyre *v = vyre_open(&desc, &err);
    if (!v || vyre_start(v, &err) != VYRE_OK) {
        fprintf(stderr, "loop: %s\n%s\n", err.text, err.fix);
        return 1;
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        loops[i].v = v;
        loops[i].wanted = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 0) : 1000;
        loops[i].events = eventfd(0, EFD_NONBLOCK);
        loops[i].epoll = epoll_create1(0);
        pthread_create(&threads[i], NULL, run, &loops[i]);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        done += loops[i].done;
        wrong += loops[i].wrong;
    }
    vyre_close(v); /* nobody calls on_end any more */
    for (uint32_t i = 0; i < THREADS; i++) {
        close(loops[i].epoll);
        close(loops[i].events);
    }
    printf("loop: %u jobs in %d loops, %u wrong\n", (unsigned)done, THREADS, (unsigned)wrong);
    return wrong != 0;
}

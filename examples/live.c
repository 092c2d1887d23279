/* Two threads publish into a kernel that is already running.
 *
 *     live [cpu | vulkan]
 *
 * Each adds 1 to 10,000 into an observable of its own, one job a number, and
 * waits only when the ring is full. */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define NUMBERS 10000u

typedef struct producer {
    vyre    *v;
    uint32_t observable, full;
    vyre_error err;
    bool     failed;
} producer;

static void *produce(void *user)
{
    producer *self = (producer *)user;
    vyre_work work = { VYRE_OP_ATOMIC_ADD, 0, VYRE_PRIORITY_NORMAL, 2, { 0 } };
    vyre_ticket last;
    memset(&last, 0, sizeof last);
    work.args[1] = VYRE_CONTROL_OBSERVABLES + self->observable;

    for (uint32_t number = 1; number <= NUMBERS;) {
        work.args[0] = number;
        vyre_ticket ticket;
        const vyre_status status = vyre_publish(self->v, &work, &ticket, &self->err);
        if (status == VYRE_OK) {
            last = ticket;
            number++;
        } else if (status != VYRE_FULL) {
            self->failed = true;
            return NULL;
        } else if (last.generation) { /* every slot is in use: wait for one of ours */
            self->full++;
            if (vyre_wait(self->v, last, VYRE_FOREVER, &self->err) < 0) {
                self->failed = true;
                return NULL;
            }
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    vyre_desc desc;
    vyre_error err;
    vyre_info info;
    memset(&desc, 0, sizeof desc);
    if (argc > 1)
        desc.backend = strcmp(argv[1], "cpu") ? VYRE_BACKEND_VULKAN : VYRE_BACKEND_CPU;
    vyre *v = vyre_open(&desc, &err);
    if (!v || vyre_start(v, &err) != VYRE_OK) {
        fprintf(stderr, "live: %s\n%s\n", err.text, err.fix);
        return 1;
    }

    producer producers[2];
    pthread_t threads[2];
    memset(producers, 0, sizeof producers);
    for (uint32_t i = 0; i < 2; i++) {
        producers[i].v = v;
        producers[i].observable = i;
        if (pthread_create(&threads[i], NULL, produce, &producers[i]) != 0)
            return 1;
    }
    for (uint32_t i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        if (producers[i].failed) {
            fprintf(stderr, "live: %s\n%s\n", producers[i].err.text, producers[i].err.fix);
            return 1;
        }
    }
    if (vyre_drain(v, VYRE_FOREVER, &err) != VYRE_OK)
        return 1;

    uint32_t sums[2] = { 0, 0 };
    for (uint32_t i = 0; i < 2; i++)
        vyre_observable(v, i, &sums[i], &err);
    vyre_query(v, &info);
    printf("live: sums %u and %u\n", (unsigned)sums[0], (unsigned)sums[1]);
    fprintf(stderr, "live: %s, %s mode; the ring was full %u times\n", info.device,
            info.mode == VYRE_MODE_PERSISTENT ? "persistent" : "pass",
            (unsigned)(producers[0].full + producers[1].full));
    vyre_close(v);
    return sums[0] != NUMBERS * (NUMBERS + 1) / 2 || sums[1] != sums[0];
}

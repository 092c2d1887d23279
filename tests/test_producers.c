/* Two producers, one consumer and somebody who watches, on one ring, under
 * ThreadSanitizer, which does not go together with AddressSanitizer. The
 * library is compiled in, so that it is instrumented, too.
 *
 * SLOTS in the environment replaces the number of slots that each producer
 * publishes. */
#undef VYI_ON_FAIL /* the hook of the status check is for one thread */
#define VYRE_NO_VULKAN
#define VYRE_STATIC
#define VYRE_IMPLEMENTATION
#include "test.h"
#include "vyre.h"

#include <pthread.h>
#include <sched.h>

#define PRODUCERS  2u
#define RING_SLOTS 64u
#define BATCH      4u /* slots, its fence included */

static uint32_t ring[RING_SLOTS * VYRE_SLOT_WORDS];
static uint32_t per_producer;
static uint32_t over; /* atomic */

typedef struct producer {
    pthread_t thread;
    uint32_t  index, sent;
    unsigned  refused, waited;
} producer;

static vyre_work make_work(const producer *p, uint32_t number)
{
    vyre_work work;
    memset(&work, 0, sizeof work);
    work.opcode = VYRE_OP_USER + p->index;
    work.tenant = p->index;
    work.arg_count = VYRE_MAX_ARGS;
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
        work.args[i] = number + i;
    return work;
}

/* Plain memory that goes with a slot: only the order that publish, claim and
 * done make keeps it from being a data race. */
static uint32_t beside[RING_SLOTS];

/* Waits until the slots are free; they are this producer's only. */
static void take_slots(producer *p, uint32_t first, uint32_t count)
{
    for (uint32_t slot = first; slot < first + count; slot++) {
        vyre_slot s;
        while (vyre_ring_read(ring, sizeof ring, slot, &s, NULL) < 0 ||
               (s.state != VYRE_SLOT_EMPTY && s.state != VYRE_SLOT_DONE)) {
            p->waited++;
            sched_yield();
        }
        beside[slot] = p->sent + (slot - first);
    }
}

static void send_one(producer *p, uint32_t slot)
{
    vyre_work work = make_work(p, p->sent);
    take_slots(p, slot, 1);
    p->refused += vyre_ring_publish(ring, sizeof ring, slot, &work, NULL) < 0;
    p->sent++;
}

static void send_batch(producer *p, uint32_t first)
{
    vyre_work works[BATCH - 1];
    for (uint32_t i = 0; i < BATCH - 1; i++)
        works[i] = make_work(p, p->sent + i);
    take_slots(p, first, BATCH);
    p->refused += vyre_ring_publish_batch(ring, sizeof ring, first, works, BATCH - 1, p->sent,
                                          NULL) < 0;
    p->sent += BATCH - 1;
}

/* Works and batches in turn, in the producer's half of the ring. */
static void *produce(void *user)
{
    producer *p = (producer *)user;
    uint32_t base = p->index * (RING_SLOTS / PRODUCERS), slot = 0;
    while (p->sent + BATCH <= per_producer) {
        if (slot + BATCH <= RING_SLOTS / PRODUCERS && slot % 8 == 0) {
            send_batch(p, base + slot);
            slot += BATCH;
        } else {
            send_one(p, base + slot);
            slot++;
        }
        slot %= RING_SLOTS / PRODUCERS;
    }
    return NULL;
}

/* Counts what is seen, and that nothing is lost, doubled or torn. */
static struct {
    uint32_t seen[PRODUCERS], fences, wrong;
} consumed;

static uint64_t marks[PRODUCERS][1u << 15]; /* a bit for each work */

static void consume_slot(uint32_t slot)
{
    vyre_slot s;
    if (vyre_ring_transition(ring, sizeof ring, slot, VYRE_TRANSITION_CLAIM, NULL, NULL) < 0)
        return;
    consumed.wrong += vyre_ring_read(ring, sizeof ring, slot, &s, NULL) < 0;
    if (s.opcode == VYRE_OP_BATCH_FENCE) {
        consumed.fences++;
    } else {
        uint32_t p = s.opcode - VYRE_OP_USER, number = s.args[0];
        consumed.wrong += p >= PRODUCERS || s.tenant != p || number >= 64u << 15;
        consumed.wrong += beside[slot] != number;
        for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
            consumed.wrong += s.args[i] != number + i;
        if (consumed.wrong == 0) {
            consumed.wrong += marks[p][number / 64] >> (number % 64) & 1;
            marks[p][number / 64] |= (uint64_t)1 << (number % 64);
            consumed.seen[p]++;
        }
    }
    consumed.wrong +=
        vyre_ring_transition(ring, sizeof ring, slot, VYRE_TRANSITION_DONE, NULL, NULL) < 0;
}

static void *consume(void *user)
{
    (void)user;
    bool last;
    do {
        last = vyi_load_acquire(&over) != 0;
        for (uint32_t slot = 0; slot < RING_SLOTS; slot++)
            consume_slot(slot);
        sched_yield();
    } while (!last);
    return NULL;
}

/* Reads slots while they are being published and done. */
static void *watch(void *user)
{
    unsigned *wrong = (unsigned *)user;
    while (!vyi_load_acquire(&over)) {
        uint32_t count = 0;
        vyre_slot s;
        *wrong += vyre_ring_count(ring, sizeof ring, VYRE_SLOT_PUBLISHED, &count, NULL) < 0;
        *wrong += count > RING_SLOTS;
        *wrong += vyre_ring_read(ring, sizeof ring, count % RING_SLOTS, &s, NULL) < 0;
        sched_yield();
    }
    return NULL;
}

static void no_slot_is_lost_or_doubled(void)
{
    const char *text = getenv("SLOTS");
    per_producer = text ? (uint32_t)strtoul(text, NULL, 0) : 520000;
    CHECK(per_producer < 64u << 15);
    producer producers[PRODUCERS];
    pthread_t consumer, watcher;
    unsigned watched_wrong = 0;
    memset(producers, 0, sizeof producers);
    CHECK_EQ(pthread_create(&consumer, NULL, consume, NULL), 0);
    CHECK_EQ(pthread_create(&watcher, NULL, watch, &watched_wrong), 0);
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        producers[i].index = i;
        CHECK_EQ(pthread_create(&producers[i].thread, NULL, produce, &producers[i]), 0);
    }
    for (uint32_t i = 0; i < PRODUCERS; i++)
        pthread_join(producers[i].thread, NULL);
    vyi_store_release(&over, 1);
    pthread_join(consumer, NULL);
    pthread_join(watcher, NULL);

    CHECK_EQ(consumed.wrong, 0);
    CHECK_EQ(watched_wrong, 0);
    uint32_t total = consumed.fences;
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        CHECK_EQ(producers[i].refused, 0);
        CHECK_EQ(consumed.seen[i], producers[i].sent);
        total += consumed.seen[i];
    }
    printf("NOTE %u slots through one ring\n", total);
}

int main(void)
{
    RUN(no_slot_is_lost_or_doubled);
    return test_end();
}

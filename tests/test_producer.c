/* Producers: a share of the ring each, from which slots are neither lost, nor given
 * twice, nor taken by others.  And the pool, of all other slots: one thread's as
 * long as only one publishes there, then everybody's.  White box: a test looks at
 * marks and owners, and stands where another thread would. */
#include "inside.h"
#include "engine.h"
#include "oom.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
    #include <linux/filter.h>
    #include <linux/seccomp.h>
    #include <sys/prctl.h>
#endif

/* --- threads that do as they are told ------------------------------------- */

typedef struct worker {
    pthread_t   thread;
    vyre       *v;
    vyre_producer *p;
    uint32_t    orders, done; /* counted */
    bool        over;
    void      (*body)(struct worker *);
    vyre_ticket ticket;
    vyre_status status;
} worker;

static void *worker_main(void *user)
{
    worker *w = (worker *)user;
    for (uint32_t turn = 1;; turn++) {
        while (vyi_load_acquire(&w->orders) < turn)
            vyi_sleep(100000);
        if (w->over)
            return NULL;
        w->body(w);
        vyi_store_release(&w->done, turn);
    }
}

static void worker_begin(worker *w, vyre *v)
{
    memset(w, 0, sizeof *w);
    w->v = v;
    CHECK_EQ(pthread_create(&w->thread, NULL, worker_main, w), 0);
}

static void worker_order(worker *w, void (*body)(worker *))
{
    w->body = body;
    vyi_store_release(&w->orders, w->orders + 1);
}

static bool worker_is_done(const worker *w)
{
    return vyi_load_acquire(&w->done) == w->orders;
}

static void worker_do(worker *w, void (*body)(worker *))
{
    worker_order(w, body);
    while (!worker_is_done(w))
        vyi_sleep(100000);
}

static void worker_end(worker *w)
{
    w->over = true;
    vyi_store_release(&w->orders, w->orders + 1);
    pthread_join(w->thread, NULL);
}

static void publish_one(worker *w)
{
    const vyre_work work = engine_add(1);
    w->status = vyre_publish(w->v, &work, &w->ticket, NULL);
}

/* --- handles --------------------------------------------------------------- */

static vyre *open_ring(uint32_t slots)
{
    vyre_desc d = engine_desc(slots);
    d.backend = VYRE_BACKEND_CPU;
    return engine_open(&d);
}

/* The caller has published into the pool and another thread as well, so it is nobody's. */
static void share(vyre *v)
{
    static worker w;
    (void)engine_publish(v, engine_add(1));
    worker_begin(&w, v);
    worker_do(&w, publish_one);
    worker_end(&w);
    CHECK_EQ(w.status, VYRE_OK);
    CHECK_EQ((uintptr_t)vyi_load_pointer(&v->queue.slots.pool.thread), VYI_OWNER_MANY);
}

static uint32_t marks_in(const vyre *v, uint32_t phase)
{
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < v->queue.slots.count; slot++)
        count += vyi_mark_phase(vyi_load_acquire(&v->queue.slots.marks[slot])) == phase;
    return count;
}

/* As the kernel does when it has run a work. */
static void end_work(vyre *v, uint32_t slot, uint32_t outcome)
{
    uint32_t *mirror = vyi_device_words(vyi_queue_device(&v->queue), v->queue.slots.mirror);
    uint32_t *ring = vyi_device_words(vyi_queue_device(&v->queue), VYI_ROLE_RING);
    vyi_store_release(&ring[slot * VYRE_SLOT_WORDS], vyi_le32(outcome & 0xffu));
    vyi_store_release(&mirror[slot], vyi_le32(outcome));
}

static void end_all(vyre *v)
{
    for (uint32_t slot = 0; slot < v->queue.slots.count; slot++)
        if (vyi_mark_phase(vyi_load_acquire(&v->queue.slots.marks[slot])) == VYI_PHASE_FLIGHT)
            end_work(v, slot, VYRE_SLOT_DONE);
}

/* Into the pool, or the producer's share. */
static uint32_t fill(vyre *v, vyre_producer *p, uint32_t batch)
{
    vyre_work works[64];
    uint32_t sum = 0, published = 0;
    vyre_status status = VYRE_OK;
    for (uint32_t i = 0; i < 64; i++)
        works[i] = engine_add(1);
    while (status == VYRE_OK && sum < 100000) {
        published = 1;
        if (batch == 1)
            status = p ? vyre_producer_publish(p, works, NULL, NULL)
                       : vyre_publish(v, works, NULL, NULL);
        else
            status = p ? vyre_producer_publish_many(p, works, batch, &published, NULL, NULL)
                       : vyre_publish_many(v, works, batch, &published, NULL, NULL);
        sum += status == VYRE_OK || batch > 1 ? published : 0;
    }
    CHECK_EQ(status, VYRE_FULL);
    return sum;
}

static vyre_ticket send(vyre_producer *p)
{
    const vyre_work work = engine_add(1);
    vyre_ticket t = { 0, 0 };
    vyre_error err;
    memset(&err, 0, sizeof err);
    const vyre_status status = vyre_producer_publish(p, &work, &t, &err);
    if (status != VYRE_OK)
        test_fail(__FILE__, __LINE__, "publish: %d %s", (int)status, err.text);
    return t;
}

static uint32_t slots_of(const vyre *v, const vyre_producer *p)
{
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < v->queue.slots.count; slot++)
        count += vyi_load_owner(&v->queue, slot) == &p->owner;
    return count;
}

/* --- shares ----------------------------------------------------------------- */

/* Each is full when its own slots are in use, and so is the pool. */
static void a_share_is_full_by_itself(uint32_t slots, uint32_t share_slots, uint32_t batch)
{
    vyre *v = open_ring(slots);
    vyre_producer *a = vyre_producer_open(v, share_slots, NULL);
    vyre_producer *b = vyre_producer_open(v, share_slots, NULL);
    CHECK(a && b && a != b);
    for (uint32_t round = 0; round < 3; round++) {
        CHECK_EQ(fill(v, a, batch), share_slots);
        CHECK_EQ(vyi_queue_pending(&v->queue), share_slots);
        CHECK_EQ(fill(v, NULL, batch), slots - 2 * share_slots);
        CHECK_EQ(fill(v, b, batch), share_slots);
        CHECK_EQ(vyi_queue_pending(&v->queue), slots);
        CHECK_EQ(fill(v, a, batch), 0);
        end_all(v);
        if (round == 1 && slots - 2 * share_slots > 1)
            share(v); /* into the pool by many from now on */
        end_all(v);
    }
    vyre_producer_close(a);
    CHECK_EQ(fill(v, b, batch), share_slots);
    CHECK_EQ(fill(v, NULL, batch), slots - share_slots); /* close gives slots back */
    end_all(v);
    vyre_close(v);
}

static void shares_are_full_by_themselves(void)
{
    static const uint32_t slots[] = { 3, 4, 64, 96, 256, 4096 };
    for (uint32_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
        const uint32_t third = slots[i] / 3;
        a_share_is_full_by_itself(slots[i], third, 1);
        a_share_is_full_by_itself(slots[i], third, 48);
        a_share_is_full_by_itself(slots[i], 1, 7);
    }
}

static void what_is_not_there_is_refused(void)
{
    vyre *v = open_ring(64);
    vyre_error err;
    vyre_producer *p;
    const vyre_work work = engine_add(1);
    memset(&err, 0, sizeof err);
    CHECK(!vyre_producer_open(NULL, 1, &err));
    CHECK_EQ(err.status, VYRE_E_ARGUMENT);
    CHECK(!vyre_producer_open(v, 64, &err)); /* one stays with vyre_publish */
    CHECK_EQ(err.status, VYRE_FULL);
    CHECK_EQ(err.at, 64);
    CHECK(!vyre_producer_open(v, UINT32_MAX, &err));
    CHECK_EQ(err.status, VYRE_FULL);
    CHECK((p = vyre_producer_open(v, 63, &err)) != NULL);
    CHECK_EQ(slots_of(v, p), 63);
    CHECK(!vyre_producer_open(v, 1, &err));
    CHECK_EQ(err.status, VYRE_FULL);
    CHECK_EQ(fill(v, NULL, 1), 1);
    vyre_producer_close(p);
    vyre_producer_close(NULL);
    CHECK((p = vyre_producer_open(v, 0, &err)) != NULL);
    CHECK_EQ(slots_of(v, p), 8);
    CHECK_EQ(vyre_producer_publish(NULL, &work, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_producer_publish(p, NULL, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_producer_publish_many(p, NULL, 1, NULL, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_producer_publish_many(p, NULL, 0, NULL, NULL, &err), VYRE_OK);
    vyre_work bad = work;
    bad.arg_count = VYRE_MAX_ARGS + 1;
    CHECK_EQ(vyre_producer_publish(p, &bad, NULL, &err), VYRE_E_TOO_MANY_ARGS);
    vyre_close(v); /* closes the producer, too */
    v = open_ring(4); /* an eighth of the slots, but one at least */
    CHECK((p = vyre_producer_open(v, 0, &err)) != NULL);
    CHECK_EQ(slots_of(v, p), 1);
    vyre_close(v);
}

/* Holes that closed producers leave are found again. */
static void shares_come_and_go(void)
{
    enum { SLOTS = 100, MOST = 20 };
    vyre_producer *p[MOST] = { NULL };
    uint64_t seed = 7;
    vyre *v = open_ring(SLOTS);
    for (uint32_t i = 0; i < 2000; i++) {
        const uint32_t at = (uint32_t)(test_random(&seed) >> 33) % MOST;
        const uint32_t want = 1 + (uint32_t)(test_random(&seed) >> 33) % 12;
        if (p[at]) {
            vyre_producer_close(p[at]);
            p[at] = NULL;
        } else if ((p[at] = vyre_producer_open(v, want, NULL)) != NULL) {
            CHECK_EQ(slots_of(v, p[at]), want);
            CHECK_EQ(fill(v, p[at], 1), want);
        }
        CHECK(vyi_load_owner(&v->queue, 0) == &v->queue.slots.pool);
        end_all(v);
    }
    for (uint32_t i = 0; i < MOST; i++)
        vyre_producer_close(p[i]);
    CHECK_EQ(fill(v, NULL, 1), SLOTS);
    vyre_close(v);
}

/* What is under way in a share stays so, and keeps its ticket. */
static void works_outlive_a_change_of_owner(void)
{
    enum { SLOTS = 64 };
    vyre_ticket t[SLOTS];
    uint32_t args[12];
    vyre *v = open_ring(SLOTS);
    for (uint32_t i = 0; i < SLOTS; i++)
        t[i] = engine_publish(v, engine_add(1));
    vyre_producer *p = vyre_producer_open(v, 32, NULL);
    CHECK(p);
    const vyre_work work = engine_add(1);
    CHECK_EQ(vyre_producer_publish(p, &work, NULL, NULL), VYRE_FULL);
    for (uint32_t i = 0; i < SLOTS; i++) {
        CHECK_EQ(vyre_poll(v, t[i]), VYRE_PENDING);
        end_work(v, vyre_ticket_slot(t[i]), i % 2 ? VYRE_SLOT_DONE
                                     : VYRE_SLOT_FAULTED | VYRE_FAULT_OPCODE << 8);
    }
    for (uint32_t i = 0; i < 32; i++) { /* the first ones of a share are asked for later */
        const vyre_ticket now = send(p);
        CHECK(vyre_ticket_slot(now) >= 32 && vyre_ticket_slot(now) < SLOTS);
        end_work(v, vyre_ticket_slot(now), VYRE_SLOT_DONE);
        CHECK_EQ(vyre_poll(v, now), VYRE_OK);
    }
    for (uint32_t i = 0; i < SLOTS; i++)
        CHECK_EQ(vyre_poll(v, t[i]), i % 2 ? VYRE_OK : VYRE_E_FAULT);
    const vyre_ticket last = send(p);
    vyre_producer_close(p);
    CHECK_EQ(vyre_poll(v, last), VYRE_PENDING);
    end_work(v, vyre_ticket_slot(last), VYRE_SLOT_DONE);
    CHECK_EQ(vyre_poll(v, last), VYRE_OK);
    CHECK_EQ(vyre_result(v, last, args, NULL), VYRE_OK);
    CHECK_EQ(vyre_drain(v, SECOND, NULL), VYRE_OK); /* every fault was asked for */
    vyre_close(v);
}

/* A publisher into the pool that has looked before the slot became a share's. */
static void a_late_claim_fails(void)
{
    vyre *v = open_ring(64);
    const uint32_t slot = 63, before = vyi_load_acquire(&v->queue.slots.marks[slot]);
    vyre_producer *p = vyre_producer_open(v, 1, NULL);
    CHECK(p && vyi_load_owner(&v->queue, slot) == &p->owner);
    CHECK(!vyi_mark_move(&v->queue, slot, before, vyi_mark_next(before)));
    CHECK(!vyi_slot_claim(&v->queue, &v->queue.slots.pool, slot));
    const uint32_t during = vyi_load_acquire(&v->queue.slots.marks[slot]);
    CHECK_EQ(vyi_mark_generation(during), vyi_mark_generation(before));
    vyre_producer_close(p);
    CHECK(!vyi_mark_move(&v->queue, slot, during, vyi_mark_next(during)));
    CHECK(vyi_slot_claim(&v->queue, &v->queue.slots.pool, slot));
    vyi_store_release(&v->queue.slots.marks[slot], before);
    vyre_close(v);
}

/* Of five levels of 64 slots each the producer has 16. */
static void each_priority_has_a_share(void)
{
    vyre_desc d = engine_desc(5 * 64);
    d.backend = VYRE_BACKEND_CPU;
    d.kernel.workgroup_size = 64;
    d.kernel.kind = VYRE_KERNEL_PRIORITY;
    vyre *v = engine_open(&d);
    vyre_producer *p = vyre_producer_open(v, 16, NULL);
    CHECK(p);
    CHECK_EQ(slots_of(v, p), 5 * 16);
    for (uint32_t i = 0; i < VYRE_PRIORITY_LEVELS; i++) {
        vyre_work works[64];
        uint32_t sum = 0, published = 0;
        vyre_ticket t;
        for (uint32_t n = 0; n < 64; n++) {
            works[n] = engine_add(1);
            works[n].priority = (vyre_priority)i;
        }
        CHECK_EQ(vyre_producer_publish_many(p, works, 40, &published, &t, NULL), VYRE_FULL);
        CHECK_EQ(published, 16);
        const vyi_share *share = &p->owner.shares[vyi_priority_level((vyre_priority)i)];
        CHECK(vyre_ticket_slot(t) >= share->first && vyre_ticket_slot(t) < share->first + share->count);
        while (vyre_publish(v, works, NULL, NULL) == VYRE_OK)
            sum++;
        CHECK_EQ(sum, 64 - 16);
    }
    CHECK_EQ(marks_in(v, VYI_PHASE_FLIGHT), 5 * 64);
    CHECK(!vyre_producer_open(v, 48, NULL));
    vyre_close(v);
    d.kernel.slot_count = 4; /* all of them are NORMAL's */
    d.kernel.workgroup_size = 4;
    v = engine_open(&d);
    CHECK((p = vyre_producer_open(v, 3, NULL)) != NULL);
    CHECK_EQ(fill(v, p, 1), 3);
    vyre_close(v);
}

/* A result stays until the share has gone round, whatever others publish. */
static void results_stay_for_a_round_of_the_share(void)
{
    enum { SLOTS = 64, SHARE = 16 };
    uint32_t args[12];
    vyre_ticket t[SHARE + 1];
    vyre *v = open_ring(SLOTS);
    vyre_producer *p = vyre_producer_open(v, SHARE, NULL);
    CHECK(p);
    for (uint32_t i = 0; i < 10 * SHARE; i++) {
        for (uint32_t n = 0; n < SLOTS / 4; n++) {
            const vyre_ticket other = engine_publish(v, engine_add(1));
            end_work(v, vyre_ticket_slot(other), VYRE_SLOT_DONE);
        }
        if (i > SHARE)
            CHECK_EQ(vyre_result(v, t[(i - SHARE) % (SHARE + 1)], args, NULL), VYRE_OK);
        t[i % (SHARE + 1)] = send(p);
        if (i > SHARE)
            CHECK_EQ(vyre_result(v, t[(i - SHARE) % (SHARE + 1)], args, NULL), VYRE_E_STALE);
        end_work(v, vyre_ticket_slot(t[i % (SHARE + 1)]), VYRE_SLOT_DONE);
        CHECK_EQ(vyre_poll(v, t[i % (SHARE + 1)]), VYRE_OK);
    }
    vyre_close(v);
}

/* Faults of works in a share: told to who asks, in any thread; otherwise to a
 * drain, also after the slot was used again. */
static void poll_it(worker *w)
{
    w->status = vyre_poll(w->v, w->ticket);
}

static void faults_in_a_share_are_told_once(void)
{
    static worker w;
    const uint32_t fault = VYRE_SLOT_FAULTED | VYRE_FAULT_OPCODE << 8;
    vyre *v = open_ring(64);
    vyre_producer *p = vyre_producer_open(v, 4, NULL);
    CHECK(p);
    worker_begin(&w, v);
    for (uint32_t round = 0; round < 8; round++) {
        w.ticket = send(p);
        end_work(v, vyre_ticket_slot(w.ticket), fault);
        if (round % 2)
            worker_do(&w, poll_it);
        else
            w.status = vyre_poll(v, w.ticket);
        CHECK_EQ(w.status, VYRE_E_FAULT);
    }
    CHECK_EQ(vyre_drain(v, SECOND, NULL), VYRE_OK);
    for (uint32_t i = 0; i < 4; i++)
        end_work(v, vyre_ticket_slot(send(p)), fault);
    for (uint32_t i = 0; i < 4; i++)
        end_work(v, vyre_ticket_slot(send(p)), VYRE_SLOT_DONE);
    CHECK_EQ(vyre_drain(v, SECOND, NULL), VYRE_E_FAULT);
    CHECK_EQ(vyre_drain(v, SECOND, NULL), VYRE_OK);
    worker_end(&w);
    vyre_close(v);
}

/* --- one thread at a time -------------------------------------------------- */

static void publish_of_share(worker *w)
{
    w->ticket = send(w->p);
    w->status = VYRE_OK;
}

/* The next thread becomes the owner, and waits until the one before, which asks
 * for a ticket of its own, is outside. */
static void threads_take_turns(void)
{
    static worker w[2];
    vyre *v = open_ring(64);
    vyre_producer *p = vyre_producer_open(v, 16, NULL);
    CHECK(p);
    for (uint32_t i = 0; i < 2; i++) {
        worker_begin(&w[i], v);
        w[i].p = p;
    }
    for (uint32_t round = 0; round < 100; round++) {
        worker_do(&w[round % 2], publish_of_share);
        end_work(v, vyre_ticket_slot(w[round % 2].ticket), VYRE_SLOT_DONE);
        worker_do(&w[round / 2 % 2], poll_it);
        CHECK_EQ(w[round / 2 % 2].status, VYRE_OK);
    }
    worker_do(&w[0], publish_of_share);
    vyi_store_release(&p->owner.inside, 1);
    worker_order(&w[1], publish_of_share);
    while ((uintptr_t)vyi_load_pointer(&p->owner.thread) != VYI_OWNER_ENDING)
        vyi_yield();
    vyi_sleep(20000000);
    CHECK(!worker_is_done(&w[1]));
    vyi_store_release(&p->owner.inside, 0);
    while (!worker_is_done(&w[1]))
        vyi_sleep(100000);
    for (uint32_t i = 0; i < 2; i++)
        worker_end(&w[i]);
    vyre_close(v);
}

/* Two threads in it at the same time are found out. */
static void two_at_a_time_assert(void)
{
    vyre *v = open_ring(64);
    vyre_producer *p = vyre_producer_open(v, 16, NULL);
    CHECK(p);
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        (void)!freopen("/dev/null", "w", stderr);
        vyi_store_release(&p->busy, 1); /* as in the midst of a publish */
        (void)send(p);
        _exit(0);
    }
    int status = 0;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
    vyre_close(v);
}

/* --- all slots for somebody else --------------------------------------------- */

static void take_all(worker *w)
{
    w->status = vyi_queue_hold(&w->v->queue, true) ? VYRE_OK : VYRE_PENDING;
}

/* Who is inside is waited for; who comes later waits. */
static void a_hold_keeps_owners_out(bool of_pool)
{
    static worker w, holder;
    vyre *v = open_ring(64);
    vyre_producer *p = vyre_producer_open(v, 16, NULL);
    CHECK(p);
    worker_begin(&w, v);
    worker_begin(&holder, v);
    w.p = p;
    void (*const publish)(worker *) = of_pool ? publish_one : publish_of_share;
    vyi_owner *owner = of_pool ? &v->queue.slots.pool : &p->owner;
    worker_do(&w, publish);
    CHECK(!vyi_queue_hold(&v->queue, false)); /* there is a work in flight */
    vyi_store_release(&owner->inside, 1); /* as in the midst of a publish */
    worker_order(&holder, take_all);
    while (!(vyi_load_acquire(&v->queue.slots.held) & 1u))
        vyi_yield();
    vyi_sleep(20000000);
    CHECK(!worker_is_done(&holder));
    vyi_store_release(&owner->inside, 0);
    while (!worker_is_done(&holder))
        vyi_sleep(100000);
    CHECK_EQ(holder.status, VYRE_OK);
    CHECK_EQ(marks_in(v, VYI_PHASE_BUSY), 64);
    worker_order(&w, publish);
    vyi_sleep(20000000);
    CHECK(!worker_is_done(&w));
    vyi_queue_unhold(&v->queue);
    while (!worker_is_done(&w))
        vyi_sleep(100000);
    CHECK_EQ(marks_in(v, VYI_PHASE_FLIGHT), 2);
    CHECK_EQ(marks_in(v, VYI_PHASE_BUSY), 0);
    end_all(v);
    CHECK(vyi_queue_hold(&v->queue, false));
    vyi_queue_unhold(&v->queue);
    worker_end(&w);
    worker_end(&holder);
    vyre_close(v);
}

static void holds_keep_owners_out(void)
{
    a_hold_keeps_owners_out(false);
    a_hold_keeps_owners_out(true);
}

/* The pool of many: who finds every slot BUSY while all are held looks again. */
static void a_full_ring_is_not_one_that_is_held(void)
{
    static worker w;
    vyre *v = open_ring(64);
    share(v);
    end_all(v);
    worker_begin(&w, v);
    CHECK(vyi_queue_hold(&v->queue, true));
    worker_order(&w, publish_one);
    vyi_sleep(20000000);
    CHECK(!worker_is_done(&w));
    vyi_queue_unhold(&v->queue);
    while (!worker_is_done(&w))
        vyi_sleep(100000);
    CHECK_EQ(w.status, VYRE_OK);
    worker_end(&w);
    vyre_close(v);
}

/* --- the pool ---------------------------------------------------------------- */

/* Batches as large as may be, into rings in which every third slot is in use:
 * each free one is taken once, with the next generation. */
static void a_batch_takes_each_slot_once(bool many)
{
    static const uint32_t sizes[] = { 2, 3, 4, 63, 96, 256 };
    for (uint32_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        const uint32_t slots = sizes[k];
        vyre *v = open_ring(slots);
        uint32_t before[256];
        if (many) {
            share(v);
            end_all(v);
        }
        for (uint32_t round = 0; round < 5; round++) {
            for (uint32_t slot = 0; slot < slots; slot++)
                before[slot] = vyi_load_acquire(&v->queue.slots.marks[slot]);
            const uint32_t left = slots - (round ? marks_in(v, VYI_PHASE_FLIGHT) : 0);
            CHECK_EQ(fill(v, NULL, 64), left);
            for (uint32_t slot = 0; slot < slots; slot++) {
                const uint32_t mark = vyi_load_acquire(&v->queue.slots.marks[slot]);
                const bool was_free = round == 0 || vyi_mark_phase(before[slot]) == VYI_PHASE_FREE;
                const uint32_t next = was_free ? vyi_mark_next(before[slot]) : before[slot];
                CHECK_EQ(mark, vyi_mark_with(next, VYI_PHASE_FLIGHT));
            }
            for (uint32_t slot = 0; slot < slots; slot++) {
                const vyre_ticket t = {
                    v->queue.slots.tag | slot, vyi_mark_generation(vyi_load_acquire(&v->queue.slots.marks[slot])) };
                if (slots > 2 && (slot + round) % 3 == 0)
                    continue;
                end_work(v, slot, VYRE_SLOT_DONE);
                CHECK_EQ(vyre_poll(v, t), VYRE_OK);
            }
        }
        vyre_close(v);
    }
}

static void batches_take_each_slot_once(void)
{
    a_batch_takes_each_slot_once(false);
    a_batch_takes_each_slot_once(true);
}

static void many_threads_publish_one_work_each(void)
{
    enum { SLOTS = 256 };
    vyre *v = open_ring(SLOTS);
    share(v);
    for (uint32_t i = 2; i < SLOTS; i++) {
        worker w;
        worker_begin(&w, v);
        worker_do(&w, publish_one);
        worker_end(&w);
        CHECK_EQ(w.status, VYRE_OK);
    }
    CHECK_EQ(fill(v, NULL, 1), 0);
    CHECK_EQ(marks_in(v, VYI_PHASE_FLIGHT), SLOTS);
    vyre_close(v);
}

/* --- what a system may refuse ------------------------------------------------ */

#ifdef __linux__
/* The fence for other threads is refused from now on. */
static bool refuse_membarrier(void)
{
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = { sizeof steps / sizeof steps[0], steps };
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* In a child: what goes wrong there is its exit status. */
static int refused_later(void)
{
    static worker w;
    vyre *v = open_ring(64);
    const bool ready = !v->queue.slots.fenced;
    vyre_producer *p = vyre_producer_open(v, 16, NULL);
    (void)engine_publish(v, engine_add(1));
    if (!p || !refuse_membarrier())
        return 2;
    worker_begin(&w, v);
    worker_do(&w, publish_one);
    (void)send(p);
    end_all(v);
    const bool right = v->queue.slots.fenced && w.status == VYRE_OK && vyi_queue_hold(&v->queue, false);
    vyi_queue_unhold(&v->queue);
    worker_end(&w);
    vyre_close(v);
    return right ? 0 : ready ? 1 : 2;
}
#endif

static void a_fence_that_is_refused_later_is_made_otherwise(void)
{
#ifdef __linux__
    int status = 0;
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0)
        _exit(refused_later());
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    if (WEXITSTATUS(status) == 2)
        test_skip("this system filters no calls");
    CHECK_EQ(WEXITSTATUS(status), 0);
#else
    test_skip("Linux only");
#endif
}

static vyre_status open_and_use(const vyre_allocator *allocator, void *user)
{
    vyre_desc d = engine_desc(64);
    vyre_error err;
    (void)user;
    d.backend = VYRE_BACKEND_CPU;
    d.allocator = *allocator;
    memset(&err, 0, sizeof err);
    vyre *v = vyre_open(&d, &err);
    if (!v)
        return err.status;
    const uint32_t before = v->queue.slots.held;
    vyre_producer *p = vyre_producer_open(v, 16, &err);
    if (p)
        CHECK_EQ(fill(v, p, 1), 16);
    else
        CHECK_EQ(v->queue.slots.held, before); /* and nothing has changed */
    CHECK_EQ(fill(v, NULL, 1), p ? 48 : 64);
    vyre_close(v);
    return p ? VYRE_OK : err.status;
}

static void every_allocation_may_fail(void)
{
    CHECK(oom_each(open_and_use, NULL) > 3);
}

/* --- everybody at once ----------------------------------------------------------- */

typedef struct sender {
    pthread_t thread;
    vyre     *v;
    vyre_producer *p;  /* or NULL: into the pool */
    uint32_t  id, count, sent, full, wrong;
    bool      loses;   /* works may be lost */
    uint32_t *at_home; /* senders that have done all */
} sender;

static vyre_status sender_publish(sender *s, const vyre_work *works, uint32_t n,
                                  uint32_t *published, vyre_ticket *t)
{
    if (n == 1)
        return s->p ? vyre_producer_publish(s->p, works, t, NULL)
                    : vyre_publish(s->v, works, t, NULL);
    return s->p ? vyre_producer_publish_many(s->p, works, n, published, t, NULL)
                : vyre_publish_many(s->v, works, n, published, t, NULL);
}

/* Works singly and in batches; up to 16 are open, and every 32nd is waited for. */
static void *produce(void *user)
{
    sender *s = (sender *)user;
    vyre_work works[5];
    for (uint32_t i = 0; i < 5; i++)
        works[i] = engine_work(OP_COUNT, 2, s->id, 1);
    while (s->sent < s->count) {
        const uint32_t n = s->sent % 7 == 0 && s->count - s->sent >= 5 ? 5 : 1;
        uint32_t published = n;
        vyre_ticket t = { 0, 0 };
        const vyre_status status = sender_publish(s, works, n, &published, &t);
        s->full += status != VYRE_OK;
        if (status == VYRE_E_DEVICE_LOST || (status == VYRE_FULL && n == 1)) {
            vyi_yield();
            continue;
        }
        s->wrong += status != VYRE_OK && status != VYRE_FULL;
        s->sent += published;
        if (!published || s->sent % 32)
            continue;
        vyre_status end;
        while ((end = vyre_wait(s->v, t, 20 * SECOND, NULL)) == VYRE_E_DEVICE_LOST)
            vyi_yield();
        s->wrong += end != VYRE_OK && !(s->loses && (end == VYRE_E_LOST || end == VYRE_E_STALE));
    }
    vyi_fetch_add(s->at_home, 1);
    return NULL;
}

typedef struct crowd {
    uint32_t senders, producers, slots, works; /* the first ones have a producer each */
    bool     holds, losses, stops;
} crowd;

static bool owners_fence; /* set before a crowd */

static void disturb(vyre *v, const crowd *c, uint32_t turn)
{
    if (c->losses && turn % 4 == 0) {
        engine_lose(v);
        CHECK_EQ(vyre_recover(v, NULL), VYRE_OK);
    }
    if (c->stops) {
        CHECK_EQ(vyre_stop(v, 5 * SECOND, NULL), VYRE_OK);
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    }
    if (c->holds && turn % 3 == 0) /* a share that comes and goes */
        vyre_producer_close(vyre_producer_open(v, 8, NULL));
    vyi_mutex_lock(&v->lock);
    if (c->holds && vyi_queue_hold(&v->queue, turn % 2))
        vyi_queue_unhold(&v->queue);
    vyi_mutex_unlock(&v->lock);
    vyi_sleep(100000);
}

/* Each work counts once, for its producer and for all. */
static void crowd_run(const crowd *c)
{
    static sender all[80];
    vyre *v = open_ring(c->slots);
    v->queue.slots.fenced |= owners_fence;
    uint32_t full = 0, at_home = 0, turn = 0;
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < c->senders; i++) {
        memset(&all[i], 0, sizeof all[i]);
        all[i].v = v;
        all[i].id = i;
        all[i].count = c->works;
        all[i].loses = c->losses;
        all[i].at_home = &at_home;
        all[i].p = i < c->producers ? vyre_producer_open(v, 16, NULL) : NULL;
        CHECK(i >= c->producers || all[i].p);
        CHECK_EQ(pthread_create(&all[i].thread, NULL, produce, &all[i]), 0);
    }
    while ((c->holds || c->losses || c->stops) && vyi_load_acquire(&at_home) < c->senders)
        disturb(v, c, ++turn);
    for (uint32_t i = 0; i < c->senders; i++)
        pthread_join(all[i].thread, NULL);
    const vyre_status drained = vyre_drain(v, 20 * SECOND, NULL);
    CHECK(drained == VYRE_OK || (c->losses && (drained == VYRE_E_LOST || drained == VYRE_E_FAULT)));
    CHECK_EQ(vyre_stop(v, 5 * SECOND, NULL), VYRE_OK);
    const uint32_t *counts = (const uint32_t *)vyre_map(v, 0, NULL);
    for (uint32_t i = 0; i < c->senders; i++) {
        CHECK_EQ(all[i].wrong, 0);
        CHECK_EQ(all[i].sent, c->works);
        if (!c->losses)
            CHECK_EQ(counts[i], c->works);
        full += all[i].full;
    }
    if (!c->losses)
        CHECK_EQ(engine_observable(v, 0), c->senders * c->works);
    vyi_mutex_lock(&v->lock);
    CHECK(vyi_queue_hold(&v->queue, false));
    vyi_queue_unhold(&v->queue);
    vyi_mutex_unlock(&v->lock);
    for (uint32_t i = 0; i < c->senders; i++)
        vyre_producer_close(all[i].p);
    CHECK_EQ(fill(v, NULL, 1), c->slots);
    printf("NOTE %u threads, %u producers, %u slots%s%s%s: %u works, %u times full, %u disturbed\n",
           c->senders, c->producers, c->slots, c->holds ? ", held" : "",
           c->losses ? ", lost" : "", c->stops ? ", stopped" : "",
           c->senders * c->works, full, turn);
    vyre_close(v);
}

static void crowds_run(const crowd *c, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        crowd_run(&c[i]);
}

static void sums_are_exact_without_producers(void)
{
    static const crowd c[] = { { 2, 0, 64, 10000, false, false, false },
                               { 4, 0, 256, 5000, true, false, false },
                               { 40, 0, 1024, 300, false, false, false } };
    crowds_run(c, 3);
}

static void sums_are_exact_with_producers(void)
{
    static const crowd c[] = { { 2, 2, 64, 10000, true, false, false },
                               { 4, 4, 256, 5000, false, false, false },
                               { 4, 2, 256, 5000, true, false, false },
                               { 3, 2, 64, 5000, false, false, true } };
    crowds_run(c, 4);
}

static void producers_live_through_losses(void)
{
    static const crowd c[] = { { 2, 2, 256, 5000, true, true, false },
                               { 4, 2, 64, 3000, false, true, false } };
    crowds_run(c, 2);
}

/* Owners make their own fences where nobody makes them for others. */
static void owners_with_fences_of_their_own(void)
{
    static const crowd c = { 4, 2, 256, 3000, true, false, false };
    owners_fence = true;
    crowd_run(&c);
    owners_fence = false;
}

/* Blocks one right behind the other, from any place that malloc's alignment allows. */
static uint8_t  row[8192] __attribute__((aligned(64)));
static uint32_t row_used, row_blocks;

static void *row_resize(void *user, void *ptr, size_t old_size, size_t new_size)
{
    if (new_size == VYI_PRODUCER_BLOCK && !ptr && row_used + new_size <= sizeof row) {
        uint8_t *at = row + *(const uint32_t *)user + row_used;
        row_used += (uint32_t)(new_size + 15) / 16 * 16;
        row_blocks++;
        return at;
    }
    if (old_size == VYI_PRODUCER_BLOCK && new_size == 0)
        return NULL;
    if (new_size)
        return realloc(ptr, new_size);
    free(ptr);
    return NULL;
}

/* Each publish stores into its producer's first line and its last one. */
static void no_two_producers_share_a_line(void)
{
    for (uint32_t offset = 0; offset < 64; offset += 16) {
        vyre_desc d = engine_desc(256);
        d.allocator.resize = row_resize;
        d.allocator.user = &offset;
        row_used = row_blocks = 0;
        vyre *v = engine_open(&d);
        uintptr_t end = (uintptr_t)row;
        for (uint32_t i = 0; i < 4; i++) {
            const vyre_producer *p = vyre_producer_open(v, 16, NULL);
            CHECK(p && (uintptr_t)p % 64 == 0 && (uintptr_t)p >= end);
            end = ((uintptr_t)p + sizeof *p + 63) / 64 * 64;
            CHECK(end <= (uintptr_t)row + offset + row_used); /* and no other block's */
        }
        CHECK_EQ(row_blocks, 4);
        vyre_close(v);
    }
}

int main(void)
{
    RUN(no_two_producers_share_a_line);
    RUN(shares_are_full_by_themselves);
    RUN(what_is_not_there_is_refused);
    RUN(shares_come_and_go);
    RUN(works_outlive_a_change_of_owner);
    RUN(a_late_claim_fails);
    RUN(each_priority_has_a_share);
    RUN(results_stay_for_a_round_of_the_share);
    RUN(faults_in_a_share_are_told_once);
    RUN(threads_take_turns);
    RUN(two_at_a_time_assert);
    RUN(holds_keep_owners_out);
    RUN(a_full_ring_is_not_one_that_is_held);
    RUN(batches_take_each_slot_once);
    RUN(many_threads_publish_one_work_each);
    RUN(a_fence_that_is_refused_later_is_made_otherwise);
    RUN(every_allocation_may_fail);
    RUN(sums_are_exact_without_producers);
    RUN(sums_are_exact_with_producers);
    RUN(producers_live_through_losses);
    RUN(owners_with_fences_of_their_own);
    return test_end();
}

/* Decisions that were taken just before something changed: the tests stand
 * where another thread would, between the look and the move. */
#define VYRE_IMPLEMENTATION
#include "engine.h"

#include <pthread.h>

/* --- a recovery between a look and the move ------------------------------ */

/* Sixteen slots: used and seen to end, in flight, never used. */
static void every_slot_has_another_mark_after_a_recovery(void)
{
    for (int rerun = 0; rerun < 2; rerun++) {
        vyre_desc d = engine_desc(16);
        uint32_t before[16];
        d.backend = VYRE_BACKEND_CPU;
        d.lost_work = rerun ? VYRE_LOST_RERUN : VYRE_LOST_REPORT;
        vyre *v = engine_open(&d);
        for (uint32_t i = 0; i < 4; i++)
            CHECK_EQ(vyre_wait(v, engine_publish(v, engine_add(1)), SECOND, NULL), VYRE_OK);
        for (uint32_t i = 0; i < 4; i++)
            (void)engine_publish(v, engine_add(1));
        for (uint32_t round = 0; round < 3; round++) {
            memcpy(before, v->queue.slots.marks, sizeof before);
            engine_lose(v);
            CHECK_EQ(vyre_recover(v, NULL), VYRE_OK);
            for (uint32_t slot = 0; slot < 16; slot++)
                CHECK_EQ(v->queue.slots.marks[slot] & VYI_MARK_EPOCH,
                         ~before[slot] & VYI_MARK_EPOCH);
        }
        vyre_close(v);
    }
}

/* A waiter reads that the work is done; then the device is lost, and the work
 * runs again on another one.  The waiter must not end the work that is running. */
static void an_end_seen_on_a_lost_device_ends_nothing(void)
{
    vyre_desc d = engine_desc(16);
    d.backend = VYRE_BACKEND_CPU;
    d.lost_work = VYRE_LOST_RERUN;
    vyre *v = engine_open(&d);
    const vyre_ticket t = engine_publish(v, engine_add(1));
    const uint32_t mark = v->queue.slots.marks[vyre_ticket_slot(t)];
    engine_lose(v);
    CHECK_EQ(vyre_recover(v, NULL), VYRE_OK);
    vyi_slot_seen(&v->queue, false, vyre_ticket_slot(t), mark, VYRE_SLOT_DONE, true);
    CHECK_EQ(vyre_poll(v, t), VYRE_PENDING);
    vyi_slot_seen(&v->queue, false, vyre_ticket_slot(t), mark, VYRE_SLOT_FAULTED | VYRE_FAULT_OPCODE << 8, true);
    CHECK_EQ(vyre_poll(v, t), VYRE_PENDING);
    CHECK_EQ(vyre_wait(v, t, SECOND, NULL), VYRE_OK);
    CHECK_EQ(engine_observable(v, 0), 1);
    vyre_close(v);
}

/* While a recovery holds all slots, what was told stays told, and nothing new is
 * told: it may run again. */
static void a_recovery_that_is_under_way_tells_nothing(void)
{
    vyre_desc d = engine_desc(16);
    d.backend = VYRE_BACKEND_CPU;
    d.lost_work = VYRE_LOST_RERUN;
    vyre *v = engine_open(&d);
    uint32_t args[12];
    const vyre_ticket good = engine_publish(v, engine_add(1));
    const vyre_ticket bad = engine_publish(v, engine_work(OP_FAULT, 1, 2, 0));
    CHECK_EQ(vyre_wait(v, good, SECOND, NULL), VYRE_OK);
    CHECK_EQ(vyre_wait(v, bad, SECOND, NULL), VYRE_E_FAULT);
    const vyre_ticket ended = engine_publish(v, engine_add(1));
    uint32_t *mirror = vyi_device_words(vyi_queue_device(&v->queue), v->queue.slots.mirror);
    vyi_store_release(&mirror[vyre_ticket_slot(ended)], vyi_le32(VYRE_SLOT_DONE));
    CHECK(vyi_queue_hold(&v->queue, true));
    CHECK_EQ(vyre_poll(v, good), VYRE_OK);
    CHECK_EQ(vyre_poll(v, bad), VYRE_E_FAULT);
    CHECK_EQ(vyre_poll(v, ended), VYRE_PENDING);
    vyi_queue_unhold(&v->queue);
    CHECK_EQ(vyre_poll(v, ended), VYRE_OK);
    CHECK_EQ(vyre_result(v, good, args, NULL), VYRE_OK);

    engine_lose(v); /* its memory says nothing any more */
    vyre_error err;
    CHECK_EQ(vyre_result(v, good, args, &err), VYRE_E_DEVICE_LOST);
    CHECK(strstr(err.text, "no result"));
    CHECK_EQ(vyre_poll(v, good), VYRE_OK);
    CHECK_EQ(vyre_recover(v, NULL), VYRE_OK);
    CHECK_EQ(vyre_result(v, good, args, NULL), VYRE_E_STALE);
    CHECK_EQ(vyre_poll(v, good), VYRE_OK);
    vyre_close(v);
}

/* A program may wait for its other threads while it fills buffers again. */
typedef struct filling {
    uint32_t    called;
    vyre_status drained;
} filling;

static void *drain_meanwhile(void *user)
{
    static vyre_status status;
    status = vyre_drain((vyre *)user, 2 * SECOND, NULL);
    return &status;
}

static void fill_and_wait(void *user, vyre *v)
{
    filling *f = (filling *)user;
    pthread_t thread;
    void *status;
    f->called++;
    CHECK_EQ(pthread_create(&thread, NULL, drain_meanwhile, v), 0);
    CHECK_EQ(pthread_join(thread, &status), 0);
    f->drained = *(const vyre_status *)status;
}

static void no_slot_is_held_while_the_program_fills_buffers(void)
{
    filling f = { 0, VYRE_OK };
    vyre_desc d = engine_desc(16);
    d.backend = VYRE_BACKEND_CPU;
    d.recovered = fill_and_wait;
    d.recovered_user = &f;
    vyre *v = engine_open(&d);
    const vyre_ticket t = engine_publish(v, engine_add(1));
    engine_lose(v);
    CHECK_EQ(vyre_recover(v, NULL), VYRE_OK);
    CHECK_EQ(f.called, 1);
    CHECK(f.drained == VYRE_OK || f.drained == VYRE_E_LOST);
    CHECK_EQ(vyre_poll(v, t), VYRE_E_LOST);
    vyre_close(v);
}

/* Threads publish and wait while devices are lost and replaced: each work ends
 * once, or is lost, and nobody waits for ever. */
typedef struct survivor {
    vyre    *v;
    uint32_t rerun, over, done, lost, refused, wrong;
    vyre_status last; /* that was wrong */
} survivor;

static void survivor_wrong(survivor *s, vyre_status status)
{
    s->wrong++;
    s->last = status;
}

static void *survive(void *user)
{
    survivor *s = (survivor *)user;
    const vyre_work w = engine_add(1);
    while (!vyi_load_acquire(&s->over)) {
        vyre_ticket t;
        vyre_status status = vyre_publish(s->v, &w, &t, NULL);
        if (status != VYRE_OK) {
            s->refused++;
            if (status != VYRE_FULL && status != VYRE_E_DEVICE_LOST)
                survivor_wrong(s, status);
            continue;
        }
        while ((status = vyre_wait(s->v, t, SECOND, NULL)) == VYRE_E_DEVICE_LOST)
            continue;
        s->done += status == VYRE_OK;
        s->lost += status == VYRE_E_LOST;
        /* Stale: a later work of the same slot was lost. */
        const bool loss = status == VYRE_E_LOST || status == VYRE_E_STALE;
        if (status != VYRE_OK && (!loss || s->rerun))
            survivor_wrong(s, status);
    }
    return NULL;
}

static void threads_live_through_recoveries(void)
{
    for (uint32_t rerun = 0; rerun < 2; rerun++) {
        vyre_desc d = engine_desc(16);
        survivor s[2];
        pthread_t threads[2];
        d.backend = VYRE_BACKEND_CPU;
        d.lost_work = rerun ? VYRE_LOST_RERUN : VYRE_LOST_REPORT;
        vyre *v = engine_open(&d);
        memset(s, 0, sizeof s);
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        for (uint32_t i = 0; i < 2; i++) {
            s[i].v = v;
            s[i].rerun = rerun;
            CHECK_EQ(pthread_create(&threads[i], NULL, survive, &s[i]), 0);
        }
        for (uint32_t i = 0; i < 30; i++) {
            engine_sleep_ms(3);
            engine_lose(v);
            CHECK_EQ(vyre_recover(v, NULL), VYRE_OK);
        }
        for (uint32_t i = 0; i < 2; i++)
            vyi_store_release(&s[i].over, 1);
        for (uint32_t i = 0; i < 2; i++)
            pthread_join(threads[i], NULL);
        if (s[0].wrong + s[1].wrong)
            test_fail(__FILE__, __LINE__, "%u went wrong, one with status %d",
                      s[0].wrong + s[1].wrong, (int)(s[0].wrong ? s[0].last : s[1].last));
        CHECK(s[0].done && s[1].done);
        printf("NOTE %s: %u done, %u lost, %u refused\n", rerun ? "rerun" : "report",
               s[0].done + s[1].done, s[0].lost + s[1].lost, s[0].refused + s[1].refused);
        vyre_close(v);
    }
}

/* --- a look for a slot while others take and give back ------------------------ */

#define LOOKERS 4u

typedef struct looker {
    vyi_queue *q;
    uint32_t   number, rounds, missed, *done;
} looker;

/* A slot is given back as one that was seen to end, or as one whose work has ended. */
static void give_back(vyi_queue *q, uint32_t slot, bool seen)
{
    uint32_t *mark = &q->slots.marks[slot];
    uint32_t *mirror = vyi_device_words(vyi_queue_device(q), q->slots.mirror);
    if (!seen)
        vyi_store_release(&mirror[slot], vyi_le32(VYRE_SLOT_DONE));
    vyi_store_release(mark, vyi_mark_with(vyi_load_relaxed(mark), seen ? VYI_PHASE_FREE
                                                                       : VYI_PHASE_FLIGHT));
}

static void *take_and_give_back(void *user)
{
    looker *l = (looker *)user;
    vyi_share *share = &l->q->slots.pool.shares[0];
    for (uint32_t i = 0; i < l->rounds; i++) {
        uint32_t slot = 0;
        if (vyi_share_claim(l->q, &l->q->slots.pool, share, 1, &slot))
            give_back(l->q, slot, (i + l->number) % 4 != 0);
        else
            l->missed++;
    }
    vyi_fetch_add(l->done, 1);
    return NULL;
}

/* Who waits for a work sees that it has ended. */
static void see_ends(vyi_queue *q)
{
    for (uint32_t slot = 0; slot < q->slots.count; slot++) {
        const uint32_t mark = vyi_load_acquire(&q->slots.marks[slot]);
        const uint32_t outcome = vyi_slot_outcome(q, slot);
        if (vyi_mark_is_out(mark) && outcome)
            (void)vyi_slot_seen(q, false, slot, mark, outcome, true);
    }
}

/* As many slots as threads, each of which has one at most: whoever looks for one has one
 * to find. */
static void a_slot_that_is_free_is_found(void)
{
    vyre_desc d = engine_desc(LOOKERS);
    d.backend = VYRE_BACKEND_CPU;
    vyre *v = engine_open(&d);
    looker l[LOOKERS];
    pthread_t threads[LOOKERS];
    uint32_t done = 0, missed = 0;
    vyi_store_pointer(&v->queue.slots.pool.thread, (void *)(uintptr_t)VYI_OWNER_MANY);
    for (uint32_t i = 0; i < LOOKERS; i++) {
        l[i] = (looker){ &v->queue, i, 500000, 0, &done };
        CHECK_EQ(pthread_create(&threads[i], NULL, take_and_give_back, &l[i]), 0);
    }
    while (vyi_load_acquire(&done) < LOOKERS)
        see_ends(&v->queue);
    for (uint32_t i = 0; i < LOOKERS; i++) {
        pthread_join(threads[i], NULL);
        missed += l[i].missed;
    }
    CHECK_EQ(missed, 0);
    vyre_close(v);
}

static void *take_what_has_ended(void *user)
{
    looker *l = (looker *)user;
    for (uint32_t i = 0; i < l->rounds; i++) {
        uint64_t used = 0;
        if (vyi_slot_seek(l->q, &l->q->slots.pool, 0, &used))
            give_back(l->q, 0, false);
        else
            l->missed++;
    }
    vyi_fetch_add(l->done, 1);
    return NULL;
}

/* Nobody takes the only slot from who takes it, but its end is seen just then. */
static void a_slot_that_is_seen_to_end_is_taken(void)
{
    vyre_desc d = engine_desc(1);
    d.backend = VYRE_BACKEND_CPU;
    vyre *v = engine_open(&d);
    uint32_t done = 0;
    looker l = { &v->queue, 0, 200000, 0, &done };
    pthread_t thread;
    vyi_store_pointer(&v->queue.slots.pool.thread, (void *)(uintptr_t)VYI_OWNER_MANY);
    CHECK_EQ(pthread_create(&thread, NULL, take_what_has_ended, &l), 0);
    while (vyi_load_acquire(&done) == 0)
        see_ends(&v->queue);
    pthread_join(thread, NULL);
    CHECK_EQ(l.missed, 0);
    vyre_close(v);
}

/* --- numbers that come to their end -------------------------------------- */

/* Generations and the kernel's own counter go past their last value. */
static void numbers_wrap_around(void)
{
    vyre_desc d = engine_desc(16);
    d.backend = VYRE_BACKEND_CPU;
    vyre *v = engine_open(&d);
    uint32_t *control = vyi_device_words(vyi_queue_device(&v->queue), VYI_ROLE_CONTROL);
    v->queue.slots.pool.shares[0].next = 11;
    for (uint32_t slot = 0; slot < 16; slot++)
        v->queue.slots.marks[slot] =
            (VYI_GENERATION_MASK - 10) << VYI_GENERATION_BIT | VYI_PHASE_FREE;
    control[VYRE_CONTROL_DONE_COUNT] = vyi_le32(UINT32_MAX - 200);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    vyre_ticket open[16];
    for (uint32_t i = 0; i < 1600; i++) {
        if (i >= 8)
            CHECK_EQ(vyre_wait(v, open[(i - 8) % 16], 5 * SECOND, NULL), VYRE_OK);
        open[i % 16] = engine_publish(v, engine_add(1));
        CHECK(open[i % 16].generation != 0);
        CHECK(open[i % 16].generation <= VYI_GENERATION_MASK);
    }
    CHECK_EQ(vyre_drain(v, 5 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(vyre_stop(v, 5 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(engine_observable(v, 0), 1600);
    CHECK_EQ(vyi_control_load(vyi_queue_device(&v->queue), VYRE_CONTROL_DONE_COUNT), 1600u - 201u);
    vyre_close(v);
}

/* --- a publisher between the kernel's last look and its sleep ------------ */

static void *sleep_once(void *user)
{
    vyi_cpu_sleep((vyi_cpu_worker *)user);
    return NULL;
}

static bool wait_for_bit(const uint32_t *word)
{
    const uint64_t end = engine_now() + 5 * SECOND;
    while (!(vyi_load_acquire(word) & VYI_CPU_SLEEPS)) {
        if (engine_now() > end)
            return false;
    }
    return true;
}

/* The test holds the lock, so that the kernel stands between having said that
 * it sleeps and looking again; the publisher's signal then comes too early. */
static void a_kernel_that_is_about_to_sleep_is_not_missed(void)
{
    vyre_desc d = engine_desc(16);
    d.backend = VYRE_BACKEND_CPU;
    vyre *v = engine_open(&d);
    vyi_cpu *c = (vyi_cpu *)vyi_queue_device(&v->queue);
    for (int aborts = 0; aborts < 2; aborts++) {
        pthread_t thread;
        c->idle.seen = vyi_load_acquire(&c->news);
        c->idle.nap_ns = 900000000u;
        vyi_mutex_lock(&c->lock);
        CHECK_EQ(pthread_create(&thread, NULL, sleep_once, c->workers), 0);
        const bool sleeps = wait_for_bit(&c->news);
        const uint64_t begin = engine_now();
        if (aborts)
            vyi_store_release(&c->stop, 1);
        else
            vyi_fetch_add(&c->news, VYI_CPU_NEWS);
        vyi_cond_signal(&c->workers[0].wake);
        vyi_mutex_unlock(&c->lock);
        pthread_join(thread, NULL);
        CHECK(sleeps);
        CHECK(engine_now() - begin < SECOND / 2);
        CHECK_EQ(c->news & VYI_CPU_SLEEPS, 0);
        vyi_store_release(&c->stop, 0);
    }
    vyre_close(v);
}

/* News that came before the kernel has said that it sleeps: it does not. */
static void a_kernel_with_news_does_not_sleep(void)
{
    vyre_desc d = engine_desc(16);
    d.backend = VYRE_BACKEND_CPU;
    vyre *v = engine_open(&d);
    vyi_cpu *c = (vyi_cpu *)vyi_queue_device(&v->queue);
    c->idle.nap_ns = 900000000u;
    c->idle.seen = vyi_load_acquire(&c->news);
    vyi_cpu_wake(&c->base);
    const uint64_t begin = engine_now();
    vyi_cpu_sleep(c->workers);
    CHECK(engine_now() - begin < SECOND / 2);
    CHECK_EQ(c->news & VYI_CPU_SLEEPS, 0);
    vyre_close(v);
}

/* One that sleeps is woken by a publisher, long before its nap is over. */
static void a_kernel_that_sleeps_is_woken(void)
{
    vyre_desc d = engine_desc(16);
    d.backend = VYRE_BACKEND_CPU;
    vyre *v = engine_open(&d);
    vyi_cpu *c = (vyi_cpu *)vyi_queue_device(&v->queue);
    pthread_t thread;
    c->idle.nap_ns = 900000000u;
    c->idle.seen = vyi_load_acquire(&c->news);
    CHECK_EQ(pthread_create(&thread, NULL, sleep_once, c->workers), 0);
    const bool sleeps = wait_for_bit(&c->news);
    engine_sleep_ms(20); /* it waits by now */
    const uint64_t begin = engine_now();
    vyi_cpu_wake(&c->base);
    pthread_join(thread, NULL);
    CHECK(sleeps);
    CHECK(engine_now() - begin < SECOND / 2);
    vyre_close(v);
}

/* --- several at a time --------------------------------------------------- */

static uint32_t next_word(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    return *state ^= *state << 5;
}

static vyre_work any_work(uint32_t i, uint32_t *state)
{
    vyre_work work;
    work.opcode = next_word(state);
    work.tenant = next_word(state);
    work.priority = (vyre_priority)(i % VYRE_PRIORITY_LEVELS);
    work.arg_count = i % (VYRE_MAX_ARGS + 1);
    for (uint32_t a = 0; a < VYRE_MAX_ARGS; a++) /* behind arg_count, too */
        work.args[a] = next_word(state);
    return work;
}

/* Each word of a slot, however the line was composed. */
static void check_line(const vyi_line *line, const vyre_work *work)
{
    static const uint32_t levels[VYRE_PRIORITY_LEVELS] = { 2, 0, 1, 3, 4 };
    uint32_t words[VYRE_SLOT_WORDS];
    memcpy(words, line, sizeof words);
    CHECK_EQ(words[VYRE_SLOT_STATUS], VYRE_SLOT_PUBLISHED);
    CHECK_EQ(words[VYRE_SLOT_OPCODE], work->opcode);
    CHECK_EQ(words[VYRE_SLOT_TENANT], work->tenant);
    CHECK_EQ(words[VYRE_SLOT_PRIORITY], levels[work->priority]);
    for (uint32_t a = 0; a < VYRE_MAX_ARGS; a++)
        CHECK_EQ(words[VYRE_SLOT_ARGS + a], a < work->arg_count ? work->args[a] : 0);
}

static void a_line_has_the_words_of_its_work(void)
{
    uint32_t state = 0x9e3779b9u;
    for (uint32_t i = 0; i < 2 * VYRE_PRIORITY_LEVELS * (VYRE_MAX_ARGS + 1); i++) {
        const vyre_work work = any_work(i, &state);
        vyi_line line;
        vyi_line_compose(&line, &work);
        check_line(&line, &work);
    }
}

/* --- who publishes looks at the device, now and then ---------------------- */

/* In each partition of rings of any size; in the largest not too often. */
static void each_round_of_a_partition_has_a_look(void)
{
    for (uint32_t slots = 1; slots <= 700; slots++)
        for (uint32_t priority = 0; priority < 2; priority++) {
            static vyre v;
            memset(&v, 0, sizeof v);
            v.queue.v = &v;
            v.queue.slots.count = v.queue.slots.lanes = slots;
            v.desc.kernel.kind = priority ? VYRE_KERNEL_PRIORITY : VYRE_KERNEL_DIRECT;
            vyi_shares_plan(&v.queue);
            for (uint32_t i = 0; i < v.queue.slots.levels; i++) {
                const vyi_share *part = &v.queue.slots.pool.shares[i];
                CHECK(part->look_mask < VYI_LOOK_EVERY);
                CHECK(part->count < VYI_LOOK_EVERY || part->look_mask == VYI_LOOK_EVERY - 1);
                uint32_t looks = part->count == 0;
                for (uint32_t place = 0; place < part->count; place++)
                    looks += (place & part->look_mask) == 0;
                CHECK(looks > 0);
            }
        }
}

/* A look that is not due says that the leases last: a quarter of the shortest that
 * was seen while another one was queued. */
static void a_look_is_due_before_the_leases_end(void)
{
    static vyre v;
    static vyi_device d;
    memset(&v, 0, sizeof v);
    v.queue.v = &v;
    memset(&d, 0, sizeof d);
    vyi_store_pointer(&v.queue.device, &d);
    d.in_flight = v.desc.lease.in_flight = 2;
    v.queue.state = VYI_STATE_RUNNING;
    v.queue.mode = VYRE_MODE_PERSISTENT;
    v.desc.lease.time_ns = 5000000;
    v.queue.lives = true;
    CHECK_EQ(vyi_chain_cadence(&v.queue), 0); /* none is there: the next publish needs one */
    v.queue.chain.launched = 1;
    CHECK_EQ(vyi_chain_cadence(&v.queue), VYI_CADENCE_MAX); /* endless */
    v.queue.chain.rounds = 1024;
    CHECK_EQ(vyi_chain_cadence(&v.queue), 0);
    v.queue.chain.launched = 1;
    v.queue.chain.completed = 1;
    v.queue.chain.since = vyi_now() - 400000000;
    vyi_chain_measure(&v.queue, 1); /* dry: how long it stood there, nobody knows */
    CHECK(v.queue.chain.lease_ns >= 400000000);
    CHECK_EQ(vyi_chain_cadence(&v.queue), 0);
    v.queue.chain.launched = 2;
    v.queue.chain.since = vyi_now() - 1000000;
    vyi_chain_measure(&v.queue, 1);
    CHECK_EQ(vyi_chain_cadence(&v.queue), 0); /* one of two */
    v.queue.chain.launched = 3;
    CHECK(vyi_chain_cadence(&v.queue) >= 250);
    const uint32_t rounds = v.queue.chain.rounds;
    v.queue.chain.since = vyi_now() - 1000000000;
    vyi_chain_measure(&v.queue, 1); /* too long: half as many rounds */
    CHECK_EQ(v.queue.chain.rounds, rounds / 2);
    CHECK(v.queue.chain.least_ns >= 500000000 && v.queue.chain.least_ns < v.queue.chain.lease_ns);
    CHECK_EQ(vyi_chain_cadence(&v.queue), VYI_CADENCE_MAX);
    v.queue.chain.least_ns = VYI_CADENCE_MIN * 4000 - 1;
    CHECK_EQ(vyi_chain_cadence(&v.queue), 0);
    v.queue.chain.least_ns++;
    CHECK_EQ(vyi_chain_cadence(&v.queue), VYI_CADENCE_MIN);
    v.desc.lease.in_flight = 1;
    CHECK_EQ(vyi_chain_cadence(&v.queue), 0);
}

/* --- how a wide work is cut ---------------------------------------------- */

static void check_cut(const vyi_device *d, const vyi_wide_op *op, uint32_t first, uint32_t range)
{
    const uint32_t args[2] = { op->width == VYRE_WIDTH_GROUP ? range : first, first + range };
    const vyi_wide_cut cut = vyi_wide_cut_of(d, op, args);
    const uint64_t per = cut.per, chunks = cut.chunks;
    CHECK(chunks >= 1 && chunks <= VYI_WIDE_CHUNKS_MAX);
    CHECK(per >= 1 && per <= VYI_WIDE_PER_MAX);
    CHECK(per * chunks >= range && per * (chunks - 1) <= range);
    CHECK(range == 0 || per * (chunks - 1) < range);
    /* As asked, unless the loop may not take so many turns, or there would be too many. */
    const uint64_t turns = op->chunk / d->wide_group < d->wide_turns;
    const uint64_t asked = turns ? op->chunk : (uint64_t)d->wide_turns * d->wide_group;
    if (op->chunk && asked <= VYI_WIDE_PER_MAX && asked * VYI_WIDE_CHUNKS_MAX >= range)
        CHECK_EQ(per, asked);
    if (op->width == VYRE_WIDTH_GROUP && range <= VYI_WIDE_CHUNKS_MAX)
        CHECK_EQ(per, 1);
}

static void a_range_is_cut_into_chunks_that_cover_it(void)
{
    static const uint32_t ranges[] = { 0, 1, 31, 32, 33, 4095, 4096, 32767, 32768, 32769, 0x100000,
                                       0x7fffffff, 0x80000000, 0x80000001, UINT32_MAX };
    static const uint32_t sizes[] = { 0, 1, 31, 32, 33, 100, 65536, 0x7fffffff, 0x80000000,
                                      0x80000001, UINT32_MAX };
    static const uint32_t turns[] = { 1, 3, 16384, UINT32_MAX };
    static vyi_device d;
    memset(&d, 0, sizeof d);
    d.wide_group = 32;
    for (uint32_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        for (uint32_t c = 0; c < sizeof sizes / sizeof sizes[0]; c++)
            for (uint32_t t = 0; t < 2 * (sizeof turns / sizeof turns[0]); t++) {
                vyi_wide_op op;
                memset(&op, 0, sizeof op);
                op.width = VYRE_WIDTH_RANGE;
                op.chunk = sizes[c];
                d.wide_turns = turns[t / 2];
                d.wide_groups = t % 2 ? 4 : 0;
                check_cut(&d, &op, 0, ranges[i]);
                check_cut(&d, &op, UINT32_MAX - ranges[i], ranges[i]);
                op.width = VYRE_WIDTH_GROUP;
                op.chunk = 0;
                check_cut(&d, &op, 0, ranges[i]);
            }
}

/* --- what the probe has proved, and where -------------------------------- */

#if VYI_VULKAN
static void the_looping_kernel_is_one_that_was_proved(void)
{
    static const uint8_t marks[3];
    static vyi_vk v;
    vyi_device_desc desc;
    memset(&v, 0, sizeof v);
    memset(&desc, 0, sizeof desc);
    desc.loop = (const vyre_program *)(const void *)&marks[0];
    desc.whole = (const vyre_program *)(const void *)&marks[1];
    desc.narrow = (const vyre_program *)(const void *)&marks[2];
    for (uint32_t proved = 0; proved < 4; proved++) {
        v.base.whole_lines = proved & 1u;
        v.probe.effects_first = proved >> 1;
        CHECK(vyi_vk_loop_program(&v, &desc) == (proved == 3 ? desc.whole : desc.loop));
    }
    v.base.narrow = true;
    CHECK(vyi_vk_loop_program(&v, &desc) == desc.narrow);
    v.base.narrow = false;
    desc.whole = NULL;
    CHECK(vyi_vk_loop_program(&v, &desc) == desc.loop);
}

/* Whether lines are trusted with control, ring and mirror in these types, and a
 * probe that saw them in 4 and 3. */
static bool trusts_lines(uint32_t control, uint32_t ring, uint32_t mirror, bool cached, bool ran)
{
    static vyi_vk v;
    const uint32_t types[3] = { control, ring, mirror };
    static const vyi_role roles[3] = { VYI_ROLE_CONTROL, VYI_ROLE_RING, VYI_ROLE_MIRROR };
    memset(&v, 0, sizeof v);
    v.buffer_count = 3;
    for (uint32_t i = 0; i < 3; i++) {
        v.roles[i] = roles[i];
        v.resident[i].type = types[i];
        v.resident[i].flags = cached ? VK_MEMORY_PROPERTY_HOST_CACHED_BIT : 0;
    }
    v.c.probed[VYI_VK_DEVICE] = 4;
    v.c.probed[VYI_VK_HOST] = 3;
    v.probe.ran = ran;
    v.probe.whole_lines = true;
    vyi_vk_describe_memory(&v);
    CHECK_EQ(v.base.write_combined, !cached);
    return v.base.whole_lines;
}

static void lines_are_trusted_where_they_were_seen(void)
{
    CHECK(trusts_lines(4, 4, 3, false, true));
    CHECK(!trusts_lines(2, 4, 3, false, true));
    CHECK(!trusts_lines(4, 2, 3, false, true));
    CHECK(!trusts_lines(4, 4, 2, false, true));
    CHECK(!trusts_lines(4, 4, 3, true, true));
    CHECK(!trusts_lines(4, 4, 3, false, false));
}
#endif

int main(void)
{
    RUN(every_slot_has_another_mark_after_a_recovery);
    RUN(an_end_seen_on_a_lost_device_ends_nothing);
    RUN(a_recovery_that_is_under_way_tells_nothing);
    RUN(no_slot_is_held_while_the_program_fills_buffers);
    RUN(threads_live_through_recoveries);
    RUN(a_slot_that_is_free_is_found);
    RUN(a_slot_that_is_seen_to_end_is_taken);
    RUN(numbers_wrap_around);
    RUN(a_kernel_that_is_about_to_sleep_is_not_missed);
    RUN(a_kernel_with_news_does_not_sleep);
    RUN(a_kernel_that_sleeps_is_woken);
    RUN(a_line_has_the_words_of_its_work);
    RUN(each_round_of_a_partition_has_a_look);
    RUN(a_look_is_due_before_the_leases_end);
    RUN(a_range_is_cut_into_chunks_that_cover_it);
#if VYI_VULKAN
    RUN(the_looping_kernel_is_one_that_was_proved);
    RUN(lines_are_trusted_where_they_were_seen);
#endif
    return test_end();
}

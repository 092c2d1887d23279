/* Threads that publish among others, each from slots that it has reserved: none
 * of these is lost, given twice, or in anybody's way.  And a thread alone, whose
 * slots are FREE until they are FLIGHT.  White box: a test looks at the seats,
 * and stands where another thread would. */
#define VYRE_IMPLEMENTATION
#include "engine.h"

#include <pthread.h>

/* --- threads that do as they are told ------------------------------------- */

typedef struct worker {
    pthread_t   thread;
    vyre       *v;
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

static void publish_high(worker *w)
{
    vyre_work work = engine_add(1);
    work.priority = VYRE_PRIORITY_HIGH;
    w->status = vyre_publish(w->v, &work, &w->ticket, NULL);
}

static void publish_one(worker *w)
{
    const vyre_work work = engine_add(1);
    w->status = vyre_publish(w->v, &work, &w->ticket, NULL);
}

static void ask_one(worker *w)
{
    const vyre_ticket t = { 0, 1 };
    w->status = vyre_poll(w->v, t);
}

/* --- handles --------------------------------------------------------------- */

static vyre *open_ring(uint32_t slots)
{
    vyre_desc d = engine_desc(slots);
    d.backend = VYRE_BACKEND_CPU;
    return engine_open(&d);
}

static bool seats_are_there(const vyre *v)
{
    if (v->queue.seats.rest != VYI_REST_FOREVER)
        return true;
    printf("NOTE this system has no fence for other threads\n");
    return false;
}

/* The caller and two others have asked, so nobody is alone. */
static void share(vyre *v)
{
    static worker w;
    vyre_ticket t = { 0, 1 };
    (void)vyre_poll(v, t);
    worker_begin(&w, v);
    worker_do(&w, ask_one);
    worker_end(&w);
    CHECK_EQ(vyi_alone_who(&v->queue), VYI_ALONE_SHARED);
}

static uint32_t reserved(const vyre *v)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < VYI_SEATS; i++)
        sum += vyi_seat_left(&v->queue.seats.all[i]);
    return sum;
}

/* The next stash that is filled is as large as can be. */
static void align_cursor(vyre *v)
{
    while (v->queue.seats.reserves[0] && v->queue.slots.partitions[0].cursor % v->queue.seats.reserves[0])
        v->queue.slots.partitions[0].cursor++;
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

static uint32_t publish_until_full(vyre *v, uint32_t batch)
{
    vyre_work works[64];
    uint32_t sum = 0, published = 0;
    vyre_status status = VYRE_OK;
    for (uint32_t i = 0; i < 64; i++)
        works[i] = engine_add(1);
    while (status == VYRE_OK && sum < 100000) {
        published = 1;
        status = batch == 1 ? vyre_publish(v, works, NULL, NULL)
                            : vyre_publish_many(v, works, batch, &published, NULL, NULL);
        sum += status == VYRE_OK || batch > 1 ? published : 0;
    }
    CHECK_EQ(status, VYRE_FULL);
    return sum;
}

/* --- a full ring ------------------------------------------------------------ */

/* Three threads have published one work each and are quiet; another one gets
 * every slot that is left, three times over. */
static void what_is_reserved_is_not_in_use(uint32_t slots, uint32_t batch)
{
    enum { QUIET = 3 };
    static worker quiet[QUIET];
    vyre *v = open_ring(slots);
    share(v);
    for (uint32_t i = 0; i < QUIET; i++)
        worker_begin(&quiet[i], v);
    for (uint32_t round = 0; round < 3; round++) {
        uint32_t before = 0;
        for (uint32_t i = 0; i < QUIET; i++) {
            v->queue.seats.rest = v->queue.seats.rest == VYI_REST_FOREVER ? v->queue.seats.rest : 0;
            align_cursor(v);
            worker_do(&quiet[i], publish_one);
            before += quiet[i].status == VYRE_OK;
        }
        CHECK_EQ(before, slots < QUIET ? slots : QUIET);
        if (slots >= 64 && seats_are_there(v))
            CHECK_EQ(reserved(v), QUIET * (v->queue.seats.reserves[0] - 1));
        CHECK_EQ(publish_until_full(v, batch), slots - before);
        CHECK_EQ(marks_in(v, VYI_PHASE_FLIGHT), slots);
        CHECK_EQ(reserved(v), 0);
        CHECK_EQ(publish_until_full(v, batch), 0);
        end_all(v);
    }
    for (uint32_t i = 0; i < QUIET; i++)
        worker_end(&quiet[i]);
    vyre_close(v);
}

static void a_ring_is_full_only_when_all_slots_are_used(void)
{
    static const uint32_t slots[] = { 1, 2, 4, 64, 96, 256, 4096 };
    for (uint32_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
        what_is_reserved_is_not_in_use(slots[i], 1);
        what_is_reserved_is_not_in_use(slots[i], 48);
    }
}

/* Each of five partitions of 64; what is reserved in one is not taken for another. */
static void partitions_are_reserved_apart(void)
{
    static worker quiet;
    vyre_desc d = engine_desc(5 * 64);
    d.backend = VYRE_BACKEND_CPU;
    d.kernel.workgroup_size = 64;
    d.kernel.kind = VYRE_KERNEL_PRIORITY;
    vyre *v = engine_open(&d);
    share(v);
    worker_begin(&quiet, v);
    worker_do(&quiet, publish_one);
    const uint32_t before = reserved(v);
    if (seats_are_there(v))
        CHECK_EQ(before, 1);
    worker_do(&quiet, publish_high); /* with a slot of NORMAL in its stash */
    CHECK_EQ(quiet.status, VYRE_OK);
    CHECK_EQ(quiet.ticket.slot, v->queue.slots.partitions[1].first);
    CHECK_EQ(reserved(v), before);
    vyre_work work = engine_add(1);
    for (uint32_t i = 0; i < VYRE_PRIORITY_LEVELS; i++) {
        uint32_t sum = 0;
        work.priority = (vyre_priority)(VYRE_PRIORITY_LEVELS - 1 - i); /* NORMAL, 0, last */
        CHECK_EQ(reserved(v), before);
        while (vyre_publish(v, &work, NULL, NULL) == VYRE_OK)
            sum++;
        const bool one_before = work.priority == VYRE_PRIORITY_NORMAL ||
                                work.priority == VYRE_PRIORITY_HIGH;
        CHECK_EQ(sum, 64 - one_before);
    }
    CHECK_EQ(marks_in(v, VYI_PHASE_FLIGHT), 5 * 64);
    worker_end(&quiet);
    vyre_close(v);
}

/* After a full ring slots are not reserved for a while, then they are again. */
static void a_full_ring_makes_publishers_modest(void)
{
    static worker quiet;
    vyre *v = open_ring(256);
    share(v);
    worker_begin(&quiet, v);
    worker_do(&quiet, publish_one);
    v->queue.seats.rest = v->queue.seats.rest == VYI_REST_FOREVER ? v->queue.seats.rest : 0;
    end_all(v);
    (void)publish_until_full(v, 1);
    if (seats_are_there(v)) {
        CHECK(v->queue.seats.rest > 0 && v->queue.seats.rest <= VYI_REST);
        end_all(v);
        v->queue.seats.rest = VYI_REST;
        for (uint32_t i = 0; i < VYI_REST; i++) {
            worker_do(&quiet, publish_one);
            CHECK_EQ(quiet.status, VYRE_OK);
            CHECK_EQ(reserved(v), 0);
        }
        align_cursor(v);
        worker_do(&quiet, publish_one);
        CHECK_EQ(reserved(v), v->queue.seats.reserves[0] - 1);
    }
    worker_end(&quiet);
    vyre_close(v);
}

/* --- all slots for somebody else --------------------------------------------- */

static void take_all(worker *w)
{
    w->status = vyi_queue_hold(&w->v->queue, true) ? VYRE_OK : VYRE_PENDING;
}

static void a_hold_takes_back_what_is_reserved(void)
{
    enum { QUIET = 4, SLOTS = 256 };
    static worker quiet[QUIET], holder;
    vyre *v = open_ring(SLOTS);
    share(v);
    for (uint32_t i = 0; i < QUIET; i++)
        worker_begin(&quiet[i], v);
    worker_begin(&holder, v);
    for (uint32_t round = 0; round < 4; round++) {
        v->queue.seats.rest = v->queue.seats.rest == VYI_REST_FOREVER ? v->queue.seats.rest : 0;
        align_cursor(v);
        for (uint32_t i = 0; i < QUIET; i++)
            worker_do(&quiet[i], publish_one);
        const uint32_t before = reserved(v);
        if (seats_are_there(v))
            CHECK_EQ(before, QUIET * (SLOTS / VYI_RESERVE_PART - 1));
        CHECK(!vyi_queue_hold(&v->queue, false)); /* there are works in flight */
        CHECK_EQ(reserved(v), before);     /* and that did not disturb anybody */
        if (round % 2)
            end_all(v);
        worker_order(&holder, take_all);
        const uint64_t end = engine_now() + 10 * SECOND;
        while (!worker_is_done(&holder) && engine_now() < end)
            vyi_sleep(100000);
        CHECK(worker_is_done(&holder)); /* it waits for no slot that is only reserved */
        CHECK_EQ(holder.status, VYRE_OK);
        CHECK_EQ(marks_in(v, VYI_PHASE_BUSY), SLOTS);
        CHECK_EQ(reserved(v), 0);
        vyi_queue_unhold(&v->queue);
        CHECK_EQ(marks_in(v, VYI_PHASE_BUSY), 0);
        end_all(v);
        CHECK(vyi_queue_hold(&v->queue, false));
        vyi_queue_unhold(&v->queue);
    }
    CHECK_EQ(publish_until_full(v, 1), SLOTS);
    for (uint32_t i = 0; i < QUIET; i++)
        worker_end(&quiet[i]);
    worker_end(&holder);
    vyre_close(v);
}

/* A thread that is inside is waited for; one that comes later keeps out. */
static void a_recall_waits_for_who_is_inside(void)
{
    static worker quiet, holder;
    vyre *v = open_ring(256);
    share(v);
    worker_begin(&quiet, v);
    worker_begin(&holder, v);
    worker_do(&quiet, publish_one);
    vyi_seat *seat = NULL;
    for (uint32_t i = 0; i < VYI_SEATS; i++)
        seat = vyi_seat_left(&v->queue.seats.all[i]) ? &v->queue.seats.all[i] : seat;
    if (seats_are_there(v)) {
        CHECK(seat);
        const uint32_t left = vyi_seat_left(seat);
        vyi_store_release(&seat->inside, 1); /* as in the midst of a publish */
        worker_order(&holder, take_all);
        while (!vyi_recall_is_on(vyi_load_acquire(&v->queue.seats.recall)))
            vyi_yield();
        vyi_sleep(20000000);
        CHECK(!worker_is_done(&holder));
        CHECK_EQ(vyi_seat_left(seat), left);
        CHECK_EQ(vyi_load_acquire(&v->queue.slots.held), 0);
        vyi_seat_leave(seat);
        while (!worker_is_done(&holder))
            vyi_yield();
        CHECK_EQ(vyi_seat_left(seat), 0);
        CHECK(!vyi_seat_enter(&v->queue, seat));
        CHECK_EQ(seat->inside, 0);
        vyi_queue_unhold(&v->queue);
        CHECK(vyi_seat_enter(&v->queue, seat));
        vyi_seat_leave(seat);
    }
    worker_end(&quiet);
    worker_end(&holder);
    vyre_close(v);
}

/* A batch with slots of its own does not wait for who has all the others: that
 * one waits for the batch. */
static void publish_normal_and_high(worker *w)
{
    vyre_work works[2] = { engine_add(1), engine_add(1) };
    works[1].priority = VYRE_PRIORITY_HIGH;
    uint32_t published = 0;
    w->status = vyre_publish_many(w->v, works, 2, &published, &w->ticket, NULL);
}

static void a_batch_does_not_wait_with_slots_in_hand(void)
{
    static worker w;
    vyre_desc d = engine_desc(10);
    d.backend = VYRE_BACKEND_CPU;
    d.kernel.kind = VYRE_KERNEL_PRIORITY;
    vyre *v = engine_open(&d);
    vyre_work work = engine_add(1);
    work.priority = VYRE_PRIORITY_HIGH;
    share(v);
    CHECK_EQ(vyre_publish(v, &work, NULL, NULL), VYRE_OK);
    CHECK_EQ(vyre_publish(v, &work, NULL, NULL), VYRE_OK);
    worker_begin(&w, v);
    vyi_store_release(&v->queue.slots.held, 1);
    worker_order(&w, publish_normal_and_high);
    const uint64_t end = engine_now() + 5 * SECOND;
    while (marks_in(v, VYI_PHASE_FLIGHT) < 3 && engine_now() < end)
        vyi_sleep(1000000);
    const uint32_t flying = marks_in(v, VYI_PHASE_FLIGHT);
    vyi_store_release(&v->queue.slots.held, 0);
    while (!worker_is_done(&w))
        vyi_yield();
    CHECK_EQ(flying, 3);
    CHECK_EQ(w.status, VYRE_FULL);
    worker_end(&w);
    vyre_close(v);
}

/* --- generations -------------------------------------------------------------- */

static uint32_t mark_of(const vyre *v, uint32_t slot)
{
    return vyi_load_acquire(&v->queue.slots.marks[slot]);
}

/* What is reserved and given back leaves out a generation: tickets of before
 * say what they said, and the next work has another one. */
static void generations_that_no_work_had_do_no_harm(void)
{
    enum { SLOTS = 64 };
    static worker w;
    vyre *v = open_ring(SLOTS);
    vyre_ticket good[SLOTS], bad = { 0, 0 };
    uint32_t args[12];
    share(v);
    for (uint32_t i = 0; i < SLOTS; i++) {
        good[i] = engine_publish(v, engine_add(1));
        end_work(v, good[i].slot, i ? VYRE_SLOT_DONE
                                    : VYRE_SLOT_FAULTED | VYRE_FAULT_OPCODE << 8);
        if (i == 0)
            bad = good[i];
        else
            CHECK_EQ(vyre_poll(v, good[i]), VYRE_OK);
    }
    worker_begin(&w, v);
    for (uint32_t round = 0; round < 2 * SLOTS; round++) {
        v->queue.seats.rest = v->queue.seats.rest == VYI_REST_FOREVER ? v->queue.seats.rest : 0;
        worker_do(&w, publish_one); /* the next slot is reserved with it */
        CHECK_EQ(w.status, VYRE_OK);
        end_work(v, w.ticket.slot, VYRE_SLOT_DONE);
        CHECK_EQ(vyre_poll(v, w.ticket), VYRE_OK);
        const uint32_t next = (w.ticket.slot + 1) % SLOTS, before = mark_of(v, next);
        if (!seats_are_there(v))
            break;
        CHECK_EQ(vyi_mark_phase(before), VYI_PHASE_BUSY);
        CHECK(vyi_seats_recall(&v->queue));
        vyi_seats_reopen(&v->queue);
        CHECK_EQ(mark_of(v, next), vyi_mark_with(before, VYI_PHASE_FREE));
        CHECK(good[next].generation < vyi_mark_generation(before));
        CHECK_EQ(vyre_poll(v, good[next]), next == bad.slot ? VYRE_E_FAULT : VYRE_OK);
        if (next != bad.slot)
            CHECK_EQ(vyre_result(v, good[next], args, NULL), VYRE_E_STALE);
    }
    CHECK_EQ(vyre_poll(v, bad), VYRE_E_FAULT);
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        vyi_store_release(&v->queue.slots.marks[slot],
                          VYI_GENERATION_MASK << VYI_GENERATION_BIT | VYI_PHASE_FREE);
    for (uint32_t round = 0; round < SLOTS && seats_are_there(v); round++) {
        v->queue.seats.rest = 0;
        worker_do(&w, publish_one);
        end_work(v, w.ticket.slot, VYRE_SLOT_DONE);
        CHECK(w.ticket.generation == 1 || w.ticket.generation == 2);
        CHECK(vyi_seats_recall(&v->queue));
        vyi_seats_reopen(&v->queue);
        CHECK_EQ(vyre_poll(v, w.ticket), VYRE_OK);
    }
    worker_end(&w);
    CHECK_EQ(vyre_drain(v, SECOND, NULL), VYRE_OK);
    vyre_close(v);
}

/* Single works and batches of one thread take slots in the cursor's order. */
static void publish_many_kinds(worker *w)
{
    const vyre_work works[3] = { engine_add(1), engine_add(1), engine_add(1) };
    vyre_ticket last = { 0, 0 };
    w->status = VYRE_OK;
    for (uint32_t i = 0; i < 40; i++) {
        const vyre_status status =
            i % 3 == 1 ? vyre_publish_many(w->v, works, 3, NULL, &w->ticket, NULL)
                       : vyre_publish(w->v, works, &w->ticket, NULL);
        if (status != VYRE_OK || (i && w->ticket.slot <= last.slot))
            w->status = VYRE_E_TICKET;
        last = w->ticket;
    }
}

static void a_threads_works_keep_the_order_of_slots(void)
{
    static worker w;
    vyre *v = open_ring(4096);
    share(v);
    worker_begin(&w, v);
    worker_do(&w, publish_many_kinds);
    CHECK_EQ(w.status, VYRE_OK);
    if (seats_are_there(v))
        CHECK(reserved(v) > 0);
    worker_end(&w);
    vyre_close(v);
}

/* What was reserved long ago is not published into: its slots are among the next
 * that others take. */
static void a_result_of_a_quiet_thread_stays(void)
{
    enum { SLOTS = 256 };
    static worker quiet;
    uint32_t args[12];
    vyre *v = open_ring(SLOTS);
    share(v);
    worker_begin(&quiet, v);
    for (uint32_t round = 0; round < 20; round++) {
        if (seats_are_there(v)) {
            v->queue.seats.rest = 0;
            for (uint32_t i = 0; i <= VYI_STASH; i++) /* till it has a stash */
                if (reserved(v) == 0)
                    worker_do(&quiet, publish_one);
            CHECK(reserved(v) > 0);
            v->queue.seats.rest = VYI_REST_FOREVER - 1; /* the others are without */
        }
        end_all(v);
        for (uint32_t i = 0; i < SLOTS - 8 - round; i++) {
            const vyre_ticket t = engine_publish(v, engine_add(1));
            end_work(v, t.slot, VYRE_SLOT_DONE);
            CHECK_EQ(vyre_poll(v, t), VYRE_OK);
        }
        v->queue.seats.rest = v->queue.seats.rest == VYI_REST_FOREVER ? v->queue.seats.rest : 0;
        worker_do(&quiet, publish_one);
        CHECK_EQ(quiet.status, VYRE_OK);
        end_work(v, quiet.ticket.slot, VYRE_SLOT_DONE);
        CHECK_EQ(vyre_poll(v, quiet.ticket), VYRE_OK);
        v->queue.seats.rest = v->queue.seats.rest == VYI_REST_FOREVER ? v->queue.seats.rest : VYI_REST_FOREVER - 1;
        for (uint32_t i = 0; i < SLOTS / 4; i++) {
            const vyre_ticket t = engine_publish(v, engine_add(1));
            end_work(v, t.slot, VYRE_SLOT_DONE);
            CHECK_EQ(vyre_poll(v, t), VYRE_OK);
        }
        CHECK_EQ(vyre_result(v, quiet.ticket, args, NULL), VYRE_OK);
    }
    worker_end(&quiet);
    vyre_close(v);
}

/* --- threads that come and go -------------------------------------------------- */

/* Eight threads take all the stashes that there may be, and end.  Another one is
 * without, for a while only. */
static void stashes_of_dead_threads_are_used_again(void)
{
    enum { SLOTS = 512 };
    static worker dead[VYI_HOLDERS], w;
    vyre *v = open_ring(SLOTS);
    share(v);
    for (uint32_t i = 0; i < VYI_HOLDERS; i++)
        worker_begin(&dead[i], v);
    for (uint32_t i = 0; i < VYI_HOLDERS; i++)
        worker_do(&dead[i], publish_one);
    worker_begin(&w, v); /* while they live, so with an id of its own */
    for (uint32_t i = 0; i < VYI_HOLDERS; i++)
        worker_end(&dead[i]);
    if (seats_are_there(v)) {
        CHECK_EQ(v->queue.seats.holders, VYI_HOLDERS);
        CHECK_EQ(reserved(v), VYI_HOLDERS * (SLOTS / VYI_RESERVE_PART - 1));
        uint32_t tries = 0;
        while (v->queue.seats.holders == VYI_HOLDERS && tries++ < 2 * VYI_REFUSALS) {
            worker_do(&w, publish_one);
            CHECK_EQ(w.status, VYRE_OK);
            end_work(v, w.ticket.slot, VYRE_SLOT_DONE);
        }
        CHECK(tries > VYI_REFUSALS / 2 && tries < 2 * VYI_REFUSALS);
        v->queue.seats.rest = 0;
        align_cursor(v);
        worker_do(&w, publish_one);
        CHECK_EQ(v->queue.seats.holders, 1);
        CHECK_EQ(reserved(v), SLOTS / VYI_RESERVE_PART - 1);
    }
    end_all(v);
    CHECK_EQ(publish_until_full(v, 1), SLOTS);
    worker_end(&w);
    vyre_close(v);
}

/* One after the other: what each leaves behind is found. */
static void many_threads_publish_one_work_each(void)
{
    enum { SLOTS = 256 };
    vyre *v = open_ring(SLOTS);
    share(v);
    for (uint32_t i = 0; i < SLOTS; i++) {
        worker w;
        worker_begin(&w, v);
        worker_do(&w, publish_one);
        worker_end(&w);
        CHECK_EQ(w.status, VYRE_OK);
    }
    CHECK_EQ(publish_until_full(v, 1), 0);
    CHECK_EQ(marks_in(v, VYI_PHASE_FLIGHT), SLOTS);
    vyre_close(v);
}

/* Every seat is somebody's, so that a thread has none. */
static void without_a_seat_nothing_is_reserved(void)
{
    static worker w;
    vyre *v = open_ring(256);
    share(v);
    for (uint32_t i = 0; i < VYI_SEATS; i++)
        vyi_store_pointer(&v->queue.seats.sitters[i], (void *)(uintptr_t)(3 + i)); /* no thread's id */
    worker_begin(&w, v);
    for (uint32_t i = 0; i < 256; i++) {
        worker_do(&w, publish_one);
        CHECK_EQ(w.status, VYRE_OK);
        CHECK_EQ(reserved(v), 0);
    }
    worker_end(&w);
    CHECK_EQ(publish_until_full(v, 1), 0);
    vyre_close(v);
}

/* A narrow kernel looks at the next slot, so slots are taken one by one. */
static void a_narrow_kernel_gets_slots_in_turn(void)
{
    static worker w;
    vyre *v = open_ring(256);
    vyi_queue_device(&v->queue)->narrow = true;
    vyi_seats_plan(&v->queue);
    share(v);
    worker_begin(&w, v);
    for (uint32_t i = 0; i < 20; i++) {
        worker_do(&w, publish_one);
        CHECK_EQ(w.ticket.slot, i);
        CHECK_EQ(reserved(v), 0);
    }
    worker_end(&w);
    vyi_queue_device(&v->queue)->narrow = false;
    vyre_close(v);
}

/* --- a thread alone -------------------------------------------------------------- */

/* Batches as large as may be, into rings in which every third slot is in use:
 * each free one is taken once, and the next generation is the one behind. */
static void a_lone_batch_takes_each_slot_once(void)
{
    static const uint32_t sizes[] = { 1, 3, 4, 63, 96, 256 };
    for (uint32_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        const uint32_t slots = sizes[k];
        vyre *v = open_ring(slots);
        uint32_t before[256];
        for (uint32_t round = 0; round < 5; round++) {
            for (uint32_t slot = 0; slot < slots; slot++)
                before[slot] = mark_of(v, slot);
            uint32_t left = marks_in(v, VYI_PHASE_FREE);
            CHECK_EQ(publish_until_full(v, 64), left);
            for (uint32_t slot = 0; slot < slots; slot++) {
                const uint32_t moved = vyi_mark_phase(before[slot]) == VYI_PHASE_FREE;
                CHECK_EQ(mark_of(v, slot),
                         vyi_mark_with(before[slot] + moved * 8, VYI_PHASE_FLIGHT));
            }
            for (uint32_t slot = 0; slot < slots; slot++) {
                const vyre_ticket t = { slot, vyi_mark_generation(mark_of(v, slot)) };
                if (slots > 2 && (slot + round) % 3 == 0)
                    continue;
                end_work(v, slot, VYRE_SLOT_DONE);
                CHECK_EQ(vyre_poll(v, t), VYRE_OK);
            }
        }
        vyre_close(v);
    }
}

/* Works are checked four words at a time as they are one by one. */
static void many_works_are_checked_like_one(void)
{
    static const uint32_t edges[] = { 0, 1, 2, 4, 5, 12, 13, 0xfefcu, 0xfefdu, 0xffffu, 0x7fffffffu,
                                      0x80000000u, 0x8000000bu, 0xfffffffeu, 0xffffffffu };
    enum { EDGES = sizeof edges / sizeof edges[0] };
    vyre_desc d = engine_desc(64);
    d.backend = VYRE_BACKEND_CPU;
    d.tenants = 3;
    d.unknown_opcodes = true;
    vyre *v = engine_open(&d);
    uint32_t plain = 0;
    for (uint32_t i = 0; i < EDGES * EDGES * EDGES * EDGES; i++) {
        vyre_work works[3] = { engine_add(1), engine_add(1), engine_add(1) };
        const uint32_t priority = edges[i / (EDGES * EDGES) % EDGES];
        works[1].opcode = edges[i % EDGES];
        works[1].tenant = edges[i / EDGES % EDGES];
        memcpy(&works[1].priority, &priority, sizeof priority);
        works[1].arg_count = edges[i / (EDGES * EDGES * EDGES)];
        const bool one = vyi_work_is_plain(&v->queue, &works[1]);
        CHECK_EQ(vyi_works_are_plain(&v->queue, works, 3), one);
        plain += one;
    }
    CHECK_EQ(plain, 8 * 3 * 4 * 6);
    CHECK(vyi_works_are_plain(&v->queue, NULL, 0));
    vyre_close(v);
}

/* --- everybody at once ----------------------------------------------------------- */

typedef struct producer {
    pthread_t thread;
    vyre     *v;
    uint32_t  id, count, sent, full, wrong;
    bool      loses; /* works may be lost */
    uint32_t *at_home; /* producers that have done all */
} producer;

/* Works singly and in batches; up to 16 are open, and every 32nd is waited for. */
static void *produce(void *user)
{
    producer *p = (producer *)user;
    vyre_work works[5];
    for (uint32_t i = 0; i < 5; i++)
        works[i] = engine_work(OP_COUNT, 2, p->id, 1);
    while (p->sent < p->count) {
        const uint32_t n = p->sent % 7 == 0 && p->count - p->sent >= 5 ? 5 : 1;
        uint32_t published = n;
        vyre_ticket t = { 0, 0 };
        const vyre_status status =
            n == 1 ? vyre_publish(p->v, works, &t, NULL)
                   : vyre_publish_many(p->v, works, n, &published, &t, NULL);
        p->full += status != VYRE_OK;
        if (status == VYRE_E_DEVICE_LOST || (status == VYRE_FULL && n == 1)) {
            vyi_yield();
            continue;
        }
        p->wrong += status != VYRE_OK && status != VYRE_FULL;
        p->sent += published;
        if (!published || p->sent % 32)
            continue;
        vyre_status end;
        while ((end = vyre_wait(p->v, t, 20 * SECOND, NULL)) == VYRE_E_DEVICE_LOST)
            vyi_yield();
        p->wrong += end != VYRE_OK && !(p->loses && (end == VYRE_E_LOST || end == VYRE_E_STALE));
    }
    vyi_fetch_add(p->at_home, 1);
    return NULL;
}

typedef struct crowd {
    uint32_t producers, slots, works;
    bool     holds, losses;
} crowd;

static void disturb(vyre *v, const crowd *c, uint32_t turn)
{
    if (c->losses && turn % 4 == 0) {
        engine_lose(v);
        CHECK_EQ(vyre_recover(v, NULL), VYRE_OK);
    }
    vyi_mutex_lock(&v->lock);
    if (c->holds && vyi_queue_hold(&v->queue, turn % 2))
        vyi_queue_unhold(&v->queue);
    vyi_mutex_unlock(&v->lock);
    vyi_sleep(100000);
}

/* Each work counts once, for its producer and for all. */
static void crowd_run(const crowd *c)
{
    static producer all[80];
    vyre *v = open_ring(c->slots);
    uint32_t full = 0, at_home = 0, turn = 0;
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < c->producers; i++) {
        memset(&all[i], 0, sizeof all[i]);
        all[i].v = v;
        all[i].id = i;
        all[i].count = c->works;
        all[i].loses = c->losses;
        all[i].at_home = &at_home;
        CHECK_EQ(pthread_create(&all[i].thread, NULL, produce, &all[i]), 0);
    }
    while ((c->holds || c->losses) && vyi_load_acquire(&at_home) < c->producers)
        disturb(v, c, ++turn);
    for (uint32_t i = 0; i < c->producers; i++)
        pthread_join(all[i].thread, NULL);
    const vyre_status drained = vyre_drain(v, 20 * SECOND, NULL);
    CHECK(drained == VYRE_OK || (c->losses && (drained == VYRE_E_LOST || drained == VYRE_E_FAULT)));
    CHECK_EQ(vyre_stop(v, 5 * SECOND, NULL), VYRE_OK);
    const uint32_t *counts = (const uint32_t *)vyre_map(v, 0, NULL);
    for (uint32_t i = 0; i < c->producers; i++) {
        CHECK_EQ(all[i].wrong, 0);
        CHECK_EQ(all[i].sent, c->works);
        if (!c->losses)
            CHECK_EQ(counts[i], c->works);
        full += all[i].full;
    }
    if (!c->losses)
        CHECK_EQ(engine_observable(v, 0), c->producers * c->works);
    vyi_mutex_lock(&v->lock);
    CHECK(vyi_queue_hold(&v->queue, false));
    vyi_queue_unhold(&v->queue);
    vyi_mutex_unlock(&v->lock);
    CHECK_EQ(reserved(v), 0);
    CHECK_EQ(publish_until_full(v, 1), c->slots);
    printf("NOTE %u producers, %u slots%s%s: %u works, %u times full, %u disturbed\n", c->producers,
           c->slots, c->holds ? ", held" : "", c->losses ? ", lost" : "",
           c->producers * c->works, full, turn);
    vyre_close(v);
}

static void sums_are_exact_with_two_producers(void)
{
    static const crowd c[] = { { 2, 64, 20000, false, false }, { 2, 256, 20000, true, false },
                               { 2, 4096, 20000, false, false } };
    for (uint32_t i = 0; i < 3; i++)
        crowd_run(&c[i]);
}

static void sums_are_exact_with_four_producers(void)
{
    static const crowd c[] = { { 4, 64, 10000, true, false }, { 4, 256, 10000, false, false },
                               { 4, 4096, 10000, true, false } };
    for (uint32_t i = 0; i < 3; i++)
        crowd_run(&c[i]);
}

static void sums_are_exact_with_more_threads_than_seats(void)
{
    static const crowd c = { VYI_SEATS + 8, 1024, 500, false, false };
    crowd_run(&c);
}

static void producers_live_through_losses(void)
{
    static const crowd c[] = { { 2, 256, 10000, true, true }, { 4, 64, 5000, false, true } };
    for (uint32_t i = 0; i < 2; i++)
        crowd_run(&c[i]);
}

int main(void)
{
    RUN(a_ring_is_full_only_when_all_slots_are_used);
    RUN(partitions_are_reserved_apart);
    RUN(a_full_ring_makes_publishers_modest);
    RUN(a_hold_takes_back_what_is_reserved);
    RUN(a_recall_waits_for_who_is_inside);
    RUN(a_batch_does_not_wait_with_slots_in_hand);
    RUN(generations_that_no_work_had_do_no_harm);
    RUN(a_threads_works_keep_the_order_of_slots);
    RUN(a_result_of_a_quiet_thread_stays);
    RUN(stashes_of_dead_threads_are_used_again);
    RUN(many_threads_publish_one_work_each);
    RUN(without_a_seat_nothing_is_reserved);
    RUN(a_narrow_kernel_gets_slots_in_turn);
    RUN(a_lone_batch_takes_each_slot_once);
    RUN(many_works_are_checked_like_one);
    RUN(sums_are_exact_with_two_producers);
    RUN(sums_are_exact_with_four_producers);
    RUN(sums_are_exact_with_more_threads_than_seats);
    RUN(producers_live_through_losses);
    return test_end();
}

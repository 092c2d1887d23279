/* What went wrong between threads, and between a call and its timeout.  The
 * tests stand inside the library, and most stop it where another thread would
 * have come: a handler waits until the host opens its gate, a callback holds the
 * handle for as long as it is told. */
#include "inside.h"
#include "engine.h"

#include <pthread.h>

/* --- what the tests share ------------------------------------------------- */

#define OP_GATE 0x1010u /* ends once user buffer 0 [a0] is not 0 */
#define OP_SPIN 0x1011u /* a0 iterations */

static void emit_gate(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_ir_forever(p);
    const vyre_value word = vyre_ir_atomic_load(p, s->buffers[0], s->arg[0], VYRE_ORDER_ACQUIRE);
    const vyre_value closed = vyre_ir_u32(p, 0);
    vyre_ir_if(p, vyre_ir_ne(p, word, closed));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

static void emit_spin(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    const vyre_value from = vyre_ir_u32(p, 0);
    const vyre_local x = vyre_ir_local(p, VYRE_TYPE_U32, from, "x");
    const vyre_value i = vyre_ir_loop(p, from, s->arg[0]);
    vyre_ir_set(p, x, i);
    vyre_ir_end(p);
    vyre_emit_result(p, s, 0, vyre_ir_get(p, x));
}

static const vyre_handler defect_handlers[] = {
    VYRE_HANDLER(OP_SQUARE, emit_square, NULL, "square"),
    VYRE_HANDLER(OP_FAULT, emit_fault, NULL, "fault"),
    VYRE_HANDLER(OP_GATE, emit_gate, NULL, "gate"),
    VYRE_HANDLER(OP_SPIN, emit_spin, NULL, "spin"),
};

static vyre_desc defect_desc(uint32_t slots)
{
    vyre_desc d = engine_desc(slots);
    d.backend = VYRE_BACKEND_CPU;
    d.kernel.workgroup_size = slots < 256 ? slots : 0;
    d.kernel.handlers = defect_handlers;
    d.kernel.handler_count = 4;
    d.loop_limit = 0xffffffffu;
    return d;
}

static void gate_set(vyre *v, uint32_t word, uint32_t open)
{
    vyi_store_release((uint32_t *)vyre_map(v, 0, NULL) + word, open);
}

static void wait_until(const uint32_t *word)
{
    for (uint32_t i = 0; i < 20000 && !vyi_load_acquire(word); i++)
        engine_sleep_ms(1);
    CHECK(vyi_load_acquire(word));
}

/* --- a run ---------------------------------------------------------------- */

/* More works than slots: each slot has been used again when the run tells. */
static void a_run_tells_the_first_faults_code(void)
{
    vyre_work works[64];
    for (uint32_t started = 0; started < 2; started++) {
        vyre_desc d = defect_desc(16);
        d.backend = backend_under_test;
        vyre *v = engine_open(&d);
        vyre_error err;
        if (started)
            CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        for (uint32_t n = 1; n <= 64; n += 21) {
            for (uint32_t i = 0; i < n; i++)
                works[i] = engine_work(OP_FAULT, 1, i, 0);
            CHECK_EQ(vyre_run(v, works, n, NULL, &err), VYRE_E_FAULT);
            CHECK(err.at < n);
            CHECK_EQ(err.native, VYRE_FAULT_USER + err.at);
        }
        vyre_close(v);
    }
}

typedef struct rival {
    vyre    *v;
    uint32_t over, ended, wrong;
} rival;

static void *publish_faults(void *user)
{
    rival *r = (rival *)user;
    const vyre_work bad = engine_work(OP_FAULT, 1, 1, 0);
    while (!vyi_load_acquire(&r->over)) {
        vyre_ticket t;
        if (vyre_publish(r->v, &bad, &t, NULL) == VYRE_OK)
            (void)vyre_wait(r->v, t, VYRE_FOREVER, NULL);
    }
    return NULL;
}

static void a_run_beside_anothers_faults_is_not_stale(void)
{
    enum { WORKS = 500, RUNS = 20 };
    static vyre_work works[WORKS];
    vyre_desc d = defect_desc(16);
    vyre *v = engine_open(&d);
    rival r = { v, 0, 0, 0 };
    pthread_t thread;
    for (uint32_t i = 0; i < WORKS; i++)
        works[i] = engine_add(1);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    pthread_create(&thread, NULL, publish_faults, &r);
    uint32_t bad = 0;
    for (uint32_t i = 0; i < RUNS; i++)
        bad += vyre_run(v, works, WORKS, NULL, NULL) != VYRE_OK;
    vyi_store_release(&r.over, 1);
    pthread_join(thread, NULL);
    CHECK_EQ(bad, 0);
    CHECK_EQ(engine_observable(v, 0), WORKS * RUNS);
    vyre_close(v);
}

/* --- troubles ---------------------------------------------------------------- */

/* As if the slot had been used so many times more, all works that ended well; who
 * publishes looks after the device meanwhile. */
static void use_slot(vyre *v, uint32_t times)
{
    uint32_t *mark = &v->queue.slots.marks[0];
    while (times) {
        const uint32_t step = times < VYI_GENERATION_KNOWN / 2 ? times : VYI_GENERATION_KNOWN / 2;
        const uint32_t generation = (*mark >> VYI_GENERATION_BIT) + step;
        *mark = (generation & VYI_GENERATION_MASK) << VYI_GENERATION_BIT;
        vyi_mutex_lock(&v->lock);
        vyi_queue_drive(&v->queue, VYI_EFFORT_LOOK, NULL);
        vyi_mutex_unlock(&v->lock);
        times -= step;
    }
}

/* Half of the wrap after a fault healthy works were stale, and after all of it they
 * were that fault. */
static void old_troubles_are_forgotten(void)
{
    vyre_desc d = defect_desc(1);
    vyre *v = engine_open(&d);
    const vyre_ticket bad = engine_publish(v, engine_work(OP_FAULT, 1, 3, 0));
    CHECK_EQ(vyre_wait(v, bad, 10 * SECOND, NULL), VYRE_E_FAULT);
    for (uint32_t i = 0; i < 9; i++) {
        use_slot(v, VYI_GENERATION_MASK / 8);
        if (i == 8) /* to the fault's own generation */
            use_slot(v, (bad.generation - 1 - (v->queue.slots.marks[0] >> VYI_GENERATION_BIT)) &
                            VYI_GENERATION_MASK);
        const vyre_ticket t = engine_publish(v, engine_add(1));
        CHECK_EQ(vyre_wait(v, t, 10 * SECOND, NULL), VYRE_OK);
        CHECK_EQ(vyre_poll(v, t), VYRE_OK);
        const vyre_ticket u = engine_publish(v, engine_add(1));
        CHECK_EQ(vyre_wait(v, u, 10 * SECOND, NULL), VYRE_OK);
        CHECK_EQ(vyre_poll(v, t), VYRE_OK);
        if (i == 0) {
            CHECK_EQ(vyre_poll(v, bad), VYRE_E_FAULT);
        } else if (i < 3) {
            CHECK_EQ(vyre_poll(v, bad), VYRE_E_STALE);
        }
    }
    vyre_close(v);
}

/* While a later fault of the slot is being written down. */
static void a_fault_that_is_replaced_is_not_taken_for_success(void)
{
    vyre_desc d = defect_desc(1);
    vyre *v = engine_open(&d);
    const vyre_ticket bad = engine_publish(v, engine_work(OP_FAULT, 1, 3, 0));
    CHECK_EQ(vyre_wait(v, bad, 10 * SECOND, NULL), VYRE_E_FAULT);
    CHECK_EQ(vyre_wait(v, engine_publish(v, engine_add(1)), 10 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(vyre_poll(v, bad), VYRE_E_FAULT);
    v->queue.slots.trouble[0].generation = VYI_TROUBLE_CHANGING;
    CHECK_EQ(vyre_poll(v, bad), VYRE_E_STALE);
    v->queue.slots.trouble[0].generation = bad.generation;
    CHECK_EQ(vyre_poll(v, bad), VYRE_E_FAULT);
    vyre_close(v);
}

/* Each look after the device goes on where the one before was, over all slots. */
static void every_slot_s_old_trouble_is_forgotten(void)
{
    enum { SLOTS = 40, AT_ONCE = 16 };
    vyre_desc d = defect_desc(SLOTS);
    vyre *v = engine_open(&d);
    vyi_slots *s = &v->queue.slots;
    vyi_mutex_lock(&v->lock);
    const uint32_t first = s->sweep;
    for (uint32_t i = 0; i < SLOTS; i++) {
        s->trouble[i].generation = 1;
        s->marks[i] = (1 + VYI_GENERATION_KNOWN) << VYI_GENERATION_BIT;
    }
    for (uint32_t seen = AT_ONCE; seen < SLOTS + AT_ONCE; seen += AT_ONCE) {
        vyi_troubles_forget(&v->queue);
        for (uint32_t i = 0; i < SLOTS; i++)
            CHECK_EQ(s->trouble[(first + i) % SLOTS].generation, i >= seen);
        CHECK_EQ(s->sweep, (first + seen) % SLOTS);
    }
    for (uint32_t i = 0; i < SLOTS; i++)
        s->marks[i] = 0;
    vyi_mutex_unlock(&v->lock);
    vyre_close(v);
}

typedef struct writer {
    vyre    *v;
    uint32_t mark;
} writer;

static void *write_down_slowly(void *user)
{
    writer *w = (writer *)user;
    engine_sleep_ms(50);
    vyi_slot_trouble(&w->v->queue, 0, w->mark >> VYI_GENERATION_BIT, VYRE_FAULT_USER, false);
    vyi_store_release(&w->v->queue.slots.marks[0],
                      (w->mark & ~VYI_PHASE_MASK) | VYI_PHASE_FREE);
    return NULL;
}

/* Another thread has seen the end, and has not yet written it down. */
static void a_drain_waits_for_what_is_being_written_down(void)
{
    vyre_desc d = defect_desc(1);
    vyre *v = engine_open(&d);
    vyre_error err;
    pthread_t thread;
    (void)engine_publish(v, engine_work(OP_FAULT, 1, 0, 0));
    writer w = { v, v->queue.slots.marks[0] };
    v->queue.slots.marks[0] = (w.mark & ~VYI_PHASE_MASK) | VYI_PHASE_ENDING;
    pthread_create(&thread, NULL, write_down_slowly, &w);
    const vyre_status status = vyre_drain(v, 10 * SECOND, &err);
    pthread_join(thread, NULL);
    CHECK_EQ(status, VYRE_E_FAULT);
    CHECK_EQ(err.native, VYRE_FAULT_USER);
    vyre_close(v);
}

/* --- a recovery ------------------------------------------------------------ */

static void a_disabled_tenant_stays_disabled(void)
{
    for (uint32_t rerun = 0; rerun < 2; rerun++) {
        vyre_desc d = defect_desc(16);
        d.tenants = 3;
        d.lost_work = rerun ? VYRE_LOST_RERUN : VYRE_LOST_REPORT;
        vyre *v = engine_open(&d);
        vyre_work theirs = engine_add(42);
        theirs.tenant = 1;
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        CHECK_EQ(vyre_tenant_enable(v, 1, false, NULL), VYRE_OK);
        CHECK_EQ(vyre_tenant_enable(v, 2, false, NULL), VYRE_OK);
        CHECK_EQ(vyre_tenant_enable(v, 2, true, NULL), VYRE_OK);
        (void)engine_publish(v, theirs);
        for (uint32_t round = 0; round < 2; round++) {
            engine_lose(v);
            CHECK_EQ(vyre_recover(v, NULL), VYRE_OK);
            const vyre_ticket t = engine_publish(v, theirs);
            CHECK_EQ(vyre_wait(v, t, 20000000, NULL), VYRE_TIMEOUT);
            CHECK_EQ(engine_observable(v, 0), 0);
        }
        theirs.tenant = 2;
        const vyre_ticket t = engine_publish(v, theirs);
        CHECK_EQ(vyre_wait(v, t, 10 * SECOND, NULL), VYRE_OK);
        vyre_close(v);
    }
}

/* --- stopping -------------------------------------------------------------- */

typedef struct holder {
    vyre    *v;
    uint32_t inside, go; /* the callback has begun; may end */
} holder;

static void hold_the_handle(void *user, const vyre_log_record *record)
{
    holder *h = (holder *)user;
    (void)record;
    vyi_store_release(&h->inside, 1);
    while (!vyi_load_acquire(&h->go))
        engine_sleep_ms(1);
}

static void *drain_the_log(void *user)
{
    (void)vyre_drain(((holder *)user)->v, SECOND, NULL);
    return NULL;
}

/* A callback holds the handle for longer than the stop has: what runs meanwhile
 * has nothing to do with it. */
static void a_stop_that_gets_no_lock_ends_no_work(void)
{
    vyre_desc d = defect_desc(16);
    holder h = { NULL, 0, 0 };
    pthread_t thread;
    vyre_error err;
    d.log = hold_the_handle;
    d.log_user = &h;
    vyre *v = h.v = engine_open(&d);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    const vyre_work print = engine_work(VYRE_OP_PRINTF, 1, 1, 0);
    CHECK_EQ(vyre_publish(v, &print, NULL, NULL), VYRE_OK);
    pthread_create(&thread, NULL, drain_the_log, &h);
    wait_until(&h.inside);
    const vyre_ticket gate = engine_publish(v, engine_work(OP_GATE, 1, 0, 0));
    CHECK_EQ(vyre_stop(v, 50000000, &err), VYRE_TIMEOUT);
    CHECK(strstr(err.text, "held the handle"));
    gate_set(v, 0, 1);
    const vyre_status status = vyre_wait(v, gate, 10 * SECOND, &err);
    vyi_store_release(&h.go, 1);
    pthread_join(thread, NULL);
    CHECK_EQ(status, VYRE_OK);
    CHECK_EQ(vyre_stop(v, 10 * SECOND, &err), VYRE_OK);
    vyre_close(v);
}

static void *run_again_and_again(void *user)
{
    rival *r = (rival *)user;
    vyre_work works[256];
    for (uint32_t i = 0; i < 256; i++)
        works[i] = engine_work(OP_SPIN, 1, 2000, 0);
    while (!vyi_load_acquire(&r->over)) {
        r->wrong += vyre_run(r->v, works, 256, NULL, NULL) != VYRE_OK;
        vyi_store_release(&r->ended, r->ended + 1);
    }
    return NULL;
}

/* Without the lock, which would be a turn of its own. */
static uint32_t passes_of(const vyre *v)
{
    return vyi_load_acquire(&v->queue.chain.passes);
}

/* Passes follow each other without a pause, each under the lock.  A stop waits
 * for the one that runs, whatever the machine; luck would take dozens.  Half of
 * them may be unlucky: taken off the processor before they have begun. */
static void a_stop_beside_runs_has_its_turn(void)
{
    enum { STOPS = 20 };
    vyre_desc d = defect_desc(16);
    d.mode = VYRE_MODE_PASSES;
    rival r = { engine_open(&d), 0, 0, 0 };
    pthread_t thread;
    uint32_t late = 0, prompt = 0;
    CHECK_EQ(vyre_start(r.v, NULL), VYRE_OK);
    pthread_create(&thread, NULL, run_again_and_again, &r);
    wait_until(&r.ended);
    for (uint32_t i = 0; i < STOPS; i++) {
        late += vyre_start(r.v, NULL) != VYRE_OK;
        engine_sleep_ms(5);
        const uint32_t before = passes_of(r.v);
        late += vyre_stop(r.v, 60 * SECOND, NULL) != VYRE_OK;
        prompt += passes_of(r.v) - before <= 2;
    }
    vyi_store_release(&r.over, 1);
    pthread_join(thread, NULL);
    CHECK_EQ(late, 0);
    CHECK_EQ(r.wrong, 0);
    CHECK(prompt >= STOPS / 2);
    vyre_close(r.v);
}

/* --- timeouts -------------------------------------------------------------- */

typedef struct dispatcher {
    vyre           *v;
    vyre_io_buffers io;
    vyre_status     status;
    uint32_t        ended;
} dispatcher;

static void *dispatch_bytes(void *user)
{
    dispatcher *d = (dispatcher *)user;
    d->status = vyre_dispatch(d->v, &d->io, NULL, NULL);
    vyi_store_release(&d->ended, 1);
    return NULL;
}

/* A dispatch has the handle until gate 0 opens. */
static void dispatch_a_gate(dispatcher *d, const vyre_desc *desc, pthread_t *thread)
{
    static uint32_t control[224], ring[16 * 16], log[257];
    const vyre_control_desc c = { false, 1, 64 };
    const vyre_work gate = engine_work(OP_GATE, 1, 0, 0);
    memset(d, 0, sizeof *d);
    d->v = engine_open(desc);
    CHECK_EQ(vyre_control_encode(control, sizeof control, &c, NULL), VYRE_OK);
    CHECK_EQ(vyre_ring_encode_works(ring, sizeof ring, 16, &gate, 1, NULL), VYRE_OK);
    CHECK_EQ(vyre_log_encode(log, sizeof log, 64, NULL), VYRE_OK);
    d->io.control = control, d->io.control_size = sizeof control;
    d->io.ring = ring, d->io.ring_size = sizeof ring;
    d->io.log = log, d->io.log_size = sizeof log;
    pthread_create(thread, NULL, dispatch_bytes, d);
    while (vyi_mutex_try(&d->v->lock)) {
        vyi_mutex_unlock(&d->v->lock);
        engine_sleep_ms(1);
    }
}

static void a_drain_does_not_wait_for_the_handle(void)
{
    for (uint32_t logged = 0; logged < 2; logged++) {
        vyre_desc desc = defect_desc(16);
        holder h = { NULL, 0, 1 };
        dispatcher d;
        pthread_t thread;
        desc.log = logged ? hold_the_handle : NULL;
        desc.log_user = &h;
        dispatch_a_gate(&d, &desc, &thread);
        /* Its works have ended; with a log to deliver it cannot do so in time. */
        const vyre_status drained = vyre_drain(d.v, 0, NULL);
        const uint32_t over = vyi_load_acquire(&d.ended);
        gate_set(d.v, 0, 1);
        pthread_join(thread, NULL);
        CHECK_EQ(over, 0);
        CHECK_EQ(drained, logged ? VYRE_TIMEOUT : VYRE_OK);
        CHECK_EQ(d.status, VYRE_OK);
        CHECK_EQ(vyre_drain(d.v, SECOND, NULL), VYRE_OK);
        vyre_close(d.v);
    }
}

static void count_ends(void *user, vyre_ticket t, vyre_status status)
{
    (void)t;
    *(uint32_t *)user += status == VYRE_OK;
}

/* What has no timeout does not wait for the handle; start does for as long as a lease
 * may last. */
static void short_calls_do_not_wait_for_the_handle(void)
{
    vyre_desc desc = defect_desc(16);
    dispatcher d;
    pthread_t thread;
    vyre_info info;
    vyre_error err;
    uint32_t ends = 0;
    desc.tenants = 2;
    desc.lease.timeout_ns = SECOND / 20;
    dispatch_a_gate(&d, &desc, &thread);
    const vyre_ticket t = engine_publish(d.v, engine_add(1));
    vyre_query(d.v, &info);
    const vyre_status off = vyre_tenant_enable(d.v, 1, false, NULL);
    const vyre_status on_end = vyre_on_end(d.v, t, count_ends, &ends, NULL);
    const vyre_status started = vyre_start(d.v, &err);
    const uint32_t over = vyi_load_acquire(&d.ended);
    gate_set(d.v, 0, 1);
    pthread_join(thread, NULL);
    CHECK_EQ(over, 0);
    CHECK_EQ(info.backend, VYRE_BACKEND_CPU);
    CHECK(info.passes <= 1 && info.device_bytes > 0 && !info.running);
    CHECK_EQ(off, VYRE_OK);
    CHECK_EQ(on_end, VYRE_OK);
    CHECK_EQ(started, VYRE_TIMEOUT);
    CHECK(strstr(err.text, "held the handle for all of the 50 ms"));
    CHECK_EQ(d.status, VYRE_OK);
    CHECK_EQ(vyre_start(d.v, NULL), VYRE_OK);
    CHECK_EQ(vyre_wait(d.v, t, 60 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(vyre_drain(d.v, 60 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(ends, 1);
    vyre_work w = engine_add(1);
    w.tenant = 1;
    const vyre_ticket held_back = engine_publish(d.v, w);
    CHECK_EQ(vyre_wait(d.v, engine_publish(d.v, engine_add(1)), 60 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(vyre_poll(d.v, held_back), VYRE_PENDING);
    CHECK_EQ(vyre_tenant_enable(d.v, 1, true, NULL), VYRE_OK);
    CHECK_EQ(vyre_wait(d.v, held_back, 60 * SECOND, NULL), VYRE_OK);
    vyre_close(d.v);
}

/* A recovery holds all slots. */
static void a_drain_does_not_wait_for_a_recovery(void)
{
    vyre_desc desc = defect_desc(16);
    vyre_error err;
    vyre *v = engine_open(&desc);
    vyi_mutex_lock(&v->lock);
    (void)vyi_queue_hold(&v->queue, true);
    CHECK_EQ(vyre_drain(v, 0, &err), VYRE_TIMEOUT);
    CHECK(strstr(err.text, "held the slots"));
    vyi_queue_unhold(&v->queue);
    vyi_mutex_unlock(&v->lock);
    CHECK_EQ(vyre_drain(v, 0, NULL), VYRE_OK);
    vyre_close(v);
}

/* --- what is said ---------------------------------------------------------- */

static void a_backend_that_does_not_exist_is_called_that(void)
{
    vyre_desc d = defect_desc(16);
    vyre_error err;
    d.backend = (vyre_backend)7;
    CHECK(!vyre_open(&d, &err));
    CHECK_EQ(err.status, VYRE_E_BACKEND);
    CHECK(strstr(err.text, "7") && strstr(err.fix, "zero"));
}

static void a_loop_that_was_cut_is_told_how_to_go_on(void)
{
    vyre_desc d = defect_desc(16);
    vyre_error err;
    d.loop_limit = 1000;
    vyre *v = engine_open(&d);
    const vyre_work w = engine_work(OP_SPIN, 1, 100000, 0);
    const vyre_ticket t = engine_publish(v, w);
    CHECK_EQ(vyre_wait(v, t, 10 * SECOND, &err), VYRE_E_FAULT);
    CHECK_EQ(err.native, VYRE_FAULT_LOOP_LIMIT);
    CHECK(strstr(err.fix, "smaller") && strstr(err.fix, "loop_allowance"));
    CHECK_EQ(vyre_run(v, &w, 1, NULL, &err), VYRE_E_FAULT);
    CHECK(strstr(err.fix, "smaller") && strstr(err.fix, "loop_allowance"));
    CHECK_EQ(vyre_publish(v, &w, NULL, NULL), VYRE_OK);
    CHECK_EQ(vyre_drain(v, 10 * SECOND, &err), VYRE_E_FAULT);
    CHECK(strstr(err.fix, "smaller") && strstr(err.fix, "loop_allowance"));
    vyre_close(v);
}

/* An allocator that has no more than a megabyte at a time. */
static void *small_resize(void *user, void *ptr, size_t old_size, size_t new_size)
{
    (void)old_size;
    if (new_size == 0) {
        free(ptr);
        return NULL;
    }
    if (new_size > 1u << 20) {
        *(size_t *)user = new_size;
        return NULL;
    }
    return realloc(ptr, new_size);
}

static void a_refused_allocation_is_the_one_that_is_named(void)
{
    static const vyre_buffer_desc big = {
        "big", 4, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, 1u << 20, false, 0, 0
    };
    vyre_desc d = defect_desc(16);
    vyre_error err;
    size_t refused = 0;
    d.kernel.buffers = &big;
    d.allocator.resize = small_resize;
    d.allocator.user = &refused;
    CHECK(!vyre_open(&d, &err));
    CHECK_EQ(err.status, VYRE_E_NOMEM);
    CHECK(refused > 4u << 20);
    CHECK_EQ(err.at, refused);
}

/* --- opcodes ---------------------------------------------------------------- */

static void an_opcode_that_nobody_has_is_refused(void)
{
    const vyre_work nobodys = engine_work(OP_NOBODYS, 0, 0, 0), huge = engine_work(0x7fffffffu, 0, 0, 0);
    const vyre_work miss = engine_work(VYRE_OP_LOAD_MISS, 0, 0, 0);
    vyre_work many[3] = { engine_add(1), engine_add(1), nobodys };
    vyre_desc d = engine_desc(16);
    vyre_error err;
    vyre *v = engine_open(&d);
    uint32_t published = 7;
    CHECK_EQ(vyre_publish(v, &nobodys, NULL, &err), VYRE_E_OPCODE);
    CHECK_EQ(err.at, OP_NOBODYS);
    CHECK(strstr(err.text, "0x00001fff"));
    CHECK_EQ(vyre_publish(v, &huge, NULL, NULL), VYRE_E_OPCODE);
    CHECK_EQ(vyre_publish(v, &miss, NULL, NULL), VYRE_E_OPCODE);
    CHECK_EQ(vyre_publish_many(v, many, 3, &published, NULL, NULL), VYRE_E_OPCODE);
    CHECK_EQ(vyre_run(v, many, 3, NULL, NULL), VYRE_E_OPCODE);
    CHECK_EQ(published, 7);
    many[2] = engine_work(OP_SQUARE, 0, 0, 0);
    CHECK_EQ(vyre_publish_many(v, many, 3, &published, NULL, NULL), VYRE_OK);
    CHECK_EQ(vyre_drain(v, 10 * SECOND, NULL), VYRE_OK);
    vyre_close(v);

    d.unknown_opcodes = true;
    v = engine_open(&d);
    const vyre_ticket t = engine_publish(v, nobodys);
    CHECK_EQ(vyre_wait(v, t, 10 * SECOND, &err), VYRE_E_FAULT);
    CHECK_EQ(err.native, VYRE_FAULT_OPCODE);
    vyre_close(v);

    const vyre_work reserved = engine_work(0xfff5u, 0, 0, 0);
    CHECK(!vyre_opcode_publishable(VYRE_OP_LOAD_MISS) && !vyre_opcode_publishable(reserved.opcode));
    for (uint32_t misses = 0; misses < 2; misses++) { /* a reserved one that a kernel may have */
        d.kernel.load_miss = misses;
        v = engine_open(&d);
        CHECK_EQ(vyre_publish(v, &reserved, NULL, NULL), VYRE_E_OPCODE);
        CHECK_EQ(vyre_publish(v, &miss, NULL, NULL), misses ? VYRE_OK : VYRE_E_OPCODE);
        vyre_close(v);
    }
}

/* A table of many, and every opcode in it is found. */
static void every_handlers_opcode_is_known(void)
{
    static vyre_handler handlers[300];
    for (uint32_t i = 0; i < 300; i++) {
        handlers[i].opcode = i < 100 ? 8 + i : i < 200 ? 0x10000 + i * 4099 : 0x1000 * i;
        handlers[i].emit = emit_square;
    }
    vyre_desc d = defect_desc(16);
    d.kernel.handlers = handlers;
    d.kernel.handler_count = 300;
    vyre *v = engine_open(&d);
    for (uint32_t i = 0; i < 300; i++) {
        vyre_work w = engine_work(handlers[i].opcode, 0, 0, 0);
        CHECK_EQ(vyi_works_fit(v, &w, 1, NULL), VYRE_OK);
        CHECK(vyi_opcode_is_known(&v->opcodes, w.opcode));
        w.opcode = handlers[i].opcode ^ 0x02000000u;
        CHECK_EQ(vyi_works_fit(v, &w, 1, NULL), VYRE_E_OPCODE);
    }
    vyre_close(v);
}

/* Of many works the error names the one that is wrong, and none is published. */
static void a_wrong_work_of_many_is_named(void)
{
    enum { MANY = 64 };
    vyre_desc d = defect_desc(128);
    vyre_work works[MANY];
    vyre_error err;
    uint32_t published = 7;
    vyre *v = engine_open(&d);
    vyre_producer *p = vyre_producer_open(v, 64, NULL);
    CHECK(p != NULL);
    for (uint32_t i = 0; i < MANY; i++)
        works[i] = engine_add(1);
    works[17].tenant = works[40].tenant = 9;
    CHECK_EQ(vyre_publish_many(v, works, MANY, &published, NULL, &err), VYRE_E_TENANT_RANGE);
    CHECK_TEXT(err.text, "work 17 of 64: tenant 9 is not one of the handle's 1");
    CHECK_EQ(err.at, 9);
    works[17].tenant = 0;
    works[40].tenant = 0;
    works[63].arg_count = 13;
    CHECK_EQ(vyre_producer_publish_many(p, works, MANY, &published, NULL, &err),
             VYRE_E_TOO_MANY_ARGS);
    CHECK_TEXT(err.text, "work 63 of 64: the work has 13 arguments");
    works[63].arg_count = 0;
    works[0].opcode = OP_NOBODYS;
    CHECK_EQ(vyre_run(v, works, MANY, NULL, &err), VYRE_E_OPCODE);
    CHECK_TEXT(err.text, "work 0 of 64: no handler of this handle has opcode 0x00001fff");
    works[1].priority = (vyre_priority)5;
    CHECK_EQ(vyre_run(v, works + 1, MANY - 1, NULL, &err), VYRE_E_PRIORITY);
    CHECK_TEXT(err.text, "work 0 of 63: priority 5 does not exist");
    CHECK_EQ(published, 7);
    CHECK_EQ(vyre_drain(v, 10 * SECOND, NULL), VYRE_OK);
    CHECK_EQ(engine_observable(v, 0), 0);
    CHECK_EQ(vyre_publish(v, &works[0], NULL, &err), VYRE_E_OPCODE); /* one has no index */
    CHECK_TEXT(err.text, "no handler of this handle has opcode 0x00001fff");
    vyre_producer_close(p);
    vyre_close(v);
}

/* --- a run whose device is lost ------------------------------------------------ */

enum { LOST_RUN = 10, LOST_HELD = 5, LOST_SLOTS = 2 };

typedef struct lost_run {
    vyre       *v;
    vyre_stats  stats;
    vyre_status status;
} lost_run;

/* Once so many have run two fill the ring, and wait for their tenant. */
static void *lost_run_main(void *user)
{
    lost_run *l = (lost_run *)user;
    vyre_work works[LOST_RUN];
    for (uint32_t i = 0; i < LOST_RUN; i++) {
        works[i] = engine_add(1);
        works[i].tenant = i == LOST_HELD || i == LOST_HELD + 1;
    }
    l->status = vyre_run(l->v, works, LOST_RUN, &l->stats, NULL);
    return NULL;
}

static void lost_await(vyre *v, uint32_t recoveries, uint32_t sum)
{
    const uint64_t end = engine_now() + 60 * SECOND;
    uint32_t now = sum + 1; /* a device that is lost right now has no observables */
    vyre_info info;
    do
        vyre_query(v, &info);
    while ((info.recoveries != recoveries || vyre_observable(v, 0, &now, NULL) != VYRE_OK ||
            now != sum) && engine_now() < end);
    CHECK_EQ(info.recoveries, recoveries);
    CHECK_EQ(now, sum);
}

/* The run itself has the device replaced, and publishes the rest; what was in the ring runs
 * again, or is lost. */
static void a_run_outlasts_its_device(void)
{
    for (uint32_t rerun = 0; rerun < 2; rerun++) {
        const uint32_t rest = LOST_RUN - LOST_HELD - LOST_SLOTS;
        vyre_stuck_slot stuck[LOST_SLOTS];
        lost_run l;
        pthread_t thread;
        vyre_desc d = engine_desc(LOST_SLOTS);
        memset(&l, 0, sizeof l);
        d.lost_work = rerun ? VYRE_LOST_RERUN : VYRE_LOST_REPORT;
        d.auto_recover = true;
        d.tenants = 2;
        l.v = engine_open(&d);
        CHECK_EQ(vyre_tenant_enable(l.v, 1, false, NULL), VYRE_OK);
        CHECK_EQ(vyre_start(l.v, NULL), VYRE_OK);
        CHECK_EQ(pthread_create(&thread, NULL, lost_run_main, &l), 0);
        CHECK_EQ(engine_stuck(l.v, 1000000, LOST_SLOTS, stuck, LOST_SLOTS), LOST_SLOTS);
        lost_await(l.v, 0, LOST_HELD);
        engine_lose(l.v);
        lost_await(l.v, 1, rerun ? 0 : rest);
        CHECK_EQ(vyre_tenant_enable(l.v, 1, true, NULL), VYRE_OK);
        pthread_join(thread, NULL);
        CHECK_EQ(l.status, rerun ? VYRE_OK : VYRE_E_LOST);
        CHECK_EQ(l.stats.done, rerun ? LOST_RUN : LOST_RUN - LOST_SLOTS);
        CHECK_EQ(l.stats.recovered, true);
        CHECK_EQ(engine_observable(l.v, 0), rerun ? LOST_SLOTS + rest : rest);
        vyre_close(l.v);
    }
}

/* --- figures ---------------------------------------------------------------- */

static void launches_are_counted(void)
{
    vyre_desc d = engine_desc(16);
    vyre_stats stats;
    vyre *v = engine_open(&d);
    CHECK_EQ(vyre_dispatch_resident(v, 5, &stats, NULL), VYRE_OK);
    CHECK_EQ(stats.kernel_launches, 5);
    CHECK_EQ(stats.original.kernel_launches, 1);
    CHECK_EQ(stats.original.resident_handles, 20);
    vyre_close(v);
}

int main(void)
{
    static const engine_case cases[] = {
        ENGINE_CASE(a_run_tells_the_first_faults_code),
        ENGINE_CASE(an_opcode_that_nobody_has_is_refused),
        ENGINE_CASE(launches_are_counted),
        ENGINE_CASE(a_run_outlasts_its_device),
    };
    RUN(a_run_beside_anothers_faults_is_not_stale);
    RUN(old_troubles_are_forgotten);
    RUN(every_slot_s_old_trouble_is_forgotten);
    RUN(a_fault_that_is_replaced_is_not_taken_for_success);
    RUN(a_drain_waits_for_what_is_being_written_down);
    RUN(a_disabled_tenant_stays_disabled);
    RUN(a_stop_that_gets_no_lock_ends_no_work);
    RUN(a_stop_beside_runs_has_its_turn);
    RUN(a_drain_does_not_wait_for_the_handle);
    RUN(short_calls_do_not_wait_for_the_handle);
    RUN(a_drain_does_not_wait_for_a_recovery);
    RUN(every_handlers_opcode_is_known);
    RUN(a_wrong_work_of_many_is_named);
    RUN(a_backend_that_does_not_exist_is_called_that);
    RUN(a_loop_that_was_cut_is_told_how_to_go_on);
    RUN(a_refused_allocation_is_the_one_that_is_named);
    engine_run_cases(cases, sizeof cases / sizeof cases[0]);
    return test_end();
}

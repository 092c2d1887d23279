/* Paths of the engine that whole programs seldom take: wide works that an abort has left in
 * the middle, passes of two kinds in turn, passes for works that a lease has begun, a full
 * ring, launches that outlast their rounds, ages, the last binding, and looks while all slots
 * are held.  On the fake backend, whose words the tests write in place of a device. */
#include "inside.h"

#include "fake.h"

#define OP_RANGE 0x1100u
#define CHUNKS   5u

static void emit_nothing(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)p, (void)s, (void)user;
}

static const vyre_handler range_handlers[] = {
    { OP_RANGE, emit_nothing, NULL, "range", VYRE_WIDTH_RANGE, 100, NULL, 0 },
};

static vyre_desc paths_desc(void)
{
    vyre_desc d = engine_desc(64);
    d.tenants = 2;
    d.kernel.handlers = range_handlers;
    d.kernel.handler_count = 1;
    return d;
}

/* With groups for wide works, or in passes.  A launch ends when the test says so. */
static vyre *paths_open(const vyre_desc *d, bool live)
{
    fake_reset();
    fake.not_live = !live;
    fake.wide_groups = live ? 4 : 0;
    fake.hold = true;
    return fake_handle(d);
}

static vyre_work range_work(void)
{
    return engine_work(OP_RANGE, 2, 0, 100 * CHUNKS);
}

static uint32_t *words_of(const vyre *v, uint32_t buffer)
{
    return vyi_device_words(vyi_queue_device(&v->queue), buffer);
}

static uint32_t *mirror_of(const vyre *v, uint32_t slot)
{
    return words_of(v, v->queue.slots.mirror) + slot;
}

static uint32_t *slot_of(const vyre *v, uint32_t slot)
{
    return words_of(v, VYI_ROLE_RING) + (size_t)slot * VYRE_SLOT_WORDS;
}

static uint32_t *state_of(const vyre *v, uint32_t state)
{
    return words_of(v, v->queue.wides.buffer) + VYI_WIDE_STATES + state * VYI_WIDE_STATE_WORDS;
}

static void end_slot(const vyre *v, uint32_t slot)
{
    vyi_store_release(slot_of(v, slot), VYRE_SLOT_DONE);
    vyi_store_release(mirror_of(v, slot), VYRE_SLOT_DONE);
}

static void end_launches(vyre *v)
{
    fake_device *d = (fake_device *)vyi_queue_device(&v->queue);
    d->completed = d->launched;
}

/* Twice: a pass that has changed nothing is not followed by another at once. */
static void drive(vyre *v)
{
    const uint32_t before = fake.launches_seen;
    vyi_mutex_lock(&v->lock);
    for (uint32_t i = 0; i < 2 && fake.launches_seen == before; i++) {
        v->queue.chain.retry_at = 0;
        CHECK_EQ(vyi_queue_drive(&v->queue, VYI_EFFORT_WORK, NULL), VYRE_OK);
    }
    vyi_mutex_unlock(&v->lock);
}

/* --- works that an abort has left in the middle ---------------------------- */

static const struct torn_row {
    uint32_t back;            /* NEXT is of so many generations before */
    uint32_t taken, finished; /* as groups count them */
    uint32_t mirror, status;
    bool     seen;            /* its end was, before: the slot is free */
    bool     torn;
} torn_rows[] = {
    { 0, 0, 0, 0, VYRE_SLOT_PUBLISHED, false, false },
    { 0, 3, 2, 0, VYRE_SLOT_PUBLISHED, false, true },
    { 0, 3, 3, 0, VYRE_SLOT_PUBLISHED, false, false },
    { 0, 3, 3 | VYI_WIDE_FAULTED, 0, VYRE_SLOT_PUBLISHED, false, false },
    { 0, 3, 2 | VYI_WIDE_FAULTED, 0, VYRE_SLOT_PUBLISHED, false, true },
    { 0, CHUNKS + 4, CHUNKS, 0, VYRE_SLOT_PUBLISHED, false, false }, /* four came in vain */
    { 0, CHUNKS + 4, CHUNKS - 1, 0, VYRE_SLOT_PUBLISHED, false, true },
    { 1, 3, 0, 0, VYRE_SLOT_PUBLISHED, false, false }, /* nobody has looked at this work yet */
    { 0, CHUNKS, 0, VYRE_SLOT_DONE, VYRE_SLOT_DONE, false, false },
    { 0, 3, 2, 0, VYRE_SLOT_DONE, true, false },
    { 0, 3, 3, 0, VYRE_SLOT_CLAIMED, false, true }, /* a pass had it */
    { 0, 0, 0, 0, VYRE_SLOT_CLAIMED, false, true },
};
enum { TORN_ROWS = sizeof torn_rows / sizeof torn_rows[0] };

static void tear(vyre *v, vyre_ticket t, const struct torn_row *row)
{
    const uint32_t slot = VYI_TICKET_SLOT(t), at = slot - v->queue.slots.lanes;
    const uint32_t generation = v->queue.wides.generations[at];
    uint32_t *state = state_of(v, at);
    if (row->seen) {
        end_slot(v, slot);
        CHECK_EQ(vyre_poll(v, t), VYRE_OK);
    }
    state[VYI_WIDE_NEXT] = (generation - row->back) << VYI_GATE_GENERATION | row->taken;
    state[VYI_WIDE_FINISHED] = row->finished;
    state[VYI_WIDE_SUMS + 3] = 4711;
    *slot_of(v, slot) = row->status;
    *mirror_of(v, slot) = row->mirror;
}

static void check_torn(vyre *v, vyre_ticket t, const struct torn_row *row)
{
    const uint32_t slot = VYI_TICKET_SLOT(t), at = slot - v->queue.slots.lanes;
    const uint32_t *state = state_of(v, at);
    const bool open = !row->seen && row->mirror == 0;
    CHECK_EQ(*slot_of(v, slot), row->torn ? VYRE_SLOT_FAULTED : row->status);
    CHECK_EQ(state[VYI_WIDE_FINISHED], row->torn ? 0 : row->finished);
    CHECK_EQ(state[VYI_WIDE_SUMS + 3], row->torn ? 0 : 4711);
    CHECK_EQ(state[VYI_WIDE_DONE], row->torn ? v->queue.wides.generations[at] : 0);
    CHECK_EQ(vyre_poll(v, t), row->torn ? VYRE_E_FAULT : open ? VYRE_PENDING : VYRE_OK);
}

static void works_that_are_torn_end_with_a_fault(void)
{
    const vyre_desc d = paths_desc();
    vyre_ticket t[TORN_ROWS];
    vyre *v = paths_open(&d, true);
    uint32_t *guest = state_of(v, VYI_WIDE_GUEST);
    for (uint32_t i = 0; i < TORN_ROWS; i++)
        t[i] = engine_publish(v, range_work());
    for (uint32_t i = 0; i < TORN_ROWS; i++)
        tear(v, t[i], &torn_rows[i]);
    guest[VYI_WIDE_FINISHED] = 2;
    guest[VYI_WIDE_STATE_WORDS - 1] = 2;
    vyi_mutex_lock(&v->lock);
    vyi_queue_bury(&v->queue); /* nothing was aborted */
    CHECK_EQ(guest[VYI_WIDE_FINISHED], 2);
    vyi_store_release(&v->queue.aborted, 1);
    vyi_queue_bury(&v->queue);
    vyi_mutex_unlock(&v->lock);
    for (uint32_t i = 0; i < TORN_ROWS; i++)
        check_torn(v, t[i], &torn_rows[i]);
    CHECK_EQ(guest[VYI_WIDE_FINISHED] | guest[VYI_WIDE_STATE_WORDS - 1], 0);
    CHECK_EQ(guest[VYI_WIDE_DONE], 0);
    vyre_close(v);
}

/* --- the last generation of a wide slot ------------------------------------- */

static void renew(vyre *v)
{
    vyi_mutex_lock(&v->lock);
    CHECK(vyi_wide_renew(&v->queue));
    vyi_mutex_unlock(&v->lock);
}

/* Groups of the launch in flight may have seen the gate open, so the slot rests until it has
 * ended; then its words are as they were at first. */
static void a_wide_slot_rests_until_its_launches_have_ended(void)
{
    const vyre_desc d = paths_desc();
    vyre *v = paths_open(&d, true);
    vyi_queue *q = &v->queue;
    uint32_t *gates = words_of(v, q->wides.buffer) + VYI_WIDE_GATES, *state = state_of(v, 0);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    const uint64_t ended = ++q->chain.completed;
    CHECK_EQ(q->chain.launched, ended + 1);
    q->wides.generations[0] = VYI_GATE_LAST;
    gates[0] = VYI_GATE_LAST << VYI_GATE_GENERATION | 1;
    state[VYI_WIDE_NEXT] = VYI_GATE_LAST << VYI_GATE_GENERATION | 3;
    state[VYI_WIDE_DONE] = VYI_GATE_LAST;
    for (uint32_t i = 0; i < 3; i++) {
        renew(v);
        CHECK_EQ(gates[0], 0);
        CHECK_EQ(q->wides.generations[0], VYI_GATE_LAST);
        CHECK_EQ(state[VYI_WIDE_DONE], VYI_GATE_LAST);
    }
    q->chain.completed = q->chain.launched++; /* a later one cannot have seen it */
    renew(v);
    CHECK_EQ(q->wides.generations[0], 0);
    CHECK_EQ(state[VYI_WIDE_NEXT] | state[VYI_WIDE_DONE], 0);
    CHECK_EQ(q->wides.retired[0], 0);
    q->chain.completed = ended - 1;
    q->chain.launched = ended + 1;
    vyre_close(v);
}

/* --- passes of two kinds --------------------------------------------------- */

static void a_lane_s_work_is_company_until_it_ends(void)
{
    const vyre_desc d = paths_desc();
    vyre *v = paths_open(&d, false);
    CHECK(!vyi_wide_has_company(&v->queue));
    const vyre_ticket wide = engine_publish(v, range_work());
    CHECK_EQ(VYI_TICKET_SLOT(wide), v->queue.slots.lanes); /* the one right behind theirs */
    CHECK(!vyi_wide_has_company(&v->queue));
    vyre_ticket t = { 0, 0 };
    for (uint32_t i = 0; i < 64; i++) { /* and the last one's counts as the first one's */
        t = engine_publish(v, engine_add(1));
        CHECK(vyi_wide_has_company(&v->queue));
        end_slot(v, VYI_TICKET_SLOT(t));
        CHECK(!vyi_wide_has_company(&v->queue));
    }
    CHECK_EQ(VYI_TICKET_SLOT(t), 63);
    CHECK_EQ(vyre_poll(v, t), VYRE_OK);
    *mirror_of(v, 63) = 0; /* a slot that nobody has */
    CHECK(!vyi_wide_has_company(&v->queue));
    vyre_close(v);
}

/* The pass that was launched last, and its slot if it was a wide work's. */
static uint32_t passes_next(vyre *v)
{
    const uint32_t before = fake.launches_seen;
    end_launches(v);
    drive(v);
    CHECK_EQ(fake.launches_seen, before + 1);
    if (fake.last == VYI_LAUNCH_ONCE)
        return UINT32_MAX;
    CHECK_EQ(fake.last, VYI_LAUNCH_TILES);
    const uint32_t slot =
        words_of(v, v->queue.wides.buffer)[VYI_WIDE_HEAD + VYI_WIDE_PASS_SLOT];
    CHECK_EQ(*slot_of(v, slot), VYRE_SLOT_CLAIMED);
    end_slot(v, slot);
    return slot;
}

/* While a lane's work waits, which no pass can end here, every second pass is one of lanes'.
 * Wide works come by urgency, and then by age. */
static void passes_of_two_kinds_take_turns(void)
{
    const vyre_desc d = paths_desc();
    vyre *v = paths_open(&d, false);
    vyre_work w = range_work();
    uint32_t slots[6];
    const vyre_ticket lane = engine_publish(v, engine_add(1));
    for (uint32_t i = 0; i < 6; i++) {
        w.priority = i == 4 ? VYRE_PRIORITY_HIGH : VYRE_PRIORITY_NORMAL;
        slots[i] = VYI_TICKET_SLOT(engine_publish(v, w));
    }
    CHECK_EQ(passes_next(v), slots[4]);
    CHECK_EQ(passes_next(v), UINT32_MAX);
    CHECK_EQ(passes_next(v), slots[0]);
    CHECK_EQ(passes_next(v), UINT32_MAX);
    CHECK_EQ(passes_next(v), slots[1]);
    end_slot(v, VYI_TICKET_SLOT(lane)); /* now they have the device to themselves */
    CHECK_EQ(passes_next(v), slots[2]);
    CHECK_EQ(passes_next(v), slots[3]);
    CHECK_EQ(passes_next(v), slots[5]);
    const uint32_t before = fake.launches_seen;
    end_launches(v);
    drive(v);
    CHECK_EQ(fake.launches_seen, before);
    vyre_close(v);
}

/* --- a pass for a work that groups of a lease have begun ------------------- */

static void check_pass(vyre *v, uint32_t slot, uint32_t state, uint32_t first, uint32_t generation)
{
    const uint32_t *words = words_of(v, v->queue.wides.buffer), *head = words + VYI_WIDE_HEAD;
    CHECK_EQ(head[VYI_WIDE_PASS_SLOT], slot);
    CHECK_EQ(head[VYI_WIDE_PASS_STATE], state);
    CHECK_EQ(head[VYI_WIDE_PASS_FIRST], first);
    CHECK_EQ(head[VYI_WIDE_PASS_GENERATION], generation);
    CHECK_EQ(words[VYI_WIDE_PER + state], 100);
    CHECK_EQ(words[VYI_WIDE_CHUNKS + state], generation << VYI_GATE_GENERATION | CHUNKS);
    CHECK_EQ(fake.rounds[(fake.launches_seen - 1) % 64], CHUNKS - first);
}

/* Of a handle with groups a pass goes on where they were; without, or where what NEXT says
 * is an earlier work's, it begins. */
static void a_pass_goes_on_where_groups_were(void)
{
    for (uint32_t how = 0; how < 3; how++) {
        const vyre_desc d = paths_desc();
        const bool live = how < 2;
        vyre *v = paths_open(&d, live);
        uint32_t slot = 0;
        for (uint32_t i = 0; i < 2; i++) { /* the second one's words are not 0 */
            slot = VYI_TICKET_SLOT(engine_publish(v, range_work()));
            const uint32_t at = slot - v->queue.slots.lanes;
            const uint32_t last = v->queue.wides.generations[at], back = how == 1;
            state_of(v, at)[VYI_WIDE_NEXT] = (last - back) << VYI_GATE_GENERATION | 2;
            CHECK_EQ(passes_next(v), slot);
            CHECK_EQ(fake.last, VYI_LAUNCH_TILES);
            check_pass(v, slot, at, how == 0 ? 2 : 0, live ? last : 0);
        }
        end_launches(v);
        drive(v);
        fake.hold = false;
        vyre_close(v);
    }
}

/* A work in bytes of the caller's has a state that no group of the handle's has seen. */
static void a_dispatch_begins_with_the_first_chunk(void)
{
    static uint32_t control[168], ring[64 * 16], log[257];
    static const vyre_control_desc desc = { false, 1, 8 };
    const vyre_io_buffers io = { control, sizeof control, ring, sizeof ring,
                                 log,     sizeof log,     NULL, 0 };
    const vyre_desc d = paths_desc();
    const vyre_work w = range_work();
    vyre *v = paths_open(&d, true);
    fake.hold = false;
    CHECK_EQ(vyre_control_encode(control, sizeof control, &desc, NULL), VYRE_OK);
    CHECK_EQ(vyre_ring_encode(ring, sizeof ring, 64, NULL), VYRE_OK);
    CHECK_EQ(vyre_ring_publish(ring, sizeof ring, 63, &w, NULL), VYRE_OK);
    state_of(v, VYI_WIDE_GUEST)[VYI_WIDE_NEXT] = 2;
    (void)vyre_dispatch(v, &io, NULL, NULL); /* the fake ends no tiles */
    const uint32_t *words = words_of(v, v->queue.wides.buffer), *head = words + VYI_WIDE_HEAD;
    CHECK_EQ(fake.rounds[0], CHUNKS);
    CHECK_EQ(head[VYI_WIDE_PASS_SLOT], 63);
    CHECK_EQ(head[VYI_WIDE_PASS_STATE], VYI_WIDE_GUEST);
    CHECK_EQ(head[VYI_WIDE_PASS_FIRST] | head[VYI_WIDE_PASS_GENERATION], 0);
    vyre_close(v);
}

/* A launch that is refused leaves the work as it was. */
static void a_pass_that_is_refused_claims_nothing(void)
{
    const vyre_desc d = paths_desc();
    vyre *v = paths_open(&d, false);
    const uint32_t slot = VYI_TICKET_SLOT(engine_publish(v, range_work()));
    fake.fail_at = fake.total + 1;
    fake.fail_with = VYRE_E_LAUNCH;
    vyi_mutex_lock(&v->lock);
    CHECK_EQ(vyi_queue_drive(&v->queue, VYI_EFFORT_WORK, NULL), VYRE_E_LAUNCH);
    vyi_mutex_unlock(&v->lock);
    CHECK_EQ(*slot_of(v, slot), VYRE_SLOT_PUBLISHED);
    CHECK_EQ(passes_next(v), slot);
    end_launches(v);
    vyre_close(v);
}

/* --- a full ring ----------------------------------------------------------- */

/* In passes, too, a slot is in use until its own work has ended, and no longer: what others of
 * the pass do, and whether it has ended, is nothing to it. */
static void a_ring_is_full_of_works_that_have_not_ended(void)
{
    const vyre_desc d = paths_desc();
    const vyre_work w = engine_add(1);
    vyre *v = paths_open(&d, false);
    vyre_ticket last = { 0, 0 };
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < 64; i++)
        last = engine_publish(v, w);
    CHECK_EQ(vyre_publish(v, &w, NULL, NULL), VYRE_FULL);
    CHECK_EQ(vyi_queue_in_flight(&v->queue), 1);
    end_slot(v, VYI_TICKET_SLOT(last));
    CHECK_EQ(vyre_poll(v, last), VYRE_OK);
    CHECK_EQ(vyre_publish(v, &w, NULL, NULL), VYRE_OK); /* into the last one's slot */
    CHECK_EQ(vyre_publish(v, &w, NULL, NULL), VYRE_FULL);
    for (uint32_t i = 0; i < 64; i++)
        end_slot(v, i);
    for (uint32_t i = 0; i < 64; i++)
        CHECK_EQ(vyre_publish(v, &w, NULL, NULL), VYRE_OK);
    CHECK_EQ(vyre_publish(v, &w, NULL, NULL), VYRE_FULL);
    CHECK_EQ(vyi_queue_in_flight(&v->queue), 1); /* all the while */
    end_launches(v);
    fake.hold = false;
    CHECK_EQ(vyre_drain(v, SECOND, NULL), VYRE_OK);
    vyre_close(v);
}

/* --- a work behind one that does not end ------------------------------------ */

static void publish_overdue(vyre *v)
{
    vyi_store_relaxed(&v->queue.drive_at, (uint32_t)(vyi_now() / 1000u) - 5);
    (void)engine_publish(v, engine_add(1));
}

/* All leases have ended, and the first work has not: it takes longer than they did, or its
 * lane stands still between what it has done and its end.  Whoever publishes behind it
 * takes it for busy, and one slot in 64 looks; so does who asks (docs/persistent.md). */
static void a_work_behind_one_that_outlasts_the_leases_waits_for_a_look(void)
{
    for (uint32_t asks = 0; asks < 2; asks++) {
        vyre_desc d = paths_desc();
        d.kernel.slot_count = 128;
        vyre *v = paths_open(&d, true);
        CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        publish_overdue(v);
        end_launches(v);
        const uint32_t before = fake.launches_seen;
        for (uint32_t slot = 1; slot < (asks ? 2 : 64); slot++)
            publish_overdue(v);
        CHECK_EQ(fake.launches_seen, before);
        vyre_ticket t = { v->queue.slots.tag, 1 };
        if (asks)
            CHECK_EQ(vyre_poll(v, t), VYRE_PENDING);
        else
            publish_overdue(v);
        CHECK_EQ(fake.launches_seen, before + 2);
        end_launches(v);
        end_slot(v, asks ? 1 : 64); /* whereas behind one that has ended each looks */
        publish_overdue(v);
        CHECK_EQ(fake.launches_seen, before + 4);
        end_launches(v);
        fake.hold = false;
        vyre_close(v);
    }
}

/* --- ages ------------------------------------------------------------------ */

static uint32_t oldest(vyre *v)
{
    vyre_info info;
    vyi_mutex_lock(&v->lock);
    vyi_queue_look(&v->queue);
    vyi_mutex_unlock(&v->lock);
    vyre_query(v, &info);
    return info.oldest_looks;
}

/* The blocks of a handle, to know where the one ends that has its slots. */
static struct {
    uint8_t *at;
    size_t   size;
} blocks[1024];
static uint32_t block_count;

static void *note_block(void *user, void *ptr, size_t old_size, size_t new_size)
{
    (void)user;
    for (uint32_t i = 0; i < block_count && ptr; i++)
        if (blocks[i].at == ptr)
            blocks[i].size = 0;
    if (new_size == 0) {
        free(ptr);
        return NULL;
    }
    uint8_t *fresh = (uint8_t *)calloc(1, new_size);
    if (fresh && ptr)
        memcpy(fresh, ptr, old_size < new_size ? old_size : new_size);
    free(ptr);
    CHECK(fresh && block_count < 1024);
    blocks[block_count].at = fresh;
    blocks[block_count++].size = new_size;
    return fresh;
}

/* So many bytes are left of the block from there on. */
static size_t left_of_block(const void *from)
{
    const uintptr_t at = (uintptr_t)from;
    for (uint32_t i = block_count; i-- > 0;) {
        const uintptr_t begin = (uintptr_t)blocks[i].at;
        if (at >= begin && at - begin < blocks[i].size)
            return blocks[i].size - (at - begin);
    }
    return 0;
}

/* Their words are behind all others of the block: records of works, and of the log. */
static void check_ages_lie(const vyre *v, bool rerun)
{
    const vyi_slots *s = &v->queue.slots;
    const vyre_log_record *log_end = v->log + v->desc.kernel.log_records;
    CHECK(rerun == (s->record != NULL));
    CHECK((const void *)s->ages ==
          (rerun ? (const void *)(s->record + s->count) : (const void *)log_end));
    CHECK(left_of_block(s->ages) >= s->count * sizeof *s->ages);
    CHECK(left_of_block(s->ages) < s->count * sizeof *s->ages + 128);
}

static void ages_count_looks(void)
{
    for (int rerun = 0; rerun < 2; rerun++) {
        vyre_desc d = paths_desc();
        const vyre_work works[3] = { engine_add(1), engine_add(1), engine_add(1) };
        vyre_ticket t[4];
        d.kernel.slot_count = 4096;
        d.ages = true;
        d.allocator.resize = note_block;
        block_count = 0;
        d.lost_work = rerun ? VYRE_LOST_RERUN : VYRE_LOST_REPORT;
        vyre *v = paths_open(&d, false);
        vyi_queue *q = &v->queue;
        check_ages_lie(v, rerun);
        q->looks = 7;
        CHECK_EQ(oldest(v), 0);
        t[0] = engine_publish(v, works[0]); /* at look 8 */
        CHECK_EQ(oldest(v), 1);
        CHECK_EQ(vyre_publish_many(v, works, 3, NULL, &t[1], NULL), VYRE_OK); /* 9 */
        t[2] = engine_publish(v, range_work());
        for (uint32_t slot = 0; slot < q->slots.count; slot++)
            CHECK_EQ(q->slots.ages[slot],
                     slot == 0 ? 8 : slot < 4 || slot == q->slots.lanes ? 9 : 0);
        CHECK_EQ(oldest(v), 2);
        end_slot(v, 0);
        CHECK_EQ(oldest(v), 2);
        for (uint32_t slot = 1; slot < 4; slot++)
            end_slot(v, slot);
        CHECK_EQ(oldest(v), 3); /* the wide one */
        q->slots.ages[q->slots.lanes] = q->looks + 5; /* of a look that is under way */
        CHECK_EQ(oldest(v), 0);
        q->slots.ages[q->slots.lanes] = q->looks - 1;
        CHECK_EQ(oldest(v), 2);
        end_slot(v, q->slots.lanes);
        CHECK_EQ(oldest(v), 0);
        vyre_close(v);
    }
}

/* --- the last binding ------------------------------------------------------ */

enum { OWN_WIDE = 1, OWN_EVENTS = 2, OWN_CHILDREN = 4, OWN_TRACE = 8, OWN_ALL = 16 };

static vyre *open_with_buffers(uint32_t own, uint32_t count, vyre_error *err)
{
    static vyre_buffer_desc buffers[VYRE_MAX_BINDINGS];
    static char names[VYRE_MAX_BINDINGS][8];
    static const vyre_handler lane[] = { VYRE_HANDLER(0x1100u, emit_nothing, NULL, "lane") };
    vyre_desc d = paths_desc();
    for (uint32_t i = 0; i < count; i++) {
        memset(&buffers[i], 0, sizeof buffers[i]);
        snprintf(names[i], sizeof names[i], "user%u", i % 100);
        buffers[i].name = names[i];
        buffers[i].binding = VYRE_BINDING_USER + i;
        buffers[i].type = VYRE_TYPE_U32;
        buffers[i].access = VYRE_ACCESS_READ_WRITE;
        buffers[i].count = 4;
    }
    d.kernel.buffers = buffers;
    d.kernel.buffer_count = count;
    d.kernel.handlers = own & OWN_WIDE ? range_handlers : lane;
    d.events = own & OWN_EVENTS ? 16 : 0;
    d.kernel.children = own & OWN_CHILDREN ? 64 : 0;
    d.trace_events = own & OWN_TRACE ? 64 : 0;
    d.unknown_opcodes = true;
    fake_reset();
    memset(err, 0, sizeof *err);
    return vyi_open_with(fake_backend(), &d, err);
}

/* Each buffer of the handle's takes a binding, and the last one may be taken. */
static void the_last_binding_may_be_taken(void)
{
    for (uint32_t own = 0; own < OWN_ALL; own++) {
        uint32_t most = VYRE_MAX_BINDINGS - VYRE_BINDING_USER - 2; /* and mirror, cancel words */
        for (uint32_t bit = 1; bit < OWN_ALL; bit *= 2)
            most -= (own & bit) != 0;
        vyre_error err;
        vyre *v = open_with_buffers(own, most, &err);
        if (!v)
            test_fail(__FILE__, __LINE__, "open, %u: %s", own, err.text);
        CHECK_EQ(v->buffers.count, VYRE_MAX_BINDINGS);
        for (uint32_t i = 0; i < VYRE_MAX_BINDINGS; i++)
            CHECK_EQ(v->buffers.list[i].binding, i);
        CHECK_EQ(v->buffers.list[v->queue.slots.mirror].role, VYI_ROLE_MIRROR);
        CHECK_EQ(v->buffers.list[v->queue.slots.cancel].role, VYI_ROLE_CANCEL);
        if (own & OWN_WIDE)
            CHECK_EQ(v->buffers.list[v->queue.wides.buffer].role, VYI_ROLE_WIDE);
        if (own & OWN_EVENTS)
            CHECK_EQ(v->buffers.list[v->queue.order.buffer].role, VYI_ROLE_EVENTS);
        if (own & OWN_CHILDREN)
            CHECK_EQ(v->buffers.list[v->queue.children.buffer].role, VYI_ROLE_CHILDREN);
        if (own & OWN_TRACE)
            CHECK_EQ(v->buffers.list[v->trace.times].role, VYI_ROLE_TIMES);
        vyre_close(v);
        if (own == 0)
            continue; /* more are more than any handle may have */
        v = open_with_buffers(own, most + 1, &err);
        CHECK(!v && err.status == VYRE_E_ARGUMENT && err.at == VYRE_MAX_BINDINGS);
        CHECK((strstr(err.text, "wide works") != NULL) == ((own & OWN_WIDE) != 0));
        CHECK((strstr(err.text, "events") != NULL) == ((own & OWN_EVENTS) != 0));
        CHECK((strstr(err.text, "children") != NULL) == ((own & OWN_CHILDREN) != 0));
        CHECK((strstr(err.text, "trace") != NULL) == ((own & OWN_TRACE) != 0));
    }
}

/* --- looks while all slots are held ---------------------------------------- */

static vyre_status peek(vyre *v, vyre_ticket t)
{
    uint32_t code = 0;
    return vyi_ticket_peek(&v->queue, t, &code);
}

static uint32_t mark_of(uint32_t generation, uint32_t phase)
{
    return generation << VYI_GENERATION_BIT | phase;
}

/* Who looks at slots that somebody holds is told what was seen before, and nothing new. */
static void held_slots_tell_what_was_seen(void)
{
    static const struct {
        uint32_t    generation, phase;   /* of the mark, held or not */
        uint32_t    kept, kept_phase;    /* what the holder has written down */
        bool        held;
        vyre_status told;                /* of the work of generation 9 */
    } rows[] = {
        { 9, VYI_PHASE_BUSY, 9, VYI_PHASE_FREE, true, VYRE_OK },
        { 9, VYI_PHASE_BUSY, 9, VYI_PHASE_ENDED, true, VYRE_OK },
        { 9, VYI_PHASE_BUSY, 9, VYI_PHASE_FLIGHT, true, VYRE_PENDING },
        { 9, VYI_PHASE_BUSY, 9, VYI_PHASE_KEPT, true, VYRE_PENDING },
        { 9, VYI_PHASE_BUSY, 10, VYI_PHASE_FREE, true, VYRE_OK }, /* a recovery has counted on */
        { 9, VYI_PHASE_BUSY, 11, VYI_PHASE_FREE, true, VYRE_PENDING },
        { 9, VYI_PHASE_BUSY, 8, VYI_PHASE_FREE, true, VYRE_PENDING }, /* of an earlier hold, and */
        { 9, VYI_PHASE_BUSY, 9, VYI_PHASE_FREE, false, VYRE_PENDING },
        { 9, VYI_PHASE_BUSY, 9, VYI_PHASE_ENDED, false, VYRE_PENDING },
        { 9, VYI_PHASE_KEPT, 9, VYI_PHASE_FREE, true, VYRE_PENDING },
        { 10, VYI_PHASE_BUSY, 9, VYI_PHASE_FLIGHT, true, VYRE_OK },
        { 9, VYI_PHASE_FREE, 9, VYI_PHASE_FLIGHT, true, VYRE_OK },
    };
    const vyre_desc d = paths_desc();
    vyre *v = paths_open(&d, true);
    vyi_slots *s = &v->queue.slots;
    const uint32_t held = s->held;
    const vyre_ticket t = { s->tag | 5u, 9 };
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        s->marks[5] = mark_of(rows[i].generation, rows[i].phase);
        s->kept[5] = mark_of(rows[i].kept, rows[i].kept_phase);
        vyi_store_release(&s->held, held + (rows[i].held ? 1 : 0));
        const vyre_status told = peek(v, t);
        if (told != rows[i].told)
            test_fail(__FILE__, __LINE__, "row %u: %d, not %d", i, (int)told, (int)rows[i].told);
    }
    s->marks[5] = 0;
    vyi_store_release(&s->held, held);
    vyre_close(v);
}

/* The same by the calls, in the middle of a hold that is none of the test's making. */
static void a_look_in_the_middle_of_a_hold(void)
{
    const vyre_desc d = paths_desc();
    vyre *v = paths_open(&d, true);
    const vyre_ticket seen = engine_publish(v, engine_add(1));
    const vyre_ticket ended = engine_publish(v, engine_add(1));
    const vyre_ticket open = engine_publish(v, engine_add(1));
    end_slot(v, VYI_TICKET_SLOT(seen));
    CHECK_EQ(vyre_poll(v, seen), VYRE_OK);
    end_slot(v, VYI_TICKET_SLOT(ended));
    vyi_mutex_lock(&v->lock);
    CHECK(!vyi_queue_hold(&v->queue, false)); /* works are under way */
    CHECK(vyi_queue_hold(&v->queue, true));
    CHECK_EQ(peek(v, seen), VYRE_OK);
    CHECK_EQ(peek(v, ended), VYRE_PENDING); /* it may run again */
    CHECK_EQ(peek(v, open), VYRE_PENDING);
    vyi_queue_unhold(&v->queue);
    vyi_mutex_unlock(&v->lock);
    CHECK_EQ(peek(v, ended), VYRE_OK);
    CHECK_EQ(peek(v, open), VYRE_PENDING);
    vyre_close(v);
}

/* --- what a pass is at, and prints; a stop in vain, the next device ---------- */

/* Groups of a pass are at the one work that it is for; another one is at nothing yet, and
 * what is CLAIMED beside it is not the pass's. */
static void a_pass_s_work_is_with_its_groups(void)
{
    const vyre_desc d = paths_desc();
    vyre *v = paths_open(&d, false);
    vyi_queue *q = &v->queue;
    const uint32_t slot = VYI_TICKET_SLOT(engine_publish(v, range_work()));
    const uint32_t next = VYI_TICKET_SLOT(engine_publish(v, range_work()));
    drive(v);
    CHECK_EQ(fake.last, VYI_LAUNCH_TILES);
    state_of(v, slot - q->slots.lanes)[VYI_WIDE_FINISHED] = 2;
    vyi_where w = vyi_slot_where(q, slot);
    CHECK_EQ(w.kind, VYI_WHERE_GROUPS);
    CHECK_EQ(w.which, 2);
    CHECK_EQ(w.of, CHUNKS);
    CHECK_EQ(vyi_slot_where(q, next).kind, VYI_WHERE_QUEUED);
    CHECK_EQ(vyre_tenant_enable(v, 0, false, NULL), VYRE_OK);
    CHECK_EQ(vyi_slot_where(q, next).kind, VYI_WHERE_TENANT);
    *slot_of(v, next) = VYRE_SLOT_CLAIMED;
    CHECK_EQ(vyi_slot_where(q, next).kind, VYI_WHERE_RUNS);
    vyre_close(v);
}

static void a_device_that_proves_nothing_is_named(void)
{
    vyre_desc d = engine_desc(64);
    vyre_error err;
    fake_reset();
    fake.not_live = true;
    d.mode = VYRE_MODE_PERSISTENT;
    CHECK(!vyi_open_with(fake_backend(), &d, &err));
    CHECK_EQ(err.status, VYRE_E_MODE);
    CHECK_TEXT(err.text, "fake does not prove persistent mode: as told");
}

static void count_records(void *user, const vyre_log_record *record)
{
    CHECK_EQ(record->format, 42);
    ++*(uint32_t *)user;
}

/* Who prints has not ended, so its record may be half of one. */
static void what_a_pass_prints_is_told_when_its_slots_rest(void)
{
    vyre_desc d = paths_desc();
    uint32_t count = 0;
    d.log = count_records;
    d.log_user = &count;
    d.mode = VYRE_MODE_PASSES;
    vyre *v = paths_open(&d, false);
    uint32_t *log = words_of(v, VYI_ROLE_LOG);
    const vyre_ticket t = engine_publish(v, engine_add(1));
    drive(v);
    CHECK_EQ(vyi_queue_in_flight(&v->queue), 1);
    log[VYRE_LOG_CURSOR] = VYRE_LOG_RECORD_WORDS;
    log[VYRE_LOG_RECORDS] = 42;
    for (uint32_t ended = 0; ended < 2; ended++) {
        if (ended)
            end_slot(v, VYI_TICKET_SLOT(t));
        CHECK_EQ(vyre_poll(v, t), ended ? VYRE_OK : VYRE_PENDING);
        vyi_mutex_lock(&v->lock);
        vyi_queue_deliver_log(&v->queue);
        vyi_mutex_unlock(&v->lock);
        CHECK_EQ(count, ended);
    }
    CHECK_EQ(vyi_queue_in_flight(&v->queue), 1);
    vyre_close(v);
}

/* Nothing is launched behind a launch that has not ended when the stop's time was up. */
static void a_stop_in_vain_launches_nothing_more(void)
{
    const vyre_desc d = paths_desc();
    vyre *v = paths_open(&d, true);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    CHECK_EQ(vyre_stop(v, 2000000, NULL), VYRE_TIMEOUT);
    CHECK_EQ(v->queue.state, VYI_STATE_STOPPING);
    const uint32_t before = fake.launches_seen;
    end_launches(v);
    drive(v);
    CHECK_EQ(fake.launches_seen, before);
    CHECK_EQ(vyre_stop(v, SECOND, NULL), VYRE_OK);
    CHECK_EQ(v->queue.state, VYI_STATE_IDLE);
    vyre_close(v);
}

/* The gates of the works that are to run again are open there, from the first slot on. */
static void the_next_device_has_the_works_gates(void)
{
    vyre_desc d = paths_desc();
    d.lost_work = VYRE_LOST_RERUN;
    vyre *v = paths_open(&d, true);
    for (uint32_t i = 0; i < 2; i++)
        CHECK_EQ(VYI_TICKET_SLOT(engine_publish(v, range_work())), v->queue.slots.lanes + i);
    engine_lose(v);
    CHECK_EQ(vyre_recover(v, NULL), VYRE_OK);
    const uint32_t *words = words_of(v, v->queue.wides.buffer);
    for (uint32_t i = 0; i < 2; i++) {
        const uint32_t generation = v->queue.wides.generations[i];
        CHECK(generation != 0);
        CHECK_EQ(words[VYI_WIDE_GATES + i] >> VYI_GATE_GENERATION, generation);
        CHECK_EQ(words[VYI_WIDE_CHUNKS + i], generation << VYI_GATE_GENERATION | CHUNKS);
    }
    vyre_close(v);
}

/* --- launches that outlast their rounds ------------------------------------- */

/* Lanes that have used up their rounds show that they go on. */
static void show_life(const vyre *v)
{
    words_of(v, v->queue.wides.buffer)[VYI_WIDE_HEAD + VYI_WIDE_LIVES]++;
}

static void a_launch_is_not_lost_while_its_lanes_go_on(void)
{
    const vyre_desc d = paths_desc();
    vyre *v = paths_open(&d, true);
    uint64_t *since = &v->queue.chain.since;
    vyre_error err;
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < 3; i++) {
        show_life(v);
        *since = 0; /* long ago */
        drive(v);
        CHECK(*since != 0);
    }
    *since = 0;
    vyi_mutex_lock(&v->lock);
    CHECK_EQ(vyi_queue_drive(&v->queue, VYI_EFFORT_LOOK, &err), VYRE_E_LEASE);
    vyi_mutex_unlock(&v->lock);
    vyre_close(v);
}

/* A process that was stopped, or a computer that slept: its device may have stood still,
 * too.  Each such time counts as an eighth of what a launch may take. */
static void time_without_a_look_is_not_the_launchs(void)
{
    vyre_desc d = paths_desc();
    d.lease.timeout_ns = 8 * SECOND;
    vyre *v = paths_open(&d, true);
    vyi_chain *c = &v->queue.chain;
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    drive(v);
    for (uint32_t i = 0; i < 3; i++) {
        const uint64_t before = engine_now() - c->since;
        c->since -= 4 * SECOND;
        c->looked -= 4 * SECOND;
        drive(v);
        const uint64_t counted = engine_now() - c->since - before;
        CHECK(counted >= SECOND && counted < 3 * SECOND);
    }
    vyre_close(v);
}

static void rounds_are_not_learnt_from_a_launch_that_outlasts_them(void)
{
    const vyre_desc d = paths_desc();
    vyre *v = paths_open(&d, true);
    const vyi_chain *c = &v->queue.chain;
    fake_device *device = (fake_device *)vyi_queue_device(&v->queue);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    const uint32_t rounds = c->rounds;
    CHECK(rounds > 1);
    for (uint32_t lasts = 2; lasts-- > 0;) { /* the second one has taken long by itself */
        if (lasts)
            show_life(v);
        v->queue.chain.since = 0;
        device->completed++; /* another one is in flight */
        drive(v);
        CHECK_EQ(c->rounds, lasts ? rounds : rounds / 2);
    }
    vyre_close(v);
}

int main(void)
{
    RUN(works_that_are_torn_end_with_a_fault);
    RUN(a_wide_slot_rests_until_its_launches_have_ended);
    RUN(a_lane_s_work_is_company_until_it_ends);
    RUN(passes_of_two_kinds_take_turns);
    RUN(a_pass_goes_on_where_groups_were);
    RUN(a_dispatch_begins_with_the_first_chunk);
    RUN(a_pass_that_is_refused_claims_nothing);
    RUN(a_ring_is_full_of_works_that_have_not_ended);
    RUN(a_work_behind_one_that_outlasts_the_leases_waits_for_a_look);
    RUN(a_launch_is_not_lost_while_its_lanes_go_on);
    RUN(time_without_a_look_is_not_the_launchs);
    RUN(rounds_are_not_learnt_from_a_launch_that_outlasts_them);
    RUN(ages_count_looks);
    RUN(the_last_binding_may_be_taken);
    RUN(held_slots_tell_what_was_seen);
    RUN(a_look_in_the_middle_of_a_hold);
    RUN(a_pass_s_work_is_with_its_groups);
    RUN(a_device_that_proves_nothing_is_named);
    RUN(what_a_pass_prints_is_told_when_its_slots_rest);
    RUN(a_stop_in_vain_launches_nothing_more);
    RUN(the_next_device_has_the_works_gates);
    return test_end();
}

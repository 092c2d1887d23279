/* ==========================================================================
 * engine: slots, and how threads come by them
 *
 * A publisher finds a slot with a cursor that all publishers of a partition add
 * to, and makes it its own with one compare-and-swap on the slot's mark.
 *
 * Device memory is write-combined, and there both a fence and a locked
 * instruction wait until what this core has written has arrived: 130 ns for a
 * write of 6 ns.  So a thread that uses the handle alone moves marks by plain
 * stores; and one that shares it takes several slots at a time, into its seat.
 * ======================================================================= */
#include "engine/engine_slots_impl.h"

/* --- one thread alone ---------------------------------------------------- */

/* The first thread that publishes or asks has the slots to itself until a
 * second one comes.  It says when it is `inside`, and then looks whether the
 * handle still is its own; a second thread first takes the handle away, and then
 * looks whether the first is inside.  Each store must come before the load
 * behind it: the second thread's fence sees to that for both. */

VYI_API void vyi_alone_begin(vyi_queue *q)
{
    const uintptr_t who = vyi_fence_others_ready() ? VYI_ALONE_NOBODY : VYI_ALONE_SHARED;
    vyi_store_pointer(&q->lone.thread, (void *)who);
    q->lone.fences = 1;
}

VYI_API bool vyi_alone_decide(vyi_queue *q, uintptr_t me)
{
    for (;; vyi_yield()) {
        if (vyi_alone_who(q) == VYI_ALONE_SHARED)
            return false;
        if (vyi_compare_exchange(&q->lone.turning, 0, 1) != 0)
            continue;
        const uintptr_t who = vyi_alone_who(q);
        const bool mine = who == VYI_ALONE_NOBODY || who == me;
        if (mine) {
            vyi_store_relaxed(&q->lone.inside, 1);
            vyi_store_pointer(&q->lone.thread, (void *)me);
        } else if (who != VYI_ALONE_SHARED) {
            vyi_store_pointer(&q->lone.thread, (void *)(uintptr_t)VYI_ALONE_ENDING);
            vyi_fence_others();
            while (vyi_load_acquire(&q->lone.inside))
                vyi_yield();
            vyi_store_pointer(&q->lone.thread, (void *)(uintptr_t)VYI_ALONE_SHARED);
        }
        vyi_store_release(&q->lone.turning, 0);
        return mine;
    }
}

/* Only the owner of the slot's BUSY mark writes.  The generation is 0 while the
 * code changes. */
VYI_API void vyi_slot_trouble(vyi_queue *q, uint32_t slot, uint32_t generation, uint32_t code,
                              bool told)
{
    vyi_trouble *trouble = &q->slots.trouble[slot];
    const uint32_t before = vyi_load_acquire(&trouble->untold);
    if (before && vyi_compare_exchange(&trouble->untold, before, 0) == before)
        vyi_fetch_add(&q->slots.untold, 1);
    vyi_store_release(&trouble->generation, 0);
    vyi_store_release(&trouble->code, code);
    vyi_store_release(&trouble->untold, told ? 0 : generation);
    vyi_store_release(&trouble->generation, generation);
}

/* --- taking slots -------------------------------------------------------- */

VYI_API uint32_t vyi_slot_claim(vyi_queue *q, bool alone, uint32_t slot)
{
    const uint32_t mark = vyi_load_acquire(&q->slots.marks[slot]);
    const uint32_t next = vyi_mark_next(mark);

    if (vyi_mark_phase(mark) == VYI_PHASE_FREE)
        return vyi_mark_move(q, alone, slot, mark, next) ? next : 0;
    if (vyi_mark_phase(mark) == VYI_PHASE_BUSY)
        return 0;

    const uint32_t outcome = vyi_slot_outcome(q, slot);
    if (outcome == 0)
        return 0;
    vyi_slot_clear(q, alone, slot);
    if (VYI_MIRROR_STATUS(outcome) == VYRE_SLOT_DONE)
        return vyi_mark_move(q, alone, slot, mark, next) ? next : 0;
    /* The fault is on record before its generation is over. */
    if (!vyi_mark_move(q, alone, slot, mark, vyi_mark_with(mark, VYI_PHASE_BUSY)))
        return 0;
    vyi_slot_trouble(q, slot, vyi_mark_generation(mark), VYI_MIRROR_FAULT(outcome), false);
    vyi_store_release(&q->slots.marks[slot], next);
    return next;
}

/* Reserves the next `count` places; the first of them. */
static inline uint32_t vyi_partition_turn(vyi_partition *part, bool alone, uint32_t count)
{
    if (!alone)
        return vyi_fetch_add(&part->cursor, count);
    const uint32_t turn = vyi_load_relaxed(&part->cursor);
    vyi_store_relaxed(&part->cursor, turn + count);
    return turn;
}

/* A slot of the partition that is now the caller's: its BUSY mark, or 0. */
static uint32_t vyi_partition_claim(vyi_queue *q, bool alone, vyi_partition *part, uint32_t *slot)
{
    uint32_t place = vyi_partition_place(part, vyi_partition_turn(part, alone, 1));
    for (uint32_t tried = 0; tried < part->count; tried++) {
        const uint32_t mark = vyi_slot_claim(q, alone, part->first + place);
        if (mark) {
            if (tried)
                vyi_store_relaxed(&part->cursor, place + 1);
            *slot = part->first + place;
            return mark;
        }
        place = place + 1 < part->count ? place + 1 : 0;
    }
    return 0;
}

/* Whether a publisher may take a slot with this mark and outcome in one move. */
static bool vyi_slot_is_free(uint32_t mark, const uint32_t *outcome)
{
    return vyi_mark_phase(mark) == VYI_PHASE_FREE ||
           (vyi_mark_phase(mark) == VYI_PHASE_FLIGHT &&
            VYI_MIRROR_STATUS(vyi_le32(vyi_load_acquire(outcome))) == VYRE_SLOT_DONE);
}

/* Slots `slot` (even) and slot + 1 with one compare-and-swap. */
static inline bool vyi_batch_claim_pair(vyi_queue *q, vyi_batch *b, uint32_t slot)
{
    uint32_t *marks = &q->slots.marks[slot];
    const uint32_t low = vyi_load_acquire(marks), high = vyi_load_acquire(marks + 1);
    const uint32_t next_low = vyi_mark_next(low), next_high = vyi_mark_next(high);
    const uint32_t *mirror = vyi_device_words(vyi_queue_device(q), q->slots.mirror) + slot;
    if (!vyi_slot_is_free(low, mirror) || !vyi_slot_is_free(high, mirror + 1) ||
        !vyi_compare_exchange_pair(marks, (uint64_t)high << 32 | low,
                                   (uint64_t)next_high << 32 | next_low))
        return false;
    vyi_batch_add(b, slot, next_low);
    vyi_batch_add(b, slot + 1, next_high);
    return true;
}

/* Counts eighths of the partition that publishers have gone through: the era.
 * Who comes late from the eighth before changes nothing. */
static inline void vyi_era_pass(vyi_queue *q, const vyi_partition *part, uint32_t place)
{
    uint32_t *at = &q->seats.eras[part - q->slots.partitions];
    const uint32_t era = vyi_load_relaxed(at);
    const uint32_t eighth = (uint32_t)((uint64_t)place * 8 / part->count);
    const uint32_t passed = (eighth - era) & 7u;
    if (passed != 0 && passed != 7)
        vyi_store_relaxed(at, era + passed);
}

VYI_API void vyi_batch_claim_run(vyi_queue *q, bool alone, vyi_partition *part, vyi_batch *b,
                                 uint32_t count)
{
    const uint32_t turn = vyi_partition_turn(part, alone, count);
    if (!alone)
        vyi_era_pass(q, part, vyi_partition_place(part, turn));
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t slot = part->first + vyi_partition_place(part, turn + i);
        const bool pair = slot % 2 == 0 && i + 1 < count && slot + 1 < part->first + part->count;
        if (VYI_PAIRS && !alone && pair && vyi_batch_claim_pair(q, b, slot)) {
            i++;
            continue;
        }
        const uint32_t mark = vyi_slot_claim(q, alone, slot);
        if (mark)
            vyi_batch_add(b, slot, mark);
    }
}

/* --- seats ---------------------------------------------------------------- */

/* Threads that publish among others would each wait, for the cursor and for
 * a mark, until what they have written has arrived.  So each has a seat, and
 * there a stash of slots that are BUSY ahead of its works: it fills the stash
 * with one addition and a compare-and-swap for two slots, then publishes as many
 * works by plain stores.
 *
 * Somebody who needs all slots, or finds the ring full, takes the stashes back:
 * sets `recall`, makes every thread go through a fence, waits until nobody is
 * inside, and frees what was reserved.  A thread says that it is `inside` and
 * then looks at `recall`, so that either it sees the recall or is waited for; and
 * it waits for nobody there.  A slot that has been taken out of the stash is BUSY
 * like any publisher's.
 *
 * A seat is one thread's for as long as the handle lives, or of a later thread
 * with the same id: a thread may stand between finding its seat and saying that
 * it is inside, and there nobody can tell.  What is scarce, the right to hold a
 * stash, goes round: a recall takes it from all. */

VYI_STATIC_ASSERT(seats_by_six_bits, VYI_SEATS == 64);

VYI_API void vyi_seats_plan(vyi_queue *q)
{
    const bool ready = vyi_alone_who(q) != VYI_ALONE_SHARED;
    /* A narrow kernel looks behind the slot that it found last: there the
     * next publisher's slot should be. */
    q->seats.rest = ready && !vyi_queue_device(q)->narrow ? 0 : VYI_REST_FOREVER;
    for (uint32_t i = 0; i < q->slots.partition_count; i++) {
        const uint32_t each = q->slots.partitions[i].count / VYI_RESERVE_PART;
        q->seats.reserves[i] = each < 2 ? 0 : each < VYI_STASH ? each : VYI_STASH;
    }
}

static vyi_seat *vyi_seat_give(vyi_queue *q, uint32_t at, uintptr_t who)
{
    if (vyi_compare_exchange(&q->lone.turning, 0, 1) != 0)
        return NULL;
    const bool vacant = !vyi_load_pointer(&q->seats.sitters[at]);
    if (vacant)
        vyi_store_pointer(&q->seats.sitters[at], (void *)who);
    vyi_store_release(&q->lone.turning, 0);
    return vacant ? &q->seats.all[at] : NULL;
}

/* The calling thread's, or NULL: without one, for now or for good. */
static inline vyi_seat *vyi_seat_find(vyi_queue *q)
{
    const uintptr_t me = vyi_thread_id();
    uint32_t at = ((uint32_t)(me >> 4) * 0x9e3779b1u) >> 26;
    for (uint32_t tried = 0; tried < VYI_SEAT_TRIES; tried++) {
        const uintptr_t who = (uintptr_t)vyi_load_pointer(&q->seats.sitters[at]);
        if (who == me)
            return &q->seats.all[at];
        if (who == 0)
            return vyi_seat_give(q, at, me);
        at = (at + 1) % VYI_SEATS;
    }
    return NULL;
}

static inline bool vyi_recall_is_on(uint32_t recall)
{
    return recall & 1u;
}

/* Pairs with the recall's acquire. */
static inline void vyi_seat_leave(vyi_seat *seat)
{
    vyi_store_release(&seat->inside, 0);
}

/* True: the stash is the caller's until it leaves.  Pairs with vyi_seats_recall. */
static inline bool vyi_seat_enter(vyi_queue *q, vyi_seat *seat)
{
    vyi_store_relaxed(&seat->inside, 1);
    vyi_fence_compiler();
    if (!vyi_recall_is_on(vyi_load_acquire(&q->seats.recall)))
        return true;
    vyi_seat_leave(seat);
    return false;
}

/* The caller's seat, entered, or NULL: it does without a stash now. */
static inline vyi_seat *vyi_seat_sit(vyi_queue *q)
{
    vyi_seat *seat = vyi_load_relaxed(&q->seats.rest) ? NULL : vyi_seat_find(q);
    return seat && vyi_seat_enter(q, seat) ? seat : NULL;
}

static inline uint32_t vyi_seat_left(const vyi_seat *seat)
{
    return vyi_load_relaxed(&seat->count) - vyi_load_relaxed(&seat->next);
}

/* The next slot of a stash that has one: its BUSY mark. */
static inline uint32_t vyi_seat_take(vyi_queue *q, vyi_seat *seat, uint32_t *slot)
{
    const uint32_t next = vyi_load_relaxed(&seat->next);
    *slot = vyi_load_relaxed(&seat->slots[next]);
    vyi_store_relaxed(&seat->next, next + 1);
    return vyi_load_relaxed(&q->slots.marks[*slot]);
}

/* Frees what is left.  No work has had these generations: they are left out. */
static void vyi_seat_give_back(vyi_queue *q, vyi_seat *seat)
{
    while (vyi_seat_left(seat)) {
        uint32_t slot;
        const uint32_t mark = vyi_seat_take(q, seat, &slot);
        vyi_store_release(&q->slots.marks[slot], vyi_mark_with(mark, VYI_PHASE_FREE));
    }
}

/* Whether the stash has something.  One that others have gone an eighth of the
 * ring past, or two, is given back: a result in it would soon be gone.  A new
 * `recall` tells a publisher that has found no slot meanwhile to look again. */
static bool vyi_seat_has(vyi_queue *q, vyi_seat *seat)
{
    if (vyi_seat_left(seat) == 0)
        return false;
    const uint32_t part = vyi_load_relaxed(&seat->part);
    if (vyi_load_relaxed(&q->seats.eras[part]) - vyi_load_relaxed(&seat->era) < 2)
        return true;
    vyi_seat_give_back(q, seat);
    vyi_store_relaxed(&seat->pause, q->seats.reserves[part]);
    vyi_fetch_add(&q->seats.recall, 2);
    return false;
}

/* Whether the seat may have a stash. */
static bool vyi_seat_may_hold(vyi_queue *q, vyi_seat *seat)
{
    const uint32_t pause = vyi_load_relaxed(&seat->pause);
    if (pause)
        vyi_store_relaxed(&seat->pause, pause - 1);
    if (pause || vyi_load_relaxed(&seat->holds))
        return !pause;
    const uint32_t holders = vyi_load_relaxed(&q->seats.holders);
    if (holders < VYI_HOLDERS &&
        vyi_compare_exchange(&q->seats.holders, holders, holders + 1) == holders) {
        vyi_store_relaxed(&seat->holds, 1);
        return true;
    }
    vyi_store_relaxed(&q->seats.refused, vyi_load_relaxed(&q->seats.refused) + 1);
    return false;
}

/* Fills an empty stash with what is free of the partition's next slots.  The
 * fence lets a recall that sees nobody inside do without one of everybody's. */
static bool vyi_seat_refill(vyi_queue *q, vyi_seat *seat, vyi_partition *part)
{
    vyi_batch b;
    const vyi_device *d = vyi_queue_device(q);
    const uint32_t index = (uint32_t)(part - q->slots.partitions), most = q->seats.reserves[index];
    vyi_fence_full();
    if (most == 0 || vyi_recall_is_on(vyi_load_acquire(&q->seats.recall)) ||
        !vyi_seat_may_hold(q, seat))
        return false;
    b.count = 0;
    /* Up to a multiple of `most`, so that what threads reserve does not share lines. */
    vyi_batch_claim_run(q, false, part, &b, most - vyi_load_relaxed(&part->cursor) % most);
    for (uint32_t i = 0; i < b.count; i++) {
        vyi_store_relaxed(&seat->slots[i], b.slots[i]);
        vyi_store_release(vyi_device_words(d, q->slots.mirror) + b.slots[i], 0);
    }
    if (d->whole_lines)
        vyi_fence_stores();
    vyi_store_relaxed(&seat->part, index);
    vyi_store_relaxed(&seat->era, vyi_load_relaxed(&q->seats.eras[index]));
    vyi_store_relaxed(&seat->next, 0);
    vyi_store_relaxed(&seat->count, b.count);
    return b.count != 0;
}

/* A slot of the partition from the caller's stash: its BUSY mark, or 0. */
static inline uint32_t vyi_seat_claim(vyi_queue *q, vyi_partition *part, uint32_t *slot)
{
    vyi_seat *seat = vyi_seat_sit(q);
    uint32_t mark = 0;
    if (!seat)
        return 0;
    if (vyi_seat_has(q, seat) ? part == &q->slots.partitions[vyi_load_relaxed(&seat->part)]
                              : vyi_seat_refill(q, seat, part))
        mark = vyi_seat_take(q, seat, slot);
    vyi_seat_leave(seat);
    return mark;
}

VYI_API void vyi_seat_empty(vyi_queue *q, vyi_batch *b, uint32_t count)
{
    vyi_seat *seat = vyi_seat_sit(q);
    if (!seat)
        return;
    while (b->count < count && vyi_seat_has(q, seat)) {
        uint32_t slot;
        const uint32_t mark = vyi_seat_take(q, seat, &slot);
        vyi_batch_add(b, slot, mark);
    }
    vyi_seat_leave(seat);
}

/* Whether a seat has slots of the partition, of any if it is NULL, or may just
 * be taking some. */
static bool vyi_seats_have(const vyi_queue *q, const vyi_partition *part)
{
    for (uint32_t i = 0; i < VYI_SEATS; i++) {
        const vyi_seat *seat = &q->seats.all[i];
        if (!vyi_load_pointer(&q->seats.sitters[i]))
            continue;
        if (vyi_load_acquire(&seat->inside))
            return true;
        if (vyi_seat_left(seat) &&
            (!part || part == &q->slots.partitions[vyi_load_relaxed(&seat->part)]))
            return true;
    }
    return false;
}

static void vyi_seats_reopen(vyi_queue *q)
{
    vyi_store_release(&q->seats.recall, vyi_load_relaxed(&q->seats.recall) + 1);
}

/* Takes back what is reserved; nothing is until vyi_seats_reopen, nor soon after.
 * False: somebody else is at it.  If nobody is inside and nothing reserved, then
 * whoever comes sees `recall` before it takes a slot: its fence in
 * vyi_seat_refill and this one see to that.  Otherwise the fence is everybody's. */
static bool vyi_seats_recall(vyi_queue *q)
{
    const uint32_t before = vyi_load_relaxed(&q->seats.recall);
    if (vyi_recall_is_on(before) ||
        vyi_compare_exchange(&q->seats.recall, before, before + 1) != before)
        return false;
    vyi_fence_full();
    if (vyi_seats_have(q, NULL)) {
        const uint32_t quarter = q->slots.lanes / 4;
        vyi_fence_others();
        for (uint32_t i = 0; i < VYI_SEATS; i++) {
            while (vyi_load_acquire(&q->seats.all[i].inside))
                vyi_yield();
            vyi_seat_give_back(q, &q->seats.all[i]);
        }
        vyi_store_relaxed(&q->seats.rest, quarter > VYI_REST ? quarter : VYI_REST);
    }
    for (uint32_t i = 0; i < VYI_SEATS; i++)
        vyi_store_relaxed(&q->seats.all[i].holds, 0);
    vyi_store_relaxed(&q->seats.holders, 0);
    vyi_store_relaxed(&q->seats.refused, 0);
    return true;
}

/* --- taking a slot for a work --------------------------------------------- */

/* Whether a publisher that has found no slot should look again; `recall` is what it
 * was before.  False: none was held or reserved meanwhile, so all are in use. */
static bool vyi_claim_again(vyi_queue *q, const vyi_partition *part, uint32_t recall)
{
    if (vyi_recall_is_on(recall) || vyi_load_acquire(&q->slots.held)) {
        vyi_yield(); /* slots are held, for a moment, by the log or a recovery */
        return true;
    }
    if (!vyi_seats_have(q, part))
        return vyi_load_acquire(&q->seats.recall) != recall;
    if (vyi_seats_recall(q))
        vyi_seats_reopen(q);
    return true;
}

/* After a claim without a stash. */
static void vyi_rest_less(vyi_queue *q)
{
    const uint32_t rest = vyi_load_relaxed(&q->seats.rest);
    if (rest && rest != VYI_REST_FOREVER)
        vyi_store_relaxed(&q->seats.rest, rest - 1);
    if (vyi_load_relaxed(&q->seats.refused) > VYI_REFUSALS && vyi_seats_recall(q))
        vyi_seats_reopen(q);
}

/* A slot that is not from a stash. */
static uint32_t vyi_shared_claim(vyi_queue *q, bool wait, vyi_partition *part, uint32_t *slot)
{
    uint32_t recall, mark;
    do {
        recall = vyi_load_acquire(&q->seats.recall);
        mark = vyi_partition_claim(q, false, part, slot);
    } while (!mark && wait && vyi_claim_again(q, part, recall));
    if (mark) {
        vyi_era_pass(q, part, *slot - part->first);
        vyi_rest_less(q);
    }
    return mark;
}

VYI_API uint32_t vyi_work_claim(vyi_queue *q, vyi_way *way, bool wait, const vyre_work *work,
                                uint32_t *slot)
{
    vyi_partition *part = vyi_partition_of(q, work->priority);
    if (*way == VYI_WAY_ALONE)
        return vyi_partition_claim(q, true, part, slot);
    const uint32_t mark = vyi_seat_claim(q, part, slot);
    if (mark)
        return mark;
    *way = VYI_WAY_SHARED;
    return vyi_shared_claim(q, wait, part, slot);
}

/* --- holding all ---------------------------------------------------------- */

static inline bool vyi_slot_is_pending(const vyi_queue *q, uint32_t slot, uint32_t mark)
{
    return vyi_mark_phase(mark) == VYI_PHASE_FLIGHT && !vyi_slot_outcome(q, slot);
}

static bool vyi_slots_hold(vyi_queue *q, bool alone, bool force)
{
    vyi_store_release(&q->slots.held, 1);
    for (uint32_t slot = 0; slot < q->slots.count; slot++) {
        for (;;) {
            const uint32_t mark = vyi_load_acquire(&q->slots.marks[slot]);
            const bool busy = vyi_mark_phase(mark) == VYI_PHASE_BUSY;
            if ((busy || vyi_slot_is_pending(q, slot, mark)) && !force) {
                while (slot-- > 0)
                    vyi_store_release(&q->slots.marks[slot], q->slots.kept[slot]);
                vyi_store_release(&q->slots.held, 0);
                return false;
            }
            vyi_store_release(&q->slots.kept[slot], mark); /* before BUSY: for vyi_mark_unheld */
            if (!busy &&
                vyi_mark_move(q, alone, slot, mark, vyi_mark_with(mark, VYI_PHASE_BUSY)))
                break;
            vyi_yield();
        }
    }
    return true;
}

/* No work is in flight; what is BUSY may be reserved only. */
static bool vyi_slots_rest(const vyi_queue *q)
{
    for (uint32_t slot = 0; slot < q->slots.count; slot++) {
        if (vyi_slot_is_pending(q, slot, vyi_load_acquire(&q->slots.marks[slot])))
            return false;
    }
    return true;
}

/* Nothing is reserved from before the first slot is held until after the last
 * one is put back. */
VYI_API bool vyi_queue_hold(vyi_queue *q, bool force)
{
    if (!force && !vyi_slots_rest(q))
        return false;
    while (!vyi_seats_recall(q))
        vyi_yield();
    const bool alone = vyi_alone_enter(q);
    const bool held = vyi_slots_hold(q, alone, force);
    vyi_alone_leave(q, alone);
    if (!held)
        vyi_seats_reopen(q);
    return held;
}

VYI_API void vyi_queue_unhold(vyi_queue *q)
{
    for (uint32_t slot = 0; slot < q->slots.count; slot++)
        vyi_store_release(&q->slots.marks[slot], q->slots.kept[slot]);
    vyi_store_release(&q->slots.held, 0);
    vyi_seats_reopen(q);
}

VYI_API uint32_t vyi_queue_pending(const vyi_queue *q)
{
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < q->slots.count; slot++)
        count += vyi_slot_is_pending(q, slot, vyi_load_acquire(&q->slots.marks[slot]));
    return count;
}

VYI_API uint32_t vyi_queue_waiting(const vyi_queue *q)
{
    uint32_t which = 0;
    for (uint32_t slot = 0; slot < q->slots.count; slot++) {
        const uint32_t mark = vyi_load_acquire(&q->slots.marks[slot]);
        if (vyi_slot_is_pending(q, slot, mark))
            which = (which + slot + mark + 1) * 0x9e3779b1u | 1u;
    }
    return which;
}

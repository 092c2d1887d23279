/* ==========================================================================
 * engine: publishing, and waiting for what was published
 *
 * The hot path takes no lock and never reads device memory.  A publisher finds
 * a slot with a cursor that all publishers of a partition add to, makes it its
 * own with one compare-and-swap on the slot's mark, writes the work, and
 * raises STATUS last.  The kernel ends a slot by writing its mirror word; that
 * word is all that is polled here.
 *
 * Device memory is write-combined, and there both a fence and a locked
 * instruction wait until what this core has written has arrived: 130 ns for a
 * write of 6 ns.  So a slot is stored as one line, where that is seen as a
 * whole; a thread that uses the handle alone moves marks by plain stores; and
 * one that shares it takes several slots at a time, into its seat.
 * ======================================================================= */
#include "engine_impl.h"

#include "ring.h"

#define VYI_MIRROR_STATUS(word) ((word) & 0xffu)
#define VYI_MIRROR_FAULT(word)  ((word) >> 8)

/* --- marks --------------------------------------------------------------- */

static uint32_t vyi_mark_generation(uint32_t mark)
{
    return mark >> VYI_GENERATION_BIT;
}

static uint32_t vyi_mark_phase(uint32_t mark)
{
    return mark & VYI_PHASE_MASK;
}

static uint32_t vyi_mark_with(uint32_t mark, uint32_t phase)
{
    return (mark & ~VYI_PHASE_MASK) | phase;
}

/* BUSY, with the next generation; 0 is none. */
static inline uint32_t vyi_mark_next(uint32_t mark)
{
    const uint32_t one = 1u << VYI_GENERATION_BIT, next = mark + one;
    return vyi_mark_with(next + (next < one ? one : 0), VYI_PHASE_BUSY);
}

/* --- one thread alone ---------------------------------------------------- */

/* The first thread that publishes or asks has the slots to itself until a
 * second one comes.  It says when it is `inside`, and then looks whether the
 * handle still is its own; a second thread first takes the handle away, and then
 * looks whether the first is inside.  Each store must come before the load
 * behind it: the second thread's fence sees to that for both. */

VYI_API void vyi_alone_begin(vyre *v)
{
    const uintptr_t who = vyi_fence_others_ready() ? VYI_ALONE_NOBODY : VYI_ALONE_SHARED;
    vyi_store_pointer(&v->alone, (void *)who);
    v->fences = 1;
}

static uintptr_t vyi_alone_who(const vyre *v)
{
    return (uintptr_t)vyi_load_pointer(&v->alone);
}

static bool vyi_alone_decide(vyre *v, uintptr_t me)
{
    for (;; vyi_yield()) {
        if (vyi_alone_who(v) == VYI_ALONE_SHARED)
            return false;
        if (vyi_compare_exchange(&v->turning, 0, 1) != 0)
            continue;
        const uintptr_t who = vyi_alone_who(v);
        const bool mine = who == VYI_ALONE_NOBODY || who == me;
        if (mine) {
            vyi_store_relaxed(&v->inside, 1);
            vyi_store_pointer(&v->alone, (void *)me);
        } else if (who != VYI_ALONE_SHARED) {
            vyi_store_pointer(&v->alone, (void *)(uintptr_t)VYI_ALONE_ENDING);
            vyi_fence_others();
            while (vyi_load_acquire(&v->inside))
                vyi_yield();
            vyi_store_pointer(&v->alone, (void *)(uintptr_t)VYI_ALONE_SHARED);
        }
        vyi_store_release(&v->turning, 0);
        return mine;
    }
}

/* True: the slots are the caller's until it leaves.  It must not wait for
 * anybody meanwhile, nor enter again. */
static inline bool vyi_alone_enter(vyre *v)
{
    const uintptr_t me = vyi_thread_id();
    if (vyi_alone_who(v) == me) {
        vyi_store_relaxed(&v->inside, 1);
        vyi_fence_compiler();
        if (vyi_alone_who(v) == me)
            return true;
        vyi_store_release(&v->inside, 0);
    }
    return vyi_alone_who(v) != VYI_ALONE_SHARED && vyi_alone_decide(v, me);
}

static inline void vyi_alone_leave(vyre *v, bool alone)
{
    if (alone)
        vyi_store_release(&v->inside, 0);
}

/* How a publisher has come by its slots, and what is left to do for them. */
typedef enum vyi_way {
    VYI_WAY_SHARED = 0, /* with a compare-and-swap each; mirror words not cleared */
    VYI_WAY_SEAT = 1,   /* from its seat; mirror words cleared, and fenced where lines are stored */
    VYI_WAY_ALONE = 2   /* as a thread alone; mirror words cleared */
} vyi_way;

/* The mark's move, if it still is what it was. */
static inline bool vyi_mark_move(vyre *v, bool alone, uint32_t slot, uint32_t from, uint32_t to)
{
    if (!alone)
        return vyi_compare_exchange(&v->marks[slot], from, to) == from;
    if (vyi_load_relaxed(&v->marks[slot]) != from)
        return false;
    vyi_store_release(&v->marks[slot], to);
    return true;
}

/* How the slot ended, or 0.  Pairs with the kernel's release of the word, and
 * with the publisher's that cleared it. */
static uint32_t vyi_slot_outcome(const vyre *v, uint32_t slot)
{
    const vyi_device *d = vyi_engine_device(v);
    return vyi_le32(vyi_load_acquire(vyi_engine_words(d, v->mirror_index) + slot));
}

/* The mirror word of a slot whose end has been seen, ahead of its next work. */
static inline void vyi_slot_clear(vyre *v, bool alone, uint32_t slot)
{
    const vyi_device *d = vyi_engine_device(v);
    if (!alone || !d->whole_lines)
        return;
    vyi_store_release(vyi_engine_words(d, v->mirror_index) + slot, 0);
    v->cleared[slot] = v->fences;
}

/* Only the owner of the slot's BUSY mark writes.  The generation is 0 while the
 * code changes. */
VYI_API void vyi_slot_trouble(vyre *v, uint32_t slot, uint32_t generation, uint32_t code,
                              bool told)
{
    vyi_trouble *trouble = &v->trouble[slot];
    const uint32_t before = vyi_load_acquire(&trouble->untold);
    if (before && vyi_compare_exchange(&trouble->untold, before, 0) == before)
        vyi_fetch_add(&v->untold, 1);
    vyi_store_release(&trouble->generation, 0);
    vyi_store_release(&trouble->code, code);
    vyi_store_release(&trouble->untold, told ? 0 : generation);
    vyi_store_release(&trouble->generation, generation);
}

/* --- taking slots -------------------------------------------------------- */

/* Makes the slot the publisher's: its BUSY mark, or 0 when it is in use. */
static uint32_t vyi_slot_claim(vyre *v, bool alone, uint32_t slot)
{
    const uint32_t mark = vyi_load_acquire(&v->marks[slot]);
    const uint32_t next = vyi_mark_next(mark);

    if (vyi_mark_phase(mark) == VYI_PHASE_FREE)
        return vyi_mark_move(v, alone, slot, mark, next) ? next : 0;
    if (vyi_mark_phase(mark) == VYI_PHASE_BUSY)
        return 0;

    const uint32_t outcome = vyi_slot_outcome(v, slot);
    if (outcome == 0)
        return 0;
    vyi_slot_clear(v, alone, slot);
    if (VYI_MIRROR_STATUS(outcome) == VYRE_SLOT_DONE)
        return vyi_mark_move(v, alone, slot, mark, next) ? next : 0;
    /* The fault is on record before its generation is over. */
    if (!vyi_mark_move(v, alone, slot, mark, vyi_mark_with(mark, VYI_PHASE_BUSY)))
        return 0;
    vyi_slot_trouble(v, slot, vyi_mark_generation(mark), VYI_MIRROR_FAULT(outcome), false);
    vyi_store_release(&v->marks[slot], next);
    return next;
}

static uint32_t vyi_partition_place(const vyi_partition *part, uint32_t turn)
{
    return (part->count & (part->count - 1)) == 0 ? turn & (part->count - 1) : turn % part->count;
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
static uint32_t vyi_partition_claim(vyre *v, bool alone, vyi_partition *part, uint32_t *slot)
{
    uint32_t place = vyi_partition_place(part, vyi_partition_turn(part, alone, 1));
    for (uint32_t tried = 0; tried < part->count; tried++) {
        const uint32_t mark = vyi_slot_claim(v, alone, part->first + place);
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

/* The wire's levels, by vyre_priority. */
static uint32_t vyi_priority_level(vyre_priority priority)
{
    static const uint8_t levels[VYRE_PRIORITY_LEVELS] = { 2, 0, 1, 3, 4 };
    return levels[priority];
}

static vyi_partition *vyi_partition_of(vyre *v, vyre_priority priority)
{
    vyi_partition *part = &v->partitions[0];
    if (v->partition_count > 1) {
        part = &v->partitions[vyi_priority_level(priority)];
        if (part->count == 0) /* a ring of less than five slots has NORMAL ones only */
            part = &v->partitions[vyi_priority_level(VYRE_PRIORITY_NORMAL)];
    }
    return part;
}

/* Several slots at a time. */
#define VYI_BATCH 64u
VYI_STATIC_ASSERT(stash_is_a_batch, VYI_STASH <= VYI_BATCH);

typedef struct vyi_batch {
    uint32_t slots[VYI_BATCH], marks[VYI_BATCH], count;
} vyi_batch;

static void vyi_batch_add(vyi_batch *b, uint32_t slot, uint32_t mark)
{
    b->slots[b->count] = slot;
    b->marks[b->count++] = mark;
}

/* Whether a publisher may take a slot with this mark and outcome in one move. */
static bool vyi_slot_is_free(uint32_t mark, const uint32_t *outcome)
{
    return vyi_mark_phase(mark) == VYI_PHASE_FREE ||
           (vyi_mark_phase(mark) == VYI_PHASE_FLIGHT &&
            VYI_MIRROR_STATUS(vyi_le32(vyi_load_acquire(outcome))) == VYRE_SLOT_DONE);
}

/* How many of the partition's next places follow each other, at most `count`;
 * not again from the first.  *place is the first of them. */
static inline uint32_t vyi_partition_run(const vyi_partition *part, uint32_t turn, uint32_t count,
                                         uint32_t *place)
{
    *place = vyi_partition_place(part, turn);
    return count < part->count - *place ? count : part->count - *place;
}

/* A lone thread's: those of the next places that are FREE, as far as they follow
 * each other.  Their marks stay FREE until they are FLIGHT: whoever takes slots,
 * or asks for one, enters first, and so waits until the lone thread is outside;
 * and whoever only looks (vyi_engine_pending, a drain) passes over BUSY and FREE
 * alike. */
static inline uint32_t vyi_lone_claim(const vyre *v, vyi_partition *part, uint32_t *slots,
                                      uint32_t *marks, uint32_t count)
{
    const uint32_t turn = vyi_load_relaxed(&part->cursor);
    uint32_t place, n = 0;
    const uint32_t most = vyi_partition_run(part, turn, count, &place);
    for (; n < most; n++) {
        const uint32_t slot = part->first + place + n;
        const uint32_t mark = vyi_load_relaxed(&v->marks[slot]);
        if (vyi_mark_phase(mark) != VYI_PHASE_FREE)
            break;
        slots[n] = slot;
        marks[n] = vyi_mark_next(mark);
    }
    vyi_store_relaxed(&part->cursor, turn + n);
    return n;
}

/* Slots `slot` (even) and slot + 1 with one compare-and-swap. */
static inline bool vyi_batch_claim_pair(vyre *v, vyi_batch *b, uint32_t slot)
{
    uint32_t *marks = &v->marks[slot];
    const uint32_t low = vyi_load_acquire(marks), high = vyi_load_acquire(marks + 1);
    const uint32_t next_low = vyi_mark_next(low), next_high = vyi_mark_next(high);
    const uint32_t *mirror = vyi_engine_words(vyi_engine_device(v), v->mirror_index) + slot;
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
static inline void vyi_era_pass(vyre *v, const vyi_partition *part, uint32_t place)
{
    uint32_t *at = &v->eras[part - v->partitions];
    const uint32_t era = vyi_load_relaxed(at);
    const uint32_t eighth = (uint32_t)((uint64_t)place * 8 / part->count);
    const uint32_t passed = (eighth - era) & 7u;
    if (passed != 0 && passed != 7)
        vyi_store_relaxed(at, era + passed);
}

/* Those of the next `count` places that are free; one addition reserves all. */
static void vyi_batch_claim_run(vyre *v, bool alone, vyi_partition *part, vyi_batch *b,
                                uint32_t count)
{
    const uint32_t turn = vyi_partition_turn(part, alone, count);
    if (!alone)
        vyi_era_pass(v, part, vyi_partition_place(part, turn));
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t slot = part->first + vyi_partition_place(part, turn + i);
        const bool pair = slot % 2 == 0 && i + 1 < count && slot + 1 < part->first + part->count;
        if (VYI_PAIRS && !alone && pair && vyi_batch_claim_pair(v, b, slot)) {
            i++;
            continue;
        }
        const uint32_t mark = vyi_slot_claim(v, alone, slot);
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

VYI_API void vyi_seats_plan(vyre *v)
{
    const bool ready = vyi_alone_who(v) != VYI_ALONE_SHARED;
    /* A narrow kernel looks behind the slot that it found last: there the
     * next publisher's slot should be. */
    v->rest = ready && !vyi_engine_device(v)->narrow ? 0 : VYI_REST_FOREVER;
    for (uint32_t i = 0; i < v->partition_count; i++) {
        const uint32_t each = v->partitions[i].count / VYI_RESERVE_PART;
        v->reserves[i] = each < 2 ? 0 : each < VYI_STASH ? each : VYI_STASH;
    }
}

static vyi_seat *vyi_seat_give(vyre *v, uint32_t at, uintptr_t who)
{
    if (vyi_compare_exchange(&v->turning, 0, 1) != 0)
        return NULL;
    const bool vacant = !vyi_load_pointer(&v->sitters[at]);
    if (vacant)
        vyi_store_pointer(&v->sitters[at], (void *)who);
    vyi_store_release(&v->turning, 0);
    return vacant ? &v->seats[at] : NULL;
}

/* The calling thread's, or NULL: without one, for now or for good. */
static inline vyi_seat *vyi_seat_find(vyre *v)
{
    const uintptr_t me = vyi_thread_id();
    uint32_t at = ((uint32_t)(me >> 4) * 0x9e3779b1u) >> 26;
    for (uint32_t tried = 0; tried < VYI_SEAT_TRIES; tried++) {
        const uintptr_t who = (uintptr_t)vyi_load_pointer(&v->sitters[at]);
        if (who == me)
            return &v->seats[at];
        if (who == 0)
            return vyi_seat_give(v, at, me);
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
static inline bool vyi_seat_enter(vyre *v, vyi_seat *seat)
{
    vyi_store_relaxed(&seat->inside, 1);
    vyi_fence_compiler();
    if (!vyi_recall_is_on(vyi_load_acquire(&v->recall)))
        return true;
    vyi_seat_leave(seat);
    return false;
}

/* The caller's seat, entered, or NULL: it does without a stash now. */
static inline vyi_seat *vyi_seat_sit(vyre *v)
{
    vyi_seat *seat = vyi_load_relaxed(&v->rest) ? NULL : vyi_seat_find(v);
    return seat && vyi_seat_enter(v, seat) ? seat : NULL;
}

static inline uint32_t vyi_seat_left(const vyi_seat *seat)
{
    return vyi_load_relaxed(&seat->count) - vyi_load_relaxed(&seat->next);
}

/* The next slot of a stash that has one: its BUSY mark. */
static inline uint32_t vyi_seat_take(vyre *v, vyi_seat *seat, uint32_t *slot)
{
    const uint32_t next = vyi_load_relaxed(&seat->next);
    *slot = vyi_load_relaxed(&seat->slots[next]);
    vyi_store_relaxed(&seat->next, next + 1);
    return vyi_load_relaxed(&v->marks[*slot]);
}

/* Frees what is left.  No work has had these generations: they are left out. */
static void vyi_seat_give_back(vyre *v, vyi_seat *seat)
{
    while (vyi_seat_left(seat)) {
        uint32_t slot;
        const uint32_t mark = vyi_seat_take(v, seat, &slot);
        vyi_store_release(&v->marks[slot], vyi_mark_with(mark, VYI_PHASE_FREE));
    }
}

/* Whether the stash has something.  One that others have gone an eighth of the
 * ring past, or two, is given back: a result in it would soon be gone.  A new
 * `recall` tells a publisher that has found no slot meanwhile to look again. */
static bool vyi_seat_has(vyre *v, vyi_seat *seat)
{
    if (vyi_seat_left(seat) == 0)
        return false;
    const uint32_t part = vyi_load_relaxed(&seat->part);
    if (vyi_load_relaxed(&v->eras[part]) - vyi_load_relaxed(&seat->era) < 2)
        return true;
    vyi_seat_give_back(v, seat);
    vyi_store_relaxed(&seat->pause, v->reserves[part]);
    vyi_fetch_add(&v->recall, 2);
    return false;
}

/* Whether the seat may have a stash. */
static bool vyi_seat_may_hold(vyre *v, vyi_seat *seat)
{
    const uint32_t pause = vyi_load_relaxed(&seat->pause);
    if (pause)
        vyi_store_relaxed(&seat->pause, pause - 1);
    if (pause || vyi_load_relaxed(&seat->holds))
        return !pause;
    const uint32_t holders = vyi_load_relaxed(&v->holders);
    if (holders < VYI_HOLDERS &&
        vyi_compare_exchange(&v->holders, holders, holders + 1) == holders) {
        vyi_store_relaxed(&seat->holds, 1);
        return true;
    }
    vyi_store_relaxed(&v->refused, vyi_load_relaxed(&v->refused) + 1);
    return false;
}

/* Fills an empty stash with what is free of the partition's next slots.  The
 * fence lets a recall that sees nobody inside do without one of everybody's. */
static bool vyi_seat_refill(vyre *v, vyi_seat *seat, vyi_partition *part)
{
    vyi_batch b;
    const vyi_device *d = vyi_engine_device(v);
    const uint32_t index = (uint32_t)(part - v->partitions), most = v->reserves[index];
    vyi_fence_full();
    if (most == 0 || vyi_recall_is_on(vyi_load_acquire(&v->recall)) ||
        !vyi_seat_may_hold(v, seat))
        return false;
    b.count = 0;
    /* Up to a multiple of `most`, so that what threads reserve does not share lines. */
    vyi_batch_claim_run(v, false, part, &b, most - vyi_load_relaxed(&part->cursor) % most);
    for (uint32_t i = 0; i < b.count; i++) {
        vyi_store_relaxed(&seat->slots[i], b.slots[i]);
        vyi_store_release(vyi_engine_words(d, v->mirror_index) + b.slots[i], 0);
    }
    if (d->whole_lines)
        vyi_fence_stores();
    vyi_store_relaxed(&seat->part, index);
    vyi_store_relaxed(&seat->era, vyi_load_relaxed(&v->eras[index]));
    vyi_store_relaxed(&seat->next, 0);
    vyi_store_relaxed(&seat->count, b.count);
    return b.count != 0;
}

/* A slot of the partition from the caller's stash: its BUSY mark, or 0. */
static inline uint32_t vyi_seat_claim(vyre *v, vyi_partition *part, uint32_t *slot)
{
    vyi_seat *seat = vyi_seat_sit(v);
    uint32_t mark = 0;
    if (!seat)
        return 0;
    if (vyi_seat_has(v, seat) ? part == &v->partitions[vyi_load_relaxed(&seat->part)]
                              : vyi_seat_refill(v, seat, part))
        mark = vyi_seat_take(v, seat, slot);
    vyi_seat_leave(seat);
    return mark;
}

/* What the caller's stash has, for a batch of at most `count`: a thread's works
 * keep to the cursor's order. */
static void vyi_seat_empty(vyre *v, vyi_batch *b, uint32_t count)
{
    vyi_seat *seat = vyi_seat_sit(v);
    if (!seat)
        return;
    while (b->count < count && vyi_seat_has(v, seat)) {
        uint32_t slot;
        const uint32_t mark = vyi_seat_take(v, seat, &slot);
        vyi_batch_add(b, slot, mark);
    }
    vyi_seat_leave(seat);
}

/* Whether a seat has slots of the partition, of any if it is NULL, or may just
 * be taking some. */
static bool vyi_seats_have(const vyre *v, const vyi_partition *part)
{
    for (uint32_t i = 0; i < VYI_SEATS; i++) {
        const vyi_seat *seat = &v->seats[i];
        if (!vyi_load_pointer(&v->sitters[i]))
            continue;
        if (vyi_load_acquire(&seat->inside))
            return true;
        if (vyi_seat_left(seat) &&
            (!part || part == &v->partitions[vyi_load_relaxed(&seat->part)]))
            return true;
    }
    return false;
}

static void vyi_seats_reopen(vyre *v)
{
    vyi_store_release(&v->recall, vyi_load_relaxed(&v->recall) + 1);
}

/* Takes back what is reserved; nothing is until vyi_seats_reopen, nor soon after.
 * False: somebody else is at it.  If nobody is inside and nothing reserved, then
 * whoever comes sees `recall` before it takes a slot: its fence in
 * vyi_seat_refill and this one see to that.  Otherwise the fence is everybody's. */
static bool vyi_seats_recall(vyre *v)
{
    const uint32_t before = vyi_load_relaxed(&v->recall);
    if (vyi_recall_is_on(before) ||
        vyi_compare_exchange(&v->recall, before, before + 1) != before)
        return false;
    vyi_fence_full();
    if (vyi_seats_have(v, NULL)) {
        const uint32_t quarter = v->slots / 4;
        vyi_fence_others();
        for (uint32_t i = 0; i < VYI_SEATS; i++) {
            while (vyi_load_acquire(&v->seats[i].inside))
                vyi_yield();
            vyi_seat_give_back(v, &v->seats[i]);
        }
        vyi_store_relaxed(&v->rest, quarter > VYI_REST ? quarter : VYI_REST);
    }
    for (uint32_t i = 0; i < VYI_SEATS; i++)
        vyi_store_relaxed(&v->seats[i].holds, 0);
    vyi_store_relaxed(&v->holders, 0);
    vyi_store_relaxed(&v->refused, 0);
    return true;
}

/* --- taking a slot for a work --------------------------------------------- */

/* Whether a publisher that has found no slot should look again; `recall` is what it
 * was before.  False: none was held or reserved meanwhile, so all are in use. */
static bool vyi_claim_again(vyre *v, const vyi_partition *part, uint32_t recall)
{
    if (vyi_recall_is_on(recall) || vyi_load_acquire(&v->held)) {
        vyi_yield(); /* slots are held, for a moment, by the log or a recovery */
        return true;
    }
    if (!vyi_seats_have(v, part))
        return vyi_load_acquire(&v->recall) != recall;
    if (vyi_seats_recall(v))
        vyi_seats_reopen(v);
    return true;
}

/* After a claim without a stash. */
static void vyi_rest_less(vyre *v)
{
    const uint32_t rest = vyi_load_relaxed(&v->rest);
    if (rest && rest != VYI_REST_FOREVER)
        vyi_store_relaxed(&v->rest, rest - 1);
    if (vyi_load_relaxed(&v->refused) > VYI_REFUSALS && vyi_seats_recall(v))
        vyi_seats_reopen(v);
}

/* A slot that is not from a stash. */
static uint32_t vyi_shared_claim(vyre *v, bool wait, vyi_partition *part, uint32_t *slot)
{
    uint32_t recall, mark;
    do {
        recall = vyi_load_acquire(&v->recall);
        mark = vyi_partition_claim(v, false, part, slot);
    } while (!mark && wait && vyi_claim_again(v, part, recall));
    if (mark) {
        vyi_era_pass(v, part, *slot - part->first);
        vyi_rest_less(v);
    }
    return mark;
}

/* A slot for the work: its BUSY mark, or 0 if none is free.  With `wait` it
 * waits for somebody who has all slots for a moment: the caller has none. */
static inline uint32_t vyi_work_claim(vyre *v, vyi_way *way, bool wait, const vyre_work *work,
                                      uint32_t *slot)
{
    vyi_partition *part = vyi_partition_of(v, work->priority);
    if (*way == VYI_WAY_ALONE)
        return vyi_partition_claim(v, true, part, slot);
    const uint32_t mark = vyi_seat_claim(v, part, slot);
    if (mark)
        return mark;
    *way = VYI_WAY_SHARED;
    return vyi_shared_claim(v, wait, part, slot);
}

/* --- holding all ---------------------------------------------------------- */

static bool vyi_slots_hold(vyre *v, bool alone, bool force)
{
    vyi_store_release(&v->held, 1);
    for (uint32_t slot = 0; slot < v->slots; slot++) {
        for (;;) {
            const uint32_t mark = vyi_load_acquire(&v->marks[slot]);
            const bool busy = vyi_mark_phase(mark) == VYI_PHASE_BUSY;
            const bool moving =
                busy || (vyi_mark_phase(mark) == VYI_PHASE_FLIGHT && !vyi_slot_outcome(v, slot));
            if (moving && !force) {
                while (slot-- > 0)
                    vyi_store_release(&v->marks[slot], v->kept[slot]);
                vyi_store_release(&v->held, 0);
                return false;
            }
            vyi_store_release(&v->kept[slot], mark); /* before BUSY: for vyi_mark_unheld */
            if (!busy &&
                vyi_mark_move(v, alone, slot, mark, vyi_mark_with(mark, VYI_PHASE_BUSY)))
                break;
            vyi_yield();
        }
    }
    return true;
}

/* No work is in flight; what is BUSY may be reserved only. */
static bool vyi_slots_rest(const vyre *v)
{
    for (uint32_t slot = 0; slot < v->slots; slot++) {
        const uint32_t mark = vyi_load_acquire(&v->marks[slot]);
        if (vyi_mark_phase(mark) == VYI_PHASE_FLIGHT && !vyi_slot_outcome(v, slot))
            return false;
    }
    return true;
}

/* Nothing is reserved from before the first slot is held until after the last
 * one is put back. */
VYI_API bool vyi_engine_hold(vyre *v, bool force)
{
    if (!force && !vyi_slots_rest(v))
        return false;
    while (!vyi_seats_recall(v))
        vyi_yield();
    const bool alone = vyi_alone_enter(v);
    const bool held = vyi_slots_hold(v, alone, force);
    vyi_alone_leave(v, alone);
    if (!held)
        vyi_seats_reopen(v);
    return held;
}

VYI_API void vyi_engine_unhold(vyre *v)
{
    for (uint32_t slot = 0; slot < v->slots; slot++)
        vyi_store_release(&v->marks[slot], v->kept[slot]);
    vyi_store_release(&v->held, 0);
    vyi_seats_reopen(v);
}

VYI_API uint32_t vyi_engine_pending(const vyre *v)
{
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < v->slots; slot++) {
        const uint32_t mark = vyi_load_acquire(&v->marks[slot]);
        count += vyi_mark_phase(mark) == VYI_PHASE_FLIGHT && !vyi_slot_outcome(v, slot);
    }
    return count;
}

/* --- publishing ---------------------------------------------------------- */

VYI_API vyre_status vyi_engine_check(const vyre *v, const vyre_work *work, vyre_error *err)
{
    if (work->arg_count > VYRE_MAX_ARGS)
        return vyi_fail(err, VYRE_E_TOO_MANY_ARGS, work->arg_count,
                        "Pass at most 12 arguments; put more into a user buffer.",
                        "the work has %u arguments", work->arg_count);
    if (!vyre_opcode_publishable(work->opcode) &&
        !(v->desc.kernel.load_miss && work->opcode == VYRE_OP_LOAD_MISS))
        return vyi_fail(err, VYRE_E_OPCODE, work->opcode,
                        "Use a built-in opcode, or one for which vyre_opcode_is_user() is true.",
                        "opcode 0x%08x is reserved", work->opcode);
    if (work->tenant >= v->tenants)
        return vyi_fail(err, VYRE_E_TENANT_RANGE, work->tenant,
                        "Set vyre_desc.tenants to one more than the largest tenant id.",
                        "tenant %u is not one of the handle's %u", work->tenant, v->tenants);
    if ((uint32_t)work->priority >= VYRE_PRIORITY_LEVELS)
        return vyi_fail(err, VYRE_E_PRIORITY, (uint64_t)work->priority,
                        "Use one of the VYRE_PRIORITY_ levels.", "priority %d does not exist",
                        (int)work->priority);
    return VYRE_OK;
}

/* What vyi_engine_check finds nothing to say about, in one branch. */
static inline bool vyi_work_is_plain(const vyre *v, const vyre_work *work)
{
    const uint32_t priority = (uint32_t)work->priority;
    return (work->arg_count <= VYRE_MAX_ARGS) & (work->opcode < VYRE_OP_LOAD_MISS - 0x100u) &
           (work->tenant < v->tenants) & (priority < VYRE_PRIORITY_LEVELS);
}

VYI_STATIC_ASSERT(work_begins_with_four_words,
                  offsetof(vyre_work, opcode) == 0 && offsetof(vyre_work, tenant) == 4 &&
                      offsetof(vyre_work, priority) == 8 && offsetof(vyre_work, arg_count) == 12 &&
                      sizeof(vyre_priority) == 4 && VYRE_OP_LOAD_MISS < 0x80000000u);

/* The same of many, without a branch for each. */
static bool vyi_works_are_plain(const vyre *v, const vyre_work *works, uint32_t count)
{
    const vyi_quad limits = vyi_quad_of(VYRE_OP_LOAD_MISS - 0x101u, v->tenants - 1u,
                                        VYRE_PRIORITY_LEVELS - 1u, VYRE_MAX_ARGS);
    vyi_quad bad = vyi_quad_of(0, 0, 0, 0);
    for (uint32_t i = 0; i < count; i++)
        bad = vyi_quad_over(bad, &works[i].opcode, limits);
    return vyi_quad_signs(bad) == 0;
}

VYI_STATIC_ASSERT(slot_pairs, VYRE_SLOT_TENANT % 2 == 0 && VYRE_SLOT_ARGS % 2 == 0 &&
                                  VYRE_SLOT_PRIORITY == VYRE_SLOT_TENANT + 1);

/* How it was lost is said unless somebody holds the lock just now. */
static vyre_status vyi_engine_gone(const vyre *v, const char *what, vyre_error *err)
{
    vyi_mutex *lock = vyi_engine_lock(v);
    vyi_fail(err, VYRE_E_DEVICE_LOST, 0, "Call vyre_recover().", "the device was lost; %s", what);
    if (!err || !vyi_mutex_try(lock))
        return VYRE_E_DEVICE_LOST;
    if (v->state == VYI_STATE_LOST) {
        err->native = v->lost.native;
        snprintf(err->text, sizeof err->text, "%s: %.120s", what, v->lost.text);
    }
    vyi_mutex_unlock(lock);
    return VYRE_E_DEVICE_LOST;
}

VYI_COLD
static vyre_status vyi_engine_refuses(const vyre *v, uint32_t state, vyre_error *err)
{
    if (state == VYI_STATE_LOST)
        return vyi_engine_gone(v, "nothing can be published", err);
    return vyi_fail(err, VYRE_E_STOPPED, 0, "Call vyre_start() to go on.",
                    "opcode SHUTDOWN has stopped the kernel");
}

static inline vyre_status vyi_engine_takes_work(const vyre *v, vyre_error *err)
{
    const uint32_t state = vyi_load_acquire(&v->state);
    return state < VYI_STATE_SHUT ? VYRE_OK : vyi_engine_refuses(v, state, err);
}

/* From the place 12 - n on: a head of four words and n arguments that are kept, and
 * zeros. */
static const uint32_t vyi_line_keep[VYRE_SLOT_ARGS + 2 * VYRE_MAX_ARGS] = {
    ~0u, ~0u, ~0u, ~0u,
    ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
};

/* Of the work's 16 words. */
static inline const uint32_t *vyi_work_keep(const vyre_work *work)
{
    return vyi_line_keep + VYRE_MAX_ARGS - work->arg_count;
}

/* Everything but STATUS.  The slot is the caller's. */
static inline void vyi_slot_fill(vyre *v, const vyi_device *d, uint32_t slot,
                                 const vyre_work *work)
{
    uint32_t *at = vyi_engine_words(d, VYI_ROLE_RING) + (size_t)slot * VYRE_SLOT_WORDS;
    const uint32_t *keep = vyi_work_keep(work) + VYRE_SLOT_ARGS;

    if (v->record)
        v->record[slot] = *work;
    vyi_store_release(vyi_engine_words(d, v->mirror_index) + slot, 0);
    vyi_store_relaxed(at + VYRE_SLOT_OPCODE, vyi_le32(work->opcode));
    vyi_store_pair(at + VYRE_SLOT_TENANT, work->tenant, vyi_priority_level(work->priority));
    at += VYRE_SLOT_ARGS;
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i += 2)
        vyi_copy_pair(at + i, work->args + i, keep + i);
}

/* Pairs with the kernel's claiming acquire. */
static inline void vyi_slot_raise(const vyi_device *d, uint32_t slot)
{
    vyi_store_release(vyi_engine_words(d, VYI_ROLE_RING) + (size_t)slot * VYRE_SLOT_WORDS,
                      vyi_le32(VYRE_SLOT_PUBLISHED));
}

/* --- publishing: a slot as one line -------------------------------------- */

VYI_STATIC_ASSERT(slot_is_a_line, sizeof(vyi_line) == 4 * VYRE_SLOT_WORDS &&
                                      VYRE_SLOT_STATUS == 0 && VYRE_SLOT_OPCODE == 1 &&
                                      VYRE_SLOT_TENANT == 2 && VYRE_SLOT_PRIORITY == 3 &&
                                      VYRE_SLOT_ARGS == 4 && VYRE_MAX_ARGS == 12);

static inline vyi_quad vyi_line_head(const vyre_work *work)
{
    return vyi_quad_of(VYRE_SLOT_PUBLISHED, work->opcode, work->tenant,
                       vyi_priority_level(work->priority));
}

static inline void vyi_line_compose(vyi_line *line, const vyre_work *work)
{
    const uint32_t *keep = vyi_work_keep(work) + VYRE_SLOT_ARGS;
    line->quads[0] = vyi_line_head(work);
    line->quads[1] = vyi_quad_keep(work->args, keep);
    line->quads[2] = vyi_quad_keep(work->args + 4, keep + 4);
    line->quads[3] = vyi_quad_keep(work->args + 8, keep + 8);
}

/* Composed before the first of them is stored: a store of a line waits for its
 * words, and what is composed behind it would wait for the store. */
#define VYI_LINES_AT_ONCE 8u

/* Works into lines; line i goes to slots[i] of the ring, or without `slots` to the
 * i-th from its beginning. */
static inline void vyi_lines_store_narrow(uint32_t *ring, const uint32_t *slots,
                                          const vyre_work *works, uint32_t count)
{
    vyi_line lines[VYI_LINES_AT_ONCE];
    for (uint32_t from = 0; from < count; from += VYI_LINES_AT_ONCE) {
        const uint32_t rest = count - from;
        const uint32_t n = rest < VYI_LINES_AT_ONCE ? rest : VYI_LINES_AT_ONCE;
        for (uint32_t i = 0; i < n; i++)
            vyi_line_compose(&lines[i], &works[from + i]);
        for (uint32_t i = 0; i < n; i++)
            vyi_store_line(ring + (size_t)(slots ? slots[from + i] : from + i) * VYRE_SLOT_WORDS,
                           &lines[i]);
    }
}

#if VYI_WIDE
VYI_STATIC_ASSERT(work_is_a_line, offsetof(vyre_work, args) == 4 * VYRE_SLOT_ARGS &&
                                      sizeof(vyre_work) == sizeof(vyi_line));

VYI_WIDE_FN
static inline void vyi_line_compose_wide(vyi_line *line, const vyre_work *work)
{
    vyi_wide_compose(line, vyi_line_head(work), &work->opcode, vyi_work_keep(work));
}

VYI_WIDE_FN
static void vyi_lines_store_wide(uint32_t *ring, const uint32_t *slots, const vyre_work *works,
                                 uint32_t count)
{
    vyi_line line VYI_LINE_ALIGNED;
    for (uint32_t i = 0; i < count; i++) {
        vyi_line_compose_wide(&line, &works[i]);
        vyi_store_line(ring + (size_t)(slots ? slots[i] : i) * VYRE_SLOT_WORDS, &line);
    }
    vyi_wide_end();
}
#else
static void vyi_lines_store_wide(uint32_t *ring, const uint32_t *slots, const vyre_work *works,
                                 uint32_t count)
{
    vyi_lines_store_narrow(ring, slots, works, count);
}
#endif

static inline void vyi_lines_store(const vyre *v, uint32_t *ring, const uint32_t *slots,
                                   const vyre_work *works, uint32_t count)
{
    if (v->wide)
        vyi_lines_store_wide(ring, slots, works, count);
    else
        vyi_lines_store_narrow(ring, slots, works, count);
}

/* Publishes into slots of the caller's.  What must come before their lines,
 * the cleared mirror words and the program's own data in its buffers, is behind
 * a fence.  A seat's words are behind one already.  A lone thread cleared them
 * when it saw the last end, and mostly a fence has been made since: where the
 * program has no buffers, that will do. */
static inline void vyi_slots_store_lines(vyre *v, const vyi_device *d, vyi_way way,
                                         const uint32_t *slots, const vyre_work *works,
                                         uint32_t count)
{
    uint32_t *mirror = vyi_engine_words(d, v->mirror_index);
    bool fence = way == VYI_WAY_SHARED || v->user_count != 0;
    for (uint32_t i = 0; i < count && v->record; i++)
        v->record[slots[i]] = works[i];
    for (uint32_t i = 0; i < count && way == VYI_WAY_SHARED; i++)
        vyi_store_release(mirror + slots[i], 0);
    for (uint32_t i = 0; i < count && way == VYI_WAY_ALONE; i++)
        fence |= v->cleared[slots[i]] == v->fences;
    if (fence)
        vyi_fence_stores();
    if (fence && way == VYI_WAY_ALONE)
        v->fences++;
    vyi_lines_store(v, vyi_engine_words(d, VYI_ROLE_RING), slots, works, count);
}

/* --- publishing, one slot or many ---------------------------------------- */

VYI_API void vyi_slot_write(vyre *v, vyi_device *d, uint32_t slot, const vyre_work *work)
{
    vyi_slot_fill(v, d, slot, work);
    if (d->write_combined)
        vyi_fence_stores();
    vyi_slot_raise(d, slot);
    if (d->write_combined)
        vyi_fence_stores();
}

static vyre_ticket vyi_ticket_of(uint32_t slot, uint32_t mark)
{
    vyre_ticket t;
    t.slot = slot;
    t.generation = vyi_mark_generation(mark);
    return t;
}

static vyre_status vyi_engine_full(const vyre *v, vyre_error *err)
{
    return vyi_fail(err, VYRE_FULL, v->slots,
                    "Poll or wait for a ticket and publish again, or use more slots.",
                    "none of the %u slots is free", v->slots);
}

/* Four marks at a time, of a lone thread's slots that follow each other. */
static inline bool vyi_marks_by_four(const uint32_t *marks, uint32_t count)
{
    return VYI_QUADS && count >= 4 && ((uintptr_t)marks & 15u) == 0;
}

#if VYI_QUADS
static inline vyi_quad vyi_quad_all(uint32_t word)
{
    return vyi_quad_of(word, word, word, word);
}

static inline bool vyi_marks_are_free(const uint32_t *marks)
{
    const vyi_quad phases = vyi_quad_load(marks) & vyi_quad_all(VYI_PHASE_MASK);
    return vyi_quad_signs((vyi_quad)(phases == vyi_quad_all(VYI_PHASE_FREE))) == 0xfu;
}

/* Whether one of four mirror words was cleared behind the last fence. */
static inline bool vyi_cleared_behind(const uint32_t *cleared, uint32_t fences)
{
    const vyi_quad since = *(const vyi_quad *)cleared;
    return vyi_quad_signs((vyi_quad)(since == vyi_quad_all(fences))) != 0;
}

/* FREE to FLIGHT, with the next generation; the last of the four. */
static inline uint32_t vyi_marks_fly(uint32_t *marks)
{
    const vyi_quad one = vyi_quad_all(1u << VYI_GENERATION_BIT);
    const vyi_quad generation = vyi_quad_all(VYI_GENERATION_MASK << VYI_GENERATION_BIT);
    vyi_quad next = vyi_quad_load(marks) + one;
    next += (vyi_quad)((next & generation) == vyi_quad_all(0)) & one; /* 0 is none */
    next = (next & vyi_quad_all(~VYI_PHASE_MASK)) | vyi_quad_all(VYI_PHASE_FLIGHT);
    vyi_quad_store(marks, next);
    return next[3];
}
#else
static inline bool vyi_marks_are_free(const uint32_t *marks)
{
    (void)marks;
    return false;
}

static inline bool vyi_cleared_behind(const uint32_t *cleared, uint32_t fences)
{
    (void)cleared, (void)fences;
    return true;
}

static inline uint32_t vyi_marks_fly(uint32_t *marks)
{
    return *marks;
}
#endif

/* How many of a lone thread's next slots are FREE, and whether a fence must stand
 * before their lines (vyi_slots_store_lines). */
VYI_INLINE
static inline uint32_t vyi_lone_free(const vyre *v, uint32_t first, uint32_t count, bool *fence)
{
    const uint32_t *marks = v->marks + first, *cleared = v->cleared + first;
    const uint32_t fences = v->fences;
    bool behind = false;
    uint32_t n = 0;
    while (n < count) {
        if (vyi_marks_by_four(marks + n, count - n) && vyi_marks_are_free(marks + n)) {
            behind |= vyi_cleared_behind(cleared + n, fences);
            n += 4;
            continue;
        }
        if (vyi_mark_phase(vyi_load_relaxed(&marks[n])) != VYI_PHASE_FREE)
            break;
        behind |= cleared[n++] == fences;
    }
    *fence = behind || v->user_count != 0;
    return n;
}

/* They are FLIGHT; the last one's mark. */
VYI_INLINE
static inline uint32_t vyi_lone_fly(vyre *v, uint32_t first, uint32_t count)
{
    uint32_t *marks = v->marks + first, mark = 0;
    for (uint32_t n = 0; n < count;) {
        if (vyi_marks_by_four(marks + n, count - n)) {
            mark = vyi_marks_fly(marks + n);
            n += 4;
            continue;
        }
        mark = vyi_mark_with(vyi_mark_next(vyi_load_relaxed(&marks[n])), VYI_PHASE_FLIGHT);
        vyi_store_release(&marks[n++], mark);
    }
    return mark;
}

/* A lone thread's lines, into the FREE slots that follow each other at the
 * partition's cursor, as vyi_lone_claim finds them; how many, the last one's
 * ticket. */
VYI_INLINE
static inline uint32_t vyi_lone_lines(vyre *v, const vyi_device *d, vyi_partition *part,
                                      const vyre_work *works, uint32_t count, vyre_ticket *last)
{
    const uint32_t turn = vyi_load_relaxed(&part->cursor);
    uint32_t place;
    bool fence;
    const uint32_t most = vyi_partition_run(part, turn, count, &place);
    const uint32_t first = part->first + place, n = vyi_lone_free(v, first, most, &fence);
    if (n == 0)
        return 0;
    vyi_store_relaxed(&part->cursor, turn + n);
    if (v->record)
        memcpy(v->record + first, works, n * sizeof *works);
    if (fence) {
        vyi_fence_stores();
        v->fences++;
    }
    vyi_lines_store(v, vyi_engine_words(d, VYI_ROLE_RING) + (size_t)first * VYRE_SLOT_WORDS, NULL,
                    works, n);
    *last = vyi_ticket_of(first + n - 1, vyi_lone_fly(v, first, n));
    return n;
}

/* Into a slot that is taken for it, in whatever way; false: none is free. */
static bool vyi_work_publish(vyre *v, bool alone, const vyre_work *work, vyre_ticket *ticket)
{
    uint32_t slot = 0, mark;
    vyi_way way = alone ? VYI_WAY_ALONE : VYI_WAY_SEAT;
    if (!alone || !vyi_lone_claim(v, vyi_partition_of(v, work->priority), &slot, &mark, 1))
        mark = vyi_work_claim(v, &way, true, work, &slot);
    vyi_device *d = vyi_engine_device(v); /* a recovery may have replaced it before the claim */
    if (!mark)
        return false;
    if (d->whole_lines)
        vyi_slots_store_lines(v, d, way, &slot, work, 1);
    else
        vyi_slot_write(v, d, slot, work);
    vyi_store_release(&v->marks[slot], vyi_mark_with(mark, VYI_PHASE_FLIGHT));
    *ticket = vyi_ticket_of(slot, mark);
    return true;
}

static inline void vyi_engine_wake(vyre *v)
{
    vyi_device *d = vyi_engine_device(v);
    if (d->backend->wake)
        d->backend->wake(d);
}

/* Whether the work in the slot before is under way. */
static inline bool vyi_slot_before_is_busy(const vyre *v, uint32_t slot)
{
    const uint32_t before = (slot ? slot : v->slots) - 1;
    const uint32_t *mirror = vyi_engine_words(vyi_engine_device(v), v->mirror_index);
    return vyi_mark_phase(vyi_load_relaxed(&v->marks[before])) == VYI_PHASE_FLIGHT &&
           vyi_load_relaxed(&mirror[before]) == 0;
}

/* A nudge asks for the time, which costs more than a publish.  So only who finds
 * the ring at rest makes one, for the leases may have run out; and who passes one
 * slot in many.  A look leaves leases for milliseconds, so works close behind each
 * other need no other. */
static inline void vyi_publish_nudge(vyre *v, uint32_t first, uint32_t last, uint32_t count)
{
    if ((last & v->look_mask) < count || !vyi_slot_before_is_busy(v, first))
        vyi_engine_nudge(v, VYI_EFFORT_LOOK, NULL);
}

VYRE_API vyre_status vyre_publish(vyre *v, const vyre_work *work, vyre_ticket *ticket,
                                  vyre_error *err)
{
    if (!v || !work)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle and a work.",
                        "%s is NULL", v ? "work" : "the handle");
    vyre_status status = VYRE_OK;
    if (!vyi_work_is_plain(v, work))
        status = vyi_engine_check(v, work, err);
    if (status == VYRE_OK)
        status = vyi_engine_takes_work(v, err);
    if (status != VYRE_OK)
        return status;

    vyre_ticket unasked, *t = ticket ? ticket : &unasked;
    const bool alone = vyi_alone_enter(v);
    const vyi_device *d = vyi_engine_device(v);
    const bool published =
        (alone && d->whole_lines &&
         vyi_lone_lines(v, d, vyi_partition_of(v, work->priority), work, 1, t)) ||
        vyi_work_publish(v, alone, work, t);
    vyi_alone_leave(v, alone);
    if (!published) {
        vyi_engine_nudge(v, VYI_EFFORT_LOOK, NULL);
        return vyi_engine_full(v, err);
    }
    vyi_engine_wake(v);
    vyi_publish_nudge(v, t->slot, t->slot, 1);
    return VYRE_OK;
}

/* Slots for the first of `count` works (VYI_BATCH at most), as many as there are,
 * at least one unless the ring is full. */
static void vyi_batch_claim(vyre *v, vyi_way *way, vyi_batch *b, const vyre_work *works,
                            uint32_t count)
{
    const bool alone = *way == VYI_WAY_ALONE;
    b->count = 0;
    if (v->partition_count == 1 && alone)
        b->count = vyi_lone_claim(v, &v->partitions[0], b->slots, b->marks, count);
    if (b->count)
        return;
    if (v->partition_count == 1 && count > 1) {
        if (!alone)
            vyi_seat_empty(v, b, count);
        if (b->count < count && !alone)
            *way = VYI_WAY_SHARED;
        if (b->count < count)
            vyi_batch_claim_run(v, alone, &v->partitions[0], b, count - b->count);
    }
    while (b->count < count && (b->count == 0 || v->partition_count > 1)) {
        uint32_t slot = 0;
        const uint32_t mark = vyi_work_claim(v, way, b->count == 0, &works[b->count], &slot);
        if (!mark)
            break;
        vyi_batch_add(b, slot, mark);
    }
}

/* One fence for all: a fence waits for the bus. */
static void vyi_batch_raise(const vyi_device *d, const vyi_batch *b)
{
    vyi_fence_stores();
    for (uint32_t i = 0; i < b->count; i++)
        vyi_slot_raise(d, b->slots[i]);
    vyi_fence_stores();
}

static void vyi_batch_write(vyre *v, vyi_device *d, const vyi_batch *b, const vyre_work *works)
{
    for (uint32_t i = 0; i < b->count; i++) {
        vyi_slot_fill(v, d, b->slots[i], &works[i]);
        if (!d->write_combined)
            vyi_slot_raise(d, b->slots[i]);
    }
    if (d->write_combined)
        vyi_batch_raise(d, b);
}

/* Into whatever slots there are; how many, the first one, the last one's ticket. */
static uint32_t vyi_batch_publish(vyre *v, bool alone, const vyre_work *works, uint32_t count,
                                  uint32_t *first, vyre_ticket *last)
{
    vyi_batch b;
    vyi_way way = alone ? VYI_WAY_ALONE : VYI_WAY_SEAT;
    vyi_batch_claim(v, &way, &b, works, count);
    const uint32_t n = b.count;
    vyi_device *d = vyi_engine_device(v);
    if (n == 0)
        return 0;
    if (d->whole_lines)
        vyi_slots_store_lines(v, d, way, b.slots, works, n);
    else
        vyi_batch_write(v, d, &b, works);
    for (uint32_t i = 0; i < n; i++)
        vyi_store_release(&v->marks[b.slots[i]], vyi_mark_with(b.marks[i], VYI_PHASE_FLIGHT));
    *first = b.slots[0];
    *last = vyi_ticket_of(b.slots[n - 1], b.marks[n - 1]);
    return n;
}

/* Publishes the first works of `count`, at most VYI_BATCH; how many it were, the
 * first one's slot and the last one's ticket. */
static uint32_t vyi_publish_batch(vyre *v, const vyre_work *works, uint32_t count,
                                  uint32_t *first, vyre_ticket *last)
{
    const bool alone = vyi_alone_enter(v);
    const vyi_device *d = vyi_engine_device(v);
    const uint32_t most = count < VYI_BATCH ? count : VYI_BATCH;
    uint32_t n = 0;
    if (alone && d->whole_lines && v->partition_count == 1)
        n = vyi_lone_lines(v, d, &v->partitions[0], works, most, last);
    if (n)
        *first = last->slot + 1 - n;
    else
        n = vyi_batch_publish(v, alone, works, most, first, last);
    vyi_alone_leave(v, alone);
    if (n)
        vyi_engine_wake(v);
    return n;
}

VYRE_API vyre_status vyre_publish_many(vyre *v, const vyre_work *works, uint32_t count,
                                       uint32_t *published, vyre_ticket *last, vyre_error *err)
{
    if (!v || (!works && count))
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle and an array of works.",
                        "%s is NULL", v ? "works" : "the handle");
    vyre_status status = vyi_engine_takes_work(v, err);
    const bool plain = vyi_works_are_plain(v, works, count);
    for (uint32_t i = 0; i < count && status == VYRE_OK && !plain; i++)
        status = vyi_engine_check(v, &works[i], err);
    if (status != VYRE_OK)
        return status;

    uint32_t done = 0, first = 0;
    vyre_ticket unasked, *t = last ? last : &unasked;
    while (done < count) {
        uint32_t from = 0;
        const uint32_t n = vyi_publish_batch(v, works + done, count - done, &from, t);
        if (n == 0)
            break;
        first = done ? first : from;
        done += n;
    }
    if (done < count)
        vyi_engine_nudge(v, VYI_EFFORT_LOOK, NULL);
    else if (count)
        vyi_publish_nudge(v, first, t->slot, count);
    if (published)
        *published = done;
    return done == count ? VYRE_OK : vyi_engine_full(v, err);
}

/* --- outcomes ------------------------------------------------------------ */

VYI_API vyre_status vyi_ticket_history(vyre *v, vyre_ticket t, uint32_t *code)
{
    vyi_trouble *trouble = &v->trouble[t.slot];
    const uint32_t generation = vyi_load_acquire(&trouble->generation);
    const uint32_t found = vyi_load_acquire(&trouble->code);
    const bool stable = vyi_load_acquire(&trouble->generation) == generation;

    if (generation == t.generation && stable) {
        (void)vyi_compare_exchange(&trouble->untold, generation, 0);
        if (found == VYI_TROUBLE_LOST)
            return VYRE_E_LOST;
        *code = found;
        return VYRE_E_FAULT;
    }
    if (generation && ((generation - t.generation) & VYI_GENERATION_MASK) < VYI_GENERATION_HALF)
        return VYRE_E_STALE;
    return VYRE_OK;
}

/* Records an end that was seen, so that a recovery knows of it. `told`: so does
 * the program.  False when the mark has changed meanwhile: then what was seen may
 * be the end of something else. */
static bool vyi_ticket_seen(vyre *v, bool alone, vyre_ticket t, uint32_t mark, uint32_t outcome,
                            bool told)
{
    vyi_slot_clear(v, alone, t.slot);
    if (VYI_MIRROR_STATUS(outcome) == VYRE_SLOT_DONE)
        return vyi_mark_move(v, alone, t.slot, mark, vyi_mark_with(mark, VYI_PHASE_FREE));
    if (!vyi_mark_move(v, alone, t.slot, mark, vyi_mark_with(mark, VYI_PHASE_BUSY)))
        return false;
    vyi_slot_trouble(v, t.slot, t.generation, VYI_MIRROR_FAULT(outcome), told);
    vyi_store_release(&v->marks[t.slot], vyi_mark_with(mark, VYI_PHASE_FREE));
    return true;
}

/* The slot's mark; while all are held, what it was before if its end had been
 * seen by then.  A recovery may have counted its generation on. */
static uint32_t vyi_mark_unheld(const vyre *v, uint32_t slot)
{
    const uint32_t mark = vyi_load_acquire(&v->marks[slot]);
    if (vyi_mark_phase(mark) != VYI_PHASE_BUSY || !vyi_load_acquire(&v->held))
        return mark;
    const uint32_t kept = vyi_load_acquire(&v->kept[slot]);
    const uint32_t age =
        (vyi_mark_generation(kept) - vyi_mark_generation(mark)) & VYI_GENERATION_MASK;
    return vyi_mark_phase(kept) == VYI_PHASE_FREE && age <= 1 ? kept : mark;
}

static vyre_status vyi_slot_look(vyre *v, bool alone, vyre_ticket t, uint32_t *code)
{
    if (t.slot >= v->slots || t.generation == 0 || t.generation > VYI_GENERATION_MASK)
        return VYRE_E_TICKET;
    for (;;) {
        const uint32_t mark = vyi_mark_unheld(v, t.slot);
        const uint32_t age =
            (vyi_mark_generation(mark) - t.generation) & VYI_GENERATION_MASK;
        if (age >= VYI_GENERATION_HALF)
            return VYRE_E_TICKET;
        if (age != 0 || vyi_mark_phase(mark) == VYI_PHASE_FREE)
            return vyi_ticket_history(v, t, code);
        if (vyi_mark_phase(mark) == VYI_PHASE_BUSY)
            return VYRE_PENDING; /* nobody has been told of an end; a recovery may run it again */

        const uint32_t outcome = vyi_slot_outcome(v, t.slot);
        if (outcome == 0 && vyi_load_acquire(&v->marks[t.slot]) == mark)
            return VYRE_PENDING;
        if (outcome == 0 || !vyi_ticket_seen(v, alone, t, mark, outcome, true))
            continue; /* the outcome may be another generation's, or another device's */
        if (VYI_MIRROR_STATUS(outcome) == VYRE_SLOT_DONE)
            return VYRE_OK;
        *code = VYI_MIRROR_FAULT(outcome);
        return VYRE_E_FAULT;
    }
}

VYI_API vyre_status vyi_ticket_look(vyre *v, vyre_ticket t, uint32_t *code)
{
    const bool alone = vyi_alone_enter(v);
    const vyre_status status = vyi_slot_look(v, alone, t, code);
    vyi_alone_leave(v, alone);
    return status;
}

static vyre_status vyi_ticket_explain(vyre_error *err, vyre_status status, vyre_ticket t,
                                      uint32_t code)
{
    switch (status) {
    case VYRE_E_FAULT:
        vyi_fail(err, status, t.slot, "Correct the work's opcode or arguments: see vyre_fault.",
                 "slot %u ended FAULT %u: %s", t.slot, code, vyre_fault_text(code));
        if (err)
            err->native = (int32_t)code;
        return status;
    case VYRE_E_LOST:
        return vyi_fail(err, status, t.slot, "Publish it again, or set lost_work to RERUN.",
                        "the work in slot %u was in flight when the device was lost", t.slot);
    case VYRE_E_STALE:
        return vyi_fail(err, status, t.slot, "Ask sooner after the work has ended.",
                        "slot %u has been used again after generation %u", t.slot, t.generation);
    case VYRE_PENDING:
        return vyi_fail(err, status, t.slot, "Call vyre_wait() first.",
                        "the work in slot %u has not ended", t.slot);
    case VYRE_TIMEOUT:
        return vyi_fail(err, status, t.slot, "Wait again, or longer; vyre_query tells what runs.",
                        "the work in slot %u has not ended in time", t.slot);
    case VYRE_E_TICKET:
        return vyi_fail(err, status, t.slot, "Pass a ticket that this handle's publish gave.",
                        "no work has ticket %u.%u", t.slot, t.generation);
    default:
        return status;
    }
}

VYRE_API vyre_status vyre_poll(vyre *v, vyre_ticket t)
{
    uint32_t code = 0;
    if (!v)
        return VYRE_E_ARGUMENT;
    vyre_status status = vyi_ticket_look(v, t, &code);
    if (status != VYRE_PENDING)
        return status;
    vyi_engine_nudge(v, VYI_EFFORT_LOOK, NULL);
    return vyi_ticket_look(v, t, &code);
}

/* --- waiting ------------------------------------------------------------- */

#define VYI_PACE_SPINS    32u
#define VYI_PACE_YIELD_NS 20000u
#define VYI_PACE_SLEEP_NS 2000000u

VYI_API vyi_pace vyi_pace_begin(uint64_t timeout_ns)
{
    vyi_pace pace;
    pace.begin = vyi_now();
    pace.deadline = timeout_ns > UINT64_MAX - pace.begin ? UINT64_MAX : pace.begin + timeout_ns;
    pace.turn = 0;
    return pace;
}

VYI_API vyre_status vyi_pace_turn(vyre *v, vyi_pace *pace, vyre_error *err)
{
    if (pace->turn++ % VYI_PACE_SPINS != 0) {
        vyi_pause();
        return VYRE_OK;
    }
    vyre_status status = vyi_engine_nudge(v, VYI_EFFORT_WORK, err);
    if (status == VYRE_OK)
        status = vyi_engine_takes_work(v, err);
    if (status < 0)
        return status;
    const uint64_t now = vyi_now();
    if (now >= pace->deadline)
        return VYRE_TIMEOUT;
    if (now - pace->begin > VYI_PACE_SLEEP_NS && !vyi_engine_device(v)->pumped)
        vyi_sleep(50000);
    else if (now - pace->begin > VYI_PACE_YIELD_NS)
        vyi_yield();
    return VYRE_OK;
}

static vyre_status vyi_ticket_wait(vyre *v, vyre_ticket t, vyi_pace *pace, uint32_t *code,
                                   vyre_error *err)
{
    vyre_status status;
    while ((status = vyi_ticket_look(v, t, code)) == VYRE_PENDING) {
        const vyre_status turn = vyi_pace_turn(v, pace, err);
        if (turn == VYRE_OK)
            continue;
        status = vyi_ticket_look(v, t, code);
        return status == VYRE_PENDING ? turn : status;
    }
    return status;
}

VYRE_API vyre_status vyre_wait(vyre *v, vyre_ticket t, uint64_t timeout_ns, vyre_error *err)
{
    if (!v)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle.", "the handle is NULL");
    uint32_t code = 0;
    vyre_status status = vyi_ticket_look(v, t, &code);
    if (status == VYRE_PENDING) {
        vyi_pace pace = vyi_pace_begin(timeout_ns);
        status = vyi_ticket_wait(v, t, &pace, &code, err);
    }
    return vyi_ticket_explain(err, status, t, code);
}

/* The slot's mark, once no recovery holds it: its work may go on afterwards.
 * Marks are put back before `held` is cleared, and are looked at again after it
 * was seen clear: what still is BUSY then is a publisher's. */
static uint32_t vyi_slot_mark(const vyre *v, uint32_t slot)
{
    for (;;) {
        const uint32_t mark = vyi_load_acquire(&v->marks[slot]);
        if (vyi_mark_phase(mark) != VYI_PHASE_BUSY)
            return mark;
        if (!vyi_load_acquire(&v->held) && vyi_load_acquire(&v->marks[slot]) == mark)
            return mark;
        vyi_yield();
    }
}

/* Waits until the slot's work of this generation has ended, and tells nobody
 * how. */
static vyre_status vyi_slot_drain(vyre *v, uint32_t slot, uint32_t generation, vyi_pace *pace,
                                  vyre_error *err)
{
    for (;;) {
        const uint32_t mark = vyi_load_acquire(&v->marks[slot]);
        if (vyi_mark_generation(mark) != generation || vyi_mark_phase(mark) == VYI_PHASE_FREE)
            return VYRE_OK;
        const uint32_t outcome = vyi_slot_outcome(v, slot);
        if (outcome && vyi_mark_phase(mark) == VYI_PHASE_FLIGHT) {
            const bool alone = vyi_alone_enter(v);
            (void)vyi_ticket_seen(v, alone, vyi_ticket_of(slot, mark), mark, outcome, false);
            vyi_alone_leave(v, alone);
            continue;
        }
        const vyre_status status = vyi_pace_turn(v, pace, err);
        if (status != VYRE_OK && !vyi_slot_outcome(v, slot))
            return status;
    }
}

/* What the program has not been told yet of works that did not end well. */
static vyre_status vyi_drain_explain(vyre *v, vyre_error *err)
{
    uint32_t faults = 0, lost = 0, first = 0, first_code = 0;
    for (uint32_t slot = 0; slot < v->slots; slot++) {
        vyi_trouble *trouble = &v->trouble[slot];
        const uint32_t untold = vyi_load_acquire(&trouble->untold);
        const uint32_t code = vyi_load_acquire(&trouble->code);
        if (!untold || vyi_compare_exchange(&trouble->untold, untold, 0) != untold)
            continue;
        if (faults + lost == 0) {
            first = slot;
            first_code = code;
        }
        faults += code != VYI_TROUBLE_LOST;
        lost += code == VYI_TROUBLE_LOST;
    }
    uint32_t more = vyi_load_acquire(&v->untold);
    if (vyi_compare_exchange(&v->untold, more, 0) != more)
        more = 0; /* of another drain; or one more by now, for the next drain */
    if (faults + lost == 0 && more == 0)
        return VYRE_OK;
    const bool known = first_code != VYI_TROUBLE_LOST;
    vyi_fail(err, lost && !faults && !more ? VYRE_E_LOST : VYRE_E_FAULT, first,
             "Ask for the tickets: vyre_poll() tells how each work ended.",
             "%u works ended FAULT and %u were lost that nobody had asked for; one in slot %u "
             "(%s)", faults + more, lost, first,
             known ? vyre_fault_text(first_code) : "lost with its device");
    if (err)
        err->native = known ? (int32_t)first_code : 0;
    return lost && !faults && !more ? VYRE_E_LOST : VYRE_E_FAULT;
}

VYRE_API vyre_status vyre_drain(vyre *v, uint64_t timeout_ns, vyre_error *err)
{
    if (!v)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle.", "the handle is NULL");
    vyi_pace pace = vyi_pace_begin(timeout_ns);
    for (uint32_t slot = 0; slot < v->slots; slot++) {
        const uint32_t mark = vyi_slot_mark(v, slot);
        if (vyi_mark_phase(mark) != VYI_PHASE_FLIGHT)
            continue;
        const vyre_status status = vyi_slot_drain(v, slot, vyi_mark_generation(mark), &pace, err);
        if (status == VYRE_TIMEOUT)
            return vyi_fail(err, status, vyi_engine_pending(v),
                            "Drain again, or longer; vyre_query tells what runs.",
                            "%u works have not ended in time", vyi_engine_pending(v));
        if (status != VYRE_OK)
            return status;
    }
    vyi_mutex_lock(&v->lock);
    vyi_engine_deliver_log(v);
    vyi_mutex_unlock(&v->lock);
    return vyi_drain_explain(v, err);
}

VYRE_API vyre_status vyre_result(vyre *v, vyre_ticket t, uint32_t args[12], vyre_error *err)
{
    if (!v || !args)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle and room for 12 words.",
                        "%s is NULL", v ? "args" : "the handle");
    uint32_t code = 0, words[VYRE_MAX_ARGS];
    const vyre_status status = vyi_ticket_look(v, t, &code);
    if (status != VYRE_OK)
        return vyi_ticket_explain(err, status, t, code);

    const vyi_device *d = vyi_engine_device(v);
    const uint32_t *at = vyi_engine_words(d, VYI_ROLE_RING) +
                         (size_t)t.slot * VYRE_SLOT_WORDS + VYRE_SLOT_ARGS;
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
        words[i] = vyi_le32(vyi_load_acquire(at + i));
    /* In this order: a recovery counts generations on before it ends the state. */
    if (vyi_load_acquire(&v->state) == VYI_STATE_LOST)
        return vyi_engine_gone(v, "no result can be read", err);
    if (vyi_mark_generation(vyi_load_acquire(&v->marks[t.slot])) != t.generation)
        return vyi_ticket_explain(err, VYRE_E_STALE, t, 0);
    memcpy(args, words, sizeof words);
    return VYRE_OK;
}

/* ==========================================================================
 * engine: slots, and how threads come by them
 *
 * A slot is a producer's, or the pool's.  A producer owns its slots, and so does
 * the first thread that publishes into the pool, until a second one does.  Who
 * owns slots moves their marks by plain stores; into the pool that many use each
 * work costs a compare-and-swap.
 *
 * Device memory is write-combined, and there both a fence and a locked
 * instruction wait until what this core has written has arrived: 130 ns for a
 * write of 6 ns.  So an owner makes several slots ready at a time, with one fence.
 *
 * Others may see the end of a work in a slot that is owned, and move its mark
 * from FLIGHT to FREE by compare-and-swap: what the owner stores then says the
 * same, or more.  A fault is recorded while the mark is BUSY, and whoever wants
 * that, the owner, too, takes it by compare-and-swap.
 * ======================================================================= */
#include "engine/publish_impl.h"
#include "kernel/wide_impl.h"

/* --- owners -------------------------------------------------------------- */

VYI_API void vyi_owners_begin(vyi_queue *q)
{
    q->slots.fenced = !vyi_fence_others_ready();
}

static void vyi_owner_wait(const vyi_owner *o)
{
    while (vyi_load_acquire(&o->inside))
        vyi_yield();
}

/* One attempt, under `turning`: true when the owner's thread, if it still has
 * one, is `me`, and that is inside unless somebody holds all slots. */
static bool vyi_owner_turn(vyi_queue *q, vyi_owner *o, uintptr_t me)
{
    const uintptr_t who = (uintptr_t)vyi_load_pointer(&o->thread);
    if (who == VYI_OWNER_MANY)
        return false;
    if (who != VYI_OWNER_NOBODY && who != me) {
        vyi_store_pointer(&o->thread, (void *)(uintptr_t)VYI_OWNER_ENDING);
        vyi_fence_theirs(&q->slots.fenced);
        vyi_owner_wait(o);
        if (o == &q->slots.pool) {
            vyi_store_pointer(&o->thread, (void *)(uintptr_t)VYI_OWNER_MANY);
            return false;
        }
    }
    vyi_store_pointer(&o->thread, (void *)me);
    return vyi_owner_enter(q, o);
}

VYI_API void vyi_owner_pass(vyi_queue *q, const vyi_owner *o)
{
    const uintptr_t who = (uintptr_t)vyi_load_pointer(&o->thread);
    if (who == VYI_OWNER_MANY || who == vyi_thread_id())
        return;
    vyi_fence_theirs(&q->slots.fenced);
    vyi_owner_wait(o);
}

VYI_API bool vyi_owner_come(vyi_queue *q, vyi_owner *o)
{
    const uintptr_t me = vyi_thread_id();
    bool mine = vyi_owner_enter(q, o);
    while (!mine && (uintptr_t)vyi_load_pointer(&o->thread) != VYI_OWNER_MANY) {
        if (!(vyi_load_acquire(&q->slots.held) & 1u) &&
            vyi_compare_exchange(&o->turning, 0, 1) == 0) {
            mine = vyi_owner_turn(q, o, me);
            vyi_store_release(&o->turning, 0);
        } else {
            vyi_yield();
        }
    }
    return mine;
}

VYI_API void vyi_producers_free(vyi_queue *q)
{
    while (q->slots.producers) {
        vyre_producer *p = q->slots.producers;
        q->slots.producers = p->next;
        vyi_free(&q->v->desc.allocator, p->block, VYI_PRODUCER_BLOCK);
    }
}

/* --- trouble ------------------------------------------------------------- */

/* Only the owner of the slot's BUSY or ENDING mark writes.  Who looks meanwhile for
 * an earlier work's outcome is told that it has been replaced.  Nobody need be told
 * that a work was taken back: the program has asked for it. */
VYI_API void vyi_slot_trouble(vyi_queue *q, uint32_t slot, uint32_t generation, uint32_t code,
                              bool told)
{
    vyi_trouble *trouble = &q->slots.trouble[slot];
    const uint32_t before = vyi_load_acquire(&trouble->untold);
    if (before && vyi_compare_exchange(&trouble->untold, before, 0) == before)
        vyi_fetch_add(&q->slots.untold, 1);
    vyi_store_release(&trouble->generation, VYI_TROUBLE_CHANGING);
    vyi_store_release(&trouble->code, code);
    told = told || (vyi_order_bits(q, slot) & VYI_ORDER_RELAY) ||
           code == VYRE_FAULT_CANCELLED;
    vyi_store_release(&trouble->untold, told ? 0 : generation);
    vyi_store_release(&trouble->generation, generation);
}

#define VYI_FORGET_SLOTS 16u

/* The swap fails when a later trouble is just being written down. */
VYI_API void vyi_troubles_forget(vyi_queue *q)
{
    for (uint32_t i = 0; i < VYI_FORGET_SLOTS && i < q->slots.count; i++) {
        const uint32_t slot = q->slots.sweep;
        uint32_t *at = &q->slots.trouble[slot].generation;
        const uint32_t generation = vyi_load_acquire(at);
        const uint32_t mark = vyi_load_acquire(&q->slots.marks[slot]);
        const uint32_t age = (vyi_mark_generation(mark) - generation) & VYI_GENERATION_MASK;
        q->slots.sweep = slot + 1 < q->slots.count ? slot + 1 : 0;
        if (generation != 0 && generation != VYI_TROUBLE_CHANGING &&
            age >= VYI_GENERATION_KNOWN && age < VYI_GENERATION_HALF)
            (void)vyi_compare_exchange(at, generation, 0);
    }
}

/* --- cancel words (engine_cancel.c) ------------------------------------------ */

VYI_API void vyi_wish_store(const vyi_queue *q, const vyi_device *d, uint32_t slot, uint32_t wish)
{
    const uint32_t lanes = q->slots.lanes;
    uint32_t *words = slot < lanes ? vyi_device_words(d, q->slots.cancel)
                                   : vyi_device_words(d, q->wides.buffer) + VYI_WIDE_WISHES;
    vyi_store_release(words + (slot < lanes ? slot : slot - lanes), vyi_le32(wish));
}

/* The fence that follows is the caller's: it has others to wait for, too. */
VYI_COLD
VYI_API void vyi_wish_clear(vyi_queue *q, uint32_t slot)
{
    if (vyi_load_relaxed(&q->slots.wishes[slot]) == 0)
        return;
    vyi_store_relaxed(&q->slots.wishes[slot], 0);
    vyi_wish_store(q, vyi_queue_device(q), slot, 0);
}

VYI_COLD
VYI_API void vyi_wish_renew(vyi_queue *q, vyi_device *d, uint32_t slot, uint32_t generation)
{
    if (vyi_load_relaxed(&q->slots.wishes[slot]) != generation)
        return;
    vyi_wish_store(q, d, slot, 1);
    if (d->write_combined)
        vyi_fence_stores();
}

/* --- taking slots -------------------------------------------------------- */

/* FLIGHT, ended FAULT: on record before its generation is over.  False: somebody
 * else has the slot.  `next` is its mark from then on. */
static bool vyi_slot_settle(vyi_queue *q, uint32_t slot, uint32_t mark, uint32_t outcome,
                            uint32_t next)
{
    VYRE_ASSERT(vyi_mark_phase(mark) == VYI_PHASE_FLIGHT);
    if (!vyi_mark_move(q, slot, mark, vyi_mark_with(mark, VYI_PHASE_ENDING)))
        return false;
    vyi_slot_trouble(q, slot, vyi_mark_generation(mark), VYI_MIRROR_FAULT(outcome), false);
    vyi_store_release(&q->slots.marks[slot], next);
    return true;
}

/* An owner's slot, inside, that is not FREE: FREE, if it can be.  The mark goes before the
 * mirror word: who has seen FLIGHT and then a mirror word of 0 looks at the mark again. */
static bool vyi_slot_free(vyi_queue *q, uint32_t slot, uint32_t mark)
{
    const uint32_t rest = vyi_mark_with(mark, VYI_PHASE_FREE);
    if (vyi_mark_phase(mark) != VYI_PHASE_FLIGHT)
        return false;
    const uint32_t outcome = vyi_slot_outcome(q, slot);
    if (outcome == 0)
        return false;
    if (VYI_MIRROR_STATUS(outcome) != VYRE_SLOT_DONE)
        return vyi_slot_settle(q, slot, mark, outcome, rest);
    vyi_store_release(&q->slots.marks[slot], rest);
    return true;
}

/* What is left of their last works, but for the mirror words. */
static void vyi_slots_forget(vyi_queue *q, uint32_t first, uint32_t count)
{
    if (count && q->v->trace.events)
        vyi_trace_take(q->v, first, count);
    for (uint32_t i = 0; i < count && vyi_load_relaxed(&q->slots.wished); i++)
        vyi_wish_clear(q, first + i);
}

/* Of an owner that is inside: how many of at most `most` slots from the first one on are
 * FREE from now on, with mirror words 0. */
static uint32_t vyi_slots_ready(vyi_queue *q, const vyi_owner *o, uint32_t first, uint32_t most)
{
    uint32_t *mirror = vyi_device_words(vyi_queue_device(q), q->slots.mirror) + first;
    const uint32_t *marks = q->slots.marks + first;
    void *const *owners = q->slots.owners + first;
    uint32_t n = 0;
    VYRE_ASSERT(first < q->slots.count && most <= q->slots.count - first);
    for (; n < most; n++) {
        const uint32_t mark = vyi_load_acquire(&marks[n]);
        if (vyi_load_pointer(&owners[n]) != o ||
            (vyi_mark_phase(mark) != VYI_PHASE_FREE && !vyi_slot_free(q, first + n, mark)))
            break;
        vyi_store_release(&mirror[n], 0);
    }
    vyi_slots_forget(q, first, n);
    return n;
}

/* So many with one fence, which takes as long as tens of publishes. */
#define VYI_READY_MOST 256u

VYI_API bool vyi_share_refill(vyi_queue *q, vyi_owner *o, vyi_share *share)
{
    uint32_t place = share->next, ready = 0;
    VYRE_ASSERT(vyi_load_relaxed(&o->inside) == 1 && share->ready == 0);
    for (uint32_t tried = 0; tried < share->count && ready == 0; tried++) {
        const uint32_t left = share->count - place;
        ready = vyi_slots_ready(q, o, share->first + place,
                                left < VYI_READY_MOST ? left : VYI_READY_MOST);
        if (!ready)
            place = vyi_share_after(share, place);
    }
    if (ready == 0)
        return false;
    if (vyi_queue_device(q)->write_combined)
        vyi_fence_stores();
    vyi_store_relaxed(&share->next, place);
    share->ready = ready;
    return true;
}

VYI_API bool vyi_slot_claim(vyi_queue *q, const vyi_owner *o, uint32_t slot)
{
    const uint32_t mark = vyi_load_acquire(&q->slots.marks[slot]);
    const uint32_t next = vyi_mark_next(mark);
    if (vyi_load_owner(q, slot) != o)
        return false;
    if (vyi_mark_phase(mark) == VYI_PHASE_FREE)
        return vyi_mark_move(q, slot, mark, next);
    if (vyi_mark_phase(mark) != VYI_PHASE_FLIGHT)
        return false;
    const uint32_t outcome = vyi_slot_outcome(q, slot);
    if (outcome == 0)
        return false;
    if (VYI_MIRROR_STATUS(outcome) == VYRE_SLOT_DONE)
        return vyi_mark_move(q, slot, mark, next);
    return vyi_slot_settle(q, slot, mark, outcome, next);
}

/* Who waits may move the mark to FREE, and who cancels to ENDING and back. */
VYI_API bool vyi_slot_seek(vyi_queue *q, const vyi_owner *o, uint32_t slot, uint64_t *used)
{
    const uint32_t *at = &q->slots.marks[slot];
    while (vyi_load_owner(q, slot) == o) {
        const uint32_t mark = vyi_load_acquire(at), phase = vyi_mark_phase(mark);
        if (phase == VYI_PHASE_FREE || (phase == VYI_PHASE_FLIGHT && vyi_slot_outcome(q, slot))) {
            if (vyi_slot_claim(q, o, slot))
                return true;
        } else if (vyi_load_acquire(at) == mark) {
            *used += vyi_mark_generation(mark);
            return false;
        }
    }
    return false;
}

VYI_API void vyi_slots_clear(vyi_queue *q, uint32_t first, uint32_t count)
{
    uint32_t *mirror = vyi_device_words(vyi_queue_device(q), q->slots.mirror) + first;
    VYRE_ASSERT(first < q->slots.count && count <= q->slots.count - first);
    for (uint32_t i = 0; i < count; i++)
        vyi_store_release(&mirror[i], 0);
    vyi_slots_forget(q, first, count);
    if (vyi_queue_device(q)->write_combined)
        vyi_fence_stores();
}

/* Every slot of the share, from the next one on, until one is the caller's. */
VYI_OUTLINE
static bool vyi_share_seek(vyi_queue *q, const vyi_owner *o, const vyi_share *share,
                           uint32_t *place)
{
    uint64_t used = VYI_SEEK_BEGIN, before;
    do {
        before = used;
        used = 0;
        *place = vyi_load_relaxed(&share->next);
        for (uint32_t tried = 0; tried < share->count; tried++) {
            if (vyi_slot_seek(q, o, share->first + *place, &used))
                return true;
            *place = vyi_share_after(share, *place);
        }
    } while (used != before);
    return false;
}

VYI_API uint32_t vyi_share_claim(vyi_queue *q, const vyi_owner *o, vyi_share *share,
                                 uint32_t count, uint32_t *first)
{
    uint32_t place = vyi_load_relaxed(&share->next), n = 1;
    if (!vyi_slot_claim(q, o, share->first + place) && !vyi_share_seek(q, o, share, &place))
        return 0;
    while (n < count && place + n < share->count &&
           vyi_slot_claim(q, o, share->first + place + n))
        n++;
    vyi_store_relaxed(&share->next, place + n < share->count ? place + n : 0);
    *first = share->first + place;
    vyi_slots_clear(q, *first, n);
    return n;
}

/* --- works into slots ------------------------------------------------------ */

VYI_API void vyi_slots_write(const vyi_queue *q, const vyi_device *d, uint32_t slot,
                             const vyre_work *works, uint32_t count)
{
    vyi_slots_store(q, d, slot, works, count);
}

/* --- holding all ---------------------------------------------------------- */

static void vyi_slots_put_back(vyi_queue *q, uint32_t count)
{
    while (count-- > 0)
        vyi_store_release(&q->slots.marks[count], q->slots.kept[count]);
    vyi_store_release(&q->slots.held, q->slots.held + 1);
}

static bool vyi_slots_hold(vyi_queue *q, bool force)
{
    for (uint32_t slot = 0; slot < q->slots.count; slot++) {
        for (;;) {
            const uint32_t mark = vyi_load_acquire(&q->slots.marks[slot]);
            const bool busy = vyi_mark_is_busy(mark);
            if ((busy || vyi_slot_is_pending(q, slot, mark)) && !force) {
                vyi_slots_put_back(q, slot);
                return false;
            }
            vyi_store_release(&q->slots.kept[slot], mark); /* before BUSY: for vyi_mark_unheld */
            if (!busy && vyi_mark_move(q, slot, mark, vyi_mark_with(mark, VYI_PHASE_BUSY)))
                break;
            vyi_yield();
        }
    }
    return true;
}

/* No work is in flight; what is BUSY is not looked at. */
static bool vyi_slots_rest(const vyi_queue *q)
{
    for (uint32_t slot = 0; slot < q->slots.count; slot++) {
        if (vyi_slot_is_pending(q, slot, vyi_load_acquire(&q->slots.marks[slot])))
            return false;
    }
    return true;
}

VYI_API bool vyi_queue_hold(vyi_queue *q, bool force)
{
    VYRE_ASSERT(!(q->slots.held & 1u));
    if (!force && !vyi_slots_rest(q))
        return false;
    vyi_store_release(&q->slots.held, q->slots.held + 1);
    vyi_fence_theirs(&q->slots.fenced);
    vyi_owner_wait(&q->slots.pool);
    for (const vyre_producer *p = q->slots.producers; p; p = p->next)
        vyi_owner_wait(&p->owner);
    return vyi_slots_hold(q, force);
}

VYI_API void vyi_queue_unhold(vyi_queue *q)
{
    VYRE_ASSERT(q->slots.held & 1u);
    vyi_slots_put_back(q, q->slots.count);
}

VYI_API bool vyi_slot_waits(const vyi_queue *q, uint32_t slot)
{
    return vyi_slot_is_pending(q, slot, vyi_load_acquire(&q->slots.marks[slot]));
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

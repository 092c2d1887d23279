/* ==========================================================================
 * engine, private: slots, for publishing and for waiting
 *
 * A slot's mark is moved by whoever has it; its mirror word is cleared by a
 * publisher and set by the kernel.  Here stands what moves and reads them, and
 * how a thread says that it is alone with the handle.
 * ======================================================================= */
#ifndef VYI_ENGINE_SLOTS_IMPL_H
#define VYI_ENGINE_SLOTS_IMPL_H

#include "engine/queue_impl.h"

VYI_EXTERN_C_BEGIN

#define VYI_MIRROR_STATUS(word) ((word) & 0xffu)
#define VYI_MIRROR_FAULT(word)  ((word) >> 8)

/* --- marks --------------------------------------------------------------- */

static inline uint32_t vyi_mark_generation(uint32_t mark)
{
    return mark >> VYI_GENERATION_BIT;
}

static inline uint32_t vyi_mark_phase(uint32_t mark)
{
    return mark & VYI_PHASE_MASK;
}

static inline uint32_t vyi_mark_with(uint32_t mark, uint32_t phase)
{
    return (mark & ~VYI_PHASE_MASK) | phase;
}

/* BUSY, with the next generation; 0 is none. */
static inline uint32_t vyi_mark_next(uint32_t mark)
{
    const uint32_t one = 1u << VYI_GENERATION_BIT, next = mark + one;
    return vyi_mark_with(next + (next < one ? one : 0), VYI_PHASE_BUSY);
}

static inline vyre_ticket vyi_ticket_of(uint32_t slot, uint32_t mark)
{
    vyre_ticket t;
    t.slot = slot;
    t.generation = vyi_mark_generation(mark);
    return t;
}

/* --- one thread alone ---------------------------------------------------- */

/* Whether the handle is the thread `me`'s own from now on, and entered. */
VYI_API bool vyi_alone_decide(vyi_queue *q, uintptr_t me);

static inline uintptr_t vyi_alone_who(const vyi_queue *q)
{
    return (uintptr_t)vyi_load_pointer(&q->lone.thread);
}

/* True: the slots are the caller's until it leaves.  It must not wait for
 * anybody meanwhile, nor enter again. */
static inline bool vyi_alone_enter(vyi_queue *q)
{
    const uintptr_t me = vyi_thread_id();
    if (vyi_alone_who(q) == me) {
        vyi_store_relaxed(&q->lone.inside, 1);
        vyi_fence_compiler();
        if (vyi_alone_who(q) == me)
            return true;
        vyi_store_release(&q->lone.inside, 0);
    }
    return vyi_alone_who(q) != VYI_ALONE_SHARED && vyi_alone_decide(q, me);
}

static inline void vyi_alone_leave(vyi_queue *q, bool alone)
{
    if (alone)
        vyi_store_release(&q->lone.inside, 0);
}

/* Something was published. */
static inline void vyi_queue_wake(vyi_queue *q)
{
    vyi_device *d = vyi_queue_device(q);
    if (d->backend->wake)
        d->backend->wake(d);
}

/* --- marks and mirror words ------------------------------------------------ */

/* The mark's move, if it still is what it was. */
static inline bool vyi_mark_move(vyi_queue *q, bool alone, uint32_t slot, uint32_t from,
                                 uint32_t to)
{
    if (!alone)
        return vyi_compare_exchange(&q->slots.marks[slot], from, to) == from;
    if (vyi_load_relaxed(&q->slots.marks[slot]) != from)
        return false;
    vyi_store_release(&q->slots.marks[slot], to);
    return true;
}

/* How the slot ended, or 0.  Pairs with the kernel's release of the word, and
 * with the publisher's that cleared it. */
static inline uint32_t vyi_slot_outcome(const vyi_queue *q, uint32_t slot)
{
    const vyi_device *d = vyi_queue_device(q);
    return vyi_le32(vyi_load_acquire(vyi_device_words(d, q->slots.mirror) + slot));
}

/* The mirror word of a slot whose end has been seen, ahead of its next work. */
static inline void vyi_slot_clear(vyi_queue *q, bool alone, uint32_t slot)
{
    const vyi_device *d = vyi_queue_device(q);
    if (!alone || !d->whole_lines)
        return;
    vyi_store_release(vyi_device_words(d, q->slots.mirror) + slot, 0);
    q->lone.cleared[slot] = q->lone.fences;
}

/* --- taking slots -------------------------------------------------------- */

/* How a publisher has come by its slots, and what is left to do for them. */
typedef enum vyi_way {
    VYI_WAY_SHARED = 0, /* with a compare-and-swap each; mirror words not cleared */
    VYI_WAY_SEAT = 1,   /* from its seat; mirror words cleared, and fenced where lines are stored */
    VYI_WAY_ALONE = 2   /* as a thread alone; mirror words cleared */
} vyi_way;

static inline uint32_t vyi_partition_place(const vyi_partition *part, uint32_t turn)
{
    return (part->count & (part->count - 1)) == 0 ? turn & (part->count - 1) : turn % part->count;
}

/* How many of the partition's next places follow each other, at most `count`;
 * not again from the first.  *place is the first of them. */
static inline uint32_t vyi_partition_run(const vyi_partition *part, uint32_t turn, uint32_t count,
                                         uint32_t *place)
{
    *place = vyi_partition_place(part, turn);
    return count < part->count - *place ? count : part->count - *place;
}

/* The wire's levels, by vyre_priority. */
static inline uint32_t vyi_priority_level(vyre_priority priority)
{
    static const uint8_t levels[VYRE_PRIORITY_LEVELS] = { 2, 0, 1, 3, 4 };
    return levels[priority];
}

static inline vyi_partition *vyi_partition_of(vyi_queue *q, vyre_priority priority)
{
    vyi_partition *part = &q->slots.partitions[0];
    if (q->slots.partition_count > 1) {
        part = &q->slots.partitions[vyi_priority_level(priority)];
        if (part->count == 0) /* a ring of less than five slots has NORMAL ones only */
            part = &q->slots.partitions[vyi_priority_level(VYRE_PRIORITY_NORMAL)];
    }
    return part;
}

/* Makes the slot the publisher's: its BUSY mark, or 0 when it is in use. */
VYI_API uint32_t vyi_slot_claim(vyi_queue *q, bool alone, uint32_t slot);

/* Several slots at a time. */
#define VYI_BATCH 64u
VYI_STATIC_ASSERT(stash_is_a_batch, VYI_STASH <= VYI_BATCH);

typedef struct vyi_batch {
    uint32_t slots[VYI_BATCH], marks[VYI_BATCH], count;
} vyi_batch;

static inline void vyi_batch_add(vyi_batch *b, uint32_t slot, uint32_t mark)
{
    b->slots[b->count] = slot;
    b->marks[b->count++] = mark;
}

/* Those of the next `count` places that are free; one addition reserves all. */
VYI_API void vyi_batch_claim_run(vyi_queue *q, bool alone, vyi_partition *part, vyi_batch *b,
                                 uint32_t count);

/* What the caller's stash has, for a batch of at most `count`: a thread's works
 * keep to the cursor's order. */
VYI_API void vyi_seat_empty(vyi_queue *q, vyi_batch *b, uint32_t count);

/* A slot for the work: its BUSY mark, or 0 if none is free.  With `wait` it
 * waits for somebody who has all slots for a moment: the caller has none. */
VYI_API uint32_t vyi_work_claim(vyi_queue *q, vyi_way *way, bool wait, const vyre_work *work,
                                uint32_t *slot);

/* --- what a handle says --------------------------------------------------- */

/* VYRE_E_DEVICE_LOST, and how, unless somebody holds the lock just now. */
VYI_API vyre_status vyi_queue_gone(const vyi_queue *q, const char *what, vyre_error *err);
VYI_API vyre_status vyi_queue_refuses(const vyi_queue *q, uint32_t state, vyre_error *err);

static inline vyre_status vyi_queue_takes_work(const vyi_queue *q, vyre_error *err)
{
    const uint32_t state = vyi_load_acquire(&q->state);
    return state < VYI_STATE_SHUT ? VYRE_OK : vyi_queue_refuses(q, state, err);
}

VYI_EXTERN_C_END

#endif

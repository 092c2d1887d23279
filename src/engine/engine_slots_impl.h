/* ==========================================================================
 * engine, private: slots, for publishing and for waiting
 *
 * A slot's mark is moved by whoever has it; its mirror word is cleared by a
 * publisher and set by the kernel.  Here stands what moves and reads them, and
 * how a thread says that it is at the slots that it owns.
 * ======================================================================= */
#ifndef VYI_ENGINE_SLOTS_IMPL_H
#define VYI_ENGINE_SLOTS_IMPL_H

#include "engine/queue_impl.h"
#include "kernel/kernel_impl.h"
#include "wire/wire_impl.h"

VYI_EXTERN_C_BEGIN

#define VYI_MIRROR_STATUS(word) ((word) & 0xffu)
#define VYI_MIRROR_FAULT(word)  ((word) >> 8)

/* --- marks --------------------------------------------------------------- */

/* Of the slot whose words begin at `at`. */
static inline uint32_t vyi_slot_tenant(const vyre *v, const uint32_t *at)
{
    const uint32_t word = vyi_le32(vyi_load_relaxed(at + VYRE_SLOT_TENANT));
    return v->desc.kernel.checked ? word & VYI_CHECKED_TENANT : word;
}

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

/* Published, and perhaps ended; nobody has seen that yet. */
static inline bool vyi_mark_is_out(uint32_t mark)
{
    return vyi_mark_phase(mark) == VYI_PHASE_FLIGHT || vyi_mark_phase(mark) == VYI_PHASE_KEPT;
}

/* Published; an end may have been seen, and is being written down. */
static inline bool vyi_mark_is_under_way(uint32_t mark)
{
    return vyi_mark_is_out(mark) || vyi_mark_phase(mark) == VYI_PHASE_ENDING;
}

/* A thread has the slot in hand, and will move it on. */
static inline bool vyi_mark_is_busy(uint32_t mark)
{
    return vyi_mark_phase(mark) == VYI_PHASE_BUSY || vyi_mark_phase(mark) == VYI_PHASE_ENDING;
}

/* Once the end of what is out has been seen. */
static inline uint32_t vyi_mark_ended(uint32_t mark)
{
    VYRE_ASSERT(vyi_mark_is_out(mark));
    return vyi_mark_with(mark, vyi_mark_phase(mark) == VYI_PHASE_KEPT ? VYI_PHASE_ENDED
                                                                     : VYI_PHASE_FREE);
}

static inline vyre_ticket vyi_ticket_of(const vyi_queue *q, uint32_t slot, uint32_t mark)
{
    vyre_ticket t;
    t.slot = q->slots.tag | slot;
    t.generation = vyi_mark_generation(mark);
    return t;
}

static inline vyi_receipt vyi_receipt_for(const vyi_queue *q, const vyre_ticket *asked)
{
    vyi_receipt r;
    memset(&r, 0, sizeof r);
    r.keep = asked && (q->slots.extras & VYI_EXTRA_KEPT);
    r.named = asked && (q->slots.extras & VYI_EXTRA_ORDER);
    return r;
}

/* --- owners -------------------------------------------------------------- */

/* True: the caller owns `o`'s slots until it leaves.  It must not wait for anybody
 * meanwhile, nor enter again. */
static inline bool vyi_owner_enter(const vyi_queue *q, vyi_owner *o)
{
    const uintptr_t me = vyi_thread_id();
    if ((uintptr_t)vyi_load_pointer(&o->thread) != me)
        return false;
    VYRE_ASSERT(vyi_load_relaxed(&o->inside) == 0);
    vyi_store_relaxed(&o->inside, 1);
    vyi_fence_mine(&q->slots.fenced);
    if ((uintptr_t)vyi_load_pointer(&o->thread) == me && !(vyi_load_acquire(&q->slots.held) & 1u))
        return true;
    vyi_store_release(&o->inside, 0);
    return false;
}

/* Pairs with the acquire of whoever waits for it. */
static inline void vyi_owner_leave(vyi_owner *o, bool mine)
{
    VYRE_ASSERT(!mine || vyi_load_relaxed(&o->inside) == 1);
    if (mine)
        vyi_store_release(&o->inside, 0);
}

/* Enters, and may wait.  A second thread becomes the owner of a producer's slots;
 * the pool's have none from then on, and the answer is false. */
VYI_API bool vyi_owner_come(vyi_queue *q, vyi_owner *o);

/* What the caller has stored is seen by the owner from now on, and what it had
 * decided before has been stored.  The caller owns nothing itself at that moment. */
VYI_API void vyi_owner_pass(vyi_queue *q, const vyi_owner *o);

/* Something was published. */
static inline void vyi_queue_wake(vyi_queue *q)
{
    vyi_device *d = vyi_queue_device(q);
    if (d->backend->wake)
        d->backend->wake(d);
}

/* --- marks and mirror words ------------------------------------------------ */

/* The mark's move, if it still is what it was. */
static inline bool vyi_mark_move(vyi_queue *q, uint32_t slot, uint32_t from, uint32_t to)
{
    VYRE_ASSERT(slot < q->slots.count);
    return vyi_compare_exchange(&q->slots.marks[slot], from, to) == from;
}

/* What the kernel has said of the slot since its work was published, or went on: how it
 * ended, that it has paused, or 0.  Pairs with the kernel's release of the word, and
 * with the release of whoever cleared it. */
static inline uint32_t vyi_slot_mirror_word(const vyi_queue *q, uint32_t slot)
{
    const vyi_device *d = vyi_queue_device(q);
    VYRE_ASSERT(slot < q->slots.count);
    return vyi_le32(vyi_load_acquire(vyi_device_words(d, q->slots.mirror) + slot));
}

/* The IO slot, and one, that the slot's work waits for without a lane, or 0. */
static inline uint32_t vyi_mirror_parked(uint32_t mirror)
{
    return VYI_MIRROR_STATUS(mirror) == VYRE_SLOT_WAIT_IO ? mirror >> VYI_PARKED_SHIFT : 0;
}

/* Who waits for an IO request is under way. */
static inline uint32_t vyi_slot_news(const vyi_queue *q, uint32_t slot)
{
    const uint32_t mirror = vyi_slot_mirror_word(q, slot);
    return vyi_mirror_parked(mirror) ? 0 : mirror;
}

/* A work that has paused is at rest. */
static inline bool vyi_slot_is_pending(const vyi_queue *q, uint32_t slot, uint32_t mark)
{
    return vyi_mark_is_under_way(mark) && !vyi_slot_news(q, slot);
}

static inline bool vyi_news_is_pause(uint32_t news)
{
    return VYI_MIRROR_STATUS(news) == VYRE_SLOT_WAIT_IO;
}

/* How the slot ended, or 0. */
static inline uint32_t vyi_slot_outcome(const vyi_queue *q, uint32_t slot)
{
    const uint32_t news = vyi_slot_news(q, slot);
    return vyi_news_is_pause(news) ? 0 : news;
}

/* Records an end that was seen, so that a recovery knows of it. `told`: so does
 * the program.  False when the mark has changed meanwhile: then what was seen may
 * be the end of something else. */
VYI_API bool vyi_slot_seen(vyi_queue *q, bool mine, uint32_t slot, uint32_t mark,
                           uint32_t outcome, bool told);

static inline vyi_end *vyi_end_of(const vyi_queue *q, uint32_t slot)
{
    vyi_end *list = (vyi_end *)vyi_load_pointer(&q->ends.list);
    return list ? &list[slot] : NULL;
}

/* --- taking slots -------------------------------------------------------- */

/* Where a work of this priority goes. */
static inline vyi_share *vyi_share_of(const vyi_queue *q, vyi_owner *o, vyre_priority priority)
{
    vyi_share *share = &o->shares[0];
    if (q->slots.extras & VYI_EXTRA_LEVELS) {
        share = &o->shares[vyi_priority_level(priority)];
        if (share->count == 0) /* a ring of less than five slots has NORMAL ones only */
            share = &o->shares[vyi_priority_level(VYRE_PRIORITY_NORMAL)];
    }
    return share;
}

/* How often who publishes into a share looks at the device: once in every round of
 * it at least. */
static inline uint32_t vyi_look_mask(uint32_t count)
{
    uint32_t every = VYI_LOOK_EVERY;
    while (every > count && every > 1)
        every /= 2;
    return every - 1;
}

static inline uint32_t vyi_share_after(const vyi_share *share, uint32_t place)
{
    return place + 1 < share->count ? place + 1 : 0;
}

/* Makes `next` and `ready` say what is so, for an owner that has nothing ready.
 * False: every slot is in use. */
VYI_API bool vyi_share_refill(vyi_queue *q, vyi_owner *o, vyi_share *share);
/* Whether somebody holds all slots, or has since `held` was what it is. */
static inline bool vyi_held_meanwhile(const vyi_queue *q, uint32_t held)
{
    return (held & 1u) || vyi_load_acquire(&q->slots.held) != held;
}

/* Of an owner that is many: at most `count` slots that follow each other, BUSY with
 * their next generation, their mirror words 0; how many, and the first.  0: there was a
 * moment during the call when none was free, or somebody holds all slots. */
VYI_API uint32_t vyi_share_claim(vyi_queue *q, const vyi_owner *o, vyi_share *share,
                                 uint32_t count, uint32_t *first);

/* Makes a slot of an owner that is many the publisher's: BUSY with the next
 * generation.  False when it is in use.  Who becomes its owner changes the mark after
 * that, so that either the owner is seen, or the move fails. */
VYI_API bool vyi_slot_claim(vyi_queue *q, const vyi_owner *o, uint32_t slot);

/* The same in a look at several; of one of the owner's that is in use the generation is
 * added to *used.
 * Others may take one ahead of a look and give back another one behind it, so that it finds
 * none although one was free at any time.  But who takes a slot moves its generation: two
 * looks with the same sum saw the same works in the same slots, and none was free between
 * the two.  A look more is owed to a slot that another thread took meanwhile. */
VYI_API bool vyi_slot_seek(vyi_queue *q, const vyi_owner *o, uint32_t slot, uint64_t *used);
#define VYI_SEEK_BEGIN UINT64_MAX /* no sum */

/* Their mirror words, before works are written. */
VYI_API void vyi_slots_clear(vyi_queue *q, uint32_t first, uint32_t count);

/* Works into an owner's slots, as many as there is room for; all are checked before.
 * VYRE_OK, VYRE_FULL, or an error. */
VYI_API vyre_status vyi_publish(vyi_queue *q, vyi_owner *o, const vyre_work *works,
                                uint32_t count, uint32_t *published, vyre_ticket *last,
                                vyre_error *err);
/* Rows of works that were checked, between a begin and an end: the first of the works, as
 * many as find slots that follow each other at once and are asked for by *count, which says
 * then how many; the last one's ticket. */
VYI_API vyre_status vyi_publish_row(vyi_queue *q, vyi_owner *o, const vyre_work *works,
                                    uint32_t *count, vyi_receipt *last, vyre_error *err);
VYI_API vyre_status vyi_publish_one(vyi_queue *q, vyi_owner *o, const vyre_work *work,
                                    vyi_receipt *ticket, vyre_error *err);

/* --- what a handle says --------------------------------------------------- */

/* VYRE_E_DEVICE_LOST, and how, unless somebody holds the lock just now. */
VYI_API vyre_status vyi_queue_gone(const vyi_queue *q, const char *what, vyre_error *err);
VYI_API vyre_status vyi_queue_refuses(const vyi_queue *q, uint32_t state, vyre_error *err);

static inline vyre_status vyi_queue_takes_work(const vyi_queue *q, vyre_error *err)
{
    const uint32_t state = vyi_load_acquire(&q->state);
    return state < VYI_STATE_SHUT ? VYRE_OK : vyi_queue_refuses(q, state, err);
}

/* Whether works are taken now; what the program wrote into its buffers comes before them. */
static inline vyre_status vyi_publish_begin(const vyi_queue *q, vyre_error *err)
{
    const vyre_status status = vyi_queue_takes_work(q, err);
    if ((q->slots.extras & VYI_EXTRA_BUFFERS) && vyi_queue_device(q)->whole_lines)
        vyi_fence_stores();
    return status;
}

static inline void vyi_publish_end(vyi_queue *q, vyi_receipt *last)
{
    if (last->due)
        vyi_queue_nudge(q, VYI_EFFORT_LOOK, NULL);
    last->due = false;
}

VYI_EXTERN_C_END

#endif

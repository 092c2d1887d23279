/* ==========================================================================
 * producer: implementation
 *
 * A producer is an owner of slots (engine_slots.c).  Slots change their owner
 * while all are held; their marks' epoch changes as well, so that a move that
 * was decided before fails.
 * ======================================================================= */
#include "engine/engine_slots_impl.h"

/* --- slots for a share ---------------------------------------------------- */

/* The place from which on `count` places of the pool follow each other, as high as
 * can be, or 0: the first one of a share stays with the pool. */
static uint32_t vyi_share_find(const vyi_queue *q, const vyi_share *of, uint32_t count)
{
    uint32_t n = 0;
    for (uint32_t place = of->count; place-- > 1;) {
        n = vyi_load_owner(q, of->first + place) == &q->slots.pool ? n + 1 : 0;
        if (n == count)
            return place;
    }
    return 0;
}

static void vyi_share_set(vyi_share *share, uint32_t first, uint32_t count)
{
    memset(share, 0, sizeof *share);
    share->first = first;
    share->count = count;
    share->look_mask = vyi_look_mask(count);
}

/* Of all levels that have slots; false: one of them has not so many. */
static bool vyi_shares_find(const vyi_queue *q, vyi_share *shares, uint32_t count)
{
    for (uint32_t i = 0; i < q->slots.levels; i++) {
        const vyi_share *of = &q->slots.pool.shares[i];
        const uint32_t place = vyi_share_find(q, of, count);
        if (of->count && !place)
            return false;
        vyi_share_set(&shares[i], of->first + place, of->count ? count : 0);
    }
    return true;
}

/* While all slots are held. */
static void vyi_share_give(vyi_queue *q, const vyi_share *share, vyi_owner *owner)
{
    VYRE_ASSERT(q->slots.held & 1u);
    for (uint32_t slot = share->first; slot < share->first + share->count; slot++) {
        vyi_store_pointer(&q->slots.owners[slot], owner);
        vyi_store_release(&q->slots.kept[slot], q->slots.kept[slot] ^ VYI_MARK_EPOCH);
    }
}

static void vyi_shares_give(vyi_queue *q, const vyi_owner *of, vyi_owner *to)
{
    (void)vyi_queue_hold(q, true);
    for (uint32_t i = 0; i < q->slots.levels; i++) {
        vyi_share_give(q, &of->shares[i], to);
        q->slots.pool.shares[i].ready = 0;
    }
    vyi_queue_unhold(q);
}

/* --- life ----------------------------------------------------------------- */

/* One that was closed, or a new one, which stays until the handle is closed: a
 * thread that waits may just have found it. */
static vyre_producer *vyi_producer_make(vyi_queue *q)
{
    vyre_producer *p = q->slots.producers;
    while (p && p->open)
        p = p->next;
    if (p)
        return p;
    uint8_t *block = (uint8_t *)vyi_alloc(&q->v->desc.allocator, VYI_PRODUCER_BLOCK);
    if (!block)
        return NULL;
    p = (vyre_producer *)(void *)(block + (VYI_CACHE_LINE - 1) -
                                  ((uintptr_t)block + VYI_CACHE_LINE - 1) % VYI_CACHE_LINE);
    memset(p, 0, sizeof *p);
    p->block = block;
    p->q = q;
    p->next = q->slots.producers;
    q->slots.producers = p;
    return p;
}

static vyre_status vyi_producer_open(vyi_queue *q, uint32_t slots, vyre_producer **out,
                                     vyre_error *err)
{
    vyi_share shares[VYRE_PRIORITY_LEVELS];
    if (!vyi_shares_find(q, shares, slots))
        return vyi_fail(err, VYRE_FULL, slots, "Ask for less, close producers, or use more slots.",
                        "no %u of the %u slots follow each other and are no producer's", slots,
                        q->slots.lanes);
    vyre_producer *p = vyi_producer_make(q);
    if (!p)
        return vyi_fail_nomem(err, VYI_PRODUCER_BLOCK);
    VYRE_ASSERT(!p->open && !p->busy);
    memcpy(p->owner.shares, shares, q->slots.levels * sizeof shares[0]);
    vyi_store_pointer(&p->owner.thread, (void *)(uintptr_t)VYI_OWNER_NOBODY);
    vyi_shares_give(q, &p->owner, &p->owner);
    p->open = true;
    *out = p;
    return VYRE_OK;
}

VYI_COLD
VYRE_API vyre_producer *vyre_producer_open(vyre *v, uint32_t slots, vyre_error *err)
{
    vyre_producer *p = NULL;
    if (!v) {
        vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle.", "the handle is NULL");
        return NULL;
    }
    if (slots == 0)
        slots = v->queue.slots.lanes < 8 ? 1 : v->queue.slots.lanes / 8;
    vyi_mutex_lock(&v->lock);
    (void)vyi_producer_open(&v->queue, slots, &p, err);
    vyi_mutex_unlock(&v->lock);
    return p;
}

VYI_COLD
VYRE_API void vyre_producer_close(vyre_producer *p)
{
    if (!p)
        return;
    vyi_queue *q = p->q;
    vyi_mutex_lock(&q->v->lock);
    VYRE_ASSERT(p->open && !p->busy);
    vyi_shares_give(q, &p->owner, &q->slots.pool);
    p->open = false;
    vyi_mutex_unlock(&q->v->lock);
}

/* --- publishing ----------------------------------------------------------- */

/* One thread at a time. */
static inline void vyi_producer_begin(vyre_producer *p)
{
    VYRE_ASSERT(p->open && vyi_load_relaxed(&p->busy) == 0);
    vyi_store_relaxed(&p->busy, 1);
}

static inline void vyi_producer_end(vyre_producer *p)
{
    VYRE_ASSERT(vyi_load_relaxed(&p->busy) == 1);
    vyi_store_relaxed(&p->busy, 0);
}

VYRE_API vyre_status vyre_producer_publish(vyre_producer *p, const vyre_work *work,
                                           vyre_ticket *ticket, vyre_error *err)
{
    if (!p || !work)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open producer and a work.",
                        "%s is NULL", p ? "work" : "the producer");
    vyi_producer_begin(p);
    vyi_receipt r = vyi_receipt_for(p->q, ticket);
    const vyre_status status = vyi_publish_one(p->q, &p->owner, work, &r, err);
    vyi_producer_end(p);
    if (ticket && status == VYRE_OK)
        *ticket = r.ticket;
    return status;
}

VYRE_API vyre_status vyre_producer_publish_many(vyre_producer *p, const vyre_work *works,
                                                uint32_t count, uint32_t *published,
                                                vyre_ticket *last, vyre_error *err)
{
    if (!p || (!works && count))
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open producer and an array of works.",
                        "%s is NULL", p ? "works" : "the producer");
    vyi_producer_begin(p);
    const vyre_status status =
        vyi_publish(p->q, &p->owner, works, count, published, last, err);
    vyi_producer_end(p);
    return status;
}

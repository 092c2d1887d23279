/* ==========================================================================
 * engine: the table of events, and which slot's work uses which
 *
 * In a handle with events each work whose ticket was asked for signals an event of
 * its own, so that a later one can wait for it; a work that waits for several has a
 * small work for each of these, a relay, which hands that end on to one event
 * (engine_after.c).
 *
 * An event is used again when no slot's work names it any more.  A slot stands for
 * its work until its next one is published, and for what that signalled until the
 * next but one is: a lane signals behind the mirror, so only a lane that has ended
 * another work of the same slot has done so for certain.  Wide slots have no such
 * lane; there a word behind the mirror says it.
 * ======================================================================= */
#include "engine/engine_slots_impl.h"

#include "kernel/kernel_impl.h"

/* --- the table ------------------------------------------------------------ */

/* Held for a few instructions, and nobody waits for anything else meanwhile. */
static void vyi_order_lock(vyi_order *o)
{
    while (vyi_compare_exchange(&o->busy, 0, 1) != 0)
        vyi_yield();
}

static void vyi_order_unlock(vyi_order *o)
{
    vyi_store_release(&o->busy, 0);
}

static void vyi_event_store(const vyi_queue *q, uint32_t event, uint32_t word)
{
    vyi_store_relaxed(vyi_device_words(vyi_queue_device(q), q->order.buffer) + event,
                      vyi_le32(word));
}

static uint32_t vyi_event_load(const vyi_queue *q, uint32_t event)
{
    return vyi_le32(vyi_load_acquire(vyi_device_words(vyi_queue_device(q), q->order.buffer) +
                                     event));
}

/* Of the events that slots need at most: three each, and those of calls under way. */
#define VYI_EVENTS_SPARE 64u

VYI_COLD
VYI_API void vyi_order_plan(vyre *v)
{
    const uint64_t need = (uint64_t)3 * v->queue.slots.count + VYI_EVENTS_SPARE;
    const uint64_t wanted = v->desc.events > need ? v->desc.events : need;
    if (v->desc.events)
        v->queue.order.count = wanted < VYI_EVENTS_MOST ? (uint32_t)wanted : VYI_EVENTS_MOST;
}

VYI_COLD
VYI_API vyre_status vyi_order_allocate(vyre *v, vyre_error *err)
{
    vyi_order *o = &v->queue.order;
    const size_t slots = v->queue.slots.count;
    const size_t size = (4 * slots + (size_t)3 * o->count) * sizeof(uint32_t);
    if (!o->count)
        return VYRE_OK;
    o->bits = (uint32_t *)vyi_arena_alloc(&v->arena, size);
    if (!o->bits)
        return vyi_fail_nomem(err, size);
    o->before = o->bits + slots;
    o->generations = o->before + slots;
    o->runs = o->generations + slots;
    o->uses = o->runs + slots;
    o->owed = o->uses + o->count;
    o->next = o->owed + o->count;
    for (uint32_t e = VYI_EVENT_FIRST; e < o->count; e++)
        o->next[e] = e + 1 < o->count ? e + 1 : 0;
    o->free = VYI_EVENT_FIRST;
    return VYRE_OK;
}

/* Under the lock.  An event that is to be signalled `count` times, in use once; 0:
 * there is none. */
static uint32_t vyi_event_take(vyi_queue *q, uint32_t count)
{
    vyi_order *o = &q->order;
    const uint32_t event = o->free;
    if (!event)
        return 0;
    VYRE_ASSERT(o->uses[event] == 0);
    o->free = o->next[event];
    o->uses[event] = 1;
    o->owed[event] = count;
    vyi_event_store(q, event, count);
    return event;
}

static void vyi_event_drop(vyi_order *o, uint32_t event)
{
    if (event < VYI_EVENT_FIRST)
        return;
    VYRE_ASSERT(event < o->count && o->uses[event] > 0);
    if (--o->uses[event])
        return;
    o->next[event] = o->free;
    o->free = event;
}

/* --- publishing ------------------------------------------------------------ */

/* Whoever published into the slot has seen the end of its last work. */
static void vyi_order_let_go(vyi_order *o, uint32_t slot)
{
    const uint32_t bits = o->bits[slot];
    vyi_event_drop(o, o->before[slot]);
    vyi_event_drop(o, vyi_order_wait(bits));
    o->before[slot] = vyi_order_signal(bits);
    vyi_store_relaxed(&o->bits[slot], 0);
}

/* No recovery comes in between: the slot is BUSY. */
static bool vyi_run_is_over(const vyi_queue *q, const vyi_receipt *r)
{
    return r->run && r->run != vyi_load_acquire(&q->loss.count) + 1;
}

VYI_API void vyi_order_bind(vyi_queue *q, uint32_t slot, uint32_t count, const vyi_receipt *r)
{
    vyi_order *o = &q->order;
    uint32_t signal = r->signal, at = slot + count - 1;
    const uint32_t wait = vyi_run_is_over(q, r) ? VYI_EVENT_BAD : r->wait;
    vyi_order_lock(o);
    for (uint32_t i = slot; i <= at; i++) {
        vyi_order_let_go(o, i);
        o->generations[i] = vyi_mark_generation(vyi_load_relaxed(&q->slots.marks[i]));
        o->runs[i] = r->run;
    }
    if (signal)
        o->uses[signal]++;
    else if (r->named)
        signal = vyi_event_take(q, 1);
    if (signal) {
        VYRE_ASSERT(o->owed[signal] > 0);
        o->owed[signal]--;
    }
    if (wait >= VYI_EVENT_FIRST)
        o->uses[wait]++;
    vyi_store_relaxed(&o->bits[at], signal << VYI_ORDER_SIGNAL | wait << VYI_ORDER_WAIT |
                                        (r->relay ? VYI_ORDER_RELAY : 0));
    vyi_order_unlock(o);
    if (vyi_queue_device(q)->write_combined)
        vyi_fence_stores();
}

VYI_API bool vyi_order_slot_is_settled(const vyi_queue *q, uint32_t slot)
{
    const uint32_t signal = vyi_order_signal(vyi_order_bits(q, slot));
    const uint32_t *mirror = vyi_device_words(vyi_queue_device(q), q->slots.mirror);
    return signal == 0 || vyi_le32(vyi_load_acquire(mirror + slot + VYI_WIDE_SLOTS)) == signal;
}

VYI_API bool vyi_order_slot_is_ready(const vyi_queue *q, uint32_t slot)
{
    const uint32_t wait = vyi_order_wait(vyi_order_bits(q, slot));
    return wait < VYI_EVENT_FIRST || (vyi_event_load(q, wait) & VYI_EVENT_MISSING) == 0;
}

/* The slot whose work is to signal the event, behind relays, or NOBODY. */
static uint32_t vyi_order_signaller(const vyi_queue *q, uint32_t event)
{
    uint32_t slot = 0;
    for (uint32_t hops = 0; hops < q->slots.count; hops++) {
        for (slot = 0; slot < q->slots.count; slot++) {
            if (vyi_order_signal(vyi_order_bits(q, slot)) == event &&
                vyi_mark_is_under_way(vyi_load_acquire(&q->slots.marks[slot])) &&
                vyi_slot_outcome(q, slot) == 0)
                break;
        }
        if (slot == q->slots.count)
            return VYI_WHERE_NOBODY;
        const uint32_t bits = vyi_order_bits(q, slot);
        if (!(bits & VYI_ORDER_RELAY) || vyi_order_slot_is_ready(q, slot))
            return slot;
        event = vyi_order_wait(bits);
    }
    return slot;
}

VYI_API bool vyi_order_missing(const vyi_queue *q, uint32_t slot, vyi_where *out)
{
    const uint32_t event = vyi_order_wait(vyi_order_bits(q, slot));
    const uint32_t missing = event < VYI_EVENT_FIRST ? 0
                                                     : vyi_event_load(q, event) & VYI_EVENT_MISSING;
    if (missing == 0)
        return false;
    out->kind = VYI_WHERE_EVENT;
    out->which = event;
    out->of = missing;
    out->by = vyi_order_signaller(q, event);
    return true;
}

VYI_API bool vyi_event_find(vyi_queue *q, vyre_ticket t, uint32_t *event)
{
    vyi_order *o = &q->order;
    const uint32_t slot = VYI_TICKET_SLOT(t);
    vyi_order_lock(o);
    const bool same = o->generations[slot] == t.generation;
    *event = vyi_order_signal(o->bits[slot]);
    if (same && *event)
        o->uses[*event]++;
    vyi_order_unlock(o);
    return same;
}

/* What slots may need is left to them. */
VYI_API uint32_t vyi_event_gather(vyi_queue *q, uint32_t count)
{
    vyi_order *o = &q->order;
    const uint32_t slots = 3 * q->slots.count;
    const uint32_t most = o->count > slots + VYI_EVENTS_SPARE ? o->count - slots
                                                              : VYI_EVENTS_SPARE;
    vyi_order_lock(o);
    const uint32_t event = o->gathered + VYI_EVENT_FIRST < most ? vyi_event_take(q, count) : 0;
    o->gathered += event != 0;
    vyi_order_unlock(o);
    return event;
}

VYI_API void vyi_event_release(vyi_queue *q, uint32_t event)
{
    vyi_order_lock(&q->order);
    VYRE_ASSERT(q->order.gathered > 0);
    q->order.gathered--;
    vyi_event_drop(&q->order, event);
    vyi_order_unlock(&q->order);
}

/* Nobody else signals it, so the word is the host's until it is stored.  What is owed
 * survives the device. */
VYI_API void vyi_event_give(vyi_queue *q, uint32_t event, bool good)
{
    vyi_order *o = &q->order;
    const uint32_t word = good ? 0 : VYI_EVENT_SPOILT;
    vyi_fence_stores();
    vyi_order_lock(o);
    VYRE_ASSERT(o->uses[event] > 0 && o->owed[event] == 1);
    o->owed[event] = word;
    vyi_store_release(vyi_device_words(vyi_queue_device(q), o->buffer) + event, vyi_le32(word));
    vyi_order_unlock(o);
    vyi_fence_stores();
    vyi_event_release(q, event);
    vyi_queue_wake(q);
}

VYI_API void vyi_event_use(vyi_queue *q, uint32_t event)
{
    if (event < VYI_EVENT_FIRST)
        return;
    vyi_order_lock(&q->order);
    VYRE_ASSERT(q->order.uses[event] > 0);
    q->order.uses[event]++;
    vyi_order_unlock(&q->order);
}

VYI_API void vyi_event_forget(vyi_queue *q, uint32_t event)
{
    if (event < VYI_EVENT_FIRST)
        return;
    vyi_order_lock(&q->order);
    vyi_event_drop(&q->order, event);
    vyi_order_unlock(&q->order);
}

/* --- devices, aborts --------------------------------------------------------- */

VYI_COLD
VYI_API void vyi_order_begin(vyi_queue *q, vyi_device *d)
{
    uint32_t *events = vyi_device_words(d, q->order.buffer);
    for (uint32_t e = 0; e < q->order.count; e++)
        vyi_store_relaxed(events + e, vyi_le32(e == VYI_EVENT_BAD ? VYI_EVENT_SPOILT : 0));
    if (d->write_combined)
        vyi_fence_stores();
}

/* Whether the slot's last work is known not to have ended well. */
static bool vyi_order_has_failed(const vyi_queue *q, uint32_t slot)
{
    const uint32_t generation = q->order.generations[slot];
    return generation && vyi_load_acquire(&q->slots.trouble[slot].generation) == generation;
}

/* All slots are held, and say already what becomes of their works. */
VYI_COLD
VYI_API void vyi_order_recover(vyi_queue *q)
{
    vyi_order *o = &q->order;
    vyi_order_lock(o);
    for (uint32_t e = VYI_EVENT_FIRST; e < o->count; e++)
        vyi_event_store(q, e, o->owed[e]);
    for (uint32_t slot = 0; slot < q->slots.count; slot++) {
        const uint32_t signal = vyi_order_signal(o->bits[slot]);
        const bool again = vyi_mark_is_out(q->slots.kept[slot]);
        if (signal && again)
            vyi_event_store(q, signal, vyi_event_load(q, signal) + 1);
        if (signal && !again && vyi_order_has_failed(q, slot))
            vyi_event_store(q, signal, vyi_event_load(q, signal) | VYI_EVENT_SPOILT);
    }
    for (uint32_t slot = 0; slot < q->slots.count; slot++) {
        if (vyi_mark_is_out(q->slots.kept[slot]))
            continue;
        vyi_order_let_go(o, slot);
        vyi_order_let_go(o, slot);
    }
    vyi_order_unlock(o);
    if (vyi_queue_device(q)->write_combined)
        vyi_fence_stores();
}

/* Nothing is in flight: what the lane has not done is the host's. */
VYI_COLD
VYI_API void vyi_order_bury(vyi_queue *q, uint32_t slot)
{
    const uint32_t signal = vyi_order_signal(vyi_order_bits(q, slot));
    if (!signal)
        return;
    vyi_event_store(q, signal, (vyi_event_load(q, signal) - 1) | VYI_EVENT_SPOILT);
    if (slot >= q->slots.lanes)
        vyi_store_release(vyi_device_words(vyi_queue_device(q), q->slots.mirror) + slot +
                              VYI_WIDE_SLOTS, vyi_le32(signal));
}

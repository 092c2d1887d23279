/* ==========================================================================
 * engine: the last events of a handle, and the device's times
 *
 * Threads note events in a ring of their own.  Of works that lanes run they are noted on
 * a card of the slot first, with plain stores: a step of the ring is a locked instruction,
 * which waits until the work that was just stored has left for the device.  What is on a
 * card, and what the device has stored of the work (kernel/times_impl.h), becomes events
 * before the slot is published into again, many slots at a time.  Rows of groups are rings,
 * which whoever looks at the device empties; what they have overwritten is counted.
 * ======================================================================= */
#include "engine/engine_slots_impl.h"
#include "kernel/times_impl.h"

VYI_COLD
VYI_API vyre_status vyi_trace_begin(vyre *v, vyre_error *err)
{
    uint32_t count = 16;
    if (v->desc.trace_events == 0)
        return VYRE_OK;
    if (v->desc.trace_events > VYI_TRACE_MOST)
        return vyi_fail(err, VYRE_E_OVF, v->desc.trace_events, "Keep 65536 events, or so.",
                        "%u events to be kept exceed %u", v->desc.trace_events, VYI_TRACE_MOST);
    while (count < v->desc.trace_events)
        count *= 2;
    const size_t slots = v->queue.slots.count;
    const size_t size = (size_t)count * 16 + slots * (VYI_CARD_WORDS + 1) * sizeof(uint32_t);
    v->trace.events = (uint32_t *)vyi_arena_alloc(&v->arena, size);
    if (!v->trace.events)
        return vyi_fail_nomem(err, size);
    v->trace.cards = v->trace.events + 4 * (size_t)count;
    v->trace.seen = v->trace.cards + VYI_CARD_WORDS * slots;
    v->trace.mask = count - 1;
    vyi_timer_begin(&v->trace.timer);
    return VYRE_OK;
}

/* The time goes last: who reads an event looks afterwards whether it can have been
 * overwritten (vyi_trace_read). */
static inline void vyi_trace_put(const vyi_trace *t, uint32_t index, uint64_t time,
                                 vyi_trace_kind kind, uint32_t slot, uint32_t value)
{
    uint32_t *at = t->events + 4 * (size_t)(index & t->mask);
    vyi_store_relaxed(at + 2, (uint32_t)kind << VYI_TRACE_KIND_BIT | slot);
    vyi_store_relaxed(at + 3, value);
    vyi_store_relaxed(at + 1, (uint32_t)(time >> 32));
    vyi_store_release(at, (uint32_t)time);
}

VYI_API void vyi_trace_note_at(vyre *v, uint64_t time, vyi_trace_kind kind, uint32_t slot,
                               uint32_t value)
{
    vyi_trace_put(&v->trace, vyi_fetch_add(&v->trace.head, 1), time, kind, slot, value);
}

VYI_API void vyi_trace_note(vyre *v, vyi_trace_kind kind, uint32_t slot, uint32_t value)
{
    vyi_trace_note_at(v, vyi_now(), kind, slot, value);
}

/* --- the device's times ---------------------------------------------------- */

VYI_API void vyi_trace_moment(const vyre *v, vyi_device *d, vyi_moment *out)
{
    memset(out, 0, sizeof *out);
    if (v->backend->moment)
        (void)v->backend->moment(d, out);
}

static uint32_t *vyi_times_of(const vyre *v)
{
    return vyi_device_words(vyi_queue_device(&v->queue), v->trace.times);
}

static inline uint64_t vyi_times_read(const uint32_t *at, uint32_t apart)
{
    const uint32_t low = vyi_le32(vyi_load_relaxed(at));
    return low | (uint64_t)vyi_le32(vyi_load_relaxed(at + apart)) << 32;
}

/* Ticks from one to the other, of 32 bits. */
static uint32_t vyi_times_span(uint64_t begin, uint64_t end)
{
    return end <= begin ? 0 : end - begin < UINT32_MAX ? (uint32_t)(end - begin) : UINT32_MAX;
}

static bool vyi_times_fresh(const vyre *v, uint32_t slot, vyi_trace_found *out)
{
    const bool wide = v->queue.wides.count != 0;
    const uint32_t *at = vyi_times_of(v) + vyi_times_slot_at(wide, slot, 0);
    const uint32_t *to = at + VYI_TIMES_END * VYI_TIMES_BLOCK;
    const uint64_t begin = vyi_times_read(at, VYI_TIMES_BLOCK);
    const uint64_t end = vyi_times_read(to, VYI_TIMES_BLOCK);
    if (!begin || !end || (uint32_t)end == vyi_load_relaxed(&v->trace.seen[slot]))
        return false;
    out->begin = begin;
    out->span = vyi_times_span(begin, end);
    out->end = (uint32_t)end;
    return true;
}

/* --- cards ------------------------------------------------------------------- */

static inline uint32_t *vyi_card_of(const vyre *v, uint32_t slot)
{
    VYRE_ASSERT(slot < v->queue.slots.count);
    return v->trace.cards + (size_t)slot * VYI_CARD_WORDS;
}

static inline void vyi_card_time(uint32_t *at, uint64_t time)
{
    vyi_store_relaxed(at, (uint32_t)time);
    vyi_store_relaxed(at + 1, (uint32_t)(time >> 32));
}

static inline uint64_t vyi_card_time_of(const uint32_t *at)
{
    return vyi_load_relaxed(at) | (uint64_t)vyi_load_relaxed(at + 1) << 32;
}

/* Whether `a` is a later generation. */
static inline bool vyi_generation_is_after(uint32_t a, uint32_t b)
{
    const uint32_t ahead = (a - b) & VYI_GENERATION_MASK;
    return ahead != 0 && ahead < VYI_GENERATION_HALF;
}

VYI_API void vyi_trace_published(vyre *v, uint64_t since, vyre_ticket t, uint32_t opcode)
{
    const uint32_t slot = VYI_TICKET_SLOT(t);
    if (!vyi_trace_has_card(v, slot)) {
        const vyi_scale scale = vyi_scale_now(&v->trace.timer);
        vyi_trace_note_at(v, vyi_scale_ns(&scale, since), VYI_TRACE_PUBLISH, slot, opcode);
        return;
    }
    uint32_t *card = vyi_card_of(v, slot);
    const uint32_t last = vyi_load_relaxed(card + VYI_CARD_PUBLISHED);
    if (last && vyi_generation_is_after(last, t.generation))
        return; /* this thread was late, and the slot has been used again */
    vyi_store_relaxed(card + VYI_CARD_OPCODE, opcode);
    vyi_card_time(card + VYI_CARD_SINCE, since);
    vyi_store_release(card + VYI_CARD_PUBLISHED, t.generation);
}

static void vyi_card_end(uint32_t *card, uint32_t generation, vyi_trace_kind kind, uint32_t code,
                         uint64_t time)
{
    vyi_store_relaxed(card + VYI_CARD_KIND, (uint32_t)kind);
    vyi_store_relaxed(card + VYI_CARD_CODE, code);
    vyi_card_time(card + VYI_CARD_UNTIL, time);
    vyi_store_release(card + VYI_CARD_ENDED, generation);
}

/* The first time that it is asked for.  A slot that was made ready meanwhile has its work
 * among the events already. */
VYI_API void vyi_trace_ended(vyre *v, vyre_ticket t, vyi_trace_kind kind, uint32_t code)
{
    const uint32_t slot = VYI_TICKET_SLOT(t);
    if (!vyi_trace_has_card(v, slot)) {
        vyi_trace_note(v, kind, slot, code);
        return;
    }
    uint32_t *card = vyi_card_of(v, slot);
    const uint32_t last = vyi_load_acquire(card + VYI_CARD_PUBLISHED);
    if (vyi_load_relaxed(card + VYI_CARD_ENDED) == t.generation ||
        (last && vyi_generation_is_after(last, t.generation)))
        return;
    vyi_card_end(card, t.generation, kind, code, vyi_timer_now(&v->trace.timer));
    if (vyi_load_relaxed(card + VYI_CARD_MOVED) == t.generation)
        vyi_trace_note(v, kind, slot, code);
}

/* Of works whose ends nobody has asked for. */
VYI_API void vyi_trace_rested(vyre *v)
{
    const uint64_t now = vyi_timer_now(&v->trace.timer);
    for (uint32_t slot = 0; slot < v->queue.slots.lanes; slot++) {
        uint32_t *card = vyi_card_of(v, slot);
        const uint32_t last = vyi_load_acquire(card + VYI_CARD_PUBLISHED);
        const uint32_t mark = vyi_load_acquire(&v->queue.slots.marks[slot]);
        if (last && last != vyi_load_relaxed(card + VYI_CARD_ENDED) &&
            last != vyi_load_relaxed(card + VYI_CARD_MOVED) &&
            vyi_mark_generation(mark) == last && !vyi_mark_is_under_way(mark) &&
            !vyi_mark_is_busy(mark)) /* a recovery holds it */
            vyi_card_end(card, last, VYI_TRACE_DRAINED, 0, now);
    }
    vyi_trace_note(v, VYI_TRACE_RESTED, 0, 0);
}

VYI_API uint32_t vyi_trace_look(const vyre *v, uint32_t slot, const vyi_scale *scale,
                                vyi_trace_found *out)
{
    const uint32_t *card = vyi_card_of(v, slot);
    const uint32_t generation = vyi_load_acquire(card + VYI_CARD_PUBLISHED);
    const bool carded = vyi_trace_has_card(v, slot);
    memset(out, 0, sizeof *out);
    out->generation = generation;
    if (carded && (!generation || generation == vyi_load_relaxed(card + VYI_CARD_MOVED)))
        return 0;
    if (carded) {
        out->opcode = vyi_load_relaxed(card + VYI_CARD_OPCODE);
        out->since = vyi_scale_ns(scale, vyi_card_time_of(card + VYI_CARD_SINCE));
    }
    if (carded && vyi_load_acquire(card + VYI_CARD_ENDED) == generation) {
        out->kind = vyi_load_relaxed(card + VYI_CARD_KIND);
        out->code = vyi_load_relaxed(card + VYI_CARD_CODE);
        out->until = vyi_scale_ns(scale, vyi_card_time_of(card + VYI_CARD_UNTIL));
    }
    const bool ran = vyi_times_fresh(v, slot, out);
    return (uint32_t)carded + (out->until != 0) + ran;
}

#define VYI_TRACE_MANY 64u

/* For all of their events there is one step of the ring.  MOVED goes before it: who finds
 * the events knows that the cards are theirs. */
static void vyi_trace_take_some(vyre *v, uint32_t first, uint32_t count)
{
    vyi_trace *t = &v->trace;
    vyi_trace_found found[VYI_TRACE_MANY];
    const vyi_scale scale = vyi_scale_now(&t->timer);
    uint32_t n = 0;
    VYRE_ASSERT(count <= VYI_TRACE_MANY);
    for (uint32_t i = 0; i < count; i++) {
        n += vyi_trace_look(v, first + i, &scale, &found[i]);
        vyi_store_release(vyi_card_of(v, first + i) + VYI_CARD_MOVED, found[i].generation);
        if (found[i].begin)
            vyi_store_relaxed(&t->seen[first + i], found[i].end);
    }
    uint32_t at = n ? vyi_fetch_add(&t->head, n) : 0;
    for (uint32_t i = 0; i < count; i++) {
        const vyi_trace_found *f = &found[i];
        if (f->since)
            vyi_trace_put(t, at++, f->since, VYI_TRACE_PUBLISH, first + i, f->opcode);
        if (f->until)
            vyi_trace_put(t, at++, f->until, (vyi_trace_kind)f->kind, first + i, f->code);
        if (f->begin)
            vyi_trace_put(t, at++, f->begin, VYI_TRACE_RAN, first + i, f->span);
    }
}

VYI_API void vyi_trace_take(vyre *v, uint32_t first, uint32_t count)
{
    for (; count > VYI_TRACE_MANY; first += VYI_TRACE_MANY, count -= VYI_TRACE_MANY)
        vyi_trace_take_some(v, first, VYI_TRACE_MANY);
    vyi_trace_take_some(v, first, count);
}

/* Nothing is in flight. */
VYI_API void vyi_trace_forget(vyre *v)
{
    for (uint32_t slot = 0; slot < v->queue.slots.count; slot++) {
        uint32_t *card = vyi_card_of(v, slot);
        vyi_store_relaxed(card + VYI_CARD_MOVED, vyi_load_relaxed(card + VYI_CARD_PUBLISHED));
    }
    vyi_store_release(&v->trace.head, 0);
}

/* --- rows of groups --------------------------------------------------------- */

/* The row's next chunk, if there is one; or past one that was overwritten, of which the
 * next may be still there.  Acquire: pairs with the release of its number. */
static bool vyi_row_take(vyre *v, uint32_t row)
{
    vyi_trace *t = &v->trace;
    const uint32_t *at = vyi_times_of(v) + row * VYI_TIMES_ROW_WORDS +
                         (t->rows[row] & (VYI_TIMES_CHUNKS - 1)) * VYI_TIMES_CHUNK_WORDS;
    const uint32_t number = vyi_le32(vyi_load_acquire(at + VYI_TIMES_NUMBER));
    const uint32_t ahead = number - t->rows[row];
    if (number == 0 || ahead == 0 || ahead > INT32_MAX)
        return false;
    if (ahead > VYI_TIMES_CHUNKS) {
        t->missed += ahead - VYI_TIMES_CHUNKS;
        t->rows[row] = number - VYI_TIMES_CHUNKS;
        return true;
    }
    const uint64_t begin = vyi_times_read(at + VYI_TIMES_BEGIN, 1);
    const uint64_t end = vyi_times_read(at + VYI_TIMES_END, 1);
    const uint32_t slot = vyi_le32(vyi_load_acquire(at + VYI_TIMES_SLOT));
    const bool whole = vyi_le32(vyi_load_acquire(at + VYI_TIMES_NUMBER)) == number &&
                       begin && end && slot < v->queue.slots.count;
    t->missed += !whole;
    t->rows[row] = number;
    if (whole)
        vyi_trace_note_at(v, begin, (vyi_trace_kind)(VYI_TRACE_CHUNK + row), slot,
                          vyi_times_span(begin, end));
    return true;
}

VYI_API void vyi_trace_rows(vyre *v)
{
    if (!v->queue.wides.count || v->queue.state == VYI_STATE_LOST)
        return;
    for (uint32_t row = 0; row < VYI_TIMES_GROUPS; row++) {
        for (uint32_t i = 0; i < 2 * VYI_TIMES_CHUNKS && vyi_row_take(v, row); i++)
            continue;
    }
}

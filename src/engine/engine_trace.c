/* ==========================================================================
 * engine: the last events of a handle, and the device's times
 *
 * Threads note events in a ring of their own.  Works are noted on a card of their slot
 * first, with plain stores: a step of the ring is a locked instruction, which waits until
 * the work that was just stored has left for the device.  What is on a card, and what the
 * device has stored of the work (kernel/times_impl.h), becomes events before the slot is
 * published into again, many slots at a time.  Rows of groups are rings, which whoever looks
 * at the device empties; what they have overwritten is counted.
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
    const size_t size = (size_t)count * 16 + VYI_CACHE_LINE +
                        slots * (VYI_CARD_WORDS + 1) * sizeof(uint32_t);
    v->trace.events = (uint32_t *)vyi_arena_alloc(&v->arena, size);
    if (!v->trace.events)
        return vyi_fail_nomem(err, size);
    const uintptr_t rest = (uintptr_t)v->trace.events % VYI_CACHE_LINE; /* a card is a line */
    v->trace.cards = v->trace.events + 4 * (size_t)count +
                     (rest ? VYI_CACHE_LINE - rest : 0) / sizeof(uint32_t);
    v->trace.seen = v->trace.cards + VYI_CARD_WORDS * slots;
    v->trace.mask = count - 1;
    vyi_timer_begin(&v->trace.timer);
    return VYRE_OK;
}

/* Which round of the ring the event of this number is in. */
static inline uint32_t vyi_trace_lap(const vyi_trace *t, uint32_t index)
{
    return index / (t->mask + 1) << VYI_TRACE_LAP_BIT;
}

/* The word with kind and lap is 0 meanwhile, and goes last (vyi_trace_read). */
static inline void vyi_trace_put(const vyi_trace *t, uint32_t index, uint64_t time,
                                 uint32_t kind, uint32_t slot, uint32_t value)
{
    uint32_t *at = t->events + 4 * (size_t)(index & t->mask);
    vyi_store_relaxed(at + 2, 0);
    vyi_fence_release();
    vyi_store_relaxed(at, (uint32_t)time);
    vyi_store_relaxed(at + 1, (uint32_t)(time >> 32));
    vyi_store_relaxed(at + 3, value);
    vyi_store_release(at + 2, vyi_trace_lap(t, index) | kind << VYI_TRACE_KIND_BIT | slot);
}

VYI_API bool vyi_trace_read(const vyi_trace *t, uint32_t index, vyi_trace_event *out)
{
    const uint32_t *at = t->events + 4 * (size_t)(index & t->mask);
    const uint32_t word = vyi_load_acquire(at + 2), what = word - vyi_trace_lap(t, index);
    const uint32_t low = vyi_load_acquire(at), high = vyi_load_acquire(at + 1);
    out->time = low | (uint64_t)high << 32;
    out->value = vyi_load_acquire(at + 3);
    out->kind = what >> VYI_TRACE_KIND_BIT;
    out->slot = what & ((1u << VYI_TRACE_KIND_BIT) - 1u);
    return out->kind != 0 && out->kind < 1u << (VYI_TRACE_LAP_BIT - VYI_TRACE_KIND_BIT) &&
           vyi_load_relaxed(at + 2) == word;
}

VYI_API void vyi_trace_note_at(vyre *v, uint64_t time, vyi_trace_kind kind, uint32_t slot,
                               uint32_t value)
{
    vyi_trace_put(&v->trace, vyi_fetch_add(&v->trace.head, 1), time, kind, slot, value);
}

VYI_API void vyi_trace_note(vyre *v, vyi_trace_kind kind, uint32_t slot, uint32_t value)
{
    vyi_trace_note_at(v, vyi_timer_now(&v->trace.timer), kind, slot, value);
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
    const uint32_t low = vyi_le32(vyi_load_acquire(at));
    return low | (uint64_t)vyi_le32(vyi_load_acquire(at + apart)) << 32;
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
    out->ended = (uint32_t)end;
    return true;
}

/* --- cards ------------------------------------------------------------------- */

static inline uint32_t *vyi_card_of(const vyre *v, uint32_t slot)
{
    VYRE_ASSERT(slot < v->queue.slots.count);
    return v->trace.cards + (size_t)slot * VYI_CARD_WORDS;
}

static inline uint64_t vyi_card_time_of(const uint32_t *at)
{
    const uint32_t low = vyi_load_acquire(at);
    return low | (uint64_t)vyi_load_acquire(at + 1) << 32;
}

/* Whether `a` is a later generation. */
static inline bool vyi_generation_is_after(uint32_t a, uint32_t b)
{
    const uint32_t ahead = (a - b) & VYI_GENERATION_MASK;
    return ahead != 0 && ahead < VYI_GENERATION_HALF;
}

VYI_API void vyi_trace_published(vyre *v, uint32_t slot, const vyre_work *works, uint32_t count)
{
    const uint64_t since = vyi_timer_now(&v->trace.timer);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t mark = vyi_load_relaxed(&v->queue.slots.marks[slot + i]);
        uint32_t *card = vyi_card_of(v, slot + i);
        VYRE_ASSERT(vyi_mark_phase(mark) == VYI_PHASE_BUSY);
        vyi_store_relaxed(card + VYI_CARD_PUBLISHED, 0);
        vyi_fence_release();
        vyi_store_relaxed(card + VYI_CARD_OPCODE, works[i].opcode);
        vyi_store_relaxed(card + VYI_CARD_SINCE, (uint32_t)since);
        vyi_store_relaxed(card + VYI_CARD_SINCE + 1, (uint32_t)(since >> 32));
        vyi_store_release(card + VYI_CARD_PUBLISHED, vyi_mark_generation(mark));
    }
    if (slot >= v->queue.slots.lanes)
        vyi_trace_note(v, VYI_TRACE_NAMED, slot, works[0].opcode);
}

/* --- ends ---------------------------------------------------------------------- */

#define VYI_END_TICKS      48u
#define VYI_END_TICKS_MASK (((uint64_t)1 << VYI_END_TICKS) - 1u)
#define VYI_END_KIND       62u

static const uint8_t vyi_end_kinds[4] = { 0, VYI_TRACE_DONE, VYI_TRACE_FAULT, VYI_TRACE_DRAINED };

static inline uint32_t *vyi_end_at(uint32_t *card, uint32_t generation)
{
    return card + VYI_CARD_ENDS + 2 * (generation & 3u);
}

/* Two words by one access, where the machine has such; elsewhere the high one, which says
 * whose end it is, goes last, and is looked at twice. */
static inline uint64_t vyi_end_load(const uint32_t *at)
{
#if (defined(__GNUC__) || defined(__clang__)) && !VYI_BIG_ENDIAN && UINTPTR_MAX > 0xffffffffu
    typedef uint64_t __attribute__((may_alias)) pair;
    return __atomic_load_n((const pair *)(const void *)at, __ATOMIC_ACQUIRE);
#else
    uint32_t high, low;
    do {
        high = vyi_load_acquire(at + 1);
        low = vyi_load_acquire(at);
    } while (vyi_load_relaxed(at + 1) != high);
    return low | (uint64_t)high << 32;
#endif
}

static inline void vyi_end_store(uint32_t *at, uint64_t end)
{
#if (defined(__GNUC__) || defined(__clang__)) && !VYI_BIG_ENDIAN && UINTPTR_MAX > 0xffffffffu
    typedef uint64_t __attribute__((may_alias)) pair;
    __atomic_store_n((pair *)(void *)at, end, __ATOMIC_RELEASE);
#else
    vyi_store_relaxed(at, (uint32_t)end);
    vyi_store_release(at + 1, (uint32_t)(end >> 32));
#endif
}

static inline bool vyi_end_is_of(uint64_t end, uint32_t generation)
{
    return end >> VYI_END_KIND != 0 &&
           (end >> VYI_END_TICKS & 0x3fffu) == (generation >> 2 & 0x3fffu);
}

static inline void vyi_card_end(const vyi_timer *t, uint32_t *card, uint32_t generation,
                                uint64_t kind)
{
    uint32_t *at = vyi_end_at(card, generation);
    if (!vyi_end_is_of(vyi_end_load(at), generation))
        vyi_end_store(at, (vyi_timer_now(t) & VYI_END_TICKS_MASK) |
                              (uint64_t)(generation >> 2 & 0x3fffu) << VYI_END_TICKS |
                              kind << VYI_END_KIND);
}

/* The first time that it is asked for.  Of a work that others have followed nobody asks the
 * card any more. */
VYI_API void vyi_trace_ended(vyre *v, vyre_ticket t, vyi_trace_kind kind)
{
    uint32_t *card = vyi_card_of(v, VYI_TICKET_SLOT(t));
    const uint32_t last = vyi_load_relaxed(card + VYI_CARD_PUBLISHED);
    if (last && vyi_generation_is_after(last, t.generation + 1))
        return;
    vyi_card_end(&v->trace.timer, card, t.generation, kind == VYI_TRACE_DONE ? 1 : 2);
}

/* Of works whose ends nobody has asked for. */
VYI_API void vyi_trace_rested(vyre *v)
{
    for (uint32_t slot = 0; slot < v->queue.slots.count; slot++) {
        uint32_t *card = vyi_card_of(v, slot);
        const uint32_t last = vyi_load_acquire(card + VYI_CARD_PUBLISHED);
        const uint32_t mark = vyi_load_acquire(&v->queue.slots.marks[slot]);
        if (last && vyi_mark_generation(mark) == last && !vyi_mark_is_under_way(mark) &&
            !vyi_mark_is_busy(mark)) /* a recovery holds it */
            vyi_card_end(&v->trace.timer, card, last, 3);
    }
}

/* How the work of this generation was seen to end, if it was; `near_to`: a time that its
 * end is within hours of. */
static vyi_trace_end vyi_end_of_work(const vyre *v, uint32_t slot, uint32_t generation,
                                     uint64_t near_to)
{
    const vyi_trouble *trouble = &v->queue.slots.trouble[slot];
    const uint64_t end = vyi_end_load(vyi_end_at(vyi_card_of(v, slot), generation));
    vyi_trace_end out = { 0, 0, 0 };
    if (!vyi_end_is_of(end, generation))
        return out;
    const uint64_t ahead = (end - near_to) & VYI_END_TICKS_MASK;
    const bool behind = ahead > VYI_END_TICKS_MASK / 2;
    out.until = behind ? near_to - (VYI_END_TICKS_MASK + 1 - ahead) : near_to + ahead;
    out.kind = vyi_end_kinds[end >> VYI_END_KIND];
    if (out.kind == VYI_TRACE_FAULT && vyi_load_acquire(&trouble->generation) == generation)
        out.code = vyi_load_relaxed(&trouble->code);
    return out;
}

/* --- from cards to events -------------------------------------------------------- */

/* One attempt; false: somebody changes the card. */
static bool vyi_card_read(const vyre *v, uint32_t slot, vyi_trace_found *out)
{
    const uint32_t *card = vyi_card_of(v, slot);
    const uint32_t last = vyi_load_acquire(card + VYI_CARD_PUBLISHED);
    const uint32_t moved = vyi_load_acquire(card + VYI_CARD_MOVED);
    const uint64_t since = vyi_card_time_of(card + VYI_CARD_SINCE);
    memset(out, 0, sizeof *out);
    out->generation = last;
    out->moved = moved;
    out->behind = vyi_load_acquire(card + VYI_CARD_BEHIND);
    out->opcode = vyi_load_acquire(card + VYI_CARD_OPCODE);
    if (moved && moved != vyi_load_acquire(card + VYI_CARD_TOLD))
        out->before = vyi_end_of_work(v, slot, moved, since);
    if (last != moved) {
        out->since = since;
        out->end = vyi_end_of_work(v, slot, last, since);
        if (out->before.until > out->since)
            out->before.until = out->since; /* asked for when the slot was used again */
    }
    (void)vyi_times_fresh(v, slot, out);
    return vyi_load_relaxed(card + VYI_CARD_PUBLISHED) == last &&
           vyi_load_relaxed(card + VYI_CARD_MOVED) == moved && !(moved & VYI_CARD_MOVING);
}

VYI_API bool vyi_trace_look(const vyre *v, uint32_t slot, uint64_t deadline,
                            vyi_trace_found *out)
{
    const uint32_t *mark = &v->queue.slots.marks[slot];
    while (!vyi_card_read(v, slot, out)) {
        if (vyi_now() >= deadline)
            return false;
        vyi_yield();
    }
    /* What the device tells is of that work, which has ended, or of a relay. */
    const uint32_t now = vyi_load_acquire(mark);
    if (vyi_mark_generation(now) != out->generation ||
        (out->since && !out->end.until && vyi_slot_is_pending(&v->queue, slot, now)))
        out->begin = 0;
    return true;
}

#define VYI_TRACE_MANY 64u

static uint32_t vyi_trace_put_some(const vyi_trace *t, uint32_t at, uint32_t slot,
                                   const vyi_trace_found *f)
{
    if (f->before.until)
        vyi_trace_put(t, at++, f->before.until, f->before.kind, slot, f->before.code);
    vyi_trace_put(t, at++, f->since, VYI_TRACE_PUBLISH, slot, f->opcode);
    if (f->end.until)
        vyi_trace_put(t, at++, f->end.until, f->end.kind, slot, f->end.code);
    if (f->begin)
        vyi_trace_put(t, at++, f->begin, VYI_TRACE_RAN, slot, f->span);
    return at;
}

/* For all of their events there is one step of the ring.  MOVING goes before it, and MOVED
 * after the events: who has found that a card has not moved finds its events behind all
 * that were there. */
static void vyi_trace_take_some(vyre *v, uint32_t first, uint32_t count)
{
    vyi_trace *t = &v->trace;
    vyi_trace_found found[VYI_TRACE_MANY];
    uint32_t n = 0;
    VYRE_ASSERT(count <= VYI_TRACE_MANY);
    for (uint32_t i = 0; i < count; i++) {
        (void)vyi_card_read(v, first + i, &found[i]);
        if (found[i].begin)
            vyi_store_relaxed(&t->seen[first + i], found[i].ended);
        if (!found[i].since)
            continue;
        n += (found[i].before.until != 0) + 1u + (found[i].end.until != 0) + (found[i].begin != 0);
        vyi_store_relaxed(vyi_card_of(v, first + i) + VYI_CARD_MOVED,
                          found[i].moved | VYI_CARD_MOVING);
    }
    uint32_t at = n ? vyi_fetch_add(&t->head, n) : 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t *card = vyi_card_of(v, first + i);
        if (!found[i].since)
            continue;
        at = vyi_trace_put_some(t, at, first + i, &found[i]);
        vyi_store_relaxed(card + VYI_CARD_BEHIND, at);
        if (found[i].end.until)
            vyi_store_relaxed(card + VYI_CARD_TOLD, found[i].generation);
        vyi_store_release(card + VYI_CARD_MOVED, found[i].generation);
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
        const uint32_t last = vyi_load_relaxed(card + VYI_CARD_PUBLISHED);
        vyi_store_relaxed(card + VYI_CARD_TOLD, last);
        vyi_store_relaxed(card + VYI_CARD_BEHIND, 0);
        vyi_store_relaxed(card + VYI_CARD_MOVED, last);
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

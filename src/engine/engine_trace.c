/* ==========================================================================
 * engine: the last events of a handle, and the device's times
 *
 * Threads note events in a ring of their own.  What the device stores of a slot's work
 * (kernel/times_impl.h) becomes one, too, before the slot is published into again: many
 * slots at a time, when their lines have been at rest for long.  Rows of groups are rings,
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
    const size_t size = (size_t)count * 16 + v->queue.slots.count * sizeof(uint32_t);
    v->trace.events = (uint32_t *)vyi_arena_alloc(&v->arena, size);
    if (!v->trace.events)
        return vyi_fail_nomem(err, size);
    v->trace.seen = v->trace.events + 4 * (size_t)count;
    v->trace.mask = count - 1;
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

VYI_API void vyi_trace_moment(const vyre *v, vyi_device *d, vyi_moment *out)
{
    memset(out, 0, sizeof *out);
    if (v->backend->moment)
        (void)v->backend->moment(d, out);
}

/* --- the device's times ---------------------------------------------------- */

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

VYI_API bool vyi_trace_peek(const vyre *v, uint32_t slot, vyi_trace_times *out)
{
    const bool wide = v->queue.wides.count != 0;
    const uint32_t *at = vyi_times_of(v) + vyi_times_slot_at(wide, slot, 0);
    const uint32_t *to = at + VYI_TIMES_END * VYI_TIMES_BLOCK;
    const uint64_t end = vyi_times_read(to, VYI_TIMES_BLOCK);
    out->begin = vyi_times_read(at, VYI_TIMES_BLOCK);
    out->span = vyi_times_span(out->begin, end);
    out->end = (uint32_t)end;
    return out->begin && end && out->end != vyi_load_relaxed(&v->trace.seen[slot]);
}

/* At most 32 slots, for whose events there is one step of the ring. */
static void vyi_trace_take_some(vyre *v, uint32_t first, uint32_t count)
{
    vyi_trace *t = &v->trace;
    vyi_trace_times times[32];
    uint32_t slots[32], n = 0;
    VYRE_ASSERT(count <= 32);
    for (uint32_t i = 0; i < count; i++) {
        if (vyi_trace_peek(v, first + i, &times[n]))
            slots[n++] = first + i;
    }
    const uint32_t at = n ? vyi_fetch_add(&t->head, n) : 0;
    for (uint32_t i = 0; i < n; i++) {
        vyi_store_relaxed(&t->seen[slots[i]], times[i].end);
        vyi_trace_put(t, at + i, times[i].begin, VYI_TRACE_RAN, slots[i], times[i].span);
    }
}

VYI_API void vyi_trace_take(vyre *v, uint32_t first, uint32_t count)
{
    for (; count > 32; first += 32, count -= 32)
        vyi_trace_take_some(v, first, 32);
    vyi_trace_take_some(v, first, count);
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

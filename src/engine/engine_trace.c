/* ==========================================================================
 * engine: the last events of a handle, and the device's times
 *
 * Threads note events in a ring of their own.  What the device stores of a slot's work
 * (kernel/times_impl.h) becomes one, too: taken by whoever sees the end, or before the
 * slot is published into again, so that nothing is lost there.  Rows of groups are rings,
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
    v->trace.events = (uint32_t *)vyi_arena_alloc(&v->arena, (size_t)count * 16);
    if (!v->trace.events)
        return vyi_fail_nomem(err, (size_t)count * 16);
    v->trace.mask = count - 1;
    return VYRE_OK;
}

/* The time goes last: who reads an event looks afterwards whether it can have been
 * overwritten (vyi_trace_read). */
VYI_API void vyi_trace_note_at(vyre *v, uint64_t time, vyi_trace_kind kind, uint32_t slot,
                               uint32_t value)
{
    vyi_trace *t = &v->trace;
    uint32_t *at = t->events + 4 * (size_t)(vyi_fetch_add(&t->head, 1) & t->mask);
    vyi_store_relaxed(at + 2, (uint32_t)kind << VYI_TRACE_KIND_BIT | slot);
    vyi_store_relaxed(at + 3, value);
    vyi_store_relaxed(at + 1, (uint32_t)(time >> 32));
    vyi_store_release(at, (uint32_t)time);
}

VYI_API void vyi_trace_note(vyre *v, vyi_trace_kind kind, uint32_t slot, uint32_t value)
{
    vyi_trace_note_at(v, vyi_now(), kind, slot, value);
}

/* --- the device's times ---------------------------------------------------- */

static uint32_t *vyi_times_of(const vyre *v)
{
    return vyi_device_words(vyi_queue_device(&v->queue), v->trace.times);
}

static uint64_t vyi_times_read(const uint32_t *at)
{
    const uint32_t low = vyi_le32(vyi_load_relaxed(at));
    return low | (uint64_t)vyi_le32(vyi_load_relaxed(at + 1)) << 32;
}

/* Ticks from one to the other, of 32 bits. */
static uint32_t vyi_times_span(uint64_t begin, uint64_t end)
{
    return end <= begin ? 0 : end - begin < UINT32_MAX ? (uint32_t)(end - begin) : UINT32_MAX;
}

VYI_API void vyi_trace_take(vyre *v, uint32_t slot)
{
    uint32_t *at = vyi_times_of(v) + vyi_times_slots(v->queue.wides.count != 0) +
                   (size_t)slot * VYI_TIMES_SLOT_WORDS;
    const uint64_t begin = vyi_times_read(at + VYI_TIMES_BEGIN);
    const uint64_t end = vyi_times_read(at + VYI_TIMES_END);
    if (begin == 0 || end == 0)
        return;
    for (uint32_t i = 0; i < VYI_TIMES_SLOT_WORDS; i++)
        vyi_store_relaxed(at + i, 0);
    vyi_trace_note_at(v, begin, VYI_TRACE_RAN, slot, vyi_times_span(begin, end));
}

/* A slot that was published into again meanwhile has another work's times, or will. */
VYI_API void vyi_trace_end(vyre *v, vyre_ticket t, vyre_status status, uint32_t code)
{
    const uint32_t slot = VYI_TICKET_SLOT(t);
    if (status != VYRE_E_LOST &&
        vyi_mark_generation(vyi_load_acquire(&v->queue.slots.marks[slot])) == t.generation)
        vyi_trace_take(v, slot);
    vyi_trace_note(v, status == VYRE_OK ? VYI_TRACE_DONE : VYI_TRACE_FAULT, slot, code);
}

VYI_API void vyi_trace_rested(vyre *v)
{
    for (uint32_t slot = 0; slot < v->queue.slots.count; slot++) {
        if (vyi_load_acquire(&v->queue.state) != VYI_STATE_LOST &&
            vyi_mark_phase(vyi_load_acquire(&v->queue.slots.marks[slot])) == VYI_PHASE_FREE)
            vyi_trace_take(v, slot);
    }
    vyi_trace_note(v, VYI_TRACE_RESTED, 0, 0);
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
    const uint64_t begin = vyi_times_read(at + VYI_TIMES_BEGIN);
    const uint64_t end = vyi_times_read(at + VYI_TIMES_END);
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

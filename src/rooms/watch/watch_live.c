/* ==========================================================================
 * watch, live: implementation
 * ======================================================================= */
#include "rooms/watch/watch_live.h"
#include "engine/engine_slots_impl.h"
#include "rooms/watch/watch_impl.h"

#ifndef VYRE_NO_WATCH

static vyre_status vyi_live_check(const vyre *v, const void *out, vyre_error *err)
{
    if (v && out)
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle and room for the answer.",
                    "%s is NULL", v ? "the answer" : "the handle");
}

/* --- by marks ------------------------------------------------------------ */

/* The state that a mark and its mirror word tell.  A slot that a publisher has
 * BUSY is about to be used, and free for the moment. */
static vyre_slot_state vyi_live_state(uint32_t mark, uint32_t mirror)
{
    if (!vyi_mark_is_out(mark))
        return VYRE_SLOT_EMPTY;
    const uint32_t outcome = vyi_mirror_parked(mirror) ? 0 : VYI_MIRROR_STATUS(mirror);
    return outcome ? vyi_slot_state_of(outcome) : VYRE_SLOT_PUBLISHED;
}

#define VYI_LIVE_MANY 64u /* slots whose words are asked for at once: others have them */

/* Each use of a slot counts its generation on: what is not at an end by now has
 * counted once too often. */
static void vyi_live_count(const uint32_t *marks, const uint32_t *mirror, uint32_t count,
                           vyre_watch *w)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t mark = marks[i], generation = vyi_mark_generation(mark);
        const vyre_slot_state state = vyi_live_state(mark, vyi_le32(mirror[i]));
        const bool open = vyi_mark_phase(mark) == VYI_PHASE_BUSY ||
                          state == VYRE_SLOT_PUBLISHED || state == VYRE_SLOT_WAIT_IO;
        w->states[state]++;
        w->done += generation - (open && generation ? 1 : 0);
    }
}

static void vyi_live_host(const vyi_queue *q, vyre_watch *w)
{
    const uint32_t *words = vyi_device_words(vyi_queue_device(q), q->slots.mirror);
    uint32_t marks[VYI_LIVE_MANY], mirror[VYI_LIVE_MANY];
    for (uint32_t from = 0; from < q->slots.count; from += VYI_LIVE_MANY) {
        const uint32_t left = q->slots.count - from;
        const uint32_t count = left < VYI_LIVE_MANY ? left : VYI_LIVE_MANY;
        for (uint32_t i = 0; i < count; i++)
            marks[i] = vyi_load_acquire(&q->slots.marks[from + i]);
        for (uint32_t i = 0; i < count; i++)
            mirror[i] = vyi_load_acquire(words + from + i);
        vyi_live_count(marks, mirror, count, w);
    }
}

/* --- by the device's memory ----------------------------------------------- */

/* Across a bus a slot is a look at its line, of which nothing but the status is asked for. */
static void vyi_live_peek(const uint32_t *ring, uint32_t slots, vyre_watch *w)
{
    uint32_t words[VYI_PEEK_MANY * VYI_PEEK_WORDS];
    uint32_t slot = 0;
    for (; slot + VYI_PEEK_MANY <= slots; slot += VYI_PEEK_MANY) {
        vyi_peek(words, ring + (size_t)slot * VYRE_SLOT_WORDS, VYRE_SLOT_BYTES);
        for (uint32_t i = 0; i < VYI_PEEK_MANY; i++)
            vyi_watch_states(words + i * VYI_PEEK_WORDS, 1, w);
    }
    for (; slot < slots; slot++) {
        const uint32_t status = vyi_load_relaxed(ring + (size_t)slot * VYRE_SLOT_WORDS);
        vyi_watch_states(&status, 1, w);
    }
}

VYI_STATIC_ASSERT(headers_are_peeked_whole,
                  VYRE_CONTROL_MIN_WORDS % (VYI_PEEK_MANY * VYI_PEEK_WORDS) == 0);

/* Elsewhere each word is one that others store. */
static void vyi_live_device(const vyi_queue *q, vyre_watch *w)
{
    const vyi_device *d = vyi_queue_device(q);
    const uint32_t *ring = vyi_device_words(d, VYI_ROLE_RING);
    const uint32_t *control = vyi_device_words(d, VYI_ROLE_CONTROL);
    const bool peeks = d->write_combined && vyi_has_peek();
    const uint32_t some = peeks ? VYI_PEEK_MANY * VYI_PEEK_WORDS : 1;
    uint32_t words[VYRE_CONTROL_MIN_WORDS];
    for (uint32_t i = 0; i < VYRE_CONTROL_MIN_WORDS; i += some) {
        if (peeks)
            vyi_peek(words + i, control + i, VYI_PEEK_WORDS * sizeof *words);
        else
            words[i] = vyi_load_relaxed(control + i);
    }
    vyi_watch_control(words, w);
    if (peeks) {
        vyi_live_peek(ring, q->slots.count, w);
        return;
    }
    for (uint32_t slot = 0; slot < q->slots.count; slot++) {
        const uint32_t status = vyi_load_relaxed(ring + (size_t)slot * VYRE_SLOT_WORDS);
        vyi_watch_states(&status, 1, w);
    }
}

VYRE_API vyre_status vyre_watch_live(vyre *v, vyre_watch_depth depth, vyre_watch *out,
                                     vyre_error *err)
{
    vyre_status status = vyi_live_check(v, out, err);
    if (status < 0)
        return status;
    if ((uint32_t)depth > VYRE_WATCH_DEVICE)
        return vyi_fail(err, VYRE_E_ARGUMENT, (uint32_t)depth, "Pass one of vyre_watch_depth.",
                        "%u is no depth", (unsigned)depth);
    const vyi_queue *q = &v->queue;
    if (depth == VYRE_WATCH_DEVICE && vyi_load_acquire(&q->state) == VYI_STATE_LOST)
        return vyi_queue_gone(q, "its memory cannot be read", err);
    vyre_watch w;
    memset(&w, 0, sizeof w);
    if (depth == VYRE_WATCH_HOST)
        vyi_live_host(q, &w);
    else
        vyi_live_device(q, &w);
    vyi_watch_derive(&w);
    w.at_ns = vyi_now();
    *out = w;
    return VYRE_OK;
}

/* --- waiting for a word --------------------------------------------------- */

VYRE_API vyre_status vyre_wait_observable(vyre *v, uint32_t index, uint32_t seen,
                                          uint64_t timeout_ns, uint32_t *now, vyre_error *err)
{
    vyi_pace pace = vyi_pace_begin(timeout_ns);
    for (;;) {
        uint32_t held;
        const vyre_status status = vyre_observable(v, index, &held, err);
        if (status < 0)
            return status;
        if (held != seen) {
            if (now)
                *now = held;
            return VYRE_OK;
        }
        const vyre_status turn = vyi_pace_turn(&v->queue, &pace, err);
        if (turn == VYRE_TIMEOUT)
            return vyi_news(err, turn, index, "Wait again, or longer; vyre_query tells what runs.",
                            "the observable has not changed in time");
        if (turn < 0)
            return turn;
    }
}

/* --- who hangs ------------------------------------------------------------ */

#define VYI_STUCK_IS(name) ((int)VYRE_STUCK_##name == (int)VYI_WHERE_##name)
VYI_STATIC_ASSERT(stuck_is_where, VYI_STUCK_IS(IO) && VYI_STUCK_IS(GROUPS) &&
                                      VYI_STUCK_IS(EVENT) && VYI_STUCK_IS(TENANT) &&
                                      VYI_STUCK_IS(PAUSED));
#undef VYI_STUCK_IS

/* True: the slot has a work, and it is at something.  Relays are nobody's works. */
static bool vyi_stuck_look(const vyi_queue *q, uint32_t slot, vyre_stuck_slot *out)
{
    const uint32_t mark = vyi_load_acquire(&q->slots.marks[slot]);
    const vyi_where w = vyi_slot_where(q, slot);
    if (w.kind > VYI_WHERE_PAUSED || (vyi_order_bits(q, slot) & VYI_ORDER_RELAY))
        return false;
    const uint32_t *at = vyi_device_words(vyi_queue_device(q), VYI_ROLE_RING) +
                         (size_t)slot * VYRE_SLOT_WORDS;
    memset(out, 0, sizeof *out);
    out->ticket = vyi_ticket_of(q, slot, mark);
    out->state = vyi_slot_state_of(vyi_le32(vyi_load_acquire(at + VYRE_SLOT_STATUS)));
    out->opcode = vyi_le32(vyi_load_relaxed(at + VYRE_SLOT_OPCODE));
    out->tenant = vyi_slot_tenant(q->v, at);
    out->handler = vyi_handler_name(q->v, out->opcode);
    out->at = (vyre_stuck_at)w.kind;
    out->which = w.which;
    out->of = w.of;
    if (w.by != VYI_WHERE_NOBODY)
        out->after = vyi_ticket_of(q, w.by, vyi_load_acquire(&q->slots.marks[w.by]));
    return vyi_load_acquire(&q->slots.marks[slot]) == mark;
}

/* Appends those that lanes or groups have, or the others. */
static uint32_t vyi_stuck_find(const vyi_queue *q, bool have, vyre_stuck_slot *out,
                               uint32_t count, uint32_t capacity)
{
    for (uint32_t slot = 0; slot < q->slots.count && count < capacity; slot++) {
        count += vyi_stuck_look(q, slot, &out[count]) &&
                 have == (out[count].at <= VYRE_STUCK_GROUPS);
    }
    return count;
}

/* Those that still have the same work, and are where they were. */
static uint32_t vyi_stuck_keep(const vyi_queue *q, vyre_stuck_slot *out, uint32_t count,
                               uint64_t held_ns)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        vyre_stuck_slot now;
        if (!vyi_stuck_look(q, VYI_TICKET_SLOT(out[i].ticket), &now) ||
            now.ticket.generation != out[i].ticket.generation || now.at != out[i].at ||
            now.which != out[i].which || now.of != out[i].of)
            continue;
        now.held_ns = held_ns;
        out[kept++] = now;
    }
    return kept;
}

#define VYI_STUCK_NAP_NS 1000000u

/* Keeps the leases going meanwhile. */
static vyre_status vyi_stuck_wait(vyi_queue *q, uint64_t deadline, vyre_error *err)
{
    for (;;) {
        const vyre_status status = vyi_queue_nudge(q, VYI_EFFORT_LOOK, err);
        const uint64_t now = vyi_now();
        if (status < 0 || now >= deadline)
            return status;
        vyi_sleep(deadline - now < VYI_STUCK_NAP_NS ? deadline - now : VYI_STUCK_NAP_NS);
    }
}

VYRE_API vyre_status vyre_stuck(vyre *v, uint64_t longer_ns, vyre_stuck_slot *out,
                                uint32_t capacity, uint32_t *count, vyre_error *err)
{
    vyre_status status = vyi_live_check(v, count, err);
    if (status >= 0)
        status = vyi_wire_pointer(out, capacity, "the array of slots", err);
    if (status < 0)
        return status;
    vyi_queue *q = &v->queue;
    if (vyi_load_acquire(&q->state) == VYI_STATE_LOST)
        return vyi_queue_gone(q, "its slots cannot be read", err);
    const uint64_t begin = vyi_now();
    uint32_t found = vyi_stuck_find(q, true, out, 0, capacity);
    found = vyi_stuck_find(q, false, out, found, capacity);
    const uint64_t deadline = longer_ns > UINT64_MAX - begin ? UINT64_MAX : begin + longer_ns;
    status = found ? vyi_stuck_wait(q, deadline, err) : VYRE_OK;
    if (status < 0)
        return status;
    *count = vyi_stuck_keep(q, out, found, vyi_now() - begin);
    return VYRE_OK;
}

#endif /* VYRE_NO_WATCH */

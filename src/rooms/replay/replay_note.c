/* ==========================================================================
 * replay: notes of what a handle tells its log
 *
 * Who publishes pays for a few plain stores; a thread of the log's makes records of them
 * and writes those.  Notes lie in a ring, in the order in which they were made, so there
 * is one noter at a time.  The first thread that publishes becomes it without a locked
 * instruction, as the owner of slots does (engine_slots.c): beside write-combined memory
 * each would wait until the work that was just stored has left for the device.  Others
 * stop it for the time of their note, and all take turns by a lock if that happens often.
 * ======================================================================= */
#include "rooms/replay/replay_impl.h"

#ifndef VYRE_NO_REPLAY

/* --- whose turn it is ------------------------------------------------------ */

#define VYI_NOTER_NOBODY ((void *)(uintptr_t)0)
#define VYI_NOTER_MANY   ((void *)(uintptr_t)1) /* whoever has the lock */
#define VYI_NOTER_VISITS 64u /* of others, until all take turns */

static bool vyi_noter_enter(vyi_notes *n, void *me)
{
    if (vyi_load_pointer(&n->noter) != me)
        return false;
    vyi_store_relaxed(&n->inside, 1);
    vyi_fence_mine(&n->fenced);
    if (vyi_load_pointer(&n->noter) == me)
        return true;
    vyi_store_release(&n->inside, 0);
    return false;
}

/* Under `turn`: the thread that needs no lock stays outside. */
static void vyi_noter_visit(vyi_notes *n)
{
    vyi_store_pointer(&n->noter, VYI_NOTER_MANY);
    vyi_fence_theirs(&n->fenced);
    while (vyi_load_acquire(&n->inside))
        vyi_yield();
    if (++n->visits >= VYI_NOTER_VISITS)
        n->first = VYI_NOTER_MANY;
}

VYI_API bool vyi_noter_begin(vyi_notes *n, bool publishes)
{
    void *const me = (void *)vyi_thread_id();
    if (vyi_noter_enter(n, me))
        return true;
    vyi_mutex_lock(&n->turn);
    if (n->first == VYI_NOTER_NOBODY && publishes)
        n->first = me;
    else if (n->first != VYI_NOTER_NOBODY && n->first != VYI_NOTER_MANY && n->first != me)
        vyi_noter_visit(n);
    return false;
}

VYI_API void vyi_noter_end(vyi_notes *n, bool mine)
{
    if (mine) {
        vyi_store_release(&n->inside, 0);
        return;
    }
    vyi_store_pointer(&n->noter, n->first);
    vyi_mutex_unlock(&n->turn);
}

/* --- the ring -------------------------------------------------------------- */

/* Nobody but the noter moves `head`, so this ends. */
static void vyi_notes_make_room(vyre_replay *r, uint32_t need)
{
    vyi_notes *n = &r->notes;
    n->room_to = vyi_load_acquire(&n->tail) + n->limit;
    if (n->room_to - n->head >= need)
        return;
    vyi_mutex_lock(&r->lock);
    vyi_replay_flush(r);
    n->room_to = n->tail + n->limit;
    vyi_mutex_unlock(&r->lock);
}

#define VYI_NOTE_AHEAD 64u /* words: as many lines as some notes need */

/* Who has written the records has the lines: they are asked for before they are needed. */
static inline void vyi_note_ahead(const uint32_t *words)
{
#if VYI_TICKS
    __asm__ volatile("prefetchw %0" : : "m"(*words));
#else
    (void)words;
#endif
}

VYI_API uint32_t *vyi_note_begin(vyre_replay *r, uint32_t words)
{
    vyi_notes *n = &r->notes;
    const uint32_t at = n->head & n->mask, rest = n->mask + 1 - at;
    const bool wraps = rest < words;
    const uint32_t need = words + (wraps ? rest : 0);
    VYRE_ASSERT(words >= VYI_NOTE_ARGS && words <= VYI_NOTE_MOST);
    if (n->room_to - n->head < need)
        vyi_notes_make_room(r, need);
    vyi_note_ahead(n->words + ((n->head + VYI_NOTE_AHEAD) & n->mask));
    if (!wraps)
        return n->words + at;
    n->words[at] = 0;
    vyi_store_release(&n->head, n->head + rest);
    return n->words;
}

VYI_API void vyi_note_end(vyre_replay *r, uint32_t words)
{
    vyi_notes *n = &r->notes;
    const uint32_t before = n->head;
    vyi_store_release(&n->head, before + words);
    if ((before ^ (before + words)) & ~(VYI_NOTES_SOME - 1u))
        vyi_cond_signal(&n->wake); /* who misses it looks soon by itself */
}

/* --- records --------------------------------------------------------------- */

/* How a note begins, see replay_impl.h. */
static void vyi_note_read(const uint32_t *note, vyre_replay_record *out)
{
    const uint32_t size = note[0] >> 24, more = note[0] >> 16 & 0xffu;
    memset(out, 0, sizeof *out);
    out->kind = note[0] & 0xffu;
    out->slot = note[VYI_NOTE_SLOT];
    out->generation = note[VYI_NOTE_GENERATION];
    if (out->kind == VYRE_REPLAY_WORK) {
        out->tenant = note[VYI_NOTE_TENANT];
        out->opcode = note[VYI_NOTE_OPCODE];
        out->priority = (vyre_priority)more;
        out->arg_count = size - VYI_NOTE_ARGS;
        memcpy(out->args, note + VYI_NOTE_ARGS, out->arg_count * sizeof *out->args);
        return;
    }
    out->code = note[VYI_NOTE_CODE];
    out->ended = out->kind == VYRE_REPLAY_END;
    out->state = out->ended ? more : 0;
    out->failure = note[VYI_NOTE_FAILURE];
    if (size > VYI_NOTE_ARGS) {
        uint8_t bytes[4 * VYRE_MAX_ARGS];
        for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
            vyi_set_word(bytes, i, note[VYI_NOTE_ARGS + i]);
        out->digest = vyre_replay_digest(bytes, sizeof bytes);
    }
}

/* The notes from `*tail` to `head`, or as many as there is room for: how many records. */
static uint32_t vyi_notes_encode(vyre_replay *r, uint32_t *tail, uint32_t head,
                                 const vyi_scale *scale)
{
    vyi_notes *n = &r->notes;
    uint32_t count = 0;
    while (*tail != head && count < VYI_REPLAY_PENDING) {
        const uint32_t at = *tail & n->mask, *note = n->words + at;
        vyre_replay_record record;
        if (note[0] == 0) {
            *tail += n->mask + 1 - at;
            continue;
        }
        vyi_note_read(note, &record);
        record.time_ns = vyi_scale_ns(scale, note[VYI_NOTE_TIME] |
                                             (uint64_t)note[VYI_NOTE_TIME + 1] << 32);
        record.time_ns = record.time_ns > n->last_ns ? record.time_ns : n->last_ns;
        n->last_ns = record.time_ns;
        vyi_replay2_encode(&record, r->next + count,
                           r->recorder.pending + (size_t)count * VYI_REPLAY2_RECORD);
        *tail += note[0] >> 24;
        count++;
    }
    vyi_replay2_seal(r, r->recorder.pending, count);
    return count;
}

VYI_API void vyi_replay_flush(vyre_replay *r)
{
    vyi_notes *n = &r->notes;
    const uint32_t head = vyi_load_acquire(&n->head);
    uint32_t tail = n->tail;
    if (tail == head)
        return;
    const vyi_scale scale = vyi_scale_now(&n->timer);
    while (tail != head) {
        const uint64_t before = r->next;
        const uint32_t count = vyi_notes_encode(r, &tail, head, &scale);
        if (vyi_replay2_put(r, r->recorder.pending, count, NULL) < 0)
            r->recorder.dropped += count - (r->next - before);
        vyi_store_release(&n->tail, tail);
    }
}

/* --- who writes ------------------------------------------------------------- */

static void vyi_notes_main(void *user)
{
    vyre_replay *r = (vyre_replay *)user;
    vyi_notes *n = &r->notes;
    vyi_mutex_lock(&n->sleep);
    while (!n->quits) {
        vyi_cond_wait(&n->wake, &n->sleep, VYI_NOTES_NAP_NS);
        vyi_mutex_unlock(&n->sleep);
        do {
            vyi_mutex_lock(&r->lock);
            vyi_replay_flush(r);
            vyi_mutex_unlock(&r->lock);
        } while (vyi_load_acquire(&n->head) - vyi_load_acquire(&n->tail) >= VYI_NOTES_SOME);
        vyi_mutex_lock(&n->sleep);
    }
    vyi_mutex_unlock(&n->sleep);
}

VYI_COLD
VYI_API void vyi_notes_start(vyre_replay *r)
{
    vyi_notes *n = &r->notes;
    n->head = n->tail = n->room_to = 0;
    n->noter = n->first = VYI_NOTER_NOBODY;
    n->visits = n->inside = 0;
    n->fenced = !vyi_fence_others_ready();
    n->last_ns = 0;
    n->quits = false;
    vyi_timer_begin(&n->timer);
    n->runs = vyi_thread_start(&n->writer, vyi_notes_main, r);
    n->limit = n->runs ? n->mask + 1 : VYI_NOTES_SOME;
}

VYI_COLD
VYI_API void vyi_notes_stop(vyre_replay *r)
{
    vyi_notes *n = &r->notes;
    if (!n->runs)
        return;
    vyi_mutex_lock(&n->sleep);
    n->quits = true;
    vyi_cond_signal(&n->wake);
    vyi_mutex_unlock(&n->sleep);
    vyi_thread_join(&n->writer);
    n->runs = false;
}

VYI_COLD
VYI_API bool vyi_notes_locks(vyi_notes *n)
{
    if (!vyi_mutex_init(&n->turn))
        return false;
    if (vyi_mutex_init(&n->sleep)) {
        if (vyi_cond_init(&n->wake))
            return true;
        vyi_mutex_free(&n->sleep);
    }
    vyi_mutex_free(&n->turn);
    return false;
}

VYI_COLD
VYI_API void vyi_notes_free(vyi_notes *n)
{
    vyi_cond_free(&n->wake);
    vyi_mutex_free(&n->sleep);
    vyi_mutex_free(&n->turn);
}

#endif /* VYRE_NO_REPLAY */

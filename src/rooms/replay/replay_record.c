/* ==========================================================================
 * replay: what a handle tells its log
 *
 * The engine's public functions tell of works and of ends that a program sees.
 * An end that nobody asks for is told of by a drain, by closing, or by the next
 * work in its slot; its result is not there any more then.
 * ======================================================================= */
#include "rooms/replay/replay_impl.h"

#ifndef VYRE_NO_REPLAY

VYI_STATIC_ASSERT(observer_is_first, offsetof(vyre_replay, observer) == 0);

/* --- notes, of a noter that has begun --------------------------------------- */

/* The words that all notes have; `more` goes beside the kind. */
static uint32_t *vyi_replay_note(vyre_replay *r, uint32_t kind, uint32_t more, uint32_t words,
                                 vyre_ticket t)
{
    const uint64_t now = vyi_timer_now(&r->notes.timer);
    uint32_t *note = vyi_note_begin(r, words);
    note[0] = kind | more << 16 | words << 24;
    note[VYI_NOTE_SLOT] = t.slot;
    note[VYI_NOTE_GENERATION] = t.generation;
    note[VYI_NOTE_TIME] = (uint32_t)now;
    note[VYI_NOTE_TIME + 1] = (uint32_t)(now >> 32);
    return note;
}

/* The work's twelve words as they lie in the ring, which takes nothing away from the
 * program; false: the slot has been used again. */
static bool vyi_replay_peek(const vyre *v, vyre_ticket t, uint32_t *args)
{
    const uint32_t *at = vyi_device_words(vyi_queue_device(&v->queue), VYI_ROLE_RING) +
                         (size_t)t.slot * VYRE_SLOT_WORDS + VYRE_SLOT_ARGS;
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
        args[i] = vyi_le32(vyi_load_acquire(at + i));
    const uint32_t mark = vyi_load_acquire(&v->queue.slots.marks[t.slot]);
    return vyi_load_acquire(&v->queue.state) != VYI_STATE_LOST &&
           mark >> VYI_GENERATION_BIT == t.generation;
}

/* `t` without the handle's tag. */
static void vyi_replay_note_end(vyre_replay *r, vyre_ticket t, vyre_status status, uint32_t code)
{
    uint32_t args[VYRE_MAX_ARGS];
    const vyre *v = r->recorder.v;
    const bool read = status == VYRE_OK && v->desc.record_results && vyi_replay_peek(v, t, args);
    const uint32_t words = VYI_NOTE_ARGS + (read ? VYRE_MAX_ARGS : 0);
    const uint32_t state = status == VYRE_OK ? (uint32_t)VYRE_SLOT_DONE
                           : status == VYRE_E_FAULT ? (uint32_t)VYRE_SLOT_FAULTED : 0;
    uint32_t *note = vyi_replay_note(r, VYRE_REPLAY_END, state, words, t);
    note[VYI_NOTE_FAILURE] = status == VYRE_E_LOST ? (uint32_t)VYRE_FAILURE_DEVICE_LOSS
                                                   : (uint32_t)vyre_failure_of(status);
    note[VYI_NOTE_CODE] = code;
    if (read)
        memcpy(note + VYI_NOTE_ARGS, args, sizeof args);
    vyi_note_end(r, words);
    r->recorder.open[t.slot] = 0;
}

/* How a work ended whose slot is free again, without telling anybody: the next drain
 * still does. */
static vyre_status vyi_replay_history(const vyi_queue *q, vyre_ticket t, uint32_t *code)
{
    const vyi_trouble *trouble = &q->slots.trouble[t.slot];
    const uint32_t generation = vyi_load_acquire(&trouble->generation);
    const uint32_t found = vyi_load_acquire(&trouble->code);
    if (generation == t.generation && vyi_load_acquire(&trouble->generation) == generation) {
        *code = found == VYI_TROUBLE_LOST ? 0 : found;
        return found == VYI_TROUBLE_LOST ? VYRE_E_LOST : VYRE_E_FAULT;
    }
    if (generation == VYI_TROUBLE_CHANGING ||
        (generation && ((generation - t.generation) & VYI_GENERATION_MASK) < VYI_GENERATION_HALF))
        return VYRE_E_STALE;
    return VYRE_OK;
}

/* The end of the work that was in the slot, whoever has seen it. */
static void vyi_replay_note_passed(vyre_replay *r, uint32_t slot)
{
    vyre *v = r->recorder.v;
    vyre_ticket t;
    uint32_t code = 0;
    t.slot = slot;
    t.generation = r->recorder.open[slot];
    const vyre_status status = vyi_replay_history(&v->queue, t, &code);
    r->recorder.open[slot] = 0;
    if (status != VYRE_E_STALE)
        vyi_replay_note_end(r, t, status, code);
}

/* --- what the engine calls ------------------------------------------------- */

static void vyi_replay_forget(vyre_replay *r)
{
    vyi_replay_recorder *c = &r->recorder;
    vyi_free(&r->allocator, c->open, c->slots * sizeof *c->open);
    vyi_free(&r->allocator, c->pending, VYI_REPLAY_PENDING * VYI_REPLAY2_RECORD);
    vyi_free(&r->allocator, r->notes.words, VYI_NOTES_WORDS * sizeof *r->notes.words);
    c->v = NULL;
    c->open = NULL;
    c->pending = NULL;
    r->notes.words = NULL;
    c->slots = 0;
}

/* Under the log's lock.  False: out of memory. */
static bool vyi_replay_adopt(vyre_replay *r, vyre *v)
{
    vyi_replay_recorder *c = &r->recorder;
    const vyre_allocator *a = &r->allocator;
    c->slots = v->queue.slots.count;
    c->open = (uint32_t *)vyi_alloc(a, c->slots * sizeof *c->open);
    c->pending = (uint8_t *)vyi_alloc(a, VYI_REPLAY_PENDING * VYI_REPLAY2_RECORD);
    r->notes.words = (uint32_t *)vyi_alloc(a, VYI_NOTES_WORDS * sizeof *r->notes.words);
    r->notes.mask = VYI_NOTES_WORDS - 1;
    if (!c->open || !c->pending || !r->notes.words) {
        vyi_replay_forget(r);
        return false;
    }
    memset(c->open, 0, c->slots * sizeof *c->open);
    /* So that its pages are there before somebody publishes. */
    memset(r->notes.words, 0, VYI_NOTES_WORDS * sizeof *r->notes.words);
    c->v = v;
    vyi_notes_start(r);
    return true;
}

static vyre_status vyi_replay_attach(vyi_observer *o, vyre *v, vyre_error *err)
{
    vyre_replay *r = (vyre_replay *)(void *)o;
    if (r->read_only || r->version != 2)
        return vyi_fail(err, VYRE_E_ARGUMENT, r->version, "Open a log of version 2 to write to.",
                        "a handle cannot record into a log of version %u%s", (unsigned)r->version,
                        r->read_only ? " that is open to be read only" : "");
    vyi_mutex_lock(&r->lock);
    const bool taken = r->recorder.v != NULL;
    const bool done = !taken && vyi_replay_adopt(r, v);
    vyi_mutex_unlock(&r->lock);
    if (taken)
        return vyi_fail(err, VYRE_E_REPLAY_BUSY, 0, "Close that handle first, or use two logs.",
                        "another handle records into the log");
    return done ? VYRE_OK : vyi_fail_nomem(err, VYI_NOTES_WORDS * sizeof *r->notes.words);
}

static void vyi_replay_published(vyi_observer *o, vyre *v, const vyre_work *work, vyre_ticket t)
{
    vyre_replay *r = (vyre_replay *)(void *)o;
    const uint32_t words = VYI_NOTE_ARGS + work->arg_count;
    const bool mine = vyi_noter_begin(&r->notes, true);
    (void)v;
    t.slot = VYI_TICKET_SLOT(t);
    if (r->recorder.open[t.slot])
        vyi_replay_note_passed(r, t.slot);
    r->recorder.open[t.slot] = t.generation;
    uint32_t *note = vyi_replay_note(r, VYRE_REPLAY_WORK, (uint32_t)work->priority, words, t);
    note[VYI_NOTE_TENANT] = work->tenant;
    note[VYI_NOTE_OPCODE] = work->opcode;
    memcpy(note + VYI_NOTE_ARGS, work->args, work->arg_count * sizeof *work->args);
    vyi_note_end(r, words);
    vyi_noter_end(&r->notes, mine);
}

static void vyi_replay_ended(vyi_observer *o, vyre *v, vyre_ticket t, vyre_status status,
                             uint32_t code)
{
    vyre_replay *r = (vyre_replay *)(void *)o;
    const bool mine = vyi_noter_begin(&r->notes, false);
    (void)v;
    t.slot = VYI_TICKET_SLOT(t);
    if (t.slot < r->recorder.slots && r->recorder.open[t.slot] == t.generation)
        vyi_replay_note_end(r, t, status, code);
    vyi_noter_end(&r->notes, mine);
}

static void vyi_replay_rested(vyi_observer *o, vyre *v)
{
    vyre_replay *r = (vyre_replay *)(void *)o;
    const bool mine = vyi_noter_begin(&r->notes, false);
    for (uint32_t slot = 0; slot < r->recorder.slots; slot++) {
        const uint32_t mark = vyi_load_acquire(&v->queue.slots.marks[slot]);
        if (r->recorder.open[slot] && (mark & VYI_PHASE_MASK) == VYI_PHASE_FREE)
            vyi_replay_note_passed(r, slot);
    }
    vyi_noter_end(&r->notes, mine);
}

static void vyi_replay_event(vyi_observer *o, vyre *v, uint32_t event)
{
    vyre_replay *r = (vyre_replay *)(void *)o;
    const vyre_ticket none = { 0, 0 };
    const bool mine = vyi_noter_begin(&r->notes, false);
    (void)v;
    uint32_t *note = vyi_replay_note(r, VYRE_REPLAY_EVENT, 0, VYI_NOTE_ARGS, none);
    note[VYI_NOTE_FAILURE] = 0;
    note[VYI_NOTE_CODE] = event;
    vyi_note_end(r, VYI_NOTE_ARGS);
    vyi_noter_end(&r->notes, mine);
}

static void vyi_replay_detach(vyi_observer *o, vyre *v)
{
    vyre_replay *r = (vyre_replay *)(void *)o;
    vyi_replay_rested(o, v);
    vyi_notes_stop(r);
    vyi_mutex_lock(&r->lock);
    vyi_replay_flush(r);
    vyi_replay_forget(r);
    vyi_mutex_unlock(&r->lock);
}

VYI_API void vyi_replay_observe(vyre_replay *r)
{
    r->observer.attach = vyi_replay_attach;
    r->observer.detach = vyi_replay_detach;
    r->observer.published = vyi_replay_published;
    r->observer.ended = vyi_replay_ended;
    r->observer.rested = vyi_replay_rested;
    r->observer.event = vyi_replay_event;
}

#endif /* VYRE_NO_REPLAY */

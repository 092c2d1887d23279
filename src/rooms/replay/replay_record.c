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

/* --- under the log's lock -------------------------------------------------- */

VYI_API void vyi_replay_flush(vyre_replay *r)
{
    vyi_replay_recorder *c = &r->recorder;
    if (c->count == 0)
        return;
    const uint64_t before = r->next;
    if (vyi_replay2_put(r, c->pending, c->count, NULL) < 0)
        c->dropped += c->count - (r->next - before);
    c->count = 0;
}

static void vyi_replay_note(vyre_replay *r, vyre_replay_record *record)
{
    vyi_replay_recorder *c = &r->recorder;
    record->time_ns = vyi_now();
    if (c->count == VYI_REPLAY_PENDING)
        vyi_replay_flush(r);
    vyi_replay2_encode(r, record, r->next + c->count,
                       c->pending + (size_t)c->count * VYI_REPLAY2_RECORD);
    c->count++;
}

static void vyi_replay_note_end(vyre_replay *r, vyre_ticket t, vyre_status status, uint32_t code,
                                uint64_t digest)
{
    vyre_replay_record record;
    memset(&record, 0, sizeof record);
    record.kind = VYRE_REPLAY_END;
    record.slot = t.slot % VYRE_MAX_SLOTS;
    record.generation = t.generation;
    record.ended = true;
    if (status == VYRE_OK)
        record.state = VYRE_SLOT_DONE;
    else if (status == VYRE_E_FAULT)
        record.state = VYRE_SLOT_FAULTED;
    record.failure = status == VYRE_E_LOST ? (uint32_t)VYRE_FAILURE_DEVICE_LOSS
                                           : (uint32_t)vyre_failure_of(status);
    record.code = code;
    record.digest = digest;
    r->recorder.open[record.slot] = 0;
    vyi_replay_note(r, &record);
}

/* A digest of the work's twelve words as they lie in the ring, which takes nothing
 * away from the program; 0: the slot has been used again. */
static uint64_t vyi_replay_peek(const vyre *v, vyre_ticket t)
{
    const uint32_t *at = vyi_device_words(vyi_queue_device(&v->queue), VYI_ROLE_RING) +
                         (size_t)t.slot * VYRE_SLOT_WORDS + VYRE_SLOT_ARGS;
    uint8_t bytes[4 * VYRE_MAX_ARGS];
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
        vyi_set_word(bytes, i, vyi_le32(vyi_load_acquire(at + i)));
    const uint32_t mark = vyi_load_acquire(&v->queue.slots.marks[t.slot]);
    if (vyi_load_acquire(&v->queue.state) == VYI_STATE_LOST ||
        mark >> VYI_GENERATION_BIT != t.generation)
        return 0;
    return vyre_replay_digest(bytes, sizeof bytes);
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
    const bool read = status == VYRE_OK && v->desc.record_results;
    r->recorder.open[slot] = 0;
    if (status != VYRE_E_STALE)
        vyi_replay_note_end(r, t, status, code, read ? vyi_replay_peek(v, t) : 0);
}

/* --- what the engine calls ------------------------------------------------- */

static void vyi_replay_forget(vyre_replay *r)
{
    vyi_replay_recorder *c = &r->recorder;
    vyi_free(&r->allocator, c->open, c->slots * sizeof *c->open);
    vyi_free(&r->allocator, c->pending, VYI_REPLAY_PENDING * VYI_REPLAY2_RECORD);
    c->v = NULL;
    c->open = NULL;
    c->pending = NULL;
    c->slots = 0;
}

static vyre_status vyi_replay_attach(vyi_observer *o, vyre *v, vyre_error *err)
{
    vyre_replay *r = (vyre_replay *)(void *)o;
    vyi_replay_recorder *c = &r->recorder;
    if (r->read_only || r->version != 2)
        return vyi_fail(err, VYRE_E_ARGUMENT, r->version, "Open a log of version 2 to write to.",
                        "a handle cannot record into a log of version %u%s", (unsigned)r->version,
                        r->read_only ? " that is open to be read only" : "");
    vyi_mutex_lock(&r->lock);
    const bool taken = c->v != NULL;
    if (!taken) {
        c->slots = v->queue.slots.count;
        c->open = (uint32_t *)vyi_alloc(&r->allocator, c->slots * sizeof *c->open);
        c->pending = (uint8_t *)vyi_alloc(&r->allocator, VYI_REPLAY_PENDING * VYI_REPLAY2_RECORD);
        c->v = c->open && c->pending ? v : NULL;
    }
    if (!taken && c->v)
        memset(c->open, 0, c->slots * sizeof *c->open);
    else if (!taken)
        vyi_replay_forget(r);
    const bool done = !taken && c->v;
    vyi_mutex_unlock(&r->lock);
    if (taken)
        return vyi_fail(err, VYRE_E_REPLAY_BUSY, 0, "Close that handle first, or use two logs.",
                        "another handle records into the log");
    return done ? VYRE_OK : vyi_fail_nomem(err, VYI_REPLAY_PENDING * VYI_REPLAY2_RECORD);
}

static void vyi_replay_published(vyi_observer *o, vyre *v, const vyre_work *work, vyre_ticket t)
{
    vyre_replay *r = (vyre_replay *)(void *)o;
    vyre_replay_record record;
    (void)v;
    memset(&record, 0, sizeof record);
    record.kind = VYRE_REPLAY_WORK;
    record.slot = t.slot % VYRE_MAX_SLOTS;
    record.generation = t.generation;
    record.tenant = work->tenant;
    record.opcode = work->opcode;
    record.priority = work->priority;
    record.arg_count = work->arg_count;
    memcpy(record.args, work->args, work->arg_count * sizeof *work->args);
    vyi_mutex_lock(&r->lock);
    if (r->recorder.open[record.slot])
        vyi_replay_note_passed(r, record.slot);
    r->recorder.open[record.slot] = t.generation;
    vyi_replay_note(r, &record);
    vyi_mutex_unlock(&r->lock);
}

static void vyi_replay_ended(vyi_observer *o, vyre *v, vyre_ticket t, vyre_status status,
                             uint32_t code)
{
    vyre_replay *r = (vyre_replay *)(void *)o;
    t.slot %= VYRE_MAX_SLOTS; /* the rest names the handle */
    vyi_mutex_lock(&r->lock);
    if (t.slot < r->recorder.slots && r->recorder.open[t.slot] == t.generation) {
        const bool read = status == VYRE_OK && v->desc.record_results;
        vyi_replay_note_end(r, t, status, code, read ? vyi_replay_peek(v, t) : 0);
    }
    vyi_mutex_unlock(&r->lock);
}

static void vyi_replay_rested(vyi_observer *o, vyre *v)
{
    vyre_replay *r = (vyre_replay *)(void *)o;
    vyi_mutex_lock(&r->lock);
    for (uint32_t slot = 0; slot < r->recorder.slots; slot++) {
        const uint32_t mark = vyi_load_acquire(&v->queue.slots.marks[slot]);
        if (r->recorder.open[slot] && (mark & VYI_PHASE_MASK) == VYI_PHASE_FREE)
            vyi_replay_note_passed(r, slot);
    }
    vyi_mutex_unlock(&r->lock);
}

static void vyi_replay_event(vyi_observer *o, vyre *v, uint32_t event)
{
    vyre_replay *r = (vyre_replay *)(void *)o;
    vyre_replay_record record;
    (void)v;
    memset(&record, 0, sizeof record);
    record.kind = VYRE_REPLAY_EVENT;
    record.code = event;
    vyi_mutex_lock(&r->lock);
    vyi_replay_note(r, &record);
    vyi_mutex_unlock(&r->lock);
}

static void vyi_replay_detach(vyi_observer *o, vyre *v)
{
    vyre_replay *r = (vyre_replay *)(void *)o;
    vyi_replay_rested(o, v);
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

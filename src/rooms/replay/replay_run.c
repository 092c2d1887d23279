/* ==========================================================================
 * replay: running a log again, and writing one
 * ======================================================================= */
#include "rooms/replay/replay_run.h"
#include "engine/queue_impl.h"
#include "rooms/replay/replay_impl.h"

#ifndef VYRE_NO_REPLAY

/* --- outcomes ------------------------------------------------------------ */

/* How a work ended, as a log says it. */
typedef struct vyi_replay_outcome {
    uint32_t state, failure, code;
    uint64_t digest; /* 0: its result was not there any more */
} vyi_replay_outcome;

static uint64_t vyi_replay_result(vyre *v, vyre_ticket ticket)
{
    uint32_t args[VYRE_MAX_ARGS];
    uint8_t bytes[4 * VYRE_MAX_ARGS];
    if (vyre_result(v, ticket, args, NULL) != VYRE_OK)
        return 0;
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
        vyi_set_word(bytes, i, args[i]);
    return vyre_replay_digest(bytes, sizeof bytes);
}

/* False: it has not ended, or nobody can say how. */
static bool vyi_replay_outcome_of(vyre *v, vyre_ticket ticket, vyre_status status,
                                  const vyre_error *how, vyi_replay_outcome *out)
{
    memset(out, 0, sizeof *out);
    if (status != VYRE_OK && status != VYRE_E_FAULT)
        return false;
    out->state = status == VYRE_OK ? VYRE_SLOT_DONE : VYRE_SLOT_FAULTED;
    if (status == VYRE_OK) {
        out->digest = vyi_replay_result(v, ticket);
    } else {
        out->failure = (uint32_t)vyre_failure_of(status);
        out->code = (uint32_t)how->native;
    }
    return true;
}

/* --- running ------------------------------------------------------------- */

/* Works of one slot whose ends may still come in the log: a slot is used again when
 * its work has ended, and the program may ask for that end later. */
#define VYI_REPLAY_AGES 4u

/* A work that was published again. */
typedef struct vyi_replay_open {
    uint32_t    generation; /* in the log */
    bool        used, known; /* its end is still to come in the log; its outcome is known */
    vyre_ticket ticket;
    vyi_replay_outcome outcome;
} vyi_replay_open;

typedef struct vyi_replay_player {
    vyre               *v;
    vyre_replay        *log;
    vyre_replay_report *report;
    vyi_replay_open    *open; /* by slot and generation, as the log has them */
    uint32_t            capacity;
    uint32_t            published; /* since the last look at all that are open */
    uint32_t            look_at;   /* publishes between two such looks */
} vyi_replay_player;

/* Waits for one of them, `timeout_ns` at most. */
static vyre_status vyi_replay_settle(vyi_replay_player *p, vyi_replay_open *o, uint64_t timeout_ns,
                                     vyre_error *err)
{
    vyre_error how;
    if (o->known)
        return VYRE_OK;
    memset(&how, 0, sizeof how);
    const vyre_status status = vyre_wait(p->v, o->ticket, timeout_ns, &how);
    if (status == VYRE_TIMEOUT || status == VYRE_E_DEVICE_LOST || status == VYRE_E_STOPPED) {
        if (err)
            *err = how;
        return status;
    }
    o->known = vyi_replay_outcome_of(p->v, o->ticket, status, &how, &o->outcome);
    if (!o->known)
        o->used = false; /* lost, or too late to ask */
    return VYRE_OK;
}

/* Slots are used again: what has ended by now is kept. */
static void vyi_replay_look(vyi_replay_player *p)
{
    for (uint32_t i = 0; i < p->capacity; i++) {
        if (p->open[i].used)
            (void)vyi_replay_settle(p, &p->open[i], 0, NULL);
    }
    p->published = 0;
}

static vyre_status vyi_replay_put(vyi_replay_player *p, const vyre_work *work, vyre_ticket *ticket,
                                  vyre_error *err)
{
    vyi_pace pace = vyi_pace_begin(p->v->desc.run_timeout_ns);
    for (;;) {
        vyre_status status = vyre_publish(p->v, work, ticket, err);
        if (status != VYRE_FULL)
            return status;
        vyi_replay_look(p);
        status = vyi_pace_turn(&p->v->queue, &pace, err);
        if (status == VYRE_TIMEOUT)
            return vyi_fail(err, status, p->report->works,
                            "Look with vyre_stuck(), or give the handle more slots.",
                            "no slot became free for work %llu of the log",
                            (unsigned long long)p->report->works);
        if (status < 0)
            return status;
    }
}

/* Where the record's work has its place among the open ones. */
static uint32_t vyi_replay_place(const vyre_replay_record *record)
{
    VYRE_ASSERT(record->slot < VYRE_MAX_SLOTS);
    return record->slot * VYI_REPLAY_AGES + record->generation % VYI_REPLAY_AGES;
}

/* Room for the slots up to this one. */
static vyre_status vyi_replay_room(vyi_replay_player *p, uint32_t slot, vyre_error *err)
{
    void *open = p->open;
    const uint32_t before = p->capacity;
    if (slot < before / VYI_REPLAY_AGES)
        return VYRE_OK;
    if (slot >= VYRE_MAX_SLOTS)
        return vyi_fail(err, VYRE_E_REPLAY_HEADER, slot, "Run a log that a handle has written.",
                        "the log names slot %u, which no ring has", (unsigned)slot);
    const uint32_t needed = (slot + 1) * VYI_REPLAY_AGES;
    if (!vyi_grow(&p->log->allocator, &open, &p->capacity, needed, sizeof *p->open))
        return vyi_fail_nomem(err, needed * sizeof *p->open);
    p->open = (vyi_replay_open *)open;
    memset(p->open + before, 0, (p->capacity - before) * sizeof *p->open);
    return VYRE_OK;
}

static vyre_status vyi_replay_work(vyi_replay_player *p, const vyre_replay_record *record,
                                   vyre_error *err)
{
    vyre_work work;
    vyre_ticket ticket;
    work.opcode = record->opcode;
    work.tenant = record->tenant;
    work.priority = record->priority;
    work.arg_count = record->arg_count;
    memcpy(work.args, record->args, sizeof work.args);
    vyre_status status = vyi_replay_room(p, record->slot, err);
    if (status >= 0)
        status = vyi_replay_put(p, &work, &ticket, err);
    if (status < 0 || status == VYRE_TIMEOUT)
        return status;
    p->report->works++;
    vyi_replay_open *o = &p->open[vyi_replay_place(record)];
    memset(o, 0, sizeof *o);
    o->generation = record->generation;
    o->ticket = ticket;
    o->used = true;
    if (++p->published >= p->look_at)
        vyi_replay_look(p);
    return VYRE_OK;
}

/* An end that was lost with its device can be compared with nothing. */
static bool vyi_replay_same(const vyre_replay_record *record, const vyi_replay_outcome *now)
{
    if (record->state != now->state)
        return false;
    return record->state != VYRE_SLOT_FAULTED || record->code == now->code;
}

/* Version 1 says nothing of results that could be compared. */
static vyre_status vyi_replay_end(vyi_replay_player *p, const vyre_replay_record *record,
                                  uint64_t sequence, bool digests, vyre_error *err)
{
    const bool known = record->slot < p->capacity / VYI_REPLAY_AGES;
    vyi_replay_open *o = known ? &p->open[vyi_replay_place(record)] : NULL;
    if (!o || !o->used || record->state == VYRE_SLOT_EMPTY || o->generation != record->generation) {
        p->report->lost++;
        return VYRE_OK;
    }
    const vyre_status status = vyi_replay_settle(p, o, p->v->desc.run_timeout_ns, err);
    if (status != VYRE_OK)
        return status;
    if (!o->known) {
        p->report->lost++;
        return VYRE_OK;
    }
    o->used = false;
    bool same = vyi_replay_same(record, &o->outcome);
    if (digests && same && record->digest) {
        p->report->lost += o->outcome.digest == 0;
        same = o->outcome.digest == 0 || o->outcome.digest == record->digest;
    }
    p->report->ends++;
    if (!same && p->report->differences++ == 0)
        p->report->first_difference = sequence;
    return VYRE_OK;
}

/* In version 1 one record is a work, and its end when it says that there was one. */
static vyre_status vyi_replay_step(vyi_replay_player *p, const vyre_replay_record *record,
                                   vyre_error *err)
{
    const bool old = p->log->version == 1;
    const uint64_t sequence = old ? p->report->works + 1 : record->sequence;
    vyre_status status = VYRE_OK;
    if (old || record->kind == VYRE_REPLAY_WORK)
        status = vyi_replay_work(p, record, err);
    if (status == VYRE_OK && record->ended)
        status = vyi_replay_end(p, record, sequence, !old, err);
    return status;
}

static vyre_status vyi_replay_play(vyi_replay_player *p, vyre_error *err)
{
    vyre_replay_record record;
    for (;;) {
        vyre_status status = vyre_replay_next(p->log, &record, err);
        if (status == VYRE_EMPTY)
            break;
        if (status == VYRE_E_REPLAY_LOST) {
            p->report->lost++;
            continue;
        }
        if (status == VYRE_OK)
            status = vyi_replay_step(p, &record, err);
        if (status != VYRE_OK)
            return status;
    }
    const vyre_status status = vyre_drain(p->v, p->v->desc.run_timeout_ns, err);
    return status == VYRE_E_FAULT ? VYRE_OK : status; /* faults of which the log has no end */
}

VYRE_API vyre_status vyre_replay_run(vyre *v, vyre_replay *r, vyre_replay_report *out,
                                     vyre_error *err)
{
    vyre_replay_report report;
    vyi_replay_player player;
    if (!v || !r)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle and an open log.",
                        "the %s is NULL", v ? "log" : "handle");
    memset(&report, 0, sizeof report);
    memset(&player, 0, sizeof player);
    player.v = v;
    player.log = r;
    player.report = &report;
    player.look_at = v->queue.slots.count / 4; /* results last as long at least */
    vyre_replay_rewind(r);
    const vyre_status status = vyi_replay_play(&player, err);
    vyi_free(&r->allocator, player.open, player.capacity * sizeof *player.open);
    if (out)
        *out = report;
    return status;
}

/* --- writing ------------------------------------------------------------- */

VYRE_API vyre_status vyre_replay_publish(vyre_replay *r, vyre *v, const vyre_work *work,
                                         vyre_ticket *ticket, vyre_error *err)
{
    vyre_replay_record record;
    vyre_ticket t;
    if (!r)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open log.", "the log is NULL");
    const vyre_status status = vyre_publish(v, work, &t, err);
    if (status != VYRE_OK)
        return status;
    if (ticket)
        *ticket = t;
    else
        (void)vyre_release(v, t, NULL);
    memset(&record, 0, sizeof record);
    record.time_ns = vyi_now();
    record.kind = VYRE_REPLAY_WORK;
    record.slot = vyre_ticket_slot(t);
    record.generation = t.generation;
    record.tenant = work->tenant;
    record.opcode = work->opcode;
    record.priority = work->priority;
    record.arg_count = work->arg_count;
    memcpy(record.args, work->args, work->arg_count * sizeof *work->args);
    return vyre_replay_append(r, &record, err);
}

VYRE_API vyre_status vyre_replay_wait(vyre_replay *r, vyre *v, vyre_ticket ticket,
                                      uint64_t timeout_ns, vyre_error *err)
{
    vyre_error how;
    vyi_replay_outcome outcome;
    vyre_replay_record record;
    if (!r)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open log.", "the log is NULL");
    memset(&how, 0, sizeof how);
    const vyre_status status = vyre_wait(v, ticket, timeout_ns, &how);
    if (err && status != VYRE_OK)
        *err = how;
    if (!vyi_replay_outcome_of(v, ticket, status, &how, &outcome))
        return status;
    memset(&record, 0, sizeof record);
    record.time_ns = vyi_now();
    record.kind = VYRE_REPLAY_END;
    record.slot = vyre_ticket_slot(ticket);
    record.generation = ticket.generation;
    record.ended = true;
    record.state = outcome.state;
    record.failure = outcome.failure;
    record.code = outcome.code;
    record.digest = outcome.digest;
    const vyre_status appended = vyre_replay_append(r, &record, err);
    return appended < 0 ? appended : status;
}

#endif /* VYRE_NO_REPLAY */

/* ==========================================================================
 * trace: implementation
 *
 * Each slot is a track of its own, because jobs of several slots overlap and slices
 * of one track must not.  Launches run one after the other, so one track does for
 * them: a launch begins when the one before it has ended, or later.
 * ======================================================================= */
#include "rooms/trace/trace.h"
#include "engine/queue_impl.h"

#ifndef VYRE_NO_TRACE

#define VYI_TRACE_LAUNCHES 64u /* that are followed at a time */

typedef struct vyi_trace_job {
    uint64_t since; /* 0: none is open */
    uint32_t opcode;
    bool     named; /* the track has its name */
} vyi_trace_job;

typedef struct vyi_trace_launch {
    uint64_t since;
    uint32_t number;
    bool     lease, open;
} vyi_trace_launch;

typedef struct vyi_trace_writer {
    vyre            *v;
    vyre_trace_write write;
    void            *user;
    vyi_trace_job   *jobs; /* by slot */
    vyi_trace_launch launches[VYI_TRACE_LAUNCHES]; /* by number */
    uint64_t         launch_end; /* of the last one that ended */
    uint64_t         origin;     /* time 0 of the text */
} vyi_trace_writer;

typedef struct vyi_trace_event {
    uint64_t time;
    uint32_t kind, slot, value;
} vyi_trace_event;

/* --- text ---------------------------------------------------------------- */

static void vyi_trace_text(const vyi_trace_writer *w, const char *text)
{
    w->write(w->user, text, strlen(text));
}

/* What stands in a string of JSON. */
static void vyi_trace_name(const vyi_trace_writer *w, const char *name)
{
    for (; *name; name++) {
        char escaped[8];
        if (*name == '"' || *name == '\\')
            snprintf(escaped, sizeof escaped, "\\%c", *name);
        else if ((uint8_t)*name < 0x20)
            snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)(uint8_t)*name);
        else
            snprintf(escaped, sizeof escaped, "%c", *name);
        vyi_trace_text(w, escaped);
    }
}

/* Nanoseconds as microseconds with three digits. */
static void vyi_trace_time(const vyi_trace_writer *w, const char *key, uint64_t ns)
{
    char text[48];
    snprintf(text, sizeof text, "\"%s\":%llu.%03u", key, (unsigned long long)(ns / 1000u),
             (unsigned)(ns % 1000u));
    vyi_trace_text(w, text);
}

static void vyi_trace_track(const vyi_trace_writer *w, uint32_t track, const char *name)
{
    char text[256];
    snprintf(text, sizeof text,
             ",\n{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":1,\"tid\":%u,"
             "\"args\":{\"name\":\"%s\"}}", (unsigned)track, name);
    vyi_trace_text(w, text);
}

/* A slice up to the comma before its arguments. */
static void vyi_trace_slice(const vyi_trace_writer *w, const char *name, uint32_t track,
                            uint64_t since, uint64_t until)
{
    char text[48];
    vyi_trace_text(w, ",\n{\"name\":\"");
    vyi_trace_name(w, name);
    snprintf(text, sizeof text, "\",\"ph\":\"X\",\"pid\":1,\"tid\":%u,", (unsigned)track);
    vyi_trace_text(w, text);
    vyi_trace_time(w, "ts", since - w->origin);
    vyi_trace_text(w, ",");
    vyi_trace_time(w, "dur", until - since);
}

static void vyi_trace_instant(const vyi_trace_writer *w, const char *name, uint64_t time)
{
    vyi_trace_text(w, ",\n{\"name\":\"");
    vyi_trace_text(w, name);
    vyi_trace_text(w, "\",\"ph\":\"i\",\"s\":\"g\",\"pid\":1,\"tid\":0,");
    vyi_trace_time(w, "ts", time - w->origin);
    vyi_trace_text(w, "}");
}

/* --- events -------------------------------------------------------------- */

/* False: it was overwritten before or while it was read. */
static bool vyi_trace_read(const vyi_trace *t, uint32_t index, vyi_trace_event *out)
{
    const uint32_t *at = t->events + 4 * (size_t)(index & t->mask);
    uint32_t words[4];
    for (uint32_t i = 0; i < 4; i++)
        words[i] = vyi_load_acquire(at + i);
    out->time = words[0] | (uint64_t)words[1] << 32;
    out->kind = words[2] >> VYI_TRACE_KIND_BIT;
    out->slot = words[2] & ((1u << VYI_TRACE_KIND_BIT) - 1u);
    out->value = words[3];
    return vyi_load_acquire(&t->head) - index <= t->mask + 1u && out->time != 0;
}

static void vyi_trace_end_job(vyi_trace_writer *w, uint32_t slot, uint64_t time, const char *end)
{
    vyi_trace_job *job = &w->jobs[slot];
    char text[96];
    if (!job->since)
        return;
    if (!job->named) {
        snprintf(text, sizeof text, "slot %u", (unsigned)slot);
        vyi_trace_track(w, slot + 1, text);
        job->named = true;
    }
    vyi_trace_slice(w, vyi_handler_name(w->v, job->opcode), slot + 1, job->since,
                    time > job->since ? time : job->since);
    snprintf(text, sizeof text, ",\"args\":{\"opcode\":\"0x%x\",\"end\":\"%s\"}}",
             (unsigned)job->opcode, end);
    vyi_trace_text(w, text);
    job->since = 0;
}

static void vyi_trace_end_launch(vyi_trace_writer *w, uint32_t number, uint64_t time)
{
    vyi_trace_launch *l = &w->launches[number % VYI_TRACE_LAUNCHES];
    char text[48];
    if (!l->open || l->number != number)
        return;
    const uint64_t since = l->since > w->launch_end ? l->since : w->launch_end;
    vyi_trace_slice(w, l->lease ? "lease" : "pass", 0, since, time > since ? time : since);
    snprintf(text, sizeof text, ",\"args\":{\"number\":%u}}", (unsigned)number);
    vyi_trace_text(w, text);
    w->launch_end = time > since ? time : since;
    l->open = false;
}

static void vyi_trace_launched(vyi_trace_writer *w, const vyi_trace_event *e)
{
    vyi_trace_launch *l = &w->launches[e->value % VYI_TRACE_LAUNCHES];
    l->since = e->time;
    l->number = e->value;
    l->lease = e->kind == VYI_TRACE_LEASE;
    l->open = true;
}

static void vyi_trace_published(vyi_trace_writer *w, const vyi_trace_event *e)
{
    vyi_trace_end_job(w, e->slot, e->time, "not asked for"); /* the slot is used again */
    w->jobs[e->slot].since = e->time;
    w->jobs[e->slot].opcode = e->value;
}

static void vyi_trace_rested(vyi_trace_writer *w, uint64_t time)
{
    for (uint32_t slot = 0; slot < w->v->queue.slots.count; slot++)
        vyi_trace_end_job(w, slot, time, "drained");
}

static void vyi_trace_event_text(vyi_trace_writer *w, const vyi_trace_event *e)
{
    static const char *const events[4] = { "event", "start", "stop", "recover" };
    if (e->slot >= w->v->queue.slots.count)
        return;
    switch (e->kind) {
    case VYI_TRACE_PUBLISH: vyi_trace_published(w, e); break;
    case VYI_TRACE_DONE: vyi_trace_end_job(w, e->slot, e->time, "DONE"); break;
    case VYI_TRACE_FAULT: vyi_trace_end_job(w, e->slot, e->time, "FAULT"); break;
    case VYI_TRACE_RESTED: vyi_trace_rested(w, e->time); break;
    case VYI_TRACE_LEASE:
    case VYI_TRACE_PASS: vyi_trace_launched(w, e); break;
    case VYI_TRACE_LAUNCH_END: vyi_trace_end_launch(w, e->value, e->time); break;
    default: vyi_trace_instant(w, events[e->value < 4 ? e->value : 0], e->time); break;
    }
}

static void vyi_trace_all(vyi_trace_writer *w, const vyi_trace *t)
{
    const uint32_t head = vyi_load_acquire(&t->head), room = t->mask + 1u;
    const uint32_t count = head < room ? head : room;
    char text[96];
    vyi_trace_event e;
    vyi_trace_text(w, "[{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":1,\"tid\":0,"
                      "\"args\":{\"name\":\"vyre\"}}");
    vyi_trace_track(w, 0, "launches");
    for (uint32_t i = 0; i < count; i++) {
        if (!vyi_trace_read(t, head - count + i, &e))
            continue;
        w->origin = w->origin ? w->origin : e.time;
        if (e.time >= w->origin) /* threads note in another order than they look at the clock */
            vyi_trace_event_text(w, &e);
    }
    snprintf(text, sizeof text,
             ",\n{\"name\":\"dropped\",\"ph\":\"M\",\"pid\":1,\"tid\":0,"
             "\"args\":{\"events\":%u}}]\n", (unsigned)(head - count));
    vyi_trace_text(w, text);
}

VYRE_API vyre_status vyre_trace_json(vyre *v, vyre_trace_write write, void *user,
                                     vyre_error *err)
{
    vyi_trace_writer w;
    if (!v || !write)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle and a function.",
                        "%s is NULL", v ? "the function" : "the handle");
    if (!v->trace.events)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Set vyre_desc.trace_events, to 65536 or so.",
                        "the handle keeps no events");
    memset(&w, 0, sizeof w);
    w.v = v;
    w.write = write;
    w.user = user;
    const size_t size = v->queue.slots.count * sizeof *w.jobs;
    w.jobs = (vyi_trace_job *)vyi_alloc(&v->desc.allocator, size);
    if (!w.jobs)
        return vyi_fail_nomem(err, size);
    memset(w.jobs, 0, size);
    vyi_trace_all(&w, &v->trace);
    vyi_free(&v->desc.allocator, w.jobs, size);
    return VYRE_OK;
}

#endif /* VYRE_NO_TRACE */

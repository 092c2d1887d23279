/* ==========================================================================
 * trace: implementation
 *
 * Each slot is a track of its own, because jobs of several slots overlap and slices
 * of one track must not.  Launches run one after the other, so one track does for
 * them: a launch begins when the one before it has ended, or later.
 *
 * The device's clock is another one, of its own rate.  A job tells of both: it was
 * claimed after its publish had begun, and has ended before that was seen.  So the line
 * from ticks to the host's nanoseconds runs above all publishes and below all ends.  The
 * shortest of the first and of the last jobs say roughly what its rate is; then it is the
 * line that leaves most room to both sides, and half of that room is told as the error.
 * Where the driver says what both clocks are at a moment (VK_EXT_calibrated_timestamps),
 * two moments make a line, too.  It is taken if jobs do not contradict it, and by how much
 * they do is a part of its error.
 * ======================================================================= */
#include "rooms/trace/trace.h"
#include "engine/engine_slots_impl.h"

#ifndef VYRE_NO_TRACE

#define VYI_TRACE_LAUNCHES 64u /* that are followed at a time */
#define VYI_TRACE_PATIENCE_NS 20000000u /* for the lock, under which rows are emptied */

/* The slot's last work.  What the device tells of it may come before its end was seen,
 * or after, but before the next publish. */
typedef struct vyi_trace_job {
    uint64_t since; /* 0: none is open */
    uint64_t until; /* its end; 0: that has not come */
    uint64_t claim; /* the device's ticks; 0: it has not told */
    uint32_t ran;   /* so many later it ended */
    uint32_t opcode;
    const char *end; /* how it did */
    bool     asked; /* somebody has seen that at once */
    uint32_t named; /* opcode of the last work of groups, and */
    bool     known; /* there was one */
    uint64_t shown; /* where the track's last slice ends */
} vyi_trace_job;

/* A moment of both clocks, of which one is known to come first. */
typedef struct vyi_trace_bound {
    uint64_t host, ticks; /* host 0: there is none */
} vyi_trace_bound;

typedef struct vyi_trace_echo {
    vyi_trace_bound publish, end;
} vyi_trace_echo;

#define VYI_TRACE_WINDOWS 64u

typedef struct vyi_trace_line {
    vyi_trace_bound at;   /* a point of it; host 0: nothing is known */
    double          rate; /* nanoseconds of a tick */
} vyi_trace_line;

typedef struct vyi_trace_clock {
    /* Of the jobs in each part of the trace: the shortest; then those that bound the line
     * most. */
    vyi_trace_echo  shortest[VYI_TRACE_WINDOWS];
    vyi_trace_bound above[VYI_TRACE_WINDOWS], below[VYI_TRACE_WINDOWS];
    vyi_trace_line line;
    double   doubt;       /* how far the first guess may be off, in parts of it */
    uint64_t first, last; /* ticks of echoes */
    uint64_t echoes, error;
    vyi_moment now;       /* the later moment; the earlier one is the handle's */
    uint64_t apart;       /* the lines of echoes and moments, where that is most */
    bool     told, agree; /* there are moments; and they are of the clock that works find */
} vyi_trace_clock;

typedef struct vyi_trace_launch {
    uint64_t since;
    uint32_t number;
    bool     lease, open;
} vyi_trace_launch;

typedef struct vyi_trace_writer vyi_trace_writer;
struct vyi_trace_writer {
    vyre            *v;
    vyre_trace_write write;
    void            *user;
    vyi_trace_job   *jobs; /* by slot, and so */
    vyi_trace_found *left; /* what of it is not among the events */
    bool            *named; /* the slot's track has its name */
    /* Of each turn through the events: who is told of a job that has ended, and of any
     * event, before jobs know of it. */
    void (*ended)(vyi_trace_writer *w, uint32_t slot);
    void (*event)(vyi_trace_writer *w, const vyi_trace_event *e);
    vyi_trace_launch launches[VYI_TRACE_LAUNCHES]; /* by number */
    uint64_t         launch_end; /* of the last one that ended */
    uint64_t         origin;     /* time 0 of the text */
    vyi_scale        scale;      /* of the timer that notes times */
    vyi_trace_clock  clock;
    vyi_trace_bound  unwrapped;  /* a tick that is known; host 0: none yet */
    uint64_t         untimed;    /* jobs whose times on the device are not known */
    uint64_t         row_end[8]; /* of each group's last slice; 0: the track has no name */
};

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
    vyi_trace_time(w, "ts", since > w->origin ? since - w->origin : 0);
    vyi_trace_text(w, ",");
    vyi_trace_time(w, "dur", until - since);
}

/* On one track, or (0) over all. */
static void vyi_trace_instant(const vyi_trace_writer *w, const char *name, uint32_t track,
                              uint64_t time)
{
    char text[64];
    vyi_trace_text(w, ",\n{\"name\":\"");
    vyi_trace_text(w, name);
    snprintf(text, sizeof text, "\",\"ph\":\"i\",\"s\":\"%c\",\"pid\":1,\"tid\":%u,",
             track ? 't' : 'g', (unsigned)track);
    vyi_trace_text(w, text);
    vyi_trace_time(w, "ts", time > w->origin ? time - w->origin : 0);
    vyi_trace_text(w, "}");
}

/* --- the device's clock ---------------------------------------------------- */

static uint64_t vyi_echo_took(const vyi_trace_echo *e)
{
    return e->publish.host ? e->end.host - e->publish.host : UINT64_MAX;
}

/* In which part of the trace these ticks are. */
static uint32_t vyi_clock_window(const vyi_trace_clock *c, uint64_t ticks)
{
    const double span = (double)(c->last - c->first);
    const double at = span > 0 ? (double)(ticks - c->first) / span * VYI_TRACE_WINDOWS : 0;
    return at < VYI_TRACE_WINDOWS ? (uint32_t)at : VYI_TRACE_WINDOWS - 1;
}

/* By how much the host is ahead of the line. */
static double vyi_clock_ahead(const vyi_trace_line *l, const vyi_trace_bound *b)
{
    const double ticks = b->ticks >= l->at.ticks ? (double)(b->ticks - l->at.ticks)
                                                 : -(double)(l->at.ticks - b->ticks);
    const double host = b->host >= l->at.host ? (double)(b->host - l->at.host)
                                              : -(double)(l->at.host - b->host);
    return host - ticks * l->rate;
}

/* The shortest of the first quarter, and of the rest, are the first guess. */
static void vyi_clock_guess(vyi_trace_clock *c)
{
    vyi_trace_echo first, last;
    memset(&first, 0, sizeof first);
    memset(&last, 0, sizeof last);
    for (uint32_t i = 0; i < VYI_TRACE_WINDOWS; i++) {
        vyi_trace_echo *best = i < VYI_TRACE_WINDOWS / 4 ? &first : &last;
        if (vyi_echo_took(&c->shortest[i]) < vyi_echo_took(best))
            *best = c->shortest[i];
    }
    c->line.rate = 1;
    c->doubt = 0;
    c->line.at = first.publish.host ? first.publish : last.publish;
    if (!first.publish.host || !last.publish.host || last.publish.ticks <= first.publish.ticks)
        return;
    const double took = (double)(vyi_echo_took(&first) + vyi_echo_took(&last));
    const double apart = (double)last.publish.host - (double)first.publish.host;
    if (apart > 4 * took) {
        c->line.rate = apart / (double)(last.publish.ticks - first.publish.ticks);
        c->doubt = took / apart;
    }
}

/* The room between what the line must stay above and below of, and its middle. */
static double vyi_clock_room(const vyi_trace_clock *c, double rate, double *middle)
{
    double above = -1e300, below = 1e300;
    vyi_trace_line line = c->line;
    line.rate = rate;
    for (uint32_t i = 0; i < VYI_TRACE_WINDOWS; i++) {
        const double a = c->above[i].host ? vyi_clock_ahead(&line, &c->above[i]) : above;
        const double b = c->below[i].host ? vyi_clock_ahead(&line, &c->below[i]) : below;
        above = a > above ? a : above;
        below = b < below ? b : below;
    }
    *middle = (above + below) / 2;
    return below - above;
}

/* The rate that leaves most room.  The room is a concave function of it. */
static void vyi_clock_finish(vyi_trace_clock *c)
{
    const double rate = c->line.rate;
    double low = rate * (1 - c->doubt), high = rate * (1 + c->doubt), middle = 0;
    if (!c->echoes)
        return;
    for (unsigned turn = 0; turn < 200 && high > low; turn++) {
        const double third = (high - low) / 3;
        if (vyi_clock_room(c, low + third, &middle) < vyi_clock_room(c, high - third, &middle))
            low += third;
        else
            high -= third;
    }
    c->line.rate = (low + high) / 2;
    const double room = vyi_clock_room(c, c->line.rate, &middle);
    c->error = (uint64_t)((room < 0 ? -room : room) / 2);
    c->line.at.host += (uint64_t)(int64_t)middle;
}

#define VYI_CLOCK_DENIED_NS 5000.0 /* so far off, it is another clock */

/* How far jobs say that the line is off: what was claimed was published, what ended was
 * not seen yet. */
static double vyi_clock_denied(const vyi_trace_clock *c, const vyi_trace_line *line)
{
    double most = 0;
    for (uint32_t i = 0; i < VYI_TRACE_WINDOWS; i++) {
        const double early = c->above[i].host ? vyi_clock_ahead(line, &c->above[i]) : 0;
        const double late = c->below[i].host ? -vyi_clock_ahead(line, &c->below[i]) : 0;
        most = early > most ? early : most;
        most = late > most ? late : most;
    }
    return most;
}

static double vyi_clock_apart(const vyi_trace_line *a, const vyi_trace_line *b, uint64_t ticks)
{
    vyi_trace_bound at;
    at.ticks = ticks;
    at.host = b->at.host;
    const double apart = vyi_clock_ahead(a, &at) - vyi_clock_ahead(b, &at);
    return apart < 0 ? -apart : apart;
}

/* The line through two moments, held against that of echoes, and taken if it is surer. */
static void vyi_clock_compare(vyi_trace_clock *c, const vyi_moment *from, const vyi_moment *to)
{
    vyi_trace_line line;
    if (!from->host || to->host <= from->host || to->ticks <= from->ticks)
        return;
    line.at.host = from->host;
    line.at.ticks = from->ticks;
    line.rate = (double)(to->host - from->host) / (double)(to->ticks - from->ticks);
    const double denied = vyi_clock_denied(c, &line);
    const double first = vyi_clock_apart(&line, &c->line, c->first);
    const double last = vyi_clock_apart(&line, &c->line, c->last);
    c->told = true;
    c->agree = c->echoes && denied <= VYI_CLOCK_DENIED_NS;
    if (!c->agree)
        return;
    const uint64_t deviation = from->deviation > to->deviation ? from->deviation : to->deviation;
    c->apart = (uint64_t)(first > last ? first : last);
    if (deviation + (uint64_t)denied >= c->error)
        return;
    c->error = deviation + (uint64_t)denied;
    c->line = line;
}

static uint64_t vyi_clock_host(const vyi_trace_clock *c, uint64_t ticks)
{
    const vyi_trace_line *l = &c->line;
    const double off = ticks >= l->at.ticks ? (double)(ticks - l->at.ticks) * l->rate
                                            : -(double)(l->at.ticks - ticks) * l->rate;
    return l->at.host + (uint64_t)(int64_t)off;
}

/* --- events -------------------------------------------------------------- */

/* When the device says that the job ran, inside of the time that the host knows; false:
 * not known. */
static bool vyi_trace_ran(const vyi_trace_writer *w, const vyi_trace_job *job, uint64_t *from,
                          uint64_t *to)
{
    const uint64_t end = job->until;
    const uint64_t slack = 2 * w->clock.error + 1000u;
    if (!job->claim || !w->clock.line.at.host)
        return false;
    *from = vyi_clock_host(&w->clock, job->claim);
    *to = vyi_clock_host(&w->clock, job->claim + job->ran);
    if (*from + slack < job->since || *to > end + slack || *to < *from)
        return false;
    *from = *from < job->since ? job->since : *from < end ? *from : end;
    *to = *to < *from ? *from : *to < end ? *to : end;
    return true;
}

static void vyi_trace_track_of(vyi_trace_writer *w, uint32_t slot)
{
    char text[32];
    if (w->named[slot])
        return;
    snprintf(text, sizeof text, "slot %u", (unsigned)slot);
    vyi_trace_track(w, slot + 1, text);
    w->named[slot] = true;
}

static void vyi_trace_job_text(vyi_trace_writer *w, uint32_t slot)
{
    vyi_trace_job *job = &w->jobs[slot];
    uint64_t from, to;
    char text[96];
    job->since = job->since > job->shown ? job->since : job->shown; /* it was noted late */
    job->until = job->until > job->since ? job->until : job->since;
    job->shown = job->until;
    vyi_trace_track_of(w, slot);
    vyi_trace_slice(w, vyi_handler_name(w->v, job->opcode), slot + 1, job->since, job->until);
    snprintf(text, sizeof text, ",\"args\":{\"opcode\":\"0x%x\",\"end\":\"%s\"}}",
             (unsigned)job->opcode, job->end);
    vyi_trace_text(w, text);
    if (!vyi_trace_ran(w, job, &from, &to)) {
        w->untimed++;
        return;
    }
    vyi_trace_slice(w, "on the device", slot + 1, from, to);
    vyi_trace_text(w, "}");
}

/* A chunk of a wide work, of one of the groups that are traced.  A look may have found it
 * before the publish of its work was noted. */
static void vyi_trace_chunk(vyi_trace_writer *w, const vyi_trace_event *e)
{
    const uint32_t row = e->kind - VYI_TRACE_CHUNK;
    const uint32_t track = w->v->queue.slots.count + 1 + row;
    char text[48];
    uint64_t from, to;
    if (!w->clock.line.at.host)
        return;
    from = vyi_clock_host(&w->clock, e->time);
    to = vyi_clock_host(&w->clock, e->time + e->value);
    if (!w->row_end[row]) {
        snprintf(text, sizeof text, "group %u, of its chunks", (unsigned)row);
        vyi_trace_track(w, track, text);
    }
    from = from < w->origin ? w->origin : from;
    from = from < w->row_end[row] ? w->row_end[row] : from;
    to = to < from ? from : to;
    vyi_trace_slice(w, w->jobs[e->slot].known
                           ? vyi_handler_name(w->v, w->jobs[e->slot].named) : "a chunk",
                    track, from, to);
    snprintf(text, sizeof text, ",\"args\":{\"slot\":%u}}", (unsigned)e->slot);
    vyi_trace_text(w, text);
    w->row_end[row] = to;
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

static void vyi_trace_faulted(vyi_trace_writer *w, const vyi_trace_event *e)
{
    char text[32];
    if (!w->jobs[e->slot].since || w->jobs[e->slot].until)
        return;
    vyi_trace_track_of(w, e->slot);
    snprintf(text, sizeof text, "fault %u", (unsigned)e->value);
    vyi_trace_instant(w, text, e->slot + 1, e->time);
}

static void vyi_trace_answered(vyi_trace_writer *w, const vyi_trace_event *e)
{
    char text[48];
    if (e->slot < VYRE_IO_SLOTS)
        snprintf(text, sizeof text, "IO %u: %s", (unsigned)e->slot, e->value ? "ERROR" : "OK");
    else
        snprintf(text, sizeof text, "read: %s", e->value ? "ERROR" : "OK");
    vyi_trace_instant(w, text, 0, e->time);
}

static void vyi_trace_event_text(vyi_trace_writer *w, const vyi_trace_event *e)
{
    static const char *const events[4] = { "event", "start", "stop", "recover" };
    switch (e->kind) {
    case VYI_TRACE_FAULT: vyi_trace_faulted(w, e); break;
    case VYI_TRACE_LEASE:
    case VYI_TRACE_PASS: vyi_trace_launched(w, e); break;
    case VYI_TRACE_LAUNCH_END: vyi_trace_end_launch(w, e->value, e->time); break;
    case VYI_TRACE_IO: vyi_trace_answered(w, e); break;
    case VYI_TRACE_EVENT:
        vyi_trace_instant(w, events[e->value < 4 ? e->value : 0], 0, e->time);
        break;
    default:
        if (e->kind >= VYI_TRACE_CHUNK)
            vyi_trace_chunk(w, e);
        break;
    }
}

/* --- turns through the events ------------------------------------------------------------ */

/* Of a clock whose high word is 0 (llvmpipe's always is, seen in Mesa 22.3): what it
 * would say if it went on, one tick being about a nanosecond. */
static uint64_t vyi_trace_unwrap(vyi_trace_writer *w, uint64_t ticks, uint64_t host)
{
    const uint64_t wrap = (uint64_t)1 << 32;
    if (!w->unwrapped.host) {
        w->unwrapped.host = host;
        w->unwrapped.ticks = ticks + 256 * wrap;
    }
    const uint64_t about = w->unwrapped.ticks + (host - w->unwrapped.host) + wrap / 2;
    return ticks + (about - ticks) / wrap * wrap;
}

static void vyi_trace_end_job(vyi_trace_writer *w, uint32_t slot, uint64_t time, const char *end,
                              bool asked)
{
    vyi_trace_job *job = &w->jobs[slot];
    if (!job->since || job->until)
        return;
    job->until = time > job->since ? time : job->since;
    job->end = end;
    job->asked = asked;
}

/* Of a job that is open, near the time at which it was. */
static void vyi_trace_told(vyi_trace_writer *w, uint32_t slot, uint64_t begin, uint32_t span)
{
    vyi_trace_job *job = &w->jobs[slot];
    if (begin >> 32 == 0)
        begin = vyi_trace_unwrap(w, begin, job->until ? job->until : job->since);
    job->claim = begin;
    job->ran = span;
}

/* Nothing more will come of the slot's job. */
static void vyi_trace_close(vyi_trace_writer *w, uint32_t slot)
{
    vyi_trace_job *job = &w->jobs[slot];
    if (job->since && job->until)
        w->ended(w, slot);
    job->since = job->until = job->claim = 0;
}

static void vyi_trace_opened(vyi_trace_writer *w, const vyi_trace_event *e)
{
    vyi_trace_job *job = &w->jobs[e->slot];
    vyi_trace_end_job(w, e->slot, e->time, "not asked for", false); /* the slot is used again */
    vyi_trace_close(w, e->slot);
    job->since = e->time;
    job->opcode = e->value;
}

static void vyi_trace_step(vyi_trace_writer *w, const vyi_trace_event *e)
{
    switch (e->kind) {
    case VYI_TRACE_PUBLISH: vyi_trace_opened(w, e); break;
    case VYI_TRACE_DONE: vyi_trace_end_job(w, e->slot, e->time, "DONE", true); break;
    case VYI_TRACE_FAULT: vyi_trace_end_job(w, e->slot, e->time, "FAULT", true); break;
    case VYI_TRACE_DRAINED: vyi_trace_end_job(w, e->slot, e->time, "drained", false); break;
    case VYI_TRACE_NAMED:
        w->jobs[e->slot].named = e->value;
        w->jobs[e->slot].known = true;
        break;
    case VYI_TRACE_RAN:
        if (w->jobs[e->slot].since)
            vyi_trace_told(w, e->slot, e->time, e->value);
        break;
    default: break;
    }
}

static void vyi_trace_feed(vyi_trace_writer *w, const vyi_trace_event *e)
{
    if (w->event)
        w->event(w, e);
    vyi_trace_step(w, e);
}

/* Whether a slot tells of its works by this. */
static bool vyi_trace_is_card(uint32_t kind)
{
    return kind == VYI_TRACE_PUBLISH || kind == VYI_TRACE_DONE || kind == VYI_TRACE_FAULT ||
           kind == VYI_TRACE_DRAINED || kind == VYI_TRACE_RAN;
}

/* An event that is there, and was when its slot's card was read: what has come from the
 * card since is left over from it. */
static bool vyi_trace_next(const vyi_trace_writer *w, uint32_t head, uint32_t index,
                           vyi_trace_event *out)
{
    if (!vyi_trace_read(&w->v->trace, index, out) || out->slot >= w->v->queue.slots.count)
        return false;
    const vyi_trace_found *f = &w->left[out->slot];
    if (out->kind < VYI_TRACE_CHUNK && out->kind != VYI_TRACE_RAN)
        out->time = vyi_scale_ns(&w->scale, out->time);
    return !vyi_trace_is_card(out->kind) || (f->moved && head - index > head - f->behind);
}

/* Each event that is still there: those of a slot in their order, others in between. */
static void vyi_trace_events(vyi_trace_writer *w, uint32_t head, uint32_t count)
{
    vyi_trace_event e;
    uint64_t now = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!vyi_trace_next(w, head, head - count + i, &e))
            continue;
        const bool chunk = e.kind >= VYI_TRACE_CHUNK, device = chunk || e.kind == VYI_TRACE_RAN;
        if (chunk && e.time >> 32 == 0)
            e.time = vyi_trace_unwrap(w, e.time, now);
        if (!device)
            now = e.time;
        vyi_trace_feed(w, &e);
    }
}

/* The earliest of the host's times. */
static void vyi_trace_begin_at(vyi_trace_writer *w, uint32_t head, uint32_t count)
{
    vyi_trace_event e;
    w->origin = UINT64_MAX;
    for (uint32_t i = 0; i < count; i++) {
        if (vyi_trace_next(w, head, head - count + i, &e) && e.kind < VYI_TRACE_CHUNK &&
            e.kind != VYI_TRACE_RAN && e.time < w->origin)
            w->origin = e.time;
    }
    for (uint32_t slot = 0; slot < w->v->queue.slots.count; slot++) {
        const uint64_t since = w->left[slot].since;
        if (since && since < w->origin)
            w->origin = since;
    }
}

static void vyi_trace_feed_left(vyi_trace_writer *w, uint32_t slot)
{
    const vyi_trace_found *f = &w->left[slot];
    const vyi_trace_event events[4] = { { f->before.until, f->before.kind, slot, f->before.code },
                                        { f->since, VYI_TRACE_PUBLISH, slot, f->opcode },
                                        { f->end.until, f->end.kind, slot, f->end.code },
                                        { f->begin, VYI_TRACE_RAN, slot, f->span } };
    for (unsigned i = 0; i < 4; i++) {
        if (events[i].time)
            vyi_trace_feed(w, &events[i]);
    }
}

static void vyi_trace_turn(vyi_trace_writer *w, uint32_t head, uint32_t count,
                           void (*ended)(vyi_trace_writer *w, uint32_t slot),
                           void (*event)(vyi_trace_writer *w, const vyi_trace_event *e))
{
    const uint32_t slots = w->v->queue.slots.count;
    w->ended = ended;
    w->event = event;
    vyi_trace_events(w, head, count);
    for (uint32_t slot = 0; slot < slots; slot++) {
        vyi_trace_feed_left(w, slot);
        vyi_trace_close(w, slot);
    }
    memset(w->jobs, 0, slots * sizeof *w->jobs);
}

/* A job whose end was seen at once, as an echo. */
static bool vyi_trace_echo_of(const vyi_trace_writer *w, uint32_t slot, vyi_trace_echo *out)
{
    const vyi_trace_job *job = &w->jobs[slot];
    out->publish.host = job->since;
    out->publish.ticks = job->claim;
    out->end.host = job->until;
    out->end.ticks = job->claim + job->ran;
    return job->asked && job->claim && job->until > job->since;
}

static void vyi_trace_extent(vyi_trace_writer *w, uint32_t slot)
{
    vyi_trace_clock *c = &w->clock;
    vyi_trace_echo echo;
    if (!vyi_trace_echo_of(w, slot, &echo))
        return;
    c->first = c->echoes && c->first < echo.publish.ticks ? c->first : echo.publish.ticks;
    c->last = c->last > echo.publish.ticks ? c->last : echo.publish.ticks;
    c->echoes++;
}

static void vyi_trace_short(vyi_trace_writer *w, uint32_t slot)
{
    vyi_trace_clock *c = &w->clock;
    vyi_trace_echo echo;
    if (!vyi_trace_echo_of(w, slot, &echo))
        return;
    vyi_trace_echo *best = &c->shortest[vyi_clock_window(c, echo.publish.ticks)];
    if (vyi_echo_took(&echo) < vyi_echo_took(best))
        *best = echo;
}

static void vyi_trace_bounds(vyi_trace_writer *w, uint32_t slot)
{
    vyi_trace_clock *c = &w->clock;
    vyi_trace_echo echo;
    if (!vyi_trace_echo_of(w, slot, &echo))
        return;
    const uint32_t window = vyi_clock_window(c, echo.publish.ticks);
    vyi_trace_bound *above = &c->above[window], *below = &c->below[window];
    if (!above->host || vyi_clock_ahead(&c->line, &echo.publish) > vyi_clock_ahead(&c->line, above))
        *above = echo.publish;
    if (!below->host || vyi_clock_ahead(&c->line, &echo.end) < vyi_clock_ahead(&c->line, below))
        *below = echo.end;
}

static void vyi_trace_find_clock(vyi_trace_writer *w, uint32_t head, uint32_t count)
{
    vyi_trace_clock *c = &w->clock;
    vyi_trace_turn(w, head, count, vyi_trace_extent, NULL);
    if (w->v->backend->id == VYRE_BACKEND_CPU) { /* its clock is the host's */
        c->line.at.host = c->line.at.ticks = w->origin;
        c->line.rate = 1;
        return;
    }
    vyi_trace_turn(w, head, count, vyi_trace_short, NULL);
    vyi_clock_guess(c);
    vyi_trace_turn(w, head, count, vyi_trace_bounds, NULL);
    vyi_clock_finish(c);
    vyi_clock_compare(c, &w->v->trace.opened, &c->now);
}

/* What the picture does not show. */
static void vyi_trace_ending(const vyi_trace_writer *w, uint32_t dropped)
{
    const vyi_trace_clock *c = &w->clock;
    char text[192], apart[48] = "";
    if (c->agree)
        snprintf(apart, sizeof apart, ",\"apart_ns\":%llu", (unsigned long long)c->apart);
    snprintf(text, sizeof text,
             ",\n{\"name\":\"clock\",\"ph\":\"M\",\"pid\":1,\"tid\":0,\"args\":{"
             "\"error_ns\":%llu,\"echoes\":%llu,\"tick_ps\":%llu,\"moments\":%u%s}}",
             (unsigned long long)c->error, (unsigned long long)c->echoes,
             (unsigned long long)(c->line.rate * 1000 + 0.5),
             (unsigned)(c->told + c->agree), apart);
    vyi_trace_text(w, text);
    snprintf(text, sizeof text,
             ",\n{\"name\":\"dropped\",\"ph\":\"M\",\"pid\":1,\"tid\":0,"
             "\"args\":{\"untimed\":%llu,\"chunks\":%u,\"events\":%u}}]\n",
             (unsigned long long)w->untimed, (unsigned)w->v->trace.missed, (unsigned)dropped);
    vyi_trace_text(w, text);
}

static void vyi_trace_scaled(const vyi_trace_writer *w, uint64_t *time)
{
    *time = *time ? vyi_scale_ns(&w->scale, *time) : 0;
}

/* What cards say, slot by slot.  Who makes slots ready has a moment for it; of a slot that
 * takes longer there is nothing. */
static void vyi_trace_gather(vyi_trace_writer *w)
{
    w->scale = vyi_scale_now(&w->v->trace.timer);
    const uint64_t deadline = w->scale.ns + VYI_TRACE_PATIENCE_NS;
    for (uint32_t slot = 0; slot < w->v->queue.slots.count; slot++) {
        vyi_trace_found *f = &w->left[slot];
        if (!vyi_trace_look(w->v, slot, deadline, f))
            memset(f, 0, sizeof *f);
        if (vyi_load_acquire(&w->v->queue.state) == VYI_STATE_LOST)
            f->begin = 0; /* its memory may say anything */
        vyi_trace_scaled(w, &f->before.until);
        vyi_trace_scaled(w, &f->since);
        vyi_trace_scaled(w, &f->end.until);
    }
}

static void vyi_trace_all(vyi_trace_writer *w, const vyi_trace *t)
{
    const uint32_t head = vyi_load_acquire(&t->head), room = t->mask + 1u;
    const uint32_t count = head < room ? head : room;
    vyi_trace_begin_at(w, head, count);
    vyi_trace_find_clock(w, head, count);
    vyi_trace_text(w, "[{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":1,\"tid\":0,"
                      "\"args\":{\"name\":\"vyre\"}}");
    vyi_trace_track(w, 0, "launches");
    vyi_trace_turn(w, head, count, vyi_trace_job_text, vyi_trace_event_text);
    vyi_trace_ending(w, head - count);
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
    const uint32_t slots = v->queue.slots.count;
    const size_t size = slots * (sizeof *w.jobs + sizeof *w.left + sizeof *w.named);
    w.jobs = (vyi_trace_job *)vyi_alloc(&v->desc.allocator, size);
    if (!w.jobs)
        return vyi_fail_nomem(err, size);
    memset(w.jobs, 0, size);
    w.left = (vyi_trace_found *)(void *)(w.jobs + slots);
    w.named = (bool *)(w.left + slots);
    if (vyi_lock_until(v, vyi_now() + VYI_TRACE_PATIENCE_NS)) {
        vyi_trace_rows(v);
        if (v->queue.state != VYI_STATE_LOST)
            vyi_trace_moment(v, vyi_queue_device(&v->queue), &w.clock.now);
        vyi_mutex_unlock(&v->lock);
    }
    vyi_trace_gather(&w); /* before the events are counted */
    vyi_trace_all(&w, &v->trace);
    vyi_free(&v->desc.allocator, w.jobs, size);
    return VYRE_OK;
}

#endif /* VYRE_NO_TRACE */

/* trace: the text is JSON, its slices are where they belong, what the device tells lies
 * inside of what the host knows, and what does not fit is counted. */
#include "inside.h"

#include "engine.h"

#include <ctype.h>
#include <pthread.h>

static vyre_error err;

typedef struct text {
    char  *bytes;
    size_t size, room;
} text;

static void collect(void *user, const char *bytes, size_t count)
{
    text *t = (text *)user;
    while (t->size + count + 1 > t->room) {
        t->room = 2 * t->room + 65536;
        t->bytes = (char *)realloc(t->bytes, t->room);
        CHECK(t->bytes != NULL);
    }
    memcpy(t->bytes + t->size, bytes, count);
    t->size += count;
    t->bytes[t->size] = '\0';
}

static text trace_of(vyre *v)
{
    text t = { NULL, 0, 0 };
    CHECK_EQ(vyre_trace_json(v, collect, &t, &err), VYRE_OK);
    CHECK(t.bytes && strlen(t.bytes) == t.size);
    return t;
}

/* --- JSON ---------------------------------------------------------------- */

static const char *skip_blanks(const char *at)
{
    while (isspace((unsigned char)*at))
        at++;
    return at;
}

static const char *check_string(const char *at)
{
    CHECK(*at == '"');
    for (at++; *at != '"'; at++) {
        CHECK((unsigned char)*at >= 0x20);
        if (*at == '\\') {
            at++;
            CHECK(*at && strchr("\"\\/bfnrtu", *at) != NULL);
        }
    }
    return at + 1;
}

/* One value, by JSON's rules; where it ends. */
static const char *check_value(const char *at)
{
    at = skip_blanks(at);
    if (*at == '"')
        return check_string(at);
    if (*at == '[' || *at == '{') {
        const char close = *at == '[' ? ']' : '}';
        for (bool first = true;; first = false) {
            at = skip_blanks(at + 1);
            if (first && *at == close)
                return at + 1;
            if (close == '}') {
                at = skip_blanks(check_string(at));
                CHECK(*at == ':');
                at++;
            }
            at = skip_blanks(check_value(at));
            if (*at == close)
                return at + 1;
            CHECK(*at == ',');
        }
    }
    char *end;
    (void)strtod(at, &end);
    CHECK(end != at);
    return end;
}

static void check_json(const char *bytes)
{
    CHECK(*bytes == '[');
    CHECK(*skip_blanks(check_value(bytes)) == '\0');
}

/* --- slices -------------------------------------------------------------- */

typedef struct slice {
    char     name[32];
    uint32_t track;
    double   begin, end;
} slice;

/* The slice of a line, if it is one. */
static bool parse_slice(const char *line, slice *out)
{
    double length;
    if (sscanf(line, "{\"name\":\"%31[^\"]\",\"ph\":\"X\",\"pid\":1,\"tid\":%u,\"ts\":%lf,\"dur\":%lf",
               out->name, &out->track, &out->begin, &length) != 4)
        return false;
    out->end = out->begin + length;
    return true;
}

enum { SLOTS = 64, SLOTS_MOST = SLOTS + 32 /* wide ones */, ROWS = 8, CHUNKS_MOST = 4096 };

typedef struct found {
    unsigned jobs, launches, tracks, ran, chunks, untimed;
    double   error; /* microseconds */
    bool     clock;
} found;

/* A number of the last lines. */
static double told(const char *bytes, const char *key)
{
    const char *at = strstr(bytes, key);
    CHECK(at != NULL);
    return atof(at + strlen(key));
}

static bool is_job(const char *name)
{
    return strcmp(name, "square") == 0 || strcmp(name, "fa\\\\ult") == 0 ||
           strcmp(name, "fill") == 0;
}

/* What stands on the track so far: the end of its last slice, and the last job. */
typedef struct track {
    double end;
    slice  job;
} track;

/* A slice of the host's, after the one before it; or one of the device's, inside of it. */
static void check_slice(const slice *s, track *t, found *f, uint32_t slots)
{
    CHECK(s->end >= s->begin);
    if (s->track > slots) {
        CHECK(s->track <= slots + ROWS && s->begin >= t->end - 0.0005);
        CHECK(strcmp(s->name, "fill") == 0 || strcmp(s->name, "a chunk") == 0);
        f->chunks++;
        t->end = s->end;
        return;
    }
    if (strcmp(s->name, "on the device") == 0) {
        CHECK(s->begin >= t->job.begin - 0.0005 && s->end <= t->job.end + 0.0005);
        CHECK(s->track != 0);
        f->ran++;
        return;
    }
    CHECK(s->begin >= t->end - 0.0005);
    CHECK(s->track ? is_job(s->name)
                   : strcmp(s->name, "lease") == 0 || strcmp(s->name, "pass") == 0);
    f->tracks += s->track && t->end == 0;
    f->jobs += s->track != 0;
    f->launches += s->track == 0;
    t->end = s->end;
    t->job = *s;
}

/* The slices of a track follow each other and do not overlap: Perfetto drops those that
 * overlap in part. */
static found check_nesting(const char *bytes, uint32_t slots)
{
    static track tracks[SLOTS_MOST + ROWS + 1];
    found f;
    memset(&f, 0, sizeof f);
    memset(tracks, 0, sizeof tracks);
    for (const char *line = bytes; line; line = strchr(line, '\n')) {
        slice s;
        line += *line == '\n' || *line == '[';
        if (!parse_slice(line, &s))
            continue;
        CHECK(s.track <= slots + ROWS);
        check_slice(&s, &tracks[s.track], &f, slots);
    }
    f.untimed = (unsigned)told(bytes, "\"untimed\":");
    f.error = told(bytes, "\"error_ns\":") / 1000;
    f.clock = told(bytes, "\"echoes\":") > 0;
    CHECK_EQ(f.ran + f.untimed, f.jobs);
    return f;
}

static found check_slices(const char *bytes, uint32_t slots)
{
    const found f = check_nesting(bytes, slots);
    if (backend_under_test == VYRE_BACKEND_CPU)
        CHECK_EQ(f.untimed, 0);
    return f;
}

static unsigned count_text(const char *bytes, const char *what)
{
    unsigned count = 0;
    while ((bytes = strstr(bytes, what)) != NULL) {
        bytes++;
        count++;
    }
    return count;
}

/* --- cases --------------------------------------------------------------- */

#define OP_FILL 0x1200u /* a range: user buffer 0 [index] = a2 */

static void emit_fill(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_ir_store(p, s->buffers[0], s->index, s->arg[2]);
}

static const vyre_handler handlers[3] = {
    VYRE_HANDLER(OP_SQUARE, emit_square, NULL, "square"),
    VYRE_HANDLER(OP_FAULT, emit_fault, NULL, "fa\\ult"),
    { OP_FILL, emit_fill, NULL, "fill", VYRE_WIDTH_RANGE, 1024, NULL, 0 }
};

static vyre *open_with(uint32_t events, uint32_t count)
{
    vyre_desc d = engine_desc(SLOTS);
    d.kernel.handlers = handlers;
    d.kernel.handler_count = count;
    d.trace_events = events;
    return engine_open(&d);
}

static vyre *open_traced(uint32_t events)
{
    return open_with(events, 2);
}

static void jobs_and_launches(void)
{
    vyre *v = open_traced(65536);
    vyre_work many[10];
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < 300; i++) {
        vyre_ticket t = engine_publish(v, engine_work(i % 50 ? OP_SQUARE : OP_FAULT, 2, i, i));
        CHECK_EQ(vyre_wait(v, t, 10 * SECOND, &err), i % 50 ? VYRE_OK : VYRE_E_FAULT);
        if (i % 7 == 0)
            (void)vyre_poll(v, t); /* asked again: no second slice */
    }
    for (uint32_t i = 0; i < 10; i++)
        many[i] = engine_work(OP_SQUARE, 2, i, i);
    CHECK_EQ(vyre_publish_many(v, many, 10, NULL, NULL, &err), VYRE_OK);
    CHECK_EQ(vyre_drain(v, 10 * SECOND, &err), VYRE_OK);
    CHECK_EQ(vyre_stop(v, 10 * SECOND, &err), VYRE_OK);
    text t = trace_of(v);
    check_json(t.bytes);
    found f = check_slices(t.bytes, SLOTS);
    CHECK_EQ(f.jobs, 310);
    CHECK(f.launches >= 1); /* a stop waits for all */
    CHECK_EQ(f.tracks, 64);
    CHECK_EQ(count_text(t.bytes, "thread_name"), 65);
    CHECK_EQ(count_text(t.bytes, "\"end\":\"DONE\""), 294);
    CHECK_EQ(count_text(t.bytes, "\"end\":\"FAULT\""), 6);
    CHECK_EQ(count_text(t.bytes, "\"name\":\"fault "), 6);
    CHECK_EQ(count_text(t.bytes, "\"name\":\"fault 306\""), 1); /* VYRE_FAULT_USER + 50 */
    CHECK_EQ(count_text(t.bytes, "\"end\":\"drained\""), 10);
    CHECK_EQ(count_text(t.bytes, "\"name\":\"start\""), 1);
    CHECK_EQ(count_text(t.bytes, "\"name\":\"stop\""), 1);
    CHECK(strstr(t.bytes, "\"events\":0}}]"));
    free(t.bytes);
    vyre_close(v);
}

/* The pass that has ended the last work may still have others at hand. */
static vyre_ticket publish_when_free(vyre *v, vyre_work w)
{
    vyre_ticket t = { 0, 0 };
    vyre_status status = VYRE_FULL;
    for (uint64_t end = engine_now() + 10 * SECOND; status == VYRE_FULL && engine_now() < end;)
        status = vyre_publish(v, &w, &t, &err);
    CHECK_EQ(status, VYRE_OK);
    return t;
}

/* Works that nobody asks for end when their slots are used again. */
static void passes_and_reuse(void)
{
    vyre *v = open_traced(4096);
    for (uint32_t round = 0; round < 3; round++) {
        vyre_ticket last = { 0, 0 };
        for (uint32_t i = 0; i < 64; i++)
            last = publish_when_free(v, engine_work(OP_SQUARE, 2, i, i));
        CHECK_EQ(vyre_wait(v, last, 10 * SECOND, &err), VYRE_OK);
    }
    text t = trace_of(v);
    check_json(t.bytes);
    found f = check_slices(t.bytes, SLOTS);
    CHECK_EQ(f.jobs, 2 * 64 + 1);
    CHECK(f.launches >= 2); /* whether the last one has ended nobody may have looked yet */
    CHECK_EQ(count_text(t.bytes, "\"end\":\"not asked for\""), 2 * 64 - 2);
    CHECK_EQ(count_text(t.bytes, "\"name\":\"pass\""), f.launches);
    free(t.bytes);
    vyre_close(v);
}

static void the_oldest_are_dropped(void)
{
    vyre *v = open_traced(1);
    for (uint32_t i = 0; i < 100; i++) {
        vyre_ticket t = engine_publish(v, engine_work(OP_SQUARE, 2, i, i));
        CHECK_EQ(vyre_wait(v, t, 10 * SECOND, &err), VYRE_OK);
    }
    text t = trace_of(v);
    check_json(t.bytes);
    found f = check_slices(t.bytes, SLOTS);
    CHECK(f.jobs >= 3 && f.jobs <= SLOTS + 8); /* each slot's last one stays longer */
    CHECK(!strstr(t.bytes, "\"events\":0}}]"));
    free(t.bytes);
    vyre_close(v);
}

/* Threads share a small ring, so that slots are used again while others look at their
 * works, and at the trace. */
enum { THREADS = 3, TURNS = 400 };

static void *publish_and_wait(void *user)
{
    vyre *v = (vyre *)user;
    for (uint32_t i = 0; i < TURNS; i++) {
        vyre_ticket t = engine_publish(v, engine_work(OP_SQUARE, 2, i, i));
        CHECK_EQ(vyre_wait(v, t, 20 * SECOND, NULL), VYRE_OK);
    }
    return NULL;
}

static void threads_and_few_slots(void)
{
    vyre_desc d = engine_desc(8);
    pthread_t threads[THREADS];
    d.kernel.handlers = handlers;
    d.kernel.handler_count = 2;
    d.trace_events = 65536;
    vyre *v = engine_open(&d);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, publish_and_wait, v), 0);
    for (uint32_t i = 0; i < 5; i++) {
        text t = trace_of(v);
        check_json(t.bytes);
        free(t.bytes);
    }
    for (uint32_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    text t = trace_of(v);
    check_json(t.bytes);
    CHECK_EQ(count_text(t.bytes, "\"name\":\"square\""), THREADS * TURNS); /* nobody notes late */
    CHECK_EQ(check_nesting(t.bytes, 8).jobs, THREADS * TURNS);
    CHECK_EQ(count_text(t.bytes, "\"end\":\"DONE\"") + count_text(t.bytes, "\"end\":\"not asked for\""),
             THREADS * TURNS);
    free(t.bytes);
    vyre_close(v);
}

/* --- who is late --------------------------------------------------------------- */

/* Sees the end of a work as a thread does that has not noted it yet. */
static void see_end(vyre *v, vyre_ticket t, vyre_status expected)
{
    uint32_t code;
    vyre_status status = VYRE_PENDING;
    for (uint64_t end = engine_now() + 10 * SECOND; status == VYRE_PENDING && engine_now() < end;) {
        status = vyi_ticket_look(&v->queue, t, &code);
        if (status == VYRE_PENDING)
            (void)vyi_queue_nudge(&v->queue, VYI_EFFORT_WORK, NULL);
    }
    CHECK_EQ(status, expected);
}

/* The names, kinds of ends and codes of a handle's jobs, in their order on the track of
 * slot 0. */
static void check_track(vyre *v, const char *const *names, const char *const *ends, unsigned count)
{
    text t = trace_of(v);
    unsigned n = 0;
    check_json(t.bytes);
    for (const char *at = t.bytes; (at = strstr(at, "\"ph\":\"X\",\"pid\":1,\"tid\":1,")); at++) {
        const char *line = at, *stop = strchr(at, '\n');
        char what[64];
        while (line > t.bytes && line[-1] != '\n')
            line--;
        if (strncmp(line, "{\"name\":\"on the", 15) == 0)
            continue;
        CHECK(n < count);
        snprintf(what, sizeof what, "{\"name\":\"%s\"", names[n]);
        CHECK(strncmp(line, what, strlen(what)) == 0);
        snprintf(what, sizeof what, "\"end\":\"%s\"", ends[n]);
        const char *end = strstr(at, what);
        CHECK(end && stop && end < stop);
        n++;
    }
    CHECK_EQ(n, count);
    free(t.bytes);
}

/* One slot.  A thread has seen the end of a work, and is held up before it notes that, until
 * others have used the slot: its note is of that work, or of none. */
static void an_end_that_is_noted_late(void)
{
    static const char *const names[4] = { "square", "fa\\\\ult", "square", "fa\\\\ult" };
    static const char *const ends[4] = { "DONE", "FAULT", "not asked for", "FAULT" };
    vyre_desc d = engine_desc(1);
    vyre_ticket t[4];
    d.kernel.handlers = handlers;
    d.kernel.handler_count = 2;
    d.trace_events = 64;
    vyre *v = engine_open(&d);
    t[0] = publish_when_free(v, engine_work(OP_SQUARE, 2, 1, 1));
    see_end(v, t[0], VYRE_OK);
    t[1] = publish_when_free(v, engine_work(OP_FAULT, 1, 3, 0));
    vyi_tell_end(v, t[0], VYRE_OK, 0); /* one work late */
    CHECK_EQ(vyre_wait(v, t[1], 10 * SECOND, &err), VYRE_E_FAULT);
    check_track(v, names, ends, 2);
    t[2] = publish_when_free(v, engine_work(OP_SQUARE, 2, 1, 1));
    see_end(v, t[2], VYRE_OK);
    t[3] = publish_when_free(v, engine_work(OP_FAULT, 1, 4, 0));
    check_track(v, names, ends, 3); /* what was moved meanwhile stands there once */
    CHECK_EQ(vyre_wait(v, t[3], 10 * SECOND, &err), VYRE_E_FAULT);
    vyi_tell_end(v, t[1], VYRE_OK, 0); /* two works late, and once more */
    check_track(v, names, ends, 4);
    vyre_close(v);
}

/* A card that is changing, and events that are being written, are waited for or left out: a
 * text never has half of a work. */
static void cards_that_change(void)
{
    vyre_desc d = engine_desc(1);
    d.kernel.handlers = handlers;
    d.kernel.handler_count = 2;
    d.trace_events = 64;
    vyre *v = engine_open(&d);
    static const char *const names[1] = { "square" }, *const ends[1] = { "DONE" };
    vyre_ticket t = engine_publish(v, engine_work(OP_SQUARE, 2, 1, 1));
    CHECK_EQ(vyre_wait(v, t, 10 * SECOND, &err), VYRE_OK);
    check_track(v, names, ends, 1);
    const uint32_t moved = v->trace.cards[VYI_CARD_MOVED];
    v->trace.cards[VYI_CARD_MOVED] = moved | VYI_CARD_MOVING; /* by who stands still */
    check_track(v, names, ends, 0);
    v->trace.cards[VYI_CARD_MOVED] = moved;
    check_track(v, names, ends, 1);
    const uint32_t head = v->trace.head;
    vyi_trace_take(v, 0, 1);
    check_track(v, names, ends, 1); /* as events now, and once */
    CHECK_EQ(v->trace.cards[VYI_CARD_BEHIND], v->trace.head);
    v->trace.cards[VYI_CARD_MOVED] = moved; /* as who has read it before they were events */
    v->trace.cards[VYI_CARD_BEHIND] = 0;
    check_track(v, names, ends, 1);
    v->trace.cards[VYI_CARD_MOVED] = v->trace.cards[VYI_CARD_PUBLISHED];
    v->trace.cards[VYI_CARD_BEHIND] = v->trace.head;
    vyi_trace_take(v, 0, 1);
    CHECK(v->trace.head - head <= 3);
    vyi_trace_event e;
    CHECK(vyi_trace_read(&v->trace, head, &e));
    CHECK_EQ(e.kind, VYI_TRACE_PUBLISH);
    CHECK(!vyi_trace_read(&v->trace, head + 64, &e)); /* a round later: not there yet */
    v->trace.events[4 * (head & v->trace.mask) + 2] = 0;
    CHECK(!vyi_trace_read(&v->trace, head, &e));
    vyre_close(v);
}

/* --- wide works --------------------------------------------------------------- */

/* A thousand jobs of a lane, and twenty wide ones, whose chunks have rows. */
static void lanes_and_groups(void)
{
    vyre *v = open_with(65536, 3);
    const bool passes = vyi_queue_device(&v->queue)->wide_groups == 0;
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < 1020; i++) {
        vyre_work w = engine_work(OP_SQUARE, 2, i, i);
        if (i % 51 == 50)
            w = engine_work(OP_FILL, 3, 0, 32768);
        vyre_ticket t = engine_publish(v, w);
        CHECK_EQ(vyre_wait(v, t, 20 * SECOND, &err), VYRE_OK);
    }
    CHECK_EQ(vyre_stop(v, 10 * SECOND, &err), VYRE_OK);
    text t = trace_of(v);
    check_json(t.bytes);
    found f = check_slices(t.bytes, SLOTS_MOST);
    CHECK_EQ(f.jobs, 1020);
    printf("%s: error %.3f us, %u of 1020 jobs without times, %u chunks\n",
           backend_under_test == VYRE_BACKEND_CPU ? "cpu" : "vulkan", f.error, f.untimed, f.chunks);
    if (f.clock) {
        CHECK(f.ran >= 1000);
        /* Groups that wait for works share chunks with many that have no row. */
        CHECK(f.chunks >= 1 && f.chunks <= 20 * 32);
        CHECK(count_text(t.bytes, "of its chunks") <= ROWS);
        if (passes)
            CHECK_EQ(f.chunks, 20 * ROWS);
    }
    CHECK_EQ(told(t.bytes, "\"chunks\":"), 0);
    free(t.bytes);
    vyre_close(v);
}

/* Two chunks that wait for each other: each thread of the CPU backend has a row. */
static const char *const meet_text =
    "atomicAdd(x[0], 1u); uint seen = 0u; "
    "for (uint i = 0u; i < 10000u && seen < 2u; i++) seen = atomicAdd(x[0], 0u);";

static void each_group_has_its_row(void)
{
    static const vyre_handler meet = { OP_FILL, NULL, NULL, "fill", VYRE_WIDTH_RANGE, 1, meet_text, 0 };
    static const vyre_buffer_desc buffer = { "x", 4, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, 1, false,
                                             0, 0 };
    vyre_desc d = engine_desc(SLOTS);
    unsigned rows = 0;
    if (backend_under_test != VYRE_BACKEND_CPU)
        return;
    d.kernel.handlers = &meet;
    d.kernel.handler_count = 1;
    d.kernel.buffers = &buffer;
    d.kernel.buffer_count = 1;
    d.trace_events = 4096;
    d.cpu_threads = 2;
    vyre *v = engine_open(&d);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < 200 && rows < 2; i++) {
        const uint32_t zero = 0;
        CHECK_EQ(vyre_write(v, 0, 0, &zero, sizeof zero, &err), VYRE_OK);
        vyre_ticket t = engine_publish(v, engine_work(OP_FILL, 2, 0, 2));
        CHECK_EQ(vyre_wait(v, t, 20 * SECOND, &err), VYRE_OK);
        text t2 = trace_of(v);
        rows = count_text(t2.bytes, "of its chunks");
        free(t2.bytes);
    }
    CHECK_EQ(rows, 2);
    vyre_close(v);
}

/* What a device stores that ran 300 chunks in a row while nobody looked. */
static void rows_that_were_overwritten(void)
{
    vyre *v = open_with(1024, 3);
    uint32_t *row = vyi_device_words(vyi_queue_device(&v->queue), v->trace.times) +
                    2 * VYI_TIMES_ROW_WORDS;
    for (uint32_t i = 0; i < 300; i++) {
        uint32_t *at = row + i % VYI_TIMES_CHUNKS * VYI_TIMES_CHUNK_WORDS;
        at[VYI_TIMES_BEGIN] = vyi_le32(1000 + i);
        at[VYI_TIMES_END] = vyi_le32(1000 + i + 7);
        at[VYI_TIMES_SLOT] = vyi_le32(SLOTS);
        at[VYI_TIMES_NUMBER] = vyi_le32(i + 1);
        if (i == 3)
            vyi_trace_rows(v);
    }
    CHECK_EQ(v->trace.head, 4);
    vyi_trace_rows(v);
    CHECK_EQ(v->trace.rows[2], 300);
    CHECK_EQ(v->trace.head, 4 + VYI_TIMES_CHUNKS);
    CHECK_EQ(v->trace.missed, 300 - 4 - VYI_TIMES_CHUNKS);
    vyi_trace_rows(v);
    CHECK_EQ(v->trace.head, 4 + VYI_TIMES_CHUNKS);
    /* And chunks that are none: without a begin, without an end, of a slot that is not there. */
    for (uint32_t i = 300; i < 303; i++) {
        uint32_t *at = row + i % VYI_TIMES_CHUNKS * VYI_TIMES_CHUNK_WORDS;
        at[VYI_TIMES_BEGIN] = i == 300 ? 0 : vyi_le32(7000);
        at[VYI_TIMES_END] = i == 301 ? 0 : vyi_le32(7001);
        at[VYI_TIMES_SLOT] = vyi_le32(i == 302 ? v->queue.slots.count : SLOTS);
        at[VYI_TIMES_NUMBER] = vyi_le32(i + 1);
    }
    vyi_trace_rows(v);
    CHECK_EQ(v->trace.head, 4 + VYI_TIMES_CHUNKS);
    CHECK_EQ(v->trace.missed, 300 - 4 - VYI_TIMES_CHUNKS + 3);
    vyre_close(v);
}

/* --- the clock, and what a driver says of it --------------------------------- */

static uint64_t moment_ahead; /* of the clock that works find */

static bool told_moment(vyi_device *d, vyi_moment *out)
{
    (void)d;
    out->host = vyi_now();
    out->ticks = out->host + moment_ahead;
    out->deviation = 50;
    return true;
}

/* The CPU backend's clock is the host's; here it passes for another, of which jobs tell,
 * and a driver. */
static text trace_by_moments(vyre *v, uint64_t ahead)
{
    const vyi_backend *own = v->backend;
    vyi_backend other = *own;
    other.id = VYRE_BACKEND_VULKAN;
    other.moment = told_moment;
    moment_ahead = ahead;
    v->trace.opened.ticks = v->trace.opened.host + ahead;
    v->backend = &other;
    text t = trace_of(v);
    v->backend = own;
    return t;
}

static void moments_and_jobs(void)
{
    if (backend_under_test != VYRE_BACKEND_CPU)
        return;
    vyre *v = open_traced(4096);
    v->trace.opened.host = vyi_now();
    v->trace.opened.deviation = 50;
    double longest = 0;
    for (uint32_t i = 0; i < 100; i++) {
        const uint64_t begin = engine_now();
        vyre_ticket t = engine_publish(v, engine_work(OP_SQUARE, 2, i, i));
        CHECK_EQ(vyre_wait(v, t, 10 * SECOND, &err), VYRE_OK);
        longest = (double)(engine_now() - begin) > longest ? (double)(engine_now() - begin) : longest;
    }
    text same = trace_by_moments(v, 0), off = trace_by_moments(v, 100000000);
    CHECK_EQ(told(same.bytes, "\"moments\":"), 2);
    CHECK_EQ(told(same.bytes, "\"error_ns\":"), 50); /* no job denies what is so */
    const double jobs = told(off.bytes, "\"error_ns\":"), apart = told(same.bytes, "\"apart_ns\":");
    CHECK(apart <= 2 * longest + 1000); /* both are within each job */
    CHECK_EQ(told(off.bytes, "\"moments\":"), 1);
    CHECK(strstr(off.bytes, "apart_ns") == NULL);
    printf("cpu: jobs alone tell the clock with an error of %.0f ns, and are off by %.0f\n", jobs, apart);
    check_json(same.bytes);
    CHECK_EQ(check_slices(same.bytes, SLOTS).ran, 100);
    free(same.bytes);
    free(off.bytes);
    vyre_close(v);
}

/* --- off ---------------------------------------------------------------------- */

static bool has_clock(const vyre_program *p)
{
    for (uint32_t i = 0; p && i < p->count; i++) {
        if (p->insts[i].op == VYI_OP_CLOCK)
            return true;
    }
    return false;
}

static uint64_t digest_of(const vyre_program *p)
{
    const size_t size = vyre_program_text(p, NULL, 0);
    char *listing = (char *)malloc(size + 1);
    CHECK(listing != NULL);
    (void)vyre_program_text(p, listing, size + 1);
    const uint64_t digest = vyre_replay_digest(listing, size);
    free(listing);
    return digest;
}

/* A handle that is not traced has the kernel that vyre_kernel_build_for makes, whose
 * listings tests/golden has. */
static void off_is_the_same_kernel(void)
{
    vyre_desc d = engine_desc(SLOTS);
    vyre_kernel_host host;
    vyre *off = engine_open(&d), *on = open_traced(16);
    memset(&host, 0, sizeof host);
    host.mirror_binding = off->buffers.list[off->queue.slots.mirror].binding;
    host.cancel_binding = off->buffers.list[off->queue.slots.cancel].binding;
    host.count_each = off->backend->abort != NULL;
    d.kernel.lane_count = off->desc.kernel.lane_count;
    d.kernel.workgroup_size = off->desc.kernel.workgroup_size;
    d.kernel.loop_allowance = off->desc.kernel.loop_allowance;
    vyre_program *p = vyre_kernel_build_for(&d.kernel, &host, &err);
    if (!p)
        test_fail(__FILE__, __LINE__, "%s", err.text);
    CHECK_EQ(digest_of(off->programs.loop), digest_of(p));
    CHECK(!has_clock(off->programs.loop) && !has_clock(off->programs.once));
    CHECK(has_clock(on->programs.loop) && has_clock(on->programs.once));
    vyre_program_destroy(p);
    vyre_close(off);
    vyre_close(on);
}

static void what_cannot_be_traced(void)
{
    vyre_desc d = engine_desc(64);
    text t = { NULL, 0, 0 };
    vyre *v = engine_open(&d);
    CHECK_EQ(vyre_trace_json(v, collect, &t, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_trace_json(NULL, collect, &t, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_trace_json(v, NULL, &t, &err), VYRE_E_ARGUMENT);
    CHECK(t.bytes == NULL);
    vyre_close(v);
    d.trace_events = UINT32_MAX;
    CHECK(vyre_open(&d, &err) == NULL);
    CHECK_EQ(err.status, VYRE_E_OVF);
}

static const engine_case cases[] = {
    ENGINE_CASE(jobs_and_launches),
    ENGINE_CASE(passes_and_reuse),
    ENGINE_CASE(the_oldest_are_dropped),
    ENGINE_CASE(threads_and_few_slots),
    ENGINE_CASE(an_end_that_is_noted_late),
    ENGINE_CASE(cards_that_change),
    ENGINE_CASE(lanes_and_groups),
    ENGINE_CASE(each_group_has_its_row),
    ENGINE_CASE(rows_that_were_overwritten),
    ENGINE_CASE(moments_and_jobs),
    ENGINE_CASE(off_is_the_same_kernel),
    ENGINE_CASE(what_cannot_be_traced),
};

int main(void)
{
    engine_run_cases(cases, sizeof cases / sizeof cases[0]);
    return test_end();
}

/* trace: the text is JSON, its slices are where they belong, and what does not fit is
 * counted. */
#include "engine.h"

#include <ctype.h>

static vyre_error err;

typedef struct text {
    char  *bytes;
    size_t size;
} text;

static void collect(void *user, const char *bytes, size_t count)
{
    text *t = (text *)user;
    t->bytes = (char *)realloc(t->bytes, t->size + count + 1);
    memcpy(t->bytes + t->size, bytes, count);
    t->size += count;
    t->bytes[t->size] = '\0';
}

static text trace_of(vyre *v)
{
    text t = { NULL, 0 };
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

typedef struct found {
    unsigned jobs, launches, tracks;
} found;

/* The slices of a track follow each other and do not overlap. */
static found check_slices(const char *bytes)
{
    static double last[65];
    found f = { 0, 0, 0 };
    memset(last, 0, sizeof last);
    for (const char *line = bytes; line; line = strchr(line, '\n')) {
        slice s;
        line += *line == '\n' || *line == '[';
        if (!parse_slice(line, &s))
            continue;
        CHECK(s.track <= 64 && s.begin >= last[s.track] - 0.0005 && s.end >= s.begin);
        f.tracks += s.track && last[s.track] == 0;
        last[s.track] = s.end;
        f.jobs += s.track != 0;
        f.launches += s.track == 0;
        CHECK(s.track ? strcmp(s.name, "square") == 0 || strcmp(s.name, "fa\\\\ult") == 0
                      : strcmp(s.name, "lease") == 0 || strcmp(s.name, "pass") == 0);
    }
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

static const vyre_handler handlers[2] = { VYRE_HANDLER(OP_SQUARE, emit_square, NULL, "square"),
                                          { OP_FAULT, emit_fault, NULL, "fa\\ult" } };

static vyre *open_traced(uint32_t events)
{
    vyre_desc d = engine_desc(64);
    d.kernel.handlers = handlers;
    d.kernel.handler_count = 2;
    d.trace_events = events;
    return engine_open(&d);
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
    found f = check_slices(t.bytes);
    CHECK_EQ(f.jobs, 310);
    CHECK(f.launches >= 1); /* a stop waits for all */
    CHECK_EQ(f.tracks, 64);
    CHECK_EQ(count_text(t.bytes, "thread_name"), 65);
    CHECK_EQ(count_text(t.bytes, "\"end\":\"DONE\""), 294);
    CHECK_EQ(count_text(t.bytes, "\"end\":\"FAULT\""), 6);
    CHECK_EQ(count_text(t.bytes, "\"end\":\"drained\""), 10);
    CHECK_EQ(count_text(t.bytes, "\"name\":\"start\""), 1);
    CHECK_EQ(count_text(t.bytes, "\"name\":\"stop\""), 1);
    CHECK(strstr(t.bytes, "\"args\":{\"events\":0}}]"));
    free(t.bytes);
    vyre_close(v);
}

/* Works that nobody asks for end when their slots are used again. */
static void passes_and_reuse(void)
{
    vyre *v = open_traced(4096);
    for (uint32_t round = 0; round < 3; round++) {
        vyre_ticket last = { 0, 0 };
        for (uint32_t i = 0; i < 64; i++)
            last = engine_publish(v, engine_work(OP_SQUARE, 2, i, i));
        CHECK_EQ(vyre_wait(v, last, 10 * SECOND, &err), VYRE_OK);
    }
    text t = trace_of(v);
    check_json(t.bytes);
    found f = check_slices(t.bytes);
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
    found f = check_slices(t.bytes);
    CHECK(f.jobs >= 3 && f.jobs <= 8);
    CHECK(!strstr(t.bytes, "\"args\":{\"events\":0}}]"));
    free(t.bytes);
    vyre_close(v);
}

static void what_cannot_be_traced(void)
{
    vyre_desc d = engine_desc(64);
    text t = { NULL, 0 };
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
    ENGINE_CASE(what_cannot_be_traced),
};

int main(void)
{
    engine_run_cases(cases, sizeof cases / sizeof cases[0]);
    return test_end();
}

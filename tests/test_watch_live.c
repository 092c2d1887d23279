/* watch, live: looks at handles on every backend, the text for Prometheus, waiting
 * for a word, and who hangs. */
#include "inside.h"

#include "engine.h"

#include <ctype.h>
#include <pthread.h>

#define OP_HOLD 0x1100u /* until user buffer 0 [a0] is not 0 */

static vyre_error err;

#define CHECK_FAILS(call, expected)                                                                \
    do {                                                                                           \
        memset(&err, 0xa5, sizeof err);                                                            \
        CHECK_EQ(call, expected);                                                                  \
        CHECK_EQ(err.status, expected);                                                            \
        CHECK(err.text[0] && strlen(err.text) < sizeof err.text - 1);                              \
        CHECK(err.fix[0] && strlen(err.fix) < sizeof err.fix - 1);                                 \
    } while (0)

static vyre_watch look(vyre *v, vyre_watch_depth depth)
{
    vyre_watch w;
    uint32_t sum = 0;
    memset(&w, 0xa5, sizeof w);
    CHECK_EQ(vyre_watch_live(v, depth, &w, &err), VYRE_OK);
    for (unsigned state = 0; state < VYRE_WATCH_STATES; state++)
        sum += w.states[state];
    CHECK_EQ(sum, w.slots);
    CHECK(w.at_ns != 0);
    return w;
}

/* --- looks --------------------------------------------------------------- */

/* Works of a stopped handle, and after they have run. */
static void works_are_counted(void)
{
    vyre_desc d = engine_desc(64);
    vyre *v = engine_open(&d);
    for (uint32_t round = 1; round <= 3; round++) {
        for (uint32_t i = 0; i < 5; i++)
            (void)engine_publish(v, engine_add(1));
        (void)engine_publish(v, engine_work(OP_FAULT, 1, 0, 0));
        vyre_watch host = look(v, VYRE_WATCH_HOST), device = look(v, VYRE_WATCH_DEVICE);
        CHECK_EQ(host.slots, 64);
        CHECK_EQ(host.states[VYRE_SLOT_PUBLISHED], 6);
        CHECK_EQ(host.runnable, 6);
        CHECK_EQ(host.done, 6 * (round - 1));
        CHECK_EQ(device.slots, 64);
        CHECK_EQ(device.states[VYRE_SLOT_PUBLISHED], 6);
        CHECK_EQ(vyre_drain(v, 10 * SECOND, NULL), VYRE_E_FAULT);
        host = look(v, VYRE_WATCH_HOST);
        device = look(v, VYRE_WATCH_DEVICE);
        CHECK_EQ(host.states[VYRE_SLOT_EMPTY], 64);
        CHECK_EQ(host.done, 6 * round);
        CHECK_EQ(device.runnable, 0);
        CHECK_EQ(device.done, 5 * round);
        CHECK_EQ(device.faults, round);
        CHECK_EQ(device.metrics[VYRE_OP_ATOMIC_ADD], 5 * round);
    }
    vyre_close(v);
}

/* Of a running kernel: what has ended and was not asked for is DONE on the host. */
static void ends_are_seen_by_the_host(void)
{
    vyre_desc d = engine_desc(64);
    vyre *v = engine_open(&d);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    vyre_ticket t = engine_publish(v, engine_add(3));
    const uint64_t deadline = engine_now() + 10 * SECOND;
    vyre_watch w;
    do {
        uint32_t now;
        (void)vyre_wait_observable(v, 0, 0, SECOND / 100, &now, NULL);
        w = look(v, VYRE_WATCH_HOST);
    } while (w.states[VYRE_SLOT_DONE] == 0 && engine_now() < deadline);
    CHECK_EQ(w.states[VYRE_SLOT_DONE], 1);
    CHECK_EQ(w.done, 1);
    CHECK_EQ(w.runnable, 0);
    CHECK_EQ(vyre_poll(v, t), VYRE_OK);
    w = look(v, VYRE_WATCH_HOST);
    CHECK_EQ(w.states[VYRE_SLOT_EMPTY], 64);
    CHECK_EQ(w.done, 1);
    vyre_close(v);
}

typedef struct looker {
    vyre    *v;
    uint32_t quit;
    bool     bad;
} looker;

static void *look_all_the_time(void *user)
{
    looker *l = (looker *)user;
    while (!__atomic_load_n(&l->quit, __ATOMIC_ACQUIRE)) {
        vyre_watch host, device;
        l->bad |= vyre_watch_live(l->v, VYRE_WATCH_HOST, &host, NULL) != VYRE_OK;
        l->bad |= vyre_watch_live(l->v, VYRE_WATCH_DEVICE, &device, NULL) != VYRE_OK;
        l->bad |= host.slots != 64 || device.slots != 64 || device.states[VYRE_SLOT_UNKNOWN] != 0;
    }
    return NULL;
}

/* A look disturbs nobody. */
static void looks_beside_publishers(void)
{
    vyre_desc d = engine_desc(64);
    vyre *v = engine_open(&d);
    looker l = { v, 0, false };
    pthread_t thread;
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    CHECK_EQ(pthread_create(&thread, NULL, look_all_the_time, &l), 0);
    for (uint32_t i = 0; i < 2000; i++) {
        vyre_work w = engine_add(1);
        while (vyre_publish(v, &w, NULL, NULL) == VYRE_FULL)
            CHECK_EQ(vyre_drain(v, 10 * SECOND, NULL), VYRE_OK);
    }
    CHECK_EQ(vyre_drain(v, 10 * SECOND, NULL), VYRE_OK);
    __atomic_store_n(&l.quit, 1, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    CHECK(!l.bad);
    CHECK_EQ(engine_observable(v, 0), 2000);
    CHECK_EQ(look(v, VYRE_WATCH_HOST).done, 2000);
    vyre_close(v);
}

/* Eight places at a time, as write-combined memory is looked at; of a ring that is no
 * multiple of eight. */
static void lines_are_peeked(void)
{
    static uint32_t lines[16 * 8] __attribute__((aligned(64)));
    uint32_t words[VYI_PEEK_MANY * VYI_PEEK_WORDS];
    vyre_desc d = engine_desc(67);
    if (!vyi_has_peek())
        return;
    for (uint32_t i = 0; i < 16 * 8; i++)
        lines[i] = i;
    vyi_peek(words, lines, 64);
    for (uint32_t i = 0; i < 32; i++)
        CHECK_EQ(words[i], i / 4 * 16 + i % 4);
    vyre *v = engine_open(&d);
    for (uint32_t i = 0; i < 66; i++)
        (void)engine_publish(v, engine_add(1));
    CHECK_EQ(vyre_drain(v, 10 * SECOND, &err), VYRE_OK);
    for (uint32_t i = 0; i < 30; i++)
        (void)engine_publish(v, engine_add(1));
    vyre_watch plain = look(v, VYRE_WATCH_DEVICE);
    vyi_device *device = vyi_queue_device(&v->queue);
    const bool combined = device->write_combined;
    device->write_combined = true;
    vyre_watch peeked = look(v, VYRE_WATCH_DEVICE);
    device->write_combined = combined;
    plain.at_ns = peeked.at_ns = 0;
    CHECK_EQ(peeked.slots, 67);
    CHECK_EQ(peeked.states[VYRE_SLOT_PUBLISHED], 30);
    CHECK_EQ(peeked.done, 66);
    CHECK(memcmp(&plain, &peeked, sizeof plain) == 0);
    CHECK_EQ(vyre_drain(v, 10 * SECOND, &err), VYRE_OK);
    vyre_close(v);
}

/* --- waiting for a word -------------------------------------------------- */

static void *publish_later(void *user)
{
    engine_sleep_ms(20);
    (void)engine_publish((vyre *)user, engine_add(7));
    return NULL;
}

static void a_word_is_waited_for(void)
{
    vyre_desc d = engine_desc(64);
    vyre *v = engine_open(&d);
    uint32_t now = 77;
    pthread_t thread;
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    CHECK_FAILS(vyre_wait_observable(v, 0, 0, 1000000, &now, &err), VYRE_TIMEOUT);
    CHECK_EQ(now, 77);
    CHECK_EQ(vyre_wait_observable(v, 0, 1, 0, &now, &err), VYRE_OK);
    CHECK_EQ(now, 0);
    CHECK_EQ(pthread_create(&thread, NULL, publish_later, v), 0);
    CHECK_EQ(vyre_wait_observable(v, 0, 0, 10 * SECOND, &now, &err), VYRE_OK);
    pthread_join(thread, NULL);
    CHECK_EQ(now, 7);
    CHECK_EQ(vyre_wait_observable(v, 0, 3, 0, NULL, &err), VYRE_OK);
    CHECK_FAILS(vyre_wait_observable(v, 1000, 0, 0, &now, &err), VYRE_E_MISSING);
    vyre_close(v);
}

/* --- who hangs ----------------------------------------------------------- */

static void emit_hold(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_ir_forever(p);
    vyre_ir_if(p, vyre_ir_ne(p, vyre_ir_atomic_load(p, s->buffers[0], s->arg[0],
                                                    VYRE_ORDER_RELAXED),
                             vyre_ir_u32(p, 0)));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

static void who_hangs_is_named(void)
{
    const vyre_handler handlers[1] = { VYRE_HANDLER(OP_HOLD, emit_hold, NULL, "hold") };
    vyre_desc d = engine_desc(64);
    vyre_stuck_slot stuck[64];
    uint32_t count = 77;
    size_t size;
    d.kernel.handlers = handlers;
    d.kernel.handler_count = 1;
    vyre *v = engine_open(&d);
    vyre_info info;
    vyre_query(v, &info);
    if (info.mode != VYRE_MODE_PERSISTENT || info.probe.loop_limited) {
        vyre_close(v);
        test_skip("the device cuts the loop that would hang");
    }
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    CHECK_EQ(vyre_stuck(v, SECOND, stuck, 64, &count, &err), VYRE_OK);
    CHECK_EQ(count, 0);
    uint32_t *user = (uint32_t *)vyre_map(v, 0, &size);
    CHECK(user != NULL && size >= 8);
    vyre_ticket t = engine_publish(v, engine_work(OP_HOLD, 1, 0, 0));
    CHECK_EQ(engine_stuck(v, SECOND / 50, 1, stuck, 64), 1);
    CHECK_EQ(stuck[0].ticket.slot, t.slot);
    CHECK_EQ(stuck[0].ticket.generation, t.generation);
    CHECK_EQ(stuck[0].state, VYRE_SLOT_CLAIMED);
    CHECK_EQ(stuck[0].at, VYRE_STUCK_RUNNING);
    CHECK_EQ(stuck[0].opcode, OP_HOLD);
    CHECK_EQ(stuck[0].tenant, 0);
    CHECK_TEXT(stuck[0].handler, "hold");
    CHECK(stuck[0].held_ns >= SECOND / 50);
    CHECK_FAILS(vyre_wait(v, t, SECOND / 100, &err), VYRE_TIMEOUT);
    CHECK(strstr(err.text, "CLAIMED") && strstr(err.text, "hold") && strstr(err.text, "0x1100"));
    CHECK(!strstr(err.text, "IO request"));
    CHECK_FAILS(vyre_wait(v, t, 0, &err), VYRE_TIMEOUT);
    vyre_watch before = look(v, VYRE_WATCH_DEVICE), now;
    vyre_health health;
    engine_sleep_ms(5);
    now = look(v, VYRE_WATCH_DEVICE);
    CHECK_EQ(vyre_watch_health(&before, &now, &health, NULL), VYRE_OK);
    CHECK(health.stalled);
    CHECK_EQ(now.states[VYRE_SLOT_CLAIMED], 1);
    __atomic_store_n(user, 1, __ATOMIC_RELEASE);
    CHECK_EQ(vyre_wait(v, t, 10 * SECOND, &err), VYRE_OK);
    CHECK_EQ(vyre_stuck(v, 0, stuck, 64, &count, &err), VYRE_OK);
    CHECK_EQ(count, 0);
    vyre_close(v);
}

static void arguments_are_checked(void)
{
    vyre_desc d = engine_desc(64);
    vyre *v = engine_open(&d);
    vyre_watch w;
    uint32_t count;
    CHECK_FAILS(vyre_watch_live(NULL, VYRE_WATCH_HOST, &w, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_watch_live(v, VYRE_WATCH_HOST, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_watch_live(v, (vyre_watch_depth)2, &w, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_wait_observable(NULL, 0, 0, 0, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_stuck(NULL, 0, NULL, 0, &count, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_stuck(v, 0, NULL, 0, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_FAILS(vyre_stuck(v, 0, NULL, 1, &count, &err), VYRE_E_ARGUMENT);
    vyre_close(v);
}

/* --- text ---------------------------------------------------------------- */

/* One line of the format: a comment, or name{label="value",...} number. */
static const char *parse_line(const char *at)
{
    if (*at == '#') {
        CHECK(strncmp(at, "# HELP vyre_", 12) == 0 || strncmp(at, "# TYPE vyre_", 12) == 0);
        return strchr(at, '\n');
    }
    while (isalnum((unsigned char)*at) || *at == '_')
        at++;
    if (*at == '{') {
        do {
            for (at++; isalpha((unsigned char)*at); at++)
                continue;
            CHECK(*at++ == '=' && *at++ == '"');
            for (; *at != '"'; at++) {
                CHECK(*at != '\n' && *at != '\0');
                at += *at == '\\';
            }
            at++;
        } while (*at == ',');
        CHECK(*at++ == '}');
    }
    CHECK(*at++ == ' ' && isdigit((unsigned char)*at));
    while (isdigit((unsigned char)*at))
        at++;
    return at;
}

static void text_for_prometheus(void)
{
    vyre_watch w;
    char text[8192], part[8192];
    memset(&w, 0, sizeof w);
    w.done = 4000000000u;
    w.states[VYRE_SLOT_CLAIMED] = 5;
    w.metrics[2] = 9;
    w.tenant_claims[28] = 8;
    w.priority_claims[4] = 7;
    const size_t length = vyre_watch_text(&w, "a\"b\\c\nd", text, sizeof text);
    CHECK(length < sizeof text && strlen(text) == length);
    unsigned lines = 0;
    for (const char *at = text; *at; at++, lines++) {
        at = parse_line(at);
        CHECK(at && *at == '\n');
    }
    CHECK(lines > 30);
    CHECK(strstr(text, "\nvyre_done_total{queue=\"a\\\"b\\\\c\\nd\"} 4000000000\n"));
    CHECK(strstr(text, "\nvyre_slots{queue=\"a\\\"b\\\\c\\nd\",state=\"CLAIMED\"} 5\n"));
    CHECK(strstr(text, "opcode=\"2\"} 9\n") && strstr(text, "tenant=\"28\"} 8\n"));
    for (size_t size = 0; size <= length + 1; size++) {
        memset(part, 'x', sizeof part);
        CHECK_EQ(vyre_watch_text(&w, "a\"b\\c\nd", part, size), length);
        CHECK(size == 0 || (strlen(part) == size - 1 && memcmp(part, text, size - 1) == 0));
        CHECK(part[size] == 'x');
    }
    CHECK(vyre_watch_text(&w, NULL, text, sizeof text) < length);
    CHECK(strstr(text, "\nvyre_done_total 4000000000\n"));
    CHECK(strstr(text, "\nvyre_slots{state=\"CLAIMED\"} 5\n"));
}

static const engine_case cases[] = {
    ENGINE_CASE(works_are_counted),    ENGINE_CASE(ends_are_seen_by_the_host),
    ENGINE_CASE(looks_beside_publishers), ENGINE_CASE(lines_are_peeked),
    ENGINE_CASE(a_word_is_waited_for),
    ENGINE_CASE(who_hangs_is_named),   ENGINE_CASE(arguments_are_checked),
};

int main(void)
{
    RUN(text_for_prometheus);
    engine_run_cases(cases, sizeof cases / sizeof cases[0]);
    return test_end();
}

/* What a kernel prints while it runs: in rings that never rest, with a log of any size,
 * where counters wrap, in passes; and the queue itself, cut into its smallest steps.
 * TEST_COUNT: records; SCHEDULES: of the model. */
#include "inside.h"
#include "engine.h"

/* --- the model: two lanes and a host ------------------------------------------ */

enum { RECORDS = 2, PRINTS = 6, LANES = 2 };
typedef enum rule {
    ALL_KEPT,
    TAG_FIRST,  /* before the words that it speaks for */
    NO_LAP,     /* what was there a lap ago looks like the next record */
    NO_TAIL,    /* lanes do not ask whether the place was read */
    OLD_IS_FULL, /* an old head is taken for a full log */
    RULES
} rule;

typedef struct lane {
    uint32_t step, head, tail, printed, id;
} lane;

static struct {
    uint32_t head, tail, next; /* next: the host's own */
    uint32_t a[RECORDS], b[RECORDS], tag[RECORDS];
    lane     lanes[LANES];
    uint32_t step, seen_a, seen_b;
    uint32_t told[LANES * PRINTS + 1], dropped, wrong, full;
    rule     broken;
    uint64_t random;
} m;

static uint32_t tag_of(uint32_t at)
{
    return m.broken == NO_LAP ? 1 : 1 + at / RECORDS % 8;
}

static void write_part(const lane *l, uint32_t part)
{
    const uint32_t at = (l->head) % RECORDS;
    const uint32_t order[2][3] = { { 0, 1, 2 }, { 2, 0, 1 } };
    switch (order[m.broken == TAG_FIRST][part]) {
    case 0: m.a[at] = l->id; break;
    case 1: m.b[at] = l->id * 7; break;
    default: m.tag[at] = tag_of(l->head);
    }
}

static void step_lane(lane *l)
{
    switch (l->step++) {
    case 0:
        l->step = l->printed < PRINTS;
        l->id = l->printed * LANES + (uint32_t)(l - m.lanes) + 1;
        return;
    case 1:
        l->head = m.head;
        return;
    case 2:
        l->tail = m.tail;
        return;
    case 3:
        if (m.broken == NO_TAIL || l->head - l->tail < RECORDS)
            return;
        if (m.broken == OLD_IS_FULL || m.head == l->head) {
            m.wrong += m.head - m.tail < RECORDS && m.broken == OLD_IS_FULL;
            m.dropped++;
            l->printed++;
            l->step = 0;
        } else {
            l->step = 1;
        }
        return;
    case 4:
        if (m.head != l->head)
            l->step = 1;
        else
            m.head++;
        return;
    case 5: case 6:
        write_part(l, l->step - 6);
        return;
    default:
        write_part(l, 2);
        l->printed++;
        l->step = 0;
    }
}

static void step_host(void)
{
    const uint32_t at = m.next % RECORDS;
    switch (m.step++) {
    case 0:
        m.step = m.tag[at] == tag_of(m.next) && m.next != m.head;
        if (m.broken != NO_LAP && m.tag[at] == tag_of(m.next))
            m.step = 1;
        return;
    case 1:
        m.seen_a = m.a[at];
        return;
    case 2:
        m.seen_b = m.b[at];
        return;
    case 3:
        m.wrong += m.seen_b != m.seen_a * 7 || m.seen_a == 0 || m.told[m.seen_a] != 0;
        m.told[m.seen_a]++;
        m.next++;
        return;
    default:
        m.tail = m.next;
        m.step = 0;
    }
}

static bool schedule(uint64_t seed, rule broken)
{
    memset(&m, 0, sizeof m);
    m.random = seed;
    m.broken = broken;
    /* So that the first lap's tags are another one's. */
    m.head = m.tail = m.next = 0xfffffff8u;
    uint32_t steps = 0, told = 0;
    while (steps++ < 4000) {
        const uint32_t who = (uint32_t)(test_random(&m.random) >> 40) % 4;
        if (who < LANES)
            step_lane(&m.lanes[who]);
        else
            step_host();
        if (m.lanes[0].printed == PRINTS && m.lanes[1].printed == PRINTS && m.step == 0 &&
            m.next == m.head && m.tail == m.next && !m.lanes[0].step && !m.lanes[1].step)
            break;
    }
    for (uint32_t i = 1; i <= LANES * PRINTS; i++)
        told += m.told[i];
    return !m.wrong && steps < 4000 && told + m.dropped == LANES * PRINTS;
}

static void records_are_whole_and_come_once(void)
{
    const char *text = getenv("SCHEDULES");
    const uint32_t count = text ? (uint32_t)strtoul(text, NULL, 0) : 20000;
    uint64_t seed = test_seed(0x6c6f67);
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t one = test_random(&seed);
        if (!schedule(one, ALL_KEPT))
            test_fail(__FILE__, __LINE__, "schedule 0x%llx", (unsigned long long)one);
    }
    for (uint32_t broken = ALL_KEPT + 1; broken < RULES; broken++) {
        uint32_t found = 0;
        for (uint32_t i = 0; i < 5000 && !found; i++)
            found = !schedule(test_random(&seed), (rule)broken);
        if (!found)
            test_fail(__FILE__, __LINE__, "rule %u can be broken", (unsigned)broken);
    }
}

/* --- handles ------------------------------------------------------------------ */

#define MOST 20000u

typedef struct heard {
    uint8_t  times[MOST];
    uint32_t count, torn;
    uint32_t from; /* the slot's first word, in the last one */
} heard;

static void on_record(void *user, const struct vyre_log_record *record)
{
    heard *h = (heard *)user;
    h->torn += record->format >= MOST || record->args[0] != record->format * 7 ||
               record->args[1] != ~record->format || record->args[2] % 16 != 0;
    h->from = record->args[2];
    if (record->format < MOST)
        h->times[record->format]++;
    h->count++;
}

static uint32_t records_wanted(void)
{
    const char *text = getenv("TEST_COUNT");
    const uint32_t count = text ? (uint32_t)strtoul(text, NULL, 0) : 2000;
    return count < MOST ? count : MOST;
}

static uint32_t dropped(const vyre *v)
{
    vyre_info info;
    vyre_query(v, &info);
    return info.log_dropped;
}

/* One work never runs, so the ring never rests. */
static void print(uint32_t records, vyre_mode mode, uint32_t first)
{
    static heard h;
    memset(&h, 0, sizeof h);
    vyre_desc d = engine_desc(64);
    d.tenants = 2;
    d.log = on_record;
    d.log_user = &h;
    d.mode = mode;
    d.kernel.log_records = records;
    vyre *v = engine_open(&d);
    vyre_work held = engine_add(1);
    held.tenant = 1;
    vyre_ticket last = { 0, 0 };
    uint32_t *control = vyi_device_words(vyi_queue_device(&v->queue), VYI_ROLE_CONTROL);
    CHECK_EQ(v->desc.kernel.log_records & (v->desc.kernel.log_records - 1), 0);
    CHECK(v->desc.kernel.log_records >= records);
    control[VYRE_CONTROL_LOG_HEAD] = control[VYRE_CONTROL_LOG_TAIL] = v->queue.log_tail = first;
    CHECK_EQ(vyre_tenant_enable(v, 1, false, NULL), VYRE_OK);
    (void)engine_publish(v, held);
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < records_wanted(); i++) {
        const vyre_work w = { VYRE_OP_PRINTF, 0, VYRE_PRIORITY_NORMAL, 3, { i, i * 7, ~i } };
        while (vyre_publish(v, &w, &last, NULL) == VYRE_FULL)
            (void)vyre_wait(v, last, SECOND, NULL);
    }
    CHECK_EQ(vyre_wait(v, last, 60 * SECOND, NULL), VYRE_OK);
    for (uint64_t end = engine_now() + 60 * SECOND;
         h.count + dropped(v) < records_wanted() && engine_now() < end;)
        (void)vyre_wait(v, last, 0, NULL), (void)vyi_queue_nudge(&v->queue, VYI_EFFORT_LOOK, NULL);
    CHECK_EQ(h.count + dropped(v), records_wanted());
    CHECK_EQ(h.torn, 0);
    for (uint32_t i = 0; i < records_wanted(); i++)
        CHECK(h.times[i] <= 1);
    CHECK(h.count > 0);
    vyre_close(v);
}

static void a_ring_that_never_rests_is_heard(void)
{
    print(64, VYRE_MODE_AUTO, 0);
    print(5, VYRE_MODE_AUTO, 0);
    print(1, VYRE_MODE_AUTO, 0);
}

static void counters_may_wrap(void)
{
    print(16, VYRE_MODE_AUTO, 0u - 400u);
}

static void passes_are_heard_as_well(void)
{
    print(64, VYRE_MODE_PASSES, 0);
}

/* Whoever has seen a work's end has heard what it printed. */
static void what_has_ended_was_heard(void)
{
    static heard h;
    memset(&h, 0, sizeof h);
    vyre_desc d = engine_desc(16);
    d.log = on_record;
    d.log_user = &h;
    vyre *v = engine_open(&d);
    uint32_t args[12];
    CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
    for (uint32_t i = 0; i < 200 && v->queue.mode == VYRE_MODE_PERSISTENT; i++) {
        const vyre_ticket t = engine_publish(
            v, (vyre_work){ VYRE_OP_PRINTF, 0, VYRE_PRIORITY_NORMAL, 3, { i, i * 7, ~i } });
        if (i % 3 == 0)
            CHECK_EQ(vyre_wait(v, t, 20 * SECOND, NULL), VYRE_OK);
        else if (i % 3 == 1)
            CHECK_EQ(vyre_wait_result(v, t, 20 * SECOND, args, NULL), VYRE_OK);
        else
            while (vyre_poll(v, t) == VYRE_PENDING)
                continue;
        CHECK_EQ(h.count, i + 1);
        CHECK_EQ(h.from, VYRE_SLOT_WORDS * vyre_ticket_slot(t));
    }
    vyre_close(v);
}

/* While nobody drains, and after a stop; what comes next is heard, too. */
static void stops_and_losses_do_not_mix_records(void)
{
    static heard h;
    memset(&h, 0, sizeof h);
    vyre_desc d = engine_desc(16);
    d.log = on_record;
    d.log_user = &h;
    d.kernel.log_records = 8;
    vyre *v = engine_open(&d);
    uint32_t i = 0;
    for (uint32_t round = 0; round < 12; round++) {
        if (round % 4 == 1)
            CHECK_EQ(vyre_start(v, NULL), VYRE_OK);
        if (round == 7) {
            engine_lose(v);
            CHECK_EQ(vyre_recover(v, NULL), VYRE_OK);
        }
        for (uint32_t k = 0; k < 5; k++, i++)
            (void)engine_publish(v, (vyre_work){ VYRE_OP_PRINTF, 0, VYRE_PRIORITY_NORMAL, 3,
                                                 { i, i * 7, ~i } });
        CHECK_EQ(vyre_drain(v, 20 * SECOND, NULL), VYRE_OK);
        CHECK_EQ(h.count, i);
        if (round % 4 == 3)
            CHECK_EQ(vyre_stop(v, 10 * SECOND, NULL), VYRE_OK);
    }
    CHECK_EQ(h.torn, 0);
    vyre_close(v);
}

int main(void)
{
    static const engine_case cases[] = {
        ENGINE_CASE(a_ring_that_never_rests_is_heard),
        ENGINE_CASE(counters_may_wrap),
        ENGINE_CASE(passes_are_heard_as_well),
        ENGINE_CASE(what_has_ended_was_heard),
        ENGINE_CASE(stops_and_losses_do_not_mix_records),
    };
    RUN(records_are_whole_and_come_once);
    engine_run_cases(cases, sizeof cases / sizeof cases[0]);
    return test_end();
}

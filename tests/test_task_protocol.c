/* Works that stop in the middle, as a model: a slot, the lane that serves it over leases
 * which a stop ends, two hosts that let it go on, and one that publishes into it, their
 * steps interleaved at random.  A work goes on with the words that it left, or was given,
 * ends once, and does end; each pause is taken by one call.  The model is also run with
 * one rule broken at a time, and must notice.  What it models is kernel_task.c and
 * engine_task.c.  SCHEDULES in the environment replaces the number of schedules. */
#include "schedules.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { WORKS = 12, RESUMERS = 2, AGENTS = 4 + RESUMERS };

typedef enum rule {
    ALL_RULES,
    MIRROR_FIRST,  /* a pause is told before the slot says so */
    WORDS_LAST,    /* where it goes on is written after that */
    CLEAR_LAST,    /* the mirror is cleared after the slot was given back */
    NO_SECOND_LOOK, /* who has got the mark does not look again */
    NO_MARK,       /* who lets go on does not take the mark */
    YIELD_FORGOTTEN, /* the next lease claims what is PUBLISHED only */
    STOP_AT_ONCE,  /* a stop ends a lease in the middle of a slot */
    REUSED,        /* a pause is an end to who publishes */
    RULES
} rule;

typedef enum status { EMPTY, PUBLISHED, CLAIMED, DONE, WAIT_IO, YIELD } status;
typedef enum mark { FREE, BUSY, FLIGHT, ENDING } mark;
typedef enum step { LOOK, CLAIM, RUN_WORK, FIRST, SECOND, THIRD, FOURTH } step;

static struct {
    /* Memory. */
    status   state, mirror;
    uint32_t pc, data;
    bool     shutdown;
    /* The host's. */
    mark     mark;
    uint32_t work, told;
    step     publisher, resumer[RESUMERS];
    uint32_t stops;
    /* The lane. */
    bool     leased;
    step     lane;
    status   seen, next;
    uint32_t new_pc, new_data;
    /* What is so. */
    uint32_t left, given; /* how often the work was left; its data word now */
    uint32_t pauses, taken, ended, wrong;
} m;

/* --- the lane ---------------------------------------------------------------- */

static void run_work(void)
{
    m.wrong += m.pc != m.left || m.data != m.given || m.ended;
    m.next = m.left < 6 && pick(4) ? (pick(2) ? YIELD : WAIT_IO) : DONE;
    m.new_pc = m.left + 1;
    m.new_data = pick(1000);
    m.lane = FIRST;
}

static void leave_words(void)
{
    m.pc = m.new_pc;
    m.data = m.new_data;
}

/* The mirror, which only an end or a pause has. */
static void leave_mirror(void)
{
    if (m.next != YIELD)
        m.mirror = m.next;
    m.pauses += m.next == WAIT_IO;
}

static void leave_slot(void)
{
    if (m.next != DONE || m.state == CLAIMED)
        m.state = m.next;
}

static void lane_ends(rule broken)
{
    const bool words_last = broken == WORDS_LAST && m.next != DONE;
    const bool mirror_first = m.next == DONE || broken == MIRROR_FIRST;
    switch (m.lane) {
    case FIRST:
        if (m.next == DONE)
            m.ended++;
        else {
            m.left = m.new_pc;
            m.given = m.new_data;
        }
        if (!words_last && m.next != DONE)
            leave_words();
        m.lane = SECOND;
        return;
    case SECOND:
        if (mirror_first)
            leave_mirror();
        else
            leave_slot();
        m.lane = THIRD;
        return;
    case THIRD:
        if (mirror_first)
            leave_slot();
        else
            leave_mirror();
        m.lane = words_last ? FOURTH : LOOK;
        return;
    default:
        leave_words();
        m.lane = LOOK;
    }
}

static void lane(rule broken)
{
    if (!m.leased)
        return;
    if (m.shutdown && (m.lane == LOOK || broken == STOP_AT_ONCE)) {
        m.leased = false;
        m.lane = LOOK;
        return;
    }
    if (m.lane == LOOK) {
        m.seen = m.state;
        const bool yielded = m.seen == YIELD && broken != YIELD_FORGOTTEN;
        m.lane = m.seen == PUBLISHED || yielded ? CLAIM : LOOK;
    } else if (m.lane == CLAIM) {
        const bool same = m.state == m.seen;
        m.state = same ? CLAIMED : m.state;
        m.lane = same ? RUN_WORK : LOOK;
    } else if (m.lane == RUN_WORK) {
        run_work();
    } else {
        lane_ends(broken);
    }
}

static void stopper(void)
{
    if (!m.shutdown && m.leased && m.stops < 20 && pick(6) == 0) {
        m.shutdown = true;
        m.stops++;
    } else if (!m.leased) {
        m.shutdown = false;
        m.leased = true;
    }
}

/* --- hosts ------------------------------------------------------------------- */

static void resumer(step *at, rule broken)
{
    static uint32_t data;
    const bool clear_last = broken == CLEAR_LAST;
    switch (*at) {
    case LOOK:
        *at = m.mirror == WAIT_IO && m.mark == FLIGHT ? CLAIM : LOOK;
        return;
    case CLAIM:
        if (broken != NO_MARK && m.mark != FLIGHT) {
            *at = LOOK;
            return;
        }
        m.mark = broken == NO_MARK ? m.mark : ENDING;
        *at = RUN_WORK;
        return;
    case RUN_WORK:
        if (m.mirror != WAIT_IO && broken != NO_SECOND_LOOK && broken != NO_MARK) {
            m.mark = FLIGHT;
            *at = LOOK;
            return;
        }
        m.data = m.given = ++data;
        m.taken++;
        *at = FIRST;
        return;
    case FIRST:
    case SECOND:
        if ((*at == FIRST) != clear_last)
            m.mirror = EMPTY;
        else
            m.state = PUBLISHED;
        *at = *at == FIRST ? SECOND : THIRD;
        return;
    default:
        if (broken != NO_MARK)
            m.mark = FLIGHT;
        *at = LOOK;
    }
}

static void publisher(rule broken)
{
    const bool over = m.mirror == DONE || (broken == REUSED && m.mirror == WAIT_IO);
    switch (m.publisher) {
    case LOOK:
        if (m.work && (m.mark != FLIGHT || !over))
            return;
        if (m.work) {
            m.wrong += m.ended != 1 || m.pauses != m.taken;
            m.told++;
        }
        if (m.work == WORKS)
            return;
        m.mark = BUSY;
        m.publisher = FIRST;
        return;
    case FIRST:
        m.mirror = EMPTY;
        m.publisher = SECOND;
        return;
    case SECOND:
        m.work++;
        m.pc = m.data = m.left = m.given = m.ended = 0;
        m.state = PUBLISHED;
        m.publisher = THIRD;
        return;
    default:
        m.mark = FLIGHT;
        m.publisher = LOOK;
    }
}

/* --- schedules --------------------------------------------------------------- */

/* What went wrong; an end that never comes is wrong, too. */
static uint32_t schedule(uint64_t seed, uint32_t number)
{
    const rule broken = (rule)number;
    sleeper sleeps = { 0, 0 };
    memset(&m, 0, sizeof m);
    schedule_state = seed;
    m.leased = true;
    for (uint32_t i = 0; i < 40000 && !m.wrong && m.told < WORKS; i++) {
        const uint32_t who = pick(AGENTS);
        if (is_asleep(&sleeps, i, who, AGENTS, 20, 100))
            continue;
        if (who == 0)
            stopper();
        else if (who == 1)
            publisher(broken);
        else if (who < 2 + RESUMERS)
            resumer(&m.resumer[who - 2], broken);
        else
            lane(broken);
    }
    return m.wrong + (m.told != WORKS);
}

static void works_go_on_where_they_were(void)
{
    schedules_go_right(schedule, 0x7a5c0041, 10000);
}

static void each_rule_is_needed(void)
{
    for (uint32_t broken = ALL_RULES + 1; broken < RULES; broken++)
        rule_is_needed(schedule, 0x7a5c0041, broken, 300);
}

int main(void)
{
    RUN(works_go_on_where_they_were);
    RUN(each_rule_is_needed);
    return test_end();
}

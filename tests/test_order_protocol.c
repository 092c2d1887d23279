/* Events as a model: a host that publishes works after others, lanes with a slot each,
 * and two that may both end the works of a wide slot, their steps interleaved at random.
 * Each work must run once, after the one that it waits for, and no end may be told
 * before that one's.  The model is also run with one rule broken at a time, and must
 * notice.  What it models is kernel_order.c and engine_order.c.  SCHEDULES in the
 * environment replaces the number of schedules. */
#include "schedules.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 2, SLOTS = LANES + 1, WIDE = LANES, ENDERS = 2, AGENTS = LANES + ENDERS,
       EVENTS = 12, WORKS = 40, NONE = 0 };

typedef enum rule {
    ALL_RULES,
    SIGNAL_FIRST,      /* the event goes before the mirror */
    REUSE_AT_ONCE,     /* a signalled event is free when its slot is published again */
    FORGET_WAITERS,    /* who waits does not keep the event */
    NO_WORD,           /* a wide slot is used again as soon as its mirror is seen */
    WORDS_BEFORE_GATE, /* a wide work's words are looked at before its gate */
    LOOK_DECIDES,      /* a lane goes by the words that it saw before its claim */
    RULES
} rule;

typedef enum step { LOOK, SECOND, CLAIM, CHECK, RUN_WORK, FIRST_END, LAST_END, AFTER_END } step;
typedef enum status { EMPTY, PUBLISHED, CLAIMED, DONE } status;

typedef struct slot {
    status   state;
    uint32_t work, wait, signal, mirror, word; /* word: of a wide slot, behind the mirror */
    uint32_t gate, next, taken;                /* generations */
    uint32_t before, used;                     /* the host's */
} slot;

typedef struct agent {
    step     at;
    uint32_t work, wait, signal, gate;
} agent;

static struct {
    slot     slots[SLOTS];
    agent    agents[AGENTS];
    uint32_t missing[EVENTS], uses[EVENTS];
    uint32_t after[WORKS + 1], slot_of[WORKS + 1], ran[WORKS + 1];
    bool     told[WORKS + 1];
    uint32_t works, wrong;
    uint32_t half; /* the slot that the host is publishing into + 1 */
} m;

/* --- the host ---------------------------------------------------------------- */

static void drop(uint32_t event)
{
    if (event && m.uses[event]) /* a broken rule may have let go of it already */
        m.uses[event]--;
}

static uint32_t take(void)
{
    for (uint32_t e = 1; e < EVENTS; e++)
        if (!m.uses[e]) {
            m.uses[e] = 1;
            m.missing[e] = 1;
            return e;
        }
    return NONE;
}

/* Sees an end; what it waited for must have been told, or can be. */
static bool seen(uint32_t work)
{
    const slot *s = &m.slots[m.slot_of[work]];
    if (!m.told[work] && (s->work != work || s->mirror)) {
        m.told[work] = true;
        if (m.after[work] && !seen(m.after[work]))
            m.wrong++;
    }
    return m.told[work];
}

static void host_begin(rule broken)
{
    const uint32_t at = pick(3) ? WIDE : pick(LANES), work = m.works + 1, after = m.works ? pick(work) : 0;
    slot *s = &m.slots[at];
    if (s->work && !seen(s->work))
        return;
    if (at == WIDE && s->signal && s->word != s->signal && broken != NO_WORD)
        return;
    m.after[work] = after;
    uint32_t wait = NONE;
    if (after && !seen(after)) {
        wait = m.slots[m.slot_of[after]].signal;
        m.uses[wait]++;
    }
    drop(s->before);
    if (broken != FORGET_WAITERS)
        drop(s->wait);
    s->before = s->signal;
    if (broken == REUSE_AT_ONCE) {
        drop(s->before);
        s->before = NONE;
    }
    s->signal = take();
    s->wait = wait;
    if (broken == FORGET_WAITERS)
        drop(wait);
    s->work = work;
    s->mirror = 0;
    m.slot_of[work] = at;
    m.works = work;
    m.half = at + 1;
}

static void host(rule broken)
{
    if (!m.half) {
        if (m.works < WORKS)
            host_begin(broken);
        return;
    }
    slot *s = &m.slots[m.half - 1];
    s->state = PUBLISHED;
    s->gate += m.half - 1 == WIDE;
    m.half = 0;
}

/* --- the device ---------------------------------------------------------------- */

static void run_work(agent *a)
{
    m.ran[a->work]++;
    if (m.ran[a->work] > 1 || (m.after[a->work] && !m.ran[m.after[a->work]]))
        m.wrong++;
    a->at = FIRST_END;
}

static void signal_event(const agent *a)
{
    if (a->signal)
        m.missing[a->signal]--;
}

static void end(agent *a, slot *s, rule broken)
{
    const bool mirror = (a->at == FIRST_END) == (broken != SIGNAL_FIRST);
    if (mirror)
        s->mirror = 1;
    else
        signal_event(a);
    a->at = a->at == FIRST_END ? LAST_END : AFTER_END;
}

static void words(agent *a, const slot *s)
{
    a->work = s->work;
    a->wait = s->wait;
    a->signal = s->signal;
}

static void lane(agent *a, slot *s, rule broken)
{
    switch (a->at) {
    case LOOK:
        if (broken == LOOK_DECIDES)
            words(a, s); /* before its state: an older work's */
        a->at = SECOND;
        return;
    case SECOND:
        a->at = s->state == PUBLISHED ? CLAIM : LOOK;
        return;
    case CLAIM:
        s->state = CLAIMED;
        a->at = CHECK;
        return;
    case CHECK: {
        const uint32_t wait = a->wait;
        words(a, s);
        if (broken == LOOK_DECIDES)
            a->wait = wait;
        const bool ready = m.missing[a->wait] == 0;
        s->state = ready ? CLAIMED : PUBLISHED;
        a->at = ready ? RUN_WORK : LOOK;
        return;
    }
    case RUN_WORK: run_work(a); return;
    case FIRST_END:
    case LAST_END: end(a, s, broken); return;
    default:
        if (s->state == CLAIMED)
            s->state = DONE;
        a->at = LOOK;
    }
}

/* One chunk a work: whoever claims it ends it. */
static void ender(agent *a, slot *s, rule broken)
{
    switch (a->at) {
    case LOOK:
    case SECOND:
        if ((a->at == LOOK) == (broken != WORDS_BEFORE_GATE))
            a->gate = s->gate;
        else
            a->wait = m.missing[s->wait]; /* as it is now */
        if (a->at == LOOK)
            a->at = SECOND;
        else
            a->at = a->gate && a->wait == 0 ? CLAIM : LOOK;
        return;
    case CLAIM:
        if (a->gate > s->next) {
            s->next = a->gate;
            s->taken = 0;
        }
        a->at = LOOK;
        if (s->taken++)
            return;
        words(a, s);
        a->at = RUN_WORK;
        return;
    case RUN_WORK: run_work(a); return;
    case FIRST_END:
    case LAST_END: end(a, s, broken); return;
    default:
        if (a->signal)
            s->word = a->signal;
        a->at = LOOK;
    }
}

/* --- schedules ------------------------------------------------------------------ */

static bool over(void)
{
    for (uint32_t work = 1; work <= WORKS; work++)
        if (work > m.works || !seen(work))
            return false;
    return true;
}

/* What went wrong; an end that never comes is wrong, too. */
static uint32_t schedule(uint64_t seed, uint32_t number)
{
    const rule broken = (rule)number;
    sleeper sleeps = { 0, 0 };
    memset(&m, 0, sizeof m);
    schedule_state = seed;
    for (uint32_t i = 0; i < 20000 && !m.wrong && !over(); i++) {
        const uint32_t who = pick(AGENTS + 2);
        const bool asleep = is_asleep(&sleeps, i, who, AGENTS, 50, 600);
        if (who >= AGENTS)
            host(broken);
        else if (!asleep && who < LANES)
            lane(&m.agents[who], &m.slots[who], broken);
        else if (!asleep)
            ender(&m.agents[who], &m.slots[WIDE], broken);
    }
    for (uint32_t work = 1; work <= WORKS; work++)
        m.wrong += m.ran[work] != 1;
    return m.wrong;
}

static void works_run_once_and_in_order(void)
{
    schedules_go_right(schedule, 0x0bde0021, 20000);
}

static void each_rule_is_needed(void)
{
    for (uint32_t broken = ALL_RULES + 1; broken < RULES; broken++)
        rule_is_needed(schedule, 0x0bde0021, broken, broken == NO_WORD ? 20000 : 2000);
}

int main(void)
{
    RUN(works_run_once_and_in_order);
    RUN(each_rule_is_needed);
    return test_end();
}

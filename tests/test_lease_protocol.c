/* How a launch with groups for wide works ends, as a model: lanes whose steps are
 * interleaved at random, with jobs of any length, one that lasts until the host lets it
 * go, and stops.  Nobody leaves while another lane is in a job; nobody rests for a
 * lane that has not come; the others are served meanwhile; and launches end.  The model
 * is also run with one rule broken at a time, and must notice.
 *
 * What it models, step for step, is kernel_lease.c. */
#include "schedules.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 4, PORTION = 12, LOOKS = 6, DOUBLINGS = 8, STEPS = 30000 };
enum { OPEN, ASKED, RESTING, CLOSED, STATE = 3 };

typedef enum rule {
    ALL_RULES,
    NO_REST,       /* the last to come closes */
    REST_FOR_EVER, /* a rest in vain has no end */
    RESTS_STAY,    /* who has rested in vain still counts */
    COME_AGAIN,    /* a lane comes to one attempt as often as it looks */
    OLD_ATTEMPT,   /* after a rest in vain the attempt has the same number */
    LEFT_BEHIND,   /* the last to leave leaves the words as they are */
    RULES
} rule;

typedef enum step {
    ROUND, SPEND, SPEND_ASK, LOOK, COME, COME_LAST, REST, REST_LAST, REST_LOOK, REST_END,
    REST_BACK, LEAVE, LEAVE_COUNT, LEAVE_LAST, LEFT
} step;

typedef struct lane {
    step     at;
    uint32_t round, ask, looks;              /* its locals */
    bool     came_to_odd;
    uint32_t job, begun, served;             /* steps that the job needs; when it began */
    bool     told;                           /* by ASK to leave, not by a stop */
} lane;

static struct {
    uint32_t ask, came, rests, left; /* the kernel's words */
    bool     stop;                   /* the host's */
    uint32_t held;                   /* lane with the job that lasts, or LANES */
    bool     lets_go;
    uint32_t now, asked, launches, rested, wrong;
    lane     lanes[LANES];
} m;

static void launch(void)
{
    m.wrong += m.ask || m.came || m.rests || m.left;
    m.launches++;
    m.stop = false;
    for (uint32_t i = 0; i < LANES; i++) {
        const uint32_t served = m.lanes[i].served;
        memset(&m.lanes[i], 0, sizeof m.lanes[i]);
        m.lanes[i].served = served;
        m.lanes[i].came_to_odd = true;
    }
}

/* --- a lane ---------------------------------------------------------------- */

/* True: ASK was `ask`, and is `to` now. */
static bool turn_ask(uint32_t ask, uint32_t to)
{
    if (m.ask != ask)
        return false;
    m.ask = to;
    if ((to & STATE) == ASKED)
        m.asked = m.now;
    if ((to & STATE) == RESTING) {
        m.rested++;
        for (uint32_t i = 0; i < LANES; i++) /* it has not come */
            m.wrong += m.lanes[i].job && m.lanes[i].begun < m.asked;
    }
    return true;
}

static void lane_round(lane *l)
{
    if (l->job == 0 && pick(3) == 0) {
        l->job = 1 + pick(pick(4) ? 4 : 40);
        l->begun = m.now;
    }
    if (l->job && (l == &m.lanes[m.held % LANES] && m.held < LANES && !m.lets_go))
        return;
    if (l->job) {
        l->served += --l->job == 0;
        return;
    }
    l->round++;
    if (l->round % 4 == 0 && m.stop)
        l->at = LEAVE;
    else if (l->round >= PORTION)
        l->at = SPEND;
    else if (l->round % 4 == 2)
        l->at = LOOK;
}

static bool is_odd(uint32_t ask)
{
    return ask >> 2 & 1;
}

static void lane_look(lane *l, rule broken)
{
    l->ask = m.ask;
    l->at = ROUND;
    if ((l->ask & STATE) == CLOSED) {
        l->told = true;
        l->at = LEAVE;
    } else if ((l->ask & STATE) == ASKED &&
               (is_odd(l->ask) != l->came_to_odd || broken == COME_AGAIN)) {
        l->at = COME;
    } else if ((l->ask & STATE) == RESTING) {
        l->at = REST;
    }
}

static void lane_come(lane *l, rule broken)
{
    l->at = ROUND;
    l->came_to_odd = is_odd(l->ask);
    if (++m.came % LANES == 0)
        l->at = COME_LAST;
    if (broken == NO_REST && l->at == COME_LAST)
        m.ask |= CLOSED;
}

static void lane_rest(lane *l)
{
    const uint32_t attempt = l->ask >> 2;
    l->looks = LOOKS << (attempt < DOUBLINGS ? attempt : DOUBLINGS);
    l->at = ++m.rests == LANES ? REST_LAST : REST_LOOK;
}

static void lane_rest_look(lane *l, rule broken)
{
    l->looks -= broken != REST_FOR_EVER;
    if (m.ask != l->ask || l->looks == 0)
        l->at = REST_END;
}

static void lane_rest_end(lane *l, rule broken)
{
    const uint32_t found = m.ask;
    (void)turn_ask(l->ask, broken == OLD_ATTEMPT ? l->ask - 2 : l->ask + 2);
    l->told = found == l->ask + 1;
    l->at = l->told ? LEAVE : REST_BACK;
}

/* Nobody may leave a launch that lasts. */
static void lane_leave(lane *l)
{
    for (uint32_t i = 0; i < LANES; i++)
        m.wrong += l->told && !m.stop && m.lanes[i].job != 0;
    m.ask |= CLOSED;
    l->at = LEAVE_COUNT;
}

static void lane_step(lane *l, rule broken)
{
    switch (l->at) {
    case ROUND: lane_round(l); break;
    case SPEND:
        l->round = 0;
        l->ask = m.ask;
        l->at = (l->ask & STATE) == OPEN ? SPEND_ASK : ROUND;
        break;
    case SPEND_ASK: (void)turn_ask(l->ask, l->ask + 1); l->at = ROUND; break;
    case LOOK: lane_look(l, broken); break;
    case COME: lane_come(l, broken); break;
    case COME_LAST: (void)turn_ask(l->ask, l->ask + 1); l->at = ROUND; break;
    case REST: lane_rest(l); break;
    case REST_LAST: (void)turn_ask(l->ask, l->ask + 1); l->at = REST_LOOK; break;
    case REST_LOOK: lane_rest_look(l, broken); break;
    case REST_END: lane_rest_end(l, broken); break;
    case REST_BACK:
        m.rests -= broken != RESTS_STAY;
        l->round = 0;
        l->at = ROUND;
        break;
    case LEAVE: lane_leave(l); break;
    case LEAVE_COUNT: l->at = ++m.left == LANES ? LEAVE_LAST : LEFT; break;
    case LEAVE_LAST:
        if (broken != LEFT_BEHIND)
            m.ask = m.came = m.rests = m.left = 0;
        l->at = LEFT;
        break;
    case LEFT: break;
    }
}

/* --- schedules ------------------------------------------------------------- */

static void host_step(void)
{
    bool all = true;
    for (uint32_t i = 0; i < LANES; i++)
        all = all && m.lanes[i].at == LEFT;
    if (all)
        launch();
    else if (pick(400) == 0 && (m.held == LANES || m.lets_go))
        m.stop = true;
}

static void run_until(uint32_t end, rule broken)
{
    sleeper s = { 0, 0 };
    for (; m.now < end && !m.wrong; m.now++) {
        const uint32_t who = pick(LANES + 1);
        if (who == LANES)
            host_step();
        else if (!is_asleep(&s, m.now, who, LANES * 2, 8, 60))
            lane_step(&m.lanes[who], broken);
    }
}

/* Lanes that nobody has been served by since `before`. */
static uint32_t unserved(const uint32_t *before, uint32_t but)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < LANES; i++)
        count += i != but && m.lanes[i].served == before[i];
    return count;
}

static void note_served(uint32_t *served)
{
    for (uint32_t i = 0; i < LANES; i++)
        served[i] = m.lanes[i].served;
}

/* A third as usual, a third beside a job that lasts, and a third when it has ended. */
static uint32_t schedule(uint64_t seed, uint32_t number)
{
    const rule broken = (rule)number;
    uint32_t served[LANES];
    memset(&m, 0, sizeof m);
    schedule_state = seed * 0x9e3779b97f4a7c15ull + 1;
    m.held = LANES;
    launch();
    run_until(STEPS / 3, broken);
    while (m.stop && !m.wrong) /* which would have to wait for the job that lasts */
        run_until(m.now + 1, broken);
    m.held = pick(LANES);
    run_until(STEPS / 2, broken);
    note_served(served);
    const uint32_t rested = m.rested;
    run_until(STEPS / 3 * 2, broken);
    uint32_t wrong = m.wrong + unserved(served, m.held) + (m.rested - rested > 1);
    m.lets_go = true;
    const uint32_t launches = m.launches;
    run_until(STEPS, broken);
    wrong += m.wrong + (m.launches - launches < 2);
    return wrong;
}

static void launches_end_and_nobody_is_left_behind(void)
{
    schedules_go_right(schedule, 0, 1500);
}

static void each_rule_is_needed(void)
{
    for (uint32_t broken = ALL_RULES + 1; broken < RULES; broken++)
        rule_is_needed(schedule, 0, broken, 300);
}

int main(void)
{
    RUN(launches_end_and_nobody_is_left_behind);
    RUN(each_rule_is_needed);
    return test_end();
}

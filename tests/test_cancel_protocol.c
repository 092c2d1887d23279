/* Taking works back (src/engine/engine_cancel.c), cut into its smallest steps: a slot's
 * owner or two publishers, two who cancel, one who waits, and a lane, in an order that a
 * seed decides; and a bus between host and device, on which what one thread has stored
 * arrives in any order, until that thread makes a fence.
 *
 * Every work ends exactly once and is told so; one that was taken back had been asked
 * for; what is claimed after the wish has arrived does not run.  Each rule of the
 * protocol, broken, must show.  SCHEDULES replaces the number of schedules. */
#include "test.h"

#include <string.h>

#define WORKS 6u
#define NONE  0u

typedef enum rule {
    ALL_KEPT,
    OWNER_NOT_WAITED_FOR, /* what it had decided before may still be stored */
    MARK_NOT_TAKEN,       /* the slot may have its next work by then */
    NEVER_CLEARED,
    CLEARED_TOO_LATE,     /* behind the next work */
    NOT_FENCED,           /* the next work may overtake the clear */
    STATUS_SWAPPED,       /* PUBLISHED to EMPTY, by an instruction that is two on a bus */
    RULES
} rule;

typedef enum phase { FREE, BUSY, FLIGHT, ENDING } phase;
typedef enum status { EMPTY, PUBLISHED, CLAIMED, DONE, FAULT } status;
typedef enum fate { NOT_YET, OUT, RAN, GONE } fate;

enum { OWNER, OTHER, CANCEL, CANCEL_TOO, WAITER, LANE, BUS, ACTORS };
enum { TO_WISH = 1, TO_SLOT = 2 };

typedef struct store {
    int      to; /* 0: nothing */
    uint32_t value, work;
} store;

typedef struct actor {
    uint32_t step, work, seen, wish;
    phase    was;
    store    posted[2]; /* on the bus */
} actor;

static struct {
    /* The host's memory. */
    uint32_t generation, inside, wishes, mirror;
    phase    phase;
    /* The device's. */
    status   status;
    uint32_t slot, wish;
    /* What is the case. */
    fate     of[WORKS + 1];
    bool     asked[WORKS + 1], arrived[WORKS + 1], told[WORKS + 1];
    uint32_t posted, ended, wrong;
    bool     owned, beside;
    rule     broken;
    actor    actors[ACTORS];
    uint64_t random;
} w;

static uint32_t chance(uint32_t of)
{
    return (uint32_t)(test_random(&w.random) >> 33) % of;
}

static void must(bool so)
{
    w.wrong += !so;
}

/* --- the bus ------------------------------------------------------------------ */

static void deliver(store *s)
{
    if (s->to == TO_WISH) {
        w.wish = s->value;
        if (s->value)
            w.arrived[s->work] = true;
    } else if (s->to == TO_SLOT) {
        w.slot = s->work;
        w.status = PUBLISHED;
    }
    s->to = 0;
}

static void post(actor *a, int to, uint32_t value, uint32_t work)
{
    store *s = &a->posted[a->posted[0].to != 0];
    if (s->to)
        deliver(s); /* its buffers are full */
    s->to = to;
    s->value = value;
    s->work = work;
}

static void fence(actor *a)
{
    deliver(&a->posted[0]);
    deliver(&a->posted[1]);
}

static void step_bus(void)
{
    deliver(&w.actors[chance(BUS)].posted[chance(2)]);
}

/* --- those who publish --------------------------------------------------------- */

static bool move(uint32_t generation, phase from, uint32_t next, phase to)
{
    if (w.generation != generation || w.phase != from)
        return false;
    w.generation = next;
    w.phase = to;
    return true;
}

/* The end of this generation was seen; once. */
static void tell(uint32_t work, uint32_t outcome)
{
    must(!w.told[work]);
    must(w.of[work] == (outcome == DONE ? RAN : GONE));
    w.told[work] = true;
}

static void clear(actor *a)
{
    if (w.broken == NEVER_CLEARED || !w.wishes)
        return;
    w.wishes = NONE;
    post(a, TO_WISH, 0, NONE);
}

static void publish(actor *a)
{
    w.of[a->work] = OUT;
    w.posted++;
    post(a, TO_SLOT, PUBLISHED, a->work);
}

/* Moves marks by plain stores, but for an end that is no good one. */
static void step_owner(actor *a)
{
    switch (a->step++) {
    case 0:
        a->step = w.posted < WORKS;
        w.inside = a->step;
        return;
    case 1: /* looks */
        a->work = w.generation;
        a->step = w.phase == FREE ? 4 : w.phase == FLIGHT ? 2 : 10;
        return;
    case 2:
        a->seen = w.mirror;
        a->step = a->seen == NONE ? 10 : 3;
        return;
    case 3:
        if (a->seen == FAULT && !move(a->work, FLIGHT, a->work, ENDING)) {
            a->step = 10;
            return;
        }
        if (!w.told[a->work]) /* or somebody was first, and said the same */
            tell(a->work, a->seen);
        w.generation = a->work;
        w.phase = FREE;
        return;
    case 4:
        w.mirror = NONE;
        return;
    case 5:
        if (w.broken != CLEARED_TOO_LATE)
            clear(a);
        return;
    case 6:
        if (w.broken != NOT_FENCED)
            fence(a);
        return;
    case 7:
        w.generation = ++a->work;
        w.phase = BUSY;
        return;
    case 8:
        publish(a);
        return;
    case 9:
        if (w.broken == CLEARED_TOO_LATE)
            clear(a);
        w.phase = FLIGHT;
        return;
    default:
        w.inside = 0;
        a->step = 0;
    }
}

/* One of many, who take the mark by compare-and-swap. */
static void step_publisher(actor *a)
{
    switch (a->step++) {
    case 0:
        a->work = w.generation;
        a->was = w.phase;
        a->step = (a->was == FREE || a->was == FLIGHT) && w.posted < WORKS;
        return;
    case 1:
        a->seen = w.mirror;
        if (a->was == FLIGHT && a->seen == NONE)
            a->step = 0;
        return;
    case 2:
        if (w.posted >= WORKS || !move(a->work, a->was, a->work + 1, BUSY)) {
            a->step = 0;
            return;
        }
        if (a->was == FLIGHT)
            tell(a->work, a->seen);
        a->work++;
        return;
    case 3:
        w.mirror = NONE;
        return;
    case 4:
        if (w.broken != CLEARED_TOO_LATE)
            clear(a);
        return;
    case 5:
        if (w.broken != NOT_FENCED)
            fence(a);
        return;
    case 6:
        publish(a);
        return;
    default:
        if (w.broken == CLEARED_TOO_LATE)
            clear(a);
        w.phase = FLIGHT;
        a->step = 0;
    }
}

/* --- those who cancel ------------------------------------------------------------ */

static void ask(actor *a)
{
    w.asked[a->work] = true;
    w.wishes = a->work;
    post(a, TO_WISH, 1, a->work);
}

/* As if a word of the device's could be swapped from here. */
static void step_swap(actor *a)
{
    switch (a->step++) {
    case 0:
        a->work = w.slot;
        a->step = w.status == PUBLISHED;
        return;
    default:
        w.status = EMPTY;
        a->step = 0;
        w.asked[a->work] = true;
        must(w.of[a->work] == OUT);
        w.of[a->work] = GONE;
        w.mirror = FAULT;
        w.ended++;
    }
}

static void step_cancel(actor *a)
{
    switch (a->step++) {
    case 0:
        a->work = w.generation;
        a->step = w.phase == FLIGHT && w.wishes != a->work && chance(4) == 0;
        return;
    case 1:
        if (w.broken == MARK_NOT_TAKEN)
            a->step = 4;
        else if (!move(a->work, FLIGHT, a->work, ENDING))
            a->step = 0;
        return;
    case 2:
        if (w.owned && w.inside && w.broken != OWNER_NOT_WAITED_FOR)
            a->step = 2;
        return;
    case 3:
        if (w.generation != a->work || w.phase != ENDING)
            a->step = 0;
        return;
    case 4:
        a->step = w.mirror == NONE ? 5 : 7;
        return;
    case 5:
        ask(a);
        return;
    case 6:
        fence(a);
        return;
    default:
        if (w.broken != MARK_NOT_TAKEN)
            w.phase = FLIGHT;
        a->step = 0;
    }
}

/* --- who waits, and the lane ------------------------------------------------------ */

static void step_waiter(actor *a)
{
    switch (a->step++) {
    case 0:
        a->work = w.generation;
        a->step = w.phase == FLIGHT;
        return;
    case 1:
        a->seen = w.mirror;
        a->step = a->seen ? 2 : 0;
        return;
    default:
        if (move(a->work, FLIGHT, a->work, FREE))
            tell(a->work, a->seen);
        a->step = 0;
    }
}

static void lane_looks(actor *a)
{
    a->wish = w.wish;
    must(a->wish || !w.arrived[w.slot]);
}

static void step_lane(actor *a)
{
    switch (a->step++) {
    case 0:
        a->step = w.status == PUBLISHED;
        return;
    case 1:
        if (w.beside)
            lane_looks(a);
        return;
    case 2:
        if (w.status != PUBLISHED) {
            a->step = 0;
            return;
        }
        w.status = CLAIMED;
        a->work = w.slot;
        return;
    case 3:
        if (!w.beside)
            lane_looks(a);
        return;
    case 4:
        must(w.of[a->work] == OUT && (!a->wish || w.asked[a->work]));
        w.of[a->work] = a->wish ? GONE : RAN;
        w.ended++;
        return;
    case 5:
        w.mirror = a->wish ? FAULT : DONE;
        return;
    default:
        if (w.status == CLAIMED)
            w.status = a->wish ? FAULT : DONE;
        a->step = 0;
    }
}

/* --- schedules --------------------------------------------------------------------- */

static void step(uint32_t who)
{
    actor *a = &w.actors[who];
    if (who == OWNER)
        w.owned ? step_owner(a) : step_publisher(a);
    else if (who == OTHER && !w.owned)
        step_publisher(a);
    else if (who == CANCEL || who == CANCEL_TOO)
        w.broken == STATUS_SWAPPED ? step_swap(a) : step_cancel(a);
    else if (who == WAITER)
        step_waiter(a);
    else if (who == LANE)
        step_lane(a);
    else if (who == BUS)
        step_bus();
}

/* How many works were taken back; more than there are: something went wrong. */
static uint32_t schedule(uint64_t seed, rule broken)
{
    uint32_t gone = 0, steps = 0;
    memset(&w, 0, sizeof w);
    w.random = seed;
    w.broken = broken;
    w.owned = broken == OWNER_NOT_WAITED_FOR || (broken != MARK_NOT_TAKEN && chance(2));
    w.beside = chance(2);
    const uint32_t favoured = chance(ACTORS); /* the others seem to sleep */
    while ((w.ended < WORKS || w.posted < WORKS) && steps++ < 3000)
        step(chance(3) ? chance(ACTORS) : favoured);
    /* All come to their ends, and what is on the bus; a store may have been there all the time. */
    const uint32_t turns = 40 * (1 + WORKS - (w.ended < WORKS ? w.ended : WORKS));
    for (uint32_t turn = 0; turn < turns; turn++)
        for (uint32_t who = 0; who < ACTORS; who++) {
            if (who < CANCEL || who > CANCEL_TOO || w.actors[who].step)
                step(who);
            fence(&w.actors[who]);
        }
    for (uint32_t i = 1; i <= WORKS; i++) {
        must(w.told[i]);
        gone += w.of[i] == GONE;
    }
    must(w.ended == WORKS && w.phase == FREE);
    return w.wrong ? WORKS + 1 : gone;
}

static uint32_t schedules(void)
{
    const char *text = getenv("SCHEDULES");
    return text ? (uint32_t)strtoul(text, NULL, 0) : 20000;
}

static void each_work_ends_once(void)
{
    uint64_t seed = test_seed(0x70726f74);
    uint64_t gone = 0, works = (uint64_t)schedules() * WORKS;
    for (uint32_t i = 0; i < schedules(); i++) {
        const uint64_t one = test_random(&seed);
        const uint32_t back = schedule(one, ALL_KEPT);
        if (back > WORKS)
            test_fail(__FILE__, __LINE__, "schedule 0x%llx", (unsigned long long)one);
        gone += back;
    }
    CHECK(gone > works / 50 && gone < works * 49 / 50);
}

/* The first work lies on the bus for 1,900 of the 3,000 steps: four are left after them. */
static void a_work_is_late(void)
{
    CHECK(schedule(0x44fdcd3e9fb3cb4, ALL_KEPT) <= WORKS);
}

static void each_rule_is_needed(void)
{
    uint64_t seed = test_seed(0x62726f6b);
    for (uint32_t broken = ALL_KEPT + 1; broken < RULES; broken++) {
        uint32_t found = 0;
        for (uint32_t i = 0; i < 20000 && !found; i++)
            found = schedule(test_random(&seed), (rule)broken) > WORKS;
        if (!found)
            test_fail(__FILE__, __LINE__, "rule %u can be broken", (unsigned)broken);
    }
}

int main(void)
{
    RUN(each_work_ends_once);
    RUN(a_work_is_late);
    RUN(each_rule_is_needed);
    return test_end();
}

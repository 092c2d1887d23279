/* Schedules of parties that run beside each other, drawn from a seed; and the rules of a
 * protocol, each broken in turn.  A test has a function that runs one schedule, and says
 * how much of it went wrong: rule 0 breaks none.  SCHEDULES: how many. */
#ifndef SCHEDULES_H
#define SCHEDULES_H

#include "test.h"

typedef uint32_t (*schedule_fn)(uint64_t seed, uint32_t broken);

static uint64_t schedule_state;

static uint32_t pick(uint32_t n)
{
    schedule_state = schedule_state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(schedule_state >> 33) % n;
}

/* One party sleeps for a while, and then another one. */
typedef struct sleeper {
    uint32_t who, until;
} sleeper;

static bool is_asleep(sleeper *s, uint32_t step, uint32_t who, uint32_t parties, uint32_t least,
                      uint32_t more)
{
    if (step >= s->until) {
        s->who = pick(parties);
        s->until = step + least + pick(more);
    }
    return who == s->who;
}

static uint64_t schedules_wrong(schedule_fn run, uint64_t seed, uint32_t broken, uint64_t count)
{
    uint64_t wrong = 0;
    for (uint64_t i = 0; i < count; i++)
        wrong += run(test_seed(seed) + i, broken) != 0;
    return wrong;
}

static void schedules_go_right(schedule_fn run, uint64_t seed, uint64_t count)
{
    const char *text = getenv("SCHEDULES");
    CHECK_EQ(schedules_wrong(run, seed, 0, text ? strtoull(text, NULL, 0) : count), 0);
}

/* `count` schedules are enough to see that the rule is broken. */
static void rule_is_needed(schedule_fn run, uint64_t seed, uint32_t broken, uint64_t count)
{
    const uint64_t wrong = schedules_wrong(run, seed, broken, count);
    if (wrong == 0)
        test_fail(__FILE__, __LINE__, "rule %u can be broken, and nobody notices",
                  (unsigned)broken);
    printf("NOTE rule %u broken: %u schedules of %u go wrong\n", (unsigned)broken,
           (unsigned)wrong, (unsigned)count);
}

#endif

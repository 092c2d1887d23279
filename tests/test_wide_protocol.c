/* The protocol of gates and claims as a model: groups and a host whose steps are
 * interleaved at random, with leases that end, stops, and generations that are used up.
 * Each chunk of each work must run once, with that work's words.  The model is also run
 * with one rule broken at a time, and must notice.
 *
 * What it models, step for step, is kernel_groups.c and engine_wide.c: one wide slot,
 * for slots share nothing. */
#include "schedules.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { GROUPS = 4, CHUNKS = 5, LAST = 6, COUNT_BITS = 17, WORKS = 40 };

typedef enum rule {
    ALL_RULES,
    LATE_IS_OWN,      /* a late group takes its chunk for one of the work that it saw */
    NO_MAX,           /* nobody opens the next generation */
    REUSE_AT_ONCE,    /* after the last generation the slot begins anew at once */
    ANY_DESCRIPTOR,   /* who found no chunk takes the next work's words for its own */
    END_IN_MIDDLE,    /* a lease may end between a claim and the chunk's end */
    RULES
} rule;

typedef enum step { LOOK, RAISE, CLAIM, READ, CATCH_UP, RUN_CHUNK, FINISH, LEFT } step;

typedef struct group {
    step     at;
    uint32_t exhausted, seen, generation, chunk;
    uint32_t work, chunks; /* as it read the slot */
} group;

/* The slot's words, and what the test knows. */
static struct {
    uint32_t gate, next, finished, done, mirror; /* gate: the generation */
    uint32_t slot_work, slot_chunks, slot_generation;
    uint32_t generation, retired; /* the host's */
    uint32_t launched, completed;
    bool     leaving;             /* the lease is to end */
    uint32_t ran[WORKS][CHUNKS];
    uint32_t works, wrong;
    group    groups[GROUPS];
} m;

static void launch(void)
{
    m.launched++;
    m.leaving = false;
    for (uint32_t i = 0; i < GROUPS; i++) {
        m.groups[i].at = LOOK;
        m.groups[i].exhausted = m.done;
    }
}

/* --- a group -------------------------------------------------------------- */

static void group_look(group *g)
{
    if (m.leaving) {
        g->at = LEFT;
        return;
    }
    g->seen = m.gate;
    if (g->seen && g->seen != g->exhausted)
        g->at = RAISE;
}

static void group_claim(group *g, rule broken)
{
    const uint32_t claim = m.next++;
    g->generation = claim >> COUNT_BITS;
    g->chunk = claim & ((1u << COUNT_BITS) - 1);
    if (broken == LATE_IS_OWN || broken == NO_MAX)
        g->generation = g->seen;
    g->at = g->generation == g->seen ? READ : CATCH_UP;
}

static void group_read(group *g, rule broken)
{
    g->work = m.slot_work;
    g->chunks = m.slot_chunks;
    g->at = RUN_CHUNK;
    const bool own = m.slot_generation == g->generation || broken == ANY_DESCRIPTOR;
    if (!own || g->chunk >= g->chunks) {
        g->exhausted = g->generation;
        g->at = LOOK;
    }
}

static void group_run(group *g)
{
    if (g->work >= WORKS || g->chunk >= CHUNKS || m.ran[g->work][g->chunk]++)
        m.wrong++;
    g->at = FINISH;
}

static void group_finish(group *g)
{
    g->at = LOOK;
    if (++m.finished < g->chunks)
        return;
    m.finished = 0;
    m.done = g->generation;
    m.mirror = 1;
}

static void group_step(group *g, rule broken)
{
    const bool middle = g->at == READ || g->at == RUN_CHUNK;
    if (broken == END_IN_MIDDLE && m.leaving && middle && pick(2)) {
        g->at = LEFT;
        return;
    }
    switch (g->at) {
    case LOOK: group_look(g); break;
    case RAISE:
        if (broken != NO_MAX && m.next < g->seen << COUNT_BITS)
            m.next = g->seen << COUNT_BITS;
        g->at = CLAIM;
        break;
    case CLAIM: group_claim(g, broken); break;
    case CATCH_UP: /* the gate that another group has seen */
        m.wrong += m.gate < g->generation && m.gate != 0;
        g->at = READ;
        break;
    case READ: group_read(g, broken); break;
    case RUN_CHUNK: group_run(g); break;
    case FINISH: group_finish(g); break;
    case LEFT: break;
    }
}

/* --- the host ------------------------------------------------------------- */

static bool all_left(void)
{
    for (uint32_t i = 0; i < GROUPS; i++)
        if (m.groups[i].at != LEFT)
            return false;
    return true;
}

/* The slot's words are the host's while nothing of it is open. */
static void host_publish(void)
{
    if (!m.mirror || m.works == WORKS || m.generation == LAST)
        return;
    m.mirror = 0;
    m.slot_work = m.works++;
    m.slot_chunks = 1 + pick(CHUNKS);
    m.slot_generation = ++m.generation;
    m.gate = m.generation;
}

static void host_renew(rule broken)
{
    if (!m.mirror || m.generation != LAST)
        return;
    if (!m.retired) {
        m.gate = 0;
        m.retired = m.launched + 1;
    }
    if (m.completed + 1 < m.retired && broken != REUSE_AT_ONCE)
        return;
    m.next = m.done = m.generation = m.retired = 0;
}

static void host_step(rule broken)
{
    switch (pick(4)) {
    case 0: host_publish(); break;
    case 1: host_renew(broken); break;
    case 2: m.leaving = m.leaving || pick(4) == 0; break;
    default:
        if (m.leaving && all_left()) {
            m.completed++;
            launch();
        }
    }
}

/* --- schedules ------------------------------------------------------------ */

/* Not 0: something ran twice, not at all, or never ended.  A group that is asleep for
 * long is what makes others late: now and then one is left out. */
static uint32_t schedule(uint64_t seed, uint32_t number)
{
    const rule broken = (rule)number;
    memset(&m, 0, sizeof m);
    schedule_state = seed * 0x9e3779b97f4a7c15ull + 1;
    m.mirror = 1;
    launch();
    uint32_t asleep = 0;
    for (uint32_t n = 0; n < 40000 && !(m.works == WORKS && m.mirror); n++) {
        if (n % 64 == 0)
            asleep = pick(GROUPS * 2);
        const uint32_t who = pick(GROUPS + 2);
        if (who >= GROUPS)
            host_step(broken);
        else if (who != asleep)
            group_step(&m.groups[who], broken);
        if (m.wrong)
            return m.wrong;
    }
    return !(m.works == WORKS && m.mirror);
}

static void every_chunk_runs_once(void)
{
    schedules_go_right(schedule, 0, 5000);
}

static void each_rule_is_needed(void)
{
    for (uint32_t broken = ALL_RULES + 1; broken < RULES; broken++)
        rule_is_needed(schedule, 0, broken, 2000);
}

int main(void)
{
    RUN(every_chunk_runs_once);
    RUN(each_rule_is_needed);
    return test_end();
}

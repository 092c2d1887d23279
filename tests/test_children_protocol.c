/* The device's own queue as a model: a host that publishes works into the slots of a few
 * lanes, lanes that spawn jobs, claim them, have a then, and end them, one step of memory at
 * a time, in random order.  Each job must run once at a time, a then after all that its job
 * spawned, and a ticket must end after all of its descendants and with a fault if one had
 * one.  The model is also run with one rule broken at a time, and must notice.  What it
 * models is kernel_spawn.c and kernel_children.c.  SCHEDULES in the environment replaces the
 * number of schedules. */
#include "schedules.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 3, WORDS = 2, BITS = 2, ENTRIES = WORDS * BITS, PLACES = LANES + ENTRIES,
       WORKS = 6, JOBS = 400, DEPTH = 3, MANY = 1000, NOWHERE = PLACES };

typedef enum rule {
    ALL_RULES,
    PENDING_LATE,   /* the count is set when the first child waits already */
    NOT_MANY,       /* while the parent runs, the count has only the children */
    LOOK_CLAIMS,    /* the atomic's answer is not asked for */
    LOOK_RESERVES,  /* the same, of an entry */
    FREE_FIRST,     /* an entry is free before its parent was read */
    WORDS_LATE,     /* a then's words are written when others may have it already */
    FAULT_LATE,     /* a fault is stored when the parent may have ended already */
    LEAVE_AT_ONCE,  /* a lane leaves a pass when a part is empty, and does not look at all */
    SILENT_PASS,    /* nobody tells the host that a slot is JOINED */
    RULES
} rule;

typedef enum step {
    CHOOSE, SLOT_LOOK, SLOT_CLAIM, MASK_LOOK, MASK_CLAIM, STATE_LOOK, BEGIN,
    RESERVE_LOOK, RESERVE, CHILD_PENDING, CHILD_WORDS, CHILD_OUT, CHILD_LATE,
    THEN_WORDS, OWN_STATE, OWN_FAULT, OWN_TAKE, OWN_LATE, OWN_VERDICT, PUBLISH, TELL,
    END_MIRROR, END_STATUS, CHILD_PARENT, CHILD_FAULT, CHILD_FREE, CHILD_TAKE, PARENT_LOOK, GONE
} step;
typedef enum status { EMPTY, PUBLISHED, CLAIMED, JOINED, DONE } status;

/* What there is in memory for each place: a lane's slot, or an entry of the queue. */
typedef struct place {
    status   state;  /* of a slot */
    uint32_t mirror; /* likewise: 1, and 2 for a fault */
    uint32_t word;   /* the run that it is for */
    uint32_t pending, fault, ends, parent;
} place;

/* What is true: a run of a job, which is another one after a then. */
typedef struct job {
    uint32_t parent, first; /* 0: a root; the job's first run */
    uint32_t work, depth;
    uint32_t alive;         /* of the first run: children of the job that have not ended */
    bool     bad;           /* of the first run: it or one below it had a fault */
    bool     began;
    bool     over, ended;   /* of the first run: none of its runs is under way; the job has ended */
} job;

typedef struct lane {
    step     at, back;
    uint32_t home, cursor, looked; /* looked: words without anything, in a row */
    uint32_t place, bit, word;     /* the job's place; of the mask that was looked at */
    uint32_t run, spawns, spawned, fault, child, next, parent;
    bool     fresh, then, ends, last;
} lane;

static struct {
    place    places[PLACES];
    uint32_t used[WORDS], waiting[WORDS], told, heard;
    lane     lanes[LANES];
    job      jobs[JOBS];
    uint32_t job_count, works, ended, roots[LANES];
    uint32_t wrong;
    bool     passes;
} m;

static void expect(bool good)
{
    m.wrong += !good;
}

/* --- what is true --------------------------------------------------------------- */

static uint32_t new_run(uint32_t parent, uint32_t first, uint32_t work, uint32_t depth)
{
    if (m.job_count + 1 >= JOBS)
        return 0;
    const uint32_t run = ++m.job_count;
    job *j = &m.jobs[run];
    j->parent = parent;
    j->first = first ? first : run;
    j->work = work;
    j->depth = depth;
    return run;
}

static job *first_of(uint32_t run)
{
    return &m.jobs[m.jobs[run].first];
}

static void run_begins(uint32_t run)
{
    job *j = &m.jobs[run];
    expect(run && !j->began && first_of(run)->alive == 0 && !first_of(run)->ended);
    expect(j->first == run || !first_of(run)->bad); /* no then after a fault */
    j->began = true;
    first_of(run)->over = false;
}

static void run_ends(uint32_t run, bool fault)
{
    first_of(run)->over = true;
    first_of(run)->bad = first_of(run)->bad || fault;
}

/* The job that this run is of; `fault` is what the device makes of it. */
static void job_ends(uint32_t run, bool fault)
{
    job *j = first_of(run);
    expect(!j->ended && j->alive == 0 && j->over && j->bad == fault);
    j->ended = true;
    if (!j->parent)
        return;
    job *parent = first_of(j->parent);
    expect(parent->alive > 0);
    parent->alive--;
    parent->bad = parent->bad || j->bad;
}

/* --- the host ---------------------------------------------------------------------- */

static void host(void)
{
    const uint32_t at = pick(LANES);
    place *s = &m.places[at];
    if (s->mirror) {
        const job *j = &m.jobs[m.roots[at]];
        expect(j->ended && j->alive == 0 && j->bad == (s->mirror == 2));
        s->mirror = 0;
        m.ended++;
        m.roots[at] = 0;
        return;
    }
    if (m.roots[at] || m.works == WORKS)
        return;
    const uint32_t run = new_run(0, 0, ++m.works, 0);
    expect(run != 0);
    m.roots[at] = run;
    s->word = run;
    s->state = PUBLISHED;
}

/* All lanes have left: another pass, if there is a reason that the host can see. */
static void next_pass(void)
{
    bool reason = m.told != m.heard;
    for (uint32_t at = 0; at < LANES; at++)
        reason = reason || m.places[at].state == PUBLISHED;
    for (uint32_t w = 0; w < WORDS; w++)
        expect(m.waiting[w] == 0); /* nothing is left behind */
    for (uint32_t at = 0; at < LANES; at++)
        expect(m.places[at].state != JOINED || reason);
    m.heard = m.told;
    for (uint32_t i = 0; i < LANES && reason; i++) {
        m.lanes[i].at = CHOOSE;
        m.lanes[i].looked = 0;
    }
}

/* --- a lane: claims ----------------------------------------------------------------- */

static void claimed(lane *l, uint32_t at, bool fresh)
{
    l->place = at;
    l->fresh = fresh;
    l->looked = 0;
    l->at = fresh ? BEGIN : STATE_LOOK;
    l->ends = false;
}

static void choose(lane *l, rule broken)
{
    const uint32_t most = broken == LEAVE_AT_ONCE ? 1 : WORDS;
    if (l->looked > most && m.passes) {
        l->at = GONE;
        return;
    }
    if (l->looked > WORDS)
        l->looked = 0;
    l->at = l->looked == 0 ? SLOT_LOOK : MASK_LOOK;
}

static void slot_steps(lane *l, uint32_t self)
{
    place *s = &m.places[self];
    if (l->at == SLOT_LOOK) {
        const bool there = s->state == PUBLISHED || s->state == JOINED;
        l->at = there ? SLOT_CLAIM : CHOOSE;
        l->looked = 1;
        return;
    }
    const bool fresh = s->state == PUBLISHED;
    expect(s->state == PUBLISHED || s->state == JOINED); /* nobody else moves it */
    s->state = CLAIMED;
    claimed(l, self, fresh);
}

static void mask_steps(lane *l, rule broken)
{
    if (l->at == MASK_LOOK) {
        l->word = broken == LEAVE_AT_ONCE ? pick(WORDS) : l->cursor % WORDS;
        const uint32_t mask = m.waiting[l->word];
        l->cursor++;
        l->at = mask ? MASK_CLAIM : CHOOSE;
        l->looked += !mask;
        if (mask)
            l->bit = (mask & 1u) && (!(mask & 2u) || pick(2)) ? 0 : 1;
        return;
    }
    const uint32_t before = m.waiting[l->word];
    m.waiting[l->word] &= ~(1u << l->bit);
    l->at = CHOOSE;
    if ((before >> l->bit & 1u) || broken == LOOK_CLAIMS)
        claimed(l, LANES + l->word * BITS + l->bit, false);
}

/* --- a lane: a run ------------------------------------------------------------------- */

static void begin(lane *l)
{
    place *p = &m.places[l->place];
    l->run = p->word;
    l->spawned = l->fault = l->next = 0;
    l->spawns = 0;
    l->then = false;
    if (l->ends) {
        l->fault = p->fault;
        l->at = OWN_VERDICT;
        l->last = true;
        return;
    }
    run_begins(l->run);
    const job *j = &m.jobs[l->run];
    const bool deep = j->depth >= DEPTH || m.job_count > JOBS - 40;
    l->spawns = deep ? 0 : pick(3);
    l->fault = pick(12) == 0;
    l->then = !deep && pick(2) && (m.jobs[l->run].first == l->run || pick(3) == 0);
    l->at = RESERVE_LOOK;
}

static void reserve(lane *l, rule broken)
{
    if (l->spawns == 0) {
        l->at = THEN_WORDS;
        return;
    }
    if (l->at == RESERVE_LOOK) {
        const uint32_t used = m.used[l->home];
        l->bit = used & 1u ? 1 : 0;
        l->at = RESERVE;
        if (used == 3u) { /* full: it does this one itself */
            l->spawns--;
            l->at = RESERVE_LOOK;
        }
        return;
    }
    const uint32_t before = m.used[l->home];
    m.used[l->home] |= 1u << l->bit;
    const bool got = !(before >> l->bit & 1u) || broken == LOOK_RESERVES;
    l->child = LANES + l->home * BITS + l->bit;
    l->at = !got ? RESERVE_LOOK : broken == PENDING_LATE ? CHILD_WORDS : CHILD_PENDING;
}

static void set_pending(lane *l, rule broken)
{
    if (l->spawned == 0) {
        m.places[l->place].pending = broken == NOT_MANY ? 0 : MANY;
        m.places[l->place].fault = 0;
    }
    if (broken == NOT_MANY)
        m.places[l->place].pending++;
}

static void child_steps(lane *l, rule broken)
{
    place *c = &m.places[l->child];
    switch (l->at) {
    case CHILD_PENDING:
        set_pending(l, broken);
        l->at = CHILD_WORDS;
        return;
    case CHILD_WORDS:
        c->word = new_run(l->run, 0, m.jobs[l->run].work, m.jobs[l->run].depth + 1);
        c->parent = l->place;
        c->ends = false;
        first_of(l->run)->alive++;
        l->at = CHILD_OUT;
        return;
    case CHILD_OUT:
        m.waiting[l->home] |= 1u << (l->child - LANES) % BITS;
        l->at = CHILD_LATE;
        return;
    default:
        if (broken == PENDING_LATE)
            set_pending(l, broken);
        l->at = RESERVE_LOOK;
        l->spawned++;
        l->spawns--;
        return;
    }
}

/* --- a lane: its end ------------------------------------------------------------------ */

static void then_words(lane *l, rule broken, bool late)
{
    if (l->then && !l->fault && late == (broken == WORDS_LATE)) {
        const job *j = &m.jobs[l->run];
        l->next = new_run(j->parent, j->first, j->work, j->depth);
        m.places[l->place].word = l->next;
    }
}

static void own_steps(lane *l, rule broken)
{
    place *p = &m.places[l->place];
    switch (l->at) {
    case THEN_WORDS:
        then_words(l, broken, false);
        l->at = OWN_STATE;
        return;
    case OWN_STATE:
        if (l->then || l->spawned)
            p->ends = !(l->then && !l->fault);
        l->at = OWN_FAULT;
        return;
    case OWN_FAULT:
        run_ends(l->run, l->fault != 0);
        if (l->spawned && l->fault && broken != FAULT_LATE && !p->fault)
            p->fault = 1;
        l->at = OWN_TAKE;
        return;
    case OWN_TAKE:
        l->last = true;
        if (l->spawned) {
            const uint32_t rest = broken == NOT_MANY ? 0 : MANY - l->spawned;
            l->last = p->pending == rest;
            p->pending -= rest;
        }
        l->at = broken == WORDS_LATE ? OWN_LATE : OWN_VERDICT;
        return;
    case OWN_LATE:
        then_words(l, broken, true);
        l->at = OWN_VERDICT;
        return;
    default:
        break;
    }
    if (!l->last) {
        if (broken == FAULT_LATE && l->fault)
            p->fault = 1;
        l->at = CHOOSE;
        return;
    }
    if (l->spawned)
        l->fault = p->fault || (broken == FAULT_LATE && l->fault);
    l->parent = l->place;
    if (l->then && !l->fault)
        l->at = PUBLISH;
    else
        l->at = l->place < LANES ? END_MIRROR : CHILD_PARENT;
}

/* l->parent is the place that can be claimed from now on. */
static void publish(lane *l, rule broken)
{
    const uint32_t at = l->parent;
    l->at = CHOOSE;
    if (at >= LANES) {
        m.waiting[(at - LANES) / BITS] |= 1u << (at - LANES) % BITS;
        return;
    }
    m.places[at].state = JOINED;
    l->at = m.passes && broken != SILENT_PASS ? TELL : CHOOSE;
}

static void end_slot(lane *l)
{
    place *s = &m.places[l->place];
    if (l->at == END_MIRROR) {
        job_ends(l->run, l->fault != 0);
        s->mirror = l->fault ? 2 : 1;
        l->at = END_STATUS;
        return;
    }
    if (s->state == CLAIMED)
        s->state = DONE;
    l->at = CHOOSE;
}

/* The child at l->place has ended, with l->fault. */
static void climb(lane *l, rule broken)
{
    const uint32_t entry = l->place - LANES;
    place *parent = &m.places[l->parent];
    switch (l->at) {
    case CHILD_PARENT:
        job_ends(l->run, l->fault != 0);
        if (broken == FREE_FIRST) {
            m.used[entry / BITS] &= ~(1u << entry % BITS);
            l->parent = NOWHERE;
        } else
            l->parent = m.places[l->place].parent;
        l->at = CHILD_FAULT;
        return;
    case CHILD_FAULT:
        if (l->parent == NOWHERE) {
            l->parent = m.places[l->place].parent;
            parent = &m.places[l->parent];
        }
        if (l->fault && broken != FAULT_LATE && !parent->fault)
            parent->fault = 1;
        l->at = CHILD_FREE;
        return;
    case CHILD_FREE:
        if (broken != FREE_FIRST)
            m.used[entry / BITS] &= ~(1u << entry % BITS);
        l->at = CHILD_TAKE;
        return;
    case CHILD_TAKE:
        l->last = parent->pending-- == 1;
        if (broken == FAULT_LATE && l->fault && !l->last)
            parent->fault = 1;
        l->at = l->last ? PARENT_LOOK : CHOOSE;
        return;
    default:
        break;
    }
    l->fault = parent->fault;
    if ((!parent->ends && !l->fault) || l->parent < LANES) {
        parent->ends = parent->ends || l->fault;
        l->at = PUBLISH;
        return;
    }
    l->place = l->parent;
    l->run = parent->word;
    l->at = CHILD_PARENT;
    if (pick(4) == 0) { /* as after many levels: it only ends, by whoever claims it */
        parent->ends = true;
        l->at = PUBLISH;
    }
}

static void lane_step(uint32_t self, rule broken)
{
    lane *l = &m.lanes[self];
    switch (l->at) {
    case CHOOSE: choose(l, broken); return;
    case SLOT_LOOK: case SLOT_CLAIM: slot_steps(l, self); return;
    case MASK_LOOK: case MASK_CLAIM: mask_steps(l, broken); return;
    case STATE_LOOK:
        l->ends = m.places[l->place].ends;
        l->at = BEGIN;
        return;
    case BEGIN: begin(l); return;
    case RESERVE_LOOK: case RESERVE: reserve(l, broken); return;
    case CHILD_PENDING: case CHILD_WORDS: case CHILD_OUT: case CHILD_LATE:
        child_steps(l, broken);
        return;
    case THEN_WORDS: case OWN_STATE: case OWN_FAULT: case OWN_TAKE: case OWN_LATE:
    case OWN_VERDICT:
        own_steps(l, broken);
        return;
    case PUBLISH: publish(l, broken); return;
    case TELL:
        m.told++;
        l->at = CHOOSE;
        return;
    case END_MIRROR: case END_STATUS: end_slot(l); return;
    case GONE: return;
    default: climb(l, broken); return;
    }
}

/* --- schedules ------------------------------------------------------------------------ */

static bool all_gone(void)
{
    for (uint32_t i = 0; i < LANES; i++)
        if (m.lanes[i].at != GONE)
            return false;
    return true;
}

static bool over(void)
{
    bool roots = m.works < WORKS;
    for (uint32_t i = 0; i < LANES; i++)
        roots = roots || m.roots[i];
    return !roots && m.ended == WORKS;
}

/* What went wrong; an end that never comes is wrong, too. */
static uint32_t schedule(uint64_t seed, uint32_t number)
{
    const rule broken = (rule)number;
    sleeper sleeps = { 0, 0 };
    memset(&m, 0, sizeof m);
    schedule_state = seed;
    m.passes = pick(2);
    for (uint32_t i = 0; i < LANES; i++)
        m.lanes[i].home = i % WORDS;
    uint32_t steps = 0;
    for (; steps < 40000 && !m.wrong && !over(); steps++) {
        const uint32_t who = pick(LANES + 1);
        const bool asleep = is_asleep(&sleeps, steps, who, LANES, 20, 200);
        if (who == LANES)
            host();
        else if (!asleep)
            lane_step(who, broken);
        if (m.passes && all_gone())
            next_pass();
    }
    expect(over());
    for (uint32_t w = 0; w < WORDS && !m.wrong; w++)
        expect(m.waiting[w] == 0);
    for (uint32_t run = 1; run <= m.job_count && !m.wrong; run++)
        expect(first_of(run)->ended);
    return m.wrong;
}

static void jobs_run_once_and_tickets_end_last(void)
{
    schedules_go_right(schedule, 0xc41d0e42, 20000);
}

static void each_rule_is_needed(void)
{
    for (uint32_t broken = ALL_RULES + 1; broken < RULES; broken++)
        rule_is_needed(schedule, 0xc41d0e42, broken, 4000);
}

int main(void)
{
    RUN(jobs_run_once_and_tickets_end_last);
    RUN(each_rule_is_needed);
    return test_end();
}

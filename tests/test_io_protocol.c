/* Works that wait for a request without a lane, as a model: three slots with a lane each
 * and two IO slots, the lane that recycles answers, the pump, a host that takes works back and
 * one that publishes, their steps interleaved at random.  Each work ends once, by its own
 * answer or taken back, no IO slot is lost, and all works come to an end.  The model is also
 * run with one rule broken at a time, and must notice.  What it models is kernel_io.c,
 * kernel_task.c, engine_task.c and io.c.  SCHEDULES in the environment replaces the number
 * of schedules. */
#include "test.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 3, IO_SLOTS = 2, WORKS = 8, AGENTS = SLOTS + 4 };

typedef enum rule {
    ALL_RULES,
    TAG_FIRST,     /* the IO slot's word arrives some time after the slot's own */
    STATUS_LAST,   /* both, and then the slot's status */
    CLEAR_LAST,    /* the IO slot's word is cleared after the slot was given back */
    ANSWERS_ONLY,  /* the pump asks who waits when it answers, and not again */
    UNMARKED,      /* who leaves the lane takes the mark of the IO slot along */
    KEPT,          /* who is taken back keeps it */
    NO_MARK,       /* who lets a work go on does not take the slot's mark */
    NO_SECOND_LOOK, /* who has got the mark does not look again */
    RULES
} rule;

typedef enum status { EMPTY, PUBLISHED, CLAIMED, DONE, WAIT_IO, ANSWERED, RESERVED } status;
typedef enum step { LOOK, ASK, TELL, WAIT, TAKE, FREE, PARK, PARK2, PARK3, GIVE_UP, END } step;

typedef struct slot {
    status   state;
    uint32_t parked;  /* with ANSWERED: the IO slot, and one */
    uint32_t mirror;  /* 0, or the IO slot that is waited for, and one; DONE + 100 */
    bool     wish, busy; /* busy: the mark is somebody's */
    uint32_t work, ended;
    /* Its lane. */
    step     at;
    uint32_t io, polls, pending;
    uint32_t late;    /* a word of this IO slot, and one, is on its way */
} slot;

typedef struct io_slot {
    status   state;
    bool     mark;
    uint32_t number, request, answer, waits;
    /* The pump's. */
    uint32_t seen, job;
} io_slot;

static struct {
    slot     slots[SLOTS];
    io_slot  io[IO_SLOTS];
    /* Who lets go on: the pump, and the host that takes back. */
    struct { step at; uint32_t slot, io; } pump, host;
    uint32_t poll, poll_at, taken, told, wrong;
} m;

static uint64_t state;

static uint32_t pick(uint32_t n)
{
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(state >> 33) % n;
}

static uint32_t name_of(uint32_t s)
{
    return s * 1000 + m.slots[s].work;
}

/* --- a lane ------------------------------------------------------------------ */

static void lane_claim(slot *s)
{
    if (s->state != PUBLISHED && s->state != ANSWERED)
        return;
    s->pending = s->state == ANSWERED ? s->parked : 0;
    s->state = CLAIMED;
    s->polls = 0;
    s->io = s->pending - 1;
    s->at = s->wish ? s->pending ? GIVE_UP : END : s->pending ? WAIT : ASK;
}

static void lane_ask(slot *s, uint32_t me)
{
    for (uint32_t i = 0; i < IO_SLOTS; i++)
        if (m.io[i].state == EMPTY) {
            s->io = i;
            m.io[i].state = PUBLISHED;
            m.io[i].mark = true;
            m.io[i].request = name_of(me);
            s->at = TELL;
            return;
        }
    s->state = PUBLISHED; /* a yield */
    s->at = LOOK;
}

static void lane_parks(slot *s, uint32_t me, rule broken)
{
    const uint32_t turn = s->at - PARK;
    const uint32_t what = broken == STATUS_LAST ? (turn + 1) % 3 : turn;
    if (what == 0)
        s->state = WAIT_IO;
    else if (what == 1 && broken == TAG_FIRST)
        s->late = s->io + 1;
    else if (what == 1)
        m.io[s->io].waits = me + 1;
    else
        s->mirror = s->io + 1;
    s->at = turn == 2 ? LOOK : (step)(s->at + 1);
}

static void lane(uint32_t me, rule broken)
{
    slot *s = &m.slots[me];
    io_slot *io = &m.io[s->io < IO_SLOTS ? s->io : 0];
    if (s->late && pick(64) == 0) {
        m.io[s->late - 1].waits = me + 1;
        s->late = 0;
    }
    switch (s->at) {
    case LOOK: lane_claim(s); return;
    case ASK: lane_ask(s, me); return;
    case TELL: io->number++; s->at = WAIT; return;
    case WAIT:
        if (io->state == DONE)
            s->at = TAKE;
        else if (s->polls++ > 2) {
            if (broken == UNMARKED)
                io->mark = false;
            s->at = PARK;
        }
        return;
    case TAKE:
        m.wrong += io->answer != name_of(me) || io->state != DONE;
        io->mark = false;
        io->state = RESERVED;
        s->at = FREE;
        return;
    case FREE: io->state = EMPTY; s->at = END; return;
    case PARK: case PARK2: case PARK3: lane_parks(s, me, broken); return;
    case GIVE_UP:
        if (broken != KEPT)
            io->mark = false;
        s->at = END;
        return;
    default:
        m.wrong += s->ended++ != 0 || s->state != CLAIMED;
        s->state = DONE;
        s->mirror = 100;
        s->at = LOOK;
    }
}

/* The lane that recycles: an answer that nobody waits for. */
static void recycler(void)
{
    io_slot *io = &m.io[m.poll];
    if (m.poll_at == 0 && io->state == DONE && !io->mark) {
        m.poll_at = 1;
        io->state = RESERVED;
        return;
    }
    if (m.poll_at == 1)
        io->state = io->mark ? DONE : EMPTY;
    m.poll_at = 0;
    m.poll = (m.poll + 1) % IO_SLOTS;
}

/* --- hosts ------------------------------------------------------------------- */

/* From the mark on; true: done with it. */
static bool let_go(step *at, uint32_t which, uint32_t io, rule broken)
{
    slot *s = &m.slots[which];
    switch (*at) {
    case ASK:
        if (broken != NO_MARK && (s->busy || s->mirror == 100))
            return true;
        s->busy = true;
        *at = TELL;
        return false;
    case TELL:
        if (s->mirror != io + 1 && broken != NO_SECOND_LOOK && broken != NO_MARK) {
            s->busy = false;
            return true;
        }
        if (broken != CLEAR_LAST)
            m.io[io].waits = 0;
        s->mirror = 0;
        *at = WAIT;
        return false;
    case WAIT:
        s->state = ANSWERED;
        s->parked = io + 1;
        *at = TAKE;
        return false;
    default:
        if (broken == CLEAR_LAST && pick(16))
            return false;
        if (broken == CLEAR_LAST)
            m.io[io].waits = 0;
        s->busy = false;
        return true;
    }
}

static bool pump_moves(io_slot *io)
{
    if (io->job && pick(4) == 0) {
        io->answer = io->job;
        io->state = DONE;
        io->job = 0;
        return true;
    }
    if (io->job || io->number == io->seen)
        return false;
    io->seen = io->number;
    if (io->state == PUBLISHED) {
        io->state = CLAIMED;
        io->job = io->request;
    }
    return false;
}

static void pump(rule broken)
{
    if (m.pump.at != LOOK) {
        if (let_go(&m.pump.at, m.pump.slot, m.pump.io, broken))
            m.pump.at = LOOK;
        return;
    }
    m.pump.io = (m.pump.io + 1) % IO_SLOTS;
    io_slot *io = &m.io[m.pump.io];
    const bool answered = pump_moves(io);
    if (io->waits == 0 || (broken == ANSWERS_ONLY && !answered))
        return;
    m.pump.slot = io->waits - 1;
    const bool tagged = m.slots[m.pump.slot].mirror == m.pump.io + 1;
    if (tagged && io->job == 0 && io->seen == io->number)
        m.pump.at = ASK;
}

static void takes_back(rule broken)
{
    slot *s = &m.slots[m.host.slot];
    if (m.host.at != LOOK) {
        if (let_go(&m.host.at, m.host.slot, m.host.io, broken))
            m.host.at = LOOK;
        return;
    }
    if (m.taken == 6 || pick(12)) /* or it would find all that nobody else does */
        return;
    m.host.slot = pick(SLOTS);
    s = &m.slots[m.host.slot];
    if (s->mirror == 0 || s->mirror > IO_SLOTS || s->busy)
        return;
    s->wish = true;
    m.taken++;
    m.host.io = s->mirror - 1;
    m.host.at = ASK;
}

static void publisher(void)
{
    slot *s = &m.slots[pick(SLOTS)];
    if (s->busy || (s->work && s->mirror != 100))
        return;
    m.wrong += s->work && s->ended != 1;
    if (s->work && s->work <= WORKS)
        m.told++;
    if (s->work > WORKS)
        return;
    s->mirror = s->ended = 0;
    s->wish = false;
    if (s->work++ < WORKS)
        s->state = PUBLISHED;
    else
        s->mirror = 100, s->ended = 1;
}

/* --- schedules --------------------------------------------------------------- */

static uint32_t schedule(uint64_t seed, rule broken)
{
    memset(&m, 0, sizeof m);
    state = seed;
    uint32_t slow = pick(AGENTS), until = 0;
    for (uint32_t i = 0; i < 30000 && !m.wrong && m.told < SLOTS * WORKS; i++) {
        const uint32_t who = pick(AGENTS);
        if (i >= until) { /* one of them sleeps for a while */
            slow = pick(AGENTS);
            until = i + 20 + pick(150);
        }
        if (who == slow)
            continue;
        if (who < SLOTS)
            lane(who, broken);
        else if (who == SLOTS)
            recycler();
        else if (who == SLOTS + 1)
            pump(broken);
        else if (who == SLOTS + 2)
            takes_back(broken);
        else
            publisher();
    }
    return m.wrong + (m.told != SLOTS * WORKS);
}

static uint64_t wrong_of(rule broken, uint64_t schedules)
{
    uint64_t wrong = 0;
    for (uint64_t i = 0; i < schedules; i++)
        wrong += schedule(test_seed(0x10a4c0de) + i, broken) != 0;
    return wrong;
}

static void works_wait_and_go_on(void)
{
    const char *text = getenv("SCHEDULES");
    CHECK_EQ(wrong_of(ALL_RULES, text ? strtoull(text, NULL, 0) : 10000), 0);
}

static void each_rule_is_needed(void)
{
    for (uint32_t broken = ALL_RULES + 1; broken < RULES; broken++) {
        const uint64_t wrong = wrong_of((rule)broken, 1000);
        if (wrong == 0)
            test_fail(__FILE__, __LINE__, "rule %u can be broken, and nobody notices",
                      (unsigned)broken);
        printf("NOTE rule %u broken: %u schedules of 1000 go wrong\n", (unsigned)broken,
               (unsigned)wrong);
    }
}

int main(void)
{
    RUN(works_wait_and_go_on);
    RUN(each_rule_is_needed);
    return test_end();
}

/* The life of a slot, cut into its smallest steps.  A publisher, a host that
 * cancels, resets and resumes, and two lanes of a simulated device take turns
 * in an order that a seed decides.  Every work must end exactly once, a lane
 * must see the work that was published, whole, and nobody may touch what a
 * lane holds.
 *
 * It looks inside the library, for the steps of publish and transition.
 * SCHEDULES in the environment replaces the number of schedules. */
#define VYRE_NO_VULKAN
#define VYRE_STATIC
#define VYRE_IMPLEMENTATION
#include "test.h"
#include "vyre.h"

#define SLOTS   2u
#define LANES   2u
#define WORKS   6u
#define NOBODY  0xffu
#define NO_WORK 0xffu

typedef enum fate { NOT_YET, OUTSTANDING, DONE, FAULTED, CANCELLED } fate;

typedef struct actor {
    uint32_t step, slot, seen;
    uint32_t args[VYRE_MAX_ARGS];
    uint32_t work;
    vyre_transition t;
} actor;

static struct {
    uint32_t ring[SLOTS * VYRE_SLOT_WORDS];
    uint32_t done_count;
    /* what really is the case, whatever the ring says */
    fate     of[WORKS];
    uint8_t  work_in[SLOTS]; /* published last */
    uint8_t  held_by[SLOTS]; /* lane, or NOBODY */
    uint32_t next_work, resolved, done;
    actor    publisher, host, lane[LANES];
    bool     calm; /* nothing is cancelled, and no lane fails */
    uint64_t random;
} world;

static uint32_t chance(uint32_t of)
{
    return (uint32_t)(test_random(&world.random) >> 33) % of;
}

static void make_work(uint32_t number, vyre_work *work)
{
    memset(work, 0, sizeof *work);
    work->opcode = VYRE_OP_USER + number;
    work->tenant = number;
    work->arg_count = VYRE_MAX_ARGS;
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
        work->args[i] = number * 0x01010101u + i;
}

static uint32_t status_of(uint32_t slot)
{
    return vyi_wire_load(world.ring, slot * VYRE_SLOT_WORDS);
}

static void resolve(uint32_t work, fate how)
{
    CHECK_EQ(world.of[work], OUTSTANDING);
    world.of[work] = how;
    world.resolved++;
    world.done += how == DONE;
}

/* --- the publisher: vyre_ring_publish() in three steps ------------------- */

static void step_publisher(void)
{
    actor *a = &world.publisher;
    vyre_work work;
    if (world.next_work == WORKS)
        return;
    make_work(world.next_work, &work);
    switch (a->step) {
    case 0:
        a->slot = world.next_work % SLOTS;
        if (vyi_slot_publishable(world.ring, a->slot, NULL) >= 0)
            a->step = 1;
        return;
    case 1:
        CHECK_EQ(world.held_by[a->slot], NOBODY);
        CHECK(world.work_in[a->slot] == NO_WORK || world.of[world.work_in[a->slot]] > OUTSTANDING);
        vyi_slots_put(world.ring, a->slot, &work, 1);
        a->step = 2;
        return;
    default:
        vyi_slots_release(world.ring, a->slot, 1);
        world.work_in[a->slot] = (uint8_t)world.next_work;
        world.of[world.next_work++] = OUTSTANDING;
        a->step = 0;
    }
}

/* --- the host: vyre_ring_transition() in two steps ----------------------- */

static void settle_host(uint32_t slot, vyre_transition t)
{
    uint32_t work = world.work_in[slot];
    CHECK_EQ(world.held_by[slot], NOBODY);
    if (t == VYRE_TRANSITION_CANCEL)
        resolve(work, CANCELLED);
    else if (t == VYRE_TRANSITION_RESET)
        CHECK_EQ(world.of[work], FAULTED);
    else
        CHECK_EQ(world.of[work], OUTSTANDING);
}

static void step_host(void)
{
    static const vyre_transition choices[] = {
        VYRE_TRANSITION_RESET, VYRE_TRANSITION_RESUME, VYRE_TRANSITION_CANCEL
    };
    actor *a = &world.host;
    if (a->step == 0) {
        a->slot = chance(SLOTS);
        a->t = choices[chance(world.calm ? 2 : 3)];
        a->seen = status_of(a->slot);
        const vyi_transition_rule *rule = vyi_transition_find(a->t);
        if (rule->from >> vyi_slot_state_of(a->seen) & 1)
            a->step = 1;
        return;
    }
    a->step = 0;
    const vyi_transition_rule *rule = vyi_transition_find(a->t);
    vyre_status status = vyi_transition_commit(world.ring, a->slot, a->seen, rule->to, NULL);
    CHECK(status == VYRE_OK || status == VYRE_E_CONFLICT);
    if (status == VYRE_OK)
        settle_host(a->slot, a->t);
}

/* --- a lane of the device ------------------------------------------------ */

static void lane_reads(actor *a, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        a->args[i] = vyi_wire_get(world.ring, a->slot * VYRE_SLOT_WORDS + VYRE_SLOT_ARGS + i);
}

static void lane_runs(const actor *a)
{
    vyre_work work;
    make_work(world.work_in[a->slot], &work);
    CHECK(memcmp(a->args, work.args, sizeof work.args) == 0);
    CHECK_EQ(vyi_wire_get(world.ring, a->slot * VYRE_SLOT_WORDS + VYRE_SLOT_OPCODE), work.opcode);
    CHECK_EQ(vyi_wire_get(world.ring, a->slot * VYRE_SLOT_WORDS + VYRE_SLOT_TENANT), work.tenant);
}

static void lane_ends(actor *a)
{
    static const vyre_slot_state ends[] = {
        VYRE_SLOT_DONE, VYRE_SLOT_FAULTED, VYRE_SLOT_YIELD, VYRE_SLOT_REQUEUE, VYRE_SLOT_WAIT_IO
    };
    uint32_t choice = world.calm ? 0 : chance(6);
    /* The last choice: a slot without rights is put back as it was. */
    vyre_slot_state end = choice < 5 ? ends[choice] : vyi_slot_state_of(a->seen);
    uint32_t work = world.work_in[a->slot];
    world.held_by[a->slot] = NOBODY;
    if (end == VYRE_SLOT_DONE)
        resolve(work, DONE);
    if (end == VYRE_SLOT_FAULTED) {
        resolve(work, FAULTED);
        vyi_wire_put(world.ring, a->slot * VYRE_SLOT_WORDS + VYRE_SLOT_FAULT, 1);
    }
    vyi_wire_store(world.ring, a->slot * VYRE_SLOT_WORDS, end);
    a->step = end == VYRE_SLOT_DONE ? 5 : 0;
}

static void step_lane(uint32_t index)
{
    actor *a = &world.lane[index];
    switch (a->step) {
    case 0: /* poll */
        a->slot = chance(SLOTS);
        a->seen = status_of(a->slot);
        if (vyi_transition_find(VYRE_TRANSITION_CLAIM)->from >> vyi_slot_state_of(a->seen) & 1)
            a->step = 1;
        return;
    case 1: /* claim */
        a->step = 0;
        if (vyi_wire_swap(world.ring, a->slot * VYRE_SLOT_WORDS, a->seen, VYRE_SLOT_CLAIMED) !=
            a->seen)
            return;
        CHECK_EQ(world.held_by[a->slot], NOBODY);
        CHECK_EQ(world.of[world.work_in[a->slot]], OUTSTANDING);
        world.held_by[a->slot] = (uint8_t)index;
        a->step = 2;
        return;
    case 2:
        lane_reads(a, 0, 6);
        a->step = 3;
        return;
    case 3:
        lane_reads(a, 6, VYRE_MAX_ARGS);
        lane_runs(a);
        a->step = 4;
        return;
    case 4:
        CHECK_EQ(world.held_by[a->slot], index);
        CHECK_EQ(status_of(a->slot), VYRE_SLOT_CLAIMED);
        lane_ends(a);
        return;
    default:
        vyi_fetch_add(&world.done_count, 1);
        a->step = 0;
    }
}

/* --- schedules ----------------------------------------------------------- */

static void begin(uint64_t seed)
{
    memset(&world, 0, sizeof world);
    memset(world.work_in, NO_WORK, sizeof world.work_in);
    memset(world.held_by, NOBODY, sizeof world.held_by);
    world.random = seed;
}

static void step(void)
{
    switch (chance(4)) {
    case 0: step_publisher(); return;
    case 1: step_host(); return;
    case 2: step_lane(0); return;
    default: step_lane(1); return;
    }
}

static bool is_over(void)
{
    return world.resolved == WORKS && world.done_count == world.done;
}

static void schedule(uint64_t seed)
{
    begin(seed);
    for (unsigned i = 0; i < 120 && !is_over(); i++)
        step();
    world.calm = true;
    for (unsigned i = 0; i < 20000 && !is_over(); i++)
        step();
    if (!is_over())
        test_fail(__FILE__, __LINE__, "%u of %u works ended, %u counted of %u done",
                  (unsigned)world.resolved, WORKS, (unsigned)world.done_count,
                  (unsigned)world.done);
}

static uint64_t current_seed;

static void every_work_ends_once(void)
{
    const char *text = getenv("SCHEDULES");
    uint64_t count = text ? strtoull(text, NULL, 0) : 1000000;
    uint64_t first = test_seed(0x5eed0001), conflicts = 0;
    for (uint64_t i = 0; i < count; i++) {
        current_seed = first + i;
        schedule(current_seed);
        conflicts += world.done != WORKS;
    }
    CHECK(conflicts > count / 2); /* most of them had something to cancel or to fail */
    printf("NOTE %llu schedules from seed 0x%llx\n", (unsigned long long)count,
           (unsigned long long)first);
}

/* The status that only a lost race gives. */
static void a_lost_race_is_a_conflict(void)
{
    vyre_error err;
    uint32_t ring[VYRE_SLOT_WORDS] = { 0 }, before[VYRE_SLOT_WORDS];
    vyi_wire_store(ring, 0, VYRE_SLOT_CLAIMED);
    memcpy(before, ring, sizeof ring);
    CHECK_EQ(vyi_transition_commit(ring, 0, VYRE_SLOT_PUBLISHED, VYRE_SLOT_EMPTY, &err),
             VYRE_E_CONFLICT);
    CHECK_EQ(err.status, VYRE_E_CONFLICT);
    CHECK_TEXT(err.text, "slot 0 went from PUBLISHED to CLAIMED meanwhile");
    CHECK(memcmp(ring, before, sizeof ring) == 0);
}

int main(void)
{
    RUN(a_lost_race_is_a_conflict);
    RUN(every_work_ends_once);
    if (test_state.failed)
        printf("TEST_SEED=0x%llx SCHEDULES=1 repeats it\n", (unsigned long long)current_seed);
    return test_end();
}

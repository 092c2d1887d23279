/* The looping kernel's groups for wide works, by the interpreter: the host's words
 * are written here, and launches are of a few rounds. */
#include "inside.h"

#include "test.h"

enum { SLOTS = 32, ALL = SLOTS + VYI_WIDE_SLOTS, USER = 4096, GROUP = 32 };
enum { TOUCH = 0x40, SUM = 0x41, WHO = 0x42 };

static void emit_touch(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD, s->buffers[0], s->index, s->arg[2], VYRE_ORDER_RELAXED);
}

static void emit_sum(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_emit_reduce(p, s, 3, VYRE_ATOMIC_ADD, s->index);
}

/* For one lane: which of its group it is, into the slot's first argument. */
static void emit_who(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_emit_result(p, s, 0, vyre_ir_builtin(p, VYRE_BUILTIN_LOCAL_INDEX));
}

typedef struct board {
    uint32_t control[256], ring[ALL * 16], log[64], io[8], user[USER], mirror[ALL];
    uint32_t wide[VYI_WIDE_WORDS];
    vyre_program *program;
    vyi_machine  *machine;
    uint32_t generations[VYI_WIDE_SLOTS];
} board;

static void board_begin(board *b)
{
    static const vyre_handler handlers[] = {
        { TOUCH, emit_touch, NULL, "touch", VYRE_WIDTH_RANGE, 0, NULL, 0 },
        { SUM, emit_sum, NULL, "sum", VYRE_WIDTH_RANGE, 0, NULL, 0 },
        { WHO, emit_who, NULL, "who", VYRE_WIDTH_LANE, 0, NULL, 0 }
    };
    vyre_buffer_desc user;
    vyre_kernel_desc desc;
    vyre_kernel_host host;
    vyi_wide_host wide;
    vyre_error err;
    memset(b, 0, sizeof *b);
    memset(&user, 0, sizeof user);
    memset(&desc, 0, sizeof desc);
    memset(&host, 0, sizeof host);
    memset(&wide, 0, sizeof wide);
    user.binding = 4;
    desc.workgroup_size = desc.group_size = GROUP;
    desc.slot_count = SLOTS;
    desc.handlers = handlers;
    desc.handler_count = 3;
    desc.buffers = &user;
    desc.buffer_count = 1;
    host.mirror_binding = 5;
    wide.binding = 6;
    wide.groups = true;
    b->program = vyi_kernel_build(&desc, &host, &wide, &err);
    if (!b->program)
        test_fail(__FILE__, __LINE__, "%s", err.text);
    void *buffers[] = { b->control, b->ring, b->log, b->io, b->user, b->mirror, b->wide };
    const size_t sizes[] = { sizeof b->control, sizeof b->ring, sizeof b->log, sizeof b->io,
                             sizeof b->user, sizeof b->mirror, sizeof b->wide };
    vyre_interp_desc interp;
    memset(&interp, 0, sizeof interp);
    interp.buffers = buffers;
    interp.sizes = sizes;
    interp.buffer_count = 7;
    interp.loop_limit = 1u << 30; /* so that each round counts */
    CHECK_EQ(vyi_machine_create(b->program, &interp, &b->machine, NULL), VYRE_OK);
    b->control[VYRE_CONTROL_TENANT_MASKS] = b->control[VYRE_CONTROL_TENANT_MASKS + 1] = 1;
    b->wide[VYI_WIDE_HEAD + VYI_WIDE_POLLERS] = 1;
    b->wide[VYI_WIDE_HEAD + VYI_WIDE_LANES] = 16;
}

static void board_end(board *b)
{
    vyi_machine_destroy(b->machine);
    vyre_program_destroy(b->program);
}

static void board_run(board *b, uint32_t groups, uint32_t rounds)
{
    const uint32_t count[3] = { groups, 1, 1 };
    (void)vyi_machine_run(b->machine, count, rounds, NULL);
}

typedef struct job {
    uint32_t opcode, from, to, weight, per, level, tenant, age;
} job;

static void board_publish(board *b, uint32_t w, job j)
{
    uint32_t *slot = b->ring + 16 * (SLOTS + w);
    const uint32_t range = j.to > j.from ? j.to - j.from : 0;
    const uint32_t chunks = (range + j.per - 1) / j.per;
    slot[VYRE_SLOT_OPCODE] = j.opcode;
    slot[VYRE_SLOT_TENANT] = j.tenant;
    slot[VYRE_SLOT_PRIORITY] = j.level;
    slot[VYRE_SLOT_ARGS] = j.from;
    slot[VYRE_SLOT_ARGS + 1] = j.to;
    slot[VYRE_SLOT_ARGS + 2] = j.weight;
    slot[VYRE_SLOT_ARGS + 3] = 0;
    slot[VYRE_SLOT_STATUS] = VYRE_SLOT_PUBLISHED;
    b->mirror[SLOTS + w] = 0;
    b->wide[VYI_WIDE_PER + w] = j.per;
    b->wide[VYI_WIDE_CHUNKS + w] = ++b->generations[w] << VYI_GATE_GENERATION |
                                   (chunks ? chunks : 1);
    b->wide[VYI_WIDE_GATES + w] = b->generations[w] << VYI_GATE_GENERATION |
                                  j.level << VYI_GATE_LEVEL | j.tenant << VYI_GATE_TENANT | j.age;
}

static job job_of(uint32_t to, uint32_t weight, uint32_t per)
{
    job j = { TOUCH, 0, 0, 0, 0, 2, 0, 0 };
    j.to = to;
    j.weight = weight;
    j.per = per;
    return j;
}

static uint32_t board_wrong(board *b, uint32_t n, uint32_t value)
{
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < USER; i++) {
        wrong += b->user[i] != (i < n ? value : 0);
        b->user[i] = 0;
    }
    return wrong;
}

static void groups_run_what_gates_open(void)
{
    static board b;
    board_begin(&b);
    for (uint32_t w = 0; w < VYI_WIDE_SLOTS; w++)
        board_publish(&b, w, job_of(100 * w + w % 3, 1u << w % 8, 50));
    board_run(&b, 4, 400);
    for (uint32_t w = 0; w < VYI_WIDE_SLOTS; w++) {
        CHECK_EQ(b.mirror[SLOTS + w], VYRE_SLOT_DONE);
        CHECK_EQ(b.ring[16 * (SLOTS + w)], VYRE_SLOT_DONE);
        CHECK_EQ(b.wide[VYI_WIDE_STATES + w * VYI_WIDE_STATE_WORDS + VYI_WIDE_FINISHED], 0);
        CHECK_EQ(b.wide[VYI_WIDE_STATES + w * VYI_WIDE_STATE_WORDS + VYI_WIDE_DONE], 1);
    }
    CHECK_EQ(b.control[VYRE_CONTROL_DONE_COUNT], VYI_WIDE_SLOTS);
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < USER; i++) {
        uint32_t expected = 0;
        for (uint32_t w = 0; w < VYI_WIDE_SLOTS; w++)
            expected += i < 100 * w + w % 3 ? 1u << w % 8 : 0;
        wrong += b.user[i] != expected;
    }
    CHECK_EQ(wrong, 0);
    board_end(&b);
}

/* A lease of a few rounds ends anywhere in a work; the next goes on there. */
static void a_work_outlasts_leases(void)
{
    static board b;
    board_begin(&b);
    for (uint32_t round = 0; round < 5; round++) {
        uint32_t leases = 0;
        board_publish(&b, 3, job_of(4000, 1, 64));
        while (!b.mirror[SLOTS + 3] && leases++ < 100)
            board_run(&b, 3, 1);
        CHECK(leases >= 3 && leases < 100);
        CHECK_EQ(board_wrong(&b, 4000, 1), 0);
        board_run(&b, 3, 50); /* nobody runs it again */
        CHECK_EQ(board_wrong(&b, 0, 0), 0);
    }
    board_end(&b);
}

static void lanes_are_served_beside(void)
{
    static board b;
    board_begin(&b);
    for (uint32_t s = 0; s < SLOTS; s++) {
        uint32_t *slot = b.ring + 16 * s;
        slot[VYRE_SLOT_OPCODE] = VYRE_OP_ATOMIC_ADD;
        slot[VYRE_SLOT_ARGS] = 1;
        slot[VYRE_SLOT_ARGS + 1] = VYRE_CONTROL_OBSERVABLES;
        slot[VYRE_SLOT_STATUS] = VYRE_SLOT_PUBLISHED;
    }
    job j = job_of(1000, 0, 10);
    j.opcode = SUM;
    board_publish(&b, 31, j);
    board_run(&b, 3, 200);
    CHECK_EQ(b.control[VYRE_CONTROL_OBSERVABLES], SLOTS);
    CHECK_EQ(b.ring[16 * (SLOTS + 31) + VYRE_SLOT_ARGS + 3], 999 * 500);
    CHECK_EQ(b.control[VYRE_CONTROL_DONE_COUNT], SLOTS + 1);
    board_end(&b);
}

/* A subgroup has as few of them as can be. */
static void lanes_that_serve_are_apart(void)
{
    static board b;
    for (uint32_t lanes = 1; lanes <= GROUP; lanes *= 2) {
        board_begin(&b);
        b.wide[VYI_WIDE_HEAD + VYI_WIDE_LANES] = lanes;
        for (uint32_t s = 0; s < SLOTS; s++) {
            b.ring[16 * s + VYRE_SLOT_OPCODE] = WHO;
            b.ring[16 * s + VYRE_SLOT_STATUS] = VYRE_SLOT_PUBLISHED;
        }
        board_run(&b, 2, 20);
        uint32_t wrong = 0;
        for (uint32_t s = 0; s < SLOTS; s++)
            wrong += b.ring[16 * s + VYRE_SLOT_ARGS] != s % lanes * (GROUP / lanes);
        CHECK_EQ(wrong, 0);
        board_end(&b);
    }
}

static void urgent_works_come_first(void)
{
    static board b;
    board_begin(&b);
    job slow = job_of(4000, 1, 10), urgent = job_of(100, 1, 10);
    slow.level = 3;
    slow.age = 1;
    urgent.level = 0;
    urgent.age = 2;
    board_publish(&b, 0, slow);
    board_publish(&b, 9, urgent);
    slow.age = 0;
    board_publish(&b, 20, slow);
    board_run(&b, 2, 12);
    CHECK_EQ(b.mirror[SLOTS + 9], VYRE_SLOT_DONE);
    CHECK_EQ(b.wide[VYI_WIDE_STATES + VYI_WIDE_NEXT] >> VYI_GATE_GENERATION, 0);
    const uint32_t *older = &b.wide[VYI_WIDE_STATES + 20 * VYI_WIDE_STATE_WORDS];
    CHECK_EQ(older[VYI_WIDE_NEXT] >> VYI_GATE_GENERATION, 1); /* the older of the two */
    board_end(&b);
}

static void tenants_without_rights_wait_at_the_gate(void)
{
    static board b;
    board_begin(&b);
    for (uint32_t t = 0; t < 4; t++) {
        job j = job_of(100, 1, 10);
        j.tenant = t;
        board_publish(&b, t, j);
    }
    board_run(&b, 3, 100);
    CHECK_EQ(board_wrong(&b, 100, 2), 0);
    b.control[VYRE_CONTROL_TENANT_MASKS + 3] = 1;
    board_run(&b, 3, 100);
    CHECK_EQ(board_wrong(&b, 100, 1), 0);
    CHECK_EQ(b.mirror[SLOTS + 2], 0);
    board_end(&b);
}

static void shutdown_ends_groups_between_chunks(void)
{
    static board b;
    board_begin(&b);
    b.control[VYRE_CONTROL_SHUTDOWN] = 1;
    board_publish(&b, 0, job_of(100, 1, 10));
    board_run(&b, 3, 0); /* as many rounds as it likes */
    CHECK_EQ(board_wrong(&b, 0, 0), 0);
    b.control[VYRE_CONTROL_SHUTDOWN] = 0;
    board_run(&b, 3, 100);
    CHECK_EQ(board_wrong(&b, 100, 1), 0);
    board_end(&b);
}

/* A group that saw generation g and comes when g + 1 is open has a chunk of that. */
static void a_late_claim_is_of_the_next_work(void)
{
    static board b;
    board_begin(&b);
    board_publish(&b, 5, job_of(100, 1, 100));
    board_publish(&b, 5, job_of(300, 7, 100)); /* over it: the gate is open for both */
    b.wide[VYI_WIDE_STATES + 5 * VYI_WIDE_STATE_WORDS + VYI_WIDE_NEXT] =
        2u << VYI_GATE_GENERATION | 1;
    const uint32_t gate = b.wide[5];
    b.wide[5] = gate - (1u << VYI_GATE_GENERATION); /* what the late group saw */
    board_run(&b, 2, 1); /* group 1 takes chunks 1 and 2 */
    b.wide[5] = gate;
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < USER; i++)
        wrong += b.user[i] != (i >= 100 && i < 300 ? 7 : 0);
    CHECK_EQ(wrong, 0);
    board_end(&b);
}

/* A group that found no chunk left may see the next work's words: none is its own. */
static void words_of_the_next_work_are_left_alone(void)
{
    static board b;
    board_begin(&b);
    board_publish(&b, 5, job_of(100, 1, 100));
    const uint32_t gate = b.wide[5];
    board_publish(&b, 5, job_of(300, 7, 100));
    b.wide[VYI_WIDE_STATES + 5 * VYI_WIDE_STATE_WORDS + VYI_WIDE_NEXT] =
        1u << VYI_GATE_GENERATION | 1;
    b.wide[5] = gate; /* not seen yet: the claim is of the first work, whose chunks are gone */
    board_run(&b, 2, 5);
    CHECK_EQ(board_wrong(&b, 0, 0), 0);
    b.wide[5] = gate + (1u << VYI_GATE_GENERATION);
    board_run(&b, 2, 50);
    CHECK_EQ(board_wrong(&b, 300, 7), 0);
    CHECK_EQ(b.mirror[SLOTS + 5], VYRE_SLOT_DONE);
    board_end(&b);
}

static void the_kernel_counts_groups(void)
{
    static board b;
    board_begin(&b);
    b.wide[VYI_WIDE_HEAD + VYI_WIDE_PROBE] = 100;
    board_publish(&b, 0, job_of(100, 1, 10));
    board_run(&b, 6, 1);
    CHECK_EQ(b.wide[VYI_WIDE_HEAD + VYI_WIDE_ARRIVED], 6);
    CHECK_EQ(b.wide[VYI_WIDE_HEAD + VYI_WIDE_RESIDENT], 1); /* one after another */
    CHECK_EQ(board_wrong(&b, 0, 0), 0);
    board_end(&b);
}

/* --- how a launch ends ---------------------------------------------------- */

enum { OPEN, ASKED, RESTING, CLOSED, ATTEMPT = 4 }; /* of ASK */

static const uint32_t lanes_alone[3] = { 1, 1, 1 };

static uint32_t *board_head(board *b, uint32_t word)
{
    return &b->wide[VYI_WIDE_HEAD + word];
}

/* All words are as a launch finds them. */
static void check_ready(board *b)
{
    CHECK_EQ(*board_head(b, VYI_WIDE_ASK), 0);
    CHECK_EQ(*board_head(b, VYI_WIDE_CAME), 0);
    CHECK_EQ(*board_head(b, VYI_WIDE_RESTS), 0);
    CHECK_EQ(*board_head(b, VYI_WIDE_LEFT), 0);
}

static bool closed_in_round_20(void *user, uint64_t round)
{
    *board_head((board *)user, VYI_WIDE_ASK) |= round == 20 ? CLOSED : 0;
    return round < 1000;
}

/* Who leaves for want of rounds takes all others along, and says so itself. */
static void a_launch_ends_as_one(void)
{
    static board b;
    board_begin(&b);
    const uint32_t all[3] = { 3, 1, 1 };
    uint32_t *over = board_head(&b, VYI_WIDE_OVER);
    vyi_machine_on_round(b.machine, closed_in_round_20, &b);
    CHECK_EQ(vyi_machine_run(b.machine, lanes_alone, 2000, NULL), VYRE_OK);
    CHECK_EQ(*over, 1);
    vyi_machine_on_round(b.machine, NULL, NULL);
    CHECK_EQ(vyi_machine_run(b.machine, lanes_alone, 50, NULL), VYRE_TIMEOUT);
    CHECK_EQ(*over, 2);
    check_ready(&b);
    *board_head(&b, VYI_WIDE_LANES) = GROUP; /* no slot is left for the second group */
    *board_head(&b, VYI_WIDE_POLLERS) = 2;
    CHECK_EQ(vyi_machine_run(b.machine, all, 50, NULL), VYRE_TIMEOUT);
    CHECK_EQ(*over, 3);
    check_ready(&b);
    board_end(&b);
}

/* The kernel counts the host's rounds, and asks, comes, rests and leaves by itself. */
static void lanes_agree_to_leave(void)
{
    static board b;
    board_begin(&b);
    for (uint32_t rounds = 1; rounds < 100; rounds += 7) {
        *board_head(&b, VYI_WIDE_ROUNDS) = rounds;
        CHECK_EQ(vyi_machine_run(b.machine, lanes_alone, rounds + 40, NULL), VYRE_OK);
        check_ready(&b);
    }
    CHECK_EQ(*board_head(&b, VYI_WIDE_OVER), 15);
    CHECK_EQ(*board_head(&b, VYI_WIDE_LIVES), 0);
    *board_head(&b, VYI_WIDE_ROUNDS) = 0; /* without end */
    CHECK_EQ(vyi_machine_run(b.machine, lanes_alone, 5000, NULL), VYRE_TIMEOUT);
    board_end(&b);
}

/* A work for lane 3 in round 300, when the rounds have been used up for long. */
static bool work_in_round_300(void *user, uint64_t round)
{
    uint32_t *slot = ((board *)user)->ring + 16 * 3;
    slot[VYRE_SLOT_OPCODE] = round == 300 ? VYRE_OP_NOP : slot[VYRE_SLOT_OPCODE];
    slot[VYRE_SLOT_STATUS] = round == 300 ? VYRE_SLOT_PUBLISHED : slot[VYRE_SLOT_STATUS];
    return round < 1000;
}

/* There are lanes of a second group, by what the host says, which are not: as if each of
 * them were in a job that does not end.  The others run for 1000 rounds, in portions of 20. */
static void board_run_beside_absent(board *b, vyi_round_fn on_round)
{
    board_begin(b);
    *board_head(b, VYI_WIDE_POLLERS) = 2;
    *board_head(b, VYI_WIDE_ROUNDS) = 20;
    vyi_machine_on_round(b->machine, on_round, b);
    CHECK_EQ(vyi_machine_run(b->machine, lanes_alone, 1000, NULL), VYRE_TIMEOUT);
    CHECK_EQ(b->mirror[3], VYRE_SLOT_DONE);
}

static void lanes_go_on_beside_one_that_does_not_come(void)
{
    static board b;
    board_run_beside_absent(&b, work_in_round_300);
    CHECK_EQ(*board_head(&b, VYI_WIDE_CAME), 16); /* each once */
    CHECK_EQ(*board_head(&b, VYI_WIDE_LIVES), 16 * (1000 / 20 - 2)); /* the first portion asks */
    CHECK_EQ(*board_head(&b, VYI_WIDE_LEFT), 16);
    board_end(&b);
}

/* The others have come to the first attempt, and then taken jobs. */
static bool others_came_once(void *user, uint64_t round)
{
    *board_head((board *)user, VYI_WIDE_CAME) += round == 2 ? 16 : 0;
    return work_in_round_300(user, round);
}

static void a_rest_in_vain_ends(void)
{
    static board b;
    board_run_beside_absent(&b, others_came_once);
    CHECK_EQ(*board_head(&b, VYI_WIDE_RESTS), 0);
    CHECK_EQ(*board_head(&b, VYI_WIDE_CAME), 48); /* they come to the next one as well */
    CHECK_EQ(*board_head(&b, VYI_WIDE_ASK), ATTEMPT + ASKED);
    board_end(&b);
}

static bool stop_in_round_20(void *user, uint64_t round)
{
    ((board *)user)->control[VYRE_CONTROL_SHUTDOWN] = round >= 20;
    return round < 1000;
}

/* Lanes that leave at SHUTDOWN let nobody rest for them. */
static void a_stop_closes(void)
{
    static board b;
    board_begin(&b);
    *board_head(&b, VYI_WIDE_POLLERS) = 2;
    vyi_machine_on_round(b.machine, stop_in_round_20, &b);
    CHECK_EQ(vyi_machine_run(b.machine, lanes_alone, 2000, NULL), VYRE_OK);
    CHECK_EQ(*board_head(&b, VYI_WIDE_LEFT), 16);
    CHECK_EQ(*board_head(&b, VYI_WIDE_ASK), CLOSED);
    board_end(&b);
}

int main(void)
{
    RUN(groups_run_what_gates_open);
    RUN(a_work_outlasts_leases);
    RUN(lanes_are_served_beside);
    RUN(lanes_that_serve_are_apart);
    RUN(urgent_works_come_first);
    RUN(tenants_without_rights_wait_at_the_gate);
    RUN(shutdown_ends_groups_between_chunks);
    RUN(a_late_claim_is_of_the_next_work);
    RUN(words_of_the_next_work_are_left_alone);
    RUN(the_kernel_counts_groups);
    RUN(a_launch_ends_as_one);
    RUN(lanes_agree_to_leave);
    RUN(lanes_go_on_beside_one_that_does_not_come);
    RUN(a_rest_in_vain_ends);
    RUN(a_stop_closes);
    return test_end();
}

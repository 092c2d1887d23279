/* The machine behind vyre_interpret, which a backend keeps: it runs again and
 * on other buffers without any allocation, and asks before each round. */
#include "inside.h"

#include "gen.h"
#include "knobs.h"
#include "oom.h"

typedef struct setup {
    oom_state        oom;
    vyre_allocator   allocator;
    vyre_program    *p;
    vyre_buffer      out;
    vyre_interp_desc desc;
    uint32_t         words[8];
    void            *buffers[1];
    size_t           sizes[1];
} setup;

static void begin(setup *s, uint32_t lanes)
{
    vyre_program_desc desc;
    vyre_buffer_desc buffer;
    memset(s, 0, sizeof *s);
    oom_begin(&s->oom);
    s->allocator = oom_allocator(&s->oom);
    memset(&desc, 0, sizeof desc);
    desc.workgroup_size[0] = lanes;
    s->p = vyre_program_create(&desc, NULL);
    memset(&buffer, 0, sizeof buffer);
    s->out = vyre_ir_buffer(s->p, &buffer);
    s->buffers[0] = s->words;
    s->sizes[0] = sizeof s->words;
    s->desc.buffers = s->buffers;
    s->desc.sizes = s->sizes;
    s->desc.buffer_count = 1;
    s->desc.allocator = s->allocator;
}

/* The program is gone when the machine runs. */
static vyi_machine *machine(setup *s)
{
    vyi_machine *m = NULL;
    vyre_error err;
    if (vyre_program_finish(s->p, &err) != VYRE_OK)
        test_fail(__FILE__, __LINE__, "%s", err.text);
    CHECK_EQ(vyi_machine_create(s->p, &s->desc, &m, &err), VYRE_OK);
    vyre_program_destroy(s->p);
    s->p = NULL;
    return m;
}

static void count_into(setup *s, uint32_t word)
{
    (void)vyre_ir_atomic(s->p, VYRE_ATOMIC_ADD, s->out, vyre_ir_u32(s->p, word),
                         vyre_ir_u32(s->p, 1), VYRE_ORDER_RELAXED);
}

static void end(setup *s, vyi_machine *m)
{
    vyi_machine_destroy(m);
    vyi_machine_destroy(NULL);
    CHECK(oom_is_clean(&s->oom));
}

static void runs_do_not_allocate(void)
{
    setup s;
    begin(&s, 5);
    count_into(&s, 1);
    vyre_ir_store(s.p, s.out, vyre_ir_u32(s.p, 0), vyre_ir_length(s.p, s.out));
    vyre_ir_store(s.p, s.out, vyre_ir_u32(s.p, 2),
                  vyre_ir_builtin(s.p, VYRE_BUILTIN_GROUP_COUNT_Y));
    vyi_machine *m = machine(&s);
    const uint64_t calls = s.oom.calls;
    const uint32_t groups[3] = { 2, 3, 0 }, more[3] = { 1, 7, 1 };
    CHECK_EQ(vyi_machine_run(m, groups, 0, NULL), VYRE_OK);
    CHECK_EQ(s.words[0], 8);
    CHECK_EQ(s.words[1], 30);
    CHECK_EQ(s.words[2], 3);
    CHECK_EQ(vyi_machine_run(m, more, 0, NULL), VYRE_OK);
    CHECK_EQ(s.words[1], 65);
    CHECK_EQ(s.words[2], 7);

    uint32_t others[3] = { 0, 0, 0 };
    void *buffers[1] = { others };
    const size_t sizes[1] = { 8 };
    CHECK_EQ(vyi_machine_bind(m, buffers, sizes, 1, NULL), VYRE_OK);
    CHECK_EQ(vyi_machine_run(m, more, 0, NULL), VYRE_OK);
    CHECK_EQ(others[0], 2);
    CHECK_EQ(others[1], 35);
    CHECK_EQ(others[2], 0);
    CHECK_EQ(s.words[1], 65);
    CHECK_EQ(s.oom.calls, calls);
    end(&s, m);
}

/* A binding or a dispatch that is refused changes nothing. */
static void refusals_change_nothing(void)
{
    setup s;
    begin(&s, 64);
    count_into(&s, 0);
    vyi_machine *m = machine(&s);
    void *buffers[1] = { (uint8_t *)s.words + 1 };
    const size_t sizes[1] = { 4 };
    const uint32_t one[3] = { 1, 1, 1 }, many[3] = { 0x4000001, 1, 1 };
    vyre_error err;
    CHECK_EQ(vyi_machine_bind(m, buffers, sizes, 1, &err), VYRE_E_INTERP_ALIGN);
    CHECK_EQ(vyi_machine_bind(m, buffers, sizes, 0, &err), VYRE_E_INTERP_BUFFERS);
    CHECK_EQ(vyi_machine_run(m, many, 0, &err), VYRE_E_INTERP_GROUPS);
    CHECK_EQ(s.words[0], 0);
    CHECK_EQ(vyi_machine_run(m, one, 0, &err), VYRE_OK);
    CHECK_EQ(s.words[0], 64);
    end(&s, m);
}

typedef struct asked {
    uint64_t calls, stop_at, sum;
} asked;

static bool ask(void *user, uint64_t round)
{
    asked *a = (asked *)user;
    a->calls++;
    a->sum += round;
    return round != a->stop_at;
}

static void the_hook_is_asked_before_each_round(void)
{
    setup s;
    begin(&s, 3);
    vyre_ir_forever(s.p);
    count_into(&s, 0);
    vyre_ir_end(s.p);
    count_into(&s, 1);
    vyi_machine *m = machine(&s);
    asked a = { 0, 10, 0 };
    const uint32_t groups[3] = { 2, 1, 1 };
    vyi_machine_on_round(m, ask, &a);
    CHECK_EQ(vyi_machine_run(m, groups, 0, NULL), VYRE_TIMEOUT);
    CHECK_EQ(a.calls, 22);
    CHECK_EQ(a.sum, 2 * 55);
    CHECK_EQ(s.words[0], 2 * 10 * 3);
    CHECK_EQ(s.words[1], 6);

    /* max_rounds is looked at first, and an answer of no at once runs nothing. */
    a.calls = 0;
    CHECK_EQ(vyi_machine_run(m, groups, 4, NULL), VYRE_TIMEOUT);
    CHECK_EQ(a.calls, 8);
    CHECK_EQ(s.words[0], 60 + 24);
    a.stop_at = 0;
    CHECK_EQ(vyi_machine_run(m, groups, 4, NULL), VYRE_TIMEOUT);
    CHECK_EQ(s.words[0], 84);
    vyi_machine_on_round(m, NULL, NULL);
    CHECK_EQ(vyi_machine_run(m, groups, 5, NULL), VYRE_TIMEOUT);
    CHECK_EQ(s.words[0], 84 + 30);
    end(&s, m);
}

/* A long sum of products needs a few registers, not one for each value. */
static void registers_are_used_again(void)
{
    enum { TERMS = 2000 };
    setup s;
    begin(&s, 64);
    const vyre_value i = vyre_ir_builtin(s.p, VYRE_BUILTIN_LOCAL_INDEX);
    vyre_local sum = vyre_ir_local(s.p, VYRE_TYPE_U32, i, "sum");
    for (uint32_t k = 0; k < TERMS; k++)
        vyre_ir_set(s.p, sum, vyre_ir_add(s.p, vyre_ir_mul(s.p, i, i), vyre_ir_get(s.p, sum)));
    vyre_ir_store(s.p, s.out, i, vyre_ir_get(s.p, sum));
    vyi_machine *m = machine(&s);
    const size_t of_registers = m->size - (size_t)((uint8_t *)m->registers - (uint8_t *)m);
    CHECK(of_registers <= 8 * 64 * sizeof(uint32_t));
    const uint32_t one[3] = { 1, 1, 1 };
    CHECK_EQ(vyi_machine_run(m, one, 0, NULL), VYRE_OK);
    for (uint32_t k = 0; k < 8; k++)
        CHECK_EQ(s.words[k], k + TERMS * k * k);
    end(&s, m);
}

/* --- pausing and parting --------------------------------------------------- */

#define PARTS 12u

typedef struct parts {
    vyi_machine *machines[PARTS];
    bool         paused[PARTS];
    uint32_t     pauses, parted;
    uint64_t     random;
    const vyre_program *p;
    vyre_interp_desc    desc;
} parts;

static bool pause_at_random(void *user)
{
    return test_random(&((parts *)user)->random) % 3 == 0;
}

static uint32_t parts_find(parts *s, bool paused)
{
    const uint32_t first = (uint32_t)(test_random(&s->random) % PARTS);
    for (uint32_t i = 0; i < PARTS; i++)
        if (s->paused[(first + i) % PARTS] == paused)
            return (first + i) % PARTS;
    return PARTS;
}

/* Runs any of what is paused, after it has perhaps been parted. */
static void parts_go_on(parts *s)
{
    for (uint32_t at = parts_find(s, true); at < PARTS; at = parts_find(s, true)) {
        const uint32_t spare = parts_find(s, false);
        s->pauses++;
        if (spare < PARTS && test_random(&s->random) % 2 &&
            vyi_machine_part(s->machines[at], s->machines[spare])) {
            s->paused[spare] = true;
            s->parted++;
        }
        s->paused[at] = vyi_machine_resume(s->machines[at]) == VYRE_PENDING;
    }
}

static void parts_run(parts *s, const gen_shape *shape)
{
    for (uint32_t i = 0; i < PARTS; i++) {
        if (i == 0)
            CHECK_EQ(vyi_machine_create(s->p, &s->desc, &s->machines[i], NULL), VYRE_OK);
        else
            CHECK((s->machines[i] = vyi_machine_copy(s->machines[i - 1])) != NULL);
        vyi_machine_on_work(s->machines[i], pause_at_random, s);
        s->paused[i] = false;
    }
    vyi_machine_destroy(s->machines[0]); /* nobody needs what it was copied from */
    s->machines[0] = vyi_machine_copy(s->machines[1]);
    vyi_machine_on_work(s->machines[0], pause_at_random, s);
    s->paused[0] = vyi_machine_run(s->machines[0], shape->groups, 0, NULL) == VYRE_PENDING;
    parts_go_on(s);
    for (uint32_t i = 0; i < PARTS; i++)
        vyi_machine_destroy(s->machines[i]);
}

/* Lanes that do not ask each other do the same whatever runs first, and on
 * whichever machine. */
static void parted_lanes_do_the_same(void)
{
    const char *count = getenv("TEST_PROGRAMS");
    const long programs = count ? atol(count) : 300;
    uint64_t random = 0x7061727473, first = test_seed(0);
    parts s;
    memset(&s, 0, sizeof s);
    for (long i = 0; i < programs; i++) {
        const uint64_t seed = first ? first + (uint64_t)i : test_random(&random);
        const uint32_t flags = GEN_LOOPS | GEN_ATOMICS | GEN_3D | (seed & 1 ? GEN_LARGE : 0);
        gen_shape shape;
        vyre_program *p = gen_program(seed, flags, NULL, &shape);
        CHECK(p);
        gen_memory whole = gen_memory_make(&shape), parted = gen_memory_make(&shape);
        memset(&s.desc, 0, sizeof s.desc);
        memcpy(s.desc.groups, shape.groups, sizeof s.desc.groups);
        s.desc.buffers = whole.buffers;
        s.desc.sizes = whole.sizes;
        s.desc.buffer_count = whole.count;
        CHECK_EQ(vyre_interpret(p, &s.desc, NULL), VYRE_OK);
        s.desc.buffers = parted.buffers;
        s.desc.sizes = parted.sizes;
        s.p = p;
        s.random = seed ^ 0x5a5a;
        parts_run(&s, &shape);
        uint32_t binding;
        size_t at;
        if (!gen_memory_guarded(&parted) || gen_memory_differs(&whole, &parted, &binding, &at))
            test_fail(__FILE__, __LINE__, "TEST_SEED=0x%llx TEST_PROGRAMS=1: parted, they differ",
                      (unsigned long long)seed);
        gen_memory_free(&whole);
        gen_memory_free(&parted);
        vyre_program_destroy(p);
    }
    printf("NOTE %ld programs, paused %u times, parted %u times\n", programs, s.pauses, s.parted);
    CHECK(first || s.parted > programs);
}

/* Word 0 to 2: how many lanes ran the first arm, the second, what follows. */
static void emit_arms(setup *s, bool with_switch)
{
    const vyre_value lane = vyre_ir_builtin(s->p, VYRE_BUILTIN_LOCAL_INDEX);
    const vyre_value odd = vyre_ir_and(s->p, lane, vyre_ir_u32(s->p, 1));
    if (with_switch) {
        vyre_ir_switch(s->p, odd);
        vyre_ir_case(s->p, 0);
    } else {
        vyre_ir_if(s->p, vyre_ir_eq(s->p, odd, vyre_ir_u32(s->p, 0)));
    }
    vyre_ir_loop(s->p, vyre_ir_u32(s->p, 0), lane);
    vyre_ir_end(s->p);
    count_into(s, 0);
    if (with_switch)
        vyre_ir_default(s->p);
    else
        vyre_ir_else(s->p);
    count_into(s, 1);
    vyre_ir_end(s->p);
    count_into(s, 2);
}

static bool pause_always(void *user)
{
    (void)user;
    return true;
}

/* Lanes of the other arm, which wait for the loop of the first, run theirs once. */
static void parted_arms_run_once(void)
{
    const uint32_t one[3] = { 1, 1, 1 };
    for (int with_switch = 0; with_switch < 2; with_switch++) {
        setup s;
        vyi_machine *m[2];
        begin(&s, 32);
        emit_arms(&s, with_switch != 0);
        CHECK_EQ(vyre_program_finish(s.p, NULL), VYRE_OK);
        for (uint32_t i = 0; i < 2; i++)
            CHECK_EQ(vyi_machine_create(s.p, &s.desc, &m[i], NULL), VYRE_OK);
        vyre_program_destroy(s.p);
        vyi_machine_on_work(m[0], pause_always, NULL);
        CHECK_EQ(vyi_machine_run(m[0], one, 0, NULL), VYRE_PENDING);
        CHECK(vyi_machine_part(m[0], m[1]));
        while (vyi_machine_resume(m[0]) == VYRE_PENDING)
            continue;
        CHECK_EQ(s.words[1], 0);
        CHECK_EQ(vyi_machine_resume(m[1]), VYRE_OK);
        CHECK_EQ(s.words[0], 16);
        CHECK_EQ(s.words[1], 16);
        CHECK_EQ(s.words[2], 32);
        vyi_machine_destroy(m[1]);
        end(&s, m[0]);
    }
}

int main(void)
{
    knob_iterations = 1;
    RUN(parted_arms_run_once);
    RUN(parted_lanes_do_the_same);
    RUN(runs_do_not_allocate);
    RUN(refusals_change_nothing);
    RUN(the_hook_is_asked_before_each_round);
    RUN(registers_are_used_again);
    return test_end();
}

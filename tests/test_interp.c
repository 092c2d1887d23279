/* The interpreter: masks, blocks, loops and their limits, memory and its
 * bounds, subgroups, workgroups, and a host thread that publishes meanwhile. */
#include "oom.h"

#define GUARD 0xdeadbeefu

/* A program with one buffer to write, `out`, and one to read, `in`. */
typedef struct fixture {
    vyre_program    *p;
    vyre_buffer      out, in;
    uint32_t        *memory[2]; /* guard, words, guard */
    uint32_t         words[2];
    vyre_interp_desc desc;
    void            *buffers[2];
    size_t           sizes[2];
} fixture;

static vyre_buffer add_buffer(vyre_program *p, uint32_t binding, vyre_type type,
                              vyre_access access, uint32_t count)
{
    vyre_buffer_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.binding = binding;
    desc.type = type;
    desc.access = access;
    desc.count = count;
    return vyre_ir_buffer(p, &desc);
}

static fixture begin_sized(uint32_t x, uint32_t y, uint32_t z)
{
    fixture f;
    vyre_program_desc desc;
    vyre_error err;
    memset(&f, 0, sizeof f);
    memset(&desc, 0, sizeof desc);
    desc.workgroup_size[0] = x;
    desc.workgroup_size[1] = y;
    desc.workgroup_size[2] = z;
    f.p = vyre_program_create(&desc, &err);
    CHECK(f.p);
    f.out = add_buffer(f.p, 0, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, 0);
    f.in = add_buffer(f.p, 1, VYRE_TYPE_U32, VYRE_ACCESS_READ, 0);
    return f;
}

static fixture begin(uint32_t lanes)
{
    return begin_sized(lanes, 1, 1);
}

static vyre_value U(const fixture *f, uint32_t x)
{
    return vyre_ir_u32(f->p, x);
}

static vyre_value lane_of(const fixture *f)
{
    return vyre_ir_builtin(f->p, VYRE_BUILTIN_LOCAL_INDEX);
}

static void give(fixture *f, int which, uint32_t words, const uint32_t *content)
{
    f->memory[which] = (uint32_t *)malloc((words + 2) * 4);
    f->words[which] = words;
    memset(f->memory[which], 0, (words + 2) * 4);
    if (content)
        memcpy(f->memory[which] + 1, content, words * 4);
    f->memory[which][0] = f->memory[which][words + 1] = GUARD;
    f->buffers[which] = f->memory[which] + 1;
    f->sizes[which] = words * 4;
}

static void finish(fixture *f)
{
    vyre_error err;
    vyre_status status = vyre_program_finish(f->p, &err);
    if (status != VYRE_OK)
        test_fail(__FILE__, __LINE__, "finish: %s (%s)", err.text, err.fix);
}

static vyre_status run(fixture *f)
{
    vyre_error err;
    f->desc.buffers = f->buffers;
    f->desc.sizes = f->sizes;
    f->desc.buffer_count = 2;
    vyre_status status = vyre_interpret(f->p, &f->desc, &err);
    if (status < 0)
        test_fail(__FILE__, __LINE__, "interpret: %s (%s)", err.text, err.fix);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(f->memory[i][0], GUARD);
        CHECK_EQ(f->memory[i][f->words[i] + 1], GUARD);
    }
    return status;
}

static uint32_t *out(const fixture *f)
{
    return f->memory[0] + 1;
}

static void end(fixture *f)
{
    vyre_program_destroy(f->p);
    free(f->memory[0]);
    free(f->memory[1]);
}

/* Finishes and runs with `lanes` words of output. */
static vyre_status go(fixture *f, uint32_t words)
{
    finish(f);
    give(f, 0, words, NULL);
    if (!f->memory[1])
        give(f, 1, 1, NULL);
    return run(f);
}

static void add_out(fixture *f, uint32_t x)
{
    vyre_value i = lane_of(f);
    vyre_ir_store(f->p, f->out, i, vyre_ir_add(f->p, vyre_ir_load(f->p, f->out, i), U(f, x)));
}

/* --- masks and blocks ---------------------------------------------------- */

static void arms_of_an_if(void)
{
    fixture f = begin(37);
    vyre_value i = lane_of(&f);
    vyre_ir_if(f.p, vyre_ir_lt(f.p, i, U(&f, 5)));
    add_out(&f, 1);
    vyre_ir_else(f.p);
    vyre_ir_if(f.p, vyre_ir_eq(f.p, vyre_ir_and(f.p, i, U(&f, 1)), U(&f, 0)));
    add_out(&f, 10);
    vyre_ir_end(f.p);
    add_out(&f, 100);
    vyre_ir_end(f.p);
    add_out(&f, 1000);
    CHECK_EQ(go(&f, 37), VYRE_OK);
    for (uint32_t k = 0; k < 37; k++)
        CHECK_EQ(out(&f)[k], k < 5 ? 1001u : k % 2 ? 1100u : 1110u);
    end(&f);
}

static void nobody_enters(void)
{
    fixture f = begin(8);
    vyre_value never = vyre_ir_gt(f.p, lane_of(&f), U(&f, 100));
    vyre_ir_if(f.p, never);
    add_out(&f, 1);
    vyre_ir_loop(f.p, U(&f, 0), U(&f, 3));
    add_out(&f, 1);
    vyre_ir_end(f.p);
    vyre_ir_end(f.p);
    vyre_ir_if(f.p, vyre_ir_not(f.p, never));
    vyre_ir_else(f.p);
    add_out(&f, 1);
    vyre_ir_end(f.p);
    vyre_ir_loop(f.p, U(&f, 5), U(&f, 5));
    add_out(&f, 1);
    vyre_ir_end(f.p);
    add_out(&f, 7);
    CHECK_EQ(go(&f, 8), VYRE_OK);
    for (uint32_t k = 0; k < 8; k++)
        CHECK_EQ(out(&f)[k], 7);
    end(&f);
}

static void arms_of_a_switch(void)
{
    fixture f = begin(64);
    vyre_value kind = vyre_ir_rem(f.p, lane_of(&f), U(&f, 7));
    vyre_ir_switch(f.p, kind);
    vyre_ir_case(f.p, 5);
    add_out(&f, 50);
    vyre_ir_case(f.p, 0);
    vyre_ir_case(f.p, 3);
    vyre_ir_switch(f.p, lane_of(&f));
    vyre_ir_case(f.p, 3);
    add_out(&f, 3);
    vyre_ir_case(f.p, 10);
    add_out(&f, 10);
    vyre_ir_end(f.p);
    vyre_ir_default(f.p);
    add_out(&f, 9);
    vyre_ir_case(f.p, 0xffffffffu);
    add_out(&f, 77);
    vyre_ir_end(f.p);
    vyre_ir_switch(f.p, kind);
    vyre_ir_case(f.p, 1);
    add_out(&f, 1000);
    vyre_ir_end(f.p);
    CHECK_EQ(go(&f, 64), VYRE_OK);
    for (uint32_t k = 0; k < 64; k++) {
        const uint32_t r = k % 7;
        uint32_t want = r == 5 ? 50u : r == 0 ? 0u : r == 3 ? (k == 3 ? 3u : k == 10 ? 10u : 0u) : 9u;
        CHECK_EQ(out(&f)[k], want + (r == 1 ? 1000u : 0u));
    }
    end(&f);
}

/* Each lane leaves at another place; what follows counts who is still there. */
static void leaving_loops(void)
{
    fixture f = begin(20);
    vyre_value i = lane_of(&f);
    vyre_value n = vyre_ir_loop(f.p, U(&f, 0), U(&f, 10));
    vyre_ir_if(f.p, vyre_ir_eq(f.p, n, i)); /* lane n breaks in iteration n */
    vyre_ir_if(f.p, vyre_ir_eq(f.p, i, U(&f, 4)));
    vyre_ir_return(f.p);
    vyre_ir_end(f.p);
    vyre_ir_break(f.p);
    vyre_ir_else(f.p);
    vyre_ir_if(f.p, vyre_ir_eq(f.p, vyre_ir_and(f.p, n, U(&f, 1)), U(&f, 1)));
    vyre_ir_continue(f.p);
    vyre_ir_end(f.p);
    add_out(&f, 1); /* in even iterations before its own */
    vyre_ir_end(f.p);
    vyre_ir_loop(f.p, U(&f, 0), U(&f, 3));
    vyre_ir_if(f.p, vyre_ir_eq(f.p, i, U(&f, 19)));
    vyre_ir_break(f.p);
    vyre_ir_end(f.p);
    add_out(&f, 100);
    vyre_ir_end(f.p);
    vyre_ir_end(f.p);
    add_out(&f, 10000);
    CHECK_EQ(go(&f, 20), VYRE_OK);
    for (uint32_t k = 0; k < 20; k++) {
        const uint32_t rounds = k < 10 ? k : 10u, even = (rounds + 1) / 2;
        CHECK_EQ(out(&f)[k], even + (k == 19 ? 0u : 300u * even) + (k == 4 ? 0u : 10000u));
    }
    end(&f);
}

/* A lane's own bounds; the counter is unsigned and does not wrap. */
static void counted_loops(void)
{
    static const uint32_t bounds[][3] = {
        { 5, 5, 0 }, { 7, 3, 0 }, { 0xfffffffeu, 0xffffffffu, 1 }, { 0, 4, 4 }, { 2, 3, 1 },
        { 0x7fffffffu, 0x80000002u, 3 }
    };
    fixture f = begin(6);
    vyre_value two_i = vyre_ir_mul(f.p, lane_of(&f), U(&f, 2));
    vyre_value from = vyre_ir_load(f.p, f.in, two_i);
    vyre_value to = vyre_ir_load(f.p, f.in, vyre_ir_add(f.p, two_i, U(&f, 1)));
    vyre_ir_loop(f.p, from, to);
    add_out(&f, 1);
    vyre_ir_end(f.p);
    finish(&f);
    give(&f, 0, 6, NULL);
    give(&f, 1, 12, NULL);
    for (int k = 0; k < 6; k++)
        memcpy(f.memory[1] + 1 + 2 * k, bounds[k], 8);
    CHECK_EQ(run(&f), VYRE_OK);
    for (int k = 0; k < 6; k++)
        CHECK_EQ(out(&f)[k], bounds[k][2]);
    end(&f);
}

/* A value made outside of a loop keeps its register through the loop, however
 * much is computed inside; a GET is not disturbed by a later SET. */
static void values_live_long_enough(void)
{
    fixture f = begin(16);
    vyre_value i = lane_of(&f);
    vyre_value early = vyre_ir_mul(f.p, i, U(&f, 1000));
    vyre_local sum = vyre_ir_local(f.p, VYRE_TYPE_U32, U(&f, 0), "sum");
    vyre_value n = vyre_ir_loop(f.p, U(&f, 0), U(&f, 4));
    vyre_value before = vyre_ir_get(f.p, sum);
    vyre_value x = vyre_ir_add(f.p, early, n);
    for (int k = 0; k < 20; k++)
        x = vyre_ir_add(f.p, vyre_ir_xor(f.p, x, i), vyre_ir_xor(f.p, i, U(&f, 0)));
    vyre_ir_set(f.p, sum, vyre_ir_add(f.p, before, U(&f, 1)));
    vyre_ir_set(f.p, sum, vyre_ir_add(f.p, vyre_ir_get(f.p, sum), before));
    vyre_ir_store(f.p, f.out, i, vyre_ir_add(f.p, early, vyre_ir_get(f.p, sum)));
    vyre_ir_end(f.p);
    CHECK_EQ(go(&f, 16), VYRE_OK);
    for (uint32_t k = 0; k < 16; k++)
        CHECK_EQ(out(&f)[k], 1000 * k + 15); /* 0, 1, 3, 7, 15 */
    end(&f);
}

int main(void)
{
    RUN(arms_of_an_if);
    RUN(nobody_enters);
    RUN(arms_of_a_switch);
    RUN(leaving_loops);
    RUN(counted_loops);
    RUN(values_live_long_enough);
    return test_end();
}

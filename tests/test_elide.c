/* Barriers that nothing needs: what goes, what stays, and that programs without
 * them do the same where lanes do not go in step. */
#include "driver.h"
#include "oom.h"
#include "vk_run.h"
#include "vyre.h"

#define LANES 64u /* of the workgroup; lavapipe runs eight of them in step */

static vk_run vk;
static bool vk_there;

typedef struct test_program {
    vyre_program *p;
    vyre_buffer   a, b, c, shared, out;
    vyre_value    lane, other; /* a lane of another subgroup */
} test_program;

static vyre_buffer buffer_of(vyre_program *p, const char *name, uint32_t binding,
                             vyre_access access)
{
    vyre_buffer_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.name = name;
    desc.binding = binding;
    desc.access = access;
    desc.count = LANES;
    return vyre_ir_buffer(p, &desc);
}

static test_program begin(void)
{
    test_program t;
    vyre_program_desc desc;
    memset(&t, 0, sizeof t);
    memset(&desc, 0, sizeof desc);
    desc.workgroup_size[0] = LANES;
    t.p = vyre_program_create(&desc, NULL);
    CHECK(t.p != NULL);
    t.a = buffer_of(t.p, "a", 0, VYRE_ACCESS_READ_WRITE);
    t.b = buffer_of(t.p, "b", 1, VYRE_ACCESS_READ_WRITE);
    t.c = buffer_of(t.p, "c", 2, VYRE_ACCESS_READ_WRITE);
    t.out = buffer_of(t.p, "out", 3, VYRE_ACCESS_READ_WRITE);
    t.shared = buffer_of(t.p, "shared", 0, VYRE_ACCESS_WORKGROUP);
    t.lane = vyre_ir_builtin(t.p, VYRE_BUILTIN_LOCAL_ID_X);
    t.other = vyre_ir_xor(t.p, t.lane, vyre_ir_u32(t.p, LANES / 2 + 1));
    return t;
}

/* Runs the program on a, b, c and out, where it has lavapipe or a device. */
static void run_on_device(const vyre_program *p, uint32_t buffers[4][LANES])
{
    static const uint32_t bindings[4] = { 0, 1, 2, 3 };
    void *const data[4] = { buffers[0], buffers[1], buffers[2], buffers[3] };
    const size_t sizes[4] = { 4 * LANES, 4 * LANES, 4 * LANES, 4 * LANES };
    vyre_spirv module;
    vyre_error err;
    vk_kernel kernel;
    vk_kernel_desc desc;
    vk_call call;
    CHECK_EQ(vyre_spirv_emit(p, NULL, &module, &err), VYRE_OK);
    memset(&desc, 0, sizeof desc);
    desc.words = module.words;
    desc.word_count = module.word_count;
    desc.bindings = bindings;
    desc.binding_count = 4;
    if (!vk_kernel_create(&vk, &kernel, &desc))
        test_fail(__FILE__, __LINE__, "%s", vk.why);
    memset(&call, 0, sizeof call);
    call.data = data;
    call.sizes = sizes;
    const bool ran = vk_dispatch(&vk, &kernel, &call);
    vk_kernel_destroy(&vk, &kernel);
    vyre_spirv_free(&module);
    CHECK(ran);
}

static void run_on_cpu(const vyre_program *p, uint32_t buffers[4][LANES])
{
    void *const data[4] = { buffers[0], buffers[1], buffers[2], buffers[3] };
    const size_t sizes[4] = { 4 * LANES, 4 * LANES, 4 * LANES, 4 * LANES };
    vyre_interp_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.groups[0] = desc.groups[1] = desc.groups[2] = 1;
    desc.buffers = data;
    desc.sizes = sizes;
    desc.buffer_count = 4;
    CHECK_EQ(vyre_interpret(p, &desc, NULL), VYRE_OK);
}

/* --- what stays: each program is wrong without the barrier ------------------ */

/* Where emitters put it; `with` false leaves it out, to see it missed. */
static void barrier(test_program *t, bool with)
{
    if (with)
        vyre_ir_barrier(t->p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
}

static void put(test_program *t, vyre_buffer buffer, uint32_t add)
{
    const vyre_value number = vyre_ir_u32(t->p, add);
    vyre_ir_store(t->p, buffer, t->lane, vyre_ir_add(t->p, t->lane, number));
}

/* out[lane] gets what another lane has put. */
static void take(test_program *t, vyre_buffer buffer)
{
    const vyre_value found = vyre_ir_load(t->p, buffer, t->other);
    const vyre_value before = vyre_ir_load(t->p, t->out, t->lane);
    const vyre_value three = vyre_ir_u32(t->p, 3);
    vyre_ir_store(t->p, t->out, t->lane, vyre_ir_add(t->p, vyre_ir_mul(t->p, before, three), found));
}

static void read_after_write(test_program *t, bool with)
{
    put(t, t->a, 7);
    barrier(t, with);
    take(t, t->a);
}

static void write_after_read(test_program *t, bool with)
{
    take(t, t->a);
    barrier(t, with);
    put(t, t->a, 7);
}

static void write_after_write(test_program *t, bool with)
{
    put(t, t->a, 7);
    barrier(t, with);
    vyre_ir_store(t->p, t->a, t->other, t->lane);
}

/* The original compares neighbours, and loses both. */
static void beyond_neighbours(test_program *t, bool with)
{
    put(t, t->a, 7);
    barrier(t, with);
    put(t, t->b, 9);
    barrier(t, with);
    take(t, t->a);
}

/* And looks only at the statement that stands beside the barrier. */
static void beyond_the_statement(test_program *t, bool with)
{
    put(t, t->a, 7);
    vyre_ir_if(t->p, vyre_ir_bool(t->p, true));
    put(t, t->b, 9);
    vyre_ir_end(t->p);
    barrier(t, with);
    take(t, t->a);
}

/* What a loop's end writes its begin reads. */
static void over_the_back_edge(test_program *t, bool with)
{
    const vyre_value none = vyre_ir_u32(t->p, 0);
    const vyre_value round = vyre_ir_loop(t->p, none, vyre_ir_u32(t->p, 3));
    take(t, t->a);
    barrier(t, true);
    vyre_ir_store(t->p, t->a, t->lane, vyre_ir_add(t->p, round, t->lane));
    barrier(t, with);
    vyre_ir_end(t->p);
}

/* What stands before a block, and what behind it. */
static void into_a_block(test_program *t, bool with)
{
    put(t, t->a, 7);
    const vyre_value none = vyre_ir_u32(t->p, 0);
    (void)vyre_ir_loop(t->p, none, vyre_ir_u32(t->p, 1));
    barrier(t, with);
    take(t, t->a);
    vyre_ir_end(t->p);
}

static void out_of_a_block(test_program *t, bool with)
{
    const vyre_value none = vyre_ir_u32(t->p, 0);
    (void)vyre_ir_loop(t->p, none, vyre_ir_u32(t->p, 1));
    put(t, t->a, 7);
    barrier(t, with);
    vyre_ir_end(t->p);
    take(t, t->a);
}

static void an_atomic(test_program *t, bool with)
{
    const vyre_value none = vyre_ir_u32(t->p, 0);
    (void)vyre_ir_atomic(t->p, VYRE_ATOMIC_ADD, t->a, none, vyre_ir_u32(t->p, 1),
                         VYRE_ORDER_RELAXED);
    barrier(t, with);
    vyre_ir_store(t->p, t->out, t->lane, vyre_ir_load(t->p, t->a, none));
}

static void a_workgroup_array(test_program *t, bool with)
{
    put(t, t->shared, 7);
    barrier(t, with);
    take(t, t->shared);
}

typedef void program_fn(test_program *t, bool with);

static const struct {
    const char *name;
    program_fn *emit;
    uint32_t    removed; /* of its barriers, what may go */
} needed[] = {
    { "read after write", read_after_write, 0 },
    { "write after read", write_after_read, 0 },
    { "write after write", write_after_write, 0 },
    { "beyond neighbours", beyond_neighbours, 1 },
    { "beyond the statement", beyond_the_statement, 0 },
    { "over the back edge", over_the_back_edge, 0 },
    { "into a block", into_a_block, 0 },
    { "out of a block", out_of_a_block, 0 },
    { "an atomic", an_atomic, 0 },
    { "a workgroup array", a_workgroup_array, 0 }
};

static vyre_program *finish(test_program *t)
{
    vyre_error err;
    if (vyre_program_finish(t->p, &err) != VYRE_OK)
        test_fail(__FILE__, __LINE__, "%s", err.text);
    return t->p;
}

static void fill(uint32_t buffers[4][LANES])
{
    for (uint32_t i = 0; i < 4 * LANES; i++)
        buffers[i / LANES][i % LANES] = i < 3 * LANES ? 1000 + i : 0;
    buffers[0][0] = 0; /* the atomic's */
}

static vyre_program *program_of(program_fn *emit, bool with)
{
    test_program t = begin();
    emit(&t, with);
    return finish(&t);
}

static void needed_barriers_stay(void)
{
    for (unsigned i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        uint32_t removed = 99;
        vyre_error err;
        vyre_program *p = program_of(needed[i].emit, true);
        CHECK_EQ(vyre_program_elide_barriers(p, &removed, &err), VYRE_OK);
        if (removed != needed[i].removed)
            test_fail(__FILE__, __LINE__, "%s: %u removed", needed[i].name, removed);
        vyre_program_destroy(p);
    }
}

/* On a device whose lanes do not all go in step each of them is missed when it is
 * left out, and what the pass leaves is right. */
static void needed_barriers_are_missed(void)
{
    if (!vk_there)
        test_skip(vk.why);
    unsigned wrong = 0;
    for (unsigned i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        uint32_t right[4][LANES], without[4][LANES], elided[4][LANES];
        vyre_program *p = program_of(needed[i].emit, true);
        vyre_program *bare = program_of(needed[i].emit, false);
        fill(right);
        fill(without);
        fill(elided);
        run_on_cpu(p, right);
        run_on_device(bare, without);
        CHECK_EQ(vyre_program_elide_barriers(p, NULL, NULL), VYRE_OK);
        run_on_device(p, elided);
        if (memcmp(right, elided, sizeof right) != 0)
            test_fail(__FILE__, __LINE__, "%s is wrong", needed[i].name);
        if (memcmp(right, without, sizeof right) != 0)
            wrong++;
        else
            printf("NOTE %s: right without its barrier on %s\n", needed[i].name, vk.name);
        vyre_program_destroy(p);
        vyre_program_destroy(bare);
    }
    if (vk.is_lavapipe)
        CHECK_EQ(wrong, sizeof needed / sizeof needed[0]);
}

/* --- what else stays, and what goes ---------------------------------------- */

static uint32_t elide(test_program *t)
{
    uint32_t removed = 99;
    vyre_error err;
    vyre_program *p = finish(t);
    CHECK_EQ(vyre_program_elide_barriers(p, &removed, &err), VYRE_OK);
    vyre_program_destroy(p);
    return removed;
}

/* Refused whatever the buffers are: what they order is more than memory. */
static void pinned_barriers_stay(void)
{
    for (unsigned what = 0; what < 6; what++) {
        test_program t = begin();
        put(&t, t.a, 1);
        if (what == 0)
            (void)vyre_ir_ballot(t.p, vyre_ir_bool(t.p, true));
        if (what == 1)
            vyre_ir_barrier(t.p, VYRE_SCOPE_DEVICE, VYRE_ORDER_ACQ_REL);
        if (what == 2)
            (void)vyre_ir_atomic_load(t.p, t.c, t.lane, VYRE_ORDER_RELAXED);
        const vyre_order order = what == 3 ? VYRE_ORDER_ACQUIRE : VYRE_ORDER_ACQ_REL;
        vyre_ir_barrier(t.p, VYRE_SCOPE_WORKGROUP, order);
        put(&t, t.b, 1);
        if (what == 4) {
            vyre_ir_if(t.p, vyre_ir_eq(t.p, t.lane, t.other));
            vyre_ir_return(t.p);
            vyre_ir_end(t.p);
        }
        if (what == 5)
            put(&t, t.shared, 1);
        if (elide(&t) != 0)
            test_fail(__FILE__, __LINE__, "case %u went", what);
    }
}

static void needless_barriers_go(void)
{
    test_program t = begin(); /* four buffers, one after the other */
    put(&t, t.a, 1);
    barrier(&t, true);
    put(&t, t.b, 1);
    barrier(&t, true);
    put(&t, t.c, 1);
    barrier(&t, true);
    put(&t, t.out, 1);
    CHECK_EQ(elide(&t), 3);

    t = begin(); /* reads of one buffer */
    take(&t, t.a);
    vyre_program_destroy(t.p);
    t = begin();
    (void)vyre_ir_load(t.p, t.a, t.other);
    barrier(&t, true);
    vyre_ir_store(t.p, t.out, t.lane, vyre_ir_load(t.p, t.a, t.lane));
    CHECK_EQ(elide(&t), 1);

    t = begin(); /* two with nothing between, where one is needed */
    put(&t, t.shared, 1);
    barrier(&t, true);
    barrier(&t, true);
    take(&t, t.shared);
    CHECK_EQ(elide(&t), 1);

    t = begin(); /* nothing behind it */
    put(&t, t.a, 1);
    barrier(&t, true);
    CHECK_EQ(elide(&t), 1);

    t = begin(); /* one a round is enough */
    const vyre_value none = vyre_ir_u32(t.p, 0);
    (void)vyre_ir_loop(t.p, none, vyre_ir_u32(t.p, 4));
    put(&t, t.a, 1);
    barrier(&t, true);
    put(&t, t.b, 1);
    barrier(&t, true);
    vyre_ir_end(t.p);
    CHECK_EQ(elide(&t), 1);

    t = begin(); /* arms that exclude each other, and a switch with breaks */
    vyre_ir_if(t.p, vyre_ir_bool(t.p, true));
    put(&t, t.a, 1);
    vyre_ir_else(t.p);
    barrier(&t, true);
    take(&t, t.a);
    vyre_ir_end(t.p);
    CHECK_EQ(elide(&t), 1);
}

static void elide_refuses(void)
{
    uint32_t removed = 77;
    vyre_error err;
    CHECK_EQ(vyre_program_elide_barriers(NULL, &removed, &err), VYRE_E_ARGUMENT);
    test_program t = begin();
    barrier(&t, true);
    CHECK_EQ(vyre_program_elide_barriers(t.p, &removed, &err), VYRE_E_IR_UNFINISHED);
    CHECK_EQ(removed, 77);
    vyre_program_destroy(t.p);
}

/* --- random programs ------------------------------------------------------- */

/* Phases: in each, a buffer is only read, anywhere, or only written, by each lane
 * at its own place.  Between phases stands a barrier, needed or not, so that the
 * program means the same on every device. */
typedef struct random_program {
    test_program t;
    uint64_t     seed;
    vyre_local   sum;
    unsigned     left; /* phases to come */
} random_program;

static uint32_t rolls(random_program *r, uint32_t sides)
{
    return (uint32_t)(test_random(&r->seed) % sides);
}

static void random_phase(random_program *r)
{
    vyre_program *p = r->t.p;
    const vyre_buffer buffers[4] = { r->t.a, r->t.b, r->t.c, r->t.shared };
    const uint32_t most = rolls(r, 8) ? 3 : 4;
    for (uint32_t i = 0; i < most; i++) {
        const uint32_t way = rolls(r, 4);
        if (way == 0) {
            vyre_ir_store(p, buffers[i], r->t.lane, vyre_ir_get(p, r->sum));
        } else if (way == 1) {
            const vyre_value found = vyre_ir_load(p, buffers[i], r->t.other);
            const vyre_value sum = vyre_ir_get(p, r->sum);
            const vyre_value five = vyre_ir_u32(p, 5);
            vyre_ir_set(p, r->sum, vyre_ir_add(p, vyre_ir_mul(p, sum, five), found));
        }
    }
    barrier(&r->t, true);
    if (rolls(r, 12) == 0)
        barrier(&r->t, true);
}

static void random_list(random_program *r, unsigned depth)
{
    const uint32_t length = 1 + rolls(r, 4);
    for (uint32_t i = 0; i < length && r->left > 0; i++) {
        const uint32_t what = depth < 3 ? rolls(r, 7) : 6;
        r->left--;
        if (what == 0) {
            const vyre_value none = vyre_ir_u32(r->t.p, 0);
            (void)vyre_ir_loop(r->t.p, none, vyre_ir_u32(r->t.p, 1 + rolls(r, 3)));
            random_list(r, depth + 1);
            vyre_ir_end(r->t.p);
        } else if (what == 1) {
            vyre_ir_if(r->t.p, vyre_ir_bool(r->t.p, rolls(r, 2) != 0));
            random_list(r, depth + 1);
            if (rolls(r, 2)) {
                vyre_ir_else(r->t.p);
                random_list(r, depth + 1);
            }
            vyre_ir_end(r->t.p);
        } else if (what == 2) {
            vyre_ir_switch(r->t.p, vyre_ir_u32(r->t.p, rolls(r, 3)));
            for (uint32_t arm = 0; arm < 2; arm++) {
                vyre_ir_case(r->t.p, arm);
                random_list(r, depth + 1);
            }
            if (rolls(r, 2)) {
                vyre_ir_default(r->t.p);
                random_list(r, depth + 1);
            }
            vyre_ir_end(r->t.p);
        } else {
            random_phase(r);
        }
    }
}

static vyre_program *random_program_of(uint64_t seed)
{
    random_program r;
    r.t = begin();
    r.seed = seed;
    r.left = 14;
    const vyre_value start = vyre_ir_mul(r.t.p, r.t.lane, vyre_ir_u32(r.t.p, 77));
    r.sum = vyre_ir_local(r.t.p, VYRE_TYPE_U32, start, "sum");
    random_list(&r, 0);
    vyre_ir_store(r.t.p, r.t.out, r.t.lane, vyre_ir_get(r.t.p, r.sum));
    return finish(&r.t);
}

static void random_programs_do_the_same(void)
{
    const char *text = getenv("TEST_COUNT");
    const unsigned count = text ? (unsigned)strtoul(text, NULL, 0) : 2000;
    const unsigned each = text ? 1 : 20; /* one in so many runs on the device, too */
    uint64_t seed = test_seed(0xe11de), all = 0, before = 0;
    for (unsigned i = 0; i < count; i++) {
        uint32_t right[4][LANES], elided[4][LANES], removed = 0;
        const uint64_t own = test_random(&seed);
        vyre_program *p = random_program_of(own);
        char *listing = (char *)malloc(1 << 20);
        CHECK(listing && vyre_program_text(p, listing, 1 << 20) < 1 << 20);
        for (const char *at = listing; (at = strstr(at, "barrier")) != NULL; at++)
            before++;
        free(listing);
        fill(right);
        run_on_cpu(p, right);
        CHECK_EQ(vyre_program_elide_barriers(p, &removed, NULL), VYRE_OK);
        fill(elided);
        run_on_cpu(p, elided);
        all += removed;
        CHECK(memcmp(right, elided, sizeof right) == 0);
        if (vk_there && i % each == 0) {
            fill(elided);
            run_on_device(p, elided);
            if (memcmp(right, elided, sizeof right) != 0)
                test_fail(__FILE__, __LINE__, "seed 0x%llx: wrong on the device",
                          (unsigned long long)own);
        }
        CHECK_EQ(vyre_program_elide_barriers(p, &removed, NULL), VYRE_OK);
        CHECK_EQ(removed, 0); /* what is left is needed */
        vyre_program_destroy(p);
    }
    printf("NOTE %llu of %llu barriers of %u random programs went\n", (unsigned long long)all,
           (unsigned long long)before, count);
    CHECK(all > before / 20 && all < before);
}

/* --- no memory ------------------------------------------------------------- */

static vyre_status elide_with(const vyre_allocator *allocator, void *user)
{
    vyre_program_desc desc;
    vyre_error err;
    (void)user;
    memset(&desc, 0, sizeof desc);
    desc.workgroup_size[0] = LANES;
    desc.allocator = *allocator;
    vyre_program *p = vyre_program_create(&desc, &err);
    if (!p)
        return err.status;
    const vyre_buffer a = buffer_of(p, "a", 0, VYRE_ACCESS_READ_WRITE);
    const vyre_value lane = vyre_ir_builtin(p, VYRE_BUILTIN_LOCAL_ID_X);
    vyre_ir_store(p, a, lane, lane);
    vyre_ir_barrier(p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
    vyre_status status = vyre_program_finish(p, &err);
    if (status == VYRE_OK)
        status = vyre_program_elide_barriers(p, NULL, &err);
    vyre_program_destroy(p);
    return status;
}

static void no_memory(void)
{
    CHECK(oom_each(elide_with, NULL) > 3);
}

int main(void)
{
    vk_there = vk_open(&vk);
    RUN(needed_barriers_stay);
    RUN(needed_barriers_are_missed);
    RUN(pinned_barriers_stay);
    RUN(needless_barriers_go);
    RUN(elide_refuses);
    RUN(random_programs_do_the_same);
    RUN(no_memory);
    if (vk_there)
        vk_close(&vk);
    return test_end();
}

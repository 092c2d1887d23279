/* The runner: programs on the CPU and on a Vulkan device against the interpreter, and
 * what goes wrong.
 *
 *   TEST_COUNT=10000   random programs on each, instead of 12 */
#include "inside.h"
#include "rooms/runner/runner_impl.h"
#include "driver.h"
#include "gen.h"
#include "mock_vulkan.c"
#include "oom.h"

static vyre_error err;

static vyre_runner_desc desc_of(const vyre_program *p, vyre_backend backend)
{
    vyre_runner_desc d;
    memset(&d, 0, sizeof d);
    d.backend = backend;
    d.program = p;
    if (backend != VYRE_BACKEND_VULKAN)
        return d;
    mock_begin();
    d.vulkan.loader = mock_loader();
    if (!d.vulkan.loader)
        test_skip("no Vulkan loader");
    return d;
}

static vyre_runner *open_or_fail(const vyre_runner_desc *d)
{
    vyre_runner *r = vyre_runner_open(d, &err);
    if (!r && d->backend == VYRE_BACKEND_VULKAN && err.status == VYRE_E_VK_DEVICE)
        test_skip("no Vulkan device");
    if (!r)
        test_fail(__FILE__, __LINE__, "%s: %s", vyre_status_name(err.status), err.text);
    return r;
}

static vyre_buffer buffer(vyre_program *p, const char *name, uint32_t binding, uint32_t count)
{
    vyre_buffer_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.name = name;
    desc.binding = binding;
    desc.count = count;
    return vyre_ir_buffer(p, &desc);
}

static vyre_program *begin(uint32_t x, uint32_t y)
{
    vyre_program_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.workgroup_size[0] = x;
    desc.workgroup_size[1] = y;
    vyre_program *p = vyre_program_create(&desc, NULL);
    CHECK(p != NULL);
    return p;
}

static vyre_program *finish(vyre_program *p)
{
    if (vyre_program_finish(p, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", err.text);
    return p;
}

/* out[x + 8 * (y + 6 * z)] = in[0] + x + 100 * y + 10000 * z, by bindings 3 and 1. */
static vyre_program *grid(void)
{
    vyre_program *p = begin(4, 2);
    const vyre_buffer out = buffer(p, "out", 3, 0), in = buffer(p, "in", 1, 1);
    const vyre_value x = vyre_ir_builtin(p, VYRE_BUILTIN_GLOBAL_ID_X);
    const vyre_value y = vyre_ir_builtin(p, VYRE_BUILTIN_GLOBAL_ID_Y);
    const vyre_value z = vyre_ir_builtin(p, VYRE_BUILTIN_GLOBAL_ID_Z);
    const vyre_value zero = vyre_ir_u32(p, 0), six = vyre_ir_u32(p, 6), eight = vyre_ir_u32(p, 8);
    const vyre_value hundred = vyre_ir_u32(p, 100), many = vyre_ir_u32(p, 10000);
    const vyre_value row = vyre_ir_add(p, vyre_ir_mul(p, z, six), y);
    const vyre_value at = vyre_ir_add(p, vyre_ir_mul(p, row, eight), x);
    const vyre_value ys = vyre_ir_mul(p, y, hundred), zs = vyre_ir_mul(p, z, many);
    const vyre_value sum = vyre_ir_add(p, vyre_ir_add(p, ys, zs), x);
    vyre_ir_store(p, out, at, vyre_ir_add(p, sum, vyre_ir_load(p, in, zero)));
    return finish(p);
}

static void grids(vyre_backend backend)
{
    static const uint32_t groups[3] = { 2, 3, 4 };
    static const size_t sizes[2] = { 0, 8 * 6 * 4 * 4 };
    vyre_program *p = grid();
    vyre_runner_desc d = desc_of(p, backend);
    vyre_stats stats;
    vyre_info info;
    size_t in_size, out_size;
    d.sizes = sizes;
    d.buffer_count = 2;
    vyre_runner *r = open_or_fail(&d);
    uint32_t *in = (uint32_t *)vyre_runner_map(r, 0, &in_size);
    const uint32_t *out = (const uint32_t *)vyre_runner_map(r, 1, &out_size);
    CHECK(in && out && vyre_runner_map(r, 2, NULL) == NULL);
    CHECK_EQ(in_size, 4);
    CHECK_EQ(out_size, sizes[1]);
    for (uint32_t turn = 0; turn < 3; turn++) {
        *in = 7000000 * turn;
        CHECK_EQ(vyre_runner_dispatch(r, groups, &stats, &err), VYRE_OK);
        CHECK_EQ(stats.kernel_launches, 1);
        for (uint32_t i = 0; i < 8 * 6 * 4; i++)
            CHECK_EQ(out[i], 7000000 * turn + i % 8 + i / 8 % 6 * 100 + i / 48 * 10000);
    }
    vyre_runner_query(r, &info);
    CHECK_EQ(info.backend, backend);
    CHECK_EQ(info.buffer_count, 2);
    CHECK_EQ(info.passes, 3);
    CHECK_EQ(info.device_bytes, 4 + sizes[1]);
    CHECK(info.device[0] && info.limits.max_invocations >= 8 && !info.running);
    vyre_runner_close(r);
    vyre_program_destroy(p);
    CHECK(backend != VYRE_BACKEND_VULKAN || mock.live == 0);
}

static void grid_on_the_cpu(void)
{
    grids(VYRE_BACKEND_CPU);
}

static void grid_on_vulkan(void)
{
    grids(VYRE_BACKEND_VULKAN);
}

/* --- rounds ---------------------------------------------------------------------- */

/* Each round adds 1 to out[0]. */
static void rounds_on(vyre_backend backend)
{
    static const uint32_t groups[3] = { 1, 0, 0 };
    vyre_program *p = begin(1, 1);
    const vyre_buffer out = buffer(p, "out", 0, 1);
    const vyre_value zero = vyre_ir_u32(p, 0), one = vyre_ir_u32(p, 1);
    vyre_ir_forever(p);
    (void)vyre_ir_atomic(p, VYRE_ATOMIC_ADD, out, zero, one, VYRE_ORDER_RELAXED);
    vyre_ir_end(p);
    finish(p);
    vyre_runner_desc d = desc_of(p, backend);
    d.rounds = 5;
    vyre_runner *r = open_or_fail(&d);
    const uint32_t *count = (const uint32_t *)vyre_runner_map(r, 0, NULL);
    for (uint32_t turn = 1; turn <= 3; turn++) {
        CHECK_EQ(vyre_runner_dispatch(r, groups, NULL, &err), VYRE_OK);
        CHECK_EQ(*count, 5 * turn);
    }
    vyre_runner_close(r);
    vyre_program_destroy(p);
}

static void rounds_on_the_cpu(void)
{
    rounds_on(VYRE_BACKEND_CPU);
}

static void rounds_on_vulkan(void)
{
    rounds_on(VYRE_BACKEND_VULKAN);
}

/* --- time -------------------------------------------------------------------------- */

/* A dispatch that takes longer than it may goes on in the calls that follow. */
static void late_on_the_cpu(void)
{
    static const uint32_t groups[3] = { 1, 1, 1 };
    vyre_program *p = begin(1, 1);
    const vyre_buffer out = buffer(p, "out", 0, 1);
    const vyre_value zero = vyre_ir_u32(p, 0), to = vyre_ir_u32(p, 1000000);
    const vyre_value i = vyre_ir_loop(p, zero, to);
    vyre_ir_store(p, out, zero, i);
    vyre_ir_end(p);
    finish(p);
    vyre_runner_desc d = desc_of(p, VYRE_BACKEND_CPU);
    vyre_info info;
    d.timeout_ns = 1;
    vyre_runner *r = open_or_fail(&d);
    CHECK_EQ(vyre_runner_dispatch(r, groups, NULL, &err), VYRE_TIMEOUT);
    CHECK(err.status == VYRE_TIMEOUT && err.text[0]);
    vyre_runner_query(r, &info);
    CHECK(info.running);
    CHECK_EQ(vyre_runner_dispatch(r, groups, NULL, &err), VYRE_E_RUNNING);
    const uint32_t *last = NULL;
    while (!last)
        last = (const uint32_t *)vyre_runner_map(r, 0, NULL);
    CHECK_EQ(*last, 999999);
    vyre_runner_close(r);
    r = open_or_fail(&d);
    CHECK_EQ(vyre_runner_dispatch(r, groups, NULL, &err), VYRE_TIMEOUT);
    vyre_runner_close(r); /* in the middle */
    vyre_program_destroy(p);
}

static void late_on_vulkan(void)
{
    static const uint32_t groups[3] = { 1, 1, 1 };
    static const size_t sizes[2] = { 4, 4 };
    vyre_program *p = grid();
    vyre_runner_desc d = desc_of(p, VYRE_BACKEND_VULKAN);
    d.sizes = sizes;
    d.buffer_count = 2;
    d.timeout_ns = 1000000;
    vyre_runner *r = open_or_fail(&d);
    mock.hang = true;
    CHECK_EQ(vyre_runner_dispatch(r, groups, NULL, &err), VYRE_TIMEOUT);
    CHECK(vyre_runner_map(r, 0, NULL) == NULL);
    CHECK_EQ(vyre_runner_dispatch(r, groups, NULL, &err), VYRE_E_RUNNING);
    mock.hang = false;
    while (!vyre_runner_map(r, 0, NULL))
        continue;
    CHECK_EQ(vyre_runner_dispatch(r, groups, NULL, &err) >= 0, true);
    vyre_runner_close(r);
    CHECK_EQ(mock.live, 0);
    vyre_program_destroy(p);
}

/* --- loops that are cut ------------------------------------------------------------ */

/* out[0] counts what a loop of in[0] iterations does; `knows`: the program reads LOOP_CUT. */
static vyre_program *counting(bool knows)
{
    vyre_program *p = begin(1, 1);
    const vyre_buffer in = buffer(p, "in", 7, 1), out = buffer(p, "out", 9, 1);
    const vyre_value zero = vyre_ir_u32(p, 0), one = vyre_ir_u32(p, 1);
    const vyre_local count = vyre_ir_local(p, VYRE_TYPE_U32, zero, "count");
    const vyre_value to = vyre_ir_load(p, in, zero);
    vyre_ir_comment(p, "a comment has a number, too");
    vyre_ir_if(p, vyre_ir_gt(p, to, zero));
    vyre_ir_loop(p, zero, to);
    vyre_ir_set(p, count, vyre_ir_add(p, vyre_ir_get(p, count), one));
    vyre_ir_end(p);
    vyre_ir_end(p);
    if (knows)
        vyre_ir_name(p, vyre_ir_builtin(p, VYRE_BUILTIN_LOOP_CUT), "cut");
    vyre_ir_store(p, out, zero, vyre_ir_get(p, count));
    return finish(p);
}

static void cut_on(vyre_backend backend, uint32_t limit, uint32_t few, uint32_t many)
{
    static const uint32_t groups[3] = { 1, 1, 1 };
    vyre_info info;
    for (unsigned knows = 0; knows < 2; knows++) {
        vyre_program *p = counting(knows);
        vyre_runner_desc d = desc_of(p, backend);
        d.loop_limit = limit;
        vyre_runner *r = open_or_fail(&d);
        vyre_runner_query(r, &info);
        CHECK_EQ(info.buffer_count, 2);
        CHECK(!vyre_runner_map(r, 2, NULL));
        if (limit == 0 && !strstr(info.device, "llvmpipe"))
            many = few;
        uint32_t *in = (uint32_t *)vyre_runner_map(r, 0, NULL);
        const uint32_t *out = (const uint32_t *)vyre_runner_map(r, 1, NULL);
        for (unsigned turn = 0; turn < 4; turn++) {
            *in = turn & 1 ? many : few;
            const bool cut = *in > few;
            CHECK_EQ(vyre_runner_dispatch(r, groups, NULL, &err),
                     cut && !knows ? VYRE_E_LAUNCH : VYRE_OK);
            CHECK(!cut || knows || (err.at == (limit ? limit : 65535) && err.text[0]));
            CHECK(cut ? *out < many : *out == few);
        }
        vyre_runner_close(r);
        vyre_program_destroy(p);
    }
}

static void cut_on_the_cpu(void)
{
    cut_on(VYRE_BACKEND_CPU, 1000, 1000, 1001);
}

static void cut_on_vulkan(void)
{
    cut_on(VYRE_BACKEND_VULKAN, 1000, 900, 2000);
    cut_on(VYRE_BACKEND_VULKAN, 0, 60000, 100000); /* the driver's own limit */
}

/* Of a round loop that is cut the rest comes with the next dispatch. */
static void rounds_may_be_cut(void)
{
    static const uint32_t groups[3] = { 1, 0, 0 };
    vyre_program *p = begin(1, 1);
    const vyre_buffer out = buffer(p, "out", 0, 1);
    const vyre_value zero = vyre_ir_u32(p, 0), one = vyre_ir_u32(p, 1), two = vyre_ir_u32(p, 2);
    vyre_ir_forever(p);
    vyre_ir_loop(p, zero, two);
    (void)vyre_ir_atomic(p, VYRE_ATOMIC_ADD, out, zero, one, VYRE_ORDER_RELAXED);
    vyre_ir_end(p);
    vyre_ir_end(p);
    finish(p);
    vyre_runner_desc d = desc_of(p, VYRE_BACKEND_CPU);
    d.loop_limit = 30; /* three for each round */
    vyre_runner *r = open_or_fail(&d);
    CHECK_EQ(vyre_runner_dispatch(r, groups, NULL, &err), VYRE_OK);
    CHECK_EQ(*(const uint32_t *)vyre_runner_map(r, 0, NULL), 20);
    vyre_runner_close(r);
    d.loop_limit = 32; /* the loop inside is cut in its last round */
    r = open_or_fail(&d);
    CHECK_EQ(vyre_runner_dispatch(r, groups, NULL, &err), VYRE_E_LAUNCH);
    vyre_runner_close(r);
    vyre_program_destroy(p);
}

/* A dispatch that nobody waited for any more is told of by the next call. */
static void late_and_cut(void)
{
    static const uint32_t groups[3] = { 1, 1, 1 };
    vyre_program *p = counting(false);
    vyre_runner_desc d = desc_of(p, VYRE_BACKEND_CPU);
    d.timeout_ns = 1;
    d.loop_limit = 500000;
    vyre_runner *r = open_or_fail(&d);
    *(uint32_t *)vyre_runner_map(r, 0, NULL) = 1000000;
    CHECK_EQ(vyre_runner_dispatch(r, groups, NULL, &err), VYRE_TIMEOUT);
    uint32_t *in = NULL;
    while (!in)
        in = (uint32_t *)vyre_runner_map(r, 0, NULL);
    *in = 3;
    CHECK_EQ(vyre_runner_dispatch(r, groups, NULL, &err), VYRE_E_LAUNCH);
    CHECK_EQ(*(const uint32_t *)vyre_runner_map(r, 1, NULL), 500000);
    CHECK_EQ(vyre_runner_dispatch(r, groups, NULL, &err), VYRE_OK);
    CHECK_EQ(*(const uint32_t *)vyre_runner_map(r, 1, NULL), 3);
    vyre_runner_close(r);
    vyre_program_destroy(p);
}

/* Where loops are limited a program has one binding less. */
static void no_binding_is_left(void)
{
    char name[8];
    vyre_program *p = begin(1, 1);
    const vyre_value zero = vyre_ir_u32(p, 0);
    for (uint32_t i = 0; i < VYRE_MAX_BINDINGS; i++) {
        snprintf(name, sizeof name, "b%u", (unsigned)i);
        buffer(p, name, i, 1);
    }
    vyre_ir_loop(p, zero, zero);
    vyre_ir_end(p);
    finish(p);
    vyre_runner_desc d = desc_of(p, VYRE_BACKEND_CPU);
    vyre_runner_close(open_or_fail(&d));
    d.loop_limit = 1;
    CHECK(!vyre_runner_open(&d, &err) && err.status == VYRE_E_VK_LIMIT);
    vyre_program_destroy(p);
}

/* --- mistakes ------------------------------------------------------------------------ */

static void mistakes(void)
{
    static const uint32_t none[3] = { 0, 1, 1 };
    static const size_t sizes[2] = { 4, 3 };
    vyre_program *p = grid(), *open = begin(1, 1);
    vyre_runner_desc d = desc_of(p, VYRE_BACKEND_CPU);
    CHECK(!vyre_runner_open(&d, &err));
    CHECK_EQ(err.status, VYRE_E_INTERP_BUFFERS); /* "out" has no count */
    CHECK(strstr(err.text, "\"out\"") && err.at == 1);
    d.sizes = sizes;
    d.buffer_count = 1;
    CHECK(!vyre_runner_open(&d, &err) && err.status == VYRE_E_INTERP_BUFFERS);
    d.buffer_count = 2;
    CHECK(!vyre_runner_open(&d, &err) && err.status == VYRE_E_INTERP_BUFFERS); /* 3 bytes */
    d.program = open;
    CHECK(!vyre_runner_open(&d, &err) && err.status == VYRE_E_ARGUMENT);
    CHECK(!vyre_runner_open(NULL, &err) && err.status == VYRE_E_ARGUMENT);
    finish(open);
    d.sizes = NULL;
    vyre_runner *r = open_or_fail(&d);
    CHECK_EQ(vyre_runner_dispatch(r, none, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_runner_dispatch(NULL, none, NULL, &err), VYRE_E_ARGUMENT);
    vyre_runner_close(r);
    vyre_runner_close(NULL);
    vyre_program_destroy(open);
    vyre_program_destroy(p);
}

static void limits_of_a_device(void)
{
    static const uint32_t many[3] = { 1, 1, UINT32_MAX };
    static const size_t sizes[2] = { 4, 4 };
    vyre_program *p = grid();
    vyre_runner_desc d = desc_of(p, VYRE_BACKEND_VULKAN);
    d.sizes = sizes;
    d.buffer_count = 2;
    vyre_runner *r = open_or_fail(&d);
    CHECK_EQ(vyre_runner_dispatch(r, many, NULL, &err), VYRE_E_VK_LIMIT);
    vyre_runner_close(r);
    mock.max_lanes = 7;
    CHECK(!vyre_runner_open(&d, &err));
    CHECK_EQ(err.status, VYRE_E_VK_LIMIT);
    mock.no_devices = true;
    CHECK(!vyre_runner_open(&d, &err));
    CHECK_EQ(err.status, VYRE_E_VK_DEVICE);
    d.backend = VYRE_BACKEND_AUTO;
    vyre_info info;
    r = open_or_fail(&d);
    vyre_runner_query(r, &info);
    CHECK_EQ(info.backend, VYRE_BACKEND_CPU);
    vyre_runner_close(r);
    CHECK_EQ(mock.live, 0);
    vyre_program_destroy(p);
}

static vyre_status life(const vyre_runner_desc *d)
{
    static const uint32_t groups[3] = { 1, 1, 1 };
    vyre_runner *r = vyre_runner_open(d, &err);
    if (!r)
        return err.status;
    const vyre_status status = vyre_runner_dispatch(r, groups, NULL, &err);
    vyre_runner_close(r);
    return status;
}

/* The first call of each function fails, in all the ways that it can. */
static void every_call_fails(void)
{
    static const size_t sizes[2] = { 4, 4 };
    oom_state oom;
    vyre_program *p = grid();
    vyre_runner_desc d = desc_of(p, VYRE_BACKEND_VULKAN);
    d.sizes = sizes;
    d.buffer_count = 2;
    vyre_runner_close(open_or_fail(&d));
    oom_begin(&oom);
    d.allocator = oom_allocator(&oom);
    unsigned reached = 0;
    for (int f = 0; f < MOCK_FUNCTIONS; f++) {
        mock_begin();
        mock_fail((mock_function)f, 1, VK_ERROR_OUT_OF_HOST_MEMORY);
        const vyre_status status = life(&d);
        if (mock.failed && status < 0)
            CHECK(strstr(err.text, mock_name((mock_function)f)) && err.native);
        CHECK(mock.failed || status == VYRE_OK);
        if (mock.live != 0 || !oom_is_clean(&oom))
            test_fail(__FILE__, __LINE__, "%s: %d objects are left", mock_name((mock_function)f),
                      (int)mock.live);
        reached += mock.failed;
    }
    CHECK(reached > 15);
    vyre_program_destroy(p);
}

static vyre_status cpu_life(const vyre_allocator *allocator, void *user)
{
    static const size_t sizes[2] = { 4, 4 };
    vyre_runner_desc d = desc_of((const vyre_program *)user, VYRE_BACKEND_CPU);
    d.sizes = sizes;
    d.buffer_count = 2;
    d.loop_limit = 5;
    d.allocator = *allocator;
    return life(&d);
}

static void out_of_memory(void)
{
    vyre_program *p = grid();
    CHECK(oom_each(cpu_life, p) > 3);
    vyre_program_destroy(p);
    p = counting(false);
    CHECK(oom_each(cpu_life, p) > 8);
    vyre_program_destroy(p);
}

/* --- random programs -------------------------------------------------------------------- */

static void interpret(const vyre_program *p, const gen_shape *shape, gen_memory *m)
{
    vyre_interp_desc desc;
    memset(&desc, 0, sizeof desc);
    memcpy(desc.groups, shape->groups, sizeof desc.groups);
    desc.buffers = m->buffers;
    desc.sizes = m->sizes;
    desc.buffer_count = m->count;
    CHECK_EQ(vyre_interpret(p, &desc, &err), VYRE_OK);
}

/* `limit`: of loops, which none of them reaches. */
static void random_program(uint64_t seed, unsigned flags, vyre_backend backend, uint32_t limit)
{
    gen_shape shape;
    uint32_t binding;
    size_t at, sizes[GEN_BUFFERS];
    vyre_program *p = gen_program(seed, flags, NULL, &shape);
    CHECK(p != NULL);
    gen_memory expected = gen_memory_make(&shape), found = gen_memory_make(&shape);
    interpret(p, &shape, &expected);
    vyre_runner_desc d = desc_of(p, backend);
    for (uint32_t i = 0; i < found.count; i++)
        sizes[i] = found.sizes[i];
    d.sizes = sizes;
    d.buffer_count = found.count;
    d.loop_limit = limit;
    bool empty = false;
    for (uint32_t i = 0; i < found.count; i++)
        empty = empty || sizes[i] < 4;
    if (!empty) {
        vyre_runner *r = open_or_fail(&d);
        CHECK_EQ(vyi_program_check(r->program, &err), VYRE_OK);
        for (uint32_t i = 0; i < found.count; i++)
            memcpy(vyre_runner_map(r, i, NULL), found.buffers[i], sizes[i]);
        if (vyre_runner_dispatch(r, shape.groups, NULL, &err) != VYRE_OK)
            test_fail(__FILE__, __LINE__, "seed 0x%llx: %s", (unsigned long long)seed, err.text);
        for (uint32_t i = 0; i < found.count; i++)
            memcpy(found.buffers[i], vyre_runner_map(r, i, NULL), sizes[i]);
        vyre_runner_close(r);
        if (gen_memory_differs(&expected, &found, &binding, &at))
            test_fail(__FILE__, __LINE__, "seed 0x%llx: byte %zu of binding %u differs",
                      (unsigned long long)seed, at, binding);
    }
    gen_memory_free(&expected);
    gen_memory_free(&found);
    vyre_program_destroy(p);
}

static void random_programs(vyre_backend backend)
{
    static const unsigned flags[] = { GEN_LOOPS | GEN_ATOMICS, GEN_3D | GEN_WORKGROUP,
                                      GEN_LOOPS | GEN_3D | GEN_ATOMICS | GEN_WORKGROUP };
    const char *text = getenv("TEST_COUNT");
    const uint64_t count = text ? strtoull(text, NULL, 0) : 12;
    uint64_t random = test_seed(0x51a7);
    for (uint64_t i = 0; i < count; i++)
        random_program(test_random(&random), flags[i % 3], backend, i & 1 ? 1u << 20 : 0);
}

static void random_programs_on_the_cpu(void)
{
    random_programs(VYRE_BACKEND_CPU);
}

static void random_programs_on_vulkan(void)
{
    random_programs(VYRE_BACKEND_VULKAN);
}

int main(void)
{
    RUN(grid_on_the_cpu);
    RUN(grid_on_vulkan);
    RUN(rounds_on_the_cpu);
    RUN(rounds_on_vulkan);
    RUN(late_on_the_cpu);
    RUN(late_on_vulkan);
    RUN(cut_on_the_cpu);
    RUN(cut_on_vulkan);
    RUN(rounds_may_be_cut);
    RUN(late_and_cut);
    RUN(no_binding_is_left);
    RUN(mistakes);
    RUN(limits_of_a_device);
    RUN(every_call_fails);
    RUN(out_of_memory);
    RUN(random_programs_on_the_cpu);
    RUN(random_programs_on_vulkan);
    return test_end();
}

/* Every Vulkan call of every step of a handle's life, failed in turn with a result
 * that it may give; the first of each function, or with TEST_ALL in the environment
 * all, with each.  Each time: a typed error with the call's name and
 * the driver's number, the handle can be closed, quickly, and nothing is left.
 *
 * What a step calls is counted first, in a life without faults, and compared
 * with what was failed: a call that was left out is a failure of the test.
 * Looks at the device are as many as time allows; the first two stand for all. */
#include "test.h"
#include "vyre.h"
#include "knobs.h"
#include "oom.h"

#include "mock_vulkan.c"

#include <time.h>

static vyre_error err;
static bool gates; /* ranges, by groups of the running kernel */

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void payload_add(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD, s->control, vyre_ir_u32(p, VYRE_CONTROL_OBSERVABLES),
                   s->arg[0], VYRE_ORDER_RELAXED);
}

static void cache_drop(void *user, const void *blob, size_t size)
{
    (void)user;
    (void)blob;
    (void)size;
}

/* --- a handle's life ----------------------------------------------------- */

typedef enum step {
    STEP_OPEN, STEP_OPEN_BUFFER, STEP_WRITE, STEP_READ, STEP_SET, STEP_OPEN_WIDE, STEP_RUN_WIDE,
    STEP_DISPATCH_WIDE, STEP_RUN, STEP_DISPATCH, STEP_START, STEP_WAIT, STEP_RECOVER, STEP_STOP, STEP_CLOSE, STEPS
} step;

static const char *const step_names[STEPS] = {
    "open", "open with a buffer", "write", "read", "another size", "open for wide works",
    "run wide works", "dispatch wide works", "run", "dispatch", "start",
    "wait", "recover", "stop", "close"
};

/* Of these a life has little else: a buffer that the host cannot map. */
static bool is_of_buffers(step s)
{
    return s >= STEP_OPEN_BUFFER && s <= STEP_SET;
}

/* And of these: a kernel whose works are ranges, each a launch of its own. */
static bool is_of_wide(step s)
{
    return s >= STEP_OPEN_WIDE && s <= STEP_DISPATCH_WIDE;
}

#define BUFFER_SIZE 0x100010u /* more than a copy takes at a time */

typedef struct life {
    oom_state memory;
    vyre_desc desc;
    vyre     *v;
} life;

static void life_init(life *l, bool fences)
{
    memset(l, 0, sizeof *l);
    memset(&err, 0, sizeof err);
    oom_begin(&l->memory);
    vyre_desc *d = &l->desc;
    d->backend = VYRE_BACKEND_VULKAN;
    d->mode = VYRE_MODE_PERSISTENT;
    d->kernel.kind = VYRE_KERNEL_JIT;
    d->kernel.payload = payload_add;
    d->kernel.slot_count = 8;
    d->kernel.workgroup_size = 8;
    d->allocator = oom_allocator(&l->memory);
    d->vulkan.cache_store = cache_drop;
    mock_begin();
    d->vulkan.loader = mock_loader();
    if (!d->vulkan.loader)
        test_skip("no Vulkan loader");
    mock.no_timeline = fences;
    d->kernel.payload_width = gates ? VYRE_WIDTH_RANGE : VYRE_WIDTH_LANE;
    if (gates) {
        d->kernel.group_size = 32;
        d->wide_groups = 2;
    }
    knob_wide_anywhere = gates;
}

static vyre_work work_of(uint32_t number)
{
    vyre_work w;
    memset(&w, 0, sizeof w);
    w.opcode = VYRE_OP_USER;
    w.arg_count = 1;
    w.args[0] = number;
    return w;
}

static vyre_work range_of(uint32_t from, uint32_t to)
{
    vyre_work w = work_of(from);
    w.arg_count = 2;
    w.args[1] = to;
    return w;
}

/* With ranges in the first slots, if there are any. */
static vyre_status step_dispatch(life *l, uint32_t ranges)
{
    static uint8_t control[164 * 4], ring[8 * 64], log[257 * 4];
    vyre_control_desc cd;
    vyre_io_buffers io;
    memset(&cd, 0, sizeof cd);
    memset(&io, 0, sizeof io);
    cd.tenants = 1;
    cd.observables = 4;
    vyre_control_encode(control, sizeof control, &cd, NULL);
    vyre_ring_encode(ring, sizeof ring, 8, NULL);
    vyre_log_encode(log, sizeof log, 64, NULL);
    for (uint32_t i = 0; i < ranges; i++) {
        const vyre_work w = range_of(1, 100);
        vyre_ring_publish(ring, sizeof ring, i, &w, NULL);
    }
    io.control = control;
    io.control_size = sizeof control;
    io.ring = ring;
    io.ring_size = sizeof ring;
    io.log = log;
    io.log_size = sizeof log;
    return vyre_dispatch(l->v, &io, NULL, &err);
}

/* One work, or works until the armed call has failed. */
static vyre_status step_wait(life *l, bool armed)
{
    const uint64_t end = now_ns() + (armed ? 200000000u : 0);
    const vyre_work w = gates ? range_of(1, 100) : work_of(1);
    vyre_status status;
    vyre_info info;
    vyre_query(l->v, &info);
    CHECK(!gates || info.wide_groups > 0);
    uint32_t after = 0; /* works after the failure: one of them has to notice a loss */
    do {
        vyre_ticket t;
        after += mock.failed;
        status = vyre_publish(l->v, &w, &t, &err);
        if (status == VYRE_OK)
            status = vyre_wait(l->v, t, 5000000000u, &err);
    } while (status >= 0 && now_ns() < end && after < 3);
    return status;
}

/* The device is lost, and the handle has noticed. */
static void life_lose(life *l)
{
    const vyre_work w = gates ? range_of(1, 100) : work_of(1);
    const uint64_t end = now_ns() + 5000000000u;
    vyre_info info;
    mock.lost = true;
    do {
        (void)vyre_publish(l->v, &w, NULL, NULL);
        (void)vyre_drain(l->v, 1000000u, NULL);
        vyre_query(l->v, &info);
    } while (!info.device_lost && now_ns() < end);
    CHECK(info.device_lost);
}

/* Steps that a life goes through on its way to, and behind, the one that matters. */
static bool step_is_due(step s, step at)
{
    if (s == STEP_CLOSE)
        return true;
    if (is_of_buffers(at))
        return is_of_buffers(s) && (s != STEP_READ || at == STEP_READ);
    if (is_of_wide(at))
        return is_of_wide(s);
    return !is_of_buffers(s) && !is_of_wide(s) && (s != STEP_RECOVER || at == STEP_RECOVER);
}

static vyre_status step_open_buffer(life *l)
{
    static const vyre_place place = VYRE_PLACE_DEVICE;
    static vyre_buffer_desc buffer;
    static size_t size;
    size = BUFFER_SIZE;
    buffer.binding = VYRE_BINDING_USER;
    buffer.access = VYRE_ACCESS_READ_WRITE;
    l->desc.kernel.buffers = &buffer;
    l->desc.kernel.buffer_count = 1;
    l->desc.buffer_sizes = &size;
    l->desc.buffer_places = &place;
    l->desc.mode = VYRE_MODE_PASSES;
    l->desc.no_probe = true;
    l->v = vyre_open(&l->desc, &err);
    return l->v ? VYRE_OK : err.status;
}

static vyre_status step_open_wide(life *l)
{
    l->desc.kernel.payload_width = VYRE_WIDTH_RANGE;
    l->desc.kernel.group_size = 32;
    l->desc.mode = VYRE_MODE_PASSES;
    l->desc.no_probe = true;
    l->v = vyre_open(&l->desc, &err);
    return l->v ? VYRE_OK : err.status;
}

/* Three at a time: all are in flight while one runs. */
static vyre_status step_run_wide(life *l)
{
    const vyre_work works[3] = { range_of(1, 300), range_of(2, 2), range_of(3, 40) };
    uint32_t before = 0, sum = 0;
    (void)vyre_observable(l->v, 0, &before, NULL);
    const vyre_status status = vyre_run(l->v, works, 3, NULL, &err);
    (void)vyre_observable(l->v, 0, &sum, NULL);
    if (status == VYRE_OK)
        CHECK_EQ(sum - before, 299 + 37 * 3);
    return status;
}

static vyre_status step_copy(life *l, step s)
{
    static uint8_t bytes[BUFFER_SIZE];
    bytes[0] = bytes[BUFFER_SIZE - 1] = 7;
    return s == STEP_WRITE ? vyre_write(l->v, 0, 0, bytes, sizeof bytes, &err)
                           : vyre_read(l->v, 0, 0, bytes, 16, &err);
}

static vyre_status step_do(life *l, step s)
{
    const vyre_work w = work_of(1);
    vyre *v;
    switch (s) {
    case STEP_OPEN:
        l->v = vyre_open(&l->desc, &err);
        return l->v ? VYRE_OK : err.status;
    case STEP_OPEN_BUFFER: return step_open_buffer(l);
    case STEP_WRITE:
    case STEP_READ:     return step_copy(l, s);
    case STEP_SET:      return vyre_buffer_set(l->v, 0, 4096, &err);
    case STEP_OPEN_WIDE: return step_open_wide(l);
    case STEP_RUN_WIDE: return step_run_wide(l);
    case STEP_DISPATCH_WIDE: return step_dispatch(l, 3);
    case STEP_RUN:      return vyre_run(l->v, &w, 1, NULL, &err);
    case STEP_DISPATCH: return step_dispatch(l, 0);
    case STEP_START:    return vyre_start(l->v, &err);
    case STEP_WAIT:     return step_wait(l, mock.fail_function >= 0);
    case STEP_RECOVER:  return vyre_recover(l->v, &err);
    case STEP_STOP:     return vyre_stop(l->v, 5000000000u, &err);
    default:
        v = l->v;
        l->v = NULL;
        vyre_close(v);
        return VYRE_OK;
    }
}

/* --- one fault ----------------------------------------------------------- */

/* Seconds that a life may take.  Of the processor: a driver's thread that runs when
 * nobody else wants to is waited for at each end, on a loaded machine for minutes. */
#define LONGEST 8

typedef struct fault {
    step          at;
    mock_function function;
    uint32_t      call; /* the how many-th of the step */
    VkResult      result;
    bool          fences;
} fault;

/* Calls that may fail without harm: names, what close does, a look at how far the
 * probe is, a look at or a wait for a pass whose works have all been seen to end (which
 * may be before the first one), a wide work's launch beside which another one's end is
 * seen, and, while the kernel works, a new lease, all of which are tried again. */
static bool is_harmless(const fault *f)
{
    const bool look = f->function == MOCK_vkGetSemaphoreCounterValue ||
                      f->function == MOCK_vkGetFenceStatus;
    const bool wait = f->function == MOCK_vkWaitSemaphores || f->function == MOCK_vkWaitForFences;
    return f->function == MOCK_vkSetDebugUtilsObjectNameEXT || f->at == STEP_CLOSE ||
           ((look || wait) && (f->at == STEP_RUN || f->at == STEP_RUN_WIDE)) ||
           (f->result != VK_ERROR_DEVICE_LOST &&
            ((look && (f->at == STEP_OPEN || f->at == STEP_RECOVER)) || f->at == STEP_WAIT ||
             f->at == STEP_RUN_WIDE));
}

#define FAIL_IF(condition, ...)                                                                    \
    do {                                                                                           \
        if (condition)                                                                             \
            test_fail(__FILE__, __LINE__, __VA_ARGS__);                                            \
    } while (0)

static vyre_status status_of(VkResult result)
{
    switch (result) {
    case VK_ERROR_OUT_OF_HOST_MEMORY:   return VYRE_E_VK_HOST_MEMORY;
    case VK_ERROR_OUT_OF_DEVICE_MEMORY: return VYRE_E_VK_DEVICE_MEMORY;
    case VK_ERROR_DEVICE_LOST:          return VYRE_E_DEVICE_LOST;
    default:                            return VYRE_E_VK_CALL;
    }
}

static void check_error(const fault *f, vyre_status status)
{
    const char *name = mock_name(f->function);
    FAIL_IF(status >= 0, "%s %s #%u gave %d: the step succeeded (%d)", step_names[f->at], name,
            f->call, (int)f->result, (int)status);
    FAIL_IF(!strstr(err.text, name) || err.native != (int32_t)f->result || !err.fix[0],
            "%s %s #%u gave %d: native %d, text \"%s\"", step_names[f->at], name, f->call,
            (int)f->result, (int)err.native, err.text);
    FAIL_IF(status != status_of(f->result), "%s %s gave %d: %s", step_names[f->at], name,
            (int)f->result, vyre_status_name(status));
}

static void check_clean(const fault *f, life *l, clock_t began)
{
    const char *name = mock_name(f->function);
    const double seconds = (double)(clock() - began) / CLOCKS_PER_SEC;
    FAIL_IF(mock.live != 0, "%s %s #%u gave %d: %d objects are left", step_names[f->at], name,
            f->call, (int)f->result, (int)mock.live);
    FAIL_IF(!oom_is_clean(&l->memory), "%s %s #%u gave %d: %llu blocks are left",
            step_names[f->at], name, f->call, (int)f->result,
            (unsigned long long)l->memory.live_blocks);
    FAIL_IF(seconds > LONGEST, "%s %s #%u gave %d: it took %.1f s", step_names[f->at], name, f->call,
            (int)f->result, seconds);
}

/* False when the step makes no such call. */
static bool fault_try(const fault *f)
{
    life l;
    life_init(&l, f->fences);
    const clock_t began = clock();
    bool reached = false;
    for (uint32_t s = STEP_OPEN; s < STEPS; s++) {
        if (!step_is_due((step)s, f->at))
            continue;
        if (s == STEP_RECOVER)
            life_lose(&l);
        if (s == (uint32_t)f->at)
            mock_fail(f->function, f->call, f->result);
        const vyre_status status = step_do(&l, (step)s);
        if (s == (uint32_t)f->at) {
            reached = mock.failed;
            if (reached && (status < 0 || !is_harmless(f)))
                check_error(f, status);
            mock.fail_function = -1;
            if (!reached || status < 0 || f->result == VK_ERROR_DEVICE_LOST)
                s = STEP_STOP; /* on with close */
        } else {
            FAIL_IF(status < 0, "%s: %s", step_names[s], err.text);
        }
        if (!l.v && s < STEP_CLOSE)
            break;
    }
    check_clean(f, &l, began);
    return reached;
}

/* A look at the device, or a wait: how many there are is a matter of time. */
static bool is_look(mock_function f)
{
    return f == MOCK_vkGetSemaphoreCounterValue || f == MOCK_vkWaitSemaphores ||
           f == MOCK_vkGetFenceStatus || f == MOCK_vkWaitForFences;
}

/* The first two launches are always made; on a slow machine a lease more may be. */
static bool is_late_launch(const fault *f)
{
    return (f->function == MOCK_vkResetFences || f->function == MOCK_vkQueueSubmit) && f->call > 2;
}

/* A function's first call gives each of its results in turn, the later ones one each;
 * with TEST_ALL, in the long runs, each gives all. */
static bool result_is_due(uint32_t call, uint32_t i, uint32_t count)
{
    return call == 1 || i == call % count || getenv("TEST_ALL");
}

/* The results of one function in one step, at each of `made` calls; of looks and
 * of what a step repeats as long as it lasts, two.  *failed is how many calls. */
static uint32_t function_sweep(fault f, uint32_t made, uint32_t *failed)
{
    VkResult results[MOCK_MAX_RESULTS];
    const uint32_t count = mock_results(f.function, results);
    const bool repeats = is_look(f.function) || f.at == STEP_WAIT;
    const uint32_t most = repeats && made > 2 ? 2 : made;
    uint32_t tried = 0;
    for (f.call = 1; f.call <= most; f.call++) {
        for (uint32_t i = 0; i < count; i++) {
            if (!result_is_due(f.call, i, count))
                continue;
            f.result = results[i];
            if (!fault_try(&f)) {
                if (!repeats && !is_late_launch(&f))
                    test_fail(__FILE__, __LINE__, "%s %s: call %u of %u was not made again",
                              step_names[f.at], mock_name(f.function), f.call, made);
                return tried;
            }
            tried++;
        }
        *failed = f.call;
    }
    return tried;
}

static uint32_t seen[MOCK_FUNCTIONS]; /* faults tried, over all steps */

/* The rest of open is the same with fences as without. */
static bool is_of_fences(mock_function f)
{
    return f == MOCK_vkCreateFence || f == MOCK_vkResetFences || f == MOCK_vkGetFenceStatus ||
           f == MOCK_vkWaitForFences;
}

/* The rest of open is the same with a buffer as without. */
static bool is_of_zeroing(mock_function f)
{
    return f == MOCK_vkAllocateCommandBuffers || f == MOCK_vkResetCommandPool ||
           f == MOCK_vkBeginCommandBuffer || f == MOCK_vkEndCommandBuffer ||
           f == MOCK_vkQueueSubmit || is_of_fences(f);
}

/* The rest of open is the same for wide works as without. */
static bool is_of_programs(mock_function f)
{
    return f == MOCK_vkCreateShaderModule || f == MOCK_vkCreateComputePipelines;
}

/* What the step calls in a life without faults. */
static void step_count(step at, bool fences, uint32_t count[MOCK_FUNCTIONS])
{
    life l;
    life_init(&l, fences);
    for (uint32_t s = STEP_OPEN; s <= (uint32_t)STEP_CLOSE; s++) {
        uint32_t before[MOCK_FUNCTIONS];
        if (!step_is_due((step)s, at))
            continue;
        if (s == STEP_RECOVER)
            life_lose(&l);
        memcpy(before, mock.count, sizeof before);
        const vyre_status status = step_do(&l, (step)s);
        if (!l.v && err.status == VYRE_E_VK_DEVICE)
            test_skip("no Vulkan device");
        FAIL_IF(status < 0, "%s: %s", step_names[s], err.text);
        if (s == (uint32_t)at)
            for (uint32_t i = 0; i < MOCK_FUNCTIONS; i++)
                count[i] = mock.count[i] - before[i];
    }
}

static void step_sweep(step at, bool fences)
{
    uint32_t count[MOCK_FUNCTIONS], total = 0, functions = 0, made = 0, reached = 0;
    memset(count, 0, sizeof count);
    step_count(at, fences, count);
    for (uint32_t i = 0; i < MOCK_FUNCTIONS; i++) {
        const bool opens = at == STEP_OPEN || at == STEP_RECOVER;
        if (count[i] == 0 || (fences && opens && !is_of_fences((mock_function)i)) ||
            (at == STEP_OPEN_BUFFER && !is_of_zeroing((mock_function)i)) ||
            (at == STEP_OPEN_WIDE && !is_of_programs((mock_function)i)))
            continue;
        fault f;
        uint32_t failed = 0;
        memset(&f, 0, sizeof f);
        f.at = at;
        f.function = (mock_function)i;
        f.fences = fences;
        const uint32_t tried = function_sweep(f, count[i], &failed);
        if (failed < count[i])
            printf("NOTE %s: %s was called %u times, %u were failed\n", step_names[at],
                   mock_name(f.function), count[i], failed);
        seen[i] += tried;
        total += tried;
        functions++;
        made += count[i];
        reached += failed;
    }
    printf("NOTE %s%s: %u functions, %u calls, %u of them failed, %u faults\n", step_names[at],
           fences ? " with fences" : gates ? " with gates" : "", functions, made, reached, total);
    CHECK(total > 0 || at >= STEP_STOP);
}

static void open_fails_cleanly(void) { step_sweep(STEP_OPEN, false); }
static void open_with_a_buffer_fails_cleanly(void) { step_sweep(STEP_OPEN_BUFFER, false); }
static void write_fails_cleanly(void) { step_sweep(STEP_WRITE, false); }
static void read_fails_cleanly(void) { step_sweep(STEP_READ, false); }
static void another_size_fails_cleanly(void) { step_sweep(STEP_SET, false); }
static void open_for_wide_works_fails_cleanly(void) { step_sweep(STEP_OPEN_WIDE, false); }
static void run_of_wide_works_fails_cleanly(void) { step_sweep(STEP_RUN_WIDE, false); }
static void dispatch_of_wide_works_fails_cleanly(void) { step_sweep(STEP_DISPATCH_WIDE, false); }
static void run_fails_cleanly(void) { step_sweep(STEP_RUN, false); }
static void dispatch_fails_cleanly(void) { step_sweep(STEP_DISPATCH, false); }
static void start_fails_cleanly(void) { step_sweep(STEP_START, false); }
static void wait_fails_cleanly(void) { step_sweep(STEP_WAIT, false); }
static void recover_fails_cleanly(void) { step_sweep(STEP_RECOVER, false); }
static void stop_fails_cleanly(void) { step_sweep(STEP_STOP, false); }
static void close_fails_cleanly(void) { step_sweep(STEP_CLOSE, false); }
static void open_with_fences_fails_cleanly(void) { step_sweep(STEP_OPEN, true); }
static void run_with_fences_fails_cleanly(void) { step_sweep(STEP_RUN, true); }
static void start_with_fences_fails_cleanly(void) { step_sweep(STEP_START, true); }
static void wait_with_fences_fails_cleanly(void) { step_sweep(STEP_WAIT, true); }
static void recover_with_fences_fails_cleanly(void) { step_sweep(STEP_RECOVER, true); }
static void stop_with_fences_fails_cleanly(void) { step_sweep(STEP_STOP, true); }

static void with_gates(step at)
{
    gates = true;
    step_sweep(at, false);
    gates = false;
}

static void start_with_gates_fails_cleanly(void) { with_gates(STEP_START); }
static void wait_with_gates_fails_cleanly(void) { with_gates(STEP_WAIT); }
static void stop_with_gates_fails_cleanly(void) { with_gates(STEP_STOP); }

/* A recovery that fails can be tried again, until it gets through. */
static void every_allocation_of_a_recovery_may_fail(void)
{
    life l;
    life_init(&l, false);
    if (step_do(&l, STEP_OPEN) < 0)
        test_skip("no Vulkan device");
    CHECK_EQ(step_do(&l, STEP_START), VYRE_OK);
    life_lose(&l);
    vyre_status status = VYRE_E_NOMEM;
    uint32_t failed = 0;
    for (l.memory.fail_at = 0; status == VYRE_E_NOMEM; failed += l.memory.failed) {
        oom_rearm(&l.memory);
        status = step_do(&l, STEP_RECOVER);
        CHECK_EQ(status, l.memory.failed ? VYRE_E_NOMEM : VYRE_OK);
    }
    l.memory.fail_at = 0;
    printf("NOTE recover: each of %u allocations failed in turn\n", failed);
    CHECK(failed > 10);
    CHECK_EQ(step_wait(&l, false), VYRE_OK);
    (void)step_do(&l, STEP_CLOSE);
    CHECK_EQ(mock.live, 0);
    CHECK(oom_is_clean(&l.memory));
}

static void no_function_was_left_out(void)
{
    for (uint32_t i = 0; i < MOCK_FUNCTIONS; i++)
        if (seen[i] == 0)
            test_fail(__FILE__, __LINE__, "%s was never failed", mock_name((mock_function)i));
}

int main(void)
{
    const uint64_t begin = now_ns();
    RUN(open_fails_cleanly);
    RUN(open_with_a_buffer_fails_cleanly);
    RUN(write_fails_cleanly);
    RUN(read_fails_cleanly);
    RUN(another_size_fails_cleanly);
    RUN(open_for_wide_works_fails_cleanly);
    RUN(run_of_wide_works_fails_cleanly);
    RUN(dispatch_of_wide_works_fails_cleanly);
    RUN(run_fails_cleanly);
    RUN(dispatch_fails_cleanly);
    RUN(start_fails_cleanly);
    RUN(wait_fails_cleanly);
    RUN(recover_fails_cleanly);
    RUN(stop_fails_cleanly);
    RUN(close_fails_cleanly);
    RUN(open_with_fences_fails_cleanly);
    RUN(run_with_fences_fails_cleanly);
    RUN(start_with_fences_fails_cleanly);
    RUN(wait_with_fences_fails_cleanly);
    RUN(recover_with_fences_fails_cleanly);
    RUN(stop_with_fences_fails_cleanly);
    RUN(start_with_gates_fails_cleanly);
    RUN(wait_with_gates_fails_cleanly);
    RUN(stop_with_gates_fails_cleanly);
    RUN(every_allocation_of_a_recovery_may_fail);
    RUN(no_function_was_left_out);
    printf("NOTE %.1f s\n", (double)(now_ns() - begin) * 1e-9);
    return test_end();
}

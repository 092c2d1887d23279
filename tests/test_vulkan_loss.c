/* Devices that are lost, devices that hang, processes that are killed. */
#include "test.h"
#include "vyre.h"

#include "mock_vulkan.c"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000ull

static vyre_error err;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static void payload_add(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD, s->control, vyre_ir_u32(p, VYRE_CONTROL_OBSERVABLES),
                   s->arg[0], VYRE_ORDER_RELAXED);
}

static vyre_desc loss_desc(void)
{
    vyre_desc d;
    memset(&d, 0, sizeof d);
    memset(&err, 0, sizeof err);
    d.backend = VYRE_BACKEND_VULKAN;
    d.kernel.kind = VYRE_KERNEL_JIT;
    d.kernel.payload = payload_add;
    d.kernel.slot_count = 8;
    d.kernel.workgroup_size = 8;
    mock_begin();
    d.vulkan.loader = mock_loader();
    if (!d.vulkan.loader)
        test_skip("no Vulkan loader");
    return d;
}

static vyre *loss_open(const vyre_desc *d)
{
    vyre *v = vyre_open(d, &err);
    if (!v && err.status == VYRE_E_VK_DEVICE)
        test_skip("no Vulkan device");
    if (!v)
        test_fail(__FILE__, __LINE__, "vyre_open: %s", err.text);
    return v;
}

static vyre_status work_once(vyre *v)
{
    vyre_work w;
    memset(&w, 0, sizeof w);
    w.opcode = VYRE_OP_USER;
    w.arg_count = 1;
    w.args[0] = 1;
    vyre_ticket t;
    const vyre_status status = vyre_publish(v, &w, &t, &err);
    return status == VYRE_OK ? vyre_wait(v, t, 10 * SECOND, &err) : status;
}

/* The work that is under way when the device goes notices it, or ends first. */
static void work_until_lost(vyre *v)
{
    mock.lost = true;
    vyre_status status = VYRE_OK;
    const uint64_t end = now_ns() + 10 * SECOND;
    while (status == VYRE_OK && now_ns() < end)
        status = work_once(v);
    CHECK(status == VYRE_E_DEVICE_LOST || status == VYRE_E_LOST);
}

static uint32_t sum_of(vyre *v)
{
    uint32_t sum = 0;
    CHECK_EQ(vyre_observable(v, 0, &sum, &err), VYRE_OK);
    return sum;
}

/* --- loss ---------------------------------------------------------------- */

static void a_lost_device_is_told(void)
{
    vyre_desc d = loss_desc();
    vyre *v = loss_open(&d);
    CHECK_EQ(vyre_start(v, &err), VYRE_OK);
    CHECK_EQ(work_once(v), VYRE_OK);
    work_until_lost(v);
    vyre_info info;
    vyre_query(v, &info);
    CHECK(info.device_lost);
    const uint64_t begin = now_ns();
    vyre_stop(v, SECOND, &err);
    vyre_close(v);
    CHECK(now_ns() - begin < 5 * SECOND);
    CHECK_EQ(mock.live, 0);
}

static void a_lost_device_is_replaced(void)
{
    vyre_desc d = loss_desc();
    d.lost_work = VYRE_LOST_RERUN;
    vyre *v = loss_open(&d);
    vyre_info before, after;
    vyre_query(v, &before);
    CHECK_EQ(vyre_start(v, &err), VYRE_OK);
    CHECK_EQ(work_once(v), VYRE_OK);
    work_until_lost(v);
    CHECK_EQ(vyre_recover(v, &err), VYRE_OK);
    vyre_query(v, &after);
    CHECK(!after.device_lost && after.running);
    CHECK_EQ(after.recoveries, before.recoveries + 1);
    CHECK_EQ(vyre_drain(v, 10 * SECOND, &err), VYRE_OK);
    const uint32_t sum = sum_of(v);
    for (uint32_t i = 0; i < 20; i++)
        CHECK_EQ(work_once(v), VYRE_OK);
    CHECK_EQ(sum_of(v), sum + 20);
    CHECK_EQ(vyre_stop(v, 10 * SECOND, &err), VYRE_OK);
    vyre_close(v);
    CHECK_EQ(mock.live, 0);
}

/* Each call of a recovery fails in turn; the next try works. */
static void a_recovery_that_fails_can_be_tried_again(void)
{
    static const mock_function functions[] = {
        MOCK_vkCreateInstance, MOCK_vkCreateDevice, MOCK_vkCreateBuffer, MOCK_vkAllocateMemory,
        MOCK_vkCreateComputePipelines, MOCK_vkCreateCommandPool, MOCK_vkQueueSubmit,
        MOCK_vkCreateSemaphore
    };
    for (uint32_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        vyre_desc d = loss_desc();
        vyre *v = loss_open(&d);
        CHECK_EQ(vyre_start(v, &err), VYRE_OK);
        work_until_lost(v);
        mock_fail(functions[i], 1, VK_ERROR_OUT_OF_HOST_MEMORY);
        CHECK_EQ(vyre_recover(v, &err), VYRE_E_VK_HOST_MEMORY);
        CHECK(strstr(err.text, mock_name(functions[i])));
        mock.fail_function = -1;
        CHECK_EQ(vyre_recover(v, &err), VYRE_OK);
        CHECK_EQ(work_once(v), VYRE_OK);
        vyre_close(v);
        CHECK_EQ(mock.live, 0);
    }
}

static void the_first_loss_is_mended_without_being_asked(void)
{
    vyre_desc d = loss_desc();
    d.lost_work = VYRE_LOST_RERUN;
    d.auto_recover = true;
    vyre *v = loss_open(&d);
    CHECK_EQ(vyre_start(v, &err), VYRE_OK);
    CHECK_EQ(work_once(v), VYRE_OK);
    mock.lost = true;
    const uint64_t end = now_ns() + 10 * SECOND;
    vyre_info info;
    do {
        CHECK_EQ(work_once(v), VYRE_OK);
        vyre_query(v, &info);
    } while (info.recoveries == 0 && now_ns() < end);
    CHECK_EQ(info.recoveries, 1);
    CHECK_EQ(work_once(v), VYRE_OK);
    vyre_close(v);
    CHECK_EQ(mock.live, 0);
}

static void it_is_lost_with_fences_as_well(void)
{
    vyre_desc d = loss_desc();
    mock.no_timeline = true;
    vyre *v = loss_open(&d);
    CHECK_EQ(vyre_start(v, &err), VYRE_OK);
    work_until_lost(v);
    CHECK_EQ(vyre_recover(v, &err), VYRE_OK);
    CHECK_EQ(work_once(v), VYRE_OK);
    vyre_close(v);
    CHECK_EQ(mock.live, 0);
}

/* --- graphs -------------------------------------------------------------- */

enum { NODES = 40 };

static vyre_graph *chain_of(vyre *v)
{
    static uint32_t before[NODES];
    static vyre_node nodes[NODES];
    for (uint32_t i = 0; i < NODES; i++) {
        before[i] = i - 1;
        nodes[i].work.opcode = VYRE_OP_USER;
        nodes[i].work.arg_count = 1;
        nodes[i].work.args[0] = 1;
        nodes[i].after = &before[i];
        nodes[i].after_count = i > 0;
    }
    vyre_graph *g = vyre_graph_make(v, nodes, NODES, &err);
    CHECK(g != NULL);
    return g;
}

/* The device is lost at a submit; true: before the graph had ended. */
static bool graph_until_lost(vyre_graph *g, uint32_t submit, bool rerun)
{
    mock_fail(MOCK_vkQueueSubmit, submit, VK_ERROR_DEVICE_LOST);
    vyre_status status = vyre_graph_publish(g, NULL, &err);
    if (status == VYRE_OK)
        status = vyre_graph_wait(g, 10 * SECOND, NULL, &err);
    CHECK_EQ(status, rerun || !mock.failed ? VYRE_OK : VYRE_E_LOST);
    mock.fail_function = -1;
    return mock.failed;
}

/* All of a graph has run on one device, or nothing of it on the next. */
static void a_graph_ends_with_its_device(void)
{
    for (uint32_t way = 0; way < 8; way++) {
        const bool rerun = way % 2;
        vyre_desc d = loss_desc();
        d.mode = VYRE_MODE_PASSES;
        d.events = 1;
        d.auto_recover = true;
        d.lost_work = rerun ? VYRE_LOST_RERUN : VYRE_LOST_REPORT;
        vyre *v = loss_open(&d);
        vyre_graph *g = chain_of(v);
        CHECK_EQ(vyre_start(v, &err), VYRE_OK);
        const bool lost = graph_until_lost(g, 1 + way / 2, rerun);
        CHECK(lost || way > 5);
        (void)vyre_drain(v, 10 * SECOND, &err);
        CHECK_EQ(sum_of(v), rerun || !lost ? NODES : 0);
        CHECK_EQ(vyre_graph_publish(g, NULL, &err), VYRE_OK);
        CHECK_EQ(vyre_graph_wait(g, 10 * SECOND, NULL, &err), VYRE_OK);
        CHECK_EQ(sum_of(v), rerun || !lost ? 2 * NODES : NODES);
        vyre_graph_free(g);
        vyre_close(v);
        CHECK_EQ(mock.live, 0);
    }
}

/* --- hanging ------------------------------------------------------------- */

/* The library leaks what a hanging device may still use: here, on purpose. */
#define HOARD 65536u
static void *hoard[HOARD];
static uint32_t hoarded;

static void *hoard_resize(void *user, void *ptr, size_t old_size, size_t new_size)
{
    (void)user;
    (void)old_size;
    void *at = new_size ? malloc(new_size) : NULL;
    if (!new_size || !at)
        return NULL;
    if (ptr)
        memcpy(at, ptr, old_size < new_size ? old_size : new_size);
    if (hoarded < HOARD)
        hoard[hoarded++] = at;
    return at;
}

static void hoard_free(void)
{
    for (uint32_t i = 0; i < hoarded; i++)
        free(hoard[i]);
    hoarded = 0;
}

static void a_hanging_device_holds_nobody_up(void)
{
    vyre_desc d = loss_desc();
    d.allocator.resize = hoard_resize;
    vyre *v = loss_open(&d);
    CHECK_EQ(vyre_start(v, &err), VYRE_OK);
    CHECK_EQ(work_once(v), VYRE_OK);
    mock.hang = true;
    uint64_t begin = now_ns();
    CHECK_EQ(vyre_stop(v, SECOND / 20, &err), VYRE_TIMEOUT);
    CHECK(now_ns() - begin < SECOND);
    begin = now_ns();
    vyre_close(v);
    CHECK(now_ns() - begin < 6 * SECOND);
    CHECK(mock.live > 0); /* leaked rather than waited for */
    mock.hang = false;
    usleep(50000); /* the real driver comes to rest */
    hoard_free();
}

static void a_copy_that_hangs_holds_nobody_up(void)
{
    static const vyre_place place = VYRE_PLACE_DEVICE;
    static vyre_buffer_desc buffer;
    vyre_desc d = loss_desc();
    uint8_t byte = 3;
    buffer.binding = VYRE_BINDING_USER;
    buffer.access = VYRE_ACCESS_READ_WRITE;
    buffer.count = 4;
    d.kernel.buffers = &buffer;
    d.kernel.buffer_count = 1;
    d.buffer_places = &place;
    d.allocator.resize = hoard_resize;
    vyre *v = loss_open(&d);
    mock.hang = mock.hasty = true;
    CHECK_EQ(vyre_read(v, 0, 0, &byte, 1, &err), VYRE_TIMEOUT);
    CHECK_EQ(byte, 3);
    const uint64_t begin = now_ns();
    vyre_close(v);
    CHECK(now_ns() - begin < 10 * SECOND);
    CHECK(mock.live > 0); /* what it still uses is leaked */
    mock.hang = mock.hasty = false;
    usleep(50000); /* the real driver comes to rest */
    hoard_free();
}

static void a_probe_that_hangs_gives_up(void)
{
    vyre_desc d = loss_desc();
    d.allocator.resize = hoard_resize;
    mock.hang = true;
    const uint64_t begin = now_ns();
    CHECK(!vyre_open(&d, &err));
    if (err.status == VYRE_E_VK_DEVICE)
        test_skip("no Vulkan device");
    CHECK_EQ(err.status, VYRE_E_VK_TIMEOUT);
    CHECK(now_ns() - begin < 6 * SECOND);
    mock.hang = false;
    usleep(50000);
    hoard_free();
}

/* --- killing ------------------------------------------------------------- */

/* Serves until it is killed; says "1" when it has begun. */
static int child_main(int pipe_end)
{
    vyre_desc d = loss_desc();
    d.vulkan.loader = NULL;
    d.helper_thread = true;
    vyre *v = vyre_open(&d, &err);
    if (!v)
        return err.status == VYRE_E_VK_DEVICE || err.status == VYRE_E_VK_LOADER ? 2 : 1;
    if (vyre_start(v, &err) < 0 || work_once(v) < 0)
        return 1;
    if (write(pipe_end, "1", 1) != 1)
        return 1;
    const uint64_t end = now_ns() + 20 * SECOND;
    while (now_ns() < end)
        if (work_once(v) < 0)
            return 1;
    return 1;
}

static void kill_one(uint64_t *seed)
{
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        char number[16];
        close(ends[0]);
        snprintf(number, sizeof number, "%d", ends[1]);
        execl("/proc/self/exe", "test_vulkan_loss", "child", number, (char *)NULL);
        _exit(1);
    }
    close(ends[1]);
    char byte = 0;
    const ssize_t got = read(ends[0], &byte, 1);
    close(ends[0]);
    if (got == 1)
        usleep((unsigned)(test_random(seed) % 20000));
    kill(child, SIGKILL);
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    if (got != 1 && WIFEXITED(status) && WEXITSTATUS(status) == 2)
        test_skip("no Vulkan device");
    CHECK_EQ(got, 1); /* the process after the one that was killed works */
    CHECK(WIFSIGNALED(status));
}

static void a_killed_process_leaves_a_device_that_works(void)
{
    uint64_t seed = test_seed(20);
    for (uint32_t i = 0; i < 20; i++)
        kill_one(&seed);
    vyre_desc d = loss_desc();
    vyre *v = loss_open(&d);
    CHECK_EQ(vyre_start(v, &err), VYRE_OK);
    CHECK_EQ(work_once(v), VYRE_OK);
    vyre_close(v);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "child") == 0)
        return child_main(atoi(argv[2]));
    const uint64_t begin = now_ns();
    RUN(a_lost_device_is_told);
    RUN(a_lost_device_is_replaced);
    RUN(a_recovery_that_fails_can_be_tried_again);
    RUN(the_first_loss_is_mended_without_being_asked);
    RUN(it_is_lost_with_fences_as_well);
    RUN(a_graph_ends_with_its_device);
    RUN(a_hanging_device_holds_nobody_up);
    RUN(a_copy_that_hangs_holds_nobody_up);
    RUN(a_probe_that_hangs_gives_up);
    RUN(a_killed_process_leaves_a_device_that_works);
    printf("NOTE %.1f s\n", (double)(now_ns() - begin) * 1e-9);
    return test_end();
}

/* roundtrip: one job there and back, by every path, in one run
 *
 *     bench/roundtrip [--csv] [--quick] [--seconds N] [--slots N]
 *
 * The job is an ATOMIC_ADD.  The paths: an ordinary dispatch that is waited
 * for in three ways, a bare echo kernel (the floor of any persistent path), a
 * ring with a pthread worker that spins (what a program without a GPU would
 * do), and vyre.h one-shot and persistent.  --seconds is for each path.
 */
#define _GNU_SOURCE
#define VK_NO_PROTOTYPES
#define VOLK_IMPLEMENTATION
#include "raw_vulkan.h"

#define VYRE_EXTERNAL_VOLK
#define VYRE_IMPLEMENTATION
#include "../vyre.h"

#include "bench.h"
#include "twins/echo.spv.h"
#include "twins/job.spv.h"

#include <pthread.h>

static double   seconds_each = 1.0;
static uint32_t ring_slots = 64; /* of vyre.h; at least as many as are in flight */

#define MAX_FLIGHT 64u
#define MAX_SAMPLES 2000000u

/* How a path knows that it has measured enough: after its time, but not before
 * the first jobs, which warm up, are far behind. */
typedef struct budget {
    uint64_t end;
    size_t   spent, most;
} budget;

static budget budget_new(size_t most)
{
    budget b = { bench_now() + (uint64_t)(seconds_each * 1e9), 0, most };
    return b;
}

static bool budget_spend(budget *b)
{
    return b->spent++ < b->most && (b->spent < 200 || bench_now() < b->end);
}

/* --- an ordinary dispatch ------------------------------------------------- */

typedef enum wait_kind { WAIT_FENCE, WAIT_SPIN, WAIT_TIMELINE } wait_kind;

static VkSemaphore timeline_new(const raw_device *d)
{
    VkSemaphore semaphore;
    VkSemaphoreTypeCreateInfo type = { VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO, 0,
                                       VK_SEMAPHORE_TYPE_TIMELINE, 0 };
    VkSemaphoreCreateInfo info = { VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, &type, 0 };
    RAW_CHECK(vkCreateSemaphore(d->device, &info, NULL, &semaphore));
    return semaphore;
}

static void submit_timeline(const raw_device *d, VkCommandBuffer cmd, VkSemaphore semaphore,
                            uint64_t value)
{
    VkTimelineSemaphoreSubmitInfo values = { VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO, 0,
                                             0, NULL, 1, &value };
    VkSubmitInfo submit = { VK_STRUCTURE_TYPE_SUBMIT_INFO, &values, 0, 0, 0, 1, &cmd, 1,
                            &semaphore };
    RAW_CHECK(vkQueueSubmit(d->queue, 1, &submit, VK_NULL_HANDLE));
    VkSemaphoreWaitInfo wait = { VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO, 0, 0, 1, &semaphore, &value };
    RAW_CHECK(vkWaitSemaphores(d->device, &wait, UINT64_MAX));
}

typedef struct dispatcher {
    const raw_device *device;
    raw_buffer        buffers[2];
    raw_kernel        kernel;
    VkCommandBuffer   cmd;
    VkSemaphore       semaphore;
    VkFence           fences[MAX_FLIGHT];
} dispatcher;

static dispatcher dispatcher_new(const raw_device *d)
{
    dispatcher r;
    r.device = d;
    r.buffers[0] = raw_buffer_new(d, 256, false);
    r.buffers[1] = raw_buffer_new(d, 256, true);
    r.kernel = raw_kernel_new(d, job_spv, sizeof job_spv, 1, r.buffers, 2);
    r.cmd = raw_record(d, &r.kernel, 1, 1);
    r.semaphore = timeline_new(d);
    for (uint32_t i = 0; i < MAX_FLIGHT; i++)
        r.fences[i] = raw_fence(d);
    return r;
}

static void dispatcher_free(dispatcher *r, uint64_t jobs, const char *path)
{
    const raw_device *d = r->device;
    if (*(volatile uint32_t *)r->buffers[0].map != (uint32_t)jobs) {
        fprintf(stderr, "%s: wrong sum\n", path);
        exit(1);
    }
    for (uint32_t i = 0; i < MAX_FLIGHT; i++)
        vkDestroyFence(d->device, r->fences[i], NULL);
    vkDestroySemaphore(d->device, r->semaphore, NULL);
    raw_kernel_free(d, &r->kernel);
    raw_buffer_free(d, &r->buffers[0]);
    raw_buffer_free(d, &r->buffers[1]);
}

static void dispatch_and_wait(const dispatcher *r, wait_kind kind, uint64_t job)
{
    const VkDevice device = r->device->device;
    if (kind == WAIT_TIMELINE) {
        submit_timeline(r->device, r->cmd, r->semaphore, job + 1);
        return;
    }
    raw_submit(r->device, r->cmd, r->fences[0]);
    if (kind == WAIT_FENCE)
        RAW_CHECK(vkWaitForFences(device, 1, &r->fences[0], VK_TRUE, UINT64_MAX));
    else
        while (vkGetFenceStatus(device, r->fences[0]) == VK_NOT_READY) {}
}

static bench_row measure_dispatch(const raw_device *d, wait_kind kind, const char *path)
{
    dispatcher r = dispatcher_new(d);
    bench_row row = bench_row_new(path, MAX_SAMPLES);
    uint64_t jobs = 0;
    budget b = budget_new(MAX_SAMPLES);
    while (budget_spend(&b)) {
        const uint64_t begin = bench_now();
        dispatch_and_wait(&r, kind, jobs);
        const uint64_t end = bench_now();
        vkResetFences(d->device, 1, &r.fences[0]);
        if (jobs++ >= 10) /* the first ones compile */
            bench_add(&row, (double)(end - begin));
    }
    dispatcher_free(&r, jobs, path);
    return row;
}

/* `flight` dispatches are kept in the queue, a fence for each. */
static bench_row measure_dispatches(const raw_device *d, uint32_t flight)
{
    char path[112];
    snprintf(path, sizeof path, "submit + wait for fence, %u in flight", flight);
    dispatcher r = dispatcher_new(d);
    bench_row row = bench_row_new(path, MAX_SAMPLES);
    uint64_t begun[MAX_FLIGHT], jobs = 0, waited = 0;
    const uint64_t first = bench_now();
    budget b = budget_new(MAX_SAMPLES);
    for (bool more = true; more || waited < jobs; waited++) {
        more = more && budget_spend(&b);
        for (; more && jobs - waited < flight; jobs++) {
            begun[jobs % flight] = bench_now();
            raw_submit(d, r.cmd, r.fences[jobs % flight]);
        }
        if (waited == jobs)
            break;
        VkFence *oldest = &r.fences[waited % flight];
        RAW_CHECK(vkWaitForFences(d->device, 1, oldest, VK_TRUE, UINT64_MAX));
        if (waited > 100)
            bench_add(&row, (double)(bench_now() - begun[waited % flight]));
        vkResetFences(d->device, 1, oldest);
    }
    row.rate = (double)jobs * 1e9 / (double)(bench_now() - first);
    dispatcher_free(&r, jobs, path);
    return row;
}

/* --- the floor ------------------------------------------------------------ */

/* Two leases are kept in the queue, one behind the other; a question that falls
 * between two of them is answered by the next. */
enum { ECHO_LEASES = 2 };

typedef struct echo {
    const raw_device *device;
    raw_buffer        buffers[2]; /* question, answer */
    raw_kernel        kernel;
    VkCommandBuffer   cmd;
    VkFence           fences[ECHO_LEASES];
    unsigned          oldest;
    uint32_t          patience; /* looks at the answer before one at the fence; a power of two */
} echo;

/* A lease must see what the one before it has answered. */
static VkCommandBuffer echo_record(const raw_device *d, const raw_kernel *k, uint32_t rounds)
{
    VkCommandBuffer cmd = raw_begin(d);
    const VkMemoryBarrier after = { VK_STRUCTURE_TYPE_MEMORY_BARRIER, 0,
                                    VK_ACCESS_SHADER_WRITE_BIT,
                                    VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT };
    vkCmdPipelineBarrier(cmd, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                         VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1, &after, 0, NULL, 0, NULL);
    raw_dispatch(cmd, k, 1, rounds);
    RAW_CHECK(vkEndCommandBuffer(cmd));
    return cmd;
}

/* The fence is a call of the driver's, of a microsecond or more: while an answer
 * is on its way the host looks at nothing but the answer, as our host does. */
static echo echo_new(const raw_device *d, bool mirrored)
{
    const bool cpu = d->properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
    echo e;
    memset(&e, 0, sizeof e);
    e.device = d;
    e.patience = mirrored || cpu ? 4096 : 32; /* the latter cross the bus */
    e.buffers[0] = raw_buffer_new(d, 256, false);
    e.buffers[1] = raw_buffer_new(d, 256, mirrored);
    e.kernel = raw_kernel_new(d, echo_spv, sizeof echo_spv, 1, e.buffers, 2);
    e.cmd = echo_record(d, &e.kernel, cpu ? 60000 : 20000);
    for (unsigned i = 0; i < ECHO_LEASES; i++) {
        e.fences[i] = raw_fence(d);
        raw_submit(d, e.cmd, e.fences[i]);
    }
    return e;
}

static void echo_renew(echo *e)
{
    VkFence *fence = &e->fences[e->oldest];
    if (vkGetFenceStatus(e->device->device, *fence) != VK_SUCCESS)
        return;
    vkResetFences(e->device->device, 1, fence);
    raw_submit(e->device, e->cmd, *fence);
    e->oldest = (e->oldest + 1) % ECHO_LEASES;
}

static void echo_ask(echo *e, uint32_t number)
{
    volatile uint32_t *question = (volatile uint32_t *)e->buffers[0].map;
    volatile uint32_t *answer = (volatile uint32_t *)e->buffers[1].map;
    __atomic_store_n(question, number, __ATOMIC_RELEASE);
    bench_fence_stores();
    for (uint32_t spins = 1; __atomic_load_n(answer, __ATOMIC_ACQUIRE) != number; spins++)
        if ((spins & (e->patience - 1)) == 0)
            echo_renew(e);
}

static void echo_free(echo *e)
{
    volatile uint32_t *question = (volatile uint32_t *)e->buffers[0].map;
    __atomic_store_n(question, 0xffffffffu, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < ECHO_LEASES; i++) {
        RAW_CHECK(vkWaitForFences(e->device->device, 1, &e->fences[i], VK_TRUE, 5000000000ull));
        vkDestroyFence(e->device->device, e->fences[i], NULL);
    }
    raw_kernel_free(e->device, &e->kernel);
    raw_buffer_free(e->device, &e->buffers[0]);
    raw_buffer_free(e->device, &e->buffers[1]);
}

static bench_row measure_echo(const raw_device *d, bool mirrored, const char *path)
{
    echo e = echo_new(d, mirrored);
    bench_row row = bench_row_new(path, MAX_SAMPLES);
    budget b = budget_new(MAX_SAMPLES);
    for (uint32_t n = 1; budget_spend(&b); n++) {
        const uint64_t begin = bench_now();
        echo_ask(&e, n);
        const uint64_t end = bench_now();
        if (n > 100)
            bench_add(&row, (double)(end - begin));
        if (n % 64 == 0)
            echo_renew(&e);
    }
    echo_free(&e);
    return row;
}

/* --- a worker thread ------------------------------------------------------ */

/* What a program without a GPU would do: slots of a cache line each, served in
 * order by a thread that spins. */
typedef struct worker_slot {
    uint32_t status, amount, padding[14];
} worker_slot;

enum { WORKER_FREE = 0, WORKER_PUBLISHED = 1, WORKER_STOP = 2 };

static struct {
    worker_slot slots[MAX_FLIGHT];
    uint32_t    sum;
} worker;

static void *worker_main(void *unused)
{
    (void)unused;
    for (uint32_t next = 0;; next = (next + 1) % MAX_FLIGHT) {
        worker_slot *slot = &worker.slots[next];
        uint32_t status;
        while ((status = __atomic_load_n(&slot->status, __ATOMIC_ACQUIRE)) == WORKER_FREE) {}
        if (status == WORKER_STOP)
            return NULL;
        __atomic_fetch_add(&worker.sum, slot->amount, __ATOMIC_RELAXED);
        __atomic_store_n(&slot->status, WORKER_FREE, __ATOMIC_RELEASE);
    }
}

static void worker_stop(pthread_t thread, uint64_t jobs, const char *path)
{
    worker_slot *slot = &worker.slots[jobs % MAX_FLIGHT];
    __atomic_store_n(&slot->status, WORKER_STOP, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    if (worker.sum != (uint32_t)jobs) {
        fprintf(stderr, "%s: wrong sum\n", path);
        exit(1);
    }
}

static bench_row measure_worker(uint32_t flight)
{
    char path[112];
    snprintf(path, sizeof path, "pthread ring, spinning worker, %u in flight", flight);
    memset(&worker, 0, sizeof worker);
    pthread_t thread;
    pthread_create(&thread, NULL, worker_main, NULL);
    bench_row row = bench_row_new(path, MAX_SAMPLES);
    uint64_t begun[MAX_FLIGHT], jobs = 0, waited = 0;
    const uint64_t first = bench_now();
    budget b = budget_new((size_t)1 << 40);
    for (bool more = true; more || waited < jobs; waited++) {
        more = more && budget_spend(&b);
        for (; more && jobs - waited < flight; jobs++) {
            worker_slot *slot = &worker.slots[jobs % MAX_FLIGHT];
            begun[jobs % flight] = bench_now();
            slot->amount = 1;
            __atomic_store_n(&slot->status, WORKER_PUBLISHED, __ATOMIC_RELEASE);
        }
        if (waited == jobs)
            break;
        worker_slot *slot = &worker.slots[waited % MAX_FLIGHT];
        while (__atomic_load_n(&slot->status, __ATOMIC_ACQUIRE) != WORKER_FREE) {}
        if (waited > 100)
            bench_add(&row, (double)(bench_now() - begun[waited % flight]));
    }
    row.rate = (double)jobs * 1e9 / (double)(bench_now() - first);
    worker_stop(thread, jobs, path);
    return row;
}

/* --- vyre.h --------------------------------------------------------------- */

static void vyre_check(vyre_status status, const vyre_error *err, const char *path)
{
    if (status >= 0)
        return;
    fprintf(stderr, "%s: %s\n%s\n", path, err->text, err->fix);
    exit(1);
}

/* Devices hold their own reference to Vulkan, so that this one is opened as
 * any program would. */
static vyre *vyre_for(vyre_backend backend, const char *path)
{
    vyre_error err;
    vyre_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.backend = backend;
    desc.kernel.slot_count = ring_slots;
    vyre *v = vyre_open(&desc, &err);
    vyre_check(v ? VYRE_OK : err.status, &err, path);
    return v;
}

static const vyre_work add_one = { VYRE_OP_ATOMIC_ADD, 0, VYRE_PRIORITY_NORMAL, 2,
                                   { 1, VYRE_CONTROL_OBSERVABLES } };

static void vyre_finish(vyre *v, uint64_t jobs, const char *path)
{
    uint32_t sum = 0;
    vyre_error err;
    vyre_check(vyre_observable(v, 0, &sum, &err), &err, path);
    if (sum != (uint32_t)jobs) {
        fprintf(stderr, "%s: the sum is %u after %u jobs\n", path, sum, (uint32_t)jobs);
        exit(1);
    }
    vyre_close(v);
}

static bench_row measure_one_shot(vyre_backend backend, const char *path)
{
    vyre *v = vyre_for(backend, path);
    vyre_error err;
    bench_row row = bench_row_new(path, MAX_SAMPLES);
    uint64_t jobs = 0;
    budget b = budget_new(MAX_SAMPLES);
    while (budget_spend(&b)) {
        uint64_t begin = bench_now();
        vyre_check(vyre_run(v, &add_one, 1, NULL, &err), &err, path);
        if (jobs++ >= 10)
            bench_add(&row, (double)(bench_now() - begin));
    }
    vyre_finish(v, jobs, path);
    return row;
}

/* `flight` jobs are kept in the ring; a sample is the time from a job's
 * publish to the moment that its wait returns. */
static bench_row measure_persistent(vyre_backend backend, uint32_t flight)
{
    char path[112];
    snprintf(path, sizeof path, "vyre.h persistent (%s), %u in flight",
             vyre_backend_name(backend), flight);
    vyre *v = vyre_for(backend, path);
    vyre_error err;
    vyre_check(vyre_start(v, &err), &err, path);
    bench_row row = bench_row_new(path, MAX_SAMPLES);
    vyre_ticket tickets[MAX_FLIGHT];
    uint64_t begun[MAX_FLIGHT], jobs = 0, waited = 0;
    const uint64_t first = bench_now();
    budget b = budget_new((size_t)1 << 40);
    for (bool more = true; more || waited < jobs; waited++) {
        more = more && budget_spend(&b);
        for (; more && jobs - waited < flight; jobs++) {
            begun[jobs % flight] = bench_now();
            vyre_check(vyre_publish(v, &add_one, &tickets[jobs % flight], &err), &err, path);
        }
        if (waited == jobs)
            break;
        vyre_status status = vyre_wait(v, tickets[waited % flight], 5000000000ull, &err);
        if (status == VYRE_TIMEOUT) {
            fprintf(stderr, "%s: job %llu did not end in 5 s\n", path, (unsigned long long)waited);
            exit(1);
        }
        vyre_check(status, &err, path);
        if (waited > 100)
            bench_add(&row, (double)(bench_now() - begun[waited % flight]));
    }
    row.rate = (double)jobs * 1e9 / (double)(bench_now() - first);
    vyre_check(vyre_stop(v, 5000000000ull, &err), &err, path);
    vyre_finish(v, jobs, path);
    return row;
}

/* --- the run --------------------------------------------------------------- */

static const uint32_t flights[] = { 1, 8, 64 };

static double report(const bench_output *out, bench_row row)
{
    return bench_finish(out, &row);
}

static void on_cpu(int argc, char **argv)
{
    char settings[128];
    snprintf(settings, sizeof settings, "%g s a path, vyre.h with %u slots", seconds_each,
             ring_slots);
    bench_output out = bench_cpu("roundtrip", "us", settings, bench_flag(argc, argv, "--csv"));
    bench_note(&out, " ");
    bench_heading(&out);
    for (int i = 0; i < 3; i++)
        report(&out, measure_worker(flights[i]));
    for (int i = 0; i < 3; i++)
        report(&out, measure_persistent(VYRE_BACKEND_CPU, flights[i]));
}

static void on_device(const raw_device *d, int argc, char **argv)
{
    bench_output out;
    memset(&out, 0, sizeof out);
    out.bench = "roundtrip";
    out.unit = "us";
    out.csv = bench_flag(argc, argv, "--csv");
    snprintf(out.device, sizeof out.device, "%.127s", d->properties.deviceName);
    snprintf(out.driver, sizeof out.driver, "%s", d->driver);
    snprintf(out.settings, sizeof out.settings, "%g s a path, vyre.h with %u slots", seconds_each,
             ring_slots);
    bench_heading(&out);
    const double submit = report(&out, measure_dispatch(d, WAIT_FENCE, "submit + wait for fence"));
    report(&out, measure_dispatch(d, WAIT_SPIN, "submit + spin on fence"));
    report(&out, measure_dispatch(d, WAIT_TIMELINE, "submit + timeline semaphore"));
    for (int i = 1; i < 3; i++)
        report(&out, measure_dispatches(d, flights[i]));
    report(&out, measure_one_shot(VYRE_BACKEND_VULKAN, "vyre.h one-shot (vulkan)"));
    report(&out, measure_echo(d, false, "bare echo, device memory"));
    const double bare = report(&out, measure_echo(d, true, "bare echo, mirrored"));
    const double ours = report(&out, measure_persistent(VYRE_BACKEND_VULKAN, 1));
    for (int i = 1; i < 3; i++)
        report(&out, measure_persistent(VYRE_BACKEND_VULKAN, flights[i]));
    bench_note(&out, "submit + fence / persistent = %.1f; persistent / mirrored echo = %.2f",
               submit / ours, ours / bare);
}

int main(int argc, char **argv)
{
    bench_usage(argc, argv, "[--csv] [--quick] [--seconds N] [--slots N]");
    seconds_each = bench_number(argc, argv, "--seconds", 1.0);
    if (bench_flag(argc, argv, "--quick"))
        seconds_each = 0.03;
    ring_slots = (uint32_t)bench_number(argc, argv, "--slots", 64);
    if (ring_slots < MAX_FLIGHT || ring_slots > VYRE_MAX_SLOTS) {
        fprintf(stderr, "roundtrip: --slots takes 64 to %u\n", VYRE_MAX_SLOTS);
        return 1;
    }
    raw_device d;
    if (raw_open(&d))
        on_device(&d, argc, argv);
    else
        fprintf(stderr, "roundtrip: no Vulkan device; the CPU's paths only\n");
    on_cpu(argc, argv);
    return 0;
}

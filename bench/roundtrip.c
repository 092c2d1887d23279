/* roundtrip: one job there and back, by every path, in one run
 *
 *     bench/roundtrip [--csv] [--seconds N] [--slots N]
 *
 * The job is an ATOMIC_ADD.  The paths: an ordinary dispatch that is waited
 * for in three ways, a bare echo kernel (the floor of any persistent path),
 * a pthread worker that spins (what a program without a GPU would do), and
 * vyre.h one-shot and persistent.
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
#include <sched.h>

static double   seconds_each = 1.0;
static uint32_t ring_slots = 64; /* of vyre.h; at least as many as are in flight */

#define MAX_SAMPLES 2000000u

/* How a path knows that it has measured enough. */
typedef struct budget {
    uint64_t end;
    size_t   left;
} budget;

static budget budget_new(size_t most)
{
    budget b = { bench_now() + (uint64_t)(seconds_each * 1e9), most };
    return b;
}

static bool budget_spend(budget *b)
{
    return b->left-- > 0 && bench_now() < b->end;
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

static bench_row measure_dispatch(const raw_device *d, wait_kind kind, const char *path)
{
    raw_buffer buffers[2] = { raw_buffer_new(d, 256, false), raw_buffer_new(d, 256, true) };
    raw_kernel kernel = raw_kernel_new(d, job_spv, sizeof job_spv, 1, buffers, 2);
    VkCommandBuffer cmd = raw_record(d, &kernel, 1, 1);
    VkFence fence = raw_fence(d);
    VkSemaphore semaphore = timeline_new(d);

    bench_row row = bench_row_new(path, MAX_SAMPLES);
    uint64_t jobs = 0;
    budget b = budget_new(MAX_SAMPLES);
    while (budget_spend(&b)) {
        uint64_t begin = bench_now();
        if (kind == WAIT_TIMELINE) {
            submit_timeline(d, cmd, semaphore, jobs + 1);
        } else {
            raw_submit(d, cmd, fence);
            if (kind == WAIT_FENCE)
                RAW_CHECK(vkWaitForFences(d->device, 1, &fence, VK_TRUE, UINT64_MAX));
            else
                while (vkGetFenceStatus(d->device, fence) == VK_NOT_READY) {}
        }
        uint64_t end = bench_now();
        if (kind != WAIT_TIMELINE)
            vkResetFences(d->device, 1, &fence);
        if (jobs++ >= 10) /* the first ones compile */
            bench_add(&row, end - begin);
    }
    if (*(volatile uint32_t *)buffers[0].map != (uint32_t)jobs) {
        fprintf(stderr, "%s: wrong sum\n", path);
        exit(1);
    }
    return row;
}

/* --- the floor ------------------------------------------------------------ */

/* Two leases are kept in the queue; a question that falls between two of them
 * is answered by the next. */
static bench_row measure_echo(const raw_device *d, bool mirrored, const char *path)
{
    enum { LEASES = 2 };
    raw_buffer buffers[2] = { raw_buffer_new(d, 256, false), raw_buffer_new(d, 256, mirrored) };
    raw_kernel kernel = raw_kernel_new(d, echo_spv, sizeof echo_spv, 1, buffers, 2);
    bool cpu = d->properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
    VkCommandBuffer cmd = raw_record(d, &kernel, 1, cpu ? 60000 : 20000);
    VkFence fences[LEASES] = { raw_fence(d), raw_fence(d) };
    for (int i = 0; i < LEASES; i++)
        raw_submit(d, cmd, fences[i]);
    unsigned oldest = 0;

    volatile uint32_t *question = (volatile uint32_t *)buffers[0].map;
    volatile uint32_t *answer = (volatile uint32_t *)buffers[1].map;
    bench_row row = bench_row_new(path, MAX_SAMPLES);
    budget b = budget_new(MAX_SAMPLES);
    for (uint32_t n = 1; budget_spend(&b); n++) {
        uint64_t begin = bench_now();
        __atomic_store_n(question, n, __ATOMIC_RELEASE);
        for (uint32_t spins = 1; __atomic_load_n(answer, __ATOMIC_ACQUIRE) != n; spins++) {
            if (spins % 256 || vkGetFenceStatus(d->device, fences[oldest]) != VK_SUCCESS)
                continue;
            vkResetFences(d->device, 1, &fences[oldest]);
            raw_submit(d, cmd, fences[oldest]);
            oldest = (oldest + 1) % LEASES;
        }
        if (n > 100)
            bench_add(&row, bench_now() - begin);
    }
    __atomic_store_n(question, 0xffffffffu, __ATOMIC_RELEASE);
    for (int i = 0; i < LEASES; i++)
        vkWaitForFences(d->device, 1, &fences[i], VK_TRUE, 5000000000ull);
    return row;
}

/* --- a worker thread ------------------------------------------------------ */

static struct {
    uint32_t question, padding[15];
    uint32_t answer;
} worker;

static void *worker_main(void *unused)
{
    (void)unused;
    uint32_t last = 0;
    for (;;) {
        uint32_t now = __atomic_load_n(&worker.question, __ATOMIC_ACQUIRE);
        if (now == UINT32_MAX)
            return NULL;
        if (now != last)
            __atomic_store_n(&worker.answer, last = now, __ATOMIC_RELEASE);
    }
}

static bench_row measure_worker(const char *path)
{
    pthread_t thread;
    pthread_create(&thread, NULL, worker_main, NULL);
    bench_row row = bench_row_new(path, MAX_SAMPLES);
    budget b = budget_new(MAX_SAMPLES);
    for (uint32_t n = 1; budget_spend(&b); n++) {
        uint64_t begin = bench_now();
        __atomic_store_n(&worker.question, n, __ATOMIC_RELEASE);
        while (__atomic_load_n(&worker.answer, __ATOMIC_ACQUIRE) != n) {}
        bench_add(&row, bench_now() - begin);
    }
    __atomic_store_n(&worker.question, UINT32_MAX, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
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
            bench_add(&row, bench_now() - begin);
    }
    vyre_finish(v, jobs, path);
    return row;
}

/* `flight` jobs are kept in the ring; a sample is the time from a job's
 * publish to the moment that its wait returns. */
static bench_row measure_persistent(vyre_backend backend, uint32_t flight, const char *path,
                                    double *rate)
{
    vyre *v = vyre_for(backend, path);
    vyre_error err;
    vyre_check(vyre_start(v, &err), &err, path);
    bench_row row = bench_row_new(path, MAX_SAMPLES);
    vyre_ticket tickets[64];
    uint64_t begun[64];
    uint64_t jobs = 0, waited = 0, first = bench_now();
    budget b = budget_new((size_t)1 << 40);
    bool more = true;
    while (more || waited < jobs) {
        more = more && budget_spend(&b);
        while (more && jobs - waited < flight) {
            begun[jobs % flight] = bench_now();
            vyre_check(vyre_publish(v, &add_one, &tickets[jobs % flight], &err), &err, path);
            jobs++;
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
            bench_add(&row, bench_now() - begun[waited % flight]);
        waited++;
    }
    *rate = (double)jobs * 1e9 / (double)(bench_now() - first);
    vyre_check(vyre_stop(v, 5000000000ull, &err), &err, path);
    vyre_finish(v, jobs, path);
    return row;
}

static double print_persistent(const bench_output *out, vyre_backend backend, uint32_t flight)
{
    char path[96];
    double rate;
    snprintf(path, sizeof path, "vyre.h persistent (%s), %u in flight",
             vyre_backend_name(backend), flight);
    bench_row row = measure_persistent(backend, flight, path, &rate);
    double p50 = bench_print(out, &row);
    printf("# %s: %.3f M jobs/s\n", path, rate / 1e6);
    free(row.samples);
    return p50;
}

int main(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--seconds") == 0)
            seconds_each = atof(argv[i + 1]);
        if (strcmp(argv[i], "--slots") == 0)
            ring_slots = (uint32_t)strtoul(argv[i + 1], NULL, 0);
    }
    if (ring_slots < 64 || ring_slots > VYRE_MAX_SLOTS) {
        fprintf(stderr, "roundtrip: --slots takes 64 to %u\n", VYRE_MAX_SLOTS);
        return 1;
    }
    raw_device d;
    if (!raw_open(&d)) {
        fprintf(stderr, "roundtrip: no Vulkan device\n");
        return 1;
    }
    bench_output out = bench_begin("roundtrip", d.properties.deviceName, argc, argv);

    bench_row fence = measure_dispatch(&d, WAIT_FENCE, "submit + wait for fence");
    double submit = bench_print(&out, &fence);
    bench_row spin = measure_dispatch(&d, WAIT_SPIN, "submit + spin on fence");
    bench_print(&out, &spin);
    bench_row timeline = measure_dispatch(&d, WAIT_TIMELINE, "submit + timeline semaphore");
    bench_print(&out, &timeline);
    bench_row echo = measure_echo(&d, false, "bare echo, device memory");
    bench_print(&out, &echo);
    bench_row mirrored = measure_echo(&d, true, "bare echo, mirrored");
    double floor_ns = bench_print(&out, &mirrored);
    bench_row thread = measure_worker("pthread, spinning worker");
    bench_print(&out, &thread);

    bench_row one_shot = measure_one_shot(VYRE_BACKEND_VULKAN, "vyre.h one-shot (Vulkan)");
    bench_print(&out, &one_shot);
    double ours = print_persistent(&out, VYRE_BACKEND_VULKAN, 1);
    print_persistent(&out, VYRE_BACKEND_VULKAN, 8);
    print_persistent(&out, VYRE_BACKEND_VULKAN, 64);
    print_persistent(&out, VYRE_BACKEND_CPU, 1);

    printf("\n# submit + fence / vyre.h persistent = %.1f; vyre.h persistent / mirrored echo = %.2f\n",
           submit / ours, ours / floor_ns);
    return 0;
}

/* What the best Vulkan device is like to a kernel that keeps running: its memory types, where
 * each buffer came to lie, the verdict of the probe, leases, and what starting, a quiet program
 * and stopping cost.  docs/persistent.md has its output for the devices that were seen.
 *
 *     device [--short]     --short: without the times, which take 13 seconds */
#define _GNU_SOURCE
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include "bench.h"

#if VYI_VULKAN

static vyre_error err;

static void must(bool good)
{
    if (good)
        return;
    fprintf(stderr, "device: %s\n%s\n", err.text, err.fix);
    exit(1);
}

static void print_flags(VkMemoryPropertyFlags flags)
{
    static const char *const names[] = { "DEVICE_LOCAL", "HOST_VISIBLE", "HOST_COHERENT",
                                         "HOST_CACHED" };
    for (unsigned i = 0; i < 4; i++)
        if (flags >> i & 1)
            printf(" %s", names[i]);
    if (flags == 0)
        printf(" none");
}

static void print_memory(const vyi_vk *vk)
{
    static const char *const roles[] = { "control", "ring", "log", "io", "user", "mirror" };
    const VkPhysicalDeviceMemoryProperties *memory = &vk->c.memory;
    printf("| memory type | heap, MiB | flags |\n|---|---|---|\n");
    for (uint32_t i = 0; i < memory->memoryTypeCount; i++) {
        const VkMemoryType *type = &memory->memoryTypes[i];
        printf("| %u | %llu |", i,
               (unsigned long long)(memory->memoryHeaps[type->heapIndex].size >> 20));
        print_flags(type->propertyFlags);
        printf(" |\n");
    }
    printf("\n| buffer | lies in |\n|---|---|\n");
    for (uint32_t i = 0; i < vk->buffer_count; i++) {
        printf("| %s |", roles[vk->roles[i]]);
        print_flags(vk->resident[i].flags);
        printf(" |\n");
    }
}

/* One ATOMIC_ADD there and back, in microseconds. */
static double job(vyre *v)
{
    const vyre_work work = { VYRE_OP_ATOMIC_ADD, 0, VYRE_PRIORITY_NORMAL, 2, { 1, 160 } };
    vyre_ticket ticket;
    const uint64_t begin = bench_now();
    must(vyre_publish(v, &work, &ticket, &err) == VYRE_OK);
    must(vyre_wait(v, ticket, VYRE_FOREVER, &err) == VYRE_OK);
    return (double)(bench_now() - begin) / 1000.0;
}

/* After each pause, several times, the worst; leases are 5 ms unless asked otherwise. */
static void print_quiet(bool helper, vyre_desc desc)
{
    static const uint32_t pauses_ms[] = { 1, 100, 1000 };
    desc.helper_thread = helper;
    vyre *v = vyre_open(&desc, &err);
    must(v && vyre_start(v, &err) == VYRE_OK);
    job(v);
    for (unsigned i = 0; i < 3; i++) {
        double worst = 0;
        for (unsigned n = 0; n < 5; n++) {
            const struct timespec pause = { pauses_ms[i] / 1000, pauses_ms[i] % 1000 * 1000000l };
            nanosleep(&pause, NULL);
            const double us = job(v);
            worst = us > worst ? us : worst;
        }
        printf("| a job after %u ms of quiet, worst of 5%s | %.1f |\n", pauses_ms[i],
               helper ? ", helper thread" : "", worst);
    }
    vyre_close(v);
}

int main(int argc, char **argv)
{
    const bool brief = argc > 1 && strcmp(argv[1], "--short") == 0;
    vyre_desc desc;
    vyre_info info;
    memset(&desc, 0, sizeof desc);
    desc.backend = VYRE_BACKEND_VULKAN;
    uint64_t begin = bench_now();
    vyre *v = vyre_open(&desc, &err);
    const uint64_t opened = bench_now() - begin;
    must(v);
    vyre_query(v, &info);
    printf("## device: %s, %s\n\n", info.device, info.driver);
    print_memory((const vyi_vk *)vyi_queue_device(&v->queue));
    printf("\nProbe: %s.\n\n", info.probe.text);
    printf("%s mode, %u slots, kernel of %u group%s of %u.\n\n",
           info.mode == VYRE_MODE_PERSISTENT ? "Persistent" : "Pass", info.slot_count,
           info.worker_groups, info.worker_groups == 1 ? "" : "s", info.workgroup_size);

    if (brief) {
        vyre_close(v);
        return 0;
    }
    printf("| what | us |\n|---|---|\n");
    printf("| vyre_open, probe and two pipelines | %.0f |\n", (double)opened / 1000.0);
    begin = bench_now();
    must(vyre_start(v, &err) == VYRE_OK);
    const double first = job(v);
    printf("| vyre_start and the first job | %.0f |\n", (double)(bench_now() - begin) / 1000.0);
    printf("| of that, the job | %.0f |\n", first);
    begin = bench_now();
    unsigned jobs = 0;
    for (; bench_now() - begin < 1000000000u; jobs++)
        job(v);
    vyre_query(v, &info);
    printf("| a lease, after 1 s of one job after the other | %.0f |\n",
           (double)info.lease_ns / 1000.0);
    begin = bench_now();
    must(vyre_stop(v, 10000000000u, &err) == VYRE_OK);
    printf("| vyre_stop | %.0f |\n", (double)(bench_now() - begin) / 1000.0);
    begin = bench_now();
    vyre_close(v);
    printf("| vyre_close | %.0f |\n", (double)(bench_now() - begin) / 1000.0);
    print_quiet(false, desc);
    print_quiet(true, desc);
    printf("\n%u jobs in that second, %llu leases of %u rounds at its end.\n", jobs,
           (unsigned long long)info.leases, info.lease_rounds);
    return 0;
}

#else

int main(void)
{
    puts("## device: vyre.h was built without volk.h");
    return 0;
}

#endif

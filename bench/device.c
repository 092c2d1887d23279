/* What the best Vulkan device is like to a kernel that keeps running: its memory types, where
 * each buffer came to lie, the verdict of the probe, leases, what starting, a quiet program
 * and stopping cost, and where the time of vyre_open goes: without a cache file, with one, and
 * with buffers of many gigabytes.  docs/persistent.md has its output for the devices that
 * were seen.
 *
 *     device [--short] [--open] [--gib N]
 *
 *     --short  without the times, which take 13 seconds
 *     --open   only where open's time goes
 *     --gib N  and with so much in DEVICE buffers; 0 = none; else half of the device, 32 at most */
#define _GNU_SOURCE
static void open_step(const char *name);
#define VYI_STEP(name) open_step(name)
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include "bench.h"

#include <sys/wait.h>
#include <unistd.h>

/* --- where open's time goes -------------------------------------------------------- */

#define MOST_STEPS 32

typedef struct steps {
    uint32_t    count;
    uint64_t    last; /* when the step before ended */
    const char *names[MOST_STEPS];
    double      ms[MOST_STEPS];
    bool        kept, live; /* the verdict: of a file; that persistent mode works */
    uint64_t    memory;
} steps;

static steps opened;

/* The time since the last step, for all steps of that name. */
static void open_step(const char *name)
{
    const uint64_t now = bench_now();
    uint32_t i = 0;
    while (i < opened.count && strcmp(opened.names[i], name) != 0)
        i++;
    if (i < MOST_STEPS) {
        opened.count += i == opened.count;
        opened.names[i] = name;
        opened.ms[i] += (double)(now - opened.last) * 1e-6;
        opened.last = bench_now();
    }
}

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
    static const char *const roles[] = { "control", "ring", "log", "io",     "user",
                                         "mirror",  "wide", "cancel", "events" };
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

/* How a handle is opened. */
typedef struct how {
    const char *file;   /* cache_file */
    bool        wide;   /* one handler for many lanes */
    bool        always; /* probe_always */
    uint32_t    buffers; /* of GIB_EACH, DEVICE */
} how;

#define GIB_EACH 1u
#define MOST_BUFFERS 32u

static void open_once(const how *h)
{
    static const vyre_handler scale = { 0x1000, NULL, NULL, "scale", VYRE_WIDTH_RANGE, 0,
                                        "x[index] *= arg[2];", 0 };
    static vyre_buffer_desc buffers[MOST_BUFFERS + 1];
    static vyre_place places[MOST_BUFFERS + 1];
    static size_t sizes[MOST_BUFFERS + 1];
    vyre_desc desc;
    vyre_info info;
    memset(&desc, 0, sizeof desc);
    for (uint32_t i = 0; i <= h->buffers; i++) {
        buffers[i].binding = VYRE_BINDING_USER + i;
        buffers[i].name = i ? NULL : "x";
        buffers[i].access = VYRE_ACCESS_READ_WRITE;
        places[i] = i ? VYRE_PLACE_DEVICE : VYRE_PLACE_SHARED;
        sizes[i] = i ? ((size_t)GIB_EACH << 30) - 4096 : 4096; /* 2 GiB are refused on some */
    }
    desc.backend = VYRE_BACKEND_VULKAN;
    desc.kernel.handlers = &scale;
    desc.kernel.handler_count = h->wide;
    desc.kernel.buffers = buffers;
    desc.kernel.buffer_count = h->wide || h->buffers ? 1 + h->buffers : 0;
    desc.buffer_places = places;
    desc.buffer_sizes = sizes;
    desc.probe_always = h->always;
    desc.vulkan.cache_file = h->file;
    const uint64_t begin = opened.last = bench_now();
    vyre *v = vyre_open(&desc, &err);
    const double all = (double)(bench_now() - begin) * 1e-6;
    must(v);
    vyre_query(v, &info);
    opened.kept = info.probe.kept;
    opened.live = info.probe.live;
    opened.memory = info.memory_bytes;
    open_step("rest");
    double sum = 0;
    for (uint32_t i = 0; i < opened.count; i++)
        sum += opened.ms[i];
    opened.ms[opened.count - 1] += all - sum; /* without the query */
    vyre_close(v);
}

/* In a process of its own, as a program that is started has it: no driver is loaded, and
 * the driver's own store of pipelines is off. */
static steps open_apart(const how *h)
{
    int ends[2];
    steps all;
    memset(&all, 0, sizeof all);
    fflush(stdout);
    if (pipe(ends) != 0)
        exit(1);
    const pid_t child = fork();
    if (child == 0) {
        setenv("__GL_SHADER_DISK_CACHE", "0", 1);
        setenv("MESA_SHADER_CACHE_DISABLE", "true", 1);
        open_once(h);
        _exit(write(ends[1], &opened, sizeof opened) != (ssize_t)sizeof opened);
    }
    close(ends[1]);
    const bool good = read(ends[0], &all, sizeof all) == (ssize_t)sizeof all;
    close(ends[0]);
    waitpid(child, NULL, 0);
    if (!good)
        exit(1);
    return all; /* its names are constants of this program, too */
}

#define REPEATS 3

/* The median of each step. */
static steps open_often(const how *h, bool anew)
{
    steps runs[REPEATS];
    for (uint32_t i = 0; i < REPEATS; i++) {
        if (anew)
            unlink(h->file);
        runs[i] = open_apart(h);
    }
    steps all = runs[0];
    for (uint32_t k = 0; k < all.count; k++) {
        double ms[REPEATS];
        for (uint32_t i = 0; i < REPEATS; i++)
            ms[i] = runs[i].ms[k];
        qsort(ms, REPEATS, sizeof *ms, bench_order);
        all.ms[k] = ms[REPEATS / 2];
    }
    return all;
}

#define COLUMNS 4

static double step_of(const steps *s, const char *name)
{
    for (uint32_t i = 0; i < s->count; i++)
        if (strcmp(s->names[i], name) == 0)
            return s->ms[i];
    return 0;
}

static void print_account(const char *what, const steps *columns, uint32_t count)
{
    double sums[COLUMNS] = { 0 };
    printf("\n| open of %s, ms |", what);
    for (uint32_t c = 0; c < count; c++) {
        static const char *const titles[COLUMNS] = { "no file yet", "its file",
                                                     "its file, probe_always", "large buffers" };
        printf(" %s |", titles[c]);
    }
    printf("\n|---|---|---|---|%s\n", count == COLUMNS ? "---|" : "");
    for (uint32_t i = 0; i < columns[0].count; i++) {
        printf("| %s |", columns[0].names[i]);
        for (uint32_t c = 0; c < count; c++) {
            const double ms = step_of(&columns[c], columns[0].names[i]);
            sums[c] += ms;
            printf(" %.2f |", ms);
        }
        printf("\n");
    }
    printf("| all |");
    for (uint32_t c = 0; c < count; c++)
        printf(" %.2f |", sums[c]);
    printf("\n");
    if (!columns[1].kept)
        printf("\nThe verdict was not kept: %s.\n",
               columns[0].live ? "the file was not written" : "the probe found no live device");
}

static void account(double gib)
{
    const char *folder = getenv("TMPDIR");
    char file[256];
    steps columns[COLUMNS];
    snprintf(file, sizeof file, "%s/vyre_device.%ld.cache", folder ? folder : "/tmp",
             (long)getpid());
    for (uint32_t wide = 0; wide < 2; wide++) {
        how h = { file, wide == 1, false, 0 };
        columns[0] = open_often(&h, true);
        columns[1] = open_often(&h, false);
        h.always = true;
        columns[2] = open_often(&h, false);
        h.always = false;
        const double most = (double)columns[0].memory / 2 / (1u << 30);
        const double wanted = gib >= 0 ? gib : most < 32 ? most : 32;
        h.buffers = (uint32_t)(wanted / GIB_EACH);
        h.buffers = h.buffers > MOST_BUFFERS ? MOST_BUFFERS : h.buffers;
        const bool large = wide && h.buffers;
        if (large) {
            columns[3] = open_often(&h, true);
            printf("\nLarge buffers: %u GiB, DEVICE; no file.\n", h.buffers * GIB_EACH);
        }
        print_account(wide ? "a handle with a wide handler" : "a handle", columns,
                      large ? COLUMNS : COLUMNS - 1);
        unlink(file);
    }
}

int main(int argc, char **argv)
{
    bench_usage(argc, argv, "[--short] [--open] [--gib N]");
    const bool brief = bench_flag(argc, argv, "--short");
    if (!brief)
        account(bench_number(argc, argv, "--gib", -1));
    if (bench_flag(argc, argv, "--open"))
        return 0;
    vyre_desc desc;
    vyre_info info;
    memset(&desc, 0, sizeof desc);
    desc.backend = VYRE_BACKEND_VULKAN;
    uint64_t begin = bench_now();
    vyre *v = vyre_open(&desc, &err);
    const uint64_t open_ns = bench_now() - begin;
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
    printf("| vyre_open, probe and two pipelines | %.0f |\n", (double)open_ns / 1000.0);
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

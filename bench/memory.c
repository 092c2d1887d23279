/* memory: copies between the host and buffers of a handle, beside the bus
 *
 *     bench/memory [--csv] [--seconds N] [--cpu]
 *
 * vyre_write and vyre_read of 64 bytes, 4 KB and 64 MiB, for each place, before
 * vyre_start and while the kernel runs; the rate of a row is bytes a second.
 * Before them what the machine gives a program that does nothing else, with the
 * driver and the same device: memcpy in host memory, memcpy to and from device
 * memory through its window, one vkCmdCopyBuffer in each direction with a fence; and the
 * parts of a large copy of the library's: bytes into stages of 1 MiB and out of them by one
 * thread and by four, one such stage by the device, threads that are made and joined.
 * Then how long a handle with DEVICE buffers of half of the device's memory, at most
 * 32 GiB, takes to open, and its parts: 2 GiB of memory, zeros in them by the device. */
#define _GNU_SOURCE
#define VOLK_IMPLEMENTATION
#include "raw_vulkan.h"

#define VYRE_EXTERNAL_VOLK
#define VYRE_IMPLEMENTATION
#include "../vyre.h"

#include "bench.h"

#include <pthread.h>

#define LARGE       (64u << 20)
#define MOST_ROWS   200000u
#define GIGABYTE    0x40000000ull
#define MOST_OPENED 32u
#define PLACES      3u

static double   seconds_each = 0.25;
static uint8_t *host_a, *host_b; /* LARGE each, used before */

static const char *const place_names[PLACES] = { "SHARED", "DEVICE", "HOST" };
static const size_t sizes[] = { 64, 4096, LARGE };
static const char *const size_names[] = { "64 B", "4 KB", "64 MiB" };
#define SIZES (sizeof sizes / sizeof sizes[0])

/* Runs `once` for a while, and prints the row. */
static void measure(const bench_output *out, const char *path, size_t size,
                    void (*once)(void *user, size_t size), void *user)
{
    bench_row row = bench_row_new(path, MOST_ROWS);
    const uint64_t begin = bench_now(), end = begin + (uint64_t)(seconds_each * 1e9);
    uint64_t now = begin, bytes = 0;
    once(user, size); /* what is made at the first use */
    for (uint64_t before = now = bench_now(); now < end || row.count < 3; before = now) {
        once(user, size);
        now = bench_now();
        bench_add(&row, (double)(now - before));
        bytes += size;
        if (row.count == MOST_ROWS)
            break;
    }
    double all = 0;
    for (size_t i = 0; i < row.count; i++)
        all += row.samples[i];
    row.rate = (double)bytes * 1e9 / all;
    bench_finish(out, &row);
}

/* --- floors ------------------------------------------------------------------- */

typedef struct floor_copy {
    raw_device      d;
    raw_buffer      window, host;
    VkQueue         queue;
    VkCommandPool   pool;
    VkCommandBuffer commands;
    VkFence         fence;
    bool            in;
} floor_copy;

static void host_to_host(void *user, size_t size)
{
    (void)user;
    memcpy(host_b, host_a, size);
}

static void host_to_window(void *user, size_t size)
{
    memcpy(((floor_copy *)user)->window.map, host_a, size);
    bench_fence_stores();
}

static void window_to_host(void *user, size_t size)
{
    memcpy(host_a, ((floor_copy *)user)->window.map, size);
}

/* Recorded by floor_record. */
static void device_copy(void *user, size_t size)
{
    floor_copy *f = (floor_copy *)user;
    VkSubmitInfo info = { .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1,
                          .pCommandBuffers = &f->commands };
    (void)size;
    RAW_CHECK(vkResetFences(f->d.device, 1, &f->fence));
    RAW_CHECK(vkQueueSubmit(f->queue, 1, &info, f->fence));
    while (vkGetFenceStatus(f->d.device, f->fence) == VK_NOT_READY)
        if (f->d.llvmpipe)
            vkWaitForFences(f->d.device, 1, &f->fence, VK_TRUE, UINT64_MAX);
}

static void floor_record(floor_copy *f, bool in, size_t size)
{
    const VkCommandBufferBeginInfo begin = { .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO };
    const VkBufferCopy region = { 0, 0, size };
    RAW_CHECK(vkResetCommandPool(f->d.device, f->pool, 0));
    RAW_CHECK(vkBeginCommandBuffer(f->commands, &begin));
    vkCmdCopyBuffer(f->commands, in ? f->host.buffer : f->window.buffer,
                    in ? f->window.buffer : f->host.buffer, 1, &region);
    RAW_CHECK(vkEndCommandBuffer(f->commands));
}

/* --- parts of a large copy -------------------------------------------------------- */

#define STAGE   (1u << 20)
#define HELPERS 4u

typedef struct part {
    pthread_t thread;
    uint8_t  *stages;     /* two */
    uint8_t  *bytes;
    size_t    size;
    bool      in;
} part;

static void *part_run(void *user)
{
    const part *p = (const part *)user;
    for (size_t done = 0, turn = 0; done < p->size; done += STAGE, turn ^= 1) {
        uint8_t *stage = p->stages + turn * STAGE;
        memcpy(p->in ? stage : p->bytes + done, p->in ? p->bytes + done : stage, STAGE);
    }
    return NULL;
}

/* By so many threads, each with stages of its own. */
static void staged(const floor_copy *f, size_t size, uint32_t count, bool in)
{
    part parts[HELPERS];
    for (uint32_t i = 0; i < count; i++) {
        part *p = &parts[i];
        p->stages = (uint8_t *)f->host.map + 2 * i * STAGE;
        p->size = size / count;
        p->bytes = (in ? host_a : host_b) + i * p->size;
        p->in = in;
        if (i > 0)
            pthread_create(&p->thread, NULL, part_run, p);
    }
    part_run(&parts[0]);
    for (uint32_t i = 1; i < count; i++)
        pthread_join(parts[i].thread, NULL);
}

static void to_stages(void *user, size_t size)
{
    staged((floor_copy *)user, size, 1, true);
}

static void from_stages(void *user, size_t size)
{
    staged((floor_copy *)user, size, 1, false);
}

static void to_stages_by_all(void *user, size_t size)
{
    staged((floor_copy *)user, size, HELPERS, true);
}

static void from_stages_by_all(void *user, size_t size)
{
    staged((floor_copy *)user, size, HELPERS, false);
}

static void threads_alone(void *user, size_t size)
{
    (void)size;
    staged((floor_copy *)user, 0, HELPERS, true);
}

static void floor_record(floor_copy *f, bool in, size_t size);

static void copy_parts(const bench_output *out, floor_copy *f)
{
    measure(out, "part: memcpy into stages, 64 MiB", LARGE, to_stages, f);
    measure(out, "part: memcpy into stages, 64 MiB, 4 threads", LARGE, to_stages_by_all, f);
    measure(out, "part: memcpy out of stages, 64 MiB", LARGE, from_stages, f);
    measure(out, "part: memcpy out of stages, 64 MiB, 4 threads", LARGE, from_stages_by_all, f);
    measure(out, "part: 3 threads made and joined", 1, threads_alone, f);
    floor_record(f, true, STAGE);
    measure(out, "part: vkCmdCopyBuffer to device memory, 1 MiB", STAGE, device_copy, f);
    floor_record(f, false, STAGE);
    measure(out, "part: vkCmdCopyBuffer from device memory, 1 MiB", STAGE, device_copy, f);
}

/* --- parts of opening --------------------------------------------------------------- */

/* Memory of the device's own that no host maps. */
static VkDeviceMemory memory_of_device(floor_copy *f, size_t size)
{
    VkDeviceMemory memory;
    uint32_t type = raw_memory_type(&f->d, UINT32_MAX, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT,
                                    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT);
    if (type == UINT32_MAX)
        type = raw_memory_type(&f->d, UINT32_MAX, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 0);
    const VkMemoryAllocateInfo info = { VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, 0, size, type };
    RAW_CHECK(vkAllocateMemory(f->d.device, &info, NULL, &memory));
    return memory;
}

static void allocate_once(void *user, size_t size)
{
    floor_copy *f = (floor_copy *)user;
    vkFreeMemory(f->d.device, memory_of_device(f, size), NULL);
}

static void opening_parts(const bench_output *out, floor_copy *f)
{
    const size_t size = (size_t)(2 * GIGABYTE);
    const VkBufferCreateInfo info = { VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, 0, 0, size,
                                      VK_BUFFER_USAGE_TRANSFER_DST_BIT, VK_SHARING_MODE_EXCLUSIVE,
                                      0, 0 };
    const VkCommandBufferBeginInfo begin = { .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO };
    measure(out, "part: vkAllocateMemory of 2 GiB, and vkFreeMemory", size, allocate_once, f);
    VkBuffer buffer;
    VkDeviceMemory memory = memory_of_device(f, size);
    RAW_CHECK(vkCreateBuffer(f->d.device, &info, NULL, &buffer));
    RAW_CHECK(vkBindBufferMemory(f->d.device, buffer, memory, 0));
    RAW_CHECK(vkResetCommandPool(f->d.device, f->pool, 0));
    RAW_CHECK(vkBeginCommandBuffer(f->commands, &begin));
    vkCmdFillBuffer(f->commands, buffer, 0, VK_WHOLE_SIZE, 0);
    RAW_CHECK(vkEndCommandBuffer(f->commands));
    measure(out, "part: vkCmdFillBuffer of 2 GiB", size, device_copy, f);
    vkDestroyBuffer(f->d.device, buffer, NULL);
    vkFreeMemory(f->d.device, memory, NULL);
}

static bool floor_open(floor_copy *f)
{
    memset(f, 0, sizeof *f);
    if (!raw_open(&f->d))
        return false;
    f->window = raw_buffer_new(&f->d, LARGE, false);
    f->host = raw_buffer_new(&f->d, LARGE, true);
    f->queue = f->d.queue;
    VkCommandPoolCreateInfo pool = { .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                     .queueFamilyIndex = f->d.family };
    RAW_CHECK(vkCreateCommandPool(f->d.device, &pool, NULL, &f->pool));
    VkCommandBufferAllocateInfo commands = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, .commandPool = f->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY, .commandBufferCount = 1 };
    RAW_CHECK(vkAllocateCommandBuffers(f->d.device, &commands, &f->commands));
    f->fence = raw_fence(&f->d);
    return true;
}

static void floors(const bench_output *out, floor_copy *f)
{
    char path[100];
    measure(out, "floor: memcpy in host memory, 64 MiB", LARGE, host_to_host, NULL);
    for (size_t i = 0; f && i < SIZES; i++) {
        snprintf(path, sizeof path, "floor: memcpy to device memory, %s", size_names[i]);
        measure(out, path, sizes[i], host_to_window, f);
        snprintf(path, sizeof path, "floor: memcpy from device memory, %s",
                 sizes[i] < LARGE ? size_names[i] : "1 MiB");
        measure(out, path, sizes[i] < LARGE ? sizes[i] : 1u << 20, window_to_host, f);
        floor_record(f, true, sizes[i]);
        snprintf(path, sizeof path, "floor: vkCmdCopyBuffer to device memory, %s", size_names[i]);
        measure(out, path, sizes[i], device_copy, f);
        floor_record(f, false, sizes[i]);
        snprintf(path, sizeof path, "floor: vkCmdCopyBuffer from device memory, %s",
                 size_names[i]);
        measure(out, path, sizes[i], device_copy, f);
    }
}

/* --- copies of a handle ---------------------------------------------------------- */

typedef struct copies {
    vyre    *v;
    uint32_t buffer;
} copies;

static void check(vyre_status status, const vyre_error *err)
{
    if (status == VYRE_OK)
        return;
    fprintf(stderr, "memory: %s\n", status < 0 ? err->text : vyre_status_text(status));
    exit(1);
}

static void write_once(void *user, size_t size)
{
    const copies *c = (const copies *)user;
    vyre_error err;
    check(vyre_write(c->v, c->buffer, 0, host_a, size, &err), &err);
}

static void read_once(void *user, size_t size)
{
    const copies *c = (const copies *)user;
    vyre_error err;
    check(vyre_read(c->v, c->buffer, 0, host_b, size, &err), &err);
}

static vyre *open_handle(vyre_backend backend, const vyre_place *places, const size_t *bytes,
                         uint32_t count)
{
    static vyre_buffer_desc buffers[MOST_OPENED];
    vyre_error err;
    vyre_desc d;
    memset(&d, 0, sizeof d);
    memset(buffers, 0, sizeof buffers);
    for (uint32_t i = 0; i < count; i++) {
        buffers[i].binding = VYRE_BINDING_USER + i;
        buffers[i].access = VYRE_ACCESS_READ_WRITE;
    }
    d.backend = backend;
    d.kernel.buffers = buffers;
    d.kernel.buffer_count = count;
    d.buffer_places = places;
    d.buffer_sizes = bytes;
    d.helper_thread = true; /* the kernel goes on while the program copies */
    vyre *v = vyre_open(&d, &err);
    if (!v) {
        fprintf(stderr, "memory: %s\n", err.text);
        exit(1);
    }
    return v;
}

static void handle_copies(const bench_output *out, vyre *v)
{
    vyre_error err;
    char path[100];
    for (uint32_t running = 0; running < 2; running++) {
        if (running)
            check(vyre_start(v, &err), &err);
        for (uint32_t i = 0; i < PLACES; i++) {
            for (size_t k = 0; k < SIZES; k++) {
                copies c = { v, i };
                const char *how = running ? ", kernel runs" : "";
                snprintf(path, sizeof path, "write %s, %s%s", place_names[i], size_names[k], how);
                measure(out, path, sizes[k], write_once, &c);
                snprintf(path, sizeof path, "read %s, %s%s", place_names[i], size_names[k], how);
                measure(out, path, sizes[k], read_once, &c);
            }
        }
    }
    check(vyre_stop(v, 10000000000ull, &err), &err);
}

/* What was written came back, once, in each place. */
static void copies_are_right(vyre *v)
{
    for (uint32_t i = 0; i < PLACES; i++) {
        copies c = { v, i };
        for (size_t k = 0; k < LARGE; k++)
            host_a[k] = (uint8_t)(k * 2654435761u >> 13);
        memset(host_b, 0, LARGE);
        write_once(&c, LARGE);
        read_once(&c, LARGE);
        if (memcmp(host_a, host_b, LARGE) != 0) {
            fprintf(stderr, "memory: %s gave back other bytes\n", place_names[i]);
            exit(1);
        }
    }
}

/* --- opening -------------------------------------------------------------------- */

static void opening(const bench_output *out, vyre_backend backend, uint64_t memory)
{
    vyre_place places[MOST_OPENED];
    size_t bytes[MOST_OPENED];
    char path[100];
    uint32_t count = (uint32_t)(memory / 2 / GIGABYTE); /* of 1 GiB each */
    count = count > MOST_OPENED ? MOST_OPENED : count;
    for (uint32_t i = 0; i < MOST_OPENED; i++) {
        places[i] = VYRE_PLACE_DEVICE;
        bytes[i] = (size_t)GIGABYTE;
    }
    for (uint32_t some = 0; some < 2; some++) {
        const uint32_t n = some ? count : 0;
        snprintf(path, sizeof path, "open with %u GiB of DEVICE buffers", n);
        bench_row row = bench_row_new(path, 3);
        for (uint32_t i = 0; i < 3; i++) {
            const uint64_t begin = bench_now();
            vyre *v = open_handle(backend, places, bytes, n);
            bench_add(&row, (double)(bench_now() - begin));
            vyre_close(v);
        }
        bench_finish(out, &row);
    }
}

static void on_backend(vyre_backend backend, floor_copy *f, bool csv)
{
    static const vyre_place places[PLACES] = { VYRE_PLACE_SHARED, VYRE_PLACE_DEVICE,
                                               VYRE_PLACE_HOST };
    static const size_t bytes[PLACES] = { LARGE, LARGE, LARGE };
    vyre_info info;
    vyre *v = open_handle(backend, places, bytes, PLACES);
    vyre_query(v, &info);
    bench_output out = bench_cpu("memory", "us", "", csv);
    snprintf(out.device, sizeof out.device, "%s", info.device);
    snprintf(out.driver, sizeof out.driver, "%s", info.driver);
    snprintf(out.settings, sizeof out.settings, "%g s a row; M/s are MB/s", seconds_each);
    bench_heading(&out);
    floors(&out, f);
    if (f)
        copy_parts(&out, f);
    copies_are_right(v);
    handle_copies(&out, v);
    vyre_close(v);
    const bool large = info.memory_bytes && !(f && f->d.llvmpipe); /* llvmpipe's is the host's */
    if (large && f)
        opening_parts(&out, f);
    if (large)
        opening(&out, backend, info.memory_bytes);
}

int main(int argc, char **argv)
{
    static floor_copy f;
    const bool csv = bench_flag(argc, argv, "--csv");
    bench_usage(argc, argv, "[--csv] [--seconds N] [--cpu]");
    seconds_each = bench_number(argc, argv, "--seconds", seconds_each);
    host_a = (uint8_t *)malloc(LARGE);
    host_b = (uint8_t *)malloc(LARGE);
    if (!host_a || !host_b)
        return 1;
    memset(host_a, 1, LARGE);
    memset(host_b, 2, LARGE);
    const bool vulkan = floor_open(&f);
    if (vulkan)
        on_backend(VYRE_BACKEND_VULKAN, &f, csv);
    if (!vulkan || bench_flag(argc, argv, "--cpu"))
        on_backend(VYRE_BACKEND_CPU, NULL, csv);
    return 0;
}

/* The Vulkan backend on a real driver, seen through a mock that counts and
 * changes what the driver offers: which device, which memory, which features,
 * whose objects. */
#include "test.h"

#include "mock_vulkan.c"

#define VYRE_VULKAN_TYPES
#include "vyre.h"

#include <time.h>

static vyre_error err;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- messages ------------------------------------------------------------ */

static char last_message[256];

static void keep_message(void *user, vyre_severity severity, const char *text)
{
    (void)user;
    (void)severity;
    snprintf(last_message, sizeof last_message, "%s", text);
}

/* --- handles ------------------------------------------------------------- */

static void payload_add(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD, s->control, vyre_ir_u32(p, VYRE_CONTROL_OBSERVABLES),
                   s->arg[0], VYRE_ORDER_RELAXED);
}

/* A kernel that compiles quickly: each slot adds its argument to observable 0. */
static vyre_desc small_desc(void)
{
    vyre_desc d;
    memset(&d, 0, sizeof d);
    memset(&err, 0, sizeof err);
    last_message[0] = 0;
    d.backend = VYRE_BACKEND_VULKAN;
    d.kernel.kind = VYRE_KERNEL_JIT;
    d.kernel.payload = payload_add;
    d.kernel.slot_count = 32;
    d.kernel.workgroup_size = 32;
    d.messages.message = keep_message;
    mock_begin();
    d.vulkan.loader = mock_loader();
    if (!d.vulkan.loader)
        test_skip("no Vulkan loader");
    return d;
}

static vyre *open_or_fail(const vyre_desc *d)
{
    vyre *v = vyre_open(d, &err);
    if (!v && err.status == VYRE_E_VK_DEVICE)
        test_skip("no Vulkan device");
    if (!v)
        test_fail(__FILE__, __LINE__, "vyre_open: %s (%d): %s", vyre_status_name(err.status),
                  (int)err.status, err.text);
    return v;
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

static void publish_and_wait(vyre *v, uint32_t number)
{
    const vyre_work w = work_of(number);
    vyre_ticket t;
    CHECK_EQ(vyre_publish(v, &w, &t, &err), VYRE_OK);
    CHECK_EQ(vyre_wait(v, t, 10000000000u, &err), VYRE_OK);
}

static uint32_t sum_of(vyre *v)
{
    uint32_t sum = 0;
    CHECK_EQ(vyre_observable(v, 0, &sum, &err), VYRE_OK);
    return sum;
}

/* Passes, then a running kernel. */
static void serve(vyre *v)
{
    vyre_work works[50];
    for (uint32_t i = 0; i < 50; i++)
        works[i] = work_of(i + 1);
    const uint32_t before = sum_of(v);
    CHECK_EQ(vyre_run(v, works, 50, NULL, &err), VYRE_OK);
    CHECK_EQ(sum_of(v) - before, 1275);
    CHECK_EQ(vyre_start(v, &err), VYRE_OK);
    for (uint32_t i = 0; i < 50; i++)
        publish_and_wait(v, 2);
    CHECK_EQ(vyre_stop(v, 10000000000u, &err), VYRE_OK);
    CHECK_EQ(sum_of(v) - before, 1375);
}

static void open_serve_close(const vyre_desc *d)
{
    vyre *v = open_or_fail(d);
    serve(v);
    vyre_close(v);
    CHECK_EQ(mock.live, 0);
}

static void refuse(const vyre_desc *d, vyre_status status)
{
    memset(&err, 0, sizeof err);
    vyre *v = vyre_open(d, &err);
    vyre_close(v);
    CHECK(!v);
    if (err.status != status)
        test_fail(__FILE__, __LINE__, "%s, not %s: %s", vyre_status_name(err.status),
                  vyre_status_name(status), err.text);
    CHECK(err.text[0] && err.fix[0]);
    CHECK_EQ(mock.live, 0);
}

/* --- the plain way ------------------------------------------------------- */

static void it_serves(void)
{
    vyre_desc d = small_desc();
    vyre *v = open_or_fail(&d);
    vyre_info info;
    vyre_query(v, &info);
    CHECK_EQ(info.backend, VYRE_BACKEND_VULKAN);
    CHECK(info.device[0] && info.driver[0] && info.pipeline_id != 0);
    CHECK(info.device_bytes > 0);
    serve(v);
    CHECK(mock.names > 0);
    vyre_close(v);
    CHECK_EQ(mock.live, 0);
}

static void the_probe_gives_its_verdict(void)
{
    vyre_desc d = small_desc();
    vyre *v = open_or_fail(&d);
    vyre_info info;
    vyre_query(v, &info);
    vyre_close(v);
    printf("NOTE %s: %s\n", info.device, info.probe.text);
    CHECK(info.probe.ran && info.probe.text[0]);
    CHECK(info.probe.resident_groups >= 1);
    CHECK_EQ(info.probe.live, info.probe.host_to_device && info.probe.device_to_host);
    CHECK_EQ(info.probe.loop_limited, info.probe.loop_limit != 0);
    CHECK_EQ(info.mode, info.probe.live ? VYRE_MODE_PERSISTENT : VYRE_MODE_PASSES);
    if (!strstr(info.device, "llvmpipe"))
        return;
    CHECK(info.probe.live && info.probe.round_trip_ns > 0);
    CHECK(info.probe.loop_limit > 65000 && info.probe.loop_limit < 65536);
}

static void without_a_probe_it_makes_passes(void)
{
    vyre_desc d = small_desc();
    d.no_probe = true;
    vyre *v = open_or_fail(&d);
    vyre_info info;
    vyre_query(v, &info);
    CHECK(!info.probe.ran);
    CHECK_EQ(info.mode, VYRE_MODE_PASSES);
    serve(v);
    vyre_close(v);
    CHECK_EQ(mock.live, 0);
}

static void several_handles_live_side_by_side(void)
{
    vyre_desc d = small_desc();
    vyre *a = open_or_fail(&d), *b = open_or_fail(&d);
    CHECK_EQ(vyre_start(a, &err), VYRE_OK);
    CHECK_EQ(vyre_start(b, &err), VYRE_OK);
    for (uint32_t i = 0; i < 20; i++) {
        publish_and_wait(a, 1);
        publish_and_wait(b, 2);
    }
    CHECK_EQ(sum_of(a), 20);
    CHECK_EQ(sum_of(b), 40);
    vyre_close(a);
    publish_and_wait(b, 2);
    CHECK_EQ(sum_of(b), 42);
    vyre_close(b);
    CHECK_EQ(mock.live, 0);
}

/* Between two leases, which the chain's own calls tell apart, no call is made
 * for a job. */
static void a_job_costs_no_call(void)
{
    vyre_desc d = small_desc();
    vyre *v = open_or_fail(&d);
    vyre_info info;
    vyre_query(v, &info);
    if (info.mode != VYRE_MODE_PERSISTENT) {
        vyre_close(v);
        test_skip("not live");
    }
    CHECK_EQ(vyre_start(v, &err), VYRE_OK);
    publish_and_wait(v, 1);
    uint32_t quiet = 0;
    const uint32_t calls = mock.calls;
    uint32_t batch = 0;
    while (batch < 200 || (quiet == 0 && batch < 2000)) { /* longer where others use the CPU */
        const uint32_t before = mock.calls;
        for (uint32_t i = 0; i < 10; i++)
            publish_and_wait(v, 1);
        quiet += mock.calls == before;
        batch++;
    }
    vyre_query(v, &info);
    printf("NOTE %u jobs made %u calls in %llu leases; %u of %u batches of 10 made none\n",
           10 * batch, mock.calls - calls, (unsigned long long)info.leases, quiet, batch);
    CHECK(quiet > 0);
    vyre_close(v);
}

/* One pass over bytes of the caller's, with `observables` words behind the header. */
static void dispatch_bytes(vyre *v, uint32_t observables, uint32_t records)
{
    static uint8_t control[512 * 4], ring[32 * 64], log[513 * 4];
    vyre_control_desc cd;
    vyre_io_buffers io;
    memset(&cd, 0, sizeof cd);
    memset(&io, 0, sizeof io);
    cd.tenants = 1;
    cd.observables = observables;
    io.control = control;
    io.control_size = vyre_control_size(observables);
    io.ring = ring;
    io.ring_size = sizeof ring;
    io.log = log;
    io.log_size = vyre_log_size(records);
    CHECK_EQ(vyre_control_encode(control, io.control_size, &cd, &err), VYRE_OK);
    CHECK_EQ(vyre_ring_encode(ring, sizeof ring, 32, &err), VYRE_OK);
    CHECK_EQ(vyre_log_encode(log, io.log_size, records, &err), VYRE_OK);
    const vyre_work w = work_of(7);
    for (uint32_t slot = 0; slot < 32; slot += 3)
        CHECK_EQ(vyre_ring_publish(ring, sizeof ring, slot, &w, &err), VYRE_OK);
    CHECK_EQ(vyre_dispatch(v, &io, NULL, &err), VYRE_OK);
    uint32_t sum = 0, done = 0;
    CHECK_EQ(vyre_control_observable(control, io.control_size, 0, &sum, &err), VYRE_OK);
    CHECK_EQ(vyre_control_done_count(control, io.control_size, &done, &err), VYRE_OK);
    CHECK_EQ(sum, 77);
    CHECK_EQ(done, 11);
}

/* More than a driver survives that leaves something behind each time that it is
 * loaded. */
static void handles_are_opened_one_after_the_other(void)
{
    vyre_desc d = small_desc();
    d.no_probe = true;
    for (uint32_t i = 0; i < 12; i++) {
        vyre *v = open_or_fail(&d);
        publish_and_wait(v, 1);
        vyre_close(v);
        CHECK_EQ(mock.live, 0);
    }
}

static void bytes_are_dispatched_in_place(void)
{
    vyre_desc d = small_desc();
    vyre *v = open_or_fail(&d);
    for (uint32_t i = 0; i < 20; i++) {
        /* Each size several times, so that every place of the chain has run it. */
        static const uint32_t observables[] = { 64, 300, 1, 64 };
        dispatch_bytes(v, observables[i / 5], 64);
        CHECK_EQ(sum_of(v), i / 5);
        if (i % 5 == 4)
            publish_and_wait(v, 1);
    }
    vyre_close(v);
    CHECK_EQ(mock.live, 0);
}

static void emit_endless(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)s;
    (void)user;
    vyre_ir_forever(p);
    vyre_ir_end(p);
}

/* The driver would cut the loop silently; the work ends FAULT instead. */
static void an_endless_loop_is_a_fault(void)
{
    vyre_desc d = small_desc();
    d.kernel.payload = emit_endless;
    vyre *v = open_or_fail(&d);
    vyre_info info;
    vyre_query(v, &info);
    if (!info.probe.loop_limited) {
        vyre_close(v);
        test_skip("no loop limit here: the work would run for ever");
    }
    CHECK_EQ(vyre_start(v, &err), VYRE_OK);
    const vyre_work w = work_of(1);
    vyre_ticket t;
    CHECK_EQ(vyre_publish(v, &w, &t, &err), VYRE_OK);
    CHECK_EQ(vyre_wait(v, t, 10000000000u, &err), VYRE_E_FAULT);
    CHECK_EQ(err.native, VYRE_FAULT_LOOP_LIMIT);
    CHECK_EQ(vyre_stop(v, 10000000000u, &err), VYRE_OK);
    vyre_close(v);
    CHECK_EQ(mock.live, 0);
}

/* --- which device -------------------------------------------------------- */

static void four_devices(void)
{
    mock.device_count = 4;
    mock.devices[0].type = VK_PHYSICAL_DEVICE_TYPE_CPU;
    mock.devices[0].name = "Slow llvmpipe";
    mock.devices[1].type = VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
    mock.devices[1].name = "Middle llvmpipe";
    mock.devices[2].type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    mock.devices[2].name = "Fast llvmpipe";
    mock.devices[3].type = VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU;
    mock.devices[3].name = "Other llvmpipe";
}

static void expect_device(const char *wanted, const char *name)
{
    vyre_desc d = small_desc();
    four_devices();
    d.no_probe = true;
    d.device = wanted;
    vyre *v = open_or_fail(&d);
    vyre_info info;
    vyre_query(v, &info);
    vyre_close(v);
    CHECK_TEXT(info.device, name);
}

static void the_best_device_is_chosen(void)
{
    expect_device(NULL, "Fast llvmpipe");
}

static void a_device_is_chosen_by_number_or_name(void)
{
    expect_device("0", "Slow llvmpipe");
    expect_device("3", "Other llvmpipe");
    expect_device("middle", "Middle llvmpipe");
    expect_device("llvm", "Fast llvmpipe");
    expect_device("", "Fast llvmpipe");
}

static void the_environment_chooses_when_the_desc_does_not(void)
{
    setenv("VYRE_DEVICE", "sLOw", 1);
    expect_device(NULL, "Slow llvmpipe");
    expect_device("1", "Middle llvmpipe");
    unsetenv("VYRE_DEVICE");
}

static void a_device_that_is_not_there_is_refused(void)
{
    vyre_desc d = small_desc();
    four_devices();
    d.device = "4";
    refuse(&d, VYRE_E_VK_NAME);
    d.device = "Voodoo";
    refuse(&d, VYRE_E_VK_NAME);
    CHECK(strstr(err.text, "Voodoo") && strstr(err.text, "Slow llvmpipe"));
    d.backend = VYRE_BACKEND_AUTO; /* whoever names a device does not want the CPU */
    refuse(&d, VYRE_E_VK_NAME);
    d = small_desc();
    mock.no_devices = true;
    refuse(&d, VYRE_E_VK_DEVICE);
}

static void a_compute_family_of_its_own_is_preferred(void)
{
    vyre_desc d = small_desc();
    mock.two_families = true;
    open_serve_close(&d);
    CHECK_EQ(mock.queue_family, 1);
}

static void old_versions_are_refused(void)
{
    vyre_desc d = small_desc();
    mock.instance_version = VK_API_VERSION_1_0;
    refuse(&d, VYRE_E_VK_VERSION);
    d = small_desc();
    mock.device_version = VK_API_VERSION_1_0;
    refuse(&d, VYRE_E_VK_DEVICE);
}

static PFN_vkVoidFunction VKAPI_PTR no_function(VkInstance instance, const char *name)
{
    (void)instance;
    (void)name;
    return NULL;
}

static void missing_functions_are_named(void)
{
    static const char *const names[] = { "vkEnumerateInstanceVersion", "vkCreateDevice",
                                         "vkGetPhysicalDeviceFeatures2", "vkCmdDispatch",
                                         "vkQueueSubmit" };
    for (uint32_t i = 0; i < 5; i++) {
        vyre_desc d = small_desc();
        mock.missing = names[i];
        refuse(&d, VYRE_E_VK_FUNCTION);
        CHECK(strstr(err.text, names[i]));
    }
    vyre_desc d = small_desc();
    d.vulkan.loader = (void (*)(void))no_function;
    refuse(&d, VYRE_E_VK_FUNCTION);
}

/* --- limits -------------------------------------------------------------- */

static void groups_shrink_to_the_device(void)
{
    vyre_desc d = small_desc();
    d.kernel.workgroup_size = 0;
    d.kernel.slot_count = 512;
    four_devices();
    mock.max_lanes = 64;
    vyre *v = open_or_fail(&d);
    vyre_info info;
    vyre_query(v, &info);
    CHECK_EQ(info.workgroup_size, 64);
    CHECK(info.worker_groups >= 1 && info.worker_groups <= 8);
    serve(v);
    vyre_close(v);
    CHECK_EQ(mock.live, 0);
}

static void limits_of_the_device_are_errors(void)
{
    vyre_desc d = small_desc();
    four_devices();
    mock.max_lanes = 16; /* and the desc asks for 32 */
    refuse(&d, VYRE_E_VK_LIMIT);
    d = small_desc();
    mock.max_buffers = 4; /* control, ring, log, io and the mirror are 5 */
    refuse(&d, VYRE_E_VK_LIMIT);
    d = small_desc();
    mock.max_range = 1024; /* a ring of 32 slots has 2048 bytes */
    refuse(&d, VYRE_E_VK_LIMIT);
    CHECK(strstr(err.text, "2048"));
    vyre_buffer_desc buffer;
    memset(&buffer, 0, sizeof buffer);
    buffer.name = "large";
    buffer.binding = VYRE_BINDING_USER;
    buffer.access = VYRE_ACCESS_READ;
    const size_t size = 0x80000000u;
    d = small_desc();
    d.kernel.buffers = &buffer;
    d.kernel.buffer_count = 1;
    d.buffer_sizes = &size;
    mock.max_range = 0xffffffffu;
    mock.driver_id = VK_DRIVER_ID_NVIDIA_PROPRIETARY; /* which loses the elements of such */
    refuse(&d, VYRE_E_VK_LIMIT);
    CHECK(strstr(err.text, "2147483648") && strstr(err.text, "2147483644"));
}

/* Arrays of the workgroup, with what the module adds of its own, against what the
 * device has.  The loop makes llvmpipe's module count iterations there. */
static void payload_shared(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    const vyre_value i = vyre_ir_loop(p, vyre_ir_u32(p, 0), s->arg[0]);
    vyre_ir_store(p, s->buffers[0], i, s->arg[1]);
    vyre_ir_end(p);
}

static void memory_of_a_workgroup_is_held_against_the_device(void)
{
    vyre_buffer_desc array;
    memset(&array, 0, sizeof array);
    array.name = "shared";
    array.access = VYRE_ACCESS_WORKGROUP;
    array.count = 4096;
    vyre_desc d = small_desc();
    d.kernel.payload = payload_shared;
    d.kernel.buffers = &array;
    d.kernel.buffer_count = 1;
    d.no_probe = true; /* it has pipelines of its own */
    mock.max_shared = 16383; /* and the array has 16384 bytes */
    refuse(&d, VYRE_E_VK_LIMIT);
    CHECK(strstr(err.text, "16383") && strstr(err.text, "bytes of workgroup memory"));
    CHECK_EQ(mock.count[MOCK_vkCreateComputePipelines], 0);
    mock.max_shared = 0;
    vyre_close(open_or_fail(&d));
    array.count = VYRE_MAX_WORKGROUP_SIZE / 4;
    mock.max_shared = 32768; /* enough for the array, if nothing were added to it */
    d.backend = VYRE_BACKEND_VULKAN;
    vyre *v = vyre_open(&d, &err);
    vyre_close(v);
    CHECK(v || (err.status == VYRE_E_VK_LIMIT && err.at > 32768));
}

/* --- features ------------------------------------------------------------ */

static void it_works_without_timelines(void)
{
    vyre_desc d = small_desc();
    mock.no_timeline = true;
    open_serve_close(&d);
    CHECK(mock.count[MOCK_vkCreateFence] > 0);
    CHECK_EQ(mock.count[MOCK_vkCreateSemaphore], 0);
}

static void it_works_without_fences_when_there_are_timelines(void)
{
    vyre_desc d = small_desc();
    open_serve_close(&d);
    CHECK_EQ(mock.count[MOCK_vkCreateFence], 0);
}

static void it_works_without_the_memory_model(void)
{
    vyre_desc d = small_desc();
    mock.no_memory_model = true;
    open_serve_close(&d);
}

static void it_works_without_debug_names(void)
{
    vyre_desc d = small_desc();
    mock.no_debug_utils = true;
    open_serve_close(&d);
    CHECK_EQ(mock.names, 0);
    d = small_desc();
    d.vulkan.no_debug_names = true;
    open_serve_close(&d);
    CHECK_EQ(mock.names, 0);
    d = small_desc();
    mock.missing = "vkSetDebugUtilsObjectNameEXT";
    open_serve_close(&d);
}

static void it_works_with_vulkan_1_1(void)
{
    vyre_desc d = small_desc();
    mock.device_version = VK_API_VERSION_1_1;
    open_serve_close(&d);
    d = small_desc();
    mock.instance_version = mock.device_version = VK_API_VERSION_1_1;
    mock.no_extensions = true;
    open_serve_close(&d);
    CHECK(mock.count[MOCK_vkCreateFence] > 0);
}

static void it_works_without_anything_optional(void)
{
    vyre_desc d = small_desc();
    mock.device_version = VK_API_VERSION_1_1;
    mock.no_extensions = mock.no_timeline = mock.no_memory_model = mock.no_debug_utils = true;
    open_serve_close(&d);
}

static void polled_words_lie_where_they_are_polled(void)
{
    const VkMemoryPropertyFlags window = mock_types[3], cached = mock_types[2];
    vyre_desc d = small_desc();
    d.no_probe = true;
    mock.discrete_memory = true;
    vyre *v = open_or_fail(&d);
    /* control, ring, log, io, mirror, cancel words */
    CHECK_EQ(mock.allocations, 6);
    for (uint32_t i = 0; i < 6; i++)
        CHECK_EQ(mock.memory_flags[i], i == 4 ? cached : window);
    serve(v);
    vyre_close(v);
    CHECK_EQ(mock.live, 0);
}

static void a_full_window_falls_back_to_host_memory(void)
{
    vyre_desc d = small_desc();
    d.no_probe = true;
    mock.discrete_memory = mock.full_device_memory = true;
    vyre *v = open_or_fail(&d);
    for (uint32_t i = 0; i < 4; i++)
        CHECK_EQ(mock.memory_flags[i], mock_types[1]);
    serve(v);
    vyre_close(v);
    CHECK_EQ(mock.live, 0);
}

/* --- the user's buffers --------------------------------------------------- */

#define USER_SIZE 4096u

/* One buffer in each place. */
static vyre_desc buffer_desc(void)
{
    static const vyre_place places[3] = { VYRE_PLACE_SHARED, VYRE_PLACE_DEVICE, VYRE_PLACE_HOST };
    static vyre_buffer_desc buffers[3];
    vyre_desc d = small_desc();
    memset(buffers, 0, sizeof buffers);
    for (uint32_t i = 0; i < 3; i++) {
        buffers[i].binding = 4 + i;
        buffers[i].access = VYRE_ACCESS_READ_WRITE;
        buffers[i].count = USER_SIZE / 4;
    }
    d.kernel.buffers = buffers;
    d.kernel.buffer_count = 3;
    d.buffer_places = places;
    d.no_probe = true;
    return d;
}

static void copy_and_compare(vyre *v, uint32_t buffer, size_t offset, size_t size)
{
    static uint8_t in[USER_SIZE], out[USER_SIZE];
    for (size_t i = 0; i < size; i++)
        in[i] = (uint8_t)(i * 7 + buffer + offset);
    memset(out, 0, size);
    CHECK_EQ(vyre_write(v, buffer, offset, in, size, &err), VYRE_OK);
    CHECK_EQ(vyre_read(v, buffer, offset, out, size, &err), VYRE_OK);
    CHECK(memcmp(in, out, size) == 0);
}

static void places_choose_the_memory(void)
{
    vyre_desc d = buffer_desc();
    mock.discrete_memory = true;
    vyre *v = open_or_fail(&d);
    const uint32_t made = mock.allocations; /* the user's come last */
    CHECK_EQ(mock.memory_flags[made - 3], mock_types[3]);
    CHECK_EQ(mock.memory_flags[made - 2], mock_types[0]);
    CHECK_EQ(mock.memory_flags[made - 1], mock_types[2]);
    CHECK_EQ(mock.count[MOCK_vkMapMemory], made - 1);
    serve(v);
    vyre_close(v);
    CHECK_EQ(mock.live, 0);
}

/* Reads across the bus, if they are not small, and all of what is not mapped. */
static void the_device_copies_what_the_host_reads_slowly(void)
{
    vyre_desc d = buffer_desc();
    mock.discrete_memory = true;
    vyre *v = open_or_fail(&d);
    const uint32_t before = mock.calls;
    copy_and_compare(v, 0, 1, 256);
    copy_and_compare(v, 2, 0, USER_SIZE);
    CHECK_EQ(mock.calls, before);
    const uint32_t submits = mock.count[MOCK_vkQueueSubmit];
    copy_and_compare(v, 0, 3, 257);
    CHECK_EQ(mock.count[MOCK_vkQueueSubmit], submits + 1);
    copy_and_compare(v, 1, USER_SIZE - 1, 1);
    CHECK_EQ(mock.count[MOCK_vkQueueSubmit], submits + 3);
    for (uint32_t i = 0; i < 3; i++)
        copy_and_compare(v, i, i, USER_SIZE - i);
    vyre_close(v);
    CHECK_EQ(mock.live, 0);
}

static void copies_have_a_queue_of_their_own(void)
{
    vyre_desc d = buffer_desc();
    mock.copy_family = true;
    vyre *v = open_or_fail(&d);
    CHECK_EQ(mock.queue_families, 2);
    CHECK(mock.shared_buffers > 7);
    copy_and_compare(v, 1, 5, 1000);
    vyre_close(v);
    CHECK_EQ(mock.live, 0);

    d = buffer_desc();
    v = open_or_fail(&d);
    const bool has_family = mock.queue_families > 1; /* a GPU's driver may, by itself */
    vyre_close(v);
    mock.two_queues = !has_family;
    v = open_or_fail(&d);
    CHECK_EQ(mock.queue_families, has_family ? 2 : 1);
    CHECK_EQ(mock.queues, has_family ? mock.queues : 2);
    CHECK_EQ(mock.shared_buffers > 0, has_family);
    copy_and_compare(v, 1, 5, 1000);
    vyre_close(v);

    d = small_desc(); /* nothing to copy */
    mock.copy_family = true;
    v = open_or_fail(&d);
    CHECK_EQ(mock.queue_families, 1);
    vyre_close(v);
}

/* Four threads submit, beside the leases, and take turns at it. */
static void threads_of_a_copy_take_turns(void)
{
    enum { LARGE = 32 << 20 };
    static size_t sizes[3] = { USER_SIZE, LARGE, USER_SIZE };
    vyre_desc d = buffer_desc();
    uint8_t *in = (uint8_t *)malloc(LARGE), *out = (uint8_t *)calloc(LARGE, 1);
    CHECK(in && out);
    for (size_t i = 0; i < LARGE; i++)
        in[i] = (uint8_t)(i * 2654435761u >> 13);
    mock.copy_family = true;
    d.buffer_sizes = sizes;
    vyre *v = open_or_fail(&d);
    CHECK_EQ(vyre_start(v, &err), VYRE_OK);
    const uint32_t before = mock.count[MOCK_vkQueueSubmit];
    CHECK_EQ(vyre_write(v, 1, 0, in, LARGE, &err), VYRE_OK);
    CHECK_EQ(vyre_read(v, 1, 0, out, LARGE, &err), VYRE_OK);
    CHECK(mock.count[MOCK_vkQueueSubmit] - before >= 64);
    CHECK(memcmp(in, out, LARGE) == 0);
    CHECK_EQ(mock.overlapping_submits, 0);
    vyre_close(v);
    free(in);
    free(out);
    CHECK_EQ(mock.live, 0);
}

static void a_copy_that_does_not_end_is_given_up(void)
{
    vyre_desc d = buffer_desc();
    uint8_t byte = 5, back = 0;
    vyre *v = open_or_fail(&d);
    copy_and_compare(v, 1, 0, 10);
    mock.hang = mock.hasty = true;
    CHECK_EQ(vyre_read(v, 1, 0, &back, 1, &err), VYRE_TIMEOUT);
    CHECK_EQ(vyre_write(v, 1, 0, &byte, 1, &err), VYRE_TIMEOUT);
    CHECK_EQ(vyre_buffer_set(v, 1, 400, &err), VYRE_TIMEOUT);
    CHECK_EQ(back, 0);
    mock.hang = false; /* it has ended after all */
    copy_and_compare(v, 1, 7, 100);
    vyre_close(v);
    CHECK_EQ(mock.live, 0);
}

static void the_gpu_geometry_serves(void)
{
    vyre_desc d = small_desc();
    four_devices();
    d.kernel.slot_count = 1024;
    d.kernel.workgroup_size = 0;
    vyre *v = open_or_fail(&d);
    vyre_info info;
    vyre_query(v, &info);
    CHECK_EQ(info.workgroup_size, 64); /* of the lanes that poll */
    serve(v);
    vyre_close(v);
    CHECK_EQ(mock.live, 0);
}

/* --- bring your own ------------------------------------------------------ */

typedef struct own_vulkan {
    PFN_vkGetInstanceProcAddr get;
    VkInstance       instance;
    VkPhysicalDevice physical;
    VkDevice         device;
    VkQueue          queue;
} own_vulkan;

#define OWN(o, name) ((PFN_##name)(o)->get((o)->instance, #name))

static void own_instance(own_vulkan *o)
{
    VkApplicationInfo app;
    memset(&app, 0, sizeof app);
    app.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
    app.apiVersion = VK_API_VERSION_1_2;
    VkInstanceCreateInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
    info.pApplicationInfo = &app;
    memset(o, 0, sizeof *o);
    o->get = (PFN_vkGetInstanceProcAddr)mock_loader();
    CHECK_EQ(OWN(o, vkCreateInstance)(&info, NULL, &o->instance), VK_SUCCESS);
    uint32_t one = 1;
    OWN(o, vkEnumeratePhysicalDevices)(o->instance, &one, &o->physical);
    if (one == 0)
        test_skip("no Vulkan device");
    mock.owned_instance = o->instance;
}

static VkPhysicalDeviceVulkan12Features own_features;

static void own_device(own_vulkan *o)
{
    const float priority = 1.0f;
    VkDeviceQueueCreateInfo queue;
    memset(&queue, 0, sizeof queue);
    queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
    queue.queueCount = 1;
    queue.pQueuePriorities = &priority;
    memset(&own_features, 0, sizeof own_features);
    own_features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES;
    own_features.timelineSemaphore = VK_TRUE;
    own_features.vulkanMemoryModel = own_features.vulkanMemoryModelDeviceScope = VK_TRUE;
    VkDeviceCreateInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
    info.pNext = &own_features;
    info.queueCreateInfoCount = 1;
    info.pQueueCreateInfos = &queue;
    CHECK_EQ(OWN(o, vkCreateDevice)(o->physical, &info, NULL, &o->device), VK_SUCCESS);
    OWN(o, vkGetDeviceQueue)(o->device, 0, 0, &o->queue);
    mock.owned_device = o->device;
}

static void own_destroy(own_vulkan *o)
{
    CHECK_EQ(mock.foreign_destroys, 0);
    mock.owned_instance = VK_NULL_HANDLE;
    mock.owned_device = VK_NULL_HANDLE;
    if (o->device)
        OWN(o, vkDestroyDevice)(o->device, NULL);
    OWN(o, vkDestroyInstance)(o->instance, NULL);
    CHECK_EQ(mock.live, 0);
}

static void own_serve(const vyre_desc *d)
{
    const int32_t before = mock.live;
    vyre *v = open_or_fail(d);
    serve(v);
    vyre_close(v);
    CHECK_EQ(mock.live, before);
}

static void bring_your_own_instance(void)
{
    vyre_desc d = small_desc();
    own_vulkan o;
    own_instance(&o);
    d.vulkan.instance = o.instance;
    own_serve(&d);
    d.vulkan.api_version = VK_API_VERSION_1_2;
    own_serve(&d);
    d.vulkan.physical_device = o.physical;
    own_serve(&d);
    own_destroy(&o);
}

static int queue_held;
static uint32_t queue_uses;

static void queue_lock(void *user)
{
    CHECK(user == &queue_uses);
    CHECK_EQ(queue_held, 0);
    queue_held = 1;
    queue_uses++;
}

static void queue_unlock(void *user)
{
    (void)user;
    queue_held = 0;
}

static void bring_your_own_device(void)
{
    vyre_desc d = small_desc();
    own_vulkan o;
    own_instance(&o);
    own_device(&o);
    vyre_vulkan_use(&d.vulkan, o.instance, o.physical, o.device, o.queue, 0);
    vyre_vulkan_use_loader(&d.vulkan, o.get);
    own_serve(&d); /* nothing said of features: fences */
    CHECK(mock.count[MOCK_vkCreateFence] > 0);
    CHECK_EQ(mock.count[MOCK_vkCreateSemaphore], 0);

    d.vulkan.api_version = VK_API_VERSION_1_2;
    d.vulkan.device_features = &own_features;
    d.vulkan.queue_lock = queue_lock;
    d.vulkan.queue_unlock = queue_unlock;
    d.vulkan.queue_user = &queue_uses;
    queue_uses = 0;
    mock.lock = &queue_held;
    own_serve(&d);
    CHECK(queue_uses > 0);
    CHECK_EQ(mock.unlocked_submits, 0);
    CHECK(mock.count[MOCK_vkCreateSemaphore] > 0);
    own_destroy(&o);
}

static void half_of_a_device_is_refused(void)
{
    vyre_desc d = small_desc();
    int thing = 0;
    d.vulkan.physical_device = &thing;
    refuse(&d, VYRE_E_ARGUMENT);
    d.vulkan.physical_device = NULL;
    d.vulkan.device = &thing;
    refuse(&d, VYRE_E_ARGUMENT);
    d.vulkan.instance = d.vulkan.physical_device = &thing;
    refuse(&d, VYRE_E_ARGUMENT);
    CHECK(strstr(err.text, "queue"));
}

/* Counts what the driver takes from VkAllocationCallbacks. */
static int64_t host_blocks, host_calls;

typedef struct host_header { size_t size; void *start; } host_header;

static void *VKAPI_PTR host_allocate(void *user, size_t size, size_t alignment,
                                     VkSystemAllocationScope scope)
{
    (void)user;
    (void)scope;
    char *start = (char *)malloc(size + alignment + sizeof(host_header));
    if (!start)
        return NULL;
    char *at = start + sizeof(host_header);
    at += (alignment - (uintptr_t)at % alignment) % alignment;
    host_header header = { size, start };
    memcpy(at - sizeof header, &header, sizeof header);
    __atomic_fetch_add(&host_blocks, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&host_calls, 1, __ATOMIC_RELAXED);
    return at;
}

static void VKAPI_PTR host_free(void *user, void *at)
{
    (void)user;
    if (!at)
        return;
    host_header header;
    memcpy(&header, (char *)at - sizeof header, sizeof header);
    __atomic_fetch_add(&host_blocks, -1, __ATOMIC_RELAXED);
    free(header.start);
}

static void *VKAPI_PTR host_reallocate(void *user, void *old, size_t size, size_t alignment,
                                       VkSystemAllocationScope scope)
{
    void *at = size ? host_allocate(user, size, alignment, scope) : NULL;
    if (at && old) {
        host_header header;
        memcpy(&header, (char *)old - sizeof header, sizeof header);
        memcpy(at, old, header.size < size ? header.size : size);
    }
    if (at || !size)
        host_free(user, old);
    return at;
}

static void bring_your_own_allocator(void)
{
    VkAllocationCallbacks callbacks;
    memset(&callbacks, 0, sizeof callbacks);
    callbacks.pfnAllocation = host_allocate;
    callbacks.pfnReallocation = host_reallocate;
    callbacks.pfnFree = host_free;
    vyre_desc d = small_desc();
    vyre_vulkan_use_allocator(&d.vulkan, &callbacks);
    host_calls = host_blocks = 0;
    open_serve_close(&d);
    CHECK(host_calls > 10);
    CHECK_EQ(host_blocks, 0);
}

static void the_systems_loader_is_found(void)
{
    vyre_desc d = small_desc();
    d.vulkan.loader = NULL;
    vyre *v = open_or_fail(&d);
    serve(v);
    vyre_close(v);
    CHECK_EQ(mock.calls, 0);
}

/* --- pipeline cache ------------------------------------------------------ */

static uint8_t *cache_blob;
static size_t cache_size;

static void cache_keep(void *user, const void *blob, size_t size)
{
    CHECK(user == &cache_size);
    free(cache_blob);
    cache_blob = (uint8_t *)malloc(size);
    cache_size = size;
    memcpy(cache_blob, blob, size);
}

static void open_with_cache(vyre_desc *d, size_t size)
{
    d->vulkan.cache = cache_blob;
    d->vulkan.cache_size = size;
    vyre *v = open_or_fail(d);
    vyre_close(v);
    CHECK_EQ(mock.live, 0);
}

static void the_pipeline_cache_is_kept(void)
{
    vyre_desc d = small_desc();
    d.no_probe = true;
    d.vulkan.cache_store = cache_keep;
    d.vulkan.cache_user = &cache_size;
    vyre *v = open_or_fail(&d);
    CHECK_EQ(mock.cache_bytes, 0);
    vyre_close(v);
    CHECK_EQ(mock.live, 0);
    CHECK(cache_size > 48);

    open_with_cache(&d, cache_size);
    CHECK_EQ(mock.cache_bytes, cache_size - 48);
    CHECK_TEXT(last_message, "");
}

static void foreign_caches_are_not_fed_to_the_driver(void)
{
    if (!cache_blob)
        test_skip("no cache was kept");
    vyre_desc d = small_desc();
    d.no_probe = true;
    /* magic, format, identity, size, hash, UUID, the driver's own bytes */
    static const size_t places[] = { 0, 4, 8, 16, 24, 32, 48 };
    for (uint32_t i = 0; i < 7; i++) {
        cache_blob[places[i]] ^= 1;
        last_message[0] = 0;
        mock.cache_bytes = 99;
        open_with_cache(&d, cache_size);
        cache_blob[places[i]] ^= 1;
        CHECK_EQ(mock.cache_bytes, 0);
        CHECK(strstr(last_message, "pipeline cache"));
    }
    for (size_t size = 1; size < cache_size; size += size < 48 ? 7 : cache_size - size) {
        uint8_t *part = (uint8_t *)malloc(size);
        memcpy(part, cache_blob, size);
        uint8_t *whole = cache_blob;
        cache_blob = part;
        mock.cache_bytes = 99;
        open_with_cache(&d, size);
        cache_blob = whole;
        free(part);
        CHECK_EQ(mock.cache_bytes, 0);
    }
    d.kernel.payload = emit_endless; /* another program */
    mock.cache_bytes = 99;
    open_with_cache(&d, cache_size);
    CHECK_EQ(mock.cache_bytes, 0);
    free(cache_blob);
    cache_blob = NULL;
}

/* --- subgroups ----------------------------------------------------------- */

static void payload_subgroup(vyre_program *p, const vyre_slot_values *s, void *user)
{
    (void)user;
    const vyre_value sum = vyre_ir_reduce(p, VYRE_REDUCE_ADD, s->arg[0]);
    vyre_ir_store(p, s->control, vyre_ir_u32(p, VYRE_CONTROL_OBSERVABLES), sum);
}

static void missing_subgroup_operations_are_an_error(void)
{
    vyre_desc d = small_desc();
    d.no_probe = true;
    d.kernel.payload = payload_subgroup;
    mock.no_subgroups = true;
    refuse(&d, VYRE_E_VK_FEATURE);
}

int main(void)
{
    const uint64_t begin = now_ns();
    RUN(it_serves);
    RUN(the_probe_gives_its_verdict);
    RUN(without_a_probe_it_makes_passes);
    RUN(several_handles_live_side_by_side);
    RUN(a_job_costs_no_call);
    RUN(handles_are_opened_one_after_the_other);
    RUN(bytes_are_dispatched_in_place);
    RUN(an_endless_loop_is_a_fault);
    RUN(the_best_device_is_chosen);
    RUN(a_device_is_chosen_by_number_or_name);
    RUN(the_environment_chooses_when_the_desc_does_not);
    RUN(a_device_that_is_not_there_is_refused);
    RUN(a_compute_family_of_its_own_is_preferred);
    RUN(old_versions_are_refused);
    RUN(missing_functions_are_named);
    RUN(groups_shrink_to_the_device);
    RUN(limits_of_the_device_are_errors);
    RUN(memory_of_a_workgroup_is_held_against_the_device);
    RUN(it_works_without_timelines);
    RUN(it_works_without_fences_when_there_are_timelines);
    RUN(it_works_without_the_memory_model);
    RUN(it_works_without_debug_names);
    RUN(it_works_with_vulkan_1_1);
    RUN(it_works_without_anything_optional);
    RUN(polled_words_lie_where_they_are_polled);
    RUN(a_full_window_falls_back_to_host_memory);
    RUN(places_choose_the_memory);
    RUN(the_device_copies_what_the_host_reads_slowly);
    RUN(copies_have_a_queue_of_their_own);
    RUN(threads_of_a_copy_take_turns);
    RUN(a_copy_that_does_not_end_is_given_up);
    RUN(the_gpu_geometry_serves);
    RUN(missing_subgroup_operations_are_an_error);
    RUN(bring_your_own_instance);
    RUN(bring_your_own_device);
    RUN(half_of_a_device_is_refused);
    RUN(bring_your_own_allocator);
    RUN(the_systems_loader_is_found);
    RUN(the_pipeline_cache_is_kept);
    RUN(foreign_caches_are_not_fed_to_the_driver);
    printf("NOTE %.1f s\n", (double)(now_ns() - begin) * 1e-9);
    return test_end();
}

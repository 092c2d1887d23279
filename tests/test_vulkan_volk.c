/* A program that builds volk itself: the library starts from the program's
 * volk, and says so when volk finds no loader. */
#include "status_hook.h"
#include "driver.h"
#include "test.h"

#define VOLK_IMPLEMENTATION
#include <volk.h>

static bool hide_volk;

static uint32_t volk_version(void)
{
    return hide_volk ? 0 : volkGetInstanceVersion();
}

static VkResult volk_start(void)
{
    return hide_volk ? VK_ERROR_INITIALIZATION_FAILED : volkInitialize();
}

#define volkGetInstanceVersion volk_version
#define volkInitialize volk_start
#define VYRE_EXTERNAL_VOLK
#define VYRE_IMPLEMENTATION
#include "vyre.h"
#undef volkGetInstanceVersion
#undef volkInitialize

static vyre_error err;

static vyre_desc plain_desc(void)
{
    vyre_desc d;
    memset(&d, 0, sizeof d);
    memset(&err, 0, sizeof err);
    d.backend = VYRE_BACKEND_VULKAN;
    return d;
}

static void without_a_loader_there_is_a_status(void)
{
    vyre_desc d = plain_desc();
    hide_volk = true;
    CHECK(!vyre_open(&d, &err));
    CHECK_EQ(err.status, VYRE_E_VK_LOADER);
    CHECK(err.text[0] && err.fix[0]);
    hide_volk = false;
}

static void without_a_loader_auto_takes_the_cpu(void)
{
    vyre_desc d = plain_desc();
    d.backend = VYRE_BACKEND_AUTO;
    hide_volk = true;
    vyre *v = vyre_open(&d, &err);
    hide_volk = false;
    CHECK(v);
    vyre_info info;
    vyre_query(v, &info);
    vyre_close(v);
    CHECK_EQ(info.backend, VYRE_BACKEND_CPU);
    CHECK_TEXT(info.why_cpu, "no Vulkan loader was found on this system");
}

static void work_once(vyre *v)
{
    vyre_work w;
    vyre_ticket t;
    memset(&w, 0, sizeof w);
    w.opcode = VYRE_OP_ATOMIC_ADD;
    w.arg_count = 2;
    w.args[0] = 5;
    w.args[1] = VYRE_CONTROL_OBSERVABLES;
    CHECK_EQ(vyre_publish(v, &w, &t, &err), VYRE_OK);
    CHECK_EQ(vyre_wait(v, t, 10000000000u, &err), VYRE_OK);
}

/* With the program's own instance, device and prototypes beside it. */
static void the_programs_volk_serves(void)
{
    if (volkInitialize() != VK_SUCCESS)
        test_skip("no Vulkan loader");
    vyre_desc d = plain_desc();
    vyre *v = vyre_open(&d, &err);
    if (!v && err.status == VYRE_E_VK_DEVICE)
        test_skip("no Vulkan device");
    CHECK(v);
    work_once(v);
    CHECK_EQ(vyre_start(v, &err), VYRE_OK);
    work_once(v);
    uint32_t sum = 0;
    CHECK_EQ(vyre_observable(v, 0, &sum, &err), VYRE_OK);
    CHECK_EQ(sum, 10);
    CHECK(vkGetInstanceProcAddr != NULL); /* volk's own, still */
    vyre_close(v);
}

int main(void)
{
    RUN(without_a_loader_there_is_a_status);
    RUN(without_a_loader_auto_takes_the_cpu);
    RUN(the_programs_volk_serves);
    return test_end();
}

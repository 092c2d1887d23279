/* One dispatch of a program over buffers of the caller's: by the interpreter, and on the
 * Vulkan device that there is.  Binding k is buffers[k]. */
#ifndef DISPATCH_H
#define DISPATCH_H

#include "driver.h"
#include "test.h"
#include "vyre.h"

static vyre_error err;

static vyre_buffer buffer(vyre_program *p, uint32_t binding, vyre_type type)
{
    vyre_buffer_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.binding = binding;
    desc.type = type;
    return vyre_ir_buffer(p, &desc);
}

static void finish(vyre_program *p)
{
    if (vyre_program_finish(p, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", err.text);
}

#if defined(__GNUC__)
__attribute__((unused))
#endif
static void interpret(const vyre_program *p, uint32_t groups, void **buffers, const size_t *sizes,
                      uint32_t count)
{
    vyre_interp_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.groups[0] = groups;
    desc.buffers = buffers;
    desc.sizes = sizes;
    desc.buffer_count = count;
    if (vyre_interpret(p, &desc, &err) != VYRE_OK)
        test_fail(__FILE__, __LINE__, "%s", err.text);
}

/* On the device that there is; false without one. */
#if defined(__GNUC__)
__attribute__((unused))
#endif
static bool dispatch(const vyre_program *p, uint32_t groups, void **buffers, const size_t *sizes,
                     uint32_t count)
{
    static bool none;
    vyre_runner_desc desc;
    const uint32_t grid[3] = { groups, 1, 1 };
    memset(&desc, 0, sizeof desc);
    desc.backend = VYRE_BACKEND_VULKAN;
    desc.program = p;
    desc.sizes = sizes;
    desc.buffer_count = count;
    vyre_runner *r = none ? NULL : vyre_runner_open(&desc, &err);
    none = r == NULL;
    if (none)
        return false;
    for (uint32_t k = 0; k < count; k++)
        memcpy(vyre_runner_map(r, k, NULL), buffers[k], sizes[k]);
    if (vyre_runner_dispatch(r, grid, NULL, &err) != VYRE_OK)
        test_fail(__FILE__, __LINE__, "%s", err.text);
    for (uint32_t k = 0; k < count; k++)
        memcpy(buffers[k], vyre_runner_map(r, k, NULL), sizes[k]);
    vyre_runner_close(r);
    return true;
}

#endif

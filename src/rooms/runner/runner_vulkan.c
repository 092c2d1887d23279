/* ==========================================================================
 * runner: on Vulkan
 *
 * Private.  One pipeline, one set, and a chain of one launch.
 * ======================================================================= */
#include "rooms/runner/runner_impl.h"
#include "vulkan/vulkan_impl.h"

#ifndef VYRE_NO_RUNNER

#if VYI_VULKAN

#define VYI_RUNNER_LEAVE 1000000000u /* ns that close waits for what still runs */

typedef struct vyi_runner_vk {
    vyi_vk_context   c;
    vyi_vk_layout    layout;
    VkDescriptorPool pool;
    VkDescriptorSet  set;
    VkPipeline       pipeline;
    vyi_vk_chain     chain;
    vyi_vk_buffer    buffers[VYRE_MAX_BINDINGS];
} vyi_runner_vk;

/* Nothing may be in flight. */
static void vyi_runner_vk_free(vyre_runner *r)
{
    vyi_runner_vk *vk = (vyi_runner_vk *)r->device;
    vyi_vk_context *c = &vk->c;
    if (c->device) {
        vyi_vk_chain_destroy(c, &vk->chain);
        if (vk->pipeline)
            c->fn.vkDestroyPipeline(c->device, vk->pipeline, c->callbacks);
        if (vk->pool)
            c->fn.vkDestroyDescriptorPool(c->device, vk->pool, c->callbacks);
        vyi_vk_layout_destroy(c, &vk->layout);
        for (uint32_t i = 0; i < r->bound_count; i++)
            vyi_vk_buffer_destroy(c, &vk->buffers[i]);
    }
    vyi_vk_context_close(c);
    vyi_runner_unguard(r);
    vyi_free(&r->desc.allocator, vk, sizeof *vk);
    r->device = NULL;
}

static vyre_status vyi_runner_vk_fits(const vyre_runner *r, const vyi_vk_context *c,
                                      vyre_error *err)
{
    const VkPhysicalDeviceLimits *limits = &c->properties.limits;
    const uint32_t *size = r->desc.program->group_size;
    const uint64_t lanes = (uint64_t)size[0] * size[1] * size[2];
    bool fits = lanes <= limits->maxComputeWorkGroupInvocations;
    for (uint32_t axis = 0; axis < 3; axis++)
        fits = fits && size[axis] <= limits->maxComputeWorkGroupSize[axis];
    if (fits)
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_VK_LIMIT, lanes, "Use a smaller workgroup.",
                    "a workgroup of %u x %u x %u lanes; the device allows %u in all",
                    (unsigned)size[0], (unsigned)size[1], (unsigned)size[2],
                    (unsigned)limits->maxComputeWorkGroupInvocations);
}

static vyre_status vyi_runner_vk_buffers(vyre_runner *r, vyi_runner_vk *vk, vyre_error *err)
{
    vyre_status status = VYRE_OK;
    for (uint32_t i = 0; i < r->bound_count && status == VYRE_OK; i++) {
        vyi_runner_buffer *b = &r->buffers[i];
        const vyi_vk_place place =
            b->declared->access == VYRE_ACCESS_READ ? VYI_VK_DEVICE : VYI_VK_HOST;
        status = vyi_vk_buffer_create(&vk->c, &vk->buffers[i], place, (b->size + 3) & ~(size_t)3,
                                      b->declared->name, err);
        b->map = vk->buffers[i].mapped;
    }
    return status;
}

/* A last part of a word cannot be reached. */
static vyre_status vyi_runner_vk_set(vyre_runner *r, vyi_runner_vk *vk, vyre_error *err)
{
    vyi_vk_binding bindings[VYRE_MAX_BINDINGS];
    uint32_t numbers[VYRE_MAX_BINDINGS];
    for (uint32_t i = 0; i < r->bound_count; i++) {
        numbers[i] = bindings[i].binding = r->buffers[i].declared->binding;
        bindings[i].buffer = vk->buffers[i].buffer;
        bindings[i].size = r->buffers[i].size & ~(size_t)3;
    }
    vyre_status status = vyi_vk_layout_create(&vk->c, &vk->layout, numbers, r->bound_count, err);
    if (status == VYRE_OK)
        status = vyi_vk_pool_create(&vk->c, &vk->pool, 1, r->bound_count ? r->bound_count : 1,
                                    err);
    if (status == VYRE_OK)
        status = vyi_vk_set_create(&vk->c, vk->pool, &vk->layout, &vk->set, err);
    if (status == VYRE_OK)
        vyi_vk_set_write(&vk->c, vk->set, bindings, r->bound_count);
    return status;
}

/* What the driver does by itself is done before it, where it can be told. */
static uint32_t vyi_runner_vk_limit(const vyre_runner *r, const vyi_vk_context *c)
{
    const uint32_t wanted = r->desc.loop_limit;
    if (!c->features.llvmpipe || (wanted && wanted < VYI_VK_CPU_LOOP_LIMIT))
        return wanted;
    return VYI_VK_CPU_LOOP_LIMIT;
}

static vyre_status vyi_runner_vk_pipeline(vyre_runner *r, vyi_runner_vk *vk, vyre_error *err)
{
    vyi_vk_pipeline_desc pipeline;
    memset(&pipeline, 0, sizeof pipeline);
    pipeline.program = r->program;
    pipeline.layout = &vk->layout;
    pipeline.loop_limit = vyi_runner_vk_limit(r, &vk->c);
    pipeline.name = r->program->name;
    return vyi_vk_pipeline_create(&vk->c, &pipeline, &vk->pipeline, err);
}

static vyre_status vyi_runner_vk_steps(vyre_runner *r, vyi_runner_vk *vk, vyre_error *err)
{
    vyre_status status = vyi_vk_context_open(&vk->c, &r->engine, false, err);
    if (status == VYRE_OK)
        status = vyi_runner_vk_fits(r, &vk->c, err);
    if (status == VYRE_OK)
        status = vyi_runner_guard(r, vyi_runner_vk_limit(r, &vk->c), err);
    if (status == VYRE_OK)
        status = vyi_runner_vk_buffers(r, vk, err);
    if (status == VYRE_OK)
        status = vyi_runner_vk_set(r, vk, err);
    if (status == VYRE_OK)
        status = vyi_runner_vk_pipeline(r, vk, err);
    if (status == VYRE_OK)
        status = vyi_vk_chain_create(&vk->c, &vk->chain, 1, VYI_VK_PLAIN_KINDS, err);
    return status;
}

static vyre_status vyi_runner_vk_open(vyre_runner *r, vyre_error *err)
{
    r->device = vyi_alloc_zeroed(&r->desc.allocator, sizeof(vyi_runner_vk));
    if (!r->device)
        return vyi_fail_nomem(err, sizeof(vyi_runner_vk));
    const vyre_status status = vyi_runner_vk_steps(r, (vyi_runner_vk *)r->device, err);
    if (status < 0)
        vyi_runner_vk_free(r);
    return status;
}

static bool vyi_runner_vk_close(vyre_runner *r)
{
    vyi_runner_vk *vk = (vyi_runner_vk *)r->device;
    if (!vyi_vk_chain_idle(&vk->c, &vk->chain, VYI_RUNNER_LEAVE))
        return false;
    vyi_runner_vk_free(r);
    return true;
}

static vyre_status vyi_runner_vk_launch(vyre_runner *r, const uint32_t groups[3], vyre_error *err)
{
    vyi_runner_vk *vk = (vyi_runner_vk *)r->device;
    const uint32_t *most = vk->c.properties.limits.maxComputeWorkGroupCount;
    vyi_vk_dispatch dispatch;
    for (uint32_t axis = 0; axis < 3; axis++) {
        if (groups[axis] > most[axis])
            return vyi_fail(err, VYRE_E_VK_LIMIT, groups[axis], "Use fewer, larger workgroups.",
                            "%u workgroups along axis %u; the device allows %u",
                            (unsigned)groups[axis], (unsigned)axis, (unsigned)most[axis]);
    }
    memset(&dispatch, 0, sizeof dispatch);
    dispatch.pipeline = vk->pipeline;
    dispatch.layout = vk->layout.pipeline;
    dispatch.set = vk->set;
    dispatch.groups = groups[0];
    dispatch.rows = groups[1];
    dispatch.layers = groups[2];
    dispatch.rounds = r->desc.rounds;
    vyi_fence_stores();
    return vyi_vk_chain_launch(&vk->c, &vk->chain, 0, &dispatch, err);
}

static vyre_status vyi_runner_vk_wait(vyre_runner *r, uint64_t timeout_ns, vyre_error *err)
{
    vyi_runner_vk *vk = (vyi_runner_vk *)r->device;
    if (vk->chain.completed == vk->chain.launched)
        return VYRE_OK;
    const vyre_status status = vyi_vk_chain_reap(&vk->c, &vk->chain, vk->chain.launched - 1,
                                                 timeout_ns, err);
    if (status < 0)
        return status;
    return vk->chain.completed == vk->chain.launched ? VYRE_OK : VYRE_TIMEOUT;
}

static void vyi_runner_vk_info(const vyre_runner *r, vyre_info *out)
{
    const vyi_runner_vk *vk = (const vyi_runner_vk *)r->device;
    const VkPhysicalDeviceLimits *limits = &vk->c.properties.limits;
    out->backend = VYRE_BACKEND_VULKAN;
    snprintf(out->device, sizeof out->device, "%.127s", vk->c.properties.deviceName);
    snprintf(out->driver, sizeof out->driver, "%.127s", vk->c.driver);
    out->limits.max_workgroup_size = limits->maxComputeWorkGroupSize[0];
    out->limits.max_groups = limits->maxComputeWorkGroupCount[0];
    out->limits.max_invocations = limits->maxComputeWorkGroupInvocations;
    out->device_lost = vk->c.lost;
}

static const vyi_runner_backend vyi_runner_vk_backend = {
    vyi_runner_vk_open, vyi_runner_vk_close, vyi_runner_vk_launch, vyi_runner_vk_wait,
    vyi_runner_vk_info
};

VYI_API const vyi_runner_backend *vyi_runner_vulkan(void)
{
    return &vyi_runner_vk_backend;
}

#else

VYI_API const vyi_runner_backend *vyi_runner_vulkan(void)
{
    return NULL;
}

#endif

#endif /* VYRE_NO_RUNNER */

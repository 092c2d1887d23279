/* ==========================================================================
 * vulkan: the chain of launches
 *
 * Launches run one after another, in the order of their submission.  Each has
 * a link of the chain, with its own command buffers, that is used again when
 * the launch has ended; commands are recorded anew only when they change.
 *
 *     launched   3    submission n uses link n % count
 *     completed  1    and ends by signalling n + 1 on the timeline,
 *                     or the link's fence where there are no timelines
 *
 * Nothing here waits without a deadline.
 * ======================================================================= */
#include "vulkan/vulkan_impl.h"

#if VYI_VULKAN

/* --- making -------------------------------------------------------------- */

static vyre_status vyi_vk_timeline_create(vyi_vk_context *c, vyi_vk_chain *chain, vyre_error *err)
{
    VkSemaphoreTypeCreateInfo type;
    memset(&type, 0, sizeof type);
    type.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO;
    type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
    VkSemaphoreCreateInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO;
    info.pNext = &type;
    const vyre_status status =
        VYI_VKC(c, err, vkCreateSemaphore, (c->device, &info, c->callbacks, &chain->timeline));
    if (status < 0)
        chain->timeline = VK_NULL_HANDLE;
    else
        vyi_vk_name(c, VK_OBJECT_TYPE_SEMAPHORE, VYI_VK_HANDLE(chain->timeline), "launches");
    return status;
}

static vyre_status vyi_vk_fences_create(vyi_vk_context *c, vyi_vk_chain *chain, vyre_error *err)
{
    VkFenceCreateInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO;
    for (uint32_t i = 0; i < chain->count; i++) {
        VkFence *fence = &chain->links[i].fence;
        const vyre_status status =
            VYI_VKC(c, err, vkCreateFence, (c->device, &info, c->callbacks, fence));
        if (status < 0) {
            *fence = VK_NULL_HANDLE;
            return status;
        }
        vyi_vk_name(c, VK_OBJECT_TYPE_FENCE, VYI_VK_HANDLE(*fence), "launch");
    }
    return VYRE_OK;
}

VYI_API vyre_status vyi_vk_commands_create(vyi_vk_context *c, uint32_t family,
                                           VkCommandPool *pool, VkCommandBuffer *commands,
                                           vyre_error *err)
{
    VkCommandPoolCreateInfo create;
    memset(&create, 0, sizeof create);
    create.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
    create.queueFamilyIndex = family;
    const vyre_status status =
        VYI_VKC(c, err, vkCreateCommandPool, (c->device, &create, c->callbacks, pool));
    if (status < 0) {
        *pool = VK_NULL_HANDLE;
        return status;
    }
    VkCommandBufferAllocateInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
    info.commandPool = *pool;
    info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    info.commandBufferCount = 1;
    return VYI_VKC(c, err, vkAllocateCommandBuffers, (c->device, &info, commands));
}

static vyre_status vyi_vk_link_create(vyi_vk_context *c, vyi_vk_link *link, uint32_t kinds,
                                      vyre_error *err)
{
    vyre_status status = VYRE_OK;
    for (uint32_t kind = 0; kind < kinds && status == VYRE_OK; kind++)
        status = vyi_vk_commands_create(c, c->family, &link->pools[kind], &link->commands[kind],
                                        err);
    return status;
}

VYI_COLD
VYI_API vyre_status vyi_vk_chain_create(vyi_vk_context *c, vyi_vk_chain *chain, uint32_t count,
                                        uint32_t kinds, vyre_error *err)
{
    VYRE_ASSERT(count >= 1 && count <= VYI_VK_MAX_CHAIN && kinds <= VYI_VK_KINDS);
    memset(chain, 0, sizeof *chain);
    chain->count = count;
    chain->kinds = kinds;
    vyre_status status = c->features.timeline ? vyi_vk_timeline_create(c, chain, err)
                                              : vyi_vk_fences_create(c, chain, err);
    for (uint32_t i = 0; i < count && status == VYRE_OK; i++)
        status = vyi_vk_link_create(c, &chain->links[i], kinds, err);
    if (status < 0)
        vyi_vk_chain_destroy(c, chain);
    return status;
}

VYI_COLD
VYI_API void vyi_vk_chain_destroy(vyi_vk_context *c, vyi_vk_chain *chain)
{
    if (chain->timeline)
        c->fn.vkDestroySemaphore(c->device, chain->timeline, c->callbacks);
    for (uint32_t i = 0; i < chain->count; i++) {
        vyi_vk_link *link = &chain->links[i];
        if (link->fence)
            c->fn.vkDestroyFence(c->device, link->fence, c->callbacks);
        for (uint32_t kind = 0; kind < VYI_VK_KINDS; kind++)
            if (link->pools[kind]) /* frees its command buffer, too */
                c->fn.vkDestroyCommandPool(c->device, link->pools[kind], c->callbacks);
    }
    memset(chain, 0, sizeof *chain);
}

/* --- recording ----------------------------------------------------------- */

VYI_API void vyi_vk_chain_forget(vyi_vk_chain *chain, uint32_t kind)
{
    for (uint32_t i = 0; i < chain->count; i++)
        memset(&chain->links[i].recorded[kind], 0, sizeof chain->links[i].recorded[kind]);
}

/* Everything that launches and copies have written before is seen behind, by the
 * stage and access `to`. */
static void vyi_vk_barrier(vyi_vk_context *c, VkCommandBuffer commands, VkPipelineStageFlags to,
                           VkAccessFlags access)
{
    VkMemoryBarrier barrier;
    memset(&barrier, 0, sizeof barrier);
    barrier.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
    barrier.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
    barrier.dstAccessMask = access;
    c->fn.vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT |
                                             VK_PIPELINE_STAGE_TRANSFER_BIT,
                               to, 0, 1, &barrier, 0, NULL, 0, NULL);
}

/* The first barrier orders this launch behind those before it in the queue;
 * the second makes its writes visible to the host. */
static void vyi_vk_record_commands(vyi_vk_context *c, VkCommandBuffer commands,
                                   const vyi_vk_dispatch *d)
{
    vyi_vk_barrier(c, commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                   VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT);
    c->fn.vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, d->pipeline);
    c->fn.vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, d->layout, 0, 1,
                                  &d->set, 0, NULL);
    c->fn.vkCmdPushConstants(commands, d->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, 4, &d->rounds);
    c->fn.vkCmdDispatch(commands, d->groups, d->rows ? d->rows : 1, d->layers ? d->layers : 1);
    vyi_vk_barrier(c, commands, VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);
}

static vyre_status vyi_vk_record(vyi_vk_context *c, vyi_vk_link *link, uint32_t kind,
                                 const vyi_vk_dispatch *d, vyre_error *err)
{
    memset(&link->recorded[kind], 0, sizeof link->recorded[kind]);
    vyre_status status = VYI_VKC(c, err, vkResetCommandPool, (c->device, link->pools[kind], 0));
    if (status < 0)
        return status;
    VkCommandBufferBeginInfo begin;
    memset(&begin, 0, sizeof begin);
    begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
    status = VYI_VKC(c, err, vkBeginCommandBuffer, (link->commands[kind], &begin));
    if (status < 0)
        return status;
    vyi_vk_record_commands(c, link->commands[kind], d);
    status = VYI_VKC(c, err, vkEndCommandBuffer, (link->commands[kind]));
    if (status == VYRE_OK)
        link->recorded[kind] = *d;
    return status;
}

static bool vyi_vk_dispatch_equal(const vyi_vk_dispatch *a, const vyi_vk_dispatch *b)
{
    return a->pipeline == b->pipeline && a->layout == b->layout && a->set == b->set &&
           a->groups == b->groups && a->rounds == b->rounds && a->rows == b->rows &&
           a->layers == b->layers;
}

/* --- launching ----------------------------------------------------------- */

static vyre_status vyi_vk_link_submit(vyi_vk_context *c, vyi_vk_chain *chain,
                                      const vyi_vk_link *link, const VkCommandBuffer *commands,
                                      vyre_error *err)
{
    const uint64_t signal = chain->launched + 1;
    VkTimelineSemaphoreSubmitInfo timeline;
    memset(&timeline, 0, sizeof timeline);
    timeline.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO;
    timeline.signalSemaphoreValueCount = 1;
    timeline.pSignalSemaphoreValues = &signal;
    VkSubmitInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
    info.commandBufferCount = 1;
    info.pCommandBuffers = commands;
    if (chain->timeline) {
        info.pNext = &timeline;
        info.signalSemaphoreCount = 1;
        info.pSignalSemaphores = &chain->timeline;
    }
    return vyi_vk_submit(c, c->queue, &info, link->fence, err);
}

VYI_API vyre_status vyi_vk_chain_launch(vyi_vk_context *c, vyi_vk_chain *chain, uint32_t kind,
                                        const vyi_vk_dispatch *dispatch, vyre_error *err)
{
    vyi_vk_link *link = &chain->links[chain->launched % chain->count];
    VYRE_ASSERT(kind < chain->kinds);
    if (chain->launched - chain->completed >= chain->count)
        return vyi_fail(err, VYRE_E_LAUNCH, chain->launched, "Reap launches first.",
                        "%u launches are in flight, and there is room for no more", chain->count);

    vyre_status status = VYRE_OK;
    if (!vyi_vk_dispatch_equal(&link->recorded[kind], dispatch)) {
        status = vyi_vk_record(c, link, kind, dispatch, err);
        if (status < 0)
            return status;
    }
    if (link->fence && chain->launched >= chain->count)
        status = VYI_VKC(c, err, vkResetFences, (c->device, 1, &link->fence));
    if (status == VYRE_OK)
        status = vyi_vk_link_submit(c, chain, link, &link->commands[kind], err);
    if (status == VYRE_OK)
        chain->launched++;
    return status;
}

/* --- reaping ------------------------------------------------------------- */

static vyre_status vyi_vk_timeline_reap(vyi_vk_context *c, vyi_vk_chain *chain, uint64_t beyond,
                                        uint64_t timeout_ns, vyre_error *err)
{
    const uint64_t value = beyond + 1;
    VkSemaphoreWaitInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO;
    info.semaphoreCount = 1;
    info.pSemaphores = &chain->timeline;
    info.pValues = &value;
    if (timeout_ns > 0) {
        const VkResult result = c->fn.vkWaitSemaphores(c->device, &info, timeout_ns);
        if (result != VK_SUCCESS && result != VK_TIMEOUT)
            return vyi_vk_context_check(c, err, result, "vkWaitSemaphores");
    }
    uint64_t now = 0;
    const vyre_status status =
        VYI_VKC(c, err, vkGetSemaphoreCounterValue, (c->device, chain->timeline, &now));
    if (status == VYRE_OK && now > chain->completed && now <= chain->launched)
        chain->completed = now;
    return status;
}

/* Fences are signalled in the order of their submission, so the one of launch
 * `beyond` speaks for all before it. */
static vyre_status vyi_vk_fence_reap(vyi_vk_context *c, vyi_vk_chain *chain, uint64_t beyond,
                                     uint64_t timeout_ns, vyre_error *err)
{
    const VkFence fence = chain->links[beyond % chain->count].fence;
    const VkResult result =
        timeout_ns > 0 ? c->fn.vkWaitForFences(c->device, 1, &fence, VK_TRUE, timeout_ns)
                       : c->fn.vkGetFenceStatus(c->device, fence);
    if (result == VK_SUCCESS)
        chain->completed = beyond + 1;
    else if (result != VK_TIMEOUT && result != VK_NOT_READY)
        return vyi_vk_context_check(c, err, result,
                                    timeout_ns > 0 ? "vkWaitForFences" : "vkGetFenceStatus");
    return VYRE_OK;
}

/* A GPU that is nearly done is found out sooner by looking than by sleeping; a
 * device that is the CPU needs the time itself. */
#define VYI_VK_LOOKS 20000u /* ns */

static vyre_status vyi_vk_look(vyi_vk_context *c, vyi_vk_chain *chain, uint64_t beyond,
                               uint64_t timeout_ns, vyre_error *err)
{
    const uint64_t end = vyi_deadline(timeout_ns < VYI_VK_LOOKS ? timeout_ns : VYI_VK_LOOKS);
    vyre_status status = VYRE_OK;
    do {
        status = chain->timeline ? vyi_vk_timeline_reap(c, chain, beyond, 0, err)
                                 : vyi_vk_fence_reap(c, chain, beyond, 0, err);
    } while (status == VYRE_OK && chain->completed <= beyond && vyi_now() < end);
    return status;
}

VYI_API vyre_status vyi_vk_chain_reap(vyi_vk_context *c, vyi_vk_chain *chain, uint64_t beyond,
                                      uint64_t timeout_ns, vyre_error *err)
{
    if (beyond < chain->completed) {
        beyond = chain->completed;
        timeout_ns = 0;
    }
    if (beyond >= chain->launched) {
        if (chain->completed == chain->launched)
            return VYRE_OK;
        beyond = chain->launched - 1; /* no more can end than are in flight */
    }
    if (timeout_ns > 0 && c->properties.deviceType != VK_PHYSICAL_DEVICE_TYPE_CPU) {
        const vyre_status status = vyi_vk_look(c, chain, beyond, timeout_ns, err);
        if (status < 0 || chain->completed > beyond)
            return status;
    }
    return chain->timeline ? vyi_vk_timeline_reap(c, chain, beyond, timeout_ns, err)
                           : vyi_vk_fence_reap(c, chain, beyond, timeout_ns, err);
}

VYI_API bool vyi_vk_chain_idle(vyi_vk_context *c, vyi_vk_chain *chain, uint64_t timeout_ns)
{
    /* A call that fails says nothing about the launches, so it is made again. */
    for (int attempt = 0; attempt < 3; attempt++) {
        if (chain->completed == chain->launched || vyi_load_acquire(&c->lost))
            return true; /* a lost device has ended all its work */
        if (vyi_vk_chain_reap(c, chain, chain->launched - 1, timeout_ns, NULL) == VYRE_OK)
            break;
    }
    return chain->completed == chain->launched || vyi_load_acquire(&c->lost);
}

#endif /* VYI_VULKAN */

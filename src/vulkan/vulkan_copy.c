/* ==========================================================================
 * vulkan: copies into and out of buffers that the host does not reach fast
 *
 * Bytes go through stages, cached host memory of a fixed size: while the device
 * works on one, the host copies from or to the other.
 *
 *     write   host: bytes -> stage | device: stage -> buffer
 *     read    device: buffer -> stage | host: stage -> bytes
 *
 * The device's part runs in a queue of its own where there is one, beside a
 * running kernel; else behind the launches that are queued.
 *
 * What a copy wrote is there for works that are published afterwards: the host
 * waits for its fence, and only then publishes.
 * ======================================================================= */
#include "vulkan/vulkan_impl.h"

#if VYI_VULKAN

/* Of a stage.  Small enough to stay in a processor's cache between the two copies. */
#ifndef VYI_VK_STAGE_SIZE
    #define VYI_VK_STAGE_SIZE 0x100000u
#endif
#define VYI_VK_COPY_TIMEOUT 60000000000u /* where the desc says nothing */
#define VYI_VK_COPY_PATIENCE 1000000000u /* with a copy that was not to be seen to end */

/* One command. */
typedef struct vyi_vk_move {
    VkBuffer from, to; /* from null: zeros into all of `to` */
    VkBufferCopy region;
} vyi_vk_move;

/* --- stages -------------------------------------------------------------- */

VYI_COLD
VYI_API vyre_status vyi_vk_copier_create(vyi_vk_copier *p, vyre_error *err)
{
    memset(p, 0, sizeof *p);
    p->stages[VYI_VK_STAGES].whole = true;
    p->locks = vyi_mutex_init(&p->lock);
    return p->locks ? VYRE_OK
                    : vyi_fail(err, VYRE_E_THREAD, 0, "Free system resources.",
                               "the system gave no lock");
}

VYI_COLD
static void vyi_vk_stage_destroy(vyi_vk_context *c, vyi_vk_stage *s)
{
    if (s->fence)
        c->fn.vkDestroyFence(c->device, s->fence, c->callbacks);
    if (s->pool) /* frees its command buffer, too */
        c->fn.vkDestroyCommandPool(c->device, s->pool, c->callbacks);
    vyi_vk_buffer_destroy(c, &s->bytes);
    s->fence = VK_NULL_HANDLE;
    s->pool = VK_NULL_HANDLE;
    s->busy = false;
}

VYI_COLD
VYI_API void vyi_vk_copier_destroy(vyi_vk_context *c, vyi_vk_copier *p)
{
    for (uint32_t i = 0; i <= VYI_VK_STAGES; i++)
        vyi_vk_stage_destroy(c, &p->stages[i]);
    if (p->locks)
        vyi_mutex_free(&p->lock);
    memset(p, 0, sizeof *p);
}

VYI_COLD
static vyre_status vyi_vk_stage_create(vyi_vk_context *c, vyi_vk_stage *s, vyre_error *err)
{
    VkFenceCreateInfo fence;
    memset(&fence, 0, sizeof fence);
    fence.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO;
    const uint32_t family = s->whole ? c->family : c->copy_family;
    vyre_status status = vyi_vk_commands_create(c, family, &s->pool, &s->commands, err);
    if (status == VYRE_OK)
        status = VYI_VKC(c, err, vkCreateFence, (c->device, &fence, c->callbacks, &s->fence));
    if (status == VYRE_OK) {
        vyi_vk_name(c, VK_OBJECT_TYPE_FENCE, VYI_VK_HANDLE(s->fence), "copy");
        return VYRE_OK;
    }
    s->fence = VK_NULL_HANDLE;
    vyi_vk_stage_destroy(c, s);
    return status;
}

static uint64_t vyi_vk_copy_deadline(const vyi_vk_context *c)
{
    const uint64_t timeout = c->desc->run_timeout_ns;
    return vyi_deadline(timeout ? timeout : VYI_VK_COPY_TIMEOUT);
}

/* A copy that a GPU makes is seen to end sooner by looking than by sleeping. */
#define VYI_VK_COPY_LOOKS 100000u /* ns */

static VkResult vyi_vk_stage_look(vyi_vk_context *c, const vyi_vk_stage *s)
{
    const uint64_t end = vyi_deadline(VYI_VK_COPY_LOOKS);
    VkResult result = c->fn.vkGetFenceStatus(c->device, s->fence);
    if (c->properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU)
        return result;
    while (result == VK_NOT_READY && vyi_now() < end)
        result = c->fn.vkGetFenceStatus(c->device, s->fence);
    return result;
}

/* VYRE_OK: its copy has ended.  VYRE_TIMEOUT: not by the deadline. */
static vyre_status vyi_vk_stage_wait(vyi_vk_context *c, vyi_vk_stage *s, uint64_t deadline,
                                     vyre_error *err)
{
    if (!s->busy)
        return VYRE_OK;
    const char *call = "vkGetFenceStatus";
    VkResult result = vyi_vk_stage_look(c, s);
    if (result == VK_NOT_READY) {
        const uint64_t now = vyi_now();
        call = "vkWaitForFences";
        result = c->fn.vkWaitForFences(c->device, 1, &s->fence, VK_TRUE,
                                       now < deadline ? deadline - now : 0);
    }
    if (result == VK_TIMEOUT)
        return vyi_fail(err, VYRE_TIMEOUT, 0, "Stop the kernel, or set run_timeout_ns higher.",
                        "a copy on the device has not ended in time");
    const vyre_status status = vyi_vk_context_check(c, err, result, call);
    s->busy = status != VYRE_OK;
    return status;
}

VYI_COLD
VYI_API bool vyi_vk_copier_idle(vyi_vk_context *c, vyi_vk_copier *p, uint64_t timeout_ns)
{
    const uint64_t deadline = vyi_deadline(timeout_ns);
    bool idle = true;
    for (uint32_t i = 0; i <= VYI_VK_STAGES; i++) {
        /* A call that fails says nothing about the copy, so it is made again. */
        for (int attempt = 0; attempt < 3 && p->stages[i].busy; attempt++)
            (void)vyi_vk_stage_wait(c, &p->stages[i], deadline, NULL);
        idle = idle && !p->stages[i].busy;
    }
    return idle || vyi_load_acquire(&c->lost); /* a lost device has ended all its work */
}

/* --- one command --------------------------------------------------------- */

/* Orders a copy behind what the queue ran before, and the host behind it. */
static void vyi_vk_copy_barrier(vyi_vk_context *c, VkCommandBuffer commands,
                                VkPipelineStageFlags from, VkPipelineStageFlags to,
                                VkAccessFlags access)
{
    VkMemoryBarrier barrier;
    memset(&barrier, 0, sizeof barrier);
    barrier.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
    barrier.srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT;
    barrier.dstAccessMask = access;
    c->fn.vkCmdPipelineBarrier(commands, from, to, 0, 1, &barrier, 0, NULL, 0, NULL);
}

static void vyi_vk_move_record(vyi_vk_context *c, VkCommandBuffer commands, const vyi_vk_move *m)
{
    /* A queue that only copies has no stage but the one. */
    const VkPipelineStageFlags before =
        c->copy_family == c->family
            ? VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT
            : VK_PIPELINE_STAGE_TRANSFER_BIT;
    vyi_vk_copy_barrier(c, commands, before, VK_PIPELINE_STAGE_TRANSFER_BIT,
                        VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT);
    if (m->from)
        c->fn.vkCmdCopyBuffer(commands, m->from, m->to, 1, &m->region);
    else
        c->fn.vkCmdFillBuffer(commands, m->to, 0, VK_WHOLE_SIZE, 0);
    vyi_vk_copy_barrier(c, commands, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_HOST_BIT,
                        VK_ACCESS_HOST_READ_BIT);
}

/* The stage is not busy. */
static vyre_status vyi_vk_stage_submit(vyi_vk_context *c, vyi_vk_stage *s, const vyi_vk_move *m,
                                       vyre_error *err)
{
    VYRE_ASSERT(!s->busy);
    VkCommandBufferBeginInfo begin;
    memset(&begin, 0, sizeof begin);
    begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
    begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
    vyre_status status = VYRE_OK;
    if (!s->pool)
        status = vyi_vk_stage_create(c, s, err);
    if (status == VYRE_OK)
        status = VYI_VKC(c, err, vkResetCommandPool, (c->device, s->pool, 0));
    if (status == VYRE_OK)
        status = VYI_VKC(c, err, vkBeginCommandBuffer, (s->commands, &begin));
    if (status != VYRE_OK)
        return status;
    vyi_vk_move_record(c, s->commands, m);
    status = VYI_VKC(c, err, vkEndCommandBuffer, (s->commands));
    if (status == VYRE_OK)
        status = VYI_VKC(c, err, vkResetFences, (c->device, 1, &s->fence));
    if (status != VYRE_OK)
        return status;
    VkSubmitInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
    info.commandBufferCount = 1;
    info.pCommandBuffers = &s->commands;
    status = vyi_vk_submit(c, s->whole ? c->queue : c->copy_queue, &info, s->fence, err);
    s->busy = status == VYRE_OK;
    return status;
}

/* --- whole copies -------------------------------------------------------- */

/* Nothing of before is in flight, and the stages have their memory. */
static vyre_status vyi_vk_stages_ready(vyi_vk_context *c, vyi_vk_copier *p, size_t size,
                                       uint64_t deadline, vyre_error *err)
{
    vyre_status status = VYRE_OK;
    for (uint32_t i = 0; i < VYI_VK_STAGES && status == VYRE_OK; i++) {
        vyi_vk_stage *s = &p->stages[i];
        status = vyi_vk_stage_wait(c, s, deadline, err);
        if (status == VYRE_OK && !s->bytes.buffer && size > i * (size_t)VYI_VK_STAGE_SIZE)
            status = vyi_vk_buffer_create(c, &s->bytes, VYI_VK_HOST, VYI_VK_STAGE_SIZE, "stage",
                                          err);
    }
    return status;
}

/* The n-th part of a copy. */
static vyi_vk_move vyi_vk_part(const vyi_vk_stage *s, const vyi_vk_buffer *b, const vyi_copy *copy,
                               size_t done)
{
    const size_t left = copy->size - done;
    vyi_vk_move m;
    m.from = copy->bytes_in ? s->bytes.buffer : b->buffer;
    m.to = copy->bytes_in ? b->buffer : s->bytes.buffer;
    m.region.size = left < VYI_VK_STAGE_SIZE ? left : VYI_VK_STAGE_SIZE;
    m.region.srcOffset = copy->bytes_in ? 0 : copy->offset + done;
    m.region.dstOffset = copy->bytes_in ? copy->offset + done : 0;
    return m;
}

static vyre_status vyi_vk_bytes_in(vyi_vk_context *c, vyi_vk_copier *p, const vyi_vk_buffer *b,
                                   const vyi_copy *copy, uint64_t deadline, vyre_error *err)
{
    const uint8_t *bytes = (const uint8_t *)copy->bytes_in;
    vyre_status status = VYRE_OK;
    uint32_t turn = 0;
    for (size_t done = 0; done < copy->size && status == VYRE_OK; turn++) {
        vyi_vk_stage *s = &p->stages[turn % VYI_VK_STAGES];
        const vyi_vk_move m = vyi_vk_part(s, b, copy, done);
        status = vyi_vk_stage_wait(c, s, deadline, err);
        if (status != VYRE_OK)
            break;
        memcpy(s->bytes.mapped, bytes + done, (size_t)m.region.size);
        status = vyi_vk_stage_submit(c, s, &m, err);
        done += (size_t)m.region.size;
    }
    for (uint32_t i = 0; i < VYI_VK_STAGES && status == VYRE_OK; i++)
        status = vyi_vk_stage_wait(c, &p->stages[i], deadline, err);
    return status;
}

static vyre_status vyi_vk_bytes_out(vyi_vk_context *c, vyi_vk_copier *p, const vyi_vk_buffer *b,
                                    const vyi_copy *copy, uint64_t deadline, vyre_error *err)
{
    uint8_t *bytes = (uint8_t *)copy->bytes_out;
    vyre_status status = VYRE_OK;
    size_t asked = 0, done = 0;
    for (uint32_t turn = 0; done < copy->size && status == VYRE_OK; turn++) {
        while (asked < copy->size && asked / VYI_VK_STAGE_SIZE < turn + VYI_VK_STAGES &&
               status == VYRE_OK) {
            vyi_vk_stage *s = &p->stages[asked / VYI_VK_STAGE_SIZE % VYI_VK_STAGES];
            const vyi_vk_move m = vyi_vk_part(s, b, copy, asked);
            status = vyi_vk_stage_submit(c, s, &m, err);
            asked += (size_t)m.region.size;
        }
        vyi_vk_stage *s = &p->stages[turn % VYI_VK_STAGES];
        if (status == VYRE_OK)
            status = vyi_vk_stage_wait(c, s, deadline, err);
        if (status != VYRE_OK)
            break;
        const size_t size = (size_t)vyi_vk_part(s, b, copy, done).region.size;
        memcpy(bytes + done, s->bytes.mapped, size);
        done += size;
    }
    return status;
}

VYI_API vyre_status vyi_vk_copy_bytes(vyi_vk_context *c, vyi_vk_copier *p,
                                      const vyi_vk_buffer *b, const vyi_copy *copy,
                                      vyre_error *err)
{
    const uint64_t deadline = vyi_vk_copy_deadline(c);
    vyi_mutex_lock(&p->lock);
    vyre_status status = vyi_vk_stages_ready(c, p, copy->size, deadline, err);
    if (status == VYRE_OK)
        status = copy->bytes_in ? vyi_vk_bytes_in(c, p, b, copy, deadline, err)
                                : vyi_vk_bytes_out(c, p, b, copy, deadline, err);
    vyi_mutex_unlock(&p->lock);
    return status;
}

/* Both buffers may go after a failure, unless the device hangs. */
VYI_COLD
VYI_API vyre_status vyi_vk_copy_buffer(vyi_vk_context *c, vyi_vk_copier *p,
                                       const vyi_vk_buffer *from, const vyi_vk_buffer *to,
                                       size_t size, vyre_error *err)
{
    const uint64_t deadline = vyi_vk_copy_deadline(c);
    vyi_vk_stage *s = &p->stages[VYI_VK_STAGES];
    vyi_vk_move m;
    memset(&m, 0, sizeof m);
    m.from = from ? from->buffer : VK_NULL_HANDLE;
    m.to = to->buffer;
    m.region.size = size;
    vyi_mutex_lock(&p->lock);
    vyre_status status = VYRE_OK;
    for (uint32_t i = 0; i <= VYI_VK_STAGES && status == VYRE_OK; i++)
        status = vyi_vk_stage_wait(c, &p->stages[i], deadline, err);
    if (status == VYRE_OK) {
        status = vyi_vk_stage_submit(c, s, &m, err);
        if (status == VYRE_OK)
            status = vyi_vk_stage_wait(c, s, deadline, err);
        if (s->busy && !vyi_vk_copier_idle(c, p, VYI_VK_COPY_PATIENCE))
            c->hung = true;
    }
    vyi_mutex_unlock(&p->lock);
    return status;
}

#endif /* VYI_VULKAN */

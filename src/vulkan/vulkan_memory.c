/* ==========================================================================
 * vulkan: buffers in the memory where they are polled
 *
 * Whoever polls a word must be near it.  A discrete device keeps plain host
 * memory in its cache and never looks again, and a host that reads device
 * memory waits for the bus.  So the buffers that the device polls lie in
 * device memory that the host can write, and those that the host polls lie in
 * cached host memory.  Every device has a type that is visible to the host and
 * coherent, and every buffer fits it (Vulkan 1.3, 11.6): the last row of each
 * list is always found, and nothing ever needs flushing.  What only the device
 * uses keeps away from the host's window, and is copied to and from.
 * ======================================================================= */
#include "vulkan/vulkan_impl.h"

#if VYI_VULKAN

#define VYI_VK_COHERENT                                                                            \
    (VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT)
/* Memory of these types has rules of its own. */
#define VYI_VK_SPECIAL                                                                             \
    (VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT | VK_MEMORY_PROPERTY_PROTECTED_BIT |                  \
     VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD | VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD)

typedef struct vyi_vk_wish {
    VkMemoryPropertyFlags with, without;
} vyi_vk_wish;

#define VYI_VK_WISHES 3u

/* The best first. */
static const vyi_vk_wish vyi_vk_wishes[VYI_VK_PLACES][VYI_VK_WISHES] = {
    { { VYI_VK_COHERENT | VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 0 },
      { VYI_VK_COHERENT, VK_MEMORY_PROPERTY_HOST_CACHED_BIT },
      { VYI_VK_COHERENT, 0 } },
    { { VYI_VK_COHERENT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT },
      { VYI_VK_COHERENT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT, 0 },
      { VYI_VK_COHERENT, 0 } },
    { { VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT },
      { VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 0 },
      { 0, 0 } },
};

/* The first of the allowed types that grants the wish, or UINT32_MAX. */
static uint32_t vyi_vk_type_find(const vyi_vk_context *c, const vyi_vk_wish *wish,
                                 uint32_t allowed)
{
    for (uint32_t i = 0; i < c->memory.memoryTypeCount; i++) {
        const VkMemoryPropertyFlags flags = c->memory.memoryTypes[i].propertyFlags;
        if ((allowed >> i & 1u) && (flags & wish->with) == wish->with &&
            !(flags & (wish->without | VYI_VK_SPECIAL)))
            return i;
    }
    return UINT32_MAX;
}

static VkResult vyi_vk_allocate(vyi_vk_context *c, vyi_vk_buffer *b, VkDeviceSize size,
                                uint32_t type)
{
    VkMemoryAllocateInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    info.allocationSize = size;
    info.memoryTypeIndex = type;
    const VkResult result = c->fn.vkAllocateMemory(c->device, &info, c->callbacks, &b->memory);
    if (result == VK_SUCCESS) {
        b->type = type;
        b->flags = c->memory.memoryTypes[type].propertyFlags;
    } else {
        b->memory = VK_NULL_HANDLE;
    }
    return result;
}

/* The window on device memory may be small (256 MiB without resizable BAR):
 * where one type is full, the next one has to do. */
static vyre_status vyi_vk_place_memory(vyi_vk_context *c, vyi_vk_buffer *b, vyre_error *err)
{
    VkMemoryRequirements need;
    VkResult result = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    c->fn.vkGetBufferMemoryRequirements(c->device, b->buffer, &need);
    uint32_t allowed = need.memoryTypeBits;
    for (uint32_t w = 0; w < VYI_VK_WISHES; w++) {
        const vyi_vk_wish *wish = &vyi_vk_wishes[b->place][w];
        for (uint32_t type = vyi_vk_type_find(c, wish, allowed); type != UINT32_MAX;
             type = vyi_vk_type_find(c, wish, allowed)) {
            result = vyi_vk_allocate(c, b, need.size, type);
            if (result != VK_ERROR_OUT_OF_DEVICE_MEMORY)
                return vyi_vk_context_check(c, err, result, "vkAllocateMemory");
            allowed &= ~(1u << type);
        }
    }
    return vyi_vk_context_check(c, err, result, "vkAllocateMemory");
}

static vyre_status vyi_vk_buffer_steps(vyi_vk_context *c, vyi_vk_buffer *b, vyre_error *err)
{
    const uint32_t families[2] = { c->family, c->copy_family };
    VkBufferCreateInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    info.size = b->size;
    info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                 VK_BUFFER_USAGE_TRANSFER_DST_BIT;
    info.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
    if (families[0] != families[1]) {
        info.sharingMode = VK_SHARING_MODE_CONCURRENT;
        info.queueFamilyIndexCount = 2;
        info.pQueueFamilyIndices = families;
    }
    vyre_status status = VYI_VKC(c, err, vkCreateBuffer,
                                 (c->device, &info, c->callbacks, &b->buffer));
    if (status < 0) {
        b->buffer = VK_NULL_HANDLE;
        return status;
    }
    status = vyi_vk_place_memory(c, b, err);
    if (status == VYRE_OK)
        status = VYI_VKC(c, err, vkBindBufferMemory, (c->device, b->buffer, b->memory, 0));
    if (status == VYRE_OK && b->place != VYI_VK_LOCAL)
        status = VYI_VKC(c, err, vkMapMemory,
                         (c->device, b->memory, 0, VK_WHOLE_SIZE, 0, &b->mapped));
    return status;
}

static vyre_status vyi_vk_size_check(const vyi_vk_context *c, size_t size, const char *name,
                                     vyre_error *err)
{
    const uint32_t most = c->properties.limits.maxStorageBufferRange;
    if (size > most)
        return vyi_fail(err, VYRE_E_VK_LIMIT, size, "Use fewer slots or a smaller buffer.",
                        "the %.40s buffer has %llu bytes, and the device allows %lu", name,
                        (unsigned long long)size, (unsigned long)most);
    return VYRE_OK;
}

VYI_COLD
VYI_API vyre_status vyi_vk_buffer_create(vyi_vk_context *c, vyi_vk_buffer *b, vyi_vk_place place,
                                         size_t size, const char *name, vyre_error *err)
{
    memset(b, 0, sizeof *b);
    vyre_status status = vyi_vk_size_check(c, size, name, err);
    if (status != VYRE_OK)
        return status;
    b->size = size;
    b->place = place;
    status = vyi_vk_buffer_steps(c, b, err);
    if (status < 0) {
        vyi_vk_buffer_destroy(c, b);
        return status;
    }
    if (b->mapped)
        memset(b->mapped, 0, size);
    vyi_vk_name(c, VK_OBJECT_TYPE_BUFFER, VYI_VK_HANDLE(b->buffer), name);
    vyi_vk_name(c, VK_OBJECT_TYPE_DEVICE_MEMORY, VYI_VK_HANDLE(b->memory), name);
    return VYRE_OK;
}

VYI_COLD
VYI_API vyre_status vyi_vk_buffer_lend(vyi_vk_context *c, vyi_vk_buffer *b, VkBuffer lent,
                                       size_t size, const char *name, vyre_error *err)
{
    const vyre_status status = vyi_vk_size_check(c, size, name, err);
    memset(b, 0, sizeof *b);
    if (status != VYRE_OK)
        return status;
    b->buffer = lent;
    b->lent = true;
    b->size = size;
    b->place = VYI_VK_LOCAL;
    return VYRE_OK;
}

VYI_COLD
VYI_API void vyi_vk_buffer_destroy(vyi_vk_context *c, vyi_vk_buffer *b)
{
    if (b->buffer && !b->lent)
        c->fn.vkDestroyBuffer(c->device, b->buffer, c->callbacks);
    if (b->memory)
        c->fn.vkFreeMemory(c->device, b->memory, c->callbacks); /* unmaps, too */
    memset(b, 0, sizeof *b);
}

#endif /* VYI_VULKAN */

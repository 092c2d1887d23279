/* Bring your own device and buffers: works paint a picture that the program's own
 * commands show, and no pixel passes through the host in between.
 *
 *     device
 *
 * The program makes instance, device, queue and two buffers as it would for itself,
 * and lends them to vyre.  It goes on using the queue, under a lock that both take:
 * its commands fill the one buffer before the works, and make an image of the other
 * after them. */
#define _GNU_SOURCE
#define VOLK_IMPLEMENTATION
#include <volk.h>

#define VYRE_EXTERNAL_VOLK /* this program builds volk; vyre uses its loader */
#define VYRE_VULKAN_TYPES
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIDE   64u
#define PIXELS (SIDE * SIDE)
#define BYTES  (4u * PIXELS)
#define PAINT  0x1000u

#define TRY(call) \
    do if ((call) != VK_SUCCESS) fprintf(stderr, "device: %s fails\n", #call), exit(1); while (0)
/* Declares `name` with its sType and the members that follow. */
#define INFO(type, id, name, ...) \
    Vk##type name = { .sType = VK_STRUCTURE_TYPE_##id, __VA_ARGS__ }

typedef struct gpu {
    VkInstance       instance;
    VkPhysicalDevice physical;
    VkDevice         device;
    VkQueue          queue;
    uint32_t         family;
    VkCommandPool    pool;
    pthread_mutex_t  lock;
} gpu;

static void lock_queue(void *user)
{
    pthread_mutex_lock(&((gpu *)user)->lock);
}

static void unlock_queue(void *user)
{
    pthread_mutex_unlock(&((gpu *)user)->lock);
}

/* --- the program's Vulkan -------------------------------------------------- */

/* The first device with a compute queue. */
static bool make_gpu(gpu *g)
{
    const float priority = 1.0f;
    VkQueueFamilyProperties families[16];
    uint32_t devices = 1, count = 0;
    INFO(ApplicationInfo, APPLICATION_INFO, app, .apiVersion = VK_API_VERSION_1_1);
    INFO(InstanceCreateInfo, INSTANCE_CREATE_INFO, instance, .pApplicationInfo = &app);
    if (volkInitialize() != VK_SUCCESS ||
        vkCreateInstance(&instance, NULL, &g->instance) != VK_SUCCESS)
        return false;
    volkLoadInstance(g->instance);
    if (vkEnumeratePhysicalDevices(g->instance, &devices, &g->physical) < 0 || devices == 0)
        return false;
    vkGetPhysicalDeviceQueueFamilyProperties(g->physical, &count, NULL);
    count = count < 16 ? count : 16;
    vkGetPhysicalDeviceQueueFamilyProperties(g->physical, &count, families);
    while (g->family < count && !(families[g->family].queueFlags & VK_QUEUE_COMPUTE_BIT))
        g->family++;
    INFO(DeviceQueueCreateInfo, DEVICE_QUEUE_CREATE_INFO, queue, .queueFamilyIndex = g->family,
         .queueCount = 1, .pQueuePriorities = &priority);
    INFO(DeviceCreateInfo, DEVICE_CREATE_INFO, device, .queueCreateInfoCount = 1,
         .pQueueCreateInfos = &queue);
    if (g->family == count ||
        vkCreateDevice(g->physical, &device, NULL, &g->device) != VK_SUCCESS)
        return false;
    volkLoadDevice(g->device);
    vkGetDeviceQueue(g->device, g->family, 0, &g->queue);
    INFO(CommandPoolCreateInfo, COMMAND_POOL_CREATE_INFO, pool, .queueFamilyIndex = g->family);
    TRY(vkCreateCommandPool(g->device, &pool, NULL, &g->pool));
    return pthread_mutex_init(&g->lock, NULL) == 0;
}

static VkDeviceMemory make_memory(gpu *g, VkMemoryRequirements need, VkMemoryPropertyFlags wanted)
{
    VkPhysicalDeviceMemoryProperties types;
    VkDeviceMemory memory;
    INFO(MemoryAllocateInfo, MEMORY_ALLOCATE_INFO, info, .allocationSize = need.size);
    vkGetPhysicalDeviceMemoryProperties(g->physical, &types);
    while (!(need.memoryTypeBits >> info.memoryTypeIndex & 1) ||
           (types.memoryTypes[info.memoryTypeIndex].propertyFlags & wanted) != wanted)
        info.memoryTypeIndex++;
    TRY(vkAllocateMemory(g->device, &info, NULL, &memory));
    return memory;
}

static VkBuffer make_buffer(gpu *g, VkBufferUsageFlags usage, VkMemoryPropertyFlags wanted,
                            VkDeviceMemory *memory)
{
    VkMemoryRequirements need;
    VkBuffer buffer;
    INFO(BufferCreateInfo, BUFFER_CREATE_INFO, info, .size = BYTES, .usage = usage);
    TRY(vkCreateBuffer(g->device, &info, NULL, &buffer));
    vkGetBufferMemoryRequirements(g->device, buffer, &need);
    *memory = make_memory(g, need, wanted);
    TRY(vkBindBufferMemory(g->device, buffer, *memory, 0));
    return buffer;
}

static VkImage make_image(gpu *g, VkDeviceMemory *memory)
{
    VkMemoryRequirements need;
    VkImage image;
    INFO(ImageCreateInfo, IMAGE_CREATE_INFO, info, .imageType = VK_IMAGE_TYPE_2D,
         .format = VK_FORMAT_R8G8B8A8_UNORM, .extent = { SIDE, SIDE, 1 }, .mipLevels = 1,
         .arrayLayers = 1, .samples = VK_SAMPLE_COUNT_1_BIT,
         .usage = VK_IMAGE_USAGE_TRANSFER_DST_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT);
    TRY(vkCreateImage(g->device, &info, NULL, &image));
    vkGetImageMemoryRequirements(g->device, image, &need);
    *memory = make_memory(g, need, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
    TRY(vkBindImageMemory(g->device, image, *memory, 0));
    return image;
}

static VkCommandBuffer begin_commands(gpu *g)
{
    VkCommandBuffer commands;
    INFO(CommandBufferAllocateInfo, COMMAND_BUFFER_ALLOCATE_INFO, info, .commandPool = g->pool,
         .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY, .commandBufferCount = 1);
    INFO(CommandBufferBeginInfo, COMMAND_BUFFER_BEGIN_INFO, begin,
         .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT);
    TRY(vkAllocateCommandBuffers(g->device, &info, &commands));
    TRY(vkBeginCommandBuffer(commands, &begin));
    return commands;
}

/* Submits, beside what vyre submits, and waits. */
static void run_commands(gpu *g, VkCommandBuffer commands)
{
    VkFence fence;
    INFO(FenceCreateInfo, FENCE_CREATE_INFO, info, .flags = 0);
    INFO(SubmitInfo, SUBMIT_INFO, submit, .commandBufferCount = 1, .pCommandBuffers = &commands);
    TRY(vkEndCommandBuffer(commands));
    TRY(vkCreateFence(g->device, &info, NULL, &fence));
    lock_queue(g);
    TRY(vkQueueSubmit(g->queue, 1, &submit, fence));
    unlock_queue(g);
    TRY(vkWaitForFences(g->device, 1, &fence, VK_TRUE, 10000000000u));
    vkDestroyFence(g->device, fence, NULL);
}

/* --- before and after the works --------------------------------------------- */

/* The works' reads come after it: shader reads of a compute shader. */
static void fill(gpu *g, VkBuffer buffer, uint32_t word)
{
    VkCommandBuffer commands = begin_commands(g);
    INFO(MemoryBarrier, MEMORY_BARRIER, filled, .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
         .dstAccessMask = VK_ACCESS_SHADER_READ_BIT);
    vkCmdFillBuffer(commands, buffer, 0, BYTES, word);
    vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
                         VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1, &filled, 0, NULL, 0, NULL);
    run_commands(g, commands);
}

static void turn_image(VkCommandBuffer commands, VkImage image, VkImageLayout from, VkImageLayout to,
                       VkAccessFlags before, VkAccessFlags after)
{
    INFO(ImageMemoryBarrier, IMAGE_MEMORY_BARRIER, turn, .srcAccessMask = before,
         .dstAccessMask = after, .oldLayout = from, .newLayout = to,
         .srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
         .dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED, .image = image,
         .subresourceRange = { VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1 });
    vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_TRANSFER_BIT,
                         0, 0, NULL, 0, NULL, 1, &turn);
}

/* The picture as an image, and the image where the host can check it. */
static void show(gpu *g, VkBuffer picture, VkImage image, VkBuffer screen)
{
    VkCommandBuffer commands = begin_commands(g);
    const VkBufferImageCopy all = { .imageSubresource = { VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1 },
                                    .imageExtent = { SIDE, SIDE, 1 } };
    INFO(MemoryBarrier, MEMORY_BARRIER, painted, .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
         .dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT);
    INFO(MemoryBarrier, MEMORY_BARRIER, shown, .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
         .dstAccessMask = VK_ACCESS_HOST_READ_BIT);
    /* What the works have written: a compute shader wrote it, earlier in this queue. */
    vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                         VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 1, &painted, 0, NULL, 0, NULL);
    turn_image(commands, image, VK_IMAGE_LAYOUT_UNDEFINED, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, 0,
               VK_ACCESS_TRANSFER_WRITE_BIT);
    vkCmdCopyBufferToImage(commands, picture, image, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, 1, &all);
    turn_image(commands, image, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL,
               VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, VK_ACCESS_TRANSFER_WRITE_BIT,
               VK_ACCESS_TRANSFER_READ_BIT);
    vkCmdCopyImageToBuffer(commands, image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, screen, 1, &all);
    vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 1,
                         &shown, 0, NULL, 0, NULL);
    run_commands(g, commands);
}

static vyre *open_handle(gpu *g, VkBuffer colour, VkBuffer picture, vyre_error *err)
{
    static const vyre_handler paint = {
        .opcode = PAINT, .name = "paint", .width = VYRE_WIDTH_RANGE,
        .source = "picture[index] = colour[index] + index / 64u * 256u + index % 64u;"
    };
    static const vyre_buffer_desc buffers[] = {
        { .name = "colour", .binding = 4, .type = VYRE_TYPE_U32, .count = PIXELS },
        { .name = "picture", .binding = 5, .type = VYRE_TYPE_U32,
          .access = VYRE_ACCESS_READ_WRITE, .count = PIXELS }
    };
    void *const lent[] = { vyre_vulkan_buffer(colour), vyre_vulkan_buffer(picture) };
    vyre_desc desc = { .backend = VYRE_BACKEND_VULKAN };
    desc.kernel.handlers = &paint;
    desc.kernel.handler_count = 1;
    desc.kernel.buffers = buffers;
    desc.kernel.buffer_count = 2;
    desc.vulkan_buffers = lent;
    vyre_vulkan_use(&desc.vulkan, g->instance, g->physical, g->device, g->queue, g->family);
    desc.vulkan.queue_lock = lock_queue;
    desc.vulkan.queue_unlock = unlock_queue;
    desc.vulkan.queue_user = g;
    return vyre_open(&desc, err);
}

int main(void)
{
    static gpu g;
    if (!make_gpu(&g)) {
        puts("device: no Vulkan device");
        return 77;
    }
    VkDeviceMemory memory[4];
    const VkBufferUsageFlags storage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT;
    VkBuffer colour = make_buffer(&g, storage | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                                  VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, &memory[0]);
    VkBuffer picture = make_buffer(&g, storage | VK_BUFFER_USAGE_TRANSFER_SRC_BIT,
                                   VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, &memory[1]);
    VkBuffer screen = make_buffer(&g, VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                                  VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                      VK_MEMORY_PROPERTY_HOST_COHERENT_BIT, &memory[2]);
    VkImage image = make_image(&g, &memory[3]);

    vyre_error err;
    const vyre_work work = { .opcode = PAINT, .arg_count = 2, .args = { 0, PIXELS } };
    vyre_ticket t;
    vyre *v = open_handle(&g, colour, picture, &err);
    fill(&g, colour, 0xff400000);
    if (!v || vyre_start(v, &err) != VYRE_OK || vyre_publish(v, &work, &t, &err) != VYRE_OK ||
        vyre_wait(v, t, VYRE_FOREVER, &err) != VYRE_OK) {
        fprintf(stderr, "device: %s\n%s\n", err.text, err.fix);
        return 1;
    }
    show(&g, picture, image, screen); /* the kernel may still run */
    void *shown;
    uint32_t wrong = 0;
    TRY(vkMapMemory(g.device, memory[2], 0, VK_WHOLE_SIZE, 0, &shown));
    for (uint32_t i = 0; i < PIXELS; i++)
        wrong += ((const uint32_t *)shown)[i] != 0xff400000 + i / SIDE * 256 + i % SIDE;
    printf("device: a picture of %u x %u, painted by works, shown by our own commands, %u wrong\n",
           SIDE, SIDE, wrong);

    vyre_close(v); /* leaves device and buffers to whoever made them */
    vkDestroyImage(g.device, image, NULL);
    vkDestroyBuffer(g.device, colour, NULL);
    vkDestroyBuffer(g.device, picture, NULL);
    vkDestroyBuffer(g.device, screen, NULL);
    for (int i = 0; i < 4; i++)
        vkFreeMemory(g.device, memory[i], NULL);
    vkDestroyCommandPool(g.device, g.pool, NULL);
    vkDestroyDevice(g.device, NULL);
    vkDestroyInstance(g.instance, NULL);
    return wrong != 0;
}

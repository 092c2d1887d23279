/* The stock kernel as SPIR-V in a bare Vulkan program: no vyre.h, no engine.
 *
 *     stock
 *
 * One buffer holds control, ring, log and io.  Thirty-two slots are published by
 * writing their words; one dispatch of vyre_spirv_direct_once serves them. */
#define VOLK_IMPLEMENTATION
#include <volk.h>

#include "vyre_spirv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 32, LANES = 8, BYTES = 6656 };
/* Where each of the four begins, in bytes, and its size; 256 suits every device. */
static const VkDeviceSize ranges[4][2] = {
    { 0, 224 * 4 }, { 1024, SLOTS * 64 }, { 3072, 257 * 4 }, { 4608, 64 * 32 }
};

static void check(VkResult result, const char *what)
{
    if (result == VK_SUCCESS)
        return;
    fprintf(stderr, "stock: %s: VkResult %d\n", what, (int)result);
    exit(1);
}
#define TRY(call) check(call, #call)
/* Declares `name` with its sType and the members that follow. */
#define INFO(type, id, name, ...) \
    Vk##type name = { .sType = VK_STRUCTURE_TYPE_##id, __VA_ARGS__ }

static VkPhysicalDevice physical;
static VkDevice device;
static VkQueue queue;
static uint32_t family;
static VkPipelineLayout layout;
static VkDescriptorSet set;

static void make_device(void)
{
    const float priority = 1.0f;
    VkQueueFamilyProperties families[16];
    VkInstance instance;
    uint32_t devices = 1, count = 16;
    INFO(ApplicationInfo, APPLICATION_INFO, app, .apiVersion = VK_API_VERSION_1_1);
    INFO(InstanceCreateInfo, INSTANCE_CREATE_INFO, info, .pApplicationInfo = &app);
    TRY(volkInitialize());
    TRY(vkCreateInstance(&info, NULL, &instance));
    volkLoadInstance(instance);
    if (vkEnumeratePhysicalDevices(instance, &devices, &physical) < 0 || devices == 0)
        check(VK_ERROR_INCOMPATIBLE_DRIVER, "no device");
    vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, families);
    while (family + 1 < count && !(families[family].queueFlags & VK_QUEUE_COMPUTE_BIT))
        family++;
    INFO(DeviceQueueCreateInfo, DEVICE_QUEUE_CREATE_INFO, queues, .queueFamilyIndex = family,
         .queueCount = 1, .pQueuePriorities = &priority);
    INFO(DeviceCreateInfo, DEVICE_CREATE_INFO, create, .queueCreateInfoCount = 1,
         .pQueueCreateInfos = &queues);
    TRY(vkCreateDevice(physical, &create, NULL, &device));
    vkGetDeviceQueue(device, family, 0, &queue);
}

/* Host-visible and coherent: every device has such memory. */
static uint32_t *make_buffer(VkBuffer *buffer)
{
    const VkMemoryPropertyFlags wanted = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                         VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    VkMemoryRequirements need;
    VkPhysicalDeviceMemoryProperties types;
    VkDeviceMemory memory;
    void *mapped;
    INFO(BufferCreateInfo, BUFFER_CREATE_INFO, info, .size = BYTES,
         .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    TRY(vkCreateBuffer(device, &info, NULL, buffer));
    vkGetBufferMemoryRequirements(device, *buffer, &need);
    vkGetPhysicalDeviceMemoryProperties(physical, &types);
    INFO(MemoryAllocateInfo, MEMORY_ALLOCATE_INFO, allocate, .allocationSize = need.size);
    while (!(need.memoryTypeBits >> allocate.memoryTypeIndex & 1) ||
           (types.memoryTypes[allocate.memoryTypeIndex].propertyFlags & wanted) != wanted)
        allocate.memoryTypeIndex++;
    TRY(vkAllocateMemory(device, &allocate, NULL, &memory));
    TRY(vkBindBufferMemory(device, *buffer, memory, 0));
    TRY(vkMapMemory(device, memory, 0, VK_WHOLE_SIZE, 0, &mapped));
    return (uint32_t *)memset(mapped, 0, BYTES);
}

static void make_set(VkBuffer buffer)
{
    const VkDescriptorType type = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    VkDescriptorPoolSize size = { type, 4 };
    VkDescriptorSetLayoutBinding bindings[4];
    VkDescriptorSetLayout set_layout;
    VkDescriptorPool pool;
    for (uint32_t i = 0; i < 4; i++)
        bindings[i] = (VkDescriptorSetLayoutBinding){ i, type, 1, VK_SHADER_STAGE_COMPUTE_BIT,
                                                      NULL };
    INFO(DescriptorSetLayoutCreateInfo, DESCRIPTOR_SET_LAYOUT_CREATE_INFO, set_info,
         .bindingCount = 4, .pBindings = bindings);
    TRY(vkCreateDescriptorSetLayout(device, &set_info, NULL, &set_layout));
    INFO(PipelineLayoutCreateInfo, PIPELINE_LAYOUT_CREATE_INFO, info, .setLayoutCount = 1,
         .pSetLayouts = &set_layout);
    TRY(vkCreatePipelineLayout(device, &info, NULL, &layout));
    INFO(DescriptorPoolCreateInfo, DESCRIPTOR_POOL_CREATE_INFO, pool_info, .maxSets = 1,
         .poolSizeCount = 1, .pPoolSizes = &size);
    TRY(vkCreateDescriptorPool(device, &pool_info, NULL, &pool));
    INFO(DescriptorSetAllocateInfo, DESCRIPTOR_SET_ALLOCATE_INFO, allocate, .descriptorPool = pool,
         .descriptorSetCount = 1, .pSetLayouts = &set_layout);
    TRY(vkAllocateDescriptorSets(device, &allocate, &set));
    for (uint32_t i = 0; i < 4; i++) {
        VkDescriptorBufferInfo range = { buffer, ranges[i][0], ranges[i][1] };
        INFO(WriteDescriptorSet, WRITE_DESCRIPTOR_SET, write, .dstSet = set, .dstBinding = i,
             .descriptorCount = 1, .descriptorType = type, .pBufferInfo = &range);
        vkUpdateDescriptorSets(device, 1, &write, 0, NULL);
    }
}

static VkPipeline make_pipeline(void)
{
    static const VkSpecializationMapEntry entry = { 0, 0, 4 }; /* constant 0: lanes in a group */
    static const uint32_t lanes = LANES;
    VkSpecializationInfo special = { 1, &entry, sizeof lanes, &lanes };
    VkShaderModule module;
    VkPipeline pipeline;
    INFO(ShaderModuleCreateInfo, SHADER_MODULE_CREATE_INFO, code,
         .codeSize = sizeof vyre_spirv_direct_once, .pCode = vyre_spirv_direct_once);
    TRY(vkCreateShaderModule(device, &code, NULL, &module));
    INFO(PipelineShaderStageCreateInfo, PIPELINE_SHADER_STAGE_CREATE_INFO, stage, .module = module,
         .stage = VK_SHADER_STAGE_COMPUTE_BIT, .pName = "main", .pSpecializationInfo = &special);
    INFO(ComputePipelineCreateInfo, COMPUTE_PIPELINE_CREATE_INFO, info, .layout = layout,
         .stage = stage);
    TRY(vkCreateComputePipelines(device, VK_NULL_HANDLE, 1, &info, NULL, &pipeline));
    return pipeline;
}

static void run(VkPipeline pipeline)
{
    VkCommandPool pool;
    VkCommandBuffer commands;
    INFO(CommandPoolCreateInfo, COMMAND_POOL_CREATE_INFO, pool_info, .queueFamilyIndex = family);
    TRY(vkCreateCommandPool(device, &pool_info, NULL, &pool));
    INFO(CommandBufferAllocateInfo, COMMAND_BUFFER_ALLOCATE_INFO, allocate, .commandPool = pool,
         .commandBufferCount = 1);
    TRY(vkAllocateCommandBuffers(device, &allocate, &commands));
    INFO(CommandBufferBeginInfo, COMMAND_BUFFER_BEGIN_INFO, begin, .flags = 0);
    TRY(vkBeginCommandBuffer(commands, &begin));
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
    vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, layout, 0, 1, &set, 0, NULL);
    vkCmdDispatch(commands, SLOTS / LANES, 1, 1);
    INFO(MemoryBarrier, MEMORY_BARRIER, barrier, .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
         .dstAccessMask = VK_ACCESS_HOST_READ_BIT);
    vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                         VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &barrier, 0, NULL, 0, NULL);
    TRY(vkEndCommandBuffer(commands));
    INFO(SubmitInfo, SUBMIT_INFO, submit, .commandBufferCount = 1, .pCommandBuffers = &commands);
    TRY(vkQueueSubmit(queue, 1, &submit, VK_NULL_HANDLE));
    TRY(vkQueueWaitIdle(queue));
}

int main(void)
{
    VkBuffer buffer;
    make_device();
    uint32_t *control = make_buffer(&buffer), *ring = control + ranges[1][0] / 4;
    make_set(buffer);

    control[2] = 3; /* where the tenants' masks begin */
    control[3] = 1; /* tenant 0 may work */
    for (uint32_t i = 0; i < SLOTS; i++) {
        uint32_t *slot = ring + 16 * i; /* STATUS OPCODE TENANT PRIORITY ARG0 ARG1 ... */
        slot[1] = 2;                    /* ATOMIC_ADD: control[a1] += a0 */
        slot[4] = i + 1;
        slot[5] = 160;
        slot[0] = 1; /* PUBLISHED, last */
    }
    run(make_pipeline());
    printf("stock: 1 + ... + 32 = %u, %u slots done\n", (unsigned)control[160],
           (unsigned)control[1]);
    return control[160] != 528 || control[1] != SLOTS;
}

/* A compute kernel in bare Vulkan, for stock.c and glsl.c, which do without vyre's engine.
 *
 *     uint32_t *words = bare_open(bytes);  a device, and one buffer on it, mapped and zero
 *     bare_run(spirv, ...);                one dispatch on ranges of that buffer, to its end
 *
 * A call that fails ends the program. */
#define VOLK_IMPLEMENTATION
#include <volk.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BARE_TRY(call) \
    do if ((call) < 0) fprintf(stderr, "Vulkan failed: %s\n", #call), exit(1); while (0)
/* Declares `name` with its sType and the members that follow. */
#define BARE_INFO(type, id, name, ...) \
    Vk##type name = { .sType = VK_STRUCTURE_TYPE_##id, __VA_ARGS__ }

static VkPhysicalDevice bare_physical;
static VkDevice bare_device;
static uint32_t bare_family; /* of its one queue */
static VkBuffer bare_buffer;

/* The first device, and its first queue family that computes. */
static void bare_open_device(void)
{
    const float priority = 1.0f;
    VkQueueFamilyProperties families[16];
    VkInstance instance;
    uint32_t devices = 1, count = 16;
    BARE_INFO(ApplicationInfo, APPLICATION_INFO, app, .apiVersion = VK_API_VERSION_1_1);
    BARE_INFO(InstanceCreateInfo, INSTANCE_CREATE_INFO, info, .pApplicationInfo = &app);
    BARE_TRY(volkInitialize());
    BARE_TRY(vkCreateInstance(&info, NULL, &instance));
    volkLoadInstance(instance);
    BARE_TRY(vkEnumeratePhysicalDevices(instance, &devices, &bare_physical));
    BARE_TRY(devices ? VK_SUCCESS : VK_ERROR_INCOMPATIBLE_DRIVER);
    vkGetPhysicalDeviceQueueFamilyProperties(bare_physical, &count, families);
    while (bare_family + 1 < count && !(families[bare_family].queueFlags & VK_QUEUE_COMPUTE_BIT))
        bare_family++;
    BARE_INFO(DeviceQueueCreateInfo, DEVICE_QUEUE_CREATE_INFO, queue,
              .queueFamilyIndex = bare_family, .queueCount = 1, .pQueuePriorities = &priority);
    BARE_INFO(DeviceCreateInfo, DEVICE_CREATE_INFO, create, .queueCreateInfoCount = 1,
              .pQueueCreateInfos = &queue);
    BARE_TRY(vkCreateDevice(bare_physical, &create, NULL, &bare_device));
}

/* The buffer is host-visible and coherent: every device has such memory. */
static uint32_t *bare_open(VkDeviceSize bytes)
{
    const VkMemoryPropertyFlags wanted = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                         VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    VkMemoryRequirements need;
    VkPhysicalDeviceMemoryProperties types;
    VkDeviceMemory memory;
    void *mapped;
    bare_open_device();
    BARE_INFO(BufferCreateInfo, BUFFER_CREATE_INFO, info, .size = bytes,
              .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    BARE_TRY(vkCreateBuffer(bare_device, &info, NULL, &bare_buffer));
    vkGetBufferMemoryRequirements(bare_device, bare_buffer, &need);
    vkGetPhysicalDeviceMemoryProperties(bare_physical, &types);
    BARE_INFO(MemoryAllocateInfo, MEMORY_ALLOCATE_INFO, allocate, .allocationSize = need.size);
    while (!(need.memoryTypeBits >> allocate.memoryTypeIndex & 1) ||
           (types.memoryTypes[allocate.memoryTypeIndex].propertyFlags & wanted) != wanted)
        allocate.memoryTypeIndex++;
    BARE_TRY(vkAllocateMemory(bare_device, &allocate, NULL, &memory));
    BARE_TRY(vkBindBufferMemory(bare_device, bare_buffer, memory, 0));
    BARE_TRY(vkMapMemory(bare_device, memory, 0, VK_WHOLE_SIZE, 0, &mapped));
    return (uint32_t *)memset(mapped, 0, (size_t)bytes);
}

/* A set with a storage buffer for each binding, from 0 up. */
static VkDescriptorSet bare_set(const VkDeviceSize (*ranges)[2], uint32_t count,
                                VkDescriptorSetLayout *layout)
{
    const VkDescriptorType type = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    const VkDescriptorPoolSize size = { type, count };
    VkDescriptorSetLayoutBinding bindings[8];
    VkDescriptorBufferInfo buffers[8];
    VkDescriptorPool pool;
    VkDescriptorSet set;
    for (uint32_t i = 0; i < count; i++) {
        bindings[i] = (VkDescriptorSetLayoutBinding){ i, type, 1, VK_SHADER_STAGE_COMPUTE_BIT, 0 };
        buffers[i] = (VkDescriptorBufferInfo){ bare_buffer, ranges[i][0], ranges[i][1] };
    }
    BARE_INFO(DescriptorSetLayoutCreateInfo, DESCRIPTOR_SET_LAYOUT_CREATE_INFO, info,
              .bindingCount = count, .pBindings = bindings);
    BARE_TRY(vkCreateDescriptorSetLayout(bare_device, &info, NULL, layout));
    BARE_INFO(DescriptorPoolCreateInfo, DESCRIPTOR_POOL_CREATE_INFO, pool_info, .maxSets = 1,
              .poolSizeCount = 1, .pPoolSizes = &size);
    BARE_TRY(vkCreateDescriptorPool(bare_device, &pool_info, NULL, &pool));
    BARE_INFO(DescriptorSetAllocateInfo, DESCRIPTOR_SET_ALLOCATE_INFO, allocate,
              .descriptorPool = pool, .descriptorSetCount = 1, .pSetLayouts = layout);
    BARE_TRY(vkAllocateDescriptorSets(bare_device, &allocate, &set));
    BARE_INFO(WriteDescriptorSet, WRITE_DESCRIPTOR_SET, write, .dstSet = set, /* all bindings */
              .descriptorCount = count, .descriptorType = type, .pBufferInfo = buffers);
    vkUpdateDescriptorSets(bare_device, 1, &write, 0, NULL);
    return set;
}

static VkPipeline bare_pipeline(const uint32_t *spirv, size_t spirv_bytes,
                                const VkSpecializationInfo *constants, VkPipelineLayout layout)
{
    VkShaderModule module;
    VkPipeline pipeline;
    BARE_INFO(ShaderModuleCreateInfo, SHADER_MODULE_CREATE_INFO, code, .codeSize = spirv_bytes,
              .pCode = spirv);
    BARE_TRY(vkCreateShaderModule(bare_device, &code, NULL, &module));
    BARE_INFO(PipelineShaderStageCreateInfo, PIPELINE_SHADER_STAGE_CREATE_INFO, stage,
              .stage = VK_SHADER_STAGE_COMPUTE_BIT, .module = module, .pName = "main",
              .pSpecializationInfo = constants);
    BARE_INFO(ComputePipelineCreateInfo, COMPUTE_PIPELINE_CREATE_INFO, info, .stage = stage,
              .layout = layout);
    BARE_TRY(vkCreateComputePipelines(bare_device, VK_NULL_HANDLE, 1, &info, NULL, &pipeline));
    return pipeline;
}

/* ranges[i]: where the buffer of binding i begins, and its size, in bytes; at most 8. */
static void bare_run(const uint32_t *spirv, size_t spirv_bytes,
                     const VkSpecializationInfo *constants, const VkDeviceSize (*ranges)[2],
                     uint32_t range_count, uint32_t groups)
{
    VkDescriptorSetLayout set_layout;
    VkPipelineLayout layout;
    VkCommandPool pool;
    VkCommandBuffer commands;
    VkQueue queue;
    const VkDescriptorSet set = bare_set(ranges, range_count, &set_layout);
    BARE_INFO(PipelineLayoutCreateInfo, PIPELINE_LAYOUT_CREATE_INFO, info, .setLayoutCount = 1,
              .pSetLayouts = &set_layout);
    BARE_TRY(vkCreatePipelineLayout(bare_device, &info, NULL, &layout));
    const VkPipeline pipeline = bare_pipeline(spirv, spirv_bytes, constants, layout);

    BARE_INFO(CommandPoolCreateInfo, COMMAND_POOL_CREATE_INFO, create,
              .queueFamilyIndex = bare_family);
    BARE_TRY(vkCreateCommandPool(bare_device, &create, NULL, &pool));
    BARE_INFO(CommandBufferAllocateInfo, COMMAND_BUFFER_ALLOCATE_INFO, allocate,
              .commandPool = pool, .commandBufferCount = 1);
    BARE_TRY(vkAllocateCommandBuffers(bare_device, &allocate, &commands));
    BARE_INFO(CommandBufferBeginInfo, COMMAND_BUFFER_BEGIN_INFO, begin, .flags = 0);
    BARE_TRY(vkBeginCommandBuffer(commands, &begin));
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
    vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, layout, 0, 1, &set, 0, NULL);
    vkCmdDispatch(commands, groups, 1, 1);
    BARE_INFO(MemoryBarrier, MEMORY_BARRIER, barrier, .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
              .dstAccessMask = VK_ACCESS_HOST_READ_BIT);
    vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                         VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &barrier, 0, NULL, 0, NULL);
    BARE_TRY(vkEndCommandBuffer(commands));
    BARE_INFO(SubmitInfo, SUBMIT_INFO, submit, .commandBufferCount = 1,
              .pCommandBuffers = &commands);
    vkGetDeviceQueue(bare_device, bare_family, 0, &queue);
    BARE_TRY(vkQueueSubmit(queue, 1, &submit, VK_NULL_HANDLE));
    BARE_TRY(vkQueueWaitIdle(queue));
}

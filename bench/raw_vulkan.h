/* As little Vulkan as a hand-written program needs, for the twins that our own
 * numbers are compared with.  The program builds volk itself, and vyre.h uses
 * the same one (VYRE_EXTERNAL_VOLK).  Every failure ends the program: this is
 * a measuring tool. */
#ifndef RAW_VULKAN_H
#define RAW_VULKAN_H

#include <volk.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RAW_CHECK(call)                                                                            \
    do {                                                                                           \
        VkResult raw_result = (call);                                                              \
        if (raw_result < 0) {                                                                      \
            fprintf(stderr, "%s:%d: %s gave %d\n", __FILE__, __LINE__, #call, (int)raw_result);    \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

typedef struct raw_device {
    VkInstance                       instance;
    VkPhysicalDevice                 physical;
    VkPhysicalDeviceProperties       properties;
    VkPhysicalDeviceMemoryProperties memory;
    VkDevice                         device;
    VkQueue                          queue;
    uint32_t                         family;
    VkCommandPool                    pool;
    bool                             vulkan_memory_model; /* with device scope */
    bool                             llvmpipe;
    uint32_t                         subgroup_size;
    char                             driver[128]; /* name and version */
} raw_device;

typedef struct raw_buffer {
    VkBuffer       buffer;
    VkDeviceMemory memory;
    VkDeviceSize   size;
    void          *map;
} raw_buffer;

typedef struct raw_kernel {
    VkDescriptorSetLayout set_layout;
    VkPipelineLayout      layout;
    VkPipeline            pipeline;
    VkDescriptorPool      pool;
    VkDescriptorSet       set;
} raw_kernel;

static inline int raw_rank(VkPhysicalDeviceType type)
{
    return type == VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU ? 0
         : type == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU ? 1
         : type == VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU ? 2 : 3;
}

/* What the driver says of itself, and what only llvmpipe needs to be told. */
static inline void raw_describe(raw_device *d)
{
    VkPhysicalDeviceDriverProperties driver;
    VkPhysicalDeviceSubgroupProperties subgroup;
    VkPhysicalDeviceProperties2 all;
    memset(&driver, 0, sizeof driver);
    memset(&subgroup, 0, sizeof subgroup);
    memset(&all, 0, sizeof all);
    driver.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES;
    subgroup.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES;
    subgroup.pNext = &driver;
    all.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
    all.pNext = &subgroup;
    vkGetPhysicalDeviceProperties2(d->physical, &all);
    snprintf(d->driver, sizeof d->driver, "%.60s %.60s", driver.driverName, driver.driverInfo);
    d->subgroup_size = subgroup.subgroupSize;
    d->llvmpipe = strstr(d->properties.deviceName, "llvmpipe") != NULL;
}

/* False when there is no Vulkan here. */
static inline bool raw_open(raw_device *d)
{
    memset(d, 0, sizeof *d);
    if (volkInitialize() != VK_SUCCESS)
        return false;
    VkApplicationInfo app = { VK_STRUCTURE_TYPE_APPLICATION_INFO, 0, "bench", 0, 0, 0,
                              VK_API_VERSION_1_2 };
    VkInstanceCreateInfo info = { VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, 0, 0, &app, 0, 0, 0, 0 };
    if (vkCreateInstance(&info, NULL, &d->instance) != VK_SUCCESS)
        return false;
    volkLoadInstance(d->instance);

    VkPhysicalDevice found[16];
    uint32_t count = 16;
    vkEnumeratePhysicalDevices(d->instance, &count, found);
    if (!count)
        return false;
    int best = 9;
    for (uint32_t i = 0; i < count; i++) {
        VkPhysicalDeviceProperties properties;
        vkGetPhysicalDeviceProperties(found[i], &properties);
        if (raw_rank(properties.deviceType) < best) {
            best = raw_rank(properties.deviceType);
            d->physical = found[i];
            d->properties = properties;
        }
    }
    vkGetPhysicalDeviceMemoryProperties(d->physical, &d->memory);
    raw_describe(d);

    VkQueueFamilyProperties families[16];
    count = 16;
    vkGetPhysicalDeviceQueueFamilyProperties(d->physical, &count, families);
    for (uint32_t i = 0; i < count; i++) {
        if (families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) {
            d->family = i;
            if (!(families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT))
                break;
        }
    }
    float priority = 1.0f;
    VkDeviceQueueCreateInfo queue = { VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO, 0, 0, d->family,
                                      1, &priority };
    VkPhysicalDeviceVulkanMemoryModelFeatures model = {
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES, 0, 0, 0, 0 };
    VkPhysicalDeviceFeatures2 features = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, &model,
                                           { 0 } };
    vkGetPhysicalDeviceFeatures2(d->physical, &features);
    d->vulkan_memory_model = model.vulkanMemoryModel && model.vulkanMemoryModelDeviceScope;
    VkPhysicalDeviceTimelineSemaphoreFeatures timeline = {
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES, &model, VK_TRUE };
    VkDeviceCreateInfo device = { VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, &timeline, 0, 1, &queue,
                                  0, 0, 0, 0, 0 };
    RAW_CHECK(vkCreateDevice(d->physical, &device, NULL, &d->device));
    volkLoadDevice(d->device);
    vkGetDeviceQueue(d->device, d->family, 0, &d->queue);
    VkCommandPoolCreateInfo pool = { VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO, 0,
                                     VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT, d->family };
    RAW_CHECK(vkCreateCommandPool(d->device, &pool, NULL, &d->pool));
    return true;
}

static inline uint32_t raw_memory_type(const raw_device *d, uint32_t allowed, VkMemoryPropertyFlags want,
                                VkMemoryPropertyFlags avoid)
{
    for (uint32_t i = 0; i < d->memory.memoryTypeCount; i++) {
        VkMemoryPropertyFlags flags = d->memory.memoryTypes[i].propertyFlags;
        if ((allowed & (1u << i)) && (flags & want) == want && !(flags & avoid))
            return i;
    }
    return UINT32_MAX;
}

/* `cached`: host memory that the host reads fast; else device memory that the
 * host can write, where there is such a type. */
static inline raw_buffer raw_buffer_new(const raw_device *d, VkDeviceSize size, bool cached)
{
    raw_buffer b = { 0, 0, size, NULL };
    VkBufferCreateInfo info = { VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, 0, 0, size,
                                VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                                    VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                                VK_SHARING_MODE_EXCLUSIVE, 0, 0 };
    RAW_CHECK(vkCreateBuffer(d->device, &info, NULL, &b.buffer));
    VkMemoryRequirements need;
    vkGetBufferMemoryRequirements(d->device, b.buffer, &need);

    const VkMemoryPropertyFlags host = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                       VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    uint32_t type = cached ? raw_memory_type(d, need.memoryTypeBits,
                                             host | VK_MEMORY_PROPERTY_HOST_CACHED_BIT, 0)
                           : raw_memory_type(d, need.memoryTypeBits,
                                             host | VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 0);
    if (type == UINT32_MAX)
        type = raw_memory_type(d, need.memoryTypeBits, host, 0);
    VkMemoryAllocateInfo allocate = { VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, 0, need.size, type };
    RAW_CHECK(vkAllocateMemory(d->device, &allocate, NULL, &b.memory));
    RAW_CHECK(vkBindBufferMemory(d->device, b.buffer, b.memory, 0));
    RAW_CHECK(vkMapMemory(d->device, b.memory, 0, VK_WHOLE_SIZE, 0, &b.map));
    memset(b.map, 0, (size_t)size);
    return b;
}

static inline void raw_buffer_free(const raw_device *d, raw_buffer *b)
{
    vkDestroyBuffer(d->device, b->buffer, NULL);
    vkFreeMemory(d->device, b->memory, NULL);
}

/* A pipeline over `count` storage buffers, with a u32 push constant and the
 * workgroup size as specialization constant 0.  Constant 3 is true where a
 * kernel is to use memory barriers, which is everywhere but on llvmpipe: that
 * stops a lane at each until all are at one, and drops lanes that diverged. */
static inline raw_kernel raw_kernel_new(const raw_device *d, const uint32_t *words, size_t size,
                                 uint32_t group_size, const raw_buffer *buffers, uint32_t count)
{
    raw_kernel k;
    memset(&k, 0, sizeof k);
    VkDescriptorSetLayoutBinding bindings[8];
    memset(bindings, 0, sizeof bindings);
    for (uint32_t i = 0; i < count; i++) {
        bindings[i].binding = i;
        bindings[i].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
        bindings[i].descriptorCount = 1;
        bindings[i].stageFlags = VK_SHADER_STAGE_COMPUTE_BIT;
    }
    VkDescriptorSetLayoutCreateInfo set = { VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO, 0,
                                            0, count, bindings };
    RAW_CHECK(vkCreateDescriptorSetLayout(d->device, &set, NULL, &k.set_layout));
    VkPushConstantRange push = { VK_SHADER_STAGE_COMPUTE_BIT, 0, 4 };
    VkPipelineLayoutCreateInfo layout = { VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO, 0, 0, 1,
                                          &k.set_layout, 1, &push };
    RAW_CHECK(vkCreatePipelineLayout(d->device, &layout, NULL, &k.layout));

    VkShaderModule module;
    VkShaderModuleCreateInfo code = { VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, 0, 0, size, words };
    RAW_CHECK(vkCreateShaderModule(d->device, &code, NULL, &module));
    const uint32_t constants[2] = { group_size, !d->llvmpipe };
    const VkSpecializationMapEntry entries[2] = { { 0, 0, 4 }, { 3, 4, 4 } };
    const VkSpecializationInfo special = { 2, entries, sizeof constants, constants };
    VkComputePipelineCreateInfo pipeline;
    memset(&pipeline, 0, sizeof pipeline);
    pipeline.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO;
    pipeline.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
    pipeline.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
    pipeline.stage.module = module;
    pipeline.stage.pName = "main";
    pipeline.stage.pSpecializationInfo = &special;
    pipeline.layout = k.layout;
    RAW_CHECK(vkCreateComputePipelines(d->device, VK_NULL_HANDLE, 1, &pipeline, NULL, &k.pipeline));
    vkDestroyShaderModule(d->device, module, NULL);

    VkDescriptorPoolSize pool_size = { VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, count };
    VkDescriptorPoolCreateInfo pool = { VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO, 0, 0, 1, 1,
                                        &pool_size };
    RAW_CHECK(vkCreateDescriptorPool(d->device, &pool, NULL, &k.pool));
    VkDescriptorSetAllocateInfo allocate = { VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO, 0,
                                             k.pool, 1, &k.set_layout };
    RAW_CHECK(vkAllocateDescriptorSets(d->device, &allocate, &k.set));
    for (uint32_t i = 0; i < count; i++) {
        VkDescriptorBufferInfo range = { buffers[i].buffer, 0, VK_WHOLE_SIZE };
        VkWriteDescriptorSet write = { VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET, 0, k.set, i, 0, 1,
                                       VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 0, &range, 0 };
        vkUpdateDescriptorSets(d->device, 1, &write, 0, NULL);
    }
    return k;
}

static inline void raw_kernel_free(const raw_device *d, raw_kernel *k)
{
    vkDestroyPipeline(d->device, k->pipeline, NULL);
    vkDestroyPipelineLayout(d->device, k->layout, NULL);
    vkDestroyDescriptorPool(d->device, k->pool, NULL);
    vkDestroyDescriptorSetLayout(d->device, k->set_layout, NULL);
}

/* A command buffer that may be submitted often. */
static inline VkCommandBuffer raw_begin(const raw_device *d)
{
    VkCommandBuffer cmd;
    VkCommandBufferAllocateInfo allocate = { VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, 0,
                                             d->pool, VK_COMMAND_BUFFER_LEVEL_PRIMARY, 1 };
    RAW_CHECK(vkAllocateCommandBuffers(d->device, &allocate, &cmd));
    VkCommandBufferBeginInfo begin = { VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO, 0,
                                       VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT, 0 };
    RAW_CHECK(vkBeginCommandBuffer(cmd, &begin));
    return cmd;
}

static inline void raw_dispatch(VkCommandBuffer cmd, const raw_kernel *k, uint32_t groups, uint32_t push)
{
    vkCmdBindPipeline(cmd, VK_PIPELINE_BIND_POINT_COMPUTE, k->pipeline);
    vkCmdBindDescriptorSets(cmd, VK_PIPELINE_BIND_POINT_COMPUTE, k->layout, 0, 1, &k->set, 0, NULL);
    vkCmdPushConstants(cmd, k->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, 4, &push);
    vkCmdDispatch(cmd, groups, 1, 1);
}

/* A command buffer that dispatches the kernel and nothing else. */
static inline VkCommandBuffer raw_record(const raw_device *d, const raw_kernel *k, uint32_t groups,
                                  uint32_t push)
{
    VkCommandBuffer cmd = raw_begin(d);
    raw_dispatch(cmd, k, groups, push);
    RAW_CHECK(vkEndCommandBuffer(cmd));
    return cmd;
}

static inline VkFence raw_fence(const raw_device *d)
{
    VkFence fence;
    VkFenceCreateInfo info = { VK_STRUCTURE_TYPE_FENCE_CREATE_INFO, 0, 0 };
    RAW_CHECK(vkCreateFence(d->device, &info, NULL, &fence));
    return fence;
}

static inline void raw_submit(const raw_device *d, VkCommandBuffer cmd, VkFence fence)
{
    VkSubmitInfo submit = { VK_STRUCTURE_TYPE_SUBMIT_INFO, 0, 0, 0, 0, 1, &cmd, 0, 0 };
    RAW_CHECK(vkQueueSubmit(d->queue, 1, &submit, fence));
}

#endif

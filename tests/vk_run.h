/* Runs compute modules through libvulkan, for tests: the plainest way that
 * can be right.  Buffers lie in host-visible memory and are copied in and out
 * around each dispatch.
 *
 *     vk_run vk;
 *     if (!vk_open(&vk)) test_skip(vk.why);
 *     vk_kernel k;
 *     CHECK(vk_kernel_create(&vk, &k, &desc));
 *     CHECK(vk_dispatch(&vk, &k, &call));       // in place on the caller's bytes
 *     vk_kernel_destroy(&vk, &k);
 *     vk_close(&vk);
 *
 * Beside vyre_runner, because tests of the emitter need what it does not offer: modules by
 * options (memory model, group size by constants, loop limits), modules that GLSL became,
 * guard bytes between buffers, and one device for thousands of programs: a runner is one
 * program's, and opens in 20 ms on lavapipe, ten times that under AddressSanitizer.
 *
 * VYRE_DEVICE=text in the environment picks the first device whose name
 * contains the text.  Link with -lvulkan.
 */
#ifndef VK_RUN_H
#define VK_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vulkan/vulkan.h>

#define VK_RUN_BINDINGS 32
#define VK_RUN_ARENA    (64u << 20)
#define VK_RUN_GUARD    0xa5u
#define VK_RUN_TIMEOUT  120000000000ull /* ns */

typedef struct vk_run {
    VkInstance       instance;
    VkPhysicalDevice physical;
    VkDevice         device;
    VkQueue          queue;
    VkCommandPool    pool;
    VkCommandBuffer  commands;
    VkFence          fence;
    VkBuffer         buffer; /* one, of VK_RUN_ARENA bytes; all others are ranges of it */
    VkDeviceMemory   memory;
    uint8_t         *mapped;
    uint32_t         offset_alignment;
    uint32_t         api_version; /* what instance and device both know */
    uint32_t         subgroup_size;
    VkPhysicalDeviceFeatures features; /* that are turned on */
    uint32_t         subgroup_operations; /* VkSubgroupFeatureFlags in compute */
    uint32_t         max_lanes;
    bool             vulkan_memory_model; /* with device scope */
    bool             is_lavapipe;
    char             name[VK_MAX_PHYSICAL_DEVICE_NAME_SIZE];
    char             why[256]; /* of the last failure */
} vk_run;

typedef struct vk_kernel {
    VkShaderModule        module;
    VkDescriptorSetLayout set_layout;
    VkPipelineLayout      layout;
    VkPipeline            pipeline;
    VkDescriptorPool      pool;
    VkDescriptorSet       set;
    uint32_t              binding_count;
    uint32_t              bindings[VK_RUN_BINDINGS];
    uint32_t              push_size;
} vk_kernel;

typedef struct vk_kernel_desc {
    const uint32_t *words;
    size_t          word_count;
    const uint32_t *bindings;
    uint32_t        binding_count;
    uint32_t        push_size;       /* bytes */
    const uint32_t *spec_group_size; /* three numbers for constants 0, 1, 2; or NULL */
} vk_kernel_desc;

typedef struct vk_call {
    uint32_t      groups[3]; /* 0 = 1 */
    void *const  *data;      /* one for each binding of the kernel, in its order */
    const size_t *sizes;     /* bytes, at least 1 */
    uint32_t      push;      /* the push constant */
} vk_call;

static bool vk_fail(vk_run *vk, const char *what, int code)
{
    snprintf(vk->why, sizeof vk->why, "%s: VkResult %d", what, code);
    return false;
}

static bool vk_make_instance(vk_run *vk)
{
    VkApplicationInfo app = { VK_STRUCTURE_TYPE_APPLICATION_INFO, NULL, "vyre test", 0, NULL, 0, 0 };
    VkInstanceCreateInfo info = { VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, NULL, 0, &app,
                                  0, NULL, 0, NULL };
    uint32_t version = VK_API_VERSION_1_0;
    vkEnumerateInstanceVersion(&version);
    if (version < VK_API_VERSION_1_1)
        return vk_fail(vk, "the Vulkan loader knows 1.0 only", 0);
    vk->api_version = app.apiVersion = version < VK_API_VERSION_1_3 ? version : VK_API_VERSION_1_3;
    VkResult result = vkCreateInstance(&info, NULL, &vk->instance);
    return result == VK_SUCCESS || vk_fail(vk, "no Vulkan instance", result);
}

/* The first device that VYRE_DEVICE names, without it the first of all. */
static bool vk_pick_device(vk_run *vk)
{
    VkPhysicalDevice devices[16];
    uint32_t count = 16;
    const char *wanted = getenv("VYRE_DEVICE");
    VkResult result = vkEnumeratePhysicalDevices(vk->instance, &count, devices);
    if (result < 0)
        return vk_fail(vk, "no devices", result);
    for (uint32_t i = 0; i < count; i++) {
        VkPhysicalDeviceProperties p;
        vkGetPhysicalDeviceProperties(devices[i], &p);
        if (p.apiVersion < VK_API_VERSION_1_1 || (wanted && !strstr(p.deviceName, wanted)))
            continue;
        vk->physical = devices[i];
        vk->max_lanes = p.limits.maxComputeWorkGroupInvocations;
        vk->offset_alignment = (uint32_t)p.limits.minStorageBufferOffsetAlignment;
        vk->api_version = p.apiVersion < vk->api_version ? p.apiVersion : vk->api_version;
        memcpy(vk->name, p.deviceName, sizeof vk->name);
        vk->is_lavapipe = strstr(vk->name, "llvmpipe") != NULL;
        return true;
    }
    return vk_fail(vk, "no Vulkan 1.1 device", 0);
}

static void vk_query(vk_run *vk)
{
    VkPhysicalDeviceSubgroupProperties subgroup = {
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES, NULL, 0, 0, 0, 0 };
    VkPhysicalDeviceProperties2 properties = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                               &subgroup, { 0 } };
    VkPhysicalDeviceVulkan12Features f12;
    VkPhysicalDeviceFeatures2 features = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, &f12,
                                           { 0 } };
    memset(&f12, 0, sizeof f12);
    f12.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES;
    vkGetPhysicalDeviceProperties2(vk->physical, &properties);
    vk->subgroup_size = subgroup.subgroupSize;
    if (subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT)
        vk->subgroup_operations = subgroup.supportedOperations;
    vkGetPhysicalDeviceFeatures(vk->physical, &features.features);
    vk->features.shaderInt64 = features.features.shaderInt64;
    if (vk->api_version >= VK_API_VERSION_1_2) {
        vkGetPhysicalDeviceFeatures2(vk->physical, &features);
        vk->vulkan_memory_model = f12.vulkanMemoryModel && f12.vulkanMemoryModelDeviceScope;
    }
}

static bool vk_make_device(vk_run *vk)
{
    VkQueueFamilyProperties families[16];
    uint32_t count = 16, family = 0;
    float priority = 1.0f;
    vkGetPhysicalDeviceQueueFamilyProperties(vk->physical, &count, families);
    while (family < count && !(families[family].queueFlags & VK_QUEUE_COMPUTE_BIT))
        family++;
    if (family == count)
        return vk_fail(vk, "no compute queue", 0);
    VkDeviceQueueCreateInfo queue = { VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO, NULL, 0, family,
                                      1, &priority };
    VkPhysicalDeviceVulkan12Features f12;
    memset(&f12, 0, sizeof f12);
    f12.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES;
    f12.vulkanMemoryModel = f12.vulkanMemoryModelDeviceScope = VK_TRUE;
    VkDeviceCreateInfo info = { VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                                vk->vulkan_memory_model ? &f12 : NULL, 0, 1, &queue,
                                0, NULL, 0, NULL, &vk->features };
    VkResult result = vkCreateDevice(vk->physical, &info, NULL, &vk->device);
    if (result != VK_SUCCESS)
        return vk_fail(vk, "no device", result);
    vkGetDeviceQueue(vk->device, family, 0, &vk->queue);
    VkCommandPoolCreateInfo pool = { VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO, NULL,
                                     VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT, family };
    result = vkCreateCommandPool(vk->device, &pool, NULL, &vk->pool);
    return result == VK_SUCCESS || vk_fail(vk, "no command pool", result);
}

static bool vk_make_commands(vk_run *vk)
{
    VkCommandBufferAllocateInfo info = { VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, NULL,
                                         vk->pool, VK_COMMAND_BUFFER_LEVEL_PRIMARY, 1 };
    VkFenceCreateInfo fence = { VK_STRUCTURE_TYPE_FENCE_CREATE_INFO, NULL, 0 };
    VkResult result = vkAllocateCommandBuffers(vk->device, &info, &vk->commands);
    if (result == VK_SUCCESS)
        result = vkCreateFence(vk->device, &fence, NULL, &vk->fence);
    return result == VK_SUCCESS || vk_fail(vk, "no commands", result);
}

/* Host-visible and coherent; cached where there is a choice, as tests read. */
static uint32_t vk_memory_type(vk_run *vk, uint32_t allowed)
{
    const VkMemoryPropertyFlags need = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                       VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    VkPhysicalDeviceMemoryProperties p;
    uint32_t found = UINT32_MAX;
    vkGetPhysicalDeviceMemoryProperties(vk->physical, &p);
    for (uint32_t i = 0; i < p.memoryTypeCount; i++) {
        const VkMemoryPropertyFlags flags = p.memoryTypes[i].propertyFlags;
        if (!((allowed >> i) & 1u) || (flags & need) != need)
            continue;
        if (found == UINT32_MAX || (flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT))
            found = i;
    }
    return found;
}

static bool vk_make_memory(vk_run *vk)
{
    VkBufferCreateInfo info = { VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, NULL, 0, VK_RUN_ARENA,
                                VK_BUFFER_USAGE_STORAGE_BUFFER_BIT, VK_SHARING_MODE_EXCLUSIVE,
                                0, NULL };
    VkMemoryRequirements needs;
    void *mapped = NULL;
    VkResult result = vkCreateBuffer(vk->device, &info, NULL, &vk->buffer);
    if (result != VK_SUCCESS)
        return vk_fail(vk, "no buffer", result);
    vkGetBufferMemoryRequirements(vk->device, vk->buffer, &needs);
    VkMemoryAllocateInfo memory = { VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, NULL, needs.size,
                                    vk_memory_type(vk, needs.memoryTypeBits) };
    if (memory.memoryTypeIndex == UINT32_MAX)
        return vk_fail(vk, "no host-visible memory", 0);
    result = vkAllocateMemory(vk->device, &memory, NULL, &vk->memory);
    if (result == VK_SUCCESS)
        result = vkBindBufferMemory(vk->device, vk->buffer, vk->memory, 0);
    if (result == VK_SUCCESS)
        result = vkMapMemory(vk->device, vk->memory, 0, VK_WHOLE_SIZE, 0, &mapped);
    vk->mapped = (uint8_t *)mapped;
    return result == VK_SUCCESS || vk_fail(vk, "no memory", result);
}

static void vk_close(vk_run *vk)
{
    if (vk->device) {
        vkDestroyFence(vk->device, vk->fence, NULL);
        vkDestroyCommandPool(vk->device, vk->pool, NULL);
        vkDestroyBuffer(vk->device, vk->buffer, NULL);
        vkFreeMemory(vk->device, vk->memory, NULL);
        vkDestroyDevice(vk->device, NULL);
    }
    if (vk->instance)
        vkDestroyInstance(vk->instance, NULL);
    memset(vk, 0, sizeof *vk);
}

/* False: vk->why says what is missing, and nothing is left open. */
static bool vk_open(vk_run *vk)
{
    memset(vk, 0, sizeof *vk);
    if (vk_make_instance(vk) && vk_pick_device(vk)) {
        vk_query(vk);
        if (vk_make_device(vk) && vk_make_commands(vk) && vk_make_memory(vk))
            return true;
    }
    char why[sizeof vk->why];
    memcpy(why, vk->why, sizeof why);
    vk_close(vk);
    memcpy(vk->why, why, sizeof why);
    return false;
}

static void vk_kernel_destroy(vk_run *vk, vk_kernel *k)
{
    vkDestroyPipeline(vk->device, k->pipeline, NULL);
    vkDestroyDescriptorPool(vk->device, k->pool, NULL);
    vkDestroyPipelineLayout(vk->device, k->layout, NULL);
    vkDestroyDescriptorSetLayout(vk->device, k->set_layout, NULL);
    vkDestroyShaderModule(vk->device, k->module, NULL);
    memset(k, 0, sizeof *k);
}

static VkResult vk_make_layouts(vk_run *vk, vk_kernel *k)
{
    VkDescriptorSetLayoutBinding bindings[VK_RUN_BINDINGS];
    for (uint32_t i = 0; i < k->binding_count; i++) {
        memset(&bindings[i], 0, sizeof bindings[i]);
        bindings[i].binding = k->bindings[i];
        bindings[i].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
        bindings[i].descriptorCount = 1;
        bindings[i].stageFlags = VK_SHADER_STAGE_COMPUTE_BIT;
    }
    VkDescriptorSetLayoutCreateInfo set = { VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
                                            NULL, 0, k->binding_count, bindings };
    VkResult result = vkCreateDescriptorSetLayout(vk->device, &set, NULL, &k->set_layout);
    if (result != VK_SUCCESS)
        return result;
    VkPushConstantRange push = { VK_SHADER_STAGE_COMPUTE_BIT, 0, k->push_size };
    VkPipelineLayoutCreateInfo layout = { VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO, NULL, 0,
                                          1, &k->set_layout, k->push_size ? 1u : 0u, &push };
    return vkCreatePipelineLayout(vk->device, &layout, NULL, &k->layout);
}

static VkResult vk_make_pipeline(vk_run *vk, vk_kernel *k, const vk_kernel_desc *desc)
{
    const VkSpecializationMapEntry entries[3] = { { 0, 0, 4 }, { 1, 4, 4 }, { 2, 8, 4 } };
    VkSpecializationInfo spec = { 3, entries, 12, desc->spec_group_size };
    VkComputePipelineCreateInfo info = {
        VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO, NULL, 0,
        { VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO, NULL, 0,
          VK_SHADER_STAGE_COMPUTE_BIT, k->module, "main", desc->spec_group_size ? &spec : NULL },
        k->layout, VK_NULL_HANDLE, 0 };
    return vkCreateComputePipelines(vk->device, VK_NULL_HANDLE, 1, &info, NULL, &k->pipeline);
}

static VkResult vk_make_set(vk_run *vk, vk_kernel *k)
{
    VkDescriptorPoolSize size = { VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                  k->binding_count ? k->binding_count : 1 };
    VkDescriptorPoolCreateInfo pool = { VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO, NULL, 0, 1,
                                        1, &size };
    VkResult result = vkCreateDescriptorPool(vk->device, &pool, NULL, &k->pool);
    if (result != VK_SUCCESS)
        return result;
    VkDescriptorSetAllocateInfo set = { VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO, NULL,
                                        k->pool, 1, &k->set_layout };
    return vkAllocateDescriptorSets(vk->device, &set, &k->set);
}

static bool vk_kernel_create(vk_run *vk, vk_kernel *k, const vk_kernel_desc *desc)
{
    VkShaderModuleCreateInfo info = { VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, NULL, 0,
                                      4 * desc->word_count, desc->words };
    memset(k, 0, sizeof *k);
    k->binding_count = desc->binding_count;
    k->push_size = desc->push_size;
    memcpy(k->bindings, desc->bindings, desc->binding_count * sizeof *desc->bindings);
    VkResult result = vkCreateShaderModule(vk->device, &info, NULL, &k->module);
    if (result == VK_SUCCESS)
        result = vk_make_layouts(vk, k);
    if (result == VK_SUCCESS)
        result = vk_make_pipeline(vk, k, desc);
    if (result == VK_SUCCESS)
        result = vk_make_set(vk, k);
    if (result == VK_SUCCESS)
        return true;
    vk_kernel_destroy(vk, k);
    return vk_fail(vk, "no pipeline", result);
}

/* Copies the data into the arena and points the descriptors there.  Between
 * the buffers lie guard bytes; offsets has one element more than bindings. */
static bool vk_bind(vk_run *vk, const vk_kernel *k, const vk_call *call, size_t *offsets)
{
    VkDescriptorBufferInfo ranges[VK_RUN_BINDINGS];
    VkWriteDescriptorSet writes[VK_RUN_BINDINGS];
    const size_t align = vk->offset_alignment > 256 ? vk->offset_alignment : 256;
    size_t at = align;
    memset(vk->mapped, VK_RUN_GUARD, at);
    for (uint32_t i = 0; i < k->binding_count; i++) {
        const size_t end = (at + call->sizes[i] + 2 * align - 1) / align * align;
        if (end > VK_RUN_ARENA)
            return vk_fail(vk, "the test's buffers are too large", 0);
        offsets[i] = at;
        memset(vk->mapped + at, VK_RUN_GUARD, end - at);
        memcpy(vk->mapped + at, call->data[i], call->sizes[i]);
        ranges[i].buffer = vk->buffer;
        ranges[i].offset = at;
        ranges[i].range = call->sizes[i];
        memset(&writes[i], 0, sizeof writes[i]);
        writes[i].sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET;
        writes[i].dstSet = k->set;
        writes[i].dstBinding = k->bindings[i];
        writes[i].descriptorCount = 1;
        writes[i].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
        writes[i].pBufferInfo = &ranges[i];
        at = end;
    }
    offsets[k->binding_count] = at;
    vkUpdateDescriptorSets(vk->device, k->binding_count, writes, 0, NULL);
    return true;
}

static void vk_record(vk_run *vk, const vk_kernel *k, const vk_call *call)
{
    VkCommandBufferBeginInfo begin = { VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO, NULL,
                                       VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT, NULL };
    VkMemoryBarrier barrier = { VK_STRUCTURE_TYPE_MEMORY_BARRIER, NULL,
                                VK_ACCESS_SHADER_WRITE_BIT,
                                VK_ACCESS_HOST_READ_BIT };
    const uint32_t *g = call->groups;
    vkBeginCommandBuffer(vk->commands, &begin);
    vkCmdBindPipeline(vk->commands, VK_PIPELINE_BIND_POINT_COMPUTE, k->pipeline);
    vkCmdBindDescriptorSets(vk->commands, VK_PIPELINE_BIND_POINT_COMPUTE, k->layout, 0, 1, &k->set,
                            0, NULL);
    if (k->push_size)
        vkCmdPushConstants(vk->commands, k->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, 4,
                           &call->push);
    vkCmdDispatch(vk->commands, g[0] ? g[0] : 1, g[1] ? g[1] : 1, g[2] ? g[2] : 1);
    vkCmdPipelineBarrier(vk->commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                         VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &barrier, 0, NULL, 0, NULL);
    vkEndCommandBuffer(vk->commands);
}

/* Whether what lies between the buffers is as it was. */
static bool vk_guarded(vk_run *vk, const vk_kernel *k, const vk_call *call, const size_t *offsets)
{
    for (uint32_t i = 0; i < k->binding_count; i++)
        for (size_t at = offsets[i] + call->sizes[i]; at < offsets[i + 1]; at++)
            if (vk->mapped[at] != VK_RUN_GUARD)
                return vk_fail(vk, "the kernel wrote beyond a buffer; not a VkResult but binding",
                               (int)k->bindings[i]);
    for (size_t at = 0; at < (k->binding_count ? offsets[0] : 0); at++)
        if (vk->mapped[at] != VK_RUN_GUARD)
            return vk_fail(vk, "the kernel wrote before its first buffer", 0);
    return true;
}

/* Runs the kernel once; afterwards the caller's bytes are the device's. */
static bool vk_dispatch(vk_run *vk, const vk_kernel *k, const vk_call *call)
{
    size_t offsets[VK_RUN_BINDINGS + 1];
    VkSubmitInfo submit = { VK_STRUCTURE_TYPE_SUBMIT_INFO, NULL, 0, NULL, NULL, 1, &vk->commands,
                            0, NULL };
    if (!vk_bind(vk, k, call, offsets))
        return false;
    vk_record(vk, k, call);
    VkResult result = vkQueueSubmit(vk->queue, 1, &submit, vk->fence);
    if (result == VK_SUCCESS)
        result = vkWaitForFences(vk->device, 1, &vk->fence, VK_TRUE, VK_RUN_TIMEOUT);
    if (result != VK_SUCCESS)
        return vk_fail(vk, "the dispatch did not end well", result);
    vkResetFences(vk->device, 1, &vk->fence);
    for (uint32_t i = 0; i < k->binding_count; i++)
        memcpy(call->data[i], vk->mapped + offsets[i], call->sizes[i]);
    return vk_guarded(vk, k, call, offsets);
}

#endif

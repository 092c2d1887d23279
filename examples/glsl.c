/* A handler, and the kernel around it, in GLSL.
 *
 *     glsl
 *
 * vyre_glsl_compile makes SPIR-V of the text below, which claims the slots of a
 * ring and runs one opcode; the host's side of the ring is vyre.h's.  Needs the
 * glslang library: see the comment of chapter glsl in vyre.h. */
#define VOLK_IMPLEMENTATION
#include <volk.h>

#define VYRE_NO_VULKAN /* the Vulkan of this program is its own */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char kernel[] =
    "#version 460\n"
    "layout(local_size_x = 8) in;\n"
    "layout(binding = 0) coherent buffer Control { uint control[]; };\n"
    "layout(binding = 1) coherent buffer Ring { uint ring[]; };\n"
    "uint handler(uint a, uint b) {\n" /* the greatest common divisor */
    "    while (b != 0u) { uint r = a % b; a = b; b = r; }\n"
    "    return a;\n"
    "}\n"
    "void main() {\n"
    "    uint lanes = gl_WorkGroupSize.x * gl_NumWorkGroups.x;\n"
    "    for (uint s = gl_GlobalInvocationID.x; s < ring.length() / 16u; s += lanes) {\n"
    "        uint at = 16u * s, end = 3u, counter = 1u;\n" /* DONE, DONE_COUNT */
    "        if (atomicCompSwap(ring[at], 1u, 2u) != 1u) continue;\n" /* the claim */
    "        memoryBarrierBuffer();\n"
    "        if (ring[at + 1u] == 0x1000u) ring[at + 4u] = handler(ring[at + 4u], ring[at + 5u]);\n"
    "        else { ring[at + 15u] = 1u; end = 7u; counter = 141u; }\n" /* FAULT */
    "        memoryBarrierBuffer();\n"
    "        atomicExchange(ring[at], end);\n"
    "        atomicAdd(control[counter], 1u);\n"
    "    }\n"
    "}\n";

enum { SLOTS = 32, LANES = 8, BYTES = 3072 };
/* Where control and ring begin, in bytes, and their sizes. */
static const VkDeviceSize ranges[2][2] = { { 0, 224 * 4 }, { 1024, SLOTS * 64 } };

static void check(VkResult result, const char *what)
{
    if (result == VK_SUCCESS)
        return;
    fprintf(stderr, "glsl: %s: VkResult %d\n", what, (int)result);
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
    VkDescriptorPoolSize size = { type, 2 };
    VkDescriptorSetLayoutBinding bindings[2];
    VkDescriptorSetLayout set_layout;
    VkDescriptorPool pool;
    for (uint32_t i = 0; i < 2; i++)
        bindings[i] = (VkDescriptorSetLayoutBinding){ i, type, 1, VK_SHADER_STAGE_COMPUTE_BIT,
                                                      NULL };
    INFO(DescriptorSetLayoutCreateInfo, DESCRIPTOR_SET_LAYOUT_CREATE_INFO, set_info,
         .bindingCount = 2, .pBindings = bindings);
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
    for (uint32_t i = 0; i < 2; i++) {
        VkDescriptorBufferInfo range = { buffer, ranges[i][0], ranges[i][1] };
        INFO(WriteDescriptorSet, WRITE_DESCRIPTOR_SET, write, .dstSet = set, .dstBinding = i,
             .descriptorCount = 1, .descriptorType = type, .pBufferInfo = &range);
        vkUpdateDescriptorSets(device, 1, &write, 0, NULL);
    }
}

static VkPipeline make_pipeline(void)
{
    VkShaderModule module;
    VkPipeline pipeline;
    vyre_spirv words;
    vyre_error err;
    if (vyre_glsl_compile(kernel, VYRE_SPIRV_1_3, NULL, &words, &err) != VYRE_OK) {
        fprintf(stderr, "glsl: %s\n%s\n", err.text, err.fix);
        exit(1);
    }
    INFO(ShaderModuleCreateInfo, SHADER_MODULE_CREATE_INFO, code, .codeSize = words.word_count * 4,
         .pCode = words.words);
    TRY(vkCreateShaderModule(device, &code, NULL, &module));
    INFO(PipelineShaderStageCreateInfo, PIPELINE_SHADER_STAGE_CREATE_INFO, stage, .module = module,
         .stage = VK_SHADER_STAGE_COMPUTE_BIT, .pName = "main");
    INFO(ComputePipelineCreateInfo, COMPUTE_PIPELINE_CREATE_INFO, info, .layout = layout,
         .stage = stage);
    TRY(vkCreateComputePipelines(device, VK_NULL_HANDLE, 1, &info, NULL, &pipeline));
    vyre_spirv_free(&words);
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
    vyre_slot slot;
    vyre_error err;
    make_device();
    uint32_t *control = make_buffer(&buffer), *ring = control + ranges[1][0] / 4;
    make_set(buffer);
    const vyre_control_desc rights = { .tenants = 1, .observables = 64 };
    vyre_control_encode(control, 224 * 4, &rights, &err);
    for (uint32_t i = 0; i < SLOTS; i++) {
        const vyre_work work = { .opcode = 0x1000, .arg_count = 2, .args = { 12 * i, 360 } };
        vyre_ring_publish(ring, SLOTS * 64, i, &work, &err);
    }
    run(make_pipeline());
    uint32_t done = 0, sum = 0;
    vyre_control_done_count(control, 224 * 4, &done, &err);
    for (uint32_t i = 0; i < SLOTS; i++) {
        vyre_ring_read(ring, SLOTS * 64, i, &slot, &err);
        sum += slot.args[0];
    }
    vyre_ring_read(ring, SLOTS * 64, 10, &slot, &err);
    printf("glsl: %u slots done, gcd(120, 360) = %u, sum %u\n", (unsigned)done,
           (unsigned)slot.args[0], (unsigned)sum);
    return done != SLOTS || slot.args[0] != 120;
}

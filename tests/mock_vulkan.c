#include "mock_vulkan.h"
#include "driver.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

mock_state mock;

/* Every function that is looked at on its way. */
#define MOCK_INSTANCE_LIST(X)                                                                      \
    X(vkEnumerateInstanceVersion) X(vkEnumerateInstanceExtensionProperties) X(vkCreateInstance)    \
    X(vkDestroyInstance) X(vkEnumeratePhysicalDevices) X(vkEnumerateDeviceExtensionProperties)     \
    X(vkGetPhysicalDeviceProperties) X(vkGetPhysicalDeviceProperties2)                             \
    X(vkGetPhysicalDeviceFeatures2) X(vkGetPhysicalDeviceQueueFamilyProperties)                    \
    X(vkGetPhysicalDeviceMemoryProperties) X(vkCreateDevice)                                       \
    X(vkSetDebugUtilsObjectNameEXT)
#define MOCK_DEVICE_LIST(X)                                                                        \
    X(vkDestroyDevice) X(vkGetDeviceQueue) X(vkCreateBuffer) X(vkDestroyBuffer)                    \
    X(vkGetBufferMemoryRequirements) X(vkAllocateMemory) X(vkFreeMemory) X(vkBindBufferMemory)     \
    X(vkMapMemory) X(vkCreateShaderModule) X(vkDestroyShaderModule)                                \
    X(vkCreateDescriptorSetLayout) X(vkDestroyDescriptorSetLayout) X(vkCreatePipelineLayout)       \
    X(vkDestroyPipelineLayout) X(vkCreatePipelineCache) X(vkDestroyPipelineCache)                  \
    X(vkGetPipelineCacheData) X(vkCreateComputePipelines) X(vkDestroyPipeline)                     \
    X(vkCreateDescriptorPool) X(vkDestroyDescriptorPool) X(vkAllocateDescriptorSets)               \
    X(vkCreateCommandPool) X(vkDestroyCommandPool) X(vkResetCommandPool)                           \
    X(vkAllocateCommandBuffers) X(vkBeginCommandBuffer) X(vkEndCommandBuffer) X(vkQueueSubmit)     \
    X(vkCreateFence) X(vkDestroyFence) X(vkResetFences) X(vkGetFenceStatus) X(vkWaitForFences)     \
    X(vkCreateSemaphore) X(vkDestroySemaphore) X(vkGetSemaphoreCounterValue) X(vkWaitSemaphores)

static struct {
    PFN_vkGetInstanceProcAddr vkGetInstanceProcAddr;
#define MOCK_MEMBER(name) PFN_##name name;
    MOCK_INSTANCE_LIST(MOCK_MEMBER)
    MOCK_DEVICE_LIST(MOCK_MEMBER)
#undef MOCK_MEMBER
    PFN_vkDeviceWaitIdle     vkDeviceWaitIdle;
    PFN_vkGetDeviceProcAddr  vkGetDeviceProcAddr;
    VkPhysicalDevice physical;
} real;

/* Physical devices that there are not; all are the real one with another name. */
static struct { char place; } mock_physical[MOCK_MAX_DEVICES];

/* --- failing ------------------------------------------------------------- */

static const char *const mock_names[MOCK_FUNCTIONS] = {
#define MOCK_NAME(name, ...) #name,
    MOCK_FALLIBLE_LIST(MOCK_NAME)
#undef MOCK_NAME
};

const char *mock_name(mock_function function)
{
    return mock_names[function];
}

uint32_t mock_results(mock_function function, VkResult results[MOCK_MAX_RESULTS])
{
    static const VkResult lists[MOCK_FUNCTIONS][MOCK_MAX_RESULTS] = {
#define MOCK_RESULTS(name, ...) { __VA_ARGS__ },
        MOCK_FALLIBLE_LIST(MOCK_RESULTS)
#undef MOCK_RESULTS
    };
    uint32_t count = 0;
    while (count < MOCK_MAX_RESULTS && lists[function][count] != VK_SUCCESS) {
        results[count] = lists[function][count];
        count++;
    }
    return count;
}

static bool mock_was_lost; /* since mock_begin, a device that was replaced */

void mock_begin(void)
{
    memset(&mock, 0, sizeof mock);
    mock.fail_function = -1;
    mock_was_lost = false;
}

void mock_fail(mock_function function, uint32_t call, VkResult result)
{
    mock.fail_function = (int32_t)function;
    mock.fail_call = call;
    mock.fail_result = result;
    mock.failed = false;
}

/* Counts a call; returns what it is to fail with, or VK_SUCCESS. */
static VkResult mock_enter(mock_function function)
{
    __atomic_fetch_add(&mock.calls, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&mock.count[function], 1, __ATOMIC_RELAXED);
    if (mock.fail_function != (int32_t)function || mock.failed || --mock.fail_call != 0)
        return VK_SUCCESS;
    mock.failed = true;
    if (mock.fail_result == VK_ERROR_DEVICE_LOST)
        mock.lost = true;
    return mock.fail_result;
}

static void mock_live(VkResult result, int32_t change)
{
    if (result == VK_SUCCESS)
        __atomic_fetch_add(&mock.live, change, __ATOMIC_RELAXED);
}

/* A device that was lost here still works in truth, and must come to rest
 * before its objects go; also after another one took its place. */
static void mock_rest(VkDevice device)
{
    if (mock.lost || mock_was_lost)
        real.vkDeviceWaitIdle(device);
}

#define MOCK_ENTER(name)                                                                           \
    do {                                                                                           \
        const VkResult mock_result = mock_enter(MOCK_##name);                                      \
        if (mock_result != VK_SUCCESS)                                                             \
            return mock_result;                                                                    \
    } while (0)

/* A call that creates one object, or several. */
#define MOCK_CREATE(name, changes, parameters, arguments)                                          \
    static VKAPI_ATTR VkResult VKAPI_CALL mock_##name parameters                                   \
    {                                                                                              \
        MOCK_ENTER(name);                                                                          \
        const VkResult result = real.name arguments;                                               \
        mock_live(result, changes);                                                                \
        return result;                                                                             \
    }

/* A call that fails or not, and changes no count of objects. */
#define MOCK_PASS(name, parameters, arguments) MOCK_CREATE(name, 0, parameters, arguments)

/* A call that destroys an object of the device. */
#define MOCK_DESTROY(name, type)                                                                   \
    static VKAPI_ATTR void VKAPI_CALL mock_##name(VkDevice device, type object,                    \
                                                  const VkAllocationCallbacks *callbacks)          \
    {                                                                                              \
        mock_rest(device);                                                                         \
        if (object)                                                                                \
            mock_live(VK_SUCCESS, -1);                                                             \
        real.name(device, object, callbacks);                                                      \
    }

/* --- what is kept -------------------------------------------------------- */

/* Making an instance and a device costs a driver a tenth of a second, and a test of
 * faults makes hundreds.  So one of each, once it is at rest, waits for the next who
 * asks for the same.  Not under a layer, which looks at what is left when a device
 * goes, and not in the long runs (TEST_ALL). */
static struct {
    VkInstance       instance;
    VkDevice         device;
    VkPhysicalDevice physical; /* of the instance */
    bool             instance_is_used, device_is_used;
    uint32_t         version, extensions, device_extensions;
    const void      *features; /* whether there are any */
} kept;

static bool mock_keeps(void)
{
    return !getenv("VK_INSTANCE_LAYERS") && !getenv("TEST_ALL");
}

/* Before the driver's own ends of the process. */
static void mock_drop(void)
{
    if (kept.device && !kept.device_is_used)
        real.vkDestroyDevice(kept.device, NULL);
    if (kept.instance && !kept.instance_is_used && !kept.device_is_used)
        real.vkDestroyInstance(kept.instance, NULL);
}

static VkResult mock_real_instance(const VkInstanceCreateInfo *info,
                                   const VkAllocationCallbacks *callbacks, VkInstance *instance)
{
    const uint32_t version = info->pApplicationInfo ? info->pApplicationInfo->apiVersion : 0;
    if (kept.instance && !kept.instance_is_used && kept.version == version &&
        kept.extensions == info->enabledExtensionCount) {
        kept.instance_is_used = true;
        *instance = kept.instance;
        return VK_SUCCESS;
    }
    const VkResult result = real.vkCreateInstance(info, callbacks, instance);
    if (result == VK_SUCCESS && !kept.instance && !callbacks && mock_keeps()) {
        kept.instance = *instance;
        kept.instance_is_used = true;
        kept.version = version;
        kept.extensions = info->enabledExtensionCount;
        atexit(mock_drop);
    }
    return result;
}

static VkResult mock_real_device(const VkDeviceCreateInfo *info,
                                 const VkAllocationCallbacks *callbacks, VkDevice *device)
{
    const bool same = kept.device_extensions == info->enabledExtensionCount &&
                      !kept.features == !info->pNext;
    if (kept.device && !kept.device_is_used && kept.physical == real.physical && same) {
        kept.device_is_used = true;
        *device = kept.device;
        return VK_SUCCESS;
    }
    const VkResult result = real.vkCreateDevice(real.physical, info, callbacks, device);
    if (result == VK_SUCCESS && !kept.device && kept.instance && !callbacks &&
        kept.physical == real.physical) {
        kept.device = *device;
        kept.device_is_used = true;
        kept.device_extensions = info->enabledExtensionCount;
        kept.features = info->pNext;
    }
    return result;
}

/* --- the instance -------------------------------------------------------- */

static VKAPI_ATTR VkResult VKAPI_CALL mock_vkEnumerateInstanceVersion(uint32_t *version)
{
    MOCK_ENTER(vkEnumerateInstanceVersion);
    const VkResult result = real.vkEnumerateInstanceVersion(version);
    if (mock.instance_version)
        *version = mock.instance_version;
    return result;
}

/* Takes the extensions out that are hidden. */
static void mock_hide(uint32_t *count, VkExtensionProperties *list)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; list && i < *count; i++) {
        if (mock.no_extensions ||
            (mock.no_debug_utils && strcmp(list[i].extensionName, "VK_EXT_debug_utils") == 0))
            continue;
        list[kept++] = list[i];
    }
    if (list)
        *count = kept;
}

static VKAPI_ATTR VkResult VKAPI_CALL
mock_vkEnumerateInstanceExtensionProperties(const char *layer, uint32_t *count,
                                            VkExtensionProperties *list)
{
    MOCK_ENTER(vkEnumerateInstanceExtensionProperties);
    const VkResult result = real.vkEnumerateInstanceExtensionProperties(layer, count, list);
    mock_hide(count, list);
    return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL
mock_vkEnumerateDeviceExtensionProperties(VkPhysicalDevice physical, const char *layer,
                                          uint32_t *count, VkExtensionProperties *list)
{
    MOCK_ENTER(vkEnumerateDeviceExtensionProperties);
    (void)physical;
    const VkResult result =
        real.vkEnumerateDeviceExtensionProperties(real.physical, layer, count, list);
    mock_hide(count, list);
    return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL
mock_vkCreateInstance(const VkInstanceCreateInfo *info, const VkAllocationCallbacks *callbacks,
                      VkInstance *instance)
{
    MOCK_ENTER(vkCreateInstance);
    const VkResult result = mock_real_instance(info, callbacks, instance);
    mock_live(result, 1);
    if (result != VK_SUCCESS)
        return result;
#define MOCK_LOAD(name)                                                                            \
    {                                                                                              \
        PFN_vkVoidFunction found = real.vkGetInstanceProcAddr(*instance, #name);                   \
        if (found)                                                                                 \
            real.name = (PFN_##name)found;                                                         \
    }
    MOCK_INSTANCE_LIST(MOCK_LOAD)
    MOCK_DEVICE_LIST(MOCK_LOAD)
    MOCK_LOAD(vkDeviceWaitIdle)
    MOCK_LOAD(vkGetDeviceProcAddr)
#undef MOCK_LOAD
    uint32_t one = 1;
    real.vkEnumeratePhysicalDevices(*instance, &one, &real.physical);
    if (*instance == kept.instance)
        kept.physical = real.physical;
    return result;
}

static VKAPI_ATTR void VKAPI_CALL
mock_vkDestroyInstance(VkInstance instance, const VkAllocationCallbacks *callbacks)
{
    if (instance && instance == mock.owned_instance) {
        mock.foreign_destroys++;
        return;
    }
    mock_live(VK_SUCCESS, -1);
    if (instance && instance == kept.instance)
        kept.instance_is_used = false;
    else
        real.vkDestroyInstance(instance, callbacks);
}

MOCK_PASS(vkSetDebugUtilsObjectNameEXT,
          (VkDevice device, const VkDebugUtilsObjectNameInfoEXT *info),
          (device, (__atomic_fetch_add(&mock.names, 1, __ATOMIC_RELAXED), info)))

/* --- physical devices ---------------------------------------------------- */

static VKAPI_ATTR VkResult VKAPI_CALL
mock_vkEnumeratePhysicalDevices(VkInstance instance, uint32_t *count, VkPhysicalDevice *list)
{
    MOCK_ENTER(vkEnumeratePhysicalDevices);
    if (mock.no_devices) {
        *count = 0;
        return VK_SUCCESS;
    }
    if (mock.device_count == 0)
        return real.vkEnumeratePhysicalDevices(instance, count, list);
    for (uint32_t i = 0; i < mock.device_count && i < *count; i++)
        list[i] = (VkPhysicalDevice)(void *)&mock_physical[i];
    *count = mock.device_count;
    return VK_SUCCESS;
}

static void mock_properties(VkPhysicalDevice physical, VkPhysicalDeviceProperties *properties)
{
    for (uint32_t i = 0; i < mock.device_count; i++) {
        if (physical != (VkPhysicalDevice)(void *)&mock_physical[i])
            continue;
        properties->deviceType = mock.devices[i].type;
        if (mock.devices[i].name)
            strcpy(properties->deviceName, mock.devices[i].name);
    }
    if (mock.device_version)
        properties->apiVersion = mock.device_version;
    if (mock.driver_version)
        properties->driverVersion = mock.driver_version;
    if (mock.max_lanes)
        properties->limits.maxComputeWorkGroupInvocations = mock.max_lanes;
    if (mock.max_buffers)
        properties->limits.maxPerStageDescriptorStorageBuffers = mock.max_buffers;
    if (mock.max_range)
        properties->limits.maxStorageBufferRange = mock.max_range;
    if (mock.max_shared)
        properties->limits.maxComputeSharedMemorySize = mock.max_shared;
}

static VKAPI_ATTR void VKAPI_CALL
mock_vkGetPhysicalDeviceProperties(VkPhysicalDevice physical,
                                   VkPhysicalDeviceProperties *properties)
{
    real.vkGetPhysicalDeviceProperties(real.physical, properties);
    mock_properties(physical, properties);
}

static VKAPI_ATTR void VKAPI_CALL
mock_vkGetPhysicalDeviceProperties2(VkPhysicalDevice physical,
                                    VkPhysicalDeviceProperties2 *properties)
{
    real.vkGetPhysicalDeviceProperties2(real.physical, properties);
    mock_properties(physical, &properties->properties);
    VkBaseOutStructure *node = (VkBaseOutStructure *)properties->pNext;
    for (; node; node = node->pNext) {
        if (node->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES &&
            mock.no_subgroups)
            ((VkPhysicalDeviceSubgroupProperties *)node)->supportedOperations =
                VK_SUBGROUP_FEATURE_BASIC_BIT;
        if (node->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES && mock.driver_id)
            ((VkPhysicalDeviceDriverProperties *)node)->driverID = (VkDriverId)mock.driver_id;
    }
}

static VKAPI_ATTR void VKAPI_CALL
mock_vkGetPhysicalDeviceFeatures2(VkPhysicalDevice physical, VkPhysicalDeviceFeatures2 *features)
{
    (void)physical;
    real.vkGetPhysicalDeviceFeatures2(real.physical, features);
    VkBaseOutStructure *node = (VkBaseOutStructure *)features->pNext;
    for (; node; node = node->pNext) {
        if (node->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES &&
            mock.no_timeline)
            ((VkPhysicalDeviceTimelineSemaphoreFeatures *)node)->timelineSemaphore = VK_FALSE;
        if (node->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES &&
            mock.no_memory_model)
            ((VkPhysicalDeviceVulkanMemoryModelFeatures *)node)->vulkanMemoryModel = VK_FALSE;
    }
}

static VKAPI_ATTR void VKAPI_CALL
mock_vkGetPhysicalDeviceQueueFamilyProperties(VkPhysicalDevice physical, uint32_t *count,
                                              VkQueueFamilyProperties *list)
{
    (void)physical;
    if (!mock.two_families && !mock.copy_family) {
        real.vkGetPhysicalDeviceQueueFamilyProperties(real.physical, count, list);
        if (list && mock.two_queues)
            list[0].queueCount = 2;
        return;
    }
    if (list) {
        memset(list, 0, 2 * sizeof *list);
        list[0].queueFlags = VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT;
        list[1].queueFlags = mock.copy_family ? VK_QUEUE_TRANSFER_BIT | VK_QUEUE_SPARSE_BINDING_BIT
                                              : VK_QUEUE_COMPUTE_BIT;
        list[0].queueCount = list[1].queueCount = 1;
    }
    *count = 2;
}

/* As a discrete GPU with a window on its memory has them. */
static const VkMemoryPropertyFlags mock_types[4] = {
    VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT,
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT |
        VK_MEMORY_PROPERTY_HOST_CACHED_BIT,
    VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
        VK_MEMORY_PROPERTY_HOST_COHERENT_BIT
};

static VKAPI_ATTR void VKAPI_CALL
mock_vkGetPhysicalDeviceMemoryProperties(VkPhysicalDevice physical,
                                         VkPhysicalDeviceMemoryProperties *properties)
{
    (void)physical;
    real.vkGetPhysicalDeviceMemoryProperties(real.physical, properties);
    if (!mock.discrete_memory)
        return;
    properties->memoryTypeCount = 4;
    for (uint32_t i = 0; i < 4; i++) {
        properties->memoryTypes[i].propertyFlags = mock_types[i];
        properties->memoryTypes[i].heapIndex = 0;
    }
}

/* --- the device ---------------------------------------------------------- */

static VKAPI_ATTR VkResult VKAPI_CALL
mock_vkCreateDevice(VkPhysicalDevice physical, const VkDeviceCreateInfo *info,
                    const VkAllocationCallbacks *callbacks, VkDevice *device)
{
    MOCK_ENTER(vkCreateDevice);
    (void)physical;
    VkDeviceQueueCreateInfo queue = info->pQueueCreateInfos[0];
    mock.queue_family = queue.queueFamilyIndex;
    mock.queue_families = info->queueCreateInfoCount;
    mock.queues = queue.queueCount;
    queue.queueFamilyIndex = 0;
    queue.queueCount = 1;
    VkDeviceCreateInfo changed = *info;
    changed.queueCreateInfoCount = 1;
    changed.pQueueCreateInfos = &queue;
    mock_was_lost = mock_was_lost || mock.lost;
    mock.lost = false;
    const VkResult result = mock_real_device(&changed, callbacks, device);
    mock_live(result, 1);
    return result;
}

static VKAPI_ATTR void VKAPI_CALL
mock_vkDestroyDevice(VkDevice device, const VkAllocationCallbacks *callbacks)
{
    if (device && device == mock.owned_device) {
        mock.foreign_destroys++;
        return;
    }
    mock_rest(device);
    mock_live(VK_SUCCESS, -1);
    if (device && device == kept.device) {
        real.vkDeviceWaitIdle(device);
        kept.device_is_used = false;
    } else {
        real.vkDestroyDevice(device, callbacks);
    }
}

/* A second queue that there is not: it is the real one by another name. */
static struct { VkQueue real; } mock_copies;

static VKAPI_ATTR void VKAPI_CALL mock_vkGetDeviceQueue(VkDevice device, uint32_t family,
                                                        uint32_t index, VkQueue *queue)
{
    real.vkGetDeviceQueue(device, 0, 0, queue);
    if ((mock.copy_family && family == 1) || (mock.two_queues && index == 1)) {
        mock_copies.real = *queue;
        *queue = (VkQueue)(void *)&mock_copies;
    }
}

/* --- memory -------------------------------------------------------------- */

static __thread uint32_t mock_allowed; /* real memory types of the buffer asked about last */

/* The real type that stands for an invented one: with the same properties where
 * there is one, else one that can be mapped. */
static uint32_t mock_real_type(uint32_t invented)
{
    const VkMemoryPropertyFlags wishes[2] = {
        mock_types[invented],
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT
    };
    VkPhysicalDeviceMemoryProperties properties;
    real.vkGetPhysicalDeviceMemoryProperties(real.physical, &properties);
    for (uint32_t w = 0; w < 2; w++)
        for (uint32_t i = 0; i < properties.memoryTypeCount; i++)
            if ((mock_allowed >> i & 1u) &&
                (properties.memoryTypes[i].propertyFlags & wishes[w]) == wishes[w])
                return i;
    return 0;
}

static VKAPI_ATTR VkResult VKAPI_CALL
mock_vkCreateBuffer(VkDevice device, const VkBufferCreateInfo *info,
                    const VkAllocationCallbacks *callbacks, VkBuffer *out)
{
    MOCK_ENTER(vkCreateBuffer);
    VkBufferCreateInfo changed = *info;
    __atomic_fetch_add(&mock.shared_buffers, info->sharingMode == VK_SHARING_MODE_CONCURRENT,
                       __ATOMIC_RELAXED);
    changed.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
    changed.queueFamilyIndexCount = 0;
    const VkResult result = real.vkCreateBuffer(device, &changed, callbacks, out);
    mock_live(result, 1);
    return result;
}
MOCK_DESTROY(vkDestroyBuffer, VkBuffer)

static VKAPI_ATTR void VKAPI_CALL
mock_vkGetBufferMemoryRequirements(VkDevice device, VkBuffer buffer, VkMemoryRequirements *need)
{
    real.vkGetBufferMemoryRequirements(device, buffer, need);
    mock_allowed = need->memoryTypeBits;
    if (mock.discrete_memory)
        need->memoryTypeBits = 0xf;
}

static VKAPI_ATTR VkResult VKAPI_CALL
mock_vkAllocateMemory(VkDevice device, const VkMemoryAllocateInfo *info,
                      const VkAllocationCallbacks *callbacks, VkDeviceMemory *out)
{
    MOCK_ENTER(vkAllocateMemory);
    VkMemoryAllocateInfo changed = *info;
    if (mock.discrete_memory) {
        if (mock.full_device_memory && info->memoryTypeIndex == 3)
            return VK_ERROR_OUT_OF_DEVICE_MEMORY;
        const uint32_t at = __atomic_fetch_add(&mock.allocations, 1, __ATOMIC_RELAXED);
        if (at < 16)
            mock.memory_flags[at] = mock_types[info->memoryTypeIndex];
        else
            __atomic_store_n(&mock.allocations, 16, __ATOMIC_RELAXED);
        changed.memoryTypeIndex = mock_real_type(info->memoryTypeIndex);
    }
    const VkResult result = real.vkAllocateMemory(device, &changed, callbacks, out);
    mock_live(result, 1);
    return result;
}
MOCK_DESTROY(vkFreeMemory, VkDeviceMemory)

MOCK_PASS(vkBindBufferMemory,
          (VkDevice device, VkBuffer buffer, VkDeviceMemory memory, VkDeviceSize offset),
          (device, buffer, memory, offset))
MOCK_PASS(vkMapMemory,
          (VkDevice device, VkDeviceMemory memory, VkDeviceSize offset, VkDeviceSize size,
           VkMemoryMapFlags flags, void **out),
          (device, memory, offset, size, flags, out))

/* --- programs ------------------------------------------------------------ */

MOCK_CREATE(vkCreateShaderModule, 1,
            (VkDevice device, const VkShaderModuleCreateInfo *info,
             const VkAllocationCallbacks *callbacks, VkShaderModule *out),
            (device, info, callbacks, out))
MOCK_DESTROY(vkDestroyShaderModule, VkShaderModule)
MOCK_CREATE(vkCreateDescriptorSetLayout, 1,
            (VkDevice device, const VkDescriptorSetLayoutCreateInfo *info,
             const VkAllocationCallbacks *callbacks, VkDescriptorSetLayout *out),
            (device, info, callbacks, out))
MOCK_DESTROY(vkDestroyDescriptorSetLayout, VkDescriptorSetLayout)
MOCK_CREATE(vkCreatePipelineLayout, 1,
            (VkDevice device, const VkPipelineLayoutCreateInfo *info,
             const VkAllocationCallbacks *callbacks, VkPipelineLayout *out),
            (device, info, callbacks, out))
MOCK_DESTROY(vkDestroyPipelineLayout, VkPipelineLayout)

static const VkPipelineCacheCreateInfo *mock_cache_note(const VkPipelineCacheCreateInfo *info)
{
    const size_t most = sizeof mock.cache_first - 1;
    mock.cache_bytes = info->initialDataSize;
    memset(mock.cache_first, 0, sizeof mock.cache_first);
    if (mock.cache_bytes)
        memcpy(mock.cache_first, info->pInitialData, mock.cache_bytes < most ? mock.cache_bytes : most);
    return info;
}

MOCK_CREATE(vkCreatePipelineCache, 1,
            (VkDevice device, const VkPipelineCacheCreateInfo *info,
             const VkAllocationCallbacks *callbacks, VkPipelineCache *out),
            (device, mock_cache_note(info), callbacks, out))
MOCK_DESTROY(vkDestroyPipelineCache, VkPipelineCache)

static VKAPI_ATTR VkResult VKAPI_CALL
mock_vkGetPipelineCacheData(VkDevice device, VkPipelineCache cache, size_t *size, void *data)
{
    MOCK_ENTER(vkGetPipelineCacheData);
    if (!mock.cache_data)
        return real.vkGetPipelineCacheData(device, cache, size, data);
    *size = strlen(mock.cache_data);
    if (data)
        memcpy(data, mock.cache_data, *size);
    return VK_SUCCESS;
}

MOCK_CREATE(vkCreateComputePipelines, 1,
            (VkDevice device, VkPipelineCache cache, uint32_t count,
             const VkComputePipelineCreateInfo *infos, const VkAllocationCallbacks *callbacks,
             VkPipeline *out),
            (device, cache, count, infos, callbacks, out))
MOCK_DESTROY(vkDestroyPipeline, VkPipeline)
MOCK_CREATE(vkCreateDescriptorPool, 1,
            (VkDevice device, const VkDescriptorPoolCreateInfo *info,
             const VkAllocationCallbacks *callbacks, VkDescriptorPool *out),
            (device, info, callbacks, out))
MOCK_DESTROY(vkDestroyDescriptorPool, VkDescriptorPool)
MOCK_PASS(vkAllocateDescriptorSets,
          (VkDevice device, const VkDescriptorSetAllocateInfo *info, VkDescriptorSet *out),
          (device, info, out))

/* --- launches ------------------------------------------------------------ */

/* How a wait looks whose launch does not end. */
static void mock_sleep(uint64_t timeout)
{
    struct timespec t;
    if (timeout > 3000000000u)
        timeout = mock.hasty ? 0 : 3000000000u;
    t.tv_sec = (time_t)(timeout / 1000000000u);
    t.tv_nsec = (long)(timeout % 1000000000u);
    nanosleep(&t, NULL);
}

static VKAPI_ATTR VkResult VKAPI_CALL
mock_vkCreateCommandPool(VkDevice device, const VkCommandPoolCreateInfo *info,
                         const VkAllocationCallbacks *callbacks, VkCommandPool *out)
{
    MOCK_ENTER(vkCreateCommandPool);
    VkCommandPoolCreateInfo changed = *info;
    changed.queueFamilyIndex = 0;
    const VkResult result = real.vkCreateCommandPool(device, &changed, callbacks, out);
    mock_live(result, 1);
    return result;
}
MOCK_DESTROY(vkDestroyCommandPool, VkCommandPool)
MOCK_PASS(vkResetCommandPool,
          (VkDevice device, VkCommandPool pool, VkCommandPoolResetFlags flags),
          (device, pool, flags))
MOCK_PASS(vkAllocateCommandBuffers,
          (VkDevice device, const VkCommandBufferAllocateInfo *info, VkCommandBuffer *out),
          (device, info, out))
MOCK_PASS(vkBeginCommandBuffer,
          (VkCommandBuffer commands, const VkCommandBufferBeginInfo *info), (commands, info))
MOCK_PASS(vkEndCommandBuffer, (VkCommandBuffer commands), (commands))

static VKAPI_ATTR VkResult VKAPI_CALL mock_vkQueueSubmit(VkQueue queue, uint32_t count,
                                                         const VkSubmitInfo *infos, VkFence fence)
{
    MOCK_ENTER(vkQueueSubmit);
    if (mock.lock && !*mock.lock)
        mock.unlocked_submits++;
    if (mock.lost)
        return VK_ERROR_DEVICE_LOST;
    /* A queue has one thread at a time; in truth both are one. */
    static uint32_t inside[2], whole;
    const bool copies = queue == (VkQueue)(void *)&mock_copies;
    const struct timespec moment = { 0, 50000 };
    if (__atomic_fetch_add(&inside[copies], 1, __ATOMIC_ACQ_REL) != 0)
        __atomic_fetch_add(&mock.overlapping_submits, 1, __ATOMIC_RELAXED);
    if (copies)
        nanosleep(&moment, NULL);
    while (__atomic_exchange_n(&whole, 1, __ATOMIC_ACQUIRE))
        nanosleep(&moment, NULL);
    const VkResult result =
        real.vkQueueSubmit(copies ? mock_copies.real : queue, count, infos, fence);
    __atomic_store_n(&whole, 0, __ATOMIC_RELEASE);
    __atomic_fetch_sub(&inside[copies], 1, __ATOMIC_ACQ_REL);
    return result;
}

MOCK_CREATE(vkCreateFence, 1,
            (VkDevice device, const VkFenceCreateInfo *info,
             const VkAllocationCallbacks *callbacks, VkFence *out),
            (device, info, callbacks, out))
MOCK_DESTROY(vkDestroyFence, VkFence)
MOCK_PASS(vkResetFences, (VkDevice device, uint32_t count, const VkFence *fences),
          (device, count, fences))

static VKAPI_ATTR VkResult VKAPI_CALL mock_vkGetFenceStatus(VkDevice device, VkFence fence)
{
    MOCK_ENTER(vkGetFenceStatus);
    if (mock.lost)
        return VK_ERROR_DEVICE_LOST;
    return mock.hang ? VK_NOT_READY : real.vkGetFenceStatus(device, fence);
}

static VKAPI_ATTR VkResult VKAPI_CALL mock_vkWaitForFences(VkDevice device, uint32_t count,
                                                           const VkFence *fences, VkBool32 all,
                                                           uint64_t timeout)
{
    MOCK_ENTER(vkWaitForFences);
    if (mock.lost)
        return VK_ERROR_DEVICE_LOST;
    if (!mock.hang)
        return real.vkWaitForFences(device, count, fences, all, timeout);
    mock_sleep(timeout);
    return VK_TIMEOUT;
}

MOCK_CREATE(vkCreateSemaphore, 1,
            (VkDevice device, const VkSemaphoreCreateInfo *info,
             const VkAllocationCallbacks *callbacks, VkSemaphore *out),
            (device, info, callbacks, out))
MOCK_DESTROY(vkDestroySemaphore, VkSemaphore)

static VKAPI_ATTR VkResult VKAPI_CALL mock_vkGetSemaphoreCounterValue(VkDevice device,
                                                                      VkSemaphore semaphore,
                                                                      uint64_t *value)
{
    MOCK_ENTER(vkGetSemaphoreCounterValue);
    if (mock.lost)
        return VK_ERROR_DEVICE_LOST;
    if (mock.hang) {
        *value = 0;
        return VK_SUCCESS;
    }
    return real.vkGetSemaphoreCounterValue(device, semaphore, value);
}

static VKAPI_ATTR VkResult VKAPI_CALL mock_vkWaitSemaphores(VkDevice device,
                                                            const VkSemaphoreWaitInfo *info,
                                                            uint64_t timeout)
{
    MOCK_ENTER(vkWaitSemaphores);
    if (mock.lost)
        return VK_ERROR_DEVICE_LOST;
    if (!mock.hang)
        return real.vkWaitSemaphores(device, info, timeout);
    mock_sleep(timeout);
    return VK_TIMEOUT;
}

/* --- the loader ---------------------------------------------------------- */

/* Finds the mock's function; *offered: the real driver has it, too. */
static PFN_vkVoidFunction mock_find(const char *name)
{
#define MOCK_FIND(function)                                                                        \
    if (strcmp(name, #function) == 0)                                                              \
        return (PFN_vkVoidFunction)mock_##function;
    MOCK_INSTANCE_LIST(MOCK_FIND)
    MOCK_DEVICE_LIST(MOCK_FIND)
#undef MOCK_FIND
    return NULL;
}

static PFN_vkVoidFunction mock_wrap(const char *name, PFN_vkVoidFunction found)
{
    if (!found || (mock.missing && strcmp(mock.missing, name) == 0))
        return NULL;
    const PFN_vkVoidFunction mine = mock_find(name);
    return mine ? mine : found;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL mock_vkGetDeviceProcAddr(VkDevice device,
                                                                         const char *name)
{
    return mock_wrap(name, real.vkGetDeviceProcAddr(device, name));
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL mock_vkGetInstanceProcAddr(VkInstance instance,
                                                                           const char *name)
{
    if (strcmp(name, "vkGetInstanceProcAddr") == 0)
        return (PFN_vkVoidFunction)mock_vkGetInstanceProcAddr;
    if (strcmp(name, "vkGetDeviceProcAddr") == 0)
        return (PFN_vkVoidFunction)mock_vkGetDeviceProcAddr;
    return mock_wrap(name, real.vkGetInstanceProcAddr(instance, name));
}

void (*mock_loader(void))(void)
{
    static void *library;
    if (!library)
        library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return NULL;
    void *symbol = dlsym(library, "vkGetInstanceProcAddr");
    memcpy(&real.vkGetInstanceProcAddr, &symbol, sizeof symbol);
    real.vkCreateInstance =
        (PFN_vkCreateInstance)real.vkGetInstanceProcAddr(VK_NULL_HANDLE, "vkCreateInstance");
    real.vkEnumerateInstanceVersion = (PFN_vkEnumerateInstanceVersion)
        real.vkGetInstanceProcAddr(VK_NULL_HANDLE, "vkEnumerateInstanceVersion");
    real.vkEnumerateInstanceExtensionProperties = (PFN_vkEnumerateInstanceExtensionProperties)
        real.vkGetInstanceProcAddr(VK_NULL_HANDLE, "vkEnumerateInstanceExtensionProperties");
    return (void (*)(void))mock_vkGetInstanceProcAddr;
}

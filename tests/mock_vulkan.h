/* A Vulkan between the library and the real driver, for tests.  It passes
 * every call on, counts calls and living objects, fails a chosen call with a
 * chosen result, and hides or changes what the driver offers.
 *
 *     mock_begin();                                  // all counters zero, all as it is
 *     desc.vulkan.loader = mock_loader();
 *     mock_fail("vkQueueSubmit", 2, VK_ERROR_DEVICE_LOST);  // its 2nd call from here on
 *     ...
 *     CHECK_EQ(mock.live, 0);
 *
 * Include mock_vulkan.c; nothing has to be linked: the loader is opened at run
 * time.  One test at a time uses it; the library may call it from any thread.
 */
#ifndef MOCK_VULKAN_H
#define MOCK_VULKAN_H

#ifndef VK_NO_PROTOTYPES
    #define VK_NO_PROTOTYPES
#endif
#include <vulkan/vulkan.h>

#include <stdbool.h>
#include <stdint.h>

/* X(name, results that it may give): the functions that can fail. */
#define MOCK_HOST   VK_ERROR_OUT_OF_HOST_MEMORY
#define MOCK_DEVICE VK_ERROR_OUT_OF_DEVICE_MEMORY
#define MOCK_LOST   VK_ERROR_DEVICE_LOST
#define MOCK_FALLIBLE_LIST(X)                                                                      \
    X(vkEnumerateInstanceVersion, MOCK_HOST)                                                       \
    X(vkEnumerateInstanceExtensionProperties, MOCK_HOST, MOCK_DEVICE)                              \
    X(vkCreateInstance, MOCK_HOST, MOCK_DEVICE, VK_ERROR_INITIALIZATION_FAILED,                    \
      VK_ERROR_LAYER_NOT_PRESENT, VK_ERROR_EXTENSION_NOT_PRESENT, VK_ERROR_INCOMPATIBLE_DRIVER)    \
    X(vkEnumeratePhysicalDevices, MOCK_HOST, MOCK_DEVICE, VK_ERROR_INITIALIZATION_FAILED)          \
    X(vkEnumerateDeviceExtensionProperties, MOCK_HOST, MOCK_DEVICE)                                \
    X(vkCreateDevice, MOCK_HOST, MOCK_DEVICE, VK_ERROR_INITIALIZATION_FAILED,                      \
      VK_ERROR_EXTENSION_NOT_PRESENT, VK_ERROR_FEATURE_NOT_PRESENT, VK_ERROR_TOO_MANY_OBJECTS,     \
      MOCK_LOST)                                                                                   \
    X(vkCreateBuffer, MOCK_HOST, MOCK_DEVICE)                                                      \
    X(vkAllocateMemory, MOCK_HOST, MOCK_DEVICE, VK_ERROR_TOO_MANY_OBJECTS)                         \
    X(vkBindBufferMemory, MOCK_HOST, MOCK_DEVICE)                                                  \
    X(vkMapMemory, MOCK_HOST, MOCK_DEVICE, VK_ERROR_MEMORY_MAP_FAILED)                             \
    X(vkCreateShaderModule, MOCK_HOST, MOCK_DEVICE, VK_ERROR_INVALID_SHADER_NV)                    \
    X(vkCreateDescriptorSetLayout, MOCK_HOST, MOCK_DEVICE)                                         \
    X(vkCreatePipelineLayout, MOCK_HOST, MOCK_DEVICE)                                              \
    X(vkCreatePipelineCache, MOCK_HOST, MOCK_DEVICE)                                               \
    X(vkGetPipelineCacheData, MOCK_HOST, MOCK_DEVICE)                                              \
    X(vkCreateComputePipelines, MOCK_HOST, MOCK_DEVICE, VK_ERROR_INVALID_SHADER_NV)                \
    X(vkCreateDescriptorPool, MOCK_HOST, MOCK_DEVICE, VK_ERROR_FRAGMENTATION)                      \
    X(vkAllocateDescriptorSets, MOCK_HOST, MOCK_DEVICE, VK_ERROR_FRAGMENTED_POOL,                  \
      VK_ERROR_OUT_OF_POOL_MEMORY)                                                                 \
    X(vkCreateCommandPool, MOCK_HOST, MOCK_DEVICE)                                                 \
    X(vkResetCommandPool, MOCK_DEVICE)                                                             \
    X(vkAllocateCommandBuffers, MOCK_HOST, MOCK_DEVICE)                                            \
    X(vkBeginCommandBuffer, MOCK_HOST, MOCK_DEVICE)                                                \
    X(vkEndCommandBuffer, MOCK_HOST, MOCK_DEVICE)                                                  \
    X(vkQueueSubmit, MOCK_HOST, MOCK_DEVICE, MOCK_LOST)                                            \
    X(vkCreateFence, MOCK_HOST, MOCK_DEVICE)                                                       \
    X(vkResetFences, MOCK_DEVICE)                                                                  \
    X(vkGetFenceStatus, MOCK_HOST, MOCK_DEVICE, MOCK_LOST)                                         \
    X(vkWaitForFences, MOCK_HOST, MOCK_DEVICE, MOCK_LOST)                                          \
    X(vkCreateSemaphore, MOCK_HOST, MOCK_DEVICE)                                                   \
    X(vkGetSemaphoreCounterValue, MOCK_HOST, MOCK_DEVICE, MOCK_LOST)                               \
    X(vkWaitSemaphores, MOCK_HOST, MOCK_DEVICE, MOCK_LOST)                                         \
    X(vkSetDebugUtilsObjectNameEXT, MOCK_HOST, MOCK_DEVICE)

typedef enum mock_function {
#define MOCK_ENUM(name, ...) MOCK_##name,
    MOCK_FALLIBLE_LIST(MOCK_ENUM)
#undef MOCK_ENUM
    MOCK_FUNCTIONS
} mock_function;

#define MOCK_MAX_RESULTS 8
#define MOCK_MAX_DEVICES 4

typedef struct mock_device {
    const char          *name; /* NULL = the real one's */
    VkPhysicalDeviceType type;
} mock_device;

typedef struct mock_state {
    /* what happened */
    uint32_t calls;                     /* of the device and the queue, all together */
    uint32_t count[MOCK_FUNCTIONS];
    int32_t  live;                      /* objects created and not destroyed, memory included */
    bool     failed;                    /* the call to fail was reached */
    size_t   cache_bytes;               /* of the last vkCreatePipelineCache */
    char     cache_first[16];           /* the first of them */
    uint32_t queue_family;              /* of the last vkCreateDevice */
    uint32_t queue_families, queues;    /* how many of them it was asked for */
    uint32_t shared_buffers;            /* made for more than one family */
    uint32_t names;                     /* objects that were given a name */
    uint32_t unlocked_submits;          /* submissions while *lock was not held */
    uint32_t overlapping_submits;       /* to one queue, by two threads */
    uint32_t foreign_destroys;          /* of objects that the test owns */
    VkMemoryPropertyFlags memory_flags[16]; /* of the allocations, in their order */
    uint32_t allocations;

    /* what to do */
    int32_t  fail_function;             /* mock_function, or -1 */
    uint32_t fail_call;                 /* the how many-th from now, from 1 */
    VkResult fail_result;
    bool     lost;                      /* every later call that can says so */
    bool     hang;                      /* no launch ever seems to end */
    bool     hasty;                     /* and waits for one are over at once */
    const volatile int *lock;           /* of the user's queue */
    VkInstance owned_instance;          /* of the test: not to be destroyed */
    VkDevice   owned_device;

    /* what the driver seems to be */
    uint32_t instance_version, device_version, driver_version; /* 0 = the real one */
    const char *cache_data;             /* a text: what vkGetPipelineCacheData gives */
    bool     no_timeline, no_memory_model, no_debug_utils, no_extensions, no_subgroups;
    bool     discrete_memory;           /* four types, as a discrete GPU has them */
    bool     full_device_memory;        /* the host's window on it has no room */
    bool     two_families;              /* 0 graphics and compute, 1 compute only */
    bool     copy_family;               /* 0 graphics and compute, 1 transfer only */
    bool     two_queues;                /* in family 0 */
    uint32_t max_lanes, max_buffers, max_range, max_shared; /* limits; 0 = the real ones */
    uint32_t driver_id;                 /* likewise */
    uint32_t device_count;              /* 0 = the real one */
    bool     no_devices;
    mock_device devices[MOCK_MAX_DEVICES];
    const char *missing;                /* a function that is not there */
} mock_state;

extern mock_state mock;

void mock_begin(void);
/* For vyre_vulkan_desc.loader; NULL when there is no Vulkan here. */
void (*mock_loader(void))(void);
/* The `call`-th call of the function, counted from now, fails. */
void mock_fail(mock_function function, uint32_t call, VkResult result);
const char *mock_name(mock_function function);
/* The results that the function may give; returns how many. */
uint32_t mock_results(mock_function function, VkResult results[MOCK_MAX_RESULTS]);

#endif

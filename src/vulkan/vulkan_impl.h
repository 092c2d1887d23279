/* ==========================================================================
 * vulkan: what its fragments share
 *
 * Private.  Types come from volk's header, functions from a table that each
 * handle fills for itself, through vkGetInstanceProcAddr and
 * vkGetDeviceProcAddr, as volk fills its device tables.
 *
 * volk's own implementation is not compiled in, because it cannot be kept
 * private: it defines about a thousand objects that are named like the
 * functions of the Vulkan loader (vkCreateInstance, ...).  Hidden or not, the
 * linker would resolve a program's calls of the loader to those objects, and
 * would refuse a program that builds volk itself.  A table of a handle's own
 * also lets handles live on different instances and devices.  With
 * VYRE_EXTERNAL_VOLK the table starts from the program's volk.
 * ======================================================================= */
#ifndef VYI_VULKAN_IMPL_H
#define VYI_VULKAN_IMPL_H

#include "engine/engine_impl.h"
#include "base/thread_impl.h"
#include "emit/spirv.h"
#include "vulkan/vulkan.h"

#ifndef VYRE_NO_VULKAN
    #ifdef VULKAN_CORE_H_
        #define VYI_VULKAN 1 /* the program chose its Vulkan headers already */
    #elif defined(VYRE_EXTERNAL_VOLK)
        #define VYI_VULKAN 1
    #elif defined(__has_include)
        #if __has_include(<volk.h>)
            #define VYI_VULKAN 1
        #endif
    #endif
#endif
#ifndef VYI_VULKAN
    #define VYI_VULKAN 0
#endif

#if VYI_VULKAN

#if !defined(VULKAN_CORE_H_) || defined(VYRE_EXTERNAL_VOLK)
    #include <volk.h>
#endif

VYI_EXTERN_C_BEGIN

/* --- functions ----------------------------------------------------------- */

/* Reached without an instance. */
#define VYI_VK_GLOBAL_LIST(X)                                                                      \
    X(vkCreateInstance)                                                                            \
    X(vkEnumerateInstanceVersion)                                                                  \
    X(vkEnumerateInstanceExtensionProperties)

#define VYI_VK_INSTANCE_LIST(X)                                                                    \
    X(vkDestroyInstance)                                                                           \
    X(vkEnumeratePhysicalDevices)                                                                  \
    X(vkEnumerateDeviceExtensionProperties)                                                        \
    X(vkGetPhysicalDeviceProperties)                                                               \
    X(vkGetPhysicalDeviceProperties2)                                                              \
    X(vkGetPhysicalDeviceFeatures2)                                                                \
    X(vkGetPhysicalDeviceQueueFamilyProperties)                                                    \
    X(vkGetPhysicalDeviceMemoryProperties)                                                         \
    X(vkCreateDevice)                                                                              \
    X(vkGetDeviceProcAddr)

#define VYI_VK_DEVICE_LIST(X)                                                                      \
    X(vkDestroyDevice)                                                                             \
    X(vkGetDeviceQueue)                                                                            \
    X(vkCreateBuffer)                                                                              \
    X(vkDestroyBuffer)                                                                             \
    X(vkGetBufferMemoryRequirements)                                                               \
    X(vkAllocateMemory)                                                                            \
    X(vkFreeMemory)                                                                                \
    X(vkBindBufferMemory)                                                                          \
    X(vkMapMemory)                                                                                 \
    X(vkCreateShaderModule)                                                                        \
    X(vkDestroyShaderModule)                                                                       \
    X(vkCreateDescriptorSetLayout)                                                                 \
    X(vkDestroyDescriptorSetLayout)                                                                \
    X(vkCreatePipelineLayout)                                                                      \
    X(vkDestroyPipelineLayout)                                                                     \
    X(vkCreatePipelineCache)                                                                       \
    X(vkDestroyPipelineCache)                                                                      \
    X(vkGetPipelineCacheData)                                                                      \
    X(vkCreateComputePipelines)                                                                    \
    X(vkDestroyPipeline)                                                                           \
    X(vkCreateDescriptorPool)                                                                      \
    X(vkDestroyDescriptorPool)                                                                     \
    X(vkAllocateDescriptorSets)                                                                    \
    X(vkUpdateDescriptorSets)                                                                      \
    X(vkCreateCommandPool)                                                                         \
    X(vkDestroyCommandPool)                                                                        \
    X(vkResetCommandPool)                                                                          \
    X(vkAllocateCommandBuffers)                                                                    \
    X(vkBeginCommandBuffer)                                                                        \
    X(vkEndCommandBuffer)                                                                          \
    X(vkCmdBindPipeline)                                                                           \
    X(vkCmdBindDescriptorSets)                                                                     \
    X(vkCmdPushConstants)                                                                          \
    X(vkCmdPipelineBarrier)                                                                        \
    X(vkCmdDispatch)                                                                               \
    X(vkCmdCopyBuffer)                                                                             \
    X(vkCmdFillBuffer)                                                                             \
    X(vkQueueSubmit)                                                                               \
    X(vkCreateFence)                                                                               \
    X(vkDestroyFence)                                                                              \
    X(vkResetFences)                                                                               \
    X(vkGetFenceStatus)                                                                            \
    X(vkWaitForFences)

/* Absent where the feature is. */
#define VYI_VK_OPTIONAL_LIST(X)                                                                    \
    X(vkCreateSemaphore)                                                                           \
    X(vkDestroySemaphore)                                                                          \
    X(vkGetSemaphoreCounterValue)                                                                  \
    X(vkWaitSemaphores)                                                                            \
    X(vkSetDebugUtilsObjectNameEXT)                                                                \
    X(vkCreateDebugUtilsMessengerEXT)                                                              \
    X(vkDestroyDebugUtilsMessengerEXT)

/* How the device's clock stands to the host's; older headers do not know that. */
#ifdef VK_EXT_calibrated_timestamps
    #define VYI_VK_CALIBRATED_LIST(X)                                                              \
        X(vkGetPhysicalDeviceCalibrateableTimeDomainsEXT)                                          \
        X(vkGetCalibratedTimestampsEXT)
#else
    #define VYI_VK_CALIBRATED_LIST(X)
#endif

/* Every Vulkan function that the library calls, by its own name. */
typedef struct vyi_vk_table {
    PFN_vkGetInstanceProcAddr vkGetInstanceProcAddr;
#define VYI_VK_MEMBER(name) PFN_##name name;
    VYI_VK_GLOBAL_LIST(VYI_VK_MEMBER)
    VYI_VK_INSTANCE_LIST(VYI_VK_MEMBER)
    VYI_VK_DEVICE_LIST(VYI_VK_MEMBER)
    VYI_VK_OPTIONAL_LIST(VYI_VK_MEMBER)
    VYI_VK_CALIBRATED_LIST(VYI_VK_MEMBER)
#undef VYI_VK_MEMBER
} vyi_vk_table;

/* The process's Vulkan loader, or NULL. */
VYI_API PFN_vkGetInstanceProcAddr vyi_vk_find_loader(void);
/* Drivers that must not be unloaded stay for the life of the process; call it
 * while an instance is open. */
VYI_API void vyi_vk_keep_drivers(void);
/* Each fills its part of the table; an error names the function that is missing. */
VYI_API vyre_status vyi_vk_load_global(vyi_vk_table *fn, vyre_error *err);
VYI_API vyre_status vyi_vk_load_instance(vyi_vk_table *fn, VkInstance instance, vyre_error *err);
VYI_API vyre_status vyi_vk_load_device(vyi_vk_table *fn, VkDevice device, vyre_error *err);

/* --- results ------------------------------------------------------------- */

/* The name of a VkResult, "VK_ERROR_..."; NULL for one that is not known. */
VYI_API const char *vyi_vk_result_text(VkResult result);
/* A failed call as a typed error: the call's name and the code are in the text,
 * the code in err->native. */
VYI_API vyre_status vyi_vk_fail(vyre_error *err, VkResult result, const char *call);
/* VYRE_OK for VK_SUCCESS, else vyi_vk_fail. */
VYI_API vyre_status vyi_vk_check(vyre_error *err, VkResult result, const char *call);

/* vyi_vk_check of one call of the table. */
#define VYI_VK(err, fn, name, arguments) vyi_vk_check((err), (fn).name arguments, #name)

/* --- device -------------------------------------------------------------- */

/* What the device can do that is of use here, and has been switched on. */
typedef struct vyi_vk_features {
    bool     timeline;     /* timeline semaphores */
    bool     memory_model; /* the Vulkan memory model, at device scope */
    bool     names;        /* VK_EXT_debug_utils */
    bool     llvmpipe;     /* Mesa's, whose fences need a way around */
    vyre_spirv_clock clock; /* of traced handles; NONE for others */
    bool     calibrated;   /* and the driver tells how it stands to the host's */
    uint32_t subgroup_size, subgroup_operations;
} vyi_vk_features;

/* Where a buffer lies is decided by who polls it. */
typedef enum vyi_vk_place {
    VYI_VK_DEVICE = 0, /* the device polls or works on it, the host writes */
    VYI_VK_HOST,       /* the host polls or reads it, the device writes */
    VYI_VK_LOCAL,      /* the device alone: it is never mapped */
    VYI_VK_PLACES
} vyi_vk_place;

typedef struct vyi_vk_context {
    vyi_vk_table     fn;
    const vyre_desc *desc;        /* the user's; outlives the device */
    const VkAllocationCallbacks *callbacks;
    VkInstance       instance;
    VkDebugUtilsMessengerEXT messenger;
    VkPhysicalDevice physical;
    VkDevice         device;
    VkQueue          queue;
    uint32_t         family;
    VkQueue          copy_queue;  /* may be `queue` */
    uint32_t         copy_family;
    vyi_mutex        submitting;  /* around submissions to `queue`, by whoever makes them */
    vyi_mutex        copying;     /* and to `copy_queue`, where that is another one */
    bool             locks;       /* both were made */
    uint32_t         instance_version;
    uint32_t         version;     /* that instance and device have in common */
    bool             owns_instance, owns_device;
    uint32_t         lost;        /* the driver said so: nothing runs any more; any thread stores */
    bool             hung;        /* something runs that will not end: leak it */
    vyi_vk_features  features;
    VkPhysicalDeviceProperties       properties;
    VkPhysicalDeviceMemoryProperties memory;
    uint32_t         probed[VYI_VK_PLACES]; /* memory types in which the probe looked */
    VkPhysicalDeviceIDProperties     id;
    char             driver[128];
} vyi_vk_context;

/* Opens what the desc describes, from the loader to the queue; with `copies` also
 * a queue for these.  On failure nothing is left and *c is zeroed. */
VYI_API vyre_status vyi_vk_context_open(vyi_vk_context *c, const vyre_desc *desc, bool copies,
                                        vyre_error *err);
/* Destroys what the library created of it; nothing may be in flight. */
VYI_API void vyi_vk_context_close(vyi_vk_context *c);
/* As vyi_vk_check; notes when the device is lost. */
VYI_API vyre_status vyi_vk_context_check(vyi_vk_context *c, vyre_error *err, VkResult result,
                                         const char *call);
/* vkQueueSubmit, under the locks of the queue. */
VYI_API vyre_status vyi_vk_submit(vyi_vk_context *c, VkQueue queue, const VkSubmitInfo *info,
                                  VkFence fence, vyre_error *err);
/* Names an object for debuggers, where that is possible. */
VYI_API void vyi_vk_name(vyi_vk_context *c, VkObjectType type, uint64_t handle, const char *name);

/* One call on the context's device, by its own name. */
#define VYI_VKC(c, err, name, arguments)                                                           \
    vyi_vk_context_check((c), (err), (c)->fn.name arguments, #name)

/* Non-dispatchable handles are pointers on some machines and numbers on others. */
#define VYI_VK_HANDLE(handle) ((uint64_t)(handle))

/* --- memory -------------------------------------------------------------- */

/* Coherent and mapped, but for LOCAL and what is lent. */
typedef struct vyi_vk_buffer {
    VkBuffer              buffer;
    VkDeviceMemory        memory;
    void                 *mapped;
    size_t                size;
    bool                  lent;  /* the caller's: it is never destroyed */
    vyi_vk_place          place;
    uint32_t              type;  /* of memory, that it got */
    VkMemoryPropertyFlags flags; /* of that type */
} vyi_vk_buffer;

/* A storage buffer, zeroed where it is mapped.  On failure *b is zeroed. */
VYI_API vyre_status vyi_vk_buffer_create(vyi_vk_context *c, vyi_vk_buffer *b, vyi_vk_place place,
                                         size_t size, const char *name, vyre_error *err);
VYI_API void vyi_vk_buffer_destroy(vyi_vk_context *c, vyi_vk_buffer *b);
/* The caller's own. */
VYI_API vyre_status vyi_vk_buffer_lend(vyi_vk_context *c, vyi_vk_buffer *b, VkBuffer lent,
                                       size_t size, const char *name, vyre_error *err);

/* --- copies -------------------------------------------------------------- */

#define VYI_VK_STAGES 2u
#ifndef VYI_VK_COPIERS
    #define VYI_VK_COPIERS 4u /* threads of a large copy */
#endif

/* A copy on its way: while one is in flight, the host works on the other. */
typedef struct vyi_vk_stage {
    vyi_vk_buffer   bytes; /* that the host reads and writes fast; made when first needed */
    VkCommandPool   pool;
    VkCommandBuffer commands;
    VkFence         fence;
    bool            busy;  /* submitted, and not seen to end */
    bool            whole; /* of whole buffers, in the queue of the launches, while nothing
                              runs there: groups fill and copy faster than what copies */
} vyi_vk_stage;

/* Copies beside launches: any thread may ask for one, at any time. */
typedef struct vyi_vk_copier {
    vyi_mutex    lock;
    bool         locks; /* it was made */
    vyi_vk_stage stages[VYI_VK_STAGES + 1]; /* the last one is for whole buffers */
} vyi_vk_copier;

VYI_API vyre_status vyi_vk_copier_create(vyi_vk_copier *p, vyre_error *err);
/* Nothing is in flight. */
VYI_API void vyi_vk_copier_destroy(vyi_vk_context *c, vyi_vk_copier *p);
/* True when nothing is in flight any more; waits no longer than the timeout. */
VYI_API bool vyi_vk_copier_idle(vyi_vk_context *c, vyi_vk_copier *p, uint64_t timeout_ns);
/* Between the caller's bytes and a buffer, as vyi_copy says. */
VYI_API vyre_status vyi_vk_copy_bytes(vyi_vk_context *c, vyi_vk_copier *p,
                                      const vyi_vk_buffer *b, const vyi_copy *copy,
                                      vyre_error *err);
/* The first `size` bytes of another buffer; `from` NULL: zeros, in all of it. */
VYI_API vyre_status vyi_vk_copy_buffer(vyi_vk_context *c, vyi_vk_copier *p,
                                       const vyi_vk_buffer *from, const vyi_vk_buffer *to,
                                       size_t size, vyre_error *err);

/* --- kernels ------------------------------------------------------------- */

/* The layout that a set of programs shares: storage buffers and one push constant. */
typedef struct vyi_vk_layout {
    VkDescriptorSetLayout set;
    VkPipelineLayout      pipeline;
} vyi_vk_layout;

typedef struct vyi_vk_binding {
    uint32_t binding;
    VkBuffer buffer;
    size_t   size;
} vyi_vk_binding;

VYI_API vyre_status vyi_vk_layout_create(vyi_vk_context *c, vyi_vk_layout *l,
                                         const uint32_t *bindings, uint32_t count,
                                         vyre_error *err);
VYI_API void vyi_vk_layout_destroy(vyi_vk_context *c, vyi_vk_layout *l);

/* A pool for `sets` descriptor sets of `buffers` storage buffers each. */
VYI_API vyre_status vyi_vk_pool_create(vyi_vk_context *c, VkDescriptorPool *pool, uint32_t sets,
                                       uint32_t buffers, vyre_error *err);
VYI_API vyre_status vyi_vk_set_create(vyi_vk_context *c, VkDescriptorPool pool,
                                      const vyi_vk_layout *layout, VkDescriptorSet *set,
                                      vyre_error *err);
/* Points the set at the buffers; it must not be in use. */
VYI_API void vyi_vk_set_write(vyi_vk_context *c, VkDescriptorSet set,
                              const vyi_vk_binding *bindings, uint32_t count);

/* Where the loop limit was not measured; llvmpipe has this one. */
#define VYI_VK_CPU_LOOP_LIMIT 65535u

typedef struct vyi_vk_pipeline_desc {
    const vyre_program *program;
    const vyi_vk_layout *layout;
    VkPipelineCache     cache;      /* may be null */
    uint32_t            group_size; /* 0 = the program's own */
    uint32_t            loop_limit; /* 0 = none */
    const char         *name;
} vyi_vk_pipeline_desc;

VYI_API vyre_status vyi_vk_pipeline_create(vyi_vk_context *c, const vyi_vk_pipeline_desc *desc,
                                           VkPipeline *out, vyre_error *err);

/* Of program, device and driver. */
VYI_API uint64_t vyi_vk_identity(const vyi_vk_context *c, uint64_t program);

/* --- what is kept between opens ------------------------------------------- */

#define VYI_VK_PROGRAMS 5u /* of a handle, for the key of its file */

/* Zero-initialise it. */
typedef struct vyi_vk_cache {
    VkPipelineCache pipelines;    /* null: nobody stores one */
    uint64_t    program;          /* hash, of the blob */
    uint8_t     key[32], digest[32]; /* of the file; of the one that was read, or zeros */
    uint8_t     measured[64];     /* as the file has it */
    void       *file;             /* that was read, until the pipelines are made */
    size_t      file_size;
    const void *driver;           /* bytes of it */
    size_t      driver_size;
} vyi_vk_cache;

/* Reads the file of the desc, if it names one.  Entries of `programs` may be NULL. */
VYI_API void vyi_vk_cache_begin(const vyi_vk_context *c, vyi_vk_cache *k,
                                const vyre_program *const *programs);
/* False: the probe has to run. */
VYI_API bool vyi_vk_cache_recall(vyi_vk_context *c, vyi_vk_cache *k, uint32_t group_size,
                                 uint32_t max_groups, vyre_probe *out);
/* What it found; the conditions are those of the recall before. */
VYI_API void vyi_vk_cache_keep(const vyi_vk_context *c, vyi_vk_cache *k, const vyre_probe *probe,
                               bool settled);
/* How many of the looping kernel's groups run at once; 0: not known. */
VYI_API uint32_t vyi_vk_cache_groups(const vyi_vk_cache *k);
VYI_API void vyi_vk_cache_keep_groups(vyi_vk_cache *k, uint32_t groups);
/* What a tuner has found; 0: nothing. */
VYI_API uint32_t vyi_vk_cache_verdict(const vyi_vk_cache *k);
VYI_API void vyi_vk_cache_keep_verdict(vyi_vk_cache *k, uint32_t verdict);
VYI_API vyre_status vyi_vk_cache_open(vyi_vk_context *c, vyi_vk_cache *k, uint64_t program,
                                      vyre_error *err);
/* The bytes of the file are no longer needed. */
VYI_API void vyi_vk_cache_drop_file(const vyi_vk_context *c, vyi_vk_cache *k);
/* Hands the blob to the user's cache_store, and writes the file when it would differ. */
VYI_API void vyi_vk_cache_store(const vyi_vk_context *c, const vyi_vk_cache *k);
VYI_API void vyi_vk_cache_free(vyi_vk_context *c, vyi_vk_cache *k);

/* --- launches ------------------------------------------------------------ */

#define VYI_VK_PLAIN_KINDS 5u /* as vyi_launch */
#define VYI_VK_KINDS 8u     /* and leases of fewer groups, of each level but 0 */
#define VYI_VK_MAX_CHAIN 9u /* launches that may be in flight */

/* What a command buffer runs. */
typedef struct vyi_vk_dispatch {
    VkPipeline      pipeline;
    VkPipelineLayout layout;
    VkDescriptorSet set;
    uint32_t        groups, rounds;
    uint32_t        rows, layers; /* groups in y and z; 0 = 1 */
} vyi_vk_dispatch;

/* One place in the chain: it is used again when its launch has ended. */
typedef struct vyi_vk_link {
    VkFence         fence; /* without timeline semaphores */
    VkCommandPool   pools[VYI_VK_KINDS]; /* one each: drivers prefer resetting whole pools */
    VkCommandBuffer commands[VYI_VK_KINDS];
    vyi_vk_dispatch recorded[VYI_VK_KINDS]; /* pipeline null: nothing yet */
} vyi_vk_link;

/* Launches in their order: the n-th uses link n % count, and signals n + 1. */
typedef struct vyi_vk_chain {
    VkSemaphore   timeline;
    uint32_t      count, kinds;
    uint64_t      launched, completed;
    vyi_vk_link   links[VYI_VK_MAX_CHAIN];
} vyi_vk_chain;

/* A pool for one command buffer, and that; the pool is null on failure, or to be
 * destroyed. */
VYI_API vyre_status vyi_vk_commands_create(vyi_vk_context *c, uint32_t family,
                                           VkCommandPool *pool, VkCommandBuffer *commands,
                                           vyre_error *err);
/* With command buffers of `kinds` kinds. */
VYI_API vyre_status vyi_vk_chain_create(vyi_vk_context *c, vyi_vk_chain *chain, uint32_t count,
                                        uint32_t kinds, vyre_error *err);
VYI_API void vyi_vk_chain_destroy(vyi_vk_context *c, vyi_vk_chain *chain);
/* Recorded commands of this kind are out of date. */
VYI_API void vyi_vk_chain_forget(vyi_vk_chain *chain, uint32_t kind);
/* Submits; records first when this place in the chain last ran something else. */
VYI_API vyre_status vyi_vk_chain_launch(vyi_vk_context *c, vyi_vk_chain *chain, uint32_t kind,
                                        const vyi_vk_dispatch *dispatch, vyre_error *err);
/* Brings chain->completed up to date with one call, waiting until it exceeds
 * `beyond`, but no longer than the timeout. */
VYI_API vyre_status vyi_vk_chain_reap(vyi_vk_context *c, vyi_vk_chain *chain, uint64_t beyond,
                                      uint64_t timeout_ns, vyre_error *err);
/* True when nothing is in flight any more; waits no longer than the timeout. */
VYI_API bool vyi_vk_chain_idle(vyi_vk_context *c, vyi_vk_chain *chain, uint64_t timeout_ns);

/* --- probe --------------------------------------------------------------- */

/* Measures the device with a few small dispatches, in bounded time.  The group
 * size is that of the kernels to come, max_groups what they could use.  *settled:
 * another look would say no more. */
VYI_API vyre_status vyi_vk_probe(vyi_vk_context *c, uint32_t group_size, uint32_t max_groups,
                                 vyre_probe *out, bool *settled, vyre_error *err);
/* Writes the verdict's line. */
VYI_API void vyi_vk_probe_text(vyre_probe *out);

VYI_EXTERN_C_END

#endif /* VYI_VULKAN */

#endif

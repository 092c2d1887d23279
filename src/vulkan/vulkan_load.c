/* ==========================================================================
 * vulkan: finding the loader, filling the table, naming results
 * ======================================================================= */
#include "vulkan/vulkan_impl.h"

#if VYI_VULKAN

#if !defined(_WIN32)
    #include <dlfcn.h>
#elif !defined(VYRE_EXTERNAL_VOLK)
    #ifndef WIN32_LEAN_AND_MEAN
        #define WIN32_LEAN_AND_MEAN
    #endif
    #ifndef NOMINMAX
        #define NOMINMAX
    #endif
    #include <windows.h>
#endif

/* --- the loader ---------------------------------------------------------- */

/* The library is never closed again: drivers leave threads and thread-local
 * destructors behind that must not lose their code. */
VYI_API PFN_vkGetInstanceProcAddr vyi_vk_find_loader(void)
{
#if defined(VYRE_EXTERNAL_VOLK)
    if (volkGetInstanceVersion() == 0 && volkInitialize() != VK_SUCCESS)
        return NULL;
    return vkGetInstanceProcAddr;
#elif defined(_WIN32)
    HMODULE library = LoadLibraryA("vulkan-1.dll");
    PFN_vkVoidFunction found =
        library ? (PFN_vkVoidFunction)GetProcAddress(library, "vkGetInstanceProcAddr") : NULL;
    return (PFN_vkGetInstanceProcAddr)found;
#else
    static const char *const names[] = {
    #if defined(__APPLE__)
        "libvulkan.dylib", "libvulkan.1.dylib", "libMoltenVK.dylib"
    #else
        "libvulkan.so.1", "libvulkan.so"
    #endif
    };
    void *library = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !library; i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    void *symbol = library ? dlsym(library, "vkGetInstanceProcAddr") : NULL;
    PFN_vkGetInstanceProcAddr get;
    memcpy(&get, &symbol, sizeof get); /* ISO C has no cast from object to function */
    return get;
#endif
}

/* The loader unloads drivers with the last instance.  NVIDIA's (seen in 580)
 * takes 56 bytes of static thread-local memory each time that it is loaded,
 * which the C library cannot give back: after about thirty instances it has no
 * more, and the driver is not found.  So one that is loaded stays. */
VYI_COLD
VYI_API void vyi_vk_keep_drivers(void)
{
#if !defined(_WIN32) && defined(RTLD_NOLOAD) && defined(RTLD_NODELETE)
    static const char *const names[] = { "libGLX_nvidia.so.0", "libEGL_nvidia.so.0" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        void *library = dlopen(names[i], RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
        if (library)
            dlclose(library); /* the mark remains */
    }
#endif
}

/* --- the table ----------------------------------------------------------- */

/* Gives a function's address, from an instance or a device. */
typedef struct vyi_vk_source {
    PFN_vkGetInstanceProcAddr instance_call; /* or NULL */
    PFN_vkGetDeviceProcAddr   device_call;
    VkInstance                instance;
    VkDevice                  device;
} vyi_vk_source;

typedef struct vyi_vk_entry {
    const char *name;
    size_t      offset; /* of its member of vyi_vk_table */
} vyi_vk_entry;

#define VYI_VK_ENTRY(name) { #name, offsetof(vyi_vk_table, name) },

static vyre_status vyi_vk_load(vyi_vk_table *fn, const vyi_vk_source *from,
                               const vyi_vk_entry *entries, size_t count, vyre_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const char *const name = entries[i].name;
        const PFN_vkVoidFunction found = from->instance_call
                                             ? from->instance_call(from->instance, name)
                                             : from->device_call(from->device, name);
        if (!found)
            return vyi_fail(err, VYRE_E_VK_FUNCTION, 0,
                            "Update the Vulkan driver and loader to version 1.1 or newer.",
                            "the Vulkan loader has no %s", name);
        /* The member is a pointer to another type of function of the same size. */
        memcpy((uint8_t *)fn + entries[i].offset, &found, sizeof found);
    }
    return VYRE_OK;
}

VYI_COLD
VYI_API vyre_status vyi_vk_load_global(vyi_vk_table *fn, vyre_error *err)
{
    static const vyi_vk_entry entries[] = { VYI_VK_GLOBAL_LIST(VYI_VK_ENTRY) };
    const vyi_vk_source from = { fn->vkGetInstanceProcAddr, NULL, VK_NULL_HANDLE, VK_NULL_HANDLE };
    return vyi_vk_load(fn, &from, entries, sizeof entries / sizeof entries[0], err);
}

VYI_COLD
VYI_API vyre_status vyi_vk_load_instance(vyi_vk_table *fn, VkInstance instance, vyre_error *err)
{
    static const vyi_vk_entry entries[] = { VYI_VK_INSTANCE_LIST(VYI_VK_ENTRY) };
    const vyi_vk_source from = { fn->vkGetInstanceProcAddr, NULL, instance, VK_NULL_HANDLE };
    const vyre_status status =
        vyi_vk_load(fn, &from, entries, sizeof entries / sizeof entries[0], err);
    if (status != VYRE_OK)
        return status;
    fn->vkSetDebugUtilsObjectNameEXT = (PFN_vkSetDebugUtilsObjectNameEXT)
        fn->vkGetInstanceProcAddr(instance, "vkSetDebugUtilsObjectNameEXT");
    fn->vkCreateDebugUtilsMessengerEXT = (PFN_vkCreateDebugUtilsMessengerEXT)
        fn->vkGetInstanceProcAddr(instance, "vkCreateDebugUtilsMessengerEXT");
    fn->vkDestroyDebugUtilsMessengerEXT = (PFN_vkDestroyDebugUtilsMessengerEXT)
        fn->vkGetInstanceProcAddr(instance, "vkDestroyDebugUtilsMessengerEXT");
#ifdef VK_EXT_calibrated_timestamps
    fn->vkGetPhysicalDeviceCalibrateableTimeDomainsEXT =
        (PFN_vkGetPhysicalDeviceCalibrateableTimeDomainsEXT)fn->vkGetInstanceProcAddr(
            instance, "vkGetPhysicalDeviceCalibrateableTimeDomainsEXT");
#endif
    return VYRE_OK;
}

VYI_COLD
VYI_API vyre_status vyi_vk_load_device(vyi_vk_table *fn, VkDevice device, vyre_error *err)
{
    static const vyi_vk_entry entries[] = { VYI_VK_DEVICE_LIST(VYI_VK_ENTRY) };
    const vyi_vk_source from = { NULL, fn->vkGetDeviceProcAddr, VK_NULL_HANDLE, device };
    const vyre_status status =
        vyi_vk_load(fn, &from, entries, sizeof entries / sizeof entries[0], err);
    if (status != VYRE_OK)
        return status;
    fn->vkCreateSemaphore =
        (PFN_vkCreateSemaphore)fn->vkGetDeviceProcAddr(device, "vkCreateSemaphore");
    fn->vkDestroySemaphore =
        (PFN_vkDestroySemaphore)fn->vkGetDeviceProcAddr(device, "vkDestroySemaphore");
    fn->vkGetSemaphoreCounterValue = (PFN_vkGetSemaphoreCounterValue)
        fn->vkGetDeviceProcAddr(device, "vkGetSemaphoreCounterValue");
    fn->vkWaitSemaphores =
        (PFN_vkWaitSemaphores)fn->vkGetDeviceProcAddr(device, "vkWaitSemaphores");
    if (!fn->vkGetSemaphoreCounterValue || !fn->vkWaitSemaphores) {
        fn->vkGetSemaphoreCounterValue = (PFN_vkGetSemaphoreCounterValue)
            fn->vkGetDeviceProcAddr(device, "vkGetSemaphoreCounterValueKHR");
        fn->vkWaitSemaphores =
            (PFN_vkWaitSemaphores)fn->vkGetDeviceProcAddr(device, "vkWaitSemaphoresKHR");
    }
#ifdef VK_EXT_calibrated_timestamps
    fn->vkGetCalibratedTimestampsEXT = (PFN_vkGetCalibratedTimestampsEXT)
        fn->vkGetDeviceProcAddr(device, "vkGetCalibratedTimestampsEXT");
#endif
    return VYRE_OK;
}

#undef VYI_VK_ENTRY

/* --- results ------------------------------------------------------------- */

/* X(VkResult, status, what to do) */
#define VYI_VK_RESULT_LIST(X)                                                                      \
    X(VK_NOT_READY, E_VK_CALL, "Report this: the call should not have answered so.")               \
    X(VK_TIMEOUT, E_VK_CALL, "Report this: the call should not have answered so.")                 \
    X(VK_INCOMPLETE, E_VK_CALL, "Try again: the set of devices changed meanwhile.")                \
    X(VK_ERROR_OUT_OF_HOST_MEMORY, E_VK_HOST_MEMORY, "Free memory in this process.")               \
    X(VK_ERROR_OUT_OF_DEVICE_MEMORY, E_VK_DEVICE_MEMORY,                                           \
      "Use fewer slots or smaller buffers, or free memory on the device.")                         \
    X(VK_ERROR_INITIALIZATION_FAILED, E_VK_CALL, "Check the driver's installation.")               \
    X(VK_ERROR_DEVICE_LOST, E_DEVICE_LOST, "Call vyre_recover(), or close and open again.")        \
    X(VK_ERROR_MEMORY_MAP_FAILED, E_VK_CALL, "Use fewer slots or smaller buffers.")                \
    X(VK_ERROR_LAYER_NOT_PRESENT, E_VK_CALL, "Unset VK_INSTANCE_LAYERS, or install the layer.")    \
    X(VK_ERROR_EXTENSION_NOT_PRESENT, E_VK_CALL, "Update the driver.")                             \
    X(VK_ERROR_FEATURE_NOT_PRESENT, E_VK_CALL, "Update the driver.")                               \
    X(VK_ERROR_INCOMPATIBLE_DRIVER, E_VK_CALL, "Install a driver for Vulkan 1.1 or newer.")        \
    X(VK_ERROR_TOO_MANY_OBJECTS, E_VK_CALL, "Close other handles or devices first.")               \
    X(VK_ERROR_FORMAT_NOT_SUPPORTED, E_VK_CALL, "Update the driver.")                              \
    X(VK_ERROR_FRAGMENTED_POOL, E_VK_CALL, "Update the driver.")                                   \
    X(VK_ERROR_UNKNOWN, E_VK_CALL, "Look into the driver's log.")                                  \
    X(VK_ERROR_OUT_OF_POOL_MEMORY, E_VK_CALL, "Free memory on the device.")                        \
    X(VK_ERROR_INVALID_EXTERNAL_HANDLE, E_VK_CALL, "Update the driver.")                           \
    X(VK_ERROR_FRAGMENTATION, E_VK_CALL, "Free memory on the device.")                             \
    X(VK_ERROR_INVALID_OPAQUE_CAPTURE_ADDRESS, E_VK_CALL, "Update the driver.")                    \
    X(VK_ERROR_VALIDATION_FAILED_EXT, E_VK_CALL, "Read the validation layer's message.")           \
    X(VK_ERROR_INVALID_SHADER_NV, E_VK_CALL, "Report this, with vyre_program_text's output.")      \
    X(VK_ERROR_NOT_PERMITTED_KHR, E_VK_CALL, "Ask for what the system permits.")

typedef struct vyi_vk_result_row {
    VkResult    result;
    vyre_status status;
    const char *text, *fix;
} vyi_vk_result_row;

static const vyi_vk_result_row *vyi_vk_result_find(VkResult result)
{
    static const vyi_vk_result_row rows[] = {
#define VYI_VK_RESULT_ROW(name, status, fix) { name, VYRE_##status, #name, fix },
        VYI_VK_RESULT_LIST(VYI_VK_RESULT_ROW)
#undef VYI_VK_RESULT_ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].result == result)
            return &rows[i];
    return NULL;
}

VYI_COLD
VYI_API const char *vyi_vk_result_text(VkResult result)
{
    const vyi_vk_result_row *row = vyi_vk_result_find(result);
    return row ? row->text : NULL;
}

VYI_COLD
VYI_API vyre_status vyi_vk_fail(vyre_error *err, VkResult result, const char *call)
{
    const vyi_vk_result_row *row = vyi_vk_result_find(result);
    vyre_status status = vyi_fail(err, row ? row->status : VYRE_E_VK_CALL, 0,
                                  row ? row->fix : "Look the number up in the Vulkan headers.",
                                  "%s gave %s (%d)", call, row ? row->text : "an unknown result",
                                  (int)result);
    if (err)
        err->native = (int32_t)result;
    return status;
}

VYI_COLD
VYI_API vyre_status vyi_vk_check(vyre_error *err, VkResult result, const char *call)
{
    return result == VK_SUCCESS ? VYRE_OK : vyi_vk_fail(err, result, call);
}

#endif /* VYI_VULKAN */

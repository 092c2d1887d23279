/* ==========================================================================
 * vulkan: from the loader to the queue
 *
 * Every part may be the caller's: what a desc gives is used as it is and
 * never destroyed.  The library needs Vulkan 1.1; beyond that it takes what it
 * finds: timeline semaphores instead of fences, the Vulkan memory model
 * instead of GLSL's, names for debuggers.
 * ======================================================================= */
#include "vulkan/vulkan_impl.h"

#if VYI_VULKAN

VYI_COLD
VYI_API vyre_status vyi_vk_context_check(vyi_vk_context *c, vyre_error *err, VkResult result,
                                         const char *call)
{
    if (result == VK_ERROR_DEVICE_LOST)
        vyi_store_release(&c->lost, 1);
    return vyi_vk_check(err, result, call);
}

VYI_API vyre_status vyi_vk_submit(vyi_vk_context *c, VkQueue queue, const VkSubmitInfo *info,
                                  VkFence fence, vyre_error *err)
{
    const vyre_vulkan_desc *desc = &c->desc->vulkan;
    const bool launches = queue == c->queue;
    vyi_mutex *lock = launches ? &c->submitting : &c->copying;
    vyi_mutex_lock(lock);
    if (launches && desc->queue_lock)
        desc->queue_lock(desc->queue_user);
    const vyre_status status = VYI_VKC(c, err, vkQueueSubmit, (queue, 1, info, fence));
    if (launches && desc->queue_unlock)
        desc->queue_unlock(desc->queue_user);
    vyi_mutex_unlock(lock);
    return status;
}

VYI_COLD
VYI_API void vyi_vk_name(vyi_vk_context *c, VkObjectType type, uint64_t handle, const char *name)
{
    if (!c->features.names)
        return;
    char text[96];
    snprintf(text, sizeof text, "vyre %s", name);
    VkDebugUtilsObjectNameInfoEXT info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_OBJECT_NAME_INFO_EXT;
    info.objectType = type;
    info.objectHandle = handle;
    info.pObjectName = text;
    c->fn.vkSetDebugUtilsObjectNameEXT(c->device, &info); /* a name that fails is no loss */
}

/* --- lists that the driver gives ----------------------------------------- */

/* The extensions of the instance, or of a device when `physical` is not null. */
typedef struct vyi_vk_extensions {
    VkExtensionProperties *list;
    uint32_t               count;
    size_t                 size;
} vyi_vk_extensions;

static vyre_status vyi_vk_extensions_count(vyi_vk_context *c, VkPhysicalDevice physical,
                                           uint32_t *count, VkExtensionProperties *list,
                                           vyre_error *err)
{
    VkResult result =
        physical ? c->fn.vkEnumerateDeviceExtensionProperties(physical, NULL, count, list)
                 : c->fn.vkEnumerateInstanceExtensionProperties(NULL, count, list);
    return vyi_vk_check(err, result, physical ? "vkEnumerateDeviceExtensionProperties"
                                              : "vkEnumerateInstanceExtensionProperties");
}

static void vyi_vk_extensions_free(vyi_vk_context *c, vyi_vk_extensions *e)
{
    vyi_free(&c->desc->allocator, e->list, e->size);
    memset(e, 0, sizeof *e);
}

static vyre_status vyi_vk_extensions_get(vyi_vk_context *c, VkPhysicalDevice physical,
                                         vyi_vk_extensions *e, vyre_error *err)
{
    memset(e, 0, sizeof *e);
    vyre_status status = vyi_vk_extensions_count(c, physical, &e->count, NULL, err);
    if (status < 0 || e->count == 0)
        return status;
    e->size = e->count * sizeof *e->list;
    e->list = (VkExtensionProperties *)vyi_alloc(&c->desc->allocator, e->size);
    if (!e->list)
        return vyi_fail_nomem(err, e->size);
    status = vyi_vk_extensions_count(c, physical, &e->count, e->list, err);
    if (status < 0)
        vyi_vk_extensions_free(c, e);
    return status;
}

static bool vyi_vk_extensions_have(const vyi_vk_extensions *e, const char *name)
{
    for (uint32_t i = 0; i < e->count; i++)
        if (strcmp(e->list[i].extensionName, name) == 0)
            return true;
    return false;
}

/* --- instance ------------------------------------------------------------ */

static VKAPI_ATTR VkBool32 VKAPI_CALL
vyi_vk_on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                  VkDebugUtilsMessageTypeFlagsEXT types,
                  const VkDebugUtilsMessengerCallbackDataEXT *data, void *user)
{
    const vyre_desc *desc = (const vyre_desc *)user;
    (void)types;
    vyre_severity level = VYRE_SEVERITY_INFO;
    if (severity & VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT)
        level = VYRE_SEVERITY_WARNING;
    if (severity & VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT)
        level = VYRE_SEVERITY_ERROR;
    vyi_message(&desc->messages, level, "%s", data->pMessage);
    return VK_FALSE;
}

static void vyi_vk_messenger_info(VkDebugUtilsMessengerCreateInfoEXT *info, const vyre_desc *desc)
{
    memset(info, 0, sizeof *info);
    info->sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT;
    info->messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
                            VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
    info->messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_GENERAL_BIT_EXT |
                        VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT |
                        VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT;
    info->pfnUserCallback = vyi_vk_on_message;
    /* The messenger only reads; Vulkan takes no pointer to const here. */
    memcpy(&info->pUserData, &desc, sizeof desc);
}

/* Whether the validation layer is installed.  Asking is optional: a loader
 * that cannot say has none. */
static bool vyi_vk_has_validation(vyi_vk_context *c)
{
    uint32_t count = 0;
    VkResult result = c->fn.vkEnumerateInstanceExtensionProperties("VK_LAYER_KHRONOS_validation",
                                                                   &count, NULL);
    return result == VK_SUCCESS;
}

/* What the library's own instance is made with. */
typedef struct vyi_vk_instance_plan {
    const char *extensions[3];
    const char *layers[1];
    uint32_t    extension_count, layer_count;
    VkInstanceCreateFlags flags;
    bool        messenger;
} vyi_vk_instance_plan;

static vyre_status vyi_vk_instance_choose(vyi_vk_context *c, vyi_vk_instance_plan *plan,
                                          vyre_error *err)
{
    const vyre_vulkan_desc *desc = &c->desc->vulkan;
    vyi_vk_extensions e;
    vyre_status status = vyi_vk_extensions_get(c, VK_NULL_HANDLE, &e, err);
    if (status < 0)
        return status;
    memset(plan, 0, sizeof *plan);
    if (desc->validation && vyi_vk_has_validation(c))
        plan->layers[plan->layer_count++] = "VK_LAYER_KHRONOS_validation";
    /* The layer brings debug_utils along where the driver has none. */
    if ((!desc->no_debug_names || plan->layer_count > 0) &&
        (plan->layer_count > 0 || vyi_vk_extensions_have(&e, VK_EXT_DEBUG_UTILS_EXTENSION_NAME))) {
        plan->extensions[plan->extension_count++] = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
        plan->messenger = plan->layer_count > 0;
        c->features.names = !desc->no_debug_names;
    }
    /* Without this, drivers over other APIs (MoltenVK) stay hidden. */
    if (vyi_vk_extensions_have(&e, "VK_KHR_portability_enumeration")) {
        plan->extensions[plan->extension_count++] = "VK_KHR_portability_enumeration";
        plan->flags = 1u; /* VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR */
    }
    vyi_vk_extensions_free(c, &e);
    return VYRE_OK;
}

static vyre_status vyi_vk_instance_create(vyi_vk_context *c, vyre_error *err)
{
    vyi_vk_instance_plan plan;
    vyre_status status = vyi_vk_instance_choose(c, &plan, err);
    if (status < 0)
        return status;

    VkApplicationInfo app;
    memset(&app, 0, sizeof app);
    app.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
    app.pEngineName = "vyre";
    app.engineVersion = VYRE_VERSION;
    app.apiVersion = c->instance_version;

    VkDebugUtilsMessengerCreateInfoEXT messenger;
    vyi_vk_messenger_info(&messenger, c->desc);

    VkInstanceCreateInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
    info.pNext = plan.messenger ? &messenger : NULL;
    info.flags = plan.flags;
    info.pApplicationInfo = &app;
    info.enabledLayerCount = plan.layer_count;
    info.ppEnabledLayerNames = plan.layers;
    info.enabledExtensionCount = plan.extension_count;
    info.ppEnabledExtensionNames = plan.extensions;
    status = VYI_VKC(c, err, vkCreateInstance, (&info, c->callbacks, &c->instance));
    if (status < 0) {
        c->instance = VK_NULL_HANDLE;
        return status;
    }
    c->owns_instance = true;
    vyi_vk_keep_drivers();

    status = vyi_vk_load_instance(&c->fn, c->instance, err);
    if (status < 0 || !plan.messenger || !c->fn.vkCreateDebugUtilsMessengerEXT)
        return status;
    status = VYI_VKC(c, err, vkCreateDebugUtilsMessengerEXT,
                     (c->instance, &messenger, c->callbacks, &c->messenger));
    if (status < 0)
        c->messenger = VK_NULL_HANDLE;
    return status;
}

static vyre_status vyi_vk_version_fail(vyre_error *err, const char *what, uint32_t version)
{
    return vyi_fail(err, VYRE_E_VK_VERSION, version, "Update the Vulkan driver and loader.",
                    "%s has Vulkan %u.%u, and 1.1 is needed", what, VK_VERSION_MAJOR(version),
                    VK_VERSION_MINOR(version));
}

static vyre_status vyi_vk_instance_open(vyi_vk_context *c, vyre_error *err)
{
    const vyre_vulkan_desc *desc = &c->desc->vulkan;
    c->fn.vkGetInstanceProcAddr =
        desc->loader ? (PFN_vkGetInstanceProcAddr)desc->loader : vyi_vk_find_loader();
    if (!c->fn.vkGetInstanceProcAddr)
        return vyi_fail(err, VYRE_E_VK_LOADER, 0,
                        "Install a Vulkan driver and its loader, or use VYRE_BACKEND_CPU.",
                        "no Vulkan loader was found on this system");
    if (desc->instance) {
        c->instance = (VkInstance)desc->instance;
        c->instance_version = desc->api_version ? desc->api_version : VK_API_VERSION_1_1;
        if (c->instance_version < VK_API_VERSION_1_1)
            return vyi_vk_version_fail(err, "vulkan.api_version", c->instance_version);
        return vyi_vk_load_instance(&c->fn, c->instance, err);
    }

    vyre_status status = vyi_vk_load_global(&c->fn, err);
    if (status < 0)
        return status;
    status = VYI_VKC(c, err, vkEnumerateInstanceVersion, (&c->instance_version));
    if (status < 0)
        return status;
    if (c->instance_version < VK_API_VERSION_1_1)
        return vyi_vk_version_fail(err, "the Vulkan loader", c->instance_version);
    if (c->instance_version > VK_API_VERSION_1_2)
        c->instance_version = VK_API_VERSION_1_2; /* nothing newer is used */
    return vyi_vk_instance_create(c, err);
}

/* --- choosing the device ------------------------------------------------- */

#define VYI_VK_MAX_DEVICES 32u

/* Better is smaller. */
static uint32_t vyi_vk_rank(VkPhysicalDeviceType type)
{
    switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:   return 0;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return 1;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:    return 2;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:            return 3;
    default:                                     return 4;
    }
}

/* A family for compute alone runs beside the graphics of the same device. */
static bool vyi_vk_find_family(vyi_vk_context *c, VkPhysicalDevice physical, uint32_t *family)
{
    VkQueueFamilyProperties list[16];
    uint32_t count = 0;
    bool found = false;
    c->fn.vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, NULL);
    if (count > sizeof list / sizeof list[0])
        count = sizeof list / sizeof list[0];
    c->fn.vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, list);
    for (uint32_t i = 0; i < count; i++) {
        const VkQueueFlags flags = list[i].queueFlags;
        if (!(flags & VK_QUEUE_COMPUTE_BIT) || list[i].queueCount == 0)
            continue;
        if (!found || !(flags & VK_QUEUE_GRAPHICS_BIT)) {
            *family = i;
            found = true;
        }
        if (!(flags & VK_QUEUE_GRAPHICS_BIT))
            break;
    }
    return found;
}

/* Copies go beside what runs: through a family that does nothing else, through
 * another queue of the same family, or, where there is neither, through the same
 * queue.  Gives the family, and the queue's index in it. */
static uint32_t vyi_vk_find_copies(const vyi_vk_context *c, uint32_t *family)
{
    const VkQueueFlags copies = VK_QUEUE_TRANSFER_BIT | VK_QUEUE_SPARSE_BINDING_BIT;
    VkQueueFamilyProperties list[16];
    uint32_t count = 0;
    c->fn.vkGetPhysicalDeviceQueueFamilyProperties(c->physical, &count, NULL);
    if (count > sizeof list / sizeof list[0])
        count = sizeof list / sizeof list[0];
    c->fn.vkGetPhysicalDeviceQueueFamilyProperties(c->physical, &count, list);
    *family = c->family;
    for (uint32_t i = 0; i < count; i++) {
        if (list[i].queueCount && (list[i].queueFlags & VK_QUEUE_TRANSFER_BIT) &&
            !(list[i].queueFlags & ~copies)) {
            *family = i;
            return 0;
        }
    }
    return c->family < count && list[c->family].queueCount > 1 ? 1 : 0;
}

static char vyi_vk_lower(char ch)
{
    return ch >= 'A' && ch <= 'Z' ? (char)(ch + ('a' - 'A')) : ch;
}

static bool vyi_vk_contains(const char *text, const char *part)
{
    for (; *text; text++) {
        size_t i = 0;
        while (part[i] && vyi_vk_lower(text[i]) == vyi_vk_lower(part[i]))
            i++;
        if (!part[i])
            return true;
    }
    return !*part;
}

/* `wanted` is a number in the driver's order, or a part of the name. */
static bool vyi_vk_wanted(const char *wanted, uint32_t index, const char *name)
{
    if (!wanted || !*wanted)
        return true;
    uint64_t number = 0;
    const char *digit = wanted;
    while (*digit >= '0' && *digit <= '9' && number <= UINT32_MAX)
        number = number * 10 + (uint64_t)(*digit++ - '0');
    return *digit ? vyi_vk_contains(name, wanted) : number == index;
}

static vyre_status vyi_vk_no_device(vyre_error *err, const char *wanted, uint32_t count,
                                    const char *first)
{
    if (count == 0)
        return vyi_fail(err, VYRE_E_VK_DEVICE, 0,
                        "Install a Vulkan driver, or use VYRE_BACKEND_CPU.",
                        "the Vulkan loader knows no device");
    if (wanted && *wanted)
        return vyi_fail(err, VYRE_E_VK_NAME, count,
                        "Correct vyre_desc.device or VYRE_DEVICE: an index from 0 up, or part of "
                        "a name.",
                        "no usable one of the %u Vulkan devices is \"%.32s\"; number 0 is "
                        "\"%.60s\"", count, wanted, first);
    return vyi_fail(err, VYRE_E_VK_DEVICE, count, "Update the Vulkan driver.",
                    "none of the %u Vulkan devices has Vulkan 1.1 and a compute queue", count);
}

VYI_OUTLINE
static vyre_status vyi_vk_choose(vyi_vk_context *c, vyre_error *err)
{
    VkPhysicalDevice list[VYI_VK_MAX_DEVICES];
    uint32_t count = VYI_VK_MAX_DEVICES, best = UINT32_MAX;
    char first[VK_MAX_PHYSICAL_DEVICE_NAME_SIZE] = "";
    VkResult result = c->fn.vkEnumeratePhysicalDevices(c->instance, &count, list);
    if (result != VK_SUCCESS && result != VK_INCOMPLETE)
        return vyi_vk_fail(err, result, "vkEnumeratePhysicalDevices");

    const char *wanted = c->desc->device ? c->desc->device : getenv("VYRE_DEVICE");
    for (uint32_t i = 0; i < count; i++) {
        VkPhysicalDeviceProperties properties;
        uint32_t family;
        c->fn.vkGetPhysicalDeviceProperties(list[i], &properties);
        if (i == 0)
            memcpy(first, properties.deviceName, sizeof first);
        if (properties.apiVersion < VK_API_VERSION_1_1 ||
            !vyi_vk_find_family(c, list[i], &family) ||
            !vyi_vk_wanted(wanted, i, properties.deviceName) ||
            vyi_vk_rank(properties.deviceType) >= best)
            continue;
        best = vyi_vk_rank(properties.deviceType);
        c->physical = list[i];
        c->family = family;
    }
    return c->physical ? VYRE_OK : vyi_vk_no_device(err, wanted, count, first);
}

/* --- the logical device -------------------------------------------------- */

/* Features in the form that a device is asked and made with. */
typedef struct vyi_vk_feature_chain {
    VkPhysicalDeviceFeatures2                   base;
    VkPhysicalDeviceVulkanMemoryModelFeatures   model;
    VkPhysicalDeviceTimelineSemaphoreFeatures   timeline;
#ifdef VK_KHR_shader_clock
    VkPhysicalDeviceShaderClockFeaturesKHR      clock;
#endif
} vyi_vk_feature_chain;

/* The device's clock says the same in all its lanes; the other one is of use for how
 * long a job took. */
#ifdef VK_KHR_shader_clock
static vyre_spirv_clock vyi_vk_clock_of(const VkPhysicalDeviceShaderClockFeaturesKHR *f)
{
    return f->shaderDeviceClock     ? VYRE_SPIRV_CLOCK_DEVICE
           : f->shaderSubgroupClock ? VYRE_SPIRV_CLOCK_SUBGROUP
                                    : VYRE_SPIRV_CLOCK_NONE;
}
#endif

static void vyi_vk_feature_chain_init(vyi_vk_feature_chain *chain, bool model, bool timeline,
                                      bool clock)
{
    void *next = NULL;
    memset(chain, 0, sizeof *chain);
    chain->base.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
    chain->model.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES;
    chain->timeline.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES;
    if (timeline) {
        chain->timeline.pNext = next;
        next = &chain->timeline;
    }
    if (model) {
        chain->model.pNext = next;
        next = &chain->model;
    }
#ifdef VK_KHR_shader_clock
    chain->clock.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_CLOCK_FEATURES_KHR;
    if (clock) {
        chain->clock.pNext = next;
        next = &chain->clock;
    }
#else
    (void)clock;
#endif
    chain->base.pNext = next;
}

/* What the library's own device is made with. */
typedef struct vyi_vk_device_plan {
    const char *extensions[5];
    uint32_t    extension_count;
    vyi_vk_feature_chain features;
} vyi_vk_device_plan;

/* Whether the handle is traced, and the device has a clock for that: asks, and leaves
 * in the plan what to make the device with. */
static bool vyi_vk_clock_choose(vyi_vk_context *c, vyi_vk_device_plan *plan, bool offered)
{
#ifdef VK_KHR_shader_clock
    if (!offered || !c->desc->trace_events)
        return false;
    vyi_vk_feature_chain_init(&plan->features, false, false, true);
    c->fn.vkGetPhysicalDeviceFeatures2(c->physical, &plan->features.base);
    c->features.clock = vyi_vk_clock_of(&plan->features.clock);
    return c->features.clock != VYRE_SPIRV_CLOCK_NONE;
#else
    (void)c, (void)plan, (void)offered;
    return false;
#endif
}

/* Whether the driver compares the device's clock with the one that vyi_now() reads. */
static bool vyi_vk_calibrated_choose(const vyi_vk_context *c, bool offered)
{
    bool device = false, host = false;
#if defined(VK_EXT_calibrated_timestamps) && !defined(_WIN32) && !defined(__APPLE__)
    VkTimeDomainEXT domains[16];
    uint32_t count = 16;
    if (!offered || !c->fn.vkGetPhysicalDeviceCalibrateableTimeDomainsEXT ||
        c->fn.vkGetPhysicalDeviceCalibrateableTimeDomainsEXT(c->physical, &count, domains) < 0)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        device = device || domains[i] == VK_TIME_DOMAIN_DEVICE_EXT;
        host = host || domains[i] == VK_TIME_DOMAIN_CLOCK_MONOTONIC_EXT;
    }
#else
    (void)c, (void)offered;
#endif
    return device && host;
}

static vyre_status vyi_vk_device_choose(vyi_vk_context *c, vyi_vk_device_plan *plan,
                                        vyre_error *err)
{
    static const char model_name[] = "VK_KHR_vulkan_memory_model";
    static const char timeline_name[] = "VK_KHR_timeline_semaphore";
    static const char clock_name[] = "VK_KHR_shader_clock";
    static const char calibrated_name[] = "VK_EXT_calibrated_timestamps";
    const bool core = c->version >= VK_API_VERSION_1_2;
    vyi_vk_extensions e;
    vyre_status status = vyi_vk_extensions_get(c, c->physical, &e, err);
    if (status < 0)
        return status;
    bool model = core || vyi_vk_extensions_have(&e, model_name);
    bool timeline = core || vyi_vk_extensions_have(&e, timeline_name);
    const bool portability = vyi_vk_extensions_have(&e, "VK_KHR_portability_subset");
    const bool clock = vyi_vk_clock_choose(c, plan, vyi_vk_extensions_have(&e, clock_name));
    const bool calibrated =
        clock && vyi_vk_calibrated_choose(c, vyi_vk_extensions_have(&e, calibrated_name));
    vyi_vk_extensions_free(c, &e);

    vyi_vk_feature_chain_init(&plan->features, model, timeline, false);
    c->fn.vkGetPhysicalDeviceFeatures2(c->physical, &plan->features.base);
    model = model && plan->features.model.vulkanMemoryModel &&
            plan->features.model.vulkanMemoryModelDeviceScope;
    timeline = timeline && plan->features.timeline.timelineSemaphore;
    vyi_vk_feature_chain_init(&plan->features, model, timeline, clock);
#ifdef VK_KHR_shader_clock
    plan->features.clock.shaderDeviceClock = c->features.clock == VYRE_SPIRV_CLOCK_DEVICE;
    plan->features.clock.shaderSubgroupClock = c->features.clock == VYRE_SPIRV_CLOCK_SUBGROUP;
#endif
    plan->features.model.vulkanMemoryModel = model;
    plan->features.model.vulkanMemoryModelDeviceScope = model;
    plan->features.timeline.timelineSemaphore = timeline;
    c->features.memory_model = model;
    c->features.timeline = timeline;
    c->features.calibrated = calibrated;

    plan->extension_count = 0;
    if (model && !core)
        plan->extensions[plan->extension_count++] = model_name;
    if (timeline && !core)
        plan->extensions[plan->extension_count++] = timeline_name;
    if (clock)
        plan->extensions[plan->extension_count++] = clock_name;
    if (calibrated)
        plan->extensions[plan->extension_count++] = calibrated_name;
    if (portability) /* must be switched on where it is offered */
        plan->extensions[plan->extension_count++] = "VK_KHR_portability_subset";
    return VYRE_OK;
}

VYI_OUTLINE
static vyre_status vyi_vk_device_create(vyi_vk_context *c, bool copies, vyre_error *err)
{
    vyi_vk_device_plan plan;
    vyre_status status = vyi_vk_device_choose(c, &plan, err);
    if (status < 0)
        return status;

    const float priorities[2] = { 1.0f, 1.0f };
    VkDeviceQueueCreateInfo queues[2];
    uint32_t copy_index = 0;
    c->copy_family = c->family;
    if (copies)
        copy_index = vyi_vk_find_copies(c, &c->copy_family);
    memset(queues, 0, sizeof queues);
    queues[0].sType = queues[1].sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
    queues[0].queueFamilyIndex = c->family;
    queues[0].queueCount = 1 + copy_index;
    queues[1].queueFamilyIndex = c->copy_family;
    queues[1].queueCount = 1;
    queues[0].pQueuePriorities = queues[1].pQueuePriorities = priorities;

    VkDeviceCreateInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
    info.pNext = &plan.features.base;
    info.queueCreateInfoCount = c->copy_family == c->family ? 1 : 2;
    info.pQueueCreateInfos = queues;
    info.enabledExtensionCount = plan.extension_count;
    info.ppEnabledExtensionNames = plan.extensions;
    status = VYI_VKC(c, err, vkCreateDevice, (c->physical, &info, c->callbacks, &c->device));
    if (status < 0) {
        c->device = VK_NULL_HANDLE;
        return status;
    }
    c->owns_device = true;
    status = vyi_vk_load_device(&c->fn, c->device, err);
    if (status < 0)
        return status;
#ifdef VK_EXT_calibrated_timestamps
    c->features.calibrated = c->features.calibrated && c->fn.vkGetCalibratedTimestampsEXT;
#endif
    c->fn.vkGetDeviceQueue(c->device, c->family, 0, &c->queue);
    c->fn.vkGetDeviceQueue(c->device, c->copy_family, copy_index, &c->copy_queue);
    return VYRE_OK;
}

/* What the caller's device was made with: the extensions and the feature
 * structs that the desc lists, and nothing that it does not. */
static void vyi_vk_device_features(vyi_vk_context *c)
{
    const vyre_vulkan_desc *desc = &c->desc->vulkan;
    const VkBaseInStructure *node = (const VkBaseInStructure *)desc->device_features;
    for (; node; node = node->pNext) {
        if (node->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES) {
            const VkPhysicalDeviceVulkan12Features *f =
                (const VkPhysicalDeviceVulkan12Features *)(const void *)node;
            c->features.timeline = f->timelineSemaphore;
            c->features.memory_model = f->vulkanMemoryModel && f->vulkanMemoryModelDeviceScope;
        } else if (node->sType ==
                   VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES) {
            const VkPhysicalDeviceVulkanMemoryModelFeatures *f =
                (const VkPhysicalDeviceVulkanMemoryModelFeatures *)(const void *)node;
            c->features.memory_model = f->vulkanMemoryModel && f->vulkanMemoryModelDeviceScope;
        } else if (node->sType ==
                   VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES) {
            const VkPhysicalDeviceTimelineSemaphoreFeatures *f =
                (const VkPhysicalDeviceTimelineSemaphoreFeatures *)(const void *)node;
            c->features.timeline = f->timelineSemaphore;
        }
#ifdef VK_KHR_shader_clock
        else if (node->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_CLOCK_FEATURES_KHR &&
                 c->desc->trace_events)
            c->features.clock = vyi_vk_clock_of(
                (const VkPhysicalDeviceShaderClockFeaturesKHR *)(const void *)node);
#endif
    }
}

static vyre_status vyi_vk_device_adopt(vyi_vk_context *c, vyre_error *err)
{
    const vyre_vulkan_desc *desc = &c->desc->vulkan;
    c->device = (VkDevice)desc->device;
    c->queue = c->copy_queue = (VkQueue)desc->queue;
    c->family = c->copy_family = desc->queue_family;
    vyi_vk_device_features(c);
    return vyi_vk_load_device(&c->fn, c->device, err);
}

/* --- what the device is -------------------------------------------------- */

static bool vyi_vk_has_driver_properties(vyi_vk_context *c)
{
    return c->version >= VK_API_VERSION_1_2;
}

/* NVIDIA's driver takes the size of a buffer for a signed number when it tells a program how
 * many elements that has: of 2^31 bytes or more there are none (seen in 580.159.04). */
static uint32_t vyi_vk_usable_range(const VkPhysicalDeviceProperties *properties,
                                    VkDriverId driver)
{
    const uint32_t range = properties->limits.maxStorageBufferRange;
    const bool told = driver == VK_DRIVER_ID_NVIDIA_PROPRIETARY;
    const bool likely = (uint32_t)driver == 0 && properties->vendorID == 0x10deu;
    return (told || likely) && range > 0x7ffffffcu ? 0x7ffffffcu : range;
}

static void vyi_vk_describe(vyi_vk_context *c)
{
    VkPhysicalDeviceDriverProperties driver;
    memset(&driver, 0, sizeof driver);
    driver.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES;
    VkPhysicalDeviceSubgroupProperties subgroup;
    memset(&subgroup, 0, sizeof subgroup);
    subgroup.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES;
    subgroup.pNext = vyi_vk_has_driver_properties(c) ? &driver : NULL;
    memset(&c->id, 0, sizeof c->id);
    c->id.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES;
    c->id.pNext = &subgroup;
    VkPhysicalDeviceProperties2 all;
    memset(&all, 0, sizeof all);
    all.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
    all.pNext = &c->id;
    c->fn.vkGetPhysicalDeviceProperties2(c->physical, &all);
    c->id.pNext = NULL;
    c->properties = all.properties;
    c->properties.limits.maxStorageBufferRange = vyi_vk_usable_range(&all.properties,
                                                                     driver.driverID);
    c->features.subgroup_size = subgroup.subgroupSize;
    c->features.subgroup_operations =
        (subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) ? subgroup.supportedOperations : 0;
    c->fn.vkGetPhysicalDeviceMemoryProperties(c->physical, &c->memory);
    c->features.llvmpipe = vyi_vk_contains(c->properties.deviceName, "llvmpipe");
    if (driver.driverName[0])
        snprintf(c->driver, sizeof c->driver, "%.60s %.60s", driver.driverName, driver.driverInfo);
    else
        snprintf(c->driver, sizeof c->driver, "driver 0x%08x of vendor 0x%04x",
                 (unsigned)c->properties.driverVersion, (unsigned)c->properties.vendorID);
}

/* --- all together -------------------------------------------------------- */

static vyre_status vyi_vk_context_arguments(const vyre_vulkan_desc *desc, vyre_error *err)
{
    if (desc->physical_device && !desc->instance)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Give the instance of the physical device, too.",
                        "vulkan.physical_device is given without vulkan.instance");
    if (desc->device && !desc->physical_device)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Give the physical device of the device, too.",
                        "vulkan.device is given without vulkan.physical_device");
    if (desc->device && !desc->queue)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Give a compute queue of the device, too.",
                        "vulkan.device is given without vulkan.queue");
    return VYRE_OK;
}

static vyre_status vyi_vk_context_steps(vyi_vk_context *c, bool copies, vyre_error *err)
{
    const vyre_vulkan_desc *desc = &c->desc->vulkan;
    vyre_status status = vyi_vk_instance_open(c, err);
    VYI_STEP("loader, instance");
    if (status < 0)
        return status;
    c->physical = (VkPhysicalDevice)desc->physical_device;
    if (!c->physical)
        status = vyi_vk_choose(c, err);
    else if (!desc->device && !vyi_vk_find_family(c, c->physical, &c->family))
        status = vyi_fail(err, VYRE_E_VK_DEVICE, 0, "Give another vulkan.physical_device.",
                          "the given physical device has no compute queue");
    if (status < 0)
        return status;

    c->fn.vkGetPhysicalDeviceProperties(c->physical, &c->properties);
    c->version = c->properties.apiVersion < c->instance_version ? c->properties.apiVersion
                                                                : c->instance_version;
    if (c->version < VK_API_VERSION_1_1)
        return vyi_vk_version_fail(err, c->properties.deviceName, c->version);
    vyi_vk_describe(c);
    VYI_STEP("choice of a device");
    status = desc->device ? vyi_vk_device_adopt(c, err) : vyi_vk_device_create(c, copies, err);
    if (status < 0)
        return status;

    c->features.names = c->features.names && c->fn.vkSetDebugUtilsObjectNameEXT;
    c->features.timeline = c->features.timeline && c->fn.vkCreateSemaphore &&
                           c->fn.vkDestroySemaphore && c->fn.vkGetSemaphoreCounterValue &&
                           c->fn.vkWaitSemaphores;
    return VYRE_OK;
}

VYI_COLD
VYI_API vyre_status vyi_vk_context_open(vyi_vk_context *c, const vyre_desc *desc, bool copies,
                                        vyre_error *err)
{
    memset(c, 0, sizeof *c);
    c->desc = desc;
    c->callbacks = (const VkAllocationCallbacks *)desc->vulkan.allocator;
    vyre_status status = vyi_vk_context_arguments(&desc->vulkan, err);
    c->locks = status == VYRE_OK && vyi_mutex_init(&c->submitting);
    if (c->locks && !vyi_mutex_init(&c->copying)) {
        vyi_mutex_free(&c->submitting);
        c->locks = false;
    }
    if (status == VYRE_OK && !c->locks)
        status = vyi_fail(err, VYRE_E_THREAD, 0, "Free system resources.",
                          "the system gave no lock");
    if (status == VYRE_OK)
        status = vyi_vk_context_steps(c, copies, err);
    if (status < 0)
        vyi_vk_context_close(c);
    return status;
}

VYI_COLD
VYI_API void vyi_vk_context_close(vyi_vk_context *c)
{
    if (c->owns_device && c->fn.vkDestroyDevice)
        c->fn.vkDestroyDevice(c->device, c->callbacks);
    if (c->messenger)
        c->fn.vkDestroyDebugUtilsMessengerEXT(c->instance, c->messenger, c->callbacks);
    if (c->owns_instance && c->fn.vkDestroyInstance)
        c->fn.vkDestroyInstance(c->instance, c->callbacks);
    if (c->locks) {
        vyi_mutex_free(&c->submitting);
        vyi_mutex_free(&c->copying);
    }
    memset(c, 0, sizeof *c);
}

#endif /* VYI_VULKAN */

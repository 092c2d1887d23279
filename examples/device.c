/* Bring your own device: one batch on a device and a queue that the program has.
 *
 *     device
 *
 * The program makes instance, device and queue as it would for itself, lends
 * them to vyre, and goes on using the queue, under a lock that both take. */
#define _GNU_SOURCE
#define VOLK_IMPLEMENTATION
#include <volk.h>

#define VYRE_EXTERNAL_VOLK /* this program builds volk; vyre uses its loader */
#define VYRE_VULKAN_TYPES
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

typedef struct gpu {
    VkInstance       instance;
    VkPhysicalDevice physical;
    VkDevice         device;
    VkQueue          queue;
    uint32_t         family;
    pthread_mutex_t  lock;
} gpu;

static void lock_queue(void *user)
{
    pthread_mutex_lock(&((gpu *)user)->lock);
}

static void unlock_queue(void *user)
{
    pthread_mutex_unlock(&((gpu *)user)->lock);
}

/* The first device with a compute queue. */
static bool make_gpu(gpu *g)
{
    VkApplicationInfo app = { VK_STRUCTURE_TYPE_APPLICATION_INFO };
    VkInstanceCreateInfo instance = { VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO };
    VkQueueFamilyProperties families[16];
    uint32_t devices = 1, count = 16;
    app.apiVersion = VK_API_VERSION_1_1;
    instance.pApplicationInfo = &app;
    if (volkInitialize() != VK_SUCCESS ||
        vkCreateInstance(&instance, NULL, &g->instance) != VK_SUCCESS)
        return false;
    volkLoadInstance(g->instance);
    if (vkEnumeratePhysicalDevices(g->instance, &devices, &g->physical) < 0 || devices == 0)
        return false;
    vkGetPhysicalDeviceQueueFamilyProperties(g->physical, &count, families);
    while (g->family < count && !(families[g->family].queueFlags & VK_QUEUE_COMPUTE_BIT))
        g->family++;

    const float priority = 1.0f;
    VkDeviceQueueCreateInfo queue = { VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO };
    VkDeviceCreateInfo device = { VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO };
    queue.queueFamilyIndex = g->family;
    queue.queueCount = 1;
    queue.pQueuePriorities = &priority;
    device.queueCreateInfoCount = 1;
    device.pQueueCreateInfos = &queue;
    if (g->family == count ||
        vkCreateDevice(g->physical, &device, NULL, &g->device) != VK_SUCCESS)
        return false;
    volkLoadDevice(g->device);
    vkGetDeviceQueue(g->device, g->family, 0, &g->queue);
    return pthread_mutex_init(&g->lock, NULL) == 0;
}

/* What the program does itself with the queue, while the kernel runs on it. */
static VkResult submit_ours(gpu *g)
{
    VkFenceCreateInfo info = { VK_STRUCTURE_TYPE_FENCE_CREATE_INFO };
    VkFence fence = VK_NULL_HANDLE;
    VkResult result = vkCreateFence(g->device, &info, NULL, &fence);
    if (result != VK_SUCCESS)
        return result;
    lock_queue(g);
    result = vkQueueSubmit(g->queue, 0, NULL, fence);
    unlock_queue(g);
    if (result == VK_SUCCESS)
        result = vkWaitForFences(g->device, 1, &fence, VK_TRUE, 10000000000u);
    vkDestroyFence(g->device, fence, NULL);
    return result;
}

int main(void)
{
    static gpu g;
    if (!make_gpu(&g)) {
        puts("device: no Vulkan device");
        return 77;
    }
    vyre_desc desc;
    vyre_error err;
    memset(&desc, 0, sizeof desc);
    desc.backend = VYRE_BACKEND_VULKAN;
    vyre_vulkan_use(&desc.vulkan, g.instance, g.physical, g.device, g.queue, g.family);
    desc.vulkan.queue_lock = lock_queue;
    desc.vulkan.queue_unlock = unlock_queue;
    desc.vulkan.queue_user = &g;

    vyre *v = vyre_open(&desc, &err);
    vyre_work works[100];
    memset(works, 0, sizeof works);
    for (uint32_t i = 0; i < 100; i++) {
        works[i].opcode = VYRE_OP_ATOMIC_ADD;
        works[i].arg_count = 2;
        works[i].args[0] = i + 1;
        works[i].args[1] = VYRE_CONTROL_OBSERVABLES;
    }
    uint32_t sum = 0;
    if (!v || vyre_start(v, &err) != VYRE_OK ||
        vyre_publish_many(v, works, 100, NULL, NULL, &err) != VYRE_OK) {
        fprintf(stderr, "device: %s\n%s\n", err.text, err.fix);
        return 1;
    }
    const VkResult ours = submit_ours(&g);
    if (vyre_drain(v, VYRE_FOREVER, &err) != VYRE_OK ||
        vyre_observable(v, 0, &sum, &err) != VYRE_OK) {
        fprintf(stderr, "device: %s\n%s\n", err.text, err.fix);
        return 1;
    }
    printf("device: 1 + ... + 100 = %u, our own submission: %s\n", (unsigned)sum,
           ours == VK_SUCCESS ? "done" : "failed");
    vyre_close(v); /* leaves device and instance to whoever made them */
    vkDestroyDevice(g.device, NULL);
    vkDestroyInstance(g.instance, NULL);
    return sum != 5050 || ours != VK_SUCCESS;
}

/* ==========================================================================
 * vulkan: what is kept from one open to the next
 *
 * The driver's pipeline cache, as the blob of vyre_vulkan_desc.cache or in its
 * cache_file; in the file also what was measured: the verdict of the probe, and how
 * many groups of the looping kernel run at once.
 *
 * Drivers trust the bytes that they are given.  They get none that are not
 * whole, or of another program, device or driver.
 * ======================================================================= */
#include "vulkan/cache_impl.h"
#include "vulkan/vulkan_impl.h"

#if VYI_VULKAN

#ifndef VYRE_NO_IO
    #include "base/digest_impl.h"
#endif

/* --- words --------------------------------------------------------------- */

static uint64_t vyi_vk_get64(const uint8_t *at)
{
    return vyi_get32(at) | (uint64_t)vyi_get32(at + 4) << 32;
}

static void vyi_vk_put64(uint8_t *at, uint64_t value)
{
    vyi_put32(at, (uint32_t)value);
    vyi_put32(at + 4, (uint32_t)(value >> 32));
}

/* --- the blob ------------------------------------------------------------ */

/* In front of the driver's bytes stand these 48:
 *
 *     0 "VYRC" | 4 version | 8 identity, 8 bytes | 16 the driver's size, 8 bytes |
 *     24 hash of the driver's bytes, 8 bytes | 32 pipelineCacheUUID                   */
#define VYI_VK_CACHE_MAGIC   0x43525956u
#define VYI_VK_CACHE_VERSION 1u
#define VYI_VK_CACHE_HEADER  48u

VYI_COLD
VYI_API uint64_t vyi_vk_identity(const vyi_vk_context *c, uint64_t program)
{
    const uint32_t numbers[4] = { c->properties.vendorID, c->properties.deviceID,
                                  c->properties.driverVersion, c->properties.apiVersion };
    uint64_t hash = vyi_hash(VYI_HASH_SEED, &program, sizeof program);
    hash = vyi_hash(hash, numbers, sizeof numbers);
    hash = vyi_hash(hash, c->id.deviceUUID, sizeof c->id.deviceUUID);
    return vyi_hash(hash, c->id.driverUUID, sizeof c->id.driverUUID);
}

/* Why the blob cannot be used, or NULL. */
static const char *vyi_vk_blob_refuse(const vyi_vk_context *c, uint64_t program,
                                      const uint8_t *blob, size_t size)
{
    if (size < VYI_VK_CACHE_HEADER || vyi_get32(blob) != VYI_VK_CACHE_MAGIC)
        return "it is not one of ours";
    if (vyi_get32(blob + 4) != VYI_VK_CACHE_VERSION)
        return "it has another format";
    if (vyi_vk_get64(blob + 8) != vyi_vk_identity(c, program) ||
        memcmp(blob + 32, c->properties.pipelineCacheUUID, VK_UUID_SIZE) != 0)
        return "it is of another program, device or driver";
    if (vyi_vk_get64(blob + 16) != size - VYI_VK_CACHE_HEADER ||
        vyi_vk_get64(blob + 24) != vyi_hash(VYI_HASH_SEED, blob + VYI_VK_CACHE_HEADER,
                                            size - VYI_VK_CACHE_HEADER))
        return "it is damaged";
    return NULL;
}

/* --- what was measured ------------------------------------------------------ */

/* In a file before the driver's bytes, little-endian; what was not kept is 0:
 *
 *     0 under what conditions, 8 bytes | 8 facts | 12 loop limit | 16 resident groups |
 *     20 wide groups | 24 echo, 8 bytes | 32, 36 memory types that the probe looked in |
 *     40 a tuner's verdict | 0s                                                          */
#define VYI_VK_FACT_KEPT    1u /* there is a verdict */
#define VYI_VK_FACT_LIMITED 2u
#define VYI_VK_FACT_LINES   4u
#define VYI_VK_FACT_EFFECTS 8u

/* What a verdict depends on beside what is in the file's key. */
static uint64_t vyi_vk_conditions(const vyi_vk_context *c, uint32_t group_size,
                                  uint32_t max_groups)
{
    const uint32_t numbers[3] = { group_size, max_groups, c->memory.memoryTypeCount };
    uint64_t hash = vyi_hash(VYI_HASH_SEED, numbers, sizeof numbers);
    for (uint32_t i = 0; i < c->memory.memoryTypeCount; i++) {
        const VkMemoryType *type = &c->memory.memoryTypes[i];
        const uint32_t words[2] = { type->propertyFlags, type->heapIndex };
        hash = vyi_hash(hash, words, sizeof words);
    }
    return hash;
}

VYI_COLD
VYI_API bool vyi_vk_cache_recall(vyi_vk_context *c, vyi_vk_cache *k, uint32_t group_size,
                                 uint32_t max_groups, vyre_probe *out)
{
    const uint64_t conditions = vyi_vk_conditions(c, group_size, max_groups);
    if (vyi_vk_get64(k->measured) != conditions) {
        memset(k->measured, 0, sizeof k->measured);
        vyi_vk_put64(k->measured, conditions);
    }
    const uint32_t facts = vyi_get32(k->measured + 8);
    if (!(facts & VYI_VK_FACT_KEPT))
        return false;
    memset(out, 0, sizeof *out);
    out->ran = out->kept = true;
    out->live = out->host_to_device = out->device_to_host = true;
    out->loop_limited = (facts & VYI_VK_FACT_LIMITED) != 0;
    out->whole_lines = (facts & VYI_VK_FACT_LINES) != 0;
    out->effects_first = (facts & VYI_VK_FACT_EFFECTS) != 0;
    out->loop_limit = vyi_get32(k->measured + 12);
    out->resident_groups = vyi_get32(k->measured + 16);
    out->round_trip_ns = vyi_vk_get64(k->measured + 24);
    c->probed[VYI_VK_DEVICE] = vyi_get32(k->measured + 32);
    c->probed[VYI_VK_HOST] = vyi_get32(k->measured + 36);
    vyi_vk_probe_text(out);
    return true;
}

/* A device that was not seen to be live may only have been busy. */
VYI_COLD
VYI_API void vyi_vk_cache_keep(const vyi_vk_context *c, vyi_vk_cache *k, const vyre_probe *probe,
                               bool settled)
{
    memset(k->measured + 8, 0, sizeof k->measured - 8);
    if (!probe->live || !settled)
        return;
    vyi_put32(k->measured + 8, VYI_VK_FACT_KEPT | (probe->loop_limited ? VYI_VK_FACT_LIMITED : 0) |
                               (probe->whole_lines ? VYI_VK_FACT_LINES : 0) |
                               (probe->effects_first ? VYI_VK_FACT_EFFECTS : 0));
    vyi_put32(k->measured + 12, probe->loop_limit);
    vyi_put32(k->measured + 16, probe->resident_groups);
    vyi_vk_put64(k->measured + 24, probe->round_trip_ns);
    vyi_put32(k->measured + 32, c->probed[VYI_VK_DEVICE]);
    vyi_put32(k->measured + 36, c->probed[VYI_VK_HOST]);
}

VYI_API uint32_t vyi_vk_cache_groups(const vyi_vk_cache *k)
{
    return vyi_get32(k->measured + 20);
}

VYI_API void vyi_vk_cache_keep_groups(vyi_vk_cache *k, uint32_t groups)
{
    if (vyi_get32(k->measured + 8) & VYI_VK_FACT_KEPT)
        vyi_put32(k->measured + 20, groups);
}

VYI_API uint32_t vyi_vk_cache_verdict(const vyi_vk_cache *k)
{
    return vyi_get32(k->measured + 40);
}

VYI_API void vyi_vk_cache_keep_verdict(vyi_vk_cache *k, uint32_t verdict)
{
    if (vyi_get32(k->measured + 8) & VYI_VK_FACT_KEPT)
        vyi_put32(k->measured + 40, verdict);
}

/* --- the file ------------------------------------------------------------ */

#ifndef VYRE_NO_IO

/* Whose the file is: every byte of it counts. */
static void vyi_vk_cache_key(const vyi_vk_context *c, const vyre_program *const *programs,
                             uint8_t key[VYRE_CACHE_KEY])
{
    uint8_t whose[3 * VK_UUID_SIZE + 4 * 4 + 8 * VYI_VK_PROGRAMS], *at = whose;
    const uint8_t *uuids[3] = { c->properties.pipelineCacheUUID, c->id.deviceUUID,
                                c->id.driverUUID };
    const uint32_t numbers[4] = { c->properties.vendorID, c->properties.deviceID,
                                  c->properties.driverVersion, VYRE_VERSION };
    for (uint32_t i = 0; i < 3; i++, at += VK_UUID_SIZE)
        memcpy(at, uuids[i], VK_UUID_SIZE);
    for (uint32_t i = 0; i < 4; i++, at += 4)
        vyi_put32(at, numbers[i]);
    for (uint32_t i = 0; i < VYI_VK_PROGRAMS; i++, at += 8)
        vyi_vk_put64(at, programs[i] ? vyre_program_hash(programs[i]) : 0);
    VYRE_ASSERT(at == whose + sizeof whose);
    vyi_blake3(whose, sizeof whose, key);
}

/* Takes over what an unsealed file holds. */
static const char *vyi_vk_cache_take(vyi_vk_cache *k, const uint8_t *blob, size_t size)
{
    if (size < sizeof k->measured)
        return "it has another format";
    memcpy(k->measured, blob, sizeof k->measured);
    k->driver = blob + sizeof k->measured;
    k->driver_size = size - sizeof k->measured;
    memcpy(k->digest, (const uint8_t *)k->file + k->file_size - VYI_CACHE_DIGEST,
           VYI_CACHE_DIGEST);
    return NULL;
}

VYI_COLD
VYI_API void vyi_vk_cache_begin(const vyi_vk_context *c, vyi_vk_cache *k,
                                const vyre_program *const *programs)
{
    const vyre_desc *desc = c->desc;
    const void *blob = NULL;
    size_t size = 0;
    vyre_error how;
    if (!desc->vulkan.cache_file)
        return;
    vyi_vk_cache_key(c, programs, k->key);
    const char *why = vyi_cache_read(&desc->allocator, desc->vulkan.cache_file, &k->file,
                                     &k->file_size);
    if (!why && vyre_cache_unseal(k->file, k->file_size, k->key, &blob, &size, &how) != VYRE_OK)
        why = how.text;
    if (!why)
        why = vyi_vk_cache_take(k, (const uint8_t *)blob, size);
    if (why)
        vyi_message(&desc->messages, VYRE_SEVERITY_INFO, "the cache file %.100s is not used: %s",
                    desc->vulkan.cache_file, why);
}

/* `block` is what was measured with the driver's bytes behind. */
static const char *vyi_vk_cache_write(const vyi_vk_context *c, const vyi_vk_cache *k,
                                      const uint8_t *block, size_t size)
{
    const vyre_allocator *allocator = &c->desc->allocator;
    const size_t all = size + VYRE_CACHE_EXTRA;
    const char *why = NULL;
    size_t written = 0;
    uint8_t *file = (uint8_t *)vyi_alloc(allocator, all);
    if (!file)
        return "there is no memory for it";
    if (vyre_cache_seal(block, size, k->key, file, all, &written, NULL) == VYRE_OK &&
        memcmp(k->digest, file + all - VYI_CACHE_DIGEST, VYI_CACHE_DIGEST) != 0)
        why = vyi_cache_write(allocator, c->desc->vulkan.cache_file, file, written);
    vyi_free(allocator, file, all);
    return why;
}

#else

VYI_API void vyi_vk_cache_begin(const vyi_vk_context *c, vyi_vk_cache *k,
                                const vyre_program *const *programs)
{
    (void)k, (void)programs;
    if (c->desc->vulkan.cache_file)
        vyi_message(&c->desc->messages, VYRE_SEVERITY_WARNING,
                    "no cache file: files are left out (VYRE_NO_IO)");
}

static const char *vyi_vk_cache_write(const vyi_vk_context *c, const vyi_vk_cache *k,
                                      const uint8_t *block, size_t size)
{
    (void)c, (void)k, (void)block, (void)size;
    return NULL;
}

#endif /* VYRE_NO_IO */

/* --- open, close ------------------------------------------------------------ */

/* The bytes for the driver: of the file, or of the blob. */
static void vyi_vk_cache_initial(const vyi_vk_context *c, const vyi_vk_cache *k,
                                 VkPipelineCacheCreateInfo *info)
{
    const vyre_vulkan_desc *desc = &c->desc->vulkan;
    const uint8_t *blob = (const uint8_t *)desc->cache;
    info->initialDataSize = k->driver_size;
    info->pInitialData = k->driver;
    if (!blob || desc->cache_size == 0)
        return;
    const char *why = vyi_vk_blob_refuse(c, k->program, blob, desc->cache_size);
    if (why) {
        vyi_message(&c->desc->messages, VYRE_SEVERITY_WARNING,
                    "the pipeline cache is not used: %s", why);
    } else {
        info->initialDataSize = desc->cache_size - VYI_VK_CACHE_HEADER;
        info->pInitialData = blob + VYI_VK_CACHE_HEADER;
    }
}

VYI_COLD
VYI_API vyre_status vyi_vk_cache_open(vyi_vk_context *c, vyi_vk_cache *k, uint64_t program,
                                      vyre_error *err)
{
    const vyre_vulkan_desc *desc = &c->desc->vulkan;
    const bool blob = desc->cache_store || (desc->cache && desc->cache_size > 0);
    vyre_error how;
    k->program = program;
    if (!blob && !desc->cache_file)
        return VYRE_OK;
    VkPipelineCacheCreateInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO;
    vyi_vk_cache_initial(c, k, &info);
    const vyre_status status =
        VYI_VKC(c, &how, vkCreatePipelineCache, (c->device, &info, c->callbacks, &k->pipelines));
    if (status == VYRE_OK)
        return VYRE_OK;
    k->pipelines = VK_NULL_HANDLE;
    if (!blob) { /* a file is never an error */
        vyi_message(&c->desc->messages, VYRE_SEVERITY_WARNING,
                    "the cache file is not used: %s", how.text);
        return VYRE_OK;
    }
    if (err)
        *err = how;
    return status;
}

/* The driver's bytes, *size, behind `head` others in a block of *room; or NULL. */
static uint8_t *vyi_vk_cache_data(const vyi_vk_context *c, const vyi_vk_cache *k, size_t head,
                                  size_t *size, size_t *room)
{
    *size = 0;
    if (c->fn.vkGetPipelineCacheData(c->device, k->pipelines, size, NULL) != VK_SUCCESS ||
        !vyi_size_add(*size, head, room))
        return NULL;
    uint8_t *block = (uint8_t *)vyi_alloc(&c->desc->allocator, *room);
    /* VK_INCOMPLETE: it has grown meanwhile; half a cache is none. */
    if (block && c->fn.vkGetPipelineCacheData(c->device, k->pipelines, size, block + head) ==
                     VK_SUCCESS)
        return block;
    vyi_free(&c->desc->allocator, block, *room);
    return NULL;
}

static void vyi_vk_blob_store(const vyi_vk_context *c, const vyi_vk_cache *k)
{
    const vyre_vulkan_desc *desc = &c->desc->vulkan;
    size_t size, room;
    uint8_t *blob = vyi_vk_cache_data(c, k, VYI_VK_CACHE_HEADER, &size, &room);
    if (!blob)
        return;
    vyi_put32(blob, VYI_VK_CACHE_MAGIC);
    vyi_put32(blob + 4, VYI_VK_CACHE_VERSION);
    vyi_vk_put64(blob + 8, vyi_vk_identity(c, k->program));
    vyi_vk_put64(blob + 16, size);
    vyi_vk_put64(blob + 24, vyi_hash(VYI_HASH_SEED, blob + VYI_VK_CACHE_HEADER, size));
    memcpy(blob + 32, c->properties.pipelineCacheUUID, VK_UUID_SIZE);
    desc->cache_store(desc->cache_user, blob, VYI_VK_CACHE_HEADER + size);
    vyi_free(&c->desc->allocator, blob, room);
}

static void vyi_vk_file_store(const vyi_vk_context *c, const vyi_vk_cache *k)
{
    const char *why = "the driver gives nothing";
    size_t size, room;
    uint8_t *block = vyi_vk_cache_data(c, k, sizeof k->measured, &size, &room);
    if (block) {
        memcpy(block, k->measured, sizeof k->measured);
        why = vyi_vk_cache_write(c, k, block, sizeof k->measured + size);
        vyi_free(&c->desc->allocator, block, room);
    }
    if (why)
        vyi_message(&c->desc->messages, VYRE_SEVERITY_WARNING,
                    "the cache file %.100s is not written: %s", c->desc->vulkan.cache_file, why);
}

VYI_COLD
VYI_API void vyi_vk_cache_store(const vyi_vk_context *c, const vyi_vk_cache *k)
{
    if (!k->pipelines)
        return;
    if (c->desc->vulkan.cache_store)
        vyi_vk_blob_store(c, k);
    if (c->desc->vulkan.cache_file)
        vyi_vk_file_store(c, k);
}

VYI_COLD
VYI_API void vyi_vk_cache_drop_file(const vyi_vk_context *c, vyi_vk_cache *k)
{
    vyi_free(&c->desc->allocator, k->file, k->file_size);
    k->file = NULL;
    k->driver = NULL;
    k->file_size = k->driver_size = 0;
}

VYI_COLD
VYI_API void vyi_vk_cache_free(vyi_vk_context *c, vyi_vk_cache *k)
{
    vyi_vk_cache_drop_file(c, k);
    if (k->pipelines)
        c->fn.vkDestroyPipelineCache(c->device, k->pipelines, c->callbacks);
    k->pipelines = VK_NULL_HANDLE;
}

#endif /* VYI_VULKAN */

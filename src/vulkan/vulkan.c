/* ==========================================================================
 * vulkan: the backend
 *
 * Two pipelines over one set of buffers, and a chain of launches; beside it copies,
 * into and out of the user's buffers.  The second descriptor set, for byte-level
 * dispatch, comes into being with the first attach.
 * ======================================================================= */
#include "vulkan/vulkan_impl.h"

#include "kernel/kernel_impl.h"
#include "kernel/wide_impl.h"

#if VYI_VULKAN

typedef struct vyi_vk {
    vyi_device       base; /* first: the engine's view */
    vyi_vk_context   c;
    vyre_probe       probe;
    uint64_t         program_hash;
    uint32_t         buffer_count;
    vyi_role         roles[VYI_MAX_BUFFERS];
    uint32_t         bindings[VYI_MAX_BUFFERS];
    vyi_vk_buffer    resident[VYI_MAX_BUFFERS];
    vyi_vk_buffer    attached[VYI_MAX_BUFFERS]; /* of roles other than user */
    vyi_vk_layout    layout;
    VkDescriptorPool pool;
    VkDescriptorSet  sets[2];         /* resident, attached */
    vyi_vk_cache     cache;
    VkPipeline       loop, once, tiles; /* tiles: null without wide works */
    uint32_t         once_groups;
    uint64_t         probes;          /* launches before the engine's first */
    uint32_t         loop_group;      /* group size of the looping kernel; 0 = the program's own */
    uint32_t         rounds;          /* that the kernel's groups have been told */
    vyi_vk_chain     chain;
    vyi_vk_copier    copiers[VYI_VK_COPIERS]; /* the first one's for whole buffers, too */
} vyi_vk;

/* --- geometry ------------------------------------------------------------ */

#define VYI_VK_UNPROBED_GROUPS 16u

static bool vyi_vk_is_cpu(const vyi_vk *v)
{
    return v->c.properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
}

static uint32_t vyi_vk_min(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* The largest group that the device takes. */
static uint32_t vyi_vk_group_limit(const vyi_vk *v)
{
    const VkPhysicalDeviceLimits *limits = &v->c.properties.limits;
    return vyi_vk_min(limits->maxComputeWorkGroupSize[0], limits->maxComputeWorkGroupInvocations);
}

static uint32_t vyi_vk_loop_limit(const vyi_vk *v)
{
    if (v->probe.ran)
        return v->probe.loop_limit;
    return vyi_vk_is_cpu(v) ? VYI_VK_CPU_LOOP_LIMIT : 0;
}

/* Whether each lane needs a group of its own.  llvmpipe counts the loops of a
 * whole vector together, so that long loops of several slots, side by side,
 * would cut each other short. */
static bool vyi_vk_lanes_apart(const vyi_vk *v, const vyi_device_desc *desc)
{
    return v->c.features.llvmpipe && desc->guest_loops && vyi_vk_loop_limit(v) != 0;
}

/* A CPU gets groups of one vector, whatever was asked for: they are the fastest
 * there, and larger ones go wrong.  llvmpipe (seen in Mesa 22.3) runs a larger
 * group as one coroutine for each vector, takes every acquire or release for
 * a barrier, and drops the vectors that are still in a loop when others end.
 * Its looping kernel is the narrow one: it has no branches, but it has loops. */
static vyre_status vyi_vk_group_choose(vyi_vk *v, const vyi_device_desc *desc, vyre_error *err)
{
    const uint32_t limit = vyi_vk_group_limit(v);
    v->base.group_size = vyi_vk_min(desc->group_size, limit);
    if (vyi_vk_is_cpu(v)) {
        v->base.group_size = vyi_vk_min(v->base.group_size, v->c.features.subgroup_size);
        v->base.narrow = desc->narrow != NULL;
        return VYRE_OK;
    }
    if (desc->fixed_geometry && desc->group_size > limit)
        return vyi_fail(err, VYRE_E_VK_LIMIT, desc->group_size,
                        "Set kernel.workgroup_size to no more than that, or leave it 0.",
                        "a workgroup has %u lanes, and the device allows %u", desc->group_size,
                        limit);
    return VYRE_OK;
}

#define VYI_VK_WIDE_GROUP 512u /* lanes */

/* The looping kernel gets only as many groups as run at once, and half of what
 * the probe counted where that matters: a kernel with more registers than the
 * probe has fits less often.  A CPU gives it one of its cores. */
static void vyi_vk_groups_choose(vyi_vk *v, const vyi_device_desc *desc)
{
    const uint32_t spare = vyi_vk_is_cpu(v) ? 0 : desc->spare_groups;
    const uint64_t slots = (uint64_t)desc->group_size * (desc->max_groups + spare);
    if (vyi_vk_lanes_apart(v, desc))
        v->base.group_size = 1;
    const uint64_t useful = (slots + v->base.group_size - 1) / v->base.group_size;
    const uint32_t most = useful > UINT32_MAX ? UINT32_MAX : (uint32_t)useful;
    const uint32_t resident = v->probe.resident_groups;
    uint32_t groups = vyi_vk_is_cpu(v) ? 1 : VYI_VK_UNPROBED_GROUPS;
    if (!vyi_vk_is_cpu(v) && resident > 0)
        groups = resident > 1 ? resident / 2 : 1;
    v->base.groups = vyi_vk_min(groups, most);
    v->once_groups = vyi_vk_min(resident > 16 ? resident : 16, most);
    if (desc->fixed_geometry && !vyi_vk_is_cpu(v))
        v->base.groups = v->once_groups = desc->max_groups;
    const uint32_t device_limit = v->c.properties.limits.maxComputeWorkGroupCount[0];
    v->base.groups = vyi_vk_min(v->base.groups, device_limit);
    if (v->base.narrow)
        v->base.groups = 1;
    v->once_groups = vyi_vk_min(v->once_groups, device_limit);
}

/* A CPU gets groups of one vector here as well, unless the program wants others; a
 * fourth of its loops is left to the handlers'. */
static vyre_status vyi_vk_wide_choose(vyi_vk *v, const vyi_device_desc *desc, vyre_error *err)
{
    const uint32_t limit = vyi_vk_group_limit(v), loops = vyi_vk_loop_limit(v);
    const uint32_t wanted = desc->desc->kernel.group_size;
    const uint32_t chosen = vyi_vk_is_cpu(v) ? v->c.features.subgroup_size : VYI_VK_WIDE_GROUP;
    if (desc->tiles && wanted > limit)
        return vyi_fail(err, VYRE_E_VK_LIMIT, wanted,
                        "Set kernel.group_size to no more than that, or leave it 0.",
                        "a group has %u lanes, and the device allows %u", wanted, limit);
    v->base.wide_group = wanted ? wanted : vyi_vk_min(chosen, limit);
    v->base.group_size = desc->tiles ? vyi_vk_min(v->base.group_size, v->base.wide_group)
                                     : v->base.group_size;
    v->base.wide_turns = loops ? loops / 4 : UINT32_MAX;
    return VYRE_OK;
}

/* Lanes that poll for long share a processor's path to memory: they are spread
 * over more of them, in smaller groups, and are not more for it. */
#define VYI_VK_LOOP_GROUP 64u

static void vyi_vk_loop_spread(vyi_vk *v, const vyi_device_desc *desc)
{
    const uint32_t parts = v->base.group_size / VYI_VK_LOOP_GROUP;
    const uint32_t device_limit = v->c.properties.limits.maxComputeWorkGroupCount[0];
    v->loop_group = v->base.narrow ? 0 : v->base.group_size;
    if (desc->fixed_geometry || vyi_vk_is_cpu(v) || parts < 2 ||
        v->base.group_size % VYI_VK_LOOP_GROUP != 0 || v->base.groups > device_limit / parts)
        return;
    v->loop_group = VYI_VK_LOOP_GROUP;
    v->base.groups *= parts;
}

/* A round costs each lane an iteration, and one more for each of its slots.
 * Half of the limit is left to the loops of the work itself. */
static uint32_t vyi_vk_max_rounds(const vyi_vk *v, const vyi_device_desc *desc)
{
    const uint32_t limit = vyi_vk_loop_limit(v);
    const uint64_t lanes = (uint64_t)v->base.group_size * v->base.groups;
    const uint64_t slots = (uint64_t)desc->group_size * desc->max_groups;
    const uint64_t looks = (slots + lanes - 1) / lanes + 2;
    const uint64_t each = desc->desc->kernel.children ? 16 : looks; /* few a round */
    if (limit == 0)
        return 0;
    return limit / 2 > each ? (uint32_t)(limit / 2 / each) : 1;
}

/* --- open ---------------------------------------------------------------- */

static vyi_vk_place vyi_vk_role_place(vyi_role role)
{
    return role == VYI_ROLE_MIRROR || role == VYI_ROLE_TIMES ? VYI_VK_HOST : VYI_VK_DEVICE;
}

/* Zeroed, or the caller's as it is.  On failure *out is zeroed. */
static vyre_status vyi_vk_buffer_open(vyi_vk *v, const vyi_device_buffer *b, vyi_vk_buffer *out,
                                      vyre_error *err)
{
    static const vyi_vk_place places[] = { VYI_VK_DEVICE, VYI_VK_LOCAL, VYI_VK_HOST };
    if (b->lent)
        return vyi_vk_buffer_lend(&v->c, out, (VkBuffer)(uintptr_t)b->lent, b->size, b->name, err);
    const bool chosen = b->role == VYI_ROLE_USER || b->role == VYI_ROLE_LOG;
    const vyi_vk_place place = chosen ? places[b->place] : vyi_vk_role_place(b->role);
    vyre_status status = vyi_vk_buffer_create(&v->c, out, place, b->size, b->name, err);
    VYI_STEP("buffers: memory");
    if (status == VYRE_OK && !out->mapped)
        status = vyi_vk_copy_buffer(&v->c, &v->copiers[0], NULL, out, b->size, err);
    VYI_STEP("buffers: zeros by the device");
    if (status != VYRE_OK && !v->c.hung)
        vyi_vk_buffer_destroy(&v->c, out);
    return status;
}

static vyre_status vyi_vk_open_one(vyi_vk *v, const vyi_device_buffer *b, uint32_t i,
                                      vyre_error *err)
{
    const vyre_status status = vyi_vk_buffer_open(v, b, &v->resident[i], err);
    if (status != VYRE_OK)
        return status;
    v->roles[i] = b->role;
    v->bindings[i] = b->binding;
    v->base.map[i] = v->resident[i].mapped;
    v->base.bytes += b->size;
    return VYRE_OK;
}

/* The user's come last: what the device polls has to be near it, and the window may
 * be small. */
static vyre_status vyi_vk_open_buffers(vyi_vk *v, const vyi_device_desc *desc, vyre_error *err)
{
    for (uint32_t users = 0; users < 2; users++)
        for (uint32_t i = 0; i < desc->buffer_count; i++) {
            const vyi_device_buffer *b = &desc->buffers[i];
            if ((b->role == VYI_ROLE_USER) != (users == 1))
                continue;
            const vyre_status status = vyi_vk_open_one(v, b, i, err);
            if (status != VYRE_OK)
                return status;
        }
    v->buffer_count = desc->buffer_count;
    return VYRE_OK;
}

/* Whether a buffer that host and device share lies where the probe looked. */
static bool vyi_vk_is_probed(const vyi_vk *v, uint32_t index)
{
    return v->resident[index].type == v->c.probed[vyi_vk_role_place(v->roles[index])];
}

/* What the engine has to know about the memory of control, ring and mirror. */
static void vyi_vk_describe_memory(vyi_vk *v)
{
    bool probed = v->probe.ran;
    for (uint32_t i = 0; i < v->buffer_count; i++) {
        const bool polled = v->roles[i] == VYI_ROLE_CONTROL || v->roles[i] == VYI_ROLE_RING ||
                            v->roles[i] == VYI_ROLE_CANCEL;
        if (polled || v->roles[i] == VYI_ROLE_MIRROR)
            probed = probed && vyi_vk_is_probed(v, i);
        if (polled && !(v->resident[i].flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT))
            v->base.write_combined = true;
    }
    v->base.whole_lines = v->base.write_combined && probed && v->probe.whole_lines;
}

/* Whether the attached set has a buffer of its own for this role. */
static bool vyi_vk_is_apart(vyi_role role)
{
    return role < VYI_ROLE_USER || role == VYI_ROLE_MIRROR || role == VYI_ROLE_CANCEL;
}

/* Set 0 shows the resident buffers, set 1 the attached ones and the user's. */
static void vyi_vk_write_set(vyi_vk *v, uint32_t set)
{
    vyi_vk_binding list[VYI_MAX_BUFFERS];
    for (uint32_t i = 0; i < v->buffer_count; i++) {
        const vyi_vk_buffer *b = set == 1 && vyi_vk_is_apart(v->roles[i]) ? &v->attached[i]
                                                                          : &v->resident[i];
        list[i].binding = v->bindings[i];
        list[i].buffer = b->buffer;
        list[i].size = b->size;
    }
    vyi_vk_set_write(&v->c, v->sets[set], list, v->buffer_count);
}

static vyre_status vyi_vk_open_sets(vyi_vk *v, vyre_error *err)
{
    vyre_status status = vyi_vk_layout_create(&v->c, &v->layout, v->bindings, v->buffer_count,
                                              err);
    if (status == VYRE_OK)
        status = vyi_vk_pool_create(&v->c, &v->pool, 2, v->buffer_count, err);
    for (uint32_t i = 0; i < 2 && status == VYRE_OK; i++)
        status = vyi_vk_set_create(&v->c, v->pool, &v->layout, &v->sets[i], err);
    if (status == VYRE_OK)
        vyi_vk_write_set(v, 0);
    return status;
}

/* The whole kernel's loads behind a poll find what those of the probe found, and
 * its mirror comes when the probe's answer came. */
static const vyre_program *vyi_vk_loop_program(const vyi_vk *v, const vyi_device_desc *desc)
{
    if (v->base.narrow)
        return desc->narrow;
    const bool whole = v->base.whole_lines && v->probe.effects_first;
    return whole && desc->whole ? desc->whole : desc->loop;
}

static vyre_status vyi_vk_open_pipelines(vyi_vk *v, const vyi_device_desc *desc, vyre_error *err)
{
    const vyre_program *loop = vyi_vk_loop_program(v, desc);
    const uint64_t hashes[2] = { vyre_program_hash(loop), vyre_program_hash(desc->once) };
    v->program_hash = vyi_hash(VYI_HASH_SEED, hashes, sizeof hashes);
    v->base.pipeline_id = vyi_vk_identity(&v->c, v->program_hash);
    vyre_status status = vyi_vk_cache_open(&v->c, &v->cache, v->program_hash, err);
    VYI_STEP("pipeline cache");

    vyi_vk_pipeline_desc p;
    memset(&p, 0, sizeof p);
    p.layout = &v->layout;
    p.cache = v->cache.pipelines;
    p.group_size = v->base.group_size;
    p.loop_limit = vyi_vk_loop_limit(v);
    if (p.loop_limit == 0 && vyi_kernel_own_allowance(&desc->desc->kernel))
        p.loop_limit = UINT32_MAX; /* none is cut, and all are counted */
    p.program = desc->once;
    p.name = "pass";
    if (status == VYRE_OK)
        status = vyi_vk_pipeline_create(&v->c, &p, &v->once, err);
    VYI_STEP("pipeline: passes");
    p.program = loop;
    p.name = "loop";
    p.group_size = desc->tiles ? v->base.wide_group : v->loop_group;
    if (status == VYRE_OK)
        status = vyi_vk_pipeline_create(&v->c, &p, &v->loop, err);
    VYI_STEP("pipeline: loop");
    p.program = desc->tiles;
    p.name = "tiles";
    p.group_size = v->base.wide_group;
    if (status == VYRE_OK && p.program)
        status = vyi_vk_pipeline_create(&v->c, &p, &v->tiles, err);
    VYI_STEP("pipeline: tiles");
    vyi_vk_cache_drop_file(&v->c, &v->cache);
    return status;
}

/* --- groups that wait for wide works --------------------------------------- */

#define VYI_VK_WIDE_ASKED       4096u /* groups */
#define VYI_VK_WIDE_SPINS       8192u /* each a microsecond or two */
#define VYI_VK_WIDE_DEADLINE_NS 2000000000ull

/* Tests: the program says how many groups there are, on any device that lives. */
#ifndef VYI_WIDE_ANYWHERE
#define VYI_WIDE_ANYWHERE 0
#endif

/* Only where the probe has shown that a kernel lives, and nothing cuts its loops. */
static bool vyi_vk_wide_can_live(const vyi_vk *v, const vyi_device_desc *desc)
{
    const bool free_loops = !vyi_vk_is_cpu(v) && vyi_vk_loop_limit(v) == 0;
    return desc->tiles && v->probe.live && desc->desc->mode != VYRE_MODE_PASSES &&
           (free_loops || (VYI_WIDE_ANYWHERE && desc->desc->wide_groups));
}

static uint32_t *vyi_vk_wide_head(const vyi_vk *v)
{
    uint32_t i = 0;
    while (v->roles[i] != VYI_ROLE_WIDE)
        i++;
    return (uint32_t *)v->base.map[i] + VYI_WIDE_HEAD;
}

/* Runs the looping program as a probe of itself (kernel_groups.c): how many groups
 * with these registers and arrays run at the same time. */
static vyre_status vyi_vk_wide_probe(vyi_vk *v, uint32_t *resident, vyre_error *err)
{
    uint32_t *head = vyi_vk_wide_head(v);
    vyi_vk_dispatch dispatch;
    vyi_store_relaxed(head + VYI_WIDE_PROBE, vyi_le32(VYI_VK_WIDE_SPINS));
    vyi_fence_stores();
    dispatch.rows = dispatch.layers = 0;
    dispatch.pipeline = v->loop;
    dispatch.layout = v->layout.pipeline;
    dispatch.set = v->sets[0];
    dispatch.groups = vyi_vk_min(VYI_VK_WIDE_ASKED,
                                 v->c.properties.limits.maxComputeWorkGroupCount[0]);
    dispatch.rounds = 1;
    vyre_status status = vyi_vk_chain_launch(&v->c, &v->chain, VYI_LAUNCH_LOOP, &dispatch, err);
    if (status == VYRE_OK)
        status = vyi_vk_chain_reap(&v->c, &v->chain, 0, VYI_VK_WIDE_DEADLINE_NS, err);
    if (status == VYRE_OK && v->chain.completed == 0) {
        v->c.hung = true;
        return vyi_fail(err, VYRE_E_LEASE, 0, "Set vyre_desc.mode to VYRE_MODE_PASSES.",
                        "a dispatch that counts workgroups has not ended for two seconds");
    }
    *resident = vyi_le32(vyi_load_acquire(head + VYI_WIDE_RESIDENT));
    for (uint32_t i = VYI_WIDE_PROBE; i <= VYI_WIDE_RESIDENT; i++)
        vyi_store_relaxed(head + i, 0);
    vyi_fence_stores();
    v->probes = v->chain.completed;
    return status;
}

/* Pollers come first; the rest of what is resident is for wide works. */
static vyre_status vyi_vk_wide_count(vyi_vk *v, uint32_t wanted, vyre_error *err)
{
    uint32_t resident = vyi_vk_cache_groups(&v->cache);
    if (vyi_vk_is_cpu(v)) {
        v->base.wide_groups = wanted;
        return VYRE_OK;
    }
    const vyre_status status = resident ? VYRE_OK : vyi_vk_wide_probe(v, &resident, err);
    if (status != VYRE_OK)
        return status;
    vyi_vk_cache_keep_groups(&v->cache, resident);
    VYI_STEP("probe: wide groups");
    const uint32_t left = resident > v->base.groups ? resident - v->base.groups : 0;
    v->base.wide_groups = wanted ? vyi_vk_min(wanted, left) : left;
    return VYRE_OK;
}

static bool vyi_vk_has_user(const vyi_device_desc *desc)
{
    uint32_t i = 0;
    while (i < desc->buffer_count && desc->buffers[i].role != VYI_ROLE_USER)
        i++;
    return i < desc->buffer_count;
}

/* The verdict of an earlier open will do, unless the desc says otherwise. */
static vyre_status vyi_vk_open_probe(vyi_vk *v, const vyi_device_desc *desc, vyre_error *err)
{
    const vyre_program *programs[VYI_VK_PROGRAMS] = { desc->loop, desc->once, desc->narrow,
                                                      desc->whole, desc->tiles };
    const uint32_t size = v->base.group_size, most = desc->max_groups + desc->spare_groups;
    bool settled = false;
    vyre_probe kept;
    vyi_vk_cache_begin(&v->c, &v->cache, programs);
    const bool recalled = vyi_vk_cache_recall(&v->c, &v->cache, size, most, &kept);
    VYI_STEP("cache file");
    if (desc->desc->no_probe)
        return VYRE_OK;
    if (recalled && !desc->desc->probe_always) {
        v->probe = kept;
        v->base.verdict = vyi_vk_cache_verdict(&v->cache);
        return VYRE_OK;
    }
    const vyre_status status =
        vyi_vk_probe(&v->c, size, most, &v->probe, &settled, err);
    if (status == VYRE_OK)
        vyi_vk_cache_keep(&v->c, &v->cache, &v->probe, settled);
    return status;
}

VYI_OUTLINE
static vyre_status vyi_vk_open_steps(vyi_vk *v, const vyi_device_desc *desc, vyre_error *err)
{
    const uint32_t wanted = desc->desc->lease.in_flight ? desc->desc->lease.in_flight : 2;
    vyre_status status = vyi_vk_context_open(&v->c, desc->desc, vyi_vk_has_user(desc), err);
    VYI_STEP("device");
    if (status == VYRE_OK)
        status = vyi_vk_group_choose(v, desc, err);
    if (status == VYRE_OK)
        status = vyi_vk_open_probe(v, desc, err);
    if (status < 0)
        return status;
    vyi_vk_groups_choose(v, desc);
    status = vyi_vk_wide_choose(v, desc, err);
    if (status != VYRE_OK)
        return status;
    v->base.max_rounds = vyi_vk_max_rounds(v, desc);
    vyi_vk_loop_spread(v, desc);
    v->base.shared = vyi_vk_is_cpu(v);
    /* The number of rounds is for one number of lanes. */
    v->base.divisible = desc->desc->tune && !v->base.shared && !desc->fixed_geometry &&
                        v->base.max_rounds == 0;
    v->base.in_flight = vyi_vk_min(wanted, VYI_VK_MAX_CHAIN - 1);

    for (uint32_t i = 0; i < VYI_VK_COPIERS && status == VYRE_OK; i++)
        status = vyi_vk_copier_create(&v->copiers[i], err);
    if (status == VYRE_OK)
        status = vyi_vk_open_buffers(v, desc, err);
    if (status != VYRE_OK)
        return status;
    vyi_vk_describe_memory(v);
    status = vyi_vk_open_sets(v, err);
    VYI_STEP("descriptors");
    if (status == VYRE_OK)
        status = vyi_vk_open_pipelines(v, desc, err);
    if (status == VYRE_OK)
        status = vyi_vk_chain_create(&v->c, &v->chain, v->base.in_flight + 1,
                                     v->base.divisible ? VYI_VK_KINDS : VYI_VK_PLAIN_KINDS, err);
    /* Of the looping kernel; the passes have theirs already. */
    v->base.group_size = v->base.narrow ? 1 : v->loop_group;
    if (status == VYRE_OK && vyi_vk_wide_can_live(v, desc))
        status = vyi_vk_wide_count(v, desc->desc->wide_groups, err);
    return status;
}

/* Nothing may be in flight. */
static void vyi_vk_free(vyi_vk *v)
{
    vyi_vk_context *c = &v->c;
    if (c->device) {
        vyi_vk_chain_destroy(c, &v->chain);
        if (v->loop)
            c->fn.vkDestroyPipeline(c->device, v->loop, c->callbacks);
        if (v->once)
            c->fn.vkDestroyPipeline(c->device, v->once, c->callbacks);
        if (v->tiles)
            c->fn.vkDestroyPipeline(c->device, v->tiles, c->callbacks);
        vyi_vk_cache_free(c, &v->cache);
        if (v->pool)
            c->fn.vkDestroyDescriptorPool(c->device, v->pool, c->callbacks);
        vyi_vk_layout_destroy(c, &v->layout);
        for (uint32_t i = 0; i < VYI_VK_COPIERS; i++)
            vyi_vk_copier_destroy(c, &v->copiers[i]);
        for (uint32_t i = 0; i < VYI_MAX_BUFFERS; i++) {
            vyi_vk_buffer_destroy(c, &v->attached[i]);
            vyi_vk_buffer_destroy(c, &v->resident[i]);
        }
    }
    vyi_vk_context_close(c);
}

static vyre_status vyi_vk_open(const vyi_device_desc *desc, vyi_device **out, vyre_error *err)
{
    const vyre_allocator *allocator = &desc->desc->allocator;
    vyi_vk *v = (vyi_vk *)vyi_alloc(allocator, sizeof *v);
    if (!v)
        return vyi_fail_nomem(err, sizeof *v);
    memset(v, 0, sizeof *v);
    v->base.backend = vyi_vulkan_backend();
    const vyre_status status = vyi_vk_open_steps(v, desc, err);
    if (status == VYRE_OK) {
        *out = &v->base;
        return VYRE_OK;
    }
    if (!v->c.hung)
        vyi_vk_free(v);
    vyi_free(allocator, v, sizeof *v);
    return status;
}

#define VYI_VK_CLOSE_TIMEOUT 1000000000ull

VYI_OUTLINE
static bool vyi_vk_close(vyi_device *d)
{
    vyi_vk *v = (vyi_vk *)d;
    const vyre_allocator *allocator = &v->c.desc->allocator;
    bool idle = !v->c.hung && vyi_vk_chain_idle(&v->c, &v->chain, VYI_VK_CLOSE_TIMEOUT);
    for (uint32_t i = 0; i < VYI_VK_COPIERS && idle; i++)
        idle = vyi_vk_copier_idle(&v->c, &v->copiers[i], VYI_VK_CLOSE_TIMEOUT);
    if (idle) {
        vyi_vk_cache_keep_verdict(&v->cache, v->base.verdict);
        if (!vyi_load_acquire(&v->c.lost))
            vyi_vk_cache_store(&v->c, &v->cache);
        vyi_vk_free(v);
    }
    vyi_free(allocator, v, sizeof *v);
    return idle;
}

/* --- the rest of the contract -------------------------------------------- */

static uint64_t vyi_vk_memory(const vyi_vk *v)
{
    uint64_t most = 0;
    for (uint32_t i = 0; i < v->c.memory.memoryHeapCount; i++) {
        const VkMemoryHeap *heap = &v->c.memory.memoryHeaps[i];
        if (heap->flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT && heap->size > most)
            most = heap->size;
    }
    return most;
}

/* The one of a few looks whose two clocks were read closest together. */
static bool vyi_vk_moment(vyi_device *d, vyi_moment *out)
{
    out->host = 0;
#ifdef VK_EXT_calibrated_timestamps
    const vyi_vk *v = (const vyi_vk *)d;
    VkCalibratedTimestampInfoEXT clocks[2];
    memset(clocks, 0, sizeof clocks);
    clocks[0].sType = clocks[1].sType = VK_STRUCTURE_TYPE_CALIBRATED_TIMESTAMP_INFO_EXT;
    clocks[0].timeDomain = VK_TIME_DOMAIN_DEVICE_EXT;
    clocks[1].timeDomain = VK_TIME_DOMAIN_CLOCK_MONOTONIC_EXT;
    for (unsigned turn = 0; turn < 8 && v->c.features.calibrated; turn++) {
        uint64_t at[2], deviation;
        if (v->c.fn.vkGetCalibratedTimestampsEXT(v->c.device, 2, clocks, at, &deviation))
            break;
        if (out->host && deviation >= out->deviation)
            continue;
        out->ticks = at[0];
        out->host = at[1];
        out->deviation = deviation;
    }
#else
    (void)d;
#endif
    return out->host != 0;
}

static void vyi_vk_info(const vyi_device *d, vyre_info *info)
{
    const vyi_vk *v = (const vyi_vk *)d;
    const VkPhysicalDeviceLimits *limits = &v->c.properties.limits;
    info->backend = VYRE_BACKEND_VULKAN;
    snprintf(info->device, sizeof info->device, "%.127s", v->c.properties.deviceName);
    snprintf(info->driver, sizeof info->driver, "%.127s", v->c.driver);
    info->probe = v->probe;
    info->limits.max_workgroup_size = limits->maxComputeWorkGroupSize[0];
    info->limits.max_groups = limits->maxComputeWorkGroupCount[0];
    info->limits.max_invocations = limits->maxComputeWorkGroupInvocations;
    info->memory_bytes = vyi_vk_memory(v);
}

/* Rounds of a lease, for the kernel with groups: it counts them itself, for its lanes may
 * have to go on (kernel_lease.c).  Not where loops are limited: there every lane ends. */
static void vyi_vk_tell_rounds(vyi_vk *v, uint32_t rounds)
{
    if (v->rounds == rounds)
        return;
    v->rounds = rounds;
    vyi_store_relaxed(vyi_vk_wide_head(v) + VYI_WIDE_ROUNDS, vyi_le32(rounds));
    vyi_fence_stores();
}

static vyre_status vyi_vk_launch(vyi_device *d, vyi_launch what, uint32_t rounds, vyre_error *err)
{
    vyi_vk *v = (vyi_vk *)d;
    vyi_vk_dispatch dispatch;
    const bool tiles = what == VYI_LAUNCH_TILES || what == VYI_LAUNCH_TILE_BYTES;
    const bool bytes = what == VYI_LAUNCH_BYTES || what == VYI_LAUNCH_TILE_BYTES;
    const uint32_t level = what == VYI_LAUNCH_LOOP ? v->base.level : 0;
    const uint32_t groups = v->base.groups >> level ? v->base.groups >> level : 1;
    dispatch.pipeline = tiles ? v->tiles : what == VYI_LAUNCH_LOOP ? v->loop : v->once;
    dispatch.layout = v->layout.pipeline;
    dispatch.set = v->sets[bytes ? 1 : 0];
    dispatch.groups = tiles                     ? rounds
                      : what == VYI_LAUNCH_LOOP ? groups + v->base.wide_groups
                                                : v->once_groups;
    const bool counts = what == VYI_LAUNCH_LOOP && v->base.wide_groups && !v->base.max_rounds;
    if (counts)
        vyi_vk_tell_rounds(v, rounds);
    dispatch.rounds = tiles || counts ? 0 : rounds;
    dispatch.rows = dispatch.layers = 0;
    const uint32_t kind = level ? VYI_VK_PLAIN_KINDS - 1 + level : (uint32_t)what;
    return vyi_vk_chain_launch(&v->c, &v->chain, kind, &dispatch, err);
}

static vyre_status vyi_vk_reap(vyi_device *d, uint64_t beyond, uint64_t timeout_ns,
                               uint64_t *completed, vyre_error *err)
{
    vyi_vk *v = (vyi_vk *)d;
    const vyre_status status =
        vyi_vk_chain_reap(&v->c, &v->chain, beyond + v->probes, timeout_ns, err);
    if (status == VYRE_OK)
        *completed = v->chain.completed - v->probes;
    return status;
}

/* The size that the attached set needs of buffer i, or 0 when it has none.  No
 * buffer of Vulkan's is empty. */
static size_t vyi_vk_attached_size(const vyi_vk *v, uint32_t i,
                                   const size_t size[VYI_CORE_BUFFERS])
{
    if (v->roles[i] < VYI_ROLE_USER)
        return size[v->roles[i]] > 4 ? size[v->roles[i]] : 4;
    return vyi_vk_is_apart(v->roles[i]) ? v->resident[i].size : 0;
}

static bool vyi_vk_attached_fits(const vyi_vk *v, const size_t size[VYI_CORE_BUFFERS])
{
    for (uint32_t i = 0; i < v->buffer_count; i++)
        if (v->attached[i].size != vyi_vk_attached_size(v, i, size))
            return false;
    return true;
}

/* The new buffers come first, so that a failure leaves the old set whole. */
static vyre_status vyi_vk_attach_make(vyi_vk *v, const size_t size[VYI_CORE_BUFFERS],
                                      vyre_error *err)
{
    vyi_vk_buffer fresh[VYI_MAX_BUFFERS];
    vyre_status status = VYRE_OK;
    memset(fresh, 0, sizeof fresh);
    for (uint32_t i = 0; i < v->buffer_count && status == VYRE_OK; i++) {
        const size_t need = vyi_vk_attached_size(v, i, size);
        if (need > 0)
            status = vyi_vk_buffer_create(&v->c, &fresh[i], VYI_VK_HOST, need, "attached", err);
    }
    for (uint32_t i = 0; i < v->buffer_count; i++) {
        vyi_vk_buffer *old = status == VYRE_OK ? &v->attached[i] : &fresh[i];
        vyi_vk_buffer_destroy(&v->c, old);
        if (status == VYRE_OK)
            v->attached[i] = fresh[i];
    }
    if (status < 0)
        return status;
    vyi_vk_write_set(v, 1);
    vyi_vk_chain_forget(&v->chain, VYI_LAUNCH_BYTES);
    vyi_vk_chain_forget(&v->chain, VYI_LAUNCH_TILE_BYTES);
    return VYRE_OK;
}

static vyre_status vyi_vk_attach(vyi_device *d, const size_t size[VYI_CORE_BUFFERS],
                                 void *map[VYI_CORE_BUFFERS], vyre_error *err)
{
    vyi_vk *v = (vyi_vk *)d;
    if (!vyi_vk_attached_fits(v, size)) {
        const vyre_status status = vyi_vk_attach_make(v, size, err);
        if (status < 0)
            return status;
    }
    for (uint32_t i = 0; i < v->buffer_count; i++)
        if (v->roles[i] < VYI_ROLE_USER)
            map[v->roles[i]] = v->attached[i].mapped;
    return VYRE_OK;
}

/* --- the user's buffers -------------------------------------------------- */

/* Reads across the bus wait for each other, so only so many bytes are read like that. */
#ifndef VYI_VK_READ_DIRECT
    #define VYI_VK_READ_DIRECT 256u
#endif

static vyre_status vyi_vk_copy_by(vyi_vk *v, vyi_vk_copier *copier, const vyi_copy *copy,
                                  vyre_error *err)
{
    const vyi_vk_buffer *b = &v->resident[copy->buffer];
    const bool cached = (b->flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT) != 0;
    if (!b->mapped || (!copy->bytes_in && !cached && copy->size > VYI_VK_READ_DIRECT))
        return vyi_vk_copy_bytes(&v->c, copier, b, copy, err);
    uint8_t *at = (uint8_t *)b->mapped + copy->offset;
    if (copy->bytes_in)
        memcpy(at, copy->bytes_in, copy->size);
    else
        memcpy(copy->bytes_out, at, copy->size);
    if (copy->bytes_in && !cached)
        vyi_fence_stores();
    return VYRE_OK;
}

/* A processor copies more slowly than the bus, so a large copy has several. */
#ifndef VYI_VK_COPY_SHARE
    #define VYI_VK_COPY_SHARE 0x800000u /* bytes that are worth a thread */
#endif

typedef struct vyi_vk_share {
    vyi_vk        *v;
    vyi_vk_copier *copier;
    vyi_copy       copy;
    vyre_status    status;
    vyre_error     how;
    vyi_thread     thread;
    bool           apart; /* it has one */
} vyi_vk_share;

static void vyi_vk_share_run(void *user)
{
    vyi_vk_share *s = (vyi_vk_share *)user;
    s->status = vyi_vk_copy_by(s->v, s->copier, &s->copy, &s->how);
}

static uint32_t vyi_vk_shares(const vyi_copy *copy)
{
    const size_t worth = copy->size / VYI_VK_COPY_SHARE;
    return worth < 2 ? 1 : worth < VYI_VK_COPIERS ? (uint32_t)worth : VYI_VK_COPIERS;
}

/* The part of the copy from `done` on. */
static vyi_copy vyi_vk_share_of(const vyi_copy *copy, size_t done, size_t size)
{
    vyi_copy part = *copy;
    part.offset += done;
    part.size = size;
    part.bytes_in = copy->bytes_in ? (const uint8_t *)copy->bytes_in + done : NULL;
    part.bytes_out = copy->bytes_out ? (uint8_t *)copy->bytes_out + done : NULL;
    return part;
}

static vyre_status vyi_vk_copy(vyi_device *d, const vyi_copy *copy, vyre_error *err)
{
    vyi_vk *v = (vyi_vk *)d;
    vyi_vk_share shares[VYI_VK_COPIERS];
    const uint32_t count = vyi_vk_shares(copy);
    if (count == 1)
        return vyi_vk_copy_by(v, &v->copiers[0], copy, err);
    const size_t each = copy->size / count & ~(size_t)63;
    for (uint32_t i = count; i-- > 0;) { /* this thread has the first */
        vyi_vk_share *s = &shares[i];
        s->v = v;
        s->copier = &v->copiers[i];
        s->copy = vyi_vk_share_of(copy, i * each, i + 1 < count ? each : copy->size - i * each);
        s->apart = i > 0 && vyi_thread_start(&s->thread, vyi_vk_share_run, s);
        if (!s->apart)
            vyi_vk_share_run(s);
    }
    const vyi_vk_share *bad = NULL;
    for (uint32_t i = count; i-- > 0;) {
        if (shares[i].apart)
            vyi_thread_join(&shares[i].thread);
        bad = shares[i].status != VYRE_OK ? &shares[i] : bad;
    }
    if (bad && err)
        *err = bad->how;
    return bad ? bad->status : VYRE_OK;
}

static vyre_status vyi_vk_resize_copy(vyi_vk *v, const vyi_vk_buffer *from, vyi_vk_buffer *to,
                                      vyre_error *err)
{
    const size_t size = from->size < to->size ? from->size : to->size;
    if (from->mapped && (from->flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT) && to->mapped) {
        memcpy(to->mapped, from->mapped, size);
        return VYRE_OK;
    }
    return vyi_vk_copy_buffer(&v->c, &v->copiers[0], from, to, size, err);
}

static vyre_status vyi_vk_resize(vyi_device *d, uint32_t buffer, const vyi_device_buffer *wanted,
                                 vyre_error *err)
{
    vyi_vk *v = (vyi_vk *)d;
    vyi_vk_buffer fresh, *old = &v->resident[buffer];
    VYRE_ASSERT(v->chain.completed == v->chain.launched && !old->lent);
    vyre_status status = vyi_vk_buffer_open(v, wanted, &fresh, err);
    if (status != VYRE_OK)
        return status;
    status = vyi_vk_resize_copy(v, old, &fresh, err);
    if (status != VYRE_OK) {
        if (!v->c.hung)
            vyi_vk_buffer_destroy(&v->c, &fresh);
        return status;
    }
    v->base.bytes = v->base.bytes - old->size + fresh.size;
    vyi_vk_buffer_destroy(&v->c, old);
    *old = fresh;
    v->base.map[buffer] = fresh.mapped;
    vyi_vk_write_set(v, 0);
    if (v->attached[VYI_ROLE_CONTROL].buffer)
        vyi_vk_write_set(v, 1);
    for (uint32_t kind = 0; kind < VYI_VK_KINDS; kind++)
        vyi_vk_chain_forget(&v->chain, kind);
    return VYRE_OK;
}

#endif /* VYI_VULKAN */

VYI_API const vyi_backend *vyi_vulkan_backend(void)
{
#if VYI_VULKAN
    static const vyi_backend backend = {
        VYRE_BACKEND_VULKAN, "vulkan",   vyi_vk_open,   vyi_vk_close, vyi_vk_info,
        vyi_vk_launch,       vyi_vk_reap, vyi_vk_attach, NULL,         NULL, true,
        NULL,                vyi_vk_copy, vyi_vk_resize, NULL,        vyi_vk_moment,
        NULL
    };
    return &backend;
#else
    return NULL;
#endif
}

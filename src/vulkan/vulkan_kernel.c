/* ==========================================================================
 * vulkan: layouts, descriptor sets, pipelines
 * ======================================================================= */
#include "vulkan/vulkan_impl.h"
#include "emit/spirv.h"

#if VYI_VULKAN

/* --- layouts and sets ---------------------------------------------------- */

static vyre_status vyi_vk_layout_steps(vyi_vk_context *c, vyi_vk_layout *l,
                                       const VkDescriptorSetLayoutBinding *bindings,
                                       uint32_t count, vyre_error *err)
{
    VkDescriptorSetLayoutCreateInfo set;
    memset(&set, 0, sizeof set);
    set.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO;
    set.bindingCount = count;
    set.pBindings = bindings;
    vyre_status status = VYI_VKC(c, err, vkCreateDescriptorSetLayout,
                                 (c->device, &set, c->callbacks, &l->set));
    if (status < 0) {
        l->set = VK_NULL_HANDLE;
        return status;
    }

    VkPushConstantRange range;
    range.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT;
    range.offset = 0;
    range.size = 4; /* rounds */
    VkPipelineLayoutCreateInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO;
    info.setLayoutCount = 1;
    info.pSetLayouts = &l->set;
    info.pushConstantRangeCount = 1;
    info.pPushConstantRanges = &range;
    status = VYI_VKC(c, err, vkCreatePipelineLayout,
                     (c->device, &info, c->callbacks, &l->pipeline));
    if (status < 0)
        l->pipeline = VK_NULL_HANDLE;
    return status;
}

VYI_COLD
VYI_API vyre_status vyi_vk_layout_create(vyi_vk_context *c, vyi_vk_layout *l,
                                         const uint32_t *bindings, uint32_t count,
                                         vyre_error *err)
{
    VkDescriptorSetLayoutBinding list[VYI_MAX_BUFFERS];
    const uint32_t most = c->properties.limits.maxPerStageDescriptorStorageBuffers;
    memset(l, 0, sizeof *l);
    if (count > most)
        return vyi_fail(err, VYRE_E_VK_LIMIT, count, "Use fewer buffers, or another device.",
                        "the program has %u buffers, and the device allows %u", count, most);
    memset(list, 0, sizeof list);
    for (uint32_t i = 0; i < count; i++) {
        list[i].binding = bindings[i];
        list[i].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
        list[i].descriptorCount = 1;
        list[i].stageFlags = VK_SHADER_STAGE_COMPUTE_BIT;
    }
    const vyre_status status = vyi_vk_layout_steps(c, l, list, count, err);
    if (status < 0)
        vyi_vk_layout_destroy(c, l);
    return status;
}

VYI_COLD
VYI_API void vyi_vk_layout_destroy(vyi_vk_context *c, vyi_vk_layout *l)
{
    if (l->pipeline)
        c->fn.vkDestroyPipelineLayout(c->device, l->pipeline, c->callbacks);
    if (l->set)
        c->fn.vkDestroyDescriptorSetLayout(c->device, l->set, c->callbacks);
    memset(l, 0, sizeof *l);
}

VYI_COLD
VYI_API vyre_status vyi_vk_pool_create(vyi_vk_context *c, VkDescriptorPool *pool, uint32_t sets,
                                       uint32_t buffers, vyre_error *err)
{
    VkDescriptorPoolSize size;
    size.type = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    size.descriptorCount = sets * buffers;
    VkDescriptorPoolCreateInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO;
    info.maxSets = sets;
    info.poolSizeCount = 1;
    info.pPoolSizes = &size;
    const vyre_status status =
        VYI_VKC(c, err, vkCreateDescriptorPool, (c->device, &info, c->callbacks, pool));
    if (status < 0)
        *pool = VK_NULL_HANDLE;
    return status;
}

VYI_COLD
VYI_API vyre_status vyi_vk_set_create(vyi_vk_context *c, VkDescriptorPool pool,
                                      const vyi_vk_layout *layout, VkDescriptorSet *set,
                                      vyre_error *err)
{
    VkDescriptorSetAllocateInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO;
    info.descriptorPool = pool;
    info.descriptorSetCount = 1;
    info.pSetLayouts = &layout->set;
    const vyre_status status = VYI_VKC(c, err, vkAllocateDescriptorSets, (c->device, &info, set));
    if (status < 0)
        *set = VK_NULL_HANDLE;
    return status;
}

VYI_COLD
VYI_API void vyi_vk_set_write(vyi_vk_context *c, VkDescriptorSet set,
                              const vyi_vk_binding *bindings, uint32_t count)
{
    VkDescriptorBufferInfo buffers[VYI_MAX_BUFFERS];
    VkWriteDescriptorSet writes[VYI_MAX_BUFFERS];
    memset(writes, 0, sizeof writes);
    for (uint32_t i = 0; i < count; i++) {
        buffers[i].buffer = bindings[i].buffer;
        buffers[i].offset = 0;
        buffers[i].range = bindings[i].size;
        writes[i].sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET;
        writes[i].dstSet = set;
        writes[i].dstBinding = bindings[i].binding;
        writes[i].descriptorCount = 1;
        writes[i].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
        writes[i].pBufferInfo = &buffers[i];
    }
    c->fn.vkUpdateDescriptorSets(c->device, count, writes, 0, NULL);
}

/* --- pipelines ----------------------------------------------------------- */

/* What the driver could only refuse, or worse, later. */
static vyre_status vyi_vk_module_check(const vyi_vk_context *c, const vyi_vk_pipeline_desc *desc,
                                       const vyre_spirv *spirv, vyre_error *err)
{
    const uint32_t lacks = spirv->subgroup_operations & ~c->features.subgroup_operations;
    const uint32_t most = c->properties.limits.maxComputeSharedMemorySize;
    if (lacks)
        return vyi_fail(err, VYRE_E_VK_FEATURE, lacks,
                        "Use a kernel without these subgroup operations, or another device.",
                        "the %.40s program needs the subgroup features 0x%x, and the device "
                        "has 0x%x", desc->name, spirv->subgroup_operations,
                        c->features.subgroup_operations);
    if (spirv->workgroup_bytes > most)
        return vyi_fail(err, VYRE_E_VK_LIMIT, spirv->workgroup_bytes,
                        "Use smaller workgroup arrays, or another device.",
                        "the %.40s program has %u bytes of workgroup memory, and the device "
                        "allows %u", desc->name, spirv->workgroup_bytes, most);
    return VYRE_OK;
}

static vyre_status vyi_vk_module_create(vyi_vk_context *c, const vyi_vk_pipeline_desc *desc,
                                        VkShaderModule *out, vyre_error *err)
{
    vyre_spirv_desc options;
    memset(&options, 0, sizeof options);
    options.version = c->version >= VK_API_VERSION_1_2 ? VYRE_SPIRV_1_5 : VYRE_SPIRV_1_3;
    options.memory_model =
        c->features.memory_model ? VYRE_MEMORY_MODEL_VULKAN : VYRE_MEMORY_MODEL_GLSL450;
    options.names = c->features.names;
    options.spec_group_size = desc->group_size != 0;
    options.rounds = true;
    options.loop_limit = desc->loop_limit;
    options.unfenced = c->features.llvmpipe;
    options.clock = c->features.clock;

    vyre_spirv spirv;
    vyre_status status = vyre_spirv_emit(desc->program, &options, &spirv, err);
    VYI_STEP("emit");
    if (status < 0)
        return status;
    status = vyi_vk_module_check(c, desc, &spirv, err);
    if (status == VYRE_OK) {
        VkShaderModuleCreateInfo info;
        memset(&info, 0, sizeof info);
        info.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO;
        info.codeSize = spirv.word_count * 4;
        info.pCode = spirv.words;
        status = VYI_VKC(c, err, vkCreateShaderModule, (c->device, &info, c->callbacks, out));
    }
    vyre_spirv_free(&spirv);
    return status;
}

static vyre_status vyi_vk_pipeline_steps(vyi_vk_context *c, const vyi_vk_pipeline_desc *desc,
                                         VkShaderModule module, VkPipeline *out, vyre_error *err)
{
    const uint32_t size[3] = { desc->group_size, 1, 1 };
    VkSpecializationMapEntry entries[3];
    for (uint32_t i = 0; i < 3; i++) {
        entries[i].constantID = i;
        entries[i].offset = i * 4;
        entries[i].size = 4;
    }
    VkSpecializationInfo constants;
    constants.mapEntryCount = 3;
    constants.pMapEntries = entries;
    constants.dataSize = sizeof size;
    constants.pData = size;

    VkComputePipelineCreateInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO;
    info.layout = desc->layout->pipeline;
    info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
    info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
    info.stage.module = module;
    info.stage.pName = "main";
    info.stage.pSpecializationInfo = &constants;
    const vyre_status status =
        VYI_VKC(c, err, vkCreateComputePipelines,
                (c->device, desc->cache, 1, &info, c->callbacks, out));
    if (status < 0)
        *out = VK_NULL_HANDLE;
    return status;
}

VYI_COLD
VYI_API vyre_status vyi_vk_pipeline_create(vyi_vk_context *c, const vyi_vk_pipeline_desc *desc,
                                           VkPipeline *out, vyre_error *err)
{
    VkShaderModule module;
    vyre_status status = vyi_vk_module_create(c, desc, &module, err);
    if (status < 0)
        return status;
    status = vyi_vk_pipeline_steps(c, desc, module, out, err);
    c->fn.vkDestroyShaderModule(c->device, module, c->callbacks);
    if (status == VYRE_OK)
        vyi_vk_name(c, VK_OBJECT_TYPE_PIPELINE, VYI_VK_HANDLE(*out), desc->name);
    return status;
}

#endif /* VYI_VULKAN */

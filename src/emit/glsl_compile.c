/* ==========================================================================
 * glsl: GLSL as SPIR-V, by glslang
 * ======================================================================= */
#include "emit/glsl.h"
#include "emit/spirv_impl.h"

#ifndef VYRE_NO_GLSL

#ifdef VYRE_GLSLANG

#include <glslang/Include/glslang_c_interface.h>
#include <glslang/Public/resource_limits_c.h>

/* The first message of glslang's log and the line that it names. */
static vyre_status vyi_glsl_mistake(vyre_error *err, const char *log)
{
    const char *first = strstr(log, "ERROR: ");
    const char *place = first ? strchr(first + 7, ':') : NULL;
    const uint64_t line = place ? strtoull(place + 1, NULL, 10) : 0;
    first = first ? first + 7 : log;
    return vyi_fail(err, VYRE_E_GLSL_SOURCE, line,
                    "correct the line; the shader is a compute shader for Vulkan, GLSL 4.60",
                    "%.*s", (int)strcspn(first, "\n"), first);
}

/* Whether word `at` begins an instruction with this opcode and `count` words. */
static bool vyi_glsl_is(const vyre_spirv *m, size_t at, uint32_t op, uint32_t count)
{
    return (m->words[at] & 0xffffu) == op && (m->words[at] >> 16) >= count;
}

static bool vyi_glsl_is_storage(const vyre_spirv *m, uint32_t id)
{
    for (size_t at = 5; at < m->word_count; at += m->words[at] >> 16)
        if (vyi_glsl_is(m, at, VYI_SPV_OpVariable, 4) && m->words[at + 2] == id)
            return m->words[at + 3] == VYI_SPV_StorageClassStorageBuffer;
    return false;
}

/* The bindings that the module declares, ascending. */
static vyre_status vyi_glsl_reflect(vyre_spirv *m, vyre_error *err)
{
    uint32_t count = 0;
    for (size_t at = 5; at < m->word_count; at += m->words[at] >> 16)
        count += vyi_glsl_is(m, at, VYI_SPV_OpDecorate, 4) &&
                 m->words[at + 2] == VYI_SPV_DecorationBinding;
    if (!count)
        return VYRE_OK;
    m->bindings = (vyre_spirv_binding *)vyi_alloc(&m->allocator, count * sizeof *m->bindings);
    if (!m->bindings)
        return vyi_fail_nomem(err, count * sizeof *m->bindings);
    memset(m->bindings, 0, count * sizeof *m->bindings);
    m->binding_count = count;
    count = 0;
    for (size_t at = 5; at < m->word_count; at += m->words[at] >> 16) {
        uint32_t place = count;
        if (!vyi_glsl_is(m, at, VYI_SPV_OpDecorate, 4) ||
            m->words[at + 2] != VYI_SPV_DecorationBinding)
            continue;
        if (!vyi_glsl_is_storage(m, m->words[at + 1]))
            return vyi_fail(err, VYRE_E_GLSL_SOURCE, 0, "use storage buffers in set 0 only",
                            "binding %u is not a storage buffer", (unsigned)m->words[at + 3]);
        for (; place && m->bindings[place - 1].binding > m->words[at + 3]; place--)
            m->bindings[place] = m->bindings[place - 1];
        m->bindings[place].binding = m->words[at + 3];
        m->bindings[place].access = VYRE_ACCESS_READ_WRITE;
        count++;
    }
    return VYRE_OK;
}

static vyre_status vyi_glsl_take(glslang_program_t *program, vyre_spirv *m, vyre_error *err)
{
    glslang_program_SPIRV_generate(program, GLSLANG_STAGE_COMPUTE);
    const size_t count = glslang_program_SPIRV_get_size(program);
    m->words = (uint32_t *)vyi_alloc(&m->allocator, 4 * count);
    if (!m->words)
        return vyi_fail_nomem(err, 4 * count);
    m->word_count = count;
    glslang_program_SPIRV_get(program, m->words);
    return vyi_glsl_reflect(m, err);
}

static vyre_status vyi_glsl_link(const glslang_input_t *input, glslang_shader_t *shader,
                                 vyre_spirv *m, vyre_error *err)
{
    const int messages = GLSLANG_MSG_SPV_RULES_BIT | GLSLANG_MSG_VULKAN_RULES_BIT;
    if (!glslang_shader_preprocess(shader, input) || !glslang_shader_parse(shader, input))
        return vyi_glsl_mistake(err, glslang_shader_get_info_log(shader));
    glslang_program_t *program = glslang_program_create();
    if (!program)
        return vyi_fail_nomem(err, 0);
    glslang_program_add_shader(program, shader);
    vyre_status status = VYRE_OK;
    if (!glslang_program_link(program, messages))
        status = vyi_glsl_mistake(err, glslang_program_get_info_log(program));
    else
        status = vyi_glsl_take(program, m, err);
    glslang_program_delete(program);
    return status;
}

static glslang_input_t vyi_glsl_input(const char *source, uint32_t version)
{
    glslang_input_t input;
    const bool newer = version == VYRE_SPIRV_1_5;
    memset(&input, 0, sizeof input);
    input.language = GLSLANG_SOURCE_GLSL;
    input.stage = GLSLANG_STAGE_COMPUTE;
    input.client = GLSLANG_CLIENT_VULKAN;
    input.client_version = newer ? GLSLANG_TARGET_VULKAN_1_2 : GLSLANG_TARGET_VULKAN_1_1;
    input.target_language = GLSLANG_TARGET_SPV;
    input.target_language_version = newer ? GLSLANG_TARGET_SPV_1_5 : GLSLANG_TARGET_SPV_1_3;
    input.code = source;
    input.default_version = 460;
    input.default_profile = GLSLANG_NO_PROFILE;
    input.messages = (glslang_messages_t)(GLSLANG_MSG_SPV_RULES_BIT |
                                          GLSLANG_MSG_VULKAN_RULES_BIT);
    input.resource = glslang_default_resource();
    return input;
}

static vyre_status vyi_glsl_compile(const char *source, uint32_t version, vyre_spirv *m,
                                    vyre_error *err)
{
    const glslang_input_t input = vyi_glsl_input(source, version);
    if (!glslang_initialize_process())
        return vyi_fail(err, VYRE_E_GLSL_UNAVAILABLE, 0, "try again",
                        "glslang could not be initialised");
    vyre_status status = VYRE_OK;
    glslang_shader_t *shader = glslang_shader_create(&input);
    if (shader)
        status = vyi_glsl_link(&input, shader, m, err);
    else
        status = vyi_fail_nomem(err, 0);
    if (shader)
        glslang_shader_delete(shader);
    glslang_finalize_process();
    return status;
}

#else

static vyre_status vyi_glsl_compile(const char *source, uint32_t version, vyre_spirv *m,
                                    vyre_error *err)
{
    (void)source;
    (void)version;
    (void)m;
    return vyi_fail(err, VYRE_E_GLSL_UNAVAILABLE, 0,
                    "define VYRE_GLSLANG where the implementation is built, and link glslang",
                    "vyre.h was built without glslang");
}

#endif

VYI_COLD
VYRE_API vyre_status vyre_glsl_compile(const char *source, uint32_t version,
                                       const vyre_allocator *allocator, vyre_spirv *out,
                                       vyre_error *err)
{
    vyre_spirv module;
    memset(&module, 0, sizeof module);
    if (!source || !out)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "pass the shader's text and a vyre_spirv",
                        "%s is NULL", source ? "out" : "the source");
    if (version && version != VYRE_SPIRV_1_3 && version != VYRE_SPIRV_1_5)
        return vyi_fail(err, VYRE_E_SPIRV_VERSION, version,
                        "use VYRE_SPIRV_1_3 for Vulkan 1.1, VYRE_SPIRV_1_5 from 1.2 on",
                        "version 0x%08x is neither SPIR-V 1.3 nor 1.5", (unsigned)version);
    if (allocator)
        module.allocator = *allocator;
    const vyre_status status = vyi_glsl_compile(source, version, &module, err);
    if (status == VYRE_OK)
        *out = module;
    else
        vyre_spirv_free(&module);
    return status;
}

#endif /* VYRE_NO_GLSL */

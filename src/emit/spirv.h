/* ==========================================================================
 * spirv: a program as a SPIR-V module for Vulkan
 *
 * Public.  One descriptor set (0); buffer b at its binding; entry "main".
 * ======================================================================= */
#ifndef VYI_SPIRV_H
#define VYI_SPIRV_H

#include "ir/ir.h"

VYI_EXTERN_C_BEGIN

#define VYRE_SPIRV_1_3 0x00010300u /* Vulkan 1.1 */
#define VYRE_SPIRV_1_5 0x00010500u /* Vulkan 1.2 */

typedef enum vyre_memory_model {
    VYRE_MEMORY_MODEL_AUTO = 0, /* Vulkan from SPIR-V 1.5 on, else GLSL450 */
    VYRE_MEMORY_MODEL_GLSL450 = 1,
    VYRE_MEMORY_MODEL_VULKAN = 2 /* with device scope; SPIR-V 1.3 takes it as an extension */
} vyre_memory_model;

/* Where a kernel that keeps times reads them (VK_KHR_shader_clock). */
typedef enum vyre_spirv_clock {
    VYRE_SPIRV_CLOCK_NONE = 0, /* its times are 0 */
    VYRE_SPIRV_CLOCK_SUBGROUP = 1,
    VYRE_SPIRV_CLOCK_DEVICE = 2
} vyre_spirv_clock;

typedef struct vyre_spirv_desc {
    uint32_t          version;      /* 0 = VYRE_SPIRV_1_3 */
    vyre_memory_model memory_model;
    bool              names;        /* debug names */
    bool              spec_group_size; /* workgroup size from specialization constants 0, 1, 2 */
    bool              rounds;       /* push constant, a u32 at 0: rounds; 0 = endless */
    uint32_t          loop_limit;   /* iterations after which the driver would cut an invocation's
                                       loops; 0 = none */
    bool              unfenced;     /* no memory barriers: acquire and release are relaxed
                                       read-modify-writes.  For Mesa's llvmpipe, which stops
                                       a lane at each memory barrier until all lanes of its
                                       workgroup are at one, and drops the rest of the
                                       workgroup when a lane ends; its own read-modify-writes
                                       are sequentially consistent.  It also counts loops by
                                       subgroup, so loop_limit here bounds the iterations of
                                       all lanes of a subgroup, together where they diverge */
    vyre_spirv_clock  clock;
} vyre_spirv_desc;

typedef struct vyre_spirv_binding {
    uint32_t    binding;
    vyre_access access;
} vyre_spirv_binding;

typedef struct vyre_spirv {
    uint32_t           *words;
    size_t              word_count;
    vyre_spirv_binding *bindings; /* ascending */
    uint32_t            binding_count;
    uint32_t            push_constant_size; /* bytes; 0 = none */
    bool                needs_vulkan_memory_model;
    uint32_t            subgroup_operations; /* VkSubgroupFeatureFlags that the module uses */
    uint32_t            workgroup_bytes; /* of its arrays and of what the module adds: to be held
                                            against maxComputeSharedMemorySize */
    vyre_allocator      allocator;
} vyre_spirv;

/* NULL desc is all defaults.  *out is freed with vyre_spirv_free. */
VYRE_API vyre_status vyre_spirv_emit(const vyre_program *p, const vyre_spirv_desc *desc,
                                     vyre_spirv *out, vyre_error *err);
/* Leaves *m zeroed; NULL is allowed. */
VYRE_API void vyre_spirv_free(vyre_spirv *m);

VYI_EXTERN_C_END

#endif

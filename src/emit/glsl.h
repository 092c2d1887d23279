/* ==========================================================================
 * glsl: a program as GLSL, and GLSL as SPIR-V
 *
 * Public.  The first is for reading, and for a second opinion on the emitter.
 * The second needs the glslang library and is there when the implementation
 * is built with VYRE_GLSLANG; link it with
 *
 *     -lglslang -lMachineIndependent -lGenericCodeGen -lOSDependent -lSPIRV
 *     -lglslang-default-resource-limits -lSPIRV-Tools-opt -lSPIRV-Tools -lstdc++
 *
 * (glslang before 13 has -lOGLCompiler, too, behind -lGenericCodeGen.)
 *
 *     vyre_spirv m;
 *     status = vyre_glsl_compile(text, VYRE_SPIRV_1_3, NULL, &m, &err);
 * ======================================================================= */
#ifndef VYI_GLSL_H
#define VYI_GLSL_H

#include "emit/spirv.h"

#ifndef VYRE_NO_GLSL

VYI_EXTERN_C_BEGIN

/* Writes a finished program as a GLSL 4.60 compute shader that does the same;
 * the rules of snprintf: returns the length without the terminator, writes at
 * most `size` bytes.  0: the program is NULL or not finished.  Of the desc,
 * which may be NULL, it follows spec_group_size, rounds, loop_limit (always by
 * lane) and unfenced. */
VYRE_API size_t vyre_program_glsl(const vyre_program *p, const vyre_spirv_desc *desc, char *dst,
                                  size_t size);

/* Compiles a compute shader for Vulkan.  `version`: 0 = VYRE_SPIRV_1_3; a NULL
 * allocator is malloc and free.  The bindings of storage buffers are those
 * that the module declares.  vyre_error.at of a mistake is its line. */
VYRE_API vyre_status vyre_glsl_compile(const char *source, uint32_t version,
                                       const vyre_allocator *allocator, vyre_spirv *out,
                                       vyre_error *err);

VYI_EXTERN_C_END

#endif /* VYRE_NO_GLSL */

#endif

/* ==========================================================================
 * source: handlers as a line of GLSL, compiled by this header
 *
 * Public.  The scalar part of GLSL 4.50, read in one pass and written as
 * instructions of the program in which it stands; no compiler is needed.
 *
 *     static void emit_axpy(vyre_program *p, const vyre_slot_values *slot, void *user)
 *     {
 *         static const char text[] =
 *             "for (uint i = arg[1]; i < arg[2]; i++)\n"
 *             "    y[i] += asfloat(arg[0]) * x[i];\n";
 *         vyre_source_emit(p, slot, text, sizeof text - 1, NULL);
 *     }
 *
 * Buffers go by the names of their descriptions, arg[0] to arg[11] are the job's
 * words, result(n, v) and fault(code) end it.  What GLSL leaves undefined has the
 * meaning that the program's operators have: docs/source.md.  tools/vyre_cc.c compiles
 * files (the program is called vyre_cc).
 * ======================================================================= */
#ifndef VYI_SOURCE_H
#define VYI_SOURCE_H

#include "kernel/kernel.h"

#ifndef VYRE_NO_SOURCE

VYI_EXTERN_C_BEGIN

#define VYRE_MAX_SOURCE_SIZE   1048576u /* bytes of one text */
#define VYRE_MAX_SOURCE_ERRORS 8u

/* All mistakes of a text, in its order, as far as there is room.  Each `text` is
 * "line:column: what", the line itself, and a caret below the place; `at` is the
 * line, from 1. */
typedef struct vyre_source_report {
    uint32_t   count;
    vyre_error errors[VYRE_MAX_SOURCE_ERRORS];
} vyre_source_report;

/* Appends what `source` says to the program, as a handler does that calls the
 * builder.  `size` is without a terminator; the text may contain none, and is not
 * kept.  With a NULL slot the names are the program's buffers and GLSL's own
 * gl_GlobalInvocationID.x and its kin, and there is no job.
 * A mistake is the program's first mistake, too, as with every builder call. */
VYRE_API vyre_status vyre_source_emit(vyre_program *p, const vyre_slot_values *slot,
                                      const char *source, size_t size, vyre_error *err);

/* The same with all mistakes.  `name`, which may be NULL, stands before the line
 * number; `report` may be NULL. */
VYRE_API vyre_status vyre_source_compile(vyre_program *p, const vyre_slot_values *slot,
                                         const char *name, const char *source, size_t size,
                                         vyre_source_report *report);

/* The line of a printf("..", a, b) in a source or payload_source of this kernel, from
 * its record; for vyre_desc.log.  The rules of snprintf: returns the length without the
 * terminator.  0, and an empty text: the record is none of a text's. */
VYRE_API size_t vyre_log_text(const vyre_kernel_desc *kernel, const vyre_log_record *record,
                              char *dst, size_t size);

VYI_EXTERN_C_END

#endif /* VYRE_NO_SOURCE */

#endif

/* What tests turn inside the library: constants of a program, but variables in the
 * sanitized object that tests share (see the Makefile), which has them HERE. */
#ifndef KNOBS_H
#define KNOBS_H

#include <stdint.h>

extern uint32_t knob_stage_size;    /* bytes of a copy's piece */
extern uint32_t knob_share_size;    /* bytes of a copy that are worth a thread */
extern uint32_t knob_threads;       /* that the system still gives; ~0u: any number */
extern uint32_t knob_wide_anywhere; /* wide groups where a handle asks for them, on any device */
extern uint32_t knob_iterations;    /* of the interpreter, between two looks at its count */
extern uint32_t knob_gate_last;     /* generation of a wide slot */
extern uint32_t knob_fences;        /* vyi_fence_stores so far */

#ifdef KNOBS_HERE
uint32_t knob_share_size = 0x800000u, knob_threads = ~0u;
uint32_t knob_stage_size = 0x100000u, knob_wide_anywhere = 0, knob_iterations = 64, knob_fences = 0;
uint32_t knob_gate_last = 32767u;
#define VYI_GATE_LAST       knob_gate_last
#define VYI_VK_STAGE_SIZE   knob_stage_size
#define VYI_VK_COPY_SHARE   knob_share_size
#define VYI_ON_THREAD()     (knob_threads == ~0u || (knob_threads && knob_threads--))
#define VYI_WIDE_ANYWHERE   knob_wide_anywhere
#define VYI_WORK_ITERATIONS knob_iterations
#define VYI_ON_FENCE()      ((void)__atomic_fetch_add(&knob_fences, 1, __ATOMIC_RELAXED))
#endif

#endif

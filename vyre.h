/* vyre.h - a GPU work queue that is already running
 *
 * WHAT
 *
 * A program that has many small jobs for a GPU pays for each launch.  Here the
 * kernel is launched once and keeps running: the host writes a job of 64 bytes
 * into a ring, a lane of the kernel claims it, runs its opcode and counts it
 * done.  Opcodes are built in, or written in C against a small builder; the
 * header turns them into SPIR-V itself.  There is no shader compiler, no C++
 * and no vendor's toolkit, and without Vulkan the same program runs on the CPU.
 *
 * HOW
 *
 * Copy this file into your project.  In one source file write
 *
 *     #define VYRE_IMPLEMENTATION
 *     #include "vyre.h"
 *
 * and include it without the define everywhere else.  Link the C library's
 * parts -lm -lpthread -ldl (nothing on Windows).  For Vulkan have volk.h and
 * Vulkan's own headers on the include path when the implementation is
 * compiled; the driver is found when the program runs, nothing is linked.
 *
 * SWITCHES, each a macro to define before the include; none is needed
 *
 *     VYRE_IMPLEMENTATION  in one file: the functions themselves
 *     VYRE_STATIC          in that file: keep them private to it
 *     VYRE_API             how public functions are declared; default: extern
 *     VYRE_NO_VULKAN       no Vulkan backend, even where volk.h is found
 *     VYRE_EXTERNAL_VOLK   the program builds volk and has called volkInitialize:
 *                          use its loader
 *     VYRE_VULKAN_TYPES    typed functions to bring your own Vulkan device
 *     VYRE_CORE            leave out every part that the map below calls a room; or one:
 *     VYRE_NO_TENANT       who may use a ring
 *     VYRE_NO_GLSL         GLSL handlers and listings
 *     VYRE_NO_THREADS      locks do nothing, no helper thread: one thread only
 *     VYRE_GLSLANG         in that file: vyre_glsl_compile, with the glslang library
 *     VYRE_ASSERT(x)       for broken contracts inside; default: assert
 *
 * ONE COMPLETE PROGRAM
 *
 *     #define VYRE_IMPLEMENTATION
 *     #include "vyre.h"
 *     #include <stdio.h>
 *     #include <string.h>
 *
 *     // Opcode 0x1000: y[i] += a0 * x[i], for i from a1 up to a2.
 *     static void emit_axpy(vyre_program *p, const vyre_slot_values *slot, void *user)
 *     {
 *         vyre_value i = vyre_ir_loop(p, slot->arg[1], slot->arg[2]);
 *         vyre_value x = vyre_ir_load(p, slot->buffers[0], i);
 *         vyre_value y = vyre_ir_load(p, slot->buffers[1], i);
 *         vyre_value ax = vyre_ir_mul(p, slot->arg[0], x);
 *         vyre_ir_store(p, slot->buffers[1], i, vyre_ir_add(p, y, ax));
 *         vyre_ir_end(p);
 *         (void)user;
 *     }
 *
 *     int main(void)
 *     {
 *         const vyre_handler axpy = { 0x1000, emit_axpy, NULL, "axpy" };
 *         vyre_buffer_desc buffers[2];
 *         memset(buffers, 0, sizeof buffers); // zero is a good default everywhere
 *         buffers[0].binding = VYRE_BINDING_USER;
 *         buffers[1].binding = VYRE_BINDING_USER + 1;
 *         buffers[0].count = buffers[1].count = 1024;
 *
 *         vyre_desc desc;
 *         memset(&desc, 0, sizeof desc);
 *         desc.kernel.handlers = &axpy;
 *         desc.kernel.handler_count = 1;
 *         desc.kernel.buffers = buffers;
 *         desc.kernel.buffer_count = 2;
 *
 *         vyre_error err;
 *         vyre *v = vyre_open(&desc, &err);
 *         if (!v || vyre_start(v, &err) < 0) {
 *             fprintf(stderr, "%s\n%s\n", err.text, err.fix);
 *             return 1;
 *         }
 *         uint32_t *x = (uint32_t *)vyre_map(v, 0, NULL), *y = (uint32_t *)vyre_map(v, 1, NULL);
 *         for (uint32_t i = 0; i < 1024; i++)
 *             x[i] = y[i] = i;
 *
 *         vyre_ticket tickets[16];
 *         for (uint32_t i = 0; i < 16; i++) { // 16 jobs of 64 elements
 *             const vyre_work work = { 0x1000, 0, VYRE_PRIORITY_NORMAL, // opcode, tenant
 *                                      3, { 3, 64 * i, 64 * i + 64 } }; // arguments
 *             if (vyre_publish(v, &work, &tickets[i], &err) != VYRE_OK)
 *                 return 1;
 *         }
 *         for (uint32_t i = 0; i < 16; i++)
 *             if (vyre_wait(v, tickets[i], VYRE_FOREVER, &err) != VYRE_OK)
 *                 return 1;
 *         printf("3 * 1000 + 1000 = %u\n", (unsigned)y[1000]);
 *         vyre_close(v);
 *         return 0;
 *     }
 *
 * WHAT A JOB CAN BE
 *
 *     VYRE_OP_NOP ... VYRE_OP_BATCH_FENCE (0..7)  store, add, load, compare-and-swap,
 *                         copy on control words; a DFA's step; a fence that counts
 *     VYRE_OP_PRINTF      a record for vyre_desc.log
 *     VYRE_OP_PACKED_SLOT several small operations in one slot (vyre_work_pack)
 *     VYRE_OP_SHUTDOWN    stops the kernel
 *     8..0xFFEF and 0x10000..0x7FFFFFFF           your own: a vyre_handler each
 *
 * A handler is an emit function: it is called when the kernel is built, and
 * what it calls on the builder is what every slot with its opcode will do.
 * slot->arg[] are the job's arguments, slot->buffers[] your buffers;
 * vyre_emit_result() writes an argument back for vyre_result(), and
 * vyre_emit_fault() ends the job FAULT with a code of your own.  Arguments beyond
 * the job's arg_count are 0.  Loads beyond a buffer's end give 0, stores there do
 * nothing, division by zero is defined: of all that a job can do only a loop
 * without an end harms the kernel.
 *
 * With kernel.kind = VYRE_KERNEL_JIT there are no opcodes: one payload, written
 * like a handler, runs for every slot.  With VYRE_KERNEL_PRIORITY the ring is
 * divided into five parts, and lanes look at the urgent ones first.
 *
 * WHEN SOMETHING GOES WRONG
 *
 * Functions return a vyre_status: 0 is VYRE_OK; positive values are news
 * (VYRE_PENDING, VYRE_FULL, VYRE_EMPTY, VYRE_TIMEOUT); negative values are
 * errors.  The last parameter, vyre_error *err, may be NULL; it says in .text
 * what happened, with its numbers, and in .fix what to do.  On failure outputs
 * are untouched.  A program's builder keeps the first mistake until it is
 * finished, so that calls need no checks in between.  vyre_query() tells where
 * a handle runs, how, what the probe saw, and why it is the CPU if it is.
 *
 * THREADS AND MEMORY
 *
 *  1. Publish, poll, wait, drain, result, observable, map and query: any thread,
 *     any time.  The other calls on a handle take turns; vyre_close comes alone.
 *  2. Two handles, two programs, two byte buffers know nothing of each other.
 *  3. No call blocks for longer than its timeout; VYRE_FOREVER is the caller's word.
 *  4. What a thread wrote before vyre_publish, to user buffers too, the kernel sees.
 *  5. What the kernel wrote for a work is seen once poll or wait gave VYRE_OK for it.
 *  6. Works have no order among each other: where it matters, wait in between.
 *  7. A work's lane never waits for another lane: no locks in handlers.
 *  8. A handler's loops are bounded where drivers cut loops: then it ends FAULT.
 *  9. Memory is the allocator's that the desc names; publishing allocates nothing.
 * 10. Nothing is printed, no process is ended, no global is changed.
 *
 * WHAT IT DOES NOT DO
 *
 * It draws nothing and owns no window.  It does not split a job: one job is
 * run by one lane, so a big one is published as many small ones.  It does not
 * order jobs, and does not wait inside the kernel.  Where a device does not
 * show that a running kernel sees what the host writes, it says so and makes
 * passes over the ring instead: the same results, a launch for each pass.
 *
 * MAP, in the order of this file; each section begins with its own chapter
 *
 *     config      version, switches
 *     base        statuses, errors, allocator, messages
 *     wire        the four shared buffers: layouts, encoders, readers
 *     ring        publishing into a ring of your own, packing, transitions
 *     tenant      (room) who may use a ring, and how much of it
 *     plan        priority partitions, requeue accounting
 *     ir          programs: types, operators, control flow, memory
 *     kernel      the programs that serve a ring, handlers, faults
 *     interp      running a program on the CPU
 *     spirv       a program as a SPIR-V module
 *     glsl        (room) a handler written in GLSL
 *     engine      vyre_open and what follows: the handle, tickets, modes
 *     vulkan      the Vulkan backend
 *
 * Behind the declarations stand the functions, in the same order.  Most
 * programs need engine, and the upper half of ir for handlers; who brings a
 * Vulkan engine of their own needs kernel, spirv, wire and ring.
 *
 * License: MIT, at the end of this file.
 * This file is generated from src/ by tools/amalgamate.c: change it there.
 */
#ifndef VYRE_H
#define VYRE_H

/* ==========================================================================
 * config: version, switches, and the few compiler facts the rest relies on
 *
 * Public.  Every switch is a macro that the program defines before it
 * includes vyre.h; none is needed.
 * ======================================================================= */
#ifndef VYI_CONFIG_H
#define VYI_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VYRE_VERSION_MAJOR 0
#define VYRE_VERSION_MINOR 1
#define VYRE_VERSION_PATCH 0
#define VYRE_VERSION ((VYRE_VERSION_MAJOR << 16) | (VYRE_VERSION_MINOR << 8) | VYRE_VERSION_PATCH)
#define VYRE_VERSION_STRING "0.1.0"

/* How public functions are declared.  VYRE_STATIC keeps them private to the
 * translation unit that holds the implementation. */
#ifndef VYRE_API
    #ifdef VYRE_STATIC
        #define VYRE_API VYI_MAYBE_UNUSED static
    #else
        #define VYRE_API extern
    #endif
#endif

/* Rooms: parts that nothing else includes, each left out by its VYRE_NO_<ROOM>.
 * VYRE_CORE leaves out all of them. */
#ifdef VYRE_CORE
    #ifndef VYRE_NO_TENANT
        #define VYRE_NO_TENANT
    #endif
    #ifndef VYRE_NO_GLSL
        #define VYRE_NO_GLSL
    #endif
#endif

/* VYI_OUTLINE: short functions with dozens of callers that build programs and
 * modules.  As calls they cost no time that counts; copied into each caller, a
 * ninth of the library's code and of its compile time.
 *
 * VYI_COLD: what runs when something is opened, built, printed or has failed.
 * It and the branches that lead to it are made small instead of fast, which is
 * quicker to compile.  Private functions that only such functions call follow by
 * themselves; so does a function that calls one of them whatever happens, which
 * is why nothing that runs often may.
 *
 * VYI_INLINE: what serves one and many: inlined, so that a count of one folds. */
#if defined(__GNUC__) || defined(__clang__)
    #define VYI_MAYBE_UNUSED __attribute__((unused))
    #define VYI_OUTLINE      __attribute__((noinline))
    #define VYI_COLD         __attribute__((cold))
    #define VYI_INLINE       __attribute__((always_inline))
    #if defined(__MINGW32__) && !defined(__clang__)
        #define VYI_PRINTF(text, first) __attribute__((format(gnu_printf, text, first)))
    #else
        #define VYI_PRINTF(text, first) __attribute__((format(printf, text, first)))
    #endif
#else
    #define VYI_MAYBE_UNUSED
    #define VYI_OUTLINE
    #define VYI_COLD
    #define VYI_INLINE
    #define VYI_PRINTF(text, first)
#endif

/* A broken contract inside the library; bad input never gets here. */
#ifndef VYRE_ASSERT
    #include <assert.h>
    #define VYRE_ASSERT(condition) assert(condition)
#endif

/* Compile-time fact.  `name` must be unique in its scope. */
#define VYI_STATIC_ASSERT(name, condition) typedef char vyi_assert_##name[(condition) ? 1 : -1]

#ifdef __cplusplus
    #define VYI_EXTERN_C_BEGIN extern "C" {
    #define VYI_EXTERN_C_END }
#else
    #define VYI_EXTERN_C_BEGIN
    #define VYI_EXTERN_C_END
#endif

#endif
/* ==========================================================================
 * base: statuses, errors, allocator, messages
 *
 * Public.  Every fallible function returns a vyre_status and takes a last
 * parameter `vyre_error *err`, which may be NULL.  On failure the outputs
 * are untouched and *err holds what happened, with its numbers, and what to
 * do about it.  On success *err is left alone.
 *
 *     vyre_error err;
 *     if (vyre_ring_encode(ring, size, slots, &err) < 0)
 *         fprintf(stderr, "%s\n%s\n", err.text, err.fix);
 * ======================================================================= */
#ifndef VYI_BASE_H
#define VYI_BASE_H


VYI_EXTERN_C_BEGIN

/* X(name, number, text).  Numbers are pinned: they never change and are never
 * used again.  0 is success, positive numbers are news, negative ones errors.
 * Each layer owns a range, so that layers can grow apart from each other. */
#define VYRE_STATUS_LIST(X)                                                                        \
    X(OK,                   0, "success")                                                          \
    X(PENDING,              1, "the work has not finished yet")                                    \
    X(FULL,                 2, "no slot is free at the moment")                                    \
    X(EMPTY,                3, "there is nothing to take at the moment")                           \
    X(TIMEOUT,              4, "the deadline passed first")                                        \
    /* base: -1 .. -19 */                                                                          \
    X(E_NOMEM,             -1, "the allocator returned no memory")                                 \
    X(E_ARGUMENT,          -2, "an argument is NULL or out of its range")                          \
    X(E_OVF,               -3, "a size or index does not fit, or exceeds the encoder's cap")       \
    X(E_SPACE,             -4, "the caller's memory is too small")                                 \
    /* wire, ring: -20 .. -59 */                                                                   \
    X(E_MISALIGN,         -20, "the length is not a multiple of the unit")                         \
    X(E_MISSING,          -21, "a required word lies outside the buffer")                          \
    X(E_RING_LEN,         -22, "the ring's length is not a multiple of 64 bytes")                  \
    X(E_SLOT_RANGE,       -23, "the slot lies outside the ring")                                   \
    X(E_TOO_MANY_ARGS,    -24, "more than 12 arguments")                                           \
    X(E_OPCODE,           -25, "the opcode is reserved and cannot be published")                   \
    X(E_NOT_PUBLISHABLE,  -26, "the slot is neither EMPTY nor DONE")                               \
    X(E_BAD_TRANSITION,   -27, "the slot's state does not allow this transition")                  \
    X(E_USE_PUBLISH,      -28, "a slot is published by the publish functions only")                \
    X(E_CONFLICT,         -29, "the slot changed while it was being changed")                      \
    X(E_INDEX_OVERFLOW,   -30, "first slot plus count exceeds 32 bits")                            \
    X(E_CAPACITY,         -31, "the works do not fit behind the first slot")                       \
    X(E_PACK_COUNT,       -32, "more than 255 packed operations")                                  \
    X(E_PACK_META,        -33, "the packed metadata exceeds 12 words")                             \
    X(E_PACK_PAYLOAD,     -34, "the packed payload exceeds 12 words")                              \
    X(E_PACK_OPCODE,      -35, "a packed operation's opcode does not fit a byte")                  \
    X(E_WINDOW_ARGS,      -36, "a window payload has more than 10 words")                          \
    X(E_TENANT_RANGE,     -37, "the tenant id is 29 or more and has no mask word")                 \
    X(E_PRIORITY,         -38, "the priority is not one of the five levels")                       \
    X(E_CONTROL_SHAPE,    -39, "not a control buffer")                                             \
    X(E_LOG_SHAPE,        -40, "not a debug log")                                                  \
    X(E_RING_SHAPE,       -41, "not a ring of this slot count")                                    \
    X(E_BUFFER_COUNT,     -42, "a readback has exactly four buffers")                              \
    X(E_IO_ALIGN4,        -43, "the IO queue's length is not a multiple of 4 bytes")               \
    X(E_IO_SLOT_MULT,     -44, "the IO queue's length is not a multiple of 32 bytes")              \
    X(E_IO_WINDOW,        -45, "the IO queue has more than 64 slots")                              \
    X(E_IO_ZERO,          -46, "the IO queue has no slot")                                         \
    X(E_IO_NOT_CLAIMED,   -47, "the IO request is not CLAIMED")                                    \
    X(E_IO_IN_FLIGHT,     -48, "the IO slot is in flight")                                         \
    X(E_IO_DUPLICATE,     -49, "the IO slot is named twice")                                       \
    X(E_IO_OP,            -50, "the IO operation is unknown")                                      \
    X(E_COUNTER_OVF,      -51, "a counter would exceed its width")                                 \
    /* tenants: -60 .. -79 */                                                                      \
    X(E_TENANT_FULL,      -60, "every tenant id is in use")                                        \
    X(E_TENANT_OPCODE,    -61, "the local opcode lies outside the tenant's window")                \
    X(E_TENANT_REVOKED,   -62, "the tenant has been revoked")                                      \
    X(E_TENANT_BACKPRESSURE, -63, "the tenant has used up its outstanding slots")                  \
    X(E_TENANT_STAGING,   -64, "the tenant has used up its staging bytes")                         \
    X(E_TENANT_HANDLES,   -65, "the tenant has used up its resident handles")                      \
    X(E_TENANT_UNDERFLOW, -66, "more is released than was reserved")                               \
    X(E_TENANT_ACCOUNTING, -67, "more work is reported drained than was published")                \
    X(E_TENANT_UNKNOWN,   -68, "no tenant has this id")                                            \
    /* ir, check, opt, text: -80 .. -139 */                                                        \
    X(E_IR_FINISHED,      -80, "the program is finished and cannot be changed")                    \
    X(E_IR_UNFINISHED,    -81, "the program is not finished")                                      \
    X(E_IR_VALUE,         -82, "not a value of this program")                                      \
    X(E_IR_BUFFER,        -83, "not a buffer of this program")                                     \
    X(E_IR_LOCAL,         -84, "not a local of this program")                                      \
    X(E_IR_TYPE,          -85, "an operand or a result has the wrong type")                        \
    X(E_IR_OPERATOR,      -86, "no such operator, builtin, type or scope")                         \
    X(E_IR_ORDER,         -87, "this memory order is not allowed here")                            \
    X(E_IR_ACCESS,        -88, "the buffer's access does not allow this")                          \
    X(E_IR_INDEX,         -89, "a literal index lies beyond the declared count")                   \
    X(E_IR_BINDING,       -90, "the binding is out of range or used twice")                        \
    X(E_IR_NAME,          -91, "two buffers have the same name")                                   \
    X(E_IR_COUNT,         -92, "a workgroup array needs an element count")                         \
    X(E_IR_READBACK,      -93, "the readback range lies outside the buffer")                       \
    X(E_IR_GROUP_SIZE,    -94, "the workgroup is empty or too large")                              \
    X(E_IR_GROUP_MEMORY,  -95, "the workgroup arrays are too large")                               \
    X(E_IR_SCOPE,         -96, "a value or local is used outside of its block")                    \
    X(E_IR_BLOCK,         -97, "an end, else, case or default without its block")                  \
    X(E_IR_OPEN,          -98, "a block has no end")                                               \
    X(E_IR_SWITCH,        -99, "a switch begins with something other than a case")                 \
    X(E_IR_CASE,         -100, "two arms of a switch have the same literal")                       \
    X(E_IR_LOOP,         -101, "a break or continue outside of every loop")                        \
    X(E_IR_UNREACHABLE,  -102, "an instruction can never be reached")                              \
    X(E_IR_BARRIER,      -103, "a barrier that not all lanes reach together")                      \
    X(E_IR_NESTING,      -104, "too many blocks inside each other")                                \
    X(E_IR_LIMIT,        -105, "the program has too many instructions or buffers")                 \
    X(E_IR_LINK,         -106, "the instruction array is inconsistent")                            \
    /* kernel: -140 .. -159 */                                                                     \
    X(E_KERNEL_KIND,           -140, "no such kind of kernel")                                     \
    X(E_KERNEL_WORKGROUP,      -141, "the kernel's workgroup is too large")                        \
    X(E_KERNEL_SLOTS,          -142, "the kernel's ring has too many slots")                       \
    X(E_KERNEL_SLOT_MULTIPLE,  -143, "the slot count is not a multiple of the workgroup")          \
    X(E_KERNEL_LANES,          -144, "the kernel has more lanes than slots")                       \
    X(E_KERNEL_LANE_MULTIPLE,  -145, "the lane count is not a multiple of the workgroup")          \
    X(E_KERNEL_OPCODE,         -146, "a handler's opcode is built in or reserved")                 \
    X(E_KERNEL_DUPLICATE,      -147, "two handlers have the same opcode")                          \
    X(E_KERNEL_EMIT,           -148, "a handler has no emit function")                             \
    X(E_KERNEL_PAYLOAD,        -149, "a JIT kernel has no payload")                                \
    X(E_KERNEL_NOT_JIT,        -150, "a payload in a kernel that is not JIT")                      \
    X(E_KERNEL_DISPATCH,       -151, "a JIT kernel dispatches no opcodes")                         \
    X(E_KERNEL_BINDING,        -152, "a caller's binding is outside 4 .. 31")                      \
    X(E_KERNEL_OVERLAP,        -153, "two of the kernel's buffers have the same binding")          \
    X(E_KERNEL_TABLE,          -154, "the table is not a readable u32 buffer of the desc")         \
    X(E_KERNEL_MIRROR,         -155, "the mirror is not a writable u32 buffer of the desc")        \
    X(E_KERNEL_BUFFERS,        -156, "the kernel has too many buffers")                            \
    X(E_KERNEL_BLOCK,          -157, "emitted code does not close its own blocks, or leaves ours") \
    X(E_KERNEL_RETURN,         -158, "emitted code returns")                                       \
    X(E_KERNEL_RESULT,         -159, "a result word is outside 0 .. 11")                           \
    /* interp, spirv, glsl: -160 .. -179 */                                                        \
    X(E_INTERP_BUFFERS,   -160, "the buffers do not match the program's bindings")                 \
    X(E_INTERP_ALIGN,     -161, "a buffer is not on a 4-byte boundary")                            \
    X(E_INTERP_GROUPS,    -162, "too many workgroups in one dimension")                            \
    X(E_INTERP_SUBGROUP,  -163, "the subgroup size is not a power of two up to 128")               \
    X(E_SPIRV_VERSION,  -166, "no SPIR-V of this version can be written")                          \
    X(E_SPIRV_MODEL,    -167, "the memory model is unknown")                                       \
    X(E_GLSL_UNAVAILABLE, -168, "built without glslang")                                           \
    X(E_GLSL_SOURCE,    -169, "the GLSL text does not compile")                                    \
    /* engine, backends: -180 .. -229 */                                                           \
    X(E_BACKEND,          -180, "the backend is not built in, or has no device")                   \
    X(E_DEVICE_LOST,      -181, "the device was lost")                                             \
    X(E_FAULT,            -182, "the work ended FAULT")                                            \
    X(E_LOST,             -183, "the work was lost with its device")                               \
    X(E_STALE,            -184, "the slot has been used again since")                              \
    X(E_TICKET,           -185, "no work has this ticket")                                         \
    X(E_RUNNING,          -186, "not while the kernel runs")                                       \
    X(E_STOPPED,          -187, "the kernel was shut down by the opcode")                          \
    X(E_THREAD,           -188, "the system gave no thread or lock")                               \
    X(E_MODE,             -189, "the device does not prove this mode")                             \
    X(E_LAUNCH,           -190, "the device refused a launch")                                     \
    X(E_LEASE,            -191, "a launch has not ended in time")                                  \
    /* vulkan: -210 .. -229 */                                                                     \
    X(E_VK_LOADER,          -210, "no Vulkan loader was found")                                    \
    X(E_VK_FUNCTION,        -211, "the Vulkan loader or driver lacks a function")                  \
    X(E_VK_VERSION,         -212, "Vulkan 1.1 or newer is needed")                                 \
    X(E_VK_DEVICE,          -213, "no Vulkan device fits")                                         \
    X(E_VK_LIMIT,           -214, "a limit of the Vulkan device is exceeded")                      \
    X(E_VK_FEATURE,         -215, "the Vulkan device lacks what the program needs")                \
    X(E_VK_HOST_MEMORY,     -216, "the Vulkan driver has no host memory")                          \
    X(E_VK_DEVICE_MEMORY,   -217, "the Vulkan device has no memory left")                          \
    X(E_VK_CALL,            -218, "a Vulkan call failed")                                          \
    X(E_VK_TIMEOUT,         -219, "the Vulkan device did not answer in time")                      \
    X(E_VK_NAME,            -220, "no Vulkan device has this index or name")

typedef enum vyre_status {
#define VYI_STATUS_ENUM(name, number, text) VYRE_##name = (number),
    VYRE_STATUS_LIST(VYI_STATUS_ENUM)
#undef VYI_STATUS_ENUM
    VYRE_STATUS_FORCE_32 = 0x7fffffff
} vyre_status;

/* What went wrong.  `native` is the number that a driver or the system gave,
 * or 0; `at` the index, offset or call that is to blame, or 0. */
typedef struct vyre_error {
    vyre_status status;
    int32_t     native;
    uint64_t    at;
    char        text[160];
    char        fix[160];
} vyre_error;

/* Memory for everything that is not a codec; all zero means malloc and free.
 * One function does it all: `ptr` NULL allocates, `new_size` 0 frees and
 * returns NULL.  A failing call leaves the old block as it was. */
typedef struct vyre_allocator {
    void *(*resize)(void *user, void *ptr, size_t old_size, size_t new_size);
    void *user;
} vyre_allocator;

typedef enum vyre_severity {
    VYRE_SEVERITY_INFO = 0,
    VYRE_SEVERITY_WARNING = 1,
    VYRE_SEVERITY_ERROR = 2
} vyre_severity;

/* Where the library's messages go; all zero means nowhere.  May be called
 * from any thread that is inside the library. */
typedef struct vyre_logger {
    void (*message)(void *user, vyre_severity severity, const char *text);
    void *user;
} vyre_logger;

/* The status's one-line meaning; "unknown status" for a foreign number. */
VYRE_API const char *vyre_status_text(vyre_status status);

/* The status's name without its prefix, such as "E_SLOT_RANGE". */
VYRE_API const char *vyre_status_name(vyre_status status);

/* The version that the implementation was built from, as VYRE_VERSION. */
VYRE_API uint32_t vyre_version(void);

VYI_EXTERN_C_END

#endif
/* ==========================================================================
 * wire: the four buffers that host and device share
 *
 * Public.  Control, ring, debug log and IO queue are arrays of little-endian
 * u32 words.  These functions only lay out and read bytes: memory is the
 * caller's, at any alignment; nothing is allocated.
 *
 *     control   0 SHUTDOWN | 1 DONE_COUNT | 2 TENANT_BASE | 3.. masks | 32.. quotas |
 *               64.. tenant fairness | 96.. metrics | 128 EPOCH | 129.. priorities |
 *               141 FAULT_COUNT | 142 LOG_DROPPED | 143 HEARTBEAT | 160.. observables
 *     ring      16 words a slot: STATUS OPCODE TENANT PRIORITY ARG0..ARG11
 *     log       word 0 CURSOR (words used), then 4 words a record
 *     io        8 words a slot: OP SRC DST OFFSET_LO OFFSET_HI BYTES STATUS TAG
 * ======================================================================= */
#ifndef VYI_WIRE_H
#define VYI_WIRE_H


VYI_EXTERN_C_BEGIN

/* --- layout -------------------------------------------------------------- */

#define VYRE_CONTROL_SHUTDOWN            0u
#define VYRE_CONTROL_DONE_COUNT          1u
#define VYRE_CONTROL_TENANT_BASE         2u   /* always holds VYRE_CONTROL_TENANT_MASKS */
#define VYRE_CONTROL_TENANT_MASKS        3u
#define VYRE_CONTROL_TENANT_QUOTAS       32u
#define VYRE_CONTROL_TENANT_FAIRNESS     64u
#define VYRE_CONTROL_METRICS             96u
#define VYRE_CONTROL_EPOCH               128u
#define VYRE_CONTROL_PRIORITY_OFFSETS    129u /* five starts and the total */
#define VYRE_CONTROL_STARVATION          135u
#define VYRE_CONTROL_PRIORITY_FAIRNESS   136u
#define VYRE_CONTROL_FAULT_COUNT         141u
#define VYRE_CONTROL_LOG_DROPPED         142u
#define VYRE_CONTROL_HEARTBEAT           143u
#define VYRE_CONTROL_OBSERVABLES         160u
#define VYRE_CONTROL_MIN_WORDS           160u

#define VYRE_MAX_TENANTS                 29u
#define VYRE_TENANT_QUOTAS               32u
#define VYRE_TENANT_QUOTA_DEFAULT        1000000u
#define VYRE_METRICS                     32u
#define VYRE_PRIORITY_LEVELS             5u
#define VYRE_STARVATION_LIMIT            16u
#define VYRE_MAX_OBSERVABLES             1048576u /* that an encoder makes */

#define VYRE_SLOT_WORDS                  16u
#define VYRE_SLOT_BYTES                  64u
#define VYRE_SLOT_STATUS                 0u
#define VYRE_SLOT_OPCODE                 1u
#define VYRE_SLOT_TENANT                 2u
#define VYRE_SLOT_PRIORITY               3u
#define VYRE_SLOT_ARGS                   4u
#define VYRE_SLOT_FAULT                  15u /* of a slot that ended FAULT: its vyre_fault */
#define VYRE_MAX_ARGS                    12u
#define VYRE_MAX_SLOTS                   1048576u /* that an encoder makes */

#define VYRE_LOG_CURSOR                  0u
#define VYRE_LOG_RECORDS                 1u
#define VYRE_LOG_RECORD_WORDS            4u
#define VYRE_LOG_RECORDS_DEFAULT         64u
#define VYRE_MAX_LOG_RECORDS             1048576u /* that an encoder makes */

#define VYRE_IO_OP                       0u
#define VYRE_IO_SRC                      1u
#define VYRE_IO_DST                      2u
#define VYRE_IO_OFFSET_LO                3u
#define VYRE_IO_OFFSET_HI                4u
#define VYRE_IO_BYTES                    5u
#define VYRE_IO_STATUS                   6u
#define VYRE_IO_TAG                      7u
#define VYRE_IO_SLOT_WORDS               8u
#define VYRE_IO_SLOT_BYTES               32u
#define VYRE_IO_SLOTS                    64u

/* --- opcodes ------------------------------------------------------------- */

/* X(NAME, number, what it does; a0.. are its arguments) */
#define VYRE_OPCODE_LIST(X)                                                                        \
    X(NOP,          0x00000000u, "nothing")                                                        \
    X(STORE_U32,    0x00000001u, "control[a1] = a0")                                               \
    X(ATOMIC_ADD,   0x00000002u, "control[a1] += a0")                                              \
    X(LOAD_U32,     0x00000003u, "observable[a1] = control[a0]")                                   \
    X(COMPARE_SWAP, 0x00000004u, "control[a0]: a1 becomes a2; before to observable[a0]")           \
    X(MEMCPY,       0x00000005u, "control[a1 + i] = control[a0 + i], i < a2")                      \
    X(DFA_STEP,     0x00000006u, "observable[a2] = table[a0 * 256 + a1]")                          \
    X(BATCH_FENCE,  0x00000007u, "EPOCH += 1; observable[0] = a1")                                 \
    X(LOAD_MISS,    0x0000fffdu, "asks the host for resource a0; a1: prefetch")                    \
    X(PRINTF,       0x0000fffeu, "log record a0, a1, a2")                                          \
    X(PACKED_SLOT,  0x80000001u, "several small operations in one slot")                           \
    X(SHUTDOWN,     0xffffffffu, "stops the kernel")

#define VYRE_OP_NOP          0x00000000u
#define VYRE_OP_STORE_U32    0x00000001u
#define VYRE_OP_ATOMIC_ADD   0x00000002u
#define VYRE_OP_LOAD_U32     0x00000003u
#define VYRE_OP_COMPARE_SWAP 0x00000004u
#define VYRE_OP_MEMCPY       0x00000005u
#define VYRE_OP_DFA_STEP     0x00000006u
#define VYRE_OP_BATCH_FENCE  0x00000007u
#define VYRE_OP_USER         0x00000008u /* the first that is free */
#define VYRE_OP_LOAD_MISS    0x0000fffdu
#define VYRE_OP_PRINTF       0x0000fffeu
#define VYRE_OP_PACKED_SLOT  0x80000001u
#define VYRE_OP_SHUTDOWN     0xffffffffu

/* 0..7, PACKED_SLOT, PRINTF and SHUTDOWN. */
VYRE_API bool vyre_opcode_is_builtin(uint32_t op);
/* Free for handlers: 8..0xffef and 0x10000..0x7fffffff. */
VYRE_API bool vyre_opcode_is_user(uint32_t op);
/* One of the two.  LOAD_MISS is neither: vyre_load_miss_encode() makes its slot. */
VYRE_API bool vyre_opcode_publishable(uint32_t op);
/* "NOP", "STORE_U32" ...; "USER" for the handlers' range, "RESERVED" for the rest. */
VYRE_API const char *vyre_opcode_name(uint32_t op);

/* --- values -------------------------------------------------------------- */

typedef enum vyre_slot_state {
    VYRE_SLOT_EMPTY = 0,
    VYRE_SLOT_PUBLISHED = 1,
    VYRE_SLOT_CLAIMED = 2,
    VYRE_SLOT_DONE = 3,
    VYRE_SLOT_WAIT_IO = 4,
    VYRE_SLOT_YIELD = 5,
    VYRE_SLOT_REQUEUE = 6,
    VYRE_SLOT_FAULTED = 7,
    VYRE_SLOT_UNKNOWN = 8 /* a status word that holds 8 or more */
} vyre_slot_state;

/* "EMPTY", "PUBLISHED" ...; "UNKNOWN" for anything else. */
VYRE_API const char *vyre_slot_state_name(vyre_slot_state state);

typedef enum vyre_priority {
    VYRE_PRIORITY_NORMAL = 0,   /* wire 2: zero-initialised work is ordinary work */
    VYRE_PRIORITY_CRITICAL = 1, /* wire 0 */
    VYRE_PRIORITY_HIGH = 2,     /* wire 1 */
    VYRE_PRIORITY_LOW = 3,      /* wire 3 */
    VYRE_PRIORITY_IDLE = 4,     /* wire 4 */
    VYRE_PRIORITY_UNKNOWN = 5   /* a priority word that holds 5 or more; never published */
} vyre_priority;

typedef struct vyre_work {
    uint32_t      opcode, tenant;
    vyre_priority priority;
    uint32_t      arg_count;
    uint32_t      args[12];
} vyre_work;

typedef struct vyre_op {
    uint32_t opcode, arg_count;
    uint32_t args[12];
} vyre_op;

typedef struct vyre_slot {
    vyre_slot_state state;
    uint32_t        opcode, tenant;
    vyre_priority   priority;
    uint32_t        args[12];
} vyre_slot;

/* --- control ------------------------------------------------------------- */

typedef struct vyre_control_desc {
    bool     shutdown;    /* the kernel returns at once; default: it runs */
    uint32_t tenants;     /* ids 0..tenants-1 are authorised; 0: none is; 29 and more: all */
    uint32_t observables; /* words behind the header; 0: none */
} vyre_control_desc;

/* Bytes of a control buffer; 0: not representable. */
VYRE_API size_t vyre_control_size(uint32_t observables);

/* Writes vyre_control_size() bytes; `size` may be more.  At most
 * VYRE_MAX_OBSERVABLES. */
VYRE_API vyre_status vyre_control_encode(void *dst, size_t size, const vyre_control_desc *desc,
                                         vyre_error *err);

/* The length: whole words, and at least the header. */
VYRE_API vyre_status vyre_control_check(const void *src, size_t size, vyre_error *err);

/* The length, and the words that only the host writes: TENANT_BASE, and the
 * priority offsets, which must not decrease nor exceed `slots`. */
VYRE_API vyre_status vyre_control_verify(const void *src, size_t size, uint32_t slots,
                                         vyre_error *err);

/* Readers.  They work on a live mapping: what the device wrote before it
 * counted a slot as done is visible once the count has been read here. */
VYRE_API vyre_status vyre_control_done_count(const void *src, size_t size, uint32_t *out,
                                             vyre_error *err);
VYRE_API vyre_status vyre_control_fault_count(const void *src, size_t size, uint32_t *out,
                                              vyre_error *err);
VYRE_API vyre_status vyre_control_epoch(const void *src, size_t size, uint32_t *out,
                                        vyre_error *err);
VYRE_API vyre_status vyre_control_observable(const void *src, size_t size, uint32_t index,
                                             uint32_t *out, vyre_error *err);
/* How often each opcode below 32 ran. */
VYRE_API vyre_status vyre_control_metrics(const void *src, size_t size, uint32_t out[VYRE_METRICS],
                                          vyre_error *err);

/* --- ring ---------------------------------------------------------------- */

/* Bytes of a ring; 0: no slot, or not representable. */
VYRE_API size_t vyre_ring_size(uint32_t slots);

/* Writes vyre_ring_size() bytes of EMPTY slots; `size` may be more.  At most
 * VYRE_MAX_SLOTS. */
VYRE_API vyre_status vyre_ring_encode(void *dst, size_t size, uint32_t slots, vyre_error *err);

/* The ring has exactly this many slots. */
VYRE_API vyre_status vyre_ring_check(const void *src, size_t size, uint32_t slots,
                                     vyre_error *err);

/* The index of word `word` of slot `slot` in the ring. */
VYRE_API vyre_status vyre_slot_word(uint32_t slot, uint32_t word, uint32_t *out, vyre_error *err);

/* Decodes one slot.  On a live mapping the state is read first: of a slot that
 * is DONE or FAULT the rest is what the device left. */
VYRE_API vyre_status vyre_ring_read(const void *ring, size_t size, uint32_t slot, vyre_slot *out,
                                    vyre_error *err);

/* How many slots are in this state; VYRE_SLOT_UNKNOWN counts the unknown ones. */
VYRE_API vyre_status vyre_ring_count(const void *ring, size_t size, vyre_slot_state state,
                                     uint32_t *out, vyre_error *err);

/* The same among the first `slots`; the ring may be longer, and may end in a
 * part of a slot. */
VYRE_API vyre_status vyre_ring_count_first(const void *ring, size_t size, uint64_t slots,
                                           vyre_slot_state state, uint64_t *out,
                                           vyre_error *err);

/* --- load miss ----------------------------------------------------------- */

/* A request for a resource, in the form of a slot. */
typedef struct vyre_load_miss {
    uint32_t      resource;
    bool          prefetch;
    uint32_t      tenant;
    vyre_priority priority; /* upstream's slots are CRITICAL, and of tenant 0 */
} vyre_load_miss;

/* Writes the 64 bytes of a PUBLISHED slot; vyre_ring_store() puts it in a ring. */
VYRE_API vyre_status vyre_load_miss_encode(void *dst, size_t size, const vyre_load_miss *miss,
                                           vyre_error *err);

/* VYRE_EMPTY when the slot is no load miss that is PUBLISHED or CLAIMED. */
VYRE_API vyre_status vyre_load_miss_decode(const void *ring, size_t size, uint32_t slot,
                                           vyre_load_miss *out, vyre_error *err);

/* --- debug log ----------------------------------------------------------- */

typedef struct vyre_log_record {
    uint32_t format, args[3]; /* of a device's record args[2] is the slot's word index */
} vyre_log_record;

/* `dropped` counts what a cursor beyond the log's end tells.  This library's
 * kernels stop the cursor there and count in VYRE_CONTROL_LOG_DROPPED. */
typedef struct vyre_log_summary {
    uint32_t records, dropped;
} vyre_log_summary;

/* Bytes of a log; 0: not representable. */
VYRE_API size_t vyre_log_size(uint32_t records);

/* Writes vyre_log_size() bytes; `size` may be more.  At most
 * VYRE_MAX_LOG_RECORDS. */
VYRE_API vyre_status vyre_log_encode(void *dst, size_t size, uint32_t records, vyre_error *err);

/* The length: a cursor and whole records. */
VYRE_API vyre_status vyre_log_check(const void *src, size_t size, vyre_error *err);

/* Decodes every record that fits the log.  `out` NULL gives the summary only;
 * otherwise a `capacity` below the number of records is VYRE_E_SPACE.  `sum`
 * may be NULL. */
VYRE_API vyre_status vyre_log_decode(const void *src, size_t size, vyre_log_record *out,
                                     uint32_t capacity, vyre_log_summary *sum, vyre_error *err);

/* --- IO queue ------------------------------------------------------------ */

/* One slot's life: the requester publishes (EMPTY -> PUBLISHED), the pump
 * claims (-> CLAIMED) and completes (-> OK or ERROR), the requester recycles
 * (-> EMPTY).  Each step has one owner. */
typedef enum vyre_io_op {
    VYRE_IO_READ = 1,
    VYRE_IO_WRITE = 2,
    VYRE_IO_FENCE = 3
} vyre_io_op;

typedef enum vyre_io_state {
    VYRE_IO_EMPTY = 0,
    VYRE_IO_PUBLISHED = 1,
    VYRE_IO_CLAIMED = 2,
    VYRE_IO_DONE = 3, /* upstream's device answers so; counts as OK */
    VYRE_IO_OK = 0x10,
    VYRE_IO_ERROR = 0x11,
    VYRE_IO_UNKNOWN = 0x12 /* any other status word */
} vyre_io_state;

typedef struct vyre_io_request {
    uint32_t slot;
    uint32_t op; /* a vyre_io_op; what a device wrote may be something else */
    uint32_t src, dst;
    uint64_t offset;
    uint32_t bytes, tag;
} vyre_io_request;

/* The pump's answer.  A `code` other than 0 of a failed request replaces the
 * slot's byte count. */
typedef struct vyre_io_result {
    uint32_t slot;
    bool     success;
    uint32_t code;
} vyre_io_result;

typedef struct vyre_io_completion {
    uint32_t slot;
    bool     success;
    uint32_t dst, bytes, tag; /* bytes: the code, when the request failed with one */
} vyre_io_completion;

/* Bytes of a queue; 0: no slot, or more than VYRE_IO_SLOTS. */
VYRE_API size_t vyre_io_size(uint32_t slots);

/* Writes vyre_io_size() bytes of EMPTY slots; `size` may be more. */
VYRE_API vyre_status vyre_io_encode(void *dst, size_t size, uint32_t slots, vyre_error *err);

/* The length: 0 to VYRE_IO_SLOTS whole slots.  Every function below checks it. */
VYRE_API vyre_status vyre_io_check(const void *src, size_t size, vyre_error *err);

/* The requester's side.  VYRE_E_IO_IN_FLIGHT when request->slot is not EMPTY. */
VYRE_API vyre_status vyre_io_publish(void *queue, size_t size, const vyre_io_request *request,
                                     vyre_error *err);
VYRE_API vyre_status vyre_io_read_state(const void *queue, size_t size, uint32_t slot,
                                        vyre_io_state *out, vyre_error *err);
/* VYRE_PENDING until the pump has answered; VYRE_EMPTY when nothing was asked. */
VYRE_API vyre_status vyre_io_read_completion(const void *queue, size_t size, uint32_t slot,
                                             vyre_io_completion *out, vyre_error *err);
/* Frees an answered slot.  VYRE_EMPTY when it is free already. */
VYRE_API vyre_status vyre_io_recycle(void *queue, size_t size, uint32_t slot, vyre_error *err);

/* The pump's side.  Both list at most `capacity` PUBLISHED requests, lowest
 * slot first; claiming makes them CLAIMED. */
VYRE_API vyre_status vyre_io_poll(const void *queue, size_t size, vyre_io_request *out,
                                  uint32_t capacity, uint32_t *count, vyre_error *err);
VYRE_API vyre_status vyre_io_claim(void *queue, size_t size, vyre_io_request *out,
                                   uint32_t capacity, uint32_t *count, vyre_error *err);
/* Only CLAIMED requests, which belong to whoever claimed them.  The batch is
 * all or nothing, and names no slot twice. */
VYRE_API vyre_status vyre_io_complete(void *queue, size_t size, const vyre_io_result *result,
                                      vyre_error *err);
VYRE_API vyre_status vyre_io_complete_batch(void *queue, size_t size,
                                            const vyre_io_result *results, uint32_t count,
                                            vyre_error *err);

/* --- readback ------------------------------------------------------------ */

/* The lengths of control, ring, log and IO queue, in this order, as they come
 * back from a device.  `total` is their sum, and may be NULL. */
VYRE_API vyre_status vyre_readback_check(const size_t *sizes, uint32_t count, uint32_t slots,
                                         uint64_t *total, vyre_error *err);

VYI_EXTERN_C_END

#endif
/* ==========================================================================
 * ring: the host's side
 *
 * Public.  A slot is EMPTY, is published with its work, is claimed and done by
 * the device, and can then be published again.
 *
 *               publish            claim             done
 *     EMPTY, DONE ----> PUBLISHED -------> CLAIMED -------> DONE
 *                          |                  | fault
 *                          | cancel           v
 *                          +----> EMPTY <-- FAULT (reset)
 *
 * All of it works on a live mapping while a device runs: the payload is
 * written first, the status last with release, and a transition is a
 * compare-exchange.  That needs a ring on a 4-byte boundary; elsewhere the same
 * bytes are written one by one, which is right while nobody else looks.
 *
 * A slot that is EMPTY or DONE has one publisher at a time: who that is, is
 * the caller's to arrange.  Different slots need no arrangement.
 *
 *     vyre_work work = { VYRE_OP_STORE_U32, 0, VYRE_PRIORITY_NORMAL, 2, { 42, 160 } };
 *     if (vyre_ring_publish(ring, size, 0, &work, &err) < 0) ...
 * ======================================================================= */
#ifndef VYI_RING_H
#define VYI_RING_H


VYI_EXTERN_C_BEGIN

/* --- publish ------------------------------------------------------------- */

/* Writes one work.  Checked in this order: the ring's length, the slot, the
 * number of arguments, the opcode, the slot's state, the tenant, the priority;
 * a refusal leaves the ring as it is. */
VYRE_API vyre_status vyre_ring_publish(void *ring, size_t size, uint32_t slot,
                                       const vyre_work *work, vyre_error *err);

/* Writes `count` works into consecutive slots, and behind them a BATCH_FENCE
 * with the arguments count and `fence_tag`, for the tenant of the first work
 * (0 without one).  All or nothing; takes count + 1 slots. */
VYRE_API vyre_status vyre_ring_publish_batch(void *ring, size_t size, uint32_t first_slot,
                                             const vyre_work *works, uint32_t count,
                                             uint32_t fence_tag, vyre_error *err);

/* The same without a fence.  All or nothing. */
VYRE_API vyre_status vyre_ring_publish_works(void *ring, size_t size, uint32_t first_slot,
                                             const vyre_work *works, uint32_t count,
                                             vyre_error *err);

/* Makes a ring of `slots` slots: the works first, the rest EMPTY.  `size` may
 * be more than vyre_ring_size().  A refusal leaves `dst` as it is. */
VYRE_API vyre_status vyre_ring_encode_works(void *dst, size_t size, uint32_t slots,
                                            const vyre_work *works, uint32_t count,
                                            vyre_error *err);

/* --- windows ------------------------------------------------------------- */

#define VYRE_WINDOW_REQUIRED  0u
#define VYRE_WINDOW_LOOKAHEAD 1u
#define VYRE_WINDOW_ARGS      10u /* that a payload can have */

typedef struct vyre_payload {
    const uint32_t *words;
    uint32_t        count; /* at most VYRE_WINDOW_ARGS */
} vyre_payload;

/* Several works of one opcode that belong together.  Each takes a slot, with
 * the arguments ticket, class (VYRE_WINDOW_*), payload...; the required ones
 * come first. */
typedef struct vyre_window {
    uint32_t            opcode, tenant;
    vyre_priority       priority;
    uint32_t            ticket;
    const vyre_payload *required;
    uint32_t            required_count;
    const vyre_payload *lookahead;
    uint32_t            lookahead_count;
} vyre_window;

/* All or nothing; *published, which may be NULL, gets the number of slots. */
VYRE_API vyre_status vyre_ring_publish_window(void *ring, size_t size, uint32_t first_slot,
                                              const vyre_window *window, uint32_t *published,
                                              vyre_error *err);

/* --- packed slots -------------------------------------------------------- */

/* Makes one work of several small operations with opcodes below 256.  It sets
 * all of *out: tenant 0 and priority NORMAL, until the caller says otherwise.
 *
 *     byte 0 count | byte 1 argument words | then per operation: opcode, offset of its
 *     first argument | padding to a word | the arguments in the operations' order */
VYRE_API vyre_status vyre_work_pack(vyre_work *out, const vyre_op *ops, uint32_t count,
                                    vyre_error *err);

/* --- transitions --------------------------------------------------------- */

typedef enum vyre_transition {
    VYRE_TRANSITION_PUBLISH = 0, /* refused: vyre_ring_publish() and its kin do that */
    VYRE_TRANSITION_CLAIM = 1,   /* PUBLISHED, YIELD, REQUEUE -> CLAIMED; the worker's */
    VYRE_TRANSITION_DONE = 2,    /* CLAIMED -> DONE; the worker's */
    VYRE_TRANSITION_FAULT = 3,   /* PUBLISHED, CLAIMED, WAIT_IO, YIELD, REQUEUE -> FAULT */
    VYRE_TRANSITION_CANCEL = 4,  /* PUBLISHED, WAIT_IO, YIELD, REQUEUE -> EMPTY; the host's */
    VYRE_TRANSITION_RESET = 5,   /* FAULT and unknown states -> EMPTY; the host's */
    VYRE_TRANSITION_RESUME = 6,  /* WAIT_IO -> PUBLISHED; the host's */
    VYRE_TRANSITION_YIELD = 7,   /* CLAIMED -> YIELD; the worker's */
    VYRE_TRANSITION_REQUEUE = 8, /* CLAIMED -> REQUEUE; the worker's */
    VYRE_TRANSITION_WAIT_IO = 9  /* CLAIMED -> WAIT_IO; the worker's */
} vyre_transition;

/* Changes the status word only, and only if it is still what the decision was
 * made on: otherwise VYRE_E_CONFLICT, and the caller may look again.  *before,
 * which may be NULL, gets the state that the slot was in. */
VYRE_API vyre_status vyre_ring_transition(void *ring, size_t size, uint32_t slot,
                                          vyre_transition t, vyre_slot_state *before,
                                          vyre_error *err);

/* --- whole slots --------------------------------------------------------- */

/* Puts a 64-byte image of a slot into the ring as it is, its status last: a
 * load miss, or a slot that was recorded.  Nothing in the image is checked;
 * the slot in the ring must be EMPTY or DONE. */
VYRE_API vyre_status vyre_ring_store(void *ring, size_t size, uint32_t slot, const void *image,
                                     size_t image_size, vyre_error *err);

/* Copies a slot's 64 bytes. */
VYRE_API vyre_status vyre_ring_load(const void *ring, size_t size, uint32_t slot, void *image,
                                    size_t image_size, vyre_error *err);

VYI_EXTERN_C_END

#endif
/* ==========================================================================
 * tenant: who may use the ring, and how much of it
 *
 * Public.  A registry of the 29 tenants that a control buffer has mask words
 * for.  A tenant's id is the index of its mask word, so that the device knows
 * exactly those that are registered here.  Ids are recycled, and a handle
 * carries a generation, so that an old handle never reaches a new tenant.
 *
 *     FREE --register--> ACTIVE <--enable, disable--> DISABLED
 *      ^                    |                             |
 *      |                    +----------- revoke ----------+
 *      |                                    v
 *      +-- nothing outstanding any more -- REVOKED
 *
 * Every function may be called from any thread; a lock, held for a few
 * instructions, keeps the accounts exact (with VYRE_NO_THREADS: from one
 * thread at a time).  Memory is allocated by vyre_tenants_create() only.
 *
 *     vyre_tenants_work(tenants, tenant, &local, &work, &err);     // one slot is outstanding
 *     if (vyre_ring_publish(ring, size, slot, &work, &err) < 0)
 *         vyre_tenants_withdraw(tenants, tenant, 1, NULL);
 *     ...                                                         // the slot is DONE
 *     vyre_tenants_drained(tenants, tenant, 1, &err);
 * ======================================================================= */
#ifndef VYI_TENANT_H
#define VYI_TENANT_H


#ifndef VYRE_NO_TENANT

VYI_EXTERN_C_BEGIN

typedef struct vyre_tenants vyre_tenants;

typedef struct vyre_tenant {
    uint32_t id;         /* 0..28 */
    uint32_t generation; /* never 0 */
} vyre_tenant;

/* Each tenant's own opcodes: the window of 2^20 from here on, by id. */
#define VYRE_TENANT_OPCODES      0x40000000u
#define VYRE_TENANT_OPCODE_COUNT 0x00100000u

/* How much may be outstanding at a time.  0 is none at all. */
typedef struct vyre_tenant_limits {
    uint64_t slots, staging_bytes, handles;
} vyre_tenant_limits;

typedef enum vyre_tenant_resource {
    VYRE_TENANT_STAGING_BYTES = 0,
    VYRE_TENANT_HANDLES = 1
} vyre_tenant_resource;

typedef enum vyre_tenant_state {
    VYRE_TENANT_FREE = 0,
    VYRE_TENANT_ACTIVE = 1,
    VYRE_TENANT_DISABLED = 2, /* the device leaves its slots PUBLISHED */
    VYRE_TENANT_REVOKED = 3   /* likewise; waits for what is outstanding */
} vyre_tenant_state;

typedef struct vyre_tenant_info {
    vyre_tenant        tenant;
    vyre_tenant_state  state;
    vyre_tenant_limits limits;
    uint64_t           published, drained; /* slots; the difference is outstanding */
    uint64_t           staging_bytes, handles;
    uint64_t           quiesce_calls, quiesce_timeouts, quiesce_wait_ns;
} vyre_tenant_info;

typedef struct vyre_tenants_desc {
    void          *control; /* live control buffer whose masks the registry owns; NULL: none */
    size_t         control_size;
    vyre_allocator allocator;
} vyre_tenants_desc;

/* NULL desc: no control buffer.  All masks are cleared: nobody is registered. */
VYRE_API vyre_tenants *vyre_tenants_create(const vyre_tenants_desc *desc, vyre_error *err);
VYRE_API void          vyre_tenants_destroy(vyre_tenants *tenants);

/* Turns to another control buffer, or to none, and writes its masks. */
VYRE_API vyre_status vyre_tenants_attach(vyre_tenants *tenants, void *control,
                                         size_t control_size, vyre_error *err);

/* The ids that are ACTIVE or DISABLED, ascending. */
VYRE_API vyre_status vyre_tenants_list(vyre_tenants *tenants, uint32_t ids[VYRE_MAX_TENANTS],
                                       uint32_t *count, vyre_error *err);

/* Takes the lowest free id, and authorises it.  NULL limits: no limits. */
VYRE_API vyre_status vyre_tenants_register(vyre_tenants *tenants, const vyre_tenant_limits *limits,
                                           vyre_tenant *out, vyre_error *err);

/* Writes the tenant's mask word; the device sees it at its next claim. */
VYRE_API vyre_status vyre_tenants_enable(vyre_tenants *tenants, vyre_tenant tenant,
                                         vyre_error *err);
VYRE_API vyre_status vyre_tenants_disable(vyre_tenants *tenants, vyre_tenant tenant,
                                          vyre_error *err);

/* Clears the mask, then refuses new work and reservations.  VYRE_OK: the id is
 * free again.  VYRE_PENDING: it will be as soon as all slots are drained (or
 * cancelled and drained) and all reservations are released. */
VYRE_API vyre_status vyre_tenants_revoke(vyre_tenants *tenants, vyre_tenant tenant,
                                         vyre_error *err);

/* The number that one of the tenant's own opcodes has in the ring. */
VYRE_API vyre_status vyre_tenants_opcode(vyre_tenants *tenants, vyre_tenant tenant, uint32_t local,
                                         uint32_t *out, vyre_error *err);

/* Makes *out from `local`, whose opcode is one of the tenant's own, and counts
 * a slot as published.  Publish *out, or withdraw it. */
VYRE_API vyre_status vyre_tenants_work(vyre_tenants *tenants, vyre_tenant tenant,
                                       const vyre_work *local, vyre_work *out, vyre_error *err);
VYRE_API vyre_status vyre_tenants_withdraw(vyre_tenants *tenants, vyre_tenant tenant,
                                           uint64_t slots, vyre_error *err);

/* So many of its slots ended: DONE, FAULT, or cancelled. */
VYRE_API vyre_status vyre_tenants_drained(vyre_tenants *tenants, vyre_tenant tenant,
                                          uint64_t slots, vyre_error *err);

/* Waits until no slot is outstanding.  Timeout 0 looks once. */
VYRE_API vyre_status vyre_tenants_quiesce(vyre_tenants *tenants, vyre_tenant tenant,
                                          uint64_t timeout_ns, vyre_error *err);

/* Staging memory and resident handles, up to the tenant's limits. */
VYRE_API vyre_status vyre_tenants_reserve(vyre_tenants *tenants, vyre_tenant tenant,
                                          vyre_tenant_resource resource, uint64_t amount,
                                          vyre_error *err);
VYRE_API vyre_status vyre_tenants_release(vyre_tenants *tenants, vyre_tenant tenant,
                                          vyre_tenant_resource resource, uint64_t amount,
                                          vyre_error *err);

/* The accounts, which stay readable until the id is registered anew. */
VYRE_API vyre_status vyre_tenants_query(vyre_tenants *tenants, vyre_tenant tenant,
                                        vyre_tenant_info *out, vyre_error *err);

/* --- who may run together ------------------------------------------------ */

typedef struct vyre_tenant_conflicts {
    const uint32_t *ids;          /* of the rows and columns */
    uint32_t        count;
    const uint8_t  *matrix;       /* [row * count + column] != 0: the two exclude each other */
    size_t          matrix_count; /* count * count */
    uint32_t        start;        /* who is asked first; rotate it, so that nobody starves */
} vyre_tenant_conflicts;

/* Takes one after the other who does not conflict with those taken before.
 * `out` has room for `count` ids. */
VYRE_API vyre_status vyre_tenants_select(const vyre_tenant_conflicts *conflicts, uint32_t *out,
                                         uint32_t *out_count, vyre_error *err);

VYI_EXTERN_C_END

#endif /* VYRE_NO_TENANT */

#endif
/* ==========================================================================
 * plan: geometry and priority partitions
 *
 * Public.  Pure arithmetic; nothing is allocated.
 *
 * The device does not read a slot's priority word: the priority of a work is
 * the partition of slots that it lies in.  Five partitions share the ring in
 * the order CRITICAL, HIGH, NORMAL, LOW, IDLE; what does not divide by five is
 * NORMAL's.
 *
 *     uint32_t first, count;
 *     vyre_priority_slots(256, VYRE_PRIORITY_HIGH, &first, &count, &err); // 51, 51
 * ======================================================================= */
#ifndef VYI_PLAN_H
#define VYI_PLAN_H


VYI_EXTERN_C_BEGIN

/* --- priority partitions ------------------------------------------------- */

/* The five first slots, in wire order, and behind them the total. */
VYRE_API vyre_status vyre_priority_offsets(uint32_t slots,
                                           uint32_t out[VYRE_PRIORITY_LEVELS + 1],
                                           vyre_error *err);

/* Writes them into a control buffer, where a kernel of kind PRIORITY finds them. */
VYRE_API vyre_status vyre_priority_write(void *control, size_t size, uint32_t slots,
                                         vyre_error *err);

/* The slots of one priority; `count` may be 0 in a ring of less than five. */
VYRE_API vyre_status vyre_priority_slots(uint32_t slots, vyre_priority priority, uint32_t *first,
                                         uint32_t *count, vyre_error *err);

/* The priority of one slot. */
VYRE_API vyre_status vyre_priority_of_slot(uint32_t slots, uint32_t slot, vyre_priority *out,
                                           vyre_error *err);

/* How often a lane looks into a partition of `slots` when `lanes` share it, how
 * many lanes find a slot there, and how often all of them look.  0 lanes read
 * as 1; the budget stops at UINT32_MAX. */
VYRE_API uint32_t vyre_partition_probes(uint32_t slots, uint32_t lanes);
VYRE_API uint32_t vyre_partition_lanes(uint32_t slots, uint32_t lanes);
VYRE_API uint32_t vyre_partition_budget(uint32_t slots, uint32_t lanes);

/* --- requeue accounting -------------------------------------------------- */

/* A host's counters of works that went back into the queue. */
typedef struct vyre_requeue {
    uint64_t requeues;
    uint64_t promotions; /* of works that had waited long */
    uint32_t max_age;
} vyre_requeue;

typedef enum vyre_requeue_event {
    VYRE_REQUEUE_REQUEUED = 0,
    VYRE_REQUEUE_PROMOTED = 1
} vyre_requeue_event;

typedef enum vyre_requeue_reason {
    VYRE_REQUEUE_NONE = 0,
    VYRE_REQUEUE_COUNTER_EXHAUSTED = 1,
    VYRE_REQUEUE_PROMOTION_EXHAUSTED = 2,
    VYRE_REQUEUE_COUNTER_NEAR_LIMIT = 3, /* 1024 or less to go */
    VYRE_REQUEUE_PROMOTION_NEAR_LIMIT = 4,
    VYRE_REQUEUE_PENDING = 5 /* something was counted */
} vyre_requeue_reason;

typedef struct vyre_requeue_advice {
    bool                drain; /* read the counters and zero them; `reason` says why */
    vyre_requeue_reason reason;
    uint64_t            requeue_headroom, promotion_headroom;
} vyre_requeue_advice;

/* Counts one event.  VYRE_E_COUNTER_OVF changes nothing. */
VYRE_API vyre_status vyre_requeue_record(vyre_requeue *counters, vyre_requeue_event event,
                                         uint32_t age, vyre_error *err);
VYRE_API vyre_status vyre_requeue_advise(const vyre_requeue *counters, vyre_requeue_advice *out,
                                         vyre_error *err);

VYI_EXTERN_C_END

#endif
/* ==========================================================================
 * ir: programs for a compute device, and the builder that writes them
 *
 * Public.  A program is a flat list of instructions.  Each builder call
 * appends one, at the current place, and returns a value that is computed
 * exactly once, there: a load happens where it was written, and nothing is
 * evaluated twice.  Control flow is structured, with begin and end calls.
 *
 *     vyre_buffer out = vyre_ir_buffer(p, &desc);
 *     vyre_value  i   = vyre_ir_builtin(p, VYRE_BUILTIN_GLOBAL_ID_X);
 *     vyre_ir_store(p, out, i, vyre_ir_mul(p, i, i));
 *     status = vyre_program_finish(p, &err);
 *
 * The builder is sticky: the first mistake is kept, every later call does
 * nothing, and vyre_program_finish reports it with the number of the call.
 *
 * A value can be used where its instruction dominates: later in the same
 * block, or in a block nested in it.  What must outlive a block is a local.
 *
 * Meaning is total, and the same on every backend:
 *   u32 x/0 = 0xFFFFFFFF, x%0 = 0; i32 x/0 = -1, x%0 = 0, MIN/-1 = MIN,
 *   MIN%-1 = 0; shifts use the low five bits of their amount; a load beyond
 *   the length gives 0, a store there does nothing, an atomic there does
 *   nothing and gives 0; f32 to integer saturates and NaN gives 0.
 * Integers agree bit for bit; f32 agrees to what Vulkan promises.
 * ======================================================================= */
#ifndef VYI_IR_H
#define VYI_IR_H


VYI_EXTERN_C_BEGIN

typedef struct vyre_program vyre_program;

/* Handles of the builder; id 0 is none.  Distinct types, so that one cannot
 * be passed for another. */
typedef struct vyre_value { uint32_t id; } vyre_value;
typedef struct vyre_local { uint32_t id; } vyre_local;
typedef struct vyre_buffer { uint32_t id; } vyre_buffer;

typedef enum vyre_type {
    VYRE_TYPE_NONE = 0, /* of an instruction without a value; in a desc: u32 */
    VYRE_TYPE_U32 = 1,
    VYRE_TYPE_I32 = 2,
    VYRE_TYPE_F32 = 3,
    VYRE_TYPE_BOOL = 4  /* in memory a whole word; any bit set reads as true */
} vyre_type;

typedef enum vyre_access {
    VYRE_ACCESS_READ_WRITE = 0,
    VYRE_ACCESS_READ = 1,
    VYRE_ACCESS_WRITE = 2,
    VYRE_ACCESS_WORKGROUP = 3 /* an array shared by one workgroup, zero at its start; no binding */
} vyre_access;

typedef struct vyre_buffer_desc {
    const char *name;        /* NULL = "bufferN" */
    uint32_t    binding;     /* unique in the program, below VYRE_MAX_BINDINGS */
    vyre_type   type;        /* of one element; 0 = u32 */
    vyre_access access;      /* 0 = read and write */
    uint32_t    count;       /* elements; 0 = as many as are bound (not for workgroup arrays) */
    bool        no_readback; /* a host that copies results back may skip this buffer */
    uint32_t    readback_offset, readback_size; /* bytes to copy back; both 0 = all */
} vyre_buffer_desc;

#define VYRE_MAX_BINDINGS       32u
#define VYRE_MAX_BUFFERS        128u    /* workgroup arrays included */
#define VYRE_MAX_WORKGROUP      1024u   /* lanes in one workgroup, all dimensions together */
#define VYRE_MAX_NESTING        64u     /* open blocks */
#define VYRE_MAX_INSTRUCTIONS   100000u
#define VYRE_MAX_WORKGROUP_SIZE 32768u  /* bytes of workgroup arrays in one program */
#define VYRE_MAX_NAME           63u     /* characters of a name; the rest is cut */

/* X(NAME, text): what a program can ask about where it runs; all u32 but
 * LOOP_CUT. */
#define VYRE_BUILTIN_LIST(X)                                                                       \
    X(LOCAL_ID_X, "local_id.x") X(LOCAL_ID_Y, "local_id.y") X(LOCAL_ID_Z, "local_id.z")            \
    X(GROUP_ID_X, "group_id.x") X(GROUP_ID_Y, "group_id.y") X(GROUP_ID_Z, "group_id.z")            \
    X(GLOBAL_ID_X, "global_id.x") X(GLOBAL_ID_Y, "global_id.y") X(GLOBAL_ID_Z, "global_id.z")      \
    X(GROUP_SIZE_X, "group_size.x") X(GROUP_SIZE_Y, "group_size.y")                                \
    X(GROUP_SIZE_Z, "group_size.z")                                                                \
    X(GROUP_COUNT_X, "group_count.x") X(GROUP_COUNT_Y, "group_count.y")                            \
    X(GROUP_COUNT_Z, "group_count.z")                                                              \
    X(LOCAL_INDEX, "local_index")           /* of the lane in its workgroup, x fastest */          \
    X(SUBGROUP_LANE, "subgroup_lane")       /* of the lane in its subgroup */                      \
    X(SUBGROUP_SIZE, "subgroup_size")                                                              \
    X(LOOP_LEFT, "loop_left")               /* iterations left before the driver would cut this    \
                                               invocation's loops; 0xFFFFFFFF = no such limit */   \
    X(LOOP_CUT, "loop_cut")                 /* bool: a loop was cut since the last loop_allow */

typedef enum vyre_builtin {
#define VYI_BUILTIN_ENUM(name, text) VYRE_BUILTIN_##name,
    VYRE_BUILTIN_LIST(VYI_BUILTIN_ENUM)
#undef VYI_BUILTIN_ENUM
    VYRE_BUILTIN_COUNT
} vyre_builtin;

/* X(NAME, function, operand class, result class).  Classes: I integer, N number
 * (integer or f32), F f32, B bool, IB integer or bool, A any, U u32; in the
 * result S = the operand's type.  Both operands have the same type, except that a shift or
 * rotate amount is always u32. */
#define VYRE_BINARY_LIST(X)                                                                        \
    X(ADD, vyre_ir_add, N, S) X(SUB, vyre_ir_sub, N, S) X(MUL, vyre_ir_mul, N, S)                  \
    X(DIV, vyre_ir_div, N, S) X(REM, vyre_ir_rem, I, S)                                            \
    X(MUL_HIGH, vyre_ir_mul_high, U, S) /* upper half of the 64-bit product */                     \
    X(AND, vyre_ir_and, IB, S) X(OR, vyre_ir_or, IB, S) X(XOR, vyre_ir_xor, IB, S)                 \
    X(SHL, vyre_ir_shl, I, S) X(SHR, vyre_ir_shr, I, S) /* shr of i32 copies the sign */           \
    X(ROTL, vyre_ir_rotl, U, S) X(ROTR, vyre_ir_rotr, U, S)                                        \
    X(MIN, vyre_ir_min, N, S) X(MAX, vyre_ir_max, N, S) /* f32: the operand that is not NaN */     \
    X(EQ, vyre_ir_eq, A, B) X(NE, vyre_ir_ne, A, B)     /* f32: NaN is unequal to everything */    \
    X(LT, vyre_ir_lt, N, B) X(LE, vyre_ir_le, N, B)                                                \
    X(GT, vyre_ir_gt, N, B) X(GE, vyre_ir_ge, N, B)

#define VYRE_UNARY_LIST(X)                                                                         \
    X(NEG, vyre_ir_neg, N, S)                                                                      \
    X(NOT, vyre_ir_not, IB, S)   /* bits of integers, truth of bools */                            \
    X(ABS, vyre_ir_abs, N, S)    /* abs of u32 is itself; abs(MIN) = MIN */                        \
    X(SIGN, vyre_ir_sign, N, S)                                                                    \
    X(POPCOUNT, vyre_ir_popcount, I, S)                                                            \
    X(CLZ, vyre_ir_clz, I, S) X(CTZ, vyre_ir_ctz, I, S) /* clz(0) = ctz(0) = 32 */                 \
    X(REVERSE, vyre_ir_reverse, I, S)                                                              \
    X(SQRT, vyre_ir_sqrt, F, S) X(RSQRT, vyre_ir_rsqrt, F, S)                                      \
    X(FLOOR, vyre_ir_floor, F, S) X(CEIL, vyre_ir_ceil, F, S)                                      \
    X(ROUND, vyre_ir_round, F, S) X(TRUNC, vyre_ir_trunc, F, S) /* round: half to even */          \
    X(SIN, vyre_ir_sin, F, S) X(COS, vyre_ir_cos, F, S) X(TAN, vyre_ir_tan, F, S)                  \
    X(EXP, vyre_ir_exp, F, S) X(EXP2, vyre_ir_exp2, F, S)                                          \
    X(LOG, vyre_ir_log, F, S) X(LOG2, vyre_ir_log2, F, S)                                          \
    X(IS_NAN, vyre_ir_is_nan, F, B) X(IS_INF, vyre_ir_is_inf, F, B)                                \
    X(UNIFORM, vyre_ir_uniform, A, S) /* itself, and the caller's word that it is the same in all  \
                                         lanes of the workgroup that come here: barriers may       \
                                         stand where such values decide */

typedef enum vyre_atomic_op {
    VYRE_ATOMIC_ADD = 0,
    VYRE_ATOMIC_SUB,
    VYRE_ATOMIC_AND,
    VYRE_ATOMIC_OR,
    VYRE_ATOMIC_XOR,
    VYRE_ATOMIC_MIN, /* signed when the buffer's elements are i32 */
    VYRE_ATOMIC_MAX,
    VYRE_ATOMIC_EXCHANGE,
    VYRE_ATOMIC_OP_COUNT
} vyre_atomic_op;

/* What an atomic or a barrier orders, beyond itself. */
typedef enum vyre_order {
    VYRE_ORDER_RELAXED = 0,
    VYRE_ORDER_ACQUIRE = 1,
    VYRE_ORDER_RELEASE = 2,
    VYRE_ORDER_ACQ_REL = 3
} vyre_order;

typedef enum vyre_scope {
    VYRE_SCOPE_WORKGROUP = 0, /* all lanes of the workgroup wait for each other */
    VYRE_SCOPE_SUBGROUP = 1,  /* all lanes of the subgroup wait for each other */
    VYRE_SCOPE_DEVICE = 2     /* a fence: nobody waits; orders this lane's memory accesses */
} vyre_scope;

typedef enum vyre_reduce_op {
    VYRE_REDUCE_ADD = 0,
    VYRE_REDUCE_MIN,
    VYRE_REDUCE_MAX,
    VYRE_REDUCE_AND,
    VYRE_REDUCE_OR,
    VYRE_REDUCE_XOR,
    VYRE_REDUCE_OP_COUNT
} vyre_reduce_op;

/* --- programs ------------------------------------------------------------ */

typedef struct vyre_program_desc {
    uint32_t       workgroup_size[3]; /* 0 in x = 64, in y and z = 1 */
    const char    *name;              /* NULL = "program" */
    vyre_allocator allocator;         /* all zero = malloc and free */
} vyre_program_desc;

/* An empty program to build into; NULL desc is all defaults. NULL on failure. */
VYRE_API vyre_program *vyre_program_create(const vyre_program_desc *desc, vyre_error *err);
/* NULL is allowed. */
VYRE_API void vyre_program_destroy(vyre_program *p);
/* Ends building: reports the first mistake of any call, or checks the whole
 * program.  A finished program is immutable but for vyre_program_optimize. */
VYRE_API vyre_status vyre_program_finish(vyre_program *p, vyre_error *err);
/* Makes a finished program shorter without changing what it does: no load,
 * store or atomic is moved, merged or dropped.  On failure it is as before. */
VYRE_API vyre_status vyre_program_optimize(vyre_program *p, vyre_error *err);
/* Writes a readable listing, of a program in any state; the rules of snprintf:
 * returns the length without the terminator, writes at most `size` bytes. */
VYRE_API size_t vyre_program_text(const vyre_program *p, char *dst, size_t size);
/* The mistake that the builder has kept so far, or VYRE_OK. */
VYRE_API vyre_status vyre_program_status(const vyre_program *p);
VYRE_API uint32_t vyre_program_instruction_count(const vyre_program *p);
/* Equal for equal programs: buffers, workgroup size and instructions, not names. */
VYRE_API uint64_t vyre_program_hash(const vyre_program *p);

/* --- buffers, constants, ids --------------------------------------------- */

VYRE_API vyre_buffer vyre_ir_buffer(vyre_program *p, const vyre_buffer_desc *desc);
VYRE_API vyre_value vyre_ir_u32(vyre_program *p, uint32_t x);
VYRE_API vyre_value vyre_ir_i32(vyre_program *p, int32_t x);
VYRE_API vyre_value vyre_ir_f32(vyre_program *p, float x);
VYRE_API vyre_value vyre_ir_bool(vyre_program *p, bool x);
VYRE_API vyre_value vyre_ir_builtin(vyre_program *p, vyre_builtin what);

/* --- memory -------------------------------------------------------------- */

/* Elements that can be reached: the bound size, or the declared count if that
 * is smaller and not 0. */
VYRE_API vyre_value vyre_ir_length(vyre_program *p, vyre_buffer buffer);
VYRE_API vyre_value vyre_ir_load(vyre_program *p, vyre_buffer buffer, vyre_value index);
VYRE_API void vyre_ir_store(vyre_program *p, vyre_buffer buffer, vyre_value index,
                            vyre_value value);
/* Atomics work on u32 and i32 elements, in buffers and workgroup arrays, at
 * device or workgroup scope.  All but the store return the value before. */
VYRE_API vyre_value vyre_ir_atomic(vyre_program *p, vyre_atomic_op op, vyre_buffer buffer,
                                   vyre_value index, vyre_value value, vyre_order order);
VYRE_API vyre_value vyre_ir_atomic_cas(vyre_program *p, vyre_buffer buffer, vyre_value index,
                                       vyre_value expected, vyre_value desired, vyre_order order);
/* Order: relaxed or acquire. */
VYRE_API vyre_value vyre_ir_atomic_load(vyre_program *p, vyre_buffer buffer, vyre_value index,
                                        vyre_order order);
/* Order: relaxed or release. */
VYRE_API void vyre_ir_atomic_store(vyre_program *p, vyre_buffer buffer, vyre_value index,
                                   vyre_value value, vyre_order order);

/* --- arithmetic ---------------------------------------------------------- */

#define VYI_BINARY_PROTOTYPE(name, function, operands, result)                                     \
    VYRE_API vyre_value function(vyre_program *p, vyre_value a, vyre_value b);
VYRE_BINARY_LIST(VYI_BINARY_PROTOTYPE)
#undef VYI_BINARY_PROTOTYPE

#define VYI_UNARY_PROTOTYPE(name, function, operands, result)                                      \
    VYRE_API vyre_value function(vyre_program *p, vyre_value a);
VYRE_UNARY_LIST(VYI_UNARY_PROTOTYPE)
#undef VYI_UNARY_PROTOTYPE

/* a * b + c in f32; whether it rounds once or twice is the device's choice. */
VYRE_API vyre_value vyre_ir_fma(vyre_program *p, vyre_value a, vyre_value b, vyre_value c);
/* a if the bool `cond` is true, else b; both have been computed already. */
VYRE_API vyre_value vyre_ir_select(vyre_program *p, vyre_value cond, vyre_value a, vyre_value b);
/* The same number in another type; to bool: any bit set (f32: not zero);
 * from bool: 0 or 1; f32 to integer truncates and saturates, NaN gives 0. */
VYRE_API vyre_value vyre_ir_cast(vyre_program *p, vyre_type type, vyre_value a);
/* The same 32 bits; not from or to bool. */
VYRE_API vyre_value vyre_ir_bitcast(vyre_program *p, vyre_type type, vyre_value a);

/* --- locals -------------------------------------------------------------- */

/* A variable of this lane, set to `initial` each time the place is reached. */
VYRE_API vyre_local vyre_ir_local(vyre_program *p, vyre_type type, vyre_value initial,
                                  const char *name);
VYRE_API vyre_value vyre_ir_get(vyre_program *p, vyre_local local);
VYRE_API void vyre_ir_set(vyre_program *p, vyre_local local, vyre_value value);

/* --- control flow -------------------------------------------------------- */

VYRE_API void vyre_ir_if(vyre_program *p, vyre_value cond);
VYRE_API void vyre_ir_else(vyre_program *p);
/* Cases do not fall through; a value without a case goes to the default, or
 * past the end.  Nothing may stand between the switch and its first case. */
VYRE_API void vyre_ir_switch(vyre_program *p, vyre_value value);
VYRE_API void vyre_ir_case(vyre_program *p, uint32_t literal);
VYRE_API void vyre_ir_default(vyre_program *p);
/* Runs for from, from + 1, ... while below `to`, unsigned; returns the counter. */
VYRE_API vyre_value vyre_ir_loop(vyre_program *p, vyre_value from, vyre_value to);
/* An endless loop, left by break or return.  One that stands outside every
 * other loop is a round loop: the host may bound its rounds. */
VYRE_API void vyre_ir_forever(vyre_program *p);
VYRE_API void vyre_ir_end(vyre_program *p);
/* Leaves the innermost loop, also from inside an if or a switch. */
VYRE_API void vyre_ir_break(vyre_program *p);
VYRE_API void vyre_ir_continue(vyre_program *p);
/* Ends this lane. */
VYRE_API void vyre_ir_return(vyre_program *p);
VYRE_API void vyre_ir_barrier(vyre_program *p, vyre_scope scope, vyre_order order);
/* From here on this lane's loops may run `n` more iterations, all together,
 * but never more than LOOP_LEFT; the next one ends its loop like a break and
 * sets LOOP_CUT.  Clears LOOP_CUT.  Does nothing where loops are unlimited. */
VYRE_API void vyre_ir_loop_allow(vyre_program *p, vyre_value n);
/* Appears in listings and nowhere else. */
VYRE_API void vyre_ir_comment(vyre_program *p, const char *text);
/* A name for a value, for listings and debuggers. */
VYRE_API vyre_value vyre_ir_name(vyre_program *p, vyre_value value, const char *name);

/* --- subgroups ----------------------------------------------------------- */

/* Over the lanes that are active at this place.  A ballot has one bit a lane
 * for the first 32 lanes. */
VYRE_API vyre_value vyre_ir_ballot(vyre_program *p, vyre_value cond);
VYRE_API vyre_value vyre_ir_elect(vyre_program *p);           /* true in the first active lane */
VYRE_API vyre_value vyre_ir_any(vyre_program *p, vyre_value cond);
VYRE_API vyre_value vyre_ir_all(vyre_program *p, vyre_value cond);
VYRE_API vyre_value vyre_ir_broadcast_first(vyre_program *p, vyre_value value);
/* Another lane's value; that lane must be active. */
VYRE_API vyre_value vyre_ir_shuffle(vyre_program *p, vyre_value value, vyre_value lane);
VYRE_API vyre_value vyre_ir_reduce(vyre_program *p, vyre_reduce_op op, vyre_value value);

VYI_EXTERN_C_END

#endif
/* ==========================================================================
 * kernel: the programs that serve a ring of slots
 *
 * Public.  One function builds every variant: looping or one pass, with or
 * without opcode dispatch, in order of priority, with the caller's own
 * opcodes and buffers.  The result is an ordinary program.
 *
 *     static void emit_axpy(vyre_program *p, const vyre_slot_values *s, void *user)
 *     {
 *         vyre_value x = vyre_ir_load(p, s->buffers[0], s->arg[0]);
 *         vyre_ir_store(p, s->buffers[0], s->arg[0], vyre_ir_mul(p, x, s->arg[1]));
 *     }
 *     vyre_handler h = { 0x1000, emit_axpy, NULL, "axpy" };
 *
 * A kernel does not depend on its geometry: it takes the number of slots
 * from the ring's length and the number of lanes from the dispatch, and
 * each lane serves the slots lane, lane + lanes, lane + 2 * lanes, ...
 * Equal descriptions give equal programs, whatever the compiler.  In code that
 * you emit yourself, C leaves open which argument of a call is evaluated, and
 * so emitted, first: give at most one argument that emits.
 * ======================================================================= */
#ifndef VYI_KERNEL_H
#define VYI_KERNEL_H


VYI_EXTERN_C_BEGIN

/* Bindings of the four core buffers; the caller's own are 4 and up. */
#define VYRE_BINDING_CONTROL 0u
#define VYRE_BINDING_RING    1u
#define VYRE_BINDING_LOG     2u
#define VYRE_BINDING_IO      3u
#define VYRE_BINDING_USER    4u

typedef enum vyre_kernel_kind {
    VYRE_KERNEL_DIRECT = 0,   /* opcodes are dispatched */
    VYRE_KERNEL_JIT = 1,      /* one payload for every slot, no opcodes */
    VYRE_KERNEL_PRIORITY = 2  /* direct, but urgent partitions first */
} vyre_kernel_kind;

/* Why a slot ended FAULT: word 15 of the slot. Codes from VYRE_FAULT_USER on
 * belong to handlers. */
typedef enum vyre_fault {
    VYRE_FAULT_NONE = 0,
    VYRE_FAULT_OPCODE = 1,     /* no handler for the opcode */
    VYRE_FAULT_INDEX = 2,      /* a control index or range lies beyond the buffer */
    VYRE_FAULT_HEADER = 3,     /* a write into control words 0..159 */
    VYRE_FAULT_PACKED = 4,     /* malformed packed payload */
    VYRE_FAULT_TABLE = 5,      /* DFA_STEP without a table, or beyond it */
    VYRE_FAULT_LOOP_LIMIT = 6, /* a loop would have been cut by the driver */
    VYRE_FAULT_IO = 7,         /* the host answered an IO request with ERROR */
    VYRE_FAULT_IO_FULL = 8,    /* no IO slot was free */
    VYRE_FAULT_IO_TIMEOUT = 9, /* the host did not answer an IO request in time */
    VYRE_FAULT_USER = 0x100
} vyre_fault;

/* What a handler sees of the slot that it serves. */
typedef struct vyre_slot_values {
    vyre_value slot_base;  /* word index of the slot in the ring */
    vyre_value opcode;
    vyre_value tenant;
    vyre_value arg[12];    /* arguments that the work did not give are 0 */
    vyre_buffer control, ring, log, io;
    const vyre_buffer *buffers; /* the caller's own, in the order of the desc */
    uint32_t   buffer_count;
    vyre_buffer workspace; /* id 0 without one */
    const void *internal;
} vyre_slot_values;

/* Emits one handler.  It may be called more than once for a kernel.  Blocks
 * that it opens must be closed, and it may leave its own loops only; `return`
 * is refused.  Arguments that it does not use are not loaded. */
typedef void (*vyre_emit_fn)(vyre_program *p, const vyre_slot_values *slot, void *user);

/* Writes `value` into argument word `word` (0..11) of the slot, where
 * vyre_result() finds it.  Inside a packed slot: of the operation's own words. */
VYRE_API void vyre_emit_result(vyre_program *p, const vyre_slot_values *slot, uint32_t word,
                               vyre_value value);
/* The slot will end FAULT with this code (a u32), unless an earlier fault
 * stands; 0 reads as VYRE_FAULT_USER.  Code after it still runs; what follows
 * in a packed slot does not. */
VYRE_API void vyre_emit_fault(vyre_program *p, const vyre_slot_values *slot, vyre_value code);

typedef struct vyre_handler {
    uint32_t     opcode; /* vyre_opcode_is_user() */
    vyre_emit_fn emit;
    void        *user;
    const char  *name;   /* NULL = "handler" */
} vyre_handler;

/* Code that runs around the serving of slots, with a buffer of its own. */
typedef struct vyre_workspace {
    vyre_buffer_desc buffer;  /* binding 4 or more */
    /* At a launch's start, on all lanes; may use barriers. */
    void (*bootstrap)(vyre_program *p, vyre_buffer workspace, void *user);
    void (*guard)(vyre_program *p, vyre_buffer workspace, void *user);     /* each round, first */
    void (*dispatch)(vyre_program *p, vyre_buffer workspace, void *user);  /* then this */
    void *user;
} vyre_workspace;

typedef struct vyre_kernel_desc {
    vyre_kernel_kind kind;
    bool     once;            /* one pass over the slots and return; default: loop */
    uint32_t workgroup_size;  /* 0 = 256 */
    uint32_t slot_count;      /* 0 = workgroup_size; must be a multiple of it */
    uint32_t lane_count;      /* 0 = slot_count; fewer lanes stride */
    const vyre_handler *handlers;
    uint32_t handler_count;
    vyre_emit_fn payload;     /* of kind JIT */
    void    *payload_user;
    const vyre_buffer_desc *buffers; /* the caller's own, bindings 4.. */
    uint32_t buffer_count;
    const vyre_workspace *workspace;
    bool     io_polling;      /* the first lane recycles answered IO requests, apart from those
                                 that a LOAD_MISS waits for */
    bool     load_miss;       /* LOAD_MISS becomes an IO request; not in kind JIT */
    bool     control_report;  /* only the control buffer need be copied back */
    bool     open_header;     /* opcodes may write control words 0..159 */
    bool     count_each;      /* counters move with each slot: for a pass that may be ended in the
                                 middle.  Else a one-pass DIRECT kernel counts when a lane is done,
                                 or has something uncommon to do; without effect on others */
    uint32_t log_records;     /* 0 = 64; only for the host that makes the buffer */
    uint32_t observables;     /* 0 = 64; likewise */
    uint32_t table_binding;   /* of the caller's buffer with the DFA table; 0 = none */
    uint32_t mirror_binding;  /* a u32 per slot, written when it ends; 0 = none */
    bool     narrow;          /* a looping DIRECT or JIT kernel is served by one lane, in a shape
                                 for devices that walk through code they skip.  Without effect
                                 on other kernels, and with a workspace, io_polling or
                                 load_miss */
    bool     whole_slots;     /* a looping DIRECT kernel serves NOP, STORE_U32 and ATOMIC_ADD
                                 without waiting for an acquire or a release: it reads the slot
                                 beside its claim, and writes DONE | (found << 8) into the mirror,
                                 `found` being what its atomic gave back.  For hosts that never
                                 take a published slot back, launches that do not overlap, and
                                 devices that pass the probe's lines and sums
                                 (docs/memory-model.md).  Without effect on narrow kernels, and with
                                 load_miss */
    uint32_t io_spins;        /* rounds that LOAD_MISS waits for the host; 0 = 1024 */
    uint32_t loop_allowance;  /* of one slot, where loops are limited; 0 = 32768 */
    vyre_allocator allocator;
} vyre_kernel_desc;

/* A finished program; the caller destroys it.  NULL desc is all defaults. */
VYRE_API vyre_program *vyre_kernel_build(const vyre_kernel_desc *desc, vyre_error *err);

/* Appends the kernel's body, buffers included, to a program of the caller's.
 * Bindings 0..3 and those of the desc must be free. */
VYRE_API vyre_status vyre_kernel_body(vyre_program *p, const vyre_kernel_desc *desc,
                                      vyre_error *err);

/* The fault's one-line meaning. */
VYRE_API const char *vyre_fault_text(uint32_t code);

VYI_EXTERN_C_END

#endif
/* ==========================================================================
 * interp: running a program on the CPU
 *
 * Public.  Executes one instruction over all lanes of a workgroup under a
 * mask, so that barriers and subgroup operations are natural.  Deterministic:
 * workgroups run one after another, lanes in ascending order.  Atomics on the
 * caller's bytes are real ones: another thread may publish meanwhile.
 * ======================================================================= */
#ifndef VYI_INTERP_H
#define VYI_INTERP_H


VYI_EXTERN_C_BEGIN

typedef struct vyre_interp_desc {
    uint32_t      groups[3];     /* 0 = 1 */
    void *const  *buffers;       /* in binding order (ascending), 4-byte aligned; NULL if empty */
    const size_t *sizes;         /* in bytes; a partial last word cannot be reached */
    uint32_t      buffer_count;  /* of the program's bindings */
    uint64_t      max_rounds;    /* of each round loop of each workgroup; 0 = endless */
    uint32_t      subgroup_size; /* a power of two up to 128; 0 = 32 */
    uint32_t      loop_limit;    /* loop iterations per lane, as vyre_spirv_desc; 0 = none */
    vyre_allocator allocator;
} vyre_interp_desc;

/* Runs a finished program in place on the given bytes.  VYRE_TIMEOUT, which is
 * not an error: a round loop was ended by max_rounds; what stands behind it in
 * the program has run. */
VYRE_API vyre_status vyre_interpret(const vyre_program *p, const vyre_interp_desc *desc,
                                    vyre_error *err);

VYI_EXTERN_C_END

#endif
/* ==========================================================================
 * spirv: a program as a SPIR-V module for Vulkan
 *
 * Public.  One descriptor set (0); buffer b at its binding; entry "main".
 * ======================================================================= */
#ifndef VYI_SPIRV_H
#define VYI_SPIRV_H


VYI_EXTERN_C_BEGIN

#define VYRE_SPIRV_1_3 0x00010300u /* Vulkan 1.1 */
#define VYRE_SPIRV_1_5 0x00010500u /* Vulkan 1.2 */

typedef enum vyre_memory_model {
    VYRE_MEMORY_MODEL_AUTO = 0, /* Vulkan from SPIR-V 1.5 on, else GLSL450 */
    VYRE_MEMORY_MODEL_GLSL450 = 1,
    VYRE_MEMORY_MODEL_VULKAN = 2 /* with device scope; SPIR-V 1.3 takes it as an extension */
} vyre_memory_model;

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
    vyre_allocator      allocator;
} vyre_spirv;

/* NULL desc is all defaults.  *out is freed with vyre_spirv_free. */
VYRE_API vyre_status vyre_spirv_emit(const vyre_program *p, const vyre_spirv_desc *desc,
                                     vyre_spirv *out, vyre_error *err);
/* Leaves *m zeroed; NULL is allowed. */
VYRE_API void vyre_spirv_free(vyre_spirv *m);

VYI_EXTERN_C_END

#endif
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
/* ==========================================================================
 * engine: the vyre handle, a queue whose kernel is already running
 *
 * Public.  A handle owns a ring of slots, the kernel that serves it, and the
 * device that the kernel runs on.
 *
 *     vyre *v = vyre_open(NULL, &err);
 *     vyre_start(v, &err);
 *     vyre_publish(v, &work, &ticket, &err);
 *     vyre_wait(v, ticket, 1000000000, &err);
 *     vyre_close(v);
 *
 * Between vyre_start and vyre_stop the kernel takes work as it is published.
 * Before and after, published work stays in the ring until vyre_wait,
 * vyre_drain or vyre_run makes one pass over it.  Results are the same.
 *
 * Threads: publish, publish_many, poll, wait, drain, result, observable, map
 * and query may be called from any thread at any time.  The others may, too,
 * but take turns.  vyre_close is the last call, alone.
 *
 * No function blocks for longer than the timeout that it is given.  A timeout
 * of 0 looks once; VYRE_FOREVER waits as long as it takes.
 *
 * Whatever is not VYRE_OK is explained in *err, news (VYRE_FULL, VYRE_PENDING,
 * VYRE_TIMEOUT) as well as errors.
 * ======================================================================= */
#ifndef VYI_ENGINE_H
#define VYI_ENGINE_H


VYI_EXTERN_C_BEGIN

typedef struct vyre vyre;
struct vyre_log_record;

#define VYRE_FOREVER UINT64_MAX /* a timeout in nanoseconds */

typedef enum vyre_backend {
    VYRE_BACKEND_AUTO = 0, /* Vulkan where it works, else CPU: vyre_info.why_cpu */
    VYRE_BACKEND_CPU = 1,
    VYRE_BACKEND_VULKAN = 2
} vyre_backend;

/* How published work reaches the device after vyre_start. */
typedef enum vyre_mode {
    VYRE_MODE_AUTO = 0,       /* the first of the following that the device allows */
    VYRE_MODE_PERSISTENT = 1, /* a running kernel sees work as it is published */
    VYRE_MODE_PASSES = 2      /* poll, wait and publish launch a pass when work is there */
} vyre_mode;

/* What becomes of work that was in flight when a device was lost. */
typedef enum vyre_lost_work {
    VYRE_LOST_REPORT = 0, /* its ticket ends with VYRE_E_LOST */
    VYRE_LOST_RERUN = 1   /* what was not seen to end is published again: it may run twice */
} vyre_lost_work;

/* Names one published work for as long as the handle lives; all zero is none. */
typedef struct vyre_ticket {
    uint32_t slot;
    uint32_t generation;
} vyre_ticket;

/* --- options ------------------------------------------------------------- */

/* Bring your own Vulkan.  What is NULL the engine makes, and destroys, itself;
 * what is given stays the caller's and outlives the handle.  The handles are
 * opaque here; the functions under VYRE_VULKAN_TYPES take the typed ones. */
typedef struct vyre_vulkan_desc {
    void  *instance;
    void  *physical_device; /* needs instance */
    void  *device;          /* needs physical_device; then queue is needed, too */
    void  *queue;
    uint32_t queue_family;  /* of `queue` */
    uint32_t api_version;   /* that instance and device were made for; 0 = 1.1 */
    void (*queue_lock)(void *user);   /* around every use of `queue`; NULL = it is ours alone */
    void (*queue_unlock)(void *user);
    void  *queue_user;
    const void *allocator;  /* VkAllocationCallbacks; NULL = the driver's */
    void (*loader)(void);   /* vkGetInstanceProcAddr; NULL = volk looks for the system's */
    const char *const *device_extensions; /* enabled on `device` */
    uint32_t device_extension_count;
    const void *device_features; /* VkPhysicalDeviceFeatures2 chain that `device` was made with */
    const void *cache;      /* pipeline cache blob of an earlier run; refused when it is foreign */
    size_t      cache_size;
    void (*cache_store)(void *user, const void *blob, size_t size); /* called by vyre_close */
    void  *cache_user;
    bool   validation;      /* ask for VK_LAYER_KHRONOS_validation when it is installed */
    bool   no_debug_names;
} vyre_vulkan_desc;

/* How long one dispatch of the looping kernel lives. */
typedef struct vyre_lease_desc {
    uint32_t rounds;    /* at most; 0 = adapted to the time */
    uint64_t time_ns;   /* aimed at; 0 = 5 ms */
    uint32_t in_flight; /* dispatches queued at once; 0 = 2 */
    uint64_t timeout_ns; /* a dispatch that lasts longer counts as lost; 0 = 10 s */
} vyre_lease_desc;

typedef struct vyre_desc {
    vyre_backend backend;
    vyre_mode    mode;
    /* Index or part of the name; NULL = $VYRE_DEVICE, or the best.  AUTO, too,
     * fails where there are Vulkan devices and none is the one that was named. */
    const char  *device;
    vyre_kernel_desc kernel;     /* slot_count 0 = 256; once, mirror_binding, count_each, narrow and
                                    whole_slots are the engine's */
    uint32_t     tenants;        /* ids 0 .. tenants - 1 are authorised; 0 = 1 */
    uint32_t     observables;    /* 0 = the kernel's, or 64 */
    const size_t *buffer_sizes;  /* bytes, one per kernel.buffers; NULL or 0 = 4 * its count */
    size_t       workspace_size; /* bytes; 0 = 4 * the count in kernel.workspace */
    vyre_lease_desc lease;
    /* Iterations after which a slot's loops end FAULT where nothing else could
     * end them: in passes on the CPU.  A value sets it for its running kernel,
     * too.  0 = 2^24. */
    uint32_t     loop_limit;
    uint64_t     run_timeout_ns; /* vyre_run and dispatches give up without progress; 0 = 60 s */
    vyre_lost_work lost_work;
    bool         auto_recover;   /* the first lost device is replaced without being asked */
    bool         helper_thread;  /* keeps the leases going while the program is quiet */
    bool         no_probe;       /* do not measure at open; persistent mode is then not proved */
    /* Records of PRINTF, in order, from inside stop, drain, wait or poll; it
     * must not call back into the handle.  NULL: they stay in the log. */
    void (*log)(void *user, const struct vyre_log_record *record);
    void  *log_user;
    /* After a lost device was replaced, before work runs on the new one: the
     * place to fill user buffers again, with vyre_map, which is all of the
     * handle that it may call. */
    void (*recovered)(void *user, vyre *v);
    void  *recovered_user;
    vyre_logger    messages;
    vyre_allocator allocator;
    vyre_vulkan_desc vulkan;
} vyre_desc;

/* --- what a handle says of itself ---------------------------------------- */

/* What was measured on the device when the handle was opened. */
typedef struct vyre_probe {
    bool     ran;
    bool     live;            /* both directions proved: persistent mode works */
    bool     host_to_device;  /* a running kernel sees what the host writes */
    bool     device_to_host;  /* the host sees what a running kernel writes */
    bool     loop_limited;    /* the driver cuts loops, silently */
    bool     whole_lines;     /* it sees what the host stores as one line as a whole */
    bool     effects_first;   /* what an atomic did is there for the host before what the lane
                                 makes of its answer */
    uint32_t loop_limit;      /* after this many iterations; 0 = none found */
    uint32_t resident_groups; /* workgroups seen running at the same time; 0 = not measured */
    uint64_t round_trip_ns;   /* of the fastest echo; 0 = none came back */
    char     text[160];       /* the verdict in a line */
} vyre_probe;

typedef struct vyre_info {
    vyre_backend backend;
    vyre_mode    mode;            /* PERSISTENT or PASSES, what vyre_start gives */
    char         device[128];     /* name */
    char         driver[128];     /* name and version */
    char         why_cpu[160];    /* why AUTO took the CPU; empty otherwise */
    uint32_t     slot_count;
    uint32_t     workgroup_size;  /* of the looping kernel on this device */
    uint32_t     worker_groups;
    uint32_t     lane_count;      /* workgroup_size * worker_groups */
    uint32_t     tenants, observables, log_records;
    uint32_t     buffer_count;    /* the user's */
    uint64_t     program_hash;
    uint64_t     pipeline_id;     /* of program, device and driver; changes with a recovery */
    uint32_t     recoveries;
    bool         running;         /* started and not stopped */
    bool         shut_down;       /* by opcode SHUTDOWN: vyre_start goes on */
    bool         device_lost;     /* vyre_recover is needed */
    uint64_t     leases;          /* dispatches of the looping kernel so far */
    uint64_t     passes;          /* dispatches of the one-pass kernel */
    uint64_t     lease_ns;        /* duration of a lease as last seen; 0 = none has ended */
    uint32_t     lease_rounds;    /* 0 = endless */
    uint64_t     device_bytes;    /* of all buffers */
    uint64_t     log_dropped;     /* records that found the log full */
    vyre_probe   probe;
} vyre_info;

/* Upstream's statistics of one call: lengths and counts, and one time. */
typedef struct vyre_stats {
    uint64_t input_bytes, output_bytes, readback_bytes, bytes_moved;
    uint64_t device_allocation_bytes, device_allocation_events;
    uint64_t latency_ns;
    uint32_t output_buffers, resident_rows, resident_handles;
    uint32_t kernel_launches; /* backend calls: 1, or 2 after a recovery */
    uint32_t sync_points;
    bool     recovered;
    uint64_t done, faults;    /* ours: works that ended, counted */
} vyre_stats;

/* The four core buffers as bytes. */
typedef struct vyre_io_buffers {
    void *control; size_t control_size;
    void *ring;    size_t ring_size;
    void *log;     size_t log_size;
    void *io;      size_t io_size; /* NULL and 0: an empty queue of 64 slots */
} vyre_io_buffers;

/* Whether the backend was built in; AUTO: any. It says nothing of devices. */
VYRE_API bool vyre_backend_available(vyre_backend backend);
VYRE_API const char *vyre_backend_name(vyre_backend backend);

/* --- the handle ---------------------------------------------------------- */

/* NULL desc: the best backend, 256 slots.  NULL on failure. */
VYRE_API vyre *vyre_open(const vyre_desc *desc, vyre_error *err);
/* Stops a running kernel, waiting two seconds at most; what a device still
 * uses then is leaked rather than waited for.  NULL is allowed. */
VYRE_API void vyre_close(vyre *v);
VYRE_API void vyre_query(const vyre *v, vyre_info *out);

/* The kernel runs from here on.  Work that is already in the ring is served. */
VYRE_API vyre_status vyre_start(vyre *v, vyre_error *err);
/* Ends the kernel; work that it had claimed is finished first, other work
 * stays in the ring.  VYRE_TIMEOUT: it still runs; stop again, or close. */
VYRE_API vyre_status vyre_stop(vyre *v, uint64_t timeout_ns, vyre_error *err);

/* --- work ---------------------------------------------------------------- */

/* VYRE_FULL when no slot is free: poll or wait, and try again.  `ticket` may be NULL. */
VYRE_API vyre_status vyre_publish(vyre *v, const vyre_work *work, vyre_ticket *ticket,
                                  vyre_error *err);
/* Publishes works in order until the ring is full.  *published says how many,
 * *last is the ticket of the last one; both may be NULL.  VYRE_FULL when it
 * was not all of them.  All are checked before the first is published. */
VYRE_API vyre_status vyre_publish_many(vyre *v, const vyre_work *works, uint32_t count,
                                       uint32_t *published, vyre_ticket *last, vyre_error *err);
/* VYRE_OK, VYRE_PENDING, VYRE_E_FAULT, VYRE_E_LOST; VYRE_E_STALE when a later
 * fault in the same slot has replaced the outcome; VYRE_E_TICKET. */
VYRE_API vyre_status vyre_poll(vyre *v, vyre_ticket t);
/* As vyre_poll; waits for this work.  VYRE_TIMEOUT: it is still pending.  Of a
 * fault, err->native is the vyre_fault and err->at the slot. */
VYRE_API vyre_status vyre_wait(vyre *v, vyre_ticket t, uint64_t timeout_ns, vyre_error *err);
/* Waits until all work that was published before the call has ended.
 * VYRE_E_FAULT: it has, and works ended FAULT whose outcome nobody has asked for;
 * err->at is the slot of one of them, err->native its vyre_fault, and the text
 * says how many there are.  VYRE_E_LOST: none did, but works were lost with a
 * device.  The next drain does not tell of these again. */
VYRE_API vyre_status vyre_drain(vyre *v, uint64_t timeout_ns, vyre_error *err);
/* The slot's argument words after the run.  They are kept until the slot is
 * used again, after as many publishes as the ring has slots or more (where
 * several threads publish, a quarter of that: they have slots in hand); from
 * then on VYRE_E_STALE.  VYRE_PENDING: not finished yet. */
VYRE_API vyre_status vyre_result(vyre *v, vyre_ticket t, uint32_t args[12], vyre_error *err);

/* Runs works to their end, any number of them, through passes of its own or
 * the running kernel.  VYRE_E_FAULT: all have run and some ended FAULT;
 * err->at is the index of the first that was seen, *stats is filled in.
 * `stats` may be NULL. */
VYRE_API vyre_status vyre_run(vyre *v, const vyre_work *works, uint32_t count, vyre_stats *stats,
                              vyre_error *err);
/* One pass over the caller's bytes, in place.  The handle's own ring is not
 * touched; user buffers are shared.  VYRE_E_RUNNING while the kernel runs. */
VYRE_API vyre_status vyre_dispatch(vyre *v, const vyre_io_buffers *io, vyre_stats *stats,
                                   vyre_error *err);
/* `passes` passes over the handle's own buffers, where they are: nothing is
 * copied.  0 passes: success, all statistics zero. */
VYRE_API vyre_status vyre_dispatch_resident(vyre *v, uint32_t passes, vyre_stats *stats,
                                            vyre_error *err);
/* bytes per second, exact, saturated; 0 when `latency_ns` is 0. */
VYRE_API uint64_t vyre_stats_rate(uint64_t bytes, uint64_t latency_ns);

/* --- memory -------------------------------------------------------------- */

VYRE_API vyre_status vyre_observable(vyre *v, uint32_t index, uint32_t *out, vyre_error *err);
/* The user's buffer as the device sees it, by its index in kernel.buffers.
 * NULL when there is none.  Valid until vyre_recover or vyre_close.  It may be
 * slow to read. */
VYRE_API void *vyre_map(vyre *v, uint32_t user_buffer, size_t *size);
/* The handle's own core buffers, for programs that serve the IO queue or read
 * the control words themselves.  The ring is the handle's: to look at, not to
 * write or to cancel in.  Valid as vyre_map. */
VYRE_API vyre_status vyre_buffers(vyre *v, vyre_io_buffers *out, vyre_error *err);
/* Takes a tenant's authorisation, or gives it back, also while the kernel runs.
 * Slots of a tenant without it stay PUBLISHED. */
VYRE_API vyre_status vyre_tenant_enable(vyre *v, uint32_t tenant, bool enable, vyre_error *err);

/* --- trouble ------------------------------------------------------------- */

/* Replaces a lost device and all buffers; starts the kernel if it ran.  Control
 * words and user buffers start over.  Work that had not been seen to end is
 * reported lost or published again, as desc.lost_work says.  On a device that
 * is not lost it does nothing. */
VYRE_API vyre_status vyre_recover(vyre *v, vyre_error *err);

#ifdef VYRE_VULKAN_TYPES
/* Include vulkan.h or volk.h first. */
static inline void vyre_vulkan_use(vyre_vulkan_desc *desc, VkInstance instance,
                                   VkPhysicalDevice physical_device, VkDevice device,
                                   VkQueue queue, uint32_t queue_family)
{
    desc->instance = (void *)instance;
    desc->physical_device = (void *)physical_device;
    desc->device = (void *)device;
    desc->queue = (void *)queue;
    desc->queue_family = queue_family;
}

static inline void vyre_vulkan_use_loader(vyre_vulkan_desc *desc,
                                          PFN_vkGetInstanceProcAddr get_instance_proc_addr)
{
    desc->loader = (void (*)(void))get_instance_proc_addr;
}

static inline void vyre_vulkan_use_allocator(vyre_vulkan_desc *desc,
                                             const VkAllocationCallbacks *allocator)
{
    desc->allocator = allocator;
}
#endif

VYI_EXTERN_C_END

#endif
/* ==========================================================================
 * vulkan: the Vulkan backend
 *
 * Public.  It is built in when <volk.h> is on the include path, or when the
 * program has included Vulkan's own headers before.  Its options are
 * vyre_desc.vulkan; what it found out about the device is in vyre_query.
 *
 * A blob for vyre_vulkan_desc.cache is what cache_store was given in an
 * earlier run.  It is used only when program, device and driver are the same;
 * otherwise a message says why not.
 * ======================================================================= */
#ifndef VYI_VULKAN_H
#define VYI_VULKAN_H


#endif

#endif /* VYRE_H */

#if defined(VYRE_IMPLEMENTATION) && !defined(VYI_IMPLEMENTED)
#define VYI_IMPLEMENTED

/* ==========================================================================
 * base: implementation
 * ======================================================================= */
/* ==========================================================================
 * base: what the other fragments build on
 *
 * Private.  Errors with numbers in them, memory that says no, words that are
 * little-endian on every host, and four atomic helpers.  All of the library's
 * orderings go through those four, so that each can name its partner.
 * ======================================================================= */
#ifndef VYI_BASE_IMPL_H
#define VYI_BASE_IMPL_H


#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Private functions that one fragment offers to another.  In the single
 * header they are static; a fragment that is compiled alone sees them as
 * ordinary externals. */
#ifdef VYRE_IMPLEMENTATION
    #define VYI_API VYI_MAYBE_UNUSED static
#else
    #define VYI_API extern
#endif

VYI_EXTERN_C_BEGIN

/* --- errors -------------------------------------------------------------- */

/* Fills *err, when there is one, and returns `status`.  `fix` is a sentence
 * that says what to do; the rest is printf. */
VYI_API vyre_status vyi_fail(vyre_error *err, vyre_status status, uint64_t at,
                             const char *fix, const char *format, ...) VYI_PRINTF(5, 6);

/* The common case of an allocation of `size` bytes that failed. */
VYI_API vyre_status vyi_fail_nomem(vyre_error *err, size_t size);

/* --- sizes --------------------------------------------------------------- */

/* False when the result does not fit; *out is then untouched. */
VYI_API bool vyi_size_add(size_t a, size_t b, size_t *out);
VYI_API bool vyi_size_mul(size_t a, size_t b, size_t *out);

/* --- memory -------------------------------------------------------------- */

/* NULL when the allocator says no.  `allocator` may be NULL. */
VYI_API void *vyi_alloc(const vyre_allocator *allocator, size_t size);
VYI_API void *vyi_resize(const vyre_allocator *allocator, void *ptr, size_t old_size,
                         size_t new_size);
VYI_API void  vyi_free(const vyre_allocator *allocator, void *ptr, size_t size);

/* Grows *array, of *capacity elements of `element` bytes, so that it holds at
 * least `count`.  False when there is no memory; the array then is as before. */
VYI_API bool vyi_grow(const vyre_allocator *allocator, void **array, uint32_t *capacity,
                      uint32_t count, size_t element);

/* A growing chain of blocks that is freed as a whole.  Zero-initialise it,
 * apart from the allocator. */
typedef struct vyi_arena_block vyi_arena_block;
typedef struct vyi_arena {
    vyre_allocator   allocator;
    vyi_arena_block *last;
} vyi_arena;

/* Zeroed, 16-byte aligned; NULL when there is no memory. */
VYI_API void *vyi_arena_alloc(vyi_arena *arena, size_t size);
/* A copy of at most `limit` characters, always terminated; NULL reads as "". */
VYI_API const char *vyi_arena_text(vyi_arena *arena, const char *text, size_t limit);
VYI_API void vyi_arena_free(vyi_arena *arena);

/* --- messages ------------------------------------------------------------ */

VYI_API void vyi_message(const vyre_logger *logger, vyre_severity severity,
                         const char *format, ...) VYI_PRINTF(3, 4);

/* --- hash ---------------------------------------------------------------- */

#define VYI_HASH_SEED 0xcbf29ce484222325ull

/* FNV-1a, 64 bit.  Start from VYI_HASH_SEED; chain calls through `hash`. */
VYI_API uint64_t vyi_hash(uint64_t hash, const void *bytes, size_t size);

/* --- words --------------------------------------------------------------- */

/* Little-endian words at any address. */
static inline uint32_t vyi_get32(const void *at)
{
    const uint8_t *b = (const uint8_t *)at;
    return (uint32_t)b[0] | ((uint32_t)b[1] << 8) | ((uint32_t)b[2] << 16) | ((uint32_t)b[3] << 24);
}

static inline void vyi_put32(void *at, uint32_t value)
{
    uint8_t *b = (uint8_t *)at;
    b[0] = (uint8_t)value;
    b[1] = (uint8_t)(value >> 8);
    b[2] = (uint8_t)(value >> 16);
    b[3] = (uint8_t)(value >> 24);
}

/* Word `index` of a buffer of words. */
static inline uint32_t vyi_word(const void *base, size_t index)
{
    return vyi_get32((const uint8_t *)base + 4 * index);
}

static inline void vyi_set_word(void *base, size_t index, uint32_t value)
{
    vyi_put32((uint8_t *)base + 4 * index, value);
}

/* --- atomics ------------------------------------------------------------- */

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    #define VYI_BIG_ENDIAN 1
#else
    #define VYI_BIG_ENDIAN 0
#endif

/* Between a little-endian word in memory and the host's own number. */
static inline uint32_t vyi_le32(uint32_t value)
{
#if VYI_BIG_ENDIAN
    return (value >> 24) | ((value >> 8) & 0xff00u) | ((value << 8) & 0xff0000u) | (value << 24);
#else
    return value;
#endif
}

/* Only a word on a 4-byte boundary can be accessed atomically. */
static inline bool vyi_aligned4(const void *at)
{
    return ((uintptr_t)at & 3u) == 0;
}

#if defined(_MSC_VER) && !defined(__clang__)
    #include <intrin.h>
#endif

/* The four helpers work on the host's own numbers; for a word on the wire the
 * caller wraps them in vyi_le32. `at` is 4-byte aligned. */

/* What was written before the matching vyi_store_release is seen after it. */
static inline uint32_t vyi_load_acquire(const void *at)
{
#if defined(_MSC_VER) && !defined(__clang__)
    uint32_t value = *(const volatile uint32_t *)at;
    _ReadWriteBarrier();
    #if defined(_M_ARM64)
    __dmb(_ARM64_BARRIER_ISH);
    #endif
    return value;
#else
    return __atomic_load_n((const uint32_t *)at, __ATOMIC_ACQUIRE);
#endif
}

/* What was written before is seen by whoever acquires this value. */
static inline void vyi_store_release(void *at, uint32_t value)
{
#if defined(_MSC_VER) && !defined(__clang__)
    #if defined(_M_ARM64)
    __dmb(_ARM64_BARRIER_ISH);
    #endif
    _ReadWriteBarrier();
    *(volatile uint32_t *)at = value;
#else
    __atomic_store_n((uint32_t *)at, value, __ATOMIC_RELEASE);
#endif
}

/* Stores `desired` if the word holds `expected`; returns what it held.
 * Acquire and release. */
static inline uint32_t vyi_compare_exchange(void *at, uint32_t expected, uint32_t desired)
{
#if defined(_MSC_VER) && !defined(__clang__)
    return (uint32_t)_InterlockedCompareExchange((volatile long *)at, (long)desired,
                                                 (long)expected);
#else
    __atomic_compare_exchange_n((uint32_t *)at, &expected, desired, false, __ATOMIC_ACQ_REL,
                                __ATOMIC_ACQUIRE);
    return expected;
#endif
}

/* Adds and returns the value before.  Acquire and release. */
static inline uint32_t vyi_fetch_add(void *at, uint32_t value)
{
#if defined(_MSC_VER) && !defined(__clang__)
    return (uint32_t)_InterlockedExchangeAdd((volatile long *)at, (long)value);
#else
    return __atomic_fetch_add((uint32_t *)at, value, __ATOMIC_ACQ_REL);
#endif
}

/* Atomic, and nothing else. */
static inline uint32_t vyi_load_relaxed(const void *at)
{
#if defined(_MSC_VER) && !defined(__clang__)
    return *(const volatile uint32_t *)at;
#else
    return __atomic_load_n((const uint32_t *)at, __ATOMIC_RELAXED);
#endif
}

static inline void vyi_store_relaxed(void *at, uint32_t value)
{
#if defined(_MSC_VER) && !defined(__clang__)
    *(volatile uint32_t *)at = value;
#else
    __atomic_store_n((uint32_t *)at, value, __ATOMIC_RELAXED);
#endif
}

/* Device memory is mapped write-combined, where a release store of the CPU
 * does not order the plain stores before it.  This does, and sends them on
 * their way. */
static inline void vyi_fence_stores(void)
{
#if defined(_MSC_VER) && !defined(__clang__)
    #if defined(_M_X64) || defined(_M_IX86)
    _mm_sfence();
    #else
    __dmb(_ARM64_BARRIER_OSHST);
    #endif
#elif defined(__SSE__)
    __builtin_ia32_sfence();
#elif defined(__aarch64__)
    __asm__ volatile("dmb oshst" ::: "memory");
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* --- lines: 64 bytes that are composed, and stored as one ------------------ */

#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
    #include <cpuid.h>

    #define VYI_QUADS 1
typedef uint32_t vyi_quad __attribute__((vector_size(16), aligned(4), may_alias));
typedef struct vyi_line { vyi_quad quads[4]; } vyi_line;

/* Four words, and those bits of four words that `keep` has. */
static inline vyi_quad vyi_quad_of(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    const vyi_quad quad = { a, b, c, d };
    return quad;
}

static inline vyi_quad vyi_quad_keep(const uint32_t *from, const uint32_t *keep)
{
    return *(const vyi_quad *)from & *(const vyi_quad *)keep;
}

/* `bad`, with a highest bit where one of four words is over its limit; limits are
 * below 2^31. */
static inline vyi_quad vyi_quad_over(vyi_quad bad, const uint32_t *from, vyi_quad limits)
{
    const vyi_quad quad = *(const vyi_quad *)from;
    return bad | quad | (limits - quad);
}

/* The highest bits of the four. */
static inline uint32_t vyi_quad_signs(vyi_quad quad)
{
    typedef float floats __attribute__((vector_size(16)));
    return (uint32_t)__builtin_ia32_movmskps((floats)quad);
}

/* Four words that other threads look at, 16-byte aligned; the store is a release.
 * A CPU with AVX promises that each is one access; on others lines are not stored. */
static inline vyi_quad vyi_quad_load(const uint32_t *at)
{
    vyi_quad quad;
    __asm__ volatile("movdqa {%1, %0|%0, %1}" : "=x"(quad) : "m"(*(const vyi_quad *)at));
    return quad;
}

static inline void vyi_quad_store(uint32_t *at, vyi_quad quad)
{
    __asm__ volatile("movdqa {%1, %0|%0, %1}" : "=m"(*(vyi_quad *)at) : "x"(quad) : "memory");
}

/* A line in one register.  The store of a line takes its words from memory, and
 * what was written there in pieces it gets only when all of them have arrived in
 * the cache, behind every store before them; what one store wrote is handed on.
 * Not on Windows, where gcc does not align a stack for it. */
    #if !defined(_WIN32) && !defined(__CYGWIN__)
        #define VYI_WIDE 1
        #define VYI_WIDE_FN __attribute__((target("avx512f")))
        #define VYI_LINE_ALIGNED __attribute__((aligned(64))) /* else two stores write it */
typedef uint32_t vyi_wide __attribute__((vector_size(64), aligned(4), may_alias));

/* Whether this CPU has it, and the system keeps its registers: AVX-512F. */
static inline bool vyi_has_wide(void)
{
    unsigned a, b = 0, c = 0, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1u)) /* XGETBV */
        return false;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b >> 16 & 1u))
        return false;
    __asm__ volatile(".byte 0x0f, 0x01, 0xd0" /* xgetbv */ : "=a"(a), "=d"(d) : "c"(0));
    return (a & 0xe6u) == 0xe6u;
}

/* Those bits of 16 words that `keep` has, but `head` for the first four. */
VYI_WIDE_FN
static inline void vyi_wide_compose(vyi_line *line, vyi_quad head, const uint32_t *from,
                                    const uint32_t *keep)
{
    vyi_wide words = *(const vyi_wide *)from & *(const vyi_wide *)keep;
    __asm__("vinserti32x4 {$0, %1, %0, %0|%0, %0, %1, 0}" : "+v"(words) : "v"(head));
    *(vyi_wide *)line = words;
}

/* Behind the last of them: what uses the lower parts of the registers next is slow
 * as long as the upper ones are in use, and gcc sees to that at -O2 only. */
VYI_WIDE_FN
static inline void vyi_wide_end(void)
{
    __builtin_ia32_vzeroupper();
}
    #endif
#else
    #define VYI_QUADS 0
typedef struct vyi_quad { uint32_t words[4]; } vyi_quad;
typedef struct vyi_line { vyi_quad quads[4]; } vyi_line;

static inline vyi_quad vyi_quad_of(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    vyi_quad quad;
    quad.words[0] = a, quad.words[1] = b, quad.words[2] = c, quad.words[3] = d;
    return quad;
}

static inline vyi_quad vyi_quad_keep(const uint32_t *from, const uint32_t *keep)
{
    return vyi_quad_of(from[0] & keep[0], from[1] & keep[1], from[2] & keep[2],
                       from[3] & keep[3]);
}

static inline vyi_quad vyi_quad_over(vyi_quad bad, const uint32_t *from, vyi_quad limits)
{
    for (uint32_t i = 0; i < 4; i++)
        bad.words[i] |= from[i] | (limits.words[i] - from[i]);
    return bad;
}

static inline uint32_t vyi_quad_signs(vyi_quad quad)
{
    uint32_t signs = 0;
    for (uint32_t i = 0; i < 4; i++)
        signs |= quad.words[i] >> 31 << i;
    return signs;
}
#endif

/* A store of 64 bytes that leaves the CPU as one: memory sees all of them at
 * once.  It is in no order with other stores; a fence ahead of it makes those
 * before come first. */
#ifdef VYI_LINES_BY_WORDS /* tests of what publishes by lines, on any CPU */
static inline bool vyi_has_store_line(void)
{
    return true;
}

static inline void vyi_store_line(void *at, const vyi_line *line)
{
    uint32_t words[16];
    memcpy(words, line, sizeof words);
    for (uint32_t i = 15; i > 0; i--)
        vyi_store_relaxed((uint32_t *)at + i, words[i]);
    vyi_store_release((uint32_t *)at, words[0]);
}
#elif VYI_QUADS
/* Whether this CPU has it: MOVDIR64B.  And AVX, for vyi_quad_load: Tremont has the
 * one without the other. */
static inline bool vyi_has_store_line(void)
{
    unsigned a, b, c = 0, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 28 & 1u))
        return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c >> 28 & 1u);
}

/* `at` is 64-byte aligned. */
static inline void vyi_store_line(void *at, const vyi_line *line)
{
    __asm__ volatile(".byte 0x66, 0x0f, 0x38, 0xf8, 0x02" /* movdir64b (%rdx), %rax */
                     : "=m"(*(vyi_line *)at)
                     : "m"(*line), "a"(at), "d"(line));
}
#else
static inline bool vyi_has_store_line(void)
{
    return false;
}

static inline void vyi_store_line(void *at, const vyi_line *line)
{
    (void)at, (void)line;
}
#endif

#ifndef VYI_WIDE
    #define VYI_WIDE 0
static inline bool vyi_has_wide(void)
{
    return false;
}
#endif

VYI_EXTERN_C_END

#endif

/* Tests define VYI_ON_FAIL(status) to learn which statuses are produced. */

/* --- statuses ------------------------------------------------------------ */

typedef struct vyi_status_entry {
    vyre_status status;
    const char *name;
    const char *text;
} vyi_status_entry;

static const vyi_status_entry *vyi_status_find(vyre_status status)
{
    static const vyi_status_entry table[] = {
#define VYI_STATUS_ENTRY(name, number, text) { VYRE_##name, #name, text },
        VYRE_STATUS_LIST(VYI_STATUS_ENTRY)
#undef VYI_STATUS_ENTRY
    };
    static const vyi_status_entry unknown = { VYRE_OK, "UNKNOWN", "unknown status" };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].status == status)
            return &table[i];
    }
    return &unknown;
}

VYI_COLD
VYRE_API const char *vyre_status_text(vyre_status status)
{
    return vyi_status_find(status)->text;
}

VYI_COLD
VYRE_API const char *vyre_status_name(vyre_status status)
{
    return vyi_status_find(status)->name;
}

VYRE_API uint32_t vyre_version(void)
{
    return VYRE_VERSION;
}

/* --- errors -------------------------------------------------------------- */

VYI_COLD
VYI_API vyre_status vyi_fail(vyre_error *err, vyre_status status, uint64_t at,
                             const char *fix, const char *format, ...)
{
#ifdef VYI_ON_FAIL
    VYI_ON_FAIL(status);
#endif
    if (!err)
        return status;

    va_list arguments;
    va_start(arguments, format);
    memset(err, 0, sizeof *err);
    err->status = status;
    err->at = at;
    vsnprintf(err->text, sizeof err->text, format, arguments);
    snprintf(err->fix, sizeof err->fix, "%s", fix);
    va_end(arguments);
    return status;
}

VYI_COLD
VYI_OUTLINE
VYI_API vyre_status vyi_fail_nomem(vyre_error *err, size_t size)
{
    return vyi_fail(err, VYRE_E_NOMEM, size, "Free memory, or pass an allocator that has more.",
                    "the allocator returned no memory for %llu bytes", (unsigned long long)size);
}

/* --- sizes --------------------------------------------------------------- */

VYI_API bool vyi_size_add(size_t a, size_t b, size_t *out)
{
    if (a > SIZE_MAX - b)
        return false;
    *out = a + b;
    return true;
}

VYI_API bool vyi_size_mul(size_t a, size_t b, size_t *out)
{
    if (b != 0 && a > SIZE_MAX / b)
        return false;
    *out = a * b;
    return true;
}

/* --- memory -------------------------------------------------------------- */

VYI_OUTLINE VYI_API void *vyi_resize(const vyre_allocator *allocator, void *ptr, size_t old_size,
                         size_t new_size)
{
    if (allocator && allocator->resize)
        return allocator->resize(allocator->user, ptr, old_size, new_size);
    if (new_size == 0) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, new_size);
}

VYI_API void *vyi_alloc(const vyre_allocator *allocator, size_t size)
{
    return vyi_resize(allocator, NULL, 0, size);
}

VYI_OUTLINE
VYI_API void vyi_free(const vyre_allocator *allocator, void *ptr, size_t size)
{
    if (ptr)
        (void)vyi_resize(allocator, ptr, size, 0);
}

VYI_API bool vyi_grow(const vyre_allocator *allocator, void **array, uint32_t *capacity,
                      uint32_t count, size_t element)
{
    if (count <= *capacity)
        return true;

    uint32_t wanted = *capacity < 16 ? 16 : *capacity;
    while (wanted < count)
        wanted = wanted > UINT32_MAX / 2 ? UINT32_MAX : wanted * 2;

    size_t size;
    if (!vyi_size_mul(wanted, element, &size))
        return false;
    void *grown = vyi_resize(allocator, *array, (size_t)*capacity * element, size);
    if (!grown)
        return false;
    *array = grown;
    *capacity = wanted;
    return true;
}

#define VYI_ARENA_BLOCK ((size_t)4096)

struct vyi_arena_block {
    vyi_arena_block *before;
    size_t           size; /* of the whole block, this header included */
    size_t           used; /* likewise */
    size_t           padding;
};

#define VYI_ARENA_HEADER ((sizeof(vyi_arena_block) + 15) & ~(size_t)15)

static bool vyi_arena_add_block(vyi_arena *arena, size_t payload)
{
    size_t size;
    if (!vyi_size_add(payload, VYI_ARENA_HEADER, &size))
        return false;
    if (size < VYI_ARENA_BLOCK)
        size = VYI_ARENA_BLOCK;

    vyi_arena_block *block = (vyi_arena_block *)vyi_alloc(&arena->allocator, size);
    if (!block)
        return false;
    block->before = arena->last;
    block->size = size;
    block->used = VYI_ARENA_HEADER;
    arena->last = block;
    return true;
}

VYI_API void *vyi_arena_alloc(vyi_arena *arena, size_t size)
{
    if (size > SIZE_MAX - 15)
        return NULL;
    size = (size + 15) & ~(size_t)15;

    if (!arena->last || arena->last->size - arena->last->used < size) {
        if (!vyi_arena_add_block(arena, size))
            return NULL;
    }
    void *at = (uint8_t *)arena->last + arena->last->used;
    arena->last->used += size;
    return memset(at, 0, size);
}

VYI_API const char *vyi_arena_text(vyi_arena *arena, const char *text, size_t limit)
{
    size_t length = 0;
    while (text && length < limit && text[length])
        length++;

    char *copy = (char *)vyi_arena_alloc(arena, length + 1);
    if (copy && length)
        memcpy(copy, text, length);
    return copy;
}

VYI_API void vyi_arena_free(vyi_arena *arena)
{
    vyi_arena_block *block = arena->last;
    while (block) {
        vyi_arena_block *before = block->before;
        vyi_free(&arena->allocator, block, block->size);
        block = before;
    }
    arena->last = NULL;
}

/* --- messages ------------------------------------------------------------ */

VYI_COLD
VYI_API void vyi_message(const vyre_logger *logger, vyre_severity severity,
                         const char *format, ...)
{
    if (!logger || !logger->message)
        return;

    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    logger->message(logger->user, severity, text);
}

/* --- hash ---------------------------------------------------------------- */

VYI_API uint64_t vyi_hash(uint64_t hash, const void *bytes, size_t size)
{
    const uint8_t *b = (const uint8_t *)bytes;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ b[i]) * 0x100000001b3ull;
    return hash;
}
/* ==========================================================================
 * wire: implementation
 * ======================================================================= */
/* ==========================================================================
 * wire: words that host and device share while both run
 *
 * Private.  Word `index` of a buffer of little-endian words.  On a 4-byte
 * boundary every access is atomic; elsewhere it is made of bytes, which is
 * right for a buffer that nobody else uses at the time.
 *
 * The payload of a slot is written with vyi_wire_put, then comes
 * vyi_fence_stores, then the status with vyi_wire_store.  Whoever sees the
 * status through vyi_wire_load or vyi_wire_swap sees the payload.
 * ======================================================================= */
#ifndef VYI_WIRE_IMPL_H
#define VYI_WIRE_IMPL_H


VYI_EXTERN_C_BEGIN

static inline const uint8_t *vyi_wire_at(const void *base, size_t index)
{
    return (const uint8_t *)base + 4 * index;
}

static inline uint8_t *vyi_wire_edit(void *base, size_t index)
{
    return (uint8_t *)base + 4 * index;
}

/* Acquire: pairs with vyi_wire_store, or with the device's release. */
static inline uint32_t vyi_wire_load(const void *base, size_t index)
{
    const uint8_t *at = vyi_wire_at(base, index);
    return vyi_aligned4(at) ? vyi_le32(vyi_load_acquire(at)) : vyi_get32(at);
}

/* Release: pairs with vyi_wire_load and vyi_wire_swap, or with the device's
 * acquire. */
static inline void vyi_wire_store(void *base, size_t index, uint32_t value)
{
    uint8_t *at = vyi_wire_edit(base, index);
    if (vyi_aligned4(at))
        vyi_store_release(at, vyi_le32(value));
    else
        vyi_put32(at, value);
}

/* Relaxed: ordered by the load or store of a status next to it. */
static inline uint32_t vyi_wire_get(const void *base, size_t index)
{
    const uint8_t *at = vyi_wire_at(base, index);
    return vyi_aligned4(at) ? vyi_le32(vyi_load_relaxed(at)) : vyi_get32(at);
}

static inline void vyi_wire_put(void *base, size_t index, uint32_t value)
{
    uint8_t *at = vyi_wire_edit(base, index);
    if (vyi_aligned4(at))
        vyi_store_relaxed(at, vyi_le32(value));
    else
        vyi_put32(at, value);
}

/* Stores `desired` if the word holds `expected`; returns what it held.
 * Acquire and release: pairs with either side's status stores. */
static inline uint32_t vyi_wire_swap(void *base, size_t index, uint32_t expected, uint32_t desired)
{
    uint8_t *at = vyi_wire_edit(base, index);
    if (vyi_aligned4(at))
        return vyi_le32(vyi_compare_exchange(at, vyi_le32(expected), vyi_le32(desired)));

    uint32_t held = vyi_get32(at);
    if (held == expected)
        vyi_put32(at, desired);
    return held;
}

#define VYI_PRIORITY_NO_WIRE 0xffffffffu

static inline uint32_t vyi_priority_wire(vyre_priority priority)
{
    static const uint8_t wire[VYRE_PRIORITY_LEVELS] = { 2, 0, 1, 3, 4 };
    return (uint32_t)priority < VYRE_PRIORITY_LEVELS ? wire[priority] : VYI_PRIORITY_NO_WIRE;
}

static inline vyre_priority vyi_priority_of(uint32_t wire)
{
    static const uint8_t priority[VYRE_PRIORITY_LEVELS] = {
        VYRE_PRIORITY_CRITICAL, VYRE_PRIORITY_HIGH, VYRE_PRIORITY_NORMAL,
        VYRE_PRIORITY_LOW, VYRE_PRIORITY_IDLE
    };
    return wire < VYRE_PRIORITY_LEVELS ? (vyre_priority)priority[wire] : VYRE_PRIORITY_UNKNOWN;
}

static inline vyre_slot_state vyi_slot_state_of(uint32_t status)
{
    return status < VYRE_SLOT_UNKNOWN ? (vyre_slot_state)status : VYRE_SLOT_UNKNOWN;
}

/* NULL is a buffer of no bytes. */
VYI_API vyre_status vyi_wire_pointer(const void *at, size_t size, const char *what,
                                     vyre_error *err);
/* The ring's length and the slot's place in it. */
VYI_API vyre_status vyi_ring_slot(const void *ring, size_t size, uint32_t slot, vyre_error *err);
/* The memory that a ring of so many slots is written to. */
VYI_API vyre_status vyi_ring_room(const void *dst, size_t size, uint32_t slots, vyre_error *err);
VYI_API vyre_status vyi_ring_length(const void *ring, size_t size, vyre_error *err);

VYI_EXTERN_C_END

#endif

VYI_STATIC_ASSERT(wire_masks_before_quotas,
                  VYRE_CONTROL_TENANT_MASKS + VYRE_MAX_TENANTS == VYRE_CONTROL_TENANT_QUOTAS);
VYI_STATIC_ASSERT(wire_quotas_before_fairness,
                  VYRE_CONTROL_TENANT_QUOTAS + VYRE_TENANT_QUOTAS == VYRE_CONTROL_TENANT_FAIRNESS);
VYI_STATIC_ASSERT(wire_metrics_before_epoch,
                  VYRE_CONTROL_METRICS + VYRE_METRICS == VYRE_CONTROL_EPOCH);
VYI_STATIC_ASSERT(wire_offsets_before_starvation,
                  VYRE_CONTROL_PRIORITY_OFFSETS + VYRE_PRIORITY_LEVELS + 1 ==
                      VYRE_CONTROL_STARVATION);
VYI_STATIC_ASSERT(wire_header_before_observables,
                  VYRE_CONTROL_MIN_WORDS == VYRE_CONTROL_OBSERVABLES);
VYI_STATIC_ASSERT(wire_slot_bytes, VYRE_SLOT_BYTES == 4 * VYRE_SLOT_WORDS);
VYI_STATIC_ASSERT(wire_slot_args, VYRE_SLOT_ARGS + VYRE_MAX_ARGS == VYRE_SLOT_WORDS);
VYI_STATIC_ASSERT(wire_io_slot_bytes, VYRE_IO_SLOT_BYTES == 4 * VYRE_IO_SLOT_WORDS);

/* --- opcodes ------------------------------------------------------------- */

#define VYI_OPCODE_RESERVED_FIRST 0x0000fff0u
#define VYI_OPCODE_RESERVED_LAST  0x0000ffffu
#define VYI_OPCODE_SYSTEM         0x80000000u

VYRE_API bool vyre_opcode_is_builtin(uint32_t op)
{
    return op < VYRE_OP_USER || op == VYRE_OP_PACKED_SLOT || op == VYRE_OP_PRINTF ||
           op == VYRE_OP_SHUTDOWN;
}

VYRE_API bool vyre_opcode_is_user(uint32_t op)
{
    if (op < VYRE_OP_USER || (op & VYI_OPCODE_SYSTEM))
        return false;
    return op < VYI_OPCODE_RESERVED_FIRST || op > VYI_OPCODE_RESERVED_LAST;
}

VYRE_API bool vyre_opcode_publishable(uint32_t op)
{
    return vyre_opcode_is_builtin(op) || vyre_opcode_is_user(op);
}

VYI_COLD
VYRE_API const char *vyre_opcode_name(uint32_t op)
{
    switch (op) {
#define VYI_OPCODE_CASE(name, number, text) case number: return #name;
    VYRE_OPCODE_LIST(VYI_OPCODE_CASE)
#undef VYI_OPCODE_CASE
    default: return vyre_opcode_is_user(op) ? "USER" : "RESERVED";
    }
}

VYI_COLD
VYRE_API const char *vyre_slot_state_name(vyre_slot_state state)
{
    static const char *const names[] = {
        "EMPTY", "PUBLISHED", "CLAIMED", "DONE", "WAIT_IO", "YIELD", "REQUEUE", "FAULT"
    };
    return (uint32_t)state < VYRE_SLOT_UNKNOWN ? names[state] : "UNKNOWN";
}

/* --- shared checks ------------------------------------------------------- */

VYI_API vyre_status vyi_wire_pointer(const void *at, size_t size, const char *what,
                                     vyre_error *err)
{
    if (at || size == 0)
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass the memory that the length speaks of.",
                    "%s is NULL with a length of %llu bytes", what, (unsigned long long)size);
}

static vyre_status vyi_wire_no_out(const char *what, vyre_error *err)
{
    return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass the address of a variable of yours.",
                    "%s is NULL", what);
}

/* The memory that an encoder writes `needed` bytes to. */
static vyre_status vyi_wire_room(const void *dst, size_t size, size_t needed, const char *what,
                                 vyre_error *err)
{
    if (size < needed)
        return vyi_fail(err, VYRE_E_SPACE, needed, "Ask the matching size function, and pass that.",
                        "%s needs %llu bytes, not %llu", what, (unsigned long long)needed,
                        (unsigned long long)size);
    return needed ? vyi_wire_pointer(dst, size, what, err) : VYRE_OK;
}

static vyre_status vyi_wire_over_cap(uint32_t count, uint32_t cap, const char *what,
                                     vyre_error *err)
{
    return vyi_fail(err, VYRE_E_OVF, count, "Ask for less, or split the work over several.",
                    "%u %s exceed the encoder's cap of %u", (unsigned)count, what, (unsigned)cap);
}

static vyre_status vyi_wire_misaligned(size_t size, unsigned unit, const char *what,
                                       vyre_error *err)
{
    return vyi_fail(err, VYRE_E_MISALIGN, size, "Pass the whole buffer, not a part of it.",
                    "%s of %llu bytes is no multiple of %u bytes", what,
                    (unsigned long long)size, unit);
}

static vyre_status vyi_wire_missing(size_t size, uint64_t word, const char *what, vyre_error *err)
{
    return vyi_fail(err, VYRE_E_MISSING, word, "Pass the whole buffer, and check the index.",
                    "word %llu lies outside the %s of %llu bytes", (unsigned long long)word, what,
                    (unsigned long long)size);
}

/* Bytes of `words` 32-bit words; 0 when a length cannot hold them. */
static size_t vyi_wire_bytes(uint64_t words)
{
    return words <= UINT32_MAX && words <= SIZE_MAX / 4 ? (size_t)words * 4 : 0;
}

/* --- control ------------------------------------------------------------- */

VYRE_API size_t vyre_control_size(uint32_t observables)
{
    return vyi_wire_bytes((uint64_t)VYRE_CONTROL_OBSERVABLES + observables);
}

static void vyi_control_fill(void *dst, uint32_t first, uint32_t limit, uint32_t count,
                             uint32_t value)
{
    for (uint32_t i = 0; i < count && first + i < limit; i++)
        vyi_set_word(dst, first + i, value);
}

VYI_COLD
VYRE_API vyre_status vyre_control_encode(void *dst, size_t size, const vyre_control_desc *desc,
                                         vyre_error *err)
{
    if (!desc)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass a zero-initialised vyre_control_desc.",
                        "the description of the control buffer is NULL");
    if (desc->observables > VYRE_MAX_OBSERVABLES)
        return vyi_wire_over_cap(desc->observables, VYRE_MAX_OBSERVABLES, "observables", err);

    size_t needed = vyre_control_size(desc->observables);
    vyre_status status = vyi_wire_room(dst, size, needed, "the control buffer", err);
    if (status < 0)
        return status;

    memset(dst, 0, needed);
    vyi_set_word(dst, VYRE_CONTROL_SHUTDOWN, desc->shutdown ? 1 : 0);
    vyi_set_word(dst, VYRE_CONTROL_TENANT_BASE, VYRE_CONTROL_TENANT_MASKS);
    vyi_control_fill(dst, VYRE_CONTROL_TENANT_MASKS, VYRE_CONTROL_TENANT_QUOTAS, desc->tenants,
                     0xffffffffu);
    vyi_control_fill(dst, VYRE_CONTROL_TENANT_QUOTAS, VYRE_CONTROL_TENANT_FAIRNESS, desc->tenants,
                     VYRE_TENANT_QUOTA_DEFAULT);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_control_check(const void *src, size_t size, vyre_error *err)
{
    vyre_status status = vyi_wire_pointer(src, size, "the control buffer", err);
    if (status < 0)
        return status;
    if (size >= 4 * VYRE_CONTROL_MIN_WORDS && size % 4 == 0)
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_CONTROL_SHAPE, size, "Pass vyre_control_size() bytes.",
                    "a control buffer has whole words and at least %u bytes, not %llu",
                    4 * VYRE_CONTROL_MIN_WORDS, (unsigned long long)size);
}

static vyre_status vyi_control_verify_offsets(const void *src, uint32_t slots, vyre_error *err)
{
    uint32_t before = 0;
    for (uint32_t level = 0; level <= VYRE_PRIORITY_LEVELS; level++) {
        uint32_t word = VYRE_CONTROL_PRIORITY_OFFSETS + level;
        uint32_t start = vyi_wire_load(src, word);
        if (start < before || start > slots)
            return vyi_fail(err, VYRE_E_CONTROL_SHAPE, word,
                            "Call vyre_priority_write() with the ring's slot count.",
                            "priority offset %u is %u, after %u, with %u slots", (unsigned)level,
                            (unsigned)start, (unsigned)before, (unsigned)slots);
        before = start;
    }
    return VYRE_OK;
}

VYI_COLD
VYRE_API vyre_status vyre_control_verify(const void *src, size_t size, uint32_t slots,
                                         vyre_error *err)
{
    vyre_status status = vyre_control_check(src, size, err);
    if (status < 0)
        return status;
    uint32_t base = vyi_wire_load(src, VYRE_CONTROL_TENANT_BASE);
    if (base != VYRE_CONTROL_TENANT_MASKS)
        return vyi_fail(err, VYRE_E_CONTROL_SHAPE, VYRE_CONTROL_TENANT_BASE,
                        "Encode the control buffer again; something wrote over it.",
                        "the tenant base is %u, not %u", (unsigned)base,
                        VYRE_CONTROL_TENANT_MASKS);
    return vyi_control_verify_offsets(src, slots, err);
}

static vyre_status vyi_control_word(const void *src, size_t size, uint32_t word, uint32_t *out,
                                    vyre_error *err)
{
    if (!out)
        return vyi_wire_no_out("the result", err);
    vyre_status status = vyi_wire_pointer(src, size, "the control buffer", err);
    if (status < 0)
        return status;
    if (size % 4)
        return vyi_wire_misaligned(size, 4, "a control buffer", err);
    if (word >= size / 4)
        return vyi_wire_missing(size, word, "control buffer", err);
    *out = vyi_wire_load(src, word);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_control_done_count(const void *src, size_t size, uint32_t *out,
                                             vyre_error *err)
{
    return vyi_control_word(src, size, VYRE_CONTROL_DONE_COUNT, out, err);
}

VYRE_API vyre_status vyre_control_fault_count(const void *src, size_t size, uint32_t *out,
                                              vyre_error *err)
{
    return vyi_control_word(src, size, VYRE_CONTROL_FAULT_COUNT, out, err);
}

VYRE_API vyre_status vyre_control_epoch(const void *src, size_t size, uint32_t *out,
                                        vyre_error *err)
{
    return vyi_control_word(src, size, VYRE_CONTROL_EPOCH, out, err);
}

VYRE_API vyre_status vyre_control_observable(const void *src, size_t size, uint32_t index,
                                             uint32_t *out, vyre_error *err)
{
    if (index > UINT32_MAX - VYRE_CONTROL_OBSERVABLES)
        return vyi_fail(err, VYRE_E_OVF, index, "Pass an index below the number of observables.",
                        "observable %u has no 32-bit word index", (unsigned)index);
    return vyi_control_word(src, size, VYRE_CONTROL_OBSERVABLES + index, out, err);
}

VYI_COLD
VYRE_API vyre_status vyre_control_metrics(const void *src, size_t size, uint32_t out[VYRE_METRICS],
                                          vyre_error *err)
{
    if (!out)
        return vyi_wire_no_out("the array of metrics", err);
    vyre_status status = vyi_wire_pointer(src, size, "the control buffer", err);
    if (status < 0)
        return status;
    if (size % 4)
        return vyi_wire_misaligned(size, 4, "a control buffer", err);
    size_t words = size / 4;
    if (words < VYRE_CONTROL_METRICS + VYRE_METRICS)
        return vyi_wire_missing(size, words < VYRE_CONTROL_METRICS ? VYRE_CONTROL_METRICS : words,
                                "control buffer", err);
    for (uint32_t i = 0; i < VYRE_METRICS; i++)
        out[i] = vyi_wire_load(src, VYRE_CONTROL_METRICS + i);
    return VYRE_OK;
}

/* --- ring ---------------------------------------------------------------- */

VYRE_API size_t vyre_ring_size(uint32_t slots)
{
    return vyi_wire_bytes((uint64_t)slots * VYRE_SLOT_WORDS);
}

VYI_API vyre_status vyi_ring_room(const void *dst, size_t size, uint32_t slots, vyre_error *err)
{
    if (slots > VYRE_MAX_SLOTS)
        return vyi_wire_over_cap(slots, VYRE_MAX_SLOTS, "slots", err);
    return vyi_wire_room(dst, size, vyre_ring_size(slots), "the ring", err);
}

VYI_COLD
VYRE_API vyre_status vyre_ring_encode(void *dst, size_t size, uint32_t slots, vyre_error *err)
{
    vyre_status status = vyi_ring_room(dst, size, slots, err);
    if (status >= 0 && slots)
        memset(dst, 0, vyre_ring_size(slots));
    return status;
}

VYRE_API vyre_status vyre_ring_check(const void *src, size_t size, uint32_t slots, vyre_error *err)
{
    vyre_status status = vyi_wire_pointer(src, size, "the ring", err);
    if (status < 0)
        return status;
    if (size == (uint64_t)slots * VYRE_SLOT_BYTES)
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_RING_SHAPE, size, "Pass vyre_ring_size() bytes.",
                    "a ring of %u slots has %llu bytes, not %llu", (unsigned)slots,
                    (unsigned long long)slots * VYRE_SLOT_BYTES, (unsigned long long)size);
}

VYRE_API vyre_status vyre_slot_word(uint32_t slot, uint32_t word, uint32_t *out, vyre_error *err)
{
    if (!out)
        return vyi_wire_no_out("the word index", err);
    if (word >= VYRE_SLOT_WORDS || slot > UINT32_MAX / VYRE_SLOT_WORDS)
        return vyi_fail(err, VYRE_E_OVF, slot, "Pass a word below 16 of a slot below 2^28.",
                        "word %u of slot %u has no 32-bit word index", (unsigned)word,
                        (unsigned)slot);
    *out = slot * VYRE_SLOT_WORDS + word;
    return VYRE_OK;
}

VYI_API vyre_status vyi_ring_length(const void *ring, size_t size, vyre_error *err)
{
    if (size % VYRE_SLOT_BYTES)
        return vyi_fail(err, VYRE_E_RING_LEN, size, "Pass vyre_ring_size() bytes.",
                        "a ring of %llu bytes is no multiple of %u bytes",
                        (unsigned long long)size, VYRE_SLOT_BYTES);
    return vyi_wire_pointer(ring, size, "the ring", err);
}

VYI_API vyre_status vyi_ring_slot(const void *ring, size_t size, uint32_t slot, vyre_error *err)
{
    vyre_status status = vyi_ring_length(ring, size, err);
    if (status < 0)
        return status;
    if (slot >= size / VYRE_SLOT_BYTES)
        return vyi_fail(err, VYRE_E_SLOT_RANGE, slot, "Pass a slot below the ring's slot count.",
                        "slot %u lies outside the ring of %llu slots", (unsigned)slot,
                        (unsigned long long)(size / VYRE_SLOT_BYTES));
    return VYRE_OK;
}

VYRE_API vyre_status vyre_ring_read(const void *ring, size_t size, uint32_t slot, vyre_slot *out,
                                    vyre_error *err)
{
    if (!out)
        return vyi_wire_no_out("the slot", err);
    vyre_status status = vyi_ring_slot(ring, size, slot, err);
    if (status < 0)
        return status;

    const void *at = vyi_wire_at(ring, (size_t)slot * VYRE_SLOT_WORDS);
    out->state = vyi_slot_state_of(vyi_wire_load(at, VYRE_SLOT_STATUS));
    out->opcode = vyi_wire_get(at, VYRE_SLOT_OPCODE);
    out->tenant = vyi_wire_get(at, VYRE_SLOT_TENANT);
    out->priority = vyi_priority_of(vyi_wire_get(at, VYRE_SLOT_PRIORITY));
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
        out->args[i] = vyi_wire_get(at, VYRE_SLOT_ARGS + i);
    return VYRE_OK;
}

static uint64_t vyi_ring_tally(const void *ring, size_t slots, vyre_slot_state state)
{
    uint64_t count = 0;
    for (size_t slot = 0; slot < slots; slot++) {
        uint32_t status = vyi_wire_load(ring, slot * VYRE_SLOT_WORDS + VYRE_SLOT_STATUS);
        count += vyi_slot_state_of(status) == state;
    }
    return count;
}

static vyre_status vyi_ring_state(vyre_slot_state state, const void *out, vyre_error *err)
{
    if ((uint32_t)state > VYRE_SLOT_UNKNOWN)
        return vyi_fail(err, VYRE_E_ARGUMENT, (uint32_t)state, "Pass one of vyre_slot_state.",
                        "%u is no slot state", (unsigned)state);
    return out ? VYRE_OK : vyi_wire_no_out("the count", err);
}

VYRE_API vyre_status vyre_ring_count(const void *ring, size_t size, vyre_slot_state state,
                                     uint32_t *out, vyre_error *err)
{
    vyre_status status = vyi_ring_state(state, out, err);
    if (status >= 0)
        status = vyi_ring_length(ring, size, err);
    if (status < 0)
        return status;
    *out = (uint32_t)vyi_ring_tally(ring, size / VYRE_SLOT_BYTES, state);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_ring_count_first(const void *ring, size_t size, uint64_t slots,
                                           vyre_slot_state state, uint64_t *out,
                                           vyre_error *err)
{
    vyre_status status = vyi_ring_state(state, out, err);
    if (status >= 0)
        status = vyi_wire_pointer(ring, size, "the ring", err);
    if (status < 0)
        return status;
    if (slots && size % 4)
        return vyi_wire_misaligned(size, 4, "a ring", err);
    if (slots > UINT64_MAX / VYRE_SLOT_BYTES)
        return vyi_fail(err, VYRE_E_OVF, slots, "Pass a count of slots that the ring has.",
                        "%llu slots have no 64-bit length", (unsigned long long)slots);
    if (slots * VYRE_SLOT_BYTES > size)
        return vyi_wire_missing(size, slots * VYRE_SLOT_WORDS, "ring", err);
    *out = vyi_ring_tally(ring, (size_t)slots, state);
    return VYRE_OK;
}

/* --- load miss ----------------------------------------------------------- */

VYI_COLD
VYRE_API vyre_status vyre_load_miss_encode(void *dst, size_t size, const vyre_load_miss *miss,
                                           vyre_error *err)
{
    if (!miss)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass the address of a vyre_load_miss.",
                        "the load miss is NULL");
    uint32_t priority = vyi_priority_wire(miss->priority);
    if (priority == VYI_PRIORITY_NO_WIRE)
        return vyi_fail(err, VYRE_E_PRIORITY, (uint32_t)miss->priority,
                        "Pass one of the five levels of vyre_priority.", "%u is no priority",
                        (unsigned)miss->priority);
    if (miss->tenant >= VYRE_MAX_TENANTS)
        return vyi_fail(err, VYRE_E_TENANT_RANGE, miss->tenant, "Pass a tenant id below 29.",
                        "tenant %u has no mask word; ids end at %u", (unsigned)miss->tenant,
                        VYRE_MAX_TENANTS - 1);
    vyre_status status = vyi_wire_room(dst, size, VYRE_SLOT_BYTES, "the slot", err);
    if (status < 0)
        return status;

    memset(dst, 0, VYRE_SLOT_BYTES);
    vyi_set_word(dst, VYRE_SLOT_STATUS, VYRE_SLOT_PUBLISHED);
    vyi_set_word(dst, VYRE_SLOT_OPCODE, VYRE_OP_LOAD_MISS);
    vyi_set_word(dst, VYRE_SLOT_TENANT, miss->tenant);
    vyi_set_word(dst, VYRE_SLOT_PRIORITY, priority);
    vyi_set_word(dst, VYRE_SLOT_ARGS, miss->resource);
    vyi_set_word(dst, VYRE_SLOT_ARGS + 1, miss->prefetch ? 1 : 0);
    return VYRE_OK;
}

VYI_COLD
VYRE_API vyre_status vyre_load_miss_decode(const void *ring, size_t size, uint32_t slot,
                                           vyre_load_miss *out, vyre_error *err)
{
    if (!out)
        return vyi_wire_no_out("the load miss", err);
    vyre_slot s;
    vyre_status status = vyre_ring_read(ring, size, slot, &s, err);
    if (status < 0)
        return status;
    if (s.opcode != VYRE_OP_LOAD_MISS ||
        (s.state != VYRE_SLOT_PUBLISHED && s.state != VYRE_SLOT_CLAIMED))
        return VYRE_EMPTY;
    out->resource = s.args[0];
    out->prefetch = s.args[1] != 0;
    out->tenant = s.tenant;
    out->priority = s.priority;
    return VYRE_OK;
}

/* --- debug log ----------------------------------------------------------- */

#define VYI_LOG_RECORD_BYTES (4 * VYRE_LOG_RECORD_WORDS)

VYRE_API size_t vyre_log_size(uint32_t records)
{
    return vyi_wire_bytes(VYRE_LOG_RECORDS + (uint64_t)records * VYRE_LOG_RECORD_WORDS);
}

VYI_COLD
VYRE_API vyre_status vyre_log_encode(void *dst, size_t size, uint32_t records, vyre_error *err)
{
    if (records > VYRE_MAX_LOG_RECORDS)
        return vyi_wire_over_cap(records, VYRE_MAX_LOG_RECORDS, "log records", err);
    size_t needed = vyre_log_size(records);
    vyre_status status = vyi_wire_room(dst, size, needed, "the debug log", err);
    if (status < 0)
        return status;
    memset(dst, 0, needed);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_log_check(const void *src, size_t size, vyre_error *err)
{
    vyre_status status = vyi_wire_pointer(src, size, "the debug log", err);
    if (status < 0)
        return status;
    if (size >= 4 && (size - 4) % VYI_LOG_RECORD_BYTES == 0)
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_LOG_SHAPE, size, "Pass vyre_log_size() bytes.",
                    "a debug log has 4 bytes and %u a record, not %llu", VYI_LOG_RECORD_BYTES,
                    (unsigned long long)size);
}

/* How many records the log holds and how many more its cursor tells of. */
static vyre_status vyi_log_summary(const void *src, size_t size, vyre_log_summary *sum,
                                   vyre_error *err)
{
    vyre_status status = vyi_wire_pointer(src, size, "the debug log", err);
    if (status < 0)
        return status;
    if (size % 4)
        return vyi_wire_misaligned(size, 4, "a debug log", err);
    if (size < 4)
        return vyi_wire_missing(size, VYRE_LOG_CURSOR, "debug log", err);

    uint32_t cursor = vyi_wire_load(src, VYRE_LOG_CURSOR);
    if (cursor % VYRE_LOG_RECORD_WORDS)
        return vyi_fail(err, VYRE_E_MISSING, (uint64_t)cursor + 1,
                        "Encode the log again; something wrote over its cursor.",
                        "the cursor is %u words, which are no whole records", (unsigned)cursor);

    size_t   room = (size - 4) / VYI_LOG_RECORD_BYTES;
    uint32_t told = cursor / VYRE_LOG_RECORD_WORDS;
    sum->records = told < room ? told : (uint32_t)room;
    sum->dropped = told - sum->records;
    return VYRE_OK;
}

VYRE_API vyre_status vyre_log_decode(const void *src, size_t size, vyre_log_record *out,
                                     uint32_t capacity, vyre_log_summary *sum, vyre_error *err)
{
    vyre_log_summary found;
    vyre_status status = vyi_log_summary(src, size, &found, err);
    if (status < 0)
        return status;
    if (out && capacity < found.records)
        return vyi_fail(err, VYRE_E_SPACE, found.records, "Pass room for every record of the log.",
                        "%u records do not fit an array of %u", (unsigned)found.records,
                        (unsigned)capacity);

    for (uint32_t i = 0; out && i < found.records; i++) {
        size_t at = VYRE_LOG_RECORDS + (size_t)i * VYRE_LOG_RECORD_WORDS;
        out[i].format = vyi_wire_get(src, at);
        for (uint32_t j = 0; j < 3; j++)
            out[i].args[j] = vyi_wire_get(src, at + 1 + j);
    }
    if (sum)
        *sum = found;
    return VYRE_OK;
}

/* --- IO queue ------------------------------------------------------------ */

VYRE_API size_t vyre_io_size(uint32_t slots)
{
    return slots <= VYRE_IO_SLOTS ? (size_t)slots * VYRE_IO_SLOT_BYTES : 0;
}

static vyre_status vyi_io_too_many(uint64_t slots, vyre_error *err)
{
    return vyi_fail(err, VYRE_E_IO_WINDOW, slots, "Use at most 64 slots.",
                    "an IO queue of %llu slots exceeds the limit of %u",
                    (unsigned long long)slots, VYRE_IO_SLOTS);
}

VYI_COLD
VYRE_API vyre_status vyre_io_encode(void *dst, size_t size, uint32_t slots, vyre_error *err)
{
    if (slots == 0)
        return vyi_fail(err, VYRE_E_IO_ZERO, 0, "Ask for 1 to 64 slots.",
                        "an IO queue of 0 slots serves nobody");
    if (slots > VYRE_IO_SLOTS)
        return vyi_io_too_many(slots, err);
    size_t needed = vyre_io_size(slots);
    vyre_status status = vyi_wire_room(dst, size, needed, "the IO queue", err);
    if (status < 0)
        return status;
    memset(dst, 0, needed);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_io_check(const void *src, size_t size, vyre_error *err)
{
    if (size % 4)
        return vyi_fail(err, VYRE_E_IO_ALIGN4, size, "Pass vyre_io_size() bytes.",
                        "an IO queue of %llu bytes is no multiple of 4 bytes",
                        (unsigned long long)size);
    if (size % VYRE_IO_SLOT_BYTES)
        return vyi_fail(err, VYRE_E_IO_SLOT_MULT, size, "Pass vyre_io_size() bytes.",
                        "an IO queue of %llu bytes is no multiple of %u bytes",
                        (unsigned long long)size, VYRE_IO_SLOT_BYTES);
    if (size / VYRE_IO_SLOT_BYTES > VYRE_IO_SLOTS)
        return vyi_io_too_many(size / VYRE_IO_SLOT_BYTES, err);
    return vyi_wire_pointer(src, size, "the IO queue", err);
}

static vyre_status vyi_io_slot(const void *queue, size_t size, uint32_t slot, vyre_error *err)
{
    vyre_status status = vyre_io_check(queue, size, err);
    if (status < 0)
        return status;
    if (slot >= size / VYRE_IO_SLOT_BYTES)
        return vyi_fail(err, VYRE_E_SLOT_RANGE, slot, "Pass a slot below the queue's slot count.",
                        "IO slot %u lies outside the queue of %llu slots", (unsigned)slot,
                        (unsigned long long)(size / VYRE_IO_SLOT_BYTES));
    return VYRE_OK;
}

static vyre_io_state vyi_io_state_of(uint32_t status)
{
    if (status <= VYRE_IO_DONE || status == VYRE_IO_OK || status == VYRE_IO_ERROR)
        return (vyre_io_state)status;
    return VYRE_IO_UNKNOWN;
}

static vyre_io_state vyi_io_state_at(const void *queue, uint32_t slot)
{
    return vyi_io_state_of(vyi_wire_load(queue, slot * VYRE_IO_SLOT_WORDS + VYRE_IO_STATUS));
}

VYRE_API vyre_status vyre_io_publish(void *queue, size_t size, const vyre_io_request *request,
                                     vyre_error *err)
{
    if (!request)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass the address of a vyre_io_request.",
                        "the request is NULL");
    vyre_status status = vyi_io_slot(queue, size, request->slot, err);
    if (status < 0)
        return status;
    if (request->op < VYRE_IO_READ || request->op > VYRE_IO_FENCE)
        return vyi_fail(err, VYRE_E_IO_OP, request->op, "Pass one of vyre_io_op.",
                        "%u is no IO operation", (unsigned)request->op);
    if (vyi_io_state_at(queue, request->slot) != VYRE_IO_EMPTY)
        return vyi_fail(err, VYRE_E_IO_IN_FLIGHT, request->slot,
                        "Wait for its completion, recycle it, or use another slot.",
                        "IO slot %u is in flight", (unsigned)request->slot);

    uint8_t *at = vyi_wire_edit(queue, request->slot * VYRE_IO_SLOT_WORDS);
    vyi_wire_put(at, VYRE_IO_OP, request->op);
    vyi_wire_put(at, VYRE_IO_SRC, request->src);
    vyi_wire_put(at, VYRE_IO_DST, request->dst);
    vyi_wire_put(at, VYRE_IO_OFFSET_LO, (uint32_t)request->offset);
    vyi_wire_put(at, VYRE_IO_OFFSET_HI, (uint32_t)(request->offset >> 32));
    vyi_wire_put(at, VYRE_IO_BYTES, request->bytes);
    vyi_wire_put(at, VYRE_IO_TAG, request->tag);
    vyi_fence_stores();
    vyi_wire_store(at, VYRE_IO_STATUS, VYRE_IO_PUBLISHED);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_io_read_state(const void *queue, size_t size, uint32_t slot,
                                        vyre_io_state *out, vyre_error *err)
{
    if (!out)
        return vyi_wire_no_out("the state", err);
    vyre_status status = vyi_io_slot(queue, size, slot, err);
    if (status < 0)
        return status;
    *out = vyi_io_state_at(queue, slot);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_io_read_completion(const void *queue, size_t size, uint32_t slot,
                                             vyre_io_completion *out, vyre_error *err)
{
    if (!out)
        return vyi_wire_no_out("the completion", err);
    vyre_status status = vyi_io_slot(queue, size, slot, err);
    if (status < 0)
        return status;

    vyre_io_state state = vyi_io_state_at(queue, slot);
    if (state == VYRE_IO_EMPTY)
        return VYRE_EMPTY;
    if (state != VYRE_IO_OK && state != VYRE_IO_ERROR && state != VYRE_IO_DONE)
        return VYRE_PENDING;

    const uint8_t *at = vyi_wire_at(queue, slot * VYRE_IO_SLOT_WORDS);
    out->slot = slot;
    out->success = state != VYRE_IO_ERROR;
    out->dst = vyi_wire_get(at, VYRE_IO_DST);
    out->bytes = vyi_wire_get(at, VYRE_IO_BYTES);
    out->tag = vyi_wire_get(at, VYRE_IO_TAG);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_io_recycle(void *queue, size_t size, uint32_t slot, vyre_error *err)
{
    vyre_status status = vyi_io_slot(queue, size, slot, err);
    if (status < 0)
        return status;

    vyre_io_state state = vyi_io_state_at(queue, slot);
    if (state == VYRE_IO_EMPTY)
        return VYRE_EMPTY;
    if (state == VYRE_IO_PUBLISHED || state == VYRE_IO_CLAIMED)
        return vyi_fail(err, VYRE_E_IO_IN_FLIGHT, slot, "Wait for its completion first.",
                        "IO slot %u has not been answered", (unsigned)slot);
    vyi_wire_store(queue, slot * VYRE_IO_SLOT_WORDS + VYRE_IO_STATUS, VYRE_IO_EMPTY);
    return VYRE_OK;
}

static void vyi_io_decode(const void *queue, uint32_t slot, vyre_io_request *out)
{
    const uint8_t *at = vyi_wire_at(queue, slot * VYRE_IO_SLOT_WORDS);
    out->slot = slot;
    out->op = vyi_wire_get(at, VYRE_IO_OP);
    out->src = vyi_wire_get(at, VYRE_IO_SRC);
    out->dst = vyi_wire_get(at, VYRE_IO_DST);
    out->offset = vyi_wire_get(at, VYRE_IO_OFFSET_LO) |
                  (uint64_t)vyi_wire_get(at, VYRE_IO_OFFSET_HI) << 32;
    out->bytes = vyi_wire_get(at, VYRE_IO_BYTES);
    out->tag = vyi_wire_get(at, VYRE_IO_TAG);
}

static vyre_status vyi_io_list_check(const void *queue, size_t size, const vyre_io_request *out,
                                     uint32_t capacity, const uint32_t *count, vyre_error *err)
{
    if (!count)
        return vyi_wire_no_out("the count", err);
    if (!out && capacity)
        return vyi_wire_no_out("the array of requests", err);
    return vyre_io_check(queue, size, err);
}

VYRE_API vyre_status vyre_io_poll(const void *queue, size_t size, vyre_io_request *out,
                                  uint32_t capacity, uint32_t *count, vyre_error *err)
{
    vyre_status status = vyi_io_list_check(queue, size, out, capacity, count, err);
    if (status < 0)
        return status;
    uint32_t found = 0;
    for (uint32_t slot = 0; slot < size / VYRE_IO_SLOT_BYTES && found < capacity; slot++) {
        if (vyi_io_state_at(queue, slot) == VYRE_IO_PUBLISHED)
            vyi_io_decode(queue, slot, &out[found++]);
    }
    *count = found;
    return VYRE_OK;
}

VYRE_API vyre_status vyre_io_claim(void *queue, size_t size, vyre_io_request *out,
                                   uint32_t capacity, uint32_t *count, vyre_error *err)
{
    vyre_status status = vyi_io_list_check(queue, size, out, capacity, count, err);
    if (status < 0)
        return status;
    uint32_t found = 0;
    for (uint32_t slot = 0; slot < size / VYRE_IO_SLOT_BYTES && found < capacity; slot++) {
        if (vyi_wire_swap(queue, slot * VYRE_IO_SLOT_WORDS + VYRE_IO_STATUS, VYRE_IO_PUBLISHED,
                          VYRE_IO_CLAIMED) == VYRE_IO_PUBLISHED)
            vyi_io_decode(queue, slot, &out[found++]);
    }
    *count = found;
    return VYRE_OK;
}

static vyre_status vyi_io_check_results(const void *queue, size_t size,
                                        const vyre_io_result *results, uint32_t count,
                                        vyre_error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = results[i].slot;
        vyre_status status = vyi_io_slot(queue, size, slot, err);
        if (status < 0)
            return status;
        if (vyi_io_state_at(queue, slot) != VYRE_IO_CLAIMED)
            return vyi_fail(err, VYRE_E_IO_NOT_CLAIMED, slot, "Complete only what was claimed.",
                            "result %u is for IO slot %u, which is not CLAIMED", (unsigned)i,
                            (unsigned)slot);
    }
    return VYRE_OK;
}

static vyre_status vyi_io_check_distinct(const vyre_io_result *results, uint32_t count,
                                         vyre_error *err)
{
    uint64_t named = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = results[i].slot;
        if (named >> slot & 1)
            return vyi_fail(err, VYRE_E_IO_DUPLICATE, slot, "Name each slot once.",
                            "result %u names IO slot %u a second time", (unsigned)i,
                            (unsigned)slot);
        named |= (uint64_t)1 << slot;
    }
    return VYRE_OK;
}

VYRE_API vyre_status vyre_io_complete_batch(void *queue, size_t size,
                                            const vyre_io_result *results, uint32_t count,
                                            vyre_error *err)
{
    vyre_status status = vyre_io_check(queue, size, err);
    if (status < 0)
        return status;
    if (!results && count)
        return vyi_fail(err, VYRE_E_ARGUMENT, count, "Pass an array of vyre_io_result.",
                        "the array of %u results is NULL", (unsigned)count);
    status = vyi_io_check_results(queue, size, results, count, err);
    if (status >= 0)
        status = vyi_io_check_distinct(results, count, err);
    if (status < 0)
        return status;

    for (uint32_t i = 0; i < count; i++) {
        uint8_t *at = vyi_wire_edit(queue, results[i].slot * VYRE_IO_SLOT_WORDS);
        if (!results[i].success && results[i].code)
            vyi_wire_put(at, VYRE_IO_BYTES, results[i].code);
        vyi_fence_stores();
        vyi_wire_store(at, VYRE_IO_STATUS, results[i].success ? VYRE_IO_OK : VYRE_IO_ERROR);
    }
    return VYRE_OK;
}

VYRE_API vyre_status vyre_io_complete(void *queue, size_t size, const vyre_io_result *result,
                                      vyre_error *err)
{
    if (!result)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass the address of a vyre_io_result.",
                        "the result is NULL");
    return vyre_io_complete_batch(queue, size, result, 1, err);
}

/* --- readback ------------------------------------------------------------ */

enum { VYI_BUFFER_CONTROL, VYI_BUFFER_RING, VYI_BUFFER_LOG, VYI_BUFFER_IO };

VYI_COLD
VYRE_API vyre_status vyre_readback_check(const size_t *sizes, uint32_t count, uint32_t slots,
                                         uint64_t *total, vyre_error *err)
{
    /* Only the lengths count, so that any address will do. */
    static const char nothing = 0;

    if (count != 4)
        return vyi_fail(err, VYRE_E_BUFFER_COUNT, count,
                        "Read back control, ring, log and IO queue.",
                        "a readback has 4 buffers, not %u", (unsigned)count);
    if (!sizes)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass the four lengths.",
                        "the array of lengths is NULL");

    vyre_status status = vyre_control_check(&nothing, sizes[VYI_BUFFER_CONTROL], err);
    if (status >= 0)
        status = vyre_log_check(&nothing, sizes[VYI_BUFFER_LOG], err);
    if (status >= 0)
        status = vyre_io_check(&nothing, sizes[VYI_BUFFER_IO], err);
    if (status >= 0)
        status = vyre_ring_check(&nothing, sizes[VYI_BUFFER_RING], slots, err);
    if (status >= 0 && total)
        *total = (uint64_t)sizes[0] + sizes[1] + sizes[2] + sizes[3];
    return status;
}
/* ==========================================================================
 * ring: implementation
 * ======================================================================= */

/* --- checks -------------------------------------------------------------- */

static vyre_status vyi_work_null(const char *what, vyre_error *err)
{
    return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass the address of your work.", "%s is NULL", what);
}

/* What the work itself says, as far as upstream checks it. */
static vyre_status vyi_work_check(const vyre_work *work, uint32_t index, vyre_error *err)
{
    if (work->arg_count > VYRE_MAX_ARGS)
        return vyi_fail(err, VYRE_E_TOO_MANY_ARGS, index,
                        "Pass a buffer's index, or pack several operations.",
                        "work %u has %u arguments; a slot takes %u", (unsigned)index,
                        (unsigned)work->arg_count, VYRE_MAX_ARGS);
    if (!vyre_opcode_publishable(work->opcode))
        return vyi_fail(err, VYRE_E_OPCODE, index,
                        "Use a built-in opcode, or one that vyre_opcode_is_user() accepts.",
                        "work %u has the reserved opcode 0x%x", (unsigned)index,
                        (unsigned)work->opcode);
    return VYRE_OK;
}

/* What upstream let pass: ids and levels that the device has no words for. */
static vyre_status vyi_work_check_owner(const vyre_work *work, uint32_t index, vyre_error *err)
{
    if (work->tenant >= VYRE_MAX_TENANTS)
        return vyi_fail(err, VYRE_E_TENANT_RANGE, index, "Pass a tenant id below 29.",
                        "work %u is of tenant %u; ids end at %u", (unsigned)index,
                        (unsigned)work->tenant, VYRE_MAX_TENANTS - 1);
    if (vyi_priority_wire(work->priority) == VYI_PRIORITY_NO_WIRE)
        return vyi_fail(err, VYRE_E_PRIORITY, index,
                        "Pass one of the five levels of vyre_priority.",
                        "work %u has the unknown priority %u", (unsigned)index,
                        (unsigned)work->priority);
    return VYRE_OK;
}

static vyre_status vyi_works_check(const vyre_work *works, uint32_t count, vyre_error *err)
{
    if (!works && count)
        return vyi_work_null("the array of works", err);
    for (uint32_t i = 0; i < count; i++) {
        vyre_status status = vyi_work_check(&works[i], i, err);
        if (status < 0)
            return status;
    }
    return VYRE_OK;
}

static vyre_status vyi_works_check_owners(const vyre_work *works, uint32_t count, vyre_error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        vyre_status status = vyi_work_check_owner(&works[i], i, err);
        if (status < 0)
            return status;
    }
    return VYRE_OK;
}

static uint8_t *vyi_slot_at(void *ring, uint32_t slot)
{
    return vyi_wire_edit(ring, (size_t)slot * VYRE_SLOT_WORDS);
}

/* Acquire: pairs with the release of DONE, so that the device's last reads of
 * the slot are over. */
static vyre_status vyi_slot_publishable(const void *ring, uint32_t slot, vyre_error *err)
{
    uint32_t status = vyi_wire_load(ring, (size_t)slot * VYRE_SLOT_WORDS + VYRE_SLOT_STATUS);
    if (status == VYRE_SLOT_EMPTY || status == VYRE_SLOT_DONE)
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_NOT_PUBLISHABLE, slot,
                    "Wait until it is DONE, cancel or reset it, or use another slot.",
                    "slot %u is %s (status word 0x%x)", (unsigned)slot,
                    vyre_slot_state_name(vyi_slot_state_of(status)), (unsigned)status);
}

/* That `count` slots from `first` lie in a ring of `slots`. */
static vyre_status vyi_slots_fit(uint64_t slots, uint32_t first, uint64_t count, vyre_error *err)
{
    uint64_t end = first + count;
    if (end > UINT32_MAX)
        return vyi_fail(err, VYRE_E_INDEX_OVERFLOW, first, "Start at a slot of the ring.",
                        "%llu slots from slot %u on have no 32-bit indices",
                        (unsigned long long)count, (unsigned)first);
    if (end > slots)
        return vyi_fail(err, VYRE_E_CAPACITY, first, "Publish less, or make the ring larger.",
                        "%llu slots from slot %u on exceed the ring of %llu",
                        (unsigned long long)count, (unsigned)first, (unsigned long long)slots);
    return VYRE_OK;
}

static vyre_status vyi_slots_publishable(const void *ring, uint32_t first, uint32_t count,
                                         vyre_error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        vyre_status status = vyi_slot_publishable(ring, first + i, err);
        if (status < 0)
            return status;
    }
    return VYRE_OK;
}

/* --- publish ------------------------------------------------------------- */

/* Everything but the status.  Arguments that the work does not give are 0. */
static void vyi_slot_put(void *slot, const vyre_work *work)
{
    uint32_t end = VYRE_SLOT_ARGS + work->arg_count;
    vyi_wire_put(slot, VYRE_SLOT_OPCODE, work->opcode);
    vyi_wire_put(slot, VYRE_SLOT_TENANT, work->tenant);
    vyi_wire_put(slot, VYRE_SLOT_PRIORITY, vyi_priority_wire(work->priority));
    for (uint32_t i = VYRE_SLOT_ARGS; i < end; i++)
        vyi_wire_put(slot, i, work->args[i - VYRE_SLOT_ARGS]);
    for (uint32_t i = end; i < VYRE_SLOT_WORDS; i++)
        vyi_wire_put(slot, i, 0);
}

/* Release: pairs with the claim's acquire. */
static void vyi_slot_release(void *slot)
{
    vyi_wire_store(slot, VYRE_SLOT_STATUS, VYRE_SLOT_PUBLISHED);
}

static void vyi_slots_put(void *ring, uint32_t first, const vyre_work *works, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        vyi_slot_put(vyi_slot_at(ring, first + i), &works[i]);
}

static void vyi_slots_release(void *ring, uint32_t first, uint32_t count)
{
    vyi_fence_stores();
    for (uint32_t i = 0; i < count; i++)
        vyi_slot_release(vyi_slot_at(ring, first + i));
}

VYRE_API vyre_status vyre_ring_publish(void *ring, size_t size, uint32_t slot,
                                       const vyre_work *work, vyre_error *err)
{
    if (!work)
        return vyi_work_null("the work", err);
    vyre_status status = vyi_ring_slot(ring, size, slot, err);
    if (status >= 0)
        status = vyi_work_check(work, 0, err);
    if (status >= 0)
        status = vyi_slot_publishable(ring, slot, err);
    if (status >= 0)
        status = vyi_work_check_owner(work, 0, err);
    if (status < 0)
        return status;

    vyi_slots_put(ring, slot, work, 1);
    vyi_slots_release(ring, slot, 1);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_ring_publish_batch(void *ring, size_t size, uint32_t first_slot,
                                             const vyre_work *works, uint32_t count,
                                             uint32_t fence_tag, vyre_error *err)
{
    vyre_status status = vyi_ring_length(ring, size, err);
    if (status >= 0)
        status = vyi_slots_fit(size / VYRE_SLOT_BYTES, first_slot, (uint64_t)count + 1, err);
    if (status >= 0)
        status = vyi_works_check(works, count, err);
    if (status >= 0)
        status = vyi_slots_publishable(ring, first_slot, count + 1, err);
    if (status >= 0)
        status = vyi_works_check_owners(works, count, err);
    if (status < 0)
        return status;

    vyre_work fence;
    memset(&fence, 0, sizeof fence);
    fence.opcode = VYRE_OP_BATCH_FENCE;
    fence.tenant = count ? works[0].tenant : 0;
    fence.arg_count = 2;
    fence.args[0] = count;
    fence.args[1] = fence_tag;

    vyi_slots_put(ring, first_slot, works, count);
    vyi_slots_put(ring, first_slot + count, &fence, 1);
    vyi_slots_release(ring, first_slot, count + 1);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_ring_publish_works(void *ring, size_t size, uint32_t first_slot,
                                             const vyre_work *works, uint32_t count,
                                             vyre_error *err)
{
    vyre_status status = vyi_works_check(works, count, err);
    if (status >= 0)
        status = vyi_ring_length(ring, size, err);
    if (status >= 0)
        status = vyi_slots_fit(size / VYRE_SLOT_BYTES, first_slot, count, err);
    if (status >= 0)
        status = vyi_slots_publishable(ring, first_slot, count, err);
    if (status >= 0)
        status = vyi_works_check_owners(works, count, err);
    if (status < 0)
        return status;

    vyi_slots_put(ring, first_slot, works, count);
    vyi_slots_release(ring, first_slot, count);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_ring_encode_works(void *dst, size_t size, uint32_t slots,
                                            const vyre_work *works, uint32_t count,
                                            vyre_error *err)
{
    vyre_status status = vyi_slots_fit(slots, 0, count, err);
    if (status >= 0)
        status = vyi_works_check(works, count, err);
    if (status >= 0)
        status = vyi_ring_room(dst, size, slots, err);
    if (status >= 0)
        status = vyi_works_check_owners(works, count, err);
    if (status < 0)
        return status;

    (void)vyre_ring_encode(dst, size, slots, err);
    vyi_slots_put(dst, 0, works, count);
    vyi_slots_release(dst, 0, count);
    return VYRE_OK;
}

/* --- windows ------------------------------------------------------------- */

/* The window's payload of this number: the required ones, then the others. */
static const vyre_payload *vyi_window_payload(const vyre_window *window, uint32_t index)
{
    return index < window->required_count ? &window->required[index]
                                          : &window->lookahead[index - window->required_count];
}

static vyre_status vyi_window_check_payloads(const vyre_window *window, uint32_t count,
                                             vyre_error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        const vyre_payload *payload = vyi_window_payload(window, i);
        if (payload->count > VYRE_WINDOW_ARGS)
            return vyi_fail(err, VYRE_E_WINDOW_ARGS, i, "Split the payload, or pass an index.",
                            "payload %u has %u words; ticket and class leave %u", (unsigned)i,
                            (unsigned)payload->count, VYRE_WINDOW_ARGS);
        if (!payload->words && payload->count)
            return vyi_work_null("a payload's words", err);
    }
    return VYRE_OK;
}

static void vyi_window_work(const vyre_window *window, uint32_t index, vyre_work *work)
{
    memset(work, 0, sizeof *work);
    work->opcode = window->opcode;
    work->tenant = window->tenant;
    work->priority = window->priority;

    const vyre_payload *payload = vyi_window_payload(window, index);
    work->args[0] = window->ticket;
    work->args[1] = index < window->required_count ? VYRE_WINDOW_REQUIRED : VYRE_WINDOW_LOOKAHEAD;
    for (uint32_t i = 0; i < payload->count; i++)
        work->args[2 + i] = payload->words[i];
    work->arg_count = 2 + payload->count;
}

static vyre_status vyi_window_check(const void *ring, size_t size, uint32_t first_slot,
                                    const vyre_window *window, vyre_error *err)
{
    if ((!window->required && window->required_count) ||
        (!window->lookahead && window->lookahead_count))
        return vyi_work_null("an array of payloads", err);

    uint64_t    count = (uint64_t)window->required_count + window->lookahead_count;
    vyre_work   work;
    vyre_status status = vyi_ring_length(ring, size, err);
    if (status >= 0)
        status = vyi_slots_fit(size / VYRE_SLOT_BYTES, first_slot, count, err);
    if (status >= 0)
        status = vyi_window_check_payloads(window, (uint32_t)count, err);
    if (status < 0)
        return status;

    vyi_window_work(window, 0, &work);
    status = vyi_work_check(&work, 0, err);
    if (status >= 0)
        status = vyi_slots_publishable(ring, first_slot, (uint32_t)count, err);
    if (status >= 0)
        status = vyi_work_check_owner(&work, 0, err);
    return status;
}

VYRE_API vyre_status vyre_ring_publish_window(void *ring, size_t size, uint32_t first_slot,
                                              const vyre_window *window, uint32_t *published,
                                              vyre_error *err)
{
    if (!window)
        return vyi_work_null("the window", err);
    uint64_t count = (uint64_t)window->required_count + window->lookahead_count;
    if (count) {
        vyre_status status = vyi_window_check(ring, size, first_slot, window, err);
        if (status < 0)
            return status;
    }
    for (uint32_t i = 0; i < count; i++) {
        vyre_work work;
        vyi_window_work(window, i, &work);
        vyi_slots_put(ring, first_slot + i, &work, 1);
    }
    vyi_slots_release(ring, first_slot, (uint32_t)count);
    if (published)
        *published = (uint32_t)count;
    return VYRE_OK;
}

/* --- packed slots -------------------------------------------------------- */

#define VYI_PACK_MAX_OPS 255u

static uint32_t vyi_pack_meta_words(uint32_t count)
{
    return (2 + 2 * count + 3) / 4;
}

static vyre_status vyi_pack_check(const vyre_op *ops, uint32_t count, uint32_t meta,
                                  vyre_error *err)
{
    uint64_t used = meta;
    for (uint32_t i = 0; i < count; i++) {
        used += ops[i].arg_count;
        if (used > VYRE_MAX_ARGS)
            return vyi_fail(err, VYRE_E_PACK_PAYLOAD, i,
                            "Pack fewer operations or arguments into a slot.",
                            "with operation %u the slot needs %llu of %u argument words",
                            (unsigned)i, (unsigned long long)used, VYRE_MAX_ARGS);
        if (ops[i].opcode > 0xff)
            return vyi_fail(err, VYRE_E_PACK_OPCODE, i,
                            "Publish it in a slot of its own, or give it a number below 256.",
                            "operation %u has the opcode 0x%x, which is no byte", (unsigned)i,
                            (unsigned)ops[i].opcode);
    }
    return VYRE_OK;
}

static void vyi_pack_byte(uint32_t *words, uint32_t at, uint32_t value)
{
    words[at / 4] |= value << (8 * (at % 4));
}

VYRE_API vyre_status vyre_work_pack(vyre_work *out, const vyre_op *ops, uint32_t count,
                                    vyre_error *err)
{
    if (!out || (!ops && count))
        return vyi_work_null(out ? "the array of operations" : "the work", err);
    if (count > VYI_PACK_MAX_OPS)
        return vyi_fail(err, VYRE_E_PACK_COUNT, count, "Use several slots.",
                        "%u operations; a count of a packed slot is a byte, at most 255",
                        (unsigned)count);
    uint32_t meta = vyi_pack_meta_words(count);
    if (meta > VYRE_MAX_ARGS)
        return vyi_fail(err, VYRE_E_PACK_META, count, "Use several slots.",
                        "%u operations need %u words before their arguments; a slot has %u",
                        (unsigned)count, (unsigned)meta, VYRE_MAX_ARGS);
    vyre_status status = vyi_pack_check(ops, count, meta, err);
    if (status < 0)
        return status;

    vyre_work work;
    memset(&work, 0, sizeof work);
    work.opcode = VYRE_OP_PACKED_SLOT;
    uint32_t offset = 0;
    for (uint32_t i = 0; i < count; i++) {
        vyi_pack_byte(work.args, 2 + 2 * i, ops[i].opcode);
        vyi_pack_byte(work.args, 3 + 2 * i, offset);
        for (uint32_t j = 0; j < ops[i].arg_count; j++)
            work.args[meta + offset + j] = ops[i].args[j];
        offset += ops[i].arg_count;
    }
    vyi_pack_byte(work.args, 0, count);
    vyi_pack_byte(work.args, 1, offset);
    work.arg_count = meta + offset;
    *out = work;
    return VYRE_OK;
}

/* --- transitions --------------------------------------------------------- */

#define VYI_FROM(state) (1u << VYRE_SLOT_##state)

typedef struct vyi_transition_rule {
    const char     *name;
    uint32_t        from; /* bits VYI_FROM */
    vyre_slot_state to;
} vyi_transition_rule;

/* In the order of vyre_transition. */
static const vyi_transition_rule *vyi_transition_find(vyre_transition t)
{
    static const vyi_transition_rule rules[VYRE_TRANSITION_WAIT_IO + 1] = {
        { "publish", VYI_FROM(EMPTY) | VYI_FROM(DONE), VYRE_SLOT_PUBLISHED },
        { "claim", VYI_FROM(PUBLISHED) | VYI_FROM(YIELD) | VYI_FROM(REQUEUE), VYRE_SLOT_CLAIMED },
        { "done", VYI_FROM(CLAIMED), VYRE_SLOT_DONE },
        { "fault", VYI_FROM(PUBLISHED) | VYI_FROM(CLAIMED) | VYI_FROM(WAIT_IO) | VYI_FROM(YIELD) |
                   VYI_FROM(REQUEUE), VYRE_SLOT_FAULTED },
        { "cancel", VYI_FROM(PUBLISHED) | VYI_FROM(WAIT_IO) | VYI_FROM(YIELD) | VYI_FROM(REQUEUE),
          VYRE_SLOT_EMPTY },
        { "reset", VYI_FROM(FAULTED) | VYI_FROM(UNKNOWN), VYRE_SLOT_EMPTY },
        { "resume", VYI_FROM(WAIT_IO), VYRE_SLOT_PUBLISHED },
        { "yield", VYI_FROM(CLAIMED), VYRE_SLOT_YIELD },
        { "requeue", VYI_FROM(CLAIMED), VYRE_SLOT_REQUEUE },
        { "wait_io", VYI_FROM(CLAIMED), VYRE_SLOT_WAIT_IO }
    };
    return (uint32_t)t <= VYRE_TRANSITION_WAIT_IO ? &rules[t] : NULL;
}

/* The step after the decision: `seen` is the status word that it was made on. */
static vyre_status vyi_transition_commit(void *ring, uint32_t slot, uint32_t seen, uint32_t next,
                                         vyre_error *err)
{
    uint32_t held = vyi_wire_swap(ring, (size_t)slot * VYRE_SLOT_WORDS + VYRE_SLOT_STATUS, seen,
                                  next);
    if (held == seen)
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_CONFLICT, slot, "Look at the slot again, and decide anew.",
                    "slot %u went from %s to %s meanwhile", (unsigned)slot,
                    vyre_slot_state_name(vyi_slot_state_of(seen)),
                    vyre_slot_state_name(vyi_slot_state_of(held)));
}

VYRE_API vyre_status vyre_ring_transition(void *ring, size_t size, uint32_t slot,
                                          vyre_transition t, vyre_slot_state *before,
                                          vyre_error *err)
{
    const vyi_transition_rule *rule = vyi_transition_find(t);
    if (!rule)
        return vyi_fail(err, VYRE_E_ARGUMENT, (uint32_t)t, "Pass one of vyre_transition.",
                        "%u is no transition", (unsigned)t);
    if (t == VYRE_TRANSITION_PUBLISH)
        return vyi_fail(err, VYRE_E_USE_PUBLISH, slot, "Call vyre_ring_publish() with the work.",
                        "slot %u cannot be published without its work", (unsigned)slot);
    vyre_status status = vyi_ring_slot(ring, size, slot, err);
    if (status < 0)
        return status;

    uint32_t seen = vyi_wire_load(ring, (size_t)slot * VYRE_SLOT_WORDS + VYRE_SLOT_STATUS);
    vyre_slot_state state = vyi_slot_state_of(seen);
    if (!(rule->from >> state & 1))
        return vyi_fail(err, VYRE_E_BAD_TRANSITION, slot,
                        "Check the slot's state first; vyre_transition lists what is allowed.",
                        "%s is not allowed for slot %u, which is %s", rule->name, (unsigned)slot,
                        vyre_slot_state_name(state));
    status = vyi_transition_commit(ring, slot, seen, rule->to, err);
    if (status >= 0 && before)
        *before = state;
    return status;
}

/* --- whole slots --------------------------------------------------------- */

static vyre_status vyi_image_check(const void *ring, size_t size, uint32_t slot, const void *image,
                                   size_t image_size, vyre_error *err)
{
    if (image_size != VYRE_SLOT_BYTES)
        return vyi_fail(err, VYRE_E_MISALIGN, image_size, "Pass one slot.",
                        "an image of a slot has %u bytes, not %llu", VYRE_SLOT_BYTES,
                        (unsigned long long)image_size);
    if (!image)
        return vyi_work_null("the image", err);
    return vyi_ring_slot(ring, size, slot, err);
}

VYRE_API vyre_status vyre_ring_store(void *ring, size_t size, uint32_t slot, const void *image,
                                     size_t image_size, vyre_error *err)
{
    vyre_status status = vyi_image_check(ring, size, slot, image, image_size, err);
    if (status >= 0)
        status = vyi_slot_publishable(ring, slot, err);
    if (status < 0)
        return status;

    uint8_t *at = vyi_slot_at(ring, slot);
    for (uint32_t i = VYRE_SLOT_OPCODE; i < VYRE_SLOT_WORDS; i++)
        vyi_wire_put(at, i, vyi_word(image, i));
    vyi_fence_stores();
    vyi_wire_store(at, VYRE_SLOT_STATUS, vyi_word(image, VYRE_SLOT_STATUS));
    return VYRE_OK;
}

VYRE_API vyre_status vyre_ring_load(const void *ring, size_t size, uint32_t slot, void *image,
                                    size_t image_size, vyre_error *err)
{
    vyre_status status = vyi_image_check(ring, size, slot, image, image_size, err);
    if (status < 0)
        return status;
    const uint8_t *at = vyi_wire_at(ring, (size_t)slot * VYRE_SLOT_WORDS);
    vyi_set_word(image, VYRE_SLOT_STATUS, vyi_wire_load(at, VYRE_SLOT_STATUS));
    for (uint32_t i = VYRE_SLOT_OPCODE; i < VYRE_SLOT_WORDS; i++)
        vyi_set_word(image, i, vyi_wire_get(at, i));
    return VYRE_OK;
}
/* ==========================================================================
 * tenant: implementation
 * ======================================================================= */
/* ==========================================================================
 * thread: locks, threads, a clock
 *
 * Private.  As much of POSIX or Win32 as the engine needs.  With
 * VYRE_NO_THREADS locks do nothing and no thread can be made; the clock and
 * the pauses remain.
 * ======================================================================= */
#ifndef VYI_THREAD_IMPL_H
#define VYI_THREAD_IMPL_H


#include <time.h>

#if defined(_WIN32)
    #ifndef WIN32_LEAN_AND_MEAN
        #define WIN32_LEAN_AND_MEAN
    #endif
    #ifndef NOMINMAX
        #define NOMINMAX
    #endif
    #include <windows.h>
#else
    #include <pthread.h>
    #include <sched.h>
#endif
#if defined(__linux__)
    #include <sys/syscall.h>
    #include <unistd.h>
#endif

#ifdef VYRE_NO_THREADS
    #define VYI_THREADS 0
#else
    #define VYI_THREADS 1
#endif

VYI_EXTERN_C_BEGIN

/* Strict C99 hides these two, though the library has them. */
#if !defined(_WIN32) && !defined(CLOCK_MONOTONIC)
    #ifdef __APPLE__
        #define VYI_CLOCK 6
    #else
        #define VYI_CLOCK 1
    #endif
extern int clock_gettime(int clock, struct timespec *now);
extern int nanosleep(const struct timespec *duration, struct timespec *rest);
#elif !defined(_WIN32)
    #define VYI_CLOCK CLOCK_MONOTONIC
#endif

/* --- time ---------------------------------------------------------------- */

/* Nanoseconds of a clock that never goes back. */
VYI_MAYBE_UNUSED VYI_OUTLINE
static uint64_t vyi_now(void)
{
#if defined(_WIN32)
    LARGE_INTEGER ticks, rate;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&rate);
    const uint64_t t = (uint64_t)ticks.QuadPart, r = (uint64_t)rate.QuadPart;
    return t / r * 1000000000u + t % r * 1000000000u / r;
#else
    struct timespec now;
    clock_gettime(VYI_CLOCK, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
#endif
}

/* The time at which a timeout ends that begins now. */
static inline uint64_t vyi_deadline(uint64_t timeout_ns)
{
    const uint64_t now = vyi_now();
    return timeout_ns > UINT64_MAX - now ? UINT64_MAX : now + timeout_ns;
}

static inline void vyi_sleep(uint64_t ns)
{
#if defined(_WIN32)
    Sleep((DWORD)((ns + 999999u) / 1000000u));
#else
    struct timespec duration;
    duration.tv_sec = (time_t)(ns / 1000000000u);
    duration.tv_nsec = (long)(ns % 1000000000u);
    nanosleep(&duration, NULL);
#endif
}

/* Lets another thread run. */
static inline void vyi_yield(void)
{
#if defined(_WIN32)
    SwitchToThread();
#else
    sched_yield();
#endif
}

/* Tells the processor that it is in a loop that polls. */
static inline void vyi_pause(void)
{
#if (defined(__GNUC__) || defined(__clang__)) && (defined(__x86_64__) || defined(__i386__))
    __builtin_ia32_pause();
#elif defined(_MSC_VER) && !defined(__clang__) && (defined(_M_X64) || defined(_M_IX86))
    _mm_pause();
#elif (defined(__GNUC__) || defined(__clang__)) && defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

/* --- more atomics -------------------------------------------------------- */

/* Two words at a time, where the machine does that without a lock. */
#if (defined(__GNUC__) || defined(__clang__)) && !VYI_BIG_ENDIAN && \
    defined(__GCC_ATOMIC_LLONG_LOCK_FREE) && __GCC_ATOMIC_LLONG_LOCK_FREE == 2 && \
    UINTPTR_MAX > 0xffffffffu
    #define VYI_PAIRS 1
typedef uint64_t __attribute__((may_alias)) vyi_pair;

/* `at` is 8-byte aligned; the word at the lower address is in the lower half. */
static inline bool vyi_compare_exchange_pair(void *at, uint64_t expected, uint64_t desired)
{
    return __atomic_compare_exchange_n((vyi_pair *)at, &expected, desired, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static inline void vyi_store_pair(void *at, uint32_t first, uint32_t second)
{
    __atomic_store_n((vyi_pair *)at, (uint64_t)second << 32 | first, __ATOMIC_RELAXED);
}

/* Two of the host's own numbers, as far as `keep` has bits. */
static inline void vyi_copy_pair(void *at, const uint32_t *from, const uint32_t *keep)
{
    uint64_t value, mask;
    memcpy(&value, from, sizeof value);
    memcpy(&mask, keep, sizeof mask);
    __atomic_store_n((vyi_pair *)at, value & mask, __ATOMIC_RELAXED);
}
#else
    #define VYI_PAIRS 0

static inline bool vyi_compare_exchange_pair(void *at, uint64_t expected, uint64_t desired)
{
    (void)at, (void)expected, (void)desired;
    return false;
}

static inline void vyi_store_pair(void *at, uint32_t first, uint32_t second)
{
    vyi_store_relaxed(at, vyi_le32(first));
    vyi_store_relaxed((uint8_t *)at + 4, vyi_le32(second));
}

static inline void vyi_copy_pair(void *at, const uint32_t *from, const uint32_t *keep)
{
    vyi_store_pair(at, from[0] & keep[0], from[1] & keep[1]);
}
#endif

/* As vyi_load_acquire and vyi_store_release, of a pointer. */
static inline void *vyi_load_pointer(void *const *at)
{
#if defined(_MSC_VER) && !defined(__clang__)
    void *value = *(void *const volatile *)at;
    MemoryBarrier();
    return value;
#else
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
#endif
}

static inline void vyi_store_pointer(void **at, void *value)
{
#if defined(_MSC_VER) && !defined(__clang__)
    MemoryBarrier();
    *(void *volatile *)at = value;
#else
    __atomic_store_n(at, value, __ATOMIC_RELEASE);
#endif
}

/* No load after it is done before a store ahead of it. */
static inline void vyi_fence_full(void)
{
#if defined(_MSC_VER) && !defined(__clang__)
    MemoryBarrier();
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* --- a fence for others -------------------------------------------------- */

/* The cost of a store before a load, paid by the side that is rare: between
 * vyi_fence_others and whatever its caller does next, every other thread of
 * the process has gone through a full fence.  So a thread that only keeps the
 * compiler from moving its accesses (vyi_fence_compiler) is ordered with that
 * caller. */

static inline void vyi_fence_compiler(void)
{
#if defined(_MSC_VER) && !defined(__clang__)
    _ReadWriteBarrier();
#else
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
#endif
}

#if !VYI_THREADS
static inline bool vyi_fence_others_ready(void) { return true; }
static inline void vyi_fence_others(void) {}
#elif defined(_WIN32)
static inline bool vyi_fence_others_ready(void) { return true; }
static inline void vyi_fence_others(void) { FlushProcessWriteBuffers(); }
#elif defined(__linux__) && defined(SYS_membarrier)
    #ifndef __cplusplus
extern long syscall(long number, ...); /* strict C99 hides it */
    #endif
    #define VYI_MEMBARRIER_EXPEDITED 8
    #define VYI_MEMBARRIER_REGISTER  16

/* False where the system is too old, or forbids it. */
static inline bool vyi_fence_others_ready(void)
{
    return syscall(SYS_membarrier, VYI_MEMBARRIER_REGISTER, 0) == 0;
}

/* Refused only to a process that never registered: a child of the one that did. */
static inline void vyi_fence_others(void)
{
    while (syscall(SYS_membarrier, VYI_MEMBARRIER_EXPEDITED, 0) != 0 && vyi_fence_others_ready()) {}
}
#else
static inline bool vyi_fence_others_ready(void) { return false; }
static inline void vyi_fence_others(void) {}
#endif

/* Of the calling thread; never below 3. */
static inline uintptr_t vyi_thread_id(void)
{
#if !VYI_THREADS
    return 3;
#elif defined(_WIN32)
    return (uintptr_t)GetCurrentThreadId() + 3;
#elif defined(__linux__) && defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
    uintptr_t id; /* where the ABI has a thread's block of its own; pthread_self is a call */
    __asm__("mov {%%fs:0, %0|%0, fs:0}" : "=r"(id));
    return id;
#else
    return (uintptr_t)pthread_self();
#endif
}

/* --- locks, conditions, threads ------------------------------------------ */

#if !VYI_THREADS

typedef struct vyi_mutex { int none; } vyi_mutex;
typedef struct vyi_cond { int none; } vyi_cond;
typedef struct vyi_thread { int none; } vyi_thread;

static inline bool vyi_mutex_init(vyi_mutex *m) { m->none = 0; return true; }
static inline void vyi_mutex_free(vyi_mutex *m) { (void)m; }
static inline void vyi_mutex_lock(vyi_mutex *m) { (void)m; }
static inline bool vyi_mutex_try(vyi_mutex *m) { (void)m; return true; }
static inline void vyi_mutex_unlock(vyi_mutex *m) { (void)m; }
static inline bool vyi_cond_init(vyi_cond *c) { c->none = 0; return true; }
static inline void vyi_cond_free(vyi_cond *c) { (void)c; }
static inline void vyi_cond_signal(vyi_cond *c) { (void)c; }
static inline void vyi_cond_wait(vyi_cond *c, vyi_mutex *m, uint64_t ns)
{
    (void)c, (void)m, (void)ns;
}

#elif defined(_WIN32)

typedef SRWLOCK vyi_mutex;
typedef CONDITION_VARIABLE vyi_cond;
typedef struct vyi_thread {
    HANDLE handle;
    void (*body)(void *user);
    void *user;
} vyi_thread;

static inline bool vyi_mutex_init(vyi_mutex *m) { InitializeSRWLock(m); return true; }
static inline void vyi_mutex_free(vyi_mutex *m) { (void)m; }
static inline void vyi_mutex_lock(vyi_mutex *m) { AcquireSRWLockExclusive(m); }
static inline bool vyi_mutex_try(vyi_mutex *m) { return TryAcquireSRWLockExclusive(m) != 0; }
static inline void vyi_mutex_unlock(vyi_mutex *m) { ReleaseSRWLockExclusive(m); }
static inline bool vyi_cond_init(vyi_cond *c) { InitializeConditionVariable(c); return true; }
static inline void vyi_cond_free(vyi_cond *c) { (void)c; }
static inline void vyi_cond_signal(vyi_cond *c) { WakeAllConditionVariable(c); }
static inline void vyi_cond_wait(vyi_cond *c, vyi_mutex *m, uint64_t ns)
{
    const uint64_t ms = (ns + 999999u) / 1000000u;
    SleepConditionVariableSRW(c, m, ms > 0x7fffffffu ? 0x7fffffffu : (DWORD)ms, 0);
}

static DWORD WINAPI vyi_thread_main(void *user)
{
    const vyi_thread *t = (const vyi_thread *)user;
    t->body(t->user);
    return 0;
}

/* `t` stays where it is until the thread was joined. */
static inline bool vyi_thread_start(vyi_thread *t, void (*body)(void *user), void *user)
{
    t->body = body;
    t->user = user;
    t->handle = CreateThread(NULL, 0, vyi_thread_main, t, 0, NULL);
    return t->handle != NULL;
}

static inline void vyi_thread_join(vyi_thread *t)
{
    WaitForSingleObject(t->handle, INFINITE);
    CloseHandle(t->handle);
}

#else

typedef pthread_mutex_t vyi_mutex;
typedef pthread_cond_t vyi_cond;
typedef struct vyi_thread {
    pthread_t handle;
    void (*body)(void *user);
    void *user;
} vyi_thread;

static inline bool vyi_mutex_init(vyi_mutex *m) { return pthread_mutex_init(m, NULL) == 0; }
static inline void vyi_mutex_free(vyi_mutex *m) { pthread_mutex_destroy(m); }
static inline void vyi_mutex_lock(vyi_mutex *m) { pthread_mutex_lock(m); }
static inline bool vyi_mutex_try(vyi_mutex *m) { return pthread_mutex_trylock(m) == 0; }
static inline void vyi_mutex_unlock(vyi_mutex *m) { pthread_mutex_unlock(m); }
static inline bool vyi_cond_init(vyi_cond *c) { return pthread_cond_init(c, NULL) == 0; }
static inline void vyi_cond_free(vyi_cond *c) { pthread_cond_destroy(c); }
static inline void vyi_cond_signal(vyi_cond *c) { pthread_cond_broadcast(c); }

/* Also returns early; the caller looks and waits again.  The condition's clock
 * is the one that can be set, so no wait is longer than a second. */
static inline void vyi_cond_wait(vyi_cond *c, vyi_mutex *m, uint64_t ns)
{
    struct timespec until;
    const uint64_t wait_ns = ns < 1000000000u ? ns : 1000000000u;
    clock_gettime(0, &until); /* CLOCK_REALTIME is 0 everywhere */
    const uint64_t nsec = (uint64_t)until.tv_nsec + wait_ns;
    until.tv_sec += (time_t)(nsec / 1000000000u);
    until.tv_nsec = (long)(nsec % 1000000000u);
    pthread_cond_timedwait(c, m, &until);
}

static void *vyi_thread_main(void *user)
{
    const vyi_thread *t = (const vyi_thread *)user;
    t->body(t->user);
    return NULL;
}

/* `t` stays where it is until the thread was joined. */
static inline bool vyi_thread_start(vyi_thread *t, void (*body)(void *user), void *user)
{
    t->body = body;
    t->user = user;
    return pthread_create(&t->handle, NULL, vyi_thread_main, t) == 0;
}

static inline void vyi_thread_join(vyi_thread *t)
{
    pthread_join(t->handle, NULL);
}

#endif

VYI_EXTERN_C_END

#endif

#ifndef VYRE_NO_TENANT

VYI_STATIC_ASSERT(tenant_opcodes_are_users,
                  VYRE_TENANT_OPCODES + VYRE_MAX_TENANTS * VYRE_TENANT_OPCODE_COUNT < 0x80000000u);

struct vyre_tenants {
    vyre_allocator   allocator;
    vyi_mutex        lock; /* guards all that follows */
    void            *control;
    vyre_tenant_info entries[VYRE_MAX_TENANTS];
};

/* --- helpers; the lock is held ------------------------------------------- */

/* Release: what the host did before, a device that sees the mask sees too. */
static void vyi_tenant_write_mask(const vyre_tenants *tenants, uint32_t id)
{
    if (tenants->control)
        vyi_wire_store(tenants->control, VYRE_CONTROL_TENANT_MASKS + id,
                       tenants->entries[id].state == VYRE_TENANT_ACTIVE ? 0xffffffffu : 0);
}

static bool vyi_tenant_live(const vyre_tenant_info *entry)
{
    return entry->state == VYRE_TENANT_ACTIVE || entry->state == VYRE_TENANT_DISABLED;
}

static void vyi_tenant_settle(vyre_tenant_info *entry)
{
    if (entry->state == VYRE_TENANT_REVOKED && entry->published == entry->drained &&
        entry->staging_bytes == 0 && entry->handles == 0)
        entry->state = VYRE_TENANT_FREE;
}

static vyre_status vyi_tenant_is_revoked(uint32_t id, vyre_error *err)
{
    return vyi_fail(err, VYRE_E_TENANT_REVOKED, id, "Register the tenant again.",
                    "tenant %u has been revoked", (unsigned)id);
}

static vyre_status vyi_tenant_find(vyre_tenants *tenants, vyre_tenant tenant,
                                   vyre_tenant_info **out, vyre_error *err)
{
    if (tenant.id >= VYRE_MAX_TENANTS || tenant.generation == 0 ||
        tenant.generation > tenants->entries[tenant.id].tenant.generation)
        return vyi_fail(err, VYRE_E_TENANT_UNKNOWN, tenant.id,
                        "Pass a handle that vyre_tenants_register() gave.",
                        "no tenant has id %u and generation %u", (unsigned)tenant.id,
                        (unsigned)tenant.generation);
    if (tenant.generation != tenants->entries[tenant.id].tenant.generation)
        return vyi_tenant_is_revoked(tenant.id, err);
    *out = &tenants->entries[tenant.id];
    return VYRE_OK;
}

static vyre_status vyi_tenant_find_live(vyre_tenants *tenants, vyre_tenant tenant,
                                        vyre_tenant_info **out, vyre_error *err)
{
    vyre_tenant_info *entry = NULL;
    vyre_status status = vyi_tenant_find(tenants, tenant, &entry, err);
    if (status < 0)
        return status;
    if (!vyi_tenant_live(entry))
        return vyi_tenant_is_revoked(tenant.id, err);
    *out = entry;
    return VYRE_OK;
}

/* --- the registry -------------------------------------------------------- */

static vyre_status vyi_tenant_null(const char *what, vyre_error *err)
{
    return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass its address.", "%s is NULL", what);
}

static vyre_status vyi_tenants_control(const void *control, size_t size, vyre_error *err)
{
    return control || size ? vyre_control_check(control, size, err) : VYRE_OK;
}

VYI_COLD
VYRE_API vyre_tenants *vyre_tenants_create(const vyre_tenants_desc *desc, vyre_error *err)
{
    vyre_tenants_desc none;
    memset(&none, 0, sizeof none);
    if (!desc)
        desc = &none;
    if (vyi_tenants_control(desc->control, desc->control_size, err) < 0)
        return NULL;

    vyre_tenants *tenants = (vyre_tenants *)vyi_alloc(&desc->allocator, sizeof *tenants);
    if (!tenants || !vyi_mutex_init(&tenants->lock)) {
        vyi_free(&desc->allocator, tenants, sizeof *tenants);
        (void)vyi_fail_nomem(err, sizeof *tenants);
        return NULL;
    }
    tenants->allocator = desc->allocator;
    tenants->control = desc->control;
    memset(tenants->entries, 0, sizeof tenants->entries);
    for (uint32_t id = 0; id < VYRE_MAX_TENANTS; id++) {
        tenants->entries[id].tenant.id = id;
        vyi_tenant_write_mask(tenants, id);
    }
    return tenants;
}

VYI_COLD
VYRE_API void vyre_tenants_destroy(vyre_tenants *tenants)
{
    if (!tenants)
        return;
    vyre_allocator allocator = tenants->allocator;
    vyi_mutex_free(&tenants->lock);
    vyi_free(&allocator, tenants, sizeof *tenants);
}

VYI_COLD
VYRE_API vyre_status vyre_tenants_attach(vyre_tenants *tenants, void *control,
                                         size_t control_size, vyre_error *err)
{
    if (!tenants)
        return vyi_tenant_null("the registry", err);
    vyre_status status = vyi_tenants_control(control, control_size, err);
    if (status < 0)
        return status;

    vyi_mutex_lock(&tenants->lock);
    tenants->control = control;
    for (uint32_t id = 0; id < VYRE_MAX_TENANTS; id++)
        vyi_tenant_write_mask(tenants, id);
    vyi_mutex_unlock(&tenants->lock);
    return VYRE_OK;
}

VYI_COLD
VYRE_API vyre_status vyre_tenants_list(vyre_tenants *tenants, uint32_t ids[VYRE_MAX_TENANTS],
                                       uint32_t *count, vyre_error *err)
{
    if (!tenants || !ids || !count)
        return vyi_tenant_null("the registry, the ids or the count", err);
    vyi_mutex_lock(&tenants->lock);
    *count = 0;
    for (uint32_t id = 0; id < VYRE_MAX_TENANTS; id++) {
        if (vyi_tenant_live(&tenants->entries[id]))
            ids[(*count)++] = id;
    }
    vyi_mutex_unlock(&tenants->lock);
    return VYRE_OK;
}

static uint32_t vyi_tenants_take(vyre_tenants *tenants, const vyre_tenant_limits *limits)
{
    uint32_t id = 0;
    while (id < VYRE_MAX_TENANTS && tenants->entries[id].state != VYRE_TENANT_FREE)
        id++;
    if (id == VYRE_MAX_TENANTS)
        return id;

    vyre_tenant_info *entry = &tenants->entries[id];
    uint32_t generation = entry->tenant.generation + 1;
    memset(entry, 0, sizeof *entry);
    entry->tenant.id = id;
    entry->tenant.generation = generation ? generation : 1;
    entry->state = VYRE_TENANT_ACTIVE;
    entry->limits.slots = limits ? limits->slots : UINT64_MAX;
    entry->limits.staging_bytes = limits ? limits->staging_bytes : UINT64_MAX;
    entry->limits.handles = limits ? limits->handles : UINT64_MAX;
    vyi_tenant_write_mask(tenants, id);
    return id;
}

VYI_COLD
VYRE_API vyre_status vyre_tenants_register(vyre_tenants *tenants, const vyre_tenant_limits *limits,
                                           vyre_tenant *out, vyre_error *err)
{
    if (!tenants || !out)
        return vyi_tenant_null(tenants ? "the tenant" : "the registry", err);
    vyi_mutex_lock(&tenants->lock);
    uint32_t id = vyi_tenants_take(tenants, limits);
    if (id < VYRE_MAX_TENANTS)
        *out = tenants->entries[id].tenant;
    vyi_mutex_unlock(&tenants->lock);
    if (id < VYRE_MAX_TENANTS)
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_TENANT_FULL, VYRE_MAX_TENANTS,
                    "Revoke a tenant, and drain what it has outstanding.",
                    "all %u tenant ids are in use", VYRE_MAX_TENANTS);
}

/* --- one tenant ---------------------------------------------------------- */

static vyre_status vyi_tenant_switch(vyre_tenants *tenants, vyre_tenant tenant,
                                     vyre_tenant_state state, vyre_error *err)
{
    if (!tenants)
        return vyi_tenant_null("the registry", err);
    vyre_tenant_info *entry = NULL;
    vyi_mutex_lock(&tenants->lock);
    vyre_status status = vyi_tenant_find_live(tenants, tenant, &entry, err);
    if (status >= 0) {
        entry->state = state;
        vyi_tenant_write_mask(tenants, tenant.id);
        vyi_tenant_settle(entry);
        if (state == VYRE_TENANT_REVOKED && entry->state != VYRE_TENANT_FREE)
            status = VYRE_PENDING;
    }
    vyi_mutex_unlock(&tenants->lock);
    return status;
}

VYRE_API vyre_status vyre_tenants_enable(vyre_tenants *tenants, vyre_tenant tenant,
                                         vyre_error *err)
{
    return vyi_tenant_switch(tenants, tenant, VYRE_TENANT_ACTIVE, err);
}

VYRE_API vyre_status vyre_tenants_disable(vyre_tenants *tenants, vyre_tenant tenant,
                                          vyre_error *err)
{
    return vyi_tenant_switch(tenants, tenant, VYRE_TENANT_DISABLED, err);
}

VYRE_API vyre_status vyre_tenants_revoke(vyre_tenants *tenants, vyre_tenant tenant,
                                         vyre_error *err)
{
    return vyi_tenant_switch(tenants, tenant, VYRE_TENANT_REVOKED, err);
}

VYI_COLD
VYRE_API vyre_status vyre_tenants_query(vyre_tenants *tenants, vyre_tenant tenant,
                                        vyre_tenant_info *out, vyre_error *err)
{
    if (!tenants || !out)
        return vyi_tenant_null(tenants ? "the information" : "the registry", err);
    vyre_tenant_info *entry = NULL;
    vyi_mutex_lock(&tenants->lock);
    vyre_status status = vyi_tenant_find(tenants, tenant, &entry, err);
    if (status >= 0)
        *out = *entry;
    vyi_mutex_unlock(&tenants->lock);
    return status;
}

/* --- slots --------------------------------------------------------------- */

static vyre_status vyi_tenant_map_opcode(uint32_t id, uint32_t local, uint32_t *out,
                                         vyre_error *err)
{
    if (local >= VYRE_TENANT_OPCODE_COUNT)
        return vyi_fail(err, VYRE_E_TENANT_OPCODE, local, "Use opcodes below 2^20.",
                        "tenant %u has %u opcodes; %u is none of them", (unsigned)id,
                        VYRE_TENANT_OPCODE_COUNT, (unsigned)local);
    *out = VYRE_TENANT_OPCODES + id * VYRE_TENANT_OPCODE_COUNT + local;
    return VYRE_OK;
}

VYI_COLD
VYRE_API vyre_status vyre_tenants_opcode(vyre_tenants *tenants, vyre_tenant tenant, uint32_t local,
                                         uint32_t *out, vyre_error *err)
{
    if (!tenants || !out)
        return vyi_tenant_null(tenants ? "the opcode" : "the registry", err);
    vyre_tenant_info *entry = NULL;
    vyi_mutex_lock(&tenants->lock);
    vyre_status status = vyi_tenant_find_live(tenants, tenant, &entry, err);
    vyi_mutex_unlock(&tenants->lock);
    return status < 0 ? status : vyi_tenant_map_opcode(tenant.id, local, out, err);
}

static vyre_status vyi_tenant_count_slot(vyre_tenant_info *entry, vyre_error *err)
{
    uint64_t outstanding = entry->published - entry->drained;
    if (outstanding >= entry->limits.slots)
        return vyi_fail(err, VYRE_E_TENANT_BACKPRESSURE, outstanding,
                        "Wait until some of its slots are done, or raise its limit.",
                        "tenant %u has %llu slots outstanding of %llu",
                        (unsigned)entry->tenant.id, (unsigned long long)outstanding,
                        (unsigned long long)entry->limits.slots);
    entry->published++;
    return VYRE_OK;
}

VYRE_API vyre_status vyre_tenants_work(vyre_tenants *tenants, vyre_tenant tenant,
                                       const vyre_work *local, vyre_work *out, vyre_error *err)
{
    if (!tenants || !local || !out)
        return vyi_tenant_null("the registry or a work", err);
    uint32_t opcode = 0;
    vyre_tenant_info *entry = NULL;
    vyi_mutex_lock(&tenants->lock);
    vyre_status status = vyi_tenant_find_live(tenants, tenant, &entry, err);
    if (status >= 0)
        status = vyi_tenant_map_opcode(tenant.id, local->opcode, &opcode, err);
    if (status >= 0)
        status = vyi_tenant_count_slot(entry, err);
    vyi_mutex_unlock(&tenants->lock);
    if (status < 0)
        return status;
    *out = *local;
    out->opcode = opcode;
    out->tenant = tenant.id;
    return VYRE_OK;
}

/* Takes `slots` out of what is outstanding, on the one side or the other. */
static vyre_status vyi_tenant_end_slots(vyre_tenants *tenants, vyre_tenant tenant, uint64_t slots,
                                        bool withdraw, vyre_error *err)
{
    if (!tenants)
        return vyi_tenant_null("the registry", err);
    vyre_tenant_info *entry = NULL;
    vyi_mutex_lock(&tenants->lock);
    vyre_status status = vyi_tenant_find(tenants, tenant, &entry, err);
    if (status >= 0) {
        uint64_t outstanding = entry->published - entry->drained;
        if (slots > outstanding) {
            status = vyi_fail(err, VYRE_E_TENANT_ACCOUNTING, outstanding,
                              "Report each slot once, and only of this tenant.",
                              "tenant %u has %llu slots outstanding, and %llu are reported",
                              (unsigned)tenant.id, (unsigned long long)outstanding,
                              (unsigned long long)slots);
        } else {
            entry->published -= withdraw ? slots : 0;
            entry->drained += withdraw ? 0 : slots;
            vyi_tenant_settle(entry);
        }
    }
    vyi_mutex_unlock(&tenants->lock);
    return status;
}

VYRE_API vyre_status vyre_tenants_withdraw(vyre_tenants *tenants, vyre_tenant tenant,
                                           uint64_t slots, vyre_error *err)
{
    return vyi_tenant_end_slots(tenants, tenant, slots, true, err);
}

VYRE_API vyre_status vyre_tenants_drained(vyre_tenants *tenants, vyre_tenant tenant,
                                          uint64_t slots, vyre_error *err)
{
    return vyi_tenant_end_slots(tenants, tenant, slots, false, err);
}

/* --- quiesce ------------------------------------------------------------- */

#define VYI_QUIESCE_YIELDS    64u
#define VYI_QUIESCE_SLEEP_NS  2000u
#define VYI_QUIESCE_SLEEP_MAX 50000u

/* After some turns of the processor: 2, 4, 8, 16, 32, 50, 50, ... us. */
static void vyi_quiesce_pause(uint64_t round)
{
    if (round < VYI_QUIESCE_YIELDS) {
        vyi_yield();
        return;
    }
    uint64_t doublings = round - VYI_QUIESCE_YIELDS;
    uint64_t ns = (uint64_t)VYI_QUIESCE_SLEEP_NS << (doublings < 5 ? doublings : 5);
    vyi_sleep(ns < VYI_QUIESCE_SLEEP_MAX ? ns : VYI_QUIESCE_SLEEP_MAX);
}

/* One look.  `final` closes the call's account. */
static vyre_status vyi_quiesce_look(vyre_tenants *tenants, vyre_tenant tenant, uint64_t waited_ns,
                                    bool final, vyre_error *err)
{
    vyre_tenant_info *entry = NULL;
    vyi_mutex_lock(&tenants->lock);
    vyre_status status = vyi_tenant_find(tenants, tenant, &entry, err);
    if (status >= 0) {
        bool done = entry->published == entry->drained;
        status = done ? VYRE_OK : final ? VYRE_TIMEOUT : VYRE_PENDING;
        if (done || final) {
            entry->quiesce_calls++;
            entry->quiesce_timeouts += !done;
            entry->quiesce_wait_ns += waited_ns;
        }
    }
    vyi_mutex_unlock(&tenants->lock);
    return status;
}

VYRE_API vyre_status vyre_tenants_quiesce(vyre_tenants *tenants, vyre_tenant tenant,
                                          uint64_t timeout_ns, vyre_error *err)
{
    if (!tenants)
        return vyi_tenant_null("the registry", err);
    const uint64_t begin = vyi_now(), deadline = vyi_deadline(timeout_ns);
    for (uint64_t round = 0;; round++) {
        const uint64_t now = round == 0 && timeout_ns == 0 ? begin : vyi_now();
        const bool final = timeout_ns == 0 || now >= deadline;
        vyre_status status = vyi_quiesce_look(tenants, tenant, now - begin, final, err);
        if (status != VYRE_PENDING)
            return status;
        vyi_quiesce_pause(round);
    }
}

/* --- resources ----------------------------------------------------------- */

typedef struct vyi_tenant_account {
    uint64_t   *used;
    uint64_t    limit;
    vyre_status refusal;
    const char *name;
} vyi_tenant_account;

static vyi_tenant_account vyi_tenant_account_of(vyre_tenant_info *entry,
                                                vyre_tenant_resource resource)
{
    vyi_tenant_account staging = { &entry->staging_bytes, entry->limits.staging_bytes,
                                   VYRE_E_TENANT_STAGING, "staging bytes" };
    vyi_tenant_account handles = { &entry->handles, entry->limits.handles,
                                   VYRE_E_TENANT_HANDLES, "handles" };
    return resource == VYRE_TENANT_HANDLES ? handles : staging;
}

static vyre_status vyi_tenant_take(vyre_tenant_info *entry, vyre_tenant_resource resource,
                                   uint64_t amount, vyre_error *err)
{
    vyi_tenant_account account = vyi_tenant_account_of(entry, resource);
    if (amount > UINT64_MAX - *account.used)
        return vyi_fail(err, VYRE_E_COUNTER_OVF, *account.used, "Reserve less.",
                        "%llu %s more than %llu exceed 64 bits", (unsigned long long)amount,
                        account.name, (unsigned long long)*account.used);
    if (*account.used + amount > account.limit)
        return vyi_fail(err, account.refusal, *account.used,
                        "Release some first, or raise the tenant's limit.",
                        "tenant %u has %llu of %llu %s, and wants %llu more",
                        (unsigned)entry->tenant.id, (unsigned long long)*account.used,
                        (unsigned long long)account.limit, account.name,
                        (unsigned long long)amount);
    *account.used += amount;
    return VYRE_OK;
}

static vyre_status vyi_tenant_give(vyre_tenant_info *entry, vyre_tenant_resource resource,
                                   uint64_t amount, vyre_error *err)
{
    vyi_tenant_account account = vyi_tenant_account_of(entry, resource);
    if (amount > *account.used)
        return vyi_fail(err, VYRE_E_TENANT_UNDERFLOW, *account.used,
                        "Release what was reserved, once.",
                        "tenant %u has %llu %s, and releases %llu", (unsigned)entry->tenant.id,
                        (unsigned long long)*account.used, account.name,
                        (unsigned long long)amount);
    *account.used -= amount;
    vyi_tenant_settle(entry);
    return VYRE_OK;
}

static vyre_status vyi_tenant_resource(vyre_tenant_resource resource, vyre_tenants *tenants,
                                       vyre_error *err)
{
    if (!tenants)
        return vyi_tenant_null("the registry", err);
    if ((uint32_t)resource > VYRE_TENANT_HANDLES)
        return vyi_fail(err, VYRE_E_ARGUMENT, (uint32_t)resource,
                        "Pass one of vyre_tenant_resource.", "%u is no resource",
                        (unsigned)resource);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_tenants_reserve(vyre_tenants *tenants, vyre_tenant tenant,
                                          vyre_tenant_resource resource, uint64_t amount,
                                          vyre_error *err)
{
    vyre_status status = vyi_tenant_resource(resource, tenants, err);
    if (status < 0)
        return status;
    vyre_tenant_info *entry = NULL;
    vyi_mutex_lock(&tenants->lock);
    status = vyi_tenant_find_live(tenants, tenant, &entry, err);
    if (status >= 0)
        status = vyi_tenant_take(entry, resource, amount, err);
    vyi_mutex_unlock(&tenants->lock);
    return status;
}

VYRE_API vyre_status vyre_tenants_release(vyre_tenants *tenants, vyre_tenant tenant,
                                          vyre_tenant_resource resource, uint64_t amount,
                                          vyre_error *err)
{
    vyre_status status = vyi_tenant_resource(resource, tenants, err);
    if (status < 0)
        return status;
    vyre_tenant_info *entry = NULL;
    vyi_mutex_lock(&tenants->lock);
    status = vyi_tenant_find(tenants, tenant, &entry, err);
    if (status >= 0)
        status = vyi_tenant_give(entry, resource, amount, err);
    vyi_mutex_unlock(&tenants->lock);
    return status;
}

/* --- who may run together ------------------------------------------------ */

static bool vyi_tenants_conflict(const vyre_tenant_conflicts *c, uint32_t a, uint32_t b)
{
    return c->matrix[(size_t)a * c->count + b] || c->matrix[(size_t)b * c->count + a];
}

/* Whether row `row` conflicts with one of the rows taken so far. */
static bool vyi_tenants_excluded(const vyre_tenant_conflicts *c, uint32_t row,
                                 const uint32_t *taken, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (vyi_tenants_conflict(c, row, taken[i]))
            return true;
    }
    return false;
}

static vyre_status vyi_tenants_check_conflicts(const vyre_tenant_conflicts *c,
                                               const uint32_t *out, vyre_error *err)
{
    if (c->matrix_count != (uint64_t)c->count * c->count)
        return vyi_fail(err, VYRE_E_ARGUMENT, c->matrix_count,
                        "Pass count * count bytes, made for these ids.",
                        "a conflict matrix of %u tenants has %llu entries, not %llu",
                        (unsigned)c->count, (unsigned long long)c->count * c->count,
                        (unsigned long long)c->matrix_count);
    if (c->count && (!c->ids || !c->matrix || !out))
        return vyi_tenant_null("the ids, the matrix or the result", err);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_tenants_select(const vyre_tenant_conflicts *conflicts, uint32_t *out,
                                         uint32_t *out_count, vyre_error *err)
{
    if (!conflicts || !out_count)
        return vyi_tenant_null(conflicts ? "the count" : "the description", err);
    vyre_status status = vyi_tenants_check_conflicts(conflicts, out, err);
    if (status < 0)
        return status;

    uint32_t taken = 0;
    for (uint32_t i = 0; i < conflicts->count; i++) {
        uint32_t row = (uint32_t)(((uint64_t)conflicts->start + i) % conflicts->count);
        if (!vyi_tenants_excluded(conflicts, row, out, taken))
            out[taken++] = row;
    }
    for (uint32_t i = 0; i < taken; i++)
        out[i] = conflicts->ids[out[i]];
    *out_count = taken;
    return VYRE_OK;
}

#endif /* VYRE_NO_TENANT */
/* ==========================================================================
 * plan: implementation
 * ======================================================================= */

static vyre_status vyi_plan_null(const char *what, vyre_error *err)
{
    return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass the address of a variable of yours.",
                    "%s is NULL", what);
}

/* --- priority partitions ------------------------------------------------- */

#define VYI_WIRE_NORMAL 2u

static void vyi_priority_fill(uint32_t slots, uint32_t out[VYRE_PRIORITY_LEVELS + 1])
{
    uint32_t cursor = 0;
    for (uint32_t level = 0; level < VYRE_PRIORITY_LEVELS; level++) {
        out[level] = cursor;
        cursor += slots / VYRE_PRIORITY_LEVELS;
        if (level == VYI_WIRE_NORMAL)
            cursor += slots % VYRE_PRIORITY_LEVELS;
    }
    out[VYRE_PRIORITY_LEVELS] = cursor;
}

VYRE_API vyre_status vyre_priority_offsets(uint32_t slots,
                                           uint32_t out[VYRE_PRIORITY_LEVELS + 1],
                                           vyre_error *err)
{
    if (!out)
        return vyi_plan_null("the array of offsets", err);
    vyi_priority_fill(slots, out);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_priority_write(void *control, size_t size, uint32_t slots,
                                         vyre_error *err)
{
    const size_t needed = 4 * (VYRE_CONTROL_PRIORITY_OFFSETS + VYRE_PRIORITY_LEVELS + 1);
    if (size % 4)
        return vyi_fail(err, VYRE_E_MISALIGN, size, "Pass vyre_control_size() bytes.",
                        "a control buffer of %llu bytes is no multiple of 4 bytes",
                        (unsigned long long)size);
    if (size < needed)
        return vyi_fail(err, VYRE_E_MISSING, size / 4, "Pass vyre_control_size() bytes.",
                        "the priority offsets end at byte %u, the control buffer at %llu",
                        (unsigned)needed, (unsigned long long)size);
    vyre_status status = vyi_wire_pointer(control, size, "the control buffer", err);
    if (status < 0)
        return status;

    uint32_t offsets[VYRE_PRIORITY_LEVELS + 1];
    vyi_priority_fill(slots, offsets);
    for (uint32_t i = 0; i <= VYRE_PRIORITY_LEVELS; i++)
        vyi_wire_store(control, VYRE_CONTROL_PRIORITY_OFFSETS + i, offsets[i]);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_priority_slots(uint32_t slots, vyre_priority priority, uint32_t *first,
                                         uint32_t *count, vyre_error *err)
{
    if (!first || !count)
        return vyi_plan_null("the first slot or the count", err);
    uint32_t level = vyi_priority_wire(priority);
    if (level == VYI_PRIORITY_NO_WIRE)
        return vyi_fail(err, VYRE_E_PRIORITY, (uint32_t)priority,
                        "Pass one of the five levels of vyre_priority.", "%u is no priority",
                        (unsigned)priority);

    uint32_t offsets[VYRE_PRIORITY_LEVELS + 1];
    vyi_priority_fill(slots, offsets);
    *first = offsets[level];
    *count = offsets[level + 1] - offsets[level];
    return VYRE_OK;
}

VYRE_API vyre_status vyre_priority_of_slot(uint32_t slots, uint32_t slot, vyre_priority *out,
                                           vyre_error *err)
{
    if (!out)
        return vyi_plan_null("the priority", err);
    if (slot >= slots)
        return vyi_fail(err, VYRE_E_SLOT_RANGE, slot, "Pass a slot below the ring's slot count.",
                        "slot %u lies outside the ring of %u slots", (unsigned)slot,
                        (unsigned)slots);

    uint32_t offsets[VYRE_PRIORITY_LEVELS + 1], level = 0;
    vyi_priority_fill(slots, offsets);
    while (slot >= offsets[level + 1])
        level++;
    *out = vyi_priority_of(level);
    return VYRE_OK;
}

VYRE_API uint32_t vyre_partition_probes(uint32_t slots, uint32_t lanes)
{
    if (lanes == 0)
        lanes = 1;
    return slots / lanes + (slots % lanes != 0);
}

VYRE_API uint32_t vyre_partition_lanes(uint32_t slots, uint32_t lanes)
{
    if (lanes == 0)
        lanes = 1;
    return slots < lanes ? slots : lanes;
}

VYRE_API uint32_t vyre_partition_budget(uint32_t slots, uint32_t lanes)
{
    uint64_t budget = (uint64_t)vyre_partition_probes(slots, lanes) *
                      vyre_partition_lanes(slots, lanes);
    return budget > UINT32_MAX ? UINT32_MAX : (uint32_t)budget;
}

/* --- requeue accounting -------------------------------------------------- */

#define VYI_REQUEUE_NEAR 1024u

VYRE_API vyre_status vyre_requeue_record(vyre_requeue *counters, vyre_requeue_event event,
                                         uint32_t age, vyre_error *err)
{
    if (!counters)
        return vyi_plan_null("the block of counters", err);
    if ((uint32_t)event > VYRE_REQUEUE_PROMOTED)
        return vyi_fail(err, VYRE_E_ARGUMENT, (uint32_t)event, "Pass one of vyre_requeue_event.",
                        "%u is no requeue event", (unsigned)event);

    uint64_t *counter = event == VYRE_REQUEUE_REQUEUED ? &counters->requeues
                                                       : &counters->promotions;
    if (*counter == UINT64_MAX)
        return vyi_fail(err, VYRE_E_COUNTER_OVF, *counter,
                        "Read the counters and zero them when vyre_requeue_advise() says so.",
                        "the counter stands at %llu", (unsigned long long)*counter);
    ++*counter;
    if (age > counters->max_age)
        counters->max_age = age;
    return VYRE_OK;
}

static vyre_requeue_reason vyi_requeue_reason(const vyre_requeue *counters)
{
    if (counters->requeues == UINT64_MAX)
        return VYRE_REQUEUE_COUNTER_EXHAUSTED;
    if (counters->promotions == UINT64_MAX)
        return VYRE_REQUEUE_PROMOTION_EXHAUSTED;
    if (counters->requeues >= UINT64_MAX - VYI_REQUEUE_NEAR)
        return VYRE_REQUEUE_COUNTER_NEAR_LIMIT;
    if (counters->promotions >= UINT64_MAX - VYI_REQUEUE_NEAR)
        return VYRE_REQUEUE_PROMOTION_NEAR_LIMIT;
    if (counters->requeues || counters->promotions || counters->max_age)
        return VYRE_REQUEUE_PENDING;
    return VYRE_REQUEUE_NONE;
}

VYRE_API vyre_status vyre_requeue_advise(const vyre_requeue *counters, vyre_requeue_advice *out,
                                         vyre_error *err)
{
    if (!counters || !out)
        return vyi_plan_null(counters ? "the advice" : "the block of counters", err);
    out->reason = vyi_requeue_reason(counters);
    out->drain = out->reason != VYRE_REQUEUE_NONE;
    out->requeue_headroom = UINT64_MAX - counters->requeues;
    out->promotion_headroom = UINT64_MAX - counters->promotions;
    return VYRE_OK;
}
/* ==========================================================================
 * ir: implementation
 * ======================================================================= */
/* ==========================================================================
 * ir: how a program is stored
 *
 * Private.  A program is one array of equal instructions.  The id of a value
 * is the index of its instruction plus one, so a value leads to its
 * definition without a table, and 0 is no value.  Blocks are instructions,
 * too: an opener (IF, SWITCH, LOOP, FOREVER), arms (ELSE, CASE, DEFAULT) and
 * one END.  The builder links them as they are closed:
 *
 *     IF     .link = its ELSE, or its END       ELSE   .link = END
 *     SWITCH .link = first CASE or DEFAULT      CASE   .link = next arm, or END
 *     LOOP, FOREVER .link = END                 END    .link = its opener
 *     BREAK, CONTINUE .link = the loop they belong to
 *
 * One table says of each opcode which operands are values and what it may do;
 * checker, optimizer, listing, interpreter and emitter all read that table.
 * ======================================================================= */
#ifndef VYI_IR_IMPL_H
#define VYI_IR_IMPL_H


VYI_EXTERN_C_BEGIN

/* Flags of an opcode. */
#define VYI_OP_VALUE  1u   /* gives a value */
#define VYI_OP_PURE   2u   /* depends on its operands only: may be merged or dropped */
#define VYI_OP_MEMORY 4u   /* touches a buffer; operand a is the buffer's id */
#define VYI_OP_WRITES 8u   /* may write that buffer */
#define VYI_OP_OPENS  16u  /* opens a block */
#define VYI_OP_ARM    32u  /* closes one arm of a block and opens the next */
#define VYI_OP_LEAVES 64u  /* nothing after it in its block is reached */
#define VYI_OP_GROUP  128u /* works on several lanes together */

/* X(NAME, "text", operands that are values (bit 0 = a .. bit 3 = d), flags).
 * Operands, where they are not values:
 *   CONST a bits | LENGTH, LOAD, STORE, ATOMIC* a buffer id | LOCAL, GET, SET a local id |
 *   CASE a literal | COMMENT a index into texts. */
#define VYI_OP_LIST(X)                                                                             \
    X(CONST,           "const",           0x0, VYI_OP_VALUE | VYI_OP_PURE)                         \
    X(BUILTIN,         "builtin",         0x0, VYI_OP_VALUE) /* sub: vyre_builtin */               \
    X(LENGTH,          "length",          0x0, VYI_OP_VALUE | VYI_OP_PURE)                         \
    X(LOAD,            "load",            0x2, VYI_OP_VALUE | VYI_OP_MEMORY)                       \
    X(STORE,           "store",           0x6, VYI_OP_MEMORY | VYI_OP_WRITES)                      \
    X(ATOMIC,          "atomic",          0x6, VYI_OP_VALUE | VYI_OP_MEMORY | VYI_OP_WRITES)       \
    X(ATOMIC_CAS,      "atomic_cas",      0xe, VYI_OP_VALUE | VYI_OP_MEMORY | VYI_OP_WRITES)       \
    X(ATOMIC_LOAD,     "atomic_load",     0x2, VYI_OP_VALUE | VYI_OP_MEMORY)                       \
    X(ATOMIC_STORE,    "atomic_store",    0x6, VYI_OP_MEMORY | VYI_OP_WRITES)                      \
    X(BINARY,          "binary",          0x3, VYI_OP_VALUE | VYI_OP_PURE) /* sub: vyi_binary */   \
    X(UNARY,           "unary",           0x1, VYI_OP_VALUE | VYI_OP_PURE) /* sub: vyi_unary */    \
    X(FMA,             "fma",             0x7, VYI_OP_VALUE | VYI_OP_PURE)                         \
    X(SELECT,          "select",          0x7, VYI_OP_VALUE | VYI_OP_PURE)                         \
    X(CAST,            "cast",            0x1, VYI_OP_VALUE | VYI_OP_PURE)                         \
    X(BITCAST,         "bitcast",         0x1, VYI_OP_VALUE | VYI_OP_PURE)                         \
    X(LOCAL,           "local",           0x2, 0)                                                  \
    X(GET,             "get",             0x0, VYI_OP_VALUE)                                       \
    X(SET,             "set",             0x2, 0)                                                  \
    X(IF,              "if",              0x1, VYI_OP_OPENS)                                       \
    X(ELSE,            "else",            0x0, VYI_OP_ARM)                                         \
    X(SWITCH,          "switch",          0x1, VYI_OP_OPENS)                                       \
    X(CASE,            "case",            0x0, VYI_OP_ARM)                                         \
    X(DEFAULT,         "default",         0x0, VYI_OP_ARM)                                         \
    X(LOOP,            "loop",            0x3, VYI_OP_OPENS | VYI_OP_VALUE) /* value: counter */   \
    X(FOREVER,         "forever",         0x0, VYI_OP_OPENS) /* sub: 1 = round loop */             \
    X(END,             "end",             0x0, 0)                                                  \
    X(BREAK,           "break",           0x0, VYI_OP_LEAVES)                                      \
    X(CONTINUE,        "continue",        0x0, VYI_OP_LEAVES)                                      \
    X(RETURN,          "return",          0x0, VYI_OP_LEAVES)                                      \
    X(BARRIER,         "barrier",         0x0, VYI_OP_GROUP) /* sub: vyre_scope */                 \
    X(LOOP_ALLOW,      "loop_allow",      0x1, 0)                                                  \
    X(COMMENT,         "comment",         0x0, 0)                                                  \
    X(BALLOT,          "ballot",          0x1, VYI_OP_VALUE | VYI_OP_GROUP)                        \
    X(ELECT,           "elect",           0x0, VYI_OP_VALUE | VYI_OP_GROUP)                        \
    X(ANY,             "any",             0x1, VYI_OP_VALUE | VYI_OP_GROUP)                        \
    X(ALL,             "all",             0x1, VYI_OP_VALUE | VYI_OP_GROUP)                        \
    X(BROADCAST_FIRST, "broadcast_first", 0x1, VYI_OP_VALUE | VYI_OP_GROUP)                        \
    X(SHUFFLE,         "shuffle",         0x3, VYI_OP_VALUE | VYI_OP_GROUP)                        \
    X(REDUCE,          "reduce",          0x1, VYI_OP_VALUE | VYI_OP_GROUP) /* sub: reduce op */

typedef enum vyi_op {
#define VYI_OP_ENUM(name, text, values, flags) VYI_OP_##name,
    VYI_OP_LIST(VYI_OP_ENUM)
#undef VYI_OP_ENUM
    VYI_OP_COUNT
} vyi_op;

typedef enum vyi_binary {
#define VYI_BINARY_ENUM(name, function, operands, result) VYI_BINARY_##name,
    VYRE_BINARY_LIST(VYI_BINARY_ENUM)
#undef VYI_BINARY_ENUM
    VYI_BINARY_COUNT
} vyi_binary;

typedef enum vyi_unary {
#define VYI_UNARY_ENUM(name, function, operands, result) VYI_UNARY_##name,
    VYRE_UNARY_LIST(VYI_UNARY_ENUM)
#undef VYI_UNARY_ENUM
    VYI_UNARY_COUNT
} vyi_unary;

/* Sets of types, for the classes of the operator lists. */
#define VYI_CLASS_U  (1u << VYRE_TYPE_U32)
#define VYI_CLASS_F  (1u << VYRE_TYPE_F32)
#define VYI_CLASS_B  (1u << VYRE_TYPE_BOOL)
#define VYI_CLASS_I  ((1u << VYRE_TYPE_U32) | (1u << VYRE_TYPE_I32))
#define VYI_CLASS_N  (VYI_CLASS_I | VYI_CLASS_F)
#define VYI_CLASS_IB (VYI_CLASS_I | VYI_CLASS_B)
#define VYI_CLASS_A  (VYI_CLASS_N | VYI_CLASS_B)

typedef struct vyi_inst {
    uint8_t  op;      /* vyi_op */
    uint8_t  type;    /* vyre_type of the value, VYRE_TYPE_NONE without one */
    uint8_t  sub;     /* which operator, builtin, atomic, scope, reduction */
    uint8_t  order;   /* vyre_order of atomics and barriers */
    uint32_t arg[4];  /* a, b, c, d; see VYI_OP_LIST */
    uint32_t link;    /* index of another instruction of the same block */
} vyi_inst;

typedef struct vyi_op_info {
    const char *text;
    uint8_t     values; /* bit i: arg[i] is a value */
    uint8_t     flags;
} vyi_op_info;

/* Of an operation, operator, atomic and so on; the number must be in range. */
VYI_API const vyi_op_info *vyi_op_describe(uint32_t op);

typedef struct vyi_operator {
    const char *text;
    uint8_t     operands; /* VYI_CLASS_*: the types that it takes */
    bool        test;     /* gives a bool, else the type of its first operand */
} vyi_operator;

VYI_API const vyi_operator *vyi_binary_describe(uint32_t sub);
VYI_API const vyi_operator *vyi_unary_describe(uint32_t sub);
VYI_API const char *vyi_builtin_text(uint32_t sub);

typedef struct vyi_buffer {
    const char *name;
    uint32_t    binding; /* of a workgroup array: 0xFFFFFFFF */
    uint8_t     type;    /* vyre_type, never NONE */
    uint8_t     access;  /* vyre_access */
    bool        no_readback;
    uint32_t    count;
    uint32_t    readback_offset, readback_size;
} vyi_buffer;

typedef struct vyi_local {
    const char *name;
    uint8_t     type;
    uint32_t    declared; /* index of its LOCAL instruction */
} vyi_local;

typedef struct vyi_value_name {
    uint32_t    value; /* id */
    const char *text;
} vyi_value_name;

/* An open block. */
typedef struct vyi_open {
    uint32_t opener; /* index of IF, SWITCH, LOOP, FOREVER */
    uint32_t arm;    /* index of the latest arm, or of the opener */
    bool     left;   /* the current arm has ended in BREAK, CONTINUE or RETURN */
} vyi_open;

#define VYI_NO_LINK UINT32_MAX

/* What vyi_nest_advance says about links. */
typedef struct vyi_links {
    uint32_t own; /* the link of this instruction, or VYI_NO_LINK when it is not known yet */
    uint32_t arm; /* the instruction that links to this one, or VYI_NO_LINK */
} vyi_links;

struct vyre_program {
    vyre_allocator  allocator;
    vyi_arena       arena; /* names and texts */
    const char     *name;
    uint32_t        group_size[3];
    vyi_inst       *insts;
    uint32_t        count, capacity;
    vyi_buffer     *buffers; /* id = index + 1 */
    uint32_t        buffer_count, buffer_capacity;
    vyi_local      *locals;  /* id = index + 1 */
    uint32_t        local_count, local_capacity;
    vyi_value_name *names;   /* ascending by value */
    uint32_t        name_count, name_capacity;
    const char    **texts;   /* of comments */
    uint32_t        text_count, text_capacity;
    vyi_open        open[VYRE_MAX_NESTING];
    uint32_t        depth;
    bool            left; /* the outermost list has ended in RETURN */
    uint32_t        calls; /* builder calls so far; vyre_error.at of a mistake */
    bool            finished;
    bool            guest_loops; /* a handler, payload or hook in it has a loop */
    vyre_error      error; /* the first mistake; status VYRE_OK = none */
};

/* The definition of value `id`, which is not 0. */
static inline const vyi_inst *vyi_definition(const vyre_program *p, uint32_t id)
{
    return &p->insts[id - 1];
}

/* Whether value `id` is a constant, and which. */
static inline bool vyi_literal(const vyre_program *p, uint32_t id, uint32_t *bits)
{
    const vyi_inst *inst = vyi_definition(p, id);
    if (inst->op != VYI_OP_CONST)
        return false;
    *bits = inst->arg[0];
    return true;
}

static inline const vyi_buffer *vyi_buffer_of(const vyre_program *p, uint32_t id)
{
    return &p->buffers[id - 1];
}

/* Keeps the first mistake of a builder; later ones are dropped. */
VYI_API void vyi_program_fail(vyre_program *p, vyre_status status, const char *fix,
                              const char *format, ...) VYI_PRINTF(4, 5);

/* All rules of a well-formed program (check.c). */
VYI_API vyre_status vyi_program_check(const vyre_program *p, vyre_error *err);

/* The rules of one instruction by itself: operands exist and have the right
 * types, buffer and local ids, operators and orders are in range.  The builder
 * applies it to each new instruction, the check to all. */
VYI_API vyre_status vyi_check_operands(const vyre_program *p, uint32_t index, vyre_error *err);
/* The rules of one buffer, against those declared before it. */
VYI_API vyre_status vyi_check_buffer(const vyre_program *p, uint32_t index, vyre_error *err);
VYI_API vyre_status vyi_check_group_size(const uint32_t size[3], vyre_error *err);

/* May instruction `index` stand inside the blocks that p->open lists? */
VYI_API vyre_status vyi_nest_check(const vyre_program *p, uint32_t index, vyre_error *err);
/* Goes past instruction `index`, which may stand here: opens and closes blocks. */
VYI_API vyi_links vyi_nest_advance(vyre_program *p, uint32_t index);
/* Is there an open loop? */
VYI_API bool vyi_nest_has_loop(const vyre_program *p);

/* The type that an instruction with correct operands gives; those of CONST,
 * CAST and BITCAST are given by their own field. */
VYI_API vyre_type vyi_result_type(const vyre_program *p, const vyi_inst *inst);

/* What a pure operator gives for these operands, as the language defines it.
 * False for what backends may compute differently: nearly all of f32, where
 * only comparing, negating and converting numbers that are neither NaN,
 * infinite nor subnormal is the same everywhere. */
VYI_API bool vyi_eval_binary(uint32_t sub, uint32_t type, uint32_t a, uint32_t b, uint32_t *out);
VYI_API bool vyi_eval_unary(uint32_t sub, uint32_t type, uint32_t a, uint32_t *out);
VYI_API bool vyi_eval_cast(uint32_t to, uint32_t from, uint32_t a, uint32_t *out);

/* The comparison that is true when `sub` is false, for integers and bools; of
 * f32 only EQ and NE are opposites, as NaN is neither less nor greater.
 * VYI_BINARY_COUNT: `sub` does not compare. */
VYI_API uint32_t vyi_opposite(uint32_t sub);

/* Types as they are written in listings: "u32" .. "bool". */
VYI_API const char *vyi_type_text(uint32_t type);

/* The name that vyre_ir_name gave to value `id`, or NULL. */
VYI_API const char *vyi_value_text(const vyre_program *p, uint32_t id);

VYI_EXTERN_C_END

#endif

/* --- tables -------------------------------------------------------------- */

VYI_API const vyi_op_info *vyi_op_describe(uint32_t op)
{
    static const vyi_op_info table[] = {
#define VYI_OP_ENTRY(name, text, values, flags) { text, values, flags },
        VYI_OP_LIST(VYI_OP_ENTRY)
#undef VYI_OP_ENTRY
    };
    VYRE_ASSERT(op < VYI_OP_COUNT);
    return &table[op];
}

/* In the operator lists, S and B say what an operator gives; the text is its
 * function's name without "vyre_ir_". */
#define VYI_RESULT_S false
#define VYI_RESULT_B true
#define VYI_OPERATOR_ENTRY(name, function, operands, result)                                       \
    { &(#function)[8], VYI_CLASS_##operands, VYI_RESULT_##result },

VYI_API const vyi_operator *vyi_binary_describe(uint32_t sub)
{
    static const vyi_operator table[] = { VYRE_BINARY_LIST(VYI_OPERATOR_ENTRY) };
    VYRE_ASSERT(sub < VYI_BINARY_COUNT);
    return &table[sub];
}

VYI_API const vyi_operator *vyi_unary_describe(uint32_t sub)
{
    static const vyi_operator table[] = { VYRE_UNARY_LIST(VYI_OPERATOR_ENTRY) };
    VYRE_ASSERT(sub < VYI_UNARY_COUNT);
    return &table[sub];
}

VYI_COLD
VYI_API const char *vyi_builtin_text(uint32_t sub)
{
    static const char *const table[] = {
#define VYI_BUILTIN_ENTRY(name, text) text,
        VYRE_BUILTIN_LIST(VYI_BUILTIN_ENTRY)
#undef VYI_BUILTIN_ENTRY
    };
    VYRE_ASSERT(sub < VYRE_BUILTIN_COUNT);
    return table[sub];
}

VYI_COLD
VYI_API const char *vyi_type_text(uint32_t type)
{
    static const char *const table[] = { "none", "u32", "i32", "f32", "bool" };
    return type < sizeof table / sizeof table[0] ? table[type] : "unknown";
}

/* --- programs ------------------------------------------------------------ */

static void vyi_program_set_up(vyre_program *p, const vyre_program_desc *desc,
                               const uint32_t group_size[3])
{
    memset(p, 0, sizeof *p);
    p->allocator = desc->allocator;
    p->arena.allocator = desc->allocator;
    memcpy(p->group_size, group_size, sizeof p->group_size);
}

VYI_COLD
VYRE_API vyre_program *vyre_program_create(const vyre_program_desc *desc, vyre_error *err)
{
    static const vyre_program_desc defaults = { { 0, 0, 0 }, NULL, { NULL, NULL } };
    if (!desc)
        desc = &defaults;

    const uint32_t *wanted = desc->workgroup_size;
    const uint32_t group_size[3] = { wanted[0] ? wanted[0] : 64, wanted[1] ? wanted[1] : 1,
                                     wanted[2] ? wanted[2] : 1 };
    if (vyi_check_group_size(group_size, err) < 0)
        return NULL;

    vyre_program *p = (vyre_program *)vyi_alloc(&desc->allocator, sizeof *p);
    if (!p) {
        vyi_fail_nomem(err, sizeof *p);
        return NULL;
    }
    vyi_program_set_up(p, desc, group_size);
    p->name = vyi_arena_text(&p->arena, desc->name ? desc->name : "program", VYRE_MAX_NAME);
    if (!p->name) {
        vyi_fail_nomem(err, VYRE_MAX_NAME + 1);
        vyre_program_destroy(p);
        return NULL;
    }
    return p;
}

VYI_COLD
VYRE_API void vyre_program_destroy(vyre_program *p)
{
    if (!p)
        return;
    const vyre_allocator allocator = p->allocator;
    vyi_free(&allocator, p->insts, p->capacity * sizeof *p->insts);
    vyi_free(&allocator, p->buffers, p->buffer_capacity * sizeof *p->buffers);
    vyi_free(&allocator, p->locals, p->local_capacity * sizeof *p->locals);
    vyi_free(&allocator, p->names, p->name_capacity * sizeof *p->names);
    vyi_free(&allocator, (void *)p->texts, p->text_capacity * sizeof *p->texts);
    vyi_arena_free(&p->arena);
    vyi_free(&allocator, p, sizeof *p);
}

VYRE_API vyre_status vyre_program_finish(vyre_program *p, vyre_error *err)
{
    if (!p)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Test what vyre_program_create returns.",
                        "the program is NULL");
    vyre_error found;
    memset(&found, 0, sizeof found);
    if (p->error.status == VYRE_OK && !p->finished) {
        p->finished = vyi_program_check(p, &found) == VYRE_OK;
        /* Without memory nothing is known about the program: a later call may succeed. */
        if (found.status != VYRE_E_NOMEM)
            p->error = found;
    } else {
        found = p->error;
    }
    if (found.status != VYRE_OK && err)
        *err = found;
    return found.status;
}

VYRE_API vyre_status vyre_program_status(const vyre_program *p)
{
    return p ? p->error.status : VYRE_E_ARGUMENT;
}

VYRE_API uint32_t vyre_program_instruction_count(const vyre_program *p)
{
    return p ? p->count : 0;
}

/* Words instead of bytes, so that the hash is the same on every host. */
static uint64_t vyi_hash_word(uint64_t hash, uint32_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
    return hash ^ (hash >> 29);
}

static uint64_t vyi_hash_inst(uint64_t hash, const vyi_inst *inst)
{
    hash = vyi_hash_word(hash, (uint32_t)inst->op | (uint32_t)inst->type << 8 |
                                   (uint32_t)inst->sub << 16 | (uint32_t)inst->order << 24);
    for (unsigned i = 0; i < 4; i++)
        hash = vyi_hash_word(hash, inst->arg[i]);
    return vyi_hash_word(hash, inst->link);
}

static uint64_t vyi_hash_buffer(uint64_t hash, const vyi_buffer *b)
{
    hash = vyi_hash_word(hash, b->binding);
    hash = vyi_hash_word(hash, (uint32_t)b->type | (uint32_t)b->access << 8 |
                                   (uint32_t)b->no_readback << 16);
    hash = vyi_hash_word(hash, b->count);
    hash = vyi_hash_word(hash, b->readback_offset);
    return vyi_hash_word(hash, b->readback_size);
}

VYI_COLD
VYRE_API uint64_t vyre_program_hash(const vyre_program *p)
{
    uint64_t hash = VYI_HASH_SEED;
    if (!p)
        return hash;
    for (unsigned i = 0; i < 3; i++)
        hash = vyi_hash_word(hash, p->group_size[i]);
    hash = vyi_hash_word(hash, p->buffer_count);
    for (uint32_t i = 0; i < p->buffer_count; i++)
        hash = vyi_hash_buffer(hash, &p->buffers[i]);
    for (uint32_t i = 0; i < p->count; i++)
        hash = vyi_hash_inst(hash, &p->insts[i]);
    return hash;
}

/* --- the builder's core -------------------------------------------------- */

VYI_COLD
VYI_API void vyi_program_fail(vyre_program *p, vyre_status status, const char *fix,
                              const char *format, ...)
{
    if (p->error.status != VYRE_OK)
        return;

    char text[sizeof p->error.text];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    vyi_fail(&p->error, status, p->calls, fix, "%s", text);
}

static void vyi_program_nomem(vyre_program *p, size_t size)
{
    vyi_fail_nomem(&p->error, size);
    p->error.at = p->calls;
}

/* Counts the call; false when the program takes no more. */
static bool vyi_ir_begin(vyre_program *p)
{
    if (!p)
        return false;
    p->calls++;
    if (p->finished)
        vyi_program_fail(p, VYRE_E_IR_FINISHED, "Build everything before vyre_program_finish.",
                         "call %u comes after vyre_program_finish", (unsigned)p->calls);
    return p->error.status == VYRE_OK;
}

static bool vyi_ir_grow_insts(vyre_program *p)
{
    if (p->count >= VYRE_MAX_INSTRUCTIONS) {
        vyi_program_fail(p, VYRE_E_IR_LIMIT, "Split the program, or use loops.",
                         "the program has %u instructions, the most there may be",
                         (unsigned)p->count);
        return false;
    }
    void *insts = p->insts;
    if (!vyi_grow(&p->allocator, &insts, &p->capacity, p->count + 1, sizeof *p->insts)) {
        vyi_program_nomem(p, ((size_t)p->count + 1) * sizeof *p->insts);
        return false;
    }
    p->insts = (vyi_inst *)insts;
    return true;
}

static void vyi_ir_link(vyre_program *p, uint32_t index)
{
    const vyi_links links = vyi_nest_advance(p, index);
    if (links.own != VYI_NO_LINK)
        p->insts[index].link = links.own;
    if (links.arm != VYI_NO_LINK)
        p->insts[links.arm].link = index;
}

/* Every builder call that makes an instruction ends here. */
static uint32_t vyi_ir_append(vyre_program *p, vyi_inst inst)
{
    if (!vyi_ir_begin(p) || !vyi_ir_grow_insts(p))
        return 0;

    const uint32_t index = p->count;
    p->insts[index] = inst;
    if (vyi_check_operands(p, index, &p->error) < 0 ||
        vyi_nest_check(p, index, &p->error) < 0) {
        p->error.at = p->calls;
        return 0;
    }
    p->insts[index].type = (uint8_t)vyi_result_type(p, &p->insts[index]);
    vyi_ir_link(p, index);
    p->count++;
    return index + 1;
}

static vyi_inst vyi_inst_make(vyi_op op, uint32_t a, uint32_t b, uint32_t c)
{
    vyi_inst inst;
    memset(&inst, 0, sizeof inst);
    inst.op = (uint8_t)op;
    inst.arg[0] = a;
    inst.arg[1] = b;
    inst.arg[2] = c;
    return inst;
}

/* A caller's enum as a byte; what does not fit becomes 255, which no list has. */
static uint8_t vyi_narrow(uint32_t number)
{
    return (uint8_t)(number > 255 ? 255 : number);
}

static vyre_value vyi_ir_value(vyre_program *p, vyi_inst inst)
{
    vyre_value value;
    value.id = vyi_ir_append(p, inst);
    return value;
}

/* --- buffers, constants, ids --------------------------------------------- */

static bool vyi_ir_grow_buffers(vyre_program *p)
{
    if (p->buffer_count >= VYRE_MAX_BUFFERS) {
        vyi_program_fail(p, VYRE_E_IR_LIMIT, "Put several arrays into one buffer.",
                         "the program has %u buffers, the most there may be",
                         (unsigned)p->buffer_count);
        return false;
    }
    void *buffers = p->buffers;
    if (!vyi_grow(&p->allocator, &buffers, &p->buffer_capacity, p->buffer_count + 1,
                  sizeof *p->buffers)) {
        vyi_program_nomem(p, (p->buffer_count + 1) * sizeof *p->buffers);
        return false;
    }
    p->buffers = (vyi_buffer *)buffers;
    return true;
}

static const char *vyi_ir_buffer_name(vyre_program *p, const char *name)
{
    char generated[24];
    snprintf(generated, sizeof generated, "buffer%u", (unsigned)p->buffer_count);
    const char *copy = vyi_arena_text(&p->arena, name ? name : generated, VYRE_MAX_NAME);
    if (!copy)
        vyi_program_nomem(p, VYRE_MAX_NAME + 1);
    return copy;
}

VYRE_API vyre_buffer vyre_ir_buffer(vyre_program *p, const vyre_buffer_desc *desc)
{
    vyre_buffer none = { 0 };
    if (!vyi_ir_begin(p))
        return none;
    if (!desc) {
        vyi_program_fail(p, VYRE_E_ARGUMENT, "Pass a vyre_buffer_desc.",
                         "the description of a buffer is NULL");
        return none;
    }
    if (!vyi_ir_grow_buffers(p))
        return none;

    vyi_buffer *b = &p->buffers[p->buffer_count];
    memset(b, 0, sizeof *b);
    b->name = vyi_ir_buffer_name(p, desc->name);
    if (!b->name)
        return none;
    b->binding = desc->access == VYRE_ACCESS_WORKGROUP ? UINT32_MAX : desc->binding;
    b->type = desc->type ? vyi_narrow((uint32_t)desc->type) : (uint8_t)VYRE_TYPE_U32;
    b->access = vyi_narrow((uint32_t)desc->access);
    b->no_readback = desc->no_readback;
    b->count = desc->count;
    b->readback_offset = desc->readback_offset;
    b->readback_size = desc->readback_size;
    if (vyi_check_buffer(p, p->buffer_count, &p->error) < 0) {
        p->error.at = p->calls;
        return none;
    }
    vyre_buffer made = { ++p->buffer_count };
    return made;
}

static vyre_value vyi_ir_const(vyre_program *p, vyre_type type, uint32_t bits)
{
    vyi_inst inst = vyi_inst_make(VYI_OP_CONST, bits, 0, 0);
    inst.type = (uint8_t)type;
    return vyi_ir_value(p, inst);
}

VYI_OUTLINE VYRE_API vyre_value vyre_ir_u32(vyre_program *p, uint32_t x)
{
    return vyi_ir_const(p, VYRE_TYPE_U32, x);
}

VYRE_API vyre_value vyre_ir_i32(vyre_program *p, int32_t x)
{
    return vyi_ir_const(p, VYRE_TYPE_I32, (uint32_t)x);
}

VYRE_API vyre_value vyre_ir_f32(vyre_program *p, float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return vyi_ir_const(p, VYRE_TYPE_F32, bits);
}

VYI_OUTLINE VYRE_API vyre_value vyre_ir_bool(vyre_program *p, bool x)
{
    return vyi_ir_const(p, VYRE_TYPE_BOOL, x ? 1 : 0);
}

VYRE_API vyre_value vyre_ir_builtin(vyre_program *p, vyre_builtin what)
{
    vyi_inst inst = vyi_inst_make(VYI_OP_BUILTIN, 0, 0, 0);
    inst.sub = vyi_narrow((uint32_t)what);
    return vyi_ir_value(p, inst);
}

/* --- memory -------------------------------------------------------------- */

VYRE_API vyre_value vyre_ir_length(vyre_program *p, vyre_buffer buffer)
{
    return vyi_ir_value(p, vyi_inst_make(VYI_OP_LENGTH, buffer.id, 0, 0));
}

VYI_OUTLINE
VYRE_API vyre_value vyre_ir_load(vyre_program *p, vyre_buffer buffer, vyre_value index)
{
    return vyi_ir_value(p, vyi_inst_make(VYI_OP_LOAD, buffer.id, index.id, 0));
}

VYI_OUTLINE
VYRE_API void vyre_ir_store(vyre_program *p, vyre_buffer buffer, vyre_value index,
                            vyre_value value)
{
    vyi_ir_append(p, vyi_inst_make(VYI_OP_STORE, buffer.id, index.id, value.id));
}

VYI_OUTLINE
VYRE_API vyre_value vyre_ir_atomic(vyre_program *p, vyre_atomic_op op, vyre_buffer buffer,
                                   vyre_value index, vyre_value value, vyre_order order)
{
    vyi_inst inst = vyi_inst_make(VYI_OP_ATOMIC, buffer.id, index.id, value.id);
    inst.sub = vyi_narrow((uint32_t)op);
    inst.order = vyi_narrow((uint32_t)order);
    return vyi_ir_value(p, inst);
}

VYRE_API vyre_value vyre_ir_atomic_cas(vyre_program *p, vyre_buffer buffer, vyre_value index,
                                       vyre_value expected, vyre_value desired, vyre_order order)
{
    vyi_inst inst = vyi_inst_make(VYI_OP_ATOMIC_CAS, buffer.id, index.id, expected.id);
    inst.arg[3] = desired.id;
    inst.order = vyi_narrow((uint32_t)order);
    return vyi_ir_value(p, inst);
}

VYI_OUTLINE
VYRE_API vyre_value vyre_ir_atomic_load(vyre_program *p, vyre_buffer buffer, vyre_value index,
                                        vyre_order order)
{
    vyi_inst inst = vyi_inst_make(VYI_OP_ATOMIC_LOAD, buffer.id, index.id, 0);
    inst.order = vyi_narrow((uint32_t)order);
    return vyi_ir_value(p, inst);
}

VYI_OUTLINE
VYRE_API void vyre_ir_atomic_store(vyre_program *p, vyre_buffer buffer, vyre_value index,
                                   vyre_value value, vyre_order order)
{
    vyi_inst inst = vyi_inst_make(VYI_OP_ATOMIC_STORE, buffer.id, index.id, value.id);
    inst.order = vyi_narrow((uint32_t)order);
    vyi_ir_append(p, inst);
}

/* --- arithmetic ---------------------------------------------------------- */

VYI_OUTLINE static vyre_value vyi_ir_binary(vyre_program *p, vyi_binary sub, vyre_value a,
                                            vyre_value b)
{
    vyi_inst inst = vyi_inst_make(VYI_OP_BINARY, a.id, b.id, 0);
    inst.sub = (uint8_t)sub;
    return vyi_ir_value(p, inst);
}

static vyre_value vyi_ir_unary(vyre_program *p, vyi_unary sub, vyre_value a)
{
    vyi_inst inst = vyi_inst_make(VYI_OP_UNARY, a.id, 0, 0);
    inst.sub = (uint8_t)sub;
    return vyi_ir_value(p, inst);
}

#define VYI_BINARY_FUNCTION(name, function, operands, result)                                      \
    VYRE_API vyre_value function(vyre_program *p, vyre_value a, vyre_value b)                      \
    {                                                                                              \
        return vyi_ir_binary(p, VYI_BINARY_##name, a, b);                                          \
    }
VYRE_BINARY_LIST(VYI_BINARY_FUNCTION)

#define VYI_UNARY_FUNCTION(name, function, operands, result)                                       \
    VYRE_API vyre_value function(vyre_program *p, vyre_value a)                                    \
    {                                                                                              \
        return vyi_ir_unary(p, VYI_UNARY_##name, a);                                               \
    }
VYRE_UNARY_LIST(VYI_UNARY_FUNCTION)

VYRE_API vyre_value vyre_ir_fma(vyre_program *p, vyre_value a, vyre_value b, vyre_value c)
{
    return vyi_ir_value(p, vyi_inst_make(VYI_OP_FMA, a.id, b.id, c.id));
}

VYI_OUTLINE
VYRE_API vyre_value vyre_ir_select(vyre_program *p, vyre_value cond, vyre_value a, vyre_value b)
{
    return vyi_ir_value(p, vyi_inst_make(VYI_OP_SELECT, cond.id, a.id, b.id));
}

VYRE_API vyre_value vyre_ir_cast(vyre_program *p, vyre_type type, vyre_value a)
{
    vyi_inst inst = vyi_inst_make(VYI_OP_CAST, a.id, 0, 0);
    inst.type = vyi_narrow((uint32_t)type);
    return vyi_ir_value(p, inst);
}

VYRE_API vyre_value vyre_ir_bitcast(vyre_program *p, vyre_type type, vyre_value a)
{
    vyi_inst inst = vyi_inst_make(VYI_OP_BITCAST, a.id, 0, 0);
    inst.type = vyi_narrow((uint32_t)type);
    return vyi_ir_value(p, inst);
}

/* --- locals -------------------------------------------------------------- */

static bool vyi_ir_add_local(vyre_program *p, vyre_type type, const char *name)
{
    void *locals = p->locals;
    if (!vyi_grow(&p->allocator, &locals, &p->local_capacity, p->local_count + 1,
                  sizeof *p->locals)) {
        vyi_program_nomem(p, ((size_t)p->local_count + 1) * sizeof *p->locals);
        return false;
    }
    p->locals = (vyi_local *)locals;

    vyi_local *local = &p->locals[p->local_count];
    local->name = vyi_arena_text(&p->arena, name, VYRE_MAX_NAME);
    local->type = vyi_narrow((uint32_t)type);
    local->declared = p->count;
    if (!local->name) {
        vyi_program_nomem(p, VYRE_MAX_NAME + 1);
        return false;
    }
    p->local_count++;
    return true;
}

VYRE_API vyre_local vyre_ir_local(vyre_program *p, vyre_type type, vyre_value initial,
                                  const char *name)
{
    vyre_local local = { 0 };
    if (!p)
        return local;
    /* The instruction counts the call; a failed program must not grow. */
    if (p->error.status == VYRE_OK && !p->finished && !vyi_ir_add_local(p, type, name)) {
        p->error.at = ++p->calls;
        return local;
    }
    if (vyi_ir_append(p, vyi_inst_make(VYI_OP_LOCAL, p->local_count, initial.id, 0)))
        local.id = p->local_count;
    return local;
}

VYRE_API vyre_value vyre_ir_get(vyre_program *p, vyre_local local)
{
    return vyi_ir_value(p, vyi_inst_make(VYI_OP_GET, local.id, 0, 0));
}

VYI_OUTLINE VYRE_API void vyre_ir_set(vyre_program *p, vyre_local local, vyre_value value)
{
    vyi_ir_append(p, vyi_inst_make(VYI_OP_SET, local.id, value.id, 0));
}

/* --- control flow -------------------------------------------------------- */

VYI_OUTLINE VYRE_API void vyre_ir_if(vyre_program *p, vyre_value cond)
{
    vyi_ir_append(p, vyi_inst_make(VYI_OP_IF, cond.id, 0, 0));
}

VYRE_API void vyre_ir_else(vyre_program *p)
{
    vyi_ir_append(p, vyi_inst_make(VYI_OP_ELSE, 0, 0, 0));
}

VYRE_API void vyre_ir_switch(vyre_program *p, vyre_value value)
{
    vyi_ir_append(p, vyi_inst_make(VYI_OP_SWITCH, value.id, 0, 0));
}

VYRE_API void vyre_ir_case(vyre_program *p, uint32_t literal)
{
    vyi_ir_append(p, vyi_inst_make(VYI_OP_CASE, literal, 0, 0));
}

VYRE_API void vyre_ir_default(vyre_program *p)
{
    vyi_ir_append(p, vyi_inst_make(VYI_OP_DEFAULT, 0, 0, 0));
}

VYRE_API vyre_value vyre_ir_loop(vyre_program *p, vyre_value from, vyre_value to)
{
    return vyi_ir_value(p, vyi_inst_make(VYI_OP_LOOP, from.id, to.id, 0));
}

VYRE_API void vyre_ir_forever(vyre_program *p)
{
    vyi_inst inst = vyi_inst_make(VYI_OP_FOREVER, 0, 0, 0);
    if (p)
        inst.sub = vyi_nest_has_loop(p) ? 0 : 1;
    vyi_ir_append(p, inst);
}

VYI_OUTLINE VYRE_API void vyre_ir_end(vyre_program *p)
{
    vyi_ir_append(p, vyi_inst_make(VYI_OP_END, 0, 0, 0));
}

VYI_OUTLINE VYRE_API void vyre_ir_break(vyre_program *p)
{
    vyi_ir_append(p, vyi_inst_make(VYI_OP_BREAK, 0, 0, 0));
}

VYRE_API void vyre_ir_continue(vyre_program *p)
{
    vyi_ir_append(p, vyi_inst_make(VYI_OP_CONTINUE, 0, 0, 0));
}

VYRE_API void vyre_ir_return(vyre_program *p)
{
    vyi_ir_append(p, vyi_inst_make(VYI_OP_RETURN, 0, 0, 0));
}

VYRE_API void vyre_ir_barrier(vyre_program *p, vyre_scope scope, vyre_order order)
{
    vyi_inst inst = vyi_inst_make(VYI_OP_BARRIER, 0, 0, 0);
    inst.sub = vyi_narrow((uint32_t)scope);
    inst.order = vyi_narrow((uint32_t)order);
    vyi_ir_append(p, inst);
}

VYRE_API void vyre_ir_loop_allow(vyre_program *p, vyre_value n)
{
    vyi_ir_append(p, vyi_inst_make(VYI_OP_LOOP_ALLOW, n.id, 0, 0));
}

/* --- listings ------------------------------------------------------------ */

#define VYI_MAX_COMMENT 1000u

static bool vyi_ir_add_text(vyre_program *p, const char *text)
{
    void *texts = (void *)p->texts;
    if (vyi_grow(&p->allocator, &texts, &p->text_capacity, p->text_count + 1,
                 sizeof *p->texts)) {
        p->texts = (const char **)texts;
        p->texts[p->text_count] = vyi_arena_text(&p->arena, text, VYI_MAX_COMMENT);
        if (p->texts[p->text_count]) {
            p->text_count++;
            return true;
        }
    }
    vyi_program_nomem(p, VYI_MAX_COMMENT + 1);
    return false;
}

VYI_COLD
VYRE_API void vyre_ir_comment(vyre_program *p, const char *text)
{
    if (!p)
        return;
    if (p->error.status == VYRE_OK && !p->finished && !vyi_ir_add_text(p, text)) {
        p->error.at = ++p->calls;
        return;
    }
    vyi_ir_append(p, vyi_inst_make(VYI_OP_COMMENT, p->text_count - 1, 0, 0));
}

/* Where the name of value `id` is, or would be inserted. */
static uint32_t vyi_ir_name_place(const vyre_program *p, uint32_t id)
{
    uint32_t low = 0, high = p->name_count;
    if (high && p->names[high - 1].value < id)
        return high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (p->names[middle].value < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

VYI_COLD
VYI_API const char *vyi_value_text(const vyre_program *p, uint32_t id)
{
    const uint32_t place = vyi_ir_name_place(p, id);
    return place < p->name_count && p->names[place].value == id ? p->names[place].text : NULL;
}

static bool vyi_ir_insert_name(vyre_program *p, uint32_t id, const char *text)
{
    const uint32_t place = vyi_ir_name_place(p, id);
    if (place < p->name_count && p->names[place].value == id) {
        p->names[place].text = text;
        return true;
    }
    void *names = p->names;
    if (!vyi_grow(&p->allocator, &names, &p->name_capacity, p->name_count + 1,
                  sizeof *p->names))
        return false;
    p->names = (vyi_value_name *)names;
    memmove(&p->names[place + 1], &p->names[place], (p->name_count - place) * sizeof *p->names);
    p->names[place].value = id;
    p->names[place].text = text;
    p->name_count++;
    return true;
}

VYI_COLD
VYRE_API vyre_value vyre_ir_name(vyre_program *p, vyre_value value, const char *name)
{
    vyre_value none = { 0 };
    if (!vyi_ir_begin(p))
        return none;
    if (value.id == 0 || value.id > p->count ||
        !(vyi_op_describe(vyi_definition(p, value.id)->op)->flags & VYI_OP_VALUE)) {
        vyi_program_fail(p, VYRE_E_IR_VALUE, "Name what a builder call returned.",
                         "name: %%%u is not a value of this program", (unsigned)value.id);
        return none;
    }
    const char *text = vyi_arena_text(&p->arena, name, VYRE_MAX_NAME);
    if (!text || !vyi_ir_insert_name(p, value.id, text)) {
        vyi_program_nomem(p, VYRE_MAX_NAME + 1);
        return none;
    }
    return value;
}

/* --- subgroups ----------------------------------------------------------- */

VYRE_API vyre_value vyre_ir_ballot(vyre_program *p, vyre_value cond)
{
    return vyi_ir_value(p, vyi_inst_make(VYI_OP_BALLOT, cond.id, 0, 0));
}

VYRE_API vyre_value vyre_ir_elect(vyre_program *p)
{
    return vyi_ir_value(p, vyi_inst_make(VYI_OP_ELECT, 0, 0, 0));
}

VYRE_API vyre_value vyre_ir_any(vyre_program *p, vyre_value cond)
{
    return vyi_ir_value(p, vyi_inst_make(VYI_OP_ANY, cond.id, 0, 0));
}

VYRE_API vyre_value vyre_ir_all(vyre_program *p, vyre_value cond)
{
    return vyi_ir_value(p, vyi_inst_make(VYI_OP_ALL, cond.id, 0, 0));
}

VYRE_API vyre_value vyre_ir_broadcast_first(vyre_program *p, vyre_value value)
{
    return vyi_ir_value(p, vyi_inst_make(VYI_OP_BROADCAST_FIRST, value.id, 0, 0));
}

VYRE_API vyre_value vyre_ir_shuffle(vyre_program *p, vyre_value value, vyre_value lane)
{
    return vyi_ir_value(p, vyi_inst_make(VYI_OP_SHUFFLE, value.id, lane.id, 0));
}

VYRE_API vyre_value vyre_ir_reduce(vyre_program *p, vyre_reduce_op op, vyre_value value)
{
    vyi_inst inst = vyi_inst_make(VYI_OP_REDUCE, value.id, 0, 0);
    inst.sub = vyi_narrow((uint32_t)op);
    return vyi_ir_value(p, inst);
}
/* ==========================================================================
 * check: what makes a program well-formed
 *
 * Private.  The check trusts nobody: it reads the instruction array as if a
 * stranger had written it.  The builder uses the same rules for each new
 * instruction, so that most mistakes are reported by the call that made them.
 * Messages name an instruction by the number that listings show, which is
 * its index plus one; vyre_error.at is that number, or the builder's call.
 * ======================================================================= */

/* --- workgroup size and buffers ------------------------------------------ */

VYI_COLD
VYI_API vyre_status vyi_check_group_size(const uint32_t size[3], vyre_error *err)
{
    uint64_t lanes = 1;
    for (unsigned i = 0; i < 3; i++)
        lanes = lanes > VYRE_MAX_WORKGROUP ? lanes : lanes * size[i];
    if (lanes >= 1 && lanes <= VYRE_MAX_WORKGROUP)
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_IR_GROUP_SIZE, 0, "Use fewer lanes in x, y and z together.",
                    "a workgroup of %u x %u x %u lanes; there must be 1 to %u", (unsigned)size[0],
                    (unsigned)size[1], (unsigned)size[2], (unsigned)VYRE_MAX_WORKGROUP);
}

static bool vyi_buffer_is_array(const vyi_buffer *b)
{
    return b->access == VYRE_ACCESS_WORKGROUP;
}

static uint64_t vyi_workgroup_bytes(const vyre_program *p, uint32_t buffers)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < buffers; i++)
        bytes += vyi_buffer_is_array(&p->buffers[i]) ? (uint64_t)p->buffers[i].count * 4 : 0;
    return bytes;
}

static vyre_status vyi_check_array(const vyre_program *p, uint32_t index, vyre_error *err)
{
    const vyi_buffer *b = &p->buffers[index];
    if (b->count == 0)
        return vyi_fail(err, VYRE_E_IR_COUNT, index + 1, "Set the desc's count.",
                        "the workgroup array \"%s\" has no element count", b->name);
    const uint64_t bytes = vyi_workgroup_bytes(p, index + 1);
    if (bytes > VYRE_MAX_WORKGROUP_SIZE)
        return vyi_fail(err, VYRE_E_IR_GROUP_MEMORY, index + 1, "Use smaller workgroup arrays.",
                        "workgroup arrays of %llu bytes with \"%s\"; there may be %u",
                        (unsigned long long)bytes, b->name, (unsigned)VYRE_MAX_WORKGROUP_SIZE);
    return VYRE_OK;
}

static vyre_status vyi_check_bound(const vyre_program *p, uint32_t index, vyre_error *err)
{
    const vyi_buffer *b = &p->buffers[index];
    if (b->binding >= VYRE_MAX_BINDINGS)
        return vyi_fail(err, VYRE_E_IR_BINDING, index + 1, "Use a smaller binding.",
                        "binding %u of buffer \"%s\"; bindings end at %u", (unsigned)b->binding,
                        b->name, (unsigned)VYRE_MAX_BINDINGS - 1);
    const uint64_t end = (uint64_t)b->readback_offset + b->readback_size;
    if (b->readback_offset % 4 || b->readback_size % 4 ||
        (b->count && end > (uint64_t)b->count * 4))
        return vyi_fail(err, VYRE_E_IR_READBACK, index + 1,
                        "Give an offset and a size in whole words inside the buffer.",
                        "readback of %u bytes at %u from buffer \"%s\" of %u elements",
                        (unsigned)b->readback_size, (unsigned)b->readback_offset, b->name,
                        (unsigned)b->count);
    return VYRE_OK;
}

static vyre_status vyi_check_unlike(const vyre_program *p, uint32_t index, vyre_error *err)
{
    const vyi_buffer *b = &p->buffers[index];
    for (uint32_t i = 0; i < index; i++) {
        const vyi_buffer *other = &p->buffers[i];
        if (strcmp(other->name, b->name) == 0)
            return vyi_fail(err, VYRE_E_IR_NAME, index + 1, "Give each buffer its own name.",
                            "buffers %u and %u are both named \"%s\"", (unsigned)i + 1,
                            (unsigned)index + 1, b->name);
        if (!vyi_buffer_is_array(b) && other->binding == b->binding)
            return vyi_fail(err, VYRE_E_IR_BINDING, index + 1, "Give each buffer its own binding.",
                            "binding %u is used by \"%s\" and \"%s\"", (unsigned)b->binding,
                            other->name, b->name);
    }
    return VYRE_OK;
}

VYI_COLD
VYI_API vyre_status vyi_check_buffer(const vyre_program *p, uint32_t index, vyre_error *err)
{
    const vyi_buffer *b = &p->buffers[index];
    if (b->type < VYRE_TYPE_U32 || b->type > VYRE_TYPE_BOOL || b->access > VYRE_ACCESS_WORKGROUP)
        return vyi_fail(err, VYRE_E_IR_OPERATOR, index + 1,
                        "Use a VYRE_TYPE_* and a VYRE_ACCESS_*.",
                        "buffer \"%s\" has type number %u and access number %u", b->name,
                        (unsigned)b->type, (unsigned)b->access);
    vyre_status status = vyi_check_unlike(p, index, err);
    if (status == VYRE_OK)
        status = vyi_buffer_is_array(b) ? vyi_check_array(p, index, err)
                                        : vyi_check_bound(p, index, err);
    return status;
}

/* --- one instruction: what its fields may hold ---------------------------- */

/* The number and kind of an instruction, as all messages begin. */
#define VYI_AT_FORMAT "%%%u %s: "
#define VYI_AT(p, index) (unsigned)(index) + 1, vyi_op_describe((p)->insts[index].op)->text

static uint32_t vyi_type_of(const vyre_program *p, uint32_t value)
{
    return vyi_definition(p, value)->type;
}

static uint32_t vyi_type_set(uint32_t type)
{
    return type >= VYRE_TYPE_U32 && type <= VYRE_TYPE_BOOL ? 1u << type : 0;
}

static bool vyi_op_uses_buffer(uint32_t op)
{
    return op == VYI_OP_LENGTH || (vyi_op_describe(op)->flags & VYI_OP_MEMORY);
}

static bool vyi_op_is_atomic(uint32_t op)
{
    return op >= VYI_OP_ATOMIC && op <= VYI_OP_ATOMIC_STORE;
}

/* How many numbers `sub` may take. */
static uint32_t vyi_sub_count(uint32_t op)
{
    switch (op) {
    case VYI_OP_BUILTIN: return VYRE_BUILTIN_COUNT;
    case VYI_OP_BINARY:  return VYI_BINARY_COUNT;
    case VYI_OP_UNARY:   return VYI_UNARY_COUNT;
    case VYI_OP_ATOMIC:  return VYRE_ATOMIC_OP_COUNT;
    case VYI_OP_FOREVER: return 2;
    case VYI_OP_BARRIER: return VYRE_SCOPE_DEVICE + 1;
    case VYI_OP_REDUCE:  return VYRE_REDUCE_OP_COUNT;
    default:             return 1;
    }
}

/* The orders that an instruction may have, as a set. */
static uint32_t vyi_order_set(uint32_t op)
{
    const uint32_t relaxed = 1u << VYRE_ORDER_RELAXED, acquire = 1u << VYRE_ORDER_ACQUIRE;
    const uint32_t release = 1u << VYRE_ORDER_RELEASE, acq_rel = 1u << VYRE_ORDER_ACQ_REL;
    switch (op) {
    case VYI_OP_ATOMIC:
    case VYI_OP_ATOMIC_CAS:   return relaxed | acquire | release | acq_rel;
    case VYI_OP_ATOMIC_LOAD:  return relaxed | acquire;
    case VYI_OP_ATOMIC_STORE: return relaxed | release;
    case VYI_OP_BARRIER:      return acquire | release | acq_rel;
    default:                  return relaxed;
    }
}

static const char *vyi_order_fix(uint32_t op)
{
    switch (op) {
    case VYI_OP_ATOMIC_LOAD:  return "Use relaxed or acquire.";
    case VYI_OP_ATOMIC_STORE: return "Use relaxed or release.";
    case VYI_OP_BARRIER:      return "Use acquire, release or both; relaxed orders nothing.";
    default:                  return "Use a VYRE_ORDER_*.";
    }
}

/* The types that a CONST, CAST or BITCAST may give; all others are computed. */
static uint32_t vyi_given_types(uint32_t op)
{
    switch (op) {
    case VYI_OP_CONST:
    case VYI_OP_CAST:    return VYI_CLASS_A;
    case VYI_OP_BITCAST: return VYI_CLASS_N;
    default:             return 0;
    }
}

VYI_OUTLINE
static vyre_status vyi_check_numbers(const vyre_program *p, uint32_t index, vyre_error *err)
{
    const vyi_inst *inst = &p->insts[index];
    if (inst->sub >= vyi_sub_count(inst->op))
        return vyi_fail(err, VYRE_E_IR_OPERATOR, index + 1, "Use a number of the matching enum.",
                        VYI_AT_FORMAT "operator number %u; there are %u", VYI_AT(p, index),
                        (unsigned)inst->sub, (unsigned)vyi_sub_count(inst->op));
    if (inst->order > VYRE_ORDER_ACQ_REL || !(vyi_order_set(inst->op) & (1u << inst->order)))
        return vyi_fail(err, VYRE_E_IR_ORDER, index + 1, vyi_order_fix(inst->op),
                        VYI_AT_FORMAT "memory order number %u is not allowed here",
                        VYI_AT(p, index), (unsigned)inst->order);
    const uint32_t given = vyi_given_types(inst->op);
    if (given && !(vyi_type_set(inst->type) & given))
        return vyi_fail(err, inst->type < VYRE_TYPE_U32 || inst->type > VYRE_TYPE_BOOL
                                 ? VYRE_E_IR_OPERATOR : VYRE_E_IR_TYPE,
                        index + 1, "Use a VYRE_TYPE_*; a bitcast cannot give a bool.",
                        VYI_AT_FORMAT "type number %u cannot be the result", VYI_AT(p, index),
                        (unsigned)inst->type);
    return VYRE_OK;
}

static vyre_status vyi_check_access(const vyre_program *p, uint32_t index, vyre_error *err)
{
    const vyi_inst *inst = &p->insts[index];
    const vyi_buffer *b = vyi_buffer_of(p, inst->arg[0]);
    if (vyi_op_is_atomic(inst->op) && !(vyi_type_set(b->type) & VYI_CLASS_I))
        return vyi_fail(err, VYRE_E_IR_TYPE, index + 1, "Declare the buffer as u32 or i32.",
                        VYI_AT_FORMAT "buffer \"%s\" has %s elements; atomics need u32 or i32",
                        VYI_AT(p, index), b->name, vyi_type_text(b->type));

    const uint32_t flags = vyi_op_describe(inst->op)->flags;
    const bool writes = (flags & VYI_OP_WRITES) != 0;
    const bool reads = (flags & VYI_OP_MEMORY) && (flags & VYI_OP_VALUE);
    if (writes && b->access == VYRE_ACCESS_READ)
        return vyi_fail(err, VYRE_E_IR_ACCESS, index + 1, "Declare it with VYRE_ACCESS_READ_WRITE.",
                        VYI_AT_FORMAT "buffer \"%s\" can only be read", VYI_AT(p, index), b->name);
    if (reads && b->access == VYRE_ACCESS_WRITE)
        return vyi_fail(err, VYRE_E_IR_ACCESS, index + 1, "Declare it with VYRE_ACCESS_READ_WRITE.",
                        VYI_AT_FORMAT "buffer \"%s\" can only be written", VYI_AT(p, index),
                        b->name);
    return VYRE_OK;
}

static vyre_status vyi_check_handles(const vyre_program *p, uint32_t index, vyre_error *err)
{
    const vyi_inst *inst = &p->insts[index];
    const uint32_t id = inst->arg[0];
    if (vyi_op_uses_buffer(inst->op)) {
        if (id == 0 || id > p->buffer_count)
            return vyi_fail(err, VYRE_E_IR_BUFFER, index + 1, "Use what vyre_ir_buffer returned.",
                            VYI_AT_FORMAT "buffer %u of %u", VYI_AT(p, index), (unsigned)id,
                            (unsigned)p->buffer_count);
        return vyi_check_access(p, index, err);
    }
    const bool local = inst->op == VYI_OP_LOCAL || inst->op == VYI_OP_GET || inst->op == VYI_OP_SET;
    if (local && (id == 0 || id > p->local_count))
        return vyi_fail(err, VYRE_E_IR_LOCAL, index + 1, "Use what vyre_ir_local returned.",
                        VYI_AT_FORMAT "local %u of %u", VYI_AT(p, index), (unsigned)id,
                        (unsigned)p->local_count);
    if (local && !vyi_type_set(p->locals[id - 1].type))
        return vyi_fail(err, VYRE_E_IR_OPERATOR, index + 1, "Use a VYRE_TYPE_*.",
                        VYI_AT_FORMAT "local %u has type number %u", VYI_AT(p, index), (unsigned)id,
                        (unsigned)p->locals[id - 1].type);
    if (inst->op == VYI_OP_COMMENT && id >= p->text_count)
        return vyi_fail(err, VYRE_E_IR_LINK, index + 1, "Build programs with the builder only.",
                        VYI_AT_FORMAT "text %u of %u", VYI_AT(p, index), (unsigned)id,
                        (unsigned)p->text_count);
    return VYRE_OK;
}

/* --- one instruction: the types of its operands --------------------------- */

static uint32_t vyi_binary_class(const vyre_program *p, const vyi_inst *inst, unsigned which)
{
    if (which == 0)
        return vyi_binary_describe(inst->sub)->operands;
    const bool amount = inst->sub == VYI_BINARY_SHL || inst->sub == VYI_BINARY_SHR ||
                        inst->sub == VYI_BINARY_ROTL || inst->sub == VYI_BINARY_ROTR;
    return amount ? VYI_CLASS_U : vyi_type_set(vyi_type_of(p, inst->arg[0]));
}

/* Of a load, store or atomic: operand 1 is the index, the rest are elements. */
static uint32_t vyi_memory_class(const vyre_program *p, const vyi_inst *inst, unsigned which)
{
    return which == 1 ? VYI_CLASS_U : vyi_type_set(vyi_buffer_of(p, inst->arg[0])->type);
}

/* The set of types that operand `which` may have; those before it are right. */
static uint32_t vyi_operand_class(const vyre_program *p, const vyi_inst *inst, unsigned which)
{
    switch (inst->op) {
    case VYI_OP_LOAD:
    case VYI_OP_STORE:
    case VYI_OP_ATOMIC:
    case VYI_OP_ATOMIC_CAS:
    case VYI_OP_ATOMIC_LOAD:
    case VYI_OP_ATOMIC_STORE: return vyi_memory_class(p, inst, which);
    case VYI_OP_BINARY:       return vyi_binary_class(p, inst, which);
    case VYI_OP_UNARY:        return vyi_unary_describe(inst->sub)->operands;
    case VYI_OP_FMA:          return VYI_CLASS_F;
    case VYI_OP_SELECT:
        return which == 0   ? VYI_CLASS_B
               : which == 1 ? VYI_CLASS_A
                            : vyi_type_set(vyi_type_of(p, inst->arg[1]));
    case VYI_OP_BITCAST:      return VYI_CLASS_N;
    case VYI_OP_LOCAL:
    case VYI_OP_SET:          return vyi_type_set(p->locals[inst->arg[0] - 1].type);
    case VYI_OP_IF:
    case VYI_OP_BALLOT:
    case VYI_OP_ANY:
    case VYI_OP_ALL:          return VYI_CLASS_B;
    case VYI_OP_SWITCH:
    case VYI_OP_LOOP:
    case VYI_OP_LOOP_ALLOW:   return VYI_CLASS_U;
    case VYI_OP_SHUFFLE:      return which == 0 ? VYI_CLASS_A : VYI_CLASS_U;
    case VYI_OP_REDUCE:       return inst->sub <= VYRE_REDUCE_MAX ? VYI_CLASS_N : VYI_CLASS_IB;
    default:                  return VYI_CLASS_A;
    }
}

static const char *vyi_class_text(uint32_t set)
{
    switch (set) {
    case VYI_CLASS_U:           return "u32";
    case VYI_CLASS_F:           return "f32";
    case VYI_CLASS_B:           return "bool";
    case 1u << VYRE_TYPE_I32:   return "i32";
    case VYI_CLASS_I:           return "u32 or i32";
    case VYI_CLASS_N:           return "u32, i32 or f32";
    case VYI_CLASS_IB:          return "u32, i32 or bool";
    default:                    return "a value";
    }
}

/* The operator's name where there is one: "add" rather than "binary". */
static const char *vyi_inst_text(const vyi_inst *inst)
{
    if (inst->op == VYI_OP_BUILTIN)
        return vyi_builtin_text(inst->sub);
    if (inst->op == VYI_OP_BINARY)
        return vyi_binary_describe(inst->sub)->text;
    if (inst->op == VYI_OP_UNARY)
        return vyi_unary_describe(inst->sub)->text;
    return vyi_op_describe(inst->op)->text;
}

static vyre_status vyi_check_operand(const vyre_program *p, uint32_t index, unsigned which,
                                     vyre_error *err)
{
    const vyi_inst *inst = &p->insts[index];
    const uint32_t id = inst->arg[which];
    if (id == 0 || id > index ||
        !(vyi_op_describe(vyi_definition(p, id)->op)->flags & VYI_OP_VALUE))
        return vyi_fail(err, VYRE_E_IR_VALUE, index + 1,
                        "Use a value that an earlier call on this program returned.",
                        "%%%u %s: operand %u, %%%u, is not an earlier value of this program",
                        (unsigned)index + 1, vyi_inst_text(inst), which, (unsigned)id);
    const uint32_t set = vyi_operand_class(p, inst, which);
    const uint32_t type = vyi_type_of(p, id);
    if (set & vyi_type_set(type))
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_IR_TYPE, index + 1,
                    "Use vyre_ir_cast or vyre_ir_bitcast, or a constant of the right type.",
                    "%%%u %s: operand %u, %%%u, is %s and should be %s", (unsigned)index + 1,
                    vyi_inst_text(inst), which, (unsigned)id, vyi_type_text(type),
                    vyi_class_text(set));
}

/* A literal index that is out of range is a slip of whoever wrote it.  Once a
 * program is finished the rule is off: folding may find such an index in code
 * that means what it says, or is never reached. */
static vyre_status vyi_check_literal_index(const vyre_program *p, uint32_t index, vyre_error *err)
{
    const vyi_inst *inst = &p->insts[index];
    if (p->finished || !(vyi_op_describe(inst->op)->flags & VYI_OP_MEMORY))
        return VYRE_OK;
    const vyi_inst *element = vyi_definition(p, inst->arg[1]);
    const vyi_buffer *b = vyi_buffer_of(p, inst->arg[0]);
    if (element->op != VYI_OP_CONST || b->count == 0 || element->arg[0] < b->count)
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_IR_INDEX, index + 1, "Correct the index or the declared count.",
                    VYI_AT_FORMAT "element %u of buffer \"%s\", which has %u", VYI_AT(p, index),
                    (unsigned)element->arg[0], b->name, (unsigned)b->count);
}

VYI_API vyre_status vyi_check_operands(const vyre_program *p, uint32_t index, vyre_error *err)
{
    const vyi_inst *inst = &p->insts[index];
    if (inst->op >= VYI_OP_COUNT)
        return vyi_fail(err, VYRE_E_IR_LINK, index + 1, "Build programs with the builder only.",
                        "%%%u: operation number %u; there are %u", (unsigned)index + 1,
                        (unsigned)inst->op, (unsigned)VYI_OP_COUNT);
    vyre_status status = vyi_check_numbers(p, index, err);
    if (status == VYRE_OK)
        status = vyi_check_handles(p, index, err);
    const uint32_t values = vyi_op_describe(inst->op)->values;
    for (unsigned which = 0; which < 4 && status == VYRE_OK; which++) {
        if (values & (1u << which))
            status = vyi_check_operand(p, index, which, err);
    }
    return status == VYRE_OK ? vyi_check_literal_index(p, index, err) : status;
}

VYI_API vyre_type vyi_result_type(const vyre_program *p, const vyi_inst *inst)
{
    const uint32_t a = inst->arg[0];
    switch (inst->op) {
    case VYI_OP_CONST:
    case VYI_OP_CAST:
    case VYI_OP_BITCAST: return (vyre_type)inst->type;
    case VYI_OP_BUILTIN: return inst->sub == VYRE_BUILTIN_LOOP_CUT ? VYRE_TYPE_BOOL : VYRE_TYPE_U32;
    case VYI_OP_LENGTH:
    case VYI_OP_LOOP:
    case VYI_OP_BALLOT:  return VYRE_TYPE_U32;
    case VYI_OP_LOAD:
    case VYI_OP_ATOMIC:
    case VYI_OP_ATOMIC_CAS:
    case VYI_OP_ATOMIC_LOAD: return (vyre_type)vyi_buffer_of(p, a)->type;
    case VYI_OP_BINARY:
        return vyi_binary_describe(inst->sub)->test ? VYRE_TYPE_BOOL : (vyre_type)vyi_type_of(p, a);
    case VYI_OP_UNARY:
        return vyi_unary_describe(inst->sub)->test ? VYRE_TYPE_BOOL : (vyre_type)vyi_type_of(p, a);
    case VYI_OP_FMA:     return VYRE_TYPE_F32;
    case VYI_OP_SELECT:  return (vyre_type)vyi_type_of(p, inst->arg[1]);
    case VYI_OP_GET:     return (vyre_type)p->locals[a - 1].type;
    case VYI_OP_ELECT:
    case VYI_OP_ANY:
    case VYI_OP_ALL:     return VYRE_TYPE_BOOL;
    case VYI_OP_BROADCAST_FIRST:
    case VYI_OP_SHUFFLE:
    case VYI_OP_REDUCE:  return (vyre_type)vyi_type_of(p, a);
    default:             return VYRE_TYPE_NONE;
    }
}

/* --- blocks --------------------------------------------------------------- */

static uint32_t vyi_nest_opener(const vyre_program *p)
{
    return p->depth ? p->insts[p->open[p->depth - 1].opener].op : (uint32_t)VYI_OP_COUNT;
}

/* The innermost open loop, or NULL. */
static const vyi_open *vyi_nest_loop(const vyre_program *p)
{
    for (uint32_t i = p->depth; i-- > 0;) {
        const uint32_t op = p->insts[p->open[i].opener].op;
        if (op == VYI_OP_LOOP || op == VYI_OP_FOREVER)
            return &p->open[i];
    }
    return NULL;
}

VYI_API bool vyi_nest_has_loop(const vyre_program *p)
{
    return vyi_nest_loop(p) != NULL;
}

static bool vyi_nest_in_first_arm(const vyre_program *p)
{
    const vyi_open *top = &p->open[p->depth - 1];
    return top->arm == top->opener;
}

/* True in a switch that has no arm yet. */
static bool vyi_nest_awaits_case(const vyre_program *p)
{
    return vyi_nest_opener(p) == VYI_OP_SWITCH && vyi_nest_in_first_arm(p);
}

/* For ELSE, CASE, DEFAULT and END. */
static vyre_status vyi_nest_check_close(const vyre_program *p, uint32_t index, vyre_error *err)
{
    const uint32_t op = p->insts[index].op;
    const uint32_t opener = vyi_nest_opener(p);
    bool fits = opener != VYI_OP_COUNT;
    if (op == VYI_OP_ELSE)
        fits = opener == VYI_OP_IF && vyi_nest_in_first_arm(p);
    else if (op != VYI_OP_END)
        fits = opener == VYI_OP_SWITCH;
    if (!fits)
        return vyi_fail(err, VYRE_E_IR_BLOCK, index + 1,
                        "Open the block first; an if has one else.",
                        VYI_AT_FORMAT "it does not belong into the innermost open block, %s",
                        VYI_AT(p, index),
                        opener == VYI_OP_COUNT ? "none" : vyi_op_describe(opener)->text);
    if (op == VYI_OP_END && vyi_nest_awaits_case(p))
        return vyi_fail(err, VYRE_E_IR_SWITCH, index + 1, "Give the switch a case or a default.",
                        VYI_AT_FORMAT "the switch has no case", VYI_AT(p, index));
    return VYRE_OK;
}

VYI_API vyre_status vyi_nest_check(const vyre_program *p, uint32_t index, vyre_error *err)
{
    const uint32_t op = p->insts[index].op;
    const uint32_t flags = vyi_op_describe(op)->flags;
    if ((flags & VYI_OP_ARM) || op == VYI_OP_END)
        return vyi_nest_check_close(p, index, err);
    if (vyi_nest_awaits_case(p))
        return vyi_fail(err, VYRE_E_IR_SWITCH, index + 1,
                        "Put it before the switch, or inside a case.",
                        VYI_AT_FORMAT "it stands between a switch and its first case",
                        VYI_AT(p, index));
    const bool left = p->depth ? p->open[p->depth - 1].left : p->left;
    if (left && op != VYI_OP_COMMENT)
        return vyi_fail(err, VYRE_E_IR_UNREACHABLE, index + 1, "Remove it, or end the block first.",
                        VYI_AT_FORMAT "it stands behind a break, continue or return",
                        VYI_AT(p, index));
    if ((flags & VYI_OP_OPENS) && p->depth == VYRE_MAX_NESTING)
        return vyi_fail(err, VYRE_E_IR_NESTING, index + 1,
                        "Close a block first, or join the conditions.",
                        VYI_AT_FORMAT "%u blocks are open, the most there may be",
                        VYI_AT(p, index), (unsigned)p->depth);
    if ((op == VYI_OP_BREAK || op == VYI_OP_CONTINUE) && !vyi_nest_has_loop(p))
        return vyi_fail(err, VYRE_E_IR_LOOP, index + 1, "Use it inside a loop, or use return.",
                        VYI_AT_FORMAT "no loop is open", VYI_AT(p, index));
    return VYRE_OK;
}

static vyi_links vyi_nest_open(vyre_program *p, uint32_t index)
{
    const vyi_links links = { VYI_NO_LINK, VYI_NO_LINK };
    vyi_open *block = &p->open[p->depth++];
    block->opener = block->arm = index;
    block->left = false;
    return links;
}

static vyi_links vyi_nest_next_arm(vyre_program *p, uint32_t index)
{
    vyi_open *top = &p->open[p->depth - 1];
    const vyi_links links = { VYI_NO_LINK, top->arm };
    top->arm = index;
    top->left = false;
    return links;
}

static vyi_links vyi_nest_close(vyre_program *p)
{
    const vyi_open *top = &p->open[--p->depth];
    const vyi_links links = { top->opener, top->arm };
    return links;
}

VYI_API vyi_links vyi_nest_advance(vyre_program *p, uint32_t index)
{
    const uint32_t op = p->insts[index].op;
    const uint32_t flags = vyi_op_describe(op)->flags;
    if (flags & VYI_OP_OPENS)
        return vyi_nest_open(p, index);
    if (flags & VYI_OP_ARM)
        return vyi_nest_next_arm(p, index);
    if (op == VYI_OP_END)
        return vyi_nest_close(p);

    vyi_links links = { 0, VYI_NO_LINK };
    if (flags & VYI_OP_LEAVES)
        *(p->depth ? &p->open[p->depth - 1].left : &p->left) = true;
    if (op == VYI_OP_BREAK || op == VYI_OP_CONTINUE)
        links.own = vyi_nest_loop(p)->opener;
    return links;
}

/* --- scopes --------------------------------------------------------------- */

/* A value is visible in the list of instructions, or arm, in which it stands,
 * and in the blocks nested there.  `where` holds for each instruction the arm
 * that its value belongs to: the index of the instruction that opened the arm
 * plus one, or 0 for the outermost list, and the nesting depth above it.  So
 * one comparison with the arm that is open at that depth decides. */
#define VYI_SCOPE_SHIFT 20
VYI_STATIC_ASSERT(scope_shift, VYRE_MAX_INSTRUCTIONS < (1u << VYI_SCOPE_SHIFT) &&
                                   VYRE_MAX_NESTING < (1u << (32 - VYI_SCOPE_SHIFT)));

typedef struct vyi_checker {
    vyre_program       *p;    /* walk */
    vyre_program        walk; /* the program, but its open blocks are those at the place */
    vyre_error         *err;
    uint32_t            arms[VYRE_MAX_NESTING + 1]; /* the open one at each depth */
    uint32_t           *where;                      /* of each instruction */
    uint32_t           *cases;                      /* hash set of arms of switches, index + 1 */
    uint32_t            case_mask;
    uint32_t            locals_seen;
    uint8_t            *level;                      /* uniformity of each value */
    uint8_t            *flow;                       /* uniformity of each loop's body */
    uint8_t            *locals;                     /* uniformity of each local */
    size_t              size;                       /* of all these tables, one block */
} vyi_checker;

static bool vyi_scope_is_open(const vyi_checker *c, uint32_t index)
{
    const uint32_t where = c->where[index];
    const uint32_t depth = where >> VYI_SCOPE_SHIFT;
    return depth <= c->walk.depth && c->arms[depth] == where;
}

/* Locals are numbered in the order in which they are declared. */
static vyre_status vyi_check_local_scope(vyi_checker *c, uint32_t index)
{
    const vyre_program *p = c->p;
    const uint32_t id = p->insts[index].arg[0];
    const vyi_local *local = &p->locals[id - 1];
    if (p->insts[index].op == VYI_OP_LOCAL) {
        if (id == ++c->locals_seen && local->declared == index)
            return VYRE_OK;
        return vyi_fail(c->err, VYRE_E_IR_LINK, index + 1, "Build programs with the builder only.",
                        VYI_AT_FORMAT "local %u is declared at %%%u", VYI_AT(p, index),
                        (unsigned)id, (unsigned)local->declared + 1);
    }
    if (id <= c->locals_seen && vyi_scope_is_open(c, local->declared))
        return VYRE_OK;
    return vyi_fail(c->err, VYRE_E_IR_SCOPE, index + 1, "Declare the local before the block.",
                    VYI_AT_FORMAT "local $%u %s belongs to a block that is not open",
                    VYI_AT(p, index), (unsigned)id, local->name);
}

static vyre_status vyi_check_scopes(vyi_checker *c, uint32_t index)
{
    const vyi_inst *inst = &c->p->insts[index];
    const uint32_t values = vyi_op_describe(inst->op)->values;
    for (unsigned which = 0; which < 4; which++) {
        if ((values & (1u << which)) && !vyi_scope_is_open(c, inst->arg[which] - 1))
            return vyi_fail(c->err, VYRE_E_IR_SCOPE, index + 1,
                            "Carry the value out of its block in a local.",
                            "%%%u %s: operand %u, %%%u, belongs to a block that is closed",
                            (unsigned)index + 1, vyi_inst_text(inst), which,
                            (unsigned)inst->arg[which]);
    }
    if (inst->op == VYI_OP_LOCAL || inst->op == VYI_OP_GET || inst->op == VYI_OP_SET)
        return vyi_check_local_scope(c, index);
    return VYRE_OK;
}

/* Enters a CASE or DEFAULT into the set of arms. */
static vyre_status vyi_check_case(vyi_checker *c, uint32_t index)
{
    const vyi_inst *inst = &c->p->insts[index];
    const uint32_t opener = c->walk.open[c->walk.depth - 1].opener;
    uint32_t at = (inst->arg[0] * 0x9e3779b1u) ^ (opener * 0x85ebca6bu);
    for (at ^= at >> 15;; at++) {
        uint32_t *entry = &c->cases[at & c->case_mask];
        if (*entry == 0) {
            *entry = index + 1;
            c->where[index] = opener;
            return VYRE_OK;
        }
        const vyi_inst *other = &c->p->insts[*entry - 1];
        if (c->where[*entry - 1] == opener && other->op == inst->op &&
            other->arg[0] == inst->arg[0])
            break;
    }
    return vyi_fail(c->err, VYRE_E_IR_CASE, index + 1, "Give each arm its own literal.",
                    inst->op == VYI_OP_CASE ? VYI_AT_FORMAT "the switch at %%%u has %u twice"
                                            : VYI_AT_FORMAT "the switch at %%%u has two (%u)",
                    VYI_AT(c->p, index), (unsigned)opener + 1, (unsigned)inst->arg[0]);
}

static vyre_status vyi_check_links(const vyi_checker *c, uint32_t index, vyi_links links)
{
    const vyi_inst *inst = &c->p->insts[index];
    if ((links.own == VYI_NO_LINK || inst->link == links.own) &&
        (links.arm == VYI_NO_LINK || c->p->insts[links.arm].link == index))
        return VYRE_OK;
    return vyi_fail(c->err, VYRE_E_IR_LINK, index + 1, "Build programs with the builder only.",
                    VYI_AT_FORMAT "the links of its block are wrong", VYI_AT(c->p, index));
}

/* Goes past one instruction that may stand here. */
static vyre_status vyi_check_step(vyi_checker *c, uint32_t index)
{
    const vyi_inst *inst = &c->p->insts[index];
    const uint32_t flags = vyi_op_describe(inst->op)->flags;
    if (inst->op == VYI_OP_FOREVER && inst->sub == vyi_nest_has_loop(c->p))
        return vyi_fail(c->err, VYRE_E_IR_LINK, index + 1, "Build programs with the builder only.",
                        VYI_AT_FORMAT "wrongly marked as a round loop", VYI_AT(c->p, index));

    const vyi_links links = vyi_nest_advance(c->p, index);
    const uint32_t depth = c->walk.depth;
    if (flags & (VYI_OP_OPENS | VYI_OP_ARM))
        c->arms[depth] = (depth << VYI_SCOPE_SHIFT) | (index + 1);
    if (!(flags & VYI_OP_ARM))
        c->where[index] = c->arms[depth];
    return vyi_check_links(c, index, links);
}

static vyre_status vyi_check_blocks(vyi_checker *c)
{
    const vyre_program *p = c->p;
    for (uint32_t i = 0; i < p->count; i++) {
        const uint32_t op = p->insts[i].op;
        vyre_status status = vyi_nest_check(p, i, c->err);
        if (status == VYRE_OK)
            status = vyi_check_scopes(c, i);
        if (status == VYRE_OK && (op == VYI_OP_CASE || op == VYI_OP_DEFAULT))
            status = vyi_check_case(c, i);
        if (status == VYRE_OK)
            status = vyi_check_step(c, i);
        if (status < 0)
            return status;
    }
    if (c->walk.depth == 0)
        return VYRE_OK;
    const uint32_t opener = c->walk.open[c->walk.depth - 1].opener;
    return vyi_fail(c->err, VYRE_E_IR_OPEN, opener + 1, "Call vyre_ir_end once for each block.",
                    VYI_AT_FORMAT "the block has no end; %u are open", VYI_AT(p, opener),
                    (unsigned)c->walk.depth);
}

/* --- uniformity ----------------------------------------------------------- */

/* A barrier waits for all lanes, so all must reach it together.  Each value
 * and each place in the flow of control has a level:
 *
 *     0  the same in all lanes of the workgroup
 *     1  the same in all lanes of each subgroup
 *     2  may differ from lane to lane
 *
 * The level of a block is the largest among the conditions around it.  A
 * break or continue at some level gives it to the body of its loop, a return
 * to all that may run after it: code behind it, and the loops around it.  A
 * local has the largest level among all that is stored into it, and where.
 * What vyre_ir_uniform marks has level 0: only lanes that come there use it.
 * What flows backwards through loops is repeated until nothing changes. */
#define VYI_UNIFORM_PASSES 16u

typedef struct vyi_uniformity {
    vyi_checker *c;
    uint32_t     depth;
    uint8_t      flow[VYRE_MAX_NESTING + 1];   /* the level of each open block */
    uint32_t     cause[VYRE_MAX_NESTING + 1];  /* the instruction that it comes from */
    uint32_t     opener[VYRE_MAX_NESTING + 1];
    uint8_t      after;                        /* what returns so far do to all that follows */
    uint32_t     after_cause;
    bool         changed;
} vyi_uniformity;

static uint8_t vyi_level_max(uint8_t a, uint8_t b)
{
    return a > b ? a : b;
}

static uint8_t vyi_level_here(const vyi_uniformity *u)
{
    return vyi_level_max(u->flow[u->depth], u->after);
}

static void vyi_level_raise(vyi_uniformity *u, uint8_t *level, uint8_t to)
{
    if (*level < to) {
        *level = to;
        u->changed = true;
    }
}

static uint8_t vyi_level_of_builtin(uint32_t sub)
{
    switch (sub) {
    case VYRE_BUILTIN_GROUP_ID_X:
    case VYRE_BUILTIN_GROUP_ID_Y:
    case VYRE_BUILTIN_GROUP_ID_Z:
    case VYRE_BUILTIN_GROUP_SIZE_X:
    case VYRE_BUILTIN_GROUP_SIZE_Y:
    case VYRE_BUILTIN_GROUP_SIZE_Z:
    case VYRE_BUILTIN_GROUP_COUNT_X:
    case VYRE_BUILTIN_GROUP_COUNT_Y:
    case VYRE_BUILTIN_GROUP_COUNT_Z:
    case VYRE_BUILTIN_SUBGROUP_SIZE: return 0;
    default:                         return 2;
    }
}

static uint8_t vyi_level_of_operands(const vyi_uniformity *u, const vyi_inst *inst)
{
    const uint32_t values = vyi_op_describe(inst->op)->values;
    uint8_t level = 0;
    for (unsigned i = 0; i < 4; i++) {
        if (values & (1u << i))
            level = vyi_level_max(level, u->c->level[inst->arg[i] - 1]);
    }
    return level;
}

/* The level of an instruction's value. */
static uint8_t vyi_level_of(const vyi_uniformity *u, const vyi_inst *inst)
{
    if (inst->op == VYI_OP_UNARY && inst->sub == VYI_UNARY_UNIFORM)
        return 0;
    if (vyi_op_describe(inst->op)->flags & VYI_OP_PURE)
        return vyi_level_of_operands(u, inst);
    switch (inst->op) {
    case VYI_OP_BUILTIN: return vyi_level_of_builtin(inst->sub);
    case VYI_OP_GET:     return u->c->locals[inst->arg[0] - 1];
    case VYI_OP_LOOP:    return vyi_level_of_operands(u, inst);
    case VYI_OP_LOAD:
        /* What is declared as read-only does not change while the program runs. */
        return vyi_buffer_of(u->c->p, inst->arg[0])->access == VYRE_ACCESS_READ
                   ? vyi_level_of_operands(u, inst) : 2;
    case VYI_OP_BALLOT:
    case VYI_OP_ANY:
    case VYI_OP_ALL:
    case VYI_OP_BROADCAST_FIRST:
    case VYI_OP_REDUCE:
        /* The same in all active lanes.  Where not all are active the place has
         * level 2, and so has everything that can use this value there. */
        return 1;
    default:             return 2;
    }
}

static void vyi_level_open(vyi_uniformity *u, uint32_t index)
{
    const vyi_inst *inst = &u->c->p->insts[index];
    const uint8_t here = vyi_level_here(u);
    const uint8_t own = vyi_level_max(vyi_level_of_operands(u, inst), u->c->flow[index]);
    const uint32_t cause = u->after > u->flow[u->depth] ? u->after_cause : u->cause[u->depth];
    u->depth++;
    u->opener[u->depth] = index;
    u->flow[u->depth] = vyi_level_max(here, own);
    u->cause[u->depth] = own > here ? index : cause;
}

/* A return takes its lanes out of everything that comes later. */
static void vyi_level_return(vyi_uniformity *u, uint32_t index)
{
    const uint8_t here = vyi_level_here(u);
    for (uint32_t d = 1; d <= u->depth; d++) {
        const uint32_t op = u->c->p->insts[u->opener[d]].op;
        if (op == VYI_OP_LOOP || op == VYI_OP_FOREVER)
            vyi_level_raise(u, &u->c->flow[u->opener[d]], here);
    }
    if (u->after < here) {
        u->after = here;
        u->after_cause = index;
    }
}

static void vyi_level_step(vyi_uniformity *u, uint32_t index)
{
    const vyi_inst *inst = &u->c->p->insts[index];
    const uint32_t flags = vyi_op_describe(inst->op)->flags;
    if (flags & VYI_OP_VALUE)
        u->c->level[index] = vyi_level_of(u, inst);
    if (flags & VYI_OP_OPENS)
        vyi_level_open(u, index);
    else if (inst->op == VYI_OP_END)
        u->depth--;
    else if (inst->op == VYI_OP_RETURN)
        vyi_level_return(u, index);
    else if (flags & VYI_OP_LEAVES)
        vyi_level_raise(u, &u->c->flow[inst->link], vyi_level_here(u));
    else if (inst->op == VYI_OP_LOCAL || inst->op == VYI_OP_SET)
        vyi_level_raise(u, &u->c->locals[inst->arg[0] - 1],
                        vyi_level_max(vyi_level_here(u), vyi_level_of_operands(u, inst)));
}

static void vyi_level_begin(vyi_uniformity *u)
{
    u->changed = false;
    u->depth = 0;
    u->flow[0] = 0;
    u->cause[0] = 0;
    u->after = 0;
    u->after_cause = 0;
}

/* The first operand whose level is above `allowed`, or 0. */
static uint32_t vyi_level_parts_by(const vyi_uniformity *u, const vyi_inst *inst, uint8_t allowed)
{
    const uint32_t values = vyi_op_describe(inst->op)->values;
    for (unsigned i = 0; i < 4; i++) {
        if ((values & (1u << i)) && u->c->level[inst->arg[i] - 1] > allowed)
            return inst->arg[i];
    }
    return 0;
}

/* The value by which the lanes part at `inst`, followed to where they begin to
 * differ; 0 when it is not by a value.  A subgroup operation is such a place,
 * whatever its operands are. */
static uint32_t vyi_level_origin(const vyi_uniformity *u, const vyi_inst *inst, uint8_t allowed)
{
    uint32_t origin = 0;
    for (uint32_t next = vyi_level_parts_by(u, inst, allowed); next;) {
        origin = next;
        inst = vyi_definition(u->c->p, origin);
        next = vyi_op_describe(inst->op)->flags & VYI_OP_GROUP
                   ? 0 : vyi_level_parts_by(u, inst, allowed);
    }
    return origin;
}

/* Says where the lanes part, and why. */
VYI_COLD
static vyre_status vyi_barrier_fail(const vyi_uniformity *u, uint32_t index, uint8_t allowed)
{
    const vyre_program *p = u->c->p;
    const uint32_t cause = u->after > u->flow[u->depth] ? u->after_cause : u->cause[u->depth];
    const uint32_t origin = vyi_level_origin(u, &p->insts[cause], allowed);
    const bool loaded = origin && (vyi_op_describe(vyi_definition(p, origin)->op)->flags &
                                   VYI_OP_MEMORY);
    char why[48] = "";
    if (origin)
        snprintf(why, sizeof why, ", by %%%u, %s", (unsigned)origin,
                 vyi_inst_text(vyi_definition(p, origin)));
    return vyi_fail(u->c->err, VYRE_E_IR_BARRIER, index + 1,
                    loaded ? "If all lanes load the same there, say so with vyre_ir_uniform; else "
                             "move the barrier out of the branch."
                           : "Move the barrier out of the branch, or branch on what all lanes "
                             "share.",
                    VYI_AT_FORMAT "not all lanes reach it together: they may part at %%%u, %s%s",
                    VYI_AT(p, index), (unsigned)cause + 1,
                    vyi_op_describe(p->insts[cause].op)->text, why);
}

static vyre_status vyi_check_barrier(const vyi_uniformity *u, uint32_t index)
{
    const vyre_program *p = u->c->p;
    const uint32_t scope = p->insts[index].sub;
    static const uint8_t allowed_levels[] = { 0, 1, 2 }; /* a fence may stand anywhere */
    const uint8_t allowed = allowed_levels[scope];
    return vyi_level_here(u) <= allowed ? VYRE_OK : vyi_barrier_fail(u, index, allowed);
}

static vyre_status vyi_check_barriers(vyi_checker *c)
{
    vyi_uniformity u;
    memset(&u, 0, sizeof u);
    u.c = c;
    for (uint32_t pass = 0; pass == 0 || u.changed; pass++) {
        vyi_level_begin(&u);
        if (pass == VYI_UNIFORM_PASSES) {
            /* No real program comes here: expect the worst, which is stable. */
            memset(c->locals, 2, c->p->local_count);
            memset(c->flow, 2, c->p->count);
        }
        for (uint32_t i = 0; i < c->p->count; i++)
            vyi_level_step(&u, i);
    }

    vyre_status status = VYRE_OK;
    vyi_level_begin(&u);
    for (uint32_t i = 0; i < c->p->count && status == VYRE_OK; i++) {
        if (c->p->insts[i].op == VYI_OP_BARRIER)
            status = vyi_check_barrier(&u, i);
        vyi_level_step(&u, i);
    }
    return status;
}

/* --- the program ---------------------------------------------------------- */

static vyre_status vyi_check_limits(const vyre_program *p, vyre_error *err)
{
    if (p->count > VYRE_MAX_INSTRUCTIONS || p->buffer_count > VYRE_MAX_BUFFERS)
        return vyi_fail(err, VYRE_E_IR_LIMIT, 0, "Split the program.",
                        "%u instructions and %u buffers; there may be %u and %u",
                        (unsigned)p->count, (unsigned)p->buffer_count,
                        (unsigned)VYRE_MAX_INSTRUCTIONS, (unsigned)VYRE_MAX_BUFFERS);
    if (p->local_count > p->count)
        return vyi_fail(err, VYRE_E_IR_LINK, 0, "Build programs with the builder only.",
                        "%u locals in %u instructions", (unsigned)p->local_count,
                        (unsigned)p->count);
    vyre_status status = vyi_check_group_size(p->group_size, err);
    for (uint32_t i = 0; i < p->buffer_count && status == VYRE_OK; i++)
        status = vyi_check_buffer(p, i, err);
    return status;
}

static vyre_status vyi_check_instructions(const vyre_program *p, vyre_error *err)
{
    for (uint32_t i = 0; i < p->count; i++) {
        vyre_status status = vyi_check_operands(p, i, err);
        if (status < 0)
            return status;
        const vyre_type type = vyi_result_type(p, &p->insts[i]);
        if (p->insts[i].type != (uint8_t)type)
            return vyi_fail(err, VYRE_E_IR_TYPE, i + 1, "Build programs with the builder only.",
                            "%%%u %s: the result is %s and is declared as %s", (unsigned)i + 1,
                            vyi_inst_text(&p->insts[i]), vyi_type_text((uint32_t)type),
                            vyi_type_text(p->insts[i].type));
    }
    return VYRE_OK;
}

static uint32_t vyi_count_op(const vyre_program *p, uint32_t op)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->count; i++)
        n += p->insts[i].op == op;
    return n;
}

static bool vyi_checker_set_up(vyi_checker *c, const vyre_program *p, vyre_error *err)
{
    memset(c, 0, sizeof *c);
    c->walk = *p;
    c->walk.depth = 0;
    c->walk.left = false;
    c->p = &c->walk;
    c->err = err;
    const uint32_t arms = vyi_count_op(p, VYI_OP_CASE) + vyi_count_op(p, VYI_OP_DEFAULT);
    uint32_t slots = 1;
    while (slots < 2 * arms + 1)
        slots *= 2;
    c->case_mask = slots - 1;

    const size_t count = p->count;
    const size_t words = count + slots;
    c->size = words * 4 + 2 * count + p->local_count;
    c->where = (uint32_t *)vyi_alloc(&p->allocator, c->size);
    if (!c->where) {
        vyi_fail_nomem(err, c->size);
        return false;
    }
    c->cases = c->where + count;
    c->level = (uint8_t *)(c->where + words);
    c->flow = c->level + count;
    c->locals = c->flow + count;
    memset(c->cases, 0, c->size - count * 4);
    return true;
}

VYI_API vyre_status vyi_program_check(const vyre_program *p, vyre_error *err)
{
    vyre_status status = vyi_check_limits(p, err);
    if (status == VYRE_OK)
        status = vyi_check_instructions(p, err);
    if (status < 0)
        return status;

    vyi_checker c;
    if (!vyi_checker_set_up(&c, p, err))
        return VYRE_E_NOMEM;
    status = vyi_check_blocks(&c);
    if (status == VYRE_OK && vyi_count_op(p, VYI_OP_BARRIER))
        status = vyi_check_barriers(&c);
    vyi_free(&p->allocator, c.where, c.size);
    return status;
}
/* ==========================================================================
 * opt: programs that do the same with fewer instructions
 *
 * Private.  Three steps, each linear in the length of the program:
 *
 *   rewrite  walks the program once and writes a new list.  Pure values are
 *            folded, simplified, or found among the values that are visible
 *            (common subexpressions within dominance).  Branches on constants
 *            are replaced by the arm that is taken.
 *   mark     finds what is needed, beginning with what has an effect: memory,
 *            barriers, subgroup operations, loops, and the ways out of them.
 *   commit   writes what is needed back, constants first.
 *
 * A load, store, atomic, barrier or subgroup operation is never moved, merged
 * or dropped, except with an arm that cannot be taken.  Loops stay, as their
 * iterations are counted, except one that has no iteration.
 * ======================================================================= */

/* --- evaluation ---------------------------------------------------------- */

static uint32_t vyi_eval_shift(uint32_t sub, bool is_signed, uint32_t a, uint32_t amount)
{
    const uint32_t n = amount & 31u;
    switch (sub) {
    case VYI_BINARY_SHL:  return a << n;
    case VYI_BINARY_SHR:  return is_signed && a >> 31 ? ~(~a >> n) : a >> n;
    case VYI_BINARY_ROTL: return n ? a << n | a >> (32 - n) : a;
    default:              return n ? a >> n | a << (32 - n) : a;
    }
}

static uint32_t vyi_eval_div_u32(bool rem, uint32_t a, uint32_t b)
{
    if (rem)
        return b ? a % b : 0;
    return b ? a / b : UINT32_MAX;
}

static uint32_t vyi_eval_div_i32(bool rem, uint32_t a, uint32_t b)
{
    if (b == 0 || b == UINT32_MAX) /* x/0 = -1, x/-1 = -x, which of MIN is MIN */
        return rem ? 0 : b ? 0u - a : UINT32_MAX;
    const int32_t x = (int32_t)a, y = (int32_t)b;
    return (uint32_t)(rem ? x % y : x / y);
}

/* Operators that order: `a` and `b` are such that unsigned comparison is right. */
static bool vyi_eval_compare(uint32_t sub, uint32_t a, uint32_t b)
{
    switch (sub) {
    case VYI_BINARY_EQ: return a == b;
    case VYI_BINARY_NE: return a != b;
    case VYI_BINARY_LT: return a < b;
    case VYI_BINARY_LE: return a <= b;
    case VYI_BINARY_GT: return a > b;
    default:            return a >= b;
    }
}

static uint32_t vyi_eval_integer(uint32_t sub, bool is_signed, uint32_t a, uint32_t b)
{
    /* Flipping the sign bit puts signed numbers into unsigned order. */
    const uint32_t flip = is_signed ? 0x80000000u : 0;
    switch (sub) {
    case VYI_BINARY_ADD:      return a + b;
    case VYI_BINARY_SUB:      return a - b;
    case VYI_BINARY_MUL:      return a * b;
    case VYI_BINARY_DIV:
    case VYI_BINARY_REM:
        return is_signed ? vyi_eval_div_i32(sub == VYI_BINARY_REM, a, b)
                         : vyi_eval_div_u32(sub == VYI_BINARY_REM, a, b);
    case VYI_BINARY_MUL_HIGH: return (uint32_t)((uint64_t)a * b >> 32);
    case VYI_BINARY_AND:      return a & b;
    case VYI_BINARY_OR:       return a | b;
    case VYI_BINARY_XOR:      return a ^ b;
    case VYI_BINARY_SHL:
    case VYI_BINARY_SHR:
    case VYI_BINARY_ROTL:
    case VYI_BINARY_ROTR:     return vyi_eval_shift(sub, is_signed, a, b);
    case VYI_BINARY_MIN:      return (a ^ flip) < (b ^ flip) ? a : b;
    case VYI_BINARY_MAX:      return (a ^ flip) > (b ^ flip) ? a : b;
    default:                  return vyi_eval_compare(sub, a ^ flip, b ^ flip);
    }
}

static bool vyi_is_plain_f32(uint32_t bits)
{
    const uint32_t exponent = bits >> 23 & 255u;
    return (bits << 1) == 0 || (exponent != 0 && exponent != 255);
}

/* Puts plain f32 numbers into unsigned order; both zeros are the same. */
static uint32_t vyi_f32_order(uint32_t bits)
{
    if ((bits << 1) == 0)
        return 0x80000000u;
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

VYI_COLD
VYI_API bool vyi_eval_binary(uint32_t sub, uint32_t type, uint32_t a, uint32_t b, uint32_t *out)
{
    if (type == VYRE_TYPE_F32) {
        if (!vyi_binary_describe(sub)->test || !vyi_is_plain_f32(a) || !vyi_is_plain_f32(b))
            return false;
        *out = vyi_eval_compare(sub, vyi_f32_order(a), vyi_f32_order(b));
        return true;
    }
    *out = vyi_eval_integer(sub, type == VYRE_TYPE_I32, a, b);
    return true;
}

static uint32_t vyi_eval_popcount(uint32_t a)
{
    uint32_t n = 0;
    for (; a; a &= a - 1)
        n++;
    return n;
}

static uint32_t vyi_eval_reverse(uint32_t a)
{
    uint32_t r = 0;
    for (unsigned i = 0; i < 32; i++)
        r |= (a >> i & 1u) << (31 - i);
    return r;
}

static uint32_t vyi_eval_clz(uint32_t a)
{
    uint32_t n = 0;
    while (n < 32 && !(a >> (31 - n) & 1u))
        n++;
    return n;
}

VYI_COLD
VYI_API bool vyi_eval_unary(uint32_t sub, uint32_t type, uint32_t a, uint32_t *out)
{
    if (sub == VYI_UNARY_UNIFORM) {
        *out = a;
        return true;
    }
    if (type == VYRE_TYPE_F32) {
        if ((sub != VYI_UNARY_NEG && sub != VYI_UNARY_ABS) || !vyi_is_plain_f32(a))
            return false;
        *out = sub == VYI_UNARY_NEG ? a ^ 0x80000000u : a & 0x7fffffffu;
        return true;
    }
    const bool negative = type == VYRE_TYPE_I32 && a >> 31;
    switch (sub) {
    case VYI_UNARY_NEG:      *out = 0u - a; break;
    case VYI_UNARY_NOT:      *out = type == VYRE_TYPE_BOOL ? !a : ~a; break;
    case VYI_UNARY_ABS:      *out = negative ? 0u - a : a; break;
    case VYI_UNARY_SIGN:     *out = negative ? UINT32_MAX : a != 0; break;
    case VYI_UNARY_POPCOUNT: *out = vyi_eval_popcount(a); break;
    case VYI_UNARY_CLZ:      *out = vyi_eval_clz(a); break;
    case VYI_UNARY_CTZ:      *out = vyi_eval_clz(vyi_eval_reverse(a)); break;
    case VYI_UNARY_REVERSE:  *out = vyi_eval_reverse(a); break;
    default:                 return false;
    }
    return true;
}

static bool vyi_eval_from_f32(uint32_t to, uint32_t bits, uint32_t *out)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    if (!vyi_is_plain_f32(bits))
        return false;
    if (to == VYRE_TYPE_BOOL)
        *out = (bits << 1) != 0;
    else if (to == VYRE_TYPE_U32)
        *out = x < 1.0f ? 0 : x >= 4294967296.0f ? UINT32_MAX : (uint32_t)x;
    else if (x >= 2147483648.0f)
        *out = 0x7fffffffu;
    else
        *out = x < -2147483648.0f ? 0x80000000u : (uint32_t)(int32_t)x;
    return true;
}

/* Integers of at most 24 bits are f32 numbers; others would be rounded. */
static bool vyi_eval_to_f32(uint32_t from, uint32_t a, uint32_t *out)
{
    const bool negative = from == VYRE_TYPE_I32 && a >> 31;
    const uint32_t magnitude = negative ? 0u - a : a;
    if (magnitude > 1u << 24)
        return false;
    const float x = (float)magnitude;
    memcpy(out, &x, sizeof *out);
    *out |= negative ? 0x80000000u : 0;
    return true;
}

VYI_COLD
VYI_API bool vyi_eval_cast(uint32_t to, uint32_t from, uint32_t a, uint32_t *out)
{
    if (to == from) {
        *out = a;
        return true;
    }
    if (from == VYRE_TYPE_F32)
        return vyi_eval_from_f32(to, a, out);
    if (to == VYRE_TYPE_F32)
        return vyi_eval_to_f32(from, a, out);
    *out = to == VYRE_TYPE_BOOL ? a != 0 : a;
    return true;
}

/* --- the optimizer's state ------------------------------------------------ */

/* While rewriting, an operand is a reference: 0 for none, an instruction of
 * the new list (its index plus one), or a constant of the pool. */
#define VYI_REF_CONST 0x80000000u

typedef struct vyi_pool_entry {
    uint32_t    bits;
    uint32_t    type;
    uint32_t    id; /* of the value, in the end; 0 = not needed */
    const char *name;
} vyi_pool_entry;

/* A block that the rewriting is inside of. */
typedef struct vyi_opt_block {
    uint32_t opener; /* in the old list */
    uint32_t parent; /* the opener in the new list plus one; 0 = none */
    uint32_t values; /* how many values were visible where its arm began */
    bool     folded; /* only its contents are kept */
    bool     left;   /* the rest of this arm cannot be reached */
} vyi_opt_block;

typedef struct vyi_optimizer {
    vyre_program   *p;
    vyi_inst       *out;
    uint32_t        count;
    vyi_pool_entry *pool;
    uint32_t        pool_count;
    const char    **names;    /* of values in the new list */
    uint32_t       *map;      /* of each old value: its reference */
    uint32_t       *ends;     /* of each old opener: its END */
    uint32_t       *parents;  /* of each new instruction: the opener around it, plus one */
    uint32_t       *visible;  /* stack: the pure values that can be found again */
    uint32_t        visible_count;
    uint32_t       *chain;    /* of each new instruction: the next with the same hash */
    uint32_t       *hashes;
    uint32_t       *heads;    /* hash table of pure values, index plus one */
    uint32_t       *consts;   /* hash table of the pool, index plus one */
    uint32_t        mask;     /* of both tables */
    uint32_t       *todo;     /* stack of what was marked */
    uint32_t        todo_count;
    uint32_t       *initial;  /* of each local: the reference it begins with */
    uint32_t       *sets;     /* of each local: its last LOCAL or SET in the new list, plus one */
    uint32_t       *ids;      /* of each local: the new id, or 0 */
    uint8_t        *needed;   /* of each new instruction */
    uint8_t        *is_set;   /* of each local: somewhere there is a SET */
    vyi_opt_block   blocks[VYRE_MAX_NESTING + 1]; /* [0] is the outermost list */
    uint32_t        depth;
    void           *memory;
    size_t          size;
} vyi_optimizer;

/* One allocation for all tables, the widest elements first. */
VYI_OUTLINE
static bool vyi_opt_allocate(vyi_optimizer *o)
{
    const size_t count = o->p->count + 1u, locals = o->p->local_count + 1u;
    size_t slots = 16;
    while (slots < 2 * count)
        slots *= 2;
    o->mask = (uint32_t)slots - 1;
    o->size = count * (sizeof *o->pool + sizeof *o->names + sizeof *o->out) +
              (7 * count + 2 * slots + 3 * locals) * sizeof(uint32_t) + count + locals;
    o->memory = vyi_alloc(&o->p->allocator, o->size);
    if (!o->memory)
        return false;
    memset(o->memory, 0, o->size);

    o->pool = (vyi_pool_entry *)o->memory;
    o->names = (const char **)(void *)(o->pool + count);
    o->out = (vyi_inst *)(void *)(o->names + count);
    uint32_t *words = (uint32_t *)(void *)(o->out + count);
    uint32_t **tables[] = { &o->map, &o->ends, &o->parents, &o->visible, &o->chain, &o->hashes,
                            &o->todo };
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++, words += count)
        *tables[i] = words;
    o->heads = words;
    o->consts = o->heads + slots;
    o->initial = o->consts + slots;
    o->sets = o->initial + locals;
    o->ids = o->sets + locals;
    o->needed = (uint8_t *)(o->ids + locals);
    o->is_set = o->needed + count;
    return true;
}

/* What the rewriting must know beforehand. */
VYI_OUTLINE
static void vyi_opt_survey(vyi_optimizer *o)
{
    for (uint32_t i = 0; i < o->p->count; i++) {
        const vyi_inst *inst = &o->p->insts[i];
        if (inst->op == VYI_OP_END)
            o->ends[inst->link] = i;
        else if (inst->op == VYI_OP_SET)
            o->is_set[inst->arg[0] - 1] = 1;
    }
}

static vyi_opt_block *vyi_opt_top(vyi_optimizer *o)
{
    return &o->blocks[o->depth];
}

static uint32_t vyi_mix(uint32_t hash, uint32_t word)
{
    hash = (hash ^ word) * 0x9e3779b1u;
    return hash ^ hash >> 15;
}

static uint32_t vyi_opt_const(vyi_optimizer *o, uint32_t type, uint32_t bits)
{
    for (uint32_t at = vyi_mix(type, bits);; at++) {
        uint32_t *slot = &o->consts[at & o->mask];
        if (*slot == 0) {
            vyi_pool_entry *entry = &o->pool[o->pool_count++];
            entry->bits = bits;
            entry->type = type;
            *slot = o->pool_count;
        }
        const vyi_pool_entry *entry = &o->pool[*slot - 1];
        if (entry->bits == bits && entry->type == type)
            return VYI_REF_CONST | (*slot - 1);
    }
}

static bool vyi_ref_is_const(uint32_t ref)
{
    return (ref & VYI_REF_CONST) != 0;
}

static const vyi_pool_entry *vyi_ref_const(const vyi_optimizer *o, uint32_t ref)
{
    return &o->pool[ref & ~VYI_REF_CONST];
}

static bool vyi_ref_equals(const vyi_optimizer *o, uint32_t ref, uint32_t bits)
{
    return vyi_ref_is_const(ref) && vyi_ref_const(o, ref)->bits == bits;
}

static uint32_t vyi_ref_type(const vyi_optimizer *o, uint32_t ref)
{
    return vyi_ref_is_const(ref) ? vyi_ref_const(o, ref)->type : o->out[ref - 1].type;
}

/* The instruction behind a reference if it is this operator, or NULL. */
static const vyi_inst *vyi_ref_operator(const vyi_optimizer *o, uint32_t ref, uint32_t op,
                                        uint32_t sub)
{
    if (vyi_ref_is_const(ref) || o->out[ref - 1].op != op || o->out[ref - 1].sub != sub)
        return NULL;
    return &o->out[ref - 1];
}

/* --- simplification -------------------------------------------------------
 * Each function below looks at one pure instruction.  It gives the reference
 * of a value that is already there, or 0; it may also change the instruction
 * into a better one, and then sets *again. */

/* Is the operator's result the same when its operands are exchanged?  Of f32
 * too, but NaN bits may differ. */
static bool vyi_commutes(const vyi_optimizer *o, const vyi_inst *inst)
{
    switch (inst->sub) {
    case VYI_BINARY_ADD:
    case VYI_BINARY_MUL:
    case VYI_BINARY_MUL_HIGH:
    case VYI_BINARY_AND:
    case VYI_BINARY_OR:
    case VYI_BINARY_XOR:
    case VYI_BINARY_MIN:
    case VYI_BINARY_MAX:
    case VYI_BINARY_EQ:
    case VYI_BINARY_NE: return vyi_ref_type(o, inst->arg[0]) != VYRE_TYPE_F32;
    default:            return false;
    }
}

/* x op x, for what is not f32: x, a constant, or 0 for neither. */
static uint32_t vyi_simplify_same(vyi_optimizer *o, const vyi_inst *inst)
{
    switch (inst->sub) {
    case VYI_BINARY_AND:
    case VYI_BINARY_OR:
    case VYI_BINARY_MIN:
    case VYI_BINARY_MAX: return inst->arg[0];
    case VYI_BINARY_SUB:
    case VYI_BINARY_XOR: return vyi_opt_const(o, inst->type, 0);
    case VYI_BINARY_EQ:
    case VYI_BINARY_LE:
    case VYI_BINARY_GE:  return vyi_opt_const(o, VYRE_TYPE_BOOL, 1);
    case VYI_BINARY_NE:
    case VYI_BINARY_LT:
    case VYI_BINARY_GT:  return vyi_opt_const(o, VYRE_TYPE_BOOL, 0);
    default:             return 0;
    }
}

/* x op 0 for integers and bools. */
static uint32_t vyi_simplify_zero(vyi_optimizer *o, const vyi_inst *inst)
{
    const bool is_u32 = vyi_ref_type(o, inst->arg[0]) == VYRE_TYPE_U32;
    switch (inst->sub) {
    case VYI_BINARY_ADD:
    case VYI_BINARY_SUB:
    case VYI_BINARY_OR:
    case VYI_BINARY_XOR:      return inst->arg[0];
    case VYI_BINARY_MUL:
    case VYI_BINARY_MUL_HIGH:
    case VYI_BINARY_AND:
    case VYI_BINARY_REM:      return vyi_opt_const(o, inst->type, 0);
    case VYI_BINARY_DIV:      return vyi_opt_const(o, inst->type, UINT32_MAX);
    case VYI_BINARY_MIN:      return is_u32 ? vyi_opt_const(o, inst->type, 0) : 0;
    case VYI_BINARY_MAX:      return is_u32 ? inst->arg[0] : 0;
    case VYI_BINARY_LT:       return is_u32 ? vyi_opt_const(o, VYRE_TYPE_BOOL, 0) : 0;
    case VYI_BINARY_GE:       return is_u32 ? vyi_opt_const(o, VYRE_TYPE_BOOL, 1) : 0;
    default:                  return 0;
    }
}

/* x op 1, and x op all ones, for integers. */
static uint32_t vyi_simplify_one(vyi_optimizer *o, const vyi_inst *inst)
{
    switch (inst->sub) {
    case VYI_BINARY_MUL:
    case VYI_BINARY_DIV:      return inst->arg[0];
    case VYI_BINARY_REM:
    case VYI_BINARY_MUL_HIGH: return vyi_opt_const(o, inst->type, 0);
    default:                  return 0;
    }
}

static uint32_t vyi_simplify_ones(const vyi_inst *inst)
{
    return inst->sub == VYI_BINARY_AND ? inst->arg[0]
           : inst->sub == VYI_BINARY_OR ? inst->arg[1] : 0;
}

/* Bools with a literal: x == true and the like. */
static uint32_t vyi_simplify_bool(vyi_inst *inst, uint32_t literal, bool *again)
{
    const bool equal = inst->sub == VYI_BINARY_EQ, unequal = inst->sub == VYI_BINARY_NE;
    if (literal ? equal || inst->sub == VYI_BINARY_AND : unequal)
        return inst->arg[0];
    if (literal && inst->sub == VYI_BINARY_OR)
        return inst->arg[1];
    if (literal ? unequal || inst->sub == VYI_BINARY_XOR : equal) {
        inst->op = VYI_OP_UNARY;
        inst->sub = VYI_UNARY_NOT;
        inst->arg[1] = 0;
        *again = true;
    }
    return 0;
}

/* u32 by a power of two: shifts and masks.  (x + a) + b: one addition. */
static void vyi_strengthen(vyi_optimizer *o, vyi_inst *inst, uint32_t literal, bool *again)
{
    const bool power = literal > 1 && (literal & (literal - 1)) == 0;
    const uint32_t shift = 31 - vyi_eval_clz(literal | 1u);
    if (inst->type == VYRE_TYPE_U32 && power &&
        (inst->sub == VYI_BINARY_MUL || inst->sub == VYI_BINARY_DIV)) {
        inst->sub = inst->sub == VYI_BINARY_MUL ? VYI_BINARY_SHL : VYI_BINARY_SHR;
        inst->arg[1] = vyi_opt_const(o, VYRE_TYPE_U32, shift);
    } else if (inst->type == VYRE_TYPE_U32 && power && inst->sub == VYI_BINARY_REM) {
        inst->sub = VYI_BINARY_AND;
        inst->arg[1] = vyi_opt_const(o, VYRE_TYPE_U32, literal - 1);
    } else if (inst->sub == VYI_BINARY_ADD) {
        const vyi_inst *inner = vyi_ref_operator(o, inst->arg[0], VYI_OP_BINARY, VYI_BINARY_ADD);
        if (!inner || !vyi_ref_is_const(inner->arg[1]))
            return;
        const uint32_t sum = literal + vyi_ref_const(o, inner->arg[1])->bits;
        inst->arg[0] = inner->arg[0];
        inst->arg[1] = vyi_opt_const(o, inst->type, sum);
        *again = true;
    }
}

static uint32_t vyi_simplify_literal(vyi_optimizer *o, vyi_inst *inst, bool *again)
{
    const uint32_t type = vyi_ref_type(o, inst->arg[0]);
    uint32_t literal = vyi_ref_const(o, inst->arg[1])->bits;
    const bool shift = inst->sub >= VYI_BINARY_SHL && inst->sub <= VYI_BINARY_ROTR;
    if (shift)
        return (literal & 31u) == 0 ? inst->arg[0] : 0;

    uint32_t ref = 0;
    if (type == VYRE_TYPE_BOOL)
        ref = vyi_simplify_bool(inst, literal, again);
    else if (literal == 1)
        ref = vyi_simplify_one(o, inst);
    else if (literal == UINT32_MAX)
        ref = vyi_simplify_ones(inst);
    if (!ref && literal == 0 && !*again)
        ref = vyi_simplify_zero(o, inst);
    if (!ref && !*again && type != VYRE_TYPE_BOOL)
        vyi_strengthen(o, inst, literal, again);
    return ref;
}

static uint32_t vyi_simplify_binary(vyi_optimizer *o, vyi_inst *inst, bool *again)
{
    const uint32_t type = vyi_ref_type(o, inst->arg[0]);
    uint32_t bits;
    if (vyi_ref_is_const(inst->arg[0]) && vyi_ref_is_const(inst->arg[1]) &&
        vyi_eval_binary(inst->sub, type, vyi_ref_const(o, inst->arg[0])->bits,
                        vyi_ref_const(o, inst->arg[1])->bits, &bits))
        return vyi_opt_const(o, inst->type, bits);
    if (type == VYRE_TYPE_F32)
        return 0;

    /* Constants stand on the right, and values in the order they were made. */
    if (vyi_commutes(o, inst) && inst->arg[0] > inst->arg[1]) {
        const uint32_t swapped = inst->arg[0];
        inst->arg[0] = inst->arg[1];
        inst->arg[1] = swapped;
    }
    if (inst->arg[0] == inst->arg[1])
        return vyi_simplify_same(o, inst);
    return vyi_ref_is_const(inst->arg[1]) ? vyi_simplify_literal(o, inst, again) : 0;
}

VYI_API uint32_t vyi_opposite(uint32_t sub)
{
    switch (sub) {
    case VYI_BINARY_EQ: return VYI_BINARY_NE;
    case VYI_BINARY_NE: return VYI_BINARY_EQ;
    case VYI_BINARY_LT: return VYI_BINARY_GE;
    case VYI_BINARY_LE: return VYI_BINARY_GT;
    case VYI_BINARY_GT: return VYI_BINARY_LE;
    case VYI_BINARY_GE: return VYI_BINARY_LT;
    default:            return VYI_BINARY_COUNT;
    }
}

static uint32_t vyi_simplify_not(vyi_optimizer *o, vyi_inst *inst, bool *again)
{
    const vyi_inst *inner = &o->out[inst->arg[0] - 1];
    if (inner->op == VYI_OP_UNARY && inner->sub == VYI_UNARY_NOT)
        return inner->arg[0];
    if (inner->op != VYI_OP_BINARY)
        return 0;
    const uint32_t opposite = vyi_opposite(inner->sub);
    const bool equality = opposite == VYI_BINARY_EQ || opposite == VYI_BINARY_NE;
    if (opposite == VYI_BINARY_COUNT ||
        (!equality && vyi_ref_type(o, inner->arg[0]) == VYRE_TYPE_F32))
        return 0;
    *inst = *inner;
    inst->sub = (uint8_t)opposite;
    *again = true;
    return 0;
}

static uint32_t vyi_simplify_unary(vyi_optimizer *o, vyi_inst *inst, bool *again)
{
    const uint32_t a = inst->arg[0];
    if (vyi_ref_is_const(a)) {
        uint32_t bits;
        return vyi_eval_unary(inst->sub, vyi_ref_type(o, a), vyi_ref_const(o, a)->bits, &bits)
                   ? vyi_opt_const(o, inst->type, bits) : 0;
    }
    if (inst->sub == VYI_UNARY_NOT)
        return vyi_simplify_not(o, inst, again);
    const vyi_inst *inner = vyi_ref_operator(o, a, VYI_OP_UNARY, VYI_UNARY_NEG);
    if (inst->sub == VYI_UNARY_NEG && inner && inst->type != VYRE_TYPE_F32)
        return inner->arg[0];
    if (inst->sub == VYI_UNARY_UNIFORM && vyi_ref_operator(o, a, VYI_OP_UNARY, VYI_UNARY_UNIFORM))
        return a;
    return inst->sub == VYI_UNARY_ABS && inst->type == VYRE_TYPE_U32 ? a : 0;
}

static uint32_t vyi_simplify_select(vyi_optimizer *o, vyi_inst *inst, bool *again)
{
    const uint32_t cond = inst->arg[0];
    if (inst->arg[1] == inst->arg[2])
        return inst->arg[1];
    if (vyi_ref_is_const(cond))
        return inst->arg[vyi_ref_equals(o, cond, 0) ? 2 : 1];
    if (inst->type == VYRE_TYPE_BOOL && vyi_ref_equals(o, inst->arg[1], 1) &&
        vyi_ref_equals(o, inst->arg[2], 0))
        return cond;
    const vyi_inst *inner = vyi_ref_operator(o, cond, VYI_OP_UNARY, VYI_UNARY_NOT);
    if (inner) {
        const uint32_t swapped = inst->arg[1];
        inst->arg[0] = inner->arg[0];
        inst->arg[1] = inst->arg[2];
        inst->arg[2] = swapped;
        *again = true;
    }
    return 0;
}

static uint32_t vyi_simplify_cast(vyi_optimizer *o, const vyi_inst *inst)
{
    const uint32_t a = inst->arg[0], from = vyi_ref_type(o, a);
    if (from == inst->type)
        return a;
    if (!vyi_ref_is_const(a))
        return 0;
    uint32_t bits = vyi_ref_const(o, a)->bits;
    if (inst->op == VYI_OP_CAST && !vyi_eval_cast(inst->type, from, bits, &bits))
        return 0;
    return vyi_opt_const(o, inst->type, bits);
}

/* The length of a workgroup array is known. */
static uint32_t vyi_simplify_length(vyi_optimizer *o, const vyi_inst *inst)
{
    const vyi_buffer *b = vyi_buffer_of(o->p, inst->arg[0]);
    return b->access == VYRE_ACCESS_WORKGROUP ? vyi_opt_const(o, VYRE_TYPE_U32, b->count) : 0;
}

static uint32_t vyi_simplify(vyi_optimizer *o, vyi_inst *inst, bool *again)
{
    switch (inst->op) {
    case VYI_OP_CONST:   return vyi_opt_const(o, inst->type, inst->arg[0]);
    case VYI_OP_LENGTH:  return vyi_simplify_length(o, inst);
    case VYI_OP_BINARY:  return vyi_simplify_binary(o, inst, again);
    case VYI_OP_UNARY:   return vyi_simplify_unary(o, inst, again);
    case VYI_OP_SELECT:  return vyi_simplify_select(o, inst, again);
    case VYI_OP_CAST:
    case VYI_OP_BITCAST: return vyi_simplify_cast(o, inst);
    default:             return 0;
    }
}

/* --- rewriting ------------------------------------------------------------ */

static uint32_t vyi_opt_append(vyi_optimizer *o, const vyi_inst *inst)
{
    o->out[o->count] = *inst;
    o->parents[o->count] = vyi_opt_top(o)->parent;
    return ++o->count;
}

static bool vyi_inst_is_same(const vyi_inst *a, const vyi_inst *b)
{
    return a->op == b->op && a->type == b->type && a->sub == b->sub &&
           memcmp(a->arg, b->arg, sizeof a->arg) == 0;
}

/* The reference of a pure value: one that is visible, or a new one. */
static uint32_t vyi_opt_find(vyi_optimizer *o, const vyi_inst *inst)
{
    uint32_t hash = (uint32_t)inst->op | (uint32_t)inst->type << 8 | (uint32_t)inst->sub << 16;
    for (unsigned i = 0; i < 3; i++)
        hash = vyi_mix(hash, inst->arg[i]);
    hash &= o->mask;
    for (uint32_t at = o->heads[hash]; at; at = o->chain[at - 1]) {
        if (vyi_inst_is_same(&o->out[at - 1], inst))
            return at;
    }
    const uint32_t ref = vyi_opt_append(o, inst);
    o->hashes[ref - 1] = hash;
    o->chain[ref - 1] = o->heads[hash];
    o->heads[hash] = ref;
    o->visible[o->visible_count++] = ref;
    return ref;
}

/* Forgets the values of an arm that ends. */
static void vyi_opt_forget(vyi_optimizer *o, uint32_t kept)
{
    while (o->visible_count > kept) {
        const uint32_t ref = o->visible[--o->visible_count];
        o->heads[o->hashes[ref - 1]] = o->chain[ref - 1];
    }
}

static uint32_t vyi_opt_pure(vyi_optimizer *o, vyi_inst inst)
{
    for (;;) {
        bool again = false;
        const uint32_t ref = vyi_simplify(o, &inst, &again);
        if (ref)
            return ref;
        if (!again)
            return vyi_opt_find(o, &inst);
    }
}

/* LOOP_LEFT and LOOP_CUT change while a program runs; other ids do not. */
static bool vyi_opt_is_pure(const vyi_inst *inst)
{
    if (inst->op == VYI_OP_BUILTIN)
        return inst->sub != VYRE_BUILTIN_LOOP_LEFT && inst->sub != VYRE_BUILTIN_LOOP_CUT;
    return (vyi_op_describe(inst->op)->flags & VYI_OP_PURE) != 0;
}

static void vyi_opt_keep_name(vyi_optimizer *o, uint32_t index, uint32_t ref)
{
    const char *name = vyi_value_text(o->p, index + 1);
    if (!name)
        return;
    /* A constant is named only if it was one before: others may share it. */
    const bool literal = o->p->insts[index].op == VYI_OP_CONST;
    const char **place = !vyi_ref_is_const(ref) ? &o->names[ref - 1]
                         : literal ? &o->pool[ref & ~VYI_REF_CONST].name : NULL;
    if (place && !*place)
        *place = name;
}

/* An instruction that is no part of a block's frame. */
VYI_OUTLINE
static void vyi_opt_plain(vyi_optimizer *o, uint32_t index, vyi_inst inst)
{
    uint32_t ref = 0;
    if (vyi_opt_is_pure(&inst))
        ref = vyi_opt_pure(o, inst);
    else if (inst.op == VYI_OP_GET && !o->is_set[inst.arg[0] - 1])
        ref = o->initial[inst.arg[0] - 1];
    else
        ref = vyi_opt_append(o, &inst);

    if (inst.op == VYI_OP_LOCAL)
        o->initial[inst.arg[0] - 1] = inst.arg[1];
    if (inst.op == VYI_OP_LOCAL || inst.op == VYI_OP_SET) {
        /* A list through all that is stored into the local, for the marking. */
        o->chain[ref - 1] = o->sets[inst.arg[0] - 1];
        o->sets[inst.arg[0] - 1] = ref;
    }
    if (vyi_op_describe(inst.op)->flags & VYI_OP_LEAVES)
        vyi_opt_top(o)->left = true;
    if (vyi_op_describe(inst.op)->flags & VYI_OP_VALUE) {
        o->map[index] = ref;
        vyi_opt_keep_name(o, index, ref);
    }
}

static void vyi_opt_enter(vyi_optimizer *o, uint32_t opener, bool folded, uint32_t ref)
{
    const uint32_t outer = vyi_opt_top(o)->parent;
    vyi_opt_block *block = &o->blocks[++o->depth];
    block->opener = opener;
    block->parent = folded ? outer : ref;
    block->values = o->visible_count;
    block->folded = folded;
    block->left = false;
}

/* The arm of a constant switch that is taken; its END when there is none. */
static uint32_t vyi_opt_taken_arm(const vyi_optimizer *o, uint32_t index, uint32_t value)
{
    const vyi_inst *insts = o->p->insts;
    uint32_t otherwise = o->ends[index];
    for (uint32_t at = insts[index].link; insts[at].op != VYI_OP_END; at = insts[at].link) {
        if (insts[at].op == VYI_OP_DEFAULT)
            otherwise = at;
        else if (insts[at].arg[0] == value)
            return at;
    }
    return otherwise;
}

/* If the block is decided already: where its contents begin, or its END when
 * it has none.  Else 0. */
static uint32_t vyi_opt_decided(const vyi_optimizer *o, uint32_t index, const vyi_inst *inst)
{
    const uint32_t a = inst->arg[0], b = inst->arg[1];
    if (inst->op == VYI_OP_FOREVER || !vyi_ref_is_const(a))
        return 0;
    if (inst->op == VYI_OP_IF && !vyi_ref_equals(o, a, 0))
        return index + 1;
    if (inst->op == VYI_OP_IF || inst->op == VYI_OP_SWITCH) {
        const uint32_t arm = inst->op == VYI_OP_IF
                                 ? inst->link
                                 : vyi_opt_taken_arm(o, index, vyi_ref_const(o, a)->bits);
        return arm == o->ends[index] ? arm : arm + 1;
    }
    const bool never = vyi_ref_is_const(b) &&
                       vyi_ref_const(o, a)->bits >= vyi_ref_const(o, b)->bits;
    return never ? o->ends[index] : 0;
}

/* Each of these gives the index of the old instruction to go on with. */

VYI_OUTLINE
static uint32_t vyi_opt_open(vyi_optimizer *o, uint32_t index, const vyi_inst *inst)
{
    const uint32_t begin = vyi_opt_decided(o, index, inst);
    if (begin) {
        vyi_opt_enter(o, index, true, 0);
        return begin;
    }
    const uint32_t ref = vyi_opt_append(o, inst);
    if (inst->op == VYI_OP_LOOP) {
        o->map[index] = ref;
        vyi_opt_keep_name(o, index, ref);
    }
    vyi_opt_enter(o, index, false, ref);
    return index + 1;
}

VYI_OUTLINE
static uint32_t vyi_opt_next_arm(vyi_optimizer *o, uint32_t index, const vyi_inst *inst)
{
    vyi_opt_block *top = vyi_opt_top(o);
    if (top->folded) /* the arm that is taken ends here */
        return o->ends[top->opener];
    vyi_opt_forget(o, top->values);
    vyi_opt_append(o, inst);
    top->left = false;
    return index + 1;
}

VYI_OUTLINE
static uint32_t vyi_opt_close(vyi_optimizer *o, uint32_t index, const vyi_inst *inst)
{
    const vyi_opt_block closed = *vyi_opt_top(o);
    if (!closed.folded) {
        vyi_opt_forget(o, closed.values);
        vyi_opt_append(o, inst);
    }
    o->depth--;
    if (closed.folded && closed.left)
        vyi_opt_top(o)->left = true;
    return index + 1;
}

static uint32_t vyi_opt_step(vyi_optimizer *o, uint32_t index)
{
    vyi_inst inst = o->p->insts[index];
    const vyi_op_info *info = vyi_op_describe(inst.op);
    if (inst.op == VYI_OP_END)
        return vyi_opt_close(o, index, &inst);
    if (info->flags & VYI_OP_ARM)
        return vyi_opt_next_arm(o, index, &inst);
    if (vyi_opt_top(o)->left) /* behind a folded block that leaves */
        return (info->flags & VYI_OP_OPENS ? o->ends[index] : index) + 1;
    for (unsigned i = 0; i < 4; i++) {
        if (info->values & (1u << i))
            inst.arg[i] = o->map[inst.arg[i] - 1];
    }
    if (info->flags & VYI_OP_OPENS)
        return vyi_opt_open(o, index, &inst);
    vyi_opt_plain(o, index, inst);
    return index + 1;
}

/* --- marking -------------------------------------------------------------- */

static void vyi_opt_need(vyi_optimizer *o, uint32_t ref)
{
    if (ref == 0)
        return;
    if (vyi_ref_is_const(ref)) {
        o->pool[ref & ~VYI_REF_CONST].id = 1;
        return;
    }
    if (!o->needed[ref - 1]) {
        o->needed[ref - 1] = 1;
        o->todo[o->todo_count++] = ref - 1;
    }
}

static bool vyi_opt_has_effect(const vyi_inst *inst)
{
    return (vyi_op_describe(inst->op)->flags &
            (VYI_OP_MEMORY | VYI_OP_GROUP | VYI_OP_LEAVES)) ||
           inst->op == VYI_OP_LOOP || inst->op == VYI_OP_FOREVER || inst->op == VYI_OP_LOOP_ALLOW;
}

/* Who needs an instruction needs its operands and the block around it; who
 * reads a local needs all that is stored into it. */
VYI_OUTLINE
static void vyi_opt_mark(vyi_optimizer *o)
{
    for (uint32_t i = 0; i < o->count; i++) {
        if (vyi_opt_has_effect(&o->out[i]))
            vyi_opt_need(o, i + 1);
    }
    while (o->todo_count) {
        const uint32_t i = o->todo[--o->todo_count];
        const vyi_inst *inst = &o->out[i];
        vyi_opt_need(o, o->parents[i]);
        for (unsigned k = 0; k < 4; k++) {
            if (vyi_op_describe(inst->op)->values & (1u << k))
                vyi_opt_need(o, inst->arg[k]);
        }
        if (inst->op != VYI_OP_GET)
            continue;
        for (uint32_t *at = &o->sets[inst->arg[0] - 1]; *at; *at = o->chain[*at - 1])
            vyi_opt_need(o, *at);
    }
    /* Frames and comments follow the block that they belong to. */
    for (uint32_t i = 0; i < o->count; i++) {
        const uint32_t op = o->out[i].op;
        if (op == VYI_OP_END || op == VYI_OP_COMMENT || (vyi_op_describe(op)->flags & VYI_OP_ARM))
            o->needed[i] = !o->parents[i] || o->needed[o->parents[i] - 1];
    }
}

/* An else with nothing in it is not needed. */
static void vyi_opt_drop_empty_elses(vyi_optimizer *o)
{
    uint32_t last = VYI_OP_COUNT, place = 0;
    for (uint32_t i = 0; i < o->count; i++) {
        if (!o->needed[i])
            continue;
        if (o->out[i].op == VYI_OP_END && last == VYI_OP_ELSE)
            o->needed[place] = 0;
        last = o->out[i].op;
        place = i;
    }
}

/* --- committing ----------------------------------------------------------- */

/* The length of the result; gives constants their ids and maps the rest. */
VYI_OUTLINE
static uint32_t vyi_opt_number(vyi_optimizer *o)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < o->pool_count; i++) {
        if (o->pool[i].id)
            o->pool[i].id = ++count;
    }
    for (uint32_t i = 0; i < o->count; i++) {
        if (o->needed[i])
            o->map[i] = ++count;
    }
    return count;
}

static void vyi_opt_put_name(vyre_program *p, const char *name)
{
    if (name) {
        p->names[p->name_count].value = p->count;
        p->names[p->name_count++].text = name;
    }
}

static void vyi_opt_put_local(vyi_optimizer *o, vyi_inst *inst)
{
    vyre_program *p = o->p;
    uint32_t *id = &o->ids[inst->arg[0] - 1];
    if (inst->op == VYI_OP_LOCAL) {
        /* Locals are declared in the order of their ids, so this one's place is free. */
        p->locals[p->local_count] = p->locals[inst->arg[0] - 1];
        p->locals[p->local_count].declared = p->count;
        *id = ++p->local_count;
    }
    inst->arg[0] = *id;
}

static void vyi_opt_put(vyi_optimizer *o, vyi_inst inst, const char *name)
{
    vyre_program *p = o->p;
    for (unsigned i = 0; i < 4; i++) {
        const uint32_t ref = inst.arg[i];
        if (vyi_op_describe(inst.op)->values & (1u << i))
            inst.arg[i] = vyi_ref_is_const(ref) ? vyi_ref_const(o, ref)->id : o->map[ref - 1];
    }
    if (inst.op == VYI_OP_LOCAL || inst.op == VYI_OP_GET || inst.op == VYI_OP_SET)
        vyi_opt_put_local(o, &inst);
    inst.link = 0;
    const uint32_t index = p->count;
    p->insts[index] = inst;
    const vyi_links links = vyi_nest_advance(p, index);
    if (links.own != VYI_NO_LINK)
        p->insts[index].link = links.own;
    if (links.arm != VYI_NO_LINK)
        p->insts[links.arm].link = index;
    p->count++;
    vyi_opt_put_name(p, name);
}

VYI_OUTLINE
static void vyi_opt_commit(vyi_optimizer *o)
{
    vyre_program *p = o->p;
    p->count = p->local_count = p->name_count = p->depth = 0;
    p->left = false;
    for (uint32_t i = 0; i < o->pool_count; i++) {
        vyi_inst inst;
        memset(&inst, 0, sizeof inst);
        inst.op = VYI_OP_CONST;
        inst.type = (uint8_t)o->pool[i].type;
        inst.arg[0] = o->pool[i].bits;
        if (o->pool[i].id)
            vyi_opt_put(o, inst, o->pool[i].name);
    }
    for (uint32_t i = 0; i < o->count; i++) {
        if (o->needed[i])
            vyi_opt_put(o, o->out[i], o->names[i]);
    }
}

VYI_OUTLINE
static vyre_status vyi_opt_run(vyi_optimizer *o, vyre_error *err)
{
    vyre_program *p = o->p;
    vyi_opt_survey(o);
    for (uint32_t i = 0; i < p->count;)
        i = vyi_opt_step(o, i);
    vyi_opt_mark(o);
    vyi_opt_drop_empty_elses(o);

    /* New constants can make a program longer; one that has no room stays. */
    const uint32_t count = vyi_opt_number(o);
    if (count > VYRE_MAX_INSTRUCTIONS)
        return VYRE_OK;
    void *insts = p->insts;
    if (!vyi_grow(&p->allocator, &insts, &p->capacity, count, sizeof *p->insts))
        return vyi_fail_nomem(err, count * sizeof *p->insts);
    p->insts = (vyi_inst *)insts;
    vyi_opt_commit(o);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_program_optimize(vyre_program *p, vyre_error *err)
{
    if (!p)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Test what vyre_program_create returns.",
                        "the program is NULL");
    if (!p->finished)
        return vyi_fail(err, VYRE_E_IR_UNFINISHED, 0, "Call vyre_program_finish first.",
                        "the program \"%s\" is not finished", p->name);
    vyi_optimizer o;
    memset(&o, 0, sizeof o);
    o.p = p;
    if (!vyi_opt_allocate(&o))
        return vyi_fail_nomem(err, o.size);
    const vyre_status status = vyi_opt_run(&o, err);
    vyi_free(&p->allocator, o.memory, o.size);
    return status;
}
/* ==========================================================================
 * text: programs as listings
 *
 * Private.  One line for each instruction, indented by its blocks:
 *
 *     program "squares", workgroup 64 x 1 x 1
 *     buffer out: u32[], binding 0
 *
 *       %1 i = global_id.x
 *       %2 = mul %1, %1
 *       store out[%1] = %2
 *
 * %n is the value of instruction n, and what error messages call it.  A
 * constant has no line: it stands where it is used, 7 for u32, 7i for i32,
 * 7.0 for f32 (unless it has been given a name).  $n is local n.
 * ======================================================================= */

typedef struct vyi_writer {
    const vyre_program *p;
    char               *dst;
    size_t              size, length; /* length counts what did not fit, too */
} vyi_writer;

static void vyi_text_char(vyi_writer *w, char c)
{
    if (w->length + 1 < w->size)
        w->dst[w->length] = c;
    w->length++;
}

/* Text that may come from the caller: control characters become '?'. */
static void vyi_text_put(vyi_writer *w, const char *text)
{
    for (; *text; text++)
        vyi_text_char(w, (unsigned char)*text < 32 || *text == 127 ? '?' : *text);
}

static void VYI_PRINTF(2, 3) vyi_text_format(vyi_writer *w, const char *format, ...)
{
    char line[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    for (const char *c = line; *c; c++)
        vyi_text_char(w, *c);
}

/* --- operands ------------------------------------------------------------ */

static void vyi_text_f32(vyi_writer *w, uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    if ((bits & 0x7f800000u) == 0x7f800000u) {
        if (bits & 0x007fffffu)
            vyi_text_format(w, "nan(0x%08x)", (unsigned)bits);
        else
            vyi_text_put(w, bits >> 31 ? "-inf" : "inf");
        return;
    }
    char digits[32];
    snprintf(digits, sizeof digits, "%.9g", (double)x);
    bool whole = true;
    for (char *c = digits; *c; c++) {
        /* The decimal point is the locale's. */
        if (!strchr("0123456789+-e", *c))
            *c = '.';
        whole = whole && *c != '.' && *c != 'e';
    }
    vyi_text_format(w, "%s%s", digits, whole ? ".0" : "");
}

static void vyi_text_const(vyi_writer *w, const vyi_inst *inst)
{
    const uint32_t bits = inst->arg[0];
    switch (inst->type) {
    case VYRE_TYPE_I32:
        if (bits >> 31)
            vyi_text_format(w, "-%ui", (unsigned)(0u - bits));
        else
            vyi_text_format(w, "%ui", (unsigned)bits);
        break;
    case VYRE_TYPE_F32:
        vyi_text_f32(w, bits);
        break;
    case VYRE_TYPE_BOOL:
        vyi_text_put(w, bits ? "true" : "false");
        break;
    default:
        /* Masks and sentinels are easier to know in hexadecimal. */
        vyi_text_format(w, bits > 0xffffffu ? "0x%x" : "%u", (unsigned)bits);
        break;
    }
}

/* A constant without a name is written where it is used. */
static bool vyi_text_is_literal(const vyre_program *p, uint32_t id)
{
    return vyi_definition(p, id)->op == VYI_OP_CONST && !vyi_value_text(p, id);
}

static void vyi_text_value(vyi_writer *w, uint32_t id)
{
    if (vyi_text_is_literal(w->p, id))
        vyi_text_const(w, vyi_definition(w->p, id));
    else
        vyi_text_format(w, "%%%u", (unsigned)id);
}

/* The value operands from `first` on, with commas. */
static void vyi_text_values(vyi_writer *w, const vyi_inst *inst, unsigned first)
{
    const uint32_t values = vyi_op_describe(inst->op)->values;
    const char *before = "";
    for (unsigned i = first; i < 4; i++) {
        if (!(values & (1u << i)))
            continue;
        vyi_text_put(w, before);
        vyi_text_value(w, inst->arg[i]);
        before = ", ";
    }
}

static void vyi_text_local(vyi_writer *w, uint32_t id)
{
    const char *name = w->p->locals[id - 1].name;
    vyi_text_format(w, "$%u", (unsigned)id);
    if (*name) {
        vyi_text_char(w, ' ');
        vyi_text_put(w, name);
    }
}

static void vyi_text_order(vyi_writer *w, uint32_t order)
{
    static const char *const texts[] = { " relaxed", " acquire", " release", " acq_rel" };
    vyi_text_put(w, texts[order]);
}

/* --- instructions -------------------------------------------------------- */

static const char *const vyi_atomic_texts[] = { "add", "sub", "and", "or", "xor", "min", "max",
                                                "exchange" };
static const char *const vyi_reduce_texts[] = { "add", "min", "max", "and", "or", "xor" };
static const char *const vyi_scope_texts[] = { "workgroup", "subgroup", "device" };

VYI_STATIC_ASSERT(atomic_texts, sizeof vyi_atomic_texts / sizeof vyi_atomic_texts[0] ==
                                    VYRE_ATOMIC_OP_COUNT);
VYI_STATIC_ASSERT(reduce_texts, sizeof vyi_reduce_texts / sizeof vyi_reduce_texts[0] ==
                                    VYRE_REDUCE_OP_COUNT);

static bool vyi_text_is_ordered(uint32_t op)
{
    return op >= VYI_OP_ATOMIC && op <= VYI_OP_ATOMIC_STORE;
}

/* load, store and atomics: op [sub] buffer[index] [values] [order] */
static void vyi_text_memory(vyi_writer *w, const vyi_inst *inst)
{
    vyi_text_put(w, vyi_op_describe(inst->op)->text);
    if (inst->op == VYI_OP_ATOMIC)
        vyi_text_format(w, " %s", vyi_atomic_texts[inst->sub]);
    vyi_text_char(w, ' ');
    vyi_text_put(w, vyi_buffer_of(w->p, inst->arg[0])->name);
    vyi_text_char(w, '[');
    vyi_text_value(w, inst->arg[1]);
    vyi_text_char(w, ']');
    if (inst->op == VYI_OP_STORE || inst->op == VYI_OP_ATOMIC_STORE)
        vyi_text_put(w, " = ");
    else if (vyi_op_describe(inst->op)->values & 4u)
        vyi_text_put(w, ", ");
    vyi_text_values(w, inst, 2);
    if (vyi_text_is_ordered(inst->op))
        vyi_text_order(w, inst->order);
}

static void vyi_text_plain(vyi_writer *w, const char *name, const vyi_inst *inst)
{
    vyi_text_put(w, name);
    if (vyi_op_describe(inst->op)->values)
        vyi_text_char(w, ' ');
    vyi_text_values(w, inst, 0);
}

static void vyi_text_local_inst(vyi_writer *w, const vyi_inst *inst)
{
    vyi_text_put(w, vyi_op_describe(inst->op)->text);
    vyi_text_char(w, ' ');
    vyi_text_local(w, inst->arg[0]);
    if (inst->op == VYI_OP_GET)
        return;
    if (inst->op == VYI_OP_LOCAL)
        vyi_text_format(w, ": %s", vyi_type_text(w->p->locals[inst->arg[0] - 1].type));
    vyi_text_put(w, " = ");
    vyi_text_value(w, inst->arg[1]);
}

static void vyi_text_flow(vyi_writer *w, const vyi_inst *inst)
{
    switch (inst->op) {
    case VYI_OP_IF:
    case VYI_OP_SWITCH:
        vyi_text_plain(w, vyi_op_describe(inst->op)->text, inst);
        vyi_text_put(w, " {");
        break;
    case VYI_OP_ELSE:
        vyi_text_put(w, "} else {");
        break;
    case VYI_OP_CASE:
        vyi_text_format(w, inst->arg[0] > 0xffffffu ? "case 0x%x:" : "case %u:",
                        (unsigned)inst->arg[0]);
        break;
    case VYI_OP_DEFAULT:
        vyi_text_put(w, "default:");
        break;
    case VYI_OP_LOOP:
        vyi_text_put(w, "loop ");
        vyi_text_value(w, inst->arg[0]);
        vyi_text_put(w, " .. ");
        vyi_text_value(w, inst->arg[1]);
        vyi_text_put(w, " {");
        break;
    case VYI_OP_FOREVER:
        vyi_text_put(w, inst->sub ? "forever, in rounds {" : "forever {");
        break;
    default:
        vyi_text_char(w, '}');
        break;
    }
}

static void vyi_text_inst(vyi_writer *w, const vyi_inst *inst)
{
    const vyi_op_info *info = vyi_op_describe(inst->op);
    if (info->flags & VYI_OP_MEMORY) {
        vyi_text_memory(w, inst);
        return;
    }
    if ((info->flags & (VYI_OP_OPENS | VYI_OP_ARM)) || inst->op == VYI_OP_END) {
        vyi_text_flow(w, inst);
        return;
    }
    switch (inst->op) {
    case VYI_OP_CONST:
        vyi_text_const(w, inst);
        break;
    case VYI_OP_BUILTIN:
        vyi_text_put(w, vyi_builtin_text(inst->sub));
        break;
    case VYI_OP_LENGTH:
        vyi_text_put(w, "length ");
        vyi_text_put(w, vyi_buffer_of(w->p, inst->arg[0])->name);
        break;
    case VYI_OP_BINARY:
        vyi_text_plain(w, vyi_binary_describe(inst->sub)->text, inst);
        break;
    case VYI_OP_UNARY:
        vyi_text_plain(w, vyi_unary_describe(inst->sub)->text, inst);
        break;
    case VYI_OP_CAST:
    case VYI_OP_BITCAST:
        vyi_text_format(w, "%s %s ", info->text, vyi_type_text(inst->type));
        vyi_text_values(w, inst, 0);
        break;
    case VYI_OP_LOCAL:
    case VYI_OP_GET:
    case VYI_OP_SET:
        vyi_text_local_inst(w, inst);
        break;
    case VYI_OP_BARRIER:
        vyi_text_format(w, "barrier %s", vyi_scope_texts[inst->sub]);
        vyi_text_order(w, inst->order);
        break;
    case VYI_OP_COMMENT:
        vyi_text_put(w, "# ");
        vyi_text_put(w, w->p->texts[inst->arg[0]]);
        break;
    case VYI_OP_REDUCE:
        vyi_text_format(w, "reduce %s ", vyi_reduce_texts[inst->sub]);
        vyi_text_values(w, inst, 0);
        break;
    default:
        vyi_text_plain(w, info->text, inst);
        break;
    }
}

static void vyi_text_line(vyi_writer *w, uint32_t index, uint32_t indent)
{
    const vyi_inst *inst = &w->p->insts[index];
    for (uint32_t i = 0; i < indent; i++)
        vyi_text_put(w, "  ");
    if (vyi_op_describe(inst->op)->flags & VYI_OP_VALUE) {
        const char *name = vyi_value_text(w->p, index + 1);
        vyi_text_format(w, "%%%u ", (unsigned)index + 1);
        if (name)
            vyi_text_put(w, name);
        vyi_text_put(w, name ? " = " : "= ");
    }
    vyi_text_inst(w, inst);
    vyi_text_char(w, '\n');
}

/* --- the listing --------------------------------------------------------- */

static void vyi_text_buffer(vyi_writer *w, const vyi_buffer *b)
{
    vyi_text_put(w, b->access == VYRE_ACCESS_WORKGROUP ? "array " : "buffer ");
    vyi_text_put(w, b->name);
    vyi_text_format(w, ": %s[", vyi_type_text(b->type));
    if (b->count)
        vyi_text_format(w, "%u", (unsigned)b->count);
    vyi_text_char(w, ']');
    if (b->access != VYRE_ACCESS_WORKGROUP)
        vyi_text_format(w, ", binding %u", (unsigned)b->binding);
    if (b->access == VYRE_ACCESS_READ || b->access == VYRE_ACCESS_WRITE)
        vyi_text_put(w, b->access == VYRE_ACCESS_READ ? ", read only" : ", write only");
    if (b->no_readback)
        vyi_text_put(w, ", no readback");
    if (b->readback_offset || b->readback_size)
        vyi_text_format(w, ", readback %u at %u", (unsigned)b->readback_size,
                        (unsigned)b->readback_offset);
    vyi_text_char(w, '\n');
}

static void vyi_text_header(vyi_writer *w)
{
    const vyre_program *p = w->p;
    vyi_text_put(w, "program \"");
    vyi_text_put(w, p->name);
    vyi_text_format(w, "\", workgroup %u x %u x %u\n", (unsigned)p->group_size[0],
                    (unsigned)p->group_size[1], (unsigned)p->group_size[2]);
    for (uint32_t i = 0; i < p->buffer_count; i++)
        vyi_text_buffer(w, &p->buffers[i]);
    vyi_text_char(w, '\n');
}

static void vyi_text_body(vyi_writer *w)
{
    uint32_t indent = 1;
    for (uint32_t i = 0; i < w->p->count; i++) {
        const vyi_inst *inst = &w->p->insts[i];
        const uint32_t flags = vyi_op_describe(inst->op)->flags;
        const bool closes = (flags & VYI_OP_ARM) || inst->op == VYI_OP_END;
        if (inst->op == VYI_OP_CONST && vyi_text_is_literal(w->p, i + 1))
            continue;
        indent -= closes ? 1 : 0;
        vyi_text_line(w, i, indent);
        indent += (flags & (VYI_OP_OPENS | VYI_OP_ARM)) ? 1 : 0;
    }
}

VYI_COLD
VYRE_API size_t vyre_program_text(const vyre_program *p, char *dst, size_t size)
{
    vyi_writer w;
    w.p = p;
    w.dst = dst;
    w.size = dst ? size : 0;
    w.length = 0;
    if (p) {
        vyi_text_header(&w);
        vyi_text_body(&w);
    }
    if (p && p->error.status != VYRE_OK) {
        vyi_text_format(&w, "error at %llu: ", (unsigned long long)p->error.at);
        vyi_text_put(&w, p->error.text);
        vyi_text_char(&w, '\n');
    }
    if (w.size)
        dst[w.length < w.size ? w.length : w.size - 1] = '\0';
    return w.length;
}
/* ==========================================================================
 * kernel: the description's rules, and the frame of every kernel
 *
 * Private.  All kernels have one shape:
 *
 *     bootstrap of the workspace
 *     forever                        once: if not SHUTDOWN
 *         leave if SHUTDOWN, or if the driver would cut the loops
 *         guard and dispatch of the workspace; heartbeat
 *         one pass: for each slot of this lane: claim, serve, end
 *         one look at the IO queue
 *
 * No lane waits for another one, and nothing returns: a kernel's body can
 * stand inside a larger program.
 *
 * A claim is a CAS.  Everything that decides what runs is read after it, so a
 * host that cancels and publishes again between a look and the claim changes
 * nothing; where the host never does, `whole_slots` reads beside it.  A slot whose
 * tenant has no rights is put back as it was, and from then on the lane looks at
 * tenants before it claims, until a round goes by without such a slot: it claims
 * none of them twice.
 * ======================================================================= */
/* ==========================================================================
 * kernel: what its fragments share
 *
 * Private.  One context per kernel under construction.  Its values are
 * computed once, before every loop; its locals live as long as the slot or
 * the launch that they belong to.
 * ======================================================================= */
#ifndef VYI_KERNEL_IMPL_H
#define VYI_KERNEL_IMPL_H


VYI_EXTERN_C_BEGIN

/* Two control words of a kernel that both waits for IO requests and recycles
 * them: bit i = a lane waits for the answer in IO slot i. */
#define VYI_CONTROL_IO_WAITED 144u

/* What a launch needs at most before and after the loops of one slot, where
 * loops are limited: the slot's own, a packed payload's, the IO queue's. */
#define VYI_KERNEL_LOOP_MARGIN 128u

/* A looping kernel looks at SHUTDOWN in every eighth round: in the others a
 * poll is one memory operation.  A power of two. */
#define VYI_KERNEL_STOP_ROUNDS 8u

/* A handler is emitted with all twelve arguments in reach; the loads that it
 * does not use are taken back. */
#define VYI_KERNEL_EARLY_ARGS  3u /* share a 32-byte sector with the header */
#define VYI_KERNEL_COMMON_ARGS 2u /* of common operations */

typedef struct vyi_kernel {
    vyre_program    *p;
    vyre_kernel_desc desc; /* with the defaults filled in */
    vyre_buffer control, ring, log, io, table, mirror, workspace;
    vyre_buffer user[VYRE_MAX_BUFFERS];

    /* Values that hold for the launch. */
    vyre_value lane, lanes, slots;
    vyre_value control_words; /* length of control */
    vyre_value observables;   /* words of it from 160 on */
    vyre_value allowance;     /* loop iterations of one slot */
    vyre_value loop_need;     /* without so many left, no slot is begun */

    /* Locals of the launch. */
    vyre_local careful; /* bool: look at the tenant before a claim, too */
    vyre_local refused; /* bool: this round met a slot of a tenant without rights */
    vyre_local rounds;  /* of a looping kernel */
    vyre_local io_next; /* the IO slot that the next round looks at */
    /* Common operations that have ended and are not counted yet; of them, so many
     * were STORE_U32, and so many ATOMIC_ADD. */
    vyre_local served, stored, added;

    /* The claimed slot. */
    vyre_value base;    /* its first word in the ring */
    vyre_value seen;    /* the status that it was claimed from */
    vyre_value opcode, tenant;
    vyre_value early[VYI_KERNEL_EARLY_ARGS];
    vyre_value first_mask; /* of tenant 0, loaded beside them by a kernel that hurries */
    vyre_local fault;   /* 0: none so far */
    vyre_local requeue; /* bool; of kernels that can put work back */

    /* The operation that runs: the slot itself, or one of a packed slot. */
    vyre_local op;
    vyre_local arg[VYI_KERNEL_EARLY_ARGS];
    vyre_local arg_base, arg_count; /* its own words in the ring */
} vyi_kernel;

/* --- shorthand -----------------------------------------------------------
 *
 * C does not say in which order arguments are evaluated, and here evaluation
 * appends instructions.  So that a kernel is the same program from every
 * compiler, at most one argument of a call appends anything. */

VYI_MAYBE_UNUSED VYI_OUTLINE
static vyre_value vyi_kernel_u32(vyi_kernel *k, uint32_t x)
{
    return vyre_ir_u32(k->p, x);
}

VYI_MAYBE_UNUSED VYI_OUTLINE
static vyre_value vyi_kernel_plus(vyi_kernel *k, vyre_value a, uint32_t n)
{
    return n ? vyre_ir_add(k->p, a, vyre_ir_u32(k->p, n)) : a;
}

VYI_MAYBE_UNUSED VYI_OUTLINE
static vyre_value vyi_kernel_is(vyi_kernel *k, vyre_value a, uint32_t n)
{
    return vyre_ir_eq(k->p, a, vyre_ir_u32(k->p, n));
}

/* control[index], in no order with anything else. */
static inline vyre_value vyi_kernel_control(vyi_kernel *k, uint32_t index)
{
    return vyre_ir_atomic_load(k->p, k->control, vyre_ir_u32(k->p, index), VYRE_ORDER_RELAXED);
}

/* A binary operator whose second operand is the constant n. */
typedef vyre_value (*vyi_binary_fn)(vyre_program *p, vyre_value a, vyre_value b);

VYI_MAYBE_UNUSED VYI_OUTLINE
static vyre_value vyi_kernel_op(vyi_kernel *k, vyi_binary_fn op, vyre_value a, uint32_t n)
{
    return op(k->p, a, vyre_ir_u32(k->p, n));
}

static inline vyre_value vyi_kernel_pick(vyi_kernel *k, vyre_value cond, uint32_t yes, uint32_t no)
{
    vyre_value a = vyre_ir_u32(k->p, yes);
    return vyre_ir_select(k->p, cond, a, vyre_ir_u32(k->p, no));
}

/* buffer[index] = n, atomically. */
static inline void vyi_kernel_put(vyi_kernel *k, vyre_buffer buffer, vyre_value index, uint32_t n,
                                  vyre_order order)
{
    vyre_ir_atomic_store(k->p, buffer, index, vyre_ir_u32(k->p, n), order);
}

/* control[index] += 1 */
static inline void vyi_kernel_count(vyi_kernel *k, vyre_value index, vyre_order order)
{
    vyre_ir_atomic(k->p, VYRE_ATOMIC_ADD, k->control, index, vyre_ir_u32(k->p, 1), order);
}

/* local += 1 */
static inline void vyi_kernel_step(vyi_kernel *k, vyre_local local)
{
    vyre_value before = vyre_ir_get(k->p, local);
    vyre_ir_set(k->p, local, vyre_ir_add(k->p, before, vyre_ir_u32(k->p, 1)));
}

static inline void vyi_kernel_count_at(vyi_kernel *k, uint32_t index, vyre_order order)
{
    vyi_kernel_count(k, vyre_ir_u32(k->p, index), order);
}

static inline void vyi_kernel_raise(vyi_kernel *k, uint32_t fault)
{
    vyre_ir_set(k->p, k->fault, vyre_ir_u32(k->p, fault));
}

/* Leaves the innermost loop. */
static inline void vyi_kernel_break_if(vyi_kernel *k, vyre_value cond)
{
    vyre_ir_if(k->p, cond);
    vyre_ir_break(k->p);
    vyre_ir_end(k->p);
}

/* --- between the fragments ----------------------------------------------- */

/* Runs the work of the claimed slot and ends it; header and early arguments
 * have been loaded (kernel_ops.c). */
VYI_API void vyi_kernel_serve(vyi_kernel *k);

/* The handler for LOAD_MISS, and the first lane's care for the IO queue
 * (kernel_io.c). */
VYI_API void vyi_kernel_load_miss(vyi_kernel *k);
VYI_API void vyi_kernel_poll_io(vyi_kernel *k);

/* Looks at the slot at `base` and claims it if it may run.  What is emitted
 * between the two calls runs when the slot is this lane's, its tenant has
 * rights and its header is loaded (kernel.c). */
VYI_API void vyi_kernel_claim_begin(vyi_kernel *k, vyre_value base);
VYI_API void vyi_kernel_claim_end(vyi_kernel *k);
/* Bool: the slot at k->base may be claimed, as far as a careful lane can see. */
VYI_API vyre_local vyi_kernel_look(vyi_kernel *k);
VYI_API vyre_value vyi_kernel_has_rights(vyi_kernel *k, vyre_value tenant);
/* Opens a block for `slot`, and makes k->base its first word. */
VYI_API void vyi_kernel_slot_begin(vyi_kernel *k, vyre_value slot);
/* Header and the first arguments of the slot at k->base. */
VYI_API void vyi_kernel_load_slot(vyi_kernel *k, uint32_t args);

/* The same for the operations that are common enough to stand in the inner
 * loop; of another one, or one that would end FAULT, it does nothing.  `rare`
 * says which it was (kernel_ops.c). */
VYI_API void vyi_kernel_serve_common(vyi_kernel *k, vyre_local rare);
/* Where the counters of common operations wait in the lane: begins with none,
 * and counts those that wait (kernel_ops.c). */
VYI_API void vyi_kernel_tally_begin(vyi_kernel *k);
VYI_API void vyi_kernel_tally_end(vyi_kernel *k);

/* Whether `whole_slots` makes another program (kernel.c). */
VYI_API bool vyi_kernel_is_whole(const vyre_kernel_desc *d);
/* The whole loop of a kernel of one lane (kernel_narrow.c). */
VYI_API bool vyi_kernel_is_narrow(const vyre_kernel_desc *d);
VYI_API void vyi_kernel_narrow(vyi_kernel *k);

/* bool: so few loop iterations are left that a slot that is begun now might
 * not end before the driver cuts (kernel.c). */
VYI_API vyre_value vyi_kernel_loops_end(vyi_kernel *k);

/* The scan of the five partitions (kernel_priority.c). */
VYI_API void vyi_kernel_priority_pass(vyi_kernel *k);

/* Room for a caller's code: what it may not do is found at the end. */
typedef struct vyi_kernel_guest {
    uint32_t first; /* instruction */
    uint32_t depth, arm;
} vyi_kernel_guest;

VYI_API vyi_kernel_guest vyi_kernel_guest_begin(vyi_kernel *k);
VYI_API void vyi_kernel_guest_end(vyi_kernel *k, vyi_kernel_guest guest, const char *name);

VYI_EXTERN_C_END

#endif

/* --- faults -------------------------------------------------------------- */

VYI_COLD
VYRE_API const char *vyre_fault_text(uint32_t code)
{
    static const char *const texts[] = {
        "no fault",
        "no handler for the opcode",
        "a control index or range lies beyond the buffer",
        "a write into control words 0..159",
        "malformed packed payload",
        "DFA_STEP without a table, or beyond it",
        "a loop would have been cut by the driver",
        "the host answered an IO request with ERROR",
        "no IO slot was free",
        "the host did not answer an IO request in time"
    };
    if (code < sizeof texts / sizeof texts[0])
        return texts[code];
    return code >= VYRE_FAULT_USER ? "a handler's own fault" : "unknown fault";
}

/* --- the rules of a description ------------------------------------------ */

static vyre_kernel_desc vyi_kernel_defaults(const vyre_kernel_desc *desc)
{
    vyre_kernel_desc d;
    memset(&d, 0, sizeof d);
    if (desc)
        d = *desc;
    d.workgroup_size = d.workgroup_size ? d.workgroup_size : 256;
    d.slot_count = d.slot_count ? d.slot_count : d.workgroup_size;
    d.lane_count = d.lane_count ? d.lane_count : d.slot_count;
    d.log_records = d.log_records ? d.log_records : VYRE_LOG_RECORDS_DEFAULT;
    d.observables = d.observables ? d.observables : 64;
    d.io_spins = d.io_spins ? d.io_spins : 1024;
    d.loop_allowance = d.loop_allowance ? d.loop_allowance : 32768;
    return d;
}

static vyre_status vyi_kernel_check_lanes(const vyre_kernel_desc *d, vyre_error *err)
{
    if (d->lane_count > d->slot_count)
        return vyi_fail(err, VYRE_E_KERNEL_LANES, d->lane_count,
                        "Use at most as many lanes as slots; fewer lanes take turns.",
                        "%u lanes for %u slots", (unsigned)d->lane_count,
                        (unsigned)d->slot_count);
    if (d->lane_count % d->workgroup_size)
        return vyi_fail(err, VYRE_E_KERNEL_LANE_MULTIPLE, d->lane_count,
                        "Use a multiple of the workgroup size, or a smaller workgroup.",
                        "%u lanes in workgroups of %u", (unsigned)d->lane_count,
                        (unsigned)d->workgroup_size);
    return VYRE_OK;
}

static vyre_status vyi_kernel_check_limits(const vyre_kernel_desc *d, vyre_error *err)
{
    if (d->log_records > VYRE_MAX_LOG_RECORDS)
        return vyi_fail(err, VYRE_E_OVF, d->log_records, "Use a smaller log.",
                        "%u log records; there may be %u", (unsigned)d->log_records,
                        (unsigned)VYRE_MAX_LOG_RECORDS);
    if (d->observables > VYRE_MAX_OBSERVABLES)
        return vyi_fail(err, VYRE_E_OVF, d->observables, "Use a buffer of your own.",
                        "%u observables; there may be %u", (unsigned)d->observables,
                        (unsigned)VYRE_MAX_OBSERVABLES);
    return VYRE_OK;
}

static vyre_status vyi_kernel_check_geometry(const vyre_kernel_desc *d, vyre_error *err)
{
    if (d->workgroup_size > VYRE_MAX_WORKGROUP)
        return vyi_fail(err, VYRE_E_KERNEL_WORKGROUP, d->workgroup_size,
                        "Use more workgroups instead; 256 suits most devices.",
                        "%u lanes in a workgroup; there may be %u", (unsigned)d->workgroup_size,
                        (unsigned)VYRE_MAX_WORKGROUP);
    if (d->slot_count > VYRE_MAX_SLOTS)
        return vyi_fail(err, VYRE_E_KERNEL_SLOTS, d->slot_count,
                        "Use a smaller ring; a slot can be used again when it is done.",
                        "%u slots; there may be %u", (unsigned)d->slot_count,
                        (unsigned)VYRE_MAX_SLOTS);
    if (d->slot_count % d->workgroup_size)
        return vyi_fail(err, VYRE_E_KERNEL_SLOT_MULTIPLE, d->slot_count,
                        "Use a multiple of the workgroup size, or a smaller workgroup.",
                        "%u slots in workgroups of %u", (unsigned)d->slot_count,
                        (unsigned)d->workgroup_size);
    vyre_status status = vyi_kernel_check_lanes(d, err);
    return status == VYRE_OK ? vyi_kernel_check_limits(d, err) : status;
}

static vyre_status vyi_kernel_check_handler(const vyre_kernel_desc *d, uint32_t index,
                                            vyre_error *err)
{
    const vyre_handler *h = &d->handlers[index];
    if (!vyre_opcode_is_user(h->opcode))
        return vyi_fail(err, VYRE_E_KERNEL_OPCODE, index,
                        "Use 8..0xFFEF or 0x10000..0x7FFFFFFF.",
                        "handler %u has opcode 0x%X, which is built in or reserved",
                        (unsigned)index, (unsigned)h->opcode);
    if (!h->emit)
        return vyi_fail(err, VYRE_E_KERNEL_EMIT, index, "Set the handler's emit.",
                        "handler %u of opcode 0x%X has no emit function", (unsigned)index,
                        (unsigned)h->opcode);
    for (uint32_t i = 0; i < index; i++)
        if (d->handlers[i].opcode == h->opcode)
            return vyi_fail(err, VYRE_E_KERNEL_DUPLICATE, index, "Give each its own opcode.",
                            "handlers %u and %u both have opcode 0x%X", (unsigned)i,
                            (unsigned)index, (unsigned)h->opcode);
    return VYRE_OK;
}

static vyre_status vyi_kernel_check_code(const vyre_kernel_desc *d, vyre_error *err)
{
    if (d->kind == VYRE_KERNEL_JIT && !d->payload)
        return vyi_fail(err, VYRE_E_KERNEL_PAYLOAD, 0, "Set the desc's payload.",
                        "the kernel is of kind JIT and has no payload");
    if (d->kind != VYRE_KERNEL_JIT && d->payload)
        return vyi_fail(err, VYRE_E_KERNEL_NOT_JIT, 0, "Use kind VYRE_KERNEL_JIT, or a handler.",
                        "a payload in a kernel of kind %u", (unsigned)d->kind);
    if (d->kind == VYRE_KERNEL_JIT && (d->handler_count || d->load_miss))
        return vyi_fail(err, VYRE_E_KERNEL_DISPATCH, 0,
                        "Use kind VYRE_KERNEL_DIRECT for opcodes.",
                        "a JIT kernel with %u handlers%s: it runs its payload for every slot",
                        (unsigned)d->handler_count, d->load_miss ? " and load_miss" : "");
    if (d->handler_count && !d->handlers)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Set the desc's handlers.",
                        "%u handlers, but the list is NULL", (unsigned)d->handler_count);
    for (uint32_t i = 0; i < d->handler_count; i++) {
        vyre_status status = vyi_kernel_check_handler(d, i, err);
        if (status != VYRE_OK)
            return status;
    }
    return VYRE_OK;
}

/* The caller's buffer `index`, the workspace behind the last. */
static const vyre_buffer_desc *vyi_kernel_buffer_desc(const vyre_kernel_desc *d, uint32_t index)
{
    return index < d->buffer_count ? &d->buffers[index] : &d->workspace->buffer;
}

static vyre_status vyi_kernel_check_binding(const vyre_kernel_desc *d, uint32_t index,
                                            vyre_error *err)
{
    const uint32_t binding = vyi_kernel_buffer_desc(d, index)->binding;
    if (vyi_kernel_buffer_desc(d, index)->access == VYRE_ACCESS_WORKGROUP)
        return VYRE_OK;
    if (binding < VYRE_BINDING_USER || binding >= VYRE_MAX_BINDINGS)
        return vyi_fail(err, VYRE_E_KERNEL_BINDING, index,
                        "0..3 are control, ring, log and io; use 4..31.",
                        "buffer %u has binding %u", (unsigned)index, (unsigned)binding);
    for (uint32_t i = 0; i < index; i++) {
        const vyre_buffer_desc *other = vyi_kernel_buffer_desc(d, i);
        if (other->access != VYRE_ACCESS_WORKGROUP && other->binding == binding)
            return vyi_fail(err, VYRE_E_KERNEL_OVERLAP, index,
                            "Give each buffer, and the workspace, a binding of its own.",
                            "buffers %u and %u both have binding %u", (unsigned)i,
                            (unsigned)index, (unsigned)binding);
    }
    return VYRE_OK;
}

/* The place in the desc of the buffer at `binding`, if it holds u32 words and
 * is not of access `barred`; else buffer_count. */
static uint32_t vyi_kernel_find(const vyre_kernel_desc *d, uint32_t binding, vyre_access barred)
{
    for (uint32_t i = 0; i < d->buffer_count; i++) {
        const vyre_buffer_desc *b = &d->buffers[i];
        const bool words = b->type == VYRE_TYPE_NONE || b->type == VYRE_TYPE_U32;
        if (b->binding == binding && words && b->access != VYRE_ACCESS_WORKGROUP &&
            b->access != barred)
            return i;
    }
    return d->buffer_count;
}

static vyre_status vyi_kernel_check_roles(const vyre_kernel_desc *d, vyre_error *err)
{
    if (d->table_binding &&
        vyi_kernel_find(d, d->table_binding, VYRE_ACCESS_WRITE) == d->buffer_count)
        return vyi_fail(err, VYRE_E_KERNEL_TABLE, d->table_binding,
                        "Add a u32 buffer with this binding to the desc's buffers.",
                        "no readable u32 buffer of the desc has the table's binding %u",
                        (unsigned)d->table_binding);
    if (d->mirror_binding &&
        (vyi_kernel_find(d, d->mirror_binding, VYRE_ACCESS_READ) == d->buffer_count ||
         d->mirror_binding == d->table_binding))
        return vyi_fail(err, VYRE_E_KERNEL_MIRROR, d->mirror_binding,
                        "Add a writable u32 buffer with this binding to the desc's buffers.",
                        "no writable u32 buffer of the desc has the mirror's binding %u%s",
                        (unsigned)d->mirror_binding,
                        d->mirror_binding == d->table_binding ? ": it is the table" : "");
    return VYRE_OK;
}

static vyre_status vyi_kernel_check_buffers(const vyre_kernel_desc *d, vyre_error *err)
{
    const uint32_t room = VYRE_MAX_BUFFERS - VYRE_BINDING_USER - 1;
    if (d->buffer_count && !d->buffers)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Set the desc's buffers.",
                        "%u buffers, but the list is NULL", (unsigned)d->buffer_count);
    if (d->buffer_count > room)
        return vyi_fail(err, VYRE_E_KERNEL_BUFFERS, d->buffer_count, "Use fewer, larger buffers.",
                        "%u buffers; there may be %u", (unsigned)d->buffer_count,
                        (unsigned)room);
    for (uint32_t i = 0; i < d->buffer_count + (d->workspace ? 1 : 0); i++) {
        vyre_status status = vyi_kernel_check_binding(d, i, err);
        if (status != VYRE_OK)
            return status;
    }
    return vyi_kernel_check_roles(d, err);
}

static vyre_status vyi_kernel_check(const vyre_kernel_desc *d, vyre_error *err)
{
    if ((uint32_t)d->kind > VYRE_KERNEL_PRIORITY)
        return vyi_fail(err, VYRE_E_KERNEL_KIND, (uint64_t)(uint32_t)d->kind,
                        "Use VYRE_KERNEL_DIRECT, _JIT or _PRIORITY.", "kind %u",
                        (unsigned)d->kind);
    vyre_status status = vyi_kernel_check_geometry(d, err);
    if (status == VYRE_OK)
        status = vyi_kernel_check_code(d, err);
    if (status == VYRE_OK)
        status = vyi_kernel_check_buffers(d, err);
    return status;
}

/* --- callers' code ------------------------------------------------------- */

VYI_COLD
VYI_API vyi_kernel_guest vyi_kernel_guest_begin(vyi_kernel *k)
{
    vyi_kernel_guest guest;
    guest.first = k->p->count;
    guest.depth = k->p->depth;
    guest.arm = guest.depth ? k->p->open[guest.depth - 1].arm : 0;
    return guest;
}

/* True when one of the instructions from `first` on leaves a loop that began
 * before it, or a block that is not the guest's was closed and opened again. */
static bool vyi_kernel_guest_strays(const vyre_program *p, const vyi_kernel_guest *guest)
{
    const uint32_t depth = guest->depth;
    if (p->depth != depth || (depth && p->open[depth - 1].arm != guest->arm))
        return true;
    for (uint32_t i = guest->first; i < p->count; i++) {
        const vyi_inst *inst = &p->insts[i];
        if ((inst->op == VYI_OP_BREAK || inst->op == VYI_OP_CONTINUE || inst->op == VYI_OP_END) &&
            inst->link < guest->first)
            return true;
    }
    return false;
}

VYI_COLD
VYI_API void vyi_kernel_guest_end(vyi_kernel *k, vyi_kernel_guest guest, const char *name)
{
    vyre_program *p = k->p;
    if (p->error.status != VYRE_OK)
        return;
    for (uint32_t i = guest.first; i < p->count; i++)
        if (p->insts[i].op == VYI_OP_RETURN) {
            vyi_program_fail(p, VYRE_E_KERNEL_RETURN, "Put the rest of the code into an if.",
                             "%s returns: the slot would stay CLAIMED for ever", name);
            return;
        }
    for (uint32_t i = guest.first; i < p->count; i++)
        p->guest_loops = p->guest_loops || p->insts[i].op == VYI_OP_LOOP ||
                         p->insts[i].op == VYI_OP_FOREVER;
    if (vyi_kernel_guest_strays(p, &guest))
        vyi_program_fail(p, VYRE_E_KERNEL_BLOCK,
                         "End each block that it opens; break only its own loops.",
                         "%s begins at depth %u, ends at %u, and must not touch what is around it",
                         name, (unsigned)guest.depth, (unsigned)p->depth);
}

static void vyi_kernel_hook(vyi_kernel *k,
                            void (*hook)(vyre_program *p, vyre_buffer workspace, void *user),
                            const char *name)
{
    if (!hook)
        return;
    vyi_kernel_guest guest = vyi_kernel_guest_begin(k);
    hook(k->p, k->workspace, k->desc.workspace->user);
    vyi_kernel_guest_end(k, guest, name);
}

/* --- claiming a slot ----------------------------------------------------- */

/* Whether somebody waits for each work: such a kernel rather does an operation
 * too many than one after another. */
static bool vyi_kernel_hurries(const vyi_kernel *k)
{
    return !k->desc.once && k->desc.kind != VYRE_KERNEL_PRIORITY && !vyi_kernel_is_narrow(&k->desc);
}

/* Not where work comes back: lanes write into its slot then. */
VYI_API bool vyi_kernel_is_whole(const vyre_kernel_desc *d)
{
    return d->whole_slots && d->kind == VYRE_KERNEL_DIRECT && !d->once && !d->load_miss &&
           !vyi_kernel_is_narrow(d);
}

/* Whether common operations run in a loop of their own, and others behind it. */
static bool vyi_kernel_is_single_pass(const vyi_kernel *k)
{
    return k->desc.once && k->desc.kind == VYRE_KERNEL_DIRECT;
}

/* Strict on both sides, and safe so: the index is clamped to the table. */
VYI_COLD
VYI_API vyre_value vyi_kernel_has_rights(vyi_kernel *k, vyre_value tenant)
{
    vyre_program *p = k->p;
    vyre_value known = vyi_kernel_op(k, vyre_ir_lt, tenant, VYRE_MAX_TENANTS);
    vyre_value entry = vyi_kernel_op(k, vyre_ir_min, tenant, VYRE_MAX_TENANTS - 1);
    vyre_value mask = vyre_ir_atomic_load(p, k->control,
                                          vyi_kernel_plus(k, entry, VYRE_CONTROL_TENANT_MASKS),
                                          VYRE_ORDER_RELAXED);
    return vyre_ir_and(p, known, vyi_kernel_op(k, vyre_ir_ne, mask, 0));
}

/* Tenant 0 is the most likely one: its mask is loaded beside the slot, and that
 * of another one after it, when it is known which. */
static vyre_value vyi_kernel_slot_has_rights(vyi_kernel *k)
{
    vyre_program *p = k->p;
    if (!vyi_kernel_hurries(k))
        return vyi_kernel_has_rights(k, k->tenant);
    vyre_value enabled = vyi_kernel_op(k, vyre_ir_ne, k->first_mask, 0);
    vyre_local rights = vyre_ir_local(p, VYRE_TYPE_BOOL, enabled, "rights");
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, k->tenant, 0));
    vyre_ir_set(p, rights, vyi_kernel_has_rights(k, k->tenant));
    vyre_ir_end(p);
    return vyre_ir_get(p, rights);
}

/* Work may come back as REQUEUE, or be a task that yielded. */
static bool vyi_kernel_resumes(const vyi_kernel *k)
{
    return k->desc.kind == VYRE_KERNEL_PRIORITY || (k->desc.load_miss && !k->desc.once);
}

static vyre_value vyi_kernel_may_claim(vyi_kernel *k, vyre_value status)
{
    vyre_program *p = k->p;
    vyre_value published = vyi_kernel_is(k, status, VYRE_SLOT_PUBLISHED);
    if (!vyi_kernel_resumes(k))
        return published;
    vyre_value yielded = vyi_kernel_is(k, status, VYRE_SLOT_YIELD);
    vyre_value either = vyre_ir_or(p, published, yielded);
    return vyre_ir_or(p, either, vyi_kernel_is(k, status, VYRE_SLOT_REQUEUE));
}

static void vyi_kernel_load_tenant(vyi_kernel *k)
{
    vyre_value at = vyi_kernel_plus(k, k->base, VYRE_SLOT_TENANT);
    k->tenant = vyre_ir_name(k->p, vyre_ir_load(k->p, k->ring, at), "tenant");
}

/* A word of the claimed slot.  A kernel that is fed reads past every cache
 * anyway: an atomic load says so, and drivers make less of it than of a plain
 * one. */
static vyre_value vyi_kernel_slot_word(vyi_kernel *k, uint32_t word)
{
    vyre_value at = vyi_kernel_plus(k, k->base, word);
    return vyi_kernel_hurries(k) ? vyre_ir_atomic_load(k->p, k->ring, at, VYRE_ORDER_RELAXED)
                                 : vyre_ir_load(k->p, k->ring, at);
}

VYI_COLD
VYI_API void vyi_kernel_load_slot(vyi_kernel *k, uint32_t args)
{
    vyre_program *p = k->p;
    k->opcode = vyre_ir_name(p, vyi_kernel_slot_word(k, VYRE_SLOT_OPCODE), "opcode");
    k->tenant = vyre_ir_name(p, vyi_kernel_slot_word(k, VYRE_SLOT_TENANT), "tenant");
    for (uint32_t i = 0; i < args; i++)
        k->early[i] = vyi_kernel_slot_word(k, VYRE_SLOT_ARGS + i);
    if (vyi_kernel_hurries(k))
        k->first_mask = vyi_kernel_control(k, VYRE_CONTROL_TENANT_MASKS);
}

static void vyi_kernel_refuse(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_ir_set(p, k->refused, vyre_ir_bool(p, true));
    vyre_ir_set(p, k->careful, vyre_ir_bool(p, true));
}

/* A careful lane's look before the claim; what it sees may change before the
 * claim, so it only saves claims and decides nothing else. */
VYI_COLD
VYI_API vyre_local vyi_kernel_look(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_local worth = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, true), "worth_a_claim");
    vyre_ir_if(p, vyre_ir_get(p, k->careful));
    vyre_value tenant = vyre_ir_atomic_load(p, k->ring,
                                            vyi_kernel_plus(k, k->base, VYRE_SLOT_TENANT),
                                            VYRE_ORDER_RELAXED);
    vyre_value rights = vyi_kernel_has_rights(k, tenant);
    vyre_ir_set(p, worth, rights);
    vyre_ir_if(p, vyre_ir_not(p, rights));
    vyi_kernel_refuse(k);
    vyre_ir_end(p);
    vyre_ir_end(p);
    return worth;
}

/* What the claim rests on.  Tenant and words follow it, or go beside it. */
static void vyi_kernel_load_claimed(vyi_kernel *k)
{
    if (k->desc.kind == VYRE_KERNEL_PRIORITY)
        vyi_kernel_load_tenant(k);
    else
        vyi_kernel_load_slot(k, vyi_kernel_is_single_pass(k) ? VYI_KERNEL_COMMON_ARGS
                                                             : VYI_KERNEL_EARLY_ARGS);
}

/* Acquire in the claim: it pairs with the release by which the host, or a lane
 * that put the slot back, wrote the status last.  The poll decides nothing but
 * whether to claim, and orders nothing: an acquire in each would make every
 * idle round wait for a cache.
 *
 * With `whole_slots` the claim is relaxed, and the words are asked for without
 * waiting for it.  They are those that were published with the status which the
 * poll saw: the device has proved that loads behind it find them, and a host
 * that takes nothing back has not changed them since.  vyi_kernel_serve_either
 * acquires before anything looks beyond them. */
VYI_COLD
VYI_API void vyi_kernel_claim_begin(vyi_kernel *k, vyre_value base)
{
    vyre_program *p = k->p;
    const bool beside = vyi_kernel_is_whole(&k->desc);
    k->base = base;
    k->seen = vyre_ir_atomic_load(p, k->ring, base, VYRE_ORDER_RELAXED);
    vyre_ir_name(p, k->seen, "status");
    vyre_ir_if(p, vyi_kernel_may_claim(k, k->seen));
    vyre_local worth = vyi_kernel_look(k);
    vyre_ir_if(p, vyre_ir_get(p, worth));
    vyre_value before = vyre_ir_atomic_cas(p, k->ring, base, k->seen,
                                           vyi_kernel_u32(k, VYRE_SLOT_CLAIMED),
                                           beside ? VYRE_ORDER_RELAXED : VYRE_ORDER_ACQUIRE);
    if (beside)
        vyi_kernel_load_claimed(k);
    vyre_ir_if(p, vyre_ir_eq(p, before, k->seen));
    if (!beside)
        vyi_kernel_load_claimed(k);
    vyre_ir_if(p, vyi_kernel_slot_has_rights(k));
}

VYI_COLD
VYI_API void vyi_kernel_claim_end(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_ir_else(p);
    vyre_ir_atomic_store(p, k->ring, k->base, k->seen, VYRE_ORDER_RELEASE);
    vyi_kernel_refuse(k);
    for (unsigned i = 0; i < 4; i++)
        vyre_ir_end(p);
}

/* --- the frame ----------------------------------------------------------- */

static vyre_buffer vyi_kernel_core_buffer(vyi_kernel *k, const char *name, uint32_t binding)
{
    vyre_buffer_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.name = name;
    desc.binding = binding;
    desc.no_readback = k->desc.control_report && binding != VYRE_BINDING_CONTROL;
    return vyre_ir_buffer(k->p, &desc);
}

static void vyi_kernel_buffers(vyi_kernel *k)
{
    const vyre_kernel_desc *d = &k->desc;
    k->control = vyi_kernel_core_buffer(k, "control", VYRE_BINDING_CONTROL);
    k->ring = vyi_kernel_core_buffer(k, "ring", VYRE_BINDING_RING);
    k->log = vyi_kernel_core_buffer(k, "log", VYRE_BINDING_LOG);
    k->io = vyi_kernel_core_buffer(k, "io", VYRE_BINDING_IO);
    for (uint32_t i = 0; i < d->buffer_count; i++)
        k->user[i] = vyre_ir_buffer(k->p, &d->buffers[i]);
    if (d->workspace)
        k->workspace = vyre_ir_buffer(k->p, &d->workspace->buffer);
    if (d->table_binding)
        k->table = k->user[vyi_kernel_find(d, d->table_binding, VYRE_ACCESS_WRITE)];
    if (d->mirror_binding)
        k->mirror = k->user[vyi_kernel_find(d, d->mirror_binding, VYRE_ACCESS_READ)];
}

/* Where loops are limited, one slot may use up at most half of them.  Whatever
 * its allowance is, none is begun without that half: a driver may count more
 * than the slot's own iterations, and a slot that is within its allowance must
 * not be cut. */
static void vyi_kernel_loop_budget(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value left = vyre_ir_builtin(p, VYRE_BUILTIN_LOOP_LEFT);
    vyre_value half = vyi_kernel_op(k, vyre_ir_shr, left, 1);
    k->allowance = vyi_kernel_op(k, vyre_ir_min, half, k->desc.loop_allowance);
    k->loop_need = vyi_kernel_plus(k, half, VYI_KERNEL_LOOP_MARGIN);
    vyre_ir_name(p, k->loop_need, "loop_need");
}

static void vyi_kernel_values(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value size = vyre_ir_builtin(p, VYRE_BUILTIN_GROUP_SIZE_X);
    k->lane = vyre_ir_builtin(p, VYRE_BUILTIN_GLOBAL_ID_X);
    k->lanes = vyre_ir_mul(p, size, vyre_ir_builtin(p, VYRE_BUILTIN_GROUP_COUNT_X));
    k->slots = vyi_kernel_op(k, vyre_ir_shr, vyre_ir_length(p, k->ring), 4);
    vyre_value base = vyi_kernel_u32(k, VYRE_CONTROL_OBSERVABLES);
    k->control_words = vyre_ir_length(p, k->control);
    k->observables = vyre_ir_sub(p, vyre_ir_max(p, k->control_words, base), base);
    vyre_ir_name(p, k->lane, "lane");
    vyre_ir_name(p, k->lanes, "lanes");
    vyre_ir_name(p, k->slots, "slots");
    vyre_ir_name(p, k->control_words, "control_words");
    vyre_ir_name(p, k->observables, "observables");
    vyi_kernel_loop_budget(k);

    k->careful = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "careful");
    k->refused = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "refused");
}

VYI_COLD
VYI_API vyre_value vyi_kernel_loops_end(vyi_kernel *k)
{
    return vyre_ir_lt(k->p, vyre_ir_builtin(k->p, VYRE_BUILTIN_LOOP_LEFT), k->loop_need);
}

/* How often a lane's stride hits the ring; 0 for a lane beyond it. */
static vyre_value vyi_kernel_turns(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value beyond = vyi_kernel_plus(k, vyre_ir_sub(p, k->slots, k->lane), UINT32_MAX);
    vyre_value turns = vyi_kernel_plus(k, vyre_ir_div(p, beyond, k->lanes), 1);
    vyre_value serves = vyre_ir_lt(p, k->lane, k->slots);
    return vyre_ir_select(p, serves, turns, vyi_kernel_u32(k, 0));
}

/* A block for a slot of the ring's.  The slot always is one: the condition tells
 * that to the emitter, which then checks none of the slot's words. */
VYI_COLD
VYI_API void vyi_kernel_slot_begin(vyi_kernel *k, vyre_value slot)
{
    vyre_ir_if(k->p, vyre_ir_lt(k->p, slot, k->slots));
    k->base = vyre_ir_name(k->p, vyi_kernel_op(k, vyre_ir_shl, slot, 4), "slot_base");
}

/* Common operations without the frame of the others: packed slots, faults of
 * loops, and code that lies far apart. */
static void vyi_kernel_serve_either(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_local rare = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "rare");
    vyi_kernel_serve_common(k, rare);
    vyre_ir_if(p, vyre_ir_get(p, rare));
    if (vyi_kernel_is_whole(&k->desc))
        vyre_ir_barrier(p, VYRE_SCOPE_DEVICE, VYRE_ORDER_ACQUIRE);
    vyi_kernel_serve(k);
    vyre_ir_end(p);
}

static void vyi_kernel_pass(vyi_kernel *k, vyre_value turns)
{
    vyre_program *p = k->p;
    vyre_value turn = vyre_ir_loop(p, vyi_kernel_u32(k, 0), turns);
    vyi_kernel_break_if(k, vyi_kernel_loops_end(k));
    vyre_value slot = vyre_ir_add(p, k->lane, vyre_ir_mul(p, turn, k->lanes));
    vyi_kernel_slot_begin(k, slot);
    vyi_kernel_claim_begin(k, k->base);
    if (k->desc.kind == VYRE_KERNEL_JIT)
        vyi_kernel_serve(k);
    else
        vyi_kernel_serve_either(k);
    vyi_kernel_claim_end(k);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

/* The same for one pass.  The uncommon operations stand behind a loop: a device
 * without branches runs them, under a mask, only once that loop is left. */
static void vyi_kernel_single_pass(vyi_kernel *k, vyre_value turns)
{
    vyre_program *p = k->p;
    vyre_value zero = vyi_kernel_u32(k, 0);
    vyre_local next = vyre_ir_local(p, VYRE_TYPE_U32, zero, "turn");
    vyre_local found = vyre_ir_local(p, VYRE_TYPE_U32, zero, "found");
    vyre_local rare = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "rare");
    vyi_kernel_tally_begin(k);
    vyre_ir_forever(p);
    vyre_ir_forever(p);
    vyre_value turn = vyre_ir_get(p, next);
    vyre_value over = vyre_ir_ge(p, turn, turns);
    vyi_kernel_break_if(k, vyre_ir_or(p, over, vyi_kernel_loops_end(k)));
    vyre_ir_set(p, next, vyi_kernel_plus(k, turn, 1));
    vyre_value slot = vyre_ir_add(p, k->lane, vyre_ir_mul(p, turn, k->lanes));
    vyre_ir_set(p, found, slot);
    vyi_kernel_slot_begin(k, slot);
    vyi_kernel_claim_begin(k, k->base);
    vyi_kernel_serve_common(k, rare);
    vyi_kernel_claim_end(k);
    vyre_ir_end(p);
    vyi_kernel_break_if(k, vyre_ir_get(p, rare));
    vyre_ir_end(p);
    vyi_kernel_tally_end(k);
    vyi_kernel_break_if(k, vyre_ir_not(p, vyre_ir_get(p, rare)));
    vyre_ir_set(p, rare, vyre_ir_bool(p, false));
    vyi_kernel_slot_begin(k, vyre_ir_get(p, found));
    vyi_kernel_load_slot(k, VYI_KERNEL_EARLY_ARGS);
    vyi_kernel_serve(k);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

static void vyi_kernel_heartbeat(vyi_kernel *k)
{
    vyre_ir_if(k->p, vyi_kernel_is(k, k->lane, 0));
    vyi_kernel_count_at(k, VYRE_CONTROL_HEARTBEAT, VYRE_ORDER_RELAXED);
    vyre_ir_end(k->p);
}

static void vyi_kernel_round(vyi_kernel *k, vyre_value turns)
{
    const vyre_workspace *w = k->desc.workspace;
    vyi_kernel_hook(k, w ? w->guard : NULL, "the workspace's guard");
    vyi_kernel_hook(k, w ? w->dispatch : NULL, "the workspace's dispatch");
    if (!k->desc.once)
        vyi_kernel_heartbeat(k);
    if (k->desc.kind == VYRE_KERNEL_PRIORITY)
        vyi_kernel_priority_pass(k);
    else if (vyi_kernel_is_single_pass(k))
        vyi_kernel_single_pass(k, turns);
    else
        vyi_kernel_pass(k, turns);
    if (k->desc.io_polling)
        vyi_kernel_poll_io(k);
}

/* Acquire pairs with the release of whoever raised it. */
static vyre_value vyi_kernel_runs(vyi_kernel *k, vyre_order order)
{
    vyre_value stop = vyre_ir_atomic_load(k->p, k->control,
                                          vyi_kernel_u32(k, VYRE_CONTROL_SHUTDOWN), order);
    return vyi_kernel_is(k, stop, 0);
}

/* Leaves the kernel's loop at SHUTDOWN.  What stands behind the loop, in a program
 * of the caller's, sees what whoever raised it wrote before; and in each look so do
 * the hooks of a workspace, which have no other acquire.  A lane that only polls
 * goes on without one. */
static void vyi_kernel_leave_if_stopped(vyi_kernel *k)
{
    vyre_program *p = k->p;
    const vyre_order order = k->desc.workspace ? VYRE_ORDER_ACQUIRE : VYRE_ORDER_RELAXED;
    vyre_ir_if(p, vyre_ir_not(p, vyi_kernel_runs(k, order)));
    if (order == VYRE_ORDER_RELAXED)
        vyre_ir_barrier(p, VYRE_SCOPE_DEVICE, VYRE_ORDER_ACQUIRE);
    vyre_ir_break(p);
    vyre_ir_end(p);
}

static void vyi_kernel_once(vyi_kernel *k, vyre_value turns)
{
    vyre_ir_if(k->p, vyi_kernel_runs(k, VYRE_ORDER_ACQUIRE));
    vyi_kernel_round(k, turns);
    vyre_ir_end(k->p);
}

static void vyi_kernel_forever(vyi_kernel *k, vyre_value turns)
{
    vyre_program *p = k->p;
    k->rounds = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, 0), "rounds");
    if (k->desc.io_polling)
        k->io_next = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, 0), "io_next");

    vyre_ir_forever(p);
    vyre_value rounds = vyre_ir_get(p, k->rounds);
    vyre_value phase = vyi_kernel_op(k, vyre_ir_and, rounds, VYI_KERNEL_STOP_ROUNDS - 1);
    vyre_ir_if(p, vyi_kernel_is(k, phase, 0));
    vyi_kernel_leave_if_stopped(k);
    vyre_ir_end(p);
    vyi_kernel_break_if(k, vyi_kernel_loops_end(k));
    vyre_ir_set(p, k->rounds, vyi_kernel_plus(k, rounds, 1));
    vyi_kernel_round(k, turns);
    vyre_ir_set(p, k->careful, vyre_ir_get(p, k->refused));
    vyre_ir_set(p, k->refused, vyre_ir_bool(p, false));
    vyre_ir_end(p);
}

static void vyi_kernel_emit(vyi_kernel *k)
{
    const vyre_kernel_desc *d = &k->desc;
    vyi_kernel_buffers(k);
    vyi_kernel_values(k);
    vyi_kernel_hook(k, d->workspace ? d->workspace->bootstrap : NULL, "the workspace's bootstrap");
    vyre_value turns = k->slots;
    if (d->kind != VYRE_KERNEL_PRIORITY)
        turns = vyi_kernel_turns(k);

    /* A lane beyond the ring has nothing to do, apart from the workspace. */
    if (!d->workspace)
        vyre_ir_if(k->p, vyre_ir_lt(k->p, k->lane, k->slots));
    if (d->once)
        vyi_kernel_once(k, turns);
    else if (vyi_kernel_is_narrow(d))
        vyi_kernel_narrow(k);
    else
        vyi_kernel_forever(k, turns);
    if (!d->workspace)
        vyre_ir_end(k->p);
}

/* --- public -------------------------------------------------------------- */

/* The description must have been checked. */
static vyre_status vyi_kernel_append(vyre_program *p, const vyre_kernel_desc *d, vyre_error *err)
{
    vyi_kernel k;
    memset(&k, 0, sizeof k);
    k.p = p;
    k.desc = *d;
    vyi_kernel_emit(&k);
    if (p->error.status != VYRE_OK && err)
        *err = p->error;
    return p->error.status;
}

static vyre_status vyi_kernel_check_free(const vyre_program *p, const vyre_kernel_desc *d,
                                         vyre_error *err)
{
    for (uint32_t i = 0; i < p->buffer_count; i++) {
        const uint32_t binding = p->buffers[i].binding;
        bool taken = binding < VYRE_BINDING_USER;
        for (uint32_t j = 0; j < d->buffer_count + (d->workspace ? 1 : 0); j++) {
            const vyre_buffer_desc *b = vyi_kernel_buffer_desc(d, j);
            taken = taken || (b->access != VYRE_ACCESS_WORKGROUP && b->binding == binding);
        }
        if (taken)
            return vyi_fail(err, VYRE_E_KERNEL_OVERLAP, i,
                            "Leave bindings 0..3 and those of the desc to the kernel.",
                            "binding %u already belongs to the program's buffer \"%s\"",
                            (unsigned)binding, p->buffers[i].name);
    }
    return VYRE_OK;
}

VYI_COLD
VYRE_API vyre_status vyre_kernel_body(vyre_program *p, const vyre_kernel_desc *desc,
                                      vyre_error *err)
{
    if (!p)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Test what vyre_program_create returns.",
                        "the program is NULL");
    const vyre_kernel_desc d = vyi_kernel_defaults(desc);
    vyre_status status = vyi_kernel_check(&d, err);
    if (status == VYRE_OK)
        status = vyi_kernel_check_free(p, &d, err);
    return status == VYRE_OK ? vyi_kernel_append(p, &d, err) : status;
}

static const char *vyi_kernel_name(const vyre_kernel_desc *d)
{
    static const char *const names[3][2] = { { "direct", "direct_once" },
                                             { "jit", "jit_once" },
                                             { "priority", "priority_once" } };
    return names[d->kind][d->once ? 1 : 0];
}

VYI_COLD
VYRE_API vyre_program *vyre_kernel_build(const vyre_kernel_desc *desc, vyre_error *err)
{
    const vyre_kernel_desc d = vyi_kernel_defaults(desc);
    if (vyi_kernel_check(&d, err) != VYRE_OK)
        return NULL;

    vyre_program_desc program;
    memset(&program, 0, sizeof program);
    program.workgroup_size[0] = d.workgroup_size;
    program.name = vyi_kernel_name(&d);
    program.allocator = d.allocator;
    vyre_program *p = vyre_program_create(&program, err);
    if (!p)
        return NULL;
    if (vyi_kernel_append(p, &d, err) == VYRE_OK && vyre_program_finish(p, err) == VYRE_OK &&
        vyre_program_optimize(p, err) == VYRE_OK)
        return p;
    vyre_program_destroy(p);
    return NULL;
}
/* ==========================================================================
 * kernel: what a claimed slot does
 *
 * Private.  A slot is a list of operations: one, whose arguments are the
 * slot's, or those of its packed payload.  Each opcode's code stands in the
 * program once, as a case of one switch inside the loop over operations.
 *
 * Operations reach control through atomics, in no order with each other: the
 * release of the slot's status, which comes last, orders all of them.
 * ======================================================================= */

/* --- built-in opcodes ---------------------------------------------------- */

static vyre_value vyi_opcode_arg(vyi_kernel *k, uint32_t i)
{
    return vyre_ir_get(k->p, k->arg[i]);
}

/* The fault of writing control[index], or 0. */
static vyre_value vyi_opcode_write_fault(vyi_kernel *k, vyre_value index)
{
    vyre_program *p = k->p;
    vyre_value fault = vyi_kernel_u32(k, VYRE_FAULT_NONE);
    if (!k->desc.open_header) {
        vyre_value header = vyi_kernel_op(k, vyre_ir_lt, index, VYRE_CONTROL_OBSERVABLES);
        fault = vyi_kernel_pick(k, header, VYRE_FAULT_HEADER, VYRE_FAULT_NONE);
    }
    vyre_value exists = vyre_ir_lt(p, index, k->control_words);
    return vyre_ir_select(p, exists, fault, vyi_kernel_u32(k, VYRE_FAULT_INDEX));
}

/* Records `fault` and opens a block for what happens without one. */
static void vyi_opcode_unless(vyi_kernel *k, vyre_value fault)
{
    vyre_ir_set(k->p, k->fault, fault);
    vyre_ir_if(k->p, vyi_kernel_is(k, fault, VYRE_FAULT_NONE));
}

/* For an operation that one condition allows. */
static void vyi_opcode_if(vyi_kernel *k, vyre_value allowed, uint32_t fault)
{
    vyi_opcode_unless(k, vyi_kernel_pick(k, allowed, VYRE_FAULT_NONE, fault));
}

static void vyi_opcode_nop(vyi_kernel *k)
{
    (void)k;
}

static void vyi_opcode_store_u32(vyi_kernel *k)
{
    vyre_value index = vyi_opcode_arg(k, 1);
    vyi_opcode_unless(k, vyi_opcode_write_fault(k, index));
    vyre_ir_atomic_store(k->p, k->control, index, vyi_opcode_arg(k, 0), VYRE_ORDER_RELAXED);
    vyre_ir_end(k->p);
}

static void vyi_opcode_atomic_add(vyi_kernel *k)
{
    vyre_value index = vyi_opcode_arg(k, 1);
    vyi_opcode_unless(k, vyi_opcode_write_fault(k, index));
    vyre_ir_atomic(k->p, VYRE_ATOMIC_ADD, k->control, index, vyi_opcode_arg(k, 0),
                   VYRE_ORDER_RELAXED);
    vyre_ir_end(k->p);
}

/* observable[index] = value; a word that does not exist takes nothing. */
static void vyi_opcode_observe(vyi_kernel *k, vyre_value index, vyre_value value)
{
    vyre_ir_atomic_store(k->p, k->control, vyi_kernel_plus(k, index, VYRE_CONTROL_OBSERVABLES),
                         value, VYRE_ORDER_RELAXED);
}

static void vyi_opcode_load_u32(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value from = vyi_opcode_arg(k, 0), to = vyi_opcode_arg(k, 1);
    vyre_value readable = vyre_ir_lt(p, from, k->control_words);
    vyre_value both = vyre_ir_and(p, readable, vyre_ir_lt(p, to, k->observables));
    vyi_opcode_if(k, both, VYRE_FAULT_INDEX);
    vyi_opcode_observe(k, to, vyre_ir_atomic_load(p, k->control, from, VYRE_ORDER_RELAXED));
    vyre_ir_end(p);
}

/* The index of the word before is below the length, so adding the base of the
 * observables to it does not wrap. */
static void vyi_opcode_compare_swap(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value index = vyi_opcode_arg(k, 0), from = vyi_opcode_arg(k, 1), to = vyi_opcode_arg(k, 2);
    vyi_opcode_unless(k, vyi_opcode_write_fault(k, index));
    vyre_value before = vyre_ir_atomic_cas(p, k->control, index, from, to, VYRE_ORDER_RELAXED);
    vyi_opcode_observe(k, index, before);
    vyre_ir_end(p);
}

/* True when `count` words from `first` on exist; nothing wraps. */
static vyre_value vyi_opcode_range(vyi_kernel *k, vyre_value first, vyre_value count)
{
    vyre_program *p = k->p;
    vyre_value fits = vyre_ir_le(p, count, k->control_words);
    vyre_value last = vyre_ir_sub(p, k->control_words, count);
    return vyre_ir_and(p, fits, vyre_ir_le(p, first, last));
}

static vyre_value vyi_opcode_memcpy_fault(vyi_kernel *k, vyre_value from, vyre_value to,
                                          vyre_value count)
{
    vyre_program *p = k->p;
    vyre_value fault = vyi_kernel_u32(k, VYRE_FAULT_NONE);
    if (!k->desc.open_header) {
        vyre_value header = vyi_kernel_op(k, vyre_ir_lt, to, VYRE_CONTROL_OBSERVABLES);
        vyre_value writes = vyi_kernel_op(k, vyre_ir_ne, count, 0);
        vyre_value barred = vyre_ir_and(p, header, writes);
        fault = vyi_kernel_pick(k, barred, VYRE_FAULT_HEADER, VYRE_FAULT_NONE);
    }
    vyre_value source = vyi_opcode_range(k, from, count);
    vyre_value exist = vyre_ir_and(p, source, vyi_opcode_range(k, to, count));
    return vyre_ir_select(p, exist, fault, vyi_kernel_u32(k, VYRE_FAULT_INDEX));
}

/* Upwards from the last word, downwards from the first: right for ranges that
 * overlap and for those that do not. */
static void vyi_opcode_memcpy(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value from = vyi_opcode_arg(k, 0), to = vyi_opcode_arg(k, 1), count = vyi_opcode_arg(k, 2);
    vyi_opcode_unless(k, vyi_opcode_memcpy_fault(k, from, to, count));
    vyre_value up = vyre_ir_gt(p, to, from);
    vyre_value last = vyi_kernel_plus(k, count, UINT32_MAX);
    vyre_value i = vyre_ir_loop(p, vyi_kernel_u32(k, 0), count);
    vyre_value at = vyre_ir_select(p, up, vyre_ir_sub(p, last, i), i);
    vyre_value word = vyre_ir_atomic_load(p, k->control, vyre_ir_add(p, from, at),
                                          VYRE_ORDER_RELAXED);
    vyre_ir_atomic_store(p, k->control, vyre_ir_add(p, to, at), word, VYRE_ORDER_RELAXED);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

/* True when table[row + symbol] exists, row being 256 * state; nothing wraps. */
static vyre_value vyi_opcode_in_table(vyi_kernel *k, vyre_value state, vyre_value row,
                                      vyre_value symbol)
{
    vyre_program *p = k->p;
    vyre_value length = vyre_ir_length(p, k->table);
    vyre_value whole = vyi_kernel_op(k, vyre_ir_lt, state, 1u << 24);
    vyre_value in_table = vyre_ir_and(p, whole, vyre_ir_lt(p, row, length));
    vyre_value left = vyre_ir_sub(p, length, row);
    return vyre_ir_and(p, in_table, vyre_ir_lt(p, symbol, left));
}

static void vyi_opcode_dfa_step(vyi_kernel *k)
{
    vyre_program *p = k->p;
    if (!k->table.id) {
        vyi_kernel_raise(k, VYRE_FAULT_TABLE);
        return;
    }
    vyre_value state = vyi_opcode_arg(k, 0), symbol = vyi_opcode_arg(k, 1);
    vyre_value to = vyi_opcode_arg(k, 2);
    vyre_value row = vyi_kernel_op(k, vyre_ir_shl, state, 8);
    vyre_value observable = vyre_ir_lt(p, to, k->observables);
    vyre_value fault = vyi_kernel_pick(k, observable, VYRE_FAULT_NONE, VYRE_FAULT_INDEX);
    vyre_value found = vyi_opcode_in_table(k, state, row, symbol);
    vyi_opcode_unless(k, vyre_ir_select(p, found, fault, vyi_kernel_u32(k, VYRE_FAULT_TABLE)));
    vyi_opcode_observe(k, to, vyre_ir_load(p, k->table, vyre_ir_add(p, row, symbol)));
    vyre_ir_end(p);
}

static void vyi_opcode_batch_fence(vyi_kernel *k)
{
    vyre_value tag = vyi_opcode_arg(k, 1);
    vyi_kernel_count_at(k, VYRE_CONTROL_EPOCH, VYRE_ORDER_RELAXED);
    vyi_opcode_observe(k, vyi_kernel_u32(k, 0), tag);
}

static void vyi_opcode_shutdown(vyi_kernel *k)
{
    vyi_kernel_put(k, k->control, vyi_kernel_u32(k, VYRE_CONTROL_SHUTDOWN), 1,
                   VYRE_ORDER_RELAXED);
}

static void vyi_opcode_unknown(vyi_kernel *k)
{
    vyi_kernel_raise(k, VYRE_FAULT_OPCODE);
}

/* --- PRINTF -------------------------------------------------------------- */

static void vyi_opcode_record(vyi_kernel *k, vyre_value cursor)
{
    for (uint32_t i = 0; i < VYRE_LOG_RECORD_WORDS; i++) {
        vyre_value word = i < 3 ? vyi_opcode_arg(k, i) : k->base;
        vyre_ir_store(k->p, k->log, vyi_kernel_plus(k, cursor, VYRE_LOG_RECORDS + i), word);
    }
}

/* Takes the next record with a CAS, so the cursor never passes the end.  A CAS
 * that fails means that another lane took a record: after as many tries as
 * there are records the log is full. */
static void vyi_opcode_printf(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value zero = vyi_kernel_u32(k, VYRE_LOG_CURSOR);
    vyre_value words = vyi_kernel_op(k, vyre_ir_max, vyre_ir_length(p, k->log), 1);
    vyre_value room = vyi_kernel_op(k, vyre_ir_sub, words, VYRE_LOG_RECORDS);
    vyre_value records = vyi_kernel_op(k, vyre_ir_shr, room, 2);
    vyre_value end = vyi_kernel_op(k, vyre_ir_shl, records, 2);
    vyre_value last = vyi_kernel_op(k, vyre_ir_sub, end, VYRE_LOG_RECORD_WORDS);
    vyre_value start = vyre_ir_atomic_load(p, k->log, zero, VYRE_ORDER_RELAXED);
    vyre_local cursor = vyre_ir_local(p, VYRE_TYPE_U32, start, "cursor");
    vyre_local dropped = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, true), "dropped");

    vyre_ir_loop(p, vyi_kernel_u32(k, 0), records);
    vyre_value at = vyre_ir_get(p, cursor);
    vyre_ir_if(p, vyre_ir_gt(p, at, last));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_value next = vyi_kernel_plus(k, at, VYRE_LOG_RECORD_WORDS);
    vyre_value before = vyre_ir_atomic_cas(p, k->log, zero, at, next, VYRE_ORDER_RELAXED);
    vyre_ir_set(p, cursor, before);
    vyre_ir_if(p, vyre_ir_eq(p, before, at));
    vyi_opcode_record(k, at);
    vyre_ir_set(p, dropped, vyre_ir_bool(p, false));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);

    vyre_ir_if(p, vyre_ir_get(p, dropped));
    vyi_kernel_count_at(k, VYRE_CONTROL_LOG_DROPPED, VYRE_ORDER_RELAXED);
    vyre_ir_end(p);
}

/* --- callers' opcodes ---------------------------------------------------- */

/* Takes back the loads that the kernel itself emitted for a guest and that the
 * guest does not use; a constant without a reader is dropped later. */
static void vyi_opcode_prune(vyi_kernel *k, const vyre_value *loads, uint32_t count)
{
    vyre_program *p = k->p;
    for (uint32_t n = 0; n < count && p->error.status == VYRE_OK; n++) {
        bool used = false;
        for (uint32_t i = loads[n].id; i < p->count && !used; i++)
            for (uint32_t a = 0; a < 4; a++)
                used = used || ((vyi_op_describe(p->insts[i].op)->values >> a & 1) &&
                                p->insts[i].arg[a] == loads[n].id);
        if (!used) {
            vyi_inst *inst = &p->insts[loads[n].id - 1];
            memset(inst, 0, sizeof *inst);
            inst->op = VYI_OP_CONST;
            inst->type = VYRE_TYPE_U32;
        }
    }
}

static vyre_slot_values vyi_opcode_slot_values(vyi_kernel *k)
{
    vyre_slot_values slot;
    memset(&slot, 0, sizeof slot);
    slot.slot_base = k->base;
    slot.tenant = k->tenant;
    slot.control = k->control;
    slot.ring = k->ring;
    slot.log = k->log;
    slot.io = k->io;
    slot.buffers = k->user;
    slot.buffer_count = k->desc.buffer_count;
    slot.workspace = k->workspace;
    slot.internal = k;
    return slot;
}

/* An index beyond every buffer reads as 0, which is what an argument is that
 * the operation did not get. */
static vyre_value vyi_opcode_word(vyi_kernel *k, uint32_t i)
{
    vyre_program *p = k->p;
    vyre_value own = vyi_kernel_op(k, vyre_ir_gt, vyre_ir_get(p, k->arg_count), i);
    vyre_value index = vyi_kernel_plus(k, vyre_ir_get(p, k->arg_base), i);
    return vyre_ir_select(p, own, index, vyi_kernel_u32(k, UINT32_MAX));
}

static void vyi_opcode_handler(vyi_kernel *k, const vyre_handler *h)
{
    vyre_program *p = k->p;
    vyre_slot_values slot = vyi_opcode_slot_values(k);
    slot.opcode = vyi_kernel_u32(k, h->opcode);
    vyre_value word[VYRE_MAX_ARGS];
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
        if (i >= VYI_KERNEL_EARLY_ARGS)
            word[i] = vyi_opcode_word(k, i);
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
        slot.arg[i] = i < VYI_KERNEL_EARLY_ARGS ? vyi_opcode_arg(k, i)
                                                : vyre_ir_load(p, k->ring, word[i]);

    vyi_kernel_guest guest = vyi_kernel_guest_begin(k);
    h->emit(p, &slot, h->user);
    vyi_kernel_guest_end(k, guest, h->name ? h->name : "handler");
    vyi_opcode_prune(k, slot.arg, VYRE_MAX_ARGS);
}

VYI_COLD
VYRE_API void vyre_emit_result(vyre_program *p, const vyre_slot_values *slot, uint32_t word,
                               vyre_value value)
{
    if (!p || !slot)
        return;
    if (word >= VYRE_MAX_ARGS) {
        vyi_program_fail(p, VYRE_E_KERNEL_RESULT, "Use a word below 12.",
                         "result word %u; a slot has %u", (unsigned)word,
                         (unsigned)VYRE_MAX_ARGS);
        return;
    }
    vyi_kernel k = *(const vyi_kernel *)slot->internal;
    vyre_ir_store(p, k.ring, vyi_opcode_word(&k, word), value);
}

/* A code of 0 would read as no fault at all. */
VYI_COLD
VYRE_API void vyre_emit_fault(vyre_program *p, const vyre_slot_values *slot, vyre_value code)
{
    if (!p || !slot)
        return;
    const vyi_kernel *k = (const vyi_kernel *)slot->internal;
    vyre_value zero = vyre_ir_u32(p, VYRE_FAULT_NONE);
    vyre_value nameless = vyre_ir_eq(p, code, zero);
    vyre_value raised = vyre_ir_select(p, nameless, vyre_ir_u32(p, VYRE_FAULT_USER), code);
    vyre_value standing = vyre_ir_get(p, k->fault);
    vyre_value first = vyre_ir_eq(p, standing, zero);
    vyre_ir_set(p, k->fault, vyre_ir_select(p, first, raised, standing));
}

/* --- dispatch ------------------------------------------------------------ */

typedef struct vyi_opcode_builtin {
    uint32_t opcode;
    void (*emit)(vyi_kernel *k);
} vyi_opcode_builtin;

/* Once for all opcodes: a device without branches walks through every counter. */
static void vyi_opcode_metric(vyi_kernel *k, vyre_value opcode)
{
    vyre_ir_if(k->p, vyi_kernel_op(k, vyre_ir_lt, opcode, VYRE_METRICS));
    vyi_kernel_count(k, vyi_kernel_plus(k, opcode, VYRE_CONTROL_METRICS), VYRE_ORDER_RELAXED);
    vyre_ir_end(k->p);
}

static void vyi_opcode_dispatch(vyi_kernel *k, vyre_value opcode)
{
    static const vyi_opcode_builtin builtins[] = {
        { VYRE_OP_NOP, vyi_opcode_nop },
        { VYRE_OP_STORE_U32, vyi_opcode_store_u32 },
        { VYRE_OP_ATOMIC_ADD, vyi_opcode_atomic_add },
        { VYRE_OP_LOAD_U32, vyi_opcode_load_u32 },
        { VYRE_OP_COMPARE_SWAP, vyi_opcode_compare_swap },
        { VYRE_OP_MEMCPY, vyi_opcode_memcpy },
        { VYRE_OP_DFA_STEP, vyi_opcode_dfa_step },
        { VYRE_OP_BATCH_FENCE, vyi_opcode_batch_fence },
        { VYRE_OP_LOAD_MISS, vyi_kernel_load_miss },
        { VYRE_OP_PRINTF, vyi_opcode_printf },
        { VYRE_OP_SHUTDOWN, vyi_opcode_shutdown }
    };
    vyi_opcode_metric(k, opcode);
    vyre_ir_switch(k->p, opcode);
    for (size_t i = 0; i < sizeof builtins / sizeof builtins[0]; i++) {
        if (builtins[i].opcode == VYRE_OP_LOAD_MISS && !k->desc.load_miss)
            continue;
        vyre_ir_case(k->p, builtins[i].opcode);
        builtins[i].emit(k);
    }
    for (uint32_t i = 0; i < k->desc.handler_count; i++) {
        vyre_ir_case(k->p, k->desc.handlers[i].opcode);
        vyi_opcode_handler(k, &k->desc.handlers[i]);
    }
    vyre_ir_default(k->p);
    vyi_opcode_unknown(k);
    vyre_ir_end(k->p);
}

/* --- packed slots -------------------------------------------------------- */

/* Half-word `index` of the payload: { count, argument words } at 0, then an
 * { opcode, offset of its first argument } for each operation. */
static vyre_value vyi_packed_pair(vyi_kernel *k, vyre_value index)
{
    vyre_program *p = k->p;
    vyre_value at = vyre_ir_add(p, k->base, vyi_kernel_op(k, vyre_ir_shr, index, 1));
    vyre_value word = vyre_ir_load(p, k->ring, vyi_kernel_plus(k, at, VYRE_SLOT_ARGS));
    vyre_value odd = vyi_kernel_op(k, vyre_ir_and, index, 1);
    vyre_value shift = vyi_kernel_op(k, vyre_ir_shl, odd, 4);
    return vyi_kernel_op(k, vyre_ir_and, vyre_ir_shr(p, word, shift), 0xffff);
}

static vyre_value vyi_packed_offset(vyi_kernel *k, vyre_value pair)
{
    return vyi_kernel_op(k, vyre_ir_shr, pair, 8);
}

typedef struct vyi_packed {
    vyre_value is_packed;
    vyre_value count; /* operations */
    vyre_value args;  /* argument words, all operations together */
    vyre_value area;  /* word index in the ring of the first */
} vyi_packed;

/* From the payload's first word; means nothing unless the slot is packed.  A
 * count of 0 argument words, as payloads written by hand have it, gives the
 * last operation all that is left. */
static vyi_packed vyi_packed_head(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value head = k->early[0], byte = vyi_kernel_u32(k, 0xff);
    vyi_packed packed;
    packed.is_packed = vyi_kernel_is(k, k->opcode, VYRE_OP_PACKED_SLOT);
    packed.count = vyre_ir_and(p, head, byte);
    vyre_value bytes = vyi_kernel_plus(k, packed.count, 2);
    vyre_value meta = vyi_kernel_op(k, vyre_ir_shr, bytes, 1);
    vyre_value room = vyre_ir_sub(p, vyi_kernel_u32(k, VYRE_MAX_ARGS), meta);
    vyre_value args = vyre_ir_and(p, vyi_kernel_op(k, vyre_ir_shr, head, 8), byte);
    packed.args = vyre_ir_select(p, vyi_kernel_is(k, args, 0), room, args);
    packed.area = vyre_ir_add(p, vyi_kernel_plus(k, k->base, VYRE_SLOT_ARGS), meta);
    return packed;
}

/* Metadata and arguments fit the slot, and the offsets do not decrease. */
static void vyi_packed_check(vyi_kernel *k, const vyi_packed *packed)
{
    vyre_program *p = k->p;
    const uint32_t limit = VYRE_SLOT_ARGS + VYRE_MAX_ARGS;
    vyre_value end = vyre_ir_sub(p, vyre_ir_add(p, packed->area, packed->args), k->base);
    vyre_value few = vyi_kernel_op(k, vyre_ir_lt, packed->count, 2 * VYRE_MAX_ARGS);
    vyre_value fits = vyre_ir_and(p, few, vyi_kernel_op(k, vyre_ir_le, end, limit));
    vyi_opcode_if(k, fits, VYRE_FAULT_PACKED);
    vyre_local least = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, 0), "least_offset");
    vyre_value i = vyre_ir_loop(p, vyi_kernel_u32(k, 0), packed->count);
    vyre_value pair = vyi_packed_pair(k, vyi_kernel_plus(k, i, 1));
    vyre_value offset = vyi_packed_offset(k, pair);
    vyre_value back = vyre_ir_lt(p, offset, vyre_ir_get(p, least));
    vyre_ir_if(p, vyre_ir_or(p, back, vyre_ir_gt(p, offset, packed->args)));
    vyi_kernel_raise(k, VYRE_FAULT_PACKED);
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_set(p, least, offset);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

/* Makes operation `i` of the payload the one that runs.  Its arguments end
 * where the next one's begin. */
static void vyi_packed_decode(vyi_kernel *k, const vyi_packed *packed, vyre_value i)
{
    vyre_program *p = k->p;
    vyre_value next = vyi_kernel_plus(k, i, 1);
    vyre_value more = vyre_ir_lt(p, next, packed->count);
    vyre_value pair = vyi_packed_pair(k, next);
    vyre_value after = vyre_ir_select(p, more, vyi_kernel_plus(k, next, 1), next);
    vyre_value offset = vyi_packed_offset(k, pair);
    vyre_value end = vyre_ir_select(p, more, vyi_packed_offset(k, vyi_packed_pair(k, after)),
                                    packed->args);
    vyre_ir_set(p, k->op, vyi_kernel_op(k, vyre_ir_and, pair, 0xff));
    vyre_ir_set(p, k->arg_base, vyre_ir_add(p, packed->area, offset));
    vyre_ir_set(p, k->arg_count, vyre_ir_sub(p, end, offset));
    for (uint32_t a = 0; a < VYI_KERNEL_EARLY_ARGS; a++)
        vyre_ir_set(p, k->arg[a], vyre_ir_load(p, k->ring, vyi_opcode_word(k, a)));
}

/* --- a slot from its claim to its end ------------------------------------ */

static void vyi_slot_locals(vyi_kernel *k)
{
    static const char *const names[VYI_KERNEL_EARLY_ARGS] = { "arg0", "arg1", "arg2" };
    vyre_program *p = k->p;
    k->fault = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, VYRE_FAULT_NONE), "fault");
    if (k->desc.load_miss && !k->desc.once)
        k->requeue = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "requeue");
    k->arg_base = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_plus(k, k->base, VYRE_SLOT_ARGS),
                                "arg_base");
    k->arg_count = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, VYRE_MAX_ARGS),
                                 "arg_count");
    if (k->desc.kind == VYRE_KERNEL_JIT)
        return;
    k->op = vyre_ir_local(p, VYRE_TYPE_U32, k->opcode, "op");
    for (uint32_t i = 0; i < VYI_KERNEL_EARLY_ARGS; i++)
        k->arg[i] = vyre_ir_local(p, VYRE_TYPE_U32, k->early[i], names[i]);
}

/* The first fault ends the slot; operations after it do not run. */
static void vyi_slot_operations(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyi_packed packed = vyi_packed_head(k);
    vyre_local count = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, 1), "operations");
    vyre_ir_if(p, packed.is_packed);
    vyi_packed_check(k, &packed);
    vyre_value good = vyi_kernel_is(k, vyre_ir_get(p, k->fault), VYRE_FAULT_NONE);
    vyre_ir_set(p, count, vyre_ir_select(p, good, packed.count, vyi_kernel_u32(k, 0)));
    vyre_ir_end(p);

    vyre_value operations = vyre_ir_get(p, count);
    vyre_value i = vyre_ir_loop(p, vyi_kernel_u32(k, 0), operations);
    vyre_ir_if(p, packed.is_packed);
    vyi_packed_decode(k, &packed, i);
    vyre_ir_end(p);
    vyi_opcode_dispatch(k, vyre_ir_get(p, k->op));
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, vyre_ir_get(p, k->fault), VYRE_FAULT_NONE));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

static void vyi_slot_payload(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_slot_values slot = vyi_opcode_slot_values(k);
    slot.opcode = k->opcode;
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
        slot.arg[i] = i < VYI_KERNEL_EARLY_ARGS
                          ? k->early[i]
                          : vyre_ir_load(p, k->ring,
                                         vyi_kernel_plus(k, k->base, VYRE_SLOT_ARGS + i));
    vyi_kernel_guest guest = vyi_kernel_guest_begin(k);
    k->desc.payload(p, &slot, k->desc.payload_user);
    vyi_kernel_guest_end(k, guest, "the payload");
    vyi_opcode_prune(k, slot.arg, VYRE_MAX_ARGS);
    vyi_opcode_prune(k, &slot.opcode, 1);
}

/* Where a driver cuts loops, a slot that lost iterations must not look done. */
static void vyi_slot_settle_loops(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value fault = vyre_ir_get(p, k->fault);
    vyre_value none = vyi_kernel_is(k, fault, VYRE_FAULT_NONE);
    vyre_value cut = vyre_ir_and(p, none, vyre_ir_builtin(p, VYRE_BUILTIN_LOOP_CUT));
    vyre_value limit = vyi_kernel_u32(k, VYRE_FAULT_LOOP_LIMIT);
    vyre_ir_set(p, k->fault, vyre_ir_select(p, cut, limit, fault));
    vyre_ir_loop_allow(p, vyi_kernel_u32(k, UINT32_MAX));
}

/* A host that polls the mirror alone may publish the slot again as soon as it
 * sees it there.  So the mirror either comes after the status, or the status
 * is changed only while it is still this claim's. */
static void vyi_slot_mirror(vyi_kernel *k, vyre_value mirror, vyre_order order)
{
    if (k->mirror.id)
        vyre_ir_atomic_store(k->p, k->mirror, vyi_kernel_op(k, vyre_ir_shr, k->base, 4), mirror,
                             order);
}

/* Publishes the slot's end.  Release in both, and in the counter that follows:
 * the status pairs with the acquire of whoever reads it and then the slot's
 * words, the mirror with the waiting host's, and a counter that has been seen
 * promises that the status can be seen.
 *
 * Where one lane serves a slot for the whole launch, the mirror goes first:
 * that takes one release out of the round trip.  Any claim that follows is
 * then by the same lane, after its own compare-exchange; elsewhere another
 * lane could have claimed the slot in between.  There `order` is
 * that of both, relaxed where the effects are known to have come first. */
static void vyi_slot_publish(vyi_kernel *k, vyre_value status, vyre_value mirror, vyre_order order)
{
    if (k->mirror.id && k->desc.kind != VYRE_KERNEL_PRIORITY) {
        vyi_slot_mirror(k, mirror, order);
        vyre_value claimed = vyi_kernel_u32(k, VYRE_SLOT_CLAIMED);
        vyre_ir_atomic_cas(k->p, k->ring, k->base, claimed, status, order);
    } else {
        vyre_ir_atomic_store(k->p, k->ring, k->base, status, VYRE_ORDER_RELEASE);
        vyi_slot_mirror(k, mirror, VYRE_ORDER_RELEASE);
    }
}

static void vyi_slot_end(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value fault = vyre_ir_get(p, k->fault);
    vyre_value done = vyi_kernel_is(k, fault, VYRE_FAULT_NONE);
    vyre_ir_if(p, vyre_ir_not(p, done));
    vyre_ir_store(p, k->ring, vyi_kernel_plus(k, k->base, VYRE_SLOT_FAULT), fault);
    vyre_ir_end(p);
    vyre_value status = vyi_kernel_pick(k, done, VYRE_SLOT_DONE, VYRE_SLOT_FAULTED);
    vyre_value mirror = vyre_ir_or(p, vyi_kernel_op(k, vyre_ir_shl, fault, 8), status);
    vyi_slot_publish(k, status, mirror, VYRE_ORDER_RELEASE);
    vyre_value counter = vyi_kernel_pick(k, done, VYRE_CONTROL_DONE_COUNT,
                                         VYRE_CONTROL_FAULT_COUNT);
    vyi_kernel_count(k, counter, VYRE_ORDER_RELEASE);
}

VYI_STATIC_ASSERT(common_opcodes, VYRE_OP_NOP == 0 && VYRE_OP_STORE_U32 == 1 &&
                                      VYRE_OP_ATOMIC_ADD == 2);

/* A lane that serves many slots in one pass counts them together, before it
 * does anything that could read the counters.  Not where an opcode may write
 * them, for its store would then be added to; and not where a pass may be
 * ended in the middle. */
static bool vyi_kernel_tallies(const vyi_kernel *k)
{
    return k->served.id != 0;
}

VYI_API void vyi_kernel_tally_begin(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value zero = vyi_kernel_u32(k, 0);
    if (k->desc.open_header || k->desc.count_each)
        return;
    k->served = vyre_ir_local(p, VYRE_TYPE_U32, zero, "served");
    k->stored = vyre_ir_local(p, VYRE_TYPE_U32, zero, "stored");
    k->added = vyre_ir_local(p, VYRE_TYPE_U32, zero, "added");
}

/* control[index] += count, if that is anything. */
static void vyi_kernel_count_many(vyi_kernel *k, uint32_t index, vyre_value count,
                                  vyre_order order)
{
    vyre_program *p = k->p;
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, count, 0));
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD, k->control, vyi_kernel_u32(k, index), count, order);
    vyre_ir_end(p);
}

/* Release: as in vyi_slot_end, for every status since the last time. */
VYI_API void vyi_kernel_tally_end(vyi_kernel *k)
{
    vyre_program *p = k->p;
    if (!vyi_kernel_tallies(k))
        return;
    vyre_value served = vyre_ir_get(p, k->served);
    vyre_value stored = vyre_ir_get(p, k->stored), added = vyre_ir_get(p, k->added);
    vyre_value nothing = vyre_ir_sub(p, vyre_ir_sub(p, served, stored), added);
    vyi_kernel_count_many(k, VYRE_CONTROL_DONE_COUNT, served, VYRE_ORDER_RELEASE);
    vyi_kernel_count_many(k, VYRE_CONTROL_METRICS + VYRE_OP_NOP, nothing, VYRE_ORDER_RELAXED);
    vyi_kernel_count_many(k, VYRE_CONTROL_METRICS + VYRE_OP_STORE_U32, stored, VYRE_ORDER_RELAXED);
    vyi_kernel_count_many(k, VYRE_CONTROL_METRICS + VYRE_OP_ATOMIC_ADD, added, VYRE_ORDER_RELAXED);
    vyre_ir_set(p, k->served, vyi_kernel_u32(k, 0));
    vyre_ir_set(p, k->stored, vyi_kernel_u32(k, 0));
    vyre_ir_set(p, k->added, vyi_kernel_u32(k, 0));
}

/* The counters of a common operation that has ended. */
static void vyi_kernel_count_common(vyi_kernel *k)
{
    if (vyi_kernel_tallies(k)) {
        vyi_kernel_step(k, k->served);
        return;
    }
    vyi_kernel_count_at(k, VYRE_CONTROL_DONE_COUNT, VYRE_ORDER_RELEASE);
    /* Nobody waits for the metric, and its atomic would be waited for. */
    vyi_kernel_count(k, vyi_kernel_plus(k, k->opcode, VYRE_CONTROL_METRICS), VYRE_ORDER_RELAXED);
}

/* The effect of a common operation that has one.  Its atomic's answer, if `found`
 * is a local: then nothing that is made of it can happen before the effect. */
static void vyi_kernel_write_common(vyi_kernel *k, vyre_value stores, vyre_local found)
{
    vyre_program *p = k->p;
    vyre_value index = k->early[1], value = k->early[0];
    vyre_ir_if(p, stores);
    if (found.id)
        vyre_ir_set(p, found, vyre_ir_atomic(p, VYRE_ATOMIC_EXCHANGE, k->control, index, value,
                                             VYRE_ORDER_RELAXED));
    else
        vyre_ir_atomic_store(p, k->control, index, value, VYRE_ORDER_RELAXED);
    if (vyi_kernel_tallies(k))
        vyi_kernel_step(k, k->stored);
    vyre_ir_else(p);
    vyre_value before = vyre_ir_atomic(p, VYRE_ATOMIC_ADD, k->control, index, value,
                                       VYRE_ORDER_RELAXED);
    if (found.id)
        vyre_ir_set(p, found, before);
    if (vyi_kernel_tallies(k))
        vyi_kernel_step(k, k->added);
    vyre_ir_end(p);
}

/* The end of a common operation.  A release would hold the mirror back until the
 * device has made sure of all that the lane ever wrote.  With `whole_slots` the
 * mirror waits for the one effect that there is, by carrying its answer where
 * the code of a fault would stand. */
static void vyi_slot_end_common(vyi_kernel *k, vyre_local found)
{
    vyre_value done = vyi_kernel_u32(k, VYRE_SLOT_DONE);
    if (!found.id) {
        vyi_slot_publish(k, done, done, VYRE_ORDER_RELEASE);
        return;
    }
    vyre_value answer = vyi_kernel_op(k, vyre_ir_shl, vyre_ir_get(k->p, found), 8);
    vyi_slot_publish(k, done, vyre_ir_or(k->p, answer, done), VYRE_ORDER_RELAXED);
}

/* NOP, and STORE_U32 or ATOMIC_ADD of a word that they may write. */
VYI_COLD
VYI_API void vyi_kernel_serve_common(vyi_kernel *k, vyre_local rare)
{
    vyre_program *p = k->p;
    vyre_value index = k->early[1];
    vyre_value good = vyre_ir_lt(p, index, k->control_words);
    if (!k->desc.open_header)
        good = vyre_ir_and(p, good, vyi_kernel_op(k, vyre_ir_ge, index, VYRE_CONTROL_OBSERVABLES));
    vyre_value stores = vyi_kernel_is(k, k->opcode, VYRE_OP_STORE_U32);
    vyre_value writes = vyre_ir_or(p, stores, vyi_kernel_is(k, k->opcode, VYRE_OP_ATOMIC_ADD));
    vyre_value writes_well = vyre_ir_and(p, writes, good);
    vyre_value common = vyre_ir_or(p, writes_well, vyi_kernel_is(k, k->opcode, VYRE_OP_NOP));
    vyre_local found = { 0 };
    vyre_ir_set(p, rare, vyre_ir_not(p, common));
    vyre_ir_if(p, common);
    if (vyi_kernel_is_whole(&k->desc) && k->mirror.id)
        found = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, 0), "found");
    vyre_ir_if(p, writes_well);
    vyi_kernel_write_common(k, stores, found);
    vyre_ir_end(p);
    vyi_slot_end_common(k, found);
    vyi_kernel_count_common(k);
    vyre_ir_end(p);
}

VYI_COLD
VYI_API void vyi_kernel_serve(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyi_slot_locals(k);
    vyre_ir_loop_allow(p, k->allowance);
    if (k->desc.kind == VYRE_KERNEL_JIT)
        vyi_slot_payload(k);
    else
        vyi_slot_operations(k);
    vyi_slot_settle_loops(k);

    /* Work that is put back has not ended: no counter, no mirror. */
    if (k->requeue.id) {
        vyre_ir_if(p, vyre_ir_get(p, k->requeue));
        vyi_kernel_put(k, k->ring, k->base, VYRE_SLOT_REQUEUE, VYRE_ORDER_RELEASE);
        vyre_ir_else(p);
    }
    vyi_slot_end(k);
    if (k->requeue.id)
        vyre_ir_end(p);
}
/* ==========================================================================
 * kernel: LOAD_MISS and the IO queue
 *
 * Private.  An IO slot goes round through its status, and each step has one
 * owner:
 *
 *     EMPTY -> RESERVED    a LOAD_MISS lane, by CAS; it fills the request
 *     RESERVED -> PUBLISHED  the same lane, release
 *     PUBLISHED -> CLAIMED -> OK or ERROR   the host
 *     OK, ERROR -> EMPTY   the waiting lane, or io_polling's first lane
 *
 * A lane that has waited long enough gives its request up, but the slot stays
 * the host's until it is answered; then io_polling recycles it.
 *
 * A kernel that does both must not take an answer from a lane that waits for
 * it.  Such a lane marks its slot in VYI_CONTROL_IO_WAITED before it publishes.
 * Whoever recycles first moves the answer to RESERVED, by CAS, so that nothing
 * about the slot can change, and then looks at the mark (again): a poller that
 * finds it set puts the answer back.  A lane that takes its own answer clears
 * the mark before the slot becomes EMPTY, since the next owner sets it again.
 * ======================================================================= */

/* Taken by a lane of the device; to the host it is no status that it knows. */
#define VYI_IO_RESERVED 0x12u

static vyre_value vyi_io_slots(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value slots = vyi_kernel_op(k, vyre_ir_shr, vyre_ir_length(p, k->io), 3);
    return vyi_kernel_op(k, vyre_ir_min, slots, VYRE_IO_SLOTS);
}

static vyre_value vyi_io_status_index(vyi_kernel *k, vyre_value slot)
{
    return vyi_kernel_plus(k, vyi_kernel_op(k, vyre_ir_shl, slot, 3), VYRE_IO_STATUS);
}

static vyre_value vyi_io_is_answer(vyi_kernel *k, vyre_value status)
{
    vyre_value ok = vyi_kernel_is(k, status, VYRE_IO_OK);
    return vyre_ir_or(k->p, ok, vyi_kernel_is(k, status, VYRE_IO_ERROR));
}

/* --- the marks of waiting lanes ------------------------------------------ */

static bool vyi_io_marks(const vyi_kernel *k)
{
    return k->desc.load_miss && k->desc.io_polling;
}

static vyre_value vyi_io_mark_word(vyi_kernel *k, vyre_value slot)
{
    return vyi_kernel_plus(k, vyi_kernel_op(k, vyre_ir_shr, slot, 5), VYI_CONTROL_IO_WAITED);
}

static void vyi_io_set_mark(vyi_kernel *k, vyre_value slot, bool waits)
{
    vyre_program *p = k->p;
    if (!vyi_io_marks(k))
        return;
    vyre_value bit = vyre_ir_shl(p, vyi_kernel_u32(k, 1), slot);
    vyre_value word = vyi_io_mark_word(k, slot);
    if (waits)
        vyre_ir_atomic(p, VYRE_ATOMIC_OR, k->control, word, bit, VYRE_ORDER_RELAXED);
    else
        vyre_ir_atomic(p, VYRE_ATOMIC_AND, k->control, word, vyre_ir_not(p, bit),
                       VYRE_ORDER_RELEASE);
}

static vyre_value vyi_io_is_waited_for(vyi_kernel *k, vyre_value slot)
{
    vyre_program *p = k->p;
    if (!vyi_io_marks(k))
        return vyre_ir_bool(p, false);
    vyre_value marks = vyre_ir_atomic_load(p, k->control, vyi_io_mark_word(k, slot),
                                           VYRE_ORDER_ACQUIRE);
    vyre_value mark = vyi_kernel_op(k, vyre_ir_and, vyre_ir_shr(p, marks, slot), 1);
    return vyi_kernel_is(k, mark, 1);
}

/* --- LOAD_MISS ----------------------------------------------------------- */

/* The IO slot that is now this lane's, or VYRE_IO_SLOTS. */
static vyre_value vyi_io_reserve(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_local found = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, VYRE_IO_SLOTS),
                                     "io_slot");
    vyre_value slots = vyi_io_slots(k);
    vyre_value slot = vyre_ir_loop(p, vyi_kernel_u32(k, 0), slots);
    vyre_value at = vyi_io_status_index(k, slot);
    vyre_value empty = vyi_kernel_u32(k, VYRE_IO_EMPTY);
    vyre_value status = vyre_ir_atomic_load(p, k->io, at, VYRE_ORDER_RELAXED);
    vyre_ir_if(p, vyre_ir_eq(p, status, empty));
    vyre_value before = vyre_ir_atomic_cas(p, k->io, at, empty,
                                           vyi_kernel_u32(k, VYI_IO_RESERVED),
                                           VYRE_ORDER_ACQUIRE);
    vyre_ir_if(p, vyre_ir_eq(p, before, empty));
    vyre_ir_set(p, found, slot);
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
    return vyre_ir_get(p, found);
}

static void vyi_io_publish(vyi_kernel *k, vyre_value slot, vyre_value status_at)
{
    vyre_program *p = k->p;
    vyre_value resource = vyre_ir_get(p, k->arg[0]);
    vyre_value zero = vyi_kernel_u32(k, 0), read = vyi_kernel_u32(k, VYRE_IO_READ);
    vyre_value base = vyi_kernel_op(k, vyre_ir_shl, slot, 3);
    vyi_io_set_mark(k, slot, true);
    vyre_ir_store(p, k->io, vyi_kernel_plus(k, base, VYRE_IO_OP), read);
    vyre_ir_store(p, k->io, vyi_kernel_plus(k, base, VYRE_IO_SRC), resource);
    vyre_ir_store(p, k->io, vyi_kernel_plus(k, base, VYRE_IO_DST), resource);
    vyre_ir_store(p, k->io, vyi_kernel_plus(k, base, VYRE_IO_OFFSET_LO), zero);
    vyre_ir_store(p, k->io, vyi_kernel_plus(k, base, VYRE_IO_OFFSET_HI), zero);
    vyre_ir_store(p, k->io, vyi_kernel_plus(k, base, VYRE_IO_BYTES), zero);
    vyre_ir_store(p, k->io, vyi_kernel_plus(k, base, VYRE_IO_TAG), resource);
    vyi_kernel_put(k, k->io, status_at, VYRE_IO_PUBLISHED, VYRE_ORDER_RELEASE);
}

/* Polls for the answer; EMPTY when there was none in time, or the kernel is to
 * stop.  The answer that is returned has been taken: the slot is RESERVED. */
static vyre_value vyi_io_wait(vyi_kernel *k, vyre_value status_at)
{
    vyre_program *p = k->p;
    vyre_value none = vyi_kernel_u32(k, VYRE_IO_EMPTY);
    vyre_local answer = vyre_ir_local(p, VYRE_TYPE_U32, none, "answer");
    vyre_value spins = vyi_kernel_u32(k, k->desc.io_spins);
    vyre_ir_loop(p, vyi_kernel_u32(k, 0), spins);
    vyre_value status = vyre_ir_atomic_load(p, k->io, status_at, VYRE_ORDER_ACQUIRE);
    vyre_ir_if(p, vyi_io_is_answer(k, status));
    vyre_value before = vyre_ir_atomic_cas(p, k->io, status_at, status,
                                           vyi_kernel_u32(k, VYI_IO_RESERVED),
                                           VYRE_ORDER_ACQUIRE);
    vyre_ir_if(p, vyre_ir_eq(p, before, status));
    vyre_ir_set(p, answer, status);
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_value stop = vyi_kernel_control(k, VYRE_CONTROL_SHUTDOWN);
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, stop, 0));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
    return vyre_ir_get(p, answer);
}

static void vyi_io_request(vyi_kernel *k, vyre_value slot)
{
    vyre_program *p = k->p;
    vyre_value status_at = vyi_io_status_index(k, slot);
    vyi_io_publish(k, slot, status_at);
    vyre_value answer = vyi_io_wait(k, status_at);
    vyi_io_set_mark(k, slot, false);
    vyre_ir_if(p, vyi_kernel_is(k, answer, VYRE_IO_EMPTY));
    vyi_kernel_raise(k, VYRE_FAULT_IO_TIMEOUT);
    vyre_ir_else(p);
    vyi_kernel_put(k, k->io, status_at, VYRE_IO_EMPTY, VYRE_ORDER_RELEASE);
    vyre_ir_if(p, vyi_kernel_is(k, answer, VYRE_IO_ERROR));
    vyi_kernel_raise(k, VYRE_FAULT_IO);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

VYI_COLD
VYI_API void vyi_kernel_load_miss(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value slot = vyi_io_reserve(k);
    vyre_ir_if(p, vyi_kernel_is(k, slot, VYRE_IO_SLOTS));
    if (k->requeue.id)
        vyre_ir_set(p, k->requeue, vyre_ir_bool(p, true));
    else
        vyi_kernel_raise(k, VYRE_FAULT_IO_FULL);
    vyre_ir_else(p);
    vyi_io_request(k, slot);
    vyre_ir_end(p);
}

/* --- io_polling ---------------------------------------------------------- */

static void vyi_io_recycle(vyi_kernel *k, vyre_value slot)
{
    vyre_program *p = k->p;
    vyre_value at = vyi_io_status_index(k, slot);
    vyre_value status = vyre_ir_atomic_load(p, k->io, at, VYRE_ORDER_ACQUIRE);
    vyre_value answer = vyi_io_is_answer(k, status);
    vyre_value waited = vyi_io_is_waited_for(k, slot);
    vyre_ir_if(p, vyre_ir_and(p, answer, vyre_ir_not(p, waited)));
    vyre_value before = vyre_ir_atomic_cas(p, k->io, at, status,
                                           vyi_kernel_u32(k, VYI_IO_RESERVED),
                                           VYRE_ORDER_ACQUIRE);
    vyre_ir_if(p, vyre_ir_eq(p, before, status));
    vyre_value empty = vyi_kernel_u32(k, VYRE_IO_EMPTY);
    vyre_value after = vyre_ir_select(p, vyi_io_is_waited_for(k, slot), status, empty);
    vyre_ir_atomic_store(p, k->io, at, after, VYRE_ORDER_RELEASE);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

/* A looping kernel looks at one IO slot in each round, so that the first
 * lane's own slots do not wait for 64 polls. */
VYI_COLD
VYI_API void vyi_kernel_poll_io(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_ir_if(p, vyi_kernel_is(k, k->lane, 0));
    vyre_value slots = vyi_io_slots(k);
    if (k->desc.once) {
        vyi_io_recycle(k, vyre_ir_loop(p, vyi_kernel_u32(k, 0), slots));
        vyre_ir_end(p);
    } else {
        vyre_value slot = vyre_ir_get(p, k->io_next);
        vyre_value next = vyi_kernel_plus(k, slot, 1);
        vyi_io_recycle(k, slot);
        vyre_value more = vyre_ir_lt(p, next, slots);
        vyre_ir_set(p, k->io_next, vyre_ir_select(p, more, next, vyi_kernel_u32(k, 0)));
    }
    vyre_ir_end(p);
}
/* ==========================================================================
 * kernel: urgent partitions first
 *
 * Private.  Five partitions of the ring, from CRITICAL to IDLE, begin and end
 * at control words 129..134; a slot's urgency is where it lies.  Lane l serves
 * the slots l, l + lanes, l + 2 * lanes, ... of each partition.  One scan
 * claims at most one slot, the most urgent that this lane finds.
 *
 * Against starvation a counter goes up with each claim of CRITICAL or HIGH
 * work, and any other claim sets it back.  When it has reached the limit, the
 * scan goes the other three levels first and these two last: work that waits
 * below gets its turn, and where none waits, nothing hangs.
 * ======================================================================= */

#define VYI_PRIORITY_URGENT 2u /* levels that count as such */

typedef struct vyi_priority {
    vyre_value forced;
    vyre_local claimed; /* bool */
    vyre_local base, level, tenant;
} vyi_priority;

/* Bounds come from the host and are not trusted: a partition lies in the ring,
 * and one that ends before it begins is empty. */
static vyre_value vyi_priority_bound(vyi_kernel *k, vyre_value level, uint32_t word)
{
    vyre_value at = vyi_kernel_plus(k, level, VYRE_CONTROL_PRIORITY_OFFSETS + word);
    vyre_value bound = vyre_ir_atomic_load(k->p, k->control, at, VYRE_ORDER_RELAXED);
    return vyre_ir_min(k->p, bound, k->slots);
}

static void vyi_priority_found(vyi_kernel *k, const vyi_priority *scan, vyre_value level)
{
    vyre_program *p = k->p;
    vyre_ir_set(p, scan->claimed, vyre_ir_bool(p, true));
    vyre_ir_set(p, scan->base, k->base);
    vyre_ir_set(p, scan->level, level);
    vyre_ir_set(p, scan->tenant, k->tenant);
}

/* This lane's slots of one partition, up to the first claim. */
static void vyi_priority_probe(vyi_kernel *k, const vyi_priority *scan, vyre_value level)
{
    vyre_program *p = k->p;
    vyre_value start = vyi_priority_bound(k, level, 0), end = vyi_priority_bound(k, level, 1);
    vyre_local at = vyre_ir_local(p, VYRE_TYPE_U32, vyre_ir_add(p, start, k->lane), "probe");
    vyre_ir_forever(p);
    vyre_value slot = vyre_ir_get(p, at);
    vyre_value past = vyre_ir_ge(p, slot, end);
    vyre_ir_if(p, vyre_ir_or(p, past, vyi_kernel_loops_end(k)));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyi_kernel_claim_begin(k, vyi_kernel_op(k, vyre_ir_shl, slot, 4));
    vyi_priority_found(k, scan, level);
    vyre_ir_break(p);
    vyi_kernel_claim_end(k);
    vyre_ir_set(p, at, vyre_ir_add(p, slot, k->lanes));
    vyre_ir_end(p);
}

static void vyi_priority_levels(vyi_kernel *k, const vyi_priority *scan)
{
    vyre_program *p = k->p;
    vyre_value levels = vyi_kernel_u32(k, VYRE_PRIORITY_LEVELS);
    vyre_value first = vyi_kernel_pick(k, scan->forced, VYI_PRIORITY_URGENT, 0);
    vyre_value step = vyre_ir_loop(p, vyi_kernel_u32(k, 0), levels);
    vyre_value sum = vyre_ir_add(p, first, step);
    vyre_value rest = vyre_ir_sub(p, sum, levels);
    vyre_value level = vyre_ir_select(p, vyre_ir_lt(p, sum, levels), sum, rest);
    vyre_ir_name(p, level, "level");
    vyi_priority_probe(k, scan, level);
    vyre_ir_if(p, vyre_ir_get(p, scan->claimed));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

/* An urgent claim in a forced scan says that nothing waited below: the count
 * begins again. */
static void vyi_priority_count(vyi_kernel *k, const vyi_priority *scan)
{
    vyre_program *p = k->p;
    vyre_value level = vyre_ir_get(p, scan->level);
    vyre_value urgent = vyi_kernel_op(k, vyre_ir_lt, level, VYI_PRIORITY_URGENT);
    vyre_ir_if(p, vyre_ir_or(p, scan->forced, vyre_ir_not(p, urgent)));
    vyi_kernel_put(k, k->control, vyi_kernel_u32(k, VYRE_CONTROL_STARVATION), 0,
                   VYRE_ORDER_RELAXED);
    vyre_ir_end(p);
    vyre_ir_if(p, urgent);
    vyi_kernel_count_at(k, VYRE_CONTROL_STARVATION, VYRE_ORDER_RELAXED);
    vyre_ir_end(p);

    vyre_value tenant = vyre_ir_get(p, scan->tenant);
    vyi_kernel_count(k, vyi_kernel_plus(k, tenant, VYRE_CONTROL_TENANT_FAIRNESS),
                     VYRE_ORDER_RELAXED);
    vyi_kernel_count(k, vyi_kernel_plus(k, level, VYRE_CONTROL_PRIORITY_FAIRNESS),
                     VYRE_ORDER_RELAXED);
}

static vyi_priority vyi_priority_begin(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value zero = vyi_kernel_u32(k, 0);
    vyre_value count = vyi_kernel_control(k, VYRE_CONTROL_STARVATION);
    vyi_priority scan;
    scan.forced = vyi_kernel_op(k, vyre_ir_ge, count, VYRE_STARVATION_LIMIT);
    vyre_ir_name(p, scan.forced, "forced");
    scan.claimed = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "claimed");
    scan.base = vyre_ir_local(p, VYRE_TYPE_U32, zero, "claimed_base");
    scan.level = vyre_ir_local(p, VYRE_TYPE_U32, zero, "claimed_level");
    scan.tenant = vyre_ir_local(p, VYRE_TYPE_U32, zero, "claimed_tenant");
    return scan;
}

static void vyi_priority_serve(vyi_kernel *k, const vyi_priority *scan)
{
    vyi_priority_count(k, scan);
    k->base = vyre_ir_name(k->p, vyre_ir_get(k->p, scan->base), "slot_base");
    vyi_kernel_load_slot(k, VYI_KERNEL_EARLY_ARGS);
    vyi_kernel_serve(k);
}

/* Looping: one claim a round, so that the next look is at what is urgent then.
 * Once: claims until nothing is left, at most one for each slot of the ring. */
VYI_COLD
VYI_API void vyi_kernel_priority_pass(vyi_kernel *k)
{
    vyre_program *p = k->p;
    if (k->desc.once)
        vyre_ir_loop(p, vyi_kernel_u32(k, 0), k->slots);
    vyi_priority scan = vyi_priority_begin(k);
    vyi_priority_levels(k, &scan);
    vyre_ir_if(p, vyre_ir_get(p, scan.claimed));
    vyi_priority_serve(k, &scan);
    if (k->desc.once) {
        vyre_ir_else(p);
        vyre_ir_break(p);
    }
    vyre_ir_end(p);
    if (k->desc.once)
        vyre_ir_end(p);
}
/* ==========================================================================
 * kernel: one lane alone
 *
 * Private.  Some devices have no branches: a CPU that runs a vector of lanes
 * under a mask (llvmpipe) walks through every opcode's code for each poll,
 * masked off.  Its loops are real, though: what stands behind a loop costs
 * nothing until the loop is left.  So here the code stands in three rings:
 *
 *     forever {                        a round: one slot that needs more
 *         forever {                    one common operation
 *             forever { poll }         left when a slot is found
 *             claim; if it is common: run it, else leave
 *         }
 *         run it, or put it back
 *     }
 *
 * One lane serves the ring, so that no lane waits for another to leave a loop.
 * A poll looks at two slots: the one behind the slot that was claimed last,
 * where hosts publish next, and one of a sweep over the ring, which finds the
 * others.  Both leave behind what they found, so no slot keeps others waiting.
 * ======================================================================= */

/* Polls of one launch where the device sets no limit to loops. */
#define VYI_SOLO_POLLS 65536u

typedef struct vyi_solo {
    vyre_local slot;    /* that was found */
    vyre_local hit;     /* bool: one was found */
    vyre_local more;    /* bool: it needs more than the inner rings do */
    vyre_local claimed; /* bool: it is this lane's */
    vyre_local next;    /* where it is looked first */
    vyre_local cursor;  /* the sweep's next slot */
    vyre_local polls;   /* that are left */
} vyi_solo;

VYI_COLD
VYI_API bool vyi_kernel_is_narrow(const vyre_kernel_desc *d)
{
    return d->narrow && !d->once && d->kind != VYRE_KERNEL_PRIORITY && !d->workspace &&
           !d->io_polling && !d->load_miss;
}

static void vyi_solo_locals(vyi_kernel *k, vyi_solo *n)
{
    vyre_program *p = k->p;
    vyre_value zero = vyi_kernel_u32(k, 0);
    n->slot = vyre_ir_local(p, VYRE_TYPE_U32, zero, "found");
    n->hit = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "hit");
    n->more = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "more");
    n->claimed = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, false), "claimed");
    n->next = vyre_ir_local(p, VYRE_TYPE_U32, zero, "next");
    n->cursor = vyre_ir_local(p, VYRE_TYPE_U32, zero, "cursor");
    n->polls = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, VYI_SOLO_POLLS), "polls");
}

/* --- polling ------------------------------------------------------------- */

/* The slot behind this one, in a circle. */
static vyre_value vyi_solo_behind(vyi_kernel *k, vyre_value slot)
{
    vyre_value behind = vyi_kernel_plus(k, slot, 1);
    vyre_value exists = vyre_ir_lt(k->p, behind, k->slots);
    return vyre_ir_select(k->p, exists, behind, vyi_kernel_u32(k, 0));
}

/* Leaves the poll when the slot that `at` names can be claimed. */
static void vyi_solo_look(vyi_kernel *k, const vyi_solo *n, vyre_local at)
{
    vyre_program *p = k->p;
    vyre_value slot = vyre_ir_get(p, at);
    vyre_value base = vyi_kernel_op(k, vyre_ir_shl, slot, 4);
    vyre_value status = vyre_ir_atomic_load(p, k->ring, base, VYRE_ORDER_RELAXED);
    vyre_ir_if(p, vyi_kernel_is(k, status, VYRE_SLOT_PUBLISHED));
    vyre_ir_set(p, n->slot, slot);
    vyre_ir_set(p, at, vyi_solo_behind(k, slot));
    vyre_ir_set(p, n->hit, vyre_ir_bool(p, true));
    vyre_ir_break(p);
    vyre_ir_end(p);
}

/* Polls until a slot is found or the launch ends. */
static void vyi_solo_watch(vyi_kernel *k, const vyi_solo *n)
{
    vyre_program *p = k->p;
    vyre_ir_set(p, n->hit, vyre_ir_bool(p, false));
    vyre_ir_forever(p);
    vyre_value left = vyre_ir_get(p, n->polls);
    vyre_value none = vyi_kernel_is(k, left, 0);
    vyre_value spent = vyre_ir_or(p, none, vyi_kernel_loops_end(k));
    vyre_value stop = vyi_kernel_control(k, VYRE_CONTROL_SHUTDOWN);
    vyi_kernel_break_if(k, vyre_ir_or(p, spent, vyi_kernel_op(k, vyre_ir_ne, stop, 0)));
    vyre_ir_set(p, n->polls, vyi_kernel_plus(k, left, UINT32_MAX));
    vyi_solo_look(k, n, n->next);
    vyi_solo_look(k, n, n->cursor);
    vyre_ir_set(p, n->cursor, vyi_solo_behind(k, vyre_ir_get(p, n->cursor)));
    vyre_ir_end(p);
}

/* --- serving ------------------------------------------------------------- */

/* Opens a block for what happens when the slot is this lane's. */
static void vyi_solo_claim(vyi_kernel *k, const vyi_solo *n)
{
    vyre_program *p = k->p;
    vyre_value published = vyi_kernel_u32(k, VYRE_SLOT_PUBLISHED);
    vyre_value before = vyre_ir_atomic_cas(p, k->ring, k->base, published,
                                           vyi_kernel_u32(k, VYRE_SLOT_CLAIMED),
                                           VYRE_ORDER_ACQUIRE);
    vyre_ir_if(p, vyre_ir_eq(p, before, published));
    vyre_ir_set(p, n->claimed, vyre_ir_bool(p, true));
}

static void vyi_solo_follow(vyi_kernel *k, const vyi_solo *n)
{
    vyre_ir_set(k->p, n->next, vyi_solo_behind(k, vyre_ir_get(k->p, n->slot)));
}

/* A lane that has met refused work looks before it claims: that is more than
 * is done here. */
static void vyi_solo_common(vyi_kernel *k, const vyi_solo *n)
{
    vyre_program *p = k->p;
    vyre_value careful = vyre_ir_get(p, k->careful);
    vyre_ir_set(p, n->more, careful);
    vyre_ir_set(p, n->claimed, vyre_ir_bool(p, false));
    vyre_ir_if(p, vyre_ir_not(p, careful));
    vyi_solo_claim(k, n);
    vyre_ir_set(p, n->more, vyre_ir_bool(p, true));
    vyi_kernel_load_slot(k, VYI_KERNEL_COMMON_ARGS);
    vyre_ir_if(p, vyi_kernel_has_rights(k, k->tenant));
    vyi_solo_follow(k, n);
    vyi_kernel_serve_common(k, n->more);
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

/* A payload is not split: its slots never need more. */
static void vyi_solo_payload(vyi_kernel *k, const vyi_solo *n)
{
    vyi_kernel_claim_begin(k, k->base);
    vyi_solo_follow(k, n);
    vyi_kernel_serve(k);
    vyi_kernel_claim_end(k);
}

/* The two inner rings. */
static void vyi_solo_serve(vyi_kernel *k, const vyi_solo *n)
{
    vyre_program *p = k->p;
    vyre_ir_forever(p);
    vyi_solo_watch(k, n);
    vyi_kernel_break_if(k, vyre_ir_not(p, vyre_ir_get(p, n->hit)));
    vyi_kernel_slot_begin(k, vyre_ir_get(p, n->slot));
    if (k->desc.kind == VYRE_KERNEL_JIT)
        vyi_solo_payload(k, n);
    else
        vyi_solo_common(k, n);
    vyre_ir_end(p);
    vyi_kernel_break_if(k, vyre_ir_get(p, n->more));
    vyre_ir_end(p);
}

/* The slot that needs more: it is claimed already, or the lane is careful. */
static void vyi_solo_finish(vyi_kernel *k, const vyi_solo *n)
{
    vyre_program *p = k->p;
    vyi_kernel_slot_begin(k, vyre_ir_get(p, n->slot));
    vyre_ir_if(p, vyre_ir_not(p, vyre_ir_get(p, n->claimed)));
    vyre_local worth = vyi_kernel_look(k);
    vyre_ir_if(p, vyre_ir_get(p, worth));
    vyi_solo_claim(k, n);
    for (unsigned i = 0; i < 3; i++)
        vyre_ir_end(p);
    vyre_ir_if(p, vyre_ir_get(p, n->claimed));
    vyi_kernel_load_slot(k, VYI_KERNEL_EARLY_ARGS);
    vyre_ir_if(p, vyi_kernel_has_rights(k, k->tenant));
    vyi_solo_follow(k, n);
    vyi_kernel_serve(k);
    vyre_ir_else(p);
    vyi_kernel_put(k, k->ring, k->base, VYRE_SLOT_PUBLISHED, VYRE_ORDER_RELEASE);
    vyre_ir_set(p, k->careful, vyre_ir_bool(p, true));
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
}

VYI_COLD
VYI_API void vyi_kernel_narrow(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyi_solo n;
    vyi_solo_locals(k, &n);

    /* A group of one lane still is a vector of eight to llvmpipe, and the other
     * seven, whose ids are folded to the first one's, would go on polling until
     * the driver cuts the loops of all. */
    vyre_value first = vyi_kernel_is(k, vyre_ir_builtin(p, VYRE_BUILTIN_SUBGROUP_LANE), 0);
    vyre_ir_if(p, vyre_ir_and(p, first, vyi_kernel_is(k, k->lane, 0)));
    vyre_ir_forever(p);
    vyi_kernel_count_at(k, VYRE_CONTROL_HEARTBEAT, VYRE_ORDER_RELAXED);
    vyi_solo_serve(k, &n);
    vyi_kernel_break_if(k, vyre_ir_not(p, vyre_ir_get(p, n.more)));
    vyre_ir_set(p, n.more, vyre_ir_bool(p, false));
    if (k->desc.kind != VYRE_KERNEL_JIT)
        vyi_solo_finish(k, &n);
    vyre_ir_end(p);
    vyre_ir_end(p);
}
/* ==========================================================================
 * interp: pure instructions, over many lanes
 *
 * Private.  One function for each operator and kind of operand.  They compute
 * inactive lanes, too, so each is defined for every 32-bit pattern.
 * ======================================================================= */
/* ==========================================================================
 * interp: the machine behind vyre_interpret
 *
 * Private.  A program is decoded once, into steps that name their registers,
 * buffers and jump targets by address; running them allocates nothing.  A
 * register holds one word for each lane of a workgroup.
 *
 *     vyi_machine *m;
 *     status = vyi_machine_create(p, &desc, &m, err);
 *     status = vyi_machine_run(m, groups, max_rounds, err);
 *     vyi_machine_destroy(m);
 *
 * A machine keeps nothing of the program.  One thread at a time may use it;
 * other threads may change the bound bytes meanwhile.
 * ======================================================================= */
#ifndef VYI_INTERP_IMPL_H
#define VYI_INTERP_IMPL_H


VYI_EXTERN_C_BEGIN

#if defined(__GNUC__) || defined(__clang__)
    #define VYI_RESTRICT __restrict__
    #define VYI_MAY_ALIAS __attribute__((may_alias))
#else
    #define VYI_RESTRICT __restrict
    #define VYI_MAY_ALIAS
#endif

typedef struct vyi_machine vyi_machine;

/* Asked before each round of a round loop, `round` counting from 0; false ends
 * the loop as max_rounds does. */
typedef bool (*vyi_round_fn)(void *user, uint64_t round);

VYI_API vyre_status vyi_machine_create(const vyre_program *p, const vyre_interp_desc *desc,
                                       vyi_machine **out, vyre_error *err);
/* Other bytes for the same program; on failure the old ones stay. */
VYI_API vyre_status vyi_machine_bind(vyi_machine *m, void *const *buffers, const size_t *sizes,
                                     uint32_t count, vyre_error *err);
/* NULL takes the hook away. */
VYI_API void vyi_machine_on_round(vyi_machine *m, vyi_round_fn ask, void *user);
/* A run ends, as max_rounds does but where it stands, at the first iteration of
 * any loop that begins while *flag is not 0; another thread may set it.  NULL
 * takes the flag away. */
VYI_API void vyi_machine_stop_by(vyi_machine *m, const uint32_t *flag);
VYI_API vyre_status vyi_machine_run(vyi_machine *m, const uint32_t groups[3],
                                    uint64_t max_rounds, vyre_error *err);
/* NULL is allowed. */
VYI_API void vyi_machine_destroy(vyi_machine *m);

/* --- steps --------------------------------------------------------------- */

/* Registers are whole chunks of lanes, so that the compiler can vectorise a
 * loop whose length it knows. */
#define VYI_CHUNK 16u

/* Computes `count` lanes, a multiple of VYI_CHUNK. */
typedef void (*vyi_lanes_fn)(uint32_t *VYI_RESTRICT d, const uint32_t *VYI_RESTRICT a,
                             const uint32_t *VYI_RESTRICT b, const uint32_t *VYI_RESTRICT c,
                             uint32_t count);

/* The function of a pure instruction whose operand a has type `operand`; NULL
 * when there is none. */
VYI_API vyi_lanes_fn vyi_lanes_find(const vyi_inst *inst, uint32_t operand);
/* d = a */
VYI_API vyi_lanes_fn vyi_lanes_copy_fn(void);
/* d = a - b */
VYI_API vyi_lanes_fn vyi_lanes_sub_fn(void);

/* The caller's bytes may be declared as anything. */
typedef uint32_t VYI_MAY_ALIAS vyi_memory_word;

typedef struct vyi_step_memory {
    vyi_memory_word *words;
    uint32_t         length;
} vyi_step_memory;

/* The active lanes, ascending.  All of them lie in lo .. hi - 1, which are
 * bounds of chunks: pure instructions compute that range and ignore the rest
 * of the mask, for nobody reads what an inactive lane computed. */
typedef struct vyi_active {
    const uint16_t *lanes;
    uint32_t        count, lo, hi;
} vyi_active;

typedef struct vyi_step vyi_step;
typedef const vyi_step *(*vyi_step_fn)(vyi_machine *m, const vyi_step *s);

/* A case of a switch; a table of them is sorted by literal. */
typedef struct vyi_step_case {
    uint32_t literal, arm;
} vyi_step_case;

/* A block of the program.  No block is open twice at a time, so its state
 * has a fixed place.  The lists are of its nesting depth. */
typedef struct vyi_step_block {
    uint16_t       *kept;    /* lanes left at the depth that the block stands in */
    uint16_t       *first;   /* then, arms of a switch, members of a loop */
    uint16_t       *second;  /* else */
    vyi_active      outer;   /* before the block */
    vyi_active      other;   /* of the else arm */
    uint64_t        leaves;  /* of the machine, when the block began */
    uint64_t        round_leaves; /* when the iteration began */
    uint64_t        rounds;  /* begun so far */
    bool            is_round_loop;
    vyi_step_case       *cases;
    uint32_t        case_count, arm_count, default_arm; /* no default: arm_count */
    uint32_t       *starts;  /* of each arm in `first`; arm_count + 2 */
    const vyi_step *body;    /* of a loop */
    const vyi_step *after;   /* behind END */
    const vyi_step *skip;    /* from END when no lane is left */
} vyi_step_block;

struct vyi_step {
    vyi_lanes_fn      lanes; /* of a pure instruction; else NULL, and then: */
    vyi_step_fn       run;
    uint32_t         *d;
    const uint32_t   *a, *b, *c; /* an operand that is not there equals another */
    const vyi_step_memory *memory;
    vyi_step_block        *block;
    const vyi_step   *skip;  /* where to go on when no lane is active */
    uint32_t          arm;   /* of CASE and DEFAULT */
    uint8_t           type;  /* vyre_type */
    uint8_t           sub;
};

/* A register whose content is the same during a whole workgroup. */
typedef struct vyi_fixed {
    uint32_t *d;
    uint32_t  op;    /* CONST, BUILTIN, LENGTH */
    uint32_t  what;  /* bits, builtin, buffer id */
} vyi_fixed;

/* Why a lane does not run. */
enum { VYI_LANE_RUNS = 0, VYI_LANE_CONTINUED = 1, VYI_LANE_BROKE = 2, VYI_LANE_RETURNED = 3 };

struct vyi_machine {
    /* What a run changes. */
    vyi_active      active;
    uint64_t        leaves;     /* times that lanes broke, continued or returned */
    uint64_t        max_rounds;
    bool            timed_out;
    uint32_t        group[3], groups[3];
    /* What decoding fixed. */
    vyre_allocator  allocator;
    size_t          size;       /* of this block of memory, which holds all that follows */
    uint32_t        group_size[3];
    uint32_t        lanes, lanes_padded;
    uint32_t        subgroup_size, subgroup_shift;
    uint32_t        loop_limit;
    vyi_round_fn    ask;
    void           *ask_user;
    const uint32_t *stop_flag;
    vyi_step       *steps;
    vyi_step_block      *blocks;
    vyi_step_case       *cases;
    uint32_t       *starts;
    vyi_fixed      *fixed;
    uint32_t        fixed_count;
    vyi_step_memory     *memories;   /* by buffer id - 1 */
    uint32_t       *bound;      /* buffer id - 1 of each binding, ascending by binding */
    uint32_t       *declared;   /* count of each buffer */
    uint32_t        memory_count, bound_count;
    uint32_t       *shared;     /* all workgroup arrays */
    size_t          shared_count;
    uint32_t       *registers;
    uint16_t       *lists;
    uint16_t       *all;        /* 0, 1, 2, ... */
    uint8_t        *state;      /* VYI_LANE_* of each lane */
    uint32_t       *arm_of;     /* scratch of a switch */
    uint32_t       *spent, *allowed, *cut; /* loop iterations of each lane */
};

/* Notes that the run did not come to its own end. */
static inline bool vyi_machine_stopped(vyi_machine *m)
{
    const bool stopped = m->stop_flag && vyi_load_acquire(m->stop_flag);
    m->timed_out |= stopped;
    return stopped;
}

/* Decodes a finished program for a checked description; no buffer is bound
 * and no fixed register filled yet (interp_code.c). */
VYI_API vyre_status vyi_machine_decode(const vyre_program *p, const vyre_interp_desc *desc,
                                       vyi_machine **out, vyre_error *err);

/* How an instruction that is not pure is run; NULL when it needs no step
 * (interp_run.c). */
VYI_API vyi_step_fn vyi_step_find(const vyi_inst *inst, const vyi_inst *opener);
VYI_API const vyi_step *vyi_step_halt(vyi_machine *m, const vyi_step *s);

VYI_EXTERN_C_END

#endif

#include <math.h>

/* --- one lane ------------------------------------------------------------ */

static inline float vyi_lane_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint32_t vyi_lane_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline uint32_t vyi_lane_div_i32(uint32_t x, uint32_t y)
{
    if (y == 0)
        return 0xffffffffu;
    if (y == 0xffffffffu)
        return 0u - x;
    return (uint32_t)((int32_t)x / (int32_t)y);
}

static inline uint32_t vyi_lane_rem_i32(uint32_t x, uint32_t y)
{
    if (y == 0 || y == 0xffffffffu)
        return 0;
    return (uint32_t)((int32_t)x % (int32_t)y);
}

static inline uint32_t vyi_lane_rotl(uint32_t x, uint32_t y)
{
    return (x << (y & 31u)) | (x >> ((0u - y) & 31u));
}

static inline uint32_t vyi_lane_popcount(uint32_t x)
{
    x -= (x >> 1) & 0x55555555u;
    x = (x & 0x33333333u) + ((x >> 2) & 0x33333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0fu;
    return (x * 0x01010101u) >> 24;
}

static inline uint32_t vyi_lane_clz(uint32_t x)
{
    x |= x >> 1;
    x |= x >> 2;
    x |= x >> 4;
    x |= x >> 8;
    x |= x >> 16;
    return vyi_lane_popcount(~x);
}

static inline uint32_t vyi_lane_reverse(uint32_t x)
{
    x = ((x >> 1) & 0x55555555u) | ((x & 0x55555555u) << 1);
    x = ((x >> 2) & 0x33333333u) | ((x & 0x33333333u) << 2);
    x = ((x >> 4) & 0x0f0f0f0fu) | ((x & 0x0f0f0f0fu) << 4);
    x = ((x >> 8) & 0x00ff00ffu) | ((x & 0x00ff00ffu) << 8);
    return (x >> 16) | (x << 16);
}

static inline float vyi_lane_sign_f32(float x)
{
    if (x > 0.0f)
        return 1.0f;
    return x < 0.0f ? -1.0f : 0.0f;
}

static inline uint32_t vyi_lane_sign_i32(uint32_t x)
{
    return x >> 31 ? 0xffffffffu : (uint32_t)(x != 0);
}

static inline uint32_t vyi_lane_f32_to_u32(float x)
{
    if (!(x > 0.0f))
        return 0;
    return x < 4294967296.0f ? (uint32_t)x : 0xffffffffu;
}

static inline uint32_t vyi_lane_f32_to_i32(float x)
{
    if (x >= 2147483648.0f)
        return 0x7fffffffu;
    if (x > -2147483648.0f)
        return (uint32_t)(int32_t)x;
    return x <= -2147483648.0f ? 0x80000000u : 0u;
}

/* --- many lanes ---------------------------------------------------------- */

/* Inside an expression x, y, z are the operands' bits; of functions of f32
 * (VYI_LANES_F) f, g, h are the same as numbers.  What a function does not use
 * costs nothing. */
#define VYI_LANES_LOOP(name, operands, expression)                                                 \
    static void vyi_lanes_##name(uint32_t *VYI_RESTRICT d, const uint32_t *VYI_RESTRICT a,         \
                                 const uint32_t *VYI_RESTRICT b, const uint32_t *VYI_RESTRICT c,   \
                                 uint32_t count)                                                   \
    {                                                                                              \
        for (; count; count -= VYI_CHUNK) {                                                        \
            for (unsigned j = 0; j < VYI_CHUNK; j++) {                                             \
                const uint32_t x = a[j], y = b[j], z = c[j];                                       \
                (void)x, (void)y, (void)z;                                                         \
                operands                                                                           \
                d[j] = (expression);                                                               \
            }                                                                                      \
            d += VYI_CHUNK, a += VYI_CHUNK, b += VYI_CHUNK, c += VYI_CHUNK;                        \
        }                                                                                          \
    }
#define VYI_LANES_NUMBERS                                                                          \
    const float f = vyi_lane_float(x), g = vyi_lane_float(y), h = vyi_lane_float(z);               \
    (void)f, (void)g, (void)h;
#define VYI_LANES(name, expression) VYI_LANES_LOOP(name, , expression)
#define VYI_LANES_B(name, expression) VYI_LANES_LOOP(name, , (uint32_t)(expression))
#define VYI_LANES_F(name, expression) VYI_LANES_LOOP(name, VYI_LANES_NUMBERS, expression)
#define VYI_LANES_FF(name, expression) VYI_LANES_F(name, vyi_lane_bits(expression))
#define VYI_LANES_FB(name, expression) VYI_LANES_F(name, (uint32_t)(expression))
/* Their time is that of the C library's function: as small loops they lose nothing. */
#define VYI_LANES_CALL(name, function)                                                             \
    VYI_COLD                                                                                       \
    VYI_LANES_FF(name, function(f))

VYI_LANES(copy, x)
VYI_LANES(add, x + y)
VYI_LANES(sub, x - y)
VYI_LANES(mul, x * y)
VYI_LANES(div_u32, y ? x / y : 0xffffffffu)
VYI_LANES(div_i32, vyi_lane_div_i32(x, y))
VYI_LANES(rem_u32, y ? x % y : 0u)
VYI_LANES(rem_i32, vyi_lane_rem_i32(x, y))
VYI_LANES(mul_high, (uint32_t)(((uint64_t)x * y) >> 32))
VYI_LANES(and, x & y)
VYI_LANES(or, x | y)
VYI_LANES(xor, x ^ y)
VYI_LANES(shl, x << (y & 31u))
VYI_LANES(shr_u32, x >> (y & 31u))
VYI_LANES(shr_i32, (uint32_t)((int32_t)x >> (y & 31u)))
VYI_LANES(rotl, vyi_lane_rotl(x, y))
VYI_LANES(rotr, vyi_lane_rotl(x, 0u - y))
VYI_LANES(min_u32, x < y ? x : y)
VYI_LANES(max_u32, x > y ? x : y)
VYI_LANES(min_i32, (int32_t)x < (int32_t)y ? x : y)
VYI_LANES(max_i32, (int32_t)x > (int32_t)y ? x : y)
VYI_LANES_B(eq, x == y)
VYI_LANES_B(ne, x != y)
VYI_LANES_B(lt_u32, x < y)
VYI_LANES_B(le_u32, x <= y)
VYI_LANES_B(gt_u32, x > y)
VYI_LANES_B(ge_u32, x >= y)
VYI_LANES_B(lt_i32, (int32_t)x < (int32_t)y)
VYI_LANES_B(le_i32, (int32_t)x <= (int32_t)y)
VYI_LANES_B(gt_i32, (int32_t)x > (int32_t)y)
VYI_LANES_B(ge_i32, (int32_t)x >= (int32_t)y)

VYI_LANES_FF(add_f32, f + g)
VYI_LANES_FF(sub_f32, f - g)
VYI_LANES_FF(mul_f32, f * g)
VYI_LANES_FF(div_f32, f / g)
VYI_LANES_F(min_f32, f < g || g != g ? x : y)
VYI_LANES_F(max_f32, f > g || g != g ? x : y)
VYI_LANES_FB(eq_f32, f == g)
VYI_LANES_FB(ne_f32, f != g)
VYI_LANES_FB(lt_f32, f < g)
VYI_LANES_FB(le_f32, f <= g)
VYI_LANES_FB(gt_f32, f > g)
VYI_LANES_FB(ge_f32, f >= g)

VYI_LANES(neg, 0u - x)
VYI_LANES(neg_f32, x ^ 0x80000000u)
VYI_LANES(not, ~x)
VYI_LANES_B(not_bool, x == 0)
VYI_LANES(abs_i32, x >> 31 ? 0u - x : x)
VYI_LANES(abs_f32, x & 0x7fffffffu)
VYI_LANES_B(sign_u32, x != 0)
VYI_LANES(sign_i32, vyi_lane_sign_i32(x))
VYI_LANES_FF(sign_f32, vyi_lane_sign_f32(f))
VYI_LANES(popcount, vyi_lane_popcount(x))
VYI_LANES(clz, vyi_lane_clz(x))
VYI_LANES(ctz, vyi_lane_popcount((x & (0u - x)) - 1u))
VYI_LANES(reverse, vyi_lane_reverse(x))
VYI_LANES_FF(sqrt, sqrtf(f))
VYI_LANES_FF(rsqrt, 1.0f / sqrtf(f))
VYI_LANES_CALL(floor, floorf)
VYI_LANES_CALL(ceil, ceilf)
VYI_LANES_CALL(round, rintf)
VYI_LANES_CALL(trunc, truncf)
VYI_LANES_CALL(sin, sinf)
VYI_LANES_CALL(cos, cosf)
VYI_LANES_CALL(tan, tanf)
VYI_LANES_CALL(exp, expf)
VYI_LANES_CALL(exp2, exp2f)
VYI_LANES_CALL(log, logf)
VYI_LANES_CALL(log2, log2f)
VYI_LANES_B(is_nan, (x & 0x7fffffffu) > 0x7f800000u)
VYI_LANES_B(is_inf, (x & 0x7fffffffu) == 0x7f800000u)

VYI_LANES_FF(fma, f * g + h)
VYI_LANES(select, x ? y : z)
VYI_LANES(u32_to_f32, vyi_lane_bits((float)x))
VYI_LANES(i32_to_f32, vyi_lane_bits((float)(int32_t)x))
VYI_LANES_F(f32_to_u32, vyi_lane_f32_to_u32(f))
VYI_LANES_F(f32_to_i32, vyi_lane_f32_to_i32(f))
VYI_LANES_B(to_bool, x != 0)
VYI_LANES_B(f32_to_bool, (x & 0x7fffffffu) != 0)
#undef VYI_LANES
#undef VYI_LANES_B
#undef VYI_LANES_F
#undef VYI_LANES_FF
#undef VYI_LANES_FB
#undef VYI_LANES_CALL
#undef VYI_LANES_NUMBERS
#undef VYI_LANES_LOOP

/* --- which one ----------------------------------------------------------- */

/* X(OPERATOR, function for u32, i32, f32, bool); `none` where the checker lets
 * no such program pass. */
#define VYI_LANES_BINARY(X)                                                                        \
    X(ADD, add, add, add_f32, none) X(SUB, sub, sub, sub_f32, none)                                \
    X(MUL, mul, mul, mul_f32, none) X(DIV, div_u32, div_i32, div_f32, none)                        \
    X(REM, rem_u32, rem_i32, none, none) X(MUL_HIGH, mul_high, none, none, none)                   \
    X(AND, and, and, none, and) X(OR, or, or, none, or) X(XOR, xor, xor, none, xor)                \
    X(SHL, shl, shl, none, none) X(SHR, shr_u32, shr_i32, none, none)                              \
    X(ROTL, rotl, none, none, none) X(ROTR, rotr, none, none, none)                                \
    X(MIN, min_u32, min_i32, min_f32, none) X(MAX, max_u32, max_i32, max_f32, none)                \
    X(EQ, eq, eq, eq_f32, eq) X(NE, ne, ne, ne_f32, ne)                                            \
    X(LT, lt_u32, lt_i32, lt_f32, none) X(LE, le_u32, le_i32, le_f32, none)                        \
    X(GT, gt_u32, gt_i32, gt_f32, none) X(GE, ge_u32, ge_i32, ge_f32, none)

#define VYI_LANES_UNARY(X)                                                                         \
    X(NEG, neg, neg, neg_f32, none) X(NOT, not, not, none, not_bool)                               \
    X(ABS, copy, abs_i32, abs_f32, none) X(SIGN, sign_u32, sign_i32, sign_f32, none)               \
    X(POPCOUNT, popcount, popcount, none, none) X(CLZ, clz, clz, none, none)                       \
    X(CTZ, ctz, ctz, none, none) X(REVERSE, reverse, reverse, none, none)                          \
    X(SQRT, none, none, sqrt, none) X(RSQRT, none, none, rsqrt, none)                              \
    X(FLOOR, none, none, floor, none) X(CEIL, none, none, ceil, none)                              \
    X(ROUND, none, none, round, none) X(TRUNC, none, none, trunc, none)                            \
    X(SIN, none, none, sin, none) X(COS, none, none, cos, none) X(TAN, none, none, tan, none)      \
    X(EXP, none, none, exp, none) X(EXP2, none, none, exp2, none)                                  \
    X(LOG, none, none, log, none) X(LOG2, none, none, log2, none)                                  \
    X(IS_NAN, none, none, is_nan, none) X(IS_INF, none, none, is_inf, none)                        \
    X(UNIFORM, copy, copy, copy, copy)

#define VYI_LANES_CAST_TO(X)                                                                       \
    X(NONE, none, none, none, none) X(U32, copy, copy, f32_to_u32, copy)                           \
    X(I32, copy, copy, f32_to_i32, copy) X(F32, u32_to_f32, i32_to_f32, copy, u32_to_f32)          \
    X(BOOL, to_bool, to_bool, f32_to_bool, copy)

#define vyi_lanes_none NULL
#define VYI_LANES_ROW(name, u, i, f, b)                                                            \
    { vyi_lanes_##u, vyi_lanes_##i, vyi_lanes_##f, vyi_lanes_##b },
/* Rows stand in the order of the lists in ir.h. */
static const vyi_lanes_fn vyi_lanes_binary[][4] = { VYI_LANES_BINARY(VYI_LANES_ROW) };
static const vyi_lanes_fn vyi_lanes_unary[][4] = { VYI_LANES_UNARY(VYI_LANES_ROW) };
static const vyi_lanes_fn vyi_lanes_cast[][4] = { VYI_LANES_CAST_TO(VYI_LANES_ROW) };
#undef VYI_LANES_ROW
#undef vyi_lanes_none

#define VYI_LANES_ORDER(name, u, i, f, b) VYI_LANES_AT_##name,
enum { VYI_LANES_BINARY(VYI_LANES_ORDER) VYI_LANES_BINARY_COUNT };
enum { VYI_LANES_UNARY(VYI_LANES_ORDER) VYI_LANES_UNARY_COUNT };
#undef VYI_LANES_ORDER
#define VYI_LANES_SAME(name, function, operands, result)                                           \
    VYI_STATIC_ASSERT(lanes_##name, (int)VYI_LANES_AT_##name == (int)VYI_LANES_SAME_KIND(name));
#define VYI_LANES_SAME_KIND(name) VYI_BINARY_##name
VYRE_BINARY_LIST(VYI_LANES_SAME)
#undef VYI_LANES_SAME_KIND
#define VYI_LANES_SAME_KIND(name) VYI_UNARY_##name
VYRE_UNARY_LIST(VYI_LANES_SAME)
#undef VYI_LANES_SAME_KIND
#undef VYI_LANES_SAME

VYI_API vyi_lanes_fn vyi_lanes_find(const vyi_inst *inst, uint32_t operand)
{
    VYRE_ASSERT(operand >= VYRE_TYPE_U32 && operand <= VYRE_TYPE_BOOL);
    const uint32_t column = operand - VYRE_TYPE_U32;
    switch (inst->op) {
    case VYI_OP_BINARY: return vyi_lanes_binary[inst->sub][column];
    case VYI_OP_UNARY: return vyi_lanes_unary[inst->sub][column];
    case VYI_OP_CAST: return vyi_lanes_cast[inst->type][column];
    case VYI_OP_FMA: return vyi_lanes_fma;
    case VYI_OP_SELECT: return vyi_lanes_select;
    default: return NULL;
    }
}

VYI_API vyi_lanes_fn vyi_lanes_copy_fn(void)
{
    return vyi_lanes_copy;
}

VYI_API vyi_lanes_fn vyi_lanes_sub_fn(void)
{
    return vyi_lanes_sub;
}
/* ==========================================================================
 * interp: the steps that are not pure
 *
 * Private.  A step does its work for the active lanes and returns the step to
 * go on with.  No step runs while no lane is active, but for the end of a
 * loop, which then decides about the next iteration.
 *
 * Lanes leave in two ways.  Where a block begins, those that do not enter are
 * just not in its list of lanes; its end brings back the list from before.
 * Lanes that break, continue or return are marked in `state` and not brought
 * back by the ends of the blocks that they leave, up to that of their loop.
 *
 * Limits of loops, all counted in iterations begun:
 *   max_rounds  Each round loop of each workgroup ends, for all its lanes,
 *               when that many rounds have begun and another one would.
 *   loop_limit  Each lane counts the iterations of all its loops together,
 *               rounds included, as `spent`; LOOP_LEFT is loop_limit - spent.
 *               loop_allow(n) sets allowed = min(spent + n, loop_limit) and
 *               clears LOOP_CUT; at first allowed = loop_limit.  When an
 *               iteration would begin (the condition of a counted loop holds,
 *               max_rounds has not ended the loop) and spent >= allowed, the
 *               loop ends for this lane like a break, and LOOP_CUT is set.
 *               Without a limit LOOP_LEFT is 0xFFFFFFFF, LOOP_CUT false, and
 *               loop_allow does nothing.
 * ======================================================================= */

/* --- active lanes -------------------------------------------------------- */

static vyi_active vyi_active_of(const uint16_t *lanes, uint32_t count)
{
    vyi_active a;
    a.lanes = lanes;
    a.count = count;
    a.lo = count ? lanes[0] & ~(VYI_CHUNK - 1u) : 0u;
    a.hi = count ? (lanes[count - 1] | (VYI_CHUNK - 1u)) + 1u : 0u;
    return a;
}

/* Each lane of the range is active. */
static bool vyi_is_dense(const vyi_active *a)
{
    return a->count == a->hi - a->lo;
}

/* Those of `from` that still run, collected in `to`, which may be the same. */
static uint32_t vyi_keep_running(const vyi_machine *m, const vyi_active *from, uint16_t *to)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < from->count; i++) {
        const uint16_t lane = from->lanes[i];
        to[n] = lane;
        n += m->state[lane] == VYI_LANE_RUNS;
    }
    return n;
}

/* Goes on behind a block with the lanes from before it, as far as they run. */
static const vyi_step *vyi_block_leave(vyi_machine *m, vyi_step_block *b)
{
    m->active = b->outer;
    if (m->leaves == b->leaves)
        return b->after;
    m->active = vyi_active_of(b->kept, vyi_keep_running(m, &b->outer, b->kept));
    return m->active.count ? b->after : b->skip;
}

static void vyi_block_enter(vyi_machine *m, vyi_step_block *b)
{
    b->outer = m->active;
    b->leaves = m->leaves;
}

static const vyi_step *vyi_go_on(const vyi_machine *m, const vyi_step *s)
{
    return m->active.count ? s + 1 : s->skip;
}

VYI_API const vyi_step *vyi_step_halt(vyi_machine *m, const vyi_step *s)
{
    (void)m, (void)s;
    return NULL;
}

/* --- if, switch ---------------------------------------------------------- */

static uint32_t vyi_count_true(const vyi_active *active, const uint32_t *bools)
{
    const uint16_t *const lanes = active->lanes;
    uint32_t sum = 0;
    if (vyi_is_dense(active)) {
        for (uint32_t lo = active->lo; lo < active->hi; lo += VYI_CHUNK) {
            for (uint32_t j = 0; j < VYI_CHUNK; j++)
                sum += bools[lo + j];
        }
        return sum;
    }
    for (uint32_t i = 0; i < active->count; i++)
        sum += bools[lanes[i]];
    return sum;
}

static void vyi_if_split(vyi_step_block *b, const uint32_t *bools)
{
    const uint16_t *const lanes = b->outer.lanes;
    uint16_t *const first = b->first, *const second = b->second;
    uint32_t yes = 0;
    for (uint32_t i = 0; i < b->outer.count; i++) {
        const uint16_t lane = lanes[i];
        first[yes] = second[i - yes] = lane;
        yes += bools[lane];
    }
}

/* Most conditions are the same for all lanes; only others make lists. */
static const vyi_step *vyi_step_if(vyi_machine *m, const vyi_step *s)
{
    vyi_step_block *b = s->block;
    vyi_block_enter(m, b);
    const uint32_t count = b->outer.count, yes = vyi_count_true(&b->outer, s->a);
    if (yes == count) {
        b->other = vyi_active_of(NULL, 0);
        return s + 1;
    }
    if (yes == 0) {
        b->other = b->outer;
        m->active.count = 0;
        return s->skip;
    }
    vyi_if_split(b, s->a);
    m->active = vyi_active_of(b->first, yes);
    b->other = vyi_active_of(b->second, count - yes);
    return s + 1;
}

static const vyi_step *vyi_step_else(vyi_machine *m, const vyi_step *s)
{
    m->active = s->block->other;
    return vyi_go_on(m, s);
}

static const vyi_step *vyi_step_end(vyi_machine *m, const vyi_step *s)
{
    return vyi_block_leave(m, s->block);
}

static uint32_t vyi_arm_of_literal(const vyi_step_block *b, uint32_t literal)
{
    uint32_t low = 0, high = b->case_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (b->cases[middle].literal < literal)
            low = middle + 1;
        else
            high = middle;
    }
    const bool found = low < b->case_count && b->cases[low].literal == literal;
    return found ? b->cases[low].arm : b->default_arm;
}

/* Sorts the lanes by arm: those of arm i are first[starts[i]] and on, up to
 * starts[i + 1].  Lanes without an arm come last. */
static void vyi_switch_sort(vyi_machine *m, vyi_step_block *b)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < b->arm_count + 2; i++) {
        const uint32_t count = b->starts[i];
        b->starts[i] = sum;
        sum += count;
    }
    for (uint32_t i = 0; i < m->active.count; i++) {
        const uint16_t lane = m->active.lanes[i];
        b->first[b->starts[m->arm_of[lane]]++] = lane;
    }
    /* Each start has moved to the next one's place. */
    for (uint32_t i = b->arm_count + 1; i > 0; i--)
        b->starts[i] = b->starts[i - 1];
    b->starts[0] = 0;
}

static const vyi_step *vyi_step_switch(vyi_machine *m, const vyi_step *s)
{
    vyi_step_block *b = s->block;
    uint32_t literal = 0, arm = vyi_arm_of_literal(b, 0);
    vyi_block_enter(m, b);
    memset(b->starts, 0, (b->arm_count + 2) * sizeof b->starts[0]);
    for (uint32_t i = 0; i < m->active.count; i++) {
        const uint16_t lane = m->active.lanes[i];
        if (s->a[lane] != literal) {
            literal = s->a[lane];
            arm = vyi_arm_of_literal(b, literal);
        }
        m->arm_of[lane] = arm;
        b->starts[arm]++;
    }
    vyi_switch_sort(m, b);
    return s + 1;
}

static const vyi_step *vyi_step_arm(vyi_machine *m, const vyi_step *s)
{
    const uint32_t *starts = s->block->starts + s->arm;
    m->active = vyi_active_of(s->block->first + starts[0], starts[1] - starts[0]);
    return vyi_go_on(m, s);
}

/* --- loops --------------------------------------------------------------- */

/* Takes the first `count` members' next iteration from what they may still
 * spend; returns how many may begin it. */
static uint32_t vyi_loop_spend(vyi_machine *m, vyi_step_block *b, uint32_t count)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint16_t lane = b->first[i];
        const uint32_t begins = m->spent[lane] < m->allowed[lane];
        b->first[n] = lane;
        n += begins;
        m->spent[lane] += begins;
        m->cut[lane] |= 1u - begins;
    }
    return n;
}

static bool vyi_loop_may_go_round(vyi_machine *m, vyi_step_block *b)
{
    if (!b->is_round_loop)
        return true;
    if ((m->max_rounds && b->rounds >= m->max_rounds) ||
        (m->ask && !m->ask(m->ask_user, b->rounds))) {
        m->timed_out = true;
        return false;
    }
    b->rounds++;
    return true;
}

/* Begins an iteration with the first `count` members, or leaves the loop. */
static const vyi_step *vyi_loop_begin(vyi_machine *m, vyi_step_block *b, uint32_t count)
{
    if (vyi_machine_stopped(m))
        return NULL;
    if (count && !vyi_loop_may_go_round(m, b))
        count = 0;
    if (count && m->loop_limit)
        count = vyi_loop_spend(m, b, count);
    if (!count)
        return vyi_block_leave(m, b);
    b->other = vyi_active_of(b->first, count);
    b->round_leaves = m->leaves;
    m->active = b->other;
    return b->body;
}

/* Members of the next iteration: without those that broke or returned.  Lanes
 * that broke run again behind the loop, so their mark goes, too. */
static uint32_t vyi_loop_stay(vyi_machine *m, vyi_step_block *b)
{
    if (m->leaves == b->round_leaves)
        return b->other.count;
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->other.count; i++) {
        const uint16_t lane = b->first[i];
        const uint8_t state = m->state[lane];
        b->first[n] = lane;
        n += state <= VYI_LANE_CONTINUED;
        if (state != VYI_LANE_RETURNED)
            m->state[lane] = VYI_LANE_RUNS;
    }
    return n;
}

static const vyi_step *vyi_step_loop(vyi_machine *m, const vyi_step *s)
{
    vyi_step_block *b = s->block;
    uint32_t n = 0;
    vyi_block_enter(m, b);
    for (uint32_t i = 0; i < m->active.count; i++) {
        const uint16_t lane = m->active.lanes[i];
        s->d[lane] = s->a[lane];
        b->first[n] = lane;
        n += s->a[lane] < s->b[lane];
    }
    return vyi_loop_begin(m, b, n);
}

static const vyi_step *vyi_step_loop_end(vyi_machine *m, const vyi_step *s)
{
    vyi_step_block *b = s->block;
    const uint32_t stay = vyi_loop_stay(m, b);
    uint32_t n = 0;
    for (uint32_t i = 0; i < stay; i++) {
        const uint16_t lane = b->first[i];
        b->first[n] = lane;
        n += ++s->d[lane] < s->b[lane];
    }
    return vyi_loop_begin(m, b, n);
}

static const vyi_step *vyi_step_forever(vyi_machine *m, const vyi_step *s)
{
    vyi_step_block *b = s->block;
    vyi_block_enter(m, b);
    b->rounds = 0;
    memcpy(b->first, m->active.lanes, m->active.count * sizeof b->first[0]);
    return vyi_loop_begin(m, b, m->active.count);
}

static const vyi_step *vyi_step_forever_end(vyi_machine *m, const vyi_step *s)
{
    return vyi_loop_begin(m, s->block, vyi_loop_stay(m, s->block));
}

/* BREAK, CONTINUE, RETURN: `sub` is the state that the lanes get. */
static const vyi_step *vyi_step_leave(vyi_machine *m, const vyi_step *s)
{
    for (uint32_t i = 0; i < m->active.count; i++)
        m->state[m->active.lanes[i]] = s->sub;
    m->active.count = 0;
    m->leaves++;
    return s->skip;
}

static const vyi_step *vyi_step_loop_allow(vyi_machine *m, const vyi_step *s)
{
    for (uint32_t i = 0; i < m->active.count; i++) {
        const uint16_t lane = m->active.lanes[i];
        const uint32_t left = m->loop_limit - m->spent[lane];
        m->allowed[lane] = m->spent[lane] + (s->a[lane] < left ? s->a[lane] : left);
        m->cut[lane] = 0;
    }
    return s + 1;
}

/* --- locals and memory --------------------------------------------------- */

static const vyi_step *vyi_step_set(vyi_machine *m, const vyi_step *s)
{
    const vyi_active *active = &m->active;
    const uint16_t *const lanes = active->lanes;
    const uint32_t *const a = s->a;
    uint32_t *const d = s->d;
    if (vyi_is_dense(active)) {
        memcpy(d + active->lo, a + active->lo, active->count * sizeof *d);
        return s + 1;
    }
    for (uint32_t i = 0; i < active->count; i++)
        d[lanes[i]] = a[lanes[i]];
    return s + 1;
}

/* Memory is read and written with plain accesses; the program's own atomics
 * order them against other threads. */
#define VYI_MEMORY_STEP(name, beyond, work)                                                        \
    static const vyi_step *vyi_step_##name(vyi_machine *m, const vyi_step *s)                      \
    {                                                                                              \
        vyi_memory_word *const words = s->memory->words;                                           \
        const uint32_t length = s->memory->length, count = m->active.count;                        \
        const uint16_t *const lanes = m->active.lanes;                                             \
        const uint32_t *const a = s->a, *const b = s->b, *const c = s->c;                          \
        uint32_t *const d = s->d;                                                                  \
        (void)b, (void)c, (void)d;                                                                 \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            const uint16_t lane = lanes[i];                                                        \
            const uint32_t at = a[lane];                                                           \
            if (at >= length) {                                                                    \
                beyond;                                                                            \
                continue;                                                                          \
            }                                                                                      \
            work;                                                                                  \
        }                                                                                          \
        return s + 1;                                                                              \
    }

VYI_MEMORY_STEP(load, d[lane] = 0, d[lane] = vyi_le32(words[at]))
VYI_MEMORY_STEP(load_bool, d[lane] = 0, d[lane] = words[at] != 0)
VYI_MEMORY_STEP(store, (void)0, words[at] = vyi_le32(b[lane]))

/* Reads, changes and writes a word of memory at once; `expression` gives the
 * new content from `old` and `value`.  The helper acquires and releases, which
 * is at least what the program asked for. */
#define VYI_ATOMIC(name, expression)                                                               \
    static inline uint32_t vyi_atomic_##name(void *at, uint32_t value)                             \
    {                                                                                              \
        uint32_t seen = vyi_load_relaxed(at);                                                      \
        for (;;) {                                                                                 \
            const uint32_t old = vyi_le32(seen);                                                   \
            const uint32_t found = vyi_compare_exchange(at, seen, vyi_le32(expression));           \
            if (found == seen)                                                                     \
                return old;                                                                        \
            seen = found;                                                                          \
        }                                                                                          \
    }                                                                                              \
    VYI_MEMORY_STEP(atomic_##name, d[lane] = 0, d[lane] = vyi_atomic_##name(words + at, b[lane]))

VYI_ATOMIC(sub, old - value)
VYI_ATOMIC(and, old & value)
VYI_ATOMIC(or, old | value)
VYI_ATOMIC(xor, old ^ value)
VYI_ATOMIC(min_u32, old < value ? old : value)
VYI_ATOMIC(max_u32, old > value ? old : value)
VYI_ATOMIC(min_i32, (int32_t)old < (int32_t)value ? old : value)
VYI_ATOMIC(max_i32, (int32_t)old > (int32_t)value ? old : value)
VYI_ATOMIC(exchange, value)
VYI_MEMORY_STEP(atomic_cas, d[lane] = 0,
                d[lane] = vyi_le32(vyi_compare_exchange(words + at, vyi_le32(b[lane]),
                                                        vyi_le32(c[lane]))))
VYI_MEMORY_STEP(atomic_load, d[lane] = 0, d[lane] = vyi_le32(vyi_load_acquire(words + at)))
VYI_MEMORY_STEP(atomic_store, (void)0, vyi_store_release(words + at, vyi_le32(b[lane])))
#undef VYI_ATOMIC
#undef VYI_MEMORY_STEP

static inline uint32_t vyi_memory_add(void *at, uint32_t value)
{
#if VYI_BIG_ENDIAN
    return vyi_atomic_sub(at, 0u - value);
#else
    return vyi_fetch_add(at, value);
#endif
}

/* Neighbours that add to the same word do so at once, as if nothing had come
 * between them: kernels count with all their lanes. */
static uint32_t vyi_add_run(const vyi_step *s, const uint16_t *lanes, uint32_t count)
{
    const uint32_t at = s->a[lanes[0]];
    uint32_t n = 0, sum = 0;
    for (; n < count && s->a[lanes[n]] == at; n++) {
        s->d[lanes[n]] = sum;
        sum += s->b[lanes[n]];
    }
    const uint32_t before = vyi_memory_add(s->memory->words + at, sum);
    for (uint32_t i = 0; i < n; i++)
        s->d[lanes[i]] += before;
    return n;
}

static const vyi_step *vyi_step_atomic_add(vyi_machine *m, const vyi_step *s)
{
    const uint16_t *const lanes = m->active.lanes;
    const uint32_t count = m->active.count;
    for (uint32_t i = 0; i < count;) {
        if (s->a[lanes[i]] < s->memory->length)
            i += vyi_add_run(s, lanes + i, count - i);
        else
            s->d[lanes[i++]] = 0;
    }
    return s + 1;
}

static vyi_step_fn vyi_atomic_find(const vyi_inst *inst)
{
    const bool is_signed = inst->type == VYRE_TYPE_I32;
    switch (inst->sub) {
    case VYRE_ATOMIC_ADD: return vyi_step_atomic_add;
    case VYRE_ATOMIC_SUB: return vyi_step_atomic_sub;
    case VYRE_ATOMIC_AND: return vyi_step_atomic_and;
    case VYRE_ATOMIC_OR: return vyi_step_atomic_or;
    case VYRE_ATOMIC_XOR: return vyi_step_atomic_xor;
    case VYRE_ATOMIC_MIN: return is_signed ? vyi_step_atomic_min_i32 : vyi_step_atomic_min_u32;
    case VYRE_ATOMIC_MAX: return is_signed ? vyi_step_atomic_max_i32 : vyi_step_atomic_max_u32;
    default: return vyi_step_atomic_exchange;
    }
}

/* --- subgroups ----------------------------------------------------------- */

#define VYI_MAX_SUBGROUP 128u

/* The active lanes of one subgroup: lanes[0 .. count - 1]. */
typedef struct vyi_subgroup {
    const uint16_t *lanes;
    uint32_t        count;
} vyi_subgroup;

typedef void (*vyi_subgroup_fn)(const vyi_machine *m, const vyi_step *s, vyi_subgroup g);

static const vyi_step *vyi_each_subgroup(const vyi_machine *m, const vyi_step *s,
                                         vyi_subgroup_fn work)
{
    const vyi_active *active = &m->active;
    for (uint32_t i = 0, end; i < active->count; i = end) {
        const uint32_t which = (uint32_t)active->lanes[i] >> m->subgroup_shift;
        vyi_subgroup g;
        for (end = i + 1; end < active->count; end++) {
            if ((uint32_t)active->lanes[end] >> m->subgroup_shift != which)
                break;
        }
        g.lanes = active->lanes + i;
        g.count = end - i;
        work(m, s, g);
    }
    return s + 1;
}

static void vyi_subgroup_fill(const vyi_step *s, vyi_subgroup g, uint32_t value)
{
    for (uint32_t i = 0; i < g.count; i++)
        s->d[g.lanes[i]] = value;
}

static void vyi_subgroup_ballot(const vyi_machine *m, const vyi_step *s, vyi_subgroup g)
{
    uint32_t bits = 0;
    for (uint32_t i = 0; i < g.count; i++) {
        const uint32_t bit = g.lanes[i] & (m->subgroup_size - 1u);
        if (bit < 32 && s->a[g.lanes[i]])
            bits |= 1u << bit;
    }
    vyi_subgroup_fill(s, g, bits);
}

static void vyi_subgroup_elect(const vyi_machine *m, const vyi_step *s, vyi_subgroup g)
{
    (void)m;
    vyi_subgroup_fill(s, g, 0);
    s->d[g.lanes[0]] = 1;
}

static void vyi_subgroup_any(const vyi_machine *m, const vyi_step *s, vyi_subgroup g)
{
    uint32_t any = 0;
    (void)m;
    for (uint32_t i = 0; i < g.count; i++)
        any |= s->a[g.lanes[i]];
    vyi_subgroup_fill(s, g, any);
}

static void vyi_subgroup_all(const vyi_machine *m, const vyi_step *s, vyi_subgroup g)
{
    uint32_t all = 1;
    (void)m;
    for (uint32_t i = 0; i < g.count; i++)
        all &= s->a[g.lanes[i]];
    vyi_subgroup_fill(s, g, all);
}

static void vyi_subgroup_broadcast_first(const vyi_machine *m, const vyi_step *s, vyi_subgroup g)
{
    (void)m;
    vyi_subgroup_fill(s, g, s->a[g.lanes[0]]);
}

/* A lane that is not active, or not of the subgroup, counts as holding 0. */
static void vyi_subgroup_shuffle(const vyi_machine *m, const vyi_step *s, vyi_subgroup g)
{
    uint32_t values[VYI_MAX_SUBGROUP];
    memset(values, 0, m->subgroup_size * sizeof values[0]);
    for (uint32_t i = 0; i < g.count; i++)
        values[g.lanes[i] & (m->subgroup_size - 1u)] = s->a[g.lanes[i]];
    for (uint32_t i = 0; i < g.count; i++) {
        const uint32_t from = s->b[g.lanes[i]];
        s->d[g.lanes[i]] = from < m->subgroup_size ? values[from] : 0u;
    }
}

/* Reductions go by the lanes' functions of the same name, lane by lane in
 * ascending order, so that sums of f32 are repeatable. */
static void vyi_subgroup_reduce(const vyi_machine *m, const vyi_step *s, vyi_subgroup g)
{
    static const uint8_t operators[VYRE_REDUCE_OP_COUNT] = {
        VYI_BINARY_ADD, VYI_BINARY_MIN, VYI_BINARY_MAX,
        VYI_BINARY_AND, VYI_BINARY_OR, VYI_BINARY_XOR
    };
    uint32_t sum[VYI_CHUNK] = { 0 }, value[VYI_CHUNK] = { 0 }, result[VYI_CHUNK];
    vyi_inst inst;
    (void)m;
    memset(&inst, 0, sizeof inst);
    inst.op = VYI_OP_BINARY;
    inst.sub = operators[s->sub];
    const vyi_lanes_fn combine = vyi_lanes_find(&inst, s->type);

    sum[0] = s->a[g.lanes[0]];
    for (uint32_t i = 1; i < g.count; i++) {
        value[0] = s->a[g.lanes[i]];
        combine(result, sum, value, value, VYI_CHUNK);
        sum[0] = result[0];
    }
    vyi_subgroup_fill(s, g, sum[0]);
}

#define VYI_SUBGROUP_STEP(name)                                                                    \
    static const vyi_step *vyi_step_##name(vyi_machine *m, const vyi_step *s)                      \
    {                                                                                              \
        return vyi_each_subgroup(m, s, vyi_subgroup_##name);                                       \
    }
VYI_SUBGROUP_STEP(ballot)
VYI_SUBGROUP_STEP(elect)
VYI_SUBGROUP_STEP(any)
VYI_SUBGROUP_STEP(all)
VYI_SUBGROUP_STEP(broadcast_first)
VYI_SUBGROUP_STEP(shuffle)
VYI_SUBGROUP_STEP(reduce)
#undef VYI_SUBGROUP_STEP

/* --- which one ----------------------------------------------------------- */

static vyi_step_fn vyi_end_find(const vyi_inst *opener)
{
    switch (opener->op) {
    case VYI_OP_LOOP: return vyi_step_loop_end;
    case VYI_OP_FOREVER: return vyi_step_forever_end;
    default: return vyi_step_end;
    }
}

VYI_API vyi_step_fn vyi_step_find(const vyi_inst *inst, const vyi_inst *opener)
{
    switch (inst->op) {
    case VYI_OP_LOAD: return inst->type == VYRE_TYPE_BOOL ? vyi_step_load_bool : vyi_step_load;
    case VYI_OP_STORE: return vyi_step_store;
    case VYI_OP_ATOMIC: return vyi_atomic_find(inst);
    case VYI_OP_ATOMIC_CAS: return vyi_step_atomic_cas;
    case VYI_OP_ATOMIC_LOAD: return vyi_step_atomic_load;
    case VYI_OP_ATOMIC_STORE: return vyi_step_atomic_store;
    case VYI_OP_SET: return vyi_step_set;
    case VYI_OP_IF: return vyi_step_if;
    case VYI_OP_ELSE: return vyi_step_else;
    case VYI_OP_SWITCH: return vyi_step_switch;
    case VYI_OP_CASE:
    case VYI_OP_DEFAULT: return vyi_step_arm;
    case VYI_OP_LOOP: return vyi_step_loop;
    case VYI_OP_FOREVER: return vyi_step_forever;
    case VYI_OP_END: return vyi_end_find(opener);
    case VYI_OP_BREAK:
    case VYI_OP_CONTINUE:
    case VYI_OP_RETURN: return vyi_step_leave;
    case VYI_OP_LOOP_ALLOW: return vyi_step_loop_allow;
    case VYI_OP_BALLOT: return vyi_step_ballot;
    case VYI_OP_ELECT: return vyi_step_elect;
    case VYI_OP_ANY: return vyi_step_any;
    case VYI_OP_ALL: return vyi_step_all;
    case VYI_OP_BROADCAST_FIRST: return vyi_step_broadcast_first;
    case VYI_OP_SHUFFLE: return vyi_step_shuffle;
    case VYI_OP_REDUCE: return vyi_step_reduce;
    default: return NULL;
    }
}
/* ==========================================================================
 * interp: from a program to the steps of a machine
 *
 * Private.  Three passes over the instructions:
 *
 *   uses      When is each value and local used last?  Control flow is laid out
 *             in order and values cannot be used before they are made, so a
 *             life is one interval, with one exception: what is made outside
 *             of a loop and used inside lives to the loop's end.
 *   registers Lives that do not overlap share a register, so that a workgroup's
 *             registers stay in the nearest cache.
 *   steps     Operands become addresses, blocks become jumps.
 *
 * Three kinds of values have no step.  CONST, LENGTH and most BUILTINs keep
 * one content for a whole workgroup: they get registers that are filled
 * before it starts, one for each distinct content.  A bitcast is its operand.
 * A GET is its local itself when no SET follows before the value's last use.
 * ======================================================================= */

#define VYI_NO_INDEX 0xffffffffu

/* A thing is what can own a register: values by the index of their
 * instruction, then the locals. */
typedef struct vyi_code_decoder {
    const vyre_program     *p;
    const vyre_interp_desc *desc;
    uint32_t  things;
    uint32_t *alias;      /* of a thing: the thing that it is the same as, or itself */
    uint32_t *last;       /* of a thing: where it is used last */
    uint32_t *reg;        /* of a thing: its register */
    uint32_t *expiring;   /* of an instruction: first thing that ends there */
    uint32_t *next;       /* of a thing: the next one that ends at the same place */
    uint32_t *free_regs;
    uint32_t  free_count;
    uint32_t  reg_count;
    uint32_t *fixed_at;   /* hash table of instructions with fixed content */
    uint32_t *fixed_list; /* the first instruction of each distinct content */
    uint32_t  fixed_mask, fixed_count;
    uint32_t *step_of;    /* of an instruction: the first step at or behind it */
    uint32_t  step_count; /* the last one ends the run */
    uint32_t  loops[VYRE_MAX_NESTING];
    uint32_t  loop_depth;
    uint32_t  block_count, case_count, start_count, depth;
    size_t    shared_count;
    uint32_t  spent, allowed, cut, limit; /* registers, where loops are limited */
} vyi_code_decoder;

/* --- memory in one piece ------------------------------------------------- */

/* Hands out parts of a block of memory; without one it only adds up. */
typedef struct vyi_code_layout {
    uint8_t *base;
    size_t   size;
    bool     overflow;
} vyi_code_layout;

#define VYI_LAYOUT_ALIGN ((size_t)64)

VYI_OUTLINE
static void *vyi_layout_take(vyi_code_layout *l, size_t count, size_t element)
{
    size_t bytes, end;
    if (!vyi_size_mul(count, element, &bytes) || !vyi_size_add(bytes, VYI_LAYOUT_ALIGN, &bytes) ||
        !vyi_size_add(l->size, bytes & ~(VYI_LAYOUT_ALIGN - 1), &end)) {
        l->overflow = true;
        return NULL;
    }
    void *at = l->base ? l->base + l->size : NULL;
    l->size = end;
    return at;
}

/* --- what has a fixed content -------------------------------------------- */

static bool vyi_is_fixed(const vyi_code_decoder *d, const vyi_inst *inst)
{
    if (inst->op == VYI_OP_CONST || inst->op == VYI_OP_LENGTH)
        return true;
    if (inst->op != VYI_OP_BUILTIN)
        return false;
    return d->desc->loop_limit == 0 ||
           (inst->sub != VYRE_BUILTIN_LOOP_LEFT && inst->sub != VYRE_BUILTIN_LOOP_CUT);
}

static uint32_t vyi_fixed_what(const vyi_inst *inst)
{
    return inst->op == VYI_OP_BUILTIN ? inst->sub : inst->arg[0];
}

/* The instruction that stands for all of the same content. */
static uint32_t vyi_fixed_find(vyi_code_decoder *d, uint32_t index)
{
    const vyi_inst *inst = &d->p->insts[index];
    uint32_t at = (vyi_fixed_what(inst) * 0x9e3779b1u + inst->op) & d->fixed_mask;
    for (; d->fixed_at[at] != VYI_NO_INDEX; at = (at + 1) & d->fixed_mask) {
        const vyi_inst *other = &d->p->insts[d->fixed_at[at]];
        if (other->op == inst->op && vyi_fixed_what(other) == vyi_fixed_what(inst))
            return d->fixed_at[at];
    }
    d->fixed_at[at] = index;
    d->fixed_list[d->fixed_count++] = index;
    return index;
}

/* --- uses ---------------------------------------------------------------- */

static uint32_t vyi_thing_of(const vyi_code_decoder *d, uint32_t thing)
{
    while (d->alias[thing] != thing)
        thing = d->alias[thing];
    return thing;
}

static uint32_t vyi_local_thing(const vyi_code_decoder *d, uint32_t local)
{
    return d->p->count + local - 1;
}

static uint32_t vyi_born(const vyi_code_decoder *d, uint32_t thing)
{
    return thing < d->p->count ? thing : d->p->locals[thing - d->p->count].declared;
}

static void vyi_use(vyi_code_decoder *d, uint32_t thing, uint32_t at)
{
    thing = vyi_thing_of(d, thing);
    for (uint32_t i = 0; i < d->loop_depth; i++) {
        if (d->loops[i] > vyi_born(d, thing)) {
            at = d->p->insts[d->loops[i]].link;
            break;
        }
    }
    if (d->last[thing] == VYI_NO_INDEX || d->last[thing] < at)
        d->last[thing] = at;
}

static bool vyi_code_is_loop(const vyi_inst *inst)
{
    return inst->op == VYI_OP_LOOP || inst->op == VYI_OP_FOREVER;
}

static void vyi_use_operands(vyi_code_decoder *d, uint32_t index)
{
    const vyi_inst *inst = &d->p->insts[index];
    const uint32_t values = vyi_op_describe(inst->op)->values;
    for (uint32_t i = 0; i < 4; i++) {
        if (values >> i & 1u)
            vyi_use(d, inst->arg[i] - 1, index);
    }
    if (inst->op == VYI_OP_GET || inst->op == VYI_OP_SET)
        vyi_use(d, vyi_local_thing(d, inst->arg[0]), index);
    if (inst->op == VYI_OP_LOOP) { /* its end compares once more */
        vyi_use(d, index, inst->link);
        vyi_use(d, inst->arg[1] - 1, inst->link);
    }
}

/* Gives its operand's bits. */
static bool vyi_code_is_alias(const vyi_inst *inst)
{
    return inst->op == VYI_OP_BITCAST ||
           (inst->op == VYI_OP_UNARY && inst->sub == VYI_UNARY_UNIFORM);
}

VYI_OUTLINE
static void vyi_find_uses(vyi_code_decoder *d)
{
    for (uint32_t i = 0; i < d->p->count; i++) {
        const vyi_inst *inst = &d->p->insts[i];
        if (inst->op == VYI_OP_END && vyi_code_is_loop(&d->p->insts[inst->link]))
            d->loop_depth--;
        if (vyi_is_fixed(d, inst))
            d->alias[i] = vyi_fixed_find(d, i);
        else if (vyi_code_is_alias(inst))
            d->alias[i] = vyi_thing_of(d, inst->arg[0] - 1);
        vyi_use_operands(d, i);
        if (vyi_code_is_loop(inst))
            d->loops[d->loop_depth++] = i;
    }
}

/* Lets each GET be its local where that cannot be told apart.  `next` serves
 * as the next SET of each local. */
VYI_OUTLINE
static void vyi_merge_gets(vyi_code_decoder *d)
{
    for (uint32_t i = d->p->count; i-- > 0;) {
        const vyi_inst *inst = &d->p->insts[i];
        if (inst->op != VYI_OP_GET && inst->op != VYI_OP_SET)
            continue;
        const uint32_t local = vyi_local_thing(d, inst->arg[0]);
        if (inst->op == VYI_OP_SET) {
            d->next[local] = i;
            continue;
        }
        const uint32_t last = d->last[i] == VYI_NO_INDEX ? i : d->last[i];
        if (d->next[local] != VYI_NO_INDEX && d->next[local] <= last)
            continue;
        d->alias[i] = local;
        if (d->last[local] < last)
            d->last[local] = last;
    }
}

/* --- registers ----------------------------------------------------------- */

static void vyi_register_take(vyi_code_decoder *d, uint32_t thing, uint32_t now)
{
    const uint32_t last = d->last[thing] == VYI_NO_INDEX ? now : d->last[thing];
    d->reg[thing] = d->free_count ? d->free_regs[--d->free_count] : d->reg_count++;
    d->next[thing] = d->expiring[last];
    d->expiring[last] = thing;
}

static bool vyi_code_gives_value(const vyi_inst *inst)
{
    return (vyi_op_describe(inst->op)->flags & VYI_OP_VALUE) != 0;
}

/* A result never shares with an operand of the same instruction: registers
 * are given back only behind it. */
VYI_OUTLINE
static void vyi_assign_registers(vyi_code_decoder *d)
{
    for (uint32_t i = 0; i < d->p->count; i++) {
        const vyi_inst *inst = &d->p->insts[i];
        if (vyi_code_gives_value(inst) && !vyi_is_fixed(d, inst) && d->alias[i] == i)
            vyi_register_take(d, i, i);
        if (inst->op == VYI_OP_LOCAL)
            vyi_register_take(d, vyi_local_thing(d, inst->arg[0]), i);
        for (uint32_t t = d->expiring[i]; t != VYI_NO_INDEX; t = d->next[t])
            d->free_regs[d->free_count++] = d->reg[t];
    }
    for (uint32_t i = 0; i < d->fixed_count; i++)
        d->reg[d->fixed_list[i]] = d->reg_count++;
    if (d->desc->loop_limit) {
        d->spent = d->reg_count++;
        d->allowed = d->reg_count++;
        d->cut = d->reg_count++;
        d->limit = d->reg_count++;
    }
}

/* --- sizes --------------------------------------------------------------- */

static void vyi_count_blocks(vyi_code_decoder *d)
{
    uint32_t depth = 0;
    for (uint32_t i = 0; i < d->p->count; i++) {
        const vyi_inst *inst = &d->p->insts[i];
        const uint32_t flags = vyi_op_describe(inst->op)->flags;
        if (flags & VYI_OP_OPENS) {
            d->block_count++;
            if (++depth > d->depth)
                d->depth = depth;
        }
        if (inst->op == VYI_OP_END)
            depth--;
        if (inst->op == VYI_OP_CASE)
            d->case_count++;
        if (inst->op == VYI_OP_CASE || inst->op == VYI_OP_DEFAULT)
            d->start_count++;
        if (inst->op == VYI_OP_SWITCH)
            d->start_count += 2;
    }
}

static bool vyi_needs_step(const vyi_code_decoder *d, uint32_t index)
{
    const vyi_inst *inst = &d->p->insts[index];
    switch (inst->op) {
    case VYI_OP_BARRIER: /* the lanes go in step anyway */
    case VYI_OP_COMMENT: return false;
    case VYI_OP_LOOP_ALLOW: return d->desc->loop_limit != 0;
    default: return !vyi_code_gives_value(inst) || d->alias[index] == index;
    }
}

VYI_OUTLINE
static void vyi_count_steps(vyi_code_decoder *d)
{
    for (uint32_t i = 0; i < d->p->count; i++) {
        d->step_of[i] = d->step_count;
        d->step_count += !vyi_is_fixed(d, &d->p->insts[i]) && vyi_needs_step(d, i);
    }
    d->step_of[d->p->count] = d->step_count++;
    for (uint32_t i = 0; i < d->p->buffer_count; i++) {
        if (d->p->buffers[i].access == VYRE_ACCESS_WORKGROUP)
            d->shared_count += d->p->buffers[i].count;
    }
}

VYI_OUTLINE
static void vyi_layout_machine(vyi_code_layout *l, const vyi_code_decoder *d, vyi_machine *m)
{
    const size_t lanes = m->lanes_padded, buffers = d->p->buffer_count;
    (void)vyi_layout_take(l, 1, sizeof *m);
    m->steps = (vyi_step *)vyi_layout_take(l, d->step_count, sizeof *m->steps);
    m->blocks = (vyi_step_block *)vyi_layout_take(l, d->block_count, sizeof *m->blocks);
    m->cases = (vyi_step_case *)vyi_layout_take(l, d->case_count, sizeof *m->cases);
    m->starts = (uint32_t *)vyi_layout_take(l, d->start_count, sizeof *m->starts);
    m->fixed = (vyi_fixed *)vyi_layout_take(l, d->fixed_count, sizeof *m->fixed);
    m->memories = (vyi_step_memory *)vyi_layout_take(l, buffers, sizeof *m->memories);
    m->bound = (uint32_t *)vyi_layout_take(l, buffers, sizeof *m->bound);
    m->declared = (uint32_t *)vyi_layout_take(l, buffers, sizeof *m->declared);
    m->shared = (uint32_t *)vyi_layout_take(l, d->shared_count, sizeof *m->shared);
    m->all = (uint16_t *)vyi_layout_take(l, lanes, sizeof *m->all);
    m->state = (uint8_t *)vyi_layout_take(l, lanes, sizeof *m->state);
    m->arm_of = (uint32_t *)vyi_layout_take(l, lanes, sizeof *m->arm_of);
    m->lists = (uint16_t *)vyi_layout_take(l, ((size_t)d->depth + 1) * 3,
                                           lanes * sizeof *m->lists);
    m->registers = (uint32_t *)vyi_layout_take(l, d->reg_count, lanes * sizeof *m->registers);
}

/* --- steps --------------------------------------------------------------- */

/* The block that is open at some depth, while steps are written. */
typedef struct vyi_step_open {
    vyi_step_block *block;
    uint32_t   arm;  /* instruction: the latest arm, or the opener */
    uint32_t   arms; /* of a switch, so far */
} vyi_step_open;

typedef struct vyi_step_writer {
    const vyi_code_decoder *d;
    vyi_machine       *m;
    uint32_t           blocks, cases, starts;
    vyi_step_open     open[VYRE_MAX_NESTING];
    uint32_t           depth;
} vyi_step_writer;

static uint32_t *vyi_register(const vyi_step_writer *w, uint32_t reg)
{
    return w->m->registers + (size_t)reg * w->m->lanes_padded;
}

static uint32_t *vyi_thing_register(const vyi_step_writer *w, uint32_t thing)
{
    return vyi_register(w, w->d->reg[vyi_thing_of(w->d, thing)]);
}

static const vyi_step *vyi_step_at(const vyi_step_writer *w, uint32_t index)
{
    return w->m->steps + w->d->step_of[index];
}

/* Where to go on when no lane is left in the innermost list of instructions:
 * to the arm or END that closes it. */
static const vyi_step *vyi_way_out(const vyi_step_writer *w)
{
    const uint32_t end = w->d->p->count;
    return vyi_step_at(w, w->depth ? w->d->p->insts[w->open[w->depth - 1].arm].link : end);
}

VYI_OUTLINE
static void vyi_write_operands(vyi_step_writer *w, vyi_step *s, uint32_t index)
{
    const vyi_inst *inst = &w->d->p->insts[index];
    const vyi_op_info *info = vyi_op_describe(inst->op);
    const uint32_t *operands[4] = { NULL, NULL, NULL, NULL };
    uint32_t count = 0;
    for (uint32_t i = 0; i < 4; i++) {
        if (info->values >> i & 1u)
            operands[count++] = vyi_thing_register(w, inst->arg[i] - 1);
    }
    if (inst->op == VYI_OP_GET)
        operands[0] = vyi_thing_register(w, vyi_local_thing(w->d, inst->arg[0]));
    s->a = operands[0];
    s->b = operands[1] ? operands[1] : s->a;
    s->c = operands[2] ? operands[2] : s->a;

    if (info->flags & VYI_OP_VALUE)
        s->d = vyi_thing_register(w, index);
    if (inst->op == VYI_OP_LOCAL || inst->op == VYI_OP_SET)
        s->d = vyi_thing_register(w, vyi_local_thing(w->d, inst->arg[0]));
    if (info->flags & VYI_OP_MEMORY)
        s->memory = &w->m->memories[inst->arg[0] - 1];

    const uint32_t opener = inst->link;
    if (inst->op == VYI_OP_END && w->d->p->insts[opener].op == VYI_OP_LOOP) {
        s->d = vyi_thing_register(w, opener);
        s->b = vyi_thing_register(w, w->d->p->insts[opener].arg[1] - 1);
    }
}

/* Shell's sort: in place, and quick enough for any number of cases. */
static void vyi_sort_cases(vyi_step_case *cases, uint32_t count)
{
    for (uint32_t gap = count / 2; gap > 0; gap /= 2) {
        for (uint32_t i = gap; i < count; i++) {
            const vyi_step_case moved = cases[i];
            uint32_t at = i;
            for (; at >= gap && cases[at - gap].literal > moved.literal; at -= gap)
                cases[at] = cases[at - gap];
            cases[at] = moved;
        }
    }
}

static void vyi_write_cases(vyi_step_writer *w, vyi_step_block *b, uint32_t index)
{
    const vyi_inst *insts = w->d->p->insts;
    uint32_t default_arm = VYI_NO_INDEX;
    b->cases = w->m->cases + w->cases;
    b->starts = w->m->starts + w->starts;
    for (uint32_t i = insts[index].link; insts[i].op != VYI_OP_END; i = insts[i].link) {
        const uint32_t arm = b->arm_count++;
        if (insts[i].op == VYI_OP_DEFAULT) {
            default_arm = arm;
            continue;
        }
        b->cases[b->case_count].literal = insts[i].arg[0];
        b->cases[b->case_count++].arm = arm;
    }
    b->default_arm = default_arm == VYI_NO_INDEX ? b->arm_count : default_arm;
    vyi_sort_cases(b->cases, b->case_count);
    w->cases += b->case_count;
    w->starts += b->arm_count + 2;
}

static void vyi_write_opener(vyi_step_writer *w, uint32_t index)
{
    const vyi_inst *inst = &w->d->p->insts[index];
    const size_t lanes = w->m->lanes_padded;
    vyi_step_block *b = &w->m->blocks[w->blocks++];
    b->kept = w->m->lists + (size_t)w->depth * 3 * lanes;
    b->first = b->kept + lanes;
    b->second = b->first + lanes;
    b->is_round_loop = inst->op == VYI_OP_FOREVER && inst->sub == 1;
    b->body = vyi_step_at(w, index + 1);
    if (inst->op == VYI_OP_SWITCH)
        vyi_write_cases(w, b, index);
    w->open[w->depth].block = b;
    w->open[w->depth].arm = index;
    w->open[w->depth].arms = 0;
    w->depth++;
}

/* Opens, switches arms, or closes; sets what of a step depends on that. */
VYI_OUTLINE
static void vyi_write_structure(vyi_step_writer *w, vyi_step *s, uint32_t index)
{
    const vyi_inst *inst = &w->d->p->insts[index];
    const uint32_t flags = vyi_op_describe(inst->op)->flags;
    if (flags & VYI_OP_OPENS)
        vyi_write_opener(w, index);
    vyi_step_open *open = w->depth ? &w->open[w->depth - 1] : NULL;
    if (flags & VYI_OP_ARM) {
        open->arm = index;
        s->arm = open->arms++;
    }
    s->block = open ? open->block : NULL;
    if (inst->op == VYI_OP_END) {
        w->depth--;
        s->block->after = vyi_step_at(w, index + 1);
        s->block->skip = vyi_way_out(w);
    }
    s->skip = vyi_way_out(w);
}

static vyi_lanes_fn vyi_lanes_of(const vyi_step_writer *w, vyi_step *s, const vyi_inst *inst)
{
    switch (inst->op) {
    case VYI_OP_GET:
    case VYI_OP_LOCAL: return vyi_lanes_copy_fn();
    case VYI_OP_BUILTIN:
        if (inst->sub == VYRE_BUILTIN_LOOP_CUT) {
            s->a = s->b = s->c = w->m->cut;
            return vyi_lanes_copy_fn();
        }
        s->a = s->c = vyi_register(w, w->d->limit);
        s->b = w->m->spent;
        return vyi_lanes_sub_fn();
    case VYI_OP_BINARY:
    case VYI_OP_UNARY:
    case VYI_OP_FMA:
    case VYI_OP_SELECT:
    case VYI_OP_CAST: return vyi_lanes_find(inst, vyi_definition(w->d->p, inst->arg[0])->type);
    default: return NULL;
    }
}

static uint8_t vyi_leave_state(const vyi_inst *inst)
{
    if (inst->op == VYI_OP_BREAK)
        return VYI_LANE_BROKE;
    return inst->op == VYI_OP_CONTINUE ? VYI_LANE_CONTINUED : VYI_LANE_RETURNED;
}

static void vyi_write_step(vyi_step_writer *w, uint32_t index)
{
    const vyi_inst *inst = &w->d->p->insts[index];
    vyi_step *s = &w->m->steps[w->d->step_of[index]];
    s->type = inst->type;
    s->sub = inst->sub;
    if (vyi_op_describe(inst->op)->flags & VYI_OP_LEAVES)
        s->sub = vyi_leave_state(inst);
    vyi_write_operands(w, s, index);
    vyi_write_structure(w, s, index);
    s->lanes = vyi_lanes_of(w, s, inst);
    if (!s->lanes)
        s->run = vyi_step_find(inst, &w->d->p->insts[inst->link]);
    VYRE_ASSERT(s->lanes || s->run);
}

static void vyi_write_fixed(const vyi_step_writer *w)
{
    for (uint32_t i = 0; i < w->d->fixed_count; i++) {
        const vyi_inst *inst = &w->d->p->insts[w->d->fixed_list[i]];
        vyi_fixed *f = &w->m->fixed[i];
        f->d = vyi_register(w, w->d->reg[w->d->fixed_list[i]]);
        f->op = inst->op;
        f->what = vyi_fixed_what(inst);
    }
    w->m->fixed_count = w->d->fixed_count;
}

/* Buffers in order of binding; workgroup arrays one behind the other. */
VYI_OUTLINE
static void vyi_write_buffers(const vyi_code_decoder *d, vyi_machine *m)
{
    uint32_t *shared = m->shared;
    m->memory_count = d->p->buffer_count;
    m->shared_count = d->shared_count;
    for (uint32_t i = 0; i < d->p->buffer_count; i++) {
        const vyi_buffer *buffer = &d->p->buffers[i];
        m->declared[i] = buffer->count;
        if (buffer->access == VYRE_ACCESS_WORKGROUP) {
            m->memories[i].words = shared;
            m->memories[i].length = buffer->count;
            shared += buffer->count;
            continue;
        }
        uint32_t at = m->bound_count++;
        for (; at > 0 && d->p->buffers[m->bound[at - 1]].binding > buffer->binding; at--)
            m->bound[at] = m->bound[at - 1];
        m->bound[at] = i;
    }
}

static void vyi_write_machine(const vyi_code_decoder *d, vyi_machine *m)
{
    vyi_step_writer w;
    memset(&w, 0, sizeof w);
    w.d = d;
    w.m = m;
    if (d->desc->loop_limit) {
        m->spent = vyi_register(&w, d->spent);
        m->allowed = vyi_register(&w, d->allowed);
        m->cut = vyi_register(&w, d->cut);
        for (uint32_t i = 0; i < m->lanes_padded; i++)
            vyi_register(&w, d->limit)[i] = d->desc->loop_limit;
    }
    for (uint32_t i = 0; i < m->lanes_padded; i++)
        m->all[i] = (uint16_t)i;
    vyi_write_fixed(&w);
    vyi_write_buffers(d, m);
    for (uint32_t i = 0; i < d->p->count; i++) {
        if (d->step_of[i] != d->step_of[i + 1])
            vyi_write_step(&w, i);
    }
    m->steps[d->step_count - 1].run = vyi_step_halt;
}

/* --- all together -------------------------------------------------------- */

static void vyi_describe_machine(const vyi_code_decoder *d, vyi_machine *m)
{
    memset(m, 0, sizeof *m);
    m->allocator = d->desc->allocator;
    m->max_rounds = d->desc->max_rounds;
    m->loop_limit = d->desc->loop_limit;
    m->subgroup_size = d->desc->subgroup_size ? d->desc->subgroup_size : 32u;
    while (1u << m->subgroup_shift < m->subgroup_size)
        m->subgroup_shift++;
    m->lanes = 1;
    for (uint32_t i = 0; i < 3; i++) {
        m->group_size[i] = d->p->group_size[i];
        m->lanes *= m->group_size[i];
    }
    m->lanes_padded = (m->lanes + VYI_CHUNK - 1) & ~(VYI_CHUNK - 1);
}

VYI_OUTLINE
static vyre_status vyi_decode_into(vyi_code_decoder *d, vyi_machine **out, vyre_error *err)
{
    vyi_machine shape, *m;
    vyi_code_layout layout;
    vyi_find_uses(d);
    vyi_merge_gets(d);
    vyi_assign_registers(d);
    vyi_count_blocks(d);
    vyi_count_steps(d);
    vyi_describe_machine(d, &shape);

    memset(&layout, 0, sizeof layout);
    vyi_layout_machine(&layout, d, &shape);
    shape.size = layout.size;
    if (layout.overflow)
        return vyi_fail_nomem(err, SIZE_MAX);
    m = (vyi_machine *)vyi_alloc(&d->desc->allocator, layout.size);
    if (!m)
        return vyi_fail_nomem(err, layout.size);

    memset((void *)m, 0, layout.size);
    layout.base = (uint8_t *)m;
    layout.size = 0;
    vyi_layout_machine(&layout, d, &shape);
    *m = shape;
    vyi_write_machine(d, m);
    *out = m;
    return VYRE_OK;
}

VYI_OUTLINE
static void vyi_layout_decoder(vyi_code_layout *l, vyi_code_decoder *d)
{
    const size_t count = (size_t)d->p->count + 1;
    d->alias = (uint32_t *)vyi_layout_take(l, d->things, sizeof *d->alias);
    d->last = (uint32_t *)vyi_layout_take(l, d->things, sizeof *d->last);
    d->next = (uint32_t *)vyi_layout_take(l, d->things, sizeof *d->next);
    d->reg = (uint32_t *)vyi_layout_take(l, d->things, sizeof *d->reg);
    d->free_regs = (uint32_t *)vyi_layout_take(l, d->things, sizeof *d->free_regs);
    d->expiring = (uint32_t *)vyi_layout_take(l, count, sizeof *d->expiring);
    d->step_of = (uint32_t *)vyi_layout_take(l, count, sizeof *d->step_of);
    d->fixed_list = (uint32_t *)vyi_layout_take(l, count, sizeof *d->fixed_list);
    d->fixed_at = (uint32_t *)vyi_layout_take(l, (size_t)d->fixed_mask + 1, sizeof *d->fixed_at);
}

VYI_API vyre_status vyi_machine_decode(const vyre_program *p, const vyre_interp_desc *desc,
                                       vyi_machine **out, vyre_error *err)
{
    vyi_code_decoder d;
    vyi_code_layout layout;
    memset(&d, 0, sizeof d);
    d.p = p;
    d.desc = desc;
    d.things = p->count + p->local_count;
    for (d.fixed_mask = 15; d.fixed_mask < 2 * p->count; d.fixed_mask = d.fixed_mask * 2 + 1)
        continue;

    memset(&layout, 0, sizeof layout);
    vyi_layout_decoder(&layout, &d);
    const size_t size = layout.size;
    layout.base = (uint8_t *)vyi_alloc(&desc->allocator, size);
    if (!layout.base)
        return vyi_fail_nomem(err, size);
    memset(layout.base, 0xff, size);
    uint8_t *const scratch = layout.base;
    layout.size = 0;
    vyi_layout_decoder(&layout, &d);
    for (uint32_t i = 0; i < d.things; i++)
        d.alias[i] = i;

    const vyre_status status = vyi_decode_into(&d, out, err);
    vyi_free(&desc->allocator, scratch, size);
    return status;
}
/* ==========================================================================
 * interp: implementation
 *
 * The machine's life: check the description, decode (interp_code.c), bind the
 * buffers, run one workgroup after another.
 * ======================================================================= */

/* --- the description ----------------------------------------------------- */

static vyre_status vyi_check_groups(const uint32_t group_size[3], const uint32_t groups[3],
                                    vyre_error *err)
{
    for (uint32_t i = 0; i < 3; i++) {
        const uint64_t lanes = (uint64_t)groups[i] * group_size[i];
        if (lanes > 0x100000000ull)
            return vyi_fail(err, VYRE_E_INTERP_GROUPS, i,
                            "Dispatch several times, each with fewer workgroups.",
                            "%lu workgroups of %lu lanes in dimension %lu: a global id has 32 bits",
                            (unsigned long)groups[i], (unsigned long)group_size[i],
                            (unsigned long)i);
    }
    return VYRE_OK;
}

static vyre_status vyi_check_interp_desc(const vyre_program *p, const vyre_interp_desc *desc,
                                         vyre_error *err)
{
    if (!p || !desc)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass a finished program and a description.",
                        "the %s is NULL", p ? "description" : "program");
    if (!p->finished)
        return vyi_fail(err, VYRE_E_IR_UNFINISHED, 0,
                        "Call vyre_program_finish and look at its status first.",
                        "the program has not been finished");
    const uint32_t size = desc->subgroup_size;
    if (size > 128 || (size & (size - 1)) != 0)
        return vyi_fail(err, VYRE_E_INTERP_SUBGROUP, size, "Use 0 (32), 1, 2, 4, ... or 128.",
                        "the subgroup size %lu is not a power of two up to 128",
                        (unsigned long)size);
    return vyi_check_groups(p->group_size, desc->groups, err);
}

static vyre_status vyi_check_buffers(const vyi_machine *m, void *const *buffers,
                                     const size_t *sizes, uint32_t count, vyre_error *err)
{
    if (count != m->bound_count || (count && (!buffers || !sizes)))
        return vyi_fail(err, VYRE_E_INTERP_BUFFERS, count,
                        "Give one pointer and one size for each binding, ascending.",
                        "%lu buffers for %lu bindings%s", (unsigned long)count,
                        (unsigned long)m->bound_count,
                        count && (!buffers || !sizes) ? ", and no list of them" : "");
    for (uint32_t i = 0; i < count; i++) {
        if (!buffers[i] && sizes[i])
            return vyi_fail(err, VYRE_E_INTERP_BUFFERS, i,
                            "Give the buffer's memory, or the size 0.",
                            "buffer %lu of %lu is NULL, its size %llu", (unsigned long)i,
                            (unsigned long)count, (unsigned long long)sizes[i]);
        if (!vyi_aligned4(buffers[i]))
            return vyi_fail(err, VYRE_E_INTERP_ALIGN, i, "Align the buffer to 4 bytes.",
                            "buffer %lu begins %u bytes behind a 4-byte boundary",
                            (unsigned long)i, (unsigned)((uintptr_t)buffers[i] & 3u));
    }
    return VYRE_OK;
}

/* --- registers with a fixed content -------------------------------------- */

/* When the content is known. */
enum { VYI_FILL_DECODED, VYI_FILL_BOUND, VYI_FILL_RUN, VYI_FILL_GROUP };

static uint32_t vyi_fill_when(const vyi_fixed *f)
{
    if (f->op != VYI_OP_BUILTIN)
        return f->op == VYI_OP_LENGTH ? VYI_FILL_BOUND : VYI_FILL_DECODED;
    switch (f->what) {
    case VYRE_BUILTIN_GROUP_ID_X:
    case VYRE_BUILTIN_GROUP_ID_Y:
    case VYRE_BUILTIN_GROUP_ID_Z:
    case VYRE_BUILTIN_GLOBAL_ID_X:
    case VYRE_BUILTIN_GLOBAL_ID_Y:
    case VYRE_BUILTIN_GLOBAL_ID_Z: return VYI_FILL_GROUP;
    case VYRE_BUILTIN_GROUP_COUNT_X:
    case VYRE_BUILTIN_GROUP_COUNT_Y:
    case VYRE_BUILTIN_GROUP_COUNT_Z: return VYI_FILL_RUN;
    default: return VYI_FILL_DECODED;
    }
}

static uint32_t vyi_local_id(const vyi_machine *m, uint32_t lane, uint32_t axis)
{
    if (axis == 0)
        return m->lanes == m->group_size[0] ? lane : lane % m->group_size[0];
    lane /= m->group_size[0];
    return axis == 1 ? lane % m->group_size[1] : lane / m->group_size[1];
}

static uint32_t vyi_builtin_of(const vyi_machine *m, uint32_t what, uint32_t lane)
{
    if (what <= VYRE_BUILTIN_LOCAL_ID_Z)
        return vyi_local_id(m, lane, what - VYRE_BUILTIN_LOCAL_ID_X);
    if (what <= VYRE_BUILTIN_GROUP_ID_Z)
        return m->group[what - VYRE_BUILTIN_GROUP_ID_X];
    if (what <= VYRE_BUILTIN_GLOBAL_ID_Z) {
        const uint32_t axis = what - VYRE_BUILTIN_GLOBAL_ID_X;
        return m->group[axis] * m->group_size[axis] + vyi_local_id(m, lane, axis);
    }
    if (what <= VYRE_BUILTIN_GROUP_SIZE_Z)
        return m->group_size[what - VYRE_BUILTIN_GROUP_SIZE_X];
    if (what <= VYRE_BUILTIN_GROUP_COUNT_Z)
        return m->groups[what - VYRE_BUILTIN_GROUP_COUNT_X];
    switch (what) {
    case VYRE_BUILTIN_LOCAL_INDEX: return lane;
    case VYRE_BUILTIN_SUBGROUP_LANE: return lane & (m->subgroup_size - 1);
    case VYRE_BUILTIN_SUBGROUP_SIZE: return m->subgroup_size;
    case VYRE_BUILTIN_LOOP_LEFT: return 0xffffffffu;
    default: return 0;
    }
}

static void vyi_fill_fixed(const vyi_machine *m, uint32_t when)
{
    for (uint32_t i = 0; i < m->fixed_count; i++) {
        const vyi_fixed *f = &m->fixed[i];
        if (vyi_fill_when(f) != when)
            continue;
        for (uint32_t lane = 0; lane < m->lanes_padded; lane++) {
            switch (f->op) {
            case VYI_OP_CONST: f->d[lane] = f->what; break;
            case VYI_OP_LENGTH: f->d[lane] = m->memories[f->what - 1].length; break;
            default: f->d[lane] = vyi_builtin_of(m, f->what, lane); break;
            }
        }
    }
}

/* --- life ---------------------------------------------------------------- */

VYI_API vyre_status vyi_machine_bind(vyi_machine *m, void *const *buffers, const size_t *sizes,
                                     uint32_t count, vyre_error *err)
{
    const vyre_status status = vyi_check_buffers(m, buffers, sizes, count, err);
    if (status < 0)
        return status;
    for (uint32_t i = 0; i < count; i++) {
        const size_t words = sizes[i] / 4;
        const uint32_t declared = m->declared[m->bound[i]];
        vyi_step_memory *memory = &m->memories[m->bound[i]];
        memory->words = (vyi_memory_word *)buffers[i];
        memory->length = words > 0xffffffffu ? 0xffffffffu : (uint32_t)words;
        if (declared && memory->length > declared)
            memory->length = declared;
    }
    vyi_fill_fixed(m, VYI_FILL_BOUND);
    return VYRE_OK;
}

VYI_API vyre_status vyi_machine_create(const vyre_program *p, const vyre_interp_desc *desc,
                                       vyi_machine **out, vyre_error *err)
{
    vyi_machine *m;
    vyre_status status = vyi_check_interp_desc(p, desc, err);
    if (status < 0)
        return status;
    status = vyi_machine_decode(p, desc, &m, err);
    if (status < 0)
        return status;
    status = vyi_machine_bind(m, desc->buffers, desc->sizes, desc->buffer_count, err);
    if (status < 0) {
        vyi_machine_destroy(m);
        return status;
    }
    vyi_fill_fixed(m, VYI_FILL_DECODED);
    *out = m;
    return VYRE_OK;
}

VYI_API void vyi_machine_destroy(vyi_machine *m)
{
    if (!m)
        return;
    const vyre_allocator allocator = m->allocator;
    vyi_free(&allocator, m, m->size);
}

VYI_API void vyi_machine_on_round(vyi_machine *m, vyi_round_fn ask, void *user)
{
    m->ask = ask;
    m->ask_user = user;
}

VYI_API void vyi_machine_stop_by(vyi_machine *m, const uint32_t *flag)
{
    m->stop_flag = flag;
}

/* --- running ------------------------------------------------------------- */

static void vyi_run_group(vyi_machine *m)
{
    const vyi_step *s = m->steps;
    if (vyi_machine_stopped(m))
        return;
    memset(m->state, VYI_LANE_RUNS, m->lanes);
    memset(m->shared, 0, m->shared_count * sizeof *m->shared);
    for (uint32_t i = 0; m->loop_limit && i < m->lanes_padded; i++) {
        m->spent[i] = m->cut[i] = 0;
        m->allowed[i] = m->loop_limit;
    }
    vyi_fill_fixed(m, VYI_FILL_GROUP);
    m->active.lanes = m->all;
    m->active.count = m->lanes;
    m->active.lo = 0;
    m->active.hi = m->lanes_padded;

    while (s) {
        const uint32_t lo = m->active.lo;
        if (s->lanes) {
            s->lanes(s->d + lo, s->a + lo, s->b + lo, s->c + lo, m->active.hi - lo);
            s++;
        } else {
            s = s->run(m, s);
        }
    }
}

VYI_API vyre_status vyi_machine_run(vyi_machine *m, const uint32_t groups[3],
                                    uint64_t max_rounds, vyre_error *err)
{
    const vyre_status status = vyi_check_groups(m->group_size, groups, err);
    if (status < 0)
        return status;
    for (uint32_t i = 0; i < 3; i++)
        m->groups[i] = groups[i] ? groups[i] : 1u;
    m->max_rounds = max_rounds;
    m->timed_out = false;
    vyi_fill_fixed(m, VYI_FILL_RUN);
    for (m->group[2] = 0; m->group[2] < m->groups[2]; m->group[2]++) {
        for (m->group[1] = 0; m->group[1] < m->groups[1]; m->group[1]++) {
            for (m->group[0] = 0; m->group[0] < m->groups[0]; m->group[0]++)
                vyi_run_group(m);
        }
    }
    return m->timed_out ? VYRE_TIMEOUT : VYRE_OK;
}

VYRE_API vyre_status vyre_interpret(const vyre_program *p, const vyre_interp_desc *desc,
                                    vyre_error *err)
{
    vyi_machine *m;
    vyre_status status = vyi_machine_create(p, desc, &m, err);
    if (status < 0)
        return status;
    status = vyi_machine_run(m, desc->groups, desc->max_rounds, err);
    vyi_machine_destroy(m);
    return status;
}
/* ==========================================================================
 * range: what the conditions around a place say about values
 *
 * Private.  Whoever walks a program tells what holds as it goes, and puts the
 * count of facts back where that ends; in between it may ask what numbers a
 * value can be, and whether an index certainly lies inside its buffer.
 * ======================================================================= */
/* ==========================================================================
 * range: what the conditions around a place say about values
 *
 * Private.
 *
 *     const uint32_t outside = r.count;
 *     vyi_range_learn(&r, cond, true);     // inside `if cond`
 *     if (vyi_range_inside(&r, buffer, index)) ...
 *     r.count = outside;                   // at its end
 * ======================================================================= */
#ifndef VYI_RANGE_IMPL_H
#define VYI_RANGE_IMPL_H


VYI_EXTERN_C_BEGIN

#define VYI_RANGE_FACTS 64u /* latest facts that a query looks at */
#define VYI_RANGE_DEPTH 6u  /* definitions that a query follows */

/* Known to hold at the current place: low < high, or low <= high, as u32.
 * Both are ids of values of the program. */
typedef struct vyi_fact {
    uint32_t low, high;
    bool     strict;
} vyi_fact;

typedef struct vyi_range {
    const vyre_program *p;
    vyi_fact *facts;
    uint32_t  count, capacity;
    bool      failed; /* out of memory: facts are missing */
} vyi_range;

VYI_API void vyi_range_add(vyi_range *r, uint32_t low, uint32_t high, bool strict);
/* What follows from `cond` being `truth`. */
VYI_API void vyi_range_learn(vyi_range *r, uint32_t cond, bool truth);
/* The largest number that a u32 value can be here; follows `depth` definitions. */
VYI_API uint32_t vyi_range_limit(const vyi_range *r, uint32_t value, uint32_t depth);
/* Whether `index` is certainly below the buffer's length. */
VYI_API bool vyi_range_inside(const vyi_range *r, uint32_t buffer, uint32_t index);
VYI_API void vyi_range_free(vyi_range *r);

VYI_EXTERN_C_END

#endif

VYI_API void vyi_range_add(vyi_range *r, uint32_t low, uint32_t high, bool strict)
{
    void *facts = r->facts;
    if (!vyi_grow(&r->p->allocator, &facts, &r->capacity, r->count + 1, sizeof *r->facts)) {
        r->failed = true;
        return;
    }
    r->facts = (vyi_fact *)facts;
    r->facts[r->count].low = low;
    r->facts[r->count].high = high;
    r->facts[r->count++].strict = strict;
}

/* The four comparisons as "low < high" or "low <= high". */
static void vyi_range_compare_fact(vyi_range *r, const vyi_inst *inst, bool truth)
{
    const bool less = inst->sub == VYI_BINARY_LT || inst->sub == VYI_BINARY_LE;
    const bool strict = inst->sub == VYI_BINARY_LT || inst->sub == VYI_BINARY_GT;
    const uint32_t low = less ? inst->arg[0] : inst->arg[1];
    const uint32_t high = less ? inst->arg[1] : inst->arg[0];
    if (inst->sub < VYI_BINARY_LT || inst->sub > VYI_BINARY_GE ||
        vyi_definition(r->p, low)->type != VYRE_TYPE_U32)
        return;
    if (truth)
        vyi_range_add(r, low, high, strict);
    else
        vyi_range_add(r, high, low, !strict);
}

/* A condition that is known, still to be looked into. */
typedef struct vyi_range_known {
    uint32_t cond;
    bool     truth;
} vyi_range_known;

/* `select(c, x, y) == literal` tells c when one of x and y is another literal. */
static bool vyi_range_select_tells(const vyi_range *r, const vyi_inst *inst, vyi_range_known *out)
{
    const vyi_inst *select = vyi_definition(r->p, inst->arg[0]);
    uint32_t wanted, bits;
    if (inst->sub != VYI_BINARY_EQ || select->op != VYI_OP_SELECT ||
        select->type == VYRE_TYPE_F32 || !vyi_literal(r->p, inst->arg[1], &wanted))
        return false;
    out->cond = select->arg[0];
    out->truth = vyi_literal(r->p, select->arg[2], &bits) && bits != wanted;
    return out->truth || (vyi_literal(r->p, select->arg[1], &bits) && bits != wanted);
}

/* Adds what `known` says directly to `out`, and returns how many of its parts
 * remain to be looked into: both sides of a conjunction, or of a disjunction
 * that is false. */
static uint32_t vyi_range_parts(vyi_range *r, vyi_range_known known, vyi_range_known out[2])
{
    const vyi_inst *inst = vyi_definition(r->p, known.cond);
    if (inst->op == VYI_OP_UNARY && inst->sub == VYI_UNARY_NOT) {
        out[0].cond = inst->arg[0];
        out[0].truth = !known.truth;
        return 1;
    }
    if (inst->op != VYI_OP_BINARY)
        return 0;
    if (inst->type == VYRE_TYPE_BOOL &&
        inst->sub == (known.truth ? VYI_BINARY_AND : VYI_BINARY_OR)) {
        for (uint32_t i = 0; i < 2; i++) {
            out[i].cond = inst->arg[i];
            out[i].truth = known.truth;
        }
        return 2;
    }
    vyi_range_compare_fact(r, inst, known.truth);
    return known.truth && vyi_range_select_tells(r, inst, &out[0]) ? 1 : 0;
}

VYI_API void vyi_range_learn(vyi_range *r, uint32_t cond, bool truth)
{
    vyi_range_known pending[VYI_RANGE_DEPTH * 2];
    uint32_t count = 1;
    pending[0].cond = cond;
    pending[0].truth = truth;
    while (count && count < VYI_RANGE_DEPTH * 2) {
        const vyi_range_known known = pending[--count];
        count += vyi_range_parts(r, known, pending + count);
    }
}

static uint32_t vyi_range_oldest(const vyi_range *r)
{
    return r->count > VYI_RANGE_FACTS ? r->count - VYI_RANGE_FACTS : 0;
}

static bool vyi_range_is_length(const vyi_range *r, uint32_t value, uint32_t buffer)
{
    const vyi_inst *inst = vyi_definition(r->p, value);
    return inst->op == VYI_OP_LENGTH && inst->arg[0] == buffer;
}

/* Elements that the buffer has for certain. */
static uint32_t vyi_range_known_length(const vyi_range *r, uint32_t buffer)
{
    const vyi_buffer *b = vyi_buffer_of(r->p, buffer);
    uint32_t known = b->access == VYRE_ACCESS_WORKGROUP ? b->count : 0;
    for (uint32_t i = vyi_range_oldest(r); i < r->count; i++) {
        const vyi_fact *fact = &r->facts[i];
        uint32_t bits;
        if (!vyi_range_is_length(r, fact->high, buffer) || !vyi_literal(r->p, fact->low, &bits))
            continue;
        if (fact->strict && bits < 0xffffffffu)
            bits++;
        known = bits > known ? bits : known;
    }
    return known;
}

static uint32_t vyi_range_min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* The largest result that an operator can have, from those of its operands. */
static uint32_t vyi_range_binary_limit(const vyi_range *r, const vyi_inst *inst, uint32_t depth)
{
    const uint64_t a = vyi_range_limit(r, inst->arg[0], depth);
    const uint64_t b = vyi_range_limit(r, inst->arg[1], depth);
    uint32_t literal = 0;
    const bool fixed = vyi_literal(r->p, inst->arg[1], &literal);
    uint64_t most = 0xffffffffu;
    switch (inst->sub) {
    case VYI_BINARY_AND: case VYI_BINARY_MIN: most = a < b ? a : b; break;
    case VYI_BINARY_MAX: most = a > b ? a : b; break;
    case VYI_BINARY_ADD: most = a + b; break;
    case VYI_BINARY_MUL: most = a * b; break;
    case VYI_BINARY_SHL: most = fixed ? a << (literal & 31u) : most; break;
    case VYI_BINARY_SHR: most = fixed ? a >> (literal & 31u) : a; break;
    case VYI_BINARY_DIV: most = fixed && literal ? a / literal : most; break;
    case VYI_BINARY_REM: most = fixed && literal && literal - 1 < a ? literal - 1 : a; break;
    default: break;
    }
    return most > 0xffffffffu ? 0xffffffffu : (uint32_t)most;
}

VYI_API uint32_t vyi_range_limit(const vyi_range *r, uint32_t value, uint32_t depth)
{
    const vyi_inst *inst = vyi_definition(r->p, value);
    uint32_t most = 0xffffffffu, bits;
    if (inst->type != VYRE_TYPE_U32)
        return most;
    if (inst->op == VYI_OP_CONST)
        return inst->arg[0];
    if (depth && inst->op == VYI_OP_BINARY)
        most = vyi_range_binary_limit(r, inst, depth - 1);
    else if (depth && inst->op == VYI_OP_CAST &&
             vyi_definition(r->p, inst->arg[0])->type == VYRE_TYPE_BOOL)
        most = 1;
    else if (depth && inst->op == VYI_OP_UNARY && inst->sub == VYI_UNARY_UNIFORM)
        most = vyi_range_limit(r, inst->arg[0], depth - 1);
    for (uint32_t i = vyi_range_oldest(r); i < r->count; i++)
        if (r->facts[i].low == value && vyi_literal(r->p, r->facts[i].high, &bits))
            most = vyi_range_min_u32(most, bits - (r->facts[i].strict && bits ? 1u : 0u));
    return most;
}

/* Whether `value` is *unit moved by a literal *shift: by operator `move`, or by
 * `scale` and a power of two. */
static bool vyi_range_moved(const vyi_range *r, uint32_t value, uint32_t move, uint32_t scale,
                          uint32_t *unit, uint32_t *shift)
{
    const vyi_inst *inst = vyi_definition(r->p, value);
    uint32_t bits;
    *unit = value;
    *shift = 0;
    if (inst->op != VYI_OP_BINARY || inst->type != VYRE_TYPE_U32 ||
        !vyi_literal(r->p, inst->arg[1], &bits) ||
        (inst->sub != move && (inst->sub != scale || !bits || (bits & (bits - 1)))))
        return false;
    *unit = inst->arg[0];
    *shift = bits & 31u;
    if (inst->sub == scale)
        for (*shift = 0; (bits >>= 1) != 0; ++*shift) {}
    return true;
}

/* How often `value` fits into the buffer, as a shift: the buffer's length is
 * at least value << *shift.  That is so for the length, for length >> n and
 * for length / 2^n. */
static bool vyi_range_length_part(const vyi_range *r, uint32_t value, uint32_t buffer,
                                  uint32_t *shift)
{
    uint32_t unit;
    vyi_range_moved(r, value, VYI_BINARY_SHR, VYI_BINARY_DIV, &unit, shift);
    return vyi_range_is_length(r, unit, buffer);
}

/* Whether `unit` << shift, plus anything below 1 << shift, lies inside: it
 * does when unit < length >> shift. */
static bool vyi_range_unit_inside(const vyi_range *r, uint32_t buffer, uint32_t unit,
                                  uint32_t shift)
{
    uint32_t part;
    for (uint32_t i = vyi_range_oldest(r); i < r->count; i++)
        if (r->facts[i].strict && r->facts[i].low == unit &&
            vyi_range_length_part(r, r->facts[i].high, buffer, &part) && part >= shift)
            return true;
    return false;
}

/* Whether value is max(length, base) - base: what lies behind a header. */
static bool vyi_range_length_behind(const vyi_range *r, uint32_t value, uint32_t buffer,
                                    uint32_t base)
{
    const vyi_inst *sub = vyi_definition(r->p, value);
    uint32_t bits;
    if (sub->op != VYI_OP_BINARY || sub->sub != VYI_BINARY_SUB ||
        !vyi_literal(r->p, sub->arg[1], &bits) || bits != base)
        return false;
    const vyi_inst *max = vyi_definition(r->p, sub->arg[0]);
    return max->op == VYI_OP_BINARY && max->sub == VYI_BINARY_MAX &&
           vyi_range_is_length(r, max->arg[0], buffer) && max->type == VYRE_TYPE_U32 &&
           vyi_literal(r->p, max->arg[1], &bits) && bits == base;
}

/* Whether `index` is x + base with x < max(length, base) - base. */
static bool vyi_range_behind_header(const vyi_range *r, uint32_t buffer, uint32_t index)
{
    const vyi_inst *inst = vyi_definition(r->p, index);
    uint32_t base;
    if (inst->op != VYI_OP_BINARY || inst->sub != VYI_BINARY_ADD ||
        !vyi_literal(r->p, inst->arg[1], &base))
        return false;
    for (uint32_t i = vyi_range_oldest(r); i < r->count; i++)
        if (r->facts[i].strict && r->facts[i].low == inst->arg[0] &&
            vyi_range_length_behind(r, r->facts[i].high, buffer, base))
            return true;
    return false;
}

/* Whether `index` is certainly below the buffer's length.  It is when its
 * largest value is below the length that is known, or when it is a sum of one
 * scaled term, unit << shift with unit < length >> shift, and small ones. */
VYI_API bool vyi_range_inside(const vyi_range *r, uint32_t buffer, uint32_t index)
{
    uint64_t rest = 0;
    uint32_t unit, shift, value = index;
    if (vyi_range_limit(r, index, VYI_RANGE_DEPTH) < vyi_range_known_length(r, buffer) ||
        vyi_range_behind_header(r, buffer, index))
        return true;
    for (uint32_t depth = 0; depth < VYI_RANGE_DEPTH; depth++) {
        const vyi_inst *inst = vyi_definition(r->p, value);
        vyi_range_moved(r, value, VYI_BINARY_SHL, VYI_BINARY_MUL, &unit, &shift);
        if (rest < (1ull << shift) && vyi_range_unit_inside(r, buffer, unit, shift))
            return true;
        if (inst->op != VYI_OP_BINARY || inst->type != VYRE_TYPE_U32 ||
            inst->sub != VYI_BINARY_ADD)
            return false;
        const uint32_t left = vyi_range_limit(r, inst->arg[0], 2);
        const uint32_t right = vyi_range_limit(r, inst->arg[1], 2);
        rest += left < right ? left : right;
        value = left < right ? inst->arg[1] : inst->arg[0];
    }
    return false;
}

VYI_API void vyi_range_free(vyi_range *r)
{
    vyi_free(&r->p->allocator, r->facts, r->capacity * sizeof *r->facts);
}
/* ==========================================================================
 * spirv: buffers, orders, and the bounds of indices
 *
 * Private.  Every access is inside its buffer: by a check at run time, or by
 * what the conditions around it say about its index (range_impl.h).
 * ======================================================================= */
/* ==========================================================================
 * spirv: the numbers of the standard, and the emitter's state
 *
 * Private.  The numbers are from the unified SPIR-V specification and from
 * GLSL.std.450; the names are those of the standard, so that a test can
 * compare each number with the official header.
 * ======================================================================= */
#ifndef VYI_SPIRV_IMPL_H
#define VYI_SPIRV_IMPL_H


VYI_EXTERN_C_BEGIN

#define VYI_SPV_MAGIC 0x07230203u

/* X(name, number) */
#define VYI_SPV_OP_LIST(X)                                                                         \
    X(Name, 5) X(Extension, 10) X(ExtInstImport, 11) X(ExtInst, 12) X(MemoryModel, 14)             \
    X(EntryPoint, 15) X(ExecutionMode, 16) X(Capability, 17)                                       \
    X(TypeVoid, 19) X(TypeBool, 20) X(TypeInt, 21) X(TypeFloat, 22) X(TypeVector, 23)              \
    X(TypeArray, 28) X(TypeRuntimeArray, 29) X(TypeStruct, 30) X(TypePointer, 32)                  \
    X(TypeFunction, 33)                                                                            \
    X(ConstantTrue, 41) X(ConstantFalse, 42) X(Constant, 43)                                       \
    X(SpecConstant, 50) X(SpecConstantComposite, 51)                                               \
    X(Function, 54) X(FunctionEnd, 56) X(Variable, 59) X(Load, 61) X(Store, 62)                    \
    X(AccessChain, 65) X(ArrayLength, 68) X(Decorate, 71) X(MemberDecorate, 72)                    \
    X(CompositeExtract, 81)                                                                        \
    X(ConvertFToU, 109) X(ConvertFToS, 110) X(ConvertSToF, 111) X(ConvertUToF, 112)                \
    X(Bitcast, 124) X(SNegate, 126) X(FNegate, 127)                                                \
    X(IAdd, 128) X(FAdd, 129) X(ISub, 130) X(FSub, 131) X(IMul, 132) X(FMul, 133)                  \
    X(UDiv, 134) X(SDiv, 135) X(FDiv, 136) X(UMod, 137) X(UMulExtended, 151)                       \
    X(IsNan, 156) X(IsInf, 157)                                                                    \
    X(LogicalEqual, 164) X(LogicalNotEqual, 165) X(LogicalOr, 166) X(LogicalAnd, 167)              \
    X(LogicalNot, 168) X(Select, 169) X(IEqual, 170) X(INotEqual, 171)                             \
    X(UGreaterThan, 172) X(SGreaterThan, 173) X(UGreaterThanEqual, 174)                            \
    X(SGreaterThanEqual, 175) X(ULessThan, 176) X(SLessThan, 177) X(ULessThanEqual, 178)           \
    X(SLessThanEqual, 179) X(FOrdEqual, 180) X(FUnordNotEqual, 183) X(FOrdLessThan, 184)           \
    X(FOrdGreaterThan, 186) X(FOrdLessThanEqual, 188) X(FOrdGreaterThanEqual, 190)                 \
    X(ShiftRightLogical, 194) X(ShiftRightArithmetic, 195) X(ShiftLeftLogical, 196)                \
    X(BitwiseOr, 197) X(BitwiseXor, 198) X(BitwiseAnd, 199) X(Not, 200)                            \
    X(BitReverse, 204) X(BitCount, 205)                                                            \
    X(ControlBarrier, 224) X(MemoryBarrier, 225)                                                   \
    X(AtomicLoad, 227) X(AtomicStore, 228) X(AtomicExchange, 229)                                  \
    X(AtomicCompareExchange, 230) X(AtomicIAdd, 234) X(AtomicISub, 235) X(AtomicSMin, 236)         \
    X(AtomicUMin, 237) X(AtomicSMax, 238) X(AtomicUMax, 239) X(AtomicAnd, 240)                     \
    X(AtomicOr, 241) X(AtomicXor, 242)                                                             \
    X(Phi, 245) X(LoopMerge, 246) X(SelectionMerge, 247) X(Label, 248) X(Branch, 249)              \
    X(BranchConditional, 250) X(Switch, 251) X(Return, 253) X(Unreachable, 255)                    \
    X(GroupNonUniformElect, 333) X(GroupNonUniformAll, 334) X(GroupNonUniformAny, 335)             \
    X(GroupNonUniformBroadcastFirst, 338) X(GroupNonUniformBallot, 339)                            \
    X(GroupNonUniformShuffle, 345)                                                                 \
    X(GroupNonUniformIAdd, 349) X(GroupNonUniformFAdd, 350) X(GroupNonUniformSMin, 353)            \
    X(GroupNonUniformUMin, 354) X(GroupNonUniformFMin, 355) X(GroupNonUniformSMax, 356)            \
    X(GroupNonUniformUMax, 357) X(GroupNonUniformFMax, 358)                                        \
    X(GroupNonUniformBitwiseAnd, 359) X(GroupNonUniformBitwiseOr, 360)                             \
    X(GroupNonUniformBitwiseXor, 361) X(GroupNonUniformLogicalAnd, 362)                            \
    X(GroupNonUniformLogicalOr, 363) X(GroupNonUniformLogicalXor, 364)

/* X(kind, name, number): everything that is not an instruction. */
#define VYI_SPV_ENUM_LIST(X)                                                                       \
    X(Capability, Shader, 1) X(Capability, GroupNonUniform, 61)                                    \
    X(Capability, GroupNonUniformVote, 62) X(Capability, GroupNonUniformArithmetic, 63)            \
    X(Capability, GroupNonUniformBallot, 64) X(Capability, GroupNonUniformShuffle, 65)             \
    X(Capability, VulkanMemoryModel, 5345)                                                         \
    X(Capability, VulkanMemoryModelDeviceScope, 5346)                                              \
    X(AddressingModel, Logical, 0) X(MemoryModel, GLSL450, 1) X(MemoryModel, Vulkan, 3)            \
    X(ExecutionModel, GLCompute, 5) X(ExecutionMode, LocalSize, 17)                                \
    X(StorageClass, Input, 1) X(StorageClass, Workgroup, 4) X(StorageClass, PushConstant, 9)       \
    X(StorageClass, StorageBuffer, 12)                                                             \
    X(Decoration, SpecId, 1) X(Decoration, Block, 2) X(Decoration, ArrayStride, 6)                 \
    X(Decoration, BuiltIn, 11) X(Decoration, Coherent, 23) X(Decoration, NonWritable, 24)          \
    X(Decoration, Binding, 33) X(Decoration, DescriptorSet, 34) X(Decoration, Offset, 35)          \
    X(BuiltIn, NumWorkgroups, 24) X(BuiltIn, WorkgroupSize, 25) X(BuiltIn, WorkgroupId, 26)        \
    X(BuiltIn, LocalInvocationId, 27) X(BuiltIn, GlobalInvocationId, 28)                           \
    X(BuiltIn, LocalInvocationIndex, 29) X(BuiltIn, SubgroupSize, 36)                              \
    X(BuiltIn, SubgroupLocalInvocationId, 41)                                                      \
    X(Scope, Device, 1) X(Scope, Workgroup, 2) X(Scope, Subgroup, 3)                               \
    X(GroupOperation, Reduce, 0)

/* X(name, bits): masks; the official names end in Mask. */
#define VYI_SPV_MASK_LIST(X)                                                                       \
    X(MemoryAccessMakePointerAvailable, 0x8) X(MemoryAccessMakePointerVisible, 0x10)               \
    X(MemoryAccessNonPrivatePointer, 0x20)                                                         \
    X(MemorySemanticsAcquire, 0x2) X(MemorySemanticsRelease, 0x4)                                  \
    X(MemorySemanticsAcquireRelease, 0x8) X(MemorySemanticsUniformMemory, 0x40)                    \
    X(MemorySemanticsWorkgroupMemory, 0x100) X(MemorySemanticsMakeAvailable, 0x2000)               \
    X(MemorySemanticsMakeVisible, 0x4000)

/* X(name, number): GLSL.std.450 */
#define VYI_SPV_GLSL_LIST(X)                                                                       \
    X(RoundEven, 2) X(Trunc, 3) X(FAbs, 4) X(SAbs, 5) X(FSign, 6) X(SSign, 7) X(Floor, 8)          \
    X(Ceil, 9) X(Sin, 13) X(Cos, 14) X(Tan, 15) X(Exp, 27) X(Log, 28) X(Exp2, 29) X(Log2, 30)      \
    X(Sqrt, 31) X(InverseSqrt, 32) X(UMin, 38) X(SMin, 39) X(UMax, 41) X(SMax, 42) X(Fma, 50)      \
    X(FindILsb, 73) X(FindUMsb, 75) X(NMin, 79) X(NMax, 80) X(NClamp, 81)

enum {
#define VYI_SPV_ENUM_OP(name, number) VYI_SPV_Op##name = (number),
    VYI_SPV_OP_LIST(VYI_SPV_ENUM_OP)
#undef VYI_SPV_ENUM_OP
#define VYI_SPV_ENUM_ANY(kind, name, number) VYI_SPV_##kind##name = (number),
    VYI_SPV_ENUM_LIST(VYI_SPV_ENUM_ANY)
#undef VYI_SPV_ENUM_ANY
#define VYI_SPV_ENUM_MASK(name, bits) VYI_SPV_##name = (bits),
    VYI_SPV_MASK_LIST(VYI_SPV_ENUM_MASK)
#undef VYI_SPV_ENUM_MASK
#define VYI_SPV_ENUM_GLSL(name, number) VYI_SPV_Glsl##name = (number),
    VYI_SPV_GLSL_LIST(VYI_SPV_ENUM_GLSL)
#undef VYI_SPV_ENUM_GLSL
    VYI_SPV_ENUM_END
};

/* VkSubgroupFeatureFlagBits */
enum {
    VYI_SUBGROUP_BASIC = 1,
    VYI_SUBGROUP_VOTE = 2,
    VYI_SUBGROUP_ARITHMETIC = 4,
    VYI_SUBGROUP_BALLOT = 8,
    VYI_SUBGROUP_SHUFFLE = 16
};

/* --- the emitter --------------------------------------------------------- */

/* Sections, in the order of the finished module; INTERFACE is a list for the
 * entry point, and no section of its own. */
enum {
    VYI_SPV_CAPABILITIES,
    VYI_SPV_IMPORT,
    VYI_SPV_ENTRY, /* memory model and entry point */
    VYI_SPV_MODES,
    VYI_SPV_NAMES,
    VYI_SPV_DECORATIONS,
    VYI_SPV_GLOBALS,
    VYI_SPV_START, /* the function's first block: loads of builtins and lengths */
    VYI_SPV_BODY,
    VYI_SPV_INTERFACE,
    VYI_SPV_SECTIONS
};

#define VYI_SPV_MAIN     1u  /* id of the function */

#define VYI_SPV_NEEDED   1u /* it has an effect, or a value that is used */
#define VYI_SPV_USED     2u /* its value is an operand of something needed */
#define VYI_SPV_KEPT     4u /* of something that is not an if */
#define VYI_SPV_BUCKETS  512u
#define VYI_SPV_OPERANDS 5u /* of an instruction that goes through a set */

typedef struct vyi_spv_words {
    uint32_t *at;
    uint32_t  count, capacity;
} vyi_spv_words;

typedef struct vyi_spv_entry {
    uint32_t hash;
    uint32_t offset; /* of the instruction in its section */
    uint32_t next;   /* entry of the same bucket, plus one */
} vyi_spv_entry;

typedef struct vyi_spv_set {
    uint32_t       section;
    uint32_t       buckets[VYI_SPV_BUCKETS];
    vyi_spv_entry *entries;
    uint32_t       count, capacity;
} vyi_spv_set;

/* An open block. */
typedef struct vyi_spv_frame {
    uint32_t opener, end;         /* indices of its instructions */
    uint32_t header, next, merge; /* labels; next: a loop's continue target */
    uint32_t arm;                 /* label of a switch's next arm */
    uint32_t touched, touched_count; /* locals it may set: a run of e->stack */
    uint32_t merge_edges, next_edges;
    uint32_t phis;                /* offset of the header's first phi */
    uint32_t counter, count;      /* a counted loop's phi, and how far it counts */
    uint32_t rounds_left, trips;
    uint32_t values, facts;       /* sizes of e->values and e->range outside */
    bool     then_left, has_else;
} vyi_spv_frame;

typedef struct vyi_spv {
    const vyre_program *p;
    vyre_spirv_desc desc;
    bool          vulkan_model;
    bool          failed;  /* out of memory: nothing is written any more */
    bool          left;    /* the current block has ended */
    bool          fed;     /* a round loop: the host may write while it runs */
    vyi_arena     arena;
    vyi_spv_words section[VYI_SPV_SECTIONS];
    vyi_spv_set   globals, values;
    vyi_spv_words stack, edges;
    vyi_range     range;
    uint32_t      next_id, block;
    uint32_t      capabilities; /* bit i: vyi_spv_optional_capabilities[i] */
    uint32_t      subgroup;
    uint32_t      memory_bits; /* storage classes that orders cover */
    bool          written[VYRE_MAX_BUFFERS]; /* by id - 1: see vyi_spv_find_written */
    uint32_t      glsl;        /* the imported instruction set */
    uint32_t      fence_word;
    uint32_t      trips;       /* pointer to the subgroup's count of iterations, or 0 */
    uint32_t      types[VYRE_TYPE_BOOL + 1];
    uint32_t      bools[2]; /* the constants, once they are there */
    uint32_t      blocks[VYRE_TYPE_BOOL + 1]; /* struct types of buffers */
    uint32_t      builtins[VYRE_BUILTIN_COUNT];
    uint32_t      inputs[VYRE_BUILTIN_COUNT]; /* loaded vectors, by their first component */
    uint32_t      group_size[3];
    uint32_t      rounds_start, rounds_step;
    uint32_t     *ids;     /* of values */
    uint8_t      *needed;  /* of instructions: VYI_SPV_NEEDED, VYI_SPV_USED */
    uint32_t     *buffers, *lengths;
    uint32_t     *current; /* values of locals; after the program's own: spent, allowed, cut */
    uint32_t     *last_get, *marks;
    /* Ids of the locals of the loop limit: iterations of this lane, those that
     * it may make, whether a loop was cut, and what the driver has counted. */
    uint32_t      spent, allowed, cut, cost;
    uint32_t      mark;
    vyi_spv_frame frames[VYRE_MAX_NESTING];
    uint32_t      depth;
} vyi_spv;

/* Room for `count` more words, or NULL after running out of memory. */
VYI_API uint32_t *vyi_spv_room(vyi_spv *e, vyi_spv_words *w, uint32_t count);
VYI_API uint32_t vyi_spv_id(vyi_spv *e);
/* One instruction; returns its offset.  The operands are uint32_t. */
VYI_API uint32_t vyi_spv_put(vyi_spv *e, uint32_t section, uint32_t op, uint32_t count, ...);
/* More operands for the section's last instruction, which is at `offset`. */
VYI_API void vyi_spv_extend(vyi_spv *e, uint32_t section, uint32_t offset, uint32_t count, ...);
VYI_API void vyi_spv_name(vyi_spv *e, uint32_t id, const char *name);
/* Forgets what was added after the set had `count` entries. */
VYI_API void vyi_spv_forget(vyi_spv_set *set, uint32_t count);

/* A type of the module, one for equal operands. */
VYI_API uint32_t vyi_spv_type_of(vyi_spv *e, uint32_t op, uint32_t count, ...);
VYI_API uint32_t vyi_spv_type(vyi_spv *e, uint32_t type); /* of a vyre_type */
VYI_API uint32_t vyi_spv_pointer_type(vyi_spv *e, uint32_t storage, uint32_t type);
VYI_API uint32_t vyi_spv_memory_type(uint32_t type); /* the vyre_type that an element has */
VYI_API uint32_t vyi_spv_block_type(vyi_spv *e, uint32_t member);
VYI_API uint32_t vyi_spv_const(vyi_spv *e, uint32_t type, uint32_t bits);
VYI_API uint32_t vyi_spv_u32(vyi_spv *e, uint32_t x);
VYI_API uint32_t vyi_spv_variable(vyi_spv *e, uint32_t storage, uint32_t type);
VYI_API void vyi_spv_decorate(vyi_spv *e, uint32_t id, uint32_t decoration);
VYI_API void vyi_spv_decorate_with(vyi_spv *e, uint32_t id, uint32_t decoration, uint32_t value);
VYI_API void vyi_spv_need_subgroup(vyi_spv *e, uint32_t feature);

/* Values that depend on their operands only; `type` is an id in the first, a
 * vyre_type in the others. */
VYI_API uint32_t vyi_spv_pure(vyi_spv *e, uint32_t op, uint32_t type, uint32_t count, ...);
/* Up to three operands. */
VYI_API uint32_t vyi_spv_ext(vyi_spv *e, uint32_t type, uint32_t inst, uint32_t count,
                             const uint32_t *operands);
VYI_API uint32_t vyi_spv_ext1(vyi_spv *e, uint32_t type, uint32_t inst, uint32_t a);
VYI_API uint32_t vyi_spv_ext2(vyi_spv *e, uint32_t type, uint32_t inst, uint32_t a, uint32_t b);
VYI_API uint32_t vyi_spv_unary(vyi_spv *e, uint32_t op, uint32_t type, uint32_t a);
VYI_API uint32_t vyi_spv_binary(vyi_spv *e, uint32_t op, uint32_t type, uint32_t a, uint32_t b);
/* A binary that gives a bool, and one that gives a u32. */
VYI_API uint32_t vyi_spv_test(vyi_spv *e, uint32_t op, uint32_t a, uint32_t b);
VYI_API uint32_t vyi_spv_word(vyi_spv *e, uint32_t op, uint32_t a, uint32_t b);
VYI_API uint32_t vyi_spv_select(vyi_spv *e, uint32_t type, uint32_t cond, uint32_t a, uint32_t b);
VYI_API uint32_t vyi_spv_builtin(vyi_spv *e, uint32_t builtin);

/* The SPIR-V id of a value of the program. */
VYI_API uint32_t vyi_spv_value(vyi_spv *e, uint32_t value);

VYI_API void vyi_spv_label(vyi_spv *e, uint32_t id);
VYI_API void vyi_spv_branch(vyi_spv *e, uint32_t label);
VYI_API void vyi_spv_branch_if(vyi_spv *e, uint32_t cond, uint32_t yes, uint32_t no);

/* spirv_memory.c */
VYI_API bool vyi_spv_is_shared(const vyi_spv *e, uint32_t buffer);
VYI_API uint32_t vyi_spv_length(vyi_spv *e, uint32_t buffer);
VYI_API void vyi_spv_clear_arrays(vyi_spv *e);
VYI_API void vyi_spv_barrier(vyi_spv *e, const vyi_inst *inst);
/* A word of memory as a value, and back: a bool is whether any bit is set. */
VYI_API uint32_t vyi_spv_from_memory(vyi_spv *e, uint32_t type, uint32_t word);
VYI_API uint32_t vyi_spv_to_memory(vyi_spv *e, uint32_t type, uint32_t value);
VYI_API uint32_t vyi_spv_load(vyi_spv *e, const vyi_inst *inst);
VYI_API void vyi_spv_store(vyi_spv *e, const vyi_inst *inst);
VYI_API uint32_t vyi_spv_atomic_load(vyi_spv *e, const vyi_inst *inst);
/* ATOMIC, ATOMIC_CAS, ATOMIC_STORE */
VYI_API uint32_t vyi_spv_atomic(vyi_spv *e, const vyi_inst *inst);

/* spirv_value.c: BINARY, UNARY, SELECT, FMA, CAST, BITCAST, and the subgroup operations */
VYI_API uint32_t vyi_spv_binary_inst(vyi_spv *e, const vyi_inst *inst);
VYI_API uint32_t vyi_spv_is_zero(vyi_spv *e, uint32_t type, uint32_t a); /* of integers */
VYI_API uint32_t vyi_spv_unary_inst(vyi_spv *e, const vyi_inst *inst);
VYI_API uint32_t vyi_spv_select_inst(vyi_spv *e, const vyi_inst *inst);
VYI_API uint32_t vyi_spv_fma(vyi_spv *e, const vyi_inst *inst);
VYI_API uint32_t vyi_spv_cast(vyi_spv *e, const vyi_inst *inst);
VYI_API uint32_t vyi_spv_bitcast(vyi_spv *e, const vyi_inst *inst);
VYI_API uint32_t vyi_spv_subgroup(vyi_spv *e, const vyi_inst *inst);

/* spirv_flow.c */
VYI_API uint32_t vyi_spv_end_of(const vyre_program *p, uint32_t opener);
VYI_API void vyi_spv_flow(vyi_spv *e, uint32_t index);
/* Iterations so far: this lane's, or its subgroup's where the limit counts those. */
VYI_API uint32_t vyi_spv_trips(vyi_spv *e);
VYI_API void vyi_spv_count_trips(vyi_spv *e);
VYI_API void vyi_spv_loop_allow(vyi_spv *e, const vyi_inst *inst);

VYI_EXTERN_C_END

#endif

/* --- buffers ------------------------------------------------------------- */

VYI_API bool vyi_spv_is_shared(const vyi_spv *e, uint32_t buffer)
{
    return vyi_buffer_of(e->p, buffer)->access == VYRE_ACCESS_WORKGROUP;
}

static uint32_t vyi_spv_storage(const vyi_spv *e, uint32_t buffer)
{
    return vyi_spv_is_shared(e, buffer) ? VYI_SPV_StorageClassWorkgroup
                                        : VYI_SPV_StorageClassStorageBuffer;
}

static uint32_t vyi_spv_shared_variable(vyi_spv *e, const vyi_buffer *b)
{
    const uint32_t element = vyi_spv_type(e, vyi_spv_memory_type(b->type));
    const uint32_t count = vyi_spv_u32(e, b->count);
    return vyi_spv_variable(e, VYI_SPV_StorageClassWorkgroup,
                            vyi_spv_type_of(e, VYI_SPV_OpTypeArray, 2, element, count));
}

/* The struct type of a buffer of `type`: one array of run-time length. */
static uint32_t vyi_spv_buffer_block(vyi_spv *e, uint32_t type)
{
    if (!e->blocks[type]) {
        const uint32_t array = vyi_spv_type_of(e, VYI_SPV_OpTypeRuntimeArray, 1,
                                               vyi_spv_type(e, type));
        vyi_spv_decorate_with(e, array, VYI_SPV_DecorationArrayStride, 4u);
        e->blocks[type] = vyi_spv_block_type(e, array);
    }
    return e->blocks[type];
}

/* GLSL450 needs Coherent for what lanes of other workgroups are to see.  A
 * kernel that is fed while it runs has nothing that is constant: what the
 * program only reads may be new after each acquire, so it is coherent, too,
 * and not marked as never written. */
static uint32_t vyi_spv_storage_variable(vyi_spv *e, const vyi_buffer *b)
{
    const uint32_t block = vyi_spv_buffer_block(e, vyi_spv_memory_type(b->type));
    const uint32_t id = vyi_spv_variable(e, VYI_SPV_StorageClassStorageBuffer, block);
    const bool constant = b->access == VYRE_ACCESS_READ && !e->fed && !e->desc.unfenced;
    vyi_spv_decorate_with(e, id, VYI_SPV_DecorationDescriptorSet, 0u);
    vyi_spv_decorate_with(e, id, VYI_SPV_DecorationBinding, b->binding);
    if (constant)
        vyi_spv_decorate(e, id, VYI_SPV_DecorationNonWritable);
    else if (!e->vulkan_model)
        vyi_spv_decorate(e, id, VYI_SPV_DecorationCoherent);
    return id;
}

static uint32_t vyi_spv_buffer(vyi_spv *e, uint32_t buffer)
{
    const vyi_buffer *b = vyi_buffer_of(e->p, buffer);
    if (!e->buffers[buffer]) {
        e->buffers[buffer] = vyi_spv_is_shared(e, buffer) ? vyi_spv_shared_variable(e, b)
                                                          : vyi_spv_storage_variable(e, b);
        vyi_spv_name(e, e->buffers[buffer], b->name);
    }
    return e->buffers[buffer];
}

/* Elements that can be reached, computed once, in the first block. */
VYI_API uint32_t vyi_spv_length(vyi_spv *e, uint32_t buffer)
{
    const vyi_buffer *b = vyi_buffer_of(e->p, buffer);
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32);
    if (e->lengths[buffer])
        return e->lengths[buffer];
    if (vyi_spv_is_shared(e, buffer))
        return e->lengths[buffer] = vyi_spv_u32(e, b->count);
    uint32_t length = vyi_spv_id(e);
    vyi_spv_put(e, VYI_SPV_START, VYI_SPV_OpArrayLength, 4, u32, length,
                vyi_spv_buffer(e, buffer), 0u);
    if (b->count) {
        const uint32_t bound = length, count = vyi_spv_u32(e, b->count);
        const uint32_t less = vyi_spv_id(e);
        length = vyi_spv_id(e);
        vyi_spv_put(e, VYI_SPV_START, VYI_SPV_OpULessThan, 4, vyi_spv_type(e, VYRE_TYPE_BOOL),
                    less, bound, count);
        vyi_spv_put(e, VYI_SPV_START, VYI_SPV_OpSelect, 5, u32, length, less, bound, count);
    }
    return e->lengths[buffer] = length;
}

static uint32_t vyi_spv_element(vyi_spv *e, uint32_t buffer, uint32_t index)
{
    const uint32_t type = vyi_spv_memory_type(vyi_buffer_of(e->p, buffer)->type);
    const uint32_t pointer = vyi_spv_pointer_type(e, vyi_spv_storage(e, buffer),
                                                  vyi_spv_type(e, type));
    const uint32_t variable = vyi_spv_buffer(e, buffer);
    if (vyi_spv_is_shared(e, buffer))
        return vyi_spv_pure(e, VYI_SPV_OpAccessChain, pointer, 2, variable, index);
    return vyi_spv_pure(e, VYI_SPV_OpAccessChain, pointer, 3, variable, vyi_spv_u32(e, 0), index);
}

/* --- orders -------------------------------------------------------------- */

/* Memory semantics of the Vulkan model, by vyre_order. */
static const uint16_t vyi_spv_orders[4] = {
    0,
    VYI_SPV_MemorySemanticsAcquire | VYI_SPV_MemorySemanticsMakeVisible,
    VYI_SPV_MemorySemanticsRelease | VYI_SPV_MemorySemanticsMakeAvailable,
    VYI_SPV_MemorySemanticsAcquireRelease | VYI_SPV_MemorySemanticsMakeVisible |
        VYI_SPV_MemorySemanticsMakeAvailable
};

/* In GLSL450, orders are barriers around relaxed atomics: what every compiler
 * of GLSL has always made, and what MoltenVK understands. */
static uint32_t vyi_spv_semantics(vyi_spv *e, uint32_t order)
{
    if (order == VYRE_ORDER_RELAXED || !e->vulkan_model || e->desc.unfenced)
        return vyi_spv_u32(e, 0);
    return vyi_spv_u32(e, vyi_spv_orders[order] | e->memory_bits);
}

static uint32_t vyi_spv_barrier_semantics(vyi_spv *e, uint32_t order)
{
    if (order == VYRE_ORDER_RELAXED)
        return vyi_spv_u32(e, 0);
    return vyi_spv_u32(e, e->memory_bits |
                              (e->vulkan_model
                                   ? (uint32_t)vyi_spv_orders[order]
                                   : (uint32_t)VYI_SPV_MemorySemanticsAcquireRelease));
}

static uint32_t vyi_spv_scope(vyi_spv *e, uint32_t buffer)
{
    return vyi_spv_u32(e, vyi_spv_is_shared(e, buffer) ? VYI_SPV_ScopeWorkgroup
                                                       : VYI_SPV_ScopeDevice);
}

/* The barrier of GLSL450 before a releasing or after an acquiring atomic. */
static void vyi_spv_fence(vyi_spv *e, const vyi_inst *inst, uint32_t side)
{
    if (e->vulkan_model || e->desc.unfenced || !(inst->order & side))
        return;
    const uint32_t semantics = vyi_spv_barrier_semantics(e, inst->order);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpMemoryBarrier, 2, vyi_spv_scope(e, inst->arg[0]),
                semantics);
}

/* What stands for a fence in an unfenced module: a read-modify-write of a
 * word that nobody looks at. */
static void vyi_spv_touch_word(vyi_spv *e)
{
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32), zero = vyi_spv_u32(e, 0);
    if (!e->fence_word)
        e->fence_word = vyi_spv_variable(e, VYI_SPV_StorageClassWorkgroup, u32);
    const uint32_t scope = vyi_spv_u32(e, VYI_SPV_ScopeWorkgroup);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpAtomicOr, 6, u32, vyi_spv_id(e), e->fence_word, scope,
                zero, zero);
}

VYI_COLD
VYI_API void vyi_spv_barrier(vyi_spv *e, const vyi_inst *inst)
{
    const bool device = inst->sub == VYRE_SCOPE_DEVICE;
    const bool subgroup = inst->sub == VYRE_SCOPE_SUBGROUP;
    if ((device && !inst->order) || (e->desc.unfenced && subgroup && !inst->order))
        return;
    if (e->desc.unfenced && (device || subgroup)) {
        vyi_spv_touch_word(e);
        return;
    }
    if (device) {
        const uint32_t semantics = vyi_spv_barrier_semantics(e, inst->order);
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpMemoryBarrier, 2,
                    vyi_spv_u32(e, VYI_SPV_ScopeDevice), semantics);
        return;
    }
    if (subgroup)
        vyi_spv_need_subgroup(e, VYI_SUBGROUP_BASIC);
    const uint32_t scope = vyi_spv_u32(e, subgroup ? VYI_SPV_ScopeSubgroup
                                                   : VYI_SPV_ScopeWorkgroup);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpControlBarrier, 3, scope, scope,
                vyi_spv_barrier_semantics(e, inst->order ? (uint32_t)VYRE_ORDER_ACQ_REL : 0u));
}

/* --- memory -------------------------------------------------------------- */

/* Code that runs only when an index is inside. */
typedef struct vyi_spv_guard {
    uint32_t before, merge; /* labels; merge 0: nothing to guard */
    uint32_t values;
} vyi_spv_guard;

static uint32_t vyi_spv_check_index(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t length = vyi_spv_length(e, inst->arg[0]);
    return vyi_spv_test(e, VYI_SPV_OpULessThan, vyi_spv_value(e, inst->arg[1]), length);
}

/* Opens the guard and returns the element's pointer. */
static uint32_t vyi_spv_guard_open(vyi_spv *e, const vyi_inst *inst, vyi_spv_guard *guard)
{
    const uint32_t index = vyi_spv_value(e, inst->arg[1]);
    guard->merge = 0;
    guard->values = e->values.count;
    if (!vyi_range_inside(&e->range, inst->arg[0], inst->arg[1])) {
        const uint32_t cond = vyi_spv_check_index(e, inst);
        const uint32_t inside = vyi_spv_id(e);
        guard->before = e->block;
        guard->merge = vyi_spv_id(e);
        guard->values = e->values.count;
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpSelectionMerge, 2, guard->merge, 0u);
        vyi_spv_branch_if(e, cond, inside, guard->merge);
        vyi_spv_label(e, inside);
    }
    return vyi_spv_element(e, inst->arg[0], index);
}

/* Whether anything reads the instruction's value. */
static bool vyi_spv_is_used(const vyi_spv *e, const vyi_inst *inst)
{
    return (e->needed[inst - e->p->insts] & VYI_SPV_USED) != 0;
}

/* Closes it; the result is `value`, which was computed inside, or 0. */
static uint32_t vyi_spv_guard_close(vyi_spv *e, const vyi_spv_guard *guard, uint32_t type,
                                    uint32_t value)
{
    const uint32_t inside = e->block;
    if (!guard->merge)
        return value;
    vyi_spv_forget(&e->values, guard->values);
    vyi_spv_branch(e, guard->merge);
    vyi_spv_label(e, guard->merge);
    if (!value)
        return 0;
    const uint32_t result = vyi_spv_id(e), zero = vyi_spv_const(e, type, 0);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpPhi, 6, vyi_spv_type(e, type), result, value, inside,
                zero, guard->before);
    return result;
}

/* A pointer that may be read in any case: beyond the length it is that of
 * element 0, *cond then is false and the caller drops what it read.  No
 * buffer that Vulkan binds is empty, as offsets and allocations are multiples of 4. */
static uint32_t vyi_spv_readable(vyi_spv *e, const vyi_inst *inst, uint32_t *cond)
{
    const uint32_t zero = vyi_spv_u32(e, 0);
    uint32_t index = vyi_spv_value(e, inst->arg[1]);
    *cond = 0;
    if (!vyi_range_inside(&e->range, inst->arg[0], inst->arg[1])) {
        *cond = vyi_spv_check_index(e, inst);
        if (index != zero)
            index = vyi_spv_select(e, VYRE_TYPE_U32, *cond, index, zero);
    }
    return vyi_spv_element(e, inst->arg[0], index);
}

VYI_API uint32_t vyi_spv_from_memory(vyi_spv *e, uint32_t type, uint32_t word)
{
    if (type != VYRE_TYPE_BOOL)
        return word;
    return vyi_spv_binary(e, VYI_SPV_OpINotEqual, type, word, vyi_spv_u32(e, 0));
}

VYI_API uint32_t vyi_spv_to_memory(vyi_spv *e, uint32_t type, uint32_t value)
{
    if (type != VYRE_TYPE_BOOL)
        return value;
    const uint32_t zero = vyi_spv_u32(e, 0);
    return vyi_spv_select(e, VYRE_TYPE_U32, value, vyi_spv_u32(e, 1), zero);
}

/* In the Vulkan model, an access that other lanes may take part in. */
/* The operands that say how a plain access to `buffer` works: how many, mask
 * and scope.  `coherent` is what makes it available, or visible. */
typedef struct vyi_spv_access {
    uint32_t count, mask, scope;
} vyi_spv_access;

static vyi_spv_access vyi_spv_plain(vyi_spv *e, uint32_t buffer, uint32_t coherent)
{
    vyi_spv_access access = { 0, VYI_SPV_MemoryAccessNonPrivatePointer, 0 };
    if (!e->vulkan_model)
        return access;
    access.count = 1;
    if (e->written[buffer - 1] && !e->desc.unfenced) {
        access.count = 2;
        access.mask |= coherent;
        access.scope = vyi_spv_scope(e, buffer);
    }
    return access;
}

VYI_API uint32_t vyi_spv_load(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t memory = vyi_spv_memory_type(inst->type);
    const vyi_spv_access access =
        vyi_spv_plain(e, inst->arg[0], VYI_SPV_MemoryAccessMakePointerVisible);
    const uint32_t id = vyi_spv_id(e);
    uint32_t cond;
    const uint32_t pointer = vyi_spv_readable(e, inst, &cond);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpLoad, 3 + access.count, vyi_spv_type(e, memory), id,
                pointer, access.mask, access.scope);
    uint32_t value = id;
    if (cond)
        value = vyi_spv_select(e, memory, cond, id, vyi_spv_const(e, memory, 0));
    return vyi_spv_from_memory(e, inst->type, value);
}

static void vyi_spv_store_to(vyi_spv *e, uint32_t buffer, uint32_t pointer, uint32_t value)
{
    const vyi_spv_access access =
        vyi_spv_plain(e, buffer, VYI_SPV_MemoryAccessMakePointerAvailable);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpStore, 2 + access.count, pointer, value, access.mask,
                access.scope);
}

VYI_API void vyi_spv_store(vyi_spv *e, const vyi_inst *inst)
{
    vyi_spv_guard guard;
    const uint32_t type = vyi_buffer_of(e->p, inst->arg[0])->type;
    const uint32_t value = vyi_spv_to_memory(e, type, vyi_spv_value(e, inst->arg[2]));
    const uint32_t pointer = vyi_spv_guard_open(e, inst, &guard);
    vyi_spv_store_to(e, inst->arg[0], pointer, value);
    vyi_spv_guard_close(e, &guard, type, 0);
}

VYI_API uint32_t vyi_spv_atomic_load(vyi_spv *e, const vyi_inst *inst)
{
    const bool modify = e->desc.unfenced && inst->order != VYRE_ORDER_RELAXED;
    const uint32_t id = vyi_spv_id(e);
    uint32_t cond;
    const uint32_t pointer = vyi_spv_readable(e, inst, &cond);
    const uint32_t zero = vyi_spv_const(e, inst->type, 0);
    const uint32_t semantics = vyi_spv_semantics(e, inst->order);
    const uint32_t scope = vyi_spv_scope(e, inst->arg[0]);
    vyi_spv_put(e, VYI_SPV_BODY, modify ? VYI_SPV_OpAtomicOr : VYI_SPV_OpAtomicLoad,
                modify ? 6u : 5u, vyi_spv_type(e, inst->type), id, pointer, scope, semantics,
                zero);
    vyi_spv_fence(e, inst, VYRE_ORDER_ACQUIRE);
    return cond ? vyi_spv_select(e, inst->type, cond, id, zero) : id;
}

/* By vyre_atomic_op: for u32, for i32. */
static const uint16_t vyi_spv_atomics[VYRE_ATOMIC_OP_COUNT][2] = {
    { VYI_SPV_OpAtomicIAdd, VYI_SPV_OpAtomicIAdd },
    { VYI_SPV_OpAtomicISub, VYI_SPV_OpAtomicISub },
    { VYI_SPV_OpAtomicAnd, VYI_SPV_OpAtomicAnd },
    { VYI_SPV_OpAtomicOr, VYI_SPV_OpAtomicOr },
    { VYI_SPV_OpAtomicXor, VYI_SPV_OpAtomicXor },
    { VYI_SPV_OpAtomicUMin, VYI_SPV_OpAtomicSMin },
    { VYI_SPV_OpAtomicUMax, VYI_SPV_OpAtomicSMax },
    { VYI_SPV_OpAtomicExchange, VYI_SPV_OpAtomicExchange }
};

/* ATOMIC, ATOMIC_CAS, ATOMIC_STORE: the previous value, where anything reads it. */
VYI_API uint32_t vyi_spv_atomic(vyi_spv *e, const vyi_inst *inst)
{
    vyi_spv_guard guard;
    const uint32_t type = vyi_buffer_of(e->p, inst->arg[0])->type;
    const uint32_t value = vyi_spv_value(e, inst->arg[2]);
    const uint32_t desired = inst->op == VYI_OP_ATOMIC_CAS ? vyi_spv_value(e, inst->arg[3]) : 0;
    const bool plain = inst->op == VYI_OP_ATOMIC_STORE &&
                       !(e->desc.unfenced && inst->order != VYRE_ORDER_RELAXED);
    const uint32_t id = plain ? 0 : vyi_spv_id(e);
    const uint32_t pointer = vyi_spv_guard_open(e, inst, &guard);
    vyi_spv_fence(e, inst, VYRE_ORDER_RELEASE);
    const uint32_t result = vyi_spv_type(e, type), scope = vyi_spv_scope(e, inst->arg[0]);
    const uint32_t semantics = vyi_spv_semantics(e, inst->order);
    if (plain)
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpAtomicStore, 4, pointer, scope, semantics, value);
    else if (inst->op == VYI_OP_ATOMIC)
        vyi_spv_put(e, VYI_SPV_BODY, vyi_spv_atomics[inst->sub][type == VYRE_TYPE_I32], 6, result,
                    id, pointer, scope, semantics, value);
    else if (inst->op == VYI_OP_ATOMIC_CAS)
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpAtomicCompareExchange, 8, result, id, pointer,
                    scope, semantics, vyi_spv_semantics(e, inst->order & VYRE_ORDER_ACQUIRE),
                    desired, value);
    else
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpAtomicExchange, 6, result, id, pointer, scope,
                    semantics, value);
    vyi_spv_fence(e, inst, VYRE_ORDER_ACQUIRE);
    return vyi_spv_guard_close(e, &guard, type, vyi_spv_is_used(e, inst) ? id : 0);
}

/* --- workgroup arrays ---------------------------------------------------- */

static uint32_t vyi_spv_lanes(vyi_spv *e)
{
    const uint32_t *size = e->p->group_size;
    if (!e->desc.spec_group_size)
        return vyi_spv_u32(e, size[0] * size[1] * size[2]);
    return vyi_spv_word(e, VYI_SPV_OpIMul,
                        vyi_spv_word(e, VYI_SPV_OpIMul, e->group_size[0],
                                     e->group_size[1]), e->group_size[2]);
}

/* for (i = local_index; i < count; i += lanes) array[i] = 0 */
static void vyi_spv_clear_array(vyi_spv *e, uint32_t buffer)
{
    const vyi_buffer *b = vyi_buffer_of(e->p, buffer);
    const uint32_t first = vyi_spv_builtin(e, VYRE_BUILTIN_LOCAL_INDEX), lanes = vyi_spv_lanes(e);
    const uint32_t zero = vyi_spv_const(e, vyi_spv_memory_type(b->type), 0);
    const uint32_t header = vyi_spv_id(e), body = vyi_spv_id(e), next = vyi_spv_id(e);
    const uint32_t merge = vyi_spv_id(e), index = vyi_spv_id(e), step = vyi_spv_id(e);
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32), before = e->block;
    const uint32_t values = e->values.count;
    vyi_spv_branch(e, header);
    vyi_spv_label(e, header);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpPhi, 6, u32, index, first, before, step, next);
    const uint32_t cond = vyi_spv_test(e, VYI_SPV_OpULessThan, index, vyi_spv_length(e, buffer));
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpLoopMerge, 3, merge, next, 0u);
    vyi_spv_branch_if(e, cond, body, merge);
    vyi_spv_label(e, body);
    vyi_spv_store_to(e, buffer, vyi_spv_element(e, buffer, index), zero);
    vyi_spv_branch(e, next);
    vyi_spv_label(e, next);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpIAdd, 4, u32, step, index, lanes);
    vyi_spv_branch(e, header);
    vyi_spv_forget(&e->values, values);
    vyi_spv_label(e, merge);
}

VYI_COLD
VYI_API void vyi_spv_clear_arrays(vyi_spv *e)
{
    bool any = false;
    for (uint32_t buffer = 1; buffer <= e->p->buffer_count; buffer++)
        if (vyi_spv_is_shared(e, buffer)) {
            vyi_spv_clear_array(e, buffer);
            any = true;
        }
    if (any) {
        const uint32_t scope = vyi_spv_u32(e, VYI_SPV_ScopeWorkgroup);
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpControlBarrier, 3, scope, scope,
                    vyi_spv_barrier_semantics(e, VYRE_ORDER_ACQ_REL));
    }
}
/* ==========================================================================
 * spirv: arithmetic and subgroup operations
 *
 * Private.  Tables where one instruction does it; functions where the meaning
 * that ir.h gives is more total than that of SPIR-V.
 * ======================================================================= */

/* --- arithmetic ---------------------------------------------------------- */

#define VYI_SPV_EXT 0x8000u /* the number is one of GLSL.std.450 */

/* Opcodes by vyi_binary, for u32, i32, f32, bool; 0: none, or not one. */
static const uint16_t vyi_spv_binaries[VYI_BINARY_COUNT][4] = {
    { VYI_SPV_OpIAdd, VYI_SPV_OpIAdd, VYI_SPV_OpFAdd, 0 },
    { VYI_SPV_OpISub, VYI_SPV_OpISub, VYI_SPV_OpFSub, 0 },
    { VYI_SPV_OpIMul, VYI_SPV_OpIMul, VYI_SPV_OpFMul, 0 },
    { 0, 0, VYI_SPV_OpFDiv, 0 },
    { 0, 0, 0, 0 },
    { 0, 0, 0, 0 },
    { VYI_SPV_OpBitwiseAnd, VYI_SPV_OpBitwiseAnd, 0, VYI_SPV_OpLogicalAnd },
    { VYI_SPV_OpBitwiseOr, VYI_SPV_OpBitwiseOr, 0, VYI_SPV_OpLogicalOr },
    { VYI_SPV_OpBitwiseXor, VYI_SPV_OpBitwiseXor, 0, VYI_SPV_OpLogicalNotEqual },
    { 0, 0, 0, 0 },
    { 0, 0, 0, 0 },
    { 0, 0, 0, 0 },
    { 0, 0, 0, 0 },
    { VYI_SPV_EXT | VYI_SPV_GlslUMin, VYI_SPV_EXT | VYI_SPV_GlslSMin,
      VYI_SPV_EXT | VYI_SPV_GlslNMin, 0 },
    { VYI_SPV_EXT | VYI_SPV_GlslUMax, VYI_SPV_EXT | VYI_SPV_GlslSMax,
      VYI_SPV_EXT | VYI_SPV_GlslNMax, 0 },
    { VYI_SPV_OpIEqual, VYI_SPV_OpIEqual, VYI_SPV_OpFOrdEqual, VYI_SPV_OpLogicalEqual },
    { VYI_SPV_OpINotEqual, VYI_SPV_OpINotEqual, VYI_SPV_OpFUnordNotEqual,
      VYI_SPV_OpLogicalNotEqual },
    { VYI_SPV_OpULessThan, VYI_SPV_OpSLessThan, VYI_SPV_OpFOrdLessThan, 0 },
    { VYI_SPV_OpULessThanEqual, VYI_SPV_OpSLessThanEqual, VYI_SPV_OpFOrdLessThanEqual, 0 },
    { VYI_SPV_OpUGreaterThan, VYI_SPV_OpSGreaterThan, VYI_SPV_OpFOrdGreaterThan, 0 },
    { VYI_SPV_OpUGreaterThanEqual, VYI_SPV_OpSGreaterThanEqual, VYI_SPV_OpFOrdGreaterThanEqual, 0 }
};
VYI_STATIC_ASSERT(spv_binaries, VYI_BINARY_COUNT == 21 && VYI_BINARY_GE == 20 &&
                                    VYI_BINARY_MIN == 13 && VYI_BINARY_AND == 6);

VYI_API uint32_t vyi_spv_is_zero(vyi_spv *e, uint32_t type, uint32_t a)
{
    return vyi_spv_test(e, VYI_SPV_OpIEqual, a, vyi_spv_const(e, type, 0));
}

/* The divisor, but 1 where dividing would be undefined: by zero, and MIN / -1.
 * Both leave the dividend, whose remainder is 0. */
static uint32_t vyi_spv_divisor(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t type = inst->type;
    const uint32_t a = vyi_spv_value(e, inst->arg[0]), b = vyi_spv_value(e, inst->arg[1]);
    uint32_t bits;
    if (vyi_literal(e->p, inst->arg[1], &bits) && bits &&
        (type == VYRE_TYPE_U32 || bits != 0xffffffffu))
        return b;
    uint32_t bad = vyi_spv_is_zero(e, type, b);
    if (type == VYRE_TYPE_I32) {
        const uint32_t least = vyi_spv_test(e, VYI_SPV_OpIEqual, a,
                                            vyi_spv_const(e, type, 0x80000000u));
        const uint32_t minus = vyi_spv_test(e, VYI_SPV_OpIEqual, b,
                                            vyi_spv_const(e, type, 0xffffffffu));
        bad = vyi_spv_test(e, VYI_SPV_OpLogicalOr, bad,
                           vyi_spv_test(e, VYI_SPV_OpLogicalAnd, least, minus));
    }
    return vyi_spv_select(e, type, bad, vyi_spv_const(e, type, 1), b);
}

static uint32_t vyi_spv_div(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t type = inst->type;
    const uint32_t a = vyi_spv_value(e, inst->arg[0]), b = vyi_spv_value(e, inst->arg[1]);
    const uint32_t divisor = vyi_spv_divisor(e, inst);
    const uint32_t quotient = vyi_spv_binary(
        e, type == VYRE_TYPE_I32 ? VYI_SPV_OpSDiv : VYI_SPV_OpUDiv, type, a, divisor);
    uint32_t bits;
    if (vyi_literal(e->p, inst->arg[1], &bits) && bits)
        return quotient;
    const uint32_t ones = vyi_spv_const(e, type, 0xffffffffu);
    return vyi_spv_select(e, type, vyi_spv_is_zero(e, type, b), ones, quotient);
}

/* Signed: a - a / b * b, as Vulkan leaves OpSRem undefined for negative operands. */
static uint32_t vyi_spv_rem(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t type = inst->type, a = vyi_spv_value(e, inst->arg[0]);
    const uint32_t divisor = vyi_spv_divisor(e, inst);
    if (type == VYRE_TYPE_U32)
        return vyi_spv_binary(e, VYI_SPV_OpUMod, type, a, divisor);
    const uint32_t quotient = vyi_spv_binary(e, VYI_SPV_OpSDiv, type, a, divisor);
    return vyi_spv_binary(e, VYI_SPV_OpISub, type, a,
                          vyi_spv_binary(e, VYI_SPV_OpIMul, type, quotient, divisor));
}

static uint32_t vyi_spv_mul_high(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32);
    const uint32_t pair = vyi_spv_type_of(e, VYI_SPV_OpTypeStruct, 2, u32, u32);
    const uint32_t b = vyi_spv_value(e, inst->arg[1]), a = vyi_spv_value(e, inst->arg[0]);
    const uint32_t product = vyi_spv_pure(e, VYI_SPV_OpUMulExtended, pair, 2, a, b);
    return vyi_spv_pure(e, VYI_SPV_OpCompositeExtract, u32, 2, product, 1u);
}

static uint32_t vyi_spv_low_bits(vyi_spv *e, uint32_t a)
{
    return vyi_spv_word(e, VYI_SPV_OpBitwiseAnd, a, vyi_spv_u32(e, 31));
}

/* A shift amount's low five bits. */
static uint32_t vyi_spv_amount(vyi_spv *e, uint32_t value)
{
    uint32_t bits;
    if (vyi_literal(e->p, value, &bits))
        return vyi_spv_u32(e, bits & 31u);
    if (vyi_range_limit(&e->range, value, VYI_RANGE_DEPTH) < 32)
        return vyi_spv_value(e, value);
    return vyi_spv_low_bits(e, vyi_spv_value(e, value));
}

static uint32_t vyi_spv_shift(vyi_spv *e, const vyi_inst *inst)
{
    uint32_t op = VYI_SPV_OpShiftLeftLogical;
    if (inst->sub == VYI_BINARY_SHR)
        op = inst->type == VYRE_TYPE_I32 ? VYI_SPV_OpShiftRightArithmetic
                                         : VYI_SPV_OpShiftRightLogical;
    const uint32_t amount = vyi_spv_amount(e, inst->arg[1]);
    return vyi_spv_binary(e, op, inst->type, vyi_spv_value(e, inst->arg[0]), amount);
}

/* Two shifts: by n, and by 32 - n the other way, modulo 32. */
static uint32_t vyi_spv_rotate(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t a = vyi_spv_value(e, inst->arg[0]);
    const bool left = inst->sub == VYI_BINARY_ROTL;
    uint32_t back, bits, amount = vyi_spv_amount(e, inst->arg[1]);
    if (vyi_literal(e->p, inst->arg[1], &bits))
        back = vyi_spv_u32(e, (0u - bits) & 31u);
    else
        back = vyi_spv_low_bits(e, vyi_spv_unary(e, VYI_SPV_OpSNegate, VYRE_TYPE_U32, amount));
    const uint32_t up = vyi_spv_word(e, VYI_SPV_OpShiftLeftLogical, a, left ? amount : back);
    const uint32_t down = vyi_spv_word(e, VYI_SPV_OpShiftRightLogical, a, left ? back : amount);
    return vyi_spv_word(e, VYI_SPV_OpBitwiseOr, up, down);
}

VYI_API uint32_t vyi_spv_binary_inst(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t type = vyi_definition(e->p, inst->arg[0])->type;
    const uint32_t op = vyi_spv_binaries[inst->sub][type - VYRE_TYPE_U32];
    if (!op) {
        switch (inst->sub) {
        case VYI_BINARY_DIV: return vyi_spv_div(e, inst);
        case VYI_BINARY_REM: return vyi_spv_rem(e, inst);
        case VYI_BINARY_MUL_HIGH: return vyi_spv_mul_high(e, inst);
        case VYI_BINARY_SHL: case VYI_BINARY_SHR: return vyi_spv_shift(e, inst);
        default: return vyi_spv_rotate(e, inst);
        }
    }
    const uint32_t a = vyi_spv_value(e, inst->arg[0]), b = vyi_spv_value(e, inst->arg[1]);
    if (op & VYI_SPV_EXT)
        return vyi_spv_ext2(e, inst->type, op & ~VYI_SPV_EXT, a, b);
    return vyi_spv_binary(e, op, inst->type, a, b);
}

/* Opcodes by vyi_unary, for u32, i32, f32, bool. */
static const uint16_t vyi_spv_unaries[VYI_UNARY_COUNT][4] = {
    { VYI_SPV_OpSNegate, VYI_SPV_OpSNegate, VYI_SPV_OpFNegate, 0 },
    { VYI_SPV_OpNot, VYI_SPV_OpNot, 0, VYI_SPV_OpLogicalNot },
    { 0, VYI_SPV_EXT | VYI_SPV_GlslSAbs, VYI_SPV_EXT | VYI_SPV_GlslFAbs, 0 },
    { 0, VYI_SPV_EXT | VYI_SPV_GlslSSign, VYI_SPV_EXT | VYI_SPV_GlslFSign, 0 },
    { VYI_SPV_OpBitCount, VYI_SPV_OpBitCount, 0, 0 },
    { 0, 0, 0, 0 },
    { 0, 0, 0, 0 },
    { VYI_SPV_OpBitReverse, VYI_SPV_OpBitReverse, 0, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslSqrt, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslInverseSqrt, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslFloor, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslCeil, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslRoundEven, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslTrunc, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslSin, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslCos, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslTan, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslExp, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslExp2, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslLog, 0 },
    { 0, 0, VYI_SPV_EXT | VYI_SPV_GlslLog2, 0 },
    { 0, 0, VYI_SPV_OpIsNan, 0 },
    { 0, 0, VYI_SPV_OpIsInf, 0 },
    { 0, 0, 0, 0 }
};
VYI_STATIC_ASSERT(spv_unaries, VYI_UNARY_COUNT == 24 && VYI_UNARY_IS_INF == 22 &&
                                   VYI_UNARY_SQRT == 8 && VYI_UNARY_EXP2 == 18);

/* 31 minus the highest set bit, which is -1 for 0. */
static uint32_t vyi_spv_clz(vyi_spv *e, uint32_t type, uint32_t a)
{
    const uint32_t highest = vyi_spv_ext1(e, type, VYI_SPV_GlslFindUMsb, a);
    return vyi_spv_binary(e, VYI_SPV_OpISub, type, vyi_spv_const(e, type, 31), highest);
}

/* The lowest set bit, which is -1 for 0: as u32 more than 32. */
static uint32_t vyi_spv_ctz(vyi_spv *e, uint32_t type, uint32_t a)
{
    const uint32_t bits = vyi_spv_const(e, type, 32);
    return vyi_spv_ext2(e, type, VYI_SPV_GlslUMin, vyi_spv_ext1(e, type, VYI_SPV_GlslFindILsb, a),
                        bits);
}

VYI_COLD
VYI_API uint32_t vyi_spv_unary_inst(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t type = vyi_definition(e->p, inst->arg[0])->type;
    const uint32_t op = vyi_spv_unaries[inst->sub][type - VYRE_TYPE_U32];
    const uint32_t a = vyi_spv_value(e, inst->arg[0]);
    if (op & VYI_SPV_EXT)
        return vyi_spv_ext1(e, inst->type, op & ~VYI_SPV_EXT, a);
    if (op)
        return vyi_spv_unary(e, op, inst->type, a);
    switch (inst->sub) {
    case VYI_UNARY_CLZ: return vyi_spv_clz(e, type, a);
    case VYI_UNARY_CTZ: return vyi_spv_ctz(e, type, a);
    case VYI_UNARY_SIGN:
        return vyi_spv_ext2(e, type, VYI_SPV_GlslUMin, a, vyi_spv_u32(e, 1));
    default: return a; /* ABS of u32, UNIFORM */
    }
}

VYI_API uint32_t vyi_spv_select_inst(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t b = vyi_spv_value(e, inst->arg[2]), a = vyi_spv_value(e, inst->arg[1]);
    return vyi_spv_select(e, inst->type, vyi_spv_value(e, inst->arg[0]), a, b);
}

VYI_COLD
VYI_API uint32_t vyi_spv_fma(vyi_spv *e, const vyi_inst *inst)
{
    uint32_t operands[3];
    for (uint32_t i = 0; i < 3; i++)
        operands[i] = vyi_spv_value(e, inst->arg[i]);
    return vyi_spv_ext(e, VYRE_TYPE_F32, VYI_SPV_GlslFma, 3, operands);
}

#define VYI_SPV_F32_2_31     0x4f000000u /* 2147483648.0 */
#define VYI_SPV_F32_2_32     0x4f800000u /* 4294967296.0 */
#define VYI_SPV_F32_MIN_I32  0xcf000000u /* -2147483648.0 */
#define VYI_SPV_F32_MAX_I32  0x4effffffu /* the f32 below 2^31 */
#define VYI_SPV_F32_MAX_U32  0x4f7fffffu /* the f32 below 2^32 */

/* The conversion itself is undefined out of range, so it sees clamped numbers. */
static uint32_t vyi_spv_float_to_int(vyi_spv *e, uint32_t type, uint32_t a)
{
    const bool is_signed = type == VYRE_TYPE_I32;
    uint32_t operands[3];
    operands[0] = a;
    operands[1] = vyi_spv_const(e, VYRE_TYPE_F32, is_signed ? VYI_SPV_F32_MIN_I32 : 0u);
    operands[2] = vyi_spv_const(e, VYRE_TYPE_F32,
                                is_signed ? VYI_SPV_F32_MAX_I32 : VYI_SPV_F32_MAX_U32);
    const uint32_t clamped = vyi_spv_ext(e, VYRE_TYPE_F32, VYI_SPV_GlslNClamp, 3, operands);
    const uint32_t converted = vyi_spv_unary(
        e, is_signed ? VYI_SPV_OpConvertFToS : VYI_SPV_OpConvertFToU, type, clamped);
    const uint32_t bound = vyi_spv_const(e, VYRE_TYPE_F32,
                                         is_signed ? VYI_SPV_F32_2_31 : VYI_SPV_F32_2_32);
    const uint32_t over = vyi_spv_test(e, VYI_SPV_OpFOrdGreaterThanEqual, a, bound);
    const uint32_t most = vyi_spv_const(e, type, is_signed ? 0x7fffffffu : 0xffffffffu);
    const uint32_t nan = vyi_spv_unary(e, VYI_SPV_OpIsNan, VYRE_TYPE_BOOL, a);
    const uint32_t number = vyi_spv_select(e, type, over, most, converted);
    return vyi_spv_select(e, type, nan, vyi_spv_const(e, type, 0), number);
}

static uint32_t vyi_spv_from_bool(vyi_spv *e, uint32_t type, uint32_t a)
{
    const uint32_t zero = vyi_spv_const(e, type, 0);
    const uint32_t one = vyi_spv_const(e, type, type == VYRE_TYPE_F32 ? 0x3f800000u : 1u);
    return vyi_spv_select(e, type, a, one, zero);
}

VYI_COLD
VYI_API uint32_t vyi_spv_cast(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t from = vyi_definition(e->p, inst->arg[0])->type, to = inst->type;
    const uint32_t a = vyi_spv_value(e, inst->arg[0]);
    if (from == to)
        return a;
    if (from == VYRE_TYPE_BOOL)
        return vyi_spv_from_bool(e, to, a);
    if (to == VYRE_TYPE_BOOL)
        return vyi_spv_binary(e, from == VYRE_TYPE_F32 ? VYI_SPV_OpFUnordNotEqual
                                                       : VYI_SPV_OpINotEqual,
                              to, a, vyi_spv_const(e, from, 0));
    if (from == VYRE_TYPE_F32)
        return vyi_spv_float_to_int(e, to, a);
    if (to == VYRE_TYPE_F32)
        return vyi_spv_unary(e, from == VYRE_TYPE_I32 ? VYI_SPV_OpConvertSToF
                                                      : VYI_SPV_OpConvertUToF, to, a);
    return vyi_spv_unary(e, VYI_SPV_OpBitcast, to, a);
}

VYI_COLD
VYI_API uint32_t vyi_spv_bitcast(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t a = vyi_spv_value(e, inst->arg[0]);
    if (vyi_definition(e->p, inst->arg[0])->type == inst->type)
        return a;
    return vyi_spv_unary(e, VYI_SPV_OpBitcast, inst->type, a);
}

/* --- subgroups ----------------------------------------------------------- */

/* A value that depends on which lanes are here: never shared. */
static uint32_t vyi_spv_group(vyi_spv *e, uint32_t op, uint32_t type, uint32_t a, uint32_t b)
{
    const uint32_t id = vyi_spv_id(e);
    const uint32_t count = 3u + (a ? 1u : 0u) + (b ? 1u : 0u);
    vyi_spv_put(e, VYI_SPV_BODY, op, count, type, id, vyi_spv_u32(e, VYI_SPV_ScopeSubgroup), a, b);
    return id;
}

static uint32_t vyi_spv_ballot(vyi_spv *e, uint32_t cond)
{
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32);
    const uint32_t mask = vyi_spv_group(e, VYI_SPV_OpGroupNonUniformBallot,
                                        vyi_spv_type_of(e, VYI_SPV_OpTypeVector, 2, u32, 4u),
                                        cond, 0);
    return vyi_spv_pure(e, VYI_SPV_OpCompositeExtract, u32, 2, mask, 0u);
}

/* By vyre_reduce_op, for u32, i32, f32, bool. */
static const uint16_t vyi_spv_reductions[VYRE_REDUCE_OP_COUNT][4] = {
    { VYI_SPV_OpGroupNonUniformIAdd, VYI_SPV_OpGroupNonUniformIAdd,
      VYI_SPV_OpGroupNonUniformFAdd, 0 },
    { VYI_SPV_OpGroupNonUniformUMin, VYI_SPV_OpGroupNonUniformSMin,
      VYI_SPV_OpGroupNonUniformFMin, 0 },
    { VYI_SPV_OpGroupNonUniformUMax, VYI_SPV_OpGroupNonUniformSMax,
      VYI_SPV_OpGroupNonUniformFMax, 0 },
    { VYI_SPV_OpGroupNonUniformBitwiseAnd, VYI_SPV_OpGroupNonUniformBitwiseAnd, 0,
      VYI_SPV_OpGroupNonUniformLogicalAnd },
    { VYI_SPV_OpGroupNonUniformBitwiseOr, VYI_SPV_OpGroupNonUniformBitwiseOr, 0,
      VYI_SPV_OpGroupNonUniformLogicalOr },
    { VYI_SPV_OpGroupNonUniformBitwiseXor, VYI_SPV_OpGroupNonUniformBitwiseXor, 0,
      VYI_SPV_OpGroupNonUniformLogicalXor }
};

static uint32_t vyi_spv_reduce(vyi_spv *e, const vyi_inst *inst, uint32_t a)
{
    const uint32_t id = vyi_spv_id(e);
    const uint32_t scope = vyi_spv_u32(e, VYI_SPV_ScopeSubgroup);
    vyi_spv_put(e, VYI_SPV_BODY, vyi_spv_reductions[inst->sub][inst->type - VYRE_TYPE_U32], 5,
                vyi_spv_type(e, inst->type), id, scope, VYI_SPV_GroupOperationReduce, a);
    return id;
}

/* By vyi_op from BALLOT to SHUFFLE: the instruction, and the feature it needs. */
static const uint16_t vyi_spv_group_ops[][2] = {
    { VYI_SPV_OpGroupNonUniformBallot, VYI_SUBGROUP_BALLOT },
    { VYI_SPV_OpGroupNonUniformElect, VYI_SUBGROUP_BASIC },
    { VYI_SPV_OpGroupNonUniformAny, VYI_SUBGROUP_VOTE },
    { VYI_SPV_OpGroupNonUniformAll, VYI_SUBGROUP_VOTE },
    { VYI_SPV_OpGroupNonUniformBroadcastFirst, VYI_SUBGROUP_BALLOT },
    { VYI_SPV_OpGroupNonUniformShuffle, VYI_SUBGROUP_SHUFFLE }
};
VYI_STATIC_ASSERT(spv_group_ops, VYI_OP_ELECT == VYI_OP_BALLOT + 1 &&
                                     VYI_OP_ANY == VYI_OP_BALLOT + 2 &&
                                     VYI_OP_ALL == VYI_OP_BALLOT + 3 &&
                                     VYI_OP_BROADCAST_FIRST == VYI_OP_BALLOT + 4 &&
                                     VYI_OP_SHUFFLE == VYI_OP_BALLOT + 5);

/* BALLOT .. REDUCE */
VYI_COLD
VYI_API uint32_t vyi_spv_subgroup(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t a = inst->op == VYI_OP_ELECT ? 0 : vyi_spv_value(e, inst->arg[0]);
    const uint32_t b = inst->op == VYI_OP_SHUFFLE ? vyi_spv_value(e, inst->arg[1]) : 0;
    if (inst->op == VYI_OP_REDUCE) {
        vyi_spv_need_subgroup(e, VYI_SUBGROUP_ARITHMETIC);
        return vyi_spv_reduce(e, inst, a);
    }
    const uint16_t *row = vyi_spv_group_ops[inst->op - VYI_OP_BALLOT];
    vyi_spv_need_subgroup(e, row[1]);
    if (inst->op == VYI_OP_BALLOT)
        return vyi_spv_ballot(e, a);
    return vyi_spv_group(e, row[0], vyi_spv_type(e, inst->type), a, b);
}
/* ==========================================================================
 * spirv: blocks, locals and loops
 *
 * Private.  Structured control flow, and the phis that carry locals across it.
 * ======================================================================= */

/* --- locals -------------------------------------------------------------- */

static uint32_t vyi_spv_local_type(const vyi_spv *e, uint32_t local)
{
    if (local == e->cut)
        return VYRE_TYPE_BOOL;
    return local > e->p->local_count ? (uint32_t)VYRE_TYPE_U32 : e->p->locals[local - 1].type;
}

static void vyi_spv_name_local(vyi_spv *e, uint32_t id, uint32_t local)
{
    if (local <= e->p->local_count)
        vyi_spv_name(e, id, e->p->locals[local - 1].name);
}

static const uint32_t *vyi_spv_touched(const vyi_spv *e, const vyi_spv_frame *f)
{
    return e->stack.at + f->touched;
}

/* Whether anything reads the local after instruction `at`, or in the next
 * iteration of one of the `depth` outermost open blocks, if that is a loop in
 * which the local lives on. */
static bool vyi_spv_live(const vyi_spv *e, uint32_t local, uint32_t at, uint32_t depth)
{
    const uint32_t last = e->last_get[local];
    const bool own = local <= e->p->local_count;
    if (last > at)
        return true;
    for (uint32_t i = 0; i < depth; i++) {
        const uint32_t opener = e->frames[i].opener;
        if (e->frames[i].next && last >= opener &&
            (!own || e->p->locals[local - 1].declared < opener))
            return true;
    }
    return false;
}

static void vyi_spv_touch(vyi_spv *e, vyi_spv_frame *f, uint32_t local)
{
    if (e->marks[local] == e->mark)
        return;
    e->marks[local] = e->mark;
    if (local <= e->p->local_count && e->p->locals[local - 1].declared > f->opener)
        return;
    if (!vyi_spv_live(e, local, f->opener, e->depth - 1))
        return;
    uint32_t *word = vyi_spv_room(e, &e->stack, 1);
    if (word) {
        *word = local;
        f->touched_count++;
    }
}

/* Lists the locals that the block may set and that matter in it or after it. */
static void vyi_spv_touch_all(vyi_spv *e, vyi_spv_frame *f)
{
    f->touched = e->stack.count;
    e->mark++;
    for (uint32_t i = f->opener; i < f->end; i++) {
        const vyi_inst *inst = &e->p->insts[i];
        if (inst->op == VYI_OP_SET)
            vyi_spv_touch(e, f, inst->arg[0]);
        if (!e->desc.loop_limit)
            continue;
        if (inst->op == VYI_OP_LOOP || inst->op == VYI_OP_FOREVER) {
            vyi_spv_touch(e, f, e->spent);
            vyi_spv_touch(e, f, e->cut);
            if (e->desc.unfenced && !e->trips)
                vyi_spv_touch(e, f, e->cost);
        } else if (inst->op == VYI_OP_LOOP_ALLOW) {
            vyi_spv_touch(e, f, e->allowed);
            vyi_spv_touch(e, f, e->cut);
        }
    }
}

/* Records a branch from the current block: its label and the locals' values.
 * Edges form a list: link, label, values. */
static void vyi_spv_edge(vyi_spv *e, const vyi_spv_frame *f, uint32_t *list)
{
    const uint32_t at = e->edges.count;
    uint32_t *words = vyi_spv_room(e, &e->edges, 2 + f->touched_count);
    if (!words)
        return;
    words[0] = *list;
    words[1] = e->block;
    for (uint32_t i = 0; i < f->touched_count; i++)
        words[2 + i] = e->current[vyi_spv_touched(e, f)[i]];
    *list = at + 1;
}

/* Value i of the edges: the one that they all carry, or a phi. */
static uint32_t vyi_spv_join_one(vyi_spv *e, uint32_t list, uint32_t i, uint32_t type)
{
    const uint32_t first = e->edges.at[list - 1 + 2 + i];
    bool same = true;
    for (uint32_t at = list; at; at = e->edges.at[at - 1])
        same = same && e->edges.at[at - 1 + 2 + i] == first;
    if (same)
        return first;
    const uint32_t id = vyi_spv_id(e);
    const uint32_t phi = vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpPhi, 2, vyi_spv_type(e, type), id);
    for (uint32_t at = list; at; at = e->edges.at[at - 1])
        vyi_spv_extend(e, VYI_SPV_BODY, phi, 2, e->edges.at[at - 1 + 2 + i],
                       e->edges.at[at - 1 + 1]);
    return id;
}

/* The locals' values where the edges meet, in the block that has just begun:
 * of those that matter after the block, or in the next iteration of one of the
 * `depth` outermost ones. */
static void vyi_spv_join(vyi_spv *e, const vyi_spv_frame *f, uint32_t list, uint32_t depth)
{
    for (uint32_t i = 0; i < f->touched_count && !e->failed; i++) {
        const uint32_t local = vyi_spv_touched(e, f)[i];
        const uint32_t before = e->next_id;
        if (!vyi_spv_live(e, local, f->end, depth))
            continue;
        e->current[local] = vyi_spv_join_one(e, list, i, vyi_spv_local_type(e, local));
        if (e->current[local] >= before)
            vyi_spv_name_local(e, e->current[local], local);
    }
}

/* --- blocks -------------------------------------------------------------- */

VYI_API uint32_t vyi_spv_end_of(const vyre_program *p, uint32_t opener)
{
    uint32_t i = opener;
    while (p->insts[i].op != VYI_OP_END)
        i = p->insts[i].link;
    return i;
}

static vyi_spv_frame *vyi_spv_push(vyi_spv *e, uint32_t opener, bool loop)
{
    vyi_spv_frame *f = &e->frames[e->depth];
    memset(f, 0, sizeof *f);
    f->opener = opener;
    f->merge = vyi_spv_id(e);
    f->next = loop ? vyi_spv_id(e) : 0;
    f->values = e->values.count;
    f->facts = e->range.count;
    e->depth++;
    f->end = vyi_spv_end_of(e->p, opener);
    vyi_spv_touch_all(e, f);
    return f;
}

/* Back to what was known when the block opened. */
static void vyi_spv_unlearn(vyi_spv *e, const vyi_spv_frame *f)
{
    vyi_spv_forget(&e->values, f->values);
    e->range.count = f->facts;
}

/* Ends the current arm, if it has not ended itself. */
static void vyi_spv_leave_arm(vyi_spv *e, vyi_spv_frame *f)
{
    if (!e->left) {
        vyi_spv_edge(e, f, &f->merge_edges);
        vyi_spv_branch(e, f->merge);
    }
    vyi_spv_unlearn(e, f);
}

/* The block's end: what comes next is reached by its edges, or not at all. */
static void vyi_spv_close(vyi_spv *e, vyi_spv_frame *f)
{
    vyi_spv_label(e, f->merge);
    if (f->merge_edges) {
        vyi_spv_join(e, f, f->merge_edges, e->depth - 1);
    } else {
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpUnreachable, 0);
        e->left = true;
    }
    e->stack.count = f->touched;
    e->depth--;
}

/* The locals' values at the opener, kept behind the list of them, for the
 * arms to start from. */
static void vyi_spv_save(vyi_spv *e, const vyi_spv_frame *f)
{
    uint32_t *words = vyi_spv_room(e, &e->stack, f->touched_count);
    for (uint32_t i = 0; words && i < f->touched_count; i++)
        words[i] = e->current[vyi_spv_touched(e, f)[i]];
}

static void vyi_spv_restore(vyi_spv *e, const vyi_spv_frame *f)
{
    const uint32_t *touched = vyi_spv_touched(e, f);
    for (uint32_t i = 0; i < f->touched_count && !e->failed; i++)
        e->current[touched[i]] = touched[f->touched_count + i];
}

/* The opposite of a comparison that is also used as a value, for an if to
 * branch by; else 0.  NVIDIA's compiler (seen in driver 580) can store a wrong
 * ~x where x is 0, when one x != 0 decides the branch and is selected by. */
static uint32_t vyi_spv_opposite(vyi_spv *e, uint32_t cond)
{
    vyi_inst inst = *vyi_definition(e->p, cond);
    const bool compares = inst.op == VYI_OP_BINARY && vyi_opposite(inst.sub) != VYI_BINARY_COUNT;
    if (!(e->needed[cond - 1] & VYI_SPV_KEPT) || !(compares || inst.op == VYI_OP_CAST))
        return 0;
    const uint32_t type = vyi_definition(e->p, inst.arg[0])->type;
    if (type == VYRE_TYPE_F32 || (type == VYRE_TYPE_BOOL && !compares))
        return 0;
    if (!compares)
        return vyi_spv_is_zero(e, type, vyi_spv_value(e, inst.arg[0]));
    inst.sub = (uint8_t)vyi_opposite(inst.sub);
    return vyi_spv_binary_inst(e, &inst);
}

VYI_OUTLINE
static void vyi_spv_if(vyi_spv *e, uint32_t index)
{
    const vyi_inst *inst = &e->p->insts[index];
    const uint32_t cond = vyi_spv_value(e, inst->arg[0]);
    const uint32_t opposite = vyi_spv_opposite(e, inst->arg[0]);
    vyi_spv_frame *f = vyi_spv_push(e, index, false);
    const uint32_t then_label = vyi_spv_id(e);
    f->has_else = e->p->insts[inst->link].op == VYI_OP_ELSE;
    f->arm = f->has_else ? vyi_spv_id(e) : f->merge;
    vyi_spv_save(e, f);
    if (!f->has_else)
        vyi_spv_edge(e, f, &f->merge_edges);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpSelectionMerge, 2, f->merge, 0u);
    if (opposite)
        vyi_spv_branch_if(e, opposite, f->arm, then_label);
    else
        vyi_spv_branch_if(e, cond, then_label, f->arm);
    vyi_spv_label(e, then_label);
    vyi_range_learn(&e->range, inst->arg[0], true);
}

static void vyi_spv_else(vyi_spv *e, vyi_spv_frame *f)
{
    f->then_left = e->left;
    vyi_spv_leave_arm(e, f);
    vyi_spv_restore(e, f);
    vyi_spv_label(e, f->arm);
    vyi_range_learn(&e->range, e->p->insts[f->opener].arg[0], false);
}

/* After an if of which one arm never arrives here, the other one's condition
 * holds. */
VYI_OUTLINE
static void vyi_spv_end_if(vyi_spv *e, vyi_spv_frame *f)
{
    const uint32_t cond = e->p->insts[f->opener].arg[0];
    const bool else_left = f->has_else && e->left;
    const bool then_left = f->has_else ? f->then_left : e->left;
    vyi_spv_leave_arm(e, f);
    vyi_spv_close(e, f);
    if (then_left != else_left)
        vyi_range_learn(&e->range, cond, else_left);
}

VYI_OUTLINE
static void vyi_spv_switch(vyi_spv *e, uint32_t index)
{
    const vyre_program *p = e->p;
    const uint32_t selector = vyi_spv_value(e, p->insts[index].arg[0]);
    vyi_spv_frame *f = vyi_spv_push(e, index, false);
    bool has_default = false;
    vyi_spv_save(e, f);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpSelectionMerge, 2, f->merge, 0u);
    const uint32_t at = vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpSwitch, 2, selector, f->merge);
    f->arm = e->next_id;
    for (uint32_t i = p->insts[index].link; p->insts[i].op != VYI_OP_END; i = p->insts[i].link) {
        const uint32_t arm = vyi_spv_id(e);
        if (p->insts[i].op == VYI_OP_CASE) {
            vyi_spv_extend(e, VYI_SPV_BODY, at, 2, p->insts[i].arg[0], arm);
        } else if (!e->failed) {
            e->section[VYI_SPV_BODY].at[at + 2] = arm;
            has_default = true;
        }
    }
    if (!has_default)
        vyi_spv_edge(e, f, &f->merge_edges);
    e->left = true;
}

static void vyi_spv_case(vyi_spv *e, vyi_spv_frame *f)
{
    vyi_spv_leave_arm(e, f);
    vyi_spv_restore(e, f);
    vyi_spv_label(e, f->arm++);
}

/* --- loops --------------------------------------------------------------- */

/* A local's value as the phi of a loop header carries it: bools as words.  The
 * SPIR-V front end of NVIDIA's driver 580 reads through a null pointer at many
 * a bool phi there, most when the next iteration's value comes from outside. */
static uint32_t vyi_spv_carried(vyi_spv *e, uint32_t local)
{
    return vyi_spv_to_memory(e, vyi_spv_local_type(e, local), e->current[local]);
}

/* A phi of a loop header; its third value is filled in when the loop ends. */
static uint32_t vyi_spv_header_phi(vyi_spv *e, const vyi_spv_frame *f, uint32_t before,
                                   uint32_t type, uint32_t initial)
{
    const uint32_t id = vyi_spv_id(e);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpPhi, 6, vyi_spv_type(e, vyi_spv_memory_type(type)), id,
                initial, before, 0u, f->next);
    return id;
}

/* How often a counted loop runs.  Its phi counts up to that from 0, whatever
 * the loop counts from: NVIDIA's compiler (seen in driver 580) leaves out the
 * last iteration of some loops from ~n to ~n + 3. */
static uint32_t vyi_spv_times(vyi_spv *e, const vyi_inst *inst)
{
    const uint32_t from = vyi_spv_value(e, inst->arg[0]), to = vyi_spv_value(e, inst->arg[1]);
    const uint32_t zero = vyi_spv_u32(e, 0);
    uint32_t first, end;
    if (from == zero)
        return to;
    if (vyi_literal(e->p, inst->arg[0], &first) && vyi_literal(e->p, inst->arg[1], &end))
        return vyi_spv_u32(e, end > first ? end - first : 0);
    const uint32_t any = vyi_spv_test(e, VYI_SPV_OpULessThan, from, to);
    const uint32_t distance = vyi_spv_word(e, VYI_SPV_OpISub, to, from);
    return vyi_spv_select(e, VYRE_TYPE_U32, any, distance, zero);
}

/* Enters the header: its phis, and the locals as they give them. */
VYI_OUTLINE
static void vyi_spv_header_phis(vyi_spv *e, vyi_spv_frame *f, uint32_t before)
{
    const vyi_inst *inst = &e->p->insts[f->opener];
    if (inst->op == VYI_OP_LOOP)
        f->count = vyi_spv_times(e, inst);
    for (uint32_t i = 0; i < f->touched_count && !e->failed; i++) {
        const uint32_t local = vyi_spv_touched(e, f)[i];
        e->current[local] = vyi_spv_carried(e, local);
    }
    vyi_spv_branch(e, f->header);
    vyi_spv_label(e, f->header);
    f->phis = e->section[VYI_SPV_BODY].count;
    for (uint32_t i = 0; i < f->touched_count && !e->failed; i++) {
        const uint32_t local = vyi_spv_touched(e, f)[i];
        e->current[local] = vyi_spv_header_phi(e, f, before, vyi_spv_local_type(e, local),
                                               e->current[local]);
        vyi_spv_name_local(e, e->current[local], local);
    }
    if (inst->op == VYI_OP_LOOP)
        f->counter = vyi_spv_header_phi(e, f, before, VYRE_TYPE_U32, vyi_spv_u32(e, 0));
    if (inst->op == VYI_OP_FOREVER && inst->sub && e->desc.rounds)
        f->rounds_left = vyi_spv_header_phi(e, f, before, VYRE_TYPE_U32, e->rounds_start);
    for (uint32_t i = 0; i < f->touched_count && !e->failed; i++) {
        const uint32_t local = vyi_spv_touched(e, f)[i];
        e->current[local] = vyi_spv_from_memory(e, vyi_spv_local_type(e, local),
                                                e->current[local]);
    }
}

/* Loops inside the loop.  Where a vector's iterations count, each of them
 * counts one in every iteration of this one, even if no lane gets there: the
 * driver runs what is behind a condition under an empty mask. */
static uint32_t vyi_spv_loops_inside(const vyi_spv *e, uint32_t opener)
{
    uint32_t count = 0;
    for (uint32_t i = opener + 1; i < e->p->insts[opener].link; i++)
        count += e->p->insts[i].op == VYI_OP_LOOP || e->p->insts[i].op == VYI_OP_FOREVER;
    return count;
}

/* Whether the limit lets the next iteration begin.  Where vectors are counted,
 * the driver's count goes up faster than the lane's own, so both are looked at. */
static uint32_t vyi_spv_loop_allowed(vyi_spv *e, vyi_spv_frame *f)
{
    const uint32_t mine = vyi_spv_test(e, VYI_SPV_OpULessThan, e->current[e->spent],
                                       e->current[e->allowed]);
    if (!e->desc.unfenced)
        return mine;
    const uint32_t inside = vyi_spv_loops_inside(e, f->opener);
    const uint32_t limit = e->desc.loop_limit > inside ? e->desc.loop_limit - inside : 0;
    f->trips = vyi_spv_trips(e);
    return vyi_spv_test(e, VYI_SPV_OpLogicalAnd, mine,
                        vyi_spv_test(e, VYI_SPV_OpULessThan, f->trips, vyi_spv_u32(e, limit)));
}

/* Whether the next iteration begins; 0: always.  An iteration that only the
 * limit forbids sets the cut. */
static uint32_t vyi_spv_loop_condition(vyi_spv *e, vyi_spv_frame *f)
{
    const vyi_inst *inst = &e->p->insts[f->opener];
    uint32_t cond = 0;
    if (inst->op == VYI_OP_LOOP)
        cond = vyi_spv_test(e, VYI_SPV_OpULessThan, f->counter, f->count);
    const uint32_t cut = e->current[e->cut];
    if (e->desc.loop_limit) {
        const uint32_t wanted = cond ? cond : vyi_spv_const(e, VYRE_TYPE_BOOL, 1);
        const uint32_t allowed = vyi_spv_loop_allowed(e, f);
        cond = cond ? vyi_spv_test(e, VYI_SPV_OpLogicalAnd, cond, allowed)
                    : allowed;
        if (vyi_spv_live(e, e->cut, f->opener, e->depth - 1))
            e->current[e->cut] = vyi_spv_test(e, VYI_SPV_OpLogicalOr, cut, wanted);
    }
    if (cond)
        vyi_spv_edge(e, f, &f->merge_edges);
    e->current[e->cut] = cut;
    return cond;
}

/* An iteration has begun.  The driver counts its own end, and one for each loop
 * inside it. */
static void vyi_spv_loop_count(vyi_spv *e, const vyi_spv_frame *f)
{
    e->current[e->spent] = vyi_spv_word(e, VYI_SPV_OpIAdd, e->current[e->spent], vyi_spv_u32(e, 1));
    if (!e->desc.unfenced)
        return;
    const uint32_t cost = vyi_spv_u32(e, 1 + vyi_spv_loops_inside(e, f->opener));
    const uint32_t trips = vyi_spv_word(e, VYI_SPV_OpIAdd, f->trips, cost);
    if (e->trips)
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpStore, 2, e->trips, trips);
    else
        e->current[e->cost] = trips;
}

VYI_OUTLINE
static void vyi_spv_loop(vyi_spv *e, uint32_t index)
{
    const vyi_inst *inst = &e->p->insts[index];
    const uint32_t before = e->block, body = vyi_spv_id(e);
    vyi_spv_frame *f = vyi_spv_push(e, index, true);
    f->header = vyi_spv_id(e);
    vyi_spv_header_phis(e, f, before);
    const uint32_t cond = vyi_spv_loop_condition(e, f);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpLoopMerge, 3, f->merge, f->next, 0u);
    if (cond)
        vyi_spv_branch_if(e, cond, body, f->merge);
    else
        vyi_spv_branch(e, body);
    vyi_spv_label(e, body);
    if (e->desc.loop_limit)
        vyi_spv_loop_count(e, f);
    if (inst->op == VYI_OP_LOOP) {
        const uint32_t from = vyi_spv_value(e, inst->arg[0]);
        e->ids[index + 1] = f->counter;
        if ((e->needed[index] & VYI_SPV_USED) && from != vyi_spv_u32(e, 0))
            e->ids[index + 1] = vyi_spv_word(e, VYI_SPV_OpIAdd, from, f->counter);
        vyi_range_add(&e->range, index + 1, inst->arg[1], true);
    }
}

/* Gives one of the header's phis its value of the next iteration. */
static void vyi_spv_patch_phi(vyi_spv *e, uint32_t phi, uint32_t value)
{
    if (!e->failed)
        e->section[VYI_SPV_BODY].at[phi + 5] = value;
}

/* All of them.  Where nothing continues they keep their own values. */
static void vyi_spv_patch_phis(vyi_spv *e, const vyi_spv_frame *f, uint32_t counter,
                               uint32_t rounds_left)
{
    uint32_t phi = f->phis;
    for (uint32_t i = 0; i < f->touched_count && !e->failed; i++, phi += 7)
        vyi_spv_patch_phi(e, phi, f->next_edges
                                      ? vyi_spv_carried(e, vyi_spv_touched(e, f)[i])
                                      : e->section[VYI_SPV_BODY].at[phi + 2]);
    if (counter) {
        vyi_spv_patch_phi(e, phi, counter);
        phi += 7;
    }
    if (rounds_left)
        vyi_spv_patch_phi(e, phi, rounds_left);
}

/* The continue block, which is unreachable when nothing continues. */
static void vyi_spv_next(vyi_spv *e, vyi_spv_frame *f)
{
    if (!e->left) {
        vyi_spv_edge(e, f, &f->next_edges);
        vyi_spv_branch(e, f->next);
    }
    vyi_spv_unlearn(e, f);
    vyi_spv_label(e, f->next);
    if (f->next_edges)
        vyi_spv_join(e, f, f->next_edges, e->depth);
}

VYI_OUTLINE
static void vyi_spv_end_loop(vyi_spv *e, vyi_spv_frame *f)
{
    uint32_t counter = 0, rounds_left = 0;
    vyi_spv_next(e, f);
    if (f->counter)
        counter = vyi_spv_word(e, VYI_SPV_OpIAdd, f->counter, vyi_spv_u32(e, 1));
    if (f->rounds_left)
        rounds_left = vyi_spv_word(e, VYI_SPV_OpISub, f->rounds_left, e->rounds_step);
    vyi_spv_patch_phis(e, f, counter, rounds_left);
    if (rounds_left && f->next_edges) {
        const uint32_t more = vyi_spv_test(e, VYI_SPV_OpINotEqual, rounds_left, vyi_spv_u32(e, 0));
        vyi_spv_edge(e, f, &f->merge_edges);
        vyi_spv_branch_if(e, more, f->header, f->merge);
    } else {
        vyi_spv_branch(e, f->header);
    }
    vyi_spv_unlearn(e, f);
    vyi_spv_close(e, f);
}

/* BREAK and CONTINUE. */
static void vyi_spv_jump(vyi_spv *e, const vyi_inst *inst)
{
    uint32_t depth = e->depth - 1;
    while (e->frames[depth].opener != inst->link)
        depth--;
    vyi_spv_frame *f = &e->frames[depth];
    const bool leave = inst->op == VYI_OP_BREAK;
    vyi_spv_edge(e, f, leave ? &f->merge_edges : &f->next_edges);
    vyi_spv_branch(e, leave ? f->merge : f->next);
}

/* allowed = spent + min(n, what is left of the limit), which cannot wrap. */
VYI_API void vyi_spv_loop_allow(vyi_spv *e, const vyi_inst *inst)
{
    if (!e->desc.loop_limit)
        return;
    const uint32_t left = vyi_spv_builtin(e, VYRE_BUILTIN_LOOP_LEFT);
    const uint32_t more = vyi_spv_ext2(e, VYRE_TYPE_U32, VYI_SPV_GlslUMin,
                                       vyi_spv_value(e, inst->arg[0]), left);
    e->current[e->allowed] = vyi_spv_word(e, VYI_SPV_OpIAdd, e->current[e->spent], more);
    e->current[e->cut] = vyi_spv_const(e, VYRE_TYPE_BOOL, 0);
}

/* Iterations so far, as the driver counts them: this lane's, or its vector's. */
VYI_API uint32_t vyi_spv_trips(vyi_spv *e)
{
    if (!e->trips)
        return e->current[e->desc.unfenced ? e->cost : e->spent];
    const uint32_t id = vyi_spv_id(e);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpLoad, 3, vyi_spv_type(e, VYRE_TYPE_U32), id, e->trips);
    return id;
}

/* A word for each vector of llvmpipe, which its lanes read and write in step.
 * A vector is a run of lanes of one row: of equal y and z. */
VYI_API void vyi_spv_count_trips(vyi_spv *e)
{
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32);
    const uint32_t storage = VYI_SPV_StorageClassWorkgroup;
    const uint32_t array = vyi_spv_type_of(e, VYI_SPV_OpTypeArray, 2, u32,
                                           vyi_spv_u32(e, VYRE_MAX_WORKGROUP));
    const uint32_t pointer = vyi_spv_pointer_type(e, storage, u32);
    const uint32_t variable = vyi_spv_variable(e, storage, array);
    const uint32_t width = vyi_spv_builtin(e, VYRE_BUILTIN_GROUP_SIZE_X);
    const uint32_t row = vyi_spv_word(e, VYI_SPV_OpUDiv,
                                      vyi_spv_builtin(e, VYRE_BUILTIN_LOCAL_INDEX), width);
    const uint32_t lanes = vyi_spv_builtin(e, VYRE_BUILTIN_SUBGROUP_SIZE);
    const uint32_t column = vyi_spv_word(e, VYI_SPV_OpUDiv,
                                         vyi_spv_builtin(e, VYRE_BUILTIN_LOCAL_ID_X), lanes);
    const uint32_t first = vyi_spv_word(e, VYI_SPV_OpIMul, row, width);
    const uint32_t index = vyi_spv_word(e, VYI_SPV_OpIAdd, first, column);
    e->trips = vyi_spv_pure(e, VYI_SPV_OpAccessChain, pointer, 2, variable, index);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpStore, 2, e->trips, vyi_spv_u32(e, 0));
}

/* --- all of them --------------------------------------------------------- */

static void vyi_spv_end(vyi_spv *e)
{
    vyi_spv_frame *f = &e->frames[e->depth - 1];
    switch (e->p->insts[f->opener].op) {
    case VYI_OP_IF: vyi_spv_end_if(e, f); break;
    case VYI_OP_SWITCH:
        vyi_spv_leave_arm(e, f);
        vyi_spv_close(e, f);
        break;
    default: vyi_spv_end_loop(e, f); break;
    }
}

/* Openers, arms, ends and jumps. */
VYI_OUTLINE
VYI_API void vyi_spv_flow(vyi_spv *e, uint32_t index)
{
    const vyi_inst *inst = &e->p->insts[index];
    switch (inst->op) {
    case VYI_OP_IF: vyi_spv_if(e, index); break;
    case VYI_OP_SWITCH: vyi_spv_switch(e, index); break;
    case VYI_OP_LOOP: case VYI_OP_FOREVER: vyi_spv_loop(e, index); break;
    case VYI_OP_ELSE: vyi_spv_else(e, &e->frames[e->depth - 1]); break;
    case VYI_OP_CASE: case VYI_OP_DEFAULT: vyi_spv_case(e, &e->frames[e->depth - 1]); break;
    case VYI_OP_END: vyi_spv_end(e); break;
    case VYI_OP_BREAK: case VYI_OP_CONTINUE: vyi_spv_jump(e, inst); break;
    default: /* RETURN */
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpReturn, 0);
        e->left = true;
        break;
    }
}
/* ==========================================================================
 * spirv: implementation
 *
 * One pass over the program.  Words go to one buffer per section of the
 * module; what later instructions turn out to need (a type, a constant, the
 * length of a buffer) goes to its section at first use.  Locals become SSA
 * values: each open block knows which locals it may set, each branch to its
 * end records their values, and the end makes a phi where they differ.
 *
 * Two sets find equal instructions by the hash of their words: one for the
 * module (types, constants), one for the values that dominate the current
 * place, which shrinks again when a block ends.
 * ======================================================================= */

/* --- words --------------------------------------------------------------- */

VYI_API uint32_t *vyi_spv_room(vyi_spv *e, vyi_spv_words *w, uint32_t count)
{
    void *at = w->at;
    if (e->failed)
        return NULL;
    if (w->capacity - w->count < count) {
        if (!vyi_grow(&e->p->allocator, &at, &w->capacity, w->count + count, sizeof *w->at)) {
            e->failed = true;
            return NULL;
        }
        w->at = (uint32_t *)at;
    }
    w->count += count;
    return w->at + (w->count - count);
}

VYI_OUTLINE VYI_API uint32_t vyi_spv_id(vyi_spv *e)
{
    return e->next_id++;
}

VYI_API uint32_t vyi_spv_put(vyi_spv *e, uint32_t section, uint32_t op, uint32_t count, ...)
{
    vyi_spv_words *w = &e->section[section];
    const uint32_t offset = w->count;
    uint32_t *words = vyi_spv_room(e, w, count + 1);
    va_list operands;
    if (!words)
        return 0;
    words[0] = ((count + 1) << 16) | op;
    va_start(operands, count);
    for (uint32_t i = 1; i <= count; i++)
        words[i] = va_arg(operands, uint32_t);
    va_end(operands);
    return offset;
}

VYI_API void vyi_spv_extend(vyi_spv *e, uint32_t section, uint32_t offset, uint32_t count, ...)
{
    uint32_t *words = vyi_spv_room(e, &e->section[section], count);
    va_list operands;
    if (!words)
        return;
    va_start(operands, count);
    for (uint32_t i = 0; i < count; i++)
        words[i] = va_arg(operands, uint32_t);
    va_end(operands);
    e->section[section].at[offset] += count << 16;
}

/* More operands: a string's words, little-endian, terminated, padded with zeros. */
static void vyi_spv_extend_text(vyi_spv *e, uint32_t section, uint32_t offset, const char *text)
{
    const size_t length = strlen(text);
    for (size_t i = 0; i <= length; i += 4) {
        uint32_t word = 0;
        for (size_t k = i; k < i + 4 && k < length; k++)
            word |= (uint32_t)(uint8_t)text[k] << (8 * (k - i));
        vyi_spv_extend(e, section, offset, 1, word);
    }
}

VYI_API void vyi_spv_name(vyi_spv *e, uint32_t id, const char *name)
{
    if (e->desc.names && name && *name)
        vyi_spv_extend_text(e, VYI_SPV_NAMES,
                            vyi_spv_put(e, VYI_SPV_NAMES, VYI_SPV_OpName, 1, id), name);
}

/* --- equal instructions -------------------------------------------------- */

static uint32_t vyi_spv_hash(const uint32_t *words, uint32_t count)
{
    uint32_t hash = count;
    for (uint32_t i = 0; i < count; i++) {
        hash = (hash ^ words[i]) * 0x9e3779b1u;
        hash ^= hash >> 15;
    }
    return hash;
}

/* Equal but for the result id, which is word `result`. */
static bool vyi_spv_equal(const uint32_t *a, const uint32_t *b, uint32_t count, uint32_t result)
{
    for (uint32_t i = 0; i < count; i++)
        if (i != result && a[i] != b[i])
            return false;
    return true;
}

/* The id of an instruction with these words: one that is there, or a new one.
 * Word `result` is 0 on entry. */
static uint32_t vyi_spv_intern(vyi_spv *e, vyi_spv_set *set, uint32_t *words, uint32_t count,
                               uint32_t result)
{
    vyi_spv_words *w = &e->section[set->section];
    const uint32_t hash = vyi_spv_hash(words, count);
    uint32_t *bucket = &set->buckets[hash % VYI_SPV_BUCKETS];
    void *entries = set->entries;
    for (uint32_t i = *bucket; i; i = set->entries[i - 1].next) {
        const vyi_spv_entry *entry = &set->entries[i - 1];
        if (entry->hash == hash && vyi_spv_equal(w->at + entry->offset, words, count, result))
            return w->at[entry->offset + result];
    }
    const uint32_t offset = w->count;
    uint32_t *at = vyi_spv_room(e, w, count);
    words[result] = vyi_spv_id(e);
    if (!at)
        return words[result];
    memcpy(at, words, count * sizeof *words);
    if (!vyi_grow(&e->p->allocator, &entries, &set->capacity, set->count + 1,
                  sizeof *set->entries)) {
        e->failed = true;
        return words[result];
    }
    set->entries = (vyi_spv_entry *)entries;
    set->entries[set->count].hash = hash;
    set->entries[set->count].offset = offset;
    set->entries[set->count].next = *bucket;
    *bucket = ++set->count;
    return words[result];
}

VYI_API void vyi_spv_forget(vyi_spv_set *set, uint32_t count)
{
    while (set->count > count) {
        const vyi_spv_entry *entry = &set->entries[--set->count];
        set->buckets[entry->hash % VYI_SPV_BUCKETS] = entry->next;
    }
}

/* The id of the instruction with these operands; a type's id comes first, a
 * value's behind the id of its `type`. */
static uint32_t vyi_spv_find(vyi_spv *e, vyi_spv_set *set, uint32_t op, uint32_t type,
                             uint32_t count, va_list operands)
{
    uint32_t words[3 + VYI_SPV_OPERANDS];
    const uint32_t result = type ? 2 : 1;
    words[0] = ((count + result + 1) << 16) | op;
    words[1] = type;
    words[result] = 0;
    for (uint32_t i = 1; i <= count; i++)
        words[result + i] = va_arg(operands, uint32_t);
    return vyi_spv_intern(e, set, words, count + result + 1, result);
}

VYI_API uint32_t vyi_spv_type_of(vyi_spv *e, uint32_t op, uint32_t count, ...)
{
    va_list operands;
    va_start(operands, count);
    const uint32_t id = vyi_spv_find(e, &e->globals, op, 0, count, operands);
    va_end(operands);
    return id;
}

VYI_API uint32_t vyi_spv_pure(vyi_spv *e, uint32_t op, uint32_t type, uint32_t count, ...)
{
    va_list operands;
    va_start(operands, count);
    const uint32_t id = vyi_spv_find(e, &e->values, op, type, count, operands);
    va_end(operands);
    return id;
}

/* --- types and constants ------------------------------------------------- */

/* By vyre_type: the instruction, its operands. */
static const uint8_t vyi_spv_types[VYRE_TYPE_BOOL + 1][4] = {
    { VYI_SPV_OpTypeVoid, 0, 0, 0 },    { VYI_SPV_OpTypeInt, 2, 32, 0 },
    { VYI_SPV_OpTypeInt, 2, 32, 1 },    { VYI_SPV_OpTypeFloat, 1, 32, 0 },
    { VYI_SPV_OpTypeBool, 0, 0, 0 }
};

VYI_OUTLINE VYI_API uint32_t vyi_spv_type(vyi_spv *e, uint32_t type)
{
    const uint8_t *row = vyi_spv_types[type];
    if (!e->types[type])
        e->types[type] = vyi_spv_type_of(e, row[0], row[1], (uint32_t)row[2], (uint32_t)row[3]);
    return e->types[type];
}

VYI_OUTLINE VYI_API uint32_t vyi_spv_const(vyi_spv *e, uint32_t type, uint32_t bits)
{
    uint32_t words[4];
    const bool truth = type == VYRE_TYPE_BOOL;
    words[0] = truth ? (3u << 16) | (uint32_t)(bits ? VYI_SPV_OpConstantTrue
                                                    : VYI_SPV_OpConstantFalse)
                     : (4u << 16) | (uint32_t)VYI_SPV_OpConstant;
    words[1] = vyi_spv_type(e, type);
    words[2] = 0;
    words[3] = bits;
    const uint32_t id = vyi_spv_intern(e, &e->globals, words, truth ? 3 : 4, 2);
    if (truth)
        e->bools[bits != 0] = id;
    return id;
}

VYI_OUTLINE VYI_API uint32_t vyi_spv_u32(vyi_spv *e, uint32_t x)
{
    return vyi_spv_const(e, VYRE_TYPE_U32, x);
}

VYI_API uint32_t vyi_spv_pointer_type(vyi_spv *e, uint32_t storage, uint32_t type)
{
    return vyi_spv_type_of(e, VYI_SPV_OpTypePointer, 2, storage, type);
}

VYI_API uint32_t vyi_spv_memory_type(uint32_t type)
{
    return type == VYRE_TYPE_BOOL ? (uint32_t)VYRE_TYPE_U32 : type;
}

/* A module-scope variable.  From SPIR-V 1.4 on the entry point names all of
 * them, before that only inputs. */
VYI_API uint32_t vyi_spv_variable(vyi_spv *e, uint32_t storage, uint32_t type)
{
    const uint32_t id = vyi_spv_id(e);
    const uint32_t pointer = vyi_spv_pointer_type(e, storage, type);
    vyi_spv_put(e, VYI_SPV_GLOBALS, VYI_SPV_OpVariable, 3, pointer, id, storage);
    if (storage == VYI_SPV_StorageClassInput || e->desc.version >= 0x00010400u) {
        uint32_t *word = vyi_spv_room(e, &e->section[VYI_SPV_INTERFACE], 1);
        if (word)
            *word = id;
    }
    return id;
}

VYI_API void vyi_spv_decorate(vyi_spv *e, uint32_t id, uint32_t decoration)
{
    vyi_spv_put(e, VYI_SPV_DECORATIONS, VYI_SPV_OpDecorate, 2, id, decoration);
}

VYI_API void vyi_spv_decorate_with(vyi_spv *e, uint32_t id, uint32_t decoration, uint32_t value)
{
    vyi_spv_put(e, VYI_SPV_DECORATIONS, VYI_SPV_OpDecorate, 3, id, decoration, value);
}

/* A Block struct with one member at offset 0. */
VYI_API uint32_t vyi_spv_block_type(vyi_spv *e, uint32_t member)
{
    const uint32_t block = vyi_spv_type_of(e, VYI_SPV_OpTypeStruct, 1, member);
    vyi_spv_decorate(e, block, VYI_SPV_DecorationBlock);
    vyi_spv_put(e, VYI_SPV_DECORATIONS, VYI_SPV_OpMemberDecorate, 4, block, 0u,
                VYI_SPV_DecorationOffset, 0u);
    return block;
}

/* --- capabilities and imports -------------------------------------------- */

static const uint16_t vyi_spv_optional_capabilities[] = {
    VYI_SPV_CapabilityGroupNonUniform,
    VYI_SPV_CapabilityGroupNonUniformVote,
    VYI_SPV_CapabilityGroupNonUniformArithmetic,
    VYI_SPV_CapabilityGroupNonUniformBallot,
    VYI_SPV_CapabilityGroupNonUniformShuffle,
    VYI_SPV_CapabilityVulkanMemoryModel,
    VYI_SPV_CapabilityVulkanMemoryModelDeviceScope
};

#define VYI_SPV_OPTIONAL_CAPABILITIES 7u
#define VYI_SPV_NEEDS_VULKAN_MODEL    0x60u /* the last two */

/* The first five stand in the order of VkSubgroupFeatureFlagBits. */
VYI_COLD
VYI_API void vyi_spv_need_subgroup(vyi_spv *e, uint32_t feature)
{
    e->subgroup |= feature | (uint32_t)VYI_SUBGROUP_BASIC;
    e->capabilities |= e->subgroup;
}

VYI_API uint32_t vyi_spv_ext(vyi_spv *e, uint32_t type, uint32_t inst, uint32_t count,
                             const uint32_t *operands)
{
    const uint32_t type_id = vyi_spv_type(e, type);
    if (!e->glsl) {
        e->glsl = vyi_spv_id(e);
        vyi_spv_extend_text(e, VYI_SPV_IMPORT,
                            vyi_spv_put(e, VYI_SPV_IMPORT, VYI_SPV_OpExtInstImport, 1, e->glsl),
                            "GLSL.std.450");
    }
    return vyi_spv_pure(e, VYI_SPV_OpExtInst, type_id, count + 2, e->glsl, inst, operands[0],
                        count > 1 ? operands[1] : 0, count > 2 ? operands[2] : 0);
}

VYI_API uint32_t vyi_spv_ext1(vyi_spv *e, uint32_t type, uint32_t inst, uint32_t a)
{
    return vyi_spv_ext(e, type, inst, 1, &a);
}

VYI_API uint32_t vyi_spv_ext2(vyi_spv *e, uint32_t type, uint32_t inst, uint32_t a, uint32_t b)
{
    const uint32_t operands[2] = { a, b };
    return vyi_spv_ext(e, type, inst, 2, operands);
}

/* --- short forms --------------------------------------------------------- */

VYI_API uint32_t vyi_spv_unary(vyi_spv *e, uint32_t op, uint32_t type, uint32_t a)
{
    return vyi_spv_pure(e, op, vyi_spv_type(e, type), 1, a);
}

VYI_OUTLINE VYI_API uint32_t vyi_spv_binary(vyi_spv *e, uint32_t op, uint32_t type, uint32_t a,
                                            uint32_t b)
{
    return vyi_spv_pure(e, op, vyi_spv_type(e, type), 2, a, b);
}

VYI_API uint32_t vyi_spv_test(vyi_spv *e, uint32_t op, uint32_t a, uint32_t b)
{
    return vyi_spv_binary(e, op, VYRE_TYPE_BOOL, a, b);
}

VYI_API uint32_t vyi_spv_word(vyi_spv *e, uint32_t op, uint32_t a, uint32_t b)
{
    return vyi_spv_binary(e, op, VYRE_TYPE_U32, a, b);
}

VYI_API uint32_t vyi_spv_select(vyi_spv *e, uint32_t type, uint32_t cond, uint32_t a, uint32_t b)
{
    if (a == b || cond == e->bools[0] || cond == e->bools[1])
        return cond == e->bools[0] ? b : a;
    return vyi_spv_pure(e, VYI_SPV_OpSelect, vyi_spv_type(e, type), 3, cond, a, b);
}

VYI_API uint32_t vyi_spv_value(vyi_spv *e, uint32_t value)
{
    const vyi_inst *inst = vyi_definition(e->p, value);
    if (!e->ids[value] && inst->op == VYI_OP_CONST)
        e->ids[value] = vyi_spv_const(e, inst->type, inst->arg[0]);
    return e->ids[value];
}

VYI_API void vyi_spv_label(vyi_spv *e, uint32_t id)
{
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpLabel, 1, id);
    e->block = id;
    e->left = false;
}

VYI_API void vyi_spv_branch(vyi_spv *e, uint32_t label)
{
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpBranch, 1, label);
    e->left = true;
}

VYI_API void vyi_spv_branch_if(vyi_spv *e, uint32_t cond, uint32_t yes, uint32_t no)
{
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpBranchConditional, 3, cond, yes, no);
    e->left = true;
}

/* --- builtins ------------------------------------------------------------ */

/* A load in the function's first block. */
static uint32_t vyi_spv_start_load(vyi_spv *e, uint32_t type, uint32_t pointer)
{
    const uint32_t id = vyi_spv_id(e);
    vyi_spv_put(e, VYI_SPV_START, VYI_SPV_OpLoad, 3, type, id, pointer);
    return id;
}

/* An input, loaded once. */
VYI_COLD
static uint32_t vyi_spv_input(vyi_spv *e, uint32_t slot, uint32_t builtin, uint32_t type)
{
    if (!e->inputs[slot]) {
        const uint32_t variable = vyi_spv_variable(e, VYI_SPV_StorageClassInput, type);
        vyi_spv_decorate_with(e, variable, VYI_SPV_DecorationBuiltIn, builtin);
        e->inputs[slot] = vyi_spv_start_load(e, type, variable);
    }
    return e->inputs[slot];
}

VYI_COLD
static uint32_t vyi_spv_input_component(vyi_spv *e, uint32_t slot, uint32_t builtin,
                                        uint32_t component)
{
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32);
    const uint32_t vector = vyi_spv_input(e, slot, builtin,
                                          vyi_spv_type_of(e, VYI_SPV_OpTypeVector, 2, u32, 3u));
    const uint32_t id = vyi_spv_id(e);
    vyi_spv_put(e, VYI_SPV_START, VYI_SPV_OpCompositeExtract, 4, u32, id, vector, component);
    return id;
}

/* The vectors among the builtins, in the order of VYRE_BUILTIN_LIST; 0 is the
 * workgroup's size, which is a constant. */
static const uint16_t vyi_spv_vectors[] = {
    VYI_SPV_BuiltInLocalInvocationId, VYI_SPV_BuiltInWorkgroupId,
    VYI_SPV_BuiltInGlobalInvocationId, 0, VYI_SPV_BuiltInNumWorkgroups
};
VYI_STATIC_ASSERT(spv_vectors, VYRE_BUILTIN_LOCAL_INDEX == 15 && VYRE_BUILTIN_COUNT == 20 &&
                                   VYRE_BUILTIN_GROUP_SIZE_X == 9);

VYI_COLD
static uint32_t vyi_spv_scalar_input(vyi_spv *e, uint32_t builtin)
{
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32);
    if (builtin == VYRE_BUILTIN_LOCAL_INDEX)
        return vyi_spv_input(e, builtin, VYI_SPV_BuiltInLocalInvocationIndex, u32);
    vyi_spv_need_subgroup(e, VYI_SUBGROUP_BASIC);
    return vyi_spv_input(e, builtin,
                         builtin == VYRE_BUILTIN_SUBGROUP_LANE
                             ? VYI_SPV_BuiltInSubgroupLocalInvocationId
                             : VYI_SPV_BuiltInSubgroupSize,
                         u32);
}

/* A lane that is alone counts for its subgroup. */
static bool vyi_spv_lone_lane(const vyi_spv *e)
{
    const uint32_t *size = e->p->group_size;
    return !e->desc.spec_group_size && size[0] * size[1] * size[2] == 1;
}

/* The workgroup's size: literal, or from specialization constants 0, 1, 2. */
static uint32_t vyi_spv_group_size(vyi_spv *e, uint32_t component)
{
    if (!e->desc.spec_group_size)
        return vyi_spv_u32(e, e->p->group_size[component]);
    return e->group_size[component];
}

VYI_COLD
static void vyi_spv_declare_group_size(vyi_spv *e)
{
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32);
    const uint32_t *size = e->p->group_size;
    vyi_spv_put(e, VYI_SPV_MODES, VYI_SPV_OpExecutionMode, 5, VYI_SPV_MAIN,
                VYI_SPV_ExecutionModeLocalSize, size[0], size[1], size[2]);
    if (!e->desc.spec_group_size)
        return;
    for (uint32_t i = 0; i < 3; i++) {
        e->group_size[i] = vyi_spv_id(e);
        vyi_spv_decorate_with(e, e->group_size[i], VYI_SPV_DecorationSpecId, i);
        vyi_spv_put(e, VYI_SPV_GLOBALS, VYI_SPV_OpSpecConstant, 3, u32, e->group_size[i], size[i]);
    }
    const uint32_t vector = vyi_spv_type_of(e, VYI_SPV_OpTypeVector, 2, u32, 3u);
    const uint32_t id = vyi_spv_id(e);
    vyi_spv_put(e, VYI_SPV_GLOBALS, VYI_SPV_OpSpecConstantComposite, 5, vector, id,
                e->group_size[0], e->group_size[1], e->group_size[2]);
    vyi_spv_decorate_with(e, id, VYI_SPV_DecorationBuiltIn, VYI_SPV_BuiltInWorkgroupSize);
}

VYI_COLD
static uint32_t vyi_spv_loop_left(vyi_spv *e)
{
    if (!e->desc.loop_limit)
        return vyi_spv_u32(e, 0xffffffffu);
    const uint32_t trips = vyi_spv_trips(e);
    return vyi_spv_word(e, VYI_SPV_OpISub, vyi_spv_u32(e, e->desc.loop_limit), trips);
}

VYI_COLD
VYI_API uint32_t vyi_spv_builtin(vyi_spv *e, uint32_t builtin)
{
    const uint32_t vector = builtin / 3, component = builtin % 3;
    if (builtin == VYRE_BUILTIN_LOOP_LEFT)
        return vyi_spv_loop_left(e);
    if (builtin == VYRE_BUILTIN_LOOP_CUT)
        return e->desc.loop_limit ? e->current[e->cut] : vyi_spv_const(e, VYRE_TYPE_BOOL, 0);
    if (e->builtins[builtin])
        return e->builtins[builtin];
    if (builtin >= VYRE_BUILTIN_LOCAL_INDEX)
        e->builtins[builtin] = vyi_spv_scalar_input(e, builtin);
    else if (vector == VYRE_BUILTIN_GROUP_SIZE_X / 3)
        e->builtins[builtin] = vyi_spv_group_size(e, component);
    else
        e->builtins[builtin] = vyi_spv_input_component(e, 3 * vector, vyi_spv_vectors[vector],
                                                       component);
    return e->builtins[builtin];
}

/* --- the program --------------------------------------------------------- */

/* An instruction without a value. */
VYI_OUTLINE
static void vyi_spv_effect(vyi_spv *e, uint32_t index)
{
    const vyi_inst *inst = &e->p->insts[index];
    switch (inst->op) {
    case VYI_OP_STORE: vyi_spv_store(e, inst); break;
    case VYI_OP_ATOMIC_STORE: (void)vyi_spv_atomic(e, inst); break;
    case VYI_OP_LOCAL: case VYI_OP_SET:
        e->current[inst->arg[0]] = vyi_spv_value(e, inst->arg[1]);
        break;
    case VYI_OP_BARRIER: vyi_spv_barrier(e, inst); break;
    case VYI_OP_LOOP_ALLOW: vyi_spv_loop_allow(e, inst); break;
    case VYI_OP_COMMENT: break;
    default: vyi_spv_flow(e, index); break;
    }
}

/* An instruction with a value: its SPIR-V id. */
VYI_OUTLINE
static uint32_t vyi_spv_result(vyi_spv *e, const vyi_inst *inst)
{
    switch (inst->op) {
    case VYI_OP_CONST: return 0; /* vyi_spv_value makes it where it is used */
    case VYI_OP_BUILTIN: return vyi_spv_builtin(e, inst->sub);
    case VYI_OP_LENGTH: return vyi_spv_length(e, inst->arg[0]);
    case VYI_OP_LOAD: return vyi_spv_load(e, inst);
    case VYI_OP_ATOMIC: case VYI_OP_ATOMIC_CAS: return vyi_spv_atomic(e, inst);
    case VYI_OP_ATOMIC_LOAD: return vyi_spv_atomic_load(e, inst);
    case VYI_OP_BINARY: return vyi_spv_binary_inst(e, inst);
    case VYI_OP_UNARY: return vyi_spv_unary_inst(e, inst);
    case VYI_OP_FMA: return vyi_spv_fma(e, inst);
    case VYI_OP_SELECT: return vyi_spv_select_inst(e, inst);
    case VYI_OP_CAST: return vyi_spv_cast(e, inst);
    case VYI_OP_BITCAST: return vyi_spv_bitcast(e, inst);
    case VYI_OP_GET: return e->current[inst->arg[0]];
    default: return vyi_spv_subgroup(e, inst);
    }
}

/* Instructions without effect that nobody uses are left out. */
static void vyi_spv_walk(vyi_spv *e, uint32_t first, uint32_t end);

/* Of an if whose condition is a constant only the arm that runs is emitted, as
 * a part of the block around it.  The optimizer has folded such ifs already; of
 * programs that were not optimized this keeps dead blocks away from drivers,
 * whose compilers have met few of them. */
static bool vyi_spv_if_is_decided(vyi_spv *e, uint32_t index)
{
    const vyre_program *p = e->p;
    const vyi_inst *inst = &p->insts[index];
    if (inst->op != VYI_OP_IF)
        return false;
    const vyi_inst *cond = vyi_definition(p, inst->arg[0]);
    if (cond->op != VYI_OP_CONST)
        return false;
    if (cond->arg[0])
        vyi_spv_walk(e, index + 1, inst->link);
    else if (p->insts[inst->link].op == VYI_OP_ELSE)
        vyi_spv_walk(e, inst->link + 1, vyi_spv_end_of(p, index));
    return true;
}

/* The instructions from `first` to before `end`. */
static void vyi_spv_walk(vyi_spv *e, uint32_t first, uint32_t end)
{
    const vyre_program *p = e->p;
    for (uint32_t i = first; i < end && !e->failed; i++) {
        const vyi_inst *inst = &p->insts[i];
        const uint32_t flags = vyi_op_describe(inst->op)->flags;
        if (e->left && !(flags & VYI_OP_ARM) && inst->op != VYI_OP_END) {
            if (flags & VYI_OP_OPENS)
                i = vyi_spv_end_of(p, i);
            continue;
        }
        if (vyi_spv_if_is_decided(e, i) || (inst->op == VYI_OP_LOOP && !e->needed[i])) {
            i = vyi_spv_end_of(p, i);
            continue;
        }
        if ((flags & VYI_OP_VALUE) && !(flags & VYI_OP_OPENS)) {
            if (e->needed[i])
                e->ids[i + 1] = vyi_spv_result(e, inst);
        } else {
            vyi_spv_effect(e, i);
        }
    }
}

/* Whether the instruction changes nothing but its value.  A counted loop in
 * which nothing stands that is needed (`next` is the first such instruction
 * after its opener) only counts, which a loop limit must see. */
static bool vyi_spv_is_idle(const vyi_spv *e, const vyi_inst *inst, uint32_t next)
{
    if (inst->op == VYI_OP_LOOP)
        return !e->desc.loop_limit && next >= inst->link;
    return (vyi_op_describe(inst->op)->flags & VYI_OP_PURE) || inst->op == VYI_OP_GET ||
           inst->op == VYI_OP_BUILTIN || inst->op == VYI_OP_LOAD;
}

/* Marks what anything depends on, backwards, and finds each local's last use. */
VYI_OUTLINE
static void vyi_spv_survey(vyi_spv *e)
{
    const vyre_program *p = e->p;
    uint32_t next = p->count;
    for (uint32_t i = p->count; i-- > 0;) {
        const vyi_inst *inst = &p->insts[i];
        const vyi_op_info *info = vyi_op_describe(inst->op);
        if (!e->needed[i] && vyi_spv_is_idle(e, inst, next))
            continue;
        e->needed[i] |= VYI_SPV_NEEDED;
        if (inst->op != VYI_OP_END && inst->op != VYI_OP_LOCAL && inst->op != VYI_OP_COMMENT)
            next = i;
        for (uint32_t k = 0; k < 4; k++)
            if ((info->values >> k) & 1u)
                e->needed[inst->arg[k] - 1] |= VYI_SPV_NEEDED | VYI_SPV_USED |
                                               (inst->op == VYI_OP_IF ? 0u : VYI_SPV_KEPT);
        if (inst->op == VYI_OP_GET && !e->last_get[inst->arg[0]])
            e->last_get[inst->arg[0]] = i;
        if (inst->op == VYI_OP_BUILTIN && inst->sub == VYRE_BUILTIN_LOOP_CUT &&
            !e->last_get[e->cut])
            e->last_get[e->cut] = i;
        if (inst->op == VYI_OP_FOREVER && inst->sub)
            e->fed = true;
    }
}

/* Buffers that the program writes.  Each plain access to one of those is made
 * available or visible to the device by itself: a lane must see what it wrote,
 * also by an atomic, and NVIDIA's compiler (seen in driver 580) does not see to
 * that for non-private accesses unless it is told. */
static void vyi_spv_find_written(vyi_spv *e)
{
    const vyre_program *p = e->p;
    for (uint32_t i = 0; i < p->count; i++) {
        if (vyi_op_describe(p->insts[i].op)->flags & VYI_OP_WRITES)
            e->written[p->insts[i].arg[0] - 1] = true;
    }
}

VYI_OUTLINE
static bool vyi_spv_prepare(vyi_spv *e)
{
    const vyre_program *p = e->p;
    const size_t locals = (size_t)p->local_count + 5;
    e->arena.allocator = p->allocator;
    e->ids = (uint32_t *)vyi_arena_alloc(&e->arena, ((size_t)p->count + 1) * sizeof *e->ids);
    e->needed = (uint8_t *)vyi_arena_alloc(&e->arena, (size_t)p->count + 1);
    e->buffers = (uint32_t *)vyi_arena_alloc(&e->arena, 2 * ((size_t)p->buffer_count + 1) *
                                                            sizeof *e->buffers);
    e->current = (uint32_t *)vyi_arena_alloc(&e->arena, 3 * locals * sizeof *e->current);
    if (!e->ids || !e->needed || !e->buffers || !e->current)
        return false;
    e->lengths = e->buffers + p->buffer_count + 1;
    e->last_get = e->current + locals;
    e->marks = e->last_get + locals;
    e->spent = p->local_count + 1;
    e->allowed = p->local_count + 2;
    e->cut = p->local_count + 3;
    e->cost = p->local_count + 4;
    e->last_get[e->spent] = e->last_get[e->allowed] = e->last_get[e->cost] = 0xffffffffu;
    e->globals.section = VYI_SPV_GLOBALS;
    e->values.section = VYI_SPV_BODY;
    e->next_id = VYI_SPV_MAIN + 1;
    e->memory_bits = VYI_SPV_MemorySemanticsUniformMemory;
    for (uint32_t buffer = 1; buffer <= p->buffer_count; buffer++)
        if (vyi_spv_is_shared(e, buffer))
            e->memory_bits |= VYI_SPV_MemorySemanticsWorkgroupMemory;
    vyi_spv_find_written(e);
    vyi_spv_room(e, &e->section[VYI_SPV_BODY], 8 * p->count);
    e->section[VYI_SPV_BODY].count = 0;
    return true;
}

/* A round loop counts from max(rounds, 1) down to 0, by 1; or, where rounds
 * is 0, by 0. */
VYI_COLD
static void vyi_spv_load_rounds(vyi_spv *e)
{
    const uint32_t u32 = vyi_spv_type(e, VYRE_TYPE_U32), one = vyi_spv_u32(e, 1);
    const uint32_t block = vyi_spv_block_type(e, u32);
    const uint32_t variable = vyi_spv_variable(e, VYI_SPV_StorageClassPushConstant, block);
    const uint32_t pointer = vyi_spv_pointer_type(e, VYI_SPV_StorageClassPushConstant, u32);
    const uint32_t at = vyi_spv_id(e);
    vyi_spv_name(e, variable, "rounds");
    vyi_spv_put(e, VYI_SPV_START, VYI_SPV_OpAccessChain, 4, pointer, at, variable,
                vyi_spv_u32(e, 0));
    const uint32_t rounds = vyi_spv_start_load(e, u32, at);
    e->rounds_start = vyi_spv_ext2(e, VYRE_TYPE_U32, VYI_SPV_GlslUMax, rounds, one);
    e->rounds_step = vyi_spv_ext2(e, VYRE_TYPE_U32, VYI_SPV_GlslUMin, rounds, one);
}

VYI_OUTLINE
static void vyi_spv_function(vyi_spv *e)
{
    const uint32_t none = vyi_spv_type(e, VYRE_TYPE_NONE);
    const uint32_t type = vyi_spv_type_of(e, VYI_SPV_OpTypeFunction, 1, none);
    e->block = vyi_spv_id(e);
    vyi_spv_put(e, VYI_SPV_START, VYI_SPV_OpFunction, 4, none, VYI_SPV_MAIN, 0u, type);
    vyi_spv_put(e, VYI_SPV_START, VYI_SPV_OpLabel, 1, e->block);
    vyi_spv_declare_group_size(e);
    if (e->desc.loop_limit) {
        e->current[e->spent] = vyi_spv_u32(e, 0);
        e->current[e->allowed] = vyi_spv_u32(e, e->desc.loop_limit);
        e->current[e->cut] = vyi_spv_const(e, VYRE_TYPE_BOOL, 0);
        e->current[e->cost] = vyi_spv_u32(e, 0);
        if (e->desc.unfenced && !vyi_spv_lone_lane(e))
            vyi_spv_count_trips(e);
    }
    if (e->desc.rounds && e->fed)
        vyi_spv_load_rounds(e);
    vyi_spv_clear_arrays(e);
    vyi_spv_walk(e, 0, e->p->count);
    if (!e->left)
        vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpReturn, 0);
    vyi_spv_put(e, VYI_SPV_BODY, VYI_SPV_OpFunctionEnd, 0);
}

VYI_COLD
static void vyi_spv_names(vyi_spv *e)
{
    const vyre_program *p = e->p;
    vyi_spv_name(e, VYI_SPV_MAIN, p->name);
    for (uint32_t i = 0; i < p->name_count && !e->failed; i++)
        if (vyi_definition(p, p->names[i].value)->op != VYI_OP_CONST && e->ids[p->names[i].value])
            vyi_spv_name(e, e->ids[p->names[i].value], p->names[i].text);
}

/* --- the module ---------------------------------------------------------- */

VYI_COLD
static void vyi_spv_put_capabilities(vyi_spv *e)
{
    if (e->vulkan_model)
        e->capabilities |= VYI_SPV_NEEDS_VULKAN_MODEL;
    vyi_spv_put(e, VYI_SPV_CAPABILITIES, VYI_SPV_OpCapability, 1, VYI_SPV_CapabilityShader);
    for (uint32_t i = 0; i < VYI_SPV_OPTIONAL_CAPABILITIES; i++)
        if ((e->capabilities >> i) & 1u)
            vyi_spv_put(e, VYI_SPV_CAPABILITIES, VYI_SPV_OpCapability, 1,
                        (uint32_t)vyi_spv_optional_capabilities[i]);
    if (e->vulkan_model && e->desc.version < VYRE_SPIRV_1_5)
        vyi_spv_extend_text(e, VYI_SPV_CAPABILITIES,
                            vyi_spv_put(e, VYI_SPV_CAPABILITIES, VYI_SPV_OpExtension, 0),
                            "SPV_KHR_vulkan_memory_model");
}

VYI_COLD
static void vyi_spv_put_entry(vyi_spv *e)
{
    const vyi_spv_words *interface = &e->section[VYI_SPV_INTERFACE];
    vyi_spv_put(e, VYI_SPV_ENTRY, VYI_SPV_OpMemoryModel, 2, VYI_SPV_AddressingModelLogical,
                e->vulkan_model ? VYI_SPV_MemoryModelVulkan : VYI_SPV_MemoryModelGLSL450);
    const uint32_t at = vyi_spv_put(e, VYI_SPV_ENTRY, VYI_SPV_OpEntryPoint, 2,
                                    VYI_SPV_ExecutionModelGLCompute, VYI_SPV_MAIN);
    vyi_spv_extend_text(e, VYI_SPV_ENTRY, at, "main");
    for (uint32_t i = 0; i < interface->count; i++)
        vyi_spv_extend(e, VYI_SPV_ENTRY, at, 1, interface->at[i]);
}

/* The header and all sections in one block. */
VYI_OUTLINE
static bool vyi_spv_assemble(vyi_spv *e, vyre_spirv *out)
{
    size_t count = 5;
    for (uint32_t i = 0; i < VYI_SPV_INTERFACE; i++)
        count += e->section[i].count;
    if (e->failed || e->range.failed)
        return false;
    uint32_t *words = (uint32_t *)vyi_alloc(&e->p->allocator, 4 * count);
    if (!words)
        return false;
    out->words = words;
    out->word_count = count;
    *words++ = VYI_SPV_MAGIC;
    *words++ = e->desc.version;
    *words++ = 0; /* generator: none registered */
    *words++ = e->next_id;
    *words++ = 0;
    for (uint32_t i = 0; i < VYI_SPV_INTERFACE; i++) {
        if (e->section[i].count)
            memcpy(words, e->section[i].at, 4 * (size_t)e->section[i].count);
        words += e->section[i].count;
    }
    return true;
}

/* The bindings, ascending. */
VYI_OUTLINE
VYI_COLD
static bool vyi_spv_reflect(const vyre_program *p, vyre_spirv *out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->buffer_count; i++)
        count += p->buffers[i].access != VYRE_ACCESS_WORKGROUP;
    if (!count)
        return true;
    out->bindings = (vyre_spirv_binding *)vyi_alloc(&p->allocator, count * sizeof *out->bindings);
    if (!out->bindings)
        return false;
    for (uint32_t i = 0; i < p->buffer_count; i++) {
        const vyi_buffer *b = &p->buffers[i];
        uint32_t at = out->binding_count;
        if (b->access == VYRE_ACCESS_WORKGROUP)
            continue;
        for (; at && out->bindings[at - 1].binding > b->binding; at--)
            out->bindings[at] = out->bindings[at - 1];
        out->bindings[at].binding = b->binding;
        out->bindings[at].access = (vyre_access)b->access;
        out->binding_count++;
    }
    return true;
}

VYI_COLD
static void vyi_spv_release(vyi_spv *e)
{
    const vyre_allocator *allocator = &e->p->allocator;
    vyi_arena_free(&e->arena);
    for (uint32_t i = 0; i < VYI_SPV_SECTIONS; i++)
        vyi_free(allocator, e->section[i].at, 4 * (size_t)e->section[i].capacity);
    vyi_free(allocator, e->stack.at, 4 * (size_t)e->stack.capacity);
    vyi_free(allocator, e->edges.at, 4 * (size_t)e->edges.capacity);
    vyi_free(allocator, e->globals.entries, e->globals.capacity * sizeof *e->globals.entries);
    vyi_free(allocator, e->values.entries, e->values.capacity * sizeof *e->values.entries);
    vyi_range_free(&e->range);
}

static vyre_status vyi_spv_emit(vyi_spv *e, vyre_spirv *out, vyre_error *err)
{
    vyre_spirv module;
    memset(&module, 0, sizeof module);
    module.allocator = e->p->allocator;
    if (vyi_spv_prepare(e)) {
        vyi_spv_survey(e);
        vyi_spv_function(e);
        vyi_spv_names(e);
        vyi_spv_put_capabilities(e);
        vyi_spv_put_entry(e);
    } else {
        e->failed = true;
    }
    module.push_constant_size = e->rounds_start ? 4 : 0;
    module.needs_vulkan_memory_model = e->vulkan_model;
    module.subgroup_operations = e->subgroup;
    if (!vyi_spv_assemble(e, &module) || !vyi_spv_reflect(e->p, &module)) {
        vyre_spirv_free(&module);
        return vyi_fail_nomem(err, 4 * (size_t)e->section[VYI_SPV_BODY].count);
    }
    *out = module;
    return VYRE_OK;
}

static vyre_status vyi_spv_check(const vyre_program *p, const vyre_spirv_desc *desc,
                                 vyre_error *err)
{
    if (!p->finished)
        return vyi_fail(err, VYRE_E_IR_UNFINISHED, p->count,
                        "call vyre_program_finish first and look at its status",
                        "program \"%s\" with %u instructions is not finished",
                        p->name ? p->name : "", (unsigned)p->count);
    if (desc->version && desc->version != VYRE_SPIRV_1_3 && desc->version != VYRE_SPIRV_1_5)
        return vyi_fail(err, VYRE_E_SPIRV_VERSION, desc->version,
                        "use VYRE_SPIRV_1_3 for Vulkan 1.1, VYRE_SPIRV_1_5 from 1.2 on",
                        "version 0x%08x is neither SPIR-V 1.3 nor 1.5", (unsigned)desc->version);
    if ((uint32_t)desc->memory_model > VYRE_MEMORY_MODEL_VULKAN)
        return vyi_fail(err, VYRE_E_SPIRV_MODEL, (uint64_t)desc->memory_model,
                        "use one of VYRE_MEMORY_MODEL_AUTO, _GLSL450, _VULKAN",
                        "memory model %u is unknown", (unsigned)desc->memory_model);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_spirv_emit(const vyre_program *p, const vyre_spirv_desc *desc,
                                     vyre_spirv *out, vyre_error *err)
{
    vyre_spirv_desc defaults;
    vyi_spv *e;
    memset(&defaults, 0, sizeof defaults);
    desc = desc ? desc : &defaults;
    if (!p || !out)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "pass a finished program and a vyre_spirv",
                        "%s is NULL", p ? "out" : "the program");
    const vyre_status status = vyi_spv_check(p, desc, err);
    if (status < 0)
        return status;
    e = (vyi_spv *)vyi_alloc(&p->allocator, sizeof *e);
    if (!e)
        return vyi_fail_nomem(err, sizeof *e);
    memset(e, 0, sizeof *e);
    e->p = e->range.p = p;
    e->desc = *desc;
    e->desc.version = desc->version ? desc->version : VYRE_SPIRV_1_3;
    e->vulkan_model = desc->memory_model == VYRE_MEMORY_MODEL_VULKAN ||
                      (desc->memory_model == VYRE_MEMORY_MODEL_AUTO &&
                       e->desc.version >= VYRE_SPIRV_1_5);
    const vyre_status result = vyi_spv_emit(e, out, err);
    vyi_spv_release(e);
    vyi_free(&p->allocator, e, sizeof *e);
    return result;
}

VYI_COLD
VYRE_API void vyre_spirv_free(vyre_spirv *m)
{
    if (!m)
        return;
    vyi_free(&m->allocator, m->words, 4 * m->word_count);
    vyi_free(&m->allocator, m->bindings, m->binding_count * sizeof *m->bindings);
    memset(m, 0, sizeof *m);
}
/* ==========================================================================
 * glsl: implementation
 *
 * One statement for each instruction.  Value n is the variable vN, local n is
 * lN, buffer n is bN; names are appended.  A line of a table is a template, in
 * which @0, @1, @2 stand for the operands.
 * ======================================================================= */

#ifndef VYRE_NO_GLSL

typedef struct vyi_glsl {
    const vyre_program *p;
    vyre_spirv_desc desc;
    char    *dst;
    size_t   size, length; /* length counts what did not fit, too */
    uint32_t depth;
    bool     fed;          /* a round loop */
} vyi_glsl;

static void vyi_glsl_char(vyi_glsl *g, char c)
{
    if (g->length + 1 < g->size)
        g->dst[g->length] = c;
    g->length++;
}

VYI_OUTLINE static void vyi_glsl_put(vyi_glsl *g, const char *text)
{
    while (*text)
        vyi_glsl_char(g, *text++);
}

static void VYI_PRINTF(2, 3) vyi_glsl_format(vyi_glsl *g, const char *format, ...)
{
    char text[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    vyi_glsl_put(g, text);
}

static void vyi_glsl_indent(vyi_glsl *g)
{
    for (uint32_t i = 0; i <= g->depth; i++)
        vyi_glsl_put(g, "    ");
}

/* The caller's name as the rest of an identifier. */
static void vyi_glsl_suffix(vyi_glsl *g, const char *name)
{
    bool gap = true; /* two underlines in a row are reserved */
    if (!name || !*name)
        return;
    vyi_glsl_char(g, '_');
    for (; *name; name++) {
        const char c = *name;
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                            (c >= '0' && c <= '9');
        if (letter)
            vyi_glsl_char(g, c);
        else if (!gap)
            vyi_glsl_char(g, '_');
        gap = !letter;
    }
}

/* --- operands ------------------------------------------------------------ */

static const char *const vyi_glsl_types[] = { "void", "uint", "int", "float", "bool" };
static const char *const vyi_glsl_zeros[] = { "", "0u", "0", "0.0", "false" };

static const char *vyi_glsl_memory_type(uint32_t type)
{
    return vyi_glsl_types[type == VYRE_TYPE_BOOL ? (uint32_t)VYRE_TYPE_U32 : type];
}

static void vyi_glsl_f32(vyi_glsl *g, uint32_t bits)
{
    char digits[32];
    float x;
    bool whole = true;
    memcpy(&x, &bits, sizeof x);
    if ((bits & 0x7f800000u) == 0x7f800000u || bits >> 31) {
        vyi_glsl_format(g, "uintBitsToFloat(0x%08xu)", (unsigned)bits);
        return;
    }
    snprintf(digits, sizeof digits, "%.9g", (double)x);
    for (char *c = digits; *c; c++) {
        if (!strchr("0123456789+-e", *c))
            *c = '.'; /* the decimal point is the locale's */
        whole = whole && *c != '.' && *c != 'e';
    }
    vyi_glsl_format(g, "%s%s", digits, whole ? ".0" : "");
}

static void vyi_glsl_const(vyi_glsl *g, const vyi_inst *inst)
{
    const uint32_t bits = inst->arg[0];
    switch (inst->type) {
    case VYRE_TYPE_U32: vyi_glsl_format(g, bits > 65535 ? "0x%xu" : "%uu", (unsigned)bits); break;
    case VYRE_TYPE_I32:
        if (bits == 0x80000000u)
            vyi_glsl_put(g, "(-0x7fffffff - 1)");
        else if (bits >> 31)
            vyi_glsl_format(g, "(-%u)", (unsigned)(0u - bits));
        else
            vyi_glsl_format(g, "%u", (unsigned)bits);
        break;
    case VYRE_TYPE_F32: vyi_glsl_f32(g, bits); break;
    default: vyi_glsl_put(g, bits ? "true" : "false"); break;
    }
}

static const char *vyi_glsl_value_name(const vyre_program *p, uint32_t value)
{
    uint32_t low = 0, high = p->name_count;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (p->names[middle].value < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low < p->name_count && p->names[low].value == value ? p->names[low].text : NULL;
}

static void vyi_glsl_value(vyi_glsl *g, uint32_t value)
{
    const vyi_inst *inst = vyi_definition(g->p, value);
    if (inst->op == VYI_OP_CONST) {
        vyi_glsl_const(g, inst);
        return;
    }
    vyi_glsl_format(g, "v%u", (unsigned)value);
    vyi_glsl_suffix(g, vyi_glsl_value_name(g->p, value));
}

static void vyi_glsl_local(vyi_glsl *g, uint32_t local)
{
    vyi_glsl_format(g, "l%u", (unsigned)local);
    vyi_glsl_suffix(g, g->p->locals[local - 1].name);
}

static void vyi_glsl_buffer(vyi_glsl *g, uint32_t buffer)
{
    vyi_glsl_format(g, "b%u", (unsigned)buffer);
    vyi_glsl_suffix(g, vyi_buffer_of(g->p, buffer)->name);
}

/* The template, with the instruction's operands. */
static void vyi_glsl_template(vyi_glsl *g, const vyi_inst *inst, const char *text)
{
    for (; *text; text++) {
        if (*text == '@')
            vyi_glsl_value(g, inst->arg[*++text - '0']);
        else
            vyi_glsl_char(g, *text);
    }
}

/* --- operators ----------------------------------------------------------- */

/* By vyi_binary, for u32, i32, f32, bool. */
static const char *const vyi_glsl_binaries[VYI_BINARY_COUNT][4] = {
    { "@0 + @1", "@0 + @1", "@0 + @1", "" },
    { "@0 - @1", "@0 - @1", "@0 - @1", "" },
    { "@0 * @1", "@0 * @1", "@0 * @1", "" },
    { "div_u(@0, @1)", "div_i(@0, @1)", "@0 / @1", "" },
    { "rem_u(@0, @1)", "rem_i(@0, @1)", "", "" },
    { "mul_high(@0, @1)", "", "", "" },
    { "@0 & @1", "@0 & @1", "", "@0 && @1" },
    { "@0 | @1", "@0 | @1", "", "@0 || @1" },
    { "@0 ^ @1", "@0 ^ @1", "", "@0 != @1" },
    { "@0 << (@1 & 31u)", "@0 << (@1 & 31u)", "", "" },
    { "@0 >> (@1 & 31u)", "@0 >> (@1 & 31u)", "", "" },
    { "rotl(@0, @1)", "", "", "" },
    { "rotr(@0, @1)", "", "", "" },
    { "min(@0, @1)", "min(@0, @1)", "min_f(@0, @1)", "" },
    { "max(@0, @1)", "max(@0, @1)", "max_f(@0, @1)", "" },
    { "@0 == @1", "@0 == @1", "@0 == @1", "@0 == @1" },
    { "@0 != @1", "@0 != @1", "@0 != @1", "@0 != @1" },
    { "@0 < @1", "@0 < @1", "@0 < @1", "" },
    { "@0 <= @1", "@0 <= @1", "@0 <= @1", "" },
    { "@0 > @1", "@0 > @1", "@0 > @1", "" },
    { "@0 >= @1", "@0 >= @1", "@0 >= @1", "" }
};
VYI_STATIC_ASSERT(glsl_binaries, VYI_BINARY_COUNT == 21 && VYI_BINARY_GE == 20 &&
                                     VYI_BINARY_MIN == 13 && VYI_BINARY_AND == 6);

/* By vyi_unary. */
static const char *const vyi_glsl_unaries[VYI_UNARY_COUNT][4] = {
    { "-@0", "-@0", "-@0", "" },
    { "~@0", "~@0", "", "!@0" },
    { "@0", "abs(@0)", "abs(@0)", "" },
    { "min(@0, 1u)", "sign(@0)", "sign(@0)", "" },
    { "uint(bitCount(@0))", "bitCount(@0)", "", "" },
    { "uint(31 - findMSB(@0))", "31 - findMSB(uint(@0))", "", "" },
    { "@0 == 0u ? 32u : uint(findLSB(@0))", "@0 == 0 ? 32 : findLSB(@0)", "", "" },
    { "bitfieldReverse(@0)", "bitfieldReverse(@0)", "", "" },
    { "", "", "sqrt(@0)", "" },
    { "", "", "inversesqrt(@0)", "" },
    { "", "", "floor(@0)", "" },
    { "", "", "ceil(@0)", "" },
    { "", "", "roundEven(@0)", "" },
    { "", "", "trunc(@0)", "" },
    { "", "", "sin(@0)", "" },
    { "", "", "cos(@0)", "" },
    { "", "", "tan(@0)", "" },
    { "", "", "exp(@0)", "" },
    { "", "", "exp2(@0)", "" },
    { "", "", "log(@0)", "" },
    { "", "", "log2(@0)", "" },
    { "", "", "isnan(@0)", "" },
    { "", "", "isinf(@0)", "" },
    { "@0", "@0", "@0", "@0" }
};
VYI_STATIC_ASSERT(glsl_unaries, VYI_UNARY_COUNT == 24 && VYI_UNARY_IS_INF == 22 &&
                                    VYI_UNARY_SQRT == 8 && VYI_UNARY_EXP2 == 18);

/* From (row) and to u32, i32, f32, bool. */
static const char *const vyi_glsl_casts[4][4] = {
    { "@0", "int(@0)", "float(@0)", "@0 != 0u" },
    { "uint(@0)", "@0", "float(@0)", "@0 != 0" },
    { "to_u(@0)", "to_i(@0)", "@0", "@0 != 0.0" },
    { "uint(@0)", "int(@0)", "float(@0)", "@0" }
};

static const char *const vyi_glsl_bitcasts[3][3] = {
    { "@0", "int(@0)", "uintBitsToFloat(@0)" },
    { "uint(@0)", "@0", "intBitsToFloat(@0)" },
    { "floatBitsToUint(@0)", "floatBitsToInt(@0)", "@0" }
};

/* The functions that the templates use, and what calls them. */
static const struct {
    const char *call, *text;
} vyi_glsl_helpers[] = {
    { "div_u(", "uint div_u(uint a, uint b) { return b == 0u ? 0xffffffffu : a / b; }" },
    { "div_i(", "int div_i(int a, int b)\n{\n    if (b == 0)\n        return -1;\n"
                "    return a == -0x7fffffff - 1 && b == -1 ? a : a / b;\n}" },
    { "rem_u(", "uint rem_u(uint a, uint b) { return b == 0u ? 0u : a % b; }" },
    { "rem_i(", "int rem_i(int a, int b) { return b == 0 || b == -1 ? 0 : a - a / b * b; }" },
    { "mul_high(", "uint mul_high(uint a, uint b)\n{\n    uint high, low;\n"
                   "    umulExtended(a, b, high, low);\n    return high;\n}" },
    { "rotl(", "uint rotl(uint a, uint n) { return a << (n & 31u) | a >> (-n & 31u); }" },
    { "rotr(", "uint rotr(uint a, uint n) { return a >> (n & 31u) | a << (-n & 31u); }" },
    { "min_f(", "float min_f(float a, float b)\n"
                "{\n    return isnan(a) ? b : isnan(b) ? a : min(a, b);\n}" },
    { "max_f(", "float max_f(float a, float b)\n"
                "{\n    return isnan(a) ? b : isnan(b) ? a : max(a, b);\n}" },
    { "to_u(", "uint to_u(float x)\n{\n"
               "    return !(x > 0.0) ? 0u : x >= 4294967296.0 ? 0xffffffffu : uint(x);\n}" },
    { "to_i(", "int to_i(float x)\n{\n    if (isnan(x))\n        return 0;\n"
               "    if (x <= -2147483648.0)\n        return -0x7fffffff - 1;\n"
               "    return x >= 2147483648.0 ? 0x7fffffff : int(x);\n}" }
};
#define VYI_GLSL_HELPERS (sizeof vyi_glsl_helpers / sizeof vyi_glsl_helpers[0])

/* The template of an operator, or NULL for other instructions. */
static const char *vyi_glsl_operator(const vyre_program *p, const vyi_inst *inst)
{
    uint32_t from = 0;
    if (inst->op == VYI_OP_BINARY || inst->op == VYI_OP_UNARY || inst->op == VYI_OP_CAST ||
        inst->op == VYI_OP_BITCAST)
        from = vyi_definition(p, inst->arg[0])->type - 1u;
    switch (inst->op) {
    case VYI_OP_BINARY: return vyi_glsl_binaries[inst->sub][from];
    case VYI_OP_UNARY: return vyi_glsl_unaries[inst->sub][from];
    case VYI_OP_CAST: return vyi_glsl_casts[from][inst->type - 1];
    case VYI_OP_BITCAST: return vyi_glsl_bitcasts[from][inst->type - 1];
    case VYI_OP_FMA: return "fma(@0, @1, @2)";
    case VYI_OP_SELECT: return "@0 ? @1 : @2";
    case VYI_OP_BALLOT: return "subgroupBallot(@0).x";
    case VYI_OP_ELECT: return "subgroupElect()";
    case VYI_OP_ANY: return "subgroupAny(@0)";
    case VYI_OP_ALL: return "subgroupAll(@0)";
    case VYI_OP_BROADCAST_FIRST: return "subgroupBroadcastFirst(@0)";
    case VYI_OP_SHUFFLE: return "subgroupShuffle(@0, @1)";
    case VYI_OP_REDUCE: {
        static const char *const reductions[] = { "subgroupAdd(@0)", "subgroupMin(@0)",
                                                  "subgroupMax(@0)", "subgroupAnd(@0)",
                                                  "subgroupOr(@0)", "subgroupXor(@0)" };
        return reductions[inst->sub];
    }
    default: return NULL;
    }
}

/* --- builtins ------------------------------------------------------------ */

static void vyi_glsl_builtin(vyi_glsl *g, uint32_t builtin)
{
    static const char *const vectors[] = { "gl_LocalInvocationID", "gl_WorkGroupID",
                                           "gl_GlobalInvocationID", "gl_WorkGroupSize",
                                           "gl_NumWorkGroups" };
    switch (builtin) {
    case VYRE_BUILTIN_LOCAL_INDEX: vyi_glsl_put(g, "gl_LocalInvocationIndex"); break;
    case VYRE_BUILTIN_SUBGROUP_LANE: vyi_glsl_put(g, "gl_SubgroupInvocationID"); break;
    case VYRE_BUILTIN_SUBGROUP_SIZE: vyi_glsl_put(g, "gl_SubgroupSize"); break;
    case VYRE_BUILTIN_LOOP_LEFT:
        if (g->desc.loop_limit)
            vyi_glsl_format(g, "%uu - loop_spent", (unsigned)g->desc.loop_limit);
        else
            vyi_glsl_put(g, "0xffffffffu");
        break;
    case VYRE_BUILTIN_LOOP_CUT: vyi_glsl_put(g, g->desc.loop_limit ? "loop_cut" : "false"); break;
    default: vyi_glsl_format(g, "%s.%c", vectors[builtin / 3], "xyz"[builtin % 3]); break;
    }
}

/* --- memory -------------------------------------------------------------- */

static bool vyi_glsl_is_shared(const vyi_glsl *g, uint32_t buffer)
{
    return vyi_buffer_of(g->p, buffer)->access == VYRE_ACCESS_WORKGROUP;
}

/* The element that the instruction is about. */
static void vyi_glsl_element(vyi_glsl *g, const vyi_inst *inst)
{
    vyi_glsl_buffer(g, inst->arg[0]);
    vyi_glsl_put(g, vyi_glsl_is_shared(g, inst->arg[0]) ? "[" : ".at[");
    vyi_glsl_value(g, inst->arg[1]);
    vyi_glsl_put(g, "]");
}

static void vyi_glsl_length(vyi_glsl *g, uint32_t buffer)
{
    vyi_glsl_put(g, "length_");
    vyi_glsl_buffer(g, buffer);
    vyi_glsl_put(g, "()");
}

static void vyi_glsl_fence(vyi_glsl *g, const vyi_inst *inst, uint32_t side)
{
    if ((inst->order & side) && !g->desc.unfenced)
        vyi_glsl_put(g, "memoryBarrier(); ");
}

static void vyi_glsl_atomic_load(vyi_glsl *g, const vyi_inst *inst)
{
    if (g->desc.unfenced && inst->order) {
        vyi_glsl_put(g, "atomicOr(");
        vyi_glsl_element(g, inst);
        vyi_glsl_format(g, ", %s)", vyi_glsl_zeros[inst->type]);
        return;
    }
    vyi_glsl_put(g, "atomicLoad(");
    vyi_glsl_element(g, inst);
    vyi_glsl_format(g, ", %s, 0, 0)",
                    vyi_glsl_is_shared(g, inst->arg[0]) ? "gl_ScopeWorkgroup" : "gl_ScopeDevice");
}

static void vyi_glsl_atomic_store(vyi_glsl *g, const vyi_inst *inst)
{
    const bool exchange = g->desc.unfenced && inst->order;
    vyi_glsl_put(g, exchange ? "atomicExchange(" : "atomicStore(");
    vyi_glsl_element(g, inst);
    vyi_glsl_put(g, ", ");
    vyi_glsl_value(g, inst->arg[2]);
    if (exchange)
        vyi_glsl_put(g, ")");
    else
        vyi_glsl_format(g, ", %s, 0, 0)", vyi_glsl_is_shared(g, inst->arg[0])
                                              ? "gl_ScopeWorkgroup" : "gl_ScopeDevice");
}

static void vyi_glsl_atomic_modify(vyi_glsl *g, const vyi_inst *inst)
{
    static const char *const functions[] = { "Add", "Add", "And", "Or", "Xor", "Min", "Max",
                                             "Exchange" };
    vyi_glsl_format(g, "atomic%s(",
                    inst->op == VYI_OP_ATOMIC_CAS ? "CompSwap" : functions[inst->sub]);
    vyi_glsl_element(g, inst);
    vyi_glsl_put(g, inst->op == VYI_OP_ATOMIC && inst->sub == VYRE_ATOMIC_SUB ? ", -" : ", ");
    vyi_glsl_value(g, inst->arg[2]);
    if (inst->op == VYI_OP_ATOMIC_CAS) {
        vyi_glsl_put(g, ", ");
        vyi_glsl_value(g, inst->arg[3]);
    }
    vyi_glsl_put(g, ")");
}

/* The access itself, whose index is known to be inside. */
static void vyi_glsl_access(vyi_glsl *g, const vyi_inst *inst)
{
    const bool is_bool = vyi_buffer_of(g->p, inst->arg[0])->type == VYRE_TYPE_BOOL;
    switch (inst->op) {
    case VYI_OP_LOAD:
        vyi_glsl_element(g, inst);
        vyi_glsl_put(g, is_bool ? " != 0u" : "");
        break;
    case VYI_OP_STORE:
        vyi_glsl_element(g, inst);
        vyi_glsl_put(g, is_bool ? " = uint(" : " = ");
        vyi_glsl_value(g, inst->arg[2]);
        vyi_glsl_put(g, is_bool ? ")" : "");
        break;
    case VYI_OP_ATOMIC_LOAD: vyi_glsl_atomic_load(g, inst); break;
    case VYI_OP_ATOMIC_STORE: vyi_glsl_atomic_store(g, inst); break;
    default: vyi_glsl_atomic_modify(g, inst); break;
    }
}

/* "T v = 0; if (i < length()) { v = access; }" */
static void vyi_glsl_memory(vyi_glsl *g, uint32_t index)
{
    const vyi_inst *inst = &g->p->insts[index];
    const bool value = (vyi_op_describe(inst->op)->flags & VYI_OP_VALUE) != 0;
    if (value) {
        vyi_glsl_format(g, "%s ", vyi_glsl_types[inst->type]);
        vyi_glsl_value(g, index + 1);
        vyi_glsl_format(g, " = %s; ", vyi_glsl_zeros[inst->type]);
    }
    vyi_glsl_put(g, "if (");
    vyi_glsl_value(g, inst->arg[1]);
    vyi_glsl_put(g, " < ");
    vyi_glsl_length(g, inst->arg[0]);
    vyi_glsl_put(g, ") { ");
    vyi_glsl_fence(g, inst, VYRE_ORDER_RELEASE);
    if (value) {
        vyi_glsl_value(g, index + 1);
        vyi_glsl_put(g, " = ");
    }
    vyi_glsl_access(g, inst);
    vyi_glsl_put(g, "; ");
    vyi_glsl_fence(g, inst, VYRE_ORDER_ACQUIRE);
    vyi_glsl_put(g, "}\n");
}

static void vyi_glsl_barrier(vyi_glsl *g, const vyi_inst *inst)
{
    if (inst->sub == VYRE_SCOPE_WORKGROUP)
        vyi_glsl_put(g, inst->order ? "memoryBarrier(); barrier();\n" : "barrier();\n");
    else if (g->desc.unfenced)
        vyi_glsl_put(g, inst->order ? "atomicOr(fence_word, 0u);\n" : ";\n");
    else if (inst->sub == VYRE_SCOPE_SUBGROUP)
        vyi_glsl_put(g, "subgroupBarrier();\n");
    else
        vyi_glsl_put(g, inst->order ? "memoryBarrier();\n" : ";\n");
}

/* --- control flow -------------------------------------------------------- */

/* Whether a break inside the switch belongs to a loop around it.  In GLSL it
 * would leave the switch only, so it sets a flag that is looked at behind. */
static bool vyi_glsl_breaks_out(const vyre_program *p, uint32_t opener)
{
    const uint32_t end = vyi_spv_end_of(p, opener);
    for (uint32_t i = opener; i < end; i++)
        if (p->insts[i].op == VYI_OP_BREAK && p->insts[i].link < opener)
            return true;
    return false;
}

static void vyi_glsl_break(vyi_glsl *g, uint32_t index)
{
    const uint32_t loop = g->p->insts[index].link;
    for (uint32_t i = loop + 1; i < index; i++)
        if (g->p->insts[i].op == VYI_OP_SWITCH && vyi_spv_end_of(g->p, i) > index)
            vyi_glsl_format(g, "leave_%u = true; ", (unsigned)i);
    vyi_glsl_put(g, "break;\n");
}

static void vyi_glsl_loop_head(vyi_glsl *g, uint32_t index)
{
    const vyi_inst *inst = &g->p->insts[index];
    if (inst->op == VYI_OP_LOOP) {
        vyi_glsl_put(g, "for (uint ");
        vyi_glsl_value(g, index + 1);
        vyi_glsl_put(g, " = ");
        vyi_glsl_value(g, inst->arg[0]);
        vyi_glsl_put(g, "; ");
        vyi_glsl_value(g, index + 1);
        vyi_glsl_put(g, " < ");
        vyi_glsl_value(g, inst->arg[1]);
        vyi_glsl_put(g, "; ");
        vyi_glsl_value(g, index + 1);
        vyi_glsl_put(g, "++) {\n");
    } else if (inst->sub && g->desc.rounds) {
        vyi_glsl_put(g, "for (uint left = max(rounds, 1u); left != 0u; "
                        "left -= min(rounds, 1u)) {\n");
    } else {
        vyi_glsl_put(g, "for (;;) {\n");
    }
}

static void vyi_glsl_loop(vyi_glsl *g, uint32_t index)
{
    vyi_glsl_loop_head(g, index);
    g->depth++;
    if (!g->desc.loop_limit)
        return;
    vyi_glsl_indent(g);
    vyi_glsl_put(g, "if (loop_spent >= loop_allowed) { loop_cut = true; break; }\n");
    vyi_glsl_indent(g);
    vyi_glsl_put(g, "loop_spent++;\n");
}

static void vyi_glsl_switch(vyi_glsl *g, uint32_t index)
{
    if (vyi_glsl_breaks_out(g->p, index)) {
        vyi_glsl_format(g, "bool leave_%u = false;\n", (unsigned)index);
        vyi_glsl_indent(g);
    }
    vyi_glsl_put(g, "switch (");
    vyi_glsl_value(g, g->p->insts[index].arg[0]);
    vyi_glsl_put(g, ") {\n");
    g->depth++;
}

/* The arm before ends here, unless the switch itself stands there. */
static void vyi_glsl_case(vyi_glsl *g, uint32_t index)
{
    const vyi_inst *inst = &g->p->insts[index];
    uint32_t opener = inst->link;
    while (g->p->insts[opener].op != VYI_OP_END)
        opener = g->p->insts[opener].link;
    opener = g->p->insts[opener].link;
    if (g->p->insts[opener].link != index) {
        vyi_glsl_indent(g);
        vyi_glsl_put(g, "break;\n");
    }
    g->depth--;
    vyi_glsl_indent(g);
    if (inst->op == VYI_OP_DEFAULT) {
        vyi_glsl_put(g, "default: ;\n");
    } else {
        vyi_inst label = *vyi_definition(g->p, g->p->insts[opener].arg[0]);
        label.arg[0] = inst->arg[0];
        vyi_glsl_put(g, "case ");
        vyi_glsl_const(g, &label);
        vyi_glsl_put(g, ": ;\n");
    }
    g->depth++;
}

static void vyi_glsl_end(vyi_glsl *g, uint32_t index)
{
    const uint32_t opener = g->p->insts[index].link;
    const bool is_switch = g->p->insts[opener].op == VYI_OP_SWITCH;
    if (is_switch && g->p->insts[index - 1].op != VYI_OP_SWITCH) {
        vyi_glsl_indent(g);
        vyi_glsl_put(g, "break;\n");
    }
    g->depth--;
    vyi_glsl_indent(g);
    vyi_glsl_put(g, "}\n");
    if (is_switch && vyi_glsl_breaks_out(g->p, opener)) {
        vyi_glsl_indent(g);
        vyi_glsl_format(g, "if (leave_%u) break;\n", (unsigned)opener);
    }
}

static void vyi_glsl_loop_allow(vyi_glsl *g, const vyi_inst *inst)
{
    if (!g->desc.loop_limit) {
        vyi_glsl_put(g, ";\n");
        return;
    }
    vyi_glsl_put(g, "loop_cut = false; loop_allowed = loop_spent + min(");
    vyi_glsl_value(g, inst->arg[0]);
    vyi_glsl_format(g, ", %uu - loop_spent);\n", (unsigned)g->desc.loop_limit);
}

/* --- the program --------------------------------------------------------- */

static void vyi_glsl_if(vyi_glsl *g, const vyi_inst *inst)
{
    vyi_glsl_put(g, "if (");
    vyi_glsl_value(g, inst->arg[0]);
    vyi_glsl_put(g, ") {\n");
    g->depth++;
}

static void vyi_glsl_set(vyi_glsl *g, const vyi_inst *inst)
{
    if (inst->op == VYI_OP_LOCAL)
        vyi_glsl_format(g, "%s ", vyi_glsl_types[g->p->locals[inst->arg[0] - 1].type]);
    vyi_glsl_local(g, inst->arg[0]);
    vyi_glsl_put(g, " = ");
    vyi_glsl_value(g, inst->arg[1]);
    vyi_glsl_put(g, ";\n");
}

static void vyi_glsl_comment(vyi_glsl *g, const char *text)
{
    vyi_glsl_put(g, "// ");
    for (; *text; text++)
        vyi_glsl_char(g, (unsigned char)*text < 32 || *text == '\\' ? ' ' : *text);
    vyi_glsl_char(g, '\n');
}

/* "T vN = ...;" */
static void vyi_glsl_define(vyi_glsl *g, uint32_t index)
{
    const vyi_inst *inst = &g->p->insts[index];
    const char *text = vyi_glsl_operator(g->p, inst);
    vyi_glsl_format(g, "%s ", vyi_glsl_types[inst->type]);
    vyi_glsl_value(g, index + 1);
    vyi_glsl_put(g, " = ");
    if (text)
        vyi_glsl_template(g, inst, text);
    else if (inst->op == VYI_OP_GET)
        vyi_glsl_local(g, inst->arg[0]);
    else if (inst->op == VYI_OP_LENGTH)
        vyi_glsl_length(g, inst->arg[0]);
    else
        vyi_glsl_builtin(g, inst->sub);
    vyi_glsl_put(g, ";\n");
}

VYI_OUTLINE
static void vyi_glsl_statement(vyi_glsl *g, uint32_t index)
{
    const vyi_inst *inst = &g->p->insts[index];
    switch (inst->op) {
    case VYI_OP_LOCAL: case VYI_OP_SET: vyi_glsl_set(g, inst); break;
    case VYI_OP_IF: vyi_glsl_if(g, inst); break;
    case VYI_OP_SWITCH: vyi_glsl_switch(g, index); break;
    case VYI_OP_LOOP: case VYI_OP_FOREVER: vyi_glsl_loop(g, index); break;
    case VYI_OP_BREAK: vyi_glsl_break(g, index); break;
    case VYI_OP_CONTINUE: vyi_glsl_put(g, "continue;\n"); break;
    case VYI_OP_RETURN: vyi_glsl_put(g, "return;\n"); break;
    case VYI_OP_BARRIER: vyi_glsl_barrier(g, inst); break;
    case VYI_OP_LOOP_ALLOW: vyi_glsl_loop_allow(g, inst); break;
    case VYI_OP_COMMENT: vyi_glsl_comment(g, g->p->texts[inst->arg[0]]); break;
    default:
        if (vyi_op_describe(inst->op)->flags & VYI_OP_MEMORY)
            vyi_glsl_memory(g, index);
        else
            vyi_glsl_define(g, index);
        break;
    }
}

static void vyi_glsl_body(vyi_glsl *g)
{
    for (uint32_t i = 0; i < g->p->count; i++) {
        switch (g->p->insts[i].op) {
        case VYI_OP_CONST: break;
        case VYI_OP_CASE: case VYI_OP_DEFAULT: vyi_glsl_case(g, i); break;
        case VYI_OP_END: vyi_glsl_end(g, i); break;
        case VYI_OP_ELSE:
            g->depth--;
            vyi_glsl_indent(g);
            vyi_glsl_put(g, "} else {\n");
            g->depth++;
            break;
        default:
            vyi_glsl_indent(g);
            vyi_glsl_statement(g, i);
            break;
        }
    }
}

/* --- declarations -------------------------------------------------------- */

static void vyi_glsl_extensions(vyi_glsl *g)
{
    static const struct { uint8_t op; const char *name; } rows[] = {
        { VYI_OP_ELECT, "basic" }, { VYI_OP_ANY, "vote" }, { VYI_OP_ALL, "vote" },
        { VYI_OP_BALLOT, "ballot" }, { VYI_OP_BROADCAST_FIRST, "ballot" },
        { VYI_OP_SHUFFLE, "shuffle" }, { VYI_OP_REDUCE, "arithmetic" }
    };
    vyi_glsl_put(g, "#version 460\n"
                    "#extension GL_KHR_memory_scope_semantics : require\n"
                    "#extension GL_KHR_shader_subgroup_basic : enable\n");
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++)
        for (uint32_t i = 0; i < g->p->count; i++)
            if (g->p->insts[i].op == rows[row].op) {
                vyi_glsl_format(g, "#extension GL_KHR_shader_subgroup_%s : require\n",
                                rows[row].name);
                break;
            }
}

static void vyi_glsl_group_size(vyi_glsl *g)
{
    vyi_glsl_put(g, "\nlayout(");
    for (uint32_t i = 0; i < 3; i++) {
        vyi_glsl_format(g, "%slocal_size_%c = %u", i ? ", " : "", "xyz"[i],
                        (unsigned)g->p->group_size[i]);
        if (g->desc.spec_group_size)
            vyi_glsl_format(g, ", local_size_%c_id = %u", "xyz"[i], (unsigned)i);
    }
    vyi_glsl_put(g, ") in;\n");
}

static void vyi_glsl_declare_buffer(vyi_glsl *g, uint32_t buffer)
{
    const vyi_buffer *b = vyi_buffer_of(g->p, buffer);
    const char *type = vyi_glsl_memory_type(b->type);
    const bool constant = b->access == VYRE_ACCESS_READ && !g->fed && !g->desc.unfenced;
    if (b->access == VYRE_ACCESS_WORKGROUP) {
        vyi_glsl_format(g, "shared %s ", type);
        vyi_glsl_buffer(g, buffer);
        vyi_glsl_format(g, "[%u];\n", (unsigned)b->count);
    } else {
        vyi_glsl_format(g, "layout(set = 0, binding = %u, std430) %s buffer B%u { %s at[]; } ",
                        (unsigned)b->binding, constant ? "readonly" : "coherent",
                        (unsigned)buffer, type);
        vyi_glsl_buffer(g, buffer);
        vyi_glsl_put(g, ";\n");
    }
    vyi_glsl_put(g, "uint ");
    vyi_glsl_length(g, buffer);
    vyi_glsl_put(g, " { return ");
    if (b->access != VYRE_ACCESS_WORKGROUP) {
        vyi_glsl_put(g, b->count ? "min(uint(" : "uint(");
        vyi_glsl_buffer(g, buffer);
        vyi_glsl_put(g, ".at.length())");
        if (b->count)
            vyi_glsl_format(g, ", %uu)", (unsigned)b->count);
    } else {
        vyi_glsl_format(g, "%uu", (unsigned)b->count);
    }
    vyi_glsl_put(g, "; }\n");
}

static void vyi_glsl_put_helpers(vyi_glsl *g)
{
    for (size_t h = 0; h < VYI_GLSL_HELPERS; h++)
        for (uint32_t i = 0; i < g->p->count; i++) {
            const char *text = vyi_glsl_operator(g->p, &g->p->insts[i]);
            const char *call = vyi_glsl_helpers[h].call;
            if (text && strncmp(text, call, strlen(call)) == 0) {
                vyi_glsl_format(g, "\n");
                vyi_glsl_put(g, vyi_glsl_helpers[h].text);
                vyi_glsl_put(g, "\n");
                break;
            }
        }
}

static void vyi_glsl_declare(vyi_glsl *g)
{
    const vyre_program *p = g->p;
    vyi_glsl_extensions(g);
    vyi_glsl_group_size(g);
    if (g->desc.rounds && g->fed)
        vyi_glsl_put(g, "layout(push_constant) uniform Push { uint rounds; };\n");
    for (uint32_t buffer = 1; buffer <= p->buffer_count; buffer++)
        vyi_glsl_declare_buffer(g, buffer);
    if (g->desc.unfenced)
        vyi_glsl_put(g, "shared uint fence_word;\n");
    if (g->desc.loop_limit)
        vyi_glsl_format(g, "uint loop_spent = 0u, loop_allowed = %uu;\nbool loop_cut = false;\n",
                        (unsigned)g->desc.loop_limit);
    vyi_glsl_put_helpers(g);
}

static void vyi_glsl_clear_arrays(vyi_glsl *g)
{
    bool any = false;
    for (uint32_t buffer = 1; buffer <= g->p->buffer_count; buffer++) {
        const vyi_buffer *b = vyi_buffer_of(g->p, buffer);
        if (b->access != VYRE_ACCESS_WORKGROUP)
            continue;
        any = true;
        vyi_glsl_format(g, "    for (uint i = gl_LocalInvocationIndex; i < %uu; "
                           "i += gl_WorkGroupSize.x ", (unsigned)b->count);
        vyi_glsl_put(g, "* gl_WorkGroupSize.y * gl_WorkGroupSize.z)\n        ");
        vyi_glsl_buffer(g, buffer);
        vyi_glsl_format(g, "[i] = %s(0);\n", vyi_glsl_memory_type(b->type));
    }
    if (any)
        vyi_glsl_put(g, "    memoryBarrierShared();\n    barrier();\n");
}

VYI_COLD
VYRE_API size_t vyre_program_glsl(const vyre_program *p, const vyre_spirv_desc *desc, char *dst,
                                  size_t size)
{
    vyi_glsl g;
    memset(&g, 0, sizeof g);
    if (size)
        dst[0] = 0;
    if (!p || !p->finished)
        return 0;
    g.p = p;
    g.dst = dst;
    g.size = size;
    if (desc)
        g.desc = *desc;
    for (uint32_t i = 0; i < p->count; i++)
        g.fed = g.fed || (p->insts[i].op == VYI_OP_FOREVER && p->insts[i].sub);
    vyi_glsl_declare(&g);
    vyi_glsl_put(&g, "\nvoid main()\n{\n");
    vyi_glsl_clear_arrays(&g);
    vyi_glsl_body(&g);
    vyi_glsl_put(&g, "}\n");
    if (size)
        dst[g.length < size ? g.length : size - 1] = 0;
    return g.length;
}

/* --- compiling ----------------------------------------------------------- */

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
/* ==========================================================================
 * engine: slots, and how threads come by them
 *
 * A publisher finds a slot with a cursor that all publishers of a partition add
 * to, and makes it its own with one compare-and-swap on the slot's mark.
 *
 * Device memory is write-combined, and there both a fence and a locked
 * instruction wait until what this core has written has arrived: 130 ns for a
 * write of 6 ns.  So a thread that uses the handle alone moves marks by plain
 * stores; and one that shares it takes several slots at a time, into its seat.
 * ======================================================================= */
/* ==========================================================================
 * engine, private: slots, for publishing and for waiting
 *
 * A slot's mark is moved by whoever has it; its mirror word is cleared by a
 * publisher and set by the kernel.  Here stands what moves and reads them, and
 * how a thread says that it is alone with the handle.
 * ======================================================================= */
#ifndef VYI_ENGINE_SLOTS_IMPL_H
#define VYI_ENGINE_SLOTS_IMPL_H

/* ==========================================================================
 * queue: one device, its slots, and the chain of leases that serves them
 *
 * Private.  A handle is a description, programs, locks and a queue.  What
 * concerns one device takes the queue; what concerns the program's wishes takes
 * the handle.
 *
 * Words that threads share without the lock, by who writes and who reads:
 *
 *     state    the lock's holder stores with release; publishers and waiters load
 *              with acquire, and see what led to it (the loss, the device)
 *     marks    moved by compare-and-swap; what its owner wrote into the slot
 *              goes before the release that ends BUSY, and is seen by the acquire
 *              of whoever reads the new mark
 *     held     set before the first mark becomes BUSY, cleared after the last one
 *              is put back
 *     recall   a lock, taken by compare-and-swap: while it is odd no thread
 *              touches the stash of its seat; each release makes it a new number
 *     sitters  stored with release under `turning`, from 0, and never changed
 *     kept     the holder's; written before the slot is BUSY, for vyi_mark_unheld
 *     device   stored by a recovery while all slots are held, so that no
 *              publisher writes to the old one
 *     mirror   the device stores with release; its acquire makes results visible
 *     cursor, drive_at   order nothing
 * ======================================================================= */
#ifndef VYI_QUEUE_IMPL_H
#define VYI_QUEUE_IMPL_H

/* ==========================================================================
 * engine: what a backend is
 *
 * Private.  A backend turns finished programs into launches on buffers that
 * the host sees all the time.  It knows nothing of slots, tickets, leases or
 * recovery; the engine knows nothing of drivers.
 *
 * Calls.  The engine makes every call but wake, abort and info under one lock,
 * so none but these three needs one of its own.  A call that can fail leaves the
 * device as it was, or lost.  Once VYRE_E_DEVICE_LOST has been returned only
 * info, wake and close follow.
 *
 * Buffers.  Resident buffers are made by open: zeroed, mapped for as long as
 * the device lives, coherent (what the host writes before a launch the launch
 * sees, what a launch writes the host sees when it is reaped).  `live` in the
 * probe says that both directions also work during a launch.
 *
 * Attached buffers are a second set for byte-level dispatch.  The user's own
 * buffers belong to both sets; the mirror does not: the attached set has one
 * of its own, of the same size, that nobody reads.
 * ======================================================================= */
#ifndef VYI_ENGINE_IMPL_H
#define VYI_ENGINE_IMPL_H


VYI_EXTERN_C_BEGIN

/* What a buffer is for; a backend chooses its memory by it. */
typedef enum vyi_role {
    VYI_ROLE_CONTROL = 0, /* the first four: at the bindings of the same number */
    VYI_ROLE_RING = 1,    /* control and ring: the device polls, the host writes, seldom reads */
    VYI_ROLE_LOG = 2,     /* log, io: written by the device, read by the host */
    VYI_ROLE_IO = 3,
    VYI_ROLE_USER = 4,    /* the user's, and the workspace */
    VYI_ROLE_MIRROR = 5   /* a u32 per slot, written by the device, polled by the host */
} vyi_role;

#define VYI_CORE_BUFFERS 4u
#define VYI_MAX_BUFFERS  VYRE_MAX_BINDINGS

typedef struct vyi_device_buffer {
    uint32_t    binding;
    vyi_role    role;
    size_t      size; /* bytes; a multiple of 4, at least 4 */
    vyre_access access;
    const char *name;
} vyi_device_buffer;

/* What a launch runs, on which buffers. */
typedef enum vyi_launch {
    VYI_LAUNCH_LOOP = 0, /* the looping program, resident buffers; at most `rounds` rounds */
    VYI_LAUNCH_ONCE = 1, /* the one-pass program, resident buffers */
    VYI_LAUNCH_BYTES = 2 /* the one-pass program, attached buffers */
} vyi_launch;

/* All of it outlives the device, apart from this struct itself. */
typedef struct vyi_device_desc {
    const vyre_desc    *desc;     /* the user's, with defaults filled in */
    const vyre_program *loop;     /* finished */
    const vyre_program *once;
    const vyre_program *narrow;   /* what `loop` does, by one lane; NULL = there is none */
    const vyre_program *whole;    /* what `loop` does, for a device that passes the probe's lines
                                     and sums; NULL likewise */
    const vyi_device_buffer *buffers; /* ascending bindings; the same in both programs */
    uint32_t buffer_count;
    uint32_t group_size;          /* of both programs */
    uint32_t max_groups;          /* more would find no slot to serve */
    bool     fixed_geometry;      /* the user has set workgroup size or lanes: keep to it */
    bool     guest_loops;         /* the user's own code in the programs has loops */
} vyi_device_desc;

typedef struct vyi_backend vyi_backend;

/* The first member of each backend's own device struct; filled by open, then
 * constant. */
typedef struct vyi_device {
    const vyi_backend *backend;
    void    *map[VYI_MAX_BUFFERS]; /* host address of each resident buffer, in the desc's order */
    uint32_t in_flight;        /* launches that may be queued at once, at least 1 */
    uint32_t max_rounds;       /* that one lease may have; 0 = no bound known */
    bool     endless;          /* rounds may be 0: the launch then lives until it is stopped */
    bool     write_combined;   /* host stores to control and ring need a store fence for order */
    bool     whole_lines;      /* and a slot that the host stores as one line is seen as one */
    bool     narrow;           /* the looping kernel is the narrow one */
    bool     slow_reads;       /* host reads of control and ring cross a bus */
    bool     pumped;           /* launches make progress inside reap only */
    uint32_t group_size;       /* as the looping program runs */
    uint32_t groups;
    uint64_t bytes;            /* of all resident buffers */
    uint64_t pipeline_id;
} vyi_device;

struct vyi_backend {
    vyre_backend id;
    const char  *name;
    vyre_status (*open)(const vyi_device_desc *desc, vyi_device **out, vyre_error *err);
    /* Returns in bounded time, whatever still runs; what that uses is leaked.
     * Says whether everything was freed: if not, the programs, the desc and
     * the allocator's memory stay as well. */
    bool (*close)(vyi_device *d);
    /* Fills backend, device, driver and probe; the rest is the engine's. */
    void (*info)(const vyi_device *d, vyre_info *info);
    /* Submits without waiting.  Launches run in the order of their submission,
     * and each sees what the one before has written.  A backend without a
     * queue may run it before it returns. */
    vyre_status (*launch)(vyi_device *d, vyi_launch what, uint32_t rounds, vyre_error *err);
    /* *completed is the number of launches that have ended since open.  Waits
     * until it exceeds `beyond`, but no longer than the timeout; VYRE_OK either
     * way.  0 only looks: at most one call to the driver. */
    vyre_status (*reap)(vyi_device *d, uint64_t beyond, uint64_t timeout_ns, uint64_t *completed,
                        vyre_error *err);
    /* (Re)makes the attached set, of control, ring, log and io, with exactly
     * these sizes (contents undefined), and gives its addresses; kept until
     * other sizes are asked for.  Only while nothing is in flight. */
    vyre_status (*attach)(vyi_device *d, const size_t size[VYI_CORE_BUFFERS],
                          void *map[VYI_CORE_BUFFERS], vyre_error *err);
    /* Something was published, or the stop word was set.  Any thread, at any
     * time.  NULL: the device looks by itself. */
    void (*wake)(vyi_device *d);
    /* Ends what runs as soon as possible, even inside a handler.  Any thread, at
     * any time; the next launch starts afresh.  NULL: the device cannot.  Slots
     * in it stay CLAIMED; reap tells when it is over. */
    void (*abort)(vyi_device *d);
    bool shapes; /* its devices may run `narrow` or `whole`; else the desc has neither */
};

VYI_API const vyi_backend *vyi_cpu_backend(void);
/* NULL when it was not built in. */
VYI_API const vyi_backend *vyi_vulkan_backend(void);

/* --- words of a device --------------------------------------------------- */

static inline uint32_t *vyi_device_words(const vyi_device *d, uint32_t buffer)
{
    return (uint32_t *)d->map[buffer];
}

static inline uint32_t vyi_control_load(const vyi_device *d, uint32_t word)
{
    return vyi_le32(vyi_load_acquire(vyi_device_words(d, VYI_ROLE_CONTROL) + word));
}

VYI_EXTERN_C_END

#endif

VYI_EXTERN_C_BEGIN

/* --- slots --------------------------------------------------------------- */

/* Whose turn a slot is, in one word: generation << 3 | epoch << 2 | phase.
 *
 *     FREE   nobody's: never used, or its end has been seen
 *     BUSY   of the host thread that moved it here, until it moves it on
 *     FLIGHT published; it has ended as soon as its mirror word is not 0
 *
 * A publisher takes a slot from FREE, or FLIGHT and ended, to BUSY with the
 * next generation; whoever sees an end may move FLIGHT to FREE. Recovery flips
 * the epoch, so that a move that was decided on an older device fails. */
#define VYI_PHASE_FREE      0u
#define VYI_PHASE_BUSY      1u
#define VYI_PHASE_FLIGHT    2u
#define VYI_PHASE_MASK      3u
#define VYI_MARK_EPOCH      4u
#define VYI_GENERATION_BIT  3u
#define VYI_GENERATION_MASK 0x1fffffffu
#define VYI_GENERATION_HALF 0x10000000u

/* How a slot's last trouble ended, kept when the slot is used again.  Ends
 * without trouble leave no trace. */
typedef struct vyi_trouble {
    uint32_t generation; /* 0: none so far */
    uint32_t code;       /* vyre_fault, or: */
    uint32_t untold;     /* the generation, until somebody is told; 0: all is told */
} vyi_trouble;
#define VYI_TROUBLE_LOST 0xffffffffu

#define VYI_CACHE_LINE 64u

/* Slots that one priority may use; without priorities there is one for all.
 * The padding keeps the cursors, which publishers add to, on cache lines of
 * their own. */
typedef struct vyi_partition {
    uint32_t first, count;
    uint32_t cursor;
    uint32_t padding[29];
} vyi_partition;

/* The arrays have a word, or a struct, for each slot. */
typedef struct vyi_slots {
    vyi_partition partitions[VYRE_PRIORITY_LEVELS];
    uint32_t     held;    /* every slot is BUSY for a moment */
    uint32_t     untold;  /* troubles that were replaced before anybody was told */
    /* Constant once the handle is open. */
    uint32_t     count, partition_count;
    uint32_t     mirror;  /* index of that buffer */
    uint32_t    *marks;
    uint32_t    *kept;    /* marks, while they are held */
    vyi_trouble *trouble;
    vyre_work   *record;  /* for a rerun; NULL without */
} vyi_slots;

/* --- who publishes (engine_slots.c) --------------------------------------- */

/* One thread alone. */
typedef struct vyi_lone {
    void     *thread;     /* its id, or a VYI_ALONE_ value */
    uint32_t  inside;     /* it is at the slots now */
    uint32_t  turning;    /* somebody changes `thread` */
    uint32_t  fences;     /* it has made, and one */
    uint32_t *cleared;    /* of each slot: `fences` when its mirror word was cleared */
} vyi_lone;

#define VYI_ALONE_NOBODY 0u /* the next thread is the one */
#define VYI_ALONE_ENDING 1u /* another thread has come, and waits for the first to step aside */
#define VYI_ALONE_SHARED 2u /* for good: marks are moved by compare-and-swap */

/* Where a thread that publishes among others keeps slots that it has made BUSY
 * ahead of its works.  Each word is written by the seat's thread while it is
 * `inside`, and by whoever recalls while it is not.  The size keeps what two
 * threads write on cache lines of their own. */
#define VYI_STASH 64u
typedef struct vyi_seat {
    uint32_t inside;      /* its thread is at it now */
    uint32_t holds;       /* it is one of the few that may have a stash */
    uint32_t part;        /* partition of all slots in the stash */
    uint32_t next, count; /* the stash: slots[next] .. slots[count - 1] */
    uint32_t era;         /* of the partition when it was filled */
    uint32_t pause;       /* claims until it is filled again */
    uint32_t slots[VYI_STASH];
    uint32_t padding[17];
} vyi_seat;

#define VYI_SEATS        64u /* more threads than that publish without */
#define VYI_SEAT_TRIES   8u  /* seats that a thread may have */
#define VYI_HOLDERS      8u
#define VYI_RESERVE_PART 32u /* of a partition, that one seat may reserve */
#define VYI_REST_FOREVER 0xffffffffu
#define VYI_REST         64u
#define VYI_REFUSALS     1024u /* to a recall, so that the seats of quiet threads serve others */

typedef struct vyi_seats {
    uint32_t  recall;     /* odd: somebody takes back what is reserved, or holds all slots */
    uint32_t  rest;       /* claims until slots may be reserved again, or VYI_REST_FOREVER */
    uint32_t  holders;    /* seats that may have a stash */
    uint32_t  refused;    /* claims, about, of those that wanted one as well */
    uint32_t  eras[VYRE_PRIORITY_LEVELS]; /* of partitions: eighths gone through */
    uint32_t  reserves[VYRE_PRIORITY_LEVELS]; /* slots that a seat takes at a time; 0: none */
    void     *sitters[VYI_SEATS]; /* thread ids */
    vyi_seat  all[VYI_SEATS];
} vyi_seats;

/* --- the queue ------------------------------------------------------------ */

typedef enum vyi_run_state {
    VYI_STATE_IDLE = 0,
    VYI_STATE_RUNNING = 1,
    VYI_STATE_STOPPING = 2, /* a stop timed out: launches are still in flight */
    VYI_STATE_SHUT = 3,     /* by the opcode */
    VYI_STATE_LOST = 4
} vyi_run_state;

/* The chain of leases; under the handle's lock. */
typedef struct vyi_chain {
    uint64_t launched, completed; /* launches of any kind on this device */
    uint64_t leases, passes;      /* of all devices so far */
    uint64_t since;               /* when the oldest launch in flight can have begun */
    uint64_t lease_ns, least_ns;  /* as last seen; a lease takes as long at least, 0: unknown */
    uint32_t rounds;
    uint32_t before, after;       /* which works were pending when the last pass began, and ended */
    uint64_t retry_at;            /* when a pass is worth while though nothing is new */
} vyi_chain;

/* Rounds of the first lease. */
#define VYI_LEASE_ROUNDS 1024u

/* Devices that were lost; under the handle's lock. */
typedef struct vyi_loss {
    vyre_error how;         /* of the last one */
    bool       was_running; /* when it was lost */
    bool       mended;      /* once, without being asked */
    uint32_t   count;       /* of the replaced */
    void      *retired;     /* of void *: the replaced, whose mappings may still be looked at */
    uint32_t   retired_capacity;
} vyi_loss;

#define VYI_LOOK_EVERY 64u /* slots, a power of two */

typedef struct vyi_queue {
    vyi_slots slots;
    vyre     *v;         /* the handle */
    void     *device;    /* vyi_device */
    uint32_t  state;     /* vyi_run_state; written under the lock */
    uint32_t  drive_at;  /* microseconds, wrapping: when a look at the device is due */
    uint32_t  aborted;   /* slots may have been left CLAIMED; written under the lock */
    /* Constant once the handle is open. */
    vyre_mode mode;
    uint32_t  look_mask; /* who publishes into a slot that has none of these bits nudges */
    bool      lives;     /* a kernel serves what is published between two calls */
    bool      wide;      /* lines are composed in one register */
    vyi_lone  lone;
    vyi_seats seats;
    vyi_chain chain;
    vyi_loss  loss;
} vyi_queue;

/* --- the handle ---------------------------------------------------------- */

typedef struct vyi_programs {
    vyre_program *loop, *once, *narrow, *whole;
} vyi_programs;

typedef struct vyi_buffers {
    vyi_device_buffer list[VYI_MAX_BUFFERS]; /* ascending bindings */
    uint32_t count, user_count;
    uint32_t user_index[VYI_MAX_BUFFERS];    /* of the user's buffer i in `list` */
} vyi_buffers;

/* What vyre_run has in each slot; under its lock, which is taken before the
 * handle's. */
typedef struct vyi_run_slots {
    vyi_mutex lock;
    uint32_t *marks; /* the generation that it waits for, or 0 */
    uint32_t *works; /* and its index */
} vyi_run_slots;

typedef struct vyi_helper {
    vyi_thread thread;
    vyi_mutex  lock;
    vyi_cond   wake;
    bool       runs, quits;
} vyi_helper;

/* Only the queue and `lock` change once the handle is open, but for what has a
 * lock of its own. */
struct vyre {
    vyi_queue        queue;
    vyi_mutex        lock;
    vyre_desc        desc;     /* the user's, with defaults filled in */
    const vyi_backend *backend;
    vyi_programs     programs;
    vyi_buffers      buffers;
    vyi_arena        arena;    /* of texts, and what is kept of each slot */
    vyre_log_record *log;      /* records on their way to the callback */
    vyi_run_slots    run;
    vyi_helper       helper;
    char             why_cpu[160];
};

/* As vyre_open, on a backend of the caller's. */
VYI_API vyre *vyi_open_with(const vyi_backend *backend, const vyre_desc *desc, vyre_error *err);

/* How far a thread may go in looking after the device. */
typedef enum vyi_effort {
    VYI_EFFORT_LOOK = 0, /* keep a started kernel going */
    VYI_EFFORT_WORK = 1  /* also make passes for work that waits without one */
} vyi_effort;

static inline vyi_device *vyi_queue_device(const vyi_queue *q)
{
    return (vyi_device *)vyi_load_pointer(&q->device);
}

static inline uint32_t vyi_queue_in_flight(const vyi_queue *q)
{
    return (uint32_t)(q->chain.launched - q->chain.completed);
}

/* Slots (engine_slots.c _publish.c _wait.c).  vyi_alone_begin comes before any
 * other of these functions, vyi_seats_plan before the first publish, when the
 * device is known.  vyi_queue_hold takes every slot, if all are at rest (or,
 * with `force`, whatever they are doing); vyi_queue_unhold puts them back. */
VYI_API void vyi_alone_begin(vyi_queue *q);
VYI_API void vyi_seats_plan(vyi_queue *q);
VYI_API bool vyi_queue_hold(vyi_queue *q, bool force);
VYI_API void vyi_queue_unhold(vyi_queue *q);
/* How many are in flight and have not ended. */
VYI_API uint32_t vyi_queue_pending(const vyi_queue *q);
/* Which: a number that others hardly have; 0: none. */
VYI_API uint32_t vyi_queue_waiting(const vyi_queue *q);
VYI_API void vyi_slot_write(vyi_queue *q, vyi_device *d, uint32_t slot, const vyre_work *work);
/* `told`: whoever asks for this slot is told now; otherwise the next drain is. */
VYI_API void vyi_slot_trouble(vyi_queue *q, uint32_t slot, uint32_t generation, uint32_t code,
                              bool told);
VYI_API vyre_status vyi_engine_check(const vyre *v, const vyre_work *work, vyre_error *err);
/* VYRE_OK, VYRE_PENDING, E_FAULT (and its code), E_LOST, E_STALE, E_TICKET. */
VYI_API vyre_status vyi_ticket_look(vyi_queue *q, vyre_ticket t, uint32_t *code);
/* The same of a ticket whose work has ended. */
VYI_API vyre_status vyi_ticket_history(vyi_queue *q, vyre_ticket t, uint32_t *code);

/* Turns of a loop that waits: first it spins, then it lets others run, then it
 * sleeps. */
typedef struct vyi_pace {
    uint64_t begin, deadline;
    uint32_t turn;
} vyi_pace;

VYI_API vyi_pace vyi_pace_begin(uint64_t timeout_ns);
/* VYRE_OK, VYRE_TIMEOUT, or an error when no work can end any more. */
VYI_API vyre_status vyi_pace_turn(vyi_queue *q, vyi_pace *pace, vyre_error *err);

/* The chain (engine_lease.c), under the lock. */
VYI_API vyre_status vyi_queue_drive(vyi_queue *q, vyi_effort effort, vyre_error *err);
/* Waits until nothing is in flight: VYRE_OK, VYRE_TIMEOUT, or an error. */
VYI_API vyre_status vyi_queue_settle(vyi_queue *q, uint64_t deadline, vyre_error *err);
/* Slots that an abort has left CLAIMED end FAULT.  Nothing is in flight. */
VYI_API void vyi_queue_bury(vyi_queue *q);
VYI_API vyre_status vyi_queue_launch(vyi_queue *q, vyi_launch what, uint32_t rounds,
                                     vyre_error *err);
VYI_API vyre_status vyi_queue_reap(vyi_queue *q, uint64_t timeout_ns, vyre_error *err);
VYI_API void vyi_queue_deliver_log(vyi_queue *q);
/* Without the lock: drives if it is due and nobody else does. */
VYI_API vyre_status vyi_queue_nudge(vyi_queue *q, vyi_effort effort, vyre_error *err);
VYI_API bool vyi_helper_start(vyre *v);
VYI_API void vyi_helper_stop(vyre *v);

/* A call of the backend has failed, as `how` says; notes a loss. */
VYI_API vyre_status vyi_queue_failed(vyi_queue *q, vyre_status status, vyre_error *how,
                                      vyre_error *err);
VYI_API vyre_status vyi_queue_lost(vyi_queue *q, const vyre_error *how, vyre_error *err);
VYI_API void vyi_queue_set_shutdown(vyi_queue *q, uint32_t value);

/* Buffers and recovery (engine.c), under the lock. */
VYI_API vyre_status vyi_queue_recover(vyi_queue *q, vyre_error *err);

VYI_EXTERN_C_END

#endif

VYI_EXTERN_C_BEGIN

#define VYI_MIRROR_STATUS(word) ((word) & 0xffu)
#define VYI_MIRROR_FAULT(word)  ((word) >> 8)

/* --- marks --------------------------------------------------------------- */

static inline uint32_t vyi_mark_generation(uint32_t mark)
{
    return mark >> VYI_GENERATION_BIT;
}

static inline uint32_t vyi_mark_phase(uint32_t mark)
{
    return mark & VYI_PHASE_MASK;
}

static inline uint32_t vyi_mark_with(uint32_t mark, uint32_t phase)
{
    return (mark & ~VYI_PHASE_MASK) | phase;
}

/* BUSY, with the next generation; 0 is none. */
static inline uint32_t vyi_mark_next(uint32_t mark)
{
    const uint32_t one = 1u << VYI_GENERATION_BIT, next = mark + one;
    return vyi_mark_with(next + (next < one ? one : 0), VYI_PHASE_BUSY);
}

static inline vyre_ticket vyi_ticket_of(uint32_t slot, uint32_t mark)
{
    vyre_ticket t;
    t.slot = slot;
    t.generation = vyi_mark_generation(mark);
    return t;
}

/* --- one thread alone ---------------------------------------------------- */

/* Whether the handle is the thread `me`'s own from now on, and entered. */
VYI_API bool vyi_alone_decide(vyi_queue *q, uintptr_t me);

static inline uintptr_t vyi_alone_who(const vyi_queue *q)
{
    return (uintptr_t)vyi_load_pointer(&q->lone.thread);
}

/* True: the slots are the caller's until it leaves.  It must not wait for
 * anybody meanwhile, nor enter again. */
static inline bool vyi_alone_enter(vyi_queue *q)
{
    const uintptr_t me = vyi_thread_id();
    if (vyi_alone_who(q) == me) {
        vyi_store_relaxed(&q->lone.inside, 1);
        vyi_fence_compiler();
        if (vyi_alone_who(q) == me)
            return true;
        vyi_store_release(&q->lone.inside, 0);
    }
    return vyi_alone_who(q) != VYI_ALONE_SHARED && vyi_alone_decide(q, me);
}

static inline void vyi_alone_leave(vyi_queue *q, bool alone)
{
    if (alone)
        vyi_store_release(&q->lone.inside, 0);
}

/* --- marks and mirror words ------------------------------------------------ */

/* The mark's move, if it still is what it was. */
static inline bool vyi_mark_move(vyi_queue *q, bool alone, uint32_t slot, uint32_t from,
                                 uint32_t to)
{
    if (!alone)
        return vyi_compare_exchange(&q->slots.marks[slot], from, to) == from;
    if (vyi_load_relaxed(&q->slots.marks[slot]) != from)
        return false;
    vyi_store_release(&q->slots.marks[slot], to);
    return true;
}

/* How the slot ended, or 0.  Pairs with the kernel's release of the word, and
 * with the publisher's that cleared it. */
static inline uint32_t vyi_slot_outcome(const vyi_queue *q, uint32_t slot)
{
    const vyi_device *d = vyi_queue_device(q);
    return vyi_le32(vyi_load_acquire(vyi_device_words(d, q->slots.mirror) + slot));
}

/* The mirror word of a slot whose end has been seen, ahead of its next work. */
static inline void vyi_slot_clear(vyi_queue *q, bool alone, uint32_t slot)
{
    const vyi_device *d = vyi_queue_device(q);
    if (!alone || !d->whole_lines)
        return;
    vyi_store_release(vyi_device_words(d, q->slots.mirror) + slot, 0);
    q->lone.cleared[slot] = q->lone.fences;
}

/* --- taking slots -------------------------------------------------------- */

/* How a publisher has come by its slots, and what is left to do for them. */
typedef enum vyi_way {
    VYI_WAY_SHARED = 0, /* with a compare-and-swap each; mirror words not cleared */
    VYI_WAY_SEAT = 1,   /* from its seat; mirror words cleared, and fenced where lines are stored */
    VYI_WAY_ALONE = 2   /* as a thread alone; mirror words cleared */
} vyi_way;

static inline uint32_t vyi_partition_place(const vyi_partition *part, uint32_t turn)
{
    return (part->count & (part->count - 1)) == 0 ? turn & (part->count - 1) : turn % part->count;
}

/* How many of the partition's next places follow each other, at most `count`;
 * not again from the first.  *place is the first of them. */
static inline uint32_t vyi_partition_run(const vyi_partition *part, uint32_t turn, uint32_t count,
                                         uint32_t *place)
{
    *place = vyi_partition_place(part, turn);
    return count < part->count - *place ? count : part->count - *place;
}

/* The wire's levels, by vyre_priority. */
static inline uint32_t vyi_priority_level(vyre_priority priority)
{
    static const uint8_t levels[VYRE_PRIORITY_LEVELS] = { 2, 0, 1, 3, 4 };
    return levels[priority];
}

static inline vyi_partition *vyi_partition_of(vyi_queue *q, vyre_priority priority)
{
    vyi_partition *part = &q->slots.partitions[0];
    if (q->slots.partition_count > 1) {
        part = &q->slots.partitions[vyi_priority_level(priority)];
        if (part->count == 0) /* a ring of less than five slots has NORMAL ones only */
            part = &q->slots.partitions[vyi_priority_level(VYRE_PRIORITY_NORMAL)];
    }
    return part;
}

/* Several slots at a time. */
#define VYI_BATCH 64u
VYI_STATIC_ASSERT(stash_is_a_batch, VYI_STASH <= VYI_BATCH);

typedef struct vyi_batch {
    uint32_t slots[VYI_BATCH], marks[VYI_BATCH], count;
} vyi_batch;

static inline void vyi_batch_add(vyi_batch *b, uint32_t slot, uint32_t mark)
{
    b->slots[b->count] = slot;
    b->marks[b->count++] = mark;
}

/* Those of the next `count` places that are free; one addition reserves all. */
VYI_API void vyi_batch_claim_run(vyi_queue *q, bool alone, vyi_partition *part, vyi_batch *b,
                                 uint32_t count);

/* What the caller's stash has, for a batch of at most `count`: a thread's works
 * keep to the cursor's order. */
VYI_API void vyi_seat_empty(vyi_queue *q, vyi_batch *b, uint32_t count);

/* A slot for the work: its BUSY mark, or 0 if none is free.  With `wait` it
 * waits for somebody who has all slots for a moment: the caller has none. */
VYI_API uint32_t vyi_work_claim(vyi_queue *q, vyi_way *way, bool wait, const vyre_work *work,
                                uint32_t *slot);

/* --- what a handle says --------------------------------------------------- */

/* VYRE_E_DEVICE_LOST, and how, unless somebody holds the lock just now. */
VYI_API vyre_status vyi_queue_gone(const vyi_queue *q, const char *what, vyre_error *err);
VYI_API vyre_status vyi_queue_refuses(const vyi_queue *q, uint32_t state, vyre_error *err);

static inline vyre_status vyi_queue_takes_work(const vyi_queue *q, vyre_error *err)
{
    const uint32_t state = vyi_load_acquire(&q->state);
    return state < VYI_STATE_SHUT ? VYRE_OK : vyi_queue_refuses(q, state, err);
}

VYI_EXTERN_C_END

#endif

/* --- one thread alone ---------------------------------------------------- */

/* The first thread that publishes or asks has the slots to itself until a
 * second one comes.  It says when it is `inside`, and then looks whether the
 * handle still is its own; a second thread first takes the handle away, and then
 * looks whether the first is inside.  Each store must come before the load
 * behind it: the second thread's fence sees to that for both. */

VYI_API void vyi_alone_begin(vyi_queue *q)
{
    const uintptr_t who = vyi_fence_others_ready() ? VYI_ALONE_NOBODY : VYI_ALONE_SHARED;
    vyi_store_pointer(&q->lone.thread, (void *)who);
    q->lone.fences = 1;
}

VYI_API bool vyi_alone_decide(vyi_queue *q, uintptr_t me)
{
    for (;; vyi_yield()) {
        if (vyi_alone_who(q) == VYI_ALONE_SHARED)
            return false;
        if (vyi_compare_exchange(&q->lone.turning, 0, 1) != 0)
            continue;
        const uintptr_t who = vyi_alone_who(q);
        const bool mine = who == VYI_ALONE_NOBODY || who == me;
        if (mine) {
            vyi_store_relaxed(&q->lone.inside, 1);
            vyi_store_pointer(&q->lone.thread, (void *)me);
        } else if (who != VYI_ALONE_SHARED) {
            vyi_store_pointer(&q->lone.thread, (void *)(uintptr_t)VYI_ALONE_ENDING);
            vyi_fence_others();
            while (vyi_load_acquire(&q->lone.inside))
                vyi_yield();
            vyi_store_pointer(&q->lone.thread, (void *)(uintptr_t)VYI_ALONE_SHARED);
        }
        vyi_store_release(&q->lone.turning, 0);
        return mine;
    }
}

/* Only the owner of the slot's BUSY mark writes.  The generation is 0 while the
 * code changes. */
VYI_API void vyi_slot_trouble(vyi_queue *q, uint32_t slot, uint32_t generation, uint32_t code,
                              bool told)
{
    vyi_trouble *trouble = &q->slots.trouble[slot];
    const uint32_t before = vyi_load_acquire(&trouble->untold);
    if (before && vyi_compare_exchange(&trouble->untold, before, 0) == before)
        vyi_fetch_add(&q->slots.untold, 1);
    vyi_store_release(&trouble->generation, 0);
    vyi_store_release(&trouble->code, code);
    vyi_store_release(&trouble->untold, told ? 0 : generation);
    vyi_store_release(&trouble->generation, generation);
}

/* --- taking slots -------------------------------------------------------- */

/* Makes the slot the publisher's: its BUSY mark, or 0 when it is in use. */
static uint32_t vyi_slot_claim(vyi_queue *q, bool alone, uint32_t slot)
{
    const uint32_t mark = vyi_load_acquire(&q->slots.marks[slot]);
    const uint32_t next = vyi_mark_next(mark);

    if (vyi_mark_phase(mark) == VYI_PHASE_FREE)
        return vyi_mark_move(q, alone, slot, mark, next) ? next : 0;
    if (vyi_mark_phase(mark) == VYI_PHASE_BUSY)
        return 0;

    const uint32_t outcome = vyi_slot_outcome(q, slot);
    if (outcome == 0)
        return 0;
    vyi_slot_clear(q, alone, slot);
    if (VYI_MIRROR_STATUS(outcome) == VYRE_SLOT_DONE)
        return vyi_mark_move(q, alone, slot, mark, next) ? next : 0;
    /* The fault is on record before its generation is over. */
    if (!vyi_mark_move(q, alone, slot, mark, vyi_mark_with(mark, VYI_PHASE_BUSY)))
        return 0;
    vyi_slot_trouble(q, slot, vyi_mark_generation(mark), VYI_MIRROR_FAULT(outcome), false);
    vyi_store_release(&q->slots.marks[slot], next);
    return next;
}

/* Reserves the next `count` places; the first of them. */
static inline uint32_t vyi_partition_turn(vyi_partition *part, bool alone, uint32_t count)
{
    if (!alone)
        return vyi_fetch_add(&part->cursor, count);
    const uint32_t turn = vyi_load_relaxed(&part->cursor);
    vyi_store_relaxed(&part->cursor, turn + count);
    return turn;
}

/* A slot of the partition that is now the caller's: its BUSY mark, or 0. */
static uint32_t vyi_partition_claim(vyi_queue *q, bool alone, vyi_partition *part, uint32_t *slot)
{
    uint32_t place = vyi_partition_place(part, vyi_partition_turn(part, alone, 1));
    for (uint32_t tried = 0; tried < part->count; tried++) {
        const uint32_t mark = vyi_slot_claim(q, alone, part->first + place);
        if (mark) {
            if (tried)
                vyi_store_relaxed(&part->cursor, place + 1);
            *slot = part->first + place;
            return mark;
        }
        place = place + 1 < part->count ? place + 1 : 0;
    }
    return 0;
}

/* Whether a publisher may take a slot with this mark and outcome in one move. */
static bool vyi_slot_is_free(uint32_t mark, const uint32_t *outcome)
{
    return vyi_mark_phase(mark) == VYI_PHASE_FREE ||
           (vyi_mark_phase(mark) == VYI_PHASE_FLIGHT &&
            VYI_MIRROR_STATUS(vyi_le32(vyi_load_acquire(outcome))) == VYRE_SLOT_DONE);
}

/* Slots `slot` (even) and slot + 1 with one compare-and-swap. */
static inline bool vyi_batch_claim_pair(vyi_queue *q, vyi_batch *b, uint32_t slot)
{
    uint32_t *marks = &q->slots.marks[slot];
    const uint32_t low = vyi_load_acquire(marks), high = vyi_load_acquire(marks + 1);
    const uint32_t next_low = vyi_mark_next(low), next_high = vyi_mark_next(high);
    const uint32_t *mirror = vyi_device_words(vyi_queue_device(q), q->slots.mirror) + slot;
    if (!vyi_slot_is_free(low, mirror) || !vyi_slot_is_free(high, mirror + 1) ||
        !vyi_compare_exchange_pair(marks, (uint64_t)high << 32 | low,
                                   (uint64_t)next_high << 32 | next_low))
        return false;
    vyi_batch_add(b, slot, next_low);
    vyi_batch_add(b, slot + 1, next_high);
    return true;
}

/* Counts eighths of the partition that publishers have gone through: the era.
 * Who comes late from the eighth before changes nothing. */
static inline void vyi_era_pass(vyi_queue *q, const vyi_partition *part, uint32_t place)
{
    uint32_t *at = &q->seats.eras[part - q->slots.partitions];
    const uint32_t era = vyi_load_relaxed(at);
    const uint32_t eighth = (uint32_t)((uint64_t)place * 8 / part->count);
    const uint32_t passed = (eighth - era) & 7u;
    if (passed != 0 && passed != 7)
        vyi_store_relaxed(at, era + passed);
}

VYI_API void vyi_batch_claim_run(vyi_queue *q, bool alone, vyi_partition *part, vyi_batch *b,
                                 uint32_t count)
{
    const uint32_t turn = vyi_partition_turn(part, alone, count);
    if (!alone)
        vyi_era_pass(q, part, vyi_partition_place(part, turn));
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t slot = part->first + vyi_partition_place(part, turn + i);
        const bool pair = slot % 2 == 0 && i + 1 < count && slot + 1 < part->first + part->count;
        if (VYI_PAIRS && !alone && pair && vyi_batch_claim_pair(q, b, slot)) {
            i++;
            continue;
        }
        const uint32_t mark = vyi_slot_claim(q, alone, slot);
        if (mark)
            vyi_batch_add(b, slot, mark);
    }
}

/* --- seats ---------------------------------------------------------------- */

/* Threads that publish among others would each wait, for the cursor and for
 * a mark, until what they have written has arrived.  So each has a seat, and
 * there a stash of slots that are BUSY ahead of its works: it fills the stash
 * with one addition and a compare-and-swap for two slots, then publishes as many
 * works by plain stores.
 *
 * Somebody who needs all slots, or finds the ring full, takes the stashes back:
 * sets `recall`, makes every thread go through a fence, waits until nobody is
 * inside, and frees what was reserved.  A thread says that it is `inside` and
 * then looks at `recall`, so that either it sees the recall or is waited for; and
 * it waits for nobody there.  A slot that has been taken out of the stash is BUSY
 * like any publisher's.
 *
 * A seat is one thread's for as long as the handle lives, or of a later thread
 * with the same id: a thread may stand between finding its seat and saying that
 * it is inside, and there nobody can tell.  What is scarce, the right to hold a
 * stash, goes round: a recall takes it from all. */

VYI_STATIC_ASSERT(seats_by_six_bits, VYI_SEATS == 64);

VYI_API void vyi_seats_plan(vyi_queue *q)
{
    const bool ready = vyi_alone_who(q) != VYI_ALONE_SHARED;
    /* A narrow kernel looks behind the slot that it found last: there the
     * next publisher's slot should be. */
    q->seats.rest = ready && !vyi_queue_device(q)->narrow ? 0 : VYI_REST_FOREVER;
    for (uint32_t i = 0; i < q->slots.partition_count; i++) {
        const uint32_t each = q->slots.partitions[i].count / VYI_RESERVE_PART;
        q->seats.reserves[i] = each < 2 ? 0 : each < VYI_STASH ? each : VYI_STASH;
    }
}

static vyi_seat *vyi_seat_give(vyi_queue *q, uint32_t at, uintptr_t who)
{
    if (vyi_compare_exchange(&q->lone.turning, 0, 1) != 0)
        return NULL;
    const bool vacant = !vyi_load_pointer(&q->seats.sitters[at]);
    if (vacant)
        vyi_store_pointer(&q->seats.sitters[at], (void *)who);
    vyi_store_release(&q->lone.turning, 0);
    return vacant ? &q->seats.all[at] : NULL;
}

/* The calling thread's, or NULL: without one, for now or for good. */
static inline vyi_seat *vyi_seat_find(vyi_queue *q)
{
    const uintptr_t me = vyi_thread_id();
    uint32_t at = ((uint32_t)(me >> 4) * 0x9e3779b1u) >> 26;
    for (uint32_t tried = 0; tried < VYI_SEAT_TRIES; tried++) {
        const uintptr_t who = (uintptr_t)vyi_load_pointer(&q->seats.sitters[at]);
        if (who == me)
            return &q->seats.all[at];
        if (who == 0)
            return vyi_seat_give(q, at, me);
        at = (at + 1) % VYI_SEATS;
    }
    return NULL;
}

static inline bool vyi_recall_is_on(uint32_t recall)
{
    return recall & 1u;
}

/* Pairs with the recall's acquire. */
static inline void vyi_seat_leave(vyi_seat *seat)
{
    vyi_store_release(&seat->inside, 0);
}

/* True: the stash is the caller's until it leaves.  Pairs with vyi_seats_recall. */
static inline bool vyi_seat_enter(vyi_queue *q, vyi_seat *seat)
{
    vyi_store_relaxed(&seat->inside, 1);
    vyi_fence_compiler();
    if (!vyi_recall_is_on(vyi_load_acquire(&q->seats.recall)))
        return true;
    vyi_seat_leave(seat);
    return false;
}

/* The caller's seat, entered, or NULL: it does without a stash now. */
static inline vyi_seat *vyi_seat_sit(vyi_queue *q)
{
    vyi_seat *seat = vyi_load_relaxed(&q->seats.rest) ? NULL : vyi_seat_find(q);
    return seat && vyi_seat_enter(q, seat) ? seat : NULL;
}

static inline uint32_t vyi_seat_left(const vyi_seat *seat)
{
    return vyi_load_relaxed(&seat->count) - vyi_load_relaxed(&seat->next);
}

/* The next slot of a stash that has one: its BUSY mark. */
static inline uint32_t vyi_seat_take(vyi_queue *q, vyi_seat *seat, uint32_t *slot)
{
    const uint32_t next = vyi_load_relaxed(&seat->next);
    *slot = vyi_load_relaxed(&seat->slots[next]);
    vyi_store_relaxed(&seat->next, next + 1);
    return vyi_load_relaxed(&q->slots.marks[*slot]);
}

/* Frees what is left.  No work has had these generations: they are left out. */
static void vyi_seat_give_back(vyi_queue *q, vyi_seat *seat)
{
    while (vyi_seat_left(seat)) {
        uint32_t slot;
        const uint32_t mark = vyi_seat_take(q, seat, &slot);
        vyi_store_release(&q->slots.marks[slot], vyi_mark_with(mark, VYI_PHASE_FREE));
    }
}

/* Whether the stash has something.  One that others have gone an eighth of the
 * ring past, or two, is given back: a result in it would soon be gone.  A new
 * `recall` tells a publisher that has found no slot meanwhile to look again. */
static bool vyi_seat_has(vyi_queue *q, vyi_seat *seat)
{
    if (vyi_seat_left(seat) == 0)
        return false;
    const uint32_t part = vyi_load_relaxed(&seat->part);
    if (vyi_load_relaxed(&q->seats.eras[part]) - vyi_load_relaxed(&seat->era) < 2)
        return true;
    vyi_seat_give_back(q, seat);
    vyi_store_relaxed(&seat->pause, q->seats.reserves[part]);
    vyi_fetch_add(&q->seats.recall, 2);
    return false;
}

/* Whether the seat may have a stash. */
static bool vyi_seat_may_hold(vyi_queue *q, vyi_seat *seat)
{
    const uint32_t pause = vyi_load_relaxed(&seat->pause);
    if (pause)
        vyi_store_relaxed(&seat->pause, pause - 1);
    if (pause || vyi_load_relaxed(&seat->holds))
        return !pause;
    const uint32_t holders = vyi_load_relaxed(&q->seats.holders);
    if (holders < VYI_HOLDERS &&
        vyi_compare_exchange(&q->seats.holders, holders, holders + 1) == holders) {
        vyi_store_relaxed(&seat->holds, 1);
        return true;
    }
    vyi_store_relaxed(&q->seats.refused, vyi_load_relaxed(&q->seats.refused) + 1);
    return false;
}

/* Fills an empty stash with what is free of the partition's next slots.  The
 * fence lets a recall that sees nobody inside do without one of everybody's. */
static bool vyi_seat_refill(vyi_queue *q, vyi_seat *seat, vyi_partition *part)
{
    vyi_batch b;
    const vyi_device *d = vyi_queue_device(q);
    const uint32_t index = (uint32_t)(part - q->slots.partitions), most = q->seats.reserves[index];
    vyi_fence_full();
    if (most == 0 || vyi_recall_is_on(vyi_load_acquire(&q->seats.recall)) ||
        !vyi_seat_may_hold(q, seat))
        return false;
    b.count = 0;
    /* Up to a multiple of `most`, so that what threads reserve does not share lines. */
    vyi_batch_claim_run(q, false, part, &b, most - vyi_load_relaxed(&part->cursor) % most);
    for (uint32_t i = 0; i < b.count; i++) {
        vyi_store_relaxed(&seat->slots[i], b.slots[i]);
        vyi_store_release(vyi_device_words(d, q->slots.mirror) + b.slots[i], 0);
    }
    if (d->whole_lines)
        vyi_fence_stores();
    vyi_store_relaxed(&seat->part, index);
    vyi_store_relaxed(&seat->era, vyi_load_relaxed(&q->seats.eras[index]));
    vyi_store_relaxed(&seat->next, 0);
    vyi_store_relaxed(&seat->count, b.count);
    return b.count != 0;
}

/* A slot of the partition from the caller's stash: its BUSY mark, or 0. */
static inline uint32_t vyi_seat_claim(vyi_queue *q, vyi_partition *part, uint32_t *slot)
{
    vyi_seat *seat = vyi_seat_sit(q);
    uint32_t mark = 0;
    if (!seat)
        return 0;
    if (vyi_seat_has(q, seat) ? part == &q->slots.partitions[vyi_load_relaxed(&seat->part)]
                              : vyi_seat_refill(q, seat, part))
        mark = vyi_seat_take(q, seat, slot);
    vyi_seat_leave(seat);
    return mark;
}

VYI_API void vyi_seat_empty(vyi_queue *q, vyi_batch *b, uint32_t count)
{
    vyi_seat *seat = vyi_seat_sit(q);
    if (!seat)
        return;
    while (b->count < count && vyi_seat_has(q, seat)) {
        uint32_t slot;
        const uint32_t mark = vyi_seat_take(q, seat, &slot);
        vyi_batch_add(b, slot, mark);
    }
    vyi_seat_leave(seat);
}

/* Whether a seat has slots of the partition, of any if it is NULL, or may just
 * be taking some. */
static bool vyi_seats_have(const vyi_queue *q, const vyi_partition *part)
{
    for (uint32_t i = 0; i < VYI_SEATS; i++) {
        const vyi_seat *seat = &q->seats.all[i];
        if (!vyi_load_pointer(&q->seats.sitters[i]))
            continue;
        if (vyi_load_acquire(&seat->inside))
            return true;
        if (vyi_seat_left(seat) &&
            (!part || part == &q->slots.partitions[vyi_load_relaxed(&seat->part)]))
            return true;
    }
    return false;
}

static void vyi_seats_reopen(vyi_queue *q)
{
    vyi_store_release(&q->seats.recall, vyi_load_relaxed(&q->seats.recall) + 1);
}

/* Takes back what is reserved; nothing is until vyi_seats_reopen, nor soon after.
 * False: somebody else is at it.  If nobody is inside and nothing reserved, then
 * whoever comes sees `recall` before it takes a slot: its fence in
 * vyi_seat_refill and this one see to that.  Otherwise the fence is everybody's. */
static bool vyi_seats_recall(vyi_queue *q)
{
    const uint32_t before = vyi_load_relaxed(&q->seats.recall);
    if (vyi_recall_is_on(before) ||
        vyi_compare_exchange(&q->seats.recall, before, before + 1) != before)
        return false;
    vyi_fence_full();
    if (vyi_seats_have(q, NULL)) {
        const uint32_t quarter = q->slots.count / 4;
        vyi_fence_others();
        for (uint32_t i = 0; i < VYI_SEATS; i++) {
            while (vyi_load_acquire(&q->seats.all[i].inside))
                vyi_yield();
            vyi_seat_give_back(q, &q->seats.all[i]);
        }
        vyi_store_relaxed(&q->seats.rest, quarter > VYI_REST ? quarter : VYI_REST);
    }
    for (uint32_t i = 0; i < VYI_SEATS; i++)
        vyi_store_relaxed(&q->seats.all[i].holds, 0);
    vyi_store_relaxed(&q->seats.holders, 0);
    vyi_store_relaxed(&q->seats.refused, 0);
    return true;
}

/* --- taking a slot for a work --------------------------------------------- */

/* Whether a publisher that has found no slot should look again; `recall` is what it
 * was before.  False: none was held or reserved meanwhile, so all are in use. */
static bool vyi_claim_again(vyi_queue *q, const vyi_partition *part, uint32_t recall)
{
    if (vyi_recall_is_on(recall) || vyi_load_acquire(&q->slots.held)) {
        vyi_yield(); /* slots are held, for a moment, by the log or a recovery */
        return true;
    }
    if (!vyi_seats_have(q, part))
        return vyi_load_acquire(&q->seats.recall) != recall;
    if (vyi_seats_recall(q))
        vyi_seats_reopen(q);
    return true;
}

/* After a claim without a stash. */
static void vyi_rest_less(vyi_queue *q)
{
    const uint32_t rest = vyi_load_relaxed(&q->seats.rest);
    if (rest && rest != VYI_REST_FOREVER)
        vyi_store_relaxed(&q->seats.rest, rest - 1);
    if (vyi_load_relaxed(&q->seats.refused) > VYI_REFUSALS && vyi_seats_recall(q))
        vyi_seats_reopen(q);
}

/* A slot that is not from a stash. */
static uint32_t vyi_shared_claim(vyi_queue *q, bool wait, vyi_partition *part, uint32_t *slot)
{
    uint32_t recall, mark;
    do {
        recall = vyi_load_acquire(&q->seats.recall);
        mark = vyi_partition_claim(q, false, part, slot);
    } while (!mark && wait && vyi_claim_again(q, part, recall));
    if (mark) {
        vyi_era_pass(q, part, *slot - part->first);
        vyi_rest_less(q);
    }
    return mark;
}

VYI_API uint32_t vyi_work_claim(vyi_queue *q, vyi_way *way, bool wait, const vyre_work *work,
                                uint32_t *slot)
{
    vyi_partition *part = vyi_partition_of(q, work->priority);
    if (*way == VYI_WAY_ALONE)
        return vyi_partition_claim(q, true, part, slot);
    const uint32_t mark = vyi_seat_claim(q, part, slot);
    if (mark)
        return mark;
    *way = VYI_WAY_SHARED;
    return vyi_shared_claim(q, wait, part, slot);
}

/* --- holding all ---------------------------------------------------------- */

static inline bool vyi_slot_is_pending(const vyi_queue *q, uint32_t slot, uint32_t mark)
{
    return vyi_mark_phase(mark) == VYI_PHASE_FLIGHT && !vyi_slot_outcome(q, slot);
}

static bool vyi_slots_hold(vyi_queue *q, bool alone, bool force)
{
    vyi_store_release(&q->slots.held, 1);
    for (uint32_t slot = 0; slot < q->slots.count; slot++) {
        for (;;) {
            const uint32_t mark = vyi_load_acquire(&q->slots.marks[slot]);
            const bool busy = vyi_mark_phase(mark) == VYI_PHASE_BUSY;
            if ((busy || vyi_slot_is_pending(q, slot, mark)) && !force) {
                while (slot-- > 0)
                    vyi_store_release(&q->slots.marks[slot], q->slots.kept[slot]);
                vyi_store_release(&q->slots.held, 0);
                return false;
            }
            vyi_store_release(&q->slots.kept[slot], mark); /* before BUSY: for vyi_mark_unheld */
            if (!busy &&
                vyi_mark_move(q, alone, slot, mark, vyi_mark_with(mark, VYI_PHASE_BUSY)))
                break;
            vyi_yield();
        }
    }
    return true;
}

/* No work is in flight; what is BUSY may be reserved only. */
static bool vyi_slots_rest(const vyi_queue *q)
{
    for (uint32_t slot = 0; slot < q->slots.count; slot++) {
        if (vyi_slot_is_pending(q, slot, vyi_load_acquire(&q->slots.marks[slot])))
            return false;
    }
    return true;
}

/* Nothing is reserved from before the first slot is held until after the last
 * one is put back. */
VYI_API bool vyi_queue_hold(vyi_queue *q, bool force)
{
    if (!force && !vyi_slots_rest(q))
        return false;
    while (!vyi_seats_recall(q))
        vyi_yield();
    const bool alone = vyi_alone_enter(q);
    const bool held = vyi_slots_hold(q, alone, force);
    vyi_alone_leave(q, alone);
    if (!held)
        vyi_seats_reopen(q);
    return held;
}

VYI_API void vyi_queue_unhold(vyi_queue *q)
{
    for (uint32_t slot = 0; slot < q->slots.count; slot++)
        vyi_store_release(&q->slots.marks[slot], q->slots.kept[slot]);
    vyi_store_release(&q->slots.held, 0);
    vyi_seats_reopen(q);
}

VYI_API uint32_t vyi_queue_pending(const vyi_queue *q)
{
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < q->slots.count; slot++)
        count += vyi_slot_is_pending(q, slot, vyi_load_acquire(&q->slots.marks[slot]));
    return count;
}

VYI_API uint32_t vyi_queue_waiting(const vyi_queue *q)
{
    uint32_t which = 0;
    for (uint32_t slot = 0; slot < q->slots.count; slot++) {
        const uint32_t mark = vyi_load_acquire(&q->slots.marks[slot]);
        if (vyi_slot_is_pending(q, slot, mark))
            which = (which + slot + mark + 1) * 0x9e3779b1u | 1u;
    }
    return which;
}
/* ==========================================================================
 * engine: publishing
 *
 * The hot path takes no lock and never reads device memory.  A publisher takes
 * a slot (engine_slots.c), writes the work, and raises STATUS last.  Device
 * memory is write-combined, and there a fence waits until what this core has
 * written has arrived: 130 ns for a write of 6 ns.  So a slot is stored as one
 * line, where that is seen as a whole.
 * ======================================================================= */

/* --- what may be published ------------------------------------------------ */

VYI_API vyre_status vyi_engine_check(const vyre *v, const vyre_work *work, vyre_error *err)
{
    if (work->arg_count > VYRE_MAX_ARGS)
        return vyi_fail(err, VYRE_E_TOO_MANY_ARGS, work->arg_count,
                        "Pass at most 12 arguments; put more into a user buffer.",
                        "the work has %u arguments", work->arg_count);
    if (!vyre_opcode_publishable(work->opcode) &&
        !(v->desc.kernel.load_miss && work->opcode == VYRE_OP_LOAD_MISS))
        return vyi_fail(err, VYRE_E_OPCODE, work->opcode,
                        "Use a built-in opcode, or one for which vyre_opcode_is_user() is true.",
                        "opcode 0x%08x is reserved", work->opcode);
    if (work->tenant >= v->desc.tenants)
        return vyi_fail(err, VYRE_E_TENANT_RANGE, work->tenant,
                        "Set vyre_desc.tenants to one more than the largest tenant id.",
                        "tenant %u is not one of the handle's %u", work->tenant, v->desc.tenants);
    if ((uint32_t)work->priority >= VYRE_PRIORITY_LEVELS)
        return vyi_fail(err, VYRE_E_PRIORITY, (uint64_t)work->priority,
                        "Use one of the VYRE_PRIORITY_ levels.", "priority %d does not exist",
                        (int)work->priority);
    return VYRE_OK;
}

/* What vyi_engine_check finds nothing to say about, in one branch. */
static inline bool vyi_work_is_plain(const vyi_queue *q, const vyre_work *work)
{
    const uint32_t priority = (uint32_t)work->priority;
    return (work->arg_count <= VYRE_MAX_ARGS) & (work->opcode < VYRE_OP_LOAD_MISS - 0x100u) &
           (work->tenant < q->v->desc.tenants) & (priority < VYRE_PRIORITY_LEVELS);
}

VYI_STATIC_ASSERT(work_begins_with_four_words,
                  offsetof(vyre_work, opcode) == 0 && offsetof(vyre_work, tenant) == 4 &&
                      offsetof(vyre_work, priority) == 8 && offsetof(vyre_work, arg_count) == 12 &&
                      sizeof(vyre_priority) == 4 && VYRE_OP_LOAD_MISS < 0x80000000u);

/* The same of many, without a branch for each. */
static bool vyi_works_are_plain(const vyi_queue *q, const vyre_work *works, uint32_t count)
{
    const vyi_quad limits = vyi_quad_of(VYRE_OP_LOAD_MISS - 0x101u, q->v->desc.tenants - 1u,
                                        VYRE_PRIORITY_LEVELS - 1u, VYRE_MAX_ARGS);
    vyi_quad bad = vyi_quad_of(0, 0, 0, 0);
    for (uint32_t i = 0; i < count; i++)
        bad = vyi_quad_over(bad, &works[i].opcode, limits);
    return vyi_quad_signs(bad) == 0;
}

VYI_STATIC_ASSERT(slot_pairs, VYRE_SLOT_TENANT % 2 == 0 && VYRE_SLOT_ARGS % 2 == 0 &&
                                  VYRE_SLOT_PRIORITY == VYRE_SLOT_TENANT + 1);

VYI_API vyre_status vyi_queue_gone(const vyi_queue *q, const char *what, vyre_error *err)
{
    vyi_mutex *lock = &q->v->lock;
    vyi_fail(err, VYRE_E_DEVICE_LOST, 0, "Call vyre_recover().", "the device was lost; %s", what);
    if (!err || !vyi_mutex_try(lock))
        return VYRE_E_DEVICE_LOST;
    if (q->state == VYI_STATE_LOST) {
        err->native = q->loss.how.native;
        snprintf(err->text, sizeof err->text, "%s: %.120s", what, q->loss.how.text);
    }
    vyi_mutex_unlock(lock);
    return VYRE_E_DEVICE_LOST;
}

VYI_COLD
VYI_API vyre_status vyi_queue_refuses(const vyi_queue *q, uint32_t state, vyre_error *err)
{
    if (state == VYI_STATE_LOST)
        return vyi_queue_gone(q, "nothing can be published", err);
    return vyi_fail(err, VYRE_E_STOPPED, 0, "Call vyre_start() to go on.",
                    "opcode SHUTDOWN has stopped the kernel");
}

/* From the place 12 - n on: a head of four words and n arguments that are kept, and
 * zeros. */
static const uint32_t vyi_line_keep[VYRE_SLOT_ARGS + 2 * VYRE_MAX_ARGS] = {
    ~0u, ~0u, ~0u, ~0u,
    ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
};

/* Of the work's 16 words. */
static inline const uint32_t *vyi_work_keep(const vyre_work *work)
{
    return vyi_line_keep + VYRE_MAX_ARGS - work->arg_count;
}

/* Everything but STATUS.  The slot is the caller's. */
static inline void vyi_slot_fill(vyi_queue *q, const vyi_device *d, uint32_t slot,
                                 const vyre_work *work)
{
    uint32_t *at = vyi_device_words(d, VYI_ROLE_RING) + (size_t)slot * VYRE_SLOT_WORDS;
    const uint32_t *keep = vyi_work_keep(work) + VYRE_SLOT_ARGS;

    if (q->slots.record)
        q->slots.record[slot] = *work;
    vyi_store_release(vyi_device_words(d, q->slots.mirror) + slot, 0);
    vyi_store_relaxed(at + VYRE_SLOT_OPCODE, vyi_le32(work->opcode));
    vyi_store_pair(at + VYRE_SLOT_TENANT, work->tenant, vyi_priority_level(work->priority));
    at += VYRE_SLOT_ARGS;
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i += 2)
        vyi_copy_pair(at + i, work->args + i, keep + i);
}

/* Pairs with the kernel's claiming acquire. */
static inline void vyi_slot_raise(const vyi_device *d, uint32_t slot)
{
    vyi_store_release(vyi_device_words(d, VYI_ROLE_RING) + (size_t)slot * VYRE_SLOT_WORDS,
                      vyi_le32(VYRE_SLOT_PUBLISHED));
}

/* --- publishing: a slot as one line -------------------------------------- */

VYI_STATIC_ASSERT(slot_is_a_line, sizeof(vyi_line) == 4 * VYRE_SLOT_WORDS &&
                                      VYRE_SLOT_STATUS == 0 && VYRE_SLOT_OPCODE == 1 &&
                                      VYRE_SLOT_TENANT == 2 && VYRE_SLOT_PRIORITY == 3 &&
                                      VYRE_SLOT_ARGS == 4 && VYRE_MAX_ARGS == 12);

static inline vyi_quad vyi_line_head(const vyre_work *work)
{
    return vyi_quad_of(VYRE_SLOT_PUBLISHED, work->opcode, work->tenant,
                       vyi_priority_level(work->priority));
}

static inline void vyi_line_compose(vyi_line *line, const vyre_work *work)
{
    const uint32_t *keep = vyi_work_keep(work) + VYRE_SLOT_ARGS;
    line->quads[0] = vyi_line_head(work);
    line->quads[1] = vyi_quad_keep(work->args, keep);
    line->quads[2] = vyi_quad_keep(work->args + 4, keep + 4);
    line->quads[3] = vyi_quad_keep(work->args + 8, keep + 8);
}

/* Composed before the first of them is stored: a store of a line waits for its
 * words, and what is composed behind it would wait for the store. */
#define VYI_LINES_AT_ONCE 8u

/* Works into lines; line i goes to slots[i] of the ring, or without `slots` to the
 * i-th from its beginning. */
static inline void vyi_lines_store_narrow(uint32_t *ring, const uint32_t *slots,
                                          const vyre_work *works, uint32_t count)
{
    vyi_line lines[VYI_LINES_AT_ONCE];
    for (uint32_t from = 0; from < count; from += VYI_LINES_AT_ONCE) {
        const uint32_t rest = count - from;
        const uint32_t n = rest < VYI_LINES_AT_ONCE ? rest : VYI_LINES_AT_ONCE;
        for (uint32_t i = 0; i < n; i++)
            vyi_line_compose(&lines[i], &works[from + i]);
        for (uint32_t i = 0; i < n; i++)
            vyi_store_line(ring + (size_t)(slots ? slots[from + i] : from + i) * VYRE_SLOT_WORDS,
                           &lines[i]);
    }
}

#if VYI_WIDE
VYI_STATIC_ASSERT(work_is_a_line, offsetof(vyre_work, args) == 4 * VYRE_SLOT_ARGS &&
                                      sizeof(vyre_work) == sizeof(vyi_line));

VYI_WIDE_FN
static inline void vyi_line_compose_wide(vyi_line *line, const vyre_work *work)
{
    vyi_wide_compose(line, vyi_line_head(work), &work->opcode, vyi_work_keep(work));
}

VYI_WIDE_FN
static void vyi_lines_store_wide(uint32_t *ring, const uint32_t *slots, const vyre_work *works,
                                 uint32_t count)
{
    vyi_line line VYI_LINE_ALIGNED;
    for (uint32_t i = 0; i < count; i++) {
        vyi_line_compose_wide(&line, &works[i]);
        vyi_store_line(ring + (size_t)(slots ? slots[i] : i) * VYRE_SLOT_WORDS, &line);
    }
    vyi_wide_end();
}
#else
static void vyi_lines_store_wide(uint32_t *ring, const uint32_t *slots, const vyre_work *works,
                                 uint32_t count)
{
    vyi_lines_store_narrow(ring, slots, works, count);
}
#endif

static inline void vyi_lines_store(const vyi_queue *q, uint32_t *ring, const uint32_t *slots,
                                   const vyre_work *works, uint32_t count)
{
    if (q->wide)
        vyi_lines_store_wide(ring, slots, works, count);
    else
        vyi_lines_store_narrow(ring, slots, works, count);
}

/* Publishes into slots of the caller's.  What must come before their lines,
 * the cleared mirror words and the program's own data in its buffers, is behind
 * a fence.  A seat's words are behind one already.  A lone thread cleared them
 * when it saw the last end, and mostly a fence has been made since: where the
 * program has no buffers, that will do. */
static inline void vyi_slots_store_lines(vyi_queue *q, const vyi_device *d, vyi_way way,
                                         const uint32_t *slots, const vyre_work *works,
                                         uint32_t count)
{
    uint32_t *mirror = vyi_device_words(d, q->slots.mirror);
    bool fence = way == VYI_WAY_SHARED || q->v->buffers.user_count != 0;
    for (uint32_t i = 0; i < count && q->slots.record; i++)
        q->slots.record[slots[i]] = works[i];
    for (uint32_t i = 0; i < count && way == VYI_WAY_SHARED; i++)
        vyi_store_release(mirror + slots[i], 0);
    for (uint32_t i = 0; i < count && way == VYI_WAY_ALONE; i++)
        fence |= q->lone.cleared[slots[i]] == q->lone.fences;
    if (fence)
        vyi_fence_stores();
    if (fence && way == VYI_WAY_ALONE)
        q->lone.fences++;
    vyi_lines_store(q, vyi_device_words(d, VYI_ROLE_RING), slots, works, count);
}

/* --- publishing, one slot or many ---------------------------------------- */

VYI_API void vyi_slot_write(vyi_queue *q, vyi_device *d, uint32_t slot, const vyre_work *work)
{
    vyi_slot_fill(q, d, slot, work);
    if (d->write_combined)
        vyi_fence_stores();
    vyi_slot_raise(d, slot);
    if (d->write_combined)
        vyi_fence_stores();
}

static vyre_status vyi_queue_full(const vyi_queue *q, vyre_error *err)
{
    return vyi_fail(err, VYRE_FULL, q->slots.count,
                    "Poll or wait for a ticket and publish again, or use more slots.",
                    "none of the %u slots is free", q->slots.count);
}

/* A lone thread's: those of the next places that are FREE, as far as they follow
 * each other.  Their marks stay FREE until they are FLIGHT: whoever takes slots,
 * or asks for one, enters first, and so waits until the lone thread is outside;
 * and whoever only looks (vyi_queue_pending, a drain) passes over BUSY and FREE
 * alike. */
static inline uint32_t vyi_lone_claim(const vyi_queue *q, vyi_partition *part, uint32_t *slots,
                                      uint32_t *marks, uint32_t count)
{
    const uint32_t turn = vyi_load_relaxed(&part->cursor);
    uint32_t place, n = 0;
    const uint32_t most = vyi_partition_run(part, turn, count, &place);
    for (; n < most; n++) {
        const uint32_t slot = part->first + place + n;
        const uint32_t mark = vyi_load_relaxed(&q->slots.marks[slot]);
        if (vyi_mark_phase(mark) != VYI_PHASE_FREE)
            break;
        slots[n] = slot;
        marks[n] = vyi_mark_next(mark);
    }
    vyi_store_relaxed(&part->cursor, turn + n);
    return n;
}

/* Four marks at a time, of a lone thread's slots that follow each other. */
static inline bool vyi_marks_by_four(const uint32_t *marks, uint32_t count)
{
    return VYI_QUADS && count >= 4 && ((uintptr_t)marks & 15u) == 0;
}

#if VYI_QUADS
static inline vyi_quad vyi_quad_all(uint32_t word)
{
    return vyi_quad_of(word, word, word, word);
}

static inline bool vyi_marks_are_free(const uint32_t *marks)
{
    const vyi_quad phases = vyi_quad_load(marks) & vyi_quad_all(VYI_PHASE_MASK);
    return vyi_quad_signs((vyi_quad)(phases == vyi_quad_all(VYI_PHASE_FREE))) == 0xfu;
}

/* Whether one of four mirror words was cleared behind the last fence. */
static inline bool vyi_cleared_behind(const uint32_t *cleared, uint32_t fences)
{
    const vyi_quad since = *(const vyi_quad *)cleared;
    return vyi_quad_signs((vyi_quad)(since == vyi_quad_all(fences))) != 0;
}

/* FREE to FLIGHT, with the next generation; the last of the four. */
static inline uint32_t vyi_marks_fly(uint32_t *marks)
{
    const vyi_quad one = vyi_quad_all(1u << VYI_GENERATION_BIT);
    const vyi_quad generation = vyi_quad_all(VYI_GENERATION_MASK << VYI_GENERATION_BIT);
    vyi_quad next = vyi_quad_load(marks) + one;
    next += (vyi_quad)((next & generation) == vyi_quad_all(0)) & one; /* 0 is none */
    next = (next & vyi_quad_all(~VYI_PHASE_MASK)) | vyi_quad_all(VYI_PHASE_FLIGHT);
    vyi_quad_store(marks, next);
    return next[3];
}
#else
static inline bool vyi_marks_are_free(const uint32_t *marks)
{
    (void)marks;
    return false;
}

static inline bool vyi_cleared_behind(const uint32_t *cleared, uint32_t fences)
{
    (void)cleared, (void)fences;
    return true;
}

static inline uint32_t vyi_marks_fly(uint32_t *marks)
{
    return *marks;
}
#endif

/* How many of a lone thread's next slots are FREE, and whether a fence must stand
 * before their lines (vyi_slots_store_lines). */
VYI_INLINE
static inline uint32_t vyi_lone_free(const vyi_queue *q, uint32_t first, uint32_t count,
                                     bool *fence)
{
    const uint32_t *marks = q->slots.marks + first, *cleared = q->lone.cleared + first;
    const uint32_t fences = q->lone.fences;
    bool behind = false;
    uint32_t n = 0;
    while (n < count) {
        if (vyi_marks_by_four(marks + n, count - n) && vyi_marks_are_free(marks + n)) {
            behind |= vyi_cleared_behind(cleared + n, fences);
            n += 4;
            continue;
        }
        if (vyi_mark_phase(vyi_load_relaxed(&marks[n])) != VYI_PHASE_FREE)
            break;
        behind |= cleared[n++] == fences;
    }
    *fence = behind || q->v->buffers.user_count != 0;
    return n;
}

/* They are FLIGHT; the last one's mark. */
VYI_INLINE
static inline uint32_t vyi_lone_fly(vyi_queue *q, uint32_t first, uint32_t count)
{
    uint32_t *marks = q->slots.marks + first, mark = 0;
    for (uint32_t n = 0; n < count;) {
        if (vyi_marks_by_four(marks + n, count - n)) {
            mark = vyi_marks_fly(marks + n);
            n += 4;
            continue;
        }
        mark = vyi_mark_with(vyi_mark_next(vyi_load_relaxed(&marks[n])), VYI_PHASE_FLIGHT);
        vyi_store_release(&marks[n++], mark);
    }
    return mark;
}

/* A lone thread's lines, into the FREE slots that follow each other at the
 * partition's cursor, as vyi_lone_claim finds them; how many, the last one's
 * ticket. */
VYI_INLINE
static inline uint32_t vyi_lone_lines(vyi_queue *q, const vyi_device *d, vyi_partition *part,
                                      const vyre_work *works, uint32_t count, vyre_ticket *last)
{
    const uint32_t turn = vyi_load_relaxed(&part->cursor);
    uint32_t place;
    bool fence;
    const uint32_t most = vyi_partition_run(part, turn, count, &place);
    const uint32_t first = part->first + place, n = vyi_lone_free(q, first, most, &fence);
    if (n == 0)
        return 0;
    vyi_store_relaxed(&part->cursor, turn + n);
    if (q->slots.record)
        memcpy(q->slots.record + first, works, n * sizeof *works);
    if (fence) {
        vyi_fence_stores();
        q->lone.fences++;
    }
    vyi_lines_store(q, vyi_device_words(d, VYI_ROLE_RING) + (size_t)first * VYRE_SLOT_WORDS, NULL,
                    works, n);
    *last = vyi_ticket_of(first + n - 1, vyi_lone_fly(q, first, n));
    return n;
}

/* Into a slot that is taken for it, in whatever way; false: none is free. */
static bool vyi_work_publish(vyi_queue *q, bool alone, const vyre_work *work, vyre_ticket *ticket)
{
    uint32_t slot = 0, mark;
    vyi_way way = alone ? VYI_WAY_ALONE : VYI_WAY_SEAT;
    if (!alone || !vyi_lone_claim(q, vyi_partition_of(q, work->priority), &slot, &mark, 1))
        mark = vyi_work_claim(q, &way, true, work, &slot);
    vyi_device *d = vyi_queue_device(q); /* a recovery may have replaced it before the claim */
    if (!mark)
        return false;
    if (d->whole_lines)
        vyi_slots_store_lines(q, d, way, &slot, work, 1);
    else
        vyi_slot_write(q, d, slot, work);
    vyi_store_release(&q->slots.marks[slot], vyi_mark_with(mark, VYI_PHASE_FLIGHT));
    *ticket = vyi_ticket_of(slot, mark);
    return true;
}

static inline void vyi_queue_wake(vyi_queue *q)
{
    vyi_device *d = vyi_queue_device(q);
    if (d->backend->wake)
        d->backend->wake(d);
}

/* Whether the work in the slot before is under way. */
static inline bool vyi_slot_before_is_busy(const vyi_queue *q, uint32_t slot)
{
    const uint32_t before = (slot ? slot : q->slots.count) - 1;
    const uint32_t *mirror = vyi_device_words(vyi_queue_device(q), q->slots.mirror);
    return vyi_mark_phase(vyi_load_relaxed(&q->slots.marks[before])) == VYI_PHASE_FLIGHT &&
           vyi_load_relaxed(&mirror[before]) == 0;
}

/* A nudge asks for the time, which costs more than a publish.  So two make one: who
 * passes one slot in many; and, where a kernel lives, whoever comes behind a work
 * that has ended, for the leases may have run out since.  After a look they last
 * for longer than works stay close behind each other (vyi_chain_cadence). */
static inline void vyi_publish_nudge(vyi_queue *q, uint32_t first, uint32_t last, uint32_t count)
{
    if ((last & q->look_mask) < count || (!vyi_slot_before_is_busy(q, first) && q->lives))
        vyi_queue_nudge(q, VYI_EFFORT_LOOK, NULL);
}

VYRE_API vyre_status vyre_publish(vyre *v, const vyre_work *work, vyre_ticket *ticket,
                                  vyre_error *err)
{
    if (!v || !work)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle and a work.",
                        "%s is NULL", v ? "work" : "the handle");
    vyi_queue *q = &v->queue;
    vyre_status status = VYRE_OK;
    if (!vyi_work_is_plain(q, work))
        status = vyi_engine_check(v, work, err);
    if (status == VYRE_OK)
        status = vyi_queue_takes_work(q, err);
    if (status != VYRE_OK)
        return status;

    vyre_ticket unasked, *t = ticket ? ticket : &unasked;
    const bool alone = vyi_alone_enter(q);
    const vyi_device *d = vyi_queue_device(q);
    const bool published =
        (alone && d->whole_lines &&
         vyi_lone_lines(q, d, vyi_partition_of(q, work->priority), work, 1, t)) ||
        vyi_work_publish(q, alone, work, t);
    vyi_alone_leave(q, alone);
    if (!published) {
        vyi_queue_nudge(q, VYI_EFFORT_LOOK, NULL);
        return vyi_queue_full(q, err);
    }
    vyi_queue_wake(q);
    vyi_publish_nudge(q, t->slot, t->slot, 1);
    return VYRE_OK;
}

/* Slots for the first of `count` works (VYI_BATCH at most), as many as there are,
 * at least one unless the ring is full. */
static void vyi_batch_claim(vyi_queue *q, vyi_way *way, vyi_batch *b, const vyre_work *works,
                            uint32_t count)
{
    const bool alone = *way == VYI_WAY_ALONE;
    b->count = 0;
    if (q->slots.partition_count == 1 && alone)
        b->count = vyi_lone_claim(q, &q->slots.partitions[0], b->slots, b->marks, count);
    if (b->count)
        return;
    if (q->slots.partition_count == 1 && count > 1) {
        if (!alone)
            vyi_seat_empty(q, b, count);
        if (b->count < count && !alone)
            *way = VYI_WAY_SHARED;
        if (b->count < count)
            vyi_batch_claim_run(q, alone, &q->slots.partitions[0], b, count - b->count);
    }
    while (b->count < count && (b->count == 0 || q->slots.partition_count > 1)) {
        uint32_t slot = 0;
        const uint32_t mark = vyi_work_claim(q, way, b->count == 0, &works[b->count], &slot);
        if (!mark)
            break;
        vyi_batch_add(b, slot, mark);
    }
}

/* One fence for all: a fence waits for the bus. */
static void vyi_batch_raise(const vyi_device *d, const vyi_batch *b)
{
    vyi_fence_stores();
    for (uint32_t i = 0; i < b->count; i++)
        vyi_slot_raise(d, b->slots[i]);
    vyi_fence_stores();
}

static void vyi_batch_write(vyi_queue *q, vyi_device *d, const vyi_batch *b, const vyre_work *works)
{
    for (uint32_t i = 0; i < b->count; i++) {
        vyi_slot_fill(q, d, b->slots[i], &works[i]);
        if (!d->write_combined)
            vyi_slot_raise(d, b->slots[i]);
    }
    if (d->write_combined)
        vyi_batch_raise(d, b);
}

/* Into whatever slots there are; how many, the first one, the last one's ticket. */
static uint32_t vyi_batch_publish(vyi_queue *q, bool alone, const vyre_work *works, uint32_t count,
                                  uint32_t *first, vyre_ticket *last)
{
    vyi_batch b;
    vyi_way way = alone ? VYI_WAY_ALONE : VYI_WAY_SEAT;
    vyi_batch_claim(q, &way, &b, works, count);
    const uint32_t n = b.count;
    vyi_device *d = vyi_queue_device(q);
    if (n == 0)
        return 0;
    if (d->whole_lines)
        vyi_slots_store_lines(q, d, way, b.slots, works, n);
    else
        vyi_batch_write(q, d, &b, works);
    for (uint32_t i = 0; i < n; i++)
        vyi_store_release(&q->slots.marks[b.slots[i]], vyi_mark_with(b.marks[i], VYI_PHASE_FLIGHT));
    *first = b.slots[0];
    *last = vyi_ticket_of(b.slots[n - 1], b.marks[n - 1]);
    return n;
}

/* Publishes the first works of `count`, at most VYI_BATCH; how many it were, the
 * first one's slot and the last one's ticket. */
static uint32_t vyi_publish_batch(vyi_queue *q, const vyre_work *works, uint32_t count,
                                  uint32_t *first, vyre_ticket *last)
{
    const bool alone = vyi_alone_enter(q);
    const vyi_device *d = vyi_queue_device(q);
    const uint32_t most = count < VYI_BATCH ? count : VYI_BATCH;
    uint32_t n = 0;
    if (alone && d->whole_lines && q->slots.partition_count == 1)
        n = vyi_lone_lines(q, d, &q->slots.partitions[0], works, most, last);
    if (n)
        *first = last->slot + 1 - n;
    else
        n = vyi_batch_publish(q, alone, works, most, first, last);
    vyi_alone_leave(q, alone);
    if (n)
        vyi_queue_wake(q);
    return n;
}

VYRE_API vyre_status vyre_publish_many(vyre *v, const vyre_work *works, uint32_t count,
                                       uint32_t *published, vyre_ticket *last, vyre_error *err)
{
    if (!v || (!works && count))
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle and an array of works.",
                        "%s is NULL", v ? "works" : "the handle");
    vyi_queue *q = &v->queue;
    vyre_status status = vyi_queue_takes_work(q, err);
    const bool plain = vyi_works_are_plain(q, works, count);
    for (uint32_t i = 0; i < count && status == VYRE_OK && !plain; i++)
        status = vyi_engine_check(v, &works[i], err);
    if (status != VYRE_OK)
        return status;

    uint32_t done = 0, first = 0;
    vyre_ticket unasked, *t = last ? last : &unasked;
    while (done < count) {
        uint32_t from = 0;
        const uint32_t n = vyi_publish_batch(q, works + done, count - done, &from, t);
        if (n == 0)
            break;
        first = done ? first : from;
        done += n;
    }
    /* A batch is worth a pass of a kernel that does not stay. */
    if (done < count || !q->lives)
        vyi_queue_nudge(q, VYI_EFFORT_LOOK, NULL);
    else if (count)
        vyi_publish_nudge(q, first, t->slot, count);
    if (published)
        *published = done;
    return done == count ? VYRE_OK : vyi_queue_full(q, err);
}
/* ==========================================================================
 * engine: waiting for what was published
 *
 * The kernel ends a slot by writing its mirror word; that word, in cached memory
 * of the host, is all that is polled here.
 * ======================================================================= */

/* --- outcomes ------------------------------------------------------------ */

VYI_API vyre_status vyi_ticket_history(vyi_queue *q, vyre_ticket t, uint32_t *code)
{
    vyi_trouble *trouble = &q->slots.trouble[t.slot];
    const uint32_t generation = vyi_load_acquire(&trouble->generation);
    const uint32_t found = vyi_load_acquire(&trouble->code);
    const bool stable = vyi_load_acquire(&trouble->generation) == generation;

    if (generation == t.generation && stable) {
        (void)vyi_compare_exchange(&trouble->untold, generation, 0);
        if (found == VYI_TROUBLE_LOST)
            return VYRE_E_LOST;
        *code = found;
        return VYRE_E_FAULT;
    }
    if (generation && ((generation - t.generation) & VYI_GENERATION_MASK) < VYI_GENERATION_HALF)
        return VYRE_E_STALE;
    return VYRE_OK;
}

/* Records an end that was seen, so that a recovery knows of it. `told`: so does
 * the program.  False when the mark has changed meanwhile: then what was seen may
 * be the end of something else. */
static bool vyi_ticket_seen(vyi_queue *q, bool alone, vyre_ticket t, uint32_t mark,
                            uint32_t outcome, bool told)
{
    vyi_slot_clear(q, alone, t.slot);
    if (VYI_MIRROR_STATUS(outcome) == VYRE_SLOT_DONE)
        return vyi_mark_move(q, alone, t.slot, mark, vyi_mark_with(mark, VYI_PHASE_FREE));
    if (!vyi_mark_move(q, alone, t.slot, mark, vyi_mark_with(mark, VYI_PHASE_BUSY)))
        return false;
    vyi_slot_trouble(q, t.slot, t.generation, VYI_MIRROR_FAULT(outcome), told);
    vyi_store_release(&q->slots.marks[t.slot], vyi_mark_with(mark, VYI_PHASE_FREE));
    return true;
}

/* The slot's mark; while all are held, what it was before if its end had been
 * seen by then.  A recovery may have counted its generation on. */
static uint32_t vyi_mark_unheld(const vyi_queue *q, uint32_t slot)
{
    const uint32_t mark = vyi_load_acquire(&q->slots.marks[slot]);
    if (vyi_mark_phase(mark) != VYI_PHASE_BUSY || !vyi_load_acquire(&q->slots.held))
        return mark;
    const uint32_t kept = vyi_load_acquire(&q->slots.kept[slot]);
    const uint32_t age =
        (vyi_mark_generation(kept) - vyi_mark_generation(mark)) & VYI_GENERATION_MASK;
    return vyi_mark_phase(kept) == VYI_PHASE_FREE && age <= 1 ? kept : mark;
}

static vyre_status vyi_slot_look(vyi_queue *q, bool alone, vyre_ticket t, uint32_t *code)
{
    if (t.slot >= q->slots.count || t.generation == 0 || t.generation > VYI_GENERATION_MASK)
        return VYRE_E_TICKET;
    for (;;) {
        const uint32_t mark = vyi_mark_unheld(q, t.slot);
        const uint32_t age =
            (vyi_mark_generation(mark) - t.generation) & VYI_GENERATION_MASK;
        if (age >= VYI_GENERATION_HALF)
            return VYRE_E_TICKET;
        if (age != 0 || vyi_mark_phase(mark) == VYI_PHASE_FREE)
            return vyi_ticket_history(q, t, code);
        if (vyi_mark_phase(mark) == VYI_PHASE_BUSY)
            return VYRE_PENDING; /* nobody has been told of an end; a recovery may run it again */

        const uint32_t outcome = vyi_slot_outcome(q, t.slot);
        if (outcome == 0 && vyi_load_acquire(&q->slots.marks[t.slot]) == mark)
            return VYRE_PENDING;
        if (outcome == 0 || !vyi_ticket_seen(q, alone, t, mark, outcome, true))
            continue; /* the outcome may be another generation's, or another device's */
        if (VYI_MIRROR_STATUS(outcome) == VYRE_SLOT_DONE)
            return VYRE_OK;
        *code = VYI_MIRROR_FAULT(outcome);
        return VYRE_E_FAULT;
    }
}

VYI_API vyre_status vyi_ticket_look(vyi_queue *q, vyre_ticket t, uint32_t *code)
{
    const bool alone = vyi_alone_enter(q);
    const vyre_status status = vyi_slot_look(q, alone, t, code);
    vyi_alone_leave(q, alone);
    return status;
}

static vyre_status vyi_ticket_explain(vyre_error *err, vyre_status status, vyre_ticket t,
                                      uint32_t code)
{
    switch (status) {
    case VYRE_E_FAULT:
        vyi_fail(err, status, t.slot, "Correct the work's opcode or arguments: see vyre_fault.",
                 "slot %u ended FAULT %u: %s", t.slot, code, vyre_fault_text(code));
        if (err)
            err->native = (int32_t)code;
        return status;
    case VYRE_E_LOST:
        return vyi_fail(err, status, t.slot, "Publish it again, or set lost_work to RERUN.",
                        "the work in slot %u was in flight when the device was lost", t.slot);
    case VYRE_E_STALE:
        return vyi_fail(err, status, t.slot, "Ask sooner after the work has ended.",
                        "slot %u has been used again after generation %u", t.slot, t.generation);
    case VYRE_PENDING:
        return vyi_fail(err, status, t.slot, "Call vyre_wait() first.",
                        "the work in slot %u has not ended", t.slot);
    case VYRE_TIMEOUT:
        return vyi_fail(err, status, t.slot, "Wait again, or longer; vyre_query tells what runs.",
                        "the work in slot %u has not ended in time", t.slot);
    case VYRE_E_TICKET:
        return vyi_fail(err, status, t.slot, "Pass a ticket that this handle's publish gave.",
                        "no work has ticket %u.%u", t.slot, t.generation);
    default:
        return status;
    }
}

VYRE_API vyre_status vyre_poll(vyre *v, vyre_ticket t)
{
    uint32_t code = 0;
    if (!v)
        return VYRE_E_ARGUMENT;
    vyi_queue *q = &v->queue;
    vyre_status status = vyi_ticket_look(q, t, &code);
    if (status != VYRE_PENDING)
        return status;
    vyi_queue_nudge(q, VYI_EFFORT_LOOK, NULL);
    return vyi_ticket_look(q, t, &code);
}

/* --- waiting ------------------------------------------------------------- */

#define VYI_PACE_SPINS    32u
#define VYI_PACE_YIELD_NS 20000u
#define VYI_PACE_SLEEP_NS 2000000u

VYI_API vyi_pace vyi_pace_begin(uint64_t timeout_ns)
{
    vyi_pace pace;
    pace.begin = vyi_now();
    pace.deadline = timeout_ns > UINT64_MAX - pace.begin ? UINT64_MAX : pace.begin + timeout_ns;
    pace.turn = 0;
    return pace;
}

VYI_API vyre_status vyi_pace_turn(vyi_queue *q, vyi_pace *pace, vyre_error *err)
{
    if (pace->turn++ % VYI_PACE_SPINS != 0) {
        vyi_pause();
        return VYRE_OK;
    }
    vyre_status status = vyi_queue_nudge(q, VYI_EFFORT_WORK, err);
    if (status == VYRE_OK)
        status = vyi_queue_takes_work(q, err);
    if (status < 0)
        return status;
    const uint64_t now = vyi_now();
    if (now >= pace->deadline)
        return VYRE_TIMEOUT;
    if (now - pace->begin > VYI_PACE_SLEEP_NS && !vyi_queue_device(q)->pumped)
        vyi_sleep(50000);
    else if (now - pace->begin > VYI_PACE_YIELD_NS)
        vyi_yield();
    return VYRE_OK;
}

static vyre_status vyi_ticket_wait(vyi_queue *q, vyre_ticket t, vyi_pace *pace, uint32_t *code,
                                   vyre_error *err)
{
    vyre_status status;
    while ((status = vyi_ticket_look(q, t, code)) == VYRE_PENDING) {
        const vyre_status turn = vyi_pace_turn(q, pace, err);
        if (turn == VYRE_OK)
            continue;
        status = vyi_ticket_look(q, t, code);
        return status == VYRE_PENDING ? turn : status;
    }
    return status;
}

VYRE_API vyre_status vyre_wait(vyre *v, vyre_ticket t, uint64_t timeout_ns, vyre_error *err)
{
    if (!v)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle.", "the handle is NULL");
    uint32_t code = 0;
    vyre_status status = vyi_ticket_look(&v->queue, t, &code);
    if (status == VYRE_PENDING) {
        vyi_pace pace = vyi_pace_begin(timeout_ns);
        status = vyi_ticket_wait(&v->queue, t, &pace, &code, err);
    }
    return vyi_ticket_explain(err, status, t, code);
}

/* The slot's mark, once no recovery holds it: its work may go on afterwards.
 * Marks are put back before `held` is cleared, and are looked at again after it
 * was seen clear: what still is BUSY then is a publisher's. */
static uint32_t vyi_slot_mark(const vyi_queue *q, uint32_t slot)
{
    for (;;) {
        const uint32_t mark = vyi_load_acquire(&q->slots.marks[slot]);
        if (vyi_mark_phase(mark) != VYI_PHASE_BUSY)
            return mark;
        if (!vyi_load_acquire(&q->slots.held) && vyi_load_acquire(&q->slots.marks[slot]) == mark)
            return mark;
        vyi_yield();
    }
}

/* Waits until the slot's work of this generation has ended, and tells nobody
 * how. */
static vyre_status vyi_slot_drain(vyi_queue *q, uint32_t slot, uint32_t generation, vyi_pace *pace,
                                  vyre_error *err)
{
    for (;;) {
        const uint32_t mark = vyi_load_acquire(&q->slots.marks[slot]);
        if (vyi_mark_generation(mark) != generation || vyi_mark_phase(mark) == VYI_PHASE_FREE)
            return VYRE_OK;
        const uint32_t outcome = vyi_slot_outcome(q, slot);
        if (outcome && vyi_mark_phase(mark) == VYI_PHASE_FLIGHT) {
            const bool alone = vyi_alone_enter(q);
            (void)vyi_ticket_seen(q, alone, vyi_ticket_of(slot, mark), mark, outcome, false);
            vyi_alone_leave(q, alone);
            continue;
        }
        const vyre_status status = vyi_pace_turn(q, pace, err);
        if (status != VYRE_OK && !vyi_slot_outcome(q, slot))
            return status;
    }
}

/* What the program has not been told yet of works that did not end well. */
static vyre_status vyi_drain_explain(vyi_queue *q, vyre_error *err)
{
    uint32_t faults = 0, lost = 0, first = 0, first_code = 0;
    for (uint32_t slot = 0; slot < q->slots.count; slot++) {
        vyi_trouble *trouble = &q->slots.trouble[slot];
        const uint32_t untold = vyi_load_acquire(&trouble->untold);
        const uint32_t code = vyi_load_acquire(&trouble->code);
        if (!untold || vyi_compare_exchange(&trouble->untold, untold, 0) != untold)
            continue;
        if (faults + lost == 0) {
            first = slot;
            first_code = code;
        }
        faults += code != VYI_TROUBLE_LOST;
        lost += code == VYI_TROUBLE_LOST;
    }
    uint32_t more = vyi_load_acquire(&q->slots.untold);
    if (vyi_compare_exchange(&q->slots.untold, more, 0) != more)
        more = 0; /* of another drain; or one more by now, for the next drain */
    if (faults + lost == 0 && more == 0)
        return VYRE_OK;
    const bool known = first_code != VYI_TROUBLE_LOST;
    vyi_fail(err, lost && !faults && !more ? VYRE_E_LOST : VYRE_E_FAULT, first,
             "Ask for the tickets: vyre_poll() tells how each work ended.",
             "%u works ended FAULT and %u were lost that nobody had asked for; one in slot %u "
             "(%s)", faults + more, lost, first,
             known ? vyre_fault_text(first_code) : "lost with its device");
    if (err)
        err->native = known ? (int32_t)first_code : 0;
    return lost && !faults && !more ? VYRE_E_LOST : VYRE_E_FAULT;
}

VYRE_API vyre_status vyre_drain(vyre *v, uint64_t timeout_ns, vyre_error *err)
{
    if (!v)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle.", "the handle is NULL");
    vyi_queue *q = &v->queue;
    vyi_pace pace = vyi_pace_begin(timeout_ns);
    for (uint32_t slot = 0; slot < q->slots.count; slot++) {
        const uint32_t mark = vyi_slot_mark(q, slot);
        if (vyi_mark_phase(mark) != VYI_PHASE_FLIGHT)
            continue;
        const vyre_status status = vyi_slot_drain(q, slot, vyi_mark_generation(mark), &pace, err);
        if (status == VYRE_TIMEOUT)
            return vyi_fail(err, status, vyi_queue_pending(q),
                            "Drain again, or longer; vyre_query tells what runs.",
                            "%u works have not ended in time", vyi_queue_pending(q));
        if (status != VYRE_OK)
            return status;
    }
    vyi_mutex_lock(&v->lock);
    vyi_queue_deliver_log(q);
    vyi_mutex_unlock(&v->lock);
    return vyi_drain_explain(q, err);
}

VYRE_API vyre_status vyre_result(vyre *v, vyre_ticket t, uint32_t args[12], vyre_error *err)
{
    if (!v || !args)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle and room for 12 words.",
                        "%s is NULL", v ? "args" : "the handle");
    vyi_queue *q = &v->queue;
    uint32_t code = 0, words[VYRE_MAX_ARGS];
    const vyre_status status = vyi_ticket_look(q, t, &code);
    if (status != VYRE_OK)
        return vyi_ticket_explain(err, status, t, code);

    const vyi_device *d = vyi_queue_device(q);
    const uint32_t *at = vyi_device_words(d, VYI_ROLE_RING) +
                         (size_t)t.slot * VYRE_SLOT_WORDS + VYRE_SLOT_ARGS;
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
        words[i] = vyi_le32(vyi_load_acquire(at + i));
    /* In this order: a recovery counts generations on before it ends the state. */
    if (vyi_load_acquire(&q->state) == VYI_STATE_LOST)
        return vyi_queue_gone(q, "no result can be read", err);
    if (vyi_mark_generation(vyi_load_acquire(&q->slots.marks[t.slot])) != t.generation)
        return vyi_ticket_explain(err, VYRE_E_STALE, t, 0);
    memcpy(args, words, sizeof words);
    return VYRE_OK;
}
/* ==========================================================================
 * engine: keeping a kernel running
 *
 * A started kernel is a chain of leases: dispatches that return after a budget
 * of rounds, with the next one queued already.  Whoever polls, waits or
 * publishes looks after the chain now and then; all state lives in the
 * buffers, so any lease may be the last.  Where live visibility is not proved,
 * and before vyre_start, work is served by passes: one-pass launches, made
 * while there is work that has not ended.
 * ======================================================================= */


#define VYI_LEASE_ROUNDS_MAX (1u << 30)
#define VYI_CADENCE_MAX      1000u /* microseconds */
#define VYI_CADENCE_MIN      20u   /* with leases shorter than four of these every look is due */
#define VYI_NUDGE_TRIES      64u   /* for the lock: a few microseconds */
#define VYI_PASS_WAIT_NS     200000u
#define VYI_PASS_RETRY_NS    1000000u

/* --- launches ------------------------------------------------------------ */

/* Nothing more can be done with the device. */
VYI_COLD
VYI_API vyre_status vyi_queue_lost(vyi_queue *q, const vyre_error *how, vyre_error *err)
{
    if (q->state != VYI_STATE_LOST) {
        q->loss.was_running = q->state == VYI_STATE_RUNNING;
        q->loss.how = *how;
        vyi_store_release(&q->state, VYI_STATE_LOST);
        vyi_message(&q->v->desc.messages, VYRE_SEVERITY_ERROR, "%s", how->text);
    }
    if (err)
        *err = q->loss.how;
    return q->loss.how.status;
}

static bool vyi_status_is_loss(vyre_status status)
{
    return status == VYRE_E_DEVICE_LOST || status == VYRE_E_LEASE;
}

VYI_COLD
VYI_API vyre_status vyi_queue_failed(vyi_queue *q, vyre_status status, vyre_error *how,
                                      vyre_error *err)
{
    how->status = status; /* a backend may leave the text to us */
    if (vyi_status_is_loss(how->status))
        return vyi_queue_lost(q, how, err);
    if (err)
        *err = *how;
    return how->status;
}

VYI_API vyre_status vyi_queue_launch(vyi_queue *q, vyi_launch what, uint32_t rounds,
                                     vyre_error *err)
{
    vyi_device *d = vyi_queue_device(q);
    vyre_error how;
    memset(&how, 0, sizeof how);

    const vyre_status status = d->backend->launch(d, what, rounds, &how);
    if (status < 0)
        return vyi_queue_failed(q, status, &how, err);
    if (vyi_queue_in_flight(q) == 0)
        q->chain.since = vyi_now();
    q->chain.launched++;
    if (what == VYI_LAUNCH_LOOP)
        q->chain.leases++;
    else
        q->chain.passes++;
    return VYRE_OK;
}

/* Learns from `ended` leases that took until now. */
static void vyi_chain_measure(vyi_queue *q, uint64_t ended)
{
    vyi_chain *c = &q->chain;
    const uint64_t now = vyi_now();
    const uint64_t each = (now - c->since) / ended;
    const bool dry = vyi_queue_in_flight(q) == 0; /* then `each` is only a bound */
    const uint64_t aim = q->v->desc.lease.time_ns;
    const vyi_device *d = vyi_queue_device(q);
    const uint32_t most = d->max_rounds ? d->max_rounds : VYI_LEASE_ROUNDS_MAX;

    c->since = now;
    if (q->state != VYI_STATE_RUNNING || q->mode != VYRE_MODE_PERSISTENT)
        return;
    c->lease_ns = each;
    if (!dry || each < c->least_ns)
        c->least_ns = each;
    if (c->rounds == 0 || q->v->desc.lease.rounds)
        return;
    if (each < aim / 2)
        c->rounds = c->rounds < most / 2 ? c->rounds * 2 : most;
    else if (!dry && each > aim * 2 && c->rounds > 1) {
        c->rounds /= 2;
        c->least_ns /= 2;
    }
}

VYI_API vyre_status vyi_queue_reap(vyi_queue *q, uint64_t timeout_ns, vyre_error *err)
{
    vyi_chain *c = &q->chain;
    vyi_device *d = vyi_queue_device(q);
    uint64_t completed = c->completed;
    vyre_error how;
    memset(&how, 0, sizeof how);

    const vyre_status status = d->backend->reap(d, c->completed, timeout_ns, &completed, &how);
    if (status < 0)
        return vyi_queue_failed(q, status, &how, err);
    if (completed > c->completed) {
        const uint64_t ended = completed - c->completed;
        c->completed = completed;
        vyi_chain_measure(q, ended);
        return VYRE_OK;
    }
    const bool bounded = c->rounds != 0 || q->mode != VYRE_MODE_PERSISTENT ||
                         q->state == VYI_STATE_IDLE;
    if (bounded && vyi_queue_in_flight(q) && vyi_now() - c->since > q->v->desc.lease.timeout_ns) {
        vyi_fail(&how, VYRE_E_LEASE, vyi_queue_in_flight(q),
                 "Bound the handlers' loops, or raise lease.timeout_ns; then vyre_recover().",
                 "a launch has not ended for %llu ms",
                 (unsigned long long)(q->v->desc.lease.timeout_ns / 1000000u));
        return vyi_queue_lost(q, &how, err);
    }
    return VYRE_OK;
}

VYI_API vyre_status vyi_queue_settle(vyi_queue *q, uint64_t deadline, vyre_error *err)
{
    while (vyi_queue_in_flight(q)) {
        const uint64_t now = vyi_now();
        const uint64_t rest = now < deadline ? deadline - now : 0;
        const vyre_status status = vyi_queue_reap(q, rest < 10000000u ? rest : 10000000u, err);
        if (status != VYRE_OK)
            return status;
        if (rest == 0 && vyi_queue_in_flight(q))
            return VYRE_TIMEOUT;
    }
    return VYRE_OK;
}

VYI_API void vyi_queue_set_shutdown(vyi_queue *q, uint32_t value)
{
    vyi_device *d = vyi_queue_device(q);
    vyi_store_release(vyi_device_words(d, VYI_ROLE_CONTROL) + VYRE_CONTROL_SHUTDOWN,
                      vyi_le32(value));
    if (d->write_combined)
        vyi_fence_stores();
    if (value && d->backend->wake)
        d->backend->wake(d);
}

VYI_COLD
VYI_API void vyi_queue_bury(vyi_queue *q)
{
    vyi_device *d = vyi_queue_device(q);
    uint32_t *ring = vyi_device_words(d, VYI_ROLE_RING);
    uint32_t *control = vyi_device_words(d, VYI_ROLE_CONTROL);

    if (!vyi_load_acquire(&q->aborted))
        return;
    vyi_store_release(&q->aborted, 0);
    for (uint32_t slot = 0; slot < q->slots.count; slot++) {
        uint32_t *at = ring + (size_t)slot * VYRE_SLOT_WORDS;
        if (vyi_load_acquire(at) != vyi_le32(VYRE_SLOT_CLAIMED))
            continue;
        vyi_store_relaxed(at + VYRE_SLOT_FAULT, vyi_le32(VYRE_FAULT_LOOP_LIMIT));
        vyi_store_release(at, vyi_le32(VYRE_SLOT_FAULTED));
        vyi_store_release(vyi_device_words(d, q->slots.mirror) + slot,
                          vyi_le32(VYRE_SLOT_FAULTED | VYRE_FAULT_LOOP_LIMIT << 8));
        vyi_store_release(control + VYRE_CONTROL_FAULT_COUNT,
                          vyi_le32(vyi_control_load(d, VYRE_CONTROL_FAULT_COUNT) + 1));
    }
}

/* --- the chain ----------------------------------------------------------- */

/* Leases that should be queued. */
static uint32_t vyi_chain_target(const vyi_queue *q)
{
    const vyi_device *d = vyi_queue_device(q);
    const uint32_t wanted = q->chain.rounds == 0 ? 1 : q->v->desc.lease.in_flight;
    return wanted < d->in_flight ? wanted : d->in_flight;
}

/* Opcode SHUTDOWN has been executed, not the host's own stop. */
static bool vyi_chain_shut(vyi_queue *q)
{
    return vyi_control_load(vyi_queue_device(q), VYRE_CONTROL_SHUTDOWN) != 0;
}

static vyre_status vyi_chain_extend(vyi_queue *q, vyre_error *err)
{
    const uint32_t target = vyi_chain_target(q);
    const vyre_status reaped = vyi_queue_in_flight(q) ? vyi_queue_reap(q, 0, err) : VYRE_OK;
    if (reaped != VYRE_OK || vyi_queue_in_flight(q) >= target)
        return reaped;
    if (vyi_chain_shut(q)) {
        if (vyi_queue_in_flight(q) == 0)
            vyi_store_release(&q->state, VYI_STATE_SHUT);
        return VYRE_OK;
    }
    while (vyi_queue_in_flight(q) < target) {
        const vyre_status status = vyi_queue_launch(q, VYI_LAUNCH_LOOP, q->chain.rounds, err);
        if (status != VYRE_OK)
            return status;
    }
    return VYRE_OK;
}

/* A pass for work that is pending, unless the last one has changed nothing and
 * nothing is new. */
static vyre_status vyi_chain_pass(vyi_queue *q, vyi_effort effort, vyre_error *err)
{
    vyi_chain *c = &q->chain;
    if (vyi_queue_in_flight(q)) {
        const vyre_status status =
            vyi_queue_reap(q, effort == VYI_EFFORT_WORK ? VYI_PASS_WAIT_NS : 0, err);
        if (status != VYRE_OK || vyi_queue_in_flight(q))
            return status;
    }
    if (c->before) { /* a pass has ended */
        vyi_queue_bury(q);
        c->after = vyi_queue_waiting(q);
        c->retry_at = c->after != c->before ? 0 : vyi_now() + VYI_PASS_RETRY_NS;
        c->before = 0;
    }
    if (q->state == VYI_STATE_RUNNING && vyi_chain_shut(q)) {
        vyi_store_release(&q->state, VYI_STATE_SHUT);
        return VYRE_OK;
    }
    const uint32_t waiting = vyi_queue_waiting(q);
    if (waiting == 0 || (waiting == c->after && vyi_now() < c->retry_at))
        return VYRE_OK;
    if (q->state == VYI_STATE_IDLE)
        vyi_queue_set_shutdown(q, 0);
    c->before = waiting;
    const vyre_status status = vyi_queue_launch(q, VYI_LAUNCH_ONCE, 0, err);
    if (status != VYRE_OK)
        c->before = 0;
    return status;
}

/* Microseconds until the next look, in which the leases cannot run out: behind the
 * one that runs there is another, and this is a quarter of it.  0: every look is
 * due, for that is not so or not known. */
static uint32_t vyi_chain_cadence(const vyi_queue *q)
{
    if (!q->lives || q->state != VYI_STATE_RUNNING)
        return 0;
    if (q->chain.rounds == 0)
        return VYI_CADENCE_MAX;
    const uint64_t us = q->chain.least_ns / 4000u;
    if (us < VYI_CADENCE_MIN || vyi_chain_target(q) < 2)
        return 0;
    return us < VYI_CADENCE_MAX ? (uint32_t)us : VYI_CADENCE_MAX;
}

static vyre_status vyi_queue_mend(vyi_queue *q, vyre_error *err)
{
    if (q->v->desc.auto_recover && !q->loss.mended) {
        q->loss.mended = true;
        return vyi_queue_recover(q, err);
    }
    return vyi_queue_lost(q, &q->loss.how, err);
}

VYI_API vyre_status vyi_queue_drive(vyi_queue *q, vyi_effort effort, vyre_error *err)
{
    vyre_status status = VYRE_OK;
    const bool persistent = q->state == VYI_STATE_RUNNING && q->mode == VYRE_MODE_PERSISTENT;

    if (q->state == VYI_STATE_LOST)
        return vyi_queue_mend(q, err);
    if (persistent)
        status = vyi_chain_extend(q, err);
    else if (q->state == VYI_STATE_RUNNING ||
             (q->state == VYI_STATE_IDLE && (effort == VYI_EFFORT_WORK || q->chain.before)))
        status = vyi_chain_pass(q, effort, err);
    if (vyi_status_is_loss(status))
        return vyi_queue_mend(q, err);
    vyi_queue_deliver_log(q);
    vyi_store_relaxed(&q->drive_at, (uint32_t)(vyi_now() / 1000u) + vyi_chain_cadence(q));
    return status;
}

VYI_API vyre_status vyi_queue_nudge(vyi_queue *q, vyi_effort effort, vyre_error *err)
{
    const uint32_t now = (uint32_t)(vyi_now() / 1000u);
    const uint32_t ahead = vyi_load_relaxed(&q->drive_at) - now; /* or long past, wrapped */
    const uint32_t state = vyi_load_acquire(&q->state);

    if (ahead - 1 < VYI_CADENCE_MAX || (state == VYI_STATE_IDLE && effort == VYI_EFFORT_LOOK))
        return VYRE_OK;
    /* Who has it drives, or mostly is gone in a moment. */
    for (uint32_t tried = 0; !vyi_mutex_try(&q->v->lock); tried++) {
        if (tried == VYI_NUDGE_TRIES)
            return VYRE_OK;
        vyi_pause();
    }
    const vyre_status status = vyi_queue_drive(q, effort, err);
    vyi_mutex_unlock(&q->v->lock);
    return status;
}

/* --- log ----------------------------------------------------------------- */

/* Copies the records and empties the log.  The caller has seen to it that no
 * lane is writing one. */
static uint32_t vyi_log_take(vyi_queue *q)
{
    vyre *v = q->v;
    const uint32_t records = v->desc.kernel.log_records;
    const vyi_device *d = vyi_queue_device(q);
    uint32_t *log = vyi_device_words(d, VYI_ROLE_LOG);
    vyre_log_summary sum;
    memset(&sum, 0, sizeof sum);

    if (vyre_log_decode(log, v->buffers.list[VYI_ROLE_LOG].size, v->log, records, &sum,
                        NULL) < 0)
        sum.records = 0;
    vyi_store_release(log + VYRE_LOG_CURSOR, 0);
    if (d->write_combined)
        vyi_fence_stores();
    return sum.records < records ? sum.records : records;
}

/* A record is whole once its slot has ended.  So the log is taken while every
 * slot is at rest and none can be published. */
VYI_API void vyi_queue_deliver_log(vyi_queue *q)
{
    if (!q->v->desc.log || q->state == VYI_STATE_LOST)
        return;
    const vyi_device *d = vyi_queue_device(q);
    if (vyi_load_acquire(vyi_device_words(d, VYI_ROLE_LOG) + VYRE_LOG_CURSOR) == 0)
        return;
    const bool running = vyi_queue_in_flight(q) != 0;
    if (running && !vyi_queue_hold(q, false))
        return;
    const uint32_t count = vyi_log_take(q);
    if (running)
        vyi_queue_unhold(q);
    for (uint32_t i = 0; i < count; i++)
        q->v->desc.log(q->v->desc.log_user, &q->v->log[i]);
}

/* --- the helper ---------------------------------------------------------- */

#if VYI_THREADS

static void vyi_helper_main(void *user)
{
    vyre *v = (vyre *)user;
    vyi_mutex_lock(&v->helper.lock);
    while (!v->helper.quits) {
        vyi_cond_wait(&v->helper.wake, &v->helper.lock, 500000);
        vyi_mutex_unlock(&v->helper.lock);
        (void)vyi_queue_nudge(&v->queue, VYI_EFFORT_LOOK, NULL);
        vyi_mutex_lock(&v->helper.lock);
    }
    vyi_mutex_unlock(&v->helper.lock);
}

VYI_COLD
VYI_API bool vyi_helper_start(vyre *v)
{
    v->helper.quits = false;
    v->helper.runs = vyi_thread_start(&v->helper.thread, vyi_helper_main, v);
    return v->helper.runs;
}

VYI_COLD
VYI_API void vyi_helper_stop(vyre *v)
{
    if (!v->helper.runs)
        return;
    vyi_mutex_lock(&v->helper.lock);
    v->helper.quits = true;
    vyi_cond_signal(&v->helper.wake);
    vyi_mutex_unlock(&v->helper.lock);
    vyi_thread_join(&v->helper.thread);
    v->helper.runs = false;
}

#else

VYI_API bool vyi_helper_start(vyre *v)
{
    (void)v;
    return false;
}

VYI_API void vyi_helper_stop(vyre *v)
{
    (void)v;
}

#endif
/* ==========================================================================
 * engine: whole runs, byte-level dispatch, and looking at memory
 * ======================================================================= */


/* --- statistics ---------------------------------------------------------- */

VYRE_API uint64_t vyre_stats_rate(uint64_t bytes, uint64_t latency_ns)
{
    uint64_t high = 0, low = 0; /* bytes * 10^9, 128 bits, a bit at a time */
    if (latency_ns == 0)
        return 0;
    for (uint32_t i = 0; i < 64; i++) {
        const uint64_t term = 1000000000u;
        if (!(bytes >> i & 1u))
            continue;
        const uint64_t add = term << i;
        high += (i ? term >> (64 - i) : 0) + (low + add < low);
        low += add;
    }
    uint64_t quotient = 0, rest = 0;
    for (uint32_t i = 128; i-- > 0;) {
        const uint64_t bit = i >= 64 ? high >> (i - 64) & 1u : low >> i & 1u;
        const bool over = rest >> 63 != 0;
        rest = rest << 1 | bit;
        if (!over && rest < latency_ns)
            continue;
        if (i >= 64)
            return UINT64_MAX;
        rest -= latency_ns;
        quotient |= (uint64_t)1 << i;
    }
    return quotient;
}

static void vyi_stats_begin(vyre_stats *s)
{
    memset(s, 0, sizeof *s);
    s->latency_ns = vyi_now();
}

static void vyi_stats_end(vyre_stats *s, vyre_stats *out)
{
    s->latency_ns = vyi_now() - s->latency_ns;
    if (out)
        *out = *s;
}

/* --- run ----------------------------------------------------------------- */

typedef struct vyi_run {
    vyre            *v;
    const vyre_work *works;
    uint32_t         count, next; /* of the works; the next to publish */
    uint32_t         open;        /* published, end not seen */
    uint64_t         done, faults, lost;
    vyre_ticket      bad;         /* the first that was seen to fail */
    uint32_t         bad_work;
    vyre_status      bad_status;
} vyi_run;

/* Takes note of the end of the work that the run has in this slot, if it has
 * ended. */
static bool vyi_run_collect(vyi_run *r, uint32_t slot)
{
    vyre *v = r->v;
    uint32_t code = 0;
    vyre_ticket t;
    t.slot = slot;
    t.generation = v->run.marks[slot];
    const vyre_status status = vyi_ticket_look(&v->queue, t, &code);
    if (status == VYRE_PENDING)
        return false;
    v->run.marks[slot] = 0;
    r->open--;
    r->done += status == VYRE_OK;
    r->faults += status == VYRE_E_FAULT;
    r->lost += status == VYRE_E_LOST;
    if (status != VYRE_OK && r->bad_status == VYRE_OK) {
        r->bad_status = status;
        r->bad = t;
        r->bad_work = v->run.works[slot];
    }
    return true;
}

/* Publishes until the ring is full: VYRE_OK, VYRE_FULL, or an error. */
static vyre_status vyi_run_publish(vyi_run *r, vyre_error *err)
{
    vyre *v = r->v;
    while (r->next < r->count) {
        vyre_ticket t = { 0, 0 };
        const vyre_status status = vyre_publish(v, &r->works[r->next], &t, err);
        if (status != VYRE_OK)
            return status;
        if (v->run.marks[t.slot])
            (void)vyi_run_collect(r, t.slot);
        v->run.marks[t.slot] = t.generation;
        v->run.works[t.slot] = r->next++;
        r->open++;
    }
    return VYRE_OK;
}

static uint32_t vyi_run_sweep(vyi_run *r)
{
    uint32_t ended = 0;
    for (uint32_t slot = 0; slot < r->v->queue.slots.count && r->open; slot++) {
        if (r->v->run.marks[slot])
            ended += vyi_run_collect(r, slot);
    }
    return ended;
}

static vyre_status vyi_run_all(vyi_run *r, vyre_error *err)
{
    vyi_pace pace = vyi_pace_begin(r->v->desc.run_timeout_ns);
    while (r->next < r->count || r->open) {
        const uint32_t before = r->next;
        vyre_status status = vyi_run_publish(r, err);
        if (status < 0)
            return status;
        if (vyi_run_sweep(r) || r->next != before) {
            pace = vyi_pace_begin(r->v->desc.run_timeout_ns);
            continue;
        }
        status = vyi_pace_turn(&r->v->queue, &pace, err);
        if (status == VYRE_OK || vyi_run_sweep(r))
            continue;
        if (status == VYRE_TIMEOUT)
            vyi_fail(err, status, r->open, "Raise run_timeout_ns, or see what blocks the work.",
                     "none of the %u works in the ring has ended within %llu ms", r->open,
                     (unsigned long long)(r->v->desc.run_timeout_ns / 1000000u));
        return status;
    }
    return VYRE_OK;
}

static vyre_status vyi_run_explain(const vyi_run *r, vyre_error *err)
{
    uint32_t code = 0;
    if (r->bad_status == VYRE_OK)
        return VYRE_OK;
    (void)vyi_ticket_history(&r->v->queue, r->bad, &code);
    vyi_fail(err, r->bad_status, r->bad_work, "Correct that work's opcode or arguments.",
             "%llu of %u works ended FAULT and %llu were lost; the first seen is work %u "
             "(fault %u: %s)", (unsigned long long)r->faults, r->count,
             (unsigned long long)r->lost, r->bad_work, code, vyre_fault_text(code));
    if (err)
        err->native = (int32_t)code;
    return r->bad_status;
}

/* Launches so far, and recoveries.  A run holds no lock that others need to
 * make some. */
static uint64_t vyi_run_launches(vyi_queue *q, uint32_t *recoveries)
{
    vyi_mutex_lock(&q->v->lock);
    const uint64_t launches = q->chain.leases + q->chain.passes;
    *recoveries = q->loss.count;
    vyi_mutex_unlock(&q->v->lock);
    return launches;
}

static vyre_status vyi_run_locked(vyi_run *r, vyre_stats *stats, vyre_error *err)
{
    vyre *v = r->v;
    vyre_stats s;
    uint32_t before, after;
    vyi_stats_begin(&s);
    const uint64_t launches = vyi_run_launches(&v->queue, &before);
    const vyre_status status = vyi_run_all(r, err);
    memset(v->run.marks, 0, v->queue.slots.count * sizeof *v->run.marks);
    if (status != VYRE_OK)
        return status;

    s.input_bytes = s.bytes_moved = (uint64_t)r->count * VYRE_SLOT_BYTES;
    s.kernel_launches = (uint32_t)(vyi_run_launches(&v->queue, &after) - launches);
    s.sync_points = s.kernel_launches;
    s.recovered = after != before;
    s.done = r->done;
    s.faults = r->faults;
    vyi_stats_end(&s, stats);
    return vyi_run_explain(r, err);
}

VYRE_API vyre_status vyre_run(vyre *v, const vyre_work *works, uint32_t count, vyre_stats *stats,
                              vyre_error *err)
{
    if (!v || (!works && count))
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle and an array of works.",
                        "%s is NULL", v ? "works" : "the handle");
    for (uint32_t i = 0; i < count; i++) {
        const vyre_status status = vyi_engine_check(v, &works[i], err);
        if (status != VYRE_OK)
            return status;
    }
    vyi_run r;
    memset(&r, 0, sizeof r);
    r.v = v;
    r.works = works;
    r.count = count;
    vyi_mutex_lock(&v->run.lock);
    const vyre_status status = vyi_run_locked(&r, stats, err);
    vyi_mutex_unlock(&v->run.lock);
    return status;
}

/* --- dispatch ------------------------------------------------------------ */

/* In upstream's order: control, log, IO queue, ring, totals. */
static vyre_status vyi_dispatch_check(const vyre *v, const vyre_io_buffers *io, vyre_error *err)
{
    size_t total = 0;
    vyre_status status = vyre_control_check(io->control, io->control_size, err);
    if (status == VYRE_OK)
        status = vyre_log_check(io->log, io->log_size, err);
    if (status == VYRE_OK)
        status = vyre_io_check(io->io, io->io_size, err);
    if (status == VYRE_OK)
        status = vyre_ring_check(io->ring, io->ring_size, v->queue.slots.count, err);
    if (status != VYRE_OK)
        return status;
    if (!vyi_size_add(io->control_size, io->ring_size, &total) ||
        !vyi_size_add(total, io->log_size, &total) || !vyi_size_add(total, io->io_size, &total))
        return vyi_fail(err, VYRE_E_OVF, 0, "Pass smaller buffers.",
                        "the lengths of the four buffers exceed %d bits", (int)sizeof total * 8);
    return VYRE_OK;
}

static vyre_status vyi_dispatch_late(const vyi_queue *q, vyre_error *err)
{
    return vyi_fail(err, VYRE_TIMEOUT, vyi_queue_in_flight(q),
                    "Raise run_timeout_ns, or give the passes less to do.",
                    "%u passes have not ended within %llu ms", vyi_queue_in_flight(q),
                    (unsigned long long)(q->v->desc.run_timeout_ns / 1000000u));
}

/* Whether the handle's kernel is out of the way; waits for passes. */
static vyre_status vyi_dispatch_ready(vyi_queue *q, vyre_error *err)
{
    if (q->state == VYI_STATE_LOST)
        return vyi_queue_lost(q, &q->loss.how, err);
    if (q->state == VYI_STATE_RUNNING || q->state == VYI_STATE_STOPPING)
        return vyi_fail(err, VYRE_E_RUNNING, 0, "Call vyre_stop() first, or use vyre_publish().",
                        "the kernel runs");
    vyre_status status = vyi_queue_settle(q, vyi_deadline(q->v->desc.run_timeout_ns), err);
    if (status == VYRE_OK)
        vyi_queue_bury(q);
    return status == VYRE_TIMEOUT ? vyi_dispatch_late(q, err) : status;
}

static uint32_t vyi_done_count(const void *control)
{
    return vyi_word(control, VYRE_CONTROL_DONE_COUNT);
}

static uint32_t vyi_fault_count(const void *control)
{
    return vyi_word(control, VYRE_CONTROL_FAULT_COUNT);
}

/* Copies in, runs, copies out.  The caller's bytes change on success only. */
static vyre_status vyi_dispatch_bytes(vyi_queue *q, const vyre_io_buffers *io, vyre_error *err)
{
    void *const bytes[VYI_CORE_BUFFERS] = { io->control, io->ring, io->log, io->io };
    size_t size[VYI_CORE_BUFFERS];
    void *map[VYI_CORE_BUFFERS];
    vyi_device *d = vyi_queue_device(q);

    size[0] = io->control_size;
    size[1] = io->ring_size;
    size[2] = io->log_size;
    size[3] = io->io_size ? io->io_size : vyre_io_size(VYRE_IO_SLOTS);
    vyre_error how;
    memset(&how, 0, sizeof how);
    vyre_status status = d->backend->attach(d, size, map, &how);
    if (status != VYRE_OK)
        return vyi_queue_failed(q, status, &how, err);
    for (uint32_t i = 0; i < VYI_CORE_BUFFERS; i++) {
        if (i == VYI_ROLE_IO && !io->io_size)
            memset(map[i], 0, size[i]);
        else
            memcpy(map[i], bytes[i], size[i]);
    }
    if (d->write_combined)
        vyi_fence_stores();
    status = vyi_queue_launch(q, VYI_LAUNCH_BYTES, 0, err);
    if (status == VYRE_OK)
        status = vyi_queue_settle(q, vyi_deadline(q->v->desc.run_timeout_ns), err);
    if (status == VYRE_OK && vyi_load_acquire(&q->aborted)) {
        vyi_store_release(&q->aborted, 0);
        return vyi_fail(err, VYRE_TIMEOUT, 0, "Dispatch again.",
                        "a vyre_stop() has ended the pass before its end");
    }
    if (status != VYRE_OK)
        return status == VYRE_TIMEOUT ? vyi_dispatch_late(q, err) : status;
    const uint32_t outputs = q->v->desc.kernel.control_report ? 1 : VYI_CORE_BUFFERS;
    for (uint32_t i = 0; i < outputs; i++) {
        if (bytes[i])
            memcpy(bytes[i], map[i], i == VYI_ROLE_IO ? io->io_size : size[i]);
    }
    return VYRE_OK;
}

static void vyi_dispatch_stats(const vyre *v, const vyre_io_buffers *io, vyre_stats *s)
{
    const uint64_t io_size = io->io_size ? io->io_size : vyre_io_size(VYRE_IO_SLOTS);
    s->input_bytes = (uint64_t)io->control_size + io->ring_size + io->log_size + io_size;
    s->output_bytes = v->desc.kernel.control_report ? io->control_size : s->input_bytes;
    s->readback_bytes = s->output_bytes;
    s->bytes_moved = s->input_bytes + s->readback_bytes;
    s->device_allocation_bytes = s->input_bytes + s->output_bytes;
    s->output_buffers = v->desc.kernel.control_report ? 1 : VYI_CORE_BUFFERS;
    s->device_allocation_events = VYI_CORE_BUFFERS + s->output_buffers;
    s->kernel_launches = s->recovered ? 2 : 1;
    s->sync_points = 1;
}

static vyre_status vyi_dispatch_locked(vyi_queue *q, const vyre_io_buffers *io, vyre_stats *stats,
                                       vyre_error *err)
{
    vyre_stats s;
    const uint32_t done = vyi_done_count(io->control), faults = vyi_fault_count(io->control);
    vyi_stats_begin(&s);
    vyre_status status = vyi_dispatch_ready(q, err);
    if (status != VYRE_OK)
        return status;
    status = vyi_dispatch_bytes(q, io, err);
    if (q->state == VYI_STATE_LOST && q->v->desc.auto_recover && !q->loss.mended) {
        q->loss.mended = true;
        status = vyi_queue_recover(q, err);
        s.recovered = status == VYRE_OK;
        if (s.recovered)
            status = vyi_dispatch_bytes(q, io, err);
    }
    if (status != VYRE_OK)
        return status;
    vyi_dispatch_stats(q->v, io, &s);
    s.done = vyi_done_count(io->control) - done;
    s.faults = vyi_fault_count(io->control) - faults;
    vyi_stats_end(&s, stats);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_dispatch(vyre *v, const vyre_io_buffers *io, vyre_stats *stats,
                                   vyre_error *err)
{
    if (!v || !io)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle and four buffers.",
                        "%s is NULL", v ? "io" : "the handle");
    vyre_status status = vyi_dispatch_check(v, io, err);
    if (status != VYRE_OK)
        return status;
    vyi_mutex_lock(&v->lock);
    status = vyi_dispatch_locked(&v->queue, io, stats, err);
    vyi_mutex_unlock(&v->lock);
    return status;
}

/* Submits all, waiting only where the device's queue is full. */
static vyre_status vyi_resident_passes(vyi_queue *q, uint32_t passes, vyre_error *err)
{
    const uint64_t deadline = vyi_deadline(q->v->desc.run_timeout_ns);
    const uint32_t most = vyi_queue_device(q)->in_flight;
    vyre_status status = VYRE_OK;
    vyi_queue_set_shutdown(q, 0);
    for (uint32_t i = 0; i < passes && status == VYRE_OK; i++) {
        while (status == VYRE_OK && vyi_queue_in_flight(q) >= most) {
            status = vyi_queue_reap(q, 10000000u, err);
            if (status == VYRE_OK && vyi_now() >= deadline)
                status = VYRE_TIMEOUT;
        }
        if (status == VYRE_OK)
            status = vyi_queue_launch(q, VYI_LAUNCH_ONCE, 0, err);
    }
    if (status == VYRE_OK)
        status = vyi_queue_settle(q, deadline, err);
    return status == VYRE_TIMEOUT ? vyi_dispatch_late(q, err) : status;
}

static vyre_status vyi_resident_locked(vyi_queue *q, uint32_t passes, vyre_stats *stats,
                                       vyre_error *err)
{
    vyre_stats s;
    vyi_stats_begin(&s);
    vyre_status status = vyi_dispatch_ready(q, err);
    if (status != VYRE_OK)
        return status;
    const void *control = vyi_device_words(vyi_queue_device(q), VYI_ROLE_CONTROL);
    const uint32_t done = vyi_done_count(control), faults = vyi_fault_count(control);
    status = vyi_resident_passes(q, passes, err);
    if (status != VYRE_OK)
        return status;
    vyi_queue_bury(q);
    vyi_queue_deliver_log(q);
    s.resident_rows = passes;
    s.resident_handles = passes * VYI_CORE_BUFFERS;
    s.kernel_launches = s.sync_points = 1;
    s.done = vyi_done_count(control) - done;
    s.faults = vyi_fault_count(control) - faults;
    vyi_stats_end(&s, stats);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_dispatch_resident(vyre *v, uint32_t passes, vyre_stats *stats,
                                            vyre_error *err)
{
    if (!v)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle.", "the handle is NULL");
    if (passes == 0) {
        if (stats)
            memset(stats, 0, sizeof *stats);
        return VYRE_OK;
    }
    if (passes > UINT32_MAX / VYI_CORE_BUFFERS)
        return vyi_fail(err, VYRE_E_OVF, passes, "Make fewer passes at a time.",
                        "%u passes have more than 2^32 handles", passes);
    vyi_mutex_lock(&v->lock);
    const vyre_status status = vyi_resident_locked(&v->queue, passes, stats, err);
    vyi_mutex_unlock(&v->lock);
    return status;
}

/* --- memory -------------------------------------------------------------- */

VYRE_API vyre_status vyre_observable(vyre *v, uint32_t index, uint32_t *out, vyre_error *err)
{
    if (!v || !out)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle and room for the value.",
                        "%s is NULL", v ? "out" : "the handle");
    if (index >= v->desc.observables)
        return vyi_fail(err, VYRE_E_MISSING, index, "Set vyre_desc.observables higher.",
                        "observable %u is not one of the handle's %u", index, v->desc.observables);
    if (vyi_load_acquire(&v->queue.state) == VYI_STATE_LOST)
        return vyi_fail(err, VYRE_E_DEVICE_LOST, 0, "Call vyre_recover().",
                        "the device was lost, and the observables with it");
    *out = vyi_control_load(vyi_queue_device(&v->queue), VYRE_CONTROL_OBSERVABLES + index);
    return VYRE_OK;
}

VYRE_API void *vyre_map(vyre *v, uint32_t user_buffer, size_t *size)
{
    if (!v || user_buffer >= v->buffers.user_count ||
        v->buffers.user_index[user_buffer] >= v->buffers.count)
        return NULL;
    const uint32_t index = v->buffers.user_index[user_buffer];
    if (size)
        *size = v->buffers.list[index].size;
    return vyi_queue_device(&v->queue)->map[index];
}

VYRE_API vyre_status vyre_buffers(vyre *v, vyre_io_buffers *out, vyre_error *err)
{
    if (!v || !out)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle and room for the result.",
                        "%s is NULL", v ? "out" : "the handle");
    const vyi_device *d = vyi_queue_device(&v->queue);
    out->control = d->map[VYI_ROLE_CONTROL];
    out->control_size = v->buffers.list[VYI_ROLE_CONTROL].size;
    out->ring = d->map[VYI_ROLE_RING];
    out->ring_size = v->buffers.list[VYI_ROLE_RING].size;
    out->log = d->map[VYI_ROLE_LOG];
    out->log_size = v->buffers.list[VYI_ROLE_LOG].size;
    out->io = d->map[VYI_ROLE_IO];
    out->io_size = v->buffers.list[VYI_ROLE_IO].size;
    return VYRE_OK;
}

VYRE_API vyre_status vyre_tenant_enable(vyre *v, uint32_t tenant, bool enable, vyre_error *err)
{
    if (!v)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle.", "the handle is NULL");
    if (tenant >= v->desc.tenants)
        return vyi_fail(err, VYRE_E_TENANT_RANGE, tenant,
                        "Set vyre_desc.tenants to one more than the largest tenant id.",
                        "tenant %u is not one of the handle's %u", tenant, v->desc.tenants);
    vyi_mutex_lock(&v->lock);
    const vyi_device *d = vyi_queue_device(&v->queue);
    vyi_store_release(vyi_device_words(d, VYI_ROLE_CONTROL) + VYRE_CONTROL_TENANT_MASKS + tenant,
                      enable ? 0xffffffffu : 0);
    if (d->write_combined)
        vyi_fence_stores();
    vyi_mutex_unlock(&v->lock);
    return VYRE_OK;
}
/* ==========================================================================
 * engine: implementation
 *
 * The handle's life: open, start, stop, recover, close.  How threads come by
 * slots is in engine_slots.c, what they publish and ask in engine_publish.c and
 * engine_wait.c, the chain of leases in engine_lease.c, whole runs and byte-level
 * dispatch in engine_run.c.
 * ======================================================================= */


#define VYI_CLOSE_TIMEOUT_NS 2000000000u
#define VYI_DEFAULT_SLOTS    256u

/* --- backends ------------------------------------------------------------ */

static const vyi_backend *vyi_backend_find(vyre_backend which)
{
    switch (which) {
    case VYRE_BACKEND_CPU: return vyi_cpu_backend();
    case VYRE_BACKEND_VULKAN: return vyi_vulkan_backend();
    default: return NULL;
    }
}

VYRE_API bool vyre_backend_available(vyre_backend backend)
{
    return backend == VYRE_BACKEND_AUTO || vyi_backend_find(backend) != NULL;
}

VYRE_API const char *vyre_backend_name(vyre_backend backend)
{
    switch (backend) {
    case VYRE_BACKEND_AUTO: return "auto";
    case VYRE_BACKEND_CPU: return "cpu";
    case VYRE_BACKEND_VULKAN: return "vulkan";
    default: return "unknown";
    }
}

/* --- open: the description ----------------------------------------------- */

/* The user's, or the default where it is 0. */
static uint32_t vyi_def32(uint32_t value, uint32_t fallback)
{
    return value ? value : fallback;
}

static void vyi_desc_defaults(vyre_desc *d)
{
    vyre_kernel_desc *k = &d->kernel;
    const uint32_t slots = k->slot_count ? k->slot_count
                           : k->workgroup_size ? k->workgroup_size : VYI_DEFAULT_SLOTS;

    d->tenants = vyi_def32(d->tenants, 1);
    d->observables = vyi_def32(vyi_def32(d->observables, k->observables), 64);
    d->lease.in_flight = vyi_def32(d->lease.in_flight, 2);
    d->lease.time_ns = d->lease.time_ns ? d->lease.time_ns : 5000000u;
    d->lease.timeout_ns = d->lease.timeout_ns ? d->lease.timeout_ns : 10000000000u;
    d->run_timeout_ns = d->run_timeout_ns ? d->run_timeout_ns : 60000000000u;
    k->slot_count = slots;
    k->log_records = vyi_def32(k->log_records, VYRE_LOG_RECORDS_DEFAULT);
    k->observables = d->observables;
    k->allocator = d->allocator;
    k->mirror_binding = 0;
    k->once = false;
    k->loop_allowance = vyi_def32(k->loop_allowance, vyi_def32(d->loop_limit, 1u << 24));
}

static vyre_status vyi_desc_check(const vyre_desc *d, vyre_error *err)
{
    if (d->tenants > VYRE_MAX_TENANTS)
        return vyi_fail(err, VYRE_E_TENANT_RANGE, d->tenants, "Use at most 29 tenants.",
                        "%u tenants, but the mask has %u words", d->tenants, VYRE_MAX_TENANTS);
    if ((uint32_t)d->mode > VYRE_MODE_PASSES || (uint32_t)d->lost_work > VYRE_LOST_RERUN)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Use the values of the enums.",
                        "mode %d or lost_work %d does not exist", (int)d->mode,
                        (int)d->lost_work);
    if (!vyre_control_size(d->observables) || !vyre_ring_size(d->kernel.slot_count) ||
        !vyre_log_size(d->kernel.log_records) || d->kernel.slot_count > VYRE_MAX_SLOTS ||
        d->observables > VYRE_MAX_OBSERVABLES || d->kernel.log_records > VYRE_MAX_LOG_RECORDS)
        return vyi_fail(err, VYRE_E_OVF, d->kernel.slot_count,
                        "Use at most 1048576 of each.",
                        "%u slots, %u observables, %u log records", d->kernel.slot_count,
                        d->observables, d->kernel.log_records);
    return VYRE_OK;
}

/* --- open: buffers ------------------------------------------------------- */

static void vyi_buffer_add(vyre *v, uint32_t binding, vyi_role role, size_t size,
                           const char *name)
{
    vyi_device_buffer *b = &v->buffers.list[v->buffers.count++];
    b->binding = binding;
    b->role = role;
    b->size = size;
    b->access = VYRE_ACCESS_READ_WRITE;
    b->name = name;
}

static vyre_status vyi_buffer_add_user(vyre *v, const vyre_buffer_desc *desc, size_t size,
                                       vyre_error *err)
{
    if (size == 0 && !vyi_size_mul(desc->count, 4, &size))
        size = 0;
    if (size == 0 || size % 4)
        return vyi_fail(err, VYRE_E_ARGUMENT, desc->binding,
                        "Set buffer_sizes (or the buffer's count) to whole words.",
                        "the buffer at binding %u has %llu bytes", desc->binding,
                        (unsigned long long)size);
    const char *name = vyi_arena_text(&v->arena, desc->name ? desc->name : "user", VYRE_MAX_NAME);
    if (!name)
        return vyi_fail_nomem(err, VYRE_MAX_NAME);
    vyi_buffer_add(v, desc->binding, VYI_ROLE_USER, size, name);
    v->buffers.list[v->buffers.count - 1].access = desc->access;
    return VYRE_OK;
}

/* Insertion sort by binding. */
static void vyi_buffers_sort(vyre *v)
{
    for (uint32_t i = 1; i < v->buffers.count; i++) {
        const vyi_device_buffer moving = v->buffers.list[i];
        uint32_t j = i;
        for (; j > 0 && v->buffers.list[j - 1].binding > moving.binding; j--)
            v->buffers.list[j] = v->buffers.list[j - 1];
        v->buffers.list[j] = moving;
    }
}

static uint32_t vyi_buffer_index(const vyre *v, uint32_t binding)
{
    uint32_t i = 0;
    while (i < v->buffers.count && v->buffers.list[i].binding != binding)
        i++;
    return i;
}

/* The lowest binding that nobody has, or VYRE_MAX_BINDINGS. */
static uint32_t vyi_binding_free(const vyre *v)
{
    uint32_t binding = VYRE_BINDING_USER;
    while (binding < VYRE_MAX_BINDINGS && vyi_buffer_index(v, binding) < v->buffers.count)
        binding++;
    return binding;
}

/* The user's buffers and the workspace; the kernel's own check comes later, so
 * nothing is trusted here. */
static vyre_status vyi_buffers_user(vyre *v, vyre_error *err)
{
    const vyre_kernel_desc *k = &v->desc.kernel;
    if (k->buffer_count && !k->buffers)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Set the desc's buffers.",
                        "%u buffers, but the list is NULL", k->buffer_count);
    if (k->buffer_count > VYRE_MAX_BINDINGS - VYRE_BINDING_USER - 2)
        return vyi_fail(err, VYRE_E_ARGUMENT, k->buffer_count, "Use fewer, larger buffers.",
                        "%u user buffers; there may be %u", k->buffer_count,
                        VYRE_MAX_BINDINGS - VYRE_BINDING_USER - 2);
    vyre_status status = VYRE_OK;
    for (uint32_t i = 0; i < k->buffer_count && status == VYRE_OK; i++) {
        if (k->buffers[i].access != VYRE_ACCESS_WORKGROUP)
            status = vyi_buffer_add_user(v, &k->buffers[i],
                                         v->desc.buffer_sizes ? v->desc.buffer_sizes[i] : 0, err);
    }
    if (status == VYRE_OK && k->workspace)
        status = vyi_buffer_add_user(v, &k->workspace->buffer, v->desc.workspace_size, err);
    return status;
}

static vyre_status vyi_buffers_plan(vyre *v, vyre_error *err)
{
    const vyre_kernel_desc *k = &v->desc.kernel;
    const uint32_t slots = k->slot_count;
    vyi_buffer_add(v, VYRE_BINDING_CONTROL, VYI_ROLE_CONTROL,
                   vyre_control_size(v->desc.observables), "control");
    vyi_buffer_add(v, VYRE_BINDING_RING, VYI_ROLE_RING, vyre_ring_size(slots), "ring");
    vyi_buffer_add(v, VYRE_BINDING_LOG, VYI_ROLE_LOG, vyre_log_size(k->log_records), "log");
    vyi_buffer_add(v, VYRE_BINDING_IO, VYI_ROLE_IO, vyre_io_size(VYRE_IO_SLOTS), "io");
    const vyre_status status = vyi_buffers_user(v, err);
    if (status != VYRE_OK)
        return status;

    const uint32_t mirror = vyi_binding_free(v);
    if (mirror == VYRE_MAX_BINDINGS)
        return vyi_fail(err, VYRE_E_ARGUMENT, mirror, "Use fewer, larger buffers.",
                        "no binding is left for the handle's own mirror");
    vyi_buffer_add(v, mirror, VYI_ROLE_MIRROR, (size_t)slots * 4, "mirror");
    vyi_buffers_sort(v);
    v->desc.kernel.mirror_binding = mirror;
    v->queue.slots.mirror = vyi_buffer_index(v, mirror);
    v->buffers.user_count = k->buffer_count;
    for (uint32_t i = 0; i < k->buffer_count; i++)
        v->buffers.user_index[i] = k->buffers[i].access == VYRE_ACCESS_WORKGROUP
                               ? VYI_MAX_BUFFERS
                               : vyi_buffer_index(v, k->buffers[i].binding);
    return VYRE_OK;
}

/* --- open: programs, memory ---------------------------------------------- */

static bool vyi_program_build(vyre_program **out, const vyre_kernel_desc *k, vyre_error *how)
{
    *out = vyre_kernel_build(k, how);
    return *out != NULL;
}

static vyre_status vyi_programs_build(vyre *v, vyre_error *err)
{
    vyre_buffer_desc buffers[VYI_MAX_BUFFERS];
    vyre_kernel_desc k = v->desc.kernel;
    vyre_error how;

    if (k.buffer_count)
        memcpy(buffers, k.buffers, k.buffer_count * sizeof buffers[0]);
    memset(&buffers[k.buffer_count], 0, sizeof buffers[0]);
    buffers[k.buffer_count].name = "mirror";
    buffers[k.buffer_count].binding = k.mirror_binding;
    k.buffers = buffers;
    k.buffer_count++;
    memset(&how, 0, sizeof how);
    k.narrow = k.whole_slots = false;
    k.count_each = v->backend->abort != NULL; /* its passes may be ended in the middle */
    bool built = vyi_program_build(&v->programs.loop, &k, &how);
    k.once = true;
    built = built && vyi_program_build(&v->programs.once, &k, &how);
    k.once = false;
    k.whole_slots = true;
    if (v->backend->shapes && vyi_kernel_is_whole(&k))
        built = built && vyi_program_build(&v->programs.whole, &k, &how);
    k.narrow = true;
    k.workgroup_size = k.lane_count = 1;
    k.slot_count = v->desc.kernel.slot_count;
    if (v->backend->shapes && vyi_kernel_is_narrow(&k))
        built = built && vyi_program_build(&v->programs.narrow, &k, &how);
    if (built)
        return VYRE_OK;
    if (err)
        *err = how;
    return how.status;
}

static size_t vyi_slots_memory(const vyre *v)
{
    const size_t each = 5 * sizeof(uint32_t) + sizeof(vyi_trouble), slots = v->queue.slots.count;
    const size_t records = v->desc.lost_work == VYRE_LOST_RERUN ? slots : 0;
    return VYI_CACHE_LINE - 1 + slots * each + records * sizeof(vyre_work) +
           v->desc.kernel.log_records * sizeof(vyre_log_record);
}

/* One block for all that is kept of each slot. */
static vyre_status vyi_slots_allocate(vyre *v, vyre_error *err)
{
    vyi_queue *q = &v->queue;
    const uint32_t slots = q->slots.count;
    const size_t size = vyi_slots_memory(v);
    uint32_t *block = (uint32_t *)vyi_arena_alloc(&v->arena, size);
    if (!block)
        return vyi_fail_nomem(err, size);
    /* Marks that one thread has reserved share no line with another's, and four of
     * them are one access of 16 bytes. */
    q->slots.marks = (uint32_t *)(((uintptr_t)block + VYI_CACHE_LINE - 1) &
                            ~(uintptr_t)(VYI_CACHE_LINE - 1));
    q->slots.kept = q->slots.marks + slots;
    v->run.marks = q->slots.kept + slots;
    v->run.works = v->run.marks + slots;
    q->lone.cleared = v->run.works + slots;
    q->slots.trouble = (vyi_trouble *)(void *)(q->lone.cleared + slots);
    v->log = (vyre_log_record *)(void *)(q->slots.trouble + slots);
    if (v->desc.lost_work == VYRE_LOST_RERUN)
        q->slots.record = (vyre_work *)(void *)(v->log + v->desc.kernel.log_records);
    return VYRE_OK;
}

/* Five partitions for five levels; NORMAL has what does not divide. */
static void vyi_partitions_plan(vyi_queue *q)
{
    const bool priority = q->v->desc.kernel.kind == VYRE_KERNEL_PRIORITY;
    const uint32_t each = q->slots.count / VYRE_PRIORITY_LEVELS;
    uint32_t first = 0;
    q->slots.partition_count = priority ? VYRE_PRIORITY_LEVELS : 1;
    q->slots.partitions[0].count = q->slots.count;
    for (uint32_t i = 0; priority && i < VYRE_PRIORITY_LEVELS; i++) {
        q->slots.partitions[i].first = first;
        q->slots.partitions[i].count = each + (i == 2 ? q->slots.count % VYRE_PRIORITY_LEVELS : 0);
        first += q->slots.partitions[i].count;
    }
}

/* How often who publishes looks at the device (vyi_publish_nudge): once in every
 * round of a partition at least. */
static void vyi_publish_plan(vyi_queue *q, bool lives)
{
    const uint32_t each = q->slots.count / VYRE_PRIORITY_LEVELS;
    const uint32_t least = q->slots.partition_count > 1 && each ? each : q->slots.count;
    uint32_t every = VYI_LOOK_EVERY;
    while (every > least)
        every /= 2;
    q->look_mask = every - 1;
    q->lives = lives;
    q->wide = vyi_has_wide();
}

/* --- open: the device ---------------------------------------------------- */

static vyre_status vyi_control_init(const vyi_queue *q, vyi_device *d, vyre_error *err)
{
    uint32_t *control = vyi_device_words(d, VYI_ROLE_CONTROL);
    vyre_control_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.tenants = q->v->desc.tenants;
    desc.observables = q->v->desc.observables;
    const vyre_status status =
        vyre_control_encode(control, q->v->buffers.list[VYI_ROLE_CONTROL].size, &desc, err);
    if (status != VYRE_OK)
        return status;
    for (uint32_t i = 0; i < VYRE_PRIORITY_LEVELS && q->slots.partition_count > 1; i++) {
        const vyi_partition *part = &q->slots.partitions[i];
        vyi_set_word(control, VYRE_CONTROL_PRIORITY_OFFSETS + i, part->first);
        vyi_set_word(control, VYRE_CONTROL_PRIORITY_OFFSETS + i + 1, part->first + part->count);
    }
    if (d->write_combined)
        vyi_fence_stores();
    return VYRE_OK;
}

static vyre_status vyi_device_open(vyi_queue *q, vyi_device **out, vyre_error *err)
{
    const vyre *v = q->v;
    vyi_device_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.desc = &v->desc;
    desc.loop = v->programs.loop;
    desc.once = v->programs.once;
    desc.narrow = v->programs.narrow;
    desc.whole = v->programs.whole;
    desc.buffers = v->buffers.list;
    desc.buffer_count = v->buffers.count;
    desc.group_size = vyi_def32(v->desc.kernel.workgroup_size, 256);
    desc.max_groups = vyi_def32(v->desc.kernel.lane_count, q->slots.count) / desc.group_size;
    desc.max_groups = vyi_def32(desc.max_groups, 1);
    desc.fixed_geometry = v->desc.kernel.workgroup_size || v->desc.kernel.lane_count;
    desc.guest_loops = v->programs.once->guest_loops;

    vyi_device *d = NULL;
    vyre_status status = v->backend->open(&desc, &d, err);
    if (status != VYRE_OK)
        return status;
    status = vyi_control_init(q, d, err);
    if (status != VYRE_OK) {
        (void)v->backend->close(d);
        return status;
    }
    *out = d;
    return VYRE_OK;
}

static void vyi_chain_begin(vyi_queue *q)
{
    const vyi_device *d = vyi_queue_device(q);
    const uint64_t leases = q->chain.leases, passes = q->chain.passes;
    uint32_t rounds = q->v->desc.lease.rounds;
    if (rounds == 0 && !d->endless)
        rounds = VYI_LEASE_ROUNDS;
    if (d->max_rounds && rounds > d->max_rounds)
        rounds = d->max_rounds;
    memset(&q->chain, 0, sizeof q->chain);
    q->chain.leases = leases;
    q->chain.passes = passes;
    q->chain.rounds = rounds;
}

static vyre_status vyi_mode_choose(vyi_queue *q, vyre_error *err)
{
    vyre_info info;
    memset(&info, 0, sizeof info);
    q->v->backend->info(vyi_queue_device(q), &info);
    q->mode = info.probe.live && q->v->desc.mode != VYRE_MODE_PASSES ? VYRE_MODE_PERSISTENT
                                                                  : VYRE_MODE_PASSES;
    if (q->v->desc.mode == VYRE_MODE_PERSISTENT && q->mode != VYRE_MODE_PERSISTENT)
        return vyi_fail(err, VYRE_E_MODE, 0, "Use VYRE_MODE_AUTO, or another device.",
                        "%s does not prove persistent mode: %.80s", info.device[0] ? info.device
                        : "the device", info.probe.text);
    return VYRE_OK;
}

static bool vyi_locks_init(vyre *v)
{
    if (!vyi_mutex_init(&v->lock))
        return false;
    if (vyi_mutex_init(&v->run.lock)) {
        if (vyi_mutex_init(&v->helper.lock)) {
            if (vyi_cond_init(&v->helper.wake))
                return true;
            vyi_mutex_free(&v->helper.lock);
        }
        vyi_mutex_free(&v->run.lock);
    }
    vyi_mutex_free(&v->lock);
    return false;
}

static void vyi_locks_free(vyre *v)
{
    vyi_cond_free(&v->helper.wake);
    vyi_mutex_free(&v->helper.lock);
    vyi_mutex_free(&v->run.lock);
    vyi_mutex_free(&v->lock);
}

static void vyi_handle_free(vyre *v)
{
    const vyre_allocator allocator = v->desc.allocator;
    vyi_locks_free(v);
    vyre_program_destroy(v->programs.loop);
    vyre_program_destroy(v->programs.once);
    vyre_program_destroy(v->programs.narrow);
    vyre_program_destroy(v->programs.whole);
    vyi_free(&allocator, v->queue.loss.retired, v->queue.loss.retired_capacity * sizeof(void *));
    vyi_arena_free(&v->arena);
    vyi_free(&allocator, v, sizeof *v);
}

/* Pointers into the caller's memory that nobody follows later. */
static void vyi_desc_forget(vyre *v)
{
    vyre_kernel_desc *k = &v->desc.kernel;
    k->handlers = NULL;
    k->handler_count = 0;
    k->payload = NULL;
    k->buffers = NULL;
    k->buffer_count = 0;
    k->workspace = NULL;
    v->desc.buffer_sizes = NULL;
}

static vyre_status vyi_handle_fill(vyre *v, vyre_error *err)
{
    vyi_queue *q = &v->queue;
    vyi_device *d = NULL;
    q->v = v;
    q->slots.count = v->desc.kernel.slot_count;
    if (v->desc.kernel.workgroup_size == 0 && q->slots.count < 256)
        v->desc.kernel.workgroup_size = q->slots.count; /* a small ring needs no more lanes */
    vyi_partitions_plan(q);

    vyre_status status = vyi_buffers_plan(v, err);
    if (status == VYRE_OK)
        status = vyi_programs_build(v, err);
    if (status == VYRE_OK)
        status = vyi_slots_allocate(v, err);
    if (status == VYRE_OK && v->desc.device) {
        v->desc.device = vyi_arena_text(&v->arena, v->desc.device, 255);
        if (!v->desc.device)
            status = vyi_fail_nomem(err, 256);
    }
    if (status == VYRE_OK)
        status = vyi_device_open(q, &d, err);
    if (status != VYRE_OK)
        return status;
    vyi_store_pointer(&q->device, d);
    vyi_desc_forget(v);
    vyi_chain_begin(q);
    vyi_seats_plan(q);
    status = vyi_mode_choose(q, err);
    vyi_publish_plan(q, q->mode == VYRE_MODE_PERSISTENT && !d->pumped);
    return status;
}

VYI_COLD
VYI_API vyre *vyi_open_with(const vyi_backend *backend, const vyre_desc *desc, vyre_error *err)
{
    vyre_desc filled;
    memset(&filled, 0, sizeof filled);
    if (desc)
        filled = *desc;
    vyi_desc_defaults(&filled);
    if (vyi_desc_check(&filled, err) != VYRE_OK)
        return NULL;

    vyre *v = (vyre *)vyi_alloc(&filled.allocator, sizeof *v);
    if (!v) {
        vyi_fail_nomem(err, sizeof *v);
        return NULL;
    }
    memset(v, 0, sizeof *v);
    v->desc = filled;
    v->backend = backend;
    v->arena.allocator = filled.allocator;
    vyi_alone_begin(&v->queue);
    if (!vyi_locks_init(v)) {
        vyi_fail(err, VYRE_E_THREAD, 0, "Free system resources.", "the system gave no lock");
        vyi_free(&filled.allocator, v, sizeof *v);
        return NULL;
    }
    vyre_status status = vyi_handle_fill(v, err);
    if (status == VYRE_OK && v->desc.helper_thread && !vyi_helper_start(v))
        status = vyi_fail(err, VYRE_E_THREAD, 0, "Build with threads, or clear helper_thread.",
                          "the helper thread could not be made");
    if (status == VYRE_OK)
        return v;
    if (!v->queue.device || v->backend->close(vyi_queue_device(&v->queue)))
        vyi_handle_free(v);
    return NULL;
}

VYI_COLD
VYRE_API vyre *vyre_open(const vyre_desc *desc, vyre_error *err)
{
    const vyre_backend wanted = desc ? desc->backend : VYRE_BACKEND_AUTO;
    const vyi_backend *vulkan = vyi_vulkan_backend();
    vyre_error how;

    if (wanted != VYRE_BACKEND_AUTO) {
        const vyi_backend *backend = vyi_backend_find(wanted);
        if (backend)
            return vyi_open_with(backend, desc, err);
        vyi_fail(err, VYRE_E_BACKEND, (uint64_t)wanted,
                 "Put volk.h on the include path, without VYRE_NO_VULKAN; or use AUTO.",
                 "backend %s (%d) is not built in", vyre_backend_name(wanted), (int)wanted);
        return NULL;
    }
    memset(&how, 0, sizeof how);
    if (vulkan) {
        vyre *v = vyi_open_with(vulkan, desc, &how);
        if (v)
            return v;
        if (how.status == VYRE_E_NOMEM || how.status == VYRE_E_VK_NAME) {
            if (err)
                *err = how;
            return NULL;
        }
        if (desc)
            vyi_message(&desc->messages, VYRE_SEVERITY_WARNING, "no Vulkan, so the CPU: %s",
                        how.text);
    }
    vyre *v = vyi_open_with(vyi_cpu_backend(), desc, err);
    if (v)
        snprintf(v->why_cpu, sizeof v->why_cpu, "%s",
                 vulkan ? how.text : "built without volk.h on the include path, or without Vulkan");
    return v;
}

/* --- query --------------------------------------------------------------- */

static void vyi_query_counts(const vyre *v, vyre_info *out)
{
    out->slot_count = v->queue.slots.count;
    out->tenants = v->desc.tenants;
    out->observables = v->desc.observables;
    out->log_records = v->desc.kernel.log_records;
    out->buffer_count = v->buffers.user_count;
    out->program_hash = vyre_program_hash(v->programs.loop);
    out->mode = v->queue.mode;
}

VYI_COLD
VYRE_API void vyre_query(const vyre *v, vyre_info *out)
{
    if (!out)
        return;
    memset(out, 0, sizeof *out);
    if (!v)
        return;
    const vyi_queue *q = &v->queue;
    vyi_mutex *lock = &q->v->lock; /* a query changes nothing else */
    vyi_mutex_lock(lock);
    const vyi_device *d = vyi_queue_device(q);
    v->backend->info(d, out);
    vyi_query_counts(v, out);
    out->backend = v->backend->id;
    memcpy(out->why_cpu, v->why_cpu, sizeof out->why_cpu);
    out->workgroup_size = d->group_size;
    out->worker_groups = d->groups;
    out->lane_count = d->group_size * d->groups;
    out->pipeline_id = d->pipeline_id + q->loss.count;
    out->device_bytes = d->bytes;
    out->recoveries = q->loss.count;
    out->running = q->state == VYI_STATE_RUNNING || q->state == VYI_STATE_STOPPING;
    out->shut_down = q->state == VYI_STATE_SHUT;
    out->device_lost = q->state == VYI_STATE_LOST;
    out->leases = q->chain.leases;
    out->passes = q->chain.passes;
    out->lease_ns = q->chain.lease_ns;
    out->lease_rounds = q->chain.rounds;
    if (q->state != VYI_STATE_LOST)
        out->log_dropped = vyi_control_load(d, VYRE_CONTROL_LOG_DROPPED);
    vyi_mutex_unlock(lock);
}

/* --- start, stop --------------------------------------------------------- */

static vyre_status vyi_queue_start(vyi_queue *q, vyre_error *err)
{
    if (q->state == VYI_STATE_RUNNING)
        return VYRE_OK;
    if (q->state == VYI_STATE_LOST)
        return vyi_queue_lost(q, &q->loss.how, err);
    vyre_status status = vyi_queue_settle(q, vyi_deadline(q->v->desc.lease.timeout_ns), err);
    if (status == VYRE_TIMEOUT)
        status = vyi_fail(err, VYRE_E_RUNNING, vyi_queue_in_flight(q),
                          "Call vyre_stop() with a longer timeout first.",
                          "%u launches of before have not ended", vyi_queue_in_flight(q));
    if (status != VYRE_OK)
        return status;
    vyi_queue_bury(q);
    vyi_queue_set_shutdown(q, 0);
    q->chain.before = q->chain.after = 0;
    vyi_store_release(&q->state, VYI_STATE_RUNNING);
    status = vyi_queue_drive(q, VYI_EFFORT_LOOK, err);
    if (status < 0 && q->state == VYI_STATE_RUNNING && vyi_queue_in_flight(q) == 0)
        vyi_store_release(&q->state, VYI_STATE_IDLE);
    return status;
}

VYI_COLD
VYRE_API vyre_status vyre_start(vyre *v, vyre_error *err)
{
    if (!v)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle.", "the handle is NULL");
    vyi_mutex_lock(&v->lock);
    const vyre_status status = vyi_queue_start(&v->queue, err);
    vyi_mutex_unlock(&v->lock);
    return status;
}

/* What has ended without doing so itself. */
static void vyi_queue_abort(vyi_queue *q)
{
    vyi_device *d = vyi_queue_device(q);
    if (!d->backend->abort)
        return;
    vyi_store_release(&q->aborted, 1);
    d->backend->abort(d);
}

/* The lock, unless the deadline passes first. */
static bool vyi_lock_until(vyre *v, uint64_t deadline)
{
    while (!vyi_mutex_try(&v->lock)) {
        if (vyi_now() >= deadline)
            return false;
        vyi_sleep(100000);
    }
    return true;
}

/* Waits for what is in flight, at first for its own end, later by force. */
static vyre_status vyi_queue_halt(vyi_queue *q, uint64_t patience, uint64_t deadline,
                                   vyre_error *err)
{
    vyi_queue_set_shutdown(q, 1);
    vyre_status status = vyi_queue_settle(q, patience, err);
    if (status == VYRE_TIMEOUT) {
        vyi_queue_abort(q);
        status = vyi_queue_settle(q, deadline, err);
    }
    if (status == VYRE_TIMEOUT)
        vyi_store_release(&q->state, VYI_STATE_STOPPING);
    if (status != VYRE_OK)
        return status;
    vyi_queue_bury(q);
    vyi_queue_set_shutdown(q, 0);
    q->chain.before = q->chain.after = 0;
    vyi_store_release(&q->state, VYI_STATE_IDLE);
    vyi_queue_deliver_log(q);
    return VYRE_OK;
}

static vyre_status vyi_queue_stop(vyi_queue *q, uint64_t timeout_ns, vyre_error *err)
{
    const uint64_t deadline = vyi_deadline(timeout_ns);
    const uint64_t patience =
        deadline == UINT64_MAX ? deadline : deadline - timeout_ns / 2;

    static const char fix[] = "Stop again with a longer timeout, or close the handle.";
    const unsigned long long ms = timeout_ns / 1000000u;
    if (!vyi_lock_until(q->v, patience)) {
        vyi_queue_abort(q);
        if (!vyi_lock_until(q->v, deadline))
            return vyi_fail(err, VYRE_TIMEOUT, 0, fix,
                            "another call held the handle for all of the %llu ms", ms);
    }
    const vyre_status status = q->state == VYI_STATE_LOST
                                   ? vyi_queue_lost(q, &q->loss.how, err)
                                   : vyi_queue_halt(q, patience, deadline, err);
    const uint32_t left = vyi_queue_in_flight(q);
    vyi_mutex_unlock(&q->v->lock);
    if (status == VYRE_TIMEOUT)
        vyi_fail(err, status, left, fix, "%u launches have not ended within %llu ms", left, ms);
    return status;
}

VYI_COLD
VYRE_API vyre_status vyre_stop(vyre *v, uint64_t timeout_ns, vyre_error *err)
{
    if (!v)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle.", "the handle is NULL");
    return vyi_queue_stop(&v->queue, timeout_ns, err);
}

VYI_COLD
VYRE_API void vyre_close(vyre *v)
{
    if (!v)
        return;
    vyi_queue *q = &v->queue;
    vyi_helper_stop(v);
    (void)vyi_queue_stop(q, VYI_CLOSE_TIMEOUT_NS, NULL);
    bool freed = v->backend->close(vyi_queue_device(q));
    for (uint32_t i = 0; i < q->loss.count; i++)
        freed = v->backend->close((vyi_device *)((void **)q->loss.retired)[i]) && freed;
    if (freed)
        vyi_handle_free(v);
    else
        vyi_message(&v->desc.messages, VYRE_SEVERITY_WARNING,
                    "a launch would not end: what it uses is leaked");
}

/* --- recovery ------------------------------------------------------------ */

/* What becomes of a held slot's mark, decided by what had been seen of its work. */
static uint32_t vyi_slot_recover(vyi_queue *q, vyi_device *d, uint32_t slot)
{
    const uint32_t mark = q->slots.kept[slot];
    const uint32_t generation = mark >> VYI_GENERATION_BIT;
    const uint32_t next = (generation + 1u) & VYI_GENERATION_MASK;
    const uint32_t epoch = ~mark & VYI_MARK_EPOCH;

    if ((mark & VYI_PHASE_MASK) == VYI_PHASE_FLIGHT) {
        if (q->slots.record) {
            vyi_slot_write(q, d, slot, &q->slots.record[slot]);
            return generation << VYI_GENERATION_BIT | epoch | VYI_PHASE_FLIGHT;
        }
        vyi_slot_trouble(q, slot, generation, VYI_TROUBLE_LOST, false);
        return generation << VYI_GENERATION_BIT | epoch | VYI_PHASE_FREE;
    }
    /* Results are gone with the device, so the generation is over. */
    return (generation ? (next ? next : 1) : 0) << VYI_GENERATION_BIT | epoch | VYI_PHASE_FREE;
}

VYI_COLD
VYI_API vyre_status vyi_queue_recover(vyi_queue *q, vyre_error *err)
{
    vyi_device *d = NULL;
    if (!vyi_grow(&q->v->desc.allocator, &q->loss.retired, &q->loss.retired_capacity,
                  q->loss.count + 1, sizeof(void *)))
        return vyi_fail_nomem(err, (q->loss.count + 1) * sizeof(void *));
    const vyre_status status = vyi_device_open(q, &d, err);
    if (status != VYRE_OK)
        return status;

    (void)vyi_queue_hold(q, true);
    ((void **)q->loss.retired)[q->loss.count++] = vyi_queue_device(q);
    vyi_store_pointer(&q->device, d);
    vyi_chain_begin(q);
    vyi_store_release(&q->aborted, 0);
    if (q->v->desc.recovered)
        q->v->desc.recovered(q->v->desc.recovered_user, q->v);
    for (uint32_t slot = 0; slot < q->slots.count; slot++)
        vyi_store_release(&q->slots.kept[slot], vyi_slot_recover(q, d, slot));
    vyi_queue_unhold(q);
    vyi_store_release(&q->state, q->loss.was_running ? VYI_STATE_RUNNING : VYI_STATE_IDLE);
    vyi_message(&q->v->desc.messages, VYRE_SEVERITY_INFO, "the device was replaced (%u)",
                q->loss.count);
    return q->loss.was_running ? vyi_queue_drive(q, VYI_EFFORT_LOOK, err) : VYRE_OK;
}

VYI_COLD
VYRE_API vyre_status vyre_recover(vyre *v, vyre_error *err)
{
    if (!v)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle.", "the handle is NULL");
    vyi_mutex_lock(&v->lock);
    const vyre_status status =
        v->queue.state == VYI_STATE_LOST ? vyi_queue_recover(&v->queue, err) : VYRE_OK;
    vyi_mutex_unlock(&v->lock);
    return status;
}
/* ==========================================================================
 * cpu: the interpreter as a device
 *
 * One workgroup serves the ring, its lanes striding.  Passes run inside
 * launch, on the caller's thread.  The looping program runs on a thread of
 * its own; without threads, reap runs a few rounds of it.
 *
 * An idle kernel must not burn a core.  The machine asks before each round,
 * and the answer waits while there is nothing to do: `news` counts what was
 * published, in its upper bits; bit 0 says that the thread sleeps and wants to
 * be woken.  Both are one word, so that no publisher can slip in between the
 * thread's last look and its sleep.
 * ======================================================================= */


#define VYI_CPU_SPIN_NS     50000u
#define VYI_CPU_NAP_NS      10000000u /* then a round is run, news or not */
#define VYI_CPU_SHORT_NS    100000u   /* likewise, where rounds have work of their own */
#define VYI_CPU_PUMP_ROUNDS 16u
#define VYI_CPU_ALIGN       64u

#define VYI_CPU_SLEEPS 1u
#define VYI_CPU_NEWS   2u

typedef struct vyi_cpu {
    vyi_device     base;
    uint32_t       news;     /* see above */
    uint32_t       stop;     /* abort */
    vyre_allocator allocator;
    vyi_machine   *loop, *once;
    void          *block;    /* of the resident buffers */
    size_t         block_size;
    size_t         size[VYI_MAX_BUFFERS];
    uint32_t       buffer_count, mirror;
    void          *attached; /* block of the attached set */
    size_t         attached_size;
    size_t         attached_sizes[VYI_MAX_BUFFERS];
    void          *attached_map[VYI_MAX_BUFFERS];
    uint64_t       completed;
    /* The looping program. */
    bool           looping;  /* launched, and its end not yet reaped */
    uint32_t       rounds;
    uint64_t       nap_ns;
    uint32_t       seen;     /* of `news`, by the kernel */
    uint32_t       ended;    /* works, when the last round began */
    vyi_thread     thread;
    vyi_mutex      lock;
    vyi_cond       changed;
    bool           finished; /* the thread is about to end; under the lock */
} vyi_cpu;

/* --- idling -------------------------------------------------------------- */

static uint32_t vyi_cpu_control(const vyi_cpu *c, uint32_t word)
{
    return vyi_control_load(&c->base, word);
}

static bool vyi_cpu_stopped(const vyi_cpu *c)
{
    return vyi_load_acquire(&c->stop) || vyi_cpu_control(c, VYRE_CONTROL_SHUTDOWN);
}

static void vyi_cpu_wake(vyi_device *d)
{
    vyi_cpu *c = (vyi_cpu *)d;
    if (vyi_fetch_add(&c->news, VYI_CPU_NEWS) & VYI_CPU_SLEEPS) {
        vyi_mutex_lock(&c->lock);
        vyi_cond_signal(&c->changed);
        vyi_mutex_unlock(&c->lock);
    }
}

/* Sleeps until there is news, or for a nap. */
static void vyi_cpu_sleep(vyi_cpu *c)
{
    const uint32_t quiet = c->seen;
    if (vyi_compare_exchange(&c->news, quiet, quiet | VYI_CPU_SLEEPS) != quiet)
        return;
    vyi_mutex_lock(&c->lock);
    if (vyi_load_acquire(&c->news) == (quiet | VYI_CPU_SLEEPS) && !vyi_cpu_stopped(c))
        vyi_cond_wait(&c->changed, &c->lock, c->nap_ns);
    vyi_mutex_unlock(&c->lock);
    /* Nobody else clears the bit. */
    (void)vyi_fetch_add(&c->news, (uint32_t)-(int32_t)VYI_CPU_SLEEPS);
}

/* True at once when the last round has ended work, for it may have left some. */
static bool vyi_cpu_has_news(vyi_cpu *c)
{
    const uint32_t news = vyi_load_acquire(&c->news);
    const uint32_t ended = vyi_cpu_control(c, VYRE_CONTROL_DONE_COUNT) +
                           vyi_cpu_control(c, VYRE_CONTROL_FAULT_COUNT);
    const bool moved = news != c->seen || ended != c->ended;
    c->seen = news;
    c->ended = ended;
    return moved;
}

/* Before each round of the looping program: false ends it. */
static bool vyi_cpu_ask(void *user, uint64_t round)
{
    vyi_cpu *c = (vyi_cpu *)user;
    if (vyi_cpu_stopped(c))
        return false;
    if (round == 0 || vyi_cpu_has_news(c))
        return true;
    const uint64_t begin = vyi_now();
    do {
        for (uint32_t i = 0; i < 64; i++)
            vyi_pause();
        if (vyi_cpu_stopped(c))
            return false;
        if (vyi_cpu_has_news(c))
            return true;
        vyi_yield(); /* the publisher may wait for this processor */
    } while (vyi_now() - begin < VYI_CPU_SPIN_NS);
    vyi_cpu_sleep(c);
    return !vyi_cpu_stopped(c);
}

/* --- running ------------------------------------------------------------- */

static const uint32_t vyi_cpu_one_group[3] = { 1, 1, 1 };

#if VYI_THREADS
/* A run may also end because its loops were cut; then another one follows. */
static void vyi_cpu_main(void *user)
{
    vyi_cpu *c = (vyi_cpu *)user;
    do {
        (void)vyi_machine_run(c->loop, vyi_cpu_one_group, c->rounds, NULL);
    } while (c->rounds == 0 && !vyi_cpu_stopped(c));
    vyi_mutex_lock(&c->lock);
    c->finished = true;
    vyi_cond_signal(&c->changed);
    vyi_mutex_unlock(&c->lock);
}
#endif

static vyre_status vyi_cpu_launch_loop(vyi_cpu *c, uint32_t rounds, vyre_error *err)
{
    if (c->looping)
        return vyi_fail(err, VYRE_E_LAUNCH, 1, "Wait for the launch in flight.",
                        "the CPU runs one looping program at a time");
    c->rounds = rounds;
    c->finished = false;
#if VYI_THREADS
    if (!vyi_thread_start(&c->thread, vyi_cpu_main, c))
        return vyi_fail(err, VYRE_E_THREAD, 0, "Free system resources, or use passes.",
                        "the system gave no thread for the kernel");
#endif
    c->looping = true;
    return VYRE_OK;
}

static vyre_status vyi_cpu_launch_bytes(vyi_cpu *c, vyre_error *err)
{
    vyre_status status = vyi_machine_bind(c->once, c->attached_map, c->attached_sizes,
                                          c->buffer_count, err);
    if (status < 0)
        return status;
    status = vyi_machine_run(c->once, vyi_cpu_one_group, 0, err);
    (void)vyi_machine_bind(c->once, c->base.map, c->size, c->buffer_count, NULL);
    return status;
}

static vyre_status vyi_cpu_launch(vyi_device *d, vyi_launch what, uint32_t rounds,
                                  vyre_error *err)
{
    vyi_cpu *c = (vyi_cpu *)d;
    vyi_store_release(&c->stop, 0);
    if (what == VYI_LAUNCH_LOOP)
        return vyi_cpu_launch_loop(c, rounds, err);
    const vyre_status status = what == VYI_LAUNCH_BYTES
                                   ? vyi_cpu_launch_bytes(c, err)
                                   : vyi_machine_run(c->once, vyi_cpu_one_group, 0, err);
    if (status < 0)
        return status;
    c->completed++;
    return VYRE_OK;
}

#if VYI_THREADS
static void vyi_cpu_join(vyi_cpu *c, uint64_t timeout_ns)
{
    const uint64_t deadline = vyi_deadline(timeout_ns);
    vyi_mutex_lock(&c->lock);
    while (!c->finished) {
        const uint64_t now = vyi_now();
        if (now >= deadline)
            break;
        vyi_cond_wait(&c->changed, &c->lock, deadline - now);
    }
    const bool finished = c->finished;
    vyi_mutex_unlock(&c->lock);
    if (!finished)
        return;
    vyi_thread_join(&c->thread);
    c->looping = false;
    c->completed++;
}
#else
static void vyi_cpu_join(vyi_cpu *c, uint64_t timeout_ns)
{
    (void)timeout_ns;
    const uint32_t most = VYI_CPU_PUMP_ROUNDS;
    const uint32_t rounds = c->rounds && c->rounds < most ? c->rounds : most;
    if (!vyi_cpu_stopped(c))
        (void)vyi_machine_run(c->loop, vyi_cpu_one_group, rounds, NULL);
    if (c->rounds)
        c->rounds -= rounds;
    else if (!vyi_cpu_stopped(c))
        return;
    if (c->rounds && !vyi_cpu_stopped(c))
        return;
    c->looping = false;
    c->completed++;
}
#endif

static vyre_status vyi_cpu_reap(vyi_device *d, uint64_t beyond, uint64_t timeout_ns,
                                uint64_t *completed, vyre_error *err)
{
    vyi_cpu *c = (vyi_cpu *)d;
    (void)err;
    if (c->looping && c->completed <= beyond)
        vyi_cpu_join(c, timeout_ns);
    *completed = c->completed;
    return VYRE_OK;
}

static void vyi_cpu_abort(vyi_device *d)
{
    vyi_cpu *c = (vyi_cpu *)d;
    vyi_store_release(&c->stop, 1);
    vyi_cpu_wake(d);
}

/* --- memory -------------------------------------------------------------- */

/* Lays `count` buffers out in one zeroed block, each on a cache line of its
 * own.  NULL when there is no memory. */
static void *vyi_cpu_block(const vyre_allocator *allocator, const size_t *sizes, uint32_t count,
                           void **map, size_t *block_size)
{
    size_t total = VYI_CPU_ALIGN;
    for (uint32_t i = 0; i < count; i++) {
        if (!vyi_size_add(total, sizes[i], &total) ||
            !vyi_size_add(total, VYI_CPU_ALIGN, &total))
            return NULL;
    }
    uint8_t *block = (uint8_t *)vyi_alloc(allocator, total);
    if (!block)
        return NULL;
    memset(block, 0, total);
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        at += (VYI_CPU_ALIGN - ((uintptr_t)block + at) % VYI_CPU_ALIGN) % VYI_CPU_ALIGN;
        map[i] = block + at;
        at += sizes[i];
    }
    *block_size = total;
    return block;
}

static vyre_status vyi_cpu_attach(vyi_device *d, const size_t size[VYI_CORE_BUFFERS],
                                  void *map[VYI_CORE_BUFFERS], vyre_error *err)
{
    vyi_cpu *c = (vyi_cpu *)d;
    size_t sizes[VYI_CORE_BUFFERS + 1];
    void *fresh[VYI_CORE_BUFFERS + 1];
    size_t block_size;
    memcpy(sizes, size, VYI_CORE_BUFFERS * sizeof sizes[0]);
    sizes[VYI_CORE_BUFFERS] = c->size[c->mirror];

    if (!c->attached ||
        memcmp(sizes, c->attached_sizes, VYI_CORE_BUFFERS * sizeof sizes[0]) != 0) {
        void *block = vyi_cpu_block(&c->allocator, sizes, VYI_CORE_BUFFERS + 1, fresh,
                                    &block_size);
        if (!block)
            return vyi_fail_nomem(err, sizes[1]);
        vyi_free(&c->allocator, c->attached, c->attached_size);
        c->attached = block;
        c->attached_size = block_size;
        memcpy(c->attached_map, c->base.map, sizeof c->attached_map);
        memcpy(c->attached_sizes, c->size, sizeof c->attached_sizes);
        memcpy(c->attached_map, fresh, VYI_CORE_BUFFERS * sizeof fresh[0]);
        memcpy(c->attached_sizes, sizes, VYI_CORE_BUFFERS * sizeof sizes[0]);
        c->attached_map[c->mirror] = fresh[VYI_CORE_BUFFERS];
    }
    memcpy(map, c->attached_map, VYI_CORE_BUFFERS * sizeof map[0]);
    return VYRE_OK;
}

/* --- life ---------------------------------------------------------------- */

static void vyi_cpu_free(vyi_cpu *c)
{
    const vyre_allocator allocator = c->allocator;
    vyi_machine_destroy(c->loop);
    vyi_machine_destroy(c->once);
    vyi_free(&allocator, c->attached, c->attached_size);
    vyi_free(&allocator, c->block, c->block_size);
    vyi_cond_free(&c->changed);
    vyi_mutex_free(&c->lock);
    vyi_free(&allocator, c, sizeof *c);
}

static bool vyi_cpu_close(vyi_device *d)
{
    vyi_cpu *c = (vyi_cpu *)d;
    uint64_t completed;
    if (c->looping) {
        vyi_cpu_abort(d);
        (void)vyi_cpu_reap(d, c->completed, 1000000000u, &completed, NULL);
        if (c->looping)
            return false;
    }
    vyi_cpu_free(c);
    return true;
}

/* Loops of one slot are limited by the kernel's allowance; the machine's limit
 * is for a whole run, and only needs to leave room for that. */
static uint32_t vyi_cpu_loop_limit(const vyre_desc *desc)
{
    const uint32_t limit = desc->kernel.loop_allowance;
    return limit > UINT32_MAX / 8 ? UINT32_MAX : limit < 65536 ? 524288 : limit * 8;
}

static vyre_status vyi_cpu_machines(vyi_cpu *c, const vyi_device_desc *desc, vyre_error *err)
{
    vyre_interp_desc interp;
    memset(&interp, 0, sizeof interp);
    interp.buffers = c->base.map;
    interp.sizes = c->size;
    interp.buffer_count = c->buffer_count;
    interp.allocator = c->allocator;
    interp.loop_limit = vyi_cpu_loop_limit(desc->desc);
    vyre_status status = vyi_machine_create(desc->once, &interp, &c->once, err);
    if (VYI_THREADS && desc->desc->loop_limit == 0)
        interp.loop_limit = 0; /* a thread can be told to stop */
    if (status == VYRE_OK)
        status = vyi_machine_create(desc->loop, &interp, &c->loop, err);
    if (status != VYRE_OK)
        return status;
    vyi_machine_on_round(c->loop, vyi_cpu_ask, c);
    vyi_machine_stop_by(c->loop, &c->stop);
    vyi_machine_stop_by(c->once, &c->stop);
    return VYRE_OK;
}

static void vyi_cpu_describe(vyi_cpu *c, const vyi_device_desc *desc)
{
    const vyre_kernel_desc *k = &desc->desc->kernel;
    const bool restless = k->workspace || k->io_polling || k->load_miss;
    vyi_device *d = &c->base;
    d->in_flight = 1;
    d->endless = true;
    d->pumped = !VYI_THREADS;
    d->group_size = desc->group_size;
    d->groups = 1;
    d->bytes = c->block_size;
    d->pipeline_id = vyre_program_hash(desc->loop);
    c->nap_ns = restless || desc->desc->lease.rounds ? VYI_CPU_SHORT_NS : VYI_CPU_NAP_NS;
}

static vyre_status vyi_cpu_fill(vyi_cpu *c, const vyi_device_desc *desc, vyre_error *err)
{
    c->buffer_count = desc->buffer_count;
    for (uint32_t i = 0; i < desc->buffer_count; i++) {
        c->size[i] = desc->buffers[i].size;
        if (desc->buffers[i].role == VYI_ROLE_MIRROR)
            c->mirror = i;
    }
    c->block = vyi_cpu_block(&c->allocator, c->size, c->buffer_count, c->base.map,
                             &c->block_size);
    if (!c->block)
        return vyi_fail_nomem(err, c->size[VYI_ROLE_RING]);
    vyi_cpu_describe(c, desc);
    return vyi_cpu_machines(c, desc, err);
}

VYI_COLD
static vyre_status vyi_cpu_open(const vyi_device_desc *desc, vyi_device **out, vyre_error *err)
{
    const vyre_allocator allocator = desc->desc->allocator;
    vyi_cpu *c = (vyi_cpu *)vyi_alloc(&allocator, sizeof *c);
    if (!c)
        return vyi_fail_nomem(err, sizeof *c);
    memset(c, 0, sizeof *c);
    c->allocator = allocator;
    c->base.backend = vyi_cpu_backend();
    if (!vyi_mutex_init(&c->lock)) {
        vyi_free(&allocator, c, sizeof *c);
        return vyi_fail(err, VYRE_E_THREAD, 0, "Free system resources.",
                        "the system gave no lock");
    }
    if (!vyi_cond_init(&c->changed)) {
        vyi_mutex_free(&c->lock);
        vyi_free(&allocator, c, sizeof *c);
        return vyi_fail(err, VYRE_E_THREAD, 0, "Free system resources.",
                        "the system gave no condition");
    }
    const vyre_status status = vyi_cpu_fill(c, desc, err);
    if (status != VYRE_OK) {
        vyi_cpu_free(c);
        return status;
    }
    *out = &c->base;
    return VYRE_OK;
}

static void vyi_cpu_info(const vyi_device *d, vyre_info *info)
{
    (void)d;
    info->backend = VYRE_BACKEND_CPU;
    snprintf(info->device, sizeof info->device, "CPU interpreter");
    snprintf(info->driver, sizeof info->driver, "vyre %s", VYRE_VERSION_STRING);
    info->probe.live = info->probe.host_to_device = info->probe.device_to_host = true;
    info->probe.resident_groups = 1;
    snprintf(info->probe.text, sizeof info->probe.text,
             "live: the kernel runs in this process, %s",
             VYI_THREADS ? "on a thread of its own" : "inside wait and poll");
}

VYI_API const vyi_backend *vyi_cpu_backend(void)
{
    static const vyi_backend backend = {
        VYRE_BACKEND_CPU, "cpu",          vyi_cpu_open,   vyi_cpu_close, vyi_cpu_info,
        vyi_cpu_launch,   vyi_cpu_reap,   vyi_cpu_attach, vyi_cpu_wake,  vyi_cpu_abort, false
    };
    return &backend;
}
/* ==========================================================================
 * vulkan: finding the loader, filling the table, naming results
 * ======================================================================= */
/* ==========================================================================
 * vulkan: what its fragments share
 *
 * Private.  Types come from volk's header, functions from a table that each
 * handle fills for itself, through vkGetInstanceProcAddr and
 * vkGetDeviceProcAddr, as volk fills its device tables.
 *
 * volk's own implementation is not compiled in, because it cannot be kept
 * private: it defines about a thousand objects that are named like the
 * functions of the Vulkan loader (vkCreateInstance, ...).  Hidden or not, the
 * linker would resolve a program's calls of the loader to those objects, and
 * would refuse a program that builds volk itself.  A table of a handle's own
 * also lets handles live on different instances and devices.  With
 * VYRE_EXTERNAL_VOLK the table starts from the program's volk.
 * ======================================================================= */
#ifndef VYI_VULKAN_IMPL_H
#define VYI_VULKAN_IMPL_H


#ifndef VYRE_NO_VULKAN
    #ifdef VULKAN_CORE_H_
        #define VYI_VULKAN 1 /* the program chose its Vulkan headers already */
    #elif defined(VYRE_EXTERNAL_VOLK)
        #define VYI_VULKAN 1
    #elif defined(__has_include)
        #if __has_include(<volk.h>)
            #define VYI_VULKAN 1
        #endif
    #endif
#endif
#ifndef VYI_VULKAN
    #define VYI_VULKAN 0
#endif

#if VYI_VULKAN

#if !defined(VULKAN_CORE_H_) || defined(VYRE_EXTERNAL_VOLK)
    #include <volk.h>
#endif

VYI_EXTERN_C_BEGIN

/* --- functions ----------------------------------------------------------- */

/* Reached without an instance. */
#define VYI_VK_GLOBAL_LIST(X)                                                                      \
    X(vkCreateInstance)                                                                            \
    X(vkEnumerateInstanceVersion)                                                                  \
    X(vkEnumerateInstanceExtensionProperties)

#define VYI_VK_INSTANCE_LIST(X)                                                                    \
    X(vkDestroyInstance)                                                                           \
    X(vkEnumeratePhysicalDevices)                                                                  \
    X(vkEnumerateDeviceExtensionProperties)                                                        \
    X(vkGetPhysicalDeviceProperties)                                                               \
    X(vkGetPhysicalDeviceProperties2)                                                              \
    X(vkGetPhysicalDeviceFeatures2)                                                                \
    X(vkGetPhysicalDeviceQueueFamilyProperties)                                                    \
    X(vkGetPhysicalDeviceMemoryProperties)                                                         \
    X(vkCreateDevice)                                                                              \
    X(vkGetDeviceProcAddr)

#define VYI_VK_DEVICE_LIST(X)                                                                      \
    X(vkDestroyDevice)                                                                             \
    X(vkGetDeviceQueue)                                                                            \
    X(vkCreateBuffer)                                                                              \
    X(vkDestroyBuffer)                                                                             \
    X(vkGetBufferMemoryRequirements)                                                               \
    X(vkAllocateMemory)                                                                            \
    X(vkFreeMemory)                                                                                \
    X(vkBindBufferMemory)                                                                          \
    X(vkMapMemory)                                                                                 \
    X(vkCreateShaderModule)                                                                        \
    X(vkDestroyShaderModule)                                                                       \
    X(vkCreateDescriptorSetLayout)                                                                 \
    X(vkDestroyDescriptorSetLayout)                                                                \
    X(vkCreatePipelineLayout)                                                                      \
    X(vkDestroyPipelineLayout)                                                                     \
    X(vkCreatePipelineCache)                                                                       \
    X(vkDestroyPipelineCache)                                                                      \
    X(vkGetPipelineCacheData)                                                                      \
    X(vkCreateComputePipelines)                                                                    \
    X(vkDestroyPipeline)                                                                           \
    X(vkCreateDescriptorPool)                                                                      \
    X(vkDestroyDescriptorPool)                                                                     \
    X(vkAllocateDescriptorSets)                                                                    \
    X(vkUpdateDescriptorSets)                                                                      \
    X(vkCreateCommandPool)                                                                         \
    X(vkDestroyCommandPool)                                                                        \
    X(vkResetCommandPool)                                                                          \
    X(vkAllocateCommandBuffers)                                                                    \
    X(vkBeginCommandBuffer)                                                                        \
    X(vkEndCommandBuffer)                                                                          \
    X(vkCmdBindPipeline)                                                                           \
    X(vkCmdBindDescriptorSets)                                                                     \
    X(vkCmdPushConstants)                                                                          \
    X(vkCmdPipelineBarrier)                                                                        \
    X(vkCmdDispatch)                                                                               \
    X(vkQueueSubmit)                                                                               \
    X(vkCreateFence)                                                                               \
    X(vkDestroyFence)                                                                              \
    X(vkResetFences)                                                                               \
    X(vkGetFenceStatus)                                                                            \
    X(vkWaitForFences)

/* Absent where the feature is. */
#define VYI_VK_OPTIONAL_LIST(X)                                                                    \
    X(vkCreateSemaphore)                                                                           \
    X(vkDestroySemaphore)                                                                          \
    X(vkGetSemaphoreCounterValue)                                                                  \
    X(vkWaitSemaphores)                                                                            \
    X(vkSetDebugUtilsObjectNameEXT)                                                                \
    X(vkCreateDebugUtilsMessengerEXT)                                                              \
    X(vkDestroyDebugUtilsMessengerEXT)

/* Every Vulkan function that the library calls, by its own name. */
typedef struct vyi_vk_table {
    PFN_vkGetInstanceProcAddr vkGetInstanceProcAddr;
#define VYI_VK_MEMBER(name) PFN_##name name;
    VYI_VK_GLOBAL_LIST(VYI_VK_MEMBER)
    VYI_VK_INSTANCE_LIST(VYI_VK_MEMBER)
    VYI_VK_DEVICE_LIST(VYI_VK_MEMBER)
    VYI_VK_OPTIONAL_LIST(VYI_VK_MEMBER)
#undef VYI_VK_MEMBER
} vyi_vk_table;

/* The process's Vulkan loader, or NULL. */
VYI_API PFN_vkGetInstanceProcAddr vyi_vk_find_loader(void);
/* Drivers that must not be unloaded stay for the life of the process; call it
 * while an instance is open. */
VYI_API void vyi_vk_keep_drivers(void);
/* Each fills its part of the table; an error names the function that is missing. */
VYI_API vyre_status vyi_vk_load_global(vyi_vk_table *fn, vyre_error *err);
VYI_API vyre_status vyi_vk_load_instance(vyi_vk_table *fn, VkInstance instance, vyre_error *err);
VYI_API vyre_status vyi_vk_load_device(vyi_vk_table *fn, VkDevice device, vyre_error *err);

/* --- results ------------------------------------------------------------- */

/* The name of a VkResult, "VK_ERROR_..."; NULL for one that is not known. */
VYI_API const char *vyi_vk_result_text(VkResult result);
/* A failed call as a typed error: the call's name and the code are in the text,
 * the code in err->native. */
VYI_API vyre_status vyi_vk_fail(vyre_error *err, VkResult result, const char *call);
/* VYRE_OK for VK_SUCCESS, else vyi_vk_fail. */
VYI_API vyre_status vyi_vk_check(vyre_error *err, VkResult result, const char *call);

/* vyi_vk_check of one call of the table. */
#define VYI_VK(err, fn, name, arguments) vyi_vk_check((err), (fn).name arguments, #name)

/* --- device -------------------------------------------------------------- */

/* What the device can do that is of use here, and has been switched on. */
typedef struct vyi_vk_features {
    bool     timeline;     /* timeline semaphores */
    bool     memory_model; /* the Vulkan memory model, at device scope */
    bool     names;        /* VK_EXT_debug_utils */
    bool     llvmpipe;     /* Mesa's, whose fences need a way around */
    uint32_t subgroup_size, subgroup_operations;
} vyi_vk_features;

/* Where a buffer lies is decided by who polls it. */
typedef enum vyi_vk_place {
    VYI_VK_DEVICE = 0, /* the device polls or works on it, the host writes */
    VYI_VK_HOST,       /* the host polls or reads it, the device writes */
    VYI_VK_PLACES
} vyi_vk_place;

typedef struct vyi_vk_context {
    vyi_vk_table     fn;
    const vyre_desc *desc;        /* the user's; outlives the device */
    const VkAllocationCallbacks *callbacks;
    VkInstance       instance;
    VkDebugUtilsMessengerEXT messenger;
    VkPhysicalDevice physical;
    VkDevice         device;
    VkQueue          queue;
    uint32_t         family;
    uint32_t         instance_version;
    uint32_t         version;     /* that instance and device have in common */
    bool             owns_instance, owns_device;
    bool             lost;        /* the driver said so: nothing runs any more */
    bool             hung;        /* something runs that will not end: leak it */
    vyi_vk_features  features;
    VkPhysicalDeviceProperties       properties;
    VkPhysicalDeviceMemoryProperties memory;
    uint32_t         probed[VYI_VK_PLACES]; /* memory types in which the probe looked */
    VkPhysicalDeviceIDProperties     id;
    char             driver[128];
} vyi_vk_context;

/* Opens what the desc describes, from the loader to the queue.  On failure
 * nothing is left and *c is zeroed. */
VYI_API vyre_status vyi_vk_context_open(vyi_vk_context *c, const vyre_desc *desc, vyre_error *err);
/* Destroys what the library created of it; nothing may be in flight. */
VYI_API void vyi_vk_context_close(vyi_vk_context *c);
/* As vyi_vk_check; notes when the device is lost. */
VYI_API vyre_status vyi_vk_context_check(vyi_vk_context *c, vyre_error *err, VkResult result,
                                         const char *call);
/* Names an object for debuggers, where that is possible. */
VYI_API void vyi_vk_name(vyi_vk_context *c, VkObjectType type, uint64_t handle, const char *name);

/* One call on the context's device, by its own name. */
#define VYI_VKC(c, err, name, arguments)                                                           \
    vyi_vk_context_check((c), (err), (c)->fn.name arguments, #name)

/* Non-dispatchable handles are pointers on some machines and numbers on others. */
#define VYI_VK_HANDLE(handle) ((uint64_t)(handle))

/* --- memory -------------------------------------------------------------- */

/* Always coherent and always mapped. */
typedef struct vyi_vk_buffer {
    VkBuffer              buffer;
    VkDeviceMemory        memory;
    void                 *mapped;
    size_t                size;
    uint32_t              type;  /* of memory, that it got */
    VkMemoryPropertyFlags flags; /* of that type */
} vyi_vk_buffer;

/* A zeroed storage buffer.  On failure *b is zeroed. */
VYI_API vyre_status vyi_vk_buffer_create(vyi_vk_context *c, vyi_vk_buffer *b, vyi_vk_place place,
                                         size_t size, const char *name, vyre_error *err);
VYI_API void vyi_vk_buffer_destroy(vyi_vk_context *c, vyi_vk_buffer *b);

/* --- kernels ------------------------------------------------------------- */

/* The layout that a set of programs shares: storage buffers and one push constant. */
typedef struct vyi_vk_layout {
    VkDescriptorSetLayout set;
    VkPipelineLayout      pipeline;
} vyi_vk_layout;

typedef struct vyi_vk_binding {
    uint32_t binding;
    VkBuffer buffer;
    size_t   size;
} vyi_vk_binding;

VYI_API vyre_status vyi_vk_layout_create(vyi_vk_context *c, vyi_vk_layout *l,
                                         const uint32_t *bindings, uint32_t count,
                                         vyre_error *err);
VYI_API void vyi_vk_layout_destroy(vyi_vk_context *c, vyi_vk_layout *l);

/* A pool for `sets` descriptor sets of `buffers` storage buffers each. */
VYI_API vyre_status vyi_vk_pool_create(vyi_vk_context *c, VkDescriptorPool *pool, uint32_t sets,
                                       uint32_t buffers, vyre_error *err);
VYI_API vyre_status vyi_vk_set_create(vyi_vk_context *c, VkDescriptorPool pool,
                                      const vyi_vk_layout *layout, VkDescriptorSet *set,
                                      vyre_error *err);
/* Points the set at the buffers; it must not be in use. */
VYI_API void vyi_vk_set_write(vyi_vk_context *c, VkDescriptorSet set,
                              const vyi_vk_binding *bindings, uint32_t count);

typedef struct vyi_vk_pipeline_desc {
    const vyre_program *program;
    const vyi_vk_layout *layout;
    VkPipelineCache     cache;      /* may be null */
    uint32_t            group_size; /* 0 = the program's own */
    uint32_t            loop_limit; /* 0 = none */
    const char         *name;
} vyi_vk_pipeline_desc;

VYI_API vyre_status vyi_vk_pipeline_create(vyi_vk_context *c, const vyi_vk_pipeline_desc *desc,
                                           VkPipeline *out, vyre_error *err);

/* The stored pipeline cache.  Null when nobody stores one. */
VYI_API vyre_status vyi_vk_cache_open(vyi_vk_context *c, uint64_t program, VkPipelineCache *out,
                                      vyre_error *err);
/* Hands the blob to the user's cache_store. */
VYI_API void vyi_vk_cache_store(vyi_vk_context *c, uint64_t program, VkPipelineCache cache);
/* Of program, device and driver. */
VYI_API uint64_t vyi_vk_identity(const vyi_vk_context *c, uint64_t program);

/* --- launches ------------------------------------------------------------ */

#define VYI_VK_KINDS 3u     /* as vyi_launch */
#define VYI_VK_MAX_CHAIN 9u /* launches that may be in flight */

/* What a command buffer runs. */
typedef struct vyi_vk_dispatch {
    VkPipeline      pipeline;
    VkPipelineLayout layout;
    VkDescriptorSet set;
    uint32_t        groups, rounds;
} vyi_vk_dispatch;

/* One place in the chain: it is used again when its launch has ended. */
typedef struct vyi_vk_link {
    VkFence         fence; /* without timeline semaphores */
    VkCommandPool   pools[VYI_VK_KINDS]; /* one each: drivers prefer resetting whole pools */
    VkCommandBuffer commands[VYI_VK_KINDS];
    vyi_vk_dispatch recorded[VYI_VK_KINDS]; /* pipeline null: nothing yet */
} vyi_vk_link;

/* Launches in their order: the n-th uses link n % count, and signals n + 1. */
typedef struct vyi_vk_chain {
    VkSemaphore   timeline;
    uint32_t      count;
    uint64_t      launched, completed;
    vyi_vk_link   links[VYI_VK_MAX_CHAIN];
} vyi_vk_chain;

VYI_API vyre_status vyi_vk_chain_create(vyi_vk_context *c, vyi_vk_chain *chain, uint32_t count,
                                        vyre_error *err);
VYI_API void vyi_vk_chain_destroy(vyi_vk_context *c, vyi_vk_chain *chain);
/* Recorded commands of this kind are out of date. */
VYI_API void vyi_vk_chain_forget(vyi_vk_chain *chain, uint32_t kind);
/* Submits; records first when this place in the chain last ran something else. */
VYI_API vyre_status vyi_vk_chain_launch(vyi_vk_context *c, vyi_vk_chain *chain, uint32_t kind,
                                        const vyi_vk_dispatch *dispatch, vyre_error *err);
/* Brings chain->completed up to date with one call, waiting until it exceeds
 * `beyond`, but no longer than the timeout. */
VYI_API vyre_status vyi_vk_chain_reap(vyi_vk_context *c, vyi_vk_chain *chain, uint64_t beyond,
                                      uint64_t timeout_ns, vyre_error *err);
/* True when nothing is in flight any more; waits no longer than the timeout. */
VYI_API bool vyi_vk_chain_idle(vyi_vk_context *c, vyi_vk_chain *chain, uint64_t timeout_ns);

/* --- probe --------------------------------------------------------------- */

/* Measures the device with a few small dispatches, in bounded time.  The group
 * size is that of the kernels to come, max_groups what they could use. */
VYI_API vyre_status vyi_vk_probe(vyi_vk_context *c, uint32_t group_size, uint32_t max_groups,
                                 vyre_probe *out, vyre_error *err);

VYI_EXTERN_C_END

#endif /* VYI_VULKAN */

#endif

#if VYI_VULKAN

#if !defined(_WIN32)
    #include <dlfcn.h>
#elif !defined(VYRE_EXTERNAL_VOLK)
    #ifndef WIN32_LEAN_AND_MEAN
        #define WIN32_LEAN_AND_MEAN
    #endif
    #ifndef NOMINMAX
        #define NOMINMAX
    #endif
    #include <windows.h>
#endif

/* --- the loader ---------------------------------------------------------- */

/* The library is never closed again: drivers leave threads and thread-local
 * destructors behind that must not lose their code. */
VYI_API PFN_vkGetInstanceProcAddr vyi_vk_find_loader(void)
{
#if defined(VYRE_EXTERNAL_VOLK)
    if (volkGetInstanceVersion() == 0 && volkInitialize() != VK_SUCCESS)
        return NULL;
    return vkGetInstanceProcAddr;
#elif defined(_WIN32)
    HMODULE library = LoadLibraryA("vulkan-1.dll");
    PFN_vkVoidFunction found =
        library ? (PFN_vkVoidFunction)GetProcAddress(library, "vkGetInstanceProcAddr") : NULL;
    return (PFN_vkGetInstanceProcAddr)found;
#else
    static const char *const names[] = {
    #if defined(__APPLE__)
        "libvulkan.dylib", "libvulkan.1.dylib", "libMoltenVK.dylib"
    #else
        "libvulkan.so.1", "libvulkan.so"
    #endif
    };
    void *library = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !library; i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    void *symbol = library ? dlsym(library, "vkGetInstanceProcAddr") : NULL;
    PFN_vkGetInstanceProcAddr get;
    memcpy(&get, &symbol, sizeof get); /* ISO C has no cast from object to function */
    return get;
#endif
}

/* The loader unloads drivers with the last instance.  NVIDIA's (seen in 580)
 * takes 56 bytes of static thread-local memory each time that it is loaded,
 * which the C library cannot give back: after about thirty instances it has no
 * more, and the driver is not found.  So one that is loaded stays. */
VYI_COLD
VYI_API void vyi_vk_keep_drivers(void)
{
#if !defined(_WIN32) && defined(RTLD_NOLOAD) && defined(RTLD_NODELETE)
    static const char *const names[] = { "libGLX_nvidia.so.0", "libEGL_nvidia.so.0" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        void *library = dlopen(names[i], RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
        if (library)
            dlclose(library); /* the mark remains */
    }
#endif
}

/* --- the table ----------------------------------------------------------- */

/* Gives a function's address, from an instance or a device. */
typedef struct vyi_vk_source {
    PFN_vkGetInstanceProcAddr instance_call; /* or NULL */
    PFN_vkGetDeviceProcAddr   device_call;
    VkInstance                instance;
    VkDevice                  device;
} vyi_vk_source;

typedef struct vyi_vk_entry {
    const char *name;
    size_t      offset; /* of its member of vyi_vk_table */
} vyi_vk_entry;

#define VYI_VK_ENTRY(name) { #name, offsetof(vyi_vk_table, name) },

static vyre_status vyi_vk_load(vyi_vk_table *fn, const vyi_vk_source *from,
                               const vyi_vk_entry *entries, size_t count, vyre_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const char *const name = entries[i].name;
        const PFN_vkVoidFunction found = from->instance_call
                                             ? from->instance_call(from->instance, name)
                                             : from->device_call(from->device, name);
        if (!found)
            return vyi_fail(err, VYRE_E_VK_FUNCTION, 0,
                            "Update the Vulkan driver and loader to version 1.1 or newer.",
                            "the Vulkan loader has no %s", name);
        /* The member is a pointer to another type of function of the same size. */
        memcpy((uint8_t *)fn + entries[i].offset, &found, sizeof found);
    }
    return VYRE_OK;
}

VYI_COLD
VYI_API vyre_status vyi_vk_load_global(vyi_vk_table *fn, vyre_error *err)
{
    static const vyi_vk_entry entries[] = { VYI_VK_GLOBAL_LIST(VYI_VK_ENTRY) };
    const vyi_vk_source from = { fn->vkGetInstanceProcAddr, NULL, VK_NULL_HANDLE, VK_NULL_HANDLE };
    return vyi_vk_load(fn, &from, entries, sizeof entries / sizeof entries[0], err);
}

VYI_COLD
VYI_API vyre_status vyi_vk_load_instance(vyi_vk_table *fn, VkInstance instance, vyre_error *err)
{
    static const vyi_vk_entry entries[] = { VYI_VK_INSTANCE_LIST(VYI_VK_ENTRY) };
    const vyi_vk_source from = { fn->vkGetInstanceProcAddr, NULL, instance, VK_NULL_HANDLE };
    const vyre_status status =
        vyi_vk_load(fn, &from, entries, sizeof entries / sizeof entries[0], err);
    if (status != VYRE_OK)
        return status;
    fn->vkSetDebugUtilsObjectNameEXT = (PFN_vkSetDebugUtilsObjectNameEXT)
        fn->vkGetInstanceProcAddr(instance, "vkSetDebugUtilsObjectNameEXT");
    fn->vkCreateDebugUtilsMessengerEXT = (PFN_vkCreateDebugUtilsMessengerEXT)
        fn->vkGetInstanceProcAddr(instance, "vkCreateDebugUtilsMessengerEXT");
    fn->vkDestroyDebugUtilsMessengerEXT = (PFN_vkDestroyDebugUtilsMessengerEXT)
        fn->vkGetInstanceProcAddr(instance, "vkDestroyDebugUtilsMessengerEXT");
    return VYRE_OK;
}

VYI_COLD
VYI_API vyre_status vyi_vk_load_device(vyi_vk_table *fn, VkDevice device, vyre_error *err)
{
    static const vyi_vk_entry entries[] = { VYI_VK_DEVICE_LIST(VYI_VK_ENTRY) };
    const vyi_vk_source from = { NULL, fn->vkGetDeviceProcAddr, VK_NULL_HANDLE, device };
    const vyre_status status =
        vyi_vk_load(fn, &from, entries, sizeof entries / sizeof entries[0], err);
    if (status != VYRE_OK)
        return status;
    fn->vkCreateSemaphore =
        (PFN_vkCreateSemaphore)fn->vkGetDeviceProcAddr(device, "vkCreateSemaphore");
    fn->vkDestroySemaphore =
        (PFN_vkDestroySemaphore)fn->vkGetDeviceProcAddr(device, "vkDestroySemaphore");
    fn->vkGetSemaphoreCounterValue = (PFN_vkGetSemaphoreCounterValue)
        fn->vkGetDeviceProcAddr(device, "vkGetSemaphoreCounterValue");
    fn->vkWaitSemaphores =
        (PFN_vkWaitSemaphores)fn->vkGetDeviceProcAddr(device, "vkWaitSemaphores");
    if (!fn->vkGetSemaphoreCounterValue || !fn->vkWaitSemaphores) {
        fn->vkGetSemaphoreCounterValue = (PFN_vkGetSemaphoreCounterValue)
            fn->vkGetDeviceProcAddr(device, "vkGetSemaphoreCounterValueKHR");
        fn->vkWaitSemaphores =
            (PFN_vkWaitSemaphores)fn->vkGetDeviceProcAddr(device, "vkWaitSemaphoresKHR");
    }
    return VYRE_OK;
}

#undef VYI_VK_ENTRY

/* --- results ------------------------------------------------------------- */

/* X(VkResult, status, what to do) */
#define VYI_VK_RESULT_LIST(X)                                                                      \
    X(VK_NOT_READY, E_VK_CALL, "Report this: the call should not have answered so.")               \
    X(VK_TIMEOUT, E_VK_CALL, "Report this: the call should not have answered so.")                 \
    X(VK_INCOMPLETE, E_VK_CALL, "Try again: the set of devices changed meanwhile.")                \
    X(VK_ERROR_OUT_OF_HOST_MEMORY, E_VK_HOST_MEMORY, "Free memory in this process.")               \
    X(VK_ERROR_OUT_OF_DEVICE_MEMORY, E_VK_DEVICE_MEMORY,                                           \
      "Use fewer slots or smaller buffers, or free memory on the device.")                         \
    X(VK_ERROR_INITIALIZATION_FAILED, E_VK_CALL, "Check the driver's installation.")               \
    X(VK_ERROR_DEVICE_LOST, E_DEVICE_LOST, "Call vyre_recover(), or close and open again.")        \
    X(VK_ERROR_MEMORY_MAP_FAILED, E_VK_CALL, "Use fewer slots or smaller buffers.")                \
    X(VK_ERROR_LAYER_NOT_PRESENT, E_VK_CALL, "Unset VK_INSTANCE_LAYERS, or install the layer.")    \
    X(VK_ERROR_EXTENSION_NOT_PRESENT, E_VK_CALL, "Update the driver.")                             \
    X(VK_ERROR_FEATURE_NOT_PRESENT, E_VK_CALL, "Update the driver.")                               \
    X(VK_ERROR_INCOMPATIBLE_DRIVER, E_VK_CALL, "Install a driver for Vulkan 1.1 or newer.")        \
    X(VK_ERROR_TOO_MANY_OBJECTS, E_VK_CALL, "Close other handles or devices first.")               \
    X(VK_ERROR_FORMAT_NOT_SUPPORTED, E_VK_CALL, "Update the driver.")                              \
    X(VK_ERROR_FRAGMENTED_POOL, E_VK_CALL, "Update the driver.")                                   \
    X(VK_ERROR_UNKNOWN, E_VK_CALL, "Look into the driver's log.")                                  \
    X(VK_ERROR_OUT_OF_POOL_MEMORY, E_VK_CALL, "Free memory on the device.")                        \
    X(VK_ERROR_INVALID_EXTERNAL_HANDLE, E_VK_CALL, "Update the driver.")                           \
    X(VK_ERROR_FRAGMENTATION, E_VK_CALL, "Free memory on the device.")                             \
    X(VK_ERROR_INVALID_OPAQUE_CAPTURE_ADDRESS, E_VK_CALL, "Update the driver.")                    \
    X(VK_ERROR_VALIDATION_FAILED_EXT, E_VK_CALL, "Read the validation layer's message.")           \
    X(VK_ERROR_INVALID_SHADER_NV, E_VK_CALL, "Report this, with vyre_program_text's output.")      \
    X(VK_ERROR_NOT_PERMITTED_KHR, E_VK_CALL, "Ask for what the system permits.")

typedef struct vyi_vk_result_row {
    VkResult    result;
    vyre_status status;
    const char *text, *fix;
} vyi_vk_result_row;

static const vyi_vk_result_row *vyi_vk_result_find(VkResult result)
{
    static const vyi_vk_result_row rows[] = {
#define VYI_VK_RESULT_ROW(name, status, fix) { name, VYRE_##status, #name, fix },
        VYI_VK_RESULT_LIST(VYI_VK_RESULT_ROW)
#undef VYI_VK_RESULT_ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].result == result)
            return &rows[i];
    return NULL;
}

VYI_COLD
VYI_API const char *vyi_vk_result_text(VkResult result)
{
    const vyi_vk_result_row *row = vyi_vk_result_find(result);
    return row ? row->text : NULL;
}

VYI_COLD
VYI_API vyre_status vyi_vk_fail(vyre_error *err, VkResult result, const char *call)
{
    const vyi_vk_result_row *row = vyi_vk_result_find(result);
    vyre_status status = vyi_fail(err, row ? row->status : VYRE_E_VK_CALL, 0,
                                  row ? row->fix : "Look the number up in the Vulkan headers.",
                                  "%s gave %s (%d)", call, row ? row->text : "an unknown result",
                                  (int)result);
    if (err)
        err->native = (int32_t)result;
    return status;
}

VYI_COLD
VYI_API vyre_status vyi_vk_check(vyre_error *err, VkResult result, const char *call)
{
    return result == VK_SUCCESS ? VYRE_OK : vyi_vk_fail(err, result, call);
}

#endif /* VYI_VULKAN */
/* ==========================================================================
 * vulkan: from the loader to the queue
 *
 * Every part may be the caller's: what a desc gives is used as it is and
 * never destroyed.  The library needs Vulkan 1.1; beyond that it takes what it
 * finds: timeline semaphores instead of fences, the Vulkan memory model
 * instead of GLSL's, names for debuggers.
 * ======================================================================= */

#if VYI_VULKAN

VYI_COLD
VYI_API vyre_status vyi_vk_context_check(vyi_vk_context *c, vyre_error *err, VkResult result,
                                         const char *call)
{
    if (result == VK_ERROR_DEVICE_LOST)
        c->lost = true;
    return vyi_vk_check(err, result, call);
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

/* Two features in the form that a device is asked and made with. */
typedef struct vyi_vk_feature_chain {
    VkPhysicalDeviceFeatures2                   base;
    VkPhysicalDeviceVulkanMemoryModelFeatures   model;
    VkPhysicalDeviceTimelineSemaphoreFeatures   timeline;
} vyi_vk_feature_chain;

static void vyi_vk_feature_chain_init(vyi_vk_feature_chain *chain, bool model, bool timeline)
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
    chain->base.pNext = next;
}

/* What the library's own device is made with. */
typedef struct vyi_vk_device_plan {
    const char *extensions[3];
    uint32_t    extension_count;
    vyi_vk_feature_chain features;
} vyi_vk_device_plan;

static vyre_status vyi_vk_device_choose(vyi_vk_context *c, vyi_vk_device_plan *plan,
                                        vyre_error *err)
{
    static const char model_name[] = "VK_KHR_vulkan_memory_model";
    static const char timeline_name[] = "VK_KHR_timeline_semaphore";
    const bool core = c->version >= VK_API_VERSION_1_2;
    vyi_vk_extensions e;
    vyre_status status = vyi_vk_extensions_get(c, c->physical, &e, err);
    if (status < 0)
        return status;
    bool model = core || vyi_vk_extensions_have(&e, model_name);
    bool timeline = core || vyi_vk_extensions_have(&e, timeline_name);
    const bool portability = vyi_vk_extensions_have(&e, "VK_KHR_portability_subset");
    vyi_vk_extensions_free(c, &e);

    vyi_vk_feature_chain_init(&plan->features, model, timeline);
    c->fn.vkGetPhysicalDeviceFeatures2(c->physical, &plan->features.base);
    model = model && plan->features.model.vulkanMemoryModel &&
            plan->features.model.vulkanMemoryModelDeviceScope;
    timeline = timeline && plan->features.timeline.timelineSemaphore;
    vyi_vk_feature_chain_init(&plan->features, model, timeline);
    plan->features.model.vulkanMemoryModel = model;
    plan->features.model.vulkanMemoryModelDeviceScope = model;
    plan->features.timeline.timelineSemaphore = timeline;
    c->features.memory_model = model;
    c->features.timeline = timeline;

    plan->extension_count = 0;
    if (model && !core)
        plan->extensions[plan->extension_count++] = model_name;
    if (timeline && !core)
        plan->extensions[plan->extension_count++] = timeline_name;
    if (portability) /* must be switched on where it is offered */
        plan->extensions[plan->extension_count++] = "VK_KHR_portability_subset";
    return VYRE_OK;
}

VYI_OUTLINE
static vyre_status vyi_vk_device_create(vyi_vk_context *c, vyre_error *err)
{
    vyi_vk_device_plan plan;
    vyre_status status = vyi_vk_device_choose(c, &plan, err);
    if (status < 0)
        return status;

    const float priority = 1.0f;
    VkDeviceQueueCreateInfo queue;
    memset(&queue, 0, sizeof queue);
    queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
    queue.queueFamilyIndex = c->family;
    queue.queueCount = 1;
    queue.pQueuePriorities = &priority;

    VkDeviceCreateInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
    info.pNext = &plan.features.base;
    info.queueCreateInfoCount = 1;
    info.pQueueCreateInfos = &queue;
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
    c->fn.vkGetDeviceQueue(c->device, c->family, 0, &c->queue);
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
    }
}

static vyre_status vyi_vk_device_adopt(vyi_vk_context *c, vyre_error *err)
{
    const vyre_vulkan_desc *desc = &c->desc->vulkan;
    c->device = (VkDevice)desc->device;
    c->queue = (VkQueue)desc->queue;
    c->family = desc->queue_family;
    vyi_vk_device_features(c);
    return vyi_vk_load_device(&c->fn, c->device, err);
}

/* --- what the device is -------------------------------------------------- */

static bool vyi_vk_has_driver_properties(vyi_vk_context *c)
{
    return c->version >= VK_API_VERSION_1_2;
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

static vyre_status vyi_vk_context_steps(vyi_vk_context *c, vyre_error *err)
{
    const vyre_vulkan_desc *desc = &c->desc->vulkan;
    vyre_status status = vyi_vk_instance_open(c, err);
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
    status = desc->device ? vyi_vk_device_adopt(c, err) : vyi_vk_device_create(c, err);
    if (status < 0)
        return status;

    c->features.names = c->features.names && c->fn.vkSetDebugUtilsObjectNameEXT;
    c->features.timeline = c->features.timeline && c->fn.vkCreateSemaphore &&
                           c->fn.vkDestroySemaphore && c->fn.vkGetSemaphoreCounterValue &&
                           c->fn.vkWaitSemaphores;
    return VYRE_OK;
}

VYI_COLD
VYI_API vyre_status vyi_vk_context_open(vyi_vk_context *c, const vyre_desc *desc, vyre_error *err)
{
    memset(c, 0, sizeof *c);
    c->desc = desc;
    c->callbacks = (const VkAllocationCallbacks *)desc->vulkan.allocator;
    vyre_status status = vyi_vk_context_arguments(&desc->vulkan, err);
    if (status == VYRE_OK)
        status = vyi_vk_context_steps(c, err);
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
    memset(c, 0, sizeof *c);
}

#endif /* VYI_VULKAN */
/* ==========================================================================
 * vulkan: buffers in the memory where they are polled
 *
 * Whoever polls a word must be near it.  A discrete device keeps plain host
 * memory in its cache and never looks again, and a host that reads device
 * memory waits for the bus.  So the buffers that the device polls lie in
 * device memory that the host can write, and those that the host polls lie in
 * cached host memory.  Every device has a type that is visible to the host and
 * coherent, and every buffer fits it (Vulkan 1.3, 11.6): the last row of each
 * list is always found, and nothing ever needs flushing.
 * ======================================================================= */

#if VYI_VULKAN

#define VYI_VK_COHERENT                                                                            \
    (VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT)
/* Memory of these types has rules of its own. */
#define VYI_VK_SPECIAL                                                                             \
    (VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT | VK_MEMORY_PROPERTY_PROTECTED_BIT |                  \
     VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD | VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD)

typedef struct vyi_vk_wish {
    VkMemoryPropertyFlags with, without;
} vyi_vk_wish;

#define VYI_VK_WISHES 3u

/* The best first. */
static const vyi_vk_wish vyi_vk_wishes[VYI_VK_PLACES][VYI_VK_WISHES] = {
    { { VYI_VK_COHERENT | VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 0 },
      { VYI_VK_COHERENT, VK_MEMORY_PROPERTY_HOST_CACHED_BIT },
      { VYI_VK_COHERENT, 0 } },
    { { VYI_VK_COHERENT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT },
      { VYI_VK_COHERENT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT, 0 },
      { VYI_VK_COHERENT, 0 } },
};

/* The first of the allowed types that grants the wish, or UINT32_MAX. */
static uint32_t vyi_vk_type_find(const vyi_vk_context *c, const vyi_vk_wish *wish,
                                 uint32_t allowed)
{
    for (uint32_t i = 0; i < c->memory.memoryTypeCount; i++) {
        const VkMemoryPropertyFlags flags = c->memory.memoryTypes[i].propertyFlags;
        if ((allowed >> i & 1u) && (flags & wish->with) == wish->with &&
            !(flags & (wish->without | VYI_VK_SPECIAL)))
            return i;
    }
    return UINT32_MAX;
}

static VkResult vyi_vk_allocate(vyi_vk_context *c, vyi_vk_buffer *b, VkDeviceSize size,
                                uint32_t type)
{
    VkMemoryAllocateInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    info.allocationSize = size;
    info.memoryTypeIndex = type;
    const VkResult result = c->fn.vkAllocateMemory(c->device, &info, c->callbacks, &b->memory);
    if (result == VK_SUCCESS) {
        b->type = type;
        b->flags = c->memory.memoryTypes[type].propertyFlags;
    } else {
        b->memory = VK_NULL_HANDLE;
    }
    return result;
}

/* The window on device memory may be small (256 MiB without resizable BAR):
 * where one type is full, the next one has to do. */
static vyre_status vyi_vk_place_memory(vyi_vk_context *c, vyi_vk_buffer *b, vyi_vk_place place,
                                       vyre_error *err)
{
    VkMemoryRequirements need;
    VkResult result = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    c->fn.vkGetBufferMemoryRequirements(c->device, b->buffer, &need);
    uint32_t allowed = need.memoryTypeBits;
    for (uint32_t w = 0; w < VYI_VK_WISHES; w++) {
        const vyi_vk_wish *wish = &vyi_vk_wishes[place][w];
        for (uint32_t type = vyi_vk_type_find(c, wish, allowed); type != UINT32_MAX;
             type = vyi_vk_type_find(c, wish, allowed)) {
            result = vyi_vk_allocate(c, b, need.size, type);
            if (result != VK_ERROR_OUT_OF_DEVICE_MEMORY)
                return vyi_vk_context_check(c, err, result, "vkAllocateMemory");
            allowed &= ~(1u << type);
        }
    }
    return vyi_vk_context_check(c, err, result, "vkAllocateMemory");
}

static vyre_status vyi_vk_buffer_steps(vyi_vk_context *c, vyi_vk_buffer *b, vyi_vk_place place,
                                       vyre_error *err)
{
    VkBufferCreateInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    info.size = b->size;
    info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT;
    info.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
    vyre_status status = VYI_VKC(c, err, vkCreateBuffer,
                                 (c->device, &info, c->callbacks, &b->buffer));
    if (status < 0) {
        b->buffer = VK_NULL_HANDLE;
        return status;
    }
    status = vyi_vk_place_memory(c, b, place, err);
    if (status == VYRE_OK)
        status = VYI_VKC(c, err, vkBindBufferMemory, (c->device, b->buffer, b->memory, 0));
    if (status == VYRE_OK)
        status = VYI_VKC(c, err, vkMapMemory,
                         (c->device, b->memory, 0, VK_WHOLE_SIZE, 0, &b->mapped));
    return status;
}

VYI_COLD
VYI_API vyre_status vyi_vk_buffer_create(vyi_vk_context *c, vyi_vk_buffer *b, vyi_vk_place place,
                                         size_t size, const char *name, vyre_error *err)
{
    memset(b, 0, sizeof *b);
    if (size > c->properties.limits.maxStorageBufferRange)
        return vyi_fail(err, VYRE_E_VK_LIMIT, size, "Use fewer slots or a smaller buffer.",
                        "the %.40s buffer has %llu bytes, and the device allows %lu", name,
                        (unsigned long long)size,
                        (unsigned long)c->properties.limits.maxStorageBufferRange);
    b->size = size;
    const vyre_status status = vyi_vk_buffer_steps(c, b, place, err);
    if (status < 0) {
        vyi_vk_buffer_destroy(c, b);
        return status;
    }
    memset(b->mapped, 0, size);
    vyi_vk_name(c, VK_OBJECT_TYPE_BUFFER, VYI_VK_HANDLE(b->buffer), name);
    vyi_vk_name(c, VK_OBJECT_TYPE_DEVICE_MEMORY, VYI_VK_HANDLE(b->memory), name);
    return VYRE_OK;
}

VYI_COLD
VYI_API void vyi_vk_buffer_destroy(vyi_vk_context *c, vyi_vk_buffer *b)
{
    if (b->buffer)
        c->fn.vkDestroyBuffer(c->device, b->buffer, c->callbacks);
    if (b->memory)
        c->fn.vkFreeMemory(c->device, b->memory, c->callbacks); /* unmaps, too */
    memset(b, 0, sizeof *b);
}

#endif /* VYI_VULKAN */
/* ==========================================================================
 * vulkan: layouts, descriptor sets, pipelines, and the pipeline cache
 * ======================================================================= */

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

    vyre_spirv spirv;
    vyre_status status = vyre_spirv_emit(desc->program, &options, &spirv, err);
    if (status < 0)
        return status;
    const uint32_t lacks = spirv.subgroup_operations & ~c->features.subgroup_operations;
    if (lacks) {
        status = vyi_fail(err, VYRE_E_VK_FEATURE, lacks,
                          "Use a kernel without these subgroup operations, or another device.",
                          "the %.40s program needs the subgroup features 0x%x, and the device "
                          "has 0x%x", desc->name, spirv.subgroup_operations,
                          c->features.subgroup_operations);
    } else {
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

/* --- pipeline cache ------------------------------------------------------ */

/* Drivers trust the blob that they are given, so it is never passed on unless
 * it comes from the same program, device and driver, whole. In front of the
 * driver's bytes stand these 48:
 *
 *     0 "VYRC" | 4 version | 8 identity, 8 bytes | 16 the driver's size, 8 bytes |
 *     24 hash of the driver's bytes, 8 bytes | 32 pipelineCacheUUID                   */
#define VYI_VK_CACHE_MAGIC   0x43525956u
#define VYI_VK_CACHE_VERSION 1u
#define VYI_VK_CACHE_HEADER  48u

static uint64_t vyi_vk_get64(const uint8_t *at)
{
    return vyi_get32(at) | (uint64_t)vyi_get32(at + 4) << 32;
}

static void vyi_vk_put64(uint8_t *at, uint64_t value)
{
    vyi_put32(at, (uint32_t)value);
    vyi_put32(at + 4, (uint32_t)(value >> 32));
}

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
static const char *vyi_vk_cache_refuse(const vyi_vk_context *c, uint64_t program,
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

VYI_COLD
VYI_API vyre_status vyi_vk_cache_open(vyi_vk_context *c, uint64_t program, VkPipelineCache *out,
                                      vyre_error *err)
{
    const vyre_vulkan_desc *desc = &c->desc->vulkan;
    const uint8_t *blob = (const uint8_t *)desc->cache;
    *out = VK_NULL_HANDLE;
    if (!desc->cache_store && (!blob || desc->cache_size == 0))
        return VYRE_OK;

    VkPipelineCacheCreateInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO;
    if (blob && desc->cache_size > 0) {
        const char *why = vyi_vk_cache_refuse(c, program, blob, desc->cache_size);
        if (why) {
            vyi_message(&c->desc->messages, VYRE_SEVERITY_WARNING,
                        "the pipeline cache is not used: %s", why);
        } else {
            info.initialDataSize = desc->cache_size - VYI_VK_CACHE_HEADER;
            info.pInitialData = blob + VYI_VK_CACHE_HEADER;
        }
    }
    const vyre_status status =
        VYI_VKC(c, err, vkCreatePipelineCache, (c->device, &info, c->callbacks, out));
    if (status < 0)
        *out = VK_NULL_HANDLE;
    return status;
}

VYI_COLD
VYI_API void vyi_vk_cache_store(vyi_vk_context *c, uint64_t program, VkPipelineCache cache)
{
    const vyre_vulkan_desc *desc = &c->desc->vulkan;
    size_t size = 0, total;
    if (!cache || !desc->cache_store ||
        c->fn.vkGetPipelineCacheData(c->device, cache, &size, NULL) != VK_SUCCESS ||
        !vyi_size_add(size, VYI_VK_CACHE_HEADER, &total))
        return;
    uint8_t *blob = (uint8_t *)vyi_alloc(&c->desc->allocator, total);
    if (!blob)
        return;
    /* VK_INCOMPLETE: it has grown meanwhile; half a cache is none. */
    if (c->fn.vkGetPipelineCacheData(c->device, cache, &size, blob + VYI_VK_CACHE_HEADER) ==
        VK_SUCCESS) {
        vyi_put32(blob, VYI_VK_CACHE_MAGIC);
        vyi_put32(blob + 4, VYI_VK_CACHE_VERSION);
        vyi_vk_put64(blob + 8, vyi_vk_identity(c, program));
        vyi_vk_put64(blob + 16, size);
        vyi_vk_put64(blob + 24, vyi_hash(VYI_HASH_SEED, blob + VYI_VK_CACHE_HEADER, size));
        memcpy(blob + 32, c->properties.pipelineCacheUUID, VK_UUID_SIZE);
        desc->cache_store(desc->cache_user, blob, VYI_VK_CACHE_HEADER + size);
    }
    vyi_free(&c->desc->allocator, blob, total);
}

#endif /* VYI_VULKAN */
/* ==========================================================================
 * vulkan: the chain of launches
 *
 * Launches run one after another, in the order of their submission.  Each has
 * a link of the chain, with its own command buffers, that is used again when
 * the launch has ended; commands are recorded anew only when they change.
 *
 *     launched   3    submission n uses link n % count
 *     completed  1    and ends by signalling n + 1 on the timeline,
 *                     or the link's fence where there are no timelines
 *
 * Nothing here waits without a deadline.
 * ======================================================================= */

#if VYI_VULKAN

/* --- making -------------------------------------------------------------- */

static vyre_status vyi_vk_timeline_create(vyi_vk_context *c, vyi_vk_chain *chain, vyre_error *err)
{
    VkSemaphoreTypeCreateInfo type;
    memset(&type, 0, sizeof type);
    type.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO;
    type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
    VkSemaphoreCreateInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO;
    info.pNext = &type;
    const vyre_status status =
        VYI_VKC(c, err, vkCreateSemaphore, (c->device, &info, c->callbacks, &chain->timeline));
    if (status < 0)
        chain->timeline = VK_NULL_HANDLE;
    else
        vyi_vk_name(c, VK_OBJECT_TYPE_SEMAPHORE, VYI_VK_HANDLE(chain->timeline), "launches");
    return status;
}

static vyre_status vyi_vk_fences_create(vyi_vk_context *c, vyi_vk_chain *chain, vyre_error *err)
{
    VkFenceCreateInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO;
    for (uint32_t i = 0; i < chain->count; i++) {
        VkFence *fence = &chain->links[i].fence;
        const vyre_status status =
            VYI_VKC(c, err, vkCreateFence, (c->device, &info, c->callbacks, fence));
        if (status < 0) {
            *fence = VK_NULL_HANDLE;
            return status;
        }
        vyi_vk_name(c, VK_OBJECT_TYPE_FENCE, VYI_VK_HANDLE(*fence), "launch");
    }
    return VYRE_OK;
}

static vyre_status vyi_vk_commands_create(vyi_vk_context *c, VkCommandPool *pool,
                                          VkCommandBuffer *commands, vyre_error *err)
{
    VkCommandPoolCreateInfo create;
    memset(&create, 0, sizeof create);
    create.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
    create.queueFamilyIndex = c->family;
    const vyre_status status =
        VYI_VKC(c, err, vkCreateCommandPool, (c->device, &create, c->callbacks, pool));
    if (status < 0) {
        *pool = VK_NULL_HANDLE;
        return status;
    }
    VkCommandBufferAllocateInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
    info.commandPool = *pool;
    info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    info.commandBufferCount = 1;
    return VYI_VKC(c, err, vkAllocateCommandBuffers, (c->device, &info, commands));
}

static vyre_status vyi_vk_link_create(vyi_vk_context *c, vyi_vk_link *link, vyre_error *err)
{
    vyre_status status = VYRE_OK;
    for (uint32_t kind = 0; kind < VYI_VK_KINDS && status == VYRE_OK; kind++)
        status = vyi_vk_commands_create(c, &link->pools[kind], &link->commands[kind], err);
    return status;
}

VYI_COLD
VYI_API vyre_status vyi_vk_chain_create(vyi_vk_context *c, vyi_vk_chain *chain, uint32_t count,
                                        vyre_error *err)
{
    VYRE_ASSERT(count >= 1 && count <= VYI_VK_MAX_CHAIN);
    memset(chain, 0, sizeof *chain);
    chain->count = count;
    vyre_status status = c->features.timeline ? vyi_vk_timeline_create(c, chain, err)
                                              : vyi_vk_fences_create(c, chain, err);
    for (uint32_t i = 0; i < count && status == VYRE_OK; i++)
        status = vyi_vk_link_create(c, &chain->links[i], err);
    if (status < 0)
        vyi_vk_chain_destroy(c, chain);
    return status;
}

VYI_COLD
VYI_API void vyi_vk_chain_destroy(vyi_vk_context *c, vyi_vk_chain *chain)
{
    if (chain->timeline)
        c->fn.vkDestroySemaphore(c->device, chain->timeline, c->callbacks);
    for (uint32_t i = 0; i < chain->count; i++) {
        vyi_vk_link *link = &chain->links[i];
        if (link->fence)
            c->fn.vkDestroyFence(c->device, link->fence, c->callbacks);
        for (uint32_t kind = 0; kind < VYI_VK_KINDS; kind++)
            if (link->pools[kind]) /* frees its command buffer, too */
                c->fn.vkDestroyCommandPool(c->device, link->pools[kind], c->callbacks);
    }
    memset(chain, 0, sizeof *chain);
}

/* --- recording ----------------------------------------------------------- */

VYI_API void vyi_vk_chain_forget(vyi_vk_chain *chain, uint32_t kind)
{
    for (uint32_t i = 0; i < chain->count; i++)
        memset(&chain->links[i].recorded[kind], 0, sizeof chain->links[i].recorded[kind]);
}

/* Everything that was written before, `from` the stage and access, is seen
 * behind, by the stage and access `to`. */
static void vyi_vk_barrier(vyi_vk_context *c, VkCommandBuffer commands, VkPipelineStageFlags to,
                           VkAccessFlags access)
{
    VkMemoryBarrier barrier;
    memset(&barrier, 0, sizeof barrier);
    barrier.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
    barrier.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT;
    barrier.dstAccessMask = access;
    c->fn.vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, to, 0, 1, &barrier,
                               0, NULL, 0, NULL);
}

/* The first barrier orders this launch behind those before it in the queue;
 * the second makes its writes visible to the host. */
static void vyi_vk_record_commands(vyi_vk_context *c, VkCommandBuffer commands,
                                   const vyi_vk_dispatch *d)
{
    vyi_vk_barrier(c, commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                   VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT);
    c->fn.vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, d->pipeline);
    c->fn.vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, d->layout, 0, 1,
                                  &d->set, 0, NULL);
    c->fn.vkCmdPushConstants(commands, d->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, 4, &d->rounds);
    c->fn.vkCmdDispatch(commands, d->groups, 1, 1);
    vyi_vk_barrier(c, commands, VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);
}

static vyre_status vyi_vk_record(vyi_vk_context *c, vyi_vk_link *link, uint32_t kind,
                                 const vyi_vk_dispatch *d, vyre_error *err)
{
    memset(&link->recorded[kind], 0, sizeof link->recorded[kind]);
    vyre_status status = VYI_VKC(c, err, vkResetCommandPool, (c->device, link->pools[kind], 0));
    if (status < 0)
        return status;
    VkCommandBufferBeginInfo begin;
    memset(&begin, 0, sizeof begin);
    begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
    status = VYI_VKC(c, err, vkBeginCommandBuffer, (link->commands[kind], &begin));
    if (status < 0)
        return status;
    vyi_vk_record_commands(c, link->commands[kind], d);
    status = VYI_VKC(c, err, vkEndCommandBuffer, (link->commands[kind]));
    if (status == VYRE_OK)
        link->recorded[kind] = *d;
    return status;
}

static bool vyi_vk_dispatch_equal(const vyi_vk_dispatch *a, const vyi_vk_dispatch *b)
{
    return a->pipeline == b->pipeline && a->layout == b->layout && a->set == b->set &&
           a->groups == b->groups && a->rounds == b->rounds;
}

/* --- launching ----------------------------------------------------------- */

static vyre_status vyi_vk_submit(vyi_vk_context *c, vyi_vk_chain *chain, const vyi_vk_link *link,
                                 const VkCommandBuffer *commands, vyre_error *err)
{
    const vyre_vulkan_desc *desc = &c->desc->vulkan;
    const uint64_t signal = chain->launched + 1;
    VkTimelineSemaphoreSubmitInfo timeline;
    memset(&timeline, 0, sizeof timeline);
    timeline.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO;
    timeline.signalSemaphoreValueCount = 1;
    timeline.pSignalSemaphoreValues = &signal;
    VkSubmitInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
    info.commandBufferCount = 1;
    info.pCommandBuffers = commands;
    if (chain->timeline) {
        info.pNext = &timeline;
        info.signalSemaphoreCount = 1;
        info.pSignalSemaphores = &chain->timeline;
    }
    if (desc->queue_lock)
        desc->queue_lock(desc->queue_user);
    const vyre_status status = VYI_VKC(c, err, vkQueueSubmit, (c->queue, 1, &info, link->fence));
    if (desc->queue_unlock)
        desc->queue_unlock(desc->queue_user);
    return status;
}

VYI_API vyre_status vyi_vk_chain_launch(vyi_vk_context *c, vyi_vk_chain *chain, uint32_t kind,
                                        const vyi_vk_dispatch *dispatch, vyre_error *err)
{
    vyi_vk_link *link = &chain->links[chain->launched % chain->count];
    if (chain->launched - chain->completed >= chain->count)
        return vyi_fail(err, VYRE_E_LAUNCH, chain->launched, "Reap launches first.",
                        "%u launches are in flight, and there is room for no more", chain->count);

    vyre_status status = VYRE_OK;
    if (!vyi_vk_dispatch_equal(&link->recorded[kind], dispatch)) {
        status = vyi_vk_record(c, link, kind, dispatch, err);
        if (status < 0)
            return status;
    }
    if (link->fence && chain->launched >= chain->count)
        status = VYI_VKC(c, err, vkResetFences, (c->device, 1, &link->fence));
    if (status == VYRE_OK)
        status = vyi_vk_submit(c, chain, link, &link->commands[kind], err);
    if (status == VYRE_OK)
        chain->launched++;
    return status;
}

/* --- reaping ------------------------------------------------------------- */

static vyre_status vyi_vk_timeline_reap(vyi_vk_context *c, vyi_vk_chain *chain, uint64_t beyond,
                                        uint64_t timeout_ns, vyre_error *err)
{
    const uint64_t value = beyond + 1;
    VkSemaphoreWaitInfo info;
    memset(&info, 0, sizeof info);
    info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO;
    info.semaphoreCount = 1;
    info.pSemaphores = &chain->timeline;
    info.pValues = &value;
    if (timeout_ns > 0) {
        const VkResult result = c->fn.vkWaitSemaphores(c->device, &info, timeout_ns);
        if (result != VK_SUCCESS && result != VK_TIMEOUT)
            return vyi_vk_context_check(c, err, result, "vkWaitSemaphores");
    }
    uint64_t now = 0;
    const vyre_status status =
        VYI_VKC(c, err, vkGetSemaphoreCounterValue, (c->device, chain->timeline, &now));
    if (status == VYRE_OK && now > chain->completed && now <= chain->launched)
        chain->completed = now;
    return status;
}

/* Fences are signalled in the order of their submission, so the one of launch
 * `beyond` speaks for all before it. */
static vyre_status vyi_vk_fence_reap(vyi_vk_context *c, vyi_vk_chain *chain, uint64_t beyond,
                                     uint64_t timeout_ns, vyre_error *err)
{
    const VkFence fence = chain->links[beyond % chain->count].fence;
    const VkResult result =
        timeout_ns > 0 ? c->fn.vkWaitForFences(c->device, 1, &fence, VK_TRUE, timeout_ns)
                       : c->fn.vkGetFenceStatus(c->device, fence);
    if (result == VK_SUCCESS)
        chain->completed = beyond + 1;
    else if (result != VK_TIMEOUT && result != VK_NOT_READY)
        return vyi_vk_context_check(c, err, result,
                                    timeout_ns > 0 ? "vkWaitForFences" : "vkGetFenceStatus");
    return VYRE_OK;
}

/* A GPU that is nearly done is found out sooner by looking than by sleeping; a
 * device that is the CPU needs the time itself. */
#define VYI_VK_LOOKS 20000u /* ns */

static vyre_status vyi_vk_look(vyi_vk_context *c, vyi_vk_chain *chain, uint64_t beyond,
                               uint64_t timeout_ns, vyre_error *err)
{
    const uint64_t end = vyi_deadline(timeout_ns < VYI_VK_LOOKS ? timeout_ns : VYI_VK_LOOKS);
    vyre_status status = VYRE_OK;
    do {
        status = chain->timeline ? vyi_vk_timeline_reap(c, chain, beyond, 0, err)
                                 : vyi_vk_fence_reap(c, chain, beyond, 0, err);
    } while (status == VYRE_OK && chain->completed <= beyond && vyi_now() < end);
    return status;
}

VYI_API vyre_status vyi_vk_chain_reap(vyi_vk_context *c, vyi_vk_chain *chain, uint64_t beyond,
                                      uint64_t timeout_ns, vyre_error *err)
{
    if (beyond < chain->completed) {
        beyond = chain->completed;
        timeout_ns = 0;
    }
    if (beyond >= chain->launched) {
        if (chain->completed == chain->launched)
            return VYRE_OK;
        beyond = chain->launched - 1; /* no more can end than are in flight */
    }
    if (timeout_ns > 0 && c->properties.deviceType != VK_PHYSICAL_DEVICE_TYPE_CPU) {
        const vyre_status status = vyi_vk_look(c, chain, beyond, timeout_ns, err);
        if (status < 0 || chain->completed > beyond)
            return status;
    }
    return chain->timeline ? vyi_vk_timeline_reap(c, chain, beyond, timeout_ns, err)
                           : vyi_vk_fence_reap(c, chain, beyond, timeout_ns, err);
}

VYI_API bool vyi_vk_chain_idle(vyi_vk_context *c, vyi_vk_chain *chain, uint64_t timeout_ns)
{
    /* A call that fails says nothing about the launches, so it is made again. */
    for (int attempt = 0; attempt < 3; attempt++) {
        if (chain->completed == chain->launched || c->lost)
            return true; /* a lost device has ended all its work */
        if (vyi_vk_chain_reap(c, chain, chain->launched - 1, timeout_ns, NULL) == VYRE_OK)
            break;
    }
    return chain->completed == chain->launched || c->lost;
}

#endif /* VYI_VULKAN */
/* ==========================================================================
 * vulkan: the probe
 *
 * Vulkan promises nothing about what a running dispatch sees of the host's
 * writes, or the host of the dispatch's.  So it is measured, at open, in the
 * memory types that the real buffers use:
 *
 *     loops      how many iterations of 200,000 does a loop make
 *     echo       the host counts up a word, a running dispatch answers each number
 *     sums       it answers with what an atomic found, and orders nothing; the host
 *                then looks for what the atomic has left
 *     lines      the host stores 64 bytes at once, a running dispatch reads them
 *                back to front, and counts those of which it sees a part
 *     resident   workgroups count how many of them run at the same time
 *
 * A second answer from one group proves both directions: the group can only have
 * read the second number after the host had read its first answer.
 * Everything here is bounded: by iterations on the device, by deadlines on the
 * host.
 * ======================================================================= */

#if VYI_VULKAN

/* --- the program --------------------------------------------------------- */

/* Words of the control buffer; the polled one has a line of its own. */
#define VYI_VK_PROBE_WHAT     0u
#define VYI_VK_PROBE_TIMES    1u /* iterations of the dispatch's loop */
#define VYI_VK_PROBE_GOAL     2u /* groups to wait for */
#define VYI_VK_PROBE_COUNT    3u /* iterations made, numbers seen */
#define VYI_VK_PROBE_MIX      4u
#define VYI_VK_PROBE_TORN     5u /* numbers seen with an older word behind */
#define VYI_VK_PROBE_SUM      6u /* numbers that were added up */
#define VYI_VK_PROBE_READ     7u /* lines that were read */
#define VYI_VK_PROBE_RUNNING  32u
#define VYI_VK_PROBE_PEAK     33u
#define VYI_VK_PROBE_PING     64u /* the first word of a line */
#define VYI_VK_PROBE_WORDS    96u

#define VYI_VK_PROBE_STOP     0xffffffffu
/* The first numbers are answered, the next ones added up, the rest are lines. */
#define VYI_VK_PROBE_ECHOES   16u
#define VYI_VK_PROBE_SUMS     64u

typedef enum vyi_vk_probe_what {
    VYI_VK_PROBE_LOOPS = 0,
    VYI_VK_PROBE_ECHO = 1,
    VYI_VK_PROBE_RESIDENT = 2
} vyi_vk_probe_what;

typedef struct vyi_vk_probe_ir {
    vyre_program *p;
    vyre_buffer   control, mirror;
    vyre_value    times, leads; /* leads: bool, the first lane of its group */
} vyi_vk_probe_ir;

static vyre_value vyi_vk_probe_word(vyre_program *p, uint32_t word)
{
    return vyre_ir_u32(p, word);
}

/* Each step depends on the one before, so that no compiler skips the loop. */
static void vyi_vk_probe_emit_loops(const vyi_vk_probe_ir *ir)
{
    vyre_program *p = ir->p;
    const vyre_value zero = vyre_ir_u32(p, 0), one = vyre_ir_u32(p, 1);
    vyre_ir_if(p, ir->leads);
    const vyre_local count = vyre_ir_local(p, VYRE_TYPE_U32, zero, "count");
    const vyre_local mix = vyre_ir_local(p, VYRE_TYPE_U32, one, "mix");
    vyre_ir_loop(p, zero, ir->times);
    vyre_ir_set(p, count, vyre_ir_add(p, vyre_ir_get(p, count), one));
    vyre_ir_set(p, mix, vyre_ir_add(p, vyre_ir_mul(p, vyre_ir_get(p, mix),
                                                   vyre_ir_u32(p, 1664525u)),
                                    vyre_ir_u32(p, 1013904223u)));
    vyre_ir_end(p);
    vyre_ir_store(p, ir->control, vyi_vk_probe_word(p, VYI_VK_PROBE_COUNT),
                  vyre_ir_get(p, count));
    vyre_ir_store(p, ir->control, vyi_vk_probe_word(p, VYI_VK_PROBE_MIX), vyre_ir_get(p, mix));
    vyre_ir_end(p);
}

/* Counts the line of a new number as torn when one of its other words is
 * older.  They are read at once, without an order, as the whole kernel does;
 * behind an acquiring claim they would be read much later. */
static void vyi_vk_probe_emit_line(const vyi_vk_probe_ir *ir, vyre_value ping, vyre_local torn)
{
    static const uint32_t words[] = { 15, 8, 7, 1 };
    vyre_program *p = ir->p;
    vyre_value old = vyre_ir_bool(p, false);
    for (uint32_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const vyre_value word =
            vyre_ir_atomic_load(p, ir->control, vyi_vk_probe_word(p, VYI_VK_PROBE_PING + words[i]),
                                VYRE_ORDER_RELAXED);
        old = vyre_ir_or(p, old, vyre_ir_lt(p, word, ping));
    }
    const vyre_value one = vyre_ir_cast(p, VYRE_TYPE_U32, old);
    vyre_ir_set(p, torn, vyre_ir_add(p, vyre_ir_get(p, torn), one));
}

/* Answers with the number that the sum says it is.  The answer is made of what
 * the atomic found: that orders the two, and nothing else does. */
static void vyi_vk_probe_emit_sum(const vyi_vk_probe_ir *ir)
{
    vyre_program *p = ir->p;
    const vyre_value one = vyre_ir_u32(p, 1);
    const vyre_value found = vyre_ir_atomic(p, VYRE_ATOMIC_ADD, ir->control,
                                            vyi_vk_probe_word(p, VYI_VK_PROBE_SUM), one,
                                            VYRE_ORDER_RELAXED);
    const vyre_value before = vyre_ir_u32(p, VYI_VK_PROBE_ECHOES + 1);
    vyre_ir_atomic_store(p, ir->mirror, vyre_ir_u32(p, 0), vyre_ir_add(p, found, before),
                         VYRE_ORDER_RELAXED);
}

/* A group that begins later answers the number of the moment, once more. */
static void vyi_vk_probe_emit_echo(const vyi_vk_probe_ir *ir)
{
    vyre_program *p = ir->p;
    const vyre_value zero = vyre_ir_u32(p, 0), one = vyre_ir_u32(p, 1);
    vyre_ir_if(p, ir->leads);
    const vyre_local last = vyre_ir_local(p, VYRE_TYPE_U32, zero, "last");
    const vyre_local seen = vyre_ir_local(p, VYRE_TYPE_U32, zero, "seen");
    const vyre_local torn = vyre_ir_local(p, VYRE_TYPE_U32, zero, "torn");
    const vyre_local read = vyre_ir_local(p, VYRE_TYPE_U32, zero, "read");
    vyre_ir_loop(p, zero, ir->times);
    const vyre_value ping = vyre_ir_atomic_load(
        p, ir->control, vyi_vk_probe_word(p, VYI_VK_PROBE_PING), VYRE_ORDER_RELAXED);
    vyre_ir_if(p, vyre_ir_eq(p, ping, vyre_ir_u32(p, VYI_VK_PROBE_STOP)));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_if(p, vyre_ir_ne(p, ping, vyre_ir_get(p, last)));
    vyre_ir_if(p, vyre_ir_le(p, ping, vyre_ir_u32(p, VYI_VK_PROBE_ECHOES)));
    vyre_ir_atomic_store(p, ir->mirror, zero, ping, VYRE_ORDER_RELEASE);
    vyre_ir_else(p);
    vyre_ir_if(p, vyre_ir_le(p, ping,
                             vyre_ir_u32(p, VYI_VK_PROBE_ECHOES + VYI_VK_PROBE_SUMS)));
    vyi_vk_probe_emit_sum(ir);
    vyre_ir_else(p);
    vyi_vk_probe_emit_line(ir, ping, torn);
    vyre_ir_set(p, read, vyre_ir_add(p, vyre_ir_get(p, read), one));
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_ir_set(p, last, ping);
    vyre_ir_set(p, seen, vyre_ir_add(p, vyre_ir_get(p, seen), one));
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_ir_atomic(p, VYRE_ATOMIC_MAX, ir->control, vyi_vk_probe_word(p, VYI_VK_PROBE_COUNT),
                   vyre_ir_get(p, seen), VYRE_ORDER_RELAXED);
    vyre_ir_atomic(p, VYRE_ATOMIC_MAX, ir->control, vyi_vk_probe_word(p, VYI_VK_PROBE_READ),
                   vyre_ir_get(p, read), VYRE_ORDER_RELAXED);
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD, ir->control, vyi_vk_probe_word(p, VYI_VK_PROBE_TORN),
                   vyre_ir_get(p, torn), VYRE_ORDER_RELAXED);
    vyre_ir_end(p);
}

/* All lanes stay for as long as their group's first one. */
static void vyi_vk_probe_emit_resident(const vyi_vk_probe_ir *ir)
{
    vyre_program *p = ir->p;
    const vyre_value zero = vyre_ir_u32(p, 0), one = vyre_ir_u32(p, 1);
    const vyre_value running = vyi_vk_probe_word(p, VYI_VK_PROBE_RUNNING);
    const vyre_value peak = vyi_vk_probe_word(p, VYI_VK_PROBE_PEAK);
    const vyre_value goal =
        vyre_ir_load(p, ir->control, vyi_vk_probe_word(p, VYI_VK_PROBE_GOAL));
    vyre_ir_if(p, ir->leads);
    const vyre_value before = vyre_ir_atomic(p, VYRE_ATOMIC_ADD, ir->control, running, one,
                                             VYRE_ORDER_ACQ_REL);
    vyre_ir_atomic(p, VYRE_ATOMIC_MAX, ir->control, peak, vyre_ir_add(p, before, one),
                   VYRE_ORDER_RELAXED);
    vyre_ir_end(p);
    vyre_ir_loop(p, zero, ir->times);
    vyre_ir_if(p, vyre_ir_ge(p, vyre_ir_atomic_load(p, ir->control, peak, VYRE_ORDER_RELAXED),
                             goal));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_ir_if(p, ir->leads);
    vyre_ir_atomic(p, VYRE_ATOMIC_SUB, ir->control, running, one, VYRE_ORDER_ACQ_REL);
    vyre_ir_end(p);
}

static vyre_program *vyi_vk_probe_program(const vyre_allocator *allocator, vyre_error *err)
{
    static void (*const parts[])(const vyi_vk_probe_ir *) = {
        vyi_vk_probe_emit_loops, vyi_vk_probe_emit_echo, vyi_vk_probe_emit_resident
    };
    vyre_program_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.name = "probe";
    desc.allocator = *allocator;
    vyre_program *p = vyre_program_create(&desc, err);
    if (!p)
        return NULL;

    vyi_vk_probe_ir ir;
    vyre_buffer_desc buffer;
    memset(&buffer, 0, sizeof buffer);
    ir.p = p;
    buffer.name = "control";
    ir.control = vyre_ir_buffer(p, &buffer);
    buffer.name = "mirror";
    buffer.binding = 1;
    ir.mirror = vyre_ir_buffer(p, &buffer);
    ir.leads = vyre_ir_eq(p, vyre_ir_builtin(p, VYRE_BUILTIN_LOCAL_ID_X), vyre_ir_u32(p, 0));
    ir.times = vyre_ir_load(p, ir.control, vyi_vk_probe_word(p, VYI_VK_PROBE_TIMES));
    vyre_ir_switch(p, vyre_ir_load(p, ir.control, vyi_vk_probe_word(p, VYI_VK_PROBE_WHAT)));
    for (uint32_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        vyre_ir_case(p, i);
        parts[i](&ir);
    }
    vyre_ir_end(p);
    if (vyre_program_finish(p, err) < 0) {
        vyre_program_destroy(p);
        return NULL;
    }
    return p;
}

/* --- the set-up ---------------------------------------------------------- */

typedef struct vyi_vk_prober {
    vyi_vk_context  *c;
    vyi_vk_buffer    control, mirror;
    vyi_vk_layout    layout;
    VkDescriptorPool pool;
    VkDescriptorSet  set;
    VkPipeline       pipeline;
    vyi_vk_chain     chain;
    vyre_error       look; /* of the look that found the device lost */
    /* Of all goes of the echo. */
    uint32_t         seen, answered; /* numbers, in the best one */
    uint32_t         read;           /* lines, in the best one */
    bool             summed;         /* all sums were answered in one */
    bool             early;          /* in any, an answer came before its effect */
} vyi_vk_prober;

static vyre_status vyi_vk_prober_pipeline(vyi_vk_prober *pr, uint32_t group_size, vyre_error *err)
{
    vyi_vk_pipeline_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.layout = &pr->layout;
    desc.group_size = group_size;
    desc.name = "probe";
    vyre_program *program = vyi_vk_probe_program(&pr->c->desc->allocator, err);
    if (!program)
        return err ? err->status : VYRE_E_NOMEM;
    desc.program = program;
    const vyre_status status = vyi_vk_pipeline_create(pr->c, &desc, &pr->pipeline, err);
    vyre_program_destroy(program);
    return status;
}

static vyre_status vyi_vk_prober_create(vyi_vk_prober *pr, uint32_t group_size, vyre_error *err)
{
    static const uint32_t numbers[2] = { 0, 1 };
    vyi_vk_context *c = pr->c;
    vyre_status status = vyi_vk_buffer_create(c, &pr->control, VYI_VK_DEVICE,
                                              VYI_VK_PROBE_WORDS * 4, "probe control", err);
    if (status == VYRE_OK)
        status = vyi_vk_buffer_create(c, &pr->mirror, VYI_VK_HOST, 64, "probe mirror", err);
    if (status == VYRE_OK)
        status = vyi_vk_layout_create(c, &pr->layout, numbers, 2, err);
    if (status == VYRE_OK)
        status = vyi_vk_pool_create(c, &pr->pool, 1, 2, err);
    if (status == VYRE_OK)
        status = vyi_vk_set_create(c, pr->pool, &pr->layout, &pr->set, err);
    if (status == VYRE_OK)
        status = vyi_vk_prober_pipeline(pr, group_size, err);
    if (status == VYRE_OK)
        status = vyi_vk_chain_create(c, &pr->chain, 1, err);
    if (status < 0)
        return status;
    const vyi_vk_binding bindings[2] = { { 0, pr->control.buffer, pr->control.size },
                                         { 1, pr->mirror.buffer, pr->mirror.size } };
    vyi_vk_set_write(c, pr->set, bindings, 2);
    c->probed[VYI_VK_DEVICE] = pr->control.type;
    c->probed[VYI_VK_HOST] = pr->mirror.type;
    return VYRE_OK;
}

static void vyi_vk_prober_destroy(vyi_vk_prober *pr)
{
    vyi_vk_context *c = pr->c;
    if (c->hung)
        return;
    vyi_vk_chain_destroy(c, &pr->chain);
    if (pr->pipeline)
        c->fn.vkDestroyPipeline(c->device, pr->pipeline, c->callbacks);
    if (pr->pool)
        c->fn.vkDestroyDescriptorPool(c->device, pr->pool, c->callbacks);
    vyi_vk_layout_destroy(c, &pr->layout);
    vyi_vk_buffer_destroy(c, &pr->mirror);
    vyi_vk_buffer_destroy(c, &pr->control);
}

/* --- running it ---------------------------------------------------------- */

#define VYI_VK_PROBE_DEADLINE 2000000000ull /* of one dispatch; compiling included */

static void *vyi_vk_probe_at(const vyi_vk_prober *pr, uint32_t word)
{
    return (uint32_t *)pr->control.mapped + word;
}

static void vyi_vk_probe_set(vyi_vk_prober *pr, uint32_t word, uint32_t value)
{
    vyi_store_release(vyi_vk_probe_at(pr, word), vyi_le32(value));
}

static uint32_t vyi_vk_probe_get(const vyi_vk_prober *pr, uint32_t word)
{
    return vyi_le32(vyi_load_acquire(vyi_vk_probe_at(pr, word)));
}

static vyre_status vyi_vk_probe_launch(vyi_vk_prober *pr, vyi_vk_probe_what what, uint32_t times,
                                       uint32_t groups, vyre_error *err)
{
    vyi_vk_dispatch dispatch;
    dispatch.pipeline = pr->pipeline;
    dispatch.layout = pr->layout.pipeline;
    dispatch.set = pr->set;
    dispatch.groups = groups;
    dispatch.rounds = 0;
    vyi_vk_probe_set(pr, VYI_VK_PROBE_WHAT, (uint32_t)what);
    vyi_vk_probe_set(pr, VYI_VK_PROBE_TIMES, times);
    vyi_vk_probe_set(pr, VYI_VK_PROBE_COUNT, 0);
    vyi_vk_probe_set(pr, VYI_VK_PROBE_READ, 0);
    return vyi_vk_chain_launch(pr->c, &pr->chain, 0, &dispatch, err);
}

static vyre_status vyi_vk_probe_finish(vyi_vk_prober *pr, vyre_error *err)
{
    vyi_vk_chain *chain = &pr->chain;
    const vyre_status status = vyi_vk_chain_reap(pr->c, chain, chain->launched - 1,
                                                 VYI_VK_PROBE_DEADLINE, err);
    if (status == VYRE_OK && chain->completed == chain->launched)
        return VYRE_OK;
    pr->c->hung = !vyi_vk_chain_idle(pr->c, chain, status < 0 ? VYI_VK_PROBE_DEADLINE : 0);
    if (status < 0)
        return status;
    return vyi_fail(err, VYRE_E_VK_TIMEOUT, chain->launched,
                    "Choose another device, or restart the driver.",
                    "a small dispatch of the probe did not end within %llu ms",
                    (unsigned long long)(VYI_VK_PROBE_DEADLINE / 1000000));
}

#define VYI_VK_PROBE_ITERATIONS 200000u

VYI_OUTLINE
static vyre_status vyi_vk_probe_loops(vyi_vk_prober *pr, vyre_probe *out, vyre_error *err)
{
    vyre_status status = vyi_vk_probe_launch(pr, VYI_VK_PROBE_LOOPS, VYI_VK_PROBE_ITERATIONS, 1,
                                             err);
    if (status == VYRE_OK)
        status = vyi_vk_probe_finish(pr, err);
    if (status < 0)
        return status;
    const uint32_t count = vyi_vk_probe_get(pr, VYI_VK_PROBE_COUNT);
    out->loop_limited = count < VYI_VK_PROBE_ITERATIONS;
    out->loop_limit = out->loop_limited ? count : 0;
    return VYRE_OK;
}

#define VYI_VK_PROBE_PROOF  3u  /* enough */

static bool vyi_vk_probe_on_cpu(const vyi_vk_prober *pr)
{
    return pr->c->properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
}

/* Waits for the answer; false when the dispatch has ended without it, or the
 * deadline passed.  A driver whose device is the CPU may need this very core
 * for the answer, so this thread soon begins to sleep. */
static bool vyi_vk_probe_await(vyi_vk_prober *pr, uint32_t number, uint64_t timeout_ns)
{
    const uint64_t deadline = vyi_deadline(timeout_ns);
    for (uint32_t spin = 1; vyi_le32(vyi_load_acquire(pr->mirror.mapped)) != number; spin++) {
        if (spin % 1024 != 0)
            continue;
        if (vyi_now() >= deadline ||
            vyi_vk_chain_reap(pr->c, &pr->chain, pr->chain.completed, 0, &pr->look) < 0 ||
            pr->chain.completed == pr->chain.launched)
            return vyi_le32(vyi_load_acquire(pr->mirror.mapped)) == number;
        if (spin >= 8192)
            vyi_sleep(20000);
    }
    return true;
}

static void vyi_vk_probe_send(vyi_vk_prober *pr, uint32_t number)
{
    if (vyi_has_store_line()) {
        vyi_line line;
        for (uint32_t i = 0; i < 4; i++)
            line.quads[i] = vyi_quad_of(number, number, number, number);
        vyi_store_line(vyi_vk_probe_at(pr, VYI_VK_PROBE_PING), &line);
    } else {
        vyi_vk_probe_set(pr, VYI_VK_PROBE_PING, number);
    }
    vyi_fence_stores();
}

#define VYI_VK_PROBE_LINES   1000u
#define VYI_VK_PROBE_LINE_NS 700u /* between two: about a round of the dispatch */

/* Lines that nobody waits for, for the dispatch to look at as they arrive. */
static void vyi_vk_probe_lines(vyi_vk_prober *pr, uint32_t number)
{
    for (uint32_t i = 1; i <= VYI_VK_PROBE_LINES; i++) {
        const uint64_t next = vyi_now() + VYI_VK_PROBE_LINE_NS;
        vyi_vk_probe_send(pr, number + i);
        while (vyi_now() < next)
            vyi_pause();
    }
}

/* Asks for sums, and looks at each behind its answer. */
static void vyi_vk_probe_sums(vyi_vk_prober *pr, uint64_t patience)
{
    for (uint32_t sum = 1; sum <= VYI_VK_PROBE_SUMS; sum++) {
        vyi_vk_probe_send(pr, VYI_VK_PROBE_ECHOES + sum);
        if (!vyi_vk_probe_await(pr, VYI_VK_PROBE_ECHOES + sum, patience))
            return;
        pr->early = pr->early || vyi_vk_probe_get(pr, VYI_VK_PROBE_SUM) != sum;
    }
    pr->summed = true;
}

/* Whether the host can store lines, to a device that is not the host itself. */
static bool vyi_vk_probe_has_lines(const vyi_vk_prober *pr)
{
    return vyi_has_store_line() && !vyi_vk_probe_on_cpu(pr);
}

/* One dispatch.  Returns how many numbers came back while it ran. */
static uint32_t vyi_vk_probe_converse(vyi_vk_prober *pr, vyre_probe *out)
{
    const uint64_t patience = vyi_vk_probe_on_cpu(pr) ? 100000000ull : 5000000ull;
    uint32_t number = 1;
    for (; number <= VYI_VK_PROBE_ECHOES; number++) {
        const uint64_t begin = vyi_now();
        vyi_vk_probe_send(pr, number);
        /* The first one waits for the dispatch to begin. */
        if (!vyi_vk_probe_await(pr, number, number == 1 ? 200000000ull : patience))
            break;
        const uint64_t taken = vyi_now() - begin;
        if (number > 1 && (out->round_trip_ns == 0 || taken < out->round_trip_ns))
            out->round_trip_ns = taken > 0 ? taken : 1;
    }
    if (number > VYI_VK_PROBE_ECHOES && vyi_vk_probe_has_lines(pr)) {
        vyi_vk_probe_sums(pr, patience);
        vyi_vk_probe_lines(pr, VYI_VK_PROBE_ECHOES + VYI_VK_PROBE_SUMS);
    }
    return number - 1;
}

static void vyi_vk_probe_keep(uint32_t *best, uint32_t now)
{
    if (now > *best)
        *best = now;
}

/* One dispatch of the echo: one go. */
static vyre_status vyi_vk_probe_echo_once(vyi_vk_prober *pr, vyre_probe *out, vyre_error *err)
{
    const bool cpu = vyi_vk_probe_on_cpu(pr);
    const uint32_t times = out->loop_limited ? out->loop_limit / 2 : 20000;
    vyi_vk_probe_set(pr, VYI_VK_PROBE_PING, 0);
    vyi_vk_probe_set(pr, VYI_VK_PROBE_SUM, 0);
    vyi_store_release(pr->mirror.mapped, 0);
    /* On a CPU an iteration takes little time, and more groups make it longer. */
    vyre_status status = vyi_vk_probe_launch(pr, VYI_VK_PROBE_ECHO, times, cpu ? 16 : 1, err);
    if (status < 0)
        return status;
    const uint32_t now = vyi_vk_probe_converse(pr, out);
    if (pr->c->lost) {
        if (err)
            *err = pr->look;
        return pr->look.status;
    }
    vyi_vk_probe_set(pr, VYI_VK_PROBE_PING, VYI_VK_PROBE_STOP);
    vyi_fence_stores();
    status = vyi_vk_probe_finish(pr, err);
    if (status < 0)
        return status;
    vyi_vk_probe_keep(&pr->answered, now);
    vyi_vk_probe_keep(&pr->seen, vyi_vk_probe_get(pr, VYI_VK_PROBE_COUNT));
    vyi_vk_probe_keep(&pr->read, vyi_vk_probe_get(pr, VYI_VK_PROBE_READ));
    return VYRE_OK;
}

#define VYI_VK_PROBE_ENOUGH (VYI_VK_PROBE_LINES / 10)
#define VYI_VK_PROBE_GOES   8u /* for lines and sums */

static bool vyi_vk_probe_is_live(const vyi_vk_prober *pr)
{
    return pr->answered >= VYI_VK_PROBE_PROOF && pr->seen >= VYI_VK_PROBE_PROOF;
}

/* Whether the goes so far leave something open that another one may show. */
static bool vyi_vk_probe_is_open(const vyi_vk_prober *pr, uint32_t goes)
{
    if (!vyi_vk_probe_is_live(pr))
        return true;
    return vyi_vk_probe_has_lines(pr) && goes < VYI_VK_PROBE_GOES &&
           (!pr->summed || pr->read < VYI_VK_PROBE_ENOUGH);
}

/* A host thread that does not get its turn while the dispatch runs proves
 * nothing, so it has several goes, and many where both run on the same cores:
 * there only a busy machine stands in the way.  A torn line in any go is one,
 * and so is an answer that came early. */
VYI_OUTLINE
static vyre_status vyi_vk_probe_echo(vyi_vk_prober *pr, vyre_probe *out, vyre_error *err)
{
    const uint64_t deadline =
        vyi_deadline(vyi_vk_probe_on_cpu(pr) ? 3000000000ull : 300000000ull);
    vyi_vk_probe_set(pr, VYI_VK_PROBE_TORN, 0);
    uint32_t goes = 0;
    do {
        const vyre_status status = vyi_vk_probe_echo_once(pr, out, err);
        if (status < 0)
            return status;
    } while (vyi_vk_probe_is_open(pr, ++goes) && vyi_now() < deadline);
    out->host_to_device = pr->seen >= VYI_VK_PROBE_PROOF;
    out->device_to_host = pr->answered >= VYI_VK_PROBE_PROOF;
    out->live = vyi_vk_probe_is_live(pr);
    out->whole_lines = pr->read >= VYI_VK_PROBE_ENOUGH &&
                       vyi_vk_probe_get(pr, VYI_VK_PROBE_TORN) == 0;
    out->effects_first = pr->summed && !pr->early;
    return VYRE_OK;
}

#define VYI_VK_PROBE_MAX_GROUPS 2048u

VYI_OUTLINE
static vyre_status vyi_vk_probe_resident(vyi_vk_prober *pr, uint32_t max_groups, vyre_probe *out,
                                         vyre_error *err)
{
    const bool cpu = vyi_vk_probe_on_cpu(pr);
    /* Twice as many as are of use, to see whether there is room to spare. */
    uint32_t groups = max_groups < VYI_VK_PROBE_MAX_GROUPS / 2 ? 2 * max_groups
                                                               : VYI_VK_PROBE_MAX_GROUPS;
    if (cpu || groups < 16)
        groups = 16;
    vyi_vk_probe_set(pr, VYI_VK_PROBE_GOAL, groups);
    /* Iterations are short on a CPU; on a GPU many groups ask for the same word. */
    vyre_status status = vyi_vk_probe_launch(pr, VYI_VK_PROBE_RESIDENT, cpu ? 2000 : 300, groups,
                                             err);
    if (status == VYRE_OK)
        status = vyi_vk_probe_finish(pr, err);
    if (status == VYRE_OK)
        out->resident_groups = vyi_vk_probe_get(pr, VYI_VK_PROBE_PEAK);
    return status;
}

static void vyi_vk_probe_text(vyre_probe *out)
{
    static const char *const shown[2][2] = {
        { "", ", effects first" }, { ", whole lines", ", whole lines, effects first" }
    };
    char limit[48] = "none found";
    if (out->loop_limited)
        snprintf(limit, sizeof limit, "%u", out->loop_limit);
    snprintf(out->text, sizeof out->text,
             "%s: host to device %s, device to host %s, echo %.2f us; loop limit %s; "
             "%u groups at once%s",
             out->live ? "live" : "not live", out->host_to_device ? "yes" : "no",
             out->device_to_host ? "yes" : "no", (double)out->round_trip_ns * 1e-3, limit,
             out->resident_groups, shown[out->whole_lines][out->effects_first]);
}

VYI_COLD
VYI_API vyre_status vyi_vk_probe(vyi_vk_context *c, uint32_t group_size, uint32_t max_groups,
                                 vyre_probe *out, vyre_error *err)
{
    vyi_vk_prober pr;
    vyre_probe result;
    memset(&pr, 0, sizeof pr);
    memset(&result, 0, sizeof result);
    pr.c = c;
    vyre_status status = vyi_vk_prober_create(&pr, group_size, err);
    if (status == VYRE_OK)
        status = vyi_vk_probe_loops(&pr, &result, err);
    if (status == VYRE_OK)
        status = vyi_vk_probe_echo(&pr, &result, err);
    if (status == VYRE_OK)
        status = vyi_vk_probe_resident(&pr, max_groups, &result, err);
    vyi_vk_prober_destroy(&pr);
    if (status < 0)
        return status;
    result.ran = true;
    vyi_vk_probe_text(&result);
    *out = result;
    return VYRE_OK;
}

#endif /* VYI_VULKAN */
/* ==========================================================================
 * vulkan: the backend
 *
 * Two pipelines over one set of buffers, and a chain of launches.  The second
 * descriptor set, for byte-level dispatch, comes into being with the first
 * attach.
 * ======================================================================= */

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
    VkPipelineCache  cache;
    VkPipeline       loop, once;
    uint32_t         once_groups;
    uint32_t         loop_group;      /* group size of the looping kernel; 0 = the program's own */
    vyi_vk_chain     chain;
} vyi_vk;

/* --- geometry ------------------------------------------------------------ */

/* Where the loop limit was not measured; llvmpipe has this one. */
#define VYI_VK_CPU_LOOP_LIMIT 65535u
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

/* The looping kernel gets only as many groups as run at once, and half of what
 * the probe counted where that matters: a kernel with more registers than the
 * probe has fits less often.  A CPU gives it one of its cores. */
static void vyi_vk_groups_choose(vyi_vk *v, const vyi_device_desc *desc)
{
    const uint64_t slots = (uint64_t)desc->group_size * desc->max_groups;
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
    const uint64_t each = (slots + lanes - 1) / lanes + 2;
    if (limit == 0)
        return 0;
    return limit / 2 > each ? (uint32_t)(limit / 2 / each) : 1;
}

/* --- open ---------------------------------------------------------------- */

static vyi_vk_place vyi_vk_role_place(vyi_role role)
{
    return role == VYI_ROLE_MIRROR ? VYI_VK_HOST : VYI_VK_DEVICE;
}

static vyre_status vyi_vk_open_buffers(vyi_vk *v, const vyi_device_desc *desc, vyre_error *err)
{
    for (uint32_t i = 0; i < desc->buffer_count; i++) {
        const vyi_device_buffer *b = &desc->buffers[i];
        const vyre_status status = vyi_vk_buffer_create(
            &v->c, &v->resident[i], vyi_vk_role_place(b->role), b->size, b->name, err);
        if (status < 0)
            return status;
        v->roles[i] = b->role;
        v->bindings[i] = b->binding;
        v->base.map[i] = v->resident[i].mapped;
        v->base.bytes += b->size;
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
        const bool polled = v->roles[i] == VYI_ROLE_CONTROL || v->roles[i] == VYI_ROLE_RING;
        if (polled || v->roles[i] == VYI_ROLE_MIRROR)
            probed = probed && vyi_vk_is_probed(v, i);
        if (polled && !(v->resident[i].flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT))
            v->base.write_combined = v->base.slow_reads = true;
    }
    v->base.whole_lines = v->base.write_combined && probed && v->probe.whole_lines;
}

/* Set 0 shows the resident buffers, set 1 the attached ones and the user's. */
static void vyi_vk_write_set(vyi_vk *v, uint32_t set)
{
    vyi_vk_binding list[VYI_MAX_BUFFERS];
    for (uint32_t i = 0; i < v->buffer_count; i++) {
        const vyi_vk_buffer *b = set == 1 && v->roles[i] != VYI_ROLE_USER ? &v->attached[i]
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
    vyre_status status = vyi_vk_cache_open(&v->c, v->program_hash, &v->cache, err);

    vyi_vk_pipeline_desc p;
    memset(&p, 0, sizeof p);
    p.layout = &v->layout;
    p.cache = v->cache;
    p.group_size = v->base.group_size;
    p.loop_limit = vyi_vk_loop_limit(v);
    p.program = desc->once;
    p.name = "pass";
    if (status == VYRE_OK)
        status = vyi_vk_pipeline_create(&v->c, &p, &v->once, err);
    p.program = loop;
    p.name = "loop";
    p.group_size = v->loop_group;
    if (status == VYRE_OK)
        status = vyi_vk_pipeline_create(&v->c, &p, &v->loop, err);
    return status;
}

VYI_OUTLINE
static vyre_status vyi_vk_open_steps(vyi_vk *v, const vyi_device_desc *desc, vyre_error *err)
{
    const uint32_t wanted = desc->desc->lease.in_flight ? desc->desc->lease.in_flight : 2;
    vyre_status status = vyi_vk_context_open(&v->c, desc->desc, err);
    if (status == VYRE_OK)
        status = vyi_vk_group_choose(v, desc, err);
    if (status == VYRE_OK && !desc->desc->no_probe)
        status = vyi_vk_probe(&v->c, v->base.group_size, desc->max_groups, &v->probe, err);
    if (status < 0)
        return status;
    vyi_vk_groups_choose(v, desc);
    v->base.max_rounds = vyi_vk_max_rounds(v, desc);
    vyi_vk_loop_spread(v, desc);
    v->base.in_flight = vyi_vk_min(wanted, VYI_VK_MAX_CHAIN - 1);

    status = vyi_vk_open_buffers(v, desc, err);
    if (status != VYRE_OK)
        return status;
    vyi_vk_describe_memory(v);
    status = vyi_vk_open_sets(v, err);
    if (status == VYRE_OK)
        status = vyi_vk_open_pipelines(v, desc, err);
    if (status == VYRE_OK)
        status = vyi_vk_chain_create(&v->c, &v->chain, v->base.in_flight + 1, err);
    /* Of the looping kernel; the passes have theirs already. */
    v->base.group_size = v->base.narrow ? 1 : v->loop_group;
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
        if (v->cache)
            c->fn.vkDestroyPipelineCache(c->device, v->cache, c->callbacks);
        if (v->pool)
            c->fn.vkDestroyDescriptorPool(c->device, v->pool, c->callbacks);
        vyi_vk_layout_destroy(c, &v->layout);
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
    const bool idle = !v->c.hung && vyi_vk_chain_idle(&v->c, &v->chain, VYI_VK_CLOSE_TIMEOUT);
    if (idle) {
        if (!v->c.lost)
            vyi_vk_cache_store(&v->c, v->program_hash, v->cache);
        vyi_vk_free(v);
    }
    vyi_free(allocator, v, sizeof *v);
    return idle;
}

/* --- the rest of the contract -------------------------------------------- */

static void vyi_vk_info(const vyi_device *d, vyre_info *info)
{
    const vyi_vk *v = (const vyi_vk *)d;
    info->backend = VYRE_BACKEND_VULKAN;
    snprintf(info->device, sizeof info->device, "%.127s", v->c.properties.deviceName);
    snprintf(info->driver, sizeof info->driver, "%.127s", v->c.driver);
    info->probe = v->probe;
}

static vyre_status vyi_vk_launch(vyi_device *d, vyi_launch what, uint32_t rounds, vyre_error *err)
{
    vyi_vk *v = (vyi_vk *)d;
    vyi_vk_dispatch dispatch;
    dispatch.pipeline = what == VYI_LAUNCH_LOOP ? v->loop : v->once;
    dispatch.layout = v->layout.pipeline;
    dispatch.set = v->sets[what == VYI_LAUNCH_BYTES ? 1 : 0];
    dispatch.groups = what == VYI_LAUNCH_LOOP ? v->base.groups : v->once_groups;
    dispatch.rounds = rounds;
    return vyi_vk_chain_launch(&v->c, &v->chain, (uint32_t)what, &dispatch, err);
}

static vyre_status vyi_vk_reap(vyi_device *d, uint64_t beyond, uint64_t timeout_ns,
                               uint64_t *completed, vyre_error *err)
{
    vyi_vk *v = (vyi_vk *)d;
    const vyre_status status = vyi_vk_chain_reap(&v->c, &v->chain, beyond, timeout_ns, err);
    if (status == VYRE_OK)
        *completed = v->chain.completed;
    return status;
}

/* The size that the attached set needs of buffer i, or 0 when it has none.  No
 * buffer of Vulkan's is empty. */
static size_t vyi_vk_attached_size(const vyi_vk *v, uint32_t i,
                                   const size_t size[VYI_CORE_BUFFERS])
{
    if (v->roles[i] < VYI_ROLE_USER)
        return size[v->roles[i]] > 4 ? size[v->roles[i]] : 4;
    return v->roles[i] == VYI_ROLE_MIRROR ? v->resident[i].size : 0;
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

#endif /* VYI_VULKAN */

VYI_API const vyi_backend *vyi_vulkan_backend(void)
{
#if VYI_VULKAN
    static const vyi_backend backend = {
        VYRE_BACKEND_VULKAN, "vulkan",   vyi_vk_open,   vyi_vk_close, vyi_vk_info,
        vyi_vk_launch,       vyi_vk_reap, vyi_vk_attach, NULL,         NULL, true
    };
    return &backend;
#else
    return NULL;
#endif
}

#endif /* VYRE_IMPLEMENTATION */

/*
 * MIT License
 *
 * Copyright (c) 2026 the vyre.h authors
 *
 * Permission is hereby granted, free of charge, to any person obtaining a copy
 * of this software and associated documentation files (the "Software"), to deal
 * in the Software without restriction, including without limitation the rights
 * to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
 * copies of the Software, and to permit persons to whom the Software is
 * furnished to do so, subject to the following conditions:
 *
 * The above copyright notice and this permission notice shall be included in
 * all copies or substantial portions of the Software.
 *
 * THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
 * IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
 * FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
 * AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
 * LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
 * OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
 * SOFTWARE.
 */

/* vyre.h - a GPU work queue that is already running
 *
 * WHAT
 *
 * A program that has many small jobs for a GPU pays for each launch.  Here the
 * kernel is launched once and keeps running: the host writes a job of 64 bytes
 * into a ring, a lane of the kernel claims it, runs its opcode and counts it
 * done.  Opcodes are built in, or a line of GLSL each, or written in C against a
 * small builder; the header turns them into SPIR-V itself.  There is no shader
 * compiler, no C++ and no vendor's toolkit, and without Vulkan the same program
 * runs on the CPU.
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
 *     VYRE_NO_GLSL         listings in GLSL, and GLSL by way of glslang
 *     VYRE_NO_WATCH        what a ring is doing, as counts
 *     VYRE_NO_PLAN         sizing a handle, regions of a buffer, races
 *     VYRE_NO_FUSE         works that are folded, ordered and grouped
 *     VYRE_NO_SCAN         many patterns in many files
 *     VYRE_NO_POOL         works for several devices
 *     VYRE_NO_REPLAY       logs of works
 *     VYRE_NO_TRACE        pictures of what happened
 *     VYRE_NO_IO           files for a running kernel; vyre_vulkan_desc.cache_file
 *     VYRE_NO_TASK         works that stop in the middle, as the host's values
 *     VYRE_NO_GRAPH        works and what each runs after, as one
 *     VYRE_NO_SOURCE       handlers as text
 *     VYRE_NO_EXCHANGE     the original's files of programs
 *     VYRE_NO_RUNNER       any program on a device, without a ring
 *     VYRE_NO_THREADS      locks do nothing, no helper thread: one thread only
 *     VYRE_URING           in that file: read them by io_uring, with liburing
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
 *     // Opcode 0x1000, for each index from argument 0 up to argument 1.
 *     static const vyre_handler axpy = { 0x1000, NULL, NULL, "axpy", VYRE_WIDTH_RANGE, 0,
 *                                        "y[index] += arg[2] * x[index];", 0 };
 *
 *     int main(void)
 *     {
 *         vyre_buffer_desc buffers[2];
 *         memset(buffers, 0, sizeof buffers); // zero is a good default everywhere
 *         buffers[0].name = "x";
 *         buffers[1].name = "y";
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
 *         vyre_ticket ticket;
 *         const vyre_work work = { 0x1000, 0, VYRE_PRIORITY_NORMAL, // opcode, tenant
 *                                  3, { 0, 1024, 3 } };             // arguments
 *         if (vyre_publish(v, &work, &ticket, &err) != VYRE_OK ||
 *             vyre_wait(v, ticket, VYRE_FOREVER, &err) != VYRE_OK)
 *             return 1;
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
 * A handler is a line of GLSL (docs/source.md): scalars of 32 bits, functions, loops;
 * buffers by name, arg[0] to arg[11], result(n, v) for vyre_result(), fault(code) to end
 * the job FAULT, yield(pc, data) to go on with it later (kernel.tasks, docs/task.md),
 * printf("%u", v) for vyre_desc.log; many lanes have index, and
 * reduce_add(n, v); a group has lane, lanes, shared arrays and barrier().  Or it is an
 * emit function, called when the kernel is built: what it calls on the builder is what
 * every slot with its opcode will do; slot->arg[] are the job's arguments,
 * slot->buffers[] your buffers, vyre_emit_result() and vyre_emit_fault() the rest.
 * One lane runs it, or many, as vyre_handler.width says.  Arguments beyond the job's
 * arg_count are 0.  Loads beyond a buffer's end give 0, stores there do nothing,
 * division by zero is defined: of all that a job can do only a loop without an end
 * harms the kernel.
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
 *  6. Works have no order, but for those of vyre_publish_after and what they name.
 *  7. A work's lane never waits for another lane: no locks in handlers.
 *  8. A handler's loops are bounded where drivers cut loops: then it ends FAULT.
 *  9. Memory is the allocator's that the desc names; publishing allocates nothing.
 * 10. Nothing is printed, no process is ended, no global is changed.
 *
 * WHAT IT DOES NOT DO
 *
 * It draws nothing and owns no window.  It does not wait inside the kernel.  Where a
 * device does not
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
 *     wire/plan   priority partitions, requeue accounting
 *     ir          programs: types, operators, control flow, memory
 *     kernel      the programs that serve a ring, handlers, faults
 *     interp      running a program on the CPU
 *     spirv       a program as a SPIR-V module
 *     glsl        (room) a program as GLSL
 *     source      (room) a handler as a line of GLSL, no compiler needed
 *     engine      vyre_open and what follows: the handle, tickets, modes; producers
 *     vulkan      the Vulkan backend; what a cache file holds
 *     watch       (room) what a ring or a handle is doing: states, health, who hangs
 *     plan        (room) geometry, policy, races, regions
 *     fuse        (room) what need not run twice, what runs after what
 *     scan        (room) many patterns, or DFAs, in many files, on a running kernel
 *     pool        (room) shares of a total, works and bytes for several devices
 *     replay      (room) a log of works that can be run again
 *     trace       (room) what happened on a handle, for Perfetto
 *     io          (room) files into buffers, asked for by a running kernel
 *     task        (room) a slot as a task that stops in the middle and goes on later
 *     exchange    (room) the original's files of programs, read and written
 *     graph       (room) works and what each runs after, published as one
 *     runner      (room) any finished program on a device, without a ring
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

#include "config.h"
#include "base/base.h"
#include "wire/wire.h"
#include "wire/ring.h"
#include "wire/tenant.h"
#include "wire/plan.h"
#include "ir/ir.h"
#include "kernel/kernel.h"
#include "interp/interp.h"
#include "emit/spirv.h"
#include "emit/glsl.h"
#include "engine/engine.h"
#include "engine/producer.h"
#include "vulkan/vulkan.h"
#include "vulkan/cache.h"
#include "rooms/watch/watch.h"
#include "rooms/watch/watch_live.h"
#include "rooms/plan/plan.h"
#include "rooms/fuse/fuse.h"
#include "rooms/scan/scan.h"
#include "rooms/scan/scan_live.h"
#include "rooms/scan/scan_files.h"
#include "rooms/pool/pool.h"
#include "rooms/replay/replay.h"
#include "rooms/replay/replay_run.h"
#include "rooms/io/io.h"
#include "rooms/task/task.h"
#include "rooms/graph/graph.h"
#include "rooms/exchange/exchange.h"
#include "rooms/runner/runner.h"
#include "rooms/trace/trace.h"
#include "rooms/source/source.h"

#endif /* VYRE_H */

#if defined(VYRE_IMPLEMENTATION) && !defined(VYI_IMPLEMENTED)
#define VYI_IMPLEMENTED

#include "base/base.c"
#include "base/digest.c"
#include "wire/wire.c"
#include "wire/ring.c"
#include "wire/tenant.c"
#include "wire/plan.c"
#include "ir/ops.c"
#include "ir/text.c"
#include "ir/guest.c"
#include "ir/interleave.c"
#include "ir/check.c"
#include "ir/ir.c"
#include "ir/made.c"
#include "ir/pair.c"
#include "ir/eval.c"
#include "ir/opt.c"
#include "kernel/kernel.c"
#include "kernel/kernel_checked.c"
#include "kernel/kernel_slot.c"
#include "kernel/kernel_emit.c"
#include "kernel/kernel_ops.c"
#include "kernel/kernel_io.c"
#include "kernel/kernel_task.c"
#include "kernel/kernel_log.c"
#include "kernel/kernel_times.c"
#include "kernel/kernel_priority.c"
#include "kernel/kernel_narrow.c"
#include "kernel/kernel_wide.c"
#include "kernel/kernel_groups.c"
#include "kernel/kernel_lease.c"
#include "kernel/kernel_order.c"
#include "kernel/kernel_spawn.c"
#include "kernel/kernel_children.c"
#include "interp/interp_lanes.c"
#include "interp/interp_run.c"
#include "interp/interp_code.c"
#include "interp/interp.c"
#include "ir/range.c"
#include "emit/spirv_words.c"
#include "emit/spirv_builtin.c"
#include "emit/spirv_memory.c"
#include "emit/spirv_value.c"
#include "emit/spirv_flow.c"
#include "emit/spirv.c"
#include "emit/glsl.c"
#include "emit/glsl_compile.c"
#include "engine/engine_names.c"
#include "engine/engine_trace.c"
#include "engine/engine_slots.c"
#include "engine/engine_outcome.c"
#include "engine/engine_publish.c"
#include "engine/producer.c"
#include "engine/engine_wait.c"
#include "engine/engine_ends.c"
#include "engine/engine_task.c"
#include "engine/engine_cancel.c"
#include "engine/engine_wide.c"
#include "engine/engine_order.c"
#include "engine/engine_after.c"
#include "engine/engine_chain.c"
#include "engine/engine_recover.c"
#include "engine/engine_lease.c"
#include "engine/engine_log.c"
#include "engine/engine_run.c"
#include "engine/engine_memory.c"
#include "engine/engine_desc.c"
#include "engine/engine_programs.c"
#include "engine/engine_device.c"
#include "engine/engine_life.c"
#include "engine/engine.c"
#include "engine/cpu_impl.h"
#include "engine/cpu.c"
#include "engine/cpu_turn.c"
#include "engine/cpu_wide.c"
#include "engine/cpu_run.c"
#include "vulkan/cache.c"
#include "vulkan/vulkan_load.c"
#include "vulkan/vulkan_device.c"
#include "vulkan/vulkan_memory.c"
#include "vulkan/vulkan_kernel.c"
#include "vulkan/vulkan_chain.c"
#include "vulkan/vulkan_copy.c"
#include "vulkan/vulkan_probe.c"
#include "vulkan/vulkan_cache.c"
#include "vulkan/vulkan.c"
#include "rooms/watch/watch.c"
#include "rooms/watch/sketch.c"
#include "rooms/watch/watch_live.c"
#include "rooms/watch/watch_text.c"
#include "rooms/plan/geometry.c"
#include "rooms/plan/make.c"
#include "rooms/plan/policy.c"
#include "rooms/plan/race.c"
#include "rooms/plan/request.c"
#include "rooms/plan/regions.c"
#include "rooms/plan/tune.c"
#include "rooms/fuse/fuse_set.c"
#include "rooms/fuse/select.c"
#include "rooms/fuse/works.c"
#include "rooms/fuse/waves.c"
#include "rooms/fuse/run_with.c"
#include "rooms/fuse/elide.c"
#include "rooms/scan/segments.c"
#include "rooms/scan/dfa.c"
#include "rooms/scan/rules.c"
#include "rooms/scan/automaton.c"
#include "rooms/scan/scan_tables.c"
#include "rooms/scan/scan_kernel.c"
#include "rooms/scan/scan_host.c"
#include "rooms/scan/scan_works.c"
#include "rooms/scan/scan_run.c"
#include "rooms/scan/scan_tune.c"
#include "rooms/scan/scan_open.c"
#include "rooms/scan/scan_files.c"
#include "rooms/pool/split.c"
#include "rooms/pool/pool.c"
#include "rooms/pool/copy.c"
#include "rooms/exchange/exchange.c"
#include "rooms/exchange/exchange_text.c"
#include "rooms/exchange/exchange_name.c"
#include "rooms/exchange/exchange_value.c"
#include "rooms/exchange/exchange_import.c"
#include "rooms/exchange/exchange_export.c"
#include "rooms/runner/runner.c"
#include "rooms/runner/runner_guard.c"
#include "rooms/runner/runner_vulkan.c"
#include "rooms/replay/replay_file.c"
#include "rooms/replay/replay_bytes.c"
#include "rooms/replay/replay2.c"
#include "rooms/replay/replay.c"
#include "rooms/replay/replay_failure.c"
#include "rooms/replay/replay_run.c"
#include "rooms/replay/replay_note.c"
#include "rooms/replay/replay_record.c"
#include "rooms/io/io_file.c"
#include "rooms/io/io_table.c"
#include "rooms/io/io_job.c"
#include "rooms/io/io_pread.c"
#include "rooms/io/io_uring.c"
#include "rooms/io/io.c"
#include "rooms/io/io_stream.c"
#include "rooms/io/io_then.c"
#include "rooms/task/task.c"
#include "rooms/graph/graph.c"
#include "rooms/trace/trace.c"
#include "rooms/source/source_read.c"
#include "rooms/source/source_error.c"
#include "rooms/source/source_value.c"
#include "rooms/source/source_name.c"
#include "rooms/source/source_call.c"
#include "rooms/source/source_expr.c"
#include "rooms/source/source_flow.c"
#include "rooms/source/source_log.c"
#include "rooms/source/source.c"

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

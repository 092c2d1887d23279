/* vyre.h - a GPU work queue that is already running
 *
 * Copy this file into your project.  In one source file write
 *
 *     #define VYRE_IMPLEMENTATION
 *     #include "vyre.h"
 *
 * and include it without the define everywhere else.
 *
 * License: MIT, at the end of this file.
 * This file is generated from src/ by tools/amalgamate.c: change it there.
 */
#ifndef VYRE_H
#define VYRE_H

#include "config.h"
#include "base.h"
#include "wire.h"
#include "ring.h"
#include "tenant.h"
#include "plan.h"
#include "ir.h"
#include "kernel.h"
#include "interp.h"
#include "spirv.h"
#include "glsl.h"
#include "engine.h"
#include "vulkan.h"

#endif /* VYRE_H */

#if defined(VYRE_IMPLEMENTATION) && !defined(VYI_IMPLEMENTED)
#define VYI_IMPLEMENTED

#include "base.c"
#include "wire.c"
#include "ring.c"
#include "tenant.c"
#include "plan.c"
#include "ir.c"
#include "check.c"
#include "opt.c"
#include "text.c"
#include "kernel.c"
#include "kernel_ops.c"
#include "kernel_io.c"
#include "kernel_priority.c"
#include "interp_lanes.c"
#include "interp_run.c"
#include "interp_code.c"
#include "interp.c"
#include "spirv_memory.c"
#include "spirv_value.c"
#include "spirv_flow.c"
#include "spirv.c"
#include "glsl.c"
#include "engine_slots.c"
#include "engine_lease.c"
#include "engine_run.c"
#include "engine.c"
#include "cpu.c"
#include "vulkan_load.c"
#include "vulkan_device.c"
#include "vulkan_memory.c"
#include "vulkan_kernel.c"
#include "vulkan_chain.c"
#include "vulkan_probe.c"
#include "vulkan.c"

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

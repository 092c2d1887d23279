/* What is private, for tests that look inside: they link with the object of the
 * library that all tests share, in which VYI_API is extern (see the Makefile).
 * What a fragment keeps to itself is seen by no test. */
#ifndef INSIDE_H
#define INSIDE_H

#include "vyre.h"

#include "base/base_impl.h"
#include "base/line_impl.h"
#include "base/thread_impl.h"
#include "engine/cpu_impl.h"
#include "engine/engine_impl.h"
#include "engine/engine_slots_impl.h"
#include "engine/queue_impl.h"
#include "emit/spirv_impl.h"
#include "interp/interp_impl.h"
#include "ir/ir_impl.h"
#include "ir/range_impl.h"
#include "kernel/kernel_impl.h"
#include "kernel/wide_impl.h"
#include "wire/wire_impl.h"

#endif

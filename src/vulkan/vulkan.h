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

#include "engine/engine.h"

#endif

/* ==========================================================================
 * vulkan: the Vulkan backend
 * ======================================================================= */
#ifndef VYI_VULKAN_H
#define VYI_VULKAN_H

#include "base.h"

#endif

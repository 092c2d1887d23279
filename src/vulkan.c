/* ==========================================================================
 * vulkan: implementation
 * ======================================================================= */
#include "vulkan.h"

#include "engine_impl.h"

VYI_API const vyi_backend *vyi_vulkan_backend(void)
{
    return NULL;
}

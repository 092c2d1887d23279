/* ==========================================================================
 * plan: geometry and priority partitions
 * ======================================================================= */
#ifndef VYI_PLAN_H
#define VYI_PLAN_H

#include "base.h"

#endif

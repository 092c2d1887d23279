/* ==========================================================================
 * glsl: a program as GLSL, and GLSL as SPIR-V
 * ======================================================================= */
#ifndef VYI_GLSL_H
#define VYI_GLSL_H

#include "base.h"

#endif

/* The engine's cases with a library that knows no threads: the CPU's kernel
 * runs inside wait and poll.  White box, to set the switches. */
#define VYRE_NO_THREADS
#define VYRE_NO_VULKAN
#define VYRE_IMPLEMENTATION
#include "test_engine.c"

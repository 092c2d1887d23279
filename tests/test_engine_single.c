/* The engine's cases with a library that knows no threads: the CPU's kernel
 * runs inside wait and poll.  White box, to set the switch. */
#define VYRE_NO_THREADS
#define VYRE_IMPLEMENTATION
#include "test_engine.c"

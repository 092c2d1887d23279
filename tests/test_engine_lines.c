/* The engine on a backend that fails, with slots stored as lines on a CPU that may
 * have no such store: there they go word by word, the status last. */
#define VYI_LINES_BY_WORDS
#define KNOBS_HERE
#include "knobs.h"
#define VYRE_IMPLEMENTATION
#include "vyre.h"
#include "test_engine_fake.c"

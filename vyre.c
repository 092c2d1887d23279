#define VYRE_IMPLEMENTATION
#include "vyre.h"

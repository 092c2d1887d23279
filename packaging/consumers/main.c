/* What a program that found the package does first: one work, there and back. */
#ifndef USE_LIBRARY
    #define VYRE_IMPLEMENTATION
#endif
#include "vyre.h"

#include <stdio.h>

int main(void)
{
    static uint32_t control[256], ring[64 * 16];
    const vyre_control_desc desc = { false, 1, 64 };
    const vyre_work work = { VYRE_OP_STORE_U32, 0, VYRE_PRIORITY_NORMAL, 2, { 42, 160 } };
    vyre_error err;

    if (vyre_version() != VYRE_VERSION ||
        vyre_control_encode(control, sizeof control, &desc, &err) < 0 ||
        vyre_ring_encode(ring, sizeof ring, 64, &err) < 0 ||
        vyre_ring_publish(ring, sizeof ring, 0, &work, &err) < 0)
        return 1;
    printf("vyre %s\n", VYRE_VERSION_STRING);
    return 0;
}

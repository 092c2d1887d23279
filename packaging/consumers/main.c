/* What a program that found the package does first: one work, there and back. */
#ifndef USE_LIBRARY
    #define VYRE_IMPLEMENTATION
#endif
#include "vyre.h"

#include <stdio.h>
#include <string.h>

int main(void)
{
    const vyre_work work = { VYRE_OP_STORE_U32, 0, VYRE_PRIORITY_NORMAL, 2, { 42, 160 } };
    uint32_t seen = 0;
    vyre_desc desc;
    vyre_error err;
    memset(&desc, 0, sizeof desc);
    desc.backend = VYRE_BACKEND_CPU;

    vyre *v = vyre_open(&desc, &err);
    if (!v || vyre_run(v, &work, 1, NULL, &err) != VYRE_OK ||
        vyre_observable(v, 0, &seen, &err) != VYRE_OK) {
        fprintf(stderr, "%s\n%s\n", err.text, err.fix);
        return 1;
    }
    vyre_close(v);
    if (seen != 42 || vyre_version() != VYRE_VERSION)
        return 1;
    printf("vyre %s\n", VYRE_VERSION_STRING);
    return 0;
}

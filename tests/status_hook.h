/* Compiled into the test build of the library only: notes in the file named by
 * VYRE_STATUS_LOG which statuses were produced, for tests/check_statuses.sh. */
#ifndef STATUS_HOOK_H
#define STATUS_HOOK_H

#include <stdio.h>
#include <stdlib.h>

static inline void status_hook(int status)
{
    static unsigned char noted[512];
    const char *path = getenv("VYRE_STATUS_LOG");
    if (!path || status >= 0 || status < -511 || noted[-status])
        return;
    noted[-status] = 1;
    FILE *file = fopen(path, "a");
    if (!file)
        return;
    fprintf(file, "%d\n", status);
    fclose(file);
}

#define VYI_ON_FAIL(status) status_hook((int)(status))

#endif

/* printf from the kernel: PRINTF writes a record, the host makes text of it.
 *
 *     printf [cpu | vulkan]
 *
 * A record is a number that names the format, and three words.  Records come
 * in the order in which lanes wrote them, so this program sorts its lines. */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const formats[] = { "%u squared is %u", "%u cubed is %u" };

typedef struct lines {
    char     text[64][64];
    unsigned count;
} lines;

/* Called from inside vyre_drain: it must not use the handle. */
static void on_record(void *user, const struct vyre_log_record *record)
{
    lines *out = (lines *)user;
    if (record->format >= 2 || out->count == 64)
        return;
    snprintf(out->text[out->count++], sizeof out->text[0], formats[record->format],
             (unsigned)record->args[0], (unsigned)record->args[1]);
}

static int by_text(const void *a, const void *b)
{
    return strcmp((const char *)a, (const char *)b);
}

int main(int argc, char **argv)
{
    static lines out;
    vyre_desc desc;
    vyre_error err;
    memset(&desc, 0, sizeof desc);
    if (argc > 1)
        desc.backend = strcmp(argv[1], "cpu") ? VYRE_BACKEND_VULKAN : VYRE_BACKEND_CPU;
    desc.log = on_record;
    desc.log_user = &out;

    vyre *v = vyre_open(&desc, &err);
    vyre_status status = v ? vyre_start(v, &err) : err.status;
    for (uint32_t n = 2; n < 6 && status == VYRE_OK; n++)
        for (uint32_t format = 0; format < 2 && status == VYRE_OK; format++) {
            const vyre_work work = { VYRE_OP_PRINTF, 0, VYRE_PRIORITY_NORMAL, 3,
                                     { format, n, format ? n * n * n : n * n } };
            status = vyre_publish(v, &work, NULL, &err);
        }
    if (status == VYRE_OK)
        status = vyre_drain(v, VYRE_FOREVER, &err);
    if (status == VYRE_OK)
        status = vyre_stop(v, VYRE_FOREVER, &err);
    if (status != VYRE_OK) {
        fprintf(stderr, "printf: %s\n%s\n", err.text, err.fix);
        return 1;
    }
    qsort(out.text, out.count, sizeof out.text[0], by_text);
    for (unsigned i = 0; i < out.count; i++)
        printf("printf: %s\n", out.text[i]);
    vyre_close(v);
    return out.count != 8;
}

/* printf from the kernel: a handler prints, the host makes lines of it.
 *
 *     printf [cpu | vulkan]
 *
 * What travels is a record of a few words; the text stays on the host.  Records come
 * in the order in which lanes wrote them, so this program sorts its lines. */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POWERS 0x1000u

static const vyre_handler powers = { POWERS, NULL, NULL, "powers", VYRE_WIDTH_LANE, 0,
                                     "uint n = arg[0];\n"
                                     "printf(\"%u squared is %u\", n, n * n);\n"
                                     "printf(\"%u cubed is %u\", n, n * n * n);\n" };

typedef struct lines {
    const vyre_kernel_desc *kernel;
    char     text[64][64];
    unsigned count;
} lines;

/* Called from inside vyre_drain: it must not use the handle. */
static void on_record(void *user, const struct vyre_log_record *record)
{
    lines *out = (lines *)user;
    if (out->count < 64)
        vyre_log_text(out->kernel, record, out->text[out->count++], sizeof out->text[0]);
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
    desc.kernel.handlers = &powers;
    desc.kernel.handler_count = 1;
    desc.log = on_record;
    desc.log_user = &out;
    out.kernel = &desc.kernel;

    vyre *v = vyre_open(&desc, &err);
    vyre_status status = v ? vyre_start(v, &err) : err.status;
    for (uint32_t n = 2; n < 6 && status == VYRE_OK; n++) {
        const vyre_work work = { POWERS, 0, VYRE_PRIORITY_NORMAL, 1, { n } };
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

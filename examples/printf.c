/* printf from the kernel: a handler prints, the host makes lines of it.
 *
 *     printf [cpu | vulkan]
 *
 * What travels is a record of a few words; the text stays on the host.  Lines come while
 * the kernel runs: who has waited for a job has heard what it printed. */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <stdio.h>
#include <string.h>

#define POWERS 0x1000u

static const vyre_handler powers = { POWERS, NULL, NULL, "powers", VYRE_WIDTH_LANE, 0,
                                     "uint n = arg[0];\n"
                                     "printf(\"%u squared is %u\", n, n * n);\n"
                                     "printf(\"%u cubed is %u\", n, n * n * n);\n", 0 };

typedef struct lines {
    const vyre_kernel_desc *kernel;
    unsigned count;
} lines;

/* Called from inside calls that look at the device: it must not use the handle. */
static void on_record(void *user, const struct vyre_log_record *record)
{
    lines *out = (lines *)user;
    char text[64];
    vyre_log_text(out->kernel, record, text, sizeof text);
    printf("printf: %s\n", text);
    out->count++;
}

int main(int argc, char **argv)
{
    lines out;
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
    out.count = 0;

    vyre *v = vyre_open(&desc, &err);
    vyre_status status = v ? vyre_start(v, &err) : err.status;
    for (uint32_t n = 2; n < 6 && status == VYRE_OK; n++) {
        const vyre_work work = { POWERS, 0, VYRE_PRIORITY_NORMAL, 1, { n } };
        vyre_ticket t;
        status = vyre_publish(v, &work, &t, &err);
        if (status == VYRE_OK)
            status = vyre_wait(v, t, VYRE_FOREVER, &err);
    }
    if (status == VYRE_OK) /* in passes the last ones are heard here */
        status = vyre_drain(v, VYRE_FOREVER, &err);
    if (status != VYRE_OK) {
        fprintf(stderr, "printf: %s\n%s\n", err.text, err.fix);
        return 1;
    }
    vyre_close(v);
    return out.count != 8;
}

/* A long job in short pieces: how many primes there are below 20,000.  It looks at a hundred
 * numbers at a time and yields, so others are served in between, no loop of it is longer
 * than a driver allows, and the kernel can be stopped and started in its middle.  Every
 * 5,000 numbers it pauses until the host lets it go on: once after a stop, and once in
 * another handle, for all that a paused job is, are the 64 bytes of its task.
 *
 *     resume [cpu | vulkan] */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <stdio.h>
#include <string.h>

enum { BELOW = 20000, STEP = 100, REST = 5000 };

/* arg[3] and arg[4] are where it goes on and what it has found: 0 in the beginning. */
static const char text[] =
    "uint n = arg[3], found = arg[4], stop = min(arg[0], n + arg[1]);\n"
    "for (; n < stop; n++) {\n"
    "    uint d = 2;\n"
    "    while (d * d <= n && n % d != 0) d++;\n"
    "    if (n > 1 && d * d > n) found++;\n"
    "}\n"
    "if (n == arg[0]) result(0, found);\n"
    "else if (n % arg[2] == 0) pause(n, found);\n"
    "else yield(n, found);\n";

static const vyre_handler primes = { 0x1000, NULL, NULL, "primes", VYRE_WIDTH_LANE, 0, text, 0 };

static int failed(const vyre_error *err)
{
    fprintf(stderr, "resume: %s\n%s\n", err->text, err->fix);
    return 1;
}

static vyre *open_started(const char *backend, vyre_error *err)
{
    vyre_desc desc;
    memset(&desc, 0, sizeof desc);
    if (backend)
        desc.backend = strcmp(backend, "cpu") ? VYRE_BACKEND_VULKAN : VYRE_BACKEND_CPU;
    desc.kernel.handlers = &primes;
    desc.kernel.handler_count = 1;
    desc.kernel.slot_count = 64;
    desc.kernel.tasks = true;
    vyre *v = vyre_open(&desc, err);
    if (v && vyre_start(v, err) < 0) {
        vyre_close(v);
        v = NULL;
    }
    return v;
}

/* The job's 64 bytes: from here on the handle may be closed. */
static vyre_status take(vyre *v, vyre_ticket t, vyre_task *task, vyre_error *err)
{
    vyre_io_buffers bytes;
    vyre_status status = vyre_buffers(v, &bytes, err);
    if (status == VYRE_OK)
        status = vyre_task_load(bytes.ring, bytes.ring_size, vyre_ticket_slot(t), task, err);
    return status;
}

/* Stops and starts while the job yields; then it pauses, and goes on after a stop. */
static vyre_status run_first_half(vyre *v, vyre_ticket t, uint32_t *stops, vyre_error *err)
{
    vyre_status status = VYRE_OK;
    for (uint32_t pauses = 0; pauses < 2 && status >= 0; pauses++) {
        if (pauses)
            status = vyre_resume(v, t, NULL, err);
        if (status == VYRE_OK)
            status = vyre_stop(v, VYRE_FOREVER, err);
        if (status == VYRE_OK)
            status = vyre_start(v, err);
        ++*stops;
        if (status >= 0)
            status = vyre_wait(v, t, VYRE_FOREVER, err);
    }
    return status;
}

int main(int argc, char **argv)
{
    const char *backend = argc > 1 ? argv[1] : NULL;
    vyre_work work = { 0x1000, 0, VYRE_PRIORITY_NORMAL, 3, { BELOW, STEP, REST } };
    vyre_error err;
    vyre_ticket t;
    vyre_task task;
    uint32_t stops = 0, result[VYRE_MAX_ARGS] = { 0 };
    vyre *v = open_started(backend, &err);
    if (!v || vyre_publish(v, &work, &t, &err) != VYRE_OK ||
        run_first_half(v, t, &stops, &err) != VYRE_PAUSED || take(v, t, &task, &err) < 0)
        return failed(&err);
    vyre_close(v);
    printf("resume: %u primes below %u; the handle is closed, the job lies in %u bytes\n",
           task.data, task.pc, (unsigned)sizeof task);

    v = open_started(backend, &err);
    if (!v || vyre_task_resume(&task, 0, &err) < 0 || vyre_task_work(&task, &work, &err) < 0 ||
        vyre_publish(v, &work, &t, &err) != VYRE_OK)
        return failed(&err);
    vyre_status status;
    while ((status = vyre_wait(v, t, VYRE_FOREVER, &err)) == VYRE_PAUSED)
        if (vyre_resume(v, t, NULL, &err) < 0)
            return failed(&err);
    if (status != VYRE_OK || take(v, t, &task, &err) < 0 ||
        vyre_result(v, t, result, &err) != VYRE_OK)
        return failed(&err);
    printf("resume: %u primes below %u, after %u yields and %u stops, %s\n", (unsigned)result[0],
           (unsigned)BELOW, (unsigned)task.yields, (unsigned)stops,
           result[0] == 2262 ? "right" : "WRONG");
    vyre_close(v);
    return result[0] != 2262;
}

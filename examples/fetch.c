/* A kernel that walks through a list in a file by itself: each record says where the
 * next one lies, so nobody can read ahead.  The host publishes one job. */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OP_WALK 0x1000u

enum { RECORDS = 1000, RECORD = 64 };

static vyre_error err;

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "fetch: %s\n%s\n%s\n", what, err.text, err.fix);
    exit(1);
}

/* Arguments: file, target, first record, most steps.  Results: steps, sum of the
 * values, the code of a request that failed. */
static const char source[] =
    "uint at = arg[2], steps = 0, sum = 0, code = 0;\n"
    "for (; steps < arg[3] && at != 0xffffffffu; steps++) {\n"
    "    int64_t moved = io_read(arg[0], arg[1], at * 64, 64, 0);\n"
    "    if (moved < 0) { code = uint(-1 - moved); break; }\n"
    "    at = record[0];\n"
    "    sum += record[1];\n"
    "}\n"
    "result(0, steps); result(1, sum); result(2, code);\n";

/* Record i is followed by i + 619, modulo RECORDS; the last one by none. */
static uint32_t file_make(const char *path)
{
    static uint32_t words[RECORDS * RECORD / 4];
    uint32_t sum = 0;
    for (uint32_t n = 0, at = 0; n < RECORDS; n++) {
        const uint32_t next = (at + 619) % RECORDS;
        words[at * RECORD / 4] = n + 1 < RECORDS ? next : UINT32_MAX;
        words[at * RECORD / 4 + 1] = n * n;
        sum += n * n;
        at = next;
    }
    FILE *file = fopen(path, "wb");
    must(file && fwrite(words, sizeof words, 1, file) == 1 && fclose(file) == 0, path);
    return sum;
}

static vyre *device_open(vyre_backend backend)
{
    const vyre_handler walk = { OP_WALK, NULL, NULL, "walk", VYRE_WIDTH_LANE, 0, source, 0 };
    vyre_buffer_desc record;
    vyre_desc desc;
    memset(&record, 0, sizeof record);
    memset(&desc, 0, sizeof desc);
    record.name = "record";
    record.binding = VYRE_BINDING_USER;
    record.count = RECORD / 4;
    desc.backend = backend;
    desc.kernel.handlers = &walk;
    desc.kernel.handler_count = 1;
    desc.kernel.buffers = &record;
    desc.kernel.buffer_count = 1;
    desc.kernel.io_spins = 1u << 24;
    vyre *v = vyre_open(&desc, &err);
    must(v != NULL, "no device");
    return v;
}

/* A driver that cuts loops would cut the walk. */
static vyre *device_for_long_loops(void)
{
    vyre_info info;
    vyre *v = device_open(VYRE_BACKEND_AUTO);
    vyre_query(v, &info);
    if (!info.probe.loop_limited)
        return v;
    vyre_close(v);
    return device_open(VYRE_BACKEND_CPU);
}

int main(void)
{
    const char *path = "fetch.tmp";
    const uint32_t expected = file_make(path);
    vyre *v = device_for_long_loops();
    uint32_t file = 0, target = 0, result[12];
    vyre_io_desc pump;
    vyre_io_info io_info;
    memset(&pump, 0, sizeof pump);
    pump.handle = v;
    pump.helper = true;
    vyre_io *io = vyre_io_open(&pump, &err);
    must(io && vyre_io_add_path(io, path, VYRE_IO_CAN_READ, &file, &err) == VYRE_OK &&
         vyre_io_add_target(io, 0, 0, 0, 0, &target, &err) == VYRE_OK &&
         vyre_start(v, &err) == VYRE_OK, "no pump");

    const vyre_work work = { OP_WALK, 0, VYRE_PRIORITY_NORMAL, 4, { file, target, 0, RECORDS } };
    vyre_ticket ticket;
    must(vyre_publish(v, &work, &ticket, &err) == VYRE_OK &&
         vyre_wait_result(v, ticket, VYRE_FOREVER, result, &err) == VYRE_OK, "the walk failed");
    vyre_io_query(io, &io_info);
    printf("%u records, sum %u, expected %u; %llu reads\n", (unsigned)result[0],
           (unsigned)result[1], (unsigned)expected, (unsigned long long)io_info.completed.reads);
    vyre_io_close(io);
    vyre_close(v);
    remove(path);
    return result[0] == RECORDS && result[1] == expected && result[2] == 0 ? 0 : 1;
}

/* A checksum of a file of any size: the device works on a part of it while the next
 * ones are read.
 *
 *     stream [FILE]     without one, of a file of 64 MB that it makes
 */
#define _POSIX_C_SOURCE 199309L /* clock_gettime, where the compiler is strict */
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OP_SUM 0x1000u

enum { CHUNK = 4 << 20, SLOTS = 4 };

static vyre_error err;

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "stream: %s\n%s\n%s\n", what, err.text, err.fix);
    exit(1);
}

/* The words of the chunk, added up. */
static const vyre_handler sum = { OP_SUM, NULL, NULL, "sum", VYRE_WIDTH_RANGE, 0,
                                  "reduce_add(0, data[index]);", 0 };

typedef struct progress {
    uint32_t sum;
    uint64_t bytes;
} progress;

static bool chunk_ended(void *user, const vyre_stream_chunk *chunk, const uint32_t result[12])
{
    progress *p = (progress *)user;
    p->sum += result[0];
    p->bytes += chunk->bytes;
    fprintf(stderr, "\r%llu MB ", (unsigned long long)(p->bytes >> 20));
    return true;
}

static void file_make(const char *path)
{
    static uint32_t words[1 << 16];
    FILE *file = fopen(path, "wb");
    must(file != NULL, path);
    for (uint32_t i = 0; i < 1 << 24; i += 1 << 16) {
        for (uint32_t j = 0; j < 1 << 16; j++)
            words[j] = (i + j) * 0x9e3779b1u;
        must(fwrite(words, sizeof words, 1, file) == 1, path);
    }
    must(fwrite("end", 3, 1, file) == 1 && fclose(file) == 0, path);
}

/* The same by the host. */
static uint32_t file_sum(const char *path)
{
    static uint32_t words[1 << 16];
    uint32_t total = 0;
    size_t got;
    FILE *file = fopen(path, "rb");
    must(file != NULL, path);
    do {
        memset(words, 0, sizeof words);
        got = fread(words, 1, sizeof words, file);
        for (size_t i = 0; i < (got + 3) / 4; i++)
            total += words[i];
    } while (got);
    fclose(file);
    return total;
}

static vyre *device_open(void)
{
    vyre_buffer_desc data;
    vyre_desc desc;
    memset(&data, 0, sizeof data);
    memset(&desc, 0, sizeof desc);
    data.name = "data";
    data.binding = VYRE_BINDING_USER;
    data.count = SLOTS * CHUNK / 4;
    desc.kernel.handlers = &sum;
    desc.kernel.handler_count = 1;
    desc.kernel.buffers = &data;
    desc.kernel.buffer_count = 1;
    vyre *v = vyre_open(&desc, &err);
    must(v && vyre_start(v, &err) == VYRE_OK, "no device");
    return v;
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "stream.tmp";
    if (argc == 1)
        file_make(path);
    vyre *v = device_open();
    vyre_info info;
    vyre_io_desc pump;
    vyre_stream_desc stream;
    progress p = { 0, 0 };
    memset(&pump, 0, sizeof pump);
    memset(&stream, 0, sizeof stream);
    pump.handle = v;
    vyre_io *io = vyre_io_open(&pump, &err);
    must(io && vyre_io_add_path(io, path, VYRE_IO_CAN_READ, &stream.source, &err) == VYRE_OK &&
         vyre_io_add_target(io, 0, 0, 0, CHUNK, &stream.target, &err) == VYRE_OK, "no pump");
    stream.work.opcode = OP_SUM;
    stream.end = chunk_ended;
    stream.user = &p;

    uint64_t bytes = 0;
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    must(vyre_stream(io, &stream, &bytes, &err) == VYRE_OK, "the stream has stopped");
    clock_gettime(CLOCK_MONOTONIC, &to);
    const double seconds = (double)(to.tv_sec - from.tv_sec) +
                           (double)(to.tv_nsec - from.tv_nsec) / 1e9;
    vyre_query(v, &info);
    const uint32_t expected = file_sum(path);
    printf("%s: %llu bytes, sum 0x%08x, the host's 0x%08x\n", info.device,
           (unsigned long long)bytes, (unsigned)p.sum, (unsigned)expected);
    fprintf(stderr, "%.2f GB/s\n", (double)bytes / 1e9 / seconds);
    vyre_io_close(io);
    vyre_close(v);
    if (argc == 1)
        remove(path);
    return p.sum == expected ? 0 : 1;
}

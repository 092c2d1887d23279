/* io_floor: what it costs to bring a file that the system has cached into memory
 *
 *     bench/io_floor [--csv] [--quick] [--seconds N] [--file PATH]
 *
 * From the page cache into memory of the process, and into a buffer of the device as
 * vyre_map shows it: by memcpy from a mapping of the file, by pread, and where liburing
 * is there by READ and READ_FIXED at depths 1 to 64; 4 KB to 8 MB at a time.  Also what
 * registering such memory answers, and what O_DIRECT does.  A row is the time of one
 * read (of a batch, over its depth); its rate is reads.  --seconds is for each row.
 *
 * link: uring
 */
#define _GNU_SOURCE
#define VYRE_IMPLEMENTATION
#include "../vyre.h"

#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MOST = 64, SAMPLES = 100000 };

static double   seconds_each = 0.05;
static uint64_t area = 64u << 20; /* of the file, and of each memory */
static int      file, direct;     /* descriptors of the same file; -1: it cannot be opened so */
static const uint8_t *cached;     /* the file, mapped */

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "io_floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Each word holds its number, so that a place shows whether it was read. */
static void file_make(const char *path)
{
    uint32_t words[16384];
    file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    must(file >= 0, path);
    for (uint64_t at = 0; at < area; at += sizeof words) {
        for (uint32_t i = 0; i < 16384; i++)
            words[i] = (uint32_t)(at / 4 + i);
        must(write(file, words, sizeof words) == (ssize_t)sizeof words, "write");
    }
    must(fsync(file) == 0, "fsync");
    direct = open(path, O_RDONLY | O_DIRECT);
    must(unlink(path) == 0, "unlink");
    cached = (const uint8_t *)mmap(NULL, area, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0);
    must(cached != MAP_FAILED, "mmap");
}

/* --- one way to read ------------------------------------------------------ */

typedef enum way { MEMCPY, PREAD, PREAD_DIRECT, READ, READ_FIXED, WAYS } way;

static const char *const way_names[WAYS] = { "memcpy", "pread", "pread O_DIRECT", "READ",
                                             "READ_FIXED" };

typedef struct reader {
    way      how;
    uint8_t *memory;
    uint32_t size, depth;
    uint64_t next;         /* place in the file, and in the memory */
    struct io_uring *ring;
} reader;

static uint64_t reader_step(reader *r)
{
    const uint64_t at = r->next;
    r->next = at + 2 * (uint64_t)r->size > area ? 0 : at + r->size;
    return at;
}

/* 0, or an errno. */
static int read_batch(reader *r)
{
    if (r->how == MEMCPY) {
        const uint64_t at = reader_step(r);
        memcpy(r->memory + at, cached + at, r->size);
        bench_fence_stores();
        return 0;
    }
    if (r->how == PREAD || r->how == PREAD_DIRECT) {
        const uint64_t at = reader_step(r);
        const ssize_t got = pread(r->how == PREAD ? file : direct, r->memory + at, r->size,
                                  (off_t)at);
        return got == (ssize_t)r->size ? 0 : got < 0 ? errno : EIO;
    }
    for (uint32_t i = 0; i < r->depth; i++) {
        const uint64_t at = reader_step(r);
        struct io_uring_sqe *sqe = io_uring_get_sqe(r->ring);
        if (r->how == READ)
            io_uring_prep_read(sqe, file, r->memory + at, r->size, at);
        else
            io_uring_prep_read_fixed(sqe, file, r->memory + at, r->size, at, 0);
    }
    int wrong = io_uring_submit_and_wait(r->ring, r->depth) < 0 ? EIO : 0;
    for (uint32_t i = 0; i < r->depth; i++) {
        struct io_uring_cqe *cqe;
        if (io_uring_wait_cqe(r->ring, &cqe) < 0)
            return EIO;
        if (cqe->res != (int)r->size)
            wrong = cqe->res < 0 ? -cqe->res : EIO;
        io_uring_cqe_seen(r->ring, cqe);
    }
    return wrong;
}

static void row(const bench_output *out, const char *memory, reader r)
{
    char path[112];
    snprintf(path, sizeof path, "%s, %s, %u KB, depth %u", memory, way_names[r.how],
             r.size / 1024, r.depth);
    bench_row samples = bench_row_new(path, SAMPLES);
    int wrong = read_batch(&r);
    const uint64_t begin = bench_now(), end = begin + (uint64_t)(seconds_each * 1e9);
    uint64_t now = begin, reads = 0;
    while (!wrong && now < end) {
        const uint64_t from = now;
        wrong = read_batch(&r);
        now = bench_now();
        bench_add(&samples, (double)(now - from) / r.depth);
        reads += r.depth;
    }
    if (wrong) {
        bench_note(out, "%s: %s", path, strerror(wrong));
        bench_row_free(&samples);
        return;
    }
    samples.rate = (double)reads * 1e9 / (double)(now - begin);
    const double median = bench_finish(out, &samples);
    if (!out->csv && median > 0)
        fprintf(stderr, "%s: %.2f GB/s\n", path, r.size / median);
}

/* --- all of them ----------------------------------------------------------- */

static bool rings(const bench_output *out, struct io_uring *ring, uint8_t *memory,
                  const char *name, bool *fixed)
{
    const int made = io_uring_queue_init(2 * DEPTH_MOST, ring, 0);
    if (made < 0) {
        bench_note(out, "io_uring_queue_init: %s", strerror(-made));
        return false;
    }
    struct iovec all;
    all.iov_base = memory;
    all.iov_len = area;
    const int registered = io_uring_register_buffers(ring, &all, 1);
    *fixed = registered == 0;
    bench_note(out, "Registering %s (%llu MB): %s\n", name, (unsigned long long)(area >> 20),
               registered < 0 ? strerror(-registered) : "accepted");
    return true;
}

static void table(const bench_output *out, uint8_t *memory, const char *name, bool quick)
{
    static const uint32_t sizes[] = { 4u << 10, 64u << 10, 1u << 20, 8u << 20 };
    static const uint32_t depths[] = { 1, 8, DEPTH_MOST };
    struct io_uring ring;
    bool fixed = false;
    memset(memory, 0, area);
    const bool ringed = rings(out, &ring, memory, name, &fixed);
    for (uint32_t s = 0; s < (quick ? 1 : 4); s++) {
        for (way how = MEMCPY; how < WAYS; how = (way)(how + 1)) {
            if ((how == PREAD_DIRECT && direct < 0) || (how >= READ && !ringed) ||
                (how == READ_FIXED && !fixed))
                continue;
            for (uint32_t d = 0; d < (how >= READ ? 3 : 1); d++) {
                const reader r = { how, memory, sizes[s], depths[d], 0, &ring };
                row(out, name, r);
            }
        }
    }
    if (ringed)
        io_uring_queue_exit(&ring);
    uint32_t first, last;
    memcpy(&first, memory + 4, 4);
    memcpy(&last, memory + 4092, 4);
    must(first == 1 && last == 1023, "what was read is not the file");
}

static vyre *device_open(bench_output *out)
{
    const size_t size = area;
    vyre_buffer_desc buffer;
    vyre_desc desc;
    vyre_error err;
    memset(&buffer, 0, sizeof buffer);
    memset(&desc, 0, sizeof desc);
    memset(&err, 0, sizeof err);
    buffer.name = "to";
    buffer.binding = VYRE_BINDING_USER;
    desc.kernel.buffers = &buffer;
    desc.kernel.buffer_count = 1;
    desc.buffer_sizes = &size;
    vyre *v = vyre_open(&desc, &err);
    if (!v) {
        fprintf(stderr, "io_floor: %s\n%s\n", err.text, err.fix);
        exit(1);
    }
    vyre_info info;
    vyre_query(v, &info);
    snprintf(out->device, sizeof out->device, "%s", info.device);
    snprintf(out->driver, sizeof out->driver, "%s", info.driver);
    return v;
}

int main(int argc, char **argv)
{
    bench_usage(argc, argv, "[--csv] [--quick] [--seconds N] [--file PATH]");
    const bool quick = bench_flag(argc, argv, "--quick");
    const char *path = "io_floor.tmp";
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], "--file") == 0)
            path = argv[i + 1];
    seconds_each = bench_number(argc, argv, "--seconds", quick ? 0.001 : seconds_each);
    if (quick)
        area = 1u << 20;
    file_make(path);

    bench_output out = bench_cpu("io_floor", "us", "", bench_flag(argc, argv, "--csv"));
    snprintf(out.settings, sizeof out.settings, "%llu MB cached", (unsigned long long)(area >> 20));
    uint8_t *memory = (uint8_t *)aligned_alloc(4096, area);
    must(memory != NULL, "memory");
    bench_heading(&out);
    table(&out, memory, "process memory", quick);
    free(memory);

    vyre *v = device_open(&out);
    bench_heading(&out);
    table(&out, (uint8_t *)vyre_map(v, 0, NULL), "device memory", quick);
    vyre_close(v);
    return 0;
}

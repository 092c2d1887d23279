/* io: what the pump does by itself
 *
 *     bench/io [--csv] [--quick] [--seconds N] [--file PATH]
 *
 * Requests of 4 KB to 8 MB from a file that the system has cached, 64 at a time, into memory of
 * the process and into a buffer of the device: the requests lie in a queue of the caller's,
 * who pumps; by threads that read, by io_uring, and by both (AUTO).  Beside them memcpy from
 * a mapping of the file, by one thread, into the same memory; and where fio is installed, its
 * io_uring engine on the same file.  A row is the time of one read; its rate is reads.
 *
 * And what a job costs that asks for 4 KB: LOAD_MISS, published and waited for, beside a
 * job that does nothing; with a lane that waits, and with tasks, where the lane is left; and
 * on the CPU backend.  And the processor time of a helper that nobody asks for anything.
 *
 * link: uring
 */
#define _GNU_SOURCE
#define VYRE_URING
#define VYRE_IMPLEMENTATION
#include "../vyre.h"

#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { DEPTH = 64, SAMPLES = 100000 };

static double   seconds_each = 0.2;
static uint64_t area = 64u << 20; /* of the file, and of each memory */
static int      file;
static const char *path = "io.tmp";
static const uint8_t *cached;     /* the file, mapped */

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "io: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void check(vyre_status status, const vyre_error *err)
{
    if (status >= 0)
        return;
    fprintf(stderr, "io: %s\n%s\n", err->text, err->fix);
    exit(1);
}

/* Each word holds its number, so that a place shows whether it was read. */
static void file_make(void)
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
    cached = (const uint8_t *)mmap(NULL, area, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0);
    must(cached != MAP_FAILED, "mmap");
}

/* --- the pump on a queue --------------------------------------------------- */

typedef struct pump {
    vyre_io *io;
    uint32_t *queue;
    uint32_t source, target, size, slots;
    uint64_t next; /* place in the file, in reads */
} pump;

/* The rules of the queue are vyre_io_publish's and vyre_io_recycle's; here all slots are
 * filled at once. */
static void batch(pump *p)
{
    vyre_error err;
    uint32_t answered = 0, served;
    for (uint32_t i = 0; i < p->slots; i++) {
        const uint64_t at = p->next++ % (area / p->size) * p->size;
        const vyre_io_request r = { i, VYRE_IO_READ, p->source, p->target, at, p->size,
                                    (uint32_t)(at / p->size) };
        check(vyre_io_publish(p->queue, vyre_io_size(DEPTH), &r, &err), &err);
    }
    while (answered < p->slots) {
        check(vyre_io_pump(p->io, 1000000000, &served, &err), &err);
        answered += served;
    }
    for (uint32_t i = 0; i < p->slots; i++) {
        const uint32_t *slot = p->queue + i * VYRE_IO_SLOT_WORDS;
        must(slot[VYRE_IO_STATUS] == VYRE_IO_OK && slot[VYRE_IO_BYTES] == p->size, "an answer");
        check(vyre_io_recycle(p->queue, vyre_io_size(DEPTH), i, &err), &err);
    }
}

static void finish(const bench_output *out, bench_row *row, uint64_t reads, uint64_t ns,
                   uint32_t size)
{
    char name[160];
    snprintf(name, sizeof name, "%s", row->path);
    row->rate = (double)reads * 1e9 / (double)ns;
    const double rate = (double)reads * size / (double)ns;
    bench_finish(out, row);
    if (!out->csv)
        fprintf(stderr, "%s: %.2f GB/s, %.3f million a second\n", name, rate,
                (double)reads * 1e3 / (double)ns);
}

static void row_pump(const bench_output *out, const char *name, uint8_t *memory, uint32_t size,
                     vyre_io_engine engine)
{
    static uint32_t queue[DEPTH * VYRE_IO_SLOT_WORDS];
    char text[112];
    vyre_io_desc d;
    vyre_error err;
    pump p = { NULL, queue, 0, 0, size, DEPTH, 0 };
    memset(&d, 0, sizeof d);
    memset(&err, 0, sizeof err);
    memset(queue, 0, sizeof queue);
    memset(memory, 0, area);
    d.queue = queue;
    d.queue_size = sizeof queue;
    d.engine = engine;
    p.io = vyre_io_open(&d, &err);
    if (!p.io) {
        bench_note(out, "%s\n", err.text);
        return;
    }
    check(vyre_io_add_fd(p.io, file, 0, 0, VYRE_IO_CAN_READ, &p.source, &err), &err);
    check(vyre_io_add_memory(p.io, memory, area, size, &p.target, &err), &err);
    snprintf(text, sizeof text, "%s, pump by %s, %u KB, depth %u", name,
             engine == VYRE_IO_ENGINE_PREAD ? "pread"
             : engine == VYRE_IO_ENGINE_URING ? "io_uring" : "io_uring and threads",
             size / 1024, p.slots);
    bench_row row = bench_row_new(text, SAMPLES);
    batch(&p);
    uint64_t reads = 0, now = bench_now();
    const uint64_t begin = now, end = begin + (uint64_t)(seconds_each * 1e9);
    while (now < end) {
        const uint64_t from = now;
        batch(&p);
        now = bench_now();
        bench_add(&row, (double)(now - from) / p.slots);
        reads += p.slots;
    }
    finish(out, &row, reads, now - begin, size);
    uint32_t first;
    memcpy(&first, memory + 4, 4);
    must(first == 1, "what was read is not the file");
    vyre_io_close(p.io);
}

static void row_memcpy(const bench_output *out, const char *name, uint8_t *memory, uint32_t size)
{
    char text[112];
    uint64_t reads = 0, now = bench_now();
    snprintf(text, sizeof text, "%s, memcpy, %u KB", name, size / 1024);
    bench_row row = bench_row_new(text, SAMPLES);
    const uint64_t begin = now, end = begin + (uint64_t)(seconds_each * 1e9);
    while (now < end) {
        const uint64_t from = now, at = reads++ % (area / size) * size;
        memcpy(memory + at, cached + at, size);
        bench_fence_stores();
        now = bench_now();
        bench_add(&row, (double)(now - from));
    }
    finish(out, &row, reads, now - begin, size);
}

static void table(const bench_output *out, const char *name, uint8_t *memory, bool quick)
{
    static const uint32_t sizes[] = { 4u << 10, 64u << 10, 1u << 20, 8u << 20 };
    for (uint32_t s = 0; s < (quick ? 1 : 4); s++) {
        row_memcpy(out, name, memory, sizes[s]);
        row_pump(out, name, memory, sizes[s], VYRE_IO_ENGINE_PREAD);
        row_pump(out, name, memory, sizes[s], VYRE_IO_ENGINE_URING);
        row_pump(out, name, memory, sizes[s], VYRE_IO_ENGINE_AUTO);
    }
}

/* --- fio -------------------------------------------------------------------- */

/* As many at a time as the pump has, of what the system keeps cached.  Field 8 of its terse
 * line is reads a second. */
static void row_fio(const bench_output *out)
{
    char command[640], line[4096];
    double rate = 0;
    snprintf(command, sizeof command,
             "fio --minimal --name=vyre --readonly --invalidate=0 --rw=read --bs=4k "
             "--iodepth=%d --iodepth_batch_submit=%d --iodepth_batch_complete_min=%d "
             "--ioengine=io_uring --filename='%s' --time_based --runtime=1 2>/dev/null",
             DEPTH, DEPTH, DEPTH, path);
    FILE *f = system("command -v fio > /dev/null 2>&1") == 0 ? popen(command, "r") : NULL;
    if (f && fgets(line, sizeof line, f)) {
        const char *at = line;
        for (uint32_t i = 0; i < 7 && at; i++)
            at = strchr(at, ';') ? strchr(at, ';') + 1 : NULL;
        rate = at ? atof(at) : 0;
    }
    if (f)
        pclose(f);
    if (rate <= 0) {
        bench_note(out, "fio: not installed, or without io_uring: skipped\n");
        return;
    }
    bench_row row = bench_row_new("process memory, fio by io_uring, 4 KB, depth 64", 1);
    bench_add(&row, 1e9 / rate);
    row.rate = rate;
    bench_finish(out, &row);
}

/* --- jobs that ask ------------------------------------------------------------ */

static vyre *handle_open(vyre_backend backend, bool tasks)
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
    desc.backend = backend;
    desc.kernel.buffers = &buffer;
    desc.kernel.buffer_count = 1;
    desc.kernel.slot_count = 64;
    desc.kernel.load_miss = true;
    desc.kernel.tasks = tasks;
    desc.kernel.io_spins = tasks ? 16 : 1u << 20;
    desc.buffer_sizes = &size;
    vyre *v = vyre_open(&desc, &err);
    if (!v)
        check(err.status, &err);
    return v;
}

static void row_jobs(const bench_output *out, vyre *v, const char *text, const vyre_work *work)
{
    bench_row row = bench_row_new(text, SAMPLES);
    vyre_error err;
    uint64_t now = bench_now(), late = 0;
    const uint64_t end = now + (uint64_t)(seconds_each * 1e9);
    while (now < end) {
        vyre_ticket t;
        const uint64_t from = now;
        check(vyre_publish(v, work, &t, &err), &err);
        const vyre_status status = vyre_wait(v, t, 10000000000u, &err);
        now = bench_now();
        if (status == VYRE_OK)
            bench_add(&row, (double)(now - from));
        else if (status == VYRE_E_FAULT && err.native == VYRE_FAULT_IO_TIMEOUT)
            late++; /* where loops are cut */
        else
            check(status < 0 ? status : VYRE_E_IO_REQUEST, &err);
    }
    if (late)
        bench_note(out, "%s: %llu had no answer in time\n", text, (unsigned long long)late);
    if (row.count)
        bench_finish(out, &row);
    else
        bench_row_free(&row);
}

static void on_jobs(const bench_output *out, vyre_backend backend, bool tasks)
{
    const char *where = backend == VYRE_BACKEND_CPU ? ", CPU backend" : "";
    char text[112];
    vyre_io_desc d;
    vyre_error err;
    uint32_t source, target;
    vyre *v = handle_open(backend, tasks);
    memset(&d, 0, sizeof d);
    d.handle = v;
    d.helper = true;
    vyre_io *io = vyre_io_open(&d, &err);
    if (!io)
        check(err.status, &err);
    check(vyre_io_add_fd(io, file, 0, 0, VYRE_IO_CAN_READ, &source, &err), &err);
    check(vyre_io_add_target(io, 0, 0, 0, 4096, &target, &err), &err);
    check(vyre_io_bind(io, 1, source, 8192, 4096, target, &err), &err);
    check(vyre_start(v, &err), &err);
    const vyre_work nothing = { VYRE_OP_NOP, 0, VYRE_PRIORITY_NORMAL, 0, { 0 } };
    const vyre_work miss = { VYRE_OP_LOAD_MISS, 0, VYRE_PRIORITY_NORMAL, 1, { 1 } };
    snprintf(text, sizeof text, "NOP, there and back%s%s", where, tasks ? ", with tasks" : "");
    row_jobs(out, v, text, &nothing);
    snprintf(text, sizeof text, "LOAD_MISS of 4 KB, there and back%s%s", where,
             tasks ? ", without the lane" : "");
    row_jobs(out, v, text, &miss);
    vyre_io_close(io);
    vyre_close(v);
}

static double processor_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Nobody asks: after a tenth of a second, in which it still looks often. */
static void row_idle(const bench_output *out)
{
    static uint32_t queue[DEPTH * VYRE_IO_SLOT_WORDS];
    const struct timespec first = { 0, 100000000 };
    const struct timespec rest = { 0, (long)(seconds_each < 0.9 ? seconds_each * 1e9 : 9e8) };
    vyre_io_desc d;
    vyre_error err;
    memset(&d, 0, sizeof d);
    d.queue = queue;
    d.queue_size = sizeof queue;
    d.helper = true;
    vyre_io *io = vyre_io_open(&d, &err);
    if (!io)
        check(err.status, &err);
    nanosleep(&first, NULL);
    const double begin = processor_ns(), from = (double)bench_now();
    nanosleep(&rest, NULL);
    const double share = (processor_ns() - begin) * 100 / ((double)bench_now() - from);
    vyre_io_close(io);
    bench_value(out, "a helper that nobody asks, of one processor", "%", share);
}

int main(int argc, char **argv)
{
    bench_usage(argc, argv, "[--csv] [--quick] [--seconds N] [--file PATH]");
    const bool quick = bench_flag(argc, argv, "--quick");
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], "--file") == 0)
            path = argv[i + 1];
    seconds_each = bench_number(argc, argv, "--seconds", quick ? 0.01 : seconds_each);
    if (quick)
        area = 1u << 20;
    file_make();

    bench_output out = bench_cpu("io", "us", "", bench_flag(argc, argv, "--csv"));
    snprintf(out.settings, sizeof out.settings, "%llu MB cached", (unsigned long long)(area >> 20));
    uint8_t *memory = (uint8_t *)aligned_alloc(4096, area);
    must(memory != NULL, "memory");
    bench_heading(&out);
    table(&out, "process memory", memory, quick);
    if (!quick)
        row_fio(&out);
    row_idle(&out);
    free(memory);
    on_jobs(&out, VYRE_BACKEND_CPU, false);

    vyre *v = handle_open(VYRE_BACKEND_AUTO, false);
    vyre_info info;
    vyre_query(v, &info);
    snprintf(out.device, sizeof out.device, "%s", info.device);
    snprintf(out.driver, sizeof out.driver, "%s", info.driver);
    bench_heading(&out);
    table(&out, "device memory", (uint8_t *)vyre_map(v, 0, NULL), quick);
    vyre_close(v);
    on_jobs(&out, VYRE_BACKEND_AUTO, false);
    on_jobs(&out, VYRE_BACKEND_AUTO, true);
    must(unlink(path) == 0, "unlink");
    return 0;
}

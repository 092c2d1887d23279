/* The pump on queues of the test's own, with both engines: a model of what each request
 * gives, completions in any order, system calls that fail, and queues of random words.
 * Everything that the pump asks of the system goes through the hooks below. */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What system calls do: `fail` is given by the first `times` of them, no call moves more
 * than `most` bytes, and each that moves some says `more` than it did. */
static struct hooks {
    int      fail, times;
    uint32_t most;
    int      threads; /* that can be started; -1: any number */
    int      ring, submit;
    int      open, stat; /* an error of those */
    int      cached;     /* an error of each other read of the page cache */
    uint32_t copies;     /* of those, by threads that are not the test's */
    int      direct;     /* of an open with O_DIRECT */
    uint32_t more;
    bool     takes_direct; /* every file system does, and goes through the page cache */
} hooks = { 0, 0, UINT32_MAX, -1, 0, 0, 0, 0, 0, 0, 0, 0, false };

static pthread_t hook_main;

static bool hook_fails(void)
{
    if (!hooks.fail || hooks.times == 0)
        return false;
    hooks.times -= hooks.times > 0;
    errno = hooks.fail;
    return true;
}

static size_t hook_size(size_t size)
{
    return size < hooks.most ? size : hooks.most;
}

static ssize_t hook_moved(ssize_t moved)
{
    return moved > 0 ? moved + (ssize_t)hooks.more : moved;
}

static ssize_t hook_pread(int fd, void *bytes, size_t size, off_t offset)
{
    return hook_fails() ? -1 : hook_moved(pread(fd, bytes, hook_size(size), offset));
}

static ssize_t hook_pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    return hook_fails() ? -1 : hook_moved(pwrite(fd, bytes, hook_size(size), offset));
}

static ssize_t hook_preadv2(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    const bool copies = !pthread_equal(pthread_self(), hook_main);
    const uint32_t n = copies ? __atomic_add_fetch(&hooks.copies, 1, __ATOMIC_RELAXED) : 0;
    const bool changed = hooks.fail || hooks.more || hooks.most != UINT32_MAX;
    errno = changed ? EOPNOTSUPP : n % 2 ? hooks.cached : 0;
    if (errno)
        return -1;
    return preadv2(fd, parts, count, offset, flags);
}

static int hook_thread(pthread_t *thread, const pthread_attr_t *how, void *(*body)(void *),
                       void *user)
{
    if (hooks.threads == 0)
        return EAGAIN;
    hooks.threads -= hooks.threads > 0;
    return pthread_create(thread, how, body, user);
}

static int hook_ring(unsigned entries, struct io_uring *ring, unsigned flags)
{
    return hooks.ring ? -hooks.ring : io_uring_queue_init(entries, ring, flags);
}

/* What a completion says, instead of what it did. */
static int hook_peek(struct io_uring *ring, struct io_uring_cqe **cqe)
{
    const int status = io_uring_peek_cqe(ring, cqe);
    if (status == 0 && hook_fails())
        (*cqe)->res = -hooks.fail;
    else if (status == 0 && (*cqe)->res > 0)
        (*cqe)->res = (int)hook_moved((ssize_t)hook_size((size_t)(*cqe)->res));
    return status;
}

static int hook_open(const char *path, int how, ...)
{
    errno = how & O_DIRECT && hooks.direct ? hooks.direct : hooks.open;
    return errno ? -1 : open(path, hooks.takes_direct ? how & ~O_DIRECT : how, 0666);
}

static int hook_fcntl(int fd, int what, ...)
{
    va_list more;
    va_start(more, what);
    const int flags = what == F_SETFL ? va_arg(more, int) : 0;
    va_end(more);
    const int direct = what == F_GETFL && hooks.takes_direct ? O_DIRECT : 0;
    return fcntl(fd, what, flags) | direct;
}

static int hook_stat(int fd, struct stat *about)
{
    if (!hooks.stat)
        return fstat(fd, about);
    errno = hooks.stat;
    return -1;
}

static int hook_submit(struct io_uring *ring)
{
    return hooks.submit ? -hooks.submit : io_uring_submit(ring);
}

#define pread               hook_pread
#define pwrite              hook_pwrite
#define preadv2             hook_preadv2
#define pthread_create      hook_thread
#define io_uring_queue_init hook_ring
#define io_uring_submit     hook_submit
#define io_uring_peek_cqe   hook_peek
#define open                hook_open
#define fcntl               hook_fcntl
#define fstat               hook_stat

#define VYRE_NO_VULKAN
#define VYRE_NO_TENANT
#define VYRE_NO_GLSL
#define VYRE_NO_WATCH
#define VYRE_NO_PLAN
#define VYRE_NO_FUSE
#define VYRE_NO_SCAN
#define VYRE_NO_POOL
#define VYRE_NO_REPLAY
#define VYRE_NO_TRACE
#define VYRE_NO_TASK
#define VYRE_NO_SOURCE
#define VYI_COPY_LEAST 1000u
#define VYRE_URING
#define VYRE_IMPLEMENTATION
#include "vyre.h"
#undef pread
#undef pwrite
#undef open
#undef fstat

#include "oom.h"
#include "test.h"

#define SECOND 1000000000ull

enum { SLOTS = 64 };

static vyre_io_engine engine = VYRE_IO_ENGINE_PREAD;
static uint32_t queue[SLOTS * VYRE_IO_SLOT_WORDS];
static uint64_t random_state;

static uint32_t below(uint32_t n)
{
    return (uint32_t)(test_random(&random_state) % n);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static void hooks_reset(void)
{
    const struct hooks none = { 0, 0, UINT32_MAX, -1, 0, 0, 0, 0, 0, 0, 0, 0, false };
    hooks = none;
}

/* --- a pump on `queue` ---------------------------------------------------- */

static vyre_io_desc io_desc(void)
{
    vyre_io_desc d;
    memset(&d, 0, sizeof d);
    d.queue = queue;
    d.queue_size = sizeof queue;
    d.engine = engine;
    d.entries = 200;
    return d;
}

static vyre_io *io_open(const vyre_io_desc *d)
{
    vyre_error err;
    memset(&err, 0, sizeof err);
    memset(queue, 0, sizeof queue);
    vyre_io *io = vyre_io_open(d, &err);
    if (!io)
        test_fail(__FILE__, __LINE__, "open: %s", err.text);
    return io;
}

static void ask(uint32_t slot, uint32_t op, uint32_t src, uint32_t dst, uint64_t offset,
                uint32_t bytes, uint32_t tag)
{
    const vyre_io_request r = { slot, op, src, dst, offset, bytes, tag };
    uint32_t *q = queue + slot * VYRE_IO_SLOT_WORDS;
    if (op >= VYRE_IO_READ && op <= VYRE_IO_FENCE) {
        CHECK_EQ(vyre_io_publish(queue, sizeof queue, &r, NULL), VYRE_OK);
        return;
    }
    q[VYRE_IO_OP] = op;
    vyi_store_release(q + VYRE_IO_STATUS, VYRE_IO_PUBLISHED);
}

static uint32_t status_of(uint32_t slot)
{
    return vyi_load_acquire(queue + slot * VYRE_IO_SLOT_WORDS + VYRE_IO_STATUS);
}

/* Until the slot is answered; its BYTES word.  The slot is EMPTY then. */
static uint32_t answer(vyre_io *io, uint32_t slot, bool *ok)
{
    const uint64_t end = now_ns() + 60 * SECOND;
    while (status_of(slot) != VYRE_IO_OK && status_of(slot) != VYRE_IO_ERROR) {
        if (now_ns() > end)
            test_fail(__FILE__, __LINE__, "slot %u is not answered: %u", slot, status_of(slot));
        vyre_io_pump(io, 1000000, NULL, NULL);
    }
    *ok = status_of(slot) == VYRE_IO_OK;
    const uint32_t bytes = queue[slot * VYRE_IO_SLOT_WORDS + VYRE_IO_BYTES];
    CHECK_EQ(vyre_io_recycle(queue, sizeof queue, slot, NULL), VYRE_OK);
    return bytes;
}

static uint32_t answer_ok(vyre_io *io, uint32_t slot)
{
    bool ok;
    const uint32_t bytes = answer(io, slot, &ok);
    if (!ok)
        test_fail(__FILE__, __LINE__, "slot %u: ERROR 0x%x", slot, bytes);
    return bytes;
}

static uint32_t answer_error(vyre_io *io, uint32_t slot)
{
    bool ok;
    const uint32_t bytes = answer(io, slot, &ok);
    if (ok)
        test_fail(__FILE__, __LINE__, "slot %u: OK, %u bytes", slot, bytes);
    return bytes;
}

/* --- files ---------------------------------------------------------------- */

/* Each byte tells its place and its file. */
static uint8_t byte_at(uint32_t file, uint64_t at)
{
    uint64_t x = (at + 1) * 0x9e3779b97f4a7c15ull + file;
    return (uint8_t)(x >> 56 ^ x >> 23);
}

static int file_make(uint32_t file, uint64_t from, uint32_t size)
{
    char path[] = "/tmp/test_io.XXXXXX";
    const int fd = mkstemp(path);
    uint8_t *bytes = (uint8_t *)malloc(size + 1u);
    CHECK(fd >= 0 && bytes);
    unlink(path);
    for (uint32_t i = 0; i < size; i++)
        bytes[i] = byte_at(file, from + i);
    CHECK_EQ(pwrite(fd, bytes, size, (off_t)from), size);
    free(bytes);
    return fd;
}

static uint32_t add_fd(vyre_io *io, int fd, uint64_t base, uint64_t size, uint32_t flags)
{
    uint32_t handle = 0;
    CHECK_EQ(vyre_io_add_fd(io, fd, base, size, flags, &handle, NULL), VYRE_OK);
    CHECK(handle != 0);
    return handle;
}

/* As a path of /proc, so that the pump opens it itself. */
static uint32_t add_path(vyre_io *io, int fd, uint32_t flags)
{
    char path[64];
    uint32_t handle = 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK_EQ(vyre_io_add_path(io, path, flags, &handle, NULL), VYRE_OK);
    return handle;
}

static uint32_t add_memory(vyre_io *io, void *memory, uint64_t size, uint32_t stride)
{
    uint32_t handle = 0;
    CHECK_EQ(vyre_io_add_memory(io, memory, size, stride, &handle, NULL), VYRE_OK);
    return handle;
}

/* A source that is slow to give, and interrupted. */
static int64_t source_read(void *user, void *bytes, uint64_t offset, uint32_t size, bool write)
{
    uint32_t *calls = (uint32_t *)user;
    const uint32_t most = size < 997 ? size : 997;
    if (write)
        return -EROFS;
    if (__atomic_add_fetch(calls, 1, __ATOMIC_RELAXED) % 5 == 0)
        return -EINTR;
    for (uint32_t i = 0; i < most; i++)
        ((uint8_t *)bytes)[i] = byte_at(4, offset + i);
    return most;
}

/* --- a model of requests -------------------------------------------------- */

#define FAR    (4ull << 30)
#define STRIDE 8192u
#define SINGLE 3000u
#define PLAIN  100003u
#define PART   5000u

enum { F_PLAIN, F_SHORT, F_FAR, F_PART, F_SOURCE, F_WRITE, F_BLIND, FILES };

typedef struct world {
    vyre_io *io;
    int      fds[FILES];
    uint32_t files[FILES], slots_target, singles[SLOTS], stale, calls;
    uint8_t *memory, *expected;   /* STRIDE for each slot, and SINGLE for each behind */
    uint8_t *written;             /* F_WRITE, as it should be */
} world;

enum { MEMORY = SLOTS * (STRIDE + SINGLE), WRITTEN = SLOTS * STRIDE };

static void world_make(world *w, bool helper)
{
    vyre_io_desc d = io_desc();
    memset(w, 0, sizeof *w);
    d.helper = helper;
    w->io = io_open(&d);
    w->fds[F_PLAIN] = file_make(0, 0, PLAIN);
    w->fds[F_SHORT] = file_make(1, 0, PLAIN);
    w->fds[F_FAR] = file_make(2, FAR + 5000, 50000);
    w->fds[F_PART] = file_make(3, 0, PLAIN);
    w->fds[F_WRITE] = file_make(5, 0, WRITTEN);
    w->fds[F_BLIND] = file_make(6, 0, 10);
    w->files[F_PLAIN] = add_path(w->io, w->fds[F_PLAIN], VYRE_IO_CAN_READ);
    w->files[F_SHORT] = add_path(w->io, w->fds[F_SHORT], VYRE_IO_CAN_READ | VYRE_IO_SHORT_OK);
    w->files[F_FAR] = add_path(w->io, w->fds[F_FAR], VYRE_IO_CAN_READ);
    w->files[F_PART] = add_fd(w->io, w->fds[F_PART], 1000, PART,
                              VYRE_IO_CAN_READ | VYRE_IO_SHORT_OK);
    w->files[F_WRITE] = add_path(w->io, w->fds[F_WRITE], VYRE_IO_CAN_READ | VYRE_IO_CAN_WRITE);
    w->files[F_BLIND] = add_fd(w->io, w->fds[F_BLIND], 0, 0, VYRE_IO_CAN_WRITE);
    CHECK_EQ(vyre_io_add_source(w->io, source_read, &w->calls, 70000, VYRE_IO_CAN_READ,
                                &w->files[F_SOURCE], NULL), VYRE_OK);
    w->memory = (uint8_t *)malloc(MEMORY);
    w->expected = (uint8_t *)malloc(MEMORY);
    w->written = (uint8_t *)malloc(WRITTEN);
    for (uint32_t i = 0; i < MEMORY; i++)
        w->memory[i] = w->expected[i] = (uint8_t)i;
    for (uint32_t i = 0; i < WRITTEN; i++)
        w->written[i] = byte_at(5, i);
    w->slots_target = add_memory(w->io, w->memory, SLOTS * STRIDE, STRIDE);
    for (uint32_t i = 0; i < SLOTS; i++)
        w->singles[i] = add_memory(w->io, w->memory + SLOTS * STRIDE + i * SINGLE, SINGLE, 0);
    w->stale = add_memory(w->io, w->memory, 16, 0);
    CHECK_EQ(vyre_io_remove(w->io, w->stale, NULL), VYRE_OK);
}

static void world_free(world *w)
{
    vyre_io_close(w->io);
    for (uint32_t i = 0; i < FILES; i++)
        if (i != F_SOURCE)
            close(w->fds[i]);
    free(w->memory);
    free(w->expected);
    free(w->written);
}

typedef struct request {
    uint32_t op, file, memory; /* file: F_ values, or FILES: a handle that is none */
    bool     single;
    uint32_t file_handle, memory_handle;
    uint64_t offset;
    uint32_t bytes, tag, code, done;
} request;

static uint64_t size_of(uint32_t file)
{
    switch (file) {
    case F_PLAIN: case F_SHORT: return PLAIN;
    case F_FAR: return FAR + 55000;
    case F_PART: return PART;
    case F_SOURCE: return 70000;
    default: return WRITTEN;
    }
}

static request make_request(const world *w, uint32_t slot)
{
    request r;
    memset(&r, 0, sizeof r);
    r.op = below(12) == 0 ? 4 + below(3) : below(4) == 0 ? VYRE_IO_WRITE : VYRE_IO_READ;
    r.file = r.op == VYRE_IO_WRITE && below(4) ? F_WRITE : below(FILES + 1);
    r.file_handle = r.file < FILES ? w->files[r.file] : below(2) ? below(4000) : w->slots_target;
    r.single = below(3) == 0;
    r.memory_handle = r.single ? w->singles[slot] : w->slots_target;
    if (below(16) == 0)
        r.memory_handle = below(2) ? w->stale : 0;
    r.tag = below(16) ? slot : SLOTS + below(3);
    r.bytes = below(8) == 0 ? below(2 * STRIDE) : below(SINGLE + 2);
    const uint64_t size = size_of(r.file);
    r.offset = below(10) == 0 ? size - below(4000) : test_random(&random_state) % size;
    if (r.file == F_FAR && below(2))
        r.offset = FAR + below(51000);
    if (r.file == F_WRITE) { /* each slot has a part of it */
        r.offset = slot * STRIDE + below(STRIDE);
        if (r.bytes > (slot + 1) * STRIDE - r.offset)
            r.bytes = (uint32_t)((slot + 1) * STRIDE - r.offset);
    }
    return r;
}

static uint32_t model_code(const world *w, const request *r)
{
    const bool write = r->op == VYRE_IO_WRITE;
    const bool memory = r->memory_handle == w->slots_target || (r->single && r->memory_handle &&
                                                               r->memory_handle != w->stale);
    const bool file = write ? r->file == F_WRITE || r->file == F_BLIND
                            : r->file < FILES && r->file != F_BLIND;
    const uint64_t room = r->memory_handle == w->slots_target ? STRIDE : SINGLE;
    if (r->op > VYRE_IO_WRITE)
        return VYRE_IO_CODE_OP;
    if (write ? !memory : !file)
        return VYRE_IO_CODE_SOURCE;
    if (!memory || !file)
        return VYRE_IO_CODE_TARGET;
    const bool cut = r->file == F_SHORT || r->file == F_PART || r->file == F_WRITE ||
                     r->file == F_BLIND;
    if (!cut && r->offset + r->bytes > size_of(r->file))
        return VYRE_IO_CODE_RANGE;
    if (r->bytes > room || (r->memory_handle == w->slots_target && r->tag >= SLOTS))
        return VYRE_IO_CODE_RANGE;
    return 0;
}

static uint8_t model_byte(const world *w, const request *r, uint64_t at)
{
    switch (r->file) {
    case F_FAR: return at < FAR + 5000 ? 0 : byte_at(2, at);
    case F_PART: return byte_at(3, at + 1000);
    case F_WRITE: return w->written[at];
    default: return byte_at(r->file, at);
    }
}

static void model_run(world *w, request *r, uint32_t slot)
{
    uint8_t *at = w->expected + (r->memory_handle == w->slots_target
                                     ? slot * STRIDE : SLOTS * STRIDE + slot * SINGLE);
    r->code = model_code(w, r);
    r->done = 0;
    if (r->code)
        return;
    const uint64_t size = size_of(r->file), rest = r->offset < size ? size - r->offset : 0;
    r->done = r->file != F_BLIND && r->bytes > rest ? (uint32_t)rest : r->bytes;
    for (uint32_t i = 0; i < r->done; i++) {
        if (r->op == VYRE_IO_READ)
            at[i] = model_byte(w, r, r->offset + i);
        else if (r->file == F_WRITE)
            w->written[r->offset + i] = at[i];
    }
}

static void check_written(const world *w)
{
    static uint8_t bytes[WRITTEN];
    CHECK_EQ(pread(w->fds[F_WRITE], bytes, WRITTEN, 0), WRITTEN);
    CHECK(memcmp(bytes, w->written, WRITTEN) == 0);
}

static void run_requests(bool helper)
{
    world w;
    request r[SLOTS];
    uint32_t asked = 0;
    const uint64_t seed = random_state = test_seed(0x10 + helper);
    world_make(&w, helper);
    while (asked < 1000) {
        const uint32_t count = 1 + below(SLOTS);
        for (uint32_t i = 0; i < count; i++) {
            r[i] = make_request(&w, i);
            model_run(&w, &r[i], i);
            const bool write = r[i].op == VYRE_IO_WRITE;
            ask(i, r[i].op, write ? r[i].memory_handle : r[i].file_handle,
                write ? r[i].file_handle : r[i].memory_handle, r[i].offset, r[i].bytes, r[i].tag);
        }
        for (uint32_t i = 0; i < count; i++) {
            bool ok;
            const uint32_t got = answer(w.io, i, &ok);
            if (ok != (r[i].code == 0) || got != (ok ? r[i].done : r[i].code))
                test_fail(__FILE__, __LINE__, "TEST_SEED=0x%llx, request %u, op %u file %u at %llu"
                          " bytes %u tag %u: %s %u, not %u, %u", (unsigned long long)seed,
                          asked + i, r[i].op, r[i].file, (unsigned long long)r[i].offset,
                          r[i].bytes, r[i].tag, ok ? "OK" : "ERROR", got, r[i].code, r[i].done);
        }
        if (memcmp(w.memory, w.expected, MEMORY) != 0)
            test_fail(__FILE__, __LINE__, "TEST_SEED=0x%llx: memory is not the model's",
                      (unsigned long long)seed);
        asked += count;
    }
    check_written(&w);
    vyre_io_info info;
    vyre_io_query(w.io, &info);
    CHECK(info.engine == engine || engine == VYRE_IO_ENGINE_AUTO);
    CHECK_EQ(info.in_flight, 0);
    CHECK_EQ(info.completed.reads + info.completed.writes + info.refused, asked);
    CHECK_EQ(info.failed.reads + info.failed.writes, 0);
    CHECK_EQ(info.submitted.reads, info.completed.reads);
    world_free(&w);
}

static void requests_equal_the_model(void) { run_requests(false); }
static void requests_with_a_helper(void) { run_requests(true); }

/* --- an engine that ends jobs when it is told to --------------------------- */

static vyi_job *held[SLOTS];
static uint32_t held_count;

static bool fake_open(vyre_io *io, char *why, size_t size) { (void)io; snprintf(why, size, "fake"); return true; }
static void fake_nothing(vyre_io *io) { (void)io; }
static void fake_start(vyre_io *io, vyi_job *job) { (void)io; held[held_count++] = job; }
static const vyi_pump_engine fake = { VYRE_IO_ENGINE_PREAD, fake_open, fake_nothing, fake_start,
                                      fake_nothing, fake_nothing };

static vyre_io *fake_pump(void)
{
    vyre_io_desc d = io_desc();
    d.engine = VYRE_IO_ENGINE_PREAD;
    hooks.threads = 0;
    vyre_io *io = io_open(&d);
    hooks_reset();
    io->engine = &fake;
    held_count = 0;
    return io;
}

static void fake_end(vyre_io *io, vyi_job *job, int64_t result)
{
    vyi_mutex_lock(&io->lock);
    vyi_job_moved(io, job, result);
    vyi_mutex_unlock(&io->lock);
}

static void answers_find_their_slots(void)
{
    static uint8_t memory[SLOTS * 64];
    vyre_io *io = fake_pump();
    const int fd = file_make(0, 0, 4096);
    const uint32_t file = add_fd(io, fd, 0, 0, VYRE_IO_CAN_READ | VYRE_IO_SHORT_OK);
    const uint32_t target = add_memory(io, memory, sizeof memory, 64);
    for (uint32_t i = 0; i < SLOTS; i++)
        ask(i, VYRE_IO_READ, file, target, i, 64, i);
    CHECK_EQ(vyre_io_pump(io, 0, NULL, NULL), VYRE_EMPTY);
    CHECK_EQ(held_count, SLOTS);
    for (uint32_t i = SLOTS; i-- > 0;) {
        const uint32_t slot = held[i]->slot;
        CHECK_EQ(slot, i);
        CHECK_EQ(status_of(slot), VYRE_IO_CLAIMED);
        CHECK(held[i]->memory == memory + 64 * slot && held[i]->offset == slot);
        fake_end(io, held[i], slot + 1); /* and the rest is missing */
        if (slot + 1 < 64)
            fake_end(io, held[i], 0);
        CHECK_EQ(answer_ok(io, slot), slot + 1);
    }
    uint32_t served = 0;
    CHECK_EQ(vyre_io_pump(io, 0, &served, NULL), VYRE_OK);
    CHECK_EQ(served, SLOTS);
    vyre_io_close(io);
    close(fd);
}

static void fences_wait_for_what_came_before(void)
{
    static uint8_t memory[64];
    vyre_io *io = fake_pump();
    const int fd = file_make(0, 0, 4096);
    const uint32_t file = add_fd(io, fd, 0, 0, VYRE_IO_CAN_READ);
    const uint32_t target = add_memory(io, memory, sizeof memory, 0);
    ask(0, VYRE_IO_READ, file, target, 0, 8, 0);
    ask(1, VYRE_IO_READ, file, target, 0, 8, 0);
    ask(2, VYRE_IO_FENCE, 0, 0, 0, 0, 0);
    ask(3, VYRE_IO_READ, file, target, 0, 8, 0);
    ask(4, VYRE_IO_FENCE, 0, 0, 0, 0, 0);
    vyre_io_pump(io, 0, NULL, NULL);
    CHECK_EQ(held_count, 3);
    fake_end(io, held[2], 8);
    fake_end(io, held[1], -EIO);
    CHECK_EQ(status_of(2), VYRE_IO_CLAIMED);
    fake_end(io, held[0], 8);
    CHECK_EQ(answer_ok(io, 2), 0);
    CHECK_EQ(answer_ok(io, 4), 0);
    CHECK_EQ(answer_error(io, 1), VYRE_IO_CODE_SYSTEM | EIO << 8);
    CHECK_EQ(answer_ok(io, 0), 8);
    CHECK_EQ(answer_ok(io, 3), 8);
    vyre_io_info info;
    vyre_io_query(io, &info);
    CHECK_EQ(info.fences, 2);
    vyre_io_close(io);
    close(fd);
}

/* A slot that a device publishes again while it is served is served once more. */
static void a_slot_that_changes_meanwhile(void)
{
    static uint8_t memory[64];
    vyre_io *io = fake_pump();
    const int fd = file_make(0, 0, 4096);
    const uint32_t file = add_fd(io, fd, 0, 0, VYRE_IO_CAN_READ);
    const uint32_t target = add_memory(io, memory, sizeof memory, 0);
    ask(0, VYRE_IO_READ, file, target, 0, 8, 0);
    vyre_io_pump(io, 0, NULL, NULL);
    queue[VYRE_IO_STATUS] = VYRE_IO_PUBLISHED;
    queue[VYRE_IO_SRC] = queue[VYRE_IO_DST] = 77;
    queue[VYRE_IO_BYTES] = 1u << 30;
    vyre_io_pump(io, 0, NULL, NULL);
    CHECK_EQ(held_count, 1);
    CHECK_EQ(held[0]->bytes, 8);
    fake_end(io, held[0], 8);
    CHECK_EQ(answer_ok(io, 0), 8);
    vyre_io_close(io);
    close(fd);
}

static void an_entry_in_use_is_removed_late(void)
{
    static uint8_t memory[64];
    vyre_io *io = fake_pump();
    const int fd = file_make(0, 0, 4096);
    const uint32_t file = add_path(io, fd, VYRE_IO_CAN_READ);
    const uint32_t target = add_memory(io, memory, sizeof memory, 0);
    ask(0, VYRE_IO_READ, file, target, 0, 8, 0);
    vyre_io_pump(io, 0, NULL, NULL);
    CHECK_EQ(vyre_io_remove(io, file, NULL), VYRE_PENDING);
    ask(1, VYRE_IO_READ, file, target, 0, 8, 0);
    CHECK_EQ(answer_error(io, 1), VYRE_IO_CODE_SOURCE);
    fake_end(io, held[0], 8);
    CHECK_EQ(answer_ok(io, 0), 8);
    CHECK_EQ(vyre_io_remove(io, file, NULL), VYRE_E_IO_HANDLE);
    CHECK_EQ(vyre_io_remove(io, 0, NULL), VYRE_E_IO_HANDLE);
    CHECK_EQ(vyre_io_remove(io, 0x1fff, NULL), VYRE_E_IO_HANDLE);
    const uint32_t again = add_path(io, fd, VYRE_IO_CAN_READ);
    CHECK(again != file && (again & 0xfff) == (file & 0xfff));
    vyre_io_close(io);
    close(fd);
}

/* --- what the system does -------------------------------------------------- */

typedef struct bench_pump {
    vyre_io *io;
    int      fd;
    uint32_t file, target;
    uint8_t  memory[4096];
} bench_pump;

static void small_open(bench_pump *b, uint32_t flags)
{
    vyre_io_desc d = io_desc();
    memset(b, 0, sizeof *b);
    b->io = io_open(&d);
    b->fd = file_make(0, 0, 4096);
    b->file = add_fd(b->io, b->fd, 0, 0, flags);
    b->target = add_memory(b->io, b->memory, sizeof b->memory, 0);
}

static void small_close(bench_pump *b)
{
    hooks_reset();
    vyre_io_close(b->io);
    close(b->fd);
}

static void check_bytes(const uint8_t *bytes, uint64_t from, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        CHECK_EQ(bytes[i], byte_at(0, from + i));
}

/* Each that read(2), write(2), pread(2) and readv(2) name, and what drivers and file
 * systems give besides. */
static void every_errno(void)
{
    static const int errors[] = { EIO, ENOSPC, EBADF, EPERM, EACCES, EINVAL, EISDIR, ENXIO,
                                  EOVERFLOW, EFBIG, EDQUOT, ESPIPE, EFAULT, EDESTADDRREQ, EPIPE,
                                  EOPNOTSUPP, ENOSYS, ENOMEM, ENODEV, ESTALE, ETIMEDOUT,
                                  ECONNRESET, ENOTCONN, EROFS, EBUSY, ENOLCK, EREMOTEIO };
    bench_pump b;
    small_open(&b, VYRE_IO_CAN_READ | VYRE_IO_CAN_WRITE);
    for (uint32_t write = 0; write < 2; write++) {
        const uint32_t op = write ? VYRE_IO_WRITE : VYRE_IO_READ;
        const uint32_t src = write ? b.target : b.file, dst = write ? b.file : b.target;
        for (uint32_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
            hooks.fail = errors[i];
            hooks.times = 1;
            ask(i, op, src, dst, 0, 100, 0);
            CHECK_EQ(answer_error(b.io, i), VYRE_IO_CODE_SYSTEM | (uint32_t)errors[i] << 8);
            ask(i, op, src, dst, 0, 100, 0);
            CHECK_EQ(answer_ok(b.io, i), 100);
        }
        static const int passing[] = { EINTR, EAGAIN };
        for (uint32_t i = 0; i < 2; i++) {
            hooks.fail = passing[i];
            hooks.times = 3;
            ask(0, op, src, dst, 0, 100, 0);
            CHECK_EQ(answer_ok(b.io, 0), 100);
            CHECK_EQ(hooks.times, 0);
        }
        hooks.fail = EAGAIN;
        hooks.times = -1;
        ask(0, op, src, dst, 0, 100, 0);
        CHECK_EQ(answer_error(b.io, 0), VYRE_IO_CODE_SYSTEM | EAGAIN << 8);
    }
    check_bytes(b.memory, 0, 100);
    small_close(&b);
}

/* The next descriptor that open(2) gives: as many as before are open when it is the same. */
static int next_descriptor(void)
{
    const int fd = open("/dev/null", O_RDONLY);
    CHECK(fd >= 0);
    close(fd);
    return fd;
}

/* Each that open(2) and fstat(2) name: the file is not there, and nothing is added. */
static void files_that_cannot_be_had(void)
{
    static const int errors[] = { EACCES, EBUSY, EDQUOT, EEXIST, EFAULT, EFBIG, EINTR, EINVAL,
                                  EISDIR, ELOOP, EMFILE, ENAMETOOLONG, ENFILE, ENODEV, ENOENT, ENOMEM,
                                  ENOSPC, ENOTDIR, ENXIO, EOPNOTSUPP, EOVERFLOW, EPERM, EROFS,
                                  ETXTBSY, EWOULDBLOCK, EBADF };
    bench_pump b;
    vyre_error err;
    small_open(&b, VYRE_IO_CAN_READ);
    const int descriptor = next_descriptor();
    for (uint32_t i = 0; i < 2 * (sizeof errors / sizeof errors[0]); i++) {
        uint32_t handle = 77;
        hooks.open = i & 1 ? 0 : errors[i / 2];
        hooks.stat = i & 1 ? errors[i / 2] : 0;
        CHECK_EQ(vyre_io_add_path(b.io, "/dev/null", VYRE_IO_CAN_READ, &handle, &err),
                 VYRE_E_IO_FILE);
        CHECK_EQ(err.native, errors[i / 2]);
        CHECK_EQ(handle, 77);
    }
    hooks_reset();
    CHECK_EQ(next_descriptor(), descriptor);
    for (uint32_t i = 0; i < 250; i++) { /* no entry was used up */
        uint32_t handle;
        hooks.stat = i < 240 ? EIO : 0;
        const vyre_status status = vyre_io_add_path(b.io, "/dev/null", VYRE_IO_CAN_READ, &handle,
                                                    NULL);
        CHECK_EQ(status, i < 240 ? VYRE_E_IO_FILE : VYRE_OK);
    }
    small_close(&b);
}

static void short_calls_of_every_length(void)
{
    bench_pump b;
    small_open(&b, VYRE_IO_CAN_READ | VYRE_IO_CAN_WRITE);
    for (uint32_t most = 1; most <= 100; most++) {
        hooks.most = most;
        memset(b.memory, 0, sizeof b.memory);
        ask(0, VYRE_IO_READ, b.file, b.target, most, 100, 0);
        CHECK_EQ(answer_ok(b.io, 0), 100);
        check_bytes(b.memory, most, 100);
        ask(0, VYRE_IO_WRITE, b.target, b.file, 4096 + most * 128, 100, 0);
        CHECK_EQ(answer_ok(b.io, 0), 100);
        hooks_reset();
        uint8_t back[100];
        CHECK_EQ(pread(b.fd, back, 100, 4096 + most * 128), 100);
        CHECK(memcmp(back, b.memory, 100) == 0);
    }
    small_close(&b);
}

static void files_that_end_early(void)
{
    bench_pump b;
    small_open(&b, VYRE_IO_CAN_READ);
    const uint32_t lenient = add_fd(b.io, b.fd, 0, 0, VYRE_IO_CAN_READ | VYRE_IO_SHORT_OK);
    const uint32_t sized = add_path(b.io, b.fd, VYRE_IO_CAN_READ);
    ask(0, VYRE_IO_READ, sized, b.target, 1, 4096, 0);
    CHECK_EQ(answer_error(b.io, 0), VYRE_IO_CODE_RANGE);
    CHECK_EQ(ftruncate(b.fd, 100), 0);
    ask(0, VYRE_IO_READ, b.file, b.target, 0, 4096, 0);
    ask(1, VYRE_IO_READ, lenient, b.target, 0, 4096, 0);
    ask(2, VYRE_IO_READ, sized, b.target, 0, 4096, 0);
    ask(3, VYRE_IO_READ, lenient, b.target, 200, 10, 0);
    CHECK_EQ(answer_error(b.io, 0), VYRE_IO_CODE_SHORT);
    CHECK_EQ(answer_ok(b.io, 1), 100);
    CHECK_EQ(answer_error(b.io, 2), VYRE_IO_CODE_SHORT);
    CHECK_EQ(answer_ok(b.io, 3), 0);
    check_bytes(b.memory, 0, 100);
    vyre_io_info info;
    vyre_io_query(b.io, &info);
    CHECK_EQ(info.short_ends, 2);
    CHECK_EQ(info.failed.reads, 2);
    small_close(&b);
}

static void descriptors_that_were_closed(void)
{
    bench_pump b;
    small_open(&b, VYRE_IO_CAN_READ | VYRE_IO_CAN_WRITE);
    close(b.fd);
    ask(0, VYRE_IO_READ, b.file, b.target, 0, 10, 0);
    ask(1, VYRE_IO_WRITE, b.target, b.file, 0, 10, 0);
    CHECK_EQ(answer_error(b.io, 0), VYRE_IO_CODE_SYSTEM | EBADF << 8);
    CHECK_EQ(answer_error(b.io, 1), VYRE_IO_CODE_SYSTEM | EBADF << 8);
    b.fd = open("/dev/null", O_RDONLY);
    small_close(&b);
}

/* More bytes than were asked for: whoever says so is not believed. */
static void a_source_that_cannot_count(void)
{
    bench_pump b;
    small_open(&b, VYRE_IO_CAN_READ | VYRE_IO_CAN_WRITE);
    for (uint32_t i = 0; i < 2; i++) {
        hooks.more = 1;
        if (i)
            ask(i, VYRE_IO_WRITE, b.target, b.file, 0, 100, 0);
        else
            ask(i, VYRE_IO_READ, b.file, b.target, 0, 100, 0);
        CHECK_EQ(answer_error(b.io, i), VYRE_IO_CODE_SYSTEM | EIO << 8);
        hooks_reset();
        ask(i, VYRE_IO_READ, b.file, b.target, 0, 100, 0);
        CHECK_EQ(answer_ok(b.io, i), 100);
    }
    small_close(&b);
}

/* O_DIRECT where the system takes it, and what it refuses all the same read. */
static void around_the_page_cache(void)
{
    bench_pump b;
    small_open(&b, VYRE_IO_CAN_READ);
    const uint32_t direct = add_path(b.io, b.fd, VYRE_IO_CAN_READ | VYRE_IO_DIRECT);
    for (uint32_t i = 0; i < 8; i++)
        ask(i, VYRE_IO_READ, direct, b.target, 3, 100, 0); /* neither is aligned */
    for (uint32_t i = 0; i < 8; i++)
        CHECK_EQ(answer_ok(b.io, i), 100);
    check_bytes(b.memory, 3, 100);
    vyre_io_info info;
    vyre_io_query(b.io, &info);
    CHECK(info.direct_refused);
    small_close(&b);
}

/* Whatever the file system here: what O_DIRECT refuses is tried again without, once; any
 * other error, and the same one of a file that has no O_DIRECT, is the request's. */
static void what_o_direct_refuses(void)
{
    static const struct {
        int  error;
        bool direct, again;
    } rows[] = {
        { EINVAL, true, true }, { EFAULT, true, true }, { EIO, true, false },
        { EINVAL, false, false }, { EFAULT, false, false },
    };
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const uint32_t flags = VYRE_IO_CAN_READ | (rows[i].direct ? VYRE_IO_DIRECT : 0);
        vyre_io_info info;
        bench_pump b;
        small_open(&b, VYRE_IO_CAN_READ);
        hooks.takes_direct = true;
        const uint32_t file = add_path(b.io, b.fd, flags);
        hooks.fail = rows[i].error;
        hooks.times = 1;
        ask(0, VYRE_IO_READ, file, b.target, 3, 100, 0);
        if (rows[i].again)
            CHECK_EQ(answer_ok(b.io, 0), 100);
        else
            CHECK_EQ(answer_error(b.io, 0), VYRE_IO_CODE_SYSTEM | (uint32_t)rows[i].error << 8);
        vyre_io_query(b.io, &info);
        CHECK_EQ(info.direct_refused, rows[i].again);
        small_close(&b);
    }
}

/* A file system that does not open with it. */
static void no_way_around_the_page_cache(void)
{
    bench_pump b;
    vyre_io_info info;
    uint32_t handle = 77;
    small_open(&b, VYRE_IO_CAN_READ);
    for (uint32_t i = 0; i < 2; i++) {
        hooks.direct = i ? EINVAL : EACCES;
        const vyre_status status = vyre_io_add_path(b.io, "/dev/null", VYRE_IO_CAN_READ |
                                                    VYRE_IO_DIRECT, &handle, NULL);
        CHECK_EQ(status, i ? VYRE_OK : VYRE_E_IO_FILE);
        vyre_io_query(b.io, &info);
        CHECK_EQ(info.direct_refused, i);
    }
    const uint32_t buffered = add_path(b.io, b.fd, VYRE_IO_CAN_READ | VYRE_IO_DIRECT);
    ask(0, VYRE_IO_READ, buffered, b.target, 3, 100, 0);
    CHECK_EQ(answer_ok(b.io, 0), 100);
    check_bytes(b.memory, 3, 100);
    small_close(&b);
}

static void the_system_gives_nothing(void)
{
    vyre_io_desc d = io_desc();
    vyre_error err;
    bench_pump b;
    d.helper = true;
    d.engine = VYRE_IO_ENGINE_PREAD;
    for (hooks.threads = 0; hooks.threads < 3; hooks.threads++) {
        const int some = hooks.threads;
        CHECK(!vyre_io_open(&d, &err));
        CHECK_EQ(err.status, VYRE_E_THREAD);
        hooks.threads = some;
    }
    hooks.threads = 0;
    engine = VYRE_IO_ENGINE_PREAD;
    small_open(&b, VYRE_IO_CAN_READ);
    vyre_io_info info;
    vyre_io_query(b.io, &info);
    CHECK_EQ(info.threads, 0);
    ask(0, VYRE_IO_READ, b.file, b.target, 0, 4096, 0);
    CHECK_EQ(answer_ok(b.io, 0), 4096);
    check_bytes(b.memory, 0, 4096);
    small_close(&b);

    static const int refused[] = { ENOSYS, EPERM, ENOMEM, EMFILE, ENFILE, EFAULT, EINVAL, ENXIO,
                                   EACCES };
    for (uint32_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        hooks.ring = refused[i];
        engine = VYRE_IO_ENGINE_AUTO;
        small_open(&b, VYRE_IO_CAN_READ);
        vyre_io_query(b.io, &info);
        CHECK_EQ(info.engine, VYRE_IO_ENGINE_PREAD);
        CHECK(strstr(info.why, "io_uring"));
        ask(0, VYRE_IO_READ, b.file, b.target, 0, 4096, 0);
        CHECK_EQ(answer_ok(b.io, 0), 4096);
        hooks.ring = refused[i];
        d.helper = false;
        d.engine = VYRE_IO_ENGINE_URING;
        CHECK(!vyre_io_open(&d, &err));
        CHECK_EQ(err.status, VYRE_E_IO_ENGINE);
        small_close(&b);
    }
}

/* A process that may not make system calls of io_uring's, as in a container: 0 when AUTO
 * reads all the same, and says why. */
static int forbidden_child(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof rules / sizeof rules[0], rules };
    bench_pump b;
    vyre_io_info info;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        return 2;
    small_open(&b, VYRE_IO_CAN_READ);
    vyre_io_query(b.io, &info);
    ask(0, VYRE_IO_READ, b.file, b.target, 0, 4096, 0);
    bool ok;
    const uint32_t bytes = answer(b.io, 0, &ok);
    return !(ok && bytes == 4096 && info.engine == VYRE_IO_ENGINE_PREAD &&
             strstr(info.why, "the system forbids it"));
}

static void forbidden_by_seccomp(void)
{
    int status = 0;
    engine = VYRE_IO_ENGINE_AUTO;
    const pid_t child = fork();
    if (child == 0)
        _exit(forbidden_child());
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    if (WEXITSTATUS(status) == 2)
        test_skip("this system takes no filter of system calls");
    CHECK_EQ(WEXITSTATUS(status), 0);
}

/* Each that io_uring_enter(2) names; where it may pass, it is asked again, and else all
 * is read the other way. */
static void a_ring_that_breaks_with(int error)
{
    bench_pump b;
    engine = VYRE_IO_ENGINE_URING;
    small_open(&b, VYRE_IO_CAN_READ);
    hooks.submit = error;
    ask(0, VYRE_IO_READ, b.file, b.target, 0, 1000, 0);
    const bool passes = error == EAGAIN || error == EBUSY || error == EINTR;
    CHECK_EQ(vyre_io_pump(b.io, 0, NULL, NULL), passes ? VYRE_EMPTY : VYRE_OK);
    hooks.submit = 0;
    CHECK_EQ(answer_ok(b.io, 0), 1000);
    check_bytes(b.memory, 0, 1000);
    small_close(&b);
}

static void rings_break_with_every_errno(void)
{
    static const int errors[] = { EAGAIN, EBUSY, EINTR, EBADF, EBADFD, EBADR, EFAULT, EINVAL, ENXIO,
                                  EOPNOTSUPP, EPERM, EEXIST, ENOMEM, ENOSYS };
    for (uint32_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        a_ring_that_breaks_with(errors[i]);
}

static void a_ring_that_breaks(void)
{
    bench_pump b;
    engine = VYRE_IO_ENGINE_URING;
    small_open(&b, VYRE_IO_CAN_READ);
    hooks.submit = EAGAIN;
    ask(0, VYRE_IO_READ, b.file, b.target, 0, 1000, 0);
    ask(1, VYRE_IO_READ, b.file, b.target, 0, 4096, 0);
    CHECK_EQ(vyre_io_pump(b.io, 0, NULL, NULL), VYRE_EMPTY);
    hooks.submit = EBADF;
    CHECK_EQ(answer_ok(b.io, 0), 1000);
    CHECK_EQ(answer_ok(b.io, 1), 4096);
    check_bytes(b.memory, 0, 4096);
    for (uint32_t i = 0; i < 300; i++) {
        ask(i % SLOTS, VYRE_IO_READ, b.file, b.target, i, 8, 0);
        CHECK_EQ(answer_ok(b.io, i % SLOTS), 8);
    }
    check_bytes(b.memory, 299, 8);
    small_close(&b);
}

/* --- threads that copy ----------------------------------------------------- */

/* Reads of every size from 100 bytes up, all at once; so many of them were threads'. */
static uint32_t copies_of_a_round(bench_pump *b)
{
    static uint8_t memory[SLOTS * 4096];
    const uint32_t target = add_memory(b->io, memory, sizeof memory, 4096);
    memset(memory, 0, sizeof memory);
    __atomic_store_n(&hooks.copies, 0, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < SLOTS; i++)
        ask(i, VYRE_IO_READ, b->file, target, i, 100 + i * 60, i);
    for (uint32_t i = 0; i < SLOTS; i++) {
        CHECK_EQ(answer_ok(b->io, i), 100 + i * 60);
        check_bytes(memory + i * 4096, i, 100 + i * 60);
    }
    CHECK_EQ(vyre_io_remove(b->io, target, NULL), VYRE_OK);
    return __atomic_load_n(&hooks.copies, __ATOMIC_RELAXED);
}

/* From 1000 bytes on, which is slot 15's. */
static void large_reads_are_copied_by_threads(void)
{
    const uint32_t large = SLOTS - 15;
    bench_pump b;
    vyre_io_info info;
    small_open(&b, VYRE_IO_CAN_READ);
    vyre_io_query(b.io, &info);
    const bool copies = info.threads != 0;
    CHECK_EQ(info.threads, engine == VYRE_IO_ENGINE_URING ? 0 : 2);
    const uint32_t all = copies_of_a_round(&b);
    CHECK_EQ(all, info.engine == VYRE_IO_ENGINE_URING && copies ? large : 0);
    hooks.cached = EAGAIN; /* half of them have to be waited for; the first may be alone */
    CHECK(all - copies_of_a_round(&b) <= (all != 0));
    hooks.cached = EOPNOTSUPP; /* the first says that nobody knows */
    CHECK(copies_of_a_round(&b) <= 4);
    CHECK_EQ(copies_of_a_round(&b), 0);
    vyre_io_query(b.io, &info);
    CHECK_EQ(info.completed.reads, 4 * SLOTS);
    small_close(&b);
    hooks.threads = 0;
    small_open(&b, VYRE_IO_CAN_READ);
    CHECK_EQ(copies_of_a_round(&b), 0);
    small_close(&b);
}

/* --- closing ---------------------------------------------------------------- */

static uint32_t gate;
static uint32_t inside;

static int64_t source_waits(void *user, void *bytes, uint64_t offset, uint32_t size, bool write)
{
    (void)user, (void)bytes, (void)offset, (void)write;
    __atomic_add_fetch(&inside, 1, __ATOMIC_ACQ_REL);
    while (!vyi_load_acquire(&gate))
        usleep(1000);
    __atomic_sub_fetch(&inside, 1, __ATOMIC_ACQ_REL);
    return size;
}

/* Two calls that do not come back: close leaves them behind. */
static void closing_waits_for_nobody(void)
{
    static vyre_io *leaked; /* stays reachable */
    static uint8_t memory[64];
    vyre_io_desc d = io_desc();
    uint32_t source;
    gate = 0;
    d.engine = VYRE_IO_ENGINE_PREAD;
    leaked = io_open(&d);
    const uint32_t target = add_memory(leaked, memory, sizeof memory, 0);
    CHECK_EQ(vyre_io_add_source(leaked, source_waits, NULL, 0, VYRE_IO_CAN_READ, &source, NULL),
             VYRE_OK);
    for (uint32_t i = 0; i < SLOTS; i++)
        ask(i, i == 7 ? VYRE_IO_FENCE : VYRE_IO_READ, source, target, 0, 8, 0);
    vyre_io_pump(leaked, 0, NULL, NULL);
    while (__atomic_load_n(&inside, __ATOMIC_ACQUIRE) < 2)
        usleep(1000);
    vyre_io_close(leaked);
    for (uint32_t i = 0; i < SLOTS; i++) {
        CHECK_EQ(status_of(i), i == 7 ? VYRE_IO_OK : VYRE_IO_ERROR);
        CHECK_EQ(queue[i * 8 + VYRE_IO_BYTES], i == 7 ? 0 : VYRE_IO_CODE_CANCELLED);
    }
    vyi_store_release(&gate, 1);
    while (__atomic_load_n(&inside, __ATOMIC_ACQUIRE))
        usleep(1000);
}

/* Calls that have come back hold no close up: the pump is freed, not left behind. */
static void closing_after_calls_that_came_back(void)
{
    static uint8_t memory[997];
    oom_state oom;
    vyre_io_desc d = io_desc();
    uint32_t source, calls = 0;
    oom_begin(&oom);
    d.allocator = oom_allocator(&oom);
    vyre_io *io = io_open(&d);
    const uint32_t target = add_memory(io, memory, sizeof memory, 0);
    CHECK_EQ(vyre_io_add_source(io, source_read, &calls, 70000, VYRE_IO_CAN_READ, &source, NULL),
             VYRE_OK);
    for (uint32_t i = 0; i < 8; i++) {
        ask(i, VYRE_IO_READ, source, target, 0, sizeof memory, 0);
        CHECK_EQ(answer_ok(io, i), sizeof memory);
    }
    vyre_io_close(io);
    CHECK(oom_is_clean(&oom));
}

/* Requests that are under way when the pump is closed: each has one answer. */
static void closing_in_the_middle(void)
{
    for (uint32_t round = 0; round < 20; round++) {
        bench_pump b;
        small_open(&b, VYRE_IO_CAN_READ);
        for (uint32_t i = 0; i < SLOTS; i++)
            ask(i, VYRE_IO_READ, b.file, b.target, 0, 4096, 0);
        hooks.most = 100;
        vyre_io_pump(b.io, 0, NULL, NULL);
        small_close(&b);
        for (uint32_t i = 0; i < SLOTS; i++) {
            const uint32_t bytes = queue[i * 8 + VYRE_IO_BYTES];
            CHECK(status_of(i) == VYRE_IO_OK ? bytes == 4096 :
                  status_of(i) == VYRE_IO_ERROR && bytes == VYRE_IO_CODE_CANCELLED);
        }
    }
}

/* --- hostile queues --------------------------------------------------------- */

/* Random words, with handles among them.  What is not PUBLISHED is nobody's, and memory
 * outside the targets is guarded by the heap's own zones. */
static void hostile_queues(void)
{
    const char *text = getenv("TEST_COUNT");
    const uint32_t count = text ? (uint32_t)strtoul(text, NULL, 0) : 1000;
    uint32_t before[sizeof queue / 4];
    world w;
    random_state = test_seed(0x686f);
    world_make(&w, false);
    for (uint32_t n = 0; n < count; n++) {
        for (uint32_t i = 0; i < sizeof queue / 4; i++) {
            const uint32_t kind = below(6), word = i % VYRE_IO_SLOT_WORDS;
            queue[i] = kind == 0 ? (uint32_t)test_random(&random_state)
                       : kind == 1 ? below(10000) : kind == 2 ? w.files[below(FILES)]
                       : kind == 3 ? w.slots_target : kind == 4 ? below(4) : w.singles[below(SLOTS)];
            if (word == VYRE_IO_STATUS && below(2))
                queue[i] = VYRE_IO_PUBLISHED;
            if ((word == VYRE_IO_OP || word == VYRE_IO_OFFSET_HI) && below(2))
                queue[i] = word == VYRE_IO_OP ? 1 + below(3) : 0;
            if (word == VYRE_IO_OFFSET_LO && queue[i] > 1u << 20 && below(8))
                queue[i] %= 1u << 20; /* F_BLIND shall not grow by gigabytes each time */
        }
        memcpy(before, queue, sizeof queue);
        for (uint32_t i = 0; i < SLOTS; i++) {
            const uint32_t *was = before + i * VYRE_IO_SLOT_WORDS;
            if (was[VYRE_IO_STATUS] == VYRE_IO_PUBLISHED) {
                bool ok;
                (void)answer(w.io, i, &ok);
            } else {
                CHECK(memcmp(was, queue + i * VYRE_IO_SLOT_WORDS, 32) == 0);
            }
        }
    }
    world_free(&w);
}

/* --- a process that is killed ------------------------------------------------ */

enum { CHUNK = 1 << 16 };

typedef struct shared {
    uint32_t queue[SLOTS * VYRE_IO_SLOT_WORDS];
    uint8_t  memory[SLOTS][CHUNK];
} shared;

static void write_until_killed(shared *s, int fd)
{
    vyre_io_desc d = io_desc();
    uint32_t file, target;
    d.queue = s->queue;
    vyre_io *io = vyre_io_open(&d, NULL);
    if (!io || vyre_io_add_fd(io, fd, 0, 0, VYRE_IO_CAN_WRITE, &file, NULL) < 0 ||
        vyre_io_add_memory(io, s->memory, sizeof s->memory, CHUNK, &target, NULL) < 0)
        _exit(1);
    for (uint32_t i = 0; i < SLOTS; i++) {
        const vyre_io_request r = { i, VYRE_IO_WRITE, target, file, (uint64_t)i * CHUNK, CHUNK, i };
        vyre_io_publish(s->queue, sizeof s->queue, &r, NULL);
    }
    for (;;)
        vyre_io_pump(io, 1000000, NULL, NULL);
}

static void killed_in_the_middle(void)
{
    shared *s = (shared *)mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    static uint8_t back[CHUNK];
    CHECK(s != MAP_FAILED);
    random_state = test_seed(0x6b);
    for (uint32_t round = 0; round < 8; round++) {
        const int fd = file_make(0, 0, 1);
        memset(s, 0, sizeof *s);
        for (uint32_t i = 0; i < SLOTS; i++)
            for (uint32_t j = 0; j < CHUNK; j++)
                s->memory[i][j] = (uint8_t)(i + 1);
        const pid_t child = fork();
        if (child == 0)
            write_until_killed(s, fd);
        const uint32_t enough = below(SLOTS);
        uint32_t done = 0;
        for (uint32_t tries = 0; done < enough && tries < 20000; tries++) {
            usleep(100);
            for (done = 0; done < SLOTS &&
                           vyi_load_acquire(s->queue + done * 8 + VYRE_IO_STATUS) == VYRE_IO_OK;)
                done++;
        }
        kill(child, SIGKILL);
        CHECK_EQ(waitpid(child, NULL, 0), child);
        for (uint32_t i = 0; i < SLOTS; i++) {
            const uint32_t status = s->queue[i * 8 + VYRE_IO_STATUS];
            CHECK(status == VYRE_IO_OK || status == VYRE_IO_CLAIMED ||
                  status == VYRE_IO_PUBLISHED || status == VYRE_IO_EMPTY);
            if (status != VYRE_IO_OK)
                continue;
            CHECK_EQ(pread(fd, back, CHUNK, (off_t)i * CHUNK), CHUNK);
            CHECK(memcmp(back, s->memory[i], CHUNK) == 0);
        }
        close(fd);
        bench_pump b; /* and who comes next works */
        small_open(&b, VYRE_IO_CAN_READ);
        ask(0, VYRE_IO_READ, b.file, b.target, 0, 10, 0);
        CHECK_EQ(answer_ok(b.io, 0), 10);
        small_close(&b);
    }
    munmap(s, sizeof *s);
}

/* --- mistakes ---------------------------------------------------------------- */

#define REFUSED(call, wanted)                                                                      \
    do {                                                                                           \
        vyre_error err;                                                                            \
        memset(&err, 0, sizeof err);                                                               \
        CHECK_EQ(call, wanted);                                                                    \
        CHECK_EQ(err.status, wanted);                                                              \
        CHECK(err.text[0] && err.fix[0]);                                                          \
    } while (0)

static void what_is_refused(void)
{
    static uint8_t memory[64];
    vyre_io_desc d = io_desc();
    uint32_t h = 0;
    vyre_io *io = io_open(&d);
    REFUSED(vyre_io_add_path(io, "/no/such/file", VYRE_IO_CAN_READ, &h, &err), VYRE_E_IO_FILE);
    REFUSED(vyre_io_add_path(io, "/", VYRE_IO_CAN_WRITE, &h, &err), VYRE_E_IO_FILE);
    REFUSED(vyre_io_add_path(io, NULL, VYRE_IO_CAN_READ, &h, &err), VYRE_E_ARGUMENT);
    REFUSED(vyre_io_add_path(io, "/dev/null", 0, &h, &err), VYRE_E_ARGUMENT);
    REFUSED(vyre_io_add_path(io, "/dev/null", 16 + VYRE_IO_CAN_READ, &h, &err), VYRE_E_ARGUMENT);
    REFUSED(vyre_io_add_fd(io, -1, 0, 0, VYRE_IO_CAN_READ, &h, &err), VYRE_E_ARGUMENT);
    REFUSED(vyre_io_add_fd(io, 0, 0, 0, VYRE_IO_CAN_READ | VYRE_IO_DIRECT, &h, &err),
            VYRE_E_ARGUMENT);
    REFUSED(vyre_io_add_fd(io, 0, 1, INT64_MAX, VYRE_IO_CAN_READ, &h, &err), VYRE_E_OVF);
    REFUSED(vyre_io_add_source(io, NULL, NULL, 0, VYRE_IO_CAN_READ, &h, &err), VYRE_E_ARGUMENT);
    REFUSED(vyre_io_add_memory(io, memory, 0, 0, &h, &err), VYRE_E_ARGUMENT);
    REFUSED(vyre_io_add_memory(io, memory, 64, 65, &h, &err), VYRE_E_ARGUMENT);
    REFUSED(vyre_io_add_target(io, 0, 0, 0, 0, &h, &err), VYRE_E_ARGUMENT);
    REFUSED(vyre_io_bind(io, 1, 0x1001, 0, 8, 0x1002, &err), VYRE_E_IO_HANDLE);
    REFUSED(vyre_io_remove(io, 5, &err), VYRE_E_IO_HANDLE);
    REFUSED(vyre_io_pump(NULL, 0, NULL, &err), VYRE_E_ARGUMENT);
    REFUSED(vyre_io_pump(io, 0, NULL, &err), VYRE_EMPTY);
    REFUSED(vyre_io_pump(io, 1000, NULL, &err), VYRE_TIMEOUT);
    CHECK_EQ(h, 0);
    for (uint32_t i = 0; i < 200; i++)
        CHECK_EQ(vyre_io_add_memory(io, memory, 64, 0, &h, NULL), VYRE_OK);
    REFUSED(vyre_io_add_memory(io, memory, 64, 0, &h, &err), VYRE_E_IO_TABLE);
    vyre_io_close(io);
    vyre_error err;
    d.queue_size = 33;
    CHECK(!vyre_io_open(&d, &err) && err.status == VYRE_E_IO_ALIGN4);
    d.queue = NULL;
    CHECK(!vyre_io_open(&d, &err) && err.status == VYRE_E_ARGUMENT);
    d = io_desc();
    d.entries = 4096;
    CHECK(!vyre_io_open(&d, &err) && err.status == VYRE_E_ARGUMENT);
    vyre_io_close(NULL);
}

static void resources(void)
{
    bench_pump b;
    small_open(&b, VYRE_IO_CAN_READ);
    const uint32_t target = add_memory(b.io, b.memory, 4096, 64);
    for (uint32_t i = 0; i < 200; i++)
        CHECK_EQ(vyre_io_bind(b.io, i, b.file, 10 * i, 10, target, NULL), VYRE_OK);
    CHECK_EQ(vyre_io_bind(b.io, 200, b.file, 0, 10, target, NULL), VYRE_E_IO_TABLE);
    CHECK_EQ(vyre_io_bind(b.io, 5, b.file, 777, 11, target, NULL), VYRE_OK);
    CHECK_EQ(vyre_io_bind(b.io, 7, 0, 0, 0, 0, NULL), VYRE_OK);
    for (uint32_t i = 0; i < 60; i++)
        ask(i, VYRE_IO_READ, i, i, 0, 0, i);
    ask(60, VYRE_IO_READ, 100, 100, 0, 0, 100);
    for (uint32_t i = 0; i < 60; i++) {
        if (i == 7) {
            CHECK_EQ(answer_error(b.io, i), VYRE_IO_CODE_SOURCE);
            continue;
        }
        CHECK_EQ(answer_ok(b.io, i), i == 5 ? 11 : 10);
        check_bytes(b.memory + 64 * i, i == 5 ? 777 : 10 * i, i == 5 ? 11 : 10);
    }
    CHECK_EQ(answer_error(b.io, 60), VYRE_IO_CODE_RANGE); /* slot 100 of 64 */
    small_close(&b);
}

static vyre_status open_with(const vyre_allocator *allocator, void *user)
{
    vyre_error err;
    vyre_io_desc d = io_desc();
    (void)user;
    d.allocator = *allocator;
    vyre_io *io = vyre_io_open(&d, &err);
    const bool opened = io != NULL;
    vyre_io_close(io);
    return opened ? VYRE_OK : err.status;
}

/* Without memory for a ring AUTO does without one. */
static void no_memory(void)
{
    engine = VYRE_IO_ENGINE_PREAD;
    CHECK(oom_each(open_with, NULL) == 4);
}

/* Few at a time: nobody is forgotten. */
static void read_at_depth(uint32_t depth)
{
    static uint8_t memory[64];
    vyre_io_desc d = io_desc();
    d.depth = depth;
    vyre_io *io = io_open(&d);
    const int fd = file_make(0, 0, 4096);
    const uint32_t file = add_fd(io, fd, 0, 0, VYRE_IO_CAN_READ);
    const uint32_t target = add_memory(io, memory, sizeof memory, 0);
    for (uint32_t round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < SLOTS; i++)
            ask(i, VYRE_IO_READ, file, target, 0, 8, 0);
        for (uint32_t i = SLOTS; i-- > 0;)
            CHECK_EQ(answer_ok(io, i), 8);
    }
    vyre_io_close(io);
    close(fd);
}

static void a_small_depth(void)
{
    vyre_error err;
    vyre_io_desc d = io_desc();
    read_at_depth(3);
    read_at_depth(VYRE_IO_SLOTS);
    d.depth = VYRE_IO_SLOTS + 1;
    CHECK(!vyre_io_open(&d, &err));
    CHECK_EQ(err.status, VYRE_E_ARGUMENT);
}

/* With one system call for each, with a ring, and with a ring and threads beside it. */
static void run_each(const char *name, void (*body)(void))
{
    static char text[96];
    static const struct {
        vyre_io_engine engine;
        const char *name;
    } engines[] = { { VYRE_IO_ENGINE_PREAD, "pread" }, { VYRE_IO_ENGINE_URING, "uring" },
                    { VYRE_IO_ENGINE_AUTO, "auto" } };
    for (uint32_t i = 0; i < 3; i++) {
        vyre_io_desc d = io_desc();
        d.engine = engine = engines[i].engine;
        vyre_io *io = vyre_io_open(&d, NULL);
        vyre_io_close(io);
        snprintf(text, sizeof text, "%s/%s", name, engines[i].name);
        if (io)
            test_run(text, body);
        else
            printf("NOTE %s: the system has no io_uring\n", text);
        hooks_reset();
    }
}
#define EACH(name) run_each(#name, name)

int main(void)
{
    hook_main = pthread_self();
    EACH(requests_equal_the_model);
    EACH(requests_with_a_helper);
    EACH(every_errno);
    EACH(short_calls_of_every_length);
    EACH(files_that_end_early);
    EACH(descriptors_that_were_closed);
    EACH(around_the_page_cache);
    EACH(what_o_direct_refuses);
    EACH(no_way_around_the_page_cache);
    EACH(a_source_that_cannot_count);
    EACH(large_reads_are_copied_by_threads);
    EACH(closing_in_the_middle);
    EACH(closing_after_calls_that_came_back);
    EACH(hostile_queues);
    EACH(killed_in_the_middle);
    EACH(what_is_refused);
    EACH(resources);
    EACH(a_small_depth);
    engine = VYRE_IO_ENGINE_PREAD;
    RUN(answers_find_their_slots);
    RUN(fences_wait_for_what_came_before);
    RUN(a_slot_that_changes_meanwhile);
    RUN(an_entry_in_use_is_removed_late);
    RUN(the_system_gives_nothing);
    RUN(files_that_cannot_be_had);
    RUN(a_ring_that_breaks);
    RUN(rings_break_with_every_errno);
    RUN(forbidden_by_seccomp);
    RUN(closing_waits_for_nobody);
    RUN(no_memory);
    return test_end();
}

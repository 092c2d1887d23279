/* ==========================================================================
 * replay: a path as a log's bytes, through stdio
 *
 * What was written is given to the system at once, so that a process that ends
 * in whatever way leaves what it had appended.  A writer holds a lock where the
 * system has one that ends with its holder.
 * ======================================================================= */
#include "rooms/replay/replay_impl.h"

#include <limits.h>

#ifndef VYRE_NO_REPLAY

#if defined(_WIN32)
    #include <io.h>
    #include <share.h>
#elif defined(__unix__) || defined(__APPLE__)
    #include <errno.h>
    #include <fcntl.h>
    #include <sys/file.h>
    #include <unistd.h>
    #define VYI_REPLAY_LOCKS 1
#endif

#ifdef VYI_REPLAY_LOCKS
VYI_EXTERN_C_BEGIN
extern int fsync(int descriptor); /* strict C99 hides it */
VYI_EXTERN_C_END
#endif

typedef struct vyi_replay_stdio {
    FILE *file;
    int   lock; /* a descriptor, or -1 */
} vyi_replay_stdio;

static bool vyi_replay_seek(FILE *file, uint64_t at)
{
#if defined(_WIN32)
    return at <= INT64_MAX && _fseeki64(file, (int64_t)at, SEEK_SET) == 0;
#else
    return at <= LONG_MAX && fseek(file, (long)at, SEEK_SET) == 0;
#endif
}

static int64_t vyi_replay_file_read(void *user, uint64_t at, void *bytes, size_t n)
{
    FILE *file = ((vyi_replay_stdio *)user)->file;
    if (!vyi_replay_seek(file, at))
        return -1;
    const size_t got = fread(bytes, 1, n, file);
    return got < n && ferror(file) ? -1 : (int64_t)got;
}

static int64_t vyi_replay_file_write(void *user, uint64_t at, const void *bytes, size_t n)
{
    FILE *file = ((vyi_replay_stdio *)user)->file;
    if (!vyi_replay_seek(file, at))
        return -1;
    const size_t put = fwrite(bytes, 1, n, file);
    return fflush(file) != 0 ? -1 : (int64_t)put;
}

static int64_t vyi_replay_file_size(void *user)
{
    FILE *file = ((vyi_replay_stdio *)user)->file;
    if (fseek(file, 0, SEEK_END) != 0)
        return -1;
#if defined(_WIN32)
    return _ftelli64(file);
#else
    return ftell(file);
#endif
}

/* Longer only: a new log is. */
static int vyi_replay_file_resize(void *user, uint64_t size)
{
    const uint8_t zero = 0;
    VYRE_ASSERT(size > 0);
    return vyi_replay_file_write(user, size - 1, &zero, 1) == 1 ? 0 : -1;
}

static int vyi_replay_file_sync(void *user)
{
    vyi_replay_stdio *s = (vyi_replay_stdio *)user;
    if (fflush(s->file) != 0)
        return -1;
#if defined(_WIN32)
    return _commit(_fileno(s->file));
#elif defined(VYI_REPLAY_LOCKS)
    return s->lock < 0 ? 0 : fsync(s->lock);
#else
    return 0;
#endif
}

static FILE *vyi_replay_fopen(const char *path, const char *mode, bool alone)
{
#if defined(_WIN32)
    return _fsopen(path, mode, alone ? _SH_DENYWR : _SH_DENYNO);
#else
    (void)alone;
    return fopen(path, mode);
#endif
}

/* False: somebody else has it. */
static bool vyi_replay_lock(vyi_replay_stdio *s, const char *path)
{
#ifdef VYI_REPLAY_LOCKS
    s->lock = open(path, O_RDWR);
    return s->lock < 0 || flock(s->lock, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
#else
    (void)s, (void)path;
    return true;
#endif
}

VYI_COLD
VYI_API void vyi_replay_file_close(const vyre_allocator *allocator, void *own)
{
    vyi_replay_stdio *s = (vyi_replay_stdio *)own;
    if (s->file)
        fclose(s->file);
#ifdef VYI_REPLAY_LOCKS
    if (s->lock >= 0)
        close(s->lock); /* and the lock with it */
#endif
    vyi_free(allocator, s, sizeof *s);
}

static vyre_status vyi_replay_file_begin(vyi_replay_stdio *s, const vyre_replay_desc *desc,
                                         vyre_error *err)
{
    const bool alone = !desc->read_only;
    s->file = vyi_replay_fopen(desc->path, alone ? "r+b" : "rb", alone);
    if (!s->file && alone)
        s->file = vyi_replay_fopen(desc->path, "w+b", true);
    if (!s->file)
        return vyi_fail(err, VYRE_E_REPLAY_IO, 0, "Look at the path and its rights.",
                        "%.100s cannot be %s", desc->path, alone ? "opened or made" : "opened");
    if (alone && !vyi_replay_lock(s, desc->path))
        return vyi_fail(err, VYRE_E_REPLAY_BUSY, 0, "Close the other writer, or open it read_only.",
                        "somebody else writes to %.100s", desc->path);
    return VYRE_OK;
}

VYI_COLD
VYI_API void *vyi_replay_file_open(const vyre_replay_desc *desc, vyre_file *file, vyre_error *err)
{
    vyi_replay_stdio *s = (vyi_replay_stdio *)vyi_alloc(&desc->allocator, sizeof *s);
    if (!s) {
        vyi_fail_nomem(err, sizeof *s);
        return NULL;
    }
    s->file = NULL;
    s->lock = -1;
    if (vyi_replay_file_begin(s, desc, err) < 0) {
        vyi_replay_file_close(&desc->allocator, s);
        return NULL;
    }
    file->read = vyi_replay_file_read;
    file->write = vyi_replay_file_write;
    file->resize = vyi_replay_file_resize;
    file->size = vyi_replay_file_size;
    file->sync = vyi_replay_file_sync;
    file->user = s;
    return s;
}

#endif /* VYRE_NO_REPLAY */

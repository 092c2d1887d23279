/* ==========================================================================
 * cache: implementation
 *
 * A file is not synchronised with the disk: one that a power cut has torn fails
 * its digest, and the next close writes another.
 * ======================================================================= */
#include "vulkan/cache_impl.h"

#ifndef VYRE_NO_IO

#include "base/digest_impl.h"
#include "base/thread_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>

#if defined(_WIN32)
    #include <io.h>
    #include <process.h>
#else
    #include <unistd.h>
#endif

/* --- what a file holds ------------------------------------------------------ */

#define VYI_CACHE_HEAD  48u
#define VYI_CACHE_MOST  0x4000000u /* bytes of a file */

static const uint8_t vyi_cache_magic[8] = { 'V', 'Y', 'R', 'C', '0', '0', '0', '1' };

VYRE_API vyre_status vyre_cache_seal(const void *blob, size_t size,
                                     const uint8_t key[VYRE_CACHE_KEY], void *dst,
                                     size_t dst_size, size_t *written, vyre_error *err)
{
    uint8_t *out = (uint8_t *)dst;
    size_t total;
    if ((!blob && size) || !key || !dst || !written)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass the bytes, a key and the results.",
                        "the bytes, the key, dst or written is NULL");
    if (!vyi_size_add(size, VYRE_CACHE_EXTRA, &total) || dst_size < total)
        return vyi_fail(err, VYRE_E_SPACE, size, "Have VYRE_CACHE_EXTRA bytes more than the blob.",
                        "%llu bytes to seal need %u more, and there is room for %llu",
                        (unsigned long long)size, VYRE_CACHE_EXTRA,
                        (unsigned long long)dst_size);
    memcpy(out, vyi_cache_magic, sizeof vyi_cache_magic);
    memcpy(out + 8, key, VYRE_CACHE_KEY);
    vyi_put32(out + 40, (uint32_t)size);
    vyi_put32(out + 44, (uint32_t)((uint64_t)size >> 32));
    if (size)
        memcpy(out + VYI_CACHE_HEAD, blob, size);
    vyi_blake3(out, VYI_CACHE_HEAD + size, out + VYI_CACHE_HEAD + size);
    *written = total;
    return VYRE_OK;
}

/* The first thing that is wrong with a file, or NULL. */
static const char *vyi_cache_refuse(const uint8_t *file, size_t size, const uint8_t *key)
{
    uint8_t digest[VYI_CACHE_DIGEST];
    if (size < VYRE_CACHE_EXTRA || memcmp(file, vyi_cache_magic, sizeof vyi_cache_magic) != 0)
        return "it is not one of ours";
    if ((vyi_get32(file + 40) | (uint64_t)vyi_get32(file + 44) << 32) != size - VYRE_CACHE_EXTRA)
        return "it is cut off, or goes on behind its end";
    vyi_blake3(file, size - VYI_CACHE_DIGEST, digest);
    if (memcmp(digest, file + size - VYI_CACHE_DIGEST, VYI_CACHE_DIGEST) != 0)
        return "it is damaged";
    if (memcmp(file + 8, key, VYRE_CACHE_KEY) != 0)
        return "it is of another program, device, driver or version";
    return NULL;
}

VYRE_API vyre_status vyre_cache_unseal(const void *file, size_t size,
                                       const uint8_t key[VYRE_CACHE_KEY], const void **blob,
                                       size_t *blob_size, vyre_error *err)
{
    if (!file || !key || !blob || !blob_size)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass the file, a key and the results.",
                        "the file, the key, blob or blob_size is NULL");
    const char *why = vyi_cache_refuse((const uint8_t *)file, size, key);
    if (why)
        return vyi_fail(err, VYRE_E_CACHE, size, "Go on without: it only saves time.",
                        "a cache of %llu bytes is not used: %s", (unsigned long long)size, why);
    *blob = (const uint8_t *)file + VYI_CACHE_HEAD;
    *blob_size = size - VYRE_CACHE_EXTRA;
    return VYRE_OK;
}

/* --- the system's calls ------------------------------------------------------ */

#if defined(_WIN32)

static int vyi_cache_open(const char *path)
{
    const DWORD about = GetFileAttributesA(path);
    const DWORD not_files = FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_REPARSE_POINT |
                            FILE_ATTRIBUTE_DEVICE;
    if (about != INVALID_FILE_ATTRIBUTES && (about & not_files)) {
        errno = ELOOP;
        return -1;
    }
    return _open(path, _O_RDONLY | _O_BINARY | _O_NOINHERIT);
}

static int vyi_cache_create(const char *path)
{
    return _open(path, _O_WRONLY | _O_CREAT | _O_EXCL | _O_BINARY | _O_NOINHERIT,
                 _S_IREAD | _S_IWRITE);
}

/* Negative: it is no file of the disk. */
static int64_t vyi_cache_size(int fd)
{
    return GetFileType((HANDLE)_get_osfhandle(fd)) == FILE_TYPE_DISK ? _filelengthi64(fd) : -1;
}

static bool vyi_cache_rename(const char *from, const char *to)
{
    return MoveFileExA(from, to, MOVEFILE_REPLACE_EXISTING) != 0;
}

    #define VYI_CACHE_READ(fd, at, size)  _read((fd), (at), (unsigned)(size))
    #define VYI_CACHE_WRITE(fd, at, size) _write((fd), (at), (unsigned)(size))
    #define VYI_CACHE_CLOSE(fd)           _close(fd)
    #define VYI_CACHE_PROCESS()           ((unsigned long)_getpid())

#else

/* Strict C99 hides some names of the library's. */
#if defined(O_NOFOLLOW)
    #define VYI_CACHE_NOFOLLOW O_NOFOLLOW
#elif defined(__O_NOFOLLOW)
    #define VYI_CACHE_NOFOLLOW __O_NOFOLLOW
#else
    #define VYI_CACHE_NOFOLLOW 0
#endif
#if defined(O_CLOEXEC)
    #define VYI_CACHE_CLOEXEC O_CLOEXEC
#elif defined(__O_CLOEXEC)
    #define VYI_CACHE_CLOEXEC __O_CLOEXEC
#else
    #define VYI_CACHE_CLOEXEC 0
#endif

/* A pipe would be waited for. */
static int vyi_cache_open(const char *path)
{
    return open(path, O_RDONLY | O_NONBLOCK | VYI_CACHE_NOFOLLOW | VYI_CACHE_CLOEXEC);
}

static int vyi_cache_create(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_EXCL | VYI_CACHE_NOFOLLOW | VYI_CACHE_CLOEXEC, 0666);
}

static int64_t vyi_cache_size(int fd)
{
    struct stat about;
    return fstat(fd, &about) == 0 && S_ISREG(about.st_mode) ? (int64_t)about.st_size : -1;
}

static bool vyi_cache_rename(const char *from, const char *to)
{
    return rename(from, to) == 0;
}

    #define VYI_CACHE_READ(fd, at, size)  read((fd), (at), (size))
    #define VYI_CACHE_WRITE(fd, at, size) write((fd), (at), (size))
    #define VYI_CACHE_CLOSE(fd)           close(fd)
    #define VYI_CACHE_PROCESS()           ((unsigned long)getpid())

#endif

/* --- reading ----------------------------------------------------------------- */

/* Fewer bytes than there were a moment ago is a failure. */
static bool vyi_cache_fill(int fd, uint8_t *at, size_t size)
{
    while (size) {
        const int64_t got = (int64_t)VYI_CACHE_READ(fd, at, size);
        if (got <= 0 && !(got < 0 && errno == EINTR))
            return false;
        at += got > 0 ? got : 0;
        size -= got > 0 ? (size_t)got : 0;
    }
    return true;
}

static const char *vyi_cache_read_from(const vyre_allocator *allocator, int fd, void **bytes,
                                       size_t *size)
{
    const int64_t all = vyi_cache_size(fd);
    if (all < 0)
        return "it is not a regular file";
    if (all == 0 || all > (int64_t)VYI_CACHE_MOST)
        return all ? "it is larger than 64 MiB" : "it is empty";
    uint8_t *block = (uint8_t *)vyi_alloc(allocator, (size_t)all);
    if (!block)
        return "there is no memory for it";
    if (!vyi_cache_fill(fd, block, (size_t)all)) {
        vyi_free(allocator, block, (size_t)all);
        return "it cannot be read";
    }
    *bytes = block;
    *size = (size_t)all;
    return NULL;
}

VYI_COLD
VYI_API const char *vyi_cache_read(const vyre_allocator *allocator, const char *path,
                                   void **bytes, size_t *size)
{
    const int fd = vyi_cache_open(path);
    if (fd < 0)
        return errno == ENOENT  ? "it does not exist yet"
               : errno == ELOOP ? "it is a link or no file"
                                : "it cannot be opened";
    const char *why = vyi_cache_read_from(allocator, fd, bytes, size);
    VYI_CACHE_CLOSE(fd);
    return why;
}

/* --- writing ----------------------------------------------------------------- */

static bool vyi_cache_put(int fd, const uint8_t *at, size_t size)
{
    while (size) {
        const int64_t put = (int64_t)VYI_CACHE_WRITE(fd, at, size);
        if (put <= 0 && !(put < 0 && errno == EINTR))
            return false;
        at += put > 0 ? put : 0;
        size -= put > 0 ? (size_t)put : 0;
    }
    return true;
}

/* The old file stays until the new one is whole. */
static const char *vyi_cache_replace(const char *path, const char *fresh, const void *bytes,
                                     size_t size)
{
    const int fd = vyi_cache_create(fresh);
    if (fd < 0)
        return errno == EEXIST ? "another of this process's handles is writing it"
                               : "no file can be made in its directory";
    bool good = vyi_cache_put(fd, (const uint8_t *)bytes, size);
    good = VYI_CACHE_CLOSE(fd) == 0 && good;
    const char *why = !good                              ? "the disk takes no more"
                      : !vyi_cache_rename(fresh, path) ? "it cannot be replaced"
                                                         : NULL;
    if (why)
        (void)remove(fresh);
    return why;
}

VYI_COLD
VYI_API const char *vyi_cache_write(const vyre_allocator *allocator, const char *path,
                                    const void *bytes, size_t size)
{
    const size_t room = strlen(path) + 32;
    if (size > VYI_CACHE_MOST)
        return "it would be larger than 64 MiB";
    char *fresh = (char *)vyi_alloc(allocator, room);
    if (!fresh)
        return "there is no memory for its name";
    snprintf(fresh, room, "%s.%lu.tmp", path, VYI_CACHE_PROCESS());
    const char *why = vyi_cache_replace(path, fresh, bytes, size);
    vyi_free(allocator, fresh, room);
    return why;
}

#endif /* VYRE_NO_IO */

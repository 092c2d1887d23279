/* ==========================================================================
 * io: the system's files
 *
 * Reads and writes name their offset, so that any number of them are under way on
 * one descriptor.
 * ======================================================================= */
#include "rooms/io/io_impl.h"

#ifndef VYRE_NO_IO

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>

#if defined(_WIN32)
    #include <io.h>
#else
    #include <unistd.h>
#endif

/* --- Windows -------------------------------------------------------------- */

#if defined(_WIN32)

static int vyi_file_error(void)
{
    switch (GetLastError()) {
    case ERROR_ACCESS_DENIED:
    case ERROR_LOCK_VIOLATION:
        return EACCES;
    case ERROR_INVALID_HANDLE:
        return EBADF;
    case ERROR_DISK_FULL:
        return ENOSPC;
    default:
        return EIO;
    }
}

VYI_API int vyi_file_open(const char *path, uint32_t flags)
{
    const uint32_t both = VYRE_IO_CAN_READ | VYRE_IO_CAN_WRITE;
    int how = (flags & both) == both ? _O_RDWR : flags & VYRE_IO_CAN_WRITE ? _O_WRONLY : _O_RDONLY;
    if (flags & VYRE_IO_CAN_WRITE)
        how |= _O_CREAT;
    if (flags & VYRE_IO_DIRECT)
        return -EINVAL;
    const int fd = _open(path, how | _O_BINARY | _O_NOINHERIT, _S_IREAD | _S_IWRITE);
    return fd < 0 ? -errno : fd;
}

VYI_API void vyi_file_close(int fd)
{
    _close(fd);
}

VYI_API int vyi_file_size(int fd, uint64_t *size)
{
    LARGE_INTEGER end;
    const HANDLE file = (HANDLE)_get_osfhandle(fd);
    if (GetFileType(file) != FILE_TYPE_DISK)
        return 0;
    if (!GetFileSizeEx(file, &end))
        return vyi_file_error();
    *size = (uint64_t)end.QuadPart;
    return 0;
}

VYI_API int64_t vyi_file_move(int fd, uint8_t *memory, uint64_t offset, uint32_t bytes,
                              bool write)
{
    OVERLAPPED at;
    DWORD done = 0;
    const HANDLE file = (HANDLE)_get_osfhandle(fd);
    memset(&at, 0, sizeof at);
    at.Offset = (DWORD)offset;
    at.OffsetHigh = (DWORD)(offset >> 32);
    if (write ? WriteFile(file, memory, bytes, &done, &at)
              : ReadFile(file, memory, bytes, &done, &at))
        return (int64_t)done;
    return GetLastError() == ERROR_HANDLE_EOF ? 0 : -(int64_t)vyi_file_error();
}

VYI_API bool vyi_file_buffered(int fd)
{
    (void)fd;
    return false;
}

/* --- POSIX ---------------------------------------------------------------- */

#else

/* Strict C99 hides these, though the library has them; those with offsets of 64 bits
 * then have names of their own. */
#define VYI_PREAD  pread
#define VYI_PWRITE pwrite
#if defined(__GLIBC__) && !defined(__USE_XOPEN2K8) && !defined(__USE_UNIX98)
    #ifdef __USE_FILE_OFFSET64
        #undef VYI_PREAD
        #undef VYI_PWRITE
        #define VYI_PREAD  pread64
        #define VYI_PWRITE pwrite64
    #endif
VYI_EXTERN_C_BEGIN
extern ssize_t VYI_PREAD(int fd, void *bytes, size_t size, off_t offset);
extern ssize_t VYI_PWRITE(int fd, const void *bytes, size_t size, off_t offset);
VYI_EXTERN_C_END
#endif

#if defined(O_CLOEXEC)
    #define VYI_O_CLOEXEC O_CLOEXEC
#elif defined(__O_CLOEXEC)
    #define VYI_O_CLOEXEC __O_CLOEXEC
#else
    #define VYI_O_CLOEXEC 0
#endif
#if defined(O_DIRECT)
    #define VYI_O_DIRECT O_DIRECT
#elif defined(__O_DIRECT)
    #define VYI_O_DIRECT __O_DIRECT
#else
    #define VYI_O_DIRECT 0
#endif

VYI_API int vyi_file_open(const char *path, uint32_t flags)
{
    const uint32_t both = VYRE_IO_CAN_READ | VYRE_IO_CAN_WRITE;
    int how = (flags & both) == both ? O_RDWR : flags & VYRE_IO_CAN_WRITE ? O_WRONLY : O_RDONLY;
    if (flags & VYRE_IO_CAN_WRITE)
        how |= O_CREAT;
    if (flags & VYRE_IO_DIRECT) {
        if (VYI_O_DIRECT == 0)
            return -EINVAL;
        how |= VYI_O_DIRECT;
    }
    const int fd = open(path, how | VYI_O_CLOEXEC, 0666);
    return fd < 0 ? -errno : fd;
}

VYI_API void vyi_file_close(int fd)
{
    close(fd);
}

VYI_API int vyi_file_size(int fd, uint64_t *size)
{
    struct stat about;
    if (fstat(fd, &about) != 0)
        return errno;
    if (S_ISREG(about.st_mode))
        *size = (uint64_t)about.st_size;
    return 0;
}

/* Whether an off_t holds it. */
static bool vyi_file_reaches(uint64_t offset, uint32_t bytes)
{
    const uint64_t end = sizeof(off_t) < 8 ? (uint64_t)INT32_MAX : (uint64_t)INT64_MAX;
    return offset <= end - bytes;
}

VYI_API int64_t vyi_file_move(int fd, uint8_t *memory, uint64_t offset, uint32_t bytes,
                              bool write)
{
    if (!vyi_file_reaches(offset, bytes))
        return -EOVERFLOW;
    const ssize_t done = write ? VYI_PWRITE(fd, memory, bytes, (off_t)offset)
                               : VYI_PREAD(fd, memory, bytes, (off_t)offset);
    return done < 0 ? -(int64_t)errno : (int64_t)done;
}

VYI_API bool vyi_file_buffered(int fd)
{
    const int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & VYI_O_DIRECT) && fcntl(fd, F_SETFL, flags & ~VYI_O_DIRECT) == 0;
}

#endif

/* --- the page cache -------------------------------------------------------- */

#if defined(__linux__) && defined(__GLIBC__) && defined(__LP64__)

#include <sys/uio.h>

#if !defined(__USE_GNU)
VYI_EXTERN_C_BEGIN
extern ssize_t preadv2(int fd, const struct iovec *parts, int count, off_t offset, int flags);
VYI_EXTERN_C_END
#endif

#define VYI_RWF_NOWAIT 8

/* A system or file that does not know the flag says so by other errors. */
VYI_API int64_t vyi_file_cached(int fd, uint8_t *memory, uint64_t offset, uint32_t bytes)
{
    struct iovec part;
    part.iov_base = memory;
    part.iov_len = bytes;
    const ssize_t done = preadv2(fd, &part, 1, (off_t)offset, VYI_RWF_NOWAIT);
    if (done > 0)
        return (int64_t)done;
    return done == 0 || errno == EAGAIN || errno == EINTR ? -EAGAIN : -EOPNOTSUPP;
}

#else

VYI_API int64_t vyi_file_cached(int fd, uint8_t *memory, uint64_t offset, uint32_t bytes)
{
    (void)fd, (void)memory, (void)offset, (void)bytes;
    return -EOPNOTSUPP;
}

#endif

#endif /* VYRE_NO_IO */

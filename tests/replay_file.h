/* A log's bytes in memory, for tests.  `budget` bytes are written and no more: what
 * a process leaves that is killed in the middle of a write. */
#ifndef REPLAY_FILE_H
#define REPLAY_FILE_H

#include "vyre.h"

#include <stdlib.h>
#include <string.h>

typedef struct memory_file {
    uint8_t *bytes;
    size_t   size;
    uint64_t budget; /* UINT64_MAX: without end */
    bool     failed;
} memory_file;

static bool memory_grow(memory_file *f, uint64_t size)
{
    if (size <= f->size)
        return true;
    uint8_t *more = (uint8_t *)realloc(f->bytes, (size_t)size);
    if (!more)
        return false;
    memset(more + f->size, 0, (size_t)size - f->size);
    f->bytes = more;
    f->size = (size_t)size;
    return true;
}

static int64_t memory_read(void *user, uint64_t at, void *bytes, size_t n)
{
    memory_file *f = (memory_file *)user;
    if (at >= f->size)
        return 0;
    size_t left = f->size - (size_t)at, some = n < left ? n : left;
    memcpy(bytes, f->bytes + at, some);
    return (int64_t)some;
}

static int64_t memory_write(void *user, uint64_t at, const void *bytes, size_t n)
{
    memory_file *f = (memory_file *)user;
    size_t some = n < f->budget ? n : (size_t)f->budget;
    f->failed = f->failed || some < n;
    if (some == 0 || !memory_grow(f, at + some))
        return 0;
    memcpy(f->bytes + at, bytes, some);
    if (f->budget != UINT64_MAX)
        f->budget -= some;
    return (int64_t)some;
}

static int memory_resize(void *user, uint64_t size)
{
    return memory_grow((memory_file *)user, size) ? 0 : -1;
}

static int64_t memory_size(void *user)
{
    return (int64_t)((memory_file *)user)->size;
}

static inline vyre_replay_desc memory_log(memory_file *f, uint32_t version, uint64_t capacity)
{
    vyre_replay_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.file.read = memory_read;
    desc.file.write = memory_write;
    desc.file.resize = memory_resize;
    desc.file.size = memory_size;
    desc.file.user = f;
    desc.version = version;
    desc.capacity = capacity;
    return desc;
}

static inline memory_file memory_begin(void)
{
    memory_file f = { NULL, 0, UINT64_MAX, false };
    return f;
}

static inline void memory_end(memory_file *f)
{
    free(f->bytes);
    f->bytes = NULL;
    f->size = 0;
}

#endif

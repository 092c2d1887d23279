/* The pump's tables and its checks, on any machine: on one whose words lie the other way
 * round, too (tests/check_portable.sh).  The queue is bytes, read and written as such. */
#define _GNU_SOURCE
#include "test.h"
#include "vyre.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SLOTS = 64, BYTES = 10007 };

static uint8_t queue[SLOTS * VYRE_IO_SLOT_BYTES];

static uint8_t byte_at(uint64_t i)
{
    return (uint8_t)(i * 31 + (i >> 8));
}

static uint32_t word_of(uint32_t slot, uint32_t word)
{
    const uint8_t *at = queue + slot * VYRE_IO_SLOT_BYTES + word * 4;
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void word_set(uint32_t slot, uint32_t word, uint32_t value)
{
    uint8_t *at = queue + slot * VYRE_IO_SLOT_BYTES + word * 4;
    for (uint32_t i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static vyre_io *pump_open(uint32_t entries)
{
    vyre_io_desc d;
    vyre_error err;
    memset(&d, 0, sizeof d);
    memset(&err, 0, sizeof err);
    memset(queue, 0, sizeof queue);
    d.queue = queue;
    d.queue_size = sizeof queue;
    d.engine = VYRE_IO_ENGINE_PREAD;
    d.entries = entries;
    vyre_io *io = vyre_io_open(&d, &err);
    if (!io)
        test_fail(__FILE__, __LINE__, "open: %s", err.text);
    return io;
}

/* As a device does: words, and the status last. */
static void ask(uint32_t slot, uint32_t op, uint32_t src, uint32_t dst, uint64_t offset,
                uint32_t bytes, uint32_t tag)
{
    word_set(slot, VYRE_IO_OP, op);
    word_set(slot, VYRE_IO_SRC, src);
    word_set(slot, VYRE_IO_DST, dst);
    word_set(slot, VYRE_IO_OFFSET_LO, (uint32_t)offset);
    word_set(slot, VYRE_IO_OFFSET_HI, (uint32_t)(offset >> 32));
    word_set(slot, VYRE_IO_BYTES, bytes);
    word_set(slot, VYRE_IO_TAG, tag);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    word_set(slot, VYRE_IO_STATUS, VYRE_IO_PUBLISHED);
}

/* OK: the bytes; ERROR: minus the code.  The slot is free then. */
static int64_t answer(vyre_io *io, uint32_t slot)
{
    for (uint32_t tries = 0; tries < 60000; tries++) {
        const uint32_t status = word_of(slot, VYRE_IO_STATUS);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (status == VYRE_IO_OK || status == VYRE_IO_ERROR) {
            const int64_t bytes = word_of(slot, VYRE_IO_BYTES);
            word_set(slot, VYRE_IO_STATUS, VYRE_IO_EMPTY);
            return status == VYRE_IO_OK ? bytes : -bytes;
        }
        vyre_io_pump(io, 1000000, NULL, NULL);
    }
    test_fail(__FILE__, __LINE__, "slot %u is not answered", slot);
    return 0;
}

static int64_t source_read(void *user, void *bytes, uint64_t offset, uint32_t size, bool write)
{
    const uint32_t most = size < 999 ? size : 999;
    (void)user;
    if (write)
        return -EROFS;
    for (uint32_t i = 0; i < most; i++)
        ((uint8_t *)bytes)[i] = byte_at(offset + i);
    return (int64_t)most;
}

static int file_make(void)
{
    char path[] = "/tmp/test_io_tables.XXXXXX";
    uint8_t bytes[BYTES];
    const int fd = mkstemp(path);
    CHECK(fd >= 0);
    unlink(path);
    for (uint32_t i = 0; i < BYTES; i++)
        bytes[i] = byte_at(i);
    CHECK_EQ(write(fd, bytes, BYTES), BYTES);
    return fd;
}

static void requests_and_answers(void)
{
    static uint8_t memory[8 * 512];
    vyre_io *io = pump_open(0);
    const int fd = file_make();
    uint32_t file, part, source, slots, stale;
    CHECK_EQ(vyre_io_add_fd(io, fd, 0, BYTES, VYRE_IO_CAN_READ | VYRE_IO_CAN_WRITE, &file, NULL),
             VYRE_OK);
    CHECK_EQ(vyre_io_add_fd(io, fd, 1000, 100, VYRE_IO_CAN_READ | VYRE_IO_SHORT_OK, &part, NULL),
             VYRE_OK);
    CHECK_EQ(vyre_io_add_source(io, source_read, NULL, 5ull << 32, VYRE_IO_CAN_READ, &source, NULL),
             VYRE_OK);
    CHECK_EQ(vyre_io_add_memory(io, memory, sizeof memory, 512, &slots, NULL), VYRE_OK);
    CHECK_EQ(vyre_io_add_memory(io, memory, 8, 0, &stale, NULL), VYRE_OK);
    CHECK_EQ(vyre_io_remove(io, stale, NULL), VYRE_OK);
    const uint64_t far = (4ull << 32) + 77;
    const struct { uint32_t op, src, dst; uint64_t offset; uint32_t bytes, tag; int64_t wanted; }
    rows[] = {
        { VYRE_IO_READ, file, slots, 3, 512, 0, 512 },
        { VYRE_IO_READ, source, slots, far, 500, 1, 500 },
        { VYRE_IO_READ, part, slots, 60, 100, 2, 40 },
        { VYRE_IO_WRITE, slots, file, 9000, 256, 0, 256 },
        { VYRE_IO_FENCE, 0, 0, 0, 0, 0, 0 },
        { 4, file, slots, 0, 4, 0, -VYRE_IO_CODE_OP },
        { 0x01000000, file, slots, 0, 4, 0, -VYRE_IO_CODE_OP },
        { VYRE_IO_READ, stale, slots, 0, 4, 0, -VYRE_IO_CODE_SOURCE },
        { VYRE_IO_READ, file + (1u << 12), slots, 0, 4, 0, -VYRE_IO_CODE_SOURCE },
        { VYRE_IO_READ, file, stale, 0, 4, 0, -VYRE_IO_CODE_TARGET },
        { VYRE_IO_READ, file, part, 0, 4, 0, -VYRE_IO_CODE_TARGET },
        { VYRE_IO_WRITE, slots, part, 0, 4, 0, -VYRE_IO_CODE_TARGET },
        { VYRE_IO_READ, file, slots, BYTES - 3, 4, 0, -VYRE_IO_CODE_RANGE },
        { VYRE_IO_READ, file, slots, 1ull << 32, 4, 0, -VYRE_IO_CODE_RANGE },
        { VYRE_IO_READ, file, slots, UINT64_MAX, 4, 0, -VYRE_IO_CODE_RANGE },
        { VYRE_IO_READ, file, slots, 0, 513, 0, -VYRE_IO_CODE_RANGE },
        { VYRE_IO_READ, file, slots, 0, 4, 8, -VYRE_IO_CODE_RANGE },
        { VYRE_IO_READ, file, slots, 0, 4, UINT32_MAX, -VYRE_IO_CODE_RANGE },
        { VYRE_IO_WRITE, slots, source, 0, 4, 0, -VYRE_IO_CODE_TARGET },
    };
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ask(i, rows[i].op, rows[i].src, rows[i].dst, rows[i].offset, rows[i].bytes, rows[i].tag);
        const int64_t got = answer(io, i);
        if (got != rows[i].wanted)
            test_fail(__FILE__, __LINE__, "row %u: %lld, not %lld", i, (long long)got,
                      (long long)rows[i].wanted);
    }
    for (uint32_t i = 0; i < 500; i++) {
        CHECK_EQ(memory[i], byte_at(3 + i));
        CHECK_EQ(memory[512 + i], byte_at(far + i));
        CHECK(i >= 40 || memory[1024 + i] == byte_at(1060 + i));
    }
    uint8_t back[256];
    CHECK_EQ(pread(fd, back, 256, 9000), 256);
    CHECK(memcmp(back, memory, 256) == 0);
    vyre_io_close(io);
    close(fd);
}

/* A LOAD_MISS has a number only: what is bound to it is read. */
static void misses_are_resolved(void)
{
    static uint8_t memory[8 * 64];
    vyre_io *io = pump_open(0);
    uint32_t source, slots;
    CHECK_EQ(vyre_io_add_source(io, source_read, NULL, 0, VYRE_IO_CAN_READ, &source, NULL),
             VYRE_OK);
    CHECK_EQ(vyre_io_add_memory(io, memory, sizeof memory, 64, &slots, NULL), VYRE_OK);
    for (uint32_t i = 0; i < 8; i++)
        CHECK_EQ(vyre_io_bind(io, i, source, i * 1000, 64, slots, NULL), VYRE_OK);
    CHECK_EQ(vyre_io_bind(io, 3, 0, 0, 0, 0, NULL), VYRE_OK);
    for (uint32_t i = 0; i < 9; i++) {
        ask(i, VYRE_IO_READ, i, i, 0, 0, i);
        CHECK_EQ(answer(io, i), i == 3 || i == 8 ? -VYRE_IO_CODE_SOURCE : 64);
    }
    for (uint32_t i = 0; i < 8 * 64; i++)
        CHECK_EQ(memory[i], i / 64 == 3 ? 0 : byte_at(i / 64 * 1000 + i % 64));
    vyre_io_close(io);
}

/* Handles: an index, and a generation that no later entry has. */
static void handles_go_stale(void)
{
    static uint8_t memory[64];
    vyre_io *io = pump_open(3);
    uint32_t handle[4], before = 0;
    for (uint32_t round = 0; round < 1000; round++) {
        CHECK_EQ(vyre_io_add_memory(io, memory, 64, 0, &handle[0], NULL), VYRE_OK);
        CHECK(handle[0] != before && handle[0] != 0);
        CHECK(round == 0 || vyre_io_remove(io, before, NULL) == VYRE_E_IO_HANDLE);
        CHECK_EQ(vyre_io_remove(io, handle[0], NULL), VYRE_OK);
        before = handle[0];
    }
    for (uint32_t i = 0; i < 4; i++)
        CHECK_EQ(vyre_io_add_memory(io, memory, 64, 0, &handle[i], NULL),
                 i < 3 ? VYRE_OK : VYRE_E_IO_TABLE);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_EQ(handle[i] & 0xfff, i + 1);
    vyre_io_close(io);
}

/* What the pump has opened is closed with it, the last entry's, too. */
static void files_are_closed(void)
{
    char path[] = "/tmp/test_io_tables.XXXXXX";
    vyre_io_info info;
    vyre_error err;
    uint32_t file;
    close(mkstemp(path));
    const int before = dup(0);
    close(before);
    vyre_io *io = pump_open(1);
    vyre_io_query(io, &info);
    CHECK_EQ(info.depth, SLOTS);
    CHECK_EQ(vyre_io_add_path(io, path, VYRE_IO_CAN_READ, &file, NULL), VYRE_OK);
    CHECK_EQ(vyre_io_add_target(io, 0, 0, 0, 0, &file, &err), VYRE_E_ARGUMENT);
    CHECK_TEXT(err.text, "the pump has no vyre handle");
    CHECK_EQ(vyre_io_add_target(io, 0, 0, 0, 0, NULL, &err), VYRE_E_ARGUMENT);
    vyre_io_close(io);
    const int after = dup(0);
    close(after);
    CHECK_EQ(after, before);
    unlink(path);
}

int main(void)
{
    RUN(requests_and_answers);
    RUN(misses_are_resolved);
    RUN(handles_go_stale);
    RUN(files_are_closed);
    return test_end();
}

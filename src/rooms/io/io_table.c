/* ==========================================================================
 * io: the tables of what a device may name
 * ======================================================================= */
#include "rooms/io/io_impl.h"

#ifndef VYRE_NO_IO

static uint32_t vyi_entry_handle(const vyre_io *io, const vyi_entry *entry)
{
    return (uint32_t)(entry - io->entries) | entry->generation << VYI_ENTRY_BITS;
}

static vyi_entry *vyi_entry_of(const vyre_io *io, uint32_t handle)
{
    const uint32_t index = handle & VYI_ENTRY_MOST;
    if (index == 0 || index > io->desc.entries)
        return NULL;
    vyi_entry *entry = &io->entries[index];
    return entry->kind != VYI_ENTRY_FREE && !entry->removed &&
           entry->generation == handle >> VYI_ENTRY_BITS ? entry : NULL;
}

VYI_API vyi_entry *vyi_entry_find(const vyre_io *io, uint32_t handle, uint32_t flags)
{
    vyi_entry *entry = vyi_entry_of(io, handle);
    if (!entry || (entry->kind == VYI_ENTRY_TARGET) != (flags == 0))
        return NULL;
    return (entry->flags & flags) == flags ? entry : NULL;
}

VYI_API const vyi_binding *vyi_binding_find(const vyre_io *io, uint32_t resource)
{
    for (uint32_t i = 0; i < io->binding_count; i++)
        if (io->bindings[i].resource == resource)
            return &io->bindings[i];
    return NULL;
}

VYI_API void vyi_entry_free(vyre_io *io, vyi_entry *entry)
{
    VYRE_ASSERT(entry->users == 0 && entry->kind != VYI_ENTRY_FREE);
    (void)io;
    const uint32_t generation = entry->generation;
    if (entry->kind == VYI_ENTRY_FILE && entry->ours)
        vyi_file_close(entry->fd);
    memset(entry, 0, sizeof *entry);
    entry->generation = generation;
}

/* A free one, with its next generation. */
static vyi_entry *vyi_entry_take(vyre_io *io, vyi_entry_kind kind, vyre_error *err)
{
    for (uint32_t i = 1; i <= io->desc.entries; i++) {
        vyi_entry *entry = &io->entries[i];
        if (entry->kind != VYI_ENTRY_FREE || entry->generation == VYI_GENERATION_MOST)
            continue;
        entry->kind = kind;
        entry->generation++;
        return entry;
    }
    vyi_fail(err, VYRE_E_IO_TABLE, io->desc.entries,
             "Remove entries, or set vyre_io_desc.entries higher.",
             "all %u entries of the pump are in use", io->desc.entries);
    return NULL;
}

/* Puts it into the table; what it brings is its own only on success. */
static vyre_status vyi_entry_add(vyre_io *io, const vyi_entry *what, uint32_t *handle,
                                 vyre_error *err)
{
    vyi_mutex_lock(&io->lock);
    vyi_entry *entry = vyi_entry_take(io, what->kind, err);
    if (entry) {
        const uint32_t generation = entry->generation;
        *entry = *what;
        entry->generation = generation;
        *handle = vyi_entry_handle(io, entry);
    }
    vyi_mutex_unlock(&io->lock);
    return entry ? VYRE_OK : VYRE_E_IO_TABLE;
}

static vyi_entry vyi_entry_begin(vyi_entry_kind kind, uint32_t flags)
{
    vyi_entry entry;
    memset(&entry, 0, sizeof entry);
    entry.kind = kind;
    entry.flags = flags;
    entry.fd = -1;
    return entry;
}

static vyre_status vyi_entry_check(const vyre_io *io, const void *what, const uint32_t *handle,
                                   uint32_t flags, vyre_error *err)
{
    if (!io || !what || !handle)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0,
                        "Pass an open pump, what to add, and room for its handle.", "%s is NULL",
                        !io ? "the pump" : !what ? "what is added" : "handle");
    const uint32_t known = VYRE_IO_CAN_READ | VYRE_IO_CAN_WRITE | VYRE_IO_SHORT_OK |
                           VYRE_IO_DIRECT;
    if (!(flags & (VYRE_IO_CAN_READ | VYRE_IO_CAN_WRITE)) || (flags & ~known))
        return vyi_fail(err, VYRE_E_ARGUMENT, flags,
                        "Give VYRE_IO_CAN_READ, VYRE_IO_CAN_WRITE or both.",
                        "flags 0x%x name no way to use it, or one that does not exist", flags);
    return VYRE_OK;
}

static vyre_status vyi_file_failed(int number, const char *path, const char *what,
                                   vyre_error *err)
{
    vyi_fail(err, VYRE_E_IO_FILE, 0, "Look at the path and its rights.",
             "%.90s cannot be %s: error %d of the system", path, what, number);
    if (err)
        err->native = number;
    return VYRE_E_IO_FILE;
}

VYRE_API vyre_status vyre_io_add_path(vyre_io *io, const char *path, uint32_t flags,
                                      uint32_t *handle, vyre_error *err)
{
    const vyre_status status = vyi_entry_check(io, path, handle, flags, err);
    if (status < 0)
        return status;
    vyi_entry entry = vyi_entry_begin(VYI_ENTRY_FILE, flags);
    entry.ours = true;
    entry.fd = vyi_file_open(path, flags);
    if (entry.fd == -EINVAL && (flags & VYRE_IO_DIRECT)) {
        entry.flags = flags & ~(uint32_t)VYRE_IO_DIRECT;
        entry.fd = vyi_file_open(path, entry.flags);
    }
    if (entry.fd < 0)
        return vyi_file_failed(-entry.fd, path, "opened", err);
    const int number = flags & VYRE_IO_CAN_WRITE ? 0 : vyi_file_size(entry.fd, &entry.size);
    if (number) {
        vyi_file_close(entry.fd);
        return vyi_file_failed(number, path, "measured", err);
    }
    const vyre_status added = vyi_entry_add(io, &entry, handle, err);
    if (added < 0)
        vyi_file_close(entry.fd);
    else if (entry.flags != flags)
        io->info.direct_refused = true;
    return added;
}

VYRE_API vyre_status vyre_io_add_fd(vyre_io *io, int fd, uint64_t base, uint64_t size,
                                    uint32_t flags, uint32_t *handle, vyre_error *err)
{
    const vyre_status status = vyi_entry_check(io, io, handle, flags, err);
    if (status < 0)
        return status;
    if (fd < 0 || (flags & VYRE_IO_DIRECT))
        return vyi_fail(err, VYRE_E_ARGUMENT, 0,
                        "Pass an open descriptor; open it with O_DIRECT yourself.", "%s",
                        fd < 0 ? "the descriptor is negative"
                               : "VYRE_IO_DIRECT is for vyre_io_add_path");
    if (base > (uint64_t)INT64_MAX || size > (uint64_t)INT64_MAX - base)
        return vyi_fail(err, VYRE_E_OVF, base, "Stay below 2^63.",
                        "%llu bytes from %llu on end beyond any file", (unsigned long long)size,
                        (unsigned long long)base);
    vyi_entry entry = vyi_entry_begin(VYI_ENTRY_FILE, flags);
    entry.fd = fd;
    entry.base = base;
    entry.size = size;
    return vyi_entry_add(io, &entry, handle, err);
}

VYRE_API vyre_status vyre_io_add_source(vyre_io *io, vyre_io_fn fn, void *user, uint64_t size,
                                        uint32_t flags, uint32_t *handle, vyre_error *err)
{
    const vyre_status status = vyi_entry_check(io, fn ? io : NULL, handle, flags, err);
    if (status < 0)
        return status;
    if (flags & VYRE_IO_DIRECT)
        return vyi_fail(err, VYRE_E_ARGUMENT, flags, "Leave it out.",
                        "VYRE_IO_DIRECT is for vyre_io_add_path");
    vyi_entry entry = vyi_entry_begin(VYI_ENTRY_SOURCE, flags);
    entry.fn = fn;
    entry.user = user;
    entry.size = size;
    return vyi_entry_add(io, &entry, handle, err);
}

static vyre_status vyi_target_add(vyre_io *io, vyi_entry *entry, uint32_t stride,
                                  uint32_t *handle, vyre_error *err)
{
    if (entry->size == 0 || stride > entry->size)
        return vyi_fail(err, VYRE_E_ARGUMENT, stride, "Give memory for a slot at least.",
                        "a target of %llu bytes has no room for a slot of %u",
                        (unsigned long long)entry->size, stride);
    entry->stride = stride;
    return vyi_entry_add(io, entry, handle, err);
}

VYRE_API vyre_status vyre_io_add_target(vyre_io *io, uint32_t user_buffer, uint64_t offset,
                                        uint64_t size, uint32_t stride, uint32_t *handle,
                                        vyre_error *err)
{
    size_t whole = 0;
    if (!io || !io->desc.handle || !handle || !vyre_map(io->desc.handle, user_buffer, &whole))
        return vyi_fail(err, VYRE_E_ARGUMENT, user_buffer,
                        "Pass a pump with a handle, one of its buffers, and room for the result.",
                        "%s", !io ? "the pump is NULL" : !handle ? "handle is NULL"
                        : !io->desc.handle ? "the pump has no vyre handle"
                        : "the handle has no such user buffer");
    if (offset > whole || size > whole - offset)
        return vyi_fail(err, VYRE_E_OVF, offset, "Stay inside the buffer: vyre_map tells its size.",
                        "%llu bytes from %llu on, and buffer %u has %llu",
                        (unsigned long long)size, (unsigned long long)offset, user_buffer,
                        (unsigned long long)whole);
    vyi_entry entry = vyi_entry_begin(VYI_ENTRY_TARGET, 0);
    entry.buffer = user_buffer;
    entry.base = offset;
    entry.size = size ? size : whole - offset;
    return vyi_target_add(io, &entry, stride, handle, err);
}

VYRE_API vyre_status vyre_io_add_memory(vyre_io *io, void *memory, uint64_t size,
                                        uint32_t stride, uint32_t *handle, vyre_error *err)
{
    const vyre_status status = vyi_entry_check(io, memory, handle, VYRE_IO_CAN_READ, err);
    if (status < 0)
        return status;
    vyi_entry entry = vyi_entry_begin(VYI_ENTRY_TARGET, 0);
    entry.memory = (uint8_t *)memory;
    entry.size = size;
    return vyi_target_add(io, &entry, stride, handle, err);
}

static vyre_status vyi_entry_unknown(uint32_t handle, const char *what, vyre_error *err)
{
    return vyi_fail(err, VYRE_E_IO_HANDLE, handle, "Pass what the pump's add functions gave.",
                    "0x%08x names no %s of this pump", handle, what);
}

VYRE_API vyre_status vyre_io_remove(vyre_io *io, uint32_t handle, vyre_error *err)
{
    if (!io)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open pump.", "the pump is NULL");
    vyre_status status = VYRE_OK;
    vyi_mutex_lock(&io->lock);
    const uint32_t index = handle & VYI_ENTRY_MOST;
    vyi_entry *entry = index <= io->desc.entries ? &io->entries[index] : io->entries;
    if (entry->kind == VYI_ENTRY_FREE || entry->generation != handle >> VYI_ENTRY_BITS) {
        status = vyi_entry_unknown(handle, "entry", err);
    } else if (entry->users) {
        entry->removed = true;
        status = vyi_news(err, VYRE_PENDING, handle, "Pump, and remove it again.",
                          "requests that name the entry are under way");
    } else {
        vyi_entry_free(io, entry);
    }
    vyi_mutex_unlock(&io->lock);
    return status;
}

static vyi_binding *vyi_binding_take(vyre_io *io, uint32_t resource)
{
    for (uint32_t i = 0; i < io->binding_count; i++)
        if (io->bindings[i].resource == resource)
            return &io->bindings[i];
    return io->binding_count < io->desc.entries ? &io->bindings[io->binding_count++] : NULL;
}

static void vyi_binding_drop(vyre_io *io, uint32_t resource)
{
    for (uint32_t i = 0; i < io->binding_count; i++)
        if (io->bindings[i].resource == resource)
            io->bindings[i] = io->bindings[--io->binding_count];
}

static vyre_status vyi_bind(vyre_io *io, const vyi_binding *what, vyre_error *err)
{
    if (what->source == 0) {
        vyi_binding_drop(io, what->resource);
        return VYRE_OK;
    }
    if (!vyi_entry_find(io, what->source, VYRE_IO_CAN_READ))
        return vyi_entry_unknown(what->source, "readable source", err);
    if (!vyi_entry_find(io, what->target, 0))
        return vyi_entry_unknown(what->target, "target", err);
    vyi_binding *binding = vyi_binding_take(io, what->resource);
    if (!binding)
        return vyi_fail(err, VYRE_E_IO_TABLE, io->desc.entries,
                        "Unbind resources (source 0), or set vyre_io_desc.entries higher.",
                        "all %u bindings of the pump are in use", io->desc.entries);
    *binding = *what;
    return VYRE_OK;
}

VYRE_API vyre_status vyre_io_bind(vyre_io *io, uint32_t resource, uint32_t source,
                                  uint64_t offset, uint32_t bytes, uint32_t target,
                                  vyre_error *err)
{
    if (!io)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open pump.", "the pump is NULL");
    const vyi_binding what = { resource, source, target, bytes, offset };
    vyi_mutex_lock(&io->lock);
    const vyre_status status = vyi_bind(io, &what, err);
    vyi_mutex_unlock(&io->lock);
    return status;
}

#endif /* VYRE_NO_IO */

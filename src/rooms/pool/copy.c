/* ==========================================================================
 * pool: bytes from one handle's buffer into another's
 *
 * Vulkan lets memory be named by two devices only if both are the same one, so what
 * goes from device to device goes through the host: straight out of, or into, a
 * buffer that the host reads fast, else by pieces.
 * ======================================================================= */
#include "rooms/pool/pool.h"

#include "engine/queue_impl.h"

#ifndef VYRE_NO_POOL

/* Long enough that the two copies of a piece, one after the other, are longer than what
 * asking for them takes; short enough that its own memory is not most of the time. */
#define VYI_COPY_PIECE ((size_t)16 << 20)

/* The buffer's bytes where the host reads and writes them as its own, or NULL. */
static uint8_t *vyi_copy_direct(vyre *v, uint32_t user_buffer)
{
    const vyi_device_buffer *b = &v->buffers.list[v->buffers.user_index[user_buffer]];
    const bool fast = b->place == VYRE_PLACE_HOST || vyi_queue_device(&v->queue)->shared;
    return fast ? (uint8_t *)vyre_map(v, user_buffer, NULL) : NULL;
}

static vyre_status vyi_copy_check_both(const vyre_span *from, const vyre_span *to, size_t size,
                                       vyre_error *err)
{
    if (!from || !to || !from->v || !to->v)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass two spans with open handles.",
                        "%s is NULL", !from || !to ? "a span" : "a handle");
    vyre_status status = vyi_copy_fits(from->v, from->buffer, from->offset, size, err);
    if (status == VYRE_OK)
        status = vyi_copy_fits(to->v, to->buffer, to->offset, size, err);
    if (status != VYRE_OK)
        return status;
    const size_t apart = from->offset < to->offset ? to->offset - from->offset
                                                   : from->offset - to->offset;
    if (from->v == to->v && from->buffer == to->buffer && apart < size)
        return vyi_fail(err, VYRE_E_ARGUMENT, apart, "Copy to another place, or by way of one.",
                        "%llu bytes that are %llu apart in buffer %u overlap",
                        (unsigned long long)size, (unsigned long long)apart, from->buffer);
    return VYRE_OK;
}

static vyre_status vyi_copy_by_pieces(const vyre_span *from, const vyre_span *to, size_t size,
                                      vyre_error *err)
{
    const vyre_allocator *allocator = &to->v->desc.allocator;
    const size_t most = size < VYI_COPY_PIECE ? size : VYI_COPY_PIECE;
    vyre_status status = VYRE_OK;
    void *piece = vyi_alloc(allocator, most);
    if (!piece)
        return vyi_fail_nomem(err, most);
    for (size_t at = 0; at < size && status == VYRE_OK; at += most) {
        const size_t bytes = size - at < most ? size - at : most;
        status = vyre_read(from->v, from->buffer, from->offset + at, piece, bytes, err);
        if (status == VYRE_OK)
            status = vyre_write(to->v, to->buffer, to->offset + at, piece, bytes, err);
    }
    vyi_free(allocator, piece, most);
    return status;
}

VYRE_API vyre_status vyre_copy(const vyre_span *from, const vyre_span *to, size_t size,
                               vyre_error *err)
{
    const vyre_status status = vyi_copy_check_both(from, to, size, err);
    if (status != VYRE_OK || size == 0)
        return status;
    const uint8_t *out = vyi_copy_direct(from->v, from->buffer);
    if (out)
        return vyre_write(to->v, to->buffer, to->offset, out + from->offset, size, err);
    uint8_t *in = vyi_copy_direct(to->v, to->buffer);
    if (in)
        return vyre_read(from->v, from->buffer, from->offset, in + to->offset, size, err);
    return vyi_copy_by_pieces(from, to, size, err);
}

#endif /* VYRE_NO_POOL */

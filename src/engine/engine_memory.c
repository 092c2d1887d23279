/* ==========================================================================
 * engine: memory that a program and its works share
 *
 * Private.  The user's buffers, by address and by copies; observables, and the
 * handle's own buffers for those who look themselves.
 *
 * Copies take no lock of the engine's: a backend that needs one has its own.  A
 * recovery leaves the old device's memory where it is, so a copy that is under
 * way at that moment ends, and fails or was in vain.
 * ======================================================================= */
#include "engine/engine_slots_impl.h"

#include "wire/wire.h"

/* --- the user's buffers -------------------------------------------------- */

/* Its index among all buffers, or VYI_MAX_BUFFERS: there is none that has memory. */
static uint32_t vyi_user_index(const vyre *v, uint32_t user_buffer)
{
    return v && user_buffer < v->buffers.user_count ? v->buffers.user_index[user_buffer]
                                                    : VYI_MAX_BUFFERS;
}

VYRE_API void *vyre_map(vyre *v, uint32_t user_buffer, size_t *size)
{
    const uint32_t index = vyi_user_index(v, user_buffer);
    if (index == VYI_MAX_BUFFERS)
        return NULL;
    const vyi_device_buffer *b = &v->buffers.list[index];
    if (size)
        *size = b->size;
    return b->place == VYRE_PLACE_DEVICE ? NULL : vyi_queue_device(&v->queue)->map[index];
}

/* The place is there, and can be used; then copy->buffer is its index. */
static vyre_status vyi_copy_check(vyre *v, uint32_t user_buffer, vyi_copy *copy, vyre_error *err)
{
    const uint32_t index = vyi_user_index(v, user_buffer);
    if (index == VYI_MAX_BUFFERS || (copy->size && !copy->bytes_in && !copy->bytes_out))
        return vyi_fail(err, VYRE_E_ARGUMENT, user_buffer, "Pass an open handle, a buffer of its "
                        "kernel.buffers, and the bytes.", index == VYI_MAX_BUFFERS
                        ? "there is no user buffer %u that has memory" : "the bytes are NULL",
                        user_buffer);
    const size_t whole = v->buffers.list[index].size;
    if (copy->offset > whole || copy->size > whole - copy->offset)
        return vyi_fail(err, VYRE_E_OVF, copy->offset,
                        "Stay inside the buffer: vyre_map tells its size.",
                        "%llu bytes from %llu on, and buffer %u has %llu",
                        (unsigned long long)copy->size, (unsigned long long)copy->offset,
                        user_buffer, (unsigned long long)whole);
    if (vyi_load_acquire(&v->queue.state) == VYI_STATE_LOST &&
        !vyi_load_acquire(&v->queue.loss.replaced))
        return vyi_queue_gone(&v->queue, "its buffers cannot be used", err);
    copy->buffer = index;
    return VYRE_OK;
}

/* A copy was the first to find out that its device is lost. */
static vyre_status vyi_copy_failed(vyre *v, const vyi_device *d, vyre_status status,
                                   vyre_error *how, vyre_error *err)
{
    if (status == VYRE_E_DEVICE_LOST) {
        vyi_mutex_lock(&v->lock);
        if (vyi_queue_device(&v->queue) == d && v->queue.state != VYI_STATE_LOST)
            status = vyi_queue_failed(&v->queue, status, how, NULL);
        vyi_mutex_unlock(&v->lock);
    }
    if (err)
        *err = *how;
    return status;
}

static vyre_status vyi_copy_make(vyre *v, uint32_t user_buffer, vyi_copy *copy, vyre_error *err)
{
    vyre_error how;
    memset(&how, 0, sizeof how);
    vyre_status status = vyi_copy_check(v, user_buffer, copy, err);
    if (status != VYRE_OK || copy->size == 0)
        return status;
    vyi_device *d = vyi_queue_device(&v->queue);
    if (d->backend->copy) {
        status = d->backend->copy(d, copy, &how);
        return status == VYRE_OK ? VYRE_OK : vyi_copy_failed(v, d, status, &how, err);
    }
    uint8_t *at = (uint8_t *)d->map[copy->buffer] + copy->offset;
    if (copy->bytes_in)
        memcpy(at, copy->bytes_in, copy->size);
    else
        memcpy(copy->bytes_out, at, copy->size);
    return VYRE_OK;
}

/* Its buffer and its bytes are still to come. */
static vyi_copy vyi_copy_of(size_t offset, size_t size)
{
    vyi_copy copy;
    memset(&copy, 0, sizeof copy);
    copy.buffer = VYI_MAX_BUFFERS;
    copy.offset = offset;
    copy.size = size;
    return copy;
}

VYRE_API vyre_status vyre_write(vyre *v, uint32_t user_buffer, size_t offset, const void *bytes,
                                size_t size, vyre_error *err)
{
    vyi_copy copy = vyi_copy_of(offset, size);
    copy.bytes_in = bytes;
    return vyi_copy_make(v, user_buffer, &copy, err);
}

VYRE_API vyre_status vyre_read(vyre *v, uint32_t user_buffer, size_t offset, void *bytes,
                               size_t size, vyre_error *err)
{
    vyi_copy copy = vyi_copy_of(offset, size);
    copy.bytes_out = bytes;
    return vyi_copy_make(v, user_buffer, &copy, err);
}

VYI_API vyre_status vyi_copy_fits(vyre *v, uint32_t user_buffer, size_t offset, size_t size,
                                  vyre_error *err)
{
    vyi_copy copy = vyi_copy_of(offset, size);
    copy.bytes_in = &copy; /* there will be some */
    return vyi_copy_check(v, user_buffer, &copy, err);
}

/* --- another size -------------------------------------------------------- */

static vyre_status vyi_buffer_set_check(const vyre *v, uint32_t user_buffer, size_t size,
                                        vyre_error *err)
{
    const uint32_t index = vyi_user_index(v, user_buffer);
    if (index == VYI_MAX_BUFFERS)
        return vyi_fail(err, VYRE_E_ARGUMENT, user_buffer,
                        "Pass an open handle, and a buffer of its kernel.buffers.",
                        "there is no user buffer %u that has memory", user_buffer);
    const vyi_device_buffer *b = &v->buffers.list[index];
    if (b->lent)
        return vyi_fail(err, VYRE_E_ARGUMENT, user_buffer, "Open a handle with another VkBuffer.",
                        "buffer %u is a VkBuffer of the program's", user_buffer);
    if (size == 0 || size % 4)
        return vyi_fail(err, VYRE_E_ARGUMENT, user_buffer, "Give it whole words, at least one.",
                        "buffer %u cannot have %llu bytes", user_buffer, (unsigned long long)size);
    if (b->count && size / 4 > b->count)
        return vyi_fail(err, VYRE_E_OVF, user_buffer,
                        "Leave the count 0 in kernel.buffers, and set buffer_sizes.",
                        "%llu words, but buffer %u has the count %u", (unsigned long long)size / 4,
                        user_buffer, b->count);
    return VYRE_OK;
}

static vyre_status vyi_queue_resize(vyi_queue *q, uint32_t index, size_t size, vyre_error *err)
{
    vyi_device *d = vyi_queue_device(q);
    vyi_device_buffer *b = &q->v->buffers.list[index];
    vyi_device_buffer wanted = *b;
    vyre_error how;
    if (q->state == VYI_STATE_LOST)
        return vyi_queue_lost(q, &q->loss.how, err);
    if (q->state == VYI_STATE_RUNNING || q->state == VYI_STATE_STOPPING)
        return vyi_fail(err, VYRE_E_RUNNING, 0, "Call vyre_stop() first.",
                        "a buffer cannot get another size while the kernel runs");
    vyre_status status = vyi_queue_settle(q, vyi_deadline(q->v->desc.run_timeout_ns), err);
    if (status != VYRE_OK)
        return status;
    memset(&how, 0, sizeof how);
    wanted.size = size;
    status = d->backend->resize(d, index, &wanted, &how);
    if (status != VYRE_OK)
        return vyi_queue_failed(q, status, &how, err);
    b->size = size;
    vyi_figures_note(q);
    return VYRE_OK;
}

VYI_COLD
VYRE_API vyre_status vyre_buffer_set(vyre *v, uint32_t user_buffer, size_t size, vyre_error *err)
{
    vyre_status status = vyi_buffer_set_check(v, user_buffer, size, err);
    if (status != VYRE_OK)
        return status;
    vyi_mutex_lock(&v->lock);
    status = vyi_queue_resize(&v->queue, vyi_user_index(v, user_buffer), size, err);
    vyi_mutex_unlock(&v->lock);
    return status;
}

/* --- the handle's own ---------------------------------------------------- */

VYRE_API vyre_status vyre_observable(vyre *v, uint32_t index, uint32_t *out, vyre_error *err)
{
    if (!v || !out)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle and room for the value.",
                        "%s is NULL", v ? "out" : "the handle");
    if (index >= v->desc.observables)
        return vyi_fail(err, VYRE_E_MISSING, index, "Set vyre_desc.observables higher.",
                        "observable %u is not one of the handle's %u", index, v->desc.observables);
    if (vyi_load_acquire(&v->queue.state) == VYI_STATE_LOST)
        return vyi_fail(err, VYRE_E_DEVICE_LOST, 0, "Call vyre_recover().",
                        "the device was lost, and the observables with it");
    *out = vyi_control_load(vyi_queue_device(&v->queue), VYRE_CONTROL_OBSERVABLES + index);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_buffers(vyre *v, vyre_io_buffers *out, vyre_error *err)
{
    if (!v || !out)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle and room for the result.",
                        "%s is NULL", v ? "out" : "the handle");
    const vyi_device *d = vyi_queue_device(&v->queue);
    out->control = d->map[VYI_ROLE_CONTROL];
    out->control_size = v->buffers.list[VYI_ROLE_CONTROL].size;
    out->ring = d->map[VYI_ROLE_RING];
    out->ring_size = v->buffers.list[VYI_ROLE_RING].size;
    out->log = d->map[VYI_ROLE_LOG];
    out->log_size = v->buffers.list[VYI_ROLE_LOG].size;
    out->io = d->map[VYI_ROLE_IO];
    out->io_size = v->buffers.list[VYI_ROLE_IO].size;
    return VYRE_OK;
}

VYRE_API vyre_status vyre_tenant_enable(vyre *v, uint32_t tenant, bool enable, vyre_error *err)
{
    if (!v)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle.", "the handle is NULL");
    if (tenant >= v->desc.tenants)
        return vyi_fail(err, VYRE_E_TENANT_RANGE, tenant,
                        "Set vyre_desc.tenants to one more than the largest tenant id.",
                        "tenant %u is not one of the handle's %u", tenant, v->desc.tenants);
    const uint32_t bit = 1u << tenant;
    vyi_mutex_lock(&v->brief);
    v->tenants_off = enable ? v->tenants_off & ~bit : v->tenants_off | bit;
    vyi_tenants_write(v, vyi_queue_device(&v->queue), tenant, 1);
    vyi_mutex_unlock(&v->brief);
    return VYRE_OK;
}

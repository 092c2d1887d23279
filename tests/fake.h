/* A backend that fails when it is told to, for the engine's tests: its device "runs" a
 * launch by marking what is PUBLISHED as DONE, when somebody reaps. */
#ifndef FAKE_H
#define FAKE_H

#include "engine.h"

typedef enum fake_call {
    FAKE_OPEN, FAKE_LAUNCH, FAKE_REAP, FAKE_ATTACH, FAKE_COPY, FAKE_RESIZE, FAKE_CALLS
} fake_call;

static struct {
    uint32_t    calls[FAKE_CALLS], total;
    uint32_t    fail_at;      /* of all calls, from 1; 0 = none */
    vyre_status fail_with;
    bool        failed;
    bool        not_live, hang, hold; /* hold: launches end when it is cleared */
    bool        write_combined, whole_lines;
    uint32_t    in_flight, max_rounds;
    uint32_t    rounds[64], launches_seen;
    uint32_t    open_devices, leaked;
    uint32_t    served;
    size_t      attached[4];
    vyi_launch  last;
    uint8_t    *ran;      /* how often, by the work's third argument; or NULL */
    bool        secretly; /* a device that a reap loses has run what it had, and nobody sees it */
    uint32_t    groups;   /* of a looping launch that may be had with fewer; 0 = 1, fixed */
    uint32_t    level_launches[VYRE_LEVELS];
    uint64_t    level_ns[VYRE_LEVELS]; /* that such a launch takes */
    uint32_t    wide_groups; /* for wide works; 0: these are passes */
    uint32_t    verdict;  /* kept by the last close, for the next open */
} fake;

typedef struct fake_device {
    vyi_device      base;
    vyre_allocator  allocator;
    uint32_t        buffer_count;
    size_t          size[VYI_MAX_BUFFERS];
    void           *block[VYI_MAX_BUFFERS]; /* in which a line's boundary was found */
    uint32_t        mirror;
    void           *attached[4];
    size_t          attached_size[4];
    vyi_launch      queue[16];
    uint32_t        levels[16]; /* of each in the queue */
    uint64_t        launched, completed;
    bool            dead;
} fake_device;

static bool fake_fails(fake_call call, vyre_error *err, const char *name)
{
    fake.calls[call]++;
    if (++fake.total != fake.fail_at)
        return false;
    fake.failed = true;
    vyi_fail(err, fake.fail_with, call, "This is a test.", "%s fails", name);
    return true;
}

UNUSED_OK static void fake_reset(void)
{
    memset(&fake, 0, sizeof fake);
    fake.in_flight = 2;
}

static void fake_free(fake_device *d)
{
    const vyre_allocator allocator = d->allocator;
    for (uint32_t i = 0; i < d->buffer_count; i++)
        vyi_free(&allocator, d->block[i], d->size[i] + 63);
    for (uint32_t i = 0; i < 4; i++)
        vyi_free(&allocator, d->attached[i], d->attached_size[i]);
    vyi_free(&allocator, d, sizeof *d);
    fake.open_devices--;
}

static const vyi_backend *fake_backend(void);

static vyre_status fake_open(const vyi_device_desc *desc, vyi_device **out, vyre_error *err)
{
    if (fake_fails(FAKE_OPEN, err, "open"))
        return fake.fail_with;
    const vyre_allocator allocator = desc->desc->allocator;
    fake_device *d = (fake_device *)vyi_alloc(&allocator, sizeof *d);
    if (!d)
        return vyi_fail_nomem(err, sizeof *d);
    memset(d, 0, sizeof *d);
    fake.open_devices++;
    d->allocator = allocator;
    d->base.backend = fake_backend();
    d->base.in_flight = fake.in_flight;
    d->base.max_rounds = fake.max_rounds;
    d->base.write_combined = fake.write_combined;
    d->base.whole_lines = fake.whole_lines && vyi_has_store_line();
    d->base.group_size = desc->group_size;
    d->base.groups = fake.groups ? fake.groups : 1;
    d->base.divisible = fake.groups != 0;
    d->base.wide_groups = fake.wide_groups;
    d->base.wide_group = 32;
    d->base.wide_turns = 1u << 20;
    d->base.verdict = fake.verdict;
    for (uint32_t i = 0; i < desc->buffer_count; i++) {
        d->size[i] = desc->buffers[i].size;
        d->block[i] = vyi_alloc(&allocator, d->size[i] + 63);
        d->buffer_count = i + 1;
        if (!d->block[i]) {
            fake_free(d);
            return vyi_fail_nomem(err, desc->buffers[i].size);
        }
        d->base.map[i] = (void *)(((uintptr_t)d->block[i] + 63) & ~(uintptr_t)63);
        memset(d->base.map[i], 0, d->size[i]);
        if (desc->buffers[i].role == VYI_ROLE_MIRROR)
            d->mirror = i;
    }
    *out = &d->base;
    return VYRE_OK;
}

static bool fake_close(vyi_device *base)
{
    fake_device *d = (fake_device *)base;
    fake.verdict = d->base.verdict;
    if (fake.hang && d->launched > d->completed) {
        fake.leaked++;
        fake.open_devices--;
        return false;
    }
    fake_free(d);
    return true;
}

static void fake_info(const vyi_device *d, vyre_info *info)
{
    (void)d;
    info->probe.live = !fake.not_live;
    snprintf(info->device, sizeof info->device, "fake");
    snprintf(info->probe.text, sizeof info->probe.text, "as told");
}

/* One pass over a ring. */
static void fake_serve(fake_device *d, uint32_t *control, uint32_t *ring, size_t ring_size,
                       uint32_t *mirror)
{
    if (control[VYRE_CONTROL_SHUTDOWN])
        return;
    for (uint32_t slot = 0; slot < ring_size / 64; slot++) {
        uint32_t *at = ring + slot * 16;
        if (vyi_load_acquire(at) != VYRE_SLOT_PUBLISHED || !control[3 + at[VYRE_SLOT_TENANT]])
            continue;
        const uint32_t fault = at[VYRE_SLOT_OPCODE] == OP_NOBODYS ? VYRE_FAULT_OPCODE : 0;
        const uint32_t status = fault ? VYRE_SLOT_FAULTED : VYRE_SLOT_DONE;
        fake.served++;
        if (fake.ran)
            fake.ran[at[VYRE_SLOT_ARGS + 2]]++;
        control[VYRE_CONTROL_OBSERVABLES] += at[VYRE_SLOT_ARGS];
        control[fault ? VYRE_CONTROL_FAULT_COUNT : VYRE_CONTROL_DONE_COUNT]++;
        if (fault)
            at[VYRE_SLOT_FAULT] = fault;
        vyi_store_release(at, status);
        if (mirror)
            vyi_store_release(&mirror[slot], status | fault << 8);
        if (at[VYRE_SLOT_OPCODE] == VYRE_OP_SHUTDOWN) {
            control[VYRE_CONTROL_SHUTDOWN] = 1;
            break;
        }
    }
    (void)d;
}

static vyre_status fake_launch(vyi_device *base, vyi_launch what, uint32_t rounds,
                               vyre_error *err)
{
    fake_device *d = (fake_device *)base;
    CHECK(!d->dead && d->launched - d->completed < fake.in_flight);
    if (fake_fails(FAKE_LAUNCH, err, "launch")) {
        d->dead = fake.fail_with == VYRE_E_DEVICE_LOST;
        return fake.fail_with;
    }
    fake.last = what;
    fake.rounds[fake.launches_seen++ % 64] = rounds;
    fake.level_launches[base->level] += what == VYI_LAUNCH_LOOP;
    d->levels[d->launched % 16] = what == VYI_LAUNCH_LOOP ? base->level : 0;
    d->queue[d->launched++ % 16] = what;
    return VYRE_OK;
}

static void fake_finish(fake_device *d)
{
    const uint64_t end = vyi_deadline(fake.level_ns[d->levels[d->completed % 16]]);
    while (vyi_now() < end) {}
    uint32_t *const *map = (uint32_t *const *)(void *)d->base.map;
    if (d->queue[d->completed % 16] == VYI_LAUNCH_BYTES)
        fake_serve(d, (uint32_t *)d->attached[0], (uint32_t *)d->attached[1],
                   d->attached_size[1], NULL);
    else
        fake_serve(d, map[0], map[1], d->size[1], map[d->mirror]);
    d->completed++;
}

static vyre_status fake_reap(vyi_device *base, uint64_t beyond, uint64_t timeout_ns,
                             uint64_t *completed, vyre_error *err)
{
    fake_device *d = (fake_device *)base;
    CHECK(!d->dead);
    if (fake_fails(FAKE_REAP, err, "reap")) {
        if (fake.secretly)
            fake_serve(d, (uint32_t *)d->base.map[0], (uint32_t *)d->base.map[1], d->size[1], NULL);
        d->dead = fake.fail_with == VYRE_E_DEVICE_LOST;
        return fake.fail_with;
    }
    if (fake.hang || fake.hold) {
        vyi_sleep(timeout_ns < 1000000 ? timeout_ns : 1000000);
    } else if (d->completed < d->launched) {
        fake_finish(d);
        while (d->completed <= beyond && d->completed < d->launched)
            fake_finish(d);
    }
    *completed = d->completed;
    return VYRE_OK;
}

static vyre_status fake_attach(vyi_device *base, const size_t size[4], void *map[4],
                               vyre_error *err)
{
    fake_device *d = (fake_device *)base;
    CHECK_EQ(d->launched, d->completed);
    if (fake_fails(FAKE_ATTACH, err, "attach"))
        return fake.fail_with;
    for (uint32_t i = 0; i < 4; i++) {
        void *fresh = vyi_alloc(&d->allocator, size[i]);
        if (!fresh)
            return vyi_fail_nomem(err, size[i]);
        vyi_free(&d->allocator, d->attached[i], d->attached_size[i]);
        d->attached[i] = map[i] = fresh;
        d->attached_size[i] = fake.attached[i] = size[i];
        memset(fresh, 0xcc, size[i]);
    }
    return VYRE_OK;
}

static vyre_status fake_copy(vyi_device *base, const vyi_copy *copy, vyre_error *err)
{
    fake_device *d = (fake_device *)base;
    uint8_t *at = (uint8_t *)base->map[copy->buffer] + copy->offset;
    CHECK(!d->dead && copy->size > 0 && copy->offset + copy->size <= d->size[copy->buffer]);
    if (fake_fails(FAKE_COPY, err, "copy")) {
        d->dead = fake.fail_with == VYRE_E_DEVICE_LOST;
        return fake.fail_with;
    }
    if (copy->bytes_in)
        memcpy(at, copy->bytes_in, copy->size);
    else
        memcpy(copy->bytes_out, at, copy->size);
    return VYRE_OK;
}

/* There is room for a smaller one. */
static vyre_status fake_resize(vyi_device *base, uint32_t buffer, const vyi_device_buffer *wanted,
                               vyre_error *err)
{
    fake_device *d = (fake_device *)base;
    CHECK(!d->dead && d->launched == d->completed && wanted->size <= d->size[buffer]);
    if (fake_fails(FAKE_RESIZE, err, "resize")) {
        d->dead = fake.fail_with == VYRE_E_DEVICE_LOST;
        return fake.fail_with;
    }
    return VYRE_OK;
}

static const vyi_backend *fake_backend(void)
{
    static const vyi_backend backend = { VYRE_BACKEND_VULKAN, "fake",    fake_open,
                                         fake_close,          fake_info, fake_launch,
                                         fake_reap,           fake_attach, NULL, NULL, false,
                                         NULL,                fake_copy, fake_resize, NULL, NULL,
                                         NULL };
    return &backend;
}

UNUSED_OK static vyre *fake_handle(const vyre_desc *desc)
{
    vyre_desc filled = *desc, *d = &filled;
    vyre_error err;
    d->unknown_opcodes = true; /* the fake runs what there is */
    memset(&err, 0, sizeof err);
    vyre *v = vyi_open_with(fake_backend(), d, &err);
    if (!v)
        test_fail(__FILE__, __LINE__, "open: %s", err.text);
    return v;
}

#endif

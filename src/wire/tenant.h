/* ==========================================================================
 * tenant: who may use the ring, and how much of it
 *
 * Public.  A registry of the 29 tenants that a control buffer has mask words
 * for.  A tenant's id is the index of its mask word, so that the device knows
 * exactly those that are registered here.  Ids are recycled, and a handle
 * carries a generation, so that an old handle never reaches a new tenant.
 *
 *     FREE --register--> ACTIVE <--enable, disable--> DISABLED
 *      ^                    |                             |
 *      |                    +----------- revoke ----------+
 *      |                                    v
 *      +-- nothing outstanding any more -- REVOKED
 *
 * Every function may be called from any thread; a lock, held for a few
 * instructions, keeps the accounts exact (with VYRE_NO_THREADS: from one
 * thread at a time).  Memory is allocated by vyre_tenants_create() only.
 *
 *     vyre_tenants_work(tenants, tenant, &local, &work, &err);     // one slot is outstanding
 *     if (vyre_ring_publish(ring, size, slot, &work, &err) < 0)
 *         vyre_tenants_withdraw(tenants, tenant, 1, NULL);
 *     ...                                                         // the slot is DONE
 *     vyre_tenants_drained(tenants, tenant, 1, &err);
 * ======================================================================= */
#ifndef VYI_TENANT_H
#define VYI_TENANT_H

#include "wire/wire.h"

#ifndef VYRE_NO_TENANT

VYI_EXTERN_C_BEGIN

typedef struct vyre_tenants vyre_tenants;

typedef struct vyre_tenant {
    uint32_t id;         /* 0..28 */
    uint32_t generation; /* never 0 */
} vyre_tenant;

/* Each tenant's own opcodes: the window of 2^20 from here on, by id. */
#define VYRE_TENANT_OPCODES      0x40000000u
#define VYRE_TENANT_OPCODE_COUNT 0x00100000u

/* How much may be outstanding at a time.  0 is none at all. */
typedef struct vyre_tenant_limits {
    uint64_t slots, staging_bytes, handles;
} vyre_tenant_limits;

typedef enum vyre_tenant_resource {
    VYRE_TENANT_STAGING_BYTES = 0,
    VYRE_TENANT_HANDLES = 1
} vyre_tenant_resource;

typedef enum vyre_tenant_state {
    VYRE_TENANT_FREE = 0,
    VYRE_TENANT_ACTIVE = 1,
    VYRE_TENANT_DISABLED = 2, /* the device leaves its slots PUBLISHED */
    VYRE_TENANT_REVOKED = 3   /* likewise; waits for what is outstanding */
} vyre_tenant_state;

typedef struct vyre_tenant_info {
    vyre_tenant        tenant;
    vyre_tenant_state  state;
    vyre_tenant_limits limits;
    uint64_t           published, drained; /* slots; the difference is outstanding */
    uint64_t           staging_bytes, handles;
    uint64_t           quiesce_calls, quiesce_timeouts, quiesce_wait_ns;
} vyre_tenant_info;

typedef struct vyre_tenants_desc {
    void          *control; /* live control buffer whose masks the registry owns; NULL: none */
    size_t         control_size;
    vyre_allocator allocator;
} vyre_tenants_desc;

/* NULL desc: no control buffer.  All masks are cleared: nobody is registered. */
VYRE_API vyre_tenants *vyre_tenants_create(const vyre_tenants_desc *desc, vyre_error *err);
VYRE_API void          vyre_tenants_destroy(vyre_tenants *tenants);

/* Turns to another control buffer, or to none, and writes its masks. */
VYRE_API vyre_status vyre_tenants_attach(vyre_tenants *tenants, void *control,
                                         size_t control_size, vyre_error *err);

/* The ids that are ACTIVE or DISABLED, ascending. */
VYRE_API vyre_status vyre_tenants_list(vyre_tenants *tenants, uint32_t ids[VYRE_MAX_TENANTS],
                                       uint32_t *count, vyre_error *err);

/* Takes the lowest free id, and authorises it.  NULL limits: no limits. */
VYRE_API vyre_status vyre_tenants_register(vyre_tenants *tenants, const vyre_tenant_limits *limits,
                                           vyre_tenant *out, vyre_error *err);

/* Writes the tenant's mask word; the device sees it at its next claim. */
VYRE_API vyre_status vyre_tenants_enable(vyre_tenants *tenants, vyre_tenant tenant,
                                         vyre_error *err);
VYRE_API vyre_status vyre_tenants_disable(vyre_tenants *tenants, vyre_tenant tenant,
                                          vyre_error *err);

/* Clears the mask, then refuses new work and reservations.  VYRE_OK: the id is
 * free again.  VYRE_PENDING: it will be as soon as all slots are drained (or
 * cancelled and drained) and all reservations are released. */
VYRE_API vyre_status vyre_tenants_revoke(vyre_tenants *tenants, vyre_tenant tenant,
                                         vyre_error *err);

/* The number that one of the tenant's own opcodes has in the ring. */
VYRE_API vyre_status vyre_tenants_opcode(vyre_tenants *tenants, vyre_tenant tenant, uint32_t local,
                                         uint32_t *out, vyre_error *err);

/* Makes *out from `local`, whose opcode is one of the tenant's own, and counts
 * a slot as published.  Publish *out, or withdraw it. */
VYRE_API vyre_status vyre_tenants_work(vyre_tenants *tenants, vyre_tenant tenant,
                                       const vyre_work *local, vyre_work *out, vyre_error *err);
VYRE_API vyre_status vyre_tenants_withdraw(vyre_tenants *tenants, vyre_tenant tenant,
                                           uint64_t slots, vyre_error *err);

/* So many of its slots ended: DONE, FAULT, or cancelled. */
VYRE_API vyre_status vyre_tenants_drained(vyre_tenants *tenants, vyre_tenant tenant,
                                          uint64_t slots, vyre_error *err);

/* Waits until no slot is outstanding.  Timeout 0 looks once. */
VYRE_API vyre_status vyre_tenants_quiesce(vyre_tenants *tenants, vyre_tenant tenant,
                                          uint64_t timeout_ns, vyre_error *err);

/* Staging memory and resident handles, up to the tenant's limits. */
VYRE_API vyre_status vyre_tenants_reserve(vyre_tenants *tenants, vyre_tenant tenant,
                                          vyre_tenant_resource resource, uint64_t amount,
                                          vyre_error *err);
VYRE_API vyre_status vyre_tenants_release(vyre_tenants *tenants, vyre_tenant tenant,
                                          vyre_tenant_resource resource, uint64_t amount,
                                          vyre_error *err);

/* The accounts, which stay readable until the id is registered anew. */
VYRE_API vyre_status vyre_tenants_query(vyre_tenants *tenants, vyre_tenant tenant,
                                        vyre_tenant_info *out, vyre_error *err);

/* --- who may run together ------------------------------------------------ */

typedef struct vyre_tenant_conflicts {
    const uint32_t *ids;          /* of the rows and columns */
    uint32_t        count;
    const uint8_t  *matrix;       /* [row * count + column] != 0: the two exclude each other */
    size_t          matrix_count; /* count * count */
    uint32_t        start;        /* who is asked first; rotate it, so that nobody starves */
} vyre_tenant_conflicts;

/* Takes one after the other who does not conflict with those taken before.
 * `out` has room for `count` ids. */
VYRE_API vyre_status vyre_tenants_select(const vyre_tenant_conflicts *conflicts, uint32_t *out,
                                         uint32_t *out_count, vyre_error *err);

VYI_EXTERN_C_END

#endif /* VYRE_NO_TENANT */

#endif

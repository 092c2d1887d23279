/* ==========================================================================
 * ring: implementation
 * ======================================================================= */
#include "wire/ring.h"
#include "wire/wire_impl.h"

/* --- checks -------------------------------------------------------------- */

static vyre_status vyi_work_null(const char *what, vyre_error *err)
{
    return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass the address of your work.", "%s is NULL", what);
}

/* What the work itself says, as far as upstream checks it. */
static vyre_status vyi_work_check(const vyre_work *work, uint32_t index, vyre_error *err)
{
    if (work->arg_count > VYRE_MAX_ARGS)
        return vyi_fail(err, VYRE_E_TOO_MANY_ARGS, index,
                        "Pass a buffer's index, or pack several operations.",
                        "work %u has %u arguments; a slot takes %u", (unsigned)index,
                        (unsigned)work->arg_count, VYRE_MAX_ARGS);
    if (!vyre_opcode_publishable(work->opcode))
        return vyi_fail(err, VYRE_E_OPCODE, index,
                        "Use a built-in opcode, or one that vyre_opcode_is_user() accepts.",
                        "work %u has the reserved opcode 0x%x", (unsigned)index,
                        (unsigned)work->opcode);
    return VYRE_OK;
}

/* What upstream let pass: ids and levels that the device has no words for. */
static vyre_status vyi_work_check_owner(const vyre_work *work, uint32_t index, vyre_error *err)
{
    if (work->tenant >= VYRE_MAX_TENANTS)
        return vyi_fail(err, VYRE_E_TENANT_RANGE, index, "Pass a tenant id below 29.",
                        "work %u is of tenant %u; ids end at %u", (unsigned)index,
                        (unsigned)work->tenant, VYRE_MAX_TENANTS - 1);
    if (vyi_priority_wire(work->priority) != VYI_PRIORITY_NO_WIRE)
        return VYRE_OK;
    char what[24];
    snprintf(what, sizeof what, "work %u", (unsigned)index);
    return vyi_priority_check(work->priority, index, what, err);
}

static vyre_status vyi_works_check(const vyre_work *works, uint32_t count, vyre_error *err)
{
    if (!works && count)
        return vyi_work_null("the array of works", err);
    for (uint32_t i = 0; i < count; i++) {
        vyre_status status = vyi_work_check(&works[i], i, err);
        if (status < 0)
            return status;
    }
    return VYRE_OK;
}

static vyre_status vyi_works_check_owners(const vyre_work *works, uint32_t count, vyre_error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        vyre_status status = vyi_work_check_owner(&works[i], i, err);
        if (status < 0)
            return status;
    }
    return VYRE_OK;
}

static uint8_t *vyi_slot_at(void *ring, uint32_t slot)
{
    return vyi_wire_edit(ring, (size_t)slot * VYRE_SLOT_WORDS);
}

/* Acquire: pairs with the release of DONE, so that the device's last reads of
 * the slot are over. */
static vyre_status vyi_slot_publishable(const void *ring, uint32_t slot, vyre_error *err)
{
    uint32_t status = vyi_wire_load(ring, (size_t)slot * VYRE_SLOT_WORDS + VYRE_SLOT_STATUS);
    if (status == VYRE_SLOT_EMPTY || status == VYRE_SLOT_DONE)
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_NOT_PUBLISHABLE, slot,
                    "Wait until it is DONE, cancel or reset it, or use another slot.",
                    "slot %u is %s (status word 0x%x)", (unsigned)slot,
                    vyre_slot_state_name(vyi_slot_state_of(status)), (unsigned)status);
}

/* That `count` slots from `first` lie in a ring of `slots`. */
static vyre_status vyi_slots_fit(uint64_t slots, uint32_t first, uint64_t count, vyre_error *err)
{
    uint64_t end = first + count;
    if (end > UINT32_MAX)
        return vyi_fail(err, VYRE_E_INDEX_OVERFLOW, first, "Start at a slot of the ring.",
                        "%llu slots from slot %u on have no 32-bit indices",
                        (unsigned long long)count, (unsigned)first);
    if (end > slots)
        return vyi_fail(err, VYRE_E_CAPACITY, first, "Publish less, or make the ring larger.",
                        "%llu slots from slot %u on exceed the ring of %llu",
                        (unsigned long long)count, (unsigned)first, (unsigned long long)slots);
    return VYRE_OK;
}

static vyre_status vyi_slots_publishable(const void *ring, uint32_t first, uint32_t count,
                                         vyre_error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        vyre_status status = vyi_slot_publishable(ring, first + i, err);
        if (status < 0)
            return status;
    }
    return VYRE_OK;
}

/* --- publish ------------------------------------------------------------- */

/* Everything but the status.  Arguments that the work does not give are 0. */
static void vyi_slot_put(void *slot, const vyre_work *work)
{
    VYRE_ASSERT(work->arg_count <= VYRE_MAX_ARGS);
    VYRE_ASSERT(vyi_priority_wire(work->priority) != VYI_PRIORITY_NO_WIRE);
    uint32_t end = VYRE_SLOT_ARGS + work->arg_count;
    vyi_wire_put(slot, VYRE_SLOT_OPCODE, work->opcode);
    vyi_wire_put(slot, VYRE_SLOT_TENANT, work->tenant);
    vyi_wire_put(slot, VYRE_SLOT_PRIORITY, vyi_priority_wire(work->priority));
    for (uint32_t i = VYRE_SLOT_ARGS; i < end; i++)
        vyi_wire_put(slot, i, work->args[i - VYRE_SLOT_ARGS]);
    for (uint32_t i = end; i < VYRE_SLOT_WORDS; i++)
        vyi_wire_put(slot, i, 0);
}

/* Release: pairs with the claim's acquire. */
static void vyi_slot_release(void *slot)
{
    vyi_wire_store(slot, VYRE_SLOT_STATUS, VYRE_SLOT_PUBLISHED);
}

static void vyi_slots_put(void *ring, uint32_t first, const vyre_work *works, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        vyi_slot_put(vyi_slot_at(ring, first + i), &works[i]);
}

static void vyi_slots_release(void *ring, uint32_t first, uint32_t count)
{
    vyi_fence_stores();
    for (uint32_t i = 0; i < count; i++)
        vyi_slot_release(vyi_slot_at(ring, first + i));
}

VYRE_API vyre_status vyre_ring_publish(void *ring, size_t size, uint32_t slot,
                                       const vyre_work *work, vyre_error *err)
{
    if (!work)
        return vyi_work_null("the work", err);
    vyre_status status = vyi_ring_slot(ring, size, slot, err);
    if (status >= 0)
        status = vyi_work_check(work, 0, err);
    if (status >= 0)
        status = vyi_slot_publishable(ring, slot, err);
    if (status >= 0)
        status = vyi_work_check_owner(work, 0, err);
    if (status < 0)
        return status;

    vyi_slots_put(ring, slot, work, 1);
    vyi_slots_release(ring, slot, 1);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_ring_publish_batch(void *ring, size_t size, uint32_t first_slot,
                                             const vyre_work *works, uint32_t count,
                                             uint32_t fence_tag, vyre_error *err)
{
    vyre_status status = vyi_ring_length(ring, size, err);
    if (status >= 0)
        status = vyi_slots_fit(size / VYRE_SLOT_BYTES, first_slot, (uint64_t)count + 1, err);
    if (status >= 0)
        status = vyi_works_check(works, count, err);
    if (status >= 0)
        status = vyi_slots_publishable(ring, first_slot, count + 1, err);
    if (status >= 0)
        status = vyi_works_check_owners(works, count, err);
    if (status < 0)
        return status;

    vyre_work fence;
    memset(&fence, 0, sizeof fence);
    fence.opcode = VYRE_OP_BATCH_FENCE;
    fence.tenant = count ? works[0].tenant : 0;
    fence.arg_count = 2;
    fence.args[0] = count;
    fence.args[1] = fence_tag;

    vyi_slots_put(ring, first_slot, works, count);
    vyi_slots_put(ring, first_slot + count, &fence, 1);
    vyi_slots_release(ring, first_slot, count + 1);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_ring_publish_works(void *ring, size_t size, uint32_t first_slot,
                                             const vyre_work *works, uint32_t count,
                                             vyre_error *err)
{
    vyre_status status = vyi_works_check(works, count, err);
    if (status >= 0)
        status = vyi_ring_length(ring, size, err);
    if (status >= 0)
        status = vyi_slots_fit(size / VYRE_SLOT_BYTES, first_slot, count, err);
    if (status >= 0)
        status = vyi_slots_publishable(ring, first_slot, count, err);
    if (status >= 0)
        status = vyi_works_check_owners(works, count, err);
    if (status < 0)
        return status;

    vyi_slots_put(ring, first_slot, works, count);
    vyi_slots_release(ring, first_slot, count);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_ring_encode_works(void *dst, size_t size, uint32_t slots,
                                            const vyre_work *works, uint32_t count,
                                            vyre_error *err)
{
    vyre_status status = vyi_slots_fit(slots, 0, count, err);
    if (status >= 0)
        status = vyi_works_check(works, count, err);
    if (status >= 0)
        status = vyi_ring_room(dst, size, slots, err);
    if (status >= 0)
        status = vyi_works_check_owners(works, count, err);
    if (status < 0)
        return status;

    (void)vyre_ring_encode(dst, size, slots, err);
    vyi_slots_put(dst, 0, works, count);
    vyi_slots_release(dst, 0, count);
    return VYRE_OK;
}

/* --- windows ------------------------------------------------------------- */

/* The window's payload of this number: the required ones, then the others. */
static const vyre_payload *vyi_window_payload(const vyre_window *window, uint32_t index)
{
    VYRE_ASSERT(index < (uint64_t)window->required_count + window->lookahead_count);
    return index < window->required_count ? &window->required[index]
                                          : &window->lookahead[index - window->required_count];
}

static vyre_status vyi_window_check_payloads(const vyre_window *window, uint32_t count,
                                             vyre_error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        const vyre_payload *payload = vyi_window_payload(window, i);
        if (payload->count > VYRE_WINDOW_ARGS)
            return vyi_fail(err, VYRE_E_WINDOW_ARGS, i, "Split the payload, or pass an index.",
                            "payload %u has %u words; ticket and class leave %u", (unsigned)i,
                            (unsigned)payload->count, VYRE_WINDOW_ARGS);
        if (!payload->words && payload->count)
            return vyi_work_null("a payload's words", err);
    }
    return VYRE_OK;
}

static void vyi_window_work(const vyre_window *window, uint32_t index, vyre_work *work)
{
    memset(work, 0, sizeof *work);
    work->opcode = window->opcode;
    work->tenant = window->tenant;
    work->priority = window->priority;

    const vyre_payload *payload = vyi_window_payload(window, index);
    VYRE_ASSERT(payload->count <= VYRE_WINDOW_ARGS);
    work->args[0] = window->ticket;
    work->args[1] = index < window->required_count ? VYRE_WINDOW_REQUIRED : VYRE_WINDOW_LOOKAHEAD;
    for (uint32_t i = 0; i < payload->count; i++)
        work->args[2 + i] = payload->words[i];
    work->arg_count = 2 + payload->count;
}

static vyre_status vyi_window_check(const void *ring, size_t size, uint32_t first_slot,
                                    const vyre_window *window, vyre_error *err)
{
    if ((!window->required && window->required_count) ||
        (!window->lookahead && window->lookahead_count))
        return vyi_work_null("an array of payloads", err);

    uint64_t    count = (uint64_t)window->required_count + window->lookahead_count;
    vyre_work   work;
    vyre_status status = vyi_ring_length(ring, size, err);
    if (status >= 0)
        status = vyi_slots_fit(size / VYRE_SLOT_BYTES, first_slot, count, err);
    if (status >= 0)
        status = vyi_window_check_payloads(window, (uint32_t)count, err);
    if (status < 0)
        return status;

    vyi_window_work(window, 0, &work);
    status = vyi_work_check(&work, 0, err);
    if (status >= 0)
        status = vyi_slots_publishable(ring, first_slot, (uint32_t)count, err);
    if (status >= 0)
        status = vyi_work_check_owner(&work, 0, err);
    return status;
}

VYRE_API vyre_status vyre_ring_publish_window(void *ring, size_t size, uint32_t first_slot,
                                              const vyre_window *window, uint32_t *published,
                                              vyre_error *err)
{
    if (!window)
        return vyi_work_null("the window", err);
    uint64_t count = (uint64_t)window->required_count + window->lookahead_count;
    if (count) {
        vyre_status status = vyi_window_check(ring, size, first_slot, window, err);
        if (status < 0)
            return status;
    }
    for (uint32_t i = 0; i < count; i++) {
        vyre_work work;
        vyi_window_work(window, i, &work);
        vyi_slots_put(ring, first_slot + i, &work, 1);
    }
    vyi_slots_release(ring, first_slot, (uint32_t)count);
    if (published)
        *published = (uint32_t)count;
    return VYRE_OK;
}

/* --- packed slots -------------------------------------------------------- */

#define VYI_PACK_MAX_OPS 255u

static uint32_t vyi_pack_meta_words(uint32_t count)
{
    VYRE_ASSERT(count <= VYI_PACK_MAX_OPS);
    return (2 + 2 * count + 3) / 4;
}

static vyre_status vyi_pack_check(const vyre_op *ops, uint32_t count, uint32_t meta,
                                  vyre_error *err)
{
    uint64_t used = meta;
    for (uint32_t i = 0; i < count; i++) {
        used += ops[i].arg_count;
        if (used > VYRE_MAX_ARGS)
            return vyi_fail(err, VYRE_E_PACK_PAYLOAD, i,
                            "Pack fewer operations or arguments into a slot.",
                            "with operation %u the slot needs %llu of %u argument words",
                            (unsigned)i, (unsigned long long)used, VYRE_MAX_ARGS);
        if (ops[i].opcode > 0xff)
            return vyi_fail(err, VYRE_E_PACK_OPCODE, i,
                            "Publish it in a slot of its own, or give it a number below 256.",
                            "operation %u has the opcode 0x%x, which is no byte", (unsigned)i,
                            (unsigned)ops[i].opcode);
    }
    return VYRE_OK;
}

static void vyi_pack_byte(uint32_t *words, uint32_t at, uint32_t value)
{
    VYRE_ASSERT(at / 4 < VYRE_MAX_ARGS && value <= 0xff);
    words[at / 4] |= value << (8 * (at % 4));
}

VYRE_API vyre_status vyre_work_pack(vyre_work *out, const vyre_op *ops, uint32_t count,
                                    vyre_error *err)
{
    if (!out || (!ops && count))
        return vyi_work_null(out ? "the array of operations" : "the work", err);
    if (count > VYI_PACK_MAX_OPS)
        return vyi_fail(err, VYRE_E_PACK_COUNT, count, "Use several slots.",
                        "%u operations; a count of a packed slot is a byte, at most 255",
                        (unsigned)count);
    uint32_t meta = vyi_pack_meta_words(count);
    if (meta > VYRE_MAX_ARGS)
        return vyi_fail(err, VYRE_E_PACK_META, count, "Use several slots.",
                        "%u operations need %u words before their arguments; a slot has %u",
                        (unsigned)count, (unsigned)meta, VYRE_MAX_ARGS);
    vyre_status status = vyi_pack_check(ops, count, meta, err);
    if (status < 0)
        return status;

    vyre_work work;
    memset(&work, 0, sizeof work);
    work.opcode = VYRE_OP_PACKED_SLOT;
    uint32_t offset = 0;
    for (uint32_t i = 0; i < count; i++) {
        vyi_pack_byte(work.args, 2 + 2 * i, ops[i].opcode);
        vyi_pack_byte(work.args, 3 + 2 * i, offset);
        for (uint32_t j = 0; j < ops[i].arg_count; j++)
            work.args[meta + offset + j] = ops[i].args[j];
        offset += ops[i].arg_count;
    }
    vyi_pack_byte(work.args, 0, count);
    vyi_pack_byte(work.args, 1, offset);
    work.arg_count = meta + offset;
    *out = work;
    return VYRE_OK;
}

/* --- transitions --------------------------------------------------------- */

#define VYI_FROM(state) (1u << VYRE_SLOT_##state)

typedef struct vyi_transition_rule {
    const char     *name;
    uint32_t        from; /* bits VYI_FROM */
    vyre_slot_state to;
} vyi_transition_rule;

/* In the order of vyre_transition. */
static const vyi_transition_rule *vyi_transition_find(vyre_transition t)
{
    static const vyi_transition_rule rules[VYRE_TRANSITION_WAIT_IO + 1] = {
        { "publish", VYI_FROM(EMPTY) | VYI_FROM(DONE), VYRE_SLOT_PUBLISHED },
        { "claim", VYI_FROM(PUBLISHED) | VYI_FROM(YIELD) | VYI_FROM(REQUEUE), VYRE_SLOT_CLAIMED },
        { "done", VYI_FROM(CLAIMED), VYRE_SLOT_DONE },
        { "fault", VYI_FROM(PUBLISHED) | VYI_FROM(CLAIMED) | VYI_FROM(WAIT_IO) | VYI_FROM(YIELD) |
                   VYI_FROM(REQUEUE), VYRE_SLOT_FAULTED },
        { "cancel", VYI_FROM(PUBLISHED) | VYI_FROM(WAIT_IO) | VYI_FROM(YIELD) | VYI_FROM(REQUEUE),
          VYRE_SLOT_EMPTY },
        { "reset", VYI_FROM(FAULTED) | VYI_FROM(UNKNOWN), VYRE_SLOT_EMPTY },
        { "resume", VYI_FROM(WAIT_IO), VYRE_SLOT_PUBLISHED },
        { "yield", VYI_FROM(CLAIMED), VYRE_SLOT_YIELD },
        { "requeue", VYI_FROM(CLAIMED), VYRE_SLOT_REQUEUE },
        { "wait_io", VYI_FROM(CLAIMED), VYRE_SLOT_WAIT_IO }
    };
    return (uint32_t)t <= VYRE_TRANSITION_WAIT_IO ? &rules[t] : NULL;
}

/* The step after the decision: `seen` is the status word that it was made on. */
static vyre_status vyi_transition_commit(void *ring, uint32_t slot, uint32_t seen, uint32_t next,
                                         vyre_error *err)
{
    VYRE_ASSERT(next < VYRE_SLOT_UNKNOWN);
    uint32_t held = vyi_wire_swap(ring, (size_t)slot * VYRE_SLOT_WORDS + VYRE_SLOT_STATUS, seen,
                                  next);
    if (held == seen)
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_CONFLICT, slot, "Look at the slot again, and decide anew.",
                    "slot %u went from %s to %s meanwhile", (unsigned)slot,
                    vyre_slot_state_name(vyi_slot_state_of(seen)),
                    vyre_slot_state_name(vyi_slot_state_of(held)));
}

VYRE_API vyre_status vyre_ring_transition(void *ring, size_t size, uint32_t slot,
                                          vyre_transition t, vyre_slot_state *before,
                                          vyre_error *err)
{
    const vyi_transition_rule *rule = vyi_transition_find(t);
    if (!rule)
        return vyi_fail(err, VYRE_E_ARGUMENT, (uint32_t)t, "Pass one of vyre_transition.",
                        "%u is no transition", (unsigned)t);
    if (t == VYRE_TRANSITION_PUBLISH)
        return vyi_fail(err, VYRE_E_USE_PUBLISH, slot, "Call vyre_ring_publish() with the work.",
                        "slot %u cannot be published without its work", (unsigned)slot);
    vyre_status status = vyi_ring_slot(ring, size, slot, err);
    if (status < 0)
        return status;

    uint32_t seen = vyi_wire_load(ring, (size_t)slot * VYRE_SLOT_WORDS + VYRE_SLOT_STATUS);
    vyre_slot_state state = vyi_slot_state_of(seen);
    if (!(rule->from >> state & 1))
        return vyi_fail(err, VYRE_E_BAD_TRANSITION, slot,
                        "Check the slot's state first; vyre_transition lists what is allowed.",
                        "%s is not allowed for slot %u, which is %s", rule->name, (unsigned)slot,
                        vyre_slot_state_name(state));
    status = vyi_transition_commit(ring, slot, seen, rule->to, err);
    if (status >= 0 && before)
        *before = state;
    return status;
}

/* --- whole slots --------------------------------------------------------- */

static vyre_status vyi_image_check(const void *ring, size_t size, uint32_t slot, const void *image,
                                   size_t image_size, vyre_error *err)
{
    if (image_size != VYRE_SLOT_BYTES)
        return vyi_fail(err, VYRE_E_MISALIGN, image_size, "Pass one slot.",
                        "an image of a slot has %u bytes, not %llu", VYRE_SLOT_BYTES,
                        (unsigned long long)image_size);
    if (!image)
        return vyi_work_null("the image", err);
    return vyi_ring_slot(ring, size, slot, err);
}

VYRE_API vyre_status vyre_ring_store(void *ring, size_t size, uint32_t slot, const void *image,
                                     size_t image_size, vyre_error *err)
{
    vyre_status status = vyi_image_check(ring, size, slot, image, image_size, err);
    if (status >= 0)
        status = vyi_slot_publishable(ring, slot, err);
    if (status < 0)
        return status;

    uint8_t *at = vyi_slot_at(ring, slot);
    for (uint32_t i = VYRE_SLOT_OPCODE; i < VYRE_SLOT_WORDS; i++)
        vyi_wire_put(at, i, vyi_word(image, i));
    vyi_fence_stores();
    vyi_wire_store(at, VYRE_SLOT_STATUS, vyi_word(image, VYRE_SLOT_STATUS));
    return VYRE_OK;
}

VYRE_API vyre_status vyre_ring_load(const void *ring, size_t size, uint32_t slot, void *image,
                                    size_t image_size, vyre_error *err)
{
    vyre_status status = vyi_image_check(ring, size, slot, image, image_size, err);
    if (status < 0)
        return status;
    const uint8_t *at = vyi_wire_at(ring, (size_t)slot * VYRE_SLOT_WORDS);
    vyi_set_word(image, VYRE_SLOT_STATUS, vyi_wire_load(at, VYRE_SLOT_STATUS));
    for (uint32_t i = VYRE_SLOT_OPCODE; i < VYRE_SLOT_WORDS; i++)
        vyi_set_word(image, i, vyi_wire_get(at, i));
    return VYRE_OK;
}

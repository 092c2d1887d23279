/* ==========================================================================
 * kernel: a slot's claim and its end
 *
 * Private.  A claim is a CAS.  Everything that decides what runs is read after
 * it, so a host that cancels and publishes again between a look and the claim
 * changes nothing; where the host never does, `whole_slots` reads beside it.  A
 * slot whose tenant has no rights is put back as it was, and from then on the
 * lane looks at tenants before it claims, until a round goes by without such a
 * slot: it claims none of them twice.
 *
 * An end is the status, the mirror and the counters, in an order that the host
 * relies on.
 * ======================================================================= */
#include "kernel/kernel_impl.h"

/* --- before a slot --------------------------------------------------------- */

VYI_COLD
VYI_API vyre_value vyi_kernel_loops_end(vyi_kernel *k)
{
    return vyre_ir_lt(k->p, vyre_ir_builtin(k->p, VYRE_BUILTIN_LOOP_LEFT), k->loop_need);
}

/* A block for a slot of the ring's.  The slot always is one: the condition tells
 * that to the emitter, which then checks none of the slot's words. */
VYI_COLD
VYI_API void vyi_kernel_slot_begin(vyi_kernel *k, vyre_value slot)
{
    vyre_ir_if(k->p, vyre_ir_lt(k->p, slot, k->slots));
    k->base = vyre_ir_name(k->p, vyi_kernel_op(k, vyre_ir_shl, slot, 4), "slot_base");
}

/* --- what the host wishes ------------------------------------------------- */

/* A word of its own says that a work is not to run.  Whoever has claimed the slot
 * looks at it once, relaxed: it is the host's, who cleared it before the work was
 * published, so what is found belongs to this work (docs/memory-model.md). */
VYI_COLD
VYI_API vyre_value vyi_kernel_wish(vyi_kernel *k)
{
    VYRE_ASSERT(k->cancel.id);
    vyre_value slot = vyi_kernel_op(k, vyre_ir_shr, k->base, 4);
    return vyre_ir_atomic_load(k->p, k->cancel, slot, VYRE_ORDER_RELAXED);
}

VYI_COLD
VYI_API vyre_value vyi_kernel_or_cancelled(vyi_kernel *k, vyre_value tenant, vyre_value rights)
{
    vyre_program *p = k->p;
    if (!k->cancel.id)
        return rights;
    vyre_value known = vyi_kernel_op(k, vyre_ir_lt, tenant, VYRE_MAX_TENANTS);
    vyre_value cancelled = vyi_kernel_op(k, vyre_ir_ne, k->wish, 0);
    return vyre_ir_or(p, rights, vyre_ir_and(p, known, cancelled));
}

VYI_COLD
VYI_API vyre_value vyi_kernel_and_wanted(vyi_kernel *k, vyre_value yes)
{
    if (!k->cancel.id)
        return yes;
    return vyre_ir_and(k->p, yes, vyi_kernel_is(k, k->wish, 0));
}

static void vyi_kernel_load_wish(vyi_kernel *k)
{
    if (k->cancel.id)
        k->wish = vyre_ir_name(k->p, vyi_kernel_wish(k), "wish");
}

/* --- claiming a slot ----------------------------------------------------- */

/* Strict on both sides, and safe so: the index is clamped to the table. */
VYI_COLD
VYI_API vyre_value vyi_kernel_has_rights(vyi_kernel *k, vyre_value tenant)
{
    vyre_program *p = k->p;
    vyre_value known = vyi_kernel_op(k, vyre_ir_lt, tenant, VYRE_MAX_TENANTS);
    vyre_value entry = vyi_kernel_op(k, vyre_ir_min, tenant, VYRE_MAX_TENANTS - 1);
    vyre_value mask = vyre_ir_atomic_load(p, k->control,
                                          vyi_kernel_plus(k, entry, VYRE_CONTROL_TENANT_MASKS),
                                          VYRE_ORDER_RELAXED);
    return vyre_ir_and(p, known, vyi_kernel_op(k, vyre_ir_ne, mask, 0));
}

/* Tenant 0 is the most likely one: its mask is loaded beside the slot, and that
 * of another one after it, when it is known which. */
static vyre_value vyi_kernel_slot_has_rights(vyi_kernel *k)
{
    vyre_program *p = k->p;
    if (!k->shape.hurries)
        return vyi_kernel_or_cancelled(k, k->tenant, vyi_kernel_has_rights(k, k->tenant));
    vyre_value enabled = vyi_kernel_op(k, vyre_ir_ne, k->first_mask, 0);
    vyre_local rights = vyre_ir_local(p, VYRE_TYPE_BOOL, enabled, "rights");
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, k->tenant, 0));
    vyre_ir_set(p, rights, vyi_kernel_has_rights(k, k->tenant));
    vyre_ir_end(p);
    return vyi_kernel_or_cancelled(k, k->tenant, vyre_ir_get(p, rights));
}

VYI_API vyre_value vyi_kernel_is_answered(vyi_kernel *k, vyre_value status)
{
    vyre_value kind = vyi_kernel_op(k, vyre_ir_and, status, (1u << VYI_PARKED_SHIFT) - 1);
    return vyi_kernel_is(k, kind, VYI_SLOT_ANSWERED);
}

VYI_COLD
VYI_API vyre_value vyi_kernel_may_claim(vyi_kernel *k, vyre_value status)
{
    vyre_program *p = k->p;
    vyre_value published = vyi_kernel_is(k, status, VYRE_SLOT_PUBLISHED);
    if (k->children) {
        k->joined = vyi_kernel_is(k, status, VYI_SLOT_JOINED);
        published = vyre_ir_or(p, published, k->joined);
    }
    if (!k->shape.resumes)
        return published;
    vyre_value yielded = vyi_kernel_is(k, status, VYRE_SLOT_YIELD);
    vyre_value either = vyre_ir_or(p, published, yielded);
    if (k->shape.parks)
        either = vyre_ir_or(p, either, vyi_kernel_is_answered(k, status));
    return vyre_ir_or(p, either, vyi_kernel_is(k, status, VYRE_SLOT_REQUEUE));
}

/* A job whose children have ended was let in before. */
static vyre_value vyi_kernel_or_joined(vyi_kernel *k, vyre_value yes)
{
    return k->children ? vyre_ir_or(k->p, yes, k->joined) : yes;
}

static void vyi_kernel_load_tenant(vyi_kernel *k)
{
    vyre_value at = vyi_kernel_plus(k, k->base, VYRE_SLOT_TENANT);
    k->tenant = vyi_checked_tenant(k, vyre_ir_load(k->p, k->ring, at));
    k->tenant = vyre_ir_name(k->p, k->tenant, "tenant");
}

/* A word of the claimed slot.  A kernel that is fed reads past every cache
 * anyway: an atomic load says so, and drivers make less of it than of a plain
 * one. */
static vyre_value vyi_kernel_slot_word(vyi_kernel *k, uint32_t word)
{
    vyre_value at = vyi_kernel_plus(k, k->base, word);
    return k->shape.hurries ? vyre_ir_atomic_load(k->p, k->ring, at, VYRE_ORDER_RELAXED)
                                 : vyre_ir_load(k->p, k->ring, at);
}

static void vyi_kernel_load_order(vyi_kernel *k)
{
    if (k->events.id)
        k->order = vyre_ir_name(k->p, vyi_kernel_slot_word(k, VYRE_SLOT_PRIORITY), "order");
}

VYI_COLD
VYI_API void vyi_kernel_load_slot(vyi_kernel *k, uint32_t args)
{
    vyre_program *p = k->p;
    k->opcode = vyre_ir_name(p, vyi_kernel_slot_word(k, VYRE_SLOT_OPCODE), "opcode");
    k->tenant = vyi_checked_tenant(k, vyi_kernel_slot_word(k, VYRE_SLOT_TENANT));
    k->tenant = vyre_ir_name(p, k->tenant, "tenant");
    for (uint32_t i = 0; i < args; i++)
        k->early[i] = vyi_kernel_slot_word(k, VYRE_SLOT_ARGS + i);
    vyi_kernel_load_order(k);
    vyi_kernel_load_wish(k);
    if (k->shape.hurries)
        k->first_mask = vyi_kernel_control(k, VYRE_CONTROL_TENANT_MASKS);
}

static void vyi_kernel_refuse(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_ir_set(p, k->refused, vyre_ir_bool(p, true));
    vyre_ir_set(p, k->careful, vyre_ir_bool(p, true));
}

static vyre_value vyi_kernel_look_at_words(vyi_kernel *k, vyre_local worth)
{
    vyre_program *p = k->p;
    vyre_value tenant = vyre_ir_atomic_load(p, k->ring,
                                            vyi_kernel_plus(k, k->base, VYRE_SLOT_TENANT),
                                            VYRE_ORDER_RELAXED);
    vyi_order_look_begin(k);
    tenant = vyi_checked_tenant(k, tenant);
    vyre_value rights = vyi_kernel_has_rights(k, tenant);
    vyi_kernel_load_wish(k);
    rights = vyi_kernel_or_joined(k, vyi_kernel_or_cancelled(k, tenant, rights));
    rights = vyi_order_look(k, rights);
    vyre_ir_set(p, worth, rights);
    return rights;
}

/* A careful lane's look before the claim; what it sees may change before the
 * claim, so it only saves claims and decides nothing else. */
VYI_COLD
VYI_API vyre_local vyi_kernel_look(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_local worth = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, true), "worth_a_claim");
    vyre_ir_if(p, vyre_ir_get(p, k->careful));
    vyi_order_known_begin(k, worth);
    vyre_value yes = vyi_kernel_look_at_words(k, worth);
    yes = vyi_order_known_end(k, worth, yes);
    vyre_ir_if(p, vyre_ir_not(p, yes));
    vyi_kernel_refuse(k);
    vyre_ir_end(p);
    vyre_ir_end(p);
    return worth;
}

/* What the claim rests on.  Tenant and words follow it, or go beside it. */
static void vyi_kernel_load_claimed(vyi_kernel *k)
{
    if (k->shape.urgent && k->children) {
        vyi_kernel_load_tenant(k);
        vyi_kernel_load_order(k);
        vyi_kernel_load_wish(k);
        return;
    }
    vyi_kernel_load_slot(k, k->shape.frame == VYI_FRAME_COMMON ? VYI_KERNEL_COMMON_ARGS
                                                               : VYI_KERNEL_EARLY_ARGS);
}

/* Acquire in the claim: it pairs with the release by which the host, or a lane
 * that put the slot back, wrote the status last.  The poll decides nothing but
 * whether to claim, and orders nothing: an acquire in each would make every
 * idle round wait for a cache.
 *
 * With `whole_slots` the claim is relaxed, and the words are asked for without
 * waiting for it.  They are those that were published with the status which the
 * poll saw: the device has proved that loads behind it find them, and a host
 * that takes nothing back has not changed them since.  vyi_kernel_serve_either
 * acquires before anything looks beyond them. */
VYI_COLD
VYI_API void vyi_kernel_claim_seen(vyi_kernel *k, vyre_value base, vyre_value status)
{
    vyre_program *p = k->p;
    const bool beside = k->shape.whole;
    k->base = base;
    k->seen = vyre_ir_name(p, status, "status");
    vyre_ir_if(p, vyi_kernel_may_claim(k, k->seen));
    vyre_local worth = vyi_kernel_look(k);
    vyre_ir_if(p, vyre_ir_get(p, worth));
    vyre_value before = vyre_ir_atomic_cas(p, k->ring, base, k->seen,
                                           vyi_kernel_u32(k, VYRE_SLOT_CLAIMED),
                                           beside ? VYRE_ORDER_RELAXED : VYRE_ORDER_ACQUIRE);
    if (beside)
        vyi_kernel_load_claimed(k);
    vyre_ir_if(p, vyre_ir_eq(p, before, k->seen));
    if (!beside)
        vyi_kernel_load_claimed(k);
    vyre_value rights = vyi_kernel_or_joined(k, vyi_kernel_slot_has_rights(k));
    vyre_ir_if(p, vyi_order_and_ready(k, rights));
    if (k->shape.parks)
        vyre_ir_set(p, k->came, k->seen);
    vyi_times_claimed(k);
}

VYI_COLD
VYI_API void vyi_kernel_claim_begin(vyi_kernel *k, vyre_value base)
{
    vyre_value status = vyre_ir_atomic_load(k->p, k->ring, base, VYRE_ORDER_RELAXED);
    vyi_order_ahead(k);
    vyi_kernel_claim_seen(k, base, status);
}

VYI_COLD
VYI_API void vyi_kernel_claim_end(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_ir_else(p);
    vyre_ir_atomic_store(p, k->ring, k->base, k->seen, VYRE_ORDER_RELEASE);
    vyi_kernel_refuse(k);
    for (unsigned i = 0; i < 4; i++)
        vyre_ir_end(p);
}

/* --- the end of a slot --------------------------------------------------- */

/* Where a driver cuts loops, a slot that lost iterations must not look done. */
VYI_API void vyi_kernel_settle_loops(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value fault = vyre_ir_get(p, k->fault);
    vyre_value none = vyi_kernel_is(k, fault, VYRE_FAULT_NONE);
    vyre_value cut = vyre_ir_and(p, none, vyre_ir_builtin(p, VYRE_BUILTIN_LOOP_CUT));
    vyre_value limit = vyi_kernel_u32(k, VYRE_FAULT_LOOP_LIMIT);
    vyre_ir_set(p, k->fault, vyre_ir_select(p, cut, limit, fault));
    vyre_ir_loop_allow(p, vyi_kernel_u32(k, UINT32_MAX));
}

/* A host that polls the mirror alone may publish the slot again as soon as it
 * sees it there.  So the mirror either comes after the status, or the status
 * is changed only while it is still this claim's. */
static void vyi_slot_mirror(vyi_kernel *k, vyre_value mirror, vyre_order order)
{
    if (k->mirror.id)
        vyre_ir_atomic_store(k->p, k->mirror, vyi_kernel_op(k, vyre_ir_shr, k->base, 4), mirror,
                             order);
}

/* Publishes the slot's end.  Release in both, and in the counter that follows:
 * the status pairs with the acquire of whoever reads it and then the slot's
 * words, the mirror with the waiting host's, and a counter that has been seen
 * promises that the status can be seen.
 *
 * Where one lane serves a slot for the whole launch, the mirror goes first:
 * that takes one release out of the round trip.  Any claim that follows is
 * then by the same lane, after its own compare-exchange; elsewhere another
 * lane could have claimed the slot in between.  There `order` is
 * that of both, relaxed where the effects are known to have come first. */
/* With `whole_slots` and events.  One barrier is the release of the event, and puts it
 * behind the mirror; the release of the counter that follows puts what the lane does
 * next behind the event. */
static void vyi_slot_publish_in_order(vyi_kernel *k, vyre_value status, vyre_value mirror,
                                      vyre_order order)
{
    vyre_program *p = k->p;
    if (order == VYRE_ORDER_RELEASE)
        vyre_ir_barrier(p, VYRE_SCOPE_DEVICE, VYRE_ORDER_RELEASE);
    vyi_slot_mirror(k, mirror, VYRE_ORDER_RELAXED);
    vyre_value claimed = vyi_kernel_u32(k, VYRE_SLOT_CLAIMED);
    vyre_ir_atomic_cas(p, k->ring, k->base, claimed, status, VYRE_ORDER_RELAXED);
    vyre_ir_barrier(p, VYRE_SCOPE_DEVICE, VYRE_ORDER_RELEASE);
    (void)vyi_order_end(k, status, VYRE_ORDER_RELAXED);
}

static void vyi_slot_publish(vyi_kernel *k, vyre_value status, vyre_value mirror, vyre_order order)
{
    vyi_times_ended(k);
    if (k->events.id && k->shape.whole) {
        vyi_slot_publish_in_order(k, status, mirror, order);
    } else if (k->mirror.id && (!k->shape.urgent || k->shape.whole)) {
        vyi_slot_mirror(k, mirror, order);
        if (k->events.id)
            (void)vyi_order_end(k, status, VYRE_ORDER_RELEASE);
        vyre_value claimed = vyi_kernel_u32(k, VYRE_SLOT_CLAIMED);
        vyre_ir_atomic_cas(k->p, k->ring, k->base, claimed, status, order);
    } else {
        vyre_ir_atomic_store(k->p, k->ring, k->base, status, VYRE_ORDER_RELEASE);
        vyi_slot_mirror(k, mirror, VYRE_ORDER_RELEASE);
        if (k->events.id)
            (void)vyi_order_end(k, status, VYRE_ORDER_RELEASE);
    }
}

VYI_API void vyi_kernel_slot_end(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value fault = vyre_ir_get(p, k->fault);
    vyre_value done = vyi_kernel_is(k, fault, VYRE_FAULT_NONE);
    vyre_ir_if(p, vyre_ir_not(p, done));
    vyre_ir_store(p, k->ring, vyi_kernel_plus(k, k->base, VYRE_SLOT_FAULT), fault);
    vyre_ir_end(p);
    vyre_value status = vyi_kernel_pick(k, done, VYRE_SLOT_DONE, VYRE_SLOT_FAULTED);
    vyre_value mirror = vyre_ir_or(p, vyi_kernel_op(k, vyre_ir_shl, fault, 8), status);
    vyi_slot_publish(k, status, mirror, VYRE_ORDER_RELEASE);
    vyre_value counter = vyi_kernel_pick(k, done, VYRE_CONTROL_DONE_COUNT,
                                         VYRE_CONTROL_FAULT_COUNT);
    vyi_kernel_count(k, counter, VYRE_ORDER_RELEASE);
}

VYI_STATIC_ASSERT(common_opcodes, VYRE_OP_NOP == 0 && VYRE_OP_STORE_U32 == 1 &&
                                      VYRE_OP_ATOMIC_ADD == 2);

/* A lane that serves many slots in one pass counts them together, before it
 * does anything that could read the counters. */
VYI_API void vyi_kernel_tally_begin(vyi_kernel *k)
{
    vyre_program *p = k->p;
    vyre_value zero = vyi_kernel_u32(k, 0);
    if (!k->shape.tallies)
        return;
    k->served = vyre_ir_local(p, VYRE_TYPE_U32, zero, "served");
    k->stored = vyre_ir_local(p, VYRE_TYPE_U32, zero, "stored");
    k->added = vyre_ir_local(p, VYRE_TYPE_U32, zero, "added");
}

/* control[index] += count, if that is anything. */
static void vyi_kernel_count_many(vyi_kernel *k, uint32_t index, vyre_value count,
                                  vyre_order order)
{
    vyre_program *p = k->p;
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, count, 0));
    vyre_ir_atomic(p, VYRE_ATOMIC_ADD, k->control, vyi_kernel_u32(k, index), count, order);
    vyre_ir_end(p);
}

/* Release: as in vyi_kernel_slot_end, for every status since the last time. */
VYI_API void vyi_kernel_tally_end(vyi_kernel *k)
{
    vyre_program *p = k->p;
    if (!k->shape.tallies)
        return;
    vyre_value served = vyre_ir_get(p, k->served);
    vyre_value stored = vyre_ir_get(p, k->stored), added = vyre_ir_get(p, k->added);
    vyre_value nothing = vyre_ir_sub(p, vyre_ir_sub(p, served, stored), added);
    vyi_kernel_count_many(k, VYRE_CONTROL_DONE_COUNT, served, VYRE_ORDER_RELEASE);
    vyi_kernel_count_many(k, VYRE_CONTROL_METRICS + VYRE_OP_NOP, nothing, VYRE_ORDER_RELAXED);
    vyi_kernel_count_many(k, VYRE_CONTROL_METRICS + VYRE_OP_STORE_U32, stored, VYRE_ORDER_RELAXED);
    vyi_kernel_count_many(k, VYRE_CONTROL_METRICS + VYRE_OP_ATOMIC_ADD, added, VYRE_ORDER_RELAXED);
    vyre_ir_set(p, k->served, vyi_kernel_u32(k, 0));
    vyre_ir_set(p, k->stored, vyi_kernel_u32(k, 0));
    vyre_ir_set(p, k->added, vyi_kernel_u32(k, 0));
}

/* The counters of a common operation that has ended. */
static void vyi_kernel_count_common(vyi_kernel *k)
{
    if (k->shape.tallies) {
        vyi_kernel_step(k, k->served);
        return;
    }
    vyi_kernel_count_at(k, VYRE_CONTROL_DONE_COUNT, VYRE_ORDER_RELEASE);
    /* Nobody waits for the metric, and its atomic would be waited for. */
    vyi_kernel_count(k, vyi_kernel_plus(k, k->opcode, VYRE_CONTROL_METRICS), VYRE_ORDER_RELAXED);
}

/* The effect of a common operation that has one.  Its atomic's answer, if `found`
 * is a local: then nothing that is made of it can happen before the effect. */
static void vyi_kernel_write_common(vyi_kernel *k, vyre_value stores, vyre_local found)
{
    vyre_program *p = k->p;
    vyre_value index = k->early[1], value = k->early[0];
    vyre_ir_if(p, stores);
    if (found.id)
        vyre_ir_set(p, found, vyre_ir_atomic(p, VYRE_ATOMIC_EXCHANGE, k->control, index, value,
                                             VYRE_ORDER_RELAXED));
    else
        vyre_ir_atomic_store(p, k->control, index, value, VYRE_ORDER_RELAXED);
    if (k->shape.tallies)
        vyi_kernel_step(k, k->stored);
    vyre_ir_else(p);
    vyre_value before = vyre_ir_atomic(p, VYRE_ATOMIC_ADD, k->control, index, value,
                                       VYRE_ORDER_RELAXED);
    if (found.id)
        vyre_ir_set(p, found, before);
    if (k->shape.tallies)
        vyi_kernel_step(k, k->added);
    vyre_ir_end(p);
}

/* The end of a common operation.  A release would hold the mirror back until the
 * device has made sure of all that the lane ever wrote.  With `whole_slots` the
 * mirror waits for the one effect that there is, by carrying its answer where
 * the code of a fault would stand. */
static void vyi_slot_end_common(vyi_kernel *k, vyre_local found)
{
    vyre_value done = vyi_kernel_u32(k, VYRE_SLOT_DONE);
    if (!found.id) {
        vyi_slot_publish(k, done, done, VYRE_ORDER_RELEASE);
        return;
    }
    vyre_value answer = vyi_kernel_op(k, vyre_ir_shl, vyre_ir_get(k->p, found), 8);
    vyi_slot_publish(k, done, vyre_ir_or(k->p, answer, done), VYRE_ORDER_RELAXED);
}

/* NOP, and STORE_U32 or ATOMIC_ADD of a word that they may write. */
VYI_COLD
VYI_API void vyi_kernel_serve_common(vyi_kernel *k, vyre_local rare)
{
    vyre_program *p = k->p;
    vyre_value index = k->early[1];
    vyre_value good = vyre_ir_lt(p, index, k->control_words);
    if (!k->desc.open_header)
        good = vyre_ir_and(p, good, vyi_kernel_op(k, vyre_ir_ge, index, VYRE_CONTROL_OBSERVABLES));
    vyre_value stores = vyi_kernel_is(k, k->opcode, VYRE_OP_STORE_U32);
    vyre_value writes = vyre_ir_or(p, stores, vyi_kernel_is(k, k->opcode, VYRE_OP_ATOMIC_ADD));
    vyre_value writes_well = vyre_ir_and(p, writes, good);
    writes_well = vyi_kernel_and_wanted(k, writes_well);
    vyre_value nothing = vyi_kernel_and_wanted(k, vyi_kernel_is(k, k->opcode, VYRE_OP_NOP));
    vyre_value common = vyre_ir_or(p, writes_well, nothing);
    common = vyi_order_and_runs(k, common);
    vyre_local found = { 0 };
    vyre_ir_set(p, rare, vyre_ir_not(p, common));
    vyre_ir_if(p, common);
    if (k->shape.whole && k->mirror.id)
        found = vyre_ir_local(p, VYRE_TYPE_U32, vyi_kernel_u32(k, 0), "found");
    vyre_ir_if(p, writes_well);
    vyi_kernel_write_common(k, stores, found);
    vyre_ir_end(p);
    vyi_slot_end_common(k, found);
    vyi_kernel_count_common(k);
    vyre_ir_end(p);
}

/* --- names --------------------------------------------------------------- */

/* A buffer of the kernel's own; its name gives way to the caller's names. */
VYI_COLD
VYI_API vyre_buffer vyi_kernel_own_buffer(vyi_kernel *k, const vyre_buffer_desc *own)
{
    char name[VYRE_MAX_NAME + 1];
    vyre_buffer_desc desc = *own;
    for (uint32_t i = 0; i < k->desc.buffer_count; i++)
        if (k->desc.buffers[i].name && strcmp(k->desc.buffers[i].name, own->name) == 0) {
            snprintf(name, sizeof name, "vyre_%s", own->name);
            desc.name = name;
        }
    return vyre_ir_buffer(k->p, &desc);
}

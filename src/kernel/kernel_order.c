/* ==========================================================================
 * kernel: works that wait for others
 *
 * Private, of kernels with a table of events.  No lane waits: a slot whose event is
 * not there yet is put back as it was, and the lane looks at events before it claims
 * (as at tenants) until a round goes by without such a slot.
 *
 * Where one lane serves a slot and the host takes nothing back, a slot that was put back has
 * the same work until that lane claims it.  So the lane knows which event it waits for, and
 * asks for it beside the status: a poll is one access, not three in a row.
 *
 *     claim          load PRIORITY                      with the slot's other words
 *                    load event         (acquire)       missing: put it back
 *     serve          spoilt, or a relay: nothing runs
 *     end            mirror             (release)
 *                    event |= SPOILT    (relaxed)       after a fault
 *                    event -= 1         (release)
 *
 * The release that takes the last one away pairs with the acquire of the claim, and
 * so does each before it, for they are all of one word: what all predecessors wrote
 * is seen.  The event comes after the mirror, so that whoever is told of a
 * successor's end finds its predecessors ended.
 * ======================================================================= */
#include "kernel/kernel_impl.h"

static vyre_value vyi_order_field(vyi_kernel *k, uint32_t shift)
{
    vyre_value shifted = vyi_kernel_op(k, vyre_ir_shr, k->order, shift);
    return vyi_kernel_op(k, vyre_ir_and, shifted, VYI_ORDER_EVENT);
}

/* --- the slot that waits ----------------------------------------------------- */

#define VYI_WAITS_NONE UINT32_MAX

VYI_COLD
VYI_API void vyi_order_locals(vyi_kernel *k)
{
    if (!k->events.id || !k->shape.whole || k->shape.urgent)
        return;
    k->waits = vyre_ir_local(k->p, VYRE_TYPE_U32, vyi_kernel_u32(k, VYI_WAITS_NONE), "waits");
    k->waits_for = vyre_ir_local(k->p, VYRE_TYPE_U32, vyi_kernel_u32(k, VYI_EVENT_NONE),
                                 "waits_for");
}

VYI_COLD
VYI_API void vyi_order_ahead(vyi_kernel *k)
{
    if (k->waits.id)
        k->ahead = vyre_ir_atomic_load(k->p, k->events, vyre_ir_get(k->p, k->waits_for),
                                       VYRE_ORDER_RELAXED);
}

/* --- whether a work may run ------------------------------------------------ */

static vyre_value vyi_order_event(vyi_kernel *k, vyre_order order)
{
    vyre_value event = vyi_order_field(k, VYI_ORDER_WAIT);
    return vyre_ir_atomic_load(k->p, k->events, event, order);
}

static vyre_value vyi_order_is_there(vyi_kernel *k, vyre_value word)
{
    return vyi_kernel_is(k, vyi_kernel_op(k, vyre_ir_and, word, VYI_EVENT_MISSING), 0);
}

/* A careful lane's look at the slot at k->base. */
VYI_COLD
VYI_API void vyi_order_look_begin(vyi_kernel *k)
{
    if (!k->events.id)
        return;
    vyre_value at = vyi_kernel_plus(k, k->base, VYRE_SLOT_PRIORITY);
    k->order = vyre_ir_atomic_load(k->p, k->ring, at, VYRE_ORDER_RELAXED);
}

/* The event NONE is one of the table's, and there. */
VYI_COLD
VYI_API vyre_value vyi_order_look(vyi_kernel *k, vyre_value yes)
{
    vyre_program *p = k->p;
    if (!k->events.id)
        return yes;
    vyre_value word = vyi_order_event(k, VYRE_ORDER_RELAXED);
    vyre_ir_set(p, k->event, word);
    vyre_value there = vyi_order_is_there(k, word);
    if (k->waits.id) {
        vyre_ir_if(p, vyre_ir_and(p, yes, vyre_ir_not(p, there)));
        vyre_ir_set(p, k->waits, k->base);
        vyre_ir_set(p, k->waits_for, vyi_order_field(k, VYI_ORDER_WAIT));
        vyre_ir_end(p);
    }
    return vyre_ir_and(p, yes, there);
}

VYI_COLD
VYI_API void vyi_order_known_begin(vyi_kernel *k, vyre_local worth)
{
    vyre_program *p = k->p;
    if (!k->waits.id)
        return;
    vyre_ir_if(p, vyre_ir_eq(p, k->base, vyre_ir_get(p, k->waits)));
    vyre_ir_set(p, k->event, k->ahead);
    vyre_ir_set(p, worth, vyi_order_is_there(k, k->ahead));
    vyre_ir_else(p);
}

VYI_COLD
VYI_API vyre_value vyi_order_known_end(vyi_kernel *k, vyre_local worth, vyre_value yes)
{
    if (!k->waits.id)
        return yes;
    vyre_ir_end(k->p);
    return vyre_ir_get(k->p, worth);
}

/* After the claim.  Where one lane serves a slot and the host takes nothing back, the
 * look that led to the claim was at this work's event, and a barrier makes an acquire
 * of it. */
static void vyi_order_take(vyi_kernel *k)
{
    vyre_program *p = k->p;
    if (!k->shape.whole) {
        vyre_ir_set(p, k->event, vyi_order_event(k, VYRE_ORDER_ACQUIRE));
        return;
    }
    vyre_ir_if(p, vyre_ir_not(p, vyre_ir_get(p, k->careful)));
    vyre_ir_set(p, k->event, vyi_order_event(k, VYRE_ORDER_RELAXED));
    vyre_ir_end(p);
    if (k->waits.id)
        vyre_ir_set(p, k->waits, vyi_kernel_u32(k, VYI_WAITS_NONE));
    vyre_ir_barrier(p, VYRE_SCOPE_DEVICE, VYRE_ORDER_ACQUIRE);
}

VYI_COLD
VYI_API vyre_value vyi_order_and_ready(vyi_kernel *k, vyre_value yes)
{
    vyre_program *p = k->p;
    if (!k->events.id)
        return yes;
    vyre_value event = vyi_order_field(k, VYI_ORDER_WAIT);
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, event, VYI_EVENT_NONE));
    vyi_order_take(k);
    vyre_ir_else(p);
    vyre_ir_set(p, k->event, vyi_kernel_u32(k, 0));
    vyre_ir_end(p);
    return vyre_ir_and(p, yes, vyi_order_is_there(k, vyre_ir_get(p, k->event)));
}

/* Of a claimed slot. */
static vyre_value vyi_order_is_spoilt(vyi_kernel *k)
{
    return vyi_kernel_op(k, vyre_ir_ge, vyre_ir_get(k->p, k->event), VYI_EVENT_SPOILT);
}

VYI_COLD
VYI_API vyre_value vyi_order_and_runs(vyi_kernel *k, vyre_value yes)
{
    vyre_program *p = k->p;
    if (!k->events.id)
        return yes;
    vyre_value runs = vyre_ir_not(p, vyi_order_is_spoilt(k));
    vyre_value own = vyi_kernel_op(k, vyre_ir_lt, k->order, VYI_ORDER_RELAY);
    return vyre_ir_and(p, yes, vyre_ir_and(p, runs, own));
}

VYI_COLD
VYI_API void vyi_order_serve_begin(vyi_kernel *k)
{
    vyre_program *p = k->p;
    if (!k->events.id)
        return;
    vyre_value spoilt = vyi_order_is_spoilt(k);
    vyre_ir_if(p, spoilt);
    vyi_kernel_raise(k, VYRE_FAULT_AFTER);
    vyre_ir_end(p);
    vyre_value own = vyi_kernel_op(k, vyre_ir_lt, k->order, VYI_ORDER_RELAY);
    vyre_ir_if(p, vyre_ir_and(p, own, vyre_ir_not(p, spoilt)));
}

VYI_COLD
VYI_API void vyi_order_serve_end(vyi_kernel *k)
{
    if (k->events.id)
        vyre_ir_end(k->p);
}

/* --- the end ---------------------------------------------------------------- */

VYI_COLD
VYI_API vyre_value vyi_order_end(vyi_kernel *k, vyre_value status, vyre_order order)
{
    vyre_program *p = k->p;
    vyre_value event = vyi_order_field(k, VYI_ORDER_SIGNAL), one = vyi_kernel_u32(k, 1);
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, event, VYI_EVENT_NONE));
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, status, VYRE_SLOT_DONE));
    vyre_ir_atomic(p, VYRE_ATOMIC_OR, k->events, event, vyi_kernel_u32(k, VYI_EVENT_SPOILT),
                   VYRE_ORDER_RELAXED);
    vyre_ir_end(p);
    vyre_ir_atomic(p, VYRE_ATOMIC_SUB, k->events, event, one, order);
    vyre_ir_end(p);
    return event;
}

/* --- works that many lanes run ----------------------------------------------- */

/* A look at the work behind a gate, which seems open.  The row says of which
 * generation it is, so that the event is this work's, and no other's is taken for it.
 * The group acquires before it claims. */
VYI_COLD
VYI_API vyre_value vyi_order_gate_is_ready(vyi_kernel *k, vyre_value which, vyre_value gate)
{
    vyre_program *p = k->p;
    vyre_value at = vyi_kernel_plus(k, which, VYI_WIDE_WAITS);
    vyre_value waits = vyre_ir_atomic_load(p, k->wide.buffer, at, VYRE_ORDER_RELAXED);
    vyre_value both = vyre_ir_xor(p, waits, gate);
    vyre_value same = vyi_kernel_op(k, vyre_ir_lt, both, 1u << VYI_GATE_GENERATION);
    vyre_value event = vyi_kernel_op(k, vyre_ir_and, waits, VYI_ORDER_EVENT);
    vyre_value word = vyre_ir_atomic_load(p, k->events, event, VYRE_ORDER_RELAXED);
    return vyre_ir_and(p, same, vyi_order_is_there(k, word));
}

/* The same in all lanes; `order` is the slot's word. */
VYI_COLD
VYI_API vyre_value vyi_order_chunk_runs(vyi_kernel *k, vyre_value order)
{
    vyre_program *p = k->p;
    k->order = order;
    vyre_value event = vyi_order_field(k, VYI_ORDER_WAIT);
    vyre_value word = vyre_ir_uniform(p, vyre_ir_load(p, k->events, event));
    return vyi_kernel_op(k, vyre_ir_lt, word, VYI_EVENT_SPOILT);
}

/* After the mirror of a wide work: its event, and then that this has been done.  The
 * next work in the slot may be another lane's, so the host waits for that word before
 * it uses the slot, and then the event, again. */
VYI_COLD
VYI_API void vyi_order_wide_end(vyi_kernel *k, vyre_value order, vyre_value status)
{
    vyre_program *p = k->p;
    k->order = order;
    vyre_value event = vyi_order_end(k, status, VYRE_ORDER_RELEASE);
    vyre_value slot = vyi_kernel_op(k, vyre_ir_shr, k->base, 4);
    vyre_ir_if(p, vyi_kernel_op(k, vyre_ir_ne, event, VYI_EVENT_NONE));
    vyre_ir_atomic_store(p, k->mirror, vyi_kernel_plus(k, slot, VYI_WIDE_SLOTS), event,
                         VYRE_ORDER_RELEASE);
    vyre_ir_end(p);
}

/* ==========================================================================
 * engine: ends, and what a program does at them
 *
 * Results, callbacks, waiting for one of several.  A slot whose ticket somebody
 * still needs is KEPT, and ENDED once its end was seen: publishers pass it by,
 * until the ticket's owner lets it go.
 * ======================================================================= */
#include "engine/engine_slots_impl.h"

/* --- results ------------------------------------------------------------- */

/* The words of a work whose end was seen.  A kept slot stays while they are read;
 * of another one the generation goes on before a next work's words arrive. */
static vyre_status vyi_result_take(vyi_queue *q, vyre_ticket t, uint32_t args[12],
                                   vyre_error *err)
{
    const uint32_t slot = VYI_TICKET_SLOT(t);
    const uint32_t *at = vyi_device_words(vyi_queue_device(q), VYI_ROLE_RING) +
                         (size_t)slot * VYRE_SLOT_WORDS + VYRE_SLOT_ARGS;
    uint32_t words[VYRE_MAX_ARGS];
    for (uint32_t i = 0; i < VYRE_MAX_ARGS; i++)
        words[i] = vyi_le32(vyi_load_acquire(at + i));
    /* In this order: a recovery counts generations on before it ends the state. */
    if (vyi_load_acquire(&q->state) == VYI_STATE_LOST)
        return vyi_queue_gone(q, "no result can be read", err);
    if (vyi_mark_generation(vyi_load_acquire(&q->slots.marks[slot])) != t.generation)
        return vyi_ticket_explain(err, VYRE_E_STALE, t, 0);
    memcpy(args, words, sizeof words);
    vyi_ticket_drop(q, t);
    return VYRE_OK;
}

static vyre_status vyi_result_check(const vyre *v, const uint32_t *args, vyre_error *err)
{
    if (v && args)
        return VYRE_OK;
    return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle and room for 12 words.",
                    "%s is NULL", v ? "args" : "the handle");
}

/* The result of a work that has ended as `status` says, or why there is none. */
static vyre_status vyi_result_give(vyi_queue *q, vyre_ticket t, vyre_status status, uint32_t code,
                                   uint32_t args[12], vyre_error *err)
{
    if (status == VYRE_OK)
        return vyi_result_take(q, t, args, err);
    vyi_ticket_explain(err, status, t, code);
    vyi_bounds_tell(q, t, code, err);
    return status;
}

VYRE_API vyre_status vyre_result(vyre *v, vyre_ticket t, uint32_t args[12], vyre_error *err)
{
    uint32_t code = 0;
    vyre_status status = vyi_result_check(v, args, err);
    if (status != VYRE_OK)
        return status;
    status = vyi_ticket_look(&v->queue, t, &code);
    return vyi_result_give(&v->queue, t, status, code, args, err);
}

VYRE_API vyre_status vyre_wait_result(vyre *v, vyre_ticket t, uint64_t timeout_ns,
                                      uint32_t args[12], vyre_error *err)
{
    uint32_t code = 0;
    vyre_status status = vyi_result_check(v, args, err);
    if (status != VYRE_OK)
        return status;
    status = vyi_ticket_look(&v->queue, t, &code);
    if (status == VYRE_PENDING) {
        vyi_pace pace = vyi_pace_begin(timeout_ns);
        status = vyi_ticket_wait(&v->queue, t, &pace, &code, err);
    }
    vyi_log_hear(&v->queue);
    return vyi_result_give(&v->queue, t, status, code, args, err);
}

VYRE_API vyre_status vyre_fault_of(vyre *v, vyre_ticket t, uint32_t *code)
{
    uint32_t found = 0;
    if (!v || !code)
        return VYRE_E_ARGUMENT;
    const vyre_status status = vyi_ticket_look(&v->queue, t, &found);
    if (status != VYRE_OK && status != VYRE_E_FAULT && status != VYRE_E_CANCELLED)
        return status;
    *code = found;
    return VYRE_OK;
}

VYRE_API uint32_t vyre_ticket_slot(vyre_ticket t)
{
    return VYI_TICKET_SLOT(t);
}

/* --- one of several ------------------------------------------------------- */

static vyre_status vyi_tickets_look(vyi_queue *q, const vyre_ticket *tickets, uint32_t count,
                                    uint32_t *at, uint32_t *code)
{
    vyre_status status = VYRE_PENDING;
    for (uint32_t i = 0; i < count && status == VYRE_PENDING; i++) {
        status = vyi_ticket_look(q, tickets[i], code);
        *at = i;
    }
    return status;
}

VYRE_API vyre_status vyre_wait_any(vyre *v, const vyre_ticket *tickets, uint32_t count,
                                   uint64_t timeout_ns, uint32_t *which, vyre_error *err)
{
    if (!v || !tickets || count == 0)
        return vyi_fail(err, VYRE_E_ARGUMENT, count, "Pass an open handle and a ticket at least.",
                        "%s", !v ? "the handle is NULL" : "there is no ticket to wait for");
    uint32_t at = 0, code = 0;
    vyi_pace pace = vyi_pace_begin(timeout_ns);
    vyre_status status, turn = VYRE_OK;
    while ((status = vyi_tickets_look(&v->queue, tickets, count, &at, &code)) == VYRE_PENDING &&
           turn == VYRE_OK)
        turn = vyi_pace_turn(&v->queue, &pace, err);
    if (status == VYRE_PENDING)
        return turn == VYRE_TIMEOUT
                   ? vyi_news(err, turn, count, "Wait again, or longer.",
                              "none of the works has ended in time")
                   : turn;
    if (which)
        *which = at;
    vyi_ticket_explain(err, status, tickets[at], code);
    vyi_bounds_tell(&v->queue, tickets[at], code, err);
    return status;
}

/* --- letting go ----------------------------------------------------------- */

VYRE_API vyre_status vyre_release(vyre *v, vyre_ticket t, vyre_error *err)
{
    if (!v)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle.", "the handle is NULL");
    vyi_queue *q = &v->queue;
    uint32_t code = 0;
    const vyre_status status = vyi_ticket_look(q, t, &code);
    if (status == VYRE_E_TICKET)
        return vyi_ticket_explain(err, status, t, code);
    vyi_end *end = vyi_end_of(q, VYI_TICKET_SLOT(t));
    const uint32_t drops = t.generation | VYI_END_DROPS;
    if (end && vyi_compare_exchange(&end->turn, t.generation, drops) == t.generation)
        return VYRE_OK; /* by its callback */
    if (!end || vyi_load_acquire(&end->turn) != drops)
        vyi_ticket_drop(q, t);
    return VYRE_OK;
}

/* --- callbacks ------------------------------------------------------------ */

static size_t vyi_ends_size(const vyi_queue *q)
{
    return q->slots.count * sizeof(vyi_end);
}

static bool vyi_ends_make(vyi_queue *q)
{
    vyi_mutex_lock(&q->v->brief);
    void *list = q->ends.list;
    if (!list) {
        list = vyi_alloc(&q->v->desc.allocator, vyi_ends_size(q));
        if (list)
            memset(list, 0, vyi_ends_size(q));
        vyi_store_pointer(&q->ends.list, list);
    }
    vyi_mutex_unlock(&q->v->brief);
    return list != NULL;
}

VYI_API void vyi_ends_free(vyi_queue *q)
{
    vyi_free(&q->v->desc.allocator, q->ends.list, vyi_ends_size(q));
}

/* The slot is KEPT from here on; false: its mark has moved.  *turn: with DROPS if
 * nobody else keeps it. */
static bool vyi_end_keep(vyi_queue *q, vyre_ticket t, uint32_t *turn)
{
    const uint32_t slot = VYI_TICKET_SLOT(t);
    const uint32_t mark = vyi_load_acquire(&q->slots.marks[slot]);
    *turn = t.generation | (vyi_mark_phase(mark) == VYI_PHASE_FLIGHT ? VYI_END_DROPS : 0);
    return vyi_mark_generation(mark) == t.generation && vyi_mark_is_out(mark) &&
           vyi_mark_move(q, slot, mark, vyi_mark_with(mark, VYI_PHASE_KEPT));
}

/* VYRE_OK: the callback is set, or the work has ended: then *status says how. */
static vyre_status vyi_end_set(vyi_queue *q, vyre_ticket t, vyre_end_fn fn, void *user,
                               vyre_status *status)
{
    vyi_end *end = vyi_end_of(q, VYI_TICKET_SLOT(t));
    uint32_t code = 0, turn = 0;
    while (vyi_status_is_open(*status = vyi_ticket_peek(q, t, &code))) {
        const uint32_t before = vyi_compare_exchange(&end->turn, 0, VYI_END_CHANGING);
        if ((before & ~VYI_END_DROPS) == t.generation)
            return VYRE_E_ARGUMENT;
        if (before == 0 && vyi_end_keep(q, t, &turn)) {
            end->fn = fn;
            end->user = user;
            (void)vyi_fetch_add(&q->ends.pending, 1);
            vyi_store_release(&end->turn, turn);
            vyi_fence_full(); /* who sees the end later finds the entry, or it is seen here */
            (void)vyi_ticket_peek(q, t, &code);
            return VYRE_OK;
        }
        if (before == 0)
            vyi_store_release(&end->turn, 0);
        vyi_yield(); /* a recovery holds the slot, or an earlier one's turn is not over */
    }
    return VYRE_OK;
}

VYRE_API vyre_status vyre_on_end(vyre *v, vyre_ticket t, vyre_end_fn fn, void *user,
                                 vyre_error *err)
{
    if (!v || !fn)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass an open handle and a function.",
                        "%s is NULL", v ? "fn" : "the handle");
    vyi_queue *q = &v->queue;
    if (!vyi_load_pointer(&q->ends.list) && !vyi_ends_make(q))
        return vyi_fail_nomem(err, vyi_ends_size(q));
    vyre_status status = VYRE_PENDING;
    if (vyi_end_set(q, t, fn, user, &status) != VYRE_OK)
        return vyi_fail(err, VYRE_E_ARGUMENT, VYI_TICKET_SLOT(t), "Let one function do both.",
                        "the work in slot %u has a callback already", VYI_TICKET_SLOT(t));
    if (status == VYRE_E_TICKET)
        return vyi_ticket_explain(err, status, t, 0);
    if (!vyi_status_is_open(status))
        fn(user, t, status);
    return VYRE_OK;
}

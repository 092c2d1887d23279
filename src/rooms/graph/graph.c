/* ==========================================================================
 * graph: implementation
 *
 * A node has one event to signal.  Nodes that wait for the same several others are a
 * *meeting*: one event for all of them.  A node whose successors all are of one meeting
 * signals that; any other one signals an event of its own, which successors of it
 * alone wait for, and from which a relay goes to each meeting that it belongs to.  So
 * layers, each of which waits for all of the one before, need no relays at all.
 *
 * The host publishes nodes in their order.  What it has seen to end needs no event
 * any more: events are for what is in the ring.  A meeting's event is counted down
 * once by each predecessor; where the node itself did not, a relay does, before the
 * first of the meeting's nodes is published.
 * ======================================================================= */
#include "rooms/graph/graph.h"

#ifndef VYRE_NO_GRAPH

#include "engine/engine_slots_impl.h"

#define VYI_MEETING_NONE 0xffffffffu /* it waits for one at most; of signals: its own event */
#define VYI_NODE_NONE    0xffffffffu

typedef enum vyi_node_state {
    VYI_NODE_AHEAD = 0, /* to be published */
    VYI_NODE_RING = 1,
    VYI_NODE_WELL = 2, /* has ended */
    VYI_NODE_BAD = 3
} vyi_node_state;

typedef struct vyi_node {
    vyre_work   work;
    uint32_t    first, count; /* of its edges */
    uint32_t    meeting;      /* that it waits for, or NONE */
    uint32_t    signals;      /* a meeting, or NONE */
    uint32_t    code;         /* of its fault */
    uint8_t     state;        /* vyi_node_state */
    uint8_t     told;         /* it has signalled that meeting */
    vyre_ticket ticket;
} vyi_node;

typedef struct vyi_meeting {
    uint32_t first, count; /* edges: its predecessors */
    uint32_t nodes;        /* that wait for it */
    /* Of the run. */
    uint32_t event;        /* in use for the graph; 0: there is none so far, or no longer */
    uint32_t relayed;      /* so many predecessors have been looked after */
    uint32_t left;         /* nodes that have not been published */
} vyi_meeting;

/* A slot that a node of the run is in, in a list as they were published. */
typedef struct vyi_graph_slot {
    uint32_t node; /* + 1, or 0 */
    uint32_t before, after;
} vyi_graph_slot;

struct vyre_graph {
    vyre        *v;
    vyi_node    *nodes;   /* the last one is the end */
    uint32_t    *edges;
    vyi_meeting *meetings;
    vyi_graph_slot    *open;    /* of each slot, and, behind them, where the list begins and ends */
    uint32_t     count, edge_count, meeting_count, slots;
    uint32_t     look;    /* the open slot, or the end, where the next look goes on */
    uint32_t     losses;  /* of the handle, when the run began */
    uint64_t     began;
    bool         published;
};

/* --- making ----------------------------------------------------------------- */

static vyre_status vyi_graph_check_node(const vyre *v, const vyre_node *nodes, uint32_t i,
                                        uint64_t *edges, vyre_error *err)
{
    const vyre_node *n = &nodes[i];
    const vyre_status status = vyi_works_fit(v, &n->work, 1, err);
    if (status != VYRE_OK)
        return status;
    if (n->after_count && !n->after)
        return vyi_fail(err, VYRE_E_ARGUMENT, i, "Set the node's after.",
                        "node %u waits for %u others, but the list is NULL", i, n->after_count);
    for (uint32_t e = 0; e < n->after_count; e++)
        if (n->after[e] >= i)
            return vyi_fail(err, VYRE_E_ARGUMENT, i, "Put a node after those that it waits for.",
                            n->after[e] == i ? "node %u waits for itself, node %u"
                                             : "node %u waits for node %u, which is no earlier one",
                            i, n->after[e]);
    *edges += n->after_count;
    if (*edges > VYRE_MAX_EDGES)
        return vyi_fail(err, VYRE_E_OVF, i, "Let nodes meet in one that does nothing.",
                        "more than %u edges, with those of node %u", VYRE_MAX_EDGES, i);
    return VYRE_OK;
}

static vyre_status vyi_graph_check(const vyre *v, const vyre_node *nodes, uint32_t count,
                                   uint64_t *edges, vyre_error *err)
{
    if (!v || !nodes || count == 0)
        return vyi_fail(err, VYRE_E_ARGUMENT, count, "Pass an open handle and nodes.",
                        "%s", !v ? "the handle is NULL" : "there are no nodes");
    if (!v->queue.order.count)
        return vyi_fail(err, VYRE_E_ARGUMENT, count, "Set vyre_desc.events, to 1 or more.",
                        "the handle was opened without events, for a graph of %u nodes", count);
    if (count > VYRE_MAX_NODES)
        return vyi_fail(err, VYRE_E_OVF, count, "Publish several graphs.",
                        "%u nodes; there may be %u", count, VYRE_MAX_NODES);
    for (uint32_t i = 0; i < count; i++) {
        const vyre_status status = vyi_graph_check_node(v, nodes, i, edges, err);
        if (status != VYRE_OK)
            return status;
    }
    return VYRE_OK;
}

static void vyi_graph_give_back(vyre_graph *g)
{
    const vyre_allocator *a = &g->v->desc.allocator;
    vyi_free(a, g->nodes, ((size_t)g->count + 1) * sizeof *g->nodes);
    vyi_free(a, g->edges, ((size_t)g->edge_count + 1) * sizeof *g->edges);
    vyi_free(a, g->meetings, ((size_t)g->count + 1) * sizeof *g->meetings);
    vyi_free(a, g->open, ((size_t)g->slots + 1) * sizeof *g->open);
    vyi_free(a, g, sizeof *g);
}

/* All that it needs, zeroed, with `edges` edges, those of the end included. */
static vyre_graph *vyi_graph_allocate(vyre *v, uint32_t count, uint32_t edges, vyre_error *err)
{
    const vyre_allocator *a = &v->desc.allocator;
    vyre_graph *g = (vyre_graph *)vyi_alloc(a, sizeof *g);
    if (!g) {
        vyi_fail_nomem(err, sizeof *g);
        return NULL;
    }
    memset(g, 0, sizeof *g);
    g->v = v;
    g->count = count;
    g->edge_count = edges;
    g->slots = v->queue.slots.count;
    const size_t nodes = ((size_t)count + 1) * sizeof *g->nodes;
    const size_t meetings = ((size_t)count + 1) * sizeof *g->meetings;
    g->nodes = (vyi_node *)vyi_alloc(a, nodes);
    g->edges = (uint32_t *)vyi_alloc(a, ((size_t)edges + 1) * sizeof *g->edges);
    g->meetings = (vyi_meeting *)vyi_alloc(a, meetings);
    g->open = (vyi_graph_slot *)vyi_alloc(a, ((size_t)g->slots + 1) * sizeof *g->open);
    if (!g->nodes || !g->edges || !g->meetings || !g->open) {
        vyi_graph_give_back(g);
        vyi_fail_nomem(err, nodes + meetings + (size_t)edges * sizeof *g->edges);
        return NULL;
    }
    memset(g->nodes, 0, nodes);
    memset(g->meetings, 0, meetings);
    return g;
}

/* The nodes, and at last the end, after all that nobody waits for. */
static void vyi_graph_fill(vyre_graph *g, const vyre_node *nodes)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < g->count; i++) {
        vyi_node *n = &g->nodes[i];
        n->work = nodes[i].work;
        n->first = at;
        for (uint32_t e = 0; e < nodes[i].after_count; e++) {
            vyi_node *before = &g->nodes[nodes[i].after[e]];
            if (before->code == i + 1)
                continue;
            before->code = i + 1; /* for now: so that none is named twice */
            g->edges[at++] = nodes[i].after[e];
        }
        n->count = at - n->first;
    }
    vyi_node *end = &g->nodes[g->count];
    end->work.tenant = g->nodes[g->count - 1].work.tenant;
    end->first = at;
    for (uint32_t i = 0; i < g->count; i++) {
        if (!g->nodes[i].code)
            g->edges[at++] = i;
        g->nodes[i].code = 0;
    }
    end->count = at - end->first;
    VYRE_ASSERT(at <= g->edge_count);
}

static bool vyi_edges_equal(const vyre_graph *g, const vyi_node *a, const vyi_meeting *b)
{
    return a->count == b->count &&
           memcmp(g->edges + a->first, g->edges + b->first, a->count * sizeof *g->edges) == 0;
}

/* The meeting of a node that waits for several: one whose list is the same, if there
 * was one.  `table` has `mask + 1` places, more than half of them empty. */
static uint32_t vyi_meeting_of(vyre_graph *g, const vyi_node *n, uint32_t *table, uint32_t mask)
{
    const uint64_t hash = vyi_hash(VYI_HASH_SEED, g->edges + n->first, n->count * sizeof *g->edges);
    uint32_t at = (uint32_t)(hash ^ hash >> 32) & mask;
    for (; table[at]; at = (at + 1) & mask)
        if (vyi_edges_equal(g, n, &g->meetings[table[at] - 1]))
            return table[at] - 1;
    vyi_meeting *m = &g->meetings[g->meeting_count++];
    m->first = n->first;
    m->count = n->count;
    table[at] = g->meeting_count;
    return g->meeting_count - 1;
}

/* What every node signals: `signals` is the meeting of all its successors, NONE once two
 * of them differ; a successor that waits for it alone needs an event of its own. */
static void vyi_graph_link(vyre_graph *g, uint32_t *table, uint32_t mask)
{
    for (uint32_t i = 0; i <= g->count; i++) {
        vyi_node *n = &g->nodes[i];
        n->signals = VYI_MEETING_NONE;
        n->meeting = n->count > 1 ? vyi_meeting_of(g, n, table, mask) : VYI_MEETING_NONE;
        if (n->meeting != VYI_MEETING_NONE)
            g->meetings[n->meeting].nodes++;
        for (uint32_t e = 0; e < n->count; e++) {
            vyi_node *before = &g->nodes[g->edges[n->first + e]];
            const bool fresh = !before->told;
            before->told = 1;
            before->signals = fresh || before->signals == n->meeting ? n->meeting
                                                                     : VYI_MEETING_NONE;
        }
    }
}

static bool vyi_graph_join(vyre_graph *g, vyre_error *err)
{
    const vyre_allocator *a = &g->v->desc.allocator;
    uint32_t places = 4;
    while (places < 2 * (g->count + 1))
        places *= 2;
    uint32_t *table = (uint32_t *)vyi_alloc(a, places * sizeof *table);
    if (!table) {
        vyi_fail_nomem(err, places * sizeof *table);
        return false;
    }
    memset(table, 0, places * sizeof *table);
    vyi_graph_link(g, table, places - 1);
    vyi_free(a, table, places * sizeof *table);
    return true;
}

VYI_COLD
VYRE_API vyre_graph *vyre_graph_make(vyre *v, const vyre_node *nodes, uint32_t count,
                                     vyre_error *err)
{
    uint64_t edges = 0;
    if (vyi_graph_check(v, nodes, count, &edges, err) != VYRE_OK)
        return NULL;
    vyre_graph *g = vyi_graph_allocate(v, count, (uint32_t)edges + count, err);
    if (!g)
        return NULL;
    vyi_graph_fill(g, nodes);
    if (vyi_graph_join(g, err))
        return g;
    vyi_graph_give_back(g);
    return NULL;
}

/* --- ends -------------------------------------------------------------------- */

static void vyi_graph_list_begin(vyre_graph *g)
{
    memset(g->open, 0, ((size_t)g->slots + 1) * sizeof *g->open);
    g->open[g->slots].before = g->open[g->slots].after = g->look = g->slots;
}

static void vyi_graph_list_put(vyre_graph *g, uint32_t slot, uint32_t node)
{
    vyi_graph_slot *end = &g->open[g->slots];
    VYRE_ASSERT(slot < g->slots && !g->open[slot].node);
    g->open[slot].node = node + 1;
    g->open[slot].before = end->before;
    g->open[slot].after = g->slots;
    g->open[end->before].after = slot;
    end->before = slot;
}

static void vyi_graph_list_take(vyre_graph *g, uint32_t slot)
{
    vyi_graph_slot *o = &g->open[slot];
    VYRE_ASSERT(slot < g->slots && o->node);
    g->open[o->before].after = o->after;
    g->open[o->after].before = o->before;
    g->look = g->look == slot ? o->after : g->look;
    o->node = 0;
}

/* Whether the node in this slot has ended; then the slot is let go. */
static bool vyi_graph_collect(vyre_graph *g, uint32_t slot, bool *lost)
{
    vyi_queue *q = &g->v->queue;
    vyi_node *n = &g->nodes[g->open[slot].node - 1];
    uint32_t code = 0;
    if (vyi_slot_waits(q, slot))
        return false;
    const vyre_status status = vyi_ticket_look(q, n->ticket, &code);
    if (status == VYRE_PAUSED)
        vyi_task_take_back(q, n->ticket);
    if (vyi_status_is_open(status))
        return false;
    *lost = *lost || status == VYRE_E_LOST;
    if (status != VYRE_E_STALE) /* then the slot was let go, and nobody knows */
        n->state = status == VYRE_OK ? VYI_NODE_WELL : VYI_NODE_BAD;
    n->code = code;
    vyi_ticket_drop(q, n->ticket);
    vyi_graph_list_take(g, slot);
    return true;
}

/* From that slot on, until `most` have been found open, or the list ends; where, and how
 * many have ended. */
static uint32_t vyi_graph_look(vyre_graph *g, uint32_t slot, uint32_t most, bool *lost,
                               uint32_t *ended)
{
    for (uint32_t open = 0; slot != g->slots && open < most;) {
        const uint32_t after = g->open[slot].after;
        const bool gone = vyi_graph_collect(g, slot, lost);
        *ended += gone;
        open += !gone;
        slot = after;
    }
    return slot;
}

#define VYI_GRAPH_FEW 16u /* open slots of a look */

/* How many have ended, of some.  The oldest node waits for nobody, and what ends mostly
 * does so in its order: so looks begin there, and also go through all the others by and
 * by.  What they cost is what has ended, and a few. */
static uint32_t vyi_graph_sweep(vyre_graph *g, bool *lost)
{
    uint32_t ended = 0;
    (void)vyi_graph_look(g, g->open[g->slots].after, VYI_GRAPH_FEW, lost, &ended);
    if (g->look == g->slots)
        g->look = g->open[g->slots].after;
    g->look = vyi_graph_look(g, g->look, VYI_GRAPH_FEW, lost, &ended);
    return ended;
}

/* Of all. */
static void vyi_graph_sweep_all(vyre_graph *g, bool *lost)
{
    uint32_t ended = 0;
    (void)vyi_graph_look(g, g->open[g->slots].after, g->slots, lost, &ended);
}

static bool vyi_graph_lost_device(const vyre_graph *g)
{
    return vyi_load_acquire(&g->v->queue.loss.count) != g->losses;
}

static vyre_status vyi_graph_is_lost(vyre_error *err)
{
    return vyi_fail(err, VYRE_E_LOST, 0, "Publish the graph again, or set lost_work to RERUN.",
                    "a device was lost while the graph ran");
}

/* --- publishing ---------------------------------------------------------------- */

static vyre_status vyi_graph_put(vyre_graph *g, const vyre_work *work, vyi_receipt *r,
                                 vyre_error *err)
{
    vyi_queue *q = &g->v->queue;
    return vyi_publish_one(q, &q->slots.pool, work, r, err);
}

/* Of a node that was published: the event that it signals, in use once more, else NONE
 * or BAD.  VYRE_FULL: it has none, and must end first. */
static vyre_status vyi_node_event(vyre_graph *g, const vyi_node *n, uint32_t *event)
{
    VYRE_ASSERT(n->state != VYI_NODE_AHEAD);
    *event = n->state == VYI_NODE_BAD ? VYI_EVENT_BAD : VYI_EVENT_NONE;
    if (n->state != VYI_NODE_RING)
        return VYRE_OK;
    const bool there = vyi_event_find(&g->v->queue, n->ticket, event);
    VYRE_ASSERT(there); /* its slot is kept */
    return there && *event ? VYRE_OK : VYRE_FULL;
}

/* Hands the end of each predecessor that does not signal the meeting itself on to it.
 * What comes between two calls is kept in `relayed`. */
static vyre_status vyi_meeting_relay(vyre_graph *g, vyi_meeting *m, const vyre_work *of,
                                     vyre_error *err)
{
    vyre_status status = VYRE_OK;
    for (; m->relayed < m->count && status == VYRE_OK; m->relayed += status == VYRE_OK) {
        const vyi_node *n = &g->nodes[g->edges[m->first + m->relayed]];
        vyre_work nothing;
        vyi_receipt r;
        if (n->told)
            continue;
        memset(&nothing, 0, sizeof nothing);
        memset(&r, 0, sizeof r);
        nothing.tenant = of->tenant;
        nothing.priority = of->priority;
        r.relay = true;
        r.signal = m->event;
        r.run = g->losses + 1;
        status = vyi_node_event(g, n, &r.wait);
        if (status == VYRE_OK)
            status = vyi_graph_put(g, &nothing, &r, err);
        vyi_event_forget(&g->v->queue, r.wait);
    }
    return status;
}

/* How many of the predecessors are in the ring, and one of them; whether one is bad. */
static uint32_t vyi_node_waits_for(const vyre_graph *g, const vyi_node *n, const vyi_node **one,
                                   bool *bad)
{
    uint32_t waits = 0;
    for (uint32_t e = 0; e < n->count; e++) {
        const vyi_node *before = &g->nodes[g->edges[n->first + e]];
        *bad = *bad || before->state == VYI_NODE_BAD;
        if (before->state == VYI_NODE_RING) {
            waits++;
            *one = before;
        }
    }
    return waits;
}

/* What the node is to wait for, in use for it.  VYRE_FULL: not yet. */
static vyre_status vyi_node_prepare(vyre_graph *g, const vyi_node *n, uint32_t *wait,
                                    vyre_error *err)
{
    vyi_queue *q = &g->v->queue;
    vyi_meeting *m = n->meeting == VYI_MEETING_NONE ? NULL : &g->meetings[n->meeting];
    const vyi_node *one = NULL;
    bool bad = false;
    if (!m || !m->event) {
        const uint32_t waits = vyi_node_waits_for(g, n, &one, &bad);
        *wait = bad ? VYI_EVENT_BAD : VYI_EVENT_NONE;
        if (bad || waits == 0)
            return VYRE_OK;
        if (waits == 1 && !one->told)
            return vyi_node_event(g, one, wait);
        m->event = vyi_event_gather(q, m->count);
        if (!m->event)
            return VYRE_FULL;
    }
    const vyre_status status = vyi_meeting_relay(g, m, &n->work, err);
    *wait = m->event;
    vyi_event_use(q, *wait);
    return status;
}

/* What the node signals: a meeting, if that has an event or can have one. */
static void vyi_node_direct(vyre_graph *g, const vyi_node *n, vyi_receipt *r)
{
    r->named = n->signals == VYI_MEETING_NONE;
    if (r->named)
        return;
    vyi_meeting *m = &g->meetings[n->signals];
    if (!m->event)
        m->event = vyi_event_gather(&g->v->queue, m->count);
    r->signal = m->event;
    r->named = m->event == 0;
}

/* Nobody waits for it any more but those that are in the ring. */
static void vyi_meeting_end(vyre_graph *g, vyi_meeting *m)
{
    if (m->event)
        vyi_event_release(&g->v->queue, m->event);
    m->event = 0;
}

static vyre_status vyi_node_publish(vyre_graph *g, vyi_node *n, bool keep, vyre_error *err)
{
    const bool is_end = n == &g->nodes[g->count];
    vyi_receipt r;
    memset(&r, 0, sizeof r);
    vyre_status status = vyi_node_prepare(g, n, &r.wait, err);
    if (status == VYRE_OK) {
        vyi_node_direct(g, n, &r);
        r.keep = keep;
        r.relay = is_end;
        r.run = g->losses + 1;
        status = vyi_graph_put(g, &n->work, &r, err);
    }
    vyi_event_forget(&g->v->queue, r.wait);
    if (status != VYRE_OK)
        return status;
    n->ticket = r.ticket;
    n->told = r.signal != 0;
    n->state = VYI_NODE_RING;
    if (!is_end)
        vyi_graph_list_put(g, VYI_TICKET_SLOT(n->ticket), (uint32_t)(n - g->nodes));
    if (n->meeting != VYI_MEETING_NONE && --g->meetings[n->meeting].left == 0)
        vyi_meeting_end(g, &g->meetings[n->meeting]);
    return VYRE_OK;
}

/* --- a run --------------------------------------------------------------------- */

static void vyi_run_of_graph_begin(vyre_graph *g)
{
    for (uint32_t i = 0; i <= g->count; i++) {
        g->nodes[i].state = VYI_NODE_AHEAD;
        g->nodes[i].told = 0;
        g->nodes[i].code = 0;
    }
    for (uint32_t i = 0; i < g->meeting_count; i++) {
        g->meetings[i].event = g->meetings[i].relayed = 0;
        g->meetings[i].left = g->meetings[i].nodes;
    }
    vyi_graph_list_begin(g);
    g->losses = vyi_load_acquire(&g->v->queue.loss.count);
    g->began = vyi_now();
}

/* Slots are kept while nodes are published, for those that wait for them; not longer,
 * for nobody may ask for the outcome. */
static void vyi_run_of_graph_leave(vyre_graph *g)
{
    uint32_t slot = g->open[g->slots].after;
    for (; slot != g->slots; slot = g->open[slot].after)
        vyi_ticket_drop(&g->v->queue, g->nodes[g->open[slot].node - 1].ticket);
    for (uint32_t i = 0; i < g->meeting_count; i++)
        vyi_meeting_end(g, &g->meetings[i]);
}

/* Until there may be room: nodes have ended; or so many turns have gone by as a publish is
 * worth that looks at all slots in vain, for some may be others'. */
static vyre_status vyi_run_of_graph_room(vyre_graph *g, vyi_pace *pace, vyre_error *err)
{
    const uint32_t worth = 1 + g->slots / VYI_GRAPH_FEW;
    const uint32_t turns = worth < VYI_PACE_SPINS ? worth : VYI_PACE_SPINS;
    vyre_status status = VYRE_OK;
    uint32_t ended = 0;
    bool lost = false;
    for (uint32_t turn = 0; turn < turns && !ended && status == VYRE_OK && !lost; turn++) {
        ended = vyi_graph_sweep(g, &lost);
        if (ended)
            *pace = vyi_pace_begin(g->v->desc.run_timeout_ns);
        else
            status = vyi_pace_turn(&g->v->queue, pace, err);
        lost = lost || vyi_graph_lost_device(g);
    }
    return lost ? vyi_graph_is_lost(err) : status;
}

/* All nodes, in order. */
static vyre_status vyi_run_of_graph_publish(vyre_graph *g, bool keep, vyre_error *err)
{
    vyi_pace pace = vyi_pace_begin(g->v->desc.run_timeout_ns);
    vyre_status status = VYRE_OK;
    for (uint32_t i = 0; i <= g->count && status == VYRE_OK;) {
        status = vyi_node_publish(g, &g->nodes[i], keep || i < g->count, err);
        i += status == VYRE_OK;
        if (status == VYRE_FULL)
            status = vyi_run_of_graph_room(g, &pace, err);
        if (vyi_status_is_loss(status) && vyi_queue_is_mended(&g->v->queue) &&
            vyi_graph_lost_device(g))
            status = vyi_graph_is_lost(err);
        if (status == VYRE_TIMEOUT)
            return vyi_fail(err, status, i, "Raise run_timeout_ns, or see what blocks the works.",
                            "node %u of %u found no slot within %llu ms, and no node has ended", i,
                            g->count,
                            (unsigned long long)(g->v->desc.run_timeout_ns / 1000000u));
    }
    /* Once the end is in the ring, a loss ends that. */
    return status == VYRE_OK && vyi_graph_lost_device(g) ? vyi_graph_is_lost(err) : status;
}

/* As vyi_ticket_wait, for the node that ends with all.  Nodes that pause are seen
 * meanwhile. */
static vyre_status vyi_run_of_graph_await(vyre_graph *g, vyi_pace *pace, uint32_t *code,
                                          vyre_error *err)
{
    vyi_queue *q = &g->v->queue;
    const vyre_ticket end = g->nodes[g->count].ticket;
    vyre_status status, turn = VYRE_OK;
    bool lost = false;
    while ((status = vyi_ticket_look(q, end, code)) == VYRE_PENDING && turn == VYRE_OK) {
        if (g->v->desc.kernel.tasks)
            (void)vyi_graph_sweep(g, &lost);
        turn = vyi_pace_turn(q, pace, err);
    }
    return status == VYRE_PENDING ? turn : status;
}

/* Waits for the end of the last run.  An end that was seen before a device was lost
 * stands. */
static vyre_status vyi_run_of_graph_end(vyre_graph *g, uint64_t timeout_ns, vyre_error *err)
{
    vyi_pace pace = vyi_pace_begin(timeout_ns);
    uint32_t code = 0;
    bool lost = false;
    const vyre_status status = vyi_run_of_graph_await(g, &pace, &code, err);
    if (status == VYRE_E_LOST || ((status == VYRE_E_FAULT || status == VYRE_E_STALE) &&
                                  vyi_graph_lost_device(g)))
        return vyi_graph_is_lost(err);
    if (status != VYRE_OK && status != VYRE_E_FAULT && status != VYRE_E_STALE)
        return vyi_ticket_explain(err, status, g->nodes[g->count].ticket, code);
    vyi_graph_sweep_all(g, &lost);
    for (uint32_t i = 0; lost && i < g->count; i++) /* nobody had seen their ends */
        g->nodes[i].state = VYI_NODE_WELL;
    return VYRE_OK;
}

/* The whole graph, once more for each device that is lost meanwhile, if works run again
 * then. */
static vyre_status vyi_graph_run(vyre_graph *g, bool keep, vyre_error *err)
{
    vyre_status status;
    do {
        vyi_run_of_graph_begin(g);
        status = vyi_run_of_graph_publish(g, keep, err);
        vyi_run_of_graph_leave(g);
    } while (status == VYRE_E_LOST && g->v->desc.lost_work == VYRE_LOST_RERUN);
    g->published = status == VYRE_OK;
    return status;
}

/* The last run, to its end; likewise.  One that was lost is over. */
static vyre_status vyi_graph_finish(vyre_graph *g, uint64_t timeout_ns, vyre_error *err)
{
    const uint64_t deadline = vyi_deadline(timeout_ns);
    vyre_status status = VYRE_OK;
    while (status == VYRE_OK) {
        const uint64_t now = vyi_now();
        status = vyi_run_of_graph_end(g, now < deadline ? deadline - now : 0, err);
        if (status != VYRE_E_LOST)
            break;
        g->published = false;
        if (g->v->desc.lost_work == VYRE_LOST_RERUN)
            status = vyi_graph_run(g, false, err);
    }
    return status;
}

VYRE_API vyre_status vyre_graph_publish(vyre_graph *g, vyre_ticket *end, vyre_error *err)
{
    if (!g)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Test what vyre_graph_make returns.",
                        "the graph is NULL");
    vyi_queue *q = &g->v->queue;
    vyre_status status = vyi_queue_takes_work(q, err);
    if (status == VYRE_OK && g->published)
        status = vyi_graph_finish(g, g->v->desc.run_timeout_ns, err);
    if (status == VYRE_OK)
        status = vyi_graph_run(g, vyi_receipt_for(q, end).keep, err);
    if (status == VYRE_OK && end)
        *end = g->nodes[g->count].ticket;
    return status;
}

/* --- waiting -------------------------------------------------------------------- */

static void vyi_graph_count(const vyre_graph *g, vyre_stats *s, uint32_t *first)
{
    *first = VYI_NODE_NONE;
    for (uint32_t i = g->count; i-- > 0;) {
        const vyi_node *n = &g->nodes[i];
        s->done += n->state == VYI_NODE_WELL;
        s->faults += n->state == VYI_NODE_BAD;
        if (n->state == VYI_NODE_BAD && (n->code != VYRE_FAULT_AFTER || *first == VYI_NODE_NONE))
            *first = i;
    }
}

VYRE_API vyre_status vyre_graph_wait(vyre_graph *g, uint64_t timeout_ns, vyre_stats *stats,
                                     vyre_error *err)
{
    if (!g)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Test what vyre_graph_make returns.",
                        "the graph is NULL");
    if (!g->published)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Publish it first.",
                        "no run of the graph has been published, or the last one failed");
    const vyre_status status = vyi_graph_finish(g, timeout_ns, err);
    if (status != VYRE_OK)
        return status;
    vyre_stats s;
    uint32_t first = 0;
    memset(&s, 0, sizeof s);
    vyi_graph_count(g, &s, &first);
    s.latency_ns = vyi_now() - g->began;
    if (stats)
        *stats = s;
    if (first == VYI_NODE_NONE)
        return VYRE_OK;
    const uint32_t code = g->nodes[first].code;
    vyi_fail(err, VYRE_E_FAULT, first, vyi_fault_fix(code),
             "%u of %u nodes ended FAULT; the first by itself is node %u (fault %u: %s)",
             (unsigned)s.faults, g->count, first, code, vyre_fault_text(code));
    if (err)
        err->native = (int32_t)code;
    return VYRE_E_FAULT;
}

VYI_COLD
VYRE_API void vyre_graph_free(vyre_graph *g)
{
    if (g)
        vyi_graph_give_back(g);
}

#endif /* VYRE_NO_GRAPH */

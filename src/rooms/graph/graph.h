/* ==========================================================================
 * graph: many works and what each runs after, published as one
 *
 * Public.  A node names earlier nodes.  The works go through the ring in the order of
 * the nodes, whatever its size, and each waits on the device for those it names
 * (docs/order.md).
 *
 *     vyre_node nodes[3] = ...;
 *     const uint32_t both[2] = { 0, 1 };
 *     nodes[2].after = both;
 *     nodes[2].after_count = 2;
 *     vyre_graph *g = vyre_graph_make(v, nodes, 3, &err);
 *     vyre_graph_publish(g, &end, &err);       as often as wanted
 *     vyre_graph_wait(g, 1000000000, &stats, &err);
 *
 * Calls on one graph come one at a time; graphs know nothing of each other.
 * ======================================================================= */
#ifndef VYI_GRAPH_H
#define VYI_GRAPH_H

#include "engine/engine.h"

#ifndef VYRE_NO_GRAPH

VYI_EXTERN_C_BEGIN

typedef struct vyre_node {
    vyre_work       work;
    const uint32_t *after; /* indexes of earlier nodes */
    uint32_t        after_count;
} vyre_node;

typedef struct vyre_graph vyre_graph;

#define VYRE_MAX_NODES 0x1000000u
#define VYRE_MAX_EDGES 0x4000000u

/* Copies the nodes.  NULL, and err->at is the node: a work that vyre_publish would refuse,
 * a node that names itself or a later one (all circles do), too many.  Needs
 * vyre_desc.events.  The handle outlives the graph. */
VYRE_API vyre_graph *vyre_graph_make(vyre *v, const vyre_node *nodes, uint32_t count,
                                     vyre_error *err);
/* Publishes every node once.  Returns when all are in the ring or have ended, so a graph
 * that is larger than the ring is refilled meanwhile, for as long as works end within
 * vyre_desc.run_timeout_ns of each other.  A run begins when the one before has ended.
 * `end`, which may be NULL, ends when all nodes have: FAULT(VYRE_FAULT_AFTER) when one
 * of them did not end well.  On failure what has been published goes on, and is nobody's.
 * A device that is lost meanwhile takes the whole run with it, and `end`: it is published
 * once more, here or in vyre_graph_wait, if desc.lost_work is RERUN.  Otherwise VYRE_E_LOST,
 * from whichever is called next, and that run is over. */
VYRE_API vyre_status vyre_graph_publish(vyre_graph *g, vyre_ticket *end, vyre_error *err);
/* Waits for the end of the last run.  VYRE_E_FAULT: nodes ended FAULT; err->at is the
 * first of them in the order of the nodes that did so by itself, and err->native its
 * vyre_fault.  `stats` counts nodes that ended well and FAULT. */
VYRE_API vyre_status vyre_graph_wait(vyre_graph *g, uint64_t timeout_ns, vyre_stats *stats,
                                     vyre_error *err);
/* What is in the ring goes on.  NULL is allowed. */
VYRE_API void vyre_graph_free(vyre_graph *g);

VYI_EXTERN_C_END

#endif /* VYRE_NO_GRAPH */
#endif

/* See model.h. */
#include "model.h"

#include "vyre.h"

#include <stddef.h>

enum { MODEL_MAX_LANES = 64, MODEL_LEVELS = 5 };

/* The operation that runs, and how its slot will end. */
typedef struct model_slot {
    uint32_t index;
    uint32_t opcode;
    uint32_t first_arg, args; /* the operation's own words in the ring */
    uint32_t fault;
    bool     requeue, packed;
    uint32_t found; /* by the atomic of a STORE_U32 or ATOMIC_ADD */
} model_slot;

/* --- words --------------------------------------------------------------- */

static uint32_t model_get(model_words w, uint32_t i)
{
    return i < w.count ? w.at[i] : 0;
}

static void model_set(model_words w, uint32_t i, uint32_t value)
{
    if (i < w.count)
        w.at[i] = value;
}

static void model_add(model_words w, uint32_t i, uint32_t value)
{
    model_set(w, i, model_get(w, i) + value);
}

static uint32_t model_slots(const model *m)
{
    return m->ring.count / 16;
}

static uint32_t model_arg(const model *m, const model_slot *s, uint32_t i)
{
    return i < s->args ? model_get(m->ring, s->first_arg + i) : 0;
}

/* --- operations ---------------------------------------------------------- */

/* Whether control[i] may be written; else the fault is noted. */
static bool model_may_write(const model *m, model_slot *s, uint32_t i)
{
    if (i >= m->control.count)
        s->fault = VYRE_FAULT_INDEX;
    else if (i < 160 && !m->open_header)
        s->fault = VYRE_FAULT_HEADER;
    return s->fault == 0;
}

static bool model_is_observable(const model *m, uint32_t i)
{
    return (uint64_t)160 + i < m->control.count;
}

static void model_observe(model *m, uint32_t i, uint32_t value)
{
    if (model_is_observable(m, i))
        m->control.at[160 + i] = value;
}

static void model_load_u32(model *m, model_slot *s, uint32_t from, uint32_t to)
{
    if (from >= m->control.count || !model_is_observable(m, to))
        s->fault = VYRE_FAULT_INDEX;
    else
        model_observe(m, to, m->control.at[from]);
}

static void model_compare_swap(model *m, model_slot *s, uint32_t i, uint32_t from, uint32_t to)
{
    if (!model_may_write(m, s, i))
        return;
    const uint32_t before = m->control.at[i];
    if (before == from)
        m->control.at[i] = to;
    model_observe(m, i, before);
}

static void model_memcpy(model *m, model_slot *s, uint32_t from, uint32_t to, uint32_t count)
{
    const uint64_t length = m->control.count;
    if ((uint64_t)from + count > length || (uint64_t)to + count > length) {
        s->fault = VYRE_FAULT_INDEX;
        return;
    }
    if (count && to < 160 && !m->open_header) {
        s->fault = VYRE_FAULT_HEADER;
        return;
    }
    uint32_t copy[4096];
    for (uint32_t i = 0; i < count && i < 4096; i++)
        copy[i] = m->control.at[from + i];
    for (uint32_t i = 0; i < count && i < 4096; i++)
        m->control.at[to + i] = copy[i];
}

static void model_dfa_step(model *m, model_slot *s, uint32_t state, uint32_t symbol, uint32_t to)
{
    const uint64_t i = (uint64_t)state * 256 + symbol;
    if (!m->table.at || i >= m->table.count)
        s->fault = VYRE_FAULT_TABLE;
    else if (!model_is_observable(m, to))
        s->fault = VYRE_FAULT_INDEX;
    else
        model_observe(m, to, m->table.at[i]);
}

static void model_printf(model *m, const model_slot *s)
{
    const uint32_t records = m->log.count ? (m->log.count - 1) / 4 : 0;
    const uint32_t cursor = model_get(m->log, 0);
    if (records == 0 || cursor > 4 * records - 4) {
        model_add(m->control, 142, 1);
        return;
    }
    for (uint32_t i = 0; i < 3; i++)
        model_set(m->log, cursor + 1 + i, model_arg(m, s, i));
    model_set(m->log, cursor + 4, 16 * s->index);
    model_set(m->log, 0, cursor + 4);
}

static uint32_t model_io_slots(const model *m)
{
    const uint32_t slots = m->io.count / 8;
    return slots < 64 ? slots : 64;
}

/* Nobody answers: the request stays PUBLISHED. */
static void model_load_miss(model *m, model_slot *s, uint32_t resource)
{
    for (uint32_t i = 0; i < model_io_slots(m); i++) {
        uint32_t *q = m->io.at + 8 * i;
        if (q[6] != VYRE_IO_EMPTY)
            continue;
        q[0] = VYRE_IO_READ;
        q[1] = q[2] = q[7] = resource;
        q[3] = q[4] = q[5] = 0;
        q[6] = VYRE_IO_PUBLISHED;
        const uint32_t before = model_get(m->control, 159);
        if (m->counts_io)
            model_add(m->control, 159, 2);
        if (m->mirror.at)
            model_set(m->mirror, m->ring.count / 16 + 32 + i, before | 1);
        s->fault = VYRE_FAULT_IO_TIMEOUT;
        return;
    }
    if (m->once)
        s->fault = VYRE_FAULT_IO_FULL;
    else
        s->requeue = true;
}

/* --- the samples --------------------------------------------------------- */

static void model_result(model *m, const model_slot *s, uint32_t word, uint32_t value)
{
    if (word < s->args)
        model_set(m->ring, s->first_arg + word, value);
}

static void model_fault(model_slot *s, uint32_t code)
{
    if (s->fault == 0)
        s->fault = code ? code : VYRE_FAULT_USER;
}

static void model_small(model *m, const model_slot *s)
{
    const uint32_t product = model_arg(m, s, 0) * model_arg(m, s, 4);
    model_add(m->control, MODEL_SHARED, model_arg(m, s, 0) + model_arg(m, s, 3));
    model_result(m, s, 1, product);
}

static void model_faulty(model *m, model_slot *s)
{
    model_result(m, s, 0, s->opcode);
    if (model_arg(m, s, 1) & 1) {
        model_fault(s, model_arg(m, s, 2));
        model_fault(s, 0x999);
    }
}

/* A loop of its own, and every argument. */
static void model_large(model *m, const model_slot *s, uint32_t tenant)
{
    uint32_t sum = tenant + 16 * s->index;
    for (uint32_t i = 0; i < 12; i++)
        sum += (i + 1) * model_arg(m, s, i);
    for (uint32_t i = 0; i < (model_arg(m, s, 0) & 7); i++)
        sum = sum * 3 + i;
    model_add(m->control, MODEL_SHARED, sum);
    model_result(m, s, 11, sum);
}

static void model_payload(model *m, model_slot *s)
{
    const uint32_t value = model_arg(m, s, 0) + 2 * model_arg(m, s, 1) + s->opcode;
    const uint32_t last = model_arg(m, s, 11);
    model_add(m->control, MODEL_SHARED, value);
    model_result(m, s, 3, value ^ last);
    if (value & 1)
        model_fault(s, VYRE_FAULT_USER + (value & 0xff));
}

/* --- works of many lanes -------------------------------------------------- */

static bool model_is_wide(const model *m, uint32_t opcode)
{
    return m->widths && (m->kind == MODEL_JIT || opcode == MODEL_OP_RANGE ||
                         opcode == MODEL_OP_TILES);
}

static void model_range(model *m, model_slot *s)
{
    const uint32_t to = model_arg(m, s, 1);
    uint32_t sum = 0, least = UINT32_MAX, flips = 0;
    for (uint32_t i = model_arg(m, s, 0); i < to; i++) {
        const uint32_t x = i * model_arg(m, s, 2) + model_arg(m, s, 3);
        model_add(m->control, MODEL_SHARED + i % MODEL_SHARES, x);
        sum += x;
        least = x < least ? x : least;
        flips ^= x;
        if (i == model_arg(m, s, 7))
            model_fault(s, model_arg(m, s, 8));
    }
    model_result(m, s, 4, sum);
    model_result(m, s, 5, least);
    model_result(m, s, 6, flips);
}

/* Word 11 is where a fault's code goes, too, and that comes last. */
static void model_tiles(model *m, model_slot *s)
{
    const uint32_t tiles = model_arg(m, s, 0), factor = model_arg(m, s, 2);
    uint32_t sum = 0;
    for (uint32_t t = 0; t < tiles; t++) {
        model_add(m->control, MODEL_SHARED + t % MODEL_SHARES, t * factor);
        sum += t;
        if (t == model_arg(m, s, 7))
            model_fault(s, model_arg(m, s, 8));
    }
    if (tiles)
        model_result(m, s, 4, factor ^ model_arg(m, s, 3));
    model_result(m, s, 5, sum);
    model_result(m, s, 11, tiles);
}

/* --- a slot -------------------------------------------------------------- */

static void model_write(model *m, model_slot *s, uint32_t index, uint32_t value, bool adds)
{
    if (!model_may_write(m, s, index))
        return;
    s->found = m->control.at[index];
    m->control.at[index] = adds ? s->found + value : value;
}

static void model_dispatch(model *m, model_slot *s, uint32_t tenant)
{
    const uint32_t a0 = model_arg(m, s, 0), a1 = model_arg(m, s, 1), a2 = model_arg(m, s, 2);
    if (s->opcode < 32)
        model_add(m->control, 96 + s->opcode, 1);
    switch (s->opcode) {
    case VYRE_OP_NOP: break;
    case VYRE_OP_STORE_U32: model_write(m, s, a1, a0, false); break;
    case VYRE_OP_ATOMIC_ADD: model_write(m, s, a1, a0, true); break;
    case VYRE_OP_LOAD_U32: model_load_u32(m, s, a0, a1); break;
    case VYRE_OP_COMPARE_SWAP: model_compare_swap(m, s, a0, a1, a2); break;
    case VYRE_OP_MEMCPY: model_memcpy(m, s, a0, a1, a2); break;
    case VYRE_OP_DFA_STEP: model_dfa_step(m, s, a0, a1, a2); break;
    case VYRE_OP_BATCH_FENCE: model_add(m->control, 128, 1); model_observe(m, 0, a1); break;
    case VYRE_OP_PRINTF: model_printf(m, s); break;
    case VYRE_OP_SHUTDOWN: model_set(m->control, 0, 1); break;
    case MODEL_OP_SMALL: model_small(m, s); break;
    case MODEL_OP_FAULT: model_faulty(m, s); break;
    case MODEL_OP_LARGE: model_large(m, s, tenant); break;
    case VYRE_OP_LOAD_MISS:
        if (m->load_miss) {
            model_load_miss(m, s, a0);
            break;
        }
        s->fault = VYRE_FAULT_OPCODE;
        break;
    default:
        s->fault = s->packed && model_is_wide(m, s->opcode) ? VYRE_FAULT_PACKED
                                                            : VYRE_FAULT_OPCODE;
        break;
    }
}

/* The payload's bytes: count, argument words, then opcode and offset of each. */
static uint32_t model_byte(const model *m, const model_slot *s, uint32_t i)
{
    return model_get(m->ring, 16 * s->index + 4 + i / 4) >> (8 * (i % 4)) & 0xff;
}

static void model_packed(model *m, model_slot *s, uint32_t tenant)
{
    const uint32_t count = model_byte(m, s, 0), metadata = (2 + 2 * count + 3) / 4;
    if (metadata > 12 || model_byte(m, s, 1) > 12 - metadata) {
        s->fault = VYRE_FAULT_PACKED;
        return;
    }
    const uint32_t words = model_byte(m, s, 1) ? model_byte(m, s, 1) : 12 - metadata;
    uint32_t offset[25], opcode[25];
    for (uint32_t i = 0; i < count; i++) {
        opcode[i] = model_byte(m, s, 2 + 2 * i);
        offset[i] = model_byte(m, s, 3 + 2 * i);
        if (offset[i] > words || (i && offset[i] < offset[i - 1])) {
            s->fault = VYRE_FAULT_PACKED;
            return;
        }
    }
    offset[count] = words;
    s->packed = true;
    for (uint32_t i = 0; i < count && s->fault == 0; i++) {
        s->opcode = opcode[i];
        s->first_arg = 16 * s->index + 4 + metadata + offset[i];
        s->args = offset[i + 1] - offset[i];
        model_dispatch(m, s, tenant);
    }
    s->found = 0; /* more than one, or none */
}

static void model_end(model *m, const model_slot *s)
{
    const uint32_t base = 16 * s->index;
    if (s->requeue) {
        m->ring.at[base] = VYRE_SLOT_REQUEUE;
        model_add(m->control, 146, 1);
        return;
    }
    const uint32_t status = s->fault ? VYRE_SLOT_FAULTED : VYRE_SLOT_DONE;
    if (s->fault)
        m->ring.at[base + 15] = s->fault;
    m->ring.at[base] = status;
    if (m->mirror.at)
        model_set(m->mirror, s->index, status | (m->whole && !s->fault ? s->found : s->fault) << 8);
    model_add(m->control, s->fault ? 141 : 1, 1);
}

static bool model_is_cancelled(const model *m, uint32_t index)
{
    return m->cancel.at && model_get(m->cancel, index) != 0;
}

static void model_serve(model *m, uint32_t index)
{
    const uint32_t *slot = m->ring.at + 16 * index;
    model_slot s = { index, slot[1], 16 * index + 4, 12, 0, false, false, 0 };
    const uint32_t tenant = slot[2];
    if (model_is_cancelled(m, index))
        s.fault = VYRE_FAULT_CANCELLED;
    else if (m->kind == MODEL_JIT)
        model_payload(m, &s);
    else if (s.opcode == VYRE_OP_PACKED_SLOT)
        model_packed(m, &s, tenant);
    else
        model_dispatch(m, &s, tenant);
    model_end(m, &s);
}

static void model_serve_wide(model *m, uint32_t index)
{
    model_slot s = { index, m->ring.at[16 * index + 1], 16 * index + 4, 12, 0, false, false, 0 };
    if (s.opcode < 32 && m->kind != MODEL_JIT)
        model_add(m->control, 96 + s.opcode, 1);
    if (m->kind != MODEL_JIT && s.opcode == MODEL_OP_TILES)
        model_tiles(m, &s);
    else
        model_range(m, &s);
    model_end(m, &s);
}

/* --- claims -------------------------------------------------------------- */

static bool model_claims(const model *m, uint32_t index)
{
    const uint32_t status = m->ring.at[16 * index], tenant = m->ring.at[16 * index + 2];
    const bool resumes = m->kind == MODEL_PRIORITY || (m->load_miss && !m->once);
    if (status != VYRE_SLOT_PUBLISHED &&
        !(resumes && (status == VYRE_SLOT_YIELD || status == VYRE_SLOT_REQUEUE)))
        return false;
    return tenant < 29 &&
           (model_get(m->control, 3 + tenant) != 0 || model_is_cancelled(m, index));
}

static void model_pass(model *m, uint32_t first_lane)
{
    const uint32_t slots = model_slots(m);
    for (uint32_t turn = 0; turn * m->lanes < slots; turn++)
        for (uint32_t i = 0; i < m->group; i++) {
            const uint32_t slot = first_lane + i + turn * m->lanes;
            if (slot < slots && model_claims(m, slot))
                model_serve(m, slot);
        }
}

/* What a lane of a one-pass kernel goes on behind, without leaving its loop. */
static bool model_is_common(const model *m, uint32_t index)
{
    const uint32_t *slot = m->ring.at + 16 * index;
    const bool writes = slot[1] == VYRE_OP_STORE_U32 || slot[1] == VYRE_OP_ATOMIC_ADD;
    if (model_is_cancelled(m, index))
        return false;
    return slot[1] == VYRE_OP_NOP ||
           (writes && slot[5] < m->control.count && (m->open_header || slot[5] >= 160));
}

/* The next slots of the lanes, until each has found a claim that is not common
 * (found[i] < slots) or no more slots. */
static bool model_common_run(model *m, uint32_t first_lane, uint32_t *turn, uint32_t *found)
{
    const uint32_t slots = model_slots(m);
    bool active = true, waits = false;
    for (uint32_t i = 0; i < m->group; i++)
        found[i] = slots;
    while (active) {
        active = false;
        for (uint32_t i = 0; i < m->group; i++) {
            const uint32_t slot = first_lane + i + turn[i] * m->lanes;
            if (found[i] < slots || slot >= slots)
                continue;
            active = true;
            turn[i]++;
            if (!model_claims(m, slot))
                continue;
            if (model_is_common(m, slot))
                model_serve(m, slot);
            else
                found[i] = slot;
            waits = waits || found[i] < slots;
        }
    }
    return waits;
}

static void model_single_pass(model *m, uint32_t first_lane)
{
    uint32_t turn[MODEL_MAX_LANES] = { 0 }, found[MODEL_MAX_LANES];
    while (model_common_run(m, first_lane, turn, found))
        for (uint32_t i = 0; i < m->group; i++)
            if (found[i] < model_slots(m))
                model_serve(m, found[i]);
}

static uint32_t model_bound(const model *m, uint32_t i)
{
    const uint32_t bound = model_get(m->control, 129 + i), slots = model_slots(m);
    return bound < slots ? bound : slots;
}

typedef struct model_scan {
    bool     forced, fair, claimed;
    uint32_t turn, level, slot;
} model_scan;

/* Lower ones first if it is their turn: NORMAL, LOW and IDLE begin by turns. */
static uint32_t model_level(const model_scan *scan, uint32_t step)
{
    static const uint32_t orders[4][MODEL_LEVELS] = {
        { 2, 3, 4, 0, 1 }, { 3, 4, 2, 0, 1 }, { 4, 2, 3, 0, 1 }, { 0, 1, 2, 3, 4 }
    };
    return orders[scan->fair ? scan->turn : scan->forced ? 0 : 3][step];
}

static void model_search(model *m, uint32_t lane, model_scan *scan)
{
    scan->claimed = false;
    for (uint32_t step = 0; step < MODEL_LEVELS && !scan->claimed; step++) {
        const uint32_t level = model_level(scan, step);
        for (uint32_t slot = model_bound(m, level) + lane; slot < model_bound(m, level + 1);
             slot += m->lanes)
            if (model_claims(m, slot)) {
                scan->claimed = true;
                scan->level = level;
                scan->slot = slot;
                m->ring.at[16 * slot] = VYRE_SLOT_CLAIMED;
                break;
            }
    }
}

/* 16 claims above IDLE, and it is the lower ones' turn. */
static void model_settle(model *m, uint32_t i, const model_scan *scan)
{
    if (scan->fair) {
        m->streak[i] = 0;
        m->turn[i] = (m->turn[i] + 1) % 3;
    } else if (scan->claimed) {
        m->streak[i] = scan->level < 4 ? m->streak[i] + 1 : 0;
    }
}

/* False when no lane of the workgroup found anything. */
static bool model_priority_step(model *m, uint32_t first_lane, bool *active)
{
    model_scan scan[MODEL_MAX_LANES];
    bool any = false;
    const bool forced = model_get(m->control, 135) >= 16;
    for (uint32_t i = 0; i < m->group; i++) {
        scan[i].forced = forced;
        scan[i].fair = !m->once && m->streak[i] == 16;
        scan[i].turn = m->turn[i];
        scan[i].claimed = false;
        if (active[i])
            model_search(m, first_lane + i, &scan[i]);
        if (active[i])
            model_settle(m, i, &scan[i]);
        active[i] = active[i] && (scan[i].claimed || !m->once);
        any = any || scan[i].claimed;
    }
    for (uint32_t i = 0; i < m->group; i++)
        if (scan[i].claimed && (forced || scan[i].level >= 2))
            model_set(m->control, 135, 0);
    for (uint32_t i = 0; i < m->group; i++)
        if (scan[i].claimed && scan[i].level < 2)
            model_add(m->control, 135, 1);
    for (uint32_t i = 0; i < m->group; i++)
        if (scan[i].claimed) {
            model_add(m->control, 64 + m->ring.at[16 * scan[i].slot + 2], 1);
            model_add(m->control, 136 + scan[i].level, 1);
            if (!m->once && (forced || scan[i].fair) && scan[i].level >= 3)
                model_add(m->control, 147, 1);
            model_serve(m, scan[i].slot);
        }
    return any;
}

static void model_priority_pass(model *m, uint32_t first_lane)
{
    bool active[MODEL_MAX_LANES];
    for (uint32_t i = 0; i < m->group; i++)
        active[i] = first_lane + i < model_slots(m);
    while (model_priority_step(m, first_lane, active) && m->once)
        continue;
}

/* --- the frame ----------------------------------------------------------- */

static void model_recycle(model *m, uint32_t i)
{
    const uint32_t status = model_get(m->io, 8 * i + 6);
    if (i < model_io_slots(m) && (status == VYRE_IO_OK || status == VYRE_IO_ERROR))
        m->io.at[8 * i + 6] = VYRE_IO_EMPTY;
}

static void model_one_pass(model *m, uint32_t first_lane)
{
    if (m->kind == MODEL_PRIORITY)
        model_priority_pass(m, first_lane);
    else if (m->kind == MODEL_DIRECT && m->once)
        model_single_pass(m, first_lane);
    else
        model_pass(m, first_lane);
}

static void model_once(model *m, uint32_t first_lane)
{
    if (model_get(m->control, 0))
        return;
    model_one_pass(m, first_lane);
    if (m->io_polling && first_lane == 0)
        for (uint32_t i = 0; i < model_io_slots(m); i++)
            model_recycle(m, i);
}

/* SHUTDOWN is looked at in every eighth round. */
static void model_loop(model *m, uint32_t first_lane)
{
    const uint32_t io_slots = model_io_slots(m) ? model_io_slots(m) : 1;
    uint32_t io_next = model_get(m->control, 143) % io_slots;
    for (uint32_t i = 0; i < m->group && i < MODEL_MAX_LANES; i++) {
        m->streak[i] = (first_lane + i + model_get(m->control, 143)) % 17;
        m->turn[i] = model_get(m->control, 143) % 3;
    }
    for (uint32_t round = 0; round < m->rounds; round++) {
        if (round % 8 == 0 && model_get(m->control, 0))
            return;
        if (first_lane == 0)
            model_add(m->control, 143, 1);
        model_one_pass(m, first_lane);
        if (m->io_polling && first_lane == 0) {
            model_recycle(m, io_next);
            io_next = (io_next + 1) % io_slots;
        }
    }
}

/* One lane alone, every slot in turn.  Its heartbeat counts what the test
 * cannot know, and is left out. */
static void model_narrow(model *m)
{
    for (uint32_t slot = 0; slot < model_slots(m) && !model_get(m->control, 0); slot++)
        if (model_claims(m, slot))
            model_serve(m, slot);
}

/* They come before all others, wherever in the ring they are, unless SHUTDOWN has come
 * first. */
static void model_wide_works(model *m)
{
    if (model_get(m->control, 0))
        return;
    for (uint32_t slot = 0; slot < model_slots(m); slot++) {
        const uint32_t *at = m->ring.at + 16 * slot;
        if (at[0] == VYRE_SLOT_PUBLISHED && model_is_wide(m, at[1]) && model_claims(m, slot))
            model_serve_wide(m, slot);
    }
}

void model_run(model *m)
{
    model_wide_works(m);
    if (m->narrow) {
        model_narrow(m);
        return;
    }
    for (uint32_t lane = 0; lane < m->lanes; lane += m->group) {
        if (lane >= model_slots(m))
            break;
        if (m->once)
            model_once(m, lane);
        else
            model_loop(m, lane);
    }
}

/* ==========================================================================
 * scan: rules in one set of arrays
 *
 * Three passes, so that each array is allocated once, at its size: which rules
 * are accepted and alike; the classes of each content; the tables.
 * ======================================================================= */
#include "rooms/scan/scan_impl.h"

#ifndef VYRE_NO_SCAN

#define VYI_RULE_WORDS 5u /* of meta */

typedef struct vyi_rule_place {
    uint32_t reason; /* 0: accepted */
    uint32_t same;   /* the first rule of equal content, maybe itself */
    uint32_t meta[VYI_RULE_WORDS];
} vyi_rule_place;

typedef struct vyi_rule_pack {
    const vyre_rule *rules;
    vyi_rule_place  *places;
    uint32_t        *slots; /* the rule that has the index, or VYI_SCAN_NONE */
    uint32_t        *table; /* of rules with contents that differ */
    uint8_t         *addressed;
    uint32_t         count, mask, contents, rejected;
} vyi_rule_pack;

/* --- which are accepted --------------------------------------------------- */

static vyre_rule_reason vyi_rule_own(const vyre_rule *rule)
{
    const uint64_t cells = (uint64_t)rule->state_count * VYI_SCAN_BYTES;
    if (rule->transition_count != cells || rule->accept_count != rule->state_count)
        return VYRE_RULE_SHAPE;
    if (rule->state_count == 0)
        return VYRE_RULE_STATES;
    if (!rule->transitions || !rule->accept)
        return VYRE_RULE_SHAPE;
    for (size_t i = 0; i < rule->transition_count; i++) {
        if (rule->transitions[i] >= rule->state_count)
            return VYRE_RULE_TARGET;
    }
    return (vyre_rule_reason)0;
}

/* Takes the slot of an accepted rule. */
static vyre_rule_reason vyi_rule_take(vyi_rule_pack *p, uint32_t i)
{
    const uint32_t index = p->rules[i].index;
    if (index < p->count)
        p->addressed[index] = 1;
    const vyre_rule_reason own = vyi_rule_own(&p->rules[i]);
    if (own)
        return own;
    if (index >= p->count)
        return VYRE_RULE_RANGE;
    if (p->slots[index] != VYI_SCAN_NONE)
        return VYRE_RULE_DUPLICATE;
    p->slots[index] = i;
    return (vyre_rule_reason)0;
}

static bool vyi_rule_equal(const vyre_rule *a, const vyre_rule *b)
{
    return a->state_count == b->state_count &&
           memcmp(a->accept, b->accept, a->accept_count * sizeof *a->accept) == 0 &&
           memcmp(a->transitions, b->transitions,
                  a->transition_count * sizeof *a->transitions) == 0;
}

/* The first accepted rule with the content of rule `i`, which may be the first. */
static uint32_t vyi_rule_first(vyi_rule_pack *p, uint32_t i)
{
    const vyre_rule *rule = &p->rules[i];
    uint64_t hash = vyi_hash(VYI_HASH_SEED, rule->accept, rule->accept_count * sizeof(uint32_t));
    hash = vyi_hash(hash, rule->transitions, rule->transition_count * sizeof(uint32_t));
    uint32_t at = vyi_mix((uint32_t)hash, (uint32_t)(hash >> 32)) & p->mask;
    while (p->table[at] != VYI_SCAN_NONE && !vyi_rule_equal(&p->rules[p->table[at]], rule))
        at = (at + 1) & p->mask;
    if (p->table[at] == VYI_SCAN_NONE) {
        p->table[at] = i;
        p->contents++;
    }
    return p->table[at];
}

static void vyi_rules_accept(vyi_rule_pack *p)
{
    for (uint32_t i = 0; i < p->count; i++) {
        p->places[i].reason = (uint32_t)vyi_rule_take(p, i);
        if (p->places[i].reason)
            p->rejected++;
        else
            p->places[i].same = vyi_rule_first(p, i);
    }
    for (uint32_t i = 0; i < p->count; i++)
        p->rejected += p->slots[i] == VYI_SCAN_NONE && !p->addressed[i];
}

/* --- sizes ---------------------------------------------------------------- */

/* Fills the class maps and each content's five words; the inert rule is first. */
static vyre_status vyi_rules_size(vyi_rule_pack *p, vyre_rules *out, vyre_error *err)
{
    uint64_t transitions = 1, accept = 1, maps = VYI_SCAN_BYTES;
    memset(out->class_maps, 0, VYI_SCAN_BYTES * sizeof *out->class_maps);
    for (uint32_t i = 0; i < p->count; i++) {
        const vyre_rule *rule = &p->rules[i];
        uint32_t *meta = p->places[i].meta;
        if (p->places[i].reason || p->places[i].same != i)
            continue;
        meta[0] = (uint32_t)transitions;
        meta[1] = (uint32_t)accept;
        meta[2] = rule->state_count;
        meta[3] = (uint32_t)maps;
        meta[4] = vyre_dfa_classes(rule->transitions, rule->state_count, out->class_maps + maps);
        transitions += (uint64_t)rule->state_count * meta[4];
        accept += rule->state_count;
        maps += VYI_SCAN_BYTES;
        if (transitions > UINT32_MAX || accept > UINT32_MAX)
            return vyi_fail(err, VYRE_E_SCAN_LIMIT, i, "Pack the rules in several parts.",
                            "%llu transitions up to rule %u are more than 4294967295",
                            (unsigned long long)transitions, (unsigned)i);
    }
    out->transition_count = (size_t)transitions;
    out->accept_count = (size_t)accept;
    return VYRE_OK;
}

static vyre_status vyi_rules_alloc(const vyi_rule_pack *p, vyre_rules *out, vyre_error *err)
{
    const vyre_allocator *a = &out->allocator;
    const size_t size = p->rejected * sizeof *out->rejected;
    vyre_status status = vyi_scan_words(a, out->transition_count, &out->transitions, err);
    if (status == VYRE_OK)
        status = vyi_scan_words(a, out->accept_count, &out->accept, err);
    if (status == VYRE_OK)
        status = vyi_scan_words(a, out->meta_count, &out->meta, err);
    if (status < 0 || size == 0)
        return status;
    out->rejected = (vyre_rule_rejection *)vyi_alloc(a, size);
    out->rejected_count = out->rejected ? p->rejected : 0;
    return out->rejected ? VYRE_OK : vyi_fail_nomem(err, size);
}

/* --- tables --------------------------------------------------------------- */

/* One content: a column of each class, and what it accepts. */
static void vyi_rule_write(const vyre_rule *rule, const uint32_t *meta, vyre_rules *out)
{
    const uint32_t *map = out->class_maps + meta[3];
    uint32_t *to = out->transitions + meta[0];
    for (size_t state = 0; state < rule->state_count; state++) {
        for (uint32_t byte = 0; byte < VYI_SCAN_BYTES; byte++)
            to[state * meta[4] + map[byte]] = rule->transitions[state * VYI_SCAN_BYTES + byte];
    }
    memcpy(out->accept + meta[1], rule->accept, rule->accept_count * sizeof *rule->accept);
}

static void vyi_rules_write(const vyi_rule_pack *p, vyre_rules *out)
{
    static const uint32_t inert[VYI_RULE_WORDS] = { 0, 0, 1, 0, 1 };
    out->transitions[0] = out->accept[0] = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        const uint32_t from = p->slots[i];
        const uint32_t *meta = inert;
        if (from != VYI_SCAN_NONE)
            meta = p->places[p->places[from].same].meta;
        memcpy(out->meta + (size_t)i * VYI_RULE_WORDS, meta, sizeof inert);
        if (!p->places[i].reason && p->places[i].same == i)
            vyi_rule_write(&p->rules[i], p->places[i].meta, out);
    }
}

static void vyi_rules_reject(const vyi_rule_pack *p, vyre_rule_rejection *out)
{
    for (uint32_t i = 0; i < p->count; i++) {
        if (!p->places[i].reason)
            continue;
        out->index = p->rules[i].index;
        out++->reason = (vyre_rule_reason)p->places[i].reason;
    }
    for (uint32_t i = 0; i < p->count; i++) {
        if (p->slots[i] != VYI_SCAN_NONE || p->addressed[i])
            continue;
        out->index = i;
        out++->reason = VYRE_RULE_MISSING;
    }
}

/* --- all of it ------------------------------------------------------------ */

/* What the passes need beside the outputs. */
static vyre_status vyi_rules_begin(vyi_rule_pack *p, vyi_arena *arena, vyre_error *err)
{
    const size_t count = p->count ? p->count : 1;
    size_t table = 4;
    while (table < 2 * count)
        table *= 2;
    const size_t words = count + table;
    p->mask = (uint32_t)(table - 1);
    p->places = (vyi_rule_place *)vyi_arena_alloc(arena, count * sizeof *p->places);
    p->slots = (uint32_t *)vyi_arena_alloc(arena, words * sizeof *p->slots);
    p->addressed = (uint8_t *)vyi_arena_alloc(arena, count);
    if (!p->places || !p->slots || !p->addressed)
        return vyi_fail_nomem(err, count * (sizeof *p->places + 1) + words * sizeof *p->slots);
    memset(p->slots, 0xff, words * sizeof *p->slots);
    p->table = p->slots + count;
    return VYRE_OK;
}

static vyre_status vyi_rules_make(vyi_rule_pack *p, vyi_arena *arena, vyre_rules *out,
                                  vyre_error *err)
{
    vyre_status status = vyi_rules_begin(p, arena, err);
    if (status < 0)
        return status;
    vyi_rules_accept(p);
    if (p->contents >= UINT32_MAX / VYI_SCAN_BYTES)
        return vyi_fail(err, VYRE_E_SCAN_LIMIT, p->contents, "Pack the rules in several parts.",
                        "%u rules that differ are more than %u", (unsigned)p->contents,
                        (unsigned)(UINT32_MAX / VYI_SCAN_BYTES - 1));
    out->meta_count = (size_t)p->count * VYI_RULE_WORDS;
    out->class_map_count = ((size_t)p->contents + 1) * VYI_SCAN_BYTES;
    status = vyi_scan_words(&out->allocator, out->class_map_count, &out->class_maps, err);
    if (status == VYRE_OK)
        status = vyi_rules_size(p, out, err);
    if (status == VYRE_OK)
        status = vyi_rules_alloc(p, out, err);
    if (status < 0)
        return status;
    vyi_rules_write(p, out);
    vyi_rules_reject(p, out->rejected);
    return VYRE_OK;
}

VYRE_API vyre_status vyre_rules_pack(const vyre_rule *rules, uint32_t count,
                                     const vyre_allocator *allocator, vyre_rules *out,
                                     vyre_error *err)
{
    vyi_rule_pack p;
    vyi_arena arena;
    vyre_rules made;
    if (!out || (count && !rules))
        return vyi_scan_argument(out ? "the array of rules" : "the packed rules", err);
    if (count > UINT32_MAX / (2 * VYI_RULE_WORDS))
        return vyi_fail(err, VYRE_E_SCAN_LIMIT, count, "Pack the rules in several parts.",
                        "%u rules are more than %u", (unsigned)count,
                        (unsigned)(UINT32_MAX / (2 * VYI_RULE_WORDS)));
    memset(&p, 0, sizeof p);
    memset(&arena, 0, sizeof arena);
    memset(&made, 0, sizeof made);
    if (allocator)
        arena.allocator = made.allocator = *allocator;
    p.rules = rules;
    p.count = count;
    const vyre_status status = vyi_rules_make(&p, &arena, &made, err);
    vyi_arena_free(&arena);
    if (status == VYRE_OK)
        *out = made;
    else
        vyre_rules_free(&made);
    return status;
}

VYRE_API void vyre_rules_free(vyre_rules *rules)
{
    if (!rules)
        return;
    const vyre_allocator allocator = rules->allocator;
    vyi_scan_drop(&allocator, rules->meta, rules->meta_count);
    vyi_scan_drop(&allocator, rules->transitions, rules->transition_count);
    vyi_scan_drop(&allocator, rules->accept, rules->accept_count);
    vyi_scan_drop(&allocator, rules->class_maps, rules->class_map_count);
    if (rules->rejected)
        vyi_free(&allocator, rules->rejected, rules->rejected_count * sizeof *rules->rejected);
    memset(rules, 0, sizeof *rules);
}

#endif /* VYRE_NO_SCAN */

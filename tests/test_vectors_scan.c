/* The golden vectors of the scan: rules, segments, distances, one automaton. */
#include "vec.h"

/* --- arrays --------------------------------------------------------------- */

typedef struct words {
    uint32_t *at;
    size_t    count;
} words;

static words words_alloc(size_t count)
{
    words w;
    w.count = count;
    w.at = (uint32_t *)calloc(count ? count : 1, sizeof *w.at);
    if (!w.at)
        test_fail(__FILE__, __LINE__, "no memory");
    return w;
}

/* N/FILL:i=v,i-j=v; moves behind it. */
static words words_array(const vec_row *row, const char **text)
{
    words w = words_alloc((size_t)vec_number(row, text));
    ROW_CHECK(row, vec_skip(text, '/'));
    const uint32_t fill = (uint32_t)vec_number(row, text);
    ROW_CHECK(row, vec_skip(text, ':'));
    for (size_t i = 0; i < w.count; i++)
        w.at[i] = fill;
    while (**text && **text != '|' && **text != ';') {
        size_t first = (size_t)vec_number(row, text);
        const size_t last = vec_skip(text, '-') ? (size_t)vec_number(row, text) : first;
        ROW_CHECK(row, vec_skip(text, '=') && last < w.count);
        const uint32_t value = (uint32_t)vec_number(row, text);
        for (; first <= last; first++)
            w.at[first] = value;
        (void)vec_skip(text, ',');
    }
    return w;
}

static words words_text(const vec_row *row, const char *text)
{
    return words_array(row, &text);
}

/* a,b,c or a.b,c.d */
static words words_list(const vec_row *row, const char *text, char separator)
{
    const char *at = text;
    words w = words_alloc(strlen(text));
    w.count = vec_list(row, &at, separator, w.at, (unsigned)w.count);
    ROW_CHECK(row, *at == '\0');
    return w;
}

static void same_words(const vec_row *row, const uint32_t *got, size_t count, words expected)
{
    ROW_EQ(row, count, expected.count);
    for (size_t i = 0; i < count; i++)
        ROW_EQ(row, got[i], expected.at[i]);
    free(expected.at);
}

/* --- rules ---------------------------------------------------------------- */

#define MAX_RULES 64

typedef struct rule_set {
    vyre_rule rules[MAX_RULES];
    uint32_t  count;
} rule_set;

static void rules_of(const vec_row *row, const char *text, rule_set *set)
{
    memset(set, 0, sizeof *set);
    while (*text && *text != '-') {
        ROW_CHECK(row, set->count < MAX_RULES);
        vyre_rule *rule = &set->rules[set->count++];
        rule->index = (uint32_t)vec_number(row, &text);
        ROW_CHECK(row, vec_skip(&text, '|'));
        rule->state_count = (uint32_t)vec_number(row, &text);
        ROW_CHECK(row, vec_skip(&text, '|'));
        const words transitions = words_array(row, &text);
        ROW_CHECK(row, vec_skip(&text, '|'));
        const words accept = words_array(row, &text);
        rule->transitions = transitions.at;
        rule->transition_count = transitions.count;
        rule->accept = accept.at;
        rule->accept_count = accept.count;
        (void)vec_skip(&text, ';');
    }
}

static void rules_free(rule_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        free((void *)(uintptr_t)set->rules[i].transitions);
        free((void *)(uintptr_t)set->rules[i].accept);
    }
}

/* What rule D13 says of a rule that the original accepts, or 0. */
static unsigned reason_of(const vyre_rule *rule)
{
    if (rule->transition_count != (uint64_t)rule->state_count * 256 ||
        rule->accept_count != rule->state_count)
        return 0;
    for (size_t i = 0; i < rule->transition_count; i++) {
        if (rule->transitions[i] >= rule->state_count)
            return VYRE_RULE_TARGET;
    }
    return rule->state_count ? 0 : VYRE_RULE_STATES;
}

static unsigned reason_named(const vec_row *row, const char *text)
{
    static const char *const names[] = { "transitions", "accept", "outside", "duplicate",
                                         "missing" };
    static const unsigned reasons[] = { VYRE_RULE_SHAPE, VYRE_RULE_SHAPE, VYRE_RULE_RANGE,
                                        VYRE_RULE_DUPLICATE, VYRE_RULE_MISSING };
    for (unsigned i = 0; i < 5; i++) {
        if (strncmp(text, names[i], strlen(names[i])) == 0)
            return reasons[i];
    }
    ROW_FAIL(row, "no reason \"%.20s\"", text);
    return 0;
}

static void check_rejections(const vec_row *row, const vyre_rules *got, const char *text)
{
    uint32_t count = 0;
    for (; *text && *text != '-'; count++) {
        ROW_CHECK(row, count < got->rejected_count);
        ROW_EQ(row, got->rejected[count].index, vec_number(row, &text));
        ROW_CHECK(row, vec_skip(&text, '.'));
        ROW_EQ(row, got->rejected[count].reason, reason_named(row, text));
        text += strcspn(text, ",");
        (void)vec_skip(&text, ',');
    }
    ROW_EQ(row, got->rejected_count, count);
}

/* The packed tables of a rule that was not rejected step as its own do. */
static void check_steps(const vec_row *row, const vyre_rules *got, const vyre_rule *rule)
{
    const uint32_t *meta = got->meta + 5 * (size_t)rule->index;
    ROW_EQ(row, meta[2], rule->state_count);
    for (uint32_t i = 0; i < rule->state_count * 256; i++) {
        const uint32_t column = got->class_maps[meta[3] + i % 256];
        ROW_CHECK(row, column < meta[4]);
        ROW_EQ(row, got->transitions[meta[0] + i / 256 * meta[4] + column], rule->transitions[i]);
    }
    for (uint32_t i = 0; i < rule->state_count; i++)
        ROW_EQ(row, got->accept[meta[1] + i], rule->accept[i]);
}

/* Each rule in its turn: rejected for the reason that it must be, or right. */
static void check_accepted(const vec_row *row, const vyre_rules *got, const rule_set *set)
{
    bool taken[MAX_RULES] = { false };
    uint32_t at = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        const vyre_rule *rule = &set->rules[i];
        unsigned reason = reason_of(rule);
        if (rule->transition_count != (uint64_t)rule->state_count * 256 ||
            rule->accept_count != rule->state_count)
            reason = VYRE_RULE_SHAPE;
        else if (!reason && rule->index >= set->count)
            reason = VYRE_RULE_RANGE;
        else if (!reason && taken[rule->index])
            reason = VYRE_RULE_DUPLICATE;
        if (reason) {
            ROW_CHECK(row, at < got->rejected_count);
            ROW_EQ(row, got->rejected[at].index, rule->index);
            ROW_EQ(row, got->rejected[at++].reason, reason);
            continue;
        }
        taken[rule->index] = true;
        check_steps(row, got, rule);
    }
    for (; at < got->rejected_count; at++)
        ROW_EQ(row, got->rejected[at].reason, VYRE_RULE_MISSING);
}

static void row_pack(const vec_row *row)
{
    rule_set set;
    vyre_rules got;
    vyre_error err;
    bool ruled = false;
    rules_of(row, row->in[0], &set);
    for (uint32_t i = 0; i < set.count; i++)
        ruled = ruled || reason_of(&set.rules[i]);
    vec_expect(row, vyre_rules_pack(set.rules, set.count, NULL, &got, &err), VYRE_OK);
    ROW_EQ(row, got.meta_count, 5 * set.count);
    if (ruled) {
        check_accepted(row, &got, &set);
        vec_ruled(RULE_RULE_OWN);
    } else {
        char meta[4096];
        ROW_CHECK(row, strlen(row->out[0]) < sizeof meta);
        strcpy(meta, row->out[0]);
        for (char *c = meta; *c; c++)
            *c = *c == '.' ? ',' : *c;
        same_words(row, got.meta, got.meta_count, words_list(row, meta, ','));
        same_words(row, got.transitions, got.transition_count, words_list(row, row->out[1], ','));
        same_words(row, got.accept, got.accept_count, words_list(row, row->out[2], ','));
        same_words(row, got.class_maps, got.class_map_count, words_text(row, row->out[3]));
        check_rejections(row, &got, row->out[4]);
    }
    vyre_rules_free(&got);
    rules_free(&set);
}

/* A rule alone, as rule 0. */
static void row_new(const vec_row *row)
{
    rule_set set;
    vyre_rules got;
    rules_of(row, row->in[0], &set);
    ROW_EQ(row, set.count, 1);
    set.rules[0].index = 0;
    vec_expect(row, vyre_rules_pack(set.rules, 1, NULL, &got, NULL), VYRE_OK);
    const unsigned reason = reason_of(&set.rules[0]);
    if (!vec_ok(row) || reason) {
        ROW_EQ(row, got.rejected_count, 1);
        ROW_EQ(row, got.rejected[0].reason, reason ? reason : (unsigned)VYRE_RULE_SHAPE);
        ROW_CHECK(row, reason || strcmp(row->status, "E_RULE_SHAPE") == 0);
        if (reason)
            vec_ruled(RULE_RULE_OWN);
    } else {
        ROW_EQ(row, got.rejected_count, 0);
        check_steps(row, &got, &set.rules[0]);
    }
    vyre_rules_free(&got);
    rules_free(&set);
}

/* Each class's column, by its first byte. */
static void check_compressed(const vec_row *row, const uint32_t *transitions, uint32_t states,
                             const char *classes, const char *map, const char *compressed)
{
    uint32_t got[256];
    const uint32_t count = vyre_dfa_classes(transitions, states, got);
    const words columns = words_list(row, compressed, ',');
    ROW_EQ(row, count, vec_u32(row, classes));
    same_words(row, got, 256, words_text(row, map));
    ROW_EQ(row, columns.count, (size_t)states * count);
    for (size_t i = 0; i < (size_t)states * 256; i++)
        ROW_EQ(row, transitions[i], columns.at[i / 256 * count + got[i % 256]]);
    free(columns.at);
}

static void row_classes(const vec_row *row)
{
    const words transitions = words_text(row, row->in[1]);
    check_compressed(row, transitions.at, vec_u32(row, row->in[0]), row->out[0], row->out[1],
                     row->out[2]);
    free(transitions.at);
}

/* There are no halves: targets are words, and held against the states. */
static void row_pack16(const vec_row *row)
{
    const words targets = words_list(row, row->in[0], ',');
    words table = words_alloc(256);
    const uint32_t accept = 0;
    vyre_rule rule = { 0, table.at, 256, &accept, 1, 1 };
    vyre_rules got;
    bool beyond = false;
    for (size_t i = 0; i < targets.count; i++) {
        table.at[i] = targets.at[i];
        beyond = beyond || targets.at[i];
    }
    vec_expect(row, vyre_rules_pack(&rule, 1, NULL, &got, NULL), VYRE_OK);
    ROW_EQ(row, got.rejected_count, beyond);
    if (beyond)
        ROW_EQ(row, got.rejected[0].reason, VYRE_RULE_TARGET);
    vyre_rules_free(&got);
    free(table.at);
    free(targets.at);
    vec_ruled(RULE_RULE_PACK16);
}

static void vectors_rules(void)
{
    static const vec_op ops[] = { { "pack", 1, row_pack }, { "new", 1, row_new },
                                  { "classes", 2, row_classes }, { "pack16", 1, row_pack16 } };
    vec_run("rules", ops, sizeof ops / sizeof ops[0]);
}

/* --- segments ------------------------------------------------------------- */

#define MAX_SEGMENTS 65536

static vyre_segment segments[MAX_SEGMENTS];

static void row_segments(const vec_row *row)
{
    vyre_error err;
    uint64_t count = 77;
    const words sizes = words_list(row, row->in[0], ',');
    const vyre_status status = vyre_segments_make(sizes.at, (uint32_t)sizes.count,
                                                  vec_u32(row, row->in[1]),
                                                  vec_u32(row, row->in[2]), segments,
                                                  MAX_SEGMENTS, &count, &err);
    vec_expect_row(row, status);
    vec_error(row, status, &err);
    const char *text = row->out[0];
    if (status < 0)
        ROW_EQ(row, count, 77);
    for (uint64_t i = 0; status == VYRE_OK && i < count; i++) {
        const uint32_t got[4] = { segments[i].file, segments[i].scan_start,
                                  segments[i].emit_start, segments[i].emit_end };
        for (unsigned k = 0; k < 4; k++) {
            ROW_EQ(row, got[k], vec_number(row, &text));
            (void)vec_skip(&text, '.');
        }
        (void)vec_skip(&text, ',');
    }
    ROW_CHECK(row, *text == '\0' || (count == 0 && *text == '-'));
    free(sizes.at);
}

static void row_count(const vec_row *row)
{
    const words sizes = words_list(row, row->in[0], ',');
    const uint32_t width = vec_u32(row, row->in[1]);
    const uint64_t got = vyre_segments_count(sizes.at, (uint32_t)sizes.count, width);
    if (vec_ok(row)) {
        ROW_EQ(row, got, vec_u64(row, row->out[0]));
    } else {
        uint64_t count;
        ROW_EQ(row, got, 0);
        vec_expect_row(row, vyre_segments_make(sizes.at, (uint32_t)sizes.count, width, 0,
                                               segments, MAX_SEGMENTS, &count, NULL));
        vec_ruled(RULE_SEGMENT_COUNT);
    }
    free(sizes.at);
}

static void vectors_segments(void)
{
    static const vec_op ops[] = { { "segments", 3, row_segments }, { "count", 2, row_count } };
    vec_run("segments", ops, 2);
}

/* --- patterns ------------------------------------------------------------- */

#define MAX_PATTERNS 256

typedef struct pattern_set {
    vyre_pattern patterns[MAX_PATTERNS];
    uint32_t     count;
    bool         empty; /* one of them is */
    uint8_t      bytes[65536];
} pattern_set;

static uint8_t lower(uint8_t byte, bool fold)
{
    return fold && byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 32) : byte;
}

/* Hex pairs up to a comma or the end; `e` is none.  Returns how many. */
static uint32_t bytes_of(const vec_row *row, const char **text, bool fold, uint8_t *out)
{
    uint32_t size = 0;
    if (**text == 'e' && ((*text)[1] == ',' || (*text)[1] == '\0'))
        ++*text;
    for (; **text && **text != ','; *text += 2) {
        const char pair[3] = { (*text)[0], (*text)[1], '\0' };
        out[size++] = lower((uint8_t)vec_u32(row, pair), fold);
    }
    return size;
}

static void patterns_of(const vec_row *row, const char *text, bool fold, pattern_set *set)
{
    uint8_t *at = set->bytes;
    set->count = 0;
    set->empty = false;
    while (*text && *text != '-') {
        ROW_CHECK(row, set->count < MAX_PATTERNS && strlen(text) < sizeof set->bytes);
        vyre_pattern *pattern = &set->patterns[set->count];
        pattern->bytes = at;
        pattern->size = bytes_of(row, &text, fold, at);
        pattern->id = set->count++;
        at += pattern->size;
        set->empty = set->empty || pattern->size == 0;
        (void)vec_skip(&text, ',');
    }
}

static pattern_set patterns;

/* False when the row has an empty pattern, which `rule` refuses. */
static bool automaton_of(const vec_row *row, bool fold, vec_rule rule, vyre_automaton *out)
{
    vyre_error err;
    patterns_of(row, row->in[0], fold, &patterns);
    const vyre_status status = vyre_automaton_make(patterns.patterns, patterns.count, NULL, out,
                                                   &err);
    vec_error(row, status, &err);
    vec_expect(row, status, patterns.empty ? VYRE_E_ARGUMENT : VYRE_OK);
    if (patterns.empty)
        vec_ruled(rule);
    for (uint32_t i = 0; fold && !patterns.empty && i < out->states; i++)
        memcpy(out->next + (size_t)i * 256 + 'A', out->next + (size_t)i * 256 + 'a',
               26 * sizeof *out->next);
    return !patterns.empty;
}

/* --- distance ------------------------------------------------------------- */

static void check_distance(const vec_row *row, const uint32_t *transitions, uint32_t states)
{
    vyre_error err;
    uint32_t got = 77;
    const vyre_status status = vyre_dfa_distance(transitions, states, 0, NULL, &got, &err);
    vec_error(row, status, &err);
    if (vec_ok(row)) {
        vec_expect(row, status, VYRE_OK);
        ROW_EQ(row, got, vec_u32(row, row->out[0]));
        return;
    }
    ROW_CHECK(row, vec_none(row));
    ROW_EQ(row, got, 77);
    if (strcmp(row->kind, "BUDGET") == 0 && status == VYRE_E_SCAN_UNBOUNDED) {
        vec_expect(row, vyre_dfa_distance(transitions, states, UINT32_MAX, NULL, &got, NULL),
                   VYRE_E_SCAN_UNBOUNDED);
        vec_ruled(RULE_DISTANCE_CYCLE);
        return;
    }
    vec_expect(row, status, strcmp(row->kind, "CYCLE") == 0 ? VYRE_E_SCAN_UNBOUNDED
                                                            : VYRE_E_SCAN_BUDGET);
}

static void row_distance(const vec_row *row)
{
    const words table = words_text(row, row->in[1]);
    const uint32_t states = vec_u32(row, row->in[0]);
    if (table.count >= (uint64_t)states * 256 || states <= 1) {
        check_distance(row, table.at, states);
    } else {
        const words accept = words_alloc(states);
        const vyre_rule rule = { 0, table.at, table.count, accept.at, accept.count, states };
        vyre_rules got;
        ROW_CHECK(row, strcmp(row->status, "E_RULE_SHAPE") == 0);
        vec_expect(row, vyre_rules_pack(&rule, 1, NULL, &got, NULL), VYRE_OK);
        ROW_EQ(row, got.rejected_count, 1);
        ROW_EQ(row, got.rejected[0].reason, VYRE_RULE_SHAPE);
        vyre_rules_free(&got);
        free(accept.at);
        vec_ruled(RULE_DISTANCE_SHORT);
    }
    free(table.at);
}

static void row_patterns(const vec_row *row)
{
    vyre_automaton m;
    if (!automaton_of(row, false, RULE_DISTANCE_EMPTY, &m))
        return;
    check_distance(row, m.next, m.states);
    vyre_automaton_free(&m);
}

static void row_catalog(const vec_row *row)
{
    rule_set set;
    uint32_t longest = 0;
    bool none = false;
    rules_of(row, row->in[0], &set);
    for (uint32_t i = 0; i < set.count; i++) {
        uint32_t got = 0;
        none = vyre_dfa_distance(set.rules[i].transitions, set.rules[i].state_count, 0, NULL,
                                 &got, NULL) < 0 || none;
        longest = got > longest ? got : longest;
    }
    ROW_EQ(row, none, vec_none(row));
    if (!none)
        ROW_EQ(row, longest, vec_u32(row, row->out[0]));
    rules_free(&set);
}

static void vectors_distance(void)
{
    static const vec_op ops[] = { { "distance", 2, row_distance }, { "patterns", 1, row_patterns },
                                  { "catalog", 1, row_catalog } };
    vec_run("distance", ops, 3);
}

/* --- one automaton -------------------------------------------------------- */

/* The rows of records, and each state's longest own pattern, the first of its
 * equals, plus 1. */
static void check_records(const vec_row *row, const vyre_automaton *m)
{
    const words accept = words_list(row, row->out[5], ',');
    same_words(row, m->output_offsets, (size_t)m->states + 1, words_list(row, row->out[6], ','));
    same_words(row, m->outputs, m->output_offsets[m->states], words_list(row, row->out[7], ','));
    ROW_EQ(row, accept.count, m->states);
    for (uint32_t s = 0; s < m->states; s++) {
        uint32_t longest = 0, first = 0;
        for (uint32_t i = m->output_offsets[s]; i < m->output_offsets[s + 1]; i++) {
            if (patterns.patterns[m->outputs[i]].size > longest) {
                longest = patterns.patterns[m->outputs[i]].size;
                first = m->outputs[i] + 1;
            }
        }
        ROW_EQ(row, first, accept.at[s]);
    }
    free(accept.at);
}

/* What the original checks, and what it does not. */
static void check_order(const vec_row *row, const vyre_automaton *m)
{
    ROW_EQ(row, m->output_offsets[0], 0);
    for (uint32_t s = 0; s < m->states; s++)
        ROW_CHECK(row, m->output_offsets[s] <= m->output_offsets[s + 1]);
    for (size_t i = 0; i < (size_t)m->states * 256; i++)
        ROW_CHECK(row, m->next[i] < m->states);
    for (uint32_t i = 0; i < m->output_offsets[m->states]; i++)
        ROW_CHECK(row, m->outputs[i] < patterns.count);
}

static void row_compile(const vec_row *row)
{
    vyre_automaton m;
    const bool fold = vec_u32(row, row->in[1]) != 0;
    if (!automaton_of(row, fold, RULE_COMBINED_EMPTY, &m))
        return;
    check_order(row, &m);
    if (!vec_ok(row)) {
        ROW_CHECK(row, strcmp(row->status, "E_SCAN_LIMIT") == 0);
        ROW_CHECK(row, (uint64_t)m.states * 1024 > vec_u64(row, row->in[2]));
        vec_ruled(RULE_COMBINED_BUDGET);
    } else {
        ROW_EQ(row, m.states, vec_u32(row, row->out[0]));
        ROW_EQ(row, m.longest, vec_u32(row, row->out[1]));
        check_compressed(row, m.next, m.states, row->out[2], row->out[3], row->out[4]);
        check_records(row, &m);
        if (fold)
            vec_ruled(RULE_COMBINED_CASE);
    }
    vyre_automaton_free(&m);
}

static void row_scan(const vec_row *row)
{
    static uint8_t text[65536];
    vyre_automaton m;
    const bool fold = vec_u32(row, row->in[1]) != 0;
    const char *hex = row->in[2], *expected = row->out[0];
    uint32_t state = 0, found = 0;
    if (!automaton_of(row, fold, RULE_COMBINED_EMPTY, &m))
        return;
    const uint32_t size = bytes_of(row, &hex, false, text);
    for (uint32_t at = 0; at < size; at++) {
        state = m.next[(size_t)state * 256 + text[at]];
        for (uint32_t i = m.output_offsets[state]; i < m.output_offsets[state + 1]; i++) {
            ROW_EQ(row, m.outputs[i], vec_number(row, &expected));
            ROW_CHECK(row, vec_skip(&expected, '.'));
            ROW_EQ(row, at, vec_number(row, &expected));
            (void)vec_skip(&expected, ',');
            found++;
        }
    }
    ROW_CHECK(row, *expected == '\0' || (found == 0 && *expected == '-'));
    if (fold)
        vec_ruled(RULE_COMBINED_CASE);
    vyre_automaton_free(&m);
}

/* An automaton of as many states, and at least one, is in order. */
static void row_check(const vec_row *row)
{
    const uint32_t states = vec_u32(row, row->in[0]);
    vyre_automaton m;
    memset(patterns.bytes, 'a', sizeof patterns.bytes);
    patterns.patterns[0].bytes = patterns.bytes;
    patterns.patterns[0].size = states ? states - 1 : 0;
    patterns.patterns[0].id = 0;
    patterns.count = states > 1;
    ROW_CHECK(row, states < sizeof patterns.bytes);
    vec_expect(row, vyre_automaton_make(patterns.patterns, patterns.count, NULL, &m, NULL),
               VYRE_OK);
    ROW_EQ(row, m.states, states ? states : 1);
    check_order(row, &m);
    vyre_automaton_free(&m);
    vec_ruled(RULE_COMBINED_CHECK);
}

static void vectors_combined(void)
{
    static const vec_op ops[] = { { "compile", 3, row_compile }, { "scan", 3, row_scan },
                                  { "check", 4, row_check } };
    vec_run("combined", ops, 3);
}

int main(void)
{
    RUN(vectors_rules);
    RUN(vectors_segments);
    RUN(vectors_distance);
    RUN(vectors_combined);
    return test_end();
}

/* The scan's tables against plain searches, their bounds, and memory that fails. */
#include "oom.h"

#define TEXT 300
#define PATTERNS 12

static uint32_t below(uint64_t *seed, uint32_t n)
{
    return (uint32_t)(test_random(seed) % n);
}

static uint64_t seed_of(void)
{
    const char *seed = getenv("TEST_SEED");
    return seed ? strtoull(seed, NULL, 0) : 0x5ca9;
}

/* Short patterns of few letters, and a text of them. */
typedef struct sample {
    uint8_t      text[TEXT], bytes[PATTERNS][8];
    vyre_pattern patterns[PATTERNS];
    uint32_t     count;
} sample;

static void sample_make(sample *s, uint64_t *seed)
{
    const uint32_t letters = 1 + below(seed, 4);
    s->count = 1 + below(seed, PATTERNS);
    for (uint32_t i = 0; i < TEXT; i++)
        s->text[i] = (uint8_t)(254 + below(seed, letters)); /* wraps: 254, 255, 0, 1 */
    for (uint32_t i = 0; i < s->count; i++) {
        s->patterns[i].bytes = s->bytes[i];
        s->patterns[i].size = 1 + below(seed, 8);
        s->patterns[i].id = 100 + i;
        for (uint32_t k = 0; k < 8; k++)
            s->bytes[i][k] = (uint8_t)(254 + below(seed, letters));
    }
}

static bool ends_at(const sample *s, uint32_t pattern, uint32_t at)
{
    const uint32_t size = s->patterns[pattern].size;
    return size <= at + 1 && memcmp(s->text + at + 1 - size, s->bytes[pattern], size) == 0;
}

/* Every pattern that ends at `at` is a record of `state`, and no other. */
static void check_state(const sample *s, const vyre_automaton *m, uint32_t state, uint32_t at)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < s->count; i++)
        found += ends_at(s, i, at);
    CHECK_EQ(m->output_offsets[state + 1] - m->output_offsets[state], found);
    for (uint32_t i = m->output_offsets[state]; i < m->output_offsets[state + 1]; i++)
        CHECK(ends_at(s, m->outputs[i] - 100, at));
}

/* The whole text, and then in segments with the distance as their overlap. */
static void automaton_is_a_search(void)
{
    uint64_t seed = seed_of();
    sample s;
    for (unsigned round = 0; round < 400; round++) {
        vyre_automaton m;
        vyre_segment segments[TEXT];
        uint64_t count = 0;
        uint32_t distance = 0, covered = 0;
        const uint32_t size = TEXT, width = 1 + below(&seed, TEXT);
        sample_make(&s, &seed);
        CHECK_EQ(vyre_automaton_make(s.patterns, s.count, NULL, &m, NULL), VYRE_OK);
        CHECK_EQ(vyre_dfa_distance(m.next, m.states, 0, NULL, &distance, NULL), VYRE_OK);
        CHECK(distance <= m.longest);
        CHECK_EQ(vyre_segments_make(&size, 1, width, distance, segments, TEXT, &count, NULL),
                 VYRE_OK);
        CHECK_EQ(count, vyre_segments_count(&size, 1, width));
        for (uint64_t i = 0; i < count; i++) {
            uint32_t state = 0;
            for (uint32_t at = segments[i].scan_start; at < segments[i].emit_end; at++) {
                state = m.next[(size_t)state * 256 + s.text[at]];
                if (at < segments[i].emit_start)
                    continue;
                CHECK_EQ(at, covered);
                covered++;
                check_state(&s, &m, state, at);
            }
        }
        CHECK_EQ(covered, TEXT);
        vyre_automaton_free(&m);
    }
}

/* Whether from every reachable state all strings of `length` end where they end
 * from 0.  Of two letters, so that all of them can be tried. */
static bool synchronises(const uint32_t *table, uint32_t states, uint32_t length)
{
    uint32_t seen = 1;
    for (uint32_t round = 0; round < states; round++) {
        for (uint32_t i = 0; i < states; i++) {
            if (seen >> i & 1)
                seen |= 1u << table[i * 256] | 1u << table[i * 256 + 1];
        }
    }
    for (uint32_t i = 1; i < states; i++) {
        for (uint32_t word = 0; (seen >> i & 1) && word < 1u << length; word++) {
            uint32_t a = 0, b = i;
            for (uint32_t k = 0; k < length; k++) {
                a = table[a * 256 + (word >> k & 1)];
                b = table[b * 256 + (word >> k & 1)];
            }
            if (a != b)
                return false;
        }
    }
    return true;
}

static void distance_is_the_least(void)
{
    uint64_t seed = seed_of();
    unsigned bounded = 0, unbounded = 0;
    for (unsigned round = 0; round < 3000; round++) {
        static uint32_t table[4 * 256];
        const uint32_t states = 1 + below(&seed, 4);
        uint32_t distance = 77;
        for (uint32_t i = 0; i < states; i++) {
            table[i * 256] = below(&seed, states);
            table[i * 256 + 1] = below(&seed, states);
            for (uint32_t k = 2; k < 256; k++)
                table[i * 256 + k] = table[i * 256];
        }
        const vyre_status status = vyre_dfa_distance(table, states, 0, NULL, &distance, NULL);
        if (status == VYRE_OK) {
            CHECK(synchronises(table, states, distance));
            CHECK(distance == 0 || !synchronises(table, states, distance - 1));
            bounded += distance > 0;
        } else { /* six pairs: whoever has a bound has one of six */
            CHECK_EQ(status, VYRE_E_SCAN_UNBOUNDED);
            CHECK_EQ(distance, 77);
            CHECK(!synchronises(table, states, 6));
            unbounded++;
        }
    }
    CHECK(bounded > 100 && unbounded > 100);
}

static void distance_has_a_budget(void)
{
    static uint8_t bytes[64];
    const vyre_pattern pattern = { bytes, 64, 0 };
    vyre_automaton m;
    vyre_error err;
    uint32_t distance = 77, least = 1;
    CHECK_EQ(vyre_automaton_make(&pattern, 1, NULL, &m, NULL), VYRE_OK);
    while (vyre_dfa_distance(m.next, m.states, least, NULL, &distance, &err) < 0) {
        CHECK_EQ(err.status, VYRE_E_SCAN_BUDGET);
        CHECK_EQ(err.at, least);
        CHECK_EQ(distance, 77);
        CHECK(++least <= 65 * 64 / 2);
    }
    CHECK(least > 64);
    CHECK_EQ(distance, 64);
    vyre_automaton_free(&m);
}

/* --- bounds --------------------------------------------------------------- */

static void automaton_is_bounded(void)
{
    static uint8_t bytes[VYRE_SCAN_MAX_STATES];
    static vyre_pattern many[16386];
    vyre_automaton m;
    vyre_error err;
    many[0].bytes = bytes;
    many[0].size = VYRE_SCAN_MAX_STATES;
    CHECK_EQ(vyre_automaton_make(many, 1, NULL, &m, &err), VYRE_E_SCAN_LIMIT);
    CHECK_EQ(err.at, VYRE_SCAN_MAX_STATES + 1u);
    CHECK(strstr(err.text, "1048577") != NULL);
    many[0].size = 16384;
    for (unsigned i = 1; i < 16386; i++) {
        many[i].bytes = bytes;
        many[i].size = 1;
    }
    CHECK_EQ(vyre_automaton_make(many, 16386, NULL, &m, &err), VYRE_E_SCAN_LIMIT);
    CHECK_EQ(err.at, 16385u * 16384u + 1);
    many[1].size = 0;
    CHECK_EQ(vyre_automaton_make(many, 2, NULL, &m, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(err.at, 1);
}

static void segments_need_room(void)
{
    const uint32_t size = 600;
    vyre_segment out[5];
    uint64_t count = 77;
    vyre_error err;
    memset(out, 0xa5, sizeof out);
    CHECK_EQ(vyre_segments_make(&size, 1, 128, 8, out, 4, &count, &err), VYRE_E_SPACE);
    CHECK_EQ(err.at, 5);
    CHECK(count == 77 && out[0].file == 0xa5a5a5a5u);
    CHECK_EQ(vyre_segments_make(&size, 1, 0, 8, out, 5, &count, &err), VYRE_E_SEGMENT_WIDTH);
    CHECK_EQ(vyre_segments_make(&size, 1, 128, 8, out, 5, &count, &err), VYRE_OK);
    CHECK(count == 5 && out[4].scan_start == 504 && out[4].emit_end == 600);
}

static void nothing_is_refused(void)
{
    vyre_rules rules;
    vyre_automaton m;
    uint32_t distance;
    uint64_t count;
    CHECK_EQ(vyre_rules_pack(NULL, 1, NULL, &rules, NULL), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_rules_pack(NULL, 0, NULL, NULL, NULL), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_rules_pack(NULL, UINT32_MAX, NULL, &rules, NULL), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_automaton_make(NULL, 1, NULL, &m, NULL), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_dfa_distance(NULL, 2, 0, NULL, &distance, NULL), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_segments_make(NULL, 1, 1, 0, NULL, 0, &count, NULL), VYRE_E_ARGUMENT);
    vyre_rules_free(NULL);
    vyre_automaton_free(NULL);
}

/* --- memory --------------------------------------------------------------- */

static vyre_status all_of_it(const vyre_allocator *allocator, void *user)
{
    static const uint32_t accept[600];
    const sample *s = (const sample *)user;
    vyre_automaton m;
    vyre_rules rules;
    uint32_t distance;
    vyre_status status = vyre_automaton_make(s->patterns, s->count, allocator, &m, NULL);
    if (status < 0)
        return status;
    const size_t cells = (size_t)m.states * 256;
    const vyre_rule two[2] = { { 0, m.next, cells, accept, m.states, m.states },
                               { 7, m.next, cells, accept, m.states, m.states } };
    status = vyre_dfa_distance(m.next, m.states, 0, allocator, &distance, NULL);
    if (status == VYRE_OK)
        status = vyre_rules_pack(two, 2, allocator, &rules, NULL);
    if (status == VYRE_OK) {
        CHECK_EQ(rules.rejected_count, 2); /* 7 is out of range, 1 is missing */
        vyre_rules_free(&rules);
    }
    vyre_automaton_free(&m);
    return status;
}

static void every_allocation_fails_once(void)
{
    static sample s;
    uint64_t seed = seed_of();
    sample_make(&s, &seed);
    CHECK(oom_each(all_of_it, &s) >= 12);
}

int main(void)
{
    RUN(automaton_is_a_search);
    RUN(distance_is_the_least);
    RUN(distance_has_a_budget);
    RUN(automaton_is_bounded);
    RUN(segments_need_room);
    RUN(nothing_is_refused);
    RUN(every_allocation_fails_once);
    return test_end();
}

/* Scans on every backend against plain walks: cuts, widths, overflow, rules that never
 * forget, tuning, what is refused.  TEST_COUNT is the number of random cuts. */
#include "engine.h"
#include "oom.h"

#include <errno.h>
#include <unistd.h>

enum { MOST_HITS = 400000 };

void vyi_scan_sort_hits(vyre_hit *hits, size_t count);

static vyre_hit expected[MOST_HITS], found[MOST_HITS];
static uint8_t text[1 << 17];

static uint32_t below(uint64_t *seed, uint32_t n)
{
    return (uint32_t)(test_random(seed) % n);
}

static uint64_t seed_of(void)
{
    const char *seed = getenv("TEST_SEED");
    return seed ? strtoull(seed, NULL, 0) : 0x5ca9;
}

static uint32_t count_of(uint32_t standard)
{
    const char *count = getenv("TEST_COUNT");
    return count ? (uint32_t)strtoul(count, NULL, 0) : standard;
}

static vyre_scan_way way_under_test = VYRE_SCAN_LANES; /* chosen there, without looking */

static vyre_scan_desc scan_desc(const vyre_automaton *m)
{
    vyre_scan_desc d;
    memset(&d, 0, sizeof d);
    d.engine.backend = backend_under_test;
    d.engine.lease.timeout_ns = d.engine.run_timeout_ns = 600 * SECOND; /* machines are slow */
    d.engine.kernel.group_size = backend_under_test == VYRE_BACKEND_CPU ? 32 : 0;
    d.automaton = m;
    d.text_bytes = 65536;
    d.way = m ? way_under_test : VYRE_SCAN_LANES;
    return d;
}

static vyre_scan *scan_open(const vyre_scan_desc *d)
{
    vyre_error err;
    memset(&err, 0, sizeof err);
    vyre_scan *s = vyre_scan_open(d, &err);
    if (!s)
        test_fail(__FILE__, __LINE__, "open: %s", err.text);
    return s;
}

/* --- what should be found -------------------------------------------------- */

static int compare_hits(const void *a, const void *b)
{
    const vyre_hit *x = (const vyre_hit *)a, *y = (const vyre_hit *)b;
    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    return x->rule < y->rule ? -1 : x->rule > y->rule;
}

static int compare_all(const void *a, const void *b)
{
    const uint32_t x = ((const vyre_hit *)a)->layer, y = ((const vyre_hit *)b)->layer;
    const int order = compare_hits(a, b);
    return order ? order : x < y ? -1 : x > y;
}

/* Adds the hits of one text to the `count` that are there. */
static size_t walk_on(const vyre_automaton *m, const uint8_t *bytes, size_t size, uint32_t file,
                      size_t count)
{
    uint32_t state = 0;
    for (size_t at = 0; at < size; at++) {
        state = m->next[(size_t)state * 256 + bytes[at]];
        for (uint32_t i = m->output_offsets[state]; i < m->output_offsets[state + 1]; i++) {
            CHECK(count < MOST_HITS);
            expected[count].file = file;
            expected[count].layer = file * 7;
            expected[count].rule = m->outputs[i];
            expected[count++].end = at;
        }
    }
    return count;
}

static size_t walk(const vyre_automaton *m, const uint8_t *bytes, size_t size, uint32_t file,
                   size_t count)
{
    count = walk_on(m, bytes, size, file, count);
    qsort(expected, count, sizeof *expected, compare_hits);
    return count;
}

static void check_hits(size_t from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (compare_hits(&found[from + i], &expected[from + i]) == 0 &&
            found[from + i].layer == expected[from + i].layer)
            continue;
        test_fail(__FILE__, __LINE__, "hit %zu: file %u rule %u end %llu, not %u %u %llu",
                  from + i, found[from + i].file, found[from + i].rule,
                  (unsigned long long)found[from + i].end, expected[from + i].file,
                  expected[from + i].rule, (unsigned long long)expected[from + i].end);
    }
}

static vyre_scan_text text_of(const uint8_t *bytes, size_t size, uint32_t file)
{
    vyre_scan_text t;
    memset(&t, 0, sizeof t);
    t.bytes = bytes;
    t.size = size;
    t.file = file;
    t.layer = file * 7;
    return t;
}

/* One text, whole, gives `count` hits. */
static void check_whole(vyre_scan *s, const uint8_t *bytes, size_t size, size_t count)
{
    const vyre_scan_text t = text_of(bytes, size, 3);
    vyre_scan_report r;
    vyre_error err;
    memset(&err, 0, sizeof err);
    if (vyre_scan_run(s, &t, 1, found, MOST_HITS, &r, &err) != VYRE_OK)
        test_fail(__FILE__, __LINE__, "run: %s", err.text);
    CHECK_EQ(r.found, count);
    CHECK_EQ(r.written, count);
    CHECK_EQ(r.dropped, 0);
    CHECK_EQ(r.bytes, size);
    check_hits(0, count);
}

/* --- texts and patterns ----------------------------------------------------- */

enum { PATTERNS = 300 };

static vyre_pattern patterns[PATTERNS];

/* Words of the text itself, of 1 to `longest` bytes, some of them twice. */
static vyre_automaton automaton_of_text(uint64_t *seed, uint32_t count, uint32_t size,
                                        uint32_t longest)
{
    vyre_automaton m;
    for (uint32_t i = 0; i < count; i++) {
        patterns[i].size = 1 + below(seed, longest);
        patterns[i].bytes = text + below(seed, size - longest);
        patterns[i].id = below(seed, 1000);
    }
    CHECK_EQ(vyre_automaton_make(patterns, count, NULL, &m, NULL), VYRE_OK);
    return m;
}

static void fill_random(uint64_t *seed, uint32_t size, uint32_t letters)
{
    for (uint32_t i = 0; i < size; i++)
        text[i] = (uint8_t)(letters == 256 ? below(seed, 256) : 254 + below(seed, letters));
}

static void fill_headers(uint32_t size)
{
    static const char *const names[] = { "/usr/include/stdio.h", "/usr/include/stdlib.h",
                                         "/usr/include/string.h", "/usr/include/math.h",
                                         "vyre.h" };
    uint32_t at = 0;
    for (uint32_t i = 0; i < sizeof names / sizeof *names && at < size; i++) {
        FILE *file = fopen(names[i], "rb");
        at += file ? (uint32_t)fread(text + at, 1, size - at, file) : 0;
        if (file)
            fclose(file);
    }
    CHECK_EQ(at, size);
}

/* Beginnings of patterns and nothing else: it is always in the middle of one. */
static void fill_prefixes(uint64_t *seed, uint32_t size, const vyre_pattern *from, uint32_t count)
{
    static uint8_t other[sizeof text];
    for (uint32_t at = 0; at < size;) {
        const vyre_pattern *p = &from[below(seed, count)];
        uint32_t some = 1 + below(seed, p->size);
        some = some < size - at ? some : size - at;
        memcpy(other + at, p->bytes, some);
        at += some;
    }
    memcpy(text, other, size);
}

/* --- cases ------------------------------------------------------------------ */

static void check_widths(const vyre_automaton *m, uint32_t size)
{
    static const uint32_t widths[] = { 1, 40000 };
    const size_t count = walk(m, text, size, 3, 0);
    for (uint32_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        vyre_scan_desc d = scan_desc(m);
        d.width = widths[i];
        vyre_scan *s = scan_open(&d);
        check_whole(s, text, size, count);
        check_whole(s, text, 0, 0);
        check_whole(s, text, size, count);
        vyre_scan_close(s);
    }
}

static void random_texts(void)
{
    uint64_t seed = seed_of();
    fill_random(&seed, 9000, 3);
    vyre_automaton m = automaton_of_text(&seed, 40, 9000, 40);
    check_widths(&m, 9000);
    vyre_automaton_free(&m);
}

static void bytes_of_every_kind(void)
{
    uint64_t seed = seed_of();
    fill_random(&seed, 70001, 256);
    vyre_automaton m = automaton_of_text(&seed, 300, 70001, 12);
    const size_t count = walk(&m, text, 70001, 3, 0);
    vyre_scan_desc d = scan_desc(&m);
    d.way = VYRE_SCAN_CHOSEN;
    vyre_scan *s = scan_open(&d);
    check_whole(s, text, 70001, count);
    vyre_scan_close(s);
    vyre_automaton_free(&m);
}

static void headers_and_prefixes(void)
{
    uint64_t seed = seed_of();
    fill_headers(50000);
    vyre_automaton m = automaton_of_text(&seed, 12, 50000, 4096);
    const vyre_scan_desc d = scan_desc(&m);
    vyre_scan *s = scan_open(&d);
    check_whole(s, text, 50000, walk(&m, text, 50000, 3, 0));
    fill_prefixes(&seed, 50000, patterns, 12);
    check_whole(s, text, 50000, walk(&m, text, 50000, 3, 0));
    vyre_scan_close(s);
    vyre_automaton_free(&m);
}

/* Three files in pieces, by turns, some pieces in a call of their own. */
static void cut_anywhere(void)
{
    uint64_t seed = seed_of();
    const uint32_t rounds = count_of(6), size = 3000;
    fill_random(&seed, size, 2);
    vyre_automaton m = automaton_of_text(&seed, 30, size, 20);
    vyre_scan_desc d = scan_desc(&m);
    d.text_bytes = 4096;
    d.width = 100;
    vyre_scan *s = scan_open(&d);
    for (uint32_t round = 0; round < rounds; round++) {
        uint32_t at[3] = { 0, 0, 0 };
        size_t count = 0, written = 0;
        for (uint32_t file = 0; file < 3; file++)
            count = walk(&m, text, size, file, count);
        while (at[0] < size || at[1] < size || at[2] < size) {
            vyre_scan_text texts[4];
            vyre_scan_report r;
            const uint32_t some = 1 + below(&seed, 4);
            for (uint32_t i = 0; i < some; i++) {
                const uint32_t file = below(&seed, 3), left = size - at[file];
                const uint32_t piece = below(&seed, 3) ? below(&seed, left + 1)
                                                       : below(&seed, left < 5 ? left + 1 : 5);
                texts[i] = text_of(text + at[file], piece, file);
                texts[i].offset = at[file];
                at[file] += piece;
                texts[i].more = at[file] < size;
            }
            CHECK_EQ(vyre_scan_run(s, texts, some, found + written, MOST_HITS - written, &r,
                                   NULL), VYRE_OK);
            CHECK_EQ(r.found, r.written);
            written += (size_t)r.written;
        }
        CHECK_EQ(written, count);
        qsort(found, written, sizeof *found, compare_hits);
        check_hits(0, count);
    }
    vyre_scan_close(s);
    vyre_automaton_free(&m);
}

/* A hit at each byte, few places on the device, and fewer in the array. */
static void overflow_is_counted(void)
{
    const vyre_pattern a[2] = { { "a", 1, 5 }, { "aa", 2, 4 } };
    vyre_automaton m;
    vyre_scan_report r;
    vyre_error err;
    memset(text, 'a', 6000);
    CHECK_EQ(vyre_automaton_make(a, 2, NULL, &m, NULL), VYRE_OK);
    const size_t count = walk(&m, text, 6000, 3, 0);
    CHECK_EQ(count, 11999);
    vyre_scan_desc d = scan_desc(&m);
    d.hits = 100;
    d.width = 64;
    vyre_scan *s = scan_open(&d);
    check_whole(s, text, 6000, count);
    const vyre_scan_text t = text_of(text, 6000, 3);
    CHECK_EQ(vyre_scan_run(s, &t, 1, found, 1001, &r, &err), VYRE_FULL);
    CHECK_EQ(err.status, VYRE_FULL);
    CHECK_EQ(r.found, 11999);
    CHECK_EQ(r.written, 1001);
    CHECK_EQ(r.dropped, 10998);
    CHECK(r.launches > 2);
    check_hits(0, 1000);
    CHECK_EQ(vyre_scan_run(s, &t, 1, NULL, 0, &r, &err), VYRE_FULL);
    CHECK_EQ(r.dropped, 11999);
    vyre_scan_close(s);
    vyre_automaton_free(&m);
}

static void many_small_files(void)
{
    uint64_t seed = seed_of();
    static vyre_scan_text texts[6000];
    vyre_scan_report r;
    fill_random(&seed, 6000, 2);
    vyre_automaton m = automaton_of_text(&seed, 10, 6000, 6);
    const vyre_scan_desc d = scan_desc(&m);
    vyre_scan *s = scan_open(&d);
    size_t count = 0;
    for (uint32_t i = 0; i < 6000; i++) { /* the last ones first */
        const uint32_t file = 5999 - i;
        texts[i] = text_of(text + file, below(&seed, 6000 - file < 9 ? 6000 - file : 9), file);
    }
    for (uint32_t i = 0; i < 6000; i++)
        count = walk_on(&m, (const uint8_t *)texts[i].bytes, (size_t)texts[i].size,
                        texts[i].file, count);
    qsort(expected, count, sizeof *expected, compare_hits);
    CHECK_EQ(vyre_scan_run(s, texts, 6000, found, MOST_HITS, &r, NULL), VYRE_OK);
    CHECK_EQ(r.found, count);
    check_hits(0, count);
    vyre_scan_close(s);
    vyre_automaton_free(&m);
}

/* Numbers that differ in few bytes or in all, `from` of them in order. */
static void fill_hits(uint64_t *seed, size_t count, size_t from, uint32_t kind)
{
    for (size_t i = 0; i < count; i++) {
        vyre_hit *hit = &found[i];
        hit->file = kind == 0 ? (uint32_t)test_random(seed) : kind == 1 ? below(seed, 3) << 16 : 9;
        hit->end = kind == 0 ? test_random(seed) : kind == 3 ? 5 : below(seed, 7) * 0x100000001u;
        hit->rule = kind == 0 ? (uint32_t)test_random(seed) : below(seed, 300);
        hit->layer = below(seed, 2) * 0x1000000u;
    }
    qsort(found, from, sizeof *found, compare_all);
}

/* By file, end, rule and layer, whatever they are, and as many as there are. */
static void hits_in_any_order(void)
{
    static const size_t counts[] = { 0, 1, 2, 31, 32, 33, 34, 300, 5000, 100000 };
    uint64_t seed = seed_of();
    for (uint32_t i = 0; i < 120; i++) {
        const size_t count = counts[i % 10], more = count < 20 ? 0 : count / 20;
        fill_hits(&seed, count, i / 10 % 3 == 0 ? 0 : i / 10 % 3 == 1 ? count - more : count,
                  i / 30);
        memcpy(expected, found, (count + 1) * sizeof *found);
        qsort(expected, count, sizeof *expected, compare_all);
        vyi_scan_sort_hits(found, count);
        for (size_t k = 0; k <= count; k++) /* the one behind them as well */
            CHECK(compare_all(&found[k], &expected[k]) == 0);
    }
}

/* A part of a large file. */
static void offsets_have_64_bits(void)
{
    const vyre_pattern a = { "aab", 3, 8 };
    vyre_automaton m;
    vyre_hit hit;
    CHECK_EQ(vyre_automaton_make(&a, 1, NULL, &m, NULL), VYRE_OK);
    const vyre_scan_desc d = scan_desc(&m);
    vyre_scan *s = scan_open(&d);
    vyre_scan_text t = text_of((const uint8_t *)"aa", 2, 1);
    t.offset = 0xfffffffeu;
    t.more = true;
    CHECK_EQ(vyre_scan_run(s, &t, 1, &hit, 1, NULL, NULL), VYRE_OK);
    t = text_of((const uint8_t *)"b", 1, 1);
    t.offset = 0x100000000u;
    CHECK_EQ(vyre_scan_run(s, &t, 1, &hit, 1, NULL, NULL), VYRE_OK);
    CHECK_EQ(hit.end, 0x100000000u);
    CHECK_EQ(hit.rule, 8);
    vyre_scan_close(s);
    vyre_automaton_free(&m);
}

/* Texts that lie in the text memory: scanned where they are, as often as somebody asks, whole
 * and in parts. */
static void texts_in_place(void)
{
    uint64_t seed = seed_of();
    vyre_scan_report r;
    vyre_error err;
    uint64_t size = 77;
    const uint32_t length = 60001;
    fill_headers(length);
    vyre_automaton m = automaton_of_text(&seed, 30, length, 30);
    const size_t count = walk(&m, text, length, 3, 0);
    const vyre_scan_desc d = scan_desc(&m);
    vyre_scan *s = scan_open(&d);
    uint8_t *memory = (uint8_t *)vyre_scan_map(s, &size);
    CHECK(memory != NULL && size == 65536);
    memcpy(memory + 16, text, length);
    for (uint32_t i = 0; i < 2; i++)
        check_whole(s, memory + 16, length, count);
    vyre_scan_text t[2] = { text_of(memory + 16, 32768, 3),
                            text_of(memory + 16 + 32768, length - 32768, 3) };
    t[0].more = true;
    t[1].offset = 32768;
    CHECK_EQ(vyre_scan_run(s, t, 2, found, MOST_HITS, &r, NULL), VYRE_OK);
    CHECK_EQ(r.found, count);
    check_hits(0, count);
    t[1] = text_of(text, 100, 3);
    CHECK_EQ(vyre_scan_run(s, t, 2, found, MOST_HITS, &r, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(err.at, 1);
    t[1] = text_of(memory + 8, 100, 3);
    CHECK_EQ(vyre_scan_run(s, t, 2, found, MOST_HITS, &r, &err), VYRE_E_ARGUMENT);
    t[1] = text_of(memory + 65520, 17, 3);
    CHECK_EQ(vyre_scan_run(s, t + 1, 1, found, MOST_HITS, &r, &err), VYRE_E_ARGUMENT);
    CHECK(strstr(err.text, "17 bytes from byte 65520") != NULL);
    check_whole(s, memory + 16, length, count); /* what is refused overwrites nothing */
    check_whole(s, text, length, count);        /* what is copied does */
    vyre_scan_close(s);
    CHECK(vyre_scan_map(NULL, &size) == NULL && size == 0);
    vyre_automaton_free(&m);
}

/* --- rules ------------------------------------------------------------------ */

enum { RULES = 6 };

static uint32_t tables[RULES][4 * 256], accepts[RULES][4];

/* 0: "AB".  1: an odd number of A so far.  2: A, later B.  3: as 0.  4: nothing.
 * 5: anything, from the first byte on. */
static vyre_rules rules_made(void)
{
    static const uint32_t states[RULES] = { 3, 2, 3, 3, 1, 1 };
    vyre_rule rules[RULES];
    vyre_rules r;
    memset(tables, 0, sizeof tables);
    memset(accepts, 0, sizeof accepts);
    for (uint32_t c = 0; c < 256; c++) {
        for (uint32_t i = 0; i < 3; i++) {
            tables[0][i * 256 + c] = c == 'A' ? 1 : i == 1 && c == 'B' ? 2 : 0;
            tables[2][i * 256 + c] = i == 0 ? c == 'A' : c == 'B' ? 2 : 1;
        }
        tables[1][c] = c == 'A';
        tables[1][256 + c] = c != 'A';
    }
    memcpy(tables[3], tables[0], sizeof tables[0]);
    accepts[0][2] = accepts[3][2] = accepts[1][1] = accepts[2][2] = accepts[5][0] = 1;
    for (uint32_t i = 0; i < RULES; i++) {
        rules[i].index = i;
        rules[i].transitions = tables[i];
        rules[i].transition_count = (size_t)states[i] * 256;
        rules[i].accept = accepts[i];
        rules[i].accept_count = rules[i].state_count = states[i];
    }
    CHECK_EQ(vyre_rules_pack(rules, RULES, NULL, &r, NULL), VYRE_OK);
    CHECK_EQ(r.rejected_count, 0);
    return r;
}

static size_t walk_rules(uint32_t from, uint32_t size)
{
    size_t count = 0;
    for (uint32_t rule = 0; rule < RULES; rule++) {
        uint32_t state = 0;
        for (uint32_t at = 0; at < size; at++) {
            state = tables[rule][state * 256 + text[from + at]];
            if (accepts[rule][state] == 0)
                continue;
            expected[count].file = 3;
            expected[count].layer = 21;
            expected[count].rule = rule;
            expected[count++].end = at;
        }
    }
    qsort(expected, count, sizeof *expected, compare_hits);
    return count;
}

static void rules_that_never_forget(void)
{
    uint64_t seed = seed_of();
    vyre_rules rules = rules_made();
    for (uint32_t i = 0; i < 30000; i++)
        text[i] = (uint8_t)('A' + below(&seed, 3));
    vyre_scan_desc d = scan_desc(NULL);
    d.rules = &rules;
    d.hits = 5000;
    d.width = 500;
    vyre_scan *s = scan_open(&d);
    const size_t count = walk_rules(0, 30000);
    check_whole(s, text, 30000, count);
    check_whole(s, text, 1, walk_rules(0, 1));
    memcpy(vyre_scan_map(s, NULL), text, 30000);
    check_whole(s, (const uint8_t *)vyre_scan_map(s, NULL), 30000, walk_rules(0, 30000));
    for (uint32_t round = 0; round < 5; round++) { /* by calls */
        const size_t all = walk_rules(0, 9000);
        size_t written = 0;
        for (uint32_t at = 0; at < 9000;) {
            vyre_scan_report r;
            const uint32_t size = below(&seed, 9001 - at);
            vyre_scan_text t = text_of(text + at, size, 3);
            t.offset = at;
            at += size;
            t.more = at < 9000;
            CHECK_EQ(vyre_scan_run(s, &t, 1, found + written, MOST_HITS - written, &r, NULL),
                     VYRE_OK);
            written += (size_t)r.written;
        }
        CHECK_EQ(written, all);
        check_hits(0, all);
    }
    vyre_scan_close(s);
    vyre_rules_free(&rules);
}

static void rules_of_which_none_matches(void)
{
    uint32_t zeros[256] = { 0 };
    vyre_rule rule;
    vyre_rules rules;
    memset(&rule, 0, sizeof rule);
    rule.transitions = zeros;
    rule.transition_count = 256;
    rule.accept = zeros;
    rule.accept_count = rule.state_count = 1;
    CHECK_EQ(vyre_rules_pack(&rule, 1, NULL, &rules, NULL), VYRE_OK);
    vyre_scan_desc d = scan_desc(NULL);
    d.rules = &rules;
    vyre_scan *s = scan_open(&d);
    CHECK(vyre_scan_map(s, NULL) == NULL);
    check_whole(s, text, 5000, 0);
    CHECK_EQ(vyre_scan_tune(s, NULL, 0, 0, NULL), VYRE_E_SCAN_TUNE);
    vyre_scan_close(s);
    vyre_rules_free(&rules);
}

/* --- tuning, and what is refused --------------------------------------------- */

static void tuning_keeps_the_hits(void)
{
    static const uint32_t widths[4] = { 0, 300, 1u << 30, 90 };
    uint64_t seed = seed_of();
    vyre_scan_report r;
    fill_random(&seed, 20000, 2);
    vyre_automaton m = automaton_of_text(&seed, 3, 20000, 20);
    const size_t count = walk(&m, text, 20000, 3, 0);
    vyre_scan_desc d = scan_desc(&m);
    vyre_scan *s = scan_open(&d);
    CHECK_EQ(vyre_scan_tune(s, NULL, 0, 0, NULL), VYRE_E_SCAN_TUNE);
    check_whole(s, text, 20000, count);
    CHECK_EQ(vyre_scan_tune(s, widths, 1, 1, NULL), VYRE_E_SCAN_TUNE);
    CHECK_EQ(vyre_scan_tune(s, widths, 4, 2, NULL), VYRE_OK);
    check_whole(s, text, 20000, count);
    const vyre_scan_text t = text_of(text, 20000, 3);
    CHECK_EQ(vyre_scan_run(s, &t, 1, found, MOST_HITS, &r, NULL), VYRE_OK);
    CHECK(r.width == 300 || r.width == 90);
    CHECK_EQ(r.segments, (20000 + r.width - 1) / r.width);
    CHECK_EQ(vyre_scan_tune(s, NULL, 0, 1, NULL), VYRE_OK);
    check_whole(s, text, 20000, count);
    vyre_scan_close(s);
    vyre_automaton_free(&m);
}

static void refused(void)
{
    vyre_automaton m;
    vyre_error err;
    const vyre_pattern a = { "ab", 2, 0 };
    CHECK_EQ(vyre_automaton_make(&a, 1, NULL, &m, NULL), VYRE_OK);
    vyre_scan_desc d = scan_desc(NULL);
    CHECK(!vyre_scan_open(NULL, &err) && err.status == VYRE_E_ARGUMENT);
    CHECK(!vyre_scan_open(&d, &err) && err.status == VYRE_E_ARGUMENT);
    d.automaton = &m;
    d.text_bytes = 1ull << 32;
    CHECK(!vyre_scan_open(&d, &err) && err.status == VYRE_E_ARGUMENT);
    d.text_bytes = (1ull << 32) - 64; /* a device holds that, or says what it allows */
    vyre_scan *large = vyre_scan_open(&d, &err);
    CHECK(large || (err.status == VYRE_E_VK_LIMIT &&
                    strstr(err.text, "the text buffer has 4294967232 bytes, and the device allows ")));
    vyre_scan_close(large);
    d.text_bytes = 0;
    d.hits = 100;
    d.width = 101;
    CHECK(!vyre_scan_open(&d, &err) && err.status == VYRE_E_SEGMENT_WIDTH);
    d.width = 100;
    m.next[300] += 1000;
    CHECK(!vyre_scan_open(&d, &err) && err.status == VYRE_E_ARGUMENT && err.at == 300);
    m.next[300] -= 1000;
    m.output_offsets[1] = 9;
    CHECK(!vyre_scan_open(&d, &err) && err.status == VYRE_E_ARGUMENT);
    m.output_offsets[1] = 0;
    vyre_scan *s = scan_open(&d);
    vyre_scan_text t = text_of(NULL, 1, 0);
    CHECK_EQ(vyre_scan_run(s, &t, 1, NULL, 0, NULL, NULL), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_scan_run(s, NULL, 1, NULL, 0, NULL, NULL), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_scan_run(NULL, &t, 0, NULL, 0, NULL, NULL), VYRE_E_ARGUMENT);
    t = text_of(text, 2, 0);
    t.offset = UINT64_MAX;
    CHECK_EQ(vyre_scan_run(s, &t, 1, NULL, 0, NULL, NULL), VYRE_E_OVF);
    CHECK_EQ(vyre_scan_tune(NULL, NULL, 0, 0, NULL), VYRE_E_ARGUMENT);
    vyre_scan_close(s);
    vyre_scan_close(NULL);
    vyre_automaton_free(&m);
}

/* --- files ------------------------------------------------------------------- */

enum { FILES = 40, MISSING = 17 };

static char file_names[FILES][64];
static const char *file_paths[FILES];
static size_t delivered;
static uint64_t stop_after;
static vyre_scan_progress last_progress;

static void keep_hits(void *user, const vyre_hit *hits, size_t count)
{
    CHECK(delivered + count <= MOST_HITS);
    memcpy(found + delivered, hits, count * sizeof *hits);
    delivered += count;
    (void)user;
}

static bool keep_progress(void *user, const vyre_scan_progress *p)
{
    CHECK(p->files >= last_progress.files && p->bytes >= last_progress.bytes);
    CHECK_EQ(p->file_count, FILES);
    last_progress = *p;
    (void)user;
    return p->bytes < stop_after;
}

/* File i is text[i * 100] and the i * 1000 bytes after it, apart from one that is not there. */
static size_t make_files(const vyre_automaton *m, const char *directory)
{
    size_t count = 0;
    for (uint32_t i = 0; i < FILES; i++) {
        snprintf(file_names[i], sizeof file_names[i], "%s/%u", directory, i);
        file_paths[i] = file_names[i];
        FILE *file = i == MISSING ? NULL : fopen(file_names[i], "wb");
        if (!file)
            continue;
        CHECK_EQ(fwrite(text + i * 100, 1, i * 1000, file), i * 1000);
        fclose(file);
        count = walk_on(m, text + i * 100, i * 1000, i, count);
    }
    for (size_t i = 0; i < count; i++)
        expected[i].layer = 9;
    qsort(expected, count, sizeof *expected, compare_hits);
    return count;
}

static void check_files(vyre_scan *s, size_t count, size_t part_bytes)
{
    static vyre_scan_file files[FILES];
    vyre_scan_files_desc how = { keep_hits, keep_progress, NULL, 9, part_bytes };
    vyre_scan_report r;
    vyre_error err;
    delivered = 0;
    stop_after = UINT64_MAX;
    memset(&last_progress, 0, sizeof last_progress);
    CHECK_EQ(vyre_scan_files(s, file_paths, FILES, &how, files, &r, &err), VYRE_E_SCAN_FILE);
    CHECK_EQ(err.at, MISSING);
    CHECK_EQ(err.native, ENOENT);
    CHECK_EQ(delivered, count);
    check_hits(0, count);
    CHECK_EQ(r.written, count);
    CHECK_EQ(r.bytes, FILES * (FILES - 1) / 2 * 1000 - MISSING * 1000);
    CHECK_EQ(last_progress.files, FILES);
    for (uint32_t i = 0, at = 0; i < FILES; i++) {
        const size_t from = at;
        while (at < count && found[at].file == i)
            at++;
        CHECK_EQ(files[i].hits, at - from);
        CHECK_EQ(files[i].bytes, i == MISSING ? 0 : i * 1000);
        CHECK_EQ(files[i].status, i == MISSING ? VYRE_E_SCAN_FILE : VYRE_OK);
    }
    delivered = 0;
    stop_after = 100000;
    memset(&last_progress, 0, sizeof last_progress);
    CHECK_EQ(vyre_scan_files(s, file_paths, FILES, &how, files, &r, &err), VYRE_E_SCAN_STOPPED);
    CHECK_EQ(r.bytes, last_progress.bytes);
    CHECK(r.bytes >= 100000 && r.bytes < 200000);
    CHECK(delivered > 0 && delivered < count);
    check_hits(0, delivered);
    CHECK_EQ(files[FILES - 1].status, VYRE_E_SCAN_STOPPED);
    CHECK_EQ(files[1].status, VYRE_OK);
}

static void files_are_read(void)
{
    uint64_t seed = seed_of();
    char directory[] = "/tmp/vyre_scan_XXXXXX";
    CHECK(mkdtemp(directory) != NULL);
    fill_random(&seed, 50000, 20);
    vyre_automaton m = automaton_of_text(&seed, 20, 50000, 8);
    const vyre_scan_desc d = scan_desc(&m);
    const size_t count = make_files(&m, directory);
    vyre_scan *s = scan_open(&d);
    check_files(s, count, 0);
    check_files(s, count, 777);
    CHECK_EQ(vyre_scan_files(s, file_paths, 3, NULL, NULL, NULL, NULL), VYRE_OK);
    CHECK_EQ(vyre_scan_files(s, NULL, 0, NULL, NULL, NULL, NULL), VYRE_OK);
    CHECK_EQ(vyre_scan_files(s, NULL, 1, NULL, NULL, NULL, NULL), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_scan_files(NULL, file_paths, 1, NULL, NULL, NULL, NULL), VYRE_E_ARGUMENT);
    vyre_scan_close(s);
    vyre_automaton_free(&m);
    for (uint32_t i = 0; i < FILES; i++)
        remove(file_names[i]);
    remove(directory);
}

static bool cut_the_file(void *user, const vyre_scan_progress *p)
{
    CHECK_EQ(truncate((const char *)user, 300000), 0);
    return p->bytes < UINT64_MAX;
}

/* One that several threads read and copy; one that becomes shorter meanwhile, as many parts
 * were claimed before; a directory, which has a size and no bytes; one without a size. */
static void a_large_file(void)
{
    enum { SIZE = 5 << 20, PART = 1 << 17 };
    const vyre_pattern needle = { "needle", 6, 1 };
    char path[] = "/tmp/vyre_scan_XXXXXX";
    const char *three[3] = { path, "/tmp", "/proc/self/status" };
    vyre_scan_file files[3];
    vyre_automaton m;
    vyre_error err;
    uint8_t *bytes = (uint8_t *)calloc(1, SIZE);
    CHECK(bytes != NULL);
    size_t count = 0;
    for (size_t at = 5; at + 6 < SIZE; at += 65521, count++) {
        memcpy(bytes + at, "needle", 6);
        expected[count].file = expected[count].layer = 0;
        expected[count].rule = 1;
        expected[count].end = at + 5;
    }
    FILE *file = fdopen(mkstemp(path), "wb");
    CHECK(file && fwrite(bytes, 1, SIZE, file) == SIZE && fclose(file) == 0);
    CHECK_EQ(vyre_automaton_make(&needle, 1, NULL, &m, NULL), VYRE_OK);
    vyre_scan_desc d = scan_desc(&m);
    d.text_bytes = 1u << 20;
    vyre_scan *s = scan_open(&d);
    for (uint32_t i = 0; i < 3; i++) {
        vyre_scan_files_desc how = { keep_hits, i == 2 ? cut_the_file : NULL, path, 0, PART };
        delivered = 0;
        CHECK_EQ(vyre_scan_files(s, three, i == 1 ? 3 : 1, &how, files, NULL, &err),
                 i == 1 ? VYRE_E_SCAN_FILE : VYRE_OK);
        if (i == 1)
            CHECK(files[1].native == EISDIR && files[1].status == VYRE_E_SCAN_FILE &&
                  files[2].status == VYRE_OK && files[2].bytes > 100);
        CHECK_EQ(files[0].status, VYRE_OK);
        CHECK(i == 2 ? delivered < count : delivered == count);
        CHECK(files[0].bytes >= 300000 && (i == 2 || files[0].bytes == SIZE));
        check_hits(0, delivered);
    }
    vyre_scan_close(s);
    vyre_automaton_free(&m);
    remove(path);
    free(bytes);
}

/* Groups with tables of their own: one that has them whole, one that has a part. */
static void groups_copy_the_tables(void)
{
    uint64_t seed = seed_of();
    fill_headers(12000);
    for (uint32_t round = 0; round < 2; round++) {
        vyre_automaton m = automaton_of_text(&seed, round ? 200 : 10, 12000, round ? 40 : 9);
        const size_t count = walk(&m, text, 12000, 3, 0);
        vyre_scan_desc d = scan_desc(&m);
        d.way = VYRE_SCAN_GROUPS;
        vyre_scan *s = scan_open(&d);
        check_whole(s, text, 12000, count);
        check_whole(s, text, 12000, count);
        vyre_scan_close(s);
        vyre_automaton_free(&m);
    }
}

/* --- by threads of the host ---------------------------------------------------- */

/* No pattern is shorter than `least`; in half of the rounds the text is made of their
 * beginnings, and in half of them upper case counts as lower. */
static void check_skips(uint64_t *seed, uint32_t least, uint32_t letters, uint32_t count)
{
    const uint32_t size = 2000 + below(seed, 3000), begins = below(seed, 2);
    const bool folded = below(seed, 2) == 0;
    vyre_automaton m;
    for (uint32_t i = 0; i < size; i++)
        text[i] = (uint8_t)('a' + below(seed, letters));
    for (uint32_t i = 0; i < count; i++) {
        patterns[i].size = least + below(seed, 1 + below(seed, 20));
        patterns[i].bytes = text + 6000 + below(seed, 500);
        patterns[i].id = below(seed, 1000);
    }
    for (uint32_t i = 0; i < 1000; i++)
        text[6000 + i] = (uint8_t)('a' + below(seed, letters));
    CHECK_EQ(vyre_automaton_make(patterns, count, NULL, &m, NULL), VYRE_OK);
    if (begins)
        fill_prefixes(seed, size, patterns, count);
    for (uint32_t i = 0; i < size && folded; i++)
        text[i] = (uint8_t)(text[i] >= 'a' && text[i] <= 'z' && below(seed, 2) ? text[i] - 32
                                                                               : text[i]);
    for (uint32_t i = 0; i < m.states && folded; i++)
        memcpy(m.next + i * 256 + 'A', m.next + i * 256 + 'a', 26 * sizeof *m.next);
    vyre_scan_desc d = scan_desc(&m);
    d.hits = 40 + below(seed, 4000);
    d.width = 1 + below(seed, 40);
    vyre_scan *s = scan_open(&d);
    check_whole(s, text, size, walk(&m, text, size, 3, 0));
    vyre_scan_close(s);
    vyre_automaton_free(&m);
}

static void skips_lose_nothing(void)
{
    static const uint32_t letters[] = { 2, 4, 26, 120 };
    uint64_t seed = seed_of();
    for (uint32_t round = 0; round < count_of(40); round++)
        check_skips(&seed, 3 + below(&seed, round % 5 ? 6 : 300), letters[round % 4],
                    1 + below(&seed, round % 3 ? 4 : 100));
}

/* Where each byte is a window that stops: a lane takes more turns than drivers let it, unless its
 * segment was made narrower. */
static void hops_are_not_cut(void)
{
    const vyre_pattern abc = { "abc", 3, 2 };
    const uint32_t size = sizeof text;
    vyre_automaton m;
    CHECK_EQ(vyre_automaton_make(&abc, 1, NULL, &m, NULL), VYRE_OK);
    for (uint32_t i = 0; i < size; i++)
        text[i] = (uint8_t)"abc"[i % 3];
    vyre_scan_desc d = scan_desc(&m);
    d.text_bytes = 4 * size;
    d.hits = d.width = size;
    vyre_scan *s = scan_open(&d);
    check_whole(s, text, size, walk(&m, text, size, 3, 0));
    vyre_scan_close(s);
    vyre_automaton_free(&m);
}

/* abc and xybc, with one state for ab and xyb: what that remembers is no string. */
static void an_automaton_of_more_than_strings(void)
{
    enum { ROOT, A, X, XY, AB, END, STATES };
    uint32_t next[STATES * 256], offsets[STATES + 1] = { 0 }, output = 5;
    vyre_automaton m;
    uint64_t seed = seed_of();
    memset(&m, 0, sizeof m);
    memset(next, 0, sizeof next);
    for (uint32_t i = 0; i < STATES; i++) {
        next[i * 256 + 'a'] = A;
        next[i * 256 + 'x'] = X;
    }
    next[A * 256 + 'b'] = next[XY * 256 + 'b'] = AB;
    next[X * 256 + 'y'] = XY;
    next[AB * 256 + 'c'] = END;
    offsets[STATES] = 1;
    m.next = next;
    m.output_offsets = offsets;
    m.outputs = &output;
    m.states = STATES;
    m.longest = 4;
    for (uint32_t i = 0; i < 60000; i++)
        text[i] = (uint8_t)"abcxy"[below(&seed, 5)];
    const vyre_scan_desc d = scan_desc(&m);
    vyre_scan *s = scan_open(&d);
    check_whole(s, text, 60000, walk(&m, text, 60000, 3, 0));
    vyre_scan_close(s);
}

/* Enough for several threads, with bytes skipped and not. */
static void threads_share_a_text(void)
{
    uint64_t seed = seed_of();
    const uint32_t size = sizeof text, times = 16;
    uint8_t *bytes = (uint8_t *)malloc((size_t)size * times);
    CHECK(bytes != NULL);
    for (uint32_t least = 1; least <= 5; least += 4) {
        fill_random(&seed, size, 2);
        for (uint32_t i = 0; i < size && least > 1; i++)
            text[i] = (uint8_t)below(&seed, 256);
        for (uint32_t i = 0; i < times; i++)
            memcpy(bytes + (size_t)i * size, text, size);
        for (uint32_t i = 0; i < 10; i++) {
            patterns[i].size = least + (least > 1 ? below(&seed, 10) : 16);
            patterns[i].bytes = text + below(&seed, size - 30);
            patterns[i].id = i;
        }
        vyre_automaton m;
        CHECK_EQ(vyre_automaton_make(patterns, 10, NULL, &m, NULL), VYRE_OK);
        vyre_scan_desc d = scan_desc(&m);
        d.text_bytes = 4u << 20;
        vyre_scan *s = scan_open(&d);
        check_whole(s, bytes, (size_t)size * times,
                    walk(&m, bytes, (size_t)size * times, 3, 0));
        vyre_scan_close(s);
        vyre_automaton_free(&m);
    }
    free(bytes);
}

static void only_where_it_can_be(void)
{
    const vyre_pattern a = { "ab", 2, 0 };
    vyre_rules rules = rules_made();
    vyre_automaton m;
    vyre_error err;
    vyre_scan_desc d = scan_desc(NULL);
    d.rules = &rules;
    d.way = VYRE_SCAN_HOST;
    CHECK(!vyre_scan_open(&d, &err) && err.status == VYRE_E_ARGUMENT);
    vyre_rules_free(&rules);
    CHECK_EQ(vyre_automaton_make(&a, 1, NULL, &m, NULL), VYRE_OK);
    d = scan_desc(&m);
    d.engine.backend = VYRE_BACKEND_VULKAN;
    if (!engine_why)
        CHECK(!vyre_scan_open(&d, &err) && err.status == VYRE_E_ARGUMENT);
    d.way = (vyre_scan_way)(VYRE_SCAN_HOST + 1);
    CHECK(!vyre_scan_open(&d, &err) && err.status == VYRE_E_ARGUMENT);
    vyre_automaton_free(&m);
}

static vyre_status open_host_and_run(const vyre_allocator *allocator, void *user)
{
    vyre_error err;
    vyre_scan_desc d = scan_desc((const vyre_automaton *)user);
    d.engine.allocator = *allocator;
    d.way = VYRE_SCAN_HOST;
    vyre_scan *s = vyre_scan_open(&d, &err);
    if (!s)
        return err.status;
    const vyre_scan_text t = text_of(text, 1000, 3);
    const vyre_status status = vyre_scan_run(s, &t, 1, found, MOST_HITS, NULL, NULL);
    vyre_scan_close(s);
    return status;
}

static void memory_that_fails_there(void)
{
    const vyre_pattern a = { "abcd", 4, 0 };
    vyre_automaton m;
    CHECK_EQ(vyre_automaton_make(&a, 1, NULL, &m, NULL), VYRE_OK);
    CHECK(oom_each(open_host_and_run, &m) > 20);
    vyre_automaton_free(&m);
}

static bool stop_at_once(void *user, const vyre_scan_progress *p)
{
    (void)user, (void)p;
    return false;
}

static vyre_status open_and_run(const vyre_allocator *allocator, void *user)
{
    vyre_error err;
    vyre_scan_desc d = scan_desc(NULL);
    d.engine.allocator = *allocator;
    d.text_bytes = 4096;
    d.hits = 64;
    d.rules = (const vyre_rules *)user;
    vyre_scan *s = vyre_scan_open(&d, &err);
    if (!s)
        return err.status;
    vyre_scan_text t = text_of(text, 1000, 3);
    t.more = true;
    static const char *const path = "/proc/self/exe";
    vyre_status status = vyre_scan_run(s, &t, 1, found, MOST_HITS, NULL, NULL);
    if (status == VYRE_OK) {
        const vyre_scan_files_desc how = { NULL, stop_at_once, NULL, 0, 500 };
        status = vyre_scan_files(s, &path, 1, &how, NULL, NULL, NULL);
        status = status == VYRE_E_SCAN_STOPPED ? VYRE_OK : status;
    }
    vyre_scan_close(s);
    return status;
}

static void memory_that_fails(void)
{
    vyre_rules rules = rules_made();
    memset(text, 'A', 1000);
    CHECK(oom_each(open_and_run, &rules) > 20);
    vyre_rules_free(&rules);
}

static const engine_case cases[] = {
    ENGINE_CASE(random_texts), ENGINE_CASE(bytes_of_every_kind),
    ENGINE_CASE(headers_and_prefixes), ENGINE_CASE(cut_anywhere),
    ENGINE_CASE(groups_copy_the_tables), ENGINE_CASE(overflow_is_counted),
    ENGINE_CASE(many_small_files), ENGINE_CASE(offsets_have_64_bits), ENGINE_CASE(texts_in_place),
    ENGINE_CASE(rules_that_never_forget), ENGINE_CASE(rules_of_which_none_matches),
    ENGINE_CASE(tuning_keeps_the_hits), ENGINE_CASE(refused),
    ENGINE_CASE(files_are_read), ENGINE_CASE(a_large_file),
    ENGINE_CASE(skips_lose_nothing), ENGINE_CASE(hops_are_not_cut),
    ENGINE_CASE(an_automaton_of_more_than_strings)
};

static const engine_case host_cases[] = {
    ENGINE_CASE(threads_share_a_text), ENGINE_CASE(only_where_it_can_be),
    ENGINE_CASE(memory_that_fails_there)
};

static void run_by_host(const engine_case *from, size_t count)
{
    static char name[128];
    for (size_t i = 0; i < count; i++) {
        if (from[i].body == groups_copy_the_tables)
            continue;
        snprintf(name, sizeof name, "host/%s", from[i].name);
        test_run(name, from[i].body);
    }
}

int main(void)
{
    RUN(memory_that_fails); /* on the CPU */
    RUN(hits_in_any_order);
    engine_run_cases(cases, sizeof cases / sizeof *cases);
    backend_under_test = VYRE_BACKEND_CPU;
    way_under_test = VYRE_SCAN_HOST;
    run_by_host(cases, sizeof cases / sizeof *cases);
    run_by_host(host_cases, sizeof host_cases / sizeof *host_cases);
    return test_end();
}

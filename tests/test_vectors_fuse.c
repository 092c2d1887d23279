/* The golden vectors of fusion and of waves. */
#include "vec.h"

#define MAX_ITEMS 4096

static uint32_t *words_of(size_t count)
{
    uint32_t *words = (uint32_t *)calloc(count ? count : 1, sizeof *words);
    if (!words)
        test_fail(__FILE__, __LINE__, "no memory for %llu words", (unsigned long long)count);
    return words;
}

/* --- select --------------------------------------------------------------- */

static uint32_t *matrix_of(const vec_row *row, const char *text, uint32_t n)
{
    uint32_t *matrix = words_of((size_t)n * n);
    while (*text && *text != '-') {
        const uint64_t at = vec_number(row, &text);
        ROW_CHECK(row, vec_skip(&text, '=') && at < (uint64_t)n * n);
        matrix[at] = (uint32_t)vec_number(row, &text);
        (void)vec_skip(&text, ',');
    }
    return matrix;
}

static void row_select(const vec_row *row)
{
    static uint32_t costs16[MAX_ITEMS], expected[MAX_ITEMS], keep[MAX_ITEMS];
    static double costs[MAX_ITEMS];
    vyre_error err;
    vyre_select_desc desc;
    uint32_t kept = 0, sum = 0;
    const uint32_t n = vec_u32(row, row->in[0]);
    const char *text = row->in[1], *out = row->out[0];
    ROW_CHECK(row, n <= MAX_ITEMS);
    ROW_EQ(row, vec_list(row, &text, ',', costs16, MAX_ITEMS), n);
    ROW_EQ(row, vec_list(row, &out, ',', expected, MAX_ITEMS), n);
    for (uint32_t i = 0; i < n; i++)
        costs[i] = costs16[i];
    memset(&desc, 0, sizeof desc);
    uint32_t *conflicts = matrix_of(row, row->in[2], n);
    desc.count = n;
    desc.costs = costs;
    desc.conflicts = conflicts;
    memset(keep, 0xa5, sizeof keep);
    vec_expect_row(row, vyre_select(&desc, keep, &kept, &err));
    for (uint32_t i = 0; i < n; i++) {
        ROW_EQ(row, keep[i], expected[i]);
        sum += keep[i];
    }
    ROW_EQ(row, kept, sum);
    free(conflicts);
}

/* --- works ---------------------------------------------------------------- */

/* op.input.output.param, comma separated, up to `end`. */
static uint32_t items_of(const vec_row *row, const char **text, vyre_work *works)
{
    uint32_t count = 0;
    const char *at = *text; /* a lone `e` is an empty arm, `e2.0.0.1` an item */
    if (vec_skip(text, '-') || (*at == 'e' && (at[1] == ';' || at[1] == '\0') && vec_skip(text, 'e')))
        return 0;
    do {
        vyre_work *work = &works[count++];
        memset(work, 0, sizeof *work);
        work->arg_count = 3;
        work->opcode = (uint32_t)vec_number(row, text);
        for (unsigned i = 0; i < 3; i++) {
            ROW_CHECK(row, vec_skip(text, '.'));
            work->args[i] = (uint32_t)vec_number(row, text);
        }
        ROW_CHECK(row, count < MAX_ITEMS);
    } while (vec_skip(text, ','));
    return count;
}

static uint32_t traits_of(const vyre_work *works, uint32_t count, vyre_op_traits *traits)
{
    uint32_t trait_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t j = 0;
        while (j < trait_count && traits[j].opcode != works[i].opcode)
            j++;
        if (j < trait_count)
            continue;
        memset(&traits[trait_count], 0, sizeof *traits);
        traits[trait_count].opcode = works[i].opcode;
        traits[trait_count++].repeatable = true;
    }
    return trait_count;
}

static void row_dedupe(const vec_row *row)
{
    static vyre_work works[MAX_ITEMS], left[MAX_ITEMS];
    static vyre_op_traits traits[MAX_ITEMS];
    static vyre_duplicate pairs[MAX_ITEMS];
    static uint32_t stands[MAX_ITEMS];
    vyre_error err;
    uint32_t pair_count = 99, at = 0;
    const char *text = row->in[0], *triples = row->out[1];
    const uint32_t count = items_of(row, &text, works);
    const uint32_t trait_count = traits_of(works, count, traits);
    vec_expect_row(row, vyre_works_fold(works, count, traits, trait_count, stands, pairs,
                                        MAX_ITEMS, &pair_count, NULL, &err));
    if (pair_count == 0)
        ROW_CHECK(row, strcmp(row->out[0], "-") == 0 && strcmp(triples, "-") == 0);
    for (uint32_t i = 0; i < pair_count; i++) {
        ROW_EQ(row, pairs[i].first, vec_number(row, &triples));
        (void)vec_skip(&triples, '.');
        ROW_EQ(row, pairs[i].index, vec_number(row, &triples));
        ROW_CHECK(row, strncmp(triples, ".0", 2) == 0);
        triples += 2;
        (void)vec_skip(&triples, ',');
        ROW_EQ(row, stands[pairs[i].index], pairs[i].first);
    }
    if (pair_count) {
        const char *out = row->out[0];
        const uint32_t left_count = items_of(row, &out, left);
        ROW_EQ(row, *triples, '\0');
        for (uint32_t i = 0; i < count; i++) {
            if (stands[i] != i)
                continue;
            ROW_CHECK(row, at < left_count && memcmp(&left[at], &works[i], sizeof *left) == 0);
            at++;
        }
        ROW_EQ(row, at, left_count);
    }
    /* D4: nothing is known of the opcodes, so nothing is folded. */
    vec_expect(row, vyre_works_fold(works, count, NULL, 0, stands, NULL, 0, &pair_count, NULL,
                                    &err), VYRE_OK);
    ROW_EQ(row, pair_count, 0);
    for (uint32_t i = 0; i < count; i++)
        ROW_EQ(row, stands[i], i);
}

/* --- arms ----------------------------------------------------------------- */

static uint32_t arms_of(const vec_row *row, const char *text, vyre_arm *arms, vyre_work *works)
{
    uint32_t count = 0;
    if (strcmp(text, "-") == 0)
        return 0;
    do {
        arms[count].works = works;
        arms[count].count = items_of(row, &text, works);
        works += arms[count++].count;
        ROW_CHECK(row, count < MAX_ITEMS);
    } while (vec_skip(&text, ';'));
    return count;
}

static void row_cross_arm(const vec_row *row)
{
    static vyre_work works[MAX_ITEMS];
    static vyre_arm arms[MAX_ITEMS];
    static vyre_redundant out[MAX_ITEMS];
    vyre_error err;
    uint32_t found = 0;
    const char *triples = row->out[0];
    const uint32_t count = arms_of(row, row->in[0], arms, works);
    vec_expect_row(row, vyre_arms_redundant(arms, count, false, out, MAX_ITEMS, &found, NULL,
                                            &err));
    if (found == 0)
        ROW_CHECK(row, strcmp(triples, "-") == 0);
    for (uint32_t i = 0; i < found; i++) {
        ROW_EQ(row, out[i].owner, vec_number(row, &triples));
        (void)vec_skip(&triples, '.');
        ROW_EQ(row, out[i].arm, vec_number(row, &triples));
        (void)vec_skip(&triples, '.');
        ROW_EQ(row, out[i].index, vec_number(row, &triples));
        (void)vec_skip(&triples, ',');
    }
    ROW_CHECK(row, found == 0 || *triples == '\0');
}

static void row_prologue(const vec_row *row)
{
    static vyre_work works[MAX_ITEMS];
    static vyre_arm arms[MAX_ITEMS];
    const uint32_t count = arms_of(row, row->in[0], arms, works);
    ROW_EQ(row, vyre_arms_prologue(arms, count), vec_u32(row, row->out[0]));
}

/* What stands in its place keeps every work, and is not asked about positions. */
static void row_compact(const vec_row *row)
{
    static vyre_work works[MAX_ITEMS];
    static uint32_t order[MAX_ITEMS], seen[MAX_ITEMS];
    vyre_error err;
    const char *text = row->in[0];
    const uint32_t count = items_of(row, &text, works);
    memset(seen, 0, sizeof seen);
    vec_expect(row, vyre_works_group(works, count, order, NULL, &err), VYRE_OK);
    for (uint32_t i = 0; i < count; i++) {
        ROW_CHECK(row, order[i] < count && !seen[order[i]]);
        seen[order[i]] = 1;
    }
    vec_ruled(RULE_FUSION_COMPACT);
}

static void vectors_fusion(void)
{
    static const vec_op ops[] = {
        { "select", 3, row_select },       { "dedupe", 1, row_dedupe },
        { "cross_arm", 1, row_cross_arm }, { "prologue", 1, row_prologue },
        { "compact", 1, row_compact }
    };
    vec_run("fusion", ops, sizeof ops / sizeof ops[0]);
}

/* --- waves ---------------------------------------------------------------- */

#define MAX_IDS 65536

/* reads|writes */
static vyre_work_access access_of(const vec_row *row, const char **text, uint32_t **ids)
{
    vyre_work_access access;
    access.reads = *ids;
    access.read_count = vec_list(row, text, ',', *ids, MAX_IDS);
    *ids += access.read_count;
    ROW_CHECK(row, vec_skip(text, '|'));
    access.writes = *ids;
    access.write_count = vec_list(row, text, ',', *ids, MAX_IDS);
    *ids += access.write_count;
    return access;
}

static bool any_common(const uint32_t *a, uint32_t a_count, const uint32_t *b, uint32_t b_count)
{
    for (uint32_t i = 0; i < a_count; i++) {
        for (uint32_t j = 0; j < b_count; j++) {
            if (a[i] == b[j])
                return true;
        }
    }
    return false;
}

static uint32_t reason_of(const vyre_work_access *a, const vyre_work_access *b)
{
    if (any_common(a->writes, a->write_count, b->writes, b->write_count))
        return 1;
    if (any_common(a->writes, a->write_count, b->reads, b->read_count))
        return 2;
    return any_common(a->reads, a->read_count, b->writes, b->write_count) ? 3 : 0;
}

static void row_compare(const vec_row *row)
{
    static uint32_t ids[MAX_IDS];
    vyre_error err;
    vyre_work_access arms[2];
    vyre_wave_why why[2];
    uint32_t wave[2], count = 0, *next = ids;
    for (unsigned i = 0; i < 2; i++) {
        const char *text = row->in[i];
        arms[i] = access_of(row, &text, &next);
    }
    for (unsigned contiguous = 0; contiguous < 2; contiguous++) {
        vec_expect_row(row, vyre_waves(arms, 2, contiguous != 0, wave, why, &count, NULL, &err));
        ROW_EQ(row, why[1].reason, vec_u32(row, row->out[0]));
        ROW_EQ(row, count, why[1].reason ? 2u : 1u);
        ROW_EQ(row, wave[1], count - 1);
    }
}

/* Stretches of the array, each compared with all of the open one: the rule. */
static uint32_t stretches(const vyre_work_access *arms, uint32_t count, uint32_t *wave,
                          vyre_wave_why *why)
{
    uint32_t start = 0, current = 0;
    for (uint32_t i = 0; i < count; i++) {
        why[i].earlier = why[i].reason = 0;
        for (uint32_t j = i; j-- > start && !why[i].reason;) {
            why[i].reason = reason_of(&arms[j], &arms[i]);
            why[i].earlier = why[i].reason ? j : 0;
        }
        if (why[i].reason) {
            start = i;
            current++;
        }
        wave[i] = current;
    }
    return count ? current + 1 : 0;
}

/* Whether the original, which looks at neighbours, breaks where the rule does. */
static bool neighbours_do(const vyre_work_access *arms, uint32_t count, const vyre_wave_why *why)
{
    for (uint32_t i = 1; i < count; i++) {
        const uint32_t reason = reason_of(&arms[i - 1], &arms[i]);
        if (reason != why[i].reason || (reason && why[i].earlier != i - 1))
            return false;
    }
    return true;
}

static void check_segments(const vec_row *row, const uint32_t *wave, const vyre_wave_why *why,
                           uint32_t count)
{
    const char *segments = row->out[0], *breaks = row->out[1];
    uint32_t start = 0, fused = 0;
    for (uint32_t i = 1; i <= count; i++) {
        if (i < count && wave[i] == wave[i - 1])
            continue;
        ROW_EQ(row, start, vec_number(row, &segments));
        ROW_CHECK(row, vec_skip(&segments, '.'));
        ROW_EQ(row, i, vec_number(row, &segments));
        (void)vec_skip(&segments, ',');
        fused |= i - start > 1;
        start = i;
        if (i == count)
            break;
        ROW_EQ(row, why[i].earlier, vec_number(row, &breaks));
        ROW_CHECK(row, vec_skip(&breaks, '.'));
        ROW_EQ(row, i, vec_number(row, &breaks));
        ROW_CHECK(row, vec_skip(&breaks, '.'));
        ROW_EQ(row, why[i].reason, vec_number(row, &breaks));
        (void)vec_skip(&breaks, ',');
    }
    ROW_EQ(row, fused, vec_u32(row, row->out[2]));
}

static void row_segments(const vec_row *row)
{
    static uint32_t ids[MAX_IDS], wave[MAX_ITEMS], expected[MAX_ITEMS];
    static vyre_work_access arms[MAX_ITEMS];
    static vyre_wave_why why[MAX_ITEMS], reasons[MAX_ITEMS];
    vyre_error err;
    uint32_t count = 0, waves = 0, *next = ids;
    const char *text = row->in[0];
    if (strcmp(text, "-") != 0) {
        do
            arms[count++] = access_of(row, &text, &next);
        while (vec_skip(&text, ';'));
    }
    vec_expect_row(row, vyre_waves(arms, count, true, wave, why, &waves, NULL, &err));
    ROW_EQ(row, waves, stretches(arms, count, expected, reasons));
    for (uint32_t i = 0; i < count; i++) {
        ROW_EQ(row, wave[i], expected[i]);
        ROW_EQ(row, why[i].reason, reasons[i].reason);
        ROW_EQ(row, why[i].earlier, reasons[i].earlier);
    }
    if (neighbours_do(arms, count, reasons))
        check_segments(row, wave, why, count);
    else
        vec_ruled(RULE_WAVE_UNION);
}

static void vectors_waves(void)
{
    static const vec_op ops[] = { { "segments", 1, row_segments }, { "compare", 2, row_compare } };
    vec_run("waves", ops, 2);
}

int main(void)
{
    RUN(vectors_fusion);
    RUN(vectors_waves);
    return test_end();
}

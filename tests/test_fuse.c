/* The room of fusion: selections, folded works, groups, arms and waves against
 * models that know the rules and nothing else. */
#include "oom.h"
#include "test.h"
#include "vyre.h"

#define MANY 10000

static unsigned rounds(void)
{
    const char *text = getenv("TEST_COUNT");
    return text ? (unsigned)strtoul(text, NULL, 0) : MANY;
}

static uint32_t below(uint64_t *seed, uint32_t limit)
{
    return (uint32_t)(test_random(seed) % limit);
}

/* --- select --------------------------------------------------------------- */

static void selects(const double *costs, const uint32_t *conflicts, const bool *dead,
                    uint32_t count, const char *expected)
{
    uint32_t keep[8], kept = 99, sum = 0;
    vyre_error err;
    vyre_select_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.count = count;
    desc.costs = costs;
    desc.conflicts = conflicts;
    desc.dead = dead;
    CHECK_EQ(vyre_select(&desc, keep, &kept, &err), VYRE_OK);
    for (uint32_t i = 0; i < count; i++) {
        if (keep[i] != (uint32_t)(expected[i] - '0'))
            test_fail(__FILE__, __LINE__, "item %u of %s is %u", i, expected, keep[i]);
        sum += keep[i];
    }
    CHECK_EQ(kept, sum);
}

static void select_worked_cases(void)
{
    static const double rising[] = { 1, 2, 3, 4 }, middle[] = { 2, 1, 3 }, hub[] = { 0, 1, 1, 1, 1 };
    static const uint32_t first_two[16] = { 0, 1 };
    static const uint32_t path[9] = { 0, 1, 0, 0, 0, 1 };
    static const uint32_t star[25] = { 0, 1, 1, 1, 0 };
    static const uint32_t diagonal[9] = { 7, 0, 0, 0, 7, 0, 0, 0, 7 };
    static const uint32_t back[9] = { 0, 0, 0, 0, 0, 0, 1 };
    static const uint32_t pair[4] = { 0, 1 };
    static const bool dead[5] = { true, false, false, true, false }, second[3] = { false, true };
    double odd[2];
    selects(rising, first_two, NULL, 4, "1011");
    selects(NULL, path, NULL, 3, "101");
    selects(middle, path, NULL, 3, "010");
    selects(NULL, star, NULL, 5, "01111");
    selects(hub, star, NULL, 5, "10001");
    selects(NULL, diagonal, NULL, 3, "111");
    selects(rising, back, NULL, 3, "110");
    selects(NULL, NULL, NULL, 3, "111");
    selects(hub, star, dead, 5, "01101"); /* the dead hub is in nobody's way */
    selects(NULL, path, second, 3, "101");
    odd[0] = 0.0, odd[1] = -0.0;
    selects(odd, pair, NULL, 2, "01");
    memset(&odd[0], 0xff, sizeof odd[0]);
    ((unsigned char *)odd)[7] = 0x7f; /* a NaN without its sign is the largest */
    odd[1] = 1.0;
    selects(odd, pair, NULL, 2, "01");
    ((unsigned char *)odd)[7] = 0xff;
    selects(odd, pair, NULL, 2, "10");
}

/* The rule, slowly: of all that may be taken the first in order, again and again. */
static uint32_t select_model(const double *costs, const uint32_t *conflicts, const bool *dead,
                             uint32_t n, uint32_t *keep)
{
    uint32_t degree[32], kept = 0;
    bool gone[32];
    for (uint32_t i = 0; i < n; i++) {
        degree[i] = keep[i] = 0;
        gone[i] = dead[i];
        for (uint32_t j = 0; j < n; j++)
            degree[i] += i != j && !dead[j] && (conflicts[i * n + j] || conflicts[j * n + i]);
    }
    for (;;) {
        uint32_t best = n;
        for (uint32_t i = 0; i < n; i++) {
            if (!gone[i] && (best == n || costs[i] < costs[best] ||
                             (costs[i] == costs[best] && degree[i] < degree[best])))
                best = i;
        }
        if (best == n)
            return kept;
        keep[best] = 1;
        kept++;
        gone[best] = true;
        for (uint32_t j = 0; j < n; j++)
            gone[j] |= conflicts[best * n + j] || conflicts[j * n + best];
    }
}

static void select_equals_its_model(void)
{
    uint64_t seed = test_seed(0x5e1ec7);
    for (unsigned round = 0; round < rounds(); round++) {
        const uint32_t n = below(&seed, 24);
        double costs[32];
        uint32_t conflicts[32 * 32], keep[32], expected[32], kept = 0;
        bool dead[32];
        const uint32_t rare = 1 + below(&seed, 12);
        for (uint32_t i = 0; i < n; i++) {
            costs[i] = below(&seed, 4) * 0.5;
            dead[i] = below(&seed, 5) == 0;
        }
        for (uint32_t i = 0; i < n * n; i++)
            conflicts[i] = below(&seed, rare) == 0 ? below(&seed, 3) : 0;
        vyre_select_desc desc;
        memset(&desc, 0, sizeof desc);
        desc.count = n;
        desc.costs = costs;
        desc.conflicts = conflicts;
        desc.dead = dead;
        CHECK_EQ(vyre_select(&desc, keep, &kept, NULL), VYRE_OK);
        CHECK_EQ(kept, select_model(costs, conflicts, dead, n, expected));
        CHECK(n == 0 || memcmp(keep, expected, n * sizeof *keep) == 0);
    }
}

/* D10: beyond 4096 items the original forgets the conflicts. */
static void select_has_no_limit(void)
{
    const uint32_t n = 4200;
    uint32_t *conflicts = (uint32_t *)calloc((size_t)n * n, sizeof *conflicts);
    uint32_t *keep = (uint32_t *)calloc(n, sizeof *keep), kept = 0;
    vyre_select_desc desc;
    CHECK(conflicts && keep);
    for (uint32_t i = 0; i + 1 < n; i++)
        conflicts[(size_t)i * n + i + 1] = 1;
    memset(&desc, 0, sizeof desc);
    desc.count = n;
    desc.conflicts = conflicts;
    CHECK_EQ(vyre_select(&desc, keep, &kept, NULL), VYRE_OK);
    for (uint32_t i = 0; i + 1 < n; i++)
        CHECK(!(keep[i] && keep[i + 1]));
    CHECK(kept >= n / 3 && kept <= n / 2);
    free(conflicts);
    free(keep);
}

/* --- fold ----------------------------------------------------------------- */

static vyre_work work_of(uint32_t opcode, uint32_t a0, uint32_t a1, uint32_t a2)
{
    vyre_work work;
    memset(&work, 0, sizeof work);
    work.opcode = opcode;
    work.arg_count = 3;
    work.args[0] = a0;
    work.args[1] = a1;
    work.args[2] = a2;
    return work;
}

static uint32_t arg_of(const vyre_work *work, uint32_t i)
{
    return i < work->arg_count ? work->args[i] : 0;
}

static const vyre_op_traits *trait_of(const vyre_op_traits *traits, uint32_t count, uint32_t op)
{
    for (uint32_t i = 0; i < count; i++) {
        if (traits[i].opcode == op)
            return &traits[i];
    }
    return NULL;
}

/* Whether `a`, through the arguments of mask `ma`, names a resource of `b`'s `mb`. */
static bool meets(const vyre_work *a, uint32_t ma, const vyre_work *b, uint32_t mb)
{
    for (uint32_t i = 0; i < 12; i++) {
        for (uint32_t j = 0; j < 12; j++) {
            if (ma >> i & 1 && mb >> j & 1 && arg_of(a, i) == arg_of(b, j))
                return true;
        }
    }
    return false;
}

static bool same_work(const vyre_work *a, const vyre_work *b)
{
    if (a->opcode != b->opcode || a->tenant != b->tenant || a->priority != b->priority ||
        a->arg_count != b->arg_count)
        return false;
    for (uint32_t i = 0; i < a->arg_count; i++) {
        if (a->args[i] != b->args[i])
            return false;
    }
    return true;
}

/* Whether work k, which runs, keeps j from being folded into something before k. */
static bool in_the_way(const vyre_work *k, const vyre_op_traits *tk, const vyre_work *j,
                       const vyre_op_traits *tj)
{
    if (!tk)
        return tj->reads || tj->writes;
    return meets(k, tk->writes, j, tj->reads | tj->writes) || meets(k, tk->reads, j, tj->writes);
}

static uint32_t fold_model(const vyre_work *works, uint32_t n, const vyre_op_traits *traits,
                           uint32_t trait_count, uint32_t *stands)
{
    uint32_t folded = 0;
    for (uint32_t j = 0; j < n; j++) {
        const vyre_op_traits *tj = trait_of(traits, trait_count, works[j].opcode);
        stands[j] = j;
        if (!tj || !tj->repeatable || meets(&works[j], tj->reads, &works[j], tj->writes))
            continue;
        for (uint32_t i = 0; i < j && stands[j] == j; i++) {
            bool free = stands[i] == i && same_work(&works[i], &works[j]);
            for (uint32_t k = i + 1; free && k < j; k++)
                free = stands[k] != k || !in_the_way(&works[k], trait_of(traits, trait_count,
                                                     works[k].opcode), &works[j], tj);
            if (free)
                stands[j] = i;
        }
        folded += stands[j] != j;
    }
    return folded;
}

/* What works do to memory: each written word becomes a hash of all that is read,
 * of the opcode and of the arguments that are no resources. */
static void fold_effect(const vyre_work *work, const vyre_op_traits *t, uint32_t memory[8])
{
    uint32_t hash = work->opcode * 2654435761u;
    for (uint32_t i = 0; i < 12; i++) {
        if (t->reads >> i & 1)
            hash = (hash ^ memory[arg_of(work, i)]) * 2246822519u + i;
        else if (!(t->writes >> i & 1))
            hash = (hash ^ arg_of(work, i)) * 3266489917u + i;
    }
    for (uint32_t i = 0; i < 12; i++) {
        if (t->writes >> i & 1)
            memory[arg_of(work, i)] = hash + i;
    }
}

static void fold_equals_its_model(void)
{
    uint64_t seed = test_seed(0xf01d), all = 0;
    for (unsigned round = 0; round < rounds(); round++) {
        vyre_work works[24];
        vyre_op_traits traits[4];
        vyre_duplicate pairs[24];
        uint32_t stands[24], expected[24], pair_count = 99, at = 0;
        uint32_t straight[8], folded[8];
        const uint32_t n = below(&seed, 24), trait_count = below(&seed, 5);
        bool whole = trait_count == 4; /* every opcode is known */
        for (uint32_t i = 0; i < trait_count; i++) {
            traits[i].opcode = i;
            traits[i].repeatable = below(&seed, 4) != 0;
            traits[i].reads = (uint16_t)(below(&seed, 8) & below(&seed, 8));
            traits[i].writes = (uint16_t)(below(&seed, 8) & below(&seed, 8) &
                                          ~(uint32_t)traits[i].reads);
            if (below(&seed, 6) == 0)
                traits[i].writes |= 8; /* an argument that is not given: resource 0 */
        }
        for (uint32_t i = 0; i < n; i++) {
            works[i] = work_of(below(&seed, 4), below(&seed, 2), below(&seed, 3), 0);
            works[i].args[5] = below(&seed, 2); /* beyond arg_count: means nothing */
            works[i].tenant = below(&seed, 8) == 0;
        }
        CHECK_EQ(vyre_works_fold(works, n, traits, trait_count, stands, pairs, 24, &pair_count,
                                 NULL, NULL), VYRE_OK);
        CHECK_EQ(pair_count, fold_model(works, n, traits, trait_count, expected));
        all += pair_count;
        CHECK(n == 0 || memcmp(stands, expected, n * sizeof *stands) == 0);
        for (uint32_t i = 0; i < n; i++) {
            if (stands[i] == i)
                continue;
            CHECK(at < pair_count && pairs[at].first == stands[i] && pairs[at].index == i);
            at++;
        }
        CHECK_EQ(at, pair_count);
        if (!whole)
            continue;
        memset(straight, 1, sizeof straight);
        memset(folded, 1, sizeof folded);
        for (uint32_t i = 0; i < n; i++) {
            const vyre_op_traits *t = &traits[works[i].opcode];
            fold_effect(&works[i], t, straight);
            if (stands[i] == i)
                fold_effect(&works[i], t, folded);
        }
        CHECK(memcmp(straight, folded, sizeof straight) == 0);
    }
    CHECK(all > rounds() / 5); /* or the test says little */
}

static void fold_worked_cases(void)
{
    enum { A = 1, B = 2, C = 3 };
    const vyre_op_traits traits[] = { { A, true, 1, 2 }, { B, false, 0, 1 } };
    const vyre_work works[] = {
        work_of(A, 7, 8, 0), /* reads 7, writes 8 */
        work_of(A, 7, 8, 0), /* again */
        work_of(B, 9, 0, 0), /* writes 9: nobody minds */
        work_of(A, 7, 8, 0), /* again */
        work_of(B, 7, 0, 0), /* writes 7 */
        work_of(A, 7, 8, 0), /* runs */
        work_of(B, 8, 0, 0), /* overwrites 8 */
        work_of(A, 7, 8, 0), /* runs */
        work_of(A, 8, 5, 0), /* reads 8: once more would be the same */
        work_of(A, 7, 8, 0), /* but it writes what was read meanwhile: runs */
        work_of(C, 0, 0, 0), /* writes everything */
        work_of(A, 7, 8, 0), /* runs */
        work_of(A, 4, 4, 0), /* writes what it reads: runs */
        work_of(A, 4, 4, 0)  /* runs */
    };
    static const uint32_t expected[] = { 0, 0, 2, 0, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13 };
    uint32_t stands[14], pair_count = 0;
    CHECK_EQ(vyre_works_fold(works, 14, traits, 2, stands, NULL, 0, &pair_count, NULL, NULL),
             VYRE_OK);
    for (unsigned i = 0; i < 14; i++)
        CHECK_EQ(stands[i], expected[i]);
    CHECK_EQ(pair_count, 2);
}

static void works_refuse(void)
{
    vyre_work works[4] = { work_of(1, 0, 0, 0), work_of(1, 0, 0, 0), work_of(1, 0, 0, 0),
                           work_of(1, 0, 0, 0) };
    vyre_op_traits traits[2] = { { 1, true, 0, 0 }, { 1, true, 0, 0 } };
    vyre_duplicate pairs[4];
    uint32_t stands[4] = { 9, 9, 9, 9 }, count = 9;
    vyre_error err;
    memset(pairs, 0xa5, sizeof pairs);
    CHECK_EQ(vyre_works_fold(works, 4, traits, 1, stands, pairs, 2, &count, NULL, &err),
             VYRE_E_SPACE);
    CHECK(err.at == 3 && stands[3] == 9 && count == 9 && pairs[0].first == 0xa5a5a5a5u);
    CHECK_EQ(vyre_works_fold(works, 4, traits, 2, stands, pairs, 4, &count, NULL, &err),
             VYRE_E_ARGUMENT);
    traits[0].writes = 0x1000;
    CHECK_EQ(vyre_works_fold(works, 4, traits, 1, stands, pairs, 4, &count, NULL, &err),
             VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_works_fold(NULL, 4, NULL, 0, stands, NULL, 0, NULL, NULL, &err),
             VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_works_fold(works, 4, NULL, 0, NULL, NULL, 0, NULL, NULL, &err),
             VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_works_fold(works, 4, NULL, 1, stands, NULL, 0, NULL, NULL, &err),
             VYRE_E_ARGUMENT);
    works[2].arg_count = 13;
    CHECK_EQ(vyre_works_fold(works, 4, NULL, 0, stands, NULL, 0, NULL, NULL, &err),
             VYRE_E_TOO_MANY_ARGS);
    CHECK_EQ(err.at, 2);
    CHECK_EQ(vyre_works_group(NULL, 1, stands, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_works_group(works, 1, NULL, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_works_group(NULL, 0, NULL, NULL, &err), VYRE_OK);
    CHECK_EQ(vyre_select(NULL, stands, NULL, &err), VYRE_E_ARGUMENT);
    vyre_select_desc desc;
    memset(&desc, 0, sizeof desc);
    CHECK_EQ(vyre_select(&desc, NULL, NULL, &err), VYRE_OK);
    desc.count = 1;
    CHECK_EQ(vyre_select(&desc, NULL, NULL, &err), VYRE_E_ARGUMENT);
    desc.count = UINT32_MAX; /* more words than can be addressed */
    CHECK_EQ(vyre_select(&desc, stands, NULL, &err), VYRE_E_OVF);
}

/* --- group ---------------------------------------------------------------- */

static void groups_keep_the_order(void)
{
    uint64_t seed = test_seed(0x6e0);
    for (unsigned round = 0; round < rounds() / 10; round++) {
        vyre_work works[64];
        uint32_t order[64], first[8];
        const uint32_t n = below(&seed, 65);
        bool seen[64] = { false };
        for (uint32_t op = 0; op < 8; op++)
            first[op] = n;
        for (uint32_t i = 0; i < n; i++) {
            works[i] = work_of(0x80000000u >> below(&seed, 8), i, 0, 0);
            for (uint32_t op = 0; op < 8; op++) {
                if (works[i].opcode == 0x80000000u >> op && first[op] == n)
                    first[op] = i;
            }
        }
        CHECK_EQ(vyre_works_group(works, n, order, NULL, NULL), VYRE_OK);
        for (uint32_t i = 0; i < n; i++) {
            CHECK(order[i] < n && !seen[order[i]]);
            seen[order[i]] = true;
            if (i == 0)
                continue;
            const vyre_work *a = &works[order[i - 1]], *b = &works[order[i]];
            uint32_t op_a = 0, op_b = 0;
            while (a->opcode != 0x80000000u >> op_a)
                op_a++;
            while (b->opcode != 0x80000000u >> op_b)
                op_b++;
            CHECK(op_a == op_b ? order[i - 1] < order[i] : first[op_a] < first[op_b]);
        }
    }
}

/* --- arms ----------------------------------------------------------------- */

static void arms_worked_cases(void)
{
    vyre_work a = work_of(1, 2, 3, 4), x = work_of(9, 9, 9, 9), other = work_of(1, 2, 3, 99);
    vyre_work twice[3] = { a, a, other };
    const vyre_arm four[] = { { &a, 1 }, { &x, 1 }, { &a, 1 }, { &a, 1 } };
    const vyre_arm params[] = { { &a, 1 }, { &other, 1 } };
    const vyre_arm repeats[] = { { twice, 3 }, { NULL, 0 }, { twice, 3 } };
    vyre_redundant out[8];
    vyre_error err;
    uint32_t found = 0;
    CHECK_EQ(vyre_arms_redundant(four, 4, false, out, 8, &found, NULL, &err), VYRE_OK);
    CHECK(found == 2 && out[0].owner == 0 && out[0].arm == 2 && out[0].index == 0 &&
          out[1].arm == 3);
    CHECK_EQ(vyre_arms_redundant(params, 2, false, out, 8, &found, NULL, &err), VYRE_OK);
    CHECK_EQ(found, 1);
    CHECK_EQ(vyre_arms_redundant(params, 2, true, out, 8, &found, NULL, &err), VYRE_OK);
    CHECK_EQ(found, 0);
    CHECK_EQ(vyre_arms_redundant(repeats, 3, true, out, 8, &found, NULL, &err), VYRE_OK);
    CHECK(found == 3 && out[2].owner == 0 && out[2].arm == 2 && out[2].index == 2);
    memset(out, 0xa5, sizeof out);
    found = 77;
    CHECK_EQ(vyre_arms_redundant(repeats, 3, true, out, 2, &found, NULL, &err), VYRE_E_SPACE);
    CHECK(err.at == 3 && found == 77 && out[0].arm == 0xa5a5a5a5u);
    CHECK_EQ(vyre_arms_redundant(NULL, 3, true, out, 2, &found, NULL, &err), VYRE_E_ARGUMENT);
    const vyre_arm hollow = { NULL, 2 };
    CHECK_EQ(vyre_arms_redundant(&hollow, 1, true, out, 2, &found, NULL, &err), VYRE_E_ARGUMENT);

    vyre_work one[3] = { a, x, a }, two[3] = { a, x, other };
    const vyre_arm common[] = { { one, 3 }, { two, 3 }, { one, 2 } };
    CHECK_EQ(vyre_arms_prologue(common, 3), 2);
    CHECK_EQ(vyre_arms_prologue(common, 1), 3);
    CHECK_EQ(vyre_arms_prologue(repeats, 3), 0);
    CHECK_EQ(vyre_arms_prologue(common, 0), 0);
    CHECK_EQ(vyre_arms_prologue(NULL, 3), 0);
}

/* --- waves ---------------------------------------------------------------- */

typedef struct random_access_set {
    uint32_t         ids[32][8], count;
    vyre_work_access accesses[32];
} random_access_set;

static void random_accesses(random_access_set *s, uint64_t *seed)
{
    const uint32_t resources = 1 + below(seed, 12);
    s->count = below(seed, 33);
    for (uint32_t i = 0; i < s->count; i++) {
        vyre_work_access *a = &s->accesses[i];
        for (uint32_t k = 0; k < 8; k++)
            s->ids[i][k] = below(seed, resources) * 0x11111111u;
        a->reads = s->ids[i];
        a->read_count = below(seed, 5);
        a->writes = s->ids[i] + 4;
        a->write_count = below(seed, 3);
    }
}

static bool common(const uint32_t *a, uint32_t a_count, const uint32_t *b, uint32_t b_count)
{
    for (uint32_t i = 0; i < a_count * b_count; i++) {
        if (a[i / b_count] == b[i % b_count])
            return true;
    }
    return false;
}

static uint32_t conflict_of(const vyre_work_access *a, const vyre_work_access *b)
{
    if (common(a->writes, a->write_count, b->writes, b->write_count))
        return 1;
    if (common(a->writes, a->write_count, b->reads, b->read_count))
        return 2;
    return common(a->reads, a->read_count, b->writes, b->write_count) ? 3 : 0;
}

static void run_access(const vyre_work_access *a, uint32_t index, uint32_t memory[16])
{
    uint32_t hash = index * 2654435761u;
    for (uint32_t i = 0; i < a->read_count; i++)
        hash = (hash ^ memory[a->reads[i] & 15]) * 2246822519u + i;
    for (uint32_t i = 0; i < a->write_count; i++)
        memory[a->writes[i] & 15] = hash + i;
}

/* One wave after the other, each from its end to its begin, is what sequential
 * order is. */
static void waves_equal_sequential_order(void)
{
    uint64_t seed = test_seed(0x3a7e5), most = 0;
    for (unsigned round = 0; round < rounds(); round++) {
        random_access_set s;
        vyre_wave_why why[32];
        uint32_t wave[32], wave_count = 99, expected[16], memory[16];
        random_accesses(&s, &seed);
        const bool contiguous = round % 2 != 0;
        CHECK_EQ(vyre_waves(s.accesses, s.count, contiguous, wave, why, &wave_count, NULL, NULL),
                 VYRE_OK);
        memset(expected, 0, sizeof expected);
        memset(memory, 0, sizeof memory);
        for (uint32_t i = 0; i < s.count; i++)
            run_access(&s.accesses[i], i, expected);
        for (uint32_t w = 0; w < wave_count; w++) {
            for (uint32_t i = s.count; i-- > 0;) {
                if (wave[i] == w)
                    run_access(&s.accesses[i], i, memory);
            }
        }
        CHECK(memcmp(expected, memory, sizeof memory) == 0);
        most = wave_count > most ? wave_count : most;
    }
    CHECK(most > 10);
}

/* As the page has it: one more than the greatest wave of an earlier conflict, and
 * why names such a work. */
static void waves_are_no_later_than_needed(void)
{
    uint64_t seed = test_seed(0x3a7e6);
    for (unsigned round = 0; round < rounds(); round++) {
        random_access_set s;
        vyre_wave_why why[32];
        uint32_t wave[32], wave_count = 99, last = 0;
        random_accesses(&s, &seed);
        CHECK_EQ(vyre_waves(s.accesses, s.count, false, wave, why, &wave_count, NULL, NULL),
                 VYRE_OK);
        for (uint32_t i = 0; i < s.count; i++) {
            uint32_t expected = 0, earlier = 0, reason = 0;
            for (uint32_t j = 0; j < i; j++) {
                const uint32_t r = conflict_of(&s.accesses[j], &s.accesses[i]);
                if (!r || wave[j] + 1 < expected)
                    continue;
                expected = wave[j] + 1;
                earlier = j;
                reason = r;
            }
            CHECK_EQ(wave[i], expected);
            CHECK_EQ(why[i].earlier, earlier);
            CHECK_EQ(why[i].reason, reason);
            last = wave[i] > last ? wave[i] : last;
        }
        CHECK_EQ(wave_count, s.count ? last + 1 : 0);
    }
}

/* D11: written twice, then read; the one in the middle has nothing to do with it. */
static void waves_look_beyond_neighbours(void)
{
    static const uint32_t x = 1, y = 2;
    const vyre_work_access accesses[] = { { NULL, &x, 0, 1 }, { NULL, &y, 0, 1 },
                                          { &x, NULL, 1, 0 } };
    vyre_wave_why why[3];
    vyre_error err;
    uint32_t wave[3], count;
    CHECK_EQ(vyre_waves(accesses, 3, true, wave, why, &count, NULL, &err), VYRE_OK);
    CHECK(count == 2 && wave[1] == 0 && wave[2] == 1 && why[2].earlier == 0 && why[2].reason == 2);
    CHECK_EQ(vyre_waves(NULL, 0, false, NULL, NULL, &count, NULL, &err), VYRE_OK);
    CHECK_EQ(count, 0);
    CHECK_EQ(vyre_waves(NULL, 1, false, wave, NULL, &count, NULL, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_waves(accesses, 1, false, NULL, NULL, &count, NULL, &err), VYRE_E_ARGUMENT);
    const vyre_work_access hollow = { NULL, NULL, 1, 0 };
    CHECK_EQ(vyre_waves(&hollow, 1, false, wave, NULL, &count, NULL, &err), VYRE_E_ARGUMENT);
}

/* --- no memory ------------------------------------------------------------ */

static vyre_status all_of_them(const vyre_allocator *allocator, void *user)
{
    static const uint32_t id = 5;
    static const vyre_op_traits traits = { 1, true, 1, 2 };
    vyre_work works[40];
    vyre_work_access accesses[40];
    uint32_t out[40];
    vyre_select_desc desc;
    (void)user;
    for (unsigned i = 0; i < 40; i++) {
        works[i] = work_of(1 + i % 3, i % 5, i % 7, 0);
        accesses[i].reads = accesses[i].writes = &id;
        accesses[i].read_count = i % 2;
        accesses[i].write_count = 1;
    }
    const vyre_arm arms[] = { { works, 20 }, { works + 20, 20 } };
    memset(&desc, 0, sizeof desc);
    desc.count = 40;
    desc.allocator = *allocator;
    vyre_status status = vyre_select(&desc, out, NULL, NULL);
    if (status == VYRE_OK)
        status = vyre_works_fold(works, 40, &traits, 1, out, NULL, 0, NULL, allocator, NULL);
    if (status == VYRE_OK)
        status = vyre_works_group(works, 40, out, allocator, NULL);
    if (status == VYRE_OK)
        status = vyre_arms_redundant(arms, 2, true, NULL, 0, NULL, allocator, NULL);
    if (status == VYRE_OK)
        status = vyre_waves(accesses, 40, false, out, NULL, NULL, allocator, NULL);
    return status;
}

static void no_memory(void)
{
    CHECK(oom_each(all_of_them, NULL) >= 5);
}

int main(void)
{
    RUN(select_worked_cases);
    RUN(select_equals_its_model);
    RUN(select_has_no_limit);
    RUN(fold_worked_cases);
    RUN(fold_equals_its_model);
    RUN(works_refuse);
    RUN(groups_keep_the_order);
    RUN(arms_worked_cases);
    RUN(waves_equal_sequential_order);
    RUN(waves_are_no_later_than_needed);
    RUN(waves_look_beyond_neighbours);
    RUN(no_memory);
    return test_end();
}

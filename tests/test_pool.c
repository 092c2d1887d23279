/* Splits: the original's cases, and what must hold for every total. */
#include "test.h"
#include "vyre.h"

static void split_worked_cases(void)
{
    static const struct {
        uint64_t total;
        uint32_t owners;
        uint64_t count, unit, last; /* `last`: the size of the last share */
    } rows[] = {
        { 10, 3, 10, 1, 1 },  { 2, 8, 2, 1, 1 },    { 100, 3, 13, 8, 4 }, { 1000, 2, 8, 125, 125 },
        { 7, 1, 7, 1, 1 },    { 0, 3, 0, 1, 0 },    { 5, 0, 0, 1, 0 },    { 1, 1, 1, 1, 1 },
        { UINT64_MAX, 1, 5, UINT64_MAX / 4, 3 },
        { UINT64_MAX, UINT32_MAX, 17179869184ull, 1073741824, 1073741823 }
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t unit = 0;
        const uint64_t count = vyre_split_count(rows[i].total, rows[i].owners, &unit);
        if (count != rows[i].count || unit != rows[i].unit)
            test_fail(__FILE__, __LINE__, "row %u: %llu units of %llu", i,
                      (unsigned long long)count, (unsigned long long)unit);
        CHECK(vyre_split_count(rows[i].total, rows[i].owners, NULL) == count);
        const vyre_share none = vyre_split_at(rows[i].total, rows[i].owners, count);
        CHECK(none.first == 0 && none.count == 0 && none.owner == 0);
        if (count == 0)
            continue;
        const vyre_share last = vyre_split_at(rows[i].total, rows[i].owners, count - 1);
        CHECK(last.count == rows[i].last);
        CHECK_EQ(last.owner, (count - 1) % rows[i].owners);
    }
}

/* Shares follow one another, cover the total, and are owned in turn. */
static void splits_cover_the_total(void)
{
    uint64_t seed = test_seed(0x5911);
    for (unsigned round = 0; round < 100000; round++) {
        const uint64_t total = test_random(&seed) >> test_random(&seed) % 64;
        const uint32_t owners = (uint32_t)test_random(&seed) >> test_random(&seed) % 32;
        uint64_t unit = 0;
        const uint64_t count = vyre_split_count(total, owners, &unit);
        CHECK((count == 0) == (total == 0 || owners == 0));
        if (count == 0)
            continue;
        CHECK(count <= 8 * (uint64_t)owners); /* a unit is never half of what it could be */
        const uint64_t picks[4] = { 0, count - 1, test_random(&seed) % count, count / 2 };
        for (unsigned i = 0; i < 4; i++) {
            const vyre_share share = vyre_split_at(total, owners, picks[i]);
            CHECK(share.count > 0 && share.count <= unit);
            CHECK(share.first == picks[i] * unit && share.owner == picks[i] % owners);
            if (picks[i] + 1 < count)
                CHECK(share.count == unit &&
                      vyre_split_at(total, owners, picks[i] + 1).first == share.first + unit);
            else
                CHECK(total - share.first == share.count);
        }
    }
}

int main(void)
{
    RUN(split_worked_cases);
    RUN(splits_cover_the_total);
    return test_end();
}

/* Scans of much: headers, documents, a dictionary, random bytes, text that is always in the
 * middle of a pattern, many small files, one above 4 GB; each hit beside a plain walk of the
 * automaton, and beside Vectorscan where it is installed.  TEST_COUNT=N takes N times as much of
 * each as CI; 3000 is all there is, and 100000 patterns and files. */
#include "engine.h"

#include <dlfcn.h>
#include <errno.h>
#include <ftw.h>
#include <unistd.h>

enum { MOST_FILES = 100000, MOST_PATTERNS = 100000, LONGEST = 4096, POOL = 64 << 20 };

static char        *paths[MOST_FILES];
static uint32_t     path_count;
static uint64_t     path_bytes, most_bytes;
static vyre_pattern patterns[MOST_PATTERNS];
static uint8_t     *pool; /* that patterns are taken of */
static size_t       pool_size;

static uint32_t below(uint64_t *seed, uint32_t n)
{
    return (uint32_t)(test_random(seed) % n);
}

static uint64_t seed_of(void)
{
    const char *seed = getenv("TEST_SEED");
    return seed ? strtoull(seed, NULL, 0) : 0x5ca9;
}

/* `some` in CI, at most `most`. */
static uint64_t much(uint64_t some, uint64_t most)
{
    const char *count = getenv("TEST_COUNT");
    const uint64_t all = some * (count ? strtoull(count, NULL, 0) : 1);
    return all < most ? all : most;
}

/* --- the plain walk ---------------------------------------------------------- */

enum { HELD = 1 << 16 };

/* Goes over the files, and tells the hits in their order. */
static struct {
    const vyre_automaton *m;
    const char *const *paths;
    uint32_t count, file, state;
    FILE    *open;
    uint8_t  bytes[HELD];
    size_t   have, at;
    uint64_t offset; /* of the byte that comes next */
    uint32_t ids[MOST_PATTERNS], id_count, id; /* that end with the last one */
    uint64_t told;
} walk;

static void walk_begin(const vyre_automaton *m, const char *const *from, uint32_t count)
{
    if (walk.open)
        fclose(walk.open);
    memset(&walk, 0, sizeof walk);
    walk.m = m;
    walk.paths = from;
    walk.count = count;
}

static int by_number(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* A byte of the file that is open, or the next file; false: there is none. */
static bool walk_byte(void)
{
    while (walk.at == walk.have) {
        if (!walk.open) {
            if (walk.file == walk.count)
                return false;
            walk.open = fopen(walk.paths[walk.file], "rb");
            walk.state = 0;
            walk.offset = 0;
            CHECK(walk.open != NULL);
        }
        walk.at = 0;
        walk.have = fread(walk.bytes, 1, HELD, walk.open);
        if (walk.have)
            break;
        fclose(walk.open);
        walk.open = NULL;
        walk.file++;
    }
    return true;
}

static bool walk_next(vyre_hit *hit)
{
    while (walk.id == walk.id_count) {
        if (!walk_byte())
            return false;
        walk.state = walk.m->next[(size_t)walk.state * 256 + walk.bytes[walk.at++]];
        walk.offset++;
        const uint32_t from = walk.m->output_offsets[walk.state];
        walk.id = 0;
        walk.id_count = walk.m->output_offsets[walk.state + 1] - from;
        CHECK(walk.id_count <= MOST_PATTERNS);
        memcpy(walk.ids, walk.m->outputs + from, walk.id_count * sizeof *walk.ids);
        qsort(walk.ids, walk.id_count, sizeof *walk.ids, by_number);
    }
    hit->file = walk.file;
    hit->end = walk.offset - 1;
    hit->rule = walk.ids[walk.id++];
    walk.told++;
    return true;
}

/* A longjmp out of a callback would leave threads behind, so a difference is kept. */
static char difference[200];

static void on_hits(void *user, const vyre_hit *hits, size_t count)
{
    (void)user;
    for (size_t i = 0; i < count && !difference[0]; i++) {
        vyre_hit e = { 0, 0, 0, 0 };
        const vyre_hit *h = &hits[i];
        if (walk_next(&e) && e.file == h->file && e.end == h->end && e.rule == h->rule)
            continue;
        snprintf(difference, sizeof difference,
                 "hit %llu: file %u end %llu rule %u, not %u %llu %u",
                 (unsigned long long)walk.told, h->file, (unsigned long long)h->end, h->rule,
                 e.file, (unsigned long long)e.end, e.rule);
    }
}

static void check_files(const vyre_automaton *m, const char *const *from, uint32_t count,
                        uint64_t text_bytes)
{
    vyre_scan_desc d;
    vyre_scan_report r;
    vyre_error err;
    vyre_hit extra;
    memset(&d, 0, sizeof d);
    d.engine.backend = backend_under_test;
    d.engine.lease.timeout_ns = d.engine.run_timeout_ns = 600 * SECOND;
    d.automaton = m;
    d.text_bytes = text_bytes;
    vyre_scan *s = vyre_scan_open(&d, &err);
    if (!s)
        test_fail(__FILE__, __LINE__, "open: %s", err.text);
    const vyre_scan_files_desc how = { on_hits, NULL, NULL, 0, 0 };
    walk_begin(m, from, count);
    difference[0] = '\0';
    if (vyre_scan_files(s, from, count, &how, NULL, &r, &err) != VYRE_OK)
        test_fail(__FILE__, __LINE__, "files: %s", err.text);
    vyre_scan_close(s);
    if (difference[0])
        test_fail(__FILE__, __LINE__, "%s", difference);
    CHECK(!walk_next(&extra));
    CHECK_EQ(r.found, walk.told);
    CHECK_EQ(r.written, walk.told);
    printf("%s: %u files, %llu bytes, %llu hits, %u states\n", test_state.name, count,
           (unsigned long long)r.bytes, (unsigned long long)r.found, m->states);
}

/* --- patterns ------------------------------------------------------------------ */

static bool is_word(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static void read_pool(const char *const *from, uint32_t count)
{
    const size_t most = (size_t)much(60000, POOL);
    free(pool);
    pool = (uint8_t *)malloc(most);
    pool_size = 0;
    CHECK(pool != NULL);
    for (uint32_t i = 0; i < count && pool_size < most; i++) {
        FILE *file = fopen(from[i], "rb");
        CHECK(file != NULL);
        pool_size += fread(pool + pool_size, 1, most - pool_size, file);
        fclose(file);
    }
}

/* Whether nobody has asked for the word before.  Two that look alike count as one. */
static bool is_new(const uint8_t *word, size_t size)
{
    static uint64_t seen[4 * MOST_PATTERNS];
    uint64_t hash = size + 1;
    if (size == 0) { /* a new dictionary */
        memset(seen, 0, sizeof seen);
        return false;
    }
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ word[i]) * 0x100000001b3ull;
    size_t at = hash % (4 * MOST_PATTERNS);
    while (seen[at] && seen[at] != hash)
        at = (at + 1) % (4 * MOST_PATTERNS);
    const bool is = seen[at] == 0;
    seen[at] = hash;
    return is;
}

/* Words of the pool, one in 64 though it was there before; one in 4096 is up to LONGEST bytes. */
static vyre_automaton dictionary(uint64_t *seed, uint32_t count)
{
    vyre_automaton m;
    vyre_error err;
    uint32_t made = 0;
    size_t at = 0, size = 0;
    is_new(NULL, 0);
    for (; made < count; at += size) {
        while (at < pool_size && !is_word(pool[at]))
            at++;
        for (size = 0; at + size < pool_size && size < 40 && is_word(pool[at + size]); size++)
            ;
        if (size == 0)
            break;
        if (!is_new(pool + at, size) && made % 64)
            continue;
        if (made % 4096 == 1 && at + LONGEST < pool_size)
            size = 1 + below(seed, LONGEST);
        patterns[made].bytes = pool + at;
        patterns[made].size = (uint32_t)size;
        patterns[made].id = made;
        made++;
    }
    CHECK(made > 0);
    if (vyre_automaton_make(patterns, made, NULL, &m, &err) != VYRE_OK)
        test_fail(__FILE__, __LINE__, "%u patterns: %s", made, err.text);
    return m;
}

/* Bytes of the pool from anywhere. */
static vyre_automaton pieces(uint64_t *seed, uint32_t count, uint32_t longest)
{
    vyre_automaton m;
    for (uint32_t i = 0; i < count; i++) {
        patterns[i].size = 1 + below(seed, 1 + below(seed, longest));
        patterns[i].bytes = pool + below(seed, (uint32_t)pool_size - longest);
        patterns[i].id = i;
    }
    CHECK_EQ(vyre_automaton_make(patterns, count, NULL, &m, NULL), VYRE_OK);
    return m;
}

/* --- files ----------------------------------------------------------------------- */

static int visit(const char *path, const struct stat *s, int type, struct FTW *at)
{
    (void)at;
    if (type != FTW_F || !S_ISREG(s->st_mode) || access(path, R_OK) != 0 ||
        path_count == MOST_FILES)
        return 0;
    paths[path_count++] = strdup(path);
    path_bytes += (uint64_t)s->st_size;
    return path_bytes >= most_bytes;
}

static void forget_paths(void)
{
    for (uint32_t i = 0; i < path_count; i++)
        free(paths[i]);
    path_count = 0;
    path_bytes = 0;
}

static void corpus(const char *directory)
{
    static const uint32_t counts[] = { MOST_PATTERNS, 32, 1 };
    uint64_t seed = seed_of();
    forget_paths();
    const uint32_t sets = (uint32_t)much(1, 3);
    most_bytes = much(60000, 1ull << 40);
    (void)nftw(directory, visit, 16, FTW_PHYS);
    if (path_count == 0)
        test_skip("there is nothing");
    const char *const *from = (const char *const *)paths;
    read_pool(from, path_count);
    for (uint32_t i = 0; i < sets; i++) {
        vyre_automaton m = dictionary(&seed, (uint32_t)much(counts[i] < 400 ? counts[i] : 400,
                                                            counts[i]));
        check_files(&m, from, path_count, 0);
        vyre_automaton_free(&m);
    }
    forget_paths();
}

static void headers(void) { corpus("/usr/include"); }
static void documents(void) { corpus("/usr/share/doc"); }

/* A file with the pool's bytes. */
static void write_pool(char path[32])
{
    snprintf(path, 32, "/tmp/vyre_scan_XXXXXX");
    FILE *file = fdopen(mkstemp(path), "wb");
    CHECK(file && fwrite(pool, 1, pool_size, file) == pool_size && fclose(file) == 0);
}

static void random_pool(uint64_t *seed, uint32_t letters)
{
    free(pool);
    pool_size = (size_t)much(100000, 4 << 20);
    pool = (uint8_t *)malloc(pool_size);
    CHECK(pool != NULL);
    for (size_t i = 0; i < pool_size; i++)
        pool[i] = (uint8_t)(letters == 256 ? below(seed, 256) : 254 + below(seed, letters));
}

static void random_bytes(void)
{
    uint64_t seed = seed_of();
    char path[32];
    const char *one = path;
    for (uint32_t round = 0; round < (uint32_t)much(1, 2); round++) {
        random_pool(&seed, round ? 2 : 256);
        write_pool(path);
        vyre_automaton m = pieces(&seed, (uint32_t)much(200, round ? 200 : 20000),
                                  round ? 20 : 12);
        check_files(&m, &one, 1, 0);
        vyre_automaton_free(&m);
        remove(path);
    }
}

/* Beginnings of long patterns and nothing else. */
static void prefixes(void)
{
    uint64_t seed = seed_of();
    char path[32];
    const char *one = path;
    random_pool(&seed, 4);
    vyre_automaton m = pieces(&seed, (uint32_t)much(20, 200), LONGEST);
    uint8_t *text = (uint8_t *)malloc(pool_size);
    CHECK(text != NULL);
    for (size_t at = 0; at < pool_size;) {
        const vyre_pattern *p = &patterns[below(&seed, (uint32_t)much(20, 200))];
        size_t some = 1 + below(&seed, p->size);
        some = some < pool_size - at ? some : pool_size - at;
        memcpy(text + at, p->bytes, some);
        at += some;
    }
    free(pool);
    pool = text;
    write_pool(path);
    check_files(&m, &one, 1, 0);
    vyre_automaton_free(&m);
    remove(path);
}

/* Of 0 to 300 bytes, some empty, many with zeros. */
static void small_files(void)
{
    uint64_t seed = seed_of();
    char directory[] = "/tmp/vyre_scan_XXXXXX", path[64];
    CHECK(mkdtemp(directory) != NULL);
    random_pool(&seed, 3); /* 254, 255, 0 */
    const uint32_t count = (uint32_t)much(200, MOST_FILES);
    forget_paths();
    for (; path_count < count; path_count++) {
        snprintf(path, sizeof path, "%s/%u", directory, path_count);
        paths[path_count] = strdup(path);
        const uint32_t size = below(&seed, 4) ? below(&seed, 300) : 0;
        FILE *file = fopen(path, "wb");
        CHECK(file && fwrite(pool + below(&seed, 90000), 1, size, file) == size);
        fclose(file);
    }
    vyre_automaton m = pieces(&seed, 50, 12);
    check_files(&m, (const char *const *)paths, count, 0);
    vyre_automaton_free(&m);
    for (uint32_t i = 0; i < path_count; i++)
        remove(paths[i]);
    remove(directory);
    forget_paths();
}

/* Zeros, with a needle at both ends, across every power of two, and here and there. */
static void a_sparse_file(void)
{
    const vyre_pattern found[2] = { { "needle", 6, 0 }, { "dle\0", 4, 1 } };
    const uint64_t size = much(2u << 20, (4ull << 30) + 123457);
    uint64_t seed = seed_of();
    char path[] = "/tmp/vyre_scan_XXXXXX";
    const char *one = path;
    vyre_automaton m;
    FILE *file = fdopen(mkstemp(path), "wb");
    CHECK(file && ftruncate(fileno(file), (off_t)size) == 0);
    for (uint64_t i = 0; i < 300; i++) {
        const uint64_t at = i < 34 ? (1ull << i) - (i > 3 ? 3 : 1)
                                   : i == 34 ? size - 6 : test_random(&seed) % (size - 6);
        if (at + 6 > size)
            continue;
        CHECK(fseeko(file, (off_t)at, SEEK_SET) == 0 && fwrite("needle", 1, 6, file) == 6);
    }
    CHECK(fclose(file) == 0);
    CHECK_EQ(vyre_automaton_make(found, 2, NULL, &m, NULL), VYRE_OK);
    check_files(&m, &one, 1, 0);
    CHECK(walk.told > 300);
    vyre_automaton_free(&m);
    remove(path);
}

/* A state for each byte of the pattern, and a class for each byte that there is: more than a
 * buffer of lavapipe may have.  Where it fits, it is found. */
static void a_pattern_beyond_a_buffer(void)
{
    enum { LENGTH = 131100 };
    static uint8_t text[LENGTH + 100];
    uint64_t seed = seed_of();
    vyre_automaton m;
    vyre_scan_desc d;
    vyre_scan_report r;
    vyre_error err;
    vyre_hit hit[2];
    for (uint32_t i = 0; i < LENGTH + 100; i++)
        text[i] = (uint8_t)below(&seed, 256);
    const vyre_pattern pattern = { text + 50, LENGTH, 7 };
    CHECK_EQ(vyre_automaton_make(&pattern, 1, NULL, &m, NULL), VYRE_OK);
    memset(&d, 0, sizeof d);
    d.engine.backend = backend_under_test;
    d.engine.lease.timeout_ns = d.engine.run_timeout_ns = 600 * SECOND;
    d.automaton = &m;
    vyre_scan *s = vyre_scan_open(&d, &err);
    if (s) {
        const vyre_scan_text whole = { text, sizeof text, 1, 0, 0, false };
        CHECK_EQ(vyre_scan_run(s, &whole, 1, hit, 2, &r, NULL), VYRE_OK);
        CHECK_EQ(r.found, 1);
        CHECK_EQ(hit->end, 50 + LENGTH - 1);
    } else {
        CHECK_EQ(err.status, VYRE_E_SCAN_LIMIT);
        CHECK_EQ(err.at, 1 + 256 + (LENGTH + 1) * 256);
        CHECK(strstr(err.text, "131101 states") && strstr(err.text, "134248452 bytes") &&
              strstr(err.text, "the device allows "));
    }
    vyre_scan_close(s);
    vyre_automaton_free(&m);
}

/* --- Vectorscan --------------------------------------------------------------------- */

typedef int (*hs_match)(unsigned id, unsigned long long from, unsigned long long to,
                        unsigned flags, void *user);

static struct {
    int (*compile)(const char *const *, const unsigned *, const unsigned *, const size_t *,
                   unsigned, unsigned, const void *, void **, void **);
    int (*alloc)(const void *, void **);
    int (*scan)(const void *, const char *, unsigned, unsigned, void *, hs_match, void *);
    int (*free_scratch)(void *);
    int (*free_database)(void *);
} hs;

enum { MOST_HITS = 200000 };

static vyre_hit theirs[MOST_HITS], ours[MOST_HITS];
static size_t their_count;

static bool hs_load(void)
{
    void *library = dlopen("libhs.so.5", RTLD_NOW | RTLD_LOCAL);
    const struct { const char *name; void *to; } wanted[] = {
        { "hs_compile_lit_multi", &hs.compile }, { "hs_alloc_scratch", &hs.alloc },
        { "hs_scan", &hs.scan }, { "hs_free_scratch", &hs.free_scratch },
        { "hs_free_database", &hs.free_database }
    };
    for (size_t i = 0; library && i < sizeof wanted / sizeof *wanted; i++) {
        void *function = dlsym(library, wanted[i].name);
        CHECK(function != NULL);
        memcpy(wanted[i].to, &function, sizeof function);
    }
    return library != NULL;
}

static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                    void *user)
{
    (void)from, (void)flags, (void)user;
    if (their_count == MOST_HITS)
        return 1;
    memset(&theirs[their_count], 0, sizeof *theirs);
    theirs[their_count].rule = id;
    theirs[their_count++].end = to - 1;
    return 0;
}

static int by_place(const void *a, const void *b)
{
    const vyre_hit *x = (const vyre_hit *)a, *y = (const vyre_hit *)b;
    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    return (x->rule > y->rule) - (x->rule < y->rule);
}

/* Different ids, also of equal patterns: it tells each.  To it a pattern that begins with 0 is
 * empty. */
static void hs_run(uint32_t count)
{
    static const char *strings[MOST_PATTERNS];
    static size_t sizes[MOST_PATTERNS];
    static unsigned flags[MOST_PATTERNS], ids[MOST_PATTERNS];
    void *database = NULL, *scratch = NULL, *error = NULL;
    for (uint32_t i = 0; i < count; i++) {
        strings[i] = (const char *)patterns[i].bytes;
        sizes[i] = patterns[i].size;
        ids[i] = patterns[i].id;
    }
    if (hs.compile(strings, flags, ids, sizes, count, 1, NULL, &database, &error) != 0)
        test_fail(__FILE__, __LINE__, "Vectorscan: %s", *(char *const *)error);
    CHECK_EQ(hs.alloc(database, &scratch), 0);
    their_count = 0;
    CHECK_EQ(hs.scan(database, (const char *)pool, (unsigned)pool_size, 0, scratch, on_match,
                     NULL), 0);
    hs.free_scratch(scratch);
    hs.free_database(database);
    qsort(theirs, their_count, sizeof *theirs, by_place);
}

static void as_vectorscan(void)
{
    uint64_t seed = seed_of();
    if (!hs_load())
        test_skip("libhs.so.5 is not installed");
    const uint32_t rounds = (uint32_t)much(1, 200);
    for (uint32_t round = 0; round < rounds; round++) {
        const uint32_t count = round % 4 == 3 ? 400 : 10 + below(&seed, 60);
        vyre_scan_desc d;
        vyre_scan_report r;
        free(pool);
        pool_size = 40000;
        pool = (uint8_t *)malloc(pool_size);
        CHECK(pool != NULL);
        for (size_t i = 0; i < pool_size; i++)
            pool[i] = (uint8_t)(round % 2 ? 1 + below(&seed, 255) : 250 + below(&seed, 5));
        vyre_automaton m = pieces(&seed, count, 2 + below(&seed, 200));
        hs_run(count);
        memset(&d, 0, sizeof d);
        d.engine.backend = backend_under_test;
        d.engine.lease.timeout_ns = d.engine.run_timeout_ns = 600 * SECOND;
        d.automaton = &m;
        vyre_scan *s = vyre_scan_open(&d, NULL);
        CHECK(s != NULL);
        const vyre_scan_text text = { pool, pool_size, 0, 0, 0, false };
        CHECK_EQ(vyre_scan_run(s, &text, 1, ours, MOST_HITS, &r, NULL),
                 r.found > MOST_HITS ? VYRE_FULL : VYRE_OK);
        vyre_scan_close(s);
        vyre_automaton_free(&m);
        if (r.found > MOST_HITS)
            continue;
        CHECK_EQ(r.found, their_count);
        for (size_t i = 0; i < their_count; i++)
            CHECK(by_place(&ours[i], &theirs[i]) == 0);
    }
}

static const engine_case cases[] = {
    ENGINE_CASE(headers), ENGINE_CASE(documents), ENGINE_CASE(random_bytes), ENGINE_CASE(prefixes),
    ENGINE_CASE(small_files), ENGINE_CASE(a_sparse_file), ENGINE_CASE(as_vectorscan),
    ENGINE_CASE(a_pattern_beyond_a_buffer)
};

enum { CASES = sizeof cases / sizeof *cases };

/* To open a scan takes lavapipe a second, and to make a table of 128 MiB as long: without
 * TEST_COUNT the CPU has most cases, and lavapipe the one that is about it. */
int main(void)
{
    static char name[128];
    const bool all = getenv("TEST_COUNT") != NULL;
    engine_run_cases(cases, all ? CASES : 1);
    for (size_t i = 1; i < CASES && !all; i++) {
        const bool last = i == CASES - 1;
        backend_under_test = last ? VYRE_BACKEND_VULKAN : VYRE_BACKEND_CPU;
        snprintf(name, sizeof name, "%s/%s", vyre_backend_name(backend_under_test), cases[i].name);
        if (!last || !engine_why)
            test_run(name, cases[i].body);
    }
    if (walk.open)
        fclose(walk.open);
    forget_paths();
    free(pool);
    return test_end();
}

/* scan: many patterns in text, beside what only reads it and what else finds them
 *
 *     bench/scan [--csv] [--quick] [--cpu] [--lanes] [--alone] [--resident] [--seconds N]
 *                [--smallest N] [--largest N] [--patterns N]
 *
 * Text of lower-case words, with a pattern in every 8 KiB, that the device has; 1, 32, 2048 and
 * 100000 patterns of 6 to 12 letters.  Of each the time of the whole call, three times: the text
 * is the host's and copied; it lies in a file that was just written; it is resident on the
 * device, and then also the time there (from the launch to its end, by the host).  Floors of the
 * same run: a kernel that adds up the words of such a text, and memcpy.  Then GNU grep,
 * ripgrep and Vectorscan, those that are installed; their numbers of lines, or of matches, are
 * compared, and the hits with a plain walk.  --alone: none of them.  --resident: only text that
 * is, and the kernel that only reads.  --smallest (8) and --largest are in MiB, 4095 at most, and
 * 2047 with NVIDIA's driver; --seconds is for each row; --patterns is one of the four numbers.
 * What is more than 64 MiB is 64 MiB again and again.
 */
#define _GNU_SOURCE
#define VYRE_IMPLEMENTATION
#include "../vyre.h"

#include "bench.h"
#include "scan_others.h"

enum { MOST_PATTERNS = 100000, LETTERS = 12, PLANTED = 8192, VOCABULARY = 4096, MOST_MIB = 4095,
       UNIT = 64 << 20 };

static vyre_error   err;
static vyre_backend backend;
static vyre_scan_way way; /* --lanes: no tables in the groups' own memory */
static bool         others, only_resident;
static double       seconds_each = 0.3;
static char         words[MOST_PATTERNS][LETTERS];
static vyre_pattern patterns[MOST_PATTERNS];
static uint64_t     seed = 0x5ca9;

static void must(bool good)
{
    if (good)
        return;
    fprintf(stderr, "scan: %s\n%s\n", err.text, err.fix);
    exit(1);
}

static uint32_t below(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed % n);
}

/* --- text and patterns ----------------------------------------------------- */

static void make_patterns(void)
{
    for (uint32_t i = 0; i < MOST_PATTERNS; i++) {
        patterns[i].bytes = words[i];
        patterns[i].size = 6 + below(7);
        patterns[i].id = i;
        for (uint32_t k = 0; k < patterns[i].size; k++)
            words[i][k] = (char)('a' + below(26));
    }
}

/* One of the first `count` patterns in each PLANTED bytes. */
static void make_unit(char *text, size_t size, uint32_t count)
{
    static char vocabulary[VOCABULARY][8];
    for (uint32_t i = 0; i < VOCABULARY * 8; i++)
        vocabulary[i / 8][i % 8] = (char)('a' + below(26));
    for (size_t at = 0; at < size;) {
        const char *word = vocabulary[below(VOCABULARY)];
        const uint32_t length = 2 + below(7);
        for (uint32_t k = 0; k < length && at < size; k++)
            text[at++] = word[k];
        if (at < size)
            text[at++] = below(12) ? ' ' : '\n';
    }
    for (size_t at = 0; at + PLANTED <= size; at += PLANTED) {
        const vyre_pattern *p = &patterns[below(count)];
        memcpy(text + at + below(PLANTED - LETTERS), p->bytes, p->size);
    }
}

static void make_text(char *text, size_t size, uint32_t count)
{
    make_unit(text, size < UNIT ? size : UNIT, count);
    for (size_t at = UNIT; at < size; at += UNIT)
        memcpy(text + at, text, size - at < UNIT ? size - at : UNIT);
}

static uint64_t walk_on(const vyre_automaton *m, const char *text, size_t size, uint32_t *state)
{
    uint64_t found = 0;
    for (size_t at = 0; at < size; at++) {
        *state = m->next[(size_t)*state * 256 + (uint8_t)text[at]];
        found += m->output_offsets[*state + 1] - m->output_offsets[*state];
    }
    return found;
}

/* All units end in the same state, so all but the first have as much. */
static uint64_t walk(const vyre_automaton *m, const char *text, size_t size)
{
    uint32_t state = 0;
    if (size <= UNIT)
        return walk_on(m, text, size, &state);
    const size_t units = size / UNIT;
    uint64_t found = walk_on(m, text, UNIT, &state);
    if (units > 1)
        found += (units - 1) * walk_on(m, text, UNIT, &state);
    return found + walk_on(m, text, size % UNIT, &state);
}

/* --- rows ------------------------------------------------------------------ */

static void rate_of(const bench_output *out, const char *what, size_t size, double ns)
{
    char path[112];
    snprintf(path, sizeof path, "%s: MB/s", what);
    bench_value(out, path, "MB/s", 1e3 * (double)size / (ns > 0 ? ns : 1));
}

static void floor_of_memcpy(const bench_output *out, const char *text, size_t size)
{
    char *to = (char *)malloc(size), what[112];
    must(to != NULL);
    snprintf(what, sizeof what, "floor: memcpy of %zu KiB", size >> 10);
    bench_row row = bench_row_new(what, 10000);
    const uint64_t end = bench_now() + (uint64_t)(seconds_each * 1e9);
    for (uint32_t i = 0; i < 4 || (bench_now() < end && row.count < row.capacity); i++) {
        const uint64_t begin = bench_now();
        memcpy(to, text, size);
        if (i)
            bench_add(&row, (double)(bench_now() - begin));
    }
    rate_of(out, what, size, bench_finish(out, &row));
    free(to);
}

static void emit_sum(vyre_program *p, const vyre_slot_values *s, void *user)
{
    vyre_emit_reduce(p, s, 2, VYRE_ATOMIC_ADD, vyre_ir_load(p, s->buffers[0], s->index));
    (void)user;
}

/* A kernel that reads all words, and adds them. */
static void floor_of_reading(const bench_output *out, const char *text, size_t size)
{
    const vyre_handler sum = { .opcode = 0x1000, .emit = emit_sum, .name = "sum",
                               .width = VYRE_WIDTH_RANGE };
    const vyre_buffer_desc buffer = { .name = "text", .binding = 4, .access = VYRE_ACCESS_READ };
    char what[112];
    vyre_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.backend = backend;
    desc.kernel.handlers = &sum;
    desc.kernel.buffers = &buffer;
    desc.kernel.handler_count = desc.kernel.buffer_count = 1;
    desc.buffer_sizes = &size;
    vyre *v = vyre_open(&desc, &err);
    must(v && vyre_write(v, 0, 0, text, size, &err) == VYRE_OK && vyre_start(v, &err) == VYRE_OK);
    snprintf(what, sizeof what, "floor: a kernel that reads %zu KiB", size >> 10);
    bench_row row = bench_row_new(what, 10000);
    const vyre_work work = { .opcode = 0x1000, .arg_count = 3,
                             .args = { 0, (uint32_t)(size / 4) } };
    const uint64_t end = bench_now() + (uint64_t)(seconds_each * 1e9);
    for (uint32_t i = 0; i < 4 || (bench_now() < end && row.count < row.capacity); i++) {
        vyre_ticket t;
        const uint64_t begin = bench_now();
        must(vyre_publish(v, &work, &t, &err) == VYRE_OK);
        must(vyre_wait(v, t, VYRE_FOREVER, &err) == VYRE_OK);
        if (i)
            bench_add(&row, (double)(bench_now() - begin));
    }
    rate_of(out, what, size, bench_finish(out, &row));
    vyre_close(v);
}

/* --- scans ------------------------------------------------------------------ */

enum { MOST_HITS = 1 << 20 };

static vyre_hit hits[MOST_HITS];
static uint64_t found_in_files;

static void count_hits(void *user, const vyre_hit *some, size_t count)
{
    found_in_files += count;
    (void)user, (void)some;
}

/* One way to scan: the text from the host's memory, from the device's, or from a file. */
static void once(vyre_scan *s, const vyre_scan_text *text, const char *file,
                 vyre_scan_report *report)
{
    vyre_scan_files_desc how;
    memset(&how, 0, sizeof how);
    how.hits = count_hits;
    must((file ? vyre_scan_files(s, &file, 1, &how, NULL, report, &err)
               : vyre_scan_run(s, text, 1, hits, MOST_HITS, report, &err)) == VYRE_OK);
}

static void measure_way(const bench_output *out, vyre_scan *s, const char *what, const char *how,
                        const vyre_scan_text *text, const char *file, uint64_t expected)
{
    char path[112], path_device[112];
    vyre_scan_report report;
    snprintf(path, sizeof path, "%s, %s, the whole call", what, how);
    bench_row whole = bench_row_new(path, 10000);
    snprintf(path_device, sizeof path_device, "%s, %s, on the device", what, how);
    bench_row device = bench_row_new(path_device, 10000);
    const bool in_place = text->bytes == vyre_scan_map(s, NULL);
    double busy = 0;
    const uint64_t end = bench_now() + (uint64_t)(seconds_each * 1e9);
    for (uint32_t i = 0; i < 4 || (bench_now() < end && whole.count < whole.capacity); i++) {
        if (i == 1)
            busy = others_busy(RUSAGE_SELF);
        const uint64_t begin = bench_now();
        once(s, text, file, &report);
        const uint64_t took = bench_now() - begin;
        if (report.found != expected) {
            fprintf(stderr, "scan: %s, %s: %llu hits, not %llu\n", what, how,
                    (unsigned long long)report.found, (unsigned long long)expected);
            exit(1);
        }
        if (i == 0)
            continue;
        bench_add(&whole, (double)took);
        bench_add(&device, (double)report.scan_ns);
    }
    busy = others_busy(RUSAGE_SELF) - busy;
    if (in_place) /* else the next half is copied before an end is seen */
        rate_of(out, path_device, (size_t)text->size, bench_finish(out, &device));
    else
        bench_row_free(&device);
    others_rates(out, &whole, (size_t)text->size, busy);
}

static void measure_file(const bench_output *out, vyre_scan *s, const char *what,
                         const vyre_scan_text *text, uint64_t expected)
{
    char file[] = "/tmp/bench_scan_XXXXXX";
    const size_t size = (size_t)text->size;
    const int number = mkstemp(file);
    FILE *f = number >= 0 ? fdopen(number, "wb") : NULL;
    must(f && fwrite(text->bytes, 1, size, f) == size && fclose(f) == 0);
    measure_way(out, s, what, "from a file", text, file, expected);
    remove(file);
}

static void measure_scan(const bench_output *out, vyre_scan *s, const char *what,
                         const char *bytes, size_t size, uint64_t expected)
{
    char path[112];
    vyre_scan_report report;
    vyre_scan_text text = { bytes, size, 0, 0, 0, false };
    must(vyre_scan_run(s, &text, 1, hits, MOST_HITS, &report, &err) == VYRE_OK);
    (void)vyre_scan_tune(s, NULL, 0, 3, &err);
    if (!only_resident) {
        measure_way(out, s, what, "from the host", &text, NULL, expected);
        measure_file(out, s, what, &text, expected);
    }
    text.bytes = vyre_scan_map(s, NULL);
    must(text.bytes != NULL);
    memcpy(vyre_scan_map(s, NULL), bytes, size);
    measure_way(out, s, what, "resident", &text, NULL, expected);
    must(vyre_scan_run(s, &text, 1, hits, MOST_HITS, &report, &err) == VYRE_OK);
    snprintf(path, sizeof path, "%s: width", what);
    bench_value(out, path, "bytes", report.width);
}

/* Lines with a hit, of those that the last run left. */
static uint64_t lines_of(const char *bytes, uint64_t found)
{
    uint64_t lines = 0, from = 0;
    for (uint64_t i = 0; i < found; i++) {
        lines += i == 0 || memchr(bytes + from, '\n', (size_t)(hits[i].end - from)) != NULL;
        from = hits[i].end;
    }
    return lines;
}

static void measure_others(const bench_output *out, const char *what, const char *text,
                           size_t size, uint32_t count, uint64_t found)
{
    static const char *strings[MOST_PATTERNS];
    static size_t      sizes[MOST_PATTERNS];
    for (uint32_t i = 0; i < count; i++) {
        strings[i] = words[i];
        sizes[i] = patterns[i].size;
    }
    const others_job job = { out, what, text, size, strings, sizes, count, LETTERS,
                             lines_of(text, found), found, seconds_each };
    others_programs(&job);
    others_vectorscan(&job);
}

static void table_of(const bench_output *out, char *bytes, size_t size, uint32_t count)
{
    char what[64];
    vyre_automaton m;
    vyre_scan_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.engine.backend = backend;
    desc.automaton = &m;
    desc.text_bytes = (uint64_t)size + 64;
    desc.hits = MOST_HITS;
    desc.way = way;
    make_text(bytes, size, count);
    must(vyre_automaton_make(patterns, count, NULL, &m, &err) == VYRE_OK);
    vyre_scan *s = vyre_scan_open(&desc, &err);
    must(s != NULL);
    const uint64_t found = walk(&m, bytes, size);
    must(found <= MOST_HITS);
    snprintf(what, sizeof what, "%u patterns in %zu KiB", count, size >> 10);
    measure_scan(out, s, what, bytes, size, found);
    vyre_scan_close(s);
    vyre_automaton_free(&m);
    if (others)
        measure_others(out, what, bytes, size, count, found);
}

int main(int argc, char **argv)
{
    static const uint32_t counts[] = { 1, 32, 2048, MOST_PATTERNS };
    bench_usage(argc, argv, "[--csv] [--quick] [--cpu] [--lanes] [--alone] [--resident] "
                            "[--seconds N] [--smallest N] [--largest N] [--patterns N]");
    only_resident = bench_flag(argc, argv, "--resident");
    others = !only_resident && !bench_flag(argc, argv, "--alone");
    const bool quick = bench_flag(argc, argv, "--quick");
    bench_output out;
    vyre_info info;
    memset(&out, 0, sizeof out);
    backend = bench_flag(argc, argv, "--cpu") ? VYRE_BACKEND_CPU : VYRE_BACKEND_AUTO;
    way = bench_flag(argc, argv, "--lanes") ? VYRE_SCAN_LANES : VYRE_SCAN_CHOSEN;
    vyre_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.backend = backend;
    vyre *v = vyre_open(&desc, &err);
    must(v != NULL);
    vyre_query(v, &info);
    vyre_close(v);
    const bool shared = info.mode != VYRE_MODE_PERSISTENT || info.backend == VYRE_BACKEND_CPU ||
                        info.probe.loop_limited;
    size_t largest = (size_t)bench_number(argc, argv, "--largest", quick ? 1 : shared ? 8 : 512);
    largest = (largest < MOST_MIB ? largest : MOST_MIB) << 20;
    const uint32_t only = (uint32_t)bench_number(argc, argv, "--patterns", 0);
    seconds_each = bench_number(argc, argv, "--seconds", quick ? 0.01 : 0.3);
    out.bench = "scan";
    out.unit = "us";
    out.csv = bench_flag(argc, argv, "--csv");
    snprintf(out.device, sizeof out.device, "%.127s", info.device);
    snprintf(out.driver, sizeof out.driver, "%.127s", info.driver);
    snprintf(out.settings, sizeof out.settings, "%s",
             info.mode == VYRE_MODE_PERSISTENT ? "persistent" : "passes");
    bench_heading(&out);
    char *bytes = (char *)malloc(largest);
    must(bytes != NULL);
    make_patterns();
    const size_t smallest = (size_t)bench_number(argc, argv, "--smallest", 8) << 20;
    size_t size = quick || largest < smallest ? largest : smallest;
    for (;; size = size * 8 < largest ? size * 8 : largest) {
        make_text(bytes, size, 1);
        if (!only_resident)
            floor_of_memcpy(&out, bytes, size);
        floor_of_reading(&out, bytes, size);
        for (uint32_t i = 0; i < (quick ? 2u : 4u); i++)
            if (!only || only == counts[i])
                table_of(&out, bytes, size, counts[i]);
        if (size == largest)
            break;
    }
    free(bytes);
    return 0;
}

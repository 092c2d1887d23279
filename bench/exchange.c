/* exchange: how long the original's files take
 *
 *     bench/exchange [--csv] [--quick] [--samples N]
 *
 * The original's default kernel, "sharded" of tests/vectors/exchange.tsv, as a file: the
 * check, and the import.  Then large files that are refused: 64 MiB at random behind a header
 * with their digest, and 900,000 statements, of which the last byte is missing, or which are
 * more than a program may have; for each the processor's time and the most memory that it had,
 * as a part of the file.  Run it where the repository is.
 */
#define _GNU_SOURCE
#define VYRE_NO_VULKAN
#define VYRE_IMPLEMENTATION
#include "../vyre.h"

#include "bench.h"

#pragma GCC diagnostic ignored "-Wunused-function"
#include "../tests/exchange_write.h"

#define ROOM (64u << 20)

static size_t samples = 2000;

/* --- memory ------------------------------------------------------------------- */

typedef struct counter {
    size_t now, most;
} counter;

static void *count(void *user, void *ptr, size_t old_size, size_t new_size)
{
    counter *c = (counter *)user;
    c->now += new_size - old_size;
    c->most = c->now > c->most ? c->now : c->most;
    if (new_size)
        return realloc(ptr, new_size);
    free(ptr);
    return NULL;
}

/* The status of an import, and in *most the memory that it had. */
static vyre_status import(const blob *b, size_t *most)
{
    counter c = { 0, 0 };
    vyre_import_desc desc;
    vyre_error err;
    memset(&desc, 0, sizeof desc);
    memset(&err, 0, sizeof err);
    desc.drop_io = true;
    desc.allocator.resize = count;
    desc.allocator.user = &c;
    vyre_program *p = vyre_program_import(b->bytes, b->size, &desc, NULL, &err);
    vyre_program_destroy(p);
    *most = c.most;
    return p ? VYRE_OK : err.status;
}

/* --- files -------------------------------------------------------------------- */

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "exchange: there is no %s; run it where the repository is\n", path);
        exit(1);
    }
    fseek(file, 0, SEEK_END);
    const long size = ftell(file);
    rewind(file);
    char *text = (char *)calloc(1, (size_t)size + 1);
    CHECK(text && fread(text, 1, (size_t)size, file) == (size_t)size);
    fclose(file);
    return text;
}

static blob default_kernel(void)
{
    char *text = read_text("tests/vectors/exchange.tsv");
    const char *at = strstr(text, "\nkernel\tsharded\t100\t100\t-\t");
    CHECK(at != NULL);
    const blob b = blob_of_program(strstr(at, "(program "));
    free(text);
    return b;
}

static blob random_bytes(void)
{
    blob b = blob_alloc(ROOM);
    uint64_t random = 1;
    for (size_t i = 0; i < b.size; i++)
        b.bytes[i] = (uint8_t)(test_random(&random) >> 32);
    memcpy(b.bytes, "VYRE\4\0\4", 8);
    blob_seal(&b);
    return b;
}

static blob statements(uint32_t many, size_t missing)
{
    static const char head[] = "(program - 1 1 1 0 ((\"out\" 0 global read_write u32 1 0 0 - - 0 1))";
    static const char one[] = " (store \"out\" (u32 0) (u32 42))";
    char *text = (char *)malloc(sizeof head + many * (sizeof one - 1) + 2), *at = text;
    CHECK(text != NULL);
    memcpy(at, head, sizeof head - 1);
    at += sizeof head - 1;
    for (uint32_t i = 0; i < many; i++, at += sizeof one - 1)
        memcpy(at, one, sizeof one - 1);
    memcpy(at, ")", 2);
    blob b = blob_of_program(text);
    free(text);
    b.size -= missing;
    blob_seal(&b);
    return b;
}

/* Of the processor, so that a busy machine changes little. */
static double seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

/* --- rows ------------------------------------------------------------------------ */

static void kernel_rows(const bench_output *out)
{
    blob b = default_kernel();
    char path[112];
    size_t most = 0;
    snprintf(path, sizeof path, "the default kernel of %zu bytes, check", b.size);
    bench_row check = bench_row_new(path, samples);
    snprintf(path, sizeof path, "the default kernel of %zu bytes, import", b.size);
    bench_row whole = bench_row_new(path, samples);
    for (size_t i = 0; i < samples; i++) {
        const uint64_t start = bench_now();
        CHECK_EQ(vyre_exchange_check(b.bytes, b.size, NULL, NULL), VYRE_OK);
        const uint64_t middle = bench_now();
        CHECK_EQ(import(&b, &most), VYRE_OK);
        bench_add(&check, (double)(middle - start));
        bench_add(&whole, (double)(bench_now() - middle));
    }
    bench_finish(out, &check);
    bench_finish(out, &whole);
    blob_free(&b);
}

static void digest_row(const bench_output *out, const blob *b)
{
    uint8_t digest[32];
    const double start = seconds();
    vyre_blake3(b->bytes, b->size, digest);
    bench_value(out, "BLAKE3", "GB/s", 1e-9 * (double)b->size / (seconds() - start));
}

static void garbage_rows(const bench_output *out, const char *what, blob *b)
{
    char path[112];
    size_t most = 0;
    const double start = seconds();
    const vyre_status status = import(b, &most);
    const double ms = 1e3 * (seconds() - start);
    CHECK(status < 0);
    snprintf(path, sizeof path, "%s, %zu bytes, %s", what, b->size, vyre_status_name(status));
    bench_value(out, path, "ms", ms);
    snprintf(path, sizeof path, "%s, most memory, of the file's size", what);
    bench_value(out, path, "times", (double)most / (double)b->size);
    blob_free(b);
}

int main(int argc, char **argv)
{
    const bool quick = bench_flag(argc, argv, "--quick");
    bench_usage(argc, argv, "[--csv] [--quick] [--samples N]");
    samples = (size_t)bench_number(argc, argv, "--samples", quick ? 50 : 2000);
    const bench_output out = bench_cpu("exchange", "us", "malloc", bench_flag(argc, argv, "--csv"));
    bench_heading(&out);
    kernel_rows(&out);
    blob b = random_bytes();
    digest_row(&out, &b);
    garbage_rows(&out, "random bytes", &b);
    const uint32_t many = quick ? 200000 : 900000;
    b = statements(many, 1);
    garbage_rows(&out, "statements without an end", &b);
    b = statements(many, 0);
    garbage_rows(&out, "too many statements", &b);
    return 0;
}

/* The original's programs as programs of the library: what they do, and what is refused. */
#include "exchange_write.h"
#include "oom.h"
#include "vec.h"

static vyre_program *import_blob(const blob *b, const vyre_import_desc *desc, vyre_error *err)
{
    return vyre_program_import(b->bytes, b->size, desc, NULL, err);
}

/* --- what programs do (run.tsv) ------------------------------------------------- */

#define RUN_BUFFERS 8u

typedef struct run_buffers {
    vec_buffer at[RUN_BUFFERS]; /* in the order of declaration */
    uint32_t   bindings[RUN_BUFFERS], count;
    bool       written[RUN_BUFFERS], f32[RUN_BUFFERS];
} run_buffers;

/* N/FILL:i=v,i-j=v, up to `end`; moves behind it. */
static vec_buffer run_words(const vec_row *row, const char **text, char end)
{
    const size_t count = (size_t)vec_number(row, text);
    ROW_CHECK(row, vec_skip(text, '/'));
    const uint32_t fill = (uint32_t)vec_number(row, text);
    vec_buffer b = vec_alloc(4 * count, 0);
    for (size_t i = 0; i < count; i++)
        vec_put(b.bytes, i, fill);
    ROW_CHECK(row, vec_skip(text, ':'));
    while (**text && **text != end) {
        size_t first = (size_t)vec_number(row, text);
        const size_t last = vec_skip(text, '-') ? (size_t)vec_number(row, text) : first;
        ROW_CHECK(row, vec_skip(text, '=') && last < count);
        const uint32_t value = (uint32_t)vec_number(row, text);
        for (; first <= last; first++)
            vec_put(b.bytes, first, value);
        (void)vec_skip(text, ',');
    }
    (void)vec_skip(text, end);
    return b;
}

static bool run_is_nan(uint32_t bits)
{
    return (bits & 0x7fffffffu) > 0x7f800000u;
}

static bool run_is_tiny(uint32_t bits)
{
    return (bits & 0x7f800000u) == 0 && (bits & 0x7fffffffu);
}

/* A subnormal among what an f32 buffer held before may have become anything small. */
static bool run_has_tiny(const run_buffers *b)
{
    for (uint32_t i = 0; i < b->count; i++) {
        for (size_t word = 0; b->f32[i] && 4 * word < b->at[i].size; word++) {
            if (run_is_tiny(vec_get(b->at[i].bytes, word)))
                return true;
        }
    }
    return false;
}

static uint32_t run_ulp; /* that a device's f32 may be off */

static bool run_is_near(uint32_t a, uint32_t b)
{
    const uint32_t distance = a > b ? a - b : b - a;
    return (a ^ b) >> 31 == 0 && !run_is_nan(a) && !run_is_nan(b) && distance <= run_ulp;
}

/* Numbers that the rules make equal become equal. */
static void run_f32(const vec_buffer *got, vec_buffer *expected, bool tiny)
{
    for (size_t i = 0; 4 * i < got->size; i++) {
        const uint32_t a = vec_get(got->bytes, i), b = vec_get(expected->bytes, i);
        if (a == b)
            continue;
        if (run_is_nan(a) && run_is_nan(b))
            vec_ruled(RULE_RUN_NAN);
        else if ((b & 0x7fffffffu) == 0 && (tiny || run_is_tiny(a)))
            vec_ruled(RULE_RUN_SUBNORMAL);
        else if (run_is_near(a, b))
            vec_ruled(RULE_RUN_ROUNDED);
        else
            continue;
        vec_put(expected->bytes, i, a);
    }
}

/* "=", or ~i=v,i-j=v: what changed. */
static void run_compare(const vec_row *row, const char **text, const vec_buffer *before,
                        const vec_buffer *got, bool f32, bool tiny)
{
    vec_buffer expected = vec_copy(before);
    if (!vec_skip(text, '=')) {
        ROW_CHECK(row, vec_skip(text, '~'));
        while (**text && **text != ';') {
            size_t first = (size_t)vec_number(row, text);
            const size_t last = vec_skip(text, '-') ? (size_t)vec_number(row, text) : first;
            ROW_CHECK(row, vec_skip(text, '=') && 4 * last < expected.size);
            const uint32_t value = (uint32_t)vec_number(row, text);
            for (; first <= last; first++)
                vec_put(expected.bytes, first, value);
            (void)vec_skip(text, ',');
        }
    }
    (void)vec_skip(text, ';');
    if (f32)
        run_f32(got, &expected, tiny);
    vec_same(row, got, &expected);
    vec_free(&expected);
}

/* Runs a program on the buffers in place. */
typedef void run_function(const vec_row *row, const vyre_program *p, run_buffers *b,
                          uint32_t groups);

/* On the interpreter. */
static void run_interpret(const vec_row *row, const vyre_program *p, run_buffers *b,
                          uint32_t groups)
{
    void *bound[RUN_BUFFERS];
    size_t sizes[RUN_BUFFERS];
    vyre_interp_desc desc;
    vyre_error err;
    for (uint32_t binding = 0, n = 0; n < b->count; binding++) {
        for (uint32_t i = 0; i < b->count; i++) {
            if (b->bindings[i] == binding) {
                bound[n] = b->at[i].bytes;
                sizes[n++] = b->at[i].size;
            }
        }
        ROW_CHECK(row, binding < 32);
    }
    memset(&desc, 0, sizeof desc);
    desc.groups[0] = groups;
    desc.buffers = bound;
    desc.sizes = sizes;
    desc.buffer_count = b->count;
    desc.max_rounds = 4096;
    if (vyre_interpret(p, &desc, &err) < 0)
        ROW_FAIL(row, "%s", err.text);
}

static run_function *run_on = run_interpret;
static uint32_t      run_each = 1; /* every so manieth line of run.tsv is run */
static uint32_t      run_slots = UINT32_MAX; /* of a kernel, at most: several need their order */

/* Imports, runs, compares the buffers that are written. */
static void run_program(const vec_row *row, const blob *b, const vyre_import_desc *desc,
                        run_buffers *buffers, uint32_t groups, const char *expected)
{
    vyre_error err;
    run_buffers before = *buffers;
    vyre_program *p = import_blob(b, desc, &err);
    if (!p)
        ROW_FAIL(row, "%s", err.text);
    const bool tiny = run_has_tiny(buffers);
    for (uint32_t i = 0; i < buffers->count; i++)
        before.at[i] = vec_copy(&buffers->at[i]);
    run_on(row, p, buffers, groups);
    for (uint32_t i = 0; i < buffers->count; i++) {
        if (buffers->written[i])
            run_compare(row, &expected, &before.at[i], &buffers->at[i],
                        buffers->f32[i], tiny);
        vec_free(&before.at[i]);
        vec_free(&buffers->at[i]);
    }
    ROW_CHECK(row, *expected == '\0');
    vyre_program_destroy(p);
}

/* Bindings are those of declaration in this file. */
static void run_declared(const char *text, run_buffers *b)
{
    const char *at = strstr(text, "((\"") + 1;
    for (b->count = 0; *at == '('; b->count++) {
        char kind[32], access[32], type[32];
        unsigned binding;
        at = strchr(strchr(at, '"') + 1, '"') + 1;
        CHECK(b->count < RUN_BUFFERS && sscanf(at, "%x %31s %31s "
                                                   "%31s", &binding, kind, access, type) == 4);
        b->bindings[b->count] = binding;
        b->written[b->count] = strcmp(access, "read_write") == 0;
        b->f32[b->count] = strcmp(type, "f32") == 0;
        at = strchr(at, ')') + 1;
        at += *at == ' ';
    }
}

static void run(const vec_row *row)
{
    run_buffers b;
    size_t most = 4;
    unsigned lanes = 1;
    const char *at = row->in[1];
    if (row->line % run_each)
        return;
    run_declared(row->in[0], &b);
    for (uint32_t i = 0; i < b.count; i++) {
        b.at[i] = run_words(row, &at, ';');
        most = b.at[i].size > most ? b.at[i].size : most;
    }
    ROW_CHECK(row, *at == '\0' && sscanf(row->in[0], "(program - %x", &lanes) == 1);
    blob program = blob_of_program(row->in[0]);
    run_program(row, &program, NULL, &b, (uint32_t)(most / 4 + lanes - 1) / lanes, row->out[0]);
    blob_free(&program);
}

/* --- kernels, built from the texts in exchange.tsv -------------------------------- */

/* The program of a kernel with 256 lanes and slots, as it stands in exchange.tsv. */
static const char *kernel_text(const char *file, const char *name, size_t *size)
{
    char start[64];
    snprintf(start, sizeof start, "\nkernel\t%s\t100\t100\t-\t", name);
    const char *at = strstr(file, start);
    CHECK(at != NULL);
    at = strstr(at, "(program ");
    *size = strcspn(at, "\t\n");
    return at;
}

/* A copy with each `from` replaced; frees `text`. */
static char *replace(char *text, const char *from, const char *to)
{
    out_bytes out = { NULL, 0, 0 };
    const char *at = text;
    for (const char *next; (next = strstr(at, from)) != NULL; at = next + strlen(from)) {
        out_copy(&out, at, (size_t)(next - at));
        out_copy(&out, to, strlen(to));
    }
    out_copy(&out, at, strlen(at) + 1);
    free(text);
    return (char *)out.bytes;
}

/* The statements of the first handler of "((OPCODE STATEMENT ...) ...)", and its opcode. */
static const char *first_handler(const char *handlers, unsigned *opcode)
{
    int skip = 0;
    if (sscanf(handlers, "((%x %n", opcode, &skip) != 1)
        return NULL;
    return handlers + skip;
}

/* Behind the last operation of its own a kernel tells the handlers apart. */
static char *with_handler(char *text, const char *handlers)
{
    static const char last[] = "(let \"shutdown_prev\" (atomic exchange seq_cst \"control\" "
                               "(u32 0) -"
                               " (u32 1)))) ())";
    char *to = (char *)malloc(strlen(handlers) + sizeof last + 64);
    unsigned opcode;
    const char *statements = first_handler(handlers, &opcode);
    if (!to || !statements) {
        free(to);
        return text;
    }
    sprintf(to, "%s (if (bin eq (var \"opcode\") (u32 %x)) (%.*s) ())", last, opcode,
            (int)strlen(statements) - 2, statements);
    text = replace(text, last, to);
    free(to);
    return text;
}

/* The body of the kernel with a payload, once, without its IO queue. */
static char *once_of_jit(char *text, const char *handlers)
{
    static const char loop[] = "(loop \"__forever__\" (u32 0) (u32 ffffffff) ";
    char *body = strstr(text, loop), *io = strstr(text, " (block (loop \"io_idx\"");
    unsigned opcode;
    CHECK(body && io);
    memcpy(io, "))", 3);
    memmove(body, body + sizeof loop - 1, strlen(body + sizeof loop - 1) + 1);
    const char *statements = first_handler(handlers, &opcode);
    char *to = (char *)malloc(strlen(handlers) + 64);
    CHECK(to && statements);
    sprintf(to, "%.*s (let \"done_prev\"", (int)strlen(statements) - 2, statements);
    text = replace(text, "(let \"done_prev\"", to);
    free(to);
    return text;
}

/* Any number of words in each buffer, and so many lanes. */
static char *kernel_of(const vec_row *row, const char *lanes)
{
    char *file = vec_read("exchange"), to[64], name[32];
    const bool jit = strcmp(row->in[0], "jit_once") == 0;
    size_t size;
    snprintf(name, sizeof name, "raw_%s", jit ? "jit" : row->in[0]);
    const char *found = kernel_text(file, name, &size);
    char *text = (char *)calloc(1, size + 1);
    memcpy(text, found, size);
    free(file);
    text = jit ? once_of_jit(text, row->in[2]) : with_handler(text, row->in[2]);
    snprintf(to, sizeof to, "(program - %s", lanes);
    text = replace(text, "(program - 100", to);
    snprintf(to, sizeof to, "(bin mul (workgroup 0) (u32 %s))", lanes);
    text = replace(text, "(bin mul (workgroup 0) (u32 100))", to);
    static const char *const counts[] = { "a0", "1000", "101", "200" };
    for (unsigned i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "u32 %s 0 0", counts[i]);
        text = replace(text, name, "u32 0 0 0");
    }
    return text;
}

static void run_kernel(const vec_row *row)
{
    run_buffers b;
    vyre_import_desc desc;
    const uint32_t lanes = vec_u32(row, row->in[1]);
    if (row->line % run_each)
        return;
    char *text = kernel_of(row, row->in[1]);
    blob program = blob_of_program(text);
    memset(&desc, 0, sizeof desc);
    desc.drop_io = true;
    memset(&b, 0, sizeof b);
    for (b.count = 0; b.count < 4; b.count++) {
        const char *at = row->in[3 + b.count];
        b.at[b.count] = run_words(row, &at, ';');
        b.bindings[b.count] = b.count;
        b.written[b.count] = true;
    }
    const uint32_t slots = (uint32_t)b.at[1].size / 64;
    if (slots > run_slots) {
        for (uint32_t i = 0; i < b.count; i++)
            vec_free(&b.at[i]);
        blob_free(&program);
        free(text);
        return;
    }
    char expected[4096];
    snprintf(expected, sizeof expected, "%s;%s;%s;%s", row->out[0], row->out[1], row->out[2],
             row->out[3]);
    run_program(row, &program, &desc, &b, (slots + lanes - 1) / lanes, expected);
    blob_free(&program);
    free(text);
}

static void programs(void)
{
    static const vec_op ops[] = { { "run", 2, run }, { "kernel", 7, run_kernel } };
    vec_run("run", ops, sizeof ops / sizeof *ops);
}

/* --- what is refused ------------------------------------------------------------------- */

/* A program of one buffer, "a", u32, four elements, and these statements. */
static blob blob_of_statements(const char *statements)
{
    char text[2048];
    snprintf(text, sizeof text,
             "(program - 4 1 1 0 ((\"a\" 0 global read_write u32 4 0 0 - - 0 1) "
             "(\"f\" 1 global read_write f32 0 0 0 - - 0 1)) (region \"vyre.program.root\" - %s))",
             statements);
    return blob_of_program(text);
}

static const struct {
    vyre_status status;
    const char *statements;
} refusals[] = {
    { VYRE_E_EXCHANGE_NAME, "(store \"a\" (u32 0) (var \"x\"))" },
    { VYRE_E_EXCHANGE_NAME, "(assign \"x\" (u32 0))" },
    { VYRE_E_EXCHANGE_NAME, "(store \"b\" (u32 0) (u32 0))" },
    { VYRE_E_EXCHANGE_NAME, "(let \"x\" (load \"b\" (u32 0)))" },
    { VYRE_E_EXCHANGE_NAME, "(let \"x\" (len \"b\"))" },
    { VYRE_E_EXCHANGE_NAME, "(let \"x\" (u32 0)) (let \"x\" (u32 1))" },
    { VYRE_E_EXCHANGE_NAME, "(block (let \"x\" (u32 0))) (assign \"x\" (u32 1))" },
    { VYRE_E_EXCHANGE_NAME, "(let \"x\" (var \"x\"))" },
    { VYRE_E_EXCHANGE_SCOPE, "(let \"x\" (u32 0)) (block (let \"x\" (u32 1)))" },
    { VYRE_E_EXCHANGE_SCOPE, "(let \"x\" (u32 0)) (loop \"x\" (u32 0) (u32 1))" },
    { VYRE_E_EXCHANGE_SCOPE, "(loop \"x\" (u32 0) (u32 1) (loop \"x\" (u32 0) (u32 1)))" },
    { VYRE_E_EXCHANGE_SCOPE, "(loop \"x\" (u32 0) (u32 1) (assign \"x\" (u32 1)))" },
    { VYRE_E_EXCHANGE_TYPE, "(let \"x\" (bin add (u32 1) (i32 1)))" },
    { VYRE_E_EXCHANGE_TYPE, "(let \"x\" (bin mod (f32 0) (f32 0)))" },
    { VYRE_E_EXCHANGE_TYPE, "(let \"x\" (bin saturating_add (i32 0) (i32 0)))" },
    { VYRE_E_EXCHANGE_TYPE, "(let \"x\" (u32 1)) (assign \"x\" (f32 0))" },
    { VYRE_E_EXCHANGE_TYPE, "(store \"a\" (f32 0) (u32 1))" },
    { VYRE_E_EXCHANGE_TYPE, "(store \"f\" (u32 0) (u32 1))" },
    { VYRE_E_EXCHANGE_TYPE, "(let \"x\" (local 3))" },
    { VYRE_E_EXCHANGE_TYPE, "(let \"x\" (select (u32 1) (u32 1) (f32 1)))" },
    { VYRE_E_EXCHANGE_TYPE, "(let \"x\" (atomic add relaxed \"f\" (u32 0) - (u32 1)))" },
    { VYRE_E_EXCHANGE_TYPE, "(let \"x\" (atomic add relaxed \"a\" (u32 0) (u32 1) (u32 1)))" },
    { VYRE_E_EXCHANGE_TYPE, "(let \"x\" (atomic compare_exchange relaxed \"a\" (u32 0) - (u32 "
                            "1)))" },
    { VYRE_E_EXCHANGE_UNSUPPORTED, "(let \"x\" (atomic add grid_sync \"a\" (u32 0) - (u32 1)))" },
    { VYRE_E_EXCHANGE_UNSUPPORTED, "(let \"x\" (un (opaque 80000000) (f32 0)))" },
    { VYRE_E_EXCHANGE_UNSUPPORTED, "(let \"x\" (bin (opaque 80000000) (f32 0) (f32 0)))" },
    { VYRE_E_EXCHANGE_UNSUPPORTED, "(let \"x\" (bin wave_reduce (u32 0) (u32 0)))" },
    { VYRE_E_EXCHANGE_UNSUPPORTED, "(let \"x\" (reduce mul (u32 0)))" },
    { VYRE_E_EXCHANGE_UNSUPPORTED, "(let \"x\" (cast u64 (u32 0)))" },
    { VYRE_E_EXCHANGE_UNSUPPORTED, "(let \"x\" (call \"other\" (u32 0)))" },
    { VYRE_E_EXCHANGE_UNSUPPORTED, "(let \"x\" (opaque \"vyre.literal.u64\" 0100000000000000))" },
    { VYRE_E_EXCHANGE_UNSUPPORTED, "(barrier relaxed)" },
    { VYRE_E_EXCHANGE_UNSUPPORTED, "(barrier grid_sync)" },
    { VYRE_E_EXCHANGE_UNSUPPORTED, "(indirect \"a\" 0)" },
    { VYRE_E_EXCHANGE_UNSUPPORTED, "(async_wait \"io_queue_dma\")" },
    { VYRE_E_EXCHANGE_UNSUPPORTED, "(async_store \"a\" \"a\" (u32 0) (u32 0) \"t\")" },
    { VYRE_E_EXCHANGE_UNSUPPORTED, "(trap (u32 0) \"t\")" },
    { VYRE_E_EXCHANGE_UNSUPPORTED, "(all_reduce \"a\" sum 0)" },
    { VYRE_E_EXCHANGE_FLOW, "(if (local 0) ((barrier acq_rel)) ())" },
};

static void refused(void)
{
    for (unsigned i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        vyre_error err;
        vyre_import_info info, before;
        memset(&info, 0x5a, sizeof info);
        before = info;
        blob b = blob_of_statements(refusals[i].statements);
        CHECK_EQ(vyre_exchange_check(b.bytes, b.size, NULL, NULL), VYRE_OK);
        vyre_program *p = vyre_program_import(b.bytes, b.size, NULL, &info, &err);
        if (p || err.status != refusals[i].status)
            test_fail(__FILE__, __LINE__, "%s: %s", refusals[i].statements,
                      p ? "no failure" : err.text);
        CHECK(err.at > 40 && err.at < b.size && err.text[0] && err.fix[0]);
        CHECK(memcmp(&info, &before, sizeof info) == 0);
        blob_free(&b);
    }
}

static const struct {
    vyre_status status;
    const char *buffers;
} declarations[] = {
    { VYRE_E_EXCHANGE_NAME, "(\"a\" 0 global read_write u32 4 0 0 - - 0 1)" },
    { VYRE_E_EXCHANGE_UNSUPPORTED, "(\"b\" 0 global read_write u32 4 0 0 - - 0 1)" },
    { VYRE_E_EXCHANGE_UNSUPPORTED, "(\"b\" 20 global read_write u32 4 0 0 - - 0 1)" },
    { VYRE_E_EXCHANGE_UNSUPPORTED, "(\"b\" 1 global read_write u64 4 0 0 - - 0 1)" },
    { VYRE_E_EXCHANGE_LIMIT, "(\"b\" 1 shared workgroup u32 2001 0 0 - - 0 1)" },
};

static void refused_buffers(void)
{
    for (unsigned i = 0; i < sizeof declarations / sizeof *declarations; i++) {
        vyre_error err;
        char text[512];
        snprintf(text, sizeof text, "(program - 4 1 1 0 ((\"a\" 0 global read u32 0 0 0 - - 0 "
                                    "1) %s))",
                 declarations[i].buffers);
        blob b = blob_of_program(text);
        CHECK(import_blob(&b, NULL, &err) == NULL);
        CHECK_EQ(err.status, declarations[i].status);
        CHECK(err.at > 40 && err.at < b.size);
        blob_free(&b);
    }
    vyre_error err;
    blob b = blob_of_program("(program - 100 100 1 0 ())");
    CHECK(import_blob(&b, NULL, &err) == NULL && err.status == VYRE_E_EXCHANGE_LIMIT);
    blob_free(&b);
}

/* --- what is built ------------------------------------------------------------------------ */

/* The listing from the first instruction on. */
static void listing_of(const char *statements, char *text, size_t size)
{
    vyre_error err;
    blob b = blob_of_statements(statements);
    vyre_program *p = import_blob(&b, NULL, &err);
    if (!p)
        test_fail(__FILE__, __LINE__, "%s: %s", statements, err.text);
    vyre_program_text(p, text, size);
    const char *body = strstr(text, "\n\n");
    CHECK(body != NULL);
    memmove(text, body + 2, strlen(body + 2) + 1);
    vyre_program_destroy(p);
    blob_free(&b);
}

static const struct {
    const char *statements, *listing;
} listings[] = {
    { "(let \"x\" (atomic add seq_cst \"a\" (u32 0) - (u32 0)))", "atomic_load" },
    { "(let \"x\" (atomic exchange seq_cst \"a\" (u32 0) - (u32 7)))", "atomic_store" },
    { "(let \"x\" (atomic exchange seq_cst \"a\" (u32 0) - (u32 7))) (store \"a\" (u32 1) (var "
      "\"x\"))",
      "exchange" },
    { "(let \"x\" (atomic add release \"a\" (u32 0) - (u32 0)))", "add" },
    { "(let \"x\" (atomic add acq_rel \"a\" (u32 0) - (u32 0)))", "atomic add a[0], 0 acq_rel" },
    { "(let \"x\" (atomic exchange acq_rel \"a\" (u32 0) - (u32 7)))", "exchange" },
    { "(let \"x\" (atomic exchange acquire \"a\" (u32 0) - (u32 7)))", "exchange" },
    { "(loop \"__forever__\" (u32 0) (u32 ffffffff) (return))", "forever" },
    { "(loop \"__forever__\" (u32 0) (u32 fffffffe) (return))", "loop" },
    { "(loop \"__forever__\" (u32 0) (u32 ffffffff) (store \"a\" (u32 0) (var \"__forever__\")))",
      "loop" },
    { "(region \"lib.sum\" - (store \"a\" (u32 0) (u32 1)))", "lib.sum" },
    { "(let \"x\" (local 0)) (store \"a\" (var \"x\") (var \"x\"))", " x = local_id.x" },
    { "(let \"x\" (local 0)) (if (var \"x\") ((assign \"x\" (u32 1))) ())", "$1 x" },
    { "(barrier seq_cst)", "barrier workgroup acq_rel" },
    { "(let \"x\" (fma (f32 0) (f32 0) (f32 0))) (let \"y\" (ballot (u32 1))) (let \"z\" "
      "(shuffle (lane) "
      "(width)))", "ballot" },
};

static void built(void)
{
    char text[4096];
    for (unsigned i = 0; i < sizeof listings / sizeof *listings; i++) {
        listing_of(listings[i].statements, text, sizeof text);
        if (!strstr(text, listings[i].listing))
            test_fail(__FILE__, __LINE__, "%s: no \"%s\" in\n%s", listings[i].statements,
                      listings[i].listing, text);
    }
    /* A literal index beyond the count is an access that does nothing. */
    listing_of("(store \"a\" (u32 4) (load \"a\" (u32 9))) (let \"x\" (atomic or relaxed \"a\" "
               "(u32 4) - (u32 1)))",
               text, sizeof text);
    CHECK(!strstr(text, "store") && !strstr(text, "load") && !strstr(text, " or "));
    /* Nothing that cannot be reached is built. */
    listing_of("(block (return)) (let \"x\" (u32 0)) (store \"a\" (u32 0) (var "
               "\"x\"))", text, sizeof text);
    CHECK(strstr(text, "return") && !strstr(text, "store"));
}

static vyre_status answer(void *user, vyre_program *p, const char *op, const vyre_value *args,
                          uint32_t count, vyre_value *out)
{
    unsigned *calls = (unsigned *)user;
    ++*calls;
    if (strcmp(op, "twice") != 0 || count != 1)
        return VYRE_E_ARGUMENT;
    *out = vyre_ir_add(p, args[0], args[0]);
    return VYRE_OK;
}

static void calls(void)
{
    vyre_error err;
    vyre_import_desc desc;
    vyre_import_info info;
    unsigned count = 0;
    memset(&desc, 0, sizeof desc);
    desc.call = answer;
    desc.user = &count;
    blob b = blob_of_statements("(store \"a\" (u32 0) (call \"twice\" (call \"twice\" (local "
                                "0))))");
    vyre_program *p = vyre_program_import(b.bytes, b.size, &desc, &info, &err);
    CHECK(p && count == 2 && info.calls == 2 && info.statements == 2);
    vyre_program_destroy(p);
    blob_free(&b);
    b = blob_of_statements("(store \"a\" (u32 0) (call \"thrice\"))");
    CHECK(import_blob(&b, &desc, &err) == NULL);
    CHECK_EQ(err.status, VYRE_E_ARGUMENT);
    CHECK(strstr(err.text, "thrice") != NULL);
    blob_free(&b);
}

static void dropped_copies_and_ranges(void)
{
    vyre_import_desc desc;
    vyre_import_info info;
    vyre_error err;
    char text[2048];
    memset(&desc, 0, sizeof desc);
    desc.drop_io = true;
    blob b = blob_of_program("(program \"op.x\" 4 1 1 1 ((\"a\" 0 global read_write u32 4 0 0 "
                             "3:9 - 0 1) "
                             "(\"b\" 1 global write i32 4 0 0 0:0 - 0 1) (\"c\" 0 shared "
                             "workgroup bool 4 0 0 - - 0 1) "
                             "(\"d\" 2 uniform uniform f32 4 0 0 - - 0 1)) "
                             "(async_load \"s\" \"t\" (u32 0) (u32 0) \"io_queue_dma\") "
                             "(async_wait \"io_queue_dma\"))");
    vyre_program *p = vyre_program_import(b.bytes, b.size, &desc, &info, &err);
    CHECK(p != NULL);
    CHECK_EQ(info.dropped, 2);
    CHECK(info.non_composable && strcmp(info.entry_op, "op.x") == 0);
    vyre_program_text(p, text, sizeof text);
    CHECK(strstr(text, "program \"op.x\", workgroup 4 x 1 x 1"));
    static const char *const lines[] = { "buffer a: u32[4], binding 0", "buffer b: i32[4], "
                                         "binding 1",
                                         "c: bool[4]", "buffer d: f32[4], binding 2" };
    for (unsigned i = 0; i < 4; i++) {
        if (!strstr(text, lines[i]))
            test_fail(__FILE__, __LINE__, "no \"%s\" in\n%s", lines[i], text);
    }
    vyre_program_destroy(p);
    blob_free(&b);
}

/* --- memory ---------------------------------------------------------------------------------- */

static const char many[] = "(let \"x\" (local 0)) (let \"y\" (u32 0)) (loop \"i\" (u32 0) (u32 "
                           "4) (if (bin lt (var \"i\") "
                           "(var \"x\")) ((assign \"y\" (bin add (var \"y\") (load \"a\" (var "
                           "\"i\"))))) ((return)))) "
                           "(store \"a\" (var \"x\") (var \"y\"))";

static void out_of_memory(void)
{
    oom_state oom;
    vyre_import_desc desc;
    blob b = blob_of_statements(many);
    memset(&desc, 0, sizeof desc);
    oom_begin(&oom);
    desc.allocator = oom_allocator(&oom);
    for (oom.fail_at = 1;; oom_rearm(&oom)) {
        vyre_error err;
        vyre_program *p = import_blob(&b, &desc, &err);
        CHECK_EQ(p == NULL, oom.failed);
        if (!p)
            CHECK_EQ(err.status, VYRE_E_NOMEM);
        vyre_program_destroy(p);
        CHECK_EQ(oom.live_blocks, 0);
        if (!oom.failed)
            break;
    }
    CHECK(oom_is_clean(&oom));
    blob_free(&b);
}

/* --- golden vectors: all that the original writes and reads ------------------------ */

static unsigned imported, not_imported;

/* Written as a blob, and imported again, it is written the same. */
static void write_again(const vec_row *row, const vyre_program *p)
{
    vyre_error err;
    blob once = blob_alloc(vyre_program_export(p, false, NULL, 0, &err));
    if (once.size == 0) {
        ROW_CHECK(row, err.status == VYRE_E_EXCHANGE_FLOW ||
                           err.status == VYRE_E_EXCHANGE_UNSUPPORTED);
        blob_free(&once);
        return;
    }
    ROW_EQ(row, vyre_program_export(p, false, once.bytes, once.size, &err), once.size);
    vyre_program *again = import_blob(&once, NULL, &err);
    if (!again)
        ROW_FAIL(row, "%s", err.text);
    blob twice = blob_alloc(once.size);
    ROW_EQ(row, vyre_program_export(again, false, twice.bytes, twice.size, &err), once.size);
    ROW_CHECK(row, memcmp(once.bytes, twice.bytes, once.size) == 0);
    vyre_program_destroy(again);
    blob_free(&once);
    blob_free(&twice);
}

/* A program, or an error that says where. */
static void import_any(const vec_row *row, const char *hex)
{
    vyre_import_desc desc;
    vyre_import_info info;
    vyre_error err;
    memset(&desc, 0, sizeof desc);
    desc.drop_io = true;
    blob b = blob_of_hex(hex);
    const vyre_status status = vyre_exchange_check(b.bytes, b.size, NULL, NULL);
    vyre_program *p = vyre_program_import(b.bytes, b.size, &desc, &info, &err);
    if (p) {
        ROW_EQ(row, status, VYRE_OK);
        imported++;
        write_again(row, p);
    } else {
        vec_error(row, err.status, &err);
        ROW_CHECK(row, err.at <= b.size && (status == VYRE_OK || err.status == status));
        not_imported++;
    }
    vyre_program_destroy(p);
    blob_free(&b);
}

static void any_encode(const vec_row *row)
{
    if (vec_ok(row))
        import_any(row, row->out[0]);
}

static void any_decode(const vec_row *row)
{
    import_any(row, row->in[0]);
}

/* All of the original's kernels are programs here. */
static void any_kernel(const vec_row *row)
{
    const unsigned before = imported;
    import_any(row, row->out[0]);
    ROW_EQ(row, imported, before + 1);
}

/* '|' ends a line, '^' is a carriage return, "-" is nothing. */
static blob blob_of_lines(const char *text)
{
    blob b = blob_alloc(*text == '-' ? 0 : strlen(text));
    for (size_t i = 0; i < b.size; i++)
        b.bytes[i] = (uint8_t)(text[i] == '|' ? '\n' : text[i] == '^' ? '\r' : text[i]);
    return b;
}

static void read_text(const vec_row *row)
{
    vyre_error err;
    blob b = blob_of_lines(row->in[0]);
    vyre_program *p = import_blob(&b, NULL, &err);
    if (vec_ok(row)) {
        blob plain = blob_of_hex(row->out[0]);
        vyre_program *same = import_blob(&plain, NULL, &err);
        ROW_CHECK(row, p && same && vyre_program_hash(p) == vyre_program_hash(same));
        vyre_program_destroy(same);
        blob_free(&plain);
    } else {
        ROW_CHECK(row, p == NULL && err.at <= b.size);
        vec_expect_row(row, err.status);
    }
    vyre_program_destroy(p);
    blob_free(&b);
}

static void written_text(const vec_row *row)
{
    vyre_error err;
    blob text = blob_of_lines(row->out[0]), plain = blob_of_hex(row->in[0]);
    vyre_program *p = import_blob(&text, NULL, &err), *same = import_blob(&plain, NULL, &err);
    ROW_CHECK(row, p && same && vyre_program_hash(p) == vyre_program_hash(same));
    vyre_program_destroy(p);
    vyre_program_destroy(same);
    blob_free(&text);
    blob_free(&plain);
}

static void files(void)
{
    static const vec_op ops[] = { { "encode", 1, any_encode }, { "decode", 1, any_decode },
                                  { "kernel", 4, any_kernel }, { "write_text", 1, written_text },
                                  { "read_text", 1, read_text } };
    vec_run("exchange", ops, sizeof ops / sizeof *ops);
    printf("NOTE %u of the files are programs here, %u are not\n", imported, not_imported);
    CHECK(imported >= 40);
}

#ifndef EXCHANGE_ROWS_ONLY
int main(void)
{
    RUN(refused);
    RUN(refused_buffers);
    RUN(built);
    RUN(calls);
    RUN(dropped_copies_and_ranges);
    RUN(out_of_memory);
    RUN(files);
    RUN(programs);
    return test_end();
}
#endif

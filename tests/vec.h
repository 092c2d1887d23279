/* Golden vectors: files of lines `op TAB inputs TAB => TAB status TAB kind TAB outputs`.
 * Every number is hexadecimal.
 *
 *     static void sizes(const vec_row *row) { ... CHECK_STATUS(row, status); }
 *     static const vec_op ops[] = { { "ring_byte_len", 1, sizes }, ... };
 *     vec_run("sizes", ops, sizeof ops / sizeof ops[0]);
 *
 * A line that no function reads is a failure.  Where one of the library's
 * rules changes an outcome on purpose, the row's function checks the changed
 * outcome and says so with vec_ruled(); the counts are printed at the end.
 * VYRE_VECTORS in the environment names another folder of such files.
 */
#ifndef VEC_H
#define VEC_H

#include "test.h"
#include "vyre.h"

#define VEC_MAX_COLUMNS 32

typedef struct vec_row {
    const char *file;
    unsigned    line;
    const char *op;
    const char *in[VEC_MAX_COLUMNS];
    unsigned    in_count;
    const char *status; /* the file's, as it is */
    const char *kind;
    const char *out[VEC_MAX_COLUMNS];
    unsigned    out_count;
} vec_row;

typedef struct vec_op {
    const char *name;
    unsigned    inputs;
    void      (*check)(const vec_row *row);
} vec_op;

/* --- where the library differs on purpose -------------------------------- */

/* X(name, file, condition, rule) */
#define VEC_RULES(X)                                                                               \
    X(WORD_SIZE, "sizes", "more bytes than this machine can address",                              \
      "spec 1.1: no size")                                                                         \
    X(LENIENT, "read", "a reader that turns errors into values",                                   \
      "DEF-44: readers are strict, and give the error")                                            \
    X(LOG_FULL, "read", "the cursor stands beyond the log's end",                                  \
      "DEF-35: every record that is there, and the count of the others")                           \
    X(LOG_LENGTH, "read", "a log of another length than 64 records",                               \
      "design 6: the log's length is its capacity")                                                \
    X(TENANT, "publish", "a tenant id of 29 or more",                                              \
      "DEF-1: refused, nothing is written")                                                        \
    X(EMPTY_BATCH, "publish", "a batch of no works for another tenant than 0",                     \
      "design 5: the fence is the first work's tenant's, or 0")                                    \
    X(STALE, "publish", "an encoder that keeps old words",                                         \
      "DEF-16: the slots are zeroed")                                                              \
    X(PACKED_TENANT, "packed", "a tenant id of 29 or more",                                        \
      "DEF-1: refused, nothing is written")                                                        \
    X(PARTIAL, "descriptor", "a refused work behind others",                                       \
      "DEF-15: all or nothing; the whole is checked before the slots are")                         \
    X(EMPTY_DESCRIPTOR, "descriptor", "a batch of nothing behind the ring's end",                  \
      "spec 5.3: refused, as a window of no works is")                                             \
    X(DESCRIPTOR_TENANT, "descriptor", "a tenant id of 29 or more",                                \
      "DEF-1: refused, nothing is written")                                                        \
    X(MISS_STATE, "loadmiss", "a load miss that is neither PUBLISHED nor CLAIMED",                 \
      "19.H4: none")                                                                               \
    X(MISS_PARTIAL, "loadmiss", "a ring that ends in a part of a slot",                            \
      "spec 0.2: refused, as by every function of the ring")                                       \
    X(STORE_STATE, "loadmiss", "a slot that is neither EMPTY nor DONE",                            \
      "DEF-17: refused, nothing is written")                                                       \
    X(STORE_RANGE, "loadmiss", "a slot outside the ring",                                          \
      "DEF-50: one status per condition, E_SLOT_RANGE")                                            \
    X(IO_TWICE, "io", "a slot that is named twice",                                                \
      "DEF-34: refused, nothing is written")                                                       \
    X(IO_EARLY, "io", "a request that has not been answered",                                      \
      "DEF-30: no completion yet")                                                                 \
    X(OFFSETS, "priority", "a control buffer that is too short for the offsets",                   \
      "19.R5: nothing is written")                                                                 \
    X(SATURATE, "priority", "a counter at its end",                                                \
      "DEF-44: an error, nothing is counted")                                                      \
    X(WATCH_RING, "telemetry", "a ring that ends in a part of a slot",                             \
      "row 39: E_RING_LEN, as by every function of the ring")                                      \
    X(WINDOW_KEY, "telemetry", "two tenants under one ticket and opcode, or slots that are empty", \
      "DEF-39: the key has the tenant; only states 1..7 make or count")                            \
    X(BACKWARDS, "telemetry", "a count that is lower than before",                                 \
      "DEF-23: the difference is taken modulo 2^32")                                               \
    X(STALLED, "telemetry", "FAULT or unknown slots, and nothing ended",                           \
      "DEF-40: stalled while something is runnable, whatever else there is")                       \
    X(SKETCH_EMPTY, "telemetry", "EMPTY slots",                                                    \
      "DEF-41: they are no opcode and no tenant")                                                  \
    X(SKETCH_SIZE, "sketch", "a dimension of more than 32 bits",                                   \
      "row 39: a shape has 32-bit numbers")                                                        \
    X(SKETCH_PARTIAL, "sketch", "a counter that would exceed 64 bits",                             \
      "DEF-42: checked first, nothing is counted")                                                 \
    X(TASK_FLAGS, "task", "flags of an earlier state",                                             \
      "DEF-43: the state implies the flags")                                                       \
    X(TASK_FAULT, "task", "a fault",                                                               \
      "DEF-43: its code is word 15; where the task was stays")                                     \
    X(TASK_ENDED, "task", "requeues or an age of tasks that are EMPTY or DONE",                    \
      "DEF-43: they are not counted")                                                              \
    X(TASK_PRESSURE, "task", "tasks that were requeued before",                                    \
      "DEF-43: each counts once")                                                                  \
    X(IDS, "tenant", "an id, and what follows from it",                                            \
      "DEF-7: ids are mask indices 0..28, and are recycled")                                       \
    X(NO_CAPACITY, "tenant", "a limit of 0",                                                       \
      "DEF-48: 0 is no capacity")                                                                  \
    X(LOOK_ONCE, "tenant", "quiesce that looks 0 times",                                           \
      "DEF-48: a time, and at least one look")                                                     \
    X(DRAINED, "tenant", "more slots drained than published, and what follows from it",            \
      "DEF-46: refused, nothing is counted")                                                       \
    X(REVOKED_USE, "tenant", "what a revoked tenant still holds",                                  \
      "DEF-45: the accounts stay until it is released")                                            \
    X(CONFLICT_SHAPE, "tenant", "a conflict matrix of another size",                               \
      "DEF-47: refused")                                                                           \
    X(READBACK_LOG, "readback", "a log of another length than 64 records",                         \
      "design 6: the log's length is its capacity")                                                \
    X(ITEMS, "geometry", "more items than padded slots",                                           \
      "row 35: E_OVF; E_CAPACITY is a ring's")                                                     \
    X(REGION_ID, "regions", "an id that is given twice",                                           \
      "row 50: E_ARGUMENT")                                                                        \
    X(REGION_WORDS, "regions", "a fixed region that is smaller than its records",                  \
      "row 50: E_REGION_RECORD")                                                                   \
    X(REGION_EMPTY, "regions", "a fixed region of no words",                                       \
      "row 50: words 0 are those of its records")                                                  \
    X(REGION_END, "regions", "a chained region whose end exceeds 32 bits",                         \
      "D14: E_REGION_OFFSET")                                                                      \
    X(FUSION_COMPACT, "fusion", "a compact plan: not applicable",                                  \
      "D16: it depends on positions; vyre_works_group takes its place")                            \
    X(WAVE_UNION, "waves", "arms in conflict that are no neighbours",                              \
      "D11: compared with all of the open stretch")                                                \
    X(RULE_OWN, "rules", "a rule of no states, or with targets beyond them",                       \
      "D13: rejected, STATES or TARGET")                                                           \
    X(RULE_PACK16, "rules", "targets as 16-bit halves",                                            \
      "row 44: tables have words; a target that is no state is rejected")                          \
    X(SEGMENT_COUNT, "segments", "a count for a width of 0",                                       \
      "row 44: no segments; making them is E_SEGMENT_WIDTH")                                       \
    X(RUN_NAN, "run", "an f32 that is no number",                                                  \
      "row 47: any NaN; the original has one")                                                     \
    X(RUN_SUBNORMAL, "run", "an f32 that is subnormal, before or after",                           \
      "row 47: what the device makes of it; the original makes it 0")                              \
    X(RUN_ROUNDED, "run", "an f32 of a device that divides or takes roots less exactly",           \
      "Vulkan: 2.5 and 4.5 units in the last place; at most 8 of a few operators")                 \
    X(DISTANCE_SHORT, "distance", "a table that is too short",                                     \
      "row 44: the states say how long it is; a rule with it is rejected, SHAPE")                  \
    X(DISTANCE_CYCLE, "distance", "more pairs than the budget, and a cycle among the first",       \
      "row 44: a cycle is an answer, E_SCAN_UNBOUNDED whatever the budget")                        \
    X(DISTANCE_EMPTY, "distance", "an empty pattern",                                              \
      "row 44: E_ARGUMENT")                                                                        \
    X(COMBINED_EMPTY, "combined", "an empty pattern",                                              \
      "row 44: E_ARGUMENT")                                                                        \
    X(COMBINED_CASE, "combined", "letters of either case",                                         \
      "row 44: the caller lowers patterns and copies columns, to the same tables")                 \
    X(COMBINED_BUDGET, "combined", "a budget in bytes that is too small",                          \
      "row 44: VYRE_SCAN_MAX_STATES bounds it; it is made")                                        \
    X(COMBINED_CHECK, "combined", "tables to be checked",                                          \
      "row 44: none comes from outside; those that are made are in order")

typedef enum vec_rule {
#define VEC_RULE_ENUM(name, file, condition, rule) RULE_##name,
    VEC_RULES(VEC_RULE_ENUM)
#undef VEC_RULE_ENUM
    VEC_RULE_COUNT
} vec_rule;

static struct {
    unsigned ruled[VEC_RULE_COUNT];
    unsigned rows;
    unsigned row_ruled;
} vec_state;

/* This row's outcome was changed by the rule; once per row. */
static void vec_ruled(vec_rule rule)
{
    if (!vec_state.row_ruled)
        vec_state.ruled[rule]++;
    vec_state.row_ruled = 1;
}

static void vec_report(const char *file)
{
    static const struct {
        const char *file, *condition, *rule;
    } table[] = {
#define VEC_RULE_ENTRY(name, file, condition, rule) { file, condition, rule },
        VEC_RULES(VEC_RULE_ENTRY)
#undef VEC_RULE_ENTRY
    };
    printf("NOTE %s.tsv: %u rows\n", file, vec_state.rows);
    for (unsigned i = 0; i < VEC_RULE_COUNT; i++) {
        if (strcmp(table[i].file, file) == 0)
            printf("NOTE %s.tsv: %u rows with %s (%s)\n", file, vec_state.ruled[i],
                   table[i].condition, table[i].rule);
    }
}

/* --- failures that name the row ------------------------------------------ */

#define ROW_FAIL(row, ...)                                                                         \
    do {                                                                                           \
        printf("FAIL %s.tsv:%u %s: ", (row)->file, (row)->line, (row)->op);                        \
        printf(__VA_ARGS__);                                                                       \
        putchar('\n');                                                                             \
        test_fail(__FILE__, __LINE__, "row above");                                                \
    } while (0)

#define ROW_CHECK(row, condition)                                                                  \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ROW_FAIL(row, "%s", #condition);                                                       \
    } while (0)

#define ROW_EQ(row, a, b)                                                                          \
    do {                                                                                           \
        unsigned long long row_a = (unsigned long long)(a), row_b = (unsigned long long)(b);       \
        if (row_a != row_b)                                                                        \
            ROW_FAIL(row, "%s is 0x%llx, not %s, 0x%llx", #a, row_a, #b, row_b);                   \
    } while (0)

/* --- words and numbers --------------------------------------------------- */

static uint32_t vec_get(const uint8_t *bytes, size_t word)
{
    const uint8_t *b = bytes + 4 * word;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static void vec_put(uint8_t *bytes, size_t word, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        bytes[4 * word + i] = (uint8_t)(value >> (8 * i));
}

/* The number at *text, which moves behind it; -1 digits is a failure. */
static uint64_t vec_number(const vec_row *row, const char **text)
{
    char *end;
    uint64_t value = strtoull(*text, &end, 16);
    if (end == *text)
        ROW_FAIL(row, "no number at \"%.40s\"", *text);
    *text = end;
    return value;
}

static uint64_t vec_u64(const vec_row *row, const char *text)
{
    uint64_t value = vec_number(row, &text);
    ROW_CHECK(row, *text == '\0');
    return value;
}

static uint32_t vec_u32(const vec_row *row, const char *text)
{
    uint64_t value = vec_u64(row, text);
    ROW_CHECK(row, value <= UINT32_MAX);
    return (uint32_t)value;
}

/* Skips `c` when it is there. */
static bool vec_skip(const char **text, char c)
{
    if (**text != c)
        return false;
    ++*text;
    return true;
}

/* Numbers with `separator` between them; "-" and "" are none.  All of them are
 * counted, the first `capacity` are stored. */
static unsigned vec_list(const vec_row *row, const char **text, char separator, uint32_t *out,
                         unsigned capacity)
{
    unsigned count = 0;
    if (vec_skip(text, '-') || **text == '\0')
        return 0;
    do {
        uint64_t value = vec_number(row, text);
        ROW_CHECK(row, value <= UINT32_MAX);
        if (count < capacity)
            out[count] = (uint32_t)value;
        count++;
    } while (vec_skip(text, separator));
    return count;
}

/* --- buffers ------------------------------------------------------------- */

/* A block of its own from the heap, so that every access beyond it is seen. */
typedef struct vec_buffer {
    uint8_t *bytes;
    size_t   size;
} vec_buffer;

static vec_buffer vec_alloc(size_t size, int fill)
{
    vec_buffer b;
    b.size = size;
    b.bytes = (uint8_t *)malloc(size ? size : 1);
    if (!b.bytes)
        test_fail(__FILE__, __LINE__, "no memory for %llu bytes", (unsigned long long)size);
    memset(b.bytes, fill, size);
    return b;
}

static vec_buffer vec_copy(const vec_buffer *of)
{
    vec_buffer b = vec_alloc(of->size, 0);
    memcpy(b.bytes, of->bytes, of->size);
    return b;
}

static void vec_free(vec_buffer *b)
{
    free(b->bytes);
    b->bytes = NULL;
    b->size = 0;
}

static void vec_store(vec_buffer *b, size_t word, uint32_t value)
{
    for (size_t i = 0; i < 4 && 4 * word + i < b->size; i++)
        b->bytes[4 * word + i] = (uint8_t)(value >> (8 * i));
}

static void vec_overrides(const vec_row *row, const char *text, vec_buffer *b)
{
    while (*text) {
        uint64_t word = vec_number(row, &text);
        ROW_CHECK(row, vec_skip(&text, '='));
        uint64_t value = vec_number(row, &text);
        ROW_CHECK(row, 4 * word < b->size && value <= UINT32_MAX);
        vec_store(b, (size_t)word, (uint32_t)value);
        ROW_CHECK(row, vec_skip(&text, ',') || *text == '\0');
    }
}

/* LEN/FILL:i=v,... */
static vec_buffer vec_parse(const vec_row *row, const char *text)
{
    uint64_t size = vec_number(row, &text);
    ROW_CHECK(row, vec_skip(&text, '/') && size <= SIZE_MAX);
    uint64_t fill = vec_number(row, &text);
    ROW_CHECK(row, vec_skip(&text, ':'));
    vec_buffer b = vec_alloc((size_t)size, 0);
    for (size_t word = 0; 4 * word < b.size; word++)
        vec_store(&b, word, (uint32_t)fill);
    vec_overrides(row, text, &b);
    return b;
}

/* An output in one of its three spellings; `before` is the input buffer. */
static vec_buffer vec_result(const vec_row *row, const char *text, const vec_buffer *before)
{
    if (*text != '=' && *text != '~')
        return vec_parse(row, text);
    vec_buffer b = vec_copy(before);
    if (*text == '~')
        vec_overrides(row, text + 1, &b);
    else
        ROW_CHECK(row, text[1] == '\0');
    return b;
}

static void vec_same(const vec_row *row, const vec_buffer *got, const vec_buffer *expected)
{
    ROW_EQ(row, got->size, expected->size);
    if (memcmp(got->bytes, expected->bytes, got->size) == 0)
        return;
    for (size_t i = 0; i < got->size; i++) {
        if (got->bytes[i] != expected->bytes[i])
            ROW_FAIL(row, "byte %llu (word 0x%llx) is %02x, not %02x", (unsigned long long)i,
                     (unsigned long long)i / 4, got->bytes[i], expected->bytes[i]);
    }
}

/* Compares with an output column, and frees nothing. */
static void vec_same_text(const vec_row *row, const vec_buffer *got, const char *text,
                          const vec_buffer *before)
{
    vec_buffer expected = vec_result(row, text, before);
    vec_same(row, got, &expected);
    vec_free(&expected);
}

/* --- statuses ------------------------------------------------------------ */

/* Three statuses have other names here. */
static const char *vec_name(const char *status)
{
    if (strcmp(status, "E_DEBUG_SHAPE") == 0)
        return "E_LOG_SHAPE";
    if (strcmp(status, "E_OOM") == 0)
        return "E_BUDGET";
    if (strcmp(status, "E_TENANT_TIMEOUT") == 0)
        return "TIMEOUT"; /* news, not an error */
    return status;
}

static bool vec_ok(const vec_row *row)
{
    return strcmp(row->status, "OK") == 0;
}

static bool vec_none(const vec_row *row)
{
    return strcmp(row->status, "NONE") == 0;
}

static bool vec_is(const vec_row *row, vyre_status status)
{
    return strcmp(vec_name(row->status), vyre_status_name(status)) == 0;
}

static void vec_expect(const vec_row *row, vyre_status got, vyre_status expected)
{
    if (got != expected)
        ROW_FAIL(row, "the status is %s, not %s (the file says %s)", vyre_status_name(got),
                 vyre_status_name(expected), row->status);
}

/* The file's own status. */
static void vec_expect_row(const vec_row *row, vyre_status got)
{
    if (!vec_is(row, got))
        ROW_FAIL(row, "the status is %s, not %s", vyre_status_name(got), row->status);
}

/* An error carries its status, its text and a fix. */
static void vec_error(const vec_row *row, vyre_status got, const vyre_error *err)
{
    if (got >= 0)
        return;
    ROW_EQ(row, err->status, got);
    ROW_CHECK(row, err->text[0] && err->fix[0]);
    ROW_CHECK(row, strlen(err->text) < sizeof err->text - 1);
    ROW_CHECK(row, strlen(err->fix) < sizeof err->fix - 1);
}

/* --- the reader ---------------------------------------------------------- */

static void vec_split(vec_row *row, char *line)
{
    bool behind = false;
    unsigned outputs = 0, columns = 0;
    row->in_count = row->out_count = 0;
    row->status = row->kind = "";
    for (unsigned i = 0; i < VEC_MAX_COLUMNS; i++)
        row->in[i] = row->out[i] = "";
    for (char *at = line; at; columns++) {
        char *next = strchr(at, '\t');
        if (next)
            *next++ = '\0';
        if (columns == 0)
            row->op = at;
        else if (!behind && strcmp(at, "=>") == 0)
            behind = true;
        else if (!behind && row->in_count < VEC_MAX_COLUMNS)
            row->in[row->in_count++] = at;
        else if (behind && outputs++ == 0)
            row->status = at;
        else if (behind && outputs == 2)
            row->kind = at;
        else if (behind && row->out_count < VEC_MAX_COLUMNS)
            row->out[row->out_count++] = at;
        at = next;
    }
    if (!behind || outputs < 2)
        ROW_FAIL(row, "a line without an outcome");
}

static void vec_dispatch(const vec_row *row, const vec_op *ops, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(ops[i].name, row->op) != 0)
            continue;
        ROW_EQ(row, row->in_count, ops[i].inputs);
        vec_state.row_ruled = 0;
        ops[i].check(row);
        vec_state.rows++;
        return;
    }
    ROW_FAIL(row, "no function reads this operation");
}

/* The file's contents, or NULL. */
static char *vec_read(const char *name)
{
    const char *folder = getenv("VYRE_VECTORS");
    char path[512];
    snprintf(path, sizeof path, "%s/%s.tsv", folder ? folder : "tests/vectors", name);
    FILE *file = fopen(path, "rb");
    if (!file)
        test_fail(__FILE__, __LINE__, "%s cannot be read", path);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *text = (char *)malloc((size_t)size + 1);
    if (!text || fread(text, 1, (size_t)size, file) != (size_t)size)
        test_fail(__FILE__, __LINE__, "%s cannot be read", path);
    text[size] = '\0';
    fclose(file);
    return text;
}

static void vec_run(const char *name, const vec_op *ops, unsigned count)
{
    char *text = vec_read(name), *line = text;
    vec_row row;
    memset(&row, 0, sizeof row);
    row.file = name;
    vec_state.rows = 0;
    while (*line) {
        char *end = strchr(line, '\n');
        if (end)
            *end = '\0';
        row.line++;
        vec_split(&row, line);
        vec_dispatch(&row, ops, count);
        line = end ? end + 1 : line + strlen(line);
    }
    free(text);
    if (vec_state.rows == 0)
        test_fail(__FILE__, __LINE__, "%s.tsv has no rows", name);
    vec_report(name);
}

#endif

/* Programs as the original's files: the bytes, and that they mean the same. */
#include "exchange_write.h"
#include "gen.h"
#include "oom.h"

static blob export_blob(const vyre_program *p, vyre_error *err)
{
    blob b = blob_alloc(0);
    const size_t size = vyre_program_export(p, false, NULL, 0, err);
    free(b.bytes);
    b = blob_alloc(size);
    if (size)
        CHECK_EQ(vyre_program_export(p, false, b.bytes, size, err), size);
    return b;
}

static vyre_program *begin(vyre_buffer *out)
{
    vyre_program_desc desc;
    vyre_buffer_desc buffer;
    memset(&desc, 0, sizeof desc);
    memset(&buffer, 0, sizeof buffer);
    desc.workgroup_size[0] = 1;
    buffer.name = "out";
    buffer.count = 1;
    vyre_program *p = vyre_program_create(&desc, NULL);
    CHECK(p != NULL);
    *out = vyre_ir_buffer(p, &buffer);
    return p;
}

static void finish(vyre_program *p)
{
    vyre_error err;
    if (vyre_program_finish(p, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", err.text);
}

/* --- bytes -------------------------------------------------------------------- */

/* root { out[0] <- 42 }, whose digest the original pins. */
static void the_original_writes_the_same(void)
{
    static const char pinned[] = "c1f2ccf5754f0e561c767f6d6e2a847947d70e4bd0593b617d53f5aee5cc0428";
    vyre_buffer out;
    vyre_error err;
    vyre_program *p = begin(&out);
    const vyre_value zero = vyre_ir_u32(p, 0), value = vyre_ir_u32(p, 42);
    vyre_ir_store(p, out, zero, value);
    finish(p);
    blob b = export_blob(p, &err);
    CHECK_EQ(b.size, 194);
    uint8_t digest[32];
    char text[65];
    vyre_blake3(b.bytes, b.size, digest);
    for (unsigned i = 0; i < 32; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    CHECK_TEXT(text, pinned);
    blob_free(&b);
    vyre_program_destroy(p);
}

/* What a blob of ours, imported, is written as. */
static const char *const ours[] = {
    "(store \"out\" (u32 0) (u32 7))",
    "(let \"v0\" (bin add (u32 1) (u32 2))) (store \"out\" (u32 0) (var \"v0\"))",
    "(let \"l0\" (u32 0)) (loop \"v0\" (u32 0) (u32 4) (let \"v1\" (var \"l0\")) (let \"v2\" "
    "(bin add "
    "(var \"v1\") (var \"v0\"))) (assign \"l0\" (var \"v2\"))) (let \"v3\" (var \"l0\")) (store "
    "\"out\" "
    "(u32 0) (var \"v3\"))",
    "(barrier acquire) (let \"v0\" (local 0)) (let \"v1\" (bin lt (var \"v0\") (u32 3))) (if (var "
    "\"v1\") ((return)) ((store \"out\" (u32 1) (var \"v0\")))) (loop \"__forever__\" (u32 0) (u32 "
    "ffffffff) (let \"v2\" (atomic add acquire \"out\" (u32 0) - (u32 0))) (let \"v3\" (bin eq "
    "(var "
    "\"v2\") (u32 1))) (if (var \"v3\") ((return)) ()))",
    "(let \"v0\" (atomic add acq_rel \"out\" (u32 0) - (u32 0))) (let \"v1\" (atomic exchange "
    "acq_rel "
    "\"out\" (u32 0) - (u32 5))) (let \"v2\" (atomic add release \"out\" (u32 0) - (u32 0))) (let "
    "\"v3\" (atomic exchange acquire \"out\" (u32 0) - (u32 6))) (let \"v4\" (atomic exchange "
    "release "
    "\"out\" (u32 0) - (u32 7))) (let \"v5\" (atomic add relaxed \"out\" (u32 0) - (u32 0))) (let "
    "\"v6\" (atomic exchange relaxed \"out\" (u32 0) - (u32 8)))",
    "(let \"v0\" (atomic compare_exchange acq_rel \"out\" (u32 0) (u32 1) (u32 2))) (let \"v1\" "
    "(atomic "
    "exchange release \"out\" (u32 0) - (var \"v0\"))) (let \"v2\" (select (bool 1) (u32 1) "
    "(u32 2))) (let "
    "\"v3\" (cast f32 (var \"v2\"))) (let \"v4\" (fma (var \"v3\") (f32 3f800000) (f32 "
    "40000000))) (let "
    "\"v5\" (un sqrt (var \"v4\"))) (let \"v6\" (len \"out\")) (let \"v7\" (reduce max (var "
    "\"v6\"))) (let "
    "\"v8\" (width)) (let \"v9\" (un negate (f32 0)))"
};

static blob blob_of_ours(const char *statements)
{
    char text[2048];
    snprintf(text, sizeof text,
             "(program - 40 1 1 0 ((\"out\" 0 global read_write u32 4 0 0 4:8 - 0 1) (\"in\" 1 "
             "readonly "
             "read f32 0 0 0 - - 0 1) (\"s\" 0 shared workgroup i32 3 0 0 - - 0 1) (\"w\" 2 "
             "global write "
             "bool 80 0 0 0:0 - 0 1)) (region \"vyre.program.root\" - %s))", statements);
    return blob_of_program(text);
}

static void imported_and_written_again(void)
{
    for (unsigned i = 0; i < sizeof ours / sizeof *ours; i++) {
        vyre_error err;
        vyre_import_info info;
        blob b = blob_of_ours(ours[i]);
        vyre_program *p = vyre_program_import(b.bytes, b.size, NULL, &info, &err);
        if (!p)
            test_fail(__FILE__, __LINE__, "%s: %s", ours[i], err.text);
        CHECK(info.canonical);
        blob again = export_blob(p, &err);
        if (again.size != b.size || memcmp(again.bytes, b.bytes, b.size) != 0)
            test_fail(__FILE__, __LINE__, "%s: %zu bytes, which are not its %zu", ours[i],
                      again.size, b.size);
        blob_free(&again);
        blob_free(&b);
        vyre_program_destroy(p);
    }
}

/* --- meaning -------------------------------------------------------------------- */

static void interpret(const vyre_program *p, gen_memory *m, const gen_shape *shape)
{
    vyre_interp_desc desc;
    vyre_error err;
    memset(&desc, 0, sizeof desc);
    memcpy(desc.groups, shape->groups, sizeof desc.groups);
    desc.buffers = m->buffers;
    desc.sizes = m->sizes;
    desc.buffer_count = m->count;
    if (vyre_interpret(p, &desc, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", err.text);
}

/* Whether the program can be said; then it means the same, and its bytes stay. */
static bool same_meaning(uint64_t seed, uint32_t flags)
{
    vyre_error err;
    gen_shape shape;
    vyre_import_info info;
    vyre_program *p = gen_program(seed, flags, NULL, &shape);
    finish(p);
    blob b = export_blob(p, &err);
    if (b.size == 0) {
        CHECK(err.status == VYRE_E_EXCHANGE_FLOW || err.status == VYRE_E_EXCHANGE_UNSUPPORTED);
        CHECK(err.at >= 1 && err.at <= vyre_program_instruction_count(p));
        blob_free(&b);
        vyre_program_destroy(p);
        return false;
    }
    vyre_program *again = vyre_program_import(b.bytes, b.size, NULL, &info, &err);
    if (!again)
        test_fail(__FILE__, __LINE__, "seed 0x%llx: %s", (unsigned long long)seed, err.text);
    CHECK(info.canonical);
    gen_memory left = gen_memory_make(&shape), right = gen_memory_make(&shape);
    interpret(p, &left, &shape);
    interpret(again, &right, &shape);
    for (uint32_t i = 0; i < left.count; i++) {
        if (memcmp(left.buffers[i], right.buffers[i], left.sizes[i]) != 0)
            test_fail(__FILE__, __LINE__, "seed 0x%llx: buffer %u differs",
                      (unsigned long long)seed, i);
    }
    blob second = export_blob(again, &err);
    CHECK(second.size == b.size && memcmp(second.bytes, b.bytes, b.size) == 0);
    gen_memory_free(&left);
    gen_memory_free(&right);
    blob_free(&second);
    blob_free(&b);
    vyre_program_destroy(again);
    vyre_program_destroy(p);
    return true;
}

static void random_programs_mean_the_same(void)
{
    static const uint32_t flags[] = { GEN_3D, GEN_3D | GEN_F32, GEN_WORKGROUP, GEN_LOOPS,
                                      GEN_ATOMICS | GEN_3D, GEN_SUBGROUPS, GEN_LOOPS | GEN_LARGE };
    const char *text = getenv("TEST_COUNT");
    const uint64_t count = text ? strtoull(text, NULL, 0) : 700;
    uint64_t random = test_seed(0x45a2), said = 0;
    for (uint64_t i = 0; i < count; i++)
        said += same_meaning(test_random(&random), flags[i % 7] | GEN_SAID);
    printf("NOTE %llu of %llu random programs can be said\n", (unsigned long long)said,
           (unsigned long long)count);
    CHECK(said > count - count / 4);
}

/* --- what cannot be said ------------------------------------------------------------ */

typedef void build_function(vyre_program *p, vyre_buffer out);

static void break_of_counted(vyre_program *p, vyre_buffer out)
{
    const vyre_value from = vyre_ir_u32(p, 0), to = vyre_ir_u32(p, 4);
    const vyre_value i = vyre_ir_loop(p, from, to);
    vyre_ir_if(p, vyre_ir_cast(p, VYRE_TYPE_BOOL, i));
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
    (void)out;
}

static void break_with_more_behind(vyre_program *p, vyre_buffer out)
{
    vyre_ir_forever(p);
    vyre_ir_break(p);
    vyre_ir_end(p);
    const vyre_value zero = vyre_ir_u32(p, 0);
    vyre_ir_store(p, out, zero, zero);
}

static void goes_on(vyre_program *p, vyre_buffer out)
{
    vyre_ir_forever(p);
    vyre_ir_if(p, vyre_ir_cast(p, VYRE_TYPE_BOOL, vyre_ir_length(p, out)));
    vyre_ir_continue(p);
    vyre_ir_end(p);
    vyre_ir_return(p);
    vyre_ir_end(p);
}

static void endless_in_endless(vyre_program *p, vyre_buffer out)
{
    vyre_ir_forever(p);
    vyre_ir_forever(p);
    vyre_ir_return(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
    (void)out;
}

static void float_bits(vyre_program *p, vyre_buffer out)
{
    (void)vyre_ir_bitcast(p, VYRE_TYPE_F32, vyre_ir_length(p, out));
}

static void device_fence(vyre_program *p, vyre_buffer out)
{
    vyre_ir_barrier(p, VYRE_SCOPE_DEVICE, VYRE_ORDER_ACQ_REL);
    (void)out;
}

static void elected(vyre_program *p, vyre_buffer out)
{
    (void)vyre_ir_elect(p);
    (void)out;
}

static void group_count(vyre_program *p, vyre_buffer out)
{
    (void)vyre_ir_builtin(p, VYRE_BUILTIN_GROUP_COUNT_X);
    (void)out;
}

static void subnormal(vyre_program *p, vyre_buffer out)
{
    const vyre_value tiny = vyre_ir_f32(p, 1e-40f);
    (void)vyre_ir_neg(p, tiny);
    (void)out;
}

static const struct {
    vyre_status     status;
    build_function *build;
} unsayable[] = {
    { VYRE_E_EXCHANGE_FLOW, break_of_counted },    { VYRE_E_EXCHANGE_FLOW, break_with_more_behind },
    { VYRE_E_EXCHANGE_FLOW, goes_on },             { VYRE_E_EXCHANGE_FLOW, endless_in_endless },
    { VYRE_E_EXCHANGE_UNSUPPORTED, float_bits },   { VYRE_E_EXCHANGE_UNSUPPORTED, device_fence },
    { VYRE_E_EXCHANGE_UNSUPPORTED, elected },      { VYRE_E_EXCHANGE_UNSUPPORTED, group_count },
    { VYRE_E_EXCHANGE_UNSUPPORTED, subnormal }
};

static void what_cannot_be_said(void)
{
    for (unsigned i = 0; i < sizeof unsayable / sizeof *unsayable; i++) {
        vyre_buffer out;
        vyre_error err;
        uint8_t bytes[4] = { 1, 2, 3, 4 };
        vyre_program *p = begin(&out);
        unsayable[i].build(p, out);
        CHECK_EQ(vyre_program_export(p, false, bytes, sizeof bytes, &err), 0);
        CHECK_EQ(err.status, VYRE_E_IR_UNFINISHED);
        finish(p);
        CHECK_EQ(vyre_program_export(p, false, bytes, sizeof bytes, &err), 0);
        if (err.status != unsayable[i].status)
            test_fail(__FILE__, __LINE__, "case %u: %s", i, err.text);
        CHECK(err.at >= 1 && err.at <= vyre_program_instruction_count(p) && err.fix[0]);
        CHECK(bytes[0] == 1 && bytes[3] == 4);
        vyre_program_destroy(p);
    }
    vyre_error err;
    CHECK_EQ(vyre_program_export(NULL, false, NULL, 0, &err), 0);
    CHECK_EQ(err.status, VYRE_E_ARGUMENT);
}

/* So many blocks inside each other fit into the format's 64 levels, and no more. */
static void deep_blocks(void)
{
    for (unsigned blocks = 57; blocks <= 58; blocks++) {
        vyre_buffer out;
        vyre_error err;
        vyre_program *p = begin(&out);
        const vyre_value value = vyre_ir_length(p, out);
        for (unsigned i = 0; i < blocks; i++)
            vyre_ir_if(p, vyre_ir_cast(p, VYRE_TYPE_BOOL, value));
        const vyre_value sum = vyre_ir_add(p, value, value);
        vyre_ir_store(p, out, vyre_ir_atomic_cas(p, out, sum, sum, sum, VYRE_ORDER_ACQ_REL), sum);
        for (unsigned i = 0; i < blocks; i++)
            vyre_ir_end(p);
        finish(p);
        blob b = export_blob(p, &err);
        vyre_program *again = vyre_program_import(b.bytes, b.size, NULL, NULL, &err);
        CHECK_EQ(again != NULL, blocks == 57);
        CHECK(again || b.size == 0);
        vyre_program_destroy(again);
        vyre_program_destroy(p);
        blob_free(&b);
    }
}

static void names_are_utf8(void)
{
    vyre_program_desc desc;
    vyre_error err;
    memset(&desc, 0, sizeof desc);
    desc.name = "\xff";
    vyre_program *p = vyre_program_create(&desc, NULL);
    finish(p);
    CHECK_EQ(vyre_program_export(p, false, NULL, 0, &err), 0);
    CHECK_EQ(err.status, VYRE_E_EXCHANGE_UTF8);
    vyre_program_destroy(p);
}

/* --- sizes, texts, memory -------------------------------------------------------------- */

static void space_and_texts(void)
{
    vyre_buffer out;
    vyre_error err;
    vyre_program *p = begin(&out);
    finish(p);
    blob b = export_blob(p, &err);
    blob small = blob_alloc(b.size - 1);
    memset(small.bytes, 0x5a, small.size);
    CHECK_EQ(vyre_program_export(p, false, small.bytes, small.size, &err), b.size);
    for (size_t i = 0; i < small.size; i++)
        CHECK_EQ(small.bytes[i], 0x5a);
    const size_t length = vyre_program_export(p, true, NULL, 0, &err);
    char *text = (char *)malloc(length + 1), part[20];
    CHECK_EQ(vyre_program_export(p, true, text, length + 1, &err), length);
    CHECK(strlen(text) == length && text[length - 1] == '\n');
    char heading[64];
    snprintf(heading, sizeof heading, "vyre_ir v0.1\nwire_bytes %zu\n5659524504000400", b.size);
    CHECK(strncmp(text, heading, strlen(heading)) == 0);
    CHECK_EQ(vyre_program_export(p, true, part, sizeof part, &err), length);
    CHECK(strlen(part) == sizeof part - 1 && strncmp(part, text, sizeof part - 1) == 0);
    vyre_program *again = vyre_program_import(text, length, NULL, NULL, &err);
    CHECK(again && vyre_program_hash(again) == vyre_program_hash(p));
    vyre_program_destroy(again);
    vyre_program_destroy(p);
    free(text);
    blob_free(&small);
    blob_free(&b);
}

static void out_of_memory(void)
{
    oom_state oom;
    gen_shape shape;
    oom_begin(&oom);
    const vyre_allocator allocator = oom_allocator(&oom);
    vyre_program *p = gen_program(7, GEN_3D | GEN_SAID, &allocator, &shape);
    finish(p);
    const uint64_t blocks = oom.live_blocks;
    oom_rearm(&oom);
    oom.fail_at = 1;
    for (unsigned i = 0;; i++) {
        vyre_error err;
        const size_t size = vyre_program_export(p, true, NULL, 0, &err);
        CHECK_EQ(size == 0, oom.failed);
        if (!size)
            CHECK_EQ(err.status, VYRE_E_NOMEM);
        CHECK_EQ(oom.live_blocks, blocks);
        if (!oom.failed)
            break;
        oom_rearm(&oom);
    }
    vyre_program_destroy(p);
    CHECK(oom_is_clean(&oom));
}

int main(void)
{
    RUN(the_original_writes_the_same);
    RUN(imported_and_written_again);
    RUN(random_programs_mean_the_same);
    RUN(what_cannot_be_said);
    RUN(deep_blocks);
    RUN(names_are_utf8);
    RUN(space_and_texts);
    RUN(out_of_memory);
    return test_end();
}

/* The emitter: its numbers, its refusals, its memory, and small programs whose
 * disassembly a person has read (tests/golden_spirv; TEST_UPDATE=1 writes it anew).
 */
#include "inside.h"

#include "oom.h"

#include <spirv-tools/libspirv.h>
#include <spirv/unified1/GLSL.std.450.h>
#include <spirv/unified1/spirv.h>

/* --- numbers ------------------------------------------------------------- */

static void numbers_are_those_of_the_standard(void)
{
#define OP(name, number)   CHECK_EQ(VYI_SPV_Op##name, SpvOp##name);
#define ANY(kind, name, n) CHECK_EQ(VYI_SPV_##kind##name, Spv##kind##name);
#define MASK(name, bits)   CHECK_EQ(VYI_SPV_##name, Spv##name##Mask);
#define GLSL(name, number) CHECK_EQ(VYI_SPV_Glsl##name, GLSLstd450##name);
    VYI_SPV_OP_LIST(OP)
    VYI_SPV_ENUM_LIST(ANY)
    VYI_SPV_MASK_LIST(MASK)
    VYI_SPV_GLSL_LIST(GLSL)
    CHECK_EQ(VYI_SPV_MAGIC, SpvMagicNumber);
}

/* --- small programs ------------------------------------------------------ */

typedef struct small {
    vyre_program *p;
    vyre_buffer   out, in, shared;
    vyre_value    lane;
} small;

static vyre_buffer small_buffer(small *s, const char *name, uint32_t binding, vyre_type type,
                                vyre_access access)
{
    vyre_buffer_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.name = name;
    desc.binding = binding;
    desc.type = type;
    desc.access = access;
    desc.count = access == VYRE_ACCESS_WORKGROUP ? 100 : 0;
    return vyre_ir_buffer(s->p, &desc);
}

static small small_begin_typed(vyre_type type, const vyre_allocator *allocator)
{
    vyre_program_desc desc;
    small s;
    memset(&desc, 0, sizeof desc);
    memset(&s, 0, sizeof s);
    desc.name = "small";
    if (allocator)
        desc.allocator = *allocator;
    s.p = vyre_program_create(&desc, NULL);
    if (!s.p)
        return s;
    s.out = small_buffer(&s, "out", 0, type, VYRE_ACCESS_READ_WRITE);
    s.in = small_buffer(&s, "in", 1, type, VYRE_ACCESS_READ);
    s.lane = vyre_ir_builtin(s.p, VYRE_BUILTIN_GLOBAL_ID_X);
    return s;
}

static small small_begin(void)
{
    return small_begin_typed(VYRE_TYPE_U32, NULL);
}

static vyre_value u(small *s, uint32_t x)
{
    return vyre_ir_u32(s->p, x);
}

static void program_store(small *s)
{
    vyre_ir_store(s->p, s->out, s->lane, vyre_ir_load(s->p, s->in, s->lane));
}

static void program_division(small *s)
{
    const vyre_value a = vyre_ir_load(s->p, s->in, s->lane);
    const vyre_value i = vyre_ir_bitcast(s->p, VYRE_TYPE_I32, a);
    const vyre_value j = vyre_ir_cast(s->p, VYRE_TYPE_I32, s->lane);
    vyre_ir_store(s->p, s->out, s->lane, vyre_ir_div(s->p, a, s->lane));
    vyre_ir_store(s->p, s->out, s->lane, vyre_ir_rem(s->p, a, u(s, 10)));
    vyre_ir_store(s->p, s->out, s->lane,
                  vyre_ir_cast(s->p, VYRE_TYPE_U32, vyre_ir_div(s->p, i, j)));
    vyre_ir_store(s->p, s->out, s->lane,
                  vyre_ir_cast(s->p, VYRE_TYPE_U32, vyre_ir_rem(s->p, i, j)));
}

static void program_bits(small *s)
{
    const vyre_value a = vyre_ir_load(s->p, s->in, s->lane);
    vyre_value x = vyre_ir_shl(s->p, a, s->lane);
    x = vyre_ir_add(s->p, x, vyre_ir_rotl(s->p, a, u(s, 37)));
    x = vyre_ir_add(s->p, x, vyre_ir_rotr(s->p, a, s->lane));
    x = vyre_ir_add(s->p, x, vyre_ir_clz(s->p, a));
    x = vyre_ir_add(s->p, x, vyre_ir_ctz(s->p, a));
    x = vyre_ir_add(s->p, x, vyre_ir_mul_high(s->p, a, a));
    vyre_ir_store(s->p, s->out, s->lane, x);
}

static void program_convert(small *s)
{
    const vyre_value a = vyre_ir_bitcast(s->p, VYRE_TYPE_F32,
                                         vyre_ir_load(s->p, s->in, s->lane));
    const vyre_value b = vyre_ir_cast(s->p, VYRE_TYPE_I32, vyre_ir_round(s->p, a));
    vyre_ir_store(s->p, s->out, s->lane, vyre_ir_cast(s->p, VYRE_TYPE_U32, a));
    vyre_ir_store(s->p, s->out, s->lane, vyre_ir_cast(s->p, VYRE_TYPE_U32, b));
}

static void program_choice(small *s)
{
    const vyre_local best = vyre_ir_local(s->p, VYRE_TYPE_U32, u(s, 7), "best");
    vyre_ir_if(s->p, vyre_ir_lt(s->p, s->lane, u(s, 10)));
    vyre_ir_set(s->p, best, s->lane);
    vyre_ir_else(s->p);
    vyre_ir_if(s->p, vyre_ir_gt(s->p, s->lane, u(s, 20)));
    vyre_ir_return(s->p);
    vyre_ir_end(s->p);
    vyre_ir_end(s->p);
    vyre_ir_store(s->p, s->out, s->lane, vyre_ir_get(s->p, best));
}

/* Continue, and a break from inside a switch. */
static void program_counted(small *s)
{
    const vyre_local sum = vyre_ir_local(s->p, VYRE_TYPE_U32, u(s, 0), "sum");
    const vyre_value i = vyre_ir_loop(s->p, u(s, 1), s->lane);
    vyre_ir_switch(s->p, vyre_ir_rem(s->p, i, u(s, 5)));
    vyre_ir_case(s->p, 0);
    vyre_ir_continue(s->p);
    vyre_ir_case(s->p, 3);
    vyre_ir_break(s->p);
    vyre_ir_default(s->p);
    vyre_ir_set(s->p, sum, i);
    vyre_ir_end(s->p);
    vyre_ir_set(s->p, sum, vyre_ir_add(s->p, vyre_ir_get(s->p, sum), i));
    vyre_ir_end(s->p);
    vyre_ir_store(s->p, s->out, s->lane, vyre_ir_get(s->p, sum));
}

/* A round loop whose rounds the host bounds. */
static void program_rounds(small *s)
{
    vyre_ir_forever(s->p);
    const vyre_value stop = vyre_ir_atomic_load(s->p, s->out, u(s, 0), VYRE_ORDER_ACQUIRE);
    vyre_ir_if(s->p, vyre_ir_ne(s->p, stop, u(s, 0)));
    vyre_ir_break(s->p);
    vyre_ir_end(s->p);
    vyre_ir_end(s->p);
    vyre_ir_store(s->p, s->out, s->lane, u(s, 1));
}

/* A bool that lives in a loop: the header's phi is that of a word. */
static void program_flag(small *s)
{
    const vyre_value odd = vyre_ir_ne(s->p, vyre_ir_and(s->p, s->lane, u(s, 1)), u(s, 0));
    const vyre_local flag = vyre_ir_local(s->p, VYRE_TYPE_BOOL, vyre_ir_bool(s->p, true), "flag");
    const vyre_value i = vyre_ir_loop(s->p, u(s, 1), s->lane);
    vyre_ir_if(s->p, vyre_ir_get(s->p, flag));
    vyre_ir_store(s->p, s->out, i, u(s, 1));
    vyre_ir_end(s->p);
    vyre_ir_set(s->p, flag, odd);
    vyre_ir_end(s->p);
    vyre_ir_store(s->p, s->out, s->lane,
                  vyre_ir_cast(s->p, VYRE_TYPE_U32, vyre_ir_get(s->p, flag)));
}

/* A comparison that is also a value is compared again for the branch. */
static void program_compared(small *s)
{
    const vyre_value some = vyre_ir_ne(s->p, s->lane, u(s, 0));
    const vyre_value few = vyre_ir_lt(s->p, s->lane, u(s, 9));
    vyre_ir_store(s->p, s->out, s->lane, vyre_ir_cast(s->p, VYRE_TYPE_U32, some));
    vyre_ir_if(s->p, some);
    vyre_ir_if(s->p, few);
    vyre_ir_store(s->p, s->out, u(s, 0), s->lane);
    vyre_ir_end(s->p);
    vyre_ir_end(s->p);
}

static void program_limited(small *s)
{
    const vyre_value cut = vyre_ir_u32(s->p, 0xdead);
    vyre_ir_loop_allow(s->p, u(s, 1000));
    const vyre_value i = vyre_ir_loop(s->p, u(s, 0), s->lane);
    vyre_ir_store(s->p, s->out, i, vyre_ir_builtin(s->p, VYRE_BUILTIN_LOOP_LEFT));
    vyre_ir_end(s->p);
    vyre_ir_if(s->p, vyre_ir_builtin(s->p, VYRE_BUILTIN_LOOP_CUT));
    vyre_ir_store(s->p, s->out, s->lane, cut);
    vyre_ir_end(s->p);
}

static void program_atomics(small *s)
{
    const vyre_value seen = vyre_ir_atomic_cas(s->p, s->out, s->lane, u(s, 1), u(s, 2),
                                               VYRE_ORDER_ACQUIRE);
    vyre_ir_if(s->p, vyre_ir_eq(s->p, seen, u(s, 1)));
    (void)vyre_ir_atomic(s->p, VYRE_ATOMIC_MAX, s->out, u(s, 0), s->lane, VYRE_ORDER_RELAXED);
    vyre_ir_barrier(s->p, VYRE_SCOPE_DEVICE, VYRE_ORDER_ACQ_REL);
    vyre_ir_atomic_store(s->p, s->out, s->lane, u(s, 3), VYRE_ORDER_RELEASE);
    vyre_ir_end(s->p);
}

static void program_workgroup(small *s)
{
    s->shared = small_buffer(s, "shared", 0, VYRE_TYPE_BOOL, VYRE_ACCESS_WORKGROUP);
    const vyre_value local = vyre_ir_builtin(s->p, VYRE_BUILTIN_LOCAL_INDEX);
    const vyre_value odd = vyre_ir_cast(s->p, VYRE_TYPE_BOOL, vyre_ir_and(s->p, local, u(s, 1)));
    vyre_ir_store(s->p, s->shared, local, odd);
    vyre_ir_barrier(s->p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
    const vyre_value other = vyre_ir_load(s->p, s->shared, vyre_ir_and(s->p, s->lane, u(s, 63)));
    vyre_ir_store(s->p, s->out, s->lane, vyre_ir_cast(s->p, VYRE_TYPE_U32, other));
}

static void program_subgroup(small *s)
{
    const vyre_value sum = vyre_ir_reduce(s->p, VYRE_REDUCE_ADD, s->lane);
    const vyre_value mask = vyre_ir_ballot(s->p, vyre_ir_lt(s->p, s->lane, sum));
    vyre_ir_if(s->p, vyre_ir_elect(s->p));
    vyre_ir_store(s->p, s->out, s->lane, vyre_ir_add(s->p, sum, mask));
    vyre_ir_end(s->p);
}

/* What conditions say about an index need not be checked again. */
static void program_inside(small *s)
{
    const vyre_value slots = vyre_ir_shr(s->p, vyre_ir_length(s->p, s->out), u(s, 4));
    vyre_ir_if(s->p, vyre_ir_ge(s->p, s->lane, slots));
    vyre_ir_return(s->p);
    vyre_ir_end(s->p);
    const vyre_value base = vyre_ir_shl(s->p, s->lane, u(s, 4));
    const vyre_value word = vyre_ir_add(s->p, base, u(s, 15));
    vyre_ir_store(s->p, s->out, word, vyre_ir_load(s->p, s->out, base));
}

typedef struct golden {
    const char *name;
    void (*build)(small *s);
    vyre_spirv_desc desc; /* version, model, names, spec, rounds, limit, unfenced */
} golden;

#define GLSL450 VYRE_MEMORY_MODEL_GLSL450
#define VULKAN  VYRE_MEMORY_MODEL_VULKAN

static const golden goldens[] = {
    { "store", program_store, { 0, GLSL450, true, false, false, 0, false } },
    { "division", program_division, { 0, GLSL450, false, false, false, 0, false } },
    { "bits", program_bits, { 0, GLSL450, false, false, false, 0, false } },
    { "convert", program_convert, { 0, GLSL450, false, false, false, 0, false } },
    { "choice", program_choice, { 0, GLSL450, true, false, false, 0, false } },
    { "counted", program_counted, { 0, GLSL450, true, false, false, 0, false } },
    { "rounds", program_rounds, { VYRE_SPIRV_1_5, VULKAN, true, true, true, 0, false } },
    { "compared", program_compared, { 0, GLSL450, false, false, false, 0, false } },
    { "flag", program_flag, { 0, GLSL450, true, false, false, 0, false } },
    { "limited", program_limited, { 0, GLSL450, false, false, false, 5000, false } },
    { "atomics", program_atomics, { 0, GLSL450, false, false, false, 0, false } },
    { "atomics_vulkan", program_atomics, { 0, VULKAN, false, false, false, 0, false } },
    { "atomics_unfenced", program_atomics, { 0, GLSL450, false, false, false, 0, true } },
    { "workgroup", program_workgroup, { 0, VULKAN, false, true, false, 0, false } },
    { "subgroup", program_subgroup, { 0, GLSL450, false, false, false, 0, false } },
    { "inside", program_inside, { 0, GLSL450, false, false, false, 0, false } }
};
#define GOLDENS (sizeof goldens / sizeof goldens[0])

static vyre_program *small_program(void (*build)(small *s))
{
    small s = small_begin();
    CHECK(s.p);
    build(&s);
    vyre_error err;
    if (vyre_program_finish(s.p, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", err.text);
    return s.p;
}

static char *file_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = (char *)calloc(1, 1 << 20);
    if (!file || !text) {
        free(text);
        return NULL;
    }
    text[fread(text, 1, (1 << 20) - 1, file)] = 0;
    fclose(file);
    return text;
}

static void check_golden(const golden *g)
{
    char path[200];
    vyre_spirv module;
    spv_text text = NULL;
    vyre_program *p = small_program(g->build);
    CHECK_EQ(vyre_spirv_emit(p, &g->desc, &module, NULL), VYRE_OK);
    spv_context context = spvContextCreate(SPV_ENV_UNIVERSAL_1_5);
    const spv_result_t result = spvBinaryToText(
        context, module.words, module.word_count,
        SPV_BINARY_TO_TEXT_OPTION_INDENT | SPV_BINARY_TO_TEXT_OPTION_FRIENDLY_NAMES, &text, NULL);
    CHECK_EQ(result, SPV_SUCCESS);
    snprintf(path, sizeof path, "tests/golden_spirv/%s.txt", g->name);
    if (getenv("TEST_UPDATE")) {
        FILE *file = fopen(path, "wb");
        CHECK(file);
        fwrite(text->str, 1, text->length, file);
        fclose(file);
    }
    char *expected = file_text(path);
    const bool same = expected && strcmp(expected, text->str) == 0;
    free(expected);
    spvTextDestroy(text);
    spvContextDestroy(context);
    vyre_spirv_free(&module);
    vyre_program_destroy(p);
    if (!same)
        test_fail(__FILE__, __LINE__, "%s is not what the emitter writes", path);
}

static void small_programs_read_as_they_should(void)
{
    for (size_t i = 0; i < GOLDENS; i++)
        check_golden(&goldens[i]);
}

/* --- what a module says -------------------------------------------------- */

/* How many instructions with this opcode the program's module has. */
static uint32_t count_ops(void (*build)(small *s), const vyre_spirv_desc *desc, uint32_t op)
{
    vyre_spirv module;
    uint32_t count = 0;
    vyre_program *p = small_program(build);
    CHECK_EQ(vyre_spirv_emit(p, desc, &module, NULL), VYRE_OK);
    for (size_t at = 5; at < module.word_count; at += module.words[at] >> 16)
        count += (module.words[at] & 0xffffu) == op;
    vyre_spirv_free(&module);
    vyre_program_destroy(p);
    return count;
}

/* In the block of a condition: store out[index]. */
static void guarded_store(small *s, vyre_value cond, vyre_value index)
{
    vyre_ir_if(s->p, cond);
    vyre_ir_store(s->p, s->out, index, u(s, 1));
    vyre_ir_end(s->p);
}

static void program_code(small *s)
{
    const vyre_value inside = vyre_ir_lt(s->p, s->lane, vyre_ir_length(s->p, s->out));
    const vyre_value inner = vyre_ir_select(s->p, vyre_ir_lt(s->p, s->lane, u(s, 7)), u(s, 0), u(s, 9));
    const vyre_value code = vyre_ir_select(s->p, inside, inner, u(s, 2));
    guarded_store(s, vyre_ir_eq(s->p, code, u(s, 0)), s->lane);
}

static void program_behind(small *s)
{
    const vyre_value length = vyre_ir_length(s->p, s->out);
    const vyre_value rest = vyre_ir_sub(s->p, vyre_ir_max(s->p, length, u(s, 160)), u(s, 160));
    guarded_store(s, vyre_ir_lt(s->p, s->lane, rest), vyre_ir_add(s->p, s->lane, u(s, 160)));
}

static void program_both(small *s)
{
    const vyre_value length = vyre_ir_length(s->p, s->out);
    const vyre_value outside = vyre_ir_or(s->p, vyre_ir_lt(s->p, length, u(s, 160)),
                                          vyre_ir_eq(s->p, s->lane, u(s, 5)));
    const vyre_value low = vyre_ir_rem(s->p, s->lane, u(s, 32));
    guarded_store(s, vyre_ir_not(s->p, outside), vyre_ir_add(s->p, low, u(s, 128)));
}

static void program_counter(small *s)
{
    const vyre_value i = vyre_ir_loop(s->p, u(s, 0), vyre_ir_length(s->p, s->out));
    vyre_ir_store(s->p, s->out, i, s->lane);
    vyre_ir_end(s->p);
}

static void what_is_known_is_not_checked(void)
{
    CHECK_EQ(count_ops(program_inside, NULL, SpvOpULessThan), 0);
    CHECK_EQ(count_ops(program_inside, NULL, SpvOpSelectionMerge), 1);
    CHECK_EQ(count_ops(program_store, NULL, SpvOpULessThan), 2);
    CHECK_EQ(count_ops(program_code, NULL, SpvOpSelectionMerge), 1);
    CHECK_EQ(count_ops(program_behind, NULL, SpvOpSelectionMerge), 1);
    CHECK_EQ(count_ops(program_both, NULL, SpvOpSelectionMerge), 1);
    CHECK_EQ(count_ops(program_counter, NULL, SpvOpSelectionMerge), 0);
}

/* Conditions that say less than they seem to; each of these indices can miss. */
static void program_off_by_one(small *s)
{
    vyre_ir_if(s->p, vyre_ir_le(s->p, s->lane, vyre_ir_length(s->p, s->out)));
    vyre_ir_store(s->p, s->out, s->lane, u(s, 1));
    vyre_ir_end(s->p);
}

static void program_other_buffer(small *s)
{
    vyre_ir_if(s->p, vyre_ir_lt(s->p, s->lane, vyre_ir_length(s->p, s->in)));
    vyre_ir_store(s->p, s->out, s->lane, u(s, 1));
    vyre_ir_end(s->p);
}

static void program_after_the_block(small *s)
{
    vyre_ir_if(s->p, vyre_ir_lt(s->p, s->lane, vyre_ir_length(s->p, s->out)));
    vyre_ir_comment(s->p, "nothing");
    vyre_ir_end(s->p);
    vyre_ir_store(s->p, s->out, s->lane, u(s, 1));
}

static void program_other_arm(small *s)
{
    vyre_ir_if(s->p, vyre_ir_lt(s->p, s->lane, vyre_ir_length(s->p, s->out)));
    vyre_ir_else(s->p);
    vyre_ir_store(s->p, s->out, s->lane, u(s, 1));
    vyre_ir_end(s->p);
}

static void program_beyond_the_unit(small *s)
{
    const vyre_value slots = vyre_ir_shr(s->p, vyre_ir_length(s->p, s->out), u(s, 4));
    const vyre_value base = vyre_ir_shl(s->p, s->lane, u(s, 4));
    vyre_ir_if(s->p, vyre_ir_lt(s->p, s->lane, slots));
    vyre_ir_store(s->p, s->out, vyre_ir_add(s->p, base, u(s, 16)), u(s, 1));
    vyre_ir_end(s->p);
}

static void program_coarser_unit(small *s)
{
    const vyre_value slots = vyre_ir_shr(s->p, vyre_ir_length(s->p, s->out), u(s, 3));
    const vyre_value base = vyre_ir_shl(s->p, s->lane, u(s, 4));
    vyre_ir_if(s->p, vyre_ir_lt(s->p, s->lane, slots));
    vyre_ir_store(s->p, s->out, base, u(s, 1));
    vyre_ir_end(s->p);
}

static void program_either(small *s)
{
    const vyre_value inside = vyre_ir_lt(s->p, s->lane, vyre_ir_length(s->p, s->out));
    vyre_ir_if(s->p, vyre_ir_or(s->p, inside, vyre_ir_eq(s->p, s->lane, u(s, 99))));
    vyre_ir_store(s->p, s->out, s->lane, u(s, 1));
    vyre_ir_end(s->p);
}

static void program_literal(small *s)
{
    vyre_ir_if(s->p, vyre_ir_ge(s->p, vyre_ir_length(s->p, s->out), u(s, 160)));
    vyre_ir_store(s->p, s->out, u(s, 160), u(s, 1));
    vyre_ir_end(s->p);
}

static void program_wrong_code(small *s)
{
    const vyre_value inside = vyre_ir_lt(s->p, s->lane, vyre_ir_length(s->p, s->out));
    const vyre_value code = vyre_ir_select(s->p, inside, u(s, 2), u(s, 0));
    guarded_store(s, vyre_ir_eq(s->p, code, u(s, 0)), s->lane);
}

static void program_any_code(small *s)
{
    const vyre_value inside = vyre_ir_lt(s->p, s->lane, vyre_ir_length(s->p, s->out));
    const vyre_value other = vyre_ir_and(s->p, s->lane, u(s, 1));
    const vyre_value code = vyre_ir_select(s->p, inside, u(s, 0), other);
    guarded_store(s, vyre_ir_eq(s->p, code, u(s, 0)), s->lane);
}

static void program_not_this_code(small *s)
{
    const vyre_value inside = vyre_ir_lt(s->p, s->lane, vyre_ir_length(s->p, s->out));
    const vyre_value code = vyre_ir_select(s->p, inside, u(s, 0), u(s, 2));
    guarded_store(s, vyre_ir_ne(s->p, code, u(s, 0)), s->lane);
}

static void program_too_far_behind(small *s)
{
    const vyre_value length = vyre_ir_length(s->p, s->out);
    const vyre_value rest = vyre_ir_sub(s->p, vyre_ir_max(s->p, length, u(s, 160)), u(s, 160));
    guarded_store(s, vyre_ir_lt(s->p, s->lane, rest), vyre_ir_add(s->p, s->lane, u(s, 161)));
}

static void program_wrapping_rest(small *s)
{
    const vyre_value length = vyre_ir_length(s->p, s->out);
    const vyre_value rest = vyre_ir_sub(s->p, vyre_ir_max(s->p, length, u(s, 100)), u(s, 160));
    guarded_store(s, vyre_ir_lt(s->p, s->lane, rest), vyre_ir_add(s->p, s->lane, u(s, 160)));
}

static void program_signed(small *s)
{
    const vyre_value length = vyre_ir_bitcast(s->p, VYRE_TYPE_I32,
                                              vyre_ir_length(s->p, s->out));
    const vyre_value i = vyre_ir_bitcast(s->p, VYRE_TYPE_I32, s->lane);
    guarded_store(s, vyre_ir_lt(s->p, i, length), s->lane);
}

static void what_is_not_known_is_checked(void)
{
    static void (*const builds[])(small *s) = {
        program_off_by_one, program_other_buffer, program_after_the_block, program_other_arm,
        program_beyond_the_unit, program_coarser_unit, program_either, program_literal,
        program_wrong_code, program_any_code, program_not_this_code, program_too_far_behind,
        program_wrapping_rest, program_signed
    };
    for (size_t i = 0; i < sizeof builds / sizeof builds[0]; i++) {
        /* One selection for the program's own if, one for the check. */
        if (count_ops(builds[i], NULL, SpvOpSelectionMerge) != 2)
            test_fail(__FILE__, __LINE__, "program %u has no check", (unsigned)i);
    }
}

static void capabilities_only_where_used(void)
{
    vyre_spirv module;
    vyre_spirv_desc vulkan = { 0, VULKAN, false, false, false, 0, false };
    CHECK_EQ(count_ops(program_store, NULL, SpvOpCapability), 1);
    CHECK_EQ(count_ops(program_store, &vulkan, SpvOpCapability), 3);
    CHECK_EQ(count_ops(program_store, &vulkan, SpvOpExtension), 1);
    CHECK_EQ(count_ops(program_store, NULL, SpvOpExtInstImport), 0);
    CHECK_EQ(count_ops(program_subgroup, NULL, SpvOpCapability), 4);
    vyre_program *p = small_program(program_subgroup);
    CHECK_EQ(vyre_spirv_emit(p, NULL, &module, NULL), VYRE_OK);
    CHECK_EQ(module.subgroup_operations,
             VYI_SUBGROUP_BASIC | VYI_SUBGROUP_ARITHMETIC | VYI_SUBGROUP_BALLOT);
    CHECK(!module.needs_vulkan_memory_model);
    CHECK_EQ(module.push_constant_size, 0);
    vyre_spirv_free(&module);
    vyre_program_destroy(p);
}

static void bindings_ascend(void)
{
    vyre_spirv module;
    vyre_spirv_desc desc = { VYRE_SPIRV_1_5, VYRE_MEMORY_MODEL_AUTO, false, false, true, 0, false };
    small s = small_begin();
    small_buffer(&s, "far", 30, VYRE_TYPE_F32, VYRE_ACCESS_WRITE);
    small_buffer(&s, "near", 3, VYRE_TYPE_BOOL, VYRE_ACCESS_READ_WRITE);
    small_buffer(&s, "shared", 0, VYRE_TYPE_U32, VYRE_ACCESS_WORKGROUP);
    program_rounds(&s);
    CHECK_EQ(vyre_program_finish(s.p, NULL), VYRE_OK);
    CHECK_EQ(vyre_spirv_emit(s.p, &desc, &module, NULL), VYRE_OK);
    CHECK_EQ(module.binding_count, 4);
    for (uint32_t i = 0; i < 4; i++) {
        static const uint32_t bindings[4] = { 0, 1, 3, 30 };
        static const vyre_access accesses[4] = { VYRE_ACCESS_READ_WRITE, VYRE_ACCESS_READ,
                                                 VYRE_ACCESS_READ_WRITE, VYRE_ACCESS_WRITE };
        CHECK_EQ(module.bindings[i].binding, bindings[i]);
        CHECK_EQ(module.bindings[i].access, accesses[i]);
    }
    CHECK(module.needs_vulkan_memory_model);
    CHECK_EQ(module.push_constant_size, 4);
    vyre_spirv_free(&module);
    CHECK(!module.words && !module.bindings);
    vyre_spirv_free(&module);
    vyre_spirv_free(NULL);
    vyre_program_destroy(s.p);
}

static void the_same_program_gives_the_same_words(void)
{
    vyre_spirv a, b;
    vyre_program *p = small_program(program_counted), *q = small_program(program_counted);
    CHECK_EQ(vyre_spirv_emit(p, NULL, &a, NULL), VYRE_OK);
    CHECK_EQ(vyre_spirv_emit(q, NULL, &b, NULL), VYRE_OK);
    CHECK_EQ(a.word_count, b.word_count);
    CHECK(memcmp(a.words, b.words, 4 * a.word_count) == 0);
    vyre_spirv_free(&a);
    vyre_spirv_free(&b);
    vyre_program_destroy(p);
    vyre_program_destroy(q);
}

/* --- refusals and memory ------------------------------------------------- */

static void refusals_have_a_status_and_a_fix(void)
{
    vyre_spirv module, untouched;
    vyre_spirv_desc desc = { 0x00010200u, GLSL450, false, false, false, 0, false };
    vyre_error err;
    small s = small_begin();
    memset(&module, 0x5a, sizeof module);
    memcpy(&untouched, &module, sizeof module);
    CHECK_EQ(vyre_spirv_emit(s.p, NULL, &module, &err), VYRE_E_IR_UNFINISHED);
    CHECK(strlen(err.fix) > 10);
    program_store(&s);
    CHECK_EQ(vyre_program_finish(s.p, NULL), VYRE_OK);
    CHECK_EQ(vyre_spirv_emit(s.p, &desc, &module, &err), VYRE_E_SPIRV_VERSION);
    CHECK(strstr(err.text, "0x00010200") && strlen(err.fix) > 10);
    desc.version = 0;
    desc.memory_model = (vyre_memory_model)3;
    CHECK_EQ(vyre_spirv_emit(s.p, &desc, &module, &err), VYRE_E_SPIRV_MODEL);
    CHECK(strstr(err.text, "3") && strlen(err.fix) > 10);
    CHECK_EQ(vyre_spirv_emit(NULL, NULL, &module, &err), VYRE_E_ARGUMENT);
    CHECK_EQ(vyre_spirv_emit(s.p, NULL, NULL, &err), VYRE_E_ARGUMENT);
    CHECK(memcmp(&module, &untouched, sizeof module) == 0);
    vyre_program_destroy(s.p);
}

/* This file is built without glslang. */
static void glsl_needs_glslang(void)
{
    vyre_spirv module;
    vyre_error err;
    CHECK_EQ(vyre_glsl_compile("#version 460\nvoid main() {}\n", 0, NULL, &module, &err),
             VYRE_E_GLSL_UNAVAILABLE);
    CHECK(strstr(err.fix, "VYRE_GLSLANG"));
}

/* Every allocation of emitting fails in turn; building is not under test. */
static void check_memory(void (*build)(small *s), const vyre_spirv_desc *desc)
{
    oom_state oom;
    oom_begin(&oom);
    const vyre_allocator allocator = oom_allocator(&oom);
    small s = small_begin_typed(VYRE_TYPE_U32, &allocator);
    CHECK(s.p);
    build(&s);
    CHECK_EQ(vyre_program_finish(s.p, NULL), VYRE_OK);
    const uint64_t blocks = oom.live_blocks;
    for (uint64_t at = 1;; at++) {
        vyre_spirv module;
        vyre_error err;
        oom_rearm(&oom);
        oom.fail_at = at;
        const vyre_status status = vyre_spirv_emit(s.p, desc, &module, &err);
        if (!oom.failed) {
            CHECK_EQ(status, VYRE_OK);
            vyre_spirv_free(&module);
            CHECK(at > 10);
            break;
        }
        CHECK_EQ(status, VYRE_E_NOMEM);
        CHECK_EQ(oom.live_blocks, blocks);
    }
    oom.fail_at = 0;
    vyre_program_destroy(s.p);
    CHECK(oom_is_clean(&oom));
}

static void running_out_of_memory_is_an_error(void)
{
    const vyre_spirv_desc all = { 0, VULKAN, true, true, true, 5000, true };
    for (size_t i = 0; i < GOLDENS; i++) {
        check_memory(goldens[i].build, &goldens[i].desc);
        check_memory(goldens[i].build, &all);
    }
}

/* A literal for each number of registers that a large program needs. */
static void program_large(small *s)
{
    vyre_value x = s->lane;
    for (uint32_t i = 0; i < 3000; i++)
        x = vyre_ir_add(s->p, vyre_ir_xor(s->p, x, u(s, i)), s->lane);
    vyre_ir_store(s->p, s->out, s->lane, x);
}

static void large_programs_grow(void)
{
    CHECK_EQ(count_ops(program_large, NULL, SpvOpBitwiseXor), 3000);
    check_memory(program_large, NULL);
}

/* A loop around `switches` switches of `cases` cases, each of which sets the local
 * to one of two values and leaves the loop. */
static vyre_program *switches_of(uint32_t switches, uint32_t cases)
{
    small s = small_begin();
    const vyre_value other = vyre_ir_not(s.p, s.lane);
    const vyre_local l = vyre_ir_local(s.p, VYRE_TYPE_U32, s.lane, "l");
    vyre_ir_forever(s.p);
    for (uint32_t i = 0; i < switches; i++) {
        vyre_ir_switch(s.p, s.lane);
        for (uint32_t k = 0; k < cases; k++) {
            vyre_ir_case(s.p, k);
            vyre_ir_set(s.p, l, k & 1 ? other : s.lane);
            vyre_ir_break(s.p);
        }
        vyre_ir_end(s.p);
    }
    vyre_ir_break(s.p);
    vyre_ir_end(s.p);
    vyre_ir_store(s.p, s.out, s.lane, vyre_ir_get(s.p, l));
    CHECK_EQ(vyre_program_finish(s.p, NULL), VYRE_OK);
    return s.p;
}

static vyre_error emit_switches(uint32_t switches, uint32_t cases)
{
    vyre_spirv m;
    vyre_error err;
    memset(&err, 0, sizeof err);
    vyre_program *p = switches_of(switches, cases);
    if (vyre_spirv_emit(p, NULL, &m, &err) == VYRE_OK) {
        size_t at = 5;
        while (at < m.word_count && m.words[at] >> 16)
            at += m.words[at] >> 16;
        CHECK_EQ(at, m.word_count);
        vyre_spirv_free(&m);
    }
    vyre_program_destroy(p);
    return err;
}

/* An instruction counts its words in 16 bits, and a switch has 16,383 cases at most. */
static void more_cases_than_a_module_can_have_are_refused(void)
{
    CHECK_EQ(emit_switches(1, 16383).status, VYRE_OK);
    vyre_error err = emit_switches(1, 16384);
    CHECK_EQ(err.status, VYRE_E_SPIRV_LIMIT);
    CHECK_EQ(err.at, 16384);
    CHECK_TEXT(err.text, "16384 cases of a switch; a module can have 16383");
    CHECK(err.fix[0]);
    CHECK_EQ(emit_switches(2, 16382).status, VYRE_OK); /* 32,765 ways to the end of the loop */
    err = emit_switches(2, 16383);
    CHECK_EQ(err.status, VYRE_E_SPIRV_LIMIT);
    CHECK_EQ(err.at, 32767);
}

int main(void)
{
    RUN(numbers_are_those_of_the_standard);
    RUN(small_programs_read_as_they_should);
    RUN(what_is_known_is_not_checked);
    RUN(what_is_not_known_is_checked);
    RUN(capabilities_only_where_used);
    RUN(bindings_ascend);
    RUN(the_same_program_gives_the_same_words);
    RUN(refusals_have_a_status_and_a_fix);
    RUN(glsl_needs_glslang);
    RUN(running_out_of_memory_is_an_error);
    RUN(large_programs_grow);
    RUN(more_cases_than_a_module_can_have_are_refused);
    return test_end();
}

/* Listings: every instruction as text, and the rules of snprintf. */
#include "oom.h"

static vyre_program *make(const char *name)
{
    vyre_program_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.name = name;
    vyre_program *p = vyre_program_create(&desc, NULL);
    CHECK(p);
    return p;
}

static vyre_buffer add_buffer(vyre_program *p, const char *name, uint32_t binding,
                              vyre_type type, vyre_access access, uint32_t count)
{
    vyre_buffer_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.name = name;
    desc.binding = binding;
    desc.type = type;
    desc.access = access;
    desc.count = count;
    return vyre_ir_buffer(p, &desc);
}

/* The listing equals `expected`; destroys the program. */
static void check_text(vyre_program *p, const char *expected)
{
    size_t length = vyre_program_text(p, NULL, 0);
    char *text = (char *)malloc(length + 1);
    CHECK_EQ(vyre_program_text(p, text, length + 1), length);
    CHECK_EQ(strlen(text), length);
    vyre_program_destroy(p);
    if (strcmp(text, expected) != 0) {
        printf("--- is\n%s--- should be\n%s", text, expected);
        free(text);
        test_fail(__FILE__, __LINE__, "the listing differs");
    }
    free(text);
}

static void example_of_the_header(void)
{
    vyre_program *p = make("squares");
    vyre_buffer out = add_buffer(p, "out", 0, VYRE_TYPE_NONE, VYRE_ACCESS_READ_WRITE, 0);
    vyre_value i = vyre_ir_name(p, vyre_ir_builtin(p, VYRE_BUILTIN_GLOBAL_ID_X), "i");
    vyre_ir_store(p, out, i, vyre_ir_mul(p, i, i));
    CHECK_EQ(vyre_program_finish(p, NULL), VYRE_OK);
    check_text(p, "program \"squares\", workgroup 64 x 1 x 1\n"
                  "buffer out: u32[], binding 0\n"
                  "\n"
                  "  %1 i = global_id.x\n"
                  "  %2 = mul %1, %1\n"
                  "  store out[%1] = %2\n");
}

static void buffers_are_listed(void)
{
    vyre_program *p = make("buffers");
    vyre_buffer_desc desc;
    add_buffer(p, NULL, 7, VYRE_TYPE_I32, VYRE_ACCESS_READ, 0);
    add_buffer(p, "w", 1, VYRE_TYPE_F32, VYRE_ACCESS_WRITE, 16);
    add_buffer(p, "tile", 99, VYRE_TYPE_BOOL, VYRE_ACCESS_WORKGROUP, 256);
    memset(&desc, 0, sizeof desc);
    desc.name = "part";
    desc.readback_offset = 4;
    desc.readback_size = 64;
    vyre_ir_buffer(p, &desc);
    memset(&desc, 0, sizeof desc);
    desc.name = "tab\there";
    desc.binding = 2;
    desc.no_readback = true;
    vyre_ir_buffer(p, &desc);
    check_text(p, "program \"buffers\", workgroup 64 x 1 x 1\n"
                  "buffer buffer0: i32[], binding 7, read only\n"
                  "buffer w: f32[16], binding 1, write only\n"
                  "array tile: bool[256]\n"
                  "buffer part: u32[], binding 0, readback 64 at 4\n"
                  "buffer tab?here: u32[], binding 2, no readback\n"
                  "\n");
}

static void memory_is_listed(void)
{
    vyre_program *p = make("memory");
    vyre_buffer ring = add_buffer(p, "ring", 1, VYRE_TYPE_U32, VYRE_ACCESS_READ_WRITE, 0);
    vyre_value i = vyre_ir_builtin(p, VYRE_BUILTIN_LOCAL_INDEX);
    vyre_ir_name(p, vyre_ir_atomic_load(p, ring, i, VYRE_ORDER_ACQUIRE), "status");
    vyre_value x = vyre_ir_load(p, ring, vyre_ir_u32(p, 3));
    vyre_ir_atomic_store(p, ring, i, x, VYRE_ORDER_RELEASE);
    vyre_ir_atomic(p, VYRE_ATOMIC_EXCHANGE, ring, i, x, VYRE_ORDER_RELAXED);
    vyre_ir_atomic_cas(p, ring, i, vyre_ir_u32(p, 1), vyre_ir_u32(p, 0xffffffff),
                       VYRE_ORDER_ACQ_REL);
    vyre_ir_length(p, ring);
    check_text(p, "program \"memory\", workgroup 64 x 1 x 1\n"
                  "buffer ring: u32[], binding 1\n"
                  "\n"
                  "  %1 = local_index\n"
                  "  %2 status = atomic_load ring[%1] acquire\n"
                  "  %4 = load ring[3]\n"
                  "  atomic_store ring[%1] = %4 release\n"
                  "  %6 = atomic exchange ring[%1], %4 relaxed\n"
                  "  %9 = atomic_cas ring[%1], 1, 0xffffffff acq_rel\n"
                  "  %10 = length ring\n");
}

static void constants_stand_where_they_are_used(void)
{
    vyre_program *p = make("constants");
    vyre_ir_add(p, vyre_ir_i32(p, -7), vyre_ir_i32(p, INT32_MIN));
    vyre_ir_add(p, vyre_ir_f32(p, 2.0f), vyre_ir_f32(p, 0.1f));
    union { uint32_t bits; float x; } nan_bits = { 0x7fc00001u };
    vyre_ir_add(p, vyre_ir_f32(p, nan_bits.x), vyre_ir_f32(p, -1e30f));
    vyre_ir_add(p, vyre_ir_f32(p, -1.0f / 0.0f), vyre_ir_f32(p, -0.0f));
    vyre_ir_and(p, vyre_ir_bool(p, true), vyre_ir_bool(p, false));
    vyre_value words = vyre_ir_name(p, vyre_ir_u32(p, 16), "slot_words");
    vyre_ir_shl(p, words, vyre_ir_u32(p, 16777216));
    vyre_ir_neg(p, words);
    check_text(p, "program \"constants\", workgroup 64 x 1 x 1\n"
                  "\n"
                  "  %3 = add -7i, -2147483648i\n"
                  "  %6 = add 2.0, 0.100000001\n"
                  "  %9 = add nan(0x7fc00001), -1.00000002e+30\n"
                  "  %12 = add -inf, -0.0\n"
                  "  %15 = and true, false\n"
                  "  %16 slot_words = 16\n"
                  "  %18 = shl %16, 0x1000000\n"
                  "  %19 = neg %16\n");
}

static void blocks_are_indented(void)
{
    vyre_program *p = make("blocks");
    vyre_value n = vyre_ir_builtin(p, VYRE_BUILTIN_GROUP_ID_X);
    vyre_local best = vyre_ir_local(p, VYRE_TYPE_U32, n, "best");
    vyre_local flag = vyre_ir_local(p, VYRE_TYPE_BOOL, vyre_ir_bool(p, true), NULL);
    vyre_ir_comment(p, "in\nrounds");
    vyre_ir_forever(p);
    vyre_ir_loop_allow(p, n);
    vyre_value i = vyre_ir_loop(p, vyre_ir_u32(p, 0), n);
    vyre_ir_switch(p, i);
    vyre_ir_case(p, 3);
    vyre_ir_set(p, best, i);
    vyre_ir_case(p, 0x10000000);
    vyre_ir_continue(p);
    vyre_ir_default(p);
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_ir_forever(p);
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_if(p, vyre_ir_get(p, flag));
    vyre_ir_return(p);
    vyre_ir_else(p);
    vyre_ir_break(p);
    vyre_ir_end(p);
    vyre_ir_end(p);
    vyre_ir_barrier(p, VYRE_SCOPE_WORKGROUP, VYRE_ORDER_ACQ_REL);
    check_text(p, "program \"blocks\", workgroup 64 x 1 x 1\n"
                  "\n"
                  "  %1 = group_id.x\n"
                  "  local $1 best: u32 = %1\n"
                  "  local $2: bool = true\n"
                  "  # in?rounds\n"
                  "  forever, in rounds {\n"
                  "    loop_allow %1\n"
                  "    %9 = loop 0 .. %1 {\n"
                  "      switch %9 {\n"
                  "      case 3:\n"
                  "        set $1 best = %9\n"
                  "      case 0x10000000:\n"
                  "        continue\n"
                  "      default:\n"
                  "        break\n"
                  "      }\n"
                  "    }\n"
                  "    forever {\n"
                  "      break\n"
                  "    }\n"
                  "    %22 = get $2\n"
                  "    if %22 {\n"
                  "      return\n"
                  "    } else {\n"
                  "      break\n"
                  "    }\n"
                  "  }\n"
                  "  barrier workgroup acq_rel\n");
}

static void other_values_are_listed(void)
{
    vyre_program *p = make("others");
    vyre_value x = vyre_ir_builtin(p, VYRE_BUILTIN_SUBGROUP_LANE);
    vyre_value f = vyre_ir_cast(p, VYRE_TYPE_F32, x);
    vyre_ir_bitcast(p, VYRE_TYPE_I32, f);
    vyre_value c = vyre_ir_is_nan(p, vyre_ir_fma(p, f, f, f));
    vyre_ir_select(p, c, x, x);
    vyre_ir_ballot(p, c);
    vyre_ir_elect(p);
    vyre_ir_any(p, c);
    vyre_ir_all(p, c);
    vyre_ir_broadcast_first(p, x);
    vyre_ir_shuffle(p, x, x);
    vyre_ir_reduce(p, VYRE_REDUCE_XOR, x);
    check_text(p, "program \"others\", workgroup 64 x 1 x 1\n"
                  "\n"
                  "  %1 = subgroup_lane\n"
                  "  %2 = cast f32 %1\n"
                  "  %3 = bitcast i32 %2\n"
                  "  %4 = fma %2, %2, %2\n"
                  "  %5 = is_nan %4\n"
                  "  %6 = select %5, %1, %1\n"
                  "  %7 = ballot %5\n"
                  "  %8 = elect\n"
                  "  %9 = any %5\n"
                  "  %10 = all %5\n"
                  "  %11 = broadcast_first %1\n"
                  "  %12 = shuffle %1, %1\n"
                  "  %13 = reduce xor %1\n");
}

static void a_mistake_ends_the_listing(void)
{
    vyre_program *p = make("bad");
    vyre_value x = vyre_ir_u32(p, 1);
    vyre_ir_if(p, x);
    check_text(p, "program \"bad\", workgroup 64 x 1 x 1\n"
                  "\n"
                  "error at 2: %2 if: operand 0, 1, is u32 and should be bool\n");
}

static void rules_of_snprintf(void)
{
    vyre_program *p = make("p");
    const char *whole = "program \"p\", workgroup 64 x 1 x 1\n\n";
    const size_t length = strlen(whole);
    for (size_t size = 0; size < length + 3; size++) {
        char *text = (char *)malloc(size + 1);
        memset(text, 'x', size + 1);
        CHECK_EQ(vyre_program_text(p, text, size), length);
        CHECK_EQ(text[size], 'x');
        if (size) {
            size_t kept = size - 1 < length ? size - 1 : length;
            CHECK_EQ(text[kept], '\0');
            CHECK(memcmp(text, whole, kept) == 0);
        }
        free(text);
    }
    CHECK_EQ(vyre_program_text(p, NULL, 1000), length);
    CHECK_EQ(vyre_program_text(NULL, NULL, 0), 0);
    char empty[4] = "abc";
    CHECK_EQ(vyre_program_text(NULL, empty, sizeof empty), 0);
    CHECK_TEXT(empty, "");
    vyre_program_destroy(p);
}

int main(void)
{
    RUN(example_of_the_header);
    RUN(buffers_are_listed);
    RUN(memory_is_listed);
    RUN(constants_stand_where_they_are_used);
    RUN(blocks_are_indented);
    RUN(other_values_are_listed);
    RUN(a_mistake_ends_the_listing);
    RUN(rules_of_snprintf);
    return test_end();
}

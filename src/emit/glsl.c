/* ==========================================================================
 * glsl: a program as GLSL
 *
 * One statement for each instruction.  Value n is the variable vN, local n is
 * lN, buffer n is bN; names are appended.  A line of a table is a template, in
 * which @0, @1, @2 stand for the operands.
 * ======================================================================= */
#include "emit/glsl.h"
#include "ir/ir_impl.h"

#ifndef VYRE_NO_GLSL

typedef struct vyi_glsl {
    const vyre_program *p;
    vyre_spirv_desc desc;
    char    *dst;
    size_t   size, length; /* length counts what did not fit, too */
    uint32_t depth;
    bool     fed;          /* a round loop */
} vyi_glsl;

static void vyi_glsl_char(vyi_glsl *g, char c)
{
    if (g->length + 1 < g->size)
        g->dst[g->length] = c;
    g->length++;
}

VYI_OUTLINE static void vyi_glsl_put(vyi_glsl *g, const char *text)
{
    while (*text)
        vyi_glsl_char(g, *text++);
}

static void VYI_PRINTF(2, 3) vyi_glsl_format(vyi_glsl *g, const char *format, ...)
{
    char text[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    vyi_glsl_put(g, text);
}

static void vyi_glsl_indent(vyi_glsl *g)
{
    for (uint32_t i = 0; i <= g->depth; i++)
        vyi_glsl_put(g, "    ");
}

/* The caller's name as the rest of an identifier. */
static void vyi_glsl_suffix(vyi_glsl *g, const char *name)
{
    bool gap = true; /* two underlines in a row are reserved */
    if (!name || !*name)
        return;
    vyi_glsl_char(g, '_');
    for (; *name; name++) {
        const char c = *name;
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                            (c >= '0' && c <= '9');
        if (letter)
            vyi_glsl_char(g, c);
        else if (!gap)
            vyi_glsl_char(g, '_');
        gap = !letter;
    }
}

/* --- operands ------------------------------------------------------------ */

static const char *const vyi_glsl_types[] = { "void", "uint", "int", "float", "bool" };
static const char *const vyi_glsl_zeros[] = { "", "0u", "0", "0.0", "false" };

static const char *vyi_glsl_memory_type(uint32_t type)
{
    return vyi_glsl_types[type == VYRE_TYPE_BOOL ? (uint32_t)VYRE_TYPE_U32 : type];
}

static void vyi_glsl_f32(vyi_glsl *g, uint32_t bits)
{
    char digits[32];
    float x;
    bool whole = true;
    memcpy(&x, &bits, sizeof x);
    if ((bits & 0x7f800000u) == 0x7f800000u || bits >> 31) {
        vyi_glsl_format(g, "uintBitsToFloat(0x%08xu)", (unsigned)bits);
        return;
    }
    snprintf(digits, sizeof digits, "%.9g", (double)x);
    for (char *c = digits; *c; c++) {
        if (!strchr("0123456789+-e", *c))
            *c = '.'; /* the decimal point is the locale's */
        whole = whole && *c != '.' && *c != 'e';
    }
    vyi_glsl_format(g, "%s%s", digits, whole ? ".0" : "");
}

static void vyi_glsl_const(vyi_glsl *g, const vyi_inst *inst)
{
    const uint32_t bits = inst->arg[0];
    switch (inst->type) {
    case VYRE_TYPE_U32: vyi_glsl_format(g, bits > 65535 ? "0x%xu" : "%uu", (unsigned)bits); break;
    case VYRE_TYPE_I32:
        if (bits == 0x80000000u)
            vyi_glsl_put(g, "(-0x7fffffff - 1)");
        else if (bits >> 31)
            vyi_glsl_format(g, "(-%u)", (unsigned)(0u - bits));
        else
            vyi_glsl_format(g, "%u", (unsigned)bits);
        break;
    case VYRE_TYPE_F32: vyi_glsl_f32(g, bits); break;
    default: vyi_glsl_put(g, bits ? "true" : "false"); break;
    }
}

static void vyi_glsl_value(vyi_glsl *g, uint32_t value)
{
    const vyi_inst *inst = vyi_definition(g->p, value);
    if (inst->op == VYI_OP_CONST) {
        vyi_glsl_const(g, inst);
        return;
    }
    vyi_glsl_format(g, "v%u", (unsigned)value);
    vyi_glsl_suffix(g, vyi_value_text(g->p, value));
}

static void vyi_glsl_local(vyi_glsl *g, uint32_t local)
{
    VYRE_ASSERT(local && local <= g->p->local_count);
    vyi_glsl_format(g, "l%u", (unsigned)local);
    vyi_glsl_suffix(g, g->p->locals[local - 1].name);
}

static void vyi_glsl_buffer(vyi_glsl *g, uint32_t buffer)
{
    vyi_glsl_format(g, "b%u", (unsigned)buffer);
    vyi_glsl_suffix(g, vyi_buffer_of(g->p, buffer)->name);
}

/* The template, with the instruction's operands. */
static void vyi_glsl_template(vyi_glsl *g, const vyi_inst *inst, const char *text)
{
    for (; *text; text++) {
        if (*text != '@') {
            vyi_glsl_char(g, *text);
            continue;
        }
        text++;
        VYRE_ASSERT(*text >= '0' && *text <= '2');
        vyi_glsl_value(g, inst->arg[*text - '0']);
    }
}

/* --- operators ----------------------------------------------------------- */

/* By vyi_binary, for u32, i32, f32, bool. */
static const char *const vyi_glsl_binaries[VYI_BINARY_COUNT][4] = {
    { "@0 + @1", "@0 + @1", "@0 + @1", "" },
    { "@0 - @1", "@0 - @1", "@0 - @1", "" },
    { "@0 * @1", "@0 * @1", "@0 * @1", "" },
    { "div_u(@0, @1)", "div_i(@0, @1)", "@0 / @1", "" },
    { "rem_u(@0, @1)", "rem_i(@0, @1)", "", "" },
    { "mul_high(@0, @1)", "", "", "" },
    { "@0 & @1", "@0 & @1", "", "@0 && @1" },
    { "@0 | @1", "@0 | @1", "", "@0 || @1" },
    { "@0 ^ @1", "@0 ^ @1", "", "@0 != @1" },
    { "@0 << (@1 & 31u)", "@0 << (@1 & 31u)", "", "" },
    { "@0 >> (@1 & 31u)", "@0 >> (@1 & 31u)", "", "" },
    { "rotl(@0, @1)", "", "", "" },
    { "rotr(@0, @1)", "", "", "" },
    { "min(@0, @1)", "min(@0, @1)", "min_f(@0, @1)", "" },
    { "max(@0, @1)", "max(@0, @1)", "max_f(@0, @1)", "" },
    { "@0 == @1", "@0 == @1", "@0 == @1", "@0 == @1" },
    { "@0 != @1", "@0 != @1", "@0 != @1", "@0 != @1" },
    { "@0 < @1", "@0 < @1", "@0 < @1", "" },
    { "@0 <= @1", "@0 <= @1", "@0 <= @1", "" },
    { "@0 > @1", "@0 > @1", "@0 > @1", "" },
    { "@0 >= @1", "@0 >= @1", "@0 >= @1", "" },
    { "", "", "pow(@0, @1)", "" },
    { "", "", "atan(@0, @1)", "" }
};
VYI_STATIC_ASSERT(glsl_binaries, VYI_BINARY_COUNT == 23 && VYI_BINARY_GE == 20 &&
                                     VYI_BINARY_MIN == 13 && VYI_BINARY_AND == 6);

/* By vyi_unary. */
static const char *const vyi_glsl_unaries[VYI_UNARY_COUNT][4] = {
    { "-@0", "-@0", "-@0", "" },
    { "~@0", "~@0", "", "!@0" },
    { "@0", "abs(@0)", "abs(@0)", "" },
    { "min(@0, 1u)", "sign(@0)", "sign(@0)", "" },
    { "uint(bitCount(@0))", "bitCount(@0)", "", "" },
    { "uint(31 - findMSB(@0))", "31 - findMSB(uint(@0))", "", "" },
    { "@0 == 0u ? 32u : uint(findLSB(@0))", "@0 == 0 ? 32 : findLSB(@0)", "", "" },
    { "bitfieldReverse(@0)", "bitfieldReverse(@0)", "", "" },
    { "", "", "sqrt(@0)", "" },
    { "", "", "inversesqrt(@0)", "" },
    { "", "", "floor(@0)", "" },
    { "", "", "ceil(@0)", "" },
    { "", "", "roundEven(@0)", "" },
    { "", "", "trunc(@0)", "" },
    { "", "", "sin(@0)", "" },
    { "", "", "cos(@0)", "" },
    { "", "", "tan(@0)", "" },
    { "", "", "exp(@0)", "" },
    { "", "", "exp2(@0)", "" },
    { "", "", "log(@0)", "" },
    { "", "", "log2(@0)", "" },
    { "", "", "isnan(@0)", "" },
    { "", "", "isinf(@0)", "" },
    { "@0", "@0", "@0", "@0" },
    { "", "", "asin(@0)", "" },
    { "", "", "acos(@0)", "" },
    { "", "", "atan(@0)", "" },
    { "", "", "sinh(@0)", "" },
    { "", "", "cosh(@0)", "" },
    { "", "", "tanh(@0)", "" },
    { "unpackHalf2x16(@0).x", "", "", "" }
};
VYI_STATIC_ASSERT(glsl_unaries, VYI_UNARY_COUNT == 31 && VYI_UNARY_IS_INF == 22 &&
                                    VYI_UNARY_SQRT == 8 && VYI_UNARY_EXP2 == 18);

/* From (row) and to u32, i32, f32, bool. */
static const char *const vyi_glsl_casts[4][4] = {
    { "@0", "int(@0)", "float(@0)", "@0 != 0u" },
    { "uint(@0)", "@0", "float(@0)", "@0 != 0" },
    { "to_u(@0)", "to_i(@0)", "@0", "@0 != 0.0" },
    { "uint(@0)", "int(@0)", "float(@0)", "@0" }
};

static const char *const vyi_glsl_bitcasts[3][3] = {
    { "@0", "int(@0)", "uintBitsToFloat(@0)" },
    { "uint(@0)", "@0", "intBitsToFloat(@0)" },
    { "floatBitsToUint(@0)", "floatBitsToInt(@0)", "@0" }
};

/* The functions that the templates use, and what calls them. */
static const struct {
    const char *call, *text;
} vyi_glsl_helpers[] = {
    { "div_u(", "uint div_u(uint a, uint b) { return b == 0u ? 0xffffffffu : a / b; }" },
    { "div_i(", "int div_i(int a, int b)\n{\n    if (b == 0)\n        return -1;\n"
                "    return a == -0x7fffffff - 1 && b == -1 ? a : a / b;\n}" },
    { "rem_u(", "uint rem_u(uint a, uint b) { return b == 0u ? 0u : a % b; }" },
    { "rem_i(", "int rem_i(int a, int b) { return b == 0 || b == -1 ? 0 : a - a / b * b; }" },
    { "mul_high(", "uint mul_high(uint a, uint b)\n{\n    uint high, low;\n"
                   "    umulExtended(a, b, high, low);\n    return high;\n}" },
    { "rotl(", "uint rotl(uint a, uint n) { return a << (n & 31u) | a >> (-n & 31u); }" },
    { "rotr(", "uint rotr(uint a, uint n) { return a >> (n & 31u) | a << (-n & 31u); }" },
    { "min_f(", "float min_f(float a, float b)\n"
                "{\n    return isnan(a) ? b : isnan(b) ? a : min(a, b);\n}" },
    { "max_f(", "float max_f(float a, float b)\n"
                "{\n    return isnan(a) ? b : isnan(b) ? a : max(a, b);\n}" },
    { "to_u(", "uint to_u(float x)\n{\n"
               "    return !(x > 0.0) ? 0u : x >= 4294967296.0 ? 0xffffffffu : uint(x);\n}" },
    { "to_i(", "int to_i(float x)\n{\n    if (isnan(x))\n        return 0;\n"
               "    if (x <= -2147483648.0)\n        return -0x7fffffff - 1;\n"
               "    return x >= 2147483648.0 ? 0x7fffffff : int(x);\n}" },
    { "clock_low(", "uvec2 clock_words;\nuint clock_low()\n{\n"
                    "    clock_words = clockRealtime2x32EXT();\n    return clock_words.x;\n}" }
};
#define VYI_GLSL_HELPERS (sizeof vyi_glsl_helpers / sizeof vyi_glsl_helpers[0])

/* The template of an operator, or NULL for other instructions. */
static const char *vyi_glsl_operator(const vyre_program *p, const vyi_inst *inst)
{
    uint32_t from = 0;
    if (inst->op == VYI_OP_BINARY || inst->op == VYI_OP_UNARY || inst->op == VYI_OP_CAST ||
        inst->op == VYI_OP_BITCAST)
        from = vyi_definition(p, inst->arg[0])->type - 1u;
    switch (inst->op) {
    case VYI_OP_BINARY: return vyi_glsl_binaries[inst->sub][from];
    case VYI_OP_UNARY: return vyi_glsl_unaries[inst->sub][from];
    case VYI_OP_CAST: return vyi_glsl_casts[from][inst->type - 1];
    case VYI_OP_BITCAST: return vyi_glsl_bitcasts[from][inst->type - 1];
    case VYI_OP_FMA: return "fma(@0, @1, @2)";
    case VYI_OP_SELECT: return "@0 ? @1 : @2";
    case VYI_OP_BALLOT: return "subgroupBallot(@0).x";
    case VYI_OP_ELECT: return "subgroupElect()";
    case VYI_OP_ANY: return "subgroupAny(@0)";
    case VYI_OP_ALL: return "subgroupAll(@0)";
    case VYI_OP_BROADCAST_FIRST: return "subgroupBroadcastFirst(@0)";
    case VYI_OP_SHUFFLE: return "subgroupShuffle(@0, @1)";
    case VYI_OP_CLOCK: return "clock_low()";
    case VYI_OP_CLOCK_HIGH: return "clock_words.y";
    case VYI_OP_REDUCE: {
        static const char *const reductions[] = { "subgroupAdd(@0)", "subgroupMin(@0)",
                                                  "subgroupMax(@0)", "subgroupAnd(@0)",
                                                  "subgroupOr(@0)", "subgroupXor(@0)" };
        return reductions[inst->sub];
    }
    default: return NULL;
    }
}

/* --- builtins ------------------------------------------------------------ */

static void vyi_glsl_builtin(vyi_glsl *g, uint32_t builtin)
{
    static const char *const vectors[] = { "gl_LocalInvocationID", "gl_WorkGroupID",
                                           "gl_GlobalInvocationID", "gl_WorkGroupSize",
                                           "gl_NumWorkGroups" };
    switch (builtin) {
    case VYRE_BUILTIN_LOCAL_INDEX: vyi_glsl_put(g, "gl_LocalInvocationIndex"); break;
    case VYRE_BUILTIN_SUBGROUP_LANE: vyi_glsl_put(g, "gl_SubgroupInvocationID"); break;
    case VYRE_BUILTIN_SUBGROUP_SIZE: vyi_glsl_put(g, "gl_SubgroupSize"); break;
    case VYRE_BUILTIN_LOOP_LEFT:
        if (g->desc.loop_limit)
            vyi_glsl_format(g, "%uu - loop_spent", (unsigned)g->desc.loop_limit);
        else
            vyi_glsl_put(g, "0xffffffffu");
        break;
    case VYRE_BUILTIN_LOOP_CUT: vyi_glsl_put(g, g->desc.loop_limit ? "loop_cut" : "false"); break;
    default: vyi_glsl_format(g, "%s.%c", vectors[builtin / 3], "xyz"[builtin % 3]); break;
    }
}

/* --- memory -------------------------------------------------------------- */

static bool vyi_glsl_is_shared(const vyi_glsl *g, uint32_t buffer)
{
    return vyi_buffer_of(g->p, buffer)->access == VYRE_ACCESS_WORKGROUP;
}

/* Whether the index is a constant that no buffer of this kind reaches.  Compilers
 * refuse such an element, though the access is never made. */
static bool vyi_glsl_is_beyond(const vyi_glsl *g, const vyi_inst *inst)
{
    const vyi_buffer *b = vyi_buffer_of(g->p, inst->arg[0]);
    uint32_t index;
    if (!vyi_literal(g->p, inst->arg[1], &index))
        return false;
    return index >= (b->access == VYRE_ACCESS_WORKGROUP ? b->count : 0x40000000u);
}

/* The element that the instruction is about. */
static void vyi_glsl_element(vyi_glsl *g, const vyi_inst *inst)
{
    vyi_glsl_buffer(g, inst->arg[0]);
    vyi_glsl_put(g, vyi_glsl_is_shared(g, inst->arg[0]) ? "[" : ".at[");
    if (vyi_glsl_is_beyond(g, inst))
        vyi_glsl_put(g, "0u");
    else
        vyi_glsl_value(g, inst->arg[1]);
    vyi_glsl_put(g, "]");
}

static void vyi_glsl_length(vyi_glsl *g, uint32_t buffer)
{
    vyi_glsl_put(g, "length_");
    vyi_glsl_buffer(g, buffer);
    vyi_glsl_put(g, "()");
}

static void vyi_glsl_fence(vyi_glsl *g, const vyi_inst *inst, uint32_t side)
{
    if ((inst->order & side) && !g->desc.unfenced)
        vyi_glsl_put(g, "memoryBarrier(); ");
}

static void vyi_glsl_atomic_load(vyi_glsl *g, const vyi_inst *inst)
{
    if (g->desc.unfenced && inst->order) {
        vyi_glsl_put(g, "atomicOr(");
        vyi_glsl_element(g, inst);
        vyi_glsl_format(g, ", %s)", vyi_glsl_zeros[inst->type]);
        return;
    }
    vyi_glsl_put(g, "atomicLoad(");
    vyi_glsl_element(g, inst);
    vyi_glsl_format(g, ", %s, 0, 0)",
                    vyi_glsl_is_shared(g, inst->arg[0]) ? "gl_ScopeWorkgroup" : "gl_ScopeDevice");
}

static void vyi_glsl_atomic_store(vyi_glsl *g, const vyi_inst *inst)
{
    const bool exchange = g->desc.unfenced && inst->order;
    vyi_glsl_put(g, exchange ? "atomicExchange(" : "atomicStore(");
    vyi_glsl_element(g, inst);
    vyi_glsl_put(g, ", ");
    vyi_glsl_value(g, inst->arg[2]);
    if (exchange)
        vyi_glsl_put(g, ")");
    else
        vyi_glsl_format(g, ", %s, 0, 0)", vyi_glsl_is_shared(g, inst->arg[0])
                                              ? "gl_ScopeWorkgroup" : "gl_ScopeDevice");
}

static void vyi_glsl_atomic_modify(vyi_glsl *g, const vyi_inst *inst)
{
    VYRE_ASSERT(inst->op == VYI_OP_ATOMIC_CAS || inst->sub < VYRE_ATOMIC_OP_COUNT);
    static const char *const functions[] = { "Add", "Add", "And", "Or", "Xor", "Min", "Max",
                                             "Exchange" };
    vyi_glsl_format(g, "atomic%s(",
                    inst->op == VYI_OP_ATOMIC_CAS ? "CompSwap" : functions[inst->sub]);
    vyi_glsl_element(g, inst);
    vyi_glsl_put(g, inst->op == VYI_OP_ATOMIC && inst->sub == VYRE_ATOMIC_SUB ? ", -" : ", ");
    vyi_glsl_value(g, inst->arg[2]);
    if (inst->op == VYI_OP_ATOMIC_CAS) {
        vyi_glsl_put(g, ", ");
        vyi_glsl_value(g, inst->arg[3]);
    }
    vyi_glsl_put(g, ")");
}

/* The access itself, whose index is known to be inside. */
static void vyi_glsl_access(vyi_glsl *g, const vyi_inst *inst)
{
    const bool is_bool = vyi_buffer_of(g->p, inst->arg[0])->type == VYRE_TYPE_BOOL;
    switch (inst->op) {
    case VYI_OP_LOAD:
        vyi_glsl_element(g, inst);
        vyi_glsl_put(g, is_bool ? " != 0u" : "");
        break;
    case VYI_OP_STORE:
        vyi_glsl_element(g, inst);
        vyi_glsl_put(g, is_bool ? " = uint(" : " = ");
        vyi_glsl_value(g, inst->arg[2]);
        vyi_glsl_put(g, is_bool ? ")" : "");
        break;
    case VYI_OP_ATOMIC_LOAD: vyi_glsl_atomic_load(g, inst); break;
    case VYI_OP_ATOMIC_STORE: vyi_glsl_atomic_store(g, inst); break;
    default: vyi_glsl_atomic_modify(g, inst); break;
    }
}

/* "T v = 0; if (i < length()) { v = access; }" */
static void vyi_glsl_memory(vyi_glsl *g, uint32_t index)
{
    const vyi_inst *inst = &g->p->insts[index];
    const bool value = (vyi_op_describe(inst->op)->flags & VYI_OP_VALUE) != 0;
    if (value) {
        vyi_glsl_format(g, "%s ", vyi_glsl_types[inst->type]);
        vyi_glsl_value(g, index + 1);
        vyi_glsl_format(g, " = %s; ", vyi_glsl_zeros[inst->type]);
    }
    vyi_glsl_put(g, "if (");
    vyi_glsl_value(g, inst->arg[1]);
    vyi_glsl_put(g, " < ");
    vyi_glsl_length(g, inst->arg[0]);
    vyi_glsl_put(g, ") { ");
    vyi_glsl_fence(g, inst, VYRE_ORDER_RELEASE);
    if (value) {
        vyi_glsl_value(g, index + 1);
        vyi_glsl_put(g, " = ");
    }
    vyi_glsl_access(g, inst);
    vyi_glsl_put(g, "; ");
    vyi_glsl_fence(g, inst, VYRE_ORDER_ACQUIRE);
    vyi_glsl_put(g, "}\n");
}

static void vyi_glsl_barrier(vyi_glsl *g, const vyi_inst *inst)
{
    if (inst->sub == VYRE_SCOPE_WORKGROUP)
        vyi_glsl_put(g, inst->order ? "memoryBarrier(); barrier();\n" : "barrier();\n");
    else if (g->desc.unfenced)
        vyi_glsl_put(g, inst->order ? "atomicOr(fence_word, 0u);\n" : ";\n");
    else if (inst->sub == VYRE_SCOPE_SUBGROUP)
        vyi_glsl_put(g, "subgroupBarrier();\n");
    else
        vyi_glsl_put(g, inst->order ? "memoryBarrier();\n" : ";\n");
}

/* --- control flow -------------------------------------------------------- */

/* Whether a break inside the switch belongs to a loop around it.  In GLSL it
 * would leave the switch only, so it sets a flag that is looked at behind. */
static bool vyi_glsl_breaks_out(const vyre_program *p, uint32_t opener)
{
    const uint32_t end = vyi_block_end(p, opener);
    for (uint32_t i = opener; i < end; i++)
        if (p->insts[i].op == VYI_OP_BREAK && p->insts[i].link < opener)
            return true;
    return false;
}

static void vyi_glsl_break(vyi_glsl *g, uint32_t index)
{
    VYRE_ASSERT(g->p->insts[index].link < index);
    const uint32_t loop = g->p->insts[index].link;
    for (uint32_t i = loop + 1; i < index; i++)
        if (g->p->insts[i].op == VYI_OP_SWITCH && vyi_block_end(g->p, i) > index)
            vyi_glsl_format(g, "leave_%u = true; ", (unsigned)i);
    vyi_glsl_put(g, "break;\n");
}

static void vyi_glsl_loop_head(vyi_glsl *g, uint32_t index)
{
    const vyi_inst *inst = &g->p->insts[index];
    if (inst->op == VYI_OP_LOOP) {
        vyi_glsl_put(g, "for (uint ");
        vyi_glsl_value(g, index + 1);
        vyi_glsl_put(g, " = ");
        vyi_glsl_value(g, inst->arg[0]);
        vyi_glsl_put(g, "; ");
        vyi_glsl_value(g, index + 1);
        vyi_glsl_put(g, " < ");
        vyi_glsl_value(g, inst->arg[1]);
        vyi_glsl_put(g, "; ");
        vyi_glsl_value(g, index + 1);
        vyi_glsl_put(g, "++) {\n");
    } else if (inst->sub && g->desc.rounds) {
        vyi_glsl_put(g, "for (uint left = max(rounds, 1u); left != 0u; "
                        "left -= min(rounds, 1u)) {\n");
    } else {
        vyi_glsl_put(g, "for (;;) {\n");
    }
}

static void vyi_glsl_loop(vyi_glsl *g, uint32_t index)
{
    vyi_glsl_loop_head(g, index);
    g->depth++;
    if (!g->desc.loop_limit)
        return;
    vyi_glsl_indent(g);
    vyi_glsl_put(g, "if (loop_spent >= loop_allowed) { loop_cut = true; break; }\n");
    vyi_glsl_indent(g);
    vyi_glsl_put(g, "loop_spent++;\n");
}

static void vyi_glsl_switch(vyi_glsl *g, uint32_t index)
{
    if (vyi_glsl_breaks_out(g->p, index)) {
        vyi_glsl_format(g, "bool leave_%u = false;\n", (unsigned)index);
        vyi_glsl_indent(g);
    }
    vyi_glsl_put(g, "switch (");
    vyi_glsl_value(g, g->p->insts[index].arg[0]);
    vyi_glsl_put(g, ") {\n");
    g->depth++;
}

/* The arm before ends here, unless the switch itself stands there. */
static void vyi_glsl_case(vyi_glsl *g, uint32_t index)
{
    const vyi_inst *inst = &g->p->insts[index];
    uint32_t opener = inst->link;
    while (g->p->insts[opener].op != VYI_OP_END)
        opener = g->p->insts[opener].link;
    opener = g->p->insts[opener].link;
    if (g->p->insts[opener].link != index) {
        vyi_glsl_indent(g);
        vyi_glsl_put(g, "break;\n");
    }
    g->depth--;
    vyi_glsl_indent(g);
    if (inst->op == VYI_OP_DEFAULT) {
        vyi_glsl_put(g, "default: ;\n");
    } else {
        vyi_inst label = *vyi_definition(g->p, g->p->insts[opener].arg[0]);
        label.arg[0] = inst->arg[0];
        vyi_glsl_put(g, "case ");
        vyi_glsl_const(g, &label);
        vyi_glsl_put(g, ": ;\n");
    }
    g->depth++;
}

static void vyi_glsl_end(vyi_glsl *g, uint32_t index)
{
    const uint32_t opener = g->p->insts[index].link;
    const bool is_switch = g->p->insts[opener].op == VYI_OP_SWITCH;
    VYRE_ASSERT(g->depth > 0);
    if (is_switch && g->p->insts[index - 1].op != VYI_OP_SWITCH) {
        vyi_glsl_indent(g);
        vyi_glsl_put(g, "break;\n");
    }
    g->depth--;
    vyi_glsl_indent(g);
    vyi_glsl_put(g, "}\n");
    if (is_switch && vyi_glsl_breaks_out(g->p, opener)) {
        vyi_glsl_indent(g);
        vyi_glsl_format(g, "if (leave_%u) break;\n", (unsigned)opener);
    }
}

static void vyi_glsl_loop_allow(vyi_glsl *g, const vyi_inst *inst)
{
    if (!g->desc.loop_limit) {
        vyi_glsl_put(g, ";\n");
        return;
    }
    vyi_glsl_put(g, "loop_cut = false; loop_allowed = loop_spent + min(");
    vyi_glsl_value(g, inst->arg[0]);
    vyi_glsl_format(g, ", %uu - loop_spent);\n", (unsigned)g->desc.loop_limit);
}

/* --- the program --------------------------------------------------------- */

static void vyi_glsl_if(vyi_glsl *g, const vyi_inst *inst)
{
    vyi_glsl_put(g, "if (");
    vyi_glsl_value(g, inst->arg[0]);
    vyi_glsl_put(g, ") {\n");
    g->depth++;
}

static void vyi_glsl_set(vyi_glsl *g, const vyi_inst *inst)
{
    if (inst->op == VYI_OP_LOCAL)
        vyi_glsl_format(g, "%s ", vyi_glsl_types[g->p->locals[inst->arg[0] - 1].type]);
    vyi_glsl_local(g, inst->arg[0]);
    vyi_glsl_put(g, " = ");
    vyi_glsl_value(g, inst->arg[1]);
    vyi_glsl_put(g, ";\n");
}

static void vyi_glsl_comment(vyi_glsl *g, const char *text)
{
    vyi_glsl_put(g, "// ");
    for (; *text; text++)
        vyi_glsl_char(g, (unsigned char)*text < 32 || *text == '\\' ? ' ' : *text);
    vyi_glsl_char(g, '\n');
}

/* "T vN = ...;" */
static void vyi_glsl_define(vyi_glsl *g, uint32_t index)
{
    const vyi_inst *inst = &g->p->insts[index];
    const char *text = vyi_glsl_operator(g->p, inst);
    vyi_glsl_format(g, "%s ", vyi_glsl_types[inst->type]);
    vyi_glsl_value(g, index + 1);
    vyi_glsl_put(g, " = ");
    if (text)
        vyi_glsl_template(g, inst, text);
    else if (inst->op == VYI_OP_GET)
        vyi_glsl_local(g, inst->arg[0]);
    else if (inst->op == VYI_OP_LENGTH)
        vyi_glsl_length(g, inst->arg[0]);
    else
        vyi_glsl_builtin(g, inst->sub);
    vyi_glsl_put(g, ";\n");
}

VYI_OUTLINE
static void vyi_glsl_statement(vyi_glsl *g, uint32_t index)
{
    const vyi_inst *inst = &g->p->insts[index];
    switch (inst->op) {
    case VYI_OP_LOCAL: case VYI_OP_SET: vyi_glsl_set(g, inst); break;
    case VYI_OP_IF: vyi_glsl_if(g, inst); break;
    case VYI_OP_SWITCH: vyi_glsl_switch(g, index); break;
    case VYI_OP_LOOP: case VYI_OP_FOREVER: vyi_glsl_loop(g, index); break;
    case VYI_OP_BREAK: vyi_glsl_break(g, index); break;
    case VYI_OP_CONTINUE: vyi_glsl_put(g, "continue;\n"); break;
    case VYI_OP_RETURN: vyi_glsl_put(g, "return;\n"); break;
    case VYI_OP_BARRIER: vyi_glsl_barrier(g, inst); break;
    case VYI_OP_LOOP_ALLOW: vyi_glsl_loop_allow(g, inst); break;
    case VYI_OP_COMMENT: vyi_glsl_comment(g, g->p->texts[inst->arg[0]]); break;
    default:
        if (vyi_op_describe(inst->op)->flags & VYI_OP_MEMORY)
            vyi_glsl_memory(g, index);
        else
            vyi_glsl_define(g, index);
        break;
    }
}

static void vyi_glsl_body(vyi_glsl *g)
{
    for (uint32_t i = 0; i < g->p->count; i++) {
        switch (g->p->insts[i].op) {
        case VYI_OP_CONST: break;
        case VYI_OP_CASE: case VYI_OP_DEFAULT: vyi_glsl_case(g, i); break;
        case VYI_OP_END: vyi_glsl_end(g, i); break;
        case VYI_OP_ELSE:
            g->depth--;
            vyi_glsl_indent(g);
            vyi_glsl_put(g, "} else {\n");
            g->depth++;
            break;
        default:
            vyi_glsl_indent(g);
            vyi_glsl_statement(g, i);
            break;
        }
    }
}

/* --- declarations -------------------------------------------------------- */

static void vyi_glsl_extensions(vyi_glsl *g)
{
    static const struct { uint8_t op; const char *name; } rows[] = {
        { VYI_OP_ELECT, "basic" }, { VYI_OP_ANY, "vote" }, { VYI_OP_ALL, "vote" },
        { VYI_OP_BALLOT, "ballot" }, { VYI_OP_BROADCAST_FIRST, "ballot" },
        { VYI_OP_SHUFFLE, "shuffle" }, { VYI_OP_REDUCE, "arithmetic" }
    };
    vyi_glsl_put(g, "#version 460\n"
                    "#extension GL_KHR_memory_scope_semantics : require\n"
                    "#extension GL_KHR_shader_subgroup_basic : enable\n");
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++)
        for (uint32_t i = 0; i < g->p->count; i++)
            if (g->p->insts[i].op == rows[row].op) {
                vyi_glsl_format(g, "#extension GL_KHR_shader_subgroup_%s : require\n",
                                rows[row].name);
                break;
            }
    for (uint32_t i = 0; i < g->p->count; i++)
        if (g->p->insts[i].op == VYI_OP_CLOCK) {
            vyi_glsl_put(g, "#extension GL_EXT_shader_realtime_clock : require\n");
            break;
        }
}

static void vyi_glsl_group_size(vyi_glsl *g)
{
    vyi_glsl_put(g, "\nlayout(");
    for (uint32_t i = 0; i < 3; i++) {
        vyi_glsl_format(g, "%slocal_size_%c = %u", i ? ", " : "", "xyz"[i],
                        (unsigned)g->p->group_size[i]);
        if (g->desc.spec_group_size)
            vyi_glsl_format(g, ", local_size_%c_id = %u", "xyz"[i], (unsigned)i);
    }
    vyi_glsl_put(g, ") in;\n");
}

static void vyi_glsl_declare_buffer(vyi_glsl *g, uint32_t buffer)
{
    const vyi_buffer *b = vyi_buffer_of(g->p, buffer);
    const char *type = vyi_glsl_memory_type(b->type);
    const bool constant = b->access == VYRE_ACCESS_READ && !g->fed && !g->desc.unfenced;
    if (b->access == VYRE_ACCESS_WORKGROUP) {
        vyi_glsl_format(g, "shared %s ", type);
        vyi_glsl_buffer(g, buffer);
        vyi_glsl_format(g, "[%u];\n", (unsigned)b->count);
    } else {
        vyi_glsl_format(g, "layout(set = 0, binding = %u, std430) %s buffer B%u { %s at[]; } ",
                        (unsigned)b->binding, constant ? "readonly" : "coherent",
                        (unsigned)buffer, type);
        vyi_glsl_buffer(g, buffer);
        vyi_glsl_put(g, ";\n");
    }
    vyi_glsl_put(g, "uint ");
    vyi_glsl_length(g, buffer);
    vyi_glsl_put(g, " { return ");
    if (b->access != VYRE_ACCESS_WORKGROUP) {
        vyi_glsl_put(g, b->count ? "min(uint(" : "uint(");
        vyi_glsl_buffer(g, buffer);
        vyi_glsl_put(g, ".at.length())");
        if (b->count)
            vyi_glsl_format(g, ", %uu)", (unsigned)b->count);
    } else {
        vyi_glsl_format(g, "%uu", (unsigned)b->count);
    }
    vyi_glsl_put(g, "; }\n");
}

static void vyi_glsl_put_helpers(vyi_glsl *g)
{
    for (size_t h = 0; h < VYI_GLSL_HELPERS; h++)
        for (uint32_t i = 0; i < g->p->count; i++) {
            const char *text = vyi_glsl_operator(g->p, &g->p->insts[i]);
            const char *call = vyi_glsl_helpers[h].call;
            if (text && strncmp(text, call, strlen(call)) == 0) {
                vyi_glsl_format(g, "\n");
                vyi_glsl_put(g, vyi_glsl_helpers[h].text);
                vyi_glsl_put(g, "\n");
                break;
            }
        }
}

static void vyi_glsl_declare(vyi_glsl *g)
{
    const vyre_program *p = g->p;
    vyi_glsl_extensions(g);
    vyi_glsl_group_size(g);
    if (g->desc.rounds && g->fed)
        vyi_glsl_put(g, "layout(push_constant) uniform Push { uint rounds; };\n");
    for (uint32_t buffer = 1; buffer <= p->buffer_count; buffer++)
        vyi_glsl_declare_buffer(g, buffer);
    if (g->desc.unfenced)
        vyi_glsl_put(g, "shared uint fence_word;\n");
    if (g->desc.loop_limit)
        vyi_glsl_format(g, "uint loop_spent = 0u, loop_allowed = %uu;\nbool loop_cut = false;\n",
                        (unsigned)g->desc.loop_limit);
    vyi_glsl_put_helpers(g);
}

static void vyi_glsl_clear_arrays(vyi_glsl *g)
{
    bool any = false;
    for (uint32_t buffer = 1; buffer <= g->p->buffer_count; buffer++) {
        const vyi_buffer *b = vyi_buffer_of(g->p, buffer);
        if (b->access != VYRE_ACCESS_WORKGROUP)
            continue;
        any = true;
        vyi_glsl_format(g, "    for (uint i = gl_LocalInvocationIndex; i < %uu; "
                           "i += gl_WorkGroupSize.x ", (unsigned)b->count);
        vyi_glsl_put(g, "* gl_WorkGroupSize.y * gl_WorkGroupSize.z)\n        ");
        vyi_glsl_buffer(g, buffer);
        vyi_glsl_format(g, "[i] = %s(0);\n", vyi_glsl_memory_type(b->type));
    }
    if (any)
        vyi_glsl_put(g, "    memoryBarrierShared();\n    barrier();\n");
}

VYI_COLD
VYRE_API size_t vyre_program_glsl(const vyre_program *p, const vyre_spirv_desc *desc, char *dst,
                                  size_t size)
{
    vyi_glsl g;
    memset(&g, 0, sizeof g);
    if (size)
        dst[0] = 0;
    if (!p || !p->finished)
        return 0;
    g.p = p;
    g.dst = dst;
    g.size = size;
    if (desc)
        g.desc = *desc;
    for (uint32_t i = 0; i < p->count; i++)
        g.fed = g.fed || (p->insts[i].op == VYI_OP_FOREVER && p->insts[i].sub);
    vyi_glsl_declare(&g);
    vyi_glsl_put(&g, "\nvoid main()\n{\n");
    vyi_glsl_clear_arrays(&g);
    vyi_glsl_body(&g);
    vyi_glsl_put(&g, "}\n");
    if (size)
        dst[g.length < size ? g.length : size - 1] = 0;
    return g.length;
}

#endif /* VYRE_NO_GLSL */

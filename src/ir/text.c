/* ==========================================================================
 * text: programs as listings
 *
 * Private.  One line for each instruction, indented by its blocks:
 *
 *     program "squares", workgroup 64 x 1 x 1
 *     buffer out: u32[], binding 0
 *
 *       %1 i = global_id.x
 *       %2 = mul %1, %1
 *       store out[%1] = %2
 *
 * %n is the value of instruction n, and what error messages call it.  A
 * constant has no line: it stands where it is used, 7 for u32, 7i for i32,
 * 7.0 for f32 (unless it has been given a name).  $n is local n.
 * ======================================================================= */
#include "ir/ir_impl.h"

typedef struct vyi_writer {
    const vyre_program *p;
    char               *dst;
    size_t              size, length; /* length counts what did not fit, too */
} vyi_writer;

static void vyi_text_char(vyi_writer *w, char c)
{
    if (w->length + 1 < w->size)
        w->dst[w->length] = c;
    w->length++;
}

/* Text that may come from the caller: control characters become '?'. */
static void vyi_text_put(vyi_writer *w, const char *text)
{
    for (; *text; text++)
        vyi_text_char(w, (unsigned char)*text < 32 || *text == 127 ? '?' : *text);
}

static void VYI_PRINTF(2, 3) vyi_text_format(vyi_writer *w, const char *format, ...)
{
    char line[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    for (const char *c = line; *c; c++)
        vyi_text_char(w, *c);
}

/* --- names --------------------------------------------------------------- */

VYI_API uint32_t vyi_name_place(const vyre_program *p, uint32_t id)
{
    uint32_t low = 0, high = p->name_count;
    if (high && p->names[high - 1].value < id)
        return high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (p->names[middle].value < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

VYI_COLD
VYI_API const char *vyi_value_text(const vyre_program *p, uint32_t id)
{
    const uint32_t place = vyi_name_place(p, id);
    return place < p->name_count && p->names[place].value == id ? p->names[place].text : NULL;
}

/* --- operands ------------------------------------------------------------ */

static void vyi_text_f32(vyi_writer *w, uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    if ((bits & 0x7f800000u) == 0x7f800000u) {
        if (bits & 0x007fffffu)
            vyi_text_format(w, "nan(0x%08x)", (unsigned)bits);
        else
            vyi_text_put(w, bits >> 31 ? "-inf" : "inf");
        return;
    }
    char digits[32];
    snprintf(digits, sizeof digits, "%.9g", (double)x);
    bool whole = true;
    for (char *c = digits; *c; c++) {
        /* The decimal point is the locale's. */
        if (!strchr("0123456789+-e", *c))
            *c = '.';
        whole = whole && *c != '.' && *c != 'e';
    }
    vyi_text_format(w, "%s%s", digits, whole ? ".0" : "");
}

static void vyi_text_const(vyi_writer *w, const vyi_inst *inst)
{
    const uint32_t bits = inst->arg[0];
    switch (inst->type) {
    case VYRE_TYPE_I32:
        if (bits >> 31)
            vyi_text_format(w, "-%ui", (unsigned)(0u - bits));
        else
            vyi_text_format(w, "%ui", (unsigned)bits);
        break;
    case VYRE_TYPE_F32:
        vyi_text_f32(w, bits);
        break;
    case VYRE_TYPE_BOOL:
        vyi_text_put(w, bits ? "true" : "false");
        break;
    default:
        /* Masks and sentinels are easier to know in hexadecimal. */
        vyi_text_format(w, bits > 0xffffffu ? "0x%x" : "%u", (unsigned)bits);
        break;
    }
}

/* A constant without a name is written where it is used. */
static bool vyi_text_is_literal(const vyre_program *p, uint32_t id)
{
    return vyi_definition(p, id)->op == VYI_OP_CONST && !vyi_value_text(p, id);
}

static void vyi_text_value(vyi_writer *w, uint32_t id)
{
    if (vyi_text_is_literal(w->p, id))
        vyi_text_const(w, vyi_definition(w->p, id));
    else
        vyi_text_format(w, "%%%u", (unsigned)id);
}

VYI_COLD
VYI_API const char *vyi_operand_text(const vyre_program *p, uint32_t id,
                                     char text[VYI_OPERAND_TEXT])
{
    vyi_writer w = { p, text, VYI_OPERAND_TEXT, 0 };
    const char *name = vyi_value_text(p, id);
    for (uint32_t i = 0; p->guest.open && i < p->guest.arg_count; i++) {
        if (p->guest.args[i].id == id) {
            snprintf(text, VYI_OPERAND_TEXT, "arg[%u]", (unsigned)i);
            return text;
        }
    }
    if (id && id <= p->count)
        vyi_text_value(&w, id);
    else
        vyi_text_format(&w, "%%%u", (unsigned)id);
    if (name) {
        vyi_text_char(&w, ' ');
        vyi_text_put(&w, name);
    }
    text[w.length < w.size ? w.length : w.size - 1] = '\0';
    return text;
}

/* The value operands from `first` on, with commas. */
static void vyi_text_values(vyi_writer *w, const vyi_inst *inst, unsigned first)
{
    const uint32_t values = vyi_op_describe(inst->op)->values;
    const char *before = "";
    for (unsigned i = first; i < 4; i++) {
        if (!(values & (1u << i)))
            continue;
        vyi_text_put(w, before);
        vyi_text_value(w, inst->arg[i]);
        before = ", ";
    }
}

static void vyi_text_local(vyi_writer *w, uint32_t id)
{
    VYRE_ASSERT(id && id <= w->p->local_count);
    const char *name = w->p->locals[id - 1].name;
    vyi_text_format(w, "$%u", (unsigned)id);
    if (*name) {
        vyi_text_char(w, ' ');
        vyi_text_put(w, name);
    }
}

static void vyi_text_order(vyi_writer *w, uint32_t order)
{
    VYRE_ASSERT(order <= VYRE_ORDER_ACQ_REL);
    static const char *const texts[] = { " relaxed", " acquire", " release", " acq_rel" };
    vyi_text_put(w, texts[order]);
}

/* --- instructions -------------------------------------------------------- */

static const char *const vyi_atomic_texts[] = { "add", "sub", "and", "or", "xor", "min", "max",
                                                "exchange" };
static const char *const vyi_reduce_texts[] = { "add", "min", "max", "and", "or", "xor" };
static const char *const vyi_scope_texts[] = { "workgroup", "subgroup", "device" };

VYI_STATIC_ASSERT(atomic_texts, sizeof vyi_atomic_texts / sizeof vyi_atomic_texts[0] ==
                                    VYRE_ATOMIC_OP_COUNT);
VYI_STATIC_ASSERT(reduce_texts, sizeof vyi_reduce_texts / sizeof vyi_reduce_texts[0] ==
                                    VYRE_REDUCE_OP_COUNT);

static bool vyi_text_is_ordered(uint32_t op)
{
    return op >= VYI_OP_ATOMIC && op <= VYI_OP_ATOMIC_STORE;
}

/* load, store and atomics: op [sub] buffer[index] [values] [order] */
static void vyi_text_memory(vyi_writer *w, const vyi_inst *inst)
{
    VYRE_ASSERT(inst->op != VYI_OP_ATOMIC || inst->sub < VYRE_ATOMIC_OP_COUNT);
    vyi_text_put(w, vyi_op_describe(inst->op)->text);
    if (inst->op == VYI_OP_ATOMIC)
        vyi_text_format(w, " %s", vyi_atomic_texts[inst->sub]);
    vyi_text_char(w, ' ');
    vyi_text_put(w, vyi_buffer_of(w->p, inst->arg[0])->name);
    vyi_text_char(w, '[');
    vyi_text_value(w, inst->arg[1]);
    vyi_text_char(w, ']');
    if (inst->op == VYI_OP_STORE || inst->op == VYI_OP_ATOMIC_STORE)
        vyi_text_put(w, " = ");
    else if (vyi_op_describe(inst->op)->values & 4u)
        vyi_text_put(w, ", ");
    vyi_text_values(w, inst, 2);
    if (vyi_text_is_ordered(inst->op))
        vyi_text_order(w, inst->order);
}

static void vyi_text_plain(vyi_writer *w, const char *name, const vyi_inst *inst)
{
    vyi_text_put(w, name);
    if (vyi_op_describe(inst->op)->values)
        vyi_text_char(w, ' ');
    vyi_text_values(w, inst, 0);
}

static void vyi_text_local_inst(vyi_writer *w, const vyi_inst *inst)
{
    vyi_text_put(w, vyi_op_describe(inst->op)->text);
    vyi_text_char(w, ' ');
    vyi_text_local(w, inst->arg[0]);
    if (inst->op == VYI_OP_GET)
        return;
    if (inst->op == VYI_OP_LOCAL)
        vyi_text_format(w, ": %s", vyi_type_text(w->p->locals[inst->arg[0] - 1].type));
    vyi_text_put(w, " = ");
    vyi_text_value(w, inst->arg[1]);
}

static void vyi_text_flow(vyi_writer *w, const vyi_inst *inst)
{
    switch (inst->op) {
    case VYI_OP_IF:
    case VYI_OP_SWITCH:
        vyi_text_plain(w, vyi_op_describe(inst->op)->text, inst);
        vyi_text_put(w, " {");
        break;
    case VYI_OP_ELSE:
        vyi_text_put(w, "} else {");
        break;
    case VYI_OP_CASE:
        vyi_text_format(w, inst->arg[0] > 0xffffffu ? "case 0x%x:" : "case %u:",
                        (unsigned)inst->arg[0]);
        break;
    case VYI_OP_DEFAULT:
        vyi_text_put(w, "default:");
        break;
    case VYI_OP_LOOP:
        vyi_text_put(w, "loop ");
        vyi_text_value(w, inst->arg[0]);
        vyi_text_put(w, " .. ");
        vyi_text_value(w, inst->arg[1]);
        vyi_text_put(w, " {");
        break;
    case VYI_OP_FOREVER:
        vyi_text_put(w, inst->sub ? "forever, in rounds {" : "forever {");
        break;
    default:
        vyi_text_char(w, '}');
        break;
    }
}

static void vyi_text_inst(vyi_writer *w, const vyi_inst *inst)
{
    const vyi_op_info *info = vyi_op_describe(inst->op);
    if (info->flags & VYI_OP_MEMORY) {
        vyi_text_memory(w, inst);
        return;
    }
    if ((info->flags & (VYI_OP_OPENS | VYI_OP_ARM)) || inst->op == VYI_OP_END) {
        vyi_text_flow(w, inst);
        return;
    }
    switch (inst->op) {
    case VYI_OP_CONST:
        vyi_text_const(w, inst);
        break;
    case VYI_OP_BUILTIN:
        vyi_text_put(w, vyi_builtin_text(inst->sub));
        break;
    case VYI_OP_LENGTH:
        vyi_text_put(w, "length ");
        vyi_text_put(w, vyi_buffer_of(w->p, inst->arg[0])->name);
        break;
    case VYI_OP_BINARY:
        vyi_text_plain(w, vyi_binary_describe(inst->sub)->text, inst);
        break;
    case VYI_OP_UNARY:
        vyi_text_plain(w, vyi_unary_describe(inst->sub)->text, inst);
        break;
    case VYI_OP_CAST:
    case VYI_OP_BITCAST:
        vyi_text_format(w, "%s %s ", info->text, vyi_type_text(inst->type));
        vyi_text_values(w, inst, 0);
        break;
    case VYI_OP_LOCAL:
    case VYI_OP_GET:
    case VYI_OP_SET:
        vyi_text_local_inst(w, inst);
        break;
    case VYI_OP_BARRIER:
        vyi_text_format(w, "barrier %s", vyi_scope_texts[inst->sub]);
        vyi_text_order(w, inst->order);
        break;
    case VYI_OP_COMMENT:
        vyi_text_put(w, "# ");
        vyi_text_put(w, w->p->texts[inst->arg[0]]);
        break;
    case VYI_OP_REDUCE:
        vyi_text_format(w, "reduce %s ", vyi_reduce_texts[inst->sub]);
        vyi_text_values(w, inst, 0);
        break;
    default:
        vyi_text_plain(w, info->text, inst);
        break;
    }
}

static void vyi_text_line(vyi_writer *w, uint32_t index, uint32_t indent)
{
    const vyi_inst *inst = &w->p->insts[index];
    for (uint32_t i = 0; i < indent; i++)
        vyi_text_put(w, "  ");
    if (vyi_op_describe(inst->op)->flags & VYI_OP_VALUE) {
        const char *name = vyi_value_text(w->p, index + 1);
        vyi_text_format(w, "%%%u ", (unsigned)index + 1);
        if (name)
            vyi_text_put(w, name);
        vyi_text_put(w, name ? " = " : "= ");
    }
    vyi_text_inst(w, inst);
    vyi_text_char(w, '\n');
}

/* --- the listing --------------------------------------------------------- */

static void vyi_text_buffer(vyi_writer *w, const vyi_buffer *b)
{
    vyi_text_put(w, b->access == VYRE_ACCESS_WORKGROUP ? "array " : "buffer ");
    vyi_text_put(w, b->name);
    vyi_text_format(w, ": %s[", vyi_type_text(b->type));
    if (b->count)
        vyi_text_format(w, "%u", (unsigned)b->count);
    vyi_text_char(w, ']');
    if (b->access != VYRE_ACCESS_WORKGROUP)
        vyi_text_format(w, ", binding %u", (unsigned)b->binding);
    if (b->access == VYRE_ACCESS_READ || b->access == VYRE_ACCESS_WRITE)
        vyi_text_put(w, b->access == VYRE_ACCESS_READ ? ", read only" : ", write only");
    if (b->no_readback)
        vyi_text_put(w, ", no readback");
    if (b->readback_offset || b->readback_size)
        vyi_text_format(w, ", readback %u at %u", (unsigned)b->readback_size,
                        (unsigned)b->readback_offset);
    vyi_text_char(w, '\n');
}

static void vyi_text_header(vyi_writer *w)
{
    const vyre_program *p = w->p;
    vyi_text_put(w, "program \"");
    vyi_text_put(w, p->name);
    vyi_text_format(w, "\", workgroup %u x %u x %u\n", (unsigned)p->group_size[0],
                    (unsigned)p->group_size[1], (unsigned)p->group_size[2]);
    for (uint32_t i = 0; i < p->buffer_count; i++)
        vyi_text_buffer(w, &p->buffers[i]);
    vyi_text_char(w, '\n');
}

static void vyi_text_body(vyi_writer *w)
{
    uint32_t indent = 1;
    for (uint32_t i = 0; i < w->p->count; i++) {
        const vyi_inst *inst = &w->p->insts[i];
        const uint32_t flags = vyi_op_describe(inst->op)->flags;
        const bool closes = (flags & VYI_OP_ARM) || inst->op == VYI_OP_END;
        if (inst->op == VYI_OP_CONST && vyi_text_is_literal(w->p, i + 1))
            continue;
        indent -= closes ? 1 : 0;
        VYRE_ASSERT(indent >= 1);
        vyi_text_line(w, i, indent);
        indent += (flags & (VYI_OP_OPENS | VYI_OP_ARM)) ? 1 : 0;
    }
}

VYI_COLD
VYRE_API size_t vyre_program_text(const vyre_program *p, char *dst, size_t size)
{
    vyi_writer w;
    w.p = p;
    w.dst = dst;
    w.size = dst ? size : 0;
    w.length = 0;
    if (p) {
        vyi_text_header(&w);
        vyi_text_body(&w);
    }
    if (p && p->error.status != VYRE_OK) {
        vyi_text_format(&w, "error at %llu: ", (unsigned long long)p->error.at);
        vyi_text_put(&w, p->error.text);
        vyi_text_char(&w, '\n');
    }
    if (w.size)
        dst[w.length < w.size ? w.length : w.size - 1] = '\0';
    return w.length;
}

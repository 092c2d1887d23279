/* ==========================================================================
 * ops: what each instruction, operator, builtin and type is called, and may do
 *
 * Private.  The lists of ir.h and ir_impl.h as tables.
 * ======================================================================= */
#include "ir/ir_impl.h"

VYI_API const vyi_op_info *vyi_op_describe(uint32_t op)
{
    static const vyi_op_info table[] = {
#define VYI_OP_ENTRY(name, text, values, flags) { text, values, flags },
        VYI_OP_LIST(VYI_OP_ENTRY)
#undef VYI_OP_ENTRY
    };
    VYRE_ASSERT(op < VYI_OP_COUNT);
    return &table[op];
}

/* In the operator lists, S, B and F say what an operator gives; the text is its
 * function's name without "vyre_ir_". */
#define VYI_RESULT_S VYRE_TYPE_NONE
#define VYI_RESULT_B VYRE_TYPE_BOOL
#define VYI_RESULT_F VYRE_TYPE_F32
#define VYI_OPERATOR_ENTRY(name, function, operands, result)                                       \
    { &(#function)[8], VYI_CLASS_##operands, VYI_RESULT_##result },

VYI_API const vyi_operator *vyi_binary_describe(uint32_t sub)
{
    static const vyi_operator table[] = { VYRE_BINARY_LIST(VYI_OPERATOR_ENTRY) };
    VYRE_ASSERT(sub < VYI_BINARY_COUNT);
    return &table[sub];
}

VYI_API const vyi_operator *vyi_unary_describe(uint32_t sub)
{
    static const vyi_operator table[] = { VYRE_UNARY_LIST(VYI_OPERATOR_ENTRY) };
    VYRE_ASSERT(sub < VYI_UNARY_COUNT);
    return &table[sub];
}

VYI_COLD
VYI_API const char *vyi_builtin_text(uint32_t sub)
{
    static const char *const table[] = {
#define VYI_BUILTIN_ENTRY(name, text) text,
        VYRE_BUILTIN_LIST(VYI_BUILTIN_ENTRY)
#undef VYI_BUILTIN_ENTRY
    };
    VYRE_ASSERT(sub < VYRE_BUILTIN_COUNT);
    return table[sub];
}

VYI_COLD
VYI_API const char *vyi_type_text(uint32_t type)
{
    static const char *const table[] = { "none", "u32", "i32", "f32", "bool", "u64",
                                         "i64" };
    return type < sizeof table / sizeof table[0] ? table[type] : "unknown";
}

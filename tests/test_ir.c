/* The builder: what it makes, and what it refuses at which call. */
#include "oom.h"

static vyre_program *make(void)
{
    vyre_error err;
    vyre_program *p = vyre_program_create(NULL, &err);
    CHECK(p);
    return p;
}

static vyre_buffer add_buffer(vyre_program *p, uint32_t binding, vyre_type type)
{
    vyre_buffer_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.binding = binding;
    desc.type = type;
    return vyre_ir_buffer(p, &desc);
}

static void squares_build(void)
{
    vyre_program *p = make();
    vyre_buffer out = add_buffer(p, 0, VYRE_TYPE_U32);
    vyre_value i = vyre_ir_builtin(p, VYRE_BUILTIN_GLOBAL_ID_X);
    vyre_ir_store(p, out, i, vyre_ir_mul(p, i, i));
    vyre_error err;
    memset(&err, 0, sizeof err);
    CHECK_TEXT(err.text, "");
    CHECK_EQ(vyre_program_finish(p, &err), VYRE_OK);
    CHECK_EQ(vyre_program_instruction_count(p), 3);
    vyre_program_destroy(p);
}

static void first_mistake_stays(void)
{
    vyre_program *p = make();
    vyre_value one = vyre_ir_u32(p, 1);
    vyre_value bad = vyre_ir_add(p, one, vyre_ir_f32(p, 1.0f)); /* call 3 */
    CHECK_EQ(bad.id, 0);
    CHECK_EQ(vyre_program_status(p), VYRE_E_IR_TYPE);
    vyre_ir_break(p);
    vyre_error err;
    CHECK_EQ(vyre_program_finish(p, &err), VYRE_E_IR_TYPE);
    CHECK_EQ(err.at, 3);
    CHECK_TEXT(err.text, "%3 add: operand 1, %2, is f32 and should be u32");
    vyre_program_destroy(p);
}

int main(void)
{
    RUN(squares_build);
    RUN(first_mistake_stays);
    return test_end();
}

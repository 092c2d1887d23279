/* Handlers as text: any bytes are compiled or refused, in a program of their own and as
 * a handler.  What is compiled is a program without mistakes; what is refused has a
 * line, a text and a fix. */
#include "inside.h"

#include "fuzz.h"

static vyre_program *with_buffers(void)
{
    static const char *const names[] = { "x", "y", "f" };
    vyre_program *p = vyre_program_create(NULL, NULL);
    for (uint32_t i = 0; i < 3; i++) {
        vyre_buffer_desc desc;
        memset(&desc, 0, sizeof desc);
        desc.name = names[i];
        desc.binding = i;
        desc.type = i == 2 ? VYRE_TYPE_F32 : VYRE_TYPE_U32;
        desc.count = i == 1 ? 8 : 0;
        vyre_ir_buffer(p, &desc);
    }
    return p;
}

static void check_report(const vyre_source_report *report, size_t size)
{
    FUZZ_CHECK(report->count <= VYRE_MAX_SOURCE_ERRORS);
    for (uint32_t i = 0; i < report->count; i++) {
        fuzz_error(report->errors[i].status, &report->errors[i]);
        FUZZ_CHECK(report->errors[i].at >= 1 && report->errors[i].at <= size + 1);
    }
}

/* The words of a job are there, and what it prints is found again. */
static void as_handler(const uint8_t *data, size_t size)
{
    vyre_kernel_desc desc;
    vyre_buffer_desc buffer;
    vyre_handler handler;
    vyre_error err;
    char *text = (char *)malloc(size + 1), line[300];
    FUZZ_CHECK(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    memset(&desc, 0, sizeof desc);
    memset(&buffer, 0, sizeof buffer);
    memset(&handler, 0, sizeof handler);
    buffer.name = "x";
    buffer.binding = VYRE_BINDING_USER;
    handler.opcode = 0x1000;
    handler.width = (vyre_width)(size % 3);
    handler.source = text;
    desc.once = true;
    desc.handlers = &handler;
    desc.handler_count = 1;
    desc.buffers = &buffer;
    desc.buffer_count = 1;
    vyi_wide_host wide; /* what is not for one lane stands in a program of its own */
    memset(&wide, 0, sizeof wide);
    wide.pass = handler.width != VYRE_WIDTH_LANE;
    wide.binding = wide.pass ? VYRE_BINDING_USER + 1 : 0;
    vyre_program *p = vyi_kernel_build(&desc, NULL, &wide, &err);
    if (!p)
        fuzz_error(err.status, &err);
    vyre_program_destroy(p);
    vyre_log_record record = { 0x80100000u, { 0x7f7fffffu, 0x80000000u, 0 } };
    for (size_t i = 0; i < size && i < 64; i++, record.format++)
        FUZZ_CHECK(vyre_log_text(&desc, &record, line, sizeof line) < 1000000);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static vyre_source_report report;
    vyre_error err;
    vyre_program *p = with_buffers();
    FUZZ_CHECK(p != NULL);
    memset(&report, 0, sizeof report);
    const vyre_status status = vyre_source_compile(p, NULL, NULL, (const char *)data, size,
                                                   &report);
    FUZZ_CHECK((status == VYRE_OK) == (report.count == 0));
    FUZZ_CHECK(vyre_program_status(p) == status);
    check_report(&report, size);
    /* What is left to the check of the whole: barriers that not all lanes reach. */
    const vyre_status finished = vyre_program_finish(p, &err);
    FUZZ_CHECK(status != VYRE_OK || finished == VYRE_OK || finished == VYRE_E_IR_BARRIER);
    vyre_program_destroy(p);
    if (size < 4000)
        as_handler(data, size);
    return 0;
}

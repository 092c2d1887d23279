/* Handlers as text: any bytes are compiled or refused.  What is compiled is a
 * program without mistakes; what is refused has a line, a text and a fix. */
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
    if (status == VYRE_OK)
        FUZZ_CHECK(vyre_program_finish(p, &err) == VYRE_OK);
    vyre_program_destroy(p);
    return 0;
}

/* source: how long it takes to turn a handler's text into a program
 *
 *     bench/source [--csv] [--quick] [--seconds N]
 *
 * A text of 40 lines, with a function, loops, a switch and built-in functions:
 * from the text to the program's instructions by vyre_source_emit, and from the
 * same text in a compute shader to SPIR-V by glslang in the same process,
 * initialised once.  The row in the middle goes on to words, by way of the check,
 * the optimizer and our emitter: what stands where glslang stood.
 *
 * link: glslang MachineIndependent GenericCodeGen OGLCompiler OSDependent SPIRV
 * link: glslang-default-resource-limits SPIRV-Tools-opt SPIRV-Tools stdc++
 */
#define _GNU_SOURCE
#define VYRE_NO_VULKAN
#define VYRE_GLSLANG
#define VYRE_IMPLEMENTATION
#include "../vyre.h"

#include "bench.h"

static const char functions[] =
    "float weight(int d) {\n"
    "    if (d == 0) return 0.375;\n"
    "    if (d == 1 || d == -1) return 0.25;\n"
    "    return 0.0625;\n"
    "}\n";

static const char body[] =
    "const uint width = 640u;\n"
    "const uint height = 480u;\n"
    "uint id = gl_GlobalInvocationID.x;\n"
    "if (id >= width * height) return;\n"
    "uint px = id % width;\n"
    "uint py = id / width;\n"
    "float sum = 0.0;\n"
    "for (int dy = -2; dy <= 2; dy++) {\n"
    "    for (int dx = -2; dx <= 2; dx++) {\n"
    "        int sx = clamp(int(px) + dx, 0, int(width) - 1);\n"
    "        int sy = clamp(int(py) + dy, 0, int(height) - 1);\n"
    "        float v = uintBitsToFloat(x[uint(sy) * width + uint(sx)]);\n"
    "        if (isnan(v) || v < 0.0)\n"
    "            continue;\n"
    "        sum += weight(dx) * weight(dy) * v;\n"
    "    }\n"
    "}\n"
    "uint level = uint(clamp(sum, 0.0, 255.0));\n"
    "uint kind = 0u;\n"
    "switch (level >> 6) {\n"
    "case 0u: kind = 1u; break;\n"
    "case 1u:\n"
    "case 2u: kind = level < 100u ? 2u : 3u; break;\n"
    "default: kind = 4u; break;\n"
    "}\n"
    "uint bits = 0u;\n"
    "uint rest = level;\n"
    "while (rest != 0u) {\n"
    "    bits += rest & 1u;\n"
    "    rest >>= 1;\n"
    "}\n"
    "atomicAdd(y[level & 255u], 1u);\n"
    "y[256u + id] = (kind << 16) | (bits << 8) | level;\n"
    "y[256u + width * height + id] = floatBitsToUint(sqrt(sum) * 0.5 + exp2(-sum));\n"
    "if (px == 0u && py == 0u) y[255u] = uint(bitCount(level));\n";

static double seconds_each = 1.0;

static void check(vyre_status status, const vyre_error *err)
{
    if (status >= 0)
        return;
    fprintf(stderr, "%s\n%s\n", err->text, err->fix);
    exit(1);
}

static vyre_program *with_buffers(void)
{
    vyre_buffer_desc desc;
    vyre_program *p = vyre_program_create(NULL, NULL);
    memset(&desc, 0, sizeof desc);
    desc.name = "x";
    vyre_ir_buffer(p, &desc);
    desc.name = "y";
    desc.binding = 1;
    vyre_ir_buffer(p, &desc);
    return p;
}

static void read_text(vyre_program *p, const char *text, size_t size)
{
    vyre_error err;
    check(vyre_source_emit(p, NULL, text, size, &err), &err);
}

static size_t emit(vyre_program *p)
{
    vyre_spirv module;
    vyre_error err;
    check(vyre_program_finish(p, &err), &err);
    check(vyre_program_optimize(p, &err), &err);
    check(vyre_spirv_emit(p, NULL, &module, &err), &err);
    const size_t words = module.word_count;
    vyre_spirv_free(&module);
    return words;
}

static size_t compile(const char *shader)
{
    vyre_spirv module;
    vyre_error err;
    check(vyre_glsl_compile(shader, 0, NULL, &module, &err), &err);
    const size_t words = module.word_count;
    vyre_spirv_free(&module);
    return words;
}

static bool more(const bench_row *row, uint64_t begin)
{
    return row->count < row->capacity && (double)(bench_now() - begin) < 1e9 * seconds_each;
}

int main(int argc, char **argv)
{
    static char text[8192], shader[8192];
    bench_usage(argc, argv, "[--csv] [--quick] [--seconds N]");
    seconds_each = bench_flag(argc, argv, "--quick") ? 0.01
                                                     : bench_number(argc, argv, "--seconds", 1.0);
    char settings[128];
    snprintf(settings, sizeof settings, "%g s a row, 40 lines", seconds_each);
    const bench_output out = bench_cpu("source", "us", settings, bench_flag(argc, argv, "--csv"));
    bench_heading(&out);
    const size_t size = (size_t)snprintf(text, sizeof text, "%s%s", functions, body);
    snprintf(shader, sizeof shader,
             "#version 450\nlayout(local_size_x = 64) in;\n"
             "layout(set = 0, binding = 0, std430) buffer X { uint x[]; };\n"
             "layout(set = 0, binding = 1, std430) buffer Y { uint y[]; };\n"
             "%svoid main() {\n%s}\n", functions, body);
    bench_row ours = bench_row_new("text to program, vyre", 100000);
    bench_row all = bench_row_new("text to words, vyre", 100000);
    bench_row theirs = bench_row_new("text to words, glslang", 100000);
    if (!glslang_initialize_process())
        return 1;
    size_t words = 0, glslang_words = compile(shader);

    for (uint64_t begin = bench_now(); more(&ours, begin);) {
        vyre_program *p = with_buffers();
        const uint64_t start = bench_now();
        read_text(p, text, size);
        bench_add(&ours, (double)(bench_now() - start));
        vyre_program_destroy(p);
    }
    for (uint64_t begin = bench_now(); more(&all, begin);) {
        const uint64_t start = bench_now();
        vyre_program *p = with_buffers();
        read_text(p, text, size);
        words = emit(p);
        vyre_program_destroy(p);
        bench_add(&all, (double)(bench_now() - start));
    }
    for (uint64_t begin = bench_now(); more(&theirs, begin);) {
        const uint64_t start = bench_now();
        glslang_words = compile(shader);
        bench_add(&theirs, (double)(bench_now() - start));
    }
    const double fast = bench_finish(&out, &ours);
    (void)bench_finish(&out, &all);
    const double slow = bench_finish(&out, &theirs);
    bench_value(&out, "module by vyre", "words", (double)words);
    bench_value(&out, "module by glslang", "words", (double)glslang_words);
    bench_note(&out, "ratio of the medians %.0f", slow / fast);
    glslang_finalize_process();
    return 0;
}

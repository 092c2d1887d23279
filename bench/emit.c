/* emit: how long it takes to turn a kernel into SPIR-V words
 *
 *     bench/emit [--csv] [--quick] [--seconds N]
 *
 * The default kernel, looping, optimized as the engine does it: from the
 * finished program to words by our emitter, and from the equivalent GLSL (what
 * vyre_program_glsl prints, written once beforehand) to words by glslang in the
 * same process, initialised once.  Each sample is one module; the allocator is
 * malloc for both.  The middle row is what a program pays that starts from
 * nothing: building, optimizing, emitting.
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

static double seconds_each = 1.0;

static void check(vyre_status status, const vyre_error *err)
{
    if (status >= 0)
        return;
    fprintf(stderr, "%s\n%s\n", err->text, err->fix);
    exit(1);
}

static vyre_program *build(void)
{
    vyre_error err;
    vyre_program *p = vyre_kernel_build(NULL, &err);
    if (!p)
        check(err.status, &err);
    check(vyre_program_optimize(p, &err), &err);
    return p;
}

static size_t emit(const vyre_program *p)
{
    vyre_spirv_desc desc;
    vyre_spirv module;
    vyre_error err;
    memset(&desc, 0, sizeof desc);
    desc.rounds = true;
    check(vyre_spirv_emit(p, &desc, &module, &err), &err);
    const size_t words = module.word_count;
    vyre_spirv_free(&module);
    return words;
}

static size_t compile(const char *source)
{
    vyre_spirv module;
    vyre_error err;
    check(vyre_glsl_compile(source, 0, NULL, &module, &err), &err);
    const size_t words = module.word_count;
    vyre_spirv_free(&module);
    return words;
}

static bool more(const bench_row *row, uint64_t begin)
{
    return row->count < row->capacity &&
           (double)(bench_now() - begin) < 1e9 * seconds_each;
}

int main(int argc, char **argv)
{
    bench_usage(argc, argv, "[--csv] [--quick] [--seconds N]");
    seconds_each = bench_flag(argc, argv, "--quick") ? 0.01
                                                     : bench_number(argc, argv, "--seconds", 1.0);
    char settings[128];
    snprintf(settings, sizeof settings, "%g s a row, the default kernel", seconds_each);
    const bench_output out = bench_cpu("emit", "us", settings, bench_flag(argc, argv, "--csv"));
    bench_heading(&out);
    bench_row ours = bench_row_new("program to words, vyre", 100000);
    bench_row all = bench_row_new("nothing to words, vyre", 100000);
    bench_row theirs = bench_row_new("GLSL to words, glslang", 100000);
    vyre_program *p = build();
    vyre_spirv_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.rounds = true;
    const size_t length = vyre_program_glsl(p, &desc, NULL, 0);
    char *source = (char *)malloc(length + 1);
    if (!source || !glslang_initialize_process())
        return 1;
    vyre_program_glsl(p, &desc, source, length + 1);
    size_t words = emit(p), glslang_words = compile(source);

    for (uint64_t begin = bench_now(); more(&ours, begin);) {
        const uint64_t start = bench_now();
        words = emit(p);
        bench_add(&ours, (double)(bench_now() - start));
    }
    for (uint64_t begin = bench_now(); more(&all, begin);) {
        const uint64_t start = bench_now();
        vyre_program *q = build();
        emit(q);
        vyre_program_destroy(q);
        bench_add(&all, (double)(bench_now() - start));
    }
    for (uint64_t begin = bench_now(); more(&theirs, begin);) {
        const uint64_t start = bench_now();
        glslang_words = compile(source);
        bench_add(&theirs, (double)(bench_now() - start));
    }
    const double fast = bench_finish(&out, &ours);
    (void)bench_finish(&out, &all);
    const double slow = bench_finish(&out, &theirs);
    bench_value(&out, "module by vyre", "words", (double)words);
    bench_value(&out, "module by glslang", "words", (double)glslang_words);
    bench_note(&out, "ratio of the medians %.0f", slow / fast);
    glslang_finalize_process();
    free(source);
    vyre_program_destroy(p);
    return 0;
}

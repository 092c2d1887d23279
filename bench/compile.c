/* compile: what it costs to build vyre.h into a program
 *
 *     bench/compile [--csv] [--quick] [--runs N]
 *
 * The time of $CC (default cc) and the size of the object, for the
 * declarations, for the implementation, and for other libraries of one header.
 * Time is the compiler's own processor time, so that a busy machine changes
 * little.  Sizes: "code" is text + data as size(1) counts them, which is what
 * a program grows by; "file" is the object with its symbols and relocations,
 * which the linker leaves behind.  What is not installed is named and left out.
 * The core (VYRE_CORE: no room that can be left out) and the whole are also
 * given as a multiple of volk's time in the same run.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct subject {
    const char *name;
    const char *needs;  /* on the include path, or the file of that name */
    const char *source;
    const char *flags;
    bool        object; /* its size is of interest */
} subject;

static const subject subjects[] = {
    { "an empty file", NULL, "int empty_;\n", "-O2", false },
    { "vyre.h, declarations", "vyre.h", "#include \"vyre.h\"\nint empty_;\n", "-O2", false },
    { "vyre.h, implementation -O2", "vyre.h", "#define VYRE_IMPLEMENTATION\n#include \"vyre.h\"\n",
      "-O2", true },
    { "vyre.h, implementation -Os", "vyre.h", "#define VYRE_IMPLEMENTATION\n#include \"vyre.h\"\n",
      "-Os", true },
    { "vyre.h, implementation -O0", "vyre.h", "#define VYRE_IMPLEMENTATION\n#include \"vyre.h\"\n",
      "-O0", true },
    { "vyre.h, core -O2", "vyre.h",
      "#define VYRE_CORE\n#define VYRE_IMPLEMENTATION\n#include \"vyre.h\"\n", "-O2", true },
    { "vyre.h, without Vulkan -O2", "vyre.h",
      "#define VYRE_NO_VULKAN\n#define VYRE_IMPLEMENTATION\n#include \"vyre.h\"\n", "-O2", true },
    { "volk.h -O2", "volk.h", "#define VOLK_IMPLEMENTATION\n#include <volk.h>\n", "-O2", true },
    { "stb_image.h -O2", "stb/stb_image.h",
      "#define STB_IMAGE_IMPLEMENTATION\n#include <stb/stb_image.h>\n", "-O2", true },
    { "stb_image_write.h -O2", "stb/stb_image_write.h",
      "#define STB_IMAGE_WRITE_IMPLEMENTATION\n#include <stb/stb_image_write.h>\n", "-O2", true },
    { "stb_truetype.h -O2", "stb/stb_truetype.h",
      "#define STB_TRUETYPE_IMPLEMENTATION\n#include <stb/stb_truetype.h>\n", "-O2", true },
    { "xxhash.h -O2", "xxhash.h",
      "#define XXH_STATIC_LINKING_ONLY\n#define XXH_IMPLEMENTATION\n#include <xxhash.h>\n", "-O2",
      true }
};

static const char *compiler;
static char        folder[] = "/tmp/vyre_compile_XXXXXX";

static void write_source(const char *text)
{
    char path[64];
    snprintf(path, sizeof path, "%s/a.c", folder);
    FILE *file = fopen(path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0) {
        fprintf(stderr, "compile: cannot write %s\n", path);
        exit(1);
    }
}

static double child_seconds(void)
{
    struct rusage r;
    getrusage(RUSAGE_CHILDREN, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           1e-6 * (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

/* Compiles the source; its time in ns, or -1. */
static double run_compiler(const char *flags, bool quiet)
{
    char command[512];
    snprintf(command, sizeof command, "%s -std=c99 %s -I. -c %s/a.c -o %s/a.o%s", compiler, flags,
             folder, folder, quiet ? " 2>/dev/null" : "");
    const double begin = child_seconds();
    const int status = system(command);
    return status == 0 ? 1e9 * (child_seconds() - begin) : -1;
}

static bool is_there(const subject *s)
{
    char source[128];
    if (!s->needs)
        return true;
    snprintf(source, sizeof source, "#include <stddef.h>\n#if !__has_include(<%s>)\n#error\n#endif\n",
             s->needs);
    write_source(source);
    return run_compiler("-O0 -fsyntax-only", true) >= 0;
}

/* text + data by size(1), in bytes. */
static double code_size(void)
{
    char command[128];
    unsigned long text = 0, data = 0;
    snprintf(command, sizeof command, "size %s/a.o | tail -n 1", folder);
    FILE *pipe = popen(command, "r");
    const bool read = pipe && fscanf(pipe, "%lu %lu", &text, &data) == 2;
    if (pipe)
        pclose(pipe);
    return read ? (double)(text + data) : 0;
}

static double file_size(void)
{
    char path[64];
    struct stat s;
    snprintf(path, sizeof path, "%s/a.o", folder);
    return stat(path, &s) == 0 ? (double)s.st_size : 0;
}

static void print_size(const bench_output *out, const char *name, const char *what, double bytes)
{
    char path[112];
    snprintf(path, sizeof path, "%s: %s", name, what);
    bench_value(out, path, "KB", bytes / 1000);
}

/* The compiler's median time in ns. */
static double measure(const bench_output *out, const subject *s, int runs)
{
    bench_row row = bench_row_new(s->name, 64);
    write_source(s->source);
    for (int i = 0; i < runs; i++) {
        const double ns = run_compiler(s->flags, false);
        if (ns < 0)
            exit(1);
        bench_add(&row, ns);
    }
    const double median = bench_finish(out, &row);
    if (s->object) {
        print_size(out, s->name, "code", code_size());
        print_size(out, s->name, "file", file_size());
    }
    return median;
}

/* The two that goals are about, by volk's time; `times` are those of the subjects. */
static void compare_with_volk(const bench_output *out, const double *times, size_t count)
{
    double volk = 0;
    for (size_t i = 0; i < count; i++)
        if (strcmp(subjects[i].name, "volk.h -O2") == 0)
            volk = times[i];
    for (size_t i = 0; i < count && volk > 0; i++) {
        char path[96];
        if (times[i] <= 0 || (strcmp(subjects[i].name, "vyre.h, core -O2") != 0 &&
                              strcmp(subjects[i].name, "vyre.h, implementation -O2") != 0))
            continue;
        snprintf(path, sizeof path, "%s: against volk.h", subjects[i].name);
        bench_value(out, path, "times", times[i] / volk);
    }
}

static void compiler_name(char *text, size_t size)
{
    char command[128];
    snprintf(command, sizeof command, "%s --version", compiler);
    FILE *pipe = popen(command, "r");
    if (!pipe || !fgets(text, (int)size, pipe))
        snprintf(text, size, "%s", compiler);
    if (pipe)
        pclose(pipe);
    text[strcspn(text, "\n")] = 0;
}

int main(int argc, char **argv)
{
    bench_usage(argc, argv, "[--csv] [--quick] [--runs N]");
    const bool quick = bench_flag(argc, argv, "--quick");
    const int runs = quick ? 1 : (int)bench_number(argc, argv, "--runs", 3);
    compiler = getenv("CC") ? getenv("CC") : "cc";
    if (!mkdtemp(folder))
        return 1;
    char settings[128];
    snprintf(settings, sizeof settings, "processor time of the compiler, %d runs; KB of 1000", runs);
    bench_output out = bench_cpu("compile", "ms", settings, bench_flag(argc, argv, "--csv"));
    compiler_name(out.driver, sizeof out.driver);
    bench_heading(&out);
    char missing[256] = "";
    enum { SUBJECTS = sizeof subjects / sizeof subjects[0] };
    double times[SUBJECTS];
    memset(times, 0, sizeof times);
    for (size_t i = 0; i < SUBJECTS; i++) {
        const subject *s = &subjects[i];
        if (is_there(s)) {
            if (!quick || !s->object || strcmp(s->flags, "-O0") == 0)
                times[i] = measure(&out, s, runs);
            continue;
        }
        const size_t length = strlen(missing);
        snprintf(missing + length, sizeof missing - length, " %s", s->needs);
    }
    compare_with_volk(&out, times, SUBJECTS);
    bench_note(&out, "Not installed:%s", missing[0] ? missing : " none of them");
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command) == 0 ? 0 : 1;
}

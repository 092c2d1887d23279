/* Writes a stock kernel as SPIR-V, as C words, as a listing or as GLSL; and,
 * with --header, all of vyre_spirv.h.
 *
 *     gen_spirv --kind direct --once -o direct_once.spv
 *     gen_spirv --kind priority --format text
 *     gen_spirv --header -o vyre_spirv.h
 */
#define VYRE_NO_VULKAN
#define VYRE_IMPLEMENTATION
#include "vyre.h"

typedef enum format { FORMAT_SPV, FORMAT_C, FORMAT_TEXT, FORMAT_GLSL } format;

typedef struct options {
    vyre_kernel_desc kernel;
    vyre_spirv_desc  spirv;
    format           format;
    bool             format_given, header, optimize;
    const char      *array; /* name of the C array */
    const char      *output;
} options;

static const char usage[] =
    "usage: gen_spirv [options]\n"
    "\n"
    "  --kind direct|priority  what the kernel does with opcodes (default direct)\n"
    "  --once                  one pass over the slots and return (default: loop)\n"
    "  --io-polling            recycle answered IO requests\n"
    "  --load-miss             LOAD_MISS becomes an IO request\n"
    "  --open-header           opcodes may write control words 0..159\n"
    "  --workgroup N           lanes in a workgroup (default 256)\n"
    "  --slots N               slots that the ring will have; checked against the workgroup\n"
    "\n"
    "  --version 1.3|1.5       SPIR-V version: for Vulkan 1.1, or 1.2 and later (default 1.3)\n"
    "  --memory-model auto|glsl450|vulkan\n"
    "                          auto: vulkan from SPIR-V 1.5 on (default)\n"
    "  --names                 keep names for debuggers\n"
    "  --spec-size             workgroup size from specialization constants 0, 1, 2\n"
    "  --rounds                rounds of the loop from the push constant at offset 0\n"
    "  --loop-limit N          iterations after which the driver would cut a lane's loops\n"
    "  --unfenced              no memory barriers, for Mesa's llvmpipe\n"
    "  --no-optimize           as the builder wrote it\n"
    "\n"
    "  --format spv|c|text|glsl  words, C array, listing, GLSL (default: by the name of the\n"
    "                          output: .spv, .h or .c, .txt, .comp; else text)\n"
    "  --array NAME            of the C array (default vyre_kernel_words)\n"
    "  --header                vyre_spirv.h: the stock kernels as C arrays\n"
    "  -o FILE                 where to write (default: standard output)\n"
    "  --help                  this text\n";

static int fail(const char *what, const char *which, const char *fix)
{
    fprintf(stderr, "gen_spirv: %s%s%s%s\n%s\n", what, which ? " \"" : "", which ? which : "",
            which ? "\"" : "", fix);
    return 2;
}

static int fail_with(const vyre_error *err)
{
    return fail(err->text, NULL, err->fix);
}

/* --- options ------------------------------------------------------------- */

typedef struct choice {
    const char *name;
    uint32_t    value;
} choice;

static const choice kinds[] = { { "direct", VYRE_KERNEL_DIRECT },
                                { "priority", VYRE_KERNEL_PRIORITY }, { NULL, 0 } };
static const choice versions[] = { { "1.3", VYRE_SPIRV_1_3 }, { "1.5", VYRE_SPIRV_1_5 },
                                   { NULL, 0 } };
static const choice models[] = { { "auto", VYRE_MEMORY_MODEL_AUTO },
                                 { "glsl450", VYRE_MEMORY_MODEL_GLSL450 },
                                 { "vulkan", VYRE_MEMORY_MODEL_VULKAN }, { NULL, 0 } };
static const choice formats[] = { { "spv", FORMAT_SPV }, { "c", FORMAT_C }, { "text", FORMAT_TEXT },
                                  { "glsl", FORMAT_GLSL }, { NULL, 0 } };

static bool choose(const choice *choices, const char *name, uint32_t *out)
{
    for (; choices->name; choices++)
        if (strcmp(choices->name, name) == 0) {
            *out = choices->value;
            return true;
        }
    return false;
}

static bool number(const char *text, uint32_t *out)
{
    char *end;
    const unsigned long long value = strtoull(text, &end, 0);
    if (end == text || *end || *text == '-' || value == 0 || value > 0xffffffffull)
        return false;
    *out = (uint32_t)value;
    return true;
}

/* The flags: true when `name` is one. */
static bool take_flag(options *o, const char *name)
{
    const struct { const char *name; bool *flag; } flags[] = {
        { "--once", &o->kernel.once },           { "--io-polling", &o->kernel.io_polling },
        { "--load-miss", &o->kernel.load_miss }, { "--open-header", &o->kernel.open_header },
        { "--names", &o->spirv.names },          { "--spec-size", &o->spirv.spec_group_size },
        { "--rounds", &o->spirv.rounds },        { "--unfenced", &o->spirv.unfenced },
        { "--header", &o->header }
    };
    if (strcmp(name, "--no-optimize") == 0) {
        o->optimize = false;
        return true;
    }
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (strcmp(flags[i].name, name) == 0)
            return *flags[i].flag = true;
    return false;
}

static int take_choice(options *o, const char *name, const char *value)
{
    uint32_t chosen;
    if (strcmp(name, "--kind") == 0) {
        if (strcmp(value, "jit") == 0)
            return fail("a kernel of kind jit has a payload, which is code of your program", NULL,
                        "Build it there with vyre_kernel_build and vyre_spirv_emit.");
        if (!choose(kinds, value, &chosen))
            return fail("no kernel kind", value, "The kinds are direct and priority.");
        o->kernel.kind = (vyre_kernel_kind)chosen;
    } else if (strcmp(name, "--version") == 0) {
        if (!choose(versions, value, &o->spirv.version))
            return fail("no SPIR-V version", value,
                        "Use 1.3, which Vulkan 1.1 takes, or 1.5, for Vulkan 1.2 and later.");
    } else if (strcmp(name, "--memory-model") == 0) {
        if (!choose(models, value, &chosen))
            return fail("no memory model", value, "Use auto, glsl450 or vulkan.");
        o->spirv.memory_model = (vyre_memory_model)chosen;
    } else {
        if (!choose(formats, value, &chosen))
            return fail("no format", value, "Use spv, c, text or glsl.");
        o->format = (format)chosen;
        o->format_given = true;
    }
    return 0;
}

static int take_number(const char *name, const char *value, uint32_t *out)
{
    if (number(value, out))
        return 0;
    fprintf(stderr, "gen_spirv: %s needs a number from 1 to 4294967295, not \"%s\"\n", name, value);
    return 2;
}

static int take_option(options *o, const char *name, const char *value)
{
    static const char *const with_choice[] = { "--kind", "--version", "--memory-model",
                                               "--format" };
    for (size_t i = 0; i < sizeof with_choice / sizeof with_choice[0]; i++)
        if (strcmp(name, with_choice[i]) == 0)
            return value ? take_choice(o, name, value)
                         : fail("a value is missing behind", name, "See gen_spirv --help.");
    const bool text = strcmp(name, "-o") == 0 || strcmp(name, "--array") == 0;
    uint32_t *to = strcmp(name, "--workgroup") == 0  ? &o->kernel.workgroup_size
                   : strcmp(name, "--slots") == 0      ? &o->kernel.slot_count
                   : strcmp(name, "--loop-limit") == 0 ? &o->spirv.loop_limit
                                                       : NULL;
    if (!text && !to)
        return fail("no option", name, "See gen_spirv --help.");
    if (!value)
        return fail("a value is missing behind", name, "See gen_spirv --help.");
    if (to)
        return take_number(name, value, to);
    *(strcmp(name, "-o") == 0 ? &o->output : &o->array) = value;
    return 0;
}

static int take_options(options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (take_flag(o, argv[i]))
            continue;
        const int result = take_option(o, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
        if (result)
            return result;
        i++;
    }
    return 0;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

static format format_of(const options *o)
{
    if (o->format_given || !o->output)
        return o->format_given ? o->format : FORMAT_TEXT;
    if (ends_with(o->output, ".spv"))
        return FORMAT_SPV;
    if (ends_with(o->output, ".h") || ends_with(o->output, ".c"))
        return FORMAT_C;
    return ends_with(o->output, ".comp") ? FORMAT_GLSL : FORMAT_TEXT;
}

/* --- writing ------------------------------------------------------------- */

static void write_array(FILE *file, const char *name, const vyre_spirv *m)
{
    fprintf(file, "static const uint32_t %s[%u] = {", name, (unsigned)m->word_count);
    for (size_t i = 0; i < m->word_count; i++)
        fprintf(file, "%s0x%08x%s", i % 8 ? " " : "\n    ", (unsigned)m->words[i],
                i + 1 < m->word_count ? "," : "\n");
    fprintf(file, "};\n");
}

/* Bytes of the file are little-endian on every host. */
static void write_words(FILE *file, const vyre_spirv *m)
{
    for (size_t i = 0; i < m->word_count; i++)
        for (unsigned shift = 0; shift < 32; shift += 8)
            fputc((int)(m->words[i] >> shift & 0xff), file);
}

static int write_text(FILE *file, const options *o, const vyre_program *p)
{
    const bool glsl = format_of(o) == FORMAT_GLSL;
    const size_t length = glsl ? vyre_program_glsl(p, &o->spirv, NULL, 0)
                               : vyre_program_text(p, NULL, 0);
    char *text = (char *)malloc(length + 1);
    if (!text)
        return fail("out of memory", NULL, "Close something.");
    if (glsl)
        vyre_program_glsl(p, &o->spirv, text, length + 1);
    else
        vyre_program_text(p, text, length + 1);
    fputs(text, file);
    free(text);
    return 0;
}

static vyre_program *build(const options *o, vyre_error *err)
{
    vyre_program *p = vyre_kernel_build(&o->kernel, err);
    if (p && o->optimize && vyre_program_optimize(p, err) < 0) {
        vyre_program_destroy(p);
        return NULL;
    }
    return p;
}

static int write_kernel(FILE *file, const options *o)
{
    vyre_error err;
    vyre_spirv module;
    int result = 0;
    vyre_program *p = build(o, &err);
    if (!p)
        return fail_with(&err);
    const format f = format_of(o);
    if (f == FORMAT_TEXT || f == FORMAT_GLSL) {
        result = write_text(file, o, p);
    } else if (vyre_spirv_emit(p, &o->spirv, &module, &err) < 0) {
        result = fail_with(&err);
    } else {
        if (f == FORMAT_SPV)
            write_words(file, &module);
        else
            write_array(file, o->array ? o->array : "vyre_kernel_words", &module);
        vyre_spirv_free(&module);
    }
    vyre_program_destroy(p);
    return result;
}

/* --- vyre_spirv.h -------------------------------------------------------- */

static const char header_top[] =
    "/* vyre_spirv.h - the stock kernels of vyre.h as SPIR-V, for an engine of your own\n"
    " *\n"
    " * Generated by tools/gen_spirv/gen_spirv.c; needs nothing else of vyre.h.  MIT licence; see vyre.h.\n"
    " *\n"
    " *     vyre_spirv_direct       loops over a ring of slots and runs their opcodes\n"
    " *     vyre_spirv_direct_once  one pass over the ring\n"
    " *     vyre_spirv_priority     loops, urgent partitions of the ring first\n"
    " *\n"
    " * Vulkan 1.1 is enough: SPIR-V 1.3, memory model GLSL450, no capability but Shader.\n"
    " *\n"
    " * BIND descriptor set 0, four storage buffers of little-endian u32 words:\n"
    " *\n"
    " *     0 control  at least 160 words + observables.  Start: all 0, but word 2 = 3, and\n"
    " *                word 3 + t = 1 for each tenant t that may work.  Words 129..134 of a\n"
    " *                priority kernel: where its five partitions start, and the slot count.\n"
    " *     1 ring     16 words a slot: STATUS OPCODE TENANT PRIORITY ARG0..ARG11, all 0.  The\n"
    " *                kernel takes the number of slots from the bound size.\n"
    " *     2 log      1 + 4 words a record, all 0\n"
    " *     3 io       8 words a slot; not used by these kernels: any 4 bytes will do\n"
    " *\n"
    " * LAUNCH with specialization constants 0, 1, 2 = workgroup size (default 256, 1, 1; keep\n"
    " * y and z at 1) and any number of workgroups: lanes take turns when there are fewer than\n"
    " * slots.  Looping kernels read a push constant, a u32 at offset 0: the rounds after which\n"
    " * they return; 0 is endless.  Most drivers end a kernel that runs for seconds: launch it\n"
    " * again and again with a bounded number of rounds; all state lies in the buffers.\n"
    " *\n"
    " * PUBLISH a slot: write its words 1..15, then, with release order, STATUS = 1.  It ends\n"
    " * with STATUS 3 (done) or 7 (fault; its word 15 says why).  Control word 0 other than 0\n"
    " * stops a looping kernel.  A host that writes while the kernel runs needs host-visible\n"
    " * memory that the device does not cache.  Do not run these on Mesa's llvmpipe as they\n"
    " * are: it takes memory barriers for execution barriers; gen_spirv --unfenced has kernels\n"
    " * for it.\n"
    " */\n"
    "#ifndef VYRE_SPIRV_H\n"
    "#define VYRE_SPIRV_H\n"
    "\n"
    "#include <stdint.h>\n"
    "\n";

static int write_header(FILE *file, const options *given)
{
    static const struct {
        const char      *name;
        vyre_kernel_kind kind;
        bool             once;
    } stock[] = { { "vyre_spirv_direct", VYRE_KERNEL_DIRECT, false },
                  { "vyre_spirv_direct_once", VYRE_KERNEL_DIRECT, true },
                  { "vyre_spirv_priority", VYRE_KERNEL_PRIORITY, false } };
    options o = *given;
    o.spirv.spec_group_size = o.spirv.rounds = true;
    o.format = FORMAT_C;
    o.format_given = true;
    fputs(header_top, file);
    for (size_t i = 0; i < sizeof stock / sizeof stock[0]; i++) {
        o.kernel.kind = stock[i].kind;
        o.kernel.once = stock[i].once;
        o.array = stock[i].name;
        const int result = write_kernel(file, &o);
        if (result)
            return result;
        fputc('\n', file);
    }
    fputs("#endif\n", file);
    return 0;
}

int main(int argc, char **argv)
{
    options o;
    memset(&o, 0, sizeof o);
    o.optimize = true;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(usage, stdout);
            return 0;
        }
    int result = take_options(&o, argc, argv);
    if (result)
        return result;
    FILE *file = o.output ? fopen(o.output, "wb") : stdout;
    if (!file)
        return fail("cannot write", o.output, "Name a file in a directory that exists.");
    result = o.header ? write_header(file, &o) : write_kernel(file, &o);
    const bool broken = ferror(file) != 0;
    if ((file != stdout && fclose(file) != 0) || broken)
        result = fail("cannot write all of", o.output ? o.output : "standard output",
                      "Is the disk full?");
    if (result && o.output)
        remove(o.output);
    return result;
}

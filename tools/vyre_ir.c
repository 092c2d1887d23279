/* Looks into a program of the original, a blob or its form as a text, and runs it.
 *
 *     vyre_ir [options] FILE          "-" is the standard input
 *
 *     --check            only look whether it can be read
 *     --listing          its instructions (the default)
 *     --glsl             as GLSL
 *     --spirv            as SPIR-V words; with -o FILE
 *     --stats            how much of what it has
 *     --blob, --text     as this library writes it again, in one form or the other
 *     --run X[,Y[,Z]]    so many workgroups on the interpreter; prints what it wrote
 *     --buffer NAME=WORDS or NAME=FILE    a buffer's size, or its contents; once for each
 *     --rounds N         at most so many rounds of an endless loop; 65536
 *     --optimize         first
 *     --drop-io          without the copies of the original's IO queue
 *     -o FILE            write there instead of to the standard output
 *
 * Ends with 0, 1 for a program that cannot be read, or not as was asked for, 2 for what
 * could not be done. */
#define VYRE_NO_VULKAN
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LISTING, CHECK, GLSL, SPIRV, STATS, BLOB, TEXT, RUN };

typedef struct bytes {
    uint8_t *at;
    size_t   size;
} bytes;

typedef struct options {
    const char *file, *output;
    int         what;
    bool        optimize, drop_io;
    uint32_t    groups[3];
    uint64_t    rounds;
    const char *buffers[VYRE_MAX_BINDINGS]; /* NAME=... */
    uint32_t    buffer_count;
} options;

static int usage(void)
{
    fprintf(stderr,
            "usage: vyre_ir [--check | --listing | --glsl | --spirv | --stats | --blob | --text |\n"
            "                --run X[,Y[,Z]] [--buffer NAME=WORDS | --buffer NAME=FILE]...\n"
            "                [--rounds N]] [--optimize] [--drop-io] [-o FILE] FILE\n");
    return 2;
}

/* --- options ------------------------------------------------------------------ */

/* 1: an option, 2: one with a value, 0: none. */
static int take_option(options *o, const char *name, const char *value)
{
    static const char *const whats[] = { "--listing", "--check", "--glsl", "--spirv",
                                         "--stats",   "--blob",  "--text" };
    for (int i = 0; i < 7; i++)
        if (strcmp(name, whats[i]) == 0) {
            o->what = i;
            return 1;
        }
    if (strcmp(name, "--optimize") == 0 || strcmp(name, "--drop-io") == 0) {
        *(name[2] == 'o' ? &o->optimize : &o->drop_io) = true;
        return 1;
    }
    if (!value)
        return 0;
    if (strcmp(name, "-o") == 0) {
        o->output = value;
        return 2;
    }
    if (strcmp(name, "--run") == 0) {
        unsigned g[3] = { 1, 1, 1 };
        o->what = RUN;
        if (sscanf(value, "%u,%u,%u", &g[0], &g[1], &g[2]) < 1)
            return 0;
        for (int i = 0; i < 3; i++)
            o->groups[i] = g[i];
        return 2;
    }
    if (strcmp(name, "--rounds") == 0) {
        o->rounds = strtoull(value, NULL, 0);
        return o->rounds ? 2 : 0;
    }
    if (strcmp(name, "--buffer") != 0 || !strchr(value, '=') ||
        o->buffer_count == VYRE_MAX_BINDINGS)
        return 0;
    o->buffers[o->buffer_count++] = value;
    return 2;
}

static bool take_options(options *o, int argc, char **argv)
{
    for (int i = 1; i < argc;) {
        const bool named = argv[i][0] == '-' && argv[i][1];
        const int taken = named ? take_option(o, argv[i], i + 1 < argc ? argv[i + 1] : NULL) : 0;
        if (!taken && (o->file || named))
            return false;
        if (!taken)
            o->file = argv[i];
        i += taken ? taken : 1;
    }
    return o->file != NULL;
}

/* --- files ---------------------------------------------------------------------- */

static bool read_all(const char *path, bytes *out)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    size_t capacity = 0;
    out->at = NULL;
    out->size = 0;
    while (file && !ferror(file) && !feof(file)) {
        uint8_t *more = capacity - out->size < 4096
                            ? (uint8_t *)realloc(out->at, capacity += capacity + 65536) : out->at;
        if (!more)
            break;
        out->at = more;
        out->size += fread(out->at + out->size, 1, capacity - out->size, file);
    }
    const bool good = file && !ferror(file) && feof(file);
    if (file && file != stdin)
        fclose(file);
    if (!good)
        free(out->at);
    return good;
}

/* The bytes around the one that is to blame, which is marked. */
static void show_bytes(const bytes *b, uint64_t at)
{
    const uint64_t first = at < 8 ? 0 : at - 8;
    if (b->size == 0 || at > b->size)
        return;
    fprintf(stderr, "  %06llx ", (unsigned long long)first);
    for (uint64_t i = first; i < first + 24 && i < b->size; i++)
        fprintf(stderr, i == at ? ">%02x" : " %02x", b->at[i]);
    fprintf(stderr, at == b->size ? ">end\n" : "\n");
}

static int complain(const options *o, const bytes *b, const vyre_error *err)
{
    fprintf(stderr, "%s: %s\n", o->file, err->text);
    if (b)
        show_bytes(b, err->at);
    fprintf(stderr, "%s\n", err->fix);
    return 1;
}

/* --- what is printed --------------------------------------------------------------- */

static bool write_listing(FILE *file, const options *o, const vyre_program *p)
{
    const size_t size = 1 + (o->what == GLSL ? vyre_program_glsl(p, NULL, NULL, 0)
                                             : vyre_program_text(p, NULL, 0));
    char *text = (char *)malloc(size);
    if (!text)
        return false;
    if (o->what == GLSL)
        vyre_program_glsl(p, NULL, text, size);
    else
        vyre_program_text(p, text, size);
    const bool good = fputs(text, file) >= 0;
    free(text);
    return good;
}

static int write_spirv(FILE *file, const options *o, const vyre_program *p)
{
    vyre_spirv module;
    vyre_error err;
    if (vyre_spirv_emit(p, NULL, &module, &err) < 0)
        return complain(o, NULL, &err);
    const bool good = fwrite(module.words, 4, module.word_count, file) == module.word_count;
    vyre_spirv_free(&module);
    return good ? 0 : 2;
}

/* As a blob or as a text of this library's. */
static int write_again(FILE *file, const options *o, const vyre_program *p)
{
    vyre_error err;
    const size_t size = vyre_program_export(p, o->what == TEXT, NULL, 0, &err);
    if (size == 0)
        return complain(o, NULL, &err);
    char *out = (char *)malloc(size + 1);
    const bool good = out && vyre_program_export(p, o->what == TEXT, out, size + 1, &err) == size &&
                      fwrite(out, 1, size, file) == size;
    free(out);
    return good ? 0 : 2;
}

static bool write_stats(FILE *file, const vyre_import_info *info, const vyre_program *p)
{
    fprintf(file, "operation    %s\n", info->entry_op[0] ? info->entry_op : "-");
    fprintf(file, "workgroup    %u x %u x %u\n", (unsigned)p->group_size[0],
            (unsigned)p->group_size[1], (unsigned)p->group_size[2]);
    fprintf(file, "buffers      %u\n", (unsigned)info->buffers);
    fprintf(file, "statements   %u, %u of them left out\n", (unsigned)info->statements,
            (unsigned)info->dropped);
    fprintf(file, "expressions  %u, %u of them calls\n", (unsigned)info->expressions,
            (unsigned)info->calls);
    fprintf(file, "instructions %u\n", (unsigned)vyre_program_instruction_count(p));
    fprintf(file, "canonical    %s\n", info->canonical ? "yes" : "no");
    fprintf(file, "digest       ");
    for (unsigned i = 0; i < sizeof info->digest; i++)
        fprintf(file, "%02x", info->digest[i]);
    return fputc('\n', file) != EOF;
}

/* --- running ------------------------------------------------------------------------ */

/* As the options say: words of 0, or what a file holds; else as many as are declared. */
static bool fill_buffer(const options *o, const vyi_buffer *b, bytes *out)
{
    const size_t length = strlen(b->name);
    out->size = 4 * (size_t)b->count;
    for (uint32_t i = 0; i < o->buffer_count; i++) {
        const char *value = o->buffers[i] + length + 1;
        char *end;
        if (strncmp(o->buffers[i], b->name, length) != 0 || o->buffers[i][length] != '=')
            continue;
        const unsigned long long words = strtoull(value, &end, 0);
        if (*end || end == value)
            return read_all(value, out);
        out->size = 4 * (size_t)words;
    }
    out->at = (uint8_t *)calloc(out->size ? out->size : 4, 1);
    return out->at != NULL;
}

static void print_words(FILE *file, const vyi_buffer *b, const bytes *content)
{
    fprintf(file, "%s:", b->name);
    for (size_t i = 0; i + 4 <= content->size; i += 4)
        fprintf(file, "%s%08x", i % 32 ? " " : "\n ", (unsigned)vyi_get32(content->at + i));
    fputc('\n', file);
}

static int run(FILE *file, const options *o, const vyre_program *p)
{
    bytes contents[VYRE_MAX_BINDINGS];
    const vyi_buffer *buffers[VYRE_MAX_BINDINGS];
    void *bound[VYRE_MAX_BINDINGS];
    size_t sizes[VYRE_MAX_BINDINGS];
    vyre_interp_desc desc;
    vyre_error err;
    int result = 0;
    memset(&desc, 0, sizeof desc);
    for (uint32_t binding = 0; binding < VYRE_MAX_BINDINGS; binding++) {
        for (uint32_t i = 0; i < p->buffer_count && result == 0; i++) {
            const vyi_buffer *b = &p->buffers[i];
            const uint32_t n = desc.buffer_count;
            if (b->binding != binding)
                continue;
            if (!fill_buffer(o, b, &contents[n])) {
                fprintf(stderr, "vyre_ir: no contents for buffer %s\n", b->name);
                result = 2;
                break;
            }
            buffers[n] = b;
            bound[n] = contents[n].at;
            sizes[n] = contents[n].size;
            desc.buffer_count++;
        }
    }
    memcpy(desc.groups, o->groups, sizeof desc.groups);
    desc.buffers = bound;
    desc.sizes = sizes;
    desc.max_rounds = o->rounds ? o->rounds : 65536;
    const vyre_status status = result ? VYRE_OK : vyre_interpret(p, &desc, &err);
    if (status < 0)
        result = complain(o, NULL, &err);
    if (status == VYRE_TIMEOUT)
        fprintf(stderr, "%s: an endless loop was ended after %llu rounds\n", o->file,
                (unsigned long long)desc.max_rounds);
    for (uint32_t i = 0; i < desc.buffer_count; i++) {
        if (result == 0 && buffers[i]->access != VYRE_ACCESS_READ)
            print_words(file, buffers[i], &contents[i]);
        free(contents[i].at);
    }
    return result;
}

/* --- the whole ------------------------------------------------------------------------ */

static int write_output(const options *o, const vyre_import_info *info, const vyre_program *p)
{
    FILE *file = o->output ? fopen(o->output, "wb") : stdout;
    int result = 2;
    if (file && o->what == SPIRV)
        result = write_spirv(file, o, p);
    else if (file && o->what == RUN)
        result = run(file, o, p);
    else if (file && (o->what == BLOB || o->what == TEXT))
        result = write_again(file, o, p);
    else if (file)
        result = (o->what == STATS ? write_stats(file, info, p)
                                   : write_listing(file, o, p)) ? 0 : 2;
    if (file && o->output && fclose(file) != 0)
        result = 2;
    if (!file)
        fprintf(stderr, "vyre_ir: cannot write %s\n", o->output);
    return result;
}

/* Of a text the bytes that it holds; of a blob the blob. */
static int unpack(const options *o, bytes *b)
{
    vyre_error err;
    bytes blob = { NULL, 0 };
    if (!vyi_exchange_is_text(b->at, b->size))
        return 0;
    if (vyi_exchange_text_size(b->at, b->size, &blob.size, &err) < 0)
        return complain(o, b, &err);
    blob.at = (uint8_t *)malloc(blob.size + 1);
    if (!blob.at)
        return 2;
    if (vyi_exchange_text_read(b->at, b->size, blob.at, blob.size, &err) < 0) {
        free(blob.at);
        return complain(o, b, &err);
    }
    free(b->at);
    *b = blob;
    return 0;
}

static int look(const options *o, const bytes *b)
{
    vyre_import_info info;
    vyre_import_desc desc;
    vyre_error err;
    if (o->what == CHECK)
        return vyre_exchange_check(b->at, b->size, NULL, &err) < 0 ? complain(o, b, &err) : 0;
    memset(&desc, 0, sizeof desc);
    desc.drop_io = o->drop_io;
    vyre_program *p = vyre_program_import(b->at, b->size, &desc, &info, &err);
    if (!p)
        return complain(o, b, &err);
    int result = 0;
    if (o->optimize && vyre_program_optimize(p, &err) < 0)
        result = complain(o, NULL, &err);
    if (result == 0)
        result = write_output(o, &info, p);
    vyre_program_destroy(p);
    return result;
}

int main(int argc, char **argv)
{
    static options o;
    bytes b;
    if (!take_options(&o, argc, argv))
        return usage();
    if (!read_all(o.file, &b)) {
        fprintf(stderr, "vyre_ir: cannot read %s\n", o.file);
        return 2;
    }
    int result = unpack(&o, &b);
    if (result == 0)
        result = look(&o, &b);
    free(b.at);
    return result;
}

/* Compiles a handler's text, and says what is wrong with it as compilers do.
 *
 *     vyre_cc [options] FILE          "-" is the standard input
 *
 *     --check            only look for mistakes
 *     --listing          the kernel's instructions (the default)
 *     --glsl             the kernel as GLSL
 *     --spirv            the kernel as SPIR-V words; with -o FILE
 *     -o FILE            write there instead of to the standard output
 *     --width lane | range | group
 *     --buffer NAME[:uint | :int | :float | :bool[:COUNT]]      once for each
 *
 * What stands in the options may stand in the text instead, in comments at the
 * beginning of a line, so that an editor can run `vyre_cc --check FILE`:
 *
 *     //@ width range
 *     //@ buffer x:float
 *
 * The kernel makes one pass, over slots or what a wide work consists of, and has the text as
 * its payload.  Ends with 0, 1 for a
 * mistake in the text, 2 for what could not be done. */
#define VYRE_NO_VULKAN
#define VYRE_IMPLEMENTATION
#include "vyre.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LISTING, CHECK, GLSL, SPIRV };

typedef struct options {
    const char      *file, *output;
    int              what;
    vyre_width       width;
    vyre_buffer_desc buffers[VYRE_MAX_BINDINGS];
    char             names[VYRE_MAX_BINDINGS][VYRE_MAX_NAME + 1];
    uint32_t         buffer_count;
    unsigned         mistakes;
} options;

static int usage(void)
{
    fprintf(stderr, "usage: vyre_cc [--check | --listing | --glsl | --spirv] [-o FILE]\n"
                    "               [--width lane | range | group]\n"
                    "               [--buffer NAME[:uint | :int | :float | :bool[:COUNT]]]... FILE\n");
    return 2;
}

static bool take_width(options *o, const char *text, size_t length)
{
    static const char *const widths[] = { "lane", "range", "group" };
    for (int i = 0; i < 3; i++)
        if (strlen(widths[i]) == length && memcmp(widths[i], text, length) == 0) {
            o->width = (vyre_width)i;
            return true;
        }
    return false;
}

/* "name", "name:type" or "name:type:count" */
static bool take_buffer(options *o, const char *text, size_t length)
{
    static const char *const types[] = { "uint", "int", "float", "bool" };
    char copy[128], *type, *count = NULL;
    if (length >= sizeof copy || length == 0 || o->buffer_count == VYRE_MAX_BINDINGS - 4)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if ((type = strchr(copy, ':')) != NULL) {
        *type++ = '\0';
        if ((count = strchr(type, ':')) != NULL)
            *count++ = '\0';
    }
    vyre_buffer_desc *b = &o->buffers[o->buffer_count];
    for (int i = 0; type && i < 4; i++)
        if (strcmp(type, types[i]) == 0)
            b->type = (vyre_type)(i + 1);
    if ((type && !b->type) || copy[0] == '\0')
        return false;
    b->name = strcpy(o->names[o->buffer_count], strlen(copy) > VYRE_MAX_NAME ? "" : copy);
    b->binding = VYRE_BINDING_USER + o->buffer_count++;
    b->count = count ? (uint32_t)strtoul(count, NULL, 0) : 0;
    return true;
}

/* 1: an option, 2: one with a value, 0: none. */
static int take_option(options *o, const char *name, const char *value)
{
    static const char *const whats[] = { "--listing", "--check", "--glsl", "--spirv" };
    for (int i = 0; i < 4; i++)
        if (strcmp(name, whats[i]) == 0) {
            o->what = i;
            return 1;
        }
    if (!value)
        return 0;
    if (strcmp(name, "-o") == 0) {
        o->output = value;
        return 2;
    }
    if (strcmp(name, "--width") == 0 && take_width(o, value, strlen(value)))
        return 2;
    return strcmp(name, "--buffer") == 0 && take_buffer(o, value, strlen(value)) ? 2 : 0;
}

static bool take_options(options *o, int argc, char **argv)
{
    int i = 1;
    while (i < argc) {
        const int taken = argv[i][0] == '-' && argv[i][1]
                              ? take_option(o, argv[i], i + 1 < argc ? argv[i + 1] : NULL) : 0;
        if (!taken && (o->file || (argv[i][0] == '-' && argv[i][1])))
            return false;
        if (!taken)
            o->file = argv[i];
        i += taken ? taken : 1;
    }
    return o->file != NULL;
}

/* "//@ width range" and "//@ buffer x:float" */
static bool take_comments(options *o, const char *text)
{
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, "//@ ", 4) != 0)
            continue;
        const char *word = line + 4, *value = word + strcspn(word, " \r\n");
        const size_t length = strcspn(value + (*value == ' '), " \r\n");
        value += *value == ' ';
        const bool good = strncmp(word, "width ", 6) == 0    ? take_width(o, value, length)
                          : strncmp(word, "buffer ", 7) == 0 && take_buffer(o, value, length);
        if (!good) {
            fprintf(stderr, "%s: cannot read \"%.*s\"\n", o->file, (int)strcspn(line, "\r\n"), line);
            return false;
        }
    }
    return true;
}

static char *read_all(const char *path)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    char *text = NULL;
    size_t size = 0, capacity = 0;
    while (file && !ferror(file) && !feof(file) && size <= VYRE_MAX_SOURCE_SIZE) {
        char *more = capacity - size < 4096 ? (char *)realloc(text, capacity += 65536) : text;
        if (!more)
            break;
        text = more;
        size += fread(text + size, 1, capacity - size - 1, file);
    }
    const bool good = file && !ferror(file) && feof(file) && text;
    if (file && file != stdin)
        fclose(file);
    if (good) {
        text[size] = '\0';
        return text;
    }
    free(text);
    return NULL;
}

/* The library names the payload; a compiler names the file. */
static void print_mistake(void *user, vyre_severity severity, const char *text)
{
    options *o = (options *)user;
    const char *rest = strncmp(text, "payload:", 8) == 0 ? text + 7 : NULL;
    (void)severity;
    o->mistakes++;
    fprintf(stderr, rest ? "%s%s\n" : "%s: %s\n", o->file, rest ? rest : text);
}

/* Wide code stands in a program of its own, which vyre_kernel_build has no name for. */
static vyre_program *compile(options *o, const char *text)
{
    vyre_kernel_desc desc;
    vyi_wide_host wide;
    vyre_error err;
    memset(&desc, 0, sizeof desc);
    memset(&wide, 0, sizeof wide);
    wide.pass = o->width != VYRE_WIDTH_LANE;
    wide.binding = wide.pass ? VYRE_BINDING_USER + o->buffer_count : 0;
    desc.kind = VYRE_KERNEL_JIT;
    desc.once = true;
    desc.payload_source = text;
    desc.payload_width = o->width;
    desc.buffers = o->buffers;
    desc.buffer_count = o->buffer_count;
    desc.messages.message = print_mistake;
    desc.messages.user = o;
    vyre_program *p = vyi_kernel_build(&desc, NULL, &wide, &err);
    if (!p && o->mistakes == 0)
        fprintf(stderr, "%s: %s\n%s\n", o->file, err.text, err.fix);
    return p;
}

static bool write_text(FILE *file, const options *o, const vyre_program *p)
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

static bool write_spirv(FILE *file, const vyre_program *p)
{
    vyre_spirv module;
    vyre_error err;
    if (vyre_spirv_emit(p, NULL, &module, &err) < 0) {
        fprintf(stderr, "vyre_cc: %s\n%s\n", err.text, err.fix);
        return false;
    }
    const bool good = fwrite(module.words, 4, module.word_count, file) == module.word_count;
    vyre_spirv_free(&module);
    return good;
}

static int write_output(const options *o, const vyre_program *p)
{
    if (o->what == CHECK)
        return 0;
    FILE *file = o->output ? fopen(o->output, "wb") : stdout;
    bool good = file && (o->what == SPIRV ? write_spirv(file, p) : write_text(file, o, p));
    if (file && o->output)
        good = fclose(file) == 0 && good;
    if (!good)
        fprintf(stderr, "vyre_cc: cannot write %s\n", o->output ? o->output : "the output");
    return good ? 0 : 2;
}

int main(int argc, char **argv)
{
    static options o;
    if (!take_options(&o, argc, argv))
        return usage();
    char *text = read_all(o.file);
    if (!text) {
        fprintf(stderr, "vyre_cc: cannot read %s\n", o.file);
        return 2;
    }
    int result = 2;
    if (take_comments(&o, text)) {
        vyre_program *p = compile(&o, text);
        result = p ? write_output(&o, p) : 1;
        vyre_program_destroy(p);
    }
    free(text);
    return result;
}

/* amalgamate: makes the single header from a root header, and checks it
 *
 *     amalgamate ROOT -o OUT      write OUT
 *     amalgamate ROOT --check OUT exit 1 unless OUT is byte for byte what -o would write
 *     amalgamate ROOT --lint      check the form of every fragment
 *
 * It inlines quoted includes and does nothing else.  Paths are relative to the
 * folder of ROOT.  A file is inlined where it is first included; a later include
 * of it is dropped, as its guard would have done.  Plain C, no dependency; the
 * result depends on the files alone.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILES 256
#define MAX_PATH_LENGTH 512
#define MAX_NAMES 8192
#define WIDTH_LIMIT 100

typedef struct buffer {
    char  *bytes;
    size_t size, capacity;
} buffer;

typedef struct private_name {
    char     text[64];
    unsigned file;
} private_name;

static struct {
    char         seen[MAX_FILES][MAX_PATH_LENGTH];
    unsigned     seen_count;
    buffer       out;
    private_name names[MAX_NAMES];
    unsigned     name_count;
    unsigned     complaints;
} state;

static void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("amalgamate: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(2);
}

static void append(buffer *b, const char *bytes, size_t size)
{
    if (b->size + size + 1 > b->capacity) {
        b->capacity = (b->size + size + 1) * 2;
        b->bytes = (char *)realloc(b->bytes, b->capacity);
        if (!b->bytes)
            die("out of memory at %zu bytes", b->capacity);
    }
    memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
    b->bytes[b->size] = '\0';
}

static buffer read_file(const char *path)
{
    buffer text = { NULL, 0, 0 };
    FILE *file = fopen(path, "rb");
    if (!file)
        die("cannot open %s", path);
    append(&text, "", 0);
    char chunk[16384];
    size_t got;
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
        append(&text, chunk, got);
    fclose(file);
    return text;
}

/* --- inlining ------------------------------------------------------------ */

static bool seen_before(const char *path)
{
    for (unsigned i = 0; i < state.seen_count; i++) {
        if (strcmp(state.seen[i], path) == 0)
            return true;
    }
    if (state.seen_count == MAX_FILES)
        die("more than %d files", MAX_FILES);
    snprintf(state.seen[state.seen_count++], MAX_PATH_LENGTH, "%s", path);
    return false;
}

/* The path of a quoted include, which is relative to the folder of the root
 * header; false when the line is none. */
static bool quoted_include(const char *line, char *path)
{
    while (*line == ' ')
        line++;
    if (*line++ != '#')
        return false;
    while (*line == ' ')
        line++;
    if (strncmp(line, "include", 7) != 0)
        return false;
    line += 7;
    while (*line == ' ')
        line++;
    if (*line != '"')
        return false;
    const char *end = strchr(line + 1, '"');
    if (!end)
        return false;

    const char *root = state.seen[0], *slash = strrchr(root, '/');
    int folder = slash ? (int)(slash - root + 1) : 0;
    snprintf(path, MAX_PATH_LENGTH, "%.*s%.*s", folder, root, (int)(end - line - 1), line + 1);
    return true;
}

static void inline_file(const char *path, unsigned depth)
{
    if (depth > 16)
        die("includes nest too deeply at %s", path);
    if (seen_before(path))
        return;

    buffer text = read_file(path);
    for (char *line = text.bytes; *line;) {
        char *end = strchr(line, '\n');
        if (!end)
            die("%s does not end with a line end", path);
        *end = '\0';
        char inner[MAX_PATH_LENGTH];
        if (quoted_include(line, inner)) {
            inline_file(inner, depth + 1);
        } else {
            append(&state.out, line, (size_t)(end - line));
            append(&state.out, "\n", 1);
        }
        line = end + 1;
    }
    free(text.bytes);
}

/* --- lint ---------------------------------------------------------------- */

static void complain(const char *path, unsigned line, const char *what)
{
    fprintf(stderr, "%s:%u: %s\n", path, line, what);
    state.complaints++;
}

static void lint_line(const char *path, unsigned number, const char *line)
{
    size_t length = strlen(line);
    if (length > WIDTH_LIMIT)
        complain(path, number, "wider than 100 columns");
    if (strchr(line, '\t'))
        complain(path, number, "a tab; indent with four spaces");
    if (length && line[length - 1] == ' ')
        complain(path, number, "trailing blank");
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)line[i];
        if ((c < 32 && c != '\t') || c > 126) {
            complain(path, number, "not printable ASCII");
            break;
        }
    }
}

static void lint_private_name(const char *path, unsigned line, const char *name, unsigned file)
{
    for (unsigned i = 0; i < state.name_count; i++) {
        if (strcmp(state.names[i].text, name) != 0)
            continue;
        if (state.names[i].file != file) {
            char what[256];
            snprintf(what, sizeof what, "private name %s is also defined in %s", name,
                     state.seen[state.names[i].file]);
            complain(path, line, what);
        }
        return;
    }
    if (state.name_count == MAX_NAMES)
        die("more than %d private names", MAX_NAMES);
    snprintf(state.names[state.name_count].text, sizeof state.names[0].text, "%s", name);
    state.names[state.name_count++].file = file;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* A definition at file scope: a static function or object, a type, or a
 * macro.  (The
 * single header is one translation unit, so these must not meet.) */
static void lint_definition(const char *path, unsigned number, const char *line, unsigned file)
{
    const char *at = NULL;
    if (strncmp(line, "static ", 7) == 0)
        at = strstr(line, "vyi_");
    else if (strncmp(line, "} vyi_", 6) == 0)
        at = line + 2;
    else if (strncmp(line, "#define VYI_", 12) == 0)
        at = line + 8;
    if (!at)
        return;

    /* The defined name is the last private one before '(', '[', '=' or ';'. */
    char name[64] = "";
    for (const char *p = at; *p && !strchr("([=;", *p); p++) {
        if ((strncmp(p, "vyi_", 4) != 0 && strncmp(p, "VYI_", 4) != 0) ||
            (p > line && is_name_char(p[-1])))
            continue;
        size_t n = 0;
        while (is_name_char(p[n]) && n < sizeof name - 1)
            n++;
        memcpy(name, p, n);
        name[n] = '\0';
        if (line[0] == '#')
            break;
    }
    if (name[0])
        lint_private_name(path, number, name, file);
}

static void lint_file(unsigned file)
{
    const char *path = state.seen[file];
    buffer text = read_file(path);
    unsigned number = 0;
    for (char *line = text.bytes; *line;) {
        char *end = strchr(line, '\n');
        if (!end)
            die("%s does not end with a line end", path);
        *end = '\0';
        number++;
        lint_line(path, number, line);
        lint_definition(path, number, line, file);
        line = end + 1;
    }
    free(text.bytes);
}

/* --- commands ------------------------------------------------------------ */

static int check(const char *path)
{
    buffer old = read_file(path);
    size_t at = 0;
    unsigned line = 1;
    while (at < old.size && at < state.out.size && old.bytes[at] == state.out.bytes[at]) {
        if (old.bytes[at] == '\n')
            line++;
        at++;
    }
    bool same = old.size == state.out.size && at == old.size;
    if (!same)
        fprintf(stderr, "%s differs from its sources at line %u; run `make amalgamate`\n", path,
                line);
    free(old.bytes);
    return same ? 0 : 1;
}

static int write_out(const char *path)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        die("cannot write %s", path);
    bool ok = fwrite(state.out.bytes, 1, state.out.size, file) == state.out.size;
    if (fclose(file) != 0 || !ok)
        die("cannot write %s", path);
    return 0;
}

static int lint(void)
{
    for (unsigned i = 0; i < state.seen_count; i++)
        lint_file(i);
    return state.complaints ? 1 : 0;
}

int main(int argc, char **argv)
{
    bool to_lint = argc == 3 && strcmp(argv[2], "--lint") == 0;
    bool to_write = argc == 4 && strcmp(argv[2], "-o") == 0;
    bool to_check = argc == 4 && strcmp(argv[2], "--check") == 0;
    if (!to_lint && !to_write && !to_check)
        die("usage: amalgamate ROOT (-o OUT | --check OUT | --lint)");

    inline_file(argv[1], 0);
    if (to_lint)
        return lint();
    return to_write ? write_out(argv[3]) : check(argv[3]);
}

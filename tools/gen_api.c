/* gen_api: makes docs/api.md from the comments and declarations of the headers
 *
 *     gen_api ROOT -o OUT      write OUT
 *     gen_api ROOT --check OUT exit 1 unless OUT is byte for byte what -o would write
 *
 * ROOT names the public headers, in order, by quoted includes of .h files.  In
 * each of them a banner comment begins a chapter, a comment with dashes a
 * section, and what stands between two blank lines is one entry: its comment
 * becomes text, its code stays code.  Private names (vyi_, VYI_) are left out.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LINE 512
#define MAX_ENTRY 400 /* lines */
#define MAX_NAMES 1024

typedef struct text {
    char  *bytes;
    size_t size, capacity;
} text;

typedef struct name {
    char word[64], chapter[32];
} name;

static struct {
    text   out, contents;
    name   names[MAX_NAMES];
    size_t name_count;
    char   chapter[32];
    /* The entry that is being read. */
    char   lines[MAX_ENTRY][MAX_LINE];
    size_t line_count;
    /* The body of the private X-macro that was defined last. */
    char   expansion[MAX_LINE];
} state;

static void die(const char *what, const char *which)
{
    fprintf(stderr, "gen_api: %s %s\n", what, which);
    exit(2);
}

static void put(text *t, const char *bytes, size_t size)
{
    if (t->size + size + 1 > t->capacity) {
        t->capacity = (t->size + size + 1) * 2;
        t->bytes = (char *)realloc(t->bytes, t->capacity);
        if (!t->bytes)
            die("no memory for", "the output");
    }
    memcpy(t->bytes + t->size, bytes, size);
    t->size += size;
    t->bytes[t->size] = '\0';
}

static void say(const char *words)
{
    put(&state.out, words, strlen(words));
}

static text read_file(const char *path)
{
    text t = { NULL, 0, 0 };
    char chunk[4096];
    size_t got;
    FILE *file = fopen(path, "rb");
    if (!file)
        die("cannot open", path);
    put(&t, "", 0);
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
        put(&t, chunk, got);
    fclose(file);
    return t;
}

/* Copies the line at *at without its end, and moves on; false at the end. */
static bool next_line(const char **at, char line[MAX_LINE])
{
    const char *begin = *at;
    if (!*begin)
        return false;
    size_t length = strcspn(begin, "\n");
    if (length >= MAX_LINE)
        die("a line is too long:", begin);
    memcpy(line, begin, length);
    line[length] = '\0';
    *at = begin + length + (begin[length] == '\n');
    return true;
}

static bool starts(const char *line, const char *with)
{
    return strncmp(line, with, strlen(with)) == 0;
}

static bool blank(const char *line)
{
    return line[strspn(line, " ")] == '\0';
}

/* --- comments ------------------------------------------------------------ */

/* The words of one line of a comment, without its stars. */
static void comment_line(const char *line, char out[MAX_LINE])
{
    const char *at = line;
    if (starts(at, "/*"))
        at += 2;
    else if (starts(at, " *") && at[2] != '/')
        at += 2;
    if (*at == ' ')
        at++;
    size_t length = strlen(at);
    if (length >= 2 && strcmp(at + length - 2, "*/") == 0)
        length -= 2;
    while (length && at[length - 1] == ' ')
        length--;
    memcpy(out, at, length);
    out[length] = '\0';
}

/* Prose; what is indented by four blanks stays as it is.  Stars and
 * underscores would be read as emphasis. */
static void say_prose(const char *line)
{
    if (starts(line, "    ")) {
        say(line);
    } else {
        bool quoted = false;
        for (const char *at = line; *at; at++) {
            if (*at == '`')
                quoted = !quoted;
            if (!quoted && strchr("*_<|", *at))
                say("\\");
            put(&state.out, at, 1);
        }
    }
    say("\n");
}

/* A banner: the chapter's title in its first line, then its text. */
static void say_banner(void)
{
    char line[MAX_LINE];
    comment_line(state.lines[1], line);
    char *colon = strchr(line, ':');
    if (!colon)
        die("a banner without a title:", line);
    *colon = '\0';
    snprintf(state.chapter, sizeof state.chapter, "%.31s", line);
    say("\n## ");
    say(line);
    say("\n\n**");
    say(colon + 2);
    say("**\n");
    for (size_t i = 2; i + 1 < state.line_count; i++) { /* the last line is the frame's */
        comment_line(state.lines[i], line);
        say_prose(starts(line, "Public.  ") ? line + 9 : line);
    }
}

static void say_section(const char *line)
{
    char title[MAX_LINE];
    const char *begin = line + strcspn(line, "-");
    begin += strspn(begin, "- ");
    size_t length = strlen(begin);
    while (length && strchr("-*/ ", begin[length - 1]))
        length--;
    memcpy(title, begin, length);
    title[length] = '\0';
    say("\n### ");
    say(title);
    say("\n");
}

/* --- X-macros as tables -------------------------------------------------- */

/* The arguments of one X(name, number, "text"), as a row; false when there is
 * none in this line or it has another form. */
static bool table_row(const char *line, char row[MAX_LINE])
{
    char word[64], number[64];
    const char *at = strstr(line, " X(");
    if (!at)
        return false;
    int used = 0;
    if (sscanf(at + 3, "%63[A-Za-z0-9_], %63[-x0-9a-fu], \"%n", word, number, &used) < 2 || !used)
        return false;
    const char *words = at + 3 + used, *end = strrchr(words, '"');
    if (!end)
        return false;
    char *suffix = strchr(number, 'u');
    if (suffix)
        *suffix = '\0';
    snprintf(row, MAX_LINE, "| `%s` | %s | %.*s |\n", word, number, (int)(end - words), words);
    return true;
}

/* True when every X of the list is such a row. */
static bool say_table(size_t first)
{
    char row[MAX_LINE];
    if (!starts(state.lines[first], "#define VYRE_") || !strstr(state.lines[first], "_LIST(X)"))
        return false;
    for (size_t i = first + 1; i < state.line_count; i++)
        if (strstr(state.lines[i], " X(") && !table_row(state.lines[i], row))
            return false;
    say("\n| name | number | meaning |\n|---|---|---|\n");
    for (size_t i = first + 1; i < state.line_count; i++)
        if (table_row(state.lines[i], row))
            say(row);
    return true;
}

/* --- entries ------------------------------------------------------------- */

static void add_name(const char *word, size_t length)
{
    if (length == 0 || length >= sizeof state.names[0].word)
        return;
    for (size_t i = 0; i < state.name_count; i++)
        if (strlen(state.names[i].word) == length && !memcmp(state.names[i].word, word, length))
            return;
    if (state.name_count == MAX_NAMES)
        die("too many names, with", word);
    name *n = &state.names[state.name_count++];
    memset(n, 0, sizeof *n);
    memcpy(n->word, word, length);
    memcpy(n->chapter, state.chapter, sizeof n->chapter);
}

static size_t word_length(const char *at)
{
    size_t length = 0;
    while (isalnum((unsigned char)at[length]) || at[length] == '_')
        length++;
    return length;
}

/* Functions, types, and the functions that X-macros name. */
static void collect_names(const char *line)
{
    const bool declares = starts(line, "VYRE_API ") || starts(line, "static inline ");
    const bool lists = strstr(line, " X(") != NULL;
    static const char *const kinds[] = { "typedef struct ", "typedef enum ", "struct ", "enum " };
    for (size_t i = 0; i < 4; i++)
        if (starts(line, kinds[i]) && starts(line + strlen(kinds[i]), "vyre"))
            add_name(line + strlen(kinds[i]), word_length(line + strlen(kinds[i])));
    for (const char *at = strstr(line, "vyre_"); at; at = strstr(at, "vyre_")) {
        size_t length = word_length(at);
        if ((declares && at[length] == '(') || (lists && at[length] == ','))
            add_name(at, length);
        at += length;
    }
}

/* A private X-macro is put where it is used; false when the line is dropped. */
static bool code_line(const char *line, char out[MAX_LINE])
{
    if (starts(line, "#define VYI_")) {
        const char *body = strchr(line, ')');
        body = body ? body + 1 : line;
        body += strspn(body, " \\");
        snprintf(state.expansion, sizeof state.expansion, "%s", body);
        return false;
    }
    if (starts(line, "#undef VYI_"))
        return false;
    const char *use = strstr(line, "_LIST(VYI_");
    if (use) {
        const char *list = line + strspn(line, " ");
        snprintf(out, MAX_LINE, "%.*s/* %.300s   for each of %.*s */", (int)(list - line) % 64,
                 line, state.expansion, (int)(use + 5 - list) % 128, list);
        return true;
    }
    snprintf(out, MAX_LINE, "%s", starts(line, "VYRE_API ") ? line + 9 : line);
    return true;
}

static bool is_private(size_t first)
{
    static const char *const heads[] = { "VYI_", "#if", "#include", "#endif", "#define VYI_",
                                         "    #define VYI_", "struct vyre_log_record;" };
    const char *line = state.lines[first];
    const bool chooses = strstr(line, "VYRE_") != NULL;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        if (starts(line, heads[i]) && !(starts(line, "#if") && chooses) &&
            !(starts(line, "#define VYI_") && strstr(line, "PROTOTYPE")))
            return true;
    return false;
}

static void say_code(size_t first)
{
    char line[MAX_LINE];
    say("\n```c\n");
    for (size_t i = first; i < state.line_count; i++) {
        collect_names(state.lines[i]);
        /* The body of a macro that goes on in the next line. */
        if (starts(state.lines[i], "#define VYI_") && strchr(state.lines[i], '\\') &&
            i + 1 < state.line_count) {
            const char *body = state.lines[i + 1];
            snprintf(state.expansion, sizeof state.expansion, "%s", body + strspn(body, " "));
            i++;
            continue;
        }
        if (code_line(state.lines[i], line)) {
            say(line);
            say("\n");
        }
    }
    say("```\n");
}

static void end_entry(void)
{
    char line[MAX_LINE];
    size_t code = 0;
    if (state.line_count == 0)
        return;
    if (starts(state.lines[0], "/* =====")) {
        say_banner();
        state.line_count = 0;
        return;
    }
    if (starts(state.lines[0], "/*"))
        while (code < state.line_count && !strstr(state.lines[code++], "*/"))
            continue;
    if (code < state.line_count && !is_private(code)) {
        if (code)
            say("\n");
        for (size_t i = 0; i < code; i++) {
            comment_line(state.lines[i], line);
            say_prose(line);
        }
        if (say_table(code))
            for (size_t i = code; i < state.line_count; i++)
                collect_names(state.lines[i]);
        else
            say_code(code);
    }
    state.line_count = 0;
}

static int depth_of(const char *line)
{
    int depth = 0;
    for (; *line; line++)
        depth += (*line == '{') - (*line == '}');
    return depth;
}

static void add_header(const char *path)
{
    char line[MAX_LINE];
    text file = read_file(path);
    const char *at = file.bytes;
    int depth = 0;
    bool comment = false;
    while (next_line(&at, line)) {
        const bool starts_entry = !comment && depth == 0 && starts(line, "/*");
        if ((blank(line) && depth == 0 && !comment) || starts_entry)
            end_entry();
        if (starts_entry && starts(line, "/* ---")) {
            say_section(line);
            continue;
        }
        if (starts(line, "VYI_EXTERN_C_") || blank(line))
            continue;
        if (state.line_count == MAX_ENTRY)
            die("an entry is too long:", line);
        snprintf(state.lines[state.line_count++], MAX_LINE, "%s", line);
        if (starts_entry || comment)
            comment = !strstr(line, "*/");
        else
            depth += depth_of(line);
        if (!comment && starts(state.lines[0], "/* ====="))
            end_entry();
    }
    end_entry();
    free(file.bytes);
}

/* --- the document -------------------------------------------------------- */

static int by_word(const void *a, const void *b)
{
    return strcmp(((const name *)a)->word, ((const name *)b)->word);
}

/* What a heading is linked by: without commas, and with hyphens for spaces. */
static void anchor_of(char *dst, size_t size, const char *heading)
{
    size_t length = 0;
    for (; *heading && length + 1 < size; heading++) {
        if (*heading != ',')
            dst[length++] = *heading == ' ' ? '-' : *heading;
    }
    dst[length] = 0;
}

static void say_index(void)
{
    char line[2 * MAX_LINE], anchor[64];
    qsort(state.names, state.name_count, sizeof state.names[0], by_word);
    say("\n## Index\n\n");
    for (size_t i = 0; i < state.name_count; i++) {
        anchor_of(anchor, sizeof anchor, state.names[i].chapter);
        snprintf(line, sizeof line, "* `%s`: [%s](#%s)\n", state.names[i].word,
                 state.names[i].chapter, anchor);
        say(line);
    }
}

static void make_document(const char *root)
{
    char line[MAX_LINE], include[MAX_LINE], path[2 * MAX_LINE];
    const char *slash = strrchr(root, '/');
    const int folder = slash ? (int)(slash - root + 1) : 0;
    text file = read_file(root);
    const char *at = file.bytes;

    put(&state.out, "", 0);
    say("# The functions and types of vyre.h\n\n"
        "Generated by `make docs` from the comments in the headers of `src/`: change it there.\n"
        "The chapters stand in the order of the header; the index is at the end.\n");
    while (next_line(&at, line))
        if (sscanf(line, "#include \"%511[^\"]", include) == 1 &&
            strcmp(include + strlen(include) - 2, ".h") == 0) {
            snprintf(path, sizeof path, "%.*s%s", folder, root, include);
            add_header(path);
        }
    say_index();
    free(file.bytes);
}

int main(int count, char **arguments)
{
    if (count != 4 || (strcmp(arguments[2], "-o") && strcmp(arguments[2], "--check")))
        die("usage:", "gen_api ROOT -o OUT | gen_api ROOT --check OUT");
    make_document(arguments[1]);
    if (strcmp(arguments[2], "-o") == 0) {
        FILE *file = fopen(arguments[3], "wb");
        if (!file || fwrite(state.out.bytes, 1, state.out.size, file) != state.out.size ||
            fclose(file) != 0)
            die("cannot write", arguments[3]);
        return 0;
    }
    text there = read_file(arguments[3]);
    if (there.size == state.out.size && memcmp(there.bytes, state.out.bytes, there.size) == 0)
        return 0;
    fprintf(stderr, "gen_api: %s is not what the headers say; run make docs\n", arguments[3]);
    return 1;
}

/* One small mistake in a source file, the same for the same seed:
 *
 *   mutate SEED OUTPUT FILE...
 *
 * chooses one place of all files, writes that file with the mistake to OUTPUT, and prints
 * "file:line: line => changed line".  Comments, texts, asserts and the preprocessor's lines are
 * left alone, and so are memory orders: this machine's processor does not show those, the
 * protocols' tests model them. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 512, SITES = 100000 };

/* Text => text; both ends of `from` are as written, so " < " is not part of " << ". */
static const struct change {
    const char *from, *to;
} changes[] = {
    { " < ", " <= " },   { " <= ", " < " },   { " > ", " >= " },         { " >= ", " > " },
    { " == ", " != " },  { " != ", " == " },  { " && ", " || " },        { " || ", " && " },
    { " + ", " - " },    { " - ", " + " },    { " & ", " | " },          { "return true;", "return false;" },
    { "return false;", "return true;" },      { "(!", "(" },             { " !", " " },
    { "++;", "--;" },    { " += ", " -= " },  { "break;", "continue;" }, { " ? ", " ? !" },
};
enum { CHANGES = sizeof changes / sizeof *changes, DROP = CHANGES };

typedef struct site {
    const char *file;
    uint32_t    line, column, change;
} site;

static site sites[SITES];
static uint32_t count;

static void fail(const char *what, const char *name)
{
    fprintf(stderr, "mutate: %s %s\n", what, name);
    exit(2);
}

/* The line with what is comment or text blanked; `comment` goes on over lines. */
static void blank(const char *line, char *code, bool *comment)
{
    char quote = 0;
    for (size_t k = 0; line[k]; k++) {
        code[k] = ' ';
        code[k + 1] = 0;
        if (*comment) {
            if (line[k] == '*' && line[k + 1] == '/') {
                *comment = false;
                code[++k] = ' ';
                code[k + 1] = 0;
            }
        } else if (quote) {
            if (line[k] == '\\' && line[k + 1]) {
                code[++k] = ' ';
                code[k + 1] = 0;
            } else if (line[k] == quote) {
                quote = 0;
            }
        } else if (line[k] == '/' && line[k + 1] == '*') {
            *comment = true;
        } else if (line[k] == '"' || line[k] == '\'') {
            quote = line[k];
        } else {
            code[k] = line[k];
        }
    }
}

/* A statement that is a whole line: a call, or an assignment, but no declaration. */
static bool is_statement(const char *line, const char *code)
{
    size_t from = strspn(line, " "), end = strcspn(line, "\n");
    if (from < 4 || end < 2 || line[end - 1] != ';' || !strncmp(line + from, "return", 6))
        return false;
    const size_t name = from + strspn(code + from, "abcdefghijklmnopqrstuvwxyz0123456789_"
                                                   "ABCDEFGHIJKLMNOPQRSTUVWXYZ.->[]*");
    return name > from && (code[name] == '(' || !strncmp(code + name, " = ", 3) ||
                           !strncmp(code + name, " |= ", 4) || !strncmp(code + name, " += ", 4));
}

static void add(const char *file, uint32_t line, size_t column, uint32_t change)
{
    if (count == SITES)
        fail("too many places in", file);
    sites[count].file = file;
    sites[count].line = line;
    sites[count].column = (uint32_t)column;
    sites[count++].change = change;
}

static void find_sites(const char *file)
{
    char line[LINE], code[LINE + 1];
    bool comment = false, macro = false;
    FILE *f = fopen(file, "r");
    if (!f)
        fail("cannot read", file);
    for (uint32_t n = 1; fgets(line, sizeof line, f); n++) {
        blank(line, code, &comment);
        const bool directive = line[0] == '#' || macro;
        macro = directive && strstr(line, "\\\n");
        if (directive || strstr(code, "VYRE_ASSERT") || line[0] != ' ')
            continue;
        for (uint32_t c = 0; c < CHANGES; c++)
            for (char *at = strstr(code, changes[c].from); at; at = strstr(at + 1, changes[c].from))
                add(file, n, (size_t)(at - code), c);
        if (is_statement(line, code))
            add(file, n, strspn(line, " "), DROP);
    }
    fclose(f);
}

static void change_line(const site *s, const char *line, char *out, size_t size)
{
    if (s->change == DROP)
        snprintf(out, size, "%.*s;\n", (int)s->column, line);
    else
        snprintf(out, size, "%.*s%s%s", (int)s->column, line, changes[s->change].to,
                 line + s->column + strlen(changes[s->change].from));
}

static void trimmed(const char *line)
{
    line += strspn(line, " ");
    printf("%.*s", (int)strcspn(line, "\n"), line);
}

static void write_mutant(const site *s, const char *output)
{
    char line[LINE], changed[LINE + 8];
    FILE *in = fopen(s->file, "r"), *out = fopen(output, "w");
    if (!in || !out)
        fail("cannot write", output);
    for (uint32_t n = 1; fgets(line, sizeof line, in); n++) {
        if (n == s->line) {
            change_line(s, line, changed, sizeof changed);
            printf("%s:%u: ", s->file, (unsigned)n);
            trimmed(line);
            printf("  =>  ");
            trimmed(changed);
            putchar('\n');
        }
        fputs(n == s->line ? changed : line, out);
    }
    fclose(in);
    if (fclose(out) != 0)
        fail("cannot write", output);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: mutate SEED OUTPUT FILE...\n");
        return 2;
    }
    uint64_t v = strtoull(argv[1], NULL, 0) * 0x9e3779b97f4a7c15ull + 0x1234567ull;
    v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9ull;
    v = (v ^ (v >> 27)) * 0x94d049bb133111ebull;
    v ^= v >> 31;
    for (int k = 3; k < argc; k++)
        find_sites(argv[k]);
    if (!count)
        fail("nothing to change in", argv[3]);
    write_mutant(&sites[v % count], argv[2]);
    return 0;
}

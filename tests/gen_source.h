/* Random texts in the language of docs/source.md, the same for the same seed, in
 * which GLSL leaves nothing undefined.
 *
 *     say_text text;
 *     say_source(seed, &text);    // text.functions stands before text.body
 *
 * A lane reads x[0 .. 127], and writes its own 16 words of y; `id` is its number.
 * Divisors are positive, shifts below 32, indexes inside, variables set, floats
 * small multiples of a quarter, and no operand changes what another one reads. */
#ifndef GEN_SOURCE_H
#define GEN_SOURCE_H

#include "test.h"

#define SAY_TEXT_SIZE 32768u
#define SAY_VARIABLES 40u

typedef struct say_text {
    char functions[SAY_TEXT_SIZE], body[SAY_TEXT_SIZE];
} say_text;

typedef struct say_variable {
    char     type; /* u, i, b, f */
    bool     fixed;
    uint32_t number;
} say_variable;

typedef struct say_function {
    char     type;      /* v: void */
    char     params[5]; /* u i b f; upper case: inout of that type */
} say_function;

typedef struct say_writer {
    uint64_t     random;
    char        *dst;
    size_t       length;
    uint32_t     next, count; /* variables */
    say_variable variables[SAY_VARIABLES];
    say_function functions[4];
    uint32_t     function_count;
    uint32_t     loops, switches, statements;
    char         returns;     /* of the function; 'v' in main */
} say_writer;

static uint32_t say_pick(say_writer *g, uint32_t n)
{
    return (uint32_t)((test_random(&g->random) >> 20) % n);
}

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static void say_put(say_writer *g, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int n = vsnprintf(g->dst + g->length, SAY_TEXT_SIZE - g->length, format, arguments);
    va_end(arguments);
    if (n < 0 || g->length + (size_t)n >= SAY_TEXT_SIZE)
        abort();
    g->length += (size_t)n;
}

static const char *say_type_name(char type)
{
    return type == 'u' ? "uint" : type == 'i' ? "int" : type == 'b' ? "bool"
           : type == 'f' ? "float" : "void";
}

/* A variable of the type, NULL without one; `change`: one that may be assigned. */
static const say_variable *say_find(say_writer *g, char type, bool change)
{
    const uint32_t first = g->count ? say_pick(g, g->count) : 0;
    for (uint32_t i = 0; i < g->count; i++) {
        const say_variable *v = &g->variables[(first + i) % g->count];
        if (v->type == type && !(change && v->fixed))
            return v;
    }
    return NULL;
}

static void say_expression(say_writer *g, char type, uint32_t depth);

/* "(" and two operands around one of the signs, which are apart by blanks. */
static void say_binary(say_writer *g, char left, const char *signs, char right, uint32_t depth)
{
    char sign[4];
    uint32_t count = 1, n = 0;
    for (const char *c = signs; *c; c++)
        count += *c == ' ';
    for (n = say_pick(g, count); n; signs++)
        n -= *signs == ' ';
    for (n = 0; signs[n] && signs[n] != ' '; n++)
        sign[n] = signs[n];
    sign[n] = '\0';
    say_put(g, "(");
    say_expression(g, left, depth);
    say_put(g, " %s ", sign);
    say_expression(g, right, depth);
    say_put(g, ")");
}

static void say_choice(say_writer *g, char type, uint32_t depth)
{
    say_put(g, "(");
    say_expression(g, 'b', depth);
    say_put(g, " ? ");
    say_expression(g, type, depth);
    say_put(g, " : ");
    say_expression(g, type, depth);
    say_put(g, ")");
}

/* A call of a function that has this type and changes nothing of the caller's. */
static bool say_call_value(say_writer *g, char type, uint32_t depth)
{
    for (uint32_t i = 0; i < g->function_count; i++) {
        const say_function *f = &g->functions[i];
        if (f->type != type || say_pick(g, 3) == 0 || strpbrk(f->params, "UIBF"))
            continue;
        say_put(g, "fn%u(", (unsigned)i);
        for (uint32_t k = 0; f->params[k]; k++) {
            say_put(g, k ? ", " : "");
            say_expression(g, f->params[k], depth);
        }
        say_put(g, ")");
        return true;
    }
    return false;
}

static void say_uint_leaf(say_writer *g)
{
    static const char *const edges[] = { "0u", "1u", "2u", "0xffffffffu", "0x80000000u", "31u",
                                         "0x7fffffffu", "017u", "1000003U" };
    const say_variable *v = say_find(g, 'u', false);
    switch (say_pick(g, 5)) {
    case 0: say_put(g, "%s", edges[say_pick(g, sizeof edges / sizeof edges[0])]); break;
    case 1: say_put(g, "x[id * 16u + %uu]", (unsigned)say_pick(g, 16)); break;
    case 2: say_put(g, "%uu", (unsigned)say_pick(g, 100)); break;
    default:
        if (v)
            say_put(g, "u%u", (unsigned)v->number);
        else
            say_put(g, "id");
        break;
    }
}

static void say_uint(say_writer *g, uint32_t depth)
{
    static const char *const calls[] = { "min(", "max(" };
    switch (say_pick(g, 16)) {
    case 0: say_binary(g, 'u', "+ - * & | ^", 'u', depth); break;
    case 1: say_binary(g, 'u', "+ - * & | ^", 'i', depth); break;
    case 2: say_put(g, "("); say_expression(g, 'u', depth); say_put(g, " %s (",
                                                                  say_pick(g, 2) ? "/" : "%");
            say_expression(g, 'u', depth); say_put(g, " | 1u))"); break;
    case 3: say_put(g, "("); say_expression(g, 'u', depth); say_put(g, " %s (",
                                                                  say_pick(g, 2) ? "<<" : ">>");
            say_expression(g, say_pick(g, 2) ? 'u' : 'i', depth); say_put(g, " & 31))"); break;
    case 4: say_put(g, "~"); say_expression(g, 'u', depth); break;
    case 5: say_put(g, "- "); say_expression(g, 'u', depth); break;
    case 6: say_put(g, "uint("); say_expression(g, "ib"[say_pick(g, 2)], depth); say_put(g, ")");
            break;
    case 7: say_choice(g, 'u', depth); break;
    case 8: say_put(g, "%s", calls[say_pick(g, 2)]); say_expression(g, 'u', depth);
            say_put(g, ", "); say_expression(g, 'u', depth); say_put(g, ")"); break;
    case 9: say_put(g, "x["); say_expression(g, 'u', depth); say_put(g, " & 127u]"); break;
    case 10: say_put(g, "y[id * 16u + ("); say_expression(g, 'u', depth); say_put(g, " & 15u)]");
             break;
    case 11: say_put(g, "bitfieldReverse("); say_expression(g, 'u', depth); say_put(g, ")"); break;
    case 12: say_put(g, "bitfieldExtract("); say_expression(g, 'u', depth);
             say_put(g, ", %u, %u)", (unsigned)say_pick(g, 16), (unsigned)say_pick(g, 17)); break;
    case 13: say_put(g, "clamp("); say_expression(g, 'u', depth);
             say_put(g, ", %uu, %uu)", (unsigned)say_pick(g, 9), 9 + (unsigned)say_pick(g, 90));
             break;
    case 14: if (say_call_value(g, 'u', depth)) break; /* else as below */
    /* fallthrough */
    default: say_uint_leaf(g); break;
    }
}

static void say_int_leaf(say_writer *g)
{
    const say_variable *v = say_find(g, 'i', false);
    if (v && say_pick(g, 3))
        say_put(g, "i%u", (unsigned)v->number);
    else if (say_pick(g, 4) == 0)
        say_put(g, "int(x[%uu])", (unsigned)say_pick(g, 128));
    else
        say_put(g, say_pick(g, 2) ? "%u" : "(-%u)", (unsigned)say_pick(g, 70));
}

static void say_int(say_writer *g, uint32_t depth)
{
    static const char *const counts[] = { "bitCount(", "findLSB(", "findMSB(" };
    switch (say_pick(g, 13)) {
    case 0: case 1: say_binary(g, 'i', "+ - * & | ^", 'i', depth); break;
    case 2: say_put(g, "("); say_expression(g, 'i', depth); say_put(g, " / (1 + (");
            say_expression(g, 'i', depth); say_put(g, " & 63)))"); break;
    case 3: say_put(g, "("); say_expression(g, 'i', depth); say_put(g, " %s (",
                                                                  say_pick(g, 2) ? "<<" : ">>");
            say_expression(g, say_pick(g, 2) ? 'u' : 'i', depth); say_put(g, " & 31))"); break;
    case 4: say_put(g, say_pick(g, 2) ? "~" : "- "); say_expression(g, 'i', depth); break;
    case 5: say_put(g, "int("); say_expression(g, "ubf"[say_pick(g, 3)], depth); say_put(g, ")");
            break;
    case 6: say_choice(g, 'i', depth); break;
    case 7: say_put(g, "%s", counts[say_pick(g, 3)]);
            say_expression(g, say_pick(g, 2) ? 'u' : 'i', depth); say_put(g, ")"); break;
    case 8: say_put(g, say_pick(g, 2) ? "min(" : "max("); say_expression(g, 'i', depth);
            say_put(g, ", "); say_expression(g, 'i', depth); say_put(g, ")"); break;
    case 9: say_put(g, "sign("); say_expression(g, 'i', depth); say_put(g, ")"); break;
    case 10: say_put(g, say_pick(g, 2) ? "x.length()" : "bitfieldExtract(");
             if (g->dst[g->length - 1] == '(') {
                 say_expression(g, 'i', depth);
                 say_put(g, ", %u, %u)", (unsigned)say_pick(g, 16), (unsigned)say_pick(g, 17));
             }
             break;
    case 11: if (say_call_value(g, 'i', depth)) break;
    /* fallthrough */
    default: say_int_leaf(g); break;
    }
}

/* A right side that changes a variable which nothing else in it reads. */
static void say_truth_with_effect(say_writer *g, uint32_t depth)
{
    const say_variable *v = say_find(g, 'u', true);
    say_put(g, "(");
    say_expression(g, 'b', depth);
    if (v)
        say_put(g, " %s u%u++ < %uu)", say_pick(g, 2) ? "&&" : "||", (unsigned)v->number,
                (unsigned)say_pick(g, 50));
    else
        say_put(g, ")");
}

static void say_bool(say_writer *g, uint32_t depth)
{
    const say_variable *v = say_find(g, 'b', false);
    switch (say_pick(g, 9)) {
    case 0: say_binary(g, 'u', "< > <= >= == !=", say_pick(g, 3) ? 'u' : 'i', depth); break;
    case 1: say_binary(g, 'i', "< > <= >= == !=", 'i', depth); break;
    case 2: say_binary(g, 'b', "&& || ^^ == !=", 'b', depth); break;
    case 3: say_put(g, "!"); say_expression(g, 'b', depth); break;
    case 4: say_binary(g, 'f', "< > <= >= == !=", 'f', depth); break;
    case 5: say_choice(g, 'b', depth); break;
    case 6: say_put(g, "bool("); say_expression(g, "ui"[say_pick(g, 2)], depth); say_put(g, ")");
            break;
    case 7: if (say_call_value(g, 'b', depth)) break;
    /* fallthrough */
    default:
        if (v)
            say_put(g, "b%u", (unsigned)v->number);
        else
            say_put(g, say_pick(g, 2) ? "true" : "false");
        break;
    }
}

static void say_float_leaf(say_writer *g)
{
    static const char *const literals[] = { "0.5", "1.25", ".75f", "3.", "2.5e1", "1e2F", "7.0" };
    const say_variable *v = say_find(g, 'f', false);
    if (v && say_pick(g, 2))
        say_put(g, "f%u", (unsigned)v->number);
    else if (say_pick(g, 2))
        say_put(g, "%s", literals[say_pick(g, 7)]);
    else
        say_put(g, "float(x[%uu] & 255u)", (unsigned)say_pick(g, 128));
}

/* Exact whatever the device rounds: one operator, of small numbers. */
static void say_float(say_writer *g)
{
    static const char *const calls[] = { "floor(", "ceil(", "trunc(", "abs(", "fract(", "sign(" };
    switch (say_pick(g, 4)) {
    case 0:
        say_put(g, "(");
        say_float_leaf(g);
        say_put(g, " %c ", "+-*"[say_pick(g, 3)]);
        if (say_pick(g, 4))
            say_float_leaf(g);
        else
            say_put(g, "%u", (unsigned)say_pick(g, 50)); /* an int becomes float */
        say_put(g, ")");
        break;
    case 1:
        say_put(g, "%s", calls[say_pick(g, 6)]);
        say_float_leaf(g);
        say_put(g, ")");
        break;
    default: say_float_leaf(g); break;
    }
}

static void say_expression(say_writer *g, char type, uint32_t depth)
{
    if (type == 'f') {
        say_float(g);
    } else if (depth == 0) {
        const say_variable *v = say_find(g, 'b', false);
        if (type == 'u')
            say_uint_leaf(g);
        else if (type == 'i')
            say_int_leaf(g);
        else if (v)
            say_put(g, "b%u", (unsigned)v->number);
        else
            say_put(g, "(id == %uu)", (unsigned)say_pick(g, 8));
    } else if (type == 'u') {
        say_uint(g, depth - 1);
    } else if (type == 'i') {
        say_int(g, depth - 1);
    } else {
        say_bool(g, depth - 1);
    }
}

/* What a variable of this type may be set to. */
static void say_value(say_writer *g, char type)
{
    if (type == 'f')
        say_put(g, "floor(clamp(");
    say_expression(g, type, 1 + say_pick(g, 3));
    if (type == 'f')
        say_put(g, ", -500.0, 500.0))");
}

/* --- statements ---------------------------------------------------------- */

static void say_block(say_writer *g, uint32_t depth);

static void say_declare(say_writer *g, char type, bool fixed)
{
    const uint32_t number = g->next++;
    say_put(g, "%s%s %c%u = ", fixed ? "const " : "", say_type_name(type), type, (unsigned)number);
    say_value(g, type);
    say_put(g, ";\n");
    if (g->count < SAY_VARIABLES) {
        const say_variable v = { type, fixed, number };
        g->variables[g->count++] = v;
    }
}

static void say_assign(say_writer *g)
{
    static const char *const ops[] = { "=", "+=", "-=", "*=", "&=", "|=", "^=" };
    const char type = "uuiibf"[say_pick(g, 6)];
    const say_variable *v = say_find(g, type, true);
    if (!v) {
        say_declare(g, type, false);
    } else if (type != 'b' && type != 'f' && say_pick(g, 4) == 0) {
        const char *step = say_pick(g, 2) ? "++" : "--";
        const bool before = say_pick(g, 2) == 0;
        say_put(g, "%s%c%u%s;\n", before ? step : "", type, (unsigned)v->number,
                before ? "" : step);
    } else {
        say_put(g, "%c%u %s ", type, (unsigned)v->number,
                ops[type == 'b' || type == 'f' ? 0 : say_pick(g, 7)]);
        say_value(g, type);
        say_put(g, ";\n");
    }
}

static void say_store(say_writer *g)
{
    static const char *const atomics[] = { "Add", "And", "Or", "Xor", "Min", "Max", "Exchange" };
    if (say_pick(g, 3)) {
        say_put(g, "y[id * 16u + %uu] %s ", (unsigned)say_pick(g, 16),
                say_pick(g, 2) ? "=" : say_pick(g, 2) ? "+=" : "^=");
        say_value(g, 'u');
        say_put(g, ";\n");
        return;
    }
    const say_variable *v = say_find(g, 'u', true);
    if (v)
        say_put(g, "u%u = ", (unsigned)v->number);
    say_put(g, "atomic%s(y[id * 16u + %uu], ", atomics[say_pick(g, 7)], (unsigned)say_pick(g, 16));
    say_value(g, 'u');
    say_put(g, ");\n");
}

static void say_body(say_writer *g, uint32_t depth)
{
    const uint32_t count = g->count;
    say_put(g, "{\n");
    say_block(g, depth);
    say_put(g, "}\n");
    g->count = count;
}

static void say_if(say_writer *g, uint32_t depth)
{
    say_put(g, "if (");
    if (say_pick(g, 4) == 0)
        say_truth_with_effect(g, 1);
    else
        say_expression(g, 'b', 2);
    say_put(g, ") ");
    say_body(g, depth);
    if (say_pick(g, 2)) {
        say_put(g, "else ");
        say_body(g, depth);
    }
}

static void say_loop(say_writer *g, uint32_t depth)
{
    const uint32_t n = g->next++, turns = 1 + say_pick(g, 5), switches = g->switches;
    const uint32_t kind = say_pick(g, 3);
    const say_variable counter = { 'u', true, n };
    g->loops++;
    g->switches = 0;
    if (kind == 0)
        say_put(g, "for (uint u%u = 0; u%u < %uu; u%u%s) ", (unsigned)n, (unsigned)n,
                (unsigned)turns, (unsigned)n, say_pick(g, 2) ? "++" : " += 1");
    else
        say_put(g, "uint u%u = 0;\n%s", (unsigned)n, kind == 1 ? "while (" : "do ");
    if (kind == 1)
        say_put(g, "u%u++ < %uu) ", (unsigned)n, (unsigned)turns);
    if (g->count < SAY_VARIABLES)
        g->variables[g->count++] = counter;
    say_body(g, depth);
    if (kind == 2)
        say_put(g, "while (u%u++ < %uu);\n", (unsigned)n, (unsigned)turns);
    g->loops--;
    g->switches = switches;
    /* The counter of a for is gone; the others stay, and stay as they are. */
    if (kind == 0 && g->count && g->variables[g->count - 1].number == n)
        g->count--;
}

static void say_switch(say_writer *g, uint32_t depth)
{
    const uint32_t arms = 1 + say_pick(g, 4), other = say_pick(g, 6);
    say_put(g, "switch (");
    say_expression(g, 'u', 1);
    say_put(g, " & 7u) {\n");
    g->switches++;
    for (uint32_t i = 0; i < arms; i++) {
        if (other == i)
            say_put(g, "default:\n");
        if (other != i || say_pick(g, 2))
            say_put(g, "case %uu:\n", (unsigned)(2 * i));
        if (say_pick(g, 3) == 0)
            say_put(g, "case %uu:\n", (unsigned)(2 * i + 1));
        say_body(g, depth);
        if (say_pick(g, 3))
            say_put(g, "break;\n");
    }
    g->switches--;
    say_put(g, "}\n");
}

static void say_jump(say_writer *g)
{
    const uint32_t kind = say_pick(g, 3);
    if (kind == 0 && (g->loops || g->switches)) {
        say_put(g, "break;\n");
    } else if (kind == 1 && g->loops) {
        say_put(g, "continue;\n");
    } else if (g->returns == 'v') {
        say_put(g, "return;\n");
    } else {
        say_put(g, "return ");
        say_value(g, g->returns);
        say_put(g, ";\n");
    }
}

/* A call for what it does; what it changes is nobody else's in the call. */
static void say_call(say_writer *g)
{
    if (g->function_count == 0) {
        say_store(g);
        return;
    }
    const uint32_t i = say_pick(g, g->function_count);
    const say_function *f = &g->functions[i];
    uint32_t out[4] = { 0, 0, 0, 0 };
    for (uint32_t k = 0; f->params[k]; k++)
        if (f->params[k] < 'a') {
            out[k] = g->next;
            say_declare(g, (char)(f->params[k] + 32), false);
        }
    say_put(g, "fn%u(", (unsigned)i);
    for (uint32_t k = 0; f->params[k]; k++) {
        say_put(g, k ? ", " : "");
        if (f->params[k] < 'a')
            say_put(g, "%c%u", f->params[k] + 32, (unsigned)out[k]);
        else
            say_put(g, f->params[k] == 'u' ? "%uu" : f->params[k] == 'i' ? "-%u"
                    : f->params[k] == 'b' ? "id > %uu" : "float(%u)", (unsigned)say_pick(g, 9));
    }
    say_put(g, ");\n");
}

static void say_statement(say_writer *g, uint32_t depth)
{
    const uint32_t kind = say_pick(g, 20);
    if (g->statements++ > 24 || depth == 0 || kind < 8) {
        if (kind % 4 == 0)
            say_store(g);
        else if (kind % 4 == 1)
            say_declare(g, "uibf"[say_pick(g, 4)], say_pick(g, 4) == 0);
        else
            say_assign(g);
    } else if (kind < 12) {
        say_if(g, depth - 1);
    } else if (kind < 15 && g->loops < 3) {
        say_loop(g, depth - 1);
    } else if (kind < 17) {
        say_switch(g, depth - 1);
    } else if (kind == 17) {
        say_body(g, depth - 1);
    } else {
        say_call(g);
    }
}

static void say_block(say_writer *g, uint32_t depth)
{
    for (uint32_t n = 1 + say_pick(g, 3); n; n--)
        say_statement(g, depth);
    if (depth < 3 && say_pick(g, 6) == 0)
        say_jump(g);
}

static void say_function_text(say_writer *g)
{
    say_function f;
    const uint32_t count = say_pick(g, 4);
    memset(&f, 0, sizeof f);
    f.type = "uuibv"[say_pick(g, 5)];
    g->count = 0;
    say_put(g, "%s fn%u(", say_type_name(f.type), (unsigned)g->function_count);
    for (uint32_t k = 0; k < count; k++) {
        static const char *const ways[] = { "", "in ", "const in ", "inout " };
        const uint32_t way = say_pick(g, 4);
        const say_variable v = { "uibf"[say_pick(g, 4)], way == 2, g->next++ };
        f.params[k] = (char)(way == 3 ? v.type - 32 : v.type);
        say_put(g, "%s%s%s %c%u", k ? ", " : "", ways[way], say_type_name(v.type), v.type,
                (unsigned)v.number);
        g->variables[g->count++] = v;
    }
    say_put(g, ") {\nuint id = gl_GlobalInvocationID.x;\n");
    g->returns = f.type;
    say_block(g, 2);
    if (f.type != 'v') {
        say_put(g, "return ");
        say_value(g, f.type);
        say_put(g, ";\n");
    }
    say_put(g, "}\n");
    g->functions[g->function_count++] = f;
}

static void say_source(uint64_t seed, say_text *text)
{
    say_writer g;
    memset(&g, 0, sizeof g);
    g.random = seed;
    g.dst = text->functions;
    text->functions[0] = '\0';
    for (uint32_t n = say_pick(&g, 4); n; n--)
        say_function_text(&g);
    g.dst = text->body;
    g.length = g.count = g.statements = 0;
    g.returns = 'v';
    say_put(&g, "uint id = gl_GlobalInvocationID.x;\n");
    for (uint32_t n = 0; n < 6; n++)
        say_declare(&g, "uiubif"[n], false);
    for (uint32_t n = 3 + say_pick(&g, 4); n; n--)
        say_statement(&g, 3);
    /* Floats as whole numbers, which they are: the sign of a zero is the device's to choose. */
    for (uint32_t k = 0; k < g.count && k < 8; k++)
        if (g.variables[k].type == 'f')
            say_put(&g, "y[id * 16u + %uu] += uint(int(f%u));\n", (unsigned)k,
                    (unsigned)g.variables[k].number);
        else
            say_put(&g, "y[id * 16u + %uu] ^= uint(%c%u);\n", (unsigned)k, g.variables[k].type,
                    (unsigned)g.variables[k].number);
}

#endif

/* ==========================================================================
 * source: the text as tokens
 * ======================================================================= */
#include "rooms/source/source_impl.h"

#ifndef VYRE_NO_SOURCE

static bool vyi_lex_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool vyi_lex_is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* The character at an offset; 0 behind the end. */
static char vyi_lex_at(const vyi_source *s, uint32_t at)
{
    return at < s->size ? s->text[at] : '\0';
}

/* From VYI_TOKEN_NAME on. */
static const char vyi_lex_texts[][9] = {
    "a name", "a number", "a text", "a token",
#define VYI_TOKEN_ENTRY(name, text) text,
    VYI_PUNCTUATOR_LIST(VYI_TOKEN_ENTRY)
    VYI_KEYWORD_LIST(VYI_TOKEN_ENTRY)
#undef VYI_TOKEN_ENTRY
};

VYI_API const char *vyi_source_kind_text(uint32_t kind)
{
    static const char singles[] = "(\0)\0{\0}\0[\0]\0;\0,\0:\0?\0=\0.\0|\0^\0&\0<\0>\0+\0-\0*\0/"
                                  "\0%\0~\0!";
    if (kind >= VYI_TOKEN_NAME && kind < VYI_TOKEN_COUNT)
        return vyi_lex_texts[kind - VYI_TOKEN_NAME];
    for (const char *c = singles; c < singles + sizeof singles; c += 2)
        if ((uint32_t)*c == kind)
            return c;
    return "the end";
}

/* The first kind from `first` to `end` whose text the `length` characters are, or `end`. */
static uint32_t vyi_lex_kind(const char *text, uint32_t length, uint32_t first, uint32_t end)
{
    for (; first < end; first++) {
        const char *known = vyi_lex_texts[first - VYI_TOKEN_NAME];
        if (known[0] == text[0] && strncmp(known, text, length) == 0 && known[length] == '\0')
            break;
    }
    return first;
}

VYI_API bool vyi_source_is(const vyi_source *s, const vyi_token *token, const char *text)
{
    return strncmp(s->text + token->at, text, token->length) == 0 && text[token->length] == '\0';
}

/* --- blanks and comments ------------------------------------------------- */

/* The offset behind a comment that begins at `at`. */
static uint32_t vyi_lex_comment(vyi_source *s, uint32_t at)
{
    const uint32_t first = at;
    const bool line = s->text[at + 1] == '/';
    for (at += 2; at < s->size; at++) {
        if (line && s->text[at] == '\n')
            return at;
        if (!line && s->text[at] == '*' && vyi_lex_at(s, at + 1) == '/')
            return at + 2;
    }
    if (!line)
        vyi_source_fail(s, first, "End it with */.", "this comment has no end");
    return s->size;
}

static uint32_t vyi_lex_blanks(vyi_source *s, uint32_t at)
{
    while (at < s->size) {
        const char c = s->text[at];
        if (c == ' ' || (c >= '\t' && c <= '\r'))
            at++;
        else if (c == '/' && (vyi_lex_at(s, at + 1) == '/' || vyi_lex_at(s, at + 1) == '*'))
            at = vyi_lex_comment(s, at);
        else
            break;
    }
    return at;
}

/* --- numbers ------------------------------------------------------------- */

/* 10^n, exact up to 22. */
static double vyi_lex_power(uint32_t n)
{
    double power = 1, square = 10;
    for (; n; n >>= 1, square *= square)
        if (n & 1)
            power *= square;
    return power;
}

/* digits * 10^exponent.  The digits are at most 19, so both steps are exact or
 * rounded once, and a double that is as good as f32 needs it. */
static uint32_t vyi_lex_scaled(uint64_t digits, int32_t exponent)
{
    double x = (double)digits;
    uint32_t bits;
    if (digits && exponent > 60)
        exponent = 60; /* infinite in any case */
    if (exponent < -80)
        x = 0;
    else if (exponent < 0)
        x /= vyi_lex_power((uint32_t)-exponent);
    else
        x *= vyi_lex_power((uint32_t)exponent);
    if (x >= 3.4028235677973366e38)
        return 0x7f800000u;
    const float narrow = (float)x;
    memcpy(&bits, &narrow, sizeof bits);
    return bits;
}

typedef struct vyi_source_number {
    uint64_t digits;   /* the first 19 */
    int32_t  exponent; /* of the digits */
    uint32_t at;
} vyi_source_number;

static void vyi_lex_digits(const vyi_source *s, vyi_source_number *n, bool fraction)
{
    for (; vyi_lex_is_digit(vyi_lex_at(s, n->at)); n->at++) {
        if (n->digits < 1000000000000000000u) {
            n->digits = 10 * n->digits + (uint64_t)(s->text[n->at] - '0');
            n->exponent -= fraction ? 1 : 0;
        } else {
            n->exponent += fraction ? 0 : 1;
        }
    }
}

/* "e-12"; false if nothing follows the e. */
static bool vyi_lex_exponent(const vyi_source *s, vyi_source_number *n)
{
    const char c = vyi_lex_at(s, n->at + 1);
    const bool minus = c == '-';
    int32_t exponent = 0;
    n->at += minus || c == '+' ? 2 : 1;
    if (!vyi_lex_is_digit(vyi_lex_at(s, n->at)))
        return false;
    for (; vyi_lex_is_digit(vyi_lex_at(s, n->at)); n->at++)
        exponent = exponent < 10000 ? 10 * exponent + (s->text[n->at] - '0') : exponent;
    n->exponent += minus ? -exponent : exponent;
    return true;
}

static void vyi_lex_number_end(vyi_source *s, vyi_token *token, uint32_t end)
{
    const uint32_t first = end;
    while (vyi_lex_is_letter(vyi_lex_at(s, end)) || vyi_lex_is_digit(vyi_lex_at(s, end)))
        end++;
    token->length = end - token->at;
    if (end == first || token->kind == VYI_TOKEN_BAD)
        return;
    token->kind = VYI_TOKEN_BAD;
    const bool wide = vyi_lex_at(s, first) == 'l' || vyi_lex_at(s, first) == 'L';
    vyi_source_fail(s, first, wide ? "There is no double; leave it out."
                                   : "Numbers end in u or nothing, 1.0 in f, too.",
                    "\"%.*s\" cannot end a number", (int)(end - first < 20 ? end - first : 20),
                    s->text + first);
}

static void vyi_lex_float(vyi_source *s, vyi_token *token, vyi_source_number *n)
{
    const char c = vyi_lex_at(s, n->at);
    if (c == '.') {
        n->at++;
        vyi_lex_digits(s, n, true);
    }
    token->type = VYRE_TYPE_F32;
    const char e = vyi_lex_at(s, n->at);
    if ((e == 'e' || e == 'E') && !vyi_lex_exponent(s, n)) {
        token->kind = VYI_TOKEN_BAD;
        vyi_source_fail(s, n->at, "Write digits after the e.", "this exponent has no digits");
    }
    token->bits = vyi_lex_scaled(n->digits, n->exponent);
    const char f = vyi_lex_at(s, n->at);
    if (f == 'f' || f == 'F')
        n->at++;
    vyi_lex_number_end(s, token, n->at);
}

static uint32_t vyi_lex_digit_value(char c)
{
    if (vyi_lex_is_digit(c))
        return (uint32_t)(c - '0');
    const char low = (char)(c | 32);
    return low >= 'a' && low <= 'f' ? (uint32_t)(low - 'a') + 10 : 99;
}

/* u, l, ul: the type of an integer's literal, and how long that is. */
static uint32_t vyi_lex_suffix(const vyi_source *s, uint32_t at, uint8_t *type)
{
    const bool u = (vyi_lex_at(s, at) | 32) == 'u';
    const bool l = (vyi_lex_at(s, at + u) | 32) == 'l';
    static const uint8_t types[2][2] = { { VYRE_TYPE_I32, VYRE_TYPE_U32 },
                                         { VYRE_TYPE_I64, VYRE_TYPE_U64 } };
    *type = types[l][u];
    return (uint32_t)u + (uint32_t)l;
}

/* Decimal, 0x and 0; an int is whatever fits 32 bits, with l at the end 64. */
static void vyi_lex_integer(vyi_source *s, vyi_token *token)
{
    const bool zero = s->text[token->at] == '0';
    const bool hex = zero && (vyi_lex_at(s, token->at + 1) | 32) == 'x';
    const uint32_t base = hex ? 16 : zero ? 8 : 10;
    uint32_t at = token->at + (hex ? 2 : 0), first = at;
    uint64_t value = 0;
    bool over = false;
    for (; vyi_lex_digit_value(vyi_lex_at(s, at)) < base; at++) {
        const uint32_t digit = vyi_lex_digit_value(s->text[at]);
        over = over || value > (UINT64_MAX - digit) / base;
        value = over ? value : value * base + digit;
    }
    const uint32_t suffix = vyi_lex_suffix(s, at, &token->type);
    const bool wide = vyi_type_is_pair(token->type);
    token->bits = (uint32_t)value;
    token->high = (uint32_t)(value >> 32);
    if (over || (!wide && value >> 32)) {
        token->kind = VYI_TOKEN_BAD;
        vyi_source_fail(s, token->at, wide ? "The largest is 18446744073709551615ul."
                                           : "The largest is 4294967295u; with ul it has 64 bits.",
                        "this number does not fit %u bits", wide ? 64u : 32u);
    } else if (at == first || vyi_lex_is_digit(vyi_lex_at(s, at))) {
        token->kind = VYI_TOKEN_BAD;
        vyi_source_fail(s, at, "0x begins sixteens, 0 eights.", "a digit of base %u is expected",
                        (unsigned)base);
    }
    vyi_lex_number_end(s, token, at + suffix);
}

static void vyi_lex_number(vyi_source *s, vyi_token *token)
{
    vyi_source_number n = { 0, 0, 0 };
    n.at = token->at;
    token->kind = VYI_TOKEN_NUMBER;
    vyi_lex_digits(s, &n, false);
    const char c = vyi_lex_at(s, n.at);
    if (c == '.' || c == 'e' || c == 'E')
        vyi_lex_float(s, token, &n);
    else
        vyi_lex_integer(s, token);
}

/* --- words and signs ----------------------------------------------------- */

static void vyi_lex_word(vyi_source *s, vyi_token *token)
{
    uint32_t end = token->at + 1;
    while (vyi_lex_is_letter(vyi_lex_at(s, end)) || vyi_lex_is_digit(vyi_lex_at(s, end)))
        end++;
    token->length = end - token->at;
    const uint32_t kind = vyi_lex_kind(s->text + token->at, token->length, VYI_TOKEN_IF,
                                       VYI_TOKEN_COUNT);
    token->kind = (uint8_t)(kind < VYI_TOKEN_COUNT ? kind : (uint32_t)VYI_TOKEN_NAME);
}

static bool vyi_lex_sign(vyi_source *s, vyi_token *token)
{
    const char c = s->text[token->at], after = vyi_lex_at(s, token->at + 1);
    token->kind = (uint8_t)c;
    token->length = 1;
    if (!strchr("+-*/%&|^<>=!", c))
        return strchr("(){}[];,:?.~", c) != NULL;
    for (uint32_t length = strchr("+-&|^<>=", after) ? 3 : 1; length > 1; length--) {
        const uint32_t kind = length <= s->size - token->at
                                  ? vyi_lex_kind(s->text + token->at, length, VYI_TOKEN_SHL_SET,
                                                 VYI_TOKEN_IF) : (uint32_t)VYI_TOKEN_IF;
        if (kind == VYI_TOKEN_IF)
            continue;
        token->kind = (uint8_t)kind;
        token->length = length;
        break;
    }
    return true;
}

/* "..", within a line; a backslash takes the next character with it. */
static void vyi_lex_text(vyi_source *s, vyi_token *token)
{
    uint32_t at = token->at + 1;
    token->kind = VYI_TOKEN_TEXT;
    while (at < s->size && s->text[at] != '"' && s->text[at] != '\n')
        at += s->text[at] == '\\' && vyi_lex_at(s, at + 1) != '\n' ? 2u : 1u;
    at = at < s->size ? at : s->size;
    if (vyi_lex_at(s, at) == '"') {
        token->length = at + 1 - token->at;
        return;
    }
    token->kind = VYI_TOKEN_BAD;
    token->length = at - token->at;
    vyi_source_fail(s, token->at, "End it with a quote on the same line.",
                    "this text has no end");
}

static void vyi_lex_other(vyi_source *s, vyi_token *token)
{
    const char c = s->text[token->at];
    token->kind = VYI_TOKEN_BAD;
    token->length = 1;
    if (c == '#')
        vyi_source_fail(s, token->at, "Write const values instead of #define.",
                        "there is no preprocessor");
    else if (c > 32 && c < 127)
        vyi_source_fail(s, token->at, "Take it out.", "'%c' has no meaning here", c);
    else
        vyi_source_fail(s, token->at, "Take it out; the language is ASCII.",
                        "byte 0x%02X has no meaning here", (unsigned)(uint8_t)c);
}

VYI_API void vyi_source_next(vyi_source *s)
{
    static const vyi_token none = { VYI_TOKEN_END, 0, 0, 0, 0, 0 };
    vyi_token *token = &s->r.token;
    s->r.last = token->at + token->length;
    *token = none;
    if (++s->steps > VYI_SOURCE_STEPS && !s->spent && !s->formulas) {
        s->spent = true;
        vyi_source_fail(s, s->r.last, "Call smaller functions, or fewer.",
                        "with all its calls this text has more than %u words",
                        (unsigned)VYI_SOURCE_STEPS);
    }
    if (s->spent)
        s->r.next = s->size;
    token->at = vyi_lex_blanks(s, s->r.next);
    if (token->at < s->size) {
        const char c = s->text[token->at];
        if (vyi_lex_is_letter(c))
            vyi_lex_word(s, token);
        else if (vyi_lex_is_digit(c) ||
                 (c == '.' && vyi_lex_is_digit(vyi_lex_at(s, token->at + 1))))
            vyi_lex_number(s, token);
        else if (c == '"')
            vyi_lex_text(s, token);
        else if (c == '\0' || !vyi_lex_sign(s, token))
            vyi_lex_other(s, token);
    }
    s->r.next = token->at + token->length;
}

/* --- the parser's view --------------------------------------------------- */

VYI_API bool vyi_source_accept(vyi_source *s, uint32_t kind)
{
    if (s->r.token.kind != kind)
        return false;
    vyi_source_next(s);
    return true;
}

VYI_API bool vyi_source_expect(vyi_source *s, uint32_t kind, const char *where)
{
    char fix[64];
    const vyi_token *found = &s->r.token;
    if (vyi_source_accept(s, kind))
        return true;
    if (found->kind == VYI_TOKEN_BAD)
        return false;
    const bool is_sign = kind < VYI_TOKEN_NAME || kind > VYI_TOKEN_BAD;
    const char *text = vyi_source_kind_text(kind), *quote = is_sign ? "\"" : "";
    snprintf(fix, sizeof fix, "Write %.20s%s.", text, is_sign ? " there" : "");
    /* What is missing at a line's end is missing there, not on the next line. */
    const bool behind = kind == ';' || kind == ')' || kind == ']';
    vyi_source_fail(s, behind && s->r.last ? s->r.last : found->at, fix,
                    "%s%s%s is expected %s", quote, text, quote, where);
    return false;
}

/* Up to the next semicolon, or to a brace of this block. */
VYI_API void vyi_source_recover(vyi_source *s)
{
    uint32_t open = 0;
    for (; s->r.token.kind != VYI_TOKEN_END; vyi_source_next(s)) {
        if (s->r.token.kind == '{')
            open++;
        if (s->r.token.kind == '}') {
            if (open == 0)
                return;
            if (--open == 0)
                break;
        }
        if (s->r.token.kind == ';' && open == 0)
            break;
    }
    if (s->r.token.kind != VYI_TOKEN_END)
        vyi_source_next(s);
}

VYI_API bool vyi_source_enter(vyi_source *s)
{
    if (s->depth++ < VYI_SOURCE_DEPTH)
        return true;
    if (s->depth == VYI_SOURCE_DEPTH + 1 && s->r.token.kind != VYI_TOKEN_END) {
        vyi_source_fail(s, s->r.token.at, "Use names for parts of it.",
                        "more than %u expressions and statements stand inside each other",
                        (unsigned)VYI_SOURCE_DEPTH);
        s->spent = true;
        vyi_source_next(s);
    }
    return false;
}

#endif /* VYRE_NO_SOURCE */

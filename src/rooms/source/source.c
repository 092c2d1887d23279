/* ==========================================================================
 * source: statements, functions, and a text as a whole
 * ======================================================================= */
#include "rooms/source/source_impl.h"

#ifndef VYRE_NO_SOURCE

/* --- declarations -------------------------------------------------------- */

static void vyi_source_fix(vyi_source_symbol *symbol, const vyi_operand *value)
{
    symbol->kind = VYI_SYMBOL_CONST;
    symbol->type = value->type;
    symbol->constant = value->constant;
    symbol->word = value->word;
}

/* A constant is a value, a variable is a local. */
static void vyi_source_define(vyi_source *s, const vyi_token *name, uint32_t type, bool fixed,
                              const vyi_operand *first)
{
    vyi_source_symbol *symbol = vyi_source_declare(
        s, name, first && first->wrong ? VYI_SYMBOL_WRONG
                                       : fixed ? VYI_SYMBOL_CONST : VYI_SYMBOL_VARIABLE, type);
    if (!symbol || symbol->kind == VYI_SYMBOL_WRONG)
        return;
    if (!fixed) {
        symbol->local = vyi_source_local(s, type, first, symbol->name, symbol->length);
        return;
    }
    vyi_source_fix(symbol, first);
}

/* "name" or "name = value" of a declaration. */
static bool vyi_source_declarator(vyi_source *s, uint32_t type, bool fixed)
{
    const vyi_token name = s->r.token;
    if (!vyi_source_expect(s, VYI_TOKEN_NAME, "after a type"))
        return false;
    if (s->r.token.kind == '[') {
        vyi_source_fail(s, s->r.token.at, "Use a buffer.", "a variable holds one value");
        return false;
    }
    if (vyi_source_accept(s, '=')) {
        vyi_operand first = vyi_source_assignment(s);
        first = vyi_source_load(s, first);
        first = vyi_source_convert(s, type, first, "this variable");
        vyi_source_define(s, &name, type, fixed, &first);
        return true;
    }
    if (fixed)
        vyi_source_fail(s, name.at, "Write = and a value.", "the constant \"%s\" has no value",
                        vyi_source_quote(s, &name).text);
    vyi_source_define(s, &name, type, false, NULL);
    return true;
}

VYI_API void vyi_source_declaration(vyi_source *s)
{
    const bool fixed = vyi_source_accept(s, VYI_TOKEN_CONST);
    const vyi_token type = s->r.token;
    if (!vyi_source_type_of(type.kind)) {
        const char *why = type.kind == VYI_TOKEN_NAME ? vyi_source_refused(s, &type) : NULL;
        vyi_source_fail(s, type.at, "Write uint, int, float or bool.",
                        why ? "\"%s\": %s" : "\"%s\" is no type of a variable%s",
                        vyi_source_quote(s, &type).text, why ? why : "");
        vyi_source_recover(s);
        return;
    }
    vyi_source_next(s);
    do {
        if (!vyi_source_declarator(s, vyi_source_type_of(type.kind), fixed)) {
            vyi_source_recover(s);
            return;
        }
    } while (vyi_source_accept(s, ','));
    if (s->r.token.kind == '(')
        vyi_source_fail(s, s->r.token.at, "Move it before the first statement.",
                        "functions stand before the statements");
    else if (vyi_source_expect(s, ';', "after this declaration"))
        return;
    vyi_source_recover(s);
}

/* --- statements ---------------------------------------------------------- */

static bool vyi_source_starts(uint32_t kind)
{
    return kind == VYI_TOKEN_NAME || kind >= VYI_TOKEN_IF || kind == '{' || kind == '}';
}

static void vyi_source_expression_statement(vyi_source *s)
{
    const vyi_operand a = vyi_source_expression(s);
    if (!a.wrong && a.place == VYI_PLACE_BUFFER)
        vyi_source_load(s, a);
    if (a.wrong) {
        if (!vyi_source_accept(s, ';'))
            vyi_source_recover(s);
    } else if (!vyi_source_expect(s, ';', "after this statement") &&
               !vyi_source_starts(s->r.token.kind)) {
        vyi_source_recover(s);
    }
}

/* The statement of an if or a loop; whatever it opens it closes. */
VYI_API bool vyi_source_body(vyi_source *s, bool scoped)
{
    const uint32_t scope = s->scope, count = s->symbol_count;
    bool ends;
    s->frame->depth++;
    if (scoped)
        s->scope = count;
    if (!scoped && vyi_source_accept(s, '{')) {
        ends = vyi_source_statements(s, '}');
        vyi_source_expect(s, '}', "at the end of this block");
    } else {
        s->may = 0;
        ends = vyi_source_statement(s);
        if (s->dangling)
            vyi_source_end(s);
        s->dangling = false;
    }
    s->symbol_count = count;
    s->scope = scope;
    s->frame->depth--;
    return ends;
}

static bool vyi_source_block(vyi_source *s)
{
    const uint32_t scope = s->scope, count = s->symbol_count;
    s->scope = count;
    s->frame->depth++;
    vyi_source_next(s);
    const bool ends = vyi_source_statements(s, '}');
    vyi_source_expect(s, '}', "at the end of this block");
    s->frame->depth--;
    s->symbol_count = count;
    s->scope = scope;
    return ends;
}

/* Where the arm jumps by flag in any case, and nothing else does, what follows
 * in this block becomes the other arm. */
static bool vyi_source_if_statement(vyi_source *s)
{
    vyi_source_next(s);
    if (!vyi_source_expect(s, '(', "after if")) {
        vyi_source_recover(s);
        return false;
    }
    const vyi_operand cond = vyi_source_condition(s, "if");
    vyi_source_expect(s, ')', "after the condition");
    vyi_source_if(s, &cond);
    bool ends = vyi_source_body(s, true);
    if (vyi_source_accept(s, VYI_TOKEN_ELSE)) {
        const uint32_t may = s->may;
        vyi_source_else(s);
        ends = vyi_source_body(s, true) && ends;
        s->may |= may;
    } else if (ends && s->may) {
        vyi_source_else(s);
        s->dangling = true;
        return false;
    } else {
        ends = false;
    }
    vyi_source_end(s);
    return ends;
}

static bool vyi_source_misplaced(vyi_source *s)
{
    const vyi_token token = s->r.token;
    const char *text = vyi_source_kind_text(token.kind);
    const bool label = token.kind == VYI_TOKEN_CASE || token.kind == VYI_TOKEN_DEFAULT;
    vyi_source_fail(s, token.at, label ? "Put it into the braces of a switch."
                                 : token.kind == VYI_TOKEN_ELSE ? "An if takes one statement; "
                                   "put several into braces."
                                 : "Take it out.",
                    "\"%s\" stands where a statement begins", text);
    vyi_source_next(s);
    vyi_source_recover(s);
    return false;
}

static bool vyi_source_any_statement(vyi_source *s)
{
    switch (s->r.token.kind) {
    case '{': return vyi_source_block(s);
    case ';': vyi_source_next(s); return false;
    case VYI_TOKEN_IF: return vyi_source_if_statement(s);
    case VYI_TOKEN_FOR: case VYI_TOKEN_WHILE: case VYI_TOKEN_DO: return vyi_source_loop(s);
    case VYI_TOKEN_SWITCH: return vyi_source_switch(s);
    case VYI_TOKEN_BREAK: case VYI_TOKEN_CONTINUE: case VYI_TOKEN_RETURN:
        return vyi_source_jump(s);
    case VYI_TOKEN_ELSE: case VYI_TOKEN_CASE: case VYI_TOKEN_DEFAULT: case VYI_TOKEN_VOID:
    case VYI_TOKEN_SHARED:
        return vyi_source_misplaced(s);
    case VYI_TOKEN_CONST: vyi_source_declaration(s); return false;
    case VYI_TOKEN_UINT: case VYI_TOKEN_INT: case VYI_TOKEN_FLOAT: case VYI_TOKEN_BOOL:
    case VYI_TOKEN_UINT64: case VYI_TOKEN_INT64: {
        /* uint(x) begins an expression, and what else may follow a type does not. */
        const vyi_source_reader from = s->r;
        vyi_source_next(s);
        const bool converts = s->r.token.kind == '(';
        s->r = from;
        if (converts)
            vyi_source_expression_statement(s);
        else
            vyi_source_declaration(s);
        return false;
    }
    default: vyi_source_expression_statement(s); return false;
    }
}

VYI_API bool vyi_source_statement(vyi_source *s)
{
    const uint32_t at = s->r.token.at;
    bool ends = false;
    if (vyi_source_enter(s))
        ends = vyi_source_any_statement(s);
    s->depth--;
    vyi_source_settle(s, at);
    return ends;
}

/* What follows a jump by flag runs only where it has not happened. */
static bool vyi_source_guard(vyi_source *s, uint32_t may)
{
    vyre_program *p = s->p;
    vyre_value jumped = { 0 };
    if (s->mute)
        return false;
    if (may & VYI_MAY_RETURN)
        jumped = vyre_ir_get(p, s->frame->returned);
    if (may & VYI_MAY_LEAVE) {
        const vyre_value left = vyre_ir_get(p, s->jump->left);
        jumped = may & VYI_MAY_RETURN ? vyre_ir_or(p, jumped, left) : left;
    }
    vyre_ir_if(p, vyre_ir_not(p, jumped));
    return true;
}

static bool vyi_source_at_end(vyi_source *s, uint32_t end)
{
    const uint32_t kind = s->r.token.kind;
    if (kind == VYI_TOKEN_END || (kind == '}' && end != VYI_TOKEN_END))
        return true;
    return end == VYI_TOKEN_CASE && (kind == VYI_TOKEN_CASE || kind == VYI_TOKEN_DEFAULT);
}

VYI_API bool vyi_source_statements(vyi_source *s, uint32_t end)
{
    uint32_t opened = 0, may = 0;
    bool ends = false;
    while (!vyi_source_at_end(s, end)) {
        if (s->r.token.kind == '}') {
            vyi_source_fail(s, s->r.token.at, "Take it out.", "this \"}\" closes nothing");
            vyi_source_next(s);
            continue;
        }
        s->may = 0;
        const bool now = vyi_source_statement(s);
        if (!ends && now)
            s->mute++; /* nothing after it is reached */
        ends = ends || now;
        may |= s->may;
        if (s->dangling)
            opened += s->mute ? 0u : 1u;
        else if (s->may && !ends && !vyi_source_at_end(s, end))
            opened += vyi_source_guard(s, s->may) ? 1u : 0u;
        s->dangling = false;
    }
    s->mute -= ends ? 1 : 0;
    while (opened--)
        vyi_source_end(s);
    s->may = may;
    return ends;
}

/* --- functions ----------------------------------------------------------- */

/* A type, a name and a parenthesis. */
static bool vyi_source_at_function(vyi_source *s)
{
    const vyi_source_reader from = s->r;
    const uint32_t kind = s->r.token.kind;
    if (kind != VYI_TOKEN_VOID && !vyi_source_type_of(kind))
        return false;
    vyi_source_next(s);
    bool is = s->r.token.kind == VYI_TOKEN_NAME;
    if (is)
        vyi_source_next(s);
    is = is && s->r.token.kind == '(';
    s->r = from;
    return is;
}

/* "const in float x" */
static bool vyi_source_param(vyi_source *s, vyi_source_routine *f)
{
    vyi_source_parameter param;
    memset(&param, 0, sizeof param);
    param.fixed = vyi_source_accept(s, VYI_TOKEN_CONST);
    param.out = vyi_source_is(s, &s->r.token, "out") || vyi_source_is(s, &s->r.token, "inout");
    param.in = !vyi_source_is(s, &s->r.token, "out");
    if (param.out || vyi_source_is(s, &s->r.token, "in"))
        vyi_source_next(s);
    const vyi_token type = s->r.token;
    param.type = (uint8_t)vyi_source_type_of(type.kind);
    if (!param.type || (param.fixed && param.out)) {
        vyi_source_fail(s, type.at, "Write uint, int, float or bool, and a name.",
                        param.type ? "a parameter is const or out, not both"
                                   : "the type of a parameter is expected");
        return false;
    }
    vyi_source_next(s);
    const vyi_token name = s->r.token;
    if (!vyi_source_expect(s, VYI_TOKEN_NAME, "after the type of a parameter"))
        return false;
    param.name = s->text + name.at;
    param.length = name.length;
    if (s->param_count == VYI_SOURCE_PARAMS || f->param_count == VYI_SOURCE_ARGS) {
        vyi_source_fail(s, name.at, "Use fewer.", "too many parameters");
        return false;
    }
    s->params[s->param_count++] = param;
    f->param_count++;
    return true;
}

static bool vyi_source_params(vyi_source *s, vyi_source_routine *f)
{
    f->first_param = s->param_count;
    vyi_source_next(s);
    if (s->r.token.kind == VYI_TOKEN_VOID)
        vyi_source_next(s);
    else if (s->r.token.kind != ')')
        do {
            if (!vyi_source_param(s, f))
                return false;
        } while (vyi_source_accept(s, ','));
    return vyi_source_expect(s, ')', "after the parameters");
}

/* Makes a parameter a name of the function; `value` may be NULL while mute. */
static void vyi_source_bind(vyi_source *s, const vyi_source_parameter *param,
                            const vyi_operand *value)
{
    vyi_token name;
    memset(&name, 0, sizeof name);
    name.at = (uint32_t)(param->name - s->text);
    name.length = param->length;
    const vyre_value none = { 0 };
    const vyi_operand unknown = vyi_source_made(param->type, none, name.at);
    vyi_source_define(s, &name, param->type, param->fixed, value ? value : &unknown);
}

/* What a function's reading changes, to come back to. */
typedef struct vyi_source_stead {
    const char *text;
    uint32_t    size;
    vyi_source_reader r;
    vyi_source_target *jump;
    uint32_t    scope, symbols, may, depth;
} vyi_source_stead;

static vyi_source_stead vyi_source_step_into(vyi_source *s, vyi_source_frame *frame,
                                             const vyi_source_routine *f)
{
    const vyi_source_stead stead = { s->text, s->size, s->r, s->jump, s->scope, s->symbol_count,
                                     s->may, s->depth };
    memset(frame, 0, sizeof *frame);
    frame->outer = s->frame;
    frame->type = f->type;
    frame->early = f->early;
    frame->floor = s->symbol_count;
    frame->globals = f->globals;
    s->frame = frame;
    s->jump = NULL;
    s->scope = s->symbol_count;
    return stead;
}

static void vyi_source_step_out(vyi_source *s, const vyi_source_stead *stead)
{
    s->frame = s->frame->outer;
    s->jump = stead->jump;
    s->scope = stead->scope;
    s->symbol_count = stead->symbols;
    s->may = stead->may;
}

/* Reads a function's body for its mistakes, and for how it returns. */
static void vyi_source_check_function(vyi_source *s, vyi_source_routine *f, const vyi_token *name)
{
    vyi_source_frame frame;
    const vyi_source_stead stead = vyi_source_step_into(s, &frame, f);
    const uint32_t heavy = s->heavy;
    s->mute++;
    f->open = true;
    for (uint32_t i = 0; i < f->param_count; i++)
        vyi_source_bind(s, &s->params[f->first_param + i], NULL);
    vyi_source_statements(s, '}');
    f->early = frame.nested || frame.returns > 1;
    f->heavy = s->heavy != heavy;
    f->open = false;
    if (f->type && frame.returns == 0)
        vyi_source_fail(s, name->at, "End it with return and a value.",
                        "%s() returns nothing", vyi_source_quote(s, name).text);
    s->mute--;
    vyi_source_step_out(s, &stead);
    vyi_source_expect(s, '}', "at the end of this function");
}

static void vyi_source_function(vyi_source *s)
{
    const uint32_t type = vyi_source_type_of(s->r.token.kind);
    vyi_source_next(s);
    const vyi_token name = s->r.token;
    vyi_source_next(s);
    if (s->function_count == VYI_SOURCE_FUNCTIONS) {
        vyi_source_fail(s, name.at, "Join some of them.", "more than %u functions",
                        (unsigned)VYI_SOURCE_FUNCTIONS);
        vyi_source_recover(s);
        return;
    }
    vyi_source_routine *f = &s->functions[s->function_count];
    memset(f, 0, sizeof *f);
    f->type = (uint8_t)type;
    vyi_source_symbol *symbol = vyi_source_declare(s, &name, VYI_SYMBOL_FUNCTION, type);
    if (symbol)
        symbol->target = s->function_count++;
    f->globals = s->symbol_count;
    if (!vyi_source_params(s, f) ||
        !vyi_source_expect(s, '{', "after the head of a function")) {
        if (symbol)
            symbol->kind = VYI_SYMBOL_WRONG;
        vyi_source_recover(s);
        return;
    }
    f->body = s->r;
    vyi_source_check_function(s, f, &name);
}

/* Converts what is passed; false, and a mistake, where that cannot be. */
static bool vyi_source_pass(vyi_source *s, const vyi_source_routine *f, vyi_operand *args,
                            vyi_operand *values)
{
    bool good = true;
    for (uint32_t i = 0; i < f->param_count; i++) {
        const vyi_source_parameter *param = &s->params[f->first_param + i];
        values[i] = vyi_source_constant(param->type, 0, args[i].at);
        if (param->out && !vyi_source_assignable(s, &args[i])) {
            good = false;
        } else if (param->out && args[i].type != param->type) {
            vyi_source_fail(s, args[i].at, "Use a variable of that type, and convert it.",
                            "this parameter gives %s back, not %s",
                            vyi_source_type_text(param->type),
                            vyi_source_type_text(args[i].type));
            good = false;
        } else if (param->in) {
            values[i] = vyi_source_load(s, args[i]);
            values[i] = vyi_source_convert(s, param->type, values[i], "this parameter");
        }
        s->heavy += param->out ? 1 : 0;
        good = good && !values[i].wrong;
    }
    return good;
}

static void vyi_source_hand_back(vyi_source *s, const vyi_source_routine *f,
                                 const vyi_source_frame *frame, const vyi_operand *args)
{
    for (uint32_t i = 0; i < f->param_count && !s->mute; i++) {
        if (!s->params[f->first_param + i].out)
            continue;
        const vyre_value value = vyre_ir_get(s->p, s->symbols[frame->floor + i].local);
        vyi_source_store(s, &args[i], vyi_source_made(args[i].type, value, args[i].at));
    }
}

static vyi_operand vyi_source_returned(vyi_source *s, const vyi_source_frame *frame, uint32_t at)
{
    vyi_operand value = frame->value;
    if (frame->early && frame->type && !s->mute)
        value = vyi_source_made(frame->type, vyre_ir_get(s->p, frame->result), at);
    if (!frame->type || s->mute) {
        const vyre_value none = { 0 };
        value = vyi_source_made(frame->type, none, at);
    }
    value.at = at;
    return value;
}

VYI_API vyi_operand vyi_source_inline(vyi_source *s, uint32_t index, vyi_operand *args,
                                      uint32_t at)
{
    const vyre_value none = { 0 };
    vyi_operand values[VYI_SOURCE_ARGS];
    vyi_source_frame frame;
    vyi_source_routine *f = &s->functions[index];
    if (!vyi_source_pass(s, f, args, values))
        return vyi_source_wrong(at);
    s->heavy += f->heavy ? 1 : 0;
    if (s->mute)
        return vyi_source_made(f->type, none, at);

    const vyi_source_stead stead = vyi_source_step_into(s, &frame, f);
    f->open = true;
    for (uint32_t i = 0; i < f->param_count; i++)
        vyi_source_bind(s, &s->params[f->first_param + i], &values[i]);
    if (f->early)
        frame.returned = vyi_source_flag(s, false, "returned");
    if (f->early && f->type)
        frame.result = vyi_source_local(s, f->type, NULL, "result", 6);
    s->r = f->body;
    vyi_source_statements(s, '}');
    vyi_source_hand_back(s, f, &frame, args);
    const vyi_operand value = vyi_source_returned(s, &frame, at);
    f->open = false;
    vyi_source_step_out(s, &stead);
    s->r = stead.r;
    return value;
}

/* The names of the text around it are out of sight, and its depth begins anew: what
 * the library says is not nested deeply. */
VYI_API vyi_operand vyi_source_formula(vyi_source *s, const char *formula,
                                       const vyi_operand *args, uint32_t count)
{
    static const char letters[] = "abcd";
    vyi_source_routine none;
    vyi_source_frame frame;
    if (s->spent)
        return vyi_source_wrong(args[0].at);
    memset(&none, 0, sizeof none);
    const vyi_source_stead stead = vyi_source_step_into(s, &frame, &none);
    for (uint32_t i = 0; i < count; i++) {
        vyi_source_symbol *symbol = &s->symbols[s->symbol_count++];
        memset(symbol, 0, sizeof *symbol);
        symbol->name = letters + i;
        symbol->length = 1;
        vyi_source_fix(symbol, &args[i]);
    }
    s->formulas++;
    s->depth = 0;
    s->text = formula;
    s->size = (uint32_t)strlen(formula);
    memset(&s->r, 0, sizeof s->r);
    vyi_source_next(s);
    while (s->r.token.kind == VYI_TOKEN_CONST)
        vyi_source_declaration(s);
    vyi_operand value = vyi_source_expression(s);
    value = vyi_source_load(s, value);
    VYRE_ASSERT(s->r.token.kind == VYI_TOKEN_END);
    s->formulas--;
    s->text = stead.text;
    s->size = stead.size;
    s->depth = stead.depth;
    vyi_source_step_out(s, &stead);
    s->r = stead.r;
    return value;
}

/* --- arrays of a workgroup ----------------------------------------------- */

/* A name that no buffer of the program has yet: other handlers may say the same. */
static void vyi_source_array_name(const vyi_source *s, const vyi_token *name, char *dst,
                                  size_t size)
{
    uint32_t i = 0;
    snprintf(dst, size, "%.40s", vyi_source_quote(s, name).text);
    for (uint32_t n = 2; i < s->p->buffer_count; i++)
        if (strcmp(vyi_buffer_of(s->p, i + 1)->name, dst) == 0) {
            snprintf(dst, size, "%.40s_%u", vyi_source_quote(s, name).text, (unsigned)n++);
            i = UINT32_MAX; /* from the first one again */
        }
}

static void vyi_source_make_array(vyi_source *s, const vyi_token *name, uint32_t type,
                                  uint32_t count)
{
    char text[VYRE_MAX_NAME + 1];
    vyre_buffer_desc desc;
    vyi_source_symbol *symbol = vyi_source_declare(s, name, VYI_SYMBOL_WRONG, type);
    if (!symbol || s->mute)
        return;
    memset(&desc, 0, sizeof desc);
    vyi_source_array_name(s, name, text, sizeof text);
    desc.name = text;
    desc.type = (vyre_type)type;
    desc.access = VYRE_ACCESS_WORKGROUP;
    desc.count = count;
    symbol->target = vyre_ir_buffer(s->p, &desc).id;
    symbol->kind = symbol->target ? VYI_SYMBOL_SHARED : VYI_SYMBOL_WRONG;
}

/* "shared float tile[256];" */
static bool vyi_source_array(vyi_source *s)
{
    vyi_operand count;
    const uint32_t at = s->r.token.at;
    vyi_source_next(s);
    const uint32_t type = vyi_source_type_of(s->r.token.kind);
    if (!type || vyi_type_is_pair(type)) {
        vyi_source_fail(s, s->r.token.at, "Write uint, int, float or bool.",
                        "the type of a shared array is expected");
        return false;
    }
    vyi_source_next(s);
    const vyi_token name = s->r.token;
    if (!vyi_source_expect(s, VYI_TOKEN_NAME, "after a type") ||
        !vyi_source_expect(s, '[', "after the name of a shared array") ||
        !vyi_source_constant_int(s, "the length of a shared array", &count) ||
        !vyi_source_expect(s, ']', "after the length of a shared array") ||
        !vyi_source_expect(s, ';', "after this declaration") ||
        !vyi_source_allowed(s, VYI_SOURCE_GROUP, "shared", at))
        return false;
    if (count.word == 0 || count.word > VYRE_MAX_WORKGROUP_SIZE / 4)
        vyi_source_fail(s, count.at, "A group has 32 KiB of them.",
                        "a shared array of %u elements; there may be 1 to %u",
                        (unsigned)count.word, (unsigned)VYRE_MAX_WORKGROUP_SIZE / 4);
    vyi_source_make_array(s, &name, type, count.word);
    return true;
}

/* --- a text -------------------------------------------------------------- */

/* Whether the word occurs from here on, if only in a comment. */
static bool vyi_source_mentions(const vyi_source *s, const char *word)
{
    const uint32_t length = (uint32_t)strlen(word);
    for (uint32_t i = s->r.token.at; i + length <= s->size; i++)
        if (s->text[i] == word[0] && memcmp(s->text + i, word, length) == 0)
            return true;
    return false;
}

/* A text without statements runs its main, as GLSL does. */
static void vyi_source_main(vyi_source *s)
{
    const vyi_source_symbol *main = vyi_source_find(s, "main", 4);
    if (main && main->kind == VYI_SYMBOL_FUNCTION && !s->functions[main->target].param_count)
        vyi_source_inline(s, main->target, NULL, s->r.token.at);
}

static void vyi_source_all(vyi_source *s)
{
    vyi_source_frame frame;
    memset(&frame, 0, sizeof frame);
    s->frame = &frame;
    vyi_source_next(s);
    for (;;) {
        if (vyi_source_at_function(s))
            vyi_source_function(s);
        else if (s->r.token.kind == VYI_TOKEN_CONST)
            vyi_source_declaration(s);
        else if (s->r.token.kind != VYI_TOKEN_SHARED)
            break;
        else if (!vyi_source_array(s))
            vyi_source_recover(s);
        vyi_source_settle(s, s->r.token.at);
    }
    frame.early = vyi_source_mentions(s, "return");
    if (frame.early)
        frame.returned = vyi_source_flag(s, false, "returned");
    if (s->r.token.kind == VYI_TOKEN_END)
        vyi_source_main(s);
    vyi_source_statements(s, VYI_TOKEN_END);
    vyi_source_settle(s, s->r.token.at);
}

static uint32_t vyi_source_rights(const vyre_slot_values *slot)
{
    if (!slot)
        return VYI_SOURCE_GROUP;
    if (!slot->internal) /* made by hand: nothing to ask, nothing to end */
        return 0;
    switch (vyi_kernel_width(slot)) {
    case VYRE_WIDTH_RANGE: return VYI_SOURCE_JOB | VYI_SOURCE_WIDE;
    case VYRE_WIDTH_GROUP: return VYI_SOURCE_JOB | VYI_SOURCE_WIDE | VYI_SOURCE_GROUP;
    default: return VYI_SOURCE_JOB;
    }
}

static vyre_status vyi_source_start(vyi_source *s, vyre_error *err)
{
    if (!s->p || !s->text)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass a program and a text.",
                        "the %s is NULL", s->p ? "text" : "program");
    if (s->p->error.status != VYRE_OK) {
        if (err)
            *err = s->p->error;
        return s->p->error.status;
    }
    if (s->p->finished) /* as any builder call says it */
        vyre_ir_u32(s->p, 0);
    if (err)
        *err = s->p->error;
    return s->p->error.status;
}

static vyre_status vyi_source_compile(vyre_program *p, const vyre_slot_values *slot,
                                      const char *name, uint32_t number, const char *source,
                                      size_t size, vyre_source_report *report)
{
    vyi_source s;
    memset(&s, 0, offsetof(vyi_source, symbols));
    s.p = p;
    s.slot = slot;
    s.name = name;
    s.number = number;
    s.text = source;
    s.rights = vyi_source_rights(slot);
    vyre_error *first = &s.report.errors[0];
    vyre_status status = vyi_source_start(&s, first);
    if (status == VYRE_OK && size > VYRE_MAX_SOURCE_SIZE)
        status = vyi_fail(first, VYRE_E_OVF, size, "Split it into several handlers.",
                          "a text of %llu bytes; there may be %u", (unsigned long long)size,
                          (unsigned)VYRE_MAX_SOURCE_SIZE);
    if (status == VYRE_OK) {
        s.size = (uint32_t)size;
        vyi_source_all(&s);
        if (s.report.count)
            p->error = *first; /* with its line, where the builder has found it */
        status = p->error.status;
    } else {
        s.report.count = 1;
    }
    if (report)
        *report = s.report;
    return status;
}

VYI_COLD
VYRE_API vyre_status vyre_source_compile(vyre_program *p, const vyre_slot_values *slot,
                                         const char *name, const char *source, size_t size,
                                         vyre_source_report *report)
{
    return vyi_source_compile(p, slot, name, UINT32_MAX, source, size, report);
}

VYI_COLD
VYRE_API vyre_status vyre_source_emit(vyre_program *p, const vyre_slot_values *slot,
                                      const char *source, size_t size, vyre_error *err)
{
    vyre_source_report report;
    const vyre_status status = vyre_source_compile(p, slot, NULL, source, size, &report);
    if (status != VYRE_OK && err)
        *err = report.errors[0];
    return status;
}

/* By the text itself: a kernel makes copies of what describes a handler. */
static uint32_t vyi_source_handler_number(const vyre_kernel_desc *d, const char *source)
{
    if (source == d->payload_source)
        return 0;
    for (uint32_t i = 0; i < d->handler_count; i++)
        if (d->handlers[i].source == source)
            return i + 1;
    return UINT32_MAX;
}

VYI_COLD
VYI_API void vyi_source_handler(const vyi_kernel *k, const vyre_slot_values *slot,
                                const vyre_handler *h)
{
    char opcode[24];
    vyre_source_report report;
    memset(&report, 0, sizeof report);
    snprintf(opcode, sizeof opcode, "0x%X", (unsigned)h->opcode);
    vyi_source_compile(k->p, slot, h->name ? h->name : opcode,
                       vyi_source_handler_number(&k->desc, h->source), h->source, strlen(h->source),
                       &report);
    for (uint32_t i = 0; i < report.count; i++)
        vyi_message(&k->desc.messages, VYRE_SEVERITY_ERROR, "%s\n%s", report.errors[i].text,
                    report.errors[i].fix);
}

#endif /* VYRE_NO_SOURCE */

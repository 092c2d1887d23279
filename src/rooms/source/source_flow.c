/* ==========================================================================
 * source: loops, switches, and the jumps out of them
 *
 * A loop is a `forever` that breaks where its condition fails.  What runs at the
 * end of each turn, a for's step or a do's condition, is emitted at the end of
 * the body and at each `continue`.
 *
 * A switch whose arms end in a break becomes one.  Where an arm has several
 * labels, a first switch finds its number.  Where an arm falls through, or a break
 * stands inside an if, the arms become ifs: arm k runs when the number is at most
 * k and no break has run.
 *
 * A return inside a loop sets a flag and breaks; after the loop the flag decides.
 * Outside of loops what follows stands in an if on the flag.
 * ======================================================================= */
#include "rooms/source/source_impl.h"

#ifndef VYRE_NO_SOURCE

/* --- reading twice ------------------------------------------------------- */

VYI_API bool vyi_source_rehearse(vyi_source *s, vyi_source_reader *from)
{
    *from = s->r;
    if (s->mute)
        return false;
    s->mute++;
    return true;
}

VYI_API bool vyi_source_heard(vyi_source *s, bool rehearsing, const vyi_source_reader *from)
{
    if (!rehearsing)
        return false;
    s->mute--;
    if (s->mute) /* a mistake: nothing more to read twice for */
        return false;
    s->r = *from;
    return true;
}

/* --- jumps --------------------------------------------------------------- */

static vyi_source_target *vyi_flow_loop_of(vyi_source_target *jump)
{
    while (jump && !jump->is_loop)
        jump = jump->outer;
    return jump;
}

static void vyi_flow_break(vyi_source *s)
{
    if (!s->mute)
        vyre_ir_break(s->p);
}

static void vyi_flow_break_unless(vyi_source *s, vyi_operand cond)
{
    if (cond.constant && cond.word)
        return;
    vyi_source_if_not(s, cond);
    vyi_flow_break(s);
    vyi_source_end(s);
}

/* A for's step, or a do's condition, as it stands in the text; what the body has
 * declared is out of sight. */
static void vyi_flow_step(vyi_source *s, const vyi_source_target *loop)
{
    if (!loop->has_step || s->mute)
        return;
    const vyi_source_reader back = s->r;
    const uint32_t low = s->gap_low, high = s->gap_high;
    s->r = loop->step;
    s->gap_low = loop->symbols;
    s->gap_high = s->symbol_count;
    if (loop->step_tests)
        vyi_flow_break_unless(s, vyi_source_condition(s, "while"));
    else
        vyi_source_expression(s);
    s->gap_low = low;
    s->gap_high = high;
    s->r = back;
}

static void vyi_flow_jump_break(vyi_source *s, uint32_t at)
{
    vyi_source_target *jump = s->jump;
    if (!jump) {
        vyi_source_fail(s, at, "Use return to end the handler.",
                        "break stands in no loop and no switch");
    } else if (jump->is_loop) {
        vyi_flow_break(s);
    } else {
        jump->breaks += s->frame->depth > jump->depth ? 1 : 0;
        if (jump->flagged) {
            vyi_source_set_flag(s, jump->left);
            s->may |= VYI_MAY_LEAVE;
        }
    }
}

static void vyi_flow_jump_continue(vyi_source *s, uint32_t at)
{
    const vyi_source_target *loop = vyi_flow_loop_of(s->jump);
    if (!loop) {
        vyi_source_fail(s, at, "Use return to end the handler.", "continue stands in no loop");
        return;
    }
    vyi_flow_step(s, loop);
    if (!s->mute)
        vyre_ir_continue(s->p);
}

static vyi_operand vyi_flow_jump_value(vyi_source *s, uint32_t at)
{
    const vyi_source_frame *frame = s->frame;
    if (s->r.token.kind == ';') {
        if (frame->type)
            vyi_source_fail(s, at, "Write return and a value.", "this function returns %s",
                            vyi_source_type_text(frame->type));
        return vyi_source_wrong(at);
    }
    vyi_operand value = vyi_source_expression(s);
    value = vyi_source_load(s, value);
    if (frame->type)
        return vyi_source_convert(s, frame->type, value, "what this function returns");
    if (!value.wrong)
        vyi_source_fail(s, value.at, s->frame->outer ? "Give the function a type."
                                                     : "Use result(word, value).",
                        "nothing can be returned here");
    return value;
}

static void vyi_flow_jump_return(vyi_source *s, uint32_t at)
{
    vyi_source_frame *frame = s->frame;
    const vyi_operand value = vyi_flow_jump_value(s, at);
    vyi_source_target *loop = vyi_flow_loop_of(s->jump);
    frame->returns++;
    frame->nested = frame->nested || frame->depth > 0;
    frame->value = value;
    if (!frame->early)
        return;
    if (frame->type && !s->mute)
        vyre_ir_set(s->p, frame->result, vyi_source_id(s, &value));
    vyi_source_set_flag(s, frame->returned);
    if (loop) {
        loop->returns = true;
        vyi_flow_break(s);
    } else {
        s->may |= VYI_MAY_RETURN;
    }
}

VYI_API bool vyi_source_jump(vyi_source *s)
{
    const vyi_token token = s->r.token;
    vyi_source_next(s);
    s->heavy++;
    if (token.kind == VYI_TOKEN_BREAK)
        vyi_flow_jump_break(s, token.at);
    else if (token.kind == VYI_TOKEN_CONTINUE)
        vyi_flow_jump_continue(s, token.at);
    else
        vyi_flow_jump_return(s, token.at);
    if (!vyi_source_expect(s, ';', token.kind == VYI_TOKEN_RETURN ? "after return"
                                                                  : "after a jump"))
        vyi_source_recover(s);
    return true;
}

/* --- loops --------------------------------------------------------------- */

static void vyi_flow_loop_begin(vyi_source *s, vyi_source_target *loop)
{
    memset(loop, 0, sizeof *loop);
    loop->outer = s->jump;
    loop->is_loop = true;
    loop->symbols = s->symbol_count;
    s->jump = loop;
    s->heavy++;
}

static void vyi_flow_loop_open(vyi_source *s)
{
    if (!s->mute)
        vyre_ir_forever(s->p);
}

static void vyi_flow_loop_end(vyi_source *s, const vyi_source_target *loop)
{
    vyi_source_target *outer = vyi_flow_loop_of(loop->outer);
    vyi_source_end(s);
    s->jump = loop->outer;
    s->may = 0;
    if (!loop->returns)
        return;
    if (!outer) {
        s->may = VYI_MAY_RETURN;
        return;
    }
    outer->returns = true;
    if (s->mute)
        return;
    vyre_ir_if(s->p, vyre_ir_get(s->p, s->frame->returned));
    vyre_ir_break(s->p);
    vyre_ir_end(s->p);
}

static void vyi_flow_loop_while(vyi_source *s)
{
    vyi_source_target loop;
    vyi_flow_loop_begin(s, &loop);
    vyi_flow_loop_open(s);
    if (vyi_source_expect(s, '(', "after while")) {
        vyi_flow_break_unless(s, vyi_source_condition(s, "while"));
        vyi_source_expect(s, ')', "after the condition");
    }
    vyi_source_body(s, false);
    vyi_flow_loop_end(s, &loop);
}

static void vyi_flow_for_first(vyi_source *s)
{
    const uint32_t kind = s->r.token.kind;
    if (kind == VYI_TOKEN_CONST || vyi_source_type_of(kind)) {
        vyi_source_declaration(s);
        return;
    }
    if (kind != ';')
        vyi_source_expression(s);
    vyi_source_expect(s, ';', "after the first part of for");
}

/* The step is only checked here; it stands at the end of the body. */
static void vyi_flow_for_step(vyi_source *s, vyi_source_target *loop)
{
    loop->symbols = s->symbol_count;
    if (s->r.token.kind == ')')
        return;
    loop->has_step = true;
    loop->step = s->r;
    s->mute++;
    vyi_source_expression(s);
    s->mute--;
}

static void vyi_flow_loop_for(vyi_source *s)
{
    vyi_source_target loop;
    const uint32_t scope = s->scope, count = s->symbol_count;
    s->scope = count;
    const bool good = vyi_source_expect(s, '(', "after for");
    if (good)
        vyi_flow_for_first(s);
    vyi_flow_loop_begin(s, &loop);
    vyi_flow_loop_open(s);
    if (good) {
        if (s->r.token.kind != ';')
            vyi_flow_break_unless(s, vyi_source_condition(s, "for"));
        vyi_source_expect(s, ';', "after the condition of for");
        vyi_flow_for_step(s, &loop);
        vyi_source_expect(s, ')', "after the step of for");
    }
    if (!vyi_source_body(s, false))
        vyi_flow_step(s, &loop);
    vyi_flow_loop_end(s, &loop);
    s->symbol_count = count;
    s->scope = scope;
}

/* Finds the condition behind the body. */
static void vyi_flow_do_look_ahead(vyi_source *s, vyi_source_target *loop)
{
    vyi_source_reader from;
    vyi_source_target ahead;
    if (!vyi_source_rehearse(s, &from))
        return;
    vyi_flow_loop_begin(s, &ahead);
    vyi_source_body(s, true);
    s->jump = ahead.outer;
    if (s->r.token.kind == VYI_TOKEN_WHILE)
        vyi_source_next(s);
    vyi_source_accept(s, '(');
    loop->step = s->r;
    loop->has_step = loop->step_tests = vyi_source_heard(s, true, &from);
}

static void vyi_flow_loop_do(vyi_source *s)
{
    vyi_source_target loop;
    vyi_flow_loop_begin(s, &loop);
    vyi_flow_do_look_ahead(s, &loop);
    vyi_flow_loop_open(s);
    const bool ends = vyi_source_body(s, true);
    if (vyi_source_expect(s, VYI_TOKEN_WHILE, "after the body of do") &&
        vyi_source_expect(s, '(', "after while")) {
        s->mute += ends ? 1 : 0;
        vyi_flow_break_unless(s, vyi_source_condition(s, "while"));
        s->mute -= ends ? 1 : 0;
        vyi_source_expect(s, ')', "after the condition");
        vyi_source_expect(s, ';', "after do .. while (..)");
    }
    vyi_flow_loop_end(s, &loop);
}

VYI_API bool vyi_source_loop(vyi_source *s)
{
    const uint32_t kind = s->r.token.kind;
    vyi_source_next(s);
    if (kind == VYI_TOKEN_FOR)
        vyi_flow_loop_for(s);
    else if (kind == VYI_TOKEN_WHILE)
        vyi_flow_loop_while(s);
    else
        vyi_flow_loop_do(s);
    return false;
}

/* --- switch -------------------------------------------------------------- */

typedef struct vyi_source_cases {
    vyi_source_target    jump;
    vyi_operand selector; /* uint */
    uint32_t    type;     /* of what the text switches on */
    uint32_t    first_label, arms;
    uint32_t    may;
    bool        falls, several; /* an arm falls through; has more than one label */
    bool        records;        /* the first reading, which finds the labels */
    vyre_local  arm;            /* number of the arm that the value chooses */
} vyi_source_cases;

static void vyi_flow_switch_record(vyi_source *s, vyi_source_cases *w, bool is_default,
                                   uint32_t bits, uint32_t at)
{
    for (uint32_t i = w->first_label; i < s->label_count; i++)
        if (s->labels[i].is_default == is_default && s->labels[i].bits == bits) {
            vyi_source_fail(s, at, "Join the two.", is_default
                            ? "this switch has a second default"
                            : "this switch has a second case %d", (int)bits);
            return;
        }
    if (s->label_count == VYI_SOURCE_LABELS) {
        vyi_source_fail(s, at, "Use a table in a buffer.", "more than %u labels",
                        (unsigned)VYI_SOURCE_LABELS);
        return;
    }
    s->labels[s->label_count].bits = bits;
    s->labels[s->label_count].arm = w->arms;
    s->labels[s->label_count++].is_default = is_default;
}

/* "case 3:" or "default:" */
static void vyi_flow_switch_label(vyi_source *s, vyi_source_cases *w)
{
    const vyi_token token = s->r.token;
    vyi_operand value = vyi_source_constant(w->type, 0, token.at);
    const bool is_default = token.kind == VYI_TOKEN_DEFAULT;
    vyi_source_next(s);
    bool good = is_default || vyi_source_constant_int(s, "the value of a case", &value);
    good = vyi_source_expect(s, ':', is_default ? "after default" : "after the value of a case") &&
           good;
    if (good && w->type && value.type != w->type &&
        !(value.type == VYRE_TYPE_I32 && w->type == VYRE_TYPE_U32)) {
        vyi_source_fail(s, value.at, "Leave out the u.", "a case of type uint, a switch on int");
        return;
    }
    if (good && w->records)
        vyi_flow_switch_record(s, w, is_default, value.word, token.at);
}

/* All labels of an arm; false if there is none. */
static bool vyi_flow_switch_labels(vyi_source *s, vyi_source_cases *w)
{
    uint32_t count = 0;
    for (;; count++) {
        const uint32_t kind = s->r.token.kind;
        if (kind != VYI_TOKEN_CASE && kind != VYI_TOKEN_DEFAULT)
            break;
        vyi_flow_switch_label(s, w);
    }
    w->several = w->several || count > 1;
    if (count && s->r.token.kind == '}')
        vyi_source_fail(s, s->r.token.at, "Write break; there.",
                        "the last case has no statement");
    if (count == 0 && s->r.token.kind != VYI_TOKEN_END)
        vyi_source_fail(s, s->r.token.at, "Begin with case or default.",
                        "a switch begins with something other than a case");
    return count > 0;
}

/* Finds the number of the arm, w->arms if there is none. */
static void vyi_flow_switch_select(vyi_source *s, vyi_source_cases *w)
{
    const vyi_operand none = vyi_source_constant(VYRE_TYPE_U32, w->arms, 0);
    const vyre_value selector = vyi_source_id(s, &w->selector);
    w->arm = vyi_source_local(s, VYRE_TYPE_U32, &none, "arm", 3);
    vyre_ir_switch(s->p, selector);
    for (uint32_t i = w->first_label; i < s->label_count; i++) {
        if (s->labels[i].is_default)
            vyre_ir_default(s->p);
        else
            vyre_ir_case(s->p, s->labels[i].bits);
        vyre_ir_set(s->p, w->arm, vyre_ir_u32(s->p, s->labels[i].arm));
    }
    vyre_ir_end(s->p);
}

static void vyi_flow_switch_begin(vyi_source *s, vyi_source_cases *w)
{
    if (w->jump.flagged)
        w->jump.left = vyi_source_flag(s, false, "left");
    if (w->jump.flagged || w->several)
        vyi_flow_switch_select(s, w);
    if (!w->jump.flagged)
        vyre_ir_switch(s->p, w->several ? vyre_ir_get(s->p, w->arm)
                                        : vyi_source_id(s, &w->selector));
}

/* The arm runs if it was chosen, or fallen into. */
static void vyi_flow_switch_open_flagged(vyi_source *s, const vyi_source_cases *w, uint32_t arm)
{
    vyre_program *p = s->p;
    const vyre_value chosen = vyre_ir_get(p, w->arm);
    vyre_value runs = vyre_ir_le(p, chosen, vyre_ir_u32(p, arm));
    if (arm) {
        const vyre_value left = vyre_ir_get(p, w->jump.left);
        runs = vyre_ir_and(p, runs, vyre_ir_not(p, left));
    }
    if (w->may & VYI_MAY_RETURN) {
        const vyre_value returned = vyre_ir_get(p, s->frame->returned);
        runs = vyre_ir_and(p, runs, vyre_ir_not(p, returned));
    }
    vyre_ir_if(p, runs);
}

static void vyi_flow_switch_open(vyi_source *s, const vyi_source_cases *w, uint32_t arm)
{
    if (s->mute || w->records)
        return;
    if (w->jump.flagged) {
        vyi_flow_switch_open_flagged(s, w, arm);
        return;
    }
    uint32_t label = w->first_label;
    while (s->labels[label].arm < arm)
        label++;
    if (w->several)
        vyre_ir_case(s->p, arm);
    else if (s->labels[label].is_default)
        vyre_ir_default(s->p);
    else
        vyre_ir_case(s->p, s->labels[label].bits);
}

/* The arms, up to the closing brace. */
static void vyi_flow_switch_arms(vyi_source *s, vyi_source_cases *w)
{
    uint32_t arm = 0;
    s->jump = &w->jump;
    w->may = 0;
    while (s->r.token.kind != '}' && s->r.token.kind != VYI_TOKEN_END) {
        const uint32_t scope = s->scope, count = s->symbol_count;
        if (!vyi_flow_switch_labels(s, w)) {
            vyi_source_recover(s);
            continue;
        }
        s->scope = count;
        vyi_flow_switch_open(s, w, arm);
        const bool ends = vyi_source_statements(s, VYI_TOKEN_CASE);
        s->symbol_count = count;
        s->scope = scope;
        w->falls = w->falls || (!ends && s->r.token.kind != '}');
        w->may |= s->may;
        if (w->jump.flagged)
            vyi_source_end(s);
        arm++;
        if (w->records)
            w->arms = arm;
    }
    s->jump = w->jump.outer;
}

static void vyi_flow_switch_read(vyi_source *s, vyi_source_cases *w)
{
    vyi_source_reader from;
    const bool rehearsing = vyi_source_rehearse(s, &from);
    w->records = true;
    vyi_flow_switch_arms(s, w);
    w->records = false;
    if (!vyi_source_heard(s, rehearsing, &from))
        return;
    if (w->arms == 0)
        return;
    w->jump.flagged = w->falls || w->jump.breaks;
    vyi_flow_switch_begin(s, w);
    vyi_flow_switch_arms(s, w);
    if (!w->jump.flagged)
        vyi_source_end(s);
}

static void vyi_flow_switch_selector(vyi_source *s, vyi_source_cases *w)
{
    vyi_operand value = vyi_source_expression(s);
    value = vyi_source_load(s, value);
    if (!value.wrong && !(VYI_CLASS_I >> value.type & 1)) {
        vyi_source_fail(s, value.at, "Use if, or convert it.", "a switch decides by uint or int, "
                        "not %s", vyi_source_type_text(value.type));
        return;
    }
    w->type = value.type;
    w->selector = vyi_source_cast(s, VYRE_TYPE_U32, value);
}

VYI_API bool vyi_source_switch(vyi_source *s)
{
    vyi_source_cases w;
    memset(&w, 0, sizeof w);
    w.jump.outer = s->jump;
    w.jump.depth = s->frame->depth;
    w.first_label = s->label_count;
    s->heavy++;
    vyi_source_next(s);
    if (!vyi_source_expect(s, '(', "after switch")) {
        vyi_source_recover(s);
        return false;
    }
    vyi_flow_switch_selector(s, &w);
    if (!vyi_source_expect(s, ')', "after the value of switch") ||
        !vyi_source_expect(s, '{', "after switch (..)")) {
        vyi_source_recover(s);
        return false;
    }
    vyi_flow_switch_read(s, &w);
    vyi_source_expect(s, '}', "at the end of this switch");
    s->label_count = w.first_label;
    s->may = w.may & ~VYI_MAY_LEAVE;
    return false;
}

#endif /* VYRE_NO_SOURCE */

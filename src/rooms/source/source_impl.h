/* ==========================================================================
 * source: what its fragments share
 *
 * Private.  One pass: a construct is emitted as it is read.  Where GLSL's order is
 * not that of the instructions (a for's step, the condition after a do's body) or
 * where what comes decides what must come before (the arms of ?:, a switch that
 * falls through), the text is read twice: once mute, which checks it, finds types
 * and emits nothing, and once more from the same place.  Functions are read
 * mute where they are defined, and again at each call, which is how they are
 * inlined.  While it is mute nothing is read a second time, so that the work is
 * bounded by size times depth; `steps` bounds what calls make of it.
 *
 * After the first mistake everything is mute: the rest of the text is only
 * checked.
 * ======================================================================= */
#ifndef VYI_SOURCE_IMPL_H
#define VYI_SOURCE_IMPL_H

#include "ir/ir_impl.h"
#include "kernel/kernel_impl.h"
#include "rooms/source/source.h"

#ifndef VYRE_NO_SOURCE

VYI_EXTERN_C_BEGIN

/* A kernel is built once and its texts are short: this room is compiled for size. */
#define VYI_SMALL VYI_COLD VYI_API

#define VYI_SOURCE_DEPTH     100u     /* statements and expressions inside each other */
#define VYI_SOURCE_STEPS     1000000u /* tokens that are read, calls included */
#define VYI_SOURCE_SYMBOLS   512u     /* names that are there at one place */
#define VYI_SOURCE_SPARE     24u      /* names of formulas, which are inside each other */
#define VYI_SOURCE_FUNCTIONS 48u
#define VYI_SOURCE_PARAMS    96u      /* of all functions together */
#define VYI_SOURCE_LABELS    320u     /* of a switch and those around it */
#define VYI_SOURCE_ARGS      12u      /* of one call */

/* --- tokens --------------------------------------------------------------
 *
 * A single character is its own kind; X(NAME, "text") for the others. */

#define VYI_PUNCTUATOR_LIST(X)                                                                     \
    X(SHL_SET, "<<=") X(SHR_SET, ">>=") X(INC, "++") X(DEC, "--") X(SHL, "<<") X(SHR, ">>")        \
    X(LE, "<=") X(GE, ">=") X(EQ, "==") X(NE, "!=") X(AND_AND, "&&") X(OR_OR, "||")                \
    X(XOR_XOR, "^^") X(ADD_SET, "+=") X(SUB_SET, "-=") X(MUL_SET, "*=") X(DIV_SET, "/=")           \
    X(REM_SET, "%=") X(AND_SET, "&=") X(OR_SET, "|=") X(XOR_SET, "^=")

#define VYI_KEYWORD_LIST(X)                                                                        \
    X(IF, "if") X(DO, "do") X(FOR, "for") X(ELSE, "else") X(CASE, "case") X(WHILE, "while")        \
    X(BREAK, "break") X(SWITCH, "switch") X(RETURN, "return") X(DEFAULT, "default")                \
    X(CONTINUE, "continue") X(CONST, "const") X(VOID, "void") X(UINT, "uint") X(INT, "int")        \
    X(FLOAT, "float") X(BOOL, "bool") X(UINT64, "uint64_t") X(INT64, "int64_t") X(TRUE, "true")    \
    X(FALSE, "false") X(SHARED, "shared")

typedef enum vyi_token_kind {
    VYI_TOKEN_END = 0,
    VYI_TOKEN_NAME = 128,
    VYI_TOKEN_NUMBER, /* type and bits are the literal's */
    VYI_TOKEN_TEXT,   /* with its quotes */
    VYI_TOKEN_BAD,    /* has been reported */
#define VYI_TOKEN_ENUM(name, text) VYI_TOKEN_##name,
    VYI_PUNCTUATOR_LIST(VYI_TOKEN_ENUM)
    VYI_KEYWORD_LIST(VYI_TOKEN_ENUM)
#undef VYI_TOKEN_ENUM
    VYI_TOKEN_COUNT
} vyi_token_kind;

typedef struct vyi_token {
    uint8_t  kind;
    uint8_t  type;   /* vyre_type of a literal */
    uint32_t at;     /* offset in the text */
    uint32_t length;
    uint32_t bits;   /* of a literal */
    uint32_t high;   /* of one with 64 bits */
} vyi_token;

/* Where the text is being read; a copy of it is a place to come back to. */
typedef struct vyi_source_reader {
    vyi_token token; /* the next one */
    uint32_t  next;  /* offset behind it */
    uint32_t  last;  /* offset behind the token before it */
} vyi_source_reader;

/* --- names and values ---------------------------------------------------- */

typedef enum vyi_place {
    VYI_PLACE_VALUE = 0, /* cannot be assigned to */
    VYI_PLACE_LOCAL,     /* target: number of the symbol */
    VYI_PLACE_ELEMENT,   /* target: id of the buffer */
    VYI_PLACE_BUFFER     /* the buffer as a whole, which is no value */
} vyi_place;

/* What an expression gives: 16 bytes, which travel in two registers. */
typedef struct vyi_operand {
    uint8_t  type;     /* vyre_type; NONE: void */
    uint8_t  place;    /* vyi_place */
    bool     constant; /* its bits are known; it has no value yet */
    bool     wrong;    /* a mistake that has been reported: says nothing any more */
    uint32_t at;       /* offset in the text */
    uint32_t target;   /* of a constant's name: the number of its symbol, plus 1 */
    uint32_t word;     /* a constant's bits; of an element the id of its index; else the id of
                          the value, 0 while mute */
} vyi_operand;

typedef enum vyi_symbol_kind {
    VYI_SYMBOL_VARIABLE = 0, /* a local */
    VYI_SYMBOL_CONST,        /* a value */
    VYI_SYMBOL_FUNCTION,
    VYI_SYMBOL_SHARED,       /* an array of the workgroup */
    VYI_SYMBOL_WRONG         /* declared by a mistake, so that it is reported once */
} vyi_symbol_kind;

typedef struct vyi_source_symbol {
    const char *name; /* in the text: not terminated */
    uint32_t    length;
    uint8_t     kind, type;
    bool        constant;
    uint32_t    word;       /* of a constant: its bits, or the id of its value */
    uint32_t    target;     /* number of a function, id of an array */
    vyre_local  local;
} vyi_source_symbol;

typedef struct vyi_source_parameter {
    const char *name;
    uint32_t    length;
    uint8_t     type;
    bool        fixed;   /* const */
    bool        in, out;
} vyi_source_parameter;

typedef struct vyi_source_routine {
    uint8_t     type;
    bool        early;  /* it returns before its last statement */
    bool        open;   /* being defined or called: what calls it now recurs */
    bool        heavy;
    uint32_t    globals; /* names that it sees of the text around it */
    uint32_t    first_param, param_count;
    vyi_source_reader  body;
} vyi_source_routine;

/* --- what is open -------------------------------------------------------- */

/* What `break` and `continue` belong to. */
typedef struct vyi_source_target {
    struct vyi_source_target *outer; /* of the same function */
    bool       is_loop;
    bool       flagged;     /* a switch with breaks inside, or arms that fall through */
    bool       returns;     /* a return has left it */
    bool       has_step;    /* a for's step, or a do's condition, runs at `continue` */
    bool       step_tests;  /* it is a condition */
    uint32_t   breaks;        /* that stand inside an arm's statements */
    uint32_t   depth;         /* of a switch's arms */
    uint32_t   symbols;     /* names that the step sees */
    vyi_source_reader step;
    vyre_local left;        /* of a flagged switch: bool, a break has run */
} vyi_source_target;

/* A function that is being read, or the text itself. */
typedef struct vyi_source_frame {
    struct vyi_source_frame *outer;
    uint8_t     type;      /* of what it returns */
    bool        early;     /* returned and result are there */
    bool        nested;    /* a return stands deeper than its outermost block */
    uint32_t    depth;     /* of blocks that are open in it */
    uint32_t    returns;
    uint32_t    floor;     /* its first symbol */
    uint32_t    globals;   /* symbols before this one are in sight, too */
    vyre_local  returned, result;
    vyi_operand value;     /* of the return, unless early */
} vyi_source_frame;

/* Jumps by flag that may have happened in what was read last. */
#define VYI_MAY_RETURN 1u
#define VYI_MAY_LEAVE  2u /* a flagged switch */

/* 64-bit integers work like the others, but are never constants. */
#define VYI_CLASS_PAIR ((1u << VYRE_TYPE_U64) | (1u << VYRE_TYPE_I64))

/* What the text belongs to. */
#define VYI_SOURCE_JOB   1u /* a slot, with arguments and results */
#define VYI_SOURCE_WIDE  2u /* that has indexes */
#define VYI_SOURCE_GROUP 4u /* code that a whole workgroup runs together */

typedef struct vyi_source {
    vyre_program *p;
    const vyre_slot_values *slot;
    const char   *name;
    const char   *text;
    uint32_t      size;
    uint32_t      rights;  /* VYI_SOURCE_* */
    uint32_t      number;  /* the handler's, from 1; 0: the payload; UINT32_MAX: neither */
    vyi_source_reader    r;
    uint32_t      steps, depth;
    bool          spent;   /* nothing more of the text is read */
    uint32_t      formulas; /* of the library's own that are being read */
    uint32_t      mute;
    uint32_t      heavy;   /* grows with all that must not be done for nothing */
    uint32_t      may;     /* VYI_MAY_* of the last statement */
    bool          dangling; /* it left an if open: what follows in its block is the other arm */
    vyi_source_frame    *frame;
    vyi_source_target     *jump;    /* the innermost one */
    uint32_t      scope;   /* first symbol of the innermost block */
    uint32_t      gap_low, gap_high; /* symbols that are out of sight for now */
    uint32_t      symbol_count, function_count, param_count, label_count;
    vyre_source_report report;
    vyi_source_symbol    symbols[VYI_SOURCE_SYMBOLS + VYI_SOURCE_SPARE];
    vyi_source_routine  functions[VYI_SOURCE_FUNCTIONS];
    vyi_source_parameter     params[VYI_SOURCE_PARAMS];
    struct {
        uint32_t bits, arm;
        bool     is_default;
    } labels[VYI_SOURCE_LABELS];
} vyi_source;

/* --- reading (source_read.c) --------------------------------------------- */

VYI_SMALL void vyi_source_next(vyi_source *s);
/* Takes the next token if it is of this kind. */
VYI_SMALL bool vyi_source_accept(vyi_source *s, uint32_t kind);
/* The same, and a mistake if it is not; `where` ends the sentence. */
VYI_SMALL bool vyi_source_expect(vyi_source *s, uint32_t kind, const char *where);
/* Goes past the end of a statement that has a mistake in it. */
VYI_SMALL void vyi_source_recover(vyi_source *s);
/* A kind as it is written, for messages. */
VYI_SMALL const char *vyi_source_kind_text(uint32_t kind);
VYI_SMALL bool vyi_source_is(const vyi_source *s, const vyi_token *token, const char *text);
/* Goes one deeper; false, and a mistake, at the limit.  Each has its leave. */
VYI_SMALL bool vyi_source_enter(vyi_source *s);

/* --- mistakes (source_error.c) ------------------------------------------- */

/* Reports a mistake at an offset of the text; `fix` says what to do. */
VYI_SMALL void vyi_source_fail(vyi_source *s, uint32_t at, const char *fix, const char *format, ...)
    VYI_PRINTF(4, 5);
/* What the builder refused while this was read, if anything. */
VYI_SMALL void vyi_source_settle(vyi_source *s, uint32_t at);
/* "Did you mean ...?" for a name that is not there, or `otherwise`. */
VYI_SMALL void vyi_source_suggest(const vyi_source *s, const vyi_token *token, bool calls,
                                  const char *otherwise, char *dst, size_t size);
/* A name for a message: at most 40 characters, terminated. */
typedef struct vyi_source_word { char text[44]; } vyi_source_word;
VYI_SMALL vyi_source_word vyi_source_quote(const vyi_source *s, const vyi_token *token);

/* --- values (source_value.c) --------------------------------------------- */

VYI_SMALL const char *vyi_source_type_text(uint32_t type);
VYI_SMALL vyi_operand vyi_source_wrong(uint32_t at);
VYI_SMALL vyi_operand vyi_source_constant(uint32_t type, uint32_t bits, uint32_t at);
VYI_SMALL vyi_operand vyi_source_made(uint32_t type, vyre_value value, uint32_t at);
/* A value of which nothing is known yet, while mute; of type NONE, what returns
 * nothing. */
VYI_SMALL vyi_operand vyi_source_unknown(uint32_t type, uint32_t at);
/* The operand as a value: loads what is a variable or an element. */
VYI_SMALL vyi_operand vyi_source_load(vyi_source *s, vyi_operand a);
/* Its value in the program; a constant gets one. */
VYI_SMALL vyre_value vyi_source_id(vyi_source *s, const vyi_operand *a);
/* Stores into a variable or an element, which must be one. */
VYI_SMALL void vyi_source_store(vyi_source *s, const vyi_operand *to, vyi_operand value);
/* Can it be assigned to?  A mistake, if not. */
VYI_SMALL bool vyi_source_assignable(vyi_source *s, const vyi_operand *to);
/* int to uint to float, as GLSL converts by itself; or any to any. */
VYI_SMALL bool vyi_source_converts(uint32_t from, uint32_t to);
VYI_SMALL vyi_operand vyi_source_cast(vyi_source *s, uint32_t type, vyi_operand a);
/* The same with a mistake where GLSL does not convert; `what` begins the sentence. */
VYI_SMALL vyi_operand vyi_source_convert(vyi_source *s, uint32_t type, vyi_operand a,
                                         const char *what);
/* Two operands, converted to the type that both can have; false and a mistake. */
VYI_SMALL bool vyi_source_common(vyi_source *s, vyi_operand *a, vyi_operand *b, const char *op);

/* Emits, or folds; the operands have the right types.  `sub` is a vyi_binary, a
 * vyi_unary. */
VYI_SMALL vyi_operand vyi_source_op2(vyi_source *s, uint32_t sub, vyi_operand a, vyi_operand b);
VYI_SMALL vyi_operand vyi_source_op1(vyi_source *s, uint32_t sub, vyi_operand a);
VYI_SMALL vyi_operand vyi_source_select(vyi_source *s, vyi_operand cond, vyi_operand a,
                                        vyi_operand b);

/* A local of this type with this first value; what is not there yet is 0. */
VYI_SMALL vyre_local vyi_source_local(vyi_source *s, uint32_t type, const vyi_operand *first,
                                      const char *name, uint32_t length);
VYI_SMALL vyre_local vyi_source_flag(vyi_source *s, bool first, const char *name);
VYI_SMALL void vyi_source_set_flag(vyi_source *s, vyre_local flag);
/* Opens an if; end closes it, or is_not opens it for a flag that is not set. */
VYI_SMALL void vyi_source_if(vyi_source *s, const vyi_operand *cond);
VYI_SMALL void vyi_source_if_not(vyi_source *s, vyi_operand cond);
VYI_SMALL void vyi_source_else(vyi_source *s);
VYI_SMALL void vyi_source_end(vyi_source *s);

/* --- names (source_name.c) ----------------------------------------------- */

/* The innermost symbol of this name, or NULL. */
VYI_SMALL vyi_source_symbol *vyi_source_find(vyi_source *s, const char *name, uint32_t length);
/* A new one in the innermost block; NULL and a mistake when there is one already. */
VYI_SMALL vyi_source_symbol *vyi_source_declare(vyi_source *s, const vyi_token *name, uint32_t kind,
                                                uint32_t type);
/* What a name alone gives: a variable, a buffer, a word of the job. */
VYI_SMALL vyi_operand vyi_source_named(vyi_source *s, const vyi_token *token);
/* False, and a mistake, where the text has none of the rights that a word needs. */
VYI_SMALL bool vyi_source_allowed(vyi_source *s, uint32_t needs, const char *word, uint32_t at);
/* arg[n]; the token before was arg. */
VYI_SMALL vyi_operand vyi_source_arg(vyi_source *s, uint32_t at);
/* The element that is observable n, a uint. */
VYI_SMALL vyi_operand vyi_source_observable(vyi_source *s, vyi_operand n);
/* Name `i` of the buffers and the words that are there, or NULL after the last. */
VYI_SMALL const char *vyi_source_name_at(const vyi_source *s, uint32_t i);
/* Why a word of GLSL is none here, or NULL. */
VYI_SMALL const char *vyi_source_refused(const vyi_source *s, const vyi_token *token);

/* --- calls (source_call.c) ----------------------------------------------- */

/* A call; the name and its parenthesis have been read. */
VYI_SMALL vyi_operand vyi_source_call(vyi_source *s, const vyi_token *name);
/* Name `i` of the functions that are built in, or NULL after the last. */
VYI_SMALL const char *vyi_source_function_at(uint32_t i);

/* printf("..", a, b); the name and its parenthesis have been read (source_log.c). */
VYI_SMALL vyi_operand vyi_source_printf(vyi_source *s, const vyi_token *name);

/* --- expressions (source_expr.c) ----------------------------------------- */

VYI_SMALL vyi_operand vyi_source_expression(vyi_source *s);  /* with commas */
VYI_SMALL vyi_operand vyi_source_assignment(vyi_source *s);  /* without */
/* A bool in parentheses; `what` names the statement. */
VYI_SMALL vyi_operand vyi_source_condition(vyi_source *s, const char *what);
/* A constant integer; false and a mistake if it is none. */
VYI_SMALL bool vyi_source_constant_int(vyi_source *s, const char *what, vyi_operand *out);

/* --- statements (source_flow.c, source.c) -------------------------------- */

/* True: nothing after it in its block is reached.  It may leave an if open
 * (`dangling`); vyi_source_body, for the statement of an if or a loop, does not. */
VYI_SMALL bool vyi_source_statement(vyi_source *s);
VYI_SMALL bool vyi_source_body(vyi_source *s, bool scoped);
/* The statements up to a closing brace, or to the end of the text. */
VYI_SMALL bool vyi_source_statements(vyi_source *s, uint32_t end);
/* A loop or a switch, whose first word has not been taken yet. */
VYI_SMALL bool vyi_source_loop(vyi_source *s);
VYI_SMALL bool vyi_source_switch(vyi_source *s);
VYI_SMALL bool vyi_source_jump(vyi_source *s);
/* "type name = value, ..;" or one that is const; the type has not been taken yet. */
VYI_SMALL void vyi_source_declaration(vyi_source *s);
/* Starts a mute reading, unless it is mute already; true: read it again, from
 * where it began, which vyi_source_heard goes back to. */
VYI_SMALL bool vyi_source_rehearse(vyi_source *s, vyi_source_reader *from);
VYI_SMALL bool vyi_source_heard(vyi_source *s, bool rehearsing, const vyi_source_reader *from);
/* What a text of the library's gives: constants, then an expression, of `a`, `b`, ..
 * which are the operands. */
VYI_SMALL vyi_operand vyi_source_formula(vyi_source *s, const char *formula,
                                         const vyi_operand *args, uint32_t count);
/* Inlines function `index`: its parameters are the `count` operands. */
VYI_SMALL vyi_operand vyi_source_inline(vyi_source *s, uint32_t index, vyi_operand *args,
                                        uint32_t at);

/* The type that a token names, or NONE for void and what is none. */
static inline uint32_t vyi_source_type_of(uint32_t kind)
{
    return kind >= VYI_TOKEN_UINT && kind <= VYI_TOKEN_INT64
               ? kind - VYI_TOKEN_UINT + VYRE_TYPE_U32 : (uint32_t)VYRE_TYPE_NONE;
}

VYI_EXTERN_C_END

#endif /* VYRE_NO_SOURCE */

#endif

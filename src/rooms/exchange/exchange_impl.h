/* ==========================================================================
 * exchange: reading a blob, for those who look at what stands in it
 *
 * Private.  A reader that stops at the first failure, and the forms of
 * statements, expressions and types.
 * ======================================================================= */
#ifndef VYI_EXCHANGE_IMPL_H
#define VYI_EXCHANGE_IMPL_H

#include "rooms/exchange/exchange.h"
#include "base/digest_impl.h"

#ifndef VYRE_NO_EXCHANGE

VYI_EXTERN_C_BEGIN

/* --- limits, those of the original ---------------------------------------- */

#define VYI_EXCHANGE_HEADER  40u
#define VYI_EXCHANGE_BLOB    (64u << 20)
#define VYI_EXCHANGE_BUFFERS 16384u
#define VYI_EXCHANGE_LIST    1000000u
#define VYI_EXCHANGE_SHORT   4096u /* arguments of a call, sizes of a shape */
#define VYI_EXCHANGE_PAYLOAD (4u << 20)
#define VYI_EXCHANGE_STRING  (1u << 20)
#define VYI_EXCHANGE_PART    64u /* bytes of a shape, or of hints */
#define VYI_EXCHANGE_DEPTH   64u

/* --- the reader ------------------------------------------------------------ */

/* After the first failure `status` is set and nothing is left to read, so only
 * loops have to look at it. */
typedef struct vyi_exchange {
    const uint8_t   *bytes;
    size_t           at, end;
    vyre_status      status;
    vyre_error      *err;
    vyre_import_info info;
} vyi_exchange;

/* Bytes of the blob, not terminated. */
typedef struct vyi_exchange_text {
    const uint8_t *bytes;
    size_t         size;
} vyi_exchange_text;

/* "byte AT: WHAT: NUMBER". */
VYI_API void vyi_exchange_fail(vyi_exchange *x, vyre_status status, size_t at, const char *what,
                               uint64_t number);
/* "byte AT: WHAT: "NAME"". */
VYI_API void vyi_exchange_fail_name(vyi_exchange *x, vyre_status status, size_t at,
                                    const char *what, vyi_exchange_text name);
VYI_API uint32_t vyi_exchange_u32(vyi_exchange *x);
VYI_API uint64_t vyi_exchange_leb(vyi_exchange *x, uint64_t most, const char *what);
VYI_API bool vyi_exchange_is(vyi_exchange_text text, const char *name);
/* The text whose length stands at `at`, where one has been read. */
VYI_API vyi_exchange_text vyi_exchange_text_at(const vyi_exchange *x, size_t at);

/* Whether all of it is UTF-8. */
VYI_API bool vyi_exchange_is_utf8(const char *text, size_t size);

/* --- statements, expressions and types ------------------------------------- */

/* What is left of a statement, 'l', an expression, 'e', or a type, 't'. */
typedef struct vyi_exchange_level {
    const char *fields;
    uint32_t    items; /* of the list that is open */
    char        item;
} vyi_exchange_level;

typedef struct vyi_exchange_walk {
    vyi_exchange_level levels[VYI_EXCHANGE_DEPTH];
    uint32_t           depth;
} vyi_exchange_walk;

/* Opens a level. */
VYI_API void vyi_exchange_enter(vyi_exchange *x, vyi_exchange_walk *w, char item);
/* Reads the level's next field, which may open another level, or a list. */
VYI_API void vyi_exchange_field(vyi_exchange *x, vyi_exchange_walk *w, vyi_exchange_level *level);

/* Numbers of statements and expressions with a meaning to an import. */
enum {
    VYI_NODE_LET = 0, VYI_NODE_ASSIGN, VYI_NODE_STORE, VYI_NODE_IF, VYI_NODE_LOOP,
    VYI_NODE_RETURN, VYI_NODE_BLOCK, VYI_NODE_BARRIER, VYI_NODE_INDIRECT, VYI_NODE_ASYNC_LOAD,
    VYI_NODE_ASYNC_WAIT, VYI_NODE_REGION
};

enum {
    VYI_EXPR_U32 = 0, VYI_EXPR_I32, VYI_EXPR_BOOL, VYI_EXPR_VAR, VYI_EXPR_LOAD, VYI_EXPR_LENGTH,
    VYI_EXPR_INVOCATION, VYI_EXPR_WORKGROUP, VYI_EXPR_LOCAL, VYI_EXPR_BINARY, VYI_EXPR_UNARY,
    VYI_EXPR_CALL, VYI_EXPR_SELECT, VYI_EXPR_CAST, VYI_EXPR_ATOMIC, VYI_EXPR_F32, VYI_EXPR_FMA,
    VYI_EXPR_REDUCE, VYI_EXPR_SHUFFLE, VYI_EXPR_BALLOT, VYI_EXPR_LANE, VYI_EXPR_WIDTH
};

/* --- buffers and records ---------------------------------------------------- */

typedef struct vyi_exchange_hints {
    uint32_t axis; /* 256 = none */
    uint32_t alignment, locality;
} vyi_exchange_hints;

enum {
    VYI_REGION_READ = 0, VYI_REGION_READ_WRITE, VYI_REGION_UNIFORM, VYI_REGION_WORKGROUP,
    VYI_REGION_WRITE
};

typedef struct vyi_exchange_buffer {
    vyi_exchange_text  name;
    size_t             at; /* where the first record has it */
    uint32_t           binding, count;
    bool               output, live, range;
    uint64_t           first, end; /* bytes that are read back */
    vyi_exchange_hints hints;
    uint32_t           access, type; /* of its region */
} vyi_exchange_buffer;

/* Buffer `index`, of its region, at x->at, and of the first record, at *first; both
 * move on. */
VYI_API void vyi_exchange_read_both(vyi_exchange *x, size_t *first, uint32_t index,
                                    vyi_exchange_buffer *buffer);

typedef struct vyi_exchange_record {
    size_t            start, payload, end; /* its first byte, its payload's, and the end of that */
    vyi_exchange_text name;
} vyi_exchange_record;

VYI_API void vyi_exchange_read_record(vyi_exchange *x, vyi_exchange_record *record);
/* Reads the first record's payload; gives the offset of its first buffer. */
VYI_API size_t vyi_exchange_metadata(vyi_exchange *x);

/* --- the form of a text (exchange_text.c) ------------------------------------ */

/* Whether these bytes begin as the form of a text does. */
VYI_API bool vyi_exchange_is_text(const void *bytes, size_t size);
/* How many bytes a text says that it holds. */
VYI_API vyre_status vyi_exchange_text_size(const void *text, size_t size, size_t *out,
                                           vyre_error *err);
/* Writes them, so many. */
VYI_API vyre_status vyi_exchange_text_read(const void *text, size_t size, uint8_t *dst,
                                           size_t count, vyre_error *err);
/* snprintf's rules. */
VYI_API size_t vyi_exchange_text_write(const uint8_t *bytes, size_t count, char *dst, size_t size);

VYI_EXTERN_C_END

#endif /* VYRE_NO_EXCHANGE */
#endif

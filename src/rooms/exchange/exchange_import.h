/* ==========================================================================
 * exchange: an import on its way
 *
 * Private.  Statements are walked twice: once to learn which variables are
 * read and assigned, and once to build.
 * ======================================================================= */
#ifndef VYI_EXCHANGE_IMPORT_H
#define VYI_EXCHANGE_IMPORT_H

#include "rooms/exchange/exchange_impl.h"
#include "ir/ir_impl.h"

#ifndef VYRE_NO_EXCHANGE

VYI_EXTERN_C_BEGIN

#define VYI_IMPORT_FIELDS 6u
#define VYI_IMPORT_HEADS  4096u

/* A statement, an expression or a type whose end has not come yet. */
typedef struct vyi_import_frame {
    size_t   start;                 /* of its tag */
    size_t   at[VYI_IMPORT_FIELDS]; /* of each field that has been read */
    uint32_t tag, fields;
    uint32_t values;                /* where its operands begin */
    char     item;                  /* 'l', 'e' or 't' */
} vyi_import_frame;

typedef enum vyi_import_kind {
    VYI_IMPORT_VALUE,
    VYI_IMPORT_LOCAL,
    VYI_IMPORT_COUNTER
} vyi_import_kind;

/* A name that can be seen. */
typedef struct vyi_import_binding {
    uint32_t at;      /* of its name in the blob */
    uint32_t next;    /* binding with such a hash, plus 1 */
    uint32_t ordinal; /* of all bindings, in the order of the statements */
    uint32_t id;      /* of the value or local; 0: nobody asks for it */
    uint32_t kind;
} vyi_import_binding;

#define VYI_IMPORT_READ     1u
#define VYI_IMPORT_ASSIGNED 2u

typedef struct vyi_import {
    vyi_exchange            x;
    const vyre_import_desc *desc;
    vyre_import_info        info;
    vyre_program           *p;      /* NULL while nothing is built */
    vyre_program           *hidden; /* it, while statements pass that are never reached */
    uint32_t                hidden_depth;
    vyi_exchange_walk       walk;
    vyi_import_frame        frames[VYI_EXCHANGE_DEPTH];
    vyi_exchange_text       buffers[VYRE_MAX_BUFFERS]; /* their names, whole */
    vyi_import_binding     *bindings;
    uint32_t                binding_count, binding_capacity;
    uint32_t                heads[VYI_IMPORT_HEADS];   /* binding plus 1 */
    uint32_t                scopes[VYI_EXCHANGE_DEPTH + 1]; /* their first bindings */
    uint32_t                scope_count;
    uint8_t                *marks; /* of each ordinal */
    uint32_t                ordinals;
    vyre_value             *values; /* operands whose expression has not ended */
    uint32_t                value_count, value_capacity;
    uint32_t               *offsets; /* of each instruction's statement or expression */
    uint32_t                offset_count, offset_capacity;
} vyi_import;

/* --- names (exchange_name.c) -------------------------------------------------- */

VYI_API void vyi_import_nomem(vyi_import *m, size_t size);
/* As much of a name as programs keep; characters that are not ASCII as they are. */
VYI_API const char *vyi_import_name(vyi_exchange_text text, char name[VYRE_MAX_NAME + 1]);
/* A scope begins; ends, with its names; gets a new one. */
VYI_API void vyi_import_open(vyi_import *m);
VYI_API void vyi_import_close(vyi_import *m);
VYI_API void vyi_import_bind(vyi_import *m, size_t at, vyi_import_kind kind, uint32_t id);
/* The buffer whose name stands there; none and a failure when there is none. */
VYI_API vyre_buffer vyi_import_buffer(vyi_import *m, size_t at);
/* The binding whose name stands there; NULL and a failure when there is none. */
VYI_API vyi_import_binding *vyi_import_find(vyi_import *m, size_t at);

/* --- for values (exchange_value.c) ------------------------------------------- */

static inline uint32_t vyi_import_byte(const vyi_import *m, size_t at)
{
    return m->x.bytes[at];
}

static inline uint32_t vyi_import_type(const vyi_import *m, vyre_value value)
{
    return value.id ? vyi_definition(m->p, value.id)->type : (uint32_t)VYRE_TYPE_NONE;
}

#define VYI_IMPORT_CONSISTENT 4u /* an order that no program here has */

static inline vyre_order vyi_import_order(uint32_t order)
{
    return order == VYI_IMPORT_CONSISTENT ? VYRE_ORDER_ACQ_REL : (vyre_order)order;
}

/* Any bit set; itself when it is a bool. */
VYI_API vyre_value vyi_import_bool(vyi_import *m, vyre_value value);
/* The bits of an i32, and 0 or 1 of a bool. */
VYI_API vyre_value vyi_import_u32(vyi_import *m, vyre_value value);
/* Whether a literal index lies beyond the buffer's count: nothing happens there. */
VYI_API bool vyi_import_beyond(const vyi_import *m, vyre_buffer buffer, vyre_value index);
/* What an expression gives; its operands stand from frame->values on. */
VYI_API vyre_value vyi_import_value(vyi_import *m, const vyi_import_frame *frame);

VYI_EXTERN_C_END

#endif /* VYRE_NO_EXCHANGE */
#endif

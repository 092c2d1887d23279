/* ==========================================================================
 * exchange: a blob as a program
 * ======================================================================= */
#include "rooms/exchange/exchange_import.h"

#ifndef VYRE_NO_EXCHANGE

/* --- what the builder says ---------------------------------------------------- */

static vyre_status vyi_import_status(vyre_status status)
{
    switch (status) {
    case VYRE_E_NOMEM:           return VYRE_E_NOMEM;
    case VYRE_E_IR_NAME:         return VYRE_E_EXCHANGE_NAME;
    case VYRE_E_IR_UNREACHABLE:
    case VYRE_E_IR_BARRIER:      return VYRE_E_EXCHANGE_FLOW;
    case VYRE_E_IR_NESTING:
    case VYRE_E_IR_LIMIT:
    case VYRE_E_IR_GROUP_SIZE:
    case VYRE_E_IR_GROUP_MEMORY: return VYRE_E_EXCHANGE_LIMIT;
    case VYRE_E_IR_BINDING:      return VYRE_E_EXCHANGE_UNSUPPORTED;
    default:                     return VYRE_E_EXCHANGE_TYPE;
    }
}

/* Passes the builder's mistake on, with the byte that led to it. */
static void vyi_import_blame(vyi_import *m, size_t at, const vyre_error *found)
{
    if (m->x.status < 0)
        return;
    m->x.status = vyi_fail(m->x.err, vyi_import_status(found->status), at,
                           "Write the program in another way; its listing shows what was built.",
                           "byte %llu: %.200s", (unsigned long long)at, found->text);
    m->x.at = m->x.end;
}

/* After each step: instructions that are new come from the byte `at`. */
static void vyi_import_settle(vyi_import *m, size_t at)
{
    if (!m->p || m->x.status < 0)
        return;
    if (m->p->error.status < 0) {
        vyi_import_blame(m, at, &m->p->error);
        return;
    }
    void *offsets = m->offsets;
    if (!vyi_grow(&m->desc->allocator, &offsets, &m->offset_capacity, m->p->count,
                  sizeof *m->offsets)) {
        vyi_import_nomem(m, m->p->count * sizeof *m->offsets);
        return;
    }
    m->offsets = (uint32_t *)offsets;
    while (m->offset_count < m->p->count)
        m->offsets[m->offset_count++] = (uint32_t)at;
}

/* --- statements ------------------------------------------------------------------ */

static void vyi_import_let(vyi_import *m, const vyi_import_frame *frame)
{
    const size_t at = frame->at[0];
    char name[VYRE_MAX_NAME + 1];
    if (!m->p) {
        vyi_import_bind(m, at, VYI_IMPORT_VALUE, 0);
        return;
    }
    const vyre_value value = m->values[frame->values];
    (void)vyi_import_name(vyi_exchange_text_at(&m->x, at), name);
    if (m->marks[m->ordinals] & VYI_IMPORT_ASSIGNED) {
        const vyre_type type = (vyre_type)vyi_import_type(m, value);
        vyi_import_bind(m, at, VYI_IMPORT_LOCAL, vyre_ir_local(m->p, type, value, name).id);
        return;
    }
    const bool made_here = value.id && m->offsets[value.id - 1] > frame->start;
    if (made_here && vyi_definition(m->p, value.id)->op != VYI_OP_CONST)
        (void)vyre_ir_name(m->p, value, name);
    vyi_import_bind(m, at, VYI_IMPORT_VALUE, value.id);
}

static void vyi_import_assign(vyi_import *m, const vyi_import_frame *frame)
{
    const vyi_import_binding *binding = vyi_import_find(m, frame->at[0]);
    if (!binding)
        return;
    if (binding->kind == VYI_IMPORT_COUNTER) {
        vyi_exchange_fail_name(&m->x, VYRE_E_EXCHANGE_SCOPE, frame->at[0],
                               "a loop's counter is assigned",
                               vyi_exchange_text_at(&m->x, frame->at[0]));
        return;
    }
    m->marks[binding->ordinal] |= VYI_IMPORT_ASSIGNED;
    if (m->p) {
        const vyre_local local = { binding->id };
        vyre_ir_set(m->p, local, m->values[frame->values]);
    }
}

/* u32, i32 and bool can be stored as each other, as the original has it. */
static void vyi_import_store(vyi_import *m, const vyi_import_frame *frame)
{
    const vyre_buffer buffer = vyi_import_buffer(m, frame->at[0]);
    if (!buffer.id)
        return;
    const vyre_value index = vyi_import_u32(m, m->values[frame->values]);
    vyre_value value = m->values[frame->values + 1];
    const uint32_t to = vyi_buffer_of(m->p, buffer.id)->type, from = vyi_import_type(m, value);
    if (to != from && to != VYRE_TYPE_F32 && from != VYRE_TYPE_F32)
        value = vyre_ir_cast(m->p, (vyre_type)to, value);
    if (!vyi_import_beyond(m, buffer, index))
        vyre_ir_store(m->p, buffer, index, value);
}

static void vyi_import_barrier(vyi_import *m, const vyi_import_frame *frame)
{
    const uint32_t order = vyi_import_byte(m, frame->at[0]);
    if (order == 0 || order > VYI_IMPORT_CONSISTENT)
        vyi_exchange_fail(&m->x, VYRE_E_EXCHANGE_UNSUPPORTED, frame->start,
                          order ? "a barrier of the whole grid, order"
                                : "a barrier that orders nothing, order", order);
    else
        vyre_ir_barrier(m->p, VYRE_SCOPE_WORKGROUP, vyi_import_order(order));
}

static void vyi_import_async(vyi_import *m, const vyi_import_frame *frame, uint32_t field)
{
    const vyi_exchange_text tag = vyi_exchange_text_at(&m->x, frame->at[field]);
    if (m->desc->drop_io && vyi_exchange_is(tag, "io_queue_dma"))
        m->info.dropped++;
    else
        vyi_exchange_fail_name(&m->x, VYRE_E_EXCHANGE_UNSUPPORTED, frame->start,
                               "an asynchronous copy, with tag", tag);
}

/* Of a statement that opens a block: nothing is left to do but to close it. */
static bool vyi_import_closes(vyi_import *m, uint32_t tag)
{
    if (tag != VYI_NODE_IF && tag != VYI_NODE_LOOP && tag != VYI_NODE_BLOCK &&
        tag != VYI_NODE_REGION)
        return false;
    vyi_import_close(m);
    if (m->p && (tag == VYI_NODE_IF || tag == VYI_NODE_LOOP))
        vyre_ir_end(m->p);
    return true;
}

/* What stands in a statement has been built. */
static void vyi_import_do(vyi_import *m, const vyi_import_frame *frame)
{
    if (vyi_import_closes(m, frame->tag))
        return;
    if (frame->tag == VYI_NODE_LET)
        vyi_import_let(m, frame);
    else if (frame->tag == VYI_NODE_ASSIGN)
        vyi_import_assign(m, frame);
    if (!m->p)
        return;
    switch (frame->tag) {
    case VYI_NODE_LET:
    case VYI_NODE_ASSIGN:     break;
    case VYI_NODE_STORE:      vyi_import_store(m, frame); break;
    case VYI_NODE_RETURN:     vyre_ir_return(m->p); break;
    case VYI_NODE_BARRIER:    vyi_import_barrier(m, frame); break;
    case VYI_NODE_ASYNC_LOAD: vyi_import_async(m, frame, 4); break;
    case VYI_NODE_ASYNC_WAIT: vyi_import_async(m, frame, 0); break;
    default:
        vyi_exchange_fail(&m->x, VYRE_E_EXCHANGE_UNSUPPORTED, frame->start, "statement with tag",
                          frame->tag);
    }
}

/* --- blocks ------------------------------------------------------------------------ */

/* "__forever__" from 0 to the end, whose counter nobody reads. */
static bool vyi_import_is_endless(const vyi_import *m, const vyi_import_frame *frame)
{
    const vyre_value *bounds = m->values + frame->values;
    uint32_t from, to;
    return vyi_exchange_is(vyi_exchange_text_at(&m->x, frame->at[0]), "__forever__") &&
           vyi_literal(m->p, bounds[0].id, &from) && from == 0 &&
           vyi_literal(m->p, bounds[1].id, &to) && to == UINT32_MAX && m->marks[m->ordinals] == 0;
}

static void vyi_import_loop(vyi_import *m, const vyi_import_frame *frame)
{
    uint32_t counter = 0;
    if (m->p && vyi_import_is_endless(m, frame)) {
        vyre_ir_forever(m->p);
    } else if (m->p) {
        const vyre_value from = vyi_import_u32(m, m->values[frame->values]);
        const vyre_value to = vyi_import_u32(m, m->values[frame->values + 1]);
        counter = vyre_ir_loop(m->p, from, to).id;
    }
    vyi_import_open(m);
    vyi_import_bind(m, frame->at[0], VYI_IMPORT_COUNTER, counter);
}

static void vyi_import_region(vyi_import *m, const vyi_import_frame *frame)
{
    char name[VYRE_MAX_NAME + 1];
    const vyi_exchange_text text = vyi_exchange_text_at(&m->x, frame->at[0]);
    if (m->p && !vyi_exchange_is(text, "vyre.program.root"))
        vyre_ir_comment(m->p, vyi_import_name(text, name));
    vyi_import_open(m);
}

/* A list of statements comes next. */
static void vyi_import_list(vyi_import *m, const vyi_import_frame *frame)
{
    const bool other = frame->fields == 3 && frame->tag == VYI_NODE_IF;
    switch (frame->tag) {
    case VYI_NODE_IF:
        if (other)
            vyi_import_close(m);
        if (m->p && !other)
            vyre_ir_if(m->p, vyi_import_bool(m, m->values[frame->values]));
        else if (m->p && vyi_get32(m->x.bytes + m->x.at))
            vyre_ir_else(m->p);
        vyi_import_open(m);
        break;
    case VYI_NODE_LOOP:   vyi_import_loop(m, frame); break;
    case VYI_NODE_REGION: vyi_import_region(m, frame); break;
    default:              vyi_import_open(m);
    }
}

/* --- the walk ------------------------------------------------------------------------ */

/* Whether what comes next, in the same block, can never be reached. */
static bool vyi_import_is_left(const vyre_program *p)
{
    return p->depth ? p->open[p->depth - 1].left : p->left;
}

/* The level that has just been opened; its tag is the byte before the reader. */
static void vyi_import_opened(vyi_import *m, char item)
{
    vyi_import_frame *frame = &m->frames[m->walk.depth - 1];
    memset(frame, 0, sizeof *frame);
    frame->start = m->x.at - 1;
    frame->tag = m->x.bytes[frame->start];
    frame->item = item;
    frame->values = m->value_count;
    if (item == 'l' && m->p && vyi_import_is_left(m->p)) {
        m->hidden = m->p;
        m->hidden_depth = m->walk.depth;
        m->p = NULL;
    }
}

static void vyi_import_enter(vyi_import *m, char item)
{
    vyi_exchange_enter(&m->x, &m->walk, item);
    if (m->x.status >= 0)
        vyi_import_opened(m, item);
}

static void vyi_import_field(vyi_import *m, vyi_exchange_level *level)
{
    vyi_import_frame *frame = &m->frames[m->walk.depth - 1];
    const uint32_t depth = m->walk.depth;
    const char field = *level->fields;
    VYRE_ASSERT(frame->fields < VYI_IMPORT_FIELDS);
    frame->at[frame->fields++] = m->x.at;
    if (frame->item == 'l' && field == 'l') {
        vyi_import_list(m, frame);
        vyi_import_settle(m, frame->start);
    }
    if (m->x.status < 0)
        return;
    vyi_exchange_field(&m->x, &m->walk, level);
    if (m->x.status >= 0 && m->walk.depth > depth)
        vyi_import_opened(m, field == 't' ? 't' : 'e');
}

static void vyi_import_push(vyi_import *m, vyre_value value)
{
    void *values = m->values;
    if (!vyi_grow(&m->desc->allocator, &values, &m->value_capacity, m->value_count + 1,
                  sizeof *m->values)) {
        vyi_import_nomem(m, (m->value_count + 1) * sizeof *m->values);
        return;
    }
    m->values = (vyre_value *)values;
    m->values[m->value_count++] = value;
}

/* The innermost level has ended. */
static void vyi_import_leave(vyi_import *m)
{
    const vyi_import_frame *frame = &m->frames[--m->walk.depth];
    vyre_value value = { 0 };
    if (frame->item == 'l')
        vyi_import_do(m, frame);
    else if (frame->item == 'e' && m->p)
        value = vyi_import_value(m, frame);
    else if (frame->item == 'e' && frame->tag == VYI_EXPR_VAR) {
        const vyi_import_binding *binding = vyi_import_find(m, frame->at[0]);
        if (binding)
            m->marks[binding->ordinal] |= VYI_IMPORT_READ;
    }
    if (m->hidden && m->walk.depth < m->hidden_depth) {
        m->p = m->hidden;
        m->hidden = NULL;
    }
    vyi_import_settle(m, frame->start);
    m->value_count = frame->values;
    if (frame->item == 'e' && m->x.status >= 0)
        vyi_import_push(m, value);
}

static void vyi_import_statement(vyi_import *m)
{
    m->walk.depth = 0;
    vyi_import_enter(m, 'l');
    while (m->walk.depth && m->x.status >= 0) {
        vyi_exchange_level *level = &m->walk.levels[m->walk.depth - 1];
        if (level->items) {
            level->items--;
            vyi_import_enter(m, level->item);
        } else if (*level->fields) {
            vyi_import_field(m, level);
        } else {
            vyi_import_leave(m);
        }
    }
}

/* All statements, in one scope.  Leaves the reader behind them. */
static void vyi_import_statements(vyi_import *m)
{
    m->x.at = VYI_EXCHANGE_HEADER;
    m->ordinals = 0;
    const uint64_t count = vyi_exchange_leb(&m->x, UINT64_MAX, "");
    vyi_import_open(m);
    for (uint64_t i = 0; i < count && m->x.status >= 0; i++) {
        vyi_exchange_record record;
        vyi_exchange_read_record(&m->x, &record);
        const size_t next = m->x.at;
        m->x.at = record.payload;
        if (i)
            vyi_import_statement(m);
        if (m->x.status >= 0)
            m->x.at = next;
    }
    if (m->x.status >= 0)
        vyi_import_close(m);
}

/* --- buffers -------------------------------------------------------------------------- */

static vyre_type vyi_import_element(uint32_t type)
{
    switch (type) {
    case 0x01: return VYRE_TYPE_U32;
    case 0x02: return VYRE_TYPE_I32;
    case 0x06: return VYRE_TYPE_BOOL;
    case 0x0b: return VYRE_TYPE_F32;
    default:   return VYRE_TYPE_NONE;
    }
}

/* Whole words of what is read back; nothing at all when the range is empty. */
static void vyi_import_range(const vyi_exchange_buffer *b, vyre_buffer_desc *desc)
{
    if (!b->range)
        return;
    desc->no_readback = b->first == b->end;
    if (desc->no_readback)
        return;
    desc->readback_offset = (uint32_t)b->first & ~3u;
    desc->readback_size = (((uint32_t)b->end + 3u) & ~3u) - desc->readback_offset;
}

static void vyi_import_declare(vyi_import *m, const vyi_exchange_buffer *b)
{
    static const uint8_t access[] = { VYRE_ACCESS_READ, VYRE_ACCESS_READ_WRITE, VYRE_ACCESS_READ,
                                      VYRE_ACCESS_WORKGROUP, VYRE_ACCESS_WRITE };
    char name[VYRE_MAX_NAME + 1];
    vyre_buffer_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.name = vyi_import_name(b->name, name);
    desc.binding = b->binding;
    desc.type = vyi_import_element(b->type);
    desc.access = (vyre_access)access[b->access];
    desc.count = b->count;
    vyi_import_range(b, &desc);
    if (desc.type == VYRE_TYPE_NONE || (b->range && b->end > UINT32_MAX - 3)) {
        vyi_exchange_fail(&m->x, VYRE_E_EXCHANGE_UNSUPPORTED, b->at,
                          "a buffer too large, or with elements of type", b->type);
        return;
    }
    const vyre_buffer buffer = vyre_ir_buffer(m->p, &desc);
    if (buffer.id)
        m->buffers[buffer.id - 1] = b->name;
    vyi_import_settle(m, b->at);
}

/* The regions stand behind the statements, the reader before them. */
static void vyi_import_buffers(vyi_import *m, size_t first)
{
    const uint64_t count = vyi_exchange_leb(&m->x, UINT64_MAX, "");
    for (uint32_t i = 0; i < count && m->x.status >= 0; i++) {
        vyi_exchange_buffer buffer;
        vyi_exchange_read_both(&m->x, &first, i, &buffer);
        if (m->x.status >= 0)
            vyi_import_declare(m, &buffer);
    }
}

/* --- the whole ------------------------------------------------------------------------- */

/* The first record again: where its buffers are, and the workgroup's size. */
static size_t vyi_import_metadata(vyi_import *m, uint32_t workgroup[3])
{
    vyi_exchange_record record;
    m->x.at = VYI_EXCHANGE_HEADER;
    (void)vyi_exchange_leb(&m->x, UINT64_MAX, "");
    vyi_exchange_read_record(&m->x, &record);
    m->x.at = record.payload + 10;
    if (m->x.bytes[record.payload + 9])
        m->x.at += 4 + vyi_get32(m->x.bytes + m->x.at);
    for (uint32_t axis = 0; axis < 3; axis++)
        workgroup[axis] = vyi_exchange_u32(&m->x);
    m->x.at = record.payload;
    return vyi_exchange_metadata(&m->x);
}

static void vyi_import_create(vyi_import *m, const uint32_t workgroup[3])
{
    vyre_program_desc desc;
    vyre_error found;
    memset(&desc, 0, sizeof desc);
    memcpy(desc.workgroup_size, workgroup, sizeof desc.workgroup_size);
    desc.allocator = m->desc->allocator;
    desc.name = m->info.entry_op[0] ? m->info.entry_op : NULL;
    m->p = vyre_program_create(&desc, &found);
    if (!m->p)
        vyi_import_blame(m, VYI_EXCHANGE_HEADER, &found);
}

static void vyi_import_finish(vyi_import *m)
{
    vyre_error found;
    if (m->x.status >= 0 && vyre_program_finish(m->p, &found) < 0)
        vyi_import_blame(m, found.at && found.at <= m->offset_count
                                ? m->offsets[found.at - 1] : VYI_EXCHANGE_HEADER, &found);
}

static void vyi_import_build(vyi_import *m)
{
    uint32_t workgroup[3];
    const size_t first = vyi_import_metadata(m, workgroup);
    vyi_import_statements(m);
    if (m->x.status >= 0)
        vyi_import_create(m, workgroup);
    if (m->x.status >= 0)
        vyi_import_buffers(m, first);
    if (m->x.status >= 0)
        vyi_import_statements(m);
    if (m->x.status >= 0)
        vyi_import_finish(m);
    if (m->x.status < 0) {
        vyre_program_destroy(m->hidden ? m->hidden : m->p);
        m->p = NULL;
    }
}

static void vyi_import_free(vyi_import *m, const vyre_allocator *allocator)
{
    vyi_free(allocator, m->bindings, m->binding_capacity * sizeof *m->bindings);
    vyi_free(allocator, m->values, m->value_capacity * sizeof *m->values);
    vyi_free(allocator, m->offsets, m->offset_capacity * sizeof *m->offsets);
    if (m->marks)
        vyi_free(allocator, m->marks, m->info.statements + 1);
    vyi_free(allocator, m, sizeof *m);
}

static vyre_program *vyi_import_blob(const void *bytes, size_t size, const vyre_import_desc *desc,
                                     vyre_import_info *info, vyre_error *err)
{
    vyre_import_info found;
    if (vyre_exchange_check(bytes, size, &found, err) < 0)
        return NULL;
    if (found.statements > VYRE_MAX_INSTRUCTIONS) {
        vyi_fail(err, VYRE_E_EXCHANGE_LIMIT, 0, "Split the program.",
                 "%u statements; there may be %u", (unsigned)found.statements,
                 (unsigned)VYRE_MAX_INSTRUCTIONS);
        return NULL;
    }
    vyi_import *m = (vyi_import *)vyi_alloc_zeroed(&desc->allocator, sizeof *m);
    if (!m) {
        vyi_fail_nomem(err, sizeof *m);
        return NULL;
    }
    m->x.bytes = (const uint8_t *)bytes;
    m->x.end = size;
    m->x.err = err;
    m->desc = desc;
    m->info = found;
    m->marks = (uint8_t *)vyi_alloc_zeroed(&desc->allocator, found.statements + 1);
    if (!m->marks)
        vyi_import_nomem(m, found.statements + 1);
    else
        vyi_import_build(m);
    vyre_program *p = m->p;
    if (p && info)
        *info = m->info;
    vyi_import_free(m, &desc->allocator);
    return p;
}

VYRE_API vyre_program *vyre_program_import(const void *bytes, size_t size,
                                           const vyre_import_desc *desc, vyre_import_info *info,
                                           vyre_error *err)
{
    vyre_import_desc defaults;
    memset(&defaults, 0, sizeof defaults);
    if (!desc)
        desc = &defaults;
    if (!vyi_exchange_is_text(bytes, size))
        return vyi_import_blob(bytes, size, desc, info, err);

    size_t count = 0;
    if (vyi_exchange_text_size(bytes, size, &count, err) < 0)
        return NULL;
    uint8_t *blob = (uint8_t *)vyi_alloc(&desc->allocator, count + 1);
    vyre_program *p = NULL;
    if (!blob)
        vyi_fail_nomem(err, count + 1);
    else if (vyi_exchange_text_read(bytes, size, blob, count, err) >= 0)
        p = vyi_import_blob(blob, count, desc, info, err);
    vyi_free(&desc->allocator, blob, count + 1);
    return p;
}

#endif /* VYRE_NO_EXCHANGE */

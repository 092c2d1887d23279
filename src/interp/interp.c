/* ==========================================================================
 * interp: implementation
 *
 * The machine's life: check the description, decode (interp_code.c), bind the
 * buffers, run one workgroup after another.
 * ======================================================================= */
#include "interp/interp_impl.h"

/* --- the description ----------------------------------------------------- */

static vyre_status vyi_check_groups(const uint32_t group_size[3], const uint32_t groups[3],
                                    vyre_error *err)
{
    for (uint32_t i = 0; i < 3; i++) {
        const uint64_t lanes = (uint64_t)groups[i] * group_size[i];
        if (lanes > 0x100000000ull)
            return vyi_fail(err, VYRE_E_INTERP_GROUPS, i,
                            "Dispatch several times, each with fewer workgroups.",
                            "%lu workgroups of %lu lanes in dimension %lu: a global id has 32 bits",
                            (unsigned long)groups[i], (unsigned long)group_size[i],
                            (unsigned long)i);
    }
    return VYRE_OK;
}

static vyre_status vyi_check_interp_desc(const vyre_program *p, const vyre_interp_desc *desc,
                                         vyre_error *err)
{
    if (!p || !desc)
        return vyi_fail(err, VYRE_E_ARGUMENT, 0, "Pass a finished program and a description.",
                        "the %s is NULL", p ? "description" : "program");
    if (!p->finished)
        return vyi_fail(err, VYRE_E_IR_UNFINISHED, 0,
                        "Call vyre_program_finish and look at its status first.",
                        "the program has not been finished");
    const uint32_t size = desc->subgroup_size;
    if (size > 128 || (size & (size - 1)) != 0)
        return vyi_fail(err, VYRE_E_INTERP_SUBGROUP, size, "Use 0 (32), 1, 2, 4, ... or 128.",
                        "the subgroup size %lu is not a power of two up to 128",
                        (unsigned long)size);
    return vyi_check_groups(p->group_size, desc->groups, err);
}

static vyre_status vyi_check_buffers(const vyi_machine *m, void *const *buffers,
                                     const size_t *sizes, uint32_t count, vyre_error *err)
{
    if (count != m->bound_count || (count && (!buffers || !sizes)))
        return vyi_fail(err, VYRE_E_INTERP_BUFFERS, count,
                        "Give one pointer and one size for each binding, ascending.",
                        "%lu buffers for %lu bindings%s", (unsigned long)count,
                        (unsigned long)m->bound_count,
                        count && (!buffers || !sizes) ? ", and no list of them" : "");
    for (uint32_t i = 0; i < count; i++) {
        if (!buffers[i] && sizes[i])
            return vyi_fail(err, VYRE_E_INTERP_BUFFERS, i,
                            "Give the buffer's memory, or the size 0.",
                            "buffer %lu of %lu is NULL, its size %llu", (unsigned long)i,
                            (unsigned long)count, (unsigned long long)sizes[i]);
        if (!vyi_aligned4(buffers[i]))
            return vyi_fail(err, VYRE_E_INTERP_ALIGN, i, "Align the buffer to 4 bytes.",
                            "buffer %lu begins %u bytes behind a 4-byte boundary",
                            (unsigned long)i, (unsigned)((uintptr_t)buffers[i] & 3u));
    }
    return VYRE_OK;
}

/* --- registers with a fixed content -------------------------------------- */

/* When the content is known. */
enum { VYI_FILL_DECODED, VYI_FILL_BOUND, VYI_FILL_RUN, VYI_FILL_GROUP };

static uint32_t vyi_fill_when(const vyi_fixed *f)
{
    if (f->op != VYI_OP_BUILTIN)
        return f->op == VYI_OP_LENGTH ? VYI_FILL_BOUND : VYI_FILL_DECODED;
    switch (f->what) {
    case VYRE_BUILTIN_GROUP_ID_X:
    case VYRE_BUILTIN_GROUP_ID_Y:
    case VYRE_BUILTIN_GROUP_ID_Z:
    case VYRE_BUILTIN_GLOBAL_ID_X:
    case VYRE_BUILTIN_GLOBAL_ID_Y:
    case VYRE_BUILTIN_GLOBAL_ID_Z: return VYI_FILL_GROUP;
    case VYRE_BUILTIN_GROUP_COUNT_X:
    case VYRE_BUILTIN_GROUP_COUNT_Y:
    case VYRE_BUILTIN_GROUP_COUNT_Z: return VYI_FILL_RUN;
    default: return VYI_FILL_DECODED;
    }
}

static uint32_t vyi_local_id(const vyi_machine *m, uint32_t lane, uint32_t axis)
{
    if (axis == 0)
        return m->lanes == m->group_size[0] ? lane : lane % m->group_size[0];
    lane /= m->group_size[0];
    return axis == 1 ? lane % m->group_size[1] : lane / m->group_size[1];
}

static uint32_t vyi_builtin_of(const vyi_machine *m, uint32_t what, uint32_t lane)
{
    if (what <= VYRE_BUILTIN_LOCAL_ID_Z)
        return vyi_local_id(m, lane, what - VYRE_BUILTIN_LOCAL_ID_X);
    if (what <= VYRE_BUILTIN_GROUP_ID_Z)
        return m->group[what - VYRE_BUILTIN_GROUP_ID_X];
    if (what <= VYRE_BUILTIN_GLOBAL_ID_Z) {
        const uint32_t axis = what - VYRE_BUILTIN_GLOBAL_ID_X;
        return m->group[axis] * m->group_size[axis] + vyi_local_id(m, lane, axis);
    }
    if (what <= VYRE_BUILTIN_GROUP_SIZE_Z)
        return m->group_size[what - VYRE_BUILTIN_GROUP_SIZE_X];
    if (what <= VYRE_BUILTIN_GROUP_COUNT_Z)
        return m->groups[what - VYRE_BUILTIN_GROUP_COUNT_X];
    switch (what) {
    case VYRE_BUILTIN_LOCAL_INDEX: return lane;
    case VYRE_BUILTIN_SUBGROUP_LANE: return lane & (m->subgroup_size - 1);
    case VYRE_BUILTIN_SUBGROUP_SIZE: return m->subgroup_size;
    case VYRE_BUILTIN_LOOP_LEFT: return 0xffffffffu;
    default: return 0;
    }
}

static void vyi_fill_fixed(const vyi_machine *m, uint32_t when)
{
    for (uint32_t i = 0; i < m->fixed_count; i++) {
        const vyi_fixed *f = &m->fixed[i];
        if (vyi_fill_when(f) != when)
            continue;
        for (uint32_t lane = 0; lane < m->lanes_padded; lane++) {
            switch (f->op) {
            case VYI_OP_CONST: f->d[lane] = f->what; break;
            case VYI_OP_LENGTH: f->d[lane] = m->memories[f->what - 1].length; break;
            default: f->d[lane] = vyi_builtin_of(m, f->what, lane); break;
            }
        }
    }
}

/* --- life ---------------------------------------------------------------- */

VYI_API vyre_status vyi_machine_bind(vyi_machine *m, void *const *buffers, const size_t *sizes,
                                     uint32_t count, vyre_error *err)
{
    const vyre_status status = vyi_check_buffers(m, buffers, sizes, count, err);
    if (status < 0)
        return status;
    for (uint32_t i = 0; i < count; i++) {
        const size_t words = sizes[i] / 4;
        const uint32_t declared = m->declared[m->bound[i]];
        vyi_step_memory *memory = &m->memories[m->bound[i]];
        memory->words = (vyi_memory_word *)buffers[i];
        memory->length = words > 0xffffffffu ? 0xffffffffu : (uint32_t)words;
        if (declared && memory->length > declared)
            memory->length = declared;
    }
    vyi_fill_fixed(m, VYI_FILL_BOUND);
    return VYRE_OK;
}

VYI_API vyre_status vyi_machine_create(const vyre_program *p, const vyre_interp_desc *desc,
                                       vyi_machine **out, vyre_error *err)
{
    vyi_machine *m;
    vyre_status status = vyi_check_interp_desc(p, desc, err);
    if (status < 0)
        return status;
    status = vyi_machine_decode(p, desc, &m, err);
    if (status < 0)
        return status;
    status = vyi_machine_bind(m, desc->buffers, desc->sizes, desc->buffer_count, err);
    if (status < 0) {
        vyi_machine_destroy(m);
        return status;
    }
    vyi_fill_fixed(m, VYI_FILL_DECODED);
    *out = m;
    return VYRE_OK;
}

VYI_API void vyi_machine_destroy(vyi_machine *m)
{
    if (!m)
        return;
    const vyre_allocator allocator = m->allocator;
    vyi_free(&allocator, m, m->size);
}

VYI_API void vyi_machine_on_round(vyi_machine *m, vyi_round_fn ask, void *user)
{
    m->ask = ask;
    m->ask_user = user;
}

VYI_API void vyi_machine_on_work(vyi_machine *m, vyi_pause_fn pause, void *user)
{
    m->pause = pause;
    m->pause_user = user;
    m->iterations = VYI_WORK_ITERATIONS;
}

VYI_API void vyi_machine_take_from(vyi_machine *m, uint32_t *next_group)
{
    m->next_group = next_group;
}

VYI_API void vyi_machine_stop_by(vyi_machine *m, const uint32_t *flag)
{
    m->stop_flag = flag;
}

/* --- running ------------------------------------------------------------- */

static void vyi_begin_group(vyi_machine *m)
{
    memset(m->state, VYI_LANE_RUNS, m->lanes);
    memset(m->shared, 0, m->shared_count * sizeof *m->shared);
    for (uint32_t i = 0; m->loop_limit && i < m->lanes_padded; i++) {
        m->spent[i] = m->cut[i] = 0;
        m->allowed[i] = m->loop_limit;
    }
    vyi_fill_fixed(m, VYI_FILL_GROUP);
    m->active.lanes = m->all;
    m->active.count = m->lanes;
    m->active.lo = 0;
    m->active.hi = m->lanes_padded;
}

/* From step `s` to the group's end, or to where the run is paused. */
static void vyi_run_steps(vyi_machine *m, const vyi_step *s)
{
    m->paused = NULL;
    while (s) {
        const uint32_t lo = m->active.lo;
        if (s->lanes) {
            s->lanes(s->d + lo, s->a + lo, s->b + lo, s->c + lo, m->active.hi - lo);
            s++;
        } else {
            s = s->run(m, s);
        }
    }
}

/* False behind the last group. */
static bool vyi_next_group(vyi_machine *m)
{
    if (m->next_group) {
        m->group[0] = vyi_fetch_add(m->next_group, 1);
        return m->group[0] < m->groups[0];
    }
    for (uint32_t i = 0; i < 3; i++) {
        if (++m->group[i] < m->groups[i])
            return true;
        m->group[i] = 0;
    }
    return false;
}

static vyre_status vyi_run_groups(vyi_machine *m)
{
    do {
        if (vyi_machine_stopped(m))
            break;
        vyi_begin_group(m);
        vyi_run_steps(m, m->steps);
        if (m->paused)
            return VYRE_PENDING;
    } while (vyi_next_group(m));
    return m->timed_out ? VYRE_TIMEOUT : VYRE_OK;
}

VYI_API vyre_status vyi_machine_run(vyi_machine *m, const uint32_t groups[3],
                                    uint64_t max_rounds, vyre_error *err)
{
    const vyre_status status = vyi_check_groups(m->group_size, groups, err);
    if (status < 0)
        return status;
    for (uint32_t i = 0; i < 3; i++) {
        m->groups[i] = groups[i] ? groups[i] : 1u;
        m->group[i] = 0;
    }
    m->max_rounds = max_rounds;
    m->timed_out = false;
    vyi_fill_fixed(m, VYI_FILL_RUN);
    return m->next_group && !vyi_next_group(m) ? VYRE_OK : vyi_run_groups(m);
}

VYI_API vyre_status vyi_machine_resume(vyi_machine *m)
{
    VYRE_ASSERT(m->paused);
    vyi_run_steps(m, m->paused);
    if (m->paused)
        return VYRE_PENDING;
    if (vyi_next_group(m))
        return vyi_run_groups(m);
    return m->timed_out ? VYRE_TIMEOUT : VYRE_OK;
}

VYRE_API vyre_status vyre_interpret(const vyre_program *p, const vyre_interp_desc *desc,
                                    vyre_error *err)
{
    vyi_machine *m;
    vyre_status status = vyi_machine_create(p, desc, &m, err);
    if (status < 0)
        return status;
    status = vyi_machine_run(m, desc->groups, desc->max_rounds, err);
    vyi_machine_destroy(m);
    return status;
}

/*
 * lower: the whole program: globals and arrays, script functions, handlers. Enters: a program that
 * sema has checked; leaves: an IR unit, in which handlers of the kernel may hold what only user
 * space can do (ir_hand_over). Refuses, with the place, what eBPF cannot run at all.
 */
#include "lower/internal.h"

#include <string.h>

static uint8_t object_type(enum value_type t)
{
    return t == TYPE_STRING ? OBJ_STRING : t == TYPE_STATS ? OBJ_STATS : OBJ_LONG;
}

static void declare_map(struct lower *lo, struct variable *v)
{
    struct ir_unit *u = lo->u;
    struct ir_map m = {.name = v->name,
                       .n_keys = v->n_keys,
                       .val_type = object_type(v->type),
                       .max_entries =
                           v->max_entries ? v->max_entries : lo->cx->limits.maxmapentries,
                       .wrap = v->wrap,
                       .sized = v->max_entries != 0,
                       .hist = v->hist == HIST_LOG      ? NGS_HIST_LOG
                               : v->hist == HIST_LINEAR ? NGS_HIST_LINEAR
                                                        : NGS_HIST_NONE};

    if (v->n_keys > OBJ_MAX_KEYS) {
        lo->failed = true;
        diag_error(lo->cx->diag, v->at, "limit", "array '%s' has %u keys; at most %d can be used",
                   v->name, v->n_keys, OBJ_MAX_KEYS);
        return;
    }
    if (m.max_entries > OBJ_MAX_ENTRIES) {
        lo->failed = true;
        diag_error(lo->cx->diag, v->at, "limit",
                   "array '%s' has %u elements; at most %d can be used", v->name, m.max_entries,
                   OBJ_MAX_ENTRIES);
        return;
    }
    for (uint32_t k = 0; k < v->n_keys; k++)
        m.key_types[k] = object_type(v->key_types[k]);
    memcpy(m.hist_args, v->hist_args, sizeof(m.hist_args));
    u->maps = arena_grow(lo->cx->arena, u->maps, u->n_maps, sizeof(*u->maps));
    v->id = u->n_maps;
    u->maps[u->n_maps++] = m;
}

static void declare_global(struct lower *lo, struct variable *v)
{
    struct ir_unit *u = lo->u;
    struct ir_global g = {.name = v->name,
                          .type = object_type(v->type),
                          .hist = v->hist == HIST_LOG      ? NGS_HIST_LOG
                                  : v->hist == HIST_LINEAR ? NGS_HIST_LINEAR
                                                           : NGS_HIST_NONE};

    memcpy(g.hist_args, v->hist_args, sizeof(g.hist_args));
    if (v->init && v->init->kind == EX_STRING)
        g.init_str = arena_strndup(lo->cx->arena, v->init->text,
                                   strnlen(v->init->text, lo->cx->limits.maxstringlen));
    else if (v->init)
        g.init = v->init->number;
    u->globals = arena_grow(lo->cx->arena, u->globals, u->n_globals, sizeof(*u->globals));
    v->id = u->n_globals;
    u->globals[u->n_globals++] = g;
}

static void declare_local(struct lower *lo, struct ir_func *f, struct variable *v)
{
    v->id = ir_slot_new(lo->u, f, v->type == TYPE_STRING ? IR_STRING : IR_LONG, v->name);
}

static void declare_function(struct lower *lo, struct function *fn)
{
    struct ir_func *f = ir_func_new(lo->u, fn->name);
    uint32_t n = 0;

    f->recursive = fn->recursive;
    f->params = ARENA_ARRAY(lo->cx->arena, uint32_t, fn->n_params + 1);
    for (struct variable *p = fn->params; p; p = p->next) {
        declare_local(lo, f, p);
        f->params[n++] = p->id;
    }
    f->n_params = n;
    for (struct variable *v = fn->locals; v; v = v->next)
        if (v->scope == VAR_LOCAL)
            declare_local(lo, f, v);
    f->has_result = fn->type == TYPE_LONG || fn->type == TYPE_STRING || fn->type == TYPE_UNKNOWN;
    if (f->has_result)
        f->result = ir_slot_new(lo->u, f, fn->type == TYPE_STRING ? IR_STRING : IR_LONG, NULL);
    lo->func_ids[fn->id] = f->id;
}

/* Locals read as 0 or "" before they are assigned. */
static void clear_local(struct lower *lo, uint32_t slot)
{
    if (lo->u->slots[slot].type == IR_STRING)
        ir_put_str(&lo->at, IR_SSET, IR_SLOT(slot), lower_literal(lo, "", 0));
    else
        ir_put_store(&lo->at, slot, IR_IMM(0));
}

/* Entry, exit and error blocks; the cursor is left in the entry. */
static void open_func(struct lower *lo, struct ir_func *f, struct span at)
{
    lo->at = (struct ir_cursor){.u = lo->u, .f = f};
    lo->at.loc = ir_loc(lo->u, at, "");
    lo->loop = NULL;
    lo->rest = 0;
    lo->str_pool = lo->long_pool = NULL;
    lo->n_str_pool = lo->str_used = lo->n_long_pool = lo->long_used = 0;
    ir_block_new(lo->u, f);
    lo->exit_block = ir_block_new(lo->u, f);
    lo->error_block = ir_block_new(lo->u, f);
    lo->at.onerr = lo->error_block;
}

static void close_func(struct lower *lo, enum ir_op end)
{
    ir_put_jump(&lo->at, lo->exit_block);
    ir_at(&lo->at, lo->exit_block);
    if (end == IR_DONE)
        lower_budget(lo, 0); /* what ran since the last look */
    ir_put(&lo->at, end);
    ir_at(&lo->at, lo->error_block);
    ir_put(&lo->at, end)->imm = 1;
}

static void lower_function(struct lower *lo, struct function *fn)
{
    struct ir_func *f = lo->u->funcs[lo->func_ids[fn->id]];

    if (fn->is_embedded) {
        lo->failed = true;
        diag_error(lo->cx->diag, fn->name_at, "not-yet",
                   "embedded C in function '%s' cannot run as eBPF", fn->name);
        diag_hint(lo->cx->diag, "only the stap back end runs embedded C: --backend=stap");
        return;
    }
    lo->fn = fn;
    open_func(lo, f, fn->name_at);
    if (f->has_result)
        clear_local(lo, f->result);
    for (struct variable *v = fn->locals; v; v = v->next)
        if (v->scope == VAR_LOCAL)
            clear_local(lo, v->id);
    int64_t actions = lower_actions(fn->body);

    lower_budget(lo, actions ? actions : 1); /* one at least, so that calls come to an end */
    lower_stmts(lo, fn->body);
    close_func(lo, IR_RET);
    lo->fn = NULL;
}

static void lower_places(struct lower *lo, const struct probe_inst *inst, struct ir_probe *p)
{
    const struct probe_place one = {inst->name, inst->func_name, inst->vaddr, inst->semaphore};
    const struct probe_place *from = inst->n_places ? inst->places : &one;

    p->n_places = inst->n_places ? inst->n_places : 1;
    p->places = ARENA_ARRAY(lo->cx->arena, struct ir_place, p->n_places);
    for (uint32_t i = 0; i < p->n_places; i++)
        p->places[i] = (struct ir_place){from[i].name, from[i].func_name, inst->module_id,
                                         from[i].vaddr, from[i].semaphore};
}

static void lower_probe(struct lower *lo, struct probe_inst *inst)
{
    struct ir_unit *u = lo->u;
    struct ir_func *f = ir_func_new(u, inst->name);
    struct ir_probe *p;

    f->is_probe = true;
    f->user = attach_in_user_space(inst->type->kind);
    lo->inst = inst;
    open_func(lo, f, inst->probe->at);
    for (struct variable *v = inst->locals; v; v = v->next) {
        declare_local(lo, f, v);
        clear_local(lo, v->id);
    }
    lower_budget(lo, lower_actions(inst->body));
    lower_stmts(lo, inst->body);
    close_func(lo, IR_DONE);

    u->probes = arena_grow(lo->cx->arena, u->probes, u->n_probes, sizeof(*u->probes));
    p = &u->probes[u->n_probes++];
    *p = (struct ir_probe){.name = inst->name,
                           .func_name = inst->func_name,
                           .written = inst->written,
                           .event = inst->event,
                           .everybody = inst->everybody,
                           .can_trace = inst->can_trace,
                           .saves = inst->saves,
                           .func = f->id};
    p->rec.kind = inst->type->kind;
    p->rec.sequence = inst->sequence;
    p->rec.period = attach_has(inst->type->kind, ATTACH_FILE) ? inst->maxsize : inst->period;
    p->rec.umask = inst->umask;
    p->rec.jitter = inst->jitter;
    if (attach_has(inst->type->kind, ATTACH_PLACES) || attach_has(inst->type->kind, ATTACH_CALLS))
        lower_places(lo, inst, p);
    p->rec.loc = ir_loc(u, inst->point ? inst->point->at : inst->probe->at, "");
}

/* Marks each IR_MTAKE of an array whose elements handlers in the kernel set (imm 1): when the
 * drained elements are merged back, those that the kernel has set meanwhile are kept. */
static void mark_taken(const struct lower *lo)
{
    bool *set = ARENA_ARRAY(lo->cx->arena, bool, lo->u->n_maps + 1);

    for (int pass = 0; pass < 2; pass++)
        for (uint32_t k = 0; k < lo->u->n_funcs; k++)
            for (uint32_t b = 0; b < lo->u->funcs[k]->n_blocks; b++)
                for (struct ir_ins *i = lo->u->funcs[k]->blocks[b]->first; i; i = i->next)
                    if (pass == 0 && !lo->u->funcs[k]->user &&
                        (i->op == IR_MSET || i->op == IR_MSETS))
                        set[i->map] = true;
                    else if (pass == 1 && i->op == IR_MTAKE)
                        i->imm = set[i->map];
}

struct ir_unit *lower_program(struct compile *cx, const struct program *prog)
{
    struct lower lo = {.cx = cx, .u = ir_unit_new(cx), .prog = prog};
    uint32_t n = 0;

    for (struct variable *v = prog->globals; v; v = v->next) {
        if (!v->read && !v->written)
            continue; /* nothing that is reached uses it */
        if (v->is_array)
            declare_map(&lo, v);
        else
            declare_global(&lo, v);
    }
    for (uint32_t i = 0; i < prog->n_modules; i++) {
        lo.u->modules =
            arena_grow(cx->arena, lo.u->modules, lo.u->n_modules, sizeof(*lo.u->modules));
        lo.u->modules[lo.u->n_modules++] = (struct ir_module){.path = prog->modules[i].path,
                                                              .build_id = prog->modules[i].build_id,
                                                              .mapped = prog->modules[i].mapped};
    }
    for (struct function *fn = prog->funcs; fn; fn = fn->next)
        if (fn->reached)
            fn->id = n++;
    lo.func_ids = ARENA_ARRAY(cx->arena, uint32_t, n + 1);
    for (struct function *fn = prog->funcs; fn; fn = fn->next)
        if (fn->reached)
            declare_function(&lo, fn);
    for (struct function *fn = prog->funcs; fn; fn = fn->next)
        if (fn->reached)
            lower_function(&lo, fn);
    for (struct probe_inst *inst = prog->insts; inst; inst = inst->next)
        lower_probe(&lo, inst);
    mark_taken(&lo);
    return lo.failed || diag_errors(cx->diag) ? NULL : lo.u;
}

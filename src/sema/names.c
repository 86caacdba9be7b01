/*
 * names: the first walk over every expression that a probe reaches, in the order of execution
 * (stmts.c walks the statements around them, calls.c the functions that are called). Enters: parsed
 * bodies; leaves: names bound to variables, target expressions resolved, and the branches that a
 * constant condition rules out removed. Refused: what no back end of this version can run,
 * misplaced operators, and whatever scope.c and dwexpr.c refuse.
 */
#include "arch/arch.h"
#include "sema/internal.h"

#include <string.h>

static bool fail(struct expr *e)
{
    e->type = TYPE_ERROR;
    return false;
}

static void value(struct sema *s, struct expr *e)
{
    if (e)
        sema_walk_expr(s, e, USE_VALUE);
}

static void values(struct sema *s, struct expr **v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        value(s, v[i]);
}

static void refuse(struct sema *s, struct expr *e, const char *tag, const char *what)
{
    diag_error(s->diag, e->op_at, tag, "%s", what);
    fail(e);
}

/* ---- constants ---- */

bool sema_constant(const struct expr *e, int64_t *v)
{
    int64_t l, r;

    if (e->type == TYPE_ERROR)
        return false;
    if (sema_tree_constant(e, v))
        return true;
    switch (e->kind) {
    case EX_UNARY:
        if (!sema_constant(e->a, &l))
            return false;
        *v = e->op == OP_NEG      ? (int64_t)(0 - (uint64_t)l)
             : e->op == OP_NOT    ? !l
             : e->op == OP_BITNOT ? ~l
                                  : l;
        return true;
    case EX_BINARY:
        return sema_constant(e->a, &l) && sema_constant(e->b, &r) &&
               sema_tree_compute(e->op, l, r, v);
    default:
        return false;
    }
}

/* E becomes what it always is. The copy is made before it is walked: others keep pointers to E. */
static void replace(struct expr *e, const struct expr *by)
{
    bool parens =
        e->parens || by->kind == EX_BINARY || by->kind == EX_TERNARY || by->kind == EX_ASSIGN;

    *e = *by;
    e->parens |= parens;
}

static void become_number(struct expr *e, int64_t v)
{
    struct span at = e->at, op_at = e->op_at;

    *e = (struct expr){
        .kind = EX_NUMBER, .at = at, .op_at = op_at, .number = v, .type = TYPE_LONG, .height = 1};
}

/* ---- variables ---- */

void sema_note_use(struct sema *s, struct variable *v, enum use use)
{
    if (s->in_defined)
        return;
    if (use == USE_VALUE)
        v->read = true;
    else if (use != USE_NONE)
        v->written = true;
}

static void scalar(struct sema *s, struct expr *e, enum use use)
{
    struct variable *v;

    if (s->in_defined) { /* only what its C type is matters; it need not be there at run time */
        v = sema_lookup(s, e);
        e->var = v;
        return;
    }
    v = sema_variable(s, e, 0);
    if (v)
        sema_note_use(s, v, use);
}

static void aggregate(struct sema *s, struct expr *e);

/* @hist_log(x)[i], or i in @hist_log(x), which is the same: E becomes a read of X's aggregate, the
 * index and the histogram beside it. */
static void bucket(struct sema *s, struct expr *e)
{
    struct expr *hist = e->a;

    aggregate(s, hist);
    if (hist->type == TYPE_ERROR) {
        fail(e);
        return;
    }
    if (e->n_args != 1) {
        refuse(s, e, "type", "a histogram's buckets have one number each");
        return;
    }
    e->kind = EX_STAT;
    e->stat = STAT_COUNT;
    e->number = 0;
    e->a = hist->a;
    e->b = e->args[0];
    e->c = hist;
    e->args = NULL;
    e->n_args = 0;
}

static void array_element(struct sema *s, struct expr *e, enum use use)
{
    struct variable *v;

    for (uint32_t i = 0; i < e->n_args; i++)
        if (e->args[i]->kind == EX_ANY)
            refuse(s, e->args[i], "type",
                   "'*' stands for any key only in foreach, delete and 'in'");
        else
            value(s, e->args[i]);
    if (e->a->kind == EX_HIST) {
        if (use == USE_VALUE)
            bucket(s, e);
        else
            refuse(s, e, "type", "what a bucket has counted cannot be set");
        return;
    }
    v = sema_variable(s, e->a, (int)e->n_args);
    if (v)
        sema_note_use(s, v, use);
    else
        fail(e);
    if (v && (use == USE_WRITE || use == USE_UPDATE))
        sema_warn_pointer_key(s, e, v);
}

/* a[*, k] where it may stand: KEYS without the wildcards are walked. */
bool sema_slice_keys(struct sema *s, struct expr **keys, uint32_t n)
{
    bool any = false;

    for (uint32_t i = 0; i < n; i++)
        if (keys[i]->kind == EX_ANY)
            any = true;
        else
            value(s, keys[i]);
    return any;
}

static void membership(struct sema *s, struct expr *e)
{
    struct variable *v;

    sema_slice_keys(s, e->args, e->n_args);
    if (e->a->kind == EX_HIST) {
        bucket(s, e);
        return;
    }
    v = sema_variable(s, e->a, (int)e->n_args);
    if (v)
        sema_note_use(s, v, USE_VALUE);
    else
        fail(e);
}

static void assign_file_value(struct sema *s, struct expr *e)
{
    if (!sema_set_file_value(s, e)) {
        fail(e);
    } else if (e->kind == EX_CALL) {
        sema_walk_expr(s, e, USE_VALUE);
    } else {
        value(s, e->b);
        if (e->b->type == TYPE_ERROR)
            fail(e);
    }
}

static void assignment(struct sema *s, struct expr *e, enum use use)
{
    enum use how = e->op == OP_NONE ? USE_WRITE : USE_UPDATE;

    if (sema_is_file_value(s, e->a)) {
        assign_file_value(s, e);
        return;
    }
    value(s, e->b);
    sema_walk_expr(s, e->a, how);
    if (how == USE_UPDATE && use == USE_VALUE && e->a->kind == EX_NAME && e->a->var)
        sema_note_use(s, e->a->var, USE_VALUE);
    if (how == USE_UPDATE && use == USE_VALUE && e->a->kind == EX_INDEX && e->a->a->var)
        sema_note_use(s, e->a->a->var, USE_VALUE);
    if (e->a->kind == EX_NAME && e->a->var && e->op == OP_NONE)
        sema_ctype_assign(s, e->a->var, sema_ctype(e->b));
    else if (e->a->kind == EX_INDEX && e->a->a->var && e->op == OP_NONE)
        sema_ctype_assign(s, e->a->a->var, sema_ctype(e->b));
    if (e->a->type == TYPE_ERROR || e->b->type == TYPE_ERROR)
        fail(e);
}

static void step(struct sema *s, struct expr *e, enum use use)
{
    sema_walk_expr(s, e->a, USE_UPDATE);
    struct expr *base = e->a->kind == EX_INDEX ? e->a->a : e->a;

    if (use == USE_VALUE && base->kind == EX_NAME && base->var)
        sema_note_use(s, base->var, USE_VALUE);
    if (e->a->type == TYPE_ERROR)
        fail(e);
}

/* ---- aggregates ---- */

static const char *aggregate_word(const struct expr *e)
{
    static const char *const words[] = {"@count", "@sum", "@min", "@max", "@avg", "@variance"};

    return e->kind == EX_HIST ? "a histogram" : words[e->stat];
}

static bool same_histogram(const struct variable *v, const struct expr *e)
{
    if (v->hist != e->hist)
        return false;
    for (uint32_t i = 0; i < e->n_args && i < 3; i++)
        if (v->hist_args[i] != e->args[i]->number)
            return false;
    return true;
}

static bool too_many_buckets(struct sema *s, const struct expr *e)
{
    const int64_t args[3] = {e->args[0]->number, e->args[1]->number, e->args[2]->number};
    uint64_t range = (uint64_t)args[1] - (uint64_t)args[0];

    if (ngs_hist_buckets(NGS_HIST_LINEAR, args))
        return false;
    diag_error(s->diag, e->op_at, "limit", "this histogram has %llu buckets; %d can be kept",
               (unsigned long long)(range / (uint64_t)args[2]) + 1, NGS_HIST_LINEAR_MAX - 2);
    diag_hint(s->diag, "an interval of %llu is enough",
              (unsigned long long)(range / (NGS_HIST_LINEAR_MAX - 2)) + 1);
    return true;
}

static void histogram(struct sema *s, struct expr *e, struct variable *v)
{
    if (e->hist == HIST_LINEAR) {
        for (uint32_t i = 0; i < e->n_args; i++)
            if (e->args[i]->kind != EX_NUMBER)
                return; /* the parser has reported it */
        if (e->args[2]->number <= 0 || e->args[1]->number <= e->args[0]->number) {
            diag_error(s->diag, e->op_at, "type",
                       "@hist_linear takes start, stop above start, and an interval above 0");
            fail(e);
            return;
        }
        if (too_many_buckets(s, e)) {
            fail(e);
            return;
        }
    }
    if (v->hist != HIST_NONE && !same_histogram(v, e)) {
        diag_error(s->diag, e->op_at, "type", "'%s' is shown by two different histograms", v->name);
        diag_hint(s->diag, "an aggregate keeps one kind of histogram, with one set of numbers");
        fail(e);
        return;
    }
    v->hist = e->hist;
    for (uint32_t i = 0; i < e->n_args && i < 3; i++)
        v->hist_args[i] = e->args[i]->number;
}

static void aggregate(struct sema *s, struct expr *e)
{
    struct expr *base = e->a->kind == EX_INDEX ? e->a->a : e->a;

    if (base->kind != EX_NAME) {
        diag_error(s->diag, e->a->at, "type",
                   "%s takes an aggregate: a global, or an element of a global array",
                   aggregate_word(e));
        fail(e);
        return;
    }
    sema_walk_expr(s, e->a, USE_VALUE);
    if (e->a->type == TYPE_ERROR || !base->var) {
        fail(e);
        return;
    }
    if (e->kind == EX_STAT)
        base->var->stat_ops |= 1u << e->stat;
    else
        histogram(s, e, base->var);
}

bool sema_histogram(struct sema *s, struct expr *e)
{
    aggregate(s, e);
    return e->type != TYPE_ERROR;
}

/* ---- target expressions ---- */

/* @defined(e): 1 when e resolves; nothing that e names is evaluated. */
static void defined(struct sema *s, struct expr *e)
{
    bool outer = s->in_defined;
    unsigned errors;

    diag_try_begin(s->diag);
    s->in_defined = true;
    value(s, e->a);
    if (e->a->kind == EX_AUTOCAST && !e->a->resolved && e->a->type != TYPE_ERROR)
        fail(e->a); /* not known now: not defined */
    s->in_defined = outer;
    errors = diag_try_end(s->diag);
    e->resolved = sema_tree_number(s->arena, e->at, !errors && e->a->type != TYPE_ERROR);
}

/* What a tick interrupts may hold its memory: only a handler that the process came to may write. */
static bool may_write(struct sema *s, const struct expr *e)
{
    if (!s->cx->guru) {
        diag_error(s->diag, e->at, "guru", "writing to the target is allowed in guru mode only");
        diag_hint(s->diag, "-g turns guru mode on");
        return false;
    }
    if (s->inst && !s->fn && !s->opts->stap &&
        attach_kind(s->inst->type->kind)->context == CONTEXT_TICK) {
        diag_error(s->diag, e->at, "unsupported",
                   "a handler at %s interrupts the program, and cannot write to its memory",
                   s->inst->name);
        diag_hint(s->diag, "handlers of functions and of timer.s can");
        return false;
    }
    if (sema_is_saved(s, e))
        return diag_error(s->diag, e->at, "unsupported",
                          "%s is what it was when the function was entered, and cannot be written",
                          e->text);
    return true;
}

/* Is E, which is resolved, a place in user memory? */
static bool is_memory(struct sema *s, const struct expr *e)
{
    const struct expr *r = e->resolved;

    if (r->kind == EX_R_LOAD && r->space == SPACE_USER)
        return true;
    if (r->kind == EX_R_LOAD)
        return diag_error(s->diag, e->at, "unsupported", "no memory of the kernel's is written");
    diag_error(s->diag, e->at, "unsupported",
               "this is no memory here, but a register or a constant, and cannot be written");
    diag_hint(s->diag, "what a pointer points to can, and variables that lie in memory");
    return false;
}

static void target_expr(struct sema *s, struct expr *e, enum use use)
{
    value(s, e->a);
    for (struct component *c = e->comps; c; c = c->next)
        value(s, c->index);
    if (e->a && e->a->type == TYPE_ERROR) {
        fail(e);
        return;
    }
    if ((use == USE_WRITE || use == USE_UPDATE) && !may_write(s, e)) {
        fail(e);
        return;
    }
    if (sema_target_expr(s, e) && e->resolved && (use == USE_WRITE || use == USE_UPDATE) &&
        !is_memory(s, e))
        fail(e);
}

struct written {
    const struct expr *var;
    bool found;
};

static void visit_written(struct expr *e, void *arg)
{
    struct written *w = arg;
    const struct expr *to = e->kind == EX_ASSIGN || e->kind == EX_INCDEC ? e->a : NULL;

    if (to && to->kind == EX_INDEX)
        to = to->a;
    w->found |= to && to->kind == w->var->kind && !strcmp(to->text, w->var->text);
}

static void answer_probewrite(struct expr *e, void *body)
{
    struct written w = {.var = e->a};

    if (e->kind != EX_PROBEWRITE)
        return;
    stmt_visit_exprs(body, visit_written, &w);
    become_number(e, w.found);
}

void sema_probewrite(struct stmt *part, struct stmt *body)
{
    stmt_visit_exprs(part, answer_probewrite, body);
}

/* What is left of them: not of an alias. */
static void probewrite(struct sema *s, struct expr *e)
{
    if (!s->inst || s->fn)
        refuse(s, e, "type", "@probewrite has a meaning only in probes");
    else
        answer_probewrite(e, s->inst->probe->body);
}

/* @uderef(size, address), @kderef: the size is a literal, so they are reads like any other. */
static void deref(struct sema *s, struct expr *e)
{
    int64_t size;

    value(s, e->a);
    value(s, e->b);
    if (!sema_constant(e->a, &size) || (size != 1 && size != 2 && size != 4 && size != 8)) {
        diag_error(s->diag, e->a->at, "type", "the size must be 1, 2, 4 or 8");
        fail(e);
        return;
    }
    e->resolved = sema_tree_load(s->arena, e->at, e->b, (uint8_t)size, false);
    e->resolved->space = e->kind == EX_KDEREF ? SPACE_KERNEL : SPACE_USER;
}

/* @uregister and @kregister: each where a handler has the registers at hand. */
static void a_register(struct sema *s, struct expr *e)
{
    bool at_kernel = s->inst && !s->fn && attach_has(s->inst->type->kind, ATTACH_KERNEL);

    if (e->kind == EX_KREG && !at_kernel) {
        refuse(s, e, "no-regs", "only probes at functions of the kernel have its registers");
        return;
    }
    if (e->kind == EX_UREG && at_kernel) {
        refuse(s, e, "not-yet", "a program's registers are not read at kernel functions yet");
        return;
    }
    if (!sema_need_registers(s, e))
        return;
    const struct arch *a = s->cx->arch;

    if (e->number < 0 || e->number >= a->n_regs) {
        refuse(s, e, "type",
               arena_printf(s->arena, "registers are numbered 0 (%s) to %d (%s)", a->regs[0].name,
                            a->n_regs - 1, a->regs[a->n_regs - 1].name));
        return;
    }
    e->resolved = sema_tree_reg(s->arena, e->at, (uint32_t)e->number);
}

static void entry(struct sema *s, struct expr *e)
{
    if (!s->inst || s->fn || !attach_has(s->inst->type->kind, ATTACH_ON_RETURN)) {
        refuse(s, e, "type", "@entry has a meaning only in .return probes");
        return;
    }
    if (s->in_defined || s->inst->theirs || sema_is_theirs(s)) { /* as what it holds is */
        sema_walk_expr(s, e->a, USE_VALUE);
        if (e->a->type == TYPE_ERROR)
            fail(e);
        return;
    }
    if (sema_save(s, e, e->a))
        sema_walk_expr(s, e, USE_VALUE);
    else
        fail(e);
}

static void enumerator(struct sema *s, struct expr *e)
{
    struct probe_env env = sema_env(s);
    const char *path;
    struct dbg *dbg = sema_open_module(s, e, e->module, &path);
    const char *now;
    int64_t v;

    if (!dbg) {
        fail(e);
    } else if (dbg_enumerator(dbg, e->text, &v) ||
               ((now = sema_new_name(s, dbg, MOVED_ENUMERATOR, e->text)) &&
                dbg_enumerator(dbg, now, &v))) {
        probe_module(&env, path, dbg);
        e->resolved = sema_tree_number(s->arena, e->at, v);
    } else {
        diag_error(s->diag, e->op_at, "no-type", "%s has no enumerator '%s'", path, e->text);
        fail(e);
    }
}

/* ---- conditions that are constant ---- */

static void ternary(struct sema *s, struct expr *e, enum use use)
{
    int64_t v;

    value(s, e->a);
    if (sema_constant(e->a, &v)) {
        replace(e, v ? e->b : e->c);
        sema_walk_expr(s, e, use);
        return;
    }
    sema_walk_expr(s, e->b, use);
    sema_walk_expr(s, e->c, use);
    if (e->a->type == TYPE_ERROR || e->b->type == TYPE_ERROR || e->c->type == TYPE_ERROR)
        fail(e);
}

static void binary(struct sema *s, struct expr *e)
{
    int64_t v;

    value(s, e->a);
    if ((e->op == OP_LAND || e->op == OP_LOR) && sema_constant(e->a, &v) &&
        (e->op == OP_LOR) == (v != 0)) {
        become_number(e, e->op == OP_LOR);
        return;
    }
    value(s, e->b);
    if (e->a->type == TYPE_ERROR || e->b->type == TYPE_ERROR)
        fail(e);
}

static void print(struct sema *s, struct expr *e)
{
    for (uint32_t i = 0; i < e->n_args; i++)
        if (e->args[i]->kind == EX_HIST)
            aggregate(s, e->args[i]);
        else
            value(s, e->args[i]);
}

/* @const("MAXSTRINGLEN"): of C's constants we know the limits. */
static bool limit_constant(const struct sema *s, struct expr *e)
{
    if (strcmp(e->text, "MAXSTRINGLEN") != 0)
        return false;
    become_number(e, s->cx->limits.maxstringlen);
    return true;
}

/* $$name and its like become what they stand for. */
static bool text_variable(struct sema *s, struct expr *e, enum use use)
{
    struct probe_env env = sema_env(s);
    struct expr *text = NULL;

    if (use == USE_VALUE && s->inst && !s->fn && !strncmp(e->text, "$$", 2))
        text = probe_text_var(&env, s->inst, e);
    if (!text)
        return false;
    *e = *text;
    sema_walk_expr(s, e, use);
    return true;
}

/* Assignments to it come another way. */
static void file_value(struct sema *s, struct expr *e, enum use use)
{
    if (!sema_file_value(s, e, use != USE_VALUE))
        fail(e);
    else if (e->kind == EX_CALL)
        sema_walk_expr(s, e, use);
    else if (use != USE_VALUE)
        refuse(s, e, "type", "$value is a string: it takes = and .=");
}

void sema_walk_expr(struct sema *s, struct expr *e, enum use use)
{
    switch (e->kind) {
    case EX_NUMBER:
    case EX_STRING:
    case EX_ANY:
    case EX_ERROR:
        if (e->kind == EX_ERROR)
            fail(e);
        break;
    case EX_NAME:
        scalar(s, e, use);
        break;
    case EX_UNARY:
        value(s, e->a);
        if (e->a->type == TYPE_ERROR)
            fail(e);
        break;
    case EX_BINARY:
        binary(s, e);
        break;
    case EX_ASSIGN:
        assignment(s, e, use);
        break;
    case EX_INCDEC:
        step(s, e, use);
        break;
    case EX_TERNARY:
        ternary(s, e, use);
        break;
    case EX_INDEX:
        array_element(s, e, use);
        break;
    case EX_IN:
        membership(s, e);
        break;
    case EX_MATCH:
        value(s, e->a);
        if (e->a->type == TYPE_ERROR || (!s->opts->stap && !s->in_defined && !sema_match(s, e)))
            fail(e);
        break;
    case EX_CALL:
        values(s, e->args, e->n_args);
        sema_call(s, e);
        break;
    case EX_PRINT:
        print(s, e);
        break;
    case EX_TARGET:
        if (sema_is_file_value(s, e)) {
            file_value(s, e, use);
            break;
        }
        if (text_variable(s, e, use))
            break;
        if (use == USE_VALUE && sema_pretty(s, e)) {
            sema_walk_expr(s, e, use);
            break;
        }
        if (use == USE_VALUE && sema_is_saved(s, e) && !sema_is_kept(s, e)) {
            if (sema_save(s, e, e))
                sema_walk_expr(s, e, use);
            else
                fail(e);
            break;
        }
        target_expr(s, e, use);
        break;
    case EX_ATVAR:
    case EX_CAST:
        if (use == USE_VALUE && sema_pretty(s, e)) {
            sema_walk_expr(s, e, use);
            break;
        }
        target_expr(s, e, use);
        break;
    case EX_AUTOCAST:
        target_expr(s, e, use);
        break;
    case EX_DEFINED:
        defined(s, e);
        break;
    case EX_PROBEWRITE:
        probewrite(s, e);
        break;
    case EX_ENTRY:
        entry(s, e);
        break;
    case EX_PERF:
        refuse(s, e, "not-yet", "@perf counters are not read yet");
        break;
    case EX_STAT:
        aggregate(s, e);
        break;
    case EX_HIST:
        refuse(s, e, "type", "a histogram can only be printed: print(@hist_log(x))");
        break;
    case EX_EMBEDDED:
        if (s->opts->stap)
            break;
        refuse(s, e, "unsupported", "embedded C cannot run as eBPF");
        diag_hint(s->diag, "--backend=stap will run it, where SystemTap is installed");
        break;
    case EX_ATCONST:
        if (s->opts->stap || limit_constant(s, e))
            break;
        refuse(s, e, "unsupported", "@const takes C text, which needs the kernel's headers");
        diag_hint(s->diag, "@enum(\"NAME\") reads enumerators from debug information");
        break;
    case EX_ATENUM:
        enumerator(s, e);
        break;
    case EX_KDEREF:
    case EX_UDEREF:
        deref(s, e);
        break;
    case EX_KREG:
    case EX_UREG:
        a_register(s, e);
        break;
    case EX_R_LOAD:
    case EX_R_MODADDR:
    case EX_R_REG:
    case EX_R_ARG:
        break;
    }
}

/* ---- a handler ---- */

void sema_walk_inst(struct sema *s, struct probe_inst *inst)
{
    s->inst = inst;
    s->fn = NULL;
    s->file = sema_file(s, inst->probe->at);
    s->loops = 0;
    s->matched = (struct sema_matched){0};
    sema_walk_stmts(s, inst->body);
    sema_match_end(s);
    sema_place_saved(s, inst);
    sema_enter_waiting(s);
    s->inst = NULL;
}

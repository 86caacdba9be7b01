/*
 * entry: values that a handler reads as they were when the function was entered: in a .return
 * $parameters and @entry(expression), in the middle of a function registers that nothing else has
 * (DW_OP_entry_value). Enters: such an expression in the first walk; leaves: a local of the handler
 * in its place, which is set at the handler's start from an array that a probe of our own at the
 * function's entry fills. Both are script text, so that the passes after this one see nothing new.
 *
 * The array's key is the thread and the stack pointer at the entry, from which that after return is
 * a fixed distance away (struct arch: popped), and in the middle the CFA; no other activation has
 * that place meanwhile. So recursion, threads, longjmp over the function and coroutines with stacks
 * of their own are told apart without counting calls. (A function that ends in a jump to itself
 * would share the place; compilers make a loop of that.) The arrays forget the oldest elements when
 * they are full: what a handler does not find is counted, and said at the end. A thread is in one
 * system call at a time; returns without an entry are those of calls that began before the session,
 * and a child's of its parent's fork: as with SystemTap, whose probe is set at the entry, the
 * handler does not run.
 *
 * Parameters of the kernel's functions are told by fexit itself. So nothing is saved for a handler
 * that asks for them alone, where the kernel that it is to run on at once has fexit.
 */
#include "sema/internal.h"

#include <string.h>

#include "arch/arch.h"
#include "func/func.h"

enum { ENTRIES_MAX = 8192 }; /* activations that a program can be in at a time */

#define TEXT_NAME "<values at entry>"

/* A statement list without the block that holds it. */
static struct stmt *unwrapped(struct stmt *st)
{
    while (st && st->kind == ST_BLOCK && !st->next)
        st = st->body;
    return st;
}

static struct stmt *last_of(struct stmt *st)
{
    while (st->next)
        st = st->next;
    return st;
}

/* ---- our own text ---- */

static void adopt_globals(struct sema *s, const struct program *from)
{
    struct variable **tail = &s->prog->globals;

    while (*tail)
        tail = &(*tail)->next;
    *tail = from->globals;
}

/* What is lost is counted by the handlers, and said at the end. */
static bool add_count(struct sema *s)
{
    struct program ours = {0};
    struct probe **tail = &s->prog->probes;

    if (s->counts_lost)
        return true;
    s->counts_lost = true;
    if (!sema_parse(s, TEXT_NAME,
                    "global __entry_lost\n"
                    "probe end { if (__entry_lost) warn(sprintf(\"%d handlers did not find what "
                    "was saved at the function's entry: it read as 0\", __entry_lost)) }\n",
                    &ours))
        return false;
    adopt_globals(s, &ours);
    while (*tail)
        tail = &(*tail)->next;
    *tail = ours.probes;
    return true;
}

/* ---- the probe at the entry ---- */

static struct probe_inst *entry_of(struct sema *s, struct probe_inst *ret)
{
    struct probe_inst *entry = ret->entry;
    const char *suffix = strstr(ret->name, ".return");

    if (entry)
        return entry;
    entry = ARENA_NEW(s->arena, struct probe_inst);
    *entry = *ret;
    entry->next = NULL;
    entry->body = NULL;
    entry->locals = NULL;
    entry->type = probe_entry_type(ret->type);
    entry->saves = true;
    if (suffix)
        entry->name = arena_strndup(s->arena, ret->name, (size_t)(suffix - ret->name));
    ret->entry = entry;
    return entry;
}

static void append(struct stmt **list, struct stmt *st)
{
    while (*list)
        list = &(*list)->next;
    *list = st;
}

static bool at_call(const struct probe_inst *inst)
{
    return attach_kind(inst->type->kind)->context == CONTEXT_SYSCALL;
}

bool sema_is_saved(const struct sema *s, const struct expr *e)
{
    if (!s->inst || s->fn || s->in_defined || s->inst->theirs ||
        !attach_has(s->inst->type->kind, ATTACH_ON_RETURN))
        return false;
    if (sema_is_theirs(s))
        return false;
    if (at_call(s->inst)) /* what else it has is there at the return */
        return !strncmp(e->text, "$arg", 4);
    return strcmp(e->text, "$return") != 0 && strncmp(e->text, "$$", 2) != 0;
}

/* ---- what fexit tells itself ---- */

/* Does a handler ask for more than fexit has: registers, or what only the entry can read? */
struct scan {
    struct sema *s;
    const struct function *within; /* NULL: the handler itself */
    const struct function **seen;
    uint32_t n_seen;
    bool more;
};

static void scan_expr(struct expr *e, void *arg);

static void scan_function(struct scan *scan, struct function *fn)
{
    const struct function *outer = scan->within;

    for (uint32_t i = 0; i < scan->n_seen; i++)
        if (scan->seen[i] == fn)
            return;
    scan->seen = arena_grow(scan->s->arena, scan->seen, scan->n_seen, sizeof(*scan->seen));
    scan->seen[scan->n_seen++] = fn;
    scan->within = fn;
    stmt_visit_exprs(fn->body, scan_expr, scan);
    if (fn->following)
        scan_function(scan, fn->following);
    scan->within = outer;
}

static void scan_call(struct scan *scan, const struct expr *e)
{
    struct expr call = *e; /* E itself is not looked at yet */

    diag_try_begin(scan->s->diag);
    if (!call.func && sema_find_call(scan->s, &call) && !call.func)
        scan->more |= call.intrinsic && call.intrinsic->flags & (INTRIN_USER_REGS | INTRIN_STACK);
    diag_try_end(scan->s->diag);
    if (call.func)
        scan_function(scan, call.func);
}

static void scan_expr(struct expr *e, void *arg)
{
    struct scan *scan = arg;

    if (e->kind == EX_CALL)
        scan_call(scan, e);
    else if (e->kind == EX_TARGET && !scan->within)
        scan->more |= (e->comps || e->address_of) && sema_is_saved(scan->s, e);
    else
        scan->more |= e->kind == EX_ENTRY || e->kind == EX_KREG || e->kind == EX_UREG;
}

bool sema_is_kept(struct sema *s, const struct expr *e)
{
    struct probe_inst *inst = s->inst;
    struct scan scan = {.s = s, .more = inst->entry};

    if (!inst->can_trace || e->comps || e->address_of || !s->opts->kernel)
        return false;
    if (!inst->scanned) {
        inst->scanned = true;
        stmt_visit_exprs(inst->body, scan_expr, &scan);
        inst->keeps = !scan.more && kernel_can_fentry(s->opts->kernel);
    }
    return inst->keeps;
}

/* The same variable, as it stands, once more: by its name. */
static const char *saved_before(const struct sema *s, const struct expr *e)
{
    if (e->kind == EX_TARGET && !e->comps && !e->address_of)
        for (uint32_t i = 0; i < s->n_saved; i++)
            if (s->saved[i].inst == s->inst && s->saved[i].what &&
                !strcmp(s->saved[i].what, e->text))
                return s->saved[i].local;
    return NULL;
}

static const char *add_saved(struct sema *s, const struct expr *what)
{
    struct probe_inst *ret = s->inst, *entry = entry_of(s, ret);
    bool first = !entry->body;
    unsigned n = s->n_saved;
    struct program ours = {0};
    const struct arch *a = s->cx->arch;
    const char *sp = at_call(ret) /* a thread is in one at a time */
                         ? "0"
                         : arena_printf(s->arena, "u_register(\"%s\")", a->regs[a->sp].name);
    const char *key =
        a->popped && !at_call(ret) ? arena_printf(s->arena, "%s - %u", sp, a->popped) : sp;
    const char *text = arena_printf(
        s->arena,
        "global __entry_%u%%[%d]\n"
        "probe never { __entry_%u[tid(), %s] = 0 }\n"
        "probe never { __saved_%u = __entry_%u[tid(), %s]\n"
        "%s%s"
        "delete __entry_%u[tid(), %s] }\n",
        n, ENTRIES_MAX, n, sp, n, n, key,
        first ? arena_printf(s->arena, "if (!([tid(), %s] in __entry_%u)) ", key, n) : "",
        !first         ? ""
        : at_call(ret) ? "next\n"
                       : "__entry_lost++\n",
        n, key);

    if ((!at_call(ret) && !add_count(s)) || !sema_parse(s, TEXT_NAME, text, &ours))
        return NULL;
    adopt_globals(s, &ours);
    s->saved = arena_grow(s->arena, s->saved, s->n_saved, sizeof(*s->saved));
    s->saved[s->n_saved++] = (struct sema_saved){
        .inst = ret,
        .what = what->kind == EX_TARGET && !what->comps && !what->address_of ? what->text : NULL,
        .local = arena_printf(s->arena, "__saved_%u", n),
    };
    struct stmt *save = unwrapped(ours.probes->body);
    struct stmt *take = unwrapped(ours.probes->next->body);

    save->cond->b = expr_clone(s->arena, what);
    s->inst = entry;
    sema_walk_stmts(s, save);
    s->inst = ret;
    sema_walk_stmts(s, take);
    append(&entry->body, save);
    append(&s->takes, take);
    return s->saved[n].local;
}

bool sema_save(struct sema *s, struct expr *e, const struct expr *what)
{
    for (const struct component *c = what->comps; c; c = c->next) {
        if (c->kind != COMP_EXPR_INDEX || c->index->kind == EX_NUMBER)
            continue;
        diag_error(s->diag, c->at, "type",
                   "the index is not known at the function's entry, where this is read");
        diag_hint(s->diag, "assign the array's address to a variable, and index that");
        return false;
    }
    const char *local = saved_before(s, what);

    if (!local)
        local = add_saved(s, what);
    if (!local)
        return false;
    struct expr *name = expr_new(s->arena, EX_NAME, e->at);

    name->op_at = e->op_at;
    name->text = local;
    *e = *name;
    return true;
}

/* The array that keeps register NAME from the entry of the function that INST is in, and the
 * handler's local that has it; false after reporting. */
static bool add_register(struct sema *s, struct probe_inst *inst, const char *name,
                         const struct sema_frame *frame)
{
    const struct arch *a = s->cx->arch;
    struct probe_inst *entry = entry_of(s, inst);
    unsigned n = s->n_saved;
    struct program ours = {0};
    const char *key =
        arena_printf(s->arena, "tid(), u_register(\"%s\") + %lld", a->regs[frame->cfa_reg].name,
                     (long long)frame->cfa_offset - a->popped);
    const char *text =
        arena_printf(s->arena,
                     "global __entry_%u%%[%d]\n"
                     "probe never { __entry_%u[tid(), u_register(\"%s\")] = "
                     "u_register(\"%s\") }\n"
                     "probe never { if (!([%s] in __entry_%u)) __entry_lost++\n"
                     "__saved_%u = __entry_%u[%s] }\n",
                     n, ENTRIES_MAX, n, a->regs[a->sp].name, name, key, n, n, n, key);

    if (!add_count(s) || !sema_parse(s, TEXT_NAME, text, &ours))
        return false;
    entry->vaddr = frame->entry;
    adopt_globals(s, &ours);
    s->saved = arena_grow(s->arena, s->saved, s->n_saved, sizeof(*s->saved));
    s->saved[s->n_saved++] = (struct sema_saved){
        .inst = inst, .what = name, .local = arena_printf(s->arena, "__saved_%u", n)};
    struct stmt *save = unwrapped(ours.probes->body);
    struct stmt *take = unwrapped(ours.probes->next->body);

    s->inst = entry;
    sema_walk_stmts(s, save);
    s->inst = inst;
    sema_walk_stmts(s, take);
    append(&entry->body, save);
    append(&s->takes, take);
    return true;
}

struct expr *sema_save_register(struct sema *s, const struct expr *r,
                                const struct sema_frame *frame)
{
    struct expr *e = expr_new(s->arena, EX_NAME, r->at);
    const char *name = s->cx->arch->regs[r->reg].name;

    e->op_at = r->at;
    if (frame->cfa_reg >= s->cx->arch->n_regs) {
        diag_error(s->diag, r->at, "no-location", "this function's frame is not found");
        return NULL;
    }
    for (uint32_t i = 0; i < s->n_saved && !e->text; i++)
        if (s->saved[i].inst == s->inst && s->saved[i].what && !strcmp(s->saved[i].what, name))
            e->text = s->saved[i].local;
    if (!e->text && add_register(s, s->inst, name, frame))
        e->text = s->saved[s->n_saved - 1].local;
    if (!e->text)
        return NULL;
    sema_walk_expr(s, e, USE_VALUE);
    e->type = TYPE_LONG;
    return e;
}

void sema_place_saved(struct sema *s, struct probe_inst *ret)
{
    if (!ret->entry)
        return;
    last_of(s->takes)->next = ret->body;
    ret->body = s->takes;
    s->takes = NULL;
}

void sema_insert_entries(struct sema *s)
{
    for (struct probe_inst **at = &s->prog->insts; *at; at = &(*at)->next) {
        struct probe_inst *ret = *at;

        if (!ret->entry || ret->entry->next == ret)
            continue;
        ret->entry->next = ret; /* armed before it: a return without its entry is one too few */
        *at = ret->entry;
        at = &ret->entry->next;
    }
}

/*
 * table: all probe types, and how a probe point finds its own. Enters: a point whose aliases
 * are expanded; leaves: the row that takes it. Refused: points that no row takes, with the near
 * ones named, and apart from them the families that SystemTap has and this version cannot run.
 */
#include "probe/tables.h"

#include <fnmatch.h>
#include <string.h>

#include "base/bytes.h"

static const struct probe_type *const tables[] = {
    probe_types_begin,     probe_types_timer,   probe_types_process, probe_types_callee,
    probe_types_statement, probe_types_mark,    probe_types_plt,     probe_types_process_event,
    probe_types_trace,     probe_types_syscall, probe_types_alias,   probe_types_kernel,
    probe_types_procfs,
};

/* Families known to SystemTap, matched by their leading parts, and what to do instead, if more is
 * known than the list of what runs; the first that matches. */
static const struct {
    const char *names, *hint;
} later[] = {
    {"netfilter", "packets are seen at kernel.trace(\"net_dev_start_xmit\") and "
                  "kernel.trace(\"netif_receive_skb\"), which cannot drop them"},
    {"kernel.statement",
     "the kernel's BTF tells no lines of its sources: kernel.function(\"NAME\") "
     "is where one begins, kernel.statement(ADDRESS).absolute any instruction"},
    {"module.statement", "the kernel's BTF tells no lines of its sources: "
                         "module(\"NAME\").function(\"NAME\") is where one begins"},
    {"debuginfod", NULL},
    {"input", NULL},
    {"java", NULL},
    {"kernel", NULL},
    {"kprobe", NULL},
    {"module", NULL},
    {"nfs", NULL},
    {"nfsd", NULL},
    {"perf", NULL},
    {"process.insn", NULL},
    {"python", NULL},
    {"sunrpc", NULL},
    {"process.function.label", NULL},
};

/* Takes one part off a pattern ("function(string)."); NULL at its end. */
static const char *next_part(const char *p, const char **name, size_t *len, const char **arg)
{
    if (!*p)
        return NULL;
    *name = p;
    *len = strcspn(p, ".(");
    p += *len;
    *arg = NULL;
    if (*p == '(') {
        *arg = p + 1;
        p = strchr(p, ')') + 1;
    }
    return *p == '.' ? p + 1 : p;
}

/* A part that is a name of any kind: "syscall.NAME". */
static bool is_any(const char *name, size_t len)
{
    return len == 4 && !strncmp(name, "NAME", len);
}

/* Is NAME, which may be a wildcard, the pattern's name of LEN bytes? */
static bool is_name(struct arena *a, const char *name, const char *known, size_t len)
{
    if (has_wildcard(name))
        return !fnmatch(name, arena_strndup(a, known, len), 0);
    return !strncmp(name, known, len) && !name[len];
}

static bool takes(struct arena *a, const struct probe_type *t, const struct probe_point *point)
{
    const char *p = t->pattern, *name, *arg;
    const struct point_part *part = point->parts;
    size_t len;

    for (; part; part = part->next) {
        p = next_part(p, &name, &len, &arg);
        if (!p || (!is_any(name, len) && !is_name(a, part->name, name, len)))
            return false;
        if (!part->arg != !arg)
            return false;
        if (arg && (*arg == 's') != (part->arg->kind == EX_STRING))
            return false;
    }
    return !*p;
}

static const char *names_of_pattern(struct arena *a, const char *pattern)
{
    const char *s = "", *name, *arg;
    size_t len;

    while ((pattern = next_part(pattern, &name, &len, &arg)))
        s = arena_printf(a, "%s%s%.*s", s, *s ? "." : "", (int)len, name);
    return s;
}

static bool is_later(const char *names, const char **hint)
{
    for (size_t i = 0; i < sizeof(later) / sizeof(*later); i++) {
        size_t len = strlen(later[i].names);

        if (strncmp(names, later[i].names, len) || (names[len] && names[len] != '.'))
            continue;
        *hint = later[i].hint ? later[i].hint : "docs/reference.md lists those it runs";
        return true;
    }
    return false;
}

const struct probe_type *probe_match(struct compile *cx, const struct probe_point *point)
{
    const char *names = probe_names(cx->arena, point);
    const char *usage = NULL, *hint;
    struct near near;

    near_init(&near, names);
    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
        for (const struct probe_type *t = tables[i]; t->pattern; t++) {
            if (takes(cx->arena, t, point))
                return t;
            const char *known = names_of_pattern(cx->arena, t->pattern);

            if (!strcmp(known, names) && !usage)
                usage = t->pattern;
            near_try(&near, known);
        }
    if (usage) {
        diag_error(cx->diag, point->at, "probe", "this probe point is written %s", usage);
    } else if (is_later(names, &hint)) {
        diag_error(cx->diag, point->at, "not-yet",
                   "%s is a probe point of SystemTap's that this version does not run yet", names);
        diag_hint(cx->diag, "%s", hint);
    } else {
        diag_error(cx->diag, point->at, "no-probe", "no probe point is named '%s'", names);
        if (near_best(&near))
            diag_hint(cx->diag, "did you mean %s?", near_best(&near));
    }
    return NULL;
}

bool probe_is_family(const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
        for (const struct probe_type *t = tables[i]; t->pattern; t++)
            if (t->resolve == probe_no_alias && !attach_has(t->kind, ATTACH_FILE) &&
                !strncmp(t->pattern, name, len) && (!t->pattern[len] || t->pattern[len] == '.'))
                return true;
    return false;
}

bool probe_known(struct arena *a, const struct probe_point *point)
{
    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
        for (const struct probe_type *t = tables[i]; t->pattern; t++)
            if (takes(a, t, point))
                return true;
    return false;
}

const struct probe_type *probe_theirs(bool returns)
{
    static const struct probe_type types[] = {
        {"NAME", NULL, PROBE_SYSCALL, probe_no_alias, NULL, NULL},
        {"NAME.return", NULL, PROBE_SYSRETURN, probe_no_alias, NULL, NULL},
    };

    return &types[returns];
}

const struct probe_type *probe_entry_type(const struct probe_type *type)
{
    return type->kind == PROBE_SYSRETURN   ? &probe_types_syscall[0]
           : type->kind == PROBE_KRETPROBE ? &probe_types_kernel[0]
                                           : &probe_types_process[0];
}

struct expr *probe_text_var(struct probe_env *env, const struct probe_inst *inst,
                            const struct expr *e)
{
    struct arena *a = env->cx->arena;
    struct expr *text = NULL;

    if (e->comps || e->address_of)
        return NULL;
    text = probe_mark_text(env, inst, e);
    if (text || strcmp(e->text, "$$name") != 0)
        return text;
    if (inst->type->kind == PROBE_TRACEPOINT)
        return expr_string(a, e->at, inst->event, (uint32_t)strlen(inst->event));
    if (!probe_is_plt(inst->type))
        return NULL;
    if (!inst->n_places)
        return expr_string(a, e->at, inst->func_name, (uint32_t)strlen(inst->func_name));
    text = expr_new(a, EX_CALL, e->at); /* one body for many names */
    text->op_at = e->op_at;
    text->text = "probefunc";
    return text;
}

/* POINT with the names of T's pattern. */
static struct probe_point *with_names(struct arena *a, const struct probe_point *point,
                                      const struct probe_type *t)
{
    struct probe_point *copy = ARENA_NEW(a, struct probe_point);
    struct point_part **tail = &copy->parts;
    const char *p = t->pattern, *name, *arg;
    size_t len;

    *copy = *point;
    copy->next = NULL;
    for (const struct point_part *from = point->parts; from; from = from->next) {
        p = next_part(p, &name, &len, &arg);
        *tail = ARENA_NEW(a, struct point_part);
        **tail = *from;
        (*tail)->name = arena_strndup(a, name, len);
        (*tail)->next = NULL;
        tail = &(*tail)->next;
    }
    return copy;
}

struct probe_point *probe_expand(struct arena *a, const struct probe_point *point)
{
    struct probe_point *first = NULL, **tail = &first;

    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
        for (const struct probe_type *t = tables[i]; t->pattern; t++)
            if (t->resolve != probe_no_alias && takes(a, t, point)) {
                *tail = with_names(a, point, t);
                tail = &(*tail)->next;
            }
    return first;
}

void probe_each(void (*fn)(const struct probe_type *t, void *arg), void *arg)
{
    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
        for (const struct probe_type *t = tables[i]; t->pattern; t++)
            fn(t, arg);
}

/*
 * layout_parts: a source for nginx builds without debug information: the layouts of its types that
 * we bring (layouts/nginx/, made by scripts/make-layouts-nginx). Enters: a module, the process that
 * is looked at; leaves: for each part of nginx's types the file of layouts that fits, and LuaJIT's
 * where that is linked into it (layout.c): types are asked of these in turn, addresses are those of
 * the module's own symbols. Refused, with a reason: builds of which no layout is known, or none
 * fits.
 *
 * What nginx says of itself (its version and options) narrows the layouts down, the process proves
 * them (layout_nginx.c). What no request has passed yet is believed by version and options alone.
 * Where several fit, what they do not agree on is an error where it is asked for.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/compile.h"
#include "debug/layout.h"
#include "debug/layout_nginx.h"

enum {
    LUAJIT = NGINX_PARTS,
    PARTS,
    TRIED_SAID = 3, /* layouts that an error names */
};

struct parts {            /* of a module */
    struct dbg *v[PARTS]; /* NULL: not known */
};

/* How the layouts of a module are chosen. */
struct choice {
    struct dbg *m;
    struct parts *out;
    struct layout_rows rows;
    struct nginx_build build;
    struct layout_trial trial; /* without the layout that is tried */
    const char *dir;
    const char *tried; /* the first that were refuted, in words */
    uint32_t n_tried;
};

static struct parts *parts_of(const struct dbg *m)
{
    return m->data;
}

/* ---- files ---- */

/* The file of layouts at PATH, as a module that has M's symbols. NULL: it cannot be read. */
static struct dbg *open_part(const struct choice *c, const char *path)
{
    struct dbg *p = dbg_new(c->m->di, path);
    struct elf_file f;
    const char *why;

    p->of = c->m;
    p->arch = c->m->arch;
    p->symbols = (struct elf_symbols *)dbg_symbols(c->m);
    return elf_file_open(&f, open(p->path, O_RDONLY | O_CLOEXEC)) && dbg_open_layout(p, &f, &why)
               ? dbg_add(p) /* where declarations in other parts find their definitions */
               : NULL;
}

/* ---- choosing ---- */

struct candidate {
    const char *name, *path, *list; /* of a file of layouts */
    uint32_t near;                  /* layout_row_near */
    enum layout_fit fit;
};

struct candidates {
    struct candidate *v; /* not refuted; the best one first */
    uint32_t n;
    const char **seen; /* paths of all */
    uint32_t n_seen;
};

static enum layout_fit try_file(const struct choice *c, enum nginx_part part, const char *list,
                                const char **why)
{
    struct layout_trial t = c->trial;

    *why = "it cannot be read";
    if (!list)
        return LAYOUT_REFUTED;
    t.types[t.n_types++].list = list;
    *why = "there is no process to try it on";
    return t.mem < 0 ? LAYOUT_UNTRIED : layout_nginx_fits(&t, part, why);
}

/* The better of two that were not refuted: what was proved, then the one of the nearer flavour. */
static bool is_better(const struct candidate *a, const struct candidate *b)
{
    return a->fit != b->fit ? a->fit > b->fit : a->near > b->near;
}

static void refuted(struct choice *c, const char *name, const char *why)
{
    if (c->n_tried++ < TRIED_SAID)
        c->tried = arena_printf(c->m->di->a, "%s%s%s (contradicted by %s)",
                                c->tried ? c->tried : "", c->tried ? ", " : "", name, why);
}

/* Adds NEW to OUT, if at least LEAST is true of it. */
static void add_tried(struct choice *c, enum nginx_part part, struct candidate new,
                      enum layout_fit least, struct candidates *out)
{
    struct arena *a = c->m->di->a;
    const char *why;

    for (uint32_t i = 0; i < out->n_seen; i++)
        if (!strcmp(out->seen[i], new.path))
            return;
    out->seen = arena_grow(a, out->seen, out->n_seen, sizeof(*out->seen));
    out->seen[out->n_seen++] = new.path;
    new.list = layout_list(a, new.path);
    new.fit = try_file(c, part, new.list, &why);
    if (new.fit == LAYOUT_REFUTED)
        refuted(c, new.name, why);
    if (new.fit < least)
        return;
    out->v = arena_grow(a, out->v, out->n, sizeof(*out->v));
    out->v[out->n++] = new;
    if (is_better(&new, &out->v[0])) {
        out->v[out->n - 1] = out->v[0];
        out->v[0] = new;
    }
}

/* The rows of PART that were not refuted; of other builds than M (not EXACT, or somebody else's)
 * only those that were proved. */
static void try_rows(struct choice *c, enum nginx_part part, bool exact, struct candidates *out)
{
    for (uint32_t i = 0; i < c->rows.n && bounds_ok(); i++) {
        const struct layout_row *row = &c->rows.v[i];
        uint32_t near = layout_row_near(row, &c->build);

        if (row->part == part && layout_row_serves(row, &c->build) == exact)
            add_tried(c, part,
                      (struct candidate){
                          .name = row->file,
                          .path = arena_printf(c->m->di->a, "%s/%s.debug", c->dir, row->file),
                          .near = near,
                      },
                      exact && near ? LAYOUT_UNTRIED : LAYOUT_PROVED, out);
    }
}

/* Those of PART that -d names. False: none. */
static bool try_named(struct choice *c, enum nginx_part part, struct candidates *out)
{
    static const char *const has[] = {"type ngx_cycle_t", "type ngx_http_request_t",
                                      "type ngx_http_upstream_t", "type ngx_http_lua_main_conf_t",
                                      "type ngx_stream_lua_main_conf_t"};
    const struct debug_choice *choice = &c->m->di->cx->debug;
    bool any = false;

    for (uint32_t i = 0; i < choice->n_packs; i++) {
        const char *path = choice->packs[i];
        const char *list = layout_is_file(path) ? layout_list(c->m->di->a, path) : NULL;

        if (!list || !layout_has_line(list, has[part]))
            continue;
        any = true;
        add_tried(c, part, (struct candidate){.name = path, .path = path}, LAYOUT_UNTRIED, out);
    }
    return any;
}

/* Opens the best of V, with those that are as good beside it. NULL: it cannot be read. */
static struct dbg *open_best(struct choice *c, const struct candidate *v, uint32_t n)
{
    struct debuginfo *di = c->m->di;
    struct dbg *best = open_part(c, v[0].path);

    if (!best)
        return NULL;
    best->alike = ARENA_ARRAY(di->a, struct dbg *, n);
    for (uint32_t i = 1; i < n; i++) {
        struct dbg *other = is_better(&v[0], &v[i]) ? NULL : open_part(c, v[i].path);

        if (other)
            best->alike[best->n_alike++] = other;
    }
    return best;
}

static void say(const struct choice *c, const char *what)
{
    struct compile *cx = c->m->di->cx;

    if (cx->verbose && cx->err)
        clean_line(cx->err, "debug information of %s: %s", c->m->path, what);
}

static bool choose(struct choice *c, enum nginx_part part, const char **why)
{
    struct candidates found = {0};
    bool named;

    c->tried = NULL;
    c->n_tried = 0;
    named = try_named(c, part, &found);
    for (int exact = 1; exact >= 0 && !named && !found.n; exact--)
        try_rows(c, part, exact, &found);
    if (!found.n) {
        struct arena *a = c->m->di->a;

        *why = arena_printf(a, "no layout of %s's types fits%s%s%s", nginx_build_text(a, &c->build),
                            c->tried ? ": tried " : "", c->tried ? c->tried : "",
                            c->n_tried > TRIED_SAID
                                ? arena_printf(a, " and %u others", c->n_tried - TRIED_SAID)
                                : "");
        return false;
    }
    c->out->v[part] = open_best(c, found.v, found.n);
    *why = arena_printf(c->m->di->a, "%s cannot be read", found.v[0].path);
    if (!c->out->v[part])
        return false;
    if (part < NGINX_UPSTREAM) /* the others go on from it */
        c->trial.types[c->trial.n_types++].list = found.v[0].list;
    say(c, arena_printf(c->m->di->a, "the layouts of %s, %s%s", found.v[0].name,
                        found.v[0].fit == LAYOUT_PROVED ? "which fit the process"
                        : named                         ? "as -d says"
                                                        : "by nginx's version and options",
                        c->out->v[part]->n_alike ? ", as others do" : ""));
    return true;
}

/* ---- a module ---- */

static bool has_variable(struct dbg *m, const char *name)
{
    const struct elf_symbols *s = dbg_symbols(m);

    for (uint32_t i = 0; i < s->n; i++)
        if (!s->v[i].is_func && !strcmp(s->v[i].name, name))
            return true;
    return false;
}

static void add_trial_module(struct choice *c, struct dbg *m)
{
    struct module *mod = target_module(m->di->cx, m->di->t, m->path);

    if (!mod || c->trial.n_modules == TRIAL_MODULES)
        return;
    c->trial.modules[c->trial.n_modules].m = m;
    c->trial.modules[c->trial.n_modules++].bias = mod->bias;
}

/* The program that M, a module of nginx's, is loaded by, or M itself. NULL: none is open. */
static struct dbg *program_of(struct dbg *m)
{
    const char *path = m->di->t->exec_path;

    if (has_variable(m, "ngx_core_module"))
        return m;
    for (struct dbg *p = path ? m->di->modules : NULL; p; p = p->next)
        if (!strcmp(p->path, path) && has_variable(p, "ngx_core_module"))
            return p;
    return NULL;
}

/* What the parts of a module of its own go on from. */
static void add_program_types(struct choice *c, struct dbg *program)
{
    struct layout_trial *t = &c->trial;

    if (program->source != &dbg_source_nginx) {
        t->types[t->n_types++].m = program;
        return;
    }
    for (int i = NGINX_CORE; i <= NGINX_HTTP; i++)
        if (parts_of(program)->v[i])
            t->types[t->n_types++].m = parts_of(program)->v[i];
}

static bool choose_all(struct choice *c, struct dbg *program, const char **why)
{
    static const struct {
        enum nginx_part part;
        const char *variable;
    } lua[] = {{NGINX_LUA, "ngx_http_lua_module"}, {NGINX_STREAM_LUA, "ngx_stream_lua_module"}};
    bool own = program == c->m, any = own;

    for (int i = NGINX_CORE; own && i <= NGINX_UPSTREAM; i++)
        if (!choose(c, (enum nginx_part)i, why))
            return false;
    for (size_t i = 0; i < sizeof(lua) / sizeof(*lua); i++) {
        if (!has_variable(c->m, lua[i].variable))
            continue;
        if (choose(c, lua[i].part, why))
            any = true;
        else
            say(c, *why); /* the program's own types are worth having all the same */
    }
    return any;
}

/* LuaJIT's, which may be linked into the program. */
static void add_luajit(struct choice *c)
{
    const char *why = NULL;

    if (dbg_source_layout.open(c->m, &why))
        c->out->v[LUAJIT] = c->m->data;
    else if (why)
        say(c, why);
}

static void close_parts(struct dbg *m)
{
    m->data = NULL; /* the parts are modules of their own, and closed as such */
}

static bool open_layouts(struct dbg *m, const char **why)
{
    struct choice c = {.m = m, .trial = {.mem = -1}};
    struct target *t = m->di->t;
    pid_t pid = target_first(t);

    *why = NULL;
    if (m->di->cx->debug.without & DEBUG_LAYOUT || !m->di->layouts)
        return false;
    if (!has_variable(m, "ngx_core_module") && !has_variable(m, "ngx_http_lua_module") &&
        !has_variable(m, "ngx_stream_lua_module"))
        return false;
    struct dbg *program = program_of(m);

    if (!program || !nginx_build_of(program, &c.build)) {
        *why = "its layout is not known: it does not say which nginx it is";
        return false;
    }
    c.dir = arena_printf(m->di->a, "%s/nginx", m->di->layouts);
    c.rows = layout_rows_read(m->di->a, arena_printf(m->di->a, "%s/rows", c.dir));
    c.out = ARENA_NEW(m->di->a, struct parts);
    add_trial_module(&c, program);
    if (program != m) {
        add_trial_module(&c, m);
        add_program_types(&c, program);
    }
    if (pid)
        c.trial.mem =
            open(arena_printf(m->di->a, "%s/%d/mem", t->proc, (int)pid), O_RDONLY | O_CLOEXEC);
    bool ok = choose_all(&c, program, why);

    if (c.trial.mem >= 0)
        close(c.trial.mem);
    if (ok)
        add_luajit(&c);
    m->data = ok ? c.out : NULL;
    return ok;
}

static bool parts_settled(const struct dbg *m)
{
    return parts_of(m) != NULL;
}

static void parts_layouts(const struct dbg *m, dbg_name_fn *fn, void *arg)
{
    for (size_t i = 0; i < PARTS; i++)
        if (parts_of(m)->v[i])
            layout_files(parts_of(m)->v[i], fn, arg);
}

/* ---- questions: the parts are asked in turn ---- */

static const struct ctype *parts_type(struct dbg *m, const char *tag, const char *name)
{
    const struct ctype *first = NULL;

    for (size_t i = 0; i < PARTS; i++) {
        struct dbg *p = parts_of(m)->v[i];
        const struct ctype *t = p ? p->source->type(p, tag, name) : NULL;

        if (t && (!first || (!ctype_size(first) && ctype_size(t))))
            first = t;
    }
    return first;
}

static bool parts_enumerator(struct dbg *m, const char *name, int64_t *value)
{
    for (size_t i = 0; i < PARTS; i++) {
        struct dbg *p = parts_of(m)->v[i];

        if (p && p->source->enumerator(p, name, value))
            return true;
    }
    return false;
}

static bool parts_names(struct dbg *m, enum dbg_class class, dbg_name_fn *fn, void *arg)
{
    for (size_t i = 0; i < PARTS && class != DBG_FUNCTIONS; i++) {
        struct dbg *p = parts_of(m)->v[i];

        if (p)
            p->source->names(p, class, fn, arg);
    }
    return class != DBG_FUNCTIONS;
}

/* Layouts know of no source files: each variable is of whichever it is asked for. */
static bool parts_variable(struct dbg *m, const char *name, const char *cu, struct dbg_var *out)
{
    (void)cu;
    for (size_t i = 0; i < PARTS; i++) {
        struct dbg *p = parts_of(m)->v[i];

        if (p && p->source->variable(p, name, NULL, out))
            return true;
    }
    return false;
}

/* Types are the parts' own, who have another source. */
const struct dbg_source dbg_source_nginx = {
    .name = "layouts",
    .open = open_layouts,
    .settled = parts_settled,
    .layouts = parts_layouts,
    .close = close_parts,
    .type = parts_type,
    .enumerator = parts_enumerator,
    .names = parts_names,
    .variable = parts_variable,
};

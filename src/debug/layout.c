/*
 * layout: layouts that are known of some programs, as a source (source.h): for files without debug
 * information. Enters: a module, the process that runs it; leaves: files of layouts (pack_layout.c)
 * that fit, each a module of its own beside, which DWARF reads. Variables have their types from
 * there, their addresses from the module's own symbols. The version that the module says of itself
 * tells which are tried first; the process tells which fit (layout_luajit.c). Several may fit: then
 * what they do not agree on is an error where it is asked for. Without a process the file that -d
 * names is taken. Refused: modules of other programs, files that are not sound.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clean.h"
#include "debug/layout.h"
#include "debug/layout_luajit.h"
#include "target/luajit.h"

enum {
    FILES_MAX = 256,
    ROLLING = 1692579986, /* when LuaJIT's versions began to be times of commits */
};

#define SEARCHED ((uint64_t)2 << 30) /* bytes of a process, for a state */

/* How long a process may take to make one. */
enum {
    COMMAND_MS = 10000, /* that ngstap has started */
    PROCESS_MS = 1000,  /* another, which has LuaJIT's code, */
    MAKING_MS = 100,    /* ... and something like a state, in which no layout fits */
};

/* The file of layouts that is M's. */
static struct dbg *own(const struct dbg *m)
{
    return m->data;
}

/* ---- the module's version ---- */

/* When its sources were committed: *FROM to *TO. */
static void version_times(const char *version, uint64_t *from, uint64_t *to)
{
    const char *last = strrchr(version, '.');
    uint64_t time = last ? strtoull(last + 1, NULL, 10) : 0;

    *from = 0;
    *to = ROLLING;
    if (strstr(version, "beta"))
        return;
    *from = time > ROLLING ? time : ROLLING;
    *to = time > ROLLING ? time : UINT64_MAX;
}

/* ---- files of layouts ---- */

struct candidate {
    const char *path, *list;
    bool likely; /* by the module's version */
};

struct candidates {
    struct candidate v[FILES_MAX];
    uint32_t n;
};

struct finding {
    const char *version; /* the module's */
    struct candidates *c;
};

static void add_candidate(const char *path, const char *list, void *arg)
{
    const struct finding *f = arg;
    struct candidates *c = f->c;
    uint64_t from, to;

    if (c->n == FILES_MAX || !layout_has_line(list, "type lua_State"))
        return; /* another program's, named by -d */
    version_times(f->version, &from, &to);
    c->v[c->n++] = (struct candidate){path, list, layout_serves(list, from, to)};
}

/* Those that -d names, else ours. False: *WHY (arena) says which file is none. */
static bool find_candidates(struct dbg *m, const char *version, struct candidates *c,
                            const char **why)
{
    const struct debug_choice *choice = &m->di->cx->debug;
    struct finding f = {version, c};
    struct arena *a = m->di->a;

    for (uint32_t i = 0; i < choice->n_packs; i++) {
        const char *path = choice->packs[i];
        const char *list = layout_is_file(path) ? layout_list(a, path) : NULL;

        if (layout_is_file(path) && !list) {
            *why = arena_printf(a, "%s is not a file of layouts", path);
            return false;
        }
        if (list)
            add_candidate(path, list, &f);
    }
    if (!c->n && m->di->layouts)
        layout_lists(a, arena_printf(a, "%s/luajit", m->di->layouts), add_candidate, &f);
    return true;
}

/* The file at PATH as a module of DI's. NULL: *WHY says why not. */
static struct dbg *open_layout(struct debuginfo *di, const char *path, const char **why)
{
    struct dbg *m = dbg_new(di, path);
    struct elf_file f;

    *why = "it cannot be read";
    if (elf_file_open(&f, open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) &&
        dbg_open_layout(m, &f, why))
        return dbg_add(m);
    *why = arena_printf(di->a, "%s: %s", path, *why);
    return NULL;
}

/* ---- trying ---- */

struct layouts {
    struct lj_layout *v;
    uint32_t n;
};

struct trial {
    struct dbg *m;
    struct lj_process process;
    struct layouts likely, others; /* by the module's version */
    bool seen;                     /* something that looks like a state */
    const char *why;               /* of the last that did not fit */
};

static void read_layouts(struct trial *t, const struct candidates *c)
{
    t->likely.v = ARENA_ARRAY(t->m->di->a, struct lj_layout, c->n + 1);
    t->others.v = ARENA_ARRAY(t->m->di->a, struct lj_layout, c->n + 1);
    for (uint32_t i = 0; i < c->n && bounds_ok(); i++) {
        struct layouts *to = c->v[i].likely ? &t->likely : &t->others;

        if (lj_layout_read(c->v[i].path, c->v[i].list, &to->v[to->n]))
            to->n++;
        else
            t->why = arena_printf(t->m->di->a, "%s lacks places of members", c->v[i].path);
    }
}

/* How many of them fit; they come first. */
static uint32_t try_layouts(struct trial *t, struct layouts *x)
{
    uint64_t l;
    uint32_t fit = 0;

    t->process.budget = SEARCHED;
    for (uint32_t i = 0; i < x->n; i++)
        x->v[i].why = NULL;
    if (x->n)
        fit = lj_layouts_try(&t->process, x->v, x->n, &l);
    for (uint32_t i = fit; i < x->n; i++)
        if (x->v[i].why) {
            t->seen = true;
            t->why = arena_printf(t->m->di->a, "of %s %s", x->v[i].path, x->v[i].why);
        }
    return fit;
}

/* A process that has just begun makes its state later; what looks like one may be half made. */
static bool await_state(struct trial *t)
{
    struct target *target = t->m->di->t;
    bool more = bounds_ok() && target_await(target, target->held ? COMMAND_MS
                                                    : t->seen    ? MAKING_MS
                                                                 : PROCESS_MS);

    t->seen = false;
    return more;
}

/* Those that fit M's process, a state of which comes in time. */
static const struct layouts *find_fitting(struct trial *t, uint32_t *fit)
{
    struct debuginfo *di = t->m->di;
    pid_t pid = target_first(di->t);

    do {
        t->process.maps = target_maps(di->cx, di->t, pid);
        *fit = try_layouts(t, &t->likely);
        if (*fit)
            return &t->likely;
        *fit = try_layouts(t, &t->others);
    } while (!*fit && await_state(t));
    return &t->others;
}

/* Those of C that fit M's process: *FILES, and their number. 0: *WHY says why none does. */
static uint32_t choose(struct dbg *m, const struct candidates *c, const char *version,
                       const char ***files, const char **why)
{
    struct debuginfo *di = m->di;
    pid_t pid = target_first(di->t);
    struct trial t = {.m = m, .process.file = m->path};
    const struct layouts *fitting = &t.likely;
    uint64_t awaited_ns = di->t->awaited_ns;
    uint32_t fit = 0;

    t.process.mem =
        open(arena_printf(di->a, "%s/%d/mem", di->t->proc, (int)pid), O_RDONLY | O_CLOEXEC);
    if (t.process.mem >= 0) {
        read_layouts(&t, c);
        fitting = find_fitting(&t, &fit);
        close(t.process.mem);
    } else {
        t.why = arena_printf(di->a, "its memory cannot be read: %s", strerror(errno));
    }
    *files = ARENA_ARRAY(di->a, const char *, fit + 1);
    for (uint32_t i = 0; i < fit; i++)
        (*files)[i] = fitting->v[i].path;
    awaited_ns = di->t->awaited_ns - awaited_ns;
    const char *waited =
        awaited_ns ? arena_printf(di->a, "%.3f s", (double)awaited_ns / 1e9) : NULL;

    if (!fit)
        *why = arena_printf(
            di->a,
            "%s is %s, and none of %u known layouts of its types fits process %d%s%s: "
            "%s",
            m->path, version, c->n, (int)pid, waited ? " within " : "", waited ? waited : "",
            t.why ? t.why : "no Lua state was found in its memory");
    else if (waited && di->cx->err)
        clean_line(di->cx->err,
                   "waited %s for process %d to make a Lua state, which shows how its types lie",
                   waited, (int)pid);
    return fit;
}

/* The one that -d names; NULL: *WHY says what is wanted. */
static const char *named(struct dbg *m, const struct candidates *c, const char *version,
                         const char **why)
{
    if (c->n == 1)
        return c->v[0].path;
    *why = arena_printf(m->di->a,
                        "%s is %s: which of its known layouts fits is found by a process that runs "
                        "it, -x PID, or said by -d %s/luajit/NAME.debug",
                        m->path, version, m->di->layouts ? m->di->layouts : "layouts");
    return NULL;
}

/* Makes FILES, N of them, M's: the first is asked, the others must agree. */
static bool serve(struct dbg *m, const char *const *files, uint32_t n, const char **why)
{
    struct dbg **v = ARENA_ARRAY(m->di->a, struct dbg *, n);

    for (uint32_t i = 0; i < n; i++) {
        v[i] = open_layout(m->di, files[i], why);
        if (!v[i])
            return false;
        v[i]->of = m;
        v[i]->arch = m->arch;
        v[i]->symbols = (struct elf_symbols *)dbg_symbols(m);
    }
    v[0]->alike = v + 1;
    v[0]->n_alike = n - 1;
    m->data = v[0];
    return true;
}

static bool lay_open(struct dbg *m, const char **why)
{
    struct compile *cx = m->di->cx;
    struct candidates *c = ARENA_NEW(m->di->a, struct candidates);
    /* A script that runs asks for symbols alone. */
    bool wanted = !(cx->debug.without & DEBUG_LAYOUT) && !m->di->local;
    const char *version = wanted ? luajit_version(m->di->a, m->file.fd) : NULL, *file;
    bool tried = target_first(m->di->t) != 0;
    const char **files = &file;
    uint32_t n = 1;

    if (!version || !find_candidates(m, version, c, why) || !c->n)
        return false;
    if (tried)
        n = choose(m, c, version, &files, why);
    else
        file = named(m, c, version, why);
    if (!n || !files[0] || !serve(m, files, n, why))
        return false;
    for (uint32_t i = 0; cx->verbose && cx->err && i < n; i++)
        clean_line(cx->err, "debug information of %s (%s): the layouts of %s%s", m->path, version,
                   files[i],
                   !tried ? ""
                   : i    ? ", which fit its memory, too"
                          : ", which fit its memory");
    return true;
}

static void lay_close(struct dbg *m)
{
    m->data = NULL; /* the file of layouts is a module itself, and closed as one */
}

/* What may fit is asked again whenever it counts (debuginfo_layouts_same). */
static bool lay_settled(const struct dbg *m)
{
    return own(m) != NULL;
}

void layout_files(const struct dbg *first, dbg_name_fn *fn, void *arg)
{
    fn(first->path, arg);
    for (uint32_t i = 0; i < first->n_alike; i++)
        fn(first->alike[i]->path, arg);
}

static void lay_layouts(const struct dbg *m, dbg_name_fn *fn, void *arg)
{
    layout_files(own(m), fn, arg);
}

/* ---- names ---- */

static const struct ctype *lay_type(struct dbg *m, const char *tag, const char *name)
{
    return dbg_source_dwarf.type(own(m), tag, name);
}

static bool lay_enumerator(struct dbg *m, const char *name, int64_t *value)
{
    bool found = dbg_source_dwarf.enumerator(own(m), name, value);

    for (uint32_t i = 0; i < own(m)->n_alike; i++) {
        struct dbg *other = own(m)->alike[i];
        int64_t theirs;

        if (dbg_source_dwarf.enumerator(other, name, &theirs) != found ||
            (found && theirs != *value))
            diag_error(m->di->cx->diag, (struct span){0}, "layouts",
                       "%s and %s both fit %s, but do not agree on the enumerator %s", own(m)->path,
                       other->path, m->path, name);
    }
    return found;
}

static bool lay_names(struct dbg *m, enum dbg_class c, dbg_name_fn *fn, void *arg)
{
    return c != DBG_FUNCTIONS && dbg_source_dwarf.names(own(m), c, fn, arg);
}

static bool lay_variable(struct dbg *m, const char *name, const char *cu, struct dbg_var *out)
{
    return dbg_source_dwarf.variable(own(m), name, cu, out);
}

/* Types are the file's, and have DWARF as their source. */
const struct dbg_source dbg_source_layout = {
    .name = "layouts",
    .open = lay_open,
    .settled = lay_settled,
    .layouts = lay_layouts,
    .close = lay_close,
    .type = lay_type,
    .enumerator = lay_enumerator,
    .names = lay_names,
    .variable = lay_variable,
};

/*
 * places: names for addresses and frames. Enters: addresses in the target's files, frames as a
 * script printed them; leaves: symbols, lines of sources, Lua functions, modules. A file whose
 * lines take too much is the last that is asked for lines; names are looked up as before.
 *
 * Where there is a jail, it is asked, and its answers are checked: each function has a twin there
 * (*_in_jail) that runs the same one in the jail's own copy of struct places.
 */
#include "cli/places.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bounds.h"
#include "base/clean.h"
#include "base/file.h"
#include "debug/debug.h"
#include "jail/jail.h"
#include "lua/lua.h"
#include "target/flat.h"
#include "target/target.h"

static struct debuginfo *debuginfo_of(struct places *p)
{
    if (!p->debuginfo) /* an object was run: no script was analysed */
        p->debuginfo = debuginfo_new(p->cx, p->target);
    return p->debuginfo;
}

/* ---- questions to the jail ---- */

enum { SOURCE_NAME_MAX = 4096 };

struct question {
    uint64_t vaddr, bias;
    struct build_id id;
    char path[]; /* with its NUL */
};

/* A line of a source: the name of the file follows. */
struct line {
    uint32_t line, known;
};

static bool ask(struct places *p, jail_work *work, const struct module *m, uint64_t vaddr,
                struct jail_answer *a)
{
    size_t n = sizeof(struct question) + strlen(m->path) + 1;
    struct question *q = calloc(1, n);

    *a = (struct jail_answer){.fd = -1};
    if (!q)
        return false;
    q->vaddr = vaddr;
    q->bias = m->bias;
    q->id = m->id;
    strcpy(q->path, m->path);
    const struct jail_question jq = {.arg = p, .data = q, .n = n, .fds = {m->fd, -1}};
    bool ok = jail_ask(p->jail, work, &jq, a);

    free(q);
    return ok;
}

static bool is_file(const struct module *m, const char *path, const struct stat *st)
{
    struct stat own;

    return !strcmp(m->path, path) && (m->fd < 0 || (!fstat(m->fd, &own) && file_same(&own, st)));
}

/* In the jail: the target's module that is asked about. */
static const struct module *module_of(struct places *p, const struct jail_question *jq)
{
    const struct question *q = jq->data;
    struct stat st = {.st_ino = 0};
    struct module *m = p->target->modules;

    if (jq->fds[0] >= 0)
        fstat(jq->fds[0], &st);
    while (m && !is_file(m, q->path, &st))
        m = m->next;
    for (m = m ? m : p->later; m && !is_file(m, q->path, &st);)
        m = m->next;
    if (m)
        return m;
    m = ARENA_NEW(p->cx->arena, struct module);
    *m = (struct module){.next = p->later,
                         .path = arena_strdup(p->cx->arena, q->path),
                         .id = q->id,
                         .bias = q->bias,
                         .fd = jq->fds[0] >= 0 ? dup(jq->fds[0]) : -1};
    m->probe_path = arena_printf(p->cx->arena, "/proc/self/fd/%d", m->fd);
    p->later = m;
    return m;
}

static void put_line(FILE *answer, const char *file, uint32_t line)
{
    const struct line l = {line, file != NULL};

    fwrite(&l, sizeof(l), 1, answer);
    if (file)
        fwrite(file, strlen(file), 1, answer);
}

/* False: it is no line. */
static bool get_line(struct places *p, const struct jail_answer *a, struct symbol_line *out)
{
    struct line l;

    if (a->n < sizeof(l) || a->n > sizeof(l) + SOURCE_NAME_MAX)
        return false;
    memcpy(&l, a->data, sizeof(l));
    out->line = l.line;
    out->file =
        l.known ? arena_strndup(p->cx->arena, (char *)a->data + sizeof(l), a->n - sizeof(l)) : NULL;
    return true;
}

static void drop(struct jail_answer *a)
{
    free(a->data);
    if (a->fd >= 0)
        close(a->fd);
}

/* Ends a question about lines of sources. */
static bool end_question(struct places *p)
{
    if (bounds_end())
        return true;
    p->off = true;
    bounds_begin(p->cx); /* nothing is reached any more */
    bounds_end();
    return false;
}

/* ---- addresses: struct symbol_source ---- */

static bool symbols_in_jail(struct jail_question *q, FILE *answer);
static bool line_in_jail(struct jail_question *q, FILE *answer);
static bool debug_file_in_jail(struct jail_question *q, FILE *answer);

/* With the separate debug files that only debug/ finds. */
static const struct elf_symbols *symbols_of(void *arg, const struct module *m)
{
    struct places *p = arg;

    if (p->jail) {
        struct elf_symbols *s = ARENA_NEW(p->cx->arena, struct elf_symbols);
        struct jail_answer a;
        bool ok = ask(p, symbols_in_jail, m, 0, &a) &&
                  flat_get_symbols(p->cx->arena, a.data, a.n, true, s);

        drop(&a);
        return ok ? s : NULL;
    }
    return dbg_module_symbols(debuginfo_of(arg), m);
}

static bool line_of(void *arg, const struct module *m, uint64_t vaddr, struct symbol_line *out)
{
    struct places *p = arg;

    if (p->jail) {
        struct jail_answer a;
        bool ok = ask(p, line_in_jail, m, vaddr, &a) && get_line(p, &a, out);

        drop(&a);
        return ok;
    }
    if (p->off)
        return false;
    bounds_begin(p->cx);
    bool found = dbg_module_line(debuginfo_of(p), m, vaddr, out);

    return end_question(p) && found;
}

static int debug_file_of(void *arg, const struct module *m)
{
    struct places *p = arg;

    if (p->jail) {
        struct jail_answer a;
        int fd = ask(p, debug_file_in_jail, m, 0, &a) ? a.fd : -1;

        a.fd = fd >= 0 ? -1 : a.fd;
        drop(&a);
        return fd;
    }
    return dbg_module_debug_file(debuginfo_of(arg), m);
}

static bool symbols_in_jail(struct jail_question *q, FILE *answer)
{
    const struct elf_symbols *s = symbols_of(q->arg, module_of(q->arg, q));

    if (s)
        flat_put_symbols(answer, s);
    return s != NULL;
}

static bool line_in_jail(struct jail_question *q, FILE *answer)
{
    const struct question *asked = q->data;
    struct symbol_line at = {NULL, 0};

    if (!line_of(q->arg, module_of(q->arg, q), asked->vaddr, &at))
        return false;
    put_line(answer, at.file, at.line);
    return true;
}

static bool debug_file_in_jail(struct jail_question *q, FILE *answer)
{
    q->answer_fd = debug_file_of(q->arg, module_of(q->arg, q));
    return q->answer_fd >= 0;
}

struct symbol_source places_symbols(struct places *p)
{
    return (struct symbol_source){symbols_of, line_of, p, debug_file_of};
}

/* ---- frames: struct out_reader_opts ---- */

static bool name_lua_in_jail(struct jail_question *q, FILE *answer)
{
    places_name_lua(q->arg);
    return true;
}

void places_name_lua(struct places *p)
{
    const struct jail_question q = {.arg = p, .fds = {-1, -1}};
    struct jail_answer a;

    if (p->jail) {
        jail_ask(p->jail, name_lua_in_jail, &q, &a);
        drop(&a);
    } else {
        p->names = lua_names_new(p->cx, p->target);
    }
}

static bool name_frame(void *arg, const char *frame, size_t len, char *to, size_t size);

static bool name_in_jail(struct jail_question *q, FILE *answer)
{
    char to[LUA_FRAME_MAX];
    bool found = name_frame(q->arg, q->data, q->n, to, sizeof(to));

    if (found)
        fwrite(to, strlen(to), 1, answer);
    return found;
}

static bool name_frame(void *arg, const char *frame, size_t len, char *to, size_t size)
{
    const struct places *p = arg;

    if (p->jail) {
        const struct jail_question q = {.arg = arg, .data = frame, .n = len, .fds = {-1, -1}};
        struct jail_answer a;
        bool found = jail_ask(p->jail, name_in_jail, &q, &a) && a.n;

        if (found)
            clean_text(a.data, a.n, to, size);
        drop(&a);
        return found;
    }

    return p->names && lua_names_frame(p->names, frame, len, to, size);
}

/* Of the target's files; the kernel's code has none. */
static const struct module *module_named(const struct places *p, const char *path)
{
    const struct module *m = p->target ? p->target->modules : NULL;

    while (m && strcmp(m->path, path))
        m = m->next;
    return m;
}

static void tell_module(void *arg, struct arena *a, struct out_module *out)
{
    const struct places *p = arg;
    const struct module *m = module_named(p, out->path);

    if (!m)
        return;
    out->start = m->start;
    out->end = m->end;
    out->build_id = m->id.len ? build_id_text(a, &m->id) : NULL;
}

static bool statement_in_jail(struct jail_question *q, FILE *answer);

/* By what debug information says of the first instruction at VADDR. */
static bool statement_at(struct places *p, const struct module *m, uint64_t vaddr,
                         struct symbol_line *out)
{
    struct dbg_statement at = {.line = 0};
    const char *why;

    if (p->jail) {
        struct jail_answer a;
        bool ok = ask(p, statement_in_jail, m, vaddr, &a) && get_line(p, &a, out) && out->file;

        drop(&a);
        return ok;
    }
    if (!p->debuginfo || p->off)
        return false;
    bounds_begin(p->cx);
    struct dbg *dbg = dbg_open(p->debuginfo, m->path, &why);
    bool found = dbg && dbg_statement_at(dbg, vaddr, &at) && at.line;

    *out = (struct symbol_line){at.file, at.line};
    return end_question(p) && found;
}

static bool statement_in_jail(struct jail_question *q, FILE *answer)
{
    const struct question *asked = q->data;
    struct symbol_line at;

    if (!statement_at(q->arg, module_of(q->arg, q), asked->vaddr, &at))
        return false;
    put_line(answer, at.file, at.line);
    return true;
}

static void place_frame(void *arg, struct arena *a, const struct out_module *module,
                        struct out_frame *f)
{
    struct places *p = arg;
    const struct module *m = module_named(p, module->path);
    struct symbol_line at;
    size_t n;

    if (!m || f->address < m->bias || !statement_at(p, m, f->address - m->bias, &at))
        return;
    f->file = out_clean(a, at.file, strlen(at.file), &n);
    f->line = at.line;
}

void places_serve(struct places *p, struct out_reader_opts *reader)
{
    reader->rename = name_frame;
    reader->module = tell_module;
    reader->place = place_frame;
    reader->arg = p;
}

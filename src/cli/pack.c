/*
 * pack: "ngstap pack": what scripts can ask of builds, in a file for machines where their debug
 * information is not. Enters: files, or a target; leaves: an ar archive (ar(5)) of debug files, one
 * a build, each called BUILDID.debug, which debug/pack.c reads, and ar(1) for any debugger. Of a
 * target's modules those without debug information are left out with a word; a file that is named
 * must have some.
 */
#include <ar.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bounds.h"
#include "base/clean.h"
#include "base/diag.h"
#include "base/file.h"
#include "cli/apart.h"
#include "cli/options.h"
#include "cli/subcommand.h"
#include "debug/debug.h"
#include "out/out.h"

static const struct span nowhere;

enum {
    MEMBER_MAX = 256 << 20, /* as debug/pack.c takes them */
    LIST_MAX = 1 << 20,
};

struct build { /* a member */
    const char *name;
    char *bytes; /* malloc'ed */
    size_t size;
};

struct packing {
    struct compile *cx;
    const char *layout; /* --layout: its file; NULL: a pack is made */
    struct options o;
    char **files; /* to the NULL that ends them */
    struct target *t;
    struct debuginfo *di;
    struct build *v;
    uint32_t n;
};

static bool set_layout(void *command, const char *option, const char *value)
{
    struct packing *p = command;

    p->layout = value;
    return true;
}

static const struct command_option taken[] = {
    {"-x", NULL, "the files of this process", NULL},
    {"--master", NULL, "... of a worker of this process", NULL},
    {"--container", NULL, "... of the processes that run Lua in this container", NULL},
    {"--pod", NULL, "... in this pod of Kubernetes, on its node", NULL},
    {"--exec", NULL, "an executable, and the libraries that it is linked with", NULL},
    {"--sysroot", NULL, "look for the target's files below DIR (see docker-root)", NULL},
    {"--no-debuginfo", NULL, "without dwarf, debuginfod, pack or layout", NULL},
    {"-o", NULL, "write to FILE, which is whole or not there", NULL},
    {"--layout", "LIST", "write layouts of the types in LIST, for all builds that have them alike",
     set_layout},
    {"-v", NULL, "say where debug information is looked for", NULL},
};

static const struct command_options options = {
    "ngstap pack",
    "Usage: ngstap pack [OPTION]... [FILE]... -o NAME.pack\n"
    "Keeps what scripts can ask of each FILE, or of a target's files: types, variables,\n"
    "functions with their parameters, symbols. -d NAME.pack gives it to a script on a machine\n"
    "that has the same builds stripped; packs in ~/.local/share/ngstap/packs and\n"
    "/usr/share/ngstap/packs are found without.\n\n",
    taken, sizeof(taken) / sizeof(*taken)};

static bool fail(struct packing *p, const char *message, const char *hint)
{
    diag_error(p->cx->diag, nowhere, "options", "%s", message);
    diag_hint(p->cx->diag, "%s", hint);
    return false;
}

static bool parse(struct packing *p, int argc, char **argv)
{
    const struct target_opts *t = &p->o.target;

    if (!options_command(p->cx, argc, argv, &options, p, &p->o))
        return false;
    if (p->o.help)
        return true;
    p->o.target.proc = "/proc";
    if (!p->o.output)
        return fail(p, "where does the pack go?", "-o NAME.pack");
    if (optind == argc && !t->pid && !t->master && !t->container && !t->pod && !t->exec)
        return fail(p, "a pack of what?", "name files, or -x PID, --exec PATH ...");
    if (p->layout && optind + 1 != argc)
        return fail(p, "layouts of which file?", "--layout=LIST takes one FILE");
    return true;
}

/* ---- builds ---- */

static bool is_packed(const struct packing *p, const char *name)
{
    for (uint32_t i = 0; i < p->n; i++)
        if (!strcmp(p->v[i].name, name))
            return true;
    return false;
}

/* FD's bytes into *B, FD closed. False: *WHY says why not. */
static bool take_bytes(int fd, struct build *b, const char **why)
{
    if (lseek(fd, 0, SEEK_SET) == 0)
        b->bytes = file_read_fd(fd, MEMBER_MAX, &b->size);
    if (!b->bytes)
        *why = strerror(errno);
    close(fd);
    return b->bytes != NULL;
}

/* Adds M's build. False: *WHY says why not. */
static bool add(struct packing *p, struct dbg *m, const char **why)
{
    const char *name =
        arena_printf(p->cx->arena, "%s.debug", build_id_text(p->cx->arena, dbg_build_id(m)));
    struct build b = {.name = name};

    if (is_packed(p, name))
        return true;
    int fd = memfd_create("pack", MFD_CLOEXEC);

    if (fd < 0) {
        *why = strerror(errno);
        return false;
    }
    if (!dbg_pack(m, fd, why)) {
        close(fd);
        return false;
    }
    if (!take_bytes(fd, &b, why))
        return false;
    p->v = arena_grow(p->cx->arena, p->v, p->n, sizeof(*p->v));
    p->v[p->n++] = b;
    clean_line(p->cx->err, "%s: build-id %.*s, %zu KiB", dbg_path(m), (int)strcspn(name, "."), name,
               (b.size + 1023) / 1024);
    return true;
}

/* NAMED: by the user, who wants just that one. */
static bool add_file(struct packing *p, const char *path, bool named)
{
    const char *why;
    struct dbg *m = dbg_open(p->di, path, &why);

    if (m && add(p, m, &why))
        return true;
    if (m)
        why = arena_printf(p->cx->arena, "%s: %s", path, why);
    if (named)
        return diag_error(p->cx->diag, nowhere, "pack", "%s", why);
    clean_line(p->cx->err, "%s: left out, without debug information%s", path,
               p->cx->verbose ? "" : " (-v says where it was looked for)");
    return true;
}

/* Adds the layouts of the types that P->layout lists, as FILE has them. */
static bool add_layout(struct packing *p, const char *file)
{
    char real[PATH_MAX];
    char *list = file_read(p->layout, LIST_MAX, NULL);
    struct build b = {.name = file};
    const char *why = NULL;
    struct dbg *m = NULL;

    if (!list)
        return diag_error(p->cx->diag, nowhere, "pack", "%s: %s", p->layout, strerror(errno));
    if (!realpath(file, real))
        why = strerror(errno);
    else
        m = dbg_open(p->di, arena_strdup(p->cx->arena, real), &why);
    int fd = m ? memfd_create("layout", MFD_CLOEXEC) : -1;

    if (m && fd < 0)
        why = strerror(errno);
    if (fd >= 0 && !dbg_layout(m, list, fd, &why))
        close(fd);
    else if (fd >= 0)
        take_bytes(fd, &b, &why);
    free(list);
    if (!b.bytes)
        return diag_error(p->cx->diag, nowhere, "pack", "%s: %s", file, why);
    p->v = arena_grow(p->cx->arena, p->v, p->n, sizeof(*p->v));
    p->v[p->n++] = b;
    return true;
}

static bool add_all(struct packing *p, char **files)
{
    bool ok = true;

    if (p->layout)
        return add_layout(p, *files);

    for (; *files; files++) {
        char real[PATH_MAX];

        if (!realpath(*files, real))
            ok = diag_error(p->cx->diag, nowhere, "pack", "%s: %s", *files, strerror(errno));
        else
            ok = add_file(p, arena_strdup(p->cx->arena, real), true) && ok;
    }
    for (struct module *m = p->t->modules; m; m = m->next)
        ok = add_file(p, m->path, false) && ok;
    if (ok && !p->n)
        return fail(p, "there is no debug information of any of these files",
                    "-v says where it was looked for");
    return ok;
}

/* ---- the archive ---- */

static void write_head(FILE *f, const char *name, size_t size)
{
    /* Owner, date and mode mean nothing here, so that the same builds give the same pack. */
    fprintf(f, "%-16s%-12s%-6s%-6s%-8s%-10zu" ARFMAG, name, "0", "0", "0", "100644", size);
}

static void write_archive(struct packing *p, FILE *f)
{
    size_t names = 0, at = 0;

    for (uint32_t i = 0; i < p->n; i++)
        names += strlen(p->v[i].name) + 2;
    fputs(ARMAG, f);
    write_head(f, "//", names);
    for (uint32_t i = 0; i < p->n; i++)
        fprintf(f, "%s/\n", p->v[i].name);
    if (names & 1)
        fputc('\n', f);
    for (uint32_t i = 0; i < p->n; i++) {
        write_head(f, arena_printf(p->cx->arena, "/%zu", at), p->v[i].size);
        at += strlen(p->v[i].name) + 2;
        fwrite(p->v[i].bytes, 1, p->v[i].size, f);
        if (p->v[i].size & 1)
            fputc('\n', f);
    }
}

/* In a jail. */
static bool make(struct jail_question *q, FILE *answer)
{
    struct packing *p = q->arg;

    p->di = debuginfo_new(p->cx, p->t);
    bool ok = add_all(p, p->files);

    if (ok && p->layout)
        fwrite(p->v[0].bytes, 1, p->v[0].size, answer);
    else if (ok)
        write_archive(p, answer);
    for (uint32_t i = 0; i < p->n; i++)
        free(p->v[i].bytes);
    debuginfo_free(p->di);
    return ok;
}

/* The N files, and the list of a layout. */
static const char *const *named(const struct packing *p, int n)
{
    const char **v = ARENA_ARRAY(p->cx->arena, const char *, (size_t)n + 1);

    for (int i = 0; i < n; i++)
        v[i] = p->files[i];
    v[n] = p->layout;
    return v;
}

int subcommand_pack(struct compile *cx, int argc, char **argv)
{
    struct packing p = {.cx = cx};
    struct out_file file;

    if (!parse(&p, argc, argv))
        return 1;
    if (p.o.help)
        return 0;
    bounds_begin(cx);
    p.t = apart_target(cx, &p.o, &p.o.target);
    if (!p.t)
        return 1;
    p.files = argv + optind;

    const struct apart_work w = {.work = make,
                                 .arg = &p,
                                 .fds = {-1, -1},
                                 .files = named(&p, argc - optind),
                                 .n_files = (uint32_t)(argc - optind) + (p.layout != NULL)};
    bool ok = out_file_open(cx, p.o.output, &file) && out_file_begin(cx, &file);

    if (ok) {
        ok = apart_do(cx, &p.o, p.t, &w, file.f);
        ok = bounds_end() && ok;
        ok = out_file_close(cx, &file, ok) && ok;
    }
    target_close(p.t);
    return ok ? 0 : 1;
}

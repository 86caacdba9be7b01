/*
 * kept: objects from one run to the next, in the folder objects/ of the cache (base/cachefile.h).
 * Enters: what an object is made of; leaves: the object, as it was made before. The key is a hash
 * of the texts, the options, this build of ngstap, what the kernel can do, this boot (its types and
 * symbols) and the target's files; a file is known by its inode with size and times, which all
 * processes of a program share. What is only found while the object is made (separate debug files,
 * or that there are none; which layouts fitted the process) stands before the object, and must be
 * the same: files are looked at here, layouts are tried again by whoever runs the object. Refused:
 * what warned, what rests on a server's answer, on modules of the kernel, or on a file that changed
 * a moment ago, whose next change might show nowhere.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "cli/kept.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/abi.h"
#include "base/arena.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/file.h"
#include "debug/debug.h"

#define FOLDER "objects"

enum {
    FORMAT = 2,
    LISTED_MAX = 20000, /* files in folders of a tapset */
    DEPTH_MAX = 4,
    FILES_MAX = 256, /* that were found while an object was made */
};
/* File systems note times by ticks of the clock at best, by two seconds at worst. */
#define SETTLED_NS (2 * (int64_t)SECOND_NS)

/* ---- the key ---- */

struct hash {
    struct sha256_ctx ctx;
    struct kept *k;
    struct arena *a;
    uint32_t listed;
};

static void add(struct hash *h, const void *data, size_t n)
{
    const uint64_t len = n;

    sha256_update(&h->ctx, sizeof(len), (const uint8_t *)&len);
    sha256_update(&h->ctx, n, data);
}

static void add_text(struct hash *h, const char *text)
{
    add(h, text ? text : "", text ? strlen(text) + 1 : 0);
}

static void add_strings(struct hash *h, const struct strings *s)
{
    add(h, &s->n, sizeof(s->n));
    for (uint32_t i = 0; i < s->n; i++)
        add_text(h, s->v[i]);
}

static void add_stat(struct hash *h, const struct stat *st)
{
    struct file_identity id;

    file_identity(st, &id);
    add(h, &id, sizeof(id));
    if (id.changed_ns > h->k->newest_ns)
        h->k->newest_ns = id.changed_ns;
}

static void add_file(struct hash *h, const char *path)
{
    struct stat st;

    if (stat(path, &st))
        memset(&st, 0, sizeof(st));
    add_stat(h, &st);
}

/* The files in DIR, by name. A folder's own times tell nothing of what its files hold. */
static void add_folder(struct hash *h, const char *dir, int depth)
{
    struct dirent **v;
    int n = depth < DEPTH_MAX ? scandir(dir, &v, NULL, alphasort) : -1;

    for (int i = 0; i < n; i++) {
        const char *path = arena_printf(h->a, "%s/%s", dir, v[i]->d_name);
        struct stat st;

        if (v[i]->d_name[0] != '.' && h->listed++ < LISTED_MAX && !stat(path, &st)) {
            add_text(h, v[i]->d_name);
            if (S_ISDIR(st.st_mode))
                add_folder(h, path, depth + 1);
            else
                add_stat(h, &st);
        }
        free(v[i]);
    }
    if (n >= 0)
        free(v);
}

/* What these lead to is found by name. */
static void add_surroundings(struct hash *h)
{
    static const char *const names[] = {"PATH", "LD_LIBRARY_PATH", "DEBUGINFOD_URLS"};
    char cwd[PATH_MAX];

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        add_text(h, getenv(names[i]));
    add_text(h, getcwd(cwd, sizeof(cwd)));
}

static void add_build(struct hash *h)
{
    const uint32_t versions[] = {FORMAT, NGS_OBJ_VERSION};

    add(h, versions, sizeof(versions));
    add_file(h, "/proc/self/exe");
}

static void add_kernel(struct hash *h, const struct kernel *k)
{
    char *boot = file_read("/proc/sys/kernel/random/boot_id", 4096, NULL);
    struct utsname u;

    memset(&u, 0, sizeof(u));
    uname(&u);
    add(h, &u, sizeof(u));
    add_text(h, boot);
    add(h, k->has, sizeof(k->has));
    add_file(h, arena_printf(h->a, "/boot/config-%s", u.release));
    if (!boot)
        h->k->why_not = "this boot of the kernel has no name";
    free(boot);
}

/* A subcommand may have set them, without an option that the driver sees. */
static void add_compile(struct hash *h, const struct compile *cx)
{
    const uint32_t flags[] = {cx->guru, cx->skip_badvars, cx->debug.without};

    add_text(h, cx->arch->title);
    add(h, &cx->limits, sizeof(cx->limits));
    add(h, flags, sizeof(flags));
    for (uint32_t i = 0; i < cx->debug.n_packs; i++) {
        add_text(h, cx->debug.packs[i]);
        add_file(h, cx->debug.packs[i]);
    }
}

static void add_target(struct hash *h, struct target *t)
{
    const uint32_t kind[] = {t->kind, t->n_pids > 1, t->n_pids > 0};
    struct stat st;

    add(h, kind, sizeof(kind));
    add_text(h, t->exec_path);
    add_text(h, sysroot_dir(t->root)[0] ? "container" : "");
    for (const struct module *m = t->modules; m; m = m->next) {
        h->k->last = m;
        add_text(h, m->path);
        add(h, &m->is_exe, sizeof(m->is_exe));
        if (m->fd < 0 || fstat(m->fd, &st))
            memset(&st, 0, sizeof(st));
        add_stat(h, &st);
    }
}

static void add_texts(struct hash *h, const struct sxx_result *r)
{
    add_text(h, r->main->name);
    add(h, r->main->text, r->main->len);
    for (uint32_t i = 0; i < r->n_libs; i++) {
        add_text(h, r->libs[i]->name);
        add(h, r->libs[i]->text, r->libs[i]->len);
    }
}

void kept_begin(struct compile *cx, const struct kept_inputs *in, struct kept *k)
{
    struct hash h = {.k = k, .a = cx->arena};

    *k = (struct kept){.begun_ns = (int64_t)clock_ns(CLOCK_REALTIME),
                       .said = diag_said(cx->diag),
                       .why_not = in->k ? NULL : "the kernel is not known"};
    if (k->why_not)
        return;
    sha256_init(&h.ctx);
    add_build(&h);
    add_kernel(&h, in->k);
    add_surroundings(&h);
    add_compile(&h, cx);
    add_strings(&h, &in->o->said);
    add_text(&h, in->o->script);
    add_strings(&h, &in->o->args);
    add_texts(&h, in->texts);
    for (uint32_t i = 0; i < in->sema->n_tapset_dirs; i++) {
        add_text(&h, in->sema->tapset_dirs[i]);
        add_folder(&h, in->sema->tapset_dirs[i], 0);
    }
    add_text(&h, in->sema->systemtap_dir);
    if (in->sema->systemtap_dir)
        add_folder(&h, in->sema->systemtap_dir, 0);
    add_target(&h, in->t);
    sha256_digest(&h.ctx, sizeof(k->key), k->key);
    if (h.listed >= LISTED_MAX)
        k->why_not = "there are too many files in its tapsets";
    k->on = !k->why_not;
}

/* ---- what is found on the way ---- */

/* In a file of the cache: how many of these, each with its path behind it; then the object. */
struct found {
    struct file_identity id; /* all 0: there is no such file */
    uint32_t from;           /* enum dbg_found */
    uint32_t path_len;
};

static int open_found(const struct target *t, const struct sysroot *host, uint32_t from,
                      const char *path)
{
    return sysroot_open(from == DBG_FOUND_ROOT ? t->root : host, path);
}

static bool is_same(struct compile *cx, struct target *t, const struct sysroot *host,
                    const struct found *f, const char *path)
{
    struct file_identity now = {0};
    struct stat st;
    int fd = -1;

    if (f->from == DBG_FOUND_MODULE) {
        const struct module *m = target_module(cx, t, path);

        fd = m && m->fd >= 0 ? fcntl(m->fd, F_DUPFD_CLOEXEC, 0) : -1;
    } else if (f->from == DBG_FOUND_ROOT || host) {
        const char *tab = f->from == DBG_FOUND_LAYOUT ? strchr(path, '\t') : NULL;

        fd = open_found(t, host, f->from, tab ? tab + 1 : path);
    }
    if (fd >= 0 && !fstat(fd, &st))
        file_identity(&st, &now);
    if (fd >= 0)
        close(fd);
    return !memcmp(&now, &f->id, sizeof(now));
}

/* The object in what was kept, or NULL: a file that it was made of is another now. *LAYOUTS: those
 * that it rests on. */
static const char *check(struct compile *cx, struct target *t, const char *data, size_t *size,
                         const char **layouts)
{
    struct sysroot *host = sysroot_is_host(t->root) ? NULL : sysroot_new(cx, "/");
    const char *p = data, *end = data + *size;
    uint32_t n = 0;
    bool ok = *size >= sizeof(n);

    if (ok) {
        memcpy(&n, p, sizeof(n));
        p += sizeof(n);
        ok = n <= FILES_MAX;
    }
    for (uint32_t i = 0; ok && i < n; i++) {
        struct found f;

        ok = (size_t)(end - p) >= sizeof(f);
        if (!ok)
            break;
        memcpy(&f, p, sizeof(f));
        p += sizeof(f);
        ok = f.path_len < PATH_MAX && (size_t)(end - p) >= f.path_len;
        if (!ok)
            break;
        const char *path = arena_strndup(cx->arena, p, f.path_len);

        ok = is_same(cx, t, host ? host : t->root, &f, path);
        if (f.from == DBG_FOUND_LAYOUT)
            *layouts = arena_printf(cx->arena, "%s%s\n", *layouts, path);
        p += f.path_len;
    }
    sysroot_free(host);
    *size = (size_t)(end - p);
    return ok && p < end ? p : NULL;
}

void *kept_take(struct compile *cx, struct kept *k, struct target *t, size_t *size)
{
    char *data = k->on ? cachefile_load(FOLDER, k->key, size) : NULL;
    const char *object;
    void *out = NULL;

    k->layouts = "";
    object = data ? check(cx, t, data, size, &k->layouts) : NULL;

    if (object) {
        out = arena_alloc(cx->arena, *size);
        memcpy(out, object, *size);
    }
    free(data);
    return out;
}

/* ---- keeping ---- */

struct writer {
    FILE *f;
    uint32_t n;
    int64_t newest_ns;
};

static void write_found(void *arg, enum dbg_found from, const char *path,
                        const struct file_identity *id)
{
    struct writer *w = arg;
    const struct found f = {*id, from, (uint32_t)strlen(path)};

    w->n++;
    if (id->changed_ns > w->newest_ns)
        w->newest_ns = id->changed_ns;
    fwrite(&f, sizeof(f), 1, w->f);
    fwrite(path, f.path_len, 1, w->f);
}

/* Modules that the target had not mapped when the key was made. */
static void write_modules(struct writer *w, const struct kept *k, const struct target *t)
{
    for (const struct module *m = k->last ? k->last->next : t->modules; m; m = m->next) {
        struct file_identity id = {0};
        struct stat st;

        if (m->fd >= 0 && !fstat(m->fd, &st))
            file_identity(&st, &id);
        write_found(w, DBG_FOUND_MODULE, m->path, &id);
    }
}

static const char *why_not(const struct compile *cx, const struct kept *k, const struct target *t,
                           const struct debuginfo *di)
{
    if (!k->on)
        return k->why_not;
    if (diag_said(cx->diag) != k->said)
        return "what was said is to be said again";
    if (t->ksyms || t->traced)
        return "it rests on what modules the kernel has";
    return debuginfo_unsettled(di);
}

const char *kept_head(struct compile *cx, const struct kept *k, struct target *t,
                      const struct debuginfo *di, void **head, size_t *size)
{
    const char *why = why_not(cx, k, t, di);
    struct writer w = {.newest_ns = k->newest_ns};
    char *data = NULL;
    size_t len = 0;

    if (why)
        return why;
    w.f = open_memstream(&data, &len);
    if (!w.f)
        return "there is no memory";
    fwrite(&w.n, sizeof(w.n), 1, w.f);
    write_modules(&w, k, t);
    debuginfo_found(di, write_found, &w);
    if (fclose(w.f))
        why = "there is no memory";
    else if (w.n > FILES_MAX)
        why = "it rests on too many files";
    else if (w.newest_ns > k->begun_ns - SETTLED_NS)
        why = "a file that it is made of changed a moment ago";
    if (why) {
        free(data);
        return why;
    }
    memcpy(data, &w.n, sizeof(w.n));
    *head = data;
    *size = len;
    return NULL;
}

void kept_give(const struct kept *k, const void *data, size_t size)
{
    cachefile_save(FOLDER, k->key, data, size);
}

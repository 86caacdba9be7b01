/*
 * files: procfs probes without /proc. Enters: an object's handlers of files; leaves: a FIFO for
 * each file in /run/ngstap/NAME (without root in $XDG_RUNTIME_DIR/ngstap/NAME), whose readers get
 * what the handler makes, and whose writers' lines run the handlers. Refused: a folder that others
 * could change, and one that another session has.
 *
 * We hold each FIFO open both ways, so nobody waits to open it, and nobody gets SIGPIPE. That one
 * was opened inotify(7) tells, but not what for. Who reads gets a FIFO alone: another one takes its
 * name, then the text is written, and closing it is the end of the file. Where a file is written,
 * too, only somebody who holds it open for reading is served: /proc says who that is.
 *
 * A pipe does not keep writes apart, so what a handler gets is a line; what has no end is one when
 * a writer closes, and so is as much as a string can hold.
 */
#include "run/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"

#define NEW_NAME ".new" /* no file's (is_file_name) */

enum {
    SERVE_BYTES = 1 << 16, /* taken from a writer before others have their turn */
    TRIES = 20,            /* for a folder that another session looks into just now */
    TRY_US = 5000,
};

struct one {
    const char *name;
    const struct obj_probe *read; /* NULL: nobody may */
    bool written;                 /* it has handlers for that */
    mode_t mode;
    int fd, wd;          /* the FIFO, and what inotify calls it; -1: none */
    bool opened, closed; /* since it was served last; closed: by a writer */
    struct text line;    /* of what was written: not ended yet */
};

struct files {
    struct run *r;
    char path[PATH_MAX]; /* of the folder */
    const char *name;    /* its last part */
    int base, dir;       /* the folder that it is in, and itself, locked */
    bool made;           /* it is ours to remove */
    int epoll, inotify;
    struct one *v;
    uint32_t n;
};

static bool fail(const struct files *f, const char *what)
{
    return diag_error(f->r->cx->diag, (struct span){0}, "procfs", "files of procfs probes: %s: %s",
                      what, strerror(errno));
}

/* ---- the folder ---- */

/* Is FD a folder that we alone can change? */
static bool is_ours(int fd)
{
    struct stat st;

    return !fstat(fd, &st) && st.st_uid == geteuid() && !(st.st_mode & 022);
}

static int open_folder(int at, const char *name)
{
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* The folder's listing; the descriptor stays. */
static DIR *list(int dir)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

    if (!d && fd >= 0)
        close(fd);
    return d;
}

static void empty(int dir)
{
    DIR *d = list(dir);
    const struct dirent *e;

    while (d && (e = readdir(d)))
        unlinkat(dir, e->d_name, 0);
    if (d)
        closedir(d);
}

/* Locks DIR, which is NAME in BASE: false when a session has it, or has just removed it. */
static bool lock(int base, const char *name, int dir)
{
    struct stat named, open;

    return !flock(dir, LOCK_EX | LOCK_NB) && !fstat(dir, &open) &&
           !fstatat(base, name, &named, AT_SYMLINK_NOFOLLOW) && file_same(&named, &open);
}

/* Sessions that were killed have left their folders, whose FIFOs keep waiting who opens them. */
static void remove_left(int base)
{
    DIR *d = list(base);
    const struct dirent *e;

    while (d && (e = readdir(d))) {
        int dir = *e->d_name == '.' ? -1 : open_folder(base, e->d_name);

        if (dir >= 0 && is_ours(dir) && lock(base, e->d_name, dir)) {
            empty(dir);
            unlinkat(base, e->d_name, AT_REMOVEDIR);
        }
        if (dir >= 0)
            close(dir);
    }
    if (d)
        closedir(d);
}

static bool base_path(char path[PATH_MAX])
{
    const char *run = geteuid() ? getenv("XDG_RUNTIME_DIR") : "/run";

    return run && *run == '/' && snprintf(path, PATH_MAX, "%s/ngstap", run) < PATH_MAX;
}

/* Each session that begins does so: who looks after it is not the one that was killed. */
static void sweep(void)
{
    char path[PATH_MAX];
    int base = base_path(path) ? open_folder(AT_FDCWD, path) : -1;

    if (base < 0)
        return;
    if (is_ours(base))
        remove_left(base);
    close(base);
}

static bool open_base(struct files *f)
{
    struct diag *d = f->r->cx->diag;

    if (!base_path(f->path))
        return diag_error(d, (struct span){0}, "procfs",
                          "files of procfs probes lie in $XDG_RUNTIME_DIR, which is not set");
    if (!mkdir(f->path, 0755) && chmod(f->path, 0755)) /* whatever the umask */
        return fail(f, f->path);
    f->base = open_folder(AT_FDCWD, f->path);
    if (f->base < 0)
        return fail(f, f->path);
    return is_ours(f->base) ||
           diag_error(d, (struct span){0}, "procfs",
                      "files of procfs probes: %s belongs to others, or others can write to it",
                      f->path);
}

static bool open_dir(struct files *f)
{
    size_t len = strlen(f->path);

    if (f->r->opts->name)
        snprintf(f->path + len, sizeof(f->path) - len, "/%s", f->r->opts->name);
    else
        snprintf(f->path + len, sizeof(f->path) - len, "/ngstap_%d", (int)getpid());
    f->name = f->path + len + 1;
    for (int tries = 0; f->dir < 0 && tries < TRIES; tries++) {
        if (tries) /* a session that begins has it, to see whether it was left */
            usleep(TRY_US);
        if (mkdirat(f->base, f->name, 0700) && errno != EEXIST)
            return fail(f, f->path);
        f->dir = open_folder(f->base, f->name);
        if (f->dir < 0 ? errno != ENOENT : !is_ours(f->dir))
            break;
        if (f->dir >= 0 && !lock(f->base, f->name, f->dir)) {
            close(f->dir);
            f->dir = -1;
            errno = EBUSY;
        }
    }
    if (f->dir < 0 && errno != EBUSY)
        return fail(f, f->path);
    if (f->dir < 0 || !is_ours(f->dir)) {
        diag_error(f->r->cx->diag, (struct span){0}, "procfs",
                   "files of procfs probes: another session has %s", f->path);
        diag_hint(f->r->cx->diag, "-m NAME gives another name");
        return false;
    }
    f->made = true;
    empty(f->dir);
    /* Others need not list it, and so cannot hold its lock. */
    return !fchmod(f->dir, 0711) || fail(f, f->path);
}

/* ---- FIFOs ---- */

/* A FIFO for X in the place of the one that it has, which stays open at *OLD (-1: none). */
static bool renew(struct files *f, struct one *x, int *old)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = x};
    char link[64];
    int fd = -1, wd = -1;

    unlinkat(f->dir, NEW_NAME, 0);
    if (!mkfifoat(f->dir, NEW_NAME, 0600))
        fd = openat(f->dir, NEW_NAME, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    if (fd >= 0 && !fchmod(fd, x->mode))
        wd = inotify_add_watch(f->inotify, link, IN_OPEN | IN_CLOSE_WRITE);
    if (wd < 0 || (x->written && epoll_ctl(f->epoll, EPOLL_CTL_ADD, fd, &e)) ||
        renameat(f->dir, NEW_NAME, f->dir, x->name)) {
        fail(f, x->name);
        if (fd >= 0)
            close(fd);
        return false;
    }
    if (x->wd >= 0)
        inotify_rm_watch(f->inotify, x->wd);
    *old = x->fd;
    x->fd = fd;
    x->wd = wd;
    return true;
}

static struct one *find(struct files *f, const char *name)
{
    for (uint32_t i = 0; i < f->n; i++)
        if (!strcmp(f->v[i].name, name))
            return &f->v[i];
    f->v[f->n] = (struct one){.name = name, .fd = -1, .wd = -1, .line = TEXT_NEW};
    return &f->v[f->n++];
}

/* As SystemTap has it, what one probe keeps from the file the others do not give back. */
static void add_modes(struct files *f)
{
    const struct object *o = f->r->o;

    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < o->h->table[OBJ_PROBES].n; i++) {
            const struct obj_probe *p = &o->probes[i];

            if (!attach_has(p->kind, ATTACH_FILE))
                continue;
            struct one *x = find(f, object_str(o, p->event));

            if (p->kind == PROBE_FILE_READ && !x->read)
                x->read = p;
            x->written |= p->kind == PROBE_FILE_WRITE;
            if (pass)
                x->mode &= ~(mode_t)p->umask;
            else
                x->mode |= p->kind == PROBE_FILE_READ ? 0444 : 0222;
        }
}

static bool is_wanted(const struct object *o)
{
    for (uint32_t i = 0; i < o->h->table[OBJ_PROBES].n; i++)
        if (attach_has(o->probes[i].kind, ATTACH_FILE))
            return true;
    return false;
}

static bool open_files(struct files *f)
{
    struct epoll_event e = {.events = EPOLLIN};
    int none;

    f->v = calloc(f->r->o->h->table[OBJ_PROBES].n, sizeof(*f->v));
    f->epoll = epoll_create1(EPOLL_CLOEXEC);
    f->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (!f->v || f->epoll < 0 || f->inotify < 0 ||
        epoll_ctl(f->epoll, EPOLL_CTL_ADD, f->inotify, &e))
        return fail(f, "inotify");
    if (!open_base(f) || !open_dir(f))
        return false;
    add_modes(f);
    for (uint32_t i = 0; i < f->n; i++)
        if (!renew(f, &f->v[i], &none))
            return false;
    return true;
}

bool files_open(struct run *r, struct files **out)
{
    char line[PATH_MAX + 64];

    sweep();
    if (!is_wanted(r->o))
        return true;
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return diag_error(r->cx->diag, (struct span){0}, "memory", "not enough memory");
    **out = (struct files){.r = r, .base = -1, .dir = -1, .epoll = -1, .inotify = -1};
    if (!open_files(*out))
        return false;
    snprintf(line, sizeof(line), "procfs files are in %s", (*out)->path);
    run_err_line(r, "", line, strlen(line));
    return true;
}

int files_fd(const struct files *f)
{
    return f->epoll;
}

void files_close(struct files *f)
{
    if (!f)
        return;
    for (uint32_t i = 0; i < f->n; i++) {
        if (f->v[i].fd >= 0) {
            unlinkat(f->dir, f->v[i].name, 0);
            close(f->v[i].fd);
        }
        text_free(&f->v[i].line);
    }
    if (f->made) {
        unlinkat(f->dir, NEW_NAME, 0);
        unlinkat(f->base, f->name, AT_REMOVEDIR);
    }
    for (const int *fd = (const int[]){f->base, f->dir, f->epoll, f->inotify, -2}; *fd != -2; fd++)
        if (*fd >= 0)
            close(*fd);
    free(f->v);
    free(f);
}

/* ---- serving ---- */

typedef void handle_fn(const struct obj_probe *p, void *arg);

/* What inotify tells of: into the flags of the files. */
static void take_events(struct files *f)
{
    char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t n;

    while ((n = read(f->inotify, buf, sizeof(buf))) > 0)
        for (const char *p = buf; p < buf + n;) {
            const struct inotify_event *e = (const struct inotify_event *)(const void *)p;

            for (uint32_t i = 0; i < f->n; i++) {
                bool all = e->mask & IN_Q_OVERFLOW;

                if (!all && f->v[i].wd != e->wd)
                    continue;
                f->v[i].opened |= all || (e->mask & IN_OPEN);
                f->v[i].closed |= all || (e->mask & IN_CLOSE_WRITE);
            }
            p += sizeof(*e) + e->len;
        }
}

/* Runs a handler with VALUE for $value. False: it ended by an error. */
static bool run_one(struct files *f, const struct obj_probe *p, struct file_value *value,
                    handle_fn *fn, void *arg)
{
    uint64_t errors = f->r->errors;

    f->r->value = value;
    fn(p, arg);
    f->r->value = NULL;
    return f->r->errors == errors;
}

static void run_line(struct files *f, struct one *x, handle_fn *fn, void *arg)
{
    const struct object *o = f->r->o;
    struct file_value value = {.text = x->line, .max = x->line.len};

    for (uint32_t i = 0; i < o->h->table[OBJ_PROBES].n && !f->r->exiting; i++)
        if (o->probes[i].kind == PROBE_FILE_WRITE &&
            !strcmp(object_str(o, o->probes[i].event), x->name))
            run_one(f, &o->probes[i], &value, fn, arg);
    x->line.len = 0;
}

/* From FD, a FIFO of X's. */
static void take_written(struct files *f, struct one *x, int fd, handle_fn *fn, void *arg)
{
    size_t taken = 0;
    char buf[4096];
    ssize_t n;

    while (taken < SERVE_BYTES && !f->r->exiting && (n = read(fd, buf, sizeof(buf))) > 0) {
        taken += (size_t)n;
        for (ssize_t i = 0; i < n && !f->r->exiting; i++) {
            text_char(&x->line, buf[i]);
            if (buf[i] == '\n' || x->line.len >= f->r->o->h->maxstringlen)
                run_line(f, x, fn, arg);
        }
    }
    if (x->closed && taken < SERVE_BYTES) {
        x->closed = false;
        if (x->line.len)
            run_line(f, x, fn, arg);
    }
}

/* Has PROCESS, a folder of /proc, X open for reading? */
static bool reads(int proc, const char *process, const struct one *x, const struct stat *is)
{
    char path[64], target[PATH_MAX];
    const struct dirent *e;
    bool found = false;
    struct stat st;
    DIR *d;

    snprintf(path, sizeof(path), "%.32s/fd", process);
    int fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    d = fd >= 0 ? fdopendir(fd) : NULL;
    while (d && !found && (e = readdir(d))) {
        ssize_t n = readlinkat(fd, e->d_name, target, sizeof(target) - 1);

        if (n <= 0)
            continue;
        target[n] = '\0'; /* the name first: a file system may be slow to tell of its files */
        found = !strcmp(base_name(target), x->name) && !fstatat(fd, e->d_name, &st, 0) &&
                file_same(&st, is) && !fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
                (st.st_mode & S_IRUSR);
    }
    if (d)
        closedir(d);
    else if (fd >= 0)
        close(fd);
    return found;
}

static bool has_reader(const struct one *x)
{
    DIR *d = opendir("/proc");
    const struct dirent *e;
    bool found = false;
    struct stat is;

    if (fstat(x->fd, &is)) {
        if (d)
            closedir(d);
        return false;
    }
    while (d && !found && (e = readdir(d)))
        found = atoi(e->d_name) > 0 && atoi(e->d_name) != getpid() &&
                reads(dirfd(d), e->d_name, x, &is);
    if (d)
        closedir(d);
    return found;
}

/* What a pipe has no room for, which it is asked to have, would have to wait for the reader. */
static void give(struct files *f, const struct one *x, int fd, struct text *t)
{
    if (t->len > PIPE_BUF)
        fcntl(fd, F_SETPIPE_SZ, (int)t->len);
    for (size_t done = 0; done < t->len;) {
        ssize_t n = write(fd, t->p + done, t->len - done);

        if (n <= 0) {
            run_warn(f->r, "procfs: %s: only %zu of %zu bytes can be read", x->name, done, t->len);
            break;
        }
        done += (size_t)n;
    }
}

static void serve_reader(struct files *f, struct one *x, handle_fn *fn, void *arg)
{
    struct file_value value = {.text = TEXT_NEW};
    int old;

    x->opened = false;
    if (!x->read || (x->written && !has_reader(x)) || !renew(f, x, &old))
        return;
    if (x->written) /* meanwhile */
        take_written(f, x, old, fn, arg);
    value.max = x->read->period ? x->read->period - 1 : f->r->o->h->maxstringlen;
    if (run_one(f, x->read, &value, fn, arg))
        give(f, x, old, &value.text);
    close(old);
    text_free(&value.text);
}

void files_serve(struct files *f, handle_fn *fn, void *arg)
{
    take_events(f);
    for (uint32_t i = 0; i < f->n; i++)
        if (f->v[i].written)
            take_written(f, &f->v[i], f->v[i].fd, fn, arg);
    for (uint32_t i = 0; i < f->n && !f->r->exiting; i++)
        if (f->v[i].opened)
            serve_reader(f, &f->v[i], fn, arg);
}

/*
 * debuginfod: debug files from servers that keep them by build-id (debuginfod(8) of elfutils).
 * Enters: a build-id; leaves: the file, which elfutils' client library has fetched or has in its
 * cache, open, its build-id checked. Servers, cache and time limits are the host's configuration,
 * never the target's: DEBUGINFOD_URLS, DEBUGINFOD_CACHE_PATH, DEBUGINFOD_TIMEOUT (90 s in which
 * less than 100 KB come) and others of debuginfod_find_debuginfo(3). Refused, and said: a file of
 * another build. In a jail the parent is asked to fetch: what comes is read in the jail.
 *
 * The library is loaded when it is needed: it brings an HTTP client, which takes longer to load
 * than most scripts to compile.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/clock.h"
#include "debug/debugfile.h"
#include "debug/debug.h"
#include "debug/library.h"
#include "jail/jail.h"

#define CLIENT_LIBRARY "libdebuginfod.so.1"

/* What is used of <elfutils/debuginfod.h>, since elfutils 0.180. */
struct debuginfod_client;
typedef int progress_fn(struct debuginfod_client *c, long have, long all);
static struct client {
    struct debuginfod_client *(*begin)(void);
    int (*find_debuginfo)(struct debuginfod_client *c, const unsigned char *id, int len,
                          char **path);
    void (*set_progressfn)(struct debuginfod_client *c, progress_fn *fn);
    void (*set_user_data)(struct debuginfod_client *c, void *data);
    void *(*get_user_data)(struct debuginfod_client *c);
    void (*end)(struct debuginfod_client *c);
} client; /* of the process, as the library is; once it is loaded */

static const struct {
    const char *name;
    size_t at; /* in struct client */
} functions[] = {
    {"debuginfod_begin", offsetof(struct client, begin)},
    {"debuginfod_find_debuginfo", offsetof(struct client, find_debuginfo)},
    {"debuginfod_set_progressfn", offsetof(struct client, set_progressfn)},
    {"debuginfod_set_user_data", offsetof(struct client, set_user_data)},
    {"debuginfod_get_user_data", offsetof(struct client, get_user_data)},
    {"debuginfod_end", offsetof(struct client, end)},
};

static bool load_client(struct arena *a, const char **why)
{
    for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
        library_function *function = library_find(a, CLIENT_LIBRARY, functions[i].name, why);

        if (!function)
            return false;
        memcpy((char *)&client + functions[i].at, &function, sizeof(function));
    }
    return true;
}

/* ---- progress ---- */

struct progress { /* of one file */
    FILE *to;
    bool is_terminal;
    const char *module;
    uint64_t begun_ns, said_ns; /* said 0: nothing was said yet */
};

/* A line after a second, and on a terminal each second how far it is. Never ends the transfer. */
static void say_progress(struct progress *p, long have, long all)
{
    uint64_t now = clock_ns(CLOCK_MONOTONIC);

    if (now - (p->said_ns ? p->said_ns : p->begun_ns) < SECOND_NS ||
        (p->said_ns && !p->is_terminal))
        return;
    fprintf(p->to, "%sFetching the debug information of ", p->said_ns ? "\r" : "");
    clean_print(p->to, p->module, strlen(p->module));
    if (all > 0)
        fprintf(p->to, ": %ld of %ld KiB", have / 1024, all / 1024);
    if (!p->is_terminal)
        fputc('\n', p->to);
    fflush(p->to);
    p->said_ns = now;
}

static int progressed(struct debuginfod_client *session, long have, long all)
{
    say_progress(client.get_user_data(session), have, all);
    return 0;
}

/* ---- fetching ---- */

/* Takes over FD, the file at PATH of the library's cache. */
static bool take(struct search *s, int fd, const char *path, const struct build_id *id,
                 struct elf_file *out)
{
    const char *why;

    if (!elf_file_open(out, fd)) {
        search_refused(s, "", path, "not a sound ELF file");
        return false;
    }
    why = debugfile_misfit(s->a, out, id);
    if (!why)
        return true;
    search_refused(s, "", path, why);
    elf_file_close(out);
    return false;
}

/* The file of build ID as the library gets it, open; -1: *WHY (in A, or static). */
static int fetch(struct arena *a, struct progress *p, const struct build_id *id, const char **name,
                 const char **why)
{
    struct debuginfod_client *session;
    char *path = NULL;
    int fd;

    if (!load_client(a, why))
        return -1;
    session = client.begin();
    if (!session) {
        *why = "its client cannot be started";
        return -1;
    }
    p->is_terminal = isatty(fileno(p->to));
    p->begun_ns = clock_ns(CLOCK_MONOTONIC);
    client.set_user_data(session, p);
    client.set_progressfn(session, progressed);
    fd = client.find_debuginfo(session, id->bytes, (int)id->len, &path);
    client.end(session);
    if (p->said_ns && p->is_terminal)
        fputc('\n', p->to);
    if (fd < 0)
        *why = strerror(-fd);
    else
        *name = arena_strdup(a, path);
    free(path);
    return fd < 0 ? -1 : fd;
}

/* ---- from a jail, which has no network ---- */

struct wanted {
    struct build_id id;
    char module[256]; /* for the progress; cut */
};

/* The reply is one byte, '1' for a file that comes with it, and its name, or why there is none. */
static int fetch_outside(struct arena *a, const char *module, const struct build_id *id,
                         const char **name, const char **why)
{
    struct wanted w = {.id = *id};
    char reply[4096];
    int fd = -1;

    snprintf(w.module, sizeof(w.module), "%s", module);
    size_t n = jail_tell(DEBUGINFOD_ASKED, &w, sizeof(w), reply, sizeof(reply), &fd);

    *name = *why = n > 1 ? arena_strndup(a, reply + 1, n - 1) : "nobody answers";
    return n && reply[0] == '1' ? fd : -1;
}

int debuginfod_answer(struct compile *cx, const void *data, size_t n, FILE *reply)
{
    struct wanted w;
    struct progress p = {.to = cx->err, .module = w.module};
    const char *name = "", *why = "?";
    int fd = -1;

    if (n != sizeof(w) || !getenv("DEBUGINFOD_URLS"))
        return -1;
    memcpy(&w, data, sizeof(w));
    w.module[sizeof(w.module) - 1] = 0;
    if (w.id.len && w.id.len <= BUILD_ID_MAX)
        fd = fetch(cx->arena, &p, &w.id, &name, &why);
    fprintf(reply, "%c%s", fd >= 0 ? '1' : '0', fd >= 0 ? name : why);
    return fd;
}

bool debuginfod_fetch(struct search *s, const struct build_id *id, struct elf_file *out,
                      const char **name)
{
    const char *urls = getenv("DEBUGINFOD_URLS"), *why;
    struct progress p = {.to = s->progress, .module = s->module};
    int fd;

    if (!s->progress || !urls || !urls[strspn(urls, " ")] || !id->len)
        return false;
    search_looked(s, "", arena_printf(s->a, "debuginfod at %s", urls));
    fd = jail_inside() ? fetch_outside(s->a, s->module, id, name, &why)
                       : fetch(s->a, &p, id, name, &why);
    if (fd < 0)
        search_refused(s, "", "debuginfod", why);
    return fd >= 0 && take(s, fd, *name, id, out);
}

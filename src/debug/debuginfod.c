/*
 * debuginfod: debug files from servers that keep them by build-id (debuginfod(8) of elfutils).
 * Enters: a build-id; leaves: the file, which elfutils' client library has fetched or has in its
 * cache, open, its build-id checked. Servers, cache and time limits are the host's configuration,
 * never the target's: DEBUGINFOD_URLS, DEBUGINFOD_CACHE_PATH, DEBUGINFOD_TIMEOUT (90 s in which
 * less than 100 KB come) and others of debuginfod_find_debuginfo(3). Refused, and said: a file of
 * another build. In a jail the parent is asked to fetch: what comes is read in the jail.
 *
 * The library is loaded when it is needed: it brings an HTTP client, which takes longer to load
 * than most scripts to compile. It works in a process of its own, without privileges and with no
 * path but the cache's (jail/client.h): if it dies or hangs, or a server takes it over, there is no
 * file.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/clock.h"
#include "debug/debugfile.h"
#include "debug/debug.h"
#include "debug/library.h"
#include "jail/channel.h"
#include "jail/client.h"
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

/* ---- the client's cache ---- */

/* As debuginfod_find_debuginfo(3) says where it is. NULL: nowhere. */
static const char *cache_folder(struct arena *a)
{
    const char *own = getenv("DEBUGINFOD_CACHE_PATH"), *xdg = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    struct stat st;

    if (own && *own)
        return own;
    const char *old = home ? arena_printf(a, "%s/.debuginfod_client_cache", home) : NULL;

    if (old && !stat(old, &st))
        return old;
    if (xdg && *xdg)
        return arena_printf(a, "%s/debuginfod_client", xdg);
    return home ? arena_printf(a, "%s/.cache/debuginfod_client", home) : NULL;
}

/* PATH and what is missing above it: what lies there is all that the client may write to. */
static void make_folder(const char *path)
{
    char part[PATH_MAX];

    snprintf(part, sizeof(part), "%s", path);
    for (char *p = part + 1; *p; p++)
        if (*p == '/') {
            *p = '\0';
            mkdir(part, 0777);
            *p = '/';
        }
    mkdir(part, 0777);
}

/* ---- the client, a process of its own ---- */

enum {
    SILENT_SECONDS = 300, /* in which it says nothing, each try of a server included */
    TELL_MS = 200,
    WORDS_MAX = 4096,
    URLS_MAX = 16
};

struct how_far { /* how far it is, in bytes */
    int64_t have, all;
};

struct fetching {
    int sock;
    uint64_t told_ns;
};

static int progressed(struct debuginfod_client *session, long have, long all)
{
    struct fetching *f = client.get_user_data(session);
    struct how_far t = {have, all};
    const struct message m = {.kind = MESSAGE_TOLD, .n = sizeof(t)};
    uint64_t now = clock_ns(CLOCK_MONOTONIC);

    if (now - f->told_ns < TELL_MS * MILLISECOND_NS)
        return 0;
    f->told_ns = now;
    return !channel_send(f->sock, &m, &t, NULL); /* nobody listens: it may end */
}

static void answer(int sock, int fd, const char *why)
{
    const struct message m = {.kind = MESSAGE_ANSWER, .what = fd >= 0, .n = strlen(why)};
    const int fds[JAIL_FDS_MAX] = {fd, -1};

    channel_send(sock, &m, why, fds);
}

/* What the user's settings of the library and of libcurl name. */
static uint32_t named_files(struct arena *a, const char *v[])
{
    static const char *const names[] = {"SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE",
                                        "DEBUGINFOD_HEADERS_FILE", "DEBUGINFOD_IMA_CERT_PATH"};
    static const char file[] = "file://";
    char *urls = arena_strdup(a, getenv("DEBUGINFOD_URLS")), *rest;
    uint32_t n = 0;

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        v[n++] = getenv(names[i]);
    for (char *url = strtok_r(urls, " ", &rest); url && n < URLS_MAX;
         url = strtok_r(NULL, " ", &rest))
        if (!strncmp(url, file, strlen(file)))
            v[n++] = url + strlen(file);
    return n;
}

__attribute__((noreturn)) static void run_client(struct arena *a, int sock,
                                                 const struct build_id *id)
{
    struct fetching f = {.sock = sock};
    const char *folder = cache_folder(a), *why, *files[URLS_MAX];
    const struct client_paths read = {files, named_files(a, files)}, write = {&folder, !!folder};
    struct debuginfod_client *session;
    sigset_t none;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    if (!getenv("DEBUGINFOD_VERBOSE"))
        dup2(null, STDERR_FILENO);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (folder) {
        make_folder(folder);
        setenv("DEBUGINFOD_CACHE_PATH", folder, 1);
    }
    if (!load_client(a, &why)) {
        answer(sock, -1, why);
    } else if (!client_lock(&read, &write, sock)) {
        answer(sock, -1, "its client's privileges cannot be taken away");
    } else if (!(session = client.begin())) {
        answer(sock, -1, "its client cannot be started");
    } else {
        client.set_user_data(session, &f);
        client.set_progressfn(session, progressed);
        int fd = client.find_debuginfo(session, id->bytes, (int)id->len, NULL);

        answer(sock, fd, fd < 0 ? strerror(-fd) : "");
    }
    _exit(0);
}

/* ---- who waits for it ---- */

struct progress { /* of one file */
    FILE *to;
    bool is_terminal;
    const char *module;
    uint64_t begun_ns, said_ns; /* said 0: nothing was said yet */
};

/* A line after a second, and on a terminal each second how far it is. */
static void say_progress(struct progress *p, const struct how_far *t)
{
    uint64_t now = clock_ns(CLOCK_MONOTONIC);

    if (now - (p->said_ns ? p->said_ns : p->begun_ns) < SECOND_NS ||
        (p->said_ns && !p->is_terminal))
        return;
    fprintf(p->to, "%sFetching the debug information of ", p->said_ns ? "\r" : "");
    clean_print(p->to, p->module, strlen(p->module));
    if (t->all > 0)
        fprintf(p->to, ": %lld of %lld KiB", (long long)t->have / 1024, (long long)t->all / 1024);
    if (!p->is_terminal)
        fputc('\n', p->to);
    fflush(p->to);
    p->said_ns = now;
}

/* Until it answers: the file, open, or -1 and *WHY. */
static int hear(struct arena *a, struct progress *p, int sock, const char **why)
{
    struct message m;
    int fds[JAIL_FDS_MAX], fd = -1;
    bool goes_on = true;

    *why = "its client died, or said nothing for five minutes";
    while (goes_on && channel_receive(sock, &m, fds)) {
        char *data = m.n <= WORDS_MAX ? channel_read(sock, m.n, CHANNEL_SECONDS) : NULL;
        struct how_far t;

        goes_on = data && m.kind == MESSAGE_TOLD && m.n == sizeof(t);
        if (goes_on) {
            memcpy(&t, data, sizeof(t));
            say_progress(p, &t);
        } else if (data && m.kind == MESSAGE_ANSWER) {
            *why = arena_strdup(a, data);
            fd = fds[0];
            fds[0] = -1;
        }
        for (int i = 0; i < JAIL_FDS_MAX; i++)
            if (fds[i] >= 0)
                close(fds[i]);
        free(data);
    }
    return fd;
}

/* It hands over what it likes: a regular file it must be. *NAME: the kernel's for it. */
static bool is_file(struct arena *a, int fd, const char **name)
{
    char link[64], path[PATH_MAX];
    struct stat st;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path));

    *name = n > 0 ? arena_strndup(a, path, (size_t)n) : "a file";
    return !fstat(fd, &st) && S_ISREG(st.st_mode) &&
           (fcntl(fd, F_GETFL) & (O_ACCMODE | O_PATH)) != O_WRONLY;
}

/* The file of build ID as the library gets it, open; -1: *WHY (in A, or static). */
static int fetch(struct arena *a, struct progress *p, const struct build_id *id, const char **name,
                 const char **why)
{
    const struct timeval silent = {.tv_sec = SILENT_SECONDS};
    int pair[2];

    *why = "no descriptors or no process";
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return -1;
    p->is_terminal = isatty(fileno(p->to));
    p->begun_ns = clock_ns(CLOCK_MONOTONIC);
    fflush(p->to);
    pid_t pid = fork();

    if (!pid)
        run_client(a, pair[1], id);
    close(pair[1]);
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &silent, sizeof(silent));
    int fd = pid < 0 ? -1 : hear(a, p, pair[0], why);

    close(pair[0]);
    if (pid > 0) {
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (p->said_ns && p->is_terminal)
        fputc('\n', p->to);
    if (fd < 0 || is_file(a, fd, name))
        return fd;
    close(fd);
    *why = "its client gave no file";
    return -1;
}

/* ---- what came ---- */

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

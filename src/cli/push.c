/*
 * push: sends a profile to an engine that keeps profiles, by the HTTP API of Pyroscope ("Server
 * HTTP API", /ingest; Grafana Alloy takes the same). Enters: a pprof, its time and labels; leaves:
 * the engine's answer, if it is no. curl(1) does it, with what its user has configured of proxies,
 * certificates and passwords (~/.curlrc, ~/.netrc). Refused: labels that would be more than a name
 * and a value there.
 */
#include "cli/push.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"

#define CONNECT_SECONDS "5"
#define SILENT_SECONDS  "10" /* in which not a byte goes either way */
#define ALL_SECONDS     "60"

enum { ANSWER_MAX = 512 };

static const struct span nowhere;

/* Of the characters that end a value in "name{label=value,...}" none. */
static bool is_value(const char *s)
{
    for (const char *p = s; *p; p++)
        if (strchr("{},=\"", *p) || (unsigned char)*p < ' ')
            return false;
    return *s;
}

bool push_label(struct compile *cx, struct push *p, const char *text)
{
    const char *equals = strchr(text, '='), *at = text;
    bool ok = equals && equals > text && is_value(equals + 1) && !(*text >= '0' && *text <= '9');

    for (; ok && at < equals; at++)
        ok = is_word(*at);
    if (!ok) {
        diag_error(cx->diag, nowhere, "options", "\"%s\" is no label", text);
        diag_hint(cx->diag, "NAME=VALUE: a name of letters, digits and _, a value without {}=,\"");
        return false;
    }
    p->labels = arena_grow(cx->arena, p->labels, p->n_labels, sizeof(*p->labels));
    p->labels[p->n_labels++] = text;
    return true;
}

/* As a part of a URL. */
static const char *escaped(struct arena *a, const char *s)
{
    char *out = arena_alloc(a, 3 * strlen(s) + 1), *to = out;

    for (; *s; s++)
        if (is_word(*s) || *s == '.' || *s == '-')
            *to++ = *s;
        else
            to += sprintf(to, "%%%02X", (unsigned char)*s);
    *to = '\0';
    return out;
}

static const char *url_of(struct arena *a, const struct push *p, int64_t from, int64_t until)
{
    static const char ingest[] = "/ingest";
    char *base = arena_strdup(a, p->url), *end = base + strlen(base);
    const char *name = arena_printf(a, "%s{", p->service);

    while (end > base && end[-1] == '/')
        *--end = '\0';
    if (ends_with(base, ingest))
        end[1 - (long)sizeof(ingest)] = '\0';
    for (uint32_t i = 0; i < p->n_labels; i++)
        name = arena_printf(a, "%s%s%s", name, i ? "," : "", p->labels[i]);
    name = arena_printf(a, "%s}", name);
    return arena_printf(
        a, "%s%s?name=%s&from=%" PRId64 "&until=%" PRId64 "&format=pprof&spyName=ngstap", base,
        ingest, escaped(a, name), from, until > from ? until : from + 1);
}

/* What comes from FD, cut at ANSWER_MAX, as one line. */
static void read_answer(int fd, char *answer)
{
    size_t n = 0;
    char buf[512];
    ssize_t got;

    while ((got = read(fd, buf, sizeof(buf))) > 0 || (got < 0 && errno == EINTR))
        for (ssize_t i = 0; i < got && n < ANSWER_MAX; i++)
            answer[n++] = buf[i];
    while (n && (answer[n - 1] == '\n' || answer[n - 1] == ' '))
        n--;
    answer[n] = '\0';
    for (char *p = answer; *p; p++)
        *p = *p == '\n' ? ' ' : *p;
}

/* Runs curl with the file BODY as its standard input; its exit status, or -1: there is none. */
static int run_curl(const char *url, int body, char *answer)
{
    extern char **environ;
    const char *argv[] = {"curl",
                          "--silent",
                          "--show-error",
                          "--fail-with-body",
                          "--proto",
                          "=http,https",
                          "--connect-timeout",
                          CONNECT_SECONDS,
                          "--speed-limit",
                          "1",
                          "--speed-time",
                          SILENT_SECONDS,
                          "--max-time",
                          ALL_SECONDS,
                          "--form",
                          "profile=@-;filename=profile.pb.gz;type=application/octet-stream",
                          "--url",
                          url,
                          NULL};
    posix_spawn_file_actions_t actions;
    int fds[2], status;
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC))
        return -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, body, 0);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 2);
    errno = posix_spawnp(&pid, argv[0], &actions, NULL, (char **)argv, environ);
    bool runs = !errno;

    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    if (runs)
        read_answer(fds[0], answer);
    close(fds[0]);
    while (runs && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return runs && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool push_pprof(struct compile *cx, const struct push *p, int64_t from, int64_t until,
                const void *pprof, size_t n)
{
    int body = memfd_create("pprof", MFD_CLOEXEC);
    char answer[ANSWER_MAX + 1] = "";

    if (body < 0 || write(body, pprof, n) != (ssize_t)n || lseek(body, 0, SEEK_SET)) {
        diag_error(cx->diag, nowhere, "push", "%s", strerror(errno));
        if (body >= 0)
            close(body);
        return false;
    }
    int status = run_curl(url_of(cx->arena, p, from, until), body, answer);

    close(body);
    if (!status)
        return true;
    if (status < 0) {
        diag_error(cx->diag, nowhere, "push", "cannot run curl: %s", strerror(errno));
        diag_hint(cx->diag, "--push sends by curl(1) (Debian: apt-get install curl); without it, "
                            "--format pprof -o FILE keeps the profile");
        return false;
    }
    diag_error(cx->diag, nowhere, "push", "%s has not taken the profile: %s", p->url,
               *answer ? answer : "curl says no more");
    diag_hint(cx->diag, "is it Pyroscope's or Alloy's address, as http://HOST:4040? --format pprof "
                        "-o FILE keeps the profile");
    return false;
}

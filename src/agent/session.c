/*
 * session: one child that profiles a group, window by window, into the spool. Enters: a group;
 * leaves: profiles, lines for the log, what it costs. The child runs the code of "ngstap flame",
 * and ends when we do (PR_SET_PDEATHSIG): nothing stays attached. Its processor time is what the
 * kernel counts of the process and of its own children, the readers, that of its handlers what it
 * counts of the programs it holds, its memory what is their own and what its maps and programs are
 * charged (their fdinfo).
 */
#include "agent/session.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clean.h"
#include "base/clock.h"
#include "base/file.h"

enum {
    LINES_MAX = 20,    /* of a session that are passed on */
    LIFE_WINDOWS = 60, /* then it ends, and another follows: what it has kept is given back */
    ENTRIES_LEAST = 500,
    ENTRIES_MOST = 5000,
    DEPTH = 64,
    ARGS_MAX = 64 + 2 * SESSION_MEMBERS + 2 * CONF_PACKS_MAX,
    STATUS_MAX = 1 << 20,
    PROCESSES_MAX = 16, /* of a session: itself, and its readers */
    TICK_NS = 40000,    /* of one sample, where the kernel does not count (docs/fleet.md) */
};

/* ---- starting ---- */

struct words {
    struct arena *a;
    const char *v[ARGS_MAX];
    uint32_t n;
};

__attribute__((format(printf, 2, 3))) static void give(struct words *w, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    if (w->n + 1 < ARGS_MAX)
        w->v[w->n++] = arena_vprintf(w->a, format, ap);
    va_end(ap);
}

/* Room for the different stacks of a window at the highest rate, twice. */
static unsigned entries(const struct session_opts *o)
{
    double samples = 2 * o->conf->window * (double)o->conf->hz;

    return samples < ENTRIES_LEAST  ? ENTRIES_LEAST
           : samples > ENTRIES_MOST ? ENTRIES_MOST
                                    : (unsigned)samples;
}

static void make_words(struct words *w, const struct session_opts *o, const struct session *s)
{
    const struct group *g = s->group;
    /* not all at the same time */
    double life = LIFE_WINDOWS * o->conf->window * (0.9 + (double)(s->begun % 1000) / 5000);

    give(w, "ngstap");
    give(w, "flame");
    give(w, "--every");
    give(w, "%.0fms", o->conf->window * 1000);
    give(w, "-t");
    give(w, "%.0f", life < 1 ? 1 : life);
    give(w, "-F");
    give(w, "%" PRIu64, o->hz);
    give(w, "--depth");
    give(w, "%d", DEPTH);
    give(w, "-D");
    give(w, "MAXMAPENTRIES=%u", entries(o));
    give(w, "--format");
    give(w, "pprof");
    give(w, "-o");
    give(w, "%s/%s.pb.gz", o->spool->folder, s->id);
    if (g->rule->frames) {
        give(w, "--frames");
        give(w, "%s", g->rule->frames);
    }
    for (uint32_t i = 0; i < g->rule->packs.n; i++) {
        give(w, "-d");
        give(w, "%s", g->rule->packs.v[i]);
    }
    if (g->key.master) {
        give(w, "--master");
        give(w, "%" PRIu64, g->key.master);
    }
    for (uint32_t i = 0; i < s->n_members; i++) {
        give(w, "-x");
        give(w, "%d", (int)s->members[i].pid);
    }
    w->v[w->n] = NULL;
}

static void in_child(const struct session_opts *o, const struct words *w, pid_t parent, int err)
{
    int null = open("/dev/null", O_RDWR);

    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(127);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    signal(SIGPIPE, SIG_DFL);
    sigset_t held = o->interrupt->before;

    sigaddset(&held, SIGUSR1); /* session_rate's, which may come before it is awaited */
    sigprocmask(SIG_SETMASK, &held, NULL);
    execv(o->program, (char **)w->v);
    dprintf(STDERR_FILENO, "cannot run %s: %s\n", o->program, strerror(errno));
    _exit(127);
}

struct session *session_start(struct arena *a, const struct session_opts *o, struct group *group)
{
    static uint32_t counter;
    struct session *s = calloc(1, sizeof(*s));
    struct words words = {.a = a};
    pid_t parent = getpid();
    int fds[2];

    if (!s || pipe2(fds, O_CLOEXEC)) {
        free(s);
        return NULL;
    }
    s->group = group;
    s->hz = o->hz;
    s->begun = clock_ns(CLOCK_MONOTONIC);
    snprintf(s->id, sizeof(s->id), "%08" PRIx32 "%08" PRIx32, (uint32_t)time(NULL),
             (uint32_t)getpid() << 12 | (counter++ & 0xfff));
    for (; !group->key.master && s->n_members < group->n_waiting && s->n_members < SESSION_MEMBERS;
         s->n_members++)
        s->members[s->n_members] = group->waiting[s->n_members];
    make_words(&words, o, s);
    s->child = fork();
    if (!s->child)
        in_child(o, &words, parent, fds[1]);
    close(fds[1]);
    if (s->child < 0) {
        close(fds[0]);
        free(s);
        return NULL;
    }
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    s->fd = fds[0];
    group->sessions++;
    return s;
}

bool session_covers(const struct session *s, const struct group *group, struct group_member m)
{
    if (s->group != group)
        return false;
    for (uint32_t i = 0; i < s->n_members; i++)
        if (s->members[i].pid == m.pid && s->members[i].start == m.start)
            return true;
    return group->key.master != 0;
}

void session_rate(struct session *s, uint64_t hz)
{
    if (!sigqueue(s->child, SIGUSR1, (union sigval){.sival_int = (int)hz}))
        s->hz = hz;
}

void session_stop(struct session *s)
{
    if (!s->stopping)
        kill(s->child, SIGTERM);
    s->stopping = true;
}

void session_free(struct session *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->group->sessions--;
    free(s);
}

const char *session_words(struct arena *a, const struct session *s)
{
    const struct group *g = s->group;
    const char *pids = "";

    if (g->key.master)
        return arena_printf(a, "[%s] %s, the workers of %" PRIu64, g->rule->name, g->exe,
                            g->key.master);
    for (uint32_t i = 0; i < s->n_members; i++)
        pids = arena_printf(a, "%s %d", pids, (int)s->members[i].pid);
    return arena_printf(a, "[%s] %s,%s", g->rule->name, g->exe, pids);
}

/* ---- what it says ---- */

/* "FILE: 12 samples, 3 stacks, 0 lost", as ngstap flame --every says it. */
static bool take_window(struct session *s, const char *line)
{
    const char *at = line;
    uint64_t samples, stacks, lost;

    for (const char *p = line; (p = strstr(p, ": ")); p++)
        at = p;
    if (sscanf(at, ": %" SCNu64 " samples, %" SCNu64 " stacks, %" SCNu64 " lost", &samples, &stacks,
               &lost) != 3)
        return false;
    s->windows++;
    s->samples += samples;
    s->stacks += stacks;
    s->lost += lost;
    s->empty += !stacks;
    return true;
}

static bool take_line(struct session *s, FILE *log)
{
    char text[4 * SESSION_LINE + 1];

    s->line[s->used] = '\0';
    if (take_window(s, s->line))
        return true;
    if (!s->used || s->lines > LINES_MAX)
        return false;
    clean_text(s->line, s->used, text, sizeof(text));
    if (s->lines++ == LINES_MAX)
        fprintf(log, "%s %d: says more, which is left out\n", s->group->rule->name, (int)s->child);
    else
        fprintf(log, "%s %d: %s\n", s->group->rule->name, (int)s->child, text);
    return false;
}

bool session_hear(struct session *s, FILE *log, bool *news)
{
    char buf[4096];
    ssize_t got;

    *news = false;
    while (s->fd >= 0 && (got = read(s->fd, buf, sizeof(buf))) != 0) {
        if (got < 0)
            return true; /* no more for now */
        for (ssize_t i = 0; i < got; i++) {
            if (buf[i] == '\n') {
                *news |= take_line(s, log);
                s->used = 0;
            } else if (s->used + 1 < SESSION_LINE) {
                s->line[s->used++] = buf[i];
            }
        }
    }
    return false;
}

/* ---- what it costs ---- */

static double cpu_of(pid_t pid)
{
    clockid_t clock;
    struct timespec t;

    if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t))
        return 0;
    return (double)t.tv_sec + (double)t.tv_nsec / SECOND_NS;
}

/* The number behind NAME at the start of a line of TEXT; 0: there is none. */
static uint64_t number_of(const char *text, const char *name)
{
    const char *at = strstr(text, name);

    return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

/* What the programs and maps that PID holds took, and are charged; a program that it holds twice
 * counts once. */
static void ask_kernel(pid_t pid, uint64_t *run_ns, uint64_t *bytes)
{
    char path[64], name[512];
    uint64_t seen[512];
    unsigned n = 0;
    struct dirent *e;

    snprintf(path, sizeof(path), "/proc/%d/fdinfo", (int)pid);
    DIR *d = opendir(path);

    while (d && (e = readdir(d))) {
        snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
        char *text = *e->d_name == '.' ? NULL : file_read(name, STATUS_MAX, NULL);
        uint64_t prog = text ? number_of(text, "\nprog_id:") : 0;
        uint64_t id = prog ? prog << 1 : text ? number_of(text, "\nmap_id:") << 1 | 1 : 1;
        bool known = id <= 1 || !strstr(text, "\nmemlock:"); /* a link has its program's id */

        for (unsigned i = 0; i < n && !known; i++)
            known = seen[i] == id;
        if (!known) {
            if (n < sizeof(seen) / sizeof(*seen))
                seen[n++] = id;
            *bytes += number_of(text, "\nmemlock:");
            *run_ns += number_of(text, "\nrun_time_ns:");
        }
        free(text);
    }
    if (d)
        closedir(d);
}

/* Pages that processes share after a fork count for each in part, where the kernel tells that. */
static uint64_t memory_of(pid_t pid)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
    char *text = file_read(path, STATUS_MAX, NULL);
    uint64_t kb = text ? number_of(text, "\nPss_Anon:") + number_of(text, "\nPss_Shmem:") : 0;

    free(text);
    if (kb)
        return 1024 * kb;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    text = file_read(path, STATUS_MAX, NULL);
    kb = text ? number_of(text, "\nRssAnon:") + number_of(text, "\nRssShmem:") : 0;
    free(text);
    return 1024 * kb;
}

/* The child itself and its own: *N pids. */
static void list_processes(const struct session *s, pid_t pids[PROCESSES_MAX], uint32_t *n)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)s->child, (int)s->child);
    char *text = file_read(path, STATUS_MAX, NULL), *at = text, *end;

    *n = 0;
    pids[(*n)++] = s->child;
    while (at && *n < PROCESSES_MAX && (pids[*n] = (pid_t)strtol(at, &end, 10)) > 0 && end != at) {
        at = end;
        ++*n;
    }
    free(text);
}

/* Of children that it has waited for, in seconds. */
static double cpu_before(pid_t pid)
{
    char path[64];
    unsigned long user = 0, system = 0;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    char *text = file_read(path, STATUS_MAX, NULL);
    const char *name_end = text ? strrchr(text, ')') : NULL;

    if (name_end &&
        sscanf(name_end + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %lu %lu", &user,
               &system) != 2)
        user = system = 0;
    free(text);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

void session_measure(struct session *s, bool kernel_counts, bool memory)
{
    pid_t pids[PROCESSES_MAX];
    uint64_t run_ns = 0, bytes = 0;
    uint32_t n;
    double cpu = cpu_before(s->child), bpf;

    list_processes(s, pids, &n);
    ask_kernel(s->child, &run_ns, &bytes);
    for (uint32_t i = 0; i < n; i++) {
        cpu += cpu_of(pids[i]);
        bytes += memory ? memory_of(pids[i]) : 0;
    }
    bpf = kernel_counts ? (double)run_ns / SECOND_NS : (double)(s->samples * TICK_NS) / SECOND_NS;
    /* of one that has just ended nothing is known any more */
    s->cpu = cpu > s->cpu ? cpu : s->cpu;
    s->bpf = bpf > s->bpf ? bpf : s->bpf;
    s->memory = memory && bytes ? bytes : s->memory;
}

/*
 * run: a module is run by staprun. Between us and staprun stands a guard, a process of ours that
 * lives as long as staprun: it passes signals on, and when it learns that we are gone (killed), it
 * ends staprun; when staprun itself was killed, it unloads the module. Enters: a module; leaves:
 * its output, and staprun's exit status. Refuses a module that is for another kernel, and turns
 * what staprun refuses into what to do about it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/interrupt.h"
#include "stap/build.h"

enum { LINE_MAX_KEPT = 4096, UNLOAD_TRIES = 20, TICK_MS = 50, PARENT_GONE = SIGUSR1 };

static const struct span nowhere;

struct run {
    struct compile *cx;
    const struct stap_run *r;
    const char *staprun;
    struct modinfo info;
    sigset_t set, before;
};

/* ---- the guard ---- */

/* staprun -R: "the new name has the length of the old one, and ends with _ and the pid". */
static bool is_renamed(const char *name, pid_t pid, char *out, size_t size)
{
    int keep = (int)strlen(name) - snprintf(NULL, 0, "%d", (int)pid) - 1;

    if (keep < 0)
        return false;
    snprintf(out, size, "%.*s_%d", keep, name, (int)pid);
    return true;
}

static bool is_loaded(const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), "/sys/module/%s", name);
    return !access(path, F_OK);
}

/* The guard's argument lists have been made before it was forked: only these two vary. */
static void exec_staprun(const struct run *s, char *const *argv, int err)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &s->before, NULL);
    if (s->r->out != 1)
        dup2(s->r->out, 1);
    dup2(err, 2);
    execv(argv[0], argv);
    fprintf(stderr, "ERROR: cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static void unload(const struct run *s, const char *name)
{
    struct timespec wait = {0, TICK_MS * 1000000L};
    int status;

    for (int i = 0; i < UNLOAD_TRIES && is_loaded(name); i++) {
        pid_t pid = fork();

        if (pid == 0) {
            int null = open("/dev/null", O_RDWR);

            sigprocmask(SIG_SETMASK, &s->before, NULL);
            if (i < UNLOAD_TRIES - 1) { /* what the last one says is shown */
                dup2(null, 1);
                dup2(null, 2);
            }
            execl(s->staprun, s->staprun, "-d", name, (char *)NULL);
            _exit(127);
        }
        if (pid > 0)
            waitpid(pid, &status, 0);
        if (is_loaded(name))
            nanosleep(&wait, NULL);
    }
}

static double seconds_now(void)
{
    return (double)clock_ns(CLOCK_MONOTONIC) / 1e9;
}

/* staprun loads the module and becomes stapio, whose second thread then waits for signals. One that
 * comes before would end it without the script's end probes. */
static bool is_starting(pid_t pid)
{
    char path[64], exe[PATH_MAX], own[PATH_MAX];
    struct stat st;

    snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
    ssize_t n = readlink(path, exe, sizeof(exe) - 1);
    ssize_t n_own = readlink("/proc/self/exe", own, sizeof(own));

    if (n <= 0)
        return false;
    if (n == n_own && !memcmp(exe, own, (size_t)n)) /* exec takes its time on a busy machine */
        return true;
    exe[n] = 0;
    const char *name = strrchr(exe, '/');

    if (name && !strcmp(name, "/staprun"))
        return true;
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    return name && !strcmp(name, "/stapio") && !stat(path, &st) && st.st_nlink < 2 + 2;
}

/* Waits for staprun; returns its exit status. */
static int watch(const struct run *s, pid_t pid)
{
    struct timespec tick = {0, TICK_MS * 1000000L}, hour = {3600, 0};
    double end = 0; /* -T: when */
    bool starting = true, timing = s->r->seconds > 0;
    int status = 0, held = 0;

    while (waitpid(pid, &status, WNOHANG) != pid) {
        siginfo_t info;
        int sig = sigtimedwait(&s->set, &info, timing || starting ? &tick : &hour);

        /* What comes from the terminal, or to the whole group, staprun has itself. */
        if (sig == PARENT_GONE)
            held = SIGTERM;
        else if (sig > 0 && sig != SIGCHLD && info.si_code <= 0 && info.si_pid == getppid())
            held = sig;
        if (starting && !(starting = is_starting(pid)) && timing)
            end = seconds_now() + s->r->seconds;
        if (timing && !starting && seconds_now() >= end) {
            held = SIGTERM;
            timing = false;
        }
        if (held && !starting) {
            kill(pid, held);
            held = 0;
        }
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void guard(const struct run *s, char *const *argv, bool renamed, int err, pid_t parent)
{
    char name[64];

    prctl(PR_SET_PDEATHSIG, PARENT_GONE);
    prctl(PR_SET_NAME, "ngstap-guard");
    if (getppid() != parent)
        _exit(1);
    pid_t pid = fork();

    if (pid == 0)
        exec_staprun(s, argv, err);
    if (pid < 0)
        _exit(127);
    snprintf(name, sizeof(name), "%s", s->info.name);
    if (renamed && !is_renamed(s->info.name, pid, name, sizeof(name)))
        snprintf(name, sizeof(name), "%s", s->info.name);
    bool ours = renamed || !is_loaded(name); /* else it is another's, and staprun will refuse */
    int status = watch(s, pid);

    dup2(err, 2);
    if (ours)
        unload(s, name);
    _exit(status);
}

/* ---- what staprun says ---- */

struct refusal {
    const char *says, *means;
};

/* The texts are staprun's (staprun.c, staprun_funcs.c), with the kernel's errno; the order
 * matters. */
static const struct refusal refusals[] = {
    {"as a normal user", "run ngstap as root, or as a member of the groups stapusr and stapdev"},
    {"effective user ID of staprun must be set to the root user", "run ngstap as root"},
    {"in FIPS mode", "the kernel is in FIPS mode, where only modules signed with its own key load: "
                     "use --backend=bpf"},
    {"Key was rejected",
     "the kernel loads only modules signed with a key it knows (Secure Boot, module.sig_enforce): "
     "sign the module with such a key (-p4, then the kernel's scripts/sign-file), or use "
     "--backend=bpf"},
    {"Required key not available",
     "the kernel loads only signed modules (Secure Boot, module.sig_enforce): sign the module "
     "(-p4, then the kernel's scripts/sign-file), or use --backend=bpf"},
    {"Invalid module format", "it was built for another kernel, or by other headers than this "
                              "kernel's: build it for this one "
                              "(without -r); dmesg tells the details"},
    {"Unknown symbol in module",
     "this kernel lacks something the module needs: build it with the headers of exactly this "
     "kernel; dmesg names the symbol"},
    {"wrong symbol version",
     "it was built with the headers of another build of this kernel: update the headers, or reboot "
     "into the kernel they belong to"},
    {"File exists", "a module of that name is loaded already: staprun -d NAME removes one that is "
                    "left over, or give it another "
                    "name with -m"},
    {"Function not implemented", "this kernel has no loadable modules: use --backend=bpf"},
};

static const char *advice(struct compile *cx, const char *line)
{
    char lockdown[128] = "";
    FILE *f;

    if (!strstr(line, "ouldn't insert module") && !strstr(line, "normal user") &&
        !strstr(line, "effective user ID"))
        return NULL;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++)
        if (strstr(line, refusals[i].says))
            return refusals[i].means;
    if (!strstr(line, "Operation not permitted"))
        return NULL;
    f = fopen("/sys/kernel/security/lockdown", "re");
    if (f) {
        if (!fgets(lockdown, sizeof(lockdown), f))
            *lockdown = 0;
        fclose(f);
    }
    if (*lockdown && !strstr(lockdown, "[none]"))
        return arena_printf(
            cx->arena,
            "the kernel is locked down (%.*s) and loads only signed modules: sign the module, "
            "turn Secure Boot off, or use --backend=bpf",
            (int)strcspn(lockdown, "\n"), lockdown);
    return "modules may not be loaded here: that needs CAP_SYS_MODULE (containers lack it), and "
           "kernel.modules_disabled=0";
}

/* Standard error goes through us: as it comes, and each line is looked at. */
struct relay {
    int fd;
    char line[LINE_MAX_KEPT];
    size_t n;
    const char *advice;
};

static void relay(struct run *s, struct relay *e)
{
    char text[4096];
    ssize_t n;

    while ((n = read(e->fd, text, sizeof(text))) > 0) {
        for (ssize_t at = 0, put; at < n; at += put)
            if ((put = write(2, text + at, (size_t)(n - at))) <= 0)
                break;
        for (ssize_t i = 0; i < n; i++) {
            if (text[i] != '\n') {
                if (e->n < sizeof(e->line) - 1)
                    e->line[e->n++] = text[i];
                continue;
            }
            e->line[e->n] = 0;
            e->n = 0;
            if (!e->advice)
                e->advice = advice(s->cx, e->line);
        }
    }
}

/* ---- our side ---- */

/*
 * What base/interrupt.h says of signals holds here, too: those that come together, as from
 * timeout(1) to us and to our group, are one, and only SIGINT asks again: staprun takes the third
 * as an order to leave at once.
 */
static void pass_on(int sigfd, pid_t guard, double *last)
{
    struct signalfd_siginfo info;

    while (read(sigfd, &info, sizeof(info)) == sizeof(info)) {
        bool again = *last >= 0;

        if (info.ssi_signo == SIGCHLD || info.ssi_code > 0 ||
            (again && (info.ssi_signo != SIGINT || seconds_now() - *last < 1)))
            continue;
        *last = seconds_now();
        kill(guard, (int)info.ssi_signo);
    }
}

static int attend(struct run *s, pid_t pid, int err)
{
    struct relay e = {.fd = err};
    int status = 0, sigfd = signalfd(-1, &s->set, SFD_CLOEXEC | SFD_NONBLOCK);
    struct pollfd fds[] = {{.fd = sigfd, .events = POLLIN}, {.fd = err, .events = POLLIN}};
    double last = -1;
    pid_t got;

    while ((got = waitpid(pid, &status, WNOHANG)) == 0) {
        poll(fds, 2, 1000);
        pass_on(sigfd, pid, &last);
        relay(s, &e);
        if (fds[1].revents & POLLHUP)
            fds[1].fd = -1;
    }
    relay(s, &e);
    close(sigfd);
    status = got != pid ? 127 : WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    if (status && e.advice)
        diag_hint(s->cx->diag, "%s", e.advice);
    return status;
}

static char *const *make_argv(struct run *s, bool renamed)
{
    const char **argv = ARENA_ARRAY(s->cx->arena, const char *, 10);
    uint32_t n = 0;

    argv[n++] = s->staprun;
    if (s->r->no_warnings)
        argv[n++] = "-w";
    if (renamed)
        argv[n++] = "-R";
    if (s->r->pid) {
        argv[n++] = "-x";
        argv[n++] = arena_printf(s->cx->arena, "%d", (int)s->r->pid);
    }
    if (s->r->command) {
        argv[n++] = "-c";
        argv[n++] = s->r->command;
    }
    argv[n++] =
        strchr(s->r->module, '/') ? s->r->module : arena_printf(s->cx->arena, "./%s", s->r->module);
    if (s->r->master)
        argv[n++] = arena_printf(s->cx->arena, "__ngs_master=%d", (int)s->r->master);
    return (char *const *)argv;
}

static int session(struct run *s)
{
    enum { LONGEST_PID = 7 };
    bool renamed = strlen(s->info.name) > LONGEST_PID + 1;
    char *const *argv = make_argv(s, renamed);
    pid_t parent = getpid();
    int err[2];

    if (pipe2(err, O_CLOEXEC) || fcntl(err[0], F_SETFL, O_NONBLOCK)) {
        diag_error(s->cx->diag, nowhere, "stap", "no pipe: %s", strerror(errno));
        return -1;
    }
    if (!interrupt_hold(s->cx->interrupt)) {
        diag_error(s->cx->diag, nowhere, "stap", "no signals: %s", strerror(errno));
        return -1;
    }
    s->before = s->cx->interrupt->before;
    sigemptyset(&s->set);
    sigaddset(&s->set, SIGINT);
    sigaddset(&s->set, SIGTERM);
    sigaddset(&s->set, SIGHUP);
    sigaddset(&s->set, SIGCHLD);
    sigaddset(&s->set, PARENT_GONE);
    sigprocmask(SIG_BLOCK, &s->set, NULL);
    fflush(NULL);
    pid_t pid = fork();

    if (pid == 0) {
        close(err[0]);
        guard(s, argv, renamed, err[1], parent);
    }
    close(err[1]);
    int status = -1;

    if (pid < 0)
        diag_error(s->cx->diag, nowhere, "stap", "cannot fork: %s", strerror(errno));
    else
        status = attend(s, pid, err[0]);
    close(err[0]);
    return status; /* signals stay held: a picture may be to be written yet */
}

static bool fits(struct run *s)
{
    const char *module = s->r->module, *base = base_name(module);
    struct utsname u;
    size_t n = s->info.release ? strlen(s->info.release) : 0;

    if (!n || !s->info.name)
        return diag_error(s->cx->diag, nowhere, "module", "%s is not a kernel module", module);
    uname(&u);
    if (strcmp(s->info.release, u.release) != 0) {
        diag_error(s->cx->diag, nowhere, "module", "%s was built for kernel %s; this is %s", module,
                   s->info.release, u.release);
        diag_hint(s->cx->diag,
                  "build it for this one: ngstap --backend=stap -p4 -m %s -r %s SCRIPT",
                  s->info.name, u.release);
        return false;
    }
    /* staprun takes the name from the file's, and would look for the wrong module. */
    n = strlen(s->info.name);
    if (strncmp(base, s->info.name, n) != 0 || strcmp(base + n, ".ko") != 0)
        return diag_error(s->cx->diag, nowhere, "module",
                          "%s holds the module %s: rename it to %s.ko", module, s->info.name,
                          s->info.name);
    return true;
}

/* Debian lets only root and a group run it. */
static int no_staprun(struct compile *cx)
{
    const char *path = stap_find_program(cx, "staprun", F_OK);

    if (path)
        diag_error(
            cx->diag, nowhere, "privileges",
            "you may not run %s: run ngstap as root, or as a member of the groups stapusr and "
            "stapdev",
            path);
    else
        diag_error(
            cx->diag, nowhere, "stap",
            "there is no staprun in PATH: Debian, Ubuntu: apt-get install systemtap-runtime; "
            "Fedora, RHEL: dnf install systemtap-runtime");
    return -1;
}

int stap_run(struct compile *cx, const struct stap_run *r)
{
    struct run s = {.cx = cx, .r = r, .staprun = stap_find_program(cx, "staprun", X_OK)};

    if (!s.staprun)
        return no_staprun(cx);
    if (!stap_modinfo(cx, r->module, &s.info)) {
        diag_error(cx->diag, nowhere, "module", "cannot read %s: %s", r->module, strerror(errno));
        return -1;
    }
    return fits(&s) ? session(&s) : -1;
}

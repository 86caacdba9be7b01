/*
 * child: programs that are run to their end. Enters: a command, a few variables, a file for its
 * output; leaves: its exit status. Its environment is bounded: what would change what stap does
 * behind our back (its rc file, a debuginfod, compiler flags) is not passed on. A signal that asks
 * us to end ends the child, with the process group it leads, first.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/file.h"
#include "stap/build.h"

static const struct span nowhere;

struct wanted {
    int mode; /* of access(2) */
    struct stat self;
};

static bool is_wanted(const char *path, void *arg)
{
    const struct wanted *w = arg;
    struct stat st;

    return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, w->mode) &&
           !file_same(&st, &w->self); /* ngstap may be called stap */
}

const char *stap_find_program(struct compile *cx, const char *name, int mode)
{
    struct wanted w = {.mode = mode};

    stat("/proc/self/exe", &w.self);
    char *found = file_search(name, "/usr/sbin:/usr/bin:/sbin:/bin", is_wanted, &w);
    const char *path = found ? arena_strdup(cx->arena, found) : NULL;

    free(found);
    return path;
}

char *stap_read_file(struct compile *cx, const char *path, size_t max, size_t *len)
{
    size_t n = 0;
    char *text = file_read(path, max, &n), *copy = NULL;

    if (text) {
        copy = arena_alloc(cx->arena, n + 1);
        memcpy(copy, text, n + 1);
    }
    free(text);
    if (len)
        *len = n;
    return copy;
}

bool stap_write_file(const char *path, const char *text, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    ssize_t n = 0;

    if (fd < 0)
        return false;
    while (len && (n = write(fd, text, len)) > 0) {
        text += n;
        len -= (size_t)n;
    }
    return !close(fd) && !len;
}

/* ---- running ---- */

static const char *const passed_on[] = {
    "PATH", "HOME", "USER", "LOGNAME", "LD_LIBRARY_PATH", "SYSTEMTAP_TAPSET", "CCACHE_DIR",
};

static const char **environment(struct compile *cx, const char *const *more)
{
    enum { N_PASSED = sizeof(passed_on) / sizeof(*passed_on) };
    uint32_t n = 0, n_more = 0;

    while (more && more[n_more])
        n_more++;
    const char **env = ARENA_ARRAY(cx->arena, const char *, N_PASSED + n_more + 2);

    for (uint32_t i = 0; i < N_PASSED; i++)
        if (getenv(passed_on[i]))
            env[n++] = arena_printf(cx->arena, "%s=%s", passed_on[i], getenv(passed_on[i]));
    for (uint32_t i = 0; i < n_more; i++)
        env[n++] = more[i];
    env[n++] = "LC_ALL=C";
    return env;
}

static void exec_child(const struct stap_child *c, const char **env, const sigset_t *mask)
{
    int in = open("/dev/null", O_RDONLY);
    int log = open(c->log, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, mask, NULL);
    if (in >= 0 && log >= 0 && dup2(in, 0) == 0 && dup2(log, 1) == 1 && dup2(log, 2) == 2 &&
        (!c->dir || !chdir(c->dir)))
        execve(c->argv[0], (char *const *)c->argv, (char *const *)env);
    _exit(127);
}

/* How long to wait on: what remains of SECONDS since START. */
static struct timespec remaining(const struct timespec *start, unsigned seconds)
{
    struct timespec now, left = {0, 0};

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec - start->tv_sec < (time_t)seconds)
        left.tv_sec = (time_t)seconds - (now.tv_sec - start->tv_sec);
    return left;
}

static void end_group(pid_t pid)
{
    struct timespec tenth = {0, 100000000};
    int status;

    kill(-pid, SIGTERM);
    for (int i = 0; i < 50; i++) {
        if (waitpid(pid, &status, WNOHANG) == pid) {
            kill(-pid, SIGKILL);
            return;
        }
        nanosleep(&tenth, NULL);
    }
    kill(-pid, SIGKILL);
    waitpid(pid, &status, 0);
}

int stap_child_run(struct compile *cx, const struct stap_child *c)
{
    const char **env = environment(cx, c->env);
    struct timespec start;
    sigset_t set, before;
    int status = 0, sig = 0;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    signal(SIGCHLD,
           SIG_DFL); /* one that was ignored when we were started leaves nothing to wait for */
    sigprocmask(SIG_BLOCK, &set, &before);
    clock_gettime(CLOCK_MONOTONIC, &start);
    pid_t pid = fork();

    if (pid == 0)
        exec_child(c, env, &before);
    if (pid < 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        diag_error(cx->diag, nowhere, "stap", "cannot run %s: %s", c->argv[0], strerror(errno));
        return -1;
    }
    setpgid(pid, pid);
    while (waitpid(pid, &status, WNOHANG) != pid) {
        struct timespec left = remaining(&start, c->seconds);

        sig = sigtimedwait(&set, NULL, &left);
        if (sig == SIGCHLD || (sig < 0 && errno == EINTR))
            continue;
        end_group(pid);
        sigprocmask(SIG_SETMASK, &before, NULL);
        if (sig < 0)
            diag_error(cx->diag, nowhere, "stap", "%s was ended: it ran for over %u s", c->argv[0],
                       c->seconds);
        else
            diag_error(cx->diag, nowhere, "stap", "interrupted while %s was running", c->argv[0]);
        return -1;
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

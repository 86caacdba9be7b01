/*
 * container: asks the container engines for a container's first process. Enters: a name or id;
 * leaves: its host pid and root. The engines' own command line tools are run, without a shell, for
 * at most ENGINE_SECONDS. The root is /proc/PID/root and not the overlay's merged directory: it has
 * the volumes too, and is the same for every engine.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "target/target.h"

enum { ENGINE_SECONDS = 10, ANSWER_MAX = 4096 };

static const struct span nowhere;

enum { ENGINE_ARGS = 8 };

#define DESCRIPTION                                                                                \
    "{{.Name}}{{\"\\n\"}}{{range $k, $v := .Config.Labels}}{{$k}}={{$v}}{{\"\\n\"}}{{end}}"

/* The container's name comes last. */
static const struct engine {
    const char *inspect[ENGINE_ARGS];
    const char *ids[ENGINE_ARGS]; /* where inspect takes ids only: those of a pattern */
    const char *describe[ENGINE_ARGS];
} engines[] = {
    {.inspect = {"docker", "inspect", "--type", "container", "--format", "{{.State.Pid}}"},
     .describe = {"docker", "inspect", "--type", "container", "--format", DESCRIPTION}},
    {.inspect = {"podman", "inspect", "--type", "container", "--format", "{{.State.Pid}}"},
     .describe = {"podman", "inspect", "--type", "container", "--format", DESCRIPTION}},
    /* It goes on naming the pid of a task that has ended; without "container" it finds images. */
    {.inspect = {"nerdctl", "container", "inspect", "--format",
                 "{{if eq .State.Status \"exited\"}}0{{else}}{{.State.Pid}}{{end}}"},
     .describe = {"nerdctl", "container", "inspect", "--format", DESCRIPTION}},
    {.inspect = {"crictl", "inspect", "--output", "go-template", "--template", "{{.info.pid}}"},
     .ids = {"crictl", "ps", "--quiet", "--name"}},
};

/* What the command prints before DEADLINE; what comes after ANSWER_MAX is dropped. False: it did
 * not end in time. */
static bool collect(int fd, char *answer, int64_t deadline)
{
    size_t used = 0;

    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        char buf[1024];
        int64_t left = deadline - (int64_t)clock_ms(CLOCK_MONOTONIC);

        if (left <= 0)
            return false;
        if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
            return false;
        if (!p.revents)
            continue;
        ssize_t got = read(fd, buf, sizeof(buf));

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return true;
        for (ssize_t i = 0; i < got && used < ANSWER_MAX; i++)
            answer[used++] = buf[i];
        answer[used] = '\0';
    }
}

enum answer { NO_ENGINE, NO_ANSWER, TIMED_OUT, ANSWERED, SEVERAL };

static enum answer ask(const char *const command[ENGINE_ARGS], const char *name,
                       char answer[ANSWER_MAX + 1])
{
    extern char **environ;
    char *argv[ENGINE_ARGS + 2] = {NULL};
    posix_spawn_file_actions_t actions;
    int fds[2], status;
    pid_t pid;

    answer[0] = '\0';
    int n = 0;

    for (; n < ENGINE_ARGS && command[n]; n++)
        argv[n] = (char *)command[n];
    argv[n] = (char *)name;
    if (pipe2(fds, O_CLOEXEC))
        return NO_ANSWER;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    int error = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);

    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    if (error) {
        close(fds[0]);
        return error == ENOENT ? NO_ENGINE : NO_ANSWER;
    }
    bool ended =
        collect(fds[0], answer, (int64_t)clock_ms(CLOCK_MONOTONIC) + ENGINE_SECONDS * 1000);

    close(fds[0]);
    if (!ended)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!ended)
        return TIMED_OUT;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? ANSWERED : NO_ANSWER;
}

static bool one_line(const char *answer)
{
    size_t len = strcspn(answer, "\n");

    return !answer[len] || !answer[len + 1];
}

/* The pid of a container by id, or by name where the engine takes one. SEVERAL: their ids or pids,
 * a line each. */
static enum answer find(struct compile *cx, const struct engine *e, const char *name,
                        char answer[ANSWER_MAX + 1])
{
    enum answer a = ask(e->inspect, name, answer);

    if (a == ANSWERED && !one_line(answer))
        return SEVERAL;
    if (a != NO_ANSWER || !e->ids[0])
        return a;
    a = ask(e->ids, arena_printf(cx->arena, "^%s$", name), answer);
    if (a != ANSWERED)
        return a;
    size_t len = strcspn(answer, "\n");

    if (!len)
        return NO_ANSWER;
    if (!one_line(answer))
        return SEVERAL;
    return ask(e->inspect, arena_strndup(cx->arena, answer, len), answer);
}

static bool several(struct compile *cx, const struct engine *e, const char *name, char *answer)
{
    diag_error(cx->diag, nowhere, "container", "several containers are named %s (says %s)", name,
               e->inspect[0]);
    for (char *p = answer; *p; p++)
        if (*p == '\n')
            *p = p[1] ? ' ' : '\0';
    if (e->ids[0])
        diag_hint(cx->diag, "give the id of one: %s", answer);
    else
        diag_hint(cx->diag, "give the whole id of one; their pids: %s", answer);
    return false;
}

bool container_find(struct compile *cx, const char *name, const char **root, pid_t *pid)
{
    const char *asked = NULL, *slow = NULL;
    char answer[ANSWER_MAX + 1];

    if (!*name || *name == '-')
        return diag_error(cx->diag, nowhere, "container", "\"%s\" is no container's name", name);
    for (size_t i = 0; i < sizeof(engines) / sizeof(*engines); i++) {
        const char *engine = engines[i].inspect[0];
        enum answer a = find(cx, &engines[i], name, answer);

        if (a == NO_ENGINE)
            continue;
        asked = arena_printf(cx->arena, "%s%s%s", asked ? asked : "", asked ? ", " : "", engine);
        if (a == TIMED_OUT)
            slow = engine;
        if (a == SEVERAL)
            return several(cx, &engines[i], name, answer);
        if (a != ANSWERED)
            continue;
        char *end;
        long value = strtol(answer, &end, 10);

        if (!isdigit((unsigned char)answer[0]) || (*end && *end != '\n') || value < 0 ||
            value > INT32_MAX)
            continue;
        if (value == 0)
            return diag_error(cx->diag, nowhere, "container",
                              "container %s is not running (says %s)", name, engine);
        *pid = (pid_t)value;
        *root = arena_printf(cx->arena, "/proc/%ld/root", value);
        return true;
    }
    if (!asked) {
        diag_error(
            cx->diag, nowhere, "container",
            "cannot look for container %s: none of docker, podman, nerdctl, crictl is installed",
            name);
        diag_hint(
            cx->diag,
            "name the process by -x PID with its pid on the host; its root is found by itself");
    } else if (slow) {
        diag_error(cx->diag, nowhere, "container", "%s did not answer within %d seconds", slow,
                   ENGINE_SECONDS);
    } else {
        diag_error(cx->diag, nowhere, "container", "no container named %s (asked %s)", name, asked);
        diag_hint(cx->diag, "the engine may need root, or another DOCKER_HOST");
    }
    return false;
}

const char *container_describe(struct compile *cx, const char *id)
{
    char answer[ANSWER_MAX + 1];

    for (size_t i = 0; i < sizeof(engines) / sizeof(*engines); i++)
        if (engines[i].describe[0] && ask(engines[i].describe, id, answer) == ANSWERED)
            return arena_strdup(cx->arena, answer + (*answer == '/'));
    return NULL;
}

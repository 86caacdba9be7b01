/*
 * command: see command.h. Enters: the text of -c; leaves: a stopped child. Refuses: what fork
 * refuses; a command that cannot be run ends with status 127, as in a shell.
 */
#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wordexp.h>

#include "base/arena.h"
#include "base/diag.h"

/* Something exec would run that is no script: only that has symbols. */
static bool is_program(const char *path)
{
    int fd = access(path, X_OK) ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    char magic[4];
    bool elf =
        fd >= 0 && read(fd, magic, sizeof(magic)) == sizeof(magic) && !memcmp(magic, "\177ELF", 4);

    if (fd >= 0)
        close(fd);
    return elf;
}

static const char *search(struct arena *a, const char *name)
{
    const char *path = getenv("PATH");

    if (strchr(name, '/'))
        return is_program(name) ? realpath(name, NULL) : NULL;
    for (const char *dir = path ? path : "/usr/bin:/bin"; *dir;) {
        size_t n = strcspn(dir, ":");
        const char *full = arena_printf(a, "%.*s/%s", n ? (int)n : 1, n ? dir : ".", name);

        if (is_program(full))
            return realpath(full, NULL);
        dir += n + (dir[n] == ':');
    }
    return NULL;
}

const char *command_path(struct compile *cx, const char *command)
{
    const char *path = NULL;
    wordexp_t words;

    if (wordexp(command, &words, WRDE_NOCMD))
        return NULL;
    if (words.we_wordc) {
        char *real = (char *)search(cx->arena, words.we_wordv[0]);

        if (real)
            path = arena_strdup(cx->arena, real);
        free(real);
    }
    wordfree(&words);
    return path;
}

static void run(const char *command)
{
    wordexp_t words;

    raise(SIGSTOP);
    if (!wordexp(command, &words, WRDE_NOCMD) && words.we_wordc)
        execvp(words.we_wordv[0], words.we_wordv);
    else
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    fprintf(stderr, "ngstap: cannot run '%s': %s\n", command, strerror(errno));
    _exit(127);
}

pid_t command_start(struct compile *cx, const char *command)
{
    int status;

    fflush(NULL);
    pid_t pid = fork();

    if (pid == 0)
        run(command);
    if (pid < 0 || waitpid(pid, &status, WUNTRACED) < 0 || !WIFSTOPPED(status)) {
        diag_error(cx->diag, (struct span){0}, "command", "cannot start '%s': %s", command,
                   strerror(errno));
        return -1;
    }
    return pid;
}

void command_end(pid_t pid)
{
    siginfo_t info = {.si_pid = 0};

    /* Is it still our child, that is, has run not waited for it? Else the pid may be another's. */
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT))
        return;
    if (!info.si_pid) {
        kill(pid, SIGTERM);
        kill(pid, SIGCONT); /* one that never got to run is still stopped: it dies now */
    }
    waitpid(pid, NULL, WNOHANG);
}

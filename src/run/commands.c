/*
 * commands: what system() starts. Enters: a command line of the script; leaves: a shell that runs
 * it in the background, until the session's end waits for it.
 */
#include "run/state.h"

#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The shell gets the signals that ngstap blocks. */
bool run_command(struct run *r, const char *line)
{
    char shell[] = "sh", option[] = "-c", *command = strdup(line);
    char *argv[] = {shell, option, command, NULL};
    posix_spawnattr_t attr;
    sigset_t none, usual;
    pid_t pid, *more = realloc(r->commands, (r->n_commands + 1) * sizeof(*more));
    bool ok = false;

    if (more)
        r->commands = more;
    if (command && more) {
        sigemptyset(&none);
        sigemptyset(&usual);
        sigaddset(&usual, SIGPIPE);
        posix_spawnattr_init(&attr);
        posix_spawnattr_setsigmask(&attr, &none);
        posix_spawnattr_setsigdefault(&attr, &usual);
        posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        ok = posix_spawn(&pid, "/bin/sh", NULL, &attr, argv, environ) == 0;
        if (ok)
            r->commands[r->n_commands++] = pid;
        posix_spawnattr_destroy(&attr);
    }
    free(command);
    return ok;
}

void run_commands_reap(struct run *r)
{
    for (uint32_t i = 0; i < r->n_commands;)
        if (waitpid(r->commands[i], NULL, WNOHANG) != 0)
            r->commands[i] = r->commands[--r->n_commands];
        else
            i++;
}

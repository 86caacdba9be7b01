/*
 * main: the entry point. Enters: the command line; leaves: the exit status of a subcommand or of a
 * script's run (driver.c): 0, or 1 after any error, as stap. What both need is made here: the
 * arena, the diagnostics, the streams.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/interrupt.h"
#include "cli/driver.h"
#include "cli/subcommand.h"

/*
 * What is opened must not become a standard stream that the caller closed: prints would end up in
 * it.
 */
static void hold_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", fd == STDOUT_FILENO ? O_RDONLY : O_RDWR);
}

int main(int argc, char **argv)
{
    hold_standard_streams();
    struct compile cx = {.arena = arena_new()};
    const struct subcommand *sub = subcommand_find(&argc, &argv);

    struct interrupt interrupt = INTERRUPT_NONE;
    FILE *err = interrupt_stream(&interrupt, STDERR_FILENO);

    cx.sources = sources_new(cx.arena);
    cx.diag = diag_new(cx.arena, cx.sources, stderr);
    cx.interrupt = &interrupt;
    cx.err = err ? err : stderr;
    diag_stream(cx.diag, cx.err);
    int status = sub ? sub->run(&cx, argc, argv) : driver_run(&cx, argc, argv, NULL);

    fflush(cx.err);
    if (err)
        fclose(err);
    arena_free(cx.arena);
    return status;
}

/*
 * command: -c COMMAND: the target that ngstap starts itself.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <sys/types.h>

#include "base/compile.h"

/* The executable of the command's first word, searched in PATH; NULL: the shell's business.
 * Arena. */
const char *command_path(struct compile *cx, const char *command);

/*
 * Starts COMMAND and stops it (SIGSTOP) at its entry point: its libraries are mapped by then, so
 * that it is a target like any other; SIGCONT lets it run. -1 after reporting. Words go to the
 * program directly, so that its pid is target(); what needs a shell (pipes, variables set ...) goes
 * to sh -c.
 */
pid_t command_start(struct compile *cx, const char *command);

/* At the end: waits for a command that has ended; one that still runs is sent SIGTERM, as by
 * staprun, and has a second to end. */
void command_end(pid_t pid);

#endif

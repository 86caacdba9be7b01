/*
 * command: see command.h. Enters: the text of -c; leaves: a stopped child. Refuses: what fork
 * refuses; a command that cannot be run ends with status 127, as in a shell.
 */
#include "cli/command.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wordexp.h>

#include "arch/arch.h"
#include "base/arena.h"
#include "base/diag.h"
#include "base/file.h"

enum { END_MS = 1000, STEP_MS = 5 }; /* for a command to end after SIGTERM */

/* Something exec would run that is no script: only that has symbols. */
static bool is_program(const char *path, void *arg)
{
    (void)arg;

    int fd = access(path, X_OK) ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    char magic[4];
    bool elf =
        fd >= 0 && read(fd, magic, sizeof(magic)) == sizeof(magic) && !memcmp(magic, "\177ELF", 4);

    if (fd >= 0)
        close(fd);
    return elf;
}

const char *command_path(struct compile *cx, const char *command)
{
    const char *path = NULL;
    wordexp_t words;

    if (wordexp(command, &words, WRDE_NOCMD))
        return NULL;
    if (words.we_wordc) {
        const char *name = words.we_wordv[0];
        char *found = NULL, *real;

        if (!strchr(name, '/'))
            found = file_search(name, "/usr/bin:/bin", is_program, NULL);
        else if (is_program(name, NULL))
            found = strdup(name);
        real = found ? realpath(found, NULL) : NULL;
        if (real)
            path = arena_strdup(cx->arena, real);
        free(real);
        free(found);
    }
    wordfree(&words);
    return path;
}

static void run(const char *command)
{
    wordexp_t words;

    /* It ends with ngstap, as it does by command_end: killed before it is armed, ngstap would leave
     * it stopped for ever. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    if (!wordexp(command, &words, WRDE_NOCMD) && words.we_wordc)
        execvp(words.we_wordv[0], words.we_wordv);
    else
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    fprintf(stderr, "ngstap: cannot run '%s': %s\n", command, strerror(errno));
    _exit(127);
}

/* ---- running to the entry point ---- */

/* AT_ENTRY of a 64-bit program; 0: not told. */
static uint64_t entry_point(pid_t pid)
{
    char path[64];
    uint64_t pair[2] = {1, 0}, entry = 0;

    snprintf(path, sizeof(path), "/proc/%d/auxv", (int)pid);
    FILE *f = fopen(path, "re");

    while (f && fread(pair, sizeof(pair), 1, f) == 1)
        if (pair[0] == AT_ENTRY)
            entry = pair[1];
    if (f)
        fclose(f);
    return entry;
}

/* Room for what NT_PRSTATUS is on any machine; it begins as struct pt_regs does. */
struct user_regs {
    uint64_t words[64];
};

static uint64_t *user_pc(const struct arch *a, struct user_regs *regs)
{
    return &regs->words[a->regs[a->ip].offset / sizeof(uint64_t)];
}

/* PID stands at its exec: lets the dynamic linker do its work. False: it did not get to its entry
 * point. */
static bool run_to_entry(pid_t pid)
{
    const struct arch *a = arch_native();
    uint64_t entry = a ? entry_point(pid) : 0;
    struct user_regs regs;
    struct iovec iov = {&regs, sizeof(regs)};
    int status = 0, sig = 0;

    errno = 0;
    long word = entry ? ptrace(PTRACE_PEEKTEXT, pid, (void *)entry, NULL) : -1, trap = word;

    if (!entry || errno)
        return true; /* a program of another kind: it starts where it is */
    memcpy(&trap, a->trap.bytes, a->trap.size);
    if (ptrace(PTRACE_POKETEXT, pid, (void *)entry, (void *)trap))
        return true;
    do {
        if (ptrace(PTRACE_CONT, pid, NULL, (void *)(long)sig) || waitpid(pid, &status, 0) < 0 ||
            !WIFSTOPPED(status))
            return false;
        sig = WSTOPSIG(status);
    } while (sig != SIGTRAP || ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &iov) ||
             *user_pc(a, &regs) != entry + a->trap_skips);
    *user_pc(a, &regs) = entry;
    return !ptrace(PTRACE_POKETEXT, pid, (void *)entry, (void *)word) &&
           !ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &iov);
}

pid_t command_start(struct compile *cx, const char *command)
{
    int status = 0;

    fflush(NULL);
    pid_t pid = fork();

    if (pid == 0)
        run(command);
    if (pid < 0) {
        diag_error(cx->diag, (struct span){0}, "command", "cannot start '%s': %s", command,
                   strerror(errno));
        return -1;
    }
    if (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) && run_to_entry(pid) &&
        !ptrace(PTRACE_DETACH, pid, NULL, (void *)(long)SIGSTOP) &&
        waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status))
        return pid;
    if (!WIFEXITED(status) && !WIFSIGNALED(status)) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    diag_error(cx->diag, (struct span){0}, "command",
               "the command ended before it could be traced: %s", command);
    return -1;
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
    /* When ngstap ends the command is killed, and would leave behind what it started itself. */
    for (int i = 0; i < END_MS / STEP_MS && !waitpid(pid, NULL, WNOHANG); i++)
        usleep(STEP_MS * 1000);
}

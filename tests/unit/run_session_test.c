/*
 * run_session_test: sessions of scripts without kernel probes: the order of handlers, timers, exit,
 * errors and what is said of them, signals, -T, -c, output to nobody.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "run_fixture.h"
#include "tap.h"

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void ends(struct fx *f, const char *name, int want, const char *out, const char *err)
{
    char what[128];
    int status = fx_run(f);

    tap_ok(status == want, "%s: status %d", name, status);
    snprintf(what, sizeof(what), "%s: output", name);
    tap_text(f->out, out, what);
    snprintf(what, sizeof(what), "%s: messages", name);
    tap_text(f->err, err, what);
    fx_free(f);
}

static void say(struct fx *f, enum probe_kind kind, int64_t number, const char *text)
{
    fx_probe(f, kind, number, text);
    fx_print(f, text);
    fx_end(f);
}

static void order(void)
{
    struct fx *f = fx_new();

    say(f, PROBE_END, 1, "end(1) ");
    say(f, PROBE_BEGIN, 5, "begin(5) ");
    say(f, PROBE_BEGIN, -1, "begin(-1) ");
    say(f, PROBE_BEGIN, 0, "begin ");
    say(f, PROBE_END, -3, "end(-3) ");
    say(f, PROBE_ERROR, 0, "error ");
    say(f, PROBE_NEVER, 0, "never ");
    fx_probe(f, PROBE_BEGIN, 9, "begin(9)");
    fx_call(f, NGS_H_EXIT);
    fx_print(f, "exiting ");
    fx_end(f);
    say(f, PROBE_BEGIN, 10, "begin(10) ");
    ends(f, "by sequence number", 0, "begin(-1) begin begin(5) exiting end(-3) end(1) ", "");
}

static void timers(void)
{
    struct fx *f = fx_new();
    uint32_t n = fx_long(f, "n", 0), format = fx_format(f, "%d ", FORMAT_PRINTF, "l");

    fx_probe(f, PROBE_TIMER, 20000000, "timer.ms(20)");
    fx_map_addr(f, 8, USER_MAP_GLOBALS, f->globals[n].off);
    fx_mov(f, 1, 1);
    fx_insn(f, BPF_STX | BPF_ATOMIC | BPF_DW, 8, 1, 0, BPF_ADD);
    fx_print_long(f, format, 8, 0);
    fx_end(f);
    fx_probe(f, PROBE_TIMER, 110000000, "timer.ms(110)");
    fx_call(f, NGS_H_EXIT);
    fx_end(f);
    say(f, PROBE_END, 0, "done");
    ends(f, "timers", 0, "1 2 3 4 5 done", "");

    f = fx_new();
    say(f, PROBE_END, 0, "done");
    f->opts.seconds = 0.15;
    double t = now();
    int status = fx_run(f);

    t = now() - t;
    tap_ok(status == 0 && t > 0.14 && t < 1 && !strcmp(f->out, "done"),
           "-T ends it in time (%.3f s)", t);
    fx_free(f);
}

static void errors(void)
{
    struct fx *f = fx_new();

    fx_probe(f, PROBE_BEGIN, 0, "begin");
    fx_error(f, NGS_ERR_DIV_ZERO, 0, fx_loc(f, "operator '/'", 3, 14), "");
    fx_end(f);
    say(f, PROBE_BEGIN, 10, "ko");
    say(f, PROBE_END, 0, "ko");
    say(f, PROBE_ERROR, 0, "ok ");
    say(f, PROBE_ERROR, 10, "ok");
    ends(f, "an error in begin", 1, "ok ok",
         "ERROR: division by 0 near operator '/' at t.stp:3:14\nWARNING: Number of errors: 1, "
         "skipped probes: 0\n");

    f = fx_new();
    f->h.maxerrors = 100;
    fx_probe(f, PROBE_BEGIN, 0, "begin");
    fx_error(f, NGS_ERR_FAULT, 0x1234, fx_loc(f, "operator '@var'", 1, 2), "");
    fx_error(f, NGS_ERR_MAXACTION, 0, fx_loc(f, "keyword", 1, 2), "");
    fx_error(f, NGS_ERR_MAP_FULL, 0, fx_loc(f, "identifier 'x'", 1, 2), "");
    fx_error(f, NGS_ERR_EMPTY_STATS, 0, fx_loc(f, "operator '@avg'", 4, 5), "");
    fx_error(f, NGS_ERR_SCRIPT, 0, fx_loc(f, "identifier 'error'", 1, 2), "said so");
    fx_error(f, NGS_ERR_NESTING, 0, 0, "");
    fx_error(f, NGS_ERR_FAULT, -1, 9999, "");
    fx_error(f, (enum ngs_error)99, 0, 0, "");
    fx_warn(f, "careful\n");
    fx_call(f, NGS_H_EXIT);
    fx_end(f);
    say(f, PROBE_END, 0, "end");
    ends(f, "errors within MAXERRORS", 0, "end",
         "ERROR: read fault [man error::fault] at 0x1234 near operator '@var' at t.stp:1:2\n"
         "ERROR: MAXACTION exceeded near keyword at t.stp:1:2; -D MAXACTION=N lets a handler run N "
         "statements\n"
         "ERROR: Array overflow, check MAXMAPENTRIES near identifier 'x' at t.stp:1:2\n"
         "ERROR: empty aggregate near operator '@avg' at t.stp:4:5\n"
         "ERROR: said so\n"
         "ERROR: MAXNESTING exceeded\n"
         "ERROR: read fault [man error::fault] at 0xffffffffffffffff\n"
         "ERROR: unknown error\n"
         "WARNING: careful\n"
         "WARNING: Number of errors: 8, skipped probes: 0\n");

    f = fx_new();
    fx_probe(f, PROBE_BEGIN, 0, "begin");
    fx_mov(f, 1, 0);
    fx_call(f, NGS_H_PRINT);
    fx_end(f);
    say(f, PROBE_ERROR, 0, "error");
    ends(f, "a hostile handler", 1, "error",
         "ERROR: handler of 'begin' ended at instruction 1: access outside its memory; the object "
         "is damaged, or this "
         "is a bug of ngstap\nWARNING: Number of errors: 1, skipped probes: 0\n");

    f = fx_new();
    fx_probe(f, PROBE_BEGIN, 0, "begin");
    fx_insn(f, BPF_ST | BPF_MEM | BPF_W, 9, 0, FX_REC + 4, 1 << 20); /* a size that is not there */
    fx_frame_addr(f, 1, FX_REC);
    fx_call(f, NGS_H_PRINT);
    fx_end(f);
    tap_ok(fx_run(f) == 1 && strstr(f->err, "access outside"), "a record larger than its memory");
    fx_free(f);

    f = fx_new();
    fx_probe(f, PROBE_BEGIN, 0, "begin");
    fx_insn(f, BPF_ST | BPF_MEM | BPF_W, 9, 0, FX_REC, 77);
    fx_insn(f, BPF_ST | BPF_MEM | BPF_W, 9, 0, FX_REC + 4, 16);
    fx_frame_addr(f, 1, FX_REC);
    fx_call(f, NGS_H_PRINT);
    fx_call(f, NGS_H_EXIT);
    fx_end(f);
    ends(f, "a record of no known kind", 0, "", "WARNING: damaged record of 16 bytes\n");
}

static void losses(void)
{
    struct fx *f = fx_new();
    uint32_t lit = fx_lit(f, "012345678901234567890123456789012345678901234567890123456789012345678"
                             "9012345678901234567890123456789"
                             "0123456789012345678901234567890123456789");

    fx_probe(f, PROBE_BEGIN, 0, "begin");
    fx_map_addr(f, 2, USER_MAP_RODATA, lit);
    fx_frame_addr(f, 1, FX_STR);
    fx_call(f, NGS_H_STR_COPY);
    fx_map_addr(f, 1, USER_MAP_CONTROL, offsetof(struct ngs_control, lost));
    fx_insn(f, BPF_ST | BPF_MEM | BPF_DW, 1, 0, 0, 7);
    fx_map_addr(f, 1, USER_MAP_CONTROL, offsetof(struct ngs_control, skipped));
    fx_insn(f, BPF_ST | BPF_MEM | BPF_DW, 1, 0, 0, 3);
    fx_call(f, NGS_H_EXIT);
    fx_end(f);
    ends(f, "losses are told", 0, "",
         "WARNING: Number of errors: 0, skipped probes: 3\nWARNING: 1 strings cut at MAXSTRINGLEN "
         "(127 bytes)\n"
         "WARNING: 7 prints lost, as they came faster than they could be written\n");

    f = fx_new();
    fx_probe(f, PROBE_BEGIN, 0, "begin");
    fx_map_addr(f, 1, USER_MAP_CONTROL, offsetof(struct ngs_control, skipped));
    fx_insn(f, BPF_ST | BPF_MEM | BPF_DW, 1, 0, 0, 101);
    fx_end(f);
    say(f, PROBE_TIMER, 1000000000, "never");
    f->opts.seconds = 0.1;
    ends(f, "MAXSKIPPED", 1, "",
         "ERROR: Skipped too many probes, check MAXSKIPPED\nWARNING: Number of errors: 0, skipped "
         "probes: 101\n");
}

static void timing(void)
{
    struct fx *f = fx_new();

    f->opts.timing = true;
    f->opts.seconds = 0.01;
    fx_run(f);
    tap_ok(strstr(f->err, "hits: 0, skipped: 0") && strstr(f->err, "armed ") &&
               strstr(f->err, "resident memory"),
           "-v tells counts and times");
    fx_free(f);
}

/* ---- in a process of its own ---- */

static pid_t in_child(struct fx *f, const int p[2])
{
    pid_t pid = fork();

    if (pid == 0) {
        FILE *o = interrupt_stream(&f->interrupt, p[1]), *e = fopen("/dev/null", "w");

        close(p[0]);
        f->opts.out = o;
        f->opts.err = e;
        _exit(run_session(&f->cx, &f->o, NULL, NULL, &f->opts));
    }
    return pid;
}

static size_t read_until(int fd, char *buf, size_t size, const char *mark)
{
    size_t len = 0;
    ssize_t n;

    buf[0] = '\0';
    while (len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) > 0) {
        len += (size_t)n;
        buf[len] = '\0';
        if (mark && strstr(buf, mark))
            break;
    }
    return len;
}

static int wait_status(pid_t pid)
{
    int status = 0;

    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static void signals(void)
{
    static const int kinds[] = {SIGINT, SIGTERM, SIGHUP};

    for (size_t i = 0; i < 3; i++) {
        struct fx *f = fx_new();
        char buf[256];
        int p[2];
        pid_t pid;

        say(f, PROBE_BEGIN, 0, "begin\n");
        say(f, PROBE_END, 0, "end\n");
        tap_ok(pipe(p) == 0, "pipe");
        pid = in_child(f, p);
        close(p[1]);
        read_until(p[0], buf, sizeof(buf), "begin\n");
        kill(pid, kinds[i]);
        read_until(p[0], buf, sizeof(buf), NULL);
        int status = wait_status(pid);

        tap_ok(status == 0 && !strcmp(buf, "end\n"), "%s ends properly, with the end handlers (%d)",
               strsignal(kinds[i]), status);
        close(p[0]);
        fx_free(f);
    }
}

/* An end handler that never ends: a second ^C does not wait for it, when it is one of its own. */
static void second_signal(void)
{
    struct fx *f = fx_new();
    char buf[256];
    int p[2];
    pid_t pid;

    say(f, PROBE_BEGIN, 0, "begin\n");
    say(f, PROBE_END, 0, "end\n");
    fx_probe(f, PROBE_END, 1, "end(1)");
    fx_insn(f, BPF_JMP | BPF_JA, 0, 0, -1, 0);
    fx_end(f);
    tap_ok(pipe(p) == 0, "pipe");
    pid = in_child(f, p);
    close(p[1]);
    read_until(p[0], buf, sizeof(buf), "begin\n");
    kill(pid, SIGINT);
    read_until(p[0], buf, sizeof(buf), "end\n");
    kill(pid, SIGINT);
    kill(pid, SIGTERM);
    usleep(1100000);
    tap_ok(waitpid(pid, NULL, WNOHANG) == 0, "a doubled signal is one, and SIGTERM never a second");
    kill(pid, SIGINT);
    tap_ok(wait_status(pid) == 1, "a second ^C ends the end handlers");
    close(p[0]);
    fx_free(f);
}

/* Fills a pipe that nobody reads: ^C must still be heard, twice. */
static void blocked_output(void)
{
    struct fx *f = fx_new();
    int p[2];
    pid_t pid;

    fx_probe(f, PROBE_TIMER, 1000000, "timer.ms(1)");
    for (int i = 0; i < 10; i++)
        fx_print(f, "a line that is printed and that nobody reads, over and over again, until the "
                    "pipe is full\n");
    fx_end(f);
    tap_ok(pipe(p) == 0, "pipe");
    pid = in_child(f, p);
    close(p[1]);
    usleep(400000);
    kill(pid, SIGINT);
    usleep(1050000);
    kill(pid, SIGINT);
    tap_ok(wait_status(pid) == 1, "^C is heard though the output is blocked");
    close(p[0]);
    fx_free(f);
}

static void reader_gone(void)
{
    struct fx *f = fx_new();
    char buf[256];
    int p[2];
    pid_t pid;

    say(f, PROBE_BEGIN, 0, "begin\n");
    say(f, PROBE_TIMER, 5000000, "tick\n");
    tap_ok(pipe(p) == 0, "pipe");
    pid = in_child(f, p);
    close(p[1]);
    read_until(p[0], buf, sizeof(buf), "begin\n");
    close(p[0]);
    tap_ok(wait_status(pid) == 0, "nobody reads any more: a quiet end");
    fx_free(f);
}

static pid_t stopped_child(int status)
{
    pid_t pid = fork();

    if (pid == 0) {
        raise(SIGSTOP);
        _exit(status);
    }
    waitpid(pid, NULL, WUNTRACED);
    return pid;
}

static void commands(void)
{
    struct fx *f = fx_new();

    say(f, PROBE_BEGIN, 0, "begin ");
    say(f, PROBE_END, 0, "end");
    f->opts.child = stopped_child(0);
    ends(f, "-c", 0, "begin end", "");

    f = fx_new();
    f->opts.child = stopped_child(3);
    ends(f, "-c that fails", 0, "", "WARNING: Child process exited with status 3\n");

    f = fx_new();
    fx_probe(f, PROBE_BEGIN, 0, "begin");
    fx_call(f, NGS_H_EXIT);
    fx_end(f);
    f->opts.child = stopped_child(0);
    pid_t pid = f->opts.child;

    tap_ok(fx_run(f) == 0 && kill(pid, 0) == -1 && errno == ESRCH,
           "a command that never ran does not stay behind");
    fx_free(f);
}

/* system(): its output comes before the session is over. MAY: the script that the object is made
 * of has the word, else a reader that was taken over has put it there. */
static void shell(bool may)
{
    struct fx *f = fx_new();
    uint32_t lit = fx_lit(f, "sleep 0.1; printf shell");
    char buf[256];
    int p[2];
    pid_t pid;

    fx_probe(f, PROBE_BEGIN, 0, "begin");
    fx_map_addr(f, 1, USER_MAP_RODATA, lit);
    fx_insn(f, BPF_STX | BPF_MEM | BPF_DW, 9, 1, FX_LONGS, 0);
    fx_mov(f, 1, NGS_U_SYSTEM);
    fx_frame_addr(f, 2, FX_LONGS);
    fx_mov(f, 3, 1);
    fx_mov(f, 4, 0);
    fx_call(f, NGS_H_CALL);
    fx_call(f, NGS_H_EXIT);
    fx_end(f);
    f->o.no_commands = !may;
    tap_ok(pipe(p) == 0, "pipe");
    pid = fork();
    if (pid == 0) {
        dup2(p[1], 1);
        close(p[0]);
        f->opts.out = stdout;
        f->opts.err = may ? stderr : stdout;
        int status = run_session(&f->cx, &f->o, NULL, NULL, &f->opts);

        if (write(1, ".", 1) != 1)
            status = 9;
        _exit(status);
    }
    close(p[1]);
    read_until(p[0], buf, sizeof(buf), NULL);
    int status = wait_status(pid);

    if (may)
        tap_ok(status == 0 && !strcmp(buf, "shell."), "system() is waited for");
    else
        tap_ok(status != 0 && !strstr(buf, "shell"),
               "system() that the script does not say is refused");
    close(p[0]);
    fx_free(f);
}

int main(void)
{
    order();
    timers();
    errors();
    losses();
    timing();
    signals();
    second_signal();
    blocked_output();
    reader_gone();
    commands();
    shell(true);
    shell(false);
    return tap_done();
}

/*
 * jail_test: what code that a hostile file has taken over can do in a jail: nothing but read what
 * the policy lets it. Each row of the tables is such code, run there by the same way that readers
 * are; what it got is looked at from outside: by the status that /proc has of the child, by the
 * errors that come, by the files that are (not) there.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/bounds.h"
#include "jail/jail.h"
#include "tap.h"

static char top[] = "/tmp/ngstap-jail.XXXXXX";
static struct compile cx;
static char *said; /* messages */
static size_t said_len;
static bool is_root;

/* A path below TOP; of four buffers in turns. */
static char *in_top(const char *name)
{
    static char path[4][PATH_MAX];
    static unsigned turn;
    char *to = path[turn++ % 4];

    snprintf(to, PATH_MAX, "%s/%s", top, name);
    return to;
}

static void write_file(const char *name, const char *text, mode_t mode)
{
    int fd = open(in_top(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (fd < 0 || write(fd, text, strlen(text)) < 0 || fchmod(fd, mode))
        exit(1);
    close(fd);
}

/* ---- starting and asking ---- */

static jail_told *told;

static struct jail *start(const struct jail_policy *p)
{
    struct jail_opts o = {.policy = *p, .told = told};
    const char *why = NULL;
    struct jail *j;

    if (diag_out(cx.diag) != stderr)
        fclose(diag_out(cx.diag));
    free(said);
    said = NULL;
    cx.diag = diag_new(cx.arena, cx.sources, open_memstream(&said, &said_len));
    cx.err = diag_out(cx.diag);
    j = jail_start(&cx, &o, &why);
    if (!j)
        printf("# no jail: %s\n", why);
    return j;
}

static struct jail *start_plain(void)
{
    return start(&(struct jail_policy){.root = -1});
}

static const char *messages(void)
{
    fflush(diag_out(cx.diag));
    return said ? said : "";
}

/* What WORK answers with a number. */
static bool number(struct jail *j, jail_work *work, const char *text, int fd, long *out)
{
    struct jail_question q = {.data = text, .n = text ? strlen(text) + 1 : 0, .fds = {fd, -1}};
    struct jail_answer a;
    bool ok = jail_ask(j, work, &q, &a) && a.n == sizeof(*out);

    if (ok)
        memcpy(out, a.data, sizeof(*out));
    free(a.data);
    if (a.fd >= 0)
        close(a.fd);
    return ok;
}

static bool do_pid(struct jail_question *q, FILE *f);

/* It answers nothing any more. */
static bool is_gone(struct jail *j)
{
    long n;

    return !number(j, do_pid, NULL, -1, &n);
}

static bool answer(FILE *f, long n)
{
    return fwrite(&n, sizeof(n), 1, f) == 1;
}

static bool do_pid(struct jail_question *q, FILE *f)
{
    (void)q;
    return answer(f, getpid());
}

/* ---- what ends the child ---- */

static bool do_exec(struct jail_question *q, FILE *f)
{
    (void)q;
    execl("/bin/sh", "sh", "-c", "echo pwned", (char *)NULL);
    return answer(f, errno);
}

static bool do_socket(struct jail_question *q, FILE *f)
{
    (void)q;
    return answer(f, socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0);
}

static bool do_unix(struct jail_question *q, FILE *f)
{
    (void)q;
    return answer(f, socket(AF_UNIX, SOCK_DGRAM, 0) < 0 ? errno : 0);
}

static bool do_fork(struct jail_question *q, FILE *f)
{
    (void)q;
    return answer(f, fork());
}

static bool do_ptrace(struct jail_question *q, FILE *f)
{
    (void)q;
    return answer(f, ptrace(PTRACE_SEIZE, getppid(), NULL, NULL));
}

static bool do_kill(struct jail_question *q, FILE *f)
{
    (void)q;
    return answer(f, kill(getppid(), SIGKILL));
}

static bool do_memory(struct jail_question *q, FILE *f)
{
    char c;
    struct iovec here = {&c, 1}, there = {(void *)do_memory, 1};

    (void)q;
    return answer(f, process_vm_readv(getppid(), &here, 1, &there, 1, 0));
}

static bool do_setuid(struct jail_question *q, FILE *f)
{
    (void)q;
    return answer(f, setuid(0));
}

static bool do_filter(struct jail_question *q, FILE *f)
{
    (void)q;
    return answer(f, syscall(SYS_seccomp, 0, 0, NULL));
}

static bool do_mount(struct jail_question *q, FILE *f)
{
    (void)q;
    return answer(f, syscall(SYS_mount, "/", "/tmp", NULL, 0, NULL));
}

static const struct {
    const char *name;
    jail_work *work;
} deadly[] = {
    {"execve", do_exec},
    {"a socket", do_socket},
    {"a local socket", do_unix},
    {"fork", do_fork},
    {"ptrace of the parent", do_ptrace},
    {"kill of the parent", do_kill},
    {"the parent's memory", do_memory},
    {"setuid(0)", do_setuid},
    {"another filter", do_filter},
    {"mount", do_mount},
};

static void test_deadly(void)
{
    for (size_t i = 0; i < sizeof(deadly) / sizeof(*deadly); i++) {
        struct jail *j = start_plain();
        long n = 0;

        bounds_file("/some/hostile.so");
        tap_ok(j && !number(j, deadly[i].work, NULL, -1, &n) && is_gone(j) &&
                   strstr(messages(), "reading /some/hostile.so: ") &&
                   strstr(messages(), "(SIGSYS)"),
               "%s ends the child, and the error names the file", deadly[i].name);
        jail_end(j);
    }
    bounds_file("");
}

/* ---- what fails ---- */

static bool do_open(struct jail_question *q, FILE *f)
{
    int fd = open(q->data, O_RDONLY);
    char c;
    long got = fd < 0 ? -errno : read(fd, &c, 1);

    return answer(f, got);
}

static bool do_write(struct jail_question *q, FILE *f)
{
    int fd = open(q->data, O_WRONLY | O_CREAT, 0600);

    return answer(f, fd < 0 ? -errno : write(fd, "x", 1));
}

static bool do_unlink(struct jail_question *q, FILE *f)
{
    return answer(f, unlinkat(AT_FDCWD, q->data, 0) ? -errno : 0);
}

static bool do_mkdir(struct jail_question *q, FILE *f)
{
    return answer(f, mkdir(q->data, 0700) ? -errno : 0);
}

__attribute__((unused)) static bool do_code(struct jail_question *q, FILE *f)
{
    void *p =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)q;
    return answer(f, p == MAP_FAILED ? -errno : 0);
}

static bool do_limit(struct jail_question *q, FILE *f)
{
    struct rlimit r = {RLIM_INFINITY, RLIM_INFINITY};

    (void)q;
    return answer(f, setrlimit(RLIMIT_NPROC, &r) ? -errno : 0);
}

/* Bytes of the descriptor that was handed over. */
static bool do_given(struct jail_question *q, FILE *f)
{
    char c[8];

    return answer(f, pread(q->fds[0], c, sizeof(c), 0));
}

static bool do_write_given(struct jail_question *q, FILE *f)
{
    return answer(f, pwrite(q->fds[0], "x", 1, 0) < 0 ? -errno : 1);
}

/* Out of a root that it was not given: "/" by way of openat2. */
static bool do_forge_root(struct jail_question *q, FILE *f)
{
    struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    int root = open("/", O_RDONLY | O_DIRECTORY);
    long fd = syscall(SYS_openat2, root, q->data, &how, sizeof(how));

    return answer(f, fd < 0 ? -errno : 0);
}

static bool do_parents_files(struct jail_question *q, FILE *f)
{
    char path[64];

    (void)q;
    snprintf(path, sizeof(path), "/proc/%d/environ", (int)getppid());
    return answer(f, open(path, O_RDONLY) < 0 ? -errno : 0);
}

static void expect(struct jail *j, jail_work *work, const char *text, long want, const char *name)
{
    long n = 12345;
    bool ok = number(j, work, text, -1, &n) && n == want;

    if (!tap_ok(ok, "%s", name))
        printf("# got %ld, want %ld%s\n", n, want, is_gone(j) ? "; the child is gone" : "");
}

static void test_files(void)
{
    const char *read[1], *kept[1];
    struct jail_policy p = {.root = -1, .read = read, .n_read = 1};
    struct jail *j;

    if (mkdir(in_top("ours"), 0700) || mkdir(in_top("ours/below"), 0700) ||
        mkdir(in_top("cache"), 0700) || symlink("../secret", in_top("ours/link")) ||
        symlink("/dev/zero", in_top("zero")) || mkfifo(in_top("fifo"), 0644))
        exit(1);
    write_file("ours/below/own", "x", 0600);
    write_file("secret", "x", 0600);
    write_file("open", "x", 0644);
    read[0] = arena_strdup(cx.arena, in_top("ours"));
    kept[0] = arena_strdup(cx.arena, in_top("cache"));
    p.write = kept;
    p.n_write = 1;
    j = start(&p);
    if (!tap_ok(j != NULL, "a jail starts"))
        return;
    expect(j, do_open, in_top("ours/below/own"), 1, "a file below a folder of the policy is read");
    expect(j, do_open, in_top("open"), 1, "a file that anybody may read is read");
    if (is_root) {
        expect(j, do_open, in_top("secret"), -EACCES, "one that only root may read is not");
        expect(j, do_open, in_top("ours/link"), -EACCES,
               "... nor by a link in a folder of the policy");
        expect(j, do_open, in_top("ours/below/../../secret"), -EACCES, "... nor by ..");
        expect(j, do_open, "/etc/shadow", -EACCES, "/etc/shadow is not read");
        expect(j, do_forge_root, "/etc/shadow", -EACCES, "... nor below a root of its own making");
    }
    expect(j, do_open, in_top("fifo"), -EINVAL, "a FIFO is not opened");
    expect(j, do_open, in_top("zero"), -EINVAL, "a device is not opened");
    expect(j, do_open, in_top("none"), -ENOENT, "what is not there is not there");
    expect(j, do_open, "/proc/1/environ", -EACCES, "another process's /proc is not read");
    expect(j, do_parents_files, NULL, -EACCES, "the parent's neither");
    expect(j, do_open, "/proc/iomem", -EACCES, "what only root may know of the machine neither");
    expect(j, do_open, "/proc/self/status", 1, "its own is");
    expect(j, do_write, in_top("open"), -EACCES, "a file is not written");
    expect(j, do_write, in_top("new"), -EACCES, "a file is not made");
    expect(j, do_write, in_top("cache/../new"), -EACCES, "... nor by .. of the cache");
    expect(j, do_write, in_top("cache/kept"), 1, "a file of the cache is");
    expect(j, do_unlink, in_top("cache/kept"), 0, "and is taken away");
    expect(j, do_unlink, in_top("open"), -EACCES, "no other is taken away");
    expect(j, do_mkdir, in_top("folder"), -EACCES, "no folder is made");
#ifndef __SANITIZE_ADDRESS__ /* which needs that itself */
    expect(j, do_code, NULL, -EPERM, "no memory becomes code");
#endif
    expect(j, do_limit, NULL, -EPERM, "no limit is raised");
    tap_ok(!access(in_top("open"), F_OK) && access(in_top("new"), F_OK) &&
               access(in_top("folder"), F_OK) && !is_gone(j),
           "seen from outside nothing has changed, and the child is there");
    jail_end(j);
}

static void test_given(void)
{
    struct jail *j = start(&(struct jail_policy){.closed = true, .root = -1});
    int fd = open(in_top("secret"), O_RDONLY | O_CLOEXEC);
    long n = 0;

    tap_ok(number(j, do_given, NULL, fd, &n) && n == 1, "an open file that is handed over is read");
    tap_ok(number(j, do_write_given, NULL, fd, &n) && n == -EBADF, "but not written");
    expect(j, do_open, in_top("open"), -EACCES,
           "a closed policy opens nothing that anybody may read");
    close(fd);
    jail_end(j);
}

/* Below the folder that was handed over. */
static bool do_in_root(struct jail_question *q, FILE *f)
{
    struct open_how how = {.flags = O_PATH, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    long at = syscall(SYS_openat2, q->fds[0], q->data, &how, sizeof(how));
    char link[64], c;

    if (at < 0)
        return answer(f, -errno);
    snprintf(link, sizeof(link), "/proc/self/fd/%ld", at); /* as target/sysroot.c goes on */
    int fd = open(link, O_RDONLY);

    return answer(f, fd < 0 ? -errno : read(fd, &c, 1));
}

static void expect_below(struct jail *j, int fd, const char *path, long want, const char *name)
{
    long n = 12345;
    bool ok = number(j, do_in_root, path, fd, &n) && n == want;

    if (!tap_ok(ok, "%s", name))
        printf("# got %ld, want %ld\n", n, want);
}

/* As a container's owner has made it: a file of root's, links out of it. */
static void test_root(void)
{
    int root = open(in_top("ours"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int other = open(in_top("cache"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct jail *j = start(&(struct jail_policy){.closed = true, .root = root});

    write_file("cache/file", "x", 0600);
    expect_below(j, root, "/below/own", 1, "below the target's root all files are read");
    expect_below(j, root, "/link", -ENOENT, "a link does not lead out of it");
    expect_below(j, root, "/../secret", -ENOENT, ".. neither");
    expect_below(j, other, "/file", -EACCES, "another folder is no root");
    close(root);
    close(other);
    jail_end(j);
}

/* ---- what it is ---- */

static bool do_stop(struct jail_question *q, FILE *f)
{
    pid_t pid = getpid();
    char c = '!';

    (void)q;
    jail_tell(1, &pid, sizeof(pid), &c, 1, NULL); /* until the parent has looked */
    return answer(f, c);
}

static bool status_has(const char *text, const char *line)
{
    return strstr(text, line) != NULL;
}

/* While the child is at work. */
static void look(void *arg, uint32_t kind, const void *data, size_t n, FILE *reply, int *fd)
{
    char path[64], text[8192] = "";
    pid_t pid = 0;
    FILE *f;

    (void)arg, (void)kind, (void)fd;
    memcpy(&pid, data, n == sizeof(pid) ? n : 0);
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    f = fopen(path, "re");
    if (f && !fread(text, 1, sizeof(text) - 1, f))
        text[0] = 0;
    if (f)
        fclose(f);
    tap_ok(status_has(text, "CapEff:\t0000000000000000") &&
               status_has(text, "CapPrm:\t0000000000000000") &&
               status_has(text, "CapInh:\t0000000000000000") &&
               status_has(text, "CapAmb:\t0000000000000000"),
           "at work it has no capability");
    tap_ok(status_has(text, "NoNewPrivs:\t1") && status_has(text, "Seccomp:\t2"),
           "... no way to new privileges, and a filter");
    if (is_root)
        tap_ok(status_has(text, "CapBnd:\t0000000000000000") &&
                   status_has(text, "Uid:\t65534\t65534\t65534\t65534") &&
                   status_has(text, "Gid:\t65534\t65534\t65534\t65534"),
               "... is nobody, and can get no capability back");
    fputc('k', reply);
}

static void test_status(void)
{
    long n = 0;

    told = look;
    struct jail *j = start_plain();

    told = NULL;
    tap_ok(number(j, do_stop, NULL, -1, &n) && n == 'k', "it went on with the parent's reply");
    jail_end(j);
}

/* ---- crashes, and limits ---- */

static bool do_crash(struct jail_question *q, FILE *f)
{
    signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would report it */
    bounds_file(q->data);
    raise(SIGSEGV);
    return answer(f, 0);
}

static bool do_loop(struct jail_question *q, FILE *f)
{
    bounds_file(q->data);
    while (bounds_ok())
        ;
    return answer(f, 0);
}

static bool do_take(struct jail_question *q, FILE *f)
{
    bounds_file(q->data);
    return bounds_take(BOUND_MEMORY + 1) && answer(f, 0);
}

__attribute__((unused)) static bool do_map(struct jail_question *q, FILE *f)
{
    void *p = mmap(NULL, BOUND_MEMORY * 5, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    (void)q;
    return answer(f, p == MAP_FAILED ? -errno : 0);
}

static bool do_print(struct jail_question *q, FILE *f)
{
    fputs("\033]0;title\007\033[31mred\033[0m \xff\n", stderr);
    return answer(f, 1);
}

static bool do_flood(struct jail_question *q, FILE *f)
{
    (void)f;
    for (long n = 0; n < 100000; n++)
        fprintf(stderr, "line %ld of too many\n", n);
    return answer(f, 1);
}

static void test_broken(void)
{
    struct jail *j = start_plain();
    long n = 0;

    tap_ok(
        !number(j, do_crash, "/lib/libcrash.so", -1, &n) && is_gone(j) &&
            strstr(messages(), "error: reading /lib/libcrash.so: the reader crashed (SIGSEGV)") &&
            strstr(messages(), "hint: "),
        "a crash is an error that names the file in hand");
    tap_ok(!number(j, do_print, NULL, -1, &n), "... and nothing is asked any more");
    jail_end(j);

    j = start_plain();
    tap_ok(
        !number(j, do_take, "/lib/liblarge.so", -1, &n) && !is_gone(j) &&
            strstr(messages(), "reading /lib/liblarge.so: it takes more than 2048 MiB of memory"),
        "so is a bound of memory");
#ifndef __SANITIZE_ADDRESS__
    expect(j, do_map, NULL, -ENOMEM, "memory that nobody counts ends, too");
#endif
    jail_end(j);

    j = start_plain();
    n = 0;
    tap_ok(number(j, do_print, NULL, -1, &n) && strstr(messages(), "\033[31mred\033[0m") &&
               !strstr(messages(), "\033]") && strstr(messages(), "\\xff"),
           "what it says is made clean, but for colours");
    tap_ok(number(j, do_flood, NULL, -1, &n) && strstr(messages(), "line 99999 of"),
           "much of it comes whole");
    tap_ok(number(j, do_pid, NULL, -1, &n) && !kill((pid_t)n, SIGKILL), "it is there");
    tap_ok(!number(j, do_print, NULL, -1, &n) && strstr(messages(), "was killed"),
           "a child that was killed is told of");
    jail_end(j);
}

static bool do_sleep(struct jail_question *q, FILE *f)
{
    bounds_file(q->data);
    for (;;) /* it stirs, so that somebody may think that it works */
        usleep(100000);
    return answer(f, 0);
}

static bool do_trickle(struct jail_question *q, FILE *f)
{
    bounds_file(q->data);
    for (;;) {
        fputs("a\n", stderr);
        usleep(500000);
    }
    return answer(f, 0);
}

static void test_clock(const char *name, jail_work *work, const char *file)
{
    struct jail *j = start_plain();
    time_t begun = time(NULL);
    long n = 0;
    bool ok = !number(j, work, file, -1, &n) && is_gone(j) && strstr(messages(), file) &&
              strstr(messages(), "the reader does not answer");

    tap_ok(ok && time(NULL) - begun < 3 * JAIL_SILENT_SECONDS, "%s", name);
    jail_end(j);
}

static void test_time(void)
{
    struct jail *j = start_plain();
    long n = 0;

    tap_ok(!number(j, do_loop, "/lib/libslow.so", -1, &n) &&
               strstr(messages(), "reading /lib/libslow.so: it takes more than 30 s"),
           "so is a bound of time");
    jail_end(j);
    test_clock("a child that sleeps is ended by the clock", do_sleep, "/lib/libsleep.so");
    test_clock("... and one that only talks", do_trickle, "/lib/libtalk.so");
}

int main(int argc, char **argv)
{
    const char *why = NULL;

    cx.arena = arena_new();
    cx.sources = sources_new(cx.arena);
    cx.diag = diag_new(cx.arena, cx.sources, stderr);
    cx.err = stderr;
    is_root = geteuid() == 0;
    if (!mkdtemp(top) || chmod(top, 0755))
        return 1;
    struct jail *j = jail_start(&cx, &(struct jail_opts){.policy = {.root = -1}}, &why);

    if (!j) {
        printf("1..0 # SKIP %s\n", why);
        return 0;
    }
    jail_end(j);
    test_files();
    test_given();
    test_root();
    test_status();
    test_deadly();
    test_broken();
    if (argc > 1 && !strcmp(argv[1], "--slow"))
        test_time();

    char remove[64];

    snprintf(remove, sizeof(remove), "rm -rf %s", top);
    if (system(remove))
        printf("# %s is left\n", top);
    return tap_done();
}

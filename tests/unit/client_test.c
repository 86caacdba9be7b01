/*
 * client_test: what a client of servers can do that a server has taken over (jail/client.h): write
 * to its cache and to servers, read what names of hosts and certificates take, and nothing else.
 * Each row is tried by a fork that has become one, and first by one that has not, so that a row
 * that fails for another reason is seen.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jail/client.h"
#include "tap.h"

static char top[] = "/tmp/ngstap-client.XXXXXX", cache[64], other[64], named[64], secret[64];
static int held; /* a descriptor that is not the client's */
static pid_t bystander;

static bool makes(const char *folder)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%d", folder, (int)getpid());
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

    return fd >= 0 && write(fd, "x", 1) == 1 && !ftruncate(fd, 0) && !close(fd) && !unlink(path);
}

static bool reads(const char *path)
{
    char byte;
    int fd = open(path, O_RDONLY);

    return fd >= 0 && read(fd, &byte, 1) == 1;
}

static bool writes_cache(void)
{
    char folder[128], from[160], to[160];

    snprintf(folder, sizeof(folder), "%s/%d", cache, (int)getpid());
    snprintf(from, sizeof(from), "%s/part", folder);
    snprintf(to, sizeof(to), "%s/whole", folder);
    return makes(cache) && !mkdir(folder, 0700) && !close(open(from, O_WRONLY | O_CREAT, 0600)) &&
           !rename(from, to) && !unlink(to) && !rmdir(folder);
}

static bool reads_named(void)
{
    return reads(named);
}

static bool reads_names(void)
{
    return reads("/etc/nsswitch.conf") || reads("/etc/hosts");
}

static bool connects(void)
{
    int server = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(at);

    return !bind(server, (struct sockaddr *)&at, n) && !listen(server, 1) &&
           !getsockname(server, (struct sockaddr *)&at, &n) &&
           !connect(fd, (struct sockaddr *)&at, n);
}

static void *nothing(void *arg)
{
    return arg;
}

static bool has_threads(void)
{
    pthread_t t;

    return !pthread_create(&t, NULL, nothing, NULL) && !pthread_join(t, NULL);
}

static bool writes_elsewhere(void)
{
    return makes(other);
}

static bool reads_secret(void)
{
    return reads(secret);
}

static bool uses_descriptor(void)
{
    return write(held, "x", 1) == 1;
}

static bool runs(void)
{
    pid_t pid = fork();
    int status = 1;

    if (!pid) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    return waitpid(pid, &status, 0) == pid && !status;
}

static bool signals(void)
{
    return !kill(bystander, SIGCONT);
}

static bool looks_into(void)
{
    return !ptrace(PTRACE_SEIZE, bystander, NULL, NULL);
}

static bool mounts(void)
{
    return !unshare(CLONE_NEWNS) && !mount("none", other, "tmpfs", 0, NULL);
}

static bool has_bpf(void)
{
    return syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0) >= 0 || errno == EFAULT;
}

static bool makes_device(void)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/device", cache);
    return !mknod(path, S_IFCHR | 0600, 0x103) && !unlink(path);
}

enum { LANDLOCK = 1, ROOT = 2 }; /* what a row takes: of the kernel, of who runs this */

static const struct {
    bool (*tries)(void);
    bool may;
    unsigned takes;
    const char *what;
} rows[] = {
    {writes_cache, true, 0, "writes below its cache"},
    {reads_named, true, 0, "reads a file that it was given"},
    {reads_names, true, 0, "reads where names of hosts are"},
    {connects, true, 0, "has the network"},
    {has_threads, true, 0, "has threads"},
    {writes_elsewhere, false, LANDLOCK, "writes elsewhere"},
    {reads_secret, false, LANDLOCK, "reads what is not its own"},
    {uses_descriptor, false, 0, "has its parent's descriptors"},
    {runs, false, 0, "runs programs"},
    {signals, false, 0, "ends processes"},
    {looks_into, false, 0, "looks into processes"},
    {mounts, false, ROOT, "mounts"},
    {has_bpf, false, 0, "has events of the kernel"},
    {makes_device, false, ROOT, "makes devices"},
};

/* 1: it worked, 0: it did not, or that was its end. */
static int try(bool (*tries)(void), bool lock)
{
    const char *const read_v[] = {NULL, named}, *const write_v[] = {cache};
    const struct client_paths read = {read_v, 2}, write = {write_v, 1};
    int status;
    pid_t pid = fork();

    if (!pid) {
        if (lock && !client_lock(&read, &write, -1))
            _exit(2);
        _exit(tries() ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
        return -1;
    return !status;
}

/* linux/landlock.h: landlock_create_ruleset(2)'s question for a version. */
static bool has_landlock(void)
{
    return syscall(444, NULL, 0, 1) > 0;
}

/* Of a fork that waits, by /proc: it cannot look itself. */
static bool is_bare(void)
{
    const struct client_paths none = {NULL, 0};
    char path[64], line[256], byte;
    unsigned long long caps;
    int found = 0, n, ends[2];

    if (pipe(ends))
        return false;
    pid_t pid = fork();

    if (!pid) {
        if (client_lock(&none, &none, ends[1]) && write(ends[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    close(ends[1]);
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *f = read(ends[0], &byte, 1) == 1 ? fopen(path, "re") : NULL;

    while (f && fgets(line, sizeof(line), f)) {
        found += sscanf(line, "CapEff: %llx", &caps) == 1 && !caps;
        found += sscanf(line, "CapPrm: %llx", &caps) == 1 && !caps;
        found += sscanf(line, "CapBnd: %llx", &caps) == 1 && (!caps || geteuid() != 0);
        found += sscanf(line, "NoNewPrivs: %d", &n) == 1 && n == 1;
        found += sscanf(line, "Seccomp: %d", &n) == 1 && n == 2;
    }
    if (f)
        fclose(f);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(ends[0]);
    return found == 5;
}

int main(void)
{
    if (!mkdtemp(top))
        return 1;
    snprintf(cache, sizeof(cache), "%s/cache", top);
    snprintf(other, sizeof(other), "%s/other", top);
    snprintf(named, sizeof(named), "%s/named", top);
    snprintf(secret, sizeof(secret), "%s/secret", top);
    mkdir(cache, 0700);
    mkdir(other, 0700);
    held = open(named, O_RDWR | O_CREAT, 0600);
    if (held < 0 || write(held, "named", 5) != 5)
        return 1;
    int fd = open(secret, O_WRONLY | O_CREAT, 0600);

    if (fd < 0 || write(fd, "secret", 6) != 6)
        return 1;
    close(fd);
    bystander = fork();
    if (!bystander) {
        alarm(60);
        for (;;)
            pause();
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (rows[i].takes == LANDLOCK && !has_landlock()) {
            tap_skip(rows[i].what, "the kernel has no landlock");
            continue;
        }
        if (rows[i].takes == ROOT && geteuid() != 0) {
            tap_skip(rows[i].what, "needs root");
            continue;
        }
        bool plain = try(rows[i].tries, false) == 1;

        tap_ok(plain, "anybody %s", rows[i].what);
        tap_ok(try(rows[i].tries, true) == rows[i].may, "... a client %s",
               rows[i].may ? "does" : "does not");
    }
    tap_ok(is_bare(), "it has no capability, and its filter");
    kill(bystander, SIGKILL);
    waitpid(bystander, NULL, 0);
    unlink(named);
    unlink(secret);
    rmdir(cache);
    rmdir(other);
    rmdir(top);
    return tap_done();
}

/*
 * lock: takes a child's privileges away, but for the calls (filter.c). Enters: a fresh fork;
 * leaves: no capability in any set, a user of nobody's, an empty root, landlock over all paths,
 * limits that no honest reader comes near. Each of these stops what another already does: where one
 * lacks, the others hold. A client of servers (client.h) keeps its user and the paths that it
 * names.
 */
#include "jail/client.h"
#include "jail/filter.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bounds.h"

/* The overflow user: owns no file, runs no service by custom. */
enum { NOBODY = 65534, DESCRIPTORS = 4096 + 512 /* the target's modules are open in it */ };

/* linux/landlock.h, Linux 5.13 and later; older headers lack it. */
enum {
    LANDLOCK_CREATE = 444,
    LANDLOCK_ADD = 445,
    LANDLOCK_RESTRICT = 446,
    LANDLOCK_VERSION = 1,
    LANDLOCK_BENEATH = 1,
};
struct landlock_ruleset {
    uint64_t files, net, scoped;
};
struct landlock_beneath {
    uint64_t files;
    int32_t fd;
} __attribute__((packed));

/* Kinds of access: what a file may have, reading it or a folder; writing takes all but to run, and
 * to make what is neither file nor folder. */
enum {
    OF_FILES = 1 << 1 | 1 << 2 | 1 << 14,
    READS = 1 << 2 | 1 << 3,
    WRITES = READS | 1 << 1 | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 13 | 1 << 14,
};

/* What is not there needs no leave. */
static void allow_paths(int ruleset, const struct client_paths *p, uint64_t access)
{
    struct stat st;

    for (uint32_t i = 0; i < p->n; i++) {
        struct landlock_beneath rule = {access, open(p->v[i], O_PATH | O_CLOEXEC)};

        if (rule.fd < 0)
            continue;
        if (!fstat(rule.fd, &st)) {
            rule.files &= S_ISDIR(st.st_mode) ? UINT64_MAX : OF_FILES;
            syscall(LANDLOCK_ADD, ruleset, LANDLOCK_BENEATH, &rule, 0);
        }
        close(rule.fd);
    }
}

/* Nothing below any folder but what READ and WRITE name; both NULL: nothing, and no network. */
static void restrict_paths(const struct client_paths *read, const struct client_paths *write)
{
    static const unsigned bits[] = {13, 13, 14, 15, 15, 16}; /* kinds of access by version */
    long version = syscall(LANDLOCK_CREATE, NULL, 0, LANDLOCK_VERSION);

    if (version < 1)
        return;
    struct landlock_ruleset all = {
        .files = (UINT64_C(1) << bits[version < 5 ? version : 5]) - 1,
        .net = version >= 4 && !read ? 3 : 0, /* bind, connect */
        .scoped = version >= 6 ? 3 : 0,       /* abstract sockets, signals */
    };
    size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
    int fd = (int)syscall(LANDLOCK_CREATE, &all, size, 0);

    if (fd < 0)
        return;
    if (read)
        allow_paths(fd, read, READS & all.files);
    if (write)
        allow_paths(fd, write, WRITES & all.files);
    syscall(LANDLOCK_RESTRICT, fd, 0);
    close(fd);
}

/* A folder that the kernel keeps, and keeps empty of names to follow once its process is gone. */
static void empty_root(void)
{
    if (!chroot("/proc/self/fdinfo"))
        if (chdir("/"))
            _exit(1);
}

static void limit(int what, rlim_t most)
{
    struct rlimit r;

    if (getrlimit((__rlimit_resource_t)what, &r))
        return;
    if (r.rlim_max == RLIM_INFINITY || r.rlim_max > most)
        r.rlim_max = most;
    if (r.rlim_cur == RLIM_INFINITY || r.rlim_cur > r.rlim_max)
        r.rlim_cur = r.rlim_max;
    setrlimit((__rlimit_resource_t)what, &r);
}

/* Those that a program could get by being executed. Takes CAP_SETPCAP: before the others go. */
static void bound_capabilities(void)
{
    for (int cap = 0; cap < 64 && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

static bool drop_capabilities(void)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0}};

    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return !syscall(SYS_capset, &head, none);
}

bool lock_down(bool drop_user)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return false;
    empty_root();
    bound_capabilities();
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, (rlim_t)1 << 30);
    limit(RLIMIT_NOFILE, DESCRIPTORS);
    limit(RLIMIT_MEMLOCK, 0);
    limit(RLIMIT_MSGQUEUE, 0);
    if (!SANITIZED) {
        limit(RLIMIT_AS, (rlim_t)BOUND_MEMORY * 4);
        limit(RLIMIT_DATA, (rlim_t)BOUND_MEMORY * 2);
    }
    if (drop_user) {
        gid_t nobody = NOBODY;

        if (setgroups(0, NULL) || setresgid(nobody, nobody, nobody) ||
            setresuid(NOBODY, NOBODY, NOBODY))
            return false;
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of user has cleared it */
    }
    limit(RLIMIT_NPROC, 0);
    restrict_paths(NULL, NULL);
    return drop_capabilities();
}

bool lock_client(const struct client_paths *read, const struct client_paths *write)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return false;
    bound_capabilities();
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, (rlim_t)8 << 30);
    limit(RLIMIT_MEMLOCK, 0);
    if (!SANITIZED)
        limit(RLIMIT_DATA, (rlim_t)BOUND_MEMORY);
    restrict_paths(read, write);
    return drop_capabilities() && filter_client();
}

/*
 * lock: takes a child's privileges away, but for the calls (filter.c). Enters: a fresh fork;
 * leaves: no capability in any set, a user of nobody's, an empty root, landlock over all paths,
 * limits that no honest reader comes near. Each of these stops what another already does: where one
 * lacks, the others hold.
 */
#include "jail/filter.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bounds.h"

/* The overflow user: owns no file, runs no service by custom. */
enum { NOBODY = 65534, DESCRIPTORS = 4096 + 512 /* the target's modules are open in it */ };

/* linux/landlock.h, Linux 5.13 and later; older headers lack it. */
enum { LANDLOCK_CREATE = 444, LANDLOCK_RESTRICT = 446, LANDLOCK_VERSION = 1 };
struct landlock_ruleset {
    uint64_t files, net, scoped;
};

/* Nothing below any folder: there is no rule that would allow something. */
static void deny_paths(void)
{
    static const unsigned bits[] = {13, 13, 14, 15, 15, 16}; /* kinds of access by version */
    long version = syscall(LANDLOCK_CREATE, NULL, 0, LANDLOCK_VERSION);

    if (version < 1)
        return;
    struct landlock_ruleset all = {
        .files = (UINT64_C(1) << bits[version < 5 ? version : 5]) - 1,
        .net = version >= 4 ? 3 : 0,    /* bind, connect */
        .scoped = version >= 6 ? 3 : 0, /* abstract sockets, signals */
    };
    size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
    int fd = (int)syscall(LANDLOCK_CREATE, &all, size, 0);

    if (fd < 0)
        return;
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
    deny_paths();
    return drop_capabilities();
}

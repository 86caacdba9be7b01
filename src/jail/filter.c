/*
 * filter: the table of system calls that a jail may make. Enters: nothing; leaves: a seccomp filter
 * in force, and the descriptor by which the parent answers calls that name files (Linux 5.9:
 * SECCOMP_RET_USER_NOTIF with descriptors handed back). What no honest reader does ends the child
 * (SIGSYS), so that it is noticed; any other call fails (EPERM).
 *
 * Descriptors that the child holds were given to it, so what works on descriptors is allowed: what
 * it can write to is its pipes, and memory that it made.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "jail/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/arch.h"

/* linux/audit.h: AUDIT_ARCH_*. */
static uint32_t this_machine(void)
{
    const struct arch *a = arch_native();
    const bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;

    return a ? a->machine | __AUDIT_ARCH_64BIT | (little ? __AUDIT_ARCH_LE : 0) : 0;
}

/* What is done with a call. CLEAR: allowed if none of BITS is set in argument ARG, EQUAL: if it is
 * BITS; SELF and SOCK: if it is the process, the channel. ASK: the parent carries it out, PATH: but
 * for those with AT_EMPTY_PATH, which are about a descriptor. NET: KILL, but a client of servers
 * may do it. */
enum act { ALLOW, CLEAR, EQUAL, SELF, SOCK, ASK, PATH, ABSENT, KILL, NET };

struct row {
    int call;
    enum act act;
    unsigned arg;
    uint32_t bits;
};

static const struct row table[] = {
    /* by far the most first */
    {SYS_pread64, ALLOW, 0, 0},
    {SYS_read, ALLOW, 0, 0},
    {SYS_mmap, CLEAR, 2, SANITIZED ? 0 : PROT_EXEC},
    {SYS_munmap, ALLOW, 0, 0},
    {SYS_brk, ALLOW, 0, 0},
    {SYS_close, ALLOW, 0, 0},
    {SYS_newfstatat, PATH, 3, AT_EMPTY_PATH},
    {SYS_fstat, ALLOW, 0, 0},
    {SYS_fstatfs, ALLOW, 0, 0},
    {SYS_lseek, ALLOW, 0, 0},
    {SYS_fcntl, ALLOW, 0, 0},
    /* of descriptors */
    {SYS_readv, ALLOW, 0, 0},
    {SYS_preadv, ALLOW, 0, 0},
    {SYS_write, ALLOW, 0, 0},
    {SYS_writev, ALLOW, 0, 0},
    {SYS_pwrite64, ALLOW, 0, 0},
    {SYS_ftruncate, ALLOW, 0, 0},
    {SYS_flock, ALLOW, 0, 0},
    {SYS_fsync, ALLOW, 0, 0},
    {SYS_memfd_create, ALLOW, 0, 0},
    {SYS_dup, ALLOW, 0, 0},
    {SYS_dup3, ALLOW, 0, 0},
    {SYS_getdents64, ALLOW, 0, 0},
    {SYS_sendto, SOCK, 0, 0},
    {SYS_sendmsg, SOCK, 0, 0},
    {SYS_recvfrom, SOCK, 0, 0},
    {SYS_recvmsg, SOCK, 0, 0},
    {SYS_ppoll, ALLOW, 0, 0},
    /* of memory */
    {SYS_mprotect, CLEAR, 2, SANITIZED ? 0 : PROT_EXEC},
    {SYS_mremap, ALLOW, 0, 0},
    {SYS_madvise, ALLOW, 0, 0},
    {SYS_futex, ALLOW, 0, 0},
    /* of time */
    {SYS_clock_gettime, ALLOW, 0, 0},
    {SYS_gettimeofday, ALLOW, 0, 0},
    {SYS_timer_create, ALLOW, 0, 0},
    {SYS_timer_settime, ALLOW, 0, 0},
    {SYS_timer_delete, ALLOW, 0, 0},
    {SYS_clock_nanosleep, ALLOW, 0, 0},
    /* of the process itself */
    {SYS_exit, ALLOW, 0, 0},
    {SYS_exit_group, ALLOW, 0, 0},
    {SYS_rt_sigaction, ALLOW, 0, 0},
    {SYS_rt_sigprocmask, ALLOW, 0, 0},
    {SYS_rt_sigreturn, ALLOW, 0, 0},
    {SYS_sigaltstack, ALLOW, 0, 0},
    {SYS_restart_syscall, ALLOW, 0, 0},
    {SYS_tgkill, SELF, 0, 0},
    {SYS_getpid, ALLOW, 0, 0},
    {SYS_gettid, ALLOW, 0, 0},
    {SYS_getppid, ALLOW, 0, 0},
    {SYS_umask, ALLOW, 0, 0},
    {SYS_uname, ALLOW, 0, 0},
    {SYS_sysinfo, ALLOW, 0, 0},
    {SYS_getrandom, ALLOW, 0, 0},
    {SYS_getrlimit, ALLOW, 0, 0},
    {SYS_setrlimit, ALLOW, 0, 0},
    {SYS_prlimit64, EQUAL, 0, 0},
    {SYS_getrusage, ALLOW, 0, 0},
    {SYS_sched_yield, ALLOW, 0, 0},
    {SYS_sched_getaffinity, ALLOW, 0, 0},
    {SYS_capget, ALLOW, 0, 0},
    /* what names files, or asks who the parent is */
    {SYS_openat, ASK, 0, 0},
    {SYS_openat2, ASK, 0, 0},
    {SYS_readlinkat, ASK, 0, 0},
    {SYS_faccessat, ASK, 0, 0},
    {SYS_faccessat2, ASK, 0, 0},
    {SYS_mkdirat, ASK, 0, 0},
    {SYS_unlinkat, ASK, 0, 0},
    {SYS_renameat2, ASK, 0, 0},
    {SYS_linkat, ASK, 0, 0},
    {SYS_utimensat, ASK, 0, 0},
    {SYS_getcwd, ASK, 0, 0},
    {SYS_geteuid, ASK, 0, 0},
    {SYS_getuid, ASK, 0, 0},
#ifdef SYS_renameat
    {SYS_renameat, ASK, 0, 0},
#endif
#ifdef SYS_open /* machines older than the calls with "at" */
    {SYS_dup2, ALLOW, 0, 0},
    {SYS_poll, ALLOW, 0, 0},
    {SYS_time, ALLOW, 0, 0},
    {SYS_open, ASK, 0, 0},
    {SYS_stat, ASK, 0, 0},
    {SYS_lstat, ASK, 0, 0},
    {SYS_readlink, ASK, 0, 0},
    {SYS_access, ASK, 0, 0},
    {SYS_mkdir, ASK, 0, 0},
    {SYS_unlink, ASK, 0, 0},
    {SYS_fork, KILL, 0, 0},
    {SYS_vfork, KILL, 0, 0},
#endif
    {SYS_bpf, ABSENT, 0, 0},   /* libbpf tries what the kernel knows, reading types from a file */
    {SYS_statx, ABSENT, 0, 0}, /* the C library then takes newfstatat */
    /* what no reader does */
    {SYS_execve, KILL, 0, 0},
    {SYS_execveat, KILL, 0, 0},
    {SYS_clone, NET, 0, 0},
    {SYS_clone3, NET, 0, 0},
    {SYS_socket, NET, 0, 0},
    {SYS_socketpair, NET, 0, 0},
    {SYS_connect, NET, 0, 0},
    {SYS_bind, NET, 0, 0},
    {SYS_ptrace, KILL, 0, 0},
    {SYS_process_vm_readv, KILL, 0, 0},
    {SYS_process_vm_writev, KILL, 0, 0},
    {SYS_kill, KILL, 0, 0},
    {SYS_tkill, KILL, 0, 0},
    {SYS_perf_event_open, KILL, 0, 0},
    {SYS_mount, KILL, 0, 0},
    {SYS_unshare, KILL, 0, 0},
    {SYS_setns, KILL, 0, 0},
    {SYS_setuid, KILL, 0, 0},
    {SYS_setresuid, KILL, 0, 0},
    {SYS_capset, KILL, 0, 0},
    {SYS_init_module, KILL, 0, 0},
    {SYS_finit_module, KILL, 0, 0},
    {425 /* io_uring_setup, the same everywhere */, KILL, 0, 0},
    {SYS_seccomp, KILL, 0, 0},
    {SYS_userfaultfd, KILL, 0, 0},
    {SYS_keyctl, KILL, 0, 0},
};

enum { ROWS = sizeof(table) / sizeof(*table), CODE_MAX = 16 + 5 * ROWS };

struct code {
    struct sock_filter v[CODE_MAX];
    unsigned short n;
};

static void put(struct code *c, uint16_t op, uint8_t yes, uint8_t no, uint32_t k)
{
    c->v[c->n++] = (struct sock_filter)BPF_JUMP(op, k, yes, no);
}

static void load(struct code *c, size_t at)
{
    put(c, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)at);
}

/* The lower half: all arguments that are tested are ints, flags or protections, of which the upper
 * half means nothing. */
static size_t at_arg(unsigned arg)
{
    return offsetof(struct seccomp_data, args) + 8 * arg +
           (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0);
}

static void ret(struct code *c, uint32_t what)
{
    put(c, BPF_RET | BPF_K, 0, 0, what);
}

static void put_row(struct code *c, const struct row *r, int sock)
{
    const uint32_t refuse = SECCOMP_RET_ERRNO | EPERM;
    bool tests_bits = r->act == CLEAR || r->act == PATH;
    uint32_t wanted = r->act == SELF   ? (uint32_t)getpid()
                      : r->act == SOCK ? (uint32_t)sock
                                       : r->bits;

    switch (r->act) {
    case ALLOW:
    case ASK:
    case ABSENT:
    case KILL:
    case NET: {
        static const uint32_t does[] = {[ALLOW] = SECCOMP_RET_ALLOW,
                                        [ASK] = SECCOMP_RET_USER_NOTIF,
                                        [ABSENT] = SECCOMP_RET_ERRNO | ENOSYS,
                                        [KILL] = SECCOMP_RET_KILL_PROCESS,
                                        [NET] = SECCOMP_RET_KILL_PROCESS};

        put(c, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (uint32_t)r->call);
        ret(c, does[r->act]);
        return;
    }
    default:
        put(c, BPF_JMP | BPF_JEQ | BPF_K, 0, 4, (uint32_t)r->call);
        load(c, at_arg(r->arg));
        put(c, (uint16_t)(BPF_JMP | BPF_K | (tests_bits ? BPF_JSET : BPF_JEQ)), 0, 1, wanted);
        ret(c, r->act == CLEAR ? refuse : SECCOMP_RET_ALLOW);
        ret(c, r->act == CLEAR  ? SECCOMP_RET_ALLOW
               : r->act == PATH ? SECCOMP_RET_USER_NOTIF
                                : refuse);
    }
}

static bool begin(struct code *c)
{
    c->n = 0;
    if (!this_machine()) {
        errno = ENOSYS;
        return false;
    }
    load(c, offsetof(struct seccomp_data, arch));
    put(c, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, this_machine());
    ret(c, SECCOMP_RET_KILL_PROCESS);
    load(c, offsetof(struct seccomp_data, nr));
    return true;
}

bool filter_client(void)
{
    struct code c;
    struct sock_fprog program = {.filter = c.v};

    if (!begin(&c))
        return false;
    put(&c, BPF_JMP | BPF_JGE | BPF_K, 0, 1, 0x40000000); /* x32's numbers are other calls' */
    ret(&c, SECCOMP_RET_KILL_PROCESS);
    for (int i = 0; i < ROWS; i++)
        if (table[i].act == KILL)
            put_row(&c, &table[i], -1);
    ret(&c, SECCOMP_RET_ALLOW);
    program.len = c.n;
    return !syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

int filter_install(int sock)
{
    struct code c; /* x32's numbers are in no row */
    struct sock_fprog program = {.filter = c.v};

    if (!begin(&c))
        return -1;
    for (int i = 0; i < ROWS; i++)
        put_row(&c, &table[i], sock);
    ret(&c, SECCOMP_RET_ERRNO | EPERM);
    program.len = c.n;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return -1;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                        &program);
}

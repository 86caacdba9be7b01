/*
 * calls: system calls whose arguments and results are known. "calls say": each is told on standard
 * error as SystemTap's tapset has it; "calls old N": getsid(0) N times by the convention for 32
 * bits, out of a program of 64; "calls tree N": N children that call, one getsid more than the one
 * before; "calls many N": getsid(0) N times; "calls serve W N": a master whose W workers do that,
 * one more than the one before, when each has got a byte; their pids are printed first.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[64] = "/dev/null", absent[64] = "/no/such/file", text[64] = "hello\nyou";
static char buffer[4096]; /* what is touched is there to be read at once */

static long result(long value)
{
    return value; /* glibc's -1; the kernel's result is told by who checks */
}

static void say(void)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);

    fprintf(stderr, "openat AT_FDCWD, \"/dev/null\", O_RDWR|O_CLOEXEC = %d\n", fd);
    fprintf(stderr, "write %d, \"hello\\nyou\", 9 = %ld\n", fd,
            result(syscall(SYS_write, fd, text, 9)));
    fprintf(stderr, "read %d, 0x%lx, 7 = %ld\n", fd, (unsigned long)buffer,
            result(syscall(SYS_read, fd, buffer, 7)));
    fprintf(stderr, "lseek %d, -5, 1 = %ld\n", fd, result(syscall(SYS_lseek, fd, -5L, SEEK_CUR)));
    fprintf(stderr, "pread %d, 0x%lx, 3, 77 = %ld\n", fd, (unsigned long)buffer,
            result(syscall(SYS_pread64, fd, buffer, 3, 77L)));
    syscall(SYS_openat, -100, absent, O_RDONLY, 0);
    fprintf(stderr, "openat AT_FDCWD, \"/no/such/file\", O_RDONLY = -2 (ENOENT)\n");
    syscall(SYS_openat, fd, absent + 1, O_CREAT | O_WRONLY, 0640);
    fprintf(stderr, "openat %d, \"no/such/file\", O_WRONLY|O_CREAT, 0640 = -20 (ENOTDIR)\n", fd);
    int family = AF_UNIX, s = (int)syscall(SYS_socket, family, SOCK_STREAM, 0);

    fprintf(stderr, "socket 1, 0x1, 0 = %d\n", s);
    fprintf(stderr, "fcntl %d, 1, 0x0 = %ld\n", s, result(syscall(SYS_fcntl, s, F_GETFD, 0)));
    syscall(SYS_sendto, s, text, 5, MSG_NOSIGNAL, NULL, 0);
    fprintf(stderr, "sendto %d, \"hello\", 5, 0x4000, 0x0, 0 = -107 (ENOTCONN)\n", s);
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(65000)};

    peer.sin_addr.s_addr = htonl(0x7f000102);
    syscall(SYS_connect, s, &peer, sizeof(peer));
    fprintf(stderr, "connect %d, {AF_INET, 127.0.1.2, 65000}, %zu = -22 (EINVAL)\n", s,
            sizeof(peer));
    struct sockaddr_in6 peer6 = {.sin6_family = AF_INET6, .sin6_port = htons(8)};

    peer6.sin6_addr.s6_addr[0] = 0xfe;
    peer6.sin6_addr.s6_addr[15] = 0x1f;
    syscall(SYS_connect, s, &peer6, sizeof(peer6));
    fprintf(stderr, "connect %d, {AF_INET6, fe00:0:0:0:0:0:0:1f, 8}, %zu = -22 (EINVAL)\n", s,
            sizeof(peer6));
    struct sockaddr_un here = {.sun_family = AF_UNIX, .sun_path = "/no/such"};

    syscall(SYS_connect, s, &here, 11);
    fprintf(stderr, "connect %d, {AF_UNIX, /no/such}, 11 = -2 (ENOENT)\n", s);
    syscall(SYS_close, s);
    fprintf(stderr, "close %d = 0\n", s);
    long at = syscall(SYS_mmap, 0, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    fprintf(stderr, "mmap2 0x0, 8192, 0x1, 0x22, -1, 0x0 = 0x%lx\n", at);
    syscall(SYS_munmap, at, 8192);
    fprintf(stderr, "munmap 0x%lx, 8192 = 0\n", at);
    fprintf(stderr, "umask 022 = 0%lo\n", result(syscall(SYS_umask, 022)));
    syscall(SYS_kill, -77777777, 0);
    fprintf(stderr, "kill -77777777, 0 = -3 (ESRCH)\n");
    syscall(SYS_unlinkat, AT_FDCWD, absent, 0);
    fprintf(stderr, "unlinkat AT_FDCWD, \"/no/such/file\", 0x0 = -2 (ENOENT)\n");
    syscall(SYS_openat, AT_FDCWD, (char *)8, O_RDONLY, 0);
    fprintf(stderr, "openat AT_FDCWD, 0x8, O_RDONLY = -14 (EFAULT)\n");
}

static void many(long n)
{
    for (long i = 0; i < n; i++)
        syscall(SYS_getsid, 0, i);
}

/* getsid is 147 of i386, which is sched_get_priority_min of x86-64. */
static void old(long n)
{
    for (long i = 0; i < n; i++) {
#ifdef __x86_64__
        long number = 147, nothing = 0;

        __asm__ volatile("int $0x80" : "+a"(number) : "b"(nothing), "c"(i) : "memory");
#endif
    }
}

static void tree(long n)
{
    for (long i = 0; i < n; i++) {
        pid_t child = fork();

        if (!child) {
            many(10 + i);
            say();
            _exit((int)i);
        }
        waitpid(child, NULL, 0);
    }
}

static void serve(long workers, long n)
{
    for (long i = 0; i < workers; i++) {
        pid_t child = fork();

        if (!child) {
            if (read(0, buffer, 1) != 1)
                _exit(1);
            many(n + i);
            _exit(0);
        }
        printf("%d\n", child);
    }
    fflush(stdout);
    while (wait(NULL) > 0)
        ;
}

int main(int argc, char **argv)
{
    long n = argc > 2 ? atol(argv[2]) : 0;

    memset(buffer, 0, sizeof(buffer));
    if (argc < 2)
        return 1;
    if (!strcmp(argv[1], "say"))
        say();
    if (!strcmp(argv[1], "old"))
        old(n);
    if (!strcmp(argv[1], "tree"))
        tree(n);
    if (!strcmp(argv[1], "many"))
        many(n);
    if (!strcmp(argv[1], "serve") && argc > 3)
        serve(n, atol(argv[3]));
    return 0;
}

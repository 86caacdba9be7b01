/*
 * Does what the kernel has events for, and prints how often it did. begin_here() and end_here() are
 * called around it, for probes.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((noinline)) void begin_here(void)
{
    __asm__ volatile("");
}

__attribute__((noinline)) void end_here(void)
{
    __asm__ volatile("");
}

static long switches(void)
{
    struct rusage u;

    getrusage(RUSAGE_THREAD, &u);
    return u.ru_nvcsw + u.ru_nivcsw;
}

/* Sleeps N times; prints how often it was switched away from. */
static void sleeps(int n)
{
    long before = switches();

    begin_here();
    for (int i = 0; i < n; i++)
        usleep(500);
    end_here();
    printf("%ld\n", switches() - before);
}

/* N children, the Kth ends with K % 7; prints the sums of that, and of their numbers. */
static void forks(int n)
{
    long codes = 0, pids = 0;
    int status;

    for (int i = 0; i < n; i++) {
        pid_t child = fork();

        if (!child)
            _exit(i % 7);
        pids += child;
        waitpid(child, &status, 0);
        codes += WEXITSTATUS(status);
    }
    printf("%ld %ld\n", codes, pids);
    usleep(300000); /* for the kernel to be done with them */
}

static volatile int handled;

static void handle(int sig)
{
    handled++;
}

/* SIGUSR2, N times, to itself; prints how many came. */
static void signals(int n)
{
    signal(SIGUSR2, handle);
    for (int i = 0; i < n; i++)
        kill(getpid(), SIGUSR2);
    printf("%d\n", handled);
}

/* Writes to N new pages; prints where they begin. */
static void touch(int n)
{
    char *p =
        mmap(NULL, (size_t)n * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    madvise(p, (size_t)n * 4096, MADV_NOHUGEPAGE);
    printf("%ld\n", (long)(uintptr_t)p);
    fflush(stdout);
    begin_here();
    for (int i = 0; i < n; i++)
        p[(size_t)i * 4096] = 1;
    end_here();
}

/* N datagrams of 100 bytes to itself by the loop device; prints how many bytes came. */
static void datagrams(int n)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(to);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    char buf[100] = "";
    long sum = 0;

    if (bind(fd, (struct sockaddr *)&to, sizeof(to)))
        exit(1);
    getsockname(fd, (struct sockaddr *)&to, &len);
    for (int i = 0; i < n; i++) {
        sendto(fd, buf, sizeof(buf), 0, (struct sockaddr *)&to, sizeof(to));
        sum += recv(fd, buf, sizeof(buf), 0);
    }
    printf("%ld\n", sum);
}

/* Writes the first N blocks of the file PATH again, past the page cache. */
static void blocks(int n, const char *path)
{
    void *p = aligned_alloc(4096, 4096);
    int fd = open(path, O_WRONLY | O_DIRECT);
    long sum = 0;

    memset(p, 'x', 4096);
    for (int i = 0; i < n; i++)
        sum += pwrite(fd, p, 4096, (off_t)i * 4096);
    printf("%ld\n", sum);
}

/*
 * Takes a connection at the socket PATH of the machine's own, by which a child sends N messages;
 * prints how often it asked for one, the end included.
 */
static void stream(int n, const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), asked = 0;
    char buf[8] = "message";

    strncpy(at.sun_path, path, sizeof(at.sun_path) - 1);
    if (bind(listener, (struct sockaddr *)&at, sizeof(at)) || listen(listener, 1))
        exit(1);
    if (!fork()) {
        int to = socket(AF_UNIX, SOCK_STREAM, 0);

        if (connect(to, (struct sockaddr *)&at, sizeof(at)))
            _exit(1);
        for (int i = 0; i < n; i++)
            send(to, buf, sizeof(buf), 0);
        _exit(0);
    }
    int from = accept(listener, NULL, NULL);

    do
        asked++;
    while (recv(from, buf, sizeof(buf), MSG_WAITALL) > 0);
    printf("%d\n", asked);
}

int main(int argc, char **argv)
{
    int n = atoi(argv[2]);

    switch (argv[1][0]) {
    case 'b':
        blocks(n, argv[3]);
        break;
    case 'd':
        datagrams(n);
        break;
    case 'f':
        forks(n);
        break;
    case 'g':
        signals(n);
        break;
    case 's':
        sleeps(n);
        break;
    case 't':
        touch(n);
        break;
    case 'u':
        stream(n, argv[3]);
        break;
    }
    return 0;
}

/*
 * slices: what a process takes for a request with a profiler's events enabled and disabled, in
 * turns that are so short that what else the machine does is the same for both.
 *
 *   slices PORT PATH PID PAIRS REQUESTS [PROFILER]
 *
 * Asks 127.0.0.1:PORT for PATH, REQUESTS times on one connection (16 are on their way at once),
 * PAIRS times twice. In one of the two the perf events that process PROFILER holds open are
 * disabled (pidfd_getfd(2), PERF_EVENT_IOC_DISABLE); which comes first changes. Prints for each
 * pair the nanoseconds of processor time that PID took for a request without and with
 * (/proc/PID/schedstat).
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { EVENTS_MAX = 1024, AT_ONCE = 16 };

static int events[EVENTS_MAX], n_events;
static char bytes[1 << 16];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* Ours are copies of PROFILER's descriptors. */
static void take_events(int profiler)
{
    char path[64], link[256];
    int pidfd = (int)syscall(SYS_pidfd_open, profiler, 0);

    snprintf(path, sizeof(path), "/proc/%d/fd", profiler);
    DIR *d = pidfd >= 0 ? opendir(path) : NULL;

    for (struct dirent *e; d && (e = readdir(d)) && n_events < EVENTS_MAX;) {
        ssize_t n = readlinkat(dirfd(d), e->d_name, link, sizeof(link) - 1);

        link[n > 0 ? n : 0] = '\0';
        if (!strstr(link, "[perf_event]"))
            continue;
        int fd = (int)syscall(SYS_pidfd_getfd, pidfd, atoi(e->d_name), 0);

        if (fd >= 0)
            events[n_events++] = fd;
    }
    if (d)
        closedir(d);
    if (!n_events) {
        fprintf(stderr, "process %d has no perf events\n", profiler);
        exit(1);
    }
}

static void enable(int on)
{
    for (int i = 0; i < n_events; i++)
        ioctl(events[i], on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE, 0);
}

static long worked(const char *pid)
{
    char path[64];
    long ns = 0;

    snprintf(path, sizeof(path), "/proc/%s/schedstat", pid);
    FILE *f = fopen(path, "r");

    if (!f || fscanf(f, "%ld", &ns) != 1)
        die(path);
    fclose(f);
    return ns;
}

/* Reads N answers to their ends; each is in chunks (RFC 9112, 7.1), the last of which is empty. */
static void read_answers(int fd, int n)
{
    static const char end[] = "\r\n0\r\n\r\n";
    size_t matched = 0;

    while (n > 0) {
        ssize_t got = read(fd, bytes, sizeof(bytes));

        if (got <= 0)
            die("the connection");
        for (ssize_t i = 0; i < got; i++) {
            matched = bytes[i] == end[matched] ? matched + 1 : bytes[i] == end[0];
            if (matched < sizeof(end) - 1)
                continue;
            matched = 0;
            n--;
        }
    }
}

static double slice(int fd, const char *request, const char *pid, int requests)
{
    long from = worked(pid);

    for (int left = requests; left > 0; left -= AT_ONCE) {
        int n = left < AT_ONCE ? left : AT_ONCE;

        for (int i = 0; i < n; i++)
            if (send(fd, request, strlen(request), i + 1 < n ? MSG_MORE : 0) < 0)
                die("the connection");
        read_answers(fd, n);
    }
    usleep(1000); /* until it waits again */
    return (double)(worked(pid) - from) / requests;
}

int main(int argc, char **argv)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    char request[512];

    if (argc < 6)
        return 2;
    to.sin_port = htons((unsigned short)atoi(argv[1]));
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", argv[2]);
    int fd = socket(AF_INET, SOCK_STREAM, 0), requests = atoi(argv[5]);

    if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
        die("connect");
    if (argc > 6)
        take_events(atoi(argv[6]));
    for (int i = 0; i < atoi(argv[4]); i++) {
        double ns[2];

        for (int turn = 0; turn < 2; turn++) {
            int on = (i ^ turn) & 1;

            enable(on);
            ns[on] = slice(fd, request, argv[3], requests);
        }
        printf("%.0f %.0f\n", ns[0], ns[1]);
        fflush(stdout);
    }
    enable(1);
    return 0;
}

/*
 * Does what the kernel has functions for, and prints how often and how much; without libraries,
 * whose loader would read and open files, too. FILE and OUT are files of a tmpfs, BLOCKS one of a
 * device. What is read or written is BIG bytes or more.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BIG = 5000, PAGE = 4096 };

static char buffer[20000];

static int must(int result)
{
    if (result < 0) {
        perror("failed");
        exit(1);
    }
    return result;
}

/* N of each; prints bytes asked and got by reads, written, read by vectors and written. */
static void files(int n, const char *file, const char *out)
{
    long asked = 0, got = 0, wrote = 0, vread = 0, vwrote = 0;
    int to = must(open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600));

    for (int i = 0; i < n; i++) {
        int fd = must(open(file, O_RDONLY));
        struct iovec parts[2] = {{buffer, BIG}, {buffer + BIG, (size_t)i}};

        asked += BIG + i;
        got += must(read(fd, buffer, BIG + (size_t)i));
        wrote += must(write(to, buffer, BIG + (size_t)i));
        must(lseek(fd, 0, SEEK_SET));
        vread += must(readv(fd, parts, 2));
        vwrote += must(writev(to, parts, 2));
        close(fd);
    }
    printf("%d %ld %ld %ld %ld %ld\n", n, asked, got, wrote, vread, vwrote);
}

/* Writes N pages of a new file, drops them from the cache, and writes by a mapping to each. */
static void pages(int n, const char *path)
{
    int fd = must(open(path, O_RDWR | O_CREAT | O_TRUNC, 0600));

    for (int i = 0; i < n; i++)
        must(write(fd, buffer, PAGE));
    must(fsync(fd));
    must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) ? -1 : 0);
    must(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM) ? -1 : 0);
    char *at = mmap(NULL, (size_t)n * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (at == MAP_FAILED)
        must(-1);
    for (int i = 0; i < n; i++)
        at[(size_t)i * PAGE] = 1;
    printf("%d\n", n);
}

static int here(int type, struct sockaddr_in *at)
{
    socklen_t len = sizeof(*at);
    int fd = must(socket(AF_INET, type, 0));

    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    must(bind(fd, (struct sockaddr *)at, sizeof(*at)));
    must(getsockname(fd, (struct sockaddr *)at, &len));
    return fd;
}

/*
 * N connections to itself, 3 messages by each, one of which by write and read. Prints their number,
 * bytes sent, bytes asked for and got, the port.
 */
static void tcp(int n)
{
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    struct sockaddr_in at;
    int listener = here(SOCK_STREAM, &at), one = 1;
    long sent = 0, asked = 0, got = 0;

    must(listen(listener, 8));
    for (int i = 0; i < n; i++) {
        int to = must(socket(AF_INET, SOCK_STREAM, 0));

        must(connect(to, (struct sockaddr *)&at, sizeof(at)));
        int from = must(accept(listener, NULL, NULL));

        must(setsockopt(to, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)));
        for (int k = 0; k < 3; k++) {
            size_t len = 100 + (size_t)i + (size_t)k;

            sent += k ? must(send(to, buffer, len, 0)) : must(write(to, buffer, len));
            asked += 1000;
            got += k ? must(recv(from, buffer, 1000, 0)) : must(read(from, buffer, 1000));
        }
        must(connect(to, &none, sizeof(none)));
        close(to);
        close(from);
    }
    close(listener);
    printf("%d %ld %ld %ld %d\n", n, sent, asked, got, ntohs(at.sin_port));
}

/* N datagrams to itself by a socket that is connected, which it is not any more at the end. */
static void udp(int n)
{
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    struct sockaddr_in at;
    int from = here(SOCK_DGRAM, &at), to = must(socket(AF_INET, SOCK_DGRAM, 0));
    long sent = 0, asked = 0, got = 0;

    must(connect(to, (struct sockaddr *)&at, sizeof(at)));
    for (int i = 0; i < n; i++) {
        sent += must(send(to, buffer, 100 + (size_t)i, 0));
        asked += 1000;
        got += must(recv(from, buffer, 1000, 0));
    }
    must(connect(to, &none, sizeof(none)));
    printf("%d %ld %ld %ld %d\n", n, sent, asked, got, ntohs(at.sin_port));
}

int main(int argc, char **argv)
{
    int n = argc > 2 ? atoi(argv[2]) : 0;

    switch (n ? argv[1][0] : 0) {
    case 'f':
        files(n, argv[3], argv[4]);
        break;
    case 'p':
        pages(n, argv[3]);
        break;
    case 't':
        tcp(n);
        break;
    case 'u':
        udp(n);
        break;
    default:
        return 1;
    }
    return 0;
}

/*
 * A library that stands for a fault which a hostile file makes use of: preloaded, it does as it
 * likes as soon as a marked file is read. It tries to write $TAKEN_LOOT, which anybody but a reader
 * without privileges could, and dies as a crashed reader does. $TAKEN_TURN: at how manieth reading
 * of a marked ELF file, of this process.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void take_over(void)
{
    const char *loot = getenv("TAKEN_LOOT");
    int fd = loot ? open(loot, O_WRONLY | O_CREAT, 0600) : -1;

    if (fd >= 0)
        close(fd);
    signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would report it */
    raise(SIGSEGV);
}

static int is_marked(int fd)
{
    char end[8];
    off_t size = lseek(fd, 0, SEEK_END);

    return size > 8 && pread(fd, end, 8, size - 8) == 8 && !memcmp(end, "TAKENELF", 8);
}

void *elf_begin(int fd, int command, void *of)
{
    static int turns;
    const char *turn = getenv("TAKEN_TURN");
    void *(*real)(int, int, void *) = (void *(*)(int, int, void *))dlsym(RTLD_NEXT, "elf_begin");

    if (fd >= 0 && turn && is_marked(fd) && ++turns == atoi(turn))
        take_over();
    return real(fd, command, of);
}

/* A gzip file with this time of its own; zlib's z_stream begins with next_in and avail_in. */
int inflate(void *stream, int flush)
{
    const char *in = *(const char **)stream;
    unsigned n = *(unsigned *)((char *)stream + sizeof(in));
    int (*real)(void *, int) = (int (*)(void *, int))dlsym(RTLD_NEXT, "inflate");

    if (n > 10 && !memcmp(in, "\x1f\x8b", 2) && !memcmp(in + 4, "TAKE", 4))
        take_over();
    return real(stream, flush);
}

void *memchr(const void *s, int c, size_t n)
{
    const unsigned char *p = s;

    if (n > 9 && *p == 'T' && p[1] == 'A' && !strncmp((const char *)p, "TAKENTEXT", 9))
        take_over();
    for (; n--; p++)
        if (*p == (unsigned char)c)
            return (void *)p;
    return NULL;
}

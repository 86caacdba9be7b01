/*
 * facts: a process that says what it is, as it knows it from the C library and /proc, one "NAME
 * VALUE" a line, and then calls look(). Its memory is touched, so that handlers can read it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

__attribute__((noinline, noclone)) void look(void)
{
    __asm__ volatile("" : : : "memory");
}

static unsigned open_files(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned n = 0;

    while (readdir(d))
        n++;
    closedir(d);
    return n - 3; /* two names of directories, and the list itself */
}

static void first_line(const char *path, char *line, size_t size)
{
    FILE *f = fopen(path, "r");

    if (!f || !fgets(line, (int)size, f))
        line[0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    if (f)
        fclose(f);
}

int main(int argc, char **argv)
{
    static char line[4096], path[64];
    struct rlimit files = {123, 123};
    struct rusage used;
    cpu_set_t cpu;
    sigset_t blocked;
    unsigned long size, rss, shared, text, data;
    char *memory = mmap(NULL, 40 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    volatile unsigned long spin = 0;

    CPU_ZERO(&cpu);
    CPU_SET(sched_getcpu(), &cpu);
    sched_setaffinity(0, sizeof(cpu), &cpu);
    setpriority(PRIO_PROCESS, 0, 7);
    setrlimit(RLIMIT_NOFILE, &files);
    for (int k = 0; k < 3; k++)
        dup(0);
    memset(memory, 1, 40 << 20);
    do {
        for (int k = 0; k < 1000000; k++)
            spin++;
        getrusage(RUSAGE_SELF, &used);
    } while (used.ru_utime.tv_sec * 1000 + used.ru_utime.tv_usec / 1000 < 300);

    printf("pid %d\nnice %d\ncpu %d\nnofile 123\nfiles %u\n", getpid(),
           getpriority(PRIO_PROCESS, 0), sched_getcpu(), open_files());
    sigemptyset(&blocked);
    sigaddset(&blocked, 10);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    printf("pgrp %d\nsid %d\nargs", getpgrp(), getsid(0));
    for (int k = 0; k < argc; k++)
        printf(" %s", argv[k]);
    printf("\nhome %s\n", getenv("FACTS_HOME") ? getenv("FACTS_HOME") : "");
    line[readlink("/proc/self/cwd", line, sizeof(line) - 1)] = '\0';
    printf("cwd %s\n", line);
    line[readlink("/proc/self/exe", line, sizeof(line) - 1)] = '\0';
    printf("exe %s\n", line);
    snprintf(path, sizeof(path), "/proc/%d/comm", getppid());
    first_line(path, line, sizeof(line));
    printf("parent %s\n", line);
    first_line("/proc/self/stat", line, sizeof(line));
    char *p = strrchr(line, ')');
    for (int k = 0; p && k < 20; k++)
        p = strchr(p + 1, ' ');
    printf("start %lld\n", p ? atoll(p) : 0);
    first_line("/proc/self/statm", line, sizeof(line));
    sscanf(line, "%lu %lu %lu %lu %*u %lu", &size, &rss, &shared, &text, &data);
    printf("size %lu\nrss %lu\nshared %lu\ntext %lu\ndata %lu\n", size, rss, shared, text, data);
    fflush(stdout);
    getrusage(RUSAGE_SELF, &used);
    printf("utime %ld\n", used.ru_utime.tv_sec * 1000 + used.ru_utime.tv_usec / 1000);
    fflush(stdout);
    look();
    return 0;
}

/*
 * calls: a program whose look(), asked by tests/functions-kernel.sh, is hit with what it knows by
 * itself: texts of wide characters, signals it gets, a child, a queue of requests with the times by
 * its own clock. "NAME VALUE" a line, as facts.c.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <uchar.h>
#include <unistd.h>

struct texts {
    char16_t two[16], lone[4];
    char32_t four[16], large[4];
};
struct texts texts = {u"h\u00e9 \u20ac \U0001F600\n",
                      {u'x', 0xd800, u'y'},
                      U"h\u00e9 \u20ac \U0001F600\n",
                      {U'x', 0x110000}};

static volatile sig_atomic_t got;

static void on_signal(int number)
{
    got = number;
}

__attribute__((noinline, noclone)) void look(const struct texts *t)
{
    __asm__ volatile("" : : "r"(t) : "memory");
}

__attribute__((noinline, noclone)) void ask_signal(int number)
{
    __asm__ volatile("" : : "r"(number) : "memory");
}

__attribute__((noinline, noclone)) void queue_event(int what)
{
    __asm__ volatile("" : : "r"(what) : "memory");
}

static int64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t begun, before, waited, wait_any, served, serve_any;
static int waits, serves, done;

/* 's' the queue begins, 'w' one waits, 'r' one is served, 'd' one is done, 'e' the report. */
static void event(int what)
{
    int64_t at = now();

    if (what == 's')
        begun = before = at;
    waited += waits * (at - before);
    served += serves * (at - before);
    wait_any += waits ? at - before : 0;
    serve_any += serves ? at - before : 0;
    before = at;
    waits += (what == 'w') - (what == 'r');
    serves += (what == 'r') - (what == 'd');
    done += what == 'd';
    queue_event(what);
    usleep(20000);
}

int main(void)
{
    volatile unsigned sum = 0;
    pid_t child = fork();

    if (!child) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* the script may end this program at any time */
        pause();
        return 0;
    }
    signal(SIGUSR1, on_signal);
    for (size_t k = 0; k < sizeof(texts); k++)
        sum += ((const unsigned char *)&texts)[k];
    printf("pid %d\nparent %d\nchild %d\n", getpid(), getppid(), child);
    fflush(stdout);
    look(&texts);
    ask_signal(SIGUSR1);
    printf("signal %d\n", (int)got);
    for (const char *what = "swwrwdrrdd"; *what; what++)
        event(*what);
    event('e');
    printf("elapsed %jd\nwait_time %jd\nservice_time %jd\nqueue_length %jd\nblocked %jd\n"
           "utilization %jd\n",
           (intmax_t)(before - begun), (intmax_t)((waited + served) / done),
           (intmax_t)(served / done), (intmax_t)(1000 * waited / (before - begun)),
           (intmax_t)(1000 * wait_any / (before - begun)),
           (intmax_t)(1000 * serve_any / (before - begun)));
    fflush(stdout);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return 0;
}

/*
 * A target that counts its calls: it waits for a line on its standard input, calls step() CALLS
 * times, and writes lines "PID KIND COUNT" to FILE, which say how often it did for items of each
 * kind: of every 55 calls kind 0 gets one, kind 1 two, up to kind 9. With WORKERS it forks so many
 * that do this, and does not itself.
 *
 *   target FILE CALLS [WORKERS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct item {
    struct item *self;
    int kind;
    char name[16];
};

int held[2] = {76, 77};

__attribute__((noinline)) long step(long n, struct item *item, const char *word)
{
    __asm__ volatile("" : : "r"(item), "r"(word) : "memory");
    return n * 3;
}

__attribute__((noinline)) static int kind_of(long n)
{
    long at = n % 55;
    int kind = 0;

    while (at > kind)
        at -= ++kind;
    return kind;
}

static void work(const char *file, long calls)
{
    static struct item item;
    long counts[10] = {0};
    char text[512] = "";
    FILE *out;

    for (long n = 0; n < calls; n++) {
        item.self = &item;
        item.kind = kind_of(n);
        snprintf(item.name, sizeof(item.name), "kind-%d", item.kind);
        counts[item.kind]++;
        step(n, &item, n % 2 ? "odd" : "even");
    }
    memset(&item, 0, sizeof(item)); /* who reads now is late */
    held[1] = 0;
    for (int k = 0; k < 10; k++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%d %d %ld\n", (int)getpid(), k,
                 counts[k]);
    out = fopen(file, "a");
    setvbuf(out, NULL, _IOFBF, sizeof(text)); /* one write */
    fputs(text, out);
    fclose(out);
}

int main(int argc, char **argv)
{
    int workers = argc > 3 ? atoi(argv[3]) : 0, gate[2];
    char c;

    if (argc < 3 || pipe(gate))
        return 1;
    for (int i = 0; i < workers; i++)
        if (fork() == 0) {
            close(gate[1]);
            if (read(gate[0], &c, 1) != 0) /* until the master closes it */
                _exit(1);
            work(argv[1], atol(argv[2]));
            _exit(0);
        }
    getchar();
    close(gate[1]);
    if (!workers)
        work(argv[1], atol(argv[2]));
    while (wait(NULL) > 0) {
    }
    return 0;
}

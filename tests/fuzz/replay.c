/*
 * replay: runs a reader on saved inputs, and on such as a few changes at random make of them.
 *
 *     replay READER ROUNDS DICTIONARY FILE...
 *
 * The numbers are drawn in the same way each time (SEED of the environment: another way). A line
 * says how many inputs there were and how many the reader accepted. An input that ends the process
 * is left in READER.crash.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

enum { INPUTS_MAX = 256, WORDS_MAX = 256, WORD_MAX = 64, PARTS_MAX = 40 };

struct input {
    uint8_t *v;
    size_t n;
};

static struct input seeds[INPUTS_MAX], words[WORDS_MAX], current;
static uint32_t n_seeds, n_words;
static char crash[128];

static uint64_t state = 88172645463325252u;

static uint32_t draw(size_t below) /* xorshift64 */
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 11) % below);
}

static void keep(int signal_number)
{
    int fd = open(crash, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0 || write(fd, current.v, current.n) != (ssize_t)current.n)
        _exit(3);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static struct input read_input(const char *path, size_t max)
{
    struct input in = {.v = malloc(max)};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 && in.v ? read(fd, in.v, max) : -1;

    fuzz_check(n >= 0, path);
    close(fd);
    in.n = (size_t)n;
    return in;
}

static uint32_t hex(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c | 0x20) : NULL;

    return at ? (uint32_t)(at - digits) : 0;
}

/* A line of a dictionary: NAME="WORD", with \\, \" and \xNN. */
static void read_word(const char *line)
{
    const char *p = strchr(line, '"'), *end = strrchr(line, '"');
    struct input w = {.v = malloc(WORD_MAX)};

    fuzz_check(w.v && p && p < end && n_words < WORDS_MAX, "a dictionary's line");
    for (p++; p < end && w.n < WORD_MAX; p++) {
        uint8_t byte = (uint8_t)*p;

        if (*p == '\\' && p[1] == 'x' && p + 3 < end) {
            byte = (uint8_t)(hex(p[2]) << 4 | hex(p[3]));
            p += 3;
        } else if (*p == '\\') {
            byte = (uint8_t) * ++p;
        }
        w.v[w.n++] = byte;
    }
    words[n_words++] = w;
}

static void read_words(const char *path)
{
    char line[512];
    FILE *f = fopen(path, "re");

    while (f && fgets(line, sizeof(line), f))
        if (*line != '#' && *line != '\n')
            read_word(line);
    if (f)
        fclose(f);
}

static void put(struct input *to, size_t max, const uint8_t *v, size_t n)
{
    n = n > max - to->n ? max - to->n : n;
    memcpy(to->v + to->n, v, n);
    to->n += n;
}

/* A text: pieces of seeds, and words. */
static void make_text(struct input *to, size_t max)
{
    to->n = 0;
    for (uint32_t parts = draw(PARTS_MAX) + 1; parts; parts--) {
        const struct input *s = n_seeds ? &seeds[draw(n_seeds)] : NULL;
        const struct input *w = &words[draw(n_words)];

        if (!s || !s->n || draw(4)) {
            put(to, max, w->v, w->n);
        } else {
            size_t from = draw(s->n);

            put(to, max, s->v + from, draw(s->n - from + 1));
        }
        if (to->n && !draw(16))
            to->v[draw(to->n)] = (uint8_t)draw(256);
    }
}

/* A file of a seed's form: cut off, or with bits, bytes, numbers and runs changed. */
static void make_file(struct input *to, size_t max)
{
    static const uint64_t numbers[] = {0,         1, 0x7fffffff, 0xffffffff, 0x7fffffffffffffff,
                                       UINT64_MAX};
    const struct input *s = &seeds[draw(n_seeds)];

    to->n = 0;
    put(to, max, s->v, s->n);
    if (!to->n)
        return;
    if (!draw(16))
        to->n = draw(to->n) + 1;
    for (uint32_t changes = 1u << draw(to->n < 16384 ? 4 : 8); changes; changes--) {
        size_t at = draw(draw(4) || to->n < 4096 ? to->n : 4096), room = to->n - at;
        uint64_t number = numbers[draw(sizeof(numbers) / sizeof(*numbers))];
        size_t size = (size_t)1 << draw(4), run = draw(64) + 1;

        switch (draw(8)) {
        case 0: /* a number */
            memcpy(to->v + at, &number, size < room ? size : room);
            break;
        case 1: /* a run of one byte */
            memset(to->v + at, draw(2) ? 0xff : 0, run < room ? run : room);
            break;
        case 2: /* a piece of another place */
            memmove(to->v + at, to->v + draw(to->n - (run < room ? run : room) + 1),
                    run < room ? run : room);
            break;
        case 3:
            to->v[at] = (uint8_t)draw(256);
            break;
        default:
            to->v[at] ^= (uint8_t)(1 << draw(8));
        }
    }
}

int main(int argc, char **argv)
{
    const struct fuzz_reader *r = argc > 3 ? fuzz_find(argv[1]) : NULL;
    uint32_t rounds = r ? (uint32_t)atoi(argv[2]) : 0, accepted = 0, sound = 0;
    const char *seed = getenv("SEED");

    if (!r) {
        fputs("usage: replay READER ROUNDS DICTIONARY FILE...\n", stderr);
        return 2;
    }
    state ^= seed ? strtoull(seed, NULL, 10) * 0x9e3779b97f4a7c15u : 0;
    snprintf(crash, sizeof(crash), "%s.crash", r->name);
    current.v = malloc(r->max);
    fuzz_check(current.v, "out of memory");
    signal(SIGABRT, keep);
    signal(SIGSEGV, keep);
    signal(SIGBUS, keep);
    signal(SIGFPE, keep);
    read_words(argv[3]);
    for (int i = 4; i < argc && n_seeds < INPUTS_MAX; i++)
        seeds[n_seeds++] = read_input(argv[i], r->max);
    for (uint32_t i = 0; i < n_seeds; i++) {
        current.n = 0;
        put(&current, r->max, seeds[i].v, seeds[i].n);
        sound += r->read(current.v, current.n);
    }
    fuzz_check(n_words || n_seeds, "neither words nor inputs to begin with");
    for (uint32_t i = 0; i < rounds; i++) {
        if (n_words && (!n_seeds || draw(3)))
            make_text(&current, r->max);
        else
            make_file(&current, r->max);
        accepted += r->read(current.v, current.n);
    }
    printf("%s: %u saved inputs, %u accepted; %u changed ones, %u accepted\n", r->name, n_seeds,
           sound, rounds, accepted);
    return 0;
}

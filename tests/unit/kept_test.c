/*
 * kept_test: rows that were kept are those that are made anew; files of the cache that are short,
 * changed, foreign or hostile are made again; what was not used for long goes where there is too
 * much. The truth: unwind_file, which knows no cache.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/cachefile.h"
#include "tap.h"
#include "unwind/unwind.h"

enum { NOBODY = 65534, ROUNDS = 150, DAY = 86400, MIB = 1 << 20 };

static char cache[] = "/tmp/ngstap-kept.XXXXXX", folder[64];
static const char *libc;

/* ---- files ---- */

static int find_libc(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)arg, (void)size;
    if (strstr(info->dlpi_name, "/libc.so"))
        libc = info->dlpi_name;
    return libc != NULL;
}

/* A path in the cache's folder; of four buffers in turns. */
static const char *in_folder(const char *name)
{
    static char path[4][PATH_MAX];
    static unsigned turn;
    char *to = path[turn++ % 4];

    snprintf(to, PATH_MAX, "%s/%s", folder, name);
    return to;
}

/* The number of files in the folder; NAME: one of them. */
static unsigned list(char name[NAME_MAX + 1])
{
    DIR *d = opendir(folder);
    unsigned n = 0;

    for (struct dirent *e; d && (e = readdir(d));)
        if (*e->d_name != '.') {
            n++;
            snprintf(name, NAME_MAX + 1, "%s", e->d_name);
        }
    if (d)
        closedir(d);
    return n;
}

static void empty_folder(void)
{
    char name[NAME_MAX + 1];

    while (list(name))
        if (unlink(in_folder(name)) && rmdir(in_folder(name)))
            return;
}

static char *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "r");
    char *data = malloc(16 * MIB);

    *size = f && data ? fread(data, 1, 16 * MIB, f) : 0;
    if (f)
        fclose(f);
    return data;
}

static void write_file(const char *path, const void *data, size_t size)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        printf("# %s: %s\n", path, strerror(errno));
    if (fd >= 0)
        close(fd);
}

/* ---- rows ---- */

static bool rows(bool kept, struct unwind_rows *out)
{
    int fd = open(libc, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && (kept ? unwind_kept_file : unwind_file)(fd, -1, out);

    if (fd >= 0)
        close(fd);
    return ok;
}

static bool same(const struct unwind_rows *a, const struct unwind_rows *b)
{
    return a->n == b->n && a->n_blocks == b->n_blocks && a->first_block == b->first_block &&
           !memcmp(a->v, b->v, ((size_t)a->n + a->n_blocks) * sizeof(*a->v));
}

static struct unwind_rows truth;

/* Are libc's rows right, whatever is in the cache? */
static bool right(void)
{
    struct unwind_rows r;
    bool ok = rows(true, &r) && same(&r, &truth);

    free(r.v);
    return ok;
}

/* ---- tests ---- */

static void is_kept(char name[NAME_MAX + 1])
{
    struct stat first, then;

    tap_ok(right() && list(name) == 1, "rows are made, and kept in a file");
    stat(in_folder(name), &first);
    tap_ok((first.st_mode & 0777) == 0600 && strlen(name) == 2 * CACHEFILE_KEY_SIZE,
           "under a hash, for us alone");
    tap_ok(right() && !stat(in_folder(name), &then) && first.st_ino == then.st_ino,
           "and found, not written again");
}

static void is_used(const char *name, const uint8_t key[CACHEFILE_KEY_SIZE])
{
    size_t size;
    char *data = cachefile_load("unwind", key, &size);
    struct unwind_rows r = {0};

    if (!tap_ok(data != NULL, "the name is the key: %.8s...", name))
        return;
    data[16 + 4] ^= 1; /* the first row's rule, behind four numbers */
    cachefile_save("unwind", key, data, size);
    tap_ok(rows(true, &r) && !same(&r, &truth) && r.n == truth.n, "what was kept is used");
    free(r.v);
    free(data);
    unlink(in_folder(name));
    right();
}

static void damaged(const char *name)
{
    size_t size;
    char *good = read_file(in_folder(name), &size);
    unsigned wrong = 0, kept = 0;
    struct stat st;

    for (unsigned i = 0; i < ROUNDS; i++) {
        write_file(in_folder(name), good, size * i / ROUNDS);
        wrong += !right();
        kept += stat(in_folder(name), &st) || (size_t)st.st_size != size;
    }
    tap_ok(!wrong && !kept, "short files are made again");
    for (unsigned i = 0; i < ROUNDS; i++) { /* the head and the numbers, then anywhere */
        size_t at = i < 100 ? i : size * i / ROUNDS;

        good[at] ^= (char)(1 << i % 8);
        write_file(in_folder(name), good, size);
        good[at] ^= (char)(1 << i % 8);
        wrong += !right();
    }
    tap_ok(!wrong, "so are those with a bit that is wrong");
    free(good);
}

/* What holds together as a file, and not as rows. */
static void hostile(const uint8_t key[CACHEFILE_KEY_SIZE])
{
    size_t size;
    char *good = cachefile_load("unwind", key, &size), *bad = malloc(size);
    uint32_t *n = (uint32_t *)bad; /* rows, blocks, first block */
    struct ngs_row *v = (struct ngs_row *)(bad + 16);
    struct ngs_block *b = (struct ngs_block *)(v + truth.n);
    unsigned wrong = 0;

    for (int i = 0; good && i < 12; i++) {
        size_t len = size;

        memcpy(bad, good, size);
        switch (i) {
        case 0:
            n[0] = 0;
            break;
        case 1:
            n[0] = UINT32_MAX;
            break;
        case 2:
            n[0]++, n[1]--;
            break;
        case 3:
            n[1] = UINT32_MAX - n[0];
            break;
        case 4:
            n[2]++;
            break;
        case 5:
            v[truth.n / 2].pc = 0;
            break;
        case 6:
            v[truth.n - 1].pc = v[truth.n - 2].pc;
            break;
        case 7:
            b[3].first = truth.n;
            break;
        case 8:
            b[truth.n_blocks - 1].n = NGS_BLOCK_ROWS + 1;
            break;
        case 9:
            b[truth.n_blocks - 1].n = 200;
            break;
        case 10:
            b[0].n = 0;
            break;
        case 11:
            len = 12;
            break;
        }
        cachefile_save("unwind", key, bad, len);
        wrong += !right();
        if (wrong)
            printf("# case %d\n", i);
    }
    tap_ok(good && !wrong, "rows out of order, blocks out of them, numbers too large: made again");
    free(good);
    free(bad);
}

static void foreign(const char *name)
{
    size_t size;
    char *good = read_file(in_folder(name), &size);

    if (geteuid() == 0) {
        good[200] ^= 1;
        write_file(in_folder(name), good, size);
        tap_ok(!chown(in_folder(name), NOBODY, NOBODY) && right(), "another user's file");
    } else {
        tap_skip("another user's file", "not root");
    }
    unlink(in_folder(name));
    tap_ok(!symlink("/etc/passwd", in_folder(name)) && right(), "a link");
    unlink(in_folder(name));
    tap_ok(!mkfifo(in_folder(name), 0600) && right(), "a FIFO");
    unlink(in_folder(name));
    tap_ok(!mkdir(in_folder(name), 0700) && right(), "a folder");
    rmdir(in_folder(name));
    free(good);
}

/* Another file with the same build-id: a byte of its .eh_frame is another. */
static void twin(void)
{
    size_t size;
    char *copy = read_file(libc, &size), path[64];
    const char *real = libc;
    struct unwind_rows a = {0}, b = {0};
    bool differs = false;

    snprintf(path, sizeof(path), "%s/twin", cache);
    libc = path;
    /* Its last third has .eh_frame; a byte of it that changes rows is found by trying. */
    for (size_t at = size / 2; !differs && at < size; at += 4099) {
        copy[at] ^= 0x3f;
        write_file(path, copy, size);
        copy[at] ^= 0x3f;
        free(a.v);
        a.v = NULL;
        differs = rows(false, &a) && !same(&a, &truth);
    }
    tap_ok(differs && rows(true, &b) && same(&a, &b), "another file's rows are its own");
    libc = real;
    free(a.v);
    free(b.v);
    free(copy);
    unlink(path);
}

/* Each section is called .eh_frame and is the whole file. */
static void many_sections(void)
{
    size_t size;
    char *copy = read_file(libc, &size), path[64];
    const char *real = libc;
    const Elf64_Ehdr *eh = (const Elf64_Ehdr *)copy;
    Elf64_Shdr *sh = (Elf64_Shdr *)(copy + eh->e_shoff);
    const char *names = copy + sh[eh->e_shstrndx].sh_offset;
    Elf64_Word frame = 0;
    struct unwind_rows a = {0}, b = {0};
    char name[NAME_MAX + 1];

    for (int i = 1; i < eh->e_shnum; i++)
        if (!strcmp(names + sh[i].sh_name, ".eh_frame"))
            frame = sh[i].sh_name;
    for (int i = 1; i < eh->e_shnum; i++)
        if (i != eh->e_shstrndx)
            sh[i] = (Elf64_Shdr){
                .sh_name = frame, .sh_type = SHT_PROGBITS, .sh_size = size, .sh_addralign = 1};
    snprintf(path, sizeof(path), "%s/many", cache);
    write_file(path, copy, size);
    libc = path;
    empty_folder();
    bool made = rows(false, &a), kept = rows(true, &b);

    tap_ok(frame && eh->e_shnum * size > 64 * MIB && made == kept && a.n == b.n && !list(name),
           "many large sections: not read, nothing is kept");
    libc = real;
    free(a.v);
    free(b.v);
    free(copy);
    unlink(path);
}

static void aged(const char *name, off_t size, time_t age)
{
    const struct timeval when[2] = {{time(NULL) - age, 0}, {time(NULL) - age, 0}};

    write_file(in_folder(name), "", 0);
    if (truncate(in_folder(name), size) || utimes(in_folder(name), when))
        printf("# %s: %s\n", name, strerror(errno));
}

static bool there(const char *name)
{
    return !access(in_folder(name), F_OK);
}

static void trimmed(const char *name)
{
    empty_folder();
    right();
    struct timeval when[2] = {{time(NULL) - 9 * DAY, 0}, {time(NULL) - 9 * DAY, 0}};
    char long_name[80];

    utimes(in_folder(name), when);
    right(); /* it was used */
    aged("oldest", 100 * MIB, 3 * DAY);
    aged("older", 100 * MIB, 2 * DAY);
    aged("old", 100 * MIB, DAY);
    memset(long_name, 'a', sizeof(long_name));
    strcpy(long_name + 66, ".12.tmp");
    aged(long_name, 10, DAY);
    long_name[0] = 'b';
    aged(long_name, 10, 1);

    uint8_t key[CACHEFILE_KEY_SIZE] = {1};
    size_t size;

    cachefile_save("unwind", key, "x", 1);
    char *x = cachefile_load("unwind", key, &size);

    tap_ok(x && size == 1 && *x == 'x' && !there("oldest") && !there("older") && there("old") &&
               there(name),
           "what was not used for longest goes");
    tap_ok(there(long_name), "what is being written stays");
    long_name[0] = 'a';
    tap_ok(!there(long_name), "and what was left behind goes");
    free(x);
}

int main(void)
{
    char name[NAME_MAX + 1] = "";
    uint8_t key[CACHEFILE_KEY_SIZE];

    dl_iterate_phdr(find_libc, NULL);
    if (!libc || !mkdtemp(cache) || !rows(false, &truth)) {
        tap_ok(false, "libc has rows");
        return tap_done();
    }
    setenv("XDG_CACHE_HOME", cache, 1);
    snprintf(folder, sizeof(folder), "%s/ngstap/unwind", cache);
    is_kept(name);
    for (int i = 0; i < CACHEFILE_KEY_SIZE; i++) {
        unsigned byte = 0;

        sscanf(name + 2 * i, "%2x", &byte);
        key[i] = (uint8_t)byte;
    }
    is_used(name, key);
    damaged(name);
    hostile(key);
    foreign(name);
    twin();
    many_sections();
    trimmed(name);
    setenv("XDG_CACHE_HOME", "/proc/nonexistent", 1);
    tap_ok(right(), "no cache is no error");
    empty_folder();
    rmdir(folder);
    *strrchr(folder, '/') = '\0';
    rmdir(folder);
    rmdir(cache);
    free(truth.v);
    return tap_done();
}

/*
 * fuzz: the table of readers, and what they share. Enters: the name of a reader and an input;
 * leaves: nothing, or the process by abort(3), a sanitizer's report or a crash.
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bounds.h"

enum { TEXT = 8 << 10, FILE_MAX = 1 << 20 };

const struct fuzz_reader fuzz_readers[] = {
    {"elf", fuzz_elf, FILE_MAX},
    {"debug", fuzz_debug, FILE_MAX},
    {"pack", fuzz_pack, FILE_MAX},
    {"unwind", fuzz_unwind, FILE_MAX},
    {"object", fuzz_object, FILE_MAX},
    {"stacks", fuzz_stacks, TEXT},
    {"pprof", fuzz_pprof, TEXT},
    {"lua", fuzz_lua, TEXT},
    {"conf", fuzz_conf, TEXT},
    {"maps", fuzz_maps, TEXT},
    {"mountinfo", fuzz_mountinfo, TEXT},
    {"script", fuzz_script, TEXT},
    {"words", fuzz_words, TEXT},
    {"answers", fuzz_answers, TEXT},
    {0},
};

const struct fuzz_reader *fuzz_find(const char *name)
{
    for (const struct fuzz_reader *r = fuzz_readers; r->name; r++)
        if (!strcmp(r->name, name))
            return r;
    return NULL;
}

void fuzz_check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "fuzz: %s\n", what);
    abort();
}

static FILE *nowhere(void)
{
    static FILE *f;

    if (!f)
        f = fopen("/dev/null", "we");
    fuzz_check(f, "there is no /dev/null");
    return f;
}

void fuzz_compile_begin(struct compile *cx)
{
    *cx = (struct compile){.arena = arena_new(), .err = nowhere()};
    cx->sources = sources_new(cx->arena);
    cx->diag = diag_new(cx->arena, cx->sources, nowhere());
    bounds_begin(cx);
}

void fuzz_compile_end(struct compile *cx)
{
    bounds_end();
    arena_free(cx->arena);
}

int fuzz_fd(const uint8_t *data, size_t n)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    fuzz_check(fd >= 0 && write(fd, data, n) == (ssize_t)n, "no file in memory");
    return fd;
}

/* ---- this process's folder ---- */

static char folder[64];

static void remove_folder(void)
{
    char command[96];

    snprintf(command, sizeof(command), "rm -rf %s", folder);
    if (system(command))
        fputs("fuzz: a folder is left\n", stderr);
}

const char *fuzz_folder(void)
{
    if (!*folder) {
        snprintf(folder, sizeof(folder), "/dev/shm/ngstap-fuzz.XXXXXX");
        fuzz_check(mkdtemp(folder), "no folder in /dev/shm");
        atexit(remove_folder);
    }
    return folder;
}

const char *fuzz_file(const char *name, const uint8_t *data, size_t n)
{
    static char path[256];

    snprintf(path, sizeof(path), "%s/%s", fuzz_folder(), name);
    for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        fuzz_check(!mkdir(path, 0700) || errno == EEXIST, "no folder");
        *slash = '/';
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    fuzz_check(fd >= 0 && write(fd, data, n) == (ssize_t)n, "no file");
    close(fd);
    return path;
}

/* ---- the entry of libFuzzer and AFL++ ---- */

const char *__lsan_default_suppressions(void);

/* elf_end(3) of elfutils 0.188 forgets what it holds of some damaged sections. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libelf.so";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct fuzz_reader *reader;

    if (!reader) {
        const char *name = getenv("NGSTAP_FUZZ");

        reader = fuzz_find(name ? name : "");
        fuzz_check(reader, "NGSTAP_FUZZ names no reader");
    }
    if (n <= reader->max)
        reader->read(data, n);
    return 0;
}

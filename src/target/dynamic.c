/*
 * dynamic: what the dynamic linker reads: the dynamic section of an ELF file, ld.so.cache. Enters:
 * open files, untrusted; leaves: names of libraries and where they are looked for, and an address
 * that is safe to try a breakpoint at. A jail reads them (jail/jail.h) where there is one, as in
 * asked.c; its answers are checked. Refused: more of a kind than any honest file has.
 */
#include "target/dynamic.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "jail/jail.h"
#include "target/elf.h"

enum { DYNAMIC_MAX = 4096, CACHE_MAX = 16 * 1024 * 1024, PATHS_MAX = 64 };

/* ---- a file ---- */

static const char *string_at(struct arena *a, Elf *elf, uint64_t off)
{
    Elf_Data *d = NULL;

    /* a chunk must lie in the file wholly */
    for (size_t len = DYNAMIC_TEXT_MAX - 1; len >= 16 && !d; len /= 2)
        d = elf_getdata_rawchunk(elf, (int64_t)off, len, ELF_T_BYTE);
    if (!d || !d->d_buf)
        return NULL;
    return arena_strndup(a, d->d_buf, strnlen(d->d_buf, d->d_size));
}

/* The part of a file that VADDR lies in; WANTED: flags of its segment. */
static bool to_offset(Elf *elf, uint64_t vaddr, uint32_t wanted, uint64_t *off)
{
    size_t n;

    if (elf_getphdrnum(elf, &n))
        return false;
    for (size_t i = 0; i < n && i < BOUND_SEGMENTS; i++) {
        GElf_Phdr ph;

        if (gelf_getphdr(elf, (int)i, &ph) && ph.p_type == PT_LOAD &&
            (ph.p_flags & wanted) == wanted && vaddr >= ph.p_vaddr &&
            vaddr - ph.p_vaddr < ph.p_filesz) {
            *off = vaddr - ph.p_vaddr + ph.p_offset;
            return true;
        }
    }
    return false;
}

/* Calls FN for each entry of the dynamic section. */
static void each_entry(Elf *elf, void (*fn)(void *arg, const GElf_Dyn *dyn), void *arg)
{
    size_t n;

    if (elf_getphdrnum(elf, &n))
        return;
    for (size_t i = 0; i < n && i < BOUND_SEGMENTS; i++) {
        GElf_Phdr ph;
        GElf_Dyn dyn;

        if (!gelf_getphdr(elf, (int)i, &ph) || ph.p_type != PT_DYNAMIC)
            continue;
        Elf_Data *d = elf_getdata_rawchunk(elf, (int64_t)ph.p_offset, ph.p_filesz, ELF_T_DYN);

        for (int k = 0; d && k < DYNAMIC_MAX && gelf_getdyn(d, k, &dyn) && dyn.d_tag != DT_NULL;
             k++)
            fn(arg, &dyn);
    }
}

struct entries {
    uint64_t needed[DYNAMIC_NEEDED_MAX], strings, rpath, runpath, init;
    uint32_t n;
};

static void take_entry(void *arg, const GElf_Dyn *dyn)
{
    struct entries *e = arg;

    if (dyn->d_tag == DT_NEEDED && e->n < DYNAMIC_NEEDED_MAX)
        e->needed[e->n++] = dyn->d_un.d_val;
    else if (dyn->d_tag == DT_STRTAB)
        e->strings = dyn->d_un.d_ptr;
    else if (dyn->d_tag == DT_RPATH)
        e->rpath = dyn->d_un.d_val;
    else if (dyn->d_tag == DT_RUNPATH)
        e->runpath = dyn->d_un.d_val;
    else if (dyn->d_tag == DT_INIT)
        e->init = dyn->d_un.d_ptr;
}

static const char *interpreter(struct arena *a, Elf *elf)
{
    size_t n;

    if (elf_getphdrnum(elf, &n))
        return NULL;
    for (size_t i = 0; i < n && i < BOUND_SEGMENTS; i++) {
        GElf_Phdr ph;

        if (gelf_getphdr(elf, (int)i, &ph) && ph.p_type == PT_INTERP)
            return string_at(a, elf, ph.p_offset);
    }
    return NULL;
}

static bool read_here(struct arena *a, int fd, struct dynamic *out)
{
    Elf *elf = elf_open(fd);
    struct entries *e = ARENA_NEW(a, struct entries);
    GElf_Ehdr eh;
    uint64_t off;

    *out = (struct dynamic){.machine = EM_NONE};
    if (!elf)
        return false;
    bool sound = gelf_getehdr(elf, &eh);

    if (sound) {
        out->machine = eh.e_machine;
        out->class = eh.e_ident[EI_CLASS];
        out->interp = interpreter(a, elf);
        each_entry(elf, take_entry, e);
    }
    if (sound && e->strings && to_offset(elf, e->strings, 0, &off)) {
        for (uint32_t i = 0; i < e->n; i++) {
            const char *name = string_at(a, elf, off + e->needed[i]);

            if (name && *name)
                out->needed[out->n++] = name;
        }
        out->rpath = e->rpath ? string_at(a, elf, off + e->rpath) : NULL;
        out->runpath = e->runpath ? string_at(a, elf, off + e->runpath) : NULL;
    }
    elf_end(elf);
    return sound;
}

/* ---- ld.so.cache ---- */

/* glibc's sysdeps/generic/dl-cache.h: struct cache_file_new and file_entry_new. */
struct cache_head {
    char magic[20];
    uint32_t n, strings_len;
    uint32_t rest[5];
};
struct cache_entry {
    int32_t flags;
    uint32_t key, value, os_version;
    uint64_t hwcap;
};

static const char cache_magic[] = "glibc-ld.so.cache1.1";

/* From the new format's head on; an old-format table can come first, and the head is aligned to
 * 8. */
static const char *find_cache(const char *text, size_t *size)
{
    for (size_t at = 0;
         *size >= sizeof(struct cache_head) && at <= *size - sizeof(struct cache_head); at += 8)
        if (!memcmp(text + at, cache_magic, sizeof(cache_magic) - 1)) {
            *size -= at;
            return text + at;
        }
    return NULL;
}

static uint32_t cached_here(struct arena *a, int fd, const char *name, const char **paths)
{
    size_t size, len = strlen(name);
    char *text = lseek(fd, 0, SEEK_SET) ? NULL : file_read_fd(fd, CACHE_MAX, &size);
    const char *cache = text ? find_cache(text, &size) : NULL;
    struct cache_head h = {.n = 0};
    uint32_t found = 0;

    if (cache)
        memcpy(&h, cache, sizeof(h));
    for (uint32_t i = 0; i < h.n && found < PATHS_MAX && bounds_ok(); i++) {
        struct cache_entry e;
        size_t at = sizeof(h) + (size_t)i * sizeof(e);

        if (at + sizeof(e) > size)
            break;
        memcpy(&e, cache + at, sizeof(e));
        if (e.key >= size || e.value >= size || size - e.key <= len ||
            memcmp(cache + e.key, name, len + 1))
            continue;
        size_t max = size - e.value < DYNAMIC_TEXT_MAX ? size - e.value : DYNAMIC_TEXT_MAX - 1;

        paths[found++] = arena_strndup(a, cache + e.value, strnlen(cache + e.value, max));
    }
    free(text);
    return found;
}

/* ---- asked in a jail: texts, each with its NUL ---- */

struct answer_head {
    uint16_t machine;
    uint8_t class, has; /* HAS_* */
};
enum { HAS_RPATH = 1, HAS_RUNPATH = 2, HAS_INTERP = 4 };

static void put_text(FILE *f, const char *s)
{
    if (s)
        fwrite(s, 1, strlen(s) + 1, f);
}

static bool read_work(struct jail_question *q, FILE *answer)
{
    struct arena *a = arena_new();
    struct dynamic *d = ARENA_NEW(a, struct dynamic);
    bool ok = read_here(a, q->fds[0], d);
    const struct answer_head head = {.machine = d->machine,
                                     .class = d->class,
                                     .has = (uint8_t)((d->rpath ? HAS_RPATH : 0) |
                                                      (d->runpath ? HAS_RUNPATH : 0) |
                                                      (d->interp ? HAS_INTERP : 0))};

    fwrite(&head, sizeof(head), 1, answer);
    put_text(answer, d->rpath);
    put_text(answer, d->runpath);
    put_text(answer, d->interp);
    for (uint32_t i = 0; i < d->n; i++)
        put_text(answer, d->needed[i]);
    arena_free(a);
    return ok;
}

/* The next of the texts at *P; NULL: there is none, or it is too long. */
static const char *next_text(struct arena *a, const char **p, const char *end)
{
    size_t len = strnlen(*p, (size_t)(end - *p));
    const char *s = *p;

    if (s + len >= end || len >= DYNAMIC_TEXT_MAX)
        return NULL;
    *p += len + 1;
    return arena_strndup(a, s, len);
}

bool dynamic_read(struct arena *a, int fd, struct dynamic *out)
{
    struct jail_answer answer;
    struct answer_head head = {0};

    if (!jail_reads())
        return read_here(a, fd, out);
    *out = (struct dynamic){.machine = EM_NONE};
    bool ok = jail_read(read_work, NULL, fd, -1, NULL, 0, &answer) && answer.n >= sizeof(head);

    if (ok) {
        const char *p = (char *)answer.data + sizeof(head), *end = (char *)answer.data + answer.n;
        const char *text;

        memcpy(&head, answer.data, sizeof(head));
        out->machine = head.machine;
        out->class = head.class;
        out->rpath = head.has & HAS_RPATH ? next_text(a, &p, end) : NULL;
        out->runpath = head.has & HAS_RUNPATH ? next_text(a, &p, end) : NULL;
        out->interp = head.has & HAS_INTERP ? next_text(a, &p, end) : NULL;
        while (out->n < DYNAMIC_NEEDED_MAX && (text = next_text(a, &p, end)))
            out->needed[out->n++] = text;
    }
    free(answer.data);
    return ok;
}

static bool cached_work(struct jail_question *q, FILE *answer)
{
    struct arena *a = arena_new();
    const char *paths[PATHS_MAX];
    uint32_t n = cached_here(a, q->fds[0], q->data, paths);

    for (uint32_t i = 0; i < n; i++)
        put_text(answer, paths[i]);
    arena_free(a);
    return true;
}

uint32_t dynamic_cached(struct arena *a, int fd, const char *name, const char ***out)
{
    const char **paths = ARENA_ARRAY(a, const char *, PATHS_MAX), *text;
    struct jail_answer answer;
    uint32_t n = 0;

    *out = paths;
    if (!jail_reads())
        return cached_here(a, fd, name, paths);
    if (jail_read(cached_work, NULL, fd, -1, name, strlen(name) + 1, &answer)) {
        const char *p = answer.data, *end = p + answer.n;

        while (n < PATHS_MAX && (text = next_text(a, &p, end)))
            paths[n++] = text;
    }
    free(answer.data);
    return n;
}

/* ---- where to try a breakpoint ---- */

struct mapping { /* what is asked of one */
    uint64_t start, offset;
};

static bool start_here(int fd, const struct map *m, struct dynamic_start *out)
{
    Elf *elf = elf_open(fd);
    struct entries *e = calloc(1, sizeof(*e));
    GElf_Ehdr eh;

    memset(out, 0, sizeof(*out));
    bool ok = elf && e && gelf_getehdr(elf, &eh);

    if (ok) {
        each_entry(elf, take_entry, e);
        out->vaddr = e->init ? e->init : eh.e_entry;
        out->bias = elf_bias(elf, m);
        ok = out->vaddr && to_offset(elf, out->vaddr, PF_X, &out->offset);
    }
    free(e);
    elf_end(elf);
    return ok;
}

static bool start_work(struct jail_question *q, FILE *answer)
{
    struct dynamic_start start;
    struct mapping p;

    if (q->n != sizeof(p))
        return false;
    memcpy(&p, q->data, sizeof(p));
    const struct map m = {.start = p.start, .offset = p.offset};

    return start_here(q->fds[0], &m, &start) && fwrite(&start, sizeof(start), 1, answer) == 1;
}

bool dynamic_start(int fd, const struct map *m, struct dynamic_start *out)
{
    const struct mapping p = {m->start, m->offset};

    return jail_reads() ? jail_read_fact(start_work, fd, &p, sizeof(p), out, sizeof(*out))
                        : start_here(fd, m, out);
}

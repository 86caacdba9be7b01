/*
 * dt_needed: shared libraries without running the dynamic linker (ldd runs the program's
 * interpreter, which in a container is somebody else's). Enters: an executable below a root;
 * leaves: the libraries that ld.so(8) would find: DT_RPATH or DT_RUNPATH, LD_LIBRARY_PATH (host
 * only), ld.so.cache, the usual directories. Left out: dlopen, LD_PRELOAD, hardware-specific
 * directories that are not in the cache.
 */
#include "target/dt_needed.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "target/elf.h"

enum { LIBRARIES_MAX = 512, DYNAMIC_MAX = 4096, CACHE_MAX = 16 * 1024 * 1024, PATH_LEN_MAX = 4096 };

struct object {
    const char *path;
    const char *rpath, *runpath;
};

struct linking {
    struct arena *a;
    const struct sysroot *root;
    GElf_Half machine;
    unsigned char class;
    const char *cache; /* ld.so.cache from its new-format head on */
    size_t cache_size;
    struct object *found;
    uint32_t n;
    const char *exe_rpath;
};

/* ---- one file ---- */

struct dynamic {
    const char *rpath, *runpath, *interp;
    const char *needed[LIBRARIES_MAX];
    uint32_t n;
};

static const char *string_at(struct linking *l, Elf *elf, uint64_t off)
{
    Elf_Data *d = NULL;

    for (size_t len = PATH_LEN_MAX; len >= 16 && !d;
         len /= 2) /* a chunk must lie in the file wholly */
        d = elf_getdata_rawchunk(elf, (int64_t)off, len, ELF_T_BYTE);
    if (!d || !d->d_buf)
        return NULL;
    return arena_strndup(l->a, d->d_buf, strnlen(d->d_buf, d->d_size));
}

static bool to_offset(Elf *elf, size_t phnum, uint64_t vaddr, uint64_t *off)
{
    for (size_t i = 0; i < phnum; i++) {
        GElf_Phdr ph;

        if (gelf_getphdr(elf, (int)i, &ph) && ph.p_type == PT_LOAD && vaddr >= ph.p_vaddr &&
            vaddr - ph.p_vaddr < ph.p_filesz) {
            *off = vaddr - ph.p_vaddr + ph.p_offset;
            return true;
        }
    }
    return false;
}

static void read_dynamic(struct linking *l, Elf *elf, struct dynamic *out)
{
    size_t phnum;
    uint64_t needed[LIBRARIES_MAX], strings = 0, rpath = 0, runpath = 0, off;

    if (elf_getphdrnum(elf, &phnum))
        return;
    if (phnum > BOUND_SEGMENTS)
        phnum = BOUND_SEGMENTS;
    for (size_t i = 0; i < phnum; i++) {
        GElf_Phdr ph;

        if (!gelf_getphdr(elf, (int)i, &ph))
            continue;
        if (ph.p_type == PT_INTERP)
            out->interp = string_at(l, elf, ph.p_offset);
        if (ph.p_type != PT_DYNAMIC)
            continue;
        Elf_Data *d = elf_getdata_rawchunk(elf, (int64_t)ph.p_offset, ph.p_filesz, ELF_T_DYN);
        GElf_Dyn dyn;

        for (int k = 0; d && k < DYNAMIC_MAX && gelf_getdyn(d, k, &dyn) && dyn.d_tag != DT_NULL;
             k++) {
            if (dyn.d_tag == DT_NEEDED && out->n < LIBRARIES_MAX)
                needed[out->n++] = dyn.d_un.d_val;
            else if (dyn.d_tag == DT_STRTAB)
                strings = dyn.d_un.d_ptr;
            else if (dyn.d_tag == DT_RPATH)
                rpath = dyn.d_un.d_val;
            else if (dyn.d_tag == DT_RUNPATH)
                runpath = dyn.d_un.d_val;
        }
    }
    if (!strings || !to_offset(elf, phnum, strings, &off)) {
        out->n = 0;
        return;
    }
    for (uint32_t i = 0; i < out->n; i++)
        out->needed[i] = string_at(l, elf, off + needed[i]);
    out->rpath = rpath ? string_at(l, elf, off + rpath) : NULL;
    out->runpath = runpath ? string_at(l, elf, off + runpath) : NULL;
}

/* Opens a file that is of the executable's kind. */
static Elf *open_library(struct linking *l, const char *path, int *fd)
{
    GElf_Ehdr eh;

    bounds_file(path);
    *fd = bounds_ok() ? sysroot_open(l->root, path) : -1;
    Elf *elf = *fd >= 0 ? elf_open(*fd) : NULL;

    if (elf && gelf_getehdr(elf, &eh) &&
        (!l->class || (eh.e_machine == l->machine && eh.e_ident[EI_CLASS] == l->class))) {
        l->machine = eh.e_machine;
        l->class = eh.e_ident[EI_CLASS];
        return elf;
    }
    if (elf)
        elf_end(elf);
    if (*fd >= 0)
        close(*fd);
    return NULL;
}

/* ---- searching ---- */

static bool exists(struct linking *l, const char *path)
{
    int fd;
    Elf *elf = open_library(l, path, &fd);

    if (!elf)
        return false;
    elf_end(elf);
    close(fd);
    return true;
}

/* The directories of LIST (colons; $ORIGIN is the directory of the file that has the list). */
static const char *in_list(struct linking *l, const char *list, const char *origin,
                           const char *name)
{
    while (list && *list && bounds_ok()) {
        size_t len = strcspn(list, ":");
        const char *dir = arena_strndup(l->a, list, len);
        const char *slash = strrchr(origin, '/');

        for (int i = 0; i < 2; i++) {
            const char *word = i ? "${ORIGIN}" : "$ORIGIN", *at = strstr(dir, word);

            if (at)
                dir = arena_printf(l->a, "%.*s%.*s%s", (int)(at - dir), dir,
                                   slash ? (int)(slash - origin) : 0, origin, at + strlen(word));
        }
        if (dir[0] == '/') {
            const char *path = arena_printf(l->a, "%s/%s", dir, name);

            if (exists(l, path))
                return path;
        }
        list += len + (list[len] == ':');
    }
    return NULL;
}

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

static void load_cache(struct linking *l, char **text)
{
    size_t size;

    *text = sysroot_read(l->root, "/etc/ld.so.cache", CACHE_MAX, &size);
    if (!*text)
        return;
    /* An old-format table can come first; the new head is aligned to 8. */
    for (size_t at = 0; size >= sizeof(struct cache_head) && at <= size - sizeof(struct cache_head);
         at += 8) {
        if (!memcmp(*text + at, cache_magic, sizeof(cache_magic) - 1)) {
            l->cache = *text + at;
            l->cache_size = size - at;
            return;
        }
    }
}

static const char *in_cache(struct linking *l, const char *name)
{
    struct cache_head h;
    size_t len = strlen(name);

    if (!l->cache)
        return NULL;
    memcpy(&h, l->cache, sizeof(h));
    for (uint32_t i = 0; i < h.n && bounds_ok(); i++) {
        struct cache_entry e;
        size_t at = sizeof(h) + (size_t)i * sizeof(e);

        if (at + sizeof(e) > l->cache_size)
            break;
        memcpy(&e, l->cache + at, sizeof(e));
        if (e.key >= l->cache_size || e.value >= l->cache_size || l->cache_size - e.key <= len ||
            memcmp(l->cache + e.key, name, len + 1))
            continue;
        size_t max = l->cache_size - e.value;
        const char *path =
            arena_strndup(l->a, l->cache + e.value,
                          strnlen(l->cache + e.value, max < PATH_LEN_MAX ? max : PATH_LEN_MAX));

        if (exists(l, path))
            return path;
    }
    return NULL;
}

static const char *find(struct linking *l, const struct object *from, const char *name)
{
    static const char usual[] =
        "/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu:/lib/aarch64-linux-gnu:"
        "/usr/lib/aarch64-linux-gnu:/lib64:/usr/lib64:/lib:/usr/lib:/usr/local/lib";
    const char *path = NULL;

    if (strchr(name, '/'))
        return name[0] == '/' && exists(l, name) ? arena_strdup(l->a, name) : NULL;
    if (!from->runpath) {
        path = in_list(l, from->rpath, from->path, name);
        if (!path && l->n)
            path = in_list(l, l->exe_rpath, l->found[0].path, name);
    }
    if (!path && sysroot_is_host(l->root))
        path = in_list(l, getenv("LD_LIBRARY_PATH"), "", name);
    if (!path)
        path = in_list(l, from->runpath, from->path, name);
    if (!path)
        path = in_cache(l, name);
    return path ? path : in_list(l, usual, "", name);
}

static bool add(struct linking *l, const char *path)
{
    const char *base = strrchr(path, '/');

    for (uint32_t i = 0; i < l->n; i++) {
        const char *known = strrchr(l->found[i].path, '/');

        if (!strcmp(l->found[i].path, path) || (i && base && known && !strcmp(base, known)))
            return false;
    }
    if (l->n >= LIBRARIES_MAX)
        return false;
    l->found = arena_grow(l->a, l->found, l->n, sizeof(*l->found));
    l->found[l->n++] = (struct object){.path = path};
    return true;
}

void dt_needed_libraries(struct arena *a, const struct sysroot *root, const char *exe,
                         void (*fn)(const char *path, void *arg), void *arg)
{
    struct linking l = {.a = a, .root = root};
    struct dynamic *d = ARENA_NEW(a, struct dynamic);
    char *cache;

    load_cache(&l, &cache);
    add(&l, exe);
    for (uint32_t i = 0; i < l.n; i++) { /* breadth first, as ld.so does */
        int fd;
        Elf *elf = open_library(&l, l.found[i].path, &fd);

        if (!elf)
            continue;
        *d = (struct dynamic){.n = 0};
        read_dynamic(&l, elf, d);
        l.found[i].rpath = d->runpath ? NULL : d->rpath;
        l.found[i].runpath = d->runpath;
        if (i == 0)
            l.exe_rpath = l.found[0].rpath;
        struct object from = l.found[i]; /* found moves as it grows */

        for (uint32_t k = 0; k < d->n; k++) {
            const char *path = d->needed[k] && *d->needed[k] ? find(&l, &from, d->needed[k]) : NULL;

            if (path && add(&l, path))
                fn(path, arg);
        }
        if (i == 0 && d->interp && d->interp[0] == '/' && exists(&l, d->interp) &&
            add(&l, d->interp))
            fn(d->interp, arg);
        elf_end(elf);
        close(fd);
    }
    free(cache);
}

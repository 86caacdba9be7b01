/*
 * overlay: finds the file a process of a container really runs. Enters: a mapping, its mount in
 * /proc/PID/mountinfo; leaves: a path by which uprobes fire. A file that has been copied up (a
 * touch is enough) has the same device and inode number in the merged tree, but uprobes there go to
 * the copy, while the process goes on with the lower layer's file. So where both exist it is tried:
 * a uprobe is registered, and the process's memory looked at for the breakpoint. Refused: layers
 * named by relative paths, files without an instruction that is safe to try.
 */
#include "target/overlay.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "target/elf_priv.h"

enum { MOUNTINFO_MAX = 16 * 1024 * 1024, LAYERS_MAX = 512, DYNAMIC_MAX = 4096 };

/* ---- the mount ---- */

struct mount {
    const char *point, *root, *options; /* of an overlay; point NULL: none */
};

/* Octal escapes, as mangle() in fs/proc_namespace.c makes them. */
static char *unescape(struct arena *a, const char *s, size_t len)
{
    char *out = arena_alloc(a, len + 1), *to = out;

    for (size_t i = 0; i < len; i++) {
        if (s[i] == '\\' && len - i > 3 && isdigit((unsigned char)s[i + 1]) &&
            isdigit((unsigned char)s[i + 2]) && isdigit((unsigned char)s[i + 3])) {
            *to++ = (char)((s[i + 1] - '0') << 6 | (s[i + 2] - '0') << 3 | (s[i + 3] - '0'));
            i += 3;
        } else {
            *to++ = s[i];
        }
    }
    return out;
}

/* Splits a line of mountinfo (proc(5)): "id parent dev root point flags [optional]... - type source
 * options". */
static bool parse_line(struct arena *a, const char *line, size_t len, const char **point,
                       const char **root, const char **type, const char **options)
{
    const char *word[64];
    size_t size[64];
    int n = 0, dash = 0;

    for (size_t i = 0; i < len && n < 64;) {
        size_t end = i;

        while (end < len && line[end] != ' ')
            end++;
        word[n] = line + i;
        size[n] = end - i;
        if (n >= 6 && !dash && size[n] == 1 && line[i] == '-')
            dash = n;
        n++;
        i = end + 1;
    }
    if (!dash || n < dash + 4)
        return false;
    *root = unescape(a, word[3], size[3]);
    *point = unescape(a, word[4], size[4]);
    *type = arena_strndup(a, word[dash + 1], size[dash + 1]);
    *options = unescape(a, word[dash + 3], size[dash + 3]);
    return true;
}

/* Is PATH below the directory POINT? *REL: what follows, with its slash. */
static bool below(const char *path, const char *point, const char **rel)
{
    size_t len = strlen(point);

    while (len && point[len - 1] == '/')
        len--;
    if (strncmp(path, point, len) || path[len] != '/')
        return false;
    *rel = path + len;
    return true;
}

static struct mount find_mount(struct compile *cx, const struct target *t, pid_t pid,
                               const char *path)
{
    const char *name = arena_printf(cx->arena, "%s/%d/mountinfo", t->proc, (int)pid);
    struct mount best = {0};
    size_t best_len = 0, len;
    FILE *f = fopen(name, "re");
    char *line = NULL;
    size_t room = 0, total = 0;
    ssize_t got;

    if (!f)
        return best;
    while ((got = getline(&line, &room, f)) > 0 && (total += (size_t)got) < MOUNTINFO_MAX) {
        const char *point, *root, *type, *options, *rel;

        len = (size_t)got - (line[got - 1] == '\n');
        /* Most lines are proc, sysfs and such: split only those that can be it. */
        if (!memmem(line, len, " - ", 3) ||
            !parse_line(cx->arena, line, len, &point, &root, &type, &options))
            continue;
        if (!below(path, point, &rel) || strlen(point) < best_len)
            continue;
        best_len = strlen(point); /* the last of equals is on top */
        best = strcmp(type, "overlay") ? (struct mount){0} : (struct mount){point, root, options};
    }
    free(line);
    fclose(f);
    return best;
}

/* ---- layers ---- */

/* The host's name of REL below the layer DIR, without a link left in it; NULL: no such regular
 * file. */
static const char *in_layer(struct compile *cx, const char *dir, const char *rel)
{
    char link[64], name[PATH_MAX + 1], *top;
    const char *found = NULL, *inside;

    if (dir[0] != '/')
        return NULL;
    diag_try_begin(cx->diag); /* a layer that is gone is no error */
    struct sysroot *r = sysroot_new(cx, dir);

    diag_try_end(cx->diag);
    int fd = r ? sysroot_open(r, rel) : -1;

    sysroot_free(r);
    if (fd < 0)
        return NULL;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, name, sizeof(name) - 1);

    close(fd);
    top = realpath(dir, NULL);
    if (len > 0 && top) {
        name[len] = '\0';
        if (below(name, top, &inside))
            found = arena_strdup(cx->arena, name);
    }
    free(top);
    return found;
}

/* The value of KEY= among OPTIONS, colons and all; a ',' of a path is escaped by a backslash. */
static char *option(struct arena *a, const char *options, const char *key)
{
    size_t len = strlen(key);

    for (const char *p = options; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
        if (strncmp(p, key, len) || p[len] != '=')
            continue;
        p += len + 1;
        size_t end = 0;

        while (p[end] && p[end] != ',')
            end += p[end] == '\\' && p[end + 1] ? 2 : 1;
        return arena_strndup(a, p, end);
    }
    return NULL;
}

static const char *lower_file(struct compile *cx, char *layers, const char *rel)
{
    int n = 0;

    for (char *p = layers; p && *p && n < LAYERS_MAX; n++) {
        char *end = p, *to = p;

        for (; *end && *end != ':'; end++) {
            if (*end == '\\' && end[1])
                end++;
            *to++ = *end;
        }
        bool more = *end == ':';

        *to = '\0';
        const char *found = in_layer(cx, p, rel);

        if (found)
            return found;
        p = more ? end + 1 : NULL;
    }
    return NULL;
}

/* ---- trying ---- */

/* An address where an instruction surely starts and that does not run any more: the entry point, or
 * DT_INIT. */
static bool safe_address(Elf *elf, uint64_t *vaddr, uint64_t *offset)
{
    GElf_Ehdr eh;
    size_t n;
    uint64_t init = 0;

    if (!gelf_getehdr(elf, &eh) || elf_getphdrnum(elf, &n))
        return false;
    *vaddr = eh.e_entry;
    for (size_t i = 0; i < n && i < PHDRS_MAX; i++) {
        GElf_Phdr ph;
        Elf_Data *d;
        GElf_Dyn dyn;

        if (!gelf_getphdr(elf, (int)i, &ph) || ph.p_type != PT_DYNAMIC ||
            !(d = elf_getdata_rawchunk(elf, (int64_t)ph.p_offset, ph.p_filesz, ELF_T_DYN)))
            continue;
        for (int k = 0; k < DYNAMIC_MAX && gelf_getdyn(d, k, &dyn) && dyn.d_tag != DT_NULL; k++)
            if (dyn.d_tag == DT_INIT)
                init = dyn.d_un.d_ptr;
    }
    if (init)
        *vaddr = init;
    for (size_t i = 0; *vaddr && i < n && i < PHDRS_MAX; i++) {
        GElf_Phdr ph;

        if (gelf_getphdr(elf, (int)i, &ph) && ph.p_type == PT_LOAD && (ph.p_flags & PF_X) &&
            *vaddr >= ph.p_vaddr && *vaddr - ph.p_vaddr < ph.p_filesz) {
            *offset = *vaddr - ph.p_vaddr + ph.p_offset;
            return true;
        }
    }
    return false;
}

static bool read_word(int mem, uint64_t addr, uint32_t *out)
{
    return pread(mem, out, sizeof(*out), (off_t)addr) == (ssize_t)sizeof(*out);
}

/* Does a uprobe on PATH leave the process's code at ADDR as it is? False also when it cannot be
 * tried. Slow where it is tried: unregistering waits for the kernel's RCU, some 50 ms. */
static bool is_dead(int mem, pid_t pid, const char *path, uint64_t offset, uint64_t addr)
{
    FILE *f = fopen("/sys/bus/event_source/devices/uprobe/type", "re");
    struct perf_event_attr attr = {.size = sizeof(attr), .disabled = 1};
    uint32_t before, during, type;
    bool dead = false;

    if (!f)
        return false;
    if (fscanf(f, "%u", &type) == 1 && read_word(mem, addr, &before)) {
        attr.type = type;
        attr.config1 = (uint64_t)(uintptr_t)path;
        attr.config2 = offset;
        int fd = (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);

        dead = fd >= 0 && read_word(mem, addr, &during) && before == during;
        if (fd >= 0)
            close(fd);
    }
    fclose(f);
    return dead;
}

const char *overlay_probe_path(struct compile *cx, const struct target *t, pid_t pid,
                               const struct map *m, Elf *elf, uint64_t bias, const char *path)
{
    struct mount mount = find_mount(cx, t, pid, m->path);
    const char *rel, *upper_dir, *lower;
    uint64_t vaddr, offset;

    if (!mount.point || !below(m->path, mount.point, &rel))
        return path;
    if (mount.root[1])
        rel = arena_printf(cx->arena, "%s%s", mount.root, rel);
    upper_dir = option(cx->arena, mount.options, "upperdir");
    if (!upper_dir || !in_layer(cx, upper_dir, rel)) /* nothing was copied up */
        return path;
    lower = lower_file(cx, option(cx->arena, mount.options, "lowerdir"), rel);
    if (!lower || !safe_address(elf, &vaddr, &offset))
        return path;
    int mem = open(arena_printf(cx->arena, "%s/%d/mem", t->proc, (int)pid), O_RDONLY | O_CLOEXEC);

    if (mem < 0)
        return path;
    if (is_dead(mem, pid, path, offset, bias + vaddr))
        path = lower;
    close(mem);
    return path;
}

/*
 * module: the files that a printed script refers to. Enters: a module as sema knows it; leaves:
 * what finds it among a process's mappings, and, for function probes, a path and a symbol that stap
 * can use. Refused: files that are gone, and those that stap and the kernel cannot be given by any
 * path.
 */
#include "stap/internal.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"

#ifndef OVERLAYFS_SUPER_MAGIC
#define OVERLAYFS_SUPER_MAGIC 0x794c7630
#endif

static struct module *module_of(struct compile *cx, struct target *t, const struct module_ref *ref,
                                int *fd)
{
    struct module *m = target_module(cx, t, ref->path);

    *fd = m && m->fd >= 0 ? fcntl(m->fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (*fd < 0)
        diag_error(cx->diag, (struct span){0}, "no-module", "cannot read %s", ref->path);
    return *fd < 0 ? NULL : m;
}

/* A file that is mapped is known by its path there; what the path of another leads to, we look
 * up. */
static const char *file_name(struct compile *cx, const struct module *m, int fd)
{
    char link[64], real[PATH_MAX];
    const char *path = m->path;
    ssize_t len;

    if (m->start == m->end) {
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        len = readlink(link, real, sizeof(real));
        if (len > 0 && (size_t)len < sizeof(real))
            path = arena_strndup(cx->arena, real, (size_t)len);
    }
    return base_name(path);
}

bool stap_module_read(struct compile *cx, struct target *t, const struct module_ref *ref,
                      struct stap_module *out)
{
    int fd;
    struct module *m = module_of(cx, t, ref, &fd);
    struct elf_code code;
    struct stat st;

    if (!m)
        return false;
    bool ok = elf_code(fd, &code) && !fstat(fd, &st);

    if (ok) {
        uint64_t page = 4096;

        *out = (struct stap_module){
            .name = file_name(cx, m, fd),
            .size = code.id.len ? 0 : (uint64_t)st.st_size,
            .first = code.offset / page,
            .last = (code.offset + code.size - 1) / page,
            .delta = code.vaddr - code.offset,
            .id_at = code.id_vaddr,
            .id = code.id,
        };
    } else {
        diag_error(cx->diag, (struct span){0}, "no-module", "%s has no code that could be mapped",
                   ref->path);
    }
    close(fd);
    return ok;
}

static const char *only_symbol(struct compile *cx, int fd, uint64_t vaddr, const char *func)
{
    struct elf_symbols all = elf_symbols_read(cx->arena, fd);
    const char *found = NULL;

    for (uint32_t i = 0; func && i < all.n; i++) {
        if (strcmp(all.v[i].name, func))
            continue;
        if (all.v[i].vaddr != vaddr || !all.v[i].is_func)
            return NULL;
        found = all.v[i].name;
    }
    return found;
}

/* A debug file is found by the build-id; one that is in the file itself comes with symbols. */
static bool can_stand_in(struct compile *cx, int fd, uint64_t vaddr)
{
    struct build_id id;

    if (elf_build_id(fd, &id) && id.len)
        return true;
    struct elf_symbols all = elf_symbols_read(cx->arena, fd);
    const struct elf_symbol *s = elf_symbol_at(&all, vaddr);

    return s && s->is_func && s->vaddr == vaddr;
}

/* In process("..") SystemTap undoes no escapes, and takes the path for a pattern. */
static bool can_be_said(const char *path)
{
    for (; *path; path++)
        if ((unsigned char)*path < ' ' || *path == 0x7f || strchr("\\*?[]{}", *path))
            return false;
    return true;
}

const char *stap_probe_path(struct compile *cx, struct target *t, const struct module_ref *ref,
                            uint64_t vaddr, const char *func, const char **symbol, struct span at)
{
    int fd;
    struct module *m = module_of(cx, t, ref, &fd);
    struct statfs fs;

    if (!m)
        return NULL;
    *symbol = only_symbol(cx, fd, vaddr, func);
    if (!*symbol && !can_stand_in(cx, fd, vaddr)) {
        close(fd);
        diag_error(cx->diag, at, "stap",
                   "SystemTap cannot place a probe in %s, which has neither a build-id nor symbols",
                   m->path);
        diag_hint(cx->diag, "eBPF can (--backend bpf)");
        return NULL;
    }
    bool overlaid = !fstatfs(fd, &fs) && (unsigned long)fs.f_type == OVERLAYFS_SUPER_MAGIC;

    close(fd);
    if (overlaid) {
        /* Its uprobes take the overlay's inode, which has none; of a layer's file they see no
         * process. */
        diag_error(
            cx->diag, at, "stap",
            "SystemTap cannot place a probe in %s, a file of an overlay (a container's root)",
            m->path);
        diag_hint(cx->diag, "eBPF can (--backend bpf); timer.profile works with both");
        return NULL;
    }
    if (m->host_path && !can_be_said(m->host_path)) {
        diag_error(cx->diag, at, "no-path",
                   "SystemTap cannot be told this path, as it means more than itself there: %s",
                   m->host_path);
        diag_hint(cx->diag, "eBPF can (--backend bpf)");
        return NULL;
    }
    if (m->host_path)
        return m->host_path;
    diag_error(cx->diag, at, "no-path",
               "SystemTap cannot place a probe in %s: only /proc leads to it", m->path);
    diag_hint(cx->diag, "--sysroot or --container gives a path to it; eBPF needs none");
    return NULL;
}

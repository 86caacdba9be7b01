/*
 * kconfig: enters: a kernel's release, or where modules for it are built; leaves: values of its options, from the
 * .config there, or, for the kernel that runs, from the first of /proc/config.gz, /boot/config-RELEASE and
 * /lib/modules/RELEASE/{config,build/.config} that can be read: the host's, never a sysroot's. Where there is none,
 * everything is unset, and -v says so.
 */
#include "cli/kconfig.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/diag.h"

enum { CONFIG_MAX = 4 << 20 };

struct kconfig {
    struct compile *cx;
    const char *release, *build;
    char *text; /* NULL: not read yet; "": there is none */
};

struct kconfig *kconfig_new(struct compile *cx, const char *release, const char *build)
{
    struct kconfig *k = ARENA_NEW(cx->arena, struct kconfig);

    k->cx = cx;
    k->release = release;
    k->build = build;
    return k;
}

typedef void *gz_open(int fd, const char *mode);
typedef int gz_read(void *f, void *buf, unsigned len);
typedef int gz_close(void *f);

/* zlib is there with libelf, but not always its headers; it reads plain files as they are. */
static bool read_all(struct kconfig *k, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *lib = fd >= 0 ? dlopen("libz.so.1", RTLD_NOW | RTLD_LOCAL) : NULL;
    void *symbols[3] = {0};
    static const char *const names[] = {"gzdopen", "gzread", "gzclose"};
    gz_open *open_it;
    gz_read *read_it;
    gz_close *close_it;
    void *f = NULL;
    int n = -1;

    for (int i = 0; lib && i < 3; i++)
        symbols[i] = dlsym(lib, names[i]);
    if (symbols[0] && symbols[1] && symbols[2]) {
        /* memcpy is POSIX's way from an object pointer to a function's. */
        memcpy(&open_it, &symbols[0], sizeof(open_it));
        memcpy(&read_it, &symbols[1], sizeof(read_it));
        memcpy(&close_it, &symbols[2], sizeof(close_it));
        f = open_it(fd, "r");
    }
    if (f) {
        char *buf = malloc(CONFIG_MAX);

        n = buf ? read_it(f, buf, CONFIG_MAX) : -1;
        if (n > 0)
            k->text = arena_strndup(k->cx->arena, buf, (size_t)n);
        free(buf);
        close_it(f); /* and FD */
    } else if (fd >= 0) {
        close(fd);
    }
    if (lib)
        dlclose(lib);
    return n > 0;
}

static void read_config(struct kconfig *k)
{
    struct arena *a = k->cx->arena;
    const char *const own[] = {"/proc/config.gz", arena_printf(a, "/boot/config-%s", k->release),
                               arena_printf(a, "/lib/modules/%s/config", k->release),
                               arena_printf(a, "/lib/modules/%s/build/.config", k->release)};
    const char *const other[] = {arena_printf(a, "%s/.config", k->build ? k->build : "")};
    const char *const *places = k->build ? other : own;
    size_t n = k->build ? 1 : sizeof(own) / sizeof(*own);

    for (size_t i = 0; i < n; i++)
        if (read_all(k, places[i]))
            return;
    k->text = arena_strdup(a, "");
    if (k->cx->verbose)
        diag_warning(k->cx->diag, (struct span){0},
                     "the kernel's options are not told (%s): CONFIG_ names are taken as not set",
                     k->build ? places[0] : arena_printf(a, "%s, %s", places[0], places[1]));
}

const char *kconfig_value(void *arg, const char *name)
{
    struct kconfig *k = arg;
    size_t len = strlen(name);

    if (!k->text)
        read_config(k);
    for (const char *p = k->text; p && *p; p = strchr(p, '\n'), p += p ? 1 : 0)
        if (!strncmp(p, name, len) && p[len] == '=')
            return arena_strndup(k->cx->arena, p + len + 1, strcspn(p + len + 1, "\n"));
    return NULL;
}

const char *kconfig_arch(struct kconfig *k)
{
    /* SystemTap's normalize_machine, by the options that arch/ARCH/Kconfig sets for each. */
    static const char *const names[][2] = {
        {"CONFIG_X86_64", "x86_64"}, {"CONFIG_X86_32", "i386"}, {"CONFIG_ARM64", "arm64"},
        {"CONFIG_ARM", "arm"},       {"CONFIG_PPC", "powerpc"}, {"CONFIG_S390", "s390"},
        {"CONFIG_RISCV", "riscv"},   {"CONFIG_MIPS", "mips"},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const char *v = kconfig_value(k, names[i][0]);

        if (v && !strcmp(v, "y"))
            return names[i][1];
    }
    return NULL;
}

/*
 * kconfig: enters: a kernel's release, or where modules for it are built; leaves: values of its
 * options, from the .config there, or, for the kernel that runs, from the first of /proc/config.gz,
 * /boot/config-RELEASE and /lib/modules/RELEASE/{config,build/.config} that can be read: the
 * host's, never a sysroot's. Where there is none, everything is unset, and -v says so.
 */
#include "cli/kconfig.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

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

/* Compressed or not: gzread gives plain files as they are. */
static bool read_all(struct kconfig *k, const char *path)
{
    gzFile f = gzopen(path, "re");
    char *text = f ? malloc(CONFIG_MAX) : NULL;
    int n = text ? gzread(f, text, CONFIG_MAX) : -1;

    if (n > 0)
        k->text = arena_strndup(k->cx->arena, text, (size_t)n);
    free(text);
    if (f)
        gzclose(f);
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

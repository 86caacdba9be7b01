/*
 * toolchain: what a module is built with: stap, its runtime, the kernel's headers, make and a
 * compiler. Enters: a kernel release or build directory; leaves: their paths and what tells them
 * apart from other versions, or one sentence that names what is missing and the package that brings
 * it. Refuses a stap before 2.3 and headers of any other release than the one asked for.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/diag.h"
#include "stap/build.h"

enum { OLDEST_MAJOR = 2, OLDEST_MINOR = 3, SECONDS_FOR_VERSION = 120, SMALL_FILE = 1 << 20 };

static bool is_directory(const char *path)
{
    struct stat st;

    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static const char *real_path(struct compile *cx, const char *path)
{
    char *real = realpath(path, NULL);
    const char *copy = real ? arena_strdup(cx->arena, real) : NULL;

    free(real);
    return copy;
}

/* ---- stap ---- */

/* "Systemtap translator/driver (version 4.8/0.188, Debian version 4.8-2)" */
static const char *find_version(struct compile *cx, const char *scratch, struct stap_tools *t)
{
    const char *log = arena_printf(cx->arena, "%s/version", scratch);
    struct stap_child c = {
        .argv = (const char *const[]){t->stap, "-V", NULL},
        .env = (const char *const[]){arena_printf(cx->arena, "SYSTEMTAP_DIR=%s", scratch), NULL},
        .log = log,
        .seconds = SECONDS_FOR_VERSION};
    int status = stap_child_run(cx, &c);
    const char *text = status >= 0 ? stap_read_file(cx, log, SMALL_FILE, NULL) : NULL;
    const char *v = text ? strstr(text, "(version ") : NULL;

    if (v)
        v += strlen("(version ");
    if (!v || sscanf(v, "%u.%u", &t->major, &t->minor) != 2)
        return arena_printf(cx->arena, "%s -V does not tell a version", t->stap);
    t->version = arena_strndup(cx->arena, v, strcspn(v, ")\n"));
    if (t->major < OLDEST_MAJOR || (t->major == OLDEST_MAJOR && t->minor < OLDEST_MINOR))
        return arena_printf(cx->arena,
                            "%s is version %u.%u, and %d.%d is the oldest that will do: install a "
                            "newer SystemTap",
                            t->stap, t->major, t->minor, OLDEST_MAJOR, OLDEST_MINOR);
    return NULL;
}

/* SYSTEMTAP_RUNTIME, as stap has it, else ../share/systemtap/runtime beside the program. */
static const char *find_runtime(struct compile *cx, struct stap_tools *t)
{
    const char *dir = getenv("SYSTEMTAP_RUNTIME");
    const char *real = real_path(cx, t->stap);
    const char *slash = real ? strrchr(real, '/') : NULL;

    if (!dir && slash)
        dir = arena_printf(cx->arena, "%.*s/../share/systemtap/runtime", (int)(slash - real), real);
    t->runtime = dir ? real_path(cx, dir) : NULL;
    if (t->runtime && is_directory(t->runtime))
        return NULL;
    return arena_printf(
        cx->arena,
        "no runtime of SystemTap in %s: it comes with the package systemtap (Fedora, "
        "RHEL: systemtap-devel); or name its directory by SYSTEMTAP_RUNTIME",
        dir ? dir : "../share/systemtap/runtime");
}

/* ---- kernel headers ---- */

static const char *first_line(struct compile *cx, const char *path)
{
    const char *text = stap_read_file(cx, path, SMALL_FILE, NULL);

    return text && *text ? arena_strndup(cx->arena, text, strcspn(text, "\n")) : NULL;
}

/* #define UTS_RELEASE "6.1.0-56-amd64" */
static const char *uts_release(struct compile *cx, const char *build)
{
    const char *path = arena_printf(cx->arena, "%s/include/generated/utsrelease.h", build);
    const char *text = stap_read_file(cx, path, SMALL_FILE, NULL);
    const char *quote = text ? strchr(text, '"') : NULL;

    return quote ? arena_strndup(cx->arena, quote + 1, strcspn(quote + 1, "\"\n")) : NULL;
}

static const char *tree_release(struct compile *cx, const char *build)
{
    const char *r = uts_release(cx, build); /* Debian writes something else in the other file */

    return r ? r
             : first_line(cx, arena_printf(cx->arena, "%s/include/config/kernel.release", build));
}

static const char *no_headers(struct compile *cx, const char *release)
{
    return arena_printf(cx->arena,
                        "no headers of kernel %s (there is no /lib/modules/%s/build): Debian, "
                        "Ubuntu: apt-get install linux-headers-%s; Fedora, RHEL: dnf install "
                        "kernel-devel-%s",
                        release, release, release, release);
}

static const char *find_headers(struct compile *cx, const char *wanted, struct stap_tools *t)
{
    struct utsname u;
    const char *found;

    if (!wanted) {
        uname(&u);
        if (access("/proc/modules", F_OK))
            return arena_printf(
                cx->arena,
                "this kernel (%s) has no loadable modules (there is no /proc/modules); -r names "
                "another one to make a module for",
                u.release);
        wanted = arena_strdup(cx->arena, u.release);
    }
    if (strchr(wanted, '/')) {
        t->build = real_path(cx, wanted);
        if (!t->build || !is_directory(t->build))
            return arena_printf(cx->arena, "%s: no such directory", wanted);
        t->release = tree_release(cx, t->build);
        return t->release ? NULL
                          : arena_printf(cx->arena,
                                         "%s is not the build directory of a kernel: it has no "
                                         "include/generated/utsrelease.h",
                                         wanted);
    }
    t->release = wanted;
    t->build = real_path(cx, arena_printf(cx->arena, "/lib/modules/%s/build", wanted));
    if (!t->build)
        t->build = real_path(cx, arena_printf(cx->arena, "/usr/src/linux-headers-%s", wanted));
    found = t->build ? tree_release(cx, t->build) : NULL;
    if (!found)
        return no_headers(cx, wanted);
    return strcmp(found, wanted)
               ? arena_printf(cx->arena, "the headers in %s are of kernel %s, not %s", t->build,
                              found, wanted)
               : NULL;
}

/* Debian builds with the very compiler that its .kernelvariables names, others with gcc. */
static const char *compiler_of(struct compile *cx, const char *build)
{
    const char *text =
        stap_read_file(cx, arena_printf(cx->arena, "%s/.kernelvariables", build), SMALL_FILE, NULL);

    for (const char *p = text; p && (p = strstr(p, "gcc-")); p++) {
        size_t n = strlen("gcc-");

        if (!isdigit((unsigned char)p[n]))
            continue;
        while (isdigit((unsigned char)p[n]) || (p[n] == '.' && isdigit((unsigned char)p[n + 1])))
            n++;
        return arena_strndup(cx->arena, p, n);
    }
    return "gcc";
}

static const char *find_compiler(struct compile *cx, const struct stap_tools *t)
{
    const char *cc = compiler_of(cx, t->build);

    if (!stap_find_program(cx, "make", X_OK))
        return "no make: Debian, Ubuntu: apt-get install make; Fedora, RHEL: dnf install make";
    if (!stap_find_program(cx, cc, X_OK))
        return arena_printf(
            cx->arena,
            "no compiler: %s, which the headers of kernel %s ask for, is not in PATH: "
            "Debian, Ubuntu: apt-get install %s; Fedora, RHEL: dnf install gcc",
            cc, t->release, cc);
    return NULL;
}

/* A distribution may replace headers without changing the release. */
static const char *stamp_of(struct compile *cx, const char *build)
{
    static const char *const files[] = {"Module.symvers", ".config",
                                        "include/generated/autoconf.h"};
    const char *stamp = build;
    struct stat st;

    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        if (!stat(arena_printf(cx->arena, "%s/%s", build, files[i]), &st))
            stamp = arena_printf(cx->arena, "%s %lld+%lld", stamp, (long long)st.st_mtim.tv_sec,
                                 (long long)st.st_size);
    return stamp;
}

/* Debian keeps what all flavours share in another directory: the Makefile includes that one's. */
static const char *common_dir(struct compile *cx, const char *build)
{
    const char *text =
        stap_read_file(cx, arena_printf(cx->arena, "%s/Makefile", build), SMALL_FILE, NULL);
    const char *end;

    if (!text || strncmp(text, "include ", 8))
        return NULL;
    text += 8;
    text += strspn(text, " ");
    end = text + strcspn(text, "\n");
    while (end > text && *end != '/')
        end--;
    return end > text ? arena_strndup(cx->arena, text, (size_t)(end - text)) : NULL;
}

char *stap_header_text(struct compile *cx, const struct stap_tools *t, const char *file)
{
    const char *common = common_dir(cx, t->build);
    const char *dirs[] = {t->build, arena_printf(cx->arena, "%s/source", t->build),
                          common ? common : t->build};
    char *text = NULL;

    for (size_t i = 0; !text && i < sizeof(dirs) / sizeof(*dirs); i++)
        text =
            stap_read_file(cx, arena_printf(cx->arena, "%s/%s", dirs[i], file), SMALL_FILE, NULL);
    return text;
}

/* ---- all of it ---- */

const char *stap_find_tools(struct compile *cx, const char *release, const char *scratch,
                            struct stap_tools *t)
{
    const char *why;

    *t = (struct stap_tools){.stap = stap_find_program(cx, "stap", X_OK)};
    if (!t->stap)
        return "there is no stap in PATH: Debian, Ubuntu: apt-get install systemtap; Fedora, RHEL: "
               "dnf "
               "install systemtap";
    (void)((why = find_version(cx, scratch, t)) || (why = find_runtime(cx, t)) ||
           (why = find_headers(cx, release, t)) || (why = find_compiler(cx, t)));
    if (!why)
        t->stamp = stamp_of(cx, t->build);
    return why;
}

const char *stap_kernel_release(struct compile *cx, const char *release, const char **build)
{
    struct stap_tools t = {.stap = NULL};
    const char *why = find_headers(cx, release, &t);

    if (why)
        diag_error(cx->diag, (struct span){0}, "stap", "%s", why);
    *build = t.build;
    return why ? NULL : t.release;
}

/*
 * runtime: the C code that stap compiles into every module, patched. Enters: the installed runtime,
 * the kernel's headers, and directories of patches; leaves: the directory for stap -R: the
 * installed one when no patch is needed, else a private copy with those applied that are. A patch's
 * header says when it is needed, one condition a line, all of which must hold:
 *
 *     When: kernel include/linux/task_work.h has task_work_cancel_func
 *     When: runtime stp_task_work.c lacks task_work_cancel_func
 *
 * Refuses a patch that is needed and does not apply: a module without it would not build, or lie.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "stap/build.h"

enum { PATCH_MAX = 1 << 20, SOURCE_MAX = 16 << 20 };

static const struct span nowhere;

struct patch {
    const char *name; /* first: order_by_text */
    const char *text;
};

struct patches {
    struct patch *v;
    uint32_t n;
};

static struct patches read_patches(struct compile *cx, const char *const *dirs, uint32_t n)
{
    struct patches all = {NULL, 0};

    for (uint32_t i = 0; i < n; i++) {
        DIR *d = opendir(dirs[i]);

        for (struct dirent *e; d && (e = readdir(d));) {
            if (!ends_with(e->d_name, ".patch"))
                continue;
            const char *text = stap_read_file(
                cx, arena_printf(cx->arena, "%s/%s", dirs[i], e->d_name), PATCH_MAX, NULL);

            if (!text)
                continue;
            all.v = arena_grow(cx->arena, all.v, all.n, sizeof(*all.v));
            all.v[all.n++] = (struct patch){arena_strdup(cx->arena, e->d_name), text};
        }
        if (d)
            closedir(d);
    }
    if (all.n)
        qsort(all.v, all.n, sizeof(*all.v), order_by_text);
    return all;
}

/* ---- when a patch is needed ---- */

/* TEXT holds WORD, not as a part of a longer name. */
static bool has_word(const char *text, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = text; (p = strstr(p, word)); p++)
        if ((p == text || !is_word(p[-1])) && !is_word(p[n]))
            return true;
    return false;
}

/* One condition, "kernel FILE has WORD". A file that is not there has nothing. */
static bool holds(struct compile *cx, const struct stap_tools *t, const char *line, size_t len,
                  const char **bad)
{
    char *copy = arena_strndup(cx->arena, line, len), *save = NULL;
    const char *where = strtok_r(copy, " \t", &save), *file = strtok_r(NULL, " \t", &save);
    const char *how = strtok_r(NULL, " \t", &save), *word = strtok_r(NULL, " \t", &save);
    const char *text = NULL;

    if (!word || (strcmp(how, "has") != 0 && strcmp(how, "lacks") != 0) ||
        (strcmp(where, "kernel") != 0 && strcmp(where, "runtime") != 0)) {
        *bad = arena_strndup(cx->arena, line, len);
        return false;
    }
    text = *where == 'k' ? stap_header_text(cx, t, file)
                         : stap_read_file(cx, arena_printf(cx->arena, "%s/%s", t->runtime, file),
                                          SOURCE_MAX, NULL);
    return (text && has_word(text, word)) == !strcmp(how, "has");
}

static bool needed(struct compile *cx, const struct stap_tools *t, const struct patch *p)
{
    static const char field[] = "When: ";
    const char *bad = NULL;
    bool all = true;

    for (const char *line = p->text; *line && strncmp(line, "--- ", 4) != 0 && all;) {
        size_t n = strcspn(line, "\n");

        if (!strncmp(line, field, sizeof(field) - 1))
            all = holds(cx, t, line + sizeof(field) - 1, n - (sizeof(field) - 1), &bad);
        line += n + (line[n] == '\n');
    }
    if (bad)
        diag_warning(cx->diag, nowhere, "%s: cannot understand \"When: %s\"", p->name, bad);
    return all;
}

/* ---- the copy ---- */

static const char *make_key(struct compile *cx, const struct stap_tools *t, const struct patches *p)
{
    struct stat st;
    const char *key;

    /* A packet manager that replaces the runtime replaces its files: runtime.h stands for them. */
    if (stat(arena_printf(cx->arena, "%s/runtime.h", t->runtime), &st))
        memset(&st, 0, sizeof(st));
    key = arena_printf(cx->arena, "runtime %s\nstap %s\nfiles %lld %lld\n", t->runtime, t->version,
                       (long long)st.st_mtim.tv_sec, (long long)st.st_size);
    for (uint32_t i = 0; i < p->n; i++)
        key = arena_printf(cx->arena, "%spatch %s\n%s\n", key, p->v[i].name, p->v[i].text);
    return key;
}

static bool apply(struct compile *cx, const struct stap_tools *t, const struct patches *p,
                  const char *dir)
{
    const char *why;

    for (uint32_t i = 0; i < p->n; i++)
        if (!stap_patch_apply(cx, p->v[i].text, dir, &why)) {
            diag_error(
                cx->diag, nowhere, "stap",
                "the runtime of SystemTap %s needs %s for kernel %s, which does not apply: %s",
                t->version, p->v[i].name, t->release, why ? why : "it changes nothing");
            return false;
        }
    return true;
}

const char *stap_runtime(struct compile *cx, const struct stap_tools *t, const struct stap_cache *c,
                         const char *const *dirs, uint32_t n_dirs, const char **key)
{
    struct patches all = read_patches(cx, dirs, n_dirs), use = {all.v, 0};
    int lock;

    *key = "";
    for (uint32_t i = 0; i < all.n; i++)
        if (needed(cx, t, &all.v[i]))
            use.v[use.n++] = all.v[i];
    if (!use.n)
        return t->runtime;
    *key = make_key(cx, t, &use);
    const char *dir = stap_cache_find(cx, c, "runtime", *key, strlen(*key), &lock);

    if (!dir) {
        const char *tmp = stap_cache_begin(cx, c, &lock);
        const char *copy = tmp ? arena_printf(cx->arena, "%s/runtime", tmp) : NULL;

        if (copy && !stap_copy_tree(cx, t->runtime, copy)) {
            diag_error(cx->diag, nowhere, "stap", "cannot copy %s to %s", t->runtime, copy);
            return NULL;
        }
        if (!copy || !apply(cx, t, &use, copy))
            return NULL;
        dir = stap_cache_commit(cx, c, tmp, "runtime", *key, strlen(*key), &lock);
    }
    for (uint32_t i = 0; i < use.n && cx->verbose; i++)
        diag_note(cx->diag, nowhere, "SystemTap's runtime is mended by %s", use.v[i].name);
    return dir ? arena_printf(cx->arena, "%s/runtime", dir) : NULL;
}

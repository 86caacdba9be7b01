/*
 * modules: which of the target's modules each module of the object is. Enters: paths and build-ids
 * of the object, the target; leaves: the modules and, in the control map, where they lie. A module
 * is found by its path, or under another path by its build-id; another build under the same path is
 * refused, since every offset in the object belongs to one build. A module of which only types are
 * used need not be mapped; if the process that the object was made for did map it, a file of the
 * same name in this one is taken for the same library. The kernel is a module too: its types are of
 * one build.
 */
#include "load/session.h"

#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "target/ksyms.h"

static bool same_build(const struct build_id *a, const struct build_id *b)
{
    return a->len && a->len == b->len && !memcmp(a->bytes, b->bytes, a->len);
}

static struct module *by_path(const struct target *t, const char *path)
{
    for (struct module *m = t->modules; m; m = m->next)
        if (!strcmp(m->path, path))
            return m;
    return NULL;
}

static struct module *by_build(const struct target *t, const struct build_id *id)
{
    for (struct module *m = t->modules; m; m = m->next)
        if (same_build(&m->id, id))
            return m;
    return NULL;
}

static bool mismatch(const struct session *s, const struct module *m, const struct build_id *want)
{
    struct compile *cx = s->cx;

    diag_error(cx->diag, (struct span){0}, "build-id",
               "%s is not the build this object was compiled for: build-id %s, the object needs %s",
               m->path, m->id.len ? build_id_text(cx->arena, &m->id) : "(none)",
               build_id_text(cx->arena, want));
    diag_hint(cx->diag, "compile the script again for this target");
    return false;
}

/* The kernel's types, or those of its module NAME. */
static bool check_kernel_build(const struct session *s, const struct obj_module *om,
                               const char *name)
{
    struct build_id want = {.len = 0}, have;

    if (name)
        kernel_module_build_id(name, &have);
    else
        kernel_build_id(&have);
    if (om->build_id)
        build_id_parse(object_str(s->o, om->build_id), &want);
    if (same_build(&have, &want) || (name && !have.len && !want.len))
        return true;
    diag_error(s->cx->diag, (struct span){0}, "build-id",
               "this kernel%s%s is not the build this object was compiled for: build-id %s, the "
               "object needs %s",
               name ? "'s module " : "", name ? name : "", build_id_text(s->cx->arena, &have),
               build_id_text(s->cx->arena, &want));
    diag_hint(s->cx->diag, "compile the script again on this machine");
    return false;
}

/* Where the kernel, or its module, lies since it was booted, or loaded. */
static bool find_kernel(struct session *s, uint32_t i)
{
    const struct obj_module *om = &s->o->modules[i];
    const char *name = kernel_module_of(object_str(s->o, om->path));

    if (!check_kernel_build(s, om, name))
        return false;
    if (!(om->flags & OBJ_MODULE_ADDRESSED))
        return true;
    const struct ksyms *k = kernel_symbols(s->cx, s->t);

    s->control->bias[0][i] = ksyms_base(k, name);
    return s->control->bias[0][i] ||
           diag_error(s->cx->diag, (struct span){0}, "kernel", "%s",
                      k->why ? k->why
                             : arena_printf(s->cx->arena, "the kernel has no module '%s' loaded",
                                            name ? name : "?"));
}

static bool is_probed(const struct session *s, uint32_t module)
{
    for (uint32_t p = 0; p < s->o->h->table[OBJ_PLACES].n; p++)
        if (s->o->places[p].module == module)
            return true;
    return false;
}

/* "libfoo-2.1.so.2.1.0" is the "libfoo-2.1.so" that it was, too. */
static bool same_name(const char *a, const char *b)
{
    a = base_name(a);
    b = base_name(b);
    const char *x = strstr(a, ".so"), *y = strstr(b, ".so");
    size_t n = x ? (size_t)(x - a) : strlen(a);

    return n == (y ? (size_t)(y - b) : strlen(b)) && !memcmp(a, b, n);
}

static bool is_mapped(const struct module *m)
{
    return m->start != m->end;
}

/* Finds the module that the process mapped in place of the one that the object knows types of. */
static struct module *namesake(const struct target *t, const char *path)
{
    for (struct module *m = t->modules; m; m = m->next)
        if (is_mapped(m) && same_name(m->path, path))
            return m;
    return NULL;
}

/* Is the module used for types only, and not mapped? Then nothing of it is read. */
static bool check_types(struct session *s, const struct obj_module *om, const struct build_id *want,
                        struct module *m)
{
    if (!want->len)
        return true;
    if (m && (is_mapped(m) || !s->t->n_pids))
        return same_build(&m->id, want) || mismatch(s, m, want);
    m = om->flags & OBJ_MODULE_MAPPED ? namesake(s->t, object_str(s->o, om->path)) : NULL;
    if (m)
        return same_build(&m->id, want) || mismatch(s, m, want);
    if (s->t->n_pids && s->cx->verbose)
        diag_warning(s->cx->diag, (struct span){0},
                     "process %d does not map %s, of which the script uses types",
                     (int)target_first(s->t), object_str(s->o, om->path));
    return true;
}

/* A file can be probed before anybody maps it, but variables in it have no address then. */
static bool is_missing(const struct session *s, const struct module *m, uint32_t i)
{
    return s->t->n_pids && !is_mapped(m) && !is_probed(s, i);
}

/* Two files of one build may both be probed: is the one at PATH of it? */
static bool is_build_of(const struct session *s, const char *path, const struct build_id *want)
{
    struct build_id id = {.len = 0};
    int fd = sysroot_open(s->t->root, path);

    if (fd < 0)
        return false;
    elf_build_id(fd, &id);
    close(fd);
    return same_build(&id, want);
}

static bool find_module(struct session *s, uint32_t i)
{
    const struct obj_module *om = &s->o->modules[i];
    const char *path = object_str(s->o, om->path);
    struct build_id want = {.len = 0};
    struct module *m = by_path(s->t, path);

    if (kernel_is_path(path))
        return find_kernel(s, i);

    if (om->build_id)
        build_id_parse(object_str(s->o, om->build_id), &want);
    if (want.len && (!m || !same_build(&m->id, &want))) {
        struct module *twin = by_build(s->t, &want);

        if (twin && (m || is_mapped(twin) || !is_build_of(s, path, &want)))
            m = twin;
    }
    if (!(om->flags & OBJ_MODULE_ADDRESSED)) {
        s->modules[i] = m;
        s->control->bias[0][i] = m ? m->bias : 0;
        return check_types(s, om, &want, m);
    }
    if (!m)
        m = target_module(s->cx, s->t, path);
    if (m && want.len && !same_build(&m->id, &want))
        return mismatch(s, m, &want);
    if (m && is_missing(s, m, i)) {
        diag_warning(s->cx->diag, (struct span){0},
                     "process %d does not map %s: what the script reads of its variables fails",
                     (int)target_first(s->t), path);
        diag_hint(s->cx->diag, "was the script compiled for another program?");
    }
    if (!m)
        diag_warning(s->cx->diag, (struct span){0},
                     "the target has no module %s: what the script reads of it fails", path);
    s->modules[i] = m;
    s->control->bias[0][i] = m ? m->bias : 0;
    return true;
}

bool load_modules(struct session *s)
{
    uint32_t n = s->o->h->table[OBJ_MODULES].n;

    s->modules = ARENA_ARRAY(s->cx->arena, struct module *, n);
    for (uint32_t i = 0; i < n; i++)
        if (!find_module(s, i))
            return false;
    return true;
}

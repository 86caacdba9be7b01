/*
 * backend: see backend.h. eBPF suffices when the kernel has what every script needs of it, and any
 * of the ways to loop; what single scripts need beyond that is found when they are loaded. Enters:
 * options, the kernel's features; leaves: a choice and its reason, a module, an exit status.
 * Refuses what neither back end can run, with both reasons.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "cli/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "base/file.h"
#include "cli/limits.h"
#include "cli/search.h"
#include "out/out.h"
#include "stap/stap.h"

enum { MODULE_MAX = 1 << 30 };

static const struct span nowhere;

/* ---- the choice ---- */

/* Why eBPF will not do on K; NULL: it will. */
static const char *bpf_lacks(struct compile *cx, const struct kernel *k)
{
    static const enum feature needed[] = {FEAT_BPF, FEAT_RINGBUF, FEAT_ATOMICS};

    for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
        if (!k->has[needed[i]])
            return arena_printf(cx->arena, "the eBPF of Linux %s lacks %s (since %s)", k->release,
                                feature_name(needed[i]), feature_since(needed[i]));
    if (!k->has[FEAT_MAY_GOTO] && !k->has[FEAT_BPF_LOOP] && !k->has[FEAT_FOR_EACH_MAP])
        return arena_printf(cx->arena, "the eBPF of Linux %s cannot loop: it lacks %s (since %s)",
                            k->release, feature_name(FEAT_FOR_EACH_MAP),
                            feature_since(FEAT_FOR_EACH_MAP));
    return NULL;
}

static void say(const struct compile *cx, const struct options *o, const char *backend,
                const char *why)
{
    if (!o->no_warnings)
        fprintf(cx->err, "ngstap: back end: %s, as %s\n", backend, why);
}

bool backend_choose(struct compile *cx, const struct options *o, bool running,
                    struct backend_choice *out)
{
    *out = (struct backend_choice){.backend = o->backend};
    if (o->release && !(out->release = stap_kernel_release(cx, o->release, &out->build)))
        return false;
    if (o->backend != BACKEND_AUTO)
        return true;
    if (o->dump & DUMP_STAP || o->release) {
        out->backend = BACKEND_STAP;
        if (o->release && !o->dump)
            say(cx, o, "stap", "-r names a kernel to make a module for");
        return true;
    }
    out->backend = BACKEND_BPF;
    if (!running)
        return true;
    out->kernel = kernel_probe(cx, o->no_feature.v, o->no_feature.n);
    if (!out->kernel)
        return false;
    const char *why = bpf_lacks(cx, out->kernel);

    if (!why || out->kernel->missing_caps) { /* without them nothing can be said of the rest */
        if (cx->verbose && !why)
            say(cx, o, "eBPF",
                arena_printf(cx->arena, "Linux %s has all it needs", out->kernel->release));
        return true;
    }
    const char *lacks = stap_lacks(cx, NULL);

    if (lacks) {
        out->lacks = arena_printf(cx->arena, "%s, and the stap back end: %s", why, lacks);
        return true;
    }
    out->backend = BACKEND_STAP;
    say(cx, o, "stap", why);
    return true;
}

/* ---- the stap back end ---- */

bool backend_stap_build(const struct backend_stap *b, const char *script, size_t len,
                        const struct stap_points *points)
{
    struct strings patches = search_patches(b->cx);
    struct stap_build sb = {.script = script,
                            .len = len,
                            .points = *points,
                            .name = b->o->object_name,
                            .release = b->o->release,
                            .defines = b->o->stap_defines.v,
                            .n_defines = b->o->stap_defines.n,
                            .patches = patches.v,
                            .n_patches = patches.n};

    return stap_build(b->cx, &sb, b->module);
}

bool backend_stap_write(const struct backend_stap *b)
{
    const char *name = base_name(b->module->path);
    size_t len;
    char *text = file_read(b->module->path, MODULE_MAX, &len);
    struct out_file file;

    if (!text)
        return diag_error(b->cx->diag, nowhere, "module", "cannot read %s: %s", b->module->path,
                          strerror(errno));
    bool ok = out_file_open(b->cx, name, &file) && out_file_begin(b->cx, &file);

    if (ok) {
        fwrite(text, 1, len, file.f);
        ok = out_file_close(b->cx, &file, true);
    }
    free(text);
    if (ok)
        fprintf(b->out, "%s\n", name);
    return ok;
}

int backend_stap_run(const struct backend_stap *b, const char *path)
{
    fflush(b->out);
    const struct target *t = b->target;
    /* One process it can be given: of several, or a master's, the module knows. */
    pid_t pid = !t || b->o->command || t->master || t->n_pids > 1 ? 0 : t->pid;
    struct stap_run r = {.module = path,
                         .pid = pid,
                         .master = t ? t->master : 0,
                         .command = b->o->command,
                         .out = fileno(b->out),
                         .seconds = b->o->seconds,
                         .no_warnings = b->o->no_warnings};
    int status = stap_run(b->cx, &r);

    return status < 0 ? 1 : status;
}

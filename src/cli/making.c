/*
 * making: from the analysis of a parsed script to its object. Enters: the program, as syntax made
 * it; leaves: the object in memory, or what else the options ask for on the way, printed; for the
 * stap back end a module, which is run. Refuses: what a stage refuses, which has said so. All of it
 * works in a jail where there is one, and answers from there; without one, here.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "cli/making.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "base/arena.h"
#include "base/bounds.h"
#include "base/clock.h"
#include "base/diag.h"
#include "cli/apart.h"
#include "cli/listing.h"
#include "cli/search.h"
#include "debug/debug.h"
#include "ir/ir.h"
#include "load/load.h"
#include "lower/lower.h"
#include "sema/sema.h"
#include "stap/stap.h"
#include "sxx/sxx.h"
#include "syntax/syntax.h"
#include "target/luajit.h"

/* What a jail tells: the first byte is whether the analysis went well; then what the target lacks,
 * if it is that. And that what the kernel was found to have is for want of privileges. */
enum { TELLS_ANALYSED, TELLS_FORBIDDEN };

void making_passed(struct making *m, int pass, const char *what)
{
    uint64_t now = clock_ns(CLOCK_MONOTONIC);

    if (m->cx->verbose)
        fprintf(m->cx->err, "Pass %d: %s in %" PRIu64 "ms.\n", pass, what,
                (now - m->since) / MILLISECOND_NS);
    m->since = now;
}

/* Each pass that is the last to run, or that is asked for, shows what it made. */
static bool shows(const struct options *o, enum pass pass, unsigned dump)
{
    return o->last_pass == pass || (o->dump & dump);
}

/* ---- analysis ---- */

static void open_debuginfo(struct making *m)
{
    m->places->debuginfo = debuginfo_new(m->cx, m->target);
    debuginfo_layouts(m->places->debuginfo, search_layouts(m->cx));
}

static bool analyse(struct making *m)
{
    open_debuginfo(m);
    bool ok = sema_run(m->cx, m->so, m->prog, m->target, m->places->debuginfo);

    return bounds_end() && ok;
}

/* ---- code ---- */

static struct ir_unit *make_ir(struct making *m, const struct program *prog)
{
    struct ir_unit *u = lower_program(m->cx, prog);

    if (!u || !ir_verify(u))
        return NULL;
    ir_simplify(u);
    if (!ir_hand_over(u))
        return NULL;
    ir_inline(u);
    ir_bind_context(u);
    ir_simplify(u);
    ir_layout(u);
    return ir_verify(u) ? u : NULL;
}

static bool in_kernel(const struct ir_unit *u)
{
    for (uint32_t i = 0; i < u->n_probes; i++)
        if (!u->funcs[u->probes[i].func]->user)
            return true;
    return false;
}

void making_look_at_kernel(struct making *m)
{
    const struct strings *no = &m->o->no_feature;

    m->kernel = m->choice->kernel;
    if (!m->kernel && m->last >= PASS_OBJECT && m->cx->arch == arch_native())
        m->kernel = kernel_probe(m->cx, no->v, no->n);
}

/* False after reporting, by whoever has the privileges that are asked for. */
static bool is_permitted(struct making *m)
{
    if (!jail_inside())
        return load_permitted(m->cx, m->kernel);
    if (m->kernel->missing_caps)
        jail_tell(TELLS_FORBIDDEN, NULL, 0, NULL, 0, NULL);
    return !m->kernel->missing_caps;
}

/* What to make code for: this kernel, when we may ask it; for an object, else, or for another
 * machine, one that has everything. */
static struct kernel *choose_kernel(struct making *m, bool needed, bool running)
{
    const struct strings *no = &m->o->no_feature;

    if (needed && running && m->choice->lacks) {
        diag_error(m->cx->diag, (struct span){0}, "backend",
                   "neither back end can run this here: %s", m->choice->lacks);
        return NULL;
    }
    if (needed && m->kernel && running && !is_permitted(m))
        return NULL;
    if (needed && m->kernel && (running || m->kernel->has[FEAT_BPF]))
        return m->kernel;
    return kernel_assume(m->cx, no->v, no->n);
}

/* Where the object was made: what is to be kept with it, if it is to be. */
static void keep(struct making *m, const struct ir_unit *u)
{
    const char *why =
        !in_kernel(u) ? "nothing of it runs in the kernel"
        : ir_probes_kernel(u)
            ? "it rests on where the kernel's functions are"
            : kept_head(m->cx, m->kept, m->target, m->places->debuginfo, &m->head, &m->head_size);

    if (why && m->cx->verbose)
        fprintf(m->cx->err, "The object is not kept: %s.\n", why);
}

/* ---- the stap back end ---- */

/* Makes and runs a module of the script. */
static bool run_stap(struct making *m)
{
    const struct backend_stap b = {m->cx, m->o, m->target, m->out, m->module};
    char *script = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&script, &len);

    if (m->o->demangle)
        diag_warning(m->cx->diag, (struct span){0},
                     "--demangle: a module prints names as symbols have them; c++filt(1) reads "
                     "what is printed");
    if (f)
        stap_put_script(m->cx, &m->script, m->target, f);
    bool ok = f && !fclose(f);

    if (ok)
        making_passed(m, PASS_IR, "printed the script for stap");
    if (ok && m->last == PASS_IR)
        fwrite(script, 1, len, m->out);
    if (ok && m->last > PASS_IR) {
        ok = backend_stap_build(&b, script, len, &m->script.points);
        if (ok)
            making_passed(m, PASS_OBJECT,
                          m->module->cached ? "took the module from the cache" : "made the module");
    }
    free(script);
    if (ok && m->last == PASS_OBJECT)
        return backend_stap_write(&b);
    if (ok && m->last == PASS_RUN)
        m->status = backend_stap_run(&b, m->module->path);
    return ok;
}

/* LIBRARY was not found, and what was looked for in the executable instead is not there. Returns
 * what the target has instead, in a few words. */
static const char *explain_assumed(struct making *m, const char *library)
{
    bool luajit = !strcmp(library, "libluajit");
    const struct module *puc = luajit ? target_lua(m->cx, m->target, LUA_PUC) : NULL;

    if (puc)
        diag_hint(m->cx->diag,
                  "the Lua of process %d is PUC-Rio's, in %s: this script reads LuaJIT's only",
                  (int)target_first(m->target), puc->path);
    else
        diag_hint(m->cx->diag,
                  "process %d maps no %s: unless it is linked into %s, this is not the process "
                  "to look at",
                  (int)target_first(m->target), library, m->target->exec_path);
    if (m->hooks->without)
        diag_hint(m->cx->diag, "%s", m->hooks->without);
    return puc ? "its Lua is PUC-Rio's, not LuaJIT" : "it has no LuaJIT";
}

/* ---- making the object, in a jail where there is one ---- */

static void tell_analysed(struct making *m, bool sound, const char *without)
{
    if (m->hooks->analysed)
        m->hooks->analysed(m->hooks->arg, sound, without);
}

/* In the jail: what the parent is to know at that moment. */
static void pass_analysed(struct making *m, bool sound, const char *without)
{
    const char *text =
        arena_printf(m->cx->arena, "%c%s", sound ? '1' : '0', without ? without : "");

    if (jail_inside())
        jail_tell(TELLS_ANALYSED, text, strlen(text), NULL, 0, NULL);
    else
        tell_analysed(m, sound, without);
}

static void on_told(void *arg, uint32_t kind, const void *data, size_t n, FILE *reply, int *fd)
{
    struct making *m = arg;
    const char *text = data;

    if (kind == TELLS_ANALYSED && n)
        tell_analysed(m, text[0] == '1',
                      n > 1 ? arena_strndup(m->cx->arena, text + 1, n - 1) : NULL);
    else if (kind == KERNEL_ASKED)
        fputc(m->kernel && kernel_can_fentry(m->kernel), reply);
    else if (kind == TELLS_FORBIDDEN && m->kernel)
        load_permitted(m->cx, m->kernel);
    else if (kind == DEBUGINFOD_ASKED)
        *fd = debuginfod_answer(m->cx, data, n, reply);
    else if (kind == TARGET_AWAITED)
        target_await_answer(m->target, data, n, reply);
}

void making_open_jail(struct making *m)
{
    m->jail = apart_start(m->cx, m->o, m->target, m->out, on_told, m);
    m->places->jail = m->jail;
}

/* From the analysis to the object. */
static bool make_here(struct making *m)
{
    const struct options *o = m->o;
    bool sound = analyse(m);

    if (o->list) /* errors were told: of what else there is they say nothing */
        return listing_points(m->cx, m->prog, m->expanded->main, o->list_variables, m->out);
    const char *without = NULL;

    if (!sound && m->expanded->assumed && target_first(m->target))
        without = explain_assumed(m, m->expanded->assumed);
    pass_analysed(m, sound, without);
    if (!sound)
        return false;
    making_passed(m, PASS_SEMA, "analysed types and debug information");
    if (shows(o, PASS_SEMA, DUMP_AST))
        syntax_print(m->out, m->prog, PRINT_RESOLVED);
    bool prints = m->choice->backend == BACKEND_STAP && m->last > PASS_SEMA;

    if ((prints || o->dump & DUMP_STAP) && !stap_print(m->cx, m->prog, m->target, &m->script))
        return false;
    if (o->dump & DUMP_STAP)
        stap_put_script(m->cx, &m->script, m->target, m->out);
    if (m->last == PASS_SEMA || m->choice->backend == BACKEND_STAP)
        return true;

    struct ir_unit *u = make_ir(m, m->prog);

    if (!u)
        return false;
    making_passed(m, PASS_IR, "made intermediate code");
    if (shows(o, PASS_IR, DUMP_IR))
        ir_print(m->out, u);
    if (m->last == PASS_IR)
        return true;

    struct kernel *k = choose_kernel(m, in_kernel(u), m->last == PASS_RUN);

    if (k && !k->has[FEAT_BPF_COOKIE])
        ir_split_places(u);
    if (k && ir_probes_kernel(u) && kernel_can_fentry(k) && !ir_trace_functions(u))
        return false;
    if (!k || !cg_generate(u, k, o->dump & DUMP_BPF ? m->out : NULL, &m->obj))
        return false;
    making_passed(m, PASS_OBJECT, "made the object");
    if (m->kept)
        keep(m, u);
    return true;
}

static bool make_in_jail(struct jail_question *q, FILE *answer)
{
    struct making *m = q->arg;

    m->out = stdout;
    if (!make_here(m))
        return false;
    if (m->choice->backend == BACKEND_STAP) {
        if (m->script.text)
            stap_flat_put(answer, &m->script);
        return true;
    }
    fwrite(&m->head_size, sizeof(m->head_size), 1, answer);
    if (m->head)
        fwrite(m->head, 1, m->head_size, answer);
    if (m->obj.elf)
        fwrite(m->obj.elf, 1, m->obj.elf_size, answer);
    return true;
}

/* The other end: the object, in the arena, behind what is kept with it. */
static bool take_made(struct making *m, const struct jail_answer *a)
{
    const char *data = a->data;

    if (a->n < sizeof(m->head_size))
        return false;
    memcpy(&m->head_size, data, sizeof(m->head_size));
    if (m->head_size > a->n - sizeof(m->head_size))
        return false;
    size_t size = a->n - sizeof(m->head_size), object = size - m->head_size;
    char *made = arena_alloc(m->cx->arena, size + 1);

    memcpy(made, data + sizeof(m->head_size), size);
    if (object)
        m->obj = (struct cg_object){.elf = made + m->head_size, .elf_size = object};
    if (m->head_size && m->kept && object)
        kept_give(m->kept, made, size);
    return true;
}

/* ... of the stap back end: a script, unless something else was asked for. */
static bool take_script(struct making *m, const struct jail_answer *a)
{
    if (m->last <= PASS_SEMA)
        return true;
    return (stap_flat_get(m->cx->arena, a->data, a->n, &m->script) ||
            diag_error(m->cx->diag, (struct span){0}, "jail",
                       "what the reader printed for SystemTap is not sound")) &&
           stap_checked(m->cx, &m->script, m->o->include.n != 0);
}

/* Is WORD in a text of the script's? */
static bool says(const struct making *m, const char *word)
{
    const struct strings *more = &m->o->more_text;
    bool said = source_says(m->expanded->main, word);

    for (uint32_t i = 0; i < m->expanded->n_libs; i++)
        said |= source_says(m->expanded->libs[i], word);
    for (uint32_t i = 0; i < more->n; i++)
        said |= strstr(more->v[i], word) != NULL;
    return said;
}

/* What needs guru mode was looked at by whoever made the object: our tapset may what scripts may
 * not. What a jail made may do what the script says, by its words, since the tree that knows better
 * is the jail's; a folder of the user's (-I) may have functions with all of them. */
unsigned making_rights(const struct making *m)
{
    static const struct {
        const char *word;
        unsigned right;
    } words[] = {{"system", RIGHT_COMMANDS},
                 {"raise", RIGHT_GURU},
                 {"printk", RIGHT_GURU},
                 {"set_user_", RIGHT_GURU}};
    unsigned rights = 0;

    if (!m->jail || m->o->include.n)
        return RIGHT_COMMANDS | RIGHT_GURU;
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        rights |= says(m, words[i].word) ? words[i].right : 0;
    return rights;
}

/* Without a jail. */
static bool make_alone(struct making *m)
{
    char *data = NULL;
    size_t size = 0;

    if (!make_here(m))
        return false;
    FILE *f = m->head ? open_memstream(&data, &size) : NULL;

    if (f) {
        fwrite(m->head, 1, m->head_size, f);
        fwrite(m->obj.elf, 1, m->obj.elf_size, f);
        if (!fclose(f))
            kept_give(m->kept, data, size);
    }
    free(data);
    free(m->head);
    return true;
}

bool making_make(struct making *m)
{
    const struct jail_question q = {.arg = m, .fds = {-1, -1}};
    struct jail_answer a;

    sema_read_scripts(m->cx, m->so); /* while files are at hand */
    making_open_jail(m);
    if (m->draws) /* now: at the end the process may be gone */
        places_name_lua(m->places);
    bool stap = m->choice->backend == BACKEND_STAP, ok;

    if (m->jail) {
        ok = jail_ask(m->jail, make_in_jail, &q, &a) && (stap ? take_script : take_made)(m, &a);
        jail_mute(m->jail); /* it names what is printed, and prints nothing itself */
        free(a.data);
        ok = bounds_end() && ok;
    } else {
        ok = make_alone(m);
    }
    /* a module is made here: its tools are run */
    return ok && (!stap || m->last <= PASS_SEMA || run_stap(m));
}

static bool fits_in_jail(struct jail_question *q, FILE *answer)
{
    const struct making *m = q->arg;

    (void)answer;
    return debuginfo_layouts_same(m->places->debuginfo, m->kept->layouts);
}

bool making_still_fits(struct making *m)
{
    struct jail_question q = {.arg = m, .fds = {-1, -1}};
    struct jail_answer a = {.data = NULL};
    bool fits = true;

    open_debuginfo(m);
    making_open_jail(m);
    if (*m->kept->layouts)
        fits = m->jail ? jail_ask(m->jail, fits_in_jail, &q, &a) : fits_in_jail(&q, NULL);
    free(a.data);
    if (fits)
        return true;
    if (m->cx->verbose)
        fprintf(m->cx->err, "The object in the cache is not taken: its layouts fit no more.\n");
    debuginfo_free(m->places->debuginfo);
    m->places->debuginfo = NULL;
    jail_end(m->jail);
    m->jail = m->places->jail = NULL;
    return false;
}

bool making_take_kept(struct making *m)
{
    making_look_at_kernel(m);
    bool permitted = choose_kernel(m, true, true) != NULL;

    jail_mute(m->jail); /* it names what is printed */
    if (m->draws)
        places_name_lua(m->places);
    tell_analysed(m, true, NULL);
    making_passed(m, PASS_OBJECT, "took the object from the cache");
    return permitted;
}

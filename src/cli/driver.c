/*
 * driver: the pipeline. Enters: the command line; leaves: output and an exit status. The stages
 * report their own errors; here they are only put one after the other, and what was opened is
 * closed.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "cli/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/arena.h"
#include "base/bounds.h"
#include "base/bytes.h"
#include "base/cachedir.h"
#include "base/clean.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "cg/cg.h"
#include "cli/apart.h"
#include "cli/backend.h"
#include "cli/command.h"
#include "cli/kconfig.h"
#include "cli/kept.h"
#include "cli/listing.h"
#include "cli/options.h"
#include "cli/picture.h"
#include "cli/places.h"
#include "cli/script.h"
#include "cli/search.h"
#include "cli/subcommand.h"
#include "ir/ir.h"
#include "load/load.h"
#include "lower/lower.h"
#include "lua/lua.h"
#include "run/run.h"
#include "sema/sema.h"
#include "stap/stap.h"
#include "sxx/sxx.h"
#include "syntax/syntax.h"
#include "target/luajit.h"
#include "debug/debug.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0"
#endif

enum { OBJECT_MAX = 256 << 20 };

struct driver {
    const struct driver_hooks *hooks; /* never NULL */
    struct compile cx;
    struct options o;
    struct target *target;
    struct utsname uts;
    struct backend_choice choice;
    struct stap_object module;
    int status; /* what we end with when nothing is wrong */
    FILE *out;
    int out_fd;             /* of the file that -o names, for text; 0: there is none */
    unsigned out_files;     /* that came after it */
    bool terminal;          /* OUT is one */
    struct picture picture; /* --format: what OUT feeds */
    bool draws;
    struct places places;
    bool output_closed, output_failed;
    struct out_events *events; /* --format json */
    pid_t child;               /* -c; 0: none, or run has taken it */
    uint64_t since;            /* start of the pass in hand */
    struct jail *readers;      /* of files that are open: of the target, and those mapped later */
    struct jail *jail;         /* where files are read; NULL: here */
    struct kernel *kernel;     /* that code is made for, when it was asked */
};

/* A script's program on its way to an object. */
struct making {
    struct driver *d;
    struct program *prog;
    const struct sema_opts *so;
    const struct sxx_result *expanded;
    enum pass last;
    const struct kept *kept; /* NULL: nothing is kept */
    void *head;              /* to be kept, before the object; NULL: it is not kept */
    size_t head_size;
    struct cg_object obj; /* elf NULL: something else was asked for */
};

/* What a jail tells: the first byte is whether the analysis went well; then what the target lacks,
 * if it is that. And that what the kernel was found to have is for want of privileges. */
enum { TELLS_ANALYSED, TELLS_FORBIDDEN };

/* What an object may do beyond looking: system(); writing to programs, signals. */
enum { RIGHT_COMMANDS = 1, RIGHT_GURU = 2 };

static bool error(struct driver *d, const char *tag, const char *what, const char *name)
{
    return diag_error(d->cx.diag, (struct span){0}, tag, "%s%s%s: %s", what, *what ? " " : "", name,
                      strerror(errno));
}

/* -v: what a pass took, as stap says it. */
static void pass_done(struct driver *d, int pass, const char *what)
{
    uint64_t now = clock_ns(CLOCK_MONOTONIC);

    if (d->cx.verbose)
        fprintf(d->cx.err, "Pass %d: %s in %" PRIu64 "ms.\n", pass, what,
                (now - d->since) / MILLISECOND_NS);
    d->since = now;
}

/* A dump is asked for to be read: without -p it ends there. */
static enum pass last_pass(const struct options *o)
{
    if (o->list_args || (o->dump & DUMP_SRC))
        return PASS_EXPAND;
    if (o->list)
        return PASS_SEMA;
    if (o->last_pass != PASS_RUN || !o->dump)
        return o->last_pass;
    return o->dump & DUMP_BPF ? PASS_OBJECT : o->dump & DUMP_IR ? PASS_IR : PASS_SEMA;
}

/* Each pass that is the last to run, or that is asked for, shows what it made. */
static bool shows(const struct options *o, enum pass pass, unsigned dump)
{
    return o->last_pass == pass || (o->dump & dump);
}

/* ---- the target ---- */

/* False after reporting: this machine is not known. */
static bool choose_arch(struct driver *d)
{
    d->cx.arch = target_arch(d->target);
    if (d->cx.arch)
        return true;
    diag_error(d->cx.diag, (struct span){0}, "target", "the registers of %s are not known",
               d->uts.machine);
    diag_hint(d->cx.diag, "ngstap knows those of %s", arch_names());
    return false;
}

/* Nothing made for A runs on another machine. False after reporting. */
static bool runs_here(struct driver *d, const struct arch *a, const char *what)
{
    const struct arch *here = arch_native();

    if (a && a == here)
        return true;
    diag_error(d->cx.diag, (struct span){0}, "target", "%s is for %s, and this machine is %s", what,
               a ? a->title : "another machine", here ? here->title : d->uts.machine);
    if (d->target->exec_path && what == d->target->exec_path)
        diag_hint(d->cx.diag, "-p4 -m NAME makes an object, which runs there");
    return false;
}

/* -c: the command is started, and stands still until the probes are armed. Only its file is looked
 * at when nothing will run. */
static bool open_target(struct driver *d, bool running)
{
    struct target_opts *t = &d->o.target;
    bool command = d->o.command && (running || !t->exec);

    if (d->o.command && running && d->choice.backend == BACKEND_BPF) {
        d->child = command_start(&d->cx, d->o.command);
        if (d->child < 0) {
            d->child = 0;
            return false;
        }
        t->pid = d->child;
    } else if (d->o.command && !t->exec) {
        t->exec = command_path(&d->cx, d->o.command);
    }
    bounds_begin(&d->cx); /* not of the command's own start */
    d->readers = apart_readers(&d->cx, &d->o);
    d->target = d->places.target = target_open(&d->cx, t);
    if (d->target && command)
        d->target->kind = TARGET_CMD;
    if (d->target && d->hooks->target)
        d->hooks->target(d->hooks->arg, d->target);
    return d->target && choose_arch(d) && bounds_ok();
}

/* ---- front end ---- */

/* --dump-src or --args. */
static void show_expanded(struct driver *d, const struct sxx_result *r)
{
    FILE *out = d->out;

    if (!d->o.list_args) {
        fwrite(r->main->text, 1, r->main->len, out);
        return;
    }
    for (uint32_t i = 0; i < r->n_args; i++) {
        const struct sxx_arg *a = &r->args[i];

        fprintf(out, "\t--arg %s=VALUE", a->name);
        if (a->default_value)
            fprintf(out, " (default: %s)", a->default_value);
        fputc('\n', out);
    }
}

/* Is the script for SystemTap? */
static bool for_stap(const struct driver *d)
{
    return d->choice.backend == BACKEND_STAP || d->o.dump & DUMP_STAP;
}

static bool expand(struct driver *d, struct source *src, struct sxx_result *r)
{
    struct module_dirs dirs = search_modules(&d->cx, &d->o);

    for (uint32_t i = 0; d->hooks->option && i < d->o.n_sxx_args; i++)
        d->o.sxx_args[i].option = d->hooks->option(d->o.sxx_args[i].name);
    struct sxx_opts so = {.args = d->o.sxx_args,
                          .n_args = d->o.n_sxx_args,
                          .include = dirs.v,
                          .distrusted = dirs.distrusted,
                          .n_include = dirs.n,
                          .by_target = !(d->o.dump & DUMP_SRC),
                          .list_args = d->o.list_args};

    return sxx_expand(&d->cx, &so, d->target, src, r);
}

/* In stap++'s words. */
static void warn_unused(const struct driver *d)
{
    for (uint32_t i = 0; i < d->o.n_sxx_args && !d->o.no_warnings; i++) {
        const struct sxx_arg *a = &d->o.sxx_args[i];

        if (!a->used)
            clean_line(d->cx.err,
                       "WARNING: $^arg_%s is defined by \"--arg %s=%s\", but never used.", a->name,
                       a->name, a->value);
    }
}

static struct pp_env environment(struct driver *d)
{
    const char *release = d->choice.release ? d->choice.release : d->uts.release;
    size_t n = strspn(release, "0123456789.");
    struct kconfig *config = kconfig_new(&d->cx, d->uts.release, d->choice.build);
    const char *arch = d->choice.build ? kconfig_arch(config) : NULL;

    return (struct pp_env){
        .kernel_v = arena_strndup(d->cx.arena, release, n),
        .kernel_vr = release,
        .arch = arch ? arch : d->cx.arch->name,
        .runtime = for_stap(d) ? "kernel" : "bpf",
        .systemtap_v = d->o.compatible ? d->o.compatible : SYSTEMTAP_VERSION,
        .guru = d->cx.guru,
        .args = d->o.args.v,
        .n_args = d->o.args.n,
        .config = kconfig_value,
        .config_arg = config,
    };
}

static struct program *parse(struct driver *d, const struct sema_opts *so,
                             const struct sxx_result *r)
{
    struct program *prog = ARENA_NEW(d->cx.arena, struct program);

    sema_read_macros(&d->cx, so);
    sema_systemtap_macros(&d->cx, so);
    bool ok = syntax_parse(&d->cx, so->env, r->main, so->macros, prog);

    for (uint32_t i = 0; i < r->n_libs; i++)
        ok = syntax_parse(&d->cx, so->env, r->libs[i], so->macros, prog) && ok;
    for (uint32_t i = 0; i < d->o.more_text.n; i++) {
        const char *text = d->o.more_text.v[i];
        struct source *src = source_add(d->cx.sources, "-E", text, (uint32_t)strlen(text));

        ok = syntax_parse(&d->cx, so->env, src, so->macros, prog) && ok;
    }
    return ok ? prog : NULL;
}

static void open_debuginfo(struct driver *d)
{
    d->places.debuginfo = debuginfo_new(&d->cx, d->target);
    debuginfo_layouts(d->places.debuginfo, search_layouts(&d->cx));
}

static bool analyse(struct driver *d, const struct sema_opts *so, struct program *prog)
{
    open_debuginfo(d);
    bool ok = sema_run(&d->cx, so, prog, d->target, d->places.debuginfo);

    return bounds_end() && ok;
}

/* ---- back end ---- */

static struct ir_unit *make_ir(struct driver *d, const struct program *prog)
{
    struct ir_unit *u = lower_program(&d->cx, prog);

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

/* Asks this kernel, while it can be asked: readers may not. */
static void look_at_kernel(struct driver *d, enum pass last)
{
    const struct strings *no = &d->o.no_feature;

    d->kernel = d->choice.kernel;
    if (!d->kernel && last >= PASS_OBJECT && d->cx.arch == arch_native())
        d->kernel = kernel_probe(&d->cx, no->v, no->n);
}

/* False after reporting, by whoever has the privileges that are asked for. */
static bool is_permitted(struct driver *d)
{
    if (!jail_inside())
        return load_permitted(&d->cx, d->kernel);
    if (d->kernel->missing_caps)
        jail_tell(TELLS_FORBIDDEN, NULL, 0, NULL, 0, NULL);
    return !d->kernel->missing_caps;
}

/* What to make code for: this kernel, when we may ask it; for an object, else, or for another
 * machine, one that has everything. */
static struct kernel *choose_kernel(struct driver *d, bool needed, bool running)
{
    const struct strings *no = &d->o.no_feature;

    if (needed && running && d->choice.lacks) {
        diag_error(d->cx.diag, (struct span){0}, "backend",
                   "neither back end can run this here: %s", d->choice.lacks);
        return NULL;
    }
    if (needed && d->kernel && running && !is_permitted(d))
        return NULL;
    if (needed && d->kernel && (running || d->kernel->has[FEAT_BPF]))
        return d->kernel;
    return kernel_assume(&d->cx, no->v, no->n);
}

/* -m NAME, else the script's name without its ending. */
static const char *object_name(struct driver *d)
{
    const char *name = d->o.object_name, *dot;
    size_t n;

    if (!name) {
        name = base_name(d->o.script && strcmp(d->o.script, "-") ? d->o.script : "ngstap");
        dot = strrchr(name, '.');
        n = dot && dot > name ? (size_t)(dot - name) : strlen(name);
        name = arena_strndup(d->cx.arena, name, n);
    }
    return arena_printf(d->cx.arena, "%s.bpf.o", name);
}

static bool write_object(struct driver *d, const struct cg_object *obj)
{
    const char *name = object_name(d);
    struct out_file file;

    if (!out_file_open(&d->cx, name, &file) || !out_file_begin(&d->cx, &file))
        return false;
    fwrite(obj->elf, 1, obj->elf_size, file.f);
    if (!out_file_close(&d->cx, &file, true))
        return false;
    fprintf(d->out, "%s\n", name);
    return true;
}

/* False after reporting. OK: what was printed is all there is to print. */
static bool close_output(struct driver *d, bool ok)
{
    bool good = true;

    if (d->output_closed)
        return true;
    d->output_closed = true;
    if (d->events)
        out_events_end(d->events);
    if ((fflush(d->out) || ferror(d->out)) && !d->status && ok) /* else it has been said why */
        good = error(d, "output", "cannot write", d->o.output ? d->o.output : "the output");
    if (d->draws && d->hooks->info) /* with what is known by now */
        d->picture.info = *d->hooks->info;
    if (d->draws)
        good = picture_close(&d->picture, ok && good && !d->status) && good;
    else if (d->out != stdout)
        fclose(d->out);
    return good;
}

/* What the session printed goes out while its probes are still being taken out. */
static void on_printed(void *arg, bool ok)
{
    struct driver *d = arg;

    d->output_failed |= !close_output(d, ok);
}

/* switch_file(): after FILE of -o come FILE.1, FILE.2 and so on, by the same descriptor. */
static bool next_file(void *arg)
{
    struct driver *d = arg;
    int fd = open(arena_printf(d->cx.arena, "%s.%u", d->o.output, ++d->out_files),
                  O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    bool ok = fd >= 0 && dup3(fd, d->out_fd, O_CLOEXEC) >= 0;

    if (fd >= 0)
        close(fd);
    return ok;
}

/* RIGHTS: what the object may do beyond looking. */
static bool run(struct driver *d, const void *elf, size_t size, const struct kernel *k,
                unsigned rights)
{
    struct object obj;

    if (!bounds_end())
        return false;
    if (!object_open(&d->cx, elf, size, &obj)) {
        if (d->o.script)
            diag_note(d->cx.diag, (struct span){0}, "read from %s", d->o.script);
        return false;
    }
    if (!runs_here(d, arch_of_machine((uint16_t)obj.h->machine), "the object"))
        return false;
    obj.guru = rights & RIGHT_GURU || d->cx.guru;
    obj.no_commands = !(rights & RIGHT_COMMANDS);
    if (obj.asks_guru && !obj.guru) {
        diag_error(d->cx.diag, (struct span){0}, "guru",
                   "%s writes to programs, or sends signals: allowed in guru mode only",
                   d->o.script);
        diag_hint(d->cx.diag, "-g turns guru mode on");
        return false;
    }
    struct run_opts ro = {.out = d->out,
                          .err = d->cx.err,
                          .out_terminal = d->terminal,
                          .err_terminal = isatty(STDERR_FILENO),
                          .seconds = d->o.seconds,
                          .child = d->child,
                          .timing = d->cx.verbose > 0 || d->cx.timing,
                          .no_warnings = d->o.no_warnings,
                          .watch = d->hooks->watch,
                          .watcher = d->hooks->arg,
                          .printed = on_printed,
                          .printed_arg = d,
                          .name = d->o.object_name,
                          .symbols = places_symbols(&d->places),
                          .demangle = d->o.demangle,
                          .events = d->events,
                          .next_file = d->out_fd > 0 ? next_file : NULL,
                          .next_file_arg = d};

    return run_session(&d->cx, &obj, d->target, k, &ro) == 0 && !d->output_failed;
}

/* ---- objects that were kept ---- */

/* What is shown on the way, or is to be written, is made anew. */
static bool may_be_kept(const struct driver *d, enum pass last)
{
    return last == PASS_RUN && !d->o.dump && !d->o.no_cache && d->choice.backend == BACKEND_BPF;
}

static void begin_keeping(struct driver *d, const struct sema_opts *so,
                          const struct sxx_result *texts, struct kept *k)
{
    const struct options *o = &d->o;

    if (!d->choice.kernel && d->cx.arch == arch_native())
        d->choice.kernel = kernel_probe(&d->cx, o->no_feature.v, o->no_feature.n);
    const struct kept_inputs in = {
        .o = o, .t = d->target, .k = d->choice.kernel, .texts = texts, .sema = so};

    kept_begin(&d->cx, &in, k);
}

/* Where the object was made: what is to be kept with it, if it is to be. */
static void keep(struct making *m, const struct ir_unit *u)
{
    struct driver *d = m->d;
    const char *why =
        !in_kernel(u) ? "nothing of it runs in the kernel"
        : ir_probes_kernel(u)
            ? "it rests on where the kernel's functions are"
            : kept_head(&d->cx, m->kept, d->target, d->places.debuginfo, &m->head, &m->head_size);

    if (why && d->cx.verbose)
        fprintf(d->cx.err, "The object is not kept: %s.\n", why);
}

/* ---- the stap back end ---- */

static struct backend_stap stap_side(struct driver *d)
{
    return (struct backend_stap){&d->cx, &d->o, d->target, d->out, &d->module};
}

/* Prints, makes and runs a module. */
static bool run_stap(struct driver *d, const struct program *prog, enum pass last)
{
    struct backend_stap b = stap_side(d);
    char *script = NULL;
    size_t len = 0;
    struct stap_points points = {NULL, 0};

    if (d->o.demangle)
        diag_warning(d->cx.diag, (struct span){0},
                     "--demangle: a module prints names as symbols have them; c++filt(1) reads "
                     "what is printed");
    FILE *f = open_memstream(&script, &len);
    bool ok = f && stap_print(&d->cx, prog, d->target, f, &points);

    ok = f && !fclose(f) && ok;
    if (ok)
        pass_done(d, PASS_IR, "printed the script for stap");
    if (ok && last == PASS_IR)
        fwrite(script, 1, len, d->out);
    if (ok && last > PASS_IR) {
        ok = backend_stap_build(&b, script, len, &points);
        if (ok)
            pass_done(d, PASS_OBJECT,
                      d->module.cached ? "took the module from the cache" : "made the module");
    }
    free(script);
    if (ok && last == PASS_OBJECT)
        return backend_stap_write(&b);
    if (ok && last == PASS_RUN)
        d->status = backend_stap_run(&b, d->module.path);
    return ok;
}

/* LIBRARY was not found, and what was looked for in the executable instead is not there. Returns
 * what the target has instead, in a few words. */
static const char *explain_assumed(struct driver *d, const char *library)
{
    bool luajit = !strcmp(library, "libluajit");
    const struct module *puc = luajit ? target_lua(&d->cx, d->target, LUA_PUC) : NULL;

    if (puc)
        diag_hint(d->cx.diag,
                  "the Lua of process %d is PUC-Rio's, in %s: this script reads LuaJIT's only",
                  (int)target_first(d->target), puc->path);
    else
        diag_hint(d->cx.diag,
                  "process %d maps no %s: unless it is linked into %s, this is not the process "
                  "to look at",
                  (int)target_first(d->target), library, d->target->exec_path);
    if (d->hooks->without)
        diag_hint(d->cx.diag, "%s", d->hooks->without);
    return puc ? "its Lua is PUC-Rio's, not LuaJIT" : "it has no LuaJIT";
}

/* ---- making the object, in a jail where there is one ---- */

static void tell_analysed(struct driver *d, bool sound, const char *without)
{
    if (d->hooks->analysed)
        d->hooks->analysed(d->hooks->arg, sound, without);
}

/* In the jail: what the parent is to know at that moment. */
static void pass_analysed(struct driver *d, bool sound, const char *without)
{
    const char *text = arena_printf(d->cx.arena, "%c%s", sound ? '1' : '0', without ? without : "");

    if (jail_inside())
        jail_tell(TELLS_ANALYSED, text, strlen(text), NULL, 0, NULL);
    else
        tell_analysed(d, sound, without);
}

static void on_told(void *arg, uint32_t kind, const void *data, size_t n, FILE *reply, int *fd)
{
    struct driver *d = arg;
    const char *text = data;

    if (kind == TELLS_ANALYSED && n)
        tell_analysed(d, text[0] == '1',
                      n > 1 ? arena_strndup(d->cx.arena, text + 1, n - 1) : NULL);
    else if (kind == KERNEL_ASKED)
        fputc(d->kernel && kernel_can_fentry(d->kernel), reply);
    else if (kind == TELLS_FORBIDDEN && d->kernel)
        load_permitted(&d->cx, d->kernel);
    else if (kind == DEBUGINFOD_ASKED)
        *fd = debuginfod_answer(&d->cx, data, n, reply);
}

static void open_jail(struct driver *d)
{
    d->jail = apart_start(&d->cx, &d->o, d->target, d->out, on_told, d);
    d->places.jail = d->jail;
}

/* From the analysis to the object. */
static bool make_here(struct making *m)
{
    struct driver *d = m->d;
    const struct options *o = &d->o;
    bool sound = analyse(d, m->so, m->prog);

    if (o->list) /* errors were told: of what else there is they say nothing */
        return listing_points(&d->cx, m->prog, m->expanded->main, o->list_variables, d->out);
    const char *without = NULL;

    if (!sound && m->expanded->assumed && target_first(d->target))
        without = explain_assumed(d, m->expanded->assumed);
    pass_analysed(d, sound, without);
    if (!sound)
        return false;
    pass_done(d, PASS_SEMA, "analysed types and debug information");
    if (shows(o, PASS_SEMA, DUMP_AST))
        syntax_print(d->out, m->prog, PRINT_RESOLVED);
    if (o->dump & DUMP_STAP && !stap_print(&d->cx, m->prog, d->target, d->out, NULL))
        return false;
    if (m->last == PASS_SEMA)
        return true;

    if (d->choice.backend == BACKEND_STAP)
        return run_stap(d, m->prog, m->last);

    struct ir_unit *u = make_ir(d, m->prog);

    if (!u)
        return false;
    pass_done(d, PASS_IR, "made intermediate code");
    if (shows(o, PASS_IR, DUMP_IR))
        ir_print(d->out, u);
    if (m->last == PASS_IR)
        return true;

    struct kernel *k = choose_kernel(d, in_kernel(u), m->last == PASS_RUN);

    if (k && !k->has[FEAT_BPF_COOKIE])
        ir_split_places(u);
    if (k && ir_probes_kernel(u) && kernel_can_fentry(k) && !ir_trace_functions(u))
        return false;
    if (!k || !cg_generate(u, k, o->dump & DUMP_BPF ? d->out : NULL, &m->obj))
        return false;
    pass_done(d, PASS_OBJECT, "made the object");
    if (m->kept)
        keep(m, u);
    return true;
}

static bool make_in_jail(struct jail_question *q, FILE *answer)
{
    struct making *m = q->arg;

    m->d->out = stdout;
    if (!make_here(m))
        return false;
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
    char *made = arena_alloc(m->d->cx.arena, size + 1);

    memcpy(made, data + sizeof(m->head_size), size);
    if (object)
        m->obj = (struct cg_object){.elf = made + m->head_size, .elf_size = object};
    if (m->head_size && m->kept && object)
        kept_give(m->kept, made, size);
    return true;
}

/* Is WORD in a text of the script's? */
static bool says(const struct making *m, const char *word)
{
    const struct strings *more = &m->d->o.more_text;
    bool said = strstr(m->expanded->main->text, word) != NULL;

    for (uint32_t i = 0; i < m->expanded->n_libs; i++)
        said |= strstr(m->expanded->libs[i]->text, word) != NULL;
    for (uint32_t i = 0; i < more->n; i++)
        said |= strstr(more->v[i], word) != NULL;
    return said;
}

/* What needs guru mode was looked at by whoever made the object: our tapset may what scripts may
 * not. What a jail made may do what the script says, by its words, since the tree that knows better
 * is the jail's; a folder of the user's (-I) may have functions with all of them. */
static unsigned rights_of(const struct making *m)
{
    static const struct {
        const char *word;
        unsigned right;
    } words[] = {{"system", RIGHT_COMMANDS},
                 {"raise", RIGHT_GURU},
                 {"printk", RIGHT_GURU},
                 {"set_user_", RIGHT_GURU}};
    unsigned rights = 0;

    if (!m->d->jail || m->d->o.include.n)
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

/* False after reporting. A module of SystemTap is made here: its tools are run. */
static bool make(struct making *m)
{
    struct driver *d = m->d;
    const struct jail_question q = {.arg = m, .fds = {-1, -1}};
    struct jail_answer a;

    if (d->choice.backend != BACKEND_STAP) {
        sema_read_scripts(&d->cx, m->so); /* while files are at hand */
        open_jail(d);
    }
    if (d->draws) /* now: at the end the process may be gone */
        places_name_lua(&d->places);
    if (!d->jail)
        return make_alone(m);
    bool ok = jail_ask(d->jail, make_in_jail, &q, &a) && take_made(m, &a);

    jail_mute(d->jail); /* it names what is printed, and prints nothing itself */
    free(a.data);
    return bounds_end() && ok;
}

/* What was made before. A jail names what is printed. */
static bool run_kept(struct making *m, const void *elf, size_t size)
{
    struct driver *d = m->d;
    struct kernel *k;

    look_at_kernel(d, PASS_RUN);
    k = choose_kernel(d, true, true);
    open_debuginfo(d);
    open_jail(d);
    jail_mute(d->jail);
    if (d->draws)
        places_name_lua(&d->places);
    tell_analysed(d, true, NULL);
    pass_done(d, PASS_OBJECT, "took the object from the cache");
    return k && run(d, elf, size, k, rights_of(m));
}

/* ---- the pipeline ---- */

static bool run_script(struct driver *d)
{
    const struct options *o = &d->o;
    enum pass last = last_pass(o);
    struct sxx_result expanded;
    struct source *src = script_read(&d->cx, o);

    if (last == PASS_RUN && !runs_here(d, d->cx.arch, d->target->exec_path))
        return false;
    if (!src || !expand(d, src, &expanded))
        return false;
    if (last == PASS_EXPAND) {
        show_expanded(d, &expanded);
        return true;
    }
    warn_unused(d);

    struct pp_env env = environment(d);
    struct strings tapsets = search_tapsets(&d->cx, &d->o);
    struct sema_opts so = {.tapset_dirs = tapsets.v,
                           .n_tapset_dirs = tapsets.n,
                           .systemtap_dir = search_systemtap(&d->cx, o),
                           .env = &env,
                           .stap = for_stap(d),
                           .kernel = d->choice.kernel,
                           .globals = o->globals,
                           .n_globals = o->n_globals,
                           .apart = o->list != NULL,
                           .no_display = o->no_display,
                           .macros = macros_new(d->cx.arena)};
    struct kept kept = {.on = false};
    struct making m = {.d = d, .so = &so, .expanded = &expanded, .last = last};
    size_t size;

    if (may_be_kept(d, last)) {
        begin_keeping(d, &so, &expanded, &kept);
        m.kept = &kept;
        const void *elf = kept_take(&d->cx, &kept, d->target, &size);

        if (elf)
            return run_kept(&m, elf, size);
    }
    struct program *prog = parse(d, &so, &expanded);

    if (!prog)
        return false;
    pass_done(d, PASS_PARSE, "parsed the script and its modules");
    if (last == PASS_PARSE) {
        syntax_print(d->out, prog, 0);
        return true;
    }

    m.prog = prog;
    look_at_kernel(d, last);
    if (!make(&m))
        return false;
    if (d->choice.backend == BACKEND_STAP || !m.obj.elf)
        return true;
    if (o->last_pass == PASS_OBJECT)
        return write_object(d, &m.obj);
    return last == PASS_OBJECT || run(d, m.obj.elf, m.obj.elf_size, d->kernel, rights_of(&m));
}

/* ---- objects as scripts ---- */

/* In the arena: what is read of the object points into it. */
static void *read_object(struct driver *d, size_t *size)
{
    char *text = file_read(d->o.script, OBJECT_MAX, size);
    void *data = NULL;

    if (text && *size) {
        data = arena_alloc(d->cx.arena, *size);
        memcpy(data, text, *size);
    } else {
        errno = text ? ENODATA : errno;
        error(d, "object", "cannot read", d->o.script);
    }
    free(text);
    return data;
}

static bool run_object(struct driver *d)
{
    size_t size;
    void *elf = read_object(d, &size);
    struct kernel *k = elf ? kernel_probe(&d->cx, d->o.no_feature.v, d->o.no_feature.n) : NULL;

    if (k)
        open_jail(d);
    if (d->draws)
        places_name_lua(&d->places);
    return k && run(d, elf, size, k, RIGHT_COMMANDS);
}

static bool run_module(struct driver *d)
{
    struct backend_stap b = stap_side(d);
    const char *why = search_foreign(&d->cx, d->o.script);

    if (why) {
        diag_error(d->cx.diag, (struct span){0}, "module", "%s becomes part of the kernel, and %s",
                   d->o.script, why);
        diag_hint(d->cx.diag, "where you trust it, make a copy of your own: install -m 600 %s .",
                  d->o.script);
        return false;
    }
    d->status = backend_stap_run(&b, d->o.script);
    return true;
}

/* ---- beginning and end ---- */

/* The picture has names where the script prints places in a source. */
static void pass_comment(void *arg, const char *line, size_t len)
{
    struct driver *d = arg;

    d->hooks->comment(d->hooks->arg, line, len);
}

static bool pass_cut(void *arg, struct out_profile *p)
{
    struct driver *d = arg;

    return d->hooks->cut(d->hooks->arg, p);
}

/* --format: what the script prints is read as stacks, and drawn at the end. */
static bool open_picture(struct driver *d, const struct out_format *format)
{
    struct out_reader_opts ro = {.input = "output of the script",
                                 .lines = d->hooks->comment != NULL, /* our own sample */
                                 .comment = d->hooks->comment ? pass_comment : NULL,
                                 .cut = d->hooks->cut ? pass_cut : NULL,
                                 .comment_arg = d};
    FILE *out;

    places_serve(&d->places, &ro);
    if (!picture_open(&d->cx, format, d->o.output, d->hooks->into, &ro, &d->picture))
        return false;
    d->picture.info.title = d->o.script ? d->o.script : "-e";
    d->picture.info.time = (int64_t)time(NULL);
    if (d->hooks->info)
        d->picture.info = *d->hooks->info;
    d->draws = true;
    out = picture_stream(&d->picture, d->choice.backend == BACKEND_STAP);
    if (out)
        d->out = out;
    return out != NULL;
}

static bool open_text(struct driver *d)
{
    const char *path = d->o.output;
    FILE *f = NULL;
    int fd;

    if (d->choice.backend == BACKEND_STAP) { /* staprun writes to the descriptor itself */
        f = path ? fopen(path, "we") : stdout;
    } else {
        fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : STDOUT_FILENO;
        f = fd >= 0 ? interrupt_stream(d->cx.interrupt, fd) : NULL;
        d->terminal = fd >= 0 && isatty(fd);
        d->out_fd = path && !d->o.format ? fd : 0;
    }
    if (f)
        d->out = f;
    return f != NULL;
}

static bool open_output(struct driver *d)
{
    const struct out_format *format = NULL;

    if (d->o.format && strcmp(d->o.format, "stap") != 0 && last_pass(&d->o) == PASS_RUN) {
        format = picture_format(&d->cx, d->o.format, d->o.output);
        if (!format || !format->live)
            return format && open_picture(d, format);
        if (d->choice.backend == BACKEND_STAP)
            return diag_error(d->cx.diag, (struct span){0}, "options",
                              "--format %s is made of what the eBPF back end knows: the stap back "
                              "end has the text alone",
                              format->name);
    }
    if (!open_text(d))
        return error(d, "options", "cannot write", d->o.output ? d->o.output : "the output");
    if (format) {
        d->events = out_events_new(d->cx.arena, d->out);
        d->terminal = false; /* JSON escapes for itself */
    }
    return true;
}

/* -v: what is not kept, and so made again each time. */
static void tell_cache(struct driver *d)
{
    char path[PATH_MAX];

    if (d->cx.verbose && cachedir_distrusted(path))
        diag_note(d->cx.diag, (struct span){0},
                  "the cache in %s is not used: another user could write to it", path);
}

static bool work(struct driver *d)
{
    if (d->o.help || d->o.version) {
        if (d->o.help) {
            subcommand_list(stdout);
        } else {
            if (d->o.is_stap) /* the first line that scripts look for */
                puts("Systemtap translator/driver (version " SYSTEMTAP_VERSION
                     "/0.188, ngstap " PACKAGE_VERSION ")");
            puts("ngstap " PACKAGE_VERSION "\n"
                 "speaks the language of SystemTap version " SYSTEMTAP_VERSION " and of stap++");
        }
        return true;
    }
    if (d->o.list_types) {
        listing_types(stdout);
        return true;
    }
    bool running = last_pass(&d->o) == PASS_RUN;
    enum script_kind kind;

    tell_cache(d);
    if (!script_find(&d->cx, &d->o, &kind))
        return false;
    if (kind != SCRIPT_TEXT)
        d->choice.backend = kind == SCRIPT_OBJECT ? BACKEND_BPF : BACKEND_STAP;
    else if (!backend_choose(&d->cx, &d->o, running, &d->choice))
        return false;
    return open_output(d) && open_target(d, running) &&
           (kind == SCRIPT_OBJECT   ? run_object(d)
            : kind == SCRIPT_MODULE ? run_module(d)
                                    : run_script(d));
}

static bool close_all(struct driver *d, bool ok)
{
    if (d->child)
        command_end(d->child);
    stap_release(&d->module);
    ok = close_output(d, ok) && ok; /* a picture asks for debug information */
    if (d->places.debuginfo)
        debuginfo_free(d->places.debuginfo);
    lua_names_free(d->places.names);
    jail_end(d->jail);
    jail_end(d->readers);
    if (d->target)
        target_close(d->target);
    return ok;
}

int driver_run(struct compile *cx, int argc, char **argv, const struct driver_hooks *h)
{
    static const struct driver_hooks none;
    struct driver d = {.hooks = h ? h : &none, .cx = *cx, .module = {.lock = -1}, .out = stdout};

    d.places.cx = &d.cx;
    uname(&d.uts);
    d.since = clock_ns(CLOCK_MONOTONIC);
    bool ok = options_parse(&d.cx, argc, argv, &d.o) && work(&d);

    return close_all(&d, ok) ? d.status : 1;
}

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
#include "cli/apart.h"
#include "cli/backend.h"
#include "cli/command.h"
#include "cli/kconfig.h"
#include "cli/kept.h"
#include "cli/listing.h"
#include "cli/making.h"
#include "cli/options.h"
#include "cli/picture.h"
#include "cli/places.h"
#include "cli/script.h"
#include "cli/search.h"
#include "cli/subcommand.h"
#include "load/load.h"
#include "lua/lua.h"
#include "run/run.h"
#include "sema/sema.h"
#include "stap/stap.h"
#include "sxx/sxx.h"
#include "syntax/syntax.h"
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
    struct jail *readers;      /* of files that are open: of the target, and those mapped later */
    struct making making;
};

static bool error(struct driver *d, const char *tag, const char *what, const char *name)
{
    return diag_error(d->cx.diag, (struct span){0}, tag, "%s%s%s: %s", what, *what ? " " : "", name,
                      strerror(errno));
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
    if (d->target && command) {
        d->target->kind = TARGET_CMD;
        d->target->held = d->child;
    }
    if (d->target && d->hooks->target)
        d->hooks->target(d->hooks->arg, d->target);
    return d->target && choose_arch(d) && bounds_ok();
}

/* The output and the target are open. */
static void begin_making(struct driver *d)
{
    struct making *m = &d->making;

    m->cx = &d->cx;
    m->o = &d->o;
    m->target = d->target;
    m->choice = &d->choice;
    m->hooks = d->hooks;
    m->places = &d->places;
    m->module = &d->module;
    m->out = d->out;
    m->draws = d->draws;
    m->last = last_pass(&d->o);
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

/* ---- back end ---- */

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
                          .rate = d->hooks->rate,
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
    struct making *m = &d->making;
    size_t size;

    m->so = &so;
    m->expanded = &expanded;
    if (may_be_kept(d, last)) {
        begin_keeping(d, &so, &expanded, &kept);
        m->kept = &kept;
        const void *elf = kept_take(&d->cx, &kept, d->target, &size);

        if (elf && making_still_fits(m))
            return making_take_kept(m) && run(d, elf, size, m->kernel, making_rights(m));
    }
    struct program *prog = parse(d, &so, &expanded);

    if (!prog)
        return false;
    making_passed(&d->making, PASS_PARSE, "parsed the script and its modules");
    if (last == PASS_PARSE) {
        syntax_print(d->out, prog, 0);
        return true;
    }

    m->prog = prog;
    making_look_at_kernel(m);
    if (!making_make(m))
        return false;
    d->status = m->status;
    if (d->choice.backend == BACKEND_STAP || !m->obj.elf)
        return true;
    if (o->last_pass == PASS_OBJECT)
        return write_object(d, &m->obj);
    return last == PASS_OBJECT || run(d, m->obj.elf, m->obj.elf_size, m->kernel, making_rights(m));
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
        making_open_jail(&d->making);
    if (d->draws)
        places_name_lua(&d->places);
    return k && run(d, elf, size, k, RIGHT_COMMANDS);
}

static bool run_module(struct driver *d)
{
    const struct backend_stap b = {&d->cx, &d->o, d->target, d->out, &d->module};
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
    if (!open_output(d) || !open_target(d, running))
        return false;
    begin_making(d);
    return kind == SCRIPT_OBJECT   ? run_object(d)
           : kind == SCRIPT_MODULE ? run_module(d)
                                   : run_script(d);
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
    jail_end(d->making.jail);
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
    d.making.since = clock_ns(CLOCK_MONOTONIC);
    bool ok = options_parse(&d.cx, argc, argv, &d.o) && work(&d);

    return close_all(&d, ok) ? d.status : 1;
}

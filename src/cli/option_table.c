/*
 * option_table: the options of a run, a row each, and what each sets. Enters: the value that the
 * user gave with an option; leaves: a member of struct options. Refused: values that are none, and
 * what stap has that means nothing here.
 */
#include "cli/option_table.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/abi.h"
#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "cli/limits.h"
#include "target/demangle.h"

static bool usage(const struct parse *p, const char *what, const char *value)
{
    return diag_error(p->cx->diag, (struct span){0}, "options", "%s: %s%s%s", p->name, what,
                      value ? ": " : "", value ? value : "");
}

void strings_add(struct compile *cx, struct strings *s, const char *value)
{
    s->v = arena_grow(cx->arena, s->v, s->n, sizeof(*s->v));
    s->v[s->n++] = value;
}

static bool number(struct parse *p, const char *value, long min, long max, long *out)
{
    char *end;

    errno = 0;
    *out = strtol(value, &end, 10);
    if (errno || end == value || *end || *out < min || *out > max)
        return usage(p, arena_printf(p->cx->arena, "not a number from %ld to %ld", min, max),
                     value);
    return true;
}

static bool pid_value(struct parse *p, const char *value, pid_t *out)
{
    long n;

    if (!number(p, value, 1, INT_MAX, &n)) {
        diag_hint(p->cx->diag, "it takes a process's number, as pgrep and ps print it");
        return false;
    }
    *out = (pid_t)n;
    return true;
}

/* What is not repeatable is not to be replaced in silence. */
static bool once(struct parse *p, const char **to, const char *value)
{
    if (*to)
        return usage(p, "given twice", value);
    *to = value;
    return true;
}

/* ---- one function for each option ---- */

static bool set_pid(struct parse *p, const char *v)
{
    struct target_opts *t = &p->o->target;
    pid_t pid;

    if (!pid_value(p, v, &pid))
        return false;
    if (!t->pid) {
        t->pid = pid;
        return true;
    }
    pid_t *more = (pid_t *)t->more;

    more = arena_grow(p->cx->arena, more, t->n_more, sizeof(*more));
    more[t->n_more++] = pid;
    t->more = more;
    return true;
}

static bool set_master(struct parse *p, const char *v)
{
    if (p->o->target.master)
        return usage(p, "given twice", v);
    return pid_value(p, v, &p->o->target.master);
}

static bool set_sample_pid(struct parse *p, const char *v)
{
    return pid_value(p, v, &p->o->target.sample_pid);
}

static bool set_exec(struct parse *p, const char *v)
{
    return once(p, &p->o->target.exec, v);
}

static bool set_module(struct parse *p, const char *v)
{
    struct debug_choice *d = &p->cx->debug;

    if (!ends_with(v, ".pack") && !ends_with(v, ".debug")) {
        strings_add(p->cx, &p->o->modules, v);
        return true;
    }
    if (access(v, R_OK))
        return usage(p, arena_printf(p->cx->arena, "%s", strerror(errno)), v);
    d->packs = arena_grow(p->cx->arena, d->packs, d->n_packs, sizeof(*d->packs));
    d->packs[d->n_packs++] = v;
    return true;
}

static bool set_no_debuginfo(struct parse *p, const char *v)
{
    static const char *const names[] = {"dwarf", "debuginfod", "pack",
                                        "layout"}; /* DEBUG_*, in order */

    for (const char *word = v;; word++) {
        size_t n = strcspn(word, ","), i = 0;

        while (i < sizeof(names) / sizeof(*names) &&
               (strlen(names[i]) != n || strncmp(word, names[i], n) != 0))
            i++;
        if (i == sizeof(names) / sizeof(*names))
            return usage(p, "it is dwarf, debuginfod, pack or layout", v);
        p->cx->debug.without |= 1U << i;
        word += n;
        if (!*word)
            return true;
    }
}

static bool set_sysroot(struct parse *p, const char *v)
{
    return once(p, &p->o->target.sysroot, v);
}

static bool set_container(struct parse *p, const char *v)
{
    return once(p, &p->o->target.container, v);
}

static bool set_pod(struct parse *p, const char *v)
{
    return once(p, &p->o->target.pod, v);
}

static bool set_command(struct parse *p, const char *v)
{
    return once(p, &p->o->command, v);
}

static bool set_procfs(struct parse *p, const char *v)
{
    p->o->target.proc = v;
    return true;
}

/* "NAME=VALUE"; as in stap++ a name alone means 1, and a later value replaces an earlier one. */
static bool set_arg(struct parse *p, const char *v)
{
    struct options *o = p->o;
    const char *equals = strchr(v, '=');
    const char *name = equals ? arena_strndup(p->cx->arena, v, (size_t)(equals - v)) : v;
    uint32_t i = 0;

    if (!*name)
        return usage(p, "no name", v);
    if (!equals) /* --arg NAME: as stap++ has it, nothing is taken for granted */
        return usage(p, "no =VALUE after the name", v);
    while (i < o->n_sxx_args && strcmp(o->sxx_args[i].name, name))
        i++;
    if (i == o->n_sxx_args) {
        o->sxx_args = arena_grow(p->cx->arena, o->sxx_args, o->n_sxx_args, sizeof(*o->sxx_args));
        o->n_sxx_args++;
    }
    o->sxx_args[i] = (struct sxx_arg){.name = name, .value = equals + 1, .given = true};
    return true;
}

static bool set_args(struct parse *p, const char *v)
{
    p->o->list_args = true;
    return true;
}

static bool set_define(struct parse *p, const char *v)
{
    if (limits_for_stap(v))
        strings_add(p->cx, &p->o->stap_defines, v);
    return limits_define(p->cx, v);
}

static bool set_include(struct parse *p, const char *v)
{
    strings_add(p->cx, &p->o->include, v);
    return true;
}

/* What stap needs to be told, and we find out by ourselves or have no use for. */
static bool set_nothing(struct parse *p, const char *v)
{
    return true;
}

/* What stap has, and whoever asks for it would miss. */
static bool set_refused(struct parse *p, const char *v)
{
    return usage(p, arena_printf(p->cx->arena, "is not taken: %s", p->help), NULL);
}

/* Which kernel buffers there are is not asked; a number it is all the same. */
static bool set_buffer(struct parse *p, const char *v)
{
    enum { MEGABYTES_MAX = 4095 };
    long n;

    return number(p, v, 1, MEGABYTES_MAX, &n);
}

static bool set_global(struct parse *p, const char *v)
{
    struct options *o = p->o;
    const char *equals = strchr(v, '=');
    size_t n = equals ? (size_t)(equals - v) : strlen(v);

    if (!n || isdigit((unsigned char)*v))
        return usage(p, "no name of a global", v);
    if (!equals)
        return usage(p, "no =VALUE after the name", v);
    o->globals = arena_grow(p->cx->arena, o->globals, o->n_globals, sizeof(*o->globals));
    o->globals[o->n_globals++] =
        (struct sema_global){arena_strndup(p->cx->arena, v, n), equals + 1};
    return true;
}

static bool set_more_text(struct parse *p, const char *v)
{
    strings_add(p->cx, &p->o->more_text, v);
    return true;
}

static bool set_list(struct parse *p, const char *v)
{
    return once(p, &p->o->list, v);
}

static bool set_list_variables(struct parse *p, const char *v)
{
    p->o->list_variables = true;
    return once(p, &p->o->list, v);
}

static bool set_dump_probe_types(struct parse *p, const char *v)
{
    p->o->list_types = true;
    return true;
}

static bool set_suppress_handler_errors(struct parse *p, const char *v)
{
    p->o->suppress_errors = true;
    return true;
}

static bool set_suppress_time_limits(struct parse *p, const char *v)
{
    p->o->suppress_time_limits = true;
    return true;
}

static bool set_no_global_var_display(struct parse *p, const char *v)
{
    p->o->no_display = true;
    return true;
}

static bool set_no_jail(struct parse *p, const char *v)
{
    p->o->no_jail = true;
    return true;
}

static bool set_no_system_tapset(struct parse *p, const char *v)
{
    p->o->no_system_tapset = true;
    return true;
}

static bool set_compatible(struct parse *p, const char *v)
{
    if (!*v || v[strspn(v, "0123456789.")] || !isdigit((unsigned char)*v))
        return usage(p, "not a version of SystemTap", v);
    if (strverscmp(v, SYSTEMTAP_VERSION) > 0)
        return usage(p, "newer than the language that is spoken, " SYSTEMTAP_VERSION, v);
    p->o->compatible = v;
    return true;
}

static bool set_color(struct parse *p, const char *v)
{
    static const char *const never = "never", *const always = "always";

    if (v && !strcmp(v, "auto"))
        return true;
    if (v && strcmp(v, never) != 0 && strcmp(v, always) != 0)
        return usage(p, "it is never, always or auto", v);
    diag_colour(p->cx->diag, !v || strcmp(v, never) != 0);
    return true;
}

static bool set_disable_cache(struct parse *p, const char *v)
{
    p->o->no_cache = true;
    return true;
}

static bool set_timing(struct parse *p, const char *v)
{
    p->cx->timing = true;
    return true;
}

/* "00020": more for pass 4 alone; here for all. */
static bool set_pass_verbose(struct parse *p, const char *v)
{
    char most = '0';

    if (!*v || v[strspn(v, "0123456789")])
        return usage(p, "it takes a digit for each pass", v);
    for (; *v; v++)
        most = *v > most ? *v : most;
    p->cx->verbose += most - '0';
    return true;
}

static bool set_runtime(struct parse *p, const char *v)
{
    if (!strcmp(v, "bpf"))
        p->o->backend = BACKEND_BPF;
    else if (strcmp(v, "kernel") != 0)
        return usage(p, "kernel and bpf are taken, and mean what --backend says", v);
    return true;
}

static bool set_bpf(struct parse *p, const char *v)
{
    return set_runtime(p, "bpf");
}

static bool set_text(struct parse *p, const char *v)
{
    if (p->o->text)
        return diag_error(p->cx->diag, (struct span){0}, "options",
                          "Only one script can be given on the command line.");
    p->o->text = v;
    return true;
}

static bool set_guru(struct parse *p, const char *v)
{
    p->cx->guru = true;
    return true;
}

static bool set_skip_badvars(struct parse *p, const char *v)
{
    p->cx->skip_badvars = true;
    return true;
}

static bool set_pass(struct parse *p, const char *v)
{
    long n;

    if (!number(p, v, PASS_PARSE, PASS_RUN, &n))
        return false;
    p->o->last_pass = (enum pass)n;
    return true;
}

static bool set_object_name(struct parse *p, const char *v)
{
    p->o->object_name = v;
    if (!*v)
        return usage(p, "no name", NULL);
    if (v[strspn(v, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")])
        return usage(p, "a name has letters, digits and _ alone", v);
    return true;
}

static bool set_output(struct parse *p, const char *v)
{
    p->o->output = strcmp(v, "-") ? v : NULL;
    return true;
}

bool options_time(struct compile *cx, const char *option, const char *text, double *seconds)
{
    static const struct {
        const char *name;
        double seconds;
    } units[] = {{"", 1}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}};
    enum { YEAR = 365 * 24 * 3600 };
    char *end;
    double n = strtod(text, &end), unit = 0;

    for (size_t i = 0; end != text && i < sizeof(units) / sizeof(*units); i++)
        if (!strcmp(end, units[i].name))
            unit = units[i].seconds;
    *seconds = n * unit;
    if (*seconds > 0 && *seconds < YEAR)
        return true;
    diag_error(cx->diag, (struct span){0}, "options", "%s: not a time: %s", option, text);
    diag_hint(cx->diag, "it takes seconds, as in 10, 1.5, 500ms, 5m or 2h");
    return false;
}

static bool set_seconds(struct parse *p, const char *v)
{
    return options_time(p->cx, p->name, v, &p->o->seconds);
}

static bool set_backend(struct parse *p, const char *v)
{
    static const char *const names[] = {"auto", "bpf", "stap"};

    for (int i = 0; i < 3; i++)
        if (!strcmp(v, names[i])) {
            p->o->backend = (enum backend)i;
            return true;
        }
    return usage(p, "it is auto, bpf or stap", v);
}

static bool set_release(struct parse *p, const char *v)
{
    p->o->release = v;
    return *v ? true : usage(p, "no kernel", NULL);
}

static bool set_no_feature(struct parse *p, const char *v)
{
    strings_add(p->cx, &p->o->no_feature, v);
    return true;
}

static bool set_verbose(struct parse *p, const char *v)
{
    p->cx->verbose++;
    return true;
}

static bool set_format(struct parse *p, const char *v)
{
    p->o->format = v;
    return true;
}

static bool set_demangle(struct parse *p, const char *v)
{
    p->o->demangle = true;
    if (demangle_is_there())
        return true;
    usage(p, "this ngstap was built without libiberty", NULL);
    diag_hint(p->cx->diag, "apt-get install libiberty-dev, then configure and make it again; or "
                           "c++filt(1) reads what is printed");
    return false;
}

static bool set_no_warnings(struct parse *p, const char *v)
{
    p->o->no_warnings = true;
    return true;
}

static bool set_strict(struct parse *p, const char *v)
{
    diag_strict(p->cx->diag);
    return true;
}

static bool set_dump_src(struct parse *p, const char *v)
{
    p->o->dump |= DUMP_SRC;
    return true;
}

/* As woodgear's stap++ has it. */
static bool set_dump_src_out(struct parse *p, const char *v)
{
    p->o->dump |= DUMP_SRC;
    return once(p, &p->o->output, v);
}

static bool set_dump_ast(struct parse *p, const char *v)
{
    p->o->dump |= DUMP_AST;
    return true;
}

static bool set_dump_stap(struct parse *p, const char *v)
{
    p->o->dump |= DUMP_STAP;
    return true;
}

static bool set_dump_ir(struct parse *p, const char *v)
{
    p->o->dump |= DUMP_IR;
    return true;
}

static bool set_dump_bpf(struct parse *p, const char *v)
{
    p->o->dump |= DUMP_BPF;
    return true;
}

static bool set_help(struct parse *p, const char *v)
{
    p->o->help = true;
    return true;
}

static bool set_version(struct parse *p, const char *v)
{
    p->o->version = true;
    return true;
}

const struct option_row option_rows[] = {
    {0, NULL, NULL, "The target", NULL},
    {'x', NULL, "PID", "a process to look at, with what descends from it (repeatable)", set_pid},
    {0, "master", "PID", "all that descends from this process, but not itself; not with -x",
     set_master},
    {0, "exec", "PATH", "an executable; no process is singled out", set_exec},
    {0, "sample-pid", "PID", "take the list of libraries from this process", set_sample_pid},
    {'d', NULL, "PATH", "a further module; a pack, NAME.pack; or layouts, NAME.debug", set_module},
    {0, "sysroot", "DIR", "look for the target's files below DIR (see docker-root)", set_sysroot},
    {0, "container", "NAME",
     "the root, and without -x the processes that run Lua, of this container", set_container},
    {0, "pod", "NAMESPACE/POD[/CONTAINER]", "the same of a pod of Kubernetes on this node",
     set_pod},
    {'c', NULL, "COMMAND", "start it, and trace it until it ends", set_command},
    {0, "procfs", "DIR", NULL, set_procfs},
    {0, "ldd", NULL, NULL, set_nothing},
    {0, "all-modules", NULL, NULL, set_nothing},
    {0, NULL, NULL, "The script", NULL},
    {0, "arg", "NAME=VALUE", "give $^arg_NAME a value (repeatable)", set_arg},
    {0, "args", NULL, "list the arguments the script takes", set_args},
    {'I', NULL, "DIR", "search DIR for library modules first (repeatable)", set_include},
    {'D', NULL, "NAME=VALUE", "a limit, e.g. MAXACTION=100000 (repeatable)", set_define},
    {'e', NULL, "TEXT", "the script itself", set_text},
    {'E', NULL, "TEXT", "a further script, run with the first (repeatable)", set_more_text},
    {'G', NULL, "NAME=VALUE", "what a global of the script is at first (repeatable)", set_global},
    {'g', NULL, NULL, "guru mode", set_guru},
    {0, "skip-badvars", NULL, "$variables that cannot be resolved read as 0", set_skip_badvars},
    {0, "compatible", "VERSION", "what systemtap_v is in the script's preprocessor",
     set_compatible},
    {0, NULL, NULL, "How it runs", NULL},
    {'p', NULL, "N", "stop after pass N: 1 parse, 2 types, 3 code, 4 write NAME.bpf.o or NAME.ko",
     set_pass},
    {'m', NULL, "NAME", "the name of what -p4 writes, and of the folder of procfs files",
     set_object_name},
    {'r', NULL, "KERNEL", "make the module for this release, or with this build directory",
     set_release},
    {'o', NULL, "FILE", "print to FILE", set_output},
    {0, "format", "FORMAT", "of stacks with counts: flamegraph, ... (convert --help lists them)",
     set_format},
    {'T', NULL, "TIME", "end after that long: 10, 1.5, 500ms, 5m ...", set_seconds},
    {0, "backend", "NAME", "auto, bpf, or stap (a SystemTap module)", set_backend},
    {0, "no-feature", "NAME", "act as if the kernel lacked it, e.g. may_goto (repeatable)",
     set_no_feature},
    {0, "no-jail", NULL, "read the target's files in ngstap's own process, with its privileges",
     set_no_jail},
    {0, "no-debuginfo", "NAME", "without dwarf, debuginfod, pack or layout (NAME,NAME; repeatable)",
     set_no_debuginfo},
    {0, "suppress-handler-errors", NULL, "errors end their handler alone, and are counted",
     set_suppress_handler_errors},
    {0, "suppress-time-limits", NULL, "no MAXACTION; with -g", set_suppress_time_limits},
    {0, "no-global-var-display", NULL, "do not print globals that nothing reads",
     set_no_global_var_display},
    {0, "no-system-tapset", NULL, "do not look into SystemTap's own tapset", set_no_system_tapset},
    {0, "disable-cache", NULL, "make the object anew, and do not keep it", set_disable_cache},
    {'t', NULL, NULL, "counts and times at the end", set_timing},
    {'v', NULL, NULL, "say more; counts and times at the end (repeatable)", set_verbose},
    {0, "demangle", NULL, "names of C++ and Rust functions as their sources have them",
     set_demangle},
    {'w', NULL, NULL, "no warnings", set_no_warnings},
    {'W', NULL, NULL, "warnings about the script are errors", set_strict},
    {0, "color", "[=WHEN]", "of messages: never, always (without WHEN) or auto", set_color},
    {0, NULL, NULL, "Looking inside", NULL},
    {'l', NULL, "POINT", "list the probe points that POINT matches", set_list},
    {'L', NULL, "POINT", "likewise, with the variables that are in scope there",
     set_list_variables},
    {0, "dump-probe-types", NULL, "list the kinds of probe points", set_dump_probe_types},
    {0, "dump-src", NULL, "the script with its macros expanded", set_dump_src},
    {0, "dump-src-out", "FILE", "likewise, to FILE", set_dump_src_out},
    {0, "dump-ast", NULL, "the tree", set_dump_ast},
    {0, "dump-stap", NULL, "the script for stap -g, which then needs no debug information",
     set_dump_stap},
    {0, "dump-ir", NULL, "the intermediate code beside its script lines", set_dump_ir},
    {0, "dump-bpf", NULL, "the BPF instructions beside their script lines", set_dump_bpf},
    {'h', "help", NULL, "this text", set_help},
    {'V', "version", NULL, "the version", set_version},

    /* Of stap (its manual page), for whoever calls it by that name. */
    {0, "colour", "[=WHEN]", NULL, set_color},
    {0, "vp", "DIGITS", NULL, set_pass_verbose},
    {0, "runtime", "MODE", NULL, set_runtime},
    {0, "bpf", NULL, NULL, set_bpf},
    {'s', NULL, "MEGABYTES", NULL, set_buffer},
    {'k', NULL, NULL, NULL, set_nothing},
    {'u', NULL, NULL, NULL, set_nothing},
    {'q', NULL, NULL, NULL, set_nothing},
    {'P', NULL, NULL, NULL, set_nothing},
    {'B', NULL, "NAME=VALUE", NULL, set_nothing},
    {'R', NULL, "DIR", NULL, set_nothing},
    {0, "modinfo", "NAME=VALUE", NULL, set_nothing},
    {0, "prologue-searching", "[=WHEN]", NULL, set_nothing},
    {0, "check-version", NULL, NULL, set_nothing},
    {0, "poison-cache", NULL, NULL, set_nothing},
    {0, "download-debuginfo", "[=OPTION]", NULL, set_nothing},
    {0, "save-uprobes", NULL, NULL, set_nothing},
    {0, "tmpdir", "DIR", NULL, set_nothing},
    {0, "example", NULL, NULL, set_nothing},
    {'F', NULL, NULL, "a session ends with its ngstap; setsid(1) and -o keep one in the background",
     set_refused},
    {'S', NULL, "SIZE[,N]", "the output is one file; logrotate(8) and split(1) cut a pipe's",
     set_refused},
    {'b', NULL, NULL, "the output is one file, in order, not one a processor", set_refused},
    {'i', "interactive", NULL, "a script is written in an editor, and given as a file or by -e",
     set_refused},
    {'a', NULL, "ARCH", "the machine is that of the target's program", set_refused},
    {0, "monitor", "[=INTERVAL]", "there is no screen of a session's state; -t tells it at the end",
     set_refused},
    {0, "dyninst", NULL, "there is no Dyninst back end", set_refused},
    {0, "privilege", "LEVEL", "a script has the rights of who runs it, and is not judged by others",
     set_refused},
    {0, "unprivileged", NULL, "a script has the rights of who runs it, and is not judged by others",
     set_refused},
    {0, "use-server", "[=SERVER]", "nothing is compiled elsewhere", set_refused},
    {0, "use-server-on-error", "[=YES]", "nothing is compiled elsewhere", set_refused},
    {0, "list-servers", "[=WHICH]", "nothing is compiled elsewhere", set_refused},
    {0, "trust-servers", "[=WHICH]", "nothing is compiled elsewhere", set_refused},
    {0, "remote", "HOST", "it runs here; -p4 makes an object, which ssh(1) can run there",
     set_refused},
    {0, "remote-prefix", NULL, "it runs here alone", set_refused},
    {0, "clean-cache", NULL, "the cache is trimmed by each run", set_refused},
    {0, "dump-probe-aliases", NULL, "grep(1) finds them in the folders of -I", set_refused},
    {0, "dump-functions", NULL, "docs/reference.md lists them", set_refused},
    {0, "sysenv", "NAME=VALUE", "no variable of the environment is looked at below --sysroot",
     set_refused},
    {0, "target-namespaces", "PID", "no function asks for them", set_refused},
    {0, "rlimit-as", "N", "ulimit sets it", set_refused},
    {0, "rlimit-cpu", "N", "ulimit sets it", set_refused},
    {0, "rlimit-nproc", "N", "ulimit sets it", set_refused},
    {0, "rlimit-stack", "N", "ulimit sets it", set_refused},
    {0, "rlimit-fsize", "N", "ulimit sets it", set_refused},
};

const int n_option_rows = sizeof(option_rows) / sizeof(*option_rows);
_Static_assert(sizeof(option_rows) / sizeof(*option_rows) <= OPTION_ROWS_MAX, "OPTION_ROWS_MAX");

bool option_is_refused(const struct option_row *r)
{
    return r->set == set_refused;
}

bool option_is_making(const struct option_row *r)
{
    static bool (*const making[])(struct parse *, const char *) = {
        set_arg,
        set_args,
        set_define,
        set_skip_badvars,
        set_pass,
        set_release,
        set_backend,
        set_dump_src,
        set_dump_src_out,
        set_dump_ast,
        set_dump_stap,
        set_dump_ir,
        set_dump_bpf,
        set_object_name,
        set_more_text,
        set_global,
        set_compatible,
        set_suppress_handler_errors,
        set_suppress_time_limits,
        set_no_global_var_display,
        set_strict,
    };

    for (size_t i = 0; i < sizeof(making) / sizeof(*making); i++)
        if (making[i] == r->set)
            return true;
    return false;
}

bool option_is_running(const struct option_row *r)
{
    static bool (*const running[])(struct parse *, const char *) = {
        set_pid,         set_master,  set_container, set_pod,     set_output,
        set_format,      set_seconds, set_timing,    set_verbose, set_pass_verbose,
        set_no_warnings, set_color,   set_buffer,    set_nothing,
    };

    for (size_t i = 0; i < sizeof(running) / sizeof(*running); i++)
        if (running[i] == r->set)
            return true;
    return false;
}

/*
 * flame_options: what "ngstap flame" is asked for. Enters: a command line; leaves: struct flame,
 * with those of its words that are the driver's, too. Refused: what is no number, no time or no
 * kind of frames, and options that say nothing together.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "cli/flame.h"
#include "cli/options.h"

static const struct span nowhere;

enum { USUAL_SECONDS = 10, EVERY_LEAST = 1 };

const struct frames flame_frames[N_FRAMES] = {
    [FRAMES_LUA] = {"lua", "Lua", "not in Lua", "c", true},
    [FRAMES_C] = {"c", "C and kernel", "in no code that is known", NULL, false},
    [FRAMES_ALL] = {"all", "Lua, C and kernel", "in no code that is known", "c", true},
};

void flame_give(struct flame *f, const char *word)
{
    f->argv = arena_grow(f->cx->arena, f->argv, (size_t)f->argc, sizeof(*f->argv));
    f->argv[f->argc++] = word;
}

void flame_give_arg(struct flame *f, const char *name, const char *value)
{
    flame_give(f, "--arg");
    flame_give(f, arena_printf(f->cx->arena, "%s=%s", name, value));
}

static bool number(struct flame *f, const char *option, const char *text, long max, long *out)
{
    char *end;

    errno = 0;
    *out = strtol(text, &end, 10);
    if (errno || *end || end == text || *out < 1 || *out > max)
        return diag_error(f->cx->diag, nowhere, "options",
                          "%s takes a whole number from 1 to %ld, not \"%s\"", option, max, text);
    return true;
}

static bool is_limit(const char *option, const char *value, const char *name)
{
    size_t len = strlen(name);

    return value && !strcmp(option, "-D") && !strncmp(value, name, len) && value[len] == '=';
}

/* An option that the driver knows, too. */
static bool pass_on(void *command, const char *option, const char *value)
{
    struct flame *f = command;

    f->string_limit |= is_limit(option, value, "MAXSTRINGLEN");
    f->entries_limit |= is_limit(option, value, "MAXMAPENTRIES");
    flame_give(f, option);
    if (value)
        flame_give(f, value);
    return true;
}

static bool set_target(void *command, const char *option, const char *value)
{
    struct flame *f = command;
    const char *what = "container";

    if (!strcmp(option, "-x"))
        what = "process";
    else if (!strcmp(option, "--master"))
        what = "workers of";
    else if (!strcmp(option, "--pod"))
        what = "pod";
    else if (!strcmp(option, "-c"))
        what = "command";
    f->command |= !strcmp(option, "-c");
    f->target = arena_printf(f->cx->arena, "%s%s %s %s", f->target ? f->target : "",
                             f->target ? "," : "", what, value);
    return pass_on(f, option, value);
}

static bool set_title(void *command, const char *option, const char *value)
{
    ((struct flame *)command)->title = value;
    return true;
}

static bool set_output(void *command, const char *option, const char *value)
{
    ((struct flame *)command)->output = value;
    return true;
}

static bool set_detailed(void *command, const char *option, const char *value)
{
    flame_give_arg(command, "detailed", "1");
    return true;
}

static bool set_depth(void *command, const char *option, const char *value)
{
    struct flame *f = command;

    return number(f, option, value, INT_MAX, &f->depth);
}

/* False after reporting: an option's script text that is empty. */
static bool is_there(const struct flame *f, const char *option, const char *value, const char *what)
{
    return value[strspn(value, " \t\n")] ||
           diag_error(f->cx->diag, nowhere, "options", "%s takes %s, not an empty text", option,
                      what);
}

static bool set_at(void *command, const char *option, const char *value)
{
    struct flame *f = command;

    if (!is_there(f, option, value, "a probe point"))
        return false;
    f->at = value;
    f->counted = f->counted == COUNT_OFF_CPU ? f->counted : COUNT_HITS;
    return true;
}

static bool set_weight(void *command, const char *option, const char *value)
{
    struct flame *f = command;

    f->weight = value;
    return is_there(f, option, value, "an expression");
}

static bool set_off_cpu(void *command, const char *option, const char *value)
{
    ((struct flame *)command)->counted = COUNT_OFF_CPU;
    return true;
}

static bool set_frames(void *command, const char *option, const char *value)
{
    struct flame *f = command;
    const char *all = "";

    f->chosen = true;
    for (int i = 0; i < N_FRAMES; i++) {
        if (!strcmp(flame_frames[i].name, value)) {
            f->frames = &flame_frames[i];
            return true;
        }
        all = arena_printf(f->cx->arena, "%s%s%s", all, i ? " or " : "", flame_frames[i].name);
    }
    return diag_error(f->cx->diag, nowhere, "options", "%s takes %s, not \"%s\"", option, all,
                      value);
}

static bool set_hz(void *command, const char *option, const char *value)
{
    struct flame *f = command;

    f->by_hz = true;
    return number(f, option, value, FLAME_HZ_MAX, &f->hz);
}

static bool set_time(void *command, const char *option, const char *value)
{
    struct flame *f = command;

    return options_time(f->cx, option, value, &f->seconds);
}

static bool set_every(void *command, const char *option, const char *value)
{
    struct flame *f = command;

    return options_time(f->cx, option, value, &f->every) &&
           (f->every >= EVERY_LEAST ||
            diag_error(f->cx->diag, nowhere, "options", "%s takes a second or more", option));
}

static const struct command_option taken[] = {
    {"-x", "PID", "the process to look at", set_target},
    {"--master", "PID", "all workers of this process", set_target},
    {"--container", "NAME", "the processes that run Lua in this container", set_target},
    {"--pod", "NS/POD[/CONTAINER]", "... in this pod of Kubernetes, on its node", set_target},
    {"--sysroot", "DIR", "look for the target's files below DIR (see docker-root)", pass_on},
    {"-d", "PATH", "a further module, or pack of debug information, NAME.pack", pass_on},
    {"--no-debuginfo", "KIND", "without dwarf, debuginfod, pack or layout", pass_on},
    {"-c", "COMMAND", "start it, and profile it until it ends", set_target},
    {"-t", "TIME", "how long (10, or until COMMAND ends): 30, 1.5, 500ms, 5m ...", set_time},
    {"--every", "TIME", "a file for each TIME, named by when it began, until ^C or -t", set_every},
    {"-F", "HZ", "how often a second (99)", set_hz},
    {"--at", "PROBE", "count the hits of a probe point, not samples", set_at},
    {"--weight", "EXPR", "with --at: count what EXPR is at a hit, not 1", set_weight},
    {"--off-cpu", NULL, "count the microseconds off the CPU", set_off_cpu},
    {"--frames", "KIND", "which: all (the default), lua, or c: of C and the kernel", set_frames},
    {"-o", "FILE", "where to (flame.svg)", set_output},
    {"--format", NULL, "another format (ngstap convert --help lists them)", NULL},
    PUSHING_OPTIONS,
    {"--title", "TEXT", "the title of the picture", set_title},
    {"--detailed", NULL, "the current line of each function, not where it begins", set_detailed},
    {"--demangle", NULL, "names of C++ and Rust functions as their sources have them", pass_on},
    {"--depth", "N", "frames of a stack (100)", set_depth},
    {"-D", "NAME=VALUE", "a limit, e.g. MAXMAPENTRIES=20000", pass_on},
    {"-I", "DIR", "search DIR for library modules first", pass_on},
    {"-v", NULL, "say more", pass_on},
};

static const struct command_options options = {
    "ngstap flame",
    "Usage: ngstap flame [OPTION]...\n"
    "Profiles a process, a master's workers, a container or a command, and draws a flame graph:\n"
    "where they take CPU time, in Lua, C and the kernel, or what --at and --off-cpu count.\n\n",
    taken, sizeof(taken) / sizeof(*taken)};

/* False after reporting: options that say nothing together. */
static bool check_together(struct flame *f)
{
    const char *what = NULL;

    if (f->counted == COUNT_OFF_CPU && f->at)
        what = "--off-cpu counts time, --at hits: which?";
    else if (f->weight && !f->at)
        what = "--weight is of the hits of --at PROBE";
    else if (f->by_hz && f->counted != COUNT_SAMPLES)
        what = "-F is of samples: --at and --off-cpu take none";
    else if (f->to.push.receiver && (f->output || f->format))
        what = "--push and --otlp send a profile: -o and --format do not go with them";
    else if ((f->to.push.n_labels || f->to.push.n_headers) && !f->to.push.receiver)
        what = "--label and --header are of what --push or --otlp sends";
    else if (f->to.push.receiver && f->every > 0)
        what = "--every writes files, --push and --otlp send one profile: ngstap agent sends many";
    return !what || diag_error(f->cx->diag, nowhere, "options", "%s", what);
}

bool flame_options(struct flame *f, int argc, char **argv, bool *help)
{
    struct options o;

    if (!options_command(f->cx, argc, argv, &options, f, &o))
        return false;
    *help = o.help;
    if (o.help)
        return true;
    f->format = o.format;
    if (f->seconds == 0 && !f->command && f->every == 0)
        f->seconds = USUAL_SECONDS;
    if (optind != argc) {
        diag_error(f->cx->diag, nowhere, "options", "flame takes no argument such as %s",
                   argv[optind]);
        diag_hint(f->cx->diag, "a process is named by -x, a container by --container, a pod by "
                               "--pod, a command by -c");
        return false;
    }
    if (!f->target) {
        diag_error(f->cx->diag, nowhere, "options", "whose profile? Name a target");
        diag_hint(f->cx->diag,
                  "-x PID, --master PID, --container NAME, --pod NAMESPACE/POD or -c COMMAND");
        return false;
    }
    return check_together(f);
}

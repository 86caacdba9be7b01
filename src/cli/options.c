/*
 * options: what the command line asks for. The parser and --help are made from the table of options
 * (option_table.h; tests check the manual page against --help). Names and meanings are stap++'s,
 * and stap's where stap++ has none. Enters: argv; leaves: struct options. Refuses what options.h
 * says.
 */
#include "cli/options.h"

#include <getopt.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/abi.h"
#include "base/arena.h"
#include "base/diag.h"
#include "cli/limits.h"
#include "cli/option_table.h"

enum {
    LONG_ONLY = 256, /* getopt's value of an option without a letter: this + its row */
    HELP_COLUMN = 26
};

static bool is_heading(const struct option_row *r)
{
    return !r->set;
}

static bool is_optional(const char *arg)
{
    return arg && *arg == '[';
}

static bool is_listed(const struct option_row *r)
{
    return r->help && !option_is_refused(r);
}

static void print_row(FILE *out, const struct option_row *r)
{
    int width = 0;

    if (r->letter)
        width += fprintf(out, "  -%c%s", r->letter, r->name ? ", " : "");
    else
        width += fprintf(out, "  ");
    if (r->name)
        width += fprintf(out, "--%s", r->name);
    if (r->arg)
        width += fprintf(out, "%s%s", is_optional(r->arg) ? "" : " ", r->arg);
    if (width >= HELP_COLUMN) { /* the text on a line of its own */
        fputc('\n', out);
        width = 0;
    }
    fprintf(out, "%*s%s\n", HELP_COLUMN - width, "", r->help);
}

void options_help(FILE *out)
{
    fputs("Usage: ngstap [OPTION]... SCRIPT [ARGUMENT]...\n"
          "       ngstap [OPTION]... -e TEXT [ARGUMENT]...\n"
          "       ngstap [OPTION]... NAME.bpf.o | NAME.ko\n"
          "       ngstap [OPTION]... -l POINT | -L POINT\n"
          "Runs a stap++ or SystemTap script as eBPF, or on older kernels as a SystemTap module.\n"
          "SCRIPT may be - (standard input).\n",
          out);
    for (int i = 0; i < n_option_rows; i++) {
        const struct option_row *r = &option_rows[i];

        if (!is_listed(r))
            continue;
        if (is_heading(r)) {
            fprintf(out, "\n%s:\n", r->help);
            continue;
        }
        print_row(out, r);
    }
}

/* Makes getopt's two forms of a table. */
static void getopt_tables(const struct option_row *table, int n, char *letters,
                          struct option *longs)
{
    *letters++ = ':'; /* a missing value is told from an unknown option */
    for (int i = 0; i < n; i++) {
        const struct option_row *r = &table[i];

        if (r->letter) {
            *letters++ = r->letter;
            if (r->arg)
                *letters++ = ':';
        }
        if (r->name)
            *longs++ = (struct option){r->name,
                                       is_optional(r->arg) ? optional_argument
                                       : r->arg            ? required_argument
                                                           : no_argument,
                                       NULL, r->letter ? r->letter : LONG_ONLY + i};
    }
    *letters = 0;
    *longs = (struct option){NULL, 0, NULL, 0};
}

static const struct option_row *row_of(const struct option_row *table, int n, int c)
{
    if (c >= LONG_ONLY && c < LONG_ONLY + n)
        return &table[c - LONG_ONLY];
    for (int i = 0; i < n; i++)
        if (table[i].letter && table[i].letter == c)
            return &table[i];
    return NULL;
}

static const struct option_row *find_row(int c)
{
    return row_of(option_rows, n_option_rows, c);
}

/* "-x" or "--master". */
static const char *row_name(struct compile *cx, const struct option_row *r)
{
    return r->letter ? arena_printf(cx->arena, "-%c", r->letter)
                     : arena_printf(cx->arena, "--%s", r->name);
}

/* "-q" or "--quux": what getopt did not know, or what lacks its value. */
static bool bad_option(struct compile *cx, int c, char **argv)
{
    const char *word = optopt && optopt < LONG_ONLY && find_row(optopt) == NULL
                           ? arena_printf(cx->arena, "-%c", optopt)
                           : argv[optind - 1];
    const char *name = word[0] == '-' && word[1] == '-' ? word + 2 : NULL;
    struct near near;

    if (c == ':') {
        const struct option_row *r = find_row(optopt);
        const char *shown = r && r->letter ? arena_printf(cx->arena, "-%c", r->letter) : word;

        return diag_error(cx->diag, (struct span){0}, "options", "%s needs a value%s%s", shown,
                          r && r->arg ? ": " : "", r && r->arg ? r->arg : "");
    }
    diag_error(cx->diag, (struct span){0}, "options", "unknown option %s", word);
    if (name) {
        near_init(&near, arena_strndup(cx->arena, name, strcspn(name, "=")));
        for (int i = 0; i < n_option_rows; i++)
            if (option_rows[i].name && is_listed(&option_rows[i]))
                near_try(&near, option_rows[i].name);
        if (near_best(&near)) {
            diag_hint(cx->diag, "did you mean --%s?", near_best(&near));
            return false;
        }
    }
    diag_hint(cx->diag, "--help lists the options");
    return false;
}

/* The script and its arguments: what is no option. */
static bool take_words(struct compile *cx, struct options *o, char **words, int n)
{
    if (!o->text && !o->list && !o->list_types) {
        if (n == 0) {
            diag_error(cx->diag, (struct span){0}, "options", "No input file specified.");
            diag_hint(cx->diag, "ngstap SCRIPT -x PID runs one; --help lists options and commands");
            return false;
        }
        o->script = *words++;
        n--;
    }
    for (int i = 0; i < n; i++)
        strings_add(cx, &o->args, words[i]);
    return true;
}

/* --suppress-*, whatever -D says before or after them, and what -D's together mean. */
static bool suppress(struct compile *cx, struct options *o)
{
    if (o->suppress_errors) {
        cx->limits.maxerrors = NGS_ERRORS_SUPPRESSED;
        cx->limits.maxskipped = 0;
    }
    if (!o->suppress_time_limits)
        return limits_settle(cx, o->stap_defines.v, o->stap_defines.n);
    if (!cx->guru)
        return diag_error(cx->diag, (struct span){0}, "options",
                          "--suppress-time-limits takes guru mode: -g");
    cx->limits.maxaction = LIMIT_MAXACTION_MOST;
    strings_add(cx, &o->stap_defines, "STP_NO_OVERLOAD");
    return limits_settle(cx, o->stap_defines.v, o->stap_defines.n);
}

/* What is the case anyway: scripts for stap pass -r $(uname -r). */
static void drop_release(struct options *o)
{
    struct utsname u;

    if (o->release && o->last_pass == PASS_RUN && !uname(&u) && !strcmp(o->release, u.release))
        o->release = NULL;
}

static bool check_together(struct compile *cx, struct options *o)
{
    drop_release(o);
    if (o->list && (o->text || o->script))
        return diag_error(cx->diag, (struct span){0}, "options",
                          "-l and -L list probe points: no script goes with them");
    if (o->list_args && o->n_sxx_args)
        return diag_error(cx->diag, (struct span){0}, "options",
                          "No --arg is allowed when --args is specified.");
    if (o->command && (o->target.pid || o->target.master || o->target.container || o->target.pod))
        return diag_error(cx->diag, (struct span){0}, "options",
                          "-c starts the target: -x, --master, --container and --pod do not go "
                          "with it");
    if (o->target.container && o->target.pod)
        return diag_error(cx->diag, (struct span){0}, "options",
                          "--container and --pod both name a container: give one");
    if (o->release && o->backend == BACKEND_BPF)
        return diag_error(cx->diag, (struct span){0}, "options",
                          "-r is the kernel that a module is made for: --backend=bpf makes none");
    if (o->release && o->last_pass == PASS_RUN && !o->dump && !o->list_args && !o->list)
        return diag_error(cx->diag, (struct span){0}, "options",
                          "-r makes a module for another time or place: it goes with -p4");
    return suppress(cx, o);
}

bool options_parse(struct compile *cx, int argc, char **argv, struct options *out)
{
    char letters[2 * OPTION_ROWS_MAX + 2];
    struct option longs[OPTION_ROWS_MAX + 1];
    int c;

    const char *slash = argc ? strrchr(argv[0], '/') : NULL;

    *out = (struct options){.last_pass = PASS_RUN};
    out->is_stap = argc && !strcmp(slash ? slash + 1 : argv[0], "stap");
    limits_default(&cx->limits);
    getopt_tables(option_rows, n_option_rows, letters, longs);
    optind = 0;
    opterr = 0;
    while ((c = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        const struct option_row *r = find_row(c);

        if (!r)
            return bad_option(cx, c, argv);
        struct parse p = {cx, out, row_name(cx, r), r->help};

        if (!r->set(&p, optarg))
            return false;
        if (option_is_making(r))
            out->making = p.name;
        if (!option_is_running(r)) {
            strings_add(cx, &out->said, p.name);
            strings_add(cx, &out->said, optarg ? optarg : "");
        }
    }
    diag_quiet(cx->diag, out->no_warnings);
    out->target.modules = out->modules.v;
    out->target.n_modules = out->modules.n;
    if (out->help || out->version)
        return true;
    return take_words(cx, out, argv + optind, argc - optind) && check_together(cx, out);
}

/* ---- subcommands ---- */

/* The row of a subcommand's option: the table's, or made of what C says. */
static struct option_row command_row(const struct command_option *c)
{
    bool is_long = c->option[1] == '-';
    struct option_row row = {.arg = c->arg};

    for (int i = 0; !c->set && i < n_option_rows; i++)
        if (is_long ? option_rows[i].name && !strcmp(option_rows[i].name, c->option + 2)
                    : option_rows[i].letter == c->option[1])
            row = option_rows[i];
    row.letter = is_long ? 0 : c->option[1];
    row.name = is_long ? c->option + 2 : NULL;
    row.help = c->help;
    return row;
}

bool options_command(struct compile *cx, int argc, char **argv, const struct command_options *c,
                     void *command, struct options *out)
{
    enum { MAX_ROWS = 32 };
    struct option_row table[MAX_ROWS];
    struct option longs[MAX_ROWS + 1];
    char letters[2 * MAX_ROWS + 2];
    int n = 0, opt;

    for (uint32_t i = 0; i < c->n_rows && n < MAX_ROWS - 1; i++)
        table[n++] = command_row(&c->rows[i]);
    table[n++] = *find_row('h');
    *out = (struct options){.last_pass = PASS_RUN};
    getopt_tables(table, n, letters, longs);
    optind = 0;
    opterr = 0;
    while ((opt = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        const struct option_row *r = opt == ':' || opt == '?' ? NULL : row_of(table, n, opt);

        if (!r) {
            diag_error(cx->diag, (struct span){0}, "options",
                       "%s is no option of this command, or lacks its value", argv[optind - 1]);
            diag_hint(cx->diag, "%s --help lists them", c->called);
            return false;
        }
        const struct command_option *own = r - table < n - 1 ? &c->rows[r - table] : NULL;
        struct parse p = {cx, out, row_name(cx, r), r->help};

        if (own && own->set ? !own->set(command, p.name, optarg) : !r->set(&p, optarg))
            return false;
    }
    out->target.modules = out->modules.v;
    out->target.n_modules = out->modules.n;
    if (out->help) {
        fputs(c->usage, stdout);
        for (int i = 0; i < n; i++)
            print_row(stdout, &table[i]);
    }
    return true;
}

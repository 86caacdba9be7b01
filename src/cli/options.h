/*
 * options: what the command line asks for.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/compile.h"
#include "sema/sema.h"
#include "sxx/sxx.h"
#include "target/target.h"

/* The language that is spoken: what tools that run stap look for in --version, and scripts in
 * systemtap_v. */
#define SYSTEMTAP_VERSION "4.8"

enum backend { BACKEND_AUTO, BACKEND_BPF, BACKEND_STAP };

/* The passes, as stap counts them (expansion is ours); -p N ends after pass N. */
enum pass { PASS_EXPAND, PASS_PARSE, PASS_SEMA, PASS_IR, PASS_OBJECT, PASS_RUN };

enum { DUMP_SRC = 1, DUMP_AST = 2, DUMP_IR = 4, DUMP_BPF = 8, DUMP_STAP = 16 };

struct strings { /* a growing list */
    const char **v;
    uint32_t n;
};

struct options {
    const char *script; /* file, "-", an object or a module; NULL with -e */
    const char *text;   /* -e */
    const char *list;   /* -l, -L: a probe point */
    struct strings more_text; /* -E */
    const char *making;  /* an option that the making of a program alone heeds, as it was written;
                          * NULL: none was given */
    struct strings said; /* options, each with its value: all but those of a run alone */
    struct strings args; /* after the script: $1 @1 ... */
    struct target_opts target;
    const char *command;      /* -c */
    struct sxx_arg *sxx_args; /* --arg */
    uint32_t n_sxx_args;
    struct sema_global *globals; /* -G */
    uint32_t n_globals;
    struct strings include; /* -I */
    struct strings modules; /* -d */
    struct strings no_feature;
    enum backend backend;
    const char *release;         /* -r: a kernel release or build directory, for a module */
    struct strings stap_defines; /* -D that only SystemTap's C code knows */
    enum pass last_pass;
    unsigned dump;  /* DUMP_* */
    bool list_args; /* --args */
    bool list_variables; /* -L */
    bool list_types;     /* --dump-probe-types */
    bool suppress_errors, suppress_time_limits, no_display;
    bool no_system_tapset;
    bool no_jail; /* readers of the target's files run in this process */
    const char *compatible; /* NULL: as new as we are */
    bool no_cache; /* of objects */
    bool no_warnings;
    bool demangle;
    const char *object_name; /* -m */
    const char *output;      /* -o */
    const char *format;      /* --format; NULL: as the script prints it */
    double seconds;          /* -T */
    bool help, version;
    bool is_stap; /* called by that name */
};

/*
 * Reads the command line into OUT and, where the compile has a place for it, CX. False after
 * reporting on CX's diagnostics: an unknown option, a value out of range, options that exclude each
 * other, no script.
 */
bool options_parse(struct compile *cx, int argc, char **argv, struct options *out);

void options_help(FILE *out);

/* An option that a subcommand takes. */
struct command_option {
    const char *option; /* "-x", "--master" */
    const char *arg;    /* what follows it, or NULL; with SET */
    const char *help;
    /* For COMMAND, the subcommand's own; false after reporting. NULL: the option is one of a
     * script's run, and is read and kept as there. */
    bool (*set)(void *command, const char *option, const char *value);
};

struct command_options {
    const char *called; /* "ngstap flame" */
    const char *usage;  /* the head of its --help; the options follow, and --help */
    const struct command_option *rows;
    uint32_t n_rows; /* at most 31 */
};

/*
 * Reads a subcommand's options into OUT, or by their SET into COMMAND; the words after them begin
 * at getopt's optind. --help: prints it, OUT->help is true. False after reporting: an option that
 * is not in C, one without its value, a value out of range.
 */
bool options_command(struct compile *cx, int argc, char **argv, const struct command_options *c,
                     void *command, struct options *out);

/* A time: a number of seconds, or with ms, s, m or h after it, of less than a year. False after
 * reporting that OPTION's value is none. */
bool options_time(struct compile *cx, const char *option, const char *text, double *seconds);

#endif

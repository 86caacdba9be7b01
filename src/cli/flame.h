/* What "ngstap flame" was asked for, and what became of it. */
#ifndef NGS_CLI_FLAME_H
#define NGS_CLI_FLAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/pushing.h"

enum { FLAME_HZ_MAX = 10000 };

/* Which frames the stacks have: the sample "stacks" takes them from tapset/flame/NAME.sxx. */
struct frames {
    const char *name, *what; /* WHAT: in the title */
    const char *without;     /* what has no such stack was ... */
    const char *other;       /* frames that may be there where these are not, or NULL */
    bool names_long;         /* a frame is a path and a line, not an address */
};

enum { FRAMES_LUA, FRAMES_C, FRAMES_ALL, N_FRAMES };

extern const struct frames flame_frames[N_FRAMES];

/* What is counted. */
enum counted { COUNT_SAMPLES, COUNT_HITS, COUNT_OFF_CPU };

struct flame {
    struct pushing to; /* first: its options' setters are given this; no receiver: a file */
    struct compile *cx;
    const char **argv; /* for the driver */
    int argc;
    const char *output, *format, *title, *target; /* OUTPUT NULL: not told */
    double seconds;                               /* 0: as long as the command of -c runs */
    long hz;
    bool terminal, shown, string_limit, entries_limit, command, by_hz;
    const struct frames *frames;
    bool chosen; /* by --frames */
    struct {     /* all frames are tried first, unless others were chosen */
        struct diag *diag;
        FILE *f; /* what DIAG said: kept until it is known whether the target has them */
        char *text;
        size_t len;
        const char *without; /* why they are not drawn; NULL: they are, or it is not known */
    } trial;
    const struct target *looked_at; /* while the driver runs */
    const char *at, *weight;        /* --at, --weight: script text, or NULL */
    enum counted counted;
    long depth;            /* frames of a stack */
    double every;          /* seconds of a window: a file each; 0: one file */
    uint64_t begun, drawn; /* by CLOCK_MONOTONIC, ns; 0: not yet */
    struct out_info info;
    /* told by the script */
    uint64_t ticks, in_lua, compiled, elsewhere; /* by lj-lua-stacks */
    bool counted_all;                            /* stacks has told these */
    uint64_t hits, bare, bare_hits; /* by stacks: BARE in the unit, BARE_HITS as hits */
    /* told by the session */
    uint64_t lost, skipped;
    struct { /* --every */
        const struct out_format *format;
        uint64_t begun; /* the one that runs, as BEGUN */
        uint64_t lost;  /* before it */
        uint64_t rate;  /* in Hz, when a signal has asked for one; 0: that of -F */
        bool failed;
    } window;
};

/* Takes ARGV, whose first word is the command's name, into F, which has its defaults. False after
 * reporting what is wrong; HELP: it was asked for, and has been printed. Texts are ARGV's, or of
 * F's arena. */
bool flame_options(struct flame *f, int argc, char **argv, bool *help);

/* Adds WORD, or "--arg NAME=VALUE", to the driver's command line. WORD must stay. */
void flame_give(struct flame *f, const char *word);
void flame_give_arg(struct flame *f, const char *name, const char *value);

#endif

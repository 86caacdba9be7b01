/*
 * compile: what every pass is given first: the arena, the sources, the diagnostics and the
 * limits (-D names follow SystemTap's runtime/runtime_defines.h and stap++).
 */
#ifndef BASE_COMPILE_H
#define BASE_COMPILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/source.h"

enum { LIMIT_MAXACTION_MOST = 1 << 30 }; /* no limit, as far as there can be none */

struct limits {
    uint32_t maxaction;     /* MAXACTION: statements a handler may run (100000) */
    uint32_t maxmapentries; /* MAXMAPENTRIES: elements of an array (5000) */
    uint32_t maxstringlen;  /* MAXSTRINGLEN: bytes of a string, without NUL (4096) */
    uint32_t maxerrors;     /* MAXERRORS: soft errors borne before the script ends (0);
                             * NGS_ERRORS_SUPPRESSED (base/abi.h) */
    uint32_t maxskipped;    /* MAXSKIPPED: hits skipped before the script ends (100; 0: off) */
    uint32_t maxnesting;    /* MAXNESTING: depth of function calls (16) */
    uint32_t maxbacktrace;  /* MAXBACKTRACE: frames of a C backtrace (200) */
    uint32_t overload;      /* OVERLOAD: percent of each CPU that handlers may take (5; 0: all) */
};

/* Where debug information may come from (--no-debuginfo takes them out), in this order. */
enum { DEBUG_DWARF = 1, DEBUG_DEBUGINFOD = 2, DEBUG_PACK = 4, DEBUG_LAYOUT = 8 };

struct debug_choice {
    unsigned without; /* DEBUG_* */
    const char **packs; /* of -d, and files of layouts */
    uint32_t n_packs;
};

struct arch;
struct interrupt;

struct compile {
    struct arena *arena;
    struct sources *sources;
    struct diag *diag;
    FILE *err;                   /* what is said beside diag, in order with it */
    struct interrupt *interrupt; /* not held, but while a script runs or a file is written */
    const struct arch *arch;     /* the machine that the script is for, once its target is known */
    struct limits limits;
    struct debug_choice debug;
    int verbose;         /* -v, repeated */
    bool timing;         /* -t: counts and times at the end, as with -v */
    bool guru;           /* -g */
    bool stack_texts;    /* the script looks into texts of stacks: they are no numbers */
    bool skip_badvars;   /* --skip-badvars: $variables that do not resolve read as 0 */
};

#endif

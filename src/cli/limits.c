/*
 * limits: -D NAME=VALUE. Enters: the option's text; leaves: the compile's limits. What only
 * SystemTap's C code knows is passed over; a value out of range is an error.
 */
#include "cli/limits.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/abi.h"
#include "base/arena.h"
#include "base/diag.h"

void limits_default(struct limits *l)
{
    *l = (struct limits){
        .maxaction = 100000, /* these three: stap++'s */
        .maxmapentries = 5000,
        .maxbacktrace = 200,
        .maxstringlen = 4096,
        .maxerrors = 0,
        .maxskipped = 100,
        .maxnesting = 16,
        .overload = 5,
    };
}

struct limit_row {
    const char *name;
    size_t at; /* offset in struct limits */
    uint32_t min, max;
};

/* MAXSTRINGLEN: as in SystemTap it counts the NUL, which the limit itself does not. */
static const struct limit_row rows[] = {
    {"MAXACTION", offsetof(struct limits, maxaction), 1, LIMIT_MAXACTION_MOST},
    {"MAXMAPENTRIES", offsetof(struct limits, maxmapentries), 1, 1u << 24},
    {"MAXSTRINGLEN", offsetof(struct limits, maxstringlen), 32, NGS_STRING_MAX},
    {"MAXERRORS", offsetof(struct limits, maxerrors), 0, 1u << 30},
    {"MAXSKIPPED", offsetof(struct limits, maxskipped), 0, 1u << 30},
    {"MAXNESTING", offsetof(struct limits, maxnesting), 1, 1000},
    {"MAXBACKTRACE", offsetof(struct limits, maxbacktrace), 1, 10000},
    {"OVERLOAD", offsetof(struct limits, overload), 1, 100},
};

/* Names that the C code of SystemTap's modules looks at (its stap(1) and runtime): nothing here
 * needs them, but for those of OVERLOADS. */
static const char *const others[] = {
    "STP_NO_OVERLOAD",
    "STP_OVERLOAD_INTERVAL",
    "STP_OVERLOAD_THRESHOLD",
    "MAXACTION_INTERRUPTIBLE",
    "MAXTRYLOCK",
    "TRYLOCKDELAY",
    "MINSTACKSPACE",
    "INTERRUPTIBLE",
    "MAXUPROBES",
    "MAXTRACE",
    "STP_SUPPRESS_HANDLER_ERRORS",
    "STAP_SUPPRESS_HANDLER_ERRORS",
    "STP_ALIBI",
    "STP_TIMING",
    "STAP_SUPPRESS_TIME_LIMITS_ENABLE",
    "KRETACTIVE",
    "TASK_FINDER_VMA_ENTRY_ITEMS",
    "STP_PROCFS_BUFSIZE",
    "STP_MAXMEMORY",
    "UNWIND_USE_CALL_FRAME",
    "DEBUG_TASK_FINDER",
    "DEBUG_TASK_FINDER_VMA",
    "DEBUG_UPROBES",
};

bool limits_for_stap(const char *text)
{
    size_t n = strcspn(text, "=");

    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        if (strlen(others[i]) == n && !strncmp(text, others[i], n))
            return true;
    return false;
}

/* ---- overload, as SystemTap has it: so many of so many cycles ---- */

#define NO_OVERLOAD "STP_NO_OVERLOAD"
enum { CYCLES_INTERVAL, CYCLES_THRESHOLD, CYCLES };
static const char *const cycles[CYCLES] = {"STP_OVERLOAD_INTERVAL", "STP_OVERLOAD_THRESHOLD"};

/* TEXT's value, a number of C; false: it is none. */
static bool number_of(const char *text, unsigned long long *n)
{
    const char *equals = strchr(text, '=');
    char *end;

    if (!equals || equals[1] < '0' || equals[1] > '9')
        return false;
    errno = 0;
    *n = strtoull(equals + 1, &end, 0);
    return !errno && !end[strspn(end, "uUlL")];
}

bool limits_settle(struct compile *cx, const char *const *defines, uint32_t n)
{
    unsigned long long v[CYCLES] = {1000000000, 500000000}; /* stap(1) */
    bool given = false, off = false;

    for (uint32_t i = 0; i < n; i++) {
        size_t len = strcspn(defines[i], "=");

        off |= len == strlen(NO_OVERLOAD) && !strncmp(defines[i], NO_OVERLOAD, len);
        for (int k = 0; k < CYCLES; k++) {
            if (len != strlen(cycles[k]) || strncmp(defines[i], cycles[k], len) != 0)
                continue;
            given = true;
            if (!number_of(defines[i], &v[k]) || !v[k])
                return diag_error(cx->diag, (struct span){0}, "options",
                                  "-D %s: %s is a number of cycles", defines[i], cycles[k]);
        }
    }
    if (given) {
        unsigned long long percent =
            (unsigned long long)(100.0 * (double)v[CYCLES_THRESHOLD] / (double)v[CYCLES_INTERVAL]);

        cx->limits.overload = percent < 1 ? 1 : percent > 100 ? 100 : (uint32_t)percent;
    }
    if (off)
        cx->limits.overload = 0;
    return true;
}

bool limits_define(struct compile *cx, const char *text)
{
    const char *equals = strchr(text, '=');
    const char *name = equals ? arena_strndup(cx->arena, text, (size_t)(equals - text)) : text;
    struct near near;

    near_init(&near, name);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char *end = NULL;

        near_try(&near, rows[i].name);
        if (strcmp(name, rows[i].name))
            continue;
        errno = 0;
        unsigned long long v =
            equals && equals[1] != '-' ? strtoull(equals + 1, &end, 0) : ULLONG_MAX;

        if (errno || v < rows[i].min || v > rows[i].max || end == equals + 1 || *end)
            return diag_error(cx->diag, (struct span){0}, "options",
                              "-D %s: %s is a number from %u to %u", text, name, rows[i].min,
                              rows[i].max);
        if (rows[i].at == offsetof(struct limits, maxstringlen))
            v--;
        *(uint32_t *)((char *)&cx->limits + rows[i].at) = (uint32_t)v;
        return true;
    }
    if (limits_for_stap(text))
        return true;
    diag_warning(cx->diag, (struct span){0}, "-D %s: no such limit, it is ignored", text);
    if (near_best(&near))
        diag_hint(cx->diag, "did you mean %s?", near_best(&near));
    return true;
}

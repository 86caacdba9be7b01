/*
 * tap: results of a C test as TAP lines on stdout. A test calls tap_ok for each fact and returns
 * tap_done() from main.
 */
#ifndef TESTS_UNIT_TAP_H
#define TESTS_UNIT_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static unsigned tap_count, tap_failed;

__attribute__((format(printf, 2, 3), unused)) static bool tap_ok(bool ok, const char *fmt, ...)
{
    va_list ap;

    printf("%sok %u - ", ok ? "" : "not ", ++tap_count);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    fflush(stdout);
    tap_failed += !ok;
    return ok;
}

/* Two texts must be equal; both are shown when they are not. */
__attribute__((unused)) static bool tap_text(const char *got, const char *want, const char *name)
{
    bool ok = tap_ok(got && !strcmp(got, want), "%s", name);

    if (!ok)
        printf("#  got: %s\n# want: %s\n", got ? got : "(null)", want);
    return ok;
}

__attribute__((unused)) static void tap_skip(const char *name, const char *why)
{
    printf("ok %u - %s # SKIP %s\n", ++tap_count, name, why);
}

__attribute__((unused)) static int tap_done(void)
{
    printf("1..%u\n", tap_count);
    return tap_failed ? 1 : 0;
}

#endif

/*
 * text: growing text, and the printf conversions of the script language (text.c, format.c).
 */
#ifndef RUN_TEXT_H
#define RUN_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/abi.h"
#include "base/conversion.h"

/*
 * Bytes that grow up to MAX; what does not fit is dropped and CUT says so. Either P is
 * malloc'ed (fixed false: text_free) or lent by the caller with room for MAX bytes and a NUL.
 */
struct text {
    char *p;
    size_t len, cap, max;
    bool fixed, cut;
    bool clean; /* bytes that steer a terminal are added as \xNN, but line ends and tabs */
};

#define TEXT_NEW         ((struct text){.max = SIZE_MAX / 4})
#define TEXT_FIXED(b, n) ((struct text){.p = (b), .cap = (n) + 1, .max = (n), .fixed = true})

void text_bytes(struct text *t, const char *p, size_t n);
void text_str(struct text *t, const char *s);
void text_char(struct text *t, char c);
void text_pad(struct text *t, char c, int64_t n); /* n <= 0: nothing */
void text_printf(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *text_c(struct text *t); /* as a NUL-terminated string */
void text_free(struct text *t);
/* Of a name the control characters become '?', as in the kernel (cg/lib/str.c). */
void text_make_line(char *name, size_t len);

/* ---- hist.c ---- */

struct out_row;
/*
 * The rows that format_hist shows, to ROWS, which has room for ngs_hist_buckets() of them; how
 * many.
 */
uint32_t hist_rows(const uint64_t *buckets, uint32_t hist, const int64_t args[3],
                   struct out_row *rows);

/* ---- format.c ---- */

/* A conversion (base/conversion.h) whose width and precision are known. */
struct conv {
    char conv;           /* d i u x X o p c s b */
    uint32_t flags;      /* NGS_SPEC_* */
    int32_t width, prec; /* CONVERSION_NONE: none */
};

/* A word as abi.h's NGS_SPEC makes it. */
struct conv conv_of_spec(uint64_t spec);

/* Appends a number (d i u x X o p c b), or LEN bytes under width and precision (s). */
void format_number(struct text *t, struct conv c, int64_t value);
void format_bytes(struct text *t, struct conv c, const char *p, size_t len);

/* An argument of a print statement. */
struct print_arg {
    bool is_string;
    int64_t num;
    const char *p;
    size_t len;
};

/* printf; more conversions than arguments, or a wrong kind, print nothing for them. */
void format_printf(struct text *t, const char *fmt, const struct print_arg *args, uint32_t n);

/* hist.c: a histogram as SystemTap prints it, the empty line after it included. */
void format_hist(struct text *t, const uint64_t *buckets, uint32_t hist, const int64_t args[3]);

#endif

/*
 * conversion: one conversion of a format of printf, as SystemTap's parser reads it: '%', at most
 * one flag, a width, a precision, at most one 'l' (which means nothing), a letter. What sema
 * checks, lower compiles and run prints is read here alone.
 */
#ifndef BASE_CONVERSION_H
#define BASE_CONVERSION_H

#include <stdbool.h>
#include <stdint.h>

enum {
    CONVERSION_NONE = -1,
    CONVERSION_MAX = 65534 /* larger widths and precisions become this */
};

struct conversion {
    uint32_t len; /* bytes, from the '%' to the letter */
    char letter;  /* one of b c d i m M o p s u x X; '%' for "%%", or a '%' that ends the format */
    uint32_t flags;           /* NGS_SPEC_*, abi.h: one, or none */
    int32_t width, prec;      /* CONVERSION_NONE: not given */
    bool width_arg, prec_arg; /* '*': an argument says it */
};

/* Reads the conversion at the '%' P; END: of the format. False: there is none, LEN tells what is
 * shown as such. */
bool conversion_read(const char *p, const char *end, struct conversion *c);

/* Is there a conversion among the LEN bytes of FORMAT (may be NULL) that IS takes? */
bool conversion_any(const char *format, uint32_t len, bool (*is)(const struct conversion *c));

#endif

/*
 * log: what an agent says of itself. Enters: a line; leaves: the same on the error stream, at once.
 * What comes of a target was made clean before (group.c, session.c).
 */
#include <stdarg.h>

#include "agent/internal.h"

void agent_say(struct agent *a, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vfprintf(a->cx->err, format, ap);
    va_end(ap);
    fputc('\n', a->cx->err);
    fflush(a->cx->err);
}

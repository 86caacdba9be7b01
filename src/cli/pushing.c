/*
 * pushing: options, see pushing.h. Enters: their values; leaves: a struct push.
 */
#include "cli/pushing.h"

#include <string.h>

#include "base/diag.h"

static const struct span nowhere;

bool pushing_set_receiver(void *command, const char *option, const char *value)
{
    struct pushing *p = command;

    if (p->push.receiver)
        return diag_error(p->cx->diag, nowhere, "options", "--push and --otlp name one receiver");
    return push_to(p->cx, &p->push, !strcmp(option, "--otlp") ? "otlp" : "pyroscope", value);
}

bool pushing_set_label(void *command, const char *option, const char *value)
{
    struct pushing *p = command;

    return push_label(p->cx, &p->push, value);
}

bool pushing_set_header(void *command, const char *option, const char *value)
{
    struct pushing *p = command;

    return push_header(p->cx, &p->push, value);
}

/*
 * pushing: the options that say where profiles are sent, for the commands that send them.
 */
#ifndef CLI_PUSHING_H
#define CLI_PUSHING_H

#include "push/push.h"

/* The first member of a command's own struct. */
struct pushing {
    struct compile *cx;
    struct push push;
};

bool pushing_set_receiver(void *command, const char *option, const char *value);
bool pushing_set_label(void *command, const char *option, const char *value);
bool pushing_set_header(void *command, const char *option, const char *value);

/* Rows of a command's table (cli/options.h). */
#define PUSHING_OPTIONS \
    {"--push", "URL", "send to Pyroscope or Alloy at URL, not to a file", pushing_set_receiver}, \
        {"--otlp", "URL", "... to a collector of OpenTelemetry; env: as OTEL_EXPORTER_OTLP_* say", \
         pushing_set_receiver}, \
        {"--label", "NAME=VALUE", "... with a label (repeatable); service is whose it is", \
         pushing_set_label}, \
    { \
        "--header", "NAME: VALUE", "... with a header of the request (repeatable)", \
            pushing_set_header \
    }

#endif

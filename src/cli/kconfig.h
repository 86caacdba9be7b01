/*
 * kconfig: the options that the running kernel was built with, for %( CONFIG_X == "y" %).
 */
#ifndef CLI_KCONFIG_H
#define CLI_KCONFIG_H

#include "base/compile.h"

struct kconfig; /* read when first asked for */

struct kconfig *kconfig_new(struct compile *cx, const char *release);

/* As the file has it, quotes included; NULL: not set, or the kernel's options are not told anywhere.
 * ARG: a struct kconfig. */
const char *kconfig_value(void *arg, const char *name);

#endif

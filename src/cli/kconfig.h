/*
 * kconfig: the options that a kernel was built with, for %( CONFIG_X == "y" %).
 */
#ifndef CLI_KCONFIG_H
#define CLI_KCONFIG_H

#include "base/compile.h"

struct kconfig; /* read when first asked for */

/* Of the kernel whose modules are built in BUILD; NULL: of the one that runs, of that RELEASE. */
struct kconfig *kconfig_new(struct compile *cx, const char *release, const char *build);

/* As the file has it, quotes included; NULL: not set, or the kernel's options are not told
 * anywhere. ARG: a struct kconfig. */
const char *kconfig_value(void *arg, const char *name);

/* The architecture it was built for, as SystemTap's %( arch == .. %) names it; NULL: not told. */
const char *kconfig_arch(struct kconfig *k);

#endif

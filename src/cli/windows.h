/*
 * windows: a profile a window, each in a file of its own.
 */
#ifndef CLI_WINDOWS_H
#define CLI_WINDOWS_H

#include "cli/picture.h"

/*
 * "DIR/NAME.ENDING" as the name of the window that began at TIME (seconds since 1970):
 * "DIR/NAME-20260131T235959Z.ENDING"; ENDING is FORMAT's where PATH has it, else what follows the
 * last dot. In A.
 */
const char *windows_name(struct arena *a, const char *path, const struct out_format *format,
                         int64_t time);

/* The file PATH: whole, or not there. False after reporting. */
bool windows_write(struct compile *cx, const struct out_format *format, const char *path,
                   struct out_profile *profile, const struct out_info *info);

#endif

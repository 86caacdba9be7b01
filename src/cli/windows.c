/*
 * windows: a profile a window, each in a file of its own, named by the time at which it began.
 * Enters: profiles, one after the other; leaves: files, whole or not there. Refuses: what cannot be
 * written.
 */
#include "cli/windows.h"

#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/bytes.h"

const char *windows_name(struct arena *a, const char *path, const struct out_format *format,
                         int64_t time)
{
    const char *base = base_name(path), *dot = strrchr(base, '.');
    const char *end = ends_with(base, format->ending) ? base + strlen(base) - strlen(format->ending)
                      : dot && dot > base             ? dot
                                                      : base + strlen(base);
    time_t at = (time_t)time;
    struct tm tm;
    char text[32];

    if (!gmtime_r(&at, &tm) || !strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &tm))
        text[0] = '\0';
    return arena_printf(a, "%.*s-%s%s", (int)(end - path), path, text, end);
}

bool windows_write(struct compile *cx, const struct out_format *format, const char *path,
                   struct out_profile *profile, const struct out_info *info)
{
    struct compile own = *cx;
    struct out_file file;

    own.arena = arena_new();
    bool ok = out_file_open(&own, path, &file) && out_file_begin(&own, &file);

    if (ok) {
        ok = picture_write(&own, format, profile, info, file.f);
        ok = out_file_close(&own, &file, ok) && ok;
    }
    arena_free(own.arena);
    return ok;
}

/*
 * proc: text of /proc: the mappings of a process (paths in it are the process's), and its mounts.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "fuzz.h"
#include "target/overlay.h"
#include "target/target.h"

enum { PID = 7 };

bool fuzz_maps(const uint8_t *data, size_t n)
{
    struct compile cx;

    fuzz_file("proc/7/maps", data, n);
    fuzz_compile_begin(&cx);
    struct target t = {.kind = TARGET_PID,
                       .pid = PID,
                       .proc = arena_printf(cx.arena, "%s/proc", fuzz_folder()),
                       .root = sysroot_new(&cx, "/")};
    const struct map *first = target_maps(&cx, &t, PID);

    for (const struct map *m = first; m; m = m->next)
        fuzz_check(m->start <= m->end, "a mapping that ends before it begins");
    sysroot_free(t.root);
    fuzz_compile_end(&cx);
    return first;
}

bool fuzz_mountinfo(const uint8_t *data, size_t n)
{
    struct compile cx;
    struct statx st;
    const char *file = fuzz_file("root/usr/sbin/nginx", (const uint8_t *)"x", 1);
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    char text[16 << 10];

    fuzz_check(fd >= 0, "no file");
    /* The line that is looked for begins with the mount's number: the input goes on from there. */
    unsigned long long mount = statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) ? 0 : st.stx_mnt_id;
    int head = snprintf(text, sizeof(text), "%llu ", mount);

    n = n > sizeof(text) - (size_t)head ? sizeof(text) - (size_t)head : n;
    if (n)
        memcpy(text + head, data, n);
    fuzz_file("proc/7/mountinfo", (const uint8_t *)text, n + (size_t)head);
    fuzz_compile_begin(&cx);
    struct target t = {.kind = TARGET_PID,
                       .pid = PID,
                       .proc = arena_printf(cx.arena, "%s/proc", fuzz_folder()),
                       .root = sysroot_new(&cx, arena_printf(cx.arena, "%s/root", fuzz_folder()))};
    struct map m = {.path = "/usr/sbin/nginx", .exec = true};
    int lower = overlay_mapped_file(&cx, &t, PID, &m, fd);

    fuzz_check(lower == fd, "another file than the one that was opened");
    close(lower);
    sysroot_free(t.root);
    fuzz_compile_end(&cx);
    return false;
}

/*
 * saved: profiles out of files. Enters: a pprof, folded stacks or stacks as scripts print them;
 * leaves: the same in the receiver's format, sent. A pprof goes as it is to who takes pprofs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/file.h"
#include "push/push.h"

static void refuse(struct push_answer *out, const char *why)
{
    *out = (struct push_answer){.outcome = PUSH_REFUSED, .text = why};
}

/* What DIAG would say of it, without its tag and colours, becomes the answer's text. */
static struct out_profile *read_text(struct compile *cx, const char *path, const char *text,
                                     size_t n, const char **why)
{
    struct out_reader_opts o = {.input = path};
    struct compile own = *cx;
    char *said = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&said, &len);

    *why = "out of memory";
    if (!f)
        return NULL;
    own.diag = diag_apart(cx->diag, f);
    diag_colour(own.diag, false);
    struct out_reader *r = out_reader_new(&own, &o);

    out_reader_feed(r, text, n);
    struct out_profile *p = out_reader_end(r);

    fclose(f);
    if (p)
        out_tell_apart(cx->arena, &p, 1);
    else if (said)
        *why = arena_strndup(cx->arena, said, strcspn(said, "\n"));
    free(said);
    return p;
}

static void send(struct compile *cx, const struct push *p, struct out_profile *profile,
                 const struct out_info *info, struct push_answer *out)
{
    char *body = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&body, &n);
    bool ok = f && push_format(p)->write(cx, profile, info, f);

    if (f && (fclose(f) || !ok))
        ok = false;
    if (ok)
        push_live(cx, p, info, body, n, out);
    else
        refuse(out, "out of memory");
    free(body);
}

void push_file(struct compile *cx, const struct push *p, const char *path, struct push_answer *out)
{
    struct out_info info = {.title = path, .labels = p->labels, .n_labels = p->n_labels};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    const char *why = NULL;
    struct out_profile *profile;
    size_t n;
    char *bytes = fd >= 0 && !fstat(fd, &st) ? file_read_fd(fd, PUSH_FILE_MAX, &n) : NULL;

    if (!bytes)
        why =
            errno == EFBIG ? "it is larger than 64 MiB" : arena_strdup(cx->arena, strerror(errno));
    if (fd >= 0)
        close(fd);
    if (!bytes) {
        refuse(out, why);
        return;
    }
    bool is_pprof = out_is_pprof(bytes, n);

    info.time = (int64_t)st.st_mtime;
    if (is_pprof)
        profile = out_read_pprof(cx, bytes, n, &info, &why);
    else
        profile = read_text(cx, path, bytes, n, &why);
    if (!profile)
        refuse(out, why);
    else if (!profile->total)
        refuse(out, "it holds no stack");
    else if (is_pprof && push_format(p) == out_format("pprof"))
        push_live(cx, p, &info, bytes, n, out);
    else
        send(cx, p, profile, &info, out);
    free(bytes);
}

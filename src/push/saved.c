/*
 * saved: profiles out of files. Enters: a pprof, folded stacks or stacks as scripts print them;
 * leaves: the same in the receiver's format, sent. A pprof goes as it is to who takes pprofs.
 *
 * Who saved a file is not known: a jail of its own (jail/jail.h) reads it and writes the body,
 * while this process opens the file, and sends. Where the kernel has no jails this process reads
 * it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bounds.h"
#include "base/diag.h"
#include "base/file.h"
#include "jail/jail.h"
#include "push/push.h"

enum { WORDS_MAX = 1024 };
#define TIME_MAX ((int64_t)1 << 40) /* seconds: what is beyond is nobody's clock */

/* What the reader works on, and finds out. */
struct saved {
    struct compile *cx;
    const struct push *p;
    const char *path;
    struct out_info info;
};

/* The head of an answer; the body, or why there is none, is behind it. */
struct saved_head {
    int64_t time, period_ns;
    double seconds;
    uint32_t is_body;
};

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

/* ---- the reader, in a jail where there is one ---- */

static const char *write_profile(struct saved *s, struct out_profile *profile, FILE *body)
{
    return push_format(s->p)->write(s->cx, profile, &s->info, body) ? NULL : "out of memory";
}

/* NULL: the body is in BODY; else why there is none. */
static const char *read_saved(struct saved *s, int fd, FILE *body)
{
    struct out_profile *profile;
    const char *why = NULL;
    struct stat st;
    size_t n;
    char *bytes = fstat(fd, &st) ? NULL : file_read_fd(fd, PUSH_FILE_MAX, &n);

    if (!bytes)
        return errno == EFBIG ? "it is larger than 64 MiB"
                              : arena_strdup(s->cx->arena, strerror(errno));
    bool is_pprof = out_is_pprof(bytes, n);

    s->info.time = (int64_t)st.st_mtime;
    if (is_pprof)
        profile = out_read_pprof(s->cx, bytes, n, &s->info, &why);
    else
        profile = read_text(s->cx, s->path, bytes, n, &why);
    if (profile && !profile->total)
        why = "it holds no stack";
    else if (profile && is_pprof && push_format(s->p) == out_format("pprof"))
        fwrite(bytes, 1, n, body);
    else if (profile)
        why = write_profile(s, profile, body);
    free(bytes);
    return why;
}

static bool work(struct jail_question *q, FILE *answer)
{
    struct saved *s = q->arg;
    char *body = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&body, &n);
    const char *why = f ? read_saved(s, q->fds[0], f) : "out of memory";

    if (f && fclose(f))
        why = "out of memory";
    const struct saved_head head = {s->info.time, s->info.period_ns, s->info.seconds, !why};

    fwrite(&head, sizeof(head), 1, answer);
    fwrite(why ? why : body, 1, why ? strlen(why) : n, answer);
    free(body);
    return true;
}

/* ---- who sends ---- */

/* The first line of what a reader says, without the head and the tag of a message. */
static const char *words(struct arena *a, const char *text, size_t n)
{
    const char *end = memchr(text, '\n', n);
    size_t len = end ? (size_t)(end - text) : n;

    if (len > 7 && !memcmp(text, "error: ", 7)) {
        text += 7;
        len -= 7;
    }
    return out_clean(a, text, len < WORDS_MAX ? len : WORDS_MAX, &len);
}

/* What the answer's bytes say: a body is sent. They are the reader's, who may be anybody by now. */
static void take(struct saved *s, const char *data, size_t n, struct push_answer *out)
{
    struct saved_head head;

    if (n < sizeof(head)) {
        refuse(out, "the reader said nothing");
        return;
    }
    memcpy(&head, data, sizeof(head));
    data += sizeof(head);
    n -= sizeof(head);
    s->info.time = head.time > 0 && head.time < TIME_MAX ? head.time : 0;
    s->info.period_ns = head.period_ns;
    s->info.seconds = head.seconds > 0 && head.seconds < TIME_MAX ? head.seconds : 0;
    if (head.is_body)
        push_live(s->cx, s->p, &s->info, data, n, out);
    else
        refuse(out, words(s->cx->arena, data, n));
}

/* Without a jail: the same work, here. */
static bool read_here(const struct jail_question *asked, struct jail_answer *a)
{
    struct jail_question q = *asked;
    char *text = NULL;
    FILE *f = open_memstream(&text, &a->n);
    bool ok = f && work(&q, f);

    ok = f && !fclose(f) && ok;
    a->data = text;
    return ok;
}

/* What the jail has to say, as of a reader that died, becomes the answer's text. */
static void read_apart(struct saved *s, int fd, struct push_answer *out)
{
    const struct jail_opts jo = {.policy = {.closed = true, .root = -1}};
    const struct jail_question q = {.arg = s, .fds = {fd, -1}};
    struct jail_answer a = {.fd = -1};
    struct compile own = *s->cx;
    char *said = NULL;
    size_t n = 0;
    const char *why;

    own.err = open_memstream(&said, &n);
    if (!own.err) {
        refuse(out, "out of memory");
        return;
    }
    own.diag = diag_apart(s->cx->diag, own.err);
    diag_colour(own.diag, false);
    bounds_file(s->path);
    struct jail *j = jail_start(&own, &jo, &why);
    bool ok = j ? jail_ask(j, work, &q, &a) : read_here(&q, &a);

    jail_end(j);
    bounds_file("");
    fclose(own.err);
    if (ok)
        take(s, a.data, a.n, out);
    else
        refuse(out, n ? words(s->cx->arena, said, n) : "the reader ended");
    free(a.data);
    free(said);
}

void push_file(struct compile *cx, const struct push *p, const char *path, struct push_answer *out)
{
    struct saved s = {
        .cx = cx,
        .p = p,
        .path = path,
        .info = {.title = path, .labels = p->labels, .n_labels = p->n_labels},
    };
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        refuse(out, arena_strdup(cx->arena, strerror(errno)));
        return;
    }
    read_apart(&s, fd, out);
    close(fd);
}

/*
 * jail: starts a child, asks it, and says what became of it. Enters: a function of this program,
 * and what it works on; leaves: its answer, flat bytes. Refused, with one message that names the
 * file in hand: a child that died or took too much; it is not asked again.
 */
#include "jail/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/bounds.h"
#include "base/clock.h"
#include "base/diag.h"
#include "jail/broker.h"
#include "jail/channel.h"
#include "jail/filter.h"
#include "jail/relay.h"

/* How a question ended: an answer's WHAT. */
enum { FAILED, WORKED, REACHED /* a bound, which was told */ };
enum { FILE_NAME_MAX = BOUND_FILE_LEN };

struct jail {
    struct compile *cx;
    struct jail_opts o;
    pid_t pid;
    int sock;
    struct broker *broker;
    struct relay out, err;
    bool broken;
    char *in_hand; /* shared with the child: what it reads just now */
};

static int channel = -1; /* in the child */
static struct jail *readers;

bool jail_inside(void)
{
    return channel >= 0;
}

/* ---- the child ---- */

size_t jail_tell(uint32_t kind, const void *data, size_t n, void *to, size_t size, int *fd)
{
    struct message m = {.kind = MESSAGE_TOLD, .what = kind, .n = n};
    int fds[JAIL_FDS_MAX];
    char *reply;

    fflush(stdout);
    fflush(stderr);
    if (!channel_send(channel, &m, data, NULL) || !channel_receive(channel, &m, fds) ||
        !(reply = channel_read(channel, m.n, 0)))
        _exit(1); /* nobody is there */
    if (size > m.n)
        size = m.n;
    if (size)
        memcpy(to, reply, size);
    free(reply);
    if (fd)
        *fd = fds[0];
    else if (fds[0] >= 0)
        close(fds[0]);
    return size;
}

/* Files and folders that are open for reading stay: the target's. What can be written to, talked to
 * or waited for is the parent's. */
static void close_others(int sock)
{
    long most = sysconf(_SC_OPEN_MAX);
    int missing = 0;

    for (int fd = 3; fd < most && missing < 256; fd++) {
        struct stat st;
        int flags = fcntl(fd, F_GETFL);

        missing = flags < 0 ? missing + 1 : 0;
        if (flags < 0 || fd == sock)
            continue;
        if ((flags & O_ACCMODE) != O_RDONLY || fstat(fd, &st) ||
            (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
            close(fd);
    }
}

static void become_quiet(int out, int err)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    sigset_t none;

    if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
        _exit(1);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* ^C is the parent's: it may still ask for names */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);
}

/* glibc's malloc raises its threshold with each large piece that is freed, and keeps what comes
 * next: a reader of debug information keeps 1.5 MB less without. */
static void give_memory_back(void)
{
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 64 << 10);
#endif
}

/* The parent has said which file is in hand. */
static void begin_bounds(struct compile *cx)
{
    char file[FILE_NAME_MAX];

    snprintf(file, sizeof(file), "%s", bounds_file_in_hand());
    bounds_begin(cx);
    bounds_file(file);
}

__attribute__((noreturn)) static void serve(struct compile *cx, int sock)
{
    struct message m;
    int fds[JAIL_FDS_MAX];

    while (channel_receive(sock, &m, fds)) {
        struct jail_question q = {.arg = (void *)(uintptr_t)m.arg, .n = m.n, .answer_fd = -1};
        jail_work *work = (jail_work *)(uintptr_t)m.work;
        struct message answer = {.kind = MESSAGE_ANSWER};
        char *text = NULL, *data = channel_read(sock, m.n, 0);
        size_t n = 0;
        FILE *f = data ? open_memstream(&text, &n) : NULL;

        if (!f)
            bounds_no_memory();
        q.data = data;
        memcpy(q.fds, fds, sizeof(q.fds));
        begin_bounds(cx);
        answer.what = work(&q, f) ? WORKED : FAILED;
        if (!bounds_end())
            answer.what = REACHED;
        if (fclose(f))
            bounds_no_memory();
        answer.n = n;
        fflush(stdout);
        fflush(stderr);
        int back[JAIL_FDS_MAX] = {q.answer_fd, -1};

        if (!channel_send(sock, &answer, text, back))
            break;
        for (int i = 0; i < JAIL_FDS_MAX; i++)
            if (fds[i] >= 0)
                close(fds[i]);
        if (q.answer_fd >= 0)
            close(q.answer_fd);
        free(text);
        free(data);
    }
    _exit(0);
}

__attribute__((noreturn)) static void run_child(struct jail *j, int sock, int out, int err,
                                                bool drop_user)
{
    const struct message m = {.kind = MESSAGE_LISTENER};
    int listener;

    become_quiet(out, err);
    close_others(sock);
    give_memory_back();
    bounds_file_share(j->in_hand);
    bounds_forked();
    channel = sock;
    /* messages of both kinds in one order; the parent makes them clean, and colours stay */
    diag_stream(j->cx->diag, stderr);
    j->cx->err = stderr;
    if (!lock_down(drop_user))
        _exit(2);
    listener = filter_install(sock);
    if (listener < 0)
        _exit(3);
    const int fds[JAIL_FDS_MAX] = {listener, -1};

    if (!channel_send(sock, &m, NULL, fds))
        _exit(1);
    close(listener);
    serve(j->cx, sock);
}

/* ---- the parent: what became of it ---- */

/* What a signal says of a reader; the rest are crashes. */
static const struct {
    int sig;
    const char *how;
} ends[] = {
    {0, "the reader ended"},
    {SIGSYS, "the reader asked for what no reader needs (SIGSYS)"},
    {SIGXCPU, "it takes too long"},
    {SIGXFSZ, "it takes too much room in the cache"},
    {SIGKILL, "the reader was killed: memory has run out, or somebody ended it"},
    {SIGABRT, "the reader gave up (SIGABRT)"},
    {SIGBUS, "the reader crashed (SIGBUS)"},
    {SIGFPE, "the reader crashed (SIGFPE)"},
    {SIGILL, "the reader crashed (SIGILL)"},
    {SIGSEGV, "the reader crashed (SIGSEGV)"},
};

static const char *how_it_ended(int status)
{
    int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
        if (ends[i].sig == sig)
            return ends[i].how;
    return "the reader was ended by a signal";
}

static void close_text(struct jail *j)
{
    j->err.to = diag_out(j->cx->diag);
    relay_close(&j->out);
    relay_close(&j->err);
}

/* The child is dead or out of hand: says of which file, once. HOW NULL: as its status says. */
static bool broke(struct jail *j, const char *how)
{
    char file[FILE_NAME_MAX];
    int status = 0;

    if (j->broken)
        return false;
    j->broken = true;
    bounds_reached();
    kill(j->pid, SIGKILL); /* it was not waited for: the pid is still its own */
    while (waitpid(j->pid, &status, 0) < 0 && errno == EINTR)
        ;
    close_text(j);
    if (WIFEXITED(status) && !how) /* it has said why: bounds.c does, memory that ran out */
        return false;
    snprintf(file, sizeof(file), "%.*s", FILE_NAME_MAX - 1, j->in_hand);
    if (!*file)
        snprintf(file, sizeof(file), "%s", broker_last(j->broker));
    if (!*file)
        snprintf(file, sizeof(file), "the target's files");
    if (!how)
        how = how_it_ended(status);
    if (diag_trying(j->cx->diag)) /* by who would say nothing of it */
        diag_stop(j->cx->diag, "jail", "reading %s: %s", file, how);
    else
        diag_error(j->cx->diag, (struct span){0}, "jail", "reading %s: %s", file, how);
    diag_hint(j->cx->diag, "files are read in a process without privileges, so nothing else came "
                           "of it: leave that file out, or tell of the fault (docs/security.md)");
    return false;
}

/* ---- the parent: a question ---- */

/* Nanoseconds of processor time that the child has had; 0: it cannot be told. */
static uint64_t time_of(pid_t pid)
{
    clockid_t clock;

    return clock_getcpuclockid(pid, &clock) ? 0 : clock_ns(clock);
}

static bool on_told(struct jail *j, const struct message *m)
{
    void *data = m->n <= JAIL_MESSAGE_MAX ? channel_read(j->sock, m->n, CHANNEL_SECONDS) : NULL;
    struct message reply = {.kind = MESSAGE_REPLY};
    int fds[JAIL_FDS_MAX] = {-1, -1};
    char *text = NULL;
    size_t n = 0;
    FILE *f = data ? open_memstream(&text, &n) : NULL;

    if (f && j->o.told)
        j->o.told(j->o.arg, m->what, data, m->n, f, &fds[0]);
    bool ok = f && !fclose(f);

    reply.n = n;
    ok = ok && channel_send(j->sock, &reply, text, fds);
    if (fds[0] >= 0)
        close(fds[0]);
    free(text);
    free(data);
    return ok;
}

/* To where messages go now: who starts a jail may have kept them back, and does so no more. */
static void take_text(struct jail *j)
{
    j->err.to = diag_out(j->cx->diag);
    relay_take(&j->err);
    relay_take(&j->out);
}

/* One message. 1: it was the answer; 0: go on; -1: the child is gone, or talks nonsense. */
static int take_message(struct jail *j, struct jail_answer *out, bool *ok)
{
    struct message m;
    int fds[JAIL_FDS_MAX];
    int result = -1;

    if (!channel_receive(j->sock, &m, fds))
        return -1;
    take_text(j); /* it was written before */
    if (m.kind == MESSAGE_ANSWER && m.n <= JAIL_ANSWER_MAX) {
        *out = (struct jail_answer){channel_read(j->sock, m.n, CHANNEL_SECONDS), m.n, fds[0]};
        fds[0] = -1;
        *ok = m.what == WORKED;
        if (m.what == REACHED)
            bounds_reached();
        result = out->data ? 1 : -1;
    } else if (m.kind == MESSAGE_TOLD) {
        result = on_told(j, &m) ? 0 : -1;
    }
    for (int i = 0; i < JAIL_FDS_MAX; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return result;
}

/* How long a question takes: what the parent itself does meanwhile (a file from a server, a
 * terminal that is slow) and the time that it is stopped are not the child's. */
struct patience {
    uint64_t most;         /* processor time of the child; the rest are of the clock */
    uint64_t since;        /* when the parent began to wait */
    uint64_t left;         /* what it has still */
    uint64_t silent, seen; /* how long it was not looked at, and its processor time then */
};

/* Who works has a thousandth of a processor on any machine. */
enum { STEP_MS = 1000, STIRS = 1000 };

static struct patience patience_with(const struct jail *j)
{
    bool all = j == readers && bounds_counts();
    uint64_t most = (all ? BOUND_SECONDS + BOUND_GRACE : JAIL_SECONDS) * SECOND_NS;
    uint64_t now = time_of(j->pid);

    return (struct patience){
        .most = all ? most : most + now, .seen = now, .left = most * JAIL_CLOCK};
}

/* After a wait that began at SINCE. NULL: it may go on; else why not. */
static const char *is_late(const struct jail *j, struct patience *p)
{
    uint64_t used = time_of(j->pid), waited = clock_ns(CLOCK_MONOTONIC) - p->since;

    if (waited > 2 * STEP_MS * MILLISECOND_NS) /* this process was stopped */
        waited = 2 * STEP_MS * MILLISECOND_NS;
    p->left = p->left > waited ? p->left - waited : 0;
    p->silent += waited;
    if (used > p->most || !p->left)
        return "it takes too long";
    if (p->silent < JAIL_SILENT_SECONDS * SECOND_NS)
        return NULL;
    bool sleeps = used - p->seen < p->silent / STIRS;

    p->silent = 0;
    p->seen = used;
    return sleeps ? "the reader does not answer" : NULL;
}

/* As long as the child works. False: it does not any more; it was told why. */
static bool wait_for(struct jail *j, struct jail_answer *out, bool *ok)
{
    struct patience patience = patience_with(j);

    for (;;) {
        struct pollfd v[] = {{broker_listener(j->broker), POLLIN, 0},
                             {j->sock, POLLIN, 0},
                             {j->err.fd, POLLIN, 0},
                             {j->out.fd, POLLIN, 0}};

        patience.since = clock_ns(CLOCK_MONOTONIC);
        int n = poll(v, 4, STEP_MS);
        const char *late = is_late(j, &patience);

        if (n < 0 && errno != EINTR)
            return broke(j, strerror(errno));
        if (late)
            return broke(j, late);
        if (n <= 0)
            continue;
        if (v[2].revents || v[3].revents)
            take_text(j);
        if (v[0].revents & POLLIN && !broker_serve(j->broker))
            return broke(j, NULL);
        if (v[1].revents) {
            int got = take_message(j, out, ok);

            if (got)
                return got > 0 || broke(j, NULL);
        } else if (v[0].revents && !(v[0].revents & POLLIN)) {
            return broke(j, NULL);
        }
    }
}

bool jail_ask(struct jail *j, jail_work *work, const struct jail_question *q,
              struct jail_answer *out)
{
    struct message m = {
        .kind = MESSAGE_QUESTION, .work = (uintptr_t)work, .arg = (uintptr_t)q->arg, .n = q->n};
    bool ok = false;

    *out = (struct jail_answer){.fd = -1};
    if (!j || j->broken)
        return false;
    snprintf(j->in_hand, FILE_NAME_MAX, "%s", bounds_file_in_hand());
    if (!channel_send(j->sock, &m, q->data, q->fds))
        return broke(j, NULL);
    return wait_for(j, out, &ok) && ok;
}

/* ---- readers of open files ---- */

void jail_readers(struct jail *j)
{
    readers = j;
}

bool jail_reads(void)
{
    return readers && !jail_inside();
}

/* The file that is open at FD is in hand, whatever was before: a question has no other. */
static void take_in_hand(int fd)
{
    char link[64], name[FILE_NAME_MAX];

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = fd < 0 ? -1 : readlink(link, name, sizeof(name) - 1);

    if (n <= 0 || name[0] != '/')
        return;
    name[n] = '\0';
    bounds_file(name);
}

bool jail_read(jail_work *work, void *arg, int fd, int more, const void *data, size_t n,
               struct jail_answer *out)
{
    const struct jail_question q = {.arg = arg, .data = data, .n = n, .fds = {fd, more}};
    char before[FILE_NAME_MAX];

    snprintf(before, sizeof(before), "%s", bounds_file_in_hand());
    take_in_hand(fd);
    bool ok = jail_ask(readers, work, &q, out);

    bounds_file(before);
    if (out->fd >= 0)
        close(out->fd);
    out->fd = -1;
    return ok;
}

bool jail_read_fact(jail_work *work, int fd, const void *data, size_t n, void *out, size_t size)
{
    struct jail_answer a;
    bool ok = jail_read(work, NULL, fd, -1, data, n, &a) && a.n == size;

    if (ok)
        memcpy(out, a.data, size);
    free(a.data);
    return ok;
}

/* ---- beginning and end ---- */

/* A child that may not be looked into with another user keeps ours. */
static bool may_drop_user(void)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct caps[2] = {{0}};
    const uint32_t needed = 1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_SYS_PTRACE;

    return geteuid() == 0 && !syscall(SYS_capget, &head, caps) &&
           (caps[0].effective & needed) == needed;
}

static bool open_ends(struct jail *j, int theirs[3])
{
    int pair[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1};
    const struct timeval stall = {.tv_sec = CHANNEL_SECONDS};

    j->in_hand =
        mmap(NULL, FILE_NAME_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (j->in_hand == MAP_FAILED)
        j->in_hand = NULL;
    if (!j->in_hand || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) ||
        pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) {
        close(pair[0]);
        close(pair[1]);
        close(out[0]);
        close(out[1]);
        return false;
    }
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &stall, sizeof(stall));
    setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &stall, sizeof(stall));
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    fcntl(err[0], F_SETFL, O_NONBLOCK);
    j->sock = pair[0];
    j->out.fd = out[0];
    j->err.fd = err[0];
    theirs[0] = pair[1];
    theirs[1] = out[1];
    theirs[2] = err[1];
    return true;
}

/* Takes the listener, and the child is ready. NULL, or what lacks. */
static const char *shake_hands(struct jail *j)
{
    struct message m;
    int fds[JAIL_FDS_MAX], status = 0;

    if (channel_receive(j->sock, &m, fds) && m.kind == MESSAGE_LISTENER && fds[0] >= 0) {
        j->broker = broker_new(fds[0], j->pid, &j->o.policy);
        if (j->broker)
            return NULL;
        close(fds[0]);
        return "this process may not read its child's memory (CAP_SYS_PTRACE lacks)";
    }
    waitpid(j->pid, &status, 0);
    j->pid = 0;
    return WIFEXITED(status) && WEXITSTATUS(status) == 2
               ? "its privileges cannot be taken away"
               : "the kernel has no seccomp filters that ask a parent (Linux 5.9), or another "
                 "listener is there";
}

struct jail *jail_start(struct compile *cx, const struct jail_opts *o, const char **why)
{
    struct jail *j = calloc(1, sizeof(*j));
    int theirs[3];

    *why = "no memory or descriptors";
    if (!j)
        return NULL;
    *j = (struct jail){.cx = cx, .o = *o, .sock = -1, .out = {.fd = -1}, .err = {.fd = -1}};
    if (!open_ends(j, theirs)) {
        jail_end(j);
        return NULL;
    }
    j->out.to = o->out;
    j->out.clean = o->out && isatty(fileno(o->out)) > 0;
    j->err.clean = true;
    bool drop_user = may_drop_user();

    if (o->out)
        fflush(o->out);
    fflush(stdout);
    fflush(stderr);
    j->pid = fork();
    if (!j->pid)
        run_child(j, theirs[0], theirs[1], theirs[2], drop_user);
    for (int i = 0; i < 3; i++)
        close(theirs[i]);
    *why = j->pid < 0 ? "no process" : shake_hands(j);
    if (!*why)
        return j;
    if (j->pid < 0)
        j->pid = 0;
    jail_end(j);
    return NULL;
}

bool jail_broke(const struct jail *j)
{
    return j && j->broken;
}

void jail_mute(struct jail *j)
{
    if (j)
        j->out.to = NULL;
}

void jail_end(struct jail *j)
{
    if (!j)
        return;
    jail_mute(j);
    if (readers == j)
        readers = NULL;
    if (j->pid && !j->broken) {
        kill(j->pid, SIGKILL);
        waitpid(j->pid, NULL, WNOHANG); /* its memory takes milliseconds to go; nobody needs that */
        close_text(j);
    }
    if (j->sock >= 0)
        close(j->sock);
    if (j->out.fd >= 0)
        close(j->out.fd);
    if (j->err.fd >= 0)
        close(j->err.fd);
    if (j->in_hand)
        munmap(j->in_hand, FILE_NAME_MAX);
    broker_free(j->broker);
    free(j);
}

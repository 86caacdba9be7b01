/*
 * load_test: a hand-made object in the kernel: loaded, armed on this process or on every CPU, its
 * results seen in the mapped globals; threads made later are sampled too; a program that the
 * verifier refuses is reported with its script line; a module of another build is refused. Needs
 * root.
 */
#include "object_fixture.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "load/load.h"
#include "load/verifier.h"
#include "tap.h"

struct fixture {
    struct compile cx;
    struct object o;
    struct kernel k;
    struct target t;
    pid_t pid;
    char *messages;
    size_t messages_len;
    FILE *err;
};

static bool set_up(struct fixture *f, bool broken)
{
    void *elf;
    size_t size;

    memset(f, 0, sizeof(*f));
    f->err = open_memstream(&f->messages, &f->messages_len);
    f->cx = fixture_compile(f->err);
    for (int i = 0; i < FEAT_COUNT; i++)
        f->k.has[i] = true;
    f->pid = getpid();
    f->t = (struct target){
        .kind = TARGET_PID, .pid = f->pid, .pids = &f->pid, .n_pids = 1, .proc = "/proc"};
    struct target *self = target_open(&f->cx, &(struct target_opts){.pid = f->pid});

    if (self)
        f->t.start_times = self->start_times;
    target_close(self);
    f->t.root = sysroot_new(&f->cx, "/");
    return cg_write_elf(fixture_unit(&f->cx, broken), &elf, &size) &&
           object_open(&f->cx, elf, size, &f->o);
}

static void tear_down(struct fixture *f)
{
    sysroot_free(f->t.root);
    fixture_free(&f->cx);
    fclose(f->err);
    free(f->messages);
}

/* Burns CPU for MS milliseconds of this thread's own time. */
static void *burn(void *ms)
{
    struct timespec t;
    int64_t end = 0, now;

    do {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        now = t.tv_sec * 1000 + t.tv_nsec / 1000000;
        if (!end)
            end = now + (intptr_t)ms;
    } while (now < end);
    return NULL;
}

/* The kernel writes as much as the map's values are large: a record that says less would be written
 * past. */
static void test_sizes(void)
{
    struct fixture f;

    if (!tap_ok(set_up(&f, false) && f.o.h->table[OBJ_MAPS].n == 1, "an object with an array"))
        return;
    struct obj_map wrong = f.o.maps[0];

    f.o.maps = &wrong;
    wrong.value_size += 8;
    tap_ok(!load_object(&f.cx, &f.o, &f.t, &f.k), "its record says another size than its map");
    wrong.value_size -= 8;
    wrong.key_size -= 4;
    tap_ok(!load_object(&f.cx, &f.o, &f.t, &f.k), "or another size of the key");
    fflush(f.err);
    tap_ok(strstr(f.messages, "an array's map is of another size") != NULL, "which is said");
    tear_down(&f);
}

static void test_run(bool scoped)
{
    struct fixture f;
    const char *how = scoped ? "on the target's threads" : "on every CPU";

    if (!tap_ok(set_up(&f, false), "the object is made"))
        return;
    if (!scoped)
        f.t = (struct target){.kind = TARGET_NONE, .proc = "/proc", .root = f.t.root};
    struct session *s = load_object(&f.cx, &f.o, &f.t, &f.k);

    fflush(f.err);
    if (tap_ok(s != NULL, "it loads (%s) %s", how, f.messages)) {
        struct fixture_globals *g = session_globals(s);
        struct ngs_control *c = session_control(s);

        tap_ok(g->initial == 42 && c->target == (scoped ? (uint64_t)getpid() : 0),
               "globals and control are initialised");
        tap_ok(load_attach(s), "it is armed %s", how);
        burn((void *)200);
        uint64_t hits = c->hits;

        tap_ok(hits > 100, "its handler runs %s: %lu hits in 200 ms", how, (unsigned long)hits);
        if (scoped) {
            pthread_t thread;

            tap_ok(g->pid == (uint64_t)getpid(), "for this process only");
            hits = c->hits;
            pthread_create(&thread, NULL, burn, (void *)200);
            pthread_join(thread, NULL);
            tap_ok(c->hits > hits + 100, "in a new thread too: %lu hits",
                   (unsigned long)(c->hits - hits));
        }
        tap_ok(g->loops == 10 && g->lib == 5 && g->literal == FIXTURE_LITERAL,
               "loop callback, subprogram and literals work");
        load_detach(s);
        hits = c->hits;
        burn((void *)50);
        tap_ok(c->hits == hits, "after load_detach nothing runs");
        tap_ok(session_map_fd(s, 0) >= 0 && session_map_fd(s, 1) < 0 && session_ring_fd(s) >= 0,
               "its maps have descriptors");
        uint64_t verified, ns;

        session_stats(s, &verified, &ns);
        tap_ok(verified > 50 && ns > 0, "verified instructions: %lu, load time: %lu us",
               (unsigned long)verified, (unsigned long)ns / 1000);
    }
    load_free(s);
    tear_down(&f);
}

/* What the uprobe is on. */
__attribute__((noinline)) static int probed(int n)
{
    __asm__ volatile("" : "+r"(n));
    return n + 1;
}

static void test_uprobe(bool scoped)
{
    struct fixture f;
    struct target_opts to = {.pid = getpid()};
    void *elf;
    size_t size;

    if (!set_up(&f, false))
        return;
    struct target *t = target_open(&f.cx, &to);

    if (!tap_ok(t && t->modules && t->modules->is_exe, "this process is a target"))
        return;
    struct cg_unit *u = fixture_uprobe_unit(&f.cx, (uintptr_t)probed - t->modules->bias);

    tap_ok(cg_write_elf(u, &elf, &size) && object_open(&f.cx, elf, size, &f.o),
           "an object with a uprobe is made");
    if (!scoped)
        t->n_pids = 0;
    /* /proc/self/exe, which the object names, is no path of the target: */
    t->modules->path = "/proc/self/exe";
    struct session *s = load_object(&f.cx, &f.o, t, &f.k);

    if (tap_ok(s && load_attach(s), "it is armed")) {
        struct fixture_globals *g = session_globals(s);

        for (int i = 0; i < 100; i++)
            probed(i);
        tap_ok(g->uprobe_hits == 100, "every call is seen: %lu", (unsigned long)g->uprobe_hits);
        fflush(f.err);
        tap_ok(!strstr(f.messages, "does not reach"), "the breakpoint is seen in memory");
        load_detach(s);
        probed(0);
        tap_ok(g->uprobe_hits == 100, "and none after load_detach");
    }
    load_free(s);
    target_close(t);
    tear_down(&f);
}

/* A pid that was given to another process between finding the target and arming. */
static void test_replaced(void)
{
    struct fixture f;
    uint64_t start = 1;

    if (!set_up(&f, false))
        return;
    f.t.start_times = &start;
    struct session *s = load_object(&f.cx, &f.o, &f.t, &f.k);

    tap_ok(s && !load_attach(s),
           "nothing is armed in a process that is not the one that was found");
    fflush(f.err);
    tap_ok(strstr(f.messages, "has ended") != NULL, "and that is said: %s", f.messages);
    load_free(s);
    tear_down(&f);
}

static void test_rejected(void)
{
    struct fixture f;

    if (!tap_ok(set_up(&f, true), "an object that reads wildly is made"))
        return;
    tap_ok(load_object(&f.cx, &f.o, &f.t, &f.k) == NULL, "the verifier refuses it");
    fflush(f.err);
    tap_ok(strstr(f.messages, "t.stp:3: loops = deref(4)") != NULL,
           "the message names the script's line");
    tap_ok(strstr(f.messages, "invalid mem access") != NULL, "and the verifier's reason");
    char *log = strstr(f.messages, "kept in "), *end = log ? strchr(log, '\n') : NULL;

    if (tap_ok(end != NULL, "and the log's file")) {
        *end = 0;
        tap_ok(access(log + 8, R_OK) == 0 && unlink(log + 8) == 0, "which is there");
    }
    tear_down(&f);
}

static void test_other_build(void)
{
    struct fixture f;
    struct obj_module modules[1];
    struct module m = {
        .path = "/proc/self/exe", .id = {.bytes = {1, 2, 3}, .len = 3}, .bias = 0x1000};

    if (!tap_ok(set_up(&f, false), "an object for another build is made"))
        return;
    modules[0] = f.o.modules[0];
    modules[0].build_id = f.o.h->table[OBJ_STRINGS].n; /* a string after the others */
    char *strings = arena_alloc(f.cx.arena, modules[0].build_id + 8);

    memcpy(strings, f.o.strings, modules[0].build_id);
    strcpy(strings + modules[0].build_id, "0a0b0c");
    f.o.strings = strings;
    f.o.modules = modules;
    f.t.modules = &m;
    tap_ok(load_object(&f.cx, &f.o, &f.t, &f.k) == NULL, "it is refused");
    fflush(f.err);
    tap_ok(strstr(f.messages, "010203") && strstr(f.messages, "0a0b0c"),
           "both build-ids are named");
    modules[0].flags = OBJ_MODULE_MAPPED; /* of which only types are used */
    struct session *s = load_object(&f.cx, &f.o, &f.t, &f.k);

    tap_ok(s != NULL, "what is not mapped may be of any build when only its types are used");
    load_free(s);
    m.end = 0x2000;
    tap_ok(load_object(&f.cx, &f.o, &f.t, &f.k) == NULL, "what is mapped may not");
    m.path = "/elsewhere/exe";
    tap_ok(load_object(&f.cx, &f.o, &f.t, &f.k) == NULL, "nor a namesake");
    modules[0].flags = 0;
    s = load_object(&f.cx, &f.o, &f.t, &f.k);
    tap_ok(s != NULL, "... unless it was not mapped then either");
    load_free(s);
    modules[0].flags = OBJ_MODULE_ADDRESSED;
    struct module twin = {
        .path = "/elsewhere", .id = {.bytes = {10, 11, 12}, .len = 3}, .bias = 0x2000};

    m.next = &twin;
    s = load_object(&f.cx, &f.o, &f.t, &f.k);
    tap_ok(s && session_control(s)->bias[0][0] == 0x2000,
           "the same build under another path serves");
    load_free(s);
    tear_down(&f);
}

static void test_missing(void)
{
    struct fixture f;

    if (!set_up(&f, false))
        return;
    f.k.missing_caps = "CAP_BPF";
    tap_ok(load_object(&f.cx, &f.o, &f.t, &f.k) == NULL, "without privileges it is refused");
    f.k.missing_caps = NULL;
    f.k.has[FEAT_RINGBUF] = false;
    tap_ok(load_object(&f.cx, &f.o, &f.t, &f.k) == NULL,
           "on a kernel without ring buffers it is refused");
    fflush(f.err);
    tap_ok(strstr(f.messages, "CAP_BPF") && strstr(f.messages, feature_name(FEAT_RINGBUF)),
           "the messages say what is missing");
    tear_down(&f);
}

static void test_log(void)
{
    struct verifier_verdict v = verifier_read("0: R1=ctx\n; x = 1\n1: (79) r0 = *(u64 *)(r1 +0)\n"
                                              "R1 bad\nprocessed 2 insns (limit 1000000)\n");

    tap_ok(v.line_len == 5 && !memcmp(v.line, "x = 1", 5) && v.place_len == 0,
           "a log of an older kernel is read");
    tap_ok(v.reason_len == 6 && !memcmp(v.reason, "R1 bad", 6), "with its reason");
    v = verifier_read("");
    tap_ok(v.reason_len == 0 && v.line_len == 0, "an empty log says nothing");
    v = verifier_read(
        "; main @ t.stp:1\n0: x\nValidating lib_x() func#2...\n;  @ :0\n9: y\nR8 bad\n");
    tap_ok(v.func_len == 7 && !memcmp(v.func, "lib_x()", 7) && v.place_len == 0,
           "a library function is named, without a line of another");
    v = verifier_read("; a @ b @ t.stp:9\n");
    tap_ok(v.place_len == 7 && !memcmp(v.place, "t.stp:9", 7), "the last @ is the place");
}

int main(void)
{
    test_log();
    test_missing();
    if (geteuid() != 0) {
        tap_skip("loading", "needs root");
        return tap_done();
    }
    test_sizes();
    test_run(false);
    test_run(true);
    test_uprobe(false);
    test_uprobe(true);
    test_replaced();
    test_rejected();
    test_other_build();
    return tap_done();
}

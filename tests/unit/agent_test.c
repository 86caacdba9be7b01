/*
 * agent_test: the parts of an agent that decide: the rate by the budget, which rule a process fits
 * and whom it is profiled with, by a /proc of ours; what of a spool is kept, dropped and left
 * alone.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/budget.h"
#include "agent/conf.h"
#include "agent/group.h"
#include "agent/match.h"
#include "agent/scan.h"
#include "agent/spool.h"
#include "base/arena.h"
#include "base/diag.h"
#include "tap.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct compile cx;
static char root[] = "/tmp/ngstap-agent.XXXXXX";

static const char *at(const char *name)
{
    return arena_printf(cx.arena, "%s/%s", root, name);
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        printf("Bail out! cannot write %s\n", path);
    close(fd);
}

/* ---- the budget ---- */

static void test_budget(void)
{
    struct budget b;

    budget_open(&b, 0.01, 99);
    tap_ok(budget_hz(&b) == 99 && budget_may_start(&b), "budget: begins with the highest rate");
    tap_ok(budget_window(&b, 60, 0.5) == BUDGET_STAYS, "budget: 0.83 %% of 1 %% is fine");
    tap_ok(budget_window(&b, 60, 0.7) == BUDGET_LOWER && budget_hz(&b) == 49,
           "budget: 1.17 %% is too much: 49 Hz");
    for (int i = 0; i < 3; i++)
        budget_window(&b, 60, 10);
    tap_ok(budget_hz(&b) == 1, "budget: down to 1 Hz");
    tap_ok(budget_window(&b, 60, 10) == BUDGET_TOO_MUCH, "budget: below that something has to go");
    tap_ok(budget_window(&b, 60, 0.01) == BUDGET_STAYS &&
               budget_window(&b, 60, 0.01) == BUDGET_STAYS &&
               budget_window(&b, 60, 0.01) == BUDGET_HIGHER && budget_hz(&b) == 9,
           "budget: after three calm windows 9 Hz again");
    budget_window(&b, 60, 0.2);
    budget_window(&b, 60, 0.2);
    budget_window(&b, 60, 0.4);
    tap_ok(budget_window(&b, 60, 0.2) == BUDGET_STAYS,
           "budget: a window that would not bear the higher rate begins the count anew");
    budget_spend(&b, 10, 5);
    tap_ok(!budget_may_start(&b), "budget: overspent, nothing starts");
    budget_spend(&b, 200, 0.1);
    tap_ok(!budget_may_start(&b), "budget: ... for as long as it takes");
    budget_spend(&b, 250, 0.1);
    tap_ok(budget_may_start(&b), "budget: ... and then it does");
    budget_spend(&b, 1e9, 0);
    tap_ok(b.credit <= 3.01, "budget: no more is kept than of five minutes");
}

/* ---- processes ---- */

/* A process of a /proc of ours. */
static void make_process(int pid, int parent, const char *exe, const char *comm, const char *cgroup)
{
    mkdir(at(arena_printf(cx.arena, "proc/%d", pid)), 0700);
    if (exe && symlink(at(exe), at(arena_printf(cx.arena, "proc/%d/exe", pid))))
        printf("Bail out! symlink\n");
    write_file(at(arena_printf(cx.arena, "proc/%d/comm", pid)),
               arena_printf(cx.arena, "%s\n", comm));
    write_file(at(arena_printf(cx.arena, "proc/%d/cgroup", pid)),
               arena_printf(cx.arena, "4:pids:/other\n0::%s\n", cgroup));
    write_file(at(arena_printf(cx.arena, "proc/%d/stat", pid)),
               arena_printf(cx.arena, "%d (%s) S %d 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 %d 0 0\n",
                            pid, comm, parent, pid));
}

static bool covered_by(void *arg, const struct group *group, struct group_member m)
{
    return m.pid == *(int *)arg;
}

/* The one that fits a rule; NULL: it does not. */
static const struct scan_process *find(const struct scan *s, int pid)
{
    const struct scan_process *p;

    HASH_FIND(hh, s->processes, &pid, sizeof(pid), p);
    return p && p->settled && p->rule ? p : NULL;
}

static const struct conf_rule *rule_of(const struct scan *s, int pid)
{
    const struct scan_process *p = find(s, pid);

    return p ? p->rule : NULL;
}

static const struct group *group_with(const struct groups *g, pid_t pid)
{
    for (const struct group *one = g->all; one; one = one->hh.next)
        for (uint32_t i = 0; i < one->n_waiting; i++)
            if (one->waiting[i].pid == pid)
                return one;
    return NULL;
}

static void test_processes(void)
{
    static const char text[] = "[agent]\nsettle = 0\n"
                               "[match pods]\npod = shop/web-*\n"
                               "[match web]\nexe = */nginx\n"
                               "[match job]\ncomm = wor?er\ncgroup = /jobs/*\n";
    struct agent_conf *conf;
    struct groups groups = {NULL};
    struct scan scan;
    uint64_t targets;
    int nobody = 0, one = 21;

    write_file(at("conf"), text);
    conf = conf_read(&cx, at("conf"));
    mkdir(at("proc"), 0700);
    write_file(at("nginx"), "a");
    write_file(at("job"), "b");
    make_process(10, 1, "nginx", "nginx", "/system.slice/nginx.service");
    make_process(11, 10, "nginx", "nginx", "/system.slice/nginx.service");
    make_process(12, 10, "nginx", "nginx", "/system.slice/nginx.service");
    make_process(20, 1, "job", "worker", "/jobs/a");
    make_process(21, 1, "job", "worker", "/jobs/b");
    make_process(22, 1, "job", "worker", "/others/b");
    make_process(23, 1, NULL, "kworker", "/");
    make_process(30, 1, "job", "lua",
                 "/kubepods.slice/kubepods-pod1.slice/cri-containerd-" ID ".scope/jobs/" ID);
    make_process(31, 1, "nginx", "nginx", "/machine.slice/libpod-conmon-" ID ".scope");
    mkdir(at("proc/1"), 0700);
    mkdir(at("proc/1/root"), 0700);
    mkdir(at("proc/1/root/var"), 0700);
    mkdir(at("proc/1/root/var/log"), 0700);
    mkdir(at("proc/1/root/var/log/pods"), 0700);
    mkdir(at("proc/1/root/var/log/containers"), 0700);
    write_file(at("proc/1/root/var/log/containers/web-1_shop_lua-" ID ".log"), "");

    scan_open(&scan, conf, at("proc"));
    tap_ok(conf && scan_look(&scan, &cx), "scan: a look");
    tap_ok(rule_of(&scan, 11) == &conf->rules[1], "scan: by its program");
    tap_ok(rule_of(&scan, 20) == &conf->rules[2], "scan: by its name and its cgroup");
    tap_ok(!rule_of(&scan, 22), "scan: all facts must fit");
    tap_ok(!rule_of(&scan, 23), "scan: a kernel thread fits nothing");
    tap_ok(rule_of(&scan, 30) == &conf->rules[0], "scan: by its pod, which the kubelet names");
    tap_ok(find(&scan, 30) && !strcmp(find(&scan, 30)->container->name, "lua"),
           "scan: ... as its container");
    tap_ok(find(&scan, 31) && !find(&scan, 31)->container,
           "scan: a container's monitor is not in it");

    groups_update(&groups, &scan, conf, covered_by, &nobody, &targets);
    tap_ok(targets == 6 && HASH_COUNT(groups.all) == 4, "groups: six processes in four");
    const struct group *workers =
        group_with(&groups, 11) ? group_with(&groups, 11) : group_with(&groups, 12);

    tap_ok(workers && workers->key.master == 10 && workers->n_waiting == 1,
           "groups: one stands for the workers of a master");
    tap_ok(group_with(&groups, 20) && group_with(&groups, 20) == group_with(&groups, 21),
           "groups: processes of one program are together");
    tap_ok(!group_with(&groups, 10), "groups: a master waits for its workers");
    groups_update(&groups, &scan, conf, covered_by, &one, &targets);
    tap_ok(group_with(&groups, 20) && !group_with(&groups, 21), "groups: who is looked at is out");

    rename(at("proc/20"), at("proc/gone"));
    scan_look(&scan, &cx);
    groups_update(&groups, &scan, conf, covered_by, &one, &targets);
    tap_ok(targets == 5 && HASH_COUNT(groups.all) == 3, "groups: what has ended is gone");
    groups_close(&groups);
    scan_close(&scan);
}

/* ---- the spool ---- */

static bool runs(void *arg, const char *id)
{
    return arg && !strcmp(id, arg);
}

static bool there(const char *name)
{
    return !access(at(arena_printf(cx.arena, "spool/%s", name)), F_OK);
}

static void test_spool(void)
{
    static const char a[] = "00000000000000aa", b[] = "00000000000000bb";
    const char *labels[] = {"service=shop", "env=x"}, **got;
    struct spool s, other;
    uint32_t n;

    tap_ok(spool_open(&s, &cx, at("spool"), 25, 3), "spool: the folder is made");
    diag_try_begin(cx.diag);
    tap_ok(!spool_open(&other, &cx, at("spool"), 25, 3), "spool: another agent is refused");
    spool_close(&other);
    diag_try_end(cx.diag);
    tap_ok(spool_labels(&s, &cx, a, labels, 2) && spool_labels(&s, &cx, b, labels, 1),
           "spool: labels");
    got = spool_labels_of(&s, cx.arena, "00000000000000aa-20260101T000000Z.pb.gz", &n);
    tap_ok(n == 2 && !strcmp(got[0], labels[0]) && !strcmp(got[1], labels[1]),
           "spool: ... of a profile");
    write_file(at("spool/00000000000000aa-20260101T000010Z.pb.gz"), "0123456789");
    write_file(at("spool/00000000000000aa-20260101T000000Z.pb.gz"), "0123456789");
    write_file(at("spool/notes.txt"), "mine");
    write_file(at("spool/00000000000000aa-20260101T000000Z.pb.gz.abcdef"), "half");
    tap_ok(spool_look(&s, &cx, runs, (void *)b) && s.n == 2 && s.bytes == 20 && !s.dropped &&
               s.v[0].from == 1767225600 && s.v[1].from == 1767225610,
           "spool: the oldest first, by their names' times");
    write_file(at("spool/00000000000000bb-20260101T000020Z.pb.gz"), "0123456789");
    tap_ok(spool_look(&s, &cx, runs, (void *)b) && s.n == 2 && s.dropped == 1 &&
               s.dropped_bytes == 10 && !there("00000000000000aa-20260101T000000Z.pb.gz"),
           "spool: the oldest is dropped, and counted, where there are too many bytes");
    for (int i = 0; i < 3; i++)
        write_file(at(arena_printf(cx.arena, "spool/00000000000000bb-20260101T00003%dZ.pb.gz", i)),
                   "x");
    tap_ok(spool_look(&s, &cx, runs, (void *)b) && s.n == 3 && s.dropped == 3 &&
               there("00000000000000bb-20260101T000030Z.pb.gz"),
           "spool: ... or too many files");
    tap_ok(!there("00000000000000aa.labels") && there("00000000000000bb.labels"),
           "spool: labels go with the last profile of a session that has ended");
    for (int i = 0; i < 3; i++)
        spool_sent(&s, cx.arena, s.v[i].name);
    tap_ok(spool_look(&s, &cx, runs, (void *)b) && !s.n && there("00000000000000bb.labels"),
           "spool: labels of a session that runs stay");
    tap_ok(there("notes.txt"), "spool: what is not ours is left alone");
    spool_close(&s);
    tap_ok(spool_open(&s, &cx, at("spool"), 25, 3) &&
               !there("00000000000000aa-20260101T000000Z.pb.gz.abcdef"),
           "spool: halves of files are removed at the start");
    spool_close(&s);
    chmod(at("spool"), 0777);
    diag_try_begin(cx.diag);
    tap_ok(!spool_open(&s, &cx, at("spool"), 25, 3), "spool: a folder of others is refused");
    spool_close(&s);
    diag_try_end(cx.diag);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
    return remove(path);
}

static bool remove_all(const char *folder)
{
    return !nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    cx.arena = arena_new();
    cx.sources = sources_new(cx.arena);
    cx.diag = diag_new(cx.arena, cx.sources, stdout);
    if (!mkdtemp(root))
        return 1;
    test_budget();
    test_processes();
    test_spool();
    arena_free(cx.arena);
    return remove_all(root) && !tap_done() ? 0 : 1;
}

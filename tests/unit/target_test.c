/*
 * target_test: sysroots with hostile links, an imitated /proc with all that can be odd in it, this
 * machine's own processes (also deleted, in a chroot, in another mount namespace, on an overlay),
 * container engines that are shell scripts, kernel features.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "tap.h"
#include "target/target.h"

static char dir[] = "/tmp/ngstap-target-test.XXXXXX";

__attribute__((format(printf, 1, 2))) static const char *path(const char *fmt, ...)
{
    static char bufs[8][512];
    static unsigned next;
    char *buf = bufs[next++ % 8];
    va_list ap;
    int n = snprintf(buf, sizeof(bufs[0]), "%s/", dir);

    va_start(ap, fmt);
    vsnprintf(buf + n, sizeof(bufs[0]) - (size_t)n, fmt, ap);
    va_end(ap);
    return buf;
}

__attribute__((format(printf, 1, 2))) static bool run(const char *fmt, ...)
{
    char cmd[4096];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(cmd, sizeof(cmd), fmt, ap);
    va_end(ap);
    return system(cmd) == 0;
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(path("%s", name), "w");

    if (f) {
        fputs(text, f);
        fclose(f);
    }
}

struct fixture {
    struct compile cx;
    FILE *err;
    char *messages;
    size_t size;
};

static void set_up(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    f->err = open_memstream(&f->messages, &f->size);
    f->cx.arena = arena_new();
    f->cx.sources = sources_new(f->cx.arena);
    f->cx.diag = diag_new(f->cx.arena, f->cx.sources, f->err);
}

static void tear_down(struct fixture *f)
{
    arena_free(f->cx.arena);
    fclose(f->err);
    free(f->messages);
}

static bool said(struct fixture *f, const char *what)
{
    fflush(f->err);
    bool ok = strstr(f->messages, what) != NULL;

    if (!ok)
        printf("# messages: %s\n", f->messages);
    return ok;
}

/* ---- sysroot ---- */

static bool opens_as(struct sysroot *r, const char *file, const char *content)
{
    size_t len;
    char *text = sysroot_read(r, file, 1000, &len);
    bool ok = text && !strcmp(text, content) && len == strlen(content);

    if (!ok)
        printf("# %s: %s\n", file, text ? text : strerror(errno));
    free(text);
    return ok;
}

static bool refuses(struct sysroot *r, const char *file, int error)
{
    int fd = sysroot_open(r, file);

    if (fd < 0 && errno == error)
        return true;
    printf("# %s: %s\n", file, fd < 0 ? strerror(errno) : "opened");
    if (fd >= 0)
        close(fd);
    return false;
}

static void test_sysroot(void)
{
    struct fixture f;

    set_up(&f);
    run("mkdir -p root/etc root/sub root%s && echo -n outside > secret && echo -n outside > "
        "root%s/../x",
        dir, dir);
    run("cd root && echo -n inside > secret && echo -n file > etc/file && ln -s /secret absolute "
        "&& "
        "ln -s ../../../../../../../secret climbing && ln -s %s/secret named && ln -s /etc dir && "
        "ln -s loop loop && "
        "ln -s /proc/self/root/etc/passwd magic && mkfifo fifo && ln -s /dev/null null && : > "
        "empty && "
        "head -c 5000 /dev/zero | tr '\\0' z > large",
        dir);
    struct sysroot *r = sysroot_new(&f.cx, path("root//"));

    tap_ok(r && !strcmp(sysroot_dir(r), path("root")) && !sysroot_is_host(r), "a sysroot");
    if (!r)
        return;
    tap_ok(opens_as(r, "/etc/file", "file") && opens_as(r, "etc/file", "file"), "a file in it");
    tap_ok(opens_as(r, "/absolute", "inside"), "an absolute link stays inside");
    tap_ok(opens_as(r, "/climbing", "inside") && opens_as(r, "/../../../secret", "inside"),
           "\"..\" does not climb out");
    tap_ok(refuses(r, "/named", ENOENT), "a link with the host's name for a file leads nowhere");
    tap_ok(opens_as(r, "/dir/file", "file"), "a link to a directory");
    tap_ok(refuses(r, "/loop", ELOOP), "a loop of links");
    tap_ok(refuses(r, "/magic", ENOENT), "/proc's links are not the host's");
    tap_ok(refuses(r, "/fifo", EINVAL), "a FIFO does not block");
    tap_ok(refuses(r, "/null", ENOENT) && refuses(r, "/etc", EISDIR) && refuses(r, "", ENOENT),
           "devices and directories are not opened");
    if (geteuid() == 0 && run("mknod root/device c 1 3"))
        tap_ok(refuses(r, "/device", EINVAL), "a device node is not opened");
    else
        tap_skip("a device node is not opened", "cannot make one");
    tap_ok(opens_as(r, "/empty", ""), "an empty file");
    errno = 0;
    tap_ok(!sysroot_read(r, "/large", 4999, NULL) && errno == EFBIG, "a file over the limit");
    char *text = sysroot_read(r, "/large", 5000, NULL);

    tap_ok(text && strlen(text) == 5000, "a file at the limit");
    free(text);
    sysroot_free(r);

    tap_ok(!sysroot_new(&f.cx, path("secret")) && said(&f, "Not a directory"),
           "a file is no sysroot");
    tap_ok(!sysroot_new(&f.cx, "/no/such/directory") && said(&f, "No such file"),
           "nor is what is not there");
    r = sysroot_new(&f.cx, "/");
    tap_ok(r && sysroot_is_host(r) && !strcmp(sysroot_dir(r), ""), "the host's root");
    int fd = r ? sysroot_open(r, "/proc/self/exe") : -1;

    tap_ok(fd >= 0, "where /proc's links do lead on");
    if (fd >= 0)
        close(fd);
    text = r ? sysroot_read(r, "/proc/self/stat", 4096, NULL) : NULL;
    tap_ok(text && atoi(text) == getpid(), "and files of unknown size are read");
    free(text);
    sysroot_free(r);
    tear_down(&f);
}

/* ---- an imitated /proc ---- */

static bool same_inode(const char *a, const char *b)
{
    struct stat x, y;

    return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static void fake_process(int pid, int ppid, const char *comm, char state, unsigned long start)
{
    char text[1024];

    run("mkdir -p proc/%d/ns proc/%d/root.d && ln -sfn 'mnt:[1]' proc/%d/ns/mnt && ln -sfn / "
        "proc/%d/root",
        pid, pid, pid, pid);
    snprintf(text, sizeof(text),
             "%d (%s) %c %d 1 1 0 -1 4194304 0 0 0 0 1 2 3 4 20 0 1 0 %lu 1000 2 3\n", pid, comm,
             state, ppid, start);
    write_file("text", text);
    run("mv text proc/%d/stat", pid);
}

/* A line of maps, with the device and inode of FILE, a name below the test's directory, where there
 * is such a file. */
static void add_map(FILE *f, const char *range, const char *perms, const char *offset,
                    const char *file, const char *shown)
{
    struct stat st;

    if (stat(path("%s", file), &st))
        st = (struct stat){.st_dev = makedev(8, 1), .st_ino = 13};
    fprintf(f, "%s %s %s %02x:%02x %llu   ", range, perms, offset, major(st.st_dev),
            minor(st.st_dev), (unsigned long long)st.st_ino);
    if (shown)
        fprintf(f, "%s\n", shown);
    else
        fprintf(f, "%s/%s\n", dir, file);
}

static struct target *open_fake(struct fixture *f, struct target_opts o)
{
    o.proc = path("proc");
    return target_open(&f->cx, &o);
}

static void test_fake_proc(void)
{
    struct fixture f;

    run("mkdir -p proc/self/ns proc/irq proc/12x bin && ln -sfn 'mnt:[1]' proc/self/ns/mnt && cp "
        "/bin/true bin/'my prog'");
    run("printf '\\177ELF' > bin/short && cp /bin/true bin/gone && cp /bin/true bin/lib.so && cp "
        "/bin/true bin/other");
    fake_process(100, 1, "nginx: master (x) y", 'S', 50);
    fake_process(107, 100, "nginx: worker) 1 (", 'R', 60);
    fake_process(105, 100, "a b", 'S', 61);
    fake_process(106, 100, "zombie", 'Z', 62);
    fake_process(108, 107, "grandchild", 'S', 63);
    write_file("proc/12x/stat", "12 (x) S 100");
    for (int pid = 105; pid <= 107; pid += 2) {
        run("ln -sfn \"$PWD/bin/my prog\" proc/%d/exe", pid);
        FILE *maps = fopen(path("maps"), "w");

        if (!maps)
            return;
        add_map(maps, "55d000000000-55d000002000", "r--p", "00000000", "bin/my prog", NULL);
        add_map(maps, "55d000002000-55d000006000", "r-xp", "00002000", "bin/my prog", NULL);
        add_map(maps, "55d000006000-55d000008000", "rw-p", "00006000", "bin/my prog", NULL);
        fputs("55d000100000-55d000200000 rw-p 00000000 00:00 0                      [heap]\n",
              maps);
        add_map(maps, "7f0000000000-7f0000001000", "r-xp", "00000000", "bin/short", NULL);
        add_map(maps, "7f0000010000-7f0000011000", "r-xp", "00000000", "bin/not there", NULL);
        add_map(maps, "7f0000020000-7f0000021000", "r--p", "00000000", "bin/gone", NULL);
        fputs("this line is not one\n"
              "7f0000030000-7f0000031000 r-xp 00000000 00:05 15   /memfd:code (deleted)\n",
              maps);
        add_map(maps, "7f0000040000-7f0000041000", "r-xp", "00002000", "bin/lib.so", NULL);
        fputs("7f0000050000-7f0000051000 r-xp 00002000 08:01 16   ", maps);
        fprintf(maps, "%s/bin/other\n", dir); /* another file has taken that name */
        fputs("7fff00000000-7fff00001000 r-xp 00000000 00:00 0   [vdso]\n", maps);
        fclose(maps);
        run("mv maps proc/%d/maps", pid);
    }
    set_up(&f);
    struct target *t = open_fake(&f, (struct target_opts){.master = 100});

    tap_ok(t && t->kind == TARGET_MASTER && t->n_pids == 2 && t->pids[0] == 105 &&
               t->pids[1] == 107 && t->pid == 0,
           "direct children only, sorted; names with spaces and parentheses; no zombies");
    tap_ok(t && sysroot_is_host(t->root) && t->exec_path &&
               !strcmp(t->exec_path, path("bin/my prog")),
           "the executable");
    tap_ok(t && t->modules && t->modules->is_exe &&
               !strcmp(t->modules->path, path("bin/my prog")) &&
               t->modules->start == 0x55d000000000 && t->modules->end == 0x55d000008000,
           "is the first module");
    const struct module *lib = t && t->modules ? t->modules->next : NULL;

    tap_ok(lib && !strcmp(lib->path, path("bin/lib.so")) && !lib->is_exe && !lib->next,
           "files that are not there, other ones, or no ELF files are left out");
    tap_ok(said(&f, "other is not the file that process 105 has mapped by that name"),
           "and that one is another is said");
    struct map *maps = t ? target_maps(&f.cx, t, 105) : NULL;
    unsigned n = 0;
    bool heap = false;

    for (struct map *m = maps; m; m = m->next, n++)
        heap |= !strcmp(m->path, "[heap]") && !m->ino && !m->exec;
    tap_ok(n == 11 && heap, "maps: %u", n);
    tap_ok(t && t->n_pids == 2 && target_same(t, 0) && target_same(t, 1),
           "both are what was found");
    fake_process(105, 1, "another", 'S', 99);
    tap_ok(t && !target_same(t, 0) && target_same(t, 1), "one of two is still the same");
    fake_process(107, 1, "x", 'Z', 60);
    tap_ok(t && !target_same(t, 0) && !target_same(t, 1), "a reused pid and a zombie are not");
    target_close(t);

    tap_ok(!open_fake(&f, (struct target_opts){.master = 108}) &&
               said(&f, "No child processes found for 108."),
           "no children");
    tap_ok(!open_fake(&f, (struct target_opts){.master = 100, .pid = 105}) &&
               said(&f, "-x <pid> and --master <pid> are exclusive."),
           "-x and --master");
    tap_ok(!open_fake(&f, (struct target_opts){.pid = 4242}) &&
               said(&f, "no process with pid 4242"),
           "no such pid");
    tap_ok(!open_fake(&f, (struct target_opts){.pid = 106}) && said(&f, "zombie"), "a zombie");
    tap_ok(!open_fake(&f, (struct target_opts){.pid = 108}) && said(&f, "kernel thread"),
           "no executable");
    tap_ok(!open_fake(&f, (struct target_opts){.exec = "/no/such/file"}) &&
               said(&f, "/no/such/file not found."),
           "--exec of what is not there");
    tap_ok(!open_fake(&f, (struct target_opts){.exec = path("bin/short")}) &&
               said(&f, "is not an ELF file"),
           "--exec of no ELF file");
    tap_ok(!open_fake(&f, (struct target_opts){.pid = 105, .sysroot = path("secret")}) &&
               said(&f, "Not a directory"),
           "--sysroot of no directory");
    tear_down(&f);
}

static void test_fake_container(void)
{
    struct fixture f;

    /* A process in another mount namespace, whose files are below its own root only. */
    fake_process(200, 1, "in", 'S', 70);
    run("mkdir -p inner/opt && cp /bin/true inner/opt/prog");
    run("ln -sfn 'mnt:[2]' proc/200/ns/mnt && "
        "ln -sfn \"$PWD/inner\" proc/200/root && ln -sfn /opt/prog proc/200/exe && "
        "ln -sfn / inner/opt/out");
    FILE *of_200 = fopen(path("maps"), "w");

    if (!of_200)
        return;
    add_map(of_200, "55d000000000-55d000002000", "r-xp", "00002000", "inner/opt/prog", "/opt/prog");
    fputs("7f0000000000-7f0000001000 r-xp 00000000 08:01 12   /opt/out/bin/true\n", of_200);
    fclose(of_200);
    run("mv maps proc/200/maps");
    set_up(&f);
    tap_ok(pid_in_container(path("proc"), 200) && !pid_in_container(path("proc"), 108),
           "another mount namespace");
    struct target *t = open_fake(&f, (struct target_opts){.pid = 200});

    tap_ok(t && !strcmp(sysroot_dir(t->root), path("proc/200/root")), "its root is found out");
    tap_ok(t && t->modules && !strcmp(t->modules->path, "/opt/prog") && !t->modules->next &&
               same_inode(t->modules->probe_path, path("inner/opt/prog")),
           "and its modules below it; the host's files are not");
    struct module *m = t ? target_module(&f.cx, t, "/opt/../opt/prog") : NULL;

    tap_ok(m && m == t->modules, "a module by another name of its file");
    tap_ok(t && !target_module(&f.cx, t, "/opt/nothing"), "no such module");
    target_close(t);
    t = open_fake(&f, (struct target_opts){.pid = 200, .sysroot = path("inner")});
    tap_ok(t && t->modules && !strcmp(sysroot_dir(t->root), path("inner")),
           "--sysroot of a merged directory");
    target_close(t);
    /* What is checked is what is probed, whatever becomes of its name meanwhile. */
    t = open_fake(&f, (struct target_opts){.sysroot = path("inner"), .exec = "/opt/prog"});
    run("mv inner/opt/prog inner/opt/before && ln -s \"$PWD/bin/lib.so\" inner/opt/prog");
    tap_ok(t && t->modules && same_inode(t->modules->probe_path, path("inner/opt/before")),
           "a name below --sysroot that is made a link out of it");
    target_close(t);
    run("mv inner/opt/before inner/opt/prog");
    /* A chroot in our namespace: its links show our names. */
    run("ln -sfn 'mnt:[1]' proc/200/ns/mnt && ln -sfn \"$PWD/inner/opt/prog\" proc/200/exe");
    of_200 = fopen(path("maps"), "w");
    if (!of_200)
        return;
    add_map(of_200, "55d000000000-55d000002000", "r-xp", "00002000", "inner/opt/prog", NULL);
    fclose(of_200);
    run("mv maps proc/200/maps");
    t = open_fake(&f, (struct target_opts){.pid = 200});
    tap_ok(t && !strcmp(t->exec_path, "/opt/prog") && t->modules &&
               !strcmp(t->modules->path, "/opt/prog"),
           "a chroot's paths are as seen inside");
    target_close(t);
    tear_down(&f);
}

/* ---- real processes ---- */

static const char spin_c[] = "#include <unistd.h>\nint marker(int n) { return n + 1; }\n"
                             "int main(int c, char **v) { int n = 0; write(1, \"x\", 1); "
                             "for (;;) { n = marker(n); usleep(1000); } }\n";

/* Starts a program; returns when it runs. WRAP is a shell command that ends in exec "$@", or NULL.
 */
static pid_t start(const char *wrap, const char *program)
{
    int fds[2];
    char byte;

    if (pipe(fds))
        return -1;
    pid_t pid = fork();

    if (pid == 0) {
        dup2(fds[1], 1);
        close(fds[0]);
        close(fds[1]);
        if (wrap)
            execl("/bin/sh", "sh", "-c", wrap, "sh", program, (char *)NULL);
        else
            execl(program, program, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    bool runs = read(fds[0], &byte, 1) == 1;

    close(fds[0]);
    if (runs)
        return pid;
    waitpid(pid, NULL, 0);
    return -1;
}

static void stop(pid_t pid)
{
    if (pid > 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
}

/* Does the process's memory at the module's ELF header hold one? */
static bool bias_is_right(pid_t pid, const struct module *m)
{
    char name[64], head[4];

    snprintf(name, sizeof(name), "/proc/%d/mem", (int)pid);
    int fd = open(name, O_RDONLY);
    bool ok = fd >= 0 && pread(fd, head, 4, (off_t)(m->bias ? m->bias : m->start)) == 4 &&
              !memcmp(head, "\177ELF", 4);

    if (fd >= 0)
        close(fd);
    return ok;
}

static void check_live(struct fixture *f, const char *name, const char *program,
                       const char *options)
{
    run("$CC -w spin.c -o %s %s -Wl,--build-id", program, options);
    pid_t pid = start(NULL, path("%s", program));
    struct target *t = pid > 0 ? target_open(&f->cx, &(struct target_opts){.pid = pid}) : NULL;
    struct build_id id = {.len = 0};
    int fd = open(path("%s", program), O_RDONLY);

    elf_build_id(fd, &id);
    tap_ok(t && t->kind == TARGET_PID && t->pid == pid && t->modules && t->modules->is_exe &&
               !strcmp(t->modules->path, path("%s", program)) && t->modules->id.len == id.len &&
               id.len == 20,
           "%s: the executable", name);
    tap_ok(t && t->modules && bias_is_right(pid, t->modules), "%s: its load address", name);
    bool libc = false;

    for (struct module *m = t ? t->modules : NULL; m; m = m->next)
        libc |= strstr(m->path, "libc.so.6") && bias_is_right(pid, m) && m->id.len &&
                same_inode(m->path, m->probe_path);
    tap_ok(libc, "%s: libc", name);
    struct elf_symbols s = elf_symbols_read(f->cx.arena, fd);
    uint64_t marker = 0, off = 0;

    for (uint32_t i = 0; i < s.n; i++)
        if (!strcmp(s.v[i].name, "marker"))
            marker = s.v[i].vaddr;
    const struct elf_symbol *at = elf_symbol_at(&s, marker + 2);
    char code[8], mem[8];
    char mem_name[64];

    snprintf(mem_name, sizeof(mem_name), "/proc/%d/mem", (int)pid);
    int mfd = open(mem_name, O_RDONLY);

    tap_ok(marker && at && !strcmp(at->name, "marker") && elf_vaddr_to_offset(fd, marker, &off) &&
               pread(fd, code, 8, (off_t)off) == 8 && t && t->modules &&
               pread(mfd, mem, 8, (off_t)(marker + t->modules->bias)) == 8 && !memcmp(code, mem, 8),
           "%s: a symbol's place in the file and in memory", name);
    tap_ok(!elf_vaddr_to_offset(fd, 0x7fffffffffff, &off), "%s: an address in no segment", name);
    close(mfd);
    close(fd);
    if (t) {
        unlink(path("%s", program));
        struct target *gone = target_open(&f->cx, &(struct target_opts){.pid = pid});

        tap_ok(gone && gone->modules && gone->modules->deleted && gone->modules->id.len == 20 &&
                   !strcmp(gone->modules->path, path("%s", program)) &&
                   !access(gone->modules->probe_path, R_OK),
               "%s: deleted, still reached", name);
        target_close(gone);
    }
    tap_ok(t && target_same(t, 0), "%s: alive", name);
    stop(pid);
    tap_ok(t && !target_same(t, 0), "%s: and not any more", name);
    target_close(t);
}

static void test_live(void)
{
    struct fixture f;

    write_file("spin.c", spin_c);
    set_up(&f);
    check_live(&f, "position-independent", "spin", "-pie -fPIE");
    check_live(&f, "not position-independent", "fixed", "-no-pie -fno-pie");
    tear_down(&f);
}

/* An overlay in a mount namespace of its own, with a root that the host does not have. */
static void test_namespace(void)
{
    struct fixture f;
    static const char wrap[] =
        "exec unshare -m --propagation private sh -c '"
        "mkdir -p over/up over/work over/merged && "
        "mount -t overlay overlay -o "
        "lowerdir=$PWD/lower,upperdir=$PWD/over/up,workdir=$PWD/over/work over/merged && "
        "cd over/merged && exec chroot . /opt/spin'";

    if (geteuid() || !run("$CC -w -static spin.c -o spin") ||
        !run("mkdir -p lower/opt lower/tmp over && cp spin lower/opt/ && echo x > lower/opt/x")) {
        tap_skip("a process on an overlay in its own namespace", "needs root and a static libc");
        return;
    }
    set_up(&f);
    pid_t pid = start(wrap, "");

    if (pid < 0) {
        tap_skip("a process on an overlay in its own namespace", "no overlayfs here");
        tear_down(&f);
        return;
    }
    struct target *t = target_open(&f.cx, &(struct target_opts){.pid = pid});
    char root[64];

    snprintf(root, sizeof(root), "/proc/%d/root", (int)pid);
    tap_ok(t && !strcmp(sysroot_dir(t->root), root) && !strcmp(t->exec_path, "/opt/spin"),
           "a process on an overlay in its own namespace");
    tap_ok(t && t->modules && !strcmp(t->modules->path, "/opt/spin") &&
               !access(t->modules->probe_path, R_OK),
           "its executable, by a path that we can open");
    int fd = t ? sysroot_open(t->root, "/opt/x") : -1;

    tap_ok(fd >= 0 && !access(path("lower/opt/x"), R_OK) && access("/opt/x", R_OK),
           "files below its root");
    if (fd >= 0)
        close(fd);
    target_close(t);
    /* Copied up: probes must go to the layer below. */
    if (run("touch /proc/%d/root/opt/spin 2>/dev/null", (int)pid)) {
        t = target_open(&f.cx, &(struct target_opts){.pid = pid});
        if (access("/sys/bus/event_source/devices/uprobe/type", R_OK))
            tap_skip("a binary that was copied up: the lower layer's", "no uprobes here");
        else if (!tap_ok(t && t->modules &&
                             same_inode(t->modules->probe_path, path("lower/opt/spin")),
                         "a binary that was copied up: the lower layer's"))
            printf("# %s\n", t && t->modules ? t->modules->probe_path : "(none)");
        target_close(t);
    }
    stop(pid);
    tear_down(&f);
}

static void test_exec(void)
{
    struct fixture f;

    set_up(&f);
    run("mkdir -p libs && echo 'int one(void) { return 1; }' > one.c && "
        "$CC -shared -fPIC one.c -o libs/libone.so && "
        "echo 'int one(void); int main(void) { return one(); }' > uses.c && "
        "$CC uses.c -o uses -Llibs -lone -Wl,-rpath,'$ORIGIN/libs'");
    struct target *t = target_open(&f.cx, &(struct target_opts){.exec = "uses"});
    bool one = false, libc = false, loader = false;

    for (struct module *m = t ? t->modules : NULL; m; m = m->next) {
        one |= !strcmp(m->path, path("libs/libone.so"));
        libc |= strstr(m->path, "/libc.so.6") != NULL;
        loader |= strstr(m->path, "/ld-linux") != NULL;
    }
    tap_ok(t && t->kind == TARGET_EXEC && !strcmp(t->exec_path, path("uses")) && t->n_pids == 0,
           "--exec");
    tap_ok(one && libc && loader, "with the libraries that it would load");
    target_close(t);
    t = target_open(&f.cx, &(struct target_opts){0});
    tap_ok(t && t->kind == TARGET_NONE && sysroot_is_host(t->root) && !t->modules, "no target");
    target_close(t);
    const char *more[] = {path("libs/libone.so"), path("libs/nothing.so")};

    t = target_open(&f.cx, &(struct target_opts){.modules = more, .n_modules = 1});
    tap_ok(t && t->modules && !strcmp(t->modules->path, more[0]), "-d");
    target_close(t);
    tap_ok(!target_open(&f.cx, &(struct target_opts){.modules = more, .n_modules = 2}) &&
               said(&f, "nothing.so not found."),
           "-d of what is not there");
    more[0] = path("bin/short");
    tap_ok(!target_open(&f.cx, &(struct target_opts){.modules = more, .n_modules = 1}) &&
               said(&f, "bin/short: its ELF headers are damaged"),
           "-d of what is cut short");
    more[0] = path("bin");
    tap_ok(!target_open(&f.cx, &(struct target_opts){.modules = more, .n_modules = 1}) &&
               said(&f, "bin: it is not a regular file"),
           "-d of a folder");
    tear_down(&f);
}

/* ---- containers ---- */

static void fake_engine(const char *name, const char *script)
{
    char file[64], text[512];

    snprintf(file, sizeof(file), "engines/%s", name);
    snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", script);
    write_file(file, text);
    chmod(path("%s", file), 0755);
}

static void test_containers(void)
{
    struct fixture f;
    const char *root = NULL;
    pid_t pid = 0;
    char saved[4096], want[64];

    snprintf(saved, sizeof(saved), "%s", getenv("PATH"));
    run("mkdir -p engines");
    set_up(&f);
    setenv("PATH", path("engines"), 1);
    tap_ok(!container_find(&f.cx, "web", &root, &pid) && said(&f, "none of docker"), "no engine");
    fake_engine("docker",
                "[ \"$1\" = inspect ] && for last; do :; done && [ \"$last\" = web ] && echo 4321");
    fake_engine("podman", "for last; do :; done; [ \"$last\" = stopped ] && echo 0 || exit 125");
    tap_ok(container_find(&f.cx, "web", &root, &pid) && pid == 4321 &&
               !strcmp(root, "/proc/4321/root"),
           "a container");
    tap_ok(!container_find(&f.cx, "stopped", &root, &pid) && said(&f, "not running"),
           "one that is stopped");
    tap_ok(!container_find(&f.cx, "other", &root, &pid) &&
               said(&f, "no container named other (asked docker, podman)"),
           "no such container");
    tap_ok(!container_find(&f.cx, "--help", &root, &pid) && said(&f, "no container's name"),
           "a name like an option");
    snprintf(want, sizeof(want), "echo %d", (int)getpid());
    fake_engine("docker", want);
    struct target *t = target_open(&f.cx, &(struct target_opts){.container = "web"});

    tap_ok(t && t->kind == TARGET_PID && t->pid == getpid() &&
               strstr(sysroot_dir(t->root), "/root"),
           "--container alone names its first process");
    target_close(t);
    fake_engine("docker", "exit 1");
    fake_engine(
        "crictl", /* as 1.25 of it answers: inspect knows ids, ps takes a pattern */
        "for last; do :; done\n"
        "case $1:$last in ps:^web$) echo 8ff891ce;; ps:^two$) echo 8ff891ce; echo 5273415f;;"
        " ps:*) ;; inspect:8ff891ce) echo 4322;; *) exit 1;; esac");
    tap_ok(container_find(&f.cx, "web", &root, &pid) && pid == 4322,
           "a container of a pod, by name");
    tap_ok(container_find(&f.cx, "8ff891ce", &root, &pid) && pid == 4322, "... by id");
    tap_ok(!container_find(&f.cx, "two", &root, &pid) &&
               said(&f, "several containers are named two") && said(&f, "8ff891ce 5273415f"),
           "two of one name: their ids are told");
    tap_ok(!container_find(&f.cx, "none", &root, &pid) && said(&f, "no container named none"),
           "none of that name");
    fake_engine("nerdctl", /* as 0.11 of it answers: the pid of the past, unless one asks */
                "for last; do :; done\n"
                "case \"$1 $2:$last:$4\" in 'container inspect:ended:'*exited*) echo 0;;"
                " 'container inspect:69:'*) echo 12; echo 13;;"
                " 'container inspect:ended:'*|'container inspect:k3s:'*) echo 4323;;"
                " *) exit 1;; esac");
    tap_ok(container_find(&f.cx, "k3s", &root, &pid) && pid == 4323, "a container of nerdctl");
    tap_ok(!container_find(&f.cx, "ended", &root, &pid) && said(&f, "ended is not running"),
           "one of nerdctl that has ended");
    tap_ok(!container_find(&f.cx, "69", &root, &pid) &&
               said(&f, "several containers are named 69") && said(&f, "their pids: 12 13"),
           "two whose ids begin so");
    fake_engine("docker", "while :; do echo nonsense; done");
    fake_engine("podman", "exit 1");
    tap_ok(!container_find(&f.cx, "endless", &root, &pid) && said(&f, "did not answer within"),
           "an engine that never ends");
    setenv("PATH", saved, 1);
    tear_down(&f);
}

/* ---- pods ---- */

#define UID_OLD       "0f5ab1f6-64c3-4e0f-8c8b-3f6b1f4f9d10"
#define UID_NOW       "4d2f9a3e-0b7c-4b57-9d39-5a8d8ad8c001"
#define UID_NOW_SLICE "4d2f9a3e_0b7c_4b57_9d39_5a8d8ad8c001"
#define UID_OTHER     "77777777-0b7c-4b57-9d39-5a8d8ad8c001"
/* Ids of containers: 64 digits. */
#define ID_WEB  "aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11"
#define ID_SIDE "bb22bb22bb22bb22bb22bb22bb22bb22bb22bb22bb22bb22bb22bb22bb22bb22"
#define ID_GONE "cc33cc33cc33cc33cc33cc33cc33cc33cc33cc33cc33cc33cc33cc33cc33cc33"

static void pod_process(int pid, unsigned long start, const char *cgroup)
{
    char file[64];

    fake_process(pid, 1, "x", 'S', start);
    snprintf(file, sizeof(file), "proc/%d/cgroup", pid);
    write_file(file, cgroup);
}

static void test_pods(void)
{
    struct fixture f;
    const char *root = NULL, *proc;
    pid_t pid = 0;

    set_up(&f);
    proc = arena_strdup(f.cx.arena, path("proc"));
    fake_process(1, 0, "init", 'S', 1);
    run("rm -f proc/1/root && mkdir -p proc/1/root");
    tap_ok(!pod_find(&f.cx, proc, "shop/web", &root, &pid) && said(&f, "no kubelet here"),
           "no kubelet");
    run("cd proc/1/root && mkdir -p var/log/containers && cd var/log && mkdir -p"
        " pods/shop_web_" UID_OLD "/nginx pods/shop_web_" UID_NOW "/nginx"
        " pods/shop_web-2_" UID_OTHER "/nginx && cd containers && touch"
        " web_shop_nginx-" ID_WEB ".log web_shop_nginx-" ID_GONE ".log"
        " web_shop_side-car-" ID_SIDE ".log web_shop_nginx-short.log"
        " web-2_shop_nginx-" ID_SIDE ".log");
    tap_ok(!pod_find(&f.cx, proc, "shop/web", &root, &pid) &&
               said(&f, "no container of the pod shop/web runs"),
           "a pod whose containers have ended");
    pod_process(302, 20, "0::/kubepods/burstable/pod" UID_NOW "/" ID_WEB "\n");
    pod_process(301, 30, "0::/kubepods/burstable/pod" UID_NOW "/" ID_WEB "/of/its/own\n");
    pod_process(303, 1, "0::/kubepods/burstable/pod" UID_NOW "/dd" ID_WEB "\n");
    /* What another pod's container may make below its own cgroup. */
    pod_process(304, 1,
                "0::/kubepods/burstable/pod" UID_OTHER "/" ID_SIDE "/pod" UID_NOW "/" ID_WEB "\n");
    tap_ok(pod_find(&f.cx, proc, "shop/web", &root, &pid) && pid == 302 &&
               strstr(root, "/proc/302/root"),
           "a pod of one container: its oldest process, and nobody's who only says so");
    pod_process(305, 10,
                "3:cpu:/x\n2:pids:/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" //
                UID_NOW_SLICE ".slice/cri-containerd-" ID_SIDE ".scope\n");
    tap_ok(!pod_find(&f.cx, proc, "shop/web", &root, &pid) &&
               said(&f, "several containers of the pod shop/web run") && said(&f, "nginx") &&
               said(&f, "side-car"),
           "a pod of two: their names are told");
    tap_ok(pod_find(&f.cx, proc, "shop/web/side-car", &root, &pid) && pid == 305,
           "one of them, by name, in a slice of systemd's");
    tap_ok(pod_find(&f.cx, proc, "shop/web/nginx", &root, &pid) && pid == 302, "the other one");
    tap_ok(!pod_find(&f.cx, proc, "shop/web/redis", &root, &pid) &&
               said(&f, "no container redis of the pod shop/web runs"),
           "a container that it has not");
    tap_ok(!pod_find(&f.cx, proc, "shop/we", &root, &pid) &&
               said(&f, "no pod shop/we on this node") && said(&f, "-o wide"),
           "a pod of another node");
    tap_ok(!pod_find(&f.cx, proc, "web", &root, &pid) && said(&f, "is no pod's name") &&
               !pod_find(&f.cx, proc, "shop/../x", &root, &pid) &&
               !pod_find(&f.cx, proc, "shop/web/nginx/x", &root, &pid) &&
               !pod_find(&f.cx, proc, "Shop/web", &root, &pid),
           "no names of pods");
    tear_down(&f);
}

/* ---- the kernel ---- */

static void test_kernel(void)
{
    struct fixture f;
    struct timespec a, b;

    set_up(&f);
    struct kernel *k = kernel_assume(&f.cx, NULL, 0);

    tap_ok(k && k->has[FEAT_MAY_GOTO] && k->has[FEAT_BPF] && k->release, "every feature assumed");
    k = kernel_assume(&f.cx, (const char *const[]){"may_goto", "bpf_loop"}, 2);
    tap_ok(k && !k->has[FEAT_MAY_GOTO] && !k->has[FEAT_BPF_LOOP] && k->has[FEAT_BPF],
           "two turned off");
    tap_ok(!kernel_assume(&f.cx, (const char *const[]){"may_got"}, 1) &&
               said(&f, "did you mean may_goto?"),
           "an unknown one, with the near name");
    bool named = true;

    for (int i = 0; i < FEAT_COUNT; i++)
        named &= *feature_name((enum feature)i) != '?' &&
                 !strncmp(feature_since((enum feature)i), "Linux ", 6);
    tap_ok(named, "all have names");
    clock_gettime(CLOCK_MONOTONIC, &a);
    k = kernel_probe(&f.cx, (const char *const[]){"sdiv"}, 1);
    clock_gettime(CLOCK_MONOTONIC, &b);
    tap_ok(k && !k->has[FEAT_SDIV], "probed");
    printf("# %.2f ms;",
           (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6);
    for (int i = 0; k && i < FEAT_COUNT; i++)
        printf(" %s%s", k->has[i] ? "" : "no ", feature_name((enum feature)i));
    printf("\n");
    /* What came later implies what came before, on stock kernels. */
    if (k && k->has[FEAT_BPF] && k->has[FEAT_BPF_LOOP])
        tap_ok(k->has[FEAT_FOR_EACH_MAP] && k->has[FEAT_ATOMICS] && k->has[FEAT_RINGBUF] &&
                   k->has[FEAT_SNPRINTF],
               "and consistent");
    else
        tap_skip("and consistent", "no bpf_loop here");
    tap_ok(k && (geteuid() == 0 || k->missing_caps), "capabilities");
    int status;
    pid_t pid = fork();

    if (pid == 0) { /* nobody */
        if (geteuid() == 0 && (setgid(65534) || setuid(65534)))
            _exit(2);
        k = kernel_probe(&f.cx, NULL, 0);
        _exit(k && !k->has[FEAT_BPF] && k->missing_caps && strstr(k->missing_caps, "CAP_BPF") ? 0
                                                                                              : 1);
    }
    tap_ok(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0,
           "without privileges: no BPF, and why");
    tear_down(&f);
}

static void test_build_ids(void)
{
    struct build_id id;
    struct arena *a = arena_new();

    tap_ok(build_id_parse("00fFa5", &id) && id.len == 3 && id.bytes[1] == 0xff,
           "a build-id from text");
    tap_text(build_id_text(a, &id), "00ffa5", "and back");
    tap_ok(!build_id_parse("abc", &id) && !build_id_parse("", &id) && !build_id_parse("zz", &id),
           "what is none");
    arena_free(a);
}

int main(void)
{
    if (!mkdtemp(dir) || chdir(dir)) {
        perror(dir);
        return 99;
    }
    setenv("CC", "cc", 0);
    test_sysroot();
    test_fake_proc();
    test_fake_container();
    test_build_ids();
    test_live();
    test_namespace();
    test_exec();
    test_containers();
    test_pods();
    test_kernel();
    if (!getenv("KEEP") && chdir("/") == 0)
        run("rm -rf '%s'", dir);
    return tap_done();
}

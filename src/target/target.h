/*
 * target: the process(es) a script looks at: their executable, their mapped modules and the
 * root under which their files are found.
 *
 * Everything under a sysroot belongs to whoever runs the container: files there are opened
 * only through sysroot_open (openat2 RESOLVE_IN_ROOT), sizes are bounded, contents are
 * untrusted. Host kernel data (BTF, kallsyms) never come from the sysroot.
 *
 * Who owns what. Unless a function says otherwise, what it returns lies in CX's arena (or A) and
 * lives as long as that, and what it is given stays the caller's. "Reported" means an error on
 * cx->diag; a function that does not say so reports nothing. Reading a target's files counts
 * against base/bounds.h: when a bound is reached, that is reported, and what was read until then
 * comes back. PIDs are those of the host; PROC is where /proc lies ("/proc", or a test's).
 */
#ifndef TARGET_TARGET_H
#define TARGET_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/compile.h"

enum { BUILD_ID_MAX = 64 };

struct build_id {
    uint8_t bytes[BUILD_ID_MAX];
    uint32_t len; /* bytes; 0: none */
};

/* ---- sysroot.c: files as the target sees them ---- */

struct sysroot; /* an open root directory; the host's "/" when there is no other */

/*
 * Opens the directory DIR of the host as a root ("/": the host itself). The caller closes it by
 * sysroot_free. NULL after reporting: it is no directory, it may not be opened, or the kernel has
 * no openat2(2), without which only the host is safe.
 */
struct sysroot *sysroot_new(struct compile *cx, const char *dir);

/* DIR, as R's processes see it, as a root of its own; the caller frees it. NULL: it is no directory
 * there. */
struct sysroot *sysroot_below(const struct sysroot *r, const char *dir);

/* Closes R; NULL is allowed. Files that were opened below it stay open. */
void sysroot_free(struct sysroot *r);

/* The directory as it was given, without slashes at its end: "" for "/". It is R's. */
const char *sysroot_dir(const struct sysroot *r);
bool sysroot_is_host(const struct sysroot *r);
/* The directory itself, open as a place (O_PATH); it is R's. */
int sysroot_fd(const struct sysroot *r);

/*
 * Opens the regular file PATH (absolute, as the target sees it) for reading; the caller closes the
 * descriptor. Symbolic links and ".." are resolved below the root, as in a chroot (openat2(2)
 * RESOLVE_IN_ROOT). -1 and errno: EISDIR or EINVAL for what is no regular file, else open(2)'s.
 */
int sysroot_open(const struct sysroot *r, const char *path);

/* The same for a directory, for fdopendir(3), which takes the descriptor over. */
int sysroot_open_dir(const struct sysroot *r, const char *path);

/*
 * The whole regular file at PATH: a malloc'ed copy, which the caller frees, with a NUL behind it;
 * its length in bytes in *LEN (may be NULL). NULL and errno: sysroot_open's, EFBIG for more than
 * MAX bytes, ENOMEM.
 */
char *sysroot_read(const struct sysroot *r, const char *path, size_t max, size_t *len);

/* ---- target.c: whom the user means ---- */

/* A mapping of a process: a line of /proc/PID/maps. */
struct map {
    struct map *next;
    uint64_t start, end; /* addresses in the process */
    uint64_t offset;     /* in the file, bytes */
    bool exec, write;
    bool shared; /* with other processes */
    bool deleted;      /* the file has no name any more: " (deleted)" */
    uint64_t dev, ino; /* as the line has them: major << 32 | minor; 0: no file */
    const char *path;  /* as the target sees it, without " (deleted)" */
};

/* A file of code that the target has mapped, or that was asked for. */
struct module {
    struct module *next;
    const char *path; /* as the target sees it */
    bool is_exe, deleted;
    struct build_id id;
    uint64_t bias;       /* run-time address = ELF vaddr + bias; 0 for a non-PIE executable, and
                          * for what is not mapped */
    uint64_t start, end; /* lowest and highest mapped run-time address; equal: not mapped */
    uint64_t dev, ino;   /* of the file by PATH, as stat(2) has them: DEV is none of a map's */
    /*
     * The file itself, open until target_close: what the process runs, or what was found at PATH.
     * Whatever is read of the module is read from it, and breakpoints go into it: a name could lead
     * to another file by then.
     */
    int fd;
    const char *probe_path;      /* opens that file: "/proc/self/fd/FD" */
    struct elf_symbols *symbols; /* private: of target_module_with, not sorted */
    const char *host_path;       /* its name on the host, for other programs; NULL: none is known */
};

/* A file that is mapped and could not be opened. */
struct unread {
    struct unread *next;
    const char *path; /* as the target sees it */
    int error;        /* errno; ESTALE: another file has that name now */
};

struct arch;

enum target_kind { TARGET_NONE, TARGET_PID, TARGET_MASTER, TARGET_EXEC, TARGET_CMD };

/* How the user named the target. All of it stays the caller's; PROC must live as long as the
 * target. */
struct target_opts {
    pid_t pid;         /* -x; 0: none */
    const pid_t *more; /* what further -x name */
    uint32_t n_more;
    pid_t master;               /* --master; 0: none */
    pid_t sample_pid;           /* --sample-pid: libraries only; 0: none */
    const char *exec;           /* --exec, or NULL */
    const char *sysroot;        /* --sysroot, or NULL: found out */
    const char *container;      /* --container NAME|ID, or NULL */
    const char *pod;            /* --pod NAMESPACE/POD[/CONTAINER], or NULL */
    const char *proc;           /* NULL: "/proc"; a fake one for tests (--procfs, hidden) */
    const char *const *modules; /* -d PATH: further modules */
    uint32_t n_modules;
};

struct target {
    enum target_kind kind;
    pid_t pid;   /* of -x the first, of -c the command; 0 for --master and --exec */
    pid_t *pids; /* processes to look at: those of -x, or a master's workers; sorted */
    uint32_t n_pids;
    pid_t held;             /* of -c the command while it stands still at its start; else 0 */
    pid_t master;           /* TARGET_MASTER: the parent of those, and of the workers to come */
    const char *exec_path;  /* executable as the target sees it; NULL: none known */
    struct sysroot *root;   /* the target's: target_close frees it */
    struct module *modules; /* executable first, then in order of address, then those asked for */
    struct unread *unread;  /* told of already */
    const char *proc;
    /* private */
    uint64_t *start_times; /* of pids, clock ticks since boot: a pid can be another process's by
                             * now */
    const char *chroot;    /* where our namespace shows the processes' root; "": nowhere, or it is
                             * ours */
    bool exe_deleted;
    const struct ksyms *ksyms; /* ksyms.h; NULL: nobody has asked */
    struct ksym_names *traced; /* likewise */
    uint64_t awaited_ns;       /* await.c: how long it was waited for */
};

/*
 * Finds the target that O names, and opens its root and modules: the caller calls target_close.
 * With no target at all kind is TARGET_NONE and the host is the sysroot. NULL after reporting (no
 * such pid, no children of the master, PATH not found ...), with stap++'s words where it has some;
 * nothing stays open then. Modules that cannot be read are warned of, and left out.
 */
struct target *target_open(struct compile *cx, const struct target_opts *o);

/* Closes the modules' files and the root; the rest is the arena's. NULL and a second call are
 * allowed. */
void target_close(struct target *t);

/* The process that stands for the target where one is wanted: of -x the first that was given, of a
 * master's workers the first; 0: there is none. */
static inline pid_t target_first(const struct target *t)
{
    return t->pid || !t->n_pids ? t->pid : t->pids[0];
}

/* Is T->pids[I] still the process that was found (by its start time), and not ended? */
bool target_same(const struct target *t, uint32_t i);

/* ---- module.c: the target's modules ---- */

/*
 * The module at PATH, by its name, else by its inode; a file that is not mapped is opened below the
 * root and added. It is T's. A relative PATH with a slash means ngstap's own directory, on the host
 * only. NULL: no such file, or no ELF file.
 */
struct module *target_module(struct compile *cx, struct target *t, const char *path);

/* Why that is NULL, as a sentence (static, or strerror's); NULL: there is no such file. */
const char *target_lacks(const struct target *t, const char *path);

/* The first of T's modules whose symbols have VARIABLE, at *VADDR; it is T's. NULL: none has. */
struct module *target_module_with(struct compile *cx, struct target *t, const char *variable,
                                  uint64_t *vaddr);

/* ---- await.c: what the target has not made yet ---- */

/*
 * Lets the target's first process run on for a moment, 1 to 500 ms; T->awaited_ns is the sum of
 * them. False: LIMIT_MS (10 s at most) are over, there is no process, or it has ended. In a jail
 * the parent is asked, by a message of the kind TARGET_AWAITED, which it hands to the function
 * below.
 */
bool target_await(struct target *t, uint32_t limit_ms);
enum { TARGET_AWAITED = 102 }; /* of jail_told's kinds */
void target_await_answer(struct target *t, const void *limit_ms, size_t n, FILE *reply);

/* ---- proc.c: what /proc says ---- */

/*
 * The mappings of PID, in order of address; paths as T's processes see them. NULL after reporting,
 * with what to do: it has ended, has no memory, or may not be looked into.
 */
struct map *target_maps(struct compile *cx, const struct target *t, pid_t pid);

/* Does PID live in another mount namespace than ours? false also when that cannot be read. */
bool pid_in_container(const char *proc, pid_t pid);

/* ---- process.c: facts of one process ---- */

/* The working directory, as the target sees it; NULL: it is deleted, or cannot be read. */
const char *process_cwd(struct compile *cx, const struct target *t, pid_t pid);

/* The arguments, each with its NUL, and *LEN, all their bytes: the first 64 KiB. NULL and 0: it has
 * none (a kernel thread), or they cannot be read. */
const char *process_cmdline(struct compile *cx, const struct target *t, pid_t pid, size_t *len);

/* The parent; 0: none in this namespace, or it cannot be read. */
pid_t process_parent(const struct target *t, pid_t pid);

/* What /proc/PID/status says. */
struct process_ids {
    char name[64]; /* as the process calls itself: any bytes */
    pid_t ppid;
    uint32_t uid, euid, gid, egid;
};
/* False: it has ended, or cannot be read; *OUT is undefined then. */
bool process_ids(const char *proc, pid_t pid, struct process_ids *out);

/* Is it there, and no zombie? */
bool process_alive(const struct target *t, pid_t pid);

/* When it started: clock ticks (sysconf(_SC_CLK_TCK)) since boot; 0: it cannot be read. */
uint64_t process_start_ticks(const char *proc, pid_t pid);

/* The same in seconds since 1970, within two; 0: it cannot be read. */
time_t process_started(struct compile *cx, const struct target *t, pid_t pid);

/* ---- container.c: engines ---- */

/*
 * Asks the engines that are installed (docker, podman, nerdctl, crictl), ten seconds each at most,
 * for the container NAME (a name or an id): *PID, its first process, and *ROOT, "/proc/PID/root".
 * False after reporting: none of them has one that runs, or several have that name.
 */
bool container_find(struct compile *cx, const char *name, const char **root, pid_t *pid);

/* What the engine that has it calls the container of that id, and its labels, "NAME=VALUE" lines
 * after it; CX's arena. NULL: no engine here has it. The bytes are its maker's. */
const char *container_describe(struct compile *cx, const char *id);

/* ---- cgroup.c: which container a process is in ---- */

enum { CONTAINER_ID_LEN = 64 };

/* The container's id, hex digits, in a cgroup's PATH (up to its end or a newline): the outermost.
 * False, ID undefined: it names none. */
bool cgroup_container(const char *path, char id[CONTAINER_ID_LEN + 1]);
/* ... in that of PID; false also when it cannot be read. */
bool process_container(const char *proc, pid_t pid, char id[CONTAINER_ID_LEN + 1]);

/* ---- pod.c: Kubernetes ---- */

/*
 * The container that NAME, "NAMESPACE/POD[/CONTAINER]", means on this node: *PID, its oldest
 * process, and *ROOT, "PROC/PID/root". False after reporting: there is no such pod here, none of
 * its containers runs, or several do and NAME does not say which.
 */
bool pod_find(struct compile *cx, const char *proc, const char *name, const char **root,
              pid_t *pid);

/* What the kubelet calls the container of that id (64 digits); CX's arena. False: it has none. */
struct pod_names {
    const char *namespace, *pod, *container;
};
bool pod_of(struct compile *cx, const char *proc, const char *id, struct pod_names *out);

/* ---- workers.c: who of a tree of processes does the Lua work ---- */

/*
 * Looks from TOP (itself included) down for the first process that holds LuaJIT. *MASTER is that
 * one when several children of it run the same file (its workers), *PID is 0 then; else *PID is its
 * one such child, or itself, and *MASTER 0. False after reporting, both 0: none holds LuaJIT.
 */
bool target_workers(struct compile *cx, const char *proc, pid_t top, pid_t *pid, pid_t *master);

/*
 * All processes that descend from the N processes TOPS, nearest first, without TOPS (4096 with
 * them at most): *BELOW; returns how many, 0 (*BELOW unset) also when PROC cannot be read.
 */
uint32_t target_below(struct compile *cx, const char *proc, const pid_t *tops, uint32_t n,
                      pid_t **below);

/* ---- worker_index.c ---- */

/* The number that nginx counts T's process PID by among its master's workers, 0 the first. False:
 * it is no nginx worker, or its executable has no symbols. */
bool target_worker_index(struct compile *cx, const struct target *t, pid_t pid, uint32_t *out);

/* ---- elf.c: facts of an ELF file; FD stays the caller's, its offset does not matter ---- */

/* The machine that a script for T is for: that of its program, else this one. NULL: not known.
 * Static. */
const struct arch *target_arch(const struct target *t);

/* The build-id of the file at FD. False, id->len 0: it has none, or is no sound ELF file. */
bool elf_build_id(int fd, struct build_id *id);

/* As hexadecimal digits; "" for none. */
const char *build_id_text(struct arena *a, const struct build_id *id);

/* The reverse; false, *ID undefined: HEX is empty, odd, too long or holds something else. */
bool build_id_parse(const char *hex, struct build_id *id);

/* Where VADDR, an address by the program headers, lies in the file (what uprobes take), in bytes:
 * *OFFSET. False: no sound ELF file, or the address is in no PT_LOAD segment's file part. */
bool elf_vaddr_to_offset(int fd, uint64_t vaddr, uint64_t *offset);

/* begins.c: does an instruction begin at each of the N addresses at VADDRS (by the program headers)
 * of the file at FD? OUT: enum begins, a byte each. False, OUT undefined: it is no sound ELF
 * file. */
enum begins { BEGINS_UNKNOWN, BEGINS, BEGINS_NOT };
bool elf_begins(int fd, const uint64_t *vaddrs, uint32_t n, uint8_t *out);

/* The first segment that may run, and the build-id where it is loaded. */
struct elf_code {
    uint64_t offset, vaddr, size; /* in the file; in memory; bytes in the file */
    struct build_id id;           /* len 0: none that is loaded */
    uint64_t id_vaddr;            /* of the build-id's bytes */
};
/* False: not a sound ELF file, or no such segment. */
bool elf_code(int fd, struct elf_code *out);

/* ---- symtab.c: the symbol table of an ELF file: .symtab, else .dynsym ---- */

struct elf_symbol {
    uint64_t vaddr, size; /* by the program headers; bytes, 0: not told */
    const char *name;     /* the file owner's bytes: not clean, below 4096 of them */
    bool is_func;
    bool is_global; /* other files can use it: no static one */
    bool is_ifunc;  /* the dynamic linker chooses a function; VADDR is that of what chooses */
    uint32_t room;  /* of size 0: bytes to the end of its section, 4 GiB - 1 at most */
};
struct elf_symbols {
    struct elf_symbol *v; /* sorted by vaddr */
    uint32_t n;
};

/* The symbol of S that holds VADDR; it is S's. NULL: none. One of size 0 (assembly) holds up to the
 * next one or its section's end, but what lies in one with a size is that one's. */
const struct elf_symbol *elf_symbol_at(const struct elf_symbols *s, uint64_t vaddr);

/* The symbols of the file at FD, but for undefined, absolute and thread-local ones; n = 0 when it
 * has none, is no sound ELF file, or has more than the bounds allow (reported). */
struct elf_symbols elf_symbols_read(struct arena *a, int fd);

/* Likewise, without the functions, in the order of the file: not for elf_symbol_at(). */
struct elf_symbols elf_variables_read(struct arena *a, int fd);

/* minidebug.c: the symbols that a stripped file has beside its .dynsym (.gnu_debugdata); n = 0 when
 * it has none, or they are not sound. */
struct elf_symbols elf_mini_symbols(struct arena *a, int fd);

/*
 * Who knows more symbols of a module than its file has (a separate debug file's): load/ and run/
 * ask by this alone, and include nothing of debug/. OF returns the symbols, which live as long as
 * ARG does, or NULL: none are known. OF NULL: nobody is asked.
 */
struct symbol_line {
    const char *file; /* NULL: not known */
    uint32_t line;    /* 0: not known */
};
struct symbol_source {
    const struct elf_symbols *(*of)(void *arg, const struct module *m);
    /* The line that the code at VADDR of M comes from; NULL: none is known of any. */
    bool (*line)(void *arg, const struct module *m, uint64_t vaddr, struct symbol_line *out);
    void *arg;
    /* Opens M's separate debug file, found by M's build-id on this machine or below the target's
     * root; the caller closes it. -1: there is none. */
    int (*debug_file)(void *arg, const struct module *m);
};

/* ---- kernel.c: what this kernel can do ---- */

enum feature {
    FEAT_BPF,            /* bpf(2) at all, with our privileges */
    FEAT_RINGBUF,        /* 5.8 */
    FEAT_ATOMICS,        /* 5.12: xchg, fetch */
    FEAT_FOR_EACH_MAP,   /* 5.13 */
    FEAT_TASK_PT_REGS,   /* 5.15: bpf_task_pt_regs */
    FEAT_BPF_COOKIE,     /* 5.15 */
    FEAT_BPF_LOOP,       /* 5.17 */
    FEAT_SDIV,           /* 6.6: signed division */
    FEAT_MAY_GOTO,       /* 6.9 */
    FEAT_SNPRINTF,       /* 5.13: bpf_snprintf */
    FEAT_PERF_EVENT,     /* perf_event_open with a software clock */
    FEAT_UPROBE,         /* perf's uprobe PMU */
    FEAT_RAW_TRACEPOINT, /* 4.17 */
    FEAT_UPROBE_MULTI,   /* 6.6, usable since 6.10: many breakpoints in one link */
    FEAT_WRITE_USER,     /* 4.8: bpf_probe_write_user; none under lockdown */
    FEAT_KPROBE,         /* perf's kprobe PMU */
    FEAT_KPROBE_MULTI,   /* 5.18: many functions of the kernel's in one link */
    FEAT_FENTRY,         /* 5.5, with bpf_get_func_arg 5.17; see kernel_can_fentry */
    FEAT_COUNT
};

/*
 * BPF_LINK_CREATE of union bpf_attr for links of many breakpoints (include/uapi/linux/bpf.h since
 * 6.6): the header in use may be older.
 */
struct kernel_multi_link {
    uint32_t prog, target, attach_type, flags;     /* target, flags: 0 */
    uint64_t path, offsets, ref_counters, cookies; /* addresses; of arrays of COUNT 64-bit numbers
                                                    * but for the path */
    uint32_t count, multi_flags, pid;              /* pid 0: every process */
    uint32_t reserved;
};

enum { KERNEL_UPROBE_MULTI = 48 /* BPF_TRACE_UPROBE_MULTI */, KERNEL_MULTI_RETURN = 1 };

/* A descriptor, the caller's, which takes the breakpoints out when it is closed; -1 and errno. */
int kernel_link_multi(const struct kernel_multi_link *link);

/* The same for functions of the kernel (5.18). */
struct kernel_kprobe_link {
    uint32_t prog, target, attach_type, flags; /* target, flags: 0 */
    uint32_t multi_flags, count;
    uint64_t names, addrs, cookies; /* addresses of arrays of COUNT; NAMES 0, COOKIES may be 0 */
};

enum { KERNEL_KPROBE_MULTI = 42 /* BPF_TRACE_KPROBE_MULTI */ };

int kernel_link_kprobes(const struct kernel_kprobe_link *link);

/*
 * The build of the kernel that runs here, as objects record it: its build-id, else a hash of its
 * release and version; len 0: neither can be read.
 */
void kernel_build_id(struct build_id *id);

/*
 * The kernel as a module: PATH "kernel", or "kernel:NAME" for one of its own. kernel_module_of:
 * that NAME, or NULL for the kernel itself and for paths of files.
 */
bool kernel_is_path(const char *path);
const char *kernel_module_of(const char *path);
/* The build of the module NAME that is loaded; len 0: there is none, or it does not say. */
void kernel_module_build_id(const char *name, struct build_id *id);

/* "CAP_BPF, CAP_PERFMON": what a run would lack of capabilities(7), in A. NULL: nothing, or it is
 * not known. */
const char *kernel_missing_caps(struct arena *a);

/* Hints: what each of these would be for. */
void kernel_hint_caps(struct compile *cx);
/* The same for CAP (linux/capability.h) alone. False: we have it. */
bool kernel_hint_cap(struct compile *cx, int cap);

/* Has this process CAP_SYS_PTRACE? */
bool kernel_may_ptrace(void);

struct kernel {
    bool has[FEAT_COUNT];
    const char *release;      /* uname -r */
    const char *missing_caps; /* kernel_missing_caps(), or "bpf(2)": refused all the same */
    bool tried_fentry;        /* private */
};

/*
 * Are there fentry and fexit? Tried when it is asked, for the kernel's BTF is read for it: 40 ms.
 * K->has[FEAT_FENTRY] says only whether it may be used.
 */
bool kernel_can_fentry(struct kernel *k);
enum { KERNEL_ASKED = 101 }; /* of jail_told's kinds: that question, answered by a byte */

/* Reports at AT that functions of the kernel K cannot be probed at all; false. */
bool kernel_no_functions(struct compile *cx, const struct kernel *k, struct span at);

/*
 * Finds out by trying (loading small programs, a few milliseconds), never by version, what this
 * kernel can do for us. The N_DISABLED features DISABLED count as absent and are not tried
 * (--no-feature=NAME). NULL after reporting that one of them is no feature.
 */
struct kernel *kernel_probe(struct compile *cx, const char *const *disabled, uint32_t n_disabled);

/* The same without a kernel, for compiling elsewhere (-p4, tests): all are there but for DISABLED.
 * Capabilities are not looked at. */
struct kernel *kernel_assume(struct compile *cx, const char *const *disabled, uint32_t n_disabled);

const char *feature_name(enum feature f);  /* "may_goto", as --no-feature takes it; static */
const char *feature_since(enum feature f); /* "Linux 6.9", for messages; static */

#endif

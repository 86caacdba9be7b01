/*
 * target: the process(es) a script looks at: their executable, their mapped modules and the
 * root under which their files are found.
 *
 * Everything under a sysroot belongs to whoever runs the container: files there are opened
 * only through sysroot_open (openat2 RESOLVE_IN_ROOT), sizes are bounded, contents are
 * untrusted. Host kernel data (BTF, kallsyms) never come from the sysroot.
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
    uint32_t len; /* 0: none */
};

/* ---- sysroot.c: files as the target sees them ---- */

struct sysroot; /* an open root directory; the host's "/" when there is no other */

/*
 * Opens DIR ("/": the host). NULL after reporting (cx->diag) when it is not a directory.
 */
struct sysroot *sysroot_new(struct compile *cx, const char *dir);
void sysroot_free(struct sysroot *r);
const char *sysroot_dir(const struct sysroot *r); /* as given, without a trailing slash; "" for
                                                   * "/" */
bool sysroot_is_host(const struct sysroot *r);

/*
 * Opens PATH (absolute, as the target sees it) for reading below the root; symbolic links and ".."
 * are resolved inside it, as in a chroot (openat2(2) RESOLVE_IN_ROOT). -1 and errno; only regular
 * files.
 */
int sysroot_open(const struct sysroot *r, const char *path);

/* DIR below R as a root of its own; NULL: it is no directory there (nothing is reported). */
struct sysroot *sysroot_below(const struct sysroot *r, const char *dir);

/* The same for a directory, for fdopendir(3). */
int sysroot_open_dir(const struct sysroot *r, const char *path);

/* Reads a whole regular file of at most MAX bytes; NUL added; NULL and errno (EFBIG). malloc'ed. */
char *sysroot_read(const struct sysroot *r, const char *path, size_t max, size_t *len);

/* ---- proc.c: /proc/PID ---- */

struct map {
    struct map *next;
    uint64_t start, end, offset; /* bytes; offset in the file */
    bool exec;
    bool deleted;                /* " (deleted)" */
    uint64_t dev, ino;
    const char *path;            /* as the target sees it, without " (deleted)" */
};

struct module {
    struct module *next;
    const char *path;       /* as the target sees it */
    bool is_exe, deleted;
    struct build_id id;
    uint64_t bias;          /* run-time address = ELF vaddr + bias; 0 for a non-PIE executable */
    uint64_t start, end;    /* lowest and highest mapped run-time address */
    uint64_t dev, ino;      /* of the file by PATH, as stat(2) has them */
    /*
     * The file itself, open until target_close: what the process runs, or what was found at PATH.
     * Whatever is read of the module is read from it, and breakpoints go into it: a name could lead
     * to another file by then.
     */
    int fd;
    const char *probe_path; /* opens that file: "/proc/self/fd/FD" */
    struct elf_symbols *symbols; /* private: of target_module_with, not sorted */
    const char *host_path;  /* its name on the host, for other programs; NULL: none is known */
};

/* A file that is mapped and could not be opened. */
struct unread {
    struct unread *next;
    const char *path; /* as the target sees it */
    int error;        /* errno */
};

struct arch;

enum target_kind { TARGET_NONE, TARGET_PID, TARGET_MASTER, TARGET_EXEC, TARGET_CMD };

/* How the user named the target. */
struct target_opts {
    pid_t pid;             /* -x; 0: none */
    const pid_t *more;     /* what further -x name */
    uint32_t n_more;
    pid_t master;          /* --master; 0: none */
    pid_t sample_pid;      /* --sample-pid: libraries only */
    const char *exec;      /* --exec */
    const char *sysroot;   /* --sysroot, or NULL: found out */
    const char *container; /* --container NAME|ID, or NULL */
    const char *proc;      /* "/proc", or a fake one for tests (--procfs, hidden) */
    const char *const *modules; /* -d PATH: further modules */
    uint32_t n_modules;
};

struct target {
    enum target_kind kind;
    pid_t pid;               /* of -x the first, of -c the command; 0 for --master and --exec */
    pid_t *pids;             /* processes to look at: those of -x, or a master's workers; sorted */
    uint32_t n_pids;
    pid_t master;            /* TARGET_MASTER: the parent of those, and of the workers to come */
    const char *exec_path;   /* executable as the target sees it; NULL: none known */
    struct sysroot *root;
    struct module *modules;  /* executable first, then in order of address */
    struct unread *unread;   /* told of already */
    const char *proc;
    /* private */
    uint64_t *start_times;   /* of pids: a pid can be another process's by now */
    const char *chroot;      /* where our namespace shows the processes' root; "": nowhere, or it is
                              * ours */
    bool exe_deleted;
};

/*
 * Finds the target. Errors (no such pid, no children of the master, PATH not found ...) are
 * reported with stap++'s words where it has some; NULL then. With no target at all kind is
 * TARGET_NONE and the host is the sysroot.
 */
struct target *target_open(struct compile *cx, const struct target_opts *o);
void target_close(struct target *t);

/* Reads /proc/PID/maps; NULL after reporting. */
struct map *target_maps(struct compile *cx, const struct target *t, pid_t pid);

/* The module of that path (exact, then by resolved inode), adding it by opening it under the
 * sysroot when it is not mapped; NULL: no such file (nothing is reported). */
struct module *target_module(struct compile *cx, struct target *t, const char *path);

/* The first module that is mapped, or that the executable needs, whose symbols have a variable of
 * that name; NULL. */
struct module *target_module_with(struct compile *cx, struct target *t, const char *variable);

/* The process that stands for the target where one is wanted: of -x the first that was given, of a
 * master's workers the first; 0: there is none. */
static inline pid_t target_first(const struct target *t)
{
    return t->pid || !t->n_pids ? t->pid : t->pids[0];
}

/* Is T->pids[I] still the process that was found (start time), and not ended? */
bool target_same(const struct target *t, uint32_t i);

/* ---- process.c: facts of one process; what cannot be read is NULL or 0 ---- */

/* as the target sees it */
const char *process_cwd(struct compile *cx, const struct target *t, pid_t pid);
/* Its arguments, each with its NUL; the first 64 KiB. Arena. */
const char *process_cmdline(struct compile *cx, const struct target *t, pid_t pid, size_t *len);
pid_t process_parent(const struct target *t, pid_t pid);
/* What /proc/PID/status says; false: it has ended. */
struct process_ids {
    char name[64];
    pid_t ppid;
    uint32_t uid, euid, gid, egid;
};
bool process_ids(const char *proc, pid_t pid, struct process_ids *out);
bool process_alive(const struct target *t, pid_t pid); /* and no zombie */
uint64_t process_start_ticks(const char *proc, pid_t pid); /* clock ticks since boot */
time_t process_started(struct compile *cx, const struct target *t, pid_t pid);

/* ---- container.c: engines and namespaces ---- */

/* The merged root and first host pid of a container by engine (docker, podman, crictl); false after
 * reporting. */
bool container_find(struct compile *cx, const char *name, const char **root, pid_t *pid);

/* Does the pid live in another mount namespace than ours? */
bool pid_in_container(const char *proc, pid_t pid);

/* ---- workers.c ---- */

/*
 * Which processes below TOP (itself included) do the Lua work: sets either PID, or MASTER when
 * several children of one process do. PROC: "/proc". False after reporting: none of them holds
 * LuaJIT.
 */
bool target_workers(struct compile *cx, const char *proc, pid_t top, pid_t *pid, pid_t *master);

/* Is the file at PATH, by its name, LuaJIT's library or program? */
bool target_is_luajit(const char *path);

/* All processes that descend from TOPS, those left out, nearest first; how many. What cannot be
 * read has none. Arena. */
uint32_t target_below(struct compile *cx, const char *proc, const pid_t *tops, uint32_t n,
                      pid_t **below);

/* ---- elf.c ---- */

/* The machine that a script for T is for: that of its program, else this one. NULL: not known. */
const struct arch *target_arch(const struct target *t);

/* Build-id of the ELF file open at FD; false: not a sound ELF file or no build-id (id->len 0). */
bool elf_build_id(int fd, struct build_id *id);
const char *build_id_text(struct arena *a, const struct build_id *id); /* hex */
bool build_id_parse(const char *hex, struct build_id *id);

/* The file offset of a virtual address (what uprobes take); false: in no PT_LOAD segment. */
bool elf_vaddr_to_offset(int fd, uint64_t vaddr, uint64_t *offset);

/* The first segment that may run: where it lies in the file and in memory; and the build-id's
 * address. */
struct elf_code {
    uint64_t offset, vaddr, size;
    struct build_id id; /* len 0: none that is loaded */
    uint64_t id_vaddr;
};
bool elf_code(int fd, struct elf_code *out); /* false: not a sound ELF file, or no such segment */

/* ---- symtab.c: the symbol table of an ELF file: .symtab, else .dynsym ---- */

struct elf_symbol {
    uint64_t vaddr, size;
    const char *name;
    bool is_func;
    bool is_ifunc; /* the dynamic linker chooses a function; VADDR is that of what chooses */
};
struct elf_symbols {
    struct elf_symbol *v; /* sorted by vaddr */
    uint32_t n;
};
/* The symbol that holds VADDR (size 0: up to the next), or NULL. */
const struct elf_symbol *elf_symbol_at(const struct elf_symbols *s, uint64_t vaddr);
/* The symbols of an open ELF file; arena-owned; n = 0 when it has none or is not sound. */
struct elf_symbols elf_symbols_read(struct arena *a, int fd);
/* Likewise, without the functions, in the order of the file: not for elf_symbol_at(). */
struct elf_symbols elf_variables_read(struct arena *a, int fd);

/*
 * Who knows more symbols of a module than its file has (a separate debug file's): load/ and run/
 * ask by this alone, and include nothing of debug/. OF returns the symbols, which live as long as
 * ARG does, or NULL: none are known. OF NULL: nobody is asked.
 */
struct symbol_source {
    const struct elf_symbols *(*of)(void *arg, const struct module *m);
    void *arg;
};

/* ---- kernel.c: what this kernel can do ---- */

enum feature {
    FEAT_BPF,          /* bpf(2) at all, with our privileges */
    FEAT_RINGBUF,      /* 5.8 */
    FEAT_ATOMICS,      /* 5.12: xchg, fetch */
    FEAT_FOR_EACH_MAP, /* 5.13 */
    FEAT_TASK_PT_REGS, /* 5.15: bpf_task_pt_regs */
    FEAT_BPF_COOKIE,   /* 5.15 */
    FEAT_BPF_LOOP,     /* 5.17 */
    FEAT_SDIV,         /* 6.6: signed division */
    FEAT_MAY_GOTO,     /* 6.9 */
    FEAT_SNPRINTF,     /* 5.13: bpf_snprintf */
    FEAT_PERF_EVENT,   /* perf_event_open with a software clock */
    FEAT_UPROBE,       /* perf's uprobe PMU */
    FEAT_RAW_TRACEPOINT, /* 4.17 */
    FEAT_UPROBE_MULTI, /* 6.6, usable since 6.10: many breakpoints in one link */
    FEAT_COUNT
};

/* The build of the kernel that runs here, as OBJECT files record it: its build-id, else a hash of
 * its version. */
void kernel_build_id(struct build_id *id);

/*
 * BPF_LINK_CREATE of union bpf_attr for links of many breakpoints (include/uapi/linux/bpf.h since
 * 6.6): the header in use may be older. A descriptor, or -1 and errno.
 */
struct kernel_multi_link {
    uint32_t prog, target, attach_type, flags; /* target, flags: 0 */
    uint64_t path, offsets, ref_counters, cookies; /* addresses; of arrays of COUNT 64-bit numbers
                                                    * but for the path */
    uint32_t count, multi_flags, pid;              /* pid 0: every process */
    uint32_t reserved;
};
enum { KERNEL_UPROBE_MULTI = 48 /* BPF_TRACE_UPROBE_MULTI */, KERNEL_MULTI_RETURN = 1 };
int kernel_link_multi(const struct kernel_multi_link *link);

/* "CAP_BPF, CAP_PERFMON": what a run would lack of capabilities(7), or NULL. */
const char *kernel_missing_caps(struct arena *a);
bool kernel_may_ptrace(void); /* this process has CAP_SYS_PTRACE */

struct kernel {
    bool has[FEAT_COUNT];
    const char *release; /* uname -r */
    const char *missing_caps; /* "CAP_BPF, CAP_PERFMON": what a run would lack, or NULL */
};

/*
 * Probes by trying (loading small programs), never by version; DISABLED lists features to treat
 * as absent (--no-feature=NAME, repeatable). Reports an unknown name. NULL then.
 */
struct kernel *kernel_probe(struct compile *cx, const char *const *disabled, uint32_t n_disabled);
const char *feature_name(enum feature f);  /* "may_goto" */
const char *feature_since(enum feature f); /* "Linux 6.9" */

/* Every feature present: for compiling without a kernel (--p4 elsewhere, tests). */
struct kernel *kernel_assume(struct compile *cx, const char *const *disabled, uint32_t n_disabled);

#endif

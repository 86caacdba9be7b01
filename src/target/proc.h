/*
 * proc: readers of /proc, for this folder. PROC is where it lies ("/proc"); pids are the host's.
 */
#ifndef TARGET_PROC_H
#define TARGET_PROC_H

#include "target/target.h"

enum { PROC_STATUS_MAX = 1 << 20 }; /* the list of groups may be long */

/* The file PROC/PID/NAME as a malloc'ed string; NULL and errno: EFBIG for more than MAX bytes, or
 * file_read()'s. */
char *proc_read(const char *proc, pid_t pid, const char *name, size_t max);

struct proc_stat {
    char state;
    pid_t ppid;
    uint64_t start; /* clock ticks since boot */
};

/* What PROC/PID/stat says; false and errno: it cannot be read, or is no such text. */
bool proc_stat(const char *proc, pid_t pid, struct proc_stat *out);

/* Has it ended, though somebody has still to wait for it? */
static inline bool proc_ended(const struct proc_stat *st)
{
    return st->state == 'Z' || st->state == 'X';
}

struct process {
    pid_t pid, parent;
    uint64_t start; /* clock ticks since boot */
};

/*
 * The processes that have not ended, of PARENT's children alone unless it is 0; *V is sorted by
 * pid, in cx->arena. What goes away meanwhile, or cannot be read, is left out. False after
 * reporting: PROC cannot be listed.
 */
bool proc_list(struct compile *cx, const char *proc, pid_t parent, struct process **v, uint32_t *n);

/* The process that PID is a thread of; PID itself when it is a process, or it cannot be told. */
pid_t proc_thread_group(const char *proc, pid_t pid);

/* What the link PROC/PID/NAME holds, in A; NULL and errno. */
char *proc_link(struct arena *a, const char *proc, pid_t pid, const char *name);

/* PATH as it is called below the process's root, when our name for it shows that root's place
 * (CHROOT, may be NULL); a part of PATH. */
const char *proc_in_root(const char *path, const char *chroot);

/* Cuts " (deleted)" off; false: there is none. */
bool proc_strip_deleted(char *path);

/* What to do when the kernel lets nobody look into that process (EACCES, EPERM): a hint. */
void proc_hint_ptrace(struct compile *cx);

#endif

/*
 * proc_priv: what proc.c and module.c share.
 */
#ifndef TARGET_PROC_PRIV_H
#define TARGET_PROC_PRIV_H

#include <gelf.h>

#include "target/target.h"

struct proc_stat {
    char state;
    pid_t ppid;
    uint64_t start; /* clock ticks since boot */
};

bool proc_stat_parse(const char *text, struct proc_stat *out);

/* What the link PROC/PID/NAME holds; NULL and errno. */
char *proc_link(struct arena *a, const char *proc, pid_t pid, const char *name);

/* PATH as it is called below the process's root, when our name for it shows that root's place. */
const char *proc_in_root(const char *path, const char *chroot);

/* Cuts " (deleted)" off. */
bool proc_strip_deleted(char *path);

/* What is to be added to the addresses of ELF, which is mapped at M. */
uint64_t module_bias(Elf *elf, const struct map *m);

/* Fills t->modules from the maps (or --exec's needed libraries) and -d; false after reporting. */
bool modules_find(struct compile *cx, struct target *t, const struct target_opts *o);
void modules_close(struct target *t);

#endif

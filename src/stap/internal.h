/*
 * internal: what the files that print a script share.
 */
#ifndef STAP_INTERNAL_H
#define STAP_INTERNAL_H

#include "stap/stap.h"

/* ---- prelude.c: functions that the script brings along, each printed when it is needed ---- */

enum stap_need {
    NEED_LOAD, /* and the fifteen after it: user or kernel, signed or not, 1 2 4 8 bytes */
    NEED_REG = NEED_LOAD + 16,
    NEED_BASE,
    NEED_TOUPPER,
    NEED_TOLOWER,
    NEED_SPAN,
    NEED_PLAIN,
    NEED_PIDNS,
    NEED_WRITE, /* user memory, or a field of its bits */
    NEED_SCOPE,  /* is the current process one whose hits count? */
    NEED_TARGET, /* target(), where several processes are named */
};

/* Where a module's code lies in its file: what finds it among a process's mappings. */
struct stap_module {
    const char *name; /* the file's name, without folders */
    uint64_t size;    /* of the file; 0: any, it is known by its build-id, stripped or not */
    uint64_t first, last; /* pages of the file that the segment with the code takes */
    uint64_t delta;   /* address less offset in that segment */
    uint64_t id_at;   /* address of the build-id */
    struct build_id id;
};

enum need_space { NEED_USER, NEED_KERNEL };

enum stap_need stap_need_load(const struct expr *e); /* of an EX_R_LOAD */
void stap_put_name(FILE *out, enum stap_need need);  /* of that function */
/* The functions of the set NEEDS (bit per need), the modules that NEED_BASE looks for, the target
 * that NEED_SCOPE and NEED_TARGET are about, the machine that NEED_REG is about. */
void stap_put_prelude(FILE *out, uint32_t needs, const struct stap_module *modules, uint32_t n,
                      const struct target *t, const struct arch *a);

/* ---- module.c ---- */

/* The module of REF by its file; false after reporting: it is gone, or has no code. */
bool stap_module_read(struct compile *cx, struct target *t, const struct module_ref *ref,
                      struct stap_module *out);
/* The file's path for stap and the kernel, NULL after reporting at AT. *SYMBOL: the function's name
 * when the file's own symbols know it at VADDR and nowhere else, or NULL. */
const char *stap_probe_path(struct compile *cx, struct target *t, const struct module_ref *ref,
                            uint64_t vaddr, const char *func, const char **symbol,
                            struct span at);

/* ---- names.c ---- */

/* What is there was declared in the tapset, not in the script. */
bool stap_in_library(struct compile *cx, struct span at);

/* Names that are the library's or that two files have in common get a new one. */
const char *stap_var_name(struct compile *cx, const struct program *prog,
                          const struct variable *v);
const char *stap_func_name(struct compile *cx, const struct program *prog,
                           const struct function *f);

/* Is the N bytes at S a name that the printer gives a call by itself, with those NEEDS? */
bool stap_name_given(const char *s, size_t n, uint32_t needs);

/* What a built-in function of ours is with SystemTap. */
struct stap_call {
    const char *name;  /* ours */
    const char *theirs;
    int need;          /* a function of the prelude; -1: of SystemTap's tapset */
    uint8_t max_args;  /* more are ours alone */
};
/* NULL: the same name and meaning. */
const struct stap_call *stap_call_find(const char *name);

#endif

/*
 * tables: the tables of probe types, one per file, that table.c strings together. Each ends with
 * a row whose pattern is NULL. And what their files share.
 */
#ifndef PROBE_TABLES_H
#define PROBE_TABLES_H

#include "probe/probe.h"

extern const struct probe_type probe_types_begin[];
extern const struct probe_type probe_types_timer[];
extern const struct probe_type probe_types_process[];
extern const struct probe_type probe_types_mark[];
extern const struct probe_type probe_types_plt[];
extern const struct probe_type probe_types_process_event[];
extern const struct probe_type probe_types_callee[];
extern const struct probe_type probe_types_statement[];
extern const struct probe_type probe_types_trace[];
extern const struct probe_type probe_types_syscall[];
extern const struct probe_type probe_types_alias[];
extern const struct probe_type probe_types_kernel[];
extern const struct probe_type probe_types_procfs[];

/* mark.c: as probe_text_var(), of marks. */
struct expr *probe_mark_text(struct probe_env *env, const struct probe_inst *inst,
                             const struct expr *e);

/* plt.c: is TYPE one of the linkage table's? */
bool probe_is_plt(const struct probe_type *type);

/* alias.c: the resolve of points that are aliases of the library, for one that it has not. */
bool probe_no_alias(struct probe_env *env, struct probe_point *point,
                    const struct probe_type *type);

/* syscall_params.c: the names of CALL's parameters, with spaces between; "": not known, or none. */
const char *probe_call_params(const char *call);

/* syscall.c: reports that the library has no alias POINT of a system call; false. */
bool probe_no_call(struct probe_env *env, const struct probe_point *point);

/*
 * ifunc.c: is NAME, which no function of M has, chosen by the dynamic linker (STT_GNU_IFUNC)? Then
 * true, and that is reported at PART with the functions that may be chosen.
 */
bool probe_ifunc(struct probe_env *env, struct dbg *m, const struct point_part *part,
                 const char *name);

#endif

/*
 * files: what procfs probes read and write, as FIFOs in a folder of the session's (files.c).
 */
#ifndef RUN_FILES_H
#define RUN_FILES_H

#include "run/state.h"

struct files;

/* Makes the files that the script has, and says where; *OUT is NULL where it has none. False after
 * reporting: files_close also then. */
bool files_open(struct run *r, struct files **out);
/* Readable when somebody reads or writes one. */
int files_fd(const struct files *f);
/* Calls FN for each handler of what was written, and then of who reads. */
void files_serve(struct files *f, void (*fn)(const struct obj_probe *p, void *arg), void *arg);
/* Removes them, and the folder. F may be NULL. */
void files_close(struct files *f);

#endif

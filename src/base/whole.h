/*
 * whole: files that are there when they are whole, or not at all.
 */
#ifndef BASE_WHOLE_H
#define BASE_WHOLE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct whole {
    int fd;                    /* takes the content; -1: not begun */
    int dir;                   /* of the file; the caller's */
    char beside[NAME_MAX + 1]; /* its name until it is whole; "": it has none */
};

/*
 * Begins what is to be NAME in the folder DIR (a descriptor, O_PATH will do), with MODE less the
 * umask. What was left beside that name by who was killed is removed. False and errno.
 */
bool whole_begin(struct whole *w, int dir, const char *name, mode_t mode);
/* All is written: it is NAME from now on, in the place of what was. W->fd stays open, for the
 * caller to close. False and errno: nothing of it is there. */
bool whole_keep(struct whole *w, const char *name);
/* Nothing of it is there from now on. W->fd stays open. */
void whole_drop(struct whole *w);

#endif

/*
 * descriptors: how many files may be open at a time.
 */
#ifndef BASE_DESCRIPTORS_H
#define BASE_DESCRIPTORS_H

#include <stdbool.h>

struct compile;

/*
 * Raises the limit of open files as far as it goes, and sees whether N more can be opened, which
 * DOING takes ("reading the target"). False after reporting, with what can be done about it.
 */
bool descriptors_spare(struct compile *cx, unsigned n, const char *doing);
/* What can be done about ERR, an errno: a hint, where it is one of too many files. */
void descriptors_advise(struct compile *cx, int err);

#endif

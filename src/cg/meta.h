/*
 * meta: the object's metadata.
 */
#ifndef CG_META_H
#define CG_META_H

#include "cg/unit.h"

/* Sets the metadata of OUT, in the compile's arena. */
void cg_make_meta(struct cg *c, struct cg_unit *out);

#endif

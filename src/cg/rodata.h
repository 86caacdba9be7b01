/*
 * rodata: the object's literals, one map: those of the script, and what the code generator needs:
 * error texts, names of places, hashes of keys, zeroes.
 *
 * A string handle says where a struct ngs_str lies, as one number: the offset, and above it the
 * region. Frames and literals are smaller than 256 MiB.
 */
#ifndef CG_RODATA_H
#define CG_RODATA_H

#include "cg/unit.h"

enum { CG_IN_FRAME, CG_IN_RODATA }; /* regions */
enum { CG_HANDLE_SHIFT = 28 };

static inline uint8_t cg_region_bit(uint32_t handle)
{
    return (uint8_t)(1 << (handle >> CG_HANDLE_SHIFT & 3));
}

/* A record of the table of places: two handles. */
enum { CG_PLACE_NAME = 0, CG_PLACE_FUNC = 4, CG_PLACE_SIZE = 8 };

/* Places the script's literals where ir_layout() has put them, and the rest behind. */
void cg_rodata_begin(struct cg *c);
/* Numbers all probes' places, and stores the names that handlers ask for: place_table. */
void cg_rodata_places(struct cg *c);
/* Ends the literals: with room behind, so that no copy of bounded length leaves the map. */
void cg_rodata_end(struct cg *c);

/* The handle of a string operand; 0 for none. */
uint32_t cg_handle(const struct cg *c, struct ir_val s);
/* The handle of a text of the code generator's own; equal texts are stored once. */
uint32_t cg_text_handle(struct cg *c, const char *text);
/* The offset of a literal's hash, or 0: it is no key of an array. */
uint32_t cg_hashed(const struct cg *c, uint32_t lit);

#endif

/*
 * index_format: the head of an index block; then, at the offsets it gives, the tables of struct
 * index_entry and the names. In this machine's byte order: the cache is not carried elsewhere.
 */
#ifndef DEBUG_INDEX_FORMAT_H
#define DEBUG_INDEX_FORMAT_H

#include "debug/dwarf_priv.h"

#define INDEX_MAGIC "ngsindex"

enum { INDEX_VERSION = 4 };

struct index_header {
    char magic[8];
    uint32_t version, entry_size;
    uint64_t size; /* of the whole */
    uint64_t off[INDEX_CLASSES];
    uint64_t names_off, names_size;
    uint32_t n[INDEX_CLASSES];
};

#endif

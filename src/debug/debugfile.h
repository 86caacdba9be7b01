/*
 * debugfile: an ELF file with debug information, found and made ready for libdw.
 */
#ifndef DEBUG_DEBUGFILE_H
#define DEBUG_DEBUGFILE_H

#include "debug/source.h"

/* Has it a .debug_info (or .zdebug_info) with contents? */
bool elf_file_has_debug(const struct elf_file *f);

/* ---- what libdw gets of a file (debugimage.c) ---- */

struct debugimage {
    Elf *elf;
    void *bytes; /* malloc'ed */
    uint64_t size;
};

/*
 * Copies F's debug sections, expanded, into memory; *OUT is the caller's to free. False: *WHY
 * (arena) says why F's debug information cannot be used.
 */
bool debugimage_make(struct arena *a, const struct elf_file *f, struct debugimage *out,
                     const char **why);
void debugimage_free(struct debugimage *i);
/* The section of that name; NULL: it has none, or an empty one. */
Elf_Data *section_data(const struct debugimage *i, const char *name);

/* ---- finding a file ---- */

/* The text of a failed search, a line each. */
struct search {
    struct arena *a;
    const char *looked;  /* "; "-separated places */
    const char *refused; /* files found but not usable, and why; NULL: none */
};

/*
 * The separate debug file of the module PATH with that id, whose file is MAIN: by build-id, by
 * .gnu_debuglink, beside it; under ROOT and then HOST. *FROM: the root it was found under. False: S
 * says what was tried.
 */
bool debugfile_find(struct search *s, const struct sysroot *root, const struct sysroot *host,
                    const char *path, const struct build_id *id, const struct elf_file *main,
                    struct elf_file *out, const char **name, const struct sysroot **from);

/* The supplementary file (dwz) that NAME's .gnu_debugaltlink asks for. */
bool debugfile_find_alt(struct search *s, const struct sysroot *from, const char *name,
                        const char *alt_name, const struct build_id *id, struct elf_file *out);

#endif

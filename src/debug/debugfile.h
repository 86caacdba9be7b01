/*
 * debugfile: an ELF file with debug information, found and made ready for libdw.
 */
#ifndef DEBUG_DEBUGFILE_H
#define DEBUG_DEBUGFILE_H

#include <stdio.h>

#include "debug/dwarf_priv.h"

/* Has it a .debug_info (or .zdebug_info) with contents? */
bool elf_file_has_debug(const struct elf_file *f);

/*
 * Sets F->debug (debugimage.c): a copy in memory of its debug sections, expanded, for libdw. False:
 * *WHY (arena) says why the file's debug information cannot be used.
 */
bool elf_file_prepare(struct arena *a, struct elf_file *f, const char **why);

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

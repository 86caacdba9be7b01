/*
 * debugfile: an ELF file with debug information, found and made ready for libdw.
 */
#ifndef DEBUG_DEBUGFILE_H
#define DEBUG_DEBUGFILE_H

#include <stdio.h>

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

struct search {
    struct arena *a;
    const char *module; /* whose debug information it is, as the target sees it */
    FILE *progress;     /* may servers be asked? Then this is told how far they are; NULL: no */
    struct debuginfo *di; /* notes the files that were looked for; NULL: nobody does */
    /* The text of a failed search. */
    const char *looked;  /* "; "-separated places */
    const char *refused; /* files found but not usable, and why; NULL: none */
};

/* Adds PATH below DIR to the text: a place that was looked at; a file that is not used, and why. */
void search_looked(struct search *s, const char *dir, const char *path);
void search_refused(struct search *s, const char *dir, const char *path, const char *why);

/* Why F is not the debug file of the build ID (in A, or static). NULL: it is. */
const char *debugfile_misfit(struct arena *a, const struct elf_file *f, const struct build_id *id);

/*
 * The separate debug file of S->module with that id, whose file is MAIN: by build-id, by
 * .gnu_debuglink, beside it; under ROOT and then HOST. *FROM: the root it was found under. False: S
 * says what was tried.
 */
bool debugfile_find(struct search *s, const struct sysroot *root, const struct sysroot *host,
                    const struct build_id *id, const struct elf_file *main, struct elf_file *out,
                    const char **name, const struct sysroot **from);

/* The supplementary file (dwz) that NAME's .gnu_debugaltlink asks for. */
bool debugfile_find_alt(struct search *s, const struct sysroot *from, const char *name,
                        const char *alt_name, const struct build_id *id, struct elf_file *out);

/*
 * The debug file with that id from the servers that DEBUGINFOD_URLS names (debuginfod.c), as far as
 * S allows it. May take as long as those servers let it. *NAME: where it lies in the cache, on this
 * machine. False: S says what was tried, or nothing when no server is named.
 */
bool debuginfod_fetch(struct search *s, const struct build_id *id, struct elf_file *out,
                      const char **name);

/*
 * The debug file with that id from packs (pack.c): from those of CHOICE (-d), or from those that
 * this machine keeps in ~/.local/share/ngstap/packs and /usr/share/ngstap/packs. *NAME: the pack.
 * False: S says what was tried.
 */
struct debug_choice;
bool pack_find_named(struct search *s, const struct debug_choice *choice, const struct build_id *id,
                     struct elf_file *out, const char **name);
bool pack_find_kept(struct search *s, const struct build_id *id, struct elf_file *out,
                    const char **name);

#endif

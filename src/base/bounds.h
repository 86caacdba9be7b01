/*
 * bounds: what a start may take of this machine: from the moment a target is looked at until the
 * probes are known, over all its files together. Files, names and links of a target are its
 * owner's, who may mean harm: 24 KB of ELF can ask for gigabytes. Every number of that kind stands
 * here, with its reason; reaching one is an error that names the file in hand, and the start ends.
 *
 * The state is the process's own, as the limits are. Outside of bounds_begin and bounds_end (when
 * symbols are printed, and in tests) memory alone is counted.
 */
#ifndef BASE_BOUNDS_H
#define BASE_BOUNDS_H

#include <stdbool.h>
#include <stdint.h>

struct compile;

enum {
    /* Processor time. nginx with LuaJIT takes 0.1 s without a cache; 1 GiB of DWARF about ten. */
    BOUND_SECONDS = 30,
    BOUND_GRACE = 5, /* more, for who does not ask; then the process ends where it stands */

    BOUND_FILE_LEN = 4096, /* of the name of a file, for messages, with its NUL */

    /* ---- of one file ---- */
    BOUND_SECTIONS = 65536,          /* a program has 40; -ffunction-sections is for object files */
    BOUND_SEGMENTS = 1024,           /* a program has a dozen */
    BOUND_SYMBOLS = 4 * 1024 * 1024, /* Chromium has 1.5 million */
    BOUND_ENTRIES = 8 * 1024 * 1024, /* names in an index, of each class */
    BOUND_NAMES = 512 * 1024 * 1024, /* bytes of them */
    BOUND_ENUMERATORS = 1024 * 1024, /* of one enumeration: a list of registers has thousands */
    BOUND_MARKS = 65536,             /* a virtual machine has hundreds */
    BOUND_MARK_BYTES = 16 * 1024 * 1024, /* of their notes */
    BOUND_DIES = 200000,             /* looked at for one question: members, locals */
    BOUND_INLINED = 4 * 1024 * 1024, /* places that functions are inlined at */
    BOUND_INLINE_DEPTH = 1000,       /* of them and of blocks in one another; C++ has a hundred */
    /* of code, of all units: each of a function at least */
    BOUND_STRETCHES = 4 * 1024 * 1024,
    BOUND_LINES = 16 * 1024 * 1024,  /* rows of line tables; 40 bytes each with libdw */

    /* ---- of nginx's configuration ---- */
    BOUND_CONFS = 2000,                  /* files; "include *.conf" finds a hundred */
    BOUND_CONF_BYTES = 64 * 1024 * 1024, /* of all of them */
    BOUND_CONF_ENTRIES = 20000,          /* of directories, that a pattern is held against */
    BOUND_BLOCKS = 100000,               /* of Lua */

    /* ---- of a stack's names ---- */
    BOUND_CHUNKS = 20000,              /* different chunk names, each a source that is looked for */
    BOUND_SOURCES = 256 * 1024 * 1024, /* bytes of sources */
};

/* Memory of all: files held (debug sections expanded, symbols), and what is made of them. */
#define BOUND_MEMORY ((uint64_t)2 << 30)

/* Starts to count; what is reached is told to CX. Ends by itself nowhere. */
void bounds_begin(struct compile *cx);

/* Stops counting. False: something was reached, and has been reported. May be called again. */
bool bounds_end(void);

/* In a child, before it counts: nothing was begun there. */
void bounds_forked(void);

/* Is it counted just now? */
bool bounds_counts(void);

/* Another process has reached something, and has reported it: this one is to end, too. */
void bounds_reached(void);

/* To be asked in every loop whose length the target decides: may it go on? */
bool bounds_ok(void);

/* May BYTES more be held? Then they count until they are given back. */
bool bounds_take(uint64_t bytes);
void bounds_give(uint64_t bytes);

/* Is N at most MAX? Otherwise it is told that the file in hand takes more than MAX of WHAT
 * ("sections"). */
bool bounds_count(uint64_t n, uint64_t max, const char *what);

/* ---- bounds_file.c ---- */

/* FILE is in hand ("": none): what is reached from now on is told of it. Copied. */
void bounds_file(const char *file);

/* Keeps that name in ROOM, of BOUND_FILE_LEN bytes, from now on: memory that another process looks
 * at, too. */
void bounds_file_share(char *room);

/* That name, "" for none. Valid until the next bounds_file. */
const char *bounds_file_in_hand(void);

/* Memory has run out: says so, of the file in hand if there is one, and ends the process with
 * status 1. */
__attribute__((noreturn)) void bounds_no_memory(void);

#endif

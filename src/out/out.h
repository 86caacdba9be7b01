/*
 * out: what a script prints, as other tools want it. A reader takes the text apart into stacks with
 * counts; a format, one row of the table in table.c, writes them. The reader is the same for a live
 * session and for saved text.
 */
#ifndef OUT_OUT_H
#define OUT_OUT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/compile.h"
#include "base/whole.h"

/* ---- a profile ---- */

/* Of an off-CPU profile the innermost frame says how the thread left: it waited, or was
 * preempted. */
enum out_kind {
    OUT_LUA,
    OUT_COMPILED,
    OUT_BUILTIN,
    OUT_C,
    OUT_KERNEL,
    OUT_VOLUNTARY,
    OUT_INVOLUNTARY,
    OUT_KINDS
};

/* In text a built-in function whose name is known begins with this, as a compiled one does with
 * "T:". */
#define NAMED_BUILTIN "builtin:"

/* The name of a kernel's function ends with this, as perf's stackcollapse writes it. */
#define KERNEL_MARK "_[k]"

const char *out_kind_name(enum out_kind kind); /* "Lua", "Lua, compiled", ... */

/* A file of code, as a C frame names it. */
struct out_module {
    const char *path;     /* clean; "[kernel]", "[ext4]" */
    const char *build_id; /* in hex digits, or NULL */
    uint64_t start, end;  /* where it is mapped; 0: not known */
};

struct out_frame {
    const char *name; /* clean UTF-8: what is not printable stands as \xNN */
    uint32_t len;
    enum out_kind kind;
    const char *file; /* of "@FILE:LINE", or where debug information has the function; or NULL */
    uint32_t line;
    uint32_t module;  /* of C and the kernel: index into the profile's, + 1; 0: not known */
    uint64_t address; /* of C and the kernel: where the function begins; 0: not known */
};

/* What is not counted in samples has a unit: "hits", "microseconds". Text and folded lines say it
 * in a comment before the first stack, and UNIT after it. */
#define UNIT_COMMENT "# unit: "

/* Behind all stacks of a window, where a script prints one profile after the other. */
#define CUT_COMMENT "# cut"

struct out_stack {
    uint64_t count;
    uint32_t depth;
    uint32_t *frames; /* indices into the profile's, outermost first */
};

struct out_profile {
    struct out_frame *frames; /* each once */
    uint32_t n_frames;
    struct out_stack *stacks; /* each once, in order of first appearance */
    uint32_t n_stacks;
    struct out_module *modules;
    uint32_t n_modules;
    uint64_t total;
    const char *unit; /* of the counts, clean; NULL: samples */
};

/* "samples", or the unit. */
const char *out_unit(const struct out_profile *p);

/* For formats whose values have a type and a unit: "time" of "microseconds", else UNIT; UNIT if
 * their readers scale it, else "count". */
const char *out_quantity(const char *unit);
const char *out_scaled(const char *unit);

/* Gives frames of several files, or places in one, names that tell them apart (apart.c). */
void out_tell_apart(struct arena *a, struct out_profile *const *profiles, uint32_t n_profiles);

/* ---- reading (stacks.c) ---- */

enum { OUT_LINE_MAX = 1 << 20, OUT_DEPTH_MAX = 10000 };

struct out_reader;

struct out_reader_opts {
    const char *input; /* its name, for messages */
    bool lines;        /* a frame a line, never folded: a name may end in a blank and digits */
    /* Called for a frame as it was printed, to replace it (names of functions): writes at most SIZE
     * bytes, NUL included, to TO and returns true, or leaves the frame alone. NULL: none. */
    bool (*rename)(void *arg, const char *frame, size_t len, char *to, size_t size);
    /* What is known of a module, all but its path, and of the function of C that begins at
     * F->address in it: its file and line; texts are A's. NULL: nothing. */
    void (*module)(void *arg, struct arena *a, struct out_module *m);
    void (*place)(void *arg, struct arena *a, const struct out_module *m, struct out_frame *f);
    /* A line that begins with "# " where a stack could begin, without its newline. NULL:
     * ignored. */
    void (*comment)(void *arg, const char *line, size_t len);
    /* A line CUT_COMMENT, or the end: P, what came since the last one, goes away when it returns,
     * and out_reader_end has nothing. False after reporting: no more is taken. NULL: no such lines.
     */
    bool (*cut)(void *arg, struct out_profile *p);
    void *arg, *comment_arg;
};

/*
 * Takes stacks as the samples print them (innermost frame first, a frame a line, then a line of
 * blanks and the count, or the count after a tab on the last frame), C backtraces as SystemTap
 * prints them ("0x.. : name+0x../0x.. [module]" becomes the name; the kernel's addresses are those
 * of the upper half), and folded lines
 * ("outermost;...;innermost COUNT"), which are told by the first line. Owned by CX's arena.
 */
struct out_reader *out_reader_new(struct compile *cx, const struct out_reader_opts *o);

/* More text; need not end with a line. False after reporting: what is no stack, with its line. */
bool out_reader_feed(struct out_reader *r, const char *text, size_t len);

/* The end of the text: the profile, or NULL after reporting. Frees what the arena does not hold. */
struct out_profile *out_reader_end(struct out_reader *r);

/* ---- writing ---- */

/* Whose profile it is: a fact, under a name that push/push.h lists, or one that the user chose. */
struct out_label {
    const char *name;  /* letters, digits, _ and . */
    const char *value; /* clean UTF-8 */
    bool given;        /* by the user, not found out */
};

struct out_info {
    const char *title;   /* one line, e.g. "lj-lua-stacks.sxx -x 123" */
    const char *command; /* what was run, or NULL */
    int64_t time;        /* when, in seconds since 1970; 0: not said */
    int64_t period_ns;   /* between two samples, 0: not known */
    double seconds;      /* how long it was sampled, 0: not known */
    uint64_t not_shown;  /* samples of the target, or what else is counted, that have no stack */
    const char *unit;    /* of the counts, by who took them; NULL: by the text */
    const char *without; /* what those not shown were: "not in Lua" */
    const struct out_label *labels; /* for formats that have a place for them */
    uint32_t n_labels;
};

/* pprof_read.c: do the N bytes begin as a gzipped file does? */
bool out_is_pprof(const void *bytes, size_t n);

/*
 * The profile in the N bytes of a file (.pb.gz, or not gzipped), ours or another profiler's: CX's
 * arena. Time,
 * period and title of INFO are set where the file has them. NULL: *WHY says in words what is wrong;
 * nothing is reported.
 */
struct out_profile *out_read_pprof(struct compile *cx, const void *bytes, size_t n,
                                   struct out_info *info, const char **why);

struct out_format {
    const char *name, *summary;
    const char *ending; /* usual one of a file: ".svg" */
    bool binary;        /* nothing for a terminal */
    bool live;          /* made of events as they happen, not of stacks: WRITE is NULL */
    /* Writes all of P; write errors are found by the caller (ferror). False after reporting. */
    bool (*write)(struct compile *cx, const struct out_profile *p, const struct out_info *i,
                  FILE *f);
};

/* The row of that name, or NULL; the table's rows in order, NULL at the end. */
const struct out_format *out_format(const char *name);
const struct out_format *out_format_at(uint32_t i);

bool out_write_folded(struct compile *cx, const struct out_profile *p, const struct out_info *i,
                      FILE *f);
bool out_write_flamegraph(struct compile *cx, const struct out_profile *p, const struct out_info *i,
                          FILE *f);
bool out_write_pprof(struct compile *cx, const struct out_profile *p, const struct out_info *i,
                     FILE *f);
bool out_write_otlp(struct compile *cx, const struct out_profile *p, const struct out_info *i,
                    FILE *f);
bool out_write_speedscope(struct compile *cx, const struct out_profile *p, const struct out_info *i,
                          FILE *f);

/* A flame graph of what changed from A to B: widths are the mean of both shares. */
bool out_write_diff(struct compile *cx, struct out_profile *a, struct out_profile *b,
                    const struct out_info *i, FILE *f);

/* ---- events (events.c): of a live session, a JSON object a line ---- */

struct out_events;

/* Events go to F, which stays the caller's, each as it comes. Owned by ARENA. */
struct out_events *out_events_new(struct arena *arena, FILE *f);

/* What a script prints, in pieces: {"event":"print","text":LINE} for every line of it. */
void out_events_print(struct out_events *e, const char *text, size_t len);

/* {"event":KIND,"text":TEXT}: "warning", "error". */
void out_events_message(struct out_events *e, const char *kind, const char *text, size_t len);

/* A histogram's rows: BOUND is the least value counted there (from, over), or what all are below
 * (under). {"event":"histogram","rows":[{"from":BOUND,"count":N},...]} */
struct out_row {
    enum { OUT_ROW_FROM, OUT_ROW_UNDER, OUT_ROW_OVER } kind;
    int64_t bound;
    uint64_t count;
};
void out_events_histogram(struct out_events *e, const struct out_row *rows, uint32_t n);

/* The rest of a line that has not ended. */
void out_events_end(struct out_events *e);

/* ---- files that are whole or not there (file.c) ---- */

struct out_file {
    FILE *f;
    const char *path;   /* NULL: standard output */
    bool beside;        /* it gets its name when it is whole; else PATH is written to as it is */
    int dir;            /* that PATH is in */
    struct whole whole; /* while F is open, and ending signals are held */
    sigset_t mask;      /* before that */
};

/* Finds out early whether PATH (NULL, "-": standard output) can be written. False after
 * reporting. */
bool out_file_open(struct compile *cx, const char *path, struct out_file *out);

/* OUT->f takes the content from here on: what is called next writes it. False after reporting. */
bool out_file_begin(struct compile *cx, struct out_file *out);

/* It is PATH when KEEP and nothing failed, else nothing of it is there. False after reporting. */
bool out_file_close(struct compile *cx, struct out_file *out, bool keep);

/* ---- text (text.c) ---- */

/* A copy in which every byte that is no part of printable UTF-8 stands as \xNN. */
char *out_clean(struct arena *a, const char *s, size_t len, size_t *out_len);

/* S, clean text, as the content of XML, or of a JSON string (without the quotes). */
void out_xml(FILE *f, const char *s, size_t len);
void out_json(FILE *f, const char *s, size_t len);

#endif

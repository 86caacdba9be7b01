/*
 * load: an object -> maps and programs in the kernel, probes attached. libbpf is used here.
 *
 * A verifier rejection is a bug of ngstap: it is reported with the script line the log's last
 * line info maps to, and the log is kept in a file that the message names.
 */
#ifndef LOAD_LOAD_H
#define LOAD_LOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/abi.h"
#include "base/compile.h"
#include "target/target.h"

/* The metadata of an object, checked: every offset and index is in bounds, every string ends. */
struct object {
    const void *elf;
    size_t elf_size;
    const struct obj_header *h;
    const char *strings;
    const struct obj_probe *probes;
    const struct obj_place *places;
    const struct obj_module *modules;
    const struct obj_map *maps;
    const struct obj_global *globals;
    const struct obj_format *formats;
    const struct obj_loc *locs;
    const struct obj_rest *rests;
    const struct obj_value *values;
    const uint64_t *user_code; /* .ngstap.user: instructions */
    uint32_t user_code_len;
    const void *rodata; /* section NGS_MAP_RODATA: h->rodata_size bytes */
    bool asks_guru;     /* programs in the kernel write to programs or send signals */
    bool no_commands;   /* system() is refused: the caller's to say */
    bool guru;          /* they and handlers in user space may: the caller's to say, else not */
};
/* User code names a map in ld_imm64: src_reg 1, this in the lower imm, the offset in the map's
 * value in the upper one. Nothing is left to be relocated. */
enum user_map { USER_MAP_GLOBALS, USER_MAP_RODATA, USER_MAP_CONTROL };

/*
 * Reads and checks SIZE bytes of ELF, which stay the caller's: *OUT points into them. They may be
 * hostile. False after reporting: they are damaged, of another version, or ask for more than a
 * script could (docs/security.md); *OUT is undefined then.
 */
bool object_open(struct compile *cx, const void *elf, size_t size, struct object *out);
/* The string at OFF, an offset out of the object's tables, which were checked. */
const char *object_str(const struct object *o, uint32_t off);
/* Sets the globals to what the script starts with: GLOBALS is h->globals_size bytes of zeroes. */
void object_init_globals(const struct object *o, void *globals);

struct session; /* loaded object */

/*
 * Creates maps and loads programs. Maps are sized for this machine's possible CPUs, control and
 * globals are mapped into our memory and initialised (module biases from the target's modules by
 * path, build-ids compared). O and T (NULL: nothing of a process is probed) must live as long as
 * the session, which the caller ends by load_free. K is what this kernel can do; NULL: no handler
 * runs in it. NULL after reporting; nothing stays in the kernel then.
 */
struct session *load_object(struct compile *cx, const struct object *o, struct target *t,
                            const struct kernel *k);
/* Arms all probes. False after reporting: none is armed then. */
bool load_attach(struct session *s);
/* Clocks tick HZ times a second from now on, not as often as the probes say. False: some could not
 * be opened anew; that the target has ended is told elsewhere. */
bool load_ticks(struct session *s, uint64_t hz);
void load_detach(struct session *s); /* disarms them; maps stay */
/* Takes out what is armed, frees maps and programs; NULL is allowed. */
void load_free(struct session *s);

/* Whom to ask for debug files, whose tables stacks are walked by, too: to be said before
 * load_attach; NULL: nobody. SOURCE stays the caller's, and must live as long as S. */
void load_symbols(struct session *s, const struct symbol_source *source);

/*
 * Has this process the capabilities that loading takes? Else nothing that K says can be believed.
 * False after reporting.
 */
bool load_permitted(struct compile *cx, const struct kernel *k);
/* Adds to an error what can be done about ERR, an errno: what privileges or limits lack. */
void load_advise(struct compile *cx, int err);

/* These three are the session's: shared with handlers in the kernel, which may change them at any
 * time; the globals, h->globals_size bytes, NULL where there are none; the key of hashes,
 * NGS_HASH_KEY_SIZE(MAXSTRINGLEN) bytes. */
struct ngs_control *session_control(struct session *s);
void *session_globals(struct session *s);
const void *session_hash_key(const struct session *s);
void load_random(void *p, size_t n); /* N bytes that nobody can guess */
/* A script array's, by its index in OBJ_MAPS; -1: it has none in the kernel. It stays S's. */
int session_map_fd(struct session *s, uint32_t map);
int session_ring_fd(struct session *s);
/*
 * The file that places call FILE (ngs_place_file), at the addresses where it was first found, but
 * where those were another's. Its symbols may be asked for by its path if it has a probe_path.
 * NULL: there is none.
 */
const struct module *session_file(const struct session *s, uint32_t file);
/* The stack of that number; false: there is none. */
bool session_stack(const struct session *s, uint64_t number, struct ngs_stack *out);
/* The text of that number among a stack's frames, *LEN bytes, the caller's to free; NULL: there is
 * none. */
char *session_text(const struct session *s, uint64_t number, size_t *len);
/* Stacks that no handler has met since the last call are forgotten, and their texts. */
void session_stacks_forget(struct session *s);
/*
 * The processes that are looked at fork, end and run exec: readable when there is something to do
 * (-1: never), and what does it; to be called several times a second in any case. True: a process
 * runs another program now, or code that it has mapped since, so that what is known of addresses is
 * old.
 */
int session_scope_fd(const struct session *s);
bool session_follow(struct session *s);
/* TEXT is a line without its end. */
typedef void say_fn(void *arg, const char *text);
/* What hits were missed because of that, and for want of budget, a line each. */
void session_losses(struct session *s, say_fn *say, void *arg);
/*
 * Looks after probes that go over their budget, and tells which have begun to; to be called several
 * times a second.
 */
void session_overload(struct session *s, say_fn *say, void *arg);
int session_overload_fd(const struct session *s); /* readable when it is to be called; -1: never */
/* Hits that the kernel left out, of whatever process. */
uint64_t session_missed(const struct session *s);
/* Instructions the verifier walked over all programs, and load time in ns: for -v and bench. */
void session_stats(const struct session *s, uint64_t *verified, uint64_t *load_ns);
/* Sum over programs of bpf_stats, when enabled (kernel.bpf_stats_enabled or BPF_ENABLE_STATS). */
void session_run_stats(const struct session *s, uint64_t *ns, uint64_t *count);

#endif

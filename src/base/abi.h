/*
 * abi: what generated code, the object file and the run time must agree on: the metadata of an
 * object, its maps, the frame's header, strings, aggregates, the ring buffer's records and the
 * helpers of the user-space interpreter. Changing anything here changes NGS_OBJ_VERSION.
 *
 * An object is an ELF file (EM_BPF, little endian):
 *   a section of base/attach_kind.h's
 *                      kernel programs, functions named "pN"; N: index of the probe record
 *                      (libbpf takes "perf_event" only without anything after it)
 *   ".text"            library subprograms and loop callbacks of the kernel programs
 *   ".maps"            frames, ring and one map per script array, by BTF
 *   ".data.globals", ".data.control", ".rodata.lits"
 *                      data sections: libbpf makes a mmapable array map of one element out of each,
 *                      and its relocations address the value directly
 *   ".ngstap.user"     BPF instructions of begin, end, error and timer probes, and of the rests of
 *                      others, for the interpreter
 *   ".ngstap.meta"     struct obj_header and its tables
 *   ".BTF", ".BTF.ext" types; line info that points at the script
 *   "license"          "GPL"
 */
#ifndef BASE_ABI_H
#define BASE_ABI_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#include "base/attach_kind.h"

/* ---- metadata: .ngstap.meta ---- */

#define NGS_OBJ_MAGIC   "NGSTAP\r\n" /* 8 bytes, no NUL */
#define NGS_OBJ_VERSION 17
/* Of an object's maxerrors: errors are counted, neither told nor fatal. */
#define NGS_ERRORS_SUPPRESSED UINT32_MAX

enum obj_table {
    OBJ_STRINGS, /* bytes: NUL-terminated strings; offset 0 is "" */
    OBJ_PROBES,  /* struct obj_probe */
    OBJ_PLACES,  /* struct obj_place: what a probe's program is attached to */
    OBJ_MODULES, /* struct obj_module */
    OBJ_MAPS,    /* struct obj_map: script arrays; map id = index */
    OBJ_GLOBALS, /* struct obj_global: scalars, in the globals map */
    OBJ_FORMATS, /* struct obj_format */
    OBJ_LOCS,    /* struct obj_loc: places in the script, for run-time errors */
    OBJ_RESTS,   /* struct obj_rest: rests of the kernel's handlers */
    OBJ_VALUES,  /* struct obj_value: what they are given */
    OBJ_TABLES
};

struct obj_header {
    char magic[8];
    uint32_t version;
    uint32_t header_size;
    uint32_t flags;          /* OBJ_F_* */
    uint32_t maxstringlen, maxmapentries, maxerrors, maxskipped;
    uint32_t frame_size;     /* bytes of a frame, kernel and user */
    uint32_t frame_out;      /* offset in the frame of the record being built */
    uint32_t globals_size;   /* bytes of the globals map's one value */
    /* offset in the literals map of NGS_HASH_KEY_SIZE(maxstringlen) bytes that the loader sets */
    uint32_t hash_key;
    /* offset in the literals map and number of struct ngs_hashed: likewise */
    uint32_t hashed, n_hashed;
    uint32_t machine;        /* whose registers its handlers read: e_machine of ELF */
    uint32_t rodata_size;    /* bytes of the literals map's one value */
    /* offset in the frame of the struct ngs_str that error("...") sets; 0: not told */
    uint32_t frame_error_text;
    uint32_t overload;       /* percent of each CPU that it may take; 0: no NGS_MAP_SPENT */
    struct {
        uint32_t off, n;     /* bytes from the header; number of records (bytes for STRINGS) */
    } table[OBJ_TABLES];
};

enum { OBJ_F_TARGET = 1 }; /* a kernel handler asks for target() */

struct obj_probe {
    uint32_t kind;      /* enum probe_kind: a row of base/attach_kind.h */
    uint32_t name;      /* string: the probe point as pp() shows it */
    uint32_t code_off;  /* user-space probes: first instruction in .ngstap.user (in instructions) */
    uint32_t code_len;  /* instructions; 0: a kernel program, function "pN" of section KIND */
    int64_t sequence;   /* BEGIN END ERROR: lower ones run first */
    uint64_t period;    /* ATTACH_PERIOD: in ns; FILE_READ: $value's most bytes and a NUL, 0: any */
    uint64_t jitter;    /* TIMER: .randomize: each period is PERIOD +- this many ns (< PERIOD) */
    uint32_t place;     /* ATTACH_PLACES, ATTACH_CALLS: the first of its places in OBJ_PLACES */
    uint32_t n_places;
    uint32_t event;     /* string: ATTACH_EVENT, its name; ATTACH_FILE, the file's */
    uint32_t flags;     /* PROBE_F_* */
    uint32_t loc;       /* OBJ_LOCS index of the probe */
    uint32_t umask;     /* ATTACH_FILE: permissions that the file has not */
};

/*
 * The program asks at which of its places it is: the attachment's cookie (bpf_get_attach_cookie) is
 * the place's index in OBJ_PLACES.
 */
enum { PROBE_F_COOKIE = 1 };

/* A function or a system call that a probe point matches. */
struct obj_place {
    uint64_t vaddr;     /* in the module's file; ATTACH_CALLS: NGS_CALL(...) or NGS_CALL_ANY */
    uint32_t module;    /* index in OBJ_MODULES; ATTACH_CALLS: OBJ_NO_MODULE */
    uint32_t name;      /* string: the probe point as pp() shows it */
    uint32_t func;      /* string: the function, as probefunc() has it */
    uint32_t reserved;
    uint64_t semaphore; /* vaddr of 16 bits that count who looks at a mark (sys/sdt.h); 0: none */
};

/*
 * A system call: its number, and whether by the convention for 32 bits. ANY: whatever is called;
 * the place is the last of its probe, and its name that of calls which no other place is for.
 */
enum { NGS_CALLS = 512, NGS_CALL_ANY = 2 * NGS_CALLS };
#define NGS_CALL(number, compat) ((compat) * NGS_CALLS + (number))

struct obj_module {
    uint32_t path;      /* as the target saw it; "kernel": that, "kernel:NAME": its module */
    uint32_t build_id;  /* hex string or 0 */
    uint32_t flags;     /* OBJ_MODULE_* */
};
#define OBJ_NO_MODULE UINT32_MAX
enum {
    /* a probe or a variable in it needs its place in memory; else only types are its */
    OBJ_MODULE_ADDRESSED = 1,
    OBJ_MODULE_MAPPED = 2,    /* the process that the object was compiled for mapped it */
};

enum obj_type { OBJ_LONG = 1, OBJ_STRING = 2, OBJ_STATS = 3 };

/*
 * What an object may ask for. Who makes one refuses more with the script's place; who reads one
 * takes more for damage.
 */
enum {
    OBJ_MAX_FRAME = 16 << 20,  /* bytes of a frame */
    OBJ_MAX_VALUE = 16 << 20,  /* of a map's value */
    OBJ_MAX_ENTRIES = 1 << 26, /* elements of an array */
    OBJ_MIN_PERIOD = 1000,     /* of TIMER and PROFILE, in ns */
    OBJ_MAX_FILE = 1 << 20,    /* of FILE_READ: what a pipe can hold (pipe(7)) */
};
enum { OBJ_MAX_KEYS = 8 };

/*
 * A script array: a BPF hash map named MAP. Key: the parts one after the other, a long as 8 bytes,
 * a string as the 16 bytes of its ngs_hash. Value: at VAL_OFF the payload (int64, struct
 * ngs_str, or struct ngs_stats), and for each string key its text as struct ngs_str at TEXT_OFF[i].
 *
 * In the 8 bytes before a string payload is its stamp, another one for every value that is stored.
 * The kernel puts an updated element beside the old one, whose memory the next update on that CPU
 * fills (alloc_htab_elem, extra_elems), so a copy of a string is sound only when the key's element
 * has the copy's stamp after the copying, too.
 */
struct obj_map {
    uint32_t name;      /* string: the script's name */
    uint32_t map_name;  /* string: the BPF map's name in .maps */
    uint32_t n_keys;
    uint32_t key_type[OBJ_MAX_KEYS]; /* OBJ_LONG or OBJ_STRING */
    uint32_t key_off[OBJ_MAX_KEYS];
    uint32_t text_off[OBJ_MAX_KEYS]; /* 0 for longs */
    uint32_t key_size, value_size;
    uint32_t val_type, val_off;
    uint32_t max_entries;
    uint32_t wrap;      /* oldest entries make room */
    uint32_t sized;     /* declared with its size: max_entries is not MAXMAPENTRIES */
    uint32_t hist;      /* enum hist as below */
    uint32_t sparse;    /* a hit adds one element at most, and bears that it is refused */
    int64_t hist_args[3];
};

struct obj_global {
    uint32_t name;
    uint32_t type;      /* OBJ_* */
    /* in the globals map's value: int64, struct ngs_shared or struct ngs_stats */
    uint32_t off;
    uint32_t init_str;  /* string: initial value of a string */
    int64_t init;       /* of a long */
    uint32_t hist;
    uint32_t reserved;
    int64_t hist_args[3];
};

/* A print statement: how a record's arguments are shown. */
struct obj_format {
    uint32_t text;      /* string: printf format (PRINTF) or delimiter (PLAIN) */
    uint32_t flags;     /* FORMAT_* */
    uint32_t n_args;
    uint32_t reserved;
    uint64_t arg_types; /* 2 bits each: OBJ_LONG or OBJ_STRING, argument 0 lowest */
};
enum { OBJ_MAX_PRINT_ARGS = 32 /* as SystemTap's */ };
enum { FORMAT_PRINTF = 1, FORMAT_NEWLINE = 2, FORMAT_CHAR = 4 };

struct obj_loc {
    uint32_t file;      /* string: as shown in messages */
    uint32_t line, col;
    /*
     * string: what an error is near to, as SystemTap words it: "operator '@var'", "identifier 'x'"
     */
    uint32_t token;
};

/*
 * A handler of the kernel's that reaches what only user space can do ends there with a record
 * (NGS_REC_REST), and this code goes on: its frame is a new one but for these values.
 */
struct obj_rest {
    uint32_t code_off, code_len; /* in .ngstap.user, as a probe's */
    uint32_t value, n_values;    /* the first of its values in OBJ_VALUES */
    uint32_t loc;                /* OBJ_LOCS index of where it begins */
    uint32_t flags;              /* REST_F_* */
};
enum { REST_F_EXITS = 1 }; /* it calls exit() unless an error ends it: NGS_PAUSED until then */

struct obj_value {
    uint32_t type;      /* OBJ_LONG or OBJ_STRING (struct ngs_str of MAXSTRINGLEN) */
    uint32_t off;       /* in the frame */
};

/* ---- maps ---- */

#define NGS_MAP_FRAMES  "ngs_frames"  /* ARRAY [cpus * NGS_FRAMES_PER_CPU] of frames */
#define NGS_MAP_GLOBALS ".data.globals" /* ARRAY [1], mmapable: script scalars */
/* ARRAY [1], mmapable, frozen: string literals (struct ngs_str) */
#define NGS_MAP_RODATA  ".rodata.lits"
#define NGS_MAP_CONTROL ".data.control" /* ARRAY [1], mmapable: struct ngs_control */
#define NGS_MAP_RING    "ngs_ring"    /* RINGBUF */
/* HASH: tgid (u32) -> struct ngs_member, of the processes whose hits count */
#define NGS_MAP_SCOPE   "ngs_scope"
/* Only where stacks or names of programs are asked for. ARRAY, mmapable: struct ngs_row of all
 * files */
#define NGS_MAP_ROWS    "ngs_rows"
#define NGS_MAP_SPACES  "ngs_spaces"  /* HASH: tgid (u32) -> struct ngs_space */
/* HASH: a stack's number (u64) -> struct ngs_stack; load/stacks.c empties it into its own */
#define NGS_MAP_STACKS  "ngs_stacks"
/* likewise, a text's number among its frames -> struct ngs_str */
#define NGS_MAP_TEXTS   "ngs_texts"
/* Only where time is budgeted. PERCPU_ARRAY: struct ngs_spent by probe, and behind these of all */
#define NGS_MAP_SPENT   "ngs_spent"

enum { NGS_FRAMES_PER_CPU = 4, NGS_MAX_MODULES = 64, NGS_MAX_MEMBERS = 16384 };

/*
 * A process of the scope. WATCHED: a master, whose own hits do not count; NAMED: by -x or as a
 * worker; BELOW: descends from those.
 */
enum ngs_member_kind { NGS_WATCHED, NGS_NAMED, NGS_BELOW };
struct ngs_member {
    uint32_t kind;
    uint32_t layout; /* where its modules lie: index in control's bias; NGS_UNPLACED: not known */
};

/*
 * Layouts by ngs_control's bias: 0 is that of the target as it was found, others are of processes
 * that have run exec.
 */
enum { NGS_LAYOUTS = 16, NGS_UNPLACED = 0x7fffffff };

/*
 * ngs_control's gate. TEST: hits of others can come in; SEVERAL: target() is the process at hand,
 * where that is one of several that are named; LAYOUTS: not all have layout 0. 0: no handler need
 * look its process up.
 */
enum ngs_scope_flag {
    NGS_SCOPE_TEST = 1,
    NGS_SCOPE_SEVERAL = 2,
    NGS_SCOPE_LAYOUTS = 4,
    NGS_SCOPE_ALL = 7
};

/*
 * ENDED: by exit() or by errors. PAUSED: from where a handler that goes on in user space is sure to
 * call exit(), until its rest has run, so that no hit comes between as if it had not been called.
 */
enum ngs_stop { NGS_ENDED = 8, NGS_PAUSED = 16, NGS_STOPPED = 24 };

/* Handlers that are entered are counted. */
enum { NGS_COUNTED = 32 };

/* Why a walk ended: what is counted in struct ngs_control. */
enum ngs_end {
    NGS_END_OUTERMOST,  /* it is whole */
    NGS_END_ASKED,      /* it has the frames that were asked for */
    NGS_END_CUT,        /* NGS_STACK_MAX */
    NGS_END_UNMAPPED,   /* an address in no mapping that is known */
    NGS_END_NO_TABLE,   /* code without a row */
    NGS_END_OTHERWISE,  /* NGS_CFA_OTHERWISE, or by a register that is not known there */
    NGS_END_UNREADABLE, /* memory that could not be read */
    NGS_END_ASTRAY,     /* a caller's frame that does not lie above */
    NGS_END_COUNT
};

/* Where the kernel keeps the addresses of a program that breakpoints have replaced: offsets. */
struct ngs_replaced {
    uint32_t utask, mm;             /* in task_struct; utask 0: nothing is known */
    uint32_t first, copy, vaddr;    /* in uprobe_task: return_instances, xol_vaddr, vaddr */
    uint32_t stack, address, next;  /* in return_instance: address is orig_ret_vaddr */
    uint32_t area;                  /* in mm_struct: uprobes_state.xol_area */
    uint32_t trampoline;            /* in xol_area: vaddr */
};

/* A process by its tgid, in the place by that; whoever looks there clears it first. MM: its
 * mm_struct, if control says where that is. */
struct ngs_unmapped {
    uint64_t process, mm;
};
enum { NGS_UNMAPPED = 16 };

/* Counts that user space reads and both sides add to atomically. */
struct ngs_control {
    /*
     * enum ngs_scope_flag, enum ngs_stop, NGS_COUNTED: what a handler in the kernel has to look at
     * before it runs; 0: nothing. Changed atomically.
     */
    uint64_t gate;
    /* target(): host tgid; of several the first; 0: everybody is looked at */
    uint64_t target;
    /* handlers entered, if NGS_COUNTED; here and below, by processes of the scope */
    uint64_t hits;
    /* hits dropped: the handler needs addresses that an executable run since has not */
    uint64_t unplaced;
    uint64_t births;        /* threads and processes that began in the scope */
    uint64_t unfollowed;    /* processes that began in it and that found no room */
    uint64_t skipped;       /* no free frame */
    uint64_t errors;        /* handlers ended by an error that nothing caught */
    uint64_t faults;        /* reads that failed, caught or not */
    uint64_t truncated;     /* strings cut at MAXSTRINGLEN */
    uint64_t lost;          /* records the ring buffer had no room for */
    uint64_t map_full;
    uint64_t stamp;         /* last one given to a string value of an array (struct obj_map) */
    /* run-time address = vaddr + bias, by layout and module index */
    uint64_t bias[NGS_LAYOUTS][NGS_MAX_MODULES];
    /*
     * CLOCK_REALTIME - CLOCK_MONOTONIC in ns, as the loader found it: there is no helper for the
     * former
     */
    int64_t clock_offset;
    uint64_t pidns_dev, pidns_ino;  /* for bpf_get_ns_current_pid_tgid; 0: initial namespace */
    /* handlers whose rest the ring buffer had no room for; they are skipped ones, too */
    uint64_t unfinished;
    /*
     * where in task_struct the 32 bits are that tell a call by the convention for 32 bits (struct
     * arch, compat_status); 0: not known
     */
    uint64_t call_status;
    /*
     * the scope is the process of this tgid, at layout 0, and no other: hits need no look-up in
     * NGS_MAP_SCOPE; 0: ask the map. Set before anything can join, and only ever cleared after.
     */
    uint64_t only;
    /* processes whose stacks led to code that their struct ngs_space has not, or that have none */
    struct ngs_unmapped unmapped[NGS_UNMAPPED];
    /*
     * nobody is named, so that nobody says when a process runs another program: where in
     * task_struct its mm_struct is, by which it is known to be the same; 0: that is said
     */
    uint64_t mm;
    uint64_t spaces; /* how often NGS_MAP_SPACES has changed */
    uint64_t stacks; /* how often an element was added to NGS_MAP_STACKS, */
    uint64_t texts;  /* to NGS_MAP_TEXTS */
    uint64_t ends[NGS_END_COUNT]; /* walks of a program's stack, by why they ended */
    struct ngs_replaced replaced;
    uint64_t overloads; /* how often a probe has used up what it may take of a CPU */
};

/*
 * Time that handlers take of a CPU, by probe; of all probes together WINDOW and SPENT alone.
 * Windows are those of CLOCK_MONOTONIC >> NGS_WINDOW_SHIFT. A hit costs what its handler takes and
 * what its event costs beside that. Handlers below NGS_CHEAP are measured once in NGS_UNMEASURED +
 * 1 hits, those between count as much as the last that was; what took longer than NGS_LONGEST was
 * most likely preempted, and counts as that much.
 *
 * A probe that has taken its part of a window when all together have taken the budget runs no more
 * in it. In the next windows it is throttled: it gets 1 / NGS_THROTTLED of the budget, until it
 * takes less. So few of the target's requests are slowed, and hits that are seen follow each other.
 * Of a PAIR (an entry and its return) none may be left out alone: user space takes their events
 * out, and where it does not within NGS_PATIENCE budgets, they are treated like others.
 */
struct ngs_spent {
    uint32_t unmeasured; /* hits to come that are not measured */
    uint32_t pending;    /* hits since the last that was measured, when those are over */
    uint64_t each;       /* ns that each of those counts */
    uint64_t window, spent; /* ns in it */
    uint64_t first;      /* ns of CLOCK_MONOTONIC: when its first hit was that was measured */
    uint32_t out;        /* until the window ends */
    uint32_t throttled;  /* it was out in the window before */
    uint64_t cost;       /* ns of a hit beside its handler; these two the loader sets */
    uint32_t pair;
    uint32_t over;       /* the budget was used up, some time */
    uint64_t hits;       /* that ran and were counted, some that are yet to come among them */
    uint64_t left_out;
};
enum { NGS_WINDOW_SHIFT = 30, NGS_THROTTLED = 32, NGS_CHEAP = 512, NGS_UNMEASURED = 15 };
enum { NGS_LONGEST = 1000000, NGS_PATIENCE = 8 };

/* ---- strings, aggregates ---- */

/* A script string: LEN bytes, no NUL counted; a NUL follows. Size in memory: NGS_STR_SIZE(max). */
struct ngs_str {
    uint32_t len;
    uint32_t pad;
    char bytes[];
};
#define NGS_STR_SIZE(maxlen) (sizeof(struct ngs_str) + (((maxlen) + 1 + 7) & ~7u))

/*
 * A global string. Handlers on other CPUs, and ones that interrupt this one, set and read it at any
 * moment, so nobody changes a text where another can read it.
 *
 * A writer draws a ticket from NEXT (+1) and fills text TICKET % NGS_SHARED_TEXTS, unless that text
 * is shown; it holds the text's BUSY meanwhile (exchanged with 1). Then it makes SHOWN its ticket,
 * unless SHOWN is a later one: then its text counts as set before that one. Who appends also wants
 * SHOWN to be what it has read.
 *
 * A reader copies text SHOWN % NGS_SHARED_TEXTS. The copy is sound as long as
 * NEXT <= SHOWN + NGS_SHARED_TEXTS, so it looks at NEXT after copying. Nobody waits for another;
 * who was beaten NGS_SHARED_TRIES times fails.
 */
enum { NGS_SHARED_TEXTS = 8, NGS_SHARED_TRIES = 16 };
struct ngs_shared {
    uint64_t shown, next;
    uint64_t busy[NGS_SHARED_TEXTS];
    /* then NGS_SHARED_TEXTS struct ngs_str of NGS_STR_SIZE(MAXSTRINGLEN) */
};
#define NGS_SHARED_SIZE(maxlen)                                                                    \
    (sizeof(struct ngs_shared) + NGS_SHARED_TEXTS * NGS_STR_SIZE(maxlen))
static inline struct ngs_str *ngs_shared_text(struct ngs_shared *s, uint64_t ticket,
                                              uint64_t maxlen)
{
    return (struct ngs_str *)((char *)(s + 1) + ticket % NGS_SHARED_TEXTS * NGS_STR_SIZE(maxlen));
}

/*
 * An address that becomes a symbol when a string is printed, or by NGS_U_NAMED: the bytes
 * \x01 KIND and 16 hexadecimal digits, lower case (18 bytes). KIND: 'u' usymname, 'U' usymdata
 * (name+0xoff/0xsize [module]), 'k' symname, 'K' symdata, 'm' umodname, 'M' modname; 'f' usymfile,
 * 'l' usymline, 'L' usymfileline; 'b' name+0xoff, 's' name+0xoff [file], 'S' of the kernel, 'F'
 * usymdata with the line; 'p', 'q' usymdata and symdata behind the address. Or the digits are a
 * stack's number in NGS_MAP_STACKS: 'a' its addresses, 'B' a line of 's' for each, 'P' of 'p' or
 * 'q' behind a space, 'Q' without it, 'N' of 'u' or 'k', behind which stands "_[k]".
 */
enum { NGS_MARK = 1, NGS_MARK_LEN = 18 };
#define NGS_MARK_USER  "uUmflLbsFp" /* the address is a program's */
#define NGS_MARK_STACK "aBPQN"

/*
 * An address of a program's code as a number that is the same in every process: which file, counted
 * from 1, and the file's own address, below 2^NGS_PLACE_SHIFT; no machine has such an address.
 * NGS_PLACE_CALL: a call returns there, so that it is the code before it that is meant. What is in
 * no known mapping stays an address.
 */
enum { NGS_PLACE_SHIFT = 47, NGS_PLACE_FILES = (1 << 14) - 1 };
#define NGS_PLACE_CALL ((uint64_t)1 << 61)
#define NGS_PLACE(file, vaddr)                                                                     \
    ((uint64_t)1 << 63 | (uint64_t)(file) << NGS_PLACE_SHIFT | (uint64_t)(vaddr))
static inline uint32_t ngs_place_file(uint64_t number) /* 0: it is an address */
{
    return number >> 62 == 2 ? (uint32_t)(number >> NGS_PLACE_SHIFT) & NGS_PLACE_FILES : 0;
}

/*
 * Stacks of programs. A row says how the caller of the code from PC on is found (its address lies
 * right below the CFA). RULE has the kind of CFA (5 bits), where the base register (struct arch)
 * was saved below the CFA, in words (3 bits; 0: it was not, 1: elsewhere), the same of the frame
 * pointer (8 bits; 0: it was not), and the CFA's offset, in words, too, but for PLT: 16 bits, or 12
 * where the kind has a part (4 bits above it), words to be added or a register. Registers are
 * numbered by their word in struct pt_regs.
 */
struct ngs_row {
    uint32_t pc; /* by the file's own addresses */
    uint32_t rule;
};
#define NGS_RULE(kind, base, fp, offset)                                                           \
    ((uint32_t)(kind) | (uint32_t)(base) << 5 | (uint32_t)(fp) << 8 |                              \
     (uint32_t)(uint16_t)(offset) << 16)
#define NGS_RULE_PART(kind, base, fp, offset, part)                                                \
    NGS_RULE(kind, base, fp, ((uint32_t)(offset)&0xfff) | (uint32_t)(part) << 12)
enum ngs_cfa {
    NGS_CFA_NONE,      /* no code with a table: the walk stops */
    NGS_CFA_OTHERWISE, /* a way that no row can say: likewise */
    NGS_CFA_SP,        /* stack pointer + offset */
    NGS_CFA_FP,        /* frame pointer + offset */
    NGS_CFA_REALIGNED, /* what lies there, and the frame pointer was saved where it points (gcc) */
    /* In OpenSSL's assembly: */
    NGS_CFA_AT_FP,     /* what lies at frame pointer + offset, + part */
    NGS_CFA_AT_SP,     /* what lies at stack pointer + offset, + part */
    NGS_CFA_AT_INDEX,  /* what lies at stack pointer + offset + 8 times the part's register, + 8 */
    NGS_CFA_PLT,       /* stack pointer + 8, or + 16 from byte OFFSET of the 16 of the code on */
    NGS_CFA_SIGNAL,    /* the registers are in the signal's frame */
    NGS_CFA_HELD,      /* stack pointer + offset; the caller's address is in the part's register */
    NGS_CFA_OUTERMOST, /* nobody called it */
    NGS_CFA_REG = 16   /* + a register: that + offset */
};
enum { NGS_CFA_REGS = 16, NGS_BASE_ELSEWHERE = 1, NGS_BASE_MAX = 7 };

/*
 * A file's rows are found by blocks of NGS_BLOCK bytes of its addresses: behind the rows stands for
 * each block, from that of the first row on, which of them hold in it.
 */
enum { NGS_BLOCK_SHIFT = 8, NGS_BLOCK_ROWS = (1 << NGS_BLOCK_SHIFT) + 1 };
struct ngs_block {
    uint32_t first, n; /* from the file's first row on; n is 1 to NGS_BLOCK_ROWS */
};
/* Code of a process: a mapping, and the rows of its file; n_blocks 0: it has none. */
struct ngs_range {
    uint64_t start, end;
    uint64_t bias;               /* to be taken off for the file's own address */
    uint32_t rows;               /* index of the file's first one in NGS_MAP_ROWS */
    uint32_t blocks, n_blocks;   /* likewise, of struct ngs_block in place of rows */
    uint32_t first_block;        /* address of the first one >> NGS_BLOCK_SHIFT */
    uint64_t place;              /* to be added for the NGS_PLACE; 0: no file's */
};
enum { NGS_RANGES = 128, NGS_ROWS_MAX = 1 << 20, NGS_STACK_MAX = 127 };
/* Frames of a stack that has texts, bytes of a text: elements of 2 KiB and of 1 KiB, with what the
 * kernel adds. */
enum { NGS_STACK_ROOM = 240, NGS_TEXT_MAX = 936 };
struct ngs_space { /* of NGS_MAP_SPACES: by process */
    uint64_t n;
    uint64_t mm; /* as in struct ngs_unmapped: it is that one's; 0: whatever the process runs */
    struct ngs_range ranges[NGS_RANGES]; /* by address */
};
struct ngs_stack { /* of NGS_MAP_STACKS; what lies behind its N frames means nothing */
    uint64_t n;
    /* innermost first: NGS_PLACE, an address, or the number of a text in NGS_MAP_TEXTS; the map has
     * room for NGS_STACK_MAX alone where there are no texts */
    uint64_t frames[NGS_STACK_ROOM];
};
static inline bool ngs_is_text(uint64_t frame)
{
    return frame >> 62 == 1;
}
static inline bool ngs_is_kernel(uint64_t frame)
{
    return frame >> 62 == 3;
}

enum ngs_hist { NGS_HIST_NONE, NGS_HIST_LOG, NGS_HIST_LINEAR };
enum { NGS_HIST_LOG_BUCKETS = 128, NGS_HIST_LOG_ZERO = 64, NGS_HIST_LINEAR_MAX = 256 };

/* What stat_op means below; the order is that of syntax/ast.h's enum stat_op. */
enum ngs_stat {
    NGS_STAT_COUNT, NGS_STAT_SUM, NGS_STAT_MIN, NGS_STAT_MAX, NGS_STAT_AVG, NGS_STAT_VARIANCE
};

/* count == 0: min and max say nothing. min starts at INT64_MAX, max at INT64_MIN. */
struct ngs_stats {
    int64_t count, sum, min, max;
    /* sum of the squares, modulo 2^64: for @variance; may stay 0 where nothing asks for that */
    uint64_t sumsq;
    uint64_t buckets[]; /* ngs_hist_buckets() of them */
};

/*
 * Buckets, as SystemTap counts them (what it prints depends on it). LOG: 0 is bucket 64,
 * 2^k..2^(k+1)-1 bucket 65 + k, -2^k and the numbers below it down to -2^(k+1)+1 bucket 63 - k.
 * LINEAR: bucket 0 holds what is below start, the last what is at or above start + (n - 2) *
 * interval, the others start + (i - 1) * interval on.
 */
static inline uint32_t ngs_hist_buckets(uint32_t hist, const int64_t args[3])
{
    if (hist == NGS_HIST_LOG)
        return NGS_HIST_LOG_BUCKETS;
    if (hist != NGS_HIST_LINEAR || args[2] <= 0 || args[1] < args[0] ||
        ((uint64_t)args[1] - (uint64_t)args[0]) / (uint64_t)args[2] > NGS_HIST_LINEAR_MAX - 3)
        return 0;
    return (uint32_t)(((uint64_t)args[1] - (uint64_t)args[0]) / (uint64_t)args[2]) + 3;
}

/* ---- frame: header at the start of every frame, kernel or user ---- */

struct ngs_frame {
    uint64_t busy;       /* claimed by xchg; user space: unused */
    uint32_t number;     /* its index in NGS_MAP_FRAMES, set when it is claimed */
    uint32_t waiting;    /* user space keeps records of this handler until it ends */
    uint64_t pc;         /* block to go on with, for loop callbacks */
    int64_t budget;      /* MAXACTION left */
    uint64_t error;      /* enum ngs_error; 0: none */
    uint64_t error_arg;  /* e.g. the address of a fault */
    uint64_t error_loc;  /* OBJ_LOCS index */
    uint64_t depth;      /* of script calls */
    uint64_t sp;         /* top of the stack of recursive activations, bytes from its start */
    uint64_t paused;     /* this hit has set NGS_PAUSED, as it is to call exit() */
    uint64_t started;    /* ns of CLOCK_MONOTONIC; 0: this hit is not measured */
    struct ngs_member member; /* whose hit this is; zeroes: it was not looked up */
    uint64_t private_[8];/* code generator's own */
    /* then: struct ngs_str error_text (for error("...")), code generator's areas, slots, the record
     * being built (frame_out), a guard of MAXSTRINGLEN + 512 bytes */
};

/*
 * What ends a handler, and how it is worded; X(FAULT), X(SIZE_FULL), X(MAP_REFUSED) and
 * X(VALUE_FULL) end with ARG, the first as hexadecimal digits, the others as "NUMBER)". "": the run
 * time words it (run/error.c).
 */
#define NGS_ERRORS(X)                                                                              \
    X(FAULT, "read fault [man error::fault] at 0x") /* ARG: the address */                         \
    X(DIV_ZERO, "division by 0")                                                                   \
    X(MAXACTION, "MAXACTION exceeded")                                                             \
    X(MAP_FULL, "Array overflow, check MAXMAPENTRIES")                                             \
    X(SIZE_FULL, "Array overflow, check size limit (") /* ARG: the limit */                        \
    X(NESTING, "MAXNESTING exceeded")                                                              \
    X(SCRIPT, "") /* error("..."): the frame's error_text */                                       \
    X(EMPTY_STATS, "empty aggregate")                                                              \
    X(NO_USER_REGS, "cannot access CPU registers in this context")                                 \
    X(BAD_ARG, "argument out of range")                                                            \
    X(KERNEL_READ, "kernel memory cannot be read: this kernel lets no program do it")              \
    X(MAP_REFUSED, "array element not stored (error ") /* ARG: the kernel's errno */               \
    X(BUSY, "string changes too often to be read")     /* or to be appended to */                  \
    X(LOOPS, "") /* in user space: more than ARG foreach loops within one another */               \
    X(UNREADABLE, "array cannot be read") /* for want of memory, or by the kernel's word */        \
    X(POSITION, "Position out of bounds")                                                          \
    X(SIGNAL, "raise: no such signal, or it cannot be sent")                                       \
    X(LOADAVG, "Invalid loadavg index") /* in user space */                                        \
    X(NO_MATCH, "Attempted to get subexpression from failed match")                                \
    X(WRITE_FAULT, "write fault [man error::fault]")                                               \
    X(NO_GROUP, "Attempted to get nonexistent subexpression")                                      \
    X(VALUE_FULL, "buffer size exceeded, consider .maxsize(") /* ARG: of $value, with a NUL */ \
    X(NO_BUCKET, "histogram index out of range")

enum ngs_error {
    NGS_OK,
#define NGS_ERROR_ENUM(id, text) NGS_ERR_##id,
    NGS_ERRORS(NGS_ERROR_ENUM)
#undef NGS_ERROR_ENUM
    NGS_ERR_KINDS
};

/*
 * ---- ring buffer: records from kernel handlers; user handlers hand the same to NGS_H_PRINT ----
 */

enum ngs_rec_kind {
    NGS_REC_PRINT,
    NGS_REC_WARN,
    NGS_REC_ERROR,
    NGS_REC_EXIT,
    NGS_REC_REST,
    NGS_REC_END /* of a handler of which records were kept */
};

/*
 * What a handler prints stays together, though others print on other CPUs meanwhile: a record with
 * MORE is kept until one of the same frame comes without it. FIRST: what is kept of this frame is
 * of another handler, whose end was lost.
 */
enum ngs_rec_flag { NGS_REC_MORE = 1, NGS_REC_FIRST = 2 };

/*
 * Followed by the arguments in order: a long as 8 bytes; a string as struct ngs_str with its bytes,
 * padded to 8. WARN: one string. ERROR: error, arg, loc as three longs, then error_text as a
 * string; EXIT, END: nothing. REST, which only the kernel sends: struct ngs_rest, then the values.
 */
struct ngs_rec {
    uint16_t kind;
    uint16_t format;   /* PRINT: index in OBJ_FORMATS; REST: in OBJ_RESTS */
    uint32_t size;     /* bytes, header included */
    uint32_t probe;    /* index in OBJ_PROBES */
    uint32_t tid;
    uint32_t frame;    /* index in NGS_MAP_FRAMES; here and below: of the kernel's records alone */
    uint32_t flags;    /* enum ngs_rec_flag */
};
/* MAXSTRINGLEN is at most the former: so the largest print fits, and half the ring buffer. */
enum { NGS_STRING_MAX = 32768, NGS_REC_MAX = 2 << 20 };

/* Of the frame that the handler ends with: no error, and no script call or activation. */
struct ngs_rest {
    int64_t budget;
    struct ngs_member member;
};

/* ---- helpers that only the interpreter has ---- */

/*
 * A user-space handler starts with the frame's address in r1 and in r9, and 512 bytes of stack
 * below r10.
 *
 * Called by "call" with src_reg 0 and imm = NGS_H_BASE + number; arguments in r1..r5, result in r0.
 * Strings are pointers to struct ngs_str (destinations have MAXSTRINGLEN room); keys are pointers
 * to a key as in obj_map; TEXTS points to n_keys 8-byte words: a pointer to struct ngs_str for a
 * string key, else 0. A helper that fails stores error and error_arg in the frame and returns -1 in
 * r0 where it says "fails".
 */
#define NGS_H_BASE 0x10000
#define NGS_HELPERS(X)                                                                            \
    X(PRINT, "print", "(rec) hands over a record")                                                \
    X(STR_COPY, "str_copy", "(dst, src)")                                                         \
    X(STR_APPEND, "str_append", "(dst, src)")                                                     \
    X(STR_FORMAT, "str_format", "(dst, value, spec) appends; spec: enum ngs_spec bits")           \
    X(STR_FORMAT_STR, "str_format_str", "(dst, src, spec) appends a string under a width")        \
    X(STR_COMPARE, "str_compare", "(a, b) <0 0 >0, by bytes")                                     \
    X(STR_HASH, "str_hash", "(dst16, str)")                                                       \
    X(SHARED_GET, "shared_get", "(dst, global) copies a global string; fails: busy")              \
    X(SHARED_SET, "shared_set", "(global, src)")                                                  \
    X(SHARED_APPEND, "shared_append", "(global, src) fails: busy")                                \
    X(STR_MARK, "str_mark", "(dst, kind, addr) appends an address marker")                        \
    X(READ, "read", "(addr, size, space, &out64) fails: fault")                                   \
    X(READ_STRING, "read_string", "(dst, addr, max, space, flags) appends; fails: fault")         \
    X(CONTEXT, "context", "(enum ngs_ctx, arg) value")                                            \
    X(CONTEXT_STR, "context_str", "(dst, enum ngs_ctx, arg) sets dst")                            \
    X(MAP_GET, "map_get",                                                                         \
      "(map, key, dst) long: dst is int64*; string: ngs_str*; 1 found, 0 not (zeroed); "          \
      "fails: busy")                                                                              \
    X(MAP_HAS, "map_has", "(map, key) 1 or 0")                                                    \
    X(MAP_SET, "map_set", "(map, key, texts, val) val: int64* or ngs_str*; fails: map full")      \
    X(MAP_ADD, "map_add", "(map, key, texts, delta) value before in r0; fails by frame error")    \
    X(MAP_DELETE, "map_delete", "(map, key)")                                                     \
    X(MAP_DRAIN, "map_drain",                                                                     \
      "(map, set) drains the kernel map into user space. When the handler ends, what is left is " \
      "merged back by adding; with SET an element the kernel has stored meanwhile is kept")       \
    X(MAP_CLEAR, "map_clear", "(map)")                                                            \
    X(MAP_STAT_ADD, "map_stat_add", "(map, key, texts, value) fails: map full")                   \
    X(MAP_STAT, "map_stat", "(map, key, stat_op, &out64) fails: empty")                           \
    X(STAT_ADD, "stat_add", "(global, value)")                                                    \
    X(STAT, "stat", "(global, stat_op, &out64) fails: empty")                                     \
    X(FE_BEGIN, "fe_begin",                                                                       \
      "(map, sort, limit) iterator; sort: enum ngs_sort bits; limit < 0: none; fails: too many")  \
    X(FE_NEXT, "fe_next",                                                                         \
      "(iter, dsts) 1 and the keys and value stored through n_keys + 1 pointers (0: unwanted), "  \
      "or 0")                                                                                     \
    X(FE_END, "fe_end", "(iter)")                                                                 \
    X(HIST_MAP, "hist_map", "(map, key, to_string_dst or 0) prints element's histogram")          \
    X(HIST, "hist", "(global, to_string_dst or 0)")                                               \
    X(MAP_BUCKET, "map_bucket", "(map, key, bucket, &out64) fails: empty, or there is none")      \
    X(BUCKET, "bucket", "(global, bucket, &out64) fails: empty, or there is none")                \
    X(ERROR_TEXT, "error_text",                                                                   \
      "(dst or 0) sets dst to the message of the frame's error, as try/catch shows it; "          \
      "clears the error")                                                                         \
    X(EXIT, "exit", "()")                                                                         \
    X(CALL, "call",                                                                               \
      "(enum ngs_ucall, args, n, dst) a function that only user space has; args: words")

enum ngs_helper {
#define NGS_HELPER_ENUM(id, name, doc) NGS_H_##id,
    NGS_HELPERS(NGS_HELPER_ENUM)
#undef NGS_HELPER_ENUM
    NGS_HELPER_COUNT
};

/*
 * How an integer or string is formatted, one word: conversion in bits 0-7, flags 8-15, width 16-31,
 * precision 32-47 (0xffff: none).
 */
enum {
    NGS_SPEC_LEFT = 1 << 8,
    NGS_SPEC_ZERO = 1 << 9,
    NGS_SPEC_PLUS = 1 << 10,
    NGS_SPEC_SPACE = 1 << 11,
    NGS_SPEC_ALT = 1 << 12,
};
#define NGS_SPEC(conv, flags, width, prec) \
    ((uint64_t)(conv) | (flags) | (uint64_t)(width) << 16 | (uint64_t)(prec) << 32)

/*
 * fe_begin's sort word: bits 0-7 direction (0 none, 1 up, 2 down), 8-15 key (0: value), 16-23
 * stat_op.
 */
#define NGS_SORT(dir, key, stat) ((uint64_t)(dir) | (uint64_t)(key) << 8 | (uint64_t)(stat) << 16)

/* Facts of the moment a handler runs. Strings are marked S. */
enum ngs_ctx {
    NGS_CTX_PID,       /* tgid */
    NGS_CTX_TID,
    NGS_CTX_PPID,
    NGS_CTX_UID, NGS_CTX_EUID, NGS_CTX_GID, NGS_CTX_EGID,
    NGS_CTX_CPU,
    NGS_CTX_TARGET,    /* target() */
    NGS_CTX_TIME_NS,   /* gettimeofday_ns: since the epoch */
    NGS_CTX_MONO_NS,   /* local_clock_ns, monotonic */
    NGS_CTX_USER_MODE, /* was the interrupted code in user space */
    NGS_CTX_UADDR,     /* user-space ip, 0 when not known */
    NGS_CTX_ADDR,      /* interrupted ip, kernel or user */
    NGS_CTX_REG,       /* arg: DWARF register number */
    NGS_CTX_RETVAL,    /* returnval() */
    NGS_CTX_TASK,      /* task_current() */
    NGS_CTX_EXECNAME,  /* S */
    NGS_CTX_PP,        /* S: probe point */
    NGS_CTX_KFUNC,     /* S: kernel function at the interrupted kernel ip, "" in user mode */
    NGS_CTX_ARG,       /* arg: of the kernel's event (CONTEXT_EVENT), which, from 0 */
    NGS_CTX_PARAM,     /* arg: of the function or system call, in a register, which, from 0 */
    NGS_CTX_RANDOM,    /* 32 bits */
    NGS_CTX_RETURN,    /* is this where a function returns? */
    NGS_CTX_PN,        /* S: the probe as the script has it; in shared code of user space as PP */
    NGS_CTX_KSTACK,    /* arg: address of the kernel stack's frame ARG, from 0; 0: it has none */
    NGS_CTX_STACK_KERNEL, /* arg: adds its first ARG frames to the stack at hand */
    /* arg: walks the program's stack, at most ARG frames (0: all): how many it has */
    NGS_CTX_UNWIND,
    /* arg: goes on where the last frame's caller pushed: its CFA is ARG; how many frames then */
    NGS_CTX_UNWIND_ON,
    NGS_CTX_UFRAME,    /* arg: address of its frame ARG, from 0, after UNWIND; 0: none */
    NGS_CTX_UPLACE,    /* arg: its frame ARG as NGS_PLACE, likewise */
    NGS_CTX_STACK_PROGRAM, /* args: adds its frames FROM to TO - 1 to the stack at hand, likewise */
    NGS_CTX_STACK_KEPT,    /* number of the stack at hand, 0: it is empty; another one begins */
    NGS_CTX_USP,       /* likewise, the stack pointer there */
    NGS_CTX_PIDNS,     /* inode of our pid namespace; 0: the initial one, or in user space */
    /* arg: an address of the program's, as NGS_PLACE where other processes have others there */
    NGS_CTX_PLACE,
    NGS_CTX_COUNT
};

/*
 * What NGS_CTX_ARG tells of a system call, beside what its event has: 0 struct pt_regs, 1 at the
 * return the result. PARAM: the first of its arguments.
 */
enum ngs_call_fact { NGS_CALL_NUMBER = 2, NGS_CALL_COMPAT, NGS_CALL_PARAM };

/* What NGS_CTX_ARG tells of a function of the kernel's: its arguments by register, from 0, and: */
enum { NGS_FUNC_RESULT = 64 };

/*
 * Functions of the run time: rows in run/ucall.c for user space. Those that are lowered from func/
 * rows without INTRIN_USER_ONLY are in the library of kernel programs, too (cg/str.c).
 */
enum ngs_ucall {
    NGS_U_STRTOL,        /* (str, base) */
    NGS_U_SUBSTR,        /* (str, start, len) S */
    NGS_U_STRPOS,        /* (str, part, start) where PART is from START on, or -1 */
    NGS_U_SPAN,          /* (str, set, start, others) bytes from START on that are in SET, or not */
    NGS_U_PLAIN,         /* (str, start) bytes from START on that text_str() leaves alone */
    NGS_U_STR_REPLACE,   /* (str, from, to) S */
    NGS_U_SYSTEM,        /* (command) */
    NGS_U_ENV_VAR,       /* (name) S */
    NGS_U_PID2EXECNAME,  /* (pid) S */
    NGS_U_TZ_GMTOFF,     /* () seconds that local time is behind */
    NGS_U_TZ_NAME,       /* () S */
    NGS_U_STRINGAT,      /* (str, pos) */
    NGS_U_TOUPPER, NGS_U_TOLOWER, /* (str) S */
    NGS_U_RAISE,         /* (signal, pid, tid) */
    NGS_U_FTRACE,        /* (line) */
    NGS_U_PRINTK,        /* (level, line) */
    NGS_U_STP_PID,       /* () ngstap's own pid */
    NGS_U_LOADAVG,       /* (index) whole processes */
    NGS_U_LOADAVG_LINE,  /* () S */
    NGS_U_TARGET_SET,    /* () prints the target's processes */
    NGS_U_SWITCH_FILE,   /* () the output goes on in the next file */
    NGS_U_REGEX,         /* (str, table) is there a match? "regular expressions" below */
    NGS_U_MATCHED,       /* (str, pattern, n) S: its N-th group; pattern "": there was no match */
    NGS_U_NGROUPS,       /* (str, pattern) how many groups it has, the whole one among them */
    NGS_U_WRITE,         /* (address, size, value) into user memory */
    NGS_U_WRITE_STR,     /* (address, str, most) that many bytes of it, and a NUL */
    NGS_U_STACK,         /* (str) number of the stack that STR is ('a' of NGS_MARK); 0: none */
    NGS_U_STACK_TEXT,    /* (str) adds its first NGS_TEXT_MAX bytes to it, in the kernel */
    NGS_U_STACKS_FORGET, /* () numbers made before the last call of it mean nothing any more */
    NGS_U_VALUE,         /* () S: what was written to the file of an ATTACH_FILE handler */
    NGS_U_VALUE_SET, NGS_U_VALUE_ADD, /* (str) what is read from it */
    NGS_U_NAMED,         /* (str) S: it with the names of its address marks */
    NGS_U_COUNT
};

/*
 * Regular expressions: the table of an automaton, a literal. 256 bytes: the column of each byte;
 * then rows of 16-bit numbers, little endian, the first at number NGS_REGEX_ROWS: whether the text
 * may end there, then for each column the number where the next row is, or one of the two others,
 * which nothing that follows changes. NUMBERS are as 16-bit numbers count from the table's start.
 */
enum { NGS_REGEX_NO, NGS_REGEX_YES, NGS_REGEX_ROWS = 128 };

/*
 * The hash that string keys are looked up by, the same in BPF and C: two lanes of NH (Black,
 * Halevi, Krawczyk, Krovetz, Rogaway: UMAC, 1999), the second one's key a word further on. Two
 * texts have the same hash with a probability of 2^-62 over the keys, which are random in each
 * session: nobody can prepare such texts. Words are read little endian, the last one padded with
 * zeroes:
 *   h0 = LEN + sum of lo(w[i] + k[i]) * hi(w[i] + k[i]), h1 likewise with k[i + 1]; modulo 2^64;
 *   lo, hi: 32 bits each
 * The loader puts the keys into the literals map at obj_header.hash_key.
 */
#define NGS_HASH_KEY_SIZE(maxlen) ((((maxlen) + 7) & ~7u) + 40)
static inline void ngs_hash(uint64_t out[2], const uint64_t *key, const char *p, uint32_t len)
{
    out[0] = out[1] = len;
    for (uint32_t i = 0; i < len; i += 8) {
        uint64_t w = 0, s;

        memcpy(&w, p + i, len - i < 8 ? len - i : 8);
        s = le64toh(w) + le64toh(key[i / 8]);
        out[0] += (uint64_t)(uint32_t)s * (s >> 32);
        s = le64toh(w) + le64toh(key[i / 8 + 1]);
        out[1] += (uint64_t)(uint32_t)s * (s >> 32);
    }
}

/* A literal that is a key: its hash, by the key there is, lies in the literals map, too. */
struct ngs_hashed {
    uint64_t text;    /* offset of its struct ngs_str */
    uint64_t hash[2];
};

#endif

/*
 * follow: keeps the map of the scope's processes as the kernel has them. Enters: a session whose
 * map holds some processes; leaves: small programs on the scheduler's tracepoints, which add what
 * those processes fork before it runs its first instruction, take out what has ended, and note who
 * runs exec; each tells it through a ring of this file's own. Refuses: kernels without BTF.
 *
 * The programs are raw tracepoints and read a few members of task_struct, whose places are in the
 * kernel's BTF (include/trace/events/sched.h, include/linux/sched.h, include/linux/pid.h). Others
 * pay a hash's look-up for each fork, exec and exit.
 */
#include "load/follow.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "load/kernel_types.h"

enum { RING_BYTES = 1 << 18, CODE_MAX = 128 };

/* ---- members of the kernel's structures ---- */

struct places {
    uint32_t pid, tgid, thread_pid, signal; /* in task_struct */
    uint32_t live;                          /* in signal_struct */
    uint32_t level, numbers; /* in struct pid; a struct upid begins with its number */
    uint32_t upid_size;
};

static bool find_places(struct places *p)
{
    struct kernel_member all[] = {
        {"task_struct", "pid", &p->pid, false},
        {"task_struct", "tgid", &p->tgid, false},
        {"task_struct", "thread_pid", &p->thread_pid, false},
        {"task_struct", "signal", &p->signal, false},
        {"signal_struct", "live", &p->live, false},
        {"pid", "level", &p->level, false},
        {"pid", "numbers", &p->numbers, false},
        {"upid", NULL, &p->upid_size, false},
    };

    return kernel_members(all, sizeof(all) / sizeof(*all));
}

/* ---- instructions ---- */

/* Words of the stack. */
enum {
    AT_KEY = -4,
    AT_CHILD_TGID = -8,
    AT_CHILD_PID = -12,
    AT_LEVEL = -16,
    AT_POINTER = -24,
    AT_VALUE = -32,
    AT_NEWS = -48
};
_Static_assert(sizeof(struct follow_news) == 16, "AT_NEWS");

struct code {
    struct bpf_insn v[CODE_MAX];
    int n;
    int outs[16]; /* jumps to the end */
    int n_outs;
    const struct follow_maps *maps;
    const struct places *at;
};

static void put(struct code *c, int code, int dst, int src, int off, int32_t imm)
{
    c->v[c->n++] = (struct bpf_insn){(uint8_t)code, (uint8_t)(dst & 15), (uint8_t)(src & 15),
                                     (int16_t)off, imm};
}

static void mov(struct code *c, int dst, int src)
{
    put(c, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

static void movi(struct code *c, int dst, int32_t imm)
{
    put(c, BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm);
}

static void addi(struct code *c, int dst, int32_t imm)
{
    put(c, BPF_ALU64 | (BPF_ADD | BPF_K), dst, 0, 0, imm);
}

static void load(struct code *c, int size, int dst, int base, int off)
{
    put(c, BPF_LDX | BPF_MEM | size, dst, base, off, 0);
}

static void store(struct code *c, int size, int base, int off, int src)
{
    put(c, BPF_STX | BPF_MEM | size, base, src, off, 0);
}

static void storei(struct code *c, int size, int base, int off, int32_t imm)
{
    put(c, BPF_ST | BPF_MEM | size, base, 0, off, imm);
}

static void call(struct code *c, int helper)
{
    put(c, BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}

/* Emits: return if DST compares so with IMM. */
static void out_if(struct code *c, int op, int dst, int32_t imm)
{
    c->outs[c->n_outs++] = c->n;
    put(c, BPF_JMP | op | BPF_K, dst, 0, 0, imm);
}

static void stack_address(struct code *c, int dst, int at)
{
    mov(c, dst, BPF_REG_10);
    addi(c, dst, at);
}

static void map(struct code *c, int dst, int fd)
{
    put(c, BPF_LD | BPF_IMM | BPF_DW, dst, BPF_PSEUDO_MAP_FD, 0, fd);
    put(c, 0, 0, 0, 0, 0);
}

/* Emits: the control map's field at OFF |= or += VALUE. */
static void control(struct code *c, size_t off, int op, int32_t value)
{
    put(c, BPF_LD | BPF_IMM | BPF_DW, 1, BPF_PSEUDO_MAP_VALUE, 0, c->maps->control);
    put(c, 0, 0, 0, 0, (int32_t)off);
    movi(c, 2, value);
    put(c, BPF_STX | BPF_DW | BPF_ATOMIC, 1, 2, 0, op);
}
#define CONTROL(field) offsetof(struct ngs_control, field)

/* Emits: the scope is asked by its map from now on. */
static void clear_only(struct code *c)
{
    control(c, CONTROL(only), BPF_AND, 0);
}

/*
 * Emits: the stack's word AT = SIZE bytes of kernel memory at register BASE + OFF; BASE is r6 to
 * r9.
 */
static void kernel_read(struct code *c, int at, int32_t size, int base, uint32_t off)
{
    stack_address(c, 1, at);
    movi(c, 2, size);
    mov(c, 3, base);
    addi(c, 3, (int32_t)off);
    call(c, BPF_FUNC_probe_read_kernel);
}

/*
 * Emits: AT_KEY = the current process's tgid as ngstap sees it, r0 = its member of the scope;
 * returns for others.
 */
static void current_member(struct code *c)
{
    const struct follow_maps *m = c->maps;

    if (m->pidns_ino) {
        put(c, BPF_LD | BPF_IMM | BPF_DW, 1, 0, 0, (int32_t)(uint32_t)m->pidns_dev);
        put(c, 0, 0, 0, 0, (int32_t)(uint32_t)(m->pidns_dev >> 32));
        put(c, BPF_LD | BPF_IMM | BPF_DW, 2, 0, 0, (int32_t)(uint32_t)m->pidns_ino);
        put(c, 0, 0, 0, 0, (int32_t)(uint32_t)(m->pidns_ino >> 32));
        stack_address(c, 3, AT_CHILD_TGID); /* struct bpf_pidns_info: pid, tgid */
        movi(c, 4, 8);
        call(c, BPF_FUNC_get_ns_current_pid_tgid);
        out_if(c, BPF_JNE, 0, 0);
        load(c, BPF_W, 0, BPF_REG_10, AT_KEY); /* tgid is its second word */
    } else {
        call(c, BPF_FUNC_get_current_pid_tgid);
        put(c, BPF_ALU64 | BPF_RSH | BPF_K, 0, 0, 0, 32);
    }
    store(c, BPF_W, BPF_REG_10, AT_KEY, 0);
    map(c, 1, m->scope);
    stack_address(c, 2, AT_KEY);
    call(c, BPF_FUNC_map_lookup_elem);
    out_if(c, BPF_JEQ, 0, 0);
}

static void tell(struct code *c, enum follow_what what)
{
    storei(c, BPF_W, BPF_REG_10, AT_NEWS, (int32_t)what);
    load(c, BPF_W, 1, BPF_REG_10, AT_KEY);
    store(c, BPF_W, BPF_REG_10, AT_NEWS + 4, 1);
    storei(c, BPF_DW, BPF_REG_10, AT_NEWS + 8, 0);
    map(c, 1, c->maps->ring);
    stack_address(c, 2, AT_NEWS);
    movi(c, 3, sizeof(struct follow_news));
    movi(c, 4, 0);
    call(c, BPF_FUNC_ringbuf_output);
}

static void finish(struct code *c)
{
    for (int i = 0; i < c->n_outs; i++)
        c->v[c->outs[i]].off = (int16_t)(c->n - c->outs[i] - 1);
    movi(c, 0, 0);
    put(c, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/*
 * sched_process_fork(parent, child): the child does not run yet. Where ngstap is not in the initial
 * pid namespace, the child's is taken to be ngstap's, as everywhere.
 */
static void on_fork(struct code *c)
{
    const struct places *at = c->at;

    mov(c, 6, 1);
    current_member(c);
    load(c, BPF_DW, 7, 0, 0);
    control(c, CONTROL(births), BPF_ADD, 1);
    load(c, BPF_DW, 8, 6, 8);
    kernel_read(c, AT_CHILD_PID, 4, 8, at->pid);
    kernel_read(c, AT_CHILD_TGID, 4, 8, at->tgid);
    load(c, BPF_W, 1, BPF_REG_10, AT_CHILD_PID);
    load(c, BPF_W, 2, BPF_REG_10, AT_CHILD_TGID);
    c->outs[c->n_outs++] = c->n;
    put(c, BPF_JMP | BPF_JNE | BPF_X, 1, 2, 0, 0); /* a thread */
    store(c, BPF_W, BPF_REG_10, AT_KEY, 1);
    if (c->maps->pidns_ino) {
        kernel_read(c, AT_POINTER, 8, 8, at->thread_pid);
        load(c, BPF_DW, 9, BPF_REG_10, AT_POINTER);
        kernel_read(c, AT_LEVEL, 4, 9, at->level);
        load(c, BPF_W, 1, BPF_REG_10, AT_LEVEL);
        put(c, BPF_ALU64 | BPF_AND | BPF_K, 1, 0, 0, 31); /* MAX_PID_NS_LEVEL is 32 */
        put(c, BPF_ALU64 | BPF_MUL | BPF_K, 1, 0, 0, (int32_t)at->upid_size);
        put(c, BPF_ALU64 | BPF_ADD | BPF_X, 9, 1, 0, 0);
        kernel_read(c, AT_KEY, 4, 9, at->numbers);
    }
    store(c, BPF_DW, BPF_REG_10, AT_VALUE, 7); /* its parent's layout */
    storei(c, BPF_W, BPF_REG_10, AT_VALUE, NGS_BELOW);
    put(c, BPF_JMP32 | BPF_JNE | BPF_K, 7, 0, 1, NGS_WATCHED);
    storei(c, BPF_W, BPF_REG_10, AT_VALUE, NGS_NAMED); /* a master's worker */
    clear_only(c);                                     /* before the child can hit anything */
    map(c, 1, c->maps->scope);
    stack_address(c, 2, AT_KEY);
    stack_address(c, 3, AT_VALUE);
    movi(c, 4, BPF_ANY);
    call(c, BPF_FUNC_map_update_elem);
    put(c, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 4, 0);
    control(c, CONTROL(unfollowed), BPF_ADD, 1);
    tell(c, FOLLOW_BORN);
    finish(c);
}

static void unplace(struct code *c)
{
    current_member(c);
    storei(c, BPF_W, 0, offsetof(struct ngs_member, layout), NGS_UNPLACED);
    clear_only(c);
    control(c, CONTROL(gate), BPF_OR, NGS_SCOPE_LAYOUTS);
}

/*
 * sched_prepare_exec(task, ...), since Linux 6.9: the old mappings are about to go; exec fails
 * after this only by killing the process. Without it, ticks during exec read mappings that are
 * gone.
 */
static void on_prepare(struct code *c)
{
    unplace(c);
    finish(c);
}

/* sched_process_exec(task, ...): the new program is mapped. */
static void on_exec(struct code *c)
{
    unplace(c);
    tell(c, FOLLOW_EXEC);
    finish(c);
}

/* sched_process_exit(task, ...), after do_exit() has counted the thread out of signal->live. */
static void on_exit_of(struct code *c)
{
    mov(c, 6, 1);
    current_member(c);
    load(c, BPF_DW, 7, 6, 0);
    kernel_read(c, AT_POINTER, 8, 7, c->at->signal);
    load(c, BPF_DW, 7, BPF_REG_10, AT_POINTER);
    kernel_read(c, AT_CHILD_PID, 4, 7, c->at->live);
    load(c, BPF_W, 1, BPF_REG_10, AT_CHILD_PID);
    out_if(c, BPF_JNE, 1, 0);
    clear_only(c);
    map(c, 1, c->maps->scope);
    stack_address(c, 2, AT_KEY);
    call(c, BPF_FUNC_map_delete_elem);
    tell(c, FOLLOW_GONE);
    finish(c);
}

/* ---- interface ---- */

static const struct {
    const char *tracepoint;
    void (*make)(struct code *c);
    bool optional;
} programs[FOLLOW_PROGRAMS] = {
    {"sched_process_fork", on_fork, false},
    {"sched_prepare_exec", on_prepare, true},
    {"sched_process_exec", on_exec, false},
    {"sched_process_exit", on_exit_of, false},
};

static int load_one(const struct follow *f, int i, const struct places *at)
{
    struct code c = {.maps = &f->maps, .at = at};

    programs[i].make(&c);
    return bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "ngs_follow", "GPL", c.v, (size_t)c.n, NULL);
}

static bool start_one(struct follow *f, int i, const struct places *at)
{
    int fd = load_one(f, i, at);

    if (fd < 0)
        return false;
    f->links[i] = bpf_raw_tracepoint_open(programs[i].tracepoint, fd);
    close(fd); /* the link holds it */
    if (programs[i].make == on_exit_of)
        f->last_exit = load_one(f, i, at);
    return f->links[i] >= 0 || programs[i].optional;
}

bool follow_start(struct follow *f, const struct follow_maps *maps)
{
    struct places at;

    follow_init(f);
    f->maps = *maps;
    if (!find_places(&at)) {
        errno = ENOENT;
        return false;
    }
    f->maps.ring = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "ngs_news", 0, 0, RING_BYTES, NULL);
    bool ok = f->maps.ring >= 0;

    for (int i = 0; ok && i < FOLLOW_PROGRAMS; i++)
        ok = start_one(f, i, &at);
    int err = errno;

    if (!ok)
        follow_stop(f);
    errno = err;
    return ok;
}

void follow_exit_last(struct follow *f)
{
    for (int i = 0; i < FOLLOW_PROGRAMS; i++) {
        if (programs[i].make != on_exit_of || f->links[i] < 0)
            continue;
        int link = bpf_raw_tracepoint_open(programs[i].tracepoint, f->last_exit);

        if (link < 0)
            continue;
        close(f->links[i]); /* meanwhile both run, and the second finds nothing to do */
        f->links[i] = link;
    }
}

void follow_init(struct follow *f)
{
    *f = (struct follow){.maps.ring = -1, .last_exit = -1};
    for (int i = 0; i < FOLLOW_PROGRAMS; i++)
        f->links[i] = -1;
}

void follow_stop(struct follow *f)
{
    for (int i = 0; i < FOLLOW_PROGRAMS; i++)
        if (f->links[i] >= 0)
            close(f->links[i]);
    if (f->last_exit >= 0)
        close(f->last_exit);
    if (f->maps.ring >= 0)
        close(f->maps.ring);
    follow_init(f);
}

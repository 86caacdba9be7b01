/*
 * syscall: system calls by the raw tracepoints sys_enter and sys_exit. Enters: probe records whose
 * places are calls, their programs; leaves: one small program on the tracepoint, which finds the
 * probe's program by the call's number and goes over to it (bpf_tail_call), so that a call that
 * nobody asked for costs no more with many probes than with one. What is probed several times takes
 * as many of these programs. A probe of any call is attached itself.
 *
 * The tracepoints fire for every process; whose hits count is tested at the head of the handler.
 */
#include "load/kinds.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/arena.h"
#include "base/diag.h"
#include "load/kernel_types.h"

/* Words of the stack. */
enum { AT_NUMBER = -8, AT_STATUS = -16 };

struct code {
    struct bpf_insn v[64];
    int n;
};

static int put(struct code *c, int code, int dst, int src, int off, int32_t imm)
{
    c->v[c->n++] = (struct bpf_insn){(uint8_t)code, (uint8_t)(dst & 15), (uint8_t)(src & 15),
                                     (int16_t)off, imm};
    return c->n - 1;
}

static void land(struct code *c, int jump)
{
    c->v[jump].off = (int16_t)(c->n - jump - 1);
}

/* r1 = SIZE bytes of kernel memory at r3 + OFF, by the stack's word AT. */
static void kernel_read(struct code *c, int at, int size, int32_t off)
{
    put(c, BPF_ST | BPF_MEM | BPF_DW, BPF_REG_10, 0, at, 0);
    put(c, BPF_ALU64 | (BPF_ADD | BPF_K), BPF_REG_3, 0, 0, off);
    put(c, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, 0, size);
    put(c, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_10, 0, 0);
    put(c, BPF_ALU64 | (BPF_ADD | BPF_K), BPF_REG_1, 0, 0, at);
    put(c, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_probe_read_kernel);
    put(c, BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_1, BPF_REG_10, at, 0);
}

/*
 * The registers of the call that returns, as what they are: then a load may read them, and no
 * helper need (which takes half of what a call that nobody asked for costs). False: the kernel has
 * no bpf_rdonly_cast (Linux 6.2).
 */
static bool cast_registers(struct code *c)
{
    uint32_t cast, regs;
    struct kernel_id wanted[] = {
        {BTF_KIND_STRUCT, "pt_regs", &regs},
        {BTF_KIND_FUNC, "bpf_rdonly_cast", &cast},
    };

    if (!kernel_ids(wanted, 2))
        return false;
    put(c, BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_1, BPF_REG_6, 0, 0);
    put(c, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, 0, (int32_t)regs);
    put(c, BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0, (int32_t)cast);
    return true;
}

/* r7 = the number of the call; false: the kernel cannot do it by CAST. */
static bool call_number(const struct arch *a, const struct call_layer *l, struct code *c, bool cast)
{
    if (!attach_has(l->kind, ATTACH_ON_RETURN)) {
        put(c, BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_7, BPF_REG_6, 8, 0);
    } else if (cast) {
        if (!cast_registers(c))
            return false;
        put(c, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_7, BPF_REG_0, a->syscall.number, 0);
    } else {
        put(c, BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_3, BPF_REG_6, 0, 0);
        kernel_read(c, AT_NUMBER, 4, a->syscall.number);
        put(c, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_7, BPF_REG_1, 0, 0);
    }
    return true;
}

/* Tests the convention: the machine's own takes the returned jump, that for 32 bits goes on. */
static int jump_if_native(const struct session *s, const struct arch *a, struct code *c)
{
    if (s->control->call_status) {
        put(c, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_get_current_task);
        put(c, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_0, 0, 0);
        kernel_read(c, AT_STATUS, 4, (int32_t)s->control->call_status);
        put(c, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_1, 0, 0, (int32_t)a->syscall.compat_status);
        return put(c, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_1, 0, 0, 0);
    }
    put(c, BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_3, BPF_REG_6, 0, 0);
    kernel_read(c, AT_STATUS, 8, a->syscall.compat.offset);
    put(c, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_1, 0, 0, a->syscall.compat.mask);
    return put(c, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_1, 0, 0, a->syscall.compat.value);
}

static bool hub_code(const struct session *s, const struct arch *a, const struct call_layer *l,
                     struct code *c, bool cast)
{
    put(c, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_6, BPF_REG_1, 0, 0);
    if (!call_number(a, l, c, cast))
        return false;
    int none = put(c, BPF_JMP | BPF_JGE | BPF_K, BPF_REG_7, 0, 0, NGS_CALLS);

    put(c, BPF_LD | BPF_IMM | BPF_DW, BPF_REG_1, BPF_PSEUDO_MAP_VALUE, 0, l->wanted);
    put(c, 0, 0, 0, 0, 0);
    put(c, BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_1, BPF_REG_7, 0, 0);
    put(c, BPF_LDX | BPF_MEM | BPF_B, BPF_REG_1, BPF_REG_1, 0, 0);
    int unwanted = put(c, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_1, 0, 0, 0);
    int native = jump_if_native(s, a, c);

    put(c, BPF_ALU64 | (BPF_ADD | BPF_K), BPF_REG_7, 0, 0, NGS_CALLS);
    land(c, native);
    put(c, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_6, 0, 0);
    put(c, BPF_LD | BPF_IMM | BPF_DW, BPF_REG_2, BPF_PSEUDO_MAP_FD, 0, l->table);
    put(c, 0, 0, 0, 0, 0);
    put(c, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_7, 0, 0);
    put(c, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_tail_call);
    land(c, none);
    land(c, unwanted);
    put(c, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0);
    put(c, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    return true;
}

static int load_hub(const struct session *s, const struct arch *a, const struct call_layer *l,
                    bool cast)
{
    struct code c = {.n = 0};

    return hub_code(s, a, l, &c, cast) ? bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "ngs_calls",
                                                       "GPL", c.v, (size_t)c.n, NULL)
                                       : -1;
}

static const char *event_of(uint32_t kind)
{
    return attach_has(kind, ATTACH_ON_RETURN) ? "sys_exit" : "sys_enter";
}

/* Attaches the program to the tracepoint of its kind; false and errno. */
static bool attach(struct session *s, uint32_t kind, int prog)
{
    int fd = bpf_raw_tracepoint_open(event_of(kind), prog);

    if (fd < 0)
        return false;
    s->tracepoints =
        arena_grow(s->cx->arena, s->tracepoints, s->n_tracepoints, sizeof(*s->tracepoints));
    s->tracepoints[s->n_tracepoints++] = fd;
    return true;
}

static bool layer_open(struct session *s, struct call_layer *l)
{
    const struct arch *a = arch_of_machine((uint16_t)s->o->h->machine);

    l->table = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "ngs_calls", 4, 4, NGS_CALL_ANY, NULL);
    l->wanted = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ngs_wanted", 4, NGS_CALLS, 1, NULL);
    if (l->table < 0 || l->wanted < 0 || !a)
        return false;
    l->hub = load_hub(s, a, l, attach_has(l->kind, ATTACH_ON_RETURN));
    if (l->hub < 0)
        l->hub = load_hub(s, a, l, false);
    return l->hub >= 0 && attach(s, l->kind, l->hub);
}

static uint8_t call_bit(uint32_t call)
{
    return call < NGS_CALLS ? 1 : 2;
}

/* A layer that has nothing for CALL yet; NULL and errno. */
static struct call_layer *layer_for(struct session *s, uint32_t kind, uint32_t call)
{
    for (uint32_t i = 0; i < s->n_layers; i++)
        if (s->layers[i].kind == kind && !(s->layers[i].calls[call % NGS_CALLS] & call_bit(call)))
            return &s->layers[i];
    s->layers = arena_grow(s->cx->arena, s->layers, s->n_layers, sizeof(*s->layers));
    struct call_layer *l = &s->layers[s->n_layers++];

    *l = (struct call_layer){.kind = kind, .table = -1, .wanted = -1, .hub = -1};
    return layer_open(s, l) ? l : NULL;
}

/* Where the kernel keeps by which convention a call came, once for all programs. */
static void find_status(struct session *s)
{
    const struct arch *a = arch_of_machine((uint16_t)s->o->h->machine);
    uint32_t info = 0, status = 0;
    struct kernel_member wanted[] = {
        {"task_struct", "thread_info", &info, false},
        {"thread_info", "status", &status, false},
    };

    if (!s->n_layers && !s->control->call_status && a && a->syscall.compat_status &&
        kernel_members(wanted, 2))
        s->control->call_status = info + status;
}

/* Programs are there before their numbers are. */
static bool tell_wanted(const struct session *s)
{
    uint32_t key = 0;

    for (uint32_t i = 0; i < s->n_layers; i++)
        if (bpf_map_update_elem(s->layers[i].wanted, &key, s->layers[i].calls, BPF_ANY))
            return false;
    return true;
}

static bool open_syscall(struct session *s, const struct obj_probe *p, int prog)
{
    const struct obj_place *place = &s->o->places[p->place];

    find_status(s);
    if (place[p->n_places - 1].vaddr == NGS_CALL_ANY)
        return attach(s, p->kind, prog) || attach_failed(s, p, event_of(p->kind), errno);
    for (uint32_t i = 0; i < p->n_places; i++) {
        uint32_t call = (uint32_t)place[i].vaddr;
        struct call_layer *l = layer_for(s, p->kind, call);

        if (!l || bpf_map_update_elem(l->table, &call, &prog, BPF_ANY))
            return attach_failed(s, p, event_of(p->kind), errno);
        l->calls[call % NGS_CALLS] |= call_bit(call);
    }
    return tell_wanted(s) || attach_failed(s, p, event_of(p->kind), errno);
}

static void close_all(struct session *s)
{
    while (s->n_layers) {
        struct call_layer *l = &s->layers[--s->n_layers];

        if (l->hub >= 0)
            close(l->hub);
        if (l->wanted >= 0)
            close(l->wanted);
        if (l->table >= 0)
            close(l->table);
    }
}

const struct attach_ops attach_syscall = {
    .kinds = ATTACH_OPS_OF(PROBE_SYSCALL) | ATTACH_OPS_OF(PROBE_SYSRETURN),
    .feature = FEAT_RAW_TRACEPOINT,
    .open = open_syscall,
    .close = close_all,
};

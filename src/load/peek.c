/*
 * peek: reads the kernel's memory for user space. Enters: an address of any value; leaves: bytes,
 * or false. A small program copies them into a map that is mapped here; it is attached nowhere, but
 * run by BPF_PROG_TEST_RUN (Linux 5.10), in our own context, so that it also knows our task.
 * Refuses: kernels that let no program read their memory (lockdown, capabilities).
 */
#include "load/peek.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct peek {
    int map, prog;
    void *room; /* the map's only element: PEEK_MAX bytes */
};

/* What the program is given, its context. SIZE 0: the task is asked for. */
struct question {
    uint64_t addr, size;
};

#define INSN(code, dst, src, off, imm) ((struct bpf_insn){code, dst, src, off, imm})

#define ROOM(map) INSN(BPF_LD | BPF_IMM | BPF_DW, 1, BPF_PSEUDO_MAP_VALUE, 0, map)

static int load(int map)
{
    const struct bpf_insn code[] = {
        INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1),
        INSN(BPF_LDX | BPF_MEM | BPF_DW, 3, 1, offsetof(struct question, addr), 0),
        INSN(BPF_LDX | BPF_MEM | BPF_DW, 2, 1, offsetof(struct question, size), 0),
        INSN(BPF_JMP | BPF_JEQ | BPF_K, 2, 0, 5, 0),
        INSN(BPF_JMP | BPF_JGT | BPF_K, 2, 0, 9, PEEK_MAX),
        ROOM(map),
        INSN(0, 0, 0, 0, 0),
        INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_probe_read_kernel),
        INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
        INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_get_current_task),
        ROOM(map),
        INSN(0, 0, 0, 0, 0),
        INSN(BPF_STX | BPF_MEM | BPF_DW, 1, 0, 0, 0),
        INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0),
        INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
    };

    return bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "ngs_peek", "GPL", code,
                         sizeof(code) / sizeof(*code), NULL);
}

struct peek *peek_open(void)
{
    LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
    struct peek *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    p->room = MAP_FAILED;
    p->map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ngs_peek", 4, PEEK_MAX, 1, &opts);
    p->prog = p->map >= 0 ? load(p->map) : -1;
    if (p->prog >= 0)
        p->room = mmap(NULL, PEEK_MAX, PROT_READ, MAP_SHARED, p->map, 0);
    if (p->room != MAP_FAILED)
        return p;
    peek_close(p);
    return NULL;
}

void peek_close(struct peek *p)
{
    if (!p)
        return;
    if (p->room != MAP_FAILED)
        munmap(p->room, PEEK_MAX);
    if (p->prog >= 0)
        close(p->prog);
    if (p->map >= 0)
        close(p->map);
    free(p);
}

static bool ask(struct peek *p, struct question q)
{
    LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &q, .ctx_size_in = sizeof(q));

    return !bpf_prog_test_run_opts(p->prog, &run) && !run.retval;
}

bool peek_read(struct peek *p, uint64_t addr, void *buf, size_t n)
{
    if (!n || n > PEEK_MAX || !ask(p, (struct question){addr, n}))
        return !n;
    memcpy(buf, p->room, n);
    return true;
}

uint64_t peek_task(struct peek *p)
{
    uint64_t task = 0;

    if (ask(p, (struct question){0, 0}))
        memcpy(&task, p->room, sizeof(task));
    return task;
}

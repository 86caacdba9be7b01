/*
 * kernel: what this kernel can do, found by trying: small programs are loaded, a map is made, a
 * perf event opened. Enters: the features to treat as absent; leaves: a table. Versions are never
 * compared: distributions carry features back, and build options and lockdown take them away. What
 * is missing because we lack a capability is named as that. Facts: bpf-helpers(7),
 * include/uapi/linux/bpf.h, perf_event_open(2).
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/bytes.h"
#include "jail/jail.h"
#include "target/elf.h"
#include "target/target.h"

static const struct span nowhere;

/* ---- trying ---- */

/* Opcodes as include/uapi/linux/bpf.h builds them; the header in use may be older than some. */
#define OP(op, dst, src, offset, value)                                                            \
    {                                                                                              \
        .code = (op), .dst_reg = (dst), .src_reg = (src), .off = (offset), .imm = (value)          \
    }
enum {
    OP_MOV_IMM = BPF_ALU64 | BPF_MOV | BPF_K,
    OP_MOV_REG = BPF_ALU64 | BPF_MOV | BPF_X,
    OP_ADD_IMM = BPF_ALU64 | BPF_ADD,         /* BPF_ADD and BPF_K are 0 */
    OP_DIV_REG = BPF_ALU64 | BPF_DIV | BPF_X, /* off 1: signed */
    OP_STORE_IMM = BPF_ST | BPF_MEM | BPF_DW,
    OP_ATOMIC = BPF_STX | BPF_DW | 0xc0, /* BPF_ATOMIC; BPF_XADD before 5.12 */
    OP_JCOND = BPF_JMP | 0xe0,           /* BPF_JCOND; src 0: may_goto */
    OP_EXIT = BPF_JMP | BPF_EXIT,
    ATOMIC_XCHG = 0xe0 | 0x01, /* BPF_XCHG */
};

static bool loads(const struct bpf_insn *insns, size_t n)
{
    /* An older libbpf does not know LIBBPF_OPTS' later fields, nor need it: name, licence and code
     * will do. */
    int fd = bpf_prog_load(BPF_PROG_TYPE_PERF_EVENT, NULL, "GPL", insns, n, NULL);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

#define LOADS(insns) loads((insns), sizeof(insns) / sizeof(*(insns)))

static bool try_bpf(void)
{
    const struct bpf_insn code[] = {OP(OP_MOV_IMM, 0, 0, 0, 0), OP(OP_EXIT, 0, 0, 0, 0)};

    return LOADS(code);
}

static bool try_atomics(void)
{
    const struct bpf_insn code[] = {
        OP(OP_STORE_IMM, 10, 0, -8, 0),
        OP(OP_MOV_IMM, 1, 0, 0, 1),
        OP(OP_ATOMIC, 10, 1, -8, ATOMIC_XCHG),
        OP(OP_MOV_IMM, 0, 0, 0, 0),
        OP(OP_EXIT, 0, 0, 0, 0),
    };

    return LOADS(code);
}

static bool try_raw_tracepoint(void)
{
    const struct bpf_insn code[] = {OP(OP_MOV_IMM, 0, 0, 0, 0), OP(OP_EXIT, 0, 0, 0, 0)};
    int fd = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, NULL, "GPL", code, 2, NULL);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* The helper is there under lockdown, too, but no program may use it. */
static bool try_write_user(void)
{
    const struct bpf_insn code[] = {
        OP(OP_STORE_IMM, 10, 0, -8, 0),
        OP(OP_MOV_IMM, 1, 0, 0, 0),
        OP(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0),
        OP(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -8),
        OP(OP_MOV_IMM, 3, 0, 0, 8),
        OP(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_probe_write_user),
        OP(OP_MOV_IMM, 0, 0, 0, 0),
        OP(OP_EXIT, 0, 0, 0, 0),
    };

    return LOADS(code);
}

static bool try_sdiv(void)
{
    const struct bpf_insn code[] = {
        OP(OP_MOV_IMM, 0, 0, 0, -8), OP(OP_MOV_IMM, 1, 0, 0, 2), OP(OP_DIV_REG, 0, 1, 1, 0),
        OP(OP_MOV_IMM, 0, 0, 0, 0),  OP(OP_EXIT, 0, 0, 0, 0),
    };

    return LOADS(code);
}

static bool try_may_goto(void)
{
    const struct bpf_insn code[] = {
        OP(OP_MOV_IMM, 0, 0, 0, 0),
        OP(OP_JCOND, 0, 0, 1, 0), /* out of the loop, when the kernel has had enough */
        OP(BPF_JMP | BPF_JA, 0, 0, -2, 0),
        OP(OP_EXIT, 0, 0, 0, 0),
    };

    return LOADS(code);
}

static bool try_ringbuf(void)
{
    int fd =
        bpf_map_create(BPF_MAP_TYPE_RINGBUF, NULL, 0, 0, (uint32_t)sysconf(_SC_PAGESIZE), NULL);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/*
 * libbpf loads a program that calls the helper without arguments: the verifier refuses it either
 * way, but says "unknown func" or "invalid func" only when there is no such helper for the program
 * type.
 */
static bool has_helper(int helper)
{
    return libbpf_probe_bpf_helper(BPF_PROG_TYPE_PERF_EVENT, (enum bpf_func_id)helper, NULL) == 1;
}

static bool try_perf_event(void)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof(attr),
        .config = PERF_COUNT_SW_CPU_CLOCK,
        .sample_period = 1000000,
        .disabled = 1,
    };
    int fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool try_uprobe(void)
{
    return access("/sys/bus/event_source/devices/uprobe/type", R_OK) == 0;
}

/*
 * Are there links of many breakpoints, and do they keep to a process? Nothing is attached: the
 * kernel looks at the path first and refuses a directory by EBADF, where it knows such links. One
 * that filters by address space refuses pid -1 by EINVAL before that; from Linux 6.6 to 6.9 the
 * filter compared threads, and pid was looked at later (kernel/trace/bpf_trace.c,
 * bpf_uprobe_multi_link_attach).
 */
static bool try_uprobe_multi(void)
{
    struct bpf_insn code[] = {OP(OP_MOV_IMM, 0, 0, 0, 0), OP(OP_EXIT, 0, 0, 0, 0)};
    unsigned long offset = 0;
    struct kernel_multi_link link = {
        .path = (uintptr_t) "/", .offsets = (uintptr_t)&offset, .count = 1};
    LIBBPF_OPTS(bpf_prog_load_opts, opts,
                .expected_attach_type = (enum bpf_attach_type)KERNEL_UPROBE_MULTI);
    int prog = bpf_prog_load(BPF_PROG_TYPE_KPROBE, NULL, "GPL", code, 2, &opts);
    bool there = false;

    if (prog < 0)
        return false;
    link.prog = (uint32_t)prog;
    link.attach_type = KERNEL_UPROBE_MULTI;
    int fd = kernel_link_multi(&link);

    if (fd < 0 && errno == EBADF) {
        link.pid = (uint32_t)-1;
        fd = kernel_link_multi(&link);
        there = fd < 0 && errno == EINVAL;
    }
    if (fd >= 0)
        close(fd);
    close(prog);
    return there;
}

int kernel_link_multi(const struct kernel_multi_link *link)
{
    return (int)syscall(SYS_bpf, BPF_LINK_CREATE, link, sizeof(*link));
}

static bool try_kprobe(void)
{
    return access("/sys/bus/event_source/devices/kprobe/type", R_OK) == 0;
}

/*
 * Nothing is attached: the addresses lie where nothing can be read, which is EFAULT where the
 * kernel knows such links (kernel/trace/bpf_trace.c, bpf_kprobe_multi_link_attach).
 */
static bool try_kprobe_multi(void)
{
    struct bpf_insn code[] = {OP(OP_MOV_IMM, 0, 0, 0, 0), OP(OP_EXIT, 0, 0, 0, 0)};
    LIBBPF_OPTS(bpf_prog_load_opts, opts,
                .expected_attach_type = (enum bpf_attach_type)KERNEL_KPROBE_MULTI);
    int prog = bpf_prog_load(BPF_PROG_TYPE_KPROBE, NULL, "GPL", code, 2, &opts);

    if (prog < 0)
        return false;
    const struct kernel_kprobe_link link = {
        .prog = (uint32_t)prog, .attach_type = KERNEL_KPROBE_MULTI, .count = 1, .addrs = 8};
    int fd = kernel_link_kprobes(&link);
    bool there = fd < 0 && errno == EFAULT;

    if (fd >= 0)
        close(fd);
    close(prog);
    return there;
}

int kernel_link_kprobes(const struct kernel_kprobe_link *link)
{
    return (int)syscall(SYS_bpf, BPF_LINK_CREATE, link, sizeof(*link));
}

/* Loads a program for a function that exists to be traced, and asks for its argument. */
static bool try_fentry(void)
{
    const struct bpf_insn code[] = {
        OP(OP_MOV_IMM, 2, 0, 0, 0),  OP(OP_MOV_REG, 3, 10, 0, 0),
        OP(OP_ADD_IMM, 3, 0, 0, -8), OP(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_get_func_arg),
        OP(OP_MOV_IMM, 0, 0, 0, 0),  OP(OP_EXIT, 0, 0, 0, 0),
    };
    struct btf *btf = btf__load_vmlinux_btf();
    int id = btf ? btf__find_by_name_kind(btf, "bpf_fentry_test1", BTF_KIND_FUNC) : -1;
    LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_FENTRY,
                .attach_btf_id = (uint32_t)id);
    int prog = id > 0 ? bpf_prog_load(BPF_PROG_TYPE_TRACING, NULL, "GPL", code,
                                      sizeof(code) / sizeof(*code), &opts)
                      : -1;

    btf__free(btf);
    if (prog >= 0)
        close(prog);
    return prog >= 0;
}

/* ---- the table ---- */

/*
 * SINCE: the first version that has it, for messages. A feature is there when WORKS says so, or,
 * where that is NULL, when the kernel has the BPF helper HELPER; all that is eBPF's needs FEAT_BPF.
 */
static const struct {
    const char *name, *since;
    bool is_bpf;
    bool (*works)(void);
    int helper; /* enum bpf_func_id */
    bool late;  /* tried when it is wanted, as that takes long */
} features[FEAT_COUNT] = {
    [FEAT_BPF] = {"bpf", "Linux 5.5", false, try_bpf, 0},
    [FEAT_RINGBUF] = {"ringbuf", "Linux 5.8", true, try_ringbuf, 0},
    [FEAT_ATOMICS] = {"atomics", "Linux 5.12", true, try_atomics, 0},
    [FEAT_FOR_EACH_MAP] = {"for_each_map", "Linux 5.13", true, NULL, BPF_FUNC_for_each_map_elem},
    [FEAT_TASK_PT_REGS] = {"task_pt_regs", "Linux 5.15", true, NULL, BPF_FUNC_task_pt_regs},
    [FEAT_BPF_COOKIE] = {"bpf_cookie", "Linux 5.15", true, NULL, BPF_FUNC_get_attach_cookie},
    [FEAT_BPF_LOOP] = {"bpf_loop", "Linux 5.17", true, NULL, BPF_FUNC_loop},
    [FEAT_SDIV] = {"sdiv", "Linux 6.6", true, try_sdiv, 0},
    [FEAT_MAY_GOTO] = {"may_goto", "Linux 6.9", true, try_may_goto, 0},
    [FEAT_SNPRINTF] = {"snprintf", "Linux 5.13", true, NULL, BPF_FUNC_snprintf},
    [FEAT_PERF_EVENT] = {"perf_event", "Linux 4.9", false, try_perf_event, 0},
    [FEAT_UPROBE] = {"uprobe", "Linux 4.17", false, try_uprobe, 0},
    [FEAT_RAW_TRACEPOINT] = {"raw_tracepoint", "Linux 4.17", true, try_raw_tracepoint, 0},
    [FEAT_UPROBE_MULTI] = {"uprobe_multi", "Linux 6.10", true, try_uprobe_multi, 0},
    [FEAT_WRITE_USER] = {"write_user", "Linux 4.8", true, try_write_user, 0},
    [FEAT_KPROBE] = {"kprobe", "Linux 4.17", false, try_kprobe, 0},
    [FEAT_KPROBE_MULTI] = {"kprobe_multi", "Linux 5.18", true, try_kprobe_multi, 0},
    [FEAT_FENTRY] = {"fentry", "Linux 5.17", true, try_fentry, 0, true},
};

const char *feature_name(enum feature f)
{
    return f < FEAT_COUNT ? features[f].name : "?";
}

const char *feature_since(enum feature f)
{
    return f < FEAT_COUNT ? features[f].since : "?";
}

static bool disable(struct compile *cx, struct kernel *k, const char *const *disabled, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct near near;
        int found = -1;

        near_init(&near, disabled[i]);
        for (int f = 0; f < FEAT_COUNT; f++) {
            near_try(&near, features[f].name);
            if (!strcmp(features[f].name, disabled[i]))
                found = f;
        }
        if (found >= 0) {
            k->has[found] = false;
            continue;
        }
        const char *all = "";

        for (int f = 0; f < FEAT_COUNT; f++)
            all = arena_printf(cx->arena, "%s%s%s", all, *all ? ", " : "", features[f].name);
        diag_error(cx->diag, nowhere, "option", "--no-feature=%s: there is no such feature",
                   disabled[i]);
        if (near_best(&near))
            diag_hint(cx->diag, "did you mean %s?", near_best(&near));
        else
            diag_hint(cx->diag, "the features are %s", all);
        return false;
    }
    return true;
}

struct kernel *kernel_assume(struct compile *cx, const char *const *disabled, uint32_t n_disabled)
{
    struct kernel *k = ARENA_NEW(cx->arena, struct kernel);
    struct utsname u;

    k->release = uname(&u) ? "unknown" : arena_strdup(cx->arena, u.release);
    for (int f = 0; f < FEAT_COUNT; f++)
        k->has[f] = true;
    return disable(cx, k, disabled, n_disabled) ? k : NULL;
}

/* By a filter of system calls or a security module: an older kernel says something else. */
static bool is_refused(void)
{
    errno = 0;
    return !try_bpf() && errno == EPERM;
}

struct kernel *kernel_probe(struct compile *cx, const char *const *disabled, uint32_t n_disabled)
{
    struct kernel *k = kernel_assume(cx, disabled, n_disabled);

    if (!k)
        return NULL;
    k->missing_caps = kernel_missing_caps(cx->arena);
    if (!k->missing_caps && k->has[FEAT_BPF] && is_refused())
        k->missing_caps = "bpf(2)";
    /* FEAT_BPF is the first. What is turned off is not tried. */
    for (int f = 0; f < FEAT_COUNT; f++) {
        if (k->has[f] && !features[f].late)
            k->has[f] = (!features[f].is_bpf || k->has[FEAT_BPF]) &&
                        (features[f].works ? features[f].works() : has_helper(features[f].helper));
    }
    return k;
}

bool kernel_no_functions(struct compile *cx, const struct kernel *k, struct span at)
{
    diag_error(cx->diag, at, "kernel",
               "this kernel (%s) lets nobody probe its functions: it has neither kprobes "
               "(CONFIG_KPROBES, CONFIG_KPROBE_EVENTS) nor fentry (Linux 5.17, "
               "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS)",
               k->release ? k->release : "?");
    diag_hint(cx->diag, "kernel.trace(\"EVENT\"), syscall.NAME and timer.profile need neither");
    return false;
}

/* In a jail, which may not try. */
static bool ask_for_fentry(void)
{
    char answer = 0;

    return jail_tell(KERNEL_ASKED, NULL, 0, &answer, 1, NULL) && answer;
}

bool kernel_can_fentry(struct kernel *k)
{
    if (k->has[FEAT_FENTRY] && !k->tried_fentry)
        k->has[FEAT_FENTRY] = k->has[FEAT_BPF] && (jail_inside() ? ask_for_fentry() : try_fentry());
    k->tried_fentry = true;
    return k->has[FEAT_FENTRY];
}

/* ---- which kernel ---- */

static bool notes_build_id(const char *path, struct build_id *id)
{
    char notes[64 * 1024];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, notes, sizeof(notes)) : -1;

    *id = (struct build_id){.len = 0};
    if (fd >= 0)
        close(fd);
    return n > 0 && elf_notes_build_id(notes, (size_t)n, id);
}

const char *kernel_module_of(const char *path)
{
    /* What follows becomes a name below /sys. */
    return !strncmp(path, "kernel:", 7) && !strchr(path + 7, '/') ? path + 7 : NULL;
}

bool kernel_is_path(const char *path)
{
    return !strcmp(path, "kernel") || kernel_module_of(path);
}

void kernel_module_build_id(const char *name, struct build_id *id)
{
    char path[256];

    snprintf(path, sizeof(path), "/sys/module/%s/notes/.note.gnu.build-id", name);
    notes_build_id(path, id);
}

void kernel_build_id(struct build_id *id)
{
    struct utsname u;

    if (notes_build_id("/sys/kernel/notes", id))
        return;
    if (uname(&u))
        return;
    /* Nothing better tells one build from another: release and version hold number and date of
     * it. */
    uint64_t hash = bytes_hash(BYTES_HASH, u.release, strlen(u.release));

    hash = bytes_hash(hash, u.version, strlen(u.version));
    memcpy(id->bytes, &hash, sizeof(hash));
    id->len = sizeof(hash);
}

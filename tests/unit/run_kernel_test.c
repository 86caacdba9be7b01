/*
 * run_kernel_test: sessions with a hand-made program in the kernel that prints on every tick of a
 * process: its records come between begin's and end's prints, end sees what it stored, the session
 * ends with the process. Needs root.
 */
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/bpf.h>

#include "base/arena.h"
#include "base/diag.h"
#include "cg/object.h"
#include "run/run.h"
#include "release.h"
#include "tap.h"

#define INSN(c, d, s, o, i)                                                                        \
    ((struct bpf_insn){.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)})
#define MOV(d, s)     INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define MOVI(d, i)    INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define ADDI(d, i)    INSN(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define LDX(d, s, o)  INSN(BPF_LDX | BPF_MEM | BPF_DW, d, s, o, 0)
#define STX(d, o, s)  INSN(BPF_STX | BPF_MEM | BPF_DW, d, s, o, 0)
#define STI(d, o, i)  INSN(BPF_ST | BPF_MEM | BPF_DW, d, 0, o, i)
#define STW(d, o, i)  INSN(BPF_ST | BPF_MEM | BPF_W, d, 0, o, i)
#define XADD(d, o, s) INSN(BPF_STX | BPF_ATOMIC | BPF_DW, d, s, o, BPF_ADD)
#define JEQI(d, i, o) INSN(BPF_JMP | BPF_JEQ | BPF_K, d, 0, o, i)
#define CALL(i)       INSN(BPF_JMP | BPF_CALL, 0, 0, 0, i)
#define EXIT          INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define LD64(d, i)    INSN(BPF_LD | BPF_IMM | BPF_DW, d, 0, 0, i), INSN(0, 0, 0, 0, 0)

enum { FRAME_SIZE = 4096, FRAME_REC = 1024, MAXLEN = 64, PERIOD = 2000000 };
enum { FMT_BEGIN, FMT_TICK, FMT_END, FORMATS };

struct meta {
    char bytes[4096];
    size_t size;
    char strings[512];
    uint32_t strings_len;
};

static uint32_t str(struct meta *m, const char *s)
{
    uint32_t off = m->strings_len;

    strcpy(m->strings + off, s);
    m->strings_len += (uint32_t)strlen(s) + 1;
    return off;
}

static void table(struct meta *m, enum obj_table t, const void *data, size_t size, uint32_t n)
{
    struct obj_header *h = (struct obj_header *)m->bytes;

    m->size = (m->size + 7) & ~(size_t)7;
    h->table[t].off = (uint32_t)m->size;
    h->table[t].n = n;
    memcpy(m->bytes + m->size, data, size);
    m->size += size;
}

/* begin: print; timer.profile: print, hits[0]++; end: print hits[0]. */
static const struct bpf_insn user[] = {
    /* begin */
    STW(9, FRAME_REC, NGS_REC_PRINT | FMT_BEGIN << 16),
    STW(9, FRAME_REC + 4, sizeof(struct ngs_rec)),
    MOV(1, 9),
    ADDI(1, FRAME_REC),
    CALL(NGS_H_BASE + NGS_H_PRINT),
    EXIT,
    /* end */
    STI(10, -8, 0),
    MOVI(1, 0),
    MOV(2, 10),
    ADDI(2, -8),
    MOV(3, 9),
    ADDI(3, FRAME_REC + sizeof(struct ngs_rec)),
    CALL(NGS_H_BASE + NGS_H_MAP_GET),
    STW(9, FRAME_REC, NGS_REC_PRINT | FMT_END << 16),
    STW(9, FRAME_REC + 4, sizeof(struct ngs_rec) + 8),
    MOV(1, 9),
    ADDI(1, FRAME_REC),
    CALL(NGS_H_BASE + NGS_H_PRINT),
    EXIT,
};
enum { BEGIN_LEN = 6, USER_LEN = sizeof(user) / sizeof(user[0]) };

static const struct meta *metadata(struct compile *cx)
{
    struct meta *m = ARENA_NEW(cx->arena, struct meta);
    struct obj_header h = {
        .magic = {'N', 'G', 'S', 'T', 'A', 'P', '\r', '\n'},
        .version = NGS_OBJ_VERSION,
        .header_size = sizeof(h),
        .maxstringlen = MAXLEN,
        .maxmapentries = 16,
        .frame_size = FRAME_SIZE,
        .frame_out = FRAME_REC,
        .globals_size = 8,
        .rodata_size = sizeof(struct ngs_rec),
    };

    str(m, "");
    struct obj_loc locs[] = {{0}, {.file = str(m, "t.stp"), .line = 2, .col = 1}};
    struct obj_probe probes[] = {
        {.kind = PROBE_PROFILE, .name = str(m, "timer.profile"), .period = PERIOD, .loc = 1},
        {.kind = PROBE_BEGIN, .name = str(m, "begin"), .code_len = BEGIN_LEN},
        {.kind = PROBE_END,
         .name = str(m, "end"),
         .code_off = BEGIN_LEN,
         .code_len = USER_LEN - BEGIN_LEN},
    };
    struct obj_map maps[] = {{.name = str(m, "hits"),
                              .map_name = str(m, "hits"),
                              .n_keys = 1,
                              .key_type = {OBJ_LONG},
                              .key_size = 8,
                              .value_size = 8,
                              .val_type = OBJ_LONG,
                              .max_entries = 16}};
    struct obj_format formats[FORMATS] = {
        [FMT_BEGIN] = {.text = str(m, "begin\n"), .flags = FORMAT_PRINTF},
        [FMT_TICK] = {.text = str(m, "tick\n"), .flags = FORMAT_PRINTF},
        [FMT_END] = {.text = str(m, "end %d\n"),
                     .flags = FORMAT_PRINTF,
                     .n_args = 1,
                     .arg_types = OBJ_LONG},
    };

    memcpy(m->bytes, &h, sizeof(h));
    m->size = sizeof(h);
    table(m, OBJ_STRINGS, m->strings, m->strings_len, m->strings_len);
    table(m, OBJ_PROBES, probes, sizeof(probes), 3);
    table(m, OBJ_PLACES, probes, 0, 0);
    table(m, OBJ_MODULES, probes, 0, 0);
    table(m, OBJ_MAPS, maps, sizeof(maps), 1);
    table(m, OBJ_GLOBALS, probes, 0, 0);
    table(m, OBJ_FORMATS, formats, sizeof(formats), FORMATS);
    table(m, OBJ_LOCS, locs, sizeof(locs), 2);
    return m;
}

static struct cg_func program(struct compile *cx)
{
    static const struct bpf_insn code[] = {
        LD64(1, offsetof(struct ngs_control, gate)), /* 0 */
        LDX(1, 1, 0),
        JEQI(1, NGS_COUNTED, 2), /* as for all clocks; and not stopped */
        MOVI(0, 0),
        EXIT,
        LD64(1, offsetof(struct ngs_control, hits)), /* 6 */
        MOVI(2, 1),
        XADD(1, 0, 2),
        LD64(1, 0), /* 10: ring */
        LD64(2, 0), /* 12: the record, a literal */
        MOVI(3, sizeof(struct ngs_rec)),
        MOVI(4, 0),
        CALL(BPF_FUNC_ringbuf_output),
        STI(10, -8, 0),
        STI(10, -16, 1),
        LD64(1, 0), /* 19: hits */
        MOV(2, 10),
        ADDI(2, -8),
        CALL(BPF_FUNC_map_lookup_elem),
        JEQI(0, 0, 4),
        MOVI(1, 1),
        XADD(0, 0, 1),
        MOVI(0, 0),
        EXIT,
        LD64(1, 0), /* 29: hits */
        MOV(2, 10),
        ADDI(2, -8),
        MOV(3, 10),
        ADDI(3, -16),
        MOVI(4, BPF_NOEXIST), /* two processors may tick at once */
        CALL(BPF_FUNC_map_update_elem),
        JEQI(0, 0, 8),
        LD64(1, 0), /* 38: hits */
        MOV(2, 10),
        ADDI(2, -8),
        CALL(BPF_FUNC_map_lookup_elem),
        JEQI(0, 0, 2),
        MOVI(1, 1),
        XADD(0, 0, 1),
        MOVI(0, 0),
        EXIT,
    };
    static const struct cg_reloc relocs[] = {
        {CG_RELOC_MAP_VALUE, 0, NGS_MAP_CONTROL},
        {CG_RELOC_MAP_VALUE, 6, NGS_MAP_CONTROL},
        {CG_RELOC_MAP, 10, NGS_MAP_RING},
        {CG_RELOC_MAP_VALUE, 12, NGS_MAP_RODATA},
        {CG_RELOC_MAP, 19, "hits"},
        {CG_RELOC_MAP, 29, "hits"},
        {CG_RELOC_MAP, 38, "hits"},
    };
    struct cg_func f = {.name = "p0", .section = "perf_event", .sig = CG_SIG_PROG, .n_args = 1};

    f.insns = arena_alloc(cx->arena, sizeof(code));
    memcpy(f.insns, code, sizeof(code));
    f.n_insns = sizeof(code) / sizeof(code[0]);
    f.relocs = arena_alloc(cx->arena, sizeof(relocs));
    memcpy(f.relocs, relocs, sizeof(relocs));
    f.n_relocs = sizeof(relocs) / sizeof(relocs[0]);
    return f;
}

static bool build(struct compile *cx, struct object *o)
{
    static const struct ngs_rec tick = {
        .kind = NGS_REC_PRINT, .format = FMT_TICK, .size = sizeof(struct ngs_rec)};
    struct cg_unit *u = ARENA_NEW(cx->arena, struct cg_unit);
    const struct meta *m = metadata(cx);
    void *elf;
    size_t size;

    *u = (struct cg_unit){.cx = cx,
                          .n_funcs = 1,
                          .n_maps = 7,
                          .rodata = &tick,
                          .rodata_size = sizeof(tick),
                          .user_code = user,
                          .user_len = USER_LEN,
                          .meta = m->bytes,
                          .meta_size = m->size,
                          .frame_size = FRAME_SIZE};
    u->funcs = ARENA_NEW(cx->arena, struct cg_func);
    u->funcs[0] = program(cx);
    u->maps = ARENA_ARRAY(cx->arena, struct cg_map, u->n_maps);
    u->maps[0] =
        (struct cg_map){NGS_MAP_FRAMES, BPF_MAP_TYPE_ARRAY, 4, FRAME_SIZE, NGS_FRAMES_PER_CPU, 0};
    u->maps[1] = (struct cg_map){NGS_MAP_RING, BPF_MAP_TYPE_RINGBUF, 0, 0, 65536, 0};
    u->maps[2] = (struct cg_map){.name = NGS_MAP_GLOBALS, .value_size = 8};
    u->maps[3] = (struct cg_map){.name = NGS_MAP_CONTROL, .value_size = sizeof(struct ngs_control)};
    u->maps[4] = (struct cg_map){.name = NGS_MAP_RODATA, .value_size = sizeof(tick)};
    u->maps[5] = (struct cg_map){"hits", BPF_MAP_TYPE_HASH, 8, 8, 16, 0};
    u->maps[6] =
        (struct cg_map){NGS_MAP_SCOPE, BPF_MAP_TYPE_HASH, 4, sizeof(struct ngs_member), 16, 0};
    return cg_write_elf(u, &elf, &size) && object_open(cx, elf, size, o);
}

/* ---- running ---- */

static double cpu_time(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static pid_t busy_process(double seconds)
{
    pid_t pid = fork();

    if (pid == 0) {
        while (cpu_time() < seconds)
            ;
        _exit(0);
    }
    return pid;
}

struct result {
    int status;
    char *out, *err;
    size_t out_len, err_len;
    unsigned ticks;
    long long counted; /* as end says */
    bool ordered;      /* begin first, end last */
};

static bool run(pid_t pid, double seconds, struct result *res)
{
    struct interrupt interrupt = INTERRUPT_NONE;
    struct compile cx = {.arena = arena_new(), .interrupt = &interrupt};
    struct kernel k = {.release = ""};
    struct target t = {.kind = TARGET_PID, .pid = pid, .pids = &pid, .n_pids = 1, .proc = "/proc"};
    struct run_opts opts = {.seconds = seconds, .timing = true};
    struct object o;
    bool built;

    *res = (struct result){.counted = -1};
    cx.sources = sources_new(cx.arena);
    cx.diag = diag_new(cx.arena, cx.sources, stderr);
    cx.limits.maxstringlen = MAXLEN;
    for (int i = 0; i < FEAT_COUNT; i++)
        k.has[i] = true;
    t.root = sysroot_new(&cx, "/");
    opts.out = open_memstream(&res->out, &res->out_len);
    opts.err = open_memstream(&res->err, &res->err_len);
    built = build(&cx, &o);
    if (built)
        res->status = run_session(&cx, &o, &t, &k, &opts);
    release_signals(&interrupt);
    fclose(opts.out);
    fclose(opts.err);
    for (const char *p = res->out; (p = strstr(p, "tick\n")); p += 5)
        res->ticks++;
    const char *end = strstr(res->out, "end ");

    res->ordered = !strncmp(res->out, "begin\n", 6) && end && end == strrchr(res->out, 'e');
    if (end)
        res->counted = strtoll(end + 4, NULL, 10);
    sysroot_free(t.root);
    arena_free(cx.arena);
    return built;
}

static void show(bool ok, const struct result *res)
{
    if (!ok)
        printf("# status %d, %u ticks, counted %lld\n# err: %s\n", res->status, res->ticks,
               res->counted, res->err);
}

int main(void)
{
    struct result res;
    pid_t pid;

    if (geteuid() != 0) {
        tap_skip("sessions with kernel probes", "not root");
        return tap_done();
    }
    pid = busy_process(60);
    run(pid, 0.5, &res);
    show(tap_ok(res.status == 0, "a profile ends with status 0"), &res);
    show(tap_ok(res.ordered, "begin prints first, end last"), &res);
    show(tap_ok(res.ticks > 20 && (long long)res.ticks == res.counted,
                "every tick was printed and counted"),
         &res);
    tap_ok(strstr(res.err, "instructions verified") && strstr(res.err, "ns per hit"),
           "-v tells the load time and the time per hit");
    printf("# %s\n", res.err);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    free(res.out);
    free(res.err);

    pid = busy_process(3); /* a slow machine takes two until the probes are there */
    run(pid, 60, &res);
    show(tap_ok(res.status == 0 && strstr(res.err, " exited\n"),
                "the target's end ends the session"),
         &res);
    show(tap_ok(res.ordered && (long long)res.ticks == res.counted, "with the end handlers"), &res);
    waitpid(pid, NULL, 0);
    free(res.out);
    free(res.err);
    return tap_done();
}

/*
 * object_test: the object writer and reader: what is written is read back; what is damaged is
 * refused or read within its bounds (ASan watches), whichever byte is wrong and wherever the file
 * ends.
 */
#include "object_fixture.h"

#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "load/load.h"
#include "tap.h"

enum { FLIPS = 20000, FLIPS_LIBBPF = 2000 };

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
    return 0;
}

/* Opens a copy whose end is the end of an allocation, so that ASan sees reads beyond it. */
static bool opens(const void *elf, size_t size, struct object *out)
{
    FILE *null = fopen("/dev/null", "w");
    struct compile cx = fixture_compile(null);
    void *copy = malloc(size ? size : 1);
    struct object o;

    memcpy(copy, elf, size);
    bool ok = object_open(&cx, copy, size, out ? out : &o);

    free(copy);
    fixture_free(&cx);
    fclose(null);
    return ok;
}

static void test_writer(struct compile *cx, void **elf, size_t *size)
{
    void *again = NULL;
    size_t again_size = 0;

    tap_ok(cg_write_elf(fixture_unit(cx, false), elf, size), "an object is written");
    tap_ok(cg_write_elf(fixture_unit(cx, false), &again, &again_size) && again_size == *size &&
               !memcmp(*elf, again, *size),
           "the same unit gives the same bytes");

    struct bpf_object *obj = bpf_object__open_mem(*elf, *size, NULL);

    tap_ok(obj != NULL, "libbpf opens it");
    tap_ok(obj && bpf_object__find_program_by_name(obj, "p0"), "it holds the program");
    struct bpf_map *m = obj ? bpf_object__find_map_by_name(obj, "hits") : NULL;

    tap_ok(m && bpf_map__key_size(m) == 8 && bpf_map__max_entries(m) == 16, "it defines the map");
    m = obj ? bpf_object__find_map_by_name(obj, NGS_MAP_GLOBALS) : NULL;
    tap_ok(m && (bpf_map__map_flags(m) & BPF_F_MMAPABLE), "the globals can be mapped");
    bpf_object__close(obj);
}

static void test_bad_units(struct compile *cx)
{
    FILE *null = fopen("/dev/null", "w");
    struct compile quiet_cx = fixture_compile(null);
    struct cg_unit *u = fixture_unit(&quiet_cx, false);
    void *elf;
    size_t size;

    u->funcs[1].relocs[0].name = "nowhere";
    tap_ok(!cg_write_elf(u, &elf, &size), "a relocation to an unknown map is refused");
    u = fixture_unit(&quiet_cx, false);
    u->funcs[1].relocs[1].insn = 5000;
    tap_ok(!cg_write_elf(u, &elf, &size), "a relocation outside of its function is refused");
    u = fixture_unit(&quiet_cx, false);
    u->funcs[1].relocs[2].kind = CG_RELOC_MAP;
    tap_ok(!cg_write_elf(u, &elf, &size), "a map relocation of a call is refused");
    u = fixture_unit(cx, false);
    for (uint32_t i = 0; i < u->n_funcs; i++)
        u->funcs[i].n_lines = 0;
    struct bpf_object *obj =
        cg_write_elf(u, &elf, &size) ? bpf_object__open_mem(elf, size, NULL) : NULL;

    tap_ok(obj != NULL, "an object without line info is sound");
    bpf_object__close(obj);
    u = fixture_unit(cx, false);
    u->n_funcs = 0;
    u->n_maps = 0;
    tap_ok(cg_write_elf(u, &elf, &size), "an object without kernel code is written");
    fixture_free(&quiet_cx);
    fclose(null);
}

static void test_reader(struct compile *cx, const void *elf, size_t size)
{
    struct object o;

    if (!tap_ok(object_open(cx, elf, size, &o), "the object is read back"))
        return;
    tap_ok(o.h->table[OBJ_PROBES].n == 2 && o.probes[0].kind == PROBE_PROFILE &&
               o.probes[0].period == FIXTURE_PERIOD_NS,
           "with its probes");
    tap_text(object_str(&o, o.probes[0].name), "timer.profile", "and their names");
    tap_ok(o.user_code_len == 2 && o.h->rodata_size == 24 &&
               !memcmp((const char *)o.rodata + 8, &(int64_t){FIXTURE_LITERAL}, 8),
           "its code for user space and its literals");
}

/* Overwrites the 4 bytes that hold WANT inside the metadata's record at OFF, opens, restores. */
static bool opens_with(const void *elf, size_t size, size_t off, uint32_t value)
{
    char *copy = malloc(size);

    memcpy(copy, elf, size);
    memcpy(copy + off, &value, 4);
    bool ok = opens(copy, size, NULL);

    free(copy);
    return ok;
}

static void test_fields(const char *elf, size_t size)
{
    const char *meta = memmem(elf, size, NGS_OBJ_MAGIC, 8);

    if (!tap_ok(meta != NULL, "the metadata is found"))
        return;
    struct obj_header h;
    size_t at = (size_t)(meta - elf), probes, globals, maps;

    memcpy(&h, meta, sizeof(h));
    probes = at + h.table[OBJ_PROBES].off;
    globals = at + h.table[OBJ_GLOBALS].off;
    maps = at + h.table[OBJ_MAPS].off;
    struct {
        const char *name;
        size_t off;
        uint32_t value;
    } cases[] = {
        {"another version", at + offsetof(struct obj_header, version), 99},
        {"a header of another size", at + offsetof(struct obj_header, header_size), 8},
        {"unknown flags", at + offsetof(struct obj_header, flags), 0x80000000},
        {"no MAXSTRINGLEN", at + offsetof(struct obj_header, maxstringlen), 0},
        {"a huge MAXSTRINGLEN", at + offsetof(struct obj_header, maxstringlen), 0xffffffff},
        {"a frame without room for its header", at + offsetof(struct obj_header, frame_size), 8},
        {"a record outside of the frame", at + offsetof(struct obj_header, frame_out), 1u << 30},
        {"literals of another size", at + offsetof(struct obj_header, rodata_size), 16},
        {"globals of another size", at + offsetof(struct obj_header, globals_size), 16},
        {"a table outside of the file", at + offsetof(struct obj_header, table[OBJ_PROBES].off),
         0xfffffff8},
        {"a table that is too long", at + offsetof(struct obj_header, table[OBJ_PROBES].n),
         0x20000000},
        {"a table at an odd place", at + offsetof(struct obj_header, table[OBJ_PROBES].off),
         h.table[OBJ_PROBES].off + 4},
        {"no strings", at + offsetof(struct obj_header, table[OBJ_STRINGS].n), 0},
        {"strings without an end", at + offsetof(struct obj_header, table[OBJ_STRINGS].n),
         h.table[OBJ_STRINGS].n - 2},
        {"a probe of unknown kind", probes + offsetof(struct obj_probe, kind), PROBE_KINDS},
        {"a tracepoint without its event", probes + offsetof(struct obj_probe, kind),
         PROBE_TRACEPOINT},
        {"a probe's name outside of the strings", probes + offsetof(struct obj_probe, name),
         1 << 20},
        {"a probe's place outside of the places", probes + offsetof(struct obj_probe, loc), 77},
        {"a period of 0", probes + offsetof(struct obj_probe, period), 0},
        {"code outside of the code",
         probes + sizeof(struct obj_probe) + offsetof(struct obj_probe, code_off), 1},
        {"a user probe without code",
         probes + sizeof(struct obj_probe) + offsetof(struct obj_probe, code_len), 0},
        {"a global outside of the globals", globals + offsetof(struct obj_global, off), 4096},
        {"a global at an odd place", globals + offsetof(struct obj_global, off), 1},
        {"a global of unknown type", globals + offsetof(struct obj_global, type), 9},
        {"a string that does not fit", globals + offsetof(struct obj_global, type), OBJ_STRING},
        {"an array without keys", maps + offsetof(struct obj_map, n_keys), 0},
        {"an array with too many keys", maps + offsetof(struct obj_map, n_keys), 9},
        {"a key outside of the key", maps + offsetof(struct obj_map, key_off), 8},
        {"a value outside of the value", maps + offsetof(struct obj_map, val_off), 8},
        {"a huge array", maps + offsetof(struct obj_map, max_entries), 0xffffffff},
    };

    tap_ok(opens_with(elf, size, at + offsetof(struct obj_header, maxerrors), 3),
           "a sound change is read");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        tap_ok(!opens_with(elf, size, cases[i].off, cases[i].value), "%s: refused", cases[i].name);
}

/* Any outcome is fine but a crash. */
static void test_hostile(const char *elf, size_t size)
{
    char *copy = malloc(size);
    unsigned opened = 0, seed = 1;

    for (size_t n = 0; n < size; n++)
        opened += opens(elf, n, NULL);
    tap_ok(opened == 0, "no file that is cut off is read (%zu lengths)", size);
    opened = 0;
    for (int i = 0; i < FLIPS; i++) {
        size_t at = (size_t)rand_r(&seed) % size;

        memcpy(copy, elf, size);
        for (int k = 0; k < 1 + i % 3; k++)
            copy[(at + (size_t)k) % size] = (char)rand_r(&seed);
        bool ok = opens(copy, size, NULL);

        opened += ok;
        if (ok && i < FLIPS_LIBBPF)
            bpf_object__close(bpf_object__open_mem(copy, size, NULL));
    }
    tap_ok(true, "%d files with wrong bytes do not crash the reader (%u were read)", FLIPS, opened);
    free(copy);
}

/* ---- what programs may ask of the kernel ---- */

enum { OF_AN_INSTRUCTION = 8 };

/*
 * Opens a copy with TO instead of FROM where that is found first, at a multiple of STEP bytes;
 * false when it is not there, or when the object is refused. ASKS: as the object says.
 */
static bool opens_changed(const void *elf, size_t size, size_t step, const void *from,
                          const void *to, size_t n, bool *asks)
{
    struct object o = {0};
    char *copy = malloc(size);
    size_t at = 0;

    memcpy(copy, elf, size);
    while (at + n <= size && memcmp(copy + at, from, n) != 0)
        at += step;
    bool ok = at + n <= size;

    if (!ok)
        printf("# not found\n");
    else
        memcpy(copy + at, to, n);
    ok = ok && opens(copy, size, &o);
    *asks = o.asks_guru;
    free(copy);
    return ok;
}

/* With CODE, SOURCE and IMM in the place of the call of map_lookup_elem. */
static bool opens_calling(const void *elf, size_t size, uint8_t code, uint8_t source, int32_t imm,
                          bool *asks)
{
    struct bpf_insn from = {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_map_lookup_elem};
    struct bpf_insn to = {.code = code, .src_reg = source, .imm = imm};

    return opens_changed(elf, size, OF_AN_INSTRUCTION, &from, &to, sizeof(from), asks);
}

static void test_calls(const void *elf, size_t size)
{
    static const struct {
        const char *what;
        uint8_t code, source;
        int32_t imm;
        bool taken, guru;
    } rows[] = {
        {"what it did before", BPF_JMP | BPF_CALL, 0, BPF_FUNC_map_lookup_elem, true, false},
        {"a helper that scripts have", BPF_JMP | BPF_CALL, 0, BPF_FUNC_ktime_get_ns, true, false},
        {"writing to a program", BPF_JMP | BPF_CALL, 0, BPF_FUNC_probe_write_user, true, true},
        {"a signal", BPF_JMP | BPF_CALL, 0, BPF_FUNC_send_signal_thread, true, true},
        {"another signal", BPF_JMP | BPF_CALL, 0, BPF_FUNC_send_signal, false, false},
        {"a system call's result", BPF_JMP | BPF_CALL, 0, BPF_FUNC_override_return, false, false},
        {"a tail call", BPF_JMP | BPF_CALL, 0, BPF_FUNC_tail_call, false, false},
        {"system calls", BPF_JMP | BPF_CALL, 0, BPF_FUNC_sys_bpf, false, false},
        {"no helper", BPF_JMP | BPF_CALL, 0, -1, false, false},
        {"a function of the kernel", BPF_JMP | BPF_CALL, BPF_PSEUDO_KFUNC_CALL, 1, false, false},
        {"a map by number", BPF_LD | BPF_IMM | BPF_DW, BPF_PSEUDO_MAP_FD, 3, false, false},
        {"a variable of the kernel", BPF_LD | BPF_IMM | BPF_DW, BPF_PSEUDO_BTF_ID, 3, false, false},
    };
    bool asks;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        tap_ok(opens_calling(elf, size, rows[i].code, rows[i].source, rows[i].imm, &asks) ==
                       rows[i].taken &&
                   asks == rows[i].guru,
               "%s: %s%s", rows[i].what, rows[i].taken ? "taken" : "refused",
               rows[i].guru ? ", for guru mode" : "");
    tap_ok(!opens_changed(elf, size, 1, "map_flags", "pinning\0", sizeof("map_flags"), &asks),
           "a map of other programs, by its name: refused");
}

int main(void)
{
    struct compile cx = fixture_compile(stderr);
    void *elf = NULL;
    size_t size = 0;

    libbpf_set_print(quiet);
    test_writer(&cx, &elf, &size);
    test_bad_units(&cx);
    if (elf) {
        test_reader(&cx, elf, size);
        test_fields(elf, size);
        test_hostile(elf, size);
        test_calls(elf, size);
    }
    fixture_free(&cx);
    return tap_done();
}

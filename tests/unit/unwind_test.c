/*
 * unwind_test: the rows of files that are here (this program, libc, what else is mapped) say what
 * libdw says of the same addresses; sections changed at random (fixed seed) are read in bounded
 * time and memory, and give rows in order or none.
 */
#include <dlfcn.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch/arch.h"
#include "tap.h"
#include "target/elf.h"
#include "unwind/unwind.h"

enum { ROUNDS = 3000, FILES_MAX = 16, REG_FP = 6, REG_IP = 16 };

static uint64_t state = 7;

static uint32_t random_below(uint32_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % n;
}

/* ---- what libdw says ---- */

/* *OUT: the rule as a row has it; false: a row cannot say it. */
static bool rule_of(Dwarf_Frame *frame, uint32_t *out)
{
    Dwarf_Op mem[3], *ops, *cfa;
    size_t n, n_cfa;
    bool signal;

    if (dwarf_frame_info(frame, NULL, NULL, &signal) != REG_IP || signal ||
        dwarf_frame_cfa(frame, &cfa, &n_cfa) || n_cfa != 1 || cfa[0].atom != DW_OP_bregx)
        return false;
    if (dwarf_frame_register(frame, REG_IP, mem, &ops, &n))
        return false;
    if (!n && ops == mem) { /* undefined */
        *out = NGS_RULE(NGS_CFA_OUTERMOST, 0, 0);
        return true;
    }
    int64_t saved = 0;

    if (dwarf_frame_register(frame, REG_FP, mem, &ops, &n))
        return false;
    if (n == 2 && ops[0].atom == DW_OP_call_frame_cfa && ops[1].atom == DW_OP_plus_uconst)
        saved = (int64_t)ops[1].number;
    else if (n)
        return false;
    if (saved > 0 || (cfa[0].number != REG_FP && cfa[0].number != 7))
        return false;
    *out = NGS_RULE(cfa[0].number == REG_FP ? NGS_CFA_FP : NGS_CFA_SP, -saved / 8,
                    (int64_t)cfa[0].number2 / 8);
    return true;
}

/* Of every 7th row, as there are hundreds of thousands: how many were compared, and differ. */
static void compare(const char *path, uint32_t *n, uint32_t *wrong)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    Elf *elf = fd < 0 ? NULL : elf_open(fd);
    Dwarf_CFI *cfi = elf ? dwarf_getcfi_elf(elf) : NULL;
    struct unwind_rows rows = {0};

    *n = *wrong = 0;
    if (cfi && unwind_file(fd, &rows))
        for (uint32_t i = 0; i < rows.n; i += 7) {
            Dwarf_Frame *frame;
            uint32_t want;

            if (dwarf_cfi_addrframe(cfi, rows.v[i].pc, &frame))
                continue;
            if (rule_of(frame, &want)) {
                ++*n;
                *wrong += rows.v[i].rule != want;
                if (rows.v[i].rule != want && *wrong < 4)
                    printf("# %s: %#x: %#x, libdw %#x\n", path, rows.v[i].pc, rows.v[i].rule, want);
            }
            free(frame);
        }
    free(rows.v);
    dwarf_cfi_end(cfi);
    elf_end(elf);
    if (fd >= 0)
        close(fd);
}

static int each_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    uint32_t *left = arg, n, wrong;
    const char *path = *info->dlpi_name ? info->dlpi_name : "/proc/self/exe";

    if (!*left || *path != '/')
        return 0;
    --*left;
    compare(path, &n, &wrong);
    printf("# %s: %u rows compared\n", path, n);
    tap_ok(!wrong && n > 10, "%s: what libdw says", strrchr(path, '/') + 1);
    return 0;
}

/* ---- hostile sections ---- */

static bool in_order(const struct unwind_rows *r)
{
    for (uint32_t i = 1; i < r->n; i++)
        if (r->v[i - 1].pc >= r->v[i].pc)
            return false;
    return true;
}

/* This program's own section, or as much of it as a round needs. */
static size_t own_section(uint8_t *to, size_t size)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    Elf *elf = elf_open(fd);
    Elf_Scn *scn = NULL;
    size_t names = 0, n = 0;
    GElf_Shdr sh;

    elf_getshdrstrndx(elf, &names);
    while (!n && (scn = elf_nextscn(elf, scn)))
        if (gelf_getshdr(scn, &sh) && !strcmp(elf_strptr(elf, names, sh.sh_name), ".eh_frame")) {
            n = sh.sh_size < size ? sh.sh_size : size;
            memcpy(to, elf_rawdata(scn, NULL)->d_buf, n);
        }
    elf_end(elf);
    close(fd);
    return n;
}

static void changed_sections(void)
{
    static uint8_t whole[16384], changed[16384];
    size_t size = own_section(whole, sizeof(whole));
    bool sound = size > 1000;

    for (int round = 0; round < ROUNDS && sound; round++) {
        struct unwind_rows rows;
        size_t n = 1 + random_below((uint32_t)size);

        memcpy(changed, whole, n);
        for (uint32_t k = random_below(30); k; k--)
            changed[random_below((uint32_t)n)] = (uint8_t)random_below(256);
        if (unwind_eh_frame(arch_native(), changed, n, 0x1000, 0, &rows))
            sound = in_order(&rows);
        free(rows.v);
    }
    tap_ok(sound, "sections changed at random");
}

/* A CIE, and an FDE whose instructions are those, in a section of their own. */
static bool rows_of(const uint8_t *code, size_t n, uint32_t size, struct unwind_rows *rows)
{
    uint8_t section[4096] = {20,  0,    0,
                             0,   0,    0,
                             0,   0,    1,
                             'z', 'R',  0,
                             1,   0x78, 16,
                             1,   0x1b, DW_CFA_def_cfa,
                             7,   8,    DW_CFA_offset | 16,
                             1,   0,    0};
    uint32_t head[4] = {(uint32_t)(13 + n), 28, (uint32_t)(0x1000 - 32), size};

    memcpy(section + 24, head, sizeof(head));
    memcpy(section + 41, code, n);
    return unwind_eh_frame(arch_native(), section, 41 + n, 0, 0, rows);
}

/* Two CIEs of 60,000 instructions, and FDEs that name them in turns, so that each is read anew. */
static void two_in_turns(void)
{
    enum { CIE = 60000, FDES = 40000, SIZE = 2 * (CIE + 24) + FDES * 20 };
    uint8_t *section = calloc(1, SIZE), *p = section;
    struct unwind_rows r;

    for (int k = 0; k < 2; k++, p += CIE + 24) {
        const uint8_t head[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 'z', 'R', 0, 1, 0x78, 16, 1, 0x1b};
        uint32_t len = CIE + 20;

        memcpy(p, head, sizeof(head));
        memcpy(p, &len, sizeof(len));
    }
    for (uint32_t k = 0; k < FDES; k++, p += 20) {
        uint32_t back = (uint32_t)(p + 4 - section) - k % 2 * (CIE + 24);
        uint32_t entry[5] = {16, back, k * 16, 16, 0};

        memcpy(p, entry, sizeof(entry));
    }
    tap_ok(!unwind_eh_frame(arch_native(), section, SIZE, 0, 0, &r) && !r.v,
           "two large entries, read in turns without end: refused");
    free(section);
}

static void instructions(void)
{
    static const uint8_t pushed[] = {
        DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset,   16, DW_CFA_offset | 6, 2,
        DW_CFA_advance_loc | 3, DW_CFA_def_cfa_register, 6};
    static const uint8_t deep[] = {
        DW_CFA_remember_state, DW_CFA_remember_state, DW_CFA_remember_state,
        DW_CFA_remember_state, DW_CFA_remember_state, DW_CFA_remember_state,
        DW_CFA_remember_state, DW_CFA_remember_state, DW_CFA_remember_state};
    static const uint8_t far[] = {DW_CFA_def_cfa_offset, 0x80, 0x80, 0x20};
    static const uint8_t least[] = {
        DW_CFA_offset | 6, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1};
    static const uint8_t none[] = {DW_CFA_restore_state};
    static const uint8_t block[] = {DW_CFA_def_cfa_expression, 0xff, 0xff, 0x7f};
    struct unwind_rows r;

    rows_of(pushed, sizeof(pushed), 16, &r);
    tap_ok(r.n == 4 && r.v[0].pc == 0x1000 && r.v[0].rule == NGS_RULE(NGS_CFA_SP, 0, 1) &&
               r.v[1].pc == 0x1001 && r.v[1].rule == NGS_RULE(NGS_CFA_SP, 2, 2) &&
               r.v[2].pc == 0x1004 && r.v[2].rule == NGS_RULE(NGS_CFA_FP, 2, 2) &&
               r.v[3].pc == 0x1010 && !r.v[3].rule,
           "a function that pushes rbp");
    free(r.v);
    rows_of(deep, sizeof(deep), 16, &r);
    tap_ok(!r.n, "states remembered without end: no rows");
    free(r.v);
    rows_of(least, sizeof(least), 16, &r);
    tap_ok(!r.n || !r.v[0].rule, "an offset that overflows: no rule");
    free(r.v);
    rows_of(none, sizeof(none), 16, &r);
    tap_ok(!r.n, "a state that was not remembered: no rows");
    free(r.v);
    rows_of(block, sizeof(block), 16, &r);
    tap_ok(!r.n, "an expression that is longer than its entry: no rows");
    free(r.v);
    rows_of(far, sizeof(far), 16, &r);
    tap_ok(r.n <= 1 && (!r.n || !r.v[0].rule), "a frame of 512 KiB: no rule");
    free(r.v);
    tap_ok(unwind_eh_frame(arch_native(), (const uint8_t *)"", 0, 0, 0, &r) && !r.n,
           "an empty section");
}

int main(void)
{
    uint32_t left = FILES_MAX;

    instructions();
    two_in_turns();
    changed_sections();
    dl_iterate_phdr(each_module, &left);
    return tap_done();
}

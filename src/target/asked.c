/*
 * asked: facts of ELF files for who has privileges. Enters: open files, untrusted; leaves: what the
 * reader of the file's kind says of it, as a jail ran it (jail/jail.h) where there is one; its
 * answer is checked. In a jail, and where the kernel has none, the reader itself is called.
 */
#include <string.h>
#include <stdlib.h>

#include "arch/arch.h"
#include "base/arena.h"
#include "jail/jail.h"
#include "target/elf.h"
#include "target/flat.h"
#include "target/plt.h"

/* ---- facts of one size ---- */

struct mapping { /* what a reader wants to know of a mapping */
    uint64_t start, offset;
};

static struct map map_of(const struct jail_question *q)
{
    struct mapping p = {0, 0};

    if (q->n == sizeof(p))
        memcpy(&p, q->data, sizeof(p));
    return (struct map){.start = p.start, .offset = p.offset};
}

static bool machine_work(struct jail_question *q, FILE *answer)
{
    uint16_t machine = elf_machine_here(q->fds[0]);

    return fwrite(&machine, sizeof(machine), 1, answer) == 1;
}

/* e_machine; EM_NONE (0): it is no sound ELF file. */
static uint16_t elf_machine(int fd)
{
    uint16_t machine = EM_NONE;

    if (!jail_reads())
        return elf_machine_here(fd);
    return jail_read_fact(machine_work, fd, NULL, 0, &machine, sizeof(machine)) ? machine : EM_NONE;
}

/* Programs of machines that are not known are refused where they are looked into. */
const struct arch *target_arch(const struct target *t)
{
    const struct module *exe = t->modules;
    bool is_file = exe && exe->is_exe && exe->fd >= 0;
    const struct arch *a = is_file ? arch_of_machine(elf_machine(exe->fd)) : NULL;

    return a ? a : arch_native();
}

static bool facts_work(struct jail_question *q, FILE *answer)
{
    struct map m = map_of(q);
    struct elf_facts facts;

    return elf_facts_here(q->fds[0], q->n ? &m : NULL, &facts) &&
           fwrite(&facts, sizeof(facts), 1, answer) == 1;
}

bool elf_facts(int fd, const struct map *m, struct elf_facts *out)
{
    const struct mapping p = {m ? m->start : 0, m ? m->offset : 0};

    if (!jail_reads())
        return elf_facts_here(fd, m, out);
    return jail_read_fact(facts_work, fd, &p, m ? sizeof(p) : 0, out, sizeof(*out)) &&
           out->id.len <= BUILD_ID_MAX;
}

bool elf_build_id(int fd, struct build_id *id)
{
    struct elf_facts facts;

    id->len = 0;
    if (!elf_facts(fd, NULL, &facts))
        return false;
    *id = facts.id;
    return id->len != 0;
}

static bool offset_work(struct jail_question *q, FILE *answer)
{
    uint64_t vaddr, offset;

    if (q->n != sizeof(vaddr))
        return false;
    memcpy(&vaddr, q->data, sizeof(vaddr));
    return elf_vaddr_to_offset_here(q->fds[0], vaddr, &offset) &&
           fwrite(&offset, sizeof(offset), 1, answer) == 1;
}

bool elf_vaddr_to_offset(int fd, uint64_t vaddr, uint64_t *offset)
{
    if (!jail_reads())
        return elf_vaddr_to_offset_here(fd, vaddr, offset);
    return jail_read_fact(offset_work, fd, &vaddr, sizeof(vaddr), offset, sizeof(*offset));
}

static bool code_work(struct jail_question *q, FILE *answer)
{
    struct elf_code code;

    memset(&code, 0, sizeof(code));
    return elf_code_here(q->fds[0], &code) && fwrite(&code, sizeof(code), 1, answer) == 1;
}

bool elf_code(int fd, struct elf_code *out)
{
    if (!jail_reads())
        return elf_code_here(fd, out);
    return jail_read_fact(code_work, fd, NULL, 0, out, sizeof(*out)) &&
           out->id.len <= BUILD_ID_MAX && out->size;
}

/* ---- symbols ---- */

typedef struct elf_symbols symbols_here(struct arena *a, int fd);

static bool symbols_work(struct jail_question *q, FILE *answer)
{
    struct arena *a = arena_new();
    struct elf_symbols s = ((symbols_here *)q->arg)(a, q->fds[0]);

    flat_put_symbols(answer, &s);
    arena_free(a);
    return true;
}

static struct elf_symbols ask_symbols(struct arena *a, int fd, symbols_here *read, bool sorted)
{
    struct elf_symbols s = {0};
    struct jail_answer answer;

    if (!jail_reads())
        return read(a, fd);
    if (jail_read(symbols_work, (void *)(uintptr_t)read, fd, -1, NULL, 0, &answer))
        flat_get_symbols(a, answer.data, answer.n, sorted, &s);
    free(answer.data);
    return s;
}

struct elf_symbols elf_symbols_read(struct arena *a, int fd)
{
    return ask_symbols(a, fd, elf_symbols_here, true);
}

struct elf_symbols elf_variables_read(struct arena *a, int fd)
{
    return ask_symbols(a, fd, elf_variables_here, false);
}

struct elf_symbols elf_mini_symbols(struct arena *a, int fd)
{
    return ask_symbols(a, fd, elf_mini_here, true);
}

/* The entries of a linkage table as symbols: the plain ones as global. */
static struct elf_symbols plt_as_symbols(struct arena *a, int fd)
{
    struct plt plt = plt_here(a, fd);
    struct elf_symbols s = {ARENA_ARRAY(a, struct elf_symbol, plt.n + 1), plt.n};

    for (uint32_t i = 0; i < plt.n; i++)
        s.v[i] = (struct elf_symbol){
            .name = plt.v[i].name, .vaddr = plt.v[i].vaddr, .is_global = plt.v[i].is_plain};
    return s;
}

struct plt plt_read(struct arena *a, int fd)
{
    if (!jail_reads())
        return plt_here(a, fd);
    struct elf_symbols s = ask_symbols(a, fd, plt_as_symbols, false);
    struct plt plt = {s.n ? ARENA_ARRAY(a, struct plt_entry, s.n) : NULL, s.n};

    for (uint32_t i = 0; i < s.n; i++)
        plt.v[i] = (struct plt_entry){s.v[i].name, s.v[i].vaddr, s.v[i].is_global};
    return plt;
}

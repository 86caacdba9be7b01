/*
 * marks_test: what is read of marks (sys/sdt.h). Operands as compilers print them, for each
 * machine; arguments of a note; and notes that lie, in files that are made here. Linkage tables,
 * which are read in the same way, of programs that are damaged.
 */
#include <elf.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bounds.h"
#include "tap.h"
#include "target/marks.h"
#include "target/plt.h"

/* ---- operands ---- */

static const char *operand_text(const struct arch *a, const char *text)
{
    static char out[200];
    static const char *const kinds[] = {"constant", "register", "memory", "float"};
    struct arch_operand o;
    size_t len = strlen(text);
    char *copy = malloc(len); /* what lies behind the text is not to be read */

    memcpy(copy, text, len);
    bool ok = a->operand(copy, len, &o);

    if (ok)
        snprintf(out, sizeof(out), "%s %d*%u+%d*%u>>%u %lld %.*s", kinds[o.kind], o.base,
                 o.kind == OPERAND_REGISTER ? o.size : 1, o.index, o.scale, o.shift,
                 (long long)o.number, (int)o.symbol_len, o.symbol ? o.symbol : "");
    free(copy);
    return ok ? out : "none";
}

struct operand_case {
    const char *text, *want;
};

static void test_operands(uint16_t machine, const struct operand_case *c)
{
    const struct arch *a = arch_of_machine(machine);
    char name[100];

    for (; c->text; c++) {
        snprintf(name, sizeof(name), "%s: %.60s", a->name, c->text);
        tap_text(operand_text(a, c->text), c->want, name);
    }
}

static const struct operand_case x86_64[] = {
    {"$5", "constant -1*1+-1*0>>0 5 "},
    {"$-1", "constant -1*1+-1*0>>0 -1 "},
    {"$0x10", "constant -1*1+-1*0>>0 16 "},
    {"$name+8", "constant -1*1+-1*0>>0 8 name"},
    {"%rdi", "register 5*8+-1*0>>0 0 "},
    {"%edi", "register 5*4+-1*0>>0 0 "},
    {"%di", "register 5*2+-1*0>>0 0 "},
    {"%dil", "register 5*1+-1*0>>0 0 "},
    {"%al", "register 0*1+-1*0>>0 0 "},
    {"%ah", "register 0*1+-1*0>>8 0 "},
    {"%dx", "register 1*2+-1*0>>0 0 "},
    {"%bl", "register 3*1+-1*0>>0 0 "},
    {"%spl", "register 7*1+-1*0>>0 0 "},
    {"%r8", "register 8*8+-1*0>>0 0 "},
    {"%r8d", "register 8*4+-1*0>>0 0 "},
    {"%r15w", "register 15*2+-1*0>>0 0 "},
    {"%r9b", "register 9*1+-1*0>>0 0 "},
    {"%xmm0", "float -1*1+-1*0>>0 0 "},
    {"(%rax)", "memory 0*1+-1*1>>0 0 "},
    {"-16(%rbp)", "memory 6*1+-1*1>>0 -16 "},
    {"(%rax,%rbx)", "memory 0*1+3*1>>0 0 "},
    {"8(%rcx,%rsi,8)", "memory 2*1+4*8>>0 8 "},
    {"(,%rax,4)", "memory -1*1+0*4>>0 0 "},
    {"count(%rip)", "memory -1*1+-1*0>>0 0 count"},
    {"count.1+4(%rip)", "memory -1*1+-1*0>>0 4 count.1"},
    {"4+count(%rip)", "memory -1*1+-1*0>>0 4 count"},
    {"count-8(%rip)", "memory -1*1+-1*0>>0 -8 count"},
    {"count(,%rax,8)", "memory -1*1+0*8>>0 0 count"},
    {"4660", "memory -1*1+-1*0>>0 4660 "},
    /* none */
    {"", "none"},
    {"%", "none"},
    {"$", "none"},
    {"%eip", "none"},
    {"%r16", "none"},
    {"%r7", "none"},
    {"%r8x", "none"},
    {"%r99999999999999999999", "none"},
    {"16(%rip)", "none"},
    {"(%eax)", "none"},
    {"(%rax", "none"},
    {"(", "none"},
    {"(%rax,", "none"},
    {"(%rax,%rbx,3)", "none"},
    {"(%rax,%rbx,256)", "none"},
    {"(%rax)x", "none"},
    {"%fs:0", "none"},
    {"a+b(%rip)", "none"},
    {"a b", "none"},
    {"$99999999999999999999", "none"},
    {"18446744073709551616(%rax)", "none"},
    {"+", "none"},
    {"-", "none"},
    {NULL, NULL},
};

static const struct operand_case aarch64[] = {
    {"5", "constant -1*1+-1*0>>0 5 "},
    {"#-5", "constant -1*1+-1*0>>0 -5 "},
    {"xzr", "constant -1*1+-1*0>>0 0 "},
    {"x0", "register 0*8+-1*0>>0 0 "},
    {"w30", "register 30*4+-1*0>>0 0 "},
    {"sp", "register 31*8+-1*0>>0 0 "},
    {"d0", "float -1*1+-1*0>>0 0 "},
    {"[x0]", "memory 0*1+-1*1>>0 0 "},
    {"[sp, 12]", "memory 31*1+-1*1>>0 12 "},
    {"[sp,-12]", "memory 31*1+-1*1>>0 -12 "},
    {"[x29, #16]", "memory 29*1+-1*1>>0 16 "},
    {"[x0, x1]", "memory 0*1+1*1>>0 0 "},
    {"[x0, x1, lsl 3]", "memory 0*1+1*8>>0 0 "},
    /* none */
    {"", "none"},
    {"x31", "none"},
    {"x", "none"},
    {"[", "none"},
    {"[x0", "none"},
    {"[x0,", "none"},
    {"[x0, x1, lsl 5]", "none"},
    {"[x0, w1, sxtw 3]", "none"},
    {"[x0, x1, lsl", "none"},
    {"[w0]", "none"},
    {"[x0, :lo12:name]", "none"},
    {"[xzr]", "none"},
    {"x0]", "none"},
    {NULL, NULL},
};

/* ---- arguments ---- */

static const char *argument_text(const char *args, uint32_t n)
{
    static char out[200];
    struct mark_argument arg;
    const char *why;

    if (!mark_argument(arch_of_machine(EM_X86_64), args, n, &arg, &why))
        return why;
    snprintf(out, sizeof(out), "%s%u %d", arg.is_signed ? "-" : "", arg.size, arg.at.base);
    return out;
}

static void test_arguments(void)
{
    static const char args[] = "-4@%edi  8@-16(%rbp) 2@%si %rax 8f@%r8 4@4@%eax 16@%rax @%rax";

    tap_ok(mark_arguments(args) == 8 && mark_arguments("") == 0 && mark_arguments("  ") == 0 &&
               mark_arguments("8@[sp, 12] -4@w0") == 2 && mark_arguments("((( ]]] )") == 2,
           "arguments are counted, a blank within brackets is theirs");
    tap_text(argument_text(args, 0), "-4 5", "four bytes with a sign");
    tap_text(argument_text(args, 1), "8 6", "eight bytes of memory");
    tap_text(argument_text(args, 2), "2 4", "two bytes");
    tap_text(argument_text(args, 3), "8 0", "what assembler wrote, without a size");
    tap_text(argument_text(args, 4), "it is a floating point number, which is not read yet",
             "a floating point number");
    tap_text(argument_text(args, 5), "where it is is told in a way that is not read yet",
             "a size twice");
    tap_text(argument_text(args, 6), "where it is is told in a way that is not read yet",
             "sixteen bytes");
    tap_text(argument_text(args, 7), "where it is is told in a way that is not read yet",
             "no size before @");
    tap_text(argument_text(args, 8), "the mark has no such argument", "one too many");
    tap_text(argument_text(args, UINT32_MAX - 1), "the mark has no such argument",
             "four billion too many");
}

/* ---- notes ---- */

enum { NOTES_AT = 512, FILE_MAX = 8 << 20 };

struct file {
    unsigned char *bytes;
    size_t n;
};

static void put(struct file *f, const void *p, size_t n)
{
    if (n)
        memcpy(f->bytes + f->n, p, n);
    f->n += n;
}

/* A note with NAME and DESC bytes as its head says, whatever it has. */
static void put_note(struct file *f, uint32_t name, uint32_t desc, const void *data, size_t n)
{
    const uint32_t head[3] = {name, desc, 3};

    put(f, head, sizeof(head));
    put(f, "stapsdt", 8);
    put(f, data, n);
    f->n = (f->n + 3) & ~(size_t)3;
}

static void put_mark(struct file *f, uint64_t pc, uint64_t base, uint64_t semaphore,
                     const char *strings, size_t n)
{
    char desc[200];
    const uint64_t address[3] = {pc, base, semaphore};

    memcpy(desc, address, sizeof(address));
    memcpy(desc + sizeof(address), strings, n);
    put_note(f, 8, (uint32_t)(sizeof(address) + n), desc, sizeof(address) + n);
}

#define MARK(f, pc, base, semaphore, strings)                                                      \
    put_mark(f, pc, base, semaphore, strings, sizeof(strings))

static void begin(struct file *f)
{
    f->n = NOTES_AT;
}

/* The marks of the file that F makes of its notes; SIZE: as its section says, 0: as they are. */
static struct elf_marks marks_of(struct arena *a, const struct file *f, uint64_t size)
{
    static const char names[] = "\0.note.stapsdt\0.stapsdt.base\0.shstrtab";
    const Elf64_Ehdr e = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_DYN,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_shoff = sizeof(Elf64_Ehdr),
        .e_ehsize = sizeof(Elf64_Ehdr),
        .e_shentsize = sizeof(Elf64_Shdr),
        .e_shnum = 4,
        .e_shstrndx = 3};
    const Elf64_Shdr s[4] = {
        {.sh_type = SHT_NULL},
        {.sh_name = 1,
         .sh_type = SHT_NOTE,
         .sh_offset = NOTES_AT,
         .sh_size = size ? size : f->n - NOTES_AT},
        {.sh_name = 15, .sh_type = SHT_PROGBITS, .sh_addr = 0x2000, .sh_offset = 64, .sh_size = 1},
        {.sh_name = 29,
         .sh_type = SHT_STRTAB,
         .sh_offset = sizeof(Elf64_Ehdr) + sizeof(Elf64_Shdr) * 4,
         .sh_size = sizeof(names)}};
    int fd = memfd_create("marks", MFD_CLOEXEC);

    memcpy(f->bytes, &e, sizeof(e));
    memcpy(f->bytes + sizeof(e), s, sizeof(s));
    memcpy(f->bytes + sizeof(e) + sizeof(s), names, sizeof(names));
    ssize_t written = write(fd, f->bytes, f->n);
    struct elf_marks m = elf_marks_read(a, written == (ssize_t)f->n ? fd : -1);

    close(fd);
    return m;
}

static void test_notes(struct arena *a)
{
    struct file f = {.bytes = calloc(1, FILE_MAX)};
    struct elf_marks m;

    begin(&f);
    MARK(&f, 0x1000, 0x2000, 0, "p\0one\0008@%rax");
    MARK(&f, 0x1010, 0x2100, 0x3000, "p\0two\0");
    m = marks_of(a, &f, 0);
    tap_ok(m.n == 2 && !strcmp(m.v[0].provider, "p") && !strcmp(m.v[0].name, "one") &&
               !strcmp(m.v[0].args, "8@%rax") && m.v[0].vaddr == 0x1000 && !m.v[0].semaphore,
           "a mark");
    tap_ok(m.n == 2 && m.v[1].vaddr == 0xf10 && m.v[1].semaphore == 0x2f00 && !*m.v[1].args,
           "... of a file that was moved");

    begin(&f);
    put_note(&f, 8, 0, NULL, 0);
    put_note(&f, 8, 23, "12345678123456781234567", 23);
    put_mark(&f, 1, 1, 1, "provider", 8);
    put_mark(&f, 1, 1, 1, "p\0name", 6);
    put_mark(&f, 1, 1, 1, "p\0name\0args", 11);
    MARK(&f, 1, 1, 1, "p\0\0");
    MARK(&f, 0x1000, 0x2000, 0, "p\0good\0");
    m = marks_of(a, &f, 0);
    tap_ok(m.n == 1 && !strcmp(m.v[0].name, "good"),
           "strings without an end, and names without a byte, are left out");

    begin(&f);
    put_note(&f, 8, 0xfffffff0, "", 1);
    MARK(&f, 0x1000, 0x2000, 0, "p\0hidden\0");
    tap_ok(!marks_of(a, &f, 0).n, "a note that is longer than the file");

    begin(&f);
    put_note(&f, 0xffffffff, 0, "", 1);
    tap_ok(!marks_of(a, &f, 0).n, "a note whose name is");

    begin(&f);
    MARK(&f, 0x1000, 0x2000, 0, "p\0one\0");
    tap_ok(!marks_of(a, &f, 1 << 20).n && marks_of(a, &f, 5).n == 0 && marks_of(a, &f, 40).n == 0,
           "a section that is longer than the file, or cut");

    begin(&f);
    for (int i = 0; i < BOUND_MARKS + 10; i++)
        MARK(&f, 0x1000, 0x2000, 0, "p\0m\0");
    m = marks_of(a, &f, 0);
    tap_ok(m.n == BOUND_MARKS, "more marks than the bounds allow");
    tap_ok(!marks_of(a, &f, UINT64_MAX).n, "more bytes than they allow");
    tap_ok(!elf_marks_read(a, -1).n, "no file");
    free(f.bytes);
}

/* ---- files that are damaged ---- */

/* A program with bytes changed at random: what is read of it stays within bounds. */
static void test_damaged(struct arena *a)
{
    enum { ROUNDS = 300, PROGRAM_MAX = 1 << 20, HEADERS = 64 };
    struct file f = {.bytes = calloc(1, PROGRAM_MAX)}, copy = {.bytes = calloc(1, PROGRAM_MAX)};
    FILE *from = fopen("/bin/true", "re");
    uint64_t most = 0;

    f.n = copy.n = from ? fread(f.bytes, 1, PROGRAM_MAX, from) : 0;
    if (from)
        fclose(from);
    if (f.n <= HEADERS) {
        tap_skip("damaged programs", "there is no /bin/true");
    } else {
        srandom(1);
        for (int round = 0; round < ROUNDS; round++) {
            int fd = memfd_create("damaged", MFD_CLOEXEC);

            memcpy(copy.bytes, f.bytes, f.n);
            for (int i = 0; i <= round; i++)
                copy.bytes[HEADERS + (size_t)random() % (f.n - HEADERS)] = (unsigned char)random();
            ssize_t written = write(fd, copy.bytes, copy.n);
            struct plt p = plt_read(a, written == (ssize_t)copy.n ? fd : -1);

            elf_marks_read(a, fd);
            most = p.n > most ? p.n : most;
            close(fd);
        }
        tap_ok(most > 10 && most < 10000, "linkage tables and marks of damaged programs");
    }
    free(f.bytes);
    free(copy.bytes);
}

int main(void)
{
    struct arena *arena = arena_new();

    test_operands(EM_X86_64, x86_64);
    test_operands(EM_AARCH64, aarch64);
    test_arguments();
    test_damaged(arena);
    test_notes(arena);
    arena_free(arena);
    return tap_done();
}

/*
 * prelude: the functions that a printed script brings along, in C for the module's kernel: reads of
 * every size that fail as a script's reads do, a program's registers, where the current process has
 * mapped a file. Enters: which are needed; leaves: their text.
 *
 * They must compile for the kernels this back end is there for, old ones included, and run in a
 * clock's interrupt: locks are only tried. Under --skip-badvars (STP_SKIP_BADVARS) what cannot be
 * read is 0, as SystemTap has it.
 */
#include "stap/internal.h"

#include <inttypes.h>

#include "arch/arch.h"
#include "base/bytes.h"

static const char *const load_types[] = {"uint8", "uint16", "uint32", "uint64",
                                         "int8",  "int16",  "int32",  "int64"};

enum stap_need stap_need_load(const struct expr *e)
{
    bool sign = e->is_signed && !e->bit_size; /* a bit field's sign is not the word's */
    unsigned size = e->size == 8 ? 3 : e->size == 4 ? 2 : e->size == 2 ? 1 : 0;

    return NEED_LOAD + size + (sign ? 4 : 0) + (e->space == SPACE_KERNEL ? 8 : 0);
}

void stap_put_name(FILE *out, enum stap_need need)
{
    if (need < NEED_REG)
        fprintf(out, "__ngs_%s_%s", need - NEED_LOAD < 8 ? "user" : "kernel",
                load_types[(need - NEED_LOAD) % 8]);
    else
        fputs(need == NEED_REG       ? "__ngs_register"
              : need == NEED_BASE    ? "__ngs_base"
              : need == NEED_TOUPPER ? "__ngs_toupper"
              : need == NEED_TOLOWER ? "__ngs_tolower"
              : need == NEED_SPAN    ? "__ngs_span"
              : need == NEED_PLAIN   ? "__ngs_plain"
              : need == NEED_PIDNS   ? "__ngs_pidns"
              : need == NEED_WRITE   ? "__ngs_write"
              : need == NEED_SCOPE   ? "__ngs_in_scope"
                                     : "__ngs_target",
              out);
}

static void put_load(FILE *out, enum stap_need need)
{
    fputs("function ", out);
    stap_put_name(out, need);
    fprintf(out,
            ":long(addr:long) %%{ /* pure */\n"
            "    STAP_RETVALUE = %cread((%s_t *)(uintptr_t)STAP_ARG_addr);\n"
            "    CATCH_DEREF_FAULT();\n"
            "%%}\n",
            need - NEED_LOAD < 8 ? 'u' : 'k', load_types[(need - NEED_LOAD) % 8]);
}

static const char write_code[] =
    "%{\n"
    "#define NGS_WRITE(type) do { \\\n"
    "    type *to = (type *)(uintptr_t)STAP_ARG_addr; \\\n"
    "    if (STAP_ARG_bits) \\\n"
    "        word = (uread(to) & ~mask) | (word << STAP_ARG_off & mask); \\\n"
    "    uwrite(to, (type)word); \\\n"
    "} while (0)\n"
    "%}\n"
    "function __ngs_write:long(addr:long, size:long, off:long, bits:long, value:long) %{\n"
    "    uint64_t word = STAP_ARG_value;\n"
    "    uint64_t mask = STAP_ARG_bits ? ~0ULL >> (64 - STAP_ARG_bits) << STAP_ARG_off : 0;\n"
    "    switch (STAP_ARG_size) {\n"
    "    case 1: NGS_WRITE(uint8_t); break;\n"
    "    case 2: NGS_WRITE(uint16_t); break;\n"
    "    case 4: NGS_WRITE(uint32_t); break;\n"
    "    default: NGS_WRITE(uint64_t); break;\n"
    "    }\n"
    "    STAP_RETVALUE = STAP_ARG_value;\n"
    "    CATCH_DEREF_FAULT();\n"
    "%}\n";

/* By DWARF number, the last one being the default. A clock that interrupts the kernel finds what
 * the program had when it entered the kernel. */
static void put_registers(FILE *out, const struct arch *a)
{
    fputs("function __ngs_register:long(n:long) %{ /* pure */\n"
          "    struct pt_regs *regs = CONTEXT->user_mode_p ? CONTEXT->uregs : NULL;\n"
          "    if (!regs && current->mm)\n"
          "        regs = task_pt_regs(current);\n"
          "    if (!regs) {\n"
          "        CONTEXT->last_error = \"no registers of a program here\";\n"
          "        return;\n"
          "    }\n"
          "    switch (STAP_ARG_n) {\n",
          out);
    for (unsigned i = 0; i + 1 < a->n_regs; i++)
        fprintf(out, "    case %u: STAP_RETVALUE = regs->%s; break;\n", i, a->regs[i].member);
    fprintf(out,
            "    default: STAP_RETVALUE = regs->%s; break;\n"
            "    }\n"
            "%%}\n",
            a->regs[a->n_regs - 1].member);
}

/*
 * A file is known by its name and its build-id (or size), among the mappings that may run code.
 * What was found is kept for a second: a library can be closed and opened elsewhere, and a new
 * process can get the mm of one that ended.
 */
static const char base_head[] = "%{\n"
                                "#include <linux/dcache.h>\n"
                                "#include <linux/fs.h>\n"
                                "#include <linux/jiffies.h>\n"
                                "#include <linux/mm.h>\n"
                                "#include <linux/spinlock.h>\n"
                                "#include <linux/uaccess.h>\n"
                                "#include <linux/version.h>\n"
                                "\n"
                                "struct __ngs_module {\n"
                                "    const char *name;\n"
                                "    unsigned int len;\n"
                                "    long long size;\n"
                                "    unsigned long first, last, delta, id_at;\n"
                                "    unsigned int id_len;\n"
                                "    const char *id;\n"
                                "};\n"
                                "\n"
                                "static const struct __ngs_module __ngs_modules[] = {\n";

static const char base_code[] =
    "};\n"
    "\n"
    "#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 8, 0)\n"
    "#define __ngs_trylock(mm) mmap_read_trylock(mm)\n"
    "#define __ngs_unlock(mm) mmap_read_unlock(mm)\n"
    "#else\n"
    "#define __ngs_trylock(mm) down_read_trylock(&(mm)->mmap_sem)\n"
    "#define __ngs_unlock(mm) up_read(&(mm)->mmap_sem)\n"
    "#endif\n"
    "#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0)\n"
    "#define __ngs_all(vma, mm) VMA_ITERATOR(all, mm, 0)\n"
    "#define __ngs_each(vma, mm) for_each_vma(all, vma)\n"
    "#else\n"
    "#define __ngs_all(vma, mm)\n"
    "#define __ngs_each(vma, mm) for (vma = (mm)->mmap; vma; vma = vma->vm_next)\n"
    "#endif\n"
    "#if LINUX_VERSION_CODE >= KERNEL_VERSION(3, 9, 0)\n"
    "#define __ngs_inode(file) ((file)->f_inode)\n"
    "#else\n"
    "#define __ngs_inode(file) ((file)->f_path.dentry->d_inode)\n"
    "#endif\n"
    "\n"
    "enum { __NGS_SLOTS = 64 };\n"
    "static struct __ngs_slot {\n"
    "    struct mm_struct *mm;\n"
    "    unsigned long code, stack, since, base;\n"
    "    int id;\n"
    "} __ngs_slots[__NGS_SLOTS];\n"
    "static DEFINE_RAW_SPINLOCK(__ngs_slots_lock);\n"
    "\n"
    "static int __ngs_is(const struct __ngs_module *m, struct vm_area_struct *vma)\n"
    "{\n"
    "    struct file *f = vma->vm_file;\n"
    "    struct dentry *d;\n"
    "    int same = 0;\n"
    "\n"
    "    if (!f || !(vma->vm_flags & VM_EXEC) || vma->vm_pgoff < m->first || vma->vm_pgoff > "
    "m->last)\n"
    "        return 0;\n"
    "    d = f->f_path.dentry;\n"
    "    if (!d || !__ngs_inode(f) || (m->size && i_size_read(__ngs_inode(f)) != m->size))\n"
    "        return 0;\n"
    "    if (!spin_trylock(&d->d_lock))\n"
    "        return 0;\n"
    "    same = d->d_name.len == m->len && !memcmp(d->d_name.name, m->name, m->len);\n"
    "    spin_unlock(&d->d_lock);\n"
    "    return same;\n"
    "}\n"
    "\n"
    "/* Another build under the same name; what cannot be read just now is taken for the right "
    "one. */\n"
    "static int __ngs_differs(const struct __ngs_module *m, unsigned long base)\n"
    "{\n"
    "    char id[64];\n"
    "    long left;\n"
    "\n"
    "    if (!m->id_len || base + m->id_at >= TASK_SIZE - sizeof(id))\n"
    "        return 0;\n"
    "    pagefault_disable();\n"
    "    left = __copy_from_user_inatomic(id, (const void __user *)(base + m->id_at), m->id_len);\n"
    "    pagefault_enable();\n"
    "    return !left && memcmp(id, m->id, m->id_len);\n"
    "}\n"
    "\n"
    "/* Where the current process has module ID; NULL, or why not. */\n"
    "static const char *__ngs_search(int id, unsigned long *base)\n"
    "{\n"
    "    const struct __ngs_module *m = &__ngs_modules[id];\n"
    "    struct mm_struct *mm = current->mm;\n"
    "    struct vm_area_struct *vma;\n"
    "    int found = 0;\n"
    "    __ngs_all(vma, mm);\n"
    "\n"
    "    if (!__ngs_trylock(mm))\n"
    "        return \"the mappings are being changed\";\n"
    "    __ngs_each(vma, mm) {\n"
    "        if (__ngs_is(m, vma)) {\n"
    "            *base = vma->vm_start - (vma->vm_pgoff << PAGE_SHIFT) - m->delta;\n"
    "            found = 1;\n"
    "            break;\n"
    "        }\n"
    "    }\n"
    "    __ngs_unlock(mm);\n"
    "    if (!found)\n"
    "        return \"not mapped\";\n"
    "    return __ngs_differs(m, *base) ? \"another build is mapped\" : NULL;\n"
    "}\n"
    "\n"
    "static const char *__ngs_lookup(int id, unsigned long *base)\n"
    "{\n"
    "    struct mm_struct *mm = current->mm;\n"
    "    struct __ngs_slot *slot;\n"
    "    const char *why;\n"
    "    unsigned long flags;\n"
    "    int found = 0;\n"
    "\n"
    "    if (!mm)\n"
    "        return \"not mapped\";\n"
    "    slot = &__ngs_slots[((unsigned long)mm / 64 + id) % __NGS_SLOTS];\n"
    "    local_irq_save(flags);\n"
    "    if (raw_spin_trylock(&__ngs_slots_lock)) {\n"
    "        if (slot->mm == mm && slot->id == id && slot->code == mm->start_code &&\n"
    "            slot->stack == mm->start_stack && jiffies - slot->since < HZ) {\n"
    "            *base = slot->base;\n"
    "            found = 1;\n"
    "        }\n"
    "        raw_spin_unlock(&__ngs_slots_lock);\n"
    "    }\n"
    "    local_irq_restore(flags);\n"
    "    if (found)\n"
    "        return NULL;\n"
    "    why = __ngs_search(id, base);\n"
    "    if (why)\n"
    "        return why;\n"
    "    local_irq_save(flags);\n"
    "    if (raw_spin_trylock(&__ngs_slots_lock)) {\n"
    "        slot->mm = mm;\n"
    "        slot->id = id;\n"
    "        slot->code = mm->start_code;\n"
    "        slot->stack = mm->start_stack;\n"
    "        slot->since = jiffies;\n"
    "        slot->base = *base;\n"
    "        raw_spin_unlock(&__ngs_slots_lock);\n"
    "    }\n"
    "    local_irq_restore(flags);\n"
    "    return NULL;\n"
    "}\n"
    "%}\n"
    "function __ngs_base:long(id:long) %{ /* pure */\n"
    "    unsigned long base = 0;\n"
    "    const char *why = __ngs_lookup(STAP_ARG_id, &base);\n"
    "#if STP_SKIP_BADVARS\n"
    "    (void)why;\n"
    "#else\n"
    "    if (why) {\n"
    "        snprintf(CONTEXT->error_buffer, sizeof(CONTEXT->error_buffer), \"no address of %s: "
    "%s\",\n"
    "                 __ngs_modules[STAP_ARG_id].name, why);\n"
    "        CONTEXT->last_error = CONTEXT->error_buffer;\n"
    "    }\n"
    "#endif\n"
    "    STAP_RETVALUE = base;\n"
    "%}\n";

/* A file's name is the target's: any byte may be in it. */
static void put_c_string(FILE *out, const unsigned char *s, uint32_t len)
{
    fputc('"', out);
    for (uint32_t i = 0; i < len; i++)
        fprintf(out, "\\%03o", s[i]);
    fputc('"', out);
}

static void put_c_name(FILE *out, const char *name)
{
    fputc('"', out);
    for (const char *c = name; *c; c++)
        if (is_word(*c) || *c == '.' || *c == '-' || *c == '+')
            fputc(*c, out);
        else
            fprintf(out, "\\%03o", (unsigned char)*c);
    fputc('"', out);
}

static void put_base(FILE *out, const struct stap_module *modules, uint32_t n)
{
    fputs(base_head, out);
    for (uint32_t i = 0; i < n; i++) {
        const struct stap_module *m = &modules[i];

        fputs("    {", out);
        put_c_name(out, m->name);
        fprintf(out,
                ", %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", 0x%" PRIx64 "UL, 0x%" PRIx64
                "UL, %u, ",
                (uint64_t)__builtin_strlen(m->name), m->size, m->first, m->last, m->delta, m->id_at,
                m->id.len);
        put_c_string(out, m->id.bytes, m->id.len);
        fputs("},\n", out);
    }
    fputs(base_code, out);
}

static void put_case(FILE *out, const char *word)
{
    fprintf(
        out,
        "%%{\n#include <linux/ctype.h>\n%%}\n"
        "function __ngs_%s:string(s:string) %%{ /* pure */\n"
        "    int i;\n"
        "    for (i = 0; i < MAXSTRINGLEN - 1 && STAP_ARG_s[i]; i++)\n"
        "        STAP_RETVALUE[i] = isascii(STAP_ARG_s[i]) ? %s(STAP_ARG_s[i]) : STAP_ARG_s[i];\n"
        "    STAP_RETVALUE[i] = 0;\n"
        "%%}\n",
        word, word);
}

/* What functions of the tapset are made of (run/ucall.c has the same). SystemTap's pid() is of the
 * initial namespace. */
static const char span_code[] =
    "function __ngs_span:long(s:string, set:string, start:long, others:long) %{ /* pure */\n"
    "    const char *s = STAP_ARG_s, *from;\n"
    "    if (STAP_ARG_start >= 0 && STAP_ARG_start < strlen(s))\n"
    "        for (from = s += STAP_ARG_start;\n"
    "             *s && (strchr(STAP_ARG_set, *s) == NULL) == STAP_ARG_others; s++)\n"
    "            STAP_RETVALUE = s + 1 - from;\n"
    "%}\n";
static const char plain_code[] =
    "function __ngs_plain:long(s:string, start:long) %{ /* pure */\n"
    "    const char *s = STAP_ARG_s, *from;\n"
    "    if (STAP_ARG_start >= 0 && STAP_ARG_start < strlen(s))\n"
    "        for (from = s += STAP_ARG_start;\n"
    "             *s >= ' ' && *s <= '~' && *s != '\"' && *s != '\\\\'; s++)\n"
    "            STAP_RETVALUE = s + 1 - from;\n"
    "%}\n";
static const char pidns_code[] = "function __ngs_pidns:long() { return 0 }\n";

/*
 * Whether the current process descends from the target: what SystemTap's runtime asks for process
 * probes, and for no others. A parent that has ended is one no more: who outlives it is lost.
 * Several processes are listed, as staprun takes one. A master is a parameter of the module: as
 * staprun's target its workers would not be probed, but for those to come, and its own hits count.
 */
static void put_scope(FILE *out, const struct target *t)
{
    bool several = t->n_pids > 1 && !t->master;

    fputs("function __ngs_in_scope:long() %{ /* pure */\n", out);
    if (several) {
        fputs("    static const pid_t pids[] = {", out);
        for (uint32_t i = 0; i < t->n_pids; i++)
            fprintf(out, "%s%d", i ? ", " : "", (int)t->pids[i]);
        fputs("};\n    unsigned int i;\n", out);
    }
    fputs("    struct task_struct *task = current;\n"
          "    int up;\n",
          out);
    if (!several && !t->master)
        fputs("    STAP_RETVALUE = !_stp_target;\n", out);
    fputs("    rcu_read_lock();\n"
          "    for (up = 0; up < 64 && task && task->tgid > 1; up++) {\n",
          out);
    if (several)
        fputs("        for (i = 0; i < sizeof(pids) / sizeof(*pids); i++)\n"
              "            if (task->tgid == pids[i])\n"
              "                STAP_RETVALUE = 1;\n",
              out);
    else
        fprintf(out,
                "        if (task->tgid == %s)\n"
                "            STAP_RETVALUE = 1;\n",
                t->master ? "__ngs_master && up > 0" : "_stp_target");
    fputs("        task = rcu_dereference(task->real_parent);\n"
          "    }\n"
          "    rcu_read_unlock();\n"
          "%}\n",
          out);
}

/* The process at hand, where it is one of those that are named: a worker of the master, or one in
 * the list. */
static void put_target(FILE *out, const struct target *t)
{
    fputs("function __ngs_target:long() %{ /* pure */\n", out);
    if (t->master) {
        fputs("    struct task_struct *parent;\n"
              "    rcu_read_lock();\n"
              "    parent = rcu_dereference(current->group_leader->real_parent);\n"
              "    if (parent && parent->tgid == __ngs_master)\n"
              "        STAP_RETVALUE = current->tgid;\n"
              "    rcu_read_unlock();\n",
              out);
    } else {
        fprintf(out, "    STAP_RETVALUE = %d;\n", (int)t->pid);
        for (uint32_t i = 0; i < t->n_pids; i++)
            fprintf(out, "    if (current->tgid == %d)\n        STAP_RETVALUE = current->tgid;\n",
                    (int)t->pids[i]);
    }
    fputs("%}\n", out);
}

void stap_put_prelude(FILE *out, uint32_t needs, const struct stap_module *modules, uint32_t n,
                      const struct target *t, const struct arch *a)
{
    for (unsigned need = NEED_LOAD; need < NEED_REG; need++)
        if (needs & 1u << need)
            put_load(out, need);
    if (needs & 1u << NEED_REG)
        put_registers(out, a);
    if (needs & 1u << NEED_BASE)
        put_base(out, modules, n);
    if (needs & 1u << NEED_TOUPPER)
        put_case(out, "toupper");
    if (needs & 1u << NEED_TOLOWER)
        put_case(out, "tolower");
    if (needs & 1u << NEED_SPAN)
        fputs(span_code, out);
    if (needs & 1u << NEED_PLAIN)
        fputs(plain_code, out);
    if (needs & 1u << NEED_PIDNS)
        fputs(pidns_code, out);
    if (needs & 1u << NEED_WRITE)
        fputs(write_code, out);
    if (t && t->master && needs & (1u << NEED_SCOPE | 1u << NEED_TARGET))
        fputs("%{\nstatic int __ngs_master;\nmodule_param(__ngs_master, int, 0);\n%}\n", out);
    if (needs & 1u << NEED_SCOPE)
        put_scope(out, t);
    if (needs & 1u << NEED_TARGET)
        put_target(out, t);
    if (needs)
        fputc('\n', out);
}

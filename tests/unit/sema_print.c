/*
 * sema_print: parses and checks files and prints what sema made of them, for tests/sema.sh.
 *
 *     sema_print [-x PID | -e PATH] [-r ROOT] [-I DIR]... [-s] [-v] [-g] [-q] [-t] FILE...
 *
 * Files after -t are library files given to the parser; -I names directories of them. Leaves the
 * probe instances, functions and variables with their types on stdout (not with -q), target
 * expressions in their resolved form; the diagnostics on stderr; exit status 1 after an error.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch/arch.h"
#include "probe/probe.h"
#include "sema/sema.h"
#include "target/target.h"

enum { DIRS_MAX = 8 };

static void print_var(const struct variable *v, const char *kind)
{
    printf("%s %s", kind, v->name);
    for (uint32_t i = 0; v->is_array && i < v->n_keys; i++)
        printf("%s%s%s", i ? "" : "[", value_type_text(v->key_types[i]),
               i + 1 < v->n_keys ? ", " : "]");
    printf(": %s", value_type_text(v->type));
    if (v->type == TYPE_STATS)
        printf(" ops 0x%x", v->stat_ops);
    if (v->hist == HIST_LOG)
        printf(" log");
    if (v->hist == HIST_LINEAR)
        printf(" linear %ld %ld %ld", (long)v->hist_args[0], (long)v->hist_args[1],
               (long)v->hist_args[2]);
    putchar('\n');
}

static void print_places(const struct probe_inst *i)
{
    printf(" # module %u, func %s", i->module_id, i->func_name ? i->func_name : "of each:");
    for (uint32_t k = 0; k < i->n_places; k++)
        printf(" %s", i->places[k].name);
}

static void print_inst(const struct probe_inst *i)
{
    printf("probe %s", i->name);
    if (attach_has(i->type->kind, ATTACH_PLACES))
        print_places(i);
    else if (i->period || i->sequence)
        printf(" # number %ld", i->period ? (long)i->period : (long)i->sequence);
    putchar('\n');
    for (const struct variable *v = i->locals; v; v = v->next)
        print_var(v, "    local");
    if (i->body)
        syntax_print_stmt(stdout, i->body, 1, NULL);
}

static void print_function(const struct function *f)
{
    printf("function %s: %s%s\n", f->name, value_type_text(f->type),
           f->recursive ? " # recursive" : "");
    for (const struct variable *v = f->params; v; v = v->next)
        print_var(v, "    param");
    for (const struct variable *v = f->locals; v; v = v->next)
        print_var(v, "    local");
    if (f->body)
        syntax_print_stmt(stdout, f->body, 1, NULL);
}

static void print_program(const struct program *prog)
{
    for (const struct variable *v = prog->globals; v; v = v->next)
        if (v->read || v->written)
            print_var(v, "global");
    for (const struct function *f = prog->funcs; f; f = f->next)
        if (f->reached)
            print_function(f);
    for (const struct probe_inst *i = prog->insts; i; i = i->next)
        print_inst(i);
}

int main(int argc, char **argv)
{
    struct compile cx = {.arch = arch_native(), .arena = arena_new()};
    struct pp_env env = {.kernel_v = "6.1.0",
                         .kernel_vr = "6.1.0-18-amd64",
                         .arch = "x86_64",
                         .runtime = "bpf",
                         .systemtap_v = "4.8"};
    struct target_opts target_opts = {0};
    const char *dirs[DIRS_MAX];
    struct sema_opts opts = {.tapset_dirs = dirs, .env = &env, .macros = macros_new(cx.arena)};
    struct program prog = {0};
    bool ok = true, quiet = false;
    int tapset_from = argc, c;

    cx.sources = sources_new(cx.arena);
    cx.diag = diag_new(cx.arena, cx.sources, stderr);
    while ((c = getopt(argc, argv, "+x:e:r:I:svgq")) != -1) {
        switch (c) {
        case 'x':
            target_opts.pid = atoi(optarg);
            break;
        case 'e':
            target_opts.exec = optarg;
            break;
        case 'r':
            target_opts.sysroot = optarg;
            break;
        case 'I':
            if (opts.n_tapset_dirs < DIRS_MAX)
                dirs[opts.n_tapset_dirs++] = optarg;
            break;
        case 's':
            cx.skip_badvars = true;
            break;
        case 'v':
            cx.verbose++;
            break;
        case 'g':
            cx.guru = env.guru = true;
            break;
        case 'q':
            quiet = true;
            break;
        default:
            return 2;
        }
    }
    sema_read_macros(&cx, &opts);
    for (int i = optind; i < argc; i++) {
        if (!strcmp(argv[i], "-t")) {
            tapset_from = i;
            continue;
        }
        struct source *src = source_read(cx.sources, argv[i]);

        if (!src) {
            perror(argv[i]);
            return 2;
        }
        src->tapset = i > tapset_from;
        ok = syntax_parse(&cx, &env, src, opts.macros, &prog) && ok;
    }
    struct target *t = ok ? target_open(&cx, &target_opts) : NULL;
    struct debuginfo *di = t ? debuginfo_new(&cx, t) : NULL;

    if (t)
        cx.arch = target_arch(t);
    ok = di && sema_run(&cx, &opts, &prog, t, di);
    if (ok && !quiet)
        print_program(&prog);
    if (di)
        debuginfo_free(di);
    if (t)
        target_close(t);
    arena_free(cx.arena);
    return ok ? 0 : 1;
}

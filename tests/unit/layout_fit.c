/*
 * layout_fit: known layouts of LuaJIT, tried on a live state and on that state damaged. Enters: a
 * process, how often, files of layouts; printed: "fit NAME" for those that fit, then how many
 * damaged copies of the state a layout fitted that the sound one refutes: "wrong" where it fitted
 * alone, "open" where the right ones did, too, so that what they do not agree on is an error. The
 * process stands still meanwhile.
 */
#include <fcntl.h>
#include <stdio.h>

#include "debug/layout.h"
#include "debug/layout_luajit.h"
#include "layout_damage.h"

enum { LAYOUTS_MAX = 256 };

struct state {
    const struct lj_process *p;
    const struct lj_layout *x;
    uint64_t l;
};

/* Somewhere in the state, or in what it leads to. */
static uint64_t somewhere(const void *arg)
{
    const struct state *s = arg;
    const struct lj_layout *x = s->x;
    uint64_t gg = s->l - x->at[LJ_GG_L], g = gg + x->at[LJ_GG_G], to = 0;
    const uint64_t refs[] = {s->l + x->at[LJ_L_STACK], g + x->strtab, g + x->at[LJ_G_GCROOT],
                             g + x->at[LJ_G_REGISTRY], g + x->at[LJ_G_CUR_L]};

    if (damage_random() % 4)
        return gg + damage_random() % (damage_random() % 2 ? x->at[LJ_GG_J] : x->at[LJ_GG_SIZE]);
    if (pread(s->p->mem, &to, x->gc64 ? 8 : 4, (off_t)refs[damage_random() % 5]) < 4)
        return g;
    return (to & 0x7fffffffffff) + damage_random() % 256;
}

static int run(struct compile *cx, pid_t pid, uint32_t times, char **files, int n_files)
{
    static struct lj_layout v[LAYOUTS_MAX];
    static struct damage_change changes[BYTES_MAX];
    struct target *t = target_open(cx, &(struct target_opts){.pid = pid});
    struct debuginfo *di = t ? debuginfo_new(cx, t) : NULL;
    uint64_t l;
    struct lj_process p = {.budget = 1 << 30};
    uint32_t n = 0, fit, wrong = 0, open_still = 0, refused = 0;

    if (!di)
        return 1;
    p.maps = target_maps(cx, t, pid);
    p.mem = open(arena_printf(cx->arena, "/proc/%d/mem", (int)pid), O_RDONLY);
    for (int i = 0; i < n_files && n < LAYOUTS_MAX; i++) {
        const char *list = layout_list(cx->arena, files[i]);

        if (!list || !lj_layout_read(files[i], list, &v[n++])) {
            fprintf(stderr, "%s is not a file of layouts\n", files[i]);
            return 1;
        }
    }
    kill(pid, SIGSTOP);
    fit = lj_layouts_try(&p, v, n, &l);
    if (fit) {
        int mem = p.mem;

        p.mem = damage_copy(pid, mem, p.maps);
        close(mem);
    }
    kill(pid, SIGCONT);
    const struct state sound = {&p, &v[0], l};

    for (uint32_t i = 0; i < fit; i++)
        printf("fit %s%s\n", v[i].path, lj_layout_misfit(&p, &v[i], l) ? " BUT" : "");
    for (uint32_t i = 0; i < times && fit && bounds_ok(); i++) {
        uint32_t done = damage_some(p.mem, somewhere, &sound, changes);
        const char *misfit = lj_layout_misfit(&p, &v[0], l);

        if (i % 16 == 0)
            refused += misfit != NULL;
        for (uint32_t k = fit; k < n; k++) {
            if (lj_layout_misfit(&p, &v[k], l))
                continue;
            printf("%s %s\n", misfit ? "wrong" : "open", v[k].path);
            wrong += misfit != NULL;
            open_still += !misfit;
        }
        damage_mend(p.mem, changes, done);
    }
    printf("damaged %u, of %u refused %u, open %u, wrong %u\n", times, (times + 15) / 16, refused,
           open_still, wrong);
    debuginfo_free(di);
    target_close(t);
    return !fit || wrong;
}

int main(int argc, char **argv)
{
    struct compile cx = {.arena = arena_new(), .err = stderr};

    if (argc < 4)
        return 2;
    cx.sources = sources_new(cx.arena);
    cx.diag = diag_new(cx.arena, cx.sources, stderr);
    int status = run(&cx, atoi(argv[1]), (uint32_t)atoi(argv[2]), argv + 3, argc - 3);

    arena_free(cx.arena);
    return status;
}

/*
 * flame: "ngstap flame": one command from a process, a master or a container to a picture of where
 * it burns CPU, where it is off the CPU, or what leads to a probe point. Enters: a target, a time,
 * what is counted and which frames; leaves: a file. It runs a sample (lj-lua-stacks for the CPU
 * time of Lua code, else stacks) with options of its own, shows on a terminal how it goes, and says
 * of an empty profile why it is.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/clean.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/interrupt.h"
#include "cli/driver.h"
#include "cli/flame.h"
#include "cli/picture.h"
#include "cli/pushing.h"
#include "cli/search.h"
#include "cli/subcommand.h"
#include "cli/windows.h"

static const struct span nowhere;

enum { USUAL_HZ = 99, USUAL_DEPTH = 100 };
/* Of a stack's text, in bytes: of one frame ("@/usr/local/openresty/..../x.lua:1234"), at least, at
 * most (cli/limits.c). */
enum { FRAME_LEN = 160, ROOM_LEAST = 4096, ROOM_MAX = 32768 };

/* Stacks that differ, of which there is room for as many as samples are due: each takes some 100
 * bytes. COMMAND_SECONDS: how long a command of -c runs, for all we know. */
enum { STACKS_LEAST = 5000, STACKS_MOST = 131072, COMMAND_SECONDS = 60 };

#define WITHOUT_LUA "--frames c takes the stacks of programs without Lua"

/* ---- while it runs ---- */

static double share(uint64_t n, uint64_t of)
{
    return of ? 100 * (double)n / (double)of : 0;
}

/* The CPU time of Lua code? */
static bool is_lua_profile(const struct flame *f)
{
    return f->every == 0 && f->counted == COUNT_SAMPLES && f->frames == &flame_frames[FRAMES_LUA];
}

static const char *hits_name(const struct flame *f)
{
    static const char *const names[] = {"samples", "hits", "times off the CPU"};

    return names[f->counted];
}

/* The line that the samples' progress=1 prints each second, and stacks at its end. */
static void on_comment(void *arg, const char *line, size_t len)
{
    struct flame *f = arg;
    char text[256];
    uint64_t ticks, in_lua, compiled, elsewhere;

    snprintf(text, sizeof(text), "%.*s", (int)(len < 255 ? len : 255), line);
    if (sscanf(text, "# %" SCNu64 " hits, %" SCNu64 " without a stack: %" SCNu64, &f->hits,
               &f->bare_hits, &f->bare) == 3) {
        f->info.not_shown = f->bare;
        f->counted_all = true;
        return;
    }
    if (sscanf(text,
               "# %*u s: %" SCNu64 " ticks, %" SCNu64 " in Lua, %" SCNu64 " compiled, %" SCNu64
               " on other threads",
               &ticks, &in_lua, &compiled, &elsewhere) != 4)
        return;
    f->ticks = ticks;
    f->in_lua = in_lua;
    f->compiled = compiled;
    f->elsewhere = elsewhere;
    f->info.not_shown = ticks > in_lua ? ticks - in_lua : 0;
}

static void on_watch(void *arg, const struct ngs_control *counts)
{
    struct flame *f = arg;

    f->lost = __atomic_load_n(&counts->lost, __ATOMIC_RELAXED) +
              __atomic_load_n(&counts->map_full, __ATOMIC_RELAXED);
    f->skipped = __atomic_load_n(&counts->skipped, __ATOMIC_RELAXED);
    uint64_t now = clock_ns(CLOCK_MONOTONIC);

    if (!f->begun) {
        f->begun = f->window.begun = now;
        f->info.time = (int64_t)time(NULL);
    }
    f->info.seconds = (double)(now - f->window.begun) / SECOND_NS;
    if (!f->terminal || (f->drawn && now - f->drawn < SECOND_NS / 5))
        return;
    f->drawn = now;
    double left = f->seconds > 0 ? f->seconds - f->info.seconds : f->info.seconds;

    if (!is_lua_profile(f)) {
        fprintf(f->cx->err, "\r\033[K%3.0f s%s  %" PRIu64 " %s  lost %" PRIu64, left > 0 ? left : 0,
                f->seconds > 0 ? " left" : "", f->hits, hits_name(f), f->lost + f->skipped);
        fflush(f->cx->err);
        f->shown = true;
        return;
    }
    fprintf(f->cx->err,
            "\r\033[K%3.0f s%s  %" PRIu64 " samples  Lua %.0f %%  compiled %.0f %%  lost %" PRIu64,
            left > 0 ? left : 0, f->seconds > 0 ? " left" : "", f->ticks,
            share(f->in_lua, f->ticks), share(f->compiled, f->ticks), f->lost + f->skipped);
    fflush(f->cx->err);
    f->shown = true;
}

/* ---- windows ---- */

/* The rate that a signal has asked for holds from one window to the next: a file has one. */
static void take_rate(struct flame *f)
{
    int hz = f->cx->interrupt->number;

    f->cx->interrupt->number = 0;
    if (hz < 1 || hz > FLAME_HZ_MAX)
        return;
    f->window.rate = (uint64_t)hz;
    f->info.period_ns = 1000000000 / hz;
}

static uint64_t on_rate(void *arg)
{
    return ((struct flame *)arg)->window.rate;
}

/* One has ended: it goes to its file, if it has a stack, and a line says so. */
static bool on_cut(void *arg, struct out_profile *p)
{
    struct flame *f = arg;
    struct arena *a = arena_new();
    const char *path = windows_name(a, f->output, f->window.format, f->info.time);
    uint64_t now = clock_ns(CLOCK_MONOTONIC), lost = f->lost + f->skipped - f->window.lost;

    f->window.failed = p->total && !windows_write(f->cx, f->window.format, path, p, &f->info);
    if (f->shown)
        fputs("\r\033[K", f->cx->err);
    if (!f->window.failed)
        fprintf(f->cx->err, "%s: %" PRIu64 " %s, %" PRIu32 " stacks, %" PRIu64 " lost\n",
                p->total ? path : "no file", f->hits, hits_name(f), p->n_stacks, lost);
    f->shown = false;
    f->window.lost += lost;
    f->window.begun = now;
    int64_t at = (int64_t)time(NULL);

    f->info.time = at > f->info.time ? at : f->info.time + 1; /* a file's name is of one alone */
    take_rate(f);
    arena_free(a);
    return !f->window.failed;
}

/* ---- the whole ---- */

/* "bytes" of "$bytes": a variable's name is a unit; else the expression as it is. */
static const char *unit_of(const struct flame *f)
{
    const char *w = f->weight;
    size_t n;

    if (f->counted == COUNT_SAMPLES)
        return NULL;
    if (!w)
        return f->counted == COUNT_OFF_CPU ? "microseconds" : "hits";
    if (*w == '$' && w[1]) {
        const char *p = w + 1;

        while (is_word(*p))
            p++;
        w += *p ? 0 : 1;
    }
    return out_clean(f->cx->arena, w, strlen(w), &n);
}

static const char *title_of(const struct flame *f)
{
    struct arena *a = f->cx->arena;

    if (f->title)
        return f->title;
    if (f->counted == COUNT_OFF_CPU)
        return arena_printf(a, "Time off the CPU, %s stacks, of%s", f->frames->what, f->target);
    if (f->counted == COUNT_HITS)
        return arena_printf(a, "%s%s%s, %s stacks, of%s", f->weight ? f->weight : "",
                            f->weight ? " at " : "", f->at, f->frames->what, f->target);
    return arena_printf(a, "%s CPU profile of%s", f->frames->what, f->target);
}

static void set_info(struct flame *f, int argc, char **argv)
{
    struct arena *a = f->cx->arena;
    const char *command = "ngstap";

    for (int i = 0; i < argc; i++)
        command = arena_printf(a, "%s %s", command, argv[i]);
    f->info = (struct out_info){
        .title = title_of(f),
        .command = command,
        .time = (int64_t)time(NULL),
        .period_ns = f->counted == COUNT_SAMPLES ? 1000000000 / f->hz : 0,
        .seconds = f->seconds,
        .unit = unit_of(f),
        .without = f->frames->without,
    };
}

/* As many as samples are due: whole stacks are told apart by each address, so most may differ. */
static unsigned stacks_due(const struct flame *f)
{
    double due = (double)f->hz * (double)sysconf(_SC_NPROCESSORS_ONLN);

    due *= f->every > 0 ? f->every : f->seconds > 0 ? f->seconds : COMMAND_SECONDS;

    return due < STACKS_LEAST ? STACKS_LEAST : due > STACKS_MOST ? STACKS_MOST : (unsigned)due;
}

/* The driver's command line. */
static void make_argv(struct flame *f)
{
    struct arena *a = f->cx->arena;

    if (f->seconds > 0) {
        flame_give(f, "-T");
        flame_give(f, arena_printf(a, "%.9f", f->seconds));
    }
    if (f->counted == COUNT_SAMPLES)
        flame_give_arg(f, "hz", arena_printf(a, "%ld", f->hz));
    if (is_lua_profile(f))
        flame_give_arg(f, "min", "0");
    else
        flame_give_arg(f, "frames", f->frames->name);
    if (!strcmp(f->frames->name, "all"))
        flame_give_arg(f, "places", "1");
    if (f->counted == COUNT_OFF_CPU) {
        flame_give_arg(f, "off_cpu", "1");
        flame_give(
            f, "-D"); /* one event of a pair left out, and the time to the next one would count */
        flame_give(f, "STP_NO_OVERLOAD");
    }
    if (f->every > 0)
        flame_give_arg(f, "every", arena_printf(a, "%.0f", f->every * 1000));
    if (f->at)
        flame_give_arg(f, "at", f->at);
    if (f->weight)
        flame_give_arg(f, "weight", f->weight);
    flame_give_arg(f, "depth", arena_printf(a, "%ld", f->depth));
    flame_give_arg(f, "depth_option", "--depth N");
    /* room for so many frames of a usual length; what is longer is cut, and said */
    if (!f->string_limit && f->frames->names_long) {
        long room = f->depth < ROOM_MAX / FRAME_LEN ? f->depth * FRAME_LEN : ROOM_MAX;

        flame_give(f, "-D");
        flame_give(
            f, arena_printf(a, "MAXSTRINGLEN=%ld", room > ROOM_LEAST ? room : (long)ROOM_LEAST));
    }
    if (!f->entries_limit && f->counted == COUNT_SAMPLES) {
        flame_give(f, "-D");
        flame_give(f, arena_printf(a, "MAXMAPENTRIES=%u", stacks_due(f)));
    }
    flame_give_arg(f, "limit", "1000000");
    if (f->every == 0 || f->terminal)
        flame_give_arg(f, "progress", "1");
    flame_give(f, "--format");
    flame_give(f, f->format);
    if (!f->to.push.receiver) {
        flame_give(f, "-o");
        flame_give(f, f->output);
    }
    flame_give(f, search_sample(f->cx, is_lua_profile(f) ? "lj-lua-stacks.sxx" : "stacks.sxx"));
    flame_give(f, NULL);
    f->argc--;
}

static void explain_no_stack(const struct flame *f)
{
    struct diag *d = f->cx->diag;

    if (f->bare_hits)
        diag_hint(d, "all %" PRIu64 " were %s%s%s", f->bare_hits, f->frames->without,
                  f->frames->other ? ": --frames " : "", f->frames->other ? f->frames->other : "");
    else if (f->hits)
        return; /* no weight above 0, which the script says */
    else if (f->counted == COUNT_OFF_CPU)
        diag_hint(d,
                  "in %.0f s it did not leave the CPU, or it was away all the time: what began "
                  "before the profile is not seen",
                  f->info.seconds);
    else if (f->at)
        diag_hint(d, "in %.0f s it did not hit %s", f->info.seconds, f->at);
    else
        diag_hint(d,
                  "in %.0f s it never ran when a sample was due: it is idle, stopped or has "
                  "ended",
                  f->info.seconds);
}

static void explain_nothing(const struct flame *f)
{
    struct diag *d = f->cx->diag;

    if (!is_lua_profile(f)) {
        if (f->counted_all)
            explain_no_stack(f);
        return;
    }
    if (!f->begun || f->in_lua) /* it never began, or the fault is another */
        return;
    if (!f->ticks)
        diag_hint(d,
                  "in %.0f s it never ran when a sample was due: it is idle (send it requests), "
                  "stopped, or a master whose workers do the work (--master)",
                  f->info.seconds);
    else
        diag_hint(d,
                  "of %" PRIu64
                  " samples none was in Lua: it runs C code only, or its LuaJIT is not the one "
                  "whose debug information was found",
                  f->ticks);
}

/* The argument of the sample that an option's text is. */
static const char *option_of(const char *name)
{
    return !strcmp(name, "at") ? "--at" : !strcmp(name, "weight") ? "--weight" : NULL;
}

static void print_result(const struct flame *f)
{
    FILE *err = f->cx->err;

    if (is_lua_profile(f)) {
        fprintf(err,
                "%s: %" PRIu64 " samples, %.0f %% in Lua, %.0f %% compiled, %" PRIu64 " lost\n",
                f->output, f->ticks, share(f->in_lua, f->ticks), share(f->compiled, f->ticks),
                f->lost + f->skipped);
        if (f->elsewhere)
            fprintf(err,
                    "%" PRIu64
                    " of the samples (%.0f %%) were on threads that run no Lua; they are "
                    "in no stack\n",
                    f->elsewhere, share(f->elsewhere, f->ticks));
        return;
    }
    fprintf(err, "%s: %" PRIu64 " %s", f->output, f->hits, hits_name(f));
    if (f->weight || f->counted == COUNT_OFF_CPU)
        fprintf(err, ", counted in %s", f->info.unit);
    fprintf(err, ", %" PRIu64 " lost\n", f->lost + f->skipped);
    if (f->bare_hits)
        fprintf(err, "%" PRIu64 " of them (%.0f %%) were %s; they are in no stack\n", f->bare_hits,
                share(f->bare_hits, f->hits), f->frames->without);
}

/* ---- all frames, or what there is of them ---- */

/* What was said goes out, and what is said from here on goes out at once. */
static void trial_end(struct flame *f, bool shown)
{
    if (!f->trial.f)
        return;
    fclose(f->trial.f);
    if (shown)
        fwrite(f->trial.text, 1, f->trial.len, f->cx->err);
    diag_stream(f->trial.diag, f->cx->err);
    free(f->trial.text);
    f->trial.f = NULL;
}

/* A command that was waited for has run, and is not started a second time. */
static bool has_run(const struct flame *f)
{
    return f->looked_at && f->looked_at->held && f->looked_at->awaited_ns;
}

static void on_analysed(void *arg, bool ok, const char *without)
{
    struct flame *f = arg;

    if (f->trial.f) {
        bool again = !ok && !has_run(f);

        trial_end(f, !again);
        if (!ok && !again)
            diag_hint(f->cx->diag, "%s", WITHOUT_LUA);
        if (again)
            f->trial.without = without ? without
                                       : "LuaJIT's debug information was not found, or is not of "
                                         "the versions that are known";
    } else if (ok && f->trial.without) {
        clean_line(f->cx->err, "frames of C and the kernel alone: %s (--frames all says more)",
                   f->trial.without);
    }
}

/* ---- the target, what is sent ---- */

static void on_target(void *arg, const struct target *t)
{
    struct flame *f = arg;

    f->looked_at = t;
    if (!f->to.push.receiver)
        return;
    push_default_labels(f->cx, &f->to.push, t);
    f->info.labels = f->to.push.labels;
    f->info.n_labels = f->to.push.n_labels;
}

struct sent {
    const struct flame *f;
    const char *body;
    size_t n;
};

static void try_push(void *arg, struct push_answer *out)
{
    const struct sent *s = arg;

    push_live(s->f->cx, &s->f->to.push, &s->f->info, s->body, s->n, out);
}

/* Runs the sample with the frames that F has. */
static int run_sample(struct flame *f, struct compile *cx, int argc, char **argv)
{
    struct sent sent = {.f = f};
    char *body = NULL;
    struct driver_hooks hooks = {.info = &f->info,
                                 .comment = on_comment,
                                 .option = option_of,
                                 .without = f->frames->other ? WITHOUT_LUA : NULL,
                                 .target = on_target,
                                 .analysed = on_analysed,
                                 .watch = on_watch,
                                 .arg = f};
    int own = f->argc;

    set_info(f, argc, argv);
    make_argv(f);
    if (f->every > 0) {
        hooks.cut = on_cut;
        hooks.rate = on_rate;
        cx->interrupt->numbered = f->counted == COUNT_SAMPLES;
    }
    if (f->to.push.receiver) {
        hooks.into = open_memstream(&body, &sent.n);
    }
    int status = driver_run(cx, f->argc, (char **)f->argv, &hooks);

    sent.body = body;
    if (!status && f->to.push.receiver &&
        !push_patiently(cx, &f->to.push, "the profile", try_push, &sent))
        status = 1;
    free(body);
    f->argc = own;
    return status;
}

/* A target may have no Lua, or none that can be read: its C frames are drawn then, and a line says
 * why. */
static int run_trial(struct flame *f, int argc, char **argv)
{
    struct compile cx = *f->cx;

    f->trial.f = open_memstream(&f->trial.text, &f->trial.len);
    if (!f->trial.f)
        return run_sample(f, f->cx, argc, argv);
    f->trial.diag = cx.diag = diag_apart(f->cx->diag, f->trial.f);
    int status = run_sample(f, &cx, argc, argv);

    trial_end(f, true); /* before the analysis */
    if (!f->trial.without)
        return status;
    f->frames = &flame_frames[FRAMES_C];
    return run_sample(f, f->cx, argc, argv);
}

int subcommand_flame(struct compile *cx, int argc, char **argv)
{
    struct flame f = {.to.cx = cx,
                      .cx = cx,
                      .hz = USUAL_HZ,
                      .depth = USUAL_DEPTH,
                      .frames = &flame_frames[FRAMES_ALL],
                      .terminal = isatty(STDERR_FILENO)};

    bool help;

    flame_give(&f, "ngstap");
    if (!flame_options(&f, argc, argv, &help))
        return 1;
    if (help)
        return 0;
    if (!f.output)
        f.output = f.to.push.receiver ? f.to.push.url : "flame.svg";
    const struct out_format *format =
        f.to.push.receiver ? push_format(&f.to.push) : picture_format(cx, f.format, f.output);

    if (!format || format->live) {
        if (format) {
            diag_error(cx->diag, nowhere, "options", "%s holds no picture", format->name);
            diag_hint(cx->diag, "flame writes %s", picture_names(cx));
        }
        return 1;
    }
    f.format = format->name;
    f.window.format = format;
    int status = f.chosen ? run_sample(&f, cx, argc, argv) : run_trial(&f, argc, argv);

    if (f.shown)
        fputs("\r\033[K", cx->err);
    if (status)
        explain_nothing(&f);
    else if (f.every == 0)
        print_result(&f);
    return status;
}

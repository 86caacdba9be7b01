/*
 * Makes a module of a script for stap, and runs modules, without the passes before: what tests of
 * src/stap/ drive.
 *
 *     stap_module [-v] [-r RELEASE|DIR] [-m NAME] [-D NAME=VALUE] [-P PATCHES] build SCRIPT.stp
 *     stap_module [-x PID] [-c COMMAND] [-T SECONDS] [-w] run MODULE.ko
 *     stap_module [-r RELEASE|DIR] lacks
 *
 * build prints "cached PATH" or "built PATH" and, where that is going to be removed, copies the
 * module to ./NAME.ko first; lacks prints what is missing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/diag.h"
#include "stap/build.h"

static int build(struct compile *cx, struct stap_build *b, const char *script)
{
    struct stap_object m;

    b->script = stap_read_file(cx, script, 1 << 24, &b->len);
    if (!b->script) {
        perror(script);
        return 1;
    }
    bool ok = stap_build(cx, b, &m);

    if (ok) {
        printf("%s %s\n", m.cached ? "cached" : "built", m.path);
        if (m.scratch) {
            size_t n;
            char *text = stap_read_file(cx, m.path, 1 << 28, &n);

            ok = text && stap_write_file(strrchr(m.path, '/') + 1, text, n);
        }
    }
    stap_release(&m);
    return !ok;
}

int main(int argc, char **argv)
{
    struct compile cx = {.arena = arena_new(),
                         .limits = {.maxaction = 100000,
                                    .maxmapentries = 5000,
                                    .maxstringlen = 4096,
                                    .maxskipped = 100,
                                    .maxnesting = 16}};
    struct stap_build b = {.defines = NULL};
    struct stap_run r = {.out = 1};
    const char *defines[16], *patches[16];
    int c, status = 2;

    cx.sources = sources_new(cx.arena);
    cx.diag = diag_new(cx.arena, cx.sources, stderr);
    b.defines = defines;
    b.patches = patches;
    while ((c = getopt(argc, argv, "vr:m:D:P:x:c:T:w")) != -1) {
        switch (c) {
        case 'v':
            cx.verbose++;
            break;
        case 'r':
            b.release = optarg;
            break;
        case 'm':
            b.name = optarg;
            break;
        case 'D':
            defines[b.n_defines++ % 16] = optarg;
            break;
        case 'P':
            patches[b.n_patches++ % 16] = optarg;
            break;
        case 'x':
            r.pid = atoi(optarg);
            break;
        case 'c':
            r.command = optarg;
            break;
        case 'T':
            r.seconds = atof(optarg);
            break;
        case 'w':
            r.no_warnings = true;
            break;
        default:
            return 2;
        }
    }
    if (optind + 2 == argc && !strcmp(argv[optind], "build")) {
        status = build(&cx, &b, argv[optind + 1]);
    } else if (optind + 2 == argc && !strcmp(argv[optind], "run")) {
        r.module = argv[optind + 1];
        status = stap_run(&cx, &r);
        status = status < 0 ? 1 : status;
    } else if (optind + 1 == argc && !strcmp(argv[optind], "lacks")) {
        const char *why = stap_lacks(&cx, b.release);

        puts(why ? why : "nothing");
        status = why != NULL;
    }
    arena_free(cx.arena);
    return status;
}

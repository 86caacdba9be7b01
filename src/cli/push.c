/*
 * push: "ngstap push": saved profiles to an engine that keeps profiles. Enters: files that "ngstap
 * flame -o" or a script has written; leaves: requests, one a file, and for each what was not taken.
 */
#include <getopt.h>
#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "cli/options.h"
#include "cli/pushing.h"
#include "cli/subcommand.h"

static const struct span nowhere;

struct pushed {
    struct pushing to; /* first: its setters are given this */
    const char *path;
};

static const struct command_option taken[] = {PUSHING_OPTIONS};

static const struct command_options options = {
    "ngstap push",
    "Usage: ngstap push [OPTION]... FILE...\n"
    "Sends saved profiles, pprof (.pb.gz) or stacks as text, to an engine that keeps profiles.\n\n",
    taken, sizeof(taken) / sizeof(*taken)};

static void try_file(void *arg, struct push_answer *out)
{
    const struct pushed *p = arg;

    push_file(p->to.cx, &p->to.push, p->path, out);
}

int subcommand_push(struct compile *cx, int argc, char **argv)
{
    struct pushed p = {.to.cx = cx};
    struct options o;
    bool ok = true;

    if (!options_command(cx, argc, argv, &options, &p, &o))
        return 1;
    if (o.help)
        return 0;
    if (!p.to.push.receiver || optind == argc) {
        diag_error(cx->diag, nowhere, "options",
                   optind == argc ? "push takes FILE..." : "push where to?");
        diag_hint(cx->diag, "ngstap push --otlp http://HOST:4318 --label service=NAME FILE.pb.gz");
        return 1;
    }
    push_default_labels(cx, &p.to.push, NULL);
    for (int i = optind; i < argc; i++) {
        p.path = argv[i];
        ok = push_patiently(cx, &p.to.push, argv[i], try_file, &p) && ok;
    }
    return ok ? 0 : 1;
}

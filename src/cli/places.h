/*
 * places: what printed addresses, and the frames of profiles, are named by.
 */
#ifndef CLI_PLACES_H
#define CLI_PLACES_H

#include "out/out.h"
#include "run/run.h"

struct compile;
struct debuginfo;
struct lua_names;
struct target;

/* Of a run. The owner of what it points to is who set it. */
struct places {
    struct compile *cx;
    struct target *target;       /* NULL: none is open yet */
    struct debuginfo *debuginfo; /* NULL: made when something asks */
    struct lua_names *names;     /* of Lua functions; NULL: they stay as the script printed them */
    bool off;                    /* one file took too much: no lines of sources any more */
};

/* For run_session(); P is to live as long as it. */
struct symbol_source places_symbols(struct places *p);
/* Sets what a reader of profiles asks for names and places. */
void places_serve(struct places *p, struct out_reader_opts *reader);

#endif

/*
 * places: what printed addresses, and the frames of profiles, are named by.
 */
#ifndef CLI_PLACES_H
#define CLI_PLACES_H

#include "out/out.h"
#include "run/run.h"

struct compile;
struct debuginfo;
struct jail;
struct lua_names;
struct target;

/* Of a run. The owner of what it points to is who set it. */
struct places {
    struct compile *cx;
    struct target *target;       /* NULL: none is open yet */
    struct debuginfo *debuginfo; /* NULL: made when something asks */
    struct lua_names *names;     /* of Lua functions; NULL: they stay as the script printed them */
    struct jail *jail; /* where names are asked for; NULL: in this process, as in the jail itself */
    struct module *later; /* in the jail: files that the target did not have when it was found */
    bool off;                    /* one file took too much: no lines of sources any more */
};

/* Lua names of P's target, to be read while it is there: in the jail, or here without one. */
void places_name_lua(struct places *p);

/* For run_session(); P is to live as long as it. */
struct symbol_source places_symbols(struct places *p);
/* Sets what a reader of profiles asks for names and places. */
void places_serve(struct places *p, struct out_reader_opts *reader);

#endif

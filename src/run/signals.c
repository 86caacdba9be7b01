/*
 * signals: what an ending signal means to a session: the first ends it properly, an end that is
 * asked for again ends it where it stands. When that is so is base/interrupt.h's to say.
 */
#include "run/state.h"

void run_signals(struct run *r)
{
    struct interrupt *i = r->cx->interrupt;

    interrupt_take(i);
    if (i->child) {
        i->child = false;
        run_commands_reap(r);
        r->child_changed = true;
    }
    if (i->asked)
        run_stop(r);
    r->aborted |= i->at_once;
}

/*
 * rest: the rest of a handler that began in the kernel (base/abi.h, struct obj_rest). Enters: a
 * record of the ring buffer, of any content; leaves: the rest's effects, as if the handler ran as a
 * whole when the record is read. Dropped is the rest of a hit that came after one whose rest called
 * exit(), or after the errors were too many: SystemTap would not have run its handler.
 */
#include "run/helpers.h"
#include "run/record.h"

/* Puts the values of REST into the frame. */
static void set_frame(struct run *r, const struct obj_rest *rest, struct record *in)
{
    struct ngs_frame *f = (struct ngs_frame *)r->frame;

    *f = (struct ngs_frame){.budget = record_long(in)};
    uint64_t member = (uint64_t)record_long(in);

    _Static_assert(sizeof(member) == sizeof(f->member), "one word");
    memcpy(&f->member, &member, sizeof(member));
    for (uint32_t k = 0; k < rest->n_values; k++) {
        const struct obj_value *v = &r->o->values[rest->value + k];

        if (v->type == OBJ_STRING) {
            struct str s = record_str(in);

            run_put(r, (struct ngs_str *)(r->frame + v->off), s.p, s.len);
        } else {
            int64_t n = record_long(in);

            memcpy(r->frame + v->off, &n, sizeof(n));
        }
    }
}

bool run_rest(struct run *r, const void *data, size_t size)
{
    struct ngs_rec head;
    struct record in = record_open(data, size, &head);
    bool quit = r->quit;

    if (in.bad || head.kind != NGS_REC_REST)
        return false;
    if (r->aborted || r->rests_over || r->failed)
        return true;
    if (head.format >= r->o->h->table[OBJ_RESTS].n || head.probe >= r->o->h->table[OBJ_PROBES].n)
        return false;
    const struct obj_rest *rest = &r->o->rests[head.format];

    set_frame(r, rest, &in);
    if (in.bad)
        return false;
    r->record_tid = head.tid;
    r->quit = false;
    run_code(r, &r->o->probes[head.probe], rest->code_off, rest->code_len, rest->loc);
    r->rests_over = r->quit;
    if (rest->flags & REST_F_EXITS && !r->quit) /* by an error */
        __atomic_fetch_and(&r->ctl->gate, ~(uint64_t)NGS_PAUSED, __ATOMIC_SEQ_CST);
    r->quit |= quit;
    return true;
}

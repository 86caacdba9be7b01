/*
 * print: records -> text. Enters: a record from the ring buffer or from a handler that runs here,
 * of any content; leaves: output, warnings, errors (error.c), or the end of the session. A record
 * that does not fit its own sizes is dropped and said to be damaged.
 */
#include "run/record.h"
#include "run/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { FLUSH_AT = 1 << 16 };

/* ---- print statements ---- */

static void show_plain(struct run *r, const struct obj_format *f, const struct print_arg *args,
                       uint32_t n)
{
    struct text *out = &r->out.buf;

    for (uint32_t i = 0; i < n; i++) {
        if (i)
            text_str(out, object_str(r->o, f->text));
        if (args[i].is_string)
            text_bytes(out, args[i].p, args[i].len);
        else if (f->flags & FORMAT_CHAR)
            text_char(out, (char)args[i].num);
        else
            text_printf(out, "%" PRId64, args[i].num);
    }
}

static void print_record(struct run *r, uint32_t format, struct record *in)
{
    struct print_arg args[OBJ_MAX_PRINT_ARGS];
    struct text texts[OBJ_MAX_PRINT_ARGS];
    const struct obj_format *f;
    uint32_t n;

    if (format >= r->o->h->table[OBJ_FORMATS].n ||
        r->o->formats[format].n_args > OBJ_MAX_PRINT_ARGS) {
        in->bad = true;
        return;
    }
    f = &r->o->formats[format];
    n = f->n_args;
    for (uint32_t i = 0; i < n; i++) {
        args[i] = (struct print_arg){.is_string = (f->arg_types >> 2 * i & 3) == OBJ_STRING};
        texts[i] = TEXT_NEW;
        if (args[i].is_string) {
            struct str s = record_str(in);

            args[i].p = s.p;
            args[i].len = s.len;
            if (memchr(s.p, NGS_MARK, s.len)) {
                run_expand(r, s.p, s.len, &texts[i]);
                args[i].p = text_c(&texts[i]);
                args[i].len = texts[i].len;
            }
        } else {
            args[i].num = record_long(in);
        }
    }
    if (!in->bad) {
        if (f->flags & FORMAT_PRINTF)
            format_printf(&r->out.buf, object_str(r->o, f->text), args, n);
        else
            show_plain(r, f, args, n);
        if (f->flags & FORMAT_NEWLINE)
            text_char(&r->out.buf, '\n');
    }
    for (uint32_t i = 0; i < n; i++)
        text_free(&texts[i]);
    if (r->out.buf.len >= FLUSH_AT)
        output_flush(r);
}

void run_record(struct run *r, const void *data, size_t size)
{
    struct ngs_rec rec;
    struct record in;

    if (r->aborted)
        return;
    in = record_open(data, size, &rec);
    r->record_tid = rec.tid;
    switch (in.bad ? -1 : rec.kind) {
    case NGS_REC_PRINT:
        print_record(r, rec.format, &in);
        break;
    case NGS_REC_WARN: {
        struct str s = record_str(&in);
        struct text t = TEXT_NEW;

        run_expand(r, s.p, s.len, &t);
        if (!in.bad)
            run_script_warning(r, text_c(&t), t.len);
        text_free(&t);
        break;
    }
    case NGS_REC_ERROR: {
        uint64_t error = (uint64_t)record_long(&in), arg = (uint64_t)record_long(&in),
                 loc = (uint64_t)record_long(&in);
        struct str s = in.left ? record_str(&in) : (struct str){"", 0};

        if (!in.bad)
            run_script_error(r, error, arg, loc, s);
        break;
    }
    case NGS_REC_EXIT:
        run_stop(r);
        break;
    default:
        in.bad = true;
    }
    if (in.bad)
        run_warn(r, "damaged record of %zu bytes", size);
}

/*
 * handler: sets a session's user-space side up and runs one handler in it. Enters: a checked object
 * and, where it has kernel programs, the loaded session; leaves: globals and arrays as the script
 * starts with them, then each handler's effects. Refuses metadata that this folder could not use
 * safely.
 */
#include "run/helpers.h"

#include <stdlib.h>
#include <string.h>

/*
 * A handler of cg counts its own statements (MAXACTION) and ends long before. Only a damaged or
 * hostile object runs this many, in about a minute.
 */
#define INSTRUCTION_CAP (1ull << 32)

static bool poll_signals(void *ctx)
{
    struct run *r = ctx;

    run_signals(r);
    return r->aborted;
}

/* Values that user space reads in place must be aligned; object_open has checked the rest. */
static bool aligned(const struct object *o)
{
    for (uint32_t i = 0; i < o->h->table[OBJ_MAPS].n; i++) {
        const struct obj_map *m = &o->maps[i];

        if (m->val_off % 8 || m->value_size % 8)
            return false;
        for (uint32_t k = 0; k < m->n_keys && k < OBJ_MAX_KEYS; k++)
            if (m->text_off[k] % 8)
                return false;
    }
    for (uint32_t i = 0; i < o->h->table[OBJ_GLOBALS].n; i++)
        if (o->globals[i].off % 8)
            return false;
    return o->h->frame_size >= sizeof(struct ngs_frame) && o->h->frame_error_text % 8 == 0 &&
           o->h->frame_error_text <= o->h->frame_size - sizeof(struct ngs_frame) &&
           NGS_STR_SIZE((uint64_t)o->h->maxstringlen) <= o->h->frame_size - o->h->frame_error_text;
}

/*
 * Takes the key of the kernel's handlers, so that we find what they stored; without them a random
 * one.
 */
static uint64_t *hash_key(const struct run *r)
{
    size_t size = NGS_HASH_KEY_SIZE((size_t)r->o->h->maxstringlen);
    uint64_t *key = calloc(1, size);

    if (key && r->s)
        memcpy(key, session_hash_key(r->s), size);
    else if (key)
        load_random(key, size);
    return key;
}

bool run_open(struct run *r)
{
    const struct obj_header *h = r->o->h;
    uint32_t n = h->table[OBJ_MAPS].n;

    r->out = (struct output){.f = r->opts->out, .buf = TEXT_NEW};
    r->out.buf.clean = r->opts->out_terminal;
    if (!aligned(r->o))
        return diag_error(r->cx->diag, (struct span){0}, "object",
                          "the object's tables are damaged");
    if (r->s) {
        r->ctl = session_control(r->s);
        r->globals = session_globals(r->s);
    } else {
        size_t control = (sizeof(struct ngs_control) + 63) & ~(size_t)63;

        r->own = calloc(1, control + h->globals_size);
        if (r->own) {
            r->ctl = r->own;
            r->globals = (uint8_t *)r->own + control;
            r->ctl->target = r->t ? (uint64_t)target_first(r->t) : 0;
            object_init_globals(r->o, r->globals);
        }
    }
    if (r->t && target_first(r->t) > 0 && process_ids(r->t->proc, target_first(r->t), &r->ids))
        text_make_line(r->ids.name, strlen(r->ids.name));
    r->frame = calloc(1, h->frame_size);
    r->maps = calloc(n ? n : 1, sizeof(*r->maps));
    r->text = calloc(1, NGS_STR_SIZE((size_t)h->maxstringlen));
    r->hash_key = hash_key(r);
    if (!r->ctl || !r->frame || !r->maps || !r->text || !r->hash_key)
        return diag_error(r->cx->diag, (struct span){0}, "memory", "not enough memory");
    for (uint32_t i = 0; i < n; i++) {
        if (!run_map_open(&r->maps[i], &r->o->maps[i], r->s ? session_map_fd(r->s, i) : -1,
                          h->maxstringlen))
            return diag_error(r->cx->diag, (struct span){0}, "memory", "not enough memory");
        r->maps[i].stamp = &r->ctl->stamp;
    }
    r->vm = (struct vm){
        .code = r->o->user_code,
        .code_len = r->o->user_code_len,
        .cap = INSTRUCTION_CAP,
        .helper = run_helper,
        .poll = poll_signals,
        .ctx = r,
    };
    r->vm.mem[VM_FRAME] = (struct vm_memory){r->frame, h->frame_size, false};
    r->vm.mem[VM_GLOBALS] = (struct vm_memory){r->globals, h->globals_size, false};
    /* never written: read_only */
    r->vm.mem[VM_RODATA] =
        (struct vm_memory){(uint8_t *)(uintptr_t)r->o->rodata, h->rodata_size, true};
    r->vm.mem[VM_CONTROL] = (struct vm_memory){(uint8_t *)r->ctl, sizeof(*r->ctl), false};
    return true;
}

static void free_iters(struct run *r)
{
    for (uint32_t i = 0; i < RUN_MAX_ITERS; i++)
        if (r->iters[i]) {
            run_iter_free(r->iters[i]);
            r->iters[i] = NULL;
        }
}

void run_close(struct run *r)
{
    free_iters(r);
    for (uint32_t i = 0; r->maps && i < r->o->h->table[OBJ_MAPS].n; i++)
        run_map_close(&r->maps[i]);
    symbols_free(r->syms);
    text_free(&r->out.buf);
    free(r->maps);
    free(r->frame);
    free(r->text);
    free(r->hash_key);
    free(r->own);
    run_warnings_free(r);
    peek_close(r->peek);
    free(r->commands);
}

/* Merges the arrays that the handler drained back into the kernel's maps. */
static void merge_back(struct run *r)
{
    for (uint32_t i = 0; i < r->o->h->table[OBJ_MAPS].n; i++) {
        uint32_t lost = run_map_merge_back(&r->maps[i]);

        __atomic_fetch_add(&r->ctl->map_full, lost, __ATOMIC_RELAXED);
    }
}

void run_code(struct run *r, const struct obj_probe *p, uint32_t off, uint32_t len, uint32_t loc)
{
    const char *name = object_str(r->o, p->name);

    r->probe = p;
    switch (vm_run(&r->vm, off, len)) {
    case VM_BAD: {
        struct text t = TEXT_NEW;

        text_printf(&t, "handler of '%s' ended at instruction %u: %s", name, r->vm.fault_pc,
                    r->vm.fault);
        if (r->vm.fault_addr)
            text_printf(&t, " (0x%llx)", (unsigned long long)r->vm.fault_addr);
        text_str(&t, "; the object is damaged, or this is a bug of ngstap");
        run_script_error(r, NGS_ERR_SCRIPT, 0, 0, (struct str){text_c(&t), (uint32_t)t.len});
        text_free(&t);
        r->failed = true;
        run_stop(r);
        break;
    }
    case VM_LIMIT:
        run_script_error(r, NGS_ERR_MAXACTION, 0, loc, (struct str){"", 0});
        break;
    case VM_ABORTED:
    case VM_DONE:
        break;
    }
    free_iters(r);
    merge_back(r);
}

void run_handler(struct run *r, const struct obj_probe *p)
{
    /* the code sets its own budget at its start */
    *(struct ngs_frame *)r->frame = (struct ngs_frame){.budget = INT64_MAX};
    run_code(r, p, p->code_off, p->code_len, p->loc);
    output_flush(r);
}

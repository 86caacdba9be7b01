/*
 * kernel_types: where members of the running kernel's structures are, and its types' numbers.
 * Enters: names; leaves: offsets and numbers, out of the kernel's BTF. Refuses: kernels without it,
 * or without one of them.
 */
#include "load/kernel_types.h"

#include <bpf/btf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * The kernel's BTF as its file has it (Documentation/bpf/btf.rst). Read by ourselves, once from its
 * start to the last structure wanted: libbpf copies all of it, which is megabytes, and lists it
 * before it can be asked. Mapped where the kernel can do that (Linux 6.16), else read.
 */
struct types {
    char *file;
    size_t size;
    bool mapped;
};

static bool types_open(struct types *t)
{
    struct stat st;
    size_t done = 0;
    int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && !fstat(fd, &st) && st.st_size > 0;

    *t = (struct types){.size = ok ? (size_t)st.st_size : 0};
    if (ok) {
        void *at = mmap(NULL, t->size, PROT_READ, MAP_PRIVATE, fd, 0);

        t->mapped = at != MAP_FAILED;
        t->file = t->mapped ? at : malloc(t->size);
    }
    while (t->file && !t->mapped && done < t->size) {
        ssize_t n = read(fd, t->file + done, t->size - done);

        if (n <= 0 && !(n < 0 && errno == EINTR))
            break;
        done += n > 0 ? (size_t)n : 0;
    }
    if (fd >= 0)
        close(fd);
    return t->file && (t->mapped || done == t->size);
}

static void types_close(struct types *t)
{
    if (t->mapped)
        munmap(t->file, t->size);
    else
        free(t->file);
}

/* The bytes of a type, or 0 for a kind that is not known. */
static uint64_t type_size(const struct btf_type *t)
{
    enum { ENUM64 = 19, KINDS }; /* newer than some headers (Linux 6.0) */
    static const uint8_t once[KINDS] = {
        [BTF_KIND_INT] = 4,
        [BTF_KIND_ARRAY] = sizeof(struct btf_array),
        [BTF_KIND_VAR] = 4,
        [BTF_KIND_DECL_TAG] = 4,
    };
    static const uint8_t each[KINDS] = {
        [BTF_KIND_STRUCT] = sizeof(struct btf_member),
        [BTF_KIND_UNION] = sizeof(struct btf_member),
        [BTF_KIND_ENUM] = sizeof(struct btf_enum),
        [BTF_KIND_FUNC_PROTO] = sizeof(struct btf_param),
        [BTF_KIND_DATASEC] = sizeof(struct btf_var_secinfo),
        [ENUM64] = 12,
    };
    uint32_t kind = btf_kind(t);

    return kind && kind < KINDS ? sizeof(*t) + once[kind] + (uint64_t)each[kind] * btf_vlen(t) : 0;
}

/* Its parts, which lie in the file. */
struct parts {
    const char *types, *strings;
    uint32_t n_types, n_strings; /* bytes */
};

static const struct btf_type *type_at(const struct parts *p, uint64_t at, uint64_t *size)
{
    const struct btf_type *t = (const void *)(p->types + at);

    if (at + sizeof(*t) > p->n_types)
        return NULL;
    *size = type_size(t);
    return *size && *size <= p->n_types - at ? t : NULL;
}

static const struct btf_type *type_of(const struct parts *p, uint32_t id)
{
    const struct btf_type *t = NULL;
    uint64_t size = 0;

    for (uint64_t at = 0; id && (t = type_at(p, at, &size)) != NULL; at += size)
        if (!--id)
            return t;
    return NULL;
}

/* Bytes from T's start to its member NAME, or to that of a part of T without a name. */
static bool member_offset(const struct parts *p, const struct btf_type *t, const char *name,
                          unsigned depth, uint32_t *offset)
{
    const struct btf_member *v = btf_members(t);

    for (uint32_t i = 0; i < btf_vlen(t); i++)
        if (v[i].name_off < p->n_strings && !strcmp(p->strings + v[i].name_off, name) &&
            !btf_member_bitfield_size(t, i)) {
            *offset = btf_member_bit_offset(t, i) / 8;
            return true;
        }
    for (uint32_t i = 0; i < btf_vlen(t); i++) {
        const struct btf_type *in = v[i].name_off || !depth ? NULL : type_of(p, v[i].type);

        if (in && btf_is_composite(in) && member_offset(p, in, name, depth - 1, offset)) {
            *offset += btf_member_bit_offset(t, i) / 8;
            return true;
        }
    }
    return false;
}

/* Fills in what is wanted of T, whose name is NAME. Returns how many. */
static unsigned take(struct kernel_member *v, unsigned n, const struct parts *p,
                     const struct btf_type *t, const char *name)
{
    enum { NAMELESS_MAX = 4 };
    unsigned got = 0;

    for (unsigned w = 0; w < n; w++) {
        if (v[w].found || strcmp(v[w].record, name) != 0)
            continue;
        if (!v[w].member)
            *v[w].value = t->size;
        v[w].found = !v[w].member || member_offset(p, t, v[w].member, NAMELESS_MAX, v[w].value);
        got += v[w].found;
    }
    return got;
}

/* What is looked for: members, or types by kind and name. */
struct wanted {
    struct kernel_member *members;
    struct kernel_id *ids;
    unsigned left;
    unsigned n_members, n_ids;
};

static void take_id(struct wanted *w, const struct btf_type *t, uint32_t id, const char *name)
{
    for (unsigned i = 0; i < w->n_ids; i++)
        if (!*w->ids[i].value && btf_kind(t) == w->ids[i].kind && !strcmp(w->ids[i].name, name)) {
            *w->ids[i].value = id;
            w->left--;
        }
}

static bool types_find(const struct types *f, struct wanted *w)
{
    const struct btf_header *h = (const void *)f->file;
    uint32_t id = 0;

    if (f->size < sizeof(*h) || h->magic != BTF_MAGIC || h->hdr_len > f->size)
        return false;
    uint64_t room = f->size - h->hdr_len, size = 0;
    const char *start = f->file + h->hdr_len;
    const struct parts p = {start + h->type_off, start + h->str_off, h->type_len, h->str_len};
    const struct btf_type *t;

    if ((uint64_t)h->type_off + h->type_len > room || (uint64_t)h->str_off + h->str_len > room ||
        !h->str_len || p.strings[h->str_len - 1])
        return false;
    for (uint64_t at = 0; w->left && (t = type_at(&p, at, &size)) != NULL; at += size) {
        id++;
        if (t->name_off >= p.n_strings)
            continue;
        take_id(w, t, id, p.strings + t->name_off);
        if (btf_kind(t) == BTF_KIND_STRUCT)
            w->left -= take(w->members, w->n_members, &p, t, p.strings + t->name_off);
    }
    return w->left == 0;
}

static bool find(struct wanted *w)
{
    struct types t;
    bool ok = types_open(&t) && types_find(&t, w);

    types_close(&t);
    return ok;
}

bool kernel_members(struct kernel_member *v, unsigned n)
{
    return find(&(struct wanted){.members = v, .n_members = n, .left = n});
}

bool kernel_ids(struct kernel_id *v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        *v[i].value = 0;
    return find(&(struct wanted){.ids = v, .n_ids = n, .left = n});
}

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

/* Fills in what is wanted of T, whose name is NAME; STRINGS has LEN bytes. Returns how many. */
static unsigned take(struct kernel_member *v, unsigned n, const struct btf_type *t,
                     const char *name, const char *strings, uint32_t len)
{
    unsigned got = 0;

    for (unsigned w = 0; w < n; w++) {
        if (v[w].found || strcmp(v[w].record, name) != 0)
            continue;
        if (!v[w].member) {
            *v[w].value = t->size;
            v[w].found = true;
        }
        for (uint32_t i = 0; i < btf_vlen(t) && !v[w].found; i++) {
            uint32_t off = btf_members(t)[i].name_off;

            v[w].found =
                off < len && !strcmp(v[w].member, strings + off) && !btf_member_bitfield_size(t, i);
            if (v[w].found)
                *v[w].value = btf_member_bit_offset(t, i) / 8;
        }
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
    uint64_t room = f->size - h->hdr_len;
    const char *start = f->file + h->hdr_len, *strings = start + h->str_off;

    if ((uint64_t)h->type_off + h->type_len > room || (uint64_t)h->str_off + h->str_len > room ||
        !h->str_len || strings[h->str_len - 1])
        return false;
    for (uint64_t at = 0; w->left && at + sizeof(struct btf_type) <= h->type_len;) {
        const struct btf_type *t = (const void *)(start + h->type_off + at);
        uint64_t size = type_size(t);

        if (!size || size > h->type_len - at)
            return false;
        id++;
        if (t->name_off < h->str_len)
            take_id(w, t, id, strings + t->name_off);
        if (btf_kind(t) == BTF_KIND_STRUCT && t->name_off < h->str_len)
            w->left -=
                take(w->members, w->n_members, t, strings + t->name_off, strings, h->str_len);
        at += size;
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

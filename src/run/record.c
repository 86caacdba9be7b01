/*
 * record: reads a record's parts one after the other. Enters: bytes of any content; leaves: numbers
 * and strings within them.
 */
#include "run/record.h"

#include <string.h>

struct record record_open(const void *data, size_t size, struct ngs_rec *head)
{
    *head = (struct ngs_rec){0};
    if (size < sizeof(*head))
        return (struct record){.bad = true};
    memcpy(head, data, sizeof(*head));
    if (head->size < sizeof(*head) || head->size > size) {
        *head = (struct ngs_rec){0};
        return (struct record){.bad = true};
    }
    return (struct record){(const uint8_t *)data + sizeof(*head), head->size - sizeof(*head),
                           false};
}

int64_t record_long(struct record *in)
{
    int64_t v = 0;

    if (in->left < sizeof(v)) {
        in->bad = true;
        return 0;
    }
    memcpy(&v, in->p, sizeof(v));
    in->p += sizeof(v);
    in->left -= sizeof(v);
    return v;
}

struct str record_str(struct record *in)
{
    struct ngs_str head;
    struct str s = {"", 0};
    size_t size;

    if (in->left < sizeof(head)) {
        in->bad = true;
        return s;
    }
    memcpy(&head, in->p, sizeof(head));
    if (head.len > in->left - sizeof(head)) {
        in->bad = true;
        return s;
    }
    s = (struct str){(const char *)in->p + sizeof(head), head.len};
    size = sizeof(head) + ((head.len + 7u) & ~(size_t)7);
    size = size < in->left ? size : in->left;
    in->p += size;
    in->left -= size;
    return s;
}

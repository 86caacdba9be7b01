/*
 * account: the time that handlers have taken (struct ngs_spent), as user space reads and sets it.
 * Enters: a loaded object; leaves: numbers of a probe, by CPU. Refused: a map that is not as the
 * object's header says.
 */
#include "load/session.h"

#include <bpf/bpf.h>

#include "base/arena.h"

bool account_read(const struct session *s, uint32_t probe)
{
    return !bpf_map_lookup_elem(s->overload.map, &probe, s->overload.values);
}

void account_write(const struct session *s, uint32_t probe)
{
    bpf_map_update_elem(s->overload.map, &probe, s->overload.values, BPF_ANY);
}

void account_cost(const struct session *s, const struct obj_probe *p, uint32_t ns)
{
    const struct overload *o = &s->overload;
    uint32_t probe = (uint32_t)(p - s->o->probes);

    if (o->map < 0 || !account_read(s, probe))
        return;
    for (uint32_t i = 0; i < o->cpus; i++)
        o->values[i].cost = ns;
    account_write(s, probe);
}

bool account_open(struct session *s)
{
    struct overload *o = &s->overload;
    const struct bpf_map *m = s->obj ? bpf_object__find_map_by_name(s->obj, NGS_MAP_SPENT) : NULL;
    int cpus = libbpf_num_possible_cpus();
    uint32_t n = s->o->h->table[OBJ_PROBES].n;

    if (!s->o->h->overload || !m)
        return true;
    if (bpf_map__type(m) != BPF_MAP_TYPE_PERCPU_ARRAY || cpus < 1 ||
        bpf_map__value_size(m) != sizeof(struct ngs_spent) || bpf_map__max_entries(m) != n + 1)
        return object_damaged(s->cx, "accounts of another size");
    o->map = bpf_map__fd(m);
    o->cpus = (uint32_t)cpus;
    o->values = ARENA_ARRAY(s->cx->arena, struct ngs_spent, o->cpus);
    for (uint32_t i = 0; i < n; i++)
        account_cost(s, &s->o->probes[i], attach_kind(s->o->probes[i].kind)->cost);
    return true;
}

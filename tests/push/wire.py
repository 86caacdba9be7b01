"""
Messages of Protocol Buffers, by tables that were written from the published .proto files alone:
opentelemetry-proto 1.11.0 (profiles/v1development/profiles.proto, common, resource) and pprof's
profile.proto. "wire.py FILE" prints a gzipped file of either kind as text; "wire.py --folded FILE"
its stacks as folded lines; others import it.

A row: number: (name, kind, repeated), kind a scalar or the name of a message. A field that a table
does not have is an error, and so is a field of another wire type.
"""
import gzip
import struct
import sys

SCALARS = {"int32": 0, "int64": 0, "uint32": 0, "uint64": 0, "bool": 0,
           "fixed64": 1, "double": 1, "string": 2, "bytes": 2}

OTLP = {
    "Request": {1: ("resource_profiles", "ResourceProfiles", True),
                2: ("dictionary", "Dictionary", False)},
    "Dictionary": {1: ("mapping_table", "Mapping", True), 2: ("location_table", "Location", True),
                   3: ("function_table", "Function", True), 4: ("link_table", "Link", True),
                   5: ("string_table", "string", True), 6: ("attribute_table", "Attribute", True),
                   7: ("stack_table", "Stack", True)},
    "ResourceProfiles": {1: ("resource", "Resource", False),
                         2: ("scope_profiles", "ScopeProfiles", True),
                         3: ("schema_url", "string", False)},
    "Resource": {1: ("attributes", "KeyValue", True),
                 2: ("dropped_attributes_count", "uint32", False)},
    "ScopeProfiles": {1: ("scope", "Scope", False), 2: ("profiles", "Profile", True),
                      3: ("schema_url", "string", False)},
    "Scope": {1: ("name", "string", False), 2: ("version", "string", False),
              3: ("attributes", "KeyValue", True),
              4: ("dropped_attributes_count", "uint32", False)},
    "Profile": {1: ("sample_type", "ValueType", False), 2: ("samples", "Sample", True),
                3: ("time_unix_nano", "fixed64", False), 4: ("duration_nano", "uint64", False),
                5: ("period_type", "ValueType", False), 6: ("period", "int64", False),
                7: ("profile_id", "bytes", False),
                8: ("dropped_attributes_count", "uint32", False),
                9: ("original_payload_format", "string", False),
                10: ("original_payload", "bytes", False),
                11: ("attribute_indices", "int32", True)},
    "ValueType": {1: ("type_strindex", "int32", False), 2: ("unit_strindex", "int32", False)},
    "Sample": {1: ("stack_index", "int32", False), 2: ("attribute_indices", "int32", True),
               3: ("link_index", "int32", False), 4: ("values", "int64", True),
               5: ("timestamps_unix_nano", "fixed64", True)},
    "Mapping": {1: ("memory_start", "uint64", False), 2: ("memory_limit", "uint64", False),
                3: ("file_offset", "uint64", False), 4: ("filename_strindex", "int32", False),
                5: ("attribute_indices", "int32", True)},
    "Stack": {1: ("location_indices", "int32", True)},
    "Location": {1: ("mapping_index", "int32", False), 2: ("address", "uint64", False),
                 3: ("lines", "Line", True), 4: ("attribute_indices", "int32", True)},
    "Line": {1: ("function_index", "int32", False), 2: ("line", "int64", False),
             3: ("column", "int64", False)},
    "Function": {1: ("name_strindex", "int32", False), 2: ("system_name_strindex", "int32", False),
                 3: ("filename_strindex", "int32", False), 4: ("start_line", "int64", False)},
    "Link": {1: ("trace_id", "bytes", False), 2: ("span_id", "bytes", False)},
    "Attribute": {1: ("key_strindex", "int32", False), 2: ("value", "AnyValue", False),
                  3: ("unit_strindex", "int32", False)},
    "KeyValue": {1: ("key", "string", False), 2: ("value", "AnyValue", False),
                 3: ("key_strindex", "int32", False)},
    "AnyValue": {1: ("string_value", "string", False), 2: ("bool_value", "bool", False),
                 3: ("int_value", "int64", False), 4: ("double_value", "double", False)},
}

PPROF = {
    "Profile": {1: ("sample_type", "ValueType", True), 2: ("sample", "Sample", True),
                3: ("mapping", "Mapping", True), 4: ("location", "Location", True),
                5: ("function", "Function", True), 6: ("string_table", "string", True),
                7: ("drop_frames", "int64", False), 8: ("keep_frames", "int64", False),
                9: ("time_nanos", "int64", False), 10: ("duration_nanos", "int64", False),
                11: ("period_type", "ValueType", False), 12: ("period", "int64", False),
                13: ("comment", "int64", True), 14: ("default_sample_type", "int64", False)},
    "ValueType": {1: ("type", "int64", False), 2: ("unit", "int64", False)},
    "Sample": {1: ("location_id", "uint64", True), 2: ("value", "int64", True),
               3: ("label", "Label", True)},
    "Label": {1: ("key", "int64", False), 2: ("str", "int64", False), 3: ("num", "int64", False),
              4: ("num_unit", "int64", False)},
    "Mapping": {1: ("id", "uint64", False), 2: ("memory_start", "uint64", False),
                3: ("memory_limit", "uint64", False), 4: ("file_offset", "uint64", False),
                5: ("filename", "int64", False), 6: ("build_id", "int64", False),
                7: ("has_functions", "bool", False), 8: ("has_filenames", "bool", False),
                9: ("has_line_numbers", "bool", False), 10: ("has_inline_frames", "bool", False)},
    "Location": {1: ("id", "uint64", False), 2: ("mapping_id", "uint64", False),
                 3: ("address", "uint64", False), 4: ("line", "Line", True),
                 5: ("is_folded", "bool", False)},
    "Line": {1: ("function_id", "uint64", False), 2: ("line", "int64", False),
             3: ("column", "int64", False)},
    "Function": {1: ("id", "uint64", False), 2: ("name", "int64", False),
                 3: ("system_name", "int64", False), 4: ("filename", "int64", False),
                 5: ("start_line", "int64", False)},
}


class Wrong(Exception):
    """What was sent is not by the published format."""


def need(condition, what):
    if not condition:
        raise Wrong(what)


def varint(data, at):
    value = shift = 0
    while True:
        need(at < len(data) and shift < 70, "a number that does not end")
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value & (1 << 64) - 1, at


def scalar(kind, value):
    if kind == "string":
        return value.decode("utf-8")
    if kind == "double":
        return struct.unpack("<d", struct.pack("<Q", value))[0]
    if kind in ("int32", "int64") and value >= 1 << 63:
        return value - (1 << 64)
    need(kind not in ("int32", "uint32") or value < 1 << 32, f"{value} in {kind}")
    return value


def decode(tables, message, data):
    table, at = tables[message], 0
    out = {name: [] if repeated else None for name, _, repeated in table.values()}
    while at < len(data):
        key, at = varint(data, at)
        number, wire = key >> 3, key & 7
        need(number in table, f"{message} has no field {number}")
        name, kind, repeated = table[number]
        if wire == 0:
            value, at = varint(data, at)
        elif wire == 1:
            value, at = int.from_bytes(data[at:at + 8], "little"), at + 8
        else:
            need(wire == 2, f"{message}.{name} has wire type {wire}")
            n, at = varint(data, at)
            value, at = data[at:at + n], at + n
            need(len(value) == n, f"{message}.{name} is cut off")
        need(at <= len(data), f"{message}.{name} is cut off")
        if wire == 2 and kind in SCALARS and SCALARS[kind] != 2:
            need(repeated, f"{message}.{name} is packed, and one number")
            values, inner = [], 0
            while inner < len(value):
                if SCALARS[kind] == 1:
                    one, inner = int.from_bytes(value[inner:inner + 8], "little"), inner + 8
                else:
                    one, inner = varint(value, inner)
                values.append(scalar(kind, one))
            out[name] += values
            continue
        need(wire == SCALARS.get(kind, 2), f"{message}.{name} has wire type {wire}")
        value = scalar(kind, value) if kind in SCALARS else decode(tables, kind, value)
        if repeated:
            out[name].append(value)
        else:
            out[name] = value
    return out


def otlp(data):
    return decode(OTLP, "Request", gzip.decompress(data))


def attributes(d, indices):
    """KEY: VALUE of entries of the attribute table; each key once, none of them entry 0."""
    out = {}
    for i in indices:
        need(0 < i < len(d["attribute_table"]), "an attribute that is not there")
        a = d["attribute_table"][i]
        key = d["string_table"][a["key_strindex"] or 0]
        need(key and key not in out, f"attribute {key!r} twice, or without a name")
        values = [v for v in a["value"].values() if v is not None]
        need(len(values) == 1, f"attribute {key} without a value")
        out[key] = values[0]
    return out


def check_dictionary(d):
    """What the comments in profiles.proto ask of the tables."""
    for name, table in d.items():
        need(table, f"{name} is empty")
        zero = table[0]
        if name == "string_table":
            need(zero == "", "string 0 is not empty")
        elif name == "link_table":
            need(zero == {"trace_id": bytes(16), "span_id": bytes(8)}, "link 0")
        else:
            need(not any(zero.values()), f"entry 0 of {name} is not the zero value")
        seen = [repr(entry) for entry in table]
        need(len(set(seen)) == len(seen), f"{name} holds an entry twice")

    def string(i, what):
        need(0 <= (i or 0) < len(d["string_table"]), f"{what}: a string that is not there")
        return d["string_table"][i or 0]

    used = {name: {0} for name in d}
    for a in d["attribute_table"][1:]:
        string(a["key_strindex"], "an attribute")
        string(a["unit_strindex"], "an attribute")
    for m in d["mapping_table"][1:]:
        need(string(m["filename_strindex"], "a mapping"), "a mapping without a file")
        need((m["memory_limit"] or 0) >= (m["memory_start"] or 0), "a mapping that ends early")
        attributes(d, m["attribute_indices"])
    for f in d["function_table"][1:]:
        need(string(f["name_strindex"], "a function"), "a function without a name")
        string(f["system_name_strindex"], "a function")
        string(f["filename_strindex"], "a function")
    for loc in d["location_table"][1:]:
        need(0 <= (loc["mapping_index"] or 0) < len(d["mapping_table"]), "no such mapping")
        used["mapping_table"].add(loc["mapping_index"] or 0)
        need(len(loc["lines"]) == 1, "a location of several lines")
        for line in loc["lines"]:
            need(0 < line["function_index"] < len(d["function_table"]), "no such function")
            used["function_table"].add(line["function_index"])
        kind = attributes(d, loc["attribute_indices"])
        need(kind.get("profile.frame.type") in ("luajit", "native", "kernel", None), "frame type")
    for stack in d["stack_table"][1:]:
        need(stack["location_indices"], "an empty stack")
        for i in stack["location_indices"]:
            need(0 < i < len(d["location_table"]), "no such location")
            used["location_table"].add(i)
    for name in ("function_table", "location_table"):
        need(len(used[name]) == len(d[name]), f"{name} holds what nobody refers to")


def otlp_stacks(request):
    """Checks all; [(names, outermost first), value] of the one profile, the resource, the rest."""
    need(len(request["resource_profiles"]) == 1, "one resource")
    resource = request["resource_profiles"][0]
    d = request["dictionary"]
    check_dictionary(d)
    need(len(resource["scope_profiles"]) == 1, "one scope")
    scope = resource["scope_profiles"][0]
    need(scope["scope"]["name"] == "ngstap" and len(scope["profiles"]) == 1, "one of ngstap")
    profile = scope["profiles"][0]
    need(len(profile["profile_id"]) == 16 and any(profile["profile_id"]), "an id")
    strings, stacks, seen = d["string_table"], [], set()
    for sample in profile["samples"]:
        need(0 < sample["stack_index"] < len(d["stack_table"]), "no such stack")
        need(len(sample["values"]) == 1 and sample["values"][0] >= 0, "one value a sample")
        need(sample["stack_index"] not in seen, "a stack in two samples")
        seen.add(sample["stack_index"])
        names = []
        for i in d["stack_table"][sample["stack_index"]]["location_indices"]:
            line = d["location_table"][i]["lines"][0]
            names.append(strings[d["function_table"][line["function_index"]]["name_strindex"]])
        stacks.append((names[::-1], sample["values"][0]))
    need(len(seen) == len(d["stack_table"]) - 1, "a stack in no sample")
    facts = {}
    for kv in resource["resource"]["attributes"]:
        need(kv["key"] and kv["key"] not in facts, f"attribute {kv['key']!r} twice")
        values = [v for v in kv["value"].values() if v is not None]
        need(len(values) == 1, f"attribute {kv['key']} without one value")
        facts[kv["key"]] = values[0]
    return stacks, facts, profile


def value_type(strings, t):
    return "/".join(strings[t[k] or 0] for k in t) if t else ""


def pprof(data):
    p = decode(PPROF, "Profile", gzip.decompress(data))
    need(p["string_table"][0] == "", "string 0 is not empty")
    return p


def pprof_stacks(p):
    """[(names, outermost first), first value]."""
    location = {loc["id"]: loc for loc in p["location"]}
    function = {f["id"]: f for f in p["function"]}
    need(len(location) == len(p["location"]) and len(function) == len(p["function"]), "an id twice")
    stacks = []
    for s in p["sample"]:
        need(len(s["value"]) == len(p["sample_type"]), "a value for each type")
        names = [p["string_table"][function[location[i]["line"][0]["function_id"]]["name"]]
                 for i in s["location_id"]]
        stacks.append((names[::-1], s["value"][0]))
    return stacks


def dump(value, strings, indent=0):
    """A message as text, what refers to strings with them."""
    for name, v in value.items():
        for one in v if isinstance(v, list) else [v]:
            if one is None:
                continue
            if isinstance(one, dict):
                print("  " * indent + name + " {")
                dump(one, strings, indent + 1)
                print("  " * indent + "}")
            elif name.endswith("strindex"):
                print("  " * indent + f"{name}: {one} {strings[one]!r}")
            else:
                print("  " * indent + f"{name}: {one!r}")


def main():
    path = sys.argv[-1]
    with open(path, "rb") as f:
        data = f.read()
    if "--folded" in sys.argv:
        is_pprof = path.endswith(".pb.gz")
        for names, value in pprof_stacks(pprof(data)) if is_pprof else otlp_stacks(otlp(data))[0]:
            print(";".join(names).replace("\n", " "), value)
    elif path.endswith(".pb.gz"):
        p = pprof(data)
        dump(p, p["string_table"])
    else:
        request = otlp(data)
        otlp_stacks(request)
        dump(request, request["dictionary"]["string_table"])


if __name__ == "__main__":
    main()

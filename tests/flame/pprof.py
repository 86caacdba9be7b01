#!/usr/bin/env python3
"""Asks a pprof file, read by proto/profile.proto:
FILE MODULE BUILD-ID FUNCTION SOURCE LINE UNIT [TOTAL]."""
import gzip
import sys


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(data):
    at, out = 0, {}
    while at < len(data):
        key, at = varint(data, at)
        value, at = varint(data, at)
        if key & 7 == 2:
            value, at = data[at:at + value], at + value
        out.setdefault(key >> 3, []).append(value)
    return out


def packed(data):
    at, out = 0, []
    while at < len(data):
        value, at = varint(data, at)
        out.append(value)
    return out


path, module, build_id, function, source, line, counted, *total = sys.argv[1:]
profile = fields(gzip.open(path).read())
text = [s.decode() for s in profile[6]]
one = lambda message, field: message.get(field, [0])[0]
unit = fields(profile[1][0])
assert text[one(unit, 2)] == counted, unit
mappings = {one(m, 1): m for m in map(fields, profile[3])}
functions = {one(f, 1): f for f in map(fields, profile[5])}
locations = {one(x, 1): x for x in map(fields, profile[4])}
found = 0
for sample in map(fields, profile[2]):
    for location in packed(sample[1][0]):
        place = locations[location]
        said = fields(place[4][0])
        if text[one(functions[one(said, 1)], 2)] != function:
            continue
        mapping = mappings[one(place, 2)]
        assert text[one(mapping, 5)] == module, text[one(mapping, 5)]
        assert text[one(mapping, 6)] == build_id, text[one(mapping, 6)]
        assert one(mapping, 2) <= one(place, 3) < one(mapping, 3), place
        assert one(said, 2) == int(line), said
        assert text[one(functions[one(said, 1)], 4)].endswith(source)
        found += packed(sample[2][0])[0]
assert found == int(total[0]) if total else found, found

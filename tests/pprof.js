// Reads a profile.proto with npm's pprof-format: pprof.js MODULE FILE. Prints what tests/pprof.sh
// compares: a line "outermost;...;innermost COUNT CODE" for each sample, then "total TYPE UNIT SUM"
// for each type of value, "period N", "seconds N". A reference to what is not there ends it.
"use strict";
const fs = require("fs");
const zlib = require("zlib");
const { Profile } = require(process.argv[2]);

const p = Profile.decode(zlib.gunzipSync(fs.readFileSync(process.argv[3])));

function find(of, key, what) {
    if (!of.has(key)) {
        throw new Error(`no ${what} ${key}`);
    }
    return of.get(key);
}

const strings = new Map(p.stringTable.strings.map((s, i) => [i, s]));
const string = (i) => find(strings, Number(i), "string");
const functions = new Map(p.function.map((f) => [Number(f.id), f]));
const locations = new Map(p.location.map((l) => [Number(l.id), l]));

function frame(id) {
    const lines = find(locations, Number(id), "location").line;
    if (lines.length !== 1) {
        throw new Error(`location ${id} has ${lines.length} lines`);
    }
    const f = find(functions, Number(lines[0].functionId), "function");
    const name = string(f.name), file = string(f.filename);
    if (name[0] === "@" && name !== `@${file}:${f.startLine}`) {
        throw new Error(`${name} is not ${file}:${f.startLine}`);
    }
    return name.replaceAll(";", ":"); // as the folded form has it
}

if (string(0) !== "") {
    throw new Error("the first string is not empty");
}
const totals = p.sampleType.map(() => 0n);
for (const s of p.sample) {
    if (s.value.length !== totals.length) {
        throw new Error(`${s.value.length} values of ${totals.length} types`);
    }
    s.value.forEach((v, i) => { totals[i] += BigInt(v); });
    const code = s.label.filter((l) => string(l.key) === "code").map((l) => string(l.str));
    console.log(`${s.locationId.map(frame).reverse().join(";")} ${s.value[0]} ${code.join()}`);
}
p.sampleType.forEach((t, i) =>
  console.log(`total ${string(t.type)} ${string(t.unit)} ${totals[i]}`));
console.log(`period ${p.period}`);
console.log(`seconds ${Math.round(Number(p.durationNanos) / 1e9)}`);

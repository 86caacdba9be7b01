#!/bin/bash
# shellcheck disable=SC2317 # check calls functions
#
# What the agent is installed with: the unit is as hardened as is promised, and holds what a profile
# takes; the manifest has no field that Kubernetes does not know, and asks for no more.
#
# Needs systemd-analyze and kubectl; skips what it lacks. Prints TAP.
set -uo pipefail
source "${BASH_SOURCE[0]%/*}/tap.sh"

# ---- the unit

unit=$scratch/ngstap-agent.service
sed "s|@bindir@|/bin|; s|@sysconfdir@|/etc|; s|^ExecStart=/bin/ngstap|ExecStart=/bin/true|" \
    systemd/ngstap-agent.service.in >"$unit"
filled() { ! grep -q '@[a-z]*dir@' "$unit"; }
check 'the unit names its folders' filled
exposure() { # BELOW
    systemd-analyze security --offline=true --no-pager --threshold="$1" "$unit" >"$scratch/out" \
        2>"$scratch/err"
}
verified() {
    systemd-analyze verify --man=no "$unit" >"$scratch/out" 2>"$scratch/err" &&
        ! grep -F "${unit##*/}" "$scratch/err"
}
if systemd-analyze security --help 2>/dev/null | grep -q -- --offline; then
    check 'systemd knows all that it says' verified
    check 'its exposure is below 4.0' exposure 39
    sed -i '/^\(Protect\|Private\|Restrict\|SystemCall\|Capability\)/d' "$unit"
    check '... which is the unit'\''s doing' eval '! exposure 39'
else
    skip 'its exposure' 'no systemd-analyze with --offline'
fi

# ---- the manifest

# kubectl reads the manifest into its own types, without a server: what it does not know is lost.
known() {
    kubectl annotate --local -f deploy/daemonset.yaml ngstap=test -o json >"$scratch/out" \
        2>"$scratch/err" &&
        python3 - deploy/daemonset.yaml "$scratch/out" 2>>"$scratch/err" <<'PYTHON'
import json
import sys

import yaml


def lacks(want, have, path):
    if isinstance(want, dict):
        return [x for k, v in want.items() for x in
                (lacks(v, have[k], f"{path}.{k}") if isinstance(have, dict) and k in have
                 else [f"{path}.{k}"])]
    if isinstance(want, list):
        if not isinstance(have, list) or len(have) != len(want):
            return [path]
        return [x for i, v in enumerate(want) for x in lacks(v, have[i], f"{path}[{i}]")]
    return [] if str(want) == str(have) else [f"{path} is {have}, not {want}"]


wants = list(yaml.safe_load_all(open(sys.argv[1])))
decoder, text, haves = json.JSONDecoder(), open(sys.argv[2]).read().strip(), []
while text:
    one, end = decoder.raw_decode(text)
    haves += one.get("items", [one])
    text = text[end:].strip()
assert len(wants) == len(haves), (len(wants), len(haves))
bad = [x for w, h in zip(wants, haves) for x in lacks(w, h, w["kind"])]
assert not bad, bad
PYTHON
}
# The agent's own opinion of what the manifest gives it.
configured() {
    python3 - >"$scratch/conf" <<'PYTHON' &&
import yaml
for one in yaml.safe_load_all(open("deploy/daemonset.yaml")):
    if one["kind"] == "ConfigMap":
        print(one["data"]["agent.conf"])
PYTHON
        run_once agent -f "$scratch/conf" --check
}
asks_for_little() {
    python3 - <<'PYTHON'
import yaml
for one in yaml.safe_load_all(open("deploy/daemonset.yaml")):
    if one["kind"] != "DaemonSet":
        continue
    spec = one["spec"]["template"]["spec"]
    for c in spec["containers"]:
        s = c["securityContext"]
        assert s["capabilities"] == {"drop": ["ALL"], "add": [
            "BPF", "PERFMON", "SYS_PTRACE", "DAC_READ_SEARCH", "SYSLOG"]}
        assert not s["allowPrivilegeEscalation"] and s["readOnlyRootFilesystem"]
        assert not s.get("privileged")
    assert spec["hostPID"] and not spec.get("hostNetwork")
    assert not spec["automountServiceAccountToken"]
PYTHON
}
python3 -c 'import yaml' 2>/dev/null || {
    skip 'the manifest' 'no python3-yaml'
    finish
}
check 'the manifest'\''s configuration is sound' configured
check 'it asks for no more than a profile takes' asks_for_little
if command -v kubectl >/dev/null; then
    check 'Kubernetes knows each of its fields' known
else
    skip 'Kubernetes knows each of its fields' 'no kubectl'
fi
finish

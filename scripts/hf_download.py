"""Fetch named files of one revision of a HuggingFace repository, and no other.

    hf_download.py --name NAME --revision REVISION --files JSON_LIST --out DIR

Speaks embedgate's line protocol on stdout. Nothing that is fetched is read
here: embedgate compares digests before anything opens a file. Exit codes: 0
all files are there, 2 the repository has no such file, 4 the hub could not be
reached.
"""

import argparse
import json
import os
import shutil
import sys

# Libraries print where they like; stdout is the protocol's alone.
protocol = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
os.dup2(2, 1)


def say(**event):
    print(json.dumps(event), file=protocol, flush=True)


def fail(code: int, what: str, why: Exception) -> int:
    reason = " ".join(str(why).split())[:400] or type(why).__name__
    following = "check the name, the revision and model.files in the policy" if code == 2 else "check network and proxy, HF_TOKEN and HF_ENDPOINT"
    print(f"error: {what}: {reason}; next: {following}", file=sys.stderr)
    return code


def main() -> int:
    ap = argparse.ArgumentParser()
    ap.add_argument("--name", required=True)
    ap.add_argument("--revision", required=True)
    ap.add_argument("--files", required=True, help="a JSON list of paths")
    ap.add_argument("--out", required=True)
    a = ap.parse_args()
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

    files = json.loads(a.files)
    cache = os.path.join(a.out, ".hub")
    for i, name in enumerate(files):
        say(event="progress", message=f"fetching {name} from the hub", done=i, total=len(files))
        what = f"hf:{a.name}@{a.revision}: {name}"
        try:
            got = hf_hub_download(a.name, name, revision=a.revision, cache_dir=cache)
        except LocalEntryNotFoundError as e:  # also an EntryNotFoundError, but it says that nothing answered
            return fail(4, what, e)
        except (EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as e:
            return fail(2, what, e)
        except Exception as e:  # whatever the network's libraries raise
            return fail(4, what, e)
        to = os.path.join(a.out, *name.split("/"))
        os.makedirs(os.path.dirname(to), exist_ok=True)
        shutil.copyfile(got, to)  # follows the cache's link: a plain file arrives
        os.unlink(os.path.realpath(got))  # the weights are not needed twice
    shutil.rmtree(cache, ignore_errors=True)
    say(event="manifest", files=files)
    return 0


if __name__ == "__main__":
    sys.exit(main())

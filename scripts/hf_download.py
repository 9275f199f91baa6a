#!/usr/bin/env python3
"""Fetch named files of one revision of a HuggingFace repository, and no other.

Speaks embedgate's line protocol on stdout. Nothing that is fetched is read
here: embedgate compares digests before anything opens a file.
"""

import argparse
import json
import os
import shutil
import sys


def say(**event):
    print(json.dumps(event), file=protocol, flush=True)


# Libraries print where they like; stdout is the protocol's alone.
protocol = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


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
    from huggingface_hub.errors import HfHubHTTPError

    files = json.loads(a.files)
    cache = os.path.join(a.out, ".hub")
    for i, name in enumerate(files):
        say(event="progress", message=f"fetching {name}", done=i, total=len(files))
        try:
            got = hf_hub_download(a.name, name, revision=a.revision, cache_dir=cache)
        except (HfHubHTTPError, OSError) as e:
            print(f"error: hf:{a.name}@{a.revision}: {name}: {str(e).splitlines()[0] if str(e) else type(e).__name__}; "
                  "next: check the name, the revision, the network and HF_TOKEN", file=sys.stderr)
            return 2
        to = os.path.join(a.out, *name.split("/"))
        os.makedirs(os.path.dirname(to), exist_ok=True)
        shutil.copyfile(got, to)  # follows the cache's link: a plain file arrives
    shutil.rmtree(cache, ignore_errors=True)
    say(event="manifest", files=files)
    return 0


if __name__ == "__main__":
    sys.exit(main())

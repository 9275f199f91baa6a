"""Fetch named files of one revision of a HuggingFace repository, and no other.

    hf_download.py --name NAME --revision REVISION --files JSON_LIST --out DIR

Needs Python's standard library alone. HF_ENDPOINT, HF_TOKEN and its file, and
the usual variables for proxies and certificates are honoured.

Speaks embedgate's line protocol on stdout. Nothing that is fetched is read
here: embedgate compares digests before anything opens a file. Exit codes: 0
all files are there, 2 the repository has no such file, 4 the hub could not be
reached.
"""

import argparse
import json
import os
import shutil
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

# Libraries may print to stdout, which is for the protocol only.
protocol = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
os.dup2(2, 1)

TIMEOUT = 60  # seconds without a byte
TRIES = 4


def say(**event):
    print(json.dumps(event), file=protocol, flush=True)


def fail(code: int, what: str, why: object) -> int:
    reason = " ".join(str(why).split())[:400] or type(why).__name__
    following = "check the name, the revision and model.files in the policy" if code == 2 else "check network and proxy, HF_TOKEN and HF_ENDPOINT"
    print(f"error: {what}: {reason}; next: {following}", file=sys.stderr)
    return code


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to the storage behind the hub, and does not send the user's token there."""

    def redirect_request(self, request, *rest):
        to = super().redirect_request(request, *rest)
        if to is not None and _origin(to.full_url) != _origin(request.full_url):
            to.remove_header("Authorization")
        return to


def _origin(url: str) -> tuple:
    u = urllib.parse.urlsplit(url)
    return u.scheme, u.hostname, u.port


def _opener():
    context = ssl.create_default_context()
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # what the hub's own client takes
        if os.environ.get(name):
            context.load_verify_locations(os.environ[name])
            break
    return urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _Redirects)


def _token() -> str:
    home = os.environ.get("HF_HOME") or os.path.join(os.path.expanduser("~"), ".cache", "huggingface")
    token = os.environ.get("HF_TOKEN", "")
    if not token:
        try:
            with open(os.environ.get("HF_TOKEN_PATH") or os.path.join(home, "token"), encoding="utf-8") as f:
                token = f.read()
        except OSError:
            return ""
    return token.strip()


def _fetch(opener, url: str, token: str, to: str) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "embedgate"})
    if token:
        request.add_header("Authorization", "Bearer " + token)
    with opener.open(request, timeout=TIMEOUT) as answer, open(to, "wb") as f:
        shutil.copyfileobj(answer, f, 1 << 20)
        length = answer.headers.get("Content-Length")
        if length is not None and f.tell() != int(length):
            raise ConnectionError(f"got {f.tell()} bytes of {length}")


def main() -> int:
    ap = argparse.ArgumentParser()
    ap.add_argument("--name", required=True)
    ap.add_argument("--revision", required=True)
    ap.add_argument("--files", required=True, help="a JSON list of paths")
    ap.add_argument("--out", required=True)
    a = ap.parse_args()
    base = f"{(os.environ.get('HF_ENDPOINT') or 'https://huggingface.co').rstrip('/')}/{a.name}/resolve/{a.revision}/"
    if urllib.parse.urlsplit(base).scheme not in ("http", "https"):
        return fail(2, "HF_ENDPOINT", f"got {base.split(':')[0]!r}, wanted an address that begins with https")
    files = json.loads(a.files)
    try:
        opener, token = _opener(), _token()
    except (OSError, ValueError) as e:
        return fail(4, "the certificates", e)
    for i, name in enumerate(files):
        say(event="progress", message=f"fetching {name} from the hub", done=i, total=len(files))
        what = f"hf:{a.name}@{a.revision}: {name}"
        to = os.path.join(a.out, *name.split("/"))
        os.makedirs(os.path.dirname(to), exist_ok=True)
        for left in reversed(range(TRIES)):
            try:
                _fetch(opener, base + urllib.parse.quote(name), token, to)
                break
            except urllib.error.HTTPError as e:
                if e.code in (401, 403):
                    return fail(4, what, f"the hub answered {e.code} ({e.headers.get('X-Error-Message') or e.reason}): it has no such model, or wants a token that may read it")
                if e.code in (400, 404, 410):
                    return fail(2, what, f"the hub answered {e.code} ({e.headers.get('X-Error-Message') or e.headers.get('X-Error-Code') or e.reason})")
                why = e
            except Exception as e:  # whatever the network raises
                why = e
            if not left:
                return fail(4, what, why)
            time.sleep(TRIES - left)
    say(event="manifest", files=files)
    return 0


if __name__ == "__main__":
    sys.exit(main())

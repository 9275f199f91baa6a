#!/bin/sh
# Measures directml on this machine, without network, Go or Python. The evidence is
# then in the folder evidence, beside this file: bring it back and judge it.
set -eu
cd "$(dirname "$0")"
here=$PWD
export DYLD_LIBRARY_PATH="$here/lib/directml${DYLD_LIBRARY_PATH:+:$DYLD_LIBRARY_PATH}"
export EMBEDGATE_CPU_LIB="$here/lib/cpu/onnxruntime.dll"
export EMBEDGATE_DIRECTML_LIB="$here/lib/directml/onnxruntime.dll"
export EMBEDGATE_ORT_LIB="$here/lib/directml/onnxruntime.dll" XDG_CACHE_HOME="$here/cache"
"$here/embedgate" measure --policy policy/policy.yaml --candidate candidate --provider directml --variant fp32 --out evidence/directml-fp32 --nonce n-1
"$here/embedgate" measure --policy policy/policy.yaml --candidate candidate --provider directml --variant fp16 --out evidence/directml-fp16 --nonce n-1
echo "bring back $here/evidence" >&2

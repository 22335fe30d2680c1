# launch PACKAGE ENTRY ARGS…: replaces this shell by the pinned Node running a package's entry point.
# options: further ones for Node.
# Runs dist/ENTRY.js where that is built and no source is newer, else src/ENTRY.ts (Node strips the types).
launch() {
  package=$1 entry=$2
  shift 2
  root=$(readlink -f "$here/../../..")
  node="$root/node_modules/.bin/node"
  if [ ! -x "$node" ]; then
    echo "taw: the pinned Node is missing at $node; run 'npm ci' in $root" >&2
    exit 1
  fi
  built="$root/packages/$package/dist/$entry.js"
  if [ ! -f "$built" ] || [ -n "$(find "$root"/packages/*/src -name '*.ts' ! -name '*.test.ts' -newer "$built" -print -quit)" ]; then
    built="$root/packages/$package/src/$entry.ts"
  fi
  exec "$node" --disable-warning=ExperimentalWarning $options "$built" "$@"
}

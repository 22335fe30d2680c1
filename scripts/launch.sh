# launch PACKAGE ENTRY ARGS…: replaces this shell by the pinned Node running a package's entry point. Wants the path of
# the launcher itself, links resolved, in _taw_bin, and further options for Node in _taw_options.
# Runs dist/ENTRY.js where that is built and no source is newer, else src/ENTRY.ts (Node strips the types).
#
# The environment reaches the program as it is, since `taw run` hands it on to a marble. So this uses no variable that
# could be somebody's: one that came from the environment would be exported with the new value.
launch() {
  _taw_root=${_taw_bin%/packages/*}
  _taw_node="$_taw_root/node_modules/.bin/node"
  if [ ! -x "$_taw_node" ]; then
    echo "taw: the pinned Node is missing at $_taw_node; run 'npm ci' in $_taw_root" >&2
    exit 1
  fi
  _taw_entry="$_taw_root/packages/$1/dist/$2.js"
  if [ ! -f "$_taw_entry" ] || [ -n "$(find "$_taw_root"/packages/*/src -name '*.ts' ! -name '*.test.ts' -newer "$_taw_entry" -print -quit)" ]; then
    _taw_entry="$_taw_root/packages/$1/src/$2.ts"
  fi
  shift 2
  set -- "$_taw_node" --disable-warning=ExperimentalWarning $_taw_options "$_taw_entry" "$@"
  _taw_lost=$(lost_variables)
  if [ -n "$_taw_lost" ]; then
    eval "exec /usr/bin/env -- $_taw_lost"' "$@"'
  fi
  exec "$@"
}

# What sh does not pass on by itself, each as one quoted NAME=VALUE: names that are no identifiers (MY-VAR, a.b), which
# dash and busybox drop, and variables of its own that it sets anew. Nothing where there is no /proc.
lost_variables() {
  LC_ALL=C sed -z -n -e '/^[^=][^=]*=/!d' -e '/^\(IFS\|OPTIND\|PPID\)=/!{/^[A-Za-z_][A-Za-z0-9_]*=/d;}' \
    -e "s/'/'\\\\''/g" -e "s/^/'/" -e "s/\$/'/" -e p "/proc/$$/environ" 2>/dev/null | tr '\0' ' '
}

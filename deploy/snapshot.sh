#!/bin/sh
# Prints the totals of every project in the months named, and every invoice, as text that two runs
# of can be compared:
#
#   deploy/snapshot.sh 2026-10 2026-11 > before.txt
#   (Redis is lost) tallyman rebuild
#   deploy/snapshot.sh 2026-10 2026-11 | diff before.txt -  && echo equal
#
# TALLYMAN names the command, where it is not on the path.
set -eu
tallyman=${TALLYMAN:-tallyman}

$tallyman projects list --json
for month in "$@"; do
  $tallyman totals --all --month "$month" --json
done
invoices=$($tallyman invoices list --json)
printf '%s\n' "$invoices"
printf '%s\n' "$invoices" | sed -n 's/^ *"id": "\(.*\)",$/\1/p' | while read -r id; do
  $tallyman invoices show "$id" --json
done

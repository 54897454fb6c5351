#!/bin/sh
# Scan a folder every night and say something only when there is something to say.
#
#   nightly-scan.sh FOLDER RESULTS [--list NAME | --hashes FILE]...
#
# For cron, which mails what is printed:
#   15 2 * * *  /opt/safelight/examples/nightly-scan.sh /srv/uploads /var/log/safelight --list hotline
#
# RESULTS is a folder outside FOLDER. It gets the rows of each night and what the scan had to say,
# both readable by this user only. What is printed holds no file names and no hashes, since mail is
# read by many. The exit code is that of the scan: 0, 1 found, 2 an error or not all checked.
# SAFELIGHT names the command, since cron has a short PATH; without it, that of this repository.
set -eu
umask 077
here=$(cd "$(dirname "$0")/.." && pwd)
safelight=${SAFELIGHT:-$here/.venv/bin/safelight}

[ $# -ge 2 ] || { echo "usage: $0 FOLDER RESULTS [--list NAME | --hashes FILE]..." >&2; exit 2; }
folder=$1
results=$2
shift 2

mkdir -p "$results"
name=$results/$(date -u +%Y-%m-%dT%H%M%SZ)
status=0
"$safelight" scan "$folder" --result "$name.jsonl" "$@" >"$name.txt" 2>&1 || status=$?

case $status in
    0) ;;
    1) echo "The scan of $folder found something. Do not open the files; read $name.txt." ;;
    *) echo "The scan of $folder ended with an error, or not all files could be checked; read $name.txt." ;;
esac
exit "$status"

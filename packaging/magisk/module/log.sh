#!/system/bin/sh
# Writes standard input to NAME.log, line by line, and wakes for nothing else. A file that is full becomes NAME.log.1, so
# that both together hold no more than twice BYTES_MAX and a line. Where nothing can be written, lines are let go:
# whoever speaks must not be held up.
MODDIR=${0%/*}
# shellcheck source-path=SCRIPTDIR source=places.sh
. "$MODDIR/places.sh"
# Lengths in bytes, not in characters.
LC_ALL=C
export LC_ALL

# Bytes of one file: weeks of a quiet daemon. Stops one that speaks without end from filling the flash.
BYTES_MAX=262144

file=$LOG/$1.log
size=0
if [ -f "$file" ]; then
    size=$(($(wc -c <"$file")))
fi
while IFS= read -r line || [ -n "$line" ]; do
    if [ "$size" -ge "$BYTES_MAX" ]; then
        mv -f "$file" "$file.1"
        size=0
    fi
    printf '%s\n' "$line" >>"$file"
    size=$((size + ${#line} + 1))
done 2>/dev/null

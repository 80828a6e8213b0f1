# Pipelines of bash and coreutils.
set -euo pipefail
test "$(seq 1000 | shuf | sort -n | uniq | tail -n 1)" = 1000
test "$(printf 'b a\na b\n' | tr ' ' '\n' | sort | uniq -c | awk '{ print $1 }' | paste -sd,)" = 2,2
mkdir -p tree/{a,b}
for name in tree/{a,b}; do date >"$name/now"; done
test "$(find tree -type f -print0 | xargs -0 -n 1 -P 2 cat | wc -l)" = 2
cp -a tree copy && diff -r tree copy && mv copy moved && ln -s moved link && test -e link/a/now
tar czf tree.tgz tree && tar xzf tree.tgz -C moved && rm -r tree
dd if=/dev/zero bs=64K count=16 status=none | gzip | gunzip | sha256sum | grep -q 30e14955
mkfifo pipe && { echo through >pipe & } && read -r word <pipe && wait && test "$word" = through
tee one two <<<twice >three && cat one two three | split -l 1 - part. && test "$(ls part.* | wc -l)" = 3
timeout 20 nice -n 5 sleep 0.01
truncate -s 1M big && stat -c %s big | grep -q 1048576 && du -s big >size && install -m 700 one seven
mapfile -t lines < <(printf 'x\ny\n') && test "${lines[1]}" = y
trap 'echo caught >signal' USR1 && kill -USR1 $$ && grep -q caught signal
echo 'shell ok'

# A repository from its first commit to its collected garbage.
set -euo pipefail
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_PAGER=cat
git init -q -b main one && cd one
git config user.name Someone && git config user.email someone@example.invalid
for number in 1 2 3; do
  echo "$number" >>file && git add file && git commit -qm "Commit $number"
done
git switch -qc side && echo side >side && git add side && git commit -qm Side
git switch -q main && echo main >main && git add main && git commit -qm Main
git merge -q --no-edit side && git log --oneline --graph | grep -c Commit | grep -qx 3
git diff HEAD~1 --stat | grep -q side && git tag -a v1 -m v1 && git stash list
git branch -d side | grep -q Deleted
git gc -q --prune=now && git fsck --strict && git count-objects -v | grep -q 'packs: 1'
git clone -q . ../two && cd ../two && echo two >two && git add two
git -c user.name=Other -c user.email=other@example.invalid commit -qm Two && git rev-list --count HEAD | grep -qx 7
git archive HEAD | tar t | grep -qx two
echo 'git ok'

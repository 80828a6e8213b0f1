# J02: files that shells, interpreters and tools load by themselves, and a daemon; then, in this job, whether they do.
for home in /work /tmp; do
  for name in .bashrc .profile usercustomize.py sitecustomize.py .npmrc node_modules/x/index.js .config/pip/pip.conf .git/hooks/pre-commit; do
    mkdir -p "$(dirname "$home/$name")"
    echo 'raise SystemExit(99)  # exit 99' > "$home/$name"
  done
done
echo 'exit 99' > /work/.bashrc
setsid sleep 600 &
. ./j02-load.sh

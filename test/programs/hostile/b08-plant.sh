# B08: in a compiler's place: plants links wherever the runner might write next.
for name in main.c data exec stdin main; do
  rm -f "$name"
  ln -s "$TARGET" "$name"
done
exit 1

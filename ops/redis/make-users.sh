#!/bin/sh
# Prints users.acl with those logins switched on for which there is a password: make-users.sh DIRECTORY > FILE
#
# DIRECTORY/redis-NAME holds the password of NAME, in one line. Redis keeps no password but its SHA-256: choose them long and at
# random (openssl rand -hex 32).
set -eu

directory=$1
while read -r word name state rules; do
  secret=$directory/redis-$name
  if [ -e "$secret" ]; then
    password=$(cat "$secret")
    [ -n "$password" ] || { printf '%s is empty\n' "$secret" >&2; exit 1; }
    state="on #$(printf %s "$password" | sha256sum | cut -d' ' -f1)"
  fi
  printf '%s %s %s %s\n' "$word" "$name" "$state" "$rules"
done <"$(dirname "$0")/users.acl"

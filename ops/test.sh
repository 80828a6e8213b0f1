#!/usr/bin/env bash
# Everything that CI checks, on a fresh clone too. `npm test -- unit e2e` runs the named suites only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# What the suite vm boots from belongs to the build: its tests are those that the suite native runs on this machine.
if [[ $# == 0 || " $* " == *' vm '* ]]; then bash ops/bootstrap.sh images; else bash ops/bootstrap.sh; fi
export BULLPEN_TEST_BUILD_SECONDS=$SECONDS
export PATH="$PWD/node_modules/.bin:$PATH"
exec node ops/test.ts "$@"

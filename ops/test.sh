#!/usr/bin/env bash
# Everything that CI checks, on a fresh clone too. `npm test -- unit e2e` runs the named suites only, `npm test -- vm chaos` those
# that are long.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash ops/bootstrap.sh
export BULLPEN_TEST_BUILD_SECONDS=$SECONDS
export PATH="$PWD/node_modules/.bin:$PATH"
exec node ops/test.ts "$@"

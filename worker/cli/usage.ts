/** The command line is wrong; the message says how, and the remedy is `--help`. */
export class UsageError extends Error {
  readonly code = 'usage';
}

export const HELP = `bullpen-worker: runs jobs that nobody trusts yet

  bullpen-worker start [--config FILE] [--mixed]
      Serve a queue until SIGTERM or SIGINT; a second signal stops at once.
      --mixed  serve beside workers that offer something else

  bullpen-worker check [--config FILE] [--json]
      Try every layer and runtime on this host; the remedy for each that fails.

  bullpen-worker run FILE|- [--config FILE] [--containment BACKEND] [--json]
      One job document straight through the sandbox, no Redis.
      --json   exactly one result document on stdout
      Without it: stdout, stderr and exit code are the program's; 128 + n for signal n,
      124 for a limit, 125 for a refusal or a failure of ours (the reason is on stderr).

  bullpen-worker explain FILE|- [--config FILE] [--json]
      What would become of a job (or of a policy that stands alone) on this host: each rule of its effective policy, who
      said it, the operator's ceiling, the layer that enforces it; every reason against it; warnings. Nothing of it is run.
      --json   one document (schemas/explanation.schema.json)

  bullpen-worker tenant list | show NAME | set NAME LIMITS | reset NAME   [--config FILE] [--json]
      Weights and caps of tenants, for the whole queue, while all runs. What is set goes before the configuration's "tenants"
      until it is reset; no worker needs a restart. In place of NAME: --every (each tenant that isn't named), --total (all together).
      LIMITS: --weight N  --max-queued-jobs N|none  --max-queued-bytes N|none  --max-running-jobs N|none (0 stops it)

  --help, --version

The configuration is FILE, or what BULLPEN_CONFIG names, or safe defaults; BULLPEN_REDIS (or BULLPEN_REDIS_FILE),
BULLPEN_QUEUE, BULLPEN_SLOTS, BULLPEN_DRAIN_MS, BULLPEN_LOCK_MS, BULLPEN_STALLED_MS, BULLPEN_RESULT_TTL_MS,
BULLPEN_LOG_LEVEL, BULLPEN_RUN_DIR and BULLPEN_HTTP (HOST:PORT or unix:/PATH) go before the file.
So do, naming files: BULLPEN_REDIS_PASSWORD_FILE, BULLPEN_SIGNING_KEY_FILE (jobs must be signed), BULLPEN_REDIS_CA_FILE,
BULLPEN_REDIS_CERT_FILE, BULLPEN_REDIS_KEY_FILE.
With "http" in it (or BULLPEN_HTTP) start answers /healthz, /readyz and /metrics there; else it listens nowhere. With
OTEL_EXPORTER_OTLP_ENDPOINT it sends traces there.

Examples
  bullpen-worker check
  echo '{"kind":"job","version":1,"runtime":"python","source":"print(6*7)"}' | bullpen-worker run -
  echo '{"limits":{"memoryBytes":1073741824},"syscalls":"compatible"}' | bullpen-worker explain -
  BULLPEN_REDIS=redis://127.0.0.1:6379 bullpen-worker start
  bullpen-worker tenant set acme --weight 3 --max-running-jobs 8

Exit codes: 0 done, 2 wrong usage or configuration, 3 refused (explain: it would be), 4 failed, cancelled or a failing check,
5 tenant: Redis could not be reached, 7 start: what makes sandboxes died for good; start the worker again. Started as root, the worker becomes the
configuration's "user" (default: an id of its own) before it speaks to Redis.
`;

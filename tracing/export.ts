// The switch: spans leave this process only where OTEL_EXPORTER_OTLP_ENDPOINT (or …_TRACES_ENDPOINT) says where to. Until then no SDK
// is loaded. It is an optional peer: producers, which run on older Node too, need none.

import { setTimeout as sleep } from 'node:timers/promises';

/** Most spans that wait for a collector; further ones are dropped, so that a dead collector grows nothing. */
const WAITING_MAX = 2_048;
const EVERY_MS = 1_000;
const EXPORT_MS = 5_000;
/** A collector that doesn't answer holds nobody up for longer at the end. */
const LAST_MS = 500;

/** Tracing is switched on and can't be; the message says what to do. */
export class TracingError extends Error {
  readonly code = 'tracing';
}

/** Ends tracing: what waits is sent, within half a second. */
export type StopTracing = () => Promise<void>;

/**
 * Starts to export spans over OTLP/HTTP when the environment says where to, under `service` unless OTEL_SERVICE_NAME says otherwise.
 * Null when tracing is off. Throws TracingError when the SDK isn't installed or the sampler is none that is known here.
 */
export async function startTracing(service: string, env: NodeJS.ProcessEnv): Promise<StopTracing | null> {
  const isOn = env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] || env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  if (!isOn || env['OTEL_SDK_DISABLED'] === 'true') return null;
  const ratio = readRatio(env);
  const { api, sdk, exporter, resources } = await load();
  const provider = new sdk.TracerProvider({
    resource: resources
      .defaultResource()
      .merge(resources.resourceFromAttributes({ 'service.name': env['OTEL_SERVICE_NAME'] ?? service })),
    sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(ratio) }),
    spanProcessors: [
      new sdk.BatchSpanProcessor({
        exporter: new exporter.OTLPTraceExporter({ timeoutMillis: EXPORT_MS }),
        maxQueueSize: WAITING_MAX,
        scheduledDelayMillis: EVERY_MS,
        exportTimeoutMillis: EXPORT_MS,
      }),
    ],
  });
  api.trace.setGlobalTracerProvider(provider);
  return async () => {
    // A collector that is away is no failure of ours.
    await Promise.race([provider.shutdown().catch(() => undefined), sleep(LAST_MS, undefined, { ref: false })]);
    api.trace.disable();
  };
}

async function load() {
  try {
    const [api, sdk, exporter, resources] = await Promise.all([
      import('@opentelemetry/api'),
      import('@opentelemetry/sdk-trace'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/resources'),
    ]);
    return { api, sdk, exporter, resources };
  } catch (cause) {
    throw new TracingError(
      'tracing is switched on by OTEL_EXPORTER_OTLP_ENDPOINT, but its packages are missing. Remedy: npm install ' +
        '@opentelemetry/api @opentelemetry/sdk-trace @opentelemetry/exporter-trace-otlp-http @opentelemetry/resources, or unset the variable',
      { cause },
    );
  }
}

/** The share of traces that begin here and are kept; a trace that began elsewhere is kept as it was there. */
function readRatio(env: NodeJS.ProcessEnv): number {
  const sampler = env['OTEL_TRACES_SAMPLER'] ?? 'parentbased_always_on';
  if (sampler === 'parentbased_always_on') return 1;
  if (sampler === 'parentbased_always_off') return 0;
  const ratio = Number(env['OTEL_TRACES_SAMPLER_ARG'] ?? '1');
  if (sampler === 'parentbased_traceidratio' && ratio >= 0 && ratio <= 1) return ratio;
  throw new TracingError(
    'OTEL_TRACES_SAMPLER must be parentbased_always_on, parentbased_always_off, or parentbased_traceidratio with ' +
      'OTEL_TRACES_SAMPLER_ARG from 0 to 1',
  );
}

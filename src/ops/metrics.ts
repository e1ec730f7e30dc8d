/**
 * Owns the gauges that are read, not counted: they are set from the same reading as /health whenever somebody scrapes.
 * Refuses to name metrics (telemetry.ts). A site that cannot be read has no samples, since an old number would look like a healthy one.
 * prometheus.io, "Writing exporters"; no label ever holds anything about a person.
 */
import { hostname } from 'node:os';
import { MODES } from '../directory/site-mode.ts';
import type { Telemetry } from '../telemetry.ts';
import type { Picture, Vital } from './health.ts';
import { parkedReasons } from './parked.ts';
import type { OpsSite } from './site-view.ts';
import type { SiteReading } from './snapshot.ts';

export interface MetricsParts {
  telemetry: Telemetry;
  sites: readonly OpsSite[];
  capacity: { durable: boolean; memoryRatio: number };
  vital: Vital;
}

const OF_SITES = [
  'lagSeconds',
  'pending',
  'parked',
  'parkedOldestSeconds',
  'held',
  'siteMode',
  'budgetLimit',
  'budgetUsed',
  'breakerOpen',
  'tokenExpiry',
  'liveTokens',
  'clientExpiry',
] as const;

/** Sets the gauges and writes everything in the text format of Prometheus. */
export async function scrape(parts: MetricsParts, picture: Picture): Promise<string> {
  const { telemetry } = parts;
  const reasons = await Promise.all(parts.sites.map((site) => parkedReasons(site).catch(() => undefined)));
  setProcess(parts, picture);
  for (const gauge of OF_SITES) telemetry[gauge].reset();
  for (const reading of picture.readings) setSite(telemetry, reading);
  parts.sites.forEach(({ key: site }, at) => {
    for (const { reason, count, oldestSeconds } of reasons[at] ?? []) {
      telemetry.parked.set({ site, reason }, count);
      telemetry.parkedOldestSeconds.set({ site, reason }, oldestSeconds);
    }
  });
  return await telemetry.registry.metrics();
}

function setProcess({ telemetry, capacity, vital }: MetricsParts, picture: Picture): void {
  telemetry.redisDurable.set(capacity.durable ? 1 : 0);
  telemetry.redisMemoryRatio.set(capacity.memoryRatio);
  const { failure } = picture.probe;
  if (failure === undefined || failure === 'append') telemetry.redisAofWriteOk.set(failure === undefined ? 1 : 0);
  else telemetry.redisAofWriteOk.remove();
  if (vital.works) {
    const ageSeconds = (performance.now() - vital.beatMs) / 1_000;
    telemetry.workerHeartbeat.set({ instance: `${hostname()}:${process.pid}` }, Date.now() / 1_000 - ageSeconds);
  }
}

function setSite(telemetry: Telemetry, reading: SiteReading): void {
  const { key: site, budget } = reading;
  // `any` includes the leavers: the oldest of all is known, the oldest of the others is not.
  telemetry.lagSeconds.set({ site, operation: 'deprovision' }, reading.oldestUrgentSeconds);
  telemetry.lagSeconds.set({ site, operation: 'any' }, reading.oldestPendingSeconds);
  telemetry.pending.set({ site, operation: 'deprovision' }, reading.urgent);
  telemetry.pending.set({ site, operation: 'other' }, Math.max(0, reading.pending - reading.urgent));
  for (const mode of MODES) telemetry.siteMode.set({ site, mode }, reading.mode === mode ? 1 : 0);
  telemetry.held.set({ site, guard: reading.guard.why ?? 'none' }, reading.held);
  if (reading.tokenExpires !== null) telemetry.tokenExpiry.set({ site }, Date.parse(reading.tokenExpires) / 1_000);
  telemetry.liveTokens.set({ site }, reading.liveTokens);
  if (reading.clientExpires !== null) telemetry.clientExpiry.set({ site }, Date.parse(reading.clientExpires) / 1_000);
  telemetry.budgetLimit.set({ site }, budget.limit);
  telemetry.budgetUsed.set({ site }, budget.used);
  telemetry.breakerOpen.set({ site }, reading.paused === undefined ? 0 : 1);
}

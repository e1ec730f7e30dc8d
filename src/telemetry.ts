/**
 * Owns the names, labels and buckets of every metric, in one registry per process.
 * Refuses to know when something is measured: others call the fields, and gauges that come from a snapshot are set by ops at
 * scrape time. Labels are bounded (site, operation, outcome, route template); nothing about a person is ever a label.
 * Names follow Prometheus (prometheus.io/docs/practices/naming) and, for HTTP, the stable OpenTelemetry conventions.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export type Telemetry = ReturnType<typeof createTelemetry>;

const requestSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const callSeconds = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40];
/** Up to a day, with a bound at 300 s: the objective for a leaver. */
const convergenceSeconds = [0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 14_400, 86_400];
const waitSeconds = [0.001, 0.01, 0.1, 1, 5, 30, 60, 300, 900, 3_600];

/** HTTP on both sides of the service, and who was refused at the door. */
function httpMetrics(registers: Registry[]) {
  return {
    requestSeconds: new Histogram({
      name: 'http_server_request_duration_seconds',
      help: 'Duration of answered SCIM and ops requests.',
      labelNames: ['http_request_method', 'http_route', 'http_response_status_code', 'site'] as const,
      buckets: requestSeconds,
      registers,
    }),
    callSeconds: new Histogram({
      name: 'http_client_request_duration_seconds',
      help: 'Duration of calls to Maxio, from sending to the complete answer or the failure.',
      labelNames: ['http_request_method', 'url_template', 'http_response_status_code', 'error_type', 'site'] as const,
      buckets: callSeconds,
      registers,
    }),
    authFailures: new Counter({
      name: 'scim_auth_failures_total',
      help: 'Requests refused for their credentials.',
      labelNames: ['reason'] as const,
      registers,
    }),
    accessTokens: new Counter({
      name: 'scim_access_tokens_total',
      help: 'Access tokens given out, by what the client signed in with: a secret, its own key, or an assertion of a trusted issuer.',
      labelNames: ['site', 'kind'] as const,
      registers,
    }),
  };
}

/** The way of a change from its acknowledgement to Maxio. */
function syncMetrics(registers: Registry[]) {
  return {
    lagSeconds: new Gauge({
      name: 'scim_sync_lag_seconds',
      help: 'Age of the oldest acknowledged change that is not yet true at Maxio.',
      labelNames: ['site', 'operation'] as const,
      registers,
    }),
    pending: new Gauge({
      name: 'scim_sync_pending',
      help: 'People with an acknowledged change that is not yet true at Maxio.',
      labelNames: ['site', 'operation'] as const,
      registers,
    }),
    convergenceSeconds: new Histogram({
      name: 'scim_sync_convergence_seconds',
      help: 'Time from the acknowledgement of a change to its end.',
      labelNames: ['site', 'operation', 'outcome'] as const,
      buckets: convergenceSeconds,
      registers,
    }),
    attempts: new Counter({
      name: 'scim_sync_attempts_total',
      help: 'Runs of the reconciler by outcome.',
      labelNames: ['site', 'operation', 'outcome'] as const,
      registers,
    }),
    sweepRung: new Counter({
      name: 'scim_sweep_rung_total',
      help: 'People the sweep rang for again: those who wait in a backlog, and those whose bell was lost.',
      labelNames: ['site'] as const,
      registers,
    }),
    parked: new Gauge({
      name: 'scim_parked',
      help: 'People whose change Maxio refused and who wait for an operator.',
      labelNames: ['site', 'reason'] as const,
      registers,
    }),
    parkedOldestSeconds: new Gauge({
      name: 'scim_parked_oldest_seconds',
      help: 'Age of the oldest parked change.',
      labelNames: ['site', 'reason'] as const,
      registers,
    }),
    held: new Gauge({
      name: 'scim_held_changes',
      help: 'Changes a guard keeps back until a human decides.',
      labelNames: ['site', 'guard'] as const,
      registers,
    }),
    surveyProgress: new Gauge({
      name: 'scim_survey_progress_ratio',
      help: 'How far the running survey of the site is, estimated; 1 when the last one is done, 0 before the first.',
      labelNames: ['site'] as const,
      registers,
    }),
    siteMode: new Gauge({
      name: 'scim_site_mode',
      help: '1 for the mode the site is in, 0 for the others.',
      labelNames: ['site', 'mode'] as const,
      registers,
    }),
    guardTrips: new Counter({
      name: 'scim_guard_trips_total',
      help: 'How often a guard began to hold changes back.',
      labelNames: ['site', 'guard'] as const,
      registers,
    }),
  };
}

/** Whether directory and Maxio agree, and what Maxio tells of changes. */
function driftMetrics(registers: Registry[]) {
  return {
    driftUsers: new Gauge({
      name: 'scim_drift_users',
      help: 'Differences between directory and Maxio in the last report, without those of exempt people.',
      labelNames: ['site', 'kind'] as const,
      registers,
    }),
    duplicateCustomers: new Gauge({
      name: 'scim_duplicate_customers',
      help: "Customers that are nobody's and share an address with a person who has another, in the last report.",
      labelNames: ['site'] as const,
      registers,
    }),
    reconcileLastSuccess: new Gauge({
      name: 'scim_reconcile_last_success_timestamp_seconds',
      help: 'Unix time of the last complete comparison of directory and Maxio.',
      labelNames: ['site'] as const,
      registers,
    }),
    webhooks: new Counter({
      name: 'maxio_webhooks_total',
      help: 'Webhooks by what was answered.',
      labelNames: ['site', 'answer'] as const,
      registers,
    }),
    webhooksRead: new Counter({
      name: 'maxio_webhooks_followed_total',
      help: 'Customers that webhooks told of, by whether they were read again or the change was our own.',
      labelNames: ['site', 'result'] as const,
      registers,
    }),
  };
}

/** The call budget of each Maxio site and what Maxio left unanswered. */
function maxioMetrics(registers: Registry[]) {
  const labelNames = ['site'] as const;
  return {
    budgetLimit: new Gauge({ name: 'maxio_budget_limit', help: 'Calls allowed in a rolling window.', labelNames, registers }),
    budgetUsed: new Gauge({
      name: 'maxio_budget_used',
      help: 'Calls charged in the current rolling window.',
      labelNames,
      registers,
    }),
    budgetWaitSeconds: new Histogram({
      name: 'maxio_budget_wait_seconds',
      help: 'Wait of a call for its charge and its slot.',
      labelNames: ['site', 'lane'] as const,
      buckets: waitSeconds,
      registers,
    }),
    breakerOpen: new Gauge({ name: 'maxio_breaker_open', help: '1 while calls to the site are paused.', labelNames, registers }),
    cancelsRaced: new Counter({
      name: 'scim_cancels_raced_total',
      help: 'Endings during which the person became active again; they are brought back at once.',
      labelNames,
      registers,
    }),
    unknownOutcomes: new Counter({
      name: 'maxio_unknown_outcomes_total',
      help: 'Writes sent to Maxio whose answer did not arrive.',
      labelNames: ['site', 'operation'] as const,
      registers,
    }),
  };
}

/** The store, the workers and the build. */
function platformMetrics(registers: Registry[]) {
  return {
    durableWriteSeconds: new Histogram({
      name: 'redis_durable_write_seconds',
      help: 'Duration of the write probe of the readiness check.',
      buckets: [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2],
      registers,
    }),
    redisDurable: new Gauge({
      name: 'redis_durable',
      help: '1 when Redis is set so that an acknowledged change survives a power cut, or the operator asserts it.',
      registers,
    }),
    redisAofWriteOk: new Gauge({ name: 'redis_aof_write_ok', help: '1 when the last append to the file succeeded.', registers }),
    redisMemoryRatio: new Gauge({ name: 'redis_memory_ratio', help: 'Used memory by maxmemory; 0 without a limit.', registers }),
    unfinishedRuns: new Counter({
      name: 'scim_unfinished_runs_total',
      help: 'Runs in the middle of which a worker died or stood still; another worker takes the person up.',
      labelNames: ['site'] as const,
      registers,
    }),
    workerHeartbeat: new Gauge({
      name: 'worker_heartbeat_timestamp_seconds',
      help: 'Unix time of the last turn of a worker.',
      labelNames: ['instance'] as const,
      registers,
    }),
    tokenExpiry: new Gauge({
      name: 'scim_token_expiry_timestamp_seconds',
      help: 'Unix time after which the SCIM token of the site that ends first is refused.',
      labelNames: ['site'] as const,
      registers,
    }),
    clientExpiry: new Gauge({
      name: 'scim_client_expiry_timestamp_seconds',
      help: 'Unix time after which the secret or key of an OAuth client of the site is refused, of those the one that ends first.',
      labelNames: ['site'] as const,
      registers,
    }),
    liveTokens: new Gauge({
      name: 'scim_live_tokens',
      help: 'SCIM tokens that open the door now; without one the identity provider is refused.',
      labelNames: ['site'] as const,
      registers,
    }),
    notices: new Counter({
      name: 'scim_notices_total',
      help: 'Messages to people, by subject, manner, channel and whether the channel took them.',
      labelNames: ['topic', 'kind', 'channel', 'result'] as const,
      registers,
    }),
    buildInfo: new Gauge({ name: 'scim_build_info', help: 'Always 1.', labelNames: ['version'] as const, registers }),
  };
}

/**
 * Creates the metrics of one process.
 * @param build version shown in `scim_build_info`; `processMetrics: false` leaves out the metrics of Node itself (tests)
 */
export function createTelemetry(build: { version: string; processMetrics?: boolean }) {
  const registry = new Registry();
  const registers = [registry];
  if (build.processMetrics !== false) collectDefaultMetrics({ register: registry });
  const metrics = {
    registry,
    ...httpMetrics(registers),
    ...syncMetrics(registers),
    ...driftMetrics(registers),
    ...maxioMetrics(registers),
    ...platformMetrics(registers),
  };
  metrics.buildInfo.set({ version: build.version }, 1);
  return metrics;
}

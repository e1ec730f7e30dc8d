/**
 * Owns the gathering of evidence once a history is over and quiet has been waited for (quiet.ts). Reads Redis past the proxy, the sandbox directly,
 * the processes over HTTP and by what they have printed. Refuses to judge.
 */
import { type Job, Queue } from 'bullmq';
import { ChainCheck } from '../../../src/audit-chain.ts';
import { decodeAudit } from '../../../src/directory/audit.ts';
import { AuditTrail } from '../../../src/directory/audit-trail.ts';
import type { MaxioLink, OpenStep, RunState } from '../../../src/directory/record.ts';
import { Store } from '../../../src/directory/store.ts';
import { queuePrefix } from '../../../src/provisioning/queue.ts';
import type { CustomerJson } from '../../../src/sandbox/customer-json.ts';
import type { SubscriptionJson } from '../../../src/sandbox/subscription-json.ts';
import type { UserAttributes } from '../../../src/scim/types.ts';
import { NO_GUARD } from '../../support/guard.ts';
import { API_KEY, OPS_TOKEN, SCIM_TOKEN } from '../../support/service.ts';
import { type Cluster, PREFIX, PRODUCT, SITE } from './cluster.ts';
import { CANARY, type Driver } from './driver.ts';
import type { Bell, Evidence, GroupEvidence, ProcessFigures, Settings, StoredPerson, Text } from './evidence.ts';
import { RULES } from './group-life.ts';
import { metricsOf } from './quiet.ts';

export const SETTINGS: Settings = {
  product: PRODUCT,
  policy: 'cancel',
  callsPerWindow: 10_000,
  windowMs: 3_600_000,
  concurrency: 4,
  // A quarter of the unknown-outcome time of the cluster.
  sendGraceMs: 1_500,
  slackMs: 50,
  canaries: [CANARY, API_KEY, SCIM_TOKEN, OPS_TOKEN],
  rssBytesMax: 600_000_000,
  openFilesMax: 200,
  warnLinesPerSecondMax: 100,
  bellsPerPersonMax: 2,
};

/** Lists the bells that wait or ring now, and what their jobs hold. */
export async function readBells(cluster: Cluster): Promise<{ bells: Bell[]; texts: Text[] }> {
  const bells: Bell[] = [];
  const texts: Text[] = [];
  for (const lane of ['urgent', 'normal']) {
    const queue = new Queue(lane, { connection: cluster.redis.connect('queue'), prefix: queuePrefix(SITE) });
    // One job may be seen twice while it moves from list to list, or end between the list and its reading.
    const jobs = new Map<string | undefined, Job>();
    for (const job of await queue.getJobs(['waiting', 'active', 'delayed', 'prioritized'])) if (job) jobs.set(job.id, job);
    for (const { data } of jobs.values()) bells.push({ lane, userId: String((data as { userId?: string } | undefined)?.userId) });
    for (const job of await queue.getJobs(['failed'])) if (job) jobs.set(job.id, job);
    for (const job of jobs.values()) {
      texts.push({ where: `job in ${lane}`, text: JSON.stringify(job.data ?? null) + String(job.failedReason ?? '') });
    }
    await queue.close();
  }
  return { bells, texts };
}

export interface Gathered {
  cluster: Cluster;
  driver: Driver;
  quiet: Evidence['quiet'];
  /** Default none. */
  unmended?: string[];
  /** As sampled under load. */
  bells: Bell[];
  foreign: { customers: CustomerJson[]; subscriptions: SubscriptionJson[] };
  settings?: Partial<Settings>;
  /** How long the loss of a product waits, where groups are played. */
  groupGraceMs?: number;
}

/** Gathers everything the checker wants to see. */
export async function collect(gathered: Gathered): Promise<Evidence> {
  const { cluster, driver, quiet, unmended = [], bells, foreign, settings, groupGraceMs } = gathered;
  const { state } = cluster.sandbox;
  const { texts: jobs } = await readBells(cluster);
  const keys = await cluster.commands.keys('*');
  return {
    // A call that has left may wait in the socket while this process, which is the sandbox too, has no turn.
    settings: { ...SETTINGS, sendGraceMs: SETTINGS.sendGraceMs + cluster.lagMs, ...settings },
    ...(groupGraceMs === undefined ? {} : { groups: await readGroups(cluster, driver, groupGraceMs) }),
    acks: driver.acks,
    ledger: state.ledger(),
    customers: state.customers(),
    subscriptions: state.subscriptions(),
    people: await readPeople(cluster),
    ...(await readAudit(cluster)),
    bells,
    texts: [
      ...driver.errorBodies,
      ...jobs,
      { where: 'names of keys', text: keys.join('\n') },
      ...cluster.processes.map(({ name, output }) => ({ where: `log of ${name}`, text: output })),
      ...(await readMetrics(cluster)),
    ],
    processes: cluster.processes.map((each) => figuresOf(each.name, each.output, each.figures())),
    foreign,
    unmended,
    quiet,
  };
}

async function readMetrics({ processes }: Cluster): Promise<Text[]> {
  return await Promise.all(processes.map(async (each) => ({ where: `metrics of ${each.name}`, text: await metricsOf(each) })));
}

async function readPeople({ commands }: Cluster): Promise<StoredPerson[]> {
  const members = async (list: string): Promise<Set<string>> => new Set(await commands.zrange(`${PREFIX}${list}`, '0', '-1'));
  const [dirty, parked, held, exempt] = await Promise.all(['dirty', 'parked', 'held', 'exempt'].map(members));
  const people: StoredPerson[] = [];
  for (const key of await commands.keys(`${PREFIX}user:*`)) {
    const fields = await commands.hgetall(key);
    const { id = '', attrs = '{}', reference = '', run, link } = fields;
    const known = (link === undefined ? null : JSON.parse(link)) as MaxioLink | null;
    const attributes = JSON.parse(attrs) as UserAttributes & { name?: { familyName?: string }; title?: string };
    const { reason } = (run === undefined ? {} : JSON.parse(run)) as Partial<RunState>;
    people.push({
      id,
      reference,
      ...(known === null ? {} : { customerId: Number(known.customerId) }),
      generation: Number(fields.gen),
      active: attributes.active,
      familyName: attributes.name?.familyName ?? '',
      title: attributes.title ?? '',
      deleted: fields.deleted === '1',
      dirty: dirty?.has(id) === true,
      parked: parked?.has(id) === true,
      ...(reason === undefined ? {} : { parkedFor: reason }),
      held: held?.has(id) === true,
      exempt: exempt?.has(id) === true,
      open: (JSON.parse(fields.open ?? '[]') as OpenStep[]).map(({ kind }) => kind),
    });
  }
  return people;
}

async function readGroups({ commands }: Cluster, driver: Driver, graceMs: number): Promise<GroupEvidence> {
  const labels = Object.entries(await commands.hgetall(`${PREFIX}groupLabels`));
  const stored = await Promise.all(
    labels.map(async ([id, label]) => {
      const { displayName } = JSON.parse(label) as { displayName: string };
      return { id, displayName, members: await commands.zrange(`${PREFIX}members:${id}`, '0', '-1') };
    }),
  );
  const memberOf: Record<string, string[]> = {};
  for (const key of await commands.keys(`${PREFIX}user:*`)) {
    const [id, groups] = await commands.hmget(key, 'id', 'groups');
    if (id && groups) memberOf[id] = JSON.parse(groups) as string[];
  }
  return { rules: RULES, graceMs, believed: driver.groups, stored, memberOf };
}

async function readAudit({ commands }: Cluster): Promise<Pick<Evidence, 'audit' | 'auditSeq' | 'chain'>> {
  const ids = new Map<string, string>();
  for (const key of await commands.keys(`${PREFIX}user:*`)) {
    const [id, subject] = await commands.hmget(key, 'id', 'subject');
    if (id && subject) ids.set(subject, id);
  }
  const rows = await commands.xrange(`${PREFIX}audit`, '-', '+');
  const audit = rows.map(([, fields]) => {
    const { seq, atMs, generation, entry } = decodeAudit(fields);
    return { seq, atMs, user: ids.get(fields[fields.indexOf('subject') + 1] ?? '') ?? '', generation, entry };
  });
  const auditSeq = Number((await commands.hget(`${PREFIX}auditClock`, 'seq')) ?? 0);
  return { audit, auditSeq, chain: await readChain(commands) };
}

/** Checks what is sealed as whoever audits does; what came last may not be sealed yet. */
async function readChain(commands: Cluster['commands']): Promise<string[]> {
  const store = new Store(commands, SITE, { backlogLimit: 1, guard: NO_GUARD });
  const trail = new AuditTrail(store, SITE);
  const { base, sealed } = await trail.head();
  const check = new ChainCheck(SITE, base);
  for (let after = ''; ; ) {
    const { lines, last } = await trail.page(after, 1_000);
    for (const line of lines) check.add(line);
    if (last === undefined) break;
    after = last;
  }
  check.expect(sealed);
  return check.fault === undefined ? [] : [`entry ${check.fault.seq} of the sealed trail: ${check.fault.what}`];
}

const LOUD = new Set(['warn', 'error', 'fatal']);

function figuresOf(name: string, output: string, now: { rssBytes: number; openFiles: number }): ProcessFigures {
  const perSecond = new Map<string, number>();
  for (const line of output.split('\n')) {
    if (!line.startsWith('{')) continue;
    const level = /"level":"(\w+)"/.exec(line)?.[1] ?? '';
    const second = /"time":"([^".]+)/.exec(line)?.[1] ?? '';
    if (LOUD.has(level)) perSecond.set(second, (perSecond.get(second) ?? 0) + 1);
  }
  return { name, ...now, warnLinesPerSecond: Math.max(0, ...perSecond.values()) };
}

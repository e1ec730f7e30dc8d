/**
 * Owns the route that answers how everything stands, for whoever is called at night: the numbers of /health, and what only operators may see.
 * Refuses to judge (health.ts) and to read anything twice.
 */
import { z } from 'zod';
import { RECOVERIES } from '../../directory/witness.ts';
import { type ApiParts, type ApiRoute, route } from './route.ts';
import { mode, moment, notice, shape } from './shapes.ts';

const count = z.int().min(0);
const health = z.enum(['pass', 'warn', 'fail']);

const siteStatus = shape(
  'SiteStatus',
  z.object({
    key: z.string(),
    mode: mode.describe('paused also before the first contact with Maxio; `paused` says why.'),
    modeBy: z.string().nullable().describe('start, survey, lost, restored, or the name of an operator.'),
    modeSince: moment.nullable(),
    modeWhy: z.string().nullable(),
    test: z.boolean().nullable().describe('Whether Maxio calls it a test site; null before the first contact.'),
    idp: z.enum(['okta', 'entra', 'generic']),
    budget: z.object({ limit: count, used: count, windowSeconds: count }),
    pending: count,
    oldestPendingSeconds: count,
    pendingForSeconds: count
      .nullable()
      .describe(
        'About how long it takes, by the call budget, until nobody is pending but those who wait for a moment of theirs; null while nothing is written at Maxio.',
      ),
    urgent: count.describe('People who should stop being billed and still may be; part of pending.'),
    oldestUrgentSeconds: count,
    parked: count,
    held: count,
    exempt: count,
    groups: count.describe('Groups the identity provider has pushed.'),
    paused: z
      .object({ reason: z.enum(['throttled', 'unauthorized', 'failing', 'other-site', 'unconfirmed']), seconds: count })
      .optional()
      .describe('Why no call leaves, apart from the mode.'),
    inFlight: count,
    pauseStreak: count,
    guard: z.object({
      trippedAt: moment.nullable(),
      why: z.string().nullable(),
      activePeople: count,
      leftInHour: count,
      limitHour: count,
      leftInDay: count,
      limitDay: count,
      heldMonthlyCents: z.int(),
      activeMonthlyCents: z.int(),
    }),
    survey: z.object({ state: z.string(), detail: z.string() }),
    drift: z.object({
      state: z.string(),
      at: moment.nullable(),
      counts: z.record(z.string(), count).describe('By kind, without the differences of exempt people.'),
    }),
    recovery: z
      .enum(RECOVERIES)
      .nullable()
      .describe('Where the site stands after its data was lost or set back; null: nothing is wrong.'),
    configurationWaiting: z.boolean(),
    tokenExpires: moment.nullable().describe('The end of the SCIM token that ends first; maxio-scim token list shows all.'),
    liveTokens: count.describe('SCIM tokens that open the door now, that of the configuration included.'),
    clientExpires: moment
      .nullable()
      .describe('The end of the secret or key of an OAuth client that ends first; maxio-scim client list shows all.'),
    liveCredentials: count.describe('What OAuth clients can sign in with now.'),
    lateAfterSeconds: count.describe('A leaver who waits longer waits too long.'),
    notices: z.array(notice),
    deprovision: z.enum(['cancel', 'cancel_at_period_end', 'hold']),
    productHandle: z.string().nullable(),
    detail: z.string().nullable().describe('What is wrong with the key or the site, and what to do.'),
  }),
);

const status = shape(
  'Status',
  z.object({
    status: health,
    version: z.string(),
    role: z.enum(['api', 'worker', 'all']),
    ready: z.boolean(),
    reasons: z.array(z.string()).describe('Why not ready, then what is wrong with Redis; each with its cure.'),
    operator: z.object({ name: z.string(), role: z.enum(['viewer', 'operator', 'approver']) }).describe('Who asks.'),
    sites: z.array(siteStatus),
  }),
);

async function statusOf(parts: ApiParts): Promise<Omit<z.infer<typeof status>, 'operator'>> {
  const { health: overall, ready, readings } = await parts.health.picture();
  const sites = await Promise.all(
    readings.map(async (reading) => {
      const site = parts.sites.find(({ key }) => key === reading.key);
      return {
        ...reading,
        notices: (await site?.notifier.current().catch(() => [])) ?? [],
        deprovision: site?.deprovision ?? 'cancel',
        productHandle: site?.productHandle ?? null,
        detail: site?.contactDetail() ?? null,
      };
    }),
  );
  return {
    status: overall.status,
    version: parts.config.version,
    role: parts.config.role,
    ready: ready.ready,
    reasons: [...ready.reasons, ...parts.capacity.findings],
    sites,
  };
}

export const statusRoutes: ApiRoute[] = [
  route({
    method: 'GET',
    path: '/status',
    group: 'Status',
    role: 'viewer',
    summary: 'How everything stands',
    answer: status,
    run: async ({ parts, operator }) => ({ ...(await statusOf(parts)), operator }),
  }),
];

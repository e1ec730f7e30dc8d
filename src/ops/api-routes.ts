/**
 * Owns the JSON API of the people on call, which the command line and the page's links use. Everything in it needs the ops token or a session.
 * Refuses to know how answers are made. Names of people are shown here, to those who may see them, and nowhere in logs.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Config } from '../config.ts';
import { findPerson } from './find-person.ts';
import type { HealthDesk, HealthParts, Status } from './health.ts';
import type { OpsAuth } from './ops-auth.ts';
import { OpsError } from './ops-error.ts';
import { listParked, type ParkedPerson, retryParked } from './parked.ts';
import { viewPerson } from './person.ts';
import type { OpsSite } from './site-view.ts';
import type { SiteReading } from './snapshot.ts';

export interface ApiParts {
  config: Pick<Config, 'version' | 'role'>;
  capacity: HealthParts['capacity'];
  sites: readonly OpsSite[];
  health: HealthDesk;
  auth: OpsAuth;
}

export interface StatusView {
  status: Status;
  version: string;
  role: Config['role'];
  ready: boolean;
  /** Why not ready, then what is wrong with Redis; each with its cure. */
  reasons: string[];
  sites: (SiteReading & { deprovision: OpsSite['deprovision']; productHandle: string | null; detail: string | null })[];
}

export interface ParkedView {
  total: number;
  /** Longest parked first within each site; at most `limit` a site. */
  parked: ParkedPerson[];
}

const IDS_MAX = 1_000;
const LISTED_MAX = 1_000;

const siteQuery = { site: z.string().min(1).optional() };
const personQuery = z.strictObject({ ...siteQuery, live: z.enum(['0', '1']).optional() });
const parkedQuery = z.strictObject({
  ...siteQuery,
  limit: z
    .string()
    .regex(/^[1-9]\d{0,3}$/)
    .transform(Number)
    .optional(),
});
const retryBody = z.strictObject({
  ...siteQuery,
  ids: z.array(z.string().min(1).max(100)).min(1).max(IDS_MAX).optional(),
  all: z.literal(true).optional(),
});

/** Registers the API under the prefix of its scope. */
export function apiRoutes(app: FastifyInstance, parts: ApiParts): void {
  app.addHook('onRequest', async (request) => {
    parts.auth.operator(request);
  });

  app.get('/status', async (): Promise<StatusView> => await statusOf(parts));

  app.get('/people/:idOrUserName', async (request) => {
    const query = read(personQuery, request.query, 'The query takes site and live=1.');
    const { idOrUserName } = request.params as { idOrUserName: string };
    const { site, record } = await findPerson(chosen(parts.sites, query.site), idOrUserName);
    return await viewPerson(site, record, query.live === '1');
  });

  app.get('/parked', async (request): Promise<ParkedView> => {
    const query = read(parkedQuery, request.query, `The query takes site and limit, at most ${LISTED_MAX}.`);
    const sites = chosen(parts.sites, query.site);
    const limit = Math.min(LISTED_MAX, query.limit ?? 200);
    const lists = await Promise.all(sites.map((site) => listParked(site, limit)));
    const counts = await Promise.all(sites.map((site) => site.store.guard(() => site.runs.backlog())));
    return { total: counts.reduce((sum, { parked }) => sum + parked, 0), parked: lists.flat() };
  });

  app.post('/parked/retry', async (request) => {
    const what = `The body takes either ids (at most ${IDS_MAX}) or "all": true, and site.`;
    const body = read(retryBody, request.body, what);
    if ((body.ids === undefined) === (body.all === undefined))
      throw new OpsError(400, 'bad-request', what, 'Send one of the two.');
    const wish = { ids: body.ids, actor: parts.auth.operator(request), requestId: request.id };
    const done = await retryParked(chosen(parts.sites, body.site), wish);
    request.log.info(
      { retried: done.retried.length, notParked: done.notParked.length, actor: wish.actor },
      'an operator retried parked people',
    );
    return done;
  });
}

async function statusOf(parts: ApiParts): Promise<StatusView> {
  const { health, ready, readings } = await parts.health.picture();
  return {
    status: health.status,
    version: parts.config.version,
    role: parts.config.role,
    ready: ready.ready,
    reasons: [...ready.reasons, ...parts.capacity.findings],
    sites: readings.map((reading) => {
      const site = parts.sites.find(({ key }) => key === reading.key);
      return {
        ...reading,
        deprovision: site?.deprovision ?? 'cancel',
        productHandle: site?.productHandle ?? null,
        detail: site?.modeDetail() ?? null,
      };
    }),
  };
}

function read<T>(schema: z.ZodType<T>, value: FastifyRequest['query'] | FastifyRequest['body'], todo: string): T {
  const parsed = schema.safeParse(value ?? {});
  if (parsed.success) return parsed.data;
  const names = [...new Set(parsed.error.issues.map(({ path }) => path.join('.')).filter((name) => name !== ''))];
  throw new OpsError(
    400,
    'bad-request',
    `The request is not understood${names.length === 0 ? '' : ` at ${names.join(', ')}`}.`,
    todo,
  );
}

function chosen(sites: readonly OpsSite[], key: string | undefined): readonly OpsSite[] {
  if (key === undefined) return sites;
  const found = sites.filter((site) => site.key === key);
  if (found.length > 0) return found;
  throw new OpsError(
    404,
    'no-such-site',
    'There is no site of that key.',
    `Use one of: ${sites.map((site) => site.key).join(', ')}.`,
  );
}

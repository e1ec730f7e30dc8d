/**
 * Owns the operator page and its forms: sign in, sign out, retry one parked person, decide about held leavers. No script, no asset from anywhere, no framing.
 * Refuses forms that another site's page has sent, and whatever the role of who has signed in does not allow: the rules are those of the API.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Config } from '../config.ts';
import { checkRole } from './api/register.ts';
import type { HealthDesk } from './health.ts';
import { allHeld, decideAudited, heldMark, listHeld } from './held.ts';
import { sendPage } from './html.ts';
import { type Operator, type OpsAuth, refuseOtherSites } from './ops-auth.ts';
import { ALWAYS, OpsError } from './ops-error.ts';
import { opsPage, signInPage, type Told } from './page.ts';
import { listParked, retryParked } from './parked.ts';
import type { OpsSite } from './site-view.ts';

export interface PageParts {
  config: Pick<Config, 'version' | 'operators'>;
  sites: readonly OpsSite[];
  health: HealthDesk;
  auth: OpsAuth;
}

const SHOWN_MAX = 100;
const WRONG = 'That is not an ops token of this service.';

const signIn = z.object({ token: z.string() });
const retryForm = z.object({ site: z.string(), id: z.string() });
const heldForm = z.object({
  site: z.string(),
  id: z.string().optional(),
  word: z.enum(['approve', 'reject', 'approve-all', 'reject-all']),
  seen: z.string().max(100).default(''),
});

/** Registers the page under the prefix of its scope. */
export function pageRoutes(app: FastifyInstance, parts: PageParts): void {
  const { auth, sites } = parts;
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    async (_request: unknown, body: string | Buffer) => Object.fromEntries(new URLSearchParams(body.toString())),
  );

  app.get('/', async (request, reply) => {
    const operator = auth.session(request);
    if (operator === undefined) return sendPage(reply.code(401), (nonce) => signInPage(nonce));
    return await showPage(reply, parts, operator);
  });

  app.post('/sign-in', async (request, reply) => {
    refuseOtherSites(request);
    const form = signIn.safeParse(request.body);
    const operator = form.success ? auth.whose(form.data.token.trim()) : undefined;
    if (operator === undefined) {
      const waitSeconds = auth.failed(request);
      request.log.warn('a sign-in to the operator page failed');
      if (waitSeconds === undefined) return sendPage(reply.code(401), (nonce) => signInPage(nonce, WRONG));
      const wait = `Too many wrong tokens have come from your address. A right one is taken at once, a wrong one in ${waitSeconds} s.`;
      return sendPage(reply.code(429).header('retry-after', String(waitSeconds)), (nonce) => signInPage(nonce, wait));
    }
    request.log.info({ actor: operator.name }, 'somebody signed in to the operator page');
    return reply.headers({ ...ALWAYS, 'set-cookie': auth.open(operator) }).redirect('/ops', 303);
  });

  app.post('/sign-out', async (request, reply) => {
    refuseOtherSites(request);
    return reply.headers({ ...ALWAYS, 'set-cookie': auth.end(request) }).redirect('/ops', 303);
  });

  app.post('/retry', async (request, reply) => {
    const operator = auth.operator(request);
    checkRole(operator, 'operator', parts.config.operators);
    const form = retryForm.safeParse(request.body);
    if (form.success) {
      const { site, id } = form.data;
      await retryParked(
        sites.filter(({ key }) => key === site),
        { ids: [id], actor: operator.name, requestId: request.id },
      );
    }
    return reply.headers({ ...ALWAYS }).redirect('/ops', 303);
  });

  app.post('/held', async (request, reply) => {
    const operator = auth.operator(request);
    const told = await decideByForm(request, parts, operator);
    return await showPage(reply.code(told.good ? 200 : 409), parts, operator, told);
  });
}

async function showPage(reply: FastifyReply, parts: PageParts, operator: Operator, told?: Told): Promise<FastifyReply> {
  const { sites } = parts;
  const { health, ready, readings } = await parts.health.picture();
  const [parked, held, notices, marks] = await Promise.all([
    Promise.all(sites.map((site) => listParked(site, SHOWN_MAX))),
    Promise.all(sites.map((site) => listHeld(site, SHOWN_MAX))),
    Promise.all(sites.map(async (site) => (await site.notifier.current()).map((notice) => ({ ...notice, site: site.key })))),
    Promise.all(sites.map(async (site) => [site.key, heldMark(await allHeld(site))] as const)),
  ]);
  const { status, version } = health;
  const content = {
    version,
    status,
    reasons: ready.reasons,
    operator,
    told,
    readings,
    notices: notices.flat(),
    held: held.flat().slice(0, SHOWN_MAX),
    heldMarks: new Map(marks),
    parked: parked.flat().slice(0, SHOWN_MAX),
    parkedTotal: readings.reduce((sum, reading) => sum + reading.parked, 0),
  };
  return sendPage(reply, (nonce) => opsPage(nonce, content));
}

/** A word about all is meant for those who were seen: when there are others by now, the page is shown again instead. */
async function decideByForm(request: FastifyRequest, parts: PageParts, operator: Operator): Promise<Told> {
  try {
    checkRole(operator, 'approver', parts.config.operators);
    const form = heldForm.safeParse(request.body);
    const site = form.success ? parts.sites.find(({ key }) => key === form.data.site) : undefined;
    if (!form.success || site === undefined) return { good: false, text: 'The form was not understood; nothing was decided.' };
    const { id, word, seen } = form.data;
    const all = word.endsWith('-all');
    if (!all && id === undefined) return { good: false, text: 'The form names nobody; nothing was decided.' };
    const ids = all ? await allHeld(site) : [id ?? ''];
    if (all && heldMark(ids) !== seen) {
      const others = `${ids.length} people are held by now, and not all of them are those you saw`;
      return { good: false, text: `${others}: nothing was decided. Look again, then decide.` };
    }
    const decision = word.startsWith('approve') ? 'approve' : 'reject';
    const wish = { ids, decision, requestId: request.id } as const;
    const said = await decideAudited(site, wish, { operator, operators: parts.config.operators });
    request.log.info(
      { done: said.done, already: said.already, decision, actor: operator.name, role: operator.role },
      'an operator decided about held leavers',
    );
    const verb = decision === 'approve' ? 'approved' : 'rejected';
    const more = said.already > 0 ? ` ${said.already} had been decided before.` : '';
    const left = all && said.left > 0 ? ` ${said.left} are held still: look again, then decide about them.` : '';
    return { good: true, text: `${said.done} ${said.done === 1 ? 'leave' : 'leaves'} ${verb}.${more}${left}` };
  } catch (error) {
    if (error instanceof OpsError) return { good: false, text: `${error.body.detail} ${error.body.do}` };
    throw error;
  }
}

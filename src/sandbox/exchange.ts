/**
 * Owns the way of one request through a site: arrival, quota, slot, fault, key, duplicate prevention, operation, answer.
 * Refuses to know single endpoints. The slot and the ledger entry are given back before the answer leaves, so that the next request
 * of the same client never meets its own predecessor. Answers to "Error handling" and "Duplicate prevention" of developers.maxio.com.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Answer, accessDenied, duplicateSubmission, notFound, throttled } from './answers.ts';
import { isAuthorized } from './auth.ts';
import { letTimePass } from './billing.ts';
import { ClosedError, type Delays } from './delays.ts';
import type { Faults } from './faults.ts';
import { type Ledger, type LedgerEntry, steadyMs } from './ledger.ts';
import { type Ending, misbehave, type Stage } from './misbehave.ts';
import { asText, type Call, isObject, type Route, type Site } from './site.ts';
import type { Slots } from './slots.ts';
import type { WebhookSender } from './webhook-sender.ts';

export interface Premises {
  readonly site: Site;
  readonly ledger: Ledger;
  readonly faults: Faults;
  readonly slots: Slots;
  readonly delays: Delays;
  readonly sender: WebhookSender;
  /** Changes with every reset; work that began before one must not touch what came after. */
  epoch: number;
  /** The sandbox second up to which time has passed for the subscriptions. */
  passedMs: number;
}

/** What the parser of a JSON body answers when it could not read it. */
export const UNREADABLE = Symbol('unreadable body');

/** Performs one request and sends its answer, or cuts its connection. `route` is undefined for a path that does not exist. */
export async function exchange(
  premises: Premises,
  route: Route | undefined,
  entry: LedgerEntry,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  reply.hijack();
  entry.body = request.body === UNREADABLE ? '(unreadable)' : request.body;
  reply.raw.once('close', () => {
    if (entry.finishedMs === null) entry.abandoned = true;
  });
  const { site, ledger, slots } = premises;
  const refuse = (): void => {
    const answer = throttled(supportCode(entry), site.settings.throttleAsJson);
    ledger.leave(entry, answer.status);
    send(reply, answer);
  };
  const stage = stageFor(premises, route, entry, request, reply);
  const { quota, windowSeconds } = site.settings;
  if (quota !== null && ledger.arrivalsWithin(windowSeconds * 1_000) > quota) return refuse();
  if (!(await slots.enter())) return refuse();

  let ending: Ending = { kind: 'drop' };
  try {
    ending = await end(premises, stage, entry);
  } catch (err) {
    if (!(err instanceof ClosedError)) {
      // A mistake of the sandbox itself: say so instead of leaving the client waiting on a hijacked reply.
      request.log.error(err);
      ending = { kind: 'answer', answer: { status: 500, text: String(err), contentType: 'text/plain' } };
    }
  } finally {
    slots.leave();
    ledger.leave(entry, ending.kind === 'drop' || reply.raw.destroyed ? null : ending.answer.status);
  }
  if (ending.kind === 'drop') reply.raw.destroy();
  else if (ending.kind === 'cut') cut(reply, ending.answer);
  else send(reply, ending.answer);
}

async function end(premises: Premises, stage: Stage, entry: LedgerEntry): Promise<Ending> {
  const fault = premises.faults.strike(entry);
  if (!fault) return { kind: 'answer', answer: stage.act() };
  entry.fault = fault.kind;
  return misbehave(stage, fault);
}

function stageFor(
  premises: Premises,
  route: Route | undefined,
  entry: LedgerEntry,
  request: FastifyRequest,
  reply: FastifyReply,
): Stage {
  const { site } = premises;
  const epoch = premises.epoch;
  // As at the door of a real server: a key that is changed while a request is at work ends nothing.
  const authorized = isAuthorized(request.headers.authorization, site.apiKey);
  const act = (): Answer => {
    if (premises.epoch !== epoch) return notFound();
    const answer = authorized ? perform(premises, route, request) : accessDenied();
    if (entry.method !== 'GET' && answer.status < 300) {
      entry.applied = true;
      entry.appliedMs = steadyMs();
    }
    return answer;
  };
  return {
    act,
    pretend: () => {
      const undo = [site.store.checkpoint(), site.journal.checkpoint(), site.webhooks.checkpoint()];
      const answer = act();
      for (const back of undo) back();
      entry.applied = false;
      entry.appliedMs = null;
      return answer;
    },
    pause: (waitMs) => premises.delays.pause(waitMs),
    drop: () => {
      reply.raw.destroy();
    },
    supportCode: () => supportCode(entry),
    cutoffMs: site.settings.cutoffMs,
    throttleAsJson: site.settings.throttleAsJson,
  };
}

/** Makes the code under which support would find a refused request. */
function supportCode(entry: LedgerEntry): string {
  return `SBX-${String(entry.seq).padStart(6, '0')}`;
}

/** Performs a request of somebody with the key: first the path, then duplicate prevention, then the operation. */
function perform(premises: Premises, route: Route | undefined, request: FastifyRequest): Answer {
  const { site } = premises;
  if (!route) return notFound();
  if (request.body === UNREADABLE) return { status: 400 };
  const query = new URLSearchParams(request.url.split('?').slice(1).join('?'));
  const call: Call = { params: request.params as Record<string, string>, query, body: request.body };
  const nowMs = site.clock.nowMs();
  if (premises.passedMs !== nowMs) letTimePass(site);
  premises.passedMs = nowMs;
  if ((route.method === 'POST' || route.method === 'PUT') && seenBefore(site, call)) return duplicateSubmission();
  return route.operation(site, call);
}

/** Tells whether the token of a write was used within the hour. A refused write uses its token up all the same. */
function seenBefore(site: Site, { body, query }: Call): boolean {
  const token = asText(isObject(body) ? body.uniqueness_token : undefined) ?? query.get('uniqueness_token');
  if (!token) return false;
  const nowMs = site.clock.nowMs();
  return site.store.useToken(token, nowMs, nowMs + site.settings.tokenWindowSeconds * 1_000);
}

function payloadOf(answer: Answer): Buffer {
  return Buffer.from(answer.text ?? (answer.body === undefined ? '' : JSON.stringify(answer.body)));
}

function headersOf(answer: Answer, payload: Buffer): Record<string, string | number> {
  const type = answer.contentType ?? (answer.body === undefined ? undefined : 'application/json; charset=utf-8');
  return {
    ...(type !== undefined && { 'content-type': type }),
    ...(answer.status !== 204 && { 'content-length': payload.length }),
    ...answer.headers,
  };
}

function send(reply: FastifyReply, answer: Answer): void {
  if (reply.raw.destroyed) return;
  const payload = payloadOf(answer);
  reply.raw.writeHead(answer.status, headersOf(answer, payload)).end(payload);
}

/** Sends the head and half of the body, then cuts the connection once both are on their way. */
function cut(reply: FastifyReply, answer: Answer): void {
  if (reply.raw.destroyed) return;
  const payload = payloadOf(answer);
  reply.raw.writeHead(answer.status, headersOf(answer, payload));
  reply.raw.write(payload.subarray(0, Math.floor(payload.length / 2)), () => reply.raw.destroy());
}

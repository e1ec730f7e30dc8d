/**
 * Owns the question whether the identity provider can reach us where we say we are: PUBLIC_URL, its certificate, SCIM below it, readiness.
 * No token is sent: the address may be somebody else's by mistake. Redirects are findings, since identity providers do not follow them.
 * RFC 7644 §4 (discovery is open), RFC 9110 §15.4.
 */
import type { IncomingMessage } from 'node:http';
import { request as requestPlain } from 'node:http';
import { request as requestTls } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { type DoctorCheck, fail, pass, warn } from './check.ts';

const PATIENCE_MS = 8_000;
const ANSWER_CHARS_MAX = 64 * 1024;
const DAY_MS = 86_400_000;
const CERTIFICATE_DAYS_WARN = 21;
const CONFIG_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig';

interface Heard {
  status: number;
  body: string;
  /** Until when the certificate holds, on an https address. */
  validTo: string | undefined;
}

/** Examines the public address. @param publicUrl without a trailing slash */
export async function checkReach(publicUrl: string, nowMs: number): Promise<DoctorCheck[]> {
  let scim: Heard;
  try {
    scim = await hear(`${publicUrl}/scim/v2/ServiceProviderConfig`);
  } catch (error) {
    return [unreachable(publicUrl, error)];
  }
  return [...certificateChecks(scim, nowMs), scimCheck(publicUrl, scim), await readyCheck(publicUrl)];
}

function certificateChecks({ validTo }: Heard, nowMs: number): DoctorCheck[] {
  if (validTo === undefined) return [];
  const days = Math.floor((Date.parse(validTo) - nowMs) / DAY_MS);
  const finding = `The certificate of PUBLIC_URL is trusted and holds ${days} more days.`;
  if (days < CERTIFICATE_DAYS_WARN)
    return [warn('certificate', finding, 'Renew it, and find out why it is not renewed by itself.')];
  return [pass('certificate', finding)];
}

/** The document names its own address, so another service, or this one under another name, is told apart. */
function scimCheck(publicUrl: string, heard: Heard): DoctorCheck {
  const name = 'SCIM URL';
  const wanted = `${publicUrl}/scim/v2/ServiceProviderConfig`;
  if (heard.status >= 300 && heard.status < 400) {
    return fail(
      name,
      `${publicUrl}/scim/v2 redirects (HTTP ${heard.status}), and identity providers do not follow.`,
      'Set PUBLIC_URL to the address it leads to.',
    );
  }
  const told = documentOf(heard.body);
  if (heard.status !== 200 || !told.schemas.includes(CONFIG_SCHEMA)) {
    return fail(
      name,
      `${publicUrl}/scim/v2 answers with HTTP ${heard.status}, but not as this service does.`,
      'Let the proxy pass /scim/v2 on with its path unchanged, to processes with ROLE api or all.',
    );
  }
  if (told.location !== wanted) {
    return fail(
      name,
      `Another maxio-scim, or one with another PUBLIC_URL, answers at ${publicUrl}: it calls itself ${told.location.slice(0, 200)}.`,
      'Give every process the same PUBLIC_URL, and let the proxy lead to them.',
    );
  }
  return pass(name, `${publicUrl}/scim/v2 leads here.`);
}

async function readyCheck(publicUrl: string): Promise<DoctorCheck> {
  const name = 'readiness';
  const heard = await hear(`${publicUrl}/readyz`).catch(() => undefined);
  if (heard?.status === 200) {
    const { reasons } = documentOf(heard.body);
    if (reasons.length === 0) return pass(name, 'The process that answers at PUBLIC_URL is ready.');
    const cure = 'The other sites are served. maxio-scim status tells what this one waits for.';
    return warn(name, `The process that answers at PUBLIC_URL is ready, but not for every site. ${reasons.join(' ')}`, cure);
  }
  if (heard?.status === 503) {
    const { reasons } = documentOf(heard.body);
    const why = reasons.length === 0 ? '' : ` ${reasons.join(' ')}`;
    return fail(name, `The process that answers at PUBLIC_URL is not ready.${why}`, 'maxio-scim status tells what it waits for.');
  }
  return warn(
    name,
    'PUBLIC_URL does not answer /readyz, so its readiness is not known from outside.',
    'This is right when the proxy lets only /scim/v2 through; else let /readyz through too.',
  );
}

function documentOf(body: string): { schemas: string[]; location: string; reasons: string[] } {
  try {
    const read = JSON.parse(body) as { schemas?: unknown; meta?: { location?: unknown } | null; reasons?: unknown } | null;
    const texts = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);
    return { schemas: texts(read?.schemas), location: String(read?.meta?.location ?? 'nothing'), reasons: texts(read?.reasons) };
  } catch {
    return { schemas: [], location: 'nothing', reasons: [] };
  }
}

function unreachable(publicUrl: string, error: unknown): DoctorCheck {
  const name = 'SCIM URL';
  const { code = 'no answer' } = error as NodeJS.ErrnoException;
  if (code === 'CERT_HAS_EXPIRED') {
    return fail(name, `The certificate of ${publicUrl} has expired; identity providers refuse it.`, 'Renew the certificate.');
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return fail(
      name,
      `The certificate at ${publicUrl} is for another name; identity providers refuse it.`,
      'Use a certificate for the host of PUBLIC_URL.',
    );
  }
  if (/SELF_SIGNED|UNABLE_TO_|CERT_|ERR_TLS|ERR_SSL|EPROTO/.test(code)) {
    return fail(
      name,
      `TLS with ${publicUrl} fails (${code}); identity providers refuse it.`,
      'Use a certificate of a public authority, with its intermediate certificates.',
    );
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return fail(name, `The host of ${publicUrl} has no address (${code}).`, 'Correct PUBLIC_URL or the DNS entry.');
  }
  return fail(
    name,
    `${publicUrl} cannot be reached from here (${code}).`,
    'Check PUBLIC_URL, the proxy and the firewall; from inside some networks the public address is not reachable although it is from outside.',
  );
}

/** Asks once, without following, without a token. @throws Error with a code */
async function hear(url: string): Promise<Heard> {
  const { promise, resolve, reject } = Promise.withResolvers<Heard>();
  const target = new URL(url);
  const send = target.protocol === 'https:' ? requestTls : requestPlain;
  const asked = send(target, { agent: false, signal: AbortSignal.timeout(PATIENCE_MS), headers: { accept: 'application/json' } });
  asked.once('error', reject);
  asked.once('response', (answer) => {
    // Once the body has been read the connection may have gone, and its certificate with it.
    const validTo = validToOf(answer);
    readText(answer).then((body) => resolve({ status: answer.statusCode ?? 0, body, validTo }), reject);
  });
  asked.end();
  return await promise.catch((error: Error & { code?: string }) => {
    // Whatever took too long is told the same, whether it was the connection or the answer.
    if (error.name === 'AbortError' || error.name === 'TimeoutError')
      throw Object.assign(new Error('slow'), { code: 'ETIMEDOUT' });
    throw error;
  });
}

async function readText(answer: IncomingMessage): Promise<string> {
  answer.setEncoding('utf8');
  let text = '';
  for await (const chunk of answer) {
    text += String(chunk);
    if (text.length > ANSWER_CHARS_MAX) {
      answer.destroy();
      break;
    }
  }
  return text;
}

function validToOf({ socket }: IncomingMessage): string | undefined {
  return 'getPeerCertificate' in socket ? (socket as TLSSocket).getPeerCertificate().valid_to : undefined;
}

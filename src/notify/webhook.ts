/**
 * Owns the JSON webhook: one POST a message, with a `text` that Slack shows and fields that programs read.
 * Refuses redirects (the answer would be somebody else's), slow receivers, and to print the address: its path is the key.
 * Slack: docs.slack.dev, "Sending messages using incoming webhooks" and "Formatting message text" (only & < > are escaped).
 */
import { Agent, request } from 'undici';
import type { Secret } from '../secret.ts';
import { type Channel, NotDelivered } from './channel.ts';
import { headline, linesOf, type Message } from './message.ts';
import { plain } from './words.ts';

const DEADLINE_MS = 10_000;
const ANSWER_BYTES_MAX = 65_536;

/** Open the channel. @param deadlineMs how long one message may take in all */
export function openWebhook(url: Secret, deadlineMs = DEADLINE_MS): Channel {
  const dispatcher = new Agent({ connections: 2, pipelining: 0, connect: { timeout: deadlineMs } });
  return {
    name: 'webhook',
    async send(message) {
      let status: number;
      try {
        const answer = await request(url.reveal(), {
          dispatcher,
          method: 'POST',
          headers: { 'content-type': 'application/json; charset=utf-8', 'user-agent': 'maxio-scim' },
          body: JSON.stringify(bodyOf(message)),
          signal: AbortSignal.timeout(deadlineMs),
        });
        status = answer.statusCode;
        // What the receiver says is of no use and may be endless; the status is the answer.
        await answer.body.dump({ limit: ANSWER_BYTES_MAX, signal: AbortSignal.timeout(deadlineMs) }).catch(() => undefined);
      } catch (error) {
        throw unreached(error, deadlineMs);
      }
      if (status < 200 || status > 299) throw refused(status);
    },
    close: async () => await dispatcher.destroy(),
  };
}

/** Shape a message for receivers. */
function bodyOf(message: Message): Record<string, unknown> {
  const { site, topic, state, severity, what, who, todo, runbook, sinceMs, atMs, test } = message;
  return {
    text: [`*${severity}* ${slack(`${plain(site)}: ${headline(message)}`)}`, ...linesOf(message).map(slack)].join('\n'),
    service: 'maxio-scim',
    site,
    topic,
    state,
    severity,
    what,
    who,
    todo,
    ...(runbook === undefined ? {} : { runbook }),
    since: new Date(sinceMs).toISOString(),
    at: new Date(atMs).toISOString(),
    test: test ?? null,
  };
}

/** Without these three, a userName could mention a whole channel or fake a link. */
function slack(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function refused(status: number): NotDelivered {
  const cure =
    status >= 300 && status < 400
      ? 'It redirects, which is refused; put the final address into NOTIFY_WEBHOOK_URL.'
      : status === 429 || status >= 500
        ? 'The receiver is in trouble; it is tried again.'
        : 'Check NOTIFY_WEBHOOK_URL and whether the receiver still exists.';
  return new NotDelivered(`The webhook receiver answered ${status}. ${cure}`, String(status));
}

function unreached(error: unknown, deadlineMs: number): NotDelivered {
  const { name, code } = error as { name?: string; code?: unknown };
  if (name === 'TimeoutError' || code === 'UND_ERR_CONNECT_TIMEOUT')
    return new NotDelivered(
      `The webhook receiver did not answer within ${deadlineMs / 1_000} s. Check that it runs and can be reached from here.`,
      'TIMEOUT',
    );
  const word = typeof code === 'string' && /^[A-Z0-9_]{1,40}$/.test(code) ? code : 'FAILED';
  return new NotDelivered(
    `The webhook receiver could not be reached (${word}). Check NOTIFY_WEBHOOK_URL, the name and the network.`,
    word,
  );
}

/**
 * Owns mail: one plain text message each, through the configured server, threaded by story so that a mailbox shows it as one conversation.
 * Refuses unencrypted servers other than on this machine, contents fetched from files or addresses, and options smuggled into NOTIFY_SMTP_URL.
 * RFC 5321, RFC 5322 §3.6.4 (threads), RFC 3207 (STARTTLS); nodemailer.com "SMTP transport".
 */
import { createTransport } from 'nodemailer';
import type { Secret } from '../secret.ts';
import { type Channel, NotDelivered } from './channel.ts';
import { headline, linesOf } from './message.ts';
import { plain } from './words.ts';

export interface MailOptions {
  url: Secret;
  from: string;
  to: string;
}

const CONNECT_MS = 10_000;
const SILENCE_MS = 15_000;
const TOTAL_MS = 30_000;
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Open the channel; a connection is made for each message. @param totalMs how long one message may take in all */
export function openMail({ url, from, to }: MailOptions, totalMs = TOTAL_MS): Channel {
  const transport = createTransport({
    ...serverOf(url),
    connectionTimeout: CONNECT_MS,
    greetingTimeout: CONNECT_MS,
    socketTimeout: SILENCE_MS,
  });
  const domain = /@([A-Za-z0-9.-]+)[\s>"]*$/.exec(from)?.[1] ?? 'maxio-scim.invalid';
  return {
    name: 'mail',
    async send(message) {
      const { id, thread, site, topic, severity } = message;
      const root = `<${thread}@${domain}>`;
      const place = plain(site);
      const urgent = severity === 'page';
      const sent = transport.sendMail({
        from,
        to,
        subject: `[maxio-scim ${place}] ${headline(message)}`,
        text: `${linesOf(message).join('\n\n')}\n`,
        messageId: `<${id}@${domain}>`,
        ...(id === thread ? {} : { inReplyTo: root, references: root }),
        // No answers from holiday mailboxes (RFC 3834).
        headers: { 'Auto-Submitted': 'auto-generated', 'X-Maxio-Scim-Site': place, 'X-Maxio-Scim-Topic': topic },
        ...(urgent ? { priority: 'high' as const } : {}),
        disableFileAccess: true,
        disableUrlAccess: true,
        signal: AbortSignal.timeout(totalMs),
      });
      await sent.catch((error: unknown) => {
        throw refused(error);
      });
    },
    close: async () => transport.close(),
  };
}

/** Only what an address can say: options of the library in its query are not listened to. */
function serverOf(secret: Secret): {
  host: string;
  port: number;
  secure: boolean;
  requireTLS: boolean;
  ignoreTLS: boolean;
  auth?: { user: string; pass: string };
} {
  const url = new URL(secret.reveal());
  const secure = url.protocol === 'smtps:';
  const local = LOOPBACK.has(url.hostname);
  const [user, pass] = [url.username, url.password].map(decodeURIComponent) as [string, string];
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (secure ? 465 : 587) : Number(url.port),
    secure,
    requireTLS: !secure && !local,
    ignoreTLS: !secure && local,
    ...(user === '' ? {} : { auth: { user, pass } }),
  };
}

const CURES: Record<string, string> = {
  EAUTH: 'The mail server refuses the login. Check user and password in NOTIFY_SMTP_URL.',
  ETLS: 'The mail server offers no encryption, or its certificate is not valid here. Use its smtps:// address, or mend its certificate.',
  EENVELOPE: 'The mail server refuses the sender or a receiver. Check NOTIFY_FROM and NOTIFY_TO.',
  EDNS: 'The name of the mail server is not known here. Check NOTIFY_SMTP_URL.',
  ETIMEDOUT: 'The mail server did not answer in time. Check NOTIFY_SMTP_URL and the way out of this network.',
  ECONNECTION: 'The mail server could not be reached. Check NOTIFY_SMTP_URL and the way out of this network.',
  ESOCKET: 'The connection to the mail server failed. Check NOTIFY_SMTP_URL, its port, and its certificate.',
  EMESSAGE: 'The mail server did not take the message.',
};

/** The library's error quotes the server, which may quote addresses; only its codes leave here. */
function refused(error: unknown): NotDelivered {
  const { name, code, responseCode } = error as { name?: string; code?: unknown; responseCode?: unknown };
  const word = name === 'TimeoutError' || code === 'EABORT' ? 'ETIMEDOUT' : typeof code === 'string' ? code : 'FAILED';
  const reply = typeof responseCode === 'number' ? `, answer ${responseCode}` : '';
  return new NotDelivered(`${CURES[word] ?? 'The message could not be sent by mail.'} (${word}${reply})`, word);
}

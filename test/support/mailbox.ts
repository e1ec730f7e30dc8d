/** Owns a real SMTP server for tests: it keeps what it accepts, headers unfolded and text decoded, and refuses when told to. Loopback only. */
import { once } from 'node:events';
import { SMTPServer } from 'smtp-server';

export interface Mail {
  from: string;
  to: string[];
  /** By name in lower case; a header that comes twice would show here as one text with both. */
  headers: Record<string, string>;
  text: string;
  raw: string;
}

export interface Mailbox {
  /** `smtp://…`, with the login where one is wanted. */
  url: string;
  mails: Mail[];
  /** Refuse every message from now on, with this code. */
  refuse: number | undefined;
  close(): Promise<void>;
}

/** Start a server. `login`: only this user may send; `tls`: it offers STARTTLS with a certificate nobody trusts. */
export async function startMailbox(options: { login?: { user: string; pass: string }; tls?: boolean } = {}): Promise<Mailbox> {
  const { login, tls = false } = options;
  const server = new SMTPServer({
    disabledCommands: [...(tls ? [] : ['STARTTLS']), ...(login === undefined ? ['AUTH'] : [])],
    authOptional: login === undefined,
    allowInsecureAuth: true,
    disableReverseLookup: true,
    onAuth: ({ username, password }, _session, done) =>
      username === login?.user && password === login?.pass ? done(null, { user: username }) : done(new Error('no such login')),
    onData: (stream, session, done) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        if (box.refuse !== undefined) return done(Object.assign(new Error('not now'), { responseCode: box.refuse }));
        const { mailFrom, rcptTo } = session.envelope;
        const raw = Buffer.concat(chunks).toString('utf8');
        box.mails.push({
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          ...parse(raw),
        });
        done();
      });
    },
  });
  server.on('error', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  const address = server.server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const who = login === undefined ? '' : `${encodeURIComponent(login.user)}:${encodeURIComponent(login.pass)}@`;
  const box: Mailbox = {
    url: `smtp://${who}127.0.0.1:${port}`,
    mails: [],
    refuse: undefined,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
  return box;
}

function parse(raw: string): Pick<Mail, 'headers' | 'text' | 'raw'> {
  const [head = '', ...rest] = raw.split('\r\n\r\n');
  const headers: Record<string, string> = {};
  for (const line of head.replace(/\r\n[ \t]+/g, ' ').split('\r\n')) {
    const at = line.indexOf(':');
    const name = line.slice(0, at).toLowerCase();
    headers[name] = [headers[name], line.slice(at + 1).trim()].filter((part) => part !== undefined).join('\n');
  }
  const body = rest.join('\r\n\r\n');
  const quoted = headers['content-transfer-encoding'] === 'quoted-printable';
  const text = quoted ? decode(body) : body.replace(/ \r\n/g, ' ');
  return { headers, text, raw };
}

function decode(body: string): string {
  const bytes = body
    .replace(/=\r\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/**
 * What the client makes of connections that break, stall, redirect or never open, and where the API key can go. The dividing line
 * everywhere: could a byte of the request have reached Maxio?
 */
import { createServer, type Socket } from 'node:net';
import { inspect } from 'node:util';
import { Pool } from 'undici';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { callResult } from '../../src/maxio/call-result.ts';
import { unanswered } from '../../src/maxio/classify.ts';
import { MaxioClient, type MaxioClientOptions } from '../../src/maxio/client.ts';
import { MaxioError } from '../../src/maxio/error.ts';
import { exchange, Unanswered } from '../../src/maxio/request.ts';
import { siteOrigin } from '../../src/maxio/site-url.ts';
import { Secret } from '../../src/secret.ts';
import { API_KEY, type Script, type ScriptedMaxio, startScriptedMaxio, whole } from '../support/scripted-maxio.ts';

let maxio: ScriptedMaxio;
beforeEach(async () => {
  maxio = await startScriptedMaxio();
});
afterEach(() => maxio.close());

async function failure(call: Promise<unknown>): Promise<MaxioError> {
  const err = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(err).toBeInstanceOf(MaxioError);
  return err as MaxioError;
}

function clientOf(baseUrl: string, options?: MaxioClientOptions): MaxioClient {
  return new MaxioClient({ region: 'us', subdomain: 'acme', apiKey: new Secret(API_KEY), baseUrl }, options);
}

const forever: Script = () => undefined;
const drip: Script = (socket) => {
  socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n');
  const timer = setInterval(() => socket.write(' '), 10);
  socket.once('close', () => clearInterval(timer));
};
const broken: [string, Script, MaxioClientOptions][] = [
  ['F42 reset without an answer', (socket) => socket.resetAndDestroy(), {}],
  ['F42 closed without an answer', (socket) => socket.end(), {}],
  ['F45 cut inside the body', (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"customer":{"id":1'), {}],
  ['F45 cut inside a chunk', (socket) => socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\n{"custo'), {}],
  ['not HTTP at all', (socket) => socket.end('220 mail.example.com ESMTP\r\n'), {}],
  ['F44 never answered', forever, { deadlineMs: 600 }],
  ['F55 dripped a byte at a time', drip, { deadlineMs: 600 }],
  ['F55 larger than the limit', whole(200, ' '.repeat(5_000)), { maxResponseBytes: 4_999 }],
];

test.each(broken)(
  '%s: a write is ambiguous, a read unavailable, the slot stays taken, nothing is repeated',
  async (_name, script, options) => {
    maxio.answer(script);
    const client = maxio.client(options);
    const writing = await failure(client.createCustomer('ann', { first_name: 'A' }, 't'));
    expect(writing).toMatchObject({ kind: 'ambiguous', sent: true, answered: false, aborted: false });
    expect(maxio.asked).toHaveLength(1);
    const reading = await failure(client.readCustomer('1'));
    expect(reading).toMatchObject({ kind: 'unavailable', sent: true, answered: false });
    expect(maxio.asked).toHaveLength(2);
    expect(callResult(writing)).toBe('unknown');
  },
);

test('an answer of exactly the size limit is read', async () => {
  const body = '{"customer":{"id":1}}';
  maxio.answer(whole(200, body));
  expect(await maxio.client({ maxResponseBytes: body.length }).readCustomer('1')).toMatchObject({ id: '1' });
});

test('after a broken exchange the client works on', async () => {
  const client = maxio.client({ connections: 1 });
  maxio.answer((socket) => socket.resetAndDestroy());
  await failure(client.readCustomer('1'));
  const stop = new AbortController();
  maxio.answer(() => stop.abort());
  await failure(client.readCustomer('1', stop.signal));
  maxio.answer(whole(200, '{"customer":{"id":1}}'));
  expect(await client.readCustomer('1')).toMatchObject({ id: '1' });
});

test('F56 a refused connection proves that nothing was sent, for writes too', async () => {
  const client = maxio.client();
  await maxio.close();
  const err = await failure(clientOf(maxio.url).createCustomer('a', {}, 't'));
  expect(err).toMatchObject({ kind: 'unavailable', sent: false, answered: false, reason: 'connection refused' });
  expect(callResult(err)).toBe('failed');
  await client.close();
});

test('F56 a host name that nobody knows proves that nothing was sent, and is told apart from a Maxio that refuses', async () => {
  // A client goes to Maxio or to this machine only, so this is asked of what its calls are made of. No server has to be asked about a label so long.
  const pool = new Pool(`http://${'nobody'.repeat(11)}.invalid`);
  const call = { method: 'POST', template: '/customers.json', words: 'create a customer' } as const;
  const out = { method: call.method, path: call.template, headers: {}, body: '{}', deadlineMs: 20_000, answerBytesMax: 1_000 };
  const fault: unknown = await exchange(pool, out).catch((thrown: unknown) => thrown);
  expect(fault).toBeInstanceOf(Unanswered);
  expect(fault).toMatchObject({
    sent: false,
    message: expect.stringMatching(/^host name not resolved \((ENOTFOUND|EAI_AGAIN)\)$/),
  });
  const err = unanswered(call, fault as Unanswered);
  expect(err).toMatchObject({ kind: 'unavailable', sent: false, answered: false, reason: (fault as Unanswered).message });
  expect(callResult(err)).toBe('failed');
  await pool.close();
});

test('F56 a failed TLS handshake proves that nothing was sent', async () => {
  const client = clientOf(maxio.url.replace('http:', 'https:'));
  const err = await failure(client.createCustomer('a', {}, 't'));
  expect(err).toMatchObject({ kind: 'unavailable', sent: false });
  expect(err.reason).toMatch(/TLS|SSL|EPROTO/);
  expect(maxio.asked).toEqual([]);
  await client.close();
});

test('F44 a deadline that passes while connecting proves that nothing was sent, and nothing is sent later', async () => {
  const sockets: Socket[] = [];
  const seen: Buffer[] = [];
  const mute = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined).on('data', (bytes: Buffer) => seen.push(bytes));
  });
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
  const { port } = mute.address() as { port: number };
  const client = clientOf(`https://127.0.0.1:${port}`, { deadlineMs: 60 });
  expect(await failure(client.createCustomer('a', {}, 't'))).toMatchObject({ kind: 'unavailable', sent: false });
  for (const socket of sockets) socket.destroy();
  await client.close();
  // Only the TLS greeting, never the request.
  expect(Buffer.concat(seen).toString('latin1')).not.toContain('customers');
  await new Promise((resolve) => mute.close(resolve));
});

test('F44 a call that was given up while it waited for a connection is never sent', async () => {
  const client = maxio.client({ connections: 1, deadlineMs: 20_000 });
  const stop = new AbortController();
  const waiting = Promise.withResolvers<MaxioError>();
  maxio.answer((socket, asked) => {
    waiting.resolve(failure(client.createCustomer('a', {}, 't', stop.signal)));
    setImmediate(() => {
      stop.abort();
      whole(200, '{"customer":{"id":1}}')(socket, asked);
    });
  });
  await client.readCustomer('1');
  expect(await waiting.promise).toMatchObject({ kind: 'unavailable', sent: false, aborted: true });
  maxio.answer(whole(200, '{"customer":{"id":1}}'));
  await client.readCustomer('1');
  expect(maxio.asked.map((asked) => asked.method)).toEqual(['GET', 'GET']);
});

test('the caller can give up: before sending it costs nothing, after sending the outcome is unknown', async () => {
  const client = maxio.client();
  const before = await failure(client.hold('1', AbortSignal.abort()));
  expect(before).toMatchObject({ kind: 'unavailable', sent: false, aborted: true });
  expect(callResult(before)).toBe('unsent');
  expect(maxio.asked).toEqual([]);

  const stop = new AbortController();
  maxio.answer(() => stop.abort());
  const after = await failure(client.hold('1', stop.signal));
  expect(after).toMatchObject({ kind: 'ambiguous', sent: true, answered: false, aborted: true });
  expect(callResult(after)).toBe('unknown');
});

test('F54 a redirect is refused and the key goes nowhere else', async () => {
  const other = await startScriptedMaxio();
  try {
    for (const status of [301, 302, 303, 307, 308]) {
      maxio.answer(whole(status, '', { location: `${other.url}/customers/1.json` }));
      expect((await failure(maxio.client().readCustomer('1'))).reason).toBe('redirect refused');
    }
    expect(other.connections).toBe(0);
  } finally {
    await other.close();
  }
});

test('S10 the key shows up in no error, no inspection, no JSON, even if the peer echoes it', async () => {
  const client = maxio.client();
  const basic = Buffer.from(`${API_KEY}:x`).toString('base64');
  maxio.answer((socket, asked) =>
    whole(422, JSON.stringify({ errors: [`bad ${asked.headers.authorization} ${API_KEY}`] }))(socket, asked),
  );
  const echoed = await failure(client.createCustomer('a', {}, 't'));
  maxio.answer((socket) => socket.resetAndDestroy());
  const reset = await failure(client.createCustomer('a', {}, 't'));
  maxio.answer((socket) => socket.end(`garbage ${basic} ann@example.com\r\n\r\n`));
  const garbled = await failure(client.createCustomer('a', {}, 't'));
  const depth = { depth: 20, showHidden: true };
  const shown = [client, echoed, reset, garbled]
    .flatMap((each) => [inspect(each, depth), JSON.stringify(each), String(each)])
    .join('\n');
  expect(echoed.messages).toEqual(['bad Basic [secret] [secret]']);
  expect(shown).not.toContain(API_KEY);
  expect(shown).not.toContain(basic);
  expect(shown).not.toContain('ann@example.com');
});

test('S12 the host is built from the subdomain and the region only', () => {
  expect(siteOrigin({ region: 'us', subdomain: 'acme' })).toBe('https://acme.chargify.com');
  expect(siteOrigin({ region: 'eu', subdomain: 'a-1' })).toBe('https://a-1.ebilling.maxio.com');
  for (const subdomain of ['', 'Acme', 'a.b', 'a/b', 'a@b', '-a', 'a-', 'a\n', 'a#', 'ä', 'a'.repeat(64)]) {
    expect(() => siteOrigin({ region: 'us', subdomain }), subdomain).toThrow(TypeError);
  }
  expect(() => siteOrigin({ region: '__proto__' as 'us', subdomain: 'acme' })).toThrow(TypeError);
});

test('S12 a base URL can only be this machine', () => {
  const at = (baseUrl: string): string => siteOrigin({ region: 'us', subdomain: 'acme', baseUrl });
  expect(at('http://127.0.0.1:8090')).toBe('http://127.0.0.1:8090');
  expect(at('https://[::1]:1/')).toBe('https://[::1]:1');
  expect(at('http://localhost:8090')).toBe('http://localhost:8090');
  const refused = [
    'http://example.com',
    'http://127.0.0.1.example.com',
    'http://localhost.example.com',
    'http://0.0.0.0',
    'http://10.0.0.1',
    'http://169.254.169.254',
    'http://u:p@127.0.0.1',
    'http://127.0.0.1@example.com',
    'http://127.0.0.1/path',
    'http://127.0.0.1/?q',
    'ftp://127.0.0.1',
    'file:///etc/passwd',
    'nonsense',
    '',
  ];
  for (const url of refused) expect(() => at(url), url).toThrow(TypeError);
});

test('F79 a refusal of a key that was replaced while the call was at work is no news about the key there is', async () => {
  const apiKey = new Secret(API_KEY);
  const client = new MaxioClient({ region: 'us', subdomain: 'acme', apiKey, baseUrl: maxio.url });
  maxio.answer((socket, asked) => {
    apiKey.replace('another-key-0123');
    whole(401, `no, ${API_KEY}`)(socket, asked);
  });
  const late = await failure(client.updateCustomer('1', { first_name: 'A' }));
  expect(late).toMatchObject({ kind: 'unavailable', status: 401, sent: true, answered: true });
  expect(inspect(late)).not.toContain(API_KEY);
  maxio.answer(whole(401, 'no'));
  expect((await failure(client.readSite())).kind, 'the new one is refused, too').toBe('unauthorized');
  await client.close();
});

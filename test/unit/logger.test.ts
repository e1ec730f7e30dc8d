/**
 * Owns the promise that no credential reaches a log line, wherever it hides (S13), and that one event stays one line.
 * Plants canaries in every place that pino's own redaction is known to miss.
 */
import { Redis } from 'ioredis';
import { request } from 'undici';
import { describe, expect, it } from 'vitest';
import { createLogger, createMask, type LoggerOptions } from '../../src/logger.ts';
import { Secret } from '../../src/secret.ts';

const canary = 'c4n4ry-5ecret/with+odd="chars';
const password = 'r3d15-p4ss';

/** Creates a logger that writes into an array. */
function listening(options: Partial<LoggerOptions> = {}) {
  const lines: string[] = [];
  const secrets = [new Secret(canary), new Secret(`redis://app:${password}@cache.internal:6379/0`)];
  const logger = createLogger({ level: 'trace', secrets, ...options }, { write: (line: string) => lines.push(line) });
  return { logger, lines };
}

describe('a log line', () => {
  it('is JSON with level as a word, ISO time, name and base fields, and no host name', () => {
    const { logger, lines } = listening({ base: { role: 'worker' } });
    logger.info({ site: 'us.acme' }, 'ready');
    const line = JSON.parse(lines[0] ?? '');
    expect(line).toMatchObject({ level: 'info', name: 'maxio-scim', role: 'worker', site: 'us.acme', msg: 'ready' });
    expect(line.time).toMatch(/^\d{4}-\d{2}-\d{2}T/);
    expect(Object.keys(line)).not.toContain('hostname');
  });

  it.each<[string, object]>([
    ['in a nested field', { a: { b: { c: canary } } }],
    [
      'in a field name in another letter case',
      { headers: { Authorization: 'Whatever 0123456789' }, apiKey: 'x0123456789', OPS_TOKEN: 'y0123456789' },
    ],
    ['in an array', { list: [`x ${canary} y`] }],
    ['as a bearer header', { text: 'Bearer abcdef0123456789' }],
    ['as a basic header', { text: `Basic ${Buffer.from(`${canary}:x`).toString('base64')}` }],
    ['as base64 alone', { text: Buffer.from(`${canary}:x`).toString('base64') }],
    ['percent-encoded', { text: `https://host/?token=${encodeURIComponent(canary)}` }],
    ['in the password of a URL', { text: `redis://app:${password}@cache.internal:6379` }],
    ['in the password of a foreign URL', { text: 'https://me:x0123456789@host/path' }],
    ['in an error message', { err: new Error(`refused: ${canary}`) }],
    ['in a cause', { err: new Error('outer', { cause: new Error(`inner ${canary}`) }) }],
    [
      'in the fields of an error',
      { err: Object.assign(new Error('x'), { config: { headers: { auth: canary } }, body: canary, request: canary }) },
    ],
    ['in an error in another field', { error: Object.assign(new Error('x'), { command: { args: [canary] } }) }],
    ['in an AggregateError', { err: new AggregateError([new Error(canary)], 'many') }],
    ['wrapped', { secret: new Secret(canary), list: [new Secret(canary)] }],
  ])('S13: masks a secret %s', (_where, fields) => {
    const { logger, lines } = listening();
    logger.error(fields, 'event');
    const text = lines.join('');
    JSON.parse(text);
    for (const leak of [canary, JSON.stringify(canary).slice(1, -1), encodeURIComponent(canary), password, '0123456789']) {
      expect(text).not.toContain(leak);
    }
    expect(text).not.toContain(Buffer.from(canary).toString('base64').slice(0, 16));
  });

  it('S13: masks a secret in the message itself', () => {
    const { logger, lines } = listening();
    logger.warn(`sent with Bearer ${'a'.repeat(32)} and ${canary}`);
    expect(JSON.parse(lines[0] ?? '').msg).toBe('sent with Bearer [secret] and [secret]');
  });

  it('S13: masks in a child logger too', () => {
    const { logger, lines } = listening();
    logger.child({ token: canary }).info(canary);
    expect(lines.join('')).not.toContain('c4n4ry');
  });

  it('keeps what a request says about a person out: no query, no headers', () => {
    const { logger, lines } = listening();
    const req = {
      id: 'r-1',
      method: 'GET',
      url: '/scim/v2/Users?filter=userName%20eq%20%22ann%22',
      headers: { authorization: `Bearer ${canary}` },
      routeOptions: { url: '/scim/v2/Users' },
    };
    logger.info({ req }, 'request');
    expect(JSON.parse(lines[0] ?? '').req).toEqual({ id: 'r-1', method: 'GET', route: '/scim/v2/Users' });
  });

  it('masks e-mail addresses, and leaves paths and versions alone', () => {
    const { logger, lines } = listening();
    logger.info(
      { text: 'Email ann.smith+x@mail.example.com is taken', stack: 'node_modules/@fastify/sensible@6.0.6/index.js' },
      'x',
    );
    expect(lines[0]).toContain('Email [e-mail] is taken');
    expect(lines[0]).toContain('node_modules/@fastify/sensible@6.0.6/index.js');
  });

  it('stays one line whatever a field holds', () => {
    const { logger, lines } = listening();
    logger.info({ text: 'a\r\n{"level":"fatal"}\u2028\u2029\u0085\u001b[31m\u009b1m' }, 'b\nc');
    expect(lines).toHaveLength(1);
    expect((lines[0] ?? '').trimEnd()).toMatch(/^[\x20-\x7e]+$/);
    expect(JSON.parse(lines[0] ?? '').text).toContain('\u2028');
  });

  it('names type, code and causes of an error', () => {
    const { logger, lines } = listening();
    const cause = Object.assign(new Error('connect refused'), { code: 'ECONNREFUSED' });
    logger.error({ err: Object.assign(new TypeError('no answer', { cause }), { kind: 'unavailable', status: 503 }) }, 'x');
    expect(JSON.parse(lines[0] ?? '').err).toMatchObject({
      type: 'TypeError',
      message: 'no answer',
      kind: 'unavailable',
      status: 503,
      cause: { code: 'ECONNREFUSED' },
    });
  });

  it('survives a circle of causes', () => {
    const { logger, lines } = listening();
    const err = new Error('a');
    err.cause = err;
    logger.error({ err }, 'x');
    expect(lines).toHaveLength(1);
  });
});

describe('a secret that is replaced while the process runs', () => {
  it('F79 S13: neither the new, nor the one before, nor one that was only tried is ever printed', () => {
    const secret = new Secret('first-key-0123');
    const { logger, lines } = listening({ secrets: [secret] });
    logger.info('first-key-0123 second-key-4567 tried-key-89ab');
    secret.hide('tried-key-89ab');
    secret.replace('second-key-4567');
    logger.info(`first-key-0123 second-key-4567 tried-key-89ab ${Buffer.from('first-key-0123:x').toString('base64')}`);
    expect(lines[0]).toContain('[secret] second-key-4567 tried-key-89ab');
    expect(lines[1]).toContain('[secret] [secret] [secret] [secret]');
    expect(secret.reveal()).toBe('second-key-4567');
  });
});

describe('errors of the libraries', () => {
  it('S13: undici leaks no authorization', async () => {
    const { logger, lines } = listening();
    const err = await request('http://127.0.0.1:1/', {
      headers: { authorization: `Bearer ${canary}` },
      body: canary,
      method: 'POST',
    }).catch((e: unknown) => e);
    logger.error({ err }, 'call failed');
    expect(JSON.parse(lines[0] ?? '').err.code).toBe('ECONNREFUSED');
    expect(lines.join('')).not.toContain('c4n4ry');
  });

  it('S13: ioredis leaks neither password nor arguments', async () => {
    const { logger, lines } = listening();
    const redis = new Redis(`redis://app:${password}@127.0.0.1:1`, {
      enableOfflineQueue: false,
      lazyConnect: true,
      retryStrategy: null,
    });
    const seen: unknown[] = [];
    redis.on('error', (err) => seen.push(err));
    await redis.connect().catch((err: unknown) => seen.push(err));
    seen.push(await redis.set('k', canary).catch((err: unknown) => err));
    for (const err of seen) logger.error({ err }, 'redis');
    expect(lines.length).toBeGreaterThanOrEqual(2);
    expect(lines.join('')).not.toContain(password);
    expect(lines.join('')).not.toContain('c4n4ry');
  });
});

it('the mask takes linear time on hostile text', () => {
  const mask = createMask([new Secret(canary)]);
  for (const hostile of [
    'a'.repeat(200_000),
    'a.'.repeat(100_000),
    '//a:'.repeat(50_000),
    '"token":"'.repeat(20_000),
    `"${'token'.repeat(40_000)}"`,
  ]) {
    expect(mask(hostile).length).toBeGreaterThan(0);
  }
}, 5_000);

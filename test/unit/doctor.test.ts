/** Owns the promises of the doctor that need no service: what settings and mode alone tell, each finding shown wrong and right, with its cure. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Config, readConfig } from '../../src/config.ts';
import { checkConfig } from '../../src/doctor/check-config.ts';
import { checkMode } from '../../src/doctor/check-mode.ts';

const NOW_MS = Date.UTC(2027, 0, 15, 12);
const SECRETS = ['doctor-scim-token-5f1c', 'doctor-ops-token-77ab', 'doctor-api-key-0d3e', 'doctor-hook-key-91aa'];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'maxio-scim-doctor-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function operators(...entries: [name: string, role: string][]): string {
  const path = join(folder, `operators-${entries.length}-${entries.map(([name]) => name).join('')}.json`);
  const digest = (name: string): string => createHash('sha256').update(name).digest('hex');
  writeFileSync(path, JSON.stringify(entries.map(([name, role]) => ({ name, role, sha256: digest(name) }))));
  return path;
}

function config(env: Record<string, string> = {}): Config {
  return readConfig({
    REDIS_URL: 'redis://127.0.0.1:6379',
    MAXIO_SUBDOMAIN: 'acme',
    MAXIO_API_KEY: SECRETS[2],
    SCIM_TOKEN: SECRETS[0],
    OPS_TOKEN: SECRETS[1],
    ...env,
  });
}

const look = (name: string, env: Record<string, string> = {}) => {
  const checks = checkConfig(config(env), NOW_MS);
  for (const secret of SECRETS) expect(JSON.stringify(checks)).not.toContain(secret);
  for (const check of checks)
    expect(check.cure === '', `${check.name} has a cure exactly when it needs one`).toBe(check.status === 'pass');
  return checks.find((check) => check.name === name);
};

describe('operators', () => {
  test('one token cannot be two people', () => {
    expect(look('operators')).toMatchObject({
      status: 'warn',
      finding: expect.stringContaining('a second person is impossible'),
    });
  });

  test.each([
    [
      'fail',
      [
        ['ann', 'viewer'],
        ['bob', 'operator'],
      ],
    ],
    [
      'warn',
      [
        ['ann', 'approver'],
        ['bob', 'operator'],
      ],
    ],
    [
      'pass',
      [
        ['ann', 'approver'],
        ['bob', 'approver'],
      ],
    ],
  ] as [string, [string, string][]][])('%s when the file holds %j', (status, entries) => {
    expect(look('operators', { OPS_TOKENS_FILE: operators(...entries) })).toMatchObject({ status });
  });

  test('the author of a configuration must be one of them', () => {
    const file = operators(['ann', 'approver'], ['bob', 'approver']);
    expect(look('author', { OPS_TOKENS_FILE: file })).toMatchObject({ status: 'warn' });
    expect(look('author', { OPS_TOKENS_FILE: file, CONFIG_AUTHOR: 'eve' })).toMatchObject({ status: 'warn' });
    expect(look('author', { OPS_TOKENS_FILE: file, CONFIG_AUTHOR: 'bob' })).toMatchObject({ status: 'pass' });
    expect(look('author')).toMatchObject({ status: 'pass' });
  });
});

test('notifications go somewhere, and the address of a webhook stays a secret', () => {
  expect(look('notifications')).toMatchObject({ status: 'warn', cure: expect.stringContaining('NOTIFY_WEBHOOK_URL') });
  const hook = look('notifications', { NOTIFY_WEBHOOK_URL: 'https://hooks.example.com/T0/secret-path' });
  expect(hook).toMatchObject({ status: 'pass' });
  expect(JSON.stringify(hook)).not.toContain('secret-path');
  const mail = {
    NOTIFY_SMTP_URL: 'smtps://user:pass-word@mail.example.com',
    NOTIFY_FROM: 'a@example.com',
    NOTIFY_TO: 'b@example.com',
  };
  expect(look('notifications', mail)).toMatchObject({ status: 'pass', finding: expect.stringContaining('b@example.com') });
  expect(JSON.stringify(look('notifications', mail))).not.toContain('pass-word');
});

test.each([
  ['fail', 'http://scim.example.com'],
  ['warn', 'http://localhost:8080'],
  ['warn', 'https://127.0.0.1:8443'],
  ['pass', 'https://scim.example.com'],
])('PUBLIC_URL: %s for %s', (status, url) => {
  expect(look('public URL', { PUBLIC_URL: url })).toMatchObject({ status });
});

test.each([
  ['pass', {}],
  ['warn', { MAXIO_GUARD_FLOOR: '1000000' }],
  ['warn', { MAXIO_GUARD_HOUR_PERCENT: '100', MAXIO_GUARD_DAY_PERCENT: '100' }],
  ['pass', { MAXIO_GUARD_HOUR_PERCENT: '100', MAXIO_GUARD_DAY_PERCENT: '20' }],
  ['warn', { MAXIO_GUARD_CALM_SECONDS: '0' }],
] as const)('guard: %s with %j', (status, env) => {
  expect(look('us.acme guard', env)).toMatchObject({ status });
});

test.each([
  ['warn', undefined, 'not set'],
  ['fail', '2027-01-14', 'expired on 2027-01-14'],
  ['warn', '2027-01-15', 'in 0 days'],
  ['warn', '2027-02-13', 'in 29 days'],
  ['pass', '2027-02-15', 'until 2027-02-15'],
] as const)('the SCIM token: %s when its last day is %s', (status, day, words) => {
  const env: Record<string, string> = day === undefined ? {} : { SCIM_TOKEN_EXPIRES: day };
  expect(look('us.acme SCIM token', env)).toMatchObject({ status, finding: expect.stringContaining(words) });
});

test('webhooks and the address of Maxio are told', () => {
  expect(look('us.acme webhooks')).toMatchObject({ status: 'pass', finding: expect.stringContaining('No MAXIO_WEBHOOK_KEY') });
  expect(look('us.acme webhooks', { MAXIO_WEBHOOK_KEY: SECRETS[3] as string })).toMatchObject({
    finding: expect.stringContaining('is set'),
  });
  expect(look('us.acme address')).toMatchObject({ status: 'pass' });
  expect(look('us.acme address', { MAXIO_BASE_URL: 'http://127.0.0.1:8090' })).toMatchObject({ status: 'warn' });
});

describe('mode', () => {
  const by = { by: 'dana', atMs: NOW_MS, why: 'rollout' };

  test.each([
    [undefined, undefined, 'warn', /ROLE worker/],
    ['enforce', { state: 'done', unreferenced: 7 }, 'pass', /^$/],
    ['enforce', { state: 'running', unreferenced: 7 }, 'pass', /^$/],
    ['enforce', { state: 'running', unreferenced: null }, 'warn', /^maxio-scim survey --wait$/],
    ['enforce', { state: 'never', unreferenced: null }, 'warn', /^maxio-scim survey --wait$/],
    ['enforce', undefined, 'warn', /^maxio-scim survey --wait$/],
    ['paused', undefined, 'warn', /resume/],
    ['observe', { state: 'never' }, 'warn', /^maxio-scim survey$/],
    ['observe', { state: 'running' }, 'warn', /--wait/],
    ['observe', { state: 'done', unreferenced: 7 }, 'warn', /release/],
  ] as const)('%s with survey %j: %s', (mode, survey, status, cure) => {
    const check = checkMode('us.acme', mode === undefined ? undefined : { mode, ...by }, survey);
    expect(check).toMatchObject({ status, cure: expect.stringMatching(cure) });
    if (mode === 'observe' && survey?.state === 'done') expect(check.finding).toContain('7 customers without a reference');
    if (mode === 'enforce') expect(/No survey has ended/.test(check.finding)).toBe(status === 'warn');
  });

  test('a site that was released before needs no second release, only its mode', () => {
    const observe = { mode: 'observe', before: 'enforce', ...by } as const;
    const survey = { state: 'done', unreferenced: 7 } as const;
    expect(checkMode('us.acme', { ...observe, releasedAtMs: NOW_MS - 1 }, survey).cure).toMatch(/maxio-scim mode enforce/);
    expect(checkMode('us.acme', { ...observe, releasedAtMs: NOW_MS - 1 }, survey).cure).not.toMatch(/release/);
    expect(checkMode('us.acme', observe, survey).cure).toMatch(/release/);
  });
});

/** The keys of an issuer: a new key is found without a restart, an issuer that is away is not missed for keys that are known, and nobody can make it be asked often. */
import { flattenedVerify } from 'jose';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { IssuerKeys, IssuerUnavailable } from '../../src/http/issuer-keys.ts';
import { type Issuer, type KeyPair, makeKey, startIssuer } from '../support/oauth.ts';

let issuer: Issuer;
let first: KeyPair;
let second: KeyPair;

beforeEach(async () => {
  [first, second] = [await makeKey('first'), await makeKey('second')];
  issuer = await startIssuer(first.jwk);
});
afterEach(() => issuer.close());

/** Verifies with what the issuer has, as the token endpoint does. */
async function verify(keys: IssuerKeys, pair: KeyPair): Promise<string> {
  const [head = '', payload = '', signature = ''] = (await pair.sign({ sub: 'x' })).split('.');
  try {
    await flattenedVerify({ protected: head, payload, signature }, (header, token) =>
      keys.keyOf(issuer.jwksUrl, header ?? {}, token),
    );
    return 'good';
  } catch (error) {
    return error instanceof IssuerUnavailable ? 'later' : 'wrong';
  }
}

it('finds a key that the issuer has begun to use', async () => {
  const keys = new IssuerKeys({ unknownKeyMs: 0 });
  expect(await verify(keys, first)).toBe('good');
  expect(await verify(keys, second)).toBe('wrong');
  issuer.keys = [first.jwk, second.jwk];
  expect(await verify(keys, second)).toBe('good');
  expect(issuer.asked).toBe(3);
});

it('asks at most once in a while for keys that are not there, however many are tried', async () => {
  const keys = new IssuerKeys();
  expect(await verify(keys, first)).toBe('good');
  for (let i = 0; i < 20; i += 1) expect(await verify(keys, await makeKey(`stranger-${i}`, 'ES256'))).toBe('wrong');
  expect(issuer.asked).toBe(1);
});

it('drops a key that the issuer has dropped, as soon as it looks again', async () => {
  const keys = new IssuerKeys({ freshMs: 0 });
  expect(await verify(keys, first)).toBe('good');
  issuer.keys = [second.jwk];
  expect(await verify(keys, first)).toBe('wrong');
});

it('goes on with known keys while the issuer is away, for a day; a key it never saw has to wait', async () => {
  const clock = { nowMs: 0 };
  const keys = new IssuerKeys({ freshMs: 0, failedMs: 0, unknownKeyMs: 0, nowMs: () => clock.nowMs });
  expect(await verify(keys, first)).toBe('good');
  issuer.fault = { status: 503 };
  expect(await verify(keys, first)).toBe('good');
  expect(await verify(keys, second)).toBe('later');
  clock.nowMs = 86_400_000 + 1;
  expect(await verify(keys, first)).toBe('later');
  issuer.fault = undefined;
  expect(await verify(keys, first)).toBe('good');
});

it('asks an issuer that is away once in ten seconds', async () => {
  const clock = { nowMs: 1_000_000 };
  const keys = new IssuerKeys({ nowMs: () => clock.nowMs });
  issuer.fault = { status: 500 };
  for (let i = 0; i < 10; i += 1) expect(await verify(keys, first)).toBe('later');
  expect(issuer.asked).toBe(1);
  clock.nowMs += 10_000;
  issuer.fault = undefined;
  expect(await verify(keys, first)).toBe('good');
  expect(issuer.asked).toBe(2);
});

it('says that an issuer is away when it was there before, and then every ten minutes', async () => {
  const clock = { nowMs: 1_000_000 };
  const keys = new IssuerKeys({ freshMs: 0, failedMs: 0, unknownKeyMs: 0, nowMs: () => clock.nowMs });
  const [head = '', payload = '', signature = ''] = (await second.sign({ sub: 'x' })).split('.');
  const isNews = async (): Promise<boolean | undefined> => {
    try {
      await flattenedVerify({ protected: head, payload, signature }, (header, token) =>
        keys.keyOf(issuer.jwksUrl, header ?? {}, token),
      );
    } catch (error) {
      if (error instanceof IssuerUnavailable) return error.isNews;
    }
    return undefined;
  };
  issuer.fault = { status: 500 };
  expect([await isNews(), await isNews(), await isNews()]).toEqual([true, false, false]);
  clock.nowMs += 599_999;
  expect(await isNews()).toBe(false);
  clock.nowMs += 1;
  expect([await isNews(), await isNews()]).toEqual([true, false]);
  issuer.fault = undefined;
  expect(await isNews(), 'there, without this key').toBeUndefined();
  issuer.fault = { status: 500 };
  expect([await isNews(), await isNews()]).toEqual([true, false]);
});

it('does not wait for an issuer that says nothing', async () => {
  issuer.fault = 'silence';
  const startMs = performance.now();
  expect(await verify(new IssuerKeys(), first)).toBe('later');
  // Far longer than its patience, far shorter than for ever.
  expect(performance.now() - startMs).toBeLessThan(60_000);
}, 90_000);

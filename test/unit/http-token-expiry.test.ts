/** The last day of SCIM_TOKEN: until its end it opens, afterwards it is refused like any other wrong token and counted as what it is. */
import type { IncomingMessage } from 'node:http';
import { expect, it } from 'vitest';
import { createAuthenticator } from '../../src/http/auth.ts';
import type { SiteDoor } from '../../src/http/site-door.ts';
import { ScimError } from '../../src/scim/error.ts';
import { Secret } from '../../src/secret.ts';

const END = Date.parse('2027-06-30T23:59:59.999Z');

function doorOf(token: string, tokenExpires?: Date): SiteDoor {
  return {
    key: `us.${token}`,
    idp: 'okta',
    token: new Secret(token),
    tokenExpires,
    users: {} as SiteDoor['users'],
    groups: {} as SiteDoor['groups'],
    accepting: () => ({ ok: true }),
  };
}

function request(token: string): IncomingMessage {
  const authorization = `Bearer ${token}`;
  return { headers: { authorization }, rawHeaders: ['Authorization', authorization] } as unknown as IncomingMessage;
}

function at(nowMs: number): { ask: (token: string) => Promise<string>; failures: string[] } {
  const failures: string[] = [];
  const sites = [doorOf('first-token-0001', new Date(END)), doorOf('second-token-0002')];
  const authenticate = createAuthenticator({ sites, onFailure: (reason) => void failures.push(reason), nowMs: () => nowMs });
  const ask = async (token: string): Promise<string> => {
    try {
      return (await authenticate(request(token), '192.0.2.1')).door.key;
    } catch (error) {
      if (!(error instanceof ScimError)) throw error;
      return `${error.status} ${error.message}`;
    }
  };
  return { ask, failures };
}

it('opens until the last millisecond of its last day', async () => {
  const { ask, failures } = at(END);
  expect(await ask('first-token-0001')).toBe('us.first-token-0001');
  expect(failures).toEqual([]);
});

it('B48 is refused from then on in the words of every refusal, with the cure, and counted as expired', async () => {
  const { ask, failures } = at(END + 1);
  const refused = await ask('first-token-0001');
  expect(refused).toMatch(/^401 .*expired.*maxio-scim token create/);
  expect(await ask('wrong-token-00003')).toBe(refused);
  expect(failures).toEqual(['expired', 'unknown']);
});

it('the token of another site stays good', async () => {
  const { ask, failures } = at(END + 1);
  expect(await ask('second-token-0002')).toBe('us.second-token-0002');
  expect(failures).toEqual([]);
});

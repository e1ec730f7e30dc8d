/** The last day of a SCIM token: until its end it opens, afterwards it is refused with the cure, and only to those who have it. */
import type { IncomingMessage } from 'node:http';
import { expect, it } from 'vitest';
import { type AuthFailure, createAuthenticator } from '../../src/http/auth.ts';
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
    accepting: () => ({ ok: true }),
  };
}

function request(token: string): IncomingMessage {
  const authorization = `Bearer ${token}`;
  return { headers: { authorization }, rawHeaders: ['Authorization', authorization] } as unknown as IncomingMessage;
}

function at(nowMs: number): { ask: (token: string) => string; failures: AuthFailure[] } {
  const failures: AuthFailure[] = [];
  const sites = [doorOf('first-token-0001', new Date(END)), doorOf('second-token-0002')];
  const authenticate = createAuthenticator({ sites, onFailure: (reason) => void failures.push(reason), nowMs: () => nowMs });
  const ask = (token: string): string => {
    try {
      return authenticate(request(token)).door.key;
    } catch (error) {
      if (!(error instanceof ScimError)) throw error;
      return `${error.status} ${error.message}`;
    }
  };
  return { ask, failures };
}

it('opens until the last millisecond of its last day', () => {
  const { ask, failures } = at(END);
  expect(ask('first-token-0001')).toBe('us.first-token-0001');
  expect(failures).toEqual([]);
});

it('is refused from then on, with the cure, and counted as expired', () => {
  const { ask, failures } = at(END + 1);
  expect(ask('first-token-0001')).toMatch(/^401 .*has expired.*SCIM_TOKEN and SCIM_TOKEN_EXPIRES/);
  expect(failures).toEqual(['expired']);
});

it('tells those who do not have it nothing of its end, and the token of another site stays good', () => {
  const { ask, failures } = at(END + 1);
  expect(ask('wrong-token-00003')).not.toContain('expired');
  expect(ask('second-token-0002')).toBe('us.second-token-0002');
  expect(failures).toEqual(['unknown']);
});

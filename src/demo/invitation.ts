/** Owns what the demo invites its reader to do: the addresses, the tokens, and lines that work when they are pasted. No behaviour. */

import { EXISTING } from './options.ts';

export interface Facts {
  address: string;
  /** The others than the usual ports, as variables. */
  ports: string[];
  sandboxUrl: string;
  tokens: { scim: string; ops: string };
  redis: { words: string; slow: boolean };
  /** Of Node. */
  version: string;
}

/** Tells where everything is, with three lines to try. */
export function startLines(facts: Facts): string[] {
  const { address, sandboxUrl, tokens } = facts;
  const you = JSON.stringify({
    userName: 'you@example.com',
    externalId: 'you-1',
    name: { givenName: 'You', familyName: 'Yourself' },
  });
  return [
    'maxio-scim demo: SCIM 2.0 in front of a local sandbox of Maxio Advanced Billing. Nothing leaves this machine.',
    ...placeLines(facts),
    'Three lines to try: somebody joins, what Maxio has then, and the whole story of that person.',
    '',
    `  curl -s -H 'Authorization: Bearer ${tokens.scim}' -H 'Content-Type: application/scim+json' -d '${you}' ${address}/scim/v2/Users`,
    `  curl -s ${sandboxUrl}/__sandbox/state`,
    `  curl -s -H 'Authorization: Bearer ${tokens.ops}' '${address}/ops/api/people/you@example.com?live=1'`,
  ];
}

function placeLines({ address, sandboxUrl, tokens, redis, version }: Facts): string[] {
  return [
    '',
    `  SCIM base URL  ${address}/scim/v2`,
    `  SCIM token     ${tokens.scim}`,
    `  Ops page       ${address}/ops`,
    `  OPS token      ${tokens.ops}`,
    `  Maxio sandbox  ${sandboxUrl}`,
    `  Redis          ${redis.words}`,
    `  Node           ${version}`,
    '',
  ];
}

const SLOW_SIZE_MAX = 200;
const SLOW = 'This Redis is slow. For so many people put a redis-server or valkey-server on PATH;';

/** Tells where everything is when a rollout is about to begin, with the line that makes the commands work. */
export function rolloutLines(facts: Facts, size: number): string[] {
  const { address, tokens, ports, redis } = facts;
  const patience = redis.slow && size > SLOW_SIZE_MAX ? [`${SLOW} --existing ${SLOW_SIZE_MAX} is quick with this one.`, ''] : [];
  return [
    `maxio-scim demo: a company with ${size.toLocaleString('en')} customers at Maxio is connected for the first time. Nothing leaves this machine.`,
    ...placeLines(facts),
    ...patience,
    'In another terminal, so that the commands below find it:',
    '',
    `  export ${[`MAXIO_SCIM_URL=${address}`, `OPS_TOKEN=${tokens.ops}`, ...ports].join(' ')}`,
  ];
}

/** Tells what an operator would do next. docs/onboarding.md goes through it step by step. */
export function nextLines({ address }: Facts, size: number): string[] {
  const existing = size === EXISTING ? '' : ` --existing ${size}`;
  const steps: [line: string, what: string][] = [
    [`npm run demo -- play everyone${existing}`, 'the identity providers push everybody'],
    ['npx maxio-scim plan', 'what would happen'],
    ['npx maxio-scim link plan --decide-unique --csv links.csv', 'who is who, for a spreadsheet'],
    ['npx maxio-scim link apply links.csv --wait', 'give customers their reference, one call each'],
    ['npx maxio-scim release', 'from now on Maxio is written to'],
    [`npm run demo -- play mistake${existing}`, 'everyone is deactivated, by mistake'],
    ['npx maxio-scim held', 'nobody is canceled: the guard waits for you'],
    ['npx maxio-scim pause', 'stops every call, at once'],
  ];
  return [
    '',
    `What an operator would do next; docs/onboarding.md goes through it step by step, and ${address}/ops shows it:`,
    '',
    ...steps.map(([line, what]) => `  ${line.padEnd(58)}# ${what}`),
    '',
    'Ctrl-C ends it.',
  ];
}

/** Tells that it stays up, with more to try. */
export function tryLines({ address, tokens }: Facts, empty: boolean): string[] {
  const who = empty ? 'you@example.com' : 'ines.costa@example.com';
  return [
    '',
    `The service stays up${empty ? ', without people' : ''}; the lines above work against it. The same story for people, from another terminal:`,
    '',
    `  MAXIO_SCIM_URL=${address} OPS_TOKEN=${tokens.ops} npx maxio-scim person ${who} --live`,
    '',
    'More than five leavers within an hour are held here, too, until somebody approves: npx maxio-scim held, and approve.',
    'How it comes to a site that has customers already: npm run demo -- --existing 2000',
    '',
    'Ctrl-C ends it.',
  ];
}

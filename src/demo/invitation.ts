/** Owns what the demo invites its reader to do: the addresses, the tokens, and lines that work when they are pasted. No behaviour. */

export interface Facts {
  address: string;
  sandboxUrl: string;
  tokens: { scim: string; ops: string };
  /** Which Redis it is, in words. */
  redis: string;
  /** Of Node. */
  version: string;
}

/** Tells where everything is, with three lines to try. */
export function startLines({ address, sandboxUrl, tokens, redis, version }: Facts): string[] {
  const you = JSON.stringify({
    userName: 'you@example.com',
    externalId: 'you-1',
    name: { givenName: 'You', familyName: 'Yourself' },
  });
  return [
    'maxio-scim demo: SCIM 2.0 in front of a local sandbox of Maxio Advanced Billing. Nothing leaves this machine.',
    '',
    `  SCIM base URL  ${address}/scim/v2`,
    `  SCIM token     ${tokens.scim}`,
    `  Ops page       ${address}/ops`,
    `  OPS token      ${tokens.ops}`,
    `  Maxio sandbox  ${sandboxUrl}`,
    `  Redis          ${redis}`,
    `  Node           ${version}`,
    '',
    'Three lines to try: somebody joins, what Maxio has then, and the whole story of that person.',
    '',
    `  curl -s -H 'Authorization: Bearer ${tokens.scim}' -H 'Content-Type: application/scim+json' -d '${you}' ${address}/scim/v2/Users`,
    `  curl -s ${sandboxUrl}/__sandbox/state`,
    `  curl -s -H 'Authorization: Bearer ${tokens.ops}' '${address}/ops/api/people/you@example.com?live=1'`,
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
    'Ctrl-C ends it.',
  ];
}

/** Owns the tokens of the demo: the same for everybody, which is why it listens on loopback only. No behaviour. */

export const TOKENS = { scim: 'demo-scim-token-0123456789', ops: 'demo-ops-token-0123456789', maxio: 'demo-maxio-key' } as const;

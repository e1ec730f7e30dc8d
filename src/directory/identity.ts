/**
 * Owns the two names a person gets for ever: the Maxio reference and the SCIM id.
 * Refuses to decide who is the same person (decide-create.ts). Both are pure functions, so a lost directory can be rebuilt with the same ids.
 */
import { createHash } from 'node:crypto';
import { v5 as uuidv5 } from 'uuid';

/** The namespace of every SCIM id. Changing it would orphan every id an IdP has stored. */
const NAMESPACE = '5b1c3f5e-6a54-4c57-9d2b-0f6f1d6f8f0a';

/** Long enough for every IdP id we know, short enough for a 255-character column with room for a suffix. */
const REFERENCE_LENGTH_MAX = 200;

/**
 * Encode the IdP's id of a person as a Maxio customer reference: characters outside `[A-Za-z0-9._@-]` become `~` and the hex of each UTF-8 byte,
 * because references with `+`, blanks or `%` have been seen not to resolve at Maxio. Longer ones are cut and end in a digest.
 */
export function encodeReference(idpId: string): string {
  const encoded = idpId.replaceAll(/[^A-Za-z0-9._@-]/gu, (character) => {
    const hex = Buffer.from(character, 'utf8').toString('hex');
    return `~${hex}`;
  });
  if (encoded.length <= REFERENCE_LENGTH_MAX) return encoded;
  const tail = createHash('sha256').update(idpId, 'utf8').digest('hex').slice(0, 32);
  return `${encoded.slice(0, REFERENCE_LENGTH_MAX - 33)}-${tail}`;
}

/** Number the reference for another person with the same IdP id: `ref`, `ref~2`, `ref~3` … */
export function numberedReference(base: string, n: number): string {
  return n < 2 ? base : `${base}~${n}`;
}

/** Derive the SCIM id: opaque, permanent, known before Maxio answers. */
export function scimId(site: { region: string; subdomain: string }, reference: string): string {
  return uuidv5(JSON.stringify([site.region, site.subdomain, reference]), NAMESPACE);
}

/** Read region and subdomain off the key of a site, `<region>.<subdomain>`. */
export function siteOfKey(key: string): { region: string; subdomain: string } {
  const dot = key.indexOf('.');
  return { region: key.slice(0, dot), subdomain: key.slice(dot + 1) };
}

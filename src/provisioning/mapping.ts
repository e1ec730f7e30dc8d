/**
 * Owns what of a SCIM person Maxio gets to see. Pure. Refuses anything about money: no product, price or payment field can be reached from SCIM.
 * Maxio requires first name, last name and e-mail; missing names are filled from displayName, then userName (the directory keeps what was sent),
 * a missing e-mail cannot be filled and is reported. Source: customer fields of Maxio's API reference.
 */
import type { CustomerFields } from '../maxio/types.ts';
import { ENTERPRISE_USER, type Json, type JsonObject, type UserAttributes } from '../scim/types.ts';

export type Mapped = { [K in keyof Required<CustomerFields>]: string | null } & { first_name: string; last_name: string };

/** Raise it with every change of what a field is made from: then a release that would update many people at once waits for approval (survey/configuration.ts). */
export const MAPPING_VERSION = 1;

/** Maxio publishes no limits; 255 is what its columns are taken to hold. */
const TEXT_LENGTH_MAX = 255;

/** Map a person. `email` is null when there is none that Maxio would accept. */
export function mapUser(user: UserAttributes): Mapped {
  const names = mapNames(user);
  const address = preferred(user.addresses);
  const street = text(address?.streetAddress)?.split(/\r?\n/) ?? [];
  const enterprise = object(user[ENTERPRISE_USER]);
  const country = text(address?.country);
  return {
    first_name: names.first,
    last_name: names.last,
    email: mapEmail(user),
    organization: cut(text(enterprise?.organization)),
    phone: cut(text(preferred(user.phoneNumbers)?.value)),
    address: cut(street[0]),
    address_2: cut(street.slice(1).join(', ')),
    city: cut(text(address?.locality)),
    state: cut(text(address?.region)),
    zip: cut(text(address?.postalCode)),
    // Maxio wants ISO 3166-1 alpha-2; IdPs also send free text, which must not make Maxio refuse the whole person.
    country: country !== undefined && /^[A-Za-z]{2}$/.test(country) ? country.toUpperCase() : null,
    locale: cut(text(user.locale)),
  };
}

/**
 * List the fields an update must send: those that differ from what Maxio last confirmed, or after an unanswered update all that are ours.
 * A field that we never set is never cleared, so what staff have filled in at Maxio survives an IdP that does not know it.
 */
export function fieldsToSend(mapped: Mapped, confirmed: Record<string, string | null>, inDoubt: boolean): CustomerFields {
  const fields: CustomerFields = {};
  for (const [name, value] of Object.entries(mapped) as [keyof Mapped, string | null][]) {
    const known = confirmed[name];
    const ours = known !== undefined && known !== null && known !== '';
    if (value === null || value === '') {
      // Names and e-mail cannot be blank at Maxio: what it has stays.
      if (ours && name !== 'email' && name !== 'first_name' && name !== 'last_name') Object.assign(fields, { [name]: null });
    } else if (inDoubt || known !== value) {
      Object.assign(fields, { [name]: value });
    }
  }
  return fields;
}

/** Merge what was sent and accepted into what is confirmed. */
export function confirm(confirmed: Record<string, string | null>, sent: CustomerFields): Record<string, string | null> {
  return { ...confirmed, ...(sent as Record<string, string | null>) };
}

/** Keep only fields with a value, as a create wants them. */
export function presentFields(fields: Mapped | CustomerFields): CustomerFields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== '')) as CustomerFields;
}

function mapNames(user: UserAttributes): { first: string; last: string } {
  const name = object(user.name);
  const given = text(name?.givenName);
  const family = text(name?.familyName);
  const words = (text(user.displayName) ?? text(name?.formatted) ?? '').split(/\s+/).filter((word) => word !== '');
  const fallback = user.userName.split('@')[0] || user.userName;
  const first = given ?? words[0] ?? fallback;
  const last = family ?? (words.slice(1).join(' ') || fallback);
  return { first: cut(first) ?? fallback, last: cut(last) ?? fallback };
}

function mapEmail(user: UserAttributes): string | null {
  const all = Array.isArray(user.emails) ? user.emails.map((email) => text(object(email)?.value)) : [];
  const candidates = [text(preferred(user.emails)?.value), ...all, user.userName];
  return cut(candidates.find((email) => email !== undefined && /^[^\s@]+@[^\s@]+$/.test(email)));
}

/** Pick the primary element, else the work one, else the first. */
function preferred(value: Json | undefined): JsonObject | undefined {
  if (!Array.isArray(value)) return undefined;
  const elements = value
    .map((element) => object(typeof element === 'string' ? { value: element } : element))
    .filter((e) => e !== undefined);
  const type = (element: JsonObject): string => String(element.type ?? '').toLowerCase();
  return elements.find((e) => e.primary === true) ?? elements.find((e) => type(e) === 'work') ?? elements[0];
}

function object(value: Json | undefined): JsonObject | undefined {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : undefined;
}

function text(value: Json | undefined): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;
}

function cut(value: string | undefined): string | null {
  // By characters: half of one is not text that JSON can carry.
  return value === undefined || value === '' ? null : [...value].slice(0, TEXT_LENGTH_MAX).join('');
}

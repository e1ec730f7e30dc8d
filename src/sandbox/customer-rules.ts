/**
 * Owns what makes a customer acceptable: blank names, the shape of an e-mail, the unique reference, in Maxio's order and words.
 * Refuses to store. Serves the customer endpoints and `customer_attributes` of a signup alike.
 * Answers to "Create Customer" of developers.maxio.com and the texts asserted by the official SDKs' live tests.
 */
import { EMAIL_TAKEN, REFERENCE_TAKEN } from './answers.ts';
import { CUSTOMER_TEXT_KEYS, type CustomerRow } from './rows.ts';
import { asFlag, asInteger, asText, type Site } from './site.ts';

const KNOWN_KEYS = new Set<string>([...CUSTOMER_TEXT_KEYS, 'tax_exempt', 'verified', 'parent_id', 'metafields']);

/** Reads the writable keys of a body; keys that were not sent are absent. */
export function readCustomerFields(sent: Record<string, unknown>): Partial<CustomerRow> {
  const fields: Record<string, unknown> = {};
  for (const key of CUSTOMER_TEXT_KEYS) {
    const value = asText(sent[key]);
    if (value !== undefined) fields[key] = value;
  }
  // Two customers without a reference do not clash, and neither do two with a blank one.
  if (fields.reference === '') fields.reference = null;
  if (sent.tax_exempt !== undefined) fields.tax_exempt = asFlag(sent.tax_exempt);
  if (sent.parent_id !== undefined) fields.parent_id = asInteger(sent.parent_id) ?? null;
  return fields;
}

/** Lists what is wrong with a whole customer, in the order of the API; `self` is excluded from the uniqueness rules. */
export function customerProblems(site: Site, whole: Partial<CustomerRow>, self?: CustomerRow): string[] {
  const problems: string[] = [];
  if (!whole.first_name?.trim()) problems.push('First name: cannot be blank.');
  if (!whole.last_name?.trim()) problems.push('Last name: cannot be blank.');
  if (!whole.email?.trim()) problems.push('Email address: cannot be blank.');
  else if (!/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(whole.email)) problems.push('Email address: must be a valid email format.');
  else if (site.settings.uniqueEmail && emailTaken(site, whole.email, self)) problems.push(EMAIL_TAKEN);
  const holder = whole.reference ? site.store.customerByReference(whole.reference) : undefined;
  if (holder && holder !== self) problems.push(REFERENCE_TAKEN);
  return problems;
}

function emailTaken(site: Site, email: string, self: CustomerRow | undefined): boolean {
  const folded = email.toLowerCase();
  return site.store.customers().some((row) => row !== self && row.email.toLowerCase() === folded);
}

/** Lists the attributes that do not exist, when the site refuses them; the documentation of 2017 did, today's is silent. */
export function unknownAttributes(site: Site, sent: Record<string, unknown>): string[] {
  if (!site.settings.refuseUnknownAttributes) return [];
  return Object.keys(sent)
    .filter((key) => !KNOWN_KEYS.has(key))
    .map((key) => `unknown attribute: ${key}`);
}

/** Builds the row of a new customer from fields that were found acceptable. */
export function newCustomer(fields: Partial<CustomerRow>, nowMs: number): Omit<CustomerRow, 'id'> {
  const blank = Object.fromEntries(CUSTOMER_TEXT_KEYS.map((key) => [key, null]));
  return {
    ...(blank as unknown as CustomerRow),
    tax_exempt: false,
    verified: false,
    parent_id: null,
    ...fields,
    createdMs: nowMs,
    updatedMs: nowMs,
  };
}

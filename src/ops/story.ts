/**
 * Owns the translation of audit entries into sentences that somebody on call understands at night: who did what, when, and what came of it.
 * Refuses to know values: entries name attributes, steps and ids only, and so do the sentences. An entry of an unknown kind is shown, never hidden.
 */
import type { AuditEntry, StoryEntry } from '../directory/audit.ts';
import type { Json } from '../scim/types.ts';
import { moment, sentence } from './words.ts';

export interface StoryLine {
  seq: number;
  at: string;
  who: 'IdP' | 'Maxio' | 'service' | 'operator';
  what: string;
  generation: number;
  requestId: string | null;
}

/** Tells a person's story, oldest first. */
export function tellStory(entries: StoryEntry[]): StoryLine[] {
  return entries.map(({ seq, atMs, generation, entry }) => ({
    seq,
    at: moment(atMs),
    ...lineOf(entry),
    generation,
    requestId: entry.requestId ?? null,
  }));
}

function lineOf(entry: AuditEntry): Pick<StoryLine, 'who' | 'what'> {
  switch (entry.kind) {
    case 'scim':
      return { who: 'IdP', what: scimSentence(entry) };
    case 'maxio':
      return { who: 'Maxio', what: maxioSentence(entry) };
    case 'run':
      return { who: 'service', what: runSentence(entry) };
    case 'operator':
      return { who: 'operator', what: operatorSentence(entry) };
    case 'guard':
      return { who: 'service', what: guardSentence(entry) };
    default:
      return { who: 'service', what: sentence(`Unknown entry: ${String((entry as AuditEntry).what)}`) };
  }
}

function scimSentence(entry: AuditEntry): string {
  const { what, active, wasActive } = entry;
  const changed = listOf(entry.changed);
  const attributes = changed.length === 0 ? '' : ` Changed: ${changed.join(', ')}.`;
  const as = active === true ? 'active' : 'inactive';
  if (what === 'create') return `Created this person, ${as}.${attributes}`;
  if (what === 'revive') return `Brought this person back, ${as}.${attributes}`;
  if (what === 'delete') return 'Deleted this person.';
  if (what === 'groups') return groupsSentence(entry);
  if (wasActive === true && active === false) return `Deactivated this person.${attributes}`;
  if (wasActive === false && active === true) return `Reactivated this person.${attributes}`;
  return `${what === 'replace' ? 'Replaced' : 'Changed'} this person, still ${as}.${attributes}`;
}

/** Families, not products: the entry is written by the script that changes the group. */
function groupsSentence(entry: AuditEntry): string {
  const [gives, lost] = [listOf(entry.gives), listOf(entry.lost)];
  const now = gives.length === 0 ? 'no product' : `a product of ${gives.join(', ')}`;
  const taken = lost.length === 0 ? '' : ` A product of ${lost.join(', ')} was taken away.`;
  return `Changed the groups of this person, who is to have ${now}.${taken}`;
}

const STEPS: Record<string, string> = {
  'create-customer': 'Create the customer',
  'create-with-subscription': 'Create the customer with a subscription',
  'create-subscription': 'Create a subscription',
  'update-customer': 'Update the customer',
  'change-product': 'Change the product of the subscription',
  cancel: 'Cancel the subscription',
  'delay-cancel': 'Schedule the cancel of the subscription for the end of its period',
  'undo-delayed-cancel': 'Take back the scheduled cancel of the subscription',
  hold: 'Put the subscription on hold',
  resume: 'Take the subscription off hold',
  reactivate: 'Reactivate the subscription',
  'look-up-customer': 'Look for the customer by reference',
  'list-subscriptions': "List the customer's subscriptions",
};

const REFUSALS: Record<string, string> = {
  rejected: 'refused',
  missing: 'not found',
  throttled: 'not now, too many calls',
  unauthorized: 'API key refused',
  blocked: 'account blocked',
  unavailable: 'could not be reached',
};

function maxioSentence(entry: AuditEntry): string {
  const step = STEPS[entry.what] ?? entry.what;
  const fields = listOf(entry.fields);
  const about = fields.length > 0 ? ` (${fields.join(', ')})` : '';
  return sentence(`${step}${about}: ${resultOf(entry)}`);
}

function resultOf(entry: AuditEntry): string {
  const { result } = entry;
  if (result === 'done') {
    const facts = [
      textOf(entry.customer, 'customer'),
      textOf(entry.subscription, 'subscription'),
      textOf(entry.product, 'product'),
      textOf(entry.state, 'now'),
      entry.ending === true ? 'ends with its period' : entry.ending === false ? 'goes on' : '',
      textOf(entry.updatedAt, 'Maxio dated it'),
    ];
    return ['done', ...facts.filter((fact) => fact !== '')].join(', ');
  }
  const subscription = textOf(entry.subscription, ' for subscription');
  if (result === 'no answer') return `no answer came${subscription}, so it may or may not have happened`;
  if (entry.what === 'list-subscriptions') return result === '' ? 'none' : String(result);
  const status = typeof entry.status === 'number' ? ` (HTTP ${entry.status})` : '';
  const said = listOf(entry.said);
  const words = REFUSALS[String(result)] ?? String(result);
  return `${words}${subscription}${status}${said.length === 0 ? '' : `. Maxio said: ${said.join('; ')}`}`;
}

const ENDS: Record<string, string> = {
  settled: 'In step: Maxio now holds what the identity provider wants',
  postponed: 'Postponed',
  retry: 'To be tried again',
  parked: 'Parked until an operator or the identity provider acts',
  held: 'Held until a human decides',
  paused: 'Waits, because the site is paused',
};

function runSentence(entry: AuditEntry): string {
  const end = ENDS[entry.what];
  // Not the end of a run but something it has understood on the way.
  if (end === undefined) {
    const understood = sentence(entry.what.charAt(0).toUpperCase() + entry.what.slice(1));
    return [understood, ...(Array.isArray(entry.steps) ? entry.steps : []).map(conclusionSentence)].join(' ');
  }
  const reason = typeof entry.reason === 'string' ? ` (${entry.reason})` : '';
  const detail = typeof entry.detail === 'string' ? ` ${sentence(entry.detail)}` : '';
  return `${sentence(`${end}${reason}`)}${detail}`;
}

/** What has become of one unanswered call. */
function conclusionSentence(value: Json): string {
  const { step, customer, subscription, effect } = value as Record<string, Json>;
  const facts = [textOf(customer, 'customer'), textOf(subscription, 'subscription')].filter((fact) => fact !== '').join(', ');
  const about = facts === '' ? '' : ` (${facts})`;
  return sentence(
    `${STEPS[String(step)] ?? String(step)}${about}: ${effect === 'seen' ? 'its effect is there' : 'no effect is seen'}`,
  );
}

const ORDERS: Record<string, string> = {
  retry: 'Asked to try again',
  repair: 'Asked to bring this person in step again',
  'approve-leave': 'Approved that the subscriptions end',
  'reject-leave': 'Rejected this leave: nothing ends until the identity provider next changes active',
};

function operatorSentence(entry: AuditEntry): string {
  const by = entry.actor === undefined ? '' : ` (${entry.actor})`;
  const differences = listOf(entry.differences);
  const about = differences.length === 0 ? '' : `: ${differences.join(', ')}`;
  return sentence(`${ORDERS[entry.what] ?? entry.what}${about}${by}`);
}

function guardSentence(entry: AuditEntry): string {
  if (entry.what === 'held-loss')
    return 'Held the loss of a product, because more people lost something at once than is usual. It does not end until an approver decides.';
  if (entry.what !== 'held') return sentence(`The guard: ${entry.what}`);
  return 'Held this leave, because more people left at once than is usual. Nothing ends until an approver decides.';
}

function listOf(value: Json | undefined): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function textOf(value: Json | undefined, before: string): string {
  return typeof value === 'string' || typeof value === 'number' ? `${before} ${value}` : '';
}

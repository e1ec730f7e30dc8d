/**
 * Owns erasing one person from the directory, on an operator's word: who may be erased, what goes and what stays, and that somebody who was erased can be let in
 * again. Refuses people who are active, billed or not settled: their work would be cut off in the middle. Refuses to touch Maxio, where invoices have
 * to stay by law; whoever erases is told what is left there. See docs/adr/0016.
 */
import { type Erased, ErasureKeyMissing } from '../directory/erased.ts';
import type { Store } from '../directory/store.ts';
import type { SurveyIndex } from '../directory/survey-index.ts';
import { RedisScript } from '../redis-script.ts';
import { Refused } from './refused.ts';

const eraseScript = new RedisScript(new URL('../directory/erase.lua', import.meta.url));
const readmitScript = new RedisScript(new URL('../directory/readmit.lua', import.meta.url));

const TRIES_MAX = 10;

export interface ErasureOrder {
  by: string;
  requestId: string;
}

export interface Erasure {
  /** Of what is left at Maxio; `undefined` where the person never had a customer. */
  customerId: string | undefined;
  /** Groups the person was in. */
  groups: number;
  stays: string[];
  byHand: string[];
}

type Answer = [string, (number | string)?, string?];

const REFUSALS: Record<string, [error: string, detail: string, todo: string]> = {
  missing: ['unknown-person', 'There is nobody of that id.', 'Take the id from maxio-scim person.'],
  active: [
    'still-active',
    'This person is active, so the identity provider would only send them again.',
    'Deactivate or delete the person in the identity provider first, then erase.',
  ],
  held: ['not-settled', 'The leave of this person is held.', 'Decide about it first: maxio-scim held.'],
  exempt: [
    'still-billed',
    'An approver has decided that the subscriptions of this person go on.',
    'End them at Maxio by hand, or let the person leave again; then erase.',
  ],
  parked: ['not-settled', 'This person is parked.', 'maxio-scim person says why; mend that and retry, then erase.'],
  unsettled: [
    'not-settled',
    'Something about this person is still to be done at Maxio.',
    'Wait until maxio-scim person says that they are in step, then erase.',
  ],
  billed: [
    'still-billed',
    'By what is known here a subscription of this person goes on.',
    'Let the identity provider deactivate the person, or end it at Maxio; then erase.',
  ],
  busy: ['not-settled', 'A worker is at work on this person.', 'Try again in a moment.'],
};

export interface ErasureParts {
  store: Store;
  index: Pick<SurveyIndex, 'remove'>;
  erased: Erased;
  /** Whether exports are written, and how many are kept. */
  exports?: { folder: string | undefined; keep: number };
}

export class Erasures {
  readonly #parts: ErasureParts;

  constructor(parts: ErasureParts) {
    this.#parts = parts;
  }

  /** Erase one person for ever. @throws Refused, ErasureKeyMissing */
  async erase(id: string, { by, requestId }: ErasureOrder): Promise<Erasure> {
    const { store, index, erased } = this.#parts;
    const { key } = await erased.state();
    if (key === 'none') {
      throw new Refused(
        'erasure-key',
        'This process has no ERASURE_KEY, by which it could know the person again.',
        'Make one (openssl rand -hex 32), keep it where backups of Redis are not, set it as ERASURE_KEY or ERASURE_KEY_FILE of every process, and erase again.',
      );
    }
    if (key === 'other') throw refused('other-key');
    const audit = JSON.stringify({ kind: 'operator', what: 'erase', actor: by, requestId });
    for (let tried = 0; tried < TRIES_MAX; tried += 1) {
      const record = await store.read(id);
      if (record === undefined) break;
      const { generation: expected, reference } = record;
      const order = { id, expected, reference, mark: erased.mark(reference), check: erased.check(), by };
      const words = [JSON.stringify(order), audit];
      const answer = (await store.guard(() => eraseScript.run(store.redis, store.prefix, ...words))) as Answer;
      if (answer[0] === 'moved') continue;
      if (answer[0] !== 'erased') throw refused(answer[0]);
      const customerId = answer[2] || undefined;
      if (customerId !== undefined) await index.remove(customerId);
      return { customerId, groups: Number(answer[1]), ...this.#left(customerId) };
    }
    throw refused('missing');
  }

  /** Somebody who was erased is back, says an operator: their customer at Maxio may be theirs again. @throws Refused, ErasureKeyMissing */
  async readmit(id: string, { by, requestId }: ErasureOrder): Promise<'readmitted' | 'not-erased'> {
    const { store, erased } = this.#parts;
    const record = await store.read(id);
    if (record === undefined) throw refused('missing');
    if (!(await withKey(() => erased.has(record.reference)))) return 'not-erased';
    const audit = JSON.stringify({ kind: 'operator', what: 'readmit', actor: by, requestId });
    await store.guard(() => readmitScript.run(store.redis, store.prefix, id, erased.mark(record.reference), by, audit));
    return 'readmitted';
  }

  #left(customerId: string | undefined): Pick<Erasure, 'stays' | 'byHand'> {
    const { exports } = this.#parts;
    const stays = [
      'The audit trail stays, under a word that no longer leads to anybody; its chain goes on to be valid.',
      'A mark stays that knows the person only to whoever has ERASURE_KEY and names them: so a rebuild or an import leaves them out.',
    ];
    const byHand = [
      'Remove the person in the identity provider, or they are sent again as somebody new.',
      'Whoever has this person as manager keeps the id and name in their own record, as sent: give them another manager in the identity provider, which then sends that.',
      'Backups of Redis from before keep the person until they run out; after restoring one, erase again or let EXPORT_DIR do it.',
    ];
    if (customerId !== undefined) {
      stays.push(`Customer ${customerId} stays at Maxio with name, address and invoices, which the law may want kept.`);
      byHand.push(
        `When that time is over, remove or rename customer ${customerId} at Maxio. Until then a survey reads its name and address again.`,
      );
    }
    if (exports?.folder !== undefined) {
      byHand.push(
        `The last ${exports.keep} daily exports in EXPORT_DIR, and copies of them elsewhere, hold the person until they are dropped.`,
      );
    }
    return { stays, byHand };
  }
}

function refused(word: string): Refused {
  if (word === 'other-key') return keyRefused(new ErasureKeyMissing('other'));
  const [error, detail, todo] = REFUSALS[word] ?? ['not-settled', `The directory said ${word}.`, 'Try again.'];
  return new Refused(error, detail, todo);
}

/** An operator hears which key is missing, with the words of every other refusal. @throws Refused */
export async function withKey<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof ErasureKeyMissing ? keyRefused(error) : error;
  }
}

function keyRefused(error: ErasureKeyMissing): Refused {
  return new Refused('erasure-key', error.message, error.todo);
}

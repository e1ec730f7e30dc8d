/**
 * Owns what the notifier knows of a way to reach people: it takes a message, or says in plain words why not. No behaviour of its own.
 * Refuses causes: errors of the libraries below may quote addresses and keys, so a failure holds words of ours and a code only.
 */
import type { Message } from './message.ts';

export interface Channel {
  name: 'webhook' | 'mail';
  /** @throws NotDelivered; a message may have arrived nevertheless when the answer was lost */
  send(message: Message): Promise<void>;
  close(): Promise<void>;
}

export class NotDelivered extends Error {
  /** A word or number for logs, such as `ECONNREFUSED` or `404`. */
  readonly code: string;

  constructor(detail: string, code: string) {
    super(detail);
    this.name = 'NotDelivered';
    this.code = code;
  }
}

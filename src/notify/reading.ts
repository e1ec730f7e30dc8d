/**
 * Owns that a part of the situation which cannot be read keeps nobody from hearing of the others: it is left out, and the subjects that rest on it are named,
 * so that what is not known now is neither told nor taken for over. Refuses to hide that Redis is away: then nothing can be read, and the look fails.
 */
import { DirectoryUnavailable } from '../directory/unavailable.ts';
import { isRedisAway } from '../redis.ts';
import type { Topic } from './topics.ts';

export interface Unread {
  part: string;
  error: unknown;
  /** Subjects about which nothing can be said without it. */
  topics: readonly Topic[];
}

export class Reading {
  readonly unread: Unread[] = [];

  /** Read one part. @param without what the others go on with when it cannot be read */
  async part<T>(part: string, topics: readonly Topic[], read: () => Promise<T> | T, without: T): Promise<T> {
    try {
      return await read();
    } catch (error) {
      if (error instanceof DirectoryUnavailable || isRedisAway(error)) throw error;
      this.unread.push({ part, error, topics });
      return without;
    }
  }
}

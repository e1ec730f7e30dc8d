/**
 * Owns a model of what Redis keeps and of the commands this project gives it, on a clock that is handed in. One command at a time, all of it or nothing.
 * Refuses networks, processes and every command and option it does not know. test/integration/simulation-model.test.ts holds it against a real server.
 */

import type { Reply, Script } from './lua.ts';
import type { RedisCall, Value } from './lua-runtime.ts';
import { Table } from './lua-runtime.ts';
import { SortedSet } from './sorted-set.ts';

type Kept = string | Map<string, string> | Set<string> | SortedSet | string[] | Stream;

/** Entries as `[id, fields]`, in order. */
interface Stream {
  entries: [string, string[]][];
}

/** Redis answers `OK` with another type than text. */
const OK = Symbol('OK');
type Answer = string | number | null | typeof OK | Answer[];

export class Keyspace {
  readonly #keys = new Map<string, Kept>();
  readonly #expiries = new Map<string, number>();
  readonly #nowMs: () => number;
  readonly #call: RedisCall = (...words) => toLua(this.#run(words.map(argument)));

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Run one command as a client sends it. */
  command(...words: (string | number)[]): Reply {
    return plain(this.#run(words.map(String)));
  }

  /** Run a script with its keys and arguments. */
  script(script: Script, keys: string[], args: (string | number)[]): Reply {
    return script(keys, args.map(String), this.#call);
  }

  /** Names that begin so. */
  keys(prefix: string): string[] {
    return [...this.#keys.keys()].filter((key) => key.startsWith(prefix) && this.#get(key) !== undefined);
  }

  /** Everything there is, comparable, by key. */
  dump(): Record<string, unknown> {
    const found: Record<string, unknown> = {};
    for (const key of [...this.#keys.keys()].sort()) {
      const kept = this.#get(key);
      if (kept === undefined) continue;
      if (kept instanceof Map) found[key] = Object.fromEntries([...kept].sort(([a], [b]) => (a < b ? -1 : 1)));
      else if (kept instanceof Set) found[key] = [...kept].sort();
      else if (kept instanceof SortedSet) found[key] = kept.rows();
      else found[key] = typeof kept === 'string' || Array.isArray(kept) ? kept : kept.entries;
    }
    return found;
  }

  #get(key: string): Kept | undefined {
    const expiry = this.#expiries.get(key);
    if (expiry !== undefined && expiry <= this.#nowMs()) this.#remove(key);
    return this.#keys.get(key);
  }

  #remove(key: string): boolean {
    this.#expiries.delete(key);
    return this.#keys.delete(key);
  }

  #hash(key: string): Map<string, string> {
    return this.#typed(key, Map, () => new Map<string, string>());
  }

  #set(key: string): Set<string> {
    return this.#typed(key, Set, () => new Set<string>());
  }

  #sorted(key: string): SortedSet {
    return this.#typed(key, SortedSet, () => new SortedSet());
  }

  #list(key: string): string[] {
    return this.#typed(key, Array, () => []);
  }

  /** For reading and writing; a collection that stays empty is removed by {@link Keyspace.#tidy}. */
  #typed<T extends Kept>(key: string, type: new (...args: never[]) => unknown, fresh: () => T): T {
    const kept = this.#get(key);
    if (kept === undefined) {
      const made = fresh();
      this.#keys.set(key, made);
      return made;
    }
    if (!(kept instanceof type)) throw new Error('WRONGTYPE Operation against a key holding the wrong kind of value');
    return kept as T;
  }

  #tidy(key: string): void {
    const kept = this.#keys.get(key);
    const empty = Array.isArray(kept)
      ? kept.length === 0
      : kept instanceof Map || kept instanceof Set || kept instanceof SortedSet
        ? kept.size === 0
        : false;
    if (empty) this.#remove(key);
  }

  #run(words: string[]): Answer {
    const [name = '', key = '', ...rest] = words;
    const upper = name.toUpperCase();
    const answer = this.#answer(upper, key, rest);
    if (answer === undefined) throw new Error(`ERR the simulation does not know the command ${words.join(' ').slice(0, 80)}`);
    this.#tidy(key);
    return answer;
  }

  #answer(name: string, key: string, rest: string[]): Answer | undefined {
    switch (name[0]) {
      case 'H':
        return this.#hashes(name, key, rest);
      case 'Z':
        return this.#sortedSets(name, key, rest);
      default: {
        const string = this.#strings(name, key, rest);
        if (string !== undefined) return string;
        return name.startsWith('S') ? this.#sets(name, key, rest) : this.#lists(name, key, rest);
      }
    }
  }

  #strings(name: string, key: string, rest: string[]): Answer | undefined {
    switch (name) {
      case 'TIME': {
        const nowMs = this.#nowMs();
        return [String(Math.floor(nowMs / 1_000)), String((nowMs % 1_000) * 1_000)];
      }
      case 'GET': {
        const kept = this.#get(key) ?? null;
        if (kept !== null && typeof kept !== 'string') throw new Error('WRONGTYPE');
        return kept;
      }
      case 'SET':
        return this.#setString(key, rest);
      case 'DEL':
      case 'UNLINK':
        return [key, ...rest].filter((each) => this.#get(each) !== undefined && this.#remove(each)).length;
      case 'EXISTS':
        return this.#get(key) === undefined ? 0 : 1;
      case 'INCR': {
        const next = Number(this.#get(key) ?? 0) + 1;
        this.#keys.set(key, String(next));
        return next;
      }
      case 'PEXPIRE':
        if (this.#get(key) === undefined) return 0;
        this.#expiries.set(key, this.#nowMs() + Number(rest[0]));
        return 1;
      case 'RENAME': {
        const kept = this.#get(key);
        if (kept === undefined) throw new Error('ERR no such key');
        this.#remove(key);
        this.#remove(rest[0] ?? '');
        this.#keys.set(rest[0] ?? '', kept);
        return OK;
      }
      default:
        return undefined;
    }
  }

  #setString(key: string, [value = '', ...options]: string[]): Answer {
    const words = options.map((word) => word.toUpperCase());
    if (words.includes('NX') && this.#get(key) !== undefined) return null;
    this.#remove(key);
    this.#keys.set(key, value);
    const at = words.findIndex((word) => word === 'PX' || word === 'EX');
    if (at >= 0) this.#expiries.set(key, this.#nowMs() + Number(words[at + 1]) * (words[at] === 'EX' ? 1_000 : 1));
    return OK;
  }

  #hashes(name: string, key: string, rest: string[]): Answer | undefined {
    switch (name) {
      case 'HGET':
        return this.#hash(key).get(rest[0] ?? '') ?? null;
      case 'HMGET': {
        const hash = this.#hash(key);
        return rest.map((field) => hash.get(field) ?? null);
      }
      case 'HGETALL':
        return [...this.#hash(key)].flat();
      case 'HVALS':
        return [...this.#hash(key).values()];
      case 'HSTRLEN':
        return Buffer.byteLength(this.#hash(key).get(rest[0] ?? '') ?? '');
      case 'HLEN':
        return this.#hash(key).size;
      case 'HEXISTS':
        return this.#hash(key).has(rest[0] ?? '') ? 1 : 0;
      case 'HSET': {
        const hash = this.#hash(key);
        const before = hash.size;
        for (let i = 0; i + 1 < rest.length; i += 2) hash.set(rest[i] ?? '', rest[i + 1] ?? '');
        return hash.size - before;
      }
      case 'HSETNX': {
        const hash = this.#hash(key);
        if (hash.has(rest[0] ?? '')) return 0;
        hash.set(rest[0] ?? '', rest[1] ?? '');
        return 1;
      }
      case 'HDEL': {
        const hash = this.#hash(key);
        return rest.filter((field) => hash.delete(field)).length;
      }
      case 'HINCRBY': {
        const hash = this.#hash(key);
        const next = Number(hash.get(rest[0] ?? '') ?? 0) + Number(rest[1]);
        hash.set(rest[0] ?? '', String(next));
        return next;
      }
      default:
        return undefined;
    }
  }

  #sets(name: string, key: string, rest: string[]): Answer | undefined {
    switch (name) {
      case 'SADD': {
        const set = this.#set(key);
        const before = set.size;
        for (const member of rest) set.add(member);
        return set.size - before;
      }
      case 'SREM': {
        const set = this.#set(key);
        return rest.filter((member) => set.delete(member)).length;
      }
      case 'SCARD':
        return this.#set(key).size;
      case 'SMEMBERS':
        return [...this.#set(key)];
      case 'SISMEMBER':
        return this.#set(key).has(rest[0] ?? '') ? 1 : 0;
      default:
        return undefined;
    }
  }

  #sortedSets(name: string, key: string, rest: string[]): Answer | undefined {
    const sorted = this.#sorted(key);
    const [first = '', second = ''] = rest;
    switch (name) {
      case 'ZADD':
        return addSorted(sorted, rest);
      case 'ZREM':
        return rest.filter((member) => sorted.delete(member)).length;
      case 'ZCARD':
        return sorted.size;
      case 'ZSCORE':
        return scoreText(sorted.score(first));
      case 'ZMSCORE':
        return rest.map((member) => scoreText(sorted.score(member)));
      case 'ZCOUNT':
        return sorted.byScore(first, second).length;
      case 'ZRANGE':
        return listed(sorted.byRank(Number(first), Number(second)), rest.slice(2));
      case 'ZRANGEBYSCORE':
        return listed(sorted.byScore(first, second), rest.slice(2));
      case 'ZRANGEBYLEX':
        return sorted.byText(first, second);
      case 'ZREMRANGEBYSCORE': {
        const gone = sorted.byScore(first, second);
        for (const { member } of gone) sorted.delete(member);
        return gone.length;
      }
      default:
        return undefined;
    }
  }

  #lists(name: string, key: string, rest: string[]): Answer | undefined {
    switch (name) {
      case 'RPUSH':
        return this.#list(key).push(...rest);
      case 'LRANGE':
        return slice(this.#list(key), rest);
      case 'LTRIM': {
        const list = this.#list(key);
        list.splice(0, list.length, ...slice(list, rest));
        return OK;
      }
      case 'XADD': {
        const stream = this.#typed(key, Object, (): Stream => ({ entries: [] }));
        stream.entries.push([rest[0] ?? '', rest.slice(1)]);
        return rest[0] ?? '';
      }
      case 'XTRIM':
        return 0;
      case 'XRANGE': {
        const stream = this.#typed(key, Object, (): Stream => ({ entries: [] }));
        const all = rest[0] === '-' && rest[1] === '+';
        return stream.entries.filter(([id]) => all || id === rest[0]).map(([id, fields]) => [id, fields]);
      }
      default:
        return undefined;
    }
  }
}

function addSorted(sorted: SortedSet, rest: string[]): number {
  const word = rest[0]?.toUpperCase();
  const only = word === 'NX' || word === 'XX' ? word : undefined;
  let added = 0;
  for (let i = only === undefined ? 0 : 1; i + 1 < rest.length; i += 2) {
    const member = rest[i + 1] ?? '';
    const known = sorted.score(member) !== undefined;
    if ((only === 'NX' && known) || (only === 'XX' && !known)) continue;
    if (!known) added += 1;
    sorted.put(member, Number(rest[i]));
  }
  return added;
}

function scoreText(score: number | undefined): string | null {
  return score === undefined ? null : String(score);
}

/** WITHSCORES and LIMIT, in that order as this project writes them. */
function listed(rows: { member: string; score: number }[], options: string[]): string[] {
  const words = options.map((word) => word.toUpperCase());
  const limit = words.indexOf('LIMIT');
  const [from, count] = [Number(words[limit + 1]), Number(words[limit + 2])];
  const some = limit === -1 ? rows : rows.slice(from, count < 0 ? undefined : from + count);
  return words.includes('WITHSCORES')
    ? some.flatMap(({ member, score }) => [member, String(score)])
    : some.map(({ member }) => member);
}

function slice(list: string[], [from = '0', to = '-1']: string[]): string[] {
  const index = (text: string): number => (Number(text) < 0 ? Math.max(0, list.length + Number(text)) : Number(text));
  return Number(to) < 0 && list.length + Number(to) < 0 ? [] : list.slice(index(from), index(to) + 1);
}

function argument(value: Value): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  throw new TypeError('Lua redis lib command arguments must be strings or integers');
}

function toLua(answer: Answer): Value {
  if (answer === null) return false;
  if (answer === OK) return Table.from([], [['ok', 'OK']]);
  return Array.isArray(answer) ? Table.of(answer.map(toLua)) : answer;
}

function plain(answer: Answer): Reply {
  if (answer === OK) return 'OK';
  return Array.isArray(answer) ? answer.map(plain) : answer;
}

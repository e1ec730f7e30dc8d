/**
 * Owns virtual time: a list of what happens when, the processes it happens to, and the globals by which production code asks for time and chance.
 * One event at a time, with everything that follows from it at once, so a history depends on its seed alone. Refuses to know what the events mean.
 */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import timersPromises from 'node:timers/promises';
import type { Random } from '../faults/bench/random.ts';

/** What can be paused and killed. Whatever is to be delivered to it waits, or is lost, with it. */
export class SimProcess {
  readonly name: string;
  alive = true;
  pausedUntilMs = 0;

  constructor(name: string) {
    this.name = name;
  }
}

/** A history stands still, or goes round in circles. */
export class NoEnd extends Error {}

interface Event {
  atMs: number;
  order: number;
  owner: SimProcess | undefined;
  action: () => void;
  off: boolean;
}

/** Everything that has been resolved goes on as far as it can without another event: ticks come when no promise is left to go on. */
function drained(): Promise<void> {
  return new Promise((resolve) => {
    process.nextTick(resolve);
  });
}

const START_MS = 1_790_000_000_000;

export class VirtualClock {
  nowMs = START_MS;
  /** Events that have taken place. */
  turns = 0;
  readonly #random: Random;
  #heap: Event[] = [];
  #order = 0;
  #owner: SimProcess | undefined;

  constructor(random: Random) {
    this.#random = random;
  }

  /** What happens after `waitMs`, to the process `owner`, or to the world where there is none. @returns takes it back */
  after(waitMs: number, owner: SimProcess | undefined, action: () => void): () => void {
    this.#order += 1;
    const event = { atMs: this.nowMs + Math.max(0, Math.round(waitMs)), order: this.#order, owner, action, off: false };
    push(this.#heap, event);
    return () => {
      event.off = true;
    };
  }

  /** A wait of this process, or of the world. */
  async sleep(waitMs: number, owner: SimProcess | undefined = this.#owner): Promise<void> {
    await new Promise<void>((resolve) => {
      this.after(waitMs, owner, resolve);
    });
  }

  /** Let time pass until the promise is settled. @throws NoEnd when nothing is left to happen, or too much happens */
  async until<T>(ended: Promise<T>, turnsMax: number, inspect: () => void): Promise<T> {
    let over = false;
    const watched = ended.finally(() => {
      over = true;
    });
    watched.catch(() => undefined);
    await drained();
    while (!over) {
      const event = pop(this.#heap);
      if (event === undefined) throw new NoEnd('the simulation stands still: nothing is left to happen');
      if (this.turns > turnsMax) throw new NoEnd(`the simulation does not come to an end within ${turnsMax} events`);
      if (event.off || event.owner?.alive === false) continue;
      if (event.owner !== undefined && event.owner.pausedUntilMs > event.atMs) {
        event.atMs = event.owner.pausedUntilMs;
        push(this.#heap, event);
        continue;
      }
      this.turns += 1;
      this.nowMs = event.atMs;
      this.#owner = event.owner;
      event.action();
      await drained();
      this.#owner = undefined;
      inspect();
    }
    return await watched;
  }

  /** Put virtual time and seeded chance in the place of the real ones. @returns puts the real ones back */
  install(): () => void {
    const real = {
      dateNow: Date.now,
      now: performance.now,
      random: Math.random,
      setTimeout: globalThis.setTimeout,
      clearTimeout: globalThis.clearTimeout,
      setInterval: globalThis.setInterval,
      clearInterval: globalThis.clearInterval,
      randomUUID: crypto.randomUUID,
      sleep: timersPromises.setTimeout,
    };
    const put = (all: typeof real): void => {
      Date.now = all.dateNow;
      performance.now = all.now;
      Math.random = all.random;
      const { setTimeout, clearTimeout, setInterval, clearInterval } = all;
      Object.assign(globalThis, { setTimeout, clearTimeout, setInterval, clearInterval });
      crypto.randomUUID = all.randomUUID;
      timersPromises.setTimeout = all.sleep;
      syncBuiltinESMExports();
    };
    const stop = (timer: unknown): void => {
      if (timer instanceof VirtualTimer) timer.stop();
    };
    put({
      dateNow: () => this.nowMs,
      now: () => this.nowMs - START_MS,
      random: () => this.#random.next(),
      setTimeout: ((action: () => void, waitMs = 0) => new VirtualTimer(this, this.#owner, action, waitMs, false)) as never,
      clearTimeout: stop,
      setInterval: ((action: () => void, waitMs = 0) => new VirtualTimer(this, this.#owner, action, waitMs, true)) as never,
      clearInterval: stop,
      randomUUID: () => uuid(this.#random),
      sleep: (async (waitMs = 0) => await this.sleep(waitMs)) as never,
    });
    return () => put(real);
  }
}

class VirtualTimer {
  #cancel: () => void = () => {};
  #stopped = false;

  constructor(clock: VirtualClock, owner: SimProcess | undefined, action: () => void, waitMs: number, repeats: boolean) {
    const arm = (): void => {
      this.#cancel = clock.after(Math.max(1, waitMs), owner, () => {
        action();
        if (repeats && !this.#stopped) arm();
      });
    };
    arm();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  unref(): this {
    return this;
  }

  ref(): this {
    return this;
  }
}

function uuid(random: Random): `${string}-${string}-${string}-${string}-${string}` {
  const word = (): string => random.between(0x1000_0000, 0xffff_ffff).toString(16);
  const [a, b, c] = [word(), word(), word()];
  return `${a}-${b.slice(0, 4)}-4${b.slice(4, 7)}-8${c.slice(0, 3)}-${c.slice(3)}${a.slice(0, 7)}`;
}

function earlier(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

function push(heap: Event[], event: Event): void {
  let at = heap.push(event) - 1;
  while (at > 0) {
    const above = (at - 1) >> 1;
    const other = heap[above];
    if (other === undefined || !earlier(event, other)) break;
    heap[at] = other;
    at = above;
  }
  heap[at] = event;
}

function pop(heap: Event[]): Event | undefined {
  const [first] = heap;
  const last = heap.pop();
  if (first === undefined || last === undefined || heap.length === 0) return first;
  let at = 0;
  for (;;) {
    let below = 2 * at + 1;
    const [left, right] = [heap[below], heap[below + 1]];
    if (left === undefined) break;
    if (right !== undefined && earlier(right, left)) below += 1;
    const next = heap[below];
    if (next === undefined || !earlier(next, last)) break;
    heap[at] = next;
    at = below;
  }
  heap[at] = last;
  return first;
}

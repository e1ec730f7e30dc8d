/**
 * Owns the way between a process and the modelled Redis: commands travel, take effect, and answer, each at its own moment. Between these moments processes
 * and the server may stop, die and come back, so a command may have an effect and no answer, or a late one. Refuses to know what the commands are for.
 * Errors are worded as ioredis words them, and commands are never repeated by themselves, as src/redis.ts sets it for the role `commands`.
 */
import type { Random } from '../faults/bench/random.ts';
import type { SimProcess, VirtualClock } from './clock.ts';
import type { Keyspace } from './keyspace.ts';
import { compileLua, type Reply, type Script } from './lua.ts';

const TIMEOUT_MS = 2_000;
const COMMANDS =
  'get set del unlink exists incr hget hset hmget hgetall hvals hlen hdel hexists sadd srem scard smembers sismember zadd zrem zcard zscore zmscore zcount zrange zrangebyscore zrangebylex lrange xrange xtrim time rename pexpire'.split(
    ' ',
  );

/** The modelled server and the way to it. */
export class SimServer {
  readonly keyspace: Keyspace;
  readonly clock: VirtualClock;
  readonly random: Random;
  /** Patches of script texts, for planted bugs. */
  readonly patch: (name: string, lua: string) => string;
  down = false;
  frozenUntilMs = 0;
  /** Raised when the server dies: what was under way then is never answered. */
  life = 0;
  /** What went wrong in a way that no Redis goes wrong: a script or command that the model does not know, or that is called wrong. */
  readonly defects: unknown[] = [];

  constructor(keyspace: Keyspace, clock: VirtualClock, random: Random, patch: (name: string, lua: string) => string) {
    this.keyspace = keyspace;
    this.clock = clock;
    this.random = random;
    this.patch = patch;
  }

  kill(downMs: number): void {
    this.down = true;
    this.life += 1;
    this.clock.after(downMs, undefined, () => {
      this.down = false;
    });
  }

  script(name: string, lua: string): Script {
    const text = this.patch(name, lua);
    try {
      const script = compiled.get(text) ?? compileLua(text);
      compiled.set(text, script);
      return script;
    } catch (error) {
      this.defects.push(error);
      throw error;
    }
  }

  latencyMs(): number {
    return this.random.chance(0.02) ? this.random.between(5, 150) : this.random.between(0, 2);
  }
}

const compiled = new Map<string, Script>();

/** What Redis refuses by intent, such as the loss of a lock. */
export class Refused extends Error {}

type Work = () => Reply;
type Argument = string | number | Record<string, string | number>;

export class SimConnection {
  [command: string]: unknown;
  readonly #server: SimServer;
  readonly #owner: SimProcess;
  #arrivesMs = 0;
  #repliesMs = 0;

  constructor(server: SimServer, owner: SimProcess) {
    this.#server = server;
    this.#owner = owner;
    for (const name of COMMANDS)
      this[name] = async (...args: Argument[]) => shaped(name, await this.send(this.#command(name, args)));
  }

  get server(): SimServer {
    return this.#server;
  }

  get owner(): SimProcess {
    return this.#owner;
  }

  #command(name: string, args: Argument[]): Work {
    const words = args.flatMap((each) => (typeof each === 'object' ? Object.entries(each).flat() : [each])).map(String);
    return () => this.#server.keyspace.command(name, ...words);
  }

  #scripted(script: Script, words: (string | number)[]): Work {
    return () => this.#server.keyspace.script(script, [String(words[0])], words.slice(1));
  }

  async eval(lua: string, _keys: number, ...words: (string | number)[]): Promise<Reply> {
    return await this.send(this.#scripted(this.#server.script('eval', lua), words));
  }

  defineCommand(name: string, { lua }: { lua: string }): void {
    const script = this.#server.script(name, lua);
    this[name] = async (...words: (string | number)[]) => await this.send(this.#scripted(script, words));
  }

  /** Commands in one go: they arrive in order, and others may come between them. */
  pipeline(): unknown {
    const waiting: { name: string; work: Work }[] = [];
    const chain: Record<string, unknown> = {};
    for (const name of COMMANDS) {
      chain[name] = (...args: Argument[]) => {
        waiting.push({ name, work: this.#command(name, args) });
        return chain;
      };
    }
    chain.exec = async () =>
      await Promise.all(
        waiting.map(async ({ name, work }): Promise<[Error | null, unknown]> => {
          try {
            return [null, shaped(name, await this.send(work))];
          } catch (error) {
            return [error as Error, undefined];
          }
        }),
      );
    return chain;
  }

  /** Send one command. @throws Error which leaves open whether it took effect */
  send(work: Work): Promise<Reply> {
    const { clock, life, down } = this.#server;
    const sentMs = clock.nowMs;
    return new Promise((resolve, reject) => {
      const closed = (): void => reject(new Error('Connection is closed.'));
      if (down) {
        clock.after(1, this.#owner, () => reject(new Error("Stream isn't writeable and enableOfflineQueue options is false")));
        return;
      }
      const arrive = (): void => {
        const { frozenUntilMs } = this.#server;
        if (this.#server.life !== life) {
          clock.after(0, this.#owner, closed);
          return;
        }
        if (frozenUntilMs > clock.nowMs) {
          // The bytes lie in the socket: the client gives up, and the command takes effect all the same when the server goes on.
          clock.after(sentMs + TIMEOUT_MS - clock.nowMs, this.#owner, () => reject(new Error('Command timed out')));
          clock.after(frozenUntilMs - clock.nowMs, undefined, arrive);
          return;
        }
        this.#take(work, sentMs, life, { resolve, reject, closed });
      };
      this.#arrivesMs = Math.max(this.#arrivesMs, clock.nowMs + this.#server.latencyMs());
      clock.after(this.#arrivesMs - clock.nowMs, undefined, arrive);
    });
  }

  #take(
    work: Work,
    sentMs: number,
    life: number,
    end: { resolve: (reply: Reply) => void; reject: (error: Error) => void; closed: () => void },
  ): void {
    const { clock, random } = this.#server;
    let reply: Reply = null;
    let failure: Error | undefined;
    try {
      reply = work();
    } catch (error) {
      failure = error as Error;
      if (!(error instanceof Refused)) this.#server.defects.push(error);
    }
    this.#repliesMs = Math.max(this.#repliesMs, clock.nowMs + this.#server.latencyMs());
    clock.after(this.#repliesMs - clock.nowMs, this.#owner, () => {
      if (this.#server.life !== life) end.closed();
      // A process that was paused finds its timer and the answer at the same time; either may come first.
      else if (clock.nowMs - sentMs > TIMEOUT_MS && random.chance(0.5)) end.reject(new Error('Command timed out'));
      else if (failure === undefined) end.resolve(reply);
      else end.reject(failure);
    });
  }
}

/** Replies as ioredis shapes them. */
export function shaped(name: string, reply: Reply): unknown {
  if (name !== 'hgetall' || !Array.isArray(reply)) return reply;
  return Object.fromEntries(Array.from({ length: reply.length / 2 }, (_, i) => [reply[2 * i], reply[2 * i + 1]]));
}

/**
 * Owns a TCP proxy in front of Redis for tests: it can cut a connection after a command was forwarded and before its reply, or in the middle of a command,
 * slow everything down, or stall.
 * Refuses to understand the protocol: a command is recognised by a text in it. Healed, it only forwards.
 */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

interface Cut {
  contains: string;
  times: number;
}

interface Stop {
  contains: string;
  act: () => Promise<number>;
}

export class RedisProxy {
  readonly #target: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #cuts: Cut[] = [];
  #stops: Stop[] = [];
  #delayMs = 0;
  #stalled: (() => void)[] | undefined;
  /** How many connections were cut on purpose. */
  cuts = 0;

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer((client) => this.#serve(client));
  }

  /** @param url of the Redis behind it */
  static async start(url: string): Promise<RedisProxy> {
    const proxy = new RedisProxy(Number(new URL(url).port));
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen');
    return `redis://127.0.0.1:${address.port}`;
  }

  /** Forwards the next commands that hold this text and closes their connections instead of passing the reply on. */
  cutBeforeReply(contains: string, times = 1): void {
    this.#cuts.push({ contains, times });
  }

  /** Lets the next command that holds this text wait for `act`, which answers how much of it goes on, from 0 to 1; less than all is the last of its connection. */
  stopAt(contains: string, act: () => Promise<number>): void {
    this.#stops.push({ contains, act });
  }

  /** Slows every message to Redis down by so much. */
  delay(delayMs: number): void {
    this.#delayMs = delayMs;
  }

  /** Passes nothing on, in either direction, until healed. */
  stall(): void {
    this.#stalled ??= [];
  }

  heal(): void {
    this.#cuts = [];
    this.#stops = [];
    this.#delayMs = 0;
    const waiting = this.#stalled ?? [];
    this.#stalled = undefined;
    for (const go of waiting) go();
  }

  async stop(): Promise<void> {
    this.heal();
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serve(client: Socket): void {
    const server = connect(this.#target, '127.0.0.1');
    const pair = { cut: false };
    const both = [client, server];
    for (const socket of both) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        this.#sockets.delete(socket);
        for (const each of both) each.destroy();
      });
    }
    let order = Promise.resolve();
    client.on('data', (chunk: Buffer) => {
      const hit = this.#cuts.find(({ times, contains }) => times > 0 && chunk.includes(contains));
      if (hit !== undefined) {
        hit.times -= 1;
        pair.cut = true;
      }
      order = order.then(async () => {
        await this.#pass(this.#delayMs);
        const stop = this.#stops.find(({ contains }) => chunk.includes(contains));
        this.#stops = this.#stops.filter((each) => each !== stop);
        const share = stop === undefined ? 1 : await stop.act();
        if (share === 1) server.write(chunk);
        else server.end(chunk.subarray(0, Math.floor(chunk.length * share)));
      });
    });
    server.on('data', (chunk) => {
      if (pair.cut) {
        this.cuts += 1;
        for (const socket of both) socket.destroy();
        return;
      }
      order = order.then(async () => {
        await this.#pass(0);
        client.write(chunk);
      });
    });
  }

  async #pass(waitMs: number): Promise<void> {
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    const stalled = this.#stalled;
    if (stalled !== undefined) await new Promise<void>((resolve) => stalled.push(resolve));
  }
}

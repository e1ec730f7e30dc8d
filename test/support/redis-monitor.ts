/**
 * Owns a look at every command a Redis server is given, by MONITOR over a socket of its own: a client library that leaves this mode takes the lines
 * still on their way for answers to nothing, and throws.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export class RedisMonitor {
  readonly #socket: Socket;
  #text = '';

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      this.#text += text;
    });
  }

  /** Begins to listen. @param url `redis://host:port` of a server without a password */
  static async start(url: string): Promise<RedisMonitor> {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    const monitor = new RedisMonitor(socket);
    await once(socket, 'connect');
    socket.write('MONITOR\r\n');
    await once(socket, 'data');
    return monitor;
  }

  /** Stops listening once a command with this text has been seen: lines arrive after the answers to the commands they are about. */
  async stopAfter(text: string): Promise<string[]> {
    const untilMs = Date.now() + 30_000;
    while (!this.#text.includes(text)) {
      if (Date.now() > untilMs) throw new Error(`no command with ${text} was seen`);
      await delay(5);
    }
    return this.stop();
  }

  /** Stops listening. @returns one line a command, as the server printed them */
  stop(): string[] {
    this.#socket.destroy();
    return this.lines();
  }

  /** What was heard so far. */
  lines(): string[] {
    return this.#text.split('\r\n').filter((line) => line.startsWith('+') && line !== '+OK');
  }
}

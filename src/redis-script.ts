/**
 * Owns how a Lua file becomes a Redis command: loaded once, sent by digest, re-sent whole when Redis has forgotten it;
 * a line `--#include name` is replaced by the file `name.lua` beside it.
 * Refuses to know what any script does. Scripts use Redis TIME for every moment that spans processes.
 */
import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';

type Arg = string | number;
type Runner = (...args: Arg[]) => Promise<unknown>;

export class RedisScript {
  readonly #name: string;
  readonly #lua: string;

  /** @param file URL of the `.lua` file; its name becomes the name of the command. */
  constructor(file: URL) {
    this.#lua = readFileSync(file, 'utf8').replaceAll(/^--#include ([a-z-]+)$/gm, (_line, part: string) =>
      readFileSync(new URL(`./${part}.lua`, file), 'utf8'),
    );
    const base = file.pathname.slice(file.pathname.lastIndexOf('/') + 1).replace(/\.lua$/, '');
    this.#name = `run_${base.replaceAll('-', '_')}`;
  }

  /** Run the script with one key, the prefix under which it may touch keys (one hash tag, one slot), and its arguments. */
  async run(redis: Redis, prefix: string, ...args: Arg[]): Promise<unknown> {
    const commands = redis as unknown as Record<string, Runner | undefined>;
    if (commands[this.#name] === undefined) redis.defineCommand(this.#name, { numberOfKeys: 1, lua: this.#lua });
    const command = commands[this.#name];
    if (command === undefined) throw new Error(`the script ${this.#name} could not be defined`);
    return await command.call(redis, prefix, ...args);
  }
}

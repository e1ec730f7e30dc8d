/**
 * Owns where raw settings come from: variables, files named by NAME_FILE, and the collecting of what is wrong with them.
 * Refuses to know what a setting means and to read the environment itself; it is given a record of names and texts.
 * An empty text counts as not set, as `NAME=` in a compose or .env file means it.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { z } from 'zod';
import { unknownName } from './config-error.ts';
import type { VariableNotes } from './config-schema.ts';

export type Raw = Record<string, string>;
export type Environment = Record<string, string | undefined>;

const FAMILIES = /^(MAXIO|SCIM|OPS)_/;
/** What Kubernetes adds for a Service that happens to be called maxio-… or scim-…. */
const SERVICE_LINK = /_SERVICE_HOST$|_SERVICE_PORT(_|$)|_PORT_\d+_(TCP|UDP)(_|$)/;

/** Drops what is not set. */
export function withoutEmpty(env: Environment): Raw {
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ''),
  );
}

/** Reads the notes that go with a variable; none for those of the small programs. */
export function notesOf(schema: z.ZodType): Partial<VariableNotes> {
  return (schema.meta() ?? {}) as Partial<VariableNotes>;
}

/** Lists the variables of a schema that are secrets. */
export function secretNames(schema: z.ZodObject): string[] {
  return Object.entries(schema.shape)
    .filter(([, variable]) => notesOf(variable as z.ZodType).secret)
    .map(([name]) => name);
}

/** Lists what may be set for a schema: its variables, and NAME_FILE for its secrets. */
export function settingNames(schema: z.ZodObject): string[] {
  return [...Object.keys(schema.shape), ...secretNames(schema).map((name) => `${name}_FILE`)];
}

/** Reports names of our own families that nothing reads: a typing error there would silently mean the default. */
export function refuseUnknown(raw: Raw, known: readonly string[], everything: boolean, problems: string[]): void {
  for (const [name, value] of Object.entries(raw)) {
    if (known.includes(name)) continue;
    if (!everything && (!FAMILIES.test(name) || SERVICE_LINK.test(name) || /^(tcp|udp):\/\//.test(value))) continue;
    problems.push(unknownName(name, known));
  }
}

/**
 * Replaces each NAME_FILE of a secret by NAME with the content of the file, without its trailing line break.
 * @param folder what relative paths are relative to
 */
export function readSecretFiles(raw: Raw, names: string[], folder: string, problems: string[]): Raw {
  const settings = { ...raw };
  for (const name of names) {
    const path = raw[`${name}_FILE`];
    if (path === undefined) continue;
    delete settings[`${name}_FILE`];
    if (raw[name] !== undefined) {
      problems.push(`${name} and ${name}_FILE are both set; keep one of them`);
      continue;
    }
    try {
      const text = readFileSync(resolve(folder, path), 'utf8').replace(/(\r?\n)+$/, '');
      if (text === '') problems.push(`${name}_FILE names an empty file; put the value into it`);
      else settings[name] = text;
    } catch (err) {
      problems.push(
        `${name}_FILE cannot be read (${(err as NodeJS.ErrnoException).code ?? 'error'}); check the path and its permissions`,
      );
    }
    // Told already why it is not there: the schema must not call it missing once more.
    settings[name] ??= UNREADABLE;
  }
  return settings;
}

const UNREADABLE = '\0';

/**
 * Parses settings by a schema.
 * @param where put in front of every line, for example the entry of SITES_FILE
 * @returns the typed settings, or `undefined` when there was a problem, which is then in `problems`
 */
export function parseSettings<T extends z.ZodObject>(
  schema: T,
  raw: Raw,
  problems: string[],
  where = '',
): z.output<T> | undefined {
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const told = new Set<string>();
  for (const issue of parsed.error.issues) {
    const name = String(issue.path[0]);
    const value = raw[name];
    if (told.has(name) || value === UNREADABLE) continue;
    told.add(name);
    const variable = schema.shape[name] as z.ZodType;
    const { secret } = notesOf(variable);
    if (value === undefined) {
      problems.push(`${where}${name}${secret ? ` or ${name}_FILE` : ''} is not set. ${variable.description ?? ''}`.trim());
    } else {
      const shown = secret ? '' : `; it is ${JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)}`;
      problems.push(`${where}${name} ${issue.message}${shown}`);
    }
  }
  return undefined;
}

/**
 * Owns .env.example: generated from the schema of the environment, so that it cannot tell another story than the code.
 * `--write` writes it; without, the script checks that it is up to date and exits 1 when it is not.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import type { z } from 'zod';
import { serviceSchema, siteSchema, type VariableGroup } from '../src/config-schema.ts';
import { notesOf } from '../src/config-source.ts';

const FILE = new URL('../.env.example', import.meta.url);
const WIDTH = 118;

const introduction: Record<VariableGroup, string> = {
  'Maxio site': 'The Advanced Billing site that people are provisioned into.',
  'Identity provider': 'Who calls the SCIM side.',
  Redis: 'The store of record. It must not forget: appendonly yes, appendfsync always, maxmemory-policy noeviction.',
  Operators: 'Who may look and act on /ops.',
  Service: 'The process itself.',
  'Tests only': 'For sandboxes and tests; leave unset in production.',
};

/** Breaks text into comment lines. */
function comment(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length + 1 <= WIDTH) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(`# ${word}`);
  }
  return lines;
}

/** Writes a default as it would stand in the environment. */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'boolean') return value ? '1' : '0';
  return value === undefined ? undefined : String(value);
}

/** Writes one variable: description, whether it is needed, and the line to fill in or to uncomment. */
function entry(name: string, variable: z.ZodType): string[] {
  const { secret, example, required } = notesOf(variable);
  const fallback = variable.safeParse(undefined);
  const needed = required || !fallback.success;
  const shown = fallback.success ? textOf(fallback.data) : undefined;
  const file = secret ? ` Or ${name}_FILE with the path of a file that holds it.` : '';
  const text = `${variable.description}${needed ? ' Required.' : ''}${file}`;
  return [...comment(text), needed ? `${name}=${example ?? ''}` : `#${name}=${shown ?? example ?? ''}`, ''];
}

/** Renders the whole file. */
function render(): string {
  const variables = Object.entries({ ...siteSchema.shape, ...serviceSchema.shape }) as [string, z.ZodType][];
  const lines = [
    '# Generated from src/config-schema.ts by `npm run env:write`; do not edit.',
    '# Commented lines show the default, or an example where there is none.',
    '# Files named by MAXIO_API_KEY_FILE, MAXIO_WEBHOOK_KEY_FILE and SCIM_TOKEN_FILE are read again while the service runs.',
    '',
  ];
  for (const [group, text] of Object.entries(introduction)) {
    lines.push(`# --- ${group} ${'-'.repeat(Math.max(3, 60 - group.length))}`, ...comment(text), '');
    for (const [name, variable] of variables) {
      if (notesOf(variable).group === group) lines.push(...entry(name, variable));
    }
  }
  return `${lines.join('\n').trimEnd()}\n`;
}

const wanted = render();
if (process.argv.includes('--write')) {
  writeFileSync(FILE, wanted);
} else {
  let present = '';
  try {
    present = readFileSync(FILE, 'utf8');
  } catch {
    // A missing file is as stale as an old one.
  }
  if (present !== wanted) {
    console.error('.env.example is stale; run: npm run env:write');
    process.exitCode = 1;
  }
}

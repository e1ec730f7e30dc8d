/**
 * Owns the values of Lua 5.1 and the library functions that the project's scripts call, with Lua's own idea of truth, numbers and text.
 * Refuses mixtures that Lua would refuse, too.
 */

export type Value = string | number | boolean | undefined | Table | typeof JSON_NULL | ((...args: Value[]) => Value[]);
/** Runs one command of Redis; throws for an error reply. */
export type RedisCall = (...args: Value[]) => Value;

/** What cjson makes of `null`: a value, not nil. */
const JSON_NULL = Symbol('null');

export class Table {
  readonly list: Value[] = [];
  readonly hash = new Map<Value, Value>();

  static of(list: Value[]): Table {
    return Table.from(list, []);
  }

  static from(list: Value[], named: [Value, Value][]): Table {
    const table = new Table();
    const end = list.indexOf(undefined);
    for (const value of end === -1 ? list : list.slice(0, end)) table.list.push(value);
    // Beyond a gap, values are found by their number only, as in Lua.
    if (end !== -1) for (const [at, value] of list.entries()) if (at > end && value !== undefined) table.hash.set(at + 1, value);
    for (const [key, value] of named) table.set(key, value);
    return table;
  }

  get(key: Value): Value {
    if (typeof key === 'number' && key >= 1 && key <= this.list.length) return this.list[key - 1];
    return this.hash.get(key);
  }

  set(key: Value, value: Value): void {
    if (key === undefined) throw new TypeError('Lua: table index is nil');
    if (typeof key === 'number' && key >= 1 && key <= this.list.length) {
      if (value !== undefined) this.list[key - 1] = value;
      else if (key === this.list.length) this.list.pop();
      else throw new TypeError('Lua: a hole in a list is not known to the simulation');
    } else if (key === this.list.length + 1 && value !== undefined) {
      this.list.push(value);
      this.hash.delete(key);
    } else if (value === undefined) this.hash.delete(key);
    else this.hash.set(key, value);
  }

  *ordered(): Generator<[number, Value]> {
    for (let i = 1; ; i += 1) {
      const value = this.get(i);
      if (value === undefined) return;
      yield [i, value];
    }
  }

  *entries(): Generator<[Value, Value]> {
    yield* this.ordered();
    yield* [...this.hash];
  }
}

function truth(value: Value): boolean {
  return value !== undefined && value !== false;
}

function number(value: Value): number {
  const converted = toNumber(value);
  if (converted === undefined) throw new TypeError(`Lua: arithmetic on ${typeOf(value)}`);
  return converted;
}

function toNumber(value: Value): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return undefined;
  if (/^\d+$/.test(value)) return Number(value);
  if (!/^\s*-?\d+(\.\d+)?([eE][-+]?\d+)?\s*$/.test(value)) return undefined;
  return Number(value);
}

/** As "%.14g" writes it, which is what Lua 5.1 does wherever a number becomes text. */
function textOf(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e14) return String(value);
  throw new RangeError(`Lua: the number ${value} as text is not known to the simulation`);
}

function text(value: Value): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return textOf(value);
  throw new TypeError(`Lua: concatenation of ${typeOf(value)}`);
}

function typeOf(value: Value): string {
  if (value === undefined) return 'nil';
  if (value instanceof Table) return 'table';
  return value === JSON_NULL ? 'userdata' : typeof value;
}

function table(value: Value): Table {
  if (value instanceof Table) return value;
  throw new TypeError(`Lua: attempt to index ${typeOf(value)}`);
}

function comparable(a: Value, b: Value): void {
  if (typeof a !== typeof b || (typeof a !== 'number' && typeof a !== 'string')) {
    throw new TypeError(`Lua: attempt to compare ${typeOf(a)} with ${typeOf(b)}`);
  }
}

/** Formats are few and used often, so each is taken apart once. */
const FORMATS = new Map<string, string[]>();

function format(pattern: Value, ...args: Value[]): string {
  const wanted = text(pattern);
  const parts = FORMATS.get(wanted) ?? wanted.split(/(%\.0f|%d|%s)/);
  FORMATS.set(wanted, parts);
  let at = 0;
  let written = '';
  for (const part of parts) {
    if (part !== '%.0f' && part !== '%d' && part !== '%s') {
      if (part.includes('%')) throw new RangeError('Lua: this format is not known to the simulation');
      written += part;
      continue;
    }
    const value = args[at++];
    if (value === undefined) throw new TypeError('Lua: a value for the format is missing');
    if (part === '%s') written += text(value);
    else written += String(part === '%d' ? Math.trunc(number(value)) : Math.round(number(value)));
  }
  return written;
}

/** Only plain text with escaped punctuation is known as a pattern. */
function gsub(subject: Value, pattern: Value, replacement: Value): Value[] {
  const plain = text(pattern).replaceAll(/%(.)/g, '\u0000$1');
  if (/(^|[^\0])[$^().[\]*+\-?%]/.test(plain)) throw new RangeError('Lua: this pattern is not known to the simulation');
  const parts = text(subject).split(plain.replaceAll('\u0000', ''));
  return [parts.join(text(replacement)), parts.length - 1];
}

/** Patterns are few and used often, so each is translated once. */
const PATTERNS = new Map<string, RegExp>();
const CLASSES: Record<string, string> = { d: '[0-9]', w: '[0-9A-Za-z]', a: '[A-Za-z]', s: '[ \\t-\\r]' };

/** Plain text, classes, captures, anchors, and repetition of one of these. */
function expressionOf(pattern: string): RegExp {
  const known = PATTERNS.get(pattern);
  if (known !== undefined) return known;
  const translated = pattern.replaceAll(/%(.)|[$^.[\]\-{}|\\/]/gs, (found: string, escaped: string | undefined, at: number) => {
    if (escaped !== undefined && CLASSES[escaped] !== undefined) return CLASSES[escaped];
    if (escaped !== undefined && /[^0-9A-Za-z]/.test(escaped)) return `\\${escaped}`;
    if (found === '.') return '[^]';
    if ((found === '^' && at === 0) || (found === '$' && at === pattern.length - 1)) return found;
    if (/[{}|\\/]/.test(found)) return `\\${found}`;
    throw new RangeError('Lua: this pattern is not known to the simulation');
  });
  const expression = new RegExp(translated);
  PATTERNS.set(pattern, expression);
  return expression;
}

/** The captures, or the whole of what matches where there are none. */
function match(subject: Value, pattern: Value): Value[] {
  const found = expressionOf(text(pattern)).exec(text(subject));
  if (found === null) return [undefined];
  return found.length === 1 ? [found[0]] : found.slice(1);
}

function decode(json: unknown): Value {
  if (json === null) return JSON_NULL;
  if (Array.isArray(json)) return Table.of(json.map(decode));
  if (typeof json === 'object')
    return Table.from(
      [],
      Object.entries(json).map(([key, value]) => [key, decode(value)]),
    );
  return json as string | number | boolean;
}

function encode(value: Value): unknown {
  if (value === JSON_NULL) return null;
  if (!(value instanceof Table)) return value;
  // An empty table is an object to cjson.
  if (value.list.length > 0 && value.hash.size === 0) return value.list.map(encode);
  return Object.fromEntries([...value.entries()].map(([key, each]) => [String(key), encode(each)]));
}

function unpack(list: Value, from: Value = 1, to: Value = undefined): Value[] {
  const source = table(list);
  const end = to === undefined ? source.list.length : number(to);
  const values: Value[] = [];
  for (let i = number(from); i <= end; i += 1) values.push(source.get(i));
  return values;
}

/** What compiled scripts stand on. */
export const runtime = {
  T: truth,
  N: number,
  S: text,
  G: (of: Value, key: Value): Value => table(of).get(key),
  P: table,
  lt: (a: Value, b: Value): boolean => {
    comparable(a, b);
    return (a as number) < (b as number);
  },
  le: (a: Value, b: Value): boolean => {
    comparable(a, b);
    return (a as number) <= (b as number);
  },
};

export const library: Record<string, (...args: Value[]) => Value | Value[]> = {
  '#': (value) => (typeof value === 'string' ? value.length : table(value).list.length),
  tonumber: (value) => toNumber(value),
  tostring: (value) => (value === undefined ? 'nil' : typeof value === 'boolean' ? String(value) : text(value)),
  type: (value) => typeOf(value),
  unpack: (list, from, to) => unpack(list, from, to),
  'math.floor': (value) => Math.floor(number(value)),
  'math.max': (...values) => Math.max(...values.map(number)),
  'math.min': (...values) => Math.min(...values.map(number)),
  'string.format': (pattern, ...args) => format(pattern, ...args),
  'string.sub': (value, from, to) => {
    const [whole, first, last] = [text(value), number(from), to === undefined ? -1 : number(to)];
    const index = (at: number): number => (at < 0 ? whole.length + at + 1 : at);
    return whole.slice(Math.max(0, index(first) - 1), Math.max(0, index(last)));
  },
  'string.match': (subject, pattern) => match(subject, pattern),
  'string.gsub': (subject, pattern, replacement) => gsub(subject, pattern, replacement),
  'table.sort': (list) => {
    table(list).list.sort((a, b) => (text(a) < text(b) ? -1 : 1));
    return undefined;
  },
  'cjson.decode': (json) => decode(JSON.parse(text(json))),
  'cjson.encode': (value) => JSON.stringify(encode(value)),
};

/**
 * Owns the running of the project's Lua scripts without Redis: the tree becomes a JavaScript function, so that the very text that decides in production
 * decides in the simulation, on its clock and its keyspace. Values: nil is `undefined`, tables are {@link Table}, numbers are whole or as Lua 5.1 has them.
 * Refuses every name and every format it does not know.
 */
import type { Expression, Statement } from './lua-parser.ts';
import { parseLua } from './lua-parser.ts';
import { library, type RedisCall, runtime, Table, type Value } from './lua-runtime.ts';

export type Reply = string | number | null | Reply[];
export type Script = (keys: string[], args: string[], call: RedisCall) => Reply;

const MANY = new Set(['unpack', 'string.gsub', 'string.match']);
/** Functions that give exactly one value. */
const SINGLE = new Set(Object.keys(library).filter((name) => !MANY.has(name)));

/** Translate a script, its includes already in place. */
export function compileLua(text: string): Script {
  const writer = new Writer();
  const body = writer.block(parseLua(text), new Map());
  const make = new Function('R', 'L', 'Table', `const {T,N,S,G,P,lt,le} = R; return (KEYS, ARGV, call) => {${body}; return [];}`);
  const run = make(runtime, library, Table) as (keys: Table, args: Table, call: RedisCall) => Value[];
  return (keys, args, call) => toReply(run(Table.of(keys), Table.of(args), call)[0]);
}

function toReply(value: Value): Reply {
  if (typeof value === 'number') return Math.trunc(value);
  if (typeof value === 'string') return value;
  if (value === true) return 1;
  if (!(value instanceof Table)) return null;
  const ok = value.get('ok');
  return typeof ok === 'string' ? ok : value.list.map(toReply);
}

type Scope = Map<string, string>;

class Writer {
  #count = 0;

  block(statements: Statement[], outer: Scope): string {
    const scope = new Map(outer);
    return statements.map((statement) => this.#statement(statement, scope)).join('\n');
  }

  #declare(name: string, scope: Scope): string {
    this.#count += 1;
    const unique = `${name}$${this.#count}`;
    scope.set(name, unique);
    return unique;
  }

  #statement(statement: Statement, scope: Scope): string {
    switch (statement.node) {
      case 'local': {
        const values = this.#spread(statement.values, scope, statement.names.length);
        const names = statement.names.map((name) => this.#declare(name, scope));
        return values.length === 1 && names.length === 1
          ? `let ${names[0]} = ${values[0]};`
          : `let [${names}] = ${this.#array(values)};`;
      }
      case 'local-function': {
        const name = this.#declare(statement.name, scope);
        return `const ${name} = ${this.#expression(statement.value, scope)};`;
      }
      case 'assign':
        return this.#assign(statement.targets, statement.values, scope);
      case 'call-statement':
        return `${this.#many(statement.call, scope)};`;
      case 'if': {
        const branches = statement.branches.map(
          ({ condition, body }) => `if (${this.#test(condition, scope)}) {${this.block(body, scope)}}`,
        );
        const otherwise = statement.otherwise === undefined ? '' : ` else {${this.block(statement.otherwise, scope)}}`;
        return branches.join(' else ') + otherwise;
      }
      case 'while':
        return `while (${this.#test(statement.condition, scope)}) {${this.block(statement.body, scope)}}`;
      case 'for-numbers':
      case 'for-pairs':
        return this.#loop(statement, scope);
      case 'return':
        return `return ${this.#array(this.#spread(statement.values, scope))};`;
      case 'break':
        return 'break;';
    }
  }

  #loop(statement: Extract<Statement, { node: 'for-numbers' | 'for-pairs' }>, outer: Scope): string {
    const scope = new Map(outer);
    if (statement.node === 'for-numbers') {
      const [from, to] = [this.#number(statement.from, outer), this.#number(statement.to, outer)];
      const step = statement.step === undefined ? '1' : this.#number(statement.step, outer);
      const name = this.#declare(statement.name, scope);
      this.#count += 1;
      const [end, by] = [`end$${this.#count}`, `by$${this.#count}`];
      const head = `let ${name} = ${from}, ${end} = ${to}, ${by} = ${step}; ${by} > 0 ? ${name} <= ${end} : ${name} >= ${end}; ${name} += ${by}`;
      return `for (${head}) {${this.block(statement.body, scope)}}`;
    }
    const table = this.#expression(statement.table, outer);
    const names = statement.names.map((name) => this.#declare(name, scope));
    const entries = `P(${table}).${statement.ordered ? 'ordered' : 'entries'}()`;
    return `for (let [${names}] of ${entries}) {${this.block(statement.body, scope)}}`;
  }

  #assign(targets: Expression[], values: Expression[], scope: Scope): string {
    const codes = this.#spread(values, scope, targets.length);
    const [target] = targets;
    if (targets.length === 1 && target !== undefined) return `${this.#store(target, codes[0] ?? 'undefined', scope)};`;
    this.#count += 1;
    const all = `all$${this.#count}`;
    return `{const ${all} = ${this.#array(codes)}; ${targets.map((each, at) => this.#store(each, `${all}[${at}]`, scope)).join('; ')};}`;
  }

  #store(target: Expression, value: string, scope: Scope): string {
    if (target.node === 'index')
      return `P(${this.#expression(target.of, scope)}).set(${this.#expression(target.key, scope)}, ${value})`;
    const name = target.node === 'name' ? scope.get(target.name) : undefined;
    if (name === undefined) throw new SyntaxError('Lua: only locals and fields can be assigned');
    return `${name} = ${value}`;
  }

  /** One code per value; the last may stand for several, and says so by its dots. */
  #spread(values: Expression[], scope: Scope, wanted = Number.POSITIVE_INFINITY): string[] {
    return values.map((value, at) => {
      const last = at === values.length - 1 && values.length < wanted;
      return last && this.#isMany(value) ? `...${this.#many(value, scope)}` : this.#expression(value, scope);
    });
  }

  #array(codes: string[]): string {
    return `[${codes.join(', ')}]`;
  }

  #isMany(value: Expression): boolean {
    return value.node === 'call' && !isRedisCall(value.callee) && !SINGLE.has(libraryName(value.callee, new Map()) ?? '');
  }

  /** A call with all its values, as an array unless the function gives exactly one. */
  #many(value: Expression, scope: Scope): string {
    if (value.node !== 'call') throw new SyntaxError('Lua: a call was expected');
    const args = this.#spread(value.args, scope).join(', ');
    if (isRedisCall(value.callee)) return `call(${args})`;
    const name = libraryName(value.callee, scope);
    if (name !== undefined) return `L[${JSON.stringify(name)}](${args})`;
    return `${this.#expression(value.callee, scope)}(${args})`;
  }

  #number(value: Expression, scope: Scope): string {
    const code = this.#expression(value, scope);
    return value.node === 'constant' && typeof value.value === 'number' ? code : `N(${code})`;
  }

  /** A condition, as a JavaScript boolean. */
  #test(value: Expression, scope: Scope): string {
    if (value.node === 'binary' && (value.operator === 'and' || value.operator === 'or')) {
      const operator = value.operator === 'and' ? '&&' : '||';
      return `(${this.#test(value.left, scope)} ${operator} ${this.#test(value.right, scope)})`;
    }
    if (value.node === 'unary' && value.operator === 'not') return `!${this.#test(value.operand, scope)}`;
    if (value.node === 'binary' && COMPARISONS.has(value.operator)) return this.#expression(value, scope);
    return `T(${this.#expression(value, scope)})`;
  }

  #expression(value: Expression, scope: Scope): string {
    switch (value.node) {
      case 'constant':
        return value.value === undefined ? 'undefined' : JSON.stringify(value.value);
      case 'name': {
        const known = value.name === 'KEYS' || value.name === 'ARGV' ? value.name : scope.get(value.name);
        if (known === undefined) throw new SyntaxError(`Lua: the name ${value.name} is not known`);
        return known;
      }
      case 'single':
        return this.#expression(value.of, scope);
      case 'index':
        return `G(${this.#expression(value.of, scope)}, ${this.#expression(value.key, scope)})`;
      case 'call':
        return this.#isMany(value) ? `${this.#many(value, scope)}[0]` : this.#many(value, scope);
      case 'function': {
        const inner = new Map(scope);
        const parameters = value.parameters.map((name) => this.#declare(name, inner));
        return `((${parameters.join(', ')}) => {${this.block(value.body, inner)}; return [];})`;
      }
      case 'table':
        return this.#table(value.fields, scope);
      case 'unary':
        if (value.operator === 'not') return `!${this.#test(value.operand, scope)}`;
        if (value.operator === '-') return `(-${this.#number(value.operand, scope)})`;
        return `L['#'](${this.#expression(value.operand, scope)})`;
      case 'binary':
        return this.#binary(value, scope);
    }
  }

  #table(fields: Extract<Expression, { node: 'table' }>['fields'], scope: Scope): string {
    const list = fields.flatMap(({ key, value }) => (key === undefined ? [value] : []));
    const named = fields.flatMap(({ key, value }) =>
      key === undefined ? [] : [`[${this.#expression(key, scope)}, ${this.#expression(value, scope)}]`],
    );
    return `Table.from(${this.#array(this.#spread(list, scope))}, [${named.join(', ')}])`;
  }

  #binary(value: Extract<Expression, { node: 'binary' }>, scope: Scope): string {
    const { operator } = value;
    const [left, right] = [this.#expression(value.left, scope), this.#expression(value.right, scope)];
    switch (operator) {
      case 'and':
        return `((x) => T(x) ? ${right} : x)(${left})`;
      case 'or':
        return `((x) => T(x) ? x : ${right})(${left})`;
      case '==':
        return `(${left} === ${right})`;
      case '~=':
        return `(${left} !== ${right})`;
      case '<':
        return `lt(${left}, ${right})`;
      case '>':
        return `lt(${right}, ${left})`;
      case '<=':
        return `le(${left}, ${right})`;
      case '>=':
        return `le(${right}, ${left})`;
      case '..':
        return `(S(${left}) + S(${right}))`;
      default: {
        const [a, b] = [this.#number(value.left, scope), this.#number(value.right, scope)];
        if (operator === '%') return `((a, b) => a - Math.floor(a / b) * b)(${a}, ${b})`;
        return `(${a} ${operator === '^' ? '**' : operator} ${b})`;
      }
    }
  }
}

const COMPARISONS = new Set(['==', '~=', '<', '>', '<=', '>=']);

function isRedisCall(callee: Expression): boolean {
  return (
    callee.node === 'index' &&
    callee.of.node === 'name' &&
    callee.of.name === 'redis' &&
    callee.key.node === 'constant' &&
    callee.key.value === 'call'
  );
}

/** `math.floor`, `tonumber` …; `undefined` for functions of the script itself. */
function libraryName(callee: Expression, scope: Scope): string | undefined {
  if (callee.node === 'name') return scope.has(callee.name) || !(callee.name in library) ? undefined : callee.name;
  if (callee.node !== 'index' || callee.of.node !== 'name' || callee.key.node !== 'constant') return undefined;
  const name = `${callee.of.name}.${String(callee.key.value)}`;
  if (name in library) return name;
  throw new SyntaxError(`Lua: ${name} is not known to the simulation`);
}

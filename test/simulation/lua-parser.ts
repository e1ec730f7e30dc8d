/**
 * Owns the reading of Lua 5.1 as far as the scripts of this project use it: text in, a tree out. Refuses what it does not know, loudly, with the line:
 * a script that the simulation understood only in part would prove nothing.
 */

export type Expression =
  | { node: 'constant'; value: string | number | boolean | undefined }
  | { node: 'name'; name: string }
  | { node: 'index'; of: Expression; key: Expression }
  | { node: 'call'; callee: Expression; args: Expression[] }
  | { node: 'function'; parameters: string[]; body: Statement[] }
  | { node: 'table'; fields: { key: Expression | undefined; value: Expression }[] }
  | { node: 'binary'; operator: string; left: Expression; right: Expression }
  | { node: 'unary'; operator: string; operand: Expression }
  | { node: 'single'; of: Expression };

export type Statement =
  | { node: 'local'; names: string[]; values: Expression[] }
  | { node: 'local-function'; name: string; value: Expression }
  | { node: 'assign'; targets: Expression[]; values: Expression[] }
  | { node: 'call-statement'; call: Expression }
  | { node: 'if'; branches: { condition: Expression; body: Statement[] }[]; otherwise: Statement[] | undefined }
  | { node: 'for-numbers'; name: string; from: Expression; to: Expression; step: Expression | undefined; body: Statement[] }
  | { node: 'for-pairs'; ordered: boolean; names: string[]; table: Expression; body: Statement[] }
  | { node: 'while'; condition: Expression; body: Statement[] }
  | { node: 'return'; values: Expression[] }
  | { node: 'break' };

interface Token {
  kind: 'name' | 'word' | 'number' | 'string' | 'symbol' | 'end';
  text: string;
  line: number;
}

const WORDS = new Set(
  'and break do else elseif end false for function if in local nil not or repeat return then true until while'.split(' '),
);
const TOKEN =
  /\s+|--\[\[[\s\S]*?\]\]|--[^\n]*|[A-Za-z_]\w*|\d+(?:\.\d+)?|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|\.\.\.|\.\.|==|~=|<=|>=|[-+*/%^#<>=(){}[\];:,.]/gy;
const ESCAPES: Record<string, string> = { n: '\n', t: '\t', r: '\r' };
const PRECEDENCE: Record<string, [left: number, right: number]> = {
  or: [1, 1],
  and: [2, 2],
  '<': [3, 3],
  '>': [3, 3],
  '<=': [3, 3],
  '>=': [3, 3],
  '~=': [3, 3],
  '==': [3, 3],
  '..': [5, 4],
  '+': [6, 6],
  '-': [6, 6],
  '*': [7, 7],
  '/': [7, 7],
  '%': [7, 7],
  '^': [10, 9],
};
const UNARY_PRECEDENCE = 8;

function tokens(text: string): Token[] {
  const found: Token[] = [];
  let line = 1;
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const from = TOKEN.lastIndex;
    const match = TOKEN.exec(text)?.[0];
    if (match === undefined) throw new SyntaxError(`Lua, line ${line}: cannot read "${text.slice(from, from + 20)}"`);
    const [first = ''] = match;
    if (/[A-Za-z_]/.test(first)) found.push({ kind: WORDS.has(match) ? 'word' : 'name', text: match, line });
    else if (/\d/.test(first)) found.push({ kind: 'number', text: match, line });
    else if (first === "'" || first === '"') {
      const plain = match.slice(1, -1).replaceAll(/\\(.)/g, (_all, escaped: string) => ESCAPES[escaped] ?? escaped);
      found.push({ kind: 'string', text: plain, line });
    } else if (!/^(?:\s|--)/.test(match)) found.push({ kind: 'symbol', text: match, line });
    line += match.split('\n').length - 1;
  }
  found.push({ kind: 'end', text: 'the end', line });
  return found;
}

/** Parse a whole script. */
export function parseLua(text: string): Statement[] {
  return new Parser(tokens(text)).script();
}

class Parser {
  readonly #tokens: Token[];
  #at = 0;

  constructor(list: Token[]) {
    this.#tokens = list;
  }

  script(): Statement[] {
    const body = this.#block();
    if (this.#token().kind !== 'end') this.#fail('nothing more');
    return body;
  }

  #token(): Token {
    return this.#tokens[this.#at] ?? { kind: 'end', text: 'the end', line: 0 };
  }

  #fail(wanted: string): never {
    const { text, line } = this.#token();
    throw new SyntaxError(`Lua, line ${line}: ${wanted} was expected, "${text}" is there`);
  }

  #is(text: string): boolean {
    const token = this.#token();
    return (token.kind === 'word' || token.kind === 'symbol') && token.text === text;
  }

  #take(text: string): boolean {
    if (!this.#is(text)) return false;
    this.#at += 1;
    return true;
  }

  #need(text: string): void {
    if (!this.#take(text)) this.#fail(`"${text}"`);
  }

  #name(): string {
    const token = this.#token();
    if (token.kind !== 'name') this.#fail('a name');
    this.#at += 1;
    return token.text;
  }

  #list<T>(one: () => T): T[] {
    const all = [one()];
    while (this.#take(',')) all.push(one());
    return all;
  }

  #block(): Statement[] {
    const body: Statement[] = [];
    while (this.#token().kind !== 'end' && !['end', 'else', 'elseif', 'until'].some((word) => this.#is(word))) {
      if (this.#take(';')) continue;
      body.push(this.#statement());
    }
    return body;
  }

  #ended(): Statement[] {
    const body = this.#block();
    this.#need('end');
    return body;
  }

  #statement(): Statement {
    if (this.#take('local')) return this.#local();
    if (this.#take('if')) return this.#if();
    if (this.#take('for')) return this.#for();
    if (this.#take('break')) return { node: 'break' };
    if (this.#take('return')) {
      const none = this.#token().kind === 'end' || ['end', 'else', 'elseif', ';'].some((word) => this.#is(word));
      return { node: 'return', values: none ? [] : this.#list(() => this.#expression()) };
    }
    if (this.#take('while')) {
      const condition = this.#expression();
      this.#need('do');
      return { node: 'while', condition, body: this.#ended() };
    }
    const first = this.#suffixed();
    if (first.node === 'call' && !this.#is('=') && !this.#is(',')) return { node: 'call-statement', call: first };
    const targets = [first];
    while (this.#take(',')) targets.push(this.#suffixed());
    this.#need('=');
    return { node: 'assign', targets, values: this.#list(() => this.#expression()) };
  }

  #local(): Statement {
    if (this.#take('function')) return { node: 'local-function', name: this.#name(), value: this.#functionBody() };
    const names = this.#list(() => this.#name());
    return { node: 'local', names, values: this.#take('=') ? this.#list(() => this.#expression()) : [] };
  }

  #if(): Statement {
    const branches: { condition: Expression; body: Statement[] }[] = [];
    let otherwise: Statement[] | undefined;
    do {
      const condition = this.#expression();
      this.#need('then');
      branches.push({ condition, body: this.#block() });
    } while (this.#take('elseif'));
    if (this.#take('else')) otherwise = this.#block();
    this.#need('end');
    return { node: 'if', branches, otherwise };
  }

  #for(): Statement {
    const names = this.#list(() => this.#name());
    if (this.#take('=')) {
      const [from, to, step] = this.#list(() => this.#expression());
      this.#need('do');
      const [name] = names;
      if (from === undefined || to === undefined || name === undefined) this.#fail('a range');
      return { node: 'for-numbers', name, from, to, step, body: this.#ended() };
    }
    this.#need('in');
    const call = this.#expression();
    const callee = call.node === 'call' && call.callee.node === 'name' ? call.callee.name : '';
    const table = call.node === 'call' ? call.args[0] : undefined;
    if ((callee !== 'ipairs' && callee !== 'pairs') || table === undefined) this.#fail('pairs() or ipairs()');
    this.#need('do');
    return { node: 'for-pairs', ordered: callee === 'ipairs', names, table, body: this.#ended() };
  }

  #functionBody(): Expression {
    this.#need('(');
    const parameters = this.#is(')') ? [] : this.#list(() => this.#name());
    this.#need(')');
    return { node: 'function', parameters, body: this.#ended() };
  }

  #expression(above = 0): Expression {
    let left = this.#operand();
    for (;;) {
      const { text: operator, kind } = this.#token();
      const precedence = kind === 'word' || kind === 'symbol' ? PRECEDENCE[operator] : undefined;
      if (precedence === undefined || precedence[0] <= above) return left;
      this.#at += 1;
      left = { node: 'binary', operator, left, right: this.#expression(precedence[1]) };
    }
  }

  #operand(): Expression {
    for (const operator of ['not', '-', '#']) {
      if (this.#take(operator)) return { node: 'unary', operator, operand: this.#expression(UNARY_PRECEDENCE) };
    }
    const { kind, text } = this.#token();
    if (kind === 'number' || kind === 'string') {
      this.#at += 1;
      return { node: 'constant', value: kind === 'number' ? Number(text) : text };
    }
    if (this.#take('nil')) return { node: 'constant', value: undefined };
    if (this.#take('true')) return { node: 'constant', value: true };
    if (this.#take('false')) return { node: 'constant', value: false };
    if (this.#take('function')) return this.#functionBody();
    if (this.#is('{')) return this.#table();
    return this.#suffixed();
  }

  #table(): Expression {
    this.#need('{');
    const fields: { key: Expression | undefined; value: Expression }[] = [];
    while (!this.#take('}')) {
      const next = this.#tokens[this.#at + 1];
      if (this.#take('[')) {
        const key = this.#expression();
        this.#need(']');
        this.#need('=');
        fields.push({ key, value: this.#expression() });
      } else if (this.#token().kind === 'name' && next?.kind === 'symbol' && next.text === '=') {
        const key = this.#name();
        this.#need('=');
        fields.push({ key: { node: 'constant', value: key }, value: this.#expression() });
      } else fields.push({ key: undefined, value: this.#expression() });
      if (!this.#take(',') && !this.#take(';') && !this.#is('}')) this.#fail('"}"');
    }
    return { node: 'table', fields };
  }

  #suffixed(): Expression {
    let found: Expression;
    if (this.#take('(')) {
      found = { node: 'single', of: this.#expression() };
      this.#need(')');
    } else found = { node: 'name', name: this.#name() };
    for (;;) {
      if (this.#take('.')) found = { node: 'index', of: found, key: { node: 'constant', value: this.#name() } };
      else if (this.#take('[')) {
        found = { node: 'index', of: found, key: this.#expression() };
        this.#need(']');
      } else if (this.#take('(')) {
        const args = this.#is(')') ? [] : this.#list(() => this.#expression());
        this.#need(')');
        found = { node: 'call', callee: found, args };
      } else return found;
    }
  }
}

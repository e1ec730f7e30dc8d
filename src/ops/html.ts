/**
 * Owns how the pages for people on call are built: a template that escapes whatever is not HTML already, the one style sheet, the frame of a document,
 * and the headers that let a browser run and load nothing. OWASP ASVS 5.0 chapter 3.4 (browser security headers).
 */
import { randomBytes } from 'node:crypto';
import type { FastifyReply } from 'fastify';
import { ALWAYS } from './ops-error.ts';

export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Piece = string | number | Html | Html[];

export const NOTHING = new Html('');

/** Builds HTML; every value that is not HTML itself is escaped. */
export function html(parts: TemplateStringsArray, ...values: Piece[]): Html {
  const pieces = parts.map((part, at) => {
    const value = values[at];
    return value === undefined ? part : part + textOf(value);
  });
  return new Html(pieces.join(''));
}

function textOf(value: Piece): string {
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(({ text }) => text).join('');
  return String(value).replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const STYLE = `:root{--ink:#1b1f24;--paper:#fff;--line:#d8dee4;--quiet:#57606a;--soft:#f6f8fa;--pass:#116329;--warn:#7d4e00;--fail:#a40e26;--link:#0550ae;color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--paper:#0d1117;--line:#30363d;--quiet:#9198a1;--soft:#161b22;--pass:#56d364;--warn:#e3b341;--fail:#ff7b72;--link:#79c0ff}}
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem;color:var(--ink);background:var(--paper)}
h1{font-size:1.35rem}h2{font-size:1.1rem;margin-top:2.2rem}h3{font-size:1rem;margin:1.6rem 0 .3rem}a{color:var(--link)}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--quiet);font-weight:600;font-size:.85rem}.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.pass{color:var(--pass)}.warn{color:var(--warn)}.fail{color:var(--fail);font-weight:600}.quiet{color:var(--quiet)}
.card{border:1px solid var(--line);border-radius:.5rem;padding:.2rem 1rem 1rem;margin:1rem 0;background:var(--soft)}
.card h2{margin-top:.8rem}.facts{display:flex;flex-wrap:wrap;gap:.6rem 2.2rem;margin:.6rem 0}.facts div{min-width:6rem}
.facts b{display:block;font-size:1.15rem;font-variant-numeric:tabular-nums}.facts small{color:var(--quiet)}
form.inline{display:inline-block;margin:0 .3rem .2rem 0}input{font:inherit;padding:.35rem;width:26rem;max-width:100%}
button{font:inherit;padding:.25rem .8rem;border:1px solid var(--line);border-radius:.35rem;background:var(--paper);color:var(--ink);cursor:pointer}
button.weighty{border-color:var(--fail);color:var(--fail)}progress{width:8rem}code,pre{font:13px/1.45 ui-monospace,monospace}
pre{background:var(--soft);border:1px solid var(--line);border-radius:.35rem;padding:.6rem;overflow-x:auto}td form{margin:0}
.scroll{overflow-x:auto}.tag{display:inline-block;border:1px solid var(--line);border-radius:1rem;padding:0 .6rem;font-size:.85rem}`;

export interface Frame {
  title: string;
  /** Asks the browser to load the page again every so many seconds. */
  refreshSeconds?: number;
}

/** Puts a body into a whole document. */
export function documentOf(nonce: string, { title, refreshSeconds }: Frame, body: Html): string {
  const refresh = refreshSeconds === undefined ? NOTHING : html`<meta http-equiv="refresh" content="${refreshSeconds}">`;
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title}</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex">
${refresh}
<style nonce="${nonce}">${new Html(STYLE)}</style></head>
<body>${body}</body></html>`.text;
}

/** Sends a page that may run and load nothing, be framed by nobody, and post to this service only. */
export function sendPage(reply: FastifyReply, page: (nonce: string) => string): FastifyReply {
  const nonce = randomBytes(16).toString('base64');
  const policy = `default-src 'none'; style-src 'nonce-${nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`;
  return reply
    .headers({ ...ALWAYS, 'content-security-policy': policy, 'x-frame-options': 'DENY' })
    .type('text/html; charset=utf-8')
    .send(page(nonce));
}

/**
 * Owns the HTML of the operator page: one document without a script, from numbers and parked people. Pure.
 * Everything that comes from outside is escaped by the template itself, so that a userName with markup in it stays a userName.
 */
import type { Status } from './health.ts';
import type { ParkedPerson } from './parked.ts';
import type { SiteReading } from './snapshot.ts';
import { span } from './words.ts';

class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Piece = string | number | Html | Html[];

/** Builds HTML; every value that is not HTML itself is escaped. */
function html(parts: TemplateStringsArray, ...values: Piece[]): Html {
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

const STYLE = `body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1b1f24;background:#fff}
h1{font-size:1.3rem}h2{font-size:1.05rem;margin-top:2rem}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #d8dee4;vertical-align:top}td.n{text-align:right;font-variant-numeric:tabular-nums}
.pass{color:#116329}.warn{color:#7d4e00}.fail{color:#a40e26;font-weight:600}.quiet{color:#57606a}
input{font:inherit;padding:.35rem;width:26rem;max-width:100%}button{font:inherit;padding:.3rem .8rem}progress{width:8rem}
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}th,td{border-color:#30363d}.pass{color:#56d364}.warn{color:#e3b341}.fail{color:#ff7b72}.quiet{color:#9198a1}}`;

function documentOf(nonce: string, body: Html, refresh: boolean): string {
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>maxio-scim</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex">
${new Html(refresh ? '<meta http-equiv="refresh" content="10">' : '')}
<style nonce="${nonce}">${new Html(STYLE)}</style></head>
<body>${body}</body></html>`.text;
}

/** The form that asks for the token. */
export function signInPage(nonce: string, wrong: boolean): string {
  const note = wrong ? html`<p class="fail" role="alert">That is not the OPS_TOKEN of this service.</p>` : new Html('');
  const body = html`<h1>maxio-scim</h1>${note}
<form method="post" action="/ops/sign-in"><p><label for="token">OPS_TOKEN</label><br>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus></p>
<p><button>Sign in</button></p></form>`;
  return documentOf(nonce, body, false);
}

export interface PageContent {
  version: string;
  status: Status;
  reasons: string[];
  readings: SiteReading[];
  parked: ParkedPerson[];
  parkedTotal: number;
}

/** The page of somebody who has signed in. */
export function opsPage(nonce: string, content: PageContent): string {
  const { version, status, reasons, readings, parked, parkedTotal } = content;
  const body = html`<h1>maxio-scim <span class="quiet">${version}</span> <span class="${status}">${status}</span></h1>
${reasons.map((reason) => html`<p class="fail">${reason}</p>`)}
<h2>Sites</h2>
<table><thead><tr><th>Site</th><th>Mode</th><th>Call budget</th><th>Pending</th><th>Oldest</th><th>Leavers</th><th>Oldest</th><th>Parked</th></tr></thead>
<tbody>${readings.map(siteRow)}</tbody></table>
<h2>Parked${parkedTotal > parked.length ? `, ${parked.length} of ${parkedTotal}` : ''}</h2>
${parked.length === 0 ? html`<p class="quiet">Nobody waits for you.</p>` : parkedTable(parked)}
<form method="post" action="/ops/sign-out"><p><button>Sign out</button></p></form>`;
  return documentOf(nonce, body, true);
}

function siteRow(reading: SiteReading): Html {
  const { key, mode, test, budget, paused } = reading;
  const kind = test === true ? ' (test site)' : '';
  const why = paused === undefined ? '' : `: ${paused.reason}${paused.seconds > 0 ? `, ${span(paused.seconds)}` : ''}`;
  const late = reading.oldestUrgentSeconds > 300 ? 'n fail' : 'n';
  return html`<tr><td>${key}${kind}</td><td class="${paused === undefined ? 'pass' : 'fail'}">${mode}${why}</td>
<td><progress max="${budget.limit}" value="${Math.min(budget.used, budget.limit)}"></progress> ${budget.used} of ${budget.limit} in ${span(budget.windowSeconds)}</td>
<td class="n">${reading.pending}</td><td class="n">${ageOf(reading.pending, reading.oldestPendingSeconds)}</td>
<td class="n">${reading.urgent}</td><td class="${late}">${ageOf(reading.urgent, reading.oldestUrgentSeconds)}</td>
<td class="${reading.parked > 0 ? 'n warn' : 'n'}">${reading.parked}</td></tr>
`;
}

function ageOf(count: number, seconds: number): string {
  return count === 0 ? '' : span(seconds);
}

function parkedTable(parked: ParkedPerson[]): Html {
  const row = (person: ParkedPerson): Html => html`<tr><td>${person.site}</td>
<td><a href="/ops/api/people/${person.id}?site=${encodeURIComponent(person.site)}">${person.userName}</a><br><small class="quiet">${person.id}</small></td>
<td>${person.leaver ? html`<strong class="fail">leaver</strong> ` : ''}${person.reason}<br><small>${person.detail}</small></td>
<td class="n">${span(person.parkedSeconds)}</td>
<td><form method="post" action="/ops/retry"><input type="hidden" name="site" value="${person.site}"><input type="hidden" name="id" value="${person.id}"><button>Retry</button></form></td></tr>
`;
  return html`<table><thead><tr><th>Site</th><th>Person</th><th>Why</th><th>Since</th><th></th></tr></thead><tbody>${parked.map(row)}</tbody></table>`;
}

/**
 * Owns the HTML of the operator page: one document without a script that shows what waits for a human, from numbers, held and parked people. Pure.
 * Everything that comes from outside is escaped by the template itself (html.ts), so that a userName with markup in it stays a userName.
 */
import { money } from '../figures.ts';
import type { HeldPerson, NoticeAnswer } from './api/shapes.ts';
import type { Status } from './health.ts';
import { documentOf, type Html, html, NOTHING } from './html.ts';
import { mayAct, type Operator } from './ops-auth.ts';
import { siteCard } from './page-site.ts';
import type { ParkedPerson } from './parked.ts';
import type { SiteReading } from './snapshot.ts';
import { span } from './words.ts';

/** The form that asks for the token. */
export function signInPage(nonce: string, wrong?: string): string {
  const note = wrong === undefined ? NOTHING : html`<p class="fail" role="alert">${wrong}</p>`;
  const body = html`<h1>maxio-scim</h1>${note}
<form method="post" action="/ops/sign-in"><p><label for="token">OPS_TOKEN, or your own ops token</label><br>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus></p>
<p><button>Sign in</button></p></form>`;
  return documentOf(nonce, { title: 'maxio-scim' }, body);
}

/** What came of a form, or why it was refused. */
export interface Told {
  good: boolean;
  text: string;
}

export interface PageContent {
  version: string;
  status: Status;
  reasons: string[];
  operator: Operator;
  told?: Told | undefined;
  readings: SiteReading[];
  notices: (NoticeAnswer & { site: string })[];
  held: HeldPerson[];
  /** By site, who is held as this page is shown: a word about all comes back with it. */
  heldMarks: ReadonlyMap<string, string>;
  parked: ParkedPerson[];
  parkedTotal: number;
}

const REFRESH_SECONDS = 10;

/** The page of somebody who has signed in. It loads itself again, except after a form, whose answer must stay to be read. */
export function opsPage(nonce: string, content: PageContent): string {
  const { version, status, reasons, operator, told, readings } = content;
  const body = html`<h1>maxio-scim <span class="quiet">${version}</span> <span class="${status}">${status}</span></h1>
${told === undefined ? NOTHING : html`<p class="${told.good ? 'pass' : 'fail'}" role="status">${told.text} <a href="/ops">Go on</a></p>`}
${reasons.map((reason) => html`<p class="fail">${reason}</p>`)}
${noticeList(content.notices)}
${readings.map(siteCard)}
${heldSection(content)}
${parkedSection(content)}
<form method="post" action="/ops/sign-out"><p class="quiet">Signed in as ${operator.name} (${operator.role}).
<a href="/ops/api/docs">API</a> <button>Sign out</button></p></form>`;
  return documentOf(
    nonce,
    { title: `maxio-scim: ${status}`, ...(told === undefined ? { refreshSeconds: REFRESH_SECONDS } : {}) },
    body,
  );
}

const NOTICE_CLASS = { page: 'fail', warn: 'warn', info: 'quiet' } as const;

function noticeList(notices: PageContent['notices']): Html {
  if (notices.length === 0) return html`<p class="pass">Nothing needs you.</p>`;
  const item = ({ site, severity, what, who, todo }: PageContent['notices'][number]): Html =>
    html`<tr><td>${site}</td><td><strong class="${NOTICE_CLASS[severity]}">${what}</strong><br><small>${who}</small></td><td>${todo}</td></tr>`;
  return html`<h2>Needs you</h2><div class="scroll"><table><thead><tr><th>Site</th><th>What</th><th>What to do</th></tr></thead><tbody>${notices.map(item)}</tbody></table></div>`;
}

/** A form of one button that carries its subject. */
function button(action: string, words: string, fields: Record<string, string>, weighty = false): Html {
  const inputs = Object.entries(fields).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`);
  return html`<form class="inline" method="post" action="${action}">${inputs}<button${weighty ? html` class="weighty"` : NOTHING}>${words}</button></form>`;
}

function personCell({ site, id, userName }: { site: string; id: string; userName: string }): Html {
  return html`<a href="/ops/api/people/${id}?site=${encodeURIComponent(site)}">${userName}</a><br><small class="quiet">${id}</small>`;
}

function heldSection({ held, heldMarks, readings, operator }: PageContent): Html {
  const total = readings.reduce((sum, reading) => sum + reading.held, 0);
  if (total === 0) return NOTHING;
  const may = mayAct(operator.role, 'approver');
  const row = (person: HeldPerson): Html => html`<tr><td>${person.site}</td><td>${personCell(person)}</td>
<td>${person.what === 'product' ? `loses ${person.products.join(', ') || 'a product'}` : person.deleted ? 'deleted' : 'deactivated'} ${person.leftAt}</td><td class="n">${person.subscriptions}</td><td class="n">${money(person.monthlyCents)}</td>
<td>${may ? html`${button('/ops/held', 'Approve', { site: person.site, id: person.id, word: 'approve' }, true)}${button('/ops/held', 'Reject', { site: person.site, id: person.id, word: 'reject' })}` : ''}</td></tr>
`;
  const everyone = readings
    .filter((reading) => reading.held > 0)
    .map(
      (reading) => html`<p>${reading.key}: ${reading.held} people, ${money(reading.guard.heldMonthlyCents)} a month.
${may ? html`${button('/ops/held', `Reject all ${reading.held}: nothing ends`, { site: reading.key, word: 'reject-all', seen: heldMarks.get(reading.key) ?? '' })}${button('/ops/held', `Approve all ${reading.held}: their subscriptions end`, { site: reading.key, word: 'approve-all', seen: heldMarks.get(reading.key) ?? '' }, true)}` : 'An approver decides.'}</p>`,
    );
  return html`<h2>Held${total > held.length ? `, ${held.length} of ${total}` : ''}</h2>
<p>These people left, or lost a product with a group, and still are billed: more did at once than is usual. Approve it to end the subscriptions; reject it if it is a mistake.</p>
${everyone}
<div class="scroll"><table><thead><tr><th>Site</th><th>Person</th><th>Left</th><th class="n">Subscriptions</th><th class="n">A month</th><th></th></tr></thead><tbody>${held.map(row)}</tbody></table></div>`;
}

function parkedSection({ parked, parkedTotal, operator }: PageContent): Html {
  const may = mayAct(operator.role, 'operator');
  const row = (person: ParkedPerson): Html => html`<tr><td>${person.site}</td><td>${personCell(person)}</td>
<td>${person.leaver ? html`<strong class="fail">leaver</strong> ` : ''}${person.reason}<br><small>${person.detail}</small></td>
<td class="n">${span(person.parkedSeconds)}</td>
<td>${may ? button('/ops/retry', 'Retry', { site: person.site, id: person.id }) : ''}</td></tr>
`;
  return html`<h2>Parked${parkedTotal > parked.length ? `, ${parked.length} of ${parkedTotal}` : ''}</h2>
${parked.length === 0 ? html`<p class="quiet">Nobody is parked.</p>` : html`<div class="scroll"><table><thead><tr><th>Site</th><th>Person</th><th>Why</th><th class="n">Since</th><th></th></tr></thead><tbody>${parked.map(row)}</tbody></table></div>`}`;
}

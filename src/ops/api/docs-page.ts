/**
 * Owns the page that explains the ops API to people: by group, with role, parameters, errors and a command to copy. Made from the route table alone.
 * Refuses scripts: it is text. Pure.
 */
import { documentOf, type Html, html, NOTHING } from '../html.ts';
import type { Role } from '../ops-auth.ts';
import { errorsOf, type Parameter, parametersOf, requestSchema, templateOf } from './openapi.ts';
import type { ApiRoute } from './route.ts';

export interface About {
  version: string;
  url: string;
}

const ROLES: Record<Role, string> = {
  viewer: 'sees everything and changes nothing',
  operator: 'also acts: mode, survey, links, drift, retry',
  approver: 'also approves: release, held leaves, configuration',
};

/** Writes the page. */
export function docsPage(nonce: string, routes: readonly ApiRoute[], about: About): string {
  const groups = [...Map.groupBy(routes, ({ group }) => group)];
  const body = html`<h1>maxio-scim ops API <span class="quiet">${about.version}</span></h1>
<p>Everything under <code>${about.url}/ops/api</code>, with <code>Authorization: Bearer</code> and a token of OPS_TOKENS_FILE, or OPS_TOKEN.
For programs: <a href="/ops/api/openapi.json">openapi.json</a> (OpenAPI 3.1). Back to <a href="/ops">what waits for you</a>.</p>
<p>An error is <code>{"error", "detail", "do"}</code>: a word for programs, what happened, and what to do next.</p>
<table><thead><tr><th>Role</th><th>May</th></tr></thead><tbody>${roleRows()}</tbody></table>
<p>${groups.map(([group]) => html`<a class="tag" href="#${anchorOf(group)}">${group}</a> `)}</p>
${groups.map(([group, members]) => html`<h2 id="${anchorOf(group)}">${group}</h2>${members.map((route) => section(route, about))}`)}`;
  return documentOf(nonce, { title: 'maxio-scim ops API' }, body);
}

function roleRows(): Html[] {
  return Object.entries(ROLES).map(([role, may]) => html`<tr><td>${role}</td><td>${may}</td></tr>`);
}

function anchorOf(group: string): string {
  return group.toLowerCase().replaceAll(/[^a-z]+/g, '-');
}

function section(route: ApiRoute, about: About): Html {
  const errors = [...errorsOf(route)];
  return html`<div class="card"><h3><code>${route.method} ${templateOf(route.path)}</code> <span class="tag">${route.role}</span></h3>
<p>${route.summary}.${route.description === undefined ? '' : ` ${route.description}`}</p>
${parameterTable(route)}
<pre>${curlOf(route, about)}</pre>
<details><summary>Errors</summary><table><tbody>${errors.map(([status, words]) => html`<tr><td>${status}</td><td>${words}</td></tr>`)}</tbody></table></details></div>
`;
}

interface Field {
  name: string;
  where: string;
  needed: boolean;
  words: string;
}

function parameterTable(route: ApiRoute): Html {
  const fields = [...parametersOf(route).map(fieldOf), ...bodyFields(route)];
  if (fields.length === 0) return NOTHING;
  const row = ({ name, where, needed, words }: Field): Html =>
    html`<tr><td><code>${name}</code></td><td>${where}${needed ? html` <strong>needed</strong>` : ''}</td><td>${words}</td></tr>`;
  return html`<table><thead><tr><th>Name</th><th>In</th><th></th></tr></thead><tbody>${fields.map(row)}</tbody></table>`;
}

function fieldOf({ name, in: where, required, description, schema }: Parameter): Field {
  return { name, where, needed: required, words: wordsOf(description, schema) };
}

function bodyFields(route: ApiRoute): Field[] {
  const { properties = {}, required = [] } = requestSchema(route.body) as {
    properties?: Record<string, Record<string, unknown>>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, schema]) => {
    const description = typeof schema.description === 'string' ? schema.description : undefined;
    return { name, where: 'body', needed: required.includes(name), words: wordsOf(description, schema) };
  });
}

function wordsOf(description: string | undefined, schema: Record<string, unknown>): string {
  const choices = Array.isArray(schema.enum)
    ? `One of ${schema.enum.join(', ')}.`
    : schema.const === undefined
      ? ''
      : `Only ${String(schema.const)}.`;
  return [choices, description ?? ''].filter((text) => text !== '').join(' ');
}

/** Bodies for the examples; a route that needs one and has none here would show a command that fails. */
const BODIES: Record<string, string> = {
  '/parked/retry': '{"all":true,"preview":true}',
  '/mode': '{"mode":"paused","why":"month-end close"}',
  '/links': '{"rows":[{"customerId":"123","decision":"link","reference":"ann@example.com"}]}',
  '/drift': '{"full":true}',
  '/drift/repair': '{"kind":"fields-differ"}',
  '/held/approve': '{"ids":["0b9d3c1e-…"]}',
  '/held/reject': '{"all":true}',
};

function curlOf({ method, path, csv, params }: ApiRoute, { url }: About): Html {
  const target = `${url}/ops/api${path.replaceAll(/:\w+/g, 'ann@example.com')}${csv ? '?format=csv' : ''}`;
  const post = method === 'POST' ? ` \\\n  -H 'Content-Type: application/json' -d '${BODIES[path] ?? '{}'}'` : '';
  const quoted = params === undefined && !csv ? target : `'${target}'`;
  return html`curl -H "Authorization: Bearer $OPS_TOKEN" ${quoted}${post}`;
}

/**
 * Owns the faults that are planted in front of our server, each with the check that has to find it.
 */
import type { Ask, Fault, Reply } from './faulty-proxy.ts';

type Body = Record<string, unknown>;

/** Changes the JSON object of an answer. */
function body(change: (json: Body, ask: Ask, reply: Reply) => void): Fault {
  return {
    after: (reply, ask) => {
      if (!reply.body.startsWith('{')) return;
      const json = JSON.parse(reply.body) as Body;
      change(json, ask, reply);
      reply.body = JSON.stringify(json);
    },
  };
}

/** Loses a parameter of the query. */
function without(parameter: string): Fault {
  return {
    before: (ask) => {
      const [path = '', query = ''] = ask.path.split('?');
      const kept = query.split('&').filter((pair) => !pair.startsWith(`${parameter}=`));
      return { ...ask, path: kept.join('') === '' ? path : `${path}?${kept.join('&')}` };
    },
  };
}

function header(change: (headers: Record<string, string>, reply: Reply) => void): Fault {
  return { after: (reply) => change(reply.headers, reply) };
}

/** Sends every operation of a patch by itself, and answers with the first failure or the last success. */
const oneByOne: Fault = {
  before: async (ask, pass) => {
    if (ask.method !== 'PATCH' || !ask.body.startsWith('{')) return ask;
    const message = JSON.parse(ask.body) as { Operations?: unknown[] };
    let reply: Reply | undefined;
    for (const operation of message.Operations ?? []) {
      reply = await pass({ ...ask, body: JSON.stringify({ ...message, Operations: [operation] }) });
      if (reply.status >= 400) return reply;
    }
    return reply ?? ask;
  },
};

const isUser = ({ path }: Ask): boolean => path.startsWith('/Users/');

export const FAULTS: readonly { what: string; caughtBy: string; fault: Fault }[] = [
  { what: 'drops Location', caughtBy: 'create-location', fault: header((headers) => delete headers.location) },
  {
    what: 'answers in text/html',
    caughtBy: 'media-list',
    fault: header((headers) => Object.assign(headers, { 'content-type': 'text/html' })),
  },
  {
    what: 'gives the status of errors as a number',
    caughtBy: 'error-form-404',
    fault: body((json) => Object.assign(json, json.detail === undefined ? {} : { status: Number(json.status) })),
  },
  { what: 'leaves Resources out', caughtBy: 'list-resources', fault: body((json) => delete json.Resources) },
  {
    what: 'counts in text',
    caughtBy: 'list-form',
    fault: body((json) => Object.assign(json, 'totalResults' in json ? { totalResults: String(json.totalResults) } : {})),
  },
  {
    what: 'does not name its schemes',
    caughtBy: 'auth-challenge',
    fault: header((headers) => delete headers['www-authenticate']),
  },
  {
    what: 'creates with 200',
    caughtBy: 'create-201',
    fault: {
      after: (reply) => {
        if (reply.status === 201) reply.status = 200;
      },
    },
  },
  { what: 'ignores filters', caughtBy: 'filter-nothing', fault: without('filter') },
  { what: 'ignores filters that it cannot read', caughtBy: 'filter-bad-operator', fault: without('filter') },
  { what: 'ignores count', caughtBy: 'page-count-kept', fault: without('count') },
  { what: 'ignores startIndex', caughtBy: 'page-walk', fault: without('startIndex') },
  {
    what: 'starts again at every cursor',
    caughtBy: 'cursor-walk',
    fault: { before: (ask) => ({ ...ask, path: ask.path.replace(/cursor=[^&]+/, 'cursor=') }) },
  },
  { what: 'ignores sortOrder', caughtBy: 'sort-descending', fault: without('sortOrder') },
  { what: 'ignores attributes', caughtBy: 'project-attributes', fault: without('attributes') },
  { what: 'cannot leave members out', caughtBy: 'members-excluded', fault: without('excludedAttributes') },
  { what: 'does not say what is taken', caughtBy: 'create-taken', fault: body((json) => delete json.scimType) },
  {
    what: 'says that something is deleted and keeps it',
    caughtBy: 'delete-read',
    fault: { before: (ask) => (ask.method === 'DELETE' ? { status: 204, headers: {}, body: '' } : ask) },
  },
  { what: 'applies half of a patch', caughtBy: 'patch-atomic', fault: oneByOne },
  {
    what: 'empties a group to remove one',
    caughtBy: 'members-remove',
    fault: { before: (ask) => ({ ...ask, body: ask.body.replace(/"members\[[^\]]*\]"/, '"members"') }) },
  },
  {
    what: 'shows passwords',
    caughtBy: 'create-password',
    fault: body((json, { path }) => Object.assign(json, path.startsWith('/Users') ? { password: 'x' } : {})),
  },
  {
    what: 'shows what no schema has',
    caughtBy: 'resource-described',
    fault: body((json, ask) => Object.assign(json, isUser(ask) ? { colour: 'green' } : {})),
  },
  {
    what: 'gives booleans as texts',
    caughtBy: 'resource-types',
    fault: body((json, ask) => Object.assign(json, isUser(ask) ? { active: 'True' } : {})),
  },
  {
    what: 'has two versions of one thing',
    caughtBy: 'etag-meta',
    fault: header((headers) => Object.assign(headers, { etag: 'W/"other"' })),
  },
  {
    what: 'ignores If-Match',
    caughtBy: 'etag-stale-replace',
    fault: { before: ({ headers: { 'if-match': _, ...headers }, ...ask }) => ({ ...ask, headers }) },
  },
  {
    what: 'moves lastModified without a change',
    caughtBy: 'patch-add-nothing-new',
    fault: body((json, { method }) =>
      Object.assign((json.meta as Body | undefined) ?? {}, method === 'GET' ? { lastModified: '2099-01-01T00:00:00Z' } : {}),
    ),
  },
  {
    what: 'breaks over malformed JSON',
    caughtBy: 'error-malformed',
    fault: {
      after: (reply) => {
        if (reply.body.includes('invalidSyntax')) reply.status = 500;
      },
    },
  },
  {
    what: 'knows every schema',
    caughtBy: 'schemas-unknown',
    fault: {
      after: (reply) => {
        if (reply.status === 404) reply.status = 200;
      },
    },
  },
  {
    what: 'lets case decide who is who',
    caughtBy: 'create-taken-fold',
    fault: { before: (ask) => ({ ...ask, body: ask.body.replace(/"userName":"([A-Z])/, '"userName":"o$1') }) },
  },
];

/**
 * Owns how the routes of the table come onto the server: who asks, whether their role suffices, the answer as JSON or as a table, and one line in the log
 * for every request with who made it, before anything is given away. Refuses to know any route.
 */
import { stringify } from 'csv-stringify/sync';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { NamedOperator } from '../../config.ts';
import { mayAct, type Operator, type Role } from '../ops-auth.ts';
import { OpsError, sendOpsError } from '../ops-error.ts';
import { docsRoutes } from './docs-routes.ts';
import type { ApiParts, ApiRoute, Outcome, Table } from './route.ts';
import { ROUTES } from './table.ts';

/** Registers the API under the prefix of its scope. */
export function registerApi(app: FastifyInstance, parts: ApiParts): void {
  const askers = new WeakMap<FastifyRequest, Operator>();
  app.addHook('onRequest', async (request) => {
    askers.set(request, parts.auth.operator(request));
  });
  jsonOnly(app);
  for (const route of ROUTES) {
    app.route({
      method: route.method,
      url: route.path,
      handler: async (request, reply) => {
        const operator = askers.get(request) ?? parts.auth.operator(request);
        const who = { actor: operator.name, role: operator.role, method: request.method, route: route.path };
        try {
          checkRole(operator, route.role, parts.config.operators);
          const outcome = await run(route, { request, operator, parts });
          request.log.info({ ...outcome.logged, ...who }, route.method === 'GET' ? 'an operator looked' : 'an operator acted');
          return outcome.table === undefined ? outcome.answer : sendTable(reply, outcome.table);
        } catch (error) {
          request.log.info(
            { ...who, error: error instanceof OpsError ? error.body.error : 'failed' },
            'an operator got no answer',
          );
          throw error;
        }
      },
    });
  }
  docsRoutes(app, parts);
}

/** A form can be sent by any page in a browser, and its texts are no numbers and no lists. The parsers of the operator page end here. */
function jsonOnly(app: FastifyInstance): void {
  app.removeContentTypeParser(['application/x-www-form-urlencoded', 'text/plain']);
  app.setErrorHandler((error, request, reply) => sendOpsError(isMediaType(error) ? NOT_JSON : error, request, reply));
}

const NOT_JSON = new OpsError(
  415,
  'json-only',
  'The body is not sent as application/json.',
  'Send a JSON object with the header content-type: application/json; forms are for the operator page only.',
);

function isMediaType(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE';
}

interface Exchange {
  request: FastifyRequest;
  operator: Operator;
  parts: ApiParts;
}

async function run(route: ApiRoute, { request, operator, parts }: Exchange): Promise<Outcome> {
  const params = request.params as Record<string, string>;
  const { query, body, id: requestId } = request;
  return await route.run({ query, body, params, operator, requestId, parts });
}

const ROLE_WORDS: Record<Role, string> = { viewer: 'a viewer', operator: 'an operator', approver: 'an approver' };

/** Refuses who may look but not act, or act but not approve. @throws OpsError 403 */
export function checkRole({ name, role }: Operator, needed: Role, operators: readonly NamedOperator[]): void {
  if (mayAct(role, needed)) return;
  const can = operators.filter((one) => mayAct(one.role, needed)).map((one) => one.name);
  const ask = can.length === 0 ? '' : ` or ask one of: ${can.slice(0, 5).join(', ')}`;
  throw new OpsError(
    403,
    'role-missing',
    `This needs ${ROLE_WORDS[needed]}; ${name} is ${ROLE_WORDS[role]}.`,
    `Whoever keeps OPS_TOKENS_FILE can give the role (every process reads it again within seconds)${ask}.`,
  );
}

/** Cells that a spreadsheet would take for a formula are neutralised; the mark at the start makes it read UTF-8. */
function sendTable(reply: FastifyReply, { filename, header, rows }: Table): FastifyReply {
  const text = stringify([header, ...rows], { escape_formulas: true, record_delimiter: 'windows', bom: true });
  return reply
    .type('text/csv; charset=utf-8')
    .header('content-disposition', `attachment; filename="${filename.replaceAll(/[^\w.-]/g, '-')}"`)
    .send(text);
}

/**
 * Owns behaviour of Fastify, zod and the filter parser that our own code is built around, so that an upgrade tells us.
 * Refuses to test our code: where a default is dangerous, the test shows the danger, and ours is shaped to avoid it.
 */
import sensible from '@fastify/sensible';
import Fastify from 'fastify';
import { filter, parse } from 'scim2-parse-filter';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

const scimJson = { 'content-type': 'application/scim+json' };

describe('Fastify', () => {
  it('forgets its handlerTimeout as soon as a body has been read', async () => {
    const late = async () => await new Promise((resolve) => setTimeout(resolve, 400, { late: true }));
    const app = Fastify({ handlerTimeout: 100 });
    app.get('/x', late);
    app.post('/x', late);
    const origin = await app.listen({ host: '127.0.0.1', port: 0 });
    expect((await fetch(`${origin}/x`)).status).toBe(503);
    const posted = await fetch(`${origin}/x`, { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } });
    expect([posted.status, await posted.json()]).toEqual([200, { late: true }]);
    await app.close();
  });

  it.each(['application/json', 'application/scim+json'])(
    'refuses DELETE with the content type %s and no body, unless the parser takes an empty text',
    async (type) => {
      const stock = Fastify();
      stock.addContentTypeParser('application/scim+json', { parseAs: 'string' }, stock.getDefaultJsonParser('error', 'error'));
      stock.delete('/x', async (_request, reply) => reply.code(204).send());
      const refused = await stock.inject({ method: 'DELETE', url: '/x', headers: { 'content-type': type } });
      expect(refused.statusCode).toBe(400);
      expect(refused.json().code).toBe('FST_ERR_CTP_EMPTY_JSON_BODY');

      const own = Fastify();
      own.removeAllContentTypeParsers();
      own.addContentTypeParser([type], { parseAs: 'string' }, (_request, body, done) =>
        done(null, body === '' ? undefined : JSON.parse(String(body))),
      );
      own.delete('/x', async (_request, reply) => reply.code(204).send());
      expect((await own.inject({ method: 'DELETE', url: '/x', headers: { 'content-type': type } })).statusCode).toBe(204);
    },
  );

  it('keeps parser, error handler and 404 handler of a scope inside its prefix', async () => {
    const app = Fastify();
    app.get('/livez', async () => ({ ok: true }));
    await app.register(
      async (scope) => {
        scope.addContentTypeParser('application/scim+json', { parseAs: 'string' }, scope.getDefaultJsonParser('error', 'error'));
        scope.setErrorHandler((_err, _request, reply) => reply.code(400).send({ from: 'scope' }));
        scope.setNotFoundHandler((_request, reply) => reply.code(404).send({ from: 'scope' }));
        scope.post('/Users', async () => ({}));
      },
      { prefix: '/scim/v2' },
    );
    const broken = await app.inject({ method: 'POST', url: '/scim/v2/Users', headers: scimJson, payload: '{' });
    expect(broken.json()).toEqual({ from: 'scope' });
    expect((await app.inject('/scim/v2/nothing')).json()).toEqual({ from: 'scope' });
    expect((await app.inject('/nothing')).json()).not.toHaveProperty('from');
    expect((await app.inject('/livez')).json()).toEqual({ ok: true });
  });

  it('sends the errors of sensible through the error handler of the scope', async () => {
    const app = Fastify();
    await app.register(sensible);
    await app.register(async (scope) => {
      scope.setErrorHandler((err: { statusCode?: number }, _request, reply) =>
        reply.code(err.statusCode ?? 500).send({ from: 'scope' }),
      );
      scope.get('/x', async (_request, reply) => reply.notFound());
    });
    expect((await app.inject('/x')).json()).toEqual({ from: 'scope' });
  });

  it('drops what a response schema does not list, and turns texts into booleans by a body schema', async () => {
    const app = Fastify();
    const schema = {
      body: { type: 'object', properties: { active: { type: 'boolean' } } },
      response: { 200: { type: 'object', properties: { id: { type: 'string' } } } },
    };
    let seen: unknown;
    app.post('/x', { schema }, async (request) => {
      seen = request.body;
      return { id: '1', active: true };
    });
    const answer = await app.inject({ method: 'POST', url: '/x', payload: { active: 'false' } });
    expect(answer.json()).toEqual({ id: '1' });
    expect(seen).toEqual({ active: false });
  });

  it('matches routes by letter case, decodes %2F in a parameter, and takes an empty parameter', async () => {
    const app = Fastify();
    app.get('/Users/:id', async (request) => request.params);
    expect((await app.inject('/users/1')).statusCode).toBe(404);
    expect((await app.inject('/Users/a%2Fb')).json()).toEqual({ id: 'a/b' });
    expect((await app.inject('/Users/')).json()).toEqual({ id: '' });
  });
});

describe('zod', () => {
  it('coerces the text "False" to true, which would bring a leaver back; stringbool does not', () => {
    expect(z.coerce.boolean().parse('False')).toBe(true);
    expect(z.stringbool().parse('False')).toBe(false);
  });

  it('strips extension URNs from a plain object and keeps them in a loose one', () => {
    const user = { userName: 'ann', 'urn:example:1.0:User': { a: 1 } };
    expect(z.object({ userName: z.string() }).parse(user)).toEqual({ userName: 'ann' });
    expect(z.looseObject({ userName: z.string() }).parse(user)).toEqual(user);
  });
});

describe('scim2-parse-filter', () => {
  it('throws a plain Error, not one that a client could be answered with', () => {
    expect(() => parse('userName eq')).toThrow(Error);
  });

  it('does not parse the path of a PATCH operation, so paths need a grammar of their own', () => {
    expect(() => parse('emails[type eq "work"].value')).toThrow();
  });

  it('compares names of attributes without letter case, and values with it', () => {
    expect(filter(parse('USERNAME eq "bob"'))({ userName: 'bob' })).toBe(true);
    expect(filter(parse('userName eq "BOB"'))({ userName: 'bob' })).toBe(false);
  });
});

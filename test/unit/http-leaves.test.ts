/** Guarantees that what is taken when Redis is nearly full is a leave and nothing else: a DELETE, and one small change of `active` to false. */
import { expect, test } from 'vitest';
import { leaves } from '../../src/http/leaves.ts';

const patch = (...Operations: unknown[]) => ({ schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations });

test.each([
  ['DELETE', undefined],
  ['PATCH', patch({ op: 'replace', path: 'active', value: false })],
  ['PATCH', patch({ op: 'Replace', path: 'Active', value: 'False' })],
  ['PATCH', patch({ op: 'add', value: { active: false } })],
  ['PATCH', { operations: [{ OP: 'replace', Value: { Active: 'false' } }] }],
  ['PUT', { userName: 'ann', active: false }],
  ['PUT', { userName: 'ann', Active: 'False' }],
])('a leave: %s %j', (method, body) => {
  expect(leaves(method, body)).toBe(true);
});

test.each([
  ['GET', undefined],
  ['POST', { userName: 'ann', active: false }],
  ['PATCH', undefined],
  ['PATCH', []],
  ['PATCH', patch()],
  ['PATCH', patch(null)],
  ['PATCH', patch({ op: 'replace', path: 'active', value: true })],
  ['PATCH', patch({ op: 'replace', path: 'active', value: [false] })],
  ['PATCH', patch({ op: 'remove', path: 'active', value: false })],
  ['PATCH', patch({ op: 'replace', path: 'title', value: false })],
  ['PATCH', patch({ op: 'replace', value: { active: false, title: 'x'.repeat(100_000) } })],
  ['PATCH', patch({ op: 'replace', path: 'active', value: false }, { op: 'add', path: 'title', value: 'x' })],
  ['PUT', { userName: 'ann' }],
  ['PUT', { userName: 'ann', active: false, title: 'x'.repeat(10_000) }],
  ['PUT', null],
])('no leave: %s %j', (method, body) => {
  expect(leaves(method, body)).toBe(false);
});

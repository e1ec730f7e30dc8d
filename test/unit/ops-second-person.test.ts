/** Who is a second person where two have made a configuration. */
import { expect, it } from 'vitest';
import { authorsOf, isSecondPerson, refuseOwnHand } from '../../src/ops/second-person.ts';

const OPERATORS = ['anna', 'ben', 'carl'].map((name) => ({ name, role: 'approver' as const, sha256: '' }));
const as = (name: string) => ({ name, role: 'approver' as const });

it.each([
  ['anna', 'anna and ben', false],
  ['ben', 'anna and ben', false],
  ['carl', 'anna and ben', true],
  ['carl', 'ben', true],
])('%s approves what %s made: %s', (name, author, may) => {
  const hands = authorsOf(author, 'made this configuration');
  const approve = (): void => refuseOwnHand(as(name), OPERATORS, hands);
  if (may) expect(approve).not.toThrow();
  else expect(approve).toThrow(`${name} made this configuration`);
  expect(isSecondPerson(as(name), OPERATORS, hands)).toBe(may);
});

it('a process that nobody has put his name to is no person, beside somebody either', () => {
  expect(isSecondPerson(as('carl'), OPERATORS, authorsOf('anna and start', 'made this configuration'))).toBe(false);
});

/** Owns the promise behind open health routes: an answer is never older than its question, and many questions cost two readings at most. */
import { expect, test } from 'vitest';
import { freshly } from '../../src/ops/freshly.ts';

/** A reading that ends only when told to. */
function slowReading() {
  const started: PromiseWithResolvers<number>[] = [];
  const read = freshly(() => {
    const one = Promise.withResolvers<number>();
    started.push(one);
    return one.promise;
  });
  return { started, read };
}

test('whoever asks while a reading is under way gets the next one, shared with all others', async () => {
  const { started, read } = slowReading();
  const first = read();
  const later = [read(), read(), read()];
  expect(started).toHaveLength(1);
  started[0]?.resolve(1);
  expect(await first).toBe(1);
  await expect.poll(() => started.length).toBe(2);
  started[1]?.resolve(2);
  expect(await Promise.all(later)).toEqual([2, 2, 2]);
  expect(started).toHaveLength(2);
});

test('a failed reading fails those who asked for it and nobody else', async () => {
  const { started, read } = slowReading();
  const first = read();
  const second = read();
  started[0]?.reject(new Error('away'));
  await expect(first).rejects.toThrow('away');
  await expect.poll(() => started.length).toBe(2);
  started[1]?.resolve(2);
  expect(await second).toBe(2);
  const third = read();
  started[2]?.resolve(3);
  expect(await third).toBe(3);
});

/**
 * Owns how an order of an operator is refused: a word for programs, a sentence that says why, and the next thing to do. No behaviour.
 */
export class Refused extends Error {
  readonly error: string;
  readonly todo: string;

  constructor(error: string, detail: string, todo: string) {
    super(detail);
    this.name = 'Refused';
    this.error = error;
    this.todo = todo;
  }
}

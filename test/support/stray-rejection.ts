/**
 * Owns a preload that makes a process fail in ways nobody expects: SIGUSR1 leaves a promise rejected and unhandled, SIGUSR2 throws where nobody catches.
 * The texts of both hold what must not be printed. No behaviour else.
 */
const about = (): string => `nobody expected this; it was about ${process.env.STRAY_TEXT ?? process.env.SCIM_TOKEN}`;

process.on('SIGUSR1', () => {
  void Promise.reject(new Error(about()));
});
process.on('SIGUSR2', () => {
  setImmediate(() => {
    throw new Error(about(), { cause: new Error(about()) });
  });
});

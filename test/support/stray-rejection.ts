/** Owns a preload that leaves a promise rejected and unhandled when the process gets SIGUSR1, with a secret-looking text in its message. No behaviour else. */
process.on('SIGUSR1', () => {
  void Promise.reject(new Error(`nobody expected this; it was about ${process.env.SCIM_TOKEN}`));
});

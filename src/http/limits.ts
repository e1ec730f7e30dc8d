/**
 * Owns how much one client may ask of the server at once; the waits stand beside the server. Every number here is explained to operators in docs/limits.md.
 * Refuses to know routes: those which take larger bodies say so themselves. RFC 9110 §15.5.14-15 (413, 414), RFC 6585 §5 (431), RFC 7644 §3.12.
 */
export const SERVER_LIMITS = {
  /** One person. Groups and bulk requests allow more. */
  bodyBytes: 256 * 1024,
  /** Path and headers together; Node's parser refuses beyond it. */
  headerBytes: 16 * 1024,
  headers: 100,
  /** A filter of the longest kind we read, percent-encoded, with room for the rest. */
  urlChars: 12 * 1024,
  /** Longer than any id we make, so that a wrong one is "not found" and only an absurd one is "too long". */
  pathSegmentChars: 512,
  connections: 2_000,
  /** Connections beyond the limit that are still read, so that whoever comes then is told to come back. */
  connectionsSpare: 200,
  /** Requests of one connection under way: HTTP/1.1 lets a client send on before it has read an answer, and 64 KiB would hold 1,500 requests. */
  pipelined: 8,
  /** Requests of one site under way in one process. */
  siteRequests: 100,
  /** Those among them whose body is larger than `bodyBytes`, or may be. */
  siteLargeBodies: 4,
  /** Those that have more to read than this: large pages, searches that no index answers, groups of many people. */
  siteLargeReads: 4,
  largeReadBytes: 512 * 1024,
} as const;

export type ServerLimits = Record<keyof typeof SERVER_LIMITS, number>;

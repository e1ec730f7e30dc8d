/**
 * Owns how much one bulk request may hold (RFC 7644 §3.7.4): told by /ServiceProviderConfig, and kept to by the endpoint.
 * As many operations as one PATCH may have, and a payload that is read at once without anybody else waiting for it.
 */
export const BULK_LIMITS = { supported: true, maxOperations: 1_000, maxPayloadSize: 1024 * 1024 } as const;

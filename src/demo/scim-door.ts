/**
 * Owns how the story's identity providers reach the service: HTTP through the SCIM door, with the token and the media type they use.
 * Refuses every shortcut into the directory: what the demo shows, a real provider would get.
 */
import type { JsonObject } from '../scim/types.ts';

export interface Said {
  status: number;
  body: JsonObject;
}

export type Knock = (method: string, path: string, body?: JsonObject) => Promise<Said>;

const PATIENCE_MS = 10_000;

/** Makes the function that sends one request to a SCIM base URL. */
export function createKnock(baseUrl: string, token: string): Knock {
  return async (method, path, body) => {
    const answer = await fetch(baseUrl + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        accept: 'application/scim+json',
        ...(body === undefined ? {} : { 'content-type': 'application/scim+json; charset=utf-8' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const text = await answer.text();
    return { status: answer.status, body: text === '' ? {} : (JSON.parse(text) as JsonObject) };
  };
}

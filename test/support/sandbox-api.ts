/**
 * Owns plain requests to a sandbox as `curl` would send them: one request, the raw answer, no retry and no classification.
 * Refuses to use our own client, so that the tests of the sandbox do not share its mistakes.
 */
import type { CustomerJson } from '../../src/sandbox/customer-json.ts';
import { createSandbox, type Sandbox, type SandboxOptions } from '../../src/sandbox/sandbox.ts';
import type { SubscriptionJson } from '../../src/sandbox/subscription-json.ts';

export interface Envelope {
  customer: CustomerJson;
  subscription: SubscriptionJson;
  errors: unknown;
  error: unknown;
  message: unknown;
}

export interface Reply {
  status: number;
  headers: Headers;
  text: string;
  /** The parsed body; empty when it was no JSON. */
  body: Envelope;
  /** The parsed body of a list. */
  list: Envelope[];
}

export interface SandboxApi {
  readonly sandbox: Sandbox;
  send(method: string, path: string, body?: unknown, init?: RequestInit): Promise<Reply>;
  get(path: string): Promise<Reply>;
  post(path: string, body?: unknown): Promise<Reply>;
  put(path: string, body?: unknown): Promise<Reply>;
  del(path: string, body?: unknown): Promise<Reply>;
  /** Creates a customer with sensible fields. */
  customer(fields?: Record<string, unknown>): Promise<CustomerJson>;
  /** Subscribes a new customer by remittance. */
  subscription(fields?: Record<string, unknown>): Promise<SubscriptionJson>;
}

/** Builds the Authorization header of an API key. */
export function basic(key: string): string {
  return `Basic ${Buffer.from(`${key}:x`).toString('base64')}`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

/** Starts a sandbox and returns the ways to talk to it. */
export async function startSandbox(options?: SandboxOptions): Promise<SandboxApi> {
  const sandbox = await createSandbox(options);
  const send: SandboxApi['send'] = async (method, path, body, init = {}) => {
    const response = await fetch(sandbox.url + path, {
      method,
      redirect: 'manual',
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...init,
      headers: { authorization: basic(sandbox.apiKey), 'content-type': 'application/json', ...init.headers },
    });
    const text = await response.text();
    const parsed = parse(text);
    return { status: response.status, headers: response.headers, text, body: parsed as Envelope, list: parsed as Envelope[] };
  };
  const post: SandboxApi['post'] = (path, body) => send('POST', path, body);
  let people = 0;
  const person = () => ({ first_name: 'Ann', last_name: 'Lee', email: `ann-${++people}@example.com` });
  return {
    sandbox,
    send,
    post,
    get: (path) => send('GET', path),
    put: (path, body) => send('PUT', path, body),
    del: (path, body) => send('DELETE', path, body),
    customer: async (fields) => {
      const reply = await post('/customers.json', { customer: { ...person(), ...fields } });
      if (reply.status !== 201) throw new Error(`customer not created: ${reply.text}`);
      return reply.body.customer;
    },
    subscription: async (fields) => {
      const subscription = {
        product_handle: 'pro',
        payment_collection_method: 'remittance',
        customer_attributes: person(),
        ...fields,
      };
      const reply = await post('/subscriptions.json', { subscription });
      if (reply.status !== 201) throw new Error(`not subscribed: ${reply.text}`);
      return reply.body.subscription;
    },
  };
}

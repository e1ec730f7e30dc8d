/**
 * Owns how tests look at a rollout from outside: the ops API of a running service, and waiting for what it says.
 * Refuses shortcuts: everything here, an operator could ask.
 */
import { vi } from 'vitest';

export interface SurveyState {
  state: 'never' | 'wanted' | 'running' | 'done';
  customers: number;
  subscriptions: number;
  calls: number;
  unreferenced: number | null;
}

export interface LinkRow {
  customerId: string;
  email: string;
  match: 'unique' | 'several' | 'none' | 'conflict';
  proposedReference: string | null;
  state: string;
}

export class OpsDoor {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = `${url}/ops/api`;
    this.#token = token;
  }

  async get<T>(path: string): Promise<T> {
    return await this.#read<T>(path, await fetch(this.#url + path, { headers: this.#headers() }));
  }

  async post<T>(path: string, body: object = {}): Promise<T> {
    return await this.#read<T>(path, await this.try(path, body));
  }

  /** A change that may be refused. */
  async try(path: string, body: object): Promise<Response> {
    const headers = { ...this.#headers(), 'content-type': 'application/json' };
    return await fetch(this.#url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  }

  /** Wait for a survey to end. */
  async surveyed(site: string, timeoutMs = 60_000): Promise<SurveyState> {
    return await vi.waitFor(
      async () => {
        const survey = await this.get<SurveyState>(`/survey?site=${site}`);
        if (survey.state !== 'done') throw new Error(`the survey is ${JSON.stringify(survey)}`);
        return survey;
      },
      { timeout: timeoutMs, interval: 200 },
    );
  }

  #headers(): Record<string, string> {
    return { authorization: `Bearer ${this.#token}` };
  }

  async #read<T>(path: string, answer: Response): Promise<T> {
    const text = await answer.text();
    if (answer.status !== 200) throw new Error(`${path} was answered ${answer.status}: ${text}`);
    return JSON.parse(text) as T;
  }
}

/**
 * Owns what may appear in a log line: one JSON object per line on stdout, levels as words, ISO timestamps.
 * Refuses to know what is logged about. Two nets, because either alone leaks: serializers that name the fields they let
 * through, and a last pass over the finished line that masks credentials wherever they stand (pino's own `redact` knows exact
 * paths in exact letter case only). OWASP ASVS 5.0, 16.2.5.
 */
import { type DestinationStream, type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino';
import type { Secret } from './secret.ts';

export type Logger = PinoLogger;

export interface LoggerOptions {
  level: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';
  /** Values that must never be printed, whatever they are part of. */
  secrets?: Secret[];
  /** Fields of every line, such as `{ role: 'worker' }`. */
  base?: Record<string, string>;
}

const MASK = '[secret]';
const CAUSE_DEPTH_MAX = 5;
const STACK_CHARS_MAX = 4_000;

interface ErrorLine {
  type: string;
  message: string;
  code?: string | number;
  kind?: string;
  status?: number;
  stack?: string;
  cause?: ErrorLine;
  errors?: ErrorLine[];
}

/** Describes an error by type, message, code, stack and causes; never by what a library hung onto it (request, command, socket). */
export function describeError(err: unknown, depth = 0): ErrorLine {
  if (!(err instanceof Error)) return { type: typeof err, message: typeof err === 'string' ? err : 'not an Error' };
  const { code, kind, status, statusCode } = err as { code?: unknown; kind?: unknown; status?: unknown; statusCode?: unknown };
  const line: ErrorLine = { type: err.name || err.constructor.name, message: err.message };
  if (typeof code === 'string' || typeof code === 'number') line.code = code;
  if (typeof kind === 'string') line.kind = kind;
  const answered = status ?? statusCode;
  if (typeof answered === 'number') line.status = answered;
  if (err.stack) line.stack = err.stack.slice(0, STACK_CHARS_MAX);
  if (depth >= CAUSE_DEPTH_MAX) return line;
  if (err.cause !== undefined) line.cause = describeError(err.cause, depth + 1);
  if (err instanceof AggregateError)
    line.errors = err.errors.slice(0, CAUSE_DEPTH_MAX).map((each) => describeError(each, depth + 1));
  return line;
}

interface RequestShape {
  id?: unknown;
  method?: unknown;
  routeOptions?: { url?: unknown };
}

const serializers = {
  err: describeError,
  error: (value: unknown) => (value instanceof Error ? describeError(value) : value),
  // The route template instead of the URL: a filter in the query string names a person.
  req: (request: RequestShape) => ({ id: request.id, method: request.method, route: request.routeOptions?.url }),
  res: (reply: { statusCode?: unknown }) => ({ statusCode: reply.statusCode }),
};

const scheme = /\b(bearer|basic)(\s+|%20)[A-Za-z0-9._~+/=-]{8,}/gi;
/** SCIM tokens and client secrets that operators have made: their id may be read, their secret not. */
const scimToken = /\b(sm[xs]_[a-z2-7]{12}_)[A-Za-z0-9_-]{20,}/g;
/** Access tokens and assertions. */
const jwt = /(?<![\w-])eyJ[\w-]{4,}\.[\w-]{4,}\.[\w-]*/g;
const urlCredentials = /(\/\/[^\s/:@"\\]{0,256}):[^\s/@"\\]{1,1024}@/g;
const telltaleKey = /("[a-z_-]{0,40}(?:authorization|api_?-?key|token|password|passwd|secret|cookie)"\s*:\s*)"(?:[^"\\]|\\.)*"/gi;
const emailAddress = /[a-z0-9._%+-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){0,6}\.[a-z]{2,24}\b/gi;
// JSON escapes what is below U+0020; these would still break a line or steer a terminal.
const lineBreakers = /[\u007f-\u009f\u2028\u2029]/g;

/** Lists the forms in which a clear text can appear in a line: as it is, escaped for JSON, in a URL, and as the user of Basic. */
function formsOf(clear: string): string[] {
  const password = URL.canParse(clear) ? new URL(clear).password : '';
  const plain = [clear, password, decode(password)].filter((form) => form.length >= 4);
  return plain.flatMap((form) => [
    form,
    JSON.stringify(form).slice(1, -1),
    encodeURIComponent(form),
    Buffer.from(`${form}:x`).toString('base64'),
    Buffer.from(form).toString('base64'),
  ]);
}

/** Decodes percent-encoding where it is valid. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Creates the last pass over a finished line: known secrets, credentials by shape, e-mail addresses, characters that forge lines. */
export function createMask(secrets: Secret[] = []): (line: string) => string {
  let known: string[] = [];
  let seen = -1;
  return (line) => {
    // Secrets are replaced while the process runs, and those before them stay unprintable.
    const count = secrets.reduce((sum, { hidden }) => sum + hidden.size, 0);
    if (count !== seen) {
      known = [...new Set(secrets.flatMap(({ hidden }) => [...hidden]).flatMap(formsOf))].sort((a, b) => b.length - a.length);
      seen = count;
    }
    let masked = line;
    for (const form of known) masked = masked.replaceAll(form, MASK);
    return masked
      .replace(telltaleKey, `$1"${MASK}"`)
      .replace(scimToken, `$1${MASK}`)
      .replace(jwt, MASK)
      .replace(scheme, `$1 ${MASK}`)
      .replace(urlCredentials, `$1:${MASK}@`)
      .replace(emailAddress, '[e-mail]')
      .replace(lineBreakers, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
  };
}

/**
 * Creates the logger of a process.
 * @param destination where lines go; default stdout, written synchronously so that the last line before an exit is not lost
 */
export function createLogger(
  options: LoggerOptions,
  destination: DestinationStream = pino.destination({ dest: 1, sync: true }),
): Logger {
  return pino(
    {
      level: options.level,
      base: { name: 'maxio-scim', ...options.base },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers,
      hooks: { streamWrite: createMask(options.secrets) },
    },
    destination,
  );
}

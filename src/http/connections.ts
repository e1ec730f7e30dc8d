/**
 * Owns how many connections the server keeps, and who has to go when they are too many: first those that have never shown a right token, the longest idle
 * one first, then those of them that are still sending a request, then those that do not read what they were answered: so nobody keeps the identity provider
 * out by holding connections open, or by sending or reading slowly what needs no token, such as a request for one. Where there is none of these, the
 * newcomer's request is answered 503. Owns, too, how far ahead of its answers a connection may send, and how long an answer may lie unread.
 * Refuses to count requests of a site (site-crowd.ts) and to close silent connections and slow senders: the waits of the server do that.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Crowded } from './crowded.ts';
import type { ServerLimits } from './limits.ts';

interface ConnectionLimits extends Pick<ServerLimits, 'connections' | 'connectionsSpare' | 'pipelined'> {
  /** How long a connection may take nothing of what was answered, in ms. */
  readingMs: number;
  /** Told whenever somebody had to go or was not let in. */
  onFull: (what: 'evicted' | 'refused' | 'dropped') => void;
}

interface Kept {
  /** Requests under way; HTTP/1.1 lets a client send the next before it has read an answer. */
  busy: number;
  /** Has brought a request that authenticated. */
  known: boolean;
  /** Came when everybody was busy. */
  surplus: boolean;
  latest?: ServerResponse<IncomingMessage>;
  /** What came after the latest request cannot be read, so nothing follows its answer. */
  ending: boolean;
}

/** Tells whether a whole request is being answered on this connection, or one was answered before all of it had arrived: then it ends with that answer. */
export type EndAfterAnswer = (socket: Socket) => boolean;

/** As sent: double slashes have not been joined yet. */
const SCIM_PATH = /^\/+scim\//;

/** Ends connections on which nothing moves, unless somebody is still at work on the answer and has a time limit of their own. */
function boundReading(app: FastifyInstance, readingMs: number, isBusy: (socket: Socket) => boolean): void {
  app.server.setTimeout(readingMs, (socket: Socket) => {
    if (isBusy(socket) && socket.writableLength === 0) socket.setTimeout(readingMs);
    else socket.destroy();
  });
}

/** Answers those for whom nobody made room. */
function refuseSurplus(app: FastifyInstance, isSurplus: (socket: Socket) => boolean): void {
  app.addHook('onRequest', async (request, reply) => {
    if (!isSurplus(request.socket) || !SCIM_PATH.test(request.url)) return;
    reply.header('connection', 'close');
    throw new Crowded('all connections of this server are busy');
  });
}

/** Ends a connection with the answer that is on its way, or was given; false when another answer is due. */
function endWithAnswer(socket: Socket, connection: Kept | undefined): boolean {
  if (connection?.latest === undefined) return false;
  const { busy, latest } = connection;
  // A second answer to what was answered already would be taken for that of the next request.
  const isAnswered = latest.headersSent && !latest.req.complete;
  if (!isAnswered && (busy === 0 || !latest.req.complete)) return false;
  connection.ending = true;
  if (!latest.headersSent) latest.setHeader('connection', 'close');
  if (busy === 0) socket.destroySoon();
  return true;
}

/** Keeps the connections of `app` within the limits. Probes and operators are served even then: they must see why it is full. */
export function limitConnections(app: FastifyInstance, limits: ConnectionLimits): EndAfterAnswer {
  const kept = new Map<Socket, Kept>();
  const idle = { strangers: new Set<Socket>(), known: new Set<Socket>() };
  /** Strangers with a request under way, the longest one first. */
  const sending = new Set<Socket>();
  const forget = (socket: Socket): void => {
    kept.delete(socket);
    sending.delete(socket);
    idle.strangers.delete(socket);
    idle.known.delete(socket);
  };
  // Nothing has been done for whoever has shown no token and not sent the whole of what they want, or it is done and they do not take the answer.
  const oldestDispensable = (): Socket | undefined =>
    idle.strangers.values().next().value ??
    sending.values().find((socket) => kept.get(socket)?.latest?.req.complete === false) ??
    sending.values().find((socket) => socket.writableLength > 0) ??
    idle.known.values().next().value;

  // Node closes what is beyond this without a word.
  app.server.maxConnections = limits.connections + limits.connectionsSpare;
  app.server.on('drop', () => limits.onFull('dropped'));
  app.server.on('connection', (socket: Socket) => {
    let surplus = false;
    if (kept.size >= limits.connections) {
      const oldest = oldestDispensable();
      surplus = oldest === undefined;
      if (oldest !== undefined) {
        forget(oldest);
        oldest.destroy();
      }
      limits.onFull(surplus ? 'refused' : 'evicted');
    }
    kept.set(socket, { busy: 0, known: false, surplus, ending: false });
    idle.strangers.add(socket);
    socket.once('close', () => forget(socket));
  });

  // Before any hook: those run when Node may have read on already.
  app.server.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse<IncomingMessage>) => {
    const connection = kept.get(socket);
    if (connection === undefined || socket.destroyed) return;
    if (connection.busy >= limits.pipelined) {
      socket.destroy();
      return;
    }
    connection.busy += 1;
    connection.latest = response;
    idle.strangers.delete(socket);
    idle.known.delete(socket);
    if (!connection.known) sending.add(socket);
    response.once('close', () => {
      connection.busy -= 1;
      if (connection.busy > 0 || !kept.has(socket)) return;
      sending.delete(socket);
      if (connection.ending) socket.destroySoon();
      else idle[connection.known ? 'known' : 'strangers'].add(socket);
    });
  });
  // Node reads on to the end of what has arrived at once, and of a connection that is gone nothing more is begun.
  app.addHook('onRequest', async (request, reply) => (request.raw.socket.destroyed ? reply.hijack() : undefined));
  refuseSurplus(app, (socket) => kept.get(socket)?.surplus === true);
  const know = async (request: FastifyRequest): Promise<void> => {
    const connection = kept.get(request.socket);
    if (connection === undefined || request.caller === undefined) return;
    connection.known = true;
    sending.delete(request.socket);
  };
  // Before the body is read, which may take long; and where that is never done.
  app.addHook('preParsing', know);
  app.addHook('onResponse', know);

  boundReading(app, limits.readingMs, (socket) => (kept.get(socket)?.busy ?? 0) > 0);
  return (socket) => endWithAnswer(socket, kept.get(socket));
}

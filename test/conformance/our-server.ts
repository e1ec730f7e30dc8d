/**
 * Owns our own server as the conformance checks meet it: the real HTTP edge over the real directory in a real Redis, on a loopback port.
 */
import type { AddressInfo } from 'node:net';
import { startRedis } from '../support/redis.ts';
import { openSite, type ScimServer, serveSites } from '../support/scim-server.ts';

export interface OurServer {
  /** The SCIM base. */
  url: string;
  token: string;
  server: ScimServer;
  stop(): Promise<void>;
}

/** Starts the server with one empty site. */
export async function startOurServer(): Promise<OurServer> {
  const redisServer = await startRedis({ appendfsync: 'no' });
  const server = await serveSites([openSite(redisServer.connect('commands'))]);
  await server.app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = server.app.server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/scim/v2`,
    token: server.token,
    server,
    stop: async () => {
      await server.app.close();
      await redisServer.stop();
    },
  };
}

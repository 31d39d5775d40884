import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * Below every system's ephemeral ports. A client that keeps connecting to a server that is down can
 * otherwise get that very port for its own end. It then talks to itself, and the server cannot use
 * its port again.
 */
const FIRST = 20_000;
const LAST = 32_000;

/**
 * A free TCP port of the loopback. It is random, so that two copies that start at once use
 * different ones.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, LAST);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

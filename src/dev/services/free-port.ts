import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * Below every system's ephemeral ports. A client that keeps dialling a server which is down can be given that very
 * port for its own end: it then talks to itself, and the server cannot come back on its port.
 */
const FIRST = 20_000;
const LAST = 32_000;

/** A TCP port of the loopback that nobody listens on now. Random, so that two copies that start at once differ. */
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

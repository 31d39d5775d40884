import { request, type IncomingHttpHeaders } from 'node:http';
import { connect, type AddressInfo, type Server } from 'node:net';

export interface HttpAnswer {
  readonly statusCode: number;
  readonly headers: IncomingHttpHeaders;
  readonly rawPayload: Buffer;
  readonly body: string;
  json<T = unknown>(): T;
}

export interface HttpQuestion {
  readonly method?: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly payload?: string | Buffer;
}

/**
 * Asks a listening server over a socket: what it says is what a client gets. Redirects are not
 * followed.
 */
export function ask(server: Server, question: HttpQuestion | string): Promise<HttpAnswer> {
  const {
    method = 'GET',
    url,
    headers = {},
    query,
    payload,
  } = typeof question === 'string' ? ({ url: question } as HttpQuestion) : question;
  const { port } = server.address() as AddressInfo;
  const search = query === undefined ? '' : `?${new URLSearchParams(query).toString()}`;
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: '127.0.0.1', port, method, path: url + search, headers, agent: false },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () => {
          const rawPayload = Buffer.concat(chunks);
          const body = rawPayload.toString('utf8');
          const json = <T>(): T => JSON.parse(body) as T;
          resolve({ statusCode: answer.statusCode!, headers: answer.headers, rawPayload, body, json });
        });
      },
    );
    asked.on('error', reject);
    asked.end(payload);
  });
}

/**
 * Sends bytes as they are, since a client would tidy them up, and returns all that comes back until
 * the server ends the connection.
 */
export function askRaw(server: Server, bytes: string): Promise<string> {
  const { port } = server.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes, 'latin1'));
    socket.on('data', (chunk) => (answer += chunk.toString('latin1')));
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}

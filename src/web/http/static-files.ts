import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { FastifyInstance } from 'fastify';

const FONT_FILES = join(dirname(require.resolve('@fontsource-variable/noto-sans/package.json')), 'files');

/**
 * The only files that are served. They are read once, and no path of a request becomes the path of
 * a file.
 */
const FILES = {
  'page.css': { path: join(__dirname, '../static/page.css'), type: 'text/css; charset=utf-8' },
  'favicon.svg': { path: join(__dirname, '../static/favicon.svg'), type: 'image/svg+xml' },
  'page.js': { path: join(__dirname, '../static/page.js'), type: 'text/javascript; charset=utf-8' },
  'noto-sans.woff2': {
    path: join(FONT_FILES, 'noto-sans-latin-wght-normal.woff2'),
    type: 'font/woff2',
  },
} as const;

export type StaticFile = keyof typeof FILES;

const loaded = Object.entries(FILES).map(([name, { path, type }]) => ({
  name,
  type,
  bytes: readFileSync(path),
}));
const version = loaded
  .reduce((hash, { bytes }) => hash.update(bytes), createHash('sha256'))
  .digest('base64url')
  .slice(0, 12);

/** The address of a file. It changes with the content, so a browser may cache it forever. */
export const staticUrl = (name: StaticFile): string => `/static/${version}/${name}`;

export function registerStaticFiles(app: FastifyInstance): void {
  for (const { name, type, bytes } of loaded) {
    app.get(staticUrl(name as StaticFile), { config: { rateLimit: false } }, (_request, reply) =>
      reply.type(type).header('cache-control', 'public, max-age=31536000, immutable').send(bytes),
    );
  }
}

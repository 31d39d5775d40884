import type { FastifyInstance } from 'fastify';
import swagger from '@fastify/swagger';
import { readSchema } from '../../lib/schema';

/** The schemas of `schemas/` that answers refer to, by their names in the document. */
const COMPONENT_FILES = {
  'invoice.v1.json': 'Invoice',
  'seller.v1.json': 'Seller',
  'alert.v1.json': 'Alert',
  'usage-event.v1.json': 'UsageEvent',
} as const;

/**
 * Makes the OpenAPI document from the routes' own schemas, so that the two cannot contradict each
 * other. Call it before the routes are registered.
 */
export async function registerApiDocument(app: FastifyInstance): Promise<void> {
  for (const [name, schema] of Object.entries(components())) app.addSchema({ ...schema, $id: name });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Tallyman',
        version: '1',
        description:
          'Usage, quotas and invoices of projects. Quantities and money are strings, so that no reader rounds them. ' +
          'Errors are problem documents (RFC 9457) with a stable `code`. Another method than those of a path is answered ' +
          'with 405 and `Allow`, a request that is not complete after 15 seconds with 408.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/' }],
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
          session: { type: 'apiKey', in: 'cookie', name: 'tallyman_session' },
        },
      },
      security: [{ bearer: [] }, { session: [] }],
      tags: [
        { name: 'events', description: 'For producers.' },
        { name: 'usage', description: 'For members and admins of a project.' },
        { name: 'invoices', description: 'For admins of a project.' },
        { name: 'installation', description: 'For the people who run it, with the role `ops`.' },
      ],
    },
    refResolver: { buildLocalReference: (schema) => schema.$id as string },
    hideUntagged: true,
  });
}

type SchemaPart = Record<string, unknown>;

function components(): Record<string, SchemaPart> {
  const found: Record<string, SchemaPart> = {};
  const addDefs = (file: string): void => {
    const defs = (readSchema(file)['$defs'] ?? {}) as Record<string, SchemaPart>;
    for (const [name, def] of Object.entries(defs)) {
      found[componentName(file, name)] = localRefs(def, file) as SchemaPart;
    }
  };
  addDefs('api.v1.json');
  for (const [file, name] of Object.entries(COMPONENT_FILES)) {
    addDefs(file);
    const { $schema: _, $id: __, $defs: ___, ...schema } = readSchema(file);
    found[name] = localRefs(schema, file) as SchemaPart;
  }
  return found;
}

/**
 * `Usage` for a definition in the API's own file, `InvoiceLine` for one in another file, `Seller`
 * for a whole file.
 */
function componentName(file: string, def: string): string {
  const name = def.charAt(0).toUpperCase() + def.slice(1);
  return file === 'api.v1.json' ? name : `${COMPONENT_FILES[file as keyof typeof COMPONENT_FILES]}${name}`;
}

/**
 * `invoice.v1.json#/$defs/line` -> `InvoiceLine#`, which is how routes refer to a shared schema.
 */
function localRefs(part: unknown, file: string): unknown {
  if (Array.isArray(part)) return part.map((item) => localRefs(item, file));
  if (typeof part !== 'object' || part === null) return part;
  return Object.fromEntries(
    Object.entries(part).map(([keyword, value]) => {
      if (keyword !== '$ref') return [keyword, localRefs(value, file)];
      const [target, pointer = ''] = String(value).split('#');
      return ['$ref', `${componentName(target || file, pointer.replace('/$defs/', ''))}#`];
    }),
  );
}

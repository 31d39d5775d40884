import type { FastifyInstance, FastifySchema } from 'fastify';
import { ProblemError } from '../http/problems';

/** The part of a route's query schema that the check reads. */
interface QuerySchema {
  readonly properties?: Readonly<Record<string, unknown>>;
  /** true: the route takes any parameters, and ignores those that it does not know. */
  readonly additionalProperties?: boolean;
}

/**
 * Refuses query parameters that a route does not declare. A filter with a misspelt name would
 * otherwise look as if it had matched everything.
 *
 * @throws ProblemError 400, which names the parameters that are allowed
 */
export function registerQueryCheck(app: FastifyInstance): void {
  // Before the validation, because the validator removes what it does not know.
  app.addHook('preValidation', (request, _reply, done) => {
    const { properties = {}, additionalProperties } = (request.routeOptions.schema?.querystring ??
      {}) as QuerySchema;
    const given = Object.keys(request.query ?? {});
    const unknown = given.find((name) => !Object.hasOwn(properties, name));
    if (request.is404 || additionalProperties === true || unknown === undefined) return done();
    const allowed = Object.keys(properties);
    const allows =
      allowed.length === 0
        ? 'It takes none.'
        : `It takes ${allowed.map((name) => `\`${name}\``).join(', ')}.`;
    done(
      new ProblemError(
        'BAD_REQUEST',
        `This address does not take the query parameter \`${unknown.slice(0, NAME_SHOWN)}\`. ${allows}`,
      ),
    );
  });
}

const NAME_SHOWN = 64;

/** Declares the query parameters of a page. */
export const pageQuery = (...names: string[]): { schema: FastifySchema } => ({
  schema: {
    querystring: {
      type: 'object',
      properties: Object.fromEntries(names.map((name) => [name, { type: 'string', maxLength: 512 }])),
    },
  },
});

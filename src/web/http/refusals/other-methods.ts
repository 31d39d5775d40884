import type { FastifyInstance } from 'fastify';
import { ProblemError } from '../problems';

declare module 'fastify' {
  interface FastifyInstance {
    /** Answers 405 with `Allow` to every other method of a path. Called after the last route. */
    refuseOtherMethods(): void;
  }
}

/** Notes the methods of every path. Call it before the first route. */
export function noteMethods(app: FastifyInstance): void {
  const methodsOf = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    const methods = methodsOf.get(url) ?? new Set();
    methodsOf.set(url, methods);
    for (const one of [method].flat()) methods.add(one);
  });
  app.decorate('refuseOtherMethods', () => {
    for (const [url, methods] of [...methodsOf]) {
      const others = app.supportedMethods.filter((method) => !methods.has(method));
      if (others.length === 0 || url.endsWith('*')) continue;
      const allow = [...methods].sort().join(', ');
      const refuse = (): never => {
        throw new ProblemError('METHOD_NOT_ALLOWED', `Use ${allow}.`, { allow });
      };
      // A hook comes before the body is read, which may be of a type that nobody accepts.
      app.route({ method: others, url, onRequest: refuse, handler: refuse });
    }
  });
}

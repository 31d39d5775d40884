import Ajv2020 from 'ajv/dist/2020';
import type { HttpAnswer } from './http-client';
import type { WebHarness } from './web-harness';

interface ApiDocument {
  readonly openapi: string;
  readonly paths: Record<
    string,
    Record<string, { responses: Record<string, Described>; operationId: string }>
  >;
  readonly components: { readonly schemas: Record<string, unknown> };
}

interface Described {
  readonly content?: Record<string, { readonly schema: object }>;
}

/** Holds answers against the document that the server itself hands out. */
export interface AnswerCheck {
  readonly document: ApiDocument;
  /**
   * @throws if the document does not describe this answer to this path
   *   (`/v1/projects/{project}/usage`)
   */
  check(path: string, answer: HttpAnswer): void;
}

export async function answerCheck(harness: WebHarness): Promise<AnswerCheck> {
  const document = (await harness.inject('/openapi.json')).json<ApiDocument>();
  const ajv = new Ajv2020({ strict: false, formats: { 'date-time': isTime, uri: isUri } });
  ajv.addSchema({ $id: 'document', ...document });
  return {
    document,
    check(path, answer) {
      const described = document.paths[path]?.['get']?.responses[answer.statusCode];
      if (described === undefined) throw new Error(`${path}: ${answer.statusCode} is not described`);
      if (answer.statusCode === 304) {
        expect(answer.body).toBe('');
        return;
      }
      const mediaType = String(answer.headers['content-type']).split(';')[0]!;
      expect(Object.keys(described.content ?? {})).toContain(mediaType);
      if (!mediaType.endsWith('json')) return;
      const pointer = ['paths', path, 'get', 'responses', answer.statusCode, 'content', mediaType, 'schema']
        .map((step) => encodeURIComponent(String(step).replaceAll('~', '~0').replaceAll('/', '~1')))
        .join('/');
      const isValid = ajv.getSchema(`document#/${pointer}`)!;
      expect(isValid(answer.json()) ? [] : isValid.errors).toEqual([]);
    },
  };
}

const isTime = (text: string): boolean => new Date(text).toISOString() === text;
const isUri = (text: string): boolean => URL.canParse(text);

import { html, type Html } from './html';

/** The parts of the OpenAPI document that the page shows. */
export interface ApiDescription {
  readonly info: { readonly title: string; readonly description?: string };
  readonly tags?: readonly { readonly name: string; readonly description?: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, ApiOperation>>>>;
  readonly components?: { readonly schemas?: Readonly<Record<string, SchemaPart>> };
}

interface ApiOperation {
  readonly operationId: string;
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly description?: string;
    readonly schema?: SchemaPart;
  }[];
  readonly requestBody?: { readonly content?: Content };
  readonly responses: Readonly<Record<string, { readonly description?: string; readonly content?: Content }>>;
  readonly 'x-codeSamples'?: readonly { readonly lang: string; readonly source: string }[];
}

type SchemaPart = Readonly<Record<string, unknown>>;
/** Schemas by their media types. */
type Content = Readonly<Record<string, { readonly schema?: SchemaPart }>>;

/** The API for people to read, made of the same document that programs read. Needs no script. */
export function apiDocsPage({ info, tags = [], paths, components }: ApiDescription): Html {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  return html`<p class="eyebrow">${info.title}</p>
    <h1>API</h1>
    <p class="lead">${withCode(info.description ?? '')} <a href="/openapi.json">OpenAPI document</a></p>
    ${tags.map(({ name, description }) => {
      const own = operations.filter(({ operation }) => operation.tags?.includes(name));
      return (
        own.length > 0 &&
        html`<section aria-labelledby="tag-${name}">
          <h2 id="tag-${name}">${name.charAt(0).toUpperCase() + name.slice(1)}</h2>
          <p class="lead">${description}</p>
          ${own.map(({ path, method, operation }) => operationCard(path, method, operation))}
        </section>`
      );
    })}
    <section aria-labelledby="schemas">
      <h2 id="schemas">Documents</h2>
      ${Object.entries(components?.schemas ?? {}).map(([name, schema]) => schemaCard(name, schema))}
    </section>`;
}

function operationCard(path: string, method: string, operation: ApiOperation): Html {
  const { operationId, summary, description, parameters = [], requestBody, responses } = operation;
  return html`<div class="card operation" id="${operationId}">
    <h3><code>${method.toUpperCase()} ${path}</code></h3>
    <p>${withCode(summary ?? '')}</p>
    ${description !== undefined && html`<p class="note">${withCode(description)}</p>`}
    ${
      parameters.length > 0 &&
      table(
        `Parameters of ${operationId}`,
        ['Parameter', 'In', 'Type', 'Meaning'],
        parameters.map(({ name, in: where, required, description: meaning, schema = {} }) => [
          html`<code>${name}</code>${required === true && where !== 'path' && ' (required)'}`,
          html`${where}`,
          typeOf(schema),
          withCode(meaning ?? ''),
        ]),
      )
    }
    ${
      requestBody?.content !== undefined &&
      table(
        `Body of ${operationId}`,
        ['Content type', 'Body'],
        Object.entries(requestBody.content).map(([type, { schema = {} }]) => [
          html`<code>${type}</code>`,
          html`${typeOf(schema)} ${withCode(textOf(schema['description']))}`,
        ]),
      )
    }
    ${table(
      `Answers of ${operationId}`,
      ['Status', 'Content', 'Meaning'],
      Object.entries(responses).map(([status, { description: meaning = '', content = {} }]) => [
        html`${status}`,
        html`${Object.entries(content).map(([type, { schema = {} }]) => html`<code>${type}</code> ${typeOf(schema)}`)}`,
        withCode(meaning),
      ]),
    )}
    ${(operation['x-codeSamples'] ?? []).map(
      ({ lang, source }) =>
        html`<details>
          <summary>${lang}</summary>
          <pre tabindex="0">${source}</pre>
        </details>`,
    )}
  </div>`;
}

function schemaCard(name: string, schema: SchemaPart): Html {
  const properties = (schema['properties'] ?? {}) as Readonly<Record<string, SchemaPart>>;
  const required = (schema['required'] ?? []) as readonly string[];
  return html`<div class="card operation" id="schema-${name}">
    <h3>${name}</h3>
    <p>${withCode(textOf(schema['description']))}</p>
    ${
      Object.keys(properties).length === 0
        ? html`<p>${typeOf(schema)}</p>`
        : table(
            `Fields of ${name}`,
            ['Field', 'Type', 'Meaning'],
            Object.entries(properties).map(([field, part]) => [
              html`<code>${field}</code>${!required.includes(field) && ' (optional)'}`,
              typeOf(part),
              withCode(textOf(part['description'])),
            ]),
          )
    }
  </div>`;
}

function table(label: string, columns: readonly string[], rows: readonly (readonly Html[])[]): Html {
  return html`<div class="scroll" tabindex="0" role="group" aria-label="${label}">
    <table>
      <thead>
        <tr>
          ${columns.map((column) => html`<th scope="col">${column}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ([first, ...rest]) =>
            html`<tr>
              <th scope="row">${first}</th>
              ${rest.map((cell) => html`<td>${cell}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

/** A type in words, with a link if it is a document of its own. */
function typeOf(schema: SchemaPart): Html {
  const { $ref: reference, type, enum: values, anyOf, items } = schema;
  if (typeof reference === 'string') {
    const name = reference.split('/').at(-1)!;
    return html`<a href="#schema-${name}">${name}</a>`;
  }
  if (Array.isArray(values)) return html`${values.map(String).join(', ')}`;
  if (Array.isArray(anyOf)) {
    return html`${(anyOf as SchemaPart[]).map((one, i) => html`${i > 0 && ' or '}${typeOf(one)}`)}`;
  }
  if (type === 'array') return html`array of ${typeOf((items ?? {}) as SchemaPart)}`;
  return html`${[type].flat().map(textOf).filter(Boolean).join(' or ')}`;
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Text with code in backticks. */
export function withCode(text: string): Html {
  return html`${text.split('`').map((part, i) => (i % 2 === 1 ? html`<code>${part}</code>` : part))}`;
}

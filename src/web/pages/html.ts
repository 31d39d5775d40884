import { createHash } from 'node:crypto';

/** HTML that is safe to send. Only this file creates it, and escapes every value. */
export class Html {
  constructor(
    readonly text: string,
    /** The text without the numbers in it. */
    readonly shape: string,
    /** The numbers in it, by their keys. */
    readonly numbers: readonly LiveNumber[],
    readonly parts: readonly LivePart[],
  ) {}
  toString(): string {
    return this.text;
  }
}

export type LiveNumber = readonly [key: string, html: string];

/** A part of a page that is replaced if more than its numbers has changed. */
export interface LivePart {
  readonly id: string;
  readonly html: string;
  readonly shape: string;
  readonly numbers: readonly LiveNumber[];
}

/**
 * The values of a template: HTML stays as it is, text is escaped, null, undefined and false are
 * left out.
 */
export type HtmlPart = Html | string | number | null | undefined | false | readonly HtmlPart[];

/**
 * `` html`<p title="${name}">${text}</p>` `` Attributes must be in double quotes, because unquoted
 * ones cannot be escaped.
 */
export function html(strings: TemplateStringsArray, ...values: HtmlPart[]): Html {
  let text = strings[0]!;
  let shape = strings[0]!;
  const numbers: LiveNumber[] = [];
  const parts: LivePart[] = [];
  const add = (value: HtmlPart): void => {
    if (value === null || value === undefined || value === false) return;
    if (value instanceof Html) {
      text += value.text;
      shape += value.shape;
      numbers.push(...value.numbers);
      parts.push(...value.parts);
    } else if (typeof value === 'object') {
      value.forEach(add);
    } else {
      const escaped = escapeHtml(String(value));
      text += escaped;
      shape += escaped;
    }
  };
  values.forEach((value, i) => {
    add(value);
    text += strings[i + 1]!;
    shape += strings[i + 1]!;
  });
  return new Html(text, shape, numbers, parts);
}

/**
 * A number that the usage stream keeps up to date.
 *
 * @param key unique within the page
 */
export function live(key: string, value: HtmlPart, tag: 'span' | 'g' = 'span'): Html {
  const { text } = html`${value}`;
  const [open, close] = [`<${tag} data-live="${escapeHtml(key)}">`, `</${tag}>`];
  return new Html(open + text + close, open + close, [[key, text]], []);
}

/** A part that the usage stream replaces if its shape changes. No part is in another. */
export function livePart(id: string, content: HtmlPart): Html {
  const { text, shape, numbers } = html`${content}`;
  const digest = createHash('sha256').update(shape).digest('base64url').slice(0, 12);
  const open = `<div id="${escapeHtml(id)}" data-part>`;
  return new Html(`${open}${text}</div>`, '', [], [{ id, html: text, shape: digest, numbers }]);
}

/** A name that somebody else wrote: whatever its direction, the text around it keeps its own. */
export const foreign = (name: string): Html => html`<bdi>${name}</bdi>`;

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}

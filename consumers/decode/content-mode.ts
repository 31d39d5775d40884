import { headerText, type RawHeaders } from './attributes';

/** How a record holds its event, by CloudEvents' Kafka protocol binding. */
export type ContentMode = 'structured' | 'binary' | 'batch';

const CONTENT_TYPE = 'content-type';
export const STRUCTURED_TYPE = 'application/cloudevents+json';
export const BATCH_TYPE = 'application/cloudevents-batch+json';

/**
 * The content type decides, because a structured event may carry `ce_` headers as well. If it does
 * not decide, the header `ce_specversion` means binary mode.
 */
export function contentModeOf(headers: RawHeaders | undefined): ContentMode {
  if (headers === undefined) return 'structured';
  const contentType = mediaTypeOf(contentTypeOf(headers));
  if (contentType === STRUCTURED_TYPE) return 'structured';
  if (contentType === BATCH_TYPE) return 'batch';
  return headers['ce_specversion'] === undefined ? 'structured' : 'binary';
}

/** Some producers write HTTP's spelling, `Content-Type`. The binding's own spelling wins. */
function contentTypeOf(headers: RawHeaders): RawHeaders[string] {
  const given = headers[CONTENT_TYPE];
  if (given !== undefined) return given;
  for (const name in headers) {
    if (name.length === CONTENT_TYPE.length && name.toLowerCase() === CONTENT_TYPE) return headers[name];
  }
  return undefined;
}

/** The part before any parameters, in lower case, because media types are case-insensitive. */
function mediaTypeOf(value: RawHeaders[string]): string | undefined {
  if (value === undefined) return undefined;
  const text = headerText(value);
  if (typeof text !== 'string') return undefined;
  const end = text.indexOf(';');
  return (end < 0 ? text : text.slice(0, end)).trim().toLowerCase();
}

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

const axe = readFileSync(createRequire(__filename).resolve('axe-core/axe.min.js'), 'utf8');

/** Everything that axe finds, of whatever weight. */
export async function axeFindings(page: Page): Promise<string[]> {
  // By the debugger, since the page's own policy lets no script in.
  await page.evaluate(axe);
  return page.evaluate<string[]>(`axe.run().then(({ violations }) => violations
    .map(({ id, impact, nodes }) => id + ' (' + impact + '): ' + nodes.map(({ html }) => html).join(' ')))`);
}

export const isTooWide = (page: Page): Promise<boolean> =>
  page.evaluate<boolean>('document.documentElement.scrollWidth > document.documentElement.clientWidth');

/**
 * The texts that leave the window at its side, or their own box, and can be read by no scrolling.
 */
export const cutOff = (page: Page): Promise<string[]> =>
  page.evaluate<string[]>(`[...document.querySelectorAll('main *')]
    .filter((element) => element.checkVisibility({ visibilityProperty: true }) && element.closest('.hidden, thead, svg') === null)
    .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== ''))
    .filter((element) => {
      const { left, right } = element.getBoundingClientRect();
      const clips = getComputedStyle(element).overflowX !== 'visible';
      return left < 0 || right > document.documentElement.clientWidth || (clips && element.scrollWidth > element.clientWidth);
    })
    .map((element) => element.textContent.trim())`);

import type { FastifyReply } from 'fastify';
import { html, type Html, type HtmlPart } from './html';
import { staticUrl } from '../http/static-files';
import { projectsSeenBy, type Role, type Session } from '../http/tokens';

export interface PageFrame {
  readonly title: string;
  /** undefined on pages that need no sign-in. */
  readonly session?: Session | undefined;
  /** The proof that this session's forms carry. */
  readonly formProof?: string;
  /** The project of the page. */
  readonly project?: string;
  /**
   * The address of the stream that keeps the page up to date, and the state that it begins from.
   */
  readonly live?: { readonly stream: string; readonly state: string };
}

/** How many projects the switcher lists. A longer list would be useless. */
const PROJECTS_LISTED = 200;

export function page(frame: PageFrame, main: HtmlPart): Html {
  const { title, session, live } = frame;
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title} · Tallyman</title>
        <link rel="icon" href="${staticUrl('favicon.svg')}" type="image/svg+xml" />
        <link rel="preload" href="${staticUrl('noto-sans.woff2')}" as="font" type="font/woff2" crossorigin />
        <link rel="stylesheet" href="${staticUrl('page.css')}" />
        ${
          live !== undefined &&
          html`<script
            src="${staticUrl('page.js')}"
            defer
            data-stream="${live.stream}"
            data-state="${live.state}"
          ></script>`
        }
      </head>
      <body>
        <a class="skip" href="#main">Skip to content</a>
        <header class="bar-top">
          <div class="wide">
            <a class="brand" href="/">${logo()}<span>Tallyman</span></a>
            ${session !== undefined && navigation(frame, session)}
          </div>
        </header>
        <main id="main" class="wide">${main}</main>
      </body>
    </html> `;
}

function navigation({ project, formProof = '' }: PageFrame, session: Session): Html {
  const projects = projectsSeenBy(session).slice(0, PROJECTS_LISTED);
  return html`<nav aria-label="Projects">
      ${
        projects.length > 1 || (project === undefined && projects.length > 0)
          ? html`<details class="switcher">
              <summary><span class="hidden">Project: </span>${project ?? 'Projects'}</summary>
              <ul>
                ${projects.map(
                  ([id, role]) =>
                    html`<li>
                      <a href="${projectUrl(id, pageOf(role))}" ${currentIf(id === project)}
                        >${id}<small>${role}</small></a
                      >
                    </li>`,
                )}
              </ul>
            </details>`
          : project !== undefined && html`<span class="project">${project}</span>`
      }
      ${session.isOps && html`<a class="quiet" href="/ops" ${currentIf(project === undefined)}>Installation</a>`}
    </nav>
    <form method="post" action="/logout" class="sign-out">
      <input type="hidden" name="proof" value="${formProof}" />
      <button class="quiet">Sign out</button>
    </form>`;
}

const currentIf = (is: boolean): Html | false => is && html` aria-current="page"`;

/**
 * The address of a project's page. Ids need no encoding: they are letters, digits, `_`, `.` and
 * `-`.
 */
export const projectUrl = (project: string, kind: 'billing' | 'usage'): string =>
  `/projects/${project}/${kind}`;

/** The page that a role sees. */
export const pageOf = (role: Role): 'billing' | 'usage' => (role === 'admin' ? 'billing' : 'usage');

export function sendPage(reply: FastifyReply, document: Html): FastifyReply {
  return reply
    .type('text/html; charset=utf-8')
    .header('cache-control', 'private, no-store')
    .send(document.text);
}

/** Five tally marks. */
function logo(): Html {
  return html`<svg class="logo" viewBox="0 0 24 24" aria-hidden="true">
    <path
      d="M5 4v16M10 4v16M15 4v16M20 4v16M2.5 16.5l19-9"
      fill="none"
      stroke="currentColor"
      stroke-width="2.2"
      stroke-linecap="round"
    />
  </svg>`;
}

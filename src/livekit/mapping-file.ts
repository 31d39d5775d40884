import type { LiveKitMapping } from '../../schemas/types';
import { TallymanError } from '../lib/errors';
import { readFailure, readTextFile } from '../lib/text/input-file';
import { validatorOf } from '../lib/schema';
import { DEFAULT_PROJECT_PATTERN } from './project-of-room';
import type { MappingRules } from './usage-of-webhook';

/**
 * Reads the file that defines how webhooks become usage; returns the defaults if there is none.
 *
 * @throws TallymanError `BAD_LIVEKIT_MAPPING`, with every problem
 */
export function loadMappingRules(path: string | undefined): MappingRules {
  if (path === undefined) return rulesOf({}, DEFAULT_PROJECT_PATTERN);
  const problems: string[] = [];
  let document: LiveKitMapping = {};
  let pattern = DEFAULT_PROJECT_PATTERN;
  try {
    const value: unknown = JSON.parse(readTextFile(path));
    problems.push(...validatorOf('livekit-mapping.v1.json')(value));
    document = value as LiveKitMapping;
    if (problems.length === 0 && document.roomPattern !== undefined) {
      pattern = new RegExp(document.roomPattern, 'u');
      // Without a group, every room would be unattributed.
      if (new RegExp(`${document.roomPattern}|`, 'u').exec('')!.length < 2) {
        problems.push(`roomPattern is "${document.roomPattern}" and must have a group for the project`);
      }
    }
  } catch (error) {
    problems.push(readFailure(error));
  }
  if (problems.length === 0) return rulesOf(document, pattern);
  throw new TallymanError(
    'BAD_LIVEKIT_MAPPING',
    [`TALLYMAN_LIVEKIT_MAPPING names ${path}:`, ...problems].join('\n  '),
    { path, problems },
  );
}

function rulesOf(document: LiveKitMapping, pattern: RegExp): MappingRules {
  return {
    source: document.source ?? '/livekit',
    projects: {
      ...(document.project !== undefined && { fixed: document.project }),
      names: new Map(Object.entries(document.rooms ?? {})),
      pattern,
      usesMetadata: document.usesRoomMetadata ?? false,
      unattributed: document.unattributed ?? 'unattributed',
    },
    sipVariants: new Map(Object.entries(document.sipVariants ?? {})),
    agentsAre: document.agentsAre ?? 'agent',
    connectorsAre: document.connectorsAre ?? 'connector',
    agentUsageFrom: document.agentUsageFrom ?? 'participant',
  };
}

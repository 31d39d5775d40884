import { Command, InvalidArgumentError, Option } from 'commander';
import { withContext } from '../../../installation/context';
import { TallymanError } from '../../../lib/errors';
import { logStart } from '../../../installation/log-start';
import { stopsWhileStarting } from '../../../lib/process/stop-signal';
import { durationOption, intervalArgument, projectArgument } from '../../lib/arguments';
import { versionText } from '../../lib/version';

export function verb(): Command {
  return new Command('bridge')
    .description('Turn reports of another system into usage events.')
    .addHelpText(
      'after',
      `
Examples:
  LIVEKIT_API_KEY=devkey LIVEKIT_API_SECRET=$SECRET tallyman bridge livekit`,
    )
    .addCommand(livekit())
    .addCommand(livekitTransfer());
}

function livekit(): Command {
  return new Command('livekit')
    .description(
      "Receive LiveKit's webhooks (POST /livekit/webhooks) and publish the usage that they report.",
    )
    .option(
      '--watch',
      'end what LiveKit never ends: record open sessions, egress and ingress in Redis, and ask LiveKit for them',
    )
    .addHelpText(
      'after',
      `
LIVEKIT_API_KEY and LIVEKIT_API_SECRET check the signatures (several keys: LIVEKIT_KEYS="key: secret, key2: secret2").
TALLYMAN_SPOOL names a folder that keeps webhooks while Kafka is away, up to TALLYMAN_SPOOL_MIB (256 MiB).
TALLYMAN_LIVEKIT_MAPPING names a file that assigns rooms to projects (schemas/livekit-mapping.v1.json). By default the
room acme.standup belongs to acme.
--watch asks the server at LIVEKIT_URL every 30 s. What nobody has seen for TALLYMAN_LIVEKIT_SESSION_LIMIT (24h) has ended. TALLYMAN_HOST and TALLYMAN_PORT set where to listen.

In LiveKit's own configuration:
  webhook:
    api_key: <LIVEKIT_API_KEY>
    urls: [http://127.0.0.1:8080/livekit/webhooks]

Examples:
  LIVEKIT_API_KEY=devkey LIVEKIT_API_SECRET=$SECRET TALLYMAN_SPOOL=/var/lib/tallyman tallyman bridge livekit`,
    )
    .action((options: { watch?: true }) =>
      withContext(
        async (context) => {
          if (context.config.livekit.keys.size === 0) {
            throw new TallymanError(
              'NO_LIVEKIT_KEYS',
              'Set LIVEKIT_API_KEY and LIVEKIT_API_SECRET to the key that LiveKit signs its webhooks with.',
            );
          }
          stopsWhileStarting(context.logger);
          const { keys, url, spoolFolder, mappingPath } = context.config.livekit;
          logStart(context, 'bridge livekit', versionText(), {
            keys: keys.size,
            ...(options.watch && { watches: url }),
            spool: spoolFolder ?? 'none',
            mapping: mappingPath ?? 'none',
          });
          // The web server is loaded only now, because help and completion load this file too.
          const { runGateway } = await import('../../../web/gateway/run-gateway.js');
          await runGateway(context, { authSecret: undefined, watches: options.watch ?? false });
        },
        { waitsForKafka: true },
      ),
    );
}

interface TransferOptions {
  readonly project: string;
  readonly every: number;
}

function livekitTransfer(): Command {
  return new Command('livekit-transfer')
    .description("Count what LiveKit's nodes transfer, for a deployment with one project.")
    .argument('<urls...>', "the nodes' Prometheus pages", (text: string, before: string[] = []) => [
      ...before,
      urlArgument(text),
    ])
    .addOption(
      new Option('--project <id>', 'the project that all of it belongs to')
        .argParser(projectArgument)
        .makeOptionMandatory(),
    )
    .addOption(
      durationOption('--every <duration>', 'how often the counters are read', '1m', intervalArgument),
    )
    .addHelpText(
      'after',
      `
LiveKit counts bytes by node, not by room. Set prometheus_port in LiveKit's own configuration.
Each node and day becomes one usage.transfer event per direction, published when the day is over in TALLYMAN_BILLING_ZONE.
Redis keeps the counts. Several of these processes may run at once: what a node transfers counts once.

Examples:
  tallyman bridge livekit-transfer --project acme http://10.0.0.4:6789/metrics http://10.0.0.5:6789/metrics`,
    )
    .action((urls: string[], options: TransferOptions) =>
      withContext(
        async (context) => {
          stopsWhileStarting(context.logger);
          const { project, every: everyMs } = options;
          logStart(context, 'bridge livekit-transfer', versionText(), { project, watches: urls, everyMs });
          const { runTransferMeter } = await import('../../../livekit/transfer/run-transfer-meter.js');
          await runTransferMeter(context, { urls, project, everyMs });
        },
        { waitsForKafka: true },
      ),
    );
}

function urlArgument(text: string): string {
  if (!/^https?:\/\/[^\s/]+/.test(text) || !URL.canParse(text)) {
    throw new InvalidArgumentError(`"${text}" is not an address: write http://host:port/metrics.`);
  }
  return text;
}

import { Command } from 'commander';
import { versionText } from '../../lib/version';
import { logStart } from '../../../installation/log-start';
import { withContext } from '../../../installation/context';
import { stopsWhileStarting } from '../../../lib/process/stop-signal';
import { needAuthSecret } from '../../lib/auth-secret';

export function verb(): Command {
  return new Command('gateway')
    .description("Receive usage events and LiveKit's webhooks over HTTP, and publish them to Kafka.")
    .addHelpText(
      'after',
      `
POST /v1/events accepts CloudEvents from clients with a producer's token. TALLYMAN_AUTH_SECRET (32 bytes or more) checks
the token. TALLYMAN_HOST and TALLYMAN_PORT set where to listen. TALLYMAN_HEALTH_PORT serves /healthz, /readyz and
/metrics. If LIVEKIT_API_KEY and LIVEKIT_API_SECRET are set, POST /livekit/webhooks accepts LiveKit's webhooks.

Examples:
  tallyman token acme --role producer --expires 365d
  tallyman gateway
  curl -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/cloudevents+json' \\
       --data @event.json http://127.0.0.1:8080/v1/events`,
    )
    .action(() =>
      withContext(
        async (context) => {
          const authSecret = needAuthSecret(context);
          stopsWhileStarting(context.logger);
          logStart(context, 'gateway', versionText());
          // The web server is loaded only now, because help and completion load this file too.
          const { runGateway } = await import('../../../web/gateway/run-gateway.js');
          await runGateway(context, { authSecret });
        },
        { waitsForKafka: true },
      ),
    );
}

import { Command } from 'commander';
import { withContext } from '../../../installation/context';
import { needAuthSecret } from '../../lib/auth-secret';

export function verb(): Command {
  return new Command('gateway')
    .description("Take usage events over HTTP, and LiveKit's webhooks, and publish them to Kafka.")
    .addHelpText(
      'after',
      `
POST /v1/events takes CloudEvents of whoever has a producer's token. TALLYMAN_AUTH_SECRET (32 bytes or more) checks it;
TALLYMAN_HOST and TALLYMAN_PORT say where to listen; TALLYMAN_HEALTH_PORT answers /healthz, /readyz and /metrics.
If LIVEKIT_API_KEY and LIVEKIT_API_SECRET are set, POST /livekit/webhooks takes LiveKit's webhooks as well.

Examples:
  tallyman token acme --role producer --expires 365d
  tallyman gateway
  curl -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/cloudevents+json' \\
       --data @event.json http://127.0.0.1:8080/v1/events`,
    )
    .action(() =>
      withContext(async (context) => {
        const authSecret = needAuthSecret(context);
        // With a web server: help and completion load this file too.
        const { runGateway } = await import('../../../web/gateway/run-gateway.js');
        await runGateway(context, { authSecret });
      }),
    );
}

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { goProgram } from './go';

export const CHART = 'deploy/helm/tallyman';
export const MANIFESTS = 'deploy/kubernetes/tallyman.yaml';
/** The Kubernetes that templates are rendered for. */
export const KUBERNETES_VERSION = '1.31.14';
const HELM_VERSION = 'v3.19.0';

const HEADER = `# Tallyman on Kubernetes, without Helm. Generated from ${CHART} by \`npm run deploy:manifests\`.
#   kubectl create namespace tallyman
#   kubectl -n tallyman create secret generic tallyman --from-literal=auth-secret=$(openssl rand -hex 32)
#   sed 's/kafka.kafka.svc:9092/<host:port>/; s/redis.redis.svc:6379/<host:port>/' ${MANIFESTS} | kubectl apply -f -
`;

/** @throws Error with what is missing */
export function findHelm(log: (line: string) => void): Promise<string> {
  return goProgram('helm.sh/helm/v3/cmd/helm', HELM_VERSION, log);
}

/** Renders the chart as it would be installed under the name tallyman. */
export function renderChart(helm: string, ...options: readonly string[]): string {
  const words = ['template', 'tallyman', CHART, '--namespace', 'tallyman'];
  return execFileSync(helm, [...words, '--kube-version', KUBERNETES_VERSION, ...options], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** The manifests for `kubectl`: the chart with its own values. */
export function manifests(helm: string): string {
  return HEADER + renderChart(helm).replace(/^[ \t]*\n/gm, '');
}

async function writeManifests(): Promise<void> {
  const helm = await findHelm((line) => process.stderr.write(`${line}\n`));
  writeFileSync(MANIFESTS, manifests(helm));
}

if (require.main === module) void writeManifests();

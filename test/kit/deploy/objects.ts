import { parseAllDocuments } from 'yaml';

/** What the tests read of a Kubernetes object. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- each kind has another
  readonly spec: any;
  readonly data?: Readonly<Record<string, string>>;
}

export interface Container {
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: unknown }[];
  readonly readinessProbe?: unknown;
  readonly livenessProbe?: unknown;
  readonly resources: {
    readonly requests: { readonly memory: string };
    readonly limits: { readonly memory: string };
  };
  readonly securityContext: unknown;
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
}

export interface Pod {
  readonly automountServiceAccountToken: boolean;
  readonly enableServiceLinks: boolean;
  readonly securityContext: { readonly runAsNonRoot: boolean };
  readonly containers: readonly [Container];
  readonly volumes?: readonly { readonly name: string }[];
}

/** @throws Error if a document is not YAML */
export function objectsIn(yaml: string): KubernetesObject[] {
  return parseAllDocuments(yaml).map((document) => {
    if (document.errors.length > 0) throw document.errors[0]!;
    return document.toJS() as KubernetesObject;
  });
}

/** component -> its pod. */
export function podsOf(objects: readonly KubernetesObject[]): Map<string, Pod> {
  return new Map(
    objects.flatMap(({ kind, metadata, spec }) => {
      const template = kind === 'CronJob' ? spec.jobTemplate.spec.template : spec?.template;
      const component = metadata.labels?.['app.kubernetes.io/component'];
      return template === undefined || component === undefined ? [] : [[component, template.spec as Pod]];
    }),
  );
}

export const containerOf = (pods: ReadonlyMap<string, Pod>, component: string): Container =>
  pods.get(component)!.containers[0];

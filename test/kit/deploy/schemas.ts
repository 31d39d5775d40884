import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv, { type ValidateFunction } from 'ajv';
import { parse } from 'yaml';
import { goModule } from '../../../src/dev/go';
import { KUBERNETES_VERSION } from '../../../src/dev/manifests';
import type { KubernetesObject } from './objects';

/** The problems of an object by the schema of its kind, as text. */
export type Judge = (object: KubernetesObject) => string[];

interface Schema {
  type?: string | string[];
  properties?: Record<string, Schema>;
  additionalProperties?: unknown;
  'x-kubernetes-group-version-kind'?: { group: string; version: string; kind: string }[];
  'x-kubernetes-preserve-unknown-fields'?: boolean;
  'x-kubernetes-int-or-string'?: boolean;
  [key: string]: unknown;
}

/** Kinds that operators define, and where their modules keep the definitions. */
const DEFINITIONS = [
  ['github.com/prometheus-operator/prometheus-operator', 'v0.85.0', 'example/prometheus-operator-crd'],
  ['github.com/kedacore/keda/v2', 'v2.17.2', 'config/crd/bases'],
] as const;
const DEFINED = [
  'monitoring.coreos.com_servicemonitors.yaml',
  'monitoring.coreos.com_prometheusrules.yaml',
  'keda.sh_scaledobjects.yaml',
];

/** Reads the schemas that Kubernetes and the operators publish with their source. */
export async function readKubernetesSchemas(): Promise<Judge> {
  const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
  const validators = new Map<string, ValidateFunction>();

  const kubernetes = await goModule('k8s.io/kubernetes', `v${KUBERNETES_VERSION}`);
  const swagger = JSON.parse(
    readFileSync(join(kubernetes, 'api/openapi-spec/swagger.json'), 'utf8'),
  ) as Record<string, unknown>;
  const definitions = swagger['definitions'] as Record<string, Schema>;
  definitions['io.k8s.apimachinery.pkg.util.intstr.IntOrString'] = { type: ['string', 'integer'] };
  ajv.addSchema({ $id: 'kubernetes', definitions: strict(definitions) });
  const references = new Map<string, string>();
  for (const [name, schema] of Object.entries(definitions)) {
    for (const { group, version, kind } of schema['x-kubernetes-group-version-kind'] ?? [])
      references.set(
        `${group === '' ? '' : `${group}/`}${version} ${kind}`,
        `kubernetes#/definitions/${name}`,
      );
  }

  for (const [module, version, folder] of DEFINITIONS) {
    const source = await goModule(module, version);
    for (const file of DEFINED) {
      if (!file.startsWith(module.includes('keda') ? 'keda' : 'monitoring')) continue;
      const { spec } = parse(readFileSync(join(source, folder, file), 'utf8')) as {
        spec: {
          group: string;
          names: { kind: string };
          versions: { name: string; schema: { openAPIV3Schema: Schema } }[];
        };
      };
      for (const { name, schema } of spec.versions)
        validators.set(
          `${spec.group}/${name} ${spec.names.kind}`,
          ajv.compile(strict({ ...schema.openAPIV3Schema, 'x-kubernetes-preserve-unknown-fields': true })),
        );
    }
  }

  return (object) => {
    const type = `${object.apiVersion} ${object.kind}`;
    const reference = references.get(type);
    const validate = validators.get(type) ?? (reference === undefined ? undefined : ajv.getSchema(reference));
    if (validate === undefined) return [`${type}: there is no such kind`];
    void validate(object);
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }) =>
        `${object.kind} ${object.metadata.name}${instancePath} ${message} ${JSON.stringify(params)}`,
    );
  };
}

/** As the API server's strict mode: a field that the schema does not name is a mistake. */
function strict<T>(schema: T): T {
  if (Array.isArray(schema)) return schema.map((part: unknown) => strict(part)) as T;
  if (typeof schema !== 'object' || schema === null) return schema;
  const result = Object.fromEntries(
    Object.entries(schema).map(([key, part]) => [key, strict(part as unknown)]),
  ) as Schema;
  const isOpen = result['x-kubernetes-preserve-unknown-fields'] === true;
  // `properties` may also be a field of that name, whose schema is a single object.
  if (typeof result.properties === 'object' && result.type !== undefined && !isOpen)
    result.additionalProperties ??= false;
  if (result['x-kubernetes-int-or-string'] === true) delete result.type;
  // Go's flags, which JavaScript does not know.
  if (typeof result['pattern'] === 'string' && result['pattern'].includes('(?i)')) delete result['pattern'];
  return result as T;
}

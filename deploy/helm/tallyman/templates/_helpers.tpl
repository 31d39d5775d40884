{{- define "tallyman.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "tallyman.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "tallyman.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "tallyman.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* The labels of one installation. With a component: (list . "consume"). */ -}}
{{- define "tallyman.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "tallyman.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "tallyman.labels" -}}
{{- $root := index . 0 -}}
{{ include "tallyman.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end -}}

{{- define "tallyman.metadata" -}}
{{- $root := index . 0 -}}
name: {{ include "tallyman.fullname" $root }}-{{ index . 1 }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "tallyman.labels" . | nindent 2 }}
{{- end -}}

{{- /* The ACL's password is put in by Kubernetes, so that it is only in its Secret. */ -}}
{{- define "tallyman.redisUrl" -}}
{{- $redis := .Values.redis -}}
{{- $scheme := ternary "rediss" "redis" $redis.tls.enabled -}}
{{- if and $redis.cluster (eq (len $redis.nodes) 1) -}}{{- $scheme = printf "%s+cluster" $scheme -}}{{- end -}}
{{- $user := ternary (printf "%s:$(REDIS_PASSWORD)@" $redis.acl.username) "" (ne $redis.acl.secret "") -}}
{{- $urls := list -}}
{{- range $redis.nodes -}}{{- $urls = append $urls (printf "%s://%s%s" $scheme $user .) -}}{{- end -}}
{{- join "," $urls -}}
{{- end -}}

{{- /* Environment of every container. Settings that Tallyman would take anyway are left out. */ -}}
{{- define "tallyman.env" -}}
{{- $v := .Values -}}
- { name: KAFKA_BROKERS, value: {{ join "," $v.kafka.brokers | quote }} }
{{- if $v.kafka.tls.enabled }}
- { name: KAFKA_SSL, value: 'true' }
{{- if $v.kafka.tls.secret }}
- { name: KAFKA_SSL_CA, value: /etc/tallyman/kafka-tls/{{ $v.kafka.tls.caKey }} }
{{- if $v.kafka.tls.certKey }}
- { name: KAFKA_SSL_CERT, value: /etc/tallyman/kafka-tls/{{ $v.kafka.tls.certKey }} }
- { name: KAFKA_SSL_KEY, value: /etc/tallyman/kafka-tls/{{ $v.kafka.tls.keyKey }} }
{{- end }}
{{- end }}
{{- end }}
{{- with $v.kafka.sasl }}
{{- if .mechanism }}
- { name: KAFKA_SASL_MECHANISM, value: {{ .mechanism }} }
- { name: KAFKA_SASL_USERNAME, value: {{ .username | quote }} }
- name: KAFKA_SASL_PASSWORD
  valueFrom: { secretKeyRef: { name: {{ .secret }}, key: {{ .passwordKey }} } }
{{- end }}
{{- end }}
{{- if $v.redis.acl.secret }}
- name: REDIS_PASSWORD
  valueFrom: { secretKeyRef: { name: {{ $v.redis.acl.secret }}, key: {{ $v.redis.acl.passwordKey }} } }
{{- end }}
- { name: REDIS_URL, value: {{ include "tallyman.redisUrl" . | quote }} }
{{- if and $v.redis.tls.enabled $v.redis.tls.secret }}
- { name: REDIS_TLS_CA, value: /etc/tallyman/redis-tls/{{ $v.redis.tls.caKey }} }
{{- if $v.redis.tls.certKey }}
- { name: REDIS_TLS_CERT, value: /etc/tallyman/redis-tls/{{ $v.redis.tls.certKey }} }
- { name: REDIS_TLS_KEY, value: /etc/tallyman/redis-tls/{{ $v.redis.tls.keyKey }} }
{{- end }}
{{- end }}
{{- with $v.prefix }}
- { name: TALLYMAN_PREFIX, value: {{ . | quote }} }
{{- end }}
- { name: TALLYMAN_BILLING_ZONE, value: {{ $v.billingZone | quote }} }
- { name: TALLYMAN_ROUNDING, value: {{ $v.rounding }} }
- { name: TALLYMAN_FUTURE_LIMIT, value: {{ $v.limits.future | quote }} }
- { name: TALLYMAN_PAST_LIMIT, value: {{ $v.limits.past | quote }} }
- { name: TALLYMAN_DURATION_LIMIT, value: {{ $v.limits.duration | quote }} }
- { name: TALLYMAN_STUCK_AFTER, value: {{ $v.stuckAfter | quote }} }
- { name: LOG_LEVEL, value: {{ $v.logLevel }} }
{{- with $v.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "tallyman.fileEnv" -}}
{{- with .Values.files }}
{{- if .catalog }}
- { name: TALLYMAN_CATALOG, value: /etc/tallyman/files/catalog.json }
{{- end }}
{{- if .seller }}
- { name: TALLYMAN_SELLER, value: /etc/tallyman/files/seller.json }
{{- end }}
{{- if .livekitMapping }}
- { name: TALLYMAN_LIVEKIT_MAPPING, value: /etc/tallyman/files/livekit-mapping.json }
{{- end }}
{{- end }}
{{- end -}}

{{- define "tallyman.healthEnv" -}}
- { name: TALLYMAN_HEALTH_HOST, value: 0.0.0.0 }
- { name: TALLYMAN_HEALTH_PORT, value: '9464' }
{{- end -}}

{{- define "tallyman.httpEnv" -}}
{{- $component := index . 1 -}}
- { name: TALLYMAN_HOST, value: 0.0.0.0 }
- { name: TALLYMAN_PORT, value: '8080' }
{{- with $component.trustProxy | default (ternary "true" "" $component.ingress.enabled) }}
- { name: TALLYMAN_TRUST_PROXY, value: {{ . | quote }} }
{{- end }}
{{- end -}}

{{- define "tallyman.authEnv" -}}
- name: TALLYMAN_AUTH_SECRET
  valueFrom: { secretKeyRef: { name: {{ .Values.auth.secret }}, key: {{ .Values.auth.key }} } }
{{- end -}}

{{- define "tallyman.hasFiles" -}}
{{- with .Values.files -}}{{- if or .catalog .seller .livekitMapping -}}true{{- end -}}{{- end -}}
{{- end -}}

{{- define "tallyman.image" -}}
image: {{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- end -}}

{{- /* Certificates, the files if `files` is true, and `own` volumes: name -> { path, source }. */ -}}
{{- define "tallyman.volumeList" -}}
{{- $v := .root.Values -}}
{{- $list := list -}}
{{- range $name, $one := .own -}}
{{- $list = append $list (dict "name" $name "path" $one.path "source" $one.source) -}}
{{- end -}}
{{- if and $v.kafka.tls.enabled $v.kafka.tls.secret -}}
{{- $list = append $list (dict "name" "kafka-tls" "path" "/etc/tallyman/kafka-tls" "readOnly" true "source" (dict "secret" (dict "secretName" $v.kafka.tls.secret))) -}}
{{- end -}}
{{- if and $v.redis.tls.enabled $v.redis.tls.secret -}}
{{- $list = append $list (dict "name" "redis-tls" "path" "/etc/tallyman/redis-tls" "readOnly" true "source" (dict "secret" (dict "secretName" $v.redis.tls.secret))) -}}
{{- end -}}
{{- if and .files (include "tallyman.hasFiles" .root) -}}
{{- $list = append $list (dict "name" "files" "path" "/etc/tallyman/files" "readOnly" true "source" (dict "configMap" (dict "name" (printf "%s-files" (include "tallyman.fullname" .root))))) -}}
{{- end -}}
{{- toJson $list -}}
{{- end -}}

{{- define "tallyman.mounts" -}}
{{- with include "tallyman.volumeList" . | fromJsonArray }}
volumeMounts:
  {{- range . }}
  - { name: {{ .name }}, mountPath: {{ .path }}{{ if .readOnly }}, readOnly: true{{ end }} }
  {{- end }}
{{- end }}
{{- end -}}

{{- /* A volume without a source is made of a volumeClaimTemplate. */ -}}
{{- define "tallyman.volumes" -}}
{{- $sources := list -}}
{{- range include "tallyman.volumeList" . | fromJsonArray -}}
{{- if .source -}}{{- $sources = append $sources (merge (dict "name" .name) .source) -}}{{- end -}}
{{- end -}}
{{- with $sources }}
volumes:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /*
  What all pods have in common. With service links, a Service named tallyman would set TALLYMAN_PORT,
  which is a setting, to tcp://... in every pod.
*/ -}}
{{- define "tallyman.pod" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - { name: {{ . }} }
  {{- end }}
{{- end }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.pod.serviceAccountName }}
serviceAccountName: {{ . }}
{{- end }}
{{- with .Values.pod.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  seccompProfile: { type: RuntimeDefault }
{{- with .Values.pod.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.pod.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "tallyman.podMetadata" -}}
{{- $root := index . 0 -}}
labels:
  {{- include "tallyman.labels" . | nindent 2 }}
{{- $annotations := $root.Values.pod.annotations -}}
{{- if include "tallyman.hasFiles" $root -}}
{{- $annotations = merge (dict "tallyman/files" (toJson $root.Values.files | sha256sum)) $annotations -}}
{{- end -}}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "tallyman.spread" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- with $root.Values.topologySpread }}
topologySpreadConstraints:
  {{- range . }}
  - {{ toYaml . | nindent 4 | trim }}
    labelSelector:
      matchLabels:
        {{- include "tallyman.selector" (list $root $component) | nindent 8 }}
  {{- end }}
{{- end }}
{{- end -}}

{{- /* Restarts what is not alive, and keeps traffic from what is not ready. */ -}}
{{- define "tallyman.probes" -}}
startupProbe:
  httpGet: { path: /healthz, port: metrics }
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: { path: /healthz, port: metrics }
  periodSeconds: 20
  timeoutSeconds: 10
readinessProbe:
  httpGet: { path: /readyz, port: metrics }
  periodSeconds: 5
  timeoutSeconds: 5
{{- end -}}

{{- define "tallyman.mib" -}}{{ printf "%dMi" (. | int64) }}{{- end -}}

{{- /*
  340 MB, and 14 bytes for each id of two months, over all consumers. The limit also holds for the
  ids of a consumer that is down.
*/ -}}
{{- define "tallyman.consumeResources" -}}
{{- $c := .Values.consume -}}
{{- if $c.resources -}}
{{- toYaml $c.resources -}}
{{- else -}}
{{- $replicas := ternary $c.keda.minReplicas $c.replicas $c.keda.enabled | int64 -}}
{{- $ids := div (mul 28 (int64 .Values.eventsPerMonth)) 1048576 -}}
requests: { cpu: 500m, memory: {{ include "tallyman.mib" (add 340 (div $ids (max 1 $replicas))) }} }
limits: { memory: {{ include "tallyman.mib" (add 512 (div $ids (max 1 (sub $replicas 1)))) }} }
{{- end -}}
{{- end -}}

{{- /* 16 to 46 bytes for each id of two months of one shard. */ -}}
{{- define "tallyman.verifyResources" -}}
{{- if .Values.verify.resources -}}
{{- toYaml .Values.verify.resources -}}
{{- else -}}
{{- $shard := div (mul 92 (int64 .Values.eventsPerMonth)) (mul 1048576 (int64 .Values.init.partitions)) -}}
requests: { cpu: 500m, memory: {{ include "tallyman.mib" (add 256 $shard) }} }
limits: { memory: {{ include "tallyman.mib" (add 768 (mul 2 $shard)) }} }
{{- end -}}
{{- end -}}

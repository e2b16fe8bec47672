{{- define "shem.labels" -}}
app.kubernetes.io/name: shem
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "shem.selector" -}}
app.kubernetes.io/name: shem
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "shem.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "shem.servers" -}}
{{- if .Values.nats.url -}}
{{ .Values.nats.url }}
{{- else -}}
{{- range $number := until (int .Values.nats.servers) -}}
{{- if $number }},{{ end -}}
tls://{{ $.Release.Name }}-nats-{{ $number }}.{{ $.Release.Name }}-nats.{{ $.Release.Namespace }}.svc:4222
{{- end -}}
{{- end -}}
{{- end }}

{{- define "shem.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "shem.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "shem.environment" -}}
- {name: SHEM_NATS_NKEY, value: /run/shem/{{ .role }}.nk}
- {name: SHEM_NATS_CA, value: /run/shem/ca.pem}
- {name: SHEM_NATS_INBOX, value: _INBOX.{{ .role }}}
{{- if and (eq .role "executor") .root.Values.executors.secretsKey }}
- {name: SHEM_SECRETS_KEY_FILE, value: /run/shem/secrets.key}
{{- end }}
{{- with .root.Values.telemetry.otlpEndpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ . | quote }}}
- {name: OTEL_METRICS_EXPORTER, value: none}
- {name: OTEL_TRACES_SAMPLER, value: parentbased_traceidratio}
- {name: OTEL_TRACES_SAMPLER_ARG, value: {{ $.root.Values.telemetry.sampleRatio | quote }}}
{{- end }}
{{- end }}

{{- define "shem.volumes" -}}
- name: identity
  secret:
    secretName: {{ .root.Values.nats.identitySecret }}
    defaultMode: 0440
    items:
      - {key: {{ .role }}.nk, path: {{ .role }}.nk}
      - {key: ca.pem, path: ca.pem}
      {{- if and (eq .role "executor") .root.Values.executors.secretsKey }}
      - {key: secrets.key, path: secrets.key}
      {{- end }}
- {name: data, emptyDir: {}}
- {name: tmp, emptyDir: {}}
{{- end }}

{{- define "shem.mounts" -}}
- {name: identity, mountPath: /run/shem, readOnly: true}
- {name: data, mountPath: /var/lib/shem}
- {name: tmp, mountPath: /tmp}
{{- end }}

{{- define "shem.probes" -}}
startupProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 2
  failureThreshold: 90
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 5
livenessProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 10
  failureThreshold: 3
{{- end }}

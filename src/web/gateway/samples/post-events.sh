at=$(date -u +%Y-%m-%dT%H:%M:%SZ)
event() { # kind, id, data
  printf '{"specversion":"1.0","id":"%s","source":"/curl","type":"usage.%s.v1","subject":"acme","time":"%s","data":%s}' \
    "$2" "$1" "$at" "$3"
}
events="[
  $(event session PA_1 '{"service":"webrtc","durationMs":70000}'),
  $(event transfer PA_1/down '{"service":"webrtc","direction":"downstream","bytes":73400321}'),
  $(event agent AJ_1 '{"durationMs":300000}'),
  $(event inference REQ_1 '{"kind":"llm","model":"openai/gpt-4.1-mini","inputTokens":1200,"cachedInputTokens":1000,"outputTokens":80}')
]"
# Retries 429 and 503 after Retry-After seconds.
curl --silent --show-error --fail-with-body --retry 5 --retry-connrefused "$TALLYMAN_URL/v1/events" \
  -H "Authorization: Bearer $TALLYMAN_TOKEN" \
  -H 'Content-Type: application/cloudevents-batch+json' -H 'Prefer: handling=strict' --data "$events"

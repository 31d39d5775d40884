package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"time"
)

type event struct {
	SpecVersion string         `json:"specversion"`
	ID          string         `json:"id"`
	Source      string         `json:"source"`
	Type        string         `json:"type"`
	Subject     string         `json:"subject"`
	Time        time.Time      `json:"time"` // RFC 3339, to the nanosecond
	Data        map[string]any `json:"data"`
}

type answer struct {
	Accepted int               `json:"accepted"`
	Rejected []json.RawMessage `json:"rejected"`
}

var client = http.Client{Timeout: 30 * time.Second}

// Sends the same events until they are accepted: an event that arrives twice counts once.
func publish(events []event) (accepted answer, err error) {
	body, err := json.Marshal(events)
	if err != nil {
		return accepted, err
	}
	for attempt := 0; ; attempt++ {
		wait := time.Second << attempt
		request, err := http.NewRequest(http.MethodPost, os.Getenv("TALLYMAN_URL")+"/v1/events", bytes.NewReader(body))
		if err != nil {
			return accepted, err
		}
		request.Header.Set("Authorization", "Bearer "+os.Getenv("TALLYMAN_TOKEN"))
		request.Header.Set("Content-Type", "application/cloudevents-batch+json")
		response, err := client.Do(request)
		if err == nil {
			text, readErr := io.ReadAll(response.Body)
			response.Body.Close()
			if response.StatusCode == http.StatusAccepted && readErr == nil {
				return accepted, json.Unmarshal(text, &accepted)
			}
			err = fmt.Errorf("%s: %s", response.Status, text)
			if response.StatusCode != 202 && response.StatusCode != 429 && response.StatusCode != 503 {
				return accepted, err
			}
			if seconds, none := strconv.Atoi(response.Header.Get("Retry-After")); none == nil {
				wait = time.Duration(seconds) * time.Second
			}
		}
		if attempt == 5 {
			return accepted, err
		}
		time.Sleep(wait)
	}
}

func main() {
	of := func(kind, id string, data map[string]any) event {
		return event{"1.0", id, "/go-http", "usage." + kind + ".v1", "acme", time.Now(), data}
	}
	result, err := publish([]event{
		of("session", "PA_1", map[string]any{"service": "webrtc", "durationMs": 70_000}),
		of("transfer", "PA_1/down", map[string]any{"service": "webrtc", "direction": "downstream", "bytes": 73_400_321}),
		of("agent", "AJ_1", map[string]any{"durationMs": 300_000}),
		of("inference", "REQ_1", map[string]any{"kind": "llm", "model": "openai/gpt-4.1-mini",
			"inputTokens": 1_200, "cachedInputTokens": 1_000, "outputTokens": 80}),
	})
	if err != nil {
		log.Fatal(err)
	}
	if len(result.Rejected) > 0 {
		log.Fatalf("not accepted: %s", result.Rejected)
	}
}

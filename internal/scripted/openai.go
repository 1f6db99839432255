package scripted

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
)

// OpenAI is OpenAI's Chat Completions API, with a model that follows a Script.
type OpenAI struct {
	// Wrap, if set, changes the arguments of a call, for a framework that hides
	// the schema of a tool.
	Wrap func(json.RawMessage) json.RawMessage

	script *Script

	mu    sync.Mutex
	tools json.RawMessage
}

// NewOpenAI returns the API, for one conversation.
func NewOpenAI(script *Script) *OpenAI { return &OpenAI{script: script} }

// Tools returns the field tools of the last request.
func (o *OpenAI) Tools() json.RawMessage {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.tools
}

func (o *OpenAI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Tools    json.RawMessage `json:"tools"`
		Messages []struct {
			Role    string          `json:"role"`
			Content json.RawMessage `json:"content"`
		} `json:"messages"`
	}
	err := json.NewDecoder(r.Body).Decode(&request)
	if err != nil || !strings.HasSuffix(r.URL.Path, "/chat/completions") {
		http.Error(w, "no such request", http.StatusNotFound)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tools = request.Tools
	var replies []Reply
	for _, message := range request.Messages {
		if message.Role == "tool" {
			text := contentText(message.Content)
			// The API has no mark for a call that failed.
			replies = append(replies, Reply{Text: text, Failed: strings.HasPrefix(text, "[")})
		}
	}
	message := map[string]any{"role": "assistant", "content": Last}
	reason := "stop"
	if call := o.script.Next(replies); call != nil {
		arguments := call.Arguments
		if o.Wrap != nil {
			arguments = o.Wrap(arguments)
		}
		reason = "tool_calls"
		message = map[string]any{"role": "assistant", "content": nil, "tool_calls": []any{map[string]any{
			"id": call.ID, "type": "function",
			"function": map[string]any{"name": call.Name, "arguments": string(arguments)},
		}}}
	}
	answer, err := json.Marshal(map[string]any{
		"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "scripted",
		"choices": []any{map[string]any{"index": 0, "message": message, "finish_reason": reason}},
		"usage":   map[string]any{"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(answer)
}

// contentText is the text of a content, which is a string or a list of parts.
func contentText(content json.RawMessage) string {
	var text string
	if json.Unmarshal(content, &text) == nil {
		return text
	}
	var parts []struct {
		Text string `json:"text"`
	}
	_ = json.Unmarshal(content, &parts)
	texts := make([]string, 0, len(parts))
	for _, part := range parts {
		texts = append(texts, part.Text)
	}
	return strings.Join(texts, "")
}

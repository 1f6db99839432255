package wire

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gitsandbox/gitsandbox/internal/fake"
)

// opLogs is an operation that only this door has.
const opLogs = "logs"

type logJSON struct {
	Timestamp time.Time         `json:"timestamp"`
	Level     string            `json:"level"`
	Message   string            `json:"message"`
	Fields    map[string]string `json:"fields"`
}

// logLevels are the levels, least first.
//
//nolint:gochecknoglobals // a constant
var logLevels = []string{"debug", "info", "warn", "error"}

// logs returns what the platform's log store holds of a sandbox: the calls to
// it. As on E2B the command line of every process is in it.
func (s *Server) logs(x *exchange, r *http.Request) error {
	id, err := sandboxID(r)
	if err != nil {
		return err
	}
	query, err := parseLogQuery(r)
	if err != nil {
		return err
	}
	if _, err := s.engine.Get(id); err != nil {
		return err
	}
	entries := []logJSON{}
	for _, c := range s.engine.Calls() {
		if c.SandboxID != id {
			continue
		}
		if entry := logOf(&c); query.matches(&entry) {
			entries = append(entries, entry)
		}
	}
	if query.backward {
		slices.Reverse(entries)
	}
	if len(entries) > query.limit {
		entries = entries[:query.limit]
	}
	if err := s.call(r, opLogs, id); err != nil {
		return err
	}
	writeJSON(x, http.StatusOK, map[string]any{"logs": entries})
	return nil
}

func logOf(c *fake.Call) logJSON {
	entry := logJSON{Timestamp: c.Time.UTC(), Level: "info", Message: c.Op, Fields: map[string]string{"sandboxID": c.SandboxID}}
	if len(c.Args) > 0 {
		entry.Fields["args"] = strings.Join(c.Args, " ")
	}
	if c.Op == fake.OpExec || c.Op == fake.OpStdin {
		entry.Level = "debug"
	}
	return entry
}

type logQuery struct {
	cursor   *time.Time
	limit    int
	backward bool
	level    int
	search   string
}

func parseLogQuery(r *http.Request) (*logQuery, error) {
	q := r.URL.Query()
	l := &logQuery{limit: 1000, search: q.Get("search")}
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > 1000 {
			return nil, badRequest("validation error: limit must be between 0 and 1000")
		}
		l.limit = n
	}
	if text := q.Get("cursor"); text != "" {
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil || ms < 0 {
			return nil, badRequest("validation error: cursor is no time in milliseconds")
		}
		l.cursor = new(time.UnixMilli(ms))
	}
	switch q.Get("direction") {
	case "", "forward":
	case "backward":
		l.backward = true
	default:
		return nil, badRequest("validation error: direction must be forward or backward")
	}
	if text := q.Get("level"); text != "" {
		if l.level = slices.Index(logLevels, text); l.level < 0 {
			return nil, badRequest("validation error: %q is no level", text)
		}
	}
	return l, nil
}

func (l *logQuery) matches(entry *logJSON) bool {
	if l.cursor != nil && (l.backward && entry.Timestamp.After(*l.cursor) || !l.backward && entry.Timestamp.Before(*l.cursor)) {
		return false
	}
	if slices.Index(logLevels, entry.Level) < l.level {
		return false
	}
	return strings.Contains(entry.Message+" "+entry.Fields["args"], l.search)
}

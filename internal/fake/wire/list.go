package wire

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/internal/fake"
)

// maxPage is the size of the largest page, and of one that nobody sized.
const maxPage = 100

// list is the list of sandboxes of all states, in pages.
func (s *Server) list(x *exchange, r *http.Request) error {
	q := r.URL.Query()
	f, err := parseFilter(q)
	if err != nil {
		return err
	}
	p, err := parsePage(q)
	if err != nil {
		return err
	}
	if err := s.call(r, fake.OpList, ""); err != nil {
		return err
	}
	found := slices.DeleteFunc(s.engine.List(), func(i *fake.Info) bool { return !f.matches(i) })
	runs := 0
	for _, i := range found {
		if i.State == e2b.StateRunning {
			runs++
		}
	}
	found, next := p.cut(found)
	x.Header().Set("X-Total-Running", strconv.Itoa(runs))
	if next != "" {
		x.Header().Set("X-Next-Token", next)
	}
	writeJSON(x, http.StatusOK, listedReplies(found))
	return nil
}

// listRunning is the list that the first version of the API had.
func (s *Server) listRunning(x *exchange, r *http.Request) error {
	metadata, err := parseMetadata(r.URL.Query().Get("metadata"))
	if err != nil {
		return err
	}
	if err := s.call(r, fake.OpList, ""); err != nil {
		return err
	}
	f := &filter{metadata: metadata, states: []e2b.State{e2b.StateRunning}}
	found := slices.DeleteFunc(s.engine.List(), func(i *fake.Info) bool { return !f.matches(i) })
	writeJSON(x, http.StatusOK, listedReplies(found))
	return nil
}

func listedReplies(infos []*fake.Info) []*listedJSON {
	replies := make([]*listedJSON, 0, len(infos)) // an empty list is [], not null
	for _, i := range infos {
		replies = append(replies, listedReply(i))
	}
	return replies
}

// filter is what a list is narrowed to.
type filter struct {
	metadata     map[string]string
	states       []e2b.State // none means all
	template     string
	startedAfter time.Time
}

func parseFilter(q url.Values) (*filter, error) {
	f := &filter{template: q.Get("template")}
	var err error
	if f.metadata, err = parseMetadata(q.Get("metadata")); err != nil {
		return nil, err
	}
	for _, list := range q["state"] {
		for name := range strings.SplitSeq(list, ",") {
			if name == "" {
				continue
			}
			state := e2b.State(name)
			if state != e2b.StateRunning && state != e2b.StatePaused {
				return nil, badRequest("validation error: %q is no state", name)
			}
			f.states = append(f.states, state)
		}
	}
	if text := q.Get("startedAfter"); text != "" {
		if f.startedAfter, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return nil, badRequest("validation error: startedAfter is no time")
		}
	}
	return f, nil
}

func (f *filter) matches(i *fake.Info) bool {
	if len(f.states) > 0 && !slices.Contains(f.states, i.State) {
		return false
	}
	if f.template != "" && f.template != i.TemplateID && f.template != i.Alias {
		return false
	}
	if !f.startedAfter.IsZero() && !i.StartedAt.After(f.startedAfter) {
		return false
	}
	for k, v := range f.metadata {
		if have, ok := i.Metadata[k]; !ok || have != v {
			return false
		}
	}
	return true
}

// parseMetadata parses a metadata filter as it is in a decoded query: pairs
// k=v, joined by "&", with key and value percent-encoded, and the whole
// encoded once more. Empty means no filter.
func parseMetadata(text string) (map[string]string, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no filter is no error
	}
	whole, err := url.QueryUnescape(text)
	if err != nil {
		return nil, badRequest("error when unescaping query: %s", err)
	}
	metadata := make(map[string]string)
	for pair := range strings.SplitSeq(whole, "&") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, badRequest("invalid key value pair in query %q", pair)
		}
		if key, err = url.QueryUnescape(key); err != nil {
			return nil, badRequest("error when unescaping key: %s", err)
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return nil, badRequest("error when unescaping value: %s", err)
		}
		metadata[key] = value
	}
	return metadata, nil
}

// page is a part of a list.
type page struct {
	limit int
	desc  bool
	after *cursor // nil for the first page
}

// cursor is the place of a sandbox in a list, which holds whatever comes and
// goes before and after it.
type cursor struct {
	started int64 // in nanoseconds
	seq     int
}

func parsePage(q url.Values) (*page, error) {
	p := &page{limit: maxPage, desc: true}
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxPage {
			return nil, badRequest("validation error: limit must be between 1 and %d", maxPage)
		}
		p.limit = n
	}
	switch q.Get("order") {
	case "", "desc":
	case "asc":
		p.desc = false
	default:
		return nil, badRequest("validation error: order must be asc or desc")
	}
	if token := q.Get("nextToken"); token != "" {
		c, desc, err := parseCursor(token)
		if err != nil || desc != p.desc {
			return nil, badRequest("invalid next token")
		}
		p.after = c
	}
	return p, nil
}

func (c *cursor) token(desc bool) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%t:%d:%d", desc, c.started, c.seq))
}

func parseCursor(token string) (c *cursor, desc bool, err error) {
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return nil, false, err
	}
	order, rest, _ := strings.Cut(string(text), ":")
	started, seq, _ := strings.Cut(rest, ":")
	c = new(cursor)
	if desc, err = strconv.ParseBool(order); err != nil {
		return nil, false, err
	}
	if c.started, err = strconv.ParseInt(started, 10, 64); err != nil {
		return nil, false, err
	}
	if c.seq, err = strconv.Atoi(seq); err != nil {
		return nil, false, err
	}
	return c, desc, nil
}

func cursorOf(i *fake.Info) *cursor { return &cursor{started: i.StartedAt.UnixNano(), seq: i.Seq} }

func (c *cursor) compare(o *cursor) int {
	return cmp.Or(cmp.Compare(c.started, o.started), cmp.Compare(c.seq, o.seq))
}

// cut returns the sandboxes of the page, and the token of the next one, if
// there is one.
func (p *page) cut(all []*fake.Info) (part []*fake.Info, next string) {
	compare := func(a, b *cursor) int {
		if p.desc {
			a, b = b, a
		}
		return a.compare(b)
	}
	slices.SortFunc(all, func(a, b *fake.Info) int { return compare(cursorOf(a), cursorOf(b)) })
	if p.after != nil {
		all = slices.DeleteFunc(all, func(i *fake.Info) bool { return compare(cursorOf(i), p.after) <= 0 })
	}
	if len(all) <= p.limit {
		return all, ""
	}
	all = all[:p.limit]
	return all, cursorOf(all[len(all)-1]).token(p.desc)
}

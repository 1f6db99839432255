package e2b

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	maxPageSize = 100

	// maxEmptyPages is how many pages without a sandbox may follow one
	// another before the list is given up.
	maxEmptyPages = 10
)

// List yields the sandboxes that match. See [Transport].
func (c *Client) List(ctx context.Context, opts *ListOptions) iter.Seq2[*SandboxInfo, error] {
	if opts == nil {
		opts = &ListOptions{}
	}
	op := operation{name: "list", repeatable: true}
	pageSize := cmp.Or(opts.PageSize, maxPageSize)
	states := opts.States
	if len(states) == 0 {
		states = []State{StateRunning, StatePaused}
	}
	query := url.Values{"limit": {strconv.Itoa(pageSize)}, "state": {joinStates(states)}}
	if len(opts.Metadata) > 0 {
		query.Set("metadata", encodeMetadata(opts.Metadata))
	}
	return func(yield func(*SandboxInfo, error) bool) {
		if pageSize < 1 || pageSize > maxPageSize {
			yield(nil, op.invalid("a page size of %d is not from 1 to %d", pageSize, maxPageSize))
			return
		}
		query := maps.Clone(query) // the sequence may be ranged over twice
		for empty := 0; ; {
			page, next, err := c.page(ctx, op, query)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, info := range page {
				if !yield(info, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			if len(page) > 0 {
				empty = 0
			} else if empty++; empty > maxEmptyPages {
				yield(nil, op.protocol("more than %d empty pages", maxEmptyPages))
				return
			}
			if next == query.Get("nextToken") {
				yield(nil, op.protocol("the next page is the same page"))
				return
			}
			query.Set("nextToken", next)
		}
	}
}

// page asks for one page, and returns the token of the next or "".
func (c *Client) page(ctx context.Context, op operation, query url.Values) ([]*SandboxInfo, string, error) {
	var reply []sandboxJSON
	header, err := c.do(ctx, &call{operation: op, method: http.MethodGet, path: "/v2/sandboxes", query: query, reply: &reply})
	if err != nil {
		return nil, "", err
	}
	infos := make([]*SandboxInfo, 0, len(reply))
	for i := range reply {
		info, err := reply[i].info()
		if err != nil {
			return nil, "", op.protocol("reply: %w", err)
		}
		infos = append(infos, info)
	}
	return infos, header.Get("X-Next-Token"), nil
}

func joinStates(states []State) string {
	words := make([]string, len(states))
	for i, s := range states {
		words[i] = string(s)
	}
	return strings.Join(words, ",")
}

// encodeMetadata returns the filter as the server decodes it: after the query,
// the whole once more, and then each key and value.
func encodeMetadata(metadata map[string]string) string {
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		pairs = append(pairs, percentTwice(key)+"="+percentTwice(metadata[key]))
	}
	return strings.Join(pairs, "&")
}

func percentTwice(s string) string { return percent(percent(s)) }

// percent encodes every reserved character, and a space as %20: "+" would not
// survive being decoded twice.
func percent(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

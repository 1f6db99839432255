package wire

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/gitsandbox/gitsandbox/internal/fake"
)

type snapshotJSON struct {
	SnapshotID string   `json:"snapshotID"`
	Names      []string `json:"names"`
}

func snapshotReply(i *fake.SnapshotInfo) *snapshotJSON {
	reply := &snapshotJSON{SnapshotID: i.ID, Names: []string{}}
	if i.Name != "" {
		reply.Names = append(reply.Names, i.Name)
	}
	return reply
}

func (s *Server) snapshot(x *exchange, r *http.Request) error {
	id, err := sandboxID(r)
	if err != nil {
		return err
	}
	var body struct {
		Name string `json:"name"`
	}
	if err := decode(r, &body, false); err != nil {
		return err
	}
	if err := s.call(r, fake.OpSnapshot, id); err != nil {
		return err
	}
	info, err := s.engine.Snapshot(r.Context(), id, body.Name)
	if err != nil {
		return err
	}
	writeJSON(x, http.StatusCreated, snapshotReply(info))
	return nil
}

// listSnapshots lists snapshots in pages. The token of a page is the ID of the
// last snapshot before it.
func (s *Server) listSnapshots(x *exchange, r *http.Request) error {
	q := r.URL.Query()
	limit := maxPage
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxPage {
			return badRequest("validation error: limit must be between 1 and %d", maxPage)
		}
		limit = n
	}
	if err := s.call(r, fake.OpListSnapshots, q.Get("sandboxID")); err != nil {
		return err
	}
	found := slices.DeleteFunc(s.engine.Snapshots(), func(i fake.SnapshotInfo) bool {
		return q.Get("sandboxID") != "" && i.SandboxID != q.Get("sandboxID") ||
			q.Get("name") != "" && i.Name != q.Get("name")
	})
	if token := q.Get("nextToken"); token != "" {
		last := slices.IndexFunc(found, func(i fake.SnapshotInfo) bool { return i.ID == token })
		if last < 0 {
			return badRequest("invalid next token")
		}
		found = found[last+1:]
	}
	if len(found) > limit {
		found = found[:limit]
		x.Header().Set("X-Next-Token", found[limit-1].ID)
	}
	replies := make([]*snapshotJSON, 0, len(found))
	for i := range found {
		replies = append(replies, snapshotReply(&found[i]))
	}
	writeJSON(x, http.StatusOK, replies)
	return nil
}

// deleteSnapshot is the deletion of a template: a snapshot is one.
func (s *Server) deleteSnapshot(x *exchange, r *http.Request) error {
	id := r.PathValue("id")
	if err := s.call(r, fake.OpDeleteSnapshot, "", id); err != nil {
		return err
	}
	if err := s.engine.DeleteSnapshot(id); err != nil {
		return err
	}
	x.WriteHeader(http.StatusNoContent)
	return nil
}

type forkJSON struct {
	Sandbox *sandboxJSON `json:"sandbox,omitempty"`
	Error   *apiError    `json:"error,omitempty"`
}

func (s *Server) fork(x *exchange, r *http.Request) error {
	id, err := sandboxID(r)
	if err != nil {
		return err
	}
	var body struct {
		Count   *int   `json:"count"`
		Timeout *int64 `json:"timeout"`
	}
	if err := decode(r, &body, true); err != nil {
		return err
	}
	count := 1
	if body.Count != nil {
		count = *body.Count
	}
	if err := s.call(r, fake.OpFork, id); err != nil {
		return err
	}
	forks, err := s.engine.Fork(r.Context(), id, count, seconds(body.Timeout, 15))
	if err != nil {
		return err
	}
	replies := make([]forkJSON, len(forks))
	for i, f := range forks {
		if f.Err != nil {
			_, body := bodyOf(asError(f.Err))
			replies[i].Error = &body
			continue
		}
		if s.open.has(id) {
			s.open.add(f.Sandbox.ID())
		}
		replies[i].Sandbox = s.sandboxReply(f.Sandbox.Info())
	}
	writeJSON(x, http.StatusCreated, replies)
	return nil
}

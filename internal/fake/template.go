package fake

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// A resolved template is one that was found.
type resolved struct {
	Template

	id, alias string
	snapshot  *snapshot // or nil
}

// templateID derives the ID of a template from its name, so that it is the
// same in every run. It has the form of E2B's.
func templateID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:10])
}

// template finds a template or a snapshot by its ID or name.
func (e *Engine) template(name string) (*resolved, error) {
	bare, tag, tagged := strings.Cut(name, ":")
	notFound := &e2b.Error{
		Kind: e2b.ErrTemplateNotFound, Status: http.StatusNotFound,
		Message: fmt.Sprintf("template '%s' not found", bare),
	}
	if tagged && tag != "default" && tag != "latest" {
		notFound.Message = fmt.Sprintf("tag '%s' does not exist for template '%s'", tag, bare)
		return nil, notFound
	}
	if bare == "base" || bare == templateID("base") {
		return &resolved{Template: e.opts.Templates["base"], id: templateID("base"), alias: "base"}, nil
	}
	for alias, t := range e.opts.Templates {
		if bare == alias || bare == templateID(alias) {
			return &resolved{Template: t, id: templateID(alias), alias: alias}, nil
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.snapshots {
		if bare == s.id || bare == s.name && bare != "" {
			return &resolved{Template: Template{Env: s.env}, id: s.id, alias: s.name, snapshot: s}, nil
		}
	}
	return nil, notFound
}

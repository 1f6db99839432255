package mcpserver

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/tools"
)

// A Role says which of the server's tools its callers have. The zero value has all.
type Role struct {
	// Toolsets and Tools are what the role has. Default: everything.
	Toolsets []string `yaml:"toolsets"`
	Tools    []string `yaml:"tools"`

	// Exclude are tools that it does not have, whatever else says so.
	Exclude []string `yaml:"exclude_tools"`

	// ReadOnly leaves only tools that change nothing, whatever else says so.
	ReadOnly bool `yaml:"read_only"`
}

// ParseRoles reads roles from YAML:
//
//	roles:
//	  reviewer:
//	    read_only: true
//	  coder:
//	    toolsets: [git, files]
//	    tools: [run]
//	    exclude_tools: [git_push]
//
// What it does not know is an error.
func ParseRoles(r io.Reader) (map[string]*Role, error) {
	var file struct {
		Roles map[string]*Role `yaml:"roles"`
	}
	if err := decodeYAML(r, &file); err != nil {
		return nil, err
	}
	if len(file.Roles) == 0 {
		return nil, errors.New("there are no roles")
	}
	for name, role := range file.Roles {
		if name == "" {
			return nil, errors.New("a role has no name")
		}
		if role == nil {
			// "admin:" with nothing below it looks like a role without rights.
			return nil, fmt.Errorf("role %q says nothing; write {} for a role with all tools", name)
		}
	}
	return file.Roles, nil
}

// maxFile bounds files of roles and tokens.
const maxFile = 1 << 20

func decodeYAML(r io.Reader, into any) error {
	content, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return err
	}
	if len(content) > maxFile {
		return fmt.Errorf("more than %d bytes", maxFile)
	}
	d := yaml.NewDecoder(bytes.NewReader(content))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return errors.New("there is a second document")
	}
	return nil
}

// restrict returns the tools that both the server and the role have.
func (r *Role) restrict(client *gitsandbox.Client, server *tools.Options, all *tools.Set) (*tools.Set, error) {
	if r == nil {
		return nil, errors.New("nil")
	}
	theirs, err := tools.New(client, &tools.Options{Toolsets: r.Toolsets, Tools: r.Tools, Exclude: r.Exclude, ReadOnly: r.ReadOnly})
	if err != nil {
		return nil, err
	}
	o := *server
	o.Toolsets, o.Tools = nil, nil
	for _, t := range theirs.Tools() {
		if all.Tool(t.Name) != nil {
			o.Tools = append(o.Tools, t.Name)
		}
	}
	if len(o.Tools) == 0 {
		// An empty list would be all of them.
		return nil, errors.New("no tool is left")
	}
	o.Exclude = slices.Concat(o.Exclude, r.Exclude)
	o.ReadOnly = o.ReadOnly || r.ReadOnly
	return tools.New(client, &o)
}
